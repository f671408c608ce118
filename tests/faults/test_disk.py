"""A disk that is full or read-only: refused clearly, and nothing is half-written."""

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from tests.faults.killing import open_books

from coopera.accounting.audit import audit
from coopera.errors import BadBooks, Unavailable
from coopera.ledger import AccountId
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.service import Request, Writer
from coopera.store.opening import migrate, open_store
from coopera.store.sqlite import SqliteStore

SMALL, LARGE = "size=3m", "size=64m"


def mount(*arguments: str) -> bool:
    """Mount something, where that is allowed."""
    done = subprocess.run(["mount", *arguments], capture_output=True, check=False)
    return done.returncode == 0


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    disk = tmp_path / "disk"
    disk.mkdir()
    if os.geteuid() != 0 or not mount("-t", "tmpfs", "-o", SMALL, "tmpfs", str(disk)):
        pytest.skip("a disk of its own size can be mounted by root alone")
    try:
        yield disk
    finally:
        subprocess.run(["umount", "-l", str(disk)], check=True)


def deposit(number: int) -> Request:
    reference = f"payment {number} " + "x" * 180
    command = Deposit("consumer:alice:credit", "usd", 1, reference)
    return Request(f"deposit-{number:06d}", "operator", command)


def opened(url: str) -> SqliteStore:
    migrate(url)
    open_books(url)
    store = open_store(url)
    assert isinstance(store, SqliteStore)
    return store


def held(url: str) -> int:
    store = open_store(url, writes=False)
    try:
        report = audit(store)
        assert report.clean, report
        return store.balances()[AccountId("consumer:alice:credit")]
    finally:
        store.close()


def deposit_until_refused(writer: Writer) -> tuple[int, Unavailable]:
    """Deposit until it cannot be written: how often it could, and the refusal."""
    for number in range(20_000):
        try:
            writer.execute(deposit(number))
        except Unavailable as refused:
            return number, refused
    raise AssertionError("the disk never was full")


def test_full_disk_is_refused_clearly_and_goes_on_once_there_is_space(small_disk):
    url = str(small_disk / "books.db")
    with Writer(opened(url)) as writer:
        writer.execute(
            Request("open-alice", "operator", OpenAccounts("consumer:alice"))
        )
        done, refused = deposit_until_refused(writer)
        assert "disk is full" in str(refused)
        assert "same key" in str(refused)
        assert held(url) == done

        assert mount("-o", f"remount,{LARGE}", str(small_disk))
        again = writer.execute(deposit(done))
        assert writer.execute(deposit(done)) == again
    assert held(url) == done + 1


def test_many_waiting_commands_are_all_told_that_the_disk_is_full(small_disk):
    url = str(small_disk / "books.db")
    with Writer(opened(url)) as writer:
        writer.execute(
            Request("open-alice", "operator", OpenAccounts("consumer:alice"))
        )
        done, _ = deposit_until_refused(writer)
        asked = [writer.submit(deposit(n)) for n in range(done, done + 300)]
        for future in asked:
            with pytest.raises(Unavailable):
                future.result(timeout=60)
    assert held(url) == done


def test_file_that_becomes_read_only_is_refused_and_nothing_changes(tmp_path):
    url = str(tmp_path / "books.db")
    store = opened(url)
    with Writer(store) as writer:
        writer.execute(
            Request("open-alice", "operator", OpenAccounts("consumer:alice"))
        )
        writer.execute(deposit(1))
        # As SQLite answers on a disk that was remounted, after each connect.
        with read_only(store), pytest.raises(Unavailable, match="read-only"):
            writer.execute(deposit(2))
        writer.execute(deposit(2))
    assert held(url) == 2


@contextlib.contextmanager
def read_only(store: SqliteStore) -> Iterator[None]:
    connect = store._connect

    def connect_to_read() -> None:
        connect()
        assert store._writer is not None
        store._writer.execute("PRAGMA query_only = ON")

    store._disconnect()
    connect_to_read()
    store._connect = connect_to_read  # type: ignore[method-assign]
    try:
        yield
    finally:
        del store._connect
        store._disconnect()
        store._connect()


def test_books_on_a_read_only_disk_can_be_read_and_not_written(small_disk):
    url = str(small_disk / "books.db")
    opened(url).close()
    assert mount("-o", "remount,ro", str(small_disk))

    with pytest.raises(BadBooks, match="Read-only"):
        open_store(url)
