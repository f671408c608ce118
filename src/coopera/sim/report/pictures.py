"""The pictures of one simulation: what each shows, and the sentence that says it."""

import math
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patheffects import withStroke

from coopera.sim.report.charts import (
    FAINT,
    INK,
    PALETTE,
    TEXT,
    Mark,
    Panel,
    Picture,
    draw_panel,
    dress,
    end_labels,
    off_scale,
    panels_figure,
    rule,
    series,
    sheet,
    sign,
)
from coopera.sim.report.outcomes import (
    HIGH,
    LOW,
    MEDIAN,
    earnings,
    emitted,
    emitted_before,
    mint_amount,
    phase1_days,
    phase1_end,
    pool_variables,
)
from coopera.sim.report.sankey import (
    BUYBACK,
    CONSUMERS,
    DOLLARS,
    OPERATIONS,
    Flow,
    flows,
    sankey_figure,
)
from coopera.sim.report.wording import (
    amount,
    big,
    cell,
    counted,
    dollars,
    listed,
    moves,
    number,
    percent,
    spoken,
    titled,
)
from coopera.sim.run import Result

WANES = 0.05
"""Loss of demand that is worth telling."""


def pictures(result: Result) -> Iterator[Picture]:
    """Draw the pictures of the first point of a design, in the order of the page."""
    yield price(result)
    yield reserves(result)
    yield demand(result)
    yield income(result)
    yield earned(result)
    yield suppliers(result)
    yield supply(result)
    yield emission(result)


def price(result: Result) -> Picture:
    """Draw the token price."""
    fan = result.quantiles("price_usd")
    panel = _panel(result, "", "USD/token", [("median", fan)])
    caption = _told_by_phase(
        result, fan[:, MEDIAN], "The median token price", "USD/token"
    )
    if cut := off_scale(panel.series):
        first, last = result.day(1), result.day(cut)
        days = f"Day {first} is" if cut == 1 else f"Days {first} to {last} are"
        caption += (
            f" {days} left off the scale, at a median of up to "
            f"{dollars(fan[:cut, MEDIAN].max())}, which would flatten the other days."
        )
    caption += " " + _spread(fan, "USD/token")
    figure = _fans(result, "Token price", [panel], 1, 540)
    return Picture("price", "Token price", caption, figure)


def reserves(result: Result) -> Picture:
    """Draw the token reserve and the dollar reserve."""
    panels, told = [], []
    for name, title, unit in (
        ("token_reserve_token", "Token reserve", "token"),
        ("dollar_reserve_usd", "Dollar reserve", "USD"),
    ):
        fan = result.quantiles(name)
        panels.append(_panel(result, title, unit, [("median", fan)]))
        told.append(
            _told_by_phase(result, fan[:, MEDIAN], f"The {title.lower()}", unit)
        )
        told.append(_spread(fan, unit))
    figure = _fans(result, "Reserves", panels, 2, 430)
    return Picture("reserves", "Reserves", " ".join(told), figure)


def demand(result: Result) -> Picture:
    """Draw the demand for every service, by consumer class."""
    services = result.points[0].scenario.services
    classes = list(dict.fromkeys(each.consumer for each in services))
    panels = [
        _panel(
            result,
            titled(consumer),
            "jobs/day",
            [
                (spoken(each.name), result.quantiles(f"jobs.{consumer}.{each.name}"))
                for each in services
                if each.consumer == consumer
            ],
        )
        for consumer in classes
    ]
    panels.append(
        _panel(
            result, "All classes", "jobs/day", [("all jobs", result.quantiles("jobs"))]
        )
    )
    note = fan_note(result, full=False)
    figure = panels_figure("Demand", note, panels, 2, 290)
    return Picture("demand", "Demand", _told_demand(result), figure)


def income(result: Result) -> Picture:
    """Draw where the income of the whole period goes."""
    found = flows(result)
    note = (
        f"Income of {counted(result.days, 'day')}, mean of "
        f"{counted(result.runs, 'world')}. Phase 2 emission comes on top of it."
    )
    figure = sankey_figure("Where the income goes", note, found)
    return Picture("income", "Where the income goes", _told_income(found), figure)


