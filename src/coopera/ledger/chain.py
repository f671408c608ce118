"""The hash chain: each receipt holds the hash of the one before it."""

from collections.abc import Sequence
from hashlib import sha256

import msgspec

from coopera.ledger.transfers import Transfer

_encode = msgspec.json.Encoder().encode


def receipt_hash(
    previous: bytes,
    header: Sequence[object],
    transfers: Sequence[Transfer],
    records: Sequence[tuple[str, str, str]],
) -> bytes:
    """
    Chain a receipt to the one before: SHA-256 over that one's hash and a JSON array.

    The array has the receipt's number, key, caller, kind, moment, command and workings
    (both as strings), then an array of its transfers, then one of the records that it
    changed: kind, name and JSON of each. There is no space between its items, and text
    is UTF-8, as `json.dumps(..., ensure_ascii=False, separators=(",", ":"))` writes it.

    >>> from coopera.ledger import GENESIS
    >>> header = (1, "k", "operator", "deposit", 0, "{}", "[]")
    >>> receipt_hash(GENESIS, header, (), ()).hex()[:8]
    '2b3c2147'
    """
    return sha256(previous + _encode((*header, transfers, records))).digest()
