"""Servers stop, crash and come back, and connections are lost; the books are whole."""

import traceback
from threading import Thread, Timer

import pytest
from psycopg import errors
from tests.postgres import Server
from tests.store.world import contents, payment, receipt, world

from coopera.errors import AnotherWriter, BadBooks, Refusal, Unavailable
from coopera.store import Batch, StoreFailed, postgres
from coopera.store.opening import engine, migrate, open_store
from coopera.store.postgres import PostgresStore
from coopera.store.schema import APPENDED

SECRET = "s3cret"  # noqa: S105 - nobody's


@pytest.fixture
def books(postgres_url):
    store = PostgresStore(postgres_url)
    store.write(world())
    yield store
    store.close()


@pytest.fixture
def own_server(server):
    """Start a server that the test may stop and start."""
    own = Server()
    yield own
    own.remove()


def name_of(url):
    return url.partition("?")[0].rpartition("/")[2]


def setting(connection, name):
    return connection.execute("SELECT current_setting(%s)", [name]).fetchone()[0]


def cut(server, url):
    """End all connections to a database, as an administrator may."""
    server.execute(
        "SELECT count(pg_terminate_backend(pid, 5000)) FROM pg_stat_activity "  # noqa: S608
        f"WHERE datname = '{name_of(url)}'"
    )


def test_a_lost_connection_fails_until_opened_again(books, server, postgres_url):
    before = contents(books)
    cut(server, postgres_url)
    with pytest.raises(StoreFailed, match=r"terminating connection|was lost"):
        books.write(payment())
    with pytest.raises(StoreFailed):
        books.head()
    with pytest.raises(StoreFailed, match="was lost"):
        books.write(payment())
    books.reopen()
    assert contents(books) == before
    books.write(payment())
    assert books.head().receipt == 4


def test_a_connection_lost_before_the_commit_leaves_nothing(
    books, server, postgres_url, monkeypatch
):
    before = contents(books)
    upsert = postgres._balance

    def cut_then_balance(cursor, flat):
        cut(server, postgres_url)
        upsert(cursor, flat)

    monkeypatch.setattr(postgres, "_balance", cut_then_balance)
    with pytest.raises(StoreFailed):
        books.write(payment())
    monkeypatch.undo()
    books.reopen()
    assert contents(books) == before


def test_a_server_that_is_away_is_waited_for(own_server, monkeypatch):
    migrate(own_server.url())
    store = open_store(own_server.url())
    store.write(world())
    before = contents(store)
    own_server.stop("QUIT")
    with pytest.raises(StoreFailed):
        store.write(payment())
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.3)
    with pytest.raises(StoreFailed, match="cannot be reached"):
        store.reopen()
    with pytest.raises(StoreFailed, match="was lost"):
        store.head()
    with pytest.raises(StoreFailed, match="was lost"):
        store.write(payment())
    with pytest.raises(Unavailable, match="cannot be reached"):
        open_store(own_server.url())
    monkeypatch.undo()
    back = Thread(target=own_server.start, kwargs={"wait": False})
    back.start()
    store.reopen()
    back.join()
    assert contents(store) == before
    store.write(payment())
    assert store.head().receipt == 4
    store.close()


def test_a_server_that_is_stopped_in_order_closes_its_connections(own_server):
    migrate(own_server.url())
    store = open_store(own_server.url())
    own_server.stop()
    with pytest.raises(StoreFailed):
        store.write(world())
    own_server.start()
    store.reopen()
    assert store.head().receipt == 0
    store.close()


def test_the_right_to_write_is_taken_again_or_not_at_all(
    books, server, postgres_url, holding, monkeypatch
):
    before = contents(books)
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 1)
    monkeypatch.setattr(postgres, "PATIENCE_SECONDS", 0.3)
    cut(server, postgres_url)
    with holding(postgres_url) as (process, said):
        assert said == "holds"
        with pytest.raises(StoreFailed, match=rf"process {process.pid} .* writes to"):
            books.reopen()
        with pytest.raises(StoreFailed, match="was lost"):
            books.write(payment())
    books.reopen()
    assert contents(books) == before


