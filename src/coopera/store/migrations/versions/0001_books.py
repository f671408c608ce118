"""The books: receipts, transfers, accounts, balances, records, the latest of them."""

from typing import Final

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import sqlite

revision = "0001"
down_revision = None

Integer = sa.BigInteger().with_variant(sqlite.INTEGER(), "sqlite")
Name = sa.Text().with_variant(sa.Text(collation="C"), "postgresql")
AMOUNT_MAX: Final = 10**15
APPENDED: Final = ("receipts", "transfers", "accounts", "records")


def upgrade() -> None:
    """Make the tables, and hold everybody to appending."""
    op.create_table(
        "receipts",
        sa.Column("id", Integer, autoincrement=False),
        sa.Column("key", Name, nullable=False),
        sa.Column("caller", Name, nullable=False),
        sa.Column("kind", sa.Text, nullable=False),
        sa.Column("at", Integer, nullable=False),
        sa.Column("command", sa.Text, nullable=False),
        sa.Column("workings", sa.Text, nullable=False),
        sa.Column("first_transfer", Integer, nullable=False),
        sa.Column("transfers", Integer, nullable=False),
        sa.Column("hash", sa.LargeBinary, nullable=False),
        sa.PrimaryKeyConstraint("id", name="receipts_pkey"),
        sa.UniqueConstraint("key", "caller", name="receipts_key_caller_key"),
        sqlite_strict=True,
    )
    op.create_table(
        "transfers",
        sa.Column("id", Integer, autoincrement=False),
        sa.Column("receipt", Integer, nullable=False),
        sa.Column("debit", Integer, nullable=False),
        sa.Column("credit", Integer, nullable=False),
        sa.Column("amount", Integer, nullable=False),
        sa.Column("reason", sa.Text, nullable=False),
        sa.Column("working", Integer, nullable=False),
        sa.Column("part", Integer, nullable=False),
        sa.Column("debit_previous", Integer, nullable=False),
        sa.Column("credit_previous", Integer, nullable=False),
        sa.PrimaryKeyConstraint("id", name="transfers_pkey"),
        sa.CheckConstraint(
            f"amount BETWEEN 1 AND {AMOUNT_MAX}", op.f("transfers_amount_check")
        ),
        sa.CheckConstraint("debit <> credit", op.f("transfers_accounts_check")),
        sqlite_strict=True,
    )
    op.create_table(
        "accounts",
        sa.Column("id", Integer, autoincrement=False),
        sa.Column("path", Name, nullable=False),
        sa.PrimaryKeyConstraint("id", name="accounts_pkey"),
        sa.UniqueConstraint("path", name="accounts_path_key"),
        sqlite_strict=True,
    )
    op.create_table(
        "balances",
        sa.Column("account", Integer, autoincrement=False),
        sa.Column("balance", Integer, nullable=False),
        sa.Column("last", Integer, nullable=False),
        sa.PrimaryKeyConstraint("account", name="balances_pkey"),
        sa.CheckConstraint(
            f"balance BETWEEN -{AMOUNT_MAX} AND {AMOUNT_MAX}",
            op.f("balances_balance_check"),
        ),
        sqlite_strict=True,
        postgresql_with={"fillfactor": "70"},
    )
    op.create_table(
        "records",
        sa.Column("receipt", Integer, autoincrement=False, nullable=False),
        sa.Column("kind", Name, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.PrimaryKeyConstraint("receipt", "kind", "name", name="records_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
    )
    op.create_table(
        "latest",
        sa.Column("kind", Name, nullable=False),
        sa.Column("name", Name, nullable=False),
        sa.Column("receipt", Integer, nullable=False),
        sa.Column("body", sa.Text, nullable=False),
        sa.Column("due", Integer),
        sa.PrimaryKeyConstraint("kind", "name", name="latest_pkey"),
        sqlite_strict=True,
        sqlite_with_rowid=False,
        postgresql_with={"fillfactor": "70"},
    )
    op.create_index(
        "latest_due",
        "latest",
        ["due"],
        sqlite_where=sa.text("due IS NOT NULL"),
        postgresql_where=sa.text("due IS NOT NULL"),
    )
    if op.get_bind().dialect.name == "sqlite":
        for table in APPENDED:
            for change in ("UPDATE", "DELETE"):
                op.execute(
                    f"CREATE TRIGGER {table}_no_{change.lower()} "
                    f"BEFORE {change} ON {table} BEGIN "
                    f"SELECT RAISE(ABORT, '{table} are only appended to'); END"
                )
    else:
        op.execute(
            "CREATE FUNCTION refuse_change() RETURNS trigger LANGUAGE plpgsql AS "
            "$$ BEGIN RAISE EXCEPTION '% are only appended to', TG_TABLE_NAME; END $$"
        )
        for table in APPENDED:
            op.execute(
                f"CREATE TRIGGER {table}_kept BEFORE UPDATE OR DELETE OR TRUNCATE "
                f"ON {table} EXECUTE FUNCTION refuse_change()"
            )


def downgrade() -> None:
    """Drop the tables, with all that is in them."""
    for table in (
        *("latest", "records", "balances", "accounts", "transfers", "receipts"),
    ):
        op.drop_table(table)
    if op.get_bind().dialect.name != "sqlite":
        op.execute("DROP FUNCTION refuse_change()")
