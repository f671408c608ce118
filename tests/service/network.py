"""A network that runs by itself: its members act, and nobody gives its own commands."""

import json
from hashlib import sha256
from itertools import count
from typing import Any

import msgspec

from coopera.params import CHAPTERS
from coopera.params.document import preset
from coopera.protocol import jobs, supply, validation
from coopera.protocol.books import OpenBooks
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.orders import Audit, Job, Need, TaskStage
from coopera.protocol.supply import Resource, Track
from coopera.service import Request, Writer
from coopera.service.market import Market

SECOND = 1_000_000
START = 1_700_000_000 * SECOND
MINUTE, HOUR, DAY = 60 * SECOND, 3600 * SECOND, 86_400 * SECOND
DOLLAR = TOKEN = 1_000_000
ROOT, SALT = "ab" * 32, "5a" * 32
OWN = ("match_task", "reveal_link", "draw_validators", "conclude_audit", "expire_task")
"""Commands that nobody gives here but the network itself."""


def tables(**changes):
    """Write the settings of the books; chapters of the minimal ones may be changed."""
    governed = (*CHAPTERS, "payment_matrix", "projects")
    known = {k: v for k, v in preset("minimal").tables.items() if k in governed}
    changes.setdefault("pricing", {"price_floor_usd": 1})
    for chapter, values in changes.items():
        known[chapter] = {**known.get(chapter, {}), **values}
    return json.dumps(known, default=str)


class Hashes:
    """A chain of links in memory."""

    def __init__(self, length=1_000, last=b"the last link"):
        hashes = [sha256(last).digest()]
        for _ in range(length):
            hashes.append(sha256(hashes[-1]).digest())
        self._links = [each.hex() for each in reversed(hashes)]

    def after(self, beacon):
        return self._links[self._links.index(beacon.link) + 1]

    def successor(self, beacon):
        return None if beacon else self._links[0]


