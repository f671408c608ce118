"""
The tables, the same on SQLite and PostgreSQL.

Receipts, transfers and records are only ever appended, and triggers hold everybody to
it. `records` keeps every version. `balances` is a cache of the transfers, and `latest`
one of the records.
"""

from typing import Final

from sqlalchemy import (
    BigInteger,
    CheckConstraint,
    Column,
    Index,
    LargeBinary,
    MetaData,
    Table,
    Text,
    UniqueConstraint,
    text,
)
from sqlalchemy.dialects import sqlite

from coopera.store.sql import REVISION
from coopera.units import AMOUNT_MAX

__all__ = ["APPENDED", "REVISION", "metadata"]

APPENDED: Final = ("receipts", "transfers", "accounts", "records")
"""Tables that are only appended to."""

Integer = BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
"""64 bits; SQLite has one integer, and a strict table knows it by this name alone."""

Name = Text().with_variant(Text(collation="C"), "postgresql")
"""Text that is unique byte for byte, however the system sorts, now and later."""

metadata = MetaData(
    naming_convention={
        "pk": "%(table_name)s_pkey",
        "uq": "%(table_name)s_%(column_0_N_name)s_key",
        "ck": "%(table_name)s_%(constraint_name)s_check",
    }
)

receipts = Table(
    "receipts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("key", Name, nullable=False),
    Column("caller", Name, nullable=False),
    Column("kind", Text, nullable=False),
    Column("at", Integer, nullable=False),
    Column("command", Text, nullable=False),
    Column("workings", Text, nullable=False),
    Column("first_transfer", Integer, nullable=False),
    Column("transfers", Integer, nullable=False),
    Column("hash", LargeBinary, nullable=False),
    UniqueConstraint("key", "caller"),
    sqlite_strict=True,
)

transfers = Table(
    "transfers",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("receipt", Integer, nullable=False),
    Column("debit", Integer, nullable=False),
    Column("credit", Integer, nullable=False),
    Column("amount", Integer, nullable=False),
    Column("reason", Text, nullable=False),
    Column("working", Integer, nullable=False),
    Column("part", Integer, nullable=False),
    Column("debit_previous", Integer, nullable=False),
    Column("credit_previous", Integer, nullable=False),
    CheckConstraint(f"amount BETWEEN 1 AND {AMOUNT_MAX}", "amount"),
    CheckConstraint("debit <> credit", "accounts"),
    sqlite_strict=True,
)

accounts = Table(
    "accounts",
    metadata,
    Column("id", Integer, primary_key=True, autoincrement=False),
    Column("path", Name, nullable=False),
    UniqueConstraint("path"),
    sqlite_strict=True,
)

balances = Table(
    "balances",
    metadata,
    Column("account", Integer, primary_key=True, autoincrement=False),
    Column("balance", Integer, nullable=False),
    Column("last", Integer, nullable=False),
    CheckConstraint(f"balance BETWEEN -{AMOUNT_MAX} AND {AMOUNT_MAX}", "balance"),
    sqlite_strict=True,
    # Room in each page, so that an update need not touch an index.
    postgresql_with={"fillfactor": "70"},
)

records = Table(
    "records",
    metadata,
    Column("receipt", Integer, primary_key=True, autoincrement=False),
    Column("kind", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("body", Text, nullable=False),
    sqlite_strict=True,
    sqlite_with_rowid=False,
)

latest = Table(
    "latest",
    metadata,
    Column("kind", Name, primary_key=True),
    Column("name", Name, primary_key=True),
    Column("receipt", Integer, nullable=False),
    Column("body", Text, nullable=False),
    Column("due", Integer),
    sqlite_strict=True,
    sqlite_with_rowid=False,
    postgresql_with={"fillfactor": "70"},
)

Index(
    "latest_due",
    latest.c.due,
    sqlite_where=text("due IS NOT NULL"),
    postgresql_where=text("due IS NOT NULL"),
)
