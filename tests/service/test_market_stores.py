"""
Days of a market on every home of the books: the same receipts, the same in the end.

A story is lived through command by command, and its script is given to the writer.
"""

from dataclasses import replace
from functools import cache

import msgspec
import pytest
from tests.faults.market import (
    Clock,
    Plan,
    Story,
    by,
    check,
    check_days,
    check_replay,
    command_of,
    due,
    kept,
    receipts,
)

from coopera.protocol.books import Day, OpenBooks, read_settings
from coopera.protocol.commands import execute
from coopera.protocol.memory import MemoryState
from coopera.protocol.records import RECORDS
from coopera.protocol.state import Economy, Epoch
from coopera.service import Writer
from coopera.service import writer as writing
from coopera.store import MemoryStore
from coopera.store.opening import open_store
from coopera.store.sql import SqlStore

PLANS = {
    "days that overlap": Plan(),
    "pay held back": Plan(held_back=2),
    "days missed": Plan(days=1, away=3),
    "days missed, with a sentiment": Plan(days=1, away=4, sentiment=10**9),
    "validators in two parts": Plan(
        days=1, validators=240, checked="1", lost="validators", sentiment=10**9
    ),
}


@pytest.fixture(params=PLANS)
def plan(request):
    return PLANS[request.param]


@cache
def lived(plan):
    """Live through the days in memory: what all others are held against."""
    return Story(MemoryStore(), plan)


@pytest.fixture
def hasty(monkeypatch):
    """Look often for what is due."""
    monkeypatch.setattr(writing, "SWEEP_SECONDS", 0.02)


@pytest.fixture
def other(books_url):
    store = open_store(books_url)
    yield store
    store.close()


def test_every_home_of_the_books_gives_the_same_receipts(plan, other):
    story, memory = Story(other, plan), lived(plan).store

    assert receipts(other) == receipts(memory)
    assert kept(other) == kept(memory)
    assert story.steps == lived(plan).steps
    for step in story.steps:
        assert due(other, step.at) == due(memory, step.at)
    check(other)
    check_days(other, plan.away + plan.days)


def test_writer_leaves_the_books_of_the_story(plan, store, hasty):
    story, clock = lived(plan), Clock()
    with Writer(store, clock=clock) as writer:
        by(writer, clock, story.steps, store)
        assert kept(store) == kept(story.store)
        check_days(store, plan.away + plan.days)
        check_replay(store)
        if isinstance(store, SqlStore):
            check(store)


def test_commands_of_the_receipts_rebuild_all_balances_and_records(plan):
    store = lived(plan).store
    nothing = Economy(day=0, suppliers=(), projects=(), pools=())
    state, params = MemoryState({}, nothing, Epoch(day=-1)), None
    for each in receipts(store):
        command = command_of(each.kind, each.command)
        if isinstance(command, OpenBooks):
            params = read_settings(command.tables)
        state = replace(state, now_=each.at)
        diff = execute(state, params, each.caller, command)
        assert [*diff.transfers] == store.transfers(each), each
        state = state.after(diff)

    balances, records = kept(store)
    day = msgspec.json.decode(records.pop("day")["current"], type=Day)
    assert {**state.held} == balances
    assert (state.economy_, state.epoch_) == (day.economy, day.epoch)
    assert {kind: {**state.records(RECORDS[kind])} for kind in records} == {
        kind: {
            name: msgspec.json.decode(body, type=RECORDS[kind])
            for name, body in some.items()
        }
        for kind, some in records.items()
    }