def test_a_right_to_write_that_is_soon_free_is_waited_for(books, postgres_url):
    Timer(0.5, books.close).start()
    after = open_store(postgres_url)
    assert after.head().receipt == 3
    after.close()


def test_the_right_to_write_is_one_of_each_database(books, server):
    other = server.database("books")
    store = open_store(server.url(other))
    store.write(world())
    assert contents(store) == contents(books)
    store.close()


@pytest.mark.parametrize(
    ("name", "said"), [("desk", "^desk "), ("", "^another session ")]
)
def test_a_holder_is_named_as_its_address_says(postgres_url, monkeypatch, name, said):
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 1)
    holder = open_store(f"{postgres_url}&application_name={name}")
    with pytest.raises(AnotherWriter, match=rf"{said}\(server process \d+\) writes"):
        open_store(postgres_url)
    holder.close()


@pytest.mark.parametrize(
    ("default", "used"),
    [
        ("off", "on"),
        ("local", "on"),
        ("remote_write", "on"),
        ("on", "on"),
        ("remote_apply", "remote_apply"),
    ],
)
def test_commits_are_durable_whatever_the_default(server, postgres_url, default, used):
    server.execute(
        f"ALTER DATABASE {name_of(postgres_url)} SET synchronous_commit = {default}"
    )
    store = PostgresStore(postgres_url)
    assert setting(store._writer, "synchronous_commit") == used
    store.reopen()
    assert setting(store._writer, "synchronous_commit") == used
    store.close()


def test_the_server_soon_finds_out_that_a_writer_is_gone(server, postgres_url):
    name = name_of(postgres_url)
    server.execute(f"ALTER DATABASE {name} SET idle_session_timeout = '5s'")
    server.execute(f"ALTER DATABASE {name} SET statement_timeout = '5s'")
    store = PostgresStore(postgres_url)
    assert setting(store._writer, "client_connection_check_interval") == "1s"
    assert setting(store._writer, "idle_session_timeout") == "0"
    assert setting(store._writer, "statement_timeout") == "0"
    store.close()


def test_settings_that_a_server_does_not_know_are_left_out(postgres_url):
    settings = {"no_such_setting": "1", "jit": "maybe", "statement_timeout": "7s"}
    connection = postgres.connection(postgres_url, settings)
    assert setting(connection, "statement_timeout") == "7s"
    connection.close()


def test_a_database_that_takes_no_writes_is_read_only(server, postgres_url):
    server.execute(
        f"ALTER DATABASE {name_of(postgres_url)} SET default_transaction_read_only = on"
    )
    with pytest.raises(Unavailable, match="session is read-only"):
        open_store(postgres_url)
    reader = open_store(postgres_url, writes=False)
    assert reader.head().receipt == 0
    reader.close()


def test_a_database_that_takes_no_more_writes_says_so(books):
    before = contents(books)
    books._writer.execute("SET default_transaction_read_only = on")
    with pytest.raises(StoreFailed, match="takes no writes; write to the primary"):
        books.write(payment())
    assert contents(books) == before


@pytest.mark.parametrize("table", APPENDED)
def test_what_was_appended_is_not_emptied(books, table):
    before = contents(books)
    with pytest.raises(errors.RaiseException, match=f"{table} are only appended to"):
        books._writer.execute(f"TRUNCATE {table}")
    assert contents(books) == before


def test_a_full_disk_is_named(books):
    failure = postgres._failed(errors.DiskFull("could not extend file"))
    assert "disk is full; free some space" in str(failure)


def test_who_may_only_read_reads(books, server, postgres_url, monkeypatch):
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 1)
    server.execute("DROP ROLE IF EXISTS auditor; CREATE ROLE auditor LOGIN")
    url = postgres_url.replace("keeper@", "auditor@")
    with pytest.raises(Unavailable, match="permission denied"):
        open_store(url, writes=False)
    server.execute(
        "GRANT SELECT ON ALL TABLES IN SCHEMA public TO auditor", name_of(postgres_url)
    )
    reader = open_store(url, writes=False)
    assert contents(reader) == contents(books)
    reader.close()
    books.close()
    writer = open_store(url)
    with pytest.raises(StoreFailed, match="permission denied for table accounts"):
        writer.write(payment())
    writer.close()


