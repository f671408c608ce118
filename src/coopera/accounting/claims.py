"""
All claims of an epoch in one tree, in memory or in a file that anybody can recompute.

A file is two lines of head, a line for each claim, and the tree:

    {"format": "coopera claims", "version": 1, "epoch": 7, "claims": 2, ...}
    0x..                                        Keccak-256 of the line above
    llm<TAB>usd<TAB>contributor:ann<TAB>5000000
    llm<TAB>usd<TAB>contributor:bo<TAB>2000000
    ...                                         32 bytes for each node, the root first

Claims are sorted, so that one is found by halving, as a word in a dictionary; its leaf
is found among the sorted leaves in the same way; and the places of the nodes above
follow from that of the leaf. So nothing has to be read that a proof does not need, and
there is no index that could contradict what it points at. The same claims always make
the same bytes, and whoever recomputes the root needs the hash and nothing else; SQLite
would give neither, and is a fifth longer.
"""

import json
import os
import re
from bisect import bisect_left
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from itertools import islice
from operator import length_hint, ne
from pathlib import Path
from types import TracebackType
from typing import Any, Final, NoReturn, Self, TypeAlias, final, overload
from weakref import finalize

from coopera.errors import (
    AlreadyExists,
    Malformed,
    ProtocolError,
    UnknownRecord,
    Unreadable,
)
from coopera.protocol import checks
from coopera.protocol.claims import (
    HASH,
    NODES_AT_ONCE,
    Claimable,
    ClaimProof,
    keccak256,
    leaf_hashes,
    merkle_path,
    merkle_tree,
    written,
)

FORMAT: Final = "coopera claims"
VERSION: Final = 1
"""Version of the format."""

HEAD_MAX: Final = 4096
"""Most bytes of the head."""

NODE: Final = 32
"""Bytes of a node."""

LINE: Final = re.compile(r"([^\t]+)\t([^\t]+)\t([^\t]+)\t([1-9][0-9]{0,15})")

NEAR: Final = 256
"""Bytes on each side of a place in which its line is looked for first."""
AT_ONCE: Final = 1 << 15
"""Bytes that are read at once by whoever reads everything."""

AGAIN: Final = "fetch the file again"

Progress: TypeAlias = Callable[[int, int], object]
"""Told how many nodes of the tree have been made, and of how many, as far as known."""


class NoClaims(Unreadable):
    """File is something else than claims."""


