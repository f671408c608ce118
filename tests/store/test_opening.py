"""Books are opened where they are, by one who writes and any who read."""

import os
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from sqlalchemy import text
from tests.store.world import contents, payment, world

from coopera.errors import AnotherWriter, BadBooks
from coopera.store import postgres
from coopera.store.addresses import shown
from coopera.store.opening import engine, migrate, open_store


@pytest.fixture
def impatient(monkeypatch):
    monkeypatch.setattr(postgres, "LOCK_SECONDS", 1)


def execute(url, statement):
    database = engine(url)
    with database.begin() as connection:
        connection.execute(text(statement))
    database.dispose()


@pytest.fixture(params=[True, False], ids=["to write", "to read"])
def writes(request):
    return request.param


def test_books_that_were_never_made_are_refused(bare_url, writes):
    with pytest.raises(BadBooks, match="run: coopera books open") as refused:
        open_store(bare_url, writes=writes)
    assert refused.value.code == "bad_books"
    assert not Path(bare_url).exists()


def test_a_database_that_does_not_exist_is_refused(server, writes):
    url = server.url("nowhere")
    with pytest.raises(BadBooks, match="createdb, then run: coopera books open"):
        open_store(url, writes=writes)
    with pytest.raises(BadBooks, match="createdb"):
        migrate(url)


def test_an_empty_file_is_refused(tmp_path, writes):
    path = tmp_path / "empty.db"
    path.touch()
    with pytest.raises(BadBooks, match="holds no books"):
        open_store(str(path), writes=writes)


@pytest.mark.parametrize(
    "content",
    [b"# Not books, but notes.\n" * 100, b"SQLite format 3\0" + b"?" * 4096],
    ids=["text", "broken"],
)
def test_a_file_that_is_no_books_is_refused_and_kept(tmp_path, content, writes):
    path = tmp_path / "notes.txt"
    path.write_bytes(content)
    with pytest.raises(BadBooks, match="holds no books"):
        open_store(str(path), writes=writes)
    assert path.read_bytes() == content


def test_a_folder_is_refused(tmp_path, writes):
    with pytest.raises(BadBooks, match="there are no books"):
        open_store(str(tmp_path), writes=writes)
    with pytest.raises(BadBooks, match="cannot be made"):
        migrate(str(tmp_path))


def test_another_program_s_database_is_refused(bare_url, writes):
    execute(bare_url, "CREATE TABLE receipts (id integer)")
    with pytest.raises(BadBooks, match="holds no books"):
        open_store(bare_url, writes=writes)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ("UPDATE alembic_version SET version_num = '9999'", "version 9999"),
        ("DELETE FROM alembic_version", "no version"),
    ],
)
def test_tables_of_another_version_are_refused(books_url, writes, change, said):
    execute(books_url, change)
    with pytest.raises(BadBooks, match=f"{said}.*run: coopera books upgrade"):
        open_store(books_url, writes=writes)


def test_a_refusal_does_not_keep_the_right_to_write(books_url, holding):
    execute(books_url, "UPDATE alembic_version SET version_num = '9999'")
    with pytest.raises(BadBooks):
        open_store(books_url)
    execute(books_url, "UPDATE alembic_version SET version_num = '0001'")
    with holding(books_url) as (_, said):
        assert said == "holds"


@pytest.mark.parametrize("url", ["sqlite:///books.db", "mysql://me:secret@db/books"])
def test_addresses_of_other_databases_are_refused(url):
    for opening in (open_store, migrate, engine):
        with pytest.raises(BadBooks, match="name a file, or postgresql://") as refused:
            opening(url)
        assert "secret" not in str(refused.value)


def test_a_second_process_may_not_write(books_url, holding):
    store = open_store(books_url)
    store.write(world())
    before = contents(store)
    with holding(books_url) as (process, said):
        assert said == "another_writer"
    assert process.returncode == 3
    assert contents(store) == before
    store.write(payment())
    store.close()


