"""
Double entry: accounts, transfers between them, holds, receipts, their moments.

No economics.

Two nouns and one invariant: a transfer takes an amount out of one account and puts it
into another of the same asset, so that the balances of an asset always sum to zero.
"""

from coopera.ledger.accounts import (
    CHART,
    NAME,
    ROLES,
    Account,
    AccountId,
    AccountKind,
    Asset,
    Side,
    account,
    accounts_of,
    kind_of,
    named_account,
    owner_of,
)
from coopera.ledger.holds import Hold, HoldStatus
from coopera.ledger.moments import NEVER, in_utc, moment
from coopera.ledger.receipts import GENESIS, Receipt
from coopera.ledger.transfers import (
    Bounds,
    Remembered,
    Standing,
    Transfer,
    Working,
    bounds_of,
    move,
    standing_of,
)

__all__ = [
    "CHART",
    "GENESIS",
    "NAME",
    "NEVER",
    "ROLES",
    "Account",
    "AccountId",
    "AccountKind",
    "Asset",
    "Bounds",
    "Hold",
    "HoldStatus",
    "Receipt",
    "Remembered",
    "Side",
    "Standing",
    "Transfer",
    "Working",
    "account",
    "accounts_of",
    "bounds_of",
    "in_utc",
    "kind_of",
    "moment",
    "move",
    "named_account",
    "owner_of",
    "standing_of",
]
