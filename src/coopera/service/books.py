"""The books as the one writer holds them: commands in, rows and receipts out."""

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from operator import itemgetter
from typing import Any, Final

import msgspec

from coopera.errors import KeyReused, Malformed, Refusal
from coopera.ledger import (
    NAME,
    ROLES,
    Receipt,
    Standing,
    Transfer,
)
from coopera.ledger.chain import receipt_hash
from coopera.params import Params
from coopera.protocol.books import (
    CURRENT,
    Day,
    OpenBooks,
    Settings,
    read_settings,
)
from coopera.protocol.commands import OPERATOR, execute, rule_of
from coopera.protocol.overlay import Overlay
from coopera.protocol.records import NAMES
from coopera.protocol.state import Diff, Record
from coopera.service.state import SqlState
from coopera.store import Batch, Store

KEY: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]{7,63}")
"""Idempotency keys. Those that grow with time, as version 7 of UUIDs, cost least."""

CALLER: Final = re.compile(f"(?:{'|'.join(ROLES)}):{NAME.pattern}")

REMEMBERED: Final = 1_000_000
"""Balances and records in memory, from which on they are read again."""

encode = msgspec.json.Encoder().encode

Outcome = Receipt | Exception
"""What a caller is told: a receipt, a refusal, or in the worst case a bug."""


Watch = Callable[[Sequence[Record]], None]
"""Told the records that a command has changed, as it is done."""


@dataclass(frozen=True, slots=True)
class Request:
    """A command, who gives it, and the key under which it is given once."""

    key: str
    caller: str
    command: Any


