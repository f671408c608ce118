"""Commands that say why: why a job waits, and why a resource gets none."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.access import readable
from coopera.cli.books.looking import Look
from coopera.cli.books.options import in_json, on_books
from coopera.cli.books.showing import show_columns, show_json
from coopera.cli.market.places import place_of
from coopera.cli.market.running import load_for
from coopera.cli.market.written import by_place
from coopera.errors import BadBooks

if TYPE_CHECKING:
    from coopera.service.market import Market
    from coopera.service.market.whys import WhyResourceIdles, WhyTaskWaits

WORDS: Final[Mapping[str, str]] = {
    "kind": "supplier kind",
    "devices": "device",
    "count": "count of devices",
    "memory_gib": "memory",
    "regions": "region",
    "latency_ms": "latency",
    "model": "model",
    "price": "price",
    "min_reputation": "reputation",
    "excluded": "had it before",
    "not_owner": "owned by the consumer",
    "slots": "free slot",
    "lane": "newcomers alone",
}
"""Filters of the scheduler, as people call them."""


@contextmanager
def _loaded(url: str) -> Iterator[tuple[Look, "Market"]]:
    """Open the books as they are, with a market that only looks at them."""
    from coopera.service import Books
    from coopera.service.market import Market

    with readable(url) as store:
        books = Books(store)
        if books.params is None:
            raise BadBooks("the books are not open yet; run: coopera books open")
        state = books.state
        state.at(max(store.head().at, time.time_ns() // 1000))
        market = Market(load=load_for(store))
        market.load(store, state, books.params)
        yield Look(store), market


@click.command("why", short_help="Say why a task of a job waits.")
@click.argument("name")
@by_place
@on_books
@in_json
def why_waiting(name: str, place: int | None, url: str, *, as_json: bool) -> None:
    """Say why a task of the job NAME waits: who is before it, and what is left."""
    from coopera.protocol.orders import Job, TaskStage

    with _loaded(url) as (look, market):
        found = look.existing(Job, name)
        why = market.why_waiting(name, place_of(found, place, TaskStage.CREATED))
    if as_json:
        told = asdict(why)
        told["offers"] |= {
            "matches": why.offers.matches,
            "remedies": why.offers.remedies,
        }
        show_json(told)
    else:
        _show_waiting(why)


@click.command("why", short_help="Say why a resource gets no jobs.")
@click.argument("name")
@on_books
@in_json
def why_no_jobs(name: str, url: str, *, as_json: bool) -> None:
    """Say why the resource NAME gets no jobs: what it lacks, and who is before it."""
    from coopera.protocol.supply import Resource

    with _loaded(url) as (look, market):
        look.existing(Resource, name)
        why = market.why_no_jobs(name)
    if as_json:
        show_json(asdict(why))
    else:
        _show_idle(why)


def _show_waiting(why: "WhyTaskWaits") -> None:
    offers = why.offers
    head = f"task {why.task} of {why.job}"
    if why.late:
        click.echo(f"{head} cannot be matched: no time is left to accept it")
        return
    if offers.matches:
        click.echo(f"{head} can be matched: run the market, or coopera job match")
    else:
        click.echo(f"{head} waits; before it are {why.ahead} of its kind")
    if why.held_back:
        click.echo("it is not in the queue yet: its consumer has many there already")
    rows = [("", "resources left")]
    rows.append(("that take jobs", f"{offers.offers:,}"))
    seen = offers.offers
    for name, left in offers.left.items():
        if left != seen:
            rows.append((WORDS[name], f"{left:,}"))
        seen = left
    show_columns(rows, right=(1,))
    if not offers.matches and offers.offers:
        remedies = " or ".join(WORDS[each] for each in offers.remedies)
        said = (
            f"without this alone: {remedies}"
            if remedies
            else "more than one of these stands in its way"
        )
        click.echo(said)


def _show_idle(why: "WhyResourceIdles") -> None:
    if why.stage != "staked":
        click.echo(
            f"{why.resource} is {why.stage.value}; only what is staked gets jobs"
        )
    if why.dormant:
        click.echo(
            f"it had no job for {why.idle_days} days, and must be certified anew first"
        )
    if why.busy >= why.slots:
        click.echo(f"all of its {why.slots} slots are taken")
    else:
        click.echo(f"it does {why.busy} jobs and could do {why.slots}")
    if not why.needs:
        click.echo("nothing was needed of late")
        return
    served = f"of {why.needs} needs of late it meets {why.met}"
    if why.ahead:
        least, most = min(why.ahead), max(why.ahead)
        ahead = f"{least}" if least == most else f"{least} to {most}"
        served += f"; before it are {ahead} free resources"
    click.echo(served)
    rows: list[tuple[Any, ...]] = [("", "not met", "for this alone")]
    rows += [
        (WORDS[name], f"{count:,}", f"{why.alone[name]:,}")
        for name, count in why.failed.items()
        if count
    ]
    if len(rows) > 1:
        show_columns(rows, right=(1, 2))
