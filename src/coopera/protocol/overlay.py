"""State as it stands after differences that are not yet written anywhere."""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, final

from coopera.ledger import (
    Account,
    AccountId,
    Remembered,
    Standing,
    Transfer,
    move,
    standing_of,
)
from coopera.protocol.state import Diff, Economy, Epoch, PreState, R


@final
class Overlay:
    """
    Read the differences first, then what lies beneath.

    An overlay is itself a `PreState`: a day is a stack of them, and throwing the stack
    away undoes the day. A batch of commands is one, to which a difference is applied
    for each, so that a later command sees the earlier ones.
    """

    def __init__(self, pre: PreState, diff: Diff | None = None) -> None:
        self.pre = pre
        self.standings = Remembered(self._find)
        """Where accounts stand, of those that were asked for."""
        self._records: defaultdict[type, dict[str, Any]] = defaultdict(dict)
        self._economy: Economy | None = None
        self._epoch: Epoch | None = None
        self._now: int | None = None
        if diff is not None:
            self.apply(diff)

    def apply(self, diff: Diff) -> None:
        """Lay a difference over, all or nothing. Refuses what `move` refuses."""
        move(self.standings, diff.transfers)
        for record in diff.records:
            self._records[type(record)][record.id] = record
            if isinstance(record, Account) and record.id in self.standings:
                self.standings[record.id].bind(self._opened)
        self._economy = diff.economy or self._economy
        self._epoch = diff.epoch or self._epoch

    @property
    def remembered(self) -> int:
        """Count the balances and records that are held in memory."""
        return len(self.standings) + sum(map(len, self._records.values()))

    def at(self, moment: int) -> None:
        """Set the moment of the commands to come."""
        self._now = moment

    def balance(self, account: AccountId) -> int:
        """Return the balance as the differences leave it."""
        return self.standings[account].balance

    def balances(self) -> Mapping[AccountId, int]:
        """Return all accounts that were ever used, or asked for."""
        asked = {path: standing.balance for path, standing in self.standings.items()}
        return {**self.pre.balances(), **asked}

    def record(self, kind: type[R], name: str) -> R | None:
        """Return the record as the differences leave it."""
        found: R | None = self._records[kind].get(name)
        return self.pre.record(kind, name) if found is None else found

    def records(self, kind: type[R]) -> Mapping[str, R]:
        """Return all records of a class, by name."""
        return {**self.pre.records(kind), **self._records[kind]}

    def _find(self, path: AccountId) -> Standing:
        return standing_of(path, self.pre.balance(path), self._opened)

    def _opened(self, path: AccountId) -> Account | None:
        return self.record(Account, path)

    def moved(self, receipt: int) -> Sequence[Transfer]:
        """Return the transfers of an earlier command; empty if there was none."""
        return self.pre.moved(receipt)

    def now(self) -> int:
        """Return the moment of the command, in microseconds since 1970."""
        return self.pre.now() if self._now is None else self._now

    def economy(self) -> Economy:
        """Return what the differences hand over, or what lies beneath."""
        return self._economy or self.pre.economy()

    def epoch(self) -> Epoch:
        """Return the figures of the differences, or those beneath."""
        return self._epoch or self.pre.epoch()
