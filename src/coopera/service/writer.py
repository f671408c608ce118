"""
The single writer: commands queue, run in batches, and are answered once durable.

Two threads work hand in hand. One runs commands over the state in memory; the other
commits the batch before, and answers its callers. While a commit waits for the disk the
next batch runs, and the longer it waits the larger the next one gets.

Where there is a market, what follows from the commands of a batch is done in the same
batch, before anybody else's command.
"""

import logging
import sys
import time
from collections import deque
from collections.abc import Callable, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Event, Lock, Thread
from typing import TYPE_CHECKING, Any, Final, Self, TypeVar, final

from coopera.errors import Busy, Unavailable
from coopera.ledger import Receipt
from coopera.protocol.commands import COMMANDS, OPERATOR
from coopera.service.agenda import commands_due
from coopera.service.books import Books, Outcome, Request
from coopera.store import Batch, Store, StoreFailed

if TYPE_CHECKING:
    from coopera.service.market import Market

QUEUE_MAX: Final = 8192
"""Commands that may wait; more are told to come again."""
BATCH_MAX: Final = 512
"""Commands of one commit; beyond it mostly the wait grows."""
FOLLOWED_MAX: Final = 512
"""Tasks that are matched in one commit; the rest follows in the next ones."""
SWEEP_SECONDS: Final = 1.0
"""Time between two looks for what is due."""
SWITCH_SECONDS: Final = 0.0001
"""Time after which one thread gives way to another, for the whole process.

By Python's own 5 ms, the thread that commits would stand idle beside a free disk each
time that it comes back from the database."""

Done = Callable[[Outcome], None]
"""Told the outcome of a command, in the thread that commits: it must be quick."""
_Asked = tuple[Request, Done]
T = TypeVar("T")
log = logging.getLogger(__name__)


