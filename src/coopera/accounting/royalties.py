"""
A whole round of royalties at once: what rows are worth, and who gets how much.

Compiled, and equal to the [book][coopera.formulas.royalty] to the last unit: so a
round of a million contributors can be recomputed from the books. The `near_` functions
are the twins over float64, for those who plan: they say how near.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol, TypeAlias, TypeVar

import numpy as np
from numpy.typing import NDArray

from coopera.formulas.contribution import PRICE_BITS
from coopera.formulas.royalty import PART
from coopera.sim.kernels import kernel
from coopera.units import AMOUNT_MAX, WAD, MicroUnit, Wad

Ints: TypeAlias = NDArray[np.int64]
Floats: TypeAlias = NDArray[np.float64]

WEIGHTS_MAX = 1 << 62
"""What all weights of a slice are less than together, and a round at its prices."""


@dataclass(frozen=True, slots=True)
class Sparse:
    """Rows by contributor and cell, of which most are zero: compressed sparse rows."""

    starts: Ints
    """Where each contributor's cells start, and where the last one's end."""
    cells: Ints
    rows: Ints
    width: int
    """Number of cells of the task."""

    def __len__(self) -> int:
        """Count the contributors."""
        return len(self.starts) - 1


Rows: TypeAlias = Ints | Sparse
"""Rows by contributor and cell."""


def totals(rows: Rows) -> tuple[int, ...]:
    """
    Add up the rows of a round by cell, as prices want them.

    >>> totals(np.array([[3, 1], [0, 2]]))
    (3, 3)
    """
    if isinstance(rows, Sparse):
        found = np.zeros(rows.width, np.int64)
        bits = _add_sparse(rows.cells, rows.rows, found)
        added = len(rows.rows)
    else:
        found = np.zeros(rows.shape[1], np.int64)
        bits = _add_dense(rows, found)
        added = len(rows)
    # No number has a bit that is not in theirs: none is negative, no sum too large.
    assert bits >= 0
    assert int(bits) * added < 1 << PRICE_BITS
    return tuple(found.tolist())


def data_values(rows: Rows, prices: Sequence[int]) -> Ints:
    """
    Find what each contributor's rows are worth at the prices of a round.

    See `coopera.formulas.contribution.data_value`.

    >>> data_values(np.array([[3, 1], [0, 2]]), (10, -7)).tolist()
    [23, -14]
    """
    worth = sum(n * abs(p) for n, p in zip(totals(rows), prices, strict=True))
    assert worth < WEIGHTS_MAX
    values = np.empty(len(rows), np.int64)
    each = np.array(prices, np.int64)
    if isinstance(rows, Sparse):
        _value_sparse(rows.starts, rows.cells, rows.rows, each, values)
    else:
        _value_dense(rows, each, values)
    return values


def contributor_shares(slice_: MicroUnit, weights: Ints) -> Ints:
    """
    Divide a slice among contributors by weight.

    See `coopera.formulas.royalty.contributor_shares`.

    >>> contributor_shares(MicroUnit(100), np.array([1, 1, 1])).tolist()
    [34, 33, 33]
    """
    assert 0 <= slice_ <= AMOUNT_MAX
    shares = np.zeros(len(weights), np.int64)
    if not weights.any():
        return shares
    assert weights.min() >= 0
    # In float64 first: the exact sum may not fit.
    assert weights.sum(dtype=np.float64) < WEIGHTS_MAX / 2 or (
        sum(weights.tolist()) < WEIGHTS_MAX
    )
    _share(slice_, np.ascontiguousarray(weights, np.int64), PART, shares)
    return shares


# compiled

_Function = TypeVar("_Function")


class _Compile(Protocol):
    """A decorator that leaves the type of a function as it is."""

    def __call__(self, function: _Function, /) -> _Function: ...


_compiled: _Compile = kernel


@_compiled
def _add_dense(rows: Ints, found: Ints) -> np.int64:
    bits = np.int64(0)
    fours = len(rows) // 4 * 4
    for i in range(0, fours, 4):  # a sum is read and written once for four rows
        one, two, three, four = rows[i], rows[i + 1], rows[i + 2], rows[i + 3]
        for x in range(len(found)):
            found[x] += one[x] + two[x] + three[x] + four[x]
            bits |= one[x] | two[x] | three[x] | four[x]
    for i in range(fours, len(rows)):
        for x in range(len(found)):
            found[x] += rows[i, x]
            bits |= rows[i, x]
    return bits


@_compiled
def _add_sparse(cells: Ints, rows: Ints, found: Ints) -> np.int64:
    bits = np.int64(0)
    for k in range(len(rows)):
        found[cells[k]] += rows[k]
        bits |= rows[k]
    return bits


@_compiled
def _value_dense(rows: Ints, prices: Ints, values: Ints) -> None:
    for i in range(rows.shape[0]):
        value = np.int64(0)
        for x in range(rows.shape[1]):
            value += rows[i, x] * prices[x]
        values[i] = value


@_compiled
def _value_sparse(
    starts: Ints, cells: Ints, rows: Ints, prices: Ints, values: Ints
) -> None:
    for i in range(len(values)):
        value = np.int64(0)
        for k in range(starts[i], starts[i + 1]):
            value += rows[k] * prices[cells[k]]
        values[i] = value


@_compiled
def _largest_remainder(
    total: int, weights: Ints, whole: int, parts: Ints, rests: Ints
) -> None:
    """
    Split as `coopera.formulas.allocation.largest_remainder` does.

    A quotient below 2**50 that is found in float64 is off by one at most, since five
    roundings of 2**-53 are. So the remainder is above `-whole` and below `2 * whole`,
    which is less than 2**63: its last 64 bits tell it, and it tells the quotient.
    """
    left = np.int64(total)
    per_weight = np.float64(total) / np.float64(whole)
    for i in range(len(weights)):
        part = np.int64(np.float64(weights[i]) * per_weight)
        rest = np.int64(
            np.uint64(total) * np.uint64(weights[i])
            - np.uint64(part) * np.uint64(whole)
        )
        if rest < 0:
            part -= 1
            rest += whole
        elif rest >= whole:
            part += 1
            rest -= whole
        parts[i] = part
        rests[i] = rest
        left -= part
    if left == 0:
        return
    # The units left over go to the largest remainders, the earlier first.
    least = np.partition(rests, len(rests) - left)[len(rests) - left]
    for i in range(len(parts)):
        if rests[i] > least:
            parts[i] += 1
            left -= 1
    for i in range(len(parts)):
        if rests[i] == least and left > 0:
            parts[i] += 1
            left -= 1


@_compiled
def _share(slice_: int, weights: Ints, size: int, shares: Ints) -> None:
    count = -(-len(weights) // size)
    sums = np.zeros(count, np.int64)
    for i in range(len(weights)):
        sums[i // size] += weights[i]
    slices = np.empty(count, np.int64)
    rests = np.empty(max(count, size), np.int64)
    _largest_remainder(slice_, sums, sums.sum(), slices, rests[:count])
    for part in range(count):
        if slices[part] > 0:
            first, last = part * size, min((part + 1) * size, len(weights))
            _largest_remainder(
                slices[part],
                weights[first:last],
                sums[part],
                shares[first:last],
                rests[: last - first],
            )


# twins over float64


def near_released_units(
    pool: MicroUnit, decay: Wad, rounds: NDArray[np.integer], last: int = 0
) -> Floats:
    """
    See `coopera.formulas.royalty.released_units`, of many rounds at once.

    Within a unit, or a few parts in 10**15.
    """
    rate = decay / WAD
    until = -np.expm1(-rate * last) if last else 1.0
    of_all = -np.expm1(-rate * np.asarray(rounds, np.float64)) / until
    return np.asarray(np.floor(pool * np.minimum(of_all, 1.0)))


def near_cell_prices(
    target: Sequence[Wad], pool: Sequence[int], counts: Sequence[int]
) -> Floats:
    """
    See `coopera.formulas.contribution.cell_prices`, in nats a row.

    Within two parts in 10**15 of the two terms that a price is the difference of.
    """
    mass, before = np.array(target, np.float64) / WAD, np.array(pool, np.float64)
    new = np.array(counts, np.float64)
    if not new.any():
        return np.zeros(len(counts))
    mean = np.log1p(new.sum() / before.sum()) / new.sum()
    some = np.maximum(new, 1.0)
    return np.asarray(
        np.where(new > 0, mass * np.log1p(some / before) / some - mean, 0.0)
    )


def near_data_values(rows: NDArray[np.number], prices: Floats) -> Floats:
    """See `coopera.formulas.contribution.data_value`, in the unit of the prices."""
    return np.asarray(rows @ prices)


def near_contributor_shares(slice_: MicroUnit, weights: Floats) -> Floats:
    """
    See `coopera.formulas.royalty.contributor_shares`, without its two remainders.

    Within two units, and a few parts in 10**15 of the slice; they need not add up.
    """
    whole = weights.sum()
    if not whole:
        return np.zeros(len(weights))
    return np.asarray(weights * (slice_ / whole))
