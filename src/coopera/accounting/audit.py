"""The audit: the whole history once more, row by row, from nothing but the book."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final, NamedTuple, TypeVar

import msgspec

from coopera.accounting.explain import (
    GIVES_THE_AMOUNT,
    RELEASES,
    NotRecomputed,
    function_of,
    recomputed,
)
from coopera.errors import AccountClosed, Refusal, UnknownAccount
from coopera.ledger import (
    GENESIS,
    Account,
    AccountId,
    Asset,
    Bounds,
    Hold,
    HoldStatus,
    Receipt,
    Transfer,
    account,
    bounds_of,
    kind_of,
    named_account,
)
from coopera.ledger.chain import receipt_hash
from coopera.protocol.books import CURRENT, Settings, read_settings
from coopera.protocol.holds import ESCROW
from coopera.protocol.records import RECORDS
from coopera.store.sql import RECEIPTS, REVISION, SqlStore
from coopera.units import AMOUNT_MAX

FINDINGS_MAX: Final = 20
"""Findings after which the audit stops: one bad row can spoil many."""

RECEIPTS_AT_ONCE: Final = 500
ROWS_AT_ONCE: Final = 5_000

ISSUANCE: Final = account("issuance")
ESCROWS: Final = (
    ESCROW,
    account("escrow", "withdrawals", "usd"),
    account("escrow", "withdrawals", "token"),
)
"""Accounts that hold the sum of their pending holds."""

Progress = Callable[[int, int], object]
"""Told how many transfers were gone through, and of how many."""


@dataclass(frozen=True, slots=True)
class Finding:
    """A row that is not as it must be."""

    table: str
    row: str
    """Its number, or its name."""
    what: str
    expected: str
    found: str


@dataclass(frozen=True, slots=True)
class Report:
    """What was gone through, and what was wrong."""

    receipts: int
    transfers: int
    accounts: int
    records: int
    hash: str
    """Of the last receipt that was gone through."""
    findings: tuple[Finding, ...]
    """The first one first; after some twenty the audit stops."""
    notes: tuple[str, ...]
    """What could not be checked, though nothing is wrong."""

    @property
    def clean(self) -> bool:
        """Tell whether nothing was found."""
        return not self.findings


def audit(
    store: SqlStore,
    progress: Progress = lambda _done, _all: None,
    head: tuple[int, str] | None = None,
) -> Report:
    """
    Go through all books once, in order, and recompute whatever can be recomputed.

    Numbers without gaps, the hash chain, every amount by its working, the links from
    transfer to transfer, both sides' assets, normal sides and limits at every moment,
    balances, holds, the supply. `head` is the number and hash of a receipt that was
    remembered elsewhere: only this shows that later receipts were cut off.

    The books may be written to meanwhile; what is added is left to the next audit.
    """
    return _Audit(store, progress, head).run()


class _Enough(Exception):
    """There are as many findings as anybody reads."""


class _Doubt(NamedTuple):
    """Amounts that are not together what they should be."""

    rows: "list[_Row]"
    what: str
    expected: int

    def rest(self, row: "_Row") -> int:
        """Find what a row's amount should be, if the others are right."""
        return self.expected - sum(each.amount for each in self.rows) + row.amount


class _Row(NamedTuple):
    """A transfer as it is stored."""

    id: int
    receipt: int
    debit: int
    credit: int
    amount: int
    reason: str
    working: int
    part: int
    debit_previous: int
    credit_previous: int


class _Version(NamedTuple):
    """A record as it is stored."""

    receipt: int
    kind: str
    name: str
    body: str

    @property
    def row(self) -> str:
        """Name the row."""
        return f"{self.kind} {self.name} of receipt {self.receipt}"


T = TypeVar("T")
TRANSFERS: Final = "SELECT " + ", ".join(_Row._fields) + " FROM transfers"  # noqa: S608
VERSIONS: Final = """
    SELECT receipt, kind, name, body FROM records
    WHERE (receipt, kind, name) > (?, ?, ?) ORDER BY receipt, kind, name LIMIT ?"""
