"""Records looked up in the books as they are committed, whoever writes to them."""

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Final, Protocol, final

from coopera.cli.books.access import readable
from coopera.errors import BadBooks, UnknownRecord

if TYPE_CHECKING:
    from coopera.params import Params
    from coopera.protocol.books import Day
    from coopera.protocol.state import R

LISTED: Final[Mapping[str, str]] = {
    "data_set": "data",
    "job": "job",
    "resource": "resource",
    "training": "training",
    "vault": "training",
}
"""Classes of records, and the commands whose `list` has their names."""


class Records(Protocol):
    """What records can be found in: a `Look`, or the books of a moment."""

    def record(self, kind: "type[R]", name: str, /) -> "R | None":
        """Return a record, or `None` if there is none by that name."""
        ...


def existing(records: Records, kind: "type[R]", name: str) -> "R":
    """Find a record. Refuses with `UnknownRecord`."""
    from coopera.protocol.records import NAMES

    found = records.record(kind, name)
    if found is None:
        what = NAMES[kind]
        listed = f"; see: coopera {LISTED[what]} list" if what in LISTED else ""
        raise UnknownRecord(
            f"there is no {what.replace('_', ' ')} {name[:80]!r}{listed}"
        )
    return found


def params_of(records: Records) -> "Params":
    """Find the settings. Refuses with `BadBooks` where the books are not open."""
    from coopera.protocol.books import CURRENT, Settings, read_settings

    settings = records.record(Settings, CURRENT)
    if settings is None:
        raise BadBooks("the books are not open yet; run: coopera books open")
    return read_settings(settings.tables)


@final
class Look:
    """Reader of records; it reads what it is asked for, and remembers nothing."""

    def __init__(self, store: Any) -> None:
        self.store: Final = store

    def record(self, kind: "type[R]", name: str) -> "R | None":
        """Return a record, or `None` if there is none by that name."""
        import msgspec

        from coopera.protocol.records import NAMES

        body = self.store.record(NAMES[kind], name)
        return None if body is None else msgspec.json.decode(body, type=kind)

    def existing(self, kind: "type[R]", name: str) -> "R":
        """Return a record. Refuses with `UnknownRecord`."""
        return existing(self, kind, name)

    def records(self, kind: "type[R]", naming: str = "") -> "Mapping[str, R]":
        """Return all records of a class; or those in which something is named."""
        from coopera.protocol.records import NAMES

        return _read(kind, self.store.records(NAMES[kind]), naming)

    def open_records(self, kind: "type[R]", naming: str = "") -> "Mapping[str, R]":
        """Do as `records`, for those alone that are yet to fall due."""
        from coopera.protocol.records import NAMES

        return _read(kind, self.store.open_records(NAMES[kind]), naming)

    def params(self) -> "Params":
        """Return the settings. Refuses with `BadBooks` where the books are not open."""
        return params_of(self)

    def day(self) -> "Day":
        """Return where the economy stands. Refuses as `params`."""
        from coopera.protocol.books import CURRENT, Day

        day = self.record(Day, CURRENT)
        if day is None:
            raise BadBooks("the books are not open yet; run: coopera books open")
        return day

    def now(self) -> int:
        """Return the moment that a command would have, in microseconds since 1970."""
        at: int = self.store.head().at
        return max(at, time.time_ns() // 1000)


def _read(kind: "type[R]", stored: Mapping[str, str], naming: str) -> "Mapping[str, R]":
    """Decode records, of those that name something if it is given."""
    import msgspec

    named = f'"{naming}"' if naming else ""
    return {
        name: msgspec.json.decode(body, type=kind)
        for name, body in stored.items()
        if named in body
    }


@contextmanager
def looking(url: str) -> Iterator[Look]:
    """Open the books to look records up."""
    with readable(url) as store:
        yield Look(store)
