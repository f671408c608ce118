"""State held in dictionaries: the reference for every other home of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import final

from coopera.ledger import (
    Account,
    AccountId,
    Remembered,
    Standing,
    Transfer,
    move,
    standing_of,
)
from coopera.protocol.state import Diff, Economy, Epoch, R, Record


@final
@dataclass(frozen=True, slots=True)
class MemoryState:
    """`PreState` of one moment."""

    held: Mapping[AccountId, int]
    economy_: Economy
    epoch_: Epoch
    records_: Mapping[tuple[type, str], Record] = field(default_factory=dict)
    history: tuple[tuple[Transfer, ...], ...] = ()
    """Transfers of the commands so far, the first first."""
    now_: int = 0

    def balance(self, account: AccountId) -> int:
        """Return what an account holds, in micro-units."""
        return self.held.get(account, 0)

    def balances(self) -> Mapping[AccountId, int]:
        """Return all accounts that were ever used."""
        return self.held

    def record(self, kind: type[R], name: str) -> R | None:
        """Return a record as it stands, or `None` if there is none by that name."""
        found = self.records_.get((kind, name))
        assert found is None or isinstance(found, kind)
        return found

    def _opened(self, path: AccountId) -> Account | None:
        return self.record(Account, path)

    def records(self, kind: type[R]) -> Mapping[str, R]:
        """Return all records of a class, by name."""
        return {
            name: record
            for (each, name), record in self.records_.items()
            if isinstance(record, kind) and each is kind
        }

    def moved(self, receipt: int) -> Sequence[Transfer]:
        """Return the transfers of an earlier command; empty if there was none."""
        known = 1 <= receipt <= len(self.history)
        return self.history[receipt - 1] if known else ()

    def now(self) -> int:
        """Return the moment of the command, in microseconds since 1970."""
        return self.now_

    def economy(self) -> Economy:
        """Return what the last day handed over."""
        return self.economy_

    def epoch(self) -> Epoch:
        """Return the figures of the day that is being closed."""
        return self.epoch_

    def after(self, diff: Diff) -> "MemoryState":
        """Return the state that a difference leaves."""
        records = {(type(record), record.id): record for record in diff.records}
        after = replace(self, records_={**self.records_, **records})
        standings: Remembered[AccountId, Standing] = Remembered(
            lambda path: standing_of(path, self.balance(path), self._opened)
        )
        move(standings, diff.transfers)
        moved = {path: standing.balance for path, standing in standings.items()}
        return replace(
            after,
            held={**self.held, **moved},
            economy_=diff.economy or self.economy_,
            epoch_=diff.epoch or self.epoch_,
            history=(*self.history, diff.transfers),
        )
