"""Books in a SQLite file in which every command was given, and all is in order."""

import json
import shutil
import sqlite3
from contextlib import ExitStack, closing
from hashlib import sha256
from pathlib import Path
from typing import Any

import pytest

from coopera.ledger import Receipt
from coopera.params.document import preset
from coopera.protocol import (
    claims,
    data,
    jobs,
    launchpad,
    listing,
    live,
    orders,
    supply,
    training,
    validation,
    vaults,
)
from coopera.protocol import contribution as c
from coopera.protocol import holds as h
from coopera.protocol import money as m
from coopera.protocol import services as s
from coopera.protocol.books import OpenBooks
from coopera.protocol.rehearsal import CloseEpoch, Sale
from coopera.service import Books, Request
from coopera.store.opening import migrate, open_store
from coopera.units import MicroUsd

START = 1_800_000_000_000_000
SECOND = 1_000_000
GOVERNED = ("token", "emission", "onboarding", "payment_matrix", "projects")


class Keeper:
    """Gives commands to the books in a file, one a second, each in its own commit."""

    def __init__(self, path):
        self.store: Any = open_store(str(path))
        store: Any = self.store
        self.books = Books(store)
        self.given = self.store.head().receipt

    def give(self, *commands, caller="operator"):
        self.given += 1
        requests = [
            Request(f"key-{self.given:06}-{i:04}", caller, command)
            for i, command in enumerate(commands)
        ]
        outcomes = self.books.run(requests, START + self.given * SECOND)
        for outcome in outcomes:
            assert isinstance(outcome, Receipt), outcome
        self.store.write(self.books.take())
        self.books.written(outcomes)
        return outcomes[-1]


def opening():
    tables = preset("minimal").tables
    governed = {name: tables[name] for name in GOVERNED}
    governed["royalty"] = {"challenge_seconds": 5}
    return OpenBooks(json.dumps(governed, default=str), 1000_000000)


def story():
    """Every command there is, at least once."""
    later = START + 3600 * SECOND
    yield opening()
    for owner in (
        *("consumer:alice", "consumer:zoe", "supplier:gpu-1", "supplier:gpu_2.eu"),
        *("creator:bob", "creator:tools", "creator:dev", "contributor:carol"),
        *("holder:hodl", "holder:other"),
    ):
        yield m.OpenAccounts(owner)
    yield m.CloseAccounts("holder:other")
    yield m.Deposit("consumer:alice:credit", "usd", 500_000000, "ch_1")
    yield m.Deposit("holder:hodl:token", "token", 90_000000, "0xä")
    yield m.RequestWithdrawal("w1", "consumer:alice:credit", "usd", 20_000000)
    yield m.ConfirmWithdrawal("w1", "po_1")
    yield m.RequestWithdrawal("w2", "consumer:alice:credit", "usd", 10_000000)
    yield m.CancelWithdrawal("w2")
    yield m.RequestWithdrawal("w3", "holder:hodl:token", "token", 3_000000)
    yield m.GrantCredit("consumer:zoe", 5_000000, "welcome")
    yield listing.ListModel("llm", "creator:bob", 3_000000, 15_000000)
    yield listing.ListAgent(
        "writer", "creator:bob", "llm", 3_000000, 15_000000, "creator:dev"
    )
    yield listing.ListGpu("h100", 2_500000)
    yield listing.ListData("labels", 60000)
    yield c.ListContribution("label", 100000)
    yield c.ListContribution("machine", 10_000000, "hour")
    compute = (("supplier:gpu-1", 2), ("supplier:gpu_2.eu", 1))
    tools = (("creator:tools", 2),)
    for name in ("h1", "h2", "h3", "h4"):
        yield h.OpenHold(name, "consumer:alice", 50000, later)
    yield s.CallAgent("consumer:alice", "writer", 1200, 800, compute, tools, "h1")
    yield s.CallModel("consumer:alice", "llm", 700, 90, compute)
    yield s.Train(
        *("consumer:alice", (("supplier:gpu-1", "h100", 1800),)),
        (("contributor:carol", "labels", 7),),
    )
    yield s.PayJob(
        *("consumer:alice", "serving", 2_000001),
        (("training", "supplier:gpu-1", 3), ("inference", "supplier:gpu_2.eu", 1)),
    )
    yield launchpad.PayLaunchpad(
        "stake", "writer", "holder:hodl:token", "token", 5_000001
    )
    yield m.Move("creator:bob:usd", "creator:tools:usd", "usd", 1000, "thanks")
    yield h.VoidHold("h2")
    yield listing.Retire("agent", "writer", "creator:bob")
    yield launchpad.ReturnStake("writer", "holder:hodl:token")
    yield c.Contribute("contributor:carol", (("label", 200), ("machine", 5400)))
    yield c.Contribute("creator:bob", (("label", 3),))
    yield c.ShareBudget("usd", 7_000000)
    sale = Sale("students", "serving", "demo", MicroUsd(5_000000), 40, 2)
    yield CloseEpoch(0, (sale,), MicroUsd(100_000000), (2, 2), (0, 0))
    yield from market_story()
    yield live.CloseDay(1, 100_000000)
    yield live.PayEarnings("1:demo:training")
    yield live.PayEarnings("1:-:validator")
    yield live.CloseDay(2, 100_000000)
    # The project is in Phase 2 now, and its seats are unlocked.
    yield supply.ClaimSeat("t2", "supplier:gpu_2.eu")
    yield from royal_story()