def earned(result: Result) -> Picture:
    """Draw what each kind of supplier earns."""
    return _by_kind(
        result,
        "earnings",
        "Supplier earnings",
        "USD/day",
        dict(zip(_kinds(result), earnings(result), strict=True)),
        "earn most on the last day",
        " Dollars, tokens bought back and tokens emitted, at the price of the day; the "
        "rewards of Phase 1 are not counted.",
    )


def suppliers(result: Result) -> Picture:
    """Draw how many suppliers there are of each kind."""
    return _by_kind(
        result,
        "suppliers",
        "Suppliers",
        "suppliers",
        {kind: f"suppliers.{kind}" for kind in _kinds(result)},
        "are most numerous on the last day",
        "",
    )


def supply(result: Result) -> Picture:
    """Draw the tokens outside the reserve: circulating, and locked on top."""
    circulating, locked = result.mean("circulating_token"), result.mean("locked_token")
    fan = result.quantiles("circulating_token")
    panel = _panel(
        result,
        "",
        "token",
        [("circulating", fan), ("locked", result.quantiles("locked_token"))],
    )
    note = (
        f"Mean of {counted(result.runs, 'world')}, one stacked on the other. "
        "Dots: 5% and 95% of the circulating supply."
    )
    figure, (ax,) = sheet("Token supply", note, 1, 1, 430, headed=False, right=270)
    whole = circulating + locked
    dress(ax, panel, float(max(whole.max(), fan[:, HIGH].max())))
    days = result.day(1) + np.arange(result.days)
    blue, orange = PALETTE[0], PALETTE[1]
    ax.fill_between(days, 0, circulating, color=blue, alpha=0.3, linewidth=0)
    ax.fill_between(days, circulating, whole, color=orange, alpha=0.4, linewidth=0)
    marker = "o" if len(days) == 1 else ""
    ax.plot(days, circulating, marker=marker, color=blue, linewidth=1.7)
    ax.plot(days, whole, marker=marker, color=orange, linewidth=1.2)
    for level in (LOW, HIGH):
        ax.plot(days, fan[:, level], color=blue, linewidth=1, linestyle=(0, (1, 1.5)))
    end_labels(
        ax,
        [
            (circulating[-1] / 2, f"circulating {number(circulating[-1])}", blue),
            (whole[-1], f"locked {number(locked[-1])}", orange),
        ],
    )
    most = int(np.argmax(locked))
    caption = (
        _told_by_phase(result, fan[:, MEDIAN], "The median circulating supply", "token")
        + f" Locked are, in Phase 1 rewards and bonds, at most {number(locked[most])} "
        f"tokens (day {result.day(most + 1)}), and {number(locked[-1])} on the last "
        "day (means)."
    )
    return Picture("supply", "Token supply", caption, figure)


def emission(result: Result) -> Picture:
    """Draw the Phase 2 emission: its curve with the way come so far, and by day."""
    pools = pool_variables(result)
    pool = mint_amount(result.points[0].scenario)
    note = (
        "Left: the curve of a pool, and the way along it (mean of what is emitted). "
        f"Right: its days. {fan_note(result, full=True)}"
    )
    figure, axes = sheet("Phase 2 emission", note, 2, 2, 430, headed=True, right=230)
    _draw_curve(axes[0], result, pools, pool)
    fan = emitted(result)
    panel = _panel(result, "Emitted so far", "token", [("median", fan)])
    draw_panel(axes[1], panel, full=True)
    whole = len(pools) * pool
    part = fan[-1, MEDIAN] / whole if whole else 0.0
    theta = max(float(result.quantiles(each)[-1, MEDIAN]) for each in pools)
    late = result.day(1) > 1
    span = (
        f"By day {result.day(result.days)} the median world has emitted "
        if late
        else f"In {counted(result.days, 'day')} the median world emits "
    )
    caption = (
        f"{span}{number(fan[-1, MEDIAN])} of {counted(round(whole), 'token')}, "
        f"{percent(part)}."
    )
    if fan[-1, MEDIAN] > 0:
        caption += (
            f" At a theta of {number(theta)} a job's extra is "
            f"{percent(math.exp(-theta))} of what it was at first."
        )
    return Picture("emission", "Phase 2 emission", caption, figure)


