"""
Claims under one root: what accounts have earned from vaults, as contracts check it.

A leaf is the Keccak-256 of the Keccak-256 of four words of 32 bytes: the hashes of the
names of vault, asset and account, and all that the account has earned there so far. A
node is the Keccak-256 of the two below it, the smaller first. A leaf is hashed twice so
that it can never be taken for a node, and pairs are sorted so that a proof needs no
places. Leaves are sorted by hash too, and the last of them is at the end of the tree's
array. This is the `StandardMerkleTree` of OpenZeppelin, of the types `bytes32`,
`bytes32`, `bytes32` and `uint256`, to the last bit; see docs/claims.md.

`protocol.merkle` has the other tree, the one over work.
"""

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from coopera.errors import Malformed
from coopera.protocol import checks

HASH: Final = re.compile(r"0x[0-9a-fA-F]{64}")

DEPTH_MAX: Final = 32
"""Most nodes of a path: that of a tree of 2**32 claims."""

NODES_AT_ONCE: Final = 1 << 14
"""Nodes after which progress is told."""


@dataclass(frozen=True, slots=True)
class Claimable:
    """All that an account has earned from a vault so far, paid out or not."""

    vault: str
    asset: str
    account: str
    """Member, as `contributor:ann`."""
    cumulative: int
    """Micro-units; it never falls."""

    @property
    def leaf(self) -> str:
        """Hash of its leaf. Refuses as `leaf_hashes`."""
        return written(leaf_hashes((self,))[0])


@dataclass(frozen=True, slots=True)
class ClaimProof:
    """A claim, and what leads from it to a root."""

    claim: Claimable
    epoch: int
    """Of which the root was published; neither leaf nor root contains it."""
    root: str
    path: Sequence[str]
    """Nodes beside the way from the leaf up to the root, the lowest first."""

    @property
    def holds(self) -> bool:
        """Tell whether the path leads to the root. Refuses with `Malformed`."""
        return proves(self.root, self.claim, self.path)

    def told(self) -> dict[str, Any]:
        """Put it into JSON."""
        return {
            "vault": self.claim.vault,
            "asset": self.claim.asset,
            "account": self.claim.account,
            "cumulative": self.claim.cumulative,
            "epoch": self.epoch,
            "root": self.root,
            "path": list(self.path),
        }


FIELDS: Final = ("vault", "asset", "account", "cumulative", "epoch", "root", "path")


def read_proof(told: object) -> ClaimProof:
    """
    Read a proof out of JSON, whoever has written it; whether it holds is not asked.

    Refusals, in order of precedence: `Malformed`, `NegativeAmount`, `AmountTooLarge`,
    `ZeroAmount`.
    """
    if not isinstance(told, Mapping):
        raise Malformed(f"a claim is an object with {', '.join(FIELDS)}")
    missing = [name for name in FIELDS if name not in told]
    if missing:
        raise Malformed(
            f"the claim has no {' and no '.join(missing)}; it must have "
            f"{', '.join(FIELDS)}"
        )
    path = told["path"]
    if not isinstance(path, list):
        raise Malformed(f"path is {str(path)[:80]!r}; it must be a list of hashes")
    read_path(path)
    hash_bytes("root", told["root"])
    vault, asset, account = (checks.text(name, told[name]) for name in FIELDS[:3])
    claim = Claimable(
        vault, asset, account, checks.amount("cumulative", told["cumulative"])
    )
    epoch = checks.count("epoch", told["epoch"])
    return ClaimProof(claim, epoch, told["root"], tuple(path))


def proves(root: str, claim: Claimable, path: Sequence[str]) -> bool:
    """
    Tell whether a claim is under a root.

    Refuses with `Malformed` what is no hash, and a path that is too long; and as
    `leaf_hashes`.

    >>> claims = [Claimable("llm", "usd", f"contributor:{x}", 5) for x in ("ann", "bo")]
    >>> tree = merkle_tree(leaf_hashes(claims))
    >>> root = written(tree[0])
    >>> proves(root, claims[0], [claims[1].leaf])
    True
    >>> proves(root, Claimable("llm", "usd", "contributor:ann", 6), [claims[1].leaf])
    False
    """
    top, beside = hash_bytes("root", root), read_path(path)
    hashed = keccak256()
    (node,) = leaf_hashes((claim,))
    for other in beside:
        node = hashed(node + other if node < other else other + node)
    return node == top


def leaf_hashes(claims: Iterable[Claimable]) -> list[bytes]:
    """
    Hash the leaves of claims, in their order.

    Refusals, in order of precedence: `Malformed`, `NegativeAmount`, `AmountTooLarge`,
    `ZeroAmount`.
    """
    hashed = keccak256()
    places: dict[tuple[str, str], bytes] = {}
    leaves = []
    for claim in claims:
        pair = claim.vault, claim.asset
        place = places.get(pair)
        if place is None:
            vault, asset = map(checks.text, ("vault", "asset"), pair)
            place = hashed(vault.encode()) + hashed(asset.encode())
            places[pair] = place
        account = hashed(checks.text("account", claim.account).encode())
        amount = checks.amount("cumulative", claim.cumulative).to_bytes(32, "big")
        leaves.append(hashed(hashed(place + account + amount)))
    return leaves


def merkle_tree(
    leaves: Iterable[bytes], progress: Callable[[int], object] = lambda _: None
) -> list[bytes]:
    """
    Grow a tree over leaves in any order: all its nodes, the root first.

    The nodes below that at `i` are at `2 * i + 1` and `2 * i + 2`. Progress is told how
    many nodes have been made above the leaves.
    """
    hashed = keccak256()
    nodes = sorted(leaves)
    count = len(nodes)
    assert count > 0
    # Each two in turn make a node at the end, until the root is left alone.
    below = iter(nodes)
    for made, (one, other) in enumerate(zip(below, below, strict=False), 1):
        nodes.append(hashed(one + other if one < other else other + one))
        if not made % NODES_AT_ONCE:
            progress(made)
    assert len(nodes) == 2 * count - 1
    nodes.reverse()
    return nodes


def merkle_path(nodes: Sequence[bytes], place: int) -> tuple[str, ...]:
    """List what stands beside the way from a place in a tree up to the root."""
    assert 0 <= place < len(nodes)
    path = []
    while place:
        path.append(written(nodes[place + 1 if place % 2 else place - 1]))
        place = (place - 1) // 2
    return tuple(path)


def read_path(path: Sequence[str]) -> list[bytes]:
    """Read the nodes of a path. Refuses with `Malformed`."""
    if len(path) > DEPTH_MAX:
        raise Malformed(
            f"the path has {len(path)} nodes; {DEPTH_MAX} are the most that it may have"
        )
    return [hash_bytes(f"node {n} of the path", each) for n, each in enumerate(path, 1)]


def hash_bytes(what: str, given: object) -> bytes:
    """Read a hash. Refuses with `Malformed`."""
    if not isinstance(given, str) or not HASH.fullmatch(given):
        raise Malformed(
            f"{what} is {str(given)[:80]!r}; it must be 0x and 64 hexadecimal digits"
        )
    return bytes.fromhex(given[2:])


def written(node: bytes) -> str:
    """
    Write a hash as contracts do.

    >>> written(keccak256()(b""))
    '0xc5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470'
    """
    return f"0x{node.hex()}"


@cache
def keccak256() -> Callable[[bytes], bytes]:
    """Import the hash of contracts, Keccak-256, which is in the extra `books`."""
    from tiny_keccak import keccak256 as hashed  # noqa: PLC0415 - an extra

    return hashed
