"""Columns of JSON records: no Python object is made for a field of a record."""

from collections.abc import Mapping
from enum import IntEnum
from typing import Any, Final, TypeAlias, final

import msgspec
import numpy as np

from coopera.errors import BadBooks
from coopera.service.market.kernels import END, Known, gather, intern, rehash, scan
from coopera.service.scheduler.vocabulary import Coded


class As(IntEnum):
    """What a field is read as."""

    NUMBER = 0
    """A whole number of 64 bits."""
    TEXT = 1
    """A text, of which each record has another."""
    WORD = 2
    """Anything that many records have alike, read once."""
    INSIDE = 3
    """An object some of whose fields are read."""


Fields: TypeAlias = Mapping[str, "As | Fields"]
"""Fields by name, and what they are read as; of an object, those inside."""

REMEDY: Final = "run: coopera books audit"
SHOWN: Final = 30
"""Letters that are shown before what cannot be read, and after."""


@final
class Columns:
    """
    Reads fields of many records, page after page.

    All records have all fields. Each field, also inside an object, has a name of its
    own.
    """

    def __init__(self, fields: Fields) -> None:
        self._kinds: dict[str, As] = {}
        outer: list[int] = []
        self._list(fields, -1, outer)
        keys = [f'"{name}":'.encode() for name in self._kinds]
        self._layout = (
            np.frombuffer(b"".join(keys), np.uint8),
            np.cumsum([0, *map(len, keys)]),
            np.array(outer, np.int64),
            np.array(list(self._kinds.values()), np.int64),
        )
        self._found = np.zeros((len(keys), 0, 2), np.int64)
        self._known = {
            name: Known(
                slots=np.zeros(1 << 10, np.int32),
                starts=np.zeros(1 << 9, np.int64),
                text=np.zeros(1 << 12, np.uint8),
                used=np.zeros(1, np.int64),
            )
            for name, kind in self._kinds.items()
            if kind is As.WORD
        }

    def _list(self, fields: Fields, outer: int, into: list[int]) -> None:
        for name, kind in fields.items():
            assert name not in self._kinds, name
            place = len(into)
            into.append(outer)
            if isinstance(kind, As):
                self._kinds[name] = kind
            else:
                self._kinds[name] = As.INSIDE
                self._list(kind, place, into)

    def read(self, page: str) -> dict[str, Any]:
        """
        Read a list of records: texts, and arrays of numbers and of codes of words.

        Refuses with `BadBooks` what is no such list.
        """
        text = np.frombuffer((page + END).encode(), np.uint8)
        # A record has all the keys, and so there are not more.
        most = len(text) // len(self._layout[0])
        if most > self._found.shape[1]:
            self._found = np.zeros((len(self._kinds), 2 * most, 2), np.int64)
        rows = scan(text, *self._layout, self._found)
        if rows < 0:
            shown = text[: -len(END)][max(-rows - SHOWN, 0) : SHOWN - rows]
            raise BadBooks(
                "a record cannot be read, at "
                f"{shown.tobytes().decode(errors='ignore')!r}; {REMEDY}"
            )
        columns: dict[str, Any] = {}
        for (name, kind), places in zip(
            self._kinds.items(), self._found[:, :rows], strict=True
        ):
            if kind is As.NUMBER:
                columns[name] = places[:, 0].copy()
            elif kind is As.TEXT:
                into = np.empty(_size(places), np.uint8)
                gather(text, places, into)
                columns[name] = _decoded(into)
            elif kind is As.WORD:
                self._make_room(name, rows, _size(places))
                columns[name] = np.empty(rows, np.int32)
                intern(self._known[name], text, places, columns[name])
        return columns

    def coded(self, name: str, columns: Mapping[str, np.ndarray]) -> Coded[Any]:
        """Give a column of words; a list is a tuple there."""
        known = self._known[name]
        words = _decoded(known.text[: known.starts[known.used[0]]])
        return Coded(
            columns[name],
            [tuple(each) if isinstance(each, list) else each for each in words],
        )

    def _make_room(self, name: str, more: int, size: int) -> None:
        known = self._known[name]
        count = int(known.used[0])
        if 2 * (count + more) > len(known.slots):
            room = 4 * (count + more)
            known = known._replace(
                slots=np.zeros(1 << room.bit_length(), np.int32),
                starts=np.resize(known.starts, room),
            )
            rehash(known)
        used = int(known.starts[count])
        if used + size > len(known.text):
            known = known._replace(text=np.resize(known.text, 2 * (used + size)))
        self._known[name] = known


def _size(places: np.ndarray) -> int:
    """Count the bytes of texts and of the commas behind them."""
    return int((places[:, 1] - places[:, 0]).sum()) + len(places)


_decode: Final = msgspec.json.Decoder(list[Any]).decode


def _decoded(text: np.ndarray) -> list[Any]:
    """Read values, each with a comma behind."""
    try:
        return _decode(b"[" + text[:-1].tobytes() + b"]")
    except msgspec.DecodeError as error:
        raise BadBooks(f"a record cannot be read: {error}; {REMEDY}") from None
