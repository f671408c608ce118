"""The hash chain: each receipt holds the hash of the one before it."""

from collections.abc import Iterable, Sequence
from hashlib import sha256
from typing import Final, NamedTuple

from coopera.ledger.transfers import Transfer

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


def receipt_hash(
    previous: bytes,
    header: Sequence[object],
    transfers: Sequence[Transfer],
    records: Iterable[tuple[str, str, str]],
) -> bytes:
    """
    Chain a receipt to the one before: SHA-256 over that one's hash and its own lines.

    The first line is its number, key, caller, kind, moment, command and workings; then
    a line a transfer, then a line a record that it changed: kind, name and JSON. Fields
    are separated by tabs, lines end with a line feed, and no field has either.

    >>> header = (1, "k", "operator", "deposit", 0, "{}", "[]")
    >>> receipt_hash(GENESIS, header, (), ()).hex()[:8]
    'c0219072'
    """
    text = "\t".join(map(str, header)) + "\n"
    if transfers:
        flat = [field for transfer in transfers for field in transfer]
        # One format for all lines is the fastest way, and this is a hot one.
        text += "%s\t%s\t%s\t%s\t%s\t%s\n" * len(transfers) % tuple(flat)
    for record in records:
        text += "\t".join(record) + "\n"
    return sha256(previous + text.encode()).digest()