@final
class Writer:
    """Queue of commands in front of the books; the only one that writes to a store."""

    def __init__(
        self,
        store: Store,
        *,
        market: "Market | None" = None,
        queue_max: int = QUEUE_MAX,
        batch_max: int = BATCH_MAX,
        clock: Callable[[], int] = lambda: time.time_ns() // 1000,
    ) -> None:
        self._store = store
        self._market = market
        self._books = Books(store, market.saw if market else None)
        self._queue_max, self._batch_max = queue_max, batch_max
        self._clock = clock
        self._queue: deque[_Asked] = deque()
        self._due: deque[_Asked] = deque()
        """Commands for what was found to be due."""
        self._undone = 0
        """Those of them that are not answered yet."""
        self._questions: deque[_Question] = deque()
        self._resting: list[Future[None]] = []
        """Told when there is nothing more to do."""
        self._looking: list[Future[None]] = []
        """Those of them who came before the last look."""
        self._looked_at = 0
        """Number of the last receipt at the last look."""
        self._sending = Lock()
        self._waiting = Event()
        self._stopping = False
        self._stale = False
        """Whether what is in memory is not to be relied on."""
        self._failed = False
        """Whether the market is left out, after a failure of its own."""
        self._more = False
        """Whether the market has more to do at once."""
        self._next_sweep = 0.0
        self._commits = ThreadPoolExecutor(1, "coopera-commit")
        self._thread = Thread(target=self._serve, name="coopera-writer", daemon=True)
        self._load_market()
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

    def ask(self, function: "Callable[[Market], T]") -> "Future[T]":
        """
        Have a question answered by the market, between two groups of commands.

        It must be quick. The future refuses with `Unavailable` without a market.
        """
        future: Future[T] = Future()
        with self._sending:
            if self._stopping:
                raise Unavailable("the books are being closed; ask again later")
            self._questions.append((function, future))
        self._waiting.set()
        return future

    def rested(self) -> "Future[None]":
        """Give a future that is done when nothing is due, and nothing follows."""
        future: Future[None] = Future()
        with self._sending:
            if self._stopping:
                raise Unavailable("the books are being closed; ask again later")
            self._resting.append(future)
        self._next_sweep = 0.0
        self._waiting.set()
        return future

    def close(self) -> None:
        """Refuse new commands, do those that wait, and let go of the store."""
        with self._sending:
            self._stopping = True
        self._waiting.set()
        self._thread.join()
        self._commits.shutdown()
        for future in (*self._resting, *(each for _, each in self._questions)):
            future.set_exception(Unavailable("the books were closed; ask again later"))
        self._store.close()

    def _serve(self) -> None:
        """Run groups until closed; one is committed while the next one runs."""
        ahead: _Group | None = None
        while True:
            looked = self._sweep(idle=ahead is None)
            self._answer_questions()
            group = self._take()
            idle = not group.asked and not looked and not self._more
            mends = looked and self._failed
            if ahead is not None and (
                idle or mends or group.alone or self._books.large
            ):
                self._finish(ahead)
                ahead = None
            if idle:
                if self._stopping and not self._queue and not self._due:
                    return
                self._rest()
                continue
            if mends:
                self._mend_market()
            ran = self._run(group)
            # What ran stands on the group ahead: without that, it runs again.
            if ahead is not None and not self._finish(ahead):
                ran = False
            ahead = None
            if not ran:
                self._redo(group)
            elif group.asked or group.batch.receipts:
                group.commit = self._commits.submit(self._commit, group)
                ahead = group

    def _take(self) -> "_Group":
        """Take what is due or has queued up; what reads history goes alone."""
        asked: list[_Asked] = []
        due_max = max(1, self._batch_max // 2)
        for queue, most in ((self._due, due_max), (self._queue, self._batch_max)):
            while queue and len(asked) < most:
                rule = COMMANDS.get(type(queue[0][0].command))
                alone = rule is not None and rule.reads_history
                if alone and asked:
                    return _Group(asked)
                asked.append(queue.popleft())
                if alone:
                    return _Group(asked, alone=True)
        return _Group(asked)

    def _rest(self) -> None:
        """Wait for commands, or for the next look at what is due."""
        if self._resting and not self._stale:
            if self._looking and self._looked_at == self._books.receipt:
                for each in self._looking:
                    self._resting.remove(each)
                    each.set_result(None)
            else:
                self._next_sweep = 0.0
            self._looking = []
        self._waiting.clear()
        if (
            not self._queue
            and not self._questions
            and not self._stopping
            and self._next_sweep
        ):
            self._waiting.wait(SWEEP_SECONDS)

    def _run(self, group: "_Group") -> bool:
        """Run a group, and what follows from it: whether that went well."""
        if self._stale:
            return False
        try:
            requests = [request for request, _ in group.asked]
            group.outcomes = self._books.run(requests, self._clock())
            group.followed = self._follow()
            group.batch = self._books.take()
        except StoreFailed as failure:
            log.warning("the books could not be read: %s", failure)
            self._become_stale()
            return False
        except Exception:
            log.exception("a group of commands failed; each is done by itself")
            self._become_stale()
            return False
        return True

    def _follow(self) -> list[Outcome]:
        """
        Do what follows from the state as it stands, until nothing does.

        A failure of the market itself leaves it out, and harms no command.
        """
        books = self._books
        outcomes: list[Outcome] = []
        told: list[tuple[object, Outcome]] = []
        while True:
            commands = self._what_follows(told, FOLLOWED_MAX - len(outcomes))
            if not commands:
                return outcomes
            requests = [_own("market", i, each) for i, each in enumerate(commands)]
            try:
                done = books.run(requests, books.state.now(), new=True)
            except StoreFailed:
                raise
            except Exception:
                # What it asked for cannot be done: the rest is done without it.
                self._leave_out_market()
                raise
            told = list(zip(commands, done, strict=True))
            outcomes += done

    def _what_follows(
        self, told: Sequence[tuple[object, Outcome]], most: int
    ) -> list[object]:
        """Tell the market what became of its commands, and ask for the next ones."""
        market, books = self._market, self._books
        if market is None or self._failed or books.params is None:
            return []
        try:
            if not market.loaded:
                self._load_market()
            for command, outcome in told:
                if isinstance(outcome, Exception):
                    log.info("the market was refused %s: %s", command, outcome)
                    market.refused(command, outcome)
            commands = market.follow(books.state, most)
            self._more = market.busy
        except StoreFailed:
            raise
        except Exception:
            log.exception("the market failed, and is left out for now")
            self._leave_out_market()
            return []
        return commands

    def _load_market(self) -> None:
        """Let the market learn what is in the books, once they are open."""
        if self._market is not None and self._books.params is not None:
            self._market.load(self._store, self._books.state, self._books.params)

    def _leave_out_market(self) -> None:
        self._failed, self._more = True, False

    def _mend_market(self) -> None:
        """Let the market start anew; all that it could know is written."""
        try:
            if not self._stale:
                self._load_market()
                self._failed = False
        except Exception:
            log.exception("the market does not start, and is left out for now")

    def _answer_questions(self) -> None:
        """Let the market say what it is asked."""
        while self._questions:
            function, future = self._questions.popleft()
            market = self._market
            if market is None or self._failed or self._stale or not market.loaded:
                refusal = "the network has no market at the moment; ask again later"
                future.set_exception(Unavailable(refusal))
                continue
            market.state = self._books.state
            try:
                future.set_result(function(market))
            except Exception as said:  # noqa: BLE001 - it is who asked that is told
                future.set_exception(said)

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
            self._books.written((*group.outcomes, *group.followed))
            return True
        log.warning("a commit failed, and its commands are done again: %s", failure)
        self._become_stale()
        self._redo(group)
        return False

    def _redo(self, group: "_Group") -> None:
        """
        Do the commands of a group one by one, each in a commit of its own.

        One that was committed after all, though the database said otherwise, is found
        by its key. What followed from them follows again from what is in the books.
        """
        failure: StoreFailed | None = None
        for request, done in group.asked:
            outcome: Outcome
            if failure is None:
                try:
                    outcome = self._alone(request)
                except StoreFailed as failed:
                    failure = failed
                    self._become_stale()
                except Exception as bug:
                    log.exception("a command failed: %s", request)
                    self._become_stale()
                    outcome = bug
            if failure is not None:
                outcome = Unavailable(
                    f"the books cannot be written: {failure}; send the command again "
                    "later, with the same key"
                )
            _answer(done, outcome)

    def _alone(self, request: Request) -> Outcome:
        if self._stale:
            self._reload()
        outcomes = self._books.run([request], self._clock())
        try:
            followed = self._follow()
        except StoreFailed:
            raise
        except Exception:
            log.exception("what the market asked for failed; it is left out for now")
            self._leave_out_market()
            self._become_stale()
            return self._alone(request)
        batch = self._books.take()
        if batch.receipts:
            self._store.write(batch)
        self._books.written((*outcomes, *followed))
        return outcomes[0]

    def _become_stale(self) -> None:
        """Rely on nothing in memory until it is read again."""
        self._stale, self._more = True, False

    def _reload(self) -> None:
        """Read again what is in the books. Raises `StoreFailed`."""
        self._books.reload()
        try:
            if not self._failed:
                self._load_market()
        except StoreFailed:
            raise
        except Exception:
            log.exception("the market does not start, and is left out for now")
            self._leave_out_market()
        self._stale = False

    def _sweep(self, *, idle: bool) -> bool:
        """
        Look once a while for what is due, and queue the commands for it.

        Whether it was time to. Where nothing is being committed, what could not be read
        or written before is read again.
        """
        if time.monotonic() < self._next_sweep:
            return False
        self._next_sweep = time.monotonic() + SWEEP_SECONDS
        try:
            if self._stale and not idle:
                return False
            if self._stale:
                self._reload()
            if self._undone:
                # What was due at the last look is not done yet.
                return True
            now = self._clock()
            commands = [*commands_due(self._books.state, self._store.due(now), now)]
        except StoreFailed as failure:
            log.warning("the books cannot be read: %s", failure)
            self._become_stale()
            return False
        except Exception:
            log.exception("the books could not be read again")
            self._become_stale()
            return False
        for i, command in enumerate(commands):
            self._due.append((_own("agenda", i, command), self._did_what_was_due))
        self._undone = len(self._due)
        # What is due by a commit that is under way, only the next look finds.
        self._looking = [*self._resting] if idle else []
        self._looked_at = self._books.receipt
        return True

    def _did_what_was_due(self, outcome: Outcome) -> None:
        self._undone -= 1
        if isinstance(outcome, Exception):
            # Mostly it was done already, by a command that is not written yet.
            log.info("what was due is not done: %s", outcome)


def _own(who: str, number: int, command: object) -> Request:
    """Make a request of the network's own."""
    # Whatever clock the books follow, no two of these share a key.
    return Request(f"{who}:{time.time_ns()}:{number}", OPERATOR, command)


_Question = tuple[Callable[["Market"], Any], "Future[Any]"]


@dataclass(slots=True)
class _Group:
    """Commands that are run and committed together."""

    asked: "list[_Asked]"
    alone: bool = False
    outcomes: list[Outcome] = field(default_factory=list)
    followed: list[Outcome] = field(default_factory=list)
    """Outcomes of what the market did about it."""
    batch: Batch = field(default_factory=Batch)
    commit: "Future[None] | None" = None


def _answer(done: Done, outcome: Outcome) -> None:
    try:
        done(outcome)
    except Exception:
        log.exception("a caller could not be answered")
