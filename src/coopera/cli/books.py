"""Commands about the books: keep them, read them, and prove them."""

import json
import re
import secrets
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from dataclasses import MISSING, asdict, fields, is_dataclass
from datetime import UTC, datetime
from functools import wraps
from itertools import groupby
from pathlib import Path
from typing import (
    IO,
    TYPE_CHECKING,
    Any,
    Final,
    NamedTuple,
    TypeVar,
    get_args,
    get_origin,
    get_type_hints,
)

import click

from coopera.errors import (
    BadBooks,
    Busy,
    Malformed,
    NotAllowed,
    Unavailable,
    UnknownRecord,
    Unreadable,
)
from coopera.units import MICRO, scaled

if TYPE_CHECKING:
    from coopera.accounting.explain import (
        Explanation,
        Figure,
        Formula,
        Move,
        Step,
    )
    from coopera.accounting.statement import Line
    from coopera.ledger import Receipt, Transfer
    from coopera.store.sql import SqlStore

F = TypeVar("F", bound=Callable[..., Any])

OPERATOR: Final = "operator"
SIMULATED: Final = ("simulation", "sentiment", "consumers", "suppliers", "shocks")
"""Sections of a document that only simulating reads."""

LINES: Final = 50
"""Lines of a statement, unless asked for others."""
SHOWN: Final = 8
"""Most numbers of a list that are printed."""
FOUND: Final = 1
"""Exit code of an audit that has findings."""

AMOUNT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")

on_books = click.option(
    "--books",
    "url",
    envvar="COOPERA_BOOKS",
    default="books.db",
    show_default=True,
    metavar="URL",
    help="File of the books, or postgresql://...; or set COOPERA_BOOKS.",
)
in_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
since_until = (
    click.option("--since", metavar="DATE", help="From this date or moment on, UTC."),
    click.option("--until", metavar="DATE", help="Until before this one."),
)


class Giving(NamedTuple):
    """How a command is given."""

    url: str
    key: str | None
    caller: str
    dry_run: bool
    as_json: bool


def giving(function: F) -> F:
    """Take the options with which a command is given."""

    @wraps(function)
    def given(
        *arguments: Any,
        url: str,
        key: str | None,
        caller: str,
        dry_run: bool,
        as_json: bool,
        **named: Any,
    ) -> None:
        how = Giving(url, key, caller, dry_run, as_json)
        _give(function(*arguments, **named), how)

    for option in (
        in_json,
        click.option("--dry-run", is_flag=True, help="Show what it would move."),
        click.option("--caller", default=OPERATOR, show_default=True, metavar="WHO"),
        click.option("--key", help="Idempotency key. Default: a new one."),
        on_books,
    ):
        given = option(given)
    return given  # type: ignore[return-value]


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
@click.option("--key", help="Idempotency key. Default: a new one.")
@on_books
@in_json
def open_(
    source: str, dollar_reserve: str, key: str | None, url: str, *, as_json: bool
) -> None:
    """
    Open new books by a preset or a file: make the tables, issue all tokens.

    What the file says of the simulation is left out.
    """
    from coopera.protocol.books import OpenBooks, read_settings
    from coopera.protocol.warnings import warnings
    from coopera.store.opening import migrate, shown

    reserve = _amount("dollar_reserve", dollar_reserve)
    tables, placing = _settings(source)
    with placing():
        params = read_settings(tables)
    migrate(url)
    command = OpenBooks(tables, reserve)
    for warning in warnings(params):
        click.echo(f"coopera: warning: {warning}", err=True)
    receipt, moved = _given(url, key or new_key(), OPERATOR, command)
    if as_json:
        click.echo(json.dumps(_receipt_json(receipt, moved), indent=1))
        return
    click.echo(f"{shown(url)} is open, by {source}")
    _show_receipt(receipt, moved)


