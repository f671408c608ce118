"""
A market that runs by itself is killed at any moment, and goes on.

Orders come in, and all that follows from them does so by itself: matches, links,
panels, outcomes, canaries, the close of days and their pay. After each kill nothing
that was acknowledged is lost, nothing is applied twice, the audit is clean, and a
market that is loaded anew knows what the books hold. In the end every job has ended,
all are paid, and the commands of the receipts give the same books once more.

KILLS says how often; `make torture` asks for 200.
"""

import os

import pytest
from tests.faults.killing import kill_server
from tests.faults.network_killing import OWN, Lives

from coopera.store.opening import migrate

KILLS = int(os.environ.get("KILLS", "10"))
SHARE = {"sqlite": 4, "postgres": 3, "server": 3}
"""Of ten kills, how many each of the tests makes."""
KILLS_A_LIFE = 5
"""Times that a server is killed under one life."""


def share(of):
    return max(1, KILLS * SHARE[of] // 10)


def ends(lives):
    """Let a network come to its end, in which it did all that it can do."""
    lives.finish()
    print(lives.outcome)
    outcome = lives.outcome
    assert outcome.kills
    assert outcome.jobs["settled"]
    assert set(OWN) <= outcome.own.keys()


def test_market_on_sqlite_is_killed(sqlite_url, tmp_path):
    lives = Lives(sqlite_url, tmp_path, seed=21)
    for _ in range(share("sqlite")):
        lives.kill()
    ends(lives)


def test_market_on_postgresql_is_killed(postgres_url, tmp_path):
    lives = Lives(postgres_url, tmp_path, seed=22, held=2)
    for _ in range(share("postgres")):
        lives.kill()
    ends(lives)


def test_postgresql_is_killed_under_a_market(server_to_kill, tmp_path):
    url = server_to_kill.url(server_to_kill.database())
    migrate(url)

    def kill():
        kill_server(server_to_kill)
        server_to_kill.start()

    lives = Lives(url, tmp_path, seed=23, offers="compiled")
    for done in range(0, share("server"), KILLS_A_LIFE):
        lives.interrupt(min(KILLS_A_LIFE, share("server") - done), kill)
    ends(lives)


@pytest.fixture
def server_to_kill(server):
    """Start another server: the one of the other tests goes on."""
    other = type(server)()
    yield other
    other.remove()
