"""What databases hold everybody to: whole batches, appending, and their tables."""

import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import inspect, text
from sqlalchemy.exc import DBAPIError
from tests.store.world import contents, payment, receipt, world

from coopera.errors import AnotherWriter, BadBooks
from coopera.store import Batch, StoreFailed
from coopera.store.opening import engine, migrate, open_store
from coopera.store.schema import APPENDED, REVISION, metadata
from coopera.units import AMOUNT_MAX

TABLES = {*metadata.tables, "alembic_version"}


@pytest.fixture
def books(books_url):
    store = open_store(books_url)
    store.write(world())
    yield store
    store.close()


@pytest.fixture
def database(books, books_url):
    database = engine(books_url)
    yield database
    database.dispose()


def transfer(**changed):
    plain = {
        "id": 5,
        "receipt": 4,
        "debit": 2,
        "credit": 3,
        "amount": 1,
        "reason": "tip",
        "working": -1,
        "part": 0,
        "debit_previous": 4,
        "credit_previous": 3,
    }
    return [*{**plain, **changed}.values()]


@pytest.mark.parametrize(
    "bad",
    [
        Batch(receipts=[*receipt(4, key="key-0005")]),
        Batch(receipts=[*receipt(3, key="key-0005")]),
        Batch(receipts=[*receipt(5, key="key-0002", caller="consumer:ann")]),
        Batch(receipts=[*receipt(5, key="key-0004")]),
        Batch(receipts=[*receipt(5)[:-1], None]),
        Batch(transfers=transfer(id=4)),
        Batch(transfers=transfer(amount=0)),
        Batch(transfers=transfer(amount=-1)),
        Batch(transfers=transfer(amount=AMOUNT_MAX + 1)),
        Batch(transfers=transfer(amount=2**63)),
        Batch(transfers=transfer(amount=2**64)),
        Batch(transfers=transfer(amount="1.5")),
        Batch(transfers=transfer(amount="one")),
        Batch(transfers=transfer(amount=None)),
        Batch(transfers=transfer(credit=2)),
        Batch(transfers=transfer(reason=None)),
        Batch(accounts=[5, "supplier:gpu:usd"]),
        Batch(accounts=[3, "supplier:tpu:usd"]),
        Batch(balances=[3, AMOUNT_MAX + 1, 4]),
        Batch(balances=[3, -AMOUNT_MAX - 1, 4]),
        Batch(balances=[3, 2**63, 4]),
        Batch(records=[3, "agent", "writer", "{}"]),
        Batch(records=[4, "agent", "painter", None]),
        Batch(latest=["agent", "painter", 4, None, None]),
        Batch(latest=["agent", "painter", 4, "{}", 2**63]),
    ],
    ids=lambda bad: " ".join(
        f"{table} {' '.join(map(str, getattr(bad, table)))}"
        for table in bad.__slots__
        if getattr(bad, table)
    )[:60],
)
def test_a_batch_with_one_bad_row_writes_nothing(books, bad):
    before = contents(books)
    batch = payment()
    for table in Batch.__slots__:
        getattr(batch, table).extend(getattr(bad, table))
    # Python's driver for SQLite refuses what has more than 64 bits by itself.
    with pytest.raises((StoreFailed, OverflowError)):
        books.write(batch)
    assert contents(books) == before
    books.write(payment())
    assert books.head().receipt == 4


def test_the_largest_amounts_come_back_exactly(books):
    books.write(
        Batch(
            transfers=transfer(id=4, amount=AMOUNT_MAX),
            balances=[2, -AMOUNT_MAX, 4, 3, AMOUNT_MAX, 4],
        )
    )
    made = books.transfers(receipt(4, first=4, transfers=1))[0]
    assert (made.amount, type(made.amount)) == (10**15, int)
    assert books.balances()["supplier:gpu:usd"] == 10**15
    assert books.balances()["consumer:ann:credit"] == -(10**15)


@pytest.mark.parametrize("table", APPENDED)
@pytest.mark.parametrize("change", ["UPDATE", "DELETE"])
def test_what_was_appended_stays_as_it_is(books, database, table, change):
    before = contents(books)
    column = metadata.tables[table].columns.values()[0].name
    statement = {
        "UPDATE": f"UPDATE {table} SET {column} = {column}",  # noqa: S608
        "DELETE": f"DELETE FROM {table}",  # noqa: S608
    }[change]
    with (
        pytest.raises(DBAPIError, match=f"{table} are only appended to"),
        database.begin() as connection,
    ):
        connection.execute(text(statement))
    assert contents(books) == before


