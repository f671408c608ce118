"""
Some days of a market as a script, and what its books must be once it is over.

`Story` lives through the days once, command by command and without a writer, and does
itself what is due at the end of each step. Of that comes a script of steps: the moment
at which the clock stands, the commands of members and the operator in their order, and
what has to be true before the clock goes on. What the network does by itself is in the
story's books and not in the script.

Whoever gives the commands of the script in that order, with the clock where it says,
gets the same books, however often it was interrupted: a task fits one resource alone,
draws follow from the beacon, and pay does not depend on the moment at which it is paid
(where nothing is held back, the next day's jobs may go on meanwhile; otherwise they
wait for it).
"""

import json
import random
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from coopera.accounting.audit import audit
from coopera.errors import Refusal
from coopera.ledger import NEVER, Receipt
from coopera.params import CHAPTERS
from coopera.params.document import preset
from coopera.protocol import jobs, supply, validation
from coopera.protocol.accounts import FLOAT, HELD_TOKEN, HELD_USD, VALIDATORS
from coopera.protocol.books import CURRENT, Day, OpenBooks
from coopera.protocol.commands import KINDS, OPERATOR, rule_of
from coopera.protocol.live import PAID_AT_ONCE, CloseDay, Payday, PayEarnings
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.orders import HELD, Audit, Earning, Job, JobStage, Need, TaskStage
from coopera.protocol.records import NAMES, RECORDS
from coopera.protocol.settlement import VERDICTS
from coopera.protocol.supply import Resource, Track
from coopera.service import Books, Request, Writer
from coopera.store import MemoryStore, Store
from coopera.store.sql import SqlStore

T = TypeVar("T")

SECOND = 1_000_000
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
START = 1_800_000_000 * SECOND
CONSUMER = "consumer:alice"
OWNERS, CHECKERS = 30, 12
"""Owners of trainers and of validators."""
STAKED = 110 * SECOND
"""What a validator costs its owner at most, in micro-tokens."""
TASKS_A_JOB = 6
LINKS = 16
WAIT_SECONDS = 60
GOVERNED = (*CHAPTERS, "payment_matrix", "projects")


@dataclass(frozen=True)
class Plan:
    """What kind of days to write down."""

    earners: int = 216
    """Trainers that have a task each day, one each."""
    days: int = 2
    held_back: int = 0
    """Jobs whose pay is held back; the next day then begins when all are paid."""
    away: int = 0
    """Days that nobody closes after the first one, until somebody is back."""
    validators: int = CHECKERS
    checked: str = "0.1"
    """Part of the work that is checked."""
    lost: str = "reserve"
    """Where lost bonds go."""
    sentiment: int = 0
    """Said once, by whoever closes the first day by hand; if it is."""
    seed: int = 1

    def tables(self) -> str:
        """Write the settings."""
        tables = dict(preset("minimal").tables)
        tables["pricing"] = {"price_floor_usd": 1}
        tables["token"] = {**tables["token"], "initial_circulating": 60_000}
        # Fees of all who come fill the float, so that it never lacks verdicts' pay.
        tables["onboarding"] = {**tables["onboarding"], "min_onboarding_fee": 1}
        tables["bonding"] = {"slash_destination": self.lost}
        tables["validation"] = {
            "validation_rate": self.checked,
            "held_back_jobs": self.held_back,
        }
        governed = {name: tables[name] for name in GOVERNED if name in tables}
        return json.dumps(governed, default=str)


@dataclass
class Step:
    """Commands that are given while the clock stands."""

    at: int
    closed: int
    """Days that must be closed before the clock goes on."""
    quiet: bool
    """Whether all that is due must be done before the clock goes on."""
    commands: list[tuple[str, str, str, str]] = field(default_factory=list)
    """Key, kind, JSON, and what is answered: `done`, or the code of a refusal."""
    left: list[tuple[str, str, str]] = field(default_factory=list)
    """Kind, name and JSON of what is due in the end all the same: work that is late,
    and still being judged."""


