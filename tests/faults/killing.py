"""Kill what keeps the books, again and again, and look at what is left."""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.postgres import Server

from coopera.accounting.audit import audit
from coopera.params import CHAPTERS
from coopera.params.document import preset
from coopera.protocol.books import OpenBooks
from coopera.service import Request, Writer
from coopera.store.opening import open_store

CHILD = Path(__file__).with_name("child.py")
GOVERNED = {*CHAPTERS, "payment_matrix", "projects"}
"""Tables of a preset that are settings; the others are for the simulator."""

LOAD_SECONDS = (0.05, 0.8)
"""How long a child is under load before it is killed."""

KILLS_A_CHILD = 5
"""Times that a server is killed under one child, before the books are checked."""
WAIT_SECONDS = 30


@dataclass
class Outcome:
    """What happened, for a person to read."""

    kills: int = 0
    acknowledged: int = 0
    refused: int = 0
    committed: int = 0
    codes: Counter[str] = field(default_factory=Counter)


def open_books(url: str) -> None:
    """Open new books by the settings of the paper."""
    settings = {
        name: table
        for name, table in preset("paper").tables.items()
        if name in GOVERNED
    }
    tables = json.dumps(settings, default=str)
    with Writer(open_store(url)) as writer:
        command = OpenBooks(tables, 1_000_000_000)
        writer.execute(Request("open-books", "operator", command))


@contextlib.contextmanager
def under_load(
    url: str, seed: int, acknowledged: Path
) -> Iterator[subprocess.Popen[str]]:
    """Start a child, wait until it is under load, and kill it in the end."""
    with acknowledged.with_name("child.log").open("a") as said:
        child = subprocess.Popen(
            [sys.executable, str(CHILD), url, str(seed), str(acknowledged)],
            stdout=subprocess.PIPE,
            stderr=said,
            text=True,
        )
    assert child.stdout is not None
    try:
        with child.stdout:
            assert child.stdout.readline() == "under load\n"
        yield child
    finally:
        child.kill()
        child.wait()


def kill_writers(url: str, kills: int, folder: Path, seed: int) -> Outcome:
    """Kill the process that writes, and check the books each time."""
    rng = random.Random(seed)
    acknowledged = folder / "acknowledged"
    outcome = Outcome()
    for n in range(kills):
        with under_load(url, seed * 1000 + n, acknowledged):
            time.sleep(rng.uniform(*LOAD_SECONDS))
        outcome.kills += 1
        check(url, acknowledged, outcome)
    return outcome


def kill_servers(
    server: Server, url: str, kills: int, folder: Path, seed: int
) -> Outcome:
    """Kill the server, all its processes, under a writer that goes on; then check."""
    rng = random.Random(seed)
    acknowledged = folder / "acknowledged"
    outcome = Outcome()
    for n in range(0, kills, KILLS_A_CHILD):
        with under_load(url, seed * 1000 + n, acknowledged):
            for _ in range(min(KILLS_A_CHILD, kills - n)):
                time.sleep(rng.uniform(*LOAD_SECONDS))
                before = _answered(acknowledged)
                kill_server(server)
                server.start()
                outcome.kills += 1
                _wait_for_answers(acknowledged, before)
        check(url, acknowledged, outcome)
    return outcome


def kill_server(server: Server) -> None:
    """Kill a server's processes, the first last, and wait until they are gone."""
    first = (server.home / "data/postmaster.pid").read_text().split()[0]
    children = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    for process in children:
        with contextlib.suppress(ProcessLookupError):
            os.kill(int(process), signal.SIGKILL)
    server.stop("KILL")
    _wait_until(lambda: not any(Path(f"/proc/{each}").exists() for each in children))


def _wait_for_answers(acknowledged: Path, before: int) -> None:
    _wait_until(lambda: _answered(acknowledged) > before)


def _answered(acknowledged: Path) -> int:
    return acknowledged.stat().st_size if acknowledged.exists() else 0


def _wait_until(true: Callable[[], bool]) -> None:
    until = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < until, "nothing happens any more"
        time.sleep(0.02)


def check(url: str, acknowledged: Path, outcome: Outcome) -> None:
    """Hold the books against what was acknowledged, and audit them."""
    lines = acknowledged.read_text("utf-8").splitlines(keepends=True)
    told = [json.loads(line) for line in lines if line.endswith("\n")]
    done = {key: known for key, code, known, _, _ in told if code == "done"}
    store = open_store(url, writes=False)
    try:
        written: dict[str, list[object]] = {}
        for key, number, hash_ in store.read("SELECT key, id, hash FROM receipts"):
            assert key not in written, f"{key} was applied twice"
            written[key] = [number, bytes(hash_).hex()]
        lost = {key for key, known in done.items() if written.get(key) != known}
        assert not lost, f"acknowledged and lost: {sorted(lost)[:3]}"
        refused = {key for key, code, *_ in told if code != "done"}
        assert not refused & written.keys(), "refused, and written all the same"
        _check_order(told)
        report = audit(store)
        assert report.clean, report
    finally:
        store.close()
    outcome.acknowledged, outcome.refused = len(done), len(refused)
    outcome.committed = len(written)
    outcome.codes = Counter(code for _, code, *_ in told)


def _check_order(told: list[list[Any]]) -> None:
    """Hold the serial order to real time: who was answered first comes first."""
    # What prepares the load is sent again by each child, and keeps its first number.
    done = [
        (asked, answered, known[0])
        for key, code, known, asked, answered in told
        if code == "done" and not key.startswith("prepare")
    ]
    by_answer = sorted(done, key=lambda each: each[1])
    latest, n = 0, 0
    for asked, _, number in sorted(done):
        while n < len(by_answer) and by_answer[n][1] < asked:
            latest = max(latest, by_answer[n][2])
            n += 1
        assert number > latest, (
            f"receipt {number} was asked for after {latest} was told"
        )
