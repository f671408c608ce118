"""
The tree of claims: growing it, proving out of a file, verifying.

Beside it stands the bare tree, without checks, names in order, or progress: by the same
hash, and by the SHA3-256 of the standard library, which is the same permutation.
"""

import gc
import hashlib
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, quantiles

from benchmarks.agreement import Disagreement
from benchmarks.measuring import Table, Taken, in_turns, say, taken

from coopera.accounting.claims import ClaimTree
from coopera.protocol.claims import Claimable, ClaimProof, keccak256, proves, written

VAULTS = 1_000
STATUS, CLEAR = Path("/proc/self/status"), Path("/proc/self/clear_refs")

Hash = Callable[[bytes], bytes]


@dataclass(frozen=True)
class Size:
    """How much is claimed, and proven."""

    claims: int
    proofs: int
    rounds: int


FULL, QUICK = Size(1_000_000, 20_000, 3), Size(100_000, 5_000, 1)


def claims(size: Size) -> Table:
    """Grow, save, open, prove, verify, check."""
    table = Table(
        f"Claims: {size.claims:,} under one root",
        ("", "CPU", "p99", "unit", "MiB at most"),
    )
    given = list(_claims(size.claims))
    gc.collect()
    gc.freeze()  # the caller's claims are not what is measured
    grown: list[ClaimTree] = []
    peak = _peak_of(lambda: grown.append(ClaimTree.of(given, 7)))
    (tree,) = grown
    if _bare_root(given, keccak256()) != tree.root:
        raise Disagreement("the bare tree over the same claims has another root")
    times = in_turns(
        "claims",
        {
            "growing the tree": lambda: ClaimTree.of(given, 7),
            "bare tree, same hash": lambda: _bare_root(given, keccak256()),
            "bare tree, hashlib.sha3_256": lambda: _bare_root(given, _sha3),
            "its hashes alone, same hash": lambda: _hashes(size.claims, keccak256()),
            "its hashes alone, hashlib.sha3_256": lambda: _hashes(size.claims, _sha3),
        },
        size.rounds,
    )
    for name, time_ in times.items():
        table.add(name, time_.cpu, "", "s", peak if name.startswith("growing") else "")
    with tempfile.TemporaryDirectory(prefix="claims") as folder:
        _with_file(table, tree, given, size, Path(folder, "claims"))
    return table


def _with_file(
    table: Table, tree: ClaimTree, given: list[Claimable], size: Size, path: Path
) -> None:
    say("claims: the file")
    table.add("saving it", taken(lambda: tree.save(path)).cpu, "", "s", "")
    asked = given[:: size.claims // size.proofs]
    with ClaimTree.open(path) as opened:
        table.add("checking a file", taken(opened.check).cpu, "", "s", "")
    first, proofs = _proofs(path, asked)
    _add_each(table, "opening a file, and a proof", first)
    with ClaimTree.open(path) as opened:
        took: list[Taken] = []
        found: list[ClaimProof] = []
        for each in asked:
            place = each.vault, each.asset, each.account
            took.append(taken(lambda place=place: found.append(opened.proof(*place))))
    if [each.claim for each in found] != asked or proofs != found[: len(proofs)]:
        raise Disagreement("the file proves other claims than the tree was grown of")
    _add_each(table, "a proof", [each.wall for each in took])
    _add_each(table, "verifying a proof", [_verified(each) for each in found])
    table.notes.append(
        f"A file of {path.stat().st_size / size.claims:.0f} bytes a claim, paths of "
        f"{len(found[0].path)} nodes; {VAULTS:,} vaults, two assets. Memory is beside "
        "that of the claims given. Files are in the cache of the system."
    )


def _proofs(path: Path, asked: list[Claimable]) -> tuple[list[float], list[ClaimProof]]:
    """Open the file anew for each of a few proofs."""
    took, found = [], []
    for each in asked[:500]:
        start = time.perf_counter()
        with ClaimTree.open(path) as opened:
            found.append(opened.proof(each.vault, each.asset, each.account))
        took.append(time.perf_counter() - start)
    return took, found


def _verified(proof: ClaimProof) -> float:
    start = time.perf_counter()
    holds = proves(proof.root, proof.claim, proof.path)
    took = time.perf_counter() - start
    if not holds:
        raise Disagreement(f"the proof of {proof.claim} does not hold")
    return took


def _add_each(table: Table, name: str, seconds: list[float]) -> None:
    micro = [each * 1e6 for each in seconds]
    table.add(name, mean(micro), quantiles(micro, n=100)[98], "us", "")


def _claims(count: int) -> Iterator[Claimable]:
    """Give each member one claim, in no order."""
    for n in range(count):
        asset = "usd" if n % 2 else "token"
        member = f"contributor:member-{n * 7_919 % count}"
        yield Claimable(f"vault-{n % VAULTS}", asset, member, 1_000_000 * n + 1)


def _sha3(content: bytes) -> bytes:
    return hashlib.sha3_256(content).digest()


def _bare_root(given: list[Claimable], hashed: Hash) -> str:
    """Grow the same tree without anything around it."""
    nodes = [
        hashed(
            hashed(
                hashed(each.vault.encode())
                + hashed(each.asset.encode())
                + hashed(each.account.encode())
                + each.cumulative.to_bytes(32, "big")
            )
        )
        for each in given
    ]
    nodes.sort()
    for at in range(0, 2 * len(given) - 2, 2):
        one, other = nodes[at], nodes[at + 1]
        nodes.append(hashed(one + other if one < other else other + one))
    return written(nodes[-1])


def _hashes(count: int, hashed: Hash) -> None:
    """Hash what a tree cannot do without: a name, a leaf twice, a node."""
    name, words, inner, pair = b"n" * 24, b"w" * 128, b"i" * 32, b"p" * 64
    for _ in range(count):
        hashed(name)
        hashed(words)
        hashed(inner)
        hashed(pair)


def _peak_of(work: Callable[[], object]) -> float | str:
    """Tell by how many MiB the memory of this process grows at most, on Linux."""
    with suppress(OSError):
        CLEAR.write_text("5")
        before = _kib("VmRSS")
        work()
        return (_kib("VmHWM") - before) / 2**10
    work()
    return ""


def _kib(name: str) -> int:
    lines = STATUS.read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith(name))


PARTS: dict[str, Callable[[Size], Table]] = {"claims": claims}
