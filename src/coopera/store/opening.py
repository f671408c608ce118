"""Where books are: made, brought up to date, opened by an address."""

from contextlib import closing
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from coopera.errors import BadBooks
from coopera.store import sqlite
from coopera.store.addresses import is_server, shown
from coopera.store.base import StoreFailed
from coopera.store.sql import REVISION, SqlStore
from coopera.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from types import ModuleType

    from sqlalchemy import Engine


class SupportsClose(Protocol):
    """The right to write, which ends when it is closed."""

    def close(self) -> None:
        """Give it back."""
        ...


def open_store(url: str, *, writes: bool = True) -> SqlStore:
    """
    Open books, to write them or only to read them.

    Refuses with `BadBooks` what is not there or not of this version, with `Unavailable`
    what cannot be reached, and with `AnotherWriter` to write where another process
    does.
    """
    if is_server(url):
        store: SqlStore = _postgres().PostgresStore(url, writes=writes)
        return store
    return SqliteStore(Path(url), writes=writes)


def migrate(url: str, revision: str = REVISION) -> None:
    """
    Bring the tables to a version, up or down; where there are none, make them.

    `base` drops them. Refuses with `BadBooks` what cannot be reached or written to, is
    of a version that this program does not know, or belongs to another program; and
    with `AnotherWriter` where a process writes.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from alembic.util import CommandError
    from sqlalchemy import inspect
    from sqlalchemy.exc import SQLAlchemyError

    config = Config()
    config.set_main_option("script_location", "coopera.store:migrations")
    database = engine(url)
    try:
        with closing(_sole_writer(url)), database.begin() as connection:
            config.attributes["connection"] = connection
            now = MigrationContext.configure(connection).get_current_revision()
            others = set(inspect(connection).get_table_names()) - {"alembic_version"}
            if now is None and others:
                raise BadBooks(
                    f"{shown(url)} has tables of another program, {min(others)} among "
                    "them; name an empty database, or a new file"
                )
            if revision == "base" or (now is not None and revision < now):
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
    except (SQLAlchemyError, CommandError, StoreFailed) as error:
        said = str(error.__cause__ or error).strip().splitlines()[0]
        raise BadBooks(f"the tables at {shown(url)} cannot be made: {said}") from None
    finally:
        database.dispose()


def _sole_writer(url: str) -> "SupportsClose":
    """Take the right to write."""
    if is_server(url):
        right: SupportsClose = _postgres().sole_writer(url)
        return right
    return sqlite.sole_writer(Path(url))


def engine(url: str) -> "Engine":
    """Open a database for reading by SQLAlchemy, or to change its tables."""
    from sqlalchemy import URL, create_engine, event

    if is_server(url):
        connection = partial(_postgres().connection, url, autocommit=False)
        return create_engine("postgresql+psycopg://", creator=connection)
    made = create_engine(
        URL.create("sqlite", database=url), connect_args={"isolation_level": None}
    )
    # Python's driver begins too late: tables would stay behind, half made.
    event.listen(made, "begin", lambda begun: begun.exec_driver_sql("BEGIN"))
    return made


def _postgres() -> "ModuleType":
    """Import what PostgreSQL needs, which is an extra."""
    try:
        from coopera.store import postgres
    except ImportError as error:
        raise BadBooks(
            f"books on PostgreSQL need {error.name}, which is not installed; install "
            "it with: pip install 'coopera[postgres]'"
        ) from None
    return postgres