def royal_story():
    """Every command of trainings, data and vaults: one round is shared and claimed."""
    bob, carol = "creator:bob", "contributor:carol"
    nodes = ("supplier:gpu-1", "supplier:gpu_2.eu")
    one, salt, target, counts = "11" * 32, "5a" * 32, (6, 3, 1), (3, 2, 0)
    yield training.CreateTraining("digits", bob, "federated", one, one, one, 3)
    yield m.Deposit(f"{carol}:token", "token", 9_000000, "carol-1")
    yield data.StakeData("digits", carol, 4_000000)
    yield data.RegisterData("d1", "digits", carol, one, one, f"0x{one}", one)
    yield data.DeclareRows("d1", carol, tuple(f"{n}{n}" * 32 for n in range(5)))
    hidden = data.histogram_digest("d1", salt, counts)
    yield data.CommitHistogram("d1", carol, hidden)
    yield data.AuditData("d1", 5, 5)
    hidden = training.target_digest("digits", 1, salt, target)
    yield training.StartRound("digits", bob, 1, hidden)
    yield data.OfferData("d1", carol, 1, counts, salt)
    yield training.SelectNodes("digits", bob, 1, nodes)
    for node in nodes:
        yield training.FinishWork("digits", 1, node, one, 100)
        yield training.VerifyWork("digits", 1, node, valid=True, samples=90)
    values = ((nodes[0], 7), (nodes[1], 5))
    measured = training.AggregateRound("digits", bob, 1, target, salt, one, values)
    for upheld in True, False:
        yield measured
        yield training.ChallengeRound("digits", 1, carol, "22" * 32)
        yield training.ResolveChallenge("digits", 1, upheld)
    for n in range(3):
        yield vaults.PayRoyalty("digits", f"{bob}:usd", "usd", 1000 + n)
    for _ in range(3):
        yield training.ShareRound("digits", 1)
    yield data.ReturnDataStake("digits", carol)
    yield vaults.PayRoyalty("digits", f"{bob}:usd", "usd", 1000)
    yield vaults.CollectRevenue("digits")
    yield vaults.MoveUnits("digits", carol, nodes[0], 12345)
    yield training.StartRound("digits", bob, 2, one)
    yield training.AbandonRound("digits", bob, 2)
    yield training.FinishTraining("digits", bob)
    claim = claims.Claimable("digits", "usd", carol, 700)
    root = claims.written(claims.leaf_hashes((claim,))[0])
    yield vaults.PublishClaims(1, root, 1)
    yield vaults.ClaimRoyalty(carol, "digits", "usd", 700, 1, ())


