"""The command that simulates on from where the books stand."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.options import in_json, on_books
from coopera.cli.books.showing import show_columns
from coopera.cli.simulations import (
    Asked,
    carry_out,
    in_folder,
    kept,
    only_data,
    runs_of,
    seeded,
    threads_of,
)
from coopera.errors import BadBooks, Busy, Inconsistent

if TYPE_CHECKING:
    from coopera.params import Params
    from coopera.sim.observed import DaySeen, Observed
    from coopera.sim.start import Start

TRIES: Final = 20
"""How often books are read that others write to meanwhile."""


@click.command(short_help="Simulate on from where the books stand.")
@click.argument("scenario", default="", metavar="[SCENARIO]")
@click.option("--days", type=click.IntRange(1, 36_500), default=180, show_default=True)
@runs_of
@seeded
@click.option(
    "--window",
    type=click.IntRange(1, 3_650),
    default=28,
    show_default=True,
    help="Without SCENARIO: closed days that demand and sentiment are read off.",
)
@click.option(
    "--start-out",
    type=click.Path(path_type=Path, dir_okay=False),
    metavar="FILE",
    help="Write down where the books stand, for: coopera simulate --start FILE",
)
@kept
@threads_of
@in_folder
@only_data
@on_books
@in_json
def forecast(
    scenario: str,
    days: int,
    runs: int,
    seed: int,
    window: int,
    start_out: Path | None,
    keep: str | None,
    threads: int | None,
    out: Path | None,
    url: str,
    *,
    no_report: bool,
    as_json: bool,
) -> None:
    """
    Simulate on from where the books stand, in thousands of worlds.

    What governance sets is that of the books. SCENARIO, a preset or a file, says how
    consumers, suppliers and the market behave; without one, demand and sentiment are
    those of the last days.

    \b
    Examples:
      coopera forecast --out out/forecast
      coopera forecast mine.toml --days 90 --start-out start.json
      coopera simulate out/forecast/scenario.toml --start start.json \\
          --sweep buyback_rate=0.5,0.8
    """  # noqa: D301 - click reads the backspace
    books = _standing(url, 0 if scenario else window)
    seen: Observed | None = None
    if scenario:
        points_of = _by_scenario(scenario, books, days)
    else:
        seen = _observed(books, window)
        points_of = _by_observation(seen, books, days)
    if start_out is not None:
        from coopera.sim.output import write_start

        write_start(books.start, start_out)
    if not as_json:
        _show_standing(books, seen)
    name = scenario or "what the books saw"
    first = books.start.day + 1
    asked = Asked(
        source=f"forecast by {name}",
        title=f"Forecast from day {first:,}, {runs:,} worlds",
        tables=points_of,
        runs=runs,
        seed=seed,
        keep=keep,
        threads=threads,
        out=out,
        no_report=no_report,
        as_json=as_json,
        start=books.start,
        told={"observed": _seen_json(seen)} if seen else {},
    )
    carry_out(asked)
    if not as_json and start_out is not None:
        click.echo(f"where the books stand is in {start_out}")


@dataclass(frozen=True, slots=True)
class _Standing:
    """What was read off the books, all of one moment."""

    start: "Start"
    params: "Params"
    tables: Mapping[str, Any]
    """Of the governed variables."""
    days: "Sequence[DaySeen]"


def _standing(url: str, window: int) -> _Standing:
    """Read the books, again where somebody wrote to them meanwhile."""
    from coopera.accounting.history import days_seen
    from coopera.cli.books.access import readable
    from coopera.protocol.books import CURRENT, Settings, read_settings
    from coopera.service.state import SqlState
    from coopera.sim.start import start_of

    with readable(url) as store:
        for _ in range(TRIES):
            head = store.head()
            state = SqlState(store)
            settings = state.record(Settings, CURRENT)
            if settings is None:
                raise BadBooks("the books are not open yet; run: coopera books open")
            params = read_settings(settings.tables)
            start = start_of(state, params)
            seen = days_seen(store, head.receipt, window) if window else ()
            if store.head() == head:
                return _Standing(start, params, json.loads(settings.tables), seen)
    raise Busy(
        f"the books were written to {TRIES} times while they were read; try again, or "
        "forecast from a copy"
    )


def _observed(books: _Standing, window: int) -> "Observed":
    """Read demand off the days that were closed. Refuses with `Inconsistent`."""
    from coopera.sim.observed import observe

    if not books.days:
        raise Inconsistent(
            "no day of these books is closed, so that there is no demand to go by; "
            "name a scenario, as in: coopera forecast mine.toml"
        )
    seen = observe(books.days)
    if not seen.services:
        raise Inconsistent(
            f"nobody paid for a job on the last {seen.days} closed days; name a "
            f"scenario, or look further back than --window {window}"
        )
    return seen


def _by_observation(seen: "Observed", books: _Standing, days: int) -> dict[str, Any]:
    tables = seen.tables(books.start)
    tables["simulation"] |= {"days": days}
    return {**books.tables, **tables}


def _by_scenario(name: str, books: _Standing, days: int) -> dict[str, Any]:
    """Take the behaviour from a scenario. Refuses with `Inconsistent` other names."""
    from coopera.cli.books.opening import SIMULATED
    from coopera.cli.sources import open_source
    from coopera.params import CHAPTERS
    from coopera.params.document import PRESETS
    from coopera.sim.scenario import read_scenario

    opened = open_source(name, (), ())
    _refuse_other_names(name, opened.tables, books.params)
    own = opened.documents[0].tables if name not in PRESETS else {}
    governed = [
        f"{chapter}.{key}" for chapter in CHAPTERS for key in (own.get(chapter) or {})
    ]
    if governed:
        click.echo(
            f"coopera: warning: {name} sets {', '.join(governed)}, which the books "
            "govern; to try it, give their start to: coopera simulate --start FILE",
            err=True,
        )
    behaviour = {k: v for k, v in opened.tables.items() if k in SIMULATED}
    behaviour["simulation"] = {**behaviour.get("simulation", {}), "days": days}
    tables = {**books.tables, **behaviour}
    with opened.placing():
        read_scenario(tables, start=books.start)
    return tables


def _refuse_other_names(name: str, tables: Mapping[str, Any], params: "Params") -> None:
    """Refuse with `Inconsistent` a scenario that is made for another network."""
    matrix = tables.get("payment_matrix", {})
    for what, theirs, ours in (
        ("supplier kinds", matrix.get("kinds"), params.matrix.kinds),
        ("pipelines", matrix.get("rows"), params.matrix.rows),
        ("projects", tables.get("projects"), [each.name for each in params.projects]),
    ):
        if theirs and set(theirs) != set(ours):
            raise Inconsistent(
                f"{name} has the {what} {', '.join(sorted(theirs))} and the books have "
                f"{', '.join(sorted(ours))}; forecast without a scenario and take "
                "scenario.toml of its --out, or name theirs in a file with "
                'preset = "none"'
            )


def _show_standing(books: _Standing, seen: "Observed | None") -> None:
    """Say where the books stand, and what demand was read off them."""
    from coopera.units import MICRO, WAD

    start = books.start
    price = f", at {start.price / WAD:,.6g} USD/token" if start.price else ""
    click.echo(
        f"the books stand before the close of day {start.day}, day {start.day + 1} of "
        f"the network{price}"
    )
    if start.dollars.open_income:
        earned = start.dollars.open_income / MICRO
        click.echo(f"{earned:,.2f} USD earned so far are a part of that day's income")
    if seen is None:
        click.echo()
        return
    click.echo(
        f"\ndemand of the last {seen.days} closed days: {_decimal(seen.failure_rate)} "
        f"of the jobs fail, sentiment {_decimal(seen.sentiment)} USD/day, suppliers "
        "stay as they are"
    )
    rows = [("project", "pipeline", "USD/job", "jobs/day", "noise", "trend")]
    rows += [
        (
            each.project,
            each.pipeline,
            _decimal(each.price),
            _decimal(each.jobs),
            _decimal(each.noise),
            f"{_decimal(each.slope)} a day" if each.slope else "constant",
        )
        for each in seen.services
    ]
    show_columns(rows, right=(2, 3, 4))
    click.echo()


def _seen_json(seen: "Observed") -> dict[str, Any]:
    return {
        "days": seen.days,
        "failure_rate": str(seen.failure_rate),
        "sentiment_usd": str(seen.sentiment),
        "services": [
            {
                "project": each.project,
                "pipeline": each.pipeline,
                "price_usd": str(each.price),
                "jobs": str(each.jobs),
                "slope": str(each.slope),
                "noise": str(each.noise),
            }
            for each in seen.services
        ],
    }


def _decimal(value: Decimal) -> str:
    """Write a number with four decimals at most."""
    return f"{round(value, 4).normalize() + 0:,f}"
