"""
Work whose outcome the operator knows, kept in a file that only its owner may read.

The file has one JSON object a line. Some lines are prepared work, which is posted once:

    {"pipeline": "training", "kind": "training", "root": "ab..", "units": 10,
     "price": 2000000, "passed": false}

The others say under which name a line of these was posted, and with which salt:

    {"posted": 1, "id": "5f0c..", "salt": "9d.."}

They are on the disk before the books are told, so that each canary can be revealed.
"""

import os
import secrets
from collections.abc import Callable
from pathlib import Path
from typing import IO, Final, final

import msgspec

from coopera.errors import Unreadable
from coopera.protocol import checks
from coopera.protocol.orders import UNITS_MAX, Need
from coopera.protocol.validation import PostCanary, canary_digest
from coopera.service.beacon import new_private_file, refuse_shared
from coopera.units import AMOUNT_MAX


class Prepared(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Work that somebody did, or spoilt, to see who notices."""

    pipeline: str
    kind: str
    root: str
    """Merkle root of the work: 64 hexadecimal digits."""
    units: int
    price: int
    """Micro-dollars that it looks worth."""
    passed: bool
    """Whether it is right."""

    def __post_init__(self) -> None:
        """Check what a command would be refused for."""
        if not checks.DIGEST.fullmatch(self.root):
            raise ValueError("root must be 64 hexadecimal digits")
        if not 0 < self.units <= UNITS_MAX or not 0 <= self.price <= AMOUNT_MAX:
            raise ValueError("units must be above 0 and price not below it")


class Posted(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """Under which name prepared work was posted."""

    posted: int
    """Line of the work, from 1."""
    id: str
    salt: str


_encode: Final = msgspec.json.Encoder().encode


def prepare(path: Path, *works: Prepared) -> None:
    """Append work to a file, which is made if there is none. Raises `OSError`."""
    if not path.exists():
        new_private_file(path).close()
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    _append(path, b"".join(_encode(each) + b"\n" for each in works))


@final
class Canaries:
    """Canaries out of a file; more may be prepared in it at any time."""

    def __init__(self, path: Path) -> None:
        """Read a file. Refuses with `Unreadable`."""
        self._path = path
        self._end = 0
        """Bytes of the file that were read."""
        self._lines = 0
        self._unused: dict[int, Prepared] = {}
        """Prepared work by its line."""
        self._used: dict[str, tuple[Prepared, Posted]] = {}
        """By the name under which it was handed out."""
        self._unsure: dict[str, None] = {}
        """Handed out, and not known to be posted."""
        self._again: list[str] = []
        """Handed out, and known not to be posted."""
        self._read()

    def recall(self, posted: Callable[[str], bool]) -> None:
        """Hand out again first what was never posted."""
        self._unsure = {name: None for name in self._unsure if not posted(name)}
        self._again = list(self._unsure)

    def next(self) -> PostCanary | None:
        """
        Hand out prepared work that was not posted, under a new name.

        Refuses with `Unreadable`. Raises `OSError` where nothing can be written.
        """
        if self._again:
            return _command(*self._used[self._again.pop(0)])
        self._read()
        line = next(iter(self._unused), None)
        if line is None:
            return None
        given = Posted(line, secrets.token_hex(8), secrets.token_hex(32))
        _append(self._path, _encode(given) + b"\n")
        self._read()
        return _command(*self._used[given.id])

    def outcome(self, job: str) -> tuple[bool, str] | None:
        """Tell whether a canary had to pass, and its salt; nothing of other jobs."""
        found = self._used.get(job)
        return None if found is None else (found[0].passed, found[1].salt)

    def _read(self) -> None:
        """Read the lines that are new. Refuses with `Unreadable`."""
        try:
            with self._path.open("rb") as file:
                refuse_shared(file, self._path)
                file.seek(self._end)
                content = file.read()
        except OSError as error:
            raise Unreadable(
                f"{self._path} cannot be read: {error.strerror}; name another file"
            ) from None
        # What a crash cut short was never posted: it is written over.
        whole = content[: content.rfind(b"\n") + 1]
        for line in whole.splitlines():
            self._lines += 1
            self._take(line)
        self._end += len(whole)

    def _take(self, line: bytes) -> None:
        """Take a line in."""
        try:
            if b'"posted"' in line:
                given = msgspec.json.decode(line, type=Posted)
                work = self._unused.pop(given.posted)
                self._used[given.id] = (work, given)
                self._unsure[given.id] = None
            else:
                work = msgspec.json.decode(line, type=Prepared)
                self._unused[self._lines] = work
        except (msgspec.DecodeError, KeyError) as error:
            raise Unreadable(
                f"line {self._lines} of {self._path} is no canary ({error}); correct it"
            ) from None


def _command(work: Prepared, given: Posted) -> PostCanary:
    return PostCanary(
        given.id,
        work.pipeline,
        Need(work.kind),
        work.root,
        canary_digest(given.id, given.salt, passed=work.passed),
        work.units,
        work.price,
    )


def _append(path: Path, content: bytes) -> None:
    """Append whole lines, durably. Refuses with `Unreadable`; raises `OSError`."""
    with path.open("r+b") as file:
        refuse_shared(file, path)
        file.seek(_whole(file))
        file.truncate()
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _whole(file: IO[bytes]) -> int:
    """Find the end of the last whole line."""
    end = file.seek(0, os.SEEK_END)
    while end:
        file.seek(end - 1)
        if file.read(1) == b"\n":
            break
        end -= 1
    return end
