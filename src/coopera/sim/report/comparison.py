"""Two runs side by side: what they were told, and what came of it."""

import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from coopera.errors import Inconsistent
from coopera.sim.report.charts import (
    PALETTE,
    STYLES,
    Mark,
    Panel,
    Picture,
    Series,
    off_scale,
    panels_figure,
)
from coopera.sim.report.outcomes import STATES, Outcome, on_day, phase1_end, totals
from coopera.sim.report.page import (
    Html,
    Section,
    heading,
    headline,
    paragraph,
    table,
    write_page,
)
from coopera.sim.report.single import about
from coopera.sim.report.wording import (
    amount,
    cell,
    change,
    counted,
    listed,
    number,
    shortened,
    spoken,
    titled,
)
from coopera.sim.run import Result
from coopera.sim.settings import NONE, differences

COLOURS = (PALETTE[0], PALETTE[1])

Pair = tuple[Result, Result]
Names = tuple[str, str]


def write(left: Result, right: Result, names: Names, folder: Path) -> list[Path]:
    """Write the pictures and the page."""
    pair = left, right
    if left.day(1) != right.day(1):
        raise Inconsistent(
            f"{names[0]} starts on day {left.day(1)} and {names[1]} on day "
            f"{right.day(1)}; simulate both from one start, then compare"
        )
    return write_page(
        folder / "comparison.html",
        f"{names[0]} and {names[1]}",
        " ".join(
            f"{name}: {about(each)}" for name, each in zip(names, pair, strict=True)
        ),
        [
            headline(_headline(pair, names)),
            *_settings(pair, names),
            *_outcomes(pair, names),
        ],
        pictures(pair, names),
        [Section("unshared", "What they do not share", [*_unshared(pair, names)])],
    )


def shared_days(pair: Pair) -> int:
    """Count the days that both runs have."""
    return min(each.days for each in pair)


def shared(pair: Pair, prefix: str) -> list[str]:
    """List the variables that both runs have and that begin alike."""
    left, right = (_names(each, prefix) for each in pair)
    return [each for each in left if each in right]


def pictures(pair: Pair, names: Names) -> Iterator[Picture]:
    """Lay the two runs over each other, one picture after another."""
    for name, title, variables, columns, height in (
        ("price", "Token price", ["price_usd"], 1, 540),
        ("reserves", "Reserves", ["token_reserve_token", "dollar_reserve_usd"], 2, 430),
        ("supply", "Token supply", ["circulating_token", "locked_token"], 2, 430),
        ("demand", "Demand by service", shared(pair, "jobs."), 2, 290),
        ("earnings", "Supplier earnings", shared(pair, "earnings_usd."), 2, 290),
    ):
        if variables:
            yield _overlay(
                pair, names, f"comparison-{name}", title, variables, columns, height
            )


def _overlay(
    pair: Pair,
    names: Names,
    name: str,
    title: str,
    variables: Sequence[str],
    columns: int,
    height: int,
) -> Picture:
    panels = [
        _panel(pair, names, each, headed=len(variables) > 1) for each in variables
    ]
    if columns > len(panels):
        columns = 1
    ends = [phase1_end(each) for each in pair]
    marked = [
        f"day {pair[0].day(end)} ({shortened(each, 30)})"
        for each, end in zip(names, ends, strict=True)
        if end
    ]
    note = (
        f"Line: median; dashed: {shortened(names[1], 30)}. Bands: 5% to 95% of worlds."
    )
    if marked:
        note += f" Dotted: Phase 1 ends, {listed(marked)}."
    chart = panels_figure(title, note, panels, columns, height)
    day = shared_days(pair) - 1
    told = []
    for variable in variables:
        before, after = (on_day(each, variable, day) for each in pair)
        told.append(
            f"{_label(pair, variable)}: {amount(before.middle, before.unit)} and "
            f"{amount(after.middle, after.unit)} "
            f"({change(before.middle, after.middle)})"
        )
    when = f"day {pair[0].day(day + 1)}"
    caption = f"Medians on {when}, {names[0]} and {names[1]}: {'; '.join(told)}."
    if any(off_scale(each.series) for each in panels):
        caption += " First days that would flatten the others are left off the scale."
    return Picture(name, title, caption, chart)


def _panel(pair: Pair, names: Names, variable: str, *, headed: bool) -> Panel:
    unit = pair[0].variables[pair[0].index[variable]].unit
    ends = [phase1_end(each) for each in pair]
    marks = [
        Mark(pair[0].day(end), "", colour)
        for end, colour in zip(ends, COLOURS, strict=True)
        if end is not None
    ]
    return Panel(
        _label(pair, variable) if headed else "",
        f"{unit}/day" if "." in variable else unit,
        tuple(
            Series(name, each.quantiles(variable), colour, style)
            for name, each, colour, style in zip(
                names, pair, COLOURS, STYLES[:2], strict=True
            )
        ),
        tuple(marks),
        first=pair[0].day(1),
    )


