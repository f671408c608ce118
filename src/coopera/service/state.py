"""The state that a store holds, as transitions read it."""

from collections.abc import Mapping, Sequence
from typing import Any, Final, final

import msgspec

from coopera.ledger import Account, AccountId, Transfer
from coopera.protocol.books import CURRENT, Day
from coopera.protocol.records import NAMES
from coopera.protocol.state import Economy, Epoch, R
from coopera.store import Cell, Store

LOADED: Final = 1 << 18
"""Accounts that are read at the start, all at once; of more, each when it is needed."""


@final
class SqlState:
    """
    `PreState` of what is committed, remembered once it was read.

    Only the one writer may hold it: nobody else changes what it remembers.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._records: dict[type, dict[str, Any]] = {}
        self._cells: dict[AccountId, Cell | None] = {}
        # A question for each account would cost the first hour after a start dearly.
        self._all = store.head().account <= LOADED
        if self._all:
            self._cells |= store.cells()
            self._records[Account] = dict(self.records(Account))

    def cell(self, path: AccountId) -> Cell | None:
        """Return an account as it is stored, or `None` if it was never used."""
        found = self._cells.get(path)
        if found is None and not self._all and path not in self._cells:
            found = self._cells[path] = self._store.cell(path)
        return found

    def balance(self, account: AccountId) -> int:
        """Return what an account holds, in micro-units."""
        found = self.cell(account)
        return 0 if found is None else found.balance

    def balances(self) -> Mapping[AccountId, int]:
        """Return all accounts that were ever used."""
        return self._store.balances()

    def record(self, kind: type[R], name: str) -> R | None:
        """Return a record as it stands, or `None` if there is none by that name."""
        known = self._records.setdefault(kind, {})
        if name in known:
            found: R | None = known[name]
            return found
        body = self._store.record(NAMES[kind], name)
        found = None if body is None else msgspec.json.decode(body, type=kind)
        known[name] = found
        return found

    def records(self, kind: type[R]) -> Mapping[str, R]:
        """Return all records of a class, by name."""
        return {
            name: msgspec.json.decode(body, type=kind)
            for name, body in self._store.records(NAMES[kind]).items()
        }

    def moved(self, receipt: int) -> Sequence[Transfer]:
        """Return the transfers of an earlier command; empty if there was none."""
        found = self._store.receipt(receipt)
        return self._store.transfers(found) if found else ()

    def now(self) -> int:
        """Return the moment of the last command, in microseconds since 1970."""
        return self._store.head().at

    def economy(self) -> Economy:
        """Return what the last day handed over."""
        return self._day().economy

    def epoch(self) -> Epoch:
        """Return the figures of the day that is being closed."""
        return self._day().epoch

    def _day(self) -> Day:
        day = self.record(Day, CURRENT)
        assert day is not None, "books that are open have a day"
        return day
