"""
A process that gives the commands of a script to the books, until it is killed or done.

    python -m tests.faults.market_child URL SCRIPT ACKNOWLEDGED [FAULT...]

Every outcome is written to a file once it is told: what stands there was acknowledged.
A later process begins one step before the last that another had begun, and gives all
again, with the same keys.

A fault is four words: `die`, to be killed, or `cut`, to lose all connections to the
server; the kind of a command; a text that the command has in it; and when, once such a
command is written: before that, within it, or after it and before anybody is told.
"""

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

from tests.faults.child import opened
from tests.faults.market import (
    WAIT_SECONDS,
    Clock,
    Step,
    command_of,
    load,
    reached,
    wait_until,
)

from coopera.errors import BadBooks, Refusal, Unavailable
from coopera.ledger import Receipt
from coopera.protocol.commands import OPERATOR
from coopera.service import Request, Writer, agenda
from coopera.service import writer as writing
from coopera.store import Batch, StoreFailed
from coopera.store.base import RECEIPT
from coopera.store.memory import rows
from coopera.store.opening import open_store
from coopera.store.sql import SqlStore
from coopera.store.sqlite import SqliteStore

DIE, CUT = "die", "cut"
BEFORE, WITHIN, AFTER = "before", "within", "after"
MARK = 50
"""Commands after which it is told how far the script is."""
STEP = 100_000
"""Distance of two steps, in what is told of how far the script is."""
SWEEP_SECONDS = 0.02
LONG_SECONDS = 120.0
"""As long is a server waited for: whoever is told to come again would come too late,
after others that stand on it."""


class Write(NamedTuple):
    """A moment at which something is written."""

    kind: str
    """Of a command."""
    text: str
    """That the command has in it."""
    moment: str


def give_all(url: str, script: str, acknowledged: str, *faults: str) -> None:
    """Give the commands that are not known to have been answered, and wait for all."""
    writing.SWEEP_SECONDS = SWEEP_SECONDS  # type: ignore[misc]
    # So that a process can be killed between two parts of a payday.
    agenda.PARTS_AT_ONCE = 1  # type: ignore[misc]
    steps = load(Path(script))
    known = told(Path(acknowledged))
    log = os.open(acknowledged, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    store, seen = opened(url), Seen(url)
    if not isinstance(store, SqliteStore):
        from coopera.store import postgres  # noqa: PLC0415 - psycopg may not be there

        postgres.PATIENCE_SECONDS = LONG_SECONDS  # type: ignore[misc]
    for i in range(0, len(faults), 4):
        fault, write = faults[i], Write(*faults[i + 1 : i + 4])
        at_write(store, write, die if fault == DIE else partial(cut, url, write.moment))
    clock = Clock()
    begun = [n for n, step in enumerate(steps) if step.commands[:1]]
    begun = [n for n in begun if steps[n].commands[0][0] in known]
    first = max(0, begun[-1] - 1) if begun else 0
    clock.now = steps[first].at
    with Writer(store, clock=clock) as writer:
        for n in range(first, len(steps)):
            print(n * STEP, flush=True)
            clock.now = steps[n].at
            for i, line in enumerate(answers(writer, steps[n]), 1):
                # One write: a line is there as a whole or not at all.
                os.write(log, (json.dumps(line) + "\n").encode())
                if i % MARK == 0:
                    print(n * STEP + i, flush=True)
            wait_until(partial(seen.has, steps[n]))


def told(acknowledged: Path) -> dict[str, tuple[str, Any]]:
    """Read what was acknowledged: by key the outcome, and the receipt if there is."""
    if not acknowledged.exists():
        return {}
    lines = acknowledged.read_text("utf-8").splitlines(keepends=True)
    read = [json.loads(line) for line in lines if line.endswith("\n")]
    return {key: (code, receipt) for key, code, receipt in read}


def answers(writer: Writer, step: Step) -> Iterator[tuple[str, str, Any]]:
    """Give the commands of a step in their order; tell the outcome of each."""
    asked = [
        (key, writer.submit(Request(key, OPERATOR, command_of(kind, body))))
        for key, kind, body, _ in step.commands
    ]
    return (answer(key, future) for key, future in asked)


def answer(key: str, future: "Future[Receipt]") -> tuple[str, str, Any]:
    """Wait for an outcome."""
    try:
        receipt = future.result(timeout=WAIT_SECONDS)
    except Refusal as refusal:
        return key, refusal.code, None
    return key, "done", [receipt.id, receipt.hash.hex()]


class Seen:
    """The books as another connection sees them."""

    def __init__(self, url: str) -> None:
        self._url = url
        self._store = open_store(url, writes=False)

    def has(self, step: Step) -> bool:
        """Tell whether a step is over; not while the server is away."""
        try:
            return reached(step, self._store)
        except StoreFailed:
            with suppress(BadBooks, Unavailable):
                self._store = open_store(self._url, writes=False)
            return False


def at_write(store: SqlStore, asked: Write, do: Callable[[], object]) -> None:
    """Do something once, at a moment of a write."""
    write = store.write
    waits, concerned = True, False

    def now(moment: str) -> None:
        nonlocal waits
        if waits and concerned and asked.moment == moment:
            waits = False
            do()

    def written(batch: Batch) -> None:
        nonlocal concerned
        commands = (Receipt(*each) for each in rows(batch.receipts, RECEIPT))
        concerned = any(
            each.kind == asked.kind and asked.text in each.command for each in commands
        )
        now(BEFORE)
        write(batch)
        now(AFTER)

    def within(insert: Callable[..., None]) -> Callable[..., None]:
        def inserted(place: Any, table: str, *rest: Any) -> None:
            if table == "records":
                now(WITHIN)
            insert(place, table, *rest)

        return inserted

    store.write = written  # type: ignore[method-assign]
    if isinstance(store, SqliteStore):
        store._insert = within(store._insert)  # type: ignore[method-assign]
    else:
        from coopera.store import postgres  # noqa: PLC0415 - psycopg may not be there

        postgres._copy = within(postgres._copy)


def die() -> None:
    """Be killed, as by the system."""
    os.kill(os.getpid(), signal.SIGKILL)
    time.sleep(WAIT_SECONDS)


def cut(url: str, moment: str) -> None:
    """Have the server end all connections to the books, as an administrator may."""
    import psycopg  # noqa: PLC0415 - it may not be there

    with psycopg.connect(url) as other:
        other.execute(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    if moment == AFTER:
        raise StoreFailed("the connection was lost before the server answered")


if __name__ == "__main__":
    give_all(*sys.argv[1:])
