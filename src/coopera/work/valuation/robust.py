r"""
Which updates of a round not to take as they are, before anything is paid for them.

* `readable` finds updates with numbers in them that are none, or far too large.
* `clipping` scales updates down to some times the median length. The median is one of
  rows and not of members, so that coming as several members, each with its part of the
  rows, moves it nowhere: what follows stays neutral to splitting.
* `krum` leaves out updates that are far from most others. It counts members: whoever
  comes as many is never alone. Take it where identities are dear.

Nothing is paid for length as such: an update times five is cut to the limit, and what
is left of it is valued like the rest.

Sources: Sun, Kairouz, Suresh and McMahan (2019), "Can you really backdoor federated
learning?", clipping; Blanchard, El Mhamdi, Guerraoui and Stainer (2017), "Machine
learning with adversaries", Krum.
"""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coopera.errors import Malformed
from coopera.work.valuation import checks
from coopera.work.valuation.checks import Floats, Given
from coopera.work.valuation.kernels import add_distances
from coopera.work.valuation.sampling import Members

FACTOR_MAX: Final = 1e6
COLUMNS: Final = 2**16
"""Parameters that are taken to float64 together."""
SUMS: Final = 2**10
"""Sums that the squares of an update are added to in turns."""


@dataclass(frozen=True, slots=True, eq=False)
class Clipping:
    """By how much updates are scaled down."""

    scales: Floats
    """(members,): 1 for who is within the limit."""
    norms: Floats
    """Lengths of the updates as they came, (members,)."""
    limit: float
    """Greatest length that is left as it is."""
    clipped: Members
    """Who was over it."""


@dataclass(frozen=True, slots=True, eq=False)
class Krum:
    """Whose updates are near others, and whose are not."""

    scores: Floats
    """Sums of squared distances to the nearest others, (members,)."""
    kept: Members
    left_out: Members


@dataclass(frozen=True, slots=True, eq=False)
class Screened:
    """What is left of a round, and who was left out of it or scaled down."""

    kept: Members
    """Members whose updates are taken, in order."""
    scales: Floats
    """What of each is taken, (kept,)."""
    unreadable: Members
    left_out: Members
    """Left out by `krum`."""
    clipped: Members


def readable(updates: Given) -> NDArray[np.bool_]:
    """
    Tell whose updates have finite numbers up to 1e30 only, (members,).

    Refuses with `Malformed` what is no table of real numbers.

    >>> readable([[1.0, 2.0], [float("nan"), 0.0]]).tolist()
    [True, False]
    """
    table = checks.updates("updates", updates, finite=False)
    good = np.ones(len(table), np.bool_)
    for first in range(0, table.shape[1], COLUMNS):
        part = table[:, first : first + COLUMNS]
        with np.errstate(invalid="ignore"):
            good &= (np.abs(part) <= checks.LARGEST).all(axis=1)
    return good


def clipping(updates: Given, rows: Given, *, factor: float = 1.25) -> Clipping:
    """
    Find by how much to scale updates, so that none is longer than some medians.

    The median is the least length that members with half of the rows do not exceed. If
    the members with half of the rows did nothing, it is 0, and nobody moves the model.

    Refuses with `Malformed` numbers that are not finite (see `readable`), and a factor
    that is not from 0 to 1e6.

    >>> found = clipping([[3.0, 4.0], [0.0, 5.0], [50.0, 0.0]], [1, 1, 1], factor=2.0)
    >>> found.limit, found.scales.tolist(), found.clipped.tolist()
    (10.0, [1.0, 1.0, 0.2], [2])
    """
    table = checks.updates("updates", updates)
    counts = checks.counts("rows", rows, len(table))
    checks.number("factor", factor, 0.0, FACTOR_MAX)
    norms = np.array([_norm(update) for update in table])
    limit = factor * _median(norms, counts)
    over = norms > limit
    scales = np.ones(len(norms))
    scales[over] = limit / norms[over]
    return Clipping(scales, norms, limit, np.flatnonzero(over))


