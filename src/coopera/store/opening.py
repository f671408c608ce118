"""Where books are: made, brought up to date, opened by an address."""

from pathlib import Path
from typing import TYPE_CHECKING, Final

from coopera.errors import BadBooks
from coopera.store.sql import REVISION, SqlStore
from coopera.store.sqlite import SqliteStore

if TYPE_CHECKING:
    from sqlalchemy import Engine

POSTGRES: Final = ("postgresql://", "postgres://")
"""How the address of a PostgreSQL database starts; any other is the path of a file."""


def open_store(url: str, *, writes: bool = True) -> SqlStore:
    """
    Open books, to write them or only to read them.

    Refuses with `BadBooks` what is not there or not of this version, and with
    `AnotherWriter` to write where another process does.
    """
    if url.startswith(POSTGRES):
        from coopera.store.postgres import PostgresStore

        return PostgresStore(url, writes=writes)
    return SqliteStore(Path(url), writes=writes)


def migrate(url: str, revision: str = REVISION) -> None:
    """
    Bring the tables to a version, up or down; where there are none, make them.

    `base` drops them. Refuses with `BadBooks` what cannot be reached or written to.
    """
    from alembic import command
    from alembic.config import Config
    from alembic.runtime.migration import MigrationContext
    from sqlalchemy.exc import SQLAlchemyError

    config = Config()
    config.set_main_option("script_location", "coopera.store:migrations")
    database = engine(url)
    try:
        with database.begin() as connection:
            config.attributes["connection"] = connection
            now = MigrationContext.configure(connection).get_current_revision()
            if revision == "base" or (now is not None and revision < now):
                command.downgrade(config, revision)
            else:
                command.upgrade(config, revision)
    except SQLAlchemyError as error:
        said = str(error.__cause__ or error).strip().splitlines()[0]
        raise BadBooks(f"the tables at {shown(url)} cannot be made: {said}") from None
    finally:
        database.dispose()


def engine(url: str) -> "Engine":
    """Open a database for reading by SQLAlchemy, or to change its tables."""
    from sqlalchemy import create_engine

    if url.startswith(POSTGRES):
        return create_engine("postgresql+psycopg://" + url.partition("://")[2])
    return create_engine(f"sqlite:///{url}")


def shown(url: str) -> str:
    """
    Show an address without its password.

    >>> shown("postgresql://me:secret@db/books")
    'postgresql://me@db/books'
    """
    scheme, mark, rest = url.partition("://")
    user, at, place = rest.rpartition("@")
    return f"{scheme}{mark}{user.partition(':')[0]}{at}{place}" if at else url
