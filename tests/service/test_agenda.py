"""What is due is done by the writer itself, busy or not."""

import json
import time
from contextlib import contextmanager
from functools import cache, partial
from hashlib import sha256

import pytest

from coopera.accounting.audit import audit
from coopera.formulas.royalty import PART
from coopera.params import CHAPTERS
from coopera.params.document import preset
from coopera.protocol import data, jobs, supply, training, validation
from coopera.protocol.books import OpenBooks, read_settings
from coopera.protocol.commands import execute
from coopera.protocol.invariants import check_vault
from coopera.protocol.live import CloseDay
from coopera.protocol.memory import MemoryState
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.orders import Need
from coopera.protocol.overlay import Overlay
from coopera.protocol.state import Economy, Epoch
from coopera.protocol.vaults import Holding, Vault
from coopera.service import Request, Writer, agenda
from coopera.service import writer as writing
from coopera.store import MemoryStore
from coopera.store.opening import open_store
from coopera.store.sql import SqlStore

SECOND = 1_000_000
START = 1_000 * SECOND
DAY = 2_000 * SECOND
GOVERNED = (*CHAPTERS, "payment_matrix", "projects")
TABLES = {k: v for k, v in preset("minimal").tables.items() if k in GOVERNED}
TABLES |= {"pricing": {"price_floor_usd": 1}, "validation": {"validators_per_job": 1}}
CREDIT, TRAINER, CHECKER = "consumer:alice:credit", "supplier:gpu", "supplier:val"
ROOT = SALT = "ab" * 32
ANCHOR = sha256(bytes.fromhex(ROOT)).hexdigest()