@final
class ClaimTree:
    """Claims, sorted, and the tree over them."""

    def __init__(
        self, told: dict[str, Any], text: "_Text", first: int, nodes: Sequence[bytes]
    ) -> None:
        """Take a head, claims that start somewhere, and nodes; `of` and `open` do."""
        self.epoch: Final[int] = told["epoch"]
        self.root: Final[str] = told["root"]
        self._told, self._text, self._nodes = told, text, nodes
        self._first, self._end = first, first + told["bytes"]
        self._count: int = told["claims"]
        self._name = "the tree"

    @classmethod
    def of(
        cls,
        claims: Iterable[Claimable],
        epoch: int,
        progress: Progress = lambda _done, _all: None,
    ) -> Self:
        """
        Grow the tree of the claims of an epoch, given in any order.

        Refusals, in order of precedence: those of `leaf_hashes`, `Malformed` where
        there is no claim, and `AlreadyExists` two for one account of a vault.
        """
        checks.count("epoch", epoch)
        hint = length_hint(claims, 1)
        leaves: list[bytes] = []
        lines: list[bytes] = []
        rest = iter(claims)
        while some := list(islice(rest, NODES_AT_ONCE)):
            leaves += leaf_hashes(some)
            lines += map(_line, some)
            progress(len(leaves), 2 * max(hint, len(leaves)) - 1)
        count = len(leaves)
        if not count:
            raise Malformed("there are no claims; a tree needs one at least")
        lines.sort()
        _refuse_twice(lines)
        text = b"".join(lines)
        del lines
        whole = 2 * count - 1
        nodes = merkle_tree(leaves, lambda made: progress(count + made, whole))
        del leaves
        told = {
            "format": FORMAT,
            "version": VERSION,
            "epoch": epoch,
            "claims": count,
            "bytes": len(text),
            "root": written(nodes[0]),
        }
        progress(whole, whole)
        return cls(told, text, 0, nodes)

    @classmethod
    def open(cls, path: Path) -> Self:
        """
        Open a file, of which little is read. Refuses with `Unreadable`.

        What was altered in the claims, or in the tree, is found by the `proof` that
        needs it, or by `check`, and so is that a file was cut. `save` puts another one
        in its place, of which those who have the file open see nothing.
        """
        try:
            with path.open("rb") as file:
                start = file.read(HEAD_MAX)
                size = file.seek(0, os.SEEK_END)
                told, head = _read_head(start, path)
                needed = head + told["bytes"] + NODE * (2 * told["claims"] - 1)
                if size != needed:
                    raise Unreadable(
                        f"{path} has {size} bytes and must have {needed}; {AGAIN}"
                    )
                content = _File(os.dup(file.fileno()), str(path))
        except OSError as error:
            raise Unreadable(
                f"{path} cannot be read: {error.strerror}; name a file of claims"
            ) from None
        nodes = _Nodes(content, head + told["bytes"], 2 * told["claims"] - 1)
        tree = cls(told, content, head, nodes)
        tree._name = str(path)
        if written(tree._nodes[0]) != tree.root:
            tree.close()
            raise Unreadable(f"{path} was altered: its tree has another root; {AGAIN}")
        return tree

    @property
    def size(self) -> int:
        """Bytes of the file."""
        text: int = self._told["bytes"]
        return len(_head(self._told)) + text + NODE * len(self._nodes)

    def content(self, start: int, stop: int) -> bytes:
        """
        Read some bytes of the file that it was opened from, as they are there.

        Refuses with `Unreadable`. Several threads may do it at once.
        """
        assert isinstance(self._text, _File)
        return self._text[start:stop]

    def __len__(self) -> int:
        """Count the claims."""
        return self._count

    def __iter__(self) -> Iterator[Claimable]:
        """List the claims as they stand there, sorted. Refuses with `Unreadable`."""
        return map(self._claim, self._lines())

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go of the file."""
        if isinstance(self._text, _File):
            self._text.close()

    def proof(self, vault: str, asset: str, account: str) -> ClaimProof:
        """
        Prove what an account has earned from a vault so far.

        Refusals, in order of precedence: `Malformed`; `UnknownRecord`, also where the
        file was altered so that the claim cannot be found; `Unreadable`.
        """
        names = map(checks.text, ("vault", "asset", "account"), (vault, asset, account))
        line = self._find("".join(f"{name}\t" for name in names).encode())
        if line is None:
            raise UnknownRecord(
                f"{account} has no claim to {asset} of the vault {vault} in epoch "
                f"{self.epoch}; name another one"
            )
        claim = self._claim(line)
        (leaf,) = self._leaves((claim,))
        # The least leaf is the last node.
        last = len(self._nodes) - 1
        above = bisect_left(
            range(self._count), leaf, key=lambda i: self._nodes[last - i]
        )
        path = merkle_path(self._nodes, max(last - above, self._count - 1))
        proof = ClaimProof(claim, self.epoch, self.root, path)
        if not proof.holds:
            self._altered(f"no path leads from the claim of {account} to the root")
        return proof

    def save(self, path: Path) -> None:
        """
        Write a file, which appears under its name only when it is whole and durable.

        Refuses with `Unreadable` where that cannot be.
        """
        part = path.with_name(f".{path.name}.{os.getpid()}.part")
        try:
            try:
                with part.open("wb") as file:
                    file.write(_head(self._told))
                    file.write(self._text[self._first : self._end])
                    file.writelines(self._nodes)
                    file.flush()
                    os.fsync(file.fileno())
                part.replace(path)
            finally:
                with suppress(OSError):
                    part.unlink(missing_ok=True)
            folder = os.open(path.parent, os.O_RDONLY)
            try:
                os.fsync(folder)
            finally:
                os.close(folder)
        except OSError as error:
            raise Unreadable(
                f"cannot write {path}: {error.strerror}; name another file"
            ) from None

    def check(self, progress: Progress = lambda _done, _all: None) -> None:
        """
        Recompute everything from the claims alone. Refuses with `Unreadable`.

        Whether the root is the one that was published, the file cannot tell.
        """
        whole = 2 * self._count - 1
        leaves: list[bytes] = []
        lines, before = self._lines(), b""
        while some := list(islice(lines, NODES_AT_ONCE)):
            for line in some:
                key = _key(line)
                if key <= before:
                    self._altered(f"claim {_shown(line)} is not in its order")
                before = key
            leaves += self._leaves(map(self._claim, some))
            progress(len(leaves), whole)
        count = len(leaves)
        if count != self._count:
            self._altered(f"it has {count} claims and must have {self._count}")
        nodes = merkle_tree(leaves, lambda made: progress(count + made, whole))
        root = written(nodes[0])
        if root != self.root:
            self._altered(f"its claims have the root {root}, and not {self.root}")
        if any(map(ne, nodes, self._nodes)):
            self._altered("its tree is not that of its claims")
        progress(whole, whole)

    def _find(self, key: bytes) -> bytes | None:
        """Find the line that starts with a key, by halving what is left."""
        low, high = self._first, self._end
        while low < high:
            start, line = self._line_around((low + high) // 2, low)
            if line < key:
                low = start + len(line) + 1
            else:
                high = start
        found = self._line_around(low, low)[1] if low < self._end else b""
        return found if found.startswith(key) else None

    def _line_around(self, place: int, least: int) -> tuple[int, bytes]:
        """Read the line that a place is in, and tell where it starts."""
        near = NEAR
        while True:
            first, last = max(place - near, least), min(place + near, self._end)
            some = self._text[first:last]
            start = some.rfind(b"\n", 0, place - first) + 1
            end = some.find(b"\n", place - first)
            if (start or first == least) and end >= 0:
                return first + start, some[start:end]
            if first == least and last == self._end:
                self._altered("a claim has no end")
            near *= 2

    def _lines(self) -> Iterator[bytes]:
        start, kept = self._first, b""
        while start < self._end:
            some = self._text[start : min(start + AT_ONCE, self._end)]
            start += len(some)
            *lines, kept = (kept + some).split(b"\n")
            yield from lines
        if kept:
            self._altered("a claim has no end")

    def _claim(self, line: bytes) -> Claimable:
        """Read a line. Refuses with `Unreadable`."""
        found = LINE.fullmatch(line.decode(errors="replace"))
        if found is None:
            self._altered(f"{_shown(line)} is no claim")
        vault, asset, account, cumulative = found.groups()
        return Claimable(vault, asset, account, int(cumulative))

    def _leaves(self, claims: Iterable[Claimable]) -> list[bytes]:
        """Hash the leaves of claims out of the file. Refuses with `Unreadable`."""
        try:
            return leaf_hashes(claims)
        except ProtocolError as refusal:
            self._altered(str(refusal))

    def _altered(self, why: str) -> NoReturn:
        raise Unreadable(f"{self._name} was altered: {why}; {AGAIN}")


@final
class _File:
    """
    Bytes of an open file, which somebody else may cut or alter meanwhile.

    A mapping of it into memory would be faster, and would end the process where a file
    is cut, as a server must not: the system has no other way to say so.
    """

    def __init__(self, number: int, name: str) -> None:
        """Take an open file, which is closed when nobody has this any more."""
        self._number, self._name = number, name
        self._finalize = finalize(self, os.close, number)

    def close(self) -> None:
        self._number = -1
        self._finalize()

    def __getitem__(self, part: slice) -> bytes:
        """Read all of a part. Refuses with `Unreadable`."""
        start, stop = part.start, part.stop
        try:
            some = os.pread(self._number, stop - start, start)
            # No system reads more than two GiB at once, and some read less.
            while len(some) < stop - start:
                more = os.pread(
                    self._number, stop - start - len(some), start + len(some)
                )
                if not more:
                    size = os.fstat(self._number).st_size
                    raise Unreadable(
                        f"{self._name} was cut while it was read, to {size} bytes; "
                        f"{AGAIN}"
                    )
                some += more
        except OSError as error:
            raise Unreadable(
                f"{self._name} cannot be read: {error.strerror}; {AGAIN}"
            ) from None
        return some


_Text: TypeAlias = bytes | _File


@final
class _Nodes(Sequence[bytes]):
    """Nodes of a tree where they are."""

    def __init__(self, content: _Text, first: int, count: int) -> None:
        self._content, self._first, self._count = content, first, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> bytes: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[bytes]: ...
    def __getitem__(self, index: int | slice) -> bytes | Sequence[bytes]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        start = self._first + NODE * index
        return self._content[start : start + NODE]

    def __iter__(self) -> Iterator[bytes]:
        """List them, many read at once."""
        end = self._first + NODE * self._count
        for start in range(self._first, end, AT_ONCE):
            some = self._content[start : min(start + AT_ONCE, end)]
            for at in range(0, len(some), NODE):
                yield some[at : at + NODE]


def _line(claim: Claimable) -> bytes:
    return (
        f"{claim.vault}\t{claim.asset}\t{claim.account}\t{claim.cumulative}\n".encode()
    )


def _key(line: bytes) -> bytes:
    """Cut the amount off a line."""
    return line[: line.rfind(b"\t")]


def _shown(line: bytes) -> str:
    return repr(line[:200].decode(errors="replace"))


def _refuse_twice(lines: Sequence[bytes]) -> None:
    """Refuse with `AlreadyExists` two sorted lines for the same account of a vault."""
    before = b""
    for line in lines:
        key = _key(line)
        if key == before:
            vault, asset, account = key.decode().split("\t")
            raise AlreadyExists(
                f"there are two claims of {account} to {asset} of the vault {vault}; "
                "give their sum, once"
            )
        before = key


def _head(told: dict[str, Any]) -> bytes:
    line = json.dumps(told).encode()
    return line + b"\n" + written(keccak256()(line)).encode() + b"\n"


def _read_head(start: bytes, path: Path) -> tuple[dict[str, Any], int]:
    """Read the head of a file: what it says, and its length. Refuses `Unreadable`."""
    line = start.partition(b"\n")[0]
    try:
        told = json.loads(line)
    except (ValueError, RecursionError):
        told = None
    if not isinstance(told, dict) or told.get("format") != FORMAT:
        raise NoClaims(f"{path} is no file of claims; name one that was saved as such")
    if told.get("version") != VERSION:
        raise Unreadable(
            f"{path} has version {str(told.get('version'))[:80]} of the format and "
            f"this program reads {VERSION}; use the program that it was made with"
        )
    numbers = [told.get(name) for name in ("epoch", "claims", "bytes")]
    root = told.get("root")
    if (
        not start.startswith(_head(told))
        or not all(type(each) is int and each >= 0 for each in numbers)
        or not told["claims"]
        or not isinstance(root, str)
        or not HASH.fullmatch(root)
    ):
        raise Unreadable(f"{path} was altered: its head is damaged; {AGAIN}")
    return told, len(_head(told))