def krum(updates: Given, *, faulty: int, kept: int | None = None) -> Krum:
    """
    Keep the updates that are nearest to others, some members being perhaps faulty.

    A score is the sum of squared distances to the nearest `members - faulty - 2`
    others; the lowest scores are kept, all but `faulty` unless `kept` says how many.
    Scores that are equal are ranked by number of member. Differences are read as
    float32, and the same is kept on every machine.

    Refuses with `Malformed` fewer than `2 faulty + 3` members, for which nothing holds,
    and numbers that are not finite (see `readable`).

    >>> krum([[0.0], [0.1], [0.2], [0.3], [9.0]], faulty=1).left_out.tolist()
    [4]
    """
    table = checks.updates("updates", updates)
    members = len(table)
    checks.whole("faulty", faulty, 0, checks.ROWS_MAX)
    if members < 2 * faulty + 3:
        raise Malformed(
            f"faulty is {faulty} and there are {members} members; it may be "
            f"{max((members - 3) // 2, 0)} at most, and three members are the fewest"
        )
    count = members - faulty if kept is None else kept
    checks.whole("kept", count, 1, members)
    squares = np.zeros((members, members))
    add_distances(table, squares)
    squares += squares.T
    np.fill_diagonal(squares, np.inf)
    squares.sort(axis=1)
    # Column by column, so that the order of the sum is the same everywhere.
    scores = np.zeros(members)
    for column in squares.T[: members - faulty - 2]:
        scores += column
    ranked = np.argsort(scores, kind="stable")
    return Krum(scores, np.sort(ranked[:count]), np.sort(ranked[count:]))


def screened(
    updates: Given, rows: Given, *, clip_factor: float = 1.25, faulty: int = 0
) -> Screened:
    """
    Leave out who cannot be read and who is far off, and scale the rest.

    Krum is not asked if `faulty` is 0; nothing is scaled if `clip_factor` is 0.

    Refuses with `Malformed` a round of which nobody can be read, and what `krum` and
    `clipping` refuse.

    >>> found = screened([[1.0], [1.1], [float("inf")], [40.0]], [10, 10, 10, 10])
    >>> found.kept.tolist(), found.unreadable.tolist(), found.clipped.tolist()
    ([0, 1, 3], [2], [3])
    """
    table = checks.updates("updates", updates, finite=False)
    counts = checks.counts("rows", rows, len(table))
    good = readable(table)
    kept = np.flatnonzero(good)
    if not len(kept):
        raise Malformed(
            f"the updates of all {len(table)} members have numbers that are not finite "
            f"or over {checks.LARGEST:g}; a round needs one that can be read"
        )
    left_out = np.arange(0)
    if faulty:
        found = krum(table[kept], faulty=faulty)
        kept, left_out = kept[found.kept], kept[found.left_out]
    scales, clipped = np.ones(len(kept)), np.arange(0)
    if clip_factor:
        cut = clipping(table[kept], counts[kept], factor=clip_factor)
        scales, clipped = cut.scales, kept[cut.clipped]
    return Screened(kept, scales, np.flatnonzero(~good), left_out, clipped)


def _norm(update: NDArray[Any]) -> float:
    """Measure an update; the order of the sum is the same everywhere."""
    sums = np.zeros(SUMS)
    for first in range(0, len(update), SUMS):
        part = update[first : first + SUMS].astype(np.float64)
        sums[: len(part)] += part * part
    return float(np.sqrt(np.cumsum(sums)[-1]))


def _median(norms: Floats, rows: NDArray[np.int64]) -> float:
    """Find the lower median of lengths, each counted once for each row."""
    ranked = np.argsort(norms, kind="stable")
    below = np.cumsum(rows[ranked])
    half = (below[-1] + 1) // 2
    return float(norms[ranked[np.searchsorted(below, half)]])
