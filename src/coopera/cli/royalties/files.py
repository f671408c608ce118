"""Files that people hand in: to be hashed, or to be read row by row, cell by cell."""

import csv
import hashlib
import hmac
import io
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NamedTuple

from coopera.cli.books.options import Written
from coopera.errors import AlreadyExists, Malformed, Unreadable
from coopera.units import scaled

if TYPE_CHECKING:
    from coopera.work.valuation.schema import Schema

AT_ONCE: Final = 1 << 20
"""Bytes of a file that are read at once."""
FILE_MAX: Final = 1 << 24
"""Most bytes of a file of counts, of values, or of a claim."""
KEY_MIN: Final = 16
"""Fewest bytes of a key."""
PICO: Final = 10**12
"""Millionths of a millionth."""
CELL: Final = re.compile(r"[0-9]{1,18}")


def read_digest(name: str, given: str) -> str:
    """
    Take a digest, or hash a file: SHA-256, in hexadecimal. Refuses with `Unreadable`.

    >>> read_digest("--code", "AB" * 32) == "ab" * 32
    True
    """
    if re.fullmatch(r"[0-9a-fA-F]{64}", given):
        return given.lower()
    hashed = hashlib.sha256()
    try:
        with Path(given).open("rb") as file:
            while some := file.read(AT_ONCE):
                hashed.update(some)
    except OSError as error:
        raise Unreadable(
            f"{name}: {given} cannot be read: {error.strerror}; name a file, or give "
            "its SHA-256 in 64 hexadecimal digits"
        ) from None
    return hashed.hexdigest()


DIGESTS: Final = Written("file", read_digest)
"""Files to be hashed, or the digests themselves."""


def read_schema(name: str, given: str) -> tuple[str, "Schema | None"]:
    """
    Find the digest of a schema, and the schema itself if it is one that we can read.

    Of such a one it does not matter how its file is laid out. Refuses as `read_digest`.
    """
    from coopera.work.valuation import schema

    digest = read_digest(name, given)
    if digest == given.lower():
        return digest, None
    try:
        found = schema.read_schema(read_whole(given, "the schema").decode())
    except (Malformed, UnicodeDecodeError):
        return digest, None
    return found.digest, found


