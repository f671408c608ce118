"""The transfers for other programs: CSV, Parquet, beancount."""

import csv
import io
import json
from collections.abc import Callable, Iterator, Mapping
from datetime import UTC, date, datetime, timedelta
from decimal import Decimal
from itertools import groupby
from typing import IO, Any, Final, NamedTuple

from coopera.accounting.explain import millionths
from coopera.ledger import AccountId, Asset, Side, kind_of, moment
from coopera.store.sql import SqlStore
from coopera.units import MICRO

AT_ONCE: Final = 5_000
"""Transfers that are read in one statement, and make a row group of Parquet."""

SELECT: Final = """
    SELECT t.id, t.receipt, r.at, r.kind, r.caller, r.key, d.path, c.path, t.amount,
        t.reason, t.working, t.part
    FROM transfers AS t
    JOIN receipts AS r ON r.id = t.receipt
    JOIN accounts AS d ON d.id = t.debit
    JOIN accounts AS c ON c.id = t.credit
    WHERE t.id BETWEEN ? AND ? ORDER BY t.id"""

COMMODITY: Final[Mapping[Asset, str]] = {
    Asset.USD: "USD",
    Asset.TOKEN: "TOKEN",
    Asset.POINT: "POINT",
    Asset.UNIT: "UNIT",
}

OWN: Final = frozenset({"burned", "fund", "market", "reserve", "settlement"})
"""First parts of the accounts that are the network's own, and owed to nobody."""


class Row(NamedTuple):
    """A transfer with what its receipt says of it."""

    transfer: int
    receipt: int
    at: int
    """Microseconds since 1970."""
    kind: str
    caller: str
    key: str
    debit: AccountId
    credit: AccountId
    amount: int
    """Micro-units."""
    reason: str
    working: int
    part: int

    @property
    def asset(self) -> Asset:
        """Tell what moved."""
        return kind_of(self.debit).asset


def write_csv(
    store: SqlStore, file: IO[bytes], since: int | None = None, until: int | None = None
) -> int:
    """Write the transfers from one moment until before another: how many."""
    text = io.TextIOWrapper(file, "utf-8", newline="", write_through=True)
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(
        (
            *("transfer", "receipt", "moment", "kind", "caller", "key"),
            *("debit", "credit", "asset", "amount", "reason", "working", "part"),
        )
    )
    count = 0
    for row in _rows(store, *_between(store, since, until)):
        count += 1
        writer.writerow(
            (
                *(row.transfer, row.receipt, moment(row.at), row.kind, row.caller),
                *(row.key, row.debit, row.credit, row.asset.value),
                *(millionths(row.amount, ""), row.reason),
                *((row.working, row.part) if row.working >= 0 else ("", "")),
            )
        )
    text.detach()
    return count


