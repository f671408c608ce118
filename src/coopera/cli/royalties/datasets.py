"""Commands about data: register it, declare its rows, offer it to a round."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.given import gives, looks_and_gives
from coopera.cli.books.looking import Look, looking
from coopera.cli.books.options import (
    AMOUNTS,
    COUNTS,
    in_json,
    on_books,
    with_options,
)
from coopera.cli.books.showing import (
    progress_bar,
    receipt_json,
    show_columns,
    show_json,
    show_table,
)
from coopera.cli.market.written import cut, last_lines, say_earlier
from coopera.cli.royalties.files import (
    Row,
    read_counts,
    read_digest,
    read_key,
    read_rows,
    read_schema,
    read_table,
    row_hash,
    write_new,
)
from coopera.cli.royalties.hidden import (
    HISTOGRAM,
    Hidden,
    by_counts,
    by_salt,
    hide,
    in_salts,
    revealed,
)
from coopera.cli.royalties.reading import (
    Reading,
    data_of,
    number_of,
    read_books,
    training_of,
)
from coopera.cli.royalties.several import Given, Giving, give_each
from coopera.cli.royalties.trainings import by_file, hidden_behind
from coopera.cli.royalties.wording import plural
from coopera.errors import (
    AlreadyExists,
    Malformed,
    NotAsCommitted,
    NotEligible,
    Unreadable,
)
from coopera.units import WAD

if TYPE_CHECKING:
    from coopera.protocol.data import DataSet

LISTED: Final = (
    *("name", "training", "contributor", "rows", "copies"),
    *("looked at", "valid", "stands"),
)
SHOWN: Final = 5
"""Most copies that are named."""

by_contributor = click.option(
    "--contributor", metavar="WHO", help="Whose it is. Default: as the books say."
)


@click.group(short_help="Bring data to trainings, row by row.")
def data() -> None:
    """Bring data to trainings: register it, declare its rows, offer it to a round."""


@data.command(short_help="Register an upload.")
@click.argument("name")
@click.argument("file", metavar="FILE|SHA256")
@click.option("--training", required=True, help="That it is for.")
@click.option("--contributor", required=True, metavar="WHO", help="Whose it is.")
@click.option(
    "--upload", required=True, metavar="0xHASH", help="Transaction of the upload."
)
@by_file("--proof", "Proof that it was prepared as the schema says")
@click.option(
    "--schema",
    metavar="FILE|SHA256",
    help="Schema that it has. Default: that of the training.",
)
@looks_and_gives
def register(
    look: Look,
    name: str,
    file: str,
    training: str,
    contributor: str,
    upload: str,
    proof: str,
    schema: str | None,
) -> object:
    """
    Register the upload in FILE under NAME. By the contributor, or the operator.

    \b
    Example:
      coopera data register dan-1 upload.bin --training digits \\
        --contributor contributor:dan --upload 0x5f3a... --proof proof.json
    """  # noqa: D301 - click reads the backspace
    from coopera.protocol.data import RegisterData

    of = training_of(look, training).schema
    if schema is not None:
        of = read_schema("--schema", schema)[0]
    digest = read_digest("FILE", file)
    return RegisterData(name, training, contributor, digest, of, upload, proof)


@data.command(short_help="Declare the rows of data by their digests.")
@click.argument("name", metavar="DATA")
@click.argument("file")
@click.option(
    "--key-file",
    metavar="FILE",
    help="Key of the digests, which its owner alone may read.",
)
@click.option(
    "--schema",
    metavar="FILE",
    help="Read rows of a CSV file as it says, so that one is the same however written.",
)
@click.option(
    "--counts", metavar="FILE", help="With --schema, write the counts to this new file."
)
@click.option("--header", is_flag=True, help="Without it: the first line is no row.")
@by_contributor
@with_options
def rows(
    name: str,
    file: str,
    key_file: str | None,
    schema: str | None,
    counts: str | None,
    contributor: str | None,
    url: str,
    key: str | None,
    caller: str,
    *,
    header: bool,
    dry_run: bool,
    as_json: bool,
) -> None:
    """
    Declare the rows in FILE, one a line, as rows of DATA; empty lines are none.

    With --schema, the first line names the columns; and the cells of those rows that
    count are counted, as they are to be committed to.

    A row is told by its SHA-256, or with --key-file by its HMAC-SHA256, so that nobody
    can try out which rows somebody has. All who give to a training need the same key:
    the first one who declares a row has it. What was begun and not finished is taken up
    where it stopped. By the contributor, or the operator.
    """
    from coopera.protocol.data import ROWS_AT_ONCE, DeclareRows

    hashed = row_hash(None if key_file is None else read_key(key_file))
    with looking(url) as look:
        found = data_of(look, name)
        if schema is None:
            cells, listed = 0, read_rows(file, header=header)
        else:
            cells, listed = _by_schema(look, found, schema, file)
        read = _sorted_out(look, found, listed, hashed, again=key is None)
    if not read.lines:
        raise Unreadable(f"{file} has no rows; write one a line")
    _refuse_counts(counts, schema)
    contributor = contributor or found.contributor
    commands = [
        DeclareRows(name, contributor, tuple(read.declared[i : i + ROWS_AT_ONCE]))
        for i in range(0, len(read.declared), ROWS_AT_ONCE)
    ]
    given: list[Given] = []
    if not dry_run:
        with progress_bar("declaring rows") as progress:
            given = give_each(
                Giving(url, key, caller),
                commands,
                lambda done: progress(done, len(commands)),
            )
        with looking(url) as look:
            found = data_of(look, name)
        if counts is not None:
            told = [read.cells[cell] for cell in range(cells)]
            write_new(counts, f"{json.dumps(told)}\n".encode())
    if as_json:
        show_json(
            {
                "dry_run": dry_run,
                "data": found.id,
                **read.told,
                "rows_that_count": found.rows,
                "copies": found.copies,
                "receipts": [receipt_json(*each) for each in given],
            }
        )
    else:
        _show_rows(found, file, read, given, dry_run=dry_run)
        if counts is not None and not dry_run:
            click.echo(
                f"commit to them: coopera data commit {name} --counts {counts} --salts "
                "FILE"
            )


@data.command(short_help="Commit to how the rows lie in the cells.")
@click.argument("name", metavar="DATA")
@by_counts
@in_salts
@by_salt
@click.option("--histogram", metavar="HEX", help="Or the commitment, made elsewhere.")
@by_contributor
@looks_and_gives
def commit(
    look: Look,
    name: str,
    counts: str | None,
    salts: str | None,
    salt: str | None,
    histogram: str | None,
    contributor: str | None,
) -> object:
    """
    Commit to how the rows of DATA lie in the cells; no more rows are declared then.

    The counts are of the rows that count, and hidden behind a salt. Keep both in a
    private file: without them the data can never be offered. By the contributor, or the
    operator.
    """
    from coopera.protocol.data import CommitHistogram

    found = data_of(look, name)
    contributor = contributor or found.contributor
    if (counts is None) == (histogram is None):
        said = "neither is" if counts is None else "both are"
        raise Malformed(
            f"--counts and --histogram say how the rows lie, and {said} given; give one"
        )
    if histogram is not None:
        return CommitHistogram(name, contributor, histogram)
    assert counts is not None
    lie = read_counts(counts, len(training_of(look, found.training).pool))
    if sum(lie) != found.rows:
        # The books cannot see it, and would refuse the data when it is offered.
        raise NotAsCommitted(
            f"{counts} has {sum(lie)} rows, and data {name} has {found.rows} that "
            f"count; leave copies out of the counts"
        )
    hidden = hide(HISTOGRAM, name, lie, salt, salts)
    command = CommitHistogram(name, contributor, hidden.digest)
    return hidden_behind(command, hidden, salts, f"to offer {name}")


@data.command(short_help="Note how many of the rows looked at are valid.")
@click.argument("name", metavar="DATA")
@click.option(
    "--checked", type=COUNTS, required=True, metavar="N", help="Rows looked at."
)
@click.option("--valid", type=COUNTS, required=True, metavar="N", help="Of them valid.")
@gives
def audit(name: str, checked: int, valid: int) -> object:
    """
    Note how many of the rows of DATA that were looked at are valid. By the operator.

    Where they are too few, the contributor loses its stake in the training.
    """
    from coopera.protocol.data import AuditData

    return AuditData(name, checked, valid)


@data.command(short_help="Stake tokens on the data given to a training.")
@click.argument("training")
@click.argument("amount", type=AMOUNTS)
@click.option("--contributor", required=True, metavar="WHO", help="Who stakes.")
@gives
def stake(training: str, amount: int, contributor: str) -> object:
    """Stake AMOUNT tokens on the data given to TRAINING. By the contributor."""
    from coopera.protocol.data import StakeData

    return StakeData(training, contributor, amount)


@data.command("return", short_help="Get a stake back.")
@click.argument("training")
@click.option("--contributor", required=True, metavar="WHO", help="Who has staked.")
@gives
def return_(training: str, contributor: str) -> object:
    """Get the stake in TRAINING back, once its round is over. By the contributor."""
    from coopera.protocol.data import ReturnDataStake

    return ReturnDataStake(training, contributor)


@data.command(short_help="Offer data to the round that is under way.")
@click.argument("name", metavar="DATA")
@in_salts
@by_counts
@by_salt
@click.option(
    "--round", "number", type=COUNTS, metavar="N", help="Default: the last one."
)
@by_contributor
@looks_and_gives
def offer(
    look: Look,
    name: str,
    salts: str | None,
    counts: str | None,
    salt: str | None,
    number: int | None,
    contributor: str | None,
) -> object:
    """
    Offer DATA to the round of its training, and reveal how its rows lie in the cells.

    These are kept in --salts, or are what --counts and --salt give. By the contributor,
    or the operator.
    """
    from coopera.protocol.data import OfferData

    found = data_of(look, name)
    training = training_of(look, found.training)
    given = None if counts is None else read_counts(counts, len(training.pool))
    wanted = Hidden(HISTOGRAM, name, (), found.histogram)
    hidden = revealed(salts, salt, given, wanted)
    contributor = contributor or found.contributor
    number = number_of(training, number)
    return OfferData(name, contributor, number, hidden.counts, hidden.salt)


@data.command(short_help="Tell all about data.")
@click.argument("name", metavar="DATA")
@on_books
@in_json
def show(name: str, url: str, *, as_json: bool) -> None:
    """Tell all about DATA: its rows, what was found of them, what it waits for."""
    told = read_books(url, partial(_told, name=name))
    if as_json:
        show_json(told)
    else:
        _show(told)


@data.command("list", short_help="List data sets.")
@click.option("--training", help="Only for this one.")
@click.option("--contributor", metavar="WHO", help="Only of this member.")
@last_lines
@on_books
@in_json
def list_(
    training: str | None,
    contributor: str | None,
    last: int,
    url: str,
    *,
    as_json: bool,
) -> None:
    """List data sets by training and name, and where they stand."""
    from coopera.protocol.data import DataSet

    with looking(url) as look:
        found = [
            each
            for each in look.records(DataSet).values()
            if training in (None, each.training)
            and contributor in (None, each.contributor)
        ]
    found.sort(key=lambda each: (each.training, each.id))
    shown, earlier = cut(found, last)
    if as_json:
        show_json({"data": [_data_json(each) for each in shown], "earlier": earlier})
        return
    if not shown:
        click.echo("there is no such data")
        return
    show_columns([LISTED, *map(_row, shown)], right=(3, 4, 5, 6))
    say_earlier(earlier)


# rows


@dataclass(slots=True)
class _Rows:
    """Rows of a file, sorted out by who declared them first."""

    lines: int = 0
    """That are rows."""
    declared: list[str] = field(default_factory=list)
    """Digests that are to be declared."""
    own: int = 0
    """Rows that this data has already."""
    repeated: list[tuple[int, int]] = field(default_factory=list)
    """Lines, and the first lines with the same row."""
    taken: list[tuple[int, str]] = field(default_factory=list)
    """Lines, and the data that has the same row."""
    cells: Counter[int] = field(default_factory=Counter)
    """Rows that count, by cell."""

    @property
    def new(self) -> int:
        """Count the rows that count from now on."""
        return self.lines - self.own - len(self.repeated) - len(self.taken)

    @property
    def told(self) -> dict[str, Any]:
        """The rows for programs."""
        return {
            "lines": self.lines,
            "new": self.new,
            "declared_before": self.own,
            "repeated": [{"line": a, "first": b} for a, b in self.repeated],
            "taken": [{"line": a, "data": b} for a, b in self.taken],
        }


def _sorted_out(
    look: Look,
    data: "DataSet",
    rows: Iterable[Row],
    hashed: Callable[[bytes], str],
    *,
    again: bool,
) -> _Rows:
    """Sort out the rows of a file; `again` leaves out those that are declared."""
    from coopera.protocol import data as protocol

    read = _Rows()
    first: dict[str, int] = {}
    for row in rows:
        read.lines += 1
        digest = hashed(row.content)
        if digest in first:
            read.repeated.append((row.line, first[digest]))
        else:
            first[digest] = row.line
            has = look.record(protocol.Row, f"{data.training}:{digest}")
            if has is not None:
                owner = look.record(protocol.DataSet, has.data)
                # Rows of data that was found invalid are anybody's.
                has = None if owner is None or owner.invalid else has
            if has is None or has.data == data.id:
                read.cells[row.cell] += 1
            if has is not None and has.data == data.id:
                read.own += 1
                if again:
                    continue
            elif has is not None:
                read.taken.append((row.line, has.data))
        read.declared.append(digest)
    return read


def _by_schema(
    look: Look, data: "DataSet", schema: str, path: str
) -> tuple[int, Iterator[Row]]:
    """Read rows as a schema says: how many cells it has, and the rows."""
    digest, found = read_schema("--schema", schema)
    if found is None:
        raise Unreadable(
            f"{schema} is no schema that rows can be read by; leave --schema out"
        )
    wanted = training_of(look, data.training).schema
    if digest != wanted:
        raise NotEligible(
            f"{schema} is schema {digest[:16]}...; data of {data.training} must have "
            f"{wanted[:16]}..."
        )
    return found.cells, read_table(path, found)


def _refuse_counts(counts: str | None, schema: str | None) -> None:
    """Refuse a file of counts before anything is done that it is to hold."""
    if counts is not None and schema is None:
        raise Malformed("--counts needs --schema, which says how rows are counted")
    if counts is not None and Path(counts).exists():
        raise AlreadyExists(f"{counts} is there already; name a new file")


# what is shown


def _show_rows(
    data: "DataSet", path: str, read: _Rows, given: Sequence[Given], *, dry_run: bool
) -> None:
    if dry_run:
        click.echo("dry run: nothing was written")
    by = f", declared by {plural(len(given), 'command')}" if given else ""
    click.echo(click.style(f"{plural(read.lines, 'row')} in {path}{by}", bold=True))
    show_table(
        [
            ("new", f"{read.new:,}"),
            ("declared before", f"{read.own:,}, by this data itself"),
            ("repeated in it", f"{len(read.repeated):,}{_lines(read.repeated)}"),
            ("others have", f"{len(read.taken):,}{_lines(read.taken)}"),
        ]
    )
    if not dry_run:
        click.echo(
            f"data {data.id} has {plural(data.rows, 'row')} that count, besides "
            f"{data.copies:,} that are copies"
        )


def _lines(listed: Sequence[tuple[int, Any]]) -> str:
    """Name some lines, and what they are copies of."""
    said = [
        f"line {line} as line {other}"
        if isinstance(other, int)
        else f"line {line} as {other}"
        for line, other in listed[:SHOWN]
    ]
    more = len(listed) - SHOWN
    if more > 0:
        said.append(f"{more:,} more")
    return f": {', '.join(said)}" if said else ""


def _told(reading: Reading, name: str) -> dict[str, Any]:
    from coopera.accounting.shares import not_offered
    from coopera.errors import UnknownRecord
    from coopera.protocol.data import DataSet, DataStake

    found = reading.pre.record(DataSet, name)
    if found is None:
        raise UnknownRecord(f"there is no data {name[:80]!r}; see: coopera data list")
    stake_ = reading.pre.record(DataStake, f"{found.training}:{found.contributor}")
    rules = reading.params.royalty
    return {
        **_data_json(found),
        "min_validity_wad": rules.min_validity,
        "rows_per_token_wad": rules.rows_per_token,
        "stake_micro_token": stake_.amount if stake_ else 0,
        "waits_for": "" if found.round else not_offered(reading.params, found),
    }


def _show(told: dict[str, Any]) -> None:
    from coopera.accounting.explain import millionths

    stands = _stands(told)
    click.echo(
        click.style(f"{told['name']}  data for {told['training']}, {stands}", bold=True)
    )
    looked = f"{told['valid']:,} of {told['checked']:,} rows are valid"
    needs = f"{told['min_validity_wad'] / WAD:.0%} must be"
    at_stake = f"{millionths(told['stake_micro_token'])} token in {told['training']}"
    rows_ = [
        ("contributor", told["contributor"]),
        ("upload", f"{told['digest']}, by {told['upload']}"),
        ("proof", told["proof"]),
        ("rows", f"{told['rows']:,} that count, besides {told['copies']:,} copies"),
        ("commitment", told["histogram"] or "none yet"),
        ("looked at", f"{looked}; at least {needs}" if told["checked"] else "not yet"),
        ("at stake", at_stake),
    ]
    if told["waits_for"]:
        rows_.append(("needed", told["waits_for"]))
    show_table(rows_)


def _stands(told: dict[str, Any]) -> str:
    if told["round"]:
        return f"in round {told['round']}"
    if not told["histogram"]:
        return "registered"
    return "looked at" if told["checked"] else "committed to"


def _data_json(data: "DataSet") -> dict[str, Any]:
    told = asdict(data)
    return {"name": told.pop("id"), **told}


def _row(data: "DataSet") -> tuple[str, ...]:
    return (
        *(data.id, data.training, data.contributor, f"{data.rows:,}"),
        *(f"{data.copies:,}", f"{data.checked:,}", f"{data.valid:,}"),
        _stands(_data_json(data)),
    )
