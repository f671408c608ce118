"""Counts, values and parts of a revenue, as people and programs write them."""

import csv
import io
import json
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any, Final

from coopera.cli.books.showing import plural
from coopera.cli.files import naming, read_digest, read_text, read_whole
from coopera.errors import Malformed, NotEligible, Unreadable
from coopera.units import WAD, scaled

if TYPE_CHECKING:
    from coopera.protocol.training import Training
    from coopera.work.valuation.schema import Schema
    from coopera.work.valuation.transcript import Transcript

PICO: Final = 10**12
"""Millionths of a millionth."""
CELL: Final = re.compile(r"[0-9]{1,18}")
PART: Final = re.compile(r"0\.[0-9]{1,18}")
TRANSCRIPT: Final = '"values_pico"'
"""What every transcript of a valuation has in it, and nothing else."""


def only_one(said: str, *given: object) -> None:
    """Refuse with `Malformed` unless one of two options is given."""
    if given.count(None) != 1:
        how = "both are" if None not in given else "neither is"
        raise Malformed(f"{said}, and {how} given; give one")


def read_parent(name: str, written: str) -> tuple[str, int]:
    """
    Read a model that another one is derived from, and its part of the revenue.

    >>> read_parent("--parent", "llm=0.1")
    ('llm', 100000000000000000)
    """
    parent, _, share = written.partition("=")
    if PART.fullmatch(share):
        return parent, scaled(share, WAD)
    raise Malformed(
        f"{name} is {written[:80]!r}; write the training and its part of the revenue, "
        "below 1, as llm=0.1"
    )


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


def read_schema_of(training: "Training", path: str) -> "Schema":
    """Read the schema of a training. Refuses with `Unreadable`, `NotEligible`."""
    digest, found = read_schema("--schema", path)
    if found is None:
        raise Unreadable(
            f"{path} is no schema that rows can be read by; leave --schema out"
        )
    if digest != training.schema:
        raise NotEligible(
            f"{path} is schema {digest[:16]}...; data of {training.id} must have "
            f"{training.schema[:16]}..."
        )
    return found


def read_counts(path: str, cells: int) -> tuple[int, ...]:
    """
    Read how many rows are in each cell: JSON, or CSV with `cell,rows`; cells from 0.

    Refuses with `Unreadable` what is neither, with `Malformed` other cells, and what
    no round can be asked for, since the books see it only when it is revealed.
    """
    from coopera.protocol.training import histogram

    counts = [0] * cells
    text = read_text(path, "counts")
    for cell, rows in _pairs(path, text, "counts", "cell,rows", cells):
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
    return histogram(path, tuple(counts), cells)


def read_values(
    path: str, members: Callable[[str], Sequence[str]], known: str
) -> Sequence[tuple[str, int]]:
    """
    Read what was measured of nodes or data, in millionths of a millionth.

    It is JSON, or CSV with `name,value` and up to twelve decimals; or the transcript of
    a valuation, which numbers its members: `members` names those of a method. Refuses
    with `Unreadable` what is none of these, with `Malformed` other numbers, and another
    transcript than the one whose SHA-256 is made `known`.
    """
    from coopera.protocol.training import VALUE_MAX

    text = read_text(path, "values")
    if TRANSCRIPT in text:
        made = read_transcript(path, text)
        if made.digest != known:
            raise Malformed(
                f"{path} is the transcript {made.digest[:16]}..., and --transcript is "
                f"{known[:16]}...; values must be those of the transcript that is made "
                "known, so give one file as both"
            )
        return values_of(path, made, members)
    values = []
    for name, value in _pairs(path, text, "values", "name,value"):
        try:
            values.append((name, scaled(value, PICO)))
        except (ArithmeticError, ValueError):
            values.append((name, VALUE_MAX + 1))
        if abs(values[-1][1]) > VALUE_MAX:
            most = VALUE_MAX // PICO
            raise Malformed(
                f"{path} has the value {value[:80]!r} for {name[:80]}; write a number "
                f"from -{most:,} to {most:,} with 12 decimals at most, as 0.0125"
            )
    return values


def read_transcript(path: str, text: str) -> "Transcript":
    """Read the transcript of a valuation. Refuses with `Malformed`."""
    from coopera.work.valuation import transcript

    with naming(path):
        return transcript.read(text)


def values_of(
    path: str, made: "Transcript", members: Callable[[str], Sequence[str]]
) -> Sequence[tuple[str, int]]:
    """Name the members of a transcript. Refuses with `Malformed` if they are others."""
    names = members(made.method)
    if len(names) != len(made.values_pico):
        raise Malformed(
            f"{path} values {plural(len(made.values_pico), 'member')} by "
            f"{made.method}, and the round has {len(names)} that it can be of: "
            f"{', '.join(names)[:200] or 'none'}; value these, in this order"
        )
    return list(zip(names, made.values_pico, strict=True))


def _pairs(
    path: str, text: str, what: str, header: str, cells: int | None = None
) -> Sequence[tuple[str, str]]:
    """Read pairs out of JSON or CSV, each name once."""
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
            f"{path} has {plural(len(told), 'cell')}; the training has {cells}, so "
            "list as many"
        )
    else:
        pairs = [(str(place), each) for place, each in enumerate(told)]
    for name, value in pairs:
        if not isinstance(value, str):
            raise Malformed(
                f"{path} has no number for {name[:80]} but {str(value)[:80]}; write one"
            )
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
                    f"{path}, line {number}: it has {plural(len(cells), 'column')}; "
                    f"write {header}"
                )
            pairs.append((cells[0], cells[1]))
    except csv.Error as error:
        raise Unreadable(f"{path} is no CSV: {error}; write {header}") from None
    return pairs
