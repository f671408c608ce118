"""A training in order: a vault, contributors with data, suppliers that compute."""

import json
from collections import Counter
from dataclasses import replace
from hashlib import sha256

import msgspec
from tests.protocol.conftest import World

from coopera.accounting.explain import recomputed
from coopera.protocol.commands import execute
from coopera.protocol.data import (
    ROWS_AT_ONCE,
    AuditData,
    CommitHistogram,
    DeclareRows,
    OfferData,
    RegisterData,
    histogram_digest,
)
from coopera.protocol.draft import Draft
from coopera.protocol.invariants import check_vault
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.training import (
    AggregateRound,
    CreateTraining,
    FinishWork,
    Round,
    RoundStage,
    SelectNodes,
    ShareRound,
    StartRound,
    Training,
    VerifyWork,
    target_digest,
)
from coopera.protocol.vaults import (
    CollectRevenue,
    Holding,
    PayRoyalty,
    Vault,
    settled,
)
from coopera.units import MICRO

CODE, VALIDATION, SCHEMA, PROOF, TRANSCRIPT = (f"{n}" * 64 for n in range(1, 6))
SALT = "5a" * 32
TARGET = (60, 30, 9, 1)
HOUR = 3600 * MICRO
DAY = 24 * HOUR
CREATOR = "creator:ann"
NODES = ("supplier:gpu-1", "supplier:gpu-2", "supplier:gpu-3")
GIVERS = ("contributor:dan", "contributor:eli", "contributor:fay")
HOLDERS = (*NODES, *GIVERS, CREATOR)


def digest(*words) -> str:
    """Stand for the SHA-256 of something."""
    return sha256(repr(words).encode()).hexdigest()


def check_workings(diff):
    """Hold every amount to what its working gives, as an audit of the books does."""
    amounts: Counter[tuple[int, int]] = Counter()
    for each in diff.transfers:
        amounts[each.working, each.part] += each.amount
    results = [
        recomputed(name, json.loads(json.dumps(arguments)))
        for name, arguments in diff.workings
    ]
    for (working, part), amount in amounts.items():
        assert working < 0 or results[working][part] == amount, diff.workings[working]


class Royal(World):
    """The books, and shorter ways to train."""

    def do(self, command, caller="operator"):
        """Do a command, check every vault, and whether all can be worked out again."""
        diff = execute(self.state, self.params, caller, command)
        moved = super().do(command, caller)
        for vault in self.state.records(Vault).values():
            check_vault(self.state, vault, self.holders(vault.id))
        check_workings(diff)
        for record in (command, *diff.records):
            written = msgspec.json.encode(record)
            assert msgspec.json.decode(written, type=type(record)) == record
        return moved

    def holders(self, vault):
        """List who has units of a vault, or had some."""
        names = self.state.records(Holding)
        return [
            name.removeprefix(f"{vault}:")
            for name in names
            if name.startswith(f"{vault}:")
        ]

    def begin(self, name="digits", **changes):
        """Begin a training with four cells."""
        given = {
            "creator": CREATOR,
            "method": "federated",
            "code": CODE,
            "validation": VALIDATION,
            "schema": SCHEMA,
            "cells": len(TARGET),
        }
        self.do(CreateTraining(name, **{**given, **changes}), CREATOR)

    def start(self, number=1, name="digits", nodes=NODES):
        """Begin a round, and select its nodes."""
        target = target_digest(name, number, SALT, TARGET)
        self.do(StartRound(name, CREATOR, number, target), CREATOR)
        if nodes:
            self.do(SelectNodes(name, CREATOR, number, nodes), CREATOR)

    def register(self, name, counts, giver=GIVERS[0], training="digits", rows=None):
        """Register data, declare its rows and commit to how they lie."""
        self.do(
            RegisterData(
                name, training, giver, digest(name), SCHEMA, f"0x{digest(name)}", PROOF
            ),
            giver,
        )
        rows = range(sum(counts)) if rows is None else rows
        declared = tuple(digest(name, n) for n in rows)
        for first in range(0, len(declared), ROWS_AT_ONCE):
            some = declared[first : first + ROWS_AT_ONCE]
            self.do(DeclareRows(name, giver, some), giver)
        committed = histogram_digest(name, SALT, counts)
        self.do(CommitHistogram(name, giver, committed), giver)

    def give(self, name, counts, giver=GIVERS[0], number=1, training="digits"):
        """Register data, have it looked at, and offer it to a round."""
        self.register(name, counts, giver, training)
        looked_at = min(20, sum(counts))
        self.do(AuditData(name, looked_at, looked_at))
        self.do(OfferData(name, giver, number, counts, SALT), giver)

    def work(self, number=1, name="digits", nodes=NODES, samples=100):
        """Hand in the work of nodes, all of it valid."""
        for node in nodes:
            self.do(FinishWork(name, number, node, digest(node), samples), node)
            self.do(VerifyWork(name, number, node, valid=True, samples=samples))

    def aggregate(self, number=1, name="digits", values=()):
        """End the work of a round."""
        self.do(
            AggregateRound(name, CREATOR, number, TARGET, SALT, TRANSCRIPT, values),
            CREATOR,
        )

    def share(self, number=1, name="digits"):
        """Wait until nobody may challenge a round, and share it: all that moved."""
        round_ = self.round(number, name)
        self.at(max(self.state.now(), round_.challenge_by))
        moved = []
        while self.round(number, name).stage is not RoundStage.FINISHED:
            moved += self.do(ShareRound(name, number))
        return moved

    def play(self, number=1, name="digits", given=None, values=None, nodes=NODES):
        """Play a whole round."""
        self.start(number, name, nodes)
        for n, (giver, counts) in enumerate((given or {}).items()):
            self.give(f"{name}-{number}-{n}", counts, giver, number, name)
        self.work(number, name, nodes)
        if values is None:
            values = tuple((node, 10 + n) for n, node in enumerate(nodes))
        self.aggregate(number, name, values)
        return self.share(number, name)

    def earn(self, dollars, name="digits"):
        """Pay revenue into a vault, and have it recorded."""
        amount = round(dollars * MICRO)
        self.do(PayRoyalty(name, "creator:ann:usd", "usd", amount), CREATOR)
        self.do(CollectRevenue(name))

    def set(self, **changes):
        """Have governance change royalty rules."""
        royalty = replace(self.params.royalty, **changes)
        self.params = replace(self.params, royalty=royalty)

    def round(self, number=1, name="digits"):
        """Find a round."""
        return self.state.record(Round, f"{name}:{number}")

    def training(self, name="digits"):
        """Find a training."""
        return self.state.record(Training, name)

    def vault(self, name="digits"):
        """Find a vault."""
        return self.state.record(Vault, name)

    def units(self, member, name="digits") -> int:
        """Tell how many micro-units a member has."""
        return self.held(f"units:{name}:{member}")

    def earned(self, member, name="digits") -> int:
        """Tell what a member has earned in micro-dollars."""
        holding = self.state.record(Holding, f"{name}:{member}")
        if holding is None:
            return 0
        vault = self.vault(name)
        return settled(self.state, Draft(self.state), vault, holding).usd.total


def royal(world) -> Royal:
    """Open accounts of those who train, with a training that has begun."""
    made = Royal(world.params, world.state)
    for owner in HOLDERS:
        if owner not in ("supplier:gpu-1", "supplier:gpu-2", CREATOR, GIVERS[0]):
            made.do(OpenAccounts(owner))
    made.do(Deposit("creator:ann:usd", "usd", 10_000 * MICRO, "wire-1"))
    made.begin()
    return made
