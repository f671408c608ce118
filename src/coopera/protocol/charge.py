"""A charge: one group of transfers out of a consumer's credits, and its workings."""

from collections.abc import Sequence
from operator import itemgetter
from typing import Final

from coopera.formulas import allocation
from coopera.ledger import AccountId, Transfer, Working
from coopera.protocol import checks
from coopera.protocol.holds import GRANT_SPENT
from coopera.protocol.state import Diff, PreState, Record

_AMOUNT: Final = itemgetter(2)

Shares = Sequence[tuple[AccountId, int]]
"""Accounts that share a part, and the weight of each."""


class Charge:
    """Transfers and workings of a charge, as they are gathered."""

    __slots__ = ("credit", "grant", "transfers", "workings")

    def __init__(self, consumer: str) -> None:
        payer = checks.member("consumer", consumer, "consumer")
        self.credit, self.grant = payer.credit, payer.grant
        self.transfers: list[Transfer] = []
        self.workings: list[Working] = []

    def works(self, formula: str, arguments: tuple[object, ...]) -> int:
        """Note a formula that was used: its number among them."""
        self.workings.append(Working(formula, arguments))
        return len(self.workings) - 1

    def pay(
        self, to: AccountId, amount: int, reason: str, working: int, part: int
    ) -> None:
        """Pay an account what a working found, if anything."""
        if amount:
            self.transfers.append(
                Transfer(self.credit, to, amount, reason, working, part)
            )

    def share(
        self, shares: Shares, whole: int, reason: str, working: int, part: int
    ) -> None:
        """Share among accounts what a working found; a single one takes it all."""
        if len(shares) == 1:
            self.pay(shares[0][0], whole, reason, working, part)
        elif whole:
            given = (whole, tuple(weight for _, weight in shares))
            working = self.works("allocation.largest_remainder", given)
            parts = allocation.largest_remainder(*given)
            for i, (account, _) in enumerate(shares):
                self.pay(account, parts[i], reason, working, i)

    def diff(self, pre: PreState, fee: int, freed: Diff | None = None) -> Diff:
        """
        Make the difference; grants are spent first, those that a hold frees among them.

        `freed` gives a hold back, in the same group of transfers.
        """
        assert sum(map(_AMOUNT, self.transfers)) == fee
        granted = pre.balance(self.grant)
        before: tuple[Transfer, ...] = ()
        records: tuple[Record, ...] = ()
        if freed is not None:
            before, records = freed.transfers, freed.records
            granted += sum(each.amount for each in before if each.credit == self.grant)
        spent = min(granted, fee)
        if spent:
            before += (Transfer(self.grant, self.credit, spent, GRANT_SPENT),)
        return Diff(
            (*before, *self.transfers),
            records=records,
            workings=tuple(self.workings),
        )
