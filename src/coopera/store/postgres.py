"""The books in a PostgreSQL database: where one machine is not enough."""

import os
import socket
import time
from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from types import MappingProxyType
from typing import Any, Final, final

import psycopg
from psycopg import conninfo, errors

from coopera.errors import AnotherWriter, BadBooks, Refusal, Unavailable
from coopera.ledger import Receipt
from coopera.store.addresses import shown
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
from coopera.store.sql import RECEIPTS, SqlStore

PATIENCE_SECONDS: Final = 10.0
"""How long a lost server is waited for, until those who wait are told."""
RETRY_SECONDS: Final = 0.1
LOCK_SECONDS: Final = 3
"""How long the right to write is waited for: the server may not have noticed yet that
the process that had it is gone."""

LOCK: Final = int.from_bytes(b"coopera")
"""Advisory lock that the one writer to a database holds."""

ALIVE: Final = {
    "connect_timeout": "5",
    "keepalives_idle": "30",
    "keepalives_interval": "10",
    "keepalives_count": "3",
    "tcp_user_timeout": "30000",
}
"""How this end finds out that the other is gone; the address may say otherwise."""

READER: Final = {
    "idle_session_timeout": "0",
    # Plans are made while tables are small, and kept while they grow.
    "enable_seqscan": "off",
    "jit": "off",
}
WRITER: Final = {
    "idle_session_timeout": "0",
    "statement_timeout": "0",
    # How the server finds out that this end is gone, and gives the lock to another.
    "client_connection_check_interval": "1s",
    "tcp_keepalives_idle": "30",
    "tcp_keepalives_interval": "10",
    "tcp_keepalives_count": "3",
}
"""Settings of the sessions; those that a server does not know are left out."""

DURABLE: Final = """
    SELECT set_config('synchronous_commit', 'on', false)
    WHERE current_setting('synchronous_commit') NOT IN ('on', 'remote_apply')"""
"""A commit is on the disk before it is acknowledged."""

HOLDER: Final = """
    SELECT application_name, pid FROM pg_locks LEFT JOIN pg_stat_activity USING (pid)
    WHERE locktype = 'advisory' AND granted AND objsubid = 1
    AND (classid::bigint << 32 | objid::bigint) = %s
    AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"""

BALANCED: Final = """
    INSERT INTO balances SELECT * FROM
    unnest(%s::text::bigint[], %s::text::bigint[], %s::text::bigint[])
    ON CONFLICT (account) DO UPDATE SET balance = excluded.balance, last = excluded.last
    """
CHANGED: Final = """
    INSERT INTO latest SELECT * FROM
    unnest(%s::text[], %s::text[], %s::bigint[], %s::text[], %s::bigint[])
    ON CONFLICT (kind, name) DO UPDATE
    SET receipt = excluded.receipt, body = excluded.body, due = excluded.due"""

ESCAPED: Final = {"\\": r"\\", "\t": r"\t", "\n": r"\n", "\r": r"\r"}
"""Characters of text that COPY takes for something else, and how it reads them."""

Connection = psycopg.Connection[tuple[Any, ...]]