def write_parquet(
    store: SqlStore, file: IO[bytes], since: int | None = None, until: int | None = None
) -> int:
    """Write the transfers from one moment until before another: how many."""
    import pyarrow as pa  # noqa: PLC0415 - an extra
    import pyarrow.parquet as pq  # noqa: PLC0415

    name = pa.dictionary(pa.int32(), pa.string())
    schema = pa.schema(
        {
            "transfer": pa.int64(),
            "receipt": pa.int64(),
            "moment": pa.timestamp("us", tz="UTC"),
            "kind": name,
            "caller": name,
            "key": pa.string(),
            "debit": name,
            "credit": name,
            "asset": name,
            "amount": pa.decimal128(19, 6),
            "reason": name,
            "working": pa.int32(),
            "part": pa.int32(),
        }
    )
    count = 0
    with pq.ParquetWriter(file, schema, compression="zstd") as writer:
        rows = _rows(store, *_between(store, since, until))
        for _, group in groupby(enumerate(rows), lambda each: each[0] // AT_ONCE):
            columns = zip(*(_values(row) for _, row in group), strict=True)
            arrays = [
                pa.array(column, field.type)
                for column, field in zip(columns, schema, strict=True)
            ]
            writer.write_table(pa.Table.from_arrays(arrays, schema=schema))
            count += len(arrays[0])
    return count


def write_beancount(
    store: SqlStore, file: IO[bytes], since: int | None = None, until: int | None = None
) -> int:
    """
    Write the transfers from one moment until before another, as beancount: how many.

    A receipt is a transaction. What gives, as the market does, is an asset; what is
    owed to members is a liability, and what is the network's own is equity. The
    balances at the end are asserted to the last millionth.
    """
    first, last = _between(store, since, until)
    held: dict[AccountId, int] = {}
    for row in _rows(store, 1, first - 1):
        _add(held, row)
    text = io.TextIOWrapper(file, "utf-8", newline="\n", write_through=True)
    rows = _rows(store, first, last)
    day = _opening_day(store, first, last)
    text.write(
        'option "title" "Coopera"\n'
        'option "inferred_tolerance_default" "*:0"\n'
        'option "operating_currency" "USD"\n\n'
    )
    for commodity in COMMODITY.values():
        text.write(f"{day} commodity {commodity}\n")
    text.write("\n")
    accounts = [AccountId(path) for (path,) in _used(store, last)]
    for path in accounts:
        text.write(f"{day} open {beancount_account(path)} {_commodity(path)}\n")
    if any(held.values()):
        text.write(f'\n{day} * "operator" "balances brought forward"\n')
        for path, amount in held.items():
            if amount:
                text.write(_posting(path, -amount))
    count = 0
    for _, group in groupby(rows, lambda row: row.receipt):
        moved = list(group)
        text.write(_transaction(moved))
        for row in moved:
            _add(held, row)
        count += len(moved)
        day = _day(moved[0].at)
    text.write("\n")
    # An assertion holds at the start of its day.
    after = day + timedelta(days=1)
    for path in accounts:
        stands = f"{millionths(-held.get(path, 0), '')} ~ 0 {_commodity(path)}"
        text.write(f"{after} balance {beancount_account(path)}  {stands}\n")
    text.detach()
    return count


FORMATS: Final[Mapping[str, Callable[..., int]]] = {
    "csv": write_csv,
    "parquet": write_parquet,
    "beancount": write_beancount,
}


def beancount_account(path: AccountId) -> str:
    """
    Name an account as beancount allows, every one differently.

    Parts of a path start with a capital or a digit there, and have letters, digits and
    dashes only. Other characters become capitals between dashes: members' names have
    none of their own.

    >>> beancount_account("consumer:alice_b.c:credit")
    'Liabilities:Consumer:Alice-U-b-D-c:Credit'
    """
    kind = kind_of(path)
    first = path.partition(":")[0]
    if kind.side is Side.DEBIT:
        root = "Assets"
    else:
        root = "Equity" if first in OWN else "Liabilities"
    return ":".join((root, *map(_component, path.split(":"))))


def _component(part: str) -> str:
    head, rest = part[0], part[1:]
    start = head.upper() if _plain(head) and head != "-" else f"Z-Z{ord(head):x}-"
    return start + "".join(
        each if _plain(each) else ESCAPES.get(each, f"-X{ord(each):x}-")
        for each in rest
    )


ESCAPES: Final = {"_": "-U-", ".": "-D-"}


def _plain(character: str) -> bool:
    return character in "abcdefghijklmnopqrstuvwxyz0123456789-"


def _between(store: SqlStore, since: int | None, until: int | None) -> tuple[int, int]:
    """Find the first and the last transfer between two moments."""
    head = store.head()
    first = 1 if since is None else _first_from(store, since, head.receipt)
    end = head.receipt if until is None else _first_from(store, until, head.receipt) - 1
    return _transfers_before(store, first), _transfers_before(store, end + 1) - 1


def _first_from(store: SqlStore, at: int, last: int) -> int:
    """Find the first receipt from a moment on; their moments never go back."""
    low, high = 1, last + 1
    while low < high:
        middle = (low + high) // 2
        receipt = store.receipt(middle)
        if receipt is not None and receipt.at >= at:
            high = middle
        else:
            low = middle + 1
    return low


def _transfers_before(store: SqlStore, number: int) -> int:
    """Find the number that the first transfer of a receipt has, or would have."""
    receipt = store.receipt(number - 1)
    return receipt.first_transfer + receipt.transfers if receipt else 1


def _rows(store: SqlStore, first: int, last: int) -> Iterator[Row]:
    for number in range(first, last + 1, AT_ONCE):
        found = store.read(SELECT, number, min(number + AT_ONCE - 1, last))
        yield from map(Row._make, found)


def _values(row: Row) -> tuple[Any, ...]:
    """Make the values of a row of Parquet."""
    works = row.working >= 0
    return (
        *(row.transfer, row.receipt, row.at, row.kind, row.caller, row.key),
        *(row.debit, row.credit, row.asset.value, Decimal(row.amount) / MICRO),
        *(row.reason, row.working if works else None, row.part if works else None),
    )


def _used(store: SqlStore, last: int) -> list[tuple[Any, ...]]:
    """List the accounts that are used up to a transfer, in that order."""
    return store.read(
        "SELECT path FROM accounts WHERE id <= ("
        "SELECT coalesce(max(CASE WHEN debit > credit THEN debit ELSE credit END), 0) "
        "FROM transfers WHERE id <= ?) ORDER BY id",
        last,
    )


def _add(held: dict[AccountId, int], row: Row) -> None:
    held[row.debit] = held.get(row.debit, 0) - row.amount
    held[row.credit] = held.get(row.credit, 0) + row.amount


def _opening_day(store: SqlStore, first: int, last: int) -> date:
    """Find the day of the first transfer that is written, or of the last before it."""
    for row in _rows(store, *((first, first) if first <= last else (last, last))):
        return _day(row.at)
    return _day(store.head().at)


def _day(at: int) -> date:
    return (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=at)).date()


def _commodity(path: AccountId) -> str:
    return COMMODITY[kind_of(path).asset]


def _transaction(moved: list[Row]) -> str:
    first = moved[0]
    named = f"{json.dumps(first.caller)} {json.dumps(first.kind)}"
    lines = [
        f"\n{_day(first.at)} * {named}\n",
        f"  receipt: {first.receipt}\n",
        f'  key: "{first.key}"\n',
        f'  moment: "{moment(first.at)}"\n',
    ]
    for row in moved:
        reason = json.dumps(row.reason, ensure_ascii=False)
        lines += (
            _posting(row.debit, row.amount),
            f"    transfer: {row.transfer}\n    reason: {reason}\n",
            _posting(row.credit, -row.amount),
        )
    return "".join(lines)


def _posting(path: AccountId, amount: int) -> str:
    written = millionths(amount, "")
    return f"  {beancount_account(path)}  {written} {_commodity(path)}\n"
