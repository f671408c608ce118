"""
A process that runs a market by itself, until it is killed.

    python -m tests.faults.network_child URL FOLDER LIFE OFFERS HELD AWAY [FAULT...]

The members of the network are in it too: they read in the books what they were given to
do, and mostly do it. What each of them does follows from its name, so that another life
would do the same; only orders, and who comes and goes, are new in each. A command is
written to a file before it is sent, and its outcome once it is told. A later life sends
again, with the same keys, what nobody was told about.

The clock of a life begins where the books end, some seconds later if it was away, and
runs fast. In the life `end` only a few orders come in: it ends when all jobs have, and
all are paid.

A fault is as in `market_child`.
"""

import json
import os
import random
import sys
import time
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import suppress
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any, TypeVar

import msgspec
from tests.faults.child import opened
from tests.faults.market import GOVERNED, MINUTE, SECOND, START, command_of
from tests.faults.market_child import Write, at_write, die
from tests.service.network import picture

from coopera.errors import BadBooks, Busy, Refusal, Unavailable
from coopera.ledger import Receipt
from coopera.params.document import preset
from coopera.protocol import jobs, supply, validation
from coopera.protocol.books import CURRENT, Day, OpenBooks
from coopera.protocol.commands import OPERATOR, rule_of
from coopera.protocol.live import CloseDay
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.orders import Audit, Job, Need, TaskStage
from coopera.protocol.records import NAMES
from coopera.protocol.supply import Resource, Stage
from coopera.service import Request, Writer
from coopera.service import writer as writing
from coopera.service.market import Market
from coopera.service.market.canaries import Canaries
from coopera.service.market.links import Links
from coopera.service.market.reading import Load, load_few
from coopera.store import Store, StoreFailed
from coopera.store.opening import open_store

T = TypeVar("T")

LAST = "end"
"""The life in which orders come to an end."""
LAST_ORDERS = 60
"""Orders, and things that change, of that life."""
SPEED = 120
"""Seconds that pass in one of ours."""
SWEEP_SECONDS = 0.02
LOOK_SECONDS = 0.02
"""Time between two looks of the members, in our seconds."""
WAIT_SECONDS = 120
"""In which a network comes to its end, in our seconds."""
DAY_LENGTH = 10 * MINUTE
CONSUMERS, SUPPLIERS, CHECKERS = 6, 10, 12
RESOURCES = 60
OPEN_MAX, ASKED_MAX = 60, 200
FEW_LINKS = 16
SENTIMENT = 10**9
DOLLAR = 1_000_000
DEVICES, REGIONS = ("h100", "a100", "l40"), ("eu", "us")


def tables(held_back: int) -> str:
    """Write the settings of the books."""
    known = {k: v for k, v in preset("minimal").tables.items() if k in GOVERNED}
    known["pricing"] = {"price_floor_usd": 1}
    known["token"] = {**known["token"], "initial_circulating": 60_000}
    known["onboarding"] = {**known["onboarding"], "min_onboarding_fee": 1}
    known["bonding"] = {"slash_destination": "validators"}
    known["validation"] = {
        "validation_rate": "0.7",
        "canary_rate": "0.25",
        "held_back_jobs": held_back,
    }
    known["market"] = {
        "accept_seconds": 90,
        "verdict_seconds": 120,
        "certification_seconds": 300,
        "exploration_rate": "0.2",
    }
    return json.dumps(known, default=str)


