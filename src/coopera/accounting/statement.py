"""The statement of an account: what came in and went out, and what was left."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from coopera.accounting.explain import millionths, unit_of
from coopera.errors import BadBooks, UnknownAccount
from coopera.ledger import AccountId, kind_of, moment, named_account
from coopera.store.sql import SqlStore

AT_ONCE: Final = 500
"""Transfers that are read in one statement."""

CHAIN: Final = """
    WITH RECURSIVE chain (id, depth) AS (
        SELECT CAST(? AS BIGINT), 1
        UNION ALL
        SELECT CASE WHEN t.debit = CAST(? AS BIGINT)
            THEN t.debit_previous ELSE t.credit_previous END, depth + 1
        FROM chain JOIN transfers AS t ON t.id = chain.id WHERE depth < ?)
    SELECT t.id, t.receipt, r.at, r.kind, d.path, c.path, t.amount, t.reason,
        CASE WHEN t.debit = CAST(? AS BIGINT)
            THEN t.debit_previous ELSE t.credit_previous END
    FROM chain
    JOIN transfers AS t ON t.id = chain.id
    JOIN receipts AS r ON r.id = t.receipt
    JOIN accounts AS d ON d.id = t.debit
    JOIN accounts AS c ON c.id = t.credit
    ORDER BY depth"""
"""Transfers of an account backwards, from one of them on: no index has them, but each
knows the one before."""


@dataclass(frozen=True, slots=True)
class Line:
    """One transfer, as the account sees it."""

    at: int
    """Microseconds since 1970."""
    moment: str
    receipt: int
    transfer: int
    kind: str
    other: str
    """Account that gave, or that received."""
    amount: int
    """Micro-units; below zero where it went out."""
    balance: int
    """Micro-units, after it."""
    reason: str


@dataclass(frozen=True, slots=True)
class Statement:
    """Lines of an account, the newest last."""

    account: str
    unit: str
    opening: int
    """Micro-units, before the first line."""
    lines: tuple[Line, ...]
    closing: int
    """Micro-units, after the last line."""
    earlier: bool
    """Whether there are lines before the first one."""


def statement(
    store: SqlStore,
    account: str,
    since: int | None = None,
    until: int | None = None,
    last: int | None = None,
) -> Statement:
    """
    List what moved on an account from one moment until before another.

    Of these the last so many, where they are counted. Refuses with `UnknownAccount`.
    """
    path = known_account(store, account)
    lines: list[Line] = []
    cell = store.cell(path)
    closing = balance = cell.balance if cell else 0
    earlier = False
    for number, receipt, at, kind, debit, credit, amount, reason, _ in _chain(
        store, cell.id if cell else 0, cell.last if cell else 0
    ):
        moved = -amount if debit == path else amount
        if until is not None and at >= until:
            closing = balance = balance - moved
            continue
        if (since is not None and at < since) or len(lines) == last:
            earlier = True
            break
        other = credit if debit == path else debit
        lines.append(
            Line(
                *(at, moment(at), receipt, number, kind),
                *(other, moved, balance, reason),
            )
        )
        balance -= moved
    return Statement(
        path, unit_of(path), balance, tuple(reversed(lines)), closing, earlier
    )


def known_account(store: SqlStore, account: str) -> AccountId:
    """Find an account that can be asked about. Refuses with `UnknownAccount`."""
    path = named_account(account)
    if (
        kind_of(path).owned
        and store.cell(path) is None
        and store.record("account", path) is None
    ):
        raise UnknownAccount(f"{path} was never opened; open it first")
    return path


def _chain(store: SqlStore, account: int, last: int) -> Iterator[tuple[Any, ...]]:
    """Read the transfers of an account, the newest first."""
    while last:
        rows = store.read(CHAIN, last, account, AT_ONCE, account)
        for row in rows:
            before = row[-1]
            if not 0 <= before < row[0]:
                raise BadBooks(
                    f"transfer {row[0]} points to transfer {before} as the one before "
                    "it; run: coopera audit"
                )
            yield row
        if not rows:
            raise BadBooks(f"there is no transfer {last}; run: coopera audit")
        last = rows[-1][-1]


def amount_of(line: Line) -> str:
    """Write what came in, or went out with a minus."""
    return f"{'+' * (line.amount > 0)}{millionths(line.amount)}"