def fan_note(result: Result, *, full: bool) -> str:
    """Say how to read a fan."""
    if result.runs == 1:
        return "One world."
    bands = "Bands: 25% to 75%, and 5% to 95%" if full else "Band: 5% to 95%"
    return f"Line: median. {bands} of {counted(result.runs, 'world')}."


def _fans(
    result: Result, title: str, panels: list[Panel], columns: int, height: int
) -> Figure:
    """Draw panels of one fan each."""
    note = fan_note(result, full=True)
    return panels_figure(title, note, panels, columns, height, full=True)


def _panel(
    result: Result, title: str, unit: str, fans: list[tuple[str, np.ndarray]]
) -> Panel:
    """Make a panel on which the end of Phase 1 is marked."""
    end = phase1_end(result)
    day = result.day
    marks = (Mark(day(end), f"Phase 1 ends, day {day(end)}"),) if end else ()
    shade = day(phase1_days(result))
    return Panel(title, unit, series(fans), marks, shade, day(1))


def _kinds(result: Result) -> tuple[str, ...]:
    return result.points[0].scenario.params.matrix.kinds


def _by_kind(
    result: Result,
    name: str,
    title: str,
    unit: str,
    variables: dict[str, str],
    lead: str,
    after: str,
) -> Picture:
    fans = [(spoken(kind), result.quantiles(each)) for kind, each in variables.items()]
    panel = _panel(result, "", unit, fans)
    figure = panels_figure(title, fan_note(result, full=False), [panel], 1, 480)
    means = {kind: _ends(result.mean(each)) for kind, each in variables.items()}
    start, end = (sum(each[at] for each in means.values()) for at in (0, 1))
    caption = f"All kinds together: the mean {moves(start, end, unit, _last(result))}."
    first = max(means, key=lambda kind: means[kind][1])
    value = means[first][1]
    if len(means) > 1 and value > 0:
        caption += (
            f" Suppliers of {spoken(first)} {lead}: {amount(value, unit)}, "
            f"{percent(value / end)} of all."
        )
    return Picture(name, title, caption + after, figure)


def _ends(values: np.ndarray) -> tuple[float, float]:
    return float(values[0]), float(values[-1])


def _last(result: Result) -> str:
    return f"by day {result.day(result.days)}"


def _told_by_phase(result: Result, values: np.ndarray, what: str, unit: str) -> str:
    """Tell a path in one sentence: in Phase 1, and after it."""
    end = phase1_end(result)
    if end is None or end == 1 or values[0] == values[end - 1] == values[-1]:
        span = f"from day {result.day(1)} to {result.day(len(values))}"
        return f"{what} {moves(*_ends(values), unit, span)}."
    first, middle, last = values[0], values[end - 1], values[-1]
    before = moves(
        *(first, middle, unit),
        f"from day {result.day(1)} to the end of Phase 1 on day {result.day(end)}",
    )
    after = moves(middle, last, unit, _last(result))
    return f"{what} {before}; then it {after}."


def _spread(fan: np.ndarray, unit: str) -> str:
    low, high = fan[-1, LOW], fan[-1, HIGH]
    if low == high:
        return "It ends alike in all worlds."
    return (
        f"On the last day nine worlds in ten are between {cell(low, unit)} and "
        f"{amount(high, unit)}."
    )