@final
class PostgresStore(SqlStore):
    """
    Home of the books in a PostgreSQL database.

    Refuses with `BadBooks` what is not one, with `Unavailable` a server that cannot be
    reached, and with `AnotherWriter` to write where another process does; the server
    takes the right back from one that is killed.
    """

    joined = "string_agg(body, ',')"

    def __init__(self, url: str, *, writes: bool = True) -> None:
        self.url = shown(url)
        self._address = url
        self._writes = writes
        self._reader: Connection | None = None
        self._writer: Connection | None = None
        try:
            self._connect()
        except StoreFailed as failure:
            raise Unavailable(f"{self.url} cannot be opened: {failure}") from None

    def _connect(self) -> None:
        """Connect with the right to write, if it is to be had, or not at all."""
        try:
            self._take()
        except BaseException:
            self.close()
            raise

    def _take(self) -> None:
        try:
            if self._writes:
                self._writer = connection(self._address, WRITER, writes=True)
                self._writer.execute(DURABLE)
                _lock(self._writer, self.url)
            # Reads go beside a write that is under way.
            self._reader = connection(self._address, READER, writes=self._writes)
        except psycopg.Error as error:
            raise _failed(error) from None
        if self.read("SELECT to_regclass('alembic_version')") == [(None,)]:
            raise BadBooks(f"{self.url} holds no books; run: coopera books open")
        self.check_revision()

    def read(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Read rows; places for arguments are question marks. Raises `StoreFailed`."""
        reader = self._reader
        if reader is None:
            raise StoreFailed("the server was lost")
        query = statement.replace("?", "%s").encode()
        try:
            return reader.execute(query, arguments, binary=True).fetchall()
        except psycopg.Error as error:
            raise _failed(error) from None

    def find(self, keys: Sequence[str]) -> list[Receipt]:
        """Return the receipts that have one of some idempotency keys."""
        found = self.read(f"{RECEIPTS} WHERE key = ANY(?)", list(keys))
        return [Receipt._make(row) for row in found]

    def write(self, batch: Batch) -> None:
        """Write a batch, all of it or nothing, durably. Raises `StoreFailed`."""
        assert self._writes, "opened for reading"
        writer = self._writer
        if writer is None:
            raise StoreFailed("the server was lost")
        try:
            with writer.transaction(), writer.cursor() as cursor:
                _copy(cursor, "accounts", ACCOUNT, batch.accounts, [1])
                _copy(cursor, "receipts", RECEIPT, batch.receipts, [1, 2, 3, 5, 6, 9])
                _copy(cursor, "transfers", TRANSFER, batch.transfers, [5])
                _balance(cursor, batch.balances)
                _copy(cursor, "records", RECORD, batch.records, [1, 2, 3])
                _change(cursor, batch.latest)
        except psycopg.Error as error:
            raise _failed(error) from None

    def reopen(self) -> None:
        """
        Connect again, after a failure, once the server is back. Raises `StoreFailed`.

        The server ends what was under way before it gives the right to write again.
        """
        until = time.monotonic() + PATIENCE_SECONDS
        while True:
            self.close()
            try:
                return self._connect()
            except (StoreFailed, Refusal) as failure:
                if time.monotonic() > until:
                    raise StoreFailed(str(failure)) from None
            time.sleep(RETRY_SECONDS)

    def close(self) -> None:
        """Let go of the database, and of the right to write to it."""
        for each in (self._reader, self._writer):
            if each is not None:
                each.close()
        self._reader = self._writer = None


def connection(
    url: str,
    settings: Mapping[str, str] = MappingProxyType({}),
    *,
    writes: bool = False,
    autocommit: bool = True,
) -> Connection:
    """
    Connect to a server, to a primary where it is written to.

    Refuses with `BadBooks` an address that is none, or of no database, and raises
    `StoreFailed` where the server cannot be reached. Neither shows the password.
    """
    try:
        given = conninfo.conninfo_to_dict(url)
    except psycopg.Error:
        # What libpq says of it may quote the password.
        given = {"port": "?"}
    port = str(given.get("port", ""))
    if not port.replace(",", "").isdecimal() and port:
        raise BadBooks(
            f"{shown(url)} is no address of a database; it must be "
            "postgresql://user:password@host:port/database"
        )
    name = f"coopera process {os.getpid()} on {socket.gethostname()}"
    asked: dict[str, Any] = {"application_name": name[:63], **ALIVE, **given}
    if writes:
        asked["target_session_attrs"] = "read-write"
    try:
        made = psycopg.connect(**asked, client_encoding="UTF8", autocommit=autocommit)
    except psycopg.Error as error:
        said = " ".join(str(error).split())
        if "does not exist" in said and "database" in said:
            raise BadBooks(
                f"{shown(url)} does not exist; make it with createdb, then run: "
                "coopera books open"
            ) from None
        raise StoreFailed(f"the server cannot be reached: {said}") from None
    encoding = made.info.parameter_status("server_encoding")
    if encoding != "UTF8":
        made.close()
        raise BadBooks(
            f"{shown(url)} keeps text as {encoding}; make it with: createdb -E UTF8"
        )
    for key, value in settings.items():
        with suppress(errors.UndefinedObject, errors.InvalidParameterValue):
            made.execute("SELECT set_config(%s, %s, false)", [key, value])
    return made


def sole_writer(url: str) -> Connection:
    """
    Take the right to write, until the connection is closed.

    Refuses with `AnotherWriter` where another process has it; raises `StoreFailed`.
    """
    writer = connection(url, WRITER, writes=True)
    try:
        _lock(writer, shown(url))
    except BaseException:
        writer.close()
        raise
    return writer


def _lock(writer: Connection, named_url: str) -> None:
    try:
        with writer.transaction():
            writer.execute(b"SET LOCAL lock_timeout = '%ds'" % LOCK_SECONDS)
            writer.execute("SELECT pg_advisory_lock(%s)", [LOCK])
    except errors.LockNotAvailable:
        found = writer.execute(HOLDER, [LOCK]).fetchone() or (None, "unknown")
        named = f"{found[0] or 'another session'} (server process {found[1]})"
        raise AnotherWriter(
            f"{named} writes to {named_url}; stop it, or send commands to it"
        ) from None


def _copy(
    cursor: psycopg.Cursor[Any],
    table: str,
    width: int,
    flat: Sequence[Any],
    convert: Iterable[int],
) -> None:
    if flat:
        with cursor.copy(f"COPY {table} FROM STDIN".encode()) as copy:
            copy.write(lines(flat, width, convert))


def lines(flat: Sequence[Any], width: int, convert: Iterable[int]) -> str:
    r"""
    Write rows in the text format of COPY; some columns are more than numbers.

    >>> lines([1, b"ab", None, "a\tb"], 4, [1, 2, 3])
    '1\t\\\\x6162\t\\N\ta\\tb\n'
    """
    fields = list(flat)
    for i in convert:
        fields[i::width] = _column(fields[i::width])
    # One format for all rows: this is half of what a commit costs.
    row = "\t".join(["%s"] * width) + "\n"
    return row * (len(flat) // width) % tuple(fields)


def _column(values: Sequence[Any]) -> Sequence[Any]:
    """Write a column; nearly always no text in it has to be escaped."""
    if set(map(type, values)) == {str}:
        text = "".join(values)
        if not any(special in text for special in ESCAPED):
            return values
    return [_field(value) for value in values]


def _field(value: Any) -> Any:
    if type(value) is str:
        for special, escaped in ESCAPED.items():
            value = value.replace(special, escaped)
        return value
    if type(value) is bytes:
        return rf"\\x{value.hex()}"
    return r"\N" if value is None else value


def _balance(cursor: psycopg.Cursor[Any], flat: Sequence[Any]) -> None:
    if flat:
        columns = [",".join(map(str, flat[i::BALANCE])) for i in range(BALANCE)]
        cursor.execute(BALANCED, [f"{{{each}}}" for each in columns])


def _change(cursor: psycopg.Cursor[Any], flat: Sequence[Any]) -> None:
    if flat:
        cursor.execute(CHANGED, [flat[i::LATEST] for i in range(LATEST)])


def _failed(error: psycopg.Error) -> StoreFailed:
    said = error.diag.message_primary or " ".join(str(error).split())
    if isinstance(error, errors.DiskFull):
        said = f"the server's disk is full; free some space ({said})"
    elif isinstance(error, errors.ReadOnlySqlTransaction):
        said = f"the server takes no writes; write to the primary ({said})"
    elif error.sqlstate is None:
        said = f"the connection to the server was lost ({said})"
    return StoreFailed(said)
