"""
The file in which a validator keeps its salts, until it reveals what they hide.

A line is one verdict, in JSON. Lines are only ever added: a salt that is lost costs the
bond of its verdict, and which of several is the right one, the books can tell.
"""

import fcntl
import json
import os
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from coopera.errors import Unreadable


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
    from coopera.service.beacon import new_private_file, refuse_shared

    try:
        with suppress(FileExistsError):
            new_private_file(path).close()
        with path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            refuse_shared(file, path)
            line = json.dumps({"version": 1, **asdict(salt)}).encode() + b"\n"
            if _is_torn(file.fileno()):
                line = b"\n" + line
            file.write(line)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unreadable(
            f"cannot write {path}: {error.strerror}; name another file"
        ) from None


def kept(path: Path) -> tuple[Sequence[Salt], int]:
    """Read a file: its salts, and how many lines are damaged. Refuses `Unreadable`."""
    from coopera.service.beacon import refuse_shared

    try:
        with path.open("rb") as file:
            refuse_shared(file, path)
            lines = file.read().splitlines()
    except OSError as error:
        raise Unreadable(
            f"{path} cannot be read: {error.strerror}; name the file of the salts"
        ) from None
    salts = [found for line in lines if (found := _salt(line)) is not None]
    return salts, sum(map(bool, lines)) - len(salts)


def _is_torn(number: int) -> bool:
    """Tell whether a line was not written to its end."""
    size = os.fstat(number).st_size
    return size > 0 and os.pread(number, 1, size - 1) != b"\n"


def _salt(line: bytes) -> Salt | None:
    try:
        read: Any = json.loads(line)
        if read.pop("version") != 1:
            return None
        found = Salt(**read)
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
    types = {"job": str, "task": int, "validator": str, "passed": bool, "salt": str}
    fits = all(type(getattr(found, name)) is kind for name, kind in types.items())
    return found if fits else None