def preparations(held_back: int) -> Iterator[object]:
    """List the commands that the others stand on."""
    yield OpenBooks(tables(held_back), 10**9, DAY_LENGTH // SECOND)
    # Later days carry it on.
    yield CloseDay(0, SENTIMENT)
    for n in range(CONSUMERS):
        yield OpenAccounts(f"consumer:c{n}")
        yield Deposit(f"consumer:c{n}:credit", "usd", 10**12, f"paid-{n}")
    for n in range(SUPPLIERS + CHECKERS):
        owner = f"supplier:s{n}"
        yield OpenAccounts(owner)
        yield Deposit(f"{owner}:token", "token", 2_000 * DOLLAR, f"token-{n}")
    rng = random.Random(0)
    for n in range(RESOURCES + CHECKERS * 2):
        if n < RESOURCES:
            offer = registered(f"r{n}", rng)
        else:
            who = f"supplier:s{SUPPLIERS + n % CHECKERS}"
            what = ("cpu", 1, 0, "eu", 100, 1, 8)
            offer = supply.RegisterResource(f"v{n}", who, supply.VALIDATOR, *what)
        yield offer
        yield supply.CertifyResource(offer.id, "seen")
        yield supply.StakeCertificate(offer.id, offer.owner)


def registered(name: str, rng: random.Random) -> supply.RegisterResource:
    """Draw a resource."""
    return supply.RegisterResource(
        name,
        f"supplier:s{rng.randrange(SUPPLIERS)}",
        rng.choice(("training", "training", "inference")),
        rng.choice(DEVICES),
        rng.randrange(1, 9),
        80,
        rng.choice(REGIONS),
        rng.randrange(50, 400),
        rng.randrange(1, DOLLAR),
        rng.randrange(1, 4),
    )


def chance(*names: object) -> float:
    """Draw a number below one that belongs to some names."""
    drawn = sha256(":".join(map(str, names)).encode()).digest()
    return int.from_bytes(drawn[:6]) / 2**48


class FastClock:
    """A clock that begins somewhere, runs fast, and can be stopped."""

    def __init__(self, start: int) -> None:
        self._start, self._begun = start, time.monotonic()
        self._stopped: int | None = None

    def __call__(self) -> int:
        """Tell the time."""
        if self._stopped is not None:
            return self._stopped
        passed = time.monotonic() - self._begun
        return self._start + int(passed * SPEED * SECOND)

    def stop(self) -> None:
        """Let no more time pass."""
        self._stopped = self()


class Eyes:
    """The books as another connection sees them, whenever the server is there."""

    def __init__(self, url: str) -> None:
        self._url = url
        self.store: Store = open_store(url, writes=False)

    def open_ones(self, kind: type[T]) -> list[T]:
        """Read the records of a kind that are yet to fall due. Raises `StoreFailed`."""
        bodies = self.store.open_records(NAMES[kind]).values()
        return [msgspec.json.decode(each, type=kind) for each in bodies]

    def all_of(self, kind: type[T]) -> list[T]:
        """Read all records of a kind. Raises `StoreFailed`."""
        bodies = self.store.records(NAMES[kind]).values()
        return [msgspec.json.decode(each, type=kind) for each in bodies]

    def day(self) -> int:
        """Read which day is under way. Raises `StoreFailed`."""
        body = self.store.record(NAMES[Day], CURRENT)
        assert body is not None
        return msgspec.json.decode(body, type=Day).economy.day

    def open_again(self) -> None:
        """Connect again, if there is a server."""
        with suppress(BadBooks, Unavailable, StoreFailed):
            self.store = open_store(self._url, writes=False)


class Desk:
    """Where commands are sent, and written down before and after."""

    def __init__(self, writer: Writer, folder: Path) -> None:
        self._writer = writer
        self._asking = appended(folder / "asked")
        self._telling = appended(folder / "acknowledged")
        self._again: deque[Request] = deque()
        self.told = {line[0]: line for line in lines(folder / "acknowledged")}
        asked = {line[0]: line for line in lines(folder / "asked")}
        self._asked = set(asked)
        for key, kind, body in asked.values():
            if key not in self.told:
                self._send(Request(key, OPERATOR, command_of(kind, body)))

    @property
    def waiting(self) -> int:
        """Count the commands that were sent, and are not answered."""
        return len(self._asked) - len(self.told)

    def send(self, key: str, command: object) -> None:
        """Send a command under a key, unless one was sent by any life."""
        if key in self._asked:
            return
        self._asked.add(key)
        body = msgspec.json.encode(command).decode()
        write(self._asking, [key, rule_of(command).kind, body])
        self._send(Request(key, OPERATOR, command))

    def send_again(self) -> None:
        """Send what could not be done, with the same keys."""
        for _ in range(len(self._again)):
            self._send(self._again.popleft())

    def _send(self, request: Request) -> None:
        try:
            future = self._writer.submit(request)
        except Busy:
            self._again.append(request)
            return
        future.add_done_callback(partial(self._tell, request))

    def _tell(self, request: Request, future: "Future[Receipt]") -> None:
        failure = future.exception()
        if isinstance(failure, Busy | Unavailable):
            self._again.append(request)
            return
        line: list[Any]
        if failure is None:
            receipt = future.result()
            line = [request.key, "done", [receipt.id, receipt.hash.hex()]]
        elif isinstance(failure, Refusal):
            line = [request.key, failure.code, str(failure)]
        else:
            line = [request.key, "bug", repr(failure)]
        write(self._telling, line)
        self.told[request.key] = line


def appended(path: Path) -> int:
    """Open a file to append to."""
    return os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)


def write(file: int, line: list[Any]) -> None:
    """Append a line: it is there as a whole or not at all."""
    os.write(file, (json.dumps(line) + "\n").encode())


