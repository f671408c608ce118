"""
Hypothesis profiles, neither with a deadline: kernels compile on their first call.

The default draws the same examples in every run, so that the checks pass or fail
alike everywhere. To look for new failures: pytest --hypothesis-profile=thorough.

And homes for books: files, and databases of a PostgreSQL server of our own. Where no
server can be had, its tests are not run, and the last lines of the run say so.
"""

import shutil

import pytest
from hypothesis import settings
from tests.postgres import INSTALL, NoServer, Server

from coopera.store import MemoryStore
from coopera.store.opening import migrate, open_store

settings.register_profile("default", deadline=None, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=5_000)
settings.load_profile("default")

NOT_RUN = "needs PostgreSQL"


@pytest.fixture(scope="session")
def server():
    """Start a PostgreSQL server, with a migrated database `books` to copy."""
    try:
        server = Server()
    except NoServer as error:
        pytest.skip(f"{NOT_RUN}: {error}; install it with: {INSTALL}")
    name = server.database()
    migrate(server.url(name))
    server.execute(f"ALTER DATABASE {name} RENAME TO books")
    yield server
    server.remove()


def pytest_terminal_summary(terminalreporter):
    skipped = [str(each.longrepr) for each in terminalreporter.stats.get("skipped", ())]
    count = sum(NOT_RUN in each for each in skipped)
    if count:
        terminalreporter.section("PostgreSQL", bold=True, red=True)
        terminalreporter.write_line(
            f"{count} tests on PostgreSQL were NOT run; install it with: {INSTALL}"
        )


@pytest.fixture(scope="session")
def _books_file(tmp_path_factory):
    path = tmp_path_factory.mktemp("books") / "books.db"
    migrate(str(path))
    return path


@pytest.fixture
def sqlite_url(_books_file, tmp_path):
    """Return the path of a file with migrated, empty books."""
    return shutil.copy(_books_file, tmp_path / "books.db").as_posix()


@pytest.fixture
def postgres_url(server):
    """Return the address of a database with migrated, empty books."""
    name = server.database("books")
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["sqlite", "postgres"])
def books_url(request):
    """Return where migrated, empty books are, on each kind of database."""
    return request.getfixturevalue(f"{request.param}_url")


@pytest.fixture(params=["sqlite", "postgres"])
def bare_url(request, tmp_path):
    """Return where there are no tables yet, on each kind of database."""
    if request.param == "sqlite":
        yield str(tmp_path / "bare.db")
        return
    server = request.getfixturevalue("server")
    name = server.database()
    yield server.url(name)
    server.execute(f"DROP DATABASE {name} WITH (FORCE)")


@pytest.fixture(params=["memory", "sqlite", "postgres"])
def store(request):
    """Open migrated, empty books in each of their homes."""
    if request.param == "memory":
        yield MemoryStore()
        return
    store = open_store(request.getfixturevalue(f"{request.param}_url"))
    yield store
    store.close()