Kept = tuple[dict[str, int], dict[str, dict[str, str]]]
"""Balances, and the latest version of every record by kind and name."""


def kept(store: Store) -> Kept:
    """Read what books hold."""
    balances = {str(path): held for path, held in store.balances().items()}
    return balances, {kind: dict(store.records(kind)) for kind in RECORDS}


def chain(length: int) -> tuple[str, list[str]]:
    """Make a beacon's chain: its anchor, and its links in the order of revealing."""
    links = [sha256(b"the last link").digest()]
    for _ in range(length):
        links.append(sha256(links[-1]).digest())
    anchor, *rest = (each.hex() for each in reversed(links))
    return anchor, rest


class Clock:
    """A clock that stands until it is set."""

    def __init__(self) -> None:
        self.now = START

    def __call__(self) -> int:
        """Tell the time."""
        return self.now


class Story:
    """The days as they are lived through once, over any home of the books."""

    def __init__(self, store: Store, plan: Plan) -> None:
        self.store, self.plan = store, plan
        self.books = Books(store)
        self.steps: list[Step] = []
        self.own = 0
        self._sentiment = 0
        self._rng = random.Random(plan.seed)
        self._keys = count(1)
        anchor, links = chain(LINKS)
        self._links = iter(links)
        self._prepare(anchor)
        self._days()

    def step(self, at: int, *, closed: int = 0, quiet: bool = False) -> None:
        """Let the clock go on; what was done before is written."""
        self._end_step()
        self.steps.append(Step(at, closed, quiet))

    def _end_step(self) -> None:
        self._write()
        for step in self.steps[-1:]:
            step.left = _left(self.store, step.at)

    def give(self, *commands: object, refused: str = "") -> None:
        """Give commands of the script."""
        step = self.steps[-1]
        for command in commands:
            key = f"step-{next(self._keys):08}"
            code = self._do(key, command, step.at)
            assert code == (refused or "done"), (command, code)
            body = msgspec.json.encode(command).decode()
            step.commands.append((key, rule_of(command).kind, body, code))

    def by_itself(self, *commands: object) -> None:
        """Do what the network does by itself, in the order in which it falls due."""
        for command in commands:
            self.own += 1
            code = self._do(f"own-{self.own:08}", command, self.steps[-1].at)
            assert code == "done", (command, code)

    def _do(self, key: str, command: object, at: int) -> str:
        if rule_of(command).reads_history:
            self._write()
        (outcome,) = self.books.run([Request(key, OPERATOR, command)], at)
        if isinstance(outcome, Receipt):
            return "done"
        code = getattr(outcome, "code", None)
        assert code, repr(outcome)
        return str(code)

    def _write(self) -> None:
        batch = self.books.take()
        if batch.receipts:
            self.store.write(batch)

    def _find(self, kind: type[Any], name: str) -> Any:
        found = self.books.state.record(kind, name)
        assert found is not None, (kind, name)
        return found

    def _prepare(self, anchor: str) -> None:
        self.step(START)
        self.give(
            OpenBooks(self.plan.tables(), 1_000_000_000, DAY // SECOND),
            OpenAccounts(CONSUMER),
            Deposit(f"{CONSUMER}:credit", "usd", 10**12, "paid"),
            validation.OpenBeacon(anchor),
        )
        earners = self.plan.earners
        stakes = self.plan.validators // CHECKERS * STAKED
        for n in range(OWNERS + CHECKERS):
            owner = f"supplier:s{n}"
            tokens = 400 * SECOND + (stakes if n >= OWNERS else 0)
            self.give(OpenAccounts(owner))
            self.give(Deposit(f"{owner}:token", "token", tokens, f"token-{n}"))
        offers = [
            *((f"t{n}", "training", f"s{n % OWNERS}") for n in range(earners)),
            *((f"i{n}", "inference", f"s{n}") for n in range(3)),
            *(
                (f"v{n}", "validator", f"s{OWNERS + n % CHECKERS}")
                for n in range(self.plan.validators)
            ),
        ]
        for n, (name, kind, who) in enumerate(offers):
            owner = f"supplier:{who}"
            # A device of its own: a task that asks for it fits nobody else.
            what = (f"device-{name}", 1, 0, "eu", 100, 1, 900)
            seat = "demo" if n < 2 else ""
            self.give(
                supply.RegisterResource(name, owner, kind, *what),
                supply.CertifyResource(name, "seen"),
                supply.StakeCertificate(name, owner, seat),
            )

    def _days(self) -> None:
        plan = self.plan
        day, morning = 0, START
        if plan.away:
            self._work(day, morning)
            for n in range(plan.away):
                deadline = morning + n * DAY + 6 * HOUR
                self._order(f"missed-{n}", [_for("training", "nobody")], deadline)
            if plan.sentiment:
                self._close(day, morning + MINUTE)
            day, morning = plan.away, START + plan.away * DAY + DAY // 2
            self.step(morning, closed=day)
            self._catch_up()
        for today in range(day, day + plan.days):
            self._work(today, morning)
            # What is not accepted, is not said, and at last is not done.
            for minutes in (25, 50, 120):
                self.step(morning + minutes * MINUTE, closed=today, quiet=True)
                self._catch_up()
            if plan.sentiment and not today:
                self._close(today, morning + 3 * HOUR)
            morning = START + (today + 1) * DAY
            waits = plan.held_back > 0 or today + 1 == day + plan.days
            self.step(morning, closed=today + 1, quiet=waits)
            self._catch_up()
        self._end_step()

    def _close(self, day: int, at: int) -> None:
        """Close a day by hand; what is said of it, later ones carry on."""
        self.step(at, closed=day + 1, quiet=self.plan.held_back > 0)
        self._sentiment = self.plan.sentiment
        self.give(CloseDay(day, self._sentiment))
        self._catch_up()

    def _order(
        self,
        name: str,
        needs: Iterable[Need],
        deadline: int,
        pipeline: str = "training",
    ) -> None:
        price = self._rng.randrange(3 * SECOND, 30 * SECOND)
        self.give(
            jobs.CreateJob(
                *(name, CONSUMER, pipeline, "demo", price, SECOND, tuple(needs)),
                deadline,
                self._rng.randrange(1000),
                units=10,
            )
        )

    def _work(self, day: int, morning: int) -> None:
        """Have all trainers work, and let some orders end otherwise."""
        rng = self._rng
        self.step(morning + SECOND)
        deadline = morning + HOUR
        trainers = [f"t{n}" for n in range(self.plan.earners)]
        rng.shuffle(trainers)
        given: list[tuple[str, int, str]] = []
        for n in range(0, len(trainers), TASKS_A_JOB):
            some = trainers[n : n + TASKS_A_JOB]
            name = f"d{day}-j{n}"
            self._order(name, (_for("training", each) for each in some), deadline)
            given += [(name, i, each) for i, each in enumerate(some)]
        for n in range(3):
            name, trainer = f"d{day}-s{n}", trainers[n]
            needs = (_for("training", trainer), _for("inference", f"i{n}"))
            self._order(name, needs, deadline, "serving")
            given += [(name, 0, trainer), (name, 1, f"i{n}")]
        self._order(f"d{day}-late", [_for("training", "nobody")], deadline)
        self._order(f"d{day}-idle", [_for("training", "t0")], deadline)

        self.step(morning + 5 * SECOND)
        for job, i, resource in given:
            owner = self._find(Resource, resource).owner
            root = sha256(f"{job}:{i}".encode()).hexdigest()
            self.give(
                jobs.MatchTask(job, i, resource),
                jobs.AcceptTask(job, i, owner),
                jobs.DeliverTask(job, i, owner, root, rng.randrange(1, 10)),
            )
        self.give(
            jobs.AcceptTask(given[0][0], 0, "supplier:s29"), refused="wrong_stage"
        )
        self.give(jobs.MatchTask(f"d{day}-idle", 0, "t0"))
        self.step(morning + 10 * SECOND)
        self._reveal()
        doubted = self._check(given)
        self.step(morning + 15 * SECOND)
        self._reveal()
        for job, i in doubted:
            self._say(job, i, right=True, dissents=True)

    def _reveal(self) -> None:
        """Reveal a link, and draw the panels that have waited for it."""
        self.give(validation.RevealLink(next(self._links)))
        for name, audit_ in sorted(self.books.state.records(Audit).items()):
            if not audit_.over and not audit_.panel:
                job, _, i = name.rpartition(":")
                self.give(validation.DrawValidators(job, int(i)))

    def _check(self, given: list[tuple[str, int, str]]) -> list[tuple[str, int]]:
        """
        Draw for what was delivered; of what is audited, most is found right.

        Returns the tasks of which a panel disagrees, so that a larger one is asked.
        """
        audited = 0
        doubted = []
        for job, i, _ in given:
            if self._find(Job, job).stage is not JobStage.OPEN:
                continue
            self.give(validation.DrawValidators(job, i))
            if self.books.state.record(Audit, f"{job}:{i}") is None:
                continue
            audited += 1
            if audited == 1:
                continue  # its validators are silent
            dissents = audited % 5 == 3
            self._say(job, i, right=audited != 2, dissents=dissents)
            if dissents:
                doubted.append((job, i))
        return doubted

    def _say(self, job: str, i: int, *, right: bool, dissents: bool) -> None:
        said = []
        for n, each in enumerate(self._find(Audit, f"{job}:{i}").panel):
            passed = right is not (dissents and n == 0)
            owner = self._find(Resource, each.resource).owner
            salt = sha256(f"salt:{job}:{i}:{each.resource}".encode()).hexdigest()
            digest = validation.verdict_digest(
                job, i, each.resource, salt, passed=passed
            )
            said.append((each.resource, owner, passed, salt))
            self.give(validation.CommitVerdict(job, i, each.resource, owner, digest))
        for resource, owner, passed, salt in said:
            self.give(validation.RevealVerdict(job, i, resource, owner, passed, salt))
        self.give(validation.ConcludeAudit(job, i))

    def _catch_up(self) -> None:
        """Do what is due, what fell due first in front; pay comes after all else."""
        now = self.steps[-1].at
        closed = False
        while True:
            due = [*self._lapsed(now)]
            day = self.books.state.economy()
            if day.ends <= now:
                # The next of several days that were missed is due from now on.
                at = now if closed else day.ends
                due.append((at, "day", CloseDay(day.day, self._sentiment)))
            if not due:
                break
            *_, command = min(due, key=lambda each: each[:2])
            self.by_itself(command)
            closed = closed or isinstance(command, CloseDay)
        paydays = self.books.state.records(Payday)
        for name in sorted(paydays):
            while self._find(Payday, name).due is not None:
                self.by_itself(PayEarnings(name))

    def _lapsed(self, now: int) -> Iterator[tuple[int, str, object]]:
        """Find audits and jobs whose time is over."""
        judged = set()
        for each in self.books.state.records(Audit).values():
            if each.due is not None:
                judged.add(each.id)
            if each.due is not None and each.due <= now:
                name, _, place = each.id.rpartition(":")
                yield each.due, each.id, validation.ConcludeAudit(name, int(place))
        for job in self.books.state.records(Job).values():
            if job.due is None or job.due > now:
                continue
            for i, task in enumerate(job.tasks):
                nobody = task.stage is TaskStage.CREATED and job.deadline <= now
                late = task.stage in HELD and task.due <= now
                if nobody or (late and f"{job.id}:{i}" not in judged):
                    yield job.due, job.id, jobs.ExpireTask(job.id, i)
                    break


def _for(kind: str, resource: str) -> Need:
    return Need(kind, devices=(f"device-{resource}",))


def save(script: Sequence[Step], path: Path) -> Path:
    """Write a script to a file."""
    path.write_bytes(msgspec.json.encode(script))
    return path


def load(path: Path) -> list[Step]:
    """Read a script from a file."""
    return msgspec.json.decode(path.read_bytes(), type=list[Step])


def command_of(kind: str, body: str) -> object:
    """Read a command as it is kept in a receipt or in a script."""
    return msgspec.json.decode(body, type=KINDS[kind])


def reached(step: Step, store: Store) -> bool:
    """Tell whether the clock may go on; it did where something is of a later moment."""
    if store.head().at > step.at:
        return True
    body = store.record(NAMES[Day], CURRENT)
    if body is None or msgspec.json.decode(body, type=Day).economy.day < step.closed:
        return False
    return not step.quiet or _left(store, step.at) == step.left


def _left(store: Store, until: int) -> list[tuple[str, str, str]]:
    return [
        (kind, name, store.record(kind, name) or "") for kind, name in due(store, until)
    ]


def due(store: Store, until: int) -> list[tuple[str, str]]:
    """Read all that is due at a moment, in order."""
    return store.due(until)


def receipts(store: Store) -> list[Receipt]:
    """Read all receipts."""
    found = (store.receipt(n + 1) for n in range(store.head().receipt))
    return [each for each in found if each is not None]


def replayed(store: Store) -> MemoryStore:
    """Give all commands of the receipts again, to books in memory."""
    memory = MemoryStore()
    books = Books(memory)
    for each in receipts(store):
        command = command_of(each.kind, each.command)
        if rule_of(command).reads_history:
            memory.write(books.take())
        request = Request(each.key, each.caller, command)
        (again,) = books.run([request], each.at)
        assert again == each, f"receipt {each.id}: {again}"
    memory.write(books.take())
    return memory


def check_replay(store: Store) -> None:
    """Hold books against what their own commands give, once more and in memory."""
    again = replayed(store)
    assert again.head() == store.head()
    assert kept(again) == kept(store)
    assert due(again, NEVER) == due(store, NEVER)


def check_days(store: Store, days: int) -> None:
    """Hold that each day was closed once, and everybody paid once and in full."""
    written = receipts(store)
    closed = [_given(each)["day"] for each in written if each.kind == "close_day"]
    assert closed == list(range(days))
    paydays = _all(store, Payday)
    resources = _all(store, Resource)
    earned: dict[str, list[Earning]] = {name: [] for name in paydays}
    for earning in _all(store, Earning).values():
        earned[earning.id.rpartition(":")[0]].append(earning)
    parts, gave, got = _paid(store, written)
    kept = _kept(store, written)
    # What is held back is paid later, and not by the payday of its own.
    held = sum(store.balances().get(each, 0) for each in (HELD_USD, HELD_TOKEN))
    for name, payday in paydays.items():
        earners = earned[name]
        assert payday.due is None
        assert payday.paid == payday.earners == len(earners)
        assert payday.paid_units == payday.units
        # Whose pay of the day was lost with a fraud may have earned anew.
        paid = [each.resource for each in earners if not each.forfeited]
        assert len(set(paid)) == len(paid)
        assert parts[name] == -(-len(earners) // PAID_AT_ONCE)
        if name.endswith(f":{VERDICTS}"):
            moved = gave[name], got[name], kept[name]
            _check_verdicts(payday, earners, resources, *moved)
        elif payday.units:
            kind = name.rpartition(":")[2]
            assert gave[name][f"suppliers:{kind}:usd"] == payday.usd
            assert gave[name][f"suppliers:{kind}:token"] == payday.token
            if not held:
                _check_shares(payday, earners, resources, got[name])
    assert not any(each.unpaid for each in _all(store, Track).values())
    for path, left in store.balances().items():
        assert not (left and path.startswith("suppliers:")), path


def _check_shares(
    payday: Payday,
    earners: Iterable[Earning],
    resources: dict[str, Resource],
    got: Counter[str],
) -> None:
    """Hold that suppliers got their parts of the dollars."""
    owed: dict[str, list[int]] = {}
    for each in earners:
        owner = resources[each.resource].owner
        if not each.forfeited:
            owed.setdefault(owner, []).append(each.units)
    for owner, units in owed.items():
        due = payday.usd * sum(units) // payday.units
        # Each of its parts is rounded by less than one.
        assert abs(got[f"{owner}:usd"] - due) <= len(units), owner


def _check_verdicts(
    payday: Payday,
    earners: Iterable[Earning],
    resources: dict[str, Resource],
    gave: Counter[str],
    got: Counter[str],
    kept: Counter[str],
) -> None:
    """Hold that validators got their rewards, and lost bonds to the last unit."""
    due: Counter[str] = Counter()
    shared = units = 0
    for each in sorted(earners, key=lambda each: int(each.id.rpartition(":")[2])):
        units += each.units
        until = payday.token * units // payday.units
        due[f"{resources[each.resource].owner}:token"] += each.units + until - shared
        shared = until
    assert (units, shared) == (payday.units, payday.token)
    assert gave[VALIDATORS] == payday.token
    assert gave[FLOAT] + gave[VALIDATORS] == sum(got[each] for each in due)
    assert {each: got[each] + kept[each] for each in due} == due


Moved = dict[str, Counter[str]]
"""Micro-units by payday and account."""


def _kept(store: Store, written: Sequence[Receipt]) -> Moved:
    """Find what validators owed, and did not get for that."""
    kept: Moved = defaultdict(Counter)
    if not isinstance(store, SqlStore):
        # It has the latest versions alone; nobody comes to owe anything there.
        assert not any(each.owed for each in _all(store, Resource).values())
        return kept
    paid = {
        each.id: _given(each)["payday"]
        for each in written
        if each.kind == "pay_earnings"
    }
    owed: dict[str, int] = {}
    for receipt, body in store.read(
        "SELECT receipt, body FROM records WHERE kind = 'resource' ORDER BY receipt"
    ):
        resource = msgspec.json.decode(body, type=Resource)
        less = owed.get(resource.id, 0) - resource.owed
        owed[resource.id] = resource.owed
        if receipt in paid:
            kept[paid[receipt]][f"{resource.owner}:token"] += less
    return kept


def _paid(
    store: Store, written: Sequence[Receipt]
) -> tuple[Counter[str], Moved, Moved]:
    """Find into how many parts paydays went, what accounts gave, and what they got."""
    parts: Counter[str] = Counter()
    gave: Moved = defaultdict(Counter)
    got: Moved = defaultdict(Counter)
    for each in written:
        if each.kind == "pay_earnings":
            name = _given(each)["payday"]
            parts[name] += 1
            for moved in store.transfers(each):
                gave[name][moved.debit] += moved.amount
                got[name][moved.credit] += moved.amount
    return parts, gave, got


def _given(receipt: Receipt) -> Any:
    return json.loads(receipt.command)


def _all(store: Store, kind: type[T]) -> dict[str, T]:
    """Read all records of a class."""
    return {
        name: msgspec.json.decode(body, type=kind)
        for name, body in store.records(NAMES[kind]).items()
    }


def check(store: SqlStore) -> None:
    """Audit the books."""
    report = audit(store)
    assert report.clean, report


def by(writer: Writer, clock: Clock, script: Iterable[Step], store: Store) -> None:
    """Give the commands of a script to a writer, whose clock stands at each step."""
    for step in script:
        clock.now = step.at
        asked = [
            (writer.submit(Request(key, OPERATOR, command_of(kind, body))), code)
            for key, kind, body, code in step.commands
        ]
        for future, code in asked:
            assert _told(future) == code
        wait_until(partial(reached, step, store))


def _told(future: "Future[Receipt]") -> str:
    try:
        future.result(timeout=WAIT_SECONDS)
    except Refusal as refusal:
        return refusal.code
    return "done"


def wait_until(true: Callable[[], bool]) -> None:
    """Wait until something is so."""
    until = time.monotonic() + WAIT_SECONDS
    while not true():
        assert time.monotonic() < until, "nothing happens any more"
        time.sleep(0.01)
