"""
Files of secrets that one member keeps: a line of JSON each, only ever added.

What was not written to its end spoils nothing but itself.
"""

import fcntl
import json
import os
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, Final, TypeVar

from coopera.errors import Unreadable

VERSION: Final = 1

T = TypeVar("T")


def add_line(path: Path, said: Mapping[str, Any]) -> None:
    """Add a line to a file that its owner alone may read, durably and once."""
    from coopera.service.beacon import new_private_file, refuse_shared

    line = json.dumps({"version": VERSION, **said}).encode()
    try:
        with suppress(FileExistsError):
            new_private_file(path).close()
        with path.open("ab+") as file:
            fcntl.flock(file, fcntl.LOCK_EX)
            refuse_shared(file, path)
            file.seek(0)
            content = file.read()
            if line in content.splitlines():
                return
            torn = content != b"" and not content.endswith(b"\n")
            file.write(b"\n" * torn + line + b"\n")
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise Unreadable(
            f"cannot write {path}: {error.strerror}; name another file"
        ) from None


def read_lines(
    path: Path, read: Callable[[dict[str, Any]], T | None]
) -> tuple[Sequence[T], int]:
    """
    Read a file: what it has, and how many lines are damaged.

    `read` takes one apart, and gives none where it does not fit. Refuses with
    `Unreadable`.
    """
    from coopera.service.beacon import refuse_shared

    try:
        with path.open("rb") as file:
            refuse_shared(file, path)
            lines = file.read().splitlines()
    except OSError as error:
        raise Unreadable(
            f"{path} cannot be read: {error.strerror}; name the file of the salts"
        ) from None
    found = [each for line in lines if (each := _read(line, read)) is not None]
    return found, sum(map(bool, lines)) - len(found)


def _read(line: bytes, read: Callable[[dict[str, Any]], T | None]) -> T | None:
    try:
        said: Any = json.loads(line)
        return read(said) if said.pop("version") == VERSION else None
    except (ValueError, TypeError, AttributeError, KeyError, RecursionError):
        return None
