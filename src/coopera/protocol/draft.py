"""A difference in the making: each step sees what the steps before have changed."""

from typing import Any, final

from coopera.ledger import AccountId, Transfer, Working
from coopera.protocol import checks
from coopera.protocol.state import Diff, PreState, R, Record


@final
class Draft:
    """Transfers, records and workings of one command, as they come together."""

    def __init__(self, pre: PreState) -> None:
        self._pre = pre
        self._transfers: list[Transfer] = []
        self._records: dict[tuple[type, str], Any] = {}
        self._workings: list[Working] = []

    def find(self, kind: type[R], name: str) -> R | None:
        """Return a record as the steps before leave it, if there is one."""
        found: R | None = self._records.get((kind, name))
        return self._pre.record(kind, name) if found is None else found

    def existing(self, kind: type[R], name: str) -> R:
        """Return a record. Refuses with `UnknownRecord`."""
        found: R | None = self._records.get((kind, name))
        return checks.existing(self._pre, kind, name) if found is None else found

    def put(self, record: Record) -> None:
        """Change a record; the last version is the one that is kept."""
        self._records[type(record), record.id] = record

    def works(self, formula: str, arguments: tuple[object, ...]) -> int:
        """Note a formula that was used: its number among them."""
        self._workings.append(Working(formula, arguments))
        return len(self._workings) - 1

    def move(
        self,
        debit: AccountId,
        credit: AccountId,
        amount: int,
        reason: str,
        working: int = -1,
        part: int = 0,
    ) -> None:
        """Move an amount, if it is above zero."""
        if amount:
            self._transfers.append(
                Transfer(debit, credit, amount, reason, working, part)
            )

    def taken(self, path: AccountId) -> int:
        """Add up what an account has given more than it received."""
        return sum(
            (each.debit == path) * each.amount - (each.credit == path) * each.amount
            for each in self._transfers
        )

    def join(self, diff: Diff) -> None:
        """Go on after a difference of transfers, records and workings."""
        shift = len(self._workings)
        self._workings += diff.workings
        for each in diff.transfers:
            moved = each.working + shift if each.working >= 0 else each.working
            self._transfers.append(each._replace(working=moved))
        for record in diff.records:
            self.put(record)

    def diff(self) -> Diff:
        """Make the difference."""
        return Diff(
            tuple(self._transfers),
            records=tuple(self._records.values()),
            workings=tuple(self._workings),
        )
