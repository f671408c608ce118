"""
The single writer: commands queue, run in batches, and are answered once durable.

Two threads work hand in hand. One runs commands over the state in memory; the other
commits the batch before, and answers its callers. While a commit waits for the disk the
next batch runs, and the longer it waits the larger the next one gets.
"""

import logging
import sys
import time
from collections import deque
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import Final, Self, final

from coopera.errors import Busy, Unavailable
from coopera.ledger import Receipt
from coopera.protocol.commands import COMMANDS, OPERATOR
from coopera.service.agenda import commands_due
from coopera.service.books import Books, Outcome, Request
from coopera.store import Batch, Store, StoreFailed

QUEUE_MAX: Final = 8192
"""Commands that may wait; more are told to come again."""
BATCH_MAX: Final = 512
"""Commands of one commit; beyond it mostly the wait grows."""
SWEEP_SECONDS: Final = 1.0
"""Time between two looks for what is due."""
SWITCH_SECONDS: Final = 0.0001
"""Time after which one thread gives way to another, for the whole process.

By Python's own 5 ms, the thread that commits would stand idle beside a free disk each
time that it comes back from the database."""
OVERLAP_US: Final = 60_000_000
"""Time before the last look that is looked at again, for what was not written then."""

Done = Callable[[Outcome], None]
"""Told the outcome of a command, in the thread that commits: it must be quick."""
_Asked = tuple[Request, Done]
log = logging.getLogger(__name__)


