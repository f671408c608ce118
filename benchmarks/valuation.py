"""
What rows of data are worth, beside pyDVL, which has an environment of its own.

pyDVL is licensed under the LGPL and needs a NumPy that coopera does not run on: nothing
of it is imported here. It gets rows in a file, and writes values.
"""

import json
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from benchmarks import peer
from benchmarks.agreement import Disagreement
from benchmarks.child import peak_mib
from benchmarks.measuring import THREADS, Table, Taken, median, say, taken

from coopera.work.valuation.knn import knn_shapley

PROGRAM = Path(__file__).with_name("pydvl_values.py")
FEATURES, NEIGHBOURS = 30, 5
DIFFERENCE_MAX = 1e-5
"""Of two values: pyDVL may rank rows otherwise that are about as far."""

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


@dataclass(frozen=True)
class Amounts:
    """How many rows are valued, by how many tests."""

    beside: tuple[tuple[int, int], ...]
    alone: tuple[tuple[int, int], ...]
    rounds: int


FULL = Amounts(
    ((1_000, 100), (10_000, 1_000)), ((100_000, 1_000), (1_000_000, 1_000)), 3
)
QUICK = Amounts(((1_000, 100), (10_000, 200)), ((100_000, 100),), 1)


def drawn(rows: int, tests: int) -> Rows:
    """Draw rows and tests of two classes that no plane parts."""
    rng = np.random.default_rng(1)
    points, asked = (
        rng.standard_normal((count, FEATURES), np.float32) for count in (rows, tests)
    )
    labels, wanted = (
        (x[:, 0] + x[:, 1] * x[:, 2] > 0.0).astype(np.int64) for x in (points, asked)
    )
    return points, labels, asked, wanted


def values(amounts: Amounts) -> Table:
    """Exact values of rows, each the same in both programs."""
    table = Table(
        f"Exact KNN-Shapley, {FEATURES} features, K = {NEIGHBOURS}, {THREADS} threads",
        ("", "rows", "tests", "wall s", "CPU s", "peak MiB", "x, wall", "x, CPU"),
    )
    ours(drawn(8, 8))  # loads the kernels
    python = peer.environment("pydvl")
    for rows, tests in amounts.beside:
        mine, theirs, apart = _beside(python, drawn(rows, tests), amounts.rounds)
        table.add("pyDVL 0.10.0", rows, tests, theirs.wall, theirs.cpu, "", "", "")
        table.add(
            *("coopera", rows, tests, mine.wall, mine.cpu, ""),
            *(theirs.wall / mine.wall, theirs.cpu / mine.cpu),
        )
        said = f"{rows:,} rows, {tests:,} tests: all values within {apart:.1e}"
        say(said)
        table.notes.append(said)
    for rows, tests in amounts.alone:
        say(f"valuation: {rows:,} rows, {tests:,} tests, in a process of its own")
        done = subprocess.run(  # noqa: S603 - our own module
            [sys.executable, "-m", "benchmarks.valuation", str(rows), str(tests)],
            capture_output=True,
            text=True,
            check=True,
        )
        found = json.loads(done.stdout)
        table.add(
            *("coopera, process of its own", rows, tests),
            *(found["wall"], found["cpu"], found["peak_mib"], "", ""),
        )
    table.notes.append("peak of the whole process, the rows and their drawing included")
    return table


def ours(rows: Rows) -> np.ndarray:
    """Value rows with coopera."""
    return knn_shapley(*rows, neighbours=NEIGHBOURS)


def _beside(python: Path, rows: Rows, rounds: int) -> tuple[Taken, Taken, float]:
    """Time both in turns; say how far apart values are. Refuses with `Disagreement`."""
    mine, theirs, apart = list[Taken](), list[Taken](), 0.0
    with tempfile.TemporaryDirectory() as folder:
        data, found = Path(folder, "rows.npz"), Path(folder, "values.npy")
        np.savez(data, *rows)
        job = {"rows": str(data), "values": str(found), "neighbours": NEIGHBOURS}
        for number in range(rounds):
            say(f"valuation, {len(rows[0]):,} rows: round {number + 1} of {rounds}")
            (line,) = peer.measure([str(python), str(PROGRAM)], [job])
            theirs.append(Taken(line["wall"], line["cpu"]))
            mine.append(taken(lambda: ours(rows)))
            apart = float(np.abs(np.load(found) - ours(rows)).max())
            if not apart <= DIFFERENCE_MAX:
                raise Disagreement(
                    f"a value of {len(rows[0]):,} rows is {apart:.1e} from pyDVL's"
                )
    return median(mine), median(theirs), apart


def main(rows: int, tests: int) -> None:
    """Value rows in this process, and print what it took."""
    given = drawn(rows, tests)
    ours(drawn(8, 8))  # loads the kernels
    time = taken(lambda: ours(given))
    print(json.dumps({"wall": time.wall, "cpu": time.cpu, "peak_mib": peak_mib()}))


PARTS: dict[str, Callable[[Amounts], Table]] = {"valuation": values}


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]))
