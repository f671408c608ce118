"""
Where the income goes: from consumers, by what it is used for, to suppliers.

The amounts are those of the whole period, in the mean of the worlds. Every use splits
between supplier kinds as the day's work does, so that the means split likewise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import PathPatch, Rectangle
from matplotlib.path import Path
from matplotlib.patheffects import withStroke

from coopera.sim.report.charts import FAINT, INK, TEXT, WIDTH, blank, darker, spread
from coopera.sim.report.wording import dollars, percent, shortened, titled
from coopera.sim.run import Result
from coopera.units import WAD

CONSUMERS, USES, RECEIVERS = range(3)
"""Columns of the picture, from left to right."""

BUYBACK, DOLLARS, OPERATIONS = "Buy-back", "Dollars", "Operations"
SPENT, KEPT = "Spent on operations", "Dollar reserve"

USE_COLOURS = {BUYBACK: "#0072b2", DOLLARS: "#009e73", OPERATIONS: "#e69f00"}
USE_NAMES = {
    BUYBACK: "Buys tokens for suppliers",
    DOLLARS: "Dollars for suppliers",
    OPERATIONS: "Operations",
}

TOP, BOTTOM, ROOM_MIN = 230, 50, 760
NODE = 26
LABEL_GAP = 54
USE_GAP = 90
"""Room over the bars of the uses, for their names."""


@dataclass(frozen=True, slots=True)
class Node:
    """A bar of the picture. A name may stand in two columns and mean two things."""

    column: int
    name: str


@dataclass(frozen=True, slots=True)
class Flow:
    """Dollars that pass from one node to another."""

    source: Node
    target: Node
    usd: float


def flows(result: Result, point: int = 0) -> tuple[Flow, ...]:
    """Follow the income of the whole period; parts that are zero are left out."""
    scenario = result.points[point].scenario
    payments = scenario.params.payments
    paid = np.array(
        [
            result.mean(f"jobs.{each.consumer}.{each.name}", point).sum()
            * float(each.job_price)
            for each in scenario.services
        ]
    )
    income, buyback, dollars_ = (
        float(result.mean(name, point).sum())
        for name in ("income_usd", "buyback_usd", "supplier_usd")
    )
    if income <= 0:
        return ()
    # Failed jobs are refunded: scaled to the income, which is what stays.
    part_of_service = paid / paid.sum()
    matrix = scenario.params.matrix
    shares = np.array([matrix.rows[each.pipeline] for each in scenario.services], float)
    part_of_kind = part_of_service @ shares / WAD
    part_of_class: dict[str, float] = {}
    for each, part in zip(scenario.services, part_of_service, strict=True):
        part_of_class[each.consumer] = part_of_class.get(each.consumer, 0.0) + part
    operations = max(income - buyback - dollars_, 0.0)
    spent = payments.operations_spend_fraction / WAD
    uses = {BUYBACK: buyback, DOLLARS: dollars_, OPERATIONS: operations}
    kinds = dict(zip(matrix.kinds, map(float, part_of_kind), strict=True))
    receivers = {
        BUYBACK: kinds,
        DOLLARS: kinds,
        OPERATIONS: {SPENT: spent, KEPT: 1.0 - spent},
    }
    found = [
        Flow(Node(CONSUMERS, consumer), Node(USES, use), part * usd)
        for consumer, part in part_of_class.items()
        for use, usd in uses.items()
    ]
    found += [
        Flow(Node(USES, use), Node(RECEIVERS, name), part * usd)
        for use, usd in uses.items()
        for name, part in receivers[use].items()
    ]
    # What is left is rounding, where nothing is withheld.
    return tuple(each for each in found if each.usd > 1e-9 * income)


def sankey_figure(title: str, note: str, all_flows: Sequence[Flow]) -> Figure:
    """Draw flows as ribbons between three columns of bars."""
    room = max(ROOM_MIN, LABEL_GAP * max(map(len, _columns(all_flows))))
    height = TOP + room + BOTTOM
    figure = blank(title, note, height)
    ax = figure.add_axes((0, 0, 1, 1))
    ax.set_axis_off()
    ax.set_xlim(0, WIDTH)
    ax.set_ylim(0, height)
    if not all_flows:
        ax.text(WIDTH / 2, height / 2, "There is no income.", ha="center", color=FAINT)
        return figure
    income = sum(each.usd for each in all_flows if each.source.column == CONSUMERS)
    bars = _bars(all_flows, room)
    for x, ha, heading in (
        (_x(CONSUMERS) + NODE, "right", "Consumers pay"),
        (_x(USES) + NODE / 2, "center", "What it is used for"),
        (_x(RECEIVERS), "left", "Who receives it"),
    ):
        y = BOTTOM + room + 74
        ax.text(x, y, heading, size=TEXT, color=FAINT, ha=ha)
    _draw_ribbons(ax, all_flows, bars)
    for column in (CONSUMERS, USES, RECEIVERS):
        _draw_bars(
            ax,
            {node: bar for node, bar in bars.items() if node.column == column},
            {node: _through(node, all_flows) for node in bars},
            income,
            room,
        )
    return figure


def _through(node: Node, all_flows: Sequence[Flow]) -> float:
    """Dollars that pass through a node."""
    side = "source" if node.column == CONSUMERS else "target"
    return sum(each.usd for each in all_flows if getattr(each, side) == node)


def _columns(all_flows: Sequence[Flow]) -> list[list[Node]]:
    nodes = dict.fromkeys(
        node for each in all_flows for node in (each.source, each.target)
    )
    return [
        [each for each in nodes if each.column == column]
        for column in (CONSUMERS, USES, RECEIVERS)
    ]


def _bars(all_flows: Sequence[Flow], room: float) -> dict[Node, tuple[float, float]]:
    """Place every node: bottom and top, in pixels; all columns to one scale."""
    columns = _columns(all_flows)
    income = sum(_through(each, all_flows) for each in columns[USES])
    gaps = [min(40.0, 0.35 * room / len(each)) for each in columns]
    gaps[USES] = USE_GAP
    scale = min(
        (room - gap * (len(column) - 1)) / income
        for gap, column in zip(gaps, columns, strict=True)
    )
    bars = {}
    for gap, column in zip(gaps, columns, strict=True):
        heights = [scale * _through(each, all_flows) for each in column]
        spare = room - sum(heights)
        between = min(spare / max(len(column) - 1, 1), max(gap, USE_GAP))
        top = BOTTOM + room - (spare - between * (len(column) - 1)) / 2
        for node, height in zip(column, heights, strict=True):
            bars[node] = (top - height, top)
            top -= height + between
    return bars


def _x(column: int) -> float:
    return (350.0, 780.0, 1210.0)[column]


def _draw_ribbons(
    ax: Axes, all_flows: Sequence[Flow], bars: Mapping[Node, tuple[float, float]]
) -> None:
    leaving = {node: top for node, (_, top) in bars.items()}
    arriving = dict(leaving)
    for each in all_flows:
        bottom, top = bars[each.target]
        width = (top - bottom) * each.usd / _through(each.target, all_flows)
        start, end = leaving[each.source], arriving[each.target]
        leaving[each.source] -= width
        arriving[each.target] -= width
        use = each.source if each.source.column == USES else each.target
        ribbon = _ribbon(
            (_x(each.source.column) + NODE, start), (_x(each.target.column), end), width
        )
        ax.add_patch(
            PathPatch(
                ribbon, facecolor=USE_COLOURS[use.name], alpha=0.36, edgecolor="none"
            )
        )


def _ribbon(start: tuple[float, float], end: tuple[float, float], width: float) -> Path:
    """Bend a band from the upper left to the upper right corner it is given."""
    middle = (start[0] + end[0]) / 2
    upper = [start, (middle, start[1]), (middle, end[1]), end]
    lower = [(x, y - width) for x, y in reversed(upper)]
    codes = [Path.MOVETO, *[Path.CURVE4] * 3, Path.LINETO, *[Path.CURVE4] * 3]
    return Path([*upper, *lower, start], [*codes, Path.CLOSEPOLY])


def _draw_bars(
    ax: Axes,
    bars: Mapping[Node, tuple[float, float]],
    usd: Mapping[Node, float],
    income: float,
    room: float,
) -> None:
    nodes = sorted(bars, key=lambda node: bars[node])
    middles = [sum(bars[node]) / 2 for node in nodes]
    places = spread(middles, LABEL_GAP, BOTTOM - 10, BOTTOM + room - 10)
    for node, place in zip(nodes, places, strict=True):
        bottom, top = bars[node]
        x = _x(node.column)
        colour = USE_COLOURS.get(node.name, INK) if node.column == USES else INK
        ax.add_patch(
            Rectangle((x, bottom), NODE, max(top - bottom, 1.5), facecolor=colour)
        )
        told = f"{dollars(usd[node])}  ({percent(usd[node] / income)})"
        if node.column == USES:
            _write(ax, (x + NODE / 2, top + 42), USE_NAMES[node.name], told, "center")
        elif node.column == CONSUMERS:
            _write(ax, (x - 16, place + 12), titled(node.name), told, "right")
        else:
            _write(ax, (x + NODE + 16, place + 12), titled(node.name), told, "left")


def _write(ax: Axes, place: tuple[float, float], name: str, told: str, ha: str) -> None:
    x, y = place
    # Ribbons pass behind the names of uses.
    halo = [withStroke(linewidth=3, foreground="white")] if ha == "center" else []
    for text, below, weight, colour in (
        (shortened(name, 26), 0, "bold", INK),
        (told, 24, "normal", darker(FAINT)),
    ):
        ax.text(
            x,
            y - below,
            text,
            size=TEXT,
            weight=weight,
            color=colour,
            ha=ha,
            va="center",
            path_effects=halo,
            parse_math=False,
        )
