"""
Drawing: sheets of panels, fans of quantiles, labels at the ends of lines.

All lengths are pixels of the finished picture. Text comes from users' files, so that
none of it is read as formulas. No pyplot: it would keep figures, and choose a screen.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from io import BytesIO
from itertools import pairwise

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from PIL import Image

from coopera.sim.report.outcomes import HIGH, LOW, MEDIAN
from coopera.sim.report.wording import cell, shortened

WIDTH = 1600
DPI = 150
INK, FAINT, GRID, SHADE = "#1b2733", "#5c6873", "#e4e8ec", "#f1f4f7"
PALETTE = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9", "#7a7a7a")
"""Okabe and Ito's colours, which the colour-blind tell apart."""

STYLES = ("-", (0, (5, 2)), (0, (1.5, 1.5)))
"""How lines differ once the colours have been used up."""

TITLE, HEADING, TEXT, SMALL = 14.5, 10.5, 9.2, 8.7
"""Sizes of letters, in points."""

LABEL_GAP = 27
LABEL_LETTERS = 24
LETTER = 10.5
"""Width to allow for a letter of a label."""

TOP, HEAD, SIGN, FOOT, LEFT = 120, 38, 42, 70, 140
"""Heights over and under axes, and the width before them."""

CUT = 0.6
"""First days are left off a scale of which the others would fill less than this."""

MILLIONS = 1e7
"""Values from here on are written in millions."""


@dataclass(frozen=True, slots=True)
class Picture:
    """One finished drawing, and what it shows."""

    name: str
    """Of its file, without the ending."""
    title: str
    caption: str
    figure: Figure


@dataclass(frozen=True, slots=True)
class Series:
    """Quantiles of a variable by day, (days, levels), and how to draw them."""

    label: str
    fan: np.ndarray
    colour: str
    style: object = "-"


@dataclass(frozen=True, slots=True)
class Mark:
    """A day that something ends on."""

    day: int
    text: str
    colour: str = FAINT


@dataclass(frozen=True, slots=True)
class Panel:
    """One pair of axes: what is drawn against days."""

    title: str
    unit: str
    series: tuple[Series, ...]
    marks: tuple[Mark, ...] = ()
    shade: int = 0
    """Last day at the start that is shaded; none before the first."""
    first: int = 1
    """Number of the first day."""

    @property
    def days(self) -> int:
        """Length of the longest series."""
        return max(len(each.fan) for each in self.series)


