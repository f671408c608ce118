"""Commands that open the books, look after their tables, and say how they stand."""

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Final

import click

from coopera.cli.books.access import give, new_key, readable
from coopera.cli.books.options import OPERATOR, by_key, in_json, on_books, read_amount
from coopera.cli.books.showing import (
    receipt_json,
    show_json,
    show_receipt,
    show_table,
)
from coopera.errors import BadBooks, NotAllowed

SIMULATED: Final = ("simulation", "sentiment", "consumers", "suppliers", "shocks")
"""Sections of a document that only simulating reads."""


@click.group()
def books() -> None:
    """Open the books, bring their tables up to date, say how they stand."""


@books.command("open", short_help="Open new books by a preset or a file.")
@click.argument("source", default="paper", metavar="[PRESET|FILE]")
@click.option(
    "--dollar-reserve",
    default="0",
    show_default=True,
    metavar="DOLLARS",
    help="Dollars that the network starts with.",
)
@click.option(
    "--day-seconds",
    type=click.IntRange(0),
    default=0,
    show_default=True,
    help="Length of a day that the network closes itself; 0 if you close it.",
)
@by_key
@on_books
@in_json
def open_(
    source: str,
    dollar_reserve: str,
    day_seconds: int,
    key: str | None,
    url: str,
    *,
    as_json: bool,
) -> None:
    """
    Open new books by a preset or a file: make the tables, issue all tokens.

    What the file says of the simulation is left out.
    """
    from coopera.protocol.books import OpenBooks, read_settings
    from coopera.protocol.warnings import live_warnings
    from coopera.store.addresses import shown
    from coopera.store.opening import migrate

    reserve = read_amount("dollar_reserve", dollar_reserve)
    tables, placing = _settings(source)
    with placing():
        params = read_settings(tables)
    migrate(url)
    command = OpenBooks(tables, reserve, day_seconds)
    for warning in live_warnings(params):
        click.echo(f"coopera: warning: {warning}", err=True)
    receipt, moved = give(url, key or new_key(), OPERATOR, command)
    if as_json:
        show_json(receipt_json(receipt, moved))
        return
    click.echo(f"{shown(url)} is open, by {source}")
    show_receipt(receipt, moved)


@books.command(short_help="Bring the tables to the version of this program.")
@on_books
def upgrade(url: str) -> None:
    """Bring the tables to the version of this program; nothing is lost."""
    from coopera.store.addresses import POSTGRES, shown
    from coopera.store.opening import migrate
    from coopera.store.sql import REVISION

    if not url.startswith(POSTGRES) and not Path(url).is_file():
        raise BadBooks(f"there are no books at {url}; run: coopera books open")
    migrate(url)
    click.echo(f"{shown(url)} has tables of version {REVISION}")


@books.command(short_help="Bring the tables back to an earlier version.")
@click.argument("revision")
@click.option("--yes", is_flag=True, help="Lose what that version cannot hold.")
@on_books
def downgrade(revision: str, url: str, *, yes: bool) -> None:
    """Bring the tables back to REVISION; `base` drops them with all that they hold."""
    from coopera.store.addresses import shown
    from coopera.store.opening import migrate

    if not yes:
        raise NotAllowed(
            f"going back to {revision} loses what that version cannot hold; make a "
            "copy, then add --yes"
        )
    migrate(url, revision)
    click.echo(f"{shown(url)} has tables of version {revision}")


@books.command(short_help="Say how the books stand.")
@on_books
@in_json
def status(url: str, *, as_json: bool) -> None:
    """Say how the books stand: their head, their sums, how much they hold."""
    from coopera.accounting.explain import millionths, unit_of
    from coopera.ledger import in_utc, moment
    from coopera.store.sql import REVISION

    with readable(url) as store:
        head, balances = store.head(), store.balances()
    sums: dict[str, list[int]] = {
        unit: [0, 0] for unit in ("USD", "token", "point", "unit")
    }
    for path, held in balances.items():
        sums[unit_of(path)][0] += max(held, 0)
        sums[unit_of(path)][1] += held
    if as_json:
        told = {
            "version": REVISION,
            "receipts": head.receipt,
            "transfers": head.transfer,
            "accounts": head.account,
            "hash": head.hash.hex(),
            "at": moment(head.at) if head.receipt else None,
            "held_micro_units": {unit: held for unit, (held, _) in sums.items()},
            "sums_micro_units": {unit: total for unit, (_, total) in sums.items()},
        }
        show_json(told)
        return
    if not head.receipt:
        click.echo("the books are not open yet; run: coopera books open")
        return
    show_table(
        [
            ("tables", f"version {REVISION}"),
            ("receipts", f"{head.receipt:,}, the last one {in_utc(head.at)}"),
            ("transfers", f"{head.transfer:,}"),
            ("accounts", f"{head.account:,}"),
            ("head", f"{head.receipt}:{head.hash.hex()}"),
        ]
    )
    click.echo()
    for unit, (held, total) in sums.items():
        click.echo(f"{unit:<6}{millionths(held):>26} held, sums to {millionths(total)}")


def _settings(source: str) -> tuple[str, Callable[[], Any]]:
    """Read the governed tables of a preset or a file, as the books keep them."""
    from coopera.cli.sources import Source, documents_of
    from coopera.params import CHAPTERS
    from coopera.params.declared import plain_names, unknown_key
    from coopera.params.document import merged

    kept = (*CHAPTERS, "payment_matrix", "projects")
    documents = documents_of(source)
    tables: dict[str, Any] = {}
    for document in reversed(documents):
        over = {}
        for name, table in document.tables.items():
            if name in CHAPTERS and isinstance(table, Mapping):
                over[name] = plain_names(CHAPTERS[name], table)
            elif name in kept:
                over[name] = table
            elif name not in (*SIMULATED, "preset"):
                raise unknown_key(name, (*kept, *SIMULATED), ())
        tables = merged(tables, over)
    placing = Source(source, tables, documents, {}).placing
    return json.dumps(tables, default=str), placing
