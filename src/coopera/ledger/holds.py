"""Holds: amounts put aside for what will be known later."""

from dataclasses import dataclass
from enum import StrEnum

from coopera.ledger.accounts import AccountId
from coopera.ledger.moments import NEVER


class HoldStatus(StrEnum):
    """Stage of a hold's life; only a pending one can go on to another."""

    PENDING = "pending"
    POSTED = "posted"
    """Paid, in full or in part; the rest was given back."""
    VOIDED = "voided"
    """Given back."""
    EXPIRED = "expired"
    """Given back, since it was neither posted nor voided in time."""


@dataclass(frozen=True, slots=True)
class Hold:
    """
    Amount that left its account for escrow, and will be posted or given back.

    The amount is a real transfer, so that what an account holds is what it can spend,
    and an escrow account holds the sum of its pending holds.
    """

    id: str
    account: AccountId
    """Account that gave it, and gets back what is not used."""
    escrow: AccountId
    """Account that keeps it."""
    amount: int
    """Micro-units."""
    expires_at: int
    """Microseconds since 1970; from then on it can only expire."""
    granted: int = 0
    """Part of the amount that came out of a grant, and goes back to it."""
    status: HoldStatus = HoldStatus.PENDING

    @property
    def due(self) -> int | None:
        """Moment at which it expires, if it still may."""
        pending = self.status is HoldStatus.PENDING and self.expires_at < NEVER
        return self.expires_at if pending else None
