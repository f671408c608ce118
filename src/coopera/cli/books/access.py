"""The way to the books: read them, give them a command, or only try it."""

import secrets
import time
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from coopera.ledger import Receipt, Transfer


@contextmanager
def readable(url: str) -> Iterator[Any]:
    """Open the books to read them: a `SqlStore`."""
    from coopera.store.opening import open_store

    store: Any = open_store(url, writes=False)
    with closing(store):
        yield store


def new_key() -> str:
    """Make an idempotency key that grows with time, as version 7 of UUIDs does."""
    return f"{time.time_ns() // 1_000_000:012x}{secrets.token_hex(10)}"


def give(
    url: str, key: str, caller: str, command: object
) -> tuple["Receipt", Sequence["Transfer"]]:
    """Write a command: its receipt, and what it moved."""
    from coopera.service import Request, Writer
    from coopera.store.opening import open_store

    store: Any = open_store(url)
    with Writer(store) as writer:
        receipt = writer.execute(Request(key, caller, command))
        return receipt, store.transfers(receipt)


def try_out(url: str, caller: str, *commands: object) -> Sequence["Transfer"]:
    """Run commands over the books as they are: what they would move."""
    from coopera.protocol.commands import execute
    from coopera.service import Books

    with readable(url) as store:
        kept = Books(store)
        state = kept.state
        state.at(max(store.head().at, time.time_ns() // 1000))
        moved: list[Transfer] = []
        for command in commands:
            diff = execute(state, kept.params, caller, command)
            state.apply(diff)
            moved += diff.transfers
    return moved
