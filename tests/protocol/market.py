"""A market in order: certified and staked suppliers, validators on the bench."""

import secrets
from dataclasses import replace
from hashlib import sha256

from tests.protocol.conftest import NOW, World

from coopera.protocol.commands import OPERATOR
from coopera.protocol.jobs import AcceptTask, CreateJob, DeliverTask, MatchTask
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.orders import Audit, Beacon, Job, Need
from coopera.protocol.supply import (
    CertifyResource,
    RegisterResource,
    Resource,
    StakeCertificate,
    Track,
)
from coopera.protocol.validation import (
    CommitVerdict,
    ConcludeAudit,
    DrawValidators,
    OpenBeacon,
    RevealLink,
    RevealVerdict,
    verdict_digest,
)
from coopera.units import MICRO, WAD

VALIDATORS = 12
LINKS = 64
HOUR = 3600 * MICRO
DEADLINE = NOW + 24 * HOUR
ROOT = "ab" * 32
SALT = "5a" * 32
PRICE = 10 * MICRO
STAKE = 100 * MICRO
"""Of a validator; besides, everybody has 30 tokens."""


def chain(length, last=b"the last link"):
    """Make a beacon's chain: its anchor, and its links in the order of revealing."""
    links = [sha256(last).digest()]
    for _ in range(length):
        links.append(sha256(links[-1]).digest())
    backwards = [each.hex() for each in reversed(links)]
    return backwards[0], backwards[1:]


ANCHOR, CHAIN = chain(LINKS)


def offer(name, kind="training", owner="supplier:gpu-1", **changes):
    """Offer a resource that meets the usual needs."""
    given = {
        "device": "h100",
        "count": 8,
        "memory_gib": 80,
        "region": "us-west",
        "latency_ms": 200,
        "price": 1 * MICRO,
        "slots": 2,
        "models": ("llm",),
    }
    return RegisterResource(id=name, owner=owner, kind=kind, **{**given, **changes})


def order(name="j1", pipeline="training", needs=None, **changes):
    """Order five units at two dollars."""
    given = {
        "consumer": "consumer:alice",
        "project": "demo",
        "unit_price": 2 * MICRO,
        "quantity": 5 * MICRO,
        "deadline": DEADLINE,
        "units": 10,
    }
    wanted = (Need("training", devices=("h100", "a100"), regions=("us-west",)),)
    return CreateJob(
        id=name, pipeline=pipeline, needs=needs or wanted, **{**given, **changes}
    )


class Market(World):
    """The world, with what it takes to bring a job to its end."""

    def record(self, kind, name):
        """Return a record that must be there."""
        found = self.state.record(kind, name)
        assert found is not None, (kind, name)
        return found

    def track(self, name):
        """Return how a resource has done."""
        return self.record(Track, name)

    def task(self, job="j1", index=0):
        """Return a task."""
        return self.record(Job, job).tasks[index]

    def offers(self, name, kind="training", owner="supplier:gpu-1", **changes):
        """Bring a resource into the market, a validator with its stake."""
        if kind == "validator":
            self.do(Deposit(f"{owner}:token", "token", STAKE, f"stake-{name}"))
        self.do(offer(name, kind, owner, **changes))
        self.do(CertifyResource(name, "seen"))
        self.do(StakeCertificate(name, owner))

    def orders(self, *args, **changes):
        """Order a job."""
        self.do(order(*args, **changes))

    def accepts(self, resource="t1", job="j1", index=0):
        """Match a task and accept it."""
        self.do(MatchTask(job, index, resource))
        self.do(AcceptTask(job, index, self.record(Resource, resource).owner))

    def delivers(self, resource="t1", job="j1", index=0, work=1):
        """Match a task, accept and deliver it."""
        self.accepts(resource, job, index)
        owner = self.record(Resource, resource).owner
        self.do(DeliverTask(job, index, owner, ROOT, work))

    def draws(self, job="j1", index=0):
        """Reveal a link, and draw validators: the names of the panel."""
        number = self.record(Beacon, "current").number
        self.do(RevealLink(CHAIN[number]))
        self.do(DrawValidators(job, index))
        return [each.resource for each in self.panel(job, index)]

    def panel(self, job="j1", index=0):
        """Return the verdicts of the round that is under way."""
        return self.record(Audit, f"{job}:{index}").panel

    def says(self, verdicts, job="j1", index=0):
        """Let a panel commit to verdicts and reveal them, in the order of the panel."""
        names = [each.resource for each in self.panel(job, index)]
        salts = {name: secrets.token_hex(32) for name in names}
        said = [
            pair for pair in zip(names, verdicts, strict=True) if pair[1] is not None
        ]
        for name, passed in said:
            digest = verdict_digest(job, index, name, salts[name], passed=passed)
            owner = self.record(Resource, name).owner
            self.do(CommitVerdict(job, index, name, owner, digest))
        audit = self.record(Audit, f"{job}:{index}")
        self.at(max(self.state.now(), audit.commit_by))
        for name, passed in said:
            owner = self.record(Resource, name).owner
            self.do(RevealVerdict(job, index, name, owner, passed, salts[name]))
        if len(said) < len(names):
            self.at(max(self.state.now(), audit.reveal_by))

    def concludes(self, verdicts, job="j1", index=0):
        """Let a panel speak, and conclude."""
        self.says(verdicts, job, index)
        return self.do(ConcludeAudit(job, index))

    def validates(self, job="j1", index=0, *, passed=True):
        """Draw validators of one mind, and conclude; a second panel confirms a fail."""
        panel = self.draws(job, index)
        moved = self.concludes([passed] * len(panel), job, index)
        if not passed and not self.record(Audit, f"{job}:{index}").over:
            panel = self.draws(job, index)
            if panel:
                moved = self.concludes([passed] * len(panel), job, index)
        return moved


def in_order(world, validators=VALIDATORS, slots=2) -> Market:
    """Open a market in the world: two trainers, a server, a bench of validators."""
    dollar = replace(world.params.pricing, price_floor_usd=WAD)
    market = Market(replace(world.params, pricing=dollar), world.state)
    for n in range(validators):
        market.do(OpenAccounts(f"supplier:val-{n}"))
    owners = ["supplier:gpu-1", "supplier:gpu-2"]
    owners += [f"supplier:val-{n}" for n in range(validators)]
    for n, owner in enumerate(owners):
        market.do(Deposit(f"{owner}:token", "token", 30 * MICRO, f"tokens-{n}"))
    market.do(OpenBeacon(ANCHOR), OPERATOR)
    market.offers("t1", slots=slots)
    market.offers("t2", owner="supplier:gpu-2")
    market.offers("s1", "inference", owner="supplier:gpu-2")
    for n in range(validators):
        owner = f"supplier:val-{n}"
        market.offers(f"v{n}", "validator", owner, device="cpu", slots=slots)
    return market
