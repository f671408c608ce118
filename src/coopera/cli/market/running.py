"""Commands that run the market: it matches, draws, judges and pays by itself."""

import json
import os
import signal
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from queue import Empty, SimpleQueue
from threading import Semaphore, Thread
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from coopera.cli.books.access import new_key
from coopera.cli.books.giving import command_of
from coopera.cli.books.options import OPERATOR, in_json, on_books
from coopera.cli.books.showing import show_json
from coopera.cli.market.written import DURATIONS
from coopera.errors import BadBooks, Malformed, Refusal

if TYPE_CHECKING:
    from coopera.service import Writer
    from coopera.service.market import Market
    from coopera.service.market.reading import Load
    from coopera.store import Store

READ_AHEAD: Final = 4096
"""Commands that are read before the first of them is answered."""
FEW: Final = 1_000
"""Resources up to which the plain scheduler is as good as the compiled one."""
READ_BYTES: Final = 1 << 16
LOOK_SECONDS: Final = 0.2
"""Time between two looks whether to stop."""
FIELDS: Final = ("key", "caller", "kind", "fields")
"""Of a line that gives a command."""


@click.group()
def market() -> None:
    """Run the market: match, draw validators, judge, close days and pay."""


@market.command(short_help="Run the market, and take commands.")
@on_books
@click.option("--links", "links_path", metavar="FILE", help="Chain of the beacon.")
@click.option("--canaries", "canaries_path", metavar="FILE", help="Work to slip in.")
@click.option(
    "--for", "time_", type=DURATIONS, help="Stop after so long, as 90s or 8h."
)
@click.option("--once", is_flag=True, help="Do what is to be done now, and stop.")
@in_json
def run(
    url: str,
    links_path: str | None,
    canaries_path: str | None,
    time_: int | None,
    *,
    once: bool,
    as_json: bool,
) -> None:
    """
    Run the market, and take commands from the standard input, one JSON object a line.

    It holds the books: others read them meanwhile, and send their commands here. Each
    line is answered by one line, in the order in which they are done. The end of the
    input ends it, and so does an interrupt, once all that was read is answered; with
    --for, it goes on after the end of the input until then.

    A line has kind and fields; key and caller may be left out:

    \b
      {"key": "order-00017", "caller": "consumer:alice", "kind": "cancel_job",
       "fields": {"id": "j1", "consumer": "consumer:alice"}}
    """  # noqa: D301 - click reads the backspace
    import logging

    from coopera.service import Writer
    from coopera.store.opening import open_store

    # Before anything else, so that no interrupt comes between the books and their end.
    with _interrupts() as interrupted:
        logging.basicConfig(format="coopera: %(message)s", level=logging.WARNING)
        conducted = _market(url, links_path, canaries_path, once=once)
        store = open_store(url)
        before = store.head().receipt
        with Writer(store, market=conducted) as writer:
            if once:
                _rest(writer, interrupted)
                _tell_done(url, before, as_json=as_json)
                return
            until = None if time_ is None else time.monotonic() + time_ / 1_000_000
            session = _Session(writer, as_json=as_json)
            session.serve(until, interrupted)
        session.tell_all()


def load_for(store: "Store") -> "Load":
    """Choose how offers are kept: the compiled way, where there are many."""
    import msgspec

    from coopera.protocol.supply import RESOURCES, Roll
    from coopera.service.market.reading import load_few

    body = store.record("roll", RESOURCES)
    count = 0 if body is None else msgspec.json.decode(body, type=Roll).count
    if count <= FEW:
        return load_few
    return _compiled()


def _compiled() -> "Load":
    from coopera.service.market.bulk import load_many

    return load_many


def _market(
    url: str, links_path: str | None, canaries_path: str | None, *, once: bool
) -> "Market":
    """Make the market of some books."""
    from coopera.cli.books.access import readable
    from coopera.service.market import Market
    from coopera.service.market.canaries import Canaries
    from coopera.service.market.links import Links
    from coopera.service.market.reading import load_few

    with readable(url) as store:
        if store.record("settings", "current") is None:
            raise BadBooks("the books are not open yet; run: coopera books open")
        load = load_for(store)
    if not once:
        # Whoever runs for long may have many, however few there are now.
        try:
            load = _compiled()
        except ModuleNotFoundError:
            if load is not load_few:
                raise
    return Market(
        None if links_path is None else Links(Path(links_path)),
        None if canaries_path is None else Canaries(Path(canaries_path)),
        load=load,
    )


@contextmanager
def _interrupts() -> Iterator[Callable[[], bool]]:
    """Note that somebody wants it to stop, instead of stopping at once."""
    told: list[int] = []
    names = (signal.SIGINT, signal.SIGTERM)
    before = [
        signal.signal(each, lambda number, _: told.append(number)) for each in names
    ]
    try:
        yield lambda: bool(told)
    finally:
        for name, handler in zip(names, before, strict=True):
            signal.signal(name, handler)


