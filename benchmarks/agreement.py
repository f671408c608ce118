"""
Do all programs compute the same economy? No figure is worth anything before they do.

Compared is every variable of the catalogue, on every day of some worlds, on the same
normals. The C program draws its own, which must be ours to the last bit.
"""

import tempfile
from pathlib import Path

import numpy as np
from benchmarks import peer
from benchmarks.economy import Paper
from benchmarks.native import Program

from coopera.sim.run import BINS

RELATIVE_MAX = 1e-9
"""Largest relative difference."""
MICRO_MAX = 1.0
"""Or else, in micro-units: a quotient next to a whole number may round either way."""

MOVED_MAX = 1e-6
"""Largest share of values that may be counted in another bin."""


class Disagreement(RuntimeError):
    """Two programs do not compute the same."""


def check_native(paper: Paper, program: Program, worlds: int) -> str:
    """Compare a C program with the simulator. Refuses with `Disagreement`."""
    if not np.array_equal(paper.normals(worlds), program.normals(worlds)):
        raise Disagreement(f"C, {program.lanes} lanes: its normals are not ours")
    said = _compared(paper, paths_of(paper, worlds), paths_of(program, worlds))
    ours, theirs = _counts_of(paper, worlds), _counts_of(program, worlds)
    # A value next to the edge of a bin may fall on either side.
    moved = int(np.abs(ours - theirs).sum()) // 2
    if moved > MOVED_MAX * ours.sum():
        raise Disagreement(f"C, {program.lanes} lanes: {moved:,} counts differ")
    return f"C, {program.lanes} lanes: {said}; {moved:,} counts moved"


def check_peer(paper: Paper, command: list[str], worlds: int) -> str:
    """Compare radCAD with the simulator. Refuses with `Disagreement`."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "paths.npy")
        jobs = [
            {"runs": worlds, "deepcopy": deepcopy, "paths": str(path)}
            for deepcopy in (True, False)
        ]
        said = []
        for job in jobs:
            peer.measure(command, [job])
            said.append(_compared(paper, paths_of(paper, worlds), np.load(path)))
    assert said[0] == said[1], "radCAD's deepcopy changes what it computes"
    return f"radCAD: {said[0]}"


def paths_of(program: Paper | Program, worlds: int) -> np.ndarray:
    """Run some worlds, (worlds, days, variables)."""
    paper = program if isinstance(program, Paper) else program.paper
    blocks = -(-worlds // program.lanes)
    paths = np.empty((blocks, paper.days, len(paper.kept), program.lanes))
    program.run_paths(0, paths)
    by_world = paths.transpose(0, 3, 1, 2)
    return by_world.reshape(-1, paper.days, len(paper.kept))[:worlds]


def _counts_of(program: Paper | Program, worlds: int) -> np.ndarray:
    """Count some worlds, (days, variables, bins)."""
    paper = program if isinstance(program, Paper) else program.paper
    low, per_bin = paper.bins
    counts = np.zeros((*low.shape, BINS), np.int32)
    moments = np.empty((*low.shape, 3))
    moments[:] = (0.0, np.inf, -np.inf)
    program.run_counts(0, worlds, low, per_bin, counts, moments)
    return counts


def _compared(paper: Paper, ours: np.ndarray, theirs: np.ndarray) -> str:
    """Say how far two programs are apart, or refuse."""
    if not np.isfinite(ours).all():
        raise Disagreement("our own paths are not finite")
    difference = np.abs(ours - theirs)
    relative = difference / np.maximum(np.abs(ours), 1e-300) * (difference > 0)
    worst, flips = 0.0, 0
    for v, variable in enumerate(paper.variables):
        close = fits = relative[..., v] <= RELATIVE_MAX
        if variable.unit in ("jobs", "suppliers"):
            fits = difference[..., v] == 0
        elif variable.unit in ("USD", "token"):
            near = difference[..., v] <= MICRO_MAX
            flips += int(np.count_nonzero(near & ~close))
            fits = close | near
        if not fits.all():
            world, day = np.argwhere(~fits)[0]
            raise Disagreement(
                f"{variable.name} of world {world} on day {day}: "
                f"{ours[world, day, v]!r} here, {theirs[world, day, v]!r} there"
            )
        worst = max(worst, relative[..., v][close].max(initial=0.0))
    worlds, days, variables = ours.shape
    off = f", or by one micro-unit ({flips:,})" if flips else ""
    return (
        f"{worlds:,} worlds x {days} days x {variables} variables agree; of the "
        f"{difference.size:,} values {np.count_nonzero(difference):,} differ at all, "
        f"by at most {worst:.0e}{off}"
    )