@books.command(short_help="Bring the tables to the version of this program.")
@on_books
def upgrade(url: str) -> None:
    """Bring the tables to the version of this program; nothing is lost."""
    from coopera.store.opening import POSTGRES, migrate, shown
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
    from coopera.store.opening import migrate, shown

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
    from coopera.accounting.explain import millionths, moment, unit_of
    from coopera.store.sql import REVISION

    with _reading(url) as store:
        head, balances = store.head(), store.balances()
    sums: dict[str, list[int]] = {"USD": [0, 0], "token": [0, 0], "point": [0, 0]}
    for path, held in balances.items():
        sums[unit_of(path)][0] += max(held, 0)
        sums[unit_of(path)][1] += held
    at = moment(head.at) if head.receipt else None
    if as_json:
        told = {
            "version": REVISION,
            "receipts": head.receipt,
            "transfers": head.transfer,
            "accounts": head.account,
            "hash": head.hash.hex(),
            "at": at,
            "held_micro_units": {unit: held for unit, (held, _) in sums.items()},
            "sums_micro_units": {unit: total for unit, (_, total) in sums.items()},
        }
        click.echo(json.dumps(told, indent=1))
        return
    if not head.receipt:
        click.echo("the books are not open yet; run: coopera books open")
        return
    _table(
        [
            ("tables", f"version {REVISION}"),
            ("receipts", f"{head.receipt:,}, the last one {_short(at or '')}"),
            ("transfers", f"{head.transfer:,}"),
            ("accounts", f"{head.account:,}"),
            ("head", f"{head.receipt}:{head.hash.hex()}"),
        ]
    )
    click.echo()
    for unit, (held, total) in sums.items():
        click.echo(f"{unit:<6}{millionths(held):>26} held, sums to {millionths(total)}")


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
    with _reading(url) as store, _progress("auditing") as progress:
        report = prove(store, progress, head)
    if as_json:
        told = {"clean": report.clean, **asdict(report)}
        click.echo(json.dumps(told, indent=1))
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

    with _reading(url) as store:
        explained = grounds(store, _number(store, receipt))
    if as_json:
        click.echo(json.dumps(asdict(explained), indent=1))
    else:
        _show_explanation(explained)


