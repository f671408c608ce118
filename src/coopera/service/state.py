"""The state that a store holds, as transitions read it."""

from collections.abc import Mapping, Sequence
from typing import Any, final

import msgspec

from coopera.ledger import AccountId, Transfer
from coopera.protocol.books import CURRENT, Day
from coopera.protocol.records import NAMES
from coopera.protocol.state import Economy, Epoch, R
from coopera.store import Store


@final
class SqlState:
    """
    `PreState` of what is committed, remembered once it was read.

    Only the one writer may hold it: nobody else changes what it remembers.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self.cells: dict[AccountId, list[int]] = {}
        """Number of an account, and of the last transfer that touched it."""
        self._records: dict[type, dict[str, Any]] = {}

    def balance(self, account: AccountId) -> int:
        """Return what an account holds, in micro-units."""
        found = self._store.cell(account)
        if found is None:
            return 0
        self.cells.setdefault(account, [found.id, found.last])
        return found.balance

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
