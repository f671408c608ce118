"""State held in a dictionary: the reference for every other home of it."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import final

from coopera.ledger import AccountId, balances_after
from coopera.protocol.state import Diff, Economy, Epoch


@final
@dataclass(frozen=True, slots=True)
class MemoryState:
    """`PreState` of one moment."""

    held: Mapping[AccountId, int]
    economy_: Economy
    epoch_: Epoch

    def balance(self, account: AccountId) -> int:
        """Return what an account holds, in micro-units."""
        return self.held.get(account, 0)

    def balances(self) -> Mapping[AccountId, int]:
        """Return all accounts that were ever used."""
        return self.held

    def economy(self) -> Economy:
        """Return what the last day handed over."""
        return self.economy_

    def epoch(self) -> Epoch:
        """Return the figures of the day that is being closed."""
        return self.epoch_

    def after(self, diff: Diff) -> "MemoryState":
        """Return the state that a difference leaves."""
        return MemoryState(
            balances_after(self.held, diff.transfers),
            diff.economy or self.economy_,
            diff.epoch or self.epoch_,
        )
