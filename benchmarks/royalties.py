"""
A round of royalties in bulk, beside float64 in NumPy and the book's own integers.

Times are CPU time of the one thread that works. NumPy finds nothing exact, and is the
limit: it reads the rows once too. The book is asked about a part, and answers the same.
"""

from collections.abc import Callable
from dataclasses import dataclass
from statistics import median

import numpy as np
from benchmarks.agreement import Disagreement
from benchmarks.measuring import Table, say, taken

from coopera.accounting import royalties
from coopera.formulas import contribution, royalty
from coopera.units import MICRO, WAD, MicroUnit, Wad

SLICE = MicroUnit(1_500_000 * MICRO)


@dataclass(frozen=True)
class Offered:
    """How much is offered in a round."""

    contributors: int
    cells: int
    of_book: int
    """Contributors that the book is asked about."""
    few: int
    """Cells of a contributor, where most are without rows."""
    rounds: int = 5


FULL = Offered(1_000_000, 160, 20_000, 8)
QUICK = Offered(100_000, 160, 5_000, 8, 3)


def drawn(offered: Offered) -> np.ndarray:
    """Draw rows by contributor and cell."""
    rng = np.random.default_rng(1)
    shape = offered.contributors, offered.cells
    chances = 25 * np.array(shape_of(offered))
    return (rng.integers(0, 256, shape, dtype=np.uint8) < chances).astype(np.int64)


def shape_of(offered: Offered) -> list[int]:
    """Give the rows of a validation set."""
    return [1 + x % 9 for x in range(offered.cells)]


def shares(offered: Offered) -> Table:
    """Values and exact shares of a round."""
    say("royalties: drawing rows")
    rows = drawn(offered)
    target = contribution.target_distribution(shape_of(offered), Wad(WAD // 1000))
    pool = [1000 + x for x in range(offered.cells)]
    counts = royalties.totals(rows)
    prices, scale = contribution.cell_prices(target, pool, counts)
    values = royalties.data_values(rows, prices)
    weights = np.maximum(values, 0)
    few = sparse(rows, offered.few)
    some = rows[: offered.of_book].tolist()
    asked = weights[: offered.of_book]
    listed = asked.tolist()
    if [contribution.data_value(each, prices) for each in some] != (
        values[: offered.of_book].tolist()
    ):
        raise Disagreement("values are not the book's")
    if royalty.contributor_shares(SLICE, listed) != tuple(
        royalties.contributor_shares(SLICE, asked).tolist()
    ):
        raise Disagreement("shares are not the book's")
    table = Table(
        f"A round of royalties, {offered.cells} cells, one thread",
        ("", "contributors", "CPU s", "ns each"),
    )
    near = royalties.near_cell_prices(target, pool, counts)
    floats, float_weights = rows.astype(np.float64), weights.astype(np.float64)
    many, part = offered.contributors, offered.of_book
    works: dict[str, tuple[int, Callable[[], object]]] = {
        "rows added up": (many, lambda: royalties.totals(rows)),
        "values, with that": (many, lambda: royalties.data_values(rows, prices)),
        f"the same, {offered.few} cells each": (
            many,
            lambda: royalties.data_values(few, prices),
        ),
        "exact shares": (many, lambda: royalties.contributor_shares(SLICE, weights)),
        "NumPy: values, float64": (
            many,
            lambda: royalties.near_data_values(floats, near),
        ),
        "NumPy: shares, float64": (
            many,
            lambda: royalties.near_contributor_shares(SLICE, float_weights),
        ),
        "book: values": (
            part,
            lambda: [contribution.data_value(each, prices) for each in some],
        ),
        "book: exact shares": (
            part,
            lambda: royalty.contributor_shares(SLICE, listed),
        ),
    }
    for name, (count, work) in works.items():
        say(f"royalties: {name}")
        work()
        cpu = median(taken(work).cpu for _ in range(offered.rounds))
        table.add(name, count, cpu, cpu / count * 1e9)
    exact = royalties.contributor_shares(SLICE, weights)
    off = royalties.near_contributor_shares(SLICE, float_weights) - exact
    lacking = int(SLICE - np.floor(off + exact).sum())
    brought = contribution.divergence_drop(int(values.sum()), scale)
    table.notes += [
        (
            f"float64 shares are off by {np.abs(off).max():.2f} micro-units at most; "
            f"rounded down they lack {lacking:,} together."
        ),
        f"the round brings {brought / WAD:.3f} nats.",
    ]
    return table


def sparse(rows: np.ndarray, few: int) -> royalties.Sparse:
    """Keep some cells of every contributor."""
    count, width = rows.shape
    rng = np.random.default_rng(2)
    cells = rng.integers(0, width, (count, few))
    kept = np.take_along_axis(rows, cells, axis=1)
    starts = np.arange(0, count * few + 1, few)
    return royalties.Sparse(starts, cells.ravel(), kept.ravel(), width)


PARTS: dict[str, Callable[[Offered], Table]] = {"royalties": shares}
