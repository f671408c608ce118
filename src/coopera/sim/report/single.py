"""The report of one simulation."""

from collections.abc import Iterator
from pathlib import Path

from coopera import __version__
from coopera.protocol.warnings import warnings
from coopera.sim.report.charts import Picture
from coopera.sim.report.design import point_names, sweep
from coopera.sim.report.outcomes import (
    HIGH,
    LOW,
    STATES,
    Outcome,
    earnings,
    on_day,
    phase1_days,
    phase1_end,
    swept,
    totals,
)
from coopera.sim.report.page import (
    Html,
    Section,
    heading,
    headline,
    paragraph,
    table,
    write_page,
)
from coopera.sim.report.pictures import pictures
from coopera.sim.report.provenance import reproduction, setting_tables
from coopera.sim.report.wording import (
    big,
    cell,
    change,
    counted,
    dollars,
    listed,
    moves,
    number,
    percent,
)
from coopera.sim.run import Result
from coopera.sim.settings import NONE
from coopera.units import MICRO


def write(result: Result, folder: Path, title: str) -> list[Path]:
    """Write the pictures and the page."""
    return write_page(
        folder / "report.html",
        title,
        about(result),
        [headline(_headline(result)), *_key_figures(result)],
        _drawn(result),
        [
            *_points(result),
            Section("settings", "Settings", [*setting_tables(result)]),
            Section("reproduce", "How to reproduce this", [*reproduction(result)]),
        ],
    )


def about(result: Result) -> str:
    """Say how much was simulated, and by what."""
    points = len(result.points)
    design = f"Sweep of {counted(points, 'point')}, each in " if points > 1 else ""
    return (
        f"{design}{counted(result.runs, 'world')} of {counted(result.days, 'day')}"
        f"{_from_day(result)}, seed {result.seed}. coopera {__version__}."
    )


def _from_day(result: Result) -> str:
    """Say which day is the first, where it is not that of the network."""
    first = result.day(1)
    return "" if first == 1 else f" from day {first:,} on"


def _drawn(result: Result) -> Iterator[Picture]:
    yield from pictures(result)
    if len(result.points) > 1:
        yield sweep(result)


def _headline(result: Result) -> list[tuple[str, str]]:
    """Tell what a reader came for, one subject a paragraph."""
    points = len(result.points)
    first = (
        f"These are the figures of {point_names(result)[0]}, the first of {points} "
        "points. The last figure and the table after it compare them all."
    )
    return [
        *([("Sweep", first)] if points > 1 else []),
        ("Token price", _told_price(result)),
        ("Reserves", _told_reserves(result)),
        ("Supply", _told_supply(result)),
        ("Income", _told_income(result)),
        ("Suppliers", _told_suppliers(result)),
        *[("Warning", each) for each in warnings(result.points[0].scenario.params)],
    ]


def _told_price(result: Result) -> str:
    first, last = (on_day(result, "price_usd", day) for day in (0, result.days - 1))
    end = phase1_end(result)
    day = result.day
    told = f"The median price is {dollars(first.middle)} on day {day(1)}"
    before = first
    if end and end > 1:
        before = on_day(result, "price_usd", end - 1)
        told += f", {dollars(before.middle)} on day {day(end)}, when Phase 1 ends,"
    told += f" and {dollars(last.middle)} on day {day(result.days)}"
    since = "since Phase 1" if before is not first else f"since day {day(1)}"
    return (
        f"{told}: {change(before.middle, last.middle)} {since}. Nine "
        f"worlds in ten end between {' and '.join(_range(last))}."
    )


def _told_reserves(result: Result) -> str:
    end = phase1_end(result)
    start = result.points[0].scenario.start.token_reserve / MICRO
    place = (end or 1) - 1
    since = f"day {result.day(1)}"
    if end:
        since = f"the end of Phase 1 (day {result.day(end)})"
    told = []
    for name in ("token_reserve_token", "dollar_reserve_usd"):
        ends = (place, result.days - 1)
        before, after = (on_day(result, name, each) for each in ends)
        told.append(moves(before.middle, after.middle, after.unit))
    return (
        f"The token reserve starts at {number(start)} tokens. From {since} to day "
        f"{result.day(result.days)} it {told[0]}, and the dollar reserve {told[1]}."
    )


