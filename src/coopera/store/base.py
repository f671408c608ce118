"""What every home of the books can do."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NamedTuple, Protocol

from coopera.ledger import GENESIS, AccountId, Receipt, Transfer


class StoreFailed(Exception):
    """
    Database did not do what it was told; what it did is only known after `reopen`.

    The message is for people: what failed, and what would help.
    """


class Head(NamedTuple):
    """Where the books end."""

    receipt: int = 0
    """Number of the last receipt."""
    transfer: int = 0
    """Number of the last transfer."""
    account: int = 0
    """Number of the account that was opened last."""
    hash: bytes = GENESIS
    """Hash of the last receipt."""
    at: int = 0
    """Moment of the last receipt."""


class Cell(NamedTuple):
    """An account as it is stored."""

    id: int
    balance: int
    last: int
    """Number of the last transfer that touched it."""


@dataclass(slots=True)
class Batch:
    """
    Rows of some commands, written in one transaction.

    Rows lie one after the other in flat lists, since a database takes them fastest so.
    """

    receipts: list[Any] = field(default_factory=list)
    """Fields of `Receipt`, in order."""
    transfers: list[Any] = field(default_factory=list)
    """Number, receipt, debit, credit, amount, reason, working, part, and the transfers
    that touched debit and credit before."""
    accounts: list[Any] = field(default_factory=list)
    """Number and path of accounts that are used for the first time."""
    balances: list[Any] = field(default_factory=list)
    """Number, balance and last transfer of the accounts touched."""
    records: list[Any] = field(default_factory=list)
    """Receipt, kind, name and JSON of every version."""
    latest: list[Any] = field(default_factory=list)
    """Kind, name, receipt, JSON of the records that changed, each once, and the moment
    at which it falls due, if it does."""


RECEIPT = len(Receipt._fields)
TRANSFER = 10
ACCOUNT = 2
BALANCE = 3
RECORD = 4
LATEST = 5


class Store(Protocol):
    """Home of the books. One process writes; reads see what is committed."""

    def head(self) -> Head:
        """Return where the books end."""
        ...

    def find(self, keys: Sequence[str]) -> list[Receipt]:
        """Return the receipts that have one of some idempotency keys."""
        ...

    def receipt(self, number: int) -> Receipt | None:
        """Return a receipt."""
        ...

    def transfers(self, receipt: Receipt) -> list[Transfer]:
        """Return the transfers of a receipt, in order."""
        ...

    def cell(self, path: AccountId) -> Cell | None:
        """Return an account, or `None` if it was never used."""
        ...

    def cells(self) -> Mapping[AccountId, Cell]:
        """Return all accounts."""
        ...

    def balances(self) -> Mapping[AccountId, int]:
        """Return what all accounts hold."""
        ...

    def record(self, kind: str, name: str) -> str | None:
        """Return the latest version of a record, as JSON."""
        ...

    def records(self, kind: str) -> Mapping[str, str]:
        """Return the latest versions of all records of a kind, as JSON, by name."""
        ...

    def open_records(self, kind: str) -> Mapping[str, str]:
        """Return the records of a kind that are yet to fall due, as JSON, by name."""
        ...

    def page_end(self, kind: str, after: str, most: int) -> str | None:
        """Return the last name of the next so many records of a kind, by name."""
        ...

    def between(self, kind: str, after: str, until: str) -> str:
        """
        Return the records of a kind after a name and up to another, as a JSON list.

        In any order.
        """
        ...

    def due(self, until: int) -> list[tuple[str, str]]:
        """
        Return what is due at a moment: kinds and names.

        What fell due first comes first, in every home, so that all do the same.
        """
        ...

    def write(self, batch: Batch) -> None:
        """Write a batch, all of it or nothing, durably. Raises `StoreFailed`."""
        ...

    def reopen(self) -> None:
        """Connect again, after a failure. Raises `StoreFailed`."""
        ...

    def close(self) -> None:
        """Let go of the database, and of the right to write to it."""
        ...