class Books:
    """
    State of the books with all commands so far, and the rows that are not written yet.

    Not safe for several threads; the writer has one.
    """

    def __init__(self, store: Store, watch: Watch | None = None) -> None:
        """Keep the books of a store; `watch` is told of records that change."""
        self._store = store
        self._watch = watch
        self._given: dict[tuple[str, str], Receipt] = {}
        self._forget()

    def _forget(self) -> None:
        """Start from what the store holds."""
        head = self._store.head()
        self._receipt, self._transfer, self._account = head[:3]
        self._hash, self._at = head.hash, head.at
        self._beneath = SqlState(self._store)
        self._state = Overlay(self._beneath)
        self._given.clear()
        self._batch = Batch()
        self._touched: dict[Standing, None] = {}
        self._changed: dict[tuple[str, str], tuple[Any, ...]] = {}
        settings = self._beneath.record(Settings, CURRENT)
        self._params = read_settings(settings.tables) if settings else None

    def reload(self) -> None:
        """Forget what was not written. Raises `StoreFailed`."""
        self._store.reopen()
        self._forget()

    @property
    def params(self) -> Params | None:
        """Values of the governed variables; none before the books are opened."""
        return self._params

    @property
    def state(self) -> Overlay:
        """State with all commands so far."""
        return self._state

    def run(
        self, requests: Sequence[Request], at: int, *, new: bool = False
    ) -> list[Outcome]:
        """
        Run commands one after the other: for each its receipt, or its refusal.

        What they change joins the batch. The keys of new ones are not looked up in the
        store. Raises `StoreFailed` where the store cannot be read.
        """
        known = {} if new or not requests else self._known(requests)
        self._at = max(self._at, at)
        self._state.at(self._at)
        outcomes: list[Outcome] = []
        for request in requests:
            try:
                outcomes.append(self._run(request, known))
            except Refusal as refusal:
                outcomes.append(refusal)
        return outcomes

    def take(self) -> Batch:
        """Hand over the rows that are to be written next."""
        batch, self._batch = self._batch, Batch()
        for each in self._touched:
            batch.balances += (each.number, each.balance, each.last)
        for row in self._changed.values():
            batch.latest += row
        self._touched, self._changed = {}, {}
        return batch

    def written(self, outcomes: Sequence[Outcome]) -> None:
        """Learn what is in the store, and forget what it can tell again."""
        for outcome in outcomes:
            if type(outcome) is Receipt:
                self._given.pop((outcome.key, outcome.caller), None)
        if self.large and not self._given:
            self._forget()

    @property
    def receipt(self) -> int:
        """Number of the last receipt."""
        return self._receipt

    @property
    def large(self) -> bool:
        """Tell whether so much is remembered that it is better read again."""
        return self._state.remembered > REMEMBERED

    def _known(self, requests: Sequence[Request]) -> dict[tuple[str, str], Receipt]:
        """Find the first receipts of keys that were used before."""
        keys = [each.key for each in requests if type(each.key) is str]
        return {(each.key, each.caller): each for each in self._store.find(keys)}

    def _run(self, request: Request, known: dict[tuple[str, str], Receipt]) -> Receipt:
        key, caller, command = request.key, request.caller, request.command
        if type(key) is not str or not KEY.fullmatch(key):
            raise Malformed(
                f"key is {str(key)[:80]!r}; it must be 8 to 64 letters, digits, dots, "
                "colons, dashes and underscores"
            )
        if caller != OPERATOR and not CALLER.fullmatch(str(caller)):
            raise Malformed(
                f"caller is {str(caller)[:80]!r}; it must be operator or role:name"
            )
        given = (key, caller)
        first = self._given.get(given) or known.get(given)
        kind = rule_of(command).kind
        try:
            written = encode(command).decode()
        except (TypeError, ValueError) as error:
            raise Malformed(f"{kind} cannot be written down: {error}") from None
        if first is not None:
            if first.kind != kind or first.command != written:
                raise KeyReused(
                    f"key {key} was used for another command, receipt {first.id}; "
                    "give a new command a new key"
                )
            return first
        diff = execute(self._state, self._params, caller, command)
        receipt = self._append(key, caller, kind, written, diff)
        if type(command) is OpenBooks:
            self._params = read_settings(command.tables)
        return receipt

    def _append(
        self, key: str, caller: str, kind: str, command: str, diff: Diff
    ) -> Receipt:
        """Apply a difference, and make the rows of it."""
        self._state.apply(diff)
        if self._watch is not None:
            self._watch(diff.records)
        receipt = self._receipt + 1
        first = self._transfer + 1
        workings = encode(diff.workings).decode()
        records = _records(diff, self._at)
        transfers = diff.transfers
        fields = (receipt, key, caller, kind, self._at, command, workings)
        digest = receipt_hash(
            self._hash,
            fields,
            transfers,
            [each[:3] for each in records],
        )
        batch = self._batch
        for kind_, name, body, due in records:
            batch.records += (receipt, kind_, name, body)
            self._changed[kind_, name] = (kind_, name, receipt, body, due)
        made = Receipt(*fields, first, len(transfers), digest)
        batch.receipts += made
        self._add(receipt, transfers)
        self._receipt, self._hash = receipt, digest
        self._given[key, caller] = made
        return made

    def _add(self, receipt: int, transfers: Sequence[Transfer]) -> None:
        """Make rows of transfers, each linked to the one before of its accounts."""
        number, rows, touched = self._transfer, self._batch.transfers, self._touched
        standings = self._state.standings
        for debit, credit, amount, reason, working, part in transfers:
            number += 1
            giver, taker = standings[debit], standings[credit]
            for each in (giver, taker):
                if each not in touched:
                    touched[each] = None
                    if not each.number:
                        self._number(each)
            rows += (
                number,
                receipt,
                giver.number,
                taker.number,
                amount,
                reason,
                working,
                part,
                giver.last,
                taker.last,
            )
            giver.last = taker.last = number
        self._transfer = number

    def _number(self, standing: Standing) -> None:
        """Find the number of an account and of its last transfer; or number it."""
        cell = self._beneath.cell(standing.id)
        if cell is None:
            self._account += 1
            self._batch.accounts += (self._account, standing.id)
            standing.number = self._account
        else:
            standing.number, _, standing.last = cell


def _records(diff: Diff, at: int) -> list[tuple[str, str, str, int | None]]:
    """
    Encode the records that a difference changes: kind, name, JSON, due moment.

    They stand in the order of kind and name, since tables keep no other.
    """
    if not diff.records and diff.economy is None:
        return []
    changed: list[Record] = list(diff.records)
    if diff.economy is not None and diff.epoch is not None:
        # A day that ended while nobody was there is closed as soon as somebody is.
        due = max(diff.economy.ends, at) if diff.economy.ends else None
        changed.append(Day(CURRENT, diff.economy, diff.epoch, due))
    return sorted(
        (
            (NAMES[type(each)], each.id, encode(each).decode(), _due(each))
            for each in changed
        ),
        key=itemgetter(0, 1),
    )


def _due(record: Record) -> int | None:
    """Tell when something is to be done about a record, if ever."""
    due: int | None = getattr(record, "due", None)
    return due