def lines(path: Path) -> list[Any]:
    """Read the lines of a file, if there is one."""
    if not path.exists():
        return []
    read = path.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in read if line.endswith("\n")]


class Members:
    """All who order, work, check, come and go."""

    def __init__(
        self, desk: Desk, eyes: Eyes, canaries: Canaries, clock: FastClock, life: str
    ) -> None:
        self._desk, self._eyes, self._canaries = desk, eyes, canaries
        self._clock, self._life = clock, life
        self._rng = random.Random(life)
        self._owners: dict[str, str] = {}
        self._numbers = 0

    @property
    def orders(self) -> bool:
        """Whether anybody still orders."""
        return self._life != LAST or self._numbers < LAST_ORDERS

    def look(self) -> int:
        """Look at the books, and do what is to be done: how many jobs are open."""
        desk = self._desk
        desk.send_again()
        opened = self._eyes.open_ones(Job)
        now = self._clock()
        for job in opened:
            self._work(job, now)
        for audit in self._eyes.open_ones(Audit):
            self._check(audit, now)
        if self.orders and desk.waiting < ASKED_MAX:
            for _ in range(min(4, OPEN_MAX - len(opened))):
                self._order(now)
            if self._rng.random() < 0.3:
                self._come_or_go()
        return len(opened)

    def _new(self) -> str:
        self._numbers += 1
        return f"{self._life}-{self._numbers:06}"

    def _owner(self, resource: str) -> str:
        if resource not in self._owners:
            self._owners |= {
                each.id: each.owner for each in self._eyes.all_of(Resource)
            }
        return self._owners[resource]

    def _order(self, now: int) -> None:
        rng, name = self._rng, f"j-{self._new()}"
        serves = rng.random() < 0.3
        kinds = [
            "training",
            *(["inference"] if serves else ["training"] * (name[-1] < "3")),
        ]
        needs = [
            Need(
                kind,
                devices=tuple(sorted(rng.sample(DEVICES, rng.randrange(3)))),
                count=rng.randrange(10) if rng.random() < 0.4 else 0,
                regions=(rng.choice(REGIONS),) if rng.random() < 0.3 else (),
            )
            for kind in kinds
        ]
        self._desk.send(
            f"order-{name}",
            jobs.CreateJob(
                *(name, f"consumer:c{rng.randrange(CONSUMERS)}"),
                *("serving" if serves else "training", "demo"),
                *(rng.randrange(2 * DOLLAR, 6 * DOLLAR), rng.randrange(2, 8) * DOLLAR),
                tuple(needs),
                now + rng.randrange(4 * MINUTE, 16 * MINUTE),
                rng.randrange(DOLLAR),
                10,
            ),
        )

    def _work(self, job: Job, now: int) -> None:
        """Take what was matched, mostly, and deliver it."""
        for i, task in enumerate(job.tasks):
            tries = f"{job.id}-{i}-{len(task.failed)}-{len(task.declined)}"
            drawn = chance(task.stage.value, tries)
            if task.stage is TaskStage.MATCHED and now < task.due:
                owner = self._owner(task.resource)
                if drawn < 0.8:
                    self._desk.send(f"take-{tries}", jobs.AcceptTask(job.id, i, owner))
                elif drawn < 0.9:
                    self._desk.send(f"take-{tries}", jobs.DeclineTask(job.id, i, owner))
                elif drawn < 0.95:
                    cancel = jobs.CancelJob(job.id, job.consumer)
                    self._desk.send(f"cancel-{job.id}", cancel)
            elif task.stage is TaskStage.ACCEPTED and drawn < 0.95:
                owner = self._owner(task.resource)
                root = sha256(tries.encode()).hexdigest()
                work = min(1 + int(drawn * 8), job.units)
                deliver = jobs.DeliverTask(job.id, i, owner, root, work)
                self._desk.send(f"deliver-{tries}", deliver)

    def _check(self, audit: Audit, now: int) -> None:
        """Say what is thought of work: mostly what is right, by most of the panel."""
        job, _, place = audit.id.rpartition(":")
        known = self._canaries.outcome(job)
        right = chance("work", audit.seed) < 0.85 if known is None else known[0]
        for each in audit.panel:
            name = f"{audit.seed[:12]}-{each.round}-{each.resource}"
            drawn = chance("verdict", name)
            passed = right is not (drawn < 0.05)
            salt = sha256(name.encode()).hexdigest()
            whose = (job, int(place), each.resource, self._owner(each.resource))
            if not each.digest and now < audit.commit_by and drawn < 0.97:
                digest = validation.verdict_digest(*whose[:3], salt, passed=passed)
                commit = validation.CommitVerdict(*whose, digest)
                self._desk.send(f"commit-{name}", commit)
            may_reveal = audit.commit_by <= now < audit.reveal_by
            if each.digest and each.passed is None and may_reveal and drawn < 0.95:
                reveal = validation.RevealVerdict(*whose, passed, salt)
                self._desk.send(f"reveal-{name}", reveal)

    def _come_or_go(self) -> None:
        """Let somebody change something about what it offers."""
        rng = self._rng
        resources = self._eyes.all_of(Resource)
        # Who is not drawn any more mostly comes back: else nobody would be left.
        unseated = [
            each
            for each in resources
            if each.can.kind == supply.VALIDATOR and each.stage is not Stage.STAKED
        ]
        resource = rng.choice(rng.choice((unseated, resources)) or resources)
        key, name, owner = f"go-{self._new()}", resource.id, resource.owner
        validates = resource.can.kind == supply.VALIDATOR
        self._owners[name] = owner
        drawn = rng.random()
        command: object
        if resource.stage is Stage.RETIRED:
            command = registered(f"n-{self._new()}", rng)
        elif resource.stage is Stage.CERTIFIED:
            command = supply.StakeCertificate(name, owner)
        elif resource.stage is not Stage.STAKED and drawn < 0.5:
            command = jobs.RequestCertification(name, owner)
        elif resource.stage is not Stage.STAKED:
            command = supply.CertifyResource(name, "seen again")
        elif drawn < 0.6 and not validates:
            price, slots = rng.randrange(1, DOLLAR), rng.randrange(1, 4)
            command = supply.RepriceResource(name, owner, price, slots)
        elif drawn < 0.7:
            command = supply.RevokeCertificate(name, "asleep")
        elif drawn < 0.75 and not validates:
            command = supply.RetireResource(name, owner)
        else:
            command = registered(f"n-{self._new()}", rng)
        self._desk.send(key, command)


