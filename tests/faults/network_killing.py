"""Kill what runs a market by itself, and look at what is left."""

import random
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypeVar

import msgspec
from tests.faults.market import (
    MINUTE,
    check_days,
    check_replay,
    receipts,
    wait_until,
)
from tests.faults.market import check as check_audit
from tests.faults.market_child import AFTER, BEFORE, DIE, WITHIN
from tests.faults.network_child import LAST, SENTIMENT, lines
from tests.service.network import names

from coopera.protocol.accounts import BONDS
from coopera.protocol.books import CURRENT, Day
from coopera.protocol.orders import ESCROW, Audit, Job, JobStage, TaskStage
from coopera.protocol.records import NAMES
from coopera.protocol.supply import VALIDATOR, Resource, Stage, Track
from coopera.service import Books, beacon
from coopera.service.market import Market
from coopera.service.market.canaries import Prepared, prepare
from coopera.service.scheduler.reference import Reference
from coopera.store import Store
from coopera.store.opening import open_store
from coopera.store.sql import SqlStore

T = TypeVar("T")

ROOT = Path(__file__).parents[2]
KILLED = -9
LINKS = 48
"""Links of a chain: few, so that the next ones are made under kills too."""
CANARIES = 5_000
LOAD_SECONDS = (0.02, 0.9)
"""How long a process is under load before it is killed."""
FAULT_SECONDS = 3.0
"""How long it is waited for that something is written, before it is killed anyhow."""
AWAY_SECONDS = (0, 0, 0, 0, 100, 400, 1500)
"""How long nobody is there before a life, by the clock of the books: of days of 600
seconds two may be missed, and of work all that was under way."""
OWN = (
    *("match_task", "reveal_link", "open_beacon", "draw_validators", "conclude_audit"),
    *("post_canary", "reveal_canary", "expire_task", "close_day", "pay_earnings"),
)
"""Commands that nobody gives but the network itself."""
LATE = 120 * MINUTE
"""How long after its deadline a job may end, by the clock of the books: what was
delivered is judged, and some lives may have been away, or killed as they ended it."""
END_SECONDS = 300


@dataclass
class Outcome:
    """What happened, for a person to read."""

    kills: int = 0
    receipts: int = 0
    acknowledged: int = 0
    days: int = 0
    jobs: Counter[str] = field(default_factory=Counter)
    own: Counter[str] = field(default_factory=Counter)
    refused: Counter[str] = field(default_factory=Counter)

    def __str__(self) -> str:
        """Say it in a few lines."""
        return (
            f"{self.kills} kills, {self.receipts} receipts, {self.acknowledged} "
            f"acknowledged, {self.days} days\n  jobs {dict(self.jobs)}\n  by itself "
            f"{dict(self.own)}\n  refused {dict(self.refused)}"
        )


class Lives:
    """Lives of a network, one after the other, in books at an address."""

    def __init__(
        self, url: str, folder: Path, seed: int, *, offers: str = "plain", held: int = 0
    ) -> None:
        self.url, self._folder = url, folder
        self.outcome = Outcome()
        self._rng = random.Random(seed)
        self._given = (offers, str(held))
        self._lives = 0
        self._said = folder / "child.log"
        beacon.save(beacon.make(LINKS), folder / "links")
        works = (
            Prepared("training", "training", f"{n:064x}", 10, 20_000_000, n % 3 > 0)
            for n in range(CANARIES)
        )
        prepare(folder / "canaries", *works)

    @contextmanager
    def lived(self, *faults: str, life: str = "") -> Iterator["subprocess.Popen[str]"]:
        """Start a life, wait until it is under load, and kill it in the end."""
        self._lives += 1
        away = self._rng.choice(AWAY_SECONDS)
        words = (life or f"{self._lives:04}", *self._given, str(away), *faults)
        with self._said.open("a") as said:
            process = subprocess.Popen(
                [
                    *(sys.executable, "-m", "tests.faults.network_child"),
                    *(self.url, str(self._folder), *words),
                ],
                cwd=ROOT,
                stdout=subprocess.PIPE,
                stderr=said,
                text=True,
            )
        assert process.stdout is not None
        try:
            with process.stdout:
                began = process.stdout.readline() == "under load\n"
            assert began or process.wait() == KILLED, self._said.read_text()
            yield process
        finally:
            process.kill()
            process.wait()

    def kill(self) -> None:
        """Kill a life: some time after it began, or as it writes something."""
        rng = self._rng
        if rng.random() < 0.5:
            with self.lived() as life:
                time.sleep(rng.uniform(*LOAD_SECONDS))
        else:
            kind, moment = rng.choice(OWN), rng.choice((BEFORE, WITHIN, AFTER))
            with self.lived(DIE, kind, "", moment) as life:
                wait_for(life, FAULT_SECONDS)
        assert life.returncode == KILLED, self._said.read_text()
        self.outcome.kills += 1
        self.check()

    def interrupt(self, times: int, do: Callable[[], None]) -> None:
        """Do something to a life that goes on, again and again; then kill it."""
        told = self._folder / "acknowledged"
        with self.lived() as life:
            for _ in range(times):
                time.sleep(self._rng.uniform(*LOAD_SECONDS))
                do()
                self.outcome.kills += 1
                before = told.stat().st_size
                wait_until(lambda: told.stat().st_size > before)  # noqa: B023
        assert life.returncode == KILLED, self._said.read_text()
        self.check()

    def finish(self) -> None:
        """Let all come to its end, and hold the books against everything."""
        with self.lived(life=LAST) as life:
            wait_for(life, END_SECONDS)
        assert life.returncode == 0, self._said.read_text()
        asked, told = self.check()
        assert told.keys() == asked.keys()
        store = open_store(self.url, writes=False)
        try:
            body = store.record(NAMES[Day], CURRENT)
            assert body is not None
            self.outcome.days = msgspec.json.decode(body, type=Day).economy.day
            check_days(store, self.outcome.days)
            check_ends(store)
            check_replay(store)
            self._count(store, told)
        finally:
            store.close()

    def check(self) -> tuple[dict[str, list[str]], dict[str, list[object]]]:
        """Hold the books against what was asked and told: by key, what that was."""
        told = {line[0]: line[1:] for line in lines(self._folder / "acknowledged")}
        asked = {line[0]: line[1:] for line in lines(self._folder / "asked")}
        store = open_store(self.url, writes=False)
        try:
            written: dict[str, list[object]] = {}
            for key, kind, command, *receipt in store.read(
                "SELECT key, kind, command, id, hash FROM receipts"
            ):
                assert key not in written, f"{key} was applied twice"
                written[key] = [receipt[0], bytes(receipt[1]).hex()]
                if key.partition(":")[0] not in ("market", "agenda"):
                    assert asked[key] == [kind, command], f"nobody asked for {key}"
            for key, (code, known) in told.items():
                assert code != "bug", known
                if code == "done":
                    assert written.get(key) == known, f"acknowledged and lost: {key}"
                else:
                    assert key not in written, (
                        f"refused, and written all the same: {key}"
                    )
            check_audit(store)
            check_market(store)
        finally:
            store.close()
        self.outcome.receipts, self.outcome.acknowledged = len(written), len(told)
        return asked, told

    def _count(self, store: Store, told: dict[str, list[object]]) -> None:
        outcome = self.outcome
        outcome.refused = Counter(str(code) for code, _ in told.values())
        for job in all_of(store, Job):
            outcome.jobs[job.stage.value] += 1
        for each in receipts(store):
            if each.key.partition(":")[0] in ("market", "agenda"):
                outcome.own[each.kind] += 1
            else:
                assert each.kind not in OWN or each.key.startswith("prepare")


