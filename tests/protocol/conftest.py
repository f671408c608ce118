"""One world in which everything is in order, for each test to spoil."""

import json
from dataclasses import replace

import pytest

from coopera.ledger import account
from coopera.params.document import preset
from coopera.protocol.books import OpenBooks, read_settings
from coopera.protocol.commands import OPERATOR, execute
from coopera.protocol.contribution import ListContribution
from coopera.protocol.invariants import check_books
from coopera.protocol.listing import (
    ListAgent,
    ListData,
    ListGpu,
    ListModel,
)
from coopera.protocol.memory import MemoryState
from coopera.protocol.money import CloseAccounts, Deposit, OpenAccounts
from coopera.protocol.overlay import Overlay
from coopera.protocol.records import RECORDS
from coopera.protocol.state import Economy, Epoch
from coopera.units import MICRO

SECTIONS = ("simulation", "sentiment", "consumers", "suppliers", "shocks")

MEMBERS = (
    "consumer:alice",
    "consumer:bob",
    "supplier:gpu-1",
    "supplier:gpu-2",
    "creator:ann",
    "creator:dev",
    "creator:eve",
    "creator:tool-1",
    "creator:tool-2",
    "contributor:dan",
    "holder:hal",
)

NOW = 1_700_000_000_000_000
"""Moment of every command, unless a test moves it."""


def tables_of(name: str) -> str:
    """Write the tables of a preset that govern the books."""
    tables = preset(name).tables
    governed = {k: v for k, v in tables.items() if k not in SECTIONS}
    return json.dumps(governed, default=str)


TABLES = tables_of("minimal")


class World:
    """The books in memory, and who gives commands to them."""

    def __init__(self, params, state) -> None:
        self.params = params
        self.state = state

    @property
    def receipt(self) -> int:
        """Number of the last receipt."""
        return len(self.state.history)

    def held(self, path: str) -> int:
        """Tell what an account holds."""
        return int(self.state.balance(account(*path.split(":"))))

    def do(self, command, caller=OPERATOR):
        """Do a command: what it moved, as debit, credit and amount."""
        diff = execute(self.state, self.params, caller, command)
        self.state = self.state.after(diff)
        check_books(self.state, self.params)
        return [(each.debit, each.credit, each.amount) for each in diff.transfers]

    def at(self, moment: int) -> None:
        """Set the moment of the commands to come."""
        self.state = replace(self.state, now_=moment)

    def refuses(self, refusal, command, caller=OPERATOR):
        """Hold a command to a refusal that leaves everything as it was."""
        overlay = Overlay(self.state)
        before = self._facts(overlay)
        with pytest.raises(refusal) as refused:
            overlay.apply(execute(overlay, self.params, caller, command))
        assert type(refused.value) is refusal, refused.value
        assert self._facts(overlay) == before
        return refused.value

    @staticmethod
    def _facts(state):
        return (
            {path: held for path, held in state.balances().items() if held},
            [state.records(kind) for kind in RECORDS.values()],
            state.economy(),
            state.epoch(),
        )


def in_order() -> World:
    """Open the books, and give everybody what they need."""
    nothing = Economy(day=0, suppliers=(), projects=(), pools=())
    empty = MemoryState({}, nothing, Epoch(day=-1), now_=NOW)
    opening = OpenBooks(TABLES, 1000 * MICRO)
    opened = empty.after(execute(empty, None, OPERATOR, opening))
    world = World(read_settings(TABLES), opened)
    for owner in (*MEMBERS, "consumer:gone", "supplier:gone"):
        world.do(OpenAccounts(owner))
    for owner in ("consumer:gone", "supplier:gone"):
        world.do(CloseAccounts(owner))
    for command in (
        Deposit("consumer:alice:credit", "usd", 100 * MICRO, "ch_1"),
        Deposit("holder:hal:token", "token", 1000 * MICRO, "0xa1"),
        ListModel("own", "creator:ann", 3 * MICRO, 15 * MICRO),
        ListModel("open", "", 3 * MICRO, 15 * MICRO),
        ListAgent("writer", "creator:eve", "own", 3 * MICRO, 15 * MICRO, "creator:dev"),
        ListAgent("plain", "creator:eve", "open", 3 * MICRO, 15 * MICRO),
        ListGpu("a100", 2_500000),
        ListGpu("h100", 4 * MICRO),
        ListData("text", 60000),
        ListContribution("label", 100000),
        ListContribution("machine", 10 * MICRO, "hour"),
    ):
        world.do(command)
    return world


IN_ORDER = in_order()


@pytest.fixture
def world() -> World:
    """Return the world in order."""
    return World(IN_ORDER.params, IN_ORDER.state)


@pytest.fixture
def market(world):
    """Return a market in order."""
    from tests.protocol.market import in_order as open_market  # noqa: PLC0415

    return open_market(world)


@pytest.fixture(scope="session")
def tables() -> str:
    """Return the settings of the world in order, as they are stored."""
    return TABLES


@pytest.fixture(scope="session")
def in_order_again():
    """Return what makes the world in order anew, for examples of one test."""
    return lambda: World(IN_ORDER.params, IN_ORDER.state)


@pytest.fixture(scope="session")
def paper():
    """Return the parameters of the paper."""
    return read_settings(tables_of("paper"))