def prepared():
    """Open a market of one trainer and one validator, with a job of ten seconds."""
    yield OpenBooks(json.dumps(TABLES, default=str), 0, DAY // SECOND)
    for owner in ("consumer:alice", TRAINER, CHECKER):
        yield OpenAccounts(owner)
    yield Deposit(CREDIT, "usd", 10 * SECOND, "ch_1")
    for name, kind, owner in (
        ("t1", "training", TRAINER),
        ("v1", supply.VALIDATOR, CHECKER),
    ):
        yield Deposit(f"{owner}:token", "token", 150 * SECOND, f"tokens-{name}")
        what = ("cpu", 1, 0, "eu", 100, 1)
        yield supply.RegisterResource(name, owner, kind, *what)
        yield supply.CertifyResource(name, "seen")
        yield supply.StakeCertificate(name, owner)
    need = (Need("training"),)
    yield jobs.CreateJob(
        *("j1", "consumer:alice", "training", "demo", SECOND, SECOND, need),
        START + 100 * SECOND,
    )


class Network:
    """A writer whose clock stands until it is moved."""

    def __init__(self, store, now=START):
        self.store = store
        self.now = now
        self.given = 0
        self.writer = Writer(store, clock=lambda: self.now)

    def give(self, *commands):
        for command in commands:
            self.given += 1
            request = Request(f"key-{self.given:08}", "operator", command)
            self.writer.execute(request)

    def becomes(self, what, *, busy=False):
        """Wait until something is so; a busy network has commands all the while."""
        until = time.monotonic() + 20
        while not what() and time.monotonic() < until:
            if busy:
                self.give(OpenAccounts(f"holder:h{self.given}"))
            else:
                time.sleep(0.02)
        assert what()


@pytest.fixture
def network():
    with opened() as network:
        yield network


@contextmanager
def opened():
    network = Network(MemoryStore())
    network.give(*prepared())
    try:
        yield network
    finally:
        network.writer.close()


def stage(network):
    return json.loads(network.store.record("job", "j1"))["stage"]


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_job_that_nobody_takes_is_refunded_at_its_deadline(network, busy):
    assert network.store.balances()[CREDIT] == 9 * SECOND
    network.now = START + 100 * SECOND
    network.becomes(lambda: stage(network) == "refunded", busy=busy)

    assert network.store.balances()[CREDIT] == 10 * SECOND


def test_task_that_nobody_accepts_is_opened_again(network):
    network.give(jobs.MatchTask("j1", 0, "t1"))
    network.now = START + 60 * SECOND
    network.becomes(lambda: '"outcomes":"0"' in network.store.record("track", "t1"))

    # Less than the time to accept is left, so that nobody else could take it.
    assert stage(network) == "refunded"


def test_audit_of_silent_validators_ends_by_itself(network):
    network.give(
        jobs.MatchTask("j1", 0, "t1"),
        jobs.AcceptTask("j1", 0, TRAINER),
        validation.OpenBeacon(ANCHOR),
        jobs.DeliverTask("j1", 0, TRAINER, ROOT),
        validation.RevealLink(ROOT),
        validation.DrawValidators("j1", 0),
    )

    def audit():
        return json.loads(network.store.record("audit", "j1:0"))

    network.now = START + 1200 * SECOND
    network.becomes(lambda: audit()["round"] == 2)
    # Nobody reveals another link, so that the next round is never drawn.
    network.now += 1200 * SECOND
    network.becomes(lambda: stage(network) == "refunded")

    assert audit()["over"]
    assert network.store.balances()[f"{TRAINER}:token"] == 150 * SECOND
    assert '"outcomes":"0"' in network.store.record("track", "v1")


def test_nothing_is_due_of_a_canary(network):
    digest = validation.canary_digest("bird", SALT, passed=True)
    network.give(
        validation.OpenBeacon(ANCHOR),
        validation.PostCanary("bird", "training", Need("training"), ROOT, digest),
        validation.RevealLink(ROOT),
        validation.DrawValidators("bird", 0),
    )
    network.now = START + 1200 * SECOND
    network.becomes(lambda: stage(network) == "refunded")

    assert not json.loads(network.store.record("audit", "bird:0"))["over"]


def test_canary_that_nobody_reveals_ends_at_last_and_sets_its_validators_free(network):
    digest = validation.canary_digest("bird", SALT, passed=True)
    network.give(
        validation.OpenBeacon(ANCHOR),
        validation.PostCanary("bird", "training", Need("training"), ROOT, digest),
        validation.RevealLink(ROOT),
        validation.DrawValidators("bird", 0),
    )
    assert json.loads(network.store.record("track", "v1"))["busy"] == 1
    network.now = START + 31 * 86_400 * SECOND
    network.becomes(lambda: json.loads(network.store.record("audit", "bird:0"))["over"])

    assert json.loads(network.store.record("track", "v1"))["busy"] == 0


def day(network):
    return json.loads(network.store.record("day", "current"))["economy"]["day"]


@pytest.mark.parametrize("busy", [False, True], ids=["idle", "busy"])
def test_day_that_is_over_is_closed(network, busy):
    network.now = START + DAY - 1
    time.sleep(0.1)
    assert day(network) == 0
    network.now = START + DAY
    network.becomes(lambda: day(network) == 1, busy=busy)


def closes(network):
    """List the days that were closed, with their sentiment."""
    last = network.store.head().receipt
    receipts = [network.store.receipt(n) for n in range(1, last + 1)]
    given = [json.loads(each.command) for each in receipts if each.kind == "close_day"]
    return [(each["day"], each["sentiment"]) for each in given]


def test_missed_days_are_caught_up_each_once(network):
    network.now = START + 3 * DAY + DAY // 2
    network.becomes(lambda: day(network) == 3)
    network.now += SECOND
    time.sleep(0.1)
    # Nobody has said yet what asks for the token from outside.
    assert closes(network) == [(0, 0), (1, 0), (2, 0)]

    network.now = START + 4 * DAY
    network.becomes(lambda: day(network) == 4)


def test_sentiment_that_was_given_last_is_carried_on(network):
    network.give(CloseDay(0, 70 * SECOND))
    network.now = START + 2 * DAY
    network.becomes(lambda: day(network) == 2)
    network.give(CloseDay(2, 30 * SECOND))
    network.now = START + 5 * DAY + DAY // 2
    network.becomes(lambda: day(network) == 5)
    network.give(CloseDay(5, 0))
    network.now = START + 7 * DAY
    network.becomes(lambda: day(network) == 7)

    assert [each // SECOND for _, each in closes(network)] == [70, 70, 30, 30, 30, 0, 0]


def test_sentiment_is_carried_on_by_a_later_writer():
    store = MemoryStore()
    first = Network(store)
    first.give(*prepared(), CloseDay(0, 70 * SECOND))
    first.writer.close()

    again = Network(store)
    again.now = START + 3 * DAY
    try:
        again.becomes(lambda: day(again) == 3)
    finally:
        again.writer.close()
    assert closes(again) == [(0, 70 * SECOND), (1, 70 * SECOND), (2, 70 * SECOND)]


def test_pay_of_a_closed_day_comes_by_itself(network):
    network.give(
        jobs.MatchTask("j1", 0, "t1"),
        jobs.AcceptTask("j1", 0, TRAINER),
        validation.OpenBeacon(ANCHOR),
        jobs.DeliverTask("j1", 0, TRAINER, ROOT),
        validation.RevealLink(ROOT),
        validation.DrawValidators("j1", 0),
        validation.CommitVerdict(
            *("j1", 0, "v1", CHECKER),
            validation.verdict_digest("j1", 0, "v1", SALT, passed=True),
        ),
        validation.RevealVerdict("j1", 0, "v1", CHECKER, passed=True, salt=SALT),
        validation.ConcludeAudit("j1", 0),
    )
    network.now = START + DAY
    network.becomes(lambda: '"unpaid":[]' in network.store.record("track", "t1"))

    held = network.store.balances()["escrow:heldback:usd"]
    assert held == SECOND * 7 // 10 // 2
    assert network.store.balances()["suppliers:training:usd"] == 0


def test_day_is_closed_after_a_restart():
    store = MemoryStore()
    first = Network(store)
    first.give(*prepared())
    first.writer.close()

    again = Network(store)
    again.now = START + 2 * DAY
    again.given = 1_000
    try:
        again.becomes(lambda: day(again) == 2)
    finally:
        again.writer.close()


# Rounds of trainings


GIVEN = 2 * PART + 5
"""Offers of a round: three parts, the last of which is small."""
WAIT = 600 * SECOND
TARGET = (60, 30, 9, 1)
SCHEMA = "cd" * 32
NODES = (TRAINER, CHECKER)
ROYALTY = {"royalty": {"challenge_seconds": WAIT // SECOND}}
STEPS = 3 + 1 + 3


def digest(*words):
    return sha256(repr(words).encode()).hexdigest()


def trained():
    """Bring a round of a training, with data of many, to the end of its work."""
    yield OpenBooks(json.dumps(TABLES | ROYALTY, default=str), 0, 0)
    for owner in ("creator:ann", *NODES):
        yield OpenAccounts(owner)
    first = ("digits", "creator:ann", "federated", ROOT, ROOT, SCHEMA, 4)
    yield training.CreateTraining(*first)
    aims = training.target_digest("digits", 1, SALT, TARGET)
    yield training.StartRound("digits", "creator:ann", 1, aims)
    yield training.SelectNodes("digits", "creator:ann", 1, NODES)
    for n in range(GIVEN):
        giver, name = f"contributor:c{n % 300}", f"d{n}"
        if n < 300:
            yield OpenAccounts(giver)
        yield data.RegisterData(
            *(name, "digits", giver, digest(name), SCHEMA, f"0x{digest(n)}", ROOT)
        )
        counts = (3 + n % 7, 2, n % 2, 0)
        rows = tuple(digest(n, each) for each in range(sum(counts)))
        yield data.DeclareRows(name, giver, rows)
        hidden = data.histogram_digest(name, SALT, counts)
        yield data.CommitHistogram(name, giver, hidden)
        yield data.AuditData(name, sum(counts), sum(counts))
        yield data.OfferData(name, giver, 1, counts, SALT)
    for node in NODES:
        yield training.FinishWork("digits", 1, node, ROOT, 5)
        yield training.VerifyWork("digits", 1, node, valid=True, samples=5)
    values = ((TRAINER, 2), (CHECKER, 1))
    yield training.AggregateRound(
        *("digits", "creator:ann", 1, TARGET, SALT, ROOT, values)
    )


class Homes:
    """Books that may be closed and opened again, in memory or in a file."""

    def __init__(self, path=None):
        self._path, self._store = path, MemoryStore()

    def open(self, now=START):
        store = open_store(self._path) if self._path else self._store
        network = Network(store, now)
        network.given = network.store.head().receipt
        return network


@pytest.fixture(params=["memory", "sqlite"])
def home(request):
    """Give books of a network that has trained, and may be shut down."""
    path = None
    if request.param == "sqlite":
        path = request.getfixturevalue("sqlite_url")
    home = Homes(path)
    network = home.open()
    sent = []
    for n, command in enumerate(trained()):
        sent.append(network.writer.submit(Request(f"key-{n:08}", "operator", command)))
        if n == 0:
            sent[0].result(20)
    for each in sent:
        each.result(60)
    network.writer.close()
    return home


def at_round(network):
    return json.loads(network.store.record("round", "digits:1"))


def is_over(network):
    return at_round(network)["stage"] == "finished"


def units(balances):
    return {
        path: held
        for path, held in balances.items()
        if held and path.startswith(("units:", "vault:"))
    }


@cache
def in_memory():
    """Do the same without a writer: what everybody has in the end."""
    nothing = Economy(day=0, suppliers=(), projects=(), pools=())
    opening, *commands = trained()
    params = read_settings(opening.tables)
    state = Overlay(MemoryState({}, nothing, Epoch(day=-1), now_=START))
    for command in (opening, *commands, *[training.ShareRound("digits", 1)] * STEPS):
        if isinstance(command, training.ShareRound):
            state.at(START + WAIT)
        state.apply(execute(state, params, "operator", command))
    vault = state.record(Vault, "digits")
    assert vault is not None
    check_vault(
        state, vault, [each.partition(":")[2] for each in state.records(Holding)]
    )
    return units(state.balances())


def shared(network):
    """Count the steps of sharing that were done."""
    last = network.store.head().receipt
    receipts = [network.store.receipt(n) for n in range(1, last + 1)]
    return sum(each.kind == "share_round" for each in receipts)


def has_shared(network, steps):
    return shared(network) == steps


def test_round_goes_on_by_itself_once_nobody_may_challenge_it(home):
    network = home.open()
    try:
        network.now = START + WAIT - 1
        network.writer.rested().result(20)
        assert at_round(network)["stage"] == "aggregating"
        network.now = START + WAIT
        network.becomes(lambda: is_over(network))
        network.writer.rested().result(20)

        assert shared(network) == STEPS
        assert units(network.store.balances()) == in_memory()
        if isinstance(network.store, SqlStore):
            assert audit(network.store).clean
    finally:
        network.writer.close()


def test_round_goes_on_after_every_restart(home, monkeypatch):
    """The network is shut down after each step of sharing."""
    monkeypatch.setattr(agenda, "PARTS_AT_ONCE", 1)
    monkeypatch.setattr(writing, "SWEEP_SECONDS", 1000.0)
    for done in range(STEPS):
        # One look at what is due, and no other before the end.
        network = home.open(START + WAIT)
        try:
            network.becomes(partial(has_shared, network, done + 1))
        finally:
            network.writer.close()

    network = home.open(START + WAIT)
    try:
        network.writer.rested().result(20)
        assert is_over(network)
        assert shared(network) == STEPS
        assert units(network.store.balances()) == in_memory()
    finally:
        network.writer.close()


def test_round_that_is_challenged_waits(home):
    network = home.open()
    try:
        network.give(training.ChallengeRound("digits", 1, "contributor:c1", SCHEMA))
        network.now = START + 2 * WAIT
        network.writer.rested().result(20)
        assert at_round(network)["stage"] == "aggregating"
        network.give(training.ResolveChallenge("digits", 1, upheld=False))
        network.becomes(lambda: is_over(network))

        assert units(network.store.balances()) == in_memory()
    finally:
        network.writer.close()