def series(labels_and_fans: Sequence[tuple[str, np.ndarray]]) -> tuple[Series, ...]:
    """Give every fan a colour of its own, and a style once the colours are used up."""
    return tuple(
        Series(
            label,
            fan,
            PALETTE[i % len(PALETTE)],
            STYLES[i // len(PALETTE) % len(STYLES)],
        )
        for i, (label, fan) in enumerate(labels_and_fans)
    )


def panels_figure(
    title: str,
    note: str,
    panels: Sequence[Panel],
    columns: int,
    height: int,
    *,
    full: bool = False,
) -> Figure:
    """Draw panels in rows; `full` fans have an inner band, and labels for the outer."""
    headed = any(each.title for each in panels)
    labels = max(_label_width(each, full=full) for each in panels)
    figure, axes = sheet(
        title, note, len(panels), columns, height, headed=headed, right=labels
    )
    for ax, panel in zip(axes, panels, strict=True):
        draw_panel(ax, panel, full=full)
    return figure


def sheet(
    title: str,
    note: str,
    count: int,
    columns: int,
    height: int,
    *,
    headed: bool,
    right: float,
    left: float = LEFT,
) -> tuple[Figure, list[Axes]]:
    """Lay out a figure with a title, a note on how to read it, and empty axes."""
    rows = math.ceil(count / columns)
    head = SIGN + (HEAD if headed else 0)
    row_height = head + height + FOOT
    full = TOP + rows * row_height
    figure = blank(title, note, full)
    share = WIDTH / columns
    axes = []
    for i in range(count):
        row, column = divmod(i, columns)
        bottom = full - TOP - row * row_height - head - height
        box = (column * share + left, bottom, share - left - right, height)
        axes.append(
            figure.add_axes(
                (box[0] / WIDTH, box[1] / full, box[2] / WIDTH, box[3] / full)
            )
        )
    return figure, axes


def blank(title: str, note: str, height: float) -> Figure:
    """Make a white figure with a title and a note."""
    figure = Figure(figsize=(WIDTH / DPI, height / DPI), dpi=DPI, facecolor="white")
    FigureCanvasAgg(figure)
    for text, below, size, colour, weight in (
        (title, 46, TITLE, INK, "bold"),
        (note, 84, TEXT, FAINT, "normal"),
    ):
        figure.text(
            30 / WIDTH,
            1 - below / height,
            text,
            size=size,
            color=colour,
            weight=weight,
            parse_math=False,
        )
    return figure


def draw_panel(ax: Axes, panel: Panel, *, full: bool = False) -> None:
    """Draw the fans of one panel over the days, and name them where they end."""
    cut = off_scale(panel.series)
    top = max(float(np.max(each.fan[cut:, HIGH], initial=0)) for each in panel.series)
    dress(ax, panel, top)
    band, inner = (0.2, 0.28) if full else (0.16, 0.0)
    for each in panel.series:
        days = panel.first + np.arange(len(each.fan))
        for low, alpha in ((LOW, band), (LOW + 1, inner)):
            high = each.fan.shape[1] - 1 - low
            if alpha:
                ax.fill_between(
                    days,
                    each.fan[:, low],
                    each.fan[:, high],
                    color=each.colour,
                    alpha=alpha,
                    linewidth=0,
                )
        line = ax.plot(days, each.fan[:, MEDIAN], color=each.colour, linewidth=1.7)[0]
        line.set_linestyle(each.style)  # type: ignore[arg-type]
        if len(days) == 1:
            line.set_marker("o")
    _tell_cut(ax, panel, cut)
    end_labels(ax, _labels(ax, panel, full=full))


def off_scale(all_series: Sequence[Series]) -> int:
    """Count the first days that are so high that they would flatten all the others."""
    days = max(len(each.fan) for each in all_series)
    top = np.zeros(days)
    for each in all_series:
        upper = each.fan[:, HIGH]
        top[: len(upper)] = np.maximum(top[: len(upper)], upper)
    for cut in range(1, days // 20 + 1):
        if 0 < top[cut:].max() < CUT * top[:cut].min():
            return cut
    return 0


def dress(ax: Axes, panel: Panel, top: float) -> None:
    """Give axes scales from zero and from the first day, their grid and their names."""
    days, first = panel.days, panel.first
    last = first + days - 1
    left, right = (first, last) if days > 1 else (first - 0.5, first + 0.5)
    size_word = rule(ax, left, right, 0, top * 1.06 or 1.0)
    ticks = day_ticks(first, last)
    ax.set_xticks(ticks, [f"{each:,}" for each in ticks])
    sign(ax, panel.title, size_word + panel.unit, "day")
    if panel.shade >= first:
        ax.axvspan(first, panel.shade, color=SHADE, zorder=0, linewidth=0)
    _, height = size(ax)
    for mark in panel.marks:
        ax.axvline(mark.day, color=mark.colour, linewidth=1, linestyle=(0, (2, 2)))
        place = (mark.day - first) / max(days - 1, 1)
        late = place > 0.6  # noqa: PLR2004 - there is more room on the left
        ax.text(
            place,
            1 + 15 / height,
            mark.text,
            transform=ax.transAxes,
            size=SMALL,
            color=mark.colour,
            ha="right" if late else "left",
            parse_math=False,
        )


def rule(ax: Axes, left: float, right: float, low: float, high: float) -> str:
    """Set scales and a quiet grid; gives "million " where they are in millions."""
    ax.set_xlim(left, right)
    ax.set_ylim(low, high)
    ticks = [
        float(each)
        for each in MaxNLocator(6, steps=[1, 2, 2.5, 5, 10]).tick_values(low, high)
        if low <= each <= high
    ]
    unit, word = (1e6, "million ") if high >= MILLIONS else (1.0, "")
    ax.set_yticks(ticks, tick_labels([each / unit for each in ticks]))
    ax.grid(visible=True, axis="y", color=GRID, linewidth=0.8)
    ax.set_axisbelow(True)
    ax.set_facecolor("none")
    ax.spines[["top", "right", "left"]].set_visible(False)
    ax.spines["bottom"].set_color("#9aa5af")
    ax.tick_params(length=0, pad=6, labelsize=TEXT, labelcolor=FAINT)
    ax.tick_params(axis="x", length=4, color="#9aa5af", pad=4)
    return word


def sign(ax: Axes, title: str, unit: str, below: str, left: float = LEFT) -> None:
    """Write the title of a panel, the unit over its scale, and what lies below."""
    width, height = size(ax)
    for x, y, text, points, colour, weight, ha in (
        (-(left - 30) / width, 1 + 52 / height, title, HEADING, INK, "bold", "left"),
        (
            -(left - 30) / width,
            1 + 15 / height,
            _plural(unit),
            SMALL,
            FAINT,
            "normal",
            "left",
        ),
        (1.0, -56 / height, below, SMALL, FAINT, "normal", "right"),
    ):
        ax.text(
            x,
            y,
            text,
            transform=ax.transAxes,
            size=points,
            color=colour,
            weight=weight,
            ha=ha,
            parse_math=False,
        )


def end_labels(ax: Axes, labels: Sequence[tuple[float, str, str]]) -> None:
    """Write texts (height, text, colour) to the right of axes, none over another."""
    _, height = size(ax)
    low, high = ax.get_ylim()
    room = max(1, int(height // LABEL_GAP) + 1)
    if len(labels) > room:
        most = sorted(labels, reverse=True)[: room - 1]
        labels = [*most, (low, f"and {len(labels) - len(most)} more", FAINT)]
    wanted = [
        height * min(max((value - low) / (high - low), 0), 1) for value, _, _ in labels
    ]
    for (_, text, colour), at, place in zip(
        labels, wanted, spread(wanted, LABEL_GAP, 0, height), strict=True
    ):
        _tag(ax, text, colour, at / height, place / height)


def spread(wanted: Sequence[float], gap: float, low: float, high: float) -> list[float]:
    """
    Move places apart until they keep a distance, each as little as possible.

    >>> spread([5, 6, 50], 10, 0, 100)
    [0.5, 10.5, 50]
    """
    order = sorted(range(len(wanted)), key=lambda i: wanted[i])
    # Less the gaps below it, a place may only rise: pool neighbours that fall.
    pools: list[tuple[float, int]] = []
    for rank, i in enumerate(order):
        pools.append((wanted[i] - rank * gap, 1))
        while len(pools) > 1 and pools[-2][0] > pools[-1][0]:
            (mean, count), (last, more) = pools.pop(-2), pools.pop()
            pools.append(((mean * count + last * more) / (count + more), count + more))
    most = max(low, high - (len(wanted) - 1) * gap)
    levels = [min(max(mean, low), most) for mean, count in pools for _ in range(count)]
    places = [0.0] * len(wanted)
    for rank, i in enumerate(order):
        places[i] = levels[rank] + rank * gap
    return places


def size(ax: Axes) -> tuple[float, float]:
    """Measure axes, in pixels."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    box = ax.get_position()
    return (
        box.width * figure.get_figwidth() * DPI,
        box.height * figure.get_figheight() * DPI,
    )


def day_ticks(first: int, last: int) -> list[int]:
    """
    Choose days to write on an axis: the first, and whole weeks, months or years.

    >>> day_ticks(1, 180), day_ticks(1, 10), day_ticks(85, 264)
    ([1, 30, 60, 90, 120, 150, 180], [1, 2, 4, 6, 8, 10], [85, 120, 150, 180, 210, 240])
    """
    steps = (1, 2, 5, 10, 15, 30, 60, 90, 180, 365)
    days = last - first + 1
    step = next((each for each in steps if days / each <= 7), 365 * -(-days // 2555))  # noqa: PLR2004
    whole = range(-(-first // step) * step, last + 1, step)
    # None so near to the first day that the two would touch.
    return sorted({first, *(each for each in whole if each - first >= step / 2)})


def tick_labels(ticks: Sequence[float]) -> list[str]:
    """
    Write the numbers of an axis, all with the same decimals.

    >>> tick_labels([0, 0.5, 1]), tick_labels([0, 500_000, 1_000_000])
    (['0.0', '0.5', '1.0'], ['0', '500,000', '1,000,000'])
    """
    step = min((b - a for a, b in pairwise(ticks)), default=1.0)
    places = next(
        (n for n in range(13) if abs(round(step, n) - step) < 1e-6 * step), 12
    )
    return [f"{each:,.{places}f}" for each in ticks]


def darker(colour: str) -> tuple[float, float, float]:
    """Darken a colour until small print in it can be read."""
    red, green, blue = to_rgb(colour)
    part = min(1.0, 0.36 / max(0.3 * red + 0.59 * green + 0.11 * blue, 0.01))
    return red * part, green * part, blue * part


def drawn(figure: Figure) -> np.ndarray:
    """Draw a figure: its pixels, (rows, columns, red green blue)."""
    canvas = figure.canvas
    assert isinstance(canvas, FigureCanvasAgg)
    canvas.draw()  # type: ignore[no-untyped-call]
    pixels = np.asarray(canvas.buffer_rgba())  # type: ignore[no-untyped-call]
    return np.ascontiguousarray(pixels[:, :, :3])


def encoded(pixels: np.ndarray) -> bytes:
    """Pack pixels as PNG; threads can do this side by side."""
    file = BytesIO()
    Image.fromarray(pixels).save(file, "png", compress_level=6, dpi=(DPI, DPI))
    return file.getvalue()


def _plural(unit: str) -> str:
    return unit + "s" if unit.endswith("token") and "/" not in unit else unit


def _label_width(panel: Panel, *, full: bool) -> float:
    longest = max(len(_label(each, panel)) for each in panel.series)
    return 50 + LETTER * max(longest, 14 if full else 0)


def _label(each: Series, panel: Panel) -> str:
    last = cell(each.fan[-1, MEDIAN], panel.unit)
    ends_early = len(each.fan) < panel.days
    when = f", day {panel.first + len(each.fan) - 1}" if ends_early else ""
    return f"{shortened(each.label, LABEL_LETTERS)} {last}{when}"


def _labels(ax: Axes, panel: Panel, *, full: bool) -> list[tuple[float, str, str]]:
    """Name what ends at the right: the series, and the band of a full fan."""
    labels = [
        (float(each.fan[-1, MEDIAN]), _label(each, panel), each.colour)
        for each in panel.series
    ]
    for each in panel.series if full else ():
        low, high = (float(each.fan[-1, level]) for level in (LOW, HIGH))
        bottom, top = ax.get_ylim()
        if (high - low) / (top - bottom) * size(ax)[1] > LABEL_GAP:
            labels += [
                (value, f"{level} {cell(value, panel.unit)}", FAINT)
                for value, level in ((low, "5%"), (high, "95%"))
            ]
    return labels


def _tag(ax: Axes, text: str, colour: str, at: float, place: float) -> None:
    width, _ = size(ax)
    ax.add_line(
        Line2D(
            [1 + 3 / width, 1 + 12 / width, 1 + 21 / width],
            [at, place, place],
            transform=ax.transAxes,
            color=colour,
            linewidth=0.8,
            clip_on=False,
        )
    )
    ax.text(
        1 + 25 / width,
        place,
        text,
        transform=ax.transAxes,
        size=TEXT,
        color=darker(colour),
        va="center_baseline",
        parse_math=False,
    )


def _tell_cut(ax: Axes, panel: Panel, cut: int) -> None:
    if not cut:
        return
    width, height = size(ax)
    most = max(float(each.fan[:cut, MEDIAN].max()) for each in panel.series)
    first = panel.first
    when = f"day {first}:" if cut == 1 else f"days {first} to {first + cut - 1}: up to"
    ax.text(
        16 / width,
        1 - 20 / height,
        f"\N{UPWARDS ARROW} {when} {cell(most, panel.unit)}",
        transform=ax.transAxes,
        size=SMALL,
        color=FAINT,
        va="center",
        parse_math=False,
    )