def test_the_process_that_writes_is_named(books_url, holding, impatient):
    with holding(books_url) as (process, said):
        assert said == "holds"
        with pytest.raises(AnotherWriter, match=rf"process {process.pid}\b") as refused:
            open_store(books_url)
    assert refused.value.code == "another_writer"


def test_one_process_may_not_write_twice(books_url, impatient):
    store = open_store(books_url)
    with pytest.raises(AnotherWriter, match=rf"process {os.getpid()}\b"):
        open_store(books_url)
    store.close()
    open_store(books_url).close()


def test_the_right_to_write_is_free_once_its_process_is_killed(books_url, holding):
    with holding(books_url) as (process, said):
        assert said == "holds"
        process.kill()
        process.wait()
        store = open_store(books_url)
    store.write(world())
    assert store.head().receipt == 3
    store.close()


def test_the_right_to_write_is_free_once_its_process_closes(books_url, holding):
    with holding(books_url) as (process, said):
        assert said == "holds"
    with holding(books_url) as (process, said):
        assert said == "holds"
    assert process.returncode == 0


def test_readers_see_what_a_writer_commits(books_url):
    writer = open_store(books_url)
    readers = [open_store(books_url, writes=False) for _ in range(2)]
    for batch in (world(), payment()):
        writer.write(batch)
        assert [contents(each) for each in readers] == [contents(writer)] * 2
    for each in (writer, *readers):
        each.close()


def test_a_reader_writes_nothing(books_url):
    reader = open_store(books_url, writes=False)
    with pytest.raises(AssertionError, match="opened for reading"):
        reader.write(world())
    reader.reopen()
    assert reader.head().receipt == 0
    reader.close()


def test_a_reader_does_not_keep_a_writer_out(books_url, holding):
    reader = open_store(books_url, writes=False)
    with holding(books_url) as (_, said):
        assert said == "holds"
    reader.close()


def test_a_file_with_any_name_is_opened(sqlite_url, tmp_path):
    path = Path(sqlite_url).rename(tmp_path / "a ?b#c%20d&e=é.db")
    migrate(str(path))
    store = open_store(str(path))
    store.write(world())
    store.close()
    rows = sqlite3.connect(path)
    assert rows.execute("SELECT count(*) FROM receipts").fetchone() == (3,)
    rows.close()


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("/var/books.db", "/var/books.db"),
        ("postgresql://me:s3cret@db:5432/books", "postgresql://me@db:5432/books"),
        ("postgresql://me@a:1,b:2/books", "postgresql://me@a:1,b:2/books"),
        ("postgresql://me:s3cret@[::1]:5432/books", "postgresql://me@[::1]:5432/books"),
        ("postgres://:s3cret@db/books", "postgres://db/books"),
        ("postgresql:///books?host=/run&password=s3cret", "postgresql:///books"),
        ("postgresql://db?user=me&password=s3cret", "postgresql://db"),
        ("postgresql://me:s3c@ret@db/books", "postgresql://..."),
        ("postgresql://me:s3c/ret@db/books", "postgresql://..."),
        ("postgresql://me:s3c?ret@db/books", "postgresql://..."),
        ("postgresql://me:s3c#ret@db/books", "postgresql://..."),
        ("postgresql://me:s3c:ret@db/books", "postgresql://me@db/books"),
        ("postgresql://me:3cret", "postgresql://..."),
        ("postgresql://me@db/books?password=s3c@ret", "postgresql://..."),
        ("postgresql://me:s3cret", "postgresql://..."),
    ],
)
def test_an_address_is_shown_without_its_password(url, said):
    assert shown(url) == said


def test_opening_a_file_needs_no_postgresql(sqlite_url):
    program = (
        "import sys; sys.modules['psycopg'] = None\n"
        "from coopera.store.opening import open_store\n"
        "from coopera.errors import BadBooks\n"
        f"open_store({sqlite_url!r}).close()\n"
        "try: open_store('postgresql://db/books')\n"
        "except BadBooks as refused: print(refused)\n"
    )
    done = subprocess.run(  # noqa: S603
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert "pip install 'coopera[postgres]'" in done.stdout
