"""
Whatever is killed, and whenever: nothing that was acknowledged is lost, nothing is
applied twice, and the audit is clean after each restart.

KILLS says how often; `make torture` asks for 200.
"""

import os
import signal
from pathlib import Path
from threading import Timer

import pytest
from tests.faults import killing

from coopera.store.opening import migrate

KILLS = int(os.environ.get("KILLS", "10"))
SHARE = {"sqlite": 4, "postgres": 3, "server": 3}
"""Of ten kills, how many each of the tests makes."""


def kills(of: str) -> int:
    return max(1, KILLS * SHARE[of] // 10)


def told(outcome: killing.Outcome) -> str:
    return (
        f"{outcome.kills} kills, {outcome.committed} receipts written, "
        f"{outcome.acknowledged} acknowledged, refused or told to come again: "
        f"{dict(outcome.codes)}"
    )


def test_writer_on_sqlite_is_killed(sqlite_url, tmp_path):
    killing.open_books(sqlite_url)

    outcome = killing.kill_writers(sqlite_url, kills("sqlite"), tmp_path, seed=1)

    print(told(outcome))
    assert outcome.acknowledged > outcome.kills


def test_writer_on_postgresql_is_killed(postgres_url, tmp_path):
    killing.open_books(postgres_url)

    outcome = killing.kill_writers(postgres_url, kills("postgres"), tmp_path, seed=2)

    print(told(outcome))
    assert outcome.acknowledged > outcome.kills


def test_postgresql_itself_is_killed(server_to_kill, tmp_path):
    url = server_to_kill.url(server_to_kill.database())
    migrate(url)
    killing.open_books(url)

    outcome = killing.kill_servers(
        server_to_kill, url, kills("server"), tmp_path, seed=3
    )

    print(told(outcome))
    assert outcome.acknowledged > outcome.kills


def test_killed_server_starts_again_once_its_last_process_is_gone(server_to_kill):
    home = server_to_kill.home
    first = (home / "data/postmaster.pid").read_text().split()[0]
    last, *_ = Path(f"/proc/{first}/task/{first}/children").read_text().split()
    os.kill(int(last), signal.SIGSTOP)
    server_to_kill.stop("KILL")
    gone = Timer(1, os.kill, (int(last), signal.SIGKILL))
    gone.start()
    server_to_kill.start()
    gone.join()

    assert server_to_kill.execute("SELECT 1") == "1"


@pytest.fixture
def server_to_kill(server):
    """Start another server: the one of the other tests goes on."""
    other = type(server)()
    yield other
    other.remove()