LATEST: Final = """
    SELECT kind, name, receipt, latest.body, due, records.body
    FROM latest LEFT JOIN records USING (receipt, kind, name)
    WHERE (kind, name) > (?, ?) ORDER BY kind, name LIMIT ?"""
FORGOTTEN: Final = """
    SELECT kind, name, records.receipt, latest.receipt
    FROM records LEFT JOIN latest USING (kind, name)
    WHERE coalesce(latest.receipt, 0) < records.receipt LIMIT ?"""
"""Versions that are later than what is taken for the latest."""
BALANCES: Final = "SELECT account, balance, last FROM balances"


class _Stream(Iterator[T]):
    """Rows one by one, with a look at the next."""

    def __init__(self, rows: Iterator[T]) -> None:
        self._rows = rows
        self.next: T | None = next(rows, None)

    def __next__(self) -> T:
        """Return the next row."""
        row = self.next
        if row is None:
            raise StopIteration
        self.next = next(self._rows, None)
        return row


class _Audit:
    """What is known while the rows go by: some numbers an account, none a transfer."""

    def __init__(
        self, store: SqlStore, progress: Progress, head: tuple[int, str] | None
    ) -> None:
        self._store = store
        self._progress = progress
        self._remembered = head
        self._head = store.head()
        self._findings: list[Finding] = []
        self._notes: dict[str, int] = {}
        self._paths: dict[int, AccountId] = {}
        self._numbers: dict[AccountId, int] = {}
        self._held: dict[int, int] = {}
        self._last: dict[int, int] = {}
        self._bounds: dict[int, Bounds] = {}
        self._opened: dict[AccountId, Account] = {}
        self._pending: dict[str, Hold] = {}
        self._reserved: dict[AccountId, int] = dict.fromkeys(ESCROWS, 0)
        self._records = 0
        self._at = 0
        self._end = 1
        """Number of the next receipt's first transfer."""
        self._previous = GENESIS
        """Stored hash of the receipt before."""
        self._instead: bytes | None = None
        """What that hash should be, where the stored one is another."""

    def run(self) -> Report:
        """Go through everything, or through enough of it."""
        try:
            self._check_tables()
            self._go_through()
        except _Enough as enough:
            self._note(str(enough))
        notes = (f"{n:,} times: {x}" if n > 1 else x for x, n in self._notes.items())
        return Report(
            *(self._head.receipt, self._end - 1, len(self._paths), self._records),
            *(self._head.hash.hex(), tuple(self._findings), tuple(notes)),
        )

    def _find(
        self, table: str, row: object, what: str, expected: object, found: object
    ) -> None:
        self._findings.append(Finding(table, str(row), what, str(expected), str(found)))
        if len(self._findings) >= FINDINGS_MAX:
            raise _Enough(f"the audit stopped after {FINDINGS_MAX} findings")

    def _note(self, said: str) -> None:
        self._notes[said] = self._notes.get(said, 0) + 1

    def _check_tables(self) -> None:
        """Check the version, what was remembered, the keys, the names of accounts."""
        found = self._store.read("SELECT version_num FROM alembic_version")
        if found != [(REVISION,)]:
            self._find("alembic_version", 1, "version of the tables", REVISION, found)
        if self._remembered and self._remembered[0] > self._head.receipt:
            number, digest = self._remembered
            what = "the receipt was remembered, and is cut off"
            self._find("receipts", number, what, digest, "no such row")
        for key, caller, n in self._store.read(
            "SELECT key, caller, count(*) FROM receipts GROUP BY key, caller "
            "HAVING count(*) > 1 LIMIT 1"
        ):
            ((last,),) = self._store.read(
                "SELECT max(id) FROM receipts WHERE key = ? AND caller = ?", key, caller
            )
            what = f"idempotency key {key} of {caller}"
            self._find("receipts", last, what, "used once", f"used {n} times")
        for number, path in self._pages("SELECT id, path FROM accounts", "id"):
            self._check_account(number, path)

    def _check_account(self, number: int, path: str) -> None:
        due = len(self._paths) + 1
        if number != due:
            self._find("accounts", due, "number of the account", "a row", "no such row")
            raise _Enough("the audit stopped: accounts are missing")
        try:
            named = named_account(path)
        except UnknownAccount:
            expected = "an account of the chart"
            self._find("accounts", number, "path", expected, repr(path))
            raise _Enough("the audit stopped: an account has no asset") from None
        self._paths[number] = named
        if self._numbers.setdefault(named, number) != number:
            found = f"also that of account {self._numbers[named]}"
            self._find("accounts", number, f"path {path}", "a path of its own", found)

    def _pages(self, select: str, by: str, after: int = 0) -> Iterator[tuple[Any, ...]]:
        """Read a table in the order of its numbers, some rows at once."""
        while True:
            rows = self._store.read(
                f"{select} WHERE {by} > ? ORDER BY {by} LIMIT ?", after, ROWS_AT_ONCE
            )
            yield from rows
            if len(rows) < ROWS_AT_ONCE:
                return
            after = rows[-1][0]

    def _receipts(self) -> Iterator[Receipt]:
        after = 0
        while rows := self._store.read(
            f"{RECEIPTS} WHERE id > ? AND id <= ? ORDER BY id LIMIT ?",
            *(after, self._head.receipt, RECEIPTS_AT_ONCE),
        ):
            yield from (Receipt._make((*row[:-1], bytes(row[-1]))) for row in rows)
            after = rows[-1][0]

    def _go_through(self) -> None:
        """Take the receipts in order, each with its transfers and its records."""
        receipts = _Stream(self._receipts())
        transfers = _Stream(map(_Row._make, self._pages(TRANSFERS, "id")))
        records = _Stream(self._versions())
        for number, receipt in enumerate(receipts, 1):
            if receipt.id != number:
                self._find("receipts", number, "number", "a row", "no such row")
                raise _Enough("the audit stopped: receipts are missing")
            self._check_receipt(receipt, receipts.next, transfers, records)
            if number % RECEIPTS_AT_ONCE == 0:
                self._progress(self._end - 1, self._head.transfer)
        later = self._store.head().receipt
        for record in records:
            self._check_place(record, later)
        self._check_latest()
        self._check_supply()
        self._check_balances()
        self._progress(self._head.transfer, self._head.transfer)

    def _check_receipt(
        self,
        receipt: Receipt,
        following: Receipt | None,
        transfers: "_Stream[_Row]",
        records: "_Stream[_Version]",
    ) -> None:
        """Check a receipt, its transfers, its records, and then the hash over all."""
        number = receipt.id
        if receipt.at < self._at:
            self._find("receipts", number, "moment", f"from {self._at} on", receipt.at)
        self._at = receipt.at
        start, self._end = self._end, self._end_of(receipt, following)
        rows: list[_Row] = []
        while (row := transfers.next) is not None and row.id < self._end:
            rows.append(next(transfers))
        if len(rows) != self._end - start:
            here = {row.id for row in rows}
            gone = next(i for i in range(start, self._end) if i not in here)
            self._find("transfers", gone, "number", "a row", "no such row")
        changed: list[_Version] = []
        while (version := records.next) is not None and version.receipt <= number:
            if version.receipt < number:
                self._check_place(version, 0)
            changed.append(next(records))
        self._records += len(changed)
        holds = [hold for each in changed if (hold := self._check_record(each))]
        doubts = self._doubts(receipt, rows, holds)
        for row in rows:
            self._check_transfer(receipt, row)
        for hold in holds:
            self._check_hold(number, hold, rows, sure=not doubts)
        for each in changed:
            self._open_account(each)
        self._check_hash(receipt, rows, changed, doubts)
        self._check_escrows(number)

    def _end_of(self, receipt: Receipt, following: Receipt | None) -> int:
        """
        Find where the transfers of a receipt end.

        It says so itself, and the next one by where it starts; where they disagree, the
        transfers decide.
        """
        number, start = receipt.id, self._end
        if receipt.first_transfer != start:
            found = receipt.first_transfer
            self._find("receipts", number, "first_transfer", start, found)
        end = start + receipt.transfers
        if following is not None and following.first_transfer == end:
            return end
        last: int = self._store.read(
            "SELECT coalesce(max(id), 0) FROM transfers WHERE receipt = ? AND id >= ?",
            *(number, start),
        )[0][0]
        counted = max(last, start - 1) + 1
        if counted != end and (following is None or following.first_transfer != end):
            count = counted - start
            self._find("receipts", number, "transfers", count, receipt.transfers)
        return counted

    def _check_transfer(self, receipt: Receipt, row: _Row) -> None:
        """Check a transfer against the accounts as the ones before left them."""
        number, debit, credit, amount = row.id, row.debit, row.credit, row.amount
        if row.receipt != receipt.id:
            self._find("transfers", number, "receipt", receipt.id, row.receipt)
        self._check_link(number, "debit", debit, row.debit_previous)
        self._check_link(number, "credit", credit, row.credit_previous)
        if debit not in self._paths or credit not in self._paths:
            found = f"accounts {debit} and {credit}"
            self._find("transfers", number, "accounts", "accounts there are", found)
            return
        low, _, asset = self._bounds.get(debit) or self._find_bounds(debit, number)
        _, high, same = self._bounds.get(credit) or self._find_bounds(credit, number)
        if asset is not same or debit == credit:
            expected = f"two accounts of {asset.value}"
            found = f"{self._paths[debit]} and {self._paths[credit]}"
            self._find("transfers", number, "accounts", expected, found)
        before = self._held.get(debit, 0)
        left = self._held[debit] = before - amount
        now = self._held[credit] = self._held.get(credit, 0) + amount
        if not low <= left < before:
            what = f"balance of {self._paths[debit]} after it"
            self._find("transfers", number, what, f"{low} to {before - 1}", left)
        if now > high:
            what = f"balance of {self._paths[credit]} after it"
            self._find("transfers", number, what, f"{high} at most", now)

    def _check_link(self, transfer: int, side: str, number: int, previous: int) -> None:
        """Check which transfer touched an account before, and that it is not new."""
        last = self._last.get(number)
        if last is None:
            last, due = 0, len(self._last) + 1
            if number != due:
                # Accounts are numbered in the order in which they are first used.
                expected = f"one of 1 to {due}"
                self._find("transfers", transfer, f"{side} account", expected, number)
        if previous != last:
            self._find("transfers", transfer, f"{side}_previous", last, previous)
        self._last[number] = transfer

    def _find_bounds(self, number: int, transfer: int) -> Bounds:
        """Find the bounds of an account, which must have been opened before."""
        path = self._paths[number]
        try:
            bounds = bounds_of(path, self._opened.get)
        except AccountClosed:
            what = f"account {path}"
            self._find("transfers", transfer, what, "open", "closed before")
            return Bounds(0, AMOUNT_MAX, kind_of(path).asset)
        except UnknownAccount:
            what = f"{path} in transfer {transfer}"
            self._find("accounts", number, what, "opened before", "never opened")
            bounds = Bounds(0, AMOUNT_MAX, kind_of(path).asset)
        self._bounds[number] = bounds
        return bounds

    def _doubts(
        self, receipt: Receipt, rows: Sequence[_Row], holds: Sequence[Hold]
    ) -> "list[_Doubt]":
        """Find amounts that are not what gave them, with what they should be."""
        parts: dict[tuple[int, int], list[_Row]] = {}
        released = [hold.amount for hold in holds if hold.status != HoldStatus.PENDING]
        doubts = []
        left: list[_Row] = []
        for row in rows:
            if row.working >= 0:
                parts.setdefault((row.working, row.part), []).append(row)
            elif receipt.kind in GIVES_THE_AMOUNT:
                given = _read_json(receipt.command, dict).get("amount")
                if row.amount != given and type(given) is int:
                    doubts.append(_Doubt([row], "amount", given))
            elif row.reason == "points taken back":
                if row.amount != (held := self._held.get(row.debit, 0)):
                    doubts.append(_Doubt([row], "amount", held))
            elif holds and row.reason in RELEASES:
                if row.amount in released:
                    released.remove(row.amount)
                else:
                    left.append(row)
        doubts += [
            _Doubt([row], "amount", amount)
            for row, amount in zip(left, released, strict=False)
        ]
        if parts:
            workings = _read_json(receipt.workings, list)
            doubts += self._doubts_of_parts(receipt, workings, parts)
        return doubts

    def _doubts_of_parts(
        self,
        receipt: Receipt,
        workings: Sequence[Any],
        parts: Mapping[tuple[int, int], list[_Row]],
    ) -> "Iterator[_Doubt]":
        """Find amounts that are not what their workings give now."""
        results: dict[int, tuple[int, ...]] = {}
        for (working, part), rows in parts.items():
            if working not in results:
                results[working] = self._results(receipt, workings, rows[0])
            found = results[working]
            if not found:
                continue
            if not 0 <= part < len(found):
                where = f"part of working {working}"
                self._find("transfers", rows[0].id, where, f"0..{len(found) - 1}", part)
            elif sum(row.amount for row in rows) != found[part]:
                yield _Doubt(rows, f"amount, by {workings[working][0]}", found[part])

    def _results(
        self, receipt: Receipt, workings: Sequence[Any], row: _Row
    ) -> tuple[int, ...]:
        """Use the formula of a working again; no results where that cannot be done."""
        try:
            name, arguments = workings[row.working]
        except (IndexError, TypeError, ValueError):
            known = f"one of {len(workings)} of receipt {receipt.id}"
            self._find("transfers", row.id, "working", known, row.working)
            return ()
        if function_of(name) is None:
            self._note(f"the formula book has no {name} any more; not recomputed")
            return ()
        try:
            return recomputed(name, arguments)
        except NotRecomputed as why:
            what = f"working {row.working}"
            self._find("receipts", receipt.id, what, "arguments of the formula", why)
            return ()

    def _check_record(self, version: _Version) -> Hold | None:
        """Check that a record is one; return it if it is a hold."""
        row = version.row
        cls = RECORDS.get(version.kind)
        if cls is None:
            self._find("records", row, "kind", f"one of {len(RECORDS)}", version.kind)
            return None
        try:
            record: Any = msgspec.json.decode(version.body, type=cls)
        except msgspec.DecodeError as error:
            self._find("records", row, "body", f"a {version.kind} in JSON", error)
            return None
        if record.id != version.name:
            self._find("records", row, "name", record.id, version.name)
        return record if isinstance(record, Hold) else None

    def _check_hold(
        self, receipt: int, hold: Hold, rows: Sequence[_Row], *, sure: bool
    ) -> None:
        """
        Check a hold against its transfer, and against what it was before.

        Where the transfers are in doubt, the hold is taken to be right.
        """
        row = f"hold {hold.id} of receipt {receipt}"
        if hold.status is HoldStatus.PENDING:
            moved = [
                (self._paths.get(row.debit), self._paths.get(row.credit), row.amount)
                for row in rows
            ]
            found = (hold.account, hold.escrow, hold.amount)
            if sure and found not in moved:
                self._find("records", row, "account, escrow, amount", moved, found)
            self._pending[hold.id] = hold
            self._reserve(hold.escrow, hold.amount)
            return
        before = self._pending.pop(hold.id, None)
        if before is None:
            self._find("records", row, "stage before", "pending", "not pending")
            return
        self._reserve(before.escrow, -before.amount)
        kept = replace(before, status=hold.status)
        if kept != hold:
            self._find("records", row, "what the hold reserves", kept, hold)

    def _reserve(self, escrow: AccountId, amount: int) -> None:
        self._reserved[escrow] = self._reserved.get(escrow, 0) + amount

    def _check_escrows(self, receipt: int) -> None:
        """Check that escrow accounts hold the sum of their pending holds."""
        for path, reserved in self._reserved.items():
            held = self._held.get(self._numbers.get(path, 0), 0)
            if held != reserved:
                what = f"{path} holds the sum of its pending holds"
                self._find("receipts", receipt, what, reserved, held)
                self._reserved[path] = held  # said once

    def _open_account(self, version: _Version) -> None:
        """Remember the limit of an account from here on, or that it is closed."""
        if version.kind != "account":
            return
        try:
            opened = msgspec.json.decode(version.body, type=Account)
        except msgspec.DecodeError:
            return
        self._opened[opened.id] = opened
        self._bounds.pop(self._numbers.get(opened.id, 0), None)

    def _check_place(self, version: _Version, last: int) -> None:
        """Check that the receipt of a record is there, or came since the start."""
        if not self._head.receipt < version.receipt <= last:
            known = f"1 to {self._head.receipt}"
            self._find("records", version.row, "receipt", known, version.receipt)

    def _check_hash(
        self,
        receipt: Receipt,
        rows: Sequence[_Row],
        changed: Sequence[_Version],
        doubts: "Sequence[_Doubt]",
    ) -> None:
        """
        Chain the receipt to the one before, as it was when it was written.

        Where an amount is in doubt, the hash tells whether it was changed or what it
        comes from.
        """
        instead, self._instead = self._instead, None
        records = [(each.kind, each.name, each.body) for each in changed]
        expected = self._hash(self._previous, receipt, rows, records)
        # Else only the stored hash of the one before was changed; that was found there.
        previous = self._previous
        if (
            instead is not None
            and expected != receipt.hash
            and self._hash(instead, receipt, rows, records) == receipt.hash
        ):
            expected, previous = receipt.hash, instead
        self._previous = receipt.hash
        if expected != receipt.hash:
            self._instead = expected
            for doubt in doubts:
                for row in doubt.rows:
                    was = doubt.rest(row)
                    fixed = [row._replace(amount=was) if x is row else x for x in rows]
                    if self._hash(previous, receipt, fixed, records) == receipt.hash:
                        self._find("transfers", row.id, doubt.what, was, row.amount)
                        self._check_remembered(receipt)
                        return
            what = "hash over the row"
            if rows:
                what += f", its transfers {rows[0].id} to {rows[-1].id}"
            if changed:
                names = ", ".join(f"{each.kind} {each.name}" for each in changed[:5])
                more = f" and {len(changed) - 5} more" if changed[5:] else ""
                what += f", its records ({names}{more})"
            found = receipt.hash.hex()
            self._find("receipts", receipt.id, what, expected.hex(), found)
        for doubt in doubts:
            row = doubt.rows[0]
            self._find("transfers", row.id, doubt.what, doubt.rest(row), row.amount)
        self._check_remembered(receipt)

    def _hash(
        self,
        previous: bytes,
        receipt: Receipt,
        rows: Sequence[_Row],
        records: Sequence[tuple[str, str, str]],
    ) -> bytes:
        path, nobody = self._paths.get, AccountId("")
        transfers = [
            Transfer(path(row[2], nobody), path(row[3], nobody), *row[4:8])
            for row in rows
        ]
        return receipt_hash(previous, receipt[:7], transfers, records)

    def _check_remembered(self, receipt: Receipt) -> None:
        """Check that a receipt that was remembered is the one that is stored."""
        if self._remembered and self._remembered[0] == receipt.id:
            digest, found = self._remembered[1], receipt.hash.hex()
            if found != digest:
                what = "hash that was remembered"
                self._find("receipts", receipt.id, what, digest, found)

    def _check_supply(self) -> None:
        """Check that every asset sums to zero, and that all tokens were issued."""
        for asset in Asset:
            numbers = [n for n in self._held if kind_of(self._paths[n]).asset is asset]
            if total := sum(self._held[n] for n in numbers):
                self._find("balances", asset.value, "sum of the asset", 0, total)
        body = self._store.record("settings", CURRENT)
        if body is None:
            if self._head.receipt:
                self._find("records", "settings current", "settings", "a row", "none")
            return
        try:
            settings = msgspec.json.decode(body, type=Settings)
            supply = read_settings(settings.tables).token.max_supply
        except (msgspec.DecodeError, Refusal) as error:
            self._find("records", "settings current", "body", "settings", error)
            return
        issued = self._held.get(self._numbers.get(ISSUANCE, 0), 0)
        if issued != -supply:
            number = self._numbers.get(ISSUANCE, 0)
            self._find("balances", number, "tokens issued", supply, -issued)

    def _versions(self) -> Iterator[_Version]:
        """Read the records in the order of their receipts; then by kind and name."""
        after = (0, "", "")
        while rows := self._store.read(VERSIONS, *after, ROWS_AT_ONCE):
            yield from map(_Version._make, rows)
            after = rows[-1][:3]

    def _latest(self) -> Iterator[tuple[Any, ...]]:
        """Read the latest version of each record, and the one that it must be."""
        after = ("", "")
        while rows := self._store.read(LATEST, *after, ROWS_AT_ONCE):
            yield from rows
            after = rows[-1][:2]

    def _check_latest(self) -> None:
        """Check that the latest version of each record is the one that is at hand."""
        for kind, name, receipt, body, due, version in self._latest():
            row = f"{kind} {name}"
            if body != version:
                self._find("latest", row, f"body of receipt {receipt}", version, body)
                continue
            try:
                record: Any = msgspec.json.decode(body, type=RECORDS[kind])
            except (KeyError, msgspec.DecodeError):
                continue
            if due != (known := getattr(record, "due", None)):
                self._find("latest", row, "due", known, due)
        for kind, name, receipt, last in self._store.read(FORGOTTEN, FINDINGS_MAX):
            found = "no such row" if last is None else last
            self._find("latest", f"{kind} {name}", "receipt", receipt, found)

    def _check_balances(self) -> None:
        """
        Check what is stored of the accounts against what the transfers left.

        An account that moves while the audit reads is followed to where it stood.
        """
        moving: dict[int, tuple[int, int]] = {}
        stored = set()
        for number, balance, last in self._pages(BALANCES, "account"):
            stored.add(number)
            if last >= self._end:
                moving[number] = balance, last
                continue
            if balance != (held := self._held.get(number, 0)):
                self._find("balances", number, "balance", held, balance)
            if last != (due := self._last.get(number, 0)):
                self._find("balances", number, "last", due, last)
        for number in self._held.keys() - stored:
            self._find("balances", number, "account", "a row", "no such row")
        self._follow(moving)
        for number in self._paths.keys() - self._held.keys():
            what = f"account {self._paths[number]}"
            self._find("accounts", number, what, "a transfer that touched it", "none")

    def _follow(self, moving: dict[int, tuple[int, int]]) -> None:
        """Follow accounts over the transfers that were added since the start."""
        now = self._store.head()
        for row in map(_Row._make, self._pages(TRANSFERS, "id", self._end - 1)):
            if row.id > now.transfer:
                break
            if row.receipt > now.receipt:
                now = self._store.head()
            if not self._head.receipt < row.receipt <= now.receipt:
                known = f"1 to {self._head.receipt}"
                self._find("transfers", row.id, "receipt", known, row.receipt)
            for number, moved in ((row.debit, -row.amount), (row.credit, row.amount)):
                held = self._held[number] = self._held.get(number, 0) + moved
                if moving.get(number) == (held, row.id):
                    del moving[number]
        for number, (balance, last) in moving.items():
            found = f"{balance} after transfer {last}"
            held = self._held.get(number, 0)
            self._find("balances", number, "balance and last", held, found)


def _read_json(text: str, cls: type[T]) -> T:
    """Read JSON; what is none, or of another kind, is empty: its hash says the rest."""
    try:
        read = json.loads(text)
    except ValueError:
        return cls()
    return read if isinstance(read, cls) else cls()