class Network:
    """A writer with a market, whose clock stands until it is moved."""

    def __init__(self, store, market=None, *, now=START):
        self.store, self.now = store, now
        self.market = market or Market(Hashes())
        self.writer = Writer(store, market=self.market, clock=lambda: self.now)
        self._keys = count(store.head().receipt)

    def close(self):
        self.writer.close()

    def send(self, command, caller="operator"):
        request = Request(f"given-{next(self._keys):08}", caller, command)
        return self.writer.submit(request)

    def give(self, *commands):
        """Give commands, all of which are done."""
        for future in [self.send(each) for each in commands]:
            future.result(60)

    def rests(self):
        """Wait until there is nothing more to do at this moment."""
        self.writer.rested().result(60)

    def passes(self, time):
        """Let time pass."""
        self.now += time
        self.rests()

    # what there is

    def record(self, kind, name):
        body = self.store.record(kind.__name__.lower(), name)
        return None if body is None else msgspec.json.decode(body, type=kind)

    def job(self, name="j1"):
        return self.record(Job, name)

    def task(self, name="j1", index=0):
        return self.job(name).tasks[index]

    def audit(self, name="j1", index=0):
        return self.record(Audit, f"{name}:{index}")

    def track(self, name):
        return self.record(Track, name)

    def owner(self, resource):
        return self.record(Resource, resource).owner

    def kinds(self, since=0):
        """List the kinds of the commands so far, with who gave each."""
        last = self.store.head().receipt
        receipts = [self.store.receipt(n) for n in range(since + 1, last + 1)]
        return [(each.kind, each.key.partition(":")[0]) for each in receipts]

    def ended(self):
        """Make sure that the market and what it reads in the books agree."""
        self.rests()
        seen = self.writer.ask(picture).result(60)
        again = Market(random=lambda: 1.0)
        books = self.writer._books
        assert books.params is not None
        again.load(self.store, books.state, books.params)
        follows = again.follow(books.state, 10**6)
        assert follows == [], follows
        assert seen == picture(again)

    # what members do

    def opens(self, *owners, **changes):
        """Open the books, and accounts for members with money in them."""
        self.give(OpenBooks(tables(**changes), 0, 0))
        for owner in owners:
            self.joins(owner)

    def joins(self, owner):
        role = owner.partition(":")[0]
        paid = (
            Deposit(f"{owner}:credit", "usd", 10_000 * DOLLAR, f"of {owner}")
            if role == "consumer"
            else Deposit(f"{owner}:token", "token", 200 * TOKEN, f"of {owner}")
        )
        self.give(OpenAccounts(owner), paid)

    def offers(self, name, owner="supplier:gpu", kind="training", **changes):
        """Bring a resource into the market."""
        given: dict[str, Any] = {
            "device": "h100",
            "count": 8,
            "memory_gib": 80,
            "region": "eu",
            "latency_ms": 100,
            "price": DOLLAR // 2,
            "slots": 1,
            "models": ("llm",),
        } | changes
        self.give(
            supply.RegisterResource(id=name, owner=owner, kind=kind, **given),
            supply.CertifyResource(name, "seen"),
            supply.StakeCertificate(name, owner),
        )

    def checks(self, validators=3):
        """Bring validators into the market, each of an owner of its own."""
        for n in range(validators):
            self.joins(f"supplier:val-{n}")
            owner = f"supplier:val-{n}"
            self.offers(f"v{n}", owner, supply.VALIDATOR, slots=8)

    def order(self, name="j1", needs=(), **changes):
        given = {
            "consumer": "consumer:alice",
            "pipeline": "training",
            "project": "demo",
            "unit_price": 2 * DOLLAR,
            "quantity": 5_000_000,
            "needs": needs or (Need("training"),),
            "deadline": self.now + DAY,
            "units": 10,
        } | changes
        return jobs.CreateJob(id=name, **given)

    def orders(self, *args, **changes):
        self.give(self.order(*args, **changes))

    def accepts(self, name="j1", index=0):
        owner = self.owner(self.task(name, index).resource)
        self.give(jobs.AcceptTask(name, index, owner))

    def delivers(self, name="j1", index=0):
        """Do what was matched: accept it if need be, and deliver it."""
        if self.task(name, index).stage is TaskStage.MATCHED:
            self.accepts(name, index)
        owner = self.owner(self.task(name, index).resource)
        self.give(jobs.DeliverTask(name, index, owner, ROOT))

    def commits(self, name="j1", index=0, *, says=True):
        for each in self.audit(name, index).panel:
            digest = validation.verdict_digest(
                *(name, index, each.resource, SALT), passed=says
            )
            given = (name, index, each.resource, self.owner(each.resource))
            self.give(validation.CommitVerdict(*given, digest))

    def reveals(self, name="j1", index=0, *, says=True):
        for each in self.audit(name, index).panel:
            given = (name, index, each.resource, self.owner(each.resource))
            self.give(validation.RevealVerdict(*given, passed=says, salt=SALT))

    def judges(self, name="j1", index=0, *, says=True):
        self.commits(name, index, says=says)
        self.reveals(name, index, says=says)


def picture(market):
    """Show what a market knows, so that two can be compared."""
    matching, judging = market._matching, market._judging
    held_back = [each for some in matching.held_back.values() for each in some.values()]
    waiting = sorted((*matching.queue, *held_back), key=matching.queue.place)
    return (
        # One that is late is let go of when its turn comes.
        [each for each in waiting if not matching.is_late(market.state, each.id)],
        {
            name: (matching.offers.offer(name), matching.offers.standing(name))
            for name in sorted(names(matching.offers))
        },
        dict(sorted(judging._undrawn.items())),
        dict(sorted(judging._awaited.items())),
    )


def names(offers):
    """List the resources that are offered."""
    return list(offers.offers if hasattr(offers, "offers") else offers._rows)


def by_the_network(kinds):
    """Tell whether all commands of the network's own were given by itself."""
    return all(who in ("market", "agenda") for kind, who in kinds if kind in OWN)