def test_balances_are_a_cache_and_may_be_made_again(books, database):
    before = contents(books)
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE kept AS SELECT * FROM balances"))
        connection.execute(text("DELETE FROM balances"))
        connection.execute(text("INSERT INTO balances SELECT * FROM kept"))
    assert contents(books) == before


def tables_at(url):
    database = engine(url)
    with database.connect() as connection:
        names = set(inspect(connection).get_table_names())
    database.dispose()
    return names


def test_tables_are_made_dropped_and_made_again(bare_url):
    migrate(bare_url)
    first = definitions(bare_url)
    assert tables_at(bare_url) == TABLES
    migrate(bare_url, "base")
    assert tables_at(bare_url) == {"alembic_version"}
    with pytest.raises(BadBooks):
        open_store(bare_url)
    migrate(bare_url)
    assert definitions(bare_url) == first
    store = open_store(bare_url)
    store.write(world())
    store.close()


def test_tables_that_are_up_to_date_stay_as_they_are(books, books_url):
    before = contents(books)
    books.close()
    migrate(books_url)
    books.reopen()
    assert contents(books) == before


def test_tables_do_not_change_under_a_writer(books, books_url):
    with pytest.raises(AnotherWriter):
        migrate(books_url, "base")
    assert contents(books)[0].receipt == 3


def test_tables_of_another_program_are_left_alone(bare_url):
    database = engine(bare_url)
    with database.begin() as connection:
        connection.execute(text("CREATE TABLE theirs (mine integer)"))
    database.dispose()
    with pytest.raises(BadBooks, match="another program, theirs among them"):
        migrate(bare_url)
    assert tables_at(bare_url) == {"theirs"}


def test_tables_that_cannot_all_be_made_are_not_made(bare_url):
    database = engine(bare_url)
    with database.begin() as connection:
        connection.execute(text("CREATE VIEW records AS SELECT 1 AS mine"))
    database.dispose()
    with pytest.raises(BadBooks, match=r"cannot be made.*already exists"):
        migrate(bare_url)
    assert tables_at(bare_url) == set()


def test_a_later_program_s_tables_are_left_alone(books, books_url, database):
    before = contents(books)
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    books.close()
    with pytest.raises(BadBooks, match="9999"):
        migrate(books_url)
    with database.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '0001'"))
    books.reopen()
    assert contents(books) == before


def test_alembic_finds_no_difference_to_the_schema(database):
    with database.connect() as connection:
        context = MigrationContext.configure(connection, opts={"compare_type": True})
        assert compare_metadata(context, metadata) == []


DEFINITIONS = {
    "sqlite": (
        """
        SELECT type, name, tbl_name, sql FROM sqlite_master
        WHERE type <> 'trigger' AND tbl_name <> 'alembic_version'""",
    ),
    "postgresql": (
        """
        SELECT relname, reloptions FROM pg_class WHERE relkind = 'r'
        AND relnamespace = 'public'::regnamespace AND relname <> 'alembic_version'""",
        """
        SELECT table_name, column_name, ordinal_position, data_type, is_nullable,
        column_default, collation_name FROM information_schema.columns
        WHERE table_schema = 'public' AND table_name <> 'alembic_version'""",
        """
        SELECT conrelid::regclass::text, conname, pg_get_constraintdef(oid)
        FROM pg_constraint WHERE connamespace = 'public'::regnamespace
        AND conrelid <> 'alembic_version'::regclass""",
        """
        SELECT indexname, indexdef FROM pg_indexes
        WHERE schemaname = 'public' AND tablename <> 'alembic_version'""",
    ),
}


def definitions(url):
    """Read all that a database knows of our tables, but the triggers."""
    database = engine(url)
    with database.connect() as connection:
        found = [
            sorted(map(str, connection.execute(text(each))))
            for each in DEFINITIONS[database.dialect.name]
        ]
    database.dispose()
    return found


def test_the_schema_makes_the_same_tables_as_the_migrations(bare_url):
    migrate(bare_url)
    migrated = definitions(bare_url)
    migrate(bare_url, "base")
    database = engine(bare_url)
    with database.begin() as connection:
        metadata.create_all(connection)
    database.dispose()
    assert definitions(bare_url) == migrated


def test_the_program_s_version_is_the_last_migration(books):
    assert books.read("SELECT version_num FROM alembic_version") == [(REVISION,)]
