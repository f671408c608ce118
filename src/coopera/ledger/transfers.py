"""Transfers, and the balances that they leave."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import NewType

from coopera.errors import AmountTooLarge, InsufficientBalance
from coopera.ledger.accounts import AccountId, kind_of
from coopera.units import AMOUNT_MAX

TransferId = NewType("TransferId", str)
"""Derived from the command, so that a replay is the same transfer."""


@dataclass(frozen=True, slots=True)
class Transfer:
    """One amount of one asset, out of one account and into another."""

    id: TransferId
    debit: AccountId
    """Account that gives."""
    credit: AccountId
    """Account that receives."""
    amount: int
    """Micro-units, above zero."""
    formula: str
    """Formula of the book that sized it, `chapter.name`; or the rule that moved it."""

    def __post_init__(self) -> None:
        """Assert what no transfer may be without."""
        assert 0 < self.amount <= AMOUNT_MAX
        assert self.debit != self.credit
        assert kind_of(self.debit).asset is kind_of(self.credit).asset


def balances_after(
    balances: Mapping[AccountId, int], transfers: Iterable[Transfer]
) -> dict[AccountId, int]:
    """
    Move the amounts, one transfer after the other.

    Refuses the first that an account inside the books cannot cover, with
    `InsufficientBalance`, or cannot hold, with `AmountTooLarge`; nothing has moved
    then.
    """
    after = dict(balances)
    for transfer in transfers:
        held = after.get(transfer.debit, 0)
        if held < transfer.amount and not kind_of(transfer.debit).outside:
            raise InsufficientBalance(transfer.debit, held, transfer.amount)
        after[transfer.debit] = held - transfer.amount
        after[transfer.credit] = after.get(transfer.credit, 0) + transfer.amount
        if after[transfer.credit] > AMOUNT_MAX:
            raise AmountTooLarge(
                f"{transfer.credit} would hold {after[transfer.credit]} micro-units; "
                f"no account may hold more than {AMOUNT_MAX}"
            )
    return after
