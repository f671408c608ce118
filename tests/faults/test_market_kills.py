"""
Whatever is killed while days are closed and hundreds are paid: it comes out the same.

The clock of those who live through the days stands where their script says, so that the
books must be those of a run that nobody disturbed, to the last unit and record.

KILLS says how often; `make torture` asks for 200.
"""

import os
import random
import time
from dataclasses import replace
from functools import partial
from itertools import count

import pytest
from tests.faults.killing import kill_server
from tests.faults.market import Clock, Plan, Story, by, kept
from tests.faults.market_child import AFTER, BEFORE, WITHIN, Write
from tests.faults.market_killing import Days

from coopera.protocol.live import PAID_AT_ONCE, Payday
from coopera.service import Writer
from coopera.service import writer as writing
from coopera.store import MemoryStore
from coopera.store.opening import migrate, open_store

KILLS = int(os.environ.get("KILLS", "10"))
SHARE = {"random": 2, "away": 1, "verdicts": 1, "cut": 2, "server": 2}
"""Of ten kills, how many each of the tests makes at random moments."""
KILLS_A_STORY = 8
LATER_SECONDS = 0.06
"""How long after a mark of the script something is killed, at most."""

VERDICTS = Plan(days=1, validators=240, checked="1", lost="validators")
"""More validators earn by it than are paid at once, and share lost bonds."""
PLANS = (
    Plan(),
    Plan(earners=430, held_back=2),
    replace(VERDICTS, sentiment=10**9),
    Plan(earners=430, days=3),
)
MOMENTS = (BEFORE, WITHIN, AFTER)
CLOSING = [
    Write(kind, "", moment)
    for kind in ("close_day", "pay_earnings")
    for moment in MOMENTS
]
"""Writes that are hit for certain."""
CATCHING_UP = [
    Write("conclude_audit", "", WITHIN),
    Write("expire_task", "", AFTER),
    *(
        Write("close_day", f'"day":{day}', moment)
        for day in (1, 2)
        for moment in MOMENTS
    ),
    Write("pay_earnings", "", WITHIN),
]
"""Likewise, of days that were missed."""
PAYING = [Write("pay_earnings", "0:-:validator", moment) for moment in MOMENTS]
"""Likewise, of validators; after the last of them, others are still to be paid."""


@pytest.fixture(params=["sqlite", "postgres"])
def homes(request, tmp_path):
    """Make homes for books, as many as are asked for."""
    if request.param == "sqlite":
        return (str(tmp_path / f"{n}.db") for n in count())
    server = request.getfixturevalue("server")
    return (server.url(server.database()) for _ in count())


def stories(homes, folder, kills):
    """Begin days in books of their own, with some of the kills each."""
    for n, begun in enumerate(range(0, kills, KILLS_A_STORY)):
        url = next(homes)
        migrate(url)
        plan = replace(PLANS[n % len(PLANS)], seed=n)
        yield Days(url, plan, folder), min(KILLS_A_STORY, kills - begun)


def share(of):
    return max(1, KILLS * SHARE[of] // 10)


def test_days_are_closed_and_paid_once_whenever_the_writer_is_killed(homes, tmp_path):
    rng = random.Random(11)
    for days, kills in stories(homes, tmp_path, share("random")):
        for write in CLOSING:
            days.kill_as(write)
        for mark in days.marks(rng, kills):
            days.kill_at(mark, rng.uniform(0, LATER_SECONDS))
        days.finish()
        print(days.outcome)
        assert days.outcome.kills >= len(CLOSING)


def test_missed_days_are_caught_up_once_whenever_the_writer_is_killed(homes, tmp_path):
    rng = random.Random(12)
    for n in range(-(-share("away") // KILLS_A_STORY)):
        url = next(homes)
        migrate(url)
        # The first day is closed by hand: its sentiment is carried on.
        plan = Plan(days=1, away=4, sentiment=10**9, seed=n)
        days = Days(url, plan, tmp_path)
        for write in CATCHING_UP:
            days.kill_as(write)
        for mark in days.marks(rng, min(KILLS_A_STORY, share("away"))):
            days.kill_at(mark, rng.uniform(0, LATER_SECONDS))
        days.finish()
        print(days.outcome)


def test_validators_are_paid_once_whenever_the_writer_is_killed(homes, tmp_path):
    rng = random.Random(15)
    for n in range(-(-share("verdicts") // KILLS_A_STORY)):
        url = next(homes)
        migrate(url)
        days = Days(url, replace(VERDICTS, seed=n), tmp_path)
        payday = days.story.books.state.record(Payday, "0:-:validator")
        assert payday is not None
        assert PAID_AT_ONCE < payday.earners <= 2 * PAID_AT_ONCE
        assert payday.token
        for write in PAYING:
            days.kill_as(write)
        for mark in days.marks(rng, min(KILLS_A_STORY, share("verdicts"))):
            days.kill_at(mark, rng.uniform(0, LATER_SECONDS))
        days.finish()
        print(days.outcome)


def end_connections(server, url):
    """End all connections to a database, as an administrator may."""
    name = url.partition("?")[0].rpartition("/")[2]
    server.execute(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "  # noqa: S608
        f"WHERE datname = '{name}'"
    )


def test_connections_are_lost_as_days_are_closed_and_paid(server, tmp_path):
    rng = random.Random(13)
    homes = (server.url(server.database()) for _ in count())
    for days, cuts in stories(homes, tmp_path, share("cut")):
        cut = partial(end_connections, server, days.url)
        days.interrupt(days.marks_apart(rng, cuts), cut)
        days.finish()
        print(days.outcome)


def test_connections_are_lost_within_a_close_and_a_payday(postgres_url, tmp_path):
    days = Days(postgres_url, Plan(days=len(MOMENTS)), tmp_path)

    # Of each day another write, so that what is done again is done in peace.
    days.cut_as(
        Write(kind, text.format(n), moment)
        for n, moment in enumerate(MOMENTS)
        for kind, text in (
            ("close_day", '"day":{}'),
            ("pay_earnings", "{}:demo:training"),
        )
    )

    said = (tmp_path / "child.log").read_text()
    assert said.count("a commit failed") == 2 * len(MOMENTS), said
    days.finish()


def test_server_is_killed_as_days_are_closed_and_paid(server_to_kill, tmp_path):
    rng = random.Random(14)

    def kill():
        kill_server(server_to_kill)
        server_to_kill.start()

    homes = (server_to_kill.url(server_to_kill.database()) for _ in count())
    for days, kills in stories(homes, tmp_path, share("server")):
        days.interrupt(days.marks_apart(rng, kills), kill)
        days.finish()
        print(days.outcome)


@pytest.fixture
def server_to_kill(server):
    """Start another server: the one of the other tests goes on."""
    other = type(server)()
    yield other
    other.remove()


def test_day_is_closed_by_a_writer_that_lost_its_connections_while_nobody_spoke(
    server, postgres_url, monkeypatch
):
    monkeypatch.setattr(writing, "SWEEP_SECONDS", 0.02)
    story, clock = Story(MemoryStore(), Plan(days=1)), Clock()
    with Writer(open_store(postgres_url), clock=clock) as writer:
        seen = open_store(postgres_url, writes=False)
        by(writer, clock, story.steps[:-1], seen)
        seen.close()
        end_connections(server, postgres_url)
        time.sleep(0.2)
        seen = open_store(postgres_url, writes=False)
        by(writer, clock, story.steps[-1:], seen)
        assert kept(seen) == kept(story.store)
        seen.close()