def test_a_database_that_cannot_keep_every_letter_is_refused(server):
    server.execute("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0")
    for opening in (open_store, migrate):
        with pytest.raises(BadBooks, match="LATIN1; make it with: createdb -E UTF8"):
            opening(server.url("latin"))


def test_reading_goes_on_while_a_batch_is_written(books, postgres_url, monkeypatch):
    before = contents(books)
    seen = []
    upsert = postgres._balance

    def look_then_balance(cursor, flat):
        seen.append(contents(books))
        upsert(cursor, flat)

    monkeypatch.setattr(postgres, "_balance", look_then_balance)
    books.write(payment())
    assert seen == [before]
    assert books.head().receipt == 4


def test_keys_are_found_by_the_index_however_small_the_table_was(books, postgres_url):
    for _ in range(10):
        assert len(books.find(["key-0001"])) == 2
    made = [receipt(i) for i in range(4, 20_004)]
    books.write(Batch(receipts=[field for each in made for field in each]))
    plan = books.read("EXPLAIN SELECT id FROM receipts WHERE key = ANY(?)", ["a", "b"])
    assert "receipts_key_caller_key" in str(plan)
    assert books.find(["key-9999"]) == [made[9_995]]


@pytest.fixture
def locked_out(server, postgres_url):
    """Return an address whose role has a password, and another one than ours."""
    rules = server.home / "data/pg_hba.conf"
    kept = rules.read_text()
    rules.write_text(f"local all locked scram-sha-256\n{kept}")
    server.execute("DROP ROLE IF EXISTS locked")
    server.execute("CREATE ROLE locked LOGIN PASSWORD 'another'")
    server.execute("SELECT pg_reload_conf()")
    yield postgres_url.replace("keeper@", f"locked:{SECRET}@")
    rules.write_text(kept)
    server.execute("SELECT pg_reload_conf()")


def refusal_of(opening, url):
    with pytest.raises(Refusal) as refused:
        opening(url)
    return refused.value


@pytest.mark.parametrize("opening", [open_store, migrate])
def test_a_wrong_password_is_not_shown(opening, locked_out):
    refusal = refusal_of(opening, locked_out)
    assert "password authentication failed" in str(refusal)
    assert SECRET not in "".join(traceback.format_exception(refusal))


@pytest.mark.parametrize("opening", [open_store, migrate])
@pytest.mark.parametrize(
    "address",
    [
        "postgresql://me:{}@127.0.0.1:1/books",
        "postgresql://127.0.0.1:1/books?user=me&password={}",
        "postgresql://me:{}@no.such.host.invalid/books",
        "postgresql://me:x/{}@db/books",
        "postgresql://me:{}",
        "postgresql://me:{}@db:port/books",
        "postgresql://me@db:{}/books",
        "postgresql://me:%zz{}@db/books",
        "postgresql://me@db/books?pasword={}",
        "postgresql://me@[::1/books?password={}",
    ],
)
def test_no_refusal_shows_the_password(opening, address):
    refusal = refusal_of(opening, address.format(SECRET))
    assert refusal.code in {"bad_books", "unavailable"}
    assert SECRET not in "".join(traceback.format_exception(refusal))


def test_books_that_are_open_do_not_show_the_password(postgres_url, server):
    url = f"{postgres_url}&password={SECRET}"
    store = open_store(url)
    database = engine(url)
    said = f"{store.url} {database!r} {database.url!r}"
    assert SECRET not in said
    store.close()
    server.execute(
        "ALTER TABLE alembic_version RENAME TO version", name_of(postgres_url)
    )
    refusal = refusal_of(open_store, url)
    assert SECRET not in str(refusal)
    database.dispose()
