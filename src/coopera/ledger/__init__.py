"""
Double entry: accounts, transfers between them, balances. No economics.

Two nouns and one invariant: a transfer takes an amount out of one account and puts it
into another of the same asset, so that the balances of an asset always sum to zero.
"""

from coopera.ledger.accounts import (
    CHART,
    AccountId,
    AccountKind,
    Asset,
    account,
    kind_of,
)
from coopera.ledger.transfers import Transfer, TransferId, balances_after

__all__ = [
    "CHART",
    "AccountId",
    "AccountKind",
    "Asset",
    "Transfer",
    "TransferId",
    "account",
    "balances_after",
    "kind_of",
]
