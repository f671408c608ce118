"""Files that people hand in, or are given: read whole, hashed, written anew."""

import csv
import hashlib
import re
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from coopera.cli.books.options import Written
from coopera.errors import AlreadyExists, Malformed, Unreadable

if TYPE_CHECKING:
    from coopera.work.valuation.schema import LineRow, Schema

AT_ONCE: Final = 1 << 20
"""Bytes of a file that are hashed at once."""
FILE_MAX: Final = 1 << 24
"""Most bytes of a file that is read whole."""

F = TypeVar("F", bound=Callable[..., Any])


def read_whole(path: str | Path, what: str) -> bytes:
    """Read a small file. Refuses with `Unreadable`."""
    try:
        with Path(path).open("rb") as file:
            content = file.read(FILE_MAX + 1)
    except OSError as error:
        raise unreadable(path, error, what) from None
    if len(content) > FILE_MAX:
        raise Unreadable(
            f"{path} has more than {FILE_MAX >> 20} MiB; name the file of {what}"
        )
    return content


def read_text(path: str | Path, what: str) -> str:
    """Read a small file in UTF-8. Refuses with `Unreadable`."""
    try:
        return read_whole(path, what).decode("utf-8-sig")
    except UnicodeDecodeError:
        raise Unreadable(
            f"{path} is not a text in UTF-8; name the file of {what}"
        ) from None


def unreadable(path: str | Path, error: OSError, what: str) -> Unreadable:
    """Say that a file cannot be read, and which one is wanted."""
    return Unreadable(
        f"{path} cannot be read: {error.strerror}; name the file of {what}"
    )


@contextmanager
def naming(path: str | Path) -> Iterator[None]:
    """Name a file in what is refused of it with `Malformed`."""
    try:
        yield
    except Malformed as refusal:
        raise Malformed(f"{path}: {refusal}") from None


@contextmanager
def rows_of(schema: "Schema", path: str | Path) -> Iterator["Iterator[LineRow]"]:
    """
    Open a CSV file with a header for its rows.

    Refuses with `Unreadable`, and as the schema does what is made of the rows.
    """
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file, naming(path):
            yield schema.read_rows(file)
    except OSError as error:
        raise unreadable(path, error, "the rows") from None
    except (UnicodeDecodeError, csv.Error) as error:
        raise Unreadable(
            f"{path} is no CSV in UTF-8 ({error}); name the file of the rows"
        ) from None


def read_digest(name: str, given: str) -> str:
    """
    Take a digest, or hash a file: SHA-256, in hexadecimal. Refuses with `Unreadable`.

    >>> read_digest("--code", "AB" * 32) == "ab" * 32
    True
    """
    if re.fullmatch(r"[0-9a-fA-F]{64}", given):
        return given.lower()
    hashed = hashlib.sha256()
    try:
        with Path(given).open("rb") as file:
            while some := file.read(AT_ONCE):
                hashed.update(some)
    except OSError as error:
        raise Unreadable(
            f"{name}: {given} cannot be read: {error.strerror}; name a file, or give "
            "its SHA-256 in 64 hexadecimal digits"
        ) from None
    return hashed.hexdigest()


DIGESTS: Final = Written("file", read_digest)
"""Files to be hashed, or the digests themselves."""


def by_file(option: str, what: str) -> Callable[[F], F]:
    """Make an option of a file to be hashed, or of its digest."""
    return click.option(
        option,
        type=DIGESTS,
        required=True,
        metavar="FILE|SHA256",
        help=f"{what}: a file to hash, or its digest.",
    )


def refuse_existing(path: str | Path | None) -> None:
    """Refuse with `AlreadyExists` a file that is there, before work is done for it."""
    if path is not None and Path(path).exists():
        raise AlreadyExists(f"{path} is there already; name a new file")


def write_new(path: str | Path, content: bytes) -> None:
    """Write a new file. Refuses with `AlreadyExists`, `Unreadable`."""
    try:
        with Path(path).open("xb") as file:
            file.write(content)
    except FileExistsError:
        raise AlreadyExists(f"{path} is there already; name a new file") from None
    except OSError as error:
        raise Unreadable(
            f"cannot write {path}: {error.strerror}; name another file"
        ) from None
