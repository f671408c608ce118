"""
Schemas of data: which columns a row has, and the cells that rows are counted in.

A schema is a JSON file: `{"version": 1, "label": {"name": "digit", "values": ["0",
"1"]}, "features": [{"name": "width", "edges": [0.5, 1.5]}]}`. The label must be one of
its values. A feature is a number, and its edges cut the line into bins: under the first
edge, from each edge on, from the last edge on. A cell is a label and a bin of every
feature; label first, the last feature fastest. A schema without a label, or without
features, counts by the others alone.
"""

import csv
import json
import math
from bisect import bisect_right
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final, NamedTuple, TextIO

from coopera.errors import Malformed
from coopera.work.valuation.checks import SHOWN

VERSION: Final = 1
CELLS_MAX: Final = 4096


class LineRow(NamedTuple):
    """A row of a file."""

    line: int
    """Of the file, from 1, as an editor counts; its last one."""
    values: Mapping[str, str]
    """By column."""


@dataclass(frozen=True, slots=True)
class Feature:
    """A column of numbers, and where its bins begin."""

    name: str
    edges: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Schema:
    """Columns of data, and the cells that its rows are counted in."""

    label: str
    """Name of the label's column; empty where there is none."""
    values: tuple[str, ...]
    features: tuple[Feature, ...]

    @property
    def cells(self) -> int:
        """Count the cells."""
        bins = math.prod(len(each.edges) + 1 for each in self.features)
        return bins * max(1, len(self.values))

    @property
    def digest(self) -> str:
        """Hash what it says, however its file is laid out."""
        said = {
            "version": VERSION,
            "label": {"name": self.label, "values": self.values},
            "features": [
                {"name": each.name, "edges": each.edges} for each in self.features
            ],
        }
        text = json.dumps(said, sort_keys=True, separators=(",", ":"))
        return sha256(text.encode()).hexdigest()

    @property
    def columns(self) -> tuple[str, ...]:
        """List the columns that a row must have."""
        label = (self.label,) if self.label else ()
        return (*label, *(each.name for each in self.features))

    def cell(self, row: Mapping[str, str], line: int) -> int:
        """
        Find the cell of a row of a line. Refuses with `Malformed`.

        >>> schema = read_schema(
        ...     '{"version": 1, "label": {"name": "digit", "values": ["0", "1"]},'
        ...     ' "features": [{"name": "width", "edges": [0.5, 1.5]}]}'
        ... )
        >>> schema.cells, schema.cell({"digit": "1", "width": "0.5"}, 1)
        (6, 4)
        """
        place = 0
        if self.label:
            if row[self.label] not in self.values:
                raise Malformed(
                    f"line {line} has {self.label} {row[self.label][:SHOWN]!r}; the "
                    f"schema has {', '.join(self.values)[:SHOWN]}"
                )
            place = self.values.index(row[self.label])
        for each in self.features:
            value = _number(row[each.name], f"line {line} has {each.name}")
            place = place * (len(each.edges) + 1) + bisect_right(each.edges, value)
        return place

    def called(self, cell: int) -> str:
        """
        Name a cell in words: its label, and the interval of each feature.

        >>> schema = read_schema(
        ...     '{"version": 1, "label": {"name": "digit", "values": ["0", "1"]},'
        ...     ' "features": [{"name": "width", "edges": [0.5, 2]}]}'
        ... )
        >>> [schema.called(cell) for cell in (0, 1, 5)]
        ['0, width below 0.5', '0, width 0.5 to below 2', '1, width 2 or more']
        """
        assert 0 <= cell < self.cells
        said = []
        for each in reversed(self.features):
            cell, place = divmod(cell, len(each.edges) + 1)
            if each.edges:
                said.append(f"{each.name} {_interval(each.edges, place)}")
        return ", ".join((*self.values[cell : cell + 1], *reversed(said)))

    def histogram(self, rows: Iterable[LineRow]) -> tuple[int, ...]:
        """Count rows by cell. Refuses with `Malformed`."""
        counts = [0] * self.cells
        for line, row in rows:
            counts[self.cell(row, line)] += 1
        return tuple(counts)

    def read_rows(self, file: TextIO) -> Iterator[LineRow]:
        """Read rows of a CSV file with a header. Refuses with `Malformed`."""
        reader = csv.DictReader(file)
        missing = [
            name for name in self.columns if name not in (reader.fieldnames or ())
        ]
        if missing:
            raise Malformed(
                f"the file has no column {', '.join(missing)[:SHOWN]}; its first line "
                f"must name {', '.join(self.columns)[:SHOWN]}"
            )
        for row in reader:
            # Empty lines are no rows, and count as lines.
            line = reader.line_num
            if None in row or None in row.values():
                raise Malformed(
                    f"line {line} does not have a value for each column of the first "
                    "line"
                )
            yield LineRow(line, {name: row[name] for name in self.columns})

    def canonical(self, row: Mapping[str, str], line: int) -> bytes:
        """
        Write a row so that the same data has the same bytes, however it was written.

        Refuses with `Malformed`.
        """
        numbers = {each.name for each in self.features}
        said = [
            repr(_number(row[name], f"line {line} has {name}") + 0.0)
            if name in numbers
            else row[name]
            for name in self.columns
        ]
        return json.dumps(said, separators=(",", ":")).encode()