@click.command(short_help="List what moved on an account.")
@click.argument("account")
@since_until[0]
@since_until[1]
@click.option(
    "--last", type=click.IntRange(1), help=f"The last N lines. Default: {LINES}."
)
@on_books
@in_json
def statement(
    account: str,
    since: str | None,
    until: str | None,
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
    with _reading(url) as store:
        found = listed(store, account, _moment(since), _moment(until), last)
    if as_json:
        click.echo(json.dumps(asdict(found), indent=1))
        return
    click.echo(click.style(f"{found.account}, in {found.unit}", bold=True))
    rows = [_line(line) for line in found.lines]
    before = "balance before" if found.earlier else "opened"
    rows.insert(0, ("", "", before, "", "", millionths(found.opening), ""))
    rows.append(("", "", "balance", "", "", millionths(found.closing), ""))
    _columns(rows, right=(1, 4, 5))
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

    with _reading(url) as store:
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
        click.echo(json.dumps(told, indent=1))
        return
    _columns([(p, millionths(n), unit_of(p)) for p, n in held.items()], right=(1,))


@click.command(short_help="Write the transfers to a file, for other programs.")
@click.argument("file")
@click.option(
    "--format",
    "format_",
    type=click.Choice(["csv", "parquet", "beancount"]),
    default="csv",
    show_default=True,
)
@since_until[0]
@since_until[1]
@on_books
@in_json
def export(
    file: str,
    format_: str,
    since: str | None,
    until: str | None,
    url: str,
    *,
    as_json: bool,
) -> None:
    """Write the transfers to FILE, for other programs; - is the standard output."""
    from coopera.accounting.export import FORMATS

    between = _moment(since), _moment(until)
    write = FORMATS[format_]
    with _reading(url) as store:
        if file == "-":
            write(store, sys.stdout.buffer, *between)
            return
        with _whole_file(Path(file)) as writing:
            count = write(store, writing, *between)
    if as_json:
        told = {"file": file, "format": format_, "transfers": count}
        click.echo(json.dumps(told, indent=1))
    else:
        click.echo(f"{count:,} transfers in {file}")


class _Do(click.Command):
    """Command whose help lists all commands of the protocol."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List kinds and fields."""
        del ctx
        with formatter.section("Kinds (coopera commands says more)"):
            formatter.write_dl(
                [(each["kind"], ", ".join(each["fields"])) for each in _kinds()]
            )


@click.command("do", cls=_Do, short_help="Give any command of the protocol.")
@click.argument("kind")
@click.argument("written", nargs=-1, metavar="[FIELD=VALUE]...")
@giving
def do_(kind: str, written: tuple[str, ...]) -> object:
    """
    Give any command of the protocol: KIND, and its fields.

    Texts are written as they are, all else as JSON. Amounts are whole millionths.

    \b
    Example:
      coopera do list_gpu id=h100 price=2500000 --dry-run
      coopera do train consumer=consumer:alice 'compute=[["supplier:g", "h100", 60]]'
    """  # noqa: D301 - click reads the backspace
    return _command(kind, written)


@click.command("commands", short_help="List the commands of the protocol.")
@in_json
def commands(*, as_json: bool) -> None:
    """List the commands of the protocol, their fields, and who may give them."""
    kinds = _kinds()
    if as_json:
        click.echo(json.dumps(kinds, indent=1))
        return
    for each in kinds:
        click.echo(click.style(each["kind"], bold=True) + f"  by {each['by']}")
        click.echo(f"  {each['meaning']}")
        for name, what in each["fields"].items():
            click.echo(f"    {name:<14} {what}")


@click.group()
def account() -> None:
    """Open and close members' accounts."""


@account.command("open", short_help="Open a member's accounts.")
@click.argument("owner")
@click.option("--limit", metavar="AMOUNT", help="Most that each may hold.")
@giving
def open_account(owner: str, limit: str | None) -> object:
    """Open the accounts of OWNER, as supplier:gpu-7, by its role."""
    from coopera.protocol.money import OpenAccounts

    if limit is None:
        return OpenAccounts(owner)
    return OpenAccounts(owner, _amount("limit", limit))


@account.command("close", short_help="Close a member's empty accounts.")
@click.argument("owner")
@giving
def close_account(owner: str) -> object:
    """Close the accounts of OWNER for good; they must be empty."""
    from coopera.protocol.money import CloseAccounts

    return CloseAccounts(owner)


@click.command(short_help="Enter dollars or tokens that came from outside.")
@click.argument("account")
@click.argument("amount")
@click.argument("asset", metavar="usd|token")
@click.option("--reference", required=True, help="Of the payment outside.")
@giving
def deposit(account: str, amount: str, asset: str, reference: str) -> object:
    """Enter AMOUNT dollars or tokens that came from outside, on ACCOUNT."""
    from coopera.protocol.money import Deposit

    return Deposit(account, asset, _amount("amount", amount), reference)


@click.group()
def withdraw() -> None:
    """Send dollars or tokens outside: ask for it, then confirm or cancel it."""


@withdraw.command(short_help="Put aside what is to be sent outside.")
@click.argument("name")
@click.argument("account")
@click.argument("amount")
@click.argument("asset", metavar="usd|token")
@giving
def request(name: str, account: str, amount: str, asset: str) -> object:
    """Put aside AMOUNT of ACCOUNT, to be sent outside; call it NAME."""
    from coopera.protocol.money import RequestWithdrawal

    return RequestWithdrawal(name, account, asset, _amount("amount", amount))


@withdraw.command(short_help="Enter a withdrawal as sent.")
@click.argument("name")
@click.option("--reference", required=True, help="Of the payment outside.")
@giving
def confirm(name: str, reference: str) -> object:
    """Enter the withdrawal NAME as sent."""
    from coopera.protocol.money import ConfirmWithdrawal

    return ConfirmWithdrawal(name, reference)


@withdraw.command(short_help="Give back a withdrawal that was not sent.")
@click.argument("name")
@giving
def cancel(name: str) -> object:
    """Give back the withdrawal NAME, that was not sent."""
    from coopera.protocol.money import CancelWithdrawal

    return CancelWithdrawal(name)


COMMANDS: Final[tuple[click.Command, ...]] = (
    *(books, do_, commands, account, deposit, withdraw),
    *(balance, statement, explain, audit, export),
)
"""To be registered."""


def new_key() -> str:
    """Make an idempotency key that grows with time, as version 7 of UUIDs does."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def _give(command: object, how: Giving) -> None:
    """Give a command to the books, or only try it, and print what moved."""
    key = how.key or new_key()
    if how.dry_run:
        moved = _tried(how.url, how.caller, command)
        if how.as_json:
            told = {"dry_run": True, "transfers": _transfers_json(moved)}
            click.echo(json.dumps(told, indent=1))
        else:
            click.echo("dry run: nothing was written")
            _show_transfers(moved)
        return
    try:
        receipt, moved = _given(how.url, key, how.caller, command)
    except (Busy, Unavailable) as refusal:
        raise type(refusal)(f"{refusal} (the key is {key})") from None
    if how.as_json:
        click.echo(json.dumps(_receipt_json(receipt, moved), indent=1))
    else:
        _show_receipt(receipt, moved)


def _given(
    url: str, key: str, caller: str, command: object
) -> tuple["Receipt", Sequence["Transfer"]]:
    """Write a command: its receipt, and what it moved."""
    from coopera.service import Request, Writer
    from coopera.store.opening import open_store

    store: Any = open_store(url)
    with Writer(store) as writer:
        receipt = writer.execute(Request(key, caller, command))
        return receipt, store.transfers(receipt)


def _tried(url: str, caller: str, command: object) -> Sequence["Transfer"]:
    """Run a command over the books as they are: what it would move."""
    from coopera.protocol.commands import execute
    from coopera.service import Books

    with _reading(url) as store:
        kept = Books(store)
        state = kept.state
        state.at(max(store.head().at, time.time_ns() // 1000))
        diff = execute(state, kept.params, caller, command)
        state.apply(diff)
    return diff.transfers


@contextmanager
def _reading(url: str) -> Iterator[Any]:
    """Open the books to read them: a `SqlStore`."""
    from coopera.store.opening import open_store

    store: Any = open_store(url, writes=False)
    with closing(store):
        yield store


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


def _amount(name: str, written: str) -> int:
    """Read dollars, tokens or points with up to six decimals, in millionths."""
    try:
        return scaled(written if AMOUNT.fullmatch(written) else "NaN", MICRO)
    except ValueError:
        raise Malformed(
            f"{name} is {written[:80]!r}; write a plain number with 6 decimals at "
            "most, as 12.345678"
        ) from None


def _moment(written: str | None) -> int | None:
    """Read a date or a moment, in UTC unless it says otherwise."""
    if written is None:
        return None
    try:
        when = datetime.fromisoformat(written)
    except ValueError:
        raise Malformed(
            f"{written[:80]!r} is no date; write it as 2026-01-31 or as "
            "2026-01-31T12:00:00Z"
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


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


def _command(kind: str, written: Sequence[str]) -> object:
    """Make a command of its fields as they were written. Refuses with `Malformed`."""
    import msgspec

    from coopera.protocol.commands import KINDS

    cls = KINDS.get(kind)
    if cls is None:
        raise Malformed(
            f"there is no command {kind[:80]!r}{_near(kind, KINDS)}; run: coopera "
            "commands"
        )
    hints = get_type_hints(cls)
    values: dict[str, Any] = {}
    for each in written:
        name, equals, value = each.partition("=")
        if not equals:
            raise Malformed(f"{each[:80]!r} is no field; write it as FIELD=VALUE")
        if name not in hints:
            raise Malformed(
                f"{kind} has no field {name[:80]!r}; it has {', '.join(hints)}"
            )
        if name in values:
            raise Malformed(f"{name} is given twice; give it once")
        try:
            value.encode()
            values[name] = (
                value
                if hints[name] is str
                else msgspec.json.decode(value, type=hints[name])
            )
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            said = f"{name} is {value[:80]!r}; it must be {_typed(hints[name])}"
            raise Malformed(f"{said}, in JSON: {error}") from None
    missing = [
        each.name
        for each in fields(cls)
        if each.default is MISSING and each.name not in values
    ]
    if missing:
        raise Malformed(f"{kind} also needs {', '.join(missing)}")
    return cls(**values)


def _near(name: str, known: Mapping[str, object]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return f", but {near[0]}" if near else ""


def _kinds() -> list[dict[str, Any]]:
    """Say of every command what it does, who may give it, and which fields it has."""
    from coopera.protocol.commands import COMMANDS as RULES

    kinds = []
    for cls, rule in RULES.items():
        hints = get_type_hints(cls)
        kinds.append(
            {
                "kind": rule.kind,
                "by": "the operator, or the member it concerns"
                if rule.payer
                else "the operator",
                "meaning": (rule.transition.__doc__ or "").strip().partition("\n")[0],
                "fields": {
                    each.name: _typed(hints[each.name])
                    + ("" if each.default is MISSING else ", or left out")
                    for each in fields(cls)
                },
            }
        )
    return kinds


def _typed(hint: Any) -> str:
    """Say how a value is written."""
    if is_dataclass(hint):
        inner = get_type_hints(hint)
        return "{" + ", ".join(f'"{k}": {_typed(v)}' for k, v in inner.items()) + "}"
    if get_origin(hint) is tuple:
        inside = get_args(hint)
        if inside[-1] is Ellipsis:
            return f"[{_typed(inside[0])}, ...]"
        return f"[{', '.join(map(_typed, inside))}]"
    return "a text" if isinstance(hint, type) and issubclass(hint, str) else "a number"


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


@contextmanager
def _progress(label: str) -> Iterator[Callable[[int, int], object]]:
    """Show a bar on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def progress(done: int, whole: int) -> None:
            bar.length = max(whole, 1)
            bar.update(done - bar.pos)

        yield progress


def _receipt_json(receipt: "Receipt", moved: Sequence["Transfer"]) -> dict[str, Any]:
    return {
        "receipt": receipt.id,
        "kind": receipt.kind,
        "caller": receipt.caller,
        "key": receipt.key,
        "at": receipt.at,
        "hash": receipt.hash.hex(),
        "transfers": _transfers_json(moved),
    }


def _transfers_json(moved: Sequence["Transfer"]) -> list[dict[str, Any]]:
    from coopera.accounting.explain import unit_of

    return [
        {
            "debit": each.debit,
            "credit": each.credit,
            "micro_units": each.amount,
            "unit": unit_of(each.debit),
            "reason": each.reason,
        }
        for each in moved
    ]


def _show_receipt(receipt: "Receipt", moved: Sequence["Transfer"]) -> None:
    from coopera.accounting.explain import moment

    click.echo(click.style(f"receipt {receipt.id}  {receipt.kind}", bold=True))
    _table(
        [
            ("given by", receipt.caller),
            ("moment", moment(receipt.at)),
            ("key", receipt.key),
            ("hash", receipt.hash.hex()),
        ]
    )
    _show_transfers(moved)


def _show_transfers(moved: Sequence["Transfer"]) -> None:
    """Print transfers, those of one giver together."""
    if not moved:
        click.echo("\n  nothing moves")
        return
    _by_giver([(e.debit, e.amount, (e.credit, e.reason)) for e in moved])


def _by_giver(rows: Sequence[tuple[str, int, tuple[str, ...]]]) -> None:
    """Print rows under the account that gives: amount, unit, who gets it, why."""
    from coopera.accounting.explain import millionths, unit_of

    def cells(debit: str, amount: int, rest: Sequence[str]) -> Sequence[str]:
        return millionths(amount), unit_of(debit), *rest

    groups: list[tuple[str, list[Sequence[str]]]] = []
    for debit, group in groupby(rows, lambda row: row[0]):
        given = list(group)
        printed = [cells(*row) for row in given]
        if len(given) > 1:
            total = sum(amount for _, amount, _ in given)
            blank = [""] * (len(given[0][2]) - 1)
            printed.append(cells(debit, total, ("in all", *blank)))
        groups.append((debit, printed))
    widths = _widths([row for _, printed in groups for row in printed])
    for debit, printed in groups:
        click.echo(f"\n  {click.style(debit, bold=True)} gives")
        for row in printed:
            click.echo("    " + _aligned(row, widths, (0,)))


def _show_explanation(explained: "Explanation") -> None:
    """Print a receipt with its grounds."""
    click.echo(click.style(f"receipt {explained.number}  {explained.kind}", bold=True))
    _table(
        [
            ("given by", explained.caller),
            ("moment", explained.moment),
            ("key", explained.key),
            ("hash", explained.hash),
        ]
    )
    if explained.command:
        click.echo(click.style("\nWhat was asked", bold=True))
        _columns([_figure(each) for each in explained.command], right=(), indent="  ")
    if explained.workings:
        click.echo(click.style("\nHow it was worked out", bold=True))
    for step in explained.workings:
        _show_step(step, explained.transfers)
    click.echo(click.style("\nWhat moved", bold=True))
    if not explained.transfers:
        click.echo("  nothing")
    _by_giver(
        [
            (each.debit, each.amount, (each.credit, each.reason, _basis(each)))
            for each in explained.transfers
        ]
    )
    if explained.formulas:
        click.echo(click.style("\nFormulas that reasons name", bold=True))
    for formula in explained.formulas:
        _show_formula(formula, "")
    _show_verdict(explained.transfers)


def _show_step(step: "Step", moves: Sequence["Move"]) -> None:
    """Print a working: what the formula was given, and what it gives."""
    _show_formula(step.formula, f"[{step.number}] ")
    got = {move.part: move.credit for move in moves if move.working == step.number}
    rows = [("", *_cells(each), "") for each in step.arguments]
    for each in step.results[:SHOWN]:
        to = f"to {got[each.name]}" if each.name in got else ""
        rows.append(("=", *_cells(each), to))
    _columns(rows, right=(2,), indent="      ")
    if (more := len(step.results) - SHOWN) > 0:
        click.echo(f"      and {more} more results")
    if step.problem:
        click.echo(click.style(f"      {step.problem}", fg="red"))


def _show_verdict(moves: Sequence["Move"]) -> None:
    """Say whether the amounts that were recomputed are those that moved."""
    recomputed = [move for move in moves if move.agrees is not None]
    if wrong := [str(move.number) for move in recomputed if not move.agrees]:
        said = f"{len(wrong)} amounts DIFFER: transfers {', '.join(wrong)}"
        click.echo(click.style(f"\n{said}", fg="red"))
    elif recomputed:
        click.echo(
            f"\n{len(recomputed)} of {len(moves)} amounts recomputed, all the same"
        )


def _show_formula(formula: "Formula", number: str) -> None:
    """Print what the book says of a formula."""
    click.echo(f"\n  {number}{click.style(formula.name, bold=True)}")
    for said in (formula.meaning, _plain(formula.equation), formula.source):
        if said:
            click.echo(f"      {said}")


def _plain(equation: str) -> str:
    r"""
    Write an equation without its typesetting.

    >>> _plain(r"R_g \sum_k P_g(k) * Pt_{in}")
    'R_g Σ_k P_g(k) * Pt_in'
    """
    for typeset, plain in ((r"\sum", "Σ"), (r"\min", "min"), (r"\max", "max")):
        equation = equation.replace(typeset, plain)
    return re.sub(r"[{}\\]", "", equation)


def _basis(move: "Move") -> str:
    """Say in short what gave the amount of a transfer."""
    if move.agrees is None:
        return str(move.basis)
    mark = "ok" if move.agrees else "DIFFERS"
    short = move.basis if move.working is None else f"[{move.working}] {move.part}"
    return f"{short}, {mark}"


def _figure(figure: "Figure") -> tuple[str, str]:
    unit = f" {figure.unit}" if figure.unit else ""
    return figure.name, f"{_joined(figure.written)}{unit}"


def _cells(figure: "Figure") -> tuple[str, str, str]:
    return figure.name, _joined(figure.written), figure.unit


def _joined(written: Any) -> str:
    """Write lists in a line, the inner ones without commas."""
    if not isinstance(written, list):
        return str(written)
    shown = [
        " ".join(map(str, each)) if isinstance(each, list) else str(each)
        for each in written[:SHOWN]
    ]
    more = len(written) - SHOWN
    return ", ".join(shown) + f" and {more} more" * (more > 0) or "none"


def _line(line: "Line") -> tuple[str, ...]:
    from coopera.accounting.explain import millionths
    from coopera.accounting.statement import amount_of

    return (
        _short(line.moment),
        str(line.receipt),
        line.kind,
        line.other,
        amount_of(line),
        millionths(line.balance),
        line.reason,
    )


def _short(moment: str) -> str:
    """Write a moment to the second."""
    return moment[:19].replace("T", " ")


def _table(rows: Sequence[tuple[str, str]]) -> None:
    _columns(rows, right=(), indent="  ")


def _columns(
    rows: Sequence[Sequence[str]], right: Sequence[int], indent: str = ""
) -> None:
    """Print rows in columns as wide as they need, some of them to the right."""
    widths = _widths(rows)
    for row in rows:
        click.echo(indent + _aligned(row, widths, right))


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _aligned(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if i in right else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()
