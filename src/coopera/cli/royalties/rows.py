"""The command that declares rows of data, and tells which of them are copies."""

import json
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.looking import Look, looking
from coopera.cli.books.options import with_options
from coopera.cli.books.showing import (
    plural,
    progress_bar,
    receipt_json,
    show_json,
    show_table,
)
from coopera.cli.files import refuse_existing, write_new
from coopera.cli.royalties.row_files import (
    Row,
    read_key,
    read_rows,
    read_table,
    row_hash,
)
from coopera.cli.royalties.several import Given, Giving, give_each
from coopera.cli.royalties.written import read_schema_of
from coopera.errors import Malformed, Unreadable

if TYPE_CHECKING:
    from coopera.protocol.data import DataSet

SHOWN: Final = 5
"""Most copies that are named."""

by_contributor = click.option(
    "--contributor", metavar="WHO", help="Whose it is. Default: as the books say."
)


@click.command(short_help="Declare the rows of data by their digests.")
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
    from coopera.protocol.data import ROWS_AT_ONCE, DataSet, DeclareRows

    if counts is not None and schema is None:
        raise Malformed("--counts needs --schema, which says how rows are counted")
    refuse_existing(counts)
    hashed = row_hash(None if key_file is None else read_key(key_file))
    with looking(url) as look:
        found = look.existing(DataSet, name)
        cells, listed = 0, read_rows(file, header=header)
        if schema is not None:
            cells, listed = _by_schema(look, found, schema, file)
        read = _sorted_out(look, found, listed, hashed, again=key is None)
    if not read.lines:
        raise Unreadable(f"{file} has no rows; write one a line")
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
            found = look.existing(DataSet, name)
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
        return
    _show(found, file, read, given, dry_run=dry_run)
    if counts is not None and not dry_run:
        click.echo(
            f"commit to them: coopera data commit {name} --counts {counts} --salts FILE"
        )


@dataclass(slots=True)
class _Sorted:
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
    listed: Iterable[Row],
    hashed: Callable[[bytes], str],
    *,
    again: bool,
) -> _Sorted:
    """Sort out the rows of a file; `again` leaves out those that are declared."""
    read = _Sorted()
    first: dict[str, int] = {}
    for row in listed:
        read.lines += 1
        digest = hashed(row.content)
        if digest in first:
            read.repeated.append((row.line, first[digest]))
            read.declared.append(digest)
            continue
        first[digest] = row.line
        owner = _owner(look, f"{data.training}:{digest}")
        if owner in (None, data.id):
            read.cells[row.cell] += 1
        else:
            read.taken.append((row.line, owner))
        read.own += owner == data.id
        if not (again and owner == data.id):
            read.declared.append(digest)
    return read


def _owner(look: Look, row: str) -> str | None:
    """Name the data that has a row; rows of data found invalid are anybody's."""
    from coopera.protocol.data import DataSet
    from coopera.protocol.data import Row as Owned

    has = look.record(Owned, row)
    if has is None or look.existing(DataSet, has.data).invalid:
        return None
    return has.data


def _by_schema(
    look: Look, data: "DataSet", schema: str, path: str
) -> tuple[int, Iterator[Row]]:
    """Read rows as a schema says: how many cells it has, and the rows."""
    from coopera.protocol.training import Training

    found = read_schema_of(look.existing(Training, data.training), schema)
    return found.cells, read_table(path, found)


def _show(
    data: "DataSet", path: str, read: _Sorted, given: Sequence[Given], *, dry_run: bool
) -> None:
    if dry_run:
        click.echo("dry run: nothing was written")
    by = f", declared by {plural(len(given), 'command')}" if given else ""
    click.echo(click.style(f"{plural(read.lines, 'row')} in {path}{by}", bold=True))
    repeated = [(line, f"line {first}") for line, first in read.repeated]
    show_table(
        [
            ("new", f"{read.new:,}"),
            ("declared before", f"{read.own:,}, by this data itself"),
            ("repeated in it", _copies(repeated)),
            ("others have", _copies(read.taken)),
        ]
    )
    if not dry_run:
        click.echo(
            f"data {data.id} has {plural(data.rows, 'row')} that count, besides "
            f"{data.copies:,} that are copies"
        )


def _copies(listed: Sequence[tuple[int, str]]) -> str:
    """Count lines, and name some of them with what they are copies of."""
    said = [f"line {line} as {other}" for line, other in listed[:SHOWN]]
    if (more := len(listed) - SHOWN) > 0:
        said.append(f"{more:,} more")
    return f"{len(listed):,}: {', '.join(said)}" if said else "0"
