"""What is due is done by the writer itself, busy or not."""

import json
import time
from contextlib import contextmanager
from hashlib import sha256

import pytest

from coopera.params import CHAPTERS
from coopera.params.document import preset
from coopera.protocol import jobs, supply, validation
from coopera.protocol.books import OpenBooks
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.orders import Need
from coopera.service import Request, Writer
from coopera.store import MemoryStore

SECOND = 1_000_000
START = 1_000 * SECOND
GOVERNED = (*CHAPTERS, "payment_matrix", "projects")
TABLES = {k: v for k, v in preset("minimal").tables.items() if k in GOVERNED}
TABLES |= {"pricing": {"price_floor_usd": 1}, "validation": {"validators_per_job": 1}}
CREDIT, TRAINER, CHECKER = "consumer:alice:credit", "supplier:gpu", "supplier:val"
ROOT = SALT = "ab" * 32
ANCHOR = sha256(bytes.fromhex(ROOT)).hexdigest()


def prepared():
    """Open a market of one trainer and one validator, with a job of ten seconds."""
    yield OpenBooks(json.dumps(TABLES, default=str), 0)
    for owner in ("consumer:alice", TRAINER, CHECKER):
        yield OpenAccounts(owner)
    yield Deposit(CREDIT, "usd", 10 * SECOND, "ch_1")
    for name, kind, owner in (
        ("t1", "training", TRAINER),
        ("v1", supply.VALIDATOR, CHECKER),
    ):
        yield Deposit(f"{owner}:token", "token", 50 * SECOND, f"tokens-{name}")
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

    def __init__(self, store):
        self.store = store
        self.now = START
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
    network.now = START + 1200 * SECOND
    network.becomes(lambda: stage(network) == "refunded")

    audit = json.loads(network.store.record("audit", "j1:0"))
    assert audit["over"]
    assert network.store.balances()[f"{TRAINER}:token"] == 50 * SECOND
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
