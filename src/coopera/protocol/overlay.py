"""State as it stands after a difference that is not yet written anywhere."""

from collections.abc import Mapping
from functools import cached_property
from typing import final

from coopera.ledger import AccountId, balances_after
from coopera.protocol.state import Diff, Economy, Epoch, PreState


@final
class Overlay:
    """
    Read the difference first, then what lies beneath.

    An overlay is itself a `PreState`: a day is a stack of them, and throwing the stack
    away undoes the day.
    """

    def __init__(self, pre: PreState, diff: Diff) -> None:
        self.pre = pre
        self.diff = diff
        touched = {t.debit for t in diff.transfers} | {t.credit for t in diff.transfers}
        beneath = {account: pre.balance(account) for account in touched}
        self.changed = balances_after(beneath, diff.transfers)

    def balance(self, account: AccountId) -> int:
        """Return the balance as the difference leaves it."""
        changed = self.changed.get(account)
        return self.pre.balance(account) if changed is None else changed

    @cached_property
    def _balances(self) -> Mapping[AccountId, int]:
        return {**self.pre.balances(), **self.changed}

    def balances(self) -> Mapping[AccountId, int]:
        """Return all accounts that were ever used."""
        return self._balances

    def economy(self) -> Economy:
        """Return what the difference hands over, or what lies beneath."""
        return self.diff.economy or self.pre.economy()

    def epoch(self) -> Epoch:
        """Return the figures of the difference, or those beneath."""
        return self.diff.epoch or self.pre.epoch()
