"""
Merkle trees over work: one root to commit to, and a proof for every unit of it.

The tree is that of RFC 6962. A leaf is the SHA-256 of a zero byte and the unit; a node
that of a one byte, the node to its left and the one to its right; and the left side of
a node has the largest power of two of units that is less than all of them. Leaves and
nodes can never be taken for each other. How many units there are is not in the root:
the job says it.
"""

from collections.abc import Sequence
from hashlib import sha256
from typing import Final, final, overload

from coopera.errors import Malformed

LEAF: Final = b"\x00"
NODE: Final = b"\x01"

Content = bytes | memoryview


@final
class Units(Sequence[Content]):
    """
    Content cut into units as equal as can be: unit i of n starts at `i * size / n`.

    That is rounded down; and a unit ends where the next one starts.

    Refuses with `Malformed` fewer bytes than units.

    >>> [bytes(each) for each in Units(b"abcde", 2)]
    [b'ab', b'cde']
    """

    def __init__(self, content: Content, count: int) -> None:
        assert count > 0
        if len(content) < count:
            raise Malformed(
                f"the work has {len(content)} bytes and is checked in {count} units; "
                "each needs one byte at least"
            )
        view = content if isinstance(content, memoryview) else memoryview(content)
        self._content, self._count = view, count

    def __len__(self) -> int:
        return self._count

    @overload
    def __getitem__(self, index: int) -> Content: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[Content]: ...
    def __getitem__(self, index: int | slice) -> Content | Sequence[Content]:
        if isinstance(index, slice):
            return [self[i] for i in range(*index.indices(self._count))]
        if not 0 <= index < self._count:
            raise IndexError(index)
        size = len(self._content)
        start, end = (i * size // self._count for i in (index, index + 1))
        return self._content[start:end]


def merkle_root(units: Sequence[Content]) -> str:
    """
    Commit to units: the root of their tree, in hexadecimal.

    >>> merkle_root([b"one", b"two", b"three"])[:16]
    '5aac771c899ac292'
    """
    assert len(units) > 0
    return _tree(units, 0, len(units)).hex()


def merkle_proof(units: Sequence[Content], index: int) -> tuple[str, ...]:
    """List what stands beside the way from a unit up to the root, the lowest first."""
    assert 0 <= index < len(units)
    path: list[str] = []
    first, last = 0, len(units)
    while last - first > 1:
        middle = first + _left(last - first)
        beside = (middle, last) if index < middle else (first, middle)
        path.append(_tree(units, *beside).hex())
        first, last = (first, middle) if index < middle else (middle, last)
    return tuple(reversed(path))


def proves(
    root: str, unit: Content, index: int, count: int, path: Sequence[str]
) -> bool:
    """
    Tell whether a unit stands at its place, from 0, in work of so many units.

    >>> units = [b"one", b"two", b"three"]
    >>> path = merkle_proof(units, 1)
    >>> proves(merkle_root(units), b"two", 1, 3, path)
    True
    >>> proves(merkle_root(units), b"two", 2, 3, path)
    False
    """
    assert 0 <= index < count
    sides: list[bool] = []
    while count > 1:
        left = _left(count)
        sides.append(index >= left)
        index, count = (index - left, count - left) if index >= left else (index, left)
    if len(path) != len(sides):
        return False
    node = sha256(LEAF)
    node.update(unit)
    found = node.digest()
    for beside, right in zip(path, reversed(sides), strict=True):
        other = bytes.fromhex(beside)
        pair = other + found if right else found + other
        found = sha256(NODE + pair).digest()
    return found.hex() == root


def _left(count: int) -> int:
    """Tell how many of some units are on the left side of their node."""
    return 1 << (count - 1).bit_length() - 1


def _tree(units: Sequence[Content], first: int, last: int) -> bytes:
    """Hash a part of the tree, from one unit until before another."""
    if last - first == 1:
        leaf = sha256(LEAF)
        leaf.update(units[first])
        return leaf.digest()
    middle = first + _left(last - first)
    return sha256(
        NODE + _tree(units, first, middle) + _tree(units, middle, last)
    ).digest()
