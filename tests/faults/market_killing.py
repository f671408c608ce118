"""Kill what lives through the days of a market, and look at what is left."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from threading import Condition, Thread

from tests.faults.market import (
    Plan,
    Story,
    check,
    check_days,
    check_replay,
    kept,
    save,
)
from tests.faults.market_child import CUT, DIE, MARK, STEP, Write, told

from coopera.store import MemoryStore
from coopera.store.opening import open_store

ROOT = Path(__file__).parents[2]
KILLED = -9
END = 10**9
"""Mark after all others."""

WAIT_SECONDS = 120


@dataclass
class Outcome:
    """What happened, for a person to read."""

    kills: int = 0
    receipts: int = 0
    acknowledged: int = 0
    codes: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Say it in one line."""
        return (
            f"{self.kills} kills, {self.receipts} receipts, {self.acknowledged} "
            f"acknowledged: {dict(self.codes)}"
        )


class Life:
    """A process that tells how far it is."""

    def __init__(self, process: "subprocess.Popen[str]") -> None:
        self.process = process
        self.mark = -1
        self._changed = Condition()
        self.listener = Thread(target=self._listen)
        self.listener.start()

    def _listen(self) -> None:
        assert self.process.stdout is not None
        with self.process.stdout as lines:
            for line in lines:
                self._tell(int(line))
        self._tell(END)

    def _tell(self, mark: int) -> None:
        with self._changed:
            self.mark = mark
            self._changed.notify_all()

    def comes_to(self, mark: int) -> bool:
        """Wait until it is so far: whether that came before its end."""
        with self._changed:
            come = self._changed.wait_for(lambda: self.mark >= mark, WAIT_SECONDS)
            return come and self.mark < END


class Days:
    """Days of a market that others live through, in books at an address."""

    def __init__(self, url: str, plan: Plan, folder: Path) -> None:
        self.url, self.plan = url, plan
        self.story = Story(MemoryStore(), plan)
        self.outcome = Outcome()
        self._script = save(self.story.steps, folder / "script.json")
        self._acknowledged = folder / "acknowledged"
        self._said = folder / "child.log"
        # The last run decides what is told of a key that is given again.
        self._acknowledged.unlink(missing_ok=True)

    @contextmanager
    def lived(self, *faults: str) -> Iterator[Life]:
        """Start a process that lives through what is left; it is gone in the end."""
        with self._said.open("a") as said:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.faults.market_child", self.url),
                    *(str(self._script), str(self._acknowledged), *faults),
                ],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        life = Life(process)
        try:
            yield life
        finally:
            process.kill()
            process.wait()
            life.listener.join()

    def kill_at(self, mark: int, seconds: float) -> None:
        """Kill a process some time after it has come to a mark of the script."""
        with self.lived() as life:
            life.comes_to(mark)
            time.sleep(seconds)
        # It may have been done before.
        assert life.process.returncode in (KILLED, 0), self._said.read_text()
        self.outcome.kills += life.process.returncode == KILLED
        self.check()

    def kill_as(self, write: Write) -> None:
        """Let a process be killed at a moment of a write."""
        with self.lived(DIE, *write) as life:
            self._ends(life, KILLED)
        self.outcome.kills += 1
        self.check()

    def cut_as(self, writes: Iterable[Write]) -> None:
        """Let a process lose its connections at moments of some writes."""
        with self.lived(*(each for write in writes for each in (CUT, *write))) as life:
            self._ends(life)

    def interrupt(self, marks: Sequence[int], do: Callable[[], None]) -> None:
        """
        Do something to a process that goes on, at marks of the script.

        What was under way is done again before anything else happens to it: who loses
        the server twice would be told to come again.
        """
        after = 0
        with self.lived() as life:
            for mark in marks:
                if mark < after:
                    continue
                assert life.comes_to(mark), self._said.read_text()
                do()
                self.outcome.kills += 1
                after = (life.mark // STEP + 2) * STEP
            self._ends(life)

    def _ends(self, life: Life, code: int = 0) -> None:
        assert life.process.wait(WAIT_SECONDS) == code, self._said.read_text()

    def finish(self) -> None:
        """Live through what is left, and hold the books against the story's."""
        with self.lived() as life:
            self._ends(life)
        self.check()
        known = told(self._acknowledged)
        expected = {
            key: code for step in self.story.steps for key, _, _, code in step.commands
        }
        assert {key: code for key, (code, _) in known.items()} == expected
        store = open_store(self.url, writes=False)
        try:
            assert kept(store) == kept(self.story.store)
            check_days(store, self.plan.away + self.plan.days)
            check_replay(store)
        finally:
            store.close()

    def check(self) -> None:
        """Hold the books against what was acknowledged, and audit them."""
        known = told(self._acknowledged)
        store = open_store(self.url, writes=False)
        try:
            written = {
                key: [number, bytes(hash_).hex()]
                for key, number, hash_ in store.read(
                    "SELECT key, id, hash FROM receipts"
                )
            }
            for key, (code, receipt) in known.items():
                found = written.get(key)
                if code == "done":
                    assert found == receipt, f"acknowledged and lost: {key}"
                else:
                    assert found is None, f"refused, and written all the same: {key}"
            check(store)
        finally:
            store.close()
        self.outcome.receipts, self.outcome.acknowledged = len(written), len(known)
        self.outcome.codes = Counter(code for code, _ in known.values())

    def marks(self, rng: random.Random, wanted: int) -> list[int]:
        """Draw marks: as often where nobody speaks but the network as elsewhere."""
        steps = self.story.steps
        silent = [n for n, step in enumerate(steps) if not step.commands]
        drawn = [
            rng.choice(silent) if n % 2 else rng.randrange(len(steps))
            for n in range(wanted)
        ]
        return sorted(self._mark(rng, n) for n in drawn)

    def marks_apart(self, rng: random.Random, wanted: int) -> list[int]:
        """Draw marks in as many steps."""
        steps = range(1, len(self.story.steps))
        drawn = rng.sample(steps, min(wanted, len(steps)))
        return [self._mark(rng, n) for n in sorted(drawn)]

    def _mark(self, rng: random.Random, step: int) -> int:
        given = len(self.story.steps[step].commands) // MARK
        return step * STEP + MARK * rng.randint(0, given)