def _told_supply(result: Result) -> str:
    last = result.days - 1
    circulating = on_day(result, "circulating_token", last)
    locked = on_day(result, "locked_token", last)
    whole = result.points[0].scenario.params.token.max_supply / MICRO
    days = phase1_days(result)
    phase1 = (
        f"Phase 1 released {number(_sum(result, 'phase1_token'))} in "
        f"{counted(days, 'day')}, "
        if days
        else "Phase 1 released none, "
    )
    return (
        f"On day {result.day(last + 1)} {number(circulating.middle)} tokens circulate "
        f"and {number(locked.middle)} are locked, of {big(whole)} that will ever "
        "exist. "
        f"{phase1}Phase 2 emitted {number(_sum(result, 'emitted_token'))} (means)."
    )


def _told_income(result: Result) -> str:
    income, jobs = _sum(result, "income_usd"), _sum(result, "jobs")
    first, last = (on_day(result, "income_usd", day) for day in (0, result.days - 1))
    by = f"by day {result.day(result.days)}"
    return (
        f"Consumers pay ${big(income)} for {big(jobs)} jobs in "
        f"{counted(result.days, 'day')} (mean of the worlds). A day's income "
        f"{moves(first.middle, last.middle, 'USD', by)}."
    )


def _told_suppliers(result: Result) -> str:
    parts = {
        "bought back for them": _sum(result, "bought_token"),
        "emitted by Phase 2": _sum(result, "emitted_token"),
        "released by Phase 1": _sum(result, "phase1_token"),
    }
    tokens = [f"{number(value)} {how}" for how, value in parts.items() if value > 0]
    split = f": {listed(tokens)}" if tokens else ""
    earned, income = _sum(result, *earnings(result)), _sum(result, "income_usd")
    part = f", {percent(earned / income)} of the income" if income else ""
    return (
        f"Suppliers receive ${big(_sum(result, 'supplier_usd'))} in dollars and "
        f"{big(sum(parts.values()))} tokens{split}. At the prices of their days, "
        f"dollars, bought and emitted tokens are worth ${big(earned)}{part} (means)."
    )


def _sum(result: Result, *names: str) -> float:
    """Add up the means of variables over all days."""
    return sum(float(result.mean(name).sum()) for name in names)


def _key_figures(result: Result) -> Iterator[Html]:
    end = phase1_end(result)
    days = sorted({1, end or 1, result.days})
    yield heading(2, "Key figures", "figures")
    states = [
        [on_day(result, name, day - 1, label) for day in days] for name, label in STATES
    ]
    yield table(
        [
            "",
            "unit",
            *(
                f"day {result.day(day)}" + (", end of Phase 1" if day == end else "")
                for day in days
            ),
            "5%",
            "95%",
        ],
        [
            [
                each[-1].label,
                each[-1].unit,
                *(cell(one.middle, one.unit) for one in each),
                *_range(each[-1]),
            ]
            for each in states
        ],
        figures=range(2, 4 + len(days)),
    )
    last = result.day(result.days)
    yield paragraph(f"Medians; 5% and 95% of the worlds on day {last}.", "note")
    yield heading(3, f"All {counted(result.days, 'day')} together")
    sums = totals(result)
    yield table(
        ["", "unit", "mean", "median", "5%", "95%"],
        [
            [
                each.label,
                each.unit,
                cell(each.mean, each.unit),
                NONE if each.quantiles is None else cell(each.middle, each.unit),
                *_range(each),
            ]
            for each in sums
        ],
        figures=range(2, 6),
    )
    if any(each.quantiles is None for each in sums):
        yield paragraph(
            "The median and range of a sum over days are only known from the paths of "
            "all worlds, which this report had not. The mean is always known.",
            "note",
        )


def _range(outcome: Outcome) -> list[str]:
    if outcome.quantiles is None:
        return [NONE, NONE]
    return [cell(outcome.quantiles[level], outcome.unit) for level in (LOW, HIGH)]


def _points(result: Result) -> Iterator[Section]:
    if len(result.points) < 2:  # noqa: PLR2004 - one point is no design
        return
    names = point_names(result)
    by_point = [swept(result, point) for point in range(len(names))]
    yield Section(
        "points",
        "Points of the sweep",
        [
            paragraph(
                "All figures but the last are those of the first point. Here: medians, "
                "and means for sums over days whose quantiles are not known.",
                "note",
            ),
            table(
                ["", "point", *(each.label for each in by_point[0])],
                [
                    [str(i + 1), name, *(cell(one.middle, one.unit) for one in each)]
                    for i, (name, each) in enumerate(zip(names, by_point, strict=True))
                ],
                figures=range(2, 2 + len(by_point[0])),
            ),
        ],
    )
