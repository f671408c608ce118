"""The books in memory: gone when the process ends, and the reference for the others."""

from collections.abc import Iterator, Mapping, Sequence
from heapq import nsmallest
from typing import Any, final

from coopera.ledger import AccountId, Receipt, Transfer
from coopera.store.base import (
    ACCOUNT,
    BALANCE,
    LATEST,
    RECEIPT,
    TRANSFER,
    Batch,
    Cell,
    Head,
)


@final
class MemoryStore:
    """Home of the books in lists and dictionaries."""

    def __init__(self) -> None:
        self._receipts: list[Receipt] = []
        self._by_key: dict[str, list[Receipt]] = {}
        self._transfers: list[Transfer] = []
        self._paths: dict[int, AccountId] = {}
        self._cells: dict[AccountId, Cell] = {}
        self._records: dict[str, dict[str, str]] = {}
        self._due: dict[tuple[str, str], int] = {}

    def head(self) -> Head:
        """Return where the books end."""
        if not self._receipts:
            return Head()
        last = self._receipts[-1]
        return Head(last.id, len(self._transfers), len(self._paths), last.hash, last.at)

    def find(self, keys: Sequence[str]) -> list[Receipt]:
        """Return the receipts that have one of some idempotency keys."""
        return [
            each for key in dict.fromkeys(keys) for each in self._by_key.get(key, ())
        ]

    def receipt(self, number: int) -> Receipt | None:
        """Return a receipt."""
        known = 1 <= number <= len(self._receipts)
        return self._receipts[number - 1] if known else None

    def transfers(self, receipt: Receipt) -> list[Transfer]:
        """Return the transfers of a receipt, in order."""
        first = receipt.first_transfer - 1
        return self._transfers[first : first + receipt.transfers]

    def cell(self, path: AccountId) -> Cell | None:
        """Return an account, or `None` if it was never used."""
        return self._cells.get(path)

    def cells(self) -> Mapping[AccountId, Cell]:
        """Return all accounts."""
        return self._cells

    def balances(self) -> Mapping[AccountId, int]:
        """Return what all accounts hold."""
        return {path: cell.balance for path, cell in self._cells.items()}

    def record(self, kind: str, name: str) -> str | None:
        """Return the latest version of a record, as JSON."""
        return self._records.get(kind, {}).get(name)

    def records(self, kind: str) -> Mapping[str, str]:
        """Return the latest versions of all records of a kind, as JSON, by name."""
        return self._records.get(kind, {})

    def open_records(self, kind: str) -> Mapping[str, str]:
        """Return the records of a kind that are yet to fall due, as JSON, by name."""
        known = self._records.get(kind, {})
        return {
            name: body
            for name, body in list(known.items())
            if (kind, name) in self._due
        }

    def page_end(self, kind: str, after: str, most: int) -> str | None:
        """Return the last name of the next so many records of a kind, by name."""
        names = (each for each in list(self._records.get(kind, ())) if after < each)
        page = nsmallest(most, names)
        return page[-1] if page else None

    def between(self, kind: str, after: str, until: str) -> str:
        """Return the records of a kind after a name and up to another, as a list."""
        known = list(self._records.get(kind, {}).items())
        found = [body for name, body in known if after < name <= until]
        return f"[{','.join(found)}]"

    def due(self, until: int) -> list[tuple[str, str]]:
        """Return what is due at a moment, what fell due first before the rest."""
        due = sorted((at, *each) for each, at in list(self._due.items()))
        return [(kind, name) for at, kind, name in due if at <= until]

    def write(self, batch: Batch) -> None:
        """Write a batch."""
        for number, path in rows(batch.accounts, ACCOUNT):
            self._paths[number] = path
        for _, _, debit, credit, *rest, _, _ in rows(batch.transfers, TRANSFER):
            self._transfers.append(
                Transfer(self._paths[debit], self._paths[credit], *rest)
            )
        for number, balance, last in rows(batch.balances, BALANCE):
            self._cells[self._paths[number]] = Cell(number, balance, last)
        for kind, name, _, body, _ in rows(batch.latest, LATEST):
            self._records.setdefault(kind, {})[name] = body
        # Last what readers wait for: they may look at any moment.
        for kind, name, _, _, due in rows(batch.latest, LATEST):
            if due is None:
                self._due.pop((kind, name), None)
            else:
                self._due[kind, name] = due
        for fields in rows(batch.receipts, RECEIPT):
            receipt = Receipt(*fields)
            self._by_key.setdefault(receipt.key, []).append(receipt)
            self._receipts.append(receipt)

    def reopen(self) -> None:
        """Do nothing: memory does not fail."""

    def close(self) -> None:
        """Do nothing: there is nothing to let go of."""


def rows(flat: Sequence[Any], width: int) -> Iterator[Sequence[Any]]:
    """Cut a flat list into rows."""
    return (flat[i : i + width] for i in range(0, len(flat), width))
