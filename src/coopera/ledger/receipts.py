"""Receipts: what is kept of a command, chained to the one before."""

from typing import Final, NamedTuple

GENESIS: Final = bytes(32)
"""Hash before the first receipt."""


class Receipt(NamedTuple):
    """What was acknowledged of a command, once it was durable."""

    id: int
    """Place in the serial order, from 1, without gaps."""
    key: str
    """Idempotency key that the caller gave."""
    caller: str
    kind: str
    """Name of the command."""
    at: int
    """Microseconds since 1970."""
    command: str
    """JSON."""
    workings: str
    """JSON: formulas that were used, with what they were given."""
    first_transfer: int
    """Number of its first transfer; they follow each other without gaps."""
    transfers: int
    """How many."""
    hash: bytes
