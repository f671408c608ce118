"""The books in one SQLite file: the default, for one machine."""

import fcntl
import os
import sqlite3
from collections.abc import Sequence
from pathlib import Path
from typing import IO, Any, Final, final

from coopera.errors import AnotherWriter, BadBooks
from coopera.store.base import (
    ACCOUNT,
    BALANCE,
    LATEST,
    RECEIPT,
    RECORD,
    TRANSFER,
    Batch,
    StoreFailed,
)
from coopera.store.sql import SqlStore

ROWS_AT_ONCE: Final = 2048
"""Most rows of one statement; SQLite takes 32,766 values."""

CACHE_KIB: Final = 131_072
CHECKPOINT_PAGES: Final = 4_000
"""Pages in the log from which they are copied into the file."""

BALANCED: Final = (
    " ON CONFLICT (account) DO UPDATE SET balance = excluded.balance, "
    "last = excluded.last"
)
CHANGED: Final = (
    " ON CONFLICT (kind, name) DO UPDATE SET receipt = excluded.receipt, "
    "body = excluded.body, due = excluded.due"
)


@final
class SqliteStore(SqlStore):
    """
    Home of the books in a SQLite file.

    Refuses with `BadBooks` what is not one, and with `AnotherWriter` to write where
    another process does; the system takes the right back from one that is killed.
    """

    joined = "group_concat(body)"

    def __init__(self, path: Path, *, writes: bool = True) -> None:
        self.url = str(path)
        self.path = path
        self._writes = writes
        self._lock: IO[str] | None = None
        self._statements: dict[tuple[str, int], str] = {}
        if not path.is_file():
            raise BadBooks(f"there are no books at {path}; run: coopera books open")
        if writes:
            self._lock = sole_writer(path)
        try:
            self._connect()
        except StoreFailed as failure:
            self.close()
            raise BadBooks(f"{path} holds no books: {failure}") from None
        except BaseException:
            self.close()
            raise

    def _connect(self) -> None:
        try:
            # Reads go beside a write that is under way.
            self._reader = _connection(self.path, "ro")
            self.check_revision()
            self._writer = _connection(self.path, "rw") if self._writes else None
        except sqlite3.Error as error:
            raise _failed(error) from None

    def read(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Read rows; places for arguments are question marks. Raises `StoreFailed`."""
        try:
            return self._reader.execute(statement, arguments).fetchall()
        except sqlite3.Error as error:
            raise _failed(error) from None

    def write(self, batch: Batch) -> None:
        """Write a batch, all of it or nothing, durably. Raises `StoreFailed`."""
        writer = self._writer
        assert writer is not None, "opened for reading"
        try:
            writer.execute("BEGIN IMMEDIATE")
            try:
                self._insert(writer, "accounts", ACCOUNT, batch.accounts)
                self._insert(writer, "receipts", RECEIPT, batch.receipts)
                self._insert(writer, "transfers", TRANSFER, batch.transfers)
                self._insert(writer, "balances", BALANCE, batch.balances, BALANCED)
                self._insert(writer, "records", RECORD, batch.records)
                self._insert(writer, "latest", LATEST, batch.latest, CHANGED)
                writer.execute("COMMIT")
            except BaseException:
                if writer.in_transaction:
                    writer.execute("ROLLBACK")
                raise
        except (sqlite3.Error, OverflowError) as error:
            raise _failed(error) from None

    def _insert(
        self,
        writer: sqlite3.Connection,
        table: str,
        width: int,
        flat: Sequence[Any],
        suffix: str = "",
    ) -> None:
        """
        Insert rows by few statements of many rows.

        One statement a row would take the interpreter's lock for every row. The numbers
        of rows are powers of two, so that few statements are ever prepared.
        """
        rows, done = len(flat) // width, 0
        while done < rows:
            some = min(ROWS_AT_ONCE, 1 << ((rows - done).bit_length() - 1))
            statement = self._statements.get((table, some))
            if statement is None:
                row = f"({', '.join('?' * width)})"
                statement = (
                    f"INSERT INTO {table} VALUES {', '.join([row] * some)}{suffix}"
                )
                self._statements[table, some] = statement
            writer.execute(statement, flat[done * width : (done + some) * width])
            done += some

    def reopen(self) -> None:
        """Connect again, after a failure. Raises `StoreFailed`."""
        self._disconnect()
        self._connect()

    def _disconnect(self) -> None:
        for name in ("_reader", "_writer"):
            connection = getattr(self, name, None)
            if connection is not None:
                connection.close()

    def close(self) -> None:
        """Let go of the database, and of the right to write to it."""
        self._disconnect()
        if self._lock is not None:
            self._lock.close()


def _connection(path: Path, mode: str) -> sqlite3.Connection:
    connection = sqlite3.connect(
        f"{path.resolve().as_uri()}?mode={mode}",
        uri=True,
        isolation_level=None,
        check_same_thread=False,
        cached_statements=256,
    )
    connection.execute(f"PRAGMA cache_size = -{CACHE_KIB}")
    if mode == "rw":
        connection.execute("PRAGMA journal_mode = WAL")
        # A commit is on the disk before it is acknowledged.
        connection.execute("PRAGMA synchronous = FULL")
        connection.execute(f"PRAGMA wal_autocheckpoint = {CHECKPOINT_PAGES}")
    return connection


def sole_writer(path: Path) -> IO[str]:
    """Take the right to write, until closed. Refuses with `AnotherWriter`."""
    name = path.with_name(f"{path.name}.lock")
    try:
        lock = name.open("a+")
    except OSError as error:
        raise BadBooks(f"cannot write beside {path}: {error.strerror}") from None
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        lock.seek(0)
        holder = lock.read().strip() or "unknown"
        lock.close()
        raise AnotherWriter(
            f"process {holder} writes to {path}; stop it, or send commands to it"
        ) from None
    lock.truncate(0)
    lock.write(f"{os.getpid()}\n")
    lock.flush()
    return lock


def _failed(error: Exception) -> StoreFailed:
    said = str(error)
    if "disk is full" in said:
        said = "the disk is full; free some space"
    elif "readonly" in said or "read-only" in said:
        said = "the file or disk is read-only; make it writable"
    return StoreFailed(said)