@final
class Writer:
    """Queue of commands in front of the books; the only one that writes to a store."""

    def __init__(
        self,
        store: Store,
        *,
        queue_max: int = QUEUE_MAX,
        batch_max: int = BATCH_MAX,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._store = store
        self._books = Books(store)
        self._queue_max, self._batch_max = queue_max, batch_max
        self._clock = clock
        self._queue: deque[_Asked] = deque()
        self._sending = Lock()
        self._waiting = Event()
        self._stopping = False
        self._stale = False
        self._swept = 0
        self._next_sweep = 0.0
        self._commits = ThreadPoolExecutor(1, "coopera-commit")
        self._thread = Thread(target=self._serve, name="coopera-writer", daemon=True)
        sys.setswitchinterval(min(sys.getswitchinterval(), SWITCH_SECONDS))
        self._thread.start()

    def __enter__(self) -> Self:
        """Return the writer; leaving drains its queue."""
        return self

    def __exit__(self, *_: object) -> None:
        """Close."""
        self.close()

    def send(self, request: Request, done: Done) -> None:
        """
        Queue a command; `done` is told its receipt or its refusal.

        Refuses with `Busy` if the queue is full, and with `Unavailable` once closed.
        """
        with self._sending:
            if self._stopping:
                raise Unavailable(
                    "the books are being closed; send the command again later"
                )
            if len(self._queue) >= self._queue_max:
                raise Busy(
                    f"{self._queue_max} commands are waiting; nothing was done, send "
                    "this one again in a moment, with the same key"
                )
            self._queue.append((request, done))
        if not self._waiting.is_set():
            self._waiting.set()

    def submit(self, request: Request) -> "Future[Receipt]":
        """Queue a command: the future has its receipt, once durable, or its refusal."""
        future: Future[Receipt] = Future()

        def done(outcome: Outcome) -> None:
            if isinstance(outcome, Exception):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self.send(request, done)
        return future

    def execute(self, request: Request) -> Receipt:
        """Queue a command, and wait for its receipt, or raise its refusal."""
        return self.submit(request).result()

    def close(self) -> None:
        """Refuse new commands, do those that wait, and let go of the store."""
        with self._sending:
            self._stopping = True
        self._waiting.set()
        self._thread.join()
        self._commits.shutdown()
        self._store.close()

    def _serve(self) -> None:
        """Run groups until closed; one is committed while the next one runs."""
        ahead: _Group | None = None
        while True:
            self._sweep()
            group = self._take()
            wait = group.alone or not group.asked or self._books.large
            if ahead is not None and wait:
                self._finish(ahead)
                ahead = None
            if not group.asked:
                if self._stopping and not self._queue:
                    return
                self._rest()
                continue
            ran = self._run(group)
            # What ran stands on the group ahead: without that, it runs again.
            if ahead is not None and not self._finish(ahead):
                ran = False
            ahead = group if ran else None
            if ran:
                group.commit = self._commits.submit(self._commit, group)
            else:
                self._redo(group)

    def _take(self) -> "_Group":
        """Take what has queued up; a command that reads history goes alone."""
        asked: list[_Asked] = []
        queue = self._queue
        while queue and len(asked) < self._batch_max:
            rule = COMMANDS.get(type(queue[0][0].command))
            alone = rule is not None and rule.reads_history
            if alone and asked:
                break
            asked.append(queue.popleft())
            if alone:
                return _Group(asked, alone=True)
        return _Group(asked)

    def _rest(self) -> None:
        """Wait for commands, or for the next look at what is due."""
        self._waiting.clear()
        if not self._queue and not self._stopping:
            self._waiting.wait(SWEEP_SECONDS)

    def _run(self, group: "_Group") -> bool:
        """Run a group: whether that went well."""
        if self._stale:
            return False
        try:
            requests = [request for request, _ in group.asked]
            group.outcomes = self._books.run(requests, self._clock())
            group.batch = self._books.take()
        except StoreFailed as failure:
            log.warning("the books could not be read: %s", failure)
            self._stale = True
            return False
        except Exception:
            log.exception("a group of commands failed; each is done by itself")
            self._stale = True
            return False
        return True

    def _commit(self, group: "_Group") -> None:
        """Write what a group changed, and only then answer."""
        if group.batch.receipts:
            self._store.write(group.batch)
        for (_, done), outcome in zip(group.asked, group.outcomes, strict=True):
            _answer(done, outcome)

    def _finish(self, group: "_Group") -> bool:
        """Wait until a group is written: whether that went well."""
        assert group.commit is not None
        failure = group.commit.exception()
        if failure is None:
            self._books.written(group.outcomes)
            return True
        log.warning("a commit failed, and its commands are done again: %s", failure)
        self._stale = True
        self._redo(group)
        return False

    def _redo(self, group: "_Group") -> None:
        """
        Do the commands of a group one by one, each in a commit of its own.

        One that was committed after all, though the database said otherwise, is found
        by its key.
        """
        failure: StoreFailed | None = None
        for request, done in group.asked:
            outcome: Outcome
            if failure is None:
                try:
                    outcome = self._alone(request)
                except StoreFailed as failed:
                    failure, self._stale = failed, True
                except Exception as bug:
                    log.exception("a command failed: %s", request)
                    self._stale = True
                    outcome = bug
            if failure is not None:
                outcome = Unavailable(
                    f"the books cannot be written: {failure}; send the command again "
                    "later, with the same key"
                )
            _answer(done, outcome)

    def _alone(self, request: Request) -> Outcome:
        if self._stale:
            self._books.reload()
            self._stale = False
        outcomes = self._books.run([request], self._clock())
        batch = self._books.take()
        if batch.receipts:
            self._store.write(batch)
        self._books.written(outcomes)
        return outcomes[0]

    def _sweep(self) -> None:
        """Queue the commands for what is due, once a while."""
        if self._stale or time.monotonic() < self._next_sweep:
            return
        self._next_sweep = time.monotonic() + SWEEP_SECONDS
        now = self._clock()
        try:
            due = self._store.due(self._swept - OVERLAP_US, now)
        except StoreFailed:
            return
        for i, command in enumerate(commands_due(self._books.state, due, now)):
            # Whatever clock the books follow, no two looks share a key.
            key = f"agenda:{time.time_ns()}:{i}"
            request = Request(key, OPERATOR, command)
            self._queue.append((request, _log_refusal))
        self._swept = now


@dataclass(slots=True)
class _Group:
    """Commands that are run and committed together."""

    asked: "list[_Asked]"
    alone: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    batch: Batch = field(default_factory=Batch)
    commit: "Future[None] | None" = None


def _answer(done: Done, outcome: Outcome) -> None:
    try:
        done(outcome)
    except Exception:
        log.exception("a caller could not be answered")


def _log_refusal(outcome: Outcome) -> None:
    if isinstance(outcome, Exception):
        # Mostly it was done already, by a command that is not written yet.
        log.info("what was due is not done: %s", outcome)
