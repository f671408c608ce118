"""
The file in which a validator keeps its salts, until it reveals what they hide.

A line is one verdict, in JSON. Lines are only ever added: a salt that is lost costs the
bond of its verdict, and which of several is the right one, the books can tell.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coopera.cli.private import add_line, read_lines


@dataclass(frozen=True, slots=True)
class Salt:
    """What reveals one verdict."""

    job: str
    task: int
    validator: str
    passed: bool
    salt: str

    @property
    def digest(self) -> str:
        """Digest that it was committed to with."""
        from coopera.protocol.validation import verdict_digest

        where = (self.job, self.task, self.validator)
        return verdict_digest(*where, self.salt, passed=self.passed)


def keep(path: Path, salt: Salt) -> None:
    """Add a salt to a file, durably. Refuses with `Unreadable`."""
    add_line(path, asdict(salt))


def kept(path: Path) -> tuple[Sequence[Salt], int]:
    """Read a file: its salts, and how many lines are damaged. Refuses `Unreadable`."""
    return read_lines(path, _salt)


def _salt(said: dict[str, Any]) -> Salt | None:
    found = Salt(**said)
    types = {"job": str, "task": int, "validator": str, "passed": bool, "salt": str}
    fits = all(type(getattr(found, name)) is kind for name, kind in types.items())
    return found if fits else None
