"""
The tree of claims: growing it, proving out of a file, over HTTP too, verifying.

Beside it stands the bare tree, without checks, names in order, or progress: by the same
hash, and by the SHA3-256 of the standard library, which is the same permutation. And
beside proofs over HTTP stands a bare answer of the same bytes, by the same process.
"""

import gc
import hashlib
import json
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from http.client import HTTPConnection
from pathlib import Path
from statistics import mean, median, quantiles
from urllib.parse import quote

from benchmarks.agreement import Disagreement
from benchmarks.measuring import Table, Taken, in_turns, say, taken

from coopera.accounting.claims import ClaimTree
from coopera.protocol.claims import Claimable, ClaimProof, keccak256, proves, written

VAULTS = 1_000
CALLERS = 32
"""Callers who ask over HTTP at once."""
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
    _over_http(table, path, found, size.rounds)
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


def _over_http(table: Table, path: Path, found: list[ClaimProof], rounds: int) -> None:
    """Ask a server for proofs, and for bare answers of as many bytes, in turns."""
    compact = json.dumps(found[0].told(), separators=(",", ":"))
    server = [sys.executable, "-m", "benchmarks.serving", str(path), compact]
    times: dict[str, list[float]] = {"proof": [], "bare": []}
    with subprocess.Popen(server, stdout=subprocess.PIPE, text=True) as process:  # noqa: S603
        try:
            assert process.stdout is not None
            port = int(process.stdout.readline())
            for number in range(rounds + 1):  # the first one warms up
                say(f"claims: over HTTP, round {number} of {rounds}")
                for kind, each in times.items():
                    before = _server_cpu(port)
                    _ask(port, found, bare=kind == "bare")
                    each.append((_server_cpu(port) - before) / len(found) * 1e6)
        finally:
            process.terminate()
    proof, bare = (median(each[1:]) for each in times.values())
    table.add("a proof over HTTP", proof, "", "us", "")
    table.add("a bare answer of the same bytes", bare, "", "us", "")
    table.notes.append(
        f"Over HTTP, of {CALLERS} callers: {1e6 / proof:,.0f} proofs a second of a "
        f"core and {1e6 / bare:,.0f} bare answers, {proof / bare:.2f} times as long."
    )


def _ask(port: int, found: list[ClaimProof], *, bare: bool) -> None:
    """Ask for all proofs, as many at once as there are callers."""
    with ExitStack() as stack:
        callers = [
            stack.enter_context(socket.create_connection(("127.0.0.1", port)))
            for _ in range(CALLERS)
        ]
        for first in range(0, len(found), CALLERS):
            asked = list(
                zip(callers, found[first : first + CALLERS], strict=False)  # the last
            )
            for caller, each in asked:
                claim = each.claim
                names = map(quote, (claim.vault, claim.asset, claim.account))
                where = "/bare" if bare else "/".join(("/v1/claims/latest", *names))
                caller.sendall(f"GET {where} HTTP/1.1\r\nHost: here\r\n\r\n".encode())
            for caller, each in asked:
                body = _received(caller)
                if not bare and json.loads(body) != each.told():
                    raise Disagreement("the server gives another proof than the file")


def _received(caller: socket.socket) -> bytes:
    """Receive an answer: its body."""
    content = b""
    while True:
        content += caller.recv(1 << 16)
        head, end, body = content.partition(b"\r\n\r\n")
        if end:
            length = head.partition(b"content-length: ")[2].split(b"\r\n")[0]
            if len(body) == int(length):
                return body


def _server_cpu(port: int) -> float:
    """Ask the server how many seconds of CPU it has taken."""
    connection = HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/cpu")
    told = float(connection.getresponse().read())
    connection.close()
    return told


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