def _told_demand(result: Result) -> str:
    """Tell what wanes, what grows beside it, and what grows most."""
    span = max(1, min(7, result.days // 4))

    def trend(variable: str) -> tuple[float, float]:
        median = result.quantiles(variable)[:, MEDIAN]
        return float(median[:span].mean()), float(median[-span:].mean())

    services = result.points[0].scenario.services
    trends = {
        (each.consumer, each.name): trend(f"jobs.{each.consumer}.{each.name}")
        for each in services
    }
    growth = {key: after - before for key, (before, after) in trends.items()}
    by_jobs = growth.__getitem__
    order = sorted(growth, key=by_jobs)
    waning = [key for key in order if growth[key] < -WANES * trends[key][0]][:2]
    told, shown = [], set()
    for consumer, name in waning:
        beside = max((key for key in growth if key[0] == consumer), key=by_jobs)
        sentence = f"In {spoken(consumer)}, {_told_trend(name, trends[consumer, name])}"
        if growth[beside] > 0:
            sentence += f" while {_told_trend(beside[1], trends[beside])}"
        told.append(sentence)
        shown.add(beside)
    first = order[-1]
    if growth[first] > 0 and first not in shown:
        told.append(
            f"Most jobs are gained where {_told_trend(first[1], trends[first])}"
        )
    told.append(f"Demand as a whole {moves(*trend('jobs'), 'jobs a day')}")
    days = counted(span, "day") if span > 1 else "day"
    return ". ".join(told) + f". Medians, averaged over the first and the last {days}."


def _told_trend(name: str, trend: tuple[float, float]) -> str:
    verb = "grows" if trend[1] > trend[0] else "wanes"
    path = f"from {number(trend[0])} to {number(trend[1])} jobs a day"
    return f"{spoken(name)} {verb} {path}"


def _told_income(found: tuple[Flow, ...]) -> str:
    if not found:
        return "No consumer pays for anything."

    uses: dict[str, float] = defaultdict(float)
    classes: dict[str, float] = defaultdict(float)
    kinds: dict[str, float] = defaultdict(float)
    for each in found:
        if each.source.column == CONSUMERS:
            classes[each.source.name] += each.usd
            uses[each.target.name] += each.usd
        elif each.source.name != OPERATIONS:
            kinds[each.target.name] += each.usd
    whole = sum(uses.values())
    parts = [
        f"{percent(uses[use] / whole)} {words}"
        for use, words in (
            (BUYBACK, "buys tokens back for suppliers"),
            (DOLLARS, "goes to suppliers in dollars"),
            (OPERATIONS, "is withheld for operations"),
        )
        if use in uses
    ]
    told = (
        f"Of ${big(whole)} that consumers pay, {listed(parts)}. The class that pays "
        f"most is {_largest(classes)} of all)"
    )
    if kinds:
        told += (
            f"; the kind of supplier that receives most is {_largest(kinds)} of what "
            "suppliers get)"
        )
    return told + "."


def _largest(parts: dict[str, float]) -> str:
    name = max(parts, key=lambda each: parts[each])
    return f"{spoken(name)} ({percent(parts[name] / sum(parts.values()))}"


def _draw_curve(ax: Axes, result: Result, pools: list[str], pool: float) -> None:
    """Draw M (1 - exp(-theta)), and the way along it."""
    # Where there is nothing to emit, theta says nothing.
    thetas = [result.quantiles(each)[:, MEDIAN] * (pool > 0) for each in pools]
    end = max(float(each[-1]) for each in thetas)
    right = min(max(4 * end, 0.5), max(3.0, 1.1 * end)) if end else 3.0
    word = rule(ax, 0, right, 0, pool * 1.1 or 1.0)
    sign(ax, "The curve", f"{word}token", "theta: job rewards over the pool, added up")
    grid = np.linspace(0, right, 200)
    ax.plot(grid, pool * -np.expm1(-grid), color=FAINT, linewidth=1.4, zorder=2)
    ax.axhline(pool, color=FAINT, linewidth=1, linestyle=(0, (2, 2)))
    labels = [
        (pool, f"pool {number(pool)}", FAINT),
        (pool * -np.expm1(-right), "M (1 - exp(-theta))", FAINT),
    ]
    for place, theta in enumerate(thetas):
        colour = PALETTE[place % len(PALETTE)]
        along = (
            emitted_before(result) + np.cumsum(result.mean("emitted_token"))
            if len(pools) == 1
            else pool * -np.expm1(-theta)
        )
        ax.plot(theta, along, color=colour, linewidth=4, alpha=0.6, zorder=3)
        ax.plot(theta[-1:], along[-1:], "o", color=colour, markersize=7, zorder=4)
    ax.annotate(
        f"day {result.day(result.days)}, theta {number(end)}",
        (end, pool * -math.expm1(-end)),
        textcoords="offset pixels",
        xytext=(18, -20) if end > right / 10 else (14, 16),
        size=TEXT,
        color=INK,
        path_effects=[withStroke(linewidth=4, foreground="white")],
        parse_math=False,
    )
    end_labels(ax, labels)