def read_schema(text: str) -> Schema:
    """Read a schema. Refuses with `Malformed`."""
    try:
        said = json.loads(text)
        label = said.get("label") or {"name": "", "values": []}
        version = said["version"]
        name = _text(label["name"])
        values = tuple(_text(each) for each in label["values"])
        features = tuple(
            Feature(_text(each["name"]), tuple(_edge(x) for x in each["edges"]))
            for each in said.get("features", [])
        )
    except (
        *(ValueError, TypeError, KeyError, AttributeError),
        *(OverflowError, RecursionError),
    ) as error:
        raise Malformed(
            f"the schema cannot be read ({error}); it must be JSON with version, label "
            "(name, values) and features (name, edges)"
        ) from error
    if version != VERSION:
        raise Malformed(f"the schema has version {version!r}; it must be {VERSION}")
    schema = Schema(name, values, features)
    _check(schema)
    return schema


def _check(schema: Schema) -> None:
    columns = schema.columns
    if not columns or bool(schema.label) != bool(schema.values):
        raise Malformed(
            "the schema has no label and no feature, or a label without values; it "
            "must say what rows are counted by"
        )
    if len(set(columns)) < len(columns) or "" in columns[1:]:
        raise Malformed(
            f"the schema has the columns {', '.join(columns)[:SHOWN]}; each must have "
            "a name of its own"
        )
    if len(set(schema.values)) < len(schema.values):
        raise Malformed(f"label {schema.label[:SHOWN]} has a value twice")
    for each in schema.features:
        if list(each.edges) != sorted(set(each.edges)):
            raise Malformed(
                f"the edges of {each.name[:SHOWN]} must rise, each above the one before"
            )
    if not 1 < schema.cells <= CELLS_MAX:
        raise Malformed(
            f"the schema has {schema.cells} cells; it must have 2 to {CELLS_MAX}"
        )


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError(f"{str(value)[:SHOWN]} is no text")
    return value


def _edge(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float):
        raise TypeError(f"{str(value)[:SHOWN]} is no number")
    if not math.isfinite(value):
        raise ValueError("an edge is not finite")
    return float(value)


def _interval(edges: tuple[float, ...], place: int) -> str:
    """Name a bin of a feature, behind the name of that."""
    written = [str(each).removesuffix(".0") for each in edges]
    if not place:
        return f"below {written[0]}"
    if place == len(edges):
        return f"{written[-1]} or more"
    return f"{written[place - 1]} to below {written[place]}"


def _number(written: str, what: str) -> float:
    try:
        value = float(written)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise Malformed(f"{what} {written[:SHOWN]!r}; it must be a finite number")
    return value