def market_story():
    """Every command of the market: one job is paid, others fail on their way."""
    far = START + 10**6 * SECOND
    trainer, checkers = "supplier:gpu-1", [f"supplier:val-{n}" for n in range(3)]
    for n, owner in enumerate((trainer, "supplier:gpu_2.eu", *checkers)):
        if owner in checkers:
            yield m.OpenAccounts(owner)
        yield m.Deposit(f"{owner}:token", "token", 500_000000, f"tokens-{n}")
    for name, kind, owner in (
        ("t1", "training", trainer),
        ("t2", "training", "supplier:gpu_2.eu"),
        *((f"v{n}", "validator", owner) for n, owner in enumerate(checkers)),
    ):
        what = ("cpu", 1, 0, "eu", 100, 1, 9)
        yield supply.RegisterResource(name, owner, kind, *what)
        if name != "t2":
            yield supply.CertifyResource(name, "seen")
            yield supply.StakeCertificate(name, owner, "demo" * (name == "t1"))
    yield supply.RepriceResource("t1", trainer, 2, 5)
    links = [sha256(b"the last").digest()]
    links += [sha256(links[-1]).digest(), sha256(sha256(links[-1]).digest()).digest()]
    yield validation.OpenBeacon(sha256(links[2]).hexdigest())
    root, salt = "ab" * 32, "cd" * 32

    def checked(job, passed):
        yield validation.DrawValidators(job, 0)
        for n, owner in enumerate(checkers):
            name = f"v{n}"
            digest = validation.verdict_digest(job, 0, name, salt, passed=passed)
            yield validation.CommitVerdict(job, 0, name, owner, digest)
        for n, owner in enumerate(checkers):
            yield validation.RevealVerdict(job, 0, f"v{n}", owner, passed, salt)

    need = orders.Need("training")
    for name, deadline in (("j1", far), ("j2", far), ("j3", START + 250 * SECOND)):
        yield jobs.CreateJob(
            *(name, "consumer:alice", "training", "demo", 1_000000, 1_000000),
            *((need,), deadline),
        )
    yield jobs.MatchTask("j2", 0, "t1")
    yield jobs.DeclineTask("j2", 0, trainer)
    yield jobs.CancelJob("j2", "consumer:alice")
    yield jobs.MatchTask("j1", 0, "t1")
    yield jobs.AcceptTask("j1", 0, trainer)
    yield jobs.DeliverTask("j1", 0, trainer, root)
    yield validation.RevealLink(links[2].hex())
    yield from checked("j1", passed=True)
    yield validation.ConcludeAudit("j1", 0)
    yield jobs.RequestCertification("t2", "supplier:gpu_2.eu")
    yield jobs.DeliverTask("certify:t2:1", 0, "supplier:gpu_2.eu", root)
    digest = validation.canary_digest("bird", salt, passed=False)
    yield validation.PostCanary("bird", "training", need, root, digest)
    yield validation.RevealLink(links[1].hex())
    yield from checked("certify:t2:1", passed=False)
    yield validation.ConcludeAudit("certify:t2:1", 0)
    # Nobody else is there to confirm it.
    yield validation.RevealLink(links[0].hex())
    yield validation.DrawValidators("certify:t2:1", 0)
    yield from checked("bird", passed=True)
    yield validation.RevealCanary("bird", False, salt)  # noqa: FBT003
    yield supply.CertifyResource("t2", "seen")
    yield supply.StakeCertificate("t2", "supplier:gpu_2.eu", "demo")
    yield supply.RevokeCertificate("v2", "lazy")
    yield supply.RetireResource("t1", trainer)


def write_story(path):
    migrate(str(path))
    keeper = Keeper(path)
    charged = 0
    for command in story():
        receipt = keeper.give(command)
        charged = receipt.id if receipt.kind == "call_agent" else charged
    # What the one who was paid no longer has, the network gives back.
    keeper.give(m.Move("creator:dev:usd", "creator:bob:usd", "usd", 1000))
    keeper.give(m.RefundCharge(charged, 15001, "slow"))
    keeper.given += 4000  # an hour
    keeper.give(h.ExpireHolds(("h3",)))
    keeper.give(jobs.ExpireTask("j3", 0))
    keeper.store.close()


@pytest.fixture(scope="session")
def written(tmp_path_factory):
    """The file, not to be changed."""
    path = tmp_path_factory.mktemp("books") / "books.db"
    write_story(path)
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    database.close()
    return path


@pytest.fixture
def path(written, tmp_path):
    """A copy of the file."""
    return Path(shutil.copy(written, tmp_path / "books.db"))


@pytest.fixture
def store(written):
    """The books, to be read."""
    store: Any = open_store(str(written), writes=False)
    yield store
    store.close()


@pytest.fixture
def keeper():
    """Open books in a file to write to them."""
    opened: list[Keeper] = []

    def open_(path):
        opened.append(Keeper(path))
        return opened[-1]

    yield open_
    for each in opened:
        each.store.close()


@pytest.fixture
def reading():
    """Open books in a file to read them, until the test ends."""
    with ExitStack() as stack:

        def open_(path):
            store: Any = open_store(str(path), writes=False)
            return stack.enter_context(closing(store))

        yield open_