def _rest(writer: "Writer", interrupted: Callable[[], bool]) -> None:
    """Wait until the market has done what is to be done now."""
    from concurrent.futures import wait

    rested = writer.rested()
    while not rested.done() and not interrupted():
        wait([rested], LOOK_SECONDS)


def _tell_done(url: str, before: int, *, as_json: bool) -> None:
    """Say what was done after a receipt."""
    from coopera.cli.books.access import readable

    with readable(url) as store:
        last = store.head().receipt
        done = Counter(
            store.receipt(number).kind for number in range(before + 1, last + 1)
        )
    if as_json:
        show_json({"done": dict(done), "receipts": last - before})
        return
    for kind, count in sorted(done.items()):
        click.echo(f"{count:>8,}  {kind}")
    if not done:
        click.echo("nothing was to be done")


class _Answer(NamedTuple):
    """What became of a line."""

    line: int
    key: str
    outcome: Any
    """A receipt, or what was refused or failed."""


class _Session:
    """Lines that come in, and their answers."""

    def __init__(self, writer: "Writer", *, as_json: bool) -> None:
        self._writer = writer
        self._as_json = as_json
        self._events: SimpleQueue[bytes | _Answer | None] = SimpleQueue()
        """Lines, their end, and answers, as they come."""
        self._room = Semaphore(READ_AHEAD)
        self._count = 0

    def serve(self, until: float | None, interrupted: Callable[[], bool]) -> None:
        """Take lines until there are no more, the time is over, or an interrupt."""
        Thread(target=self._read, name="coopera-input", daemon=True).start()
        while not interrupted():
            left = LOOK_SECONDS if until is None else until - time.monotonic()
            if left <= 0:
                return
            try:
                event = self._events.get(timeout=min(left, LOOK_SECONDS))
            except Empty:
                continue
            if isinstance(event, _Answer):
                self._tell(event)
            elif event is not None:
                self._take(event)
            elif until is None:
                return

    def tell_all(self) -> None:
        """Print the answers that are there; of lines that were not taken, none."""
        while True:
            try:
                event = self._events.get_nowait()
            except Empty:
                return
            if isinstance(event, _Answer):
                self._tell(event)

    def _read(self) -> None:
        """Read lines, in a thread of their own, as far as there is room."""
        try:
            for line in _lines():
                self._room.acquire()
                self._events.put(line)
        finally:
            self._events.put(None)

    def _take(self, line: bytes) -> None:
        """Give the command of a line."""
        from coopera.service import Request

        self._count += 1
        number, key = self._count, ""
        try:
            key, caller, command = _read_line(line)

            def done(outcome: Any) -> None:
                self._events.put(_Answer(number, key, outcome))

            self._writer.send(Request(key, caller, command), done)
        except Refusal as refusal:
            self._events.put(_Answer(number, key, refusal))

    def _tell(self, answer: _Answer) -> None:
        self._room.release()
        told: dict[str, Any] = {"line": answer.line, "key": answer.key}
        outcome = answer.outcome
        if isinstance(outcome, Refusal):
            said = " ".join(str(outcome).splitlines())
            told |= {"error": {"code": outcome.code, "message": said}}
            written = f"refused: {said} [{outcome.code}]"
        elif isinstance(outcome, Exception):
            told |= {"error": {"code": "failed", "message": repr(outcome)}}
            written = f"failed: {outcome!r}"
        else:
            told |= {"receipt": outcome.id, "kind": outcome.kind}
            written = f"receipt {outcome.id}  {outcome.kind}"
        line = json.dumps(told) if self._as_json else f"{answer.line}  {written}"
        click.echo(line)
        sys.stdout.flush()


def _lines() -> Iterator[bytes]:
    """Read the lines of the standard input."""
    try:
        number = sys.stdin.fileno()
    except (OSError, ValueError):
        yield from sys.stdin.buffer
        return
    # Not by Python's own buffer: a thread that waits there stops the end of a process.
    kept = b""
    while content := os.read(number, READ_BYTES):
        *lines, kept = (kept + content).split(b"\n")
        yield from lines
    if kept:
        yield kept


def _read_line(line: bytes) -> tuple[str, str, object]:
    """Read a command: its key, who gives it, and itself. Refuses with `Malformed`."""
    try:
        read = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise Malformed(f"the line is no JSON: {error}") from None
    if not isinstance(read, dict) or not isinstance(read.get("fields", {}), dict):
        raise Malformed(
            f"the line is {str(read)[:80]!r}; write an object with kind and fields"
        )
    for name in read:
        if name not in FIELDS:
            raise Malformed(
                f"the line has {name[:80]!r}; it may have {', '.join(FIELDS)}"
            )
    command = command_of(str(read.get("kind", "")), read.get("fields", {}))
    return read.get("key") or new_key(), read.get("caller", OPERATOR), command
