"""What is due is done once and in the end, however slow the books are, or lost."""

import json
import time
from functools import cache

import pytest
from tests.faults.market import (
    DAY,
    HOUR,
    MINUTE,
    START,
    Clock,
    Plan,
    Story,
    by,
    check_days,
    due,
    kept,
)

from coopera.protocol.commands import OPERATOR
from coopera.protocol.live import PAID_AT_ONCE, CloseDay
from coopera.service import Request, Writer
from coopera.service import writer as writing
from coopera.store import MemoryStore, StoreFailed

PLAN = Plan(earners=2 * PAID_AT_ONCE + 30, days=1)
"""Days with paydays of three parts."""
WAIT_SECONDS = 30.0


@cache
def lived():
    return Story(MemoryStore(), PLAN)


class Home:
    """Books in memory that can be slow, or away."""

    def __init__(self):
        self.memory = MemoryStore()
        self.slow = 0
        self.away = self.unread = self.closing = False

    def __getattr__(self, name):
        return getattr(self.memory, name)

    def balances(self):
        # As a close takes long in large books.
        self.closing = True
        time.sleep(0.02 * self.slow)
        return self.memory.balances()

    def record(self, kind, name):
        if self.unread:
            raise StoreFailed("the server was lost")
        return self.memory.record(kind, name)

    def write(self, batch):
        if self.away:
            raise StoreFailed("the server was lost")
        time.sleep(0.2 * self.slow)
        self.memory.write(batch)

    def reopen(self):
        if self.away:
            raise StoreFailed("the server cannot be reached")


@pytest.fixture
def home(monkeypatch):
    monkeypatch.setattr(writing, "SWEEP_SECONDS", 0.02)
    return Home()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def writer(home, clock):
    """Stop at the end of a day of work, a moment before it is closed."""
    with Writer(home, clock=clock) as writer:
        by(writer, clock, lived().steps[:-1], home)
        yield writer


def closed(home):
    return json.loads(home.record("day", "current"))["economy"]["day"]


def becomes(what, seconds=WAIT_SECONDS):
    until = time.monotonic() + seconds
    while not what() and time.monotonic() < until:
        time.sleep(0.005)
    return what()


def test_day_is_not_closed_before_it_ends_where_a_close_takes_long(writer, home, clock):
    home.slow = 1
    clock.now = START + DAY
    assert becomes(lambda: closed(home) == 1)
    assert becomes(lambda: not due(home, clock.now))

    assert closed(home) == 1
    assert kept(home) == kept(lived().store)


def test_everybody_is_paid_though_looks_at_what_is_due_are_rare(writer, home, clock):
    clock.now = START + DAY
    assert becomes(lambda: closed(home) == 1)
    while due(home, clock.now):
        parts = home.head().receipt
        clock.now += 2 * MINUTE
        assert becomes(
            lambda n=parts: home.head().receipt > n or not due(home, clock.now)
        )

    check_days(home, 1)


def test_network_does_not_rest_while_what_follows_from_a_close_is_not_done(
    writer, home, clock, monkeypatch
):
    monkeypatch.setattr(writing, "SWEEP_SECONDS", 1_000)
    home.slow = 5
    closed = writer.submit(Request("closed-by-hand", OPERATOR, CloseDay(0)))
    # The look that this asks for comes while the close is being written.
    assert becomes(lambda: home.closing)
    writer.rested().result(WAIT_SECONDS)

    assert closed.done()
    assert not due(home, clock.now)


def test_day_is_closed_by_itself_once_the_server_is_back(writer, home, clock):
    home.away = True
    clock.now = START + DAY
    time.sleep(0.2)
    home.away = False

    assert becomes(lambda: closed(home) == 1)


def test_what_is_due_is_done_though_the_server_was_lost_as_it_was_listed(home, clock):
    with Writer(home, clock=clock) as writer:
        by(writer, clock, lived().steps[:2], home)
    # A later writer has read nothing of the jobs yet.
    with Writer(home, clock=clock):
        home.unread = True
        clock.now = START + 2 * HOUR
        assert due(home, clock.now)
        time.sleep(0.2)
        home.unread = False

        assert becomes(lambda: not due(home, clock.now))
