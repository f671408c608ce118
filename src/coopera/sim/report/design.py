"""The picture of a design: key outcomes against the settings that were tried."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.collections import QuadMesh
from matplotlib.colors import ListedColormap
from matplotlib.figure import Figure

from coopera.sim.report.charts import (
    FAINT,
    GRID,
    INK,
    LEFT,
    PALETTE,
    TEXT,
    Picture,
    end_labels,
    rule,
    sheet,
    sign,
)
from coopera.sim.report.outcomes import HIGH, LOW, Outcome, swept
from coopera.sim.report.wording import (
    amount,
    compact,
    counted,
    listed,
    shortened,
)
from coopera.sim.run import Result
from coopera.sim.settings import swept_keys, written

LINE_LETTERS = 44
"""Letters that fit side by side under an axis."""

ROWS_WRITTEN, COLUMNS_WRITTEN = 10, 7
"""Largest map with its values in its cells."""

RAMP = "cividis"
"""Colours of heat maps, which the colour-blind see as others do."""


@dataclass(frozen=True, slots=True)
class Grid:
    """Two settings, each value of one tried with each of the other, once."""

    columns: list[str]
    rows: list[str]
    cells: list[tuple[int, int]]
    """Row and column of every point."""


def sweep(result: Result) -> Picture:
    """Draw the key outcomes of every point of a design."""
    keys = swept_keys([each.settings for each in result.points])
    by_point = [swept(result, point) for point in range(len(result.points))]
    grid = grid_of(result, keys)
    figure = _maps(by_point, keys, grid) if grid else _whiskers(result, by_point, keys)
    return Picture("sweep", _title(keys), _told(result, by_point, keys), figure)


def point_names(result: Result) -> list[str]:
    """Name the points of a design by the settings in which they differ."""
    keys = swept_keys([each.settings for each in result.points])
    if not keys:
        return [f"point {i + 1}" for i in range(len(result.points))]
    return [
        ", ".join(f"{key} = {written(each.settings.get(key))}" for key in keys)
        for each in result.points
    ]


def grid_of(result: Result, keys: Sequence[str]) -> Grid | None:
    """Find the grid of a design, if it is one of two settings."""
    if len(keys) != 2:  # noqa: PLR2004 - a map has two sides
        return None
    tried = [
        tuple(written(each.settings.get(key)) for key in keys) for each in result.points
    ]
    columns, rows = (_ordered([each[i] for each in tried]) for i in (0, 1))
    whole = len(columns) * len(rows)
    if not len(set(tried)) == len(tried) == whole:
        return None
    cells = [(rows.index(row), columns.index(column)) for column, row in tried]
    return Grid(columns, rows, cells)


def _ordered(values: Sequence[str]) -> list[str]:
    """Put the different values in order, numbers by size, words as they come."""
    different = list(dict.fromkeys(values))
    numbers = _numbers(different)
    return [each for _, each in sorted(zip(numbers, different, strict=True))]


def _numbers(values: Sequence[str]) -> list[float]:
    """Read values as numbers; if any is a word, give them the places they come in."""
    try:
        numbers = [float(each) for each in values]
    except ValueError:
        numbers = [math.nan]
    return (
        numbers
        if all(map(math.isfinite, numbers))
        else [*map(float, range(len(values)))]
    )


def _whiskers(
    result: Result, by_point: list[list[Outcome]], keys: Sequence[str]
) -> Figure:
    names, below = [str(i + 1) for i in range(len(by_point))], "point"
    if len(keys) == 1:
        names = [written(each.settings.get(keys[0])) for each in result.points]
        below = keys[0]
    places = np.array(_numbers(names))
    fit = max(map(len, names)) * len(names) <= LINE_LETTERS
    if not fit and len(set(places)) < len(places):
        names, below = [str(i + 1) for i in range(len(by_point))], "point"
        places = np.array(_numbers(names))
    note = (
        f"Dots: median; bars: 5% to 95% of {counted(result.runs, 'world')}. Hollow: "
        "mean, where the quantiles of a sum over days are not known."
    )
    figure, axes = sheet(
        _title(keys), note, len(by_point[0]), 2, 290, headed=True, right=70
    )
    for i, ax in enumerate(axes):
        _draw_whiskers(ax, places, [each[i] for each in by_point], below)
        if fit:
            ax.set_xticks(places, names, parse_math=False)
    return figure


def _title(keys: Sequence[str]) -> str:
    return f"Sweep of {shortened(listed(keys), 80)}" if keys else "Sweep"


def _draw_whiskers(
    ax: Axes, places: np.ndarray, outcomes: Sequence[Outcome], below: str
) -> None:
    middles = np.array([each.middle for each in outcomes])
    lows, highs = (
        np.array(
            [
                each.mean if each.quantiles is None else each.quantiles[level]
                for each in outcomes
            ]
        )
        for level in (LOW, HIGH)
    )
    margin = 0.06 * (float(np.ptp(places)) or 1.0)
    top = float(highs.max()) * 1.08 or 1.0
    left, right = float(places.min()) - margin, float(places.max()) + margin
    word = rule(ax, left, right, min(0.0, float(lows.min())), top)
    colour = PALETTE[0]
    order = np.argsort(places, kind="stable")
    ax.plot(places[order], middles[order], color=colour, linewidth=1, alpha=0.4)
    ax.vlines(places, lows, highs, color=colour, linewidth=2.5, alpha=0.5)
    known = np.array([each.quantiles is not None for each in outcomes])
    for part, face in ((known, colour), (~known, "white")):
        ax.plot(
            places[part],
            middles[part],
            "o",
            color=colour,
            markerfacecolor=face,
            markersize=6 if len(places) <= LINE_LETTERS // 2 else 4,
            clip_on=False,
        )
    sign(ax, outcomes[0].label, word + outcomes[0].unit, below)


def _maps(by_point: list[list[Outcome]], keys: Sequence[str], grid: Grid) -> Figure:
    written_in = len(grid.rows) <= ROWS_WRITTEN and len(grid.columns) <= COLUMNS_WRITTEN
    letters = min(max(map(len, grid.rows)), 16)
    left = max(LEFT, 52 + 11 * letters)
    figure, axes = sheet(
        _title(keys),
        f"Across: {keys[0]}. Up: {keys[1]}. Medians; of sums over days whose quantiles "
        "are not known, means.",
        len(by_point[0]),
        2,
        min(max(220, 56 * len(grid.rows)), 700),
        headed=True,
        right=50 if written_in else 170,
        left=left,
    )
    for i, ax in enumerate(axes):
        outcomes = [each[i] for each in by_point]
        values = np.empty((len(grid.rows), len(grid.columns)))
        for each, cell in zip(outcomes, grid.cells, strict=True):
            values[cell] = each.middle
        _draw_map(ax, values, grid, written_in=written_in)
        sign(ax, outcomes[0].label, outcomes[0].unit, keys[0], left)
    return figure


def _draw_map(ax: Axes, values: np.ndarray, grid: Grid, *, written_in: bool) -> None:
    low, high = float(values.min()), float(values.max())
    colours = colormaps[RAMP] if high > low else ListedColormap([GRID])
    line = 1.5 if written_in else 0.4
    mesh = ax.pcolormesh(values, cmap=colours, edgecolors="white", linewidth=line)
    ax.spines[:].set_visible(False)
    for axis, names in ((ax.xaxis, grid.columns), (ax.yaxis, grid.rows)):
        shown = range(0, len(names), -(-len(names) // 10))
        axis.set_ticks(
            [at + 0.5 for at in shown],
            [shortened(names[at], 16) for at in shown],
            parse_math=False,
        )
    ax.tick_params(length=0, pad=6, labelsize=TEXT, labelcolor=FAINT)
    if not written_in:
        _draw_scale(ax, mesh, low, high)
        return
    for (row, column), value in np.ndenumerate(values):
        is_dark = high > low and (value - low) / (high - low) < 0.55  # noqa: PLR2004
        ax.text(
            column + 0.5,
            row + 0.5,
            compact(float(value)),
            ha="center",
            va="center",
            size=TEXT,
            color="white" if is_dark else INK,
        )


def _draw_scale(ax: Axes, mesh: QuadMesh, low: float, high: float) -> None:
    """Draw the colours of a map beside it, with their values."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    if high == low:
        end_labels(ax, [(ax.get_ylim()[1] / 2, compact(low), FAINT)])
        return
    box = ax.get_position()
    place = (box.x1 + 0.012, box.y0, 0.012, box.height)
    bar = figure.colorbar(mesh, cax=figure.add_axes(place))
    ticks = [float(each) for each in bar.get_ticks() if low <= each <= high]
    bar.set_ticks(ticks, labels=[compact(each) for each in ticks])
    bar.ax.tick_params(length=0, labelsize=TEXT, labelcolor=FAINT)
    bar.outline.set_visible(False)


def _told(result: Result, by_point: list[list[Outcome]], keys: Sequence[str]) -> str:
    """Say between what the outcomes move, and which settings give the ends."""
    names = point_names(result)
    told = []
    for i in (0, 1, 4):
        outcomes = [each[i] for each in by_point]
        order = sorted(range(len(names)), key=lambda point: outcomes[point].middle)
        low, high = order[0], order[-1]
        if outcomes[low].middle == outcomes[high].middle:
            continue
        told.append(
            f"{outcomes[0].label.split(',')[0]}: from "
            f"{amount(outcomes[low].middle, outcomes[low].unit)} ({names[low]}) to "
            f"{amount(outcomes[high].middle, outcomes[high].unit)} ({names[high]})"
        )
    lead = f"{counted(len(names), 'point')} over {listed(keys) or 'equal settings'}. "
    return lead + ("; ".join(told) + "." if told else "The outcomes do not differ.")
