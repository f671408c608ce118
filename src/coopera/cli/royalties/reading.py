"""The books as one moment left them, for what is read off many of their records."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, NamedTuple, TypeVar

from coopera.cli.books.access import readable
from coopera.cli.books.looking import Records, params_of
from coopera.errors import Busy, UnknownRecord

if TYPE_CHECKING:
    from coopera.params import Params
    from coopera.protocol.state import PreState
    from coopera.protocol.training import Round, Training
    from coopera.store.sql import SqlStore

TRIES = 5
"""Times that the books are read while somebody writes to them."""

T = TypeVar("T")


class Reading(NamedTuple):
    """The books of a moment."""

    pre: "PreState"
    params: "Params"
    now: int
    """Moment that a command would have, in microseconds since 1970."""


def read_books(url: str, read: Callable[[Reading], T]) -> T:
    """
    Read something off the books, again where somebody wrote to them meanwhile.

    Refuses with `BadBooks` where they are not open, with `Busy` where that never ends.
    """
    with readable(url) as store:
        return read_store(store, read)


def read_store(store: "SqlStore", read: Callable[[Reading], T]) -> T:
    """Do as `read_books`, of books that are opened to be read."""
    from coopera.service.state import SqlState

    for _ in range(TRIES):
        head = store.head()
        state = SqlState(store)
        now = max(head.at, time.time_ns() // 1000)
        found = read(Reading(state, params_of(state), now))
        if store.head() == head:
            return found
    raise Busy(
        f"the books were written to {TRIES} times while they were read; try again, or "
        "read a copy"
    )


def round_of(records: Records, training: "Training", number: int | None) -> "Round":
    """Find a round, the last one unless it is named. Refuses with `UnknownRecord`."""
    from coopera.protocol.training import Round, round_name

    if not training.round:
        raise UnknownRecord(
            f"no round of training {training.id} is started; run: coopera training "
            f"start {training.id}"
        )
    place = training.round if number is None else number
    found = records.record(Round, round_name(training.id, place))
    if found is None:
        raise UnknownRecord(
            f"there is no round {place} of training {training.id}; the last one is "
            f"{training.round}"
        )
    return found
