"""Commands that read the books and prove them, and write nothing into them."""

import re
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import IO, TYPE_CHECKING, Final

import click

from coopera.cli.books.access import readable
from coopera.cli.books.options import LINES, MOMENTS, in_json, on_books
from coopera.cli.books.showing import (
    progress_bar,
    short_moment,
    show_columns,
    show_explanation,
    show_json,
)
from coopera.errors import Malformed, UnknownRecord, Unreadable

if TYPE_CHECKING:
    from coopera.accounting.statement import Line
    from coopera.store.sql import SqlStore

FOUND: Final = 1
"""Exit code of an audit that has findings."""

_since_date = click.option(
    "--since", type=MOMENTS, metavar="DATE", help="From this date or moment on, UTC."
)
_until_date = click.option(
    "--until", type=MOMENTS, metavar="DATE", help="Until before this one."
)


@click.command(short_help="Go through all books once more, and prove them.")
@click.option("--head", "remembered", metavar="N:HASH", help="Of an earlier audit.")
@on_books
@in_json
def audit(remembered: str | None, url: str, *, as_json: bool) -> None:
    """
    Go through all books once more: numbers, hashes, formulas, balances, limits.

    Exit code 0 if nothing was found, 1 if something was. Keep the head that is printed
    elsewhere: given as --head later, it shows whether receipts were cut off.
    """
    from coopera.accounting.audit import audit as prove

    head = None if remembered is None else _head(remembered)
    with readable(url) as store, progress_bar("auditing") as progress:
        report = prove(store, progress, head)
    if as_json:
        show_json({"clean": report.clean, **asdict(report)})
    else:
        click.echo(
            f"{report.receipts:,} receipts, {report.transfers:,} transfers, "
            f"{report.accounts:,} accounts, {report.records:,} records"
        )
        for found in report.findings:
            click.echo(
                click.style(f"\n{found.table} {found.row}: {found.what}", fg="red")
            )
            click.echo(f"  expected {found.expected}\n  found    {found.found}")
        for note in report.notes:
            click.echo(f"\nnote: {note}")
        if report.clean:
            click.echo(f"nothing is wrong up to {report.receipts}:{report.hash}")
    if not report.clean:
        click.get_current_context().exit(FOUND)


@click.command(short_help="Tell why a receipt moved what it moved.")
@click.argument("receipt", metavar="RECEIPT")
@on_books
@in_json
def explain(receipt: str, url: str, *, as_json: bool) -> None:
    """
    Tell why a receipt moved what it moved, by the formulas and their papers.

    RECEIPT is its number, or the idempotency key of its command.
    """
    from coopera.accounting.explain import explain as grounds

    with readable(url) as store:
        explained = grounds(store, _number(store, receipt))
    if as_json:
        show_json(asdict(explained))
    else:
        show_explanation(explained)


@click.command(short_help="List what moved on an account.")
@click.argument("account")
@_since_date
@_until_date
@click.option(
    "--last", type=click.IntRange(1), help=f"The last N lines. Default: {LINES}."
)
@on_books
@in_json
def statement(
    account: str,
    since: int | None,
    until: int | None,
    last: int | None,
    url: str,
    *,
    as_json: bool,
) -> None:
    """List what came into an account and went out of it, the newest last."""
    from coopera.accounting.explain import millionths
    from coopera.accounting.statement import statement as listed

    if last is None and since is None:
        last = LINES
    with readable(url) as store:
        found = listed(store, account, since, until, last)
    if as_json:
        show_json(asdict(found))
        return
    click.echo(click.style(f"{found.account}, in {found.unit}", bold=True))
    rows = [_line(line) for line in found.lines]
    before = "balance before" if found.earlier else "opened"
    rows.insert(0, ("", "", before, "", "", millionths(found.opening), ""))
    rows.append(("", "", "balance", "", "", millionths(found.closing), ""))
    show_columns(rows, right=(1, 4, 5))
    if found.earlier and since is None:
        click.echo("there are earlier lines; --last or --since shows more")


@click.command(short_help="Say what accounts hold.")
@click.argument("accounts", nargs=-1, metavar="[ACCOUNT]...")
@on_books
@in_json
def balance(accounts: tuple[str, ...], url: str, *, as_json: bool) -> None:
    """Say what accounts hold; all that were ever used, unless some are named."""
    from coopera.accounting.explain import millionths, unit_of
    from coopera.accounting.statement import known_account

    with readable(url) as store:
        held: dict[str, int] = {}
        for each in accounts:
            path = known_account(store, each)
            cell = store.cell(path)
            held[path] = cell.balance if cell else 0
        if not accounts:
            held.update(sorted(store.balances().items()))
    if as_json:
        told = {
            path: {"micro_units": amount, "unit": unit_of(path)}
            for path, amount in held.items()
        }
        show_json(told)
        return
    show_columns([(p, millionths(n), unit_of(p)) for p, n in held.items()], right=(1,))


@click.command(short_help="Write the transfers to a file, for other programs.")
@click.argument("file")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "parquet", "beancount"]),
    default="csv",
    show_default=True,
)
@_since_date
@_until_date
@on_books
@in_json
def export(
    file: str,
    format_: str,
    since: int | None,
    until: int | None,
    url: str,
    *,
    as_json: bool,
) -> None:
    """Write the transfers to FILE, for other programs; - is the standard output."""
    from coopera.accounting.export import FORMATS

    between = since, until
    write = FORMATS[format_]
    with readable(url) as store:
        if file == "-":
            write(store, sys.stdout.buffer, *between)
            return
        with _whole_file(Path(file)) as writing:
            count = write(store, writing, *between)
    if as_json:
        show_json({"file": file, "format": format_, "transfers": count})
    else:
        click.echo(f"{count:,} transfers in {file}")


def _head(written: str) -> tuple[int, str]:
    found = re.fullmatch(r"([0-9]{1,18}):([0-9a-fA-F]{64})", written)
    if found is None:
        raise Malformed(
            f"--head is {written[:80]!r}; write it as N:HASH, as an audit prints it"
        )
    return int(found[1]), found[2].lower()


def _number(store: "SqlStore", written: str) -> int:
    """Find the receipt that a number or a key names. Refuses with `UnknownRecord`."""
    if re.fullmatch(r"[0-9]{1,18}", written) and store.receipt(int(written)):
        return int(written)
    found = store.find([written])
    if not found:
        raise UnknownRecord(
            f"there is no receipt {written[:80]!r}; give its number, 1 to "
            f"{store.head().receipt}, or the key of its command"
        )
    if len(found) > 1:
        who = ", ".join(f"{each.id} of {each.caller}" for each in found)
        raise UnknownRecord(
            f"{len(found)} callers used the key {written[:80]}; name one of the "
            f"receipts: {who}"
        )
    return found[0].id


def _line(line: "Line") -> tuple[str, ...]:
    from coopera.accounting.explain import millionths
    from coopera.accounting.statement import amount_of

    return (
        short_moment(line.moment),
        str(line.receipt),
        line.kind,
        line.other,
        amount_of(line),
        millionths(line.balance),
        line.reason,
    )


@contextmanager
def _whole_file(path: Path) -> Iterator[IO[bytes]]:
    """Write a file that appears once it is whole."""
    part = path.with_name(f".{path.name}.part")
    try:
        with part.open("wb") as writing:
            yield writing
        part.replace(path)
    except OSError as error:
        raise Unreadable(
            f"cannot write {path}: {error.strerror}; name another file"
        ) from None
    finally:
        part.unlink(missing_ok=True)