def _label(pair: Pair, variable: str) -> str:
    """Name a variable; a service by its class too, where classes share a name."""
    services = pair[0].points[0].scenario.services
    names = [each.name for each in services]
    for each in services:
        if variable == f"jobs.{each.consumer}.{each.name}":
            twin = names.count(each.name) > 1
            return titled(each.name) + (f" ({spoken(each.consumer)})" if twin else "")
    label = pair[0].variables[pair[0].index[variable]].label
    return titled(label.partition(": ")[2] or label)


def _headline(pair: Pair, names: Names) -> list[tuple[str, str]]:
    day = shared_days(pair) - 1
    told = []
    for variable, subject in (
        ("price_usd", "Token price"),
        ("token_reserve_token", "Token reserve"),
        ("income_usd", "Income"),
    ):
        before, after = (on_day(each, variable, day) for each in pair)
        values = [
            f"{amount(each.middle, each.unit)} in {name}"
            for each, name in zip((before, after), names, strict=True)
        ]
        how = change(before.middle, after.middle)
        when = f"day {pair[0].day(day + 1)}"
        sentence = f"On {when} the median is {' and '.join(values)}: {how}."
        told.append((subject, sentence))
    count = len(differences(*(each.points[0].scenario for each in pair)))
    verb = "differs" if count == 1 else "differ"
    told.append(("Settings", f"{counted(count, 'setting')} {verb}."))
    return told


def _settings(pair: Pair, names: Names) -> Iterator[Html]:
    yield heading(2, "Settings that differ", "settings")
    rows = [
        [".".join(path), unit, left or NONE, right or NONE]
        for path, unit, left, right in differences(
            *(each.points[0].scenario for each in pair)
        )
    ]
    for what, values in (
        ("seed", [each.seed for each in pair]),
        ("runs", [each.runs for each in pair]),
    ):
        if values[0] != values[1]:
            rows.append([what, "", *map(str, values)])
    if rows:
        yield table(["setting", "unit", *names], rows, figures=(2, 3))
    else:
        yield paragraph("None: the two runs were told the same.")
    if any(len(each.points) > 1 for each in pair):
        yield paragraph("Of a sweep, the first point is compared.", "note")


def _outcomes(pair: Pair, names: Names) -> Iterator[Html]:
    days = shared_days(pair)
    yield heading(2, "Key outcomes", "outcomes")
    yield heading(3, f"On day {pair[0].day(days)}, medians")
    yield _outcome_table(
        names,
        [
            [on_day(each, variable, days - 1, label) for each in pair]
            for variable, label in STATES
        ],
    )
    yield heading(3, f"The first {counted(days, 'day')} together, means")
    yield _outcome_table(
        names, list(zip(*(totals(each, days=days) for each in pair), strict=True))
    )


def _outcome_table(names: Names, pairs: Sequence[Sequence[Outcome]]) -> Html:
    rows = []
    for left, right in pairs:
        # Sums have a mean on either side, and perhaps quantiles on neither or one.
        a, b = (each.mean if each.total else each.middle for each in (left, right))
        # What a sum in another order leaves is no difference.
        apart = 0.0 if math.isclose(a, b, rel_tol=1e-12) else b - a
        rows.append(
            [
                left.label,
                left.unit,
                cell(a, left.unit),
                cell(b, left.unit),
                ("+" if apart > 0 else "") + cell(apart, left.unit),
                number(b / a) if a else NONE,
            ]
        )
    return table(
        ["", "unit", *names, "difference", "ratio"], rows, figures=(2, 3, 4, 5)
    )


def _unshared(pair: Pair, names: Names) -> Iterator[Html]:
    told = []
    if pair[0].days != pair[1].days:
        told.append(
            f"{names[0]} has {counted(pair[0].days, 'day')} and {names[1]} has "
            f"{counted(pair[1].days, 'day')}. Outcomes are compared over the first "
            f"{shared_days(pair)}; the pictures show all."
        )
    for prefix, what in (
        ("jobs.", "services"),
        ("earnings_usd.", "supplier kinds"),
    ):
        for (mine, other), (name, its) in (
            (pair, names),
            (pair[::-1], names[::-1]),
        ):
            only = [
                each.removeprefix(prefix)
                for each in _names(mine, prefix)
                if each not in _names(other, prefix)
            ]
            if only:
                told.append(
                    f"Only {name} has the {what} {listed(only)}; {its} does not."
                )
    if not told:
        told = ["Both have the same days, services and supplier kinds."]
    yield from map(paragraph, told)


def _names(result: Result, prefix: str) -> list[str]:
    return [each.name for each in result.variables if each.name.startswith(prefix)]
