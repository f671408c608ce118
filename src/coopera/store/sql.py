"""What SQLite and PostgreSQL have in common: the statements that read."""

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar, Final

from coopera.errors import BadBooks
from coopera.ledger import AccountId, Receipt, Transfer
from coopera.store.base import Batch, Cell, Head

REVISION: Final = "0001"
"""Version of the tables that this program reads and writes."""

KEYS_AT_ONCE: Final = 512
"""Most keys that are looked up in one statement."""

CELLS: Final = (
    "SELECT path, id, balance, last FROM accounts JOIN balances ON account = id"
)
RECEIPTS: Final = f"SELECT {', '.join(Receipt._fields)} FROM receipts"
TRANSFERS: Final = """
    SELECT debit.path, credit.path, amount, reason, working, part
    FROM transfers
    JOIN accounts AS debit ON debit.id = transfers.debit
    JOIN accounts AS credit ON credit.id = transfers.credit
    WHERE transfers.id BETWEEN ? AND ? ORDER BY transfers.id"""
DUE: Final = "SELECT kind, name FROM latest WHERE due <= ? ORDER BY due, kind, name"


class SqlStore(ABC):
    """Home of the books in a database."""

    url: str
    """Where the database is, without a password."""
    joined: ClassVar[str]
    """How the database joins the bodies of records, with commas."""

    @abstractmethod
    def read(self, statement: str, *arguments: Any) -> list[tuple[Any, ...]]:
        """Read rows; places for arguments are question marks. Raises `StoreFailed`."""

    @abstractmethod
    def write(self, batch: Batch) -> None:
        """Write a batch, all of it or nothing, durably. Raises `StoreFailed`."""

    @abstractmethod
    def reopen(self) -> None:
        """Connect again, after a failure. Raises `StoreFailed`."""

    @abstractmethod
    def close(self) -> None:
        """Let go of the database, and of the right to write to it."""

    def check_revision(self) -> None:
        """Refuse with `BadBooks` tables of another version."""
        found = self.read("SELECT version_num FROM alembic_version")
        if found != [(REVISION,)]:
            has = found[0][0] if found else "no version"
            raise BadBooks(
                f"{self.url} has tables of version {has} and this program uses "
                f"{REVISION}; run: coopera books upgrade"
            )

    def head(self) -> Head:
        """Return where the books end."""
        last = self.read(f"{RECEIPTS} ORDER BY id DESC LIMIT 1")
        if not last:
            return Head()
        receipt = _receipt(last[0])
        (transfers,), (accounts,) = (
            self.read(f"SELECT coalesce(max(id), 0) FROM {table}")[0]
            for table in ("transfers", "accounts")
        )
        return Head(receipt.id, transfers, accounts, receipt.hash, receipt.at)

    def find(self, keys: Sequence[str]) -> list[Receipt]:
        """Return the receipts that have one of some idempotency keys."""
        # One statement of one length: unused places are filled with the last key.
        found = []
        for i in range(0, len(keys), KEYS_AT_ONCE):
            some = keys[i : i + KEYS_AT_ONCE]
            places = 1 << (len(some) - 1).bit_length()
            filled = (*some, *[some[-1]] * (places - len(some)))
            marks = ", ".join("?" * places)
            found += self.read(f"{RECEIPTS} WHERE key IN ({marks})", *filled)
        return list(map(_receipt, found))

    def receipt(self, number: int) -> Receipt | None:
        """Return a receipt."""
        found = self.read(f"{RECEIPTS} WHERE id = ?", number)
        return _receipt(found[0]) if found else None

    def transfers(self, receipt: Receipt) -> list[Transfer]:
        """Return the transfers of a receipt, in order."""
        first = receipt.first_transfer
        found = self.read(TRANSFERS, first, first + receipt.transfers - 1)
        return [Transfer(*row) for row in found]

    def cell(self, path: AccountId) -> Cell | None:
        """Return an account, or `None` if it was never used."""
        found = self.read(f"{CELLS} WHERE path = ?", path)
        return Cell(*found[0][1:]) if found else None

    def cells(self) -> Mapping[AccountId, Cell]:
        """Return all accounts."""
        return {path: Cell(*row) for path, *row in self.read(CELLS)}

    def balances(self) -> Mapping[AccountId, int]:
        """Return what all accounts hold."""
        return {path: cell.balance for path, cell in self.cells().items()}

    def record(self, kind: str, name: str) -> str | None:
        """Return the latest version of a record, as JSON."""
        where = "kind = ? AND name = ?"
        found = self.read(f"SELECT body FROM latest WHERE {where}", kind, name)
        return found[0][0] if found else None

    def records(self, kind: str) -> Mapping[str, str]:
        """Return the latest versions of all records of a kind, as JSON, by name."""
        return dict(self.read("SELECT name, body FROM latest WHERE kind = ?", kind))

    def open_records(self, kind: str) -> Mapping[str, str]:
        """Return the records of a kind that are yet to fall due, as JSON, by name."""
        where = "due IS NOT NULL AND kind = ?"
        return dict(self.read(f"SELECT name, body FROM latest WHERE {where}", kind))

    def page_end(self, kind: str, after: str, most: int) -> str | None:
        """Return the last name of the next so many records of a kind, by name."""
        names = "FROM latest WHERE kind = ? AND name > ?"
        ended = f"SELECT name {names} ORDER BY name LIMIT 1 OFFSET ?"
        found = self.read(ended, kind, after, most - 1)
        if not found:
            # Fewer than so many are left.
            found = self.read(f"SELECT max(name) {names}", kind, after)
        ((last,),) = found
        return None if last is None else str(last)

    def between(self, kind: str, after: str, until: str) -> str:
        """Return the records of a kind after a name and up to another, as a list."""
        # Joined by the database: a million strings fewer to make.
        ((joined,),) = self.read(
            f"SELECT {self.joined} FROM latest "
            "WHERE kind = ? AND name > ? AND name <= ?",
            *(kind, after, until),
        )
        return f"[{joined or ''}]"

    def due(self, until: int) -> list[tuple[str, str]]:
        """Return what is due at a moment, what fell due first before the rest."""
        return [(kind, name) for kind, name in self.read(DUE, until)]


def _receipt(row: tuple[Any, ...]) -> Receipt:
    return Receipt._make((*row[:-1], bytes(row[-1])))