def wait_for(life: "subprocess.Popen[str]", seconds: float) -> None:
    """Wait for the end of a process, and not for ever."""
    until = time.monotonic() + seconds
    while life.poll() is None and time.monotonic() < until:
        time.sleep(0.01)


def all_of(store: Store, kind: type[T]) -> list[T]:
    """Read all records of a class."""
    bodies = store.records(NAMES[kind]).values()
    return [msgspec.json.decode(each, type=kind) for each in bodies]


def check_market(store: SqlStore) -> None:
    """Hold that a market that is loaded anew knows what the books hold, and no more."""
    books = Books(store)
    if books.params is None:
        return
    market = Market(random=lambda: 1.0)
    market.load(store, books.state, books.params)
    matching, judging = market._matching, market._judging
    jobs, audits = all_of(store, Job), {each.id: each for each in all_of(store, Audit)}
    held = [name for some in matching.held_back.values() for name in some]
    tasks = [
        (f"{job.id}:{i}", job, task)
        for job in jobs
        if job.stage is JobStage.OPEN
        for i, task in enumerate(job.tasks)
    ]
    created = {
        name
        for name, job, task in tasks
        if job.consumer and task.stage is TaskStage.CREATED
    }
    assert {*held, *(each.id for each in matching.queue)} == created
    panels = {name for name, each in audits.items() if not each.over and each.panel}
    delivered = {name for name, _, task in tasks if task.stage is TaskStage.DELIVERED}
    assert judging._awaited.keys() == delivered & panels
    assert judging._undrawn.keys() == delivered - panels
    tracks = {each.id: each for each in all_of(store, Track)}
    day, rules = books.state.economy().day, books.params.market
    assert isinstance(matching.offers, Reference)
    assert {
        name: matching.offers.standing(name) for name in names(matching.offers)
    } == {
        each.id: (tracks[each.id].busy, tracks[each.id].total)
        for each in all_of(store, Resource)
        if each.stage is Stage.STAKED
        and each.can.kind != VALIDATOR
        and day - tracks[each.id].active_day <= rules.dormant_days
    }
    at_stake = sum(job.price for job in jobs if job.stage is JobStage.OPEN)
    assert store.balances().get(ESCROW, 0) == at_stake


def check_ends(store: SqlStore) -> None:
    """Hold that all jobs ended in time, and every day had the sentiment said once."""
    for body, at in store.read(
        "SELECT latest.body, receipts.at FROM latest "
        "JOIN receipts ON receipts.id = latest.receipt WHERE latest.kind = 'job'"
    ):
        job = msgspec.json.decode(body, type=Job)
        assert job.stage is not JobStage.OPEN, job
        if job.consumer:
            assert at < job.deadline + LATE, job
    for escrow in (ESCROW, BONDS):
        assert store.balances().get(escrow, 0) == 0
    for each in receipts(store):
        if each.kind == "close_day":
            given = msgspec.json.decode(each.command)
            assert given["sentiment"] == SENTIMENT, given
