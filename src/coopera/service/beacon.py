"""
The operator's chain of hashes: made in secret, and revealed link by link.

A random seed is hashed as many times as the chain has links. The last hash is the
anchor that the books are told of; from there links are revealed backwards, each the
preimage of the one before, and the last one is the seed itself. Who has the file can
tell who will check what: it is readable by its owner alone.
"""

import json
import os
import secrets
import stat
from contextlib import suppress
from hashlib import sha256
from math import isqrt
from pathlib import Path
from typing import IO, Any, Final, final

from coopera.errors import (
    AlreadyExists,
    Malformed,
    UnknownRecord,
    Unreadable,
    WrongStage,
)
from coopera.protocol import checks
from coopera.protocol.orders import Beacon

VERSION: Final = 1
"""Of the file."""
LINKS_MAX: Final = 10_000_000
"""Most links of one chain; to find its anchor takes some seconds."""
SEED_BYTES: Final = 32
FILE_MAX: Final = 4096
"""Most bytes of a file that is looked at."""
OTHERS: Final = stat.S_IRWXG | stat.S_IRWXO


@final
class Chain:
    """
    Chain of hashes.

    Of a million it keeps a thousand, evenly spread: any link, and the place of any
    link, is a thousand hashes from there at most.

    >>> chain = Chain(bytes(32), 3)
    >>> sha256(bytes.fromhex(chain.link(1))).hexdigest() == chain.anchor
    True
    >>> chain.link(3) == "00" * 32, chain.position(chain.link(2))
    (True, 2)
    """

    def __init__(self, seed: bytes, length: int) -> None:
        assert len(seed) == SEED_BYTES
        assert 0 < length <= LINKS_MAX
        self.seed, self.length = seed, length
        self._step = isqrt(length)
        self._kept = [seed]
        hashed = seed
        for i in range(1, length + 1):
            hashed = sha256(hashed).digest()
            if i % self._step == 0:
                self._kept.append(hashed)
        self.anchor: Final = hashed.hex()
        """What the first link hashes to, in hexadecimal."""
        self._hashes = {kept: i * self._step for i, kept in enumerate(self._kept)}
        self._hashes[hashed] = length

    def link(self, number: int) -> str:
        """
        Return a link in hexadecimal, by its place from 1; 0 is the anchor.

        Refuses with `WrongStage` a place after the last.
        """
        assert number >= 0
        if number > self.length:
            raise WrongStage(
                f"all {self.length} links of this chain are revealed; make and open "
                "another, with --abandon"
            )
        times = self.length - number
        kept, more = divmod(times, self._step)
        hashed = self._kept[kept]
        for _ in range(more):
            hashed = sha256(hashed).digest()
        return hashed.hex()

    def position(self, link: str) -> int:
        """
        Tell the place of a link, from 1; the anchor's is 0.

        Refusals, in order of precedence: `Malformed`, `UnknownRecord` for one of
        another chain.
        """
        hashed = bytes.fromhex(checks.digest("link", link))
        for more in range(self._step):
            found = self._hashes.get(hashed)
            if found is not None:
                return self.length - found + more
            hashed = sha256(hashed).digest()
        raise UnknownRecord(
            f"link {link[:16]}... is none of this chain's {self.length}; name the file "
            "of the chain that the books follow"
        )


def make(length: int) -> Chain:
    """Make a chain of a random seed. Refuses with `Malformed`."""
    if not 0 < length <= LINKS_MAX:
        raise Malformed(f"links is {length}; a chain has from 1 to {LINKS_MAX}")
    return Chain(secrets.token_bytes(SEED_BYTES), length)


def save(chain: Chain, path: Path) -> None:
    """
    Write a chain to a new file, durably, that its owner alone may read.

    Refusals: `AlreadyExists`, `Unreadable`.
    """
    body = {"version": VERSION, "seed": chain.seed.hex(), "links": chain.length}
    try:
        file = new_private_file(path)
        try:
            with file:
                file.write(json.dumps(body).encode() + b"\n")
                file.flush()
                os.fsync(file.fileno())
            _keep_name(path)
        except OSError:
            # The next attempt is not to find a file that holds no chain.
            path.unlink()
            raise
    except FileExistsError:
        raise AlreadyExists(
            f"{path} is there already, and its chain may be in use; name a new file"
        ) from None
    except OSError as error:
        raise Unreadable(
            f"cannot write {path}: {error.strerror}; name another file"
        ) from None


def load(path: Path) -> Chain:
    """Read a chain that was saved. Refuses with `Unreadable`."""
    try:
        with path.open("rb") as file:
            refuse_shared(file, path)
            content = file.read(FILE_MAX)
    except OSError as error:
        raise Unreadable(
            f"{path} cannot be read: {error.strerror}; name the file of a chain, or "
            f"make one: coopera beacon make {path}"
        ) from None
    read: Any = None
    with suppress(ValueError, RecursionError):
        read = json.loads(content)
    seed = read.get("seed") if isinstance(read, dict) else None
    links = read.get("links") if isinstance(read, dict) else None
    if (
        not isinstance(read, dict)
        or read.get("version") != VERSION
        or not isinstance(seed, str)
        or not checks.DIGEST.fullmatch(seed)
        or type(links) is not int
        or not 0 < links <= LINKS_MAX
    ):
        raise Unreadable(
            f"{path} holds no chain, or a damaged one; name a file that coopera beacon "
            "make has written, or its copy"
        )
    return Chain(bytes.fromhex(seed), links)


def next_link(chain: Chain, beacon: Beacon) -> tuple[int, str]:
    """
    Find the link that the books wait for: its place in the chain, and the link.

    Refusals, in order of precedence: `WrongStage` where it is another chain's turn,
    those of `Chain.position`, those of `Chain.link`.
    """
    if beacon.anchor and beacon.number > beacon.announced:
        if beacon.anchor != chain.anchor:
            raise WrongStage(
                f"the chain that was announced begins now, with anchor "
                f"{beacon.anchor[:16]}...; name its file"
            )
        return 1, chain.link(1)
    if beacon.anchor == chain.anchor:
        raise WrongStage(
            "this chain is announced, and begins after one more link of the chain "
            "before; name the file of that one"
        )
    number = chain.position(beacon.link) + 1
    return number, chain.link(number)


def new_private_file(path: Path) -> IO[bytes]:
    """Make a file that its owner alone may read. Raises `OSError`."""
    number = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    # Whatever the mask of the process takes away, its owner may write.
    os.fchmod(number, 0o600)
    return os.fdopen(number, "wb")


def _keep_name(path: Path) -> None:
    """Write the folder of a new file, durably."""
    folder = os.open(path.parent, os.O_RDONLY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)


def refuse_shared(file: IO[bytes], path: Path) -> None:
    """Refuse with `Unreadable` a secret that others may read or change."""
    mode = os.fstat(file.fileno()).st_mode
    if mode & OTHERS:
        raise Unreadable(
            f"{path} has mode {stat.S_IMODE(mode):o}, so that others may read it or "
            f"change it; run: chmod 600 {path}"
        )
