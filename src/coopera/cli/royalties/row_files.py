"""Rows of files, and the digests that tell one from another."""

import hashlib
import hmac
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Final, NamedTuple

from coopera.cli.books.showing import plural
from coopera.cli.files import FILE_MAX, rows_of, unreadable
from coopera.errors import Unreadable

if TYPE_CHECKING:
    from coopera.work.valuation.schema import Schema

KEY_MIN: Final = 16
"""Fewest bytes of a key."""


class Row(NamedTuple):
    """A row of a file."""

    line: int
    """From 1."""
    content: bytes
    cell: int = 0
    """That a schema counts it in."""


def read_rows(path: str, *, header: bool) -> Iterator[Row]:
    """
    Read rows, one a line; empty lines are none. Refuses with `Unreadable`.

    The first line may be a header.
    """
    try:
        with Path(path).open("rb") as file:
            for number, line in enumerate(file, 1):
                row = line.removesuffix(b"\n").removesuffix(b"\r")
                if row and not (header and number == 1):
                    yield Row(number, row)
    except OSError as error:
        raise unreadable(path, error, "the rows") from None


def read_table(path: str, schema: "Schema") -> Iterator[Row]:
    """
    Read rows of a CSV file with a header, as their schema writes them.

    So the same data is the same row, however it was written. Refuses with `Unreadable`,
    and as the schema does.
    """
    with rows_of(schema, path) as rows:
        for line, row in rows:
            yield Row(line, schema.canonical(row, line), schema.cell(row, line))


def row_hash(key: bytes | None) -> Callable[[bytes], str]:
    """Choose how rows are hashed: plainly, or so that only who has the key can."""
    if key is None:
        return lambda row: hashlib.sha256(row).hexdigest()
    return lambda row: hmac.digest(key, row, "sha256").hex()


def read_key(path: str) -> bytes:
    """Read the key of row digests, a private file. Refuses with `Unreadable`."""
    from coopera.service.beacon import refuse_shared

    try:
        with Path(path).open("rb") as file:
            refuse_shared(file, Path(path))
            key = file.read(FILE_MAX).removesuffix(b"\n").removesuffix(b"\r")
    except OSError as error:
        raise unreadable(path, error, "the key") from None
    if len(key) < KEY_MIN:
        raise Unreadable(
            f"{path} has a key of {plural(len(key), 'byte')}; it must have {KEY_MIN} "
            "at least, so that nobody can guess it"
        )
    return key