def read_whole(path: str, what: str) -> bytes:
    """Read a small file. Refuses with `Unreadable`."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(FILE_MAX + 1)
    except OSError as error:
        raise Unreadable(
            f"{path} cannot be read: {error.strerror}; name the file of {what}"
        ) from None
    if len(content) > FILE_MAX:
        raise Unreadable(
            f"{path} has more than {FILE_MAX >> 20} MiB; name the file of {what}"
        )
    return content


def read_counts(path: str, cells: int) -> tuple[int, ...]:
    """
    Read how many rows are in each cell: JSON, or CSV with `cell,rows`; cells from 0.

    Refuses with `Unreadable` what is neither, with `Malformed` other cells.
    """
    counts = [0] * cells
    for cell, rows in _pairs(path, "counts", "cell,rows", cells):
        if not CELL.fullmatch(cell) or int(cell) >= cells:
            raise Malformed(
                f"{path} has the cell {cell[:80]!r}; the training has cells 0 to "
                f"{cells - 1}"
            )
        if not CELL.fullmatch(rows):
            raise Malformed(
                f"{path} has {rows[:80]!r} rows in cell {cell}; write a whole number, "
                "0 or more"
            )
        counts[int(cell)] = int(rows)
    return tuple(counts)


def read_values(path: str) -> tuple[tuple[str, int], ...]:
    """
    Read what was measured of nodes or data: JSON, or CSV with `name,value`.

    Values have up to twelve decimals. Refuses as `read_counts`.
    """
    values = []
    for name, value in _pairs(path, "values", "name,value"):
        try:
            values.append((name, scaled(Decimal(value), PICO)))
        except (InvalidOperation, ValueError):
            raise Malformed(
                f"{path} has the value {value[:80]!r} for {name[:80]}; write a number "
                "with 12 decimals at most, as 0.0125"
            ) from None
    return tuple(values)


def _pairs(
    path: str, what: str, header: str, cells: int | None = None
) -> Sequence[tuple[str, str]]:
    """Read pairs out of JSON or CSV, each name once."""
    try:
        text = read_whole(path, what).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(f"{path} is not a text in UTF-8") from None
    pairs = (
        _of_json(path, text, what, cells)
        if text.lstrip()[:1] in ("{", "[")
        else _of_csv(path, text, header)
    )
    if not pairs:
        raise Unreadable(f"{path} has no {what}; write {header} line by line, or JSON")
    seen = set()
    for name, _ in pairs:
        if name in seen:
            raise Malformed(f"{path} has {name[:80]} twice; give each once")
        seen.add(name)
    return pairs


def _of_json(
    path: str, text: str, what: str, cells: int | None
) -> list[tuple[str, str]]:
    try:
        told: Any = json.loads(
            text, object_pairs_hook=_Pairs, parse_float=str, parse_int=str
        )
    except (ValueError, RecursionError):
        raise Unreadable(f"{path} is no JSON; mend it, or write CSV") from None
    if isinstance(told, _Pairs):
        pairs = list(told)
    elif cells is None:
        raise Unreadable(f'{path} is a list; write {what} as {{"name": value}}')
    elif len(told) != cells:
        raise Malformed(
            f"{path} has {len(told)} cells; the training has {cells}, so list as many"
        )
    else:
        pairs = [(str(place), each) for place, each in enumerate(told)]
    for name, value in pairs:
        if not isinstance(value, str):
            raise Malformed(f"{path} has no number for {name[:80]}; write one")
    return pairs


class _Pairs(list[tuple[str, Any]]):
    """Names and values of an object, in which a name may be there twice."""


def _of_csv(path: str, text: str, header: str) -> list[tuple[str, str]]:
    pairs: list[tuple[str, str]] = []
    try:
        for number, row in enumerate(csv.reader(io.StringIO(text), strict=True), 1):
            cells = [each.strip() for each in row]
            if not any(cells) or (not pairs and cells == header.split(",")):
                continue
            if len(cells) != 2:  # noqa: PLR2004 - a name and a number
                raise Unreadable(
                    f"{path}, line {number}: it has {len(cells)} columns; write "
                    f"{header}"
                )
            pairs.append((cells[0], cells[1]))
    except csv.Error as error:
        raise Unreadable(f"{path} is no CSV: {error}; write {header}") from None
    return pairs


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
        raise Unreadable(
            f"{path} cannot be read: {error.strerror}; name the file of the key"
        ) from None
    if len(key) < KEY_MIN:
        raise Unreadable(
            f"{path} has a key of {len(key)} bytes; it must have {KEY_MIN} at least, "
            "so that nobody can guess it"
        )
    return key


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
        raise _no_rows(path, error) from None


def read_table(path: str, schema: "Schema") -> Iterator[Row]:
    """
    Read rows of a CSV file with a header, as their schema writes them.

    So the same data is the same row, however it was written. Refuses with `Unreadable`,
    and as the schema does.
    """
    try:
        with Path(path).open(encoding="utf-8", newline="") as file:
            for number, row in enumerate(schema.read_rows(file), 1):
                content, cell = schema.canonical(row, number), schema.cell(row, number)
                yield Row(number + 1, content, cell)
    except OSError as error:
        raise _no_rows(path, error) from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(f"{path} is no CSV in UTF-8: {error}") from None


def _no_rows(path: str, error: OSError) -> Unreadable:
    return Unreadable(
        f"{path} cannot be read: {error.strerror}; name the file of the rows"
    )


def write_new(path: str, content: bytes) -> None:
    """Write a new file. Refuses with `AlreadyExists`, `Unreadable`."""
    try:
        with Path(path).open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise AlreadyExists(f"{path} is there already; name a new file") from None
    except OSError as error:
        raise Unreadable(
            f"cannot write {path}: {error.strerror}; name another file"
        ) from None


def json_line(told: Mapping[str, Any]) -> bytes:
    """Write JSON as a file of its own."""
    return json.dumps(told, indent=1).encode() + b"\n"