def load_by(name: str) -> Load:
    """Choose how the market keeps offers."""
    if name == "plain":
        return load_few
    from coopera.service.market.bulk import load_many  # noqa: PLC0415 - it compiles

    return load_many


def live(
    url: str, home: str, life: str, offers: str, held: str, away: str, *faults: str
) -> None:
    """Run a market, and do what its members do."""
    writing.SWEEP_SECONDS = SWEEP_SECONDS  # type: ignore[misc]
    folder = Path(home)
    store = opened(url)
    for i in range(0, len(faults), 4):
        at_write(store, Write(*faults[i + 1 : i + 4]), die)
    clock = FastClock(max(store.head().at, START) + int(away) * SECOND)
    canaries = Canaries(folder / "canaries")
    load = load_by(offers)
    links = Links(folder / "links", few=FEW_LINKS)
    market = Market(links, canaries, load=load)
    with Writer(store, market=market, clock=clock) as writer:
        desk = Desk(writer, folder)
        prepare(desk, int(held))
        eyes = Eyes(url)
        members = Members(desk, eyes, canaries, clock, life)
        print("under load", flush=True)
        until = time.monotonic() + WAIT_SECONDS
        left, calm = 1, False
        while left or not calm:
            # Whatever was asked before this look is seen by it.
            calm = not (members.orders or desk.waiting)
            try:
                left = members.look()
            except StoreFailed:
                eyes.open_again()
                calm = False
            assert life != LAST or time.monotonic() < until, f"{left} jobs never end"
            time.sleep(LOOK_SECONDS)
        end(writer, eyes, clock, load)


def prepare(desk: Desk, held_back: int) -> None:
    """Have done what the others stand on, each once."""
    for n, command in enumerate(preparations(held_back)):
        key = f"prepare-{n:06}"
        desk.send(key, command)
        while key not in desk.told:
            time.sleep(0.001)
            desk.send_again()


def end(writer: Writer, eyes: Eyes, clock: FastClock, load: Load) -> None:
    """Close one more day and pay it; the market must then be what the books are."""
    day, until = eyes.day(), time.monotonic() + WAIT_SECONDS
    while eyes.day() == day:
        assert time.monotonic() < until, "the day is never closed"
        time.sleep(LOOK_SECONDS)
    clock.stop()
    writer.rested().result(WAIT_SECONDS)
    due = eyes.store.due(clock())
    assert due == [], due
    known = writer.ask(picture).result(WAIT_SECONDS)
    again = Market(load=load)
    books = writer._books
    assert books.params is not None
    again.load(eyes.store, books.state, books.params)
    follows = again.follow(books.state, 10**6)
    assert follows == [], follows
    assert known == picture(again)


if __name__ == "__main__":
    live(*sys.argv[1:])
