"""
Who keeps earning from a model, and how a vault divides what the model earns.

Follows the [distribution paper][2pm]: compute and data share a fixed supply of royalty
units, 7 to 3, and each round of training releases less than the one before it.

[2pm]: ../../docs/papers/2pm.md#distribution-process
"""

from collections.abc import Sequence
from typing import Final

from coopera.formulas.allocation import largest_remainder
from coopera.units import WAD, MicroUnit, Rounding, Wad, exp_wad, mul_div

PART: Final = 200
"""Contributors among whom a part of a round's slice is divided at a time."""


def compute_pool(supply: MicroUnit, compute_fraction: Wad) -> MicroUnit:
    r"""
    Find compute's side of the units of a vault; data has the rest.

    $$supply * 7 / 10$$

    Rounds down.

    Source: docs/papers/2pm.md#distribution-process.

    >>> compute_pool(MicroUnit(100_000000), Wad(7 * WAD // 10))
    70000000
    """
    assert 0 <= compute_fraction <= WAD
    # {uunit} = {uunit} * {1} / {1}
    return MicroUnit(mul_div(supply, compute_fraction, WAD, Rounding.FLOOR))


def released_units(
    pool: MicroUnit, decay: Wad, rounds: int, last: int = 0
) -> MicroUnit:
    r"""
    Find what a side has released after some rounds.

    $$pool * \frac{1 - e^{-\lambda r}}{1 - e^{-\lambda R}}$$

    Where the number of rounds R is known, the last one releases all that is left; where
    it is not (`last` is 0), the lower part is one, and a rest is never released. Rounds
    down.

    Source: docs/readings.md#two-decays.

    Compute after one, 100 and 1,000 rounds, and when 100 rounds are all:

    >>> side, decay = MicroUnit(70_000000), Wad(WAD // 100)
    >>> [released_units(side, decay, r) for r in (1, 100, 1000)]
    [696511, 44248439, 69996822]
    >>> [released_units(side, decay, r, 100) for r in (1, 100)]
    [1101865, 70000000]
    """
    assert rounds >= 0 <= last
    assert decay > 0
    if last and rounds >= last:
        return pool
    # {1} = {1} - e**{1}; beyond 42 nothing of it is left in fixed point
    of_all = WAD - exp_wad(Wad(-decay * rounds))
    until = WAD - exp_wad(Wad(-decay * last)) if last else WAD
    # {uunit} = {uunit} * {1} / {1}
    return MicroUnit(mul_div(pool, of_all, until, Rounding.FLOOR))


def round_slice(released: MicroUnit, issued: MicroUnit) -> MicroUnit:
    r"""
    Find what a round hands out of a side: what is released and was not issued yet.

    $$w_r = e^{-\lambda (r - 1)} - e^{-\lambda r}$$

    So the slice of a round in which nobody was on the side is carried to the next one
    in which somebody is. Exact.

    Source: docs/readings.md#two-decays.

    >>> round_slice(MicroUnit(500), MicroUnit(300))
    200
    """
    # The exponential is off by one unit at most, and so may step back by one.
    return MicroUnit(max(0, released - issued))


def full_drop(before: Wad, fraction: Wad) -> Wad:
    r"""
    Find the drop of divergence for which a round hands out its whole data slice.

    $$V_{full} = f * D_{KL}(T \parallel pool)$$

    A part of what the pool still lacks, so that large pools, which little can be done
    for, ask for little. Rounds up.

    Source: docs/readings.md#slices-that-were-carried, where the argument is _f_.

    A hundredth of 0.05 nats:

    >>> full_drop(Wad(WAD // 20), Wad(WAD // 100)) / WAD
    0.0005
    """
    assert 0 <= fraction <= WAD
    # {nat} = {nat} * {1} / {1}
    return Wad(mul_div(before, fraction, WAD, Rounding.CEIL))


def earned_slice(slice_: MicroUnit, achieved: Wad, full: Wad) -> MicroUnit:
    r"""
    Find what a round hands out of a slice, by how far it brought the pool.

    $$slice * \min(1, V / V_{full})$$

    What is left is carried, so that nobody gets the slices of empty rounds for next to
    nothing. Rounds down.

    Source: docs/readings.md#slices-that-were-carried.

    A quarter of what earns it all:

    >>> earned_slice(MicroUnit(1000), Wad(WAD // 4000), Wad(WAD // 1000))
    250
    """
    assert achieved >= 0 <= full
    if achieved >= full:
        return slice_
    # {uunit} = {uunit} * {nat} / {nat}
    return MicroUnit(mul_div(slice_, achieved, full, Rounding.FLOOR))


def contributor_shares(slice_: MicroUnit, weights: Sequence[int]) -> tuple[int, ...]:
    r"""
    Divide a slice among contributors by weight, in parts that are taken in turn.

    $$slice * w_i / \sum w$$

    Contributors stand in the order in which they offered, and every 200 are a part. The
    slice is split among the parts by the sums of their weights, and then within each
    part, by largest remainder both times. So the shares sum to the slice, and none is
    off by two units. Where nobody has a weight, nobody gets anything. Rounds as said.

    Source: docs/readings.md#royalties.

    Of 100 units, three who weigh the same:

    >>> contributor_shares(MicroUnit(100), (1, 1, 1))
    (34, 33, 33)
    """
    if not any(weights):
        return (0,) * len(weights)
    parts = [weights[first : first + PART] for first in range(0, len(weights), PART)]
    slices = largest_remainder(slice_, [sum(part) for part in parts])
    return tuple(
        share
        for part_slice, part in zip(slices, parts, strict=True)
        for share in largest_remainder(part_slice, part)
    )


def revenue_index(
    revenue: int, carried: int, supply: MicroUnit, sharing: MicroUnit
) -> tuple[int, int]:
    r"""
    Find by how much a payment lifts the index of a vault, and what is carried on.

    $$\Delta A = \left\lfloor \frac{revenue * supply + carried}{sharing} \right\rfloor$$

    The index counts micro-units of money a whole supply of royalty units; `sharing` is
    the supply too until the vault is closed, and then the units that were issued.
    Rounds down, and what the division leaves is carried into the next payment, so that
    nothing is lost; into the first one after the close, which is what the units that
    were never issued have earned, goes their part of a micro-unit.

    Source: docs/readings.md#revenue-by-an-index.

    Until the close the index is the revenue; then 60 of 100 units share all of it:

    >>> revenue_index(7, 0, MicroUnit(100), MicroUnit(100))
    (7, 0)
    >>> revenue_index(7, 0, MicroUnit(100), MicroUnit(60))
    (11, 40)
    """
    assert 0 < sharing <= supply
    assert revenue >= 0
    assert 0 <= carried < supply
    # {u$} = ({u$} * {uunit} + {u$ uunit}) / {uunit}
    risen, left = divmod(revenue * supply + carried, sharing)
    return risen, left


def entitlement(
    units: MicroUnit, risen: int, part: int, supply: MicroUnit
) -> tuple[int, int]:
    r"""
    Find what units have earned since an index was read, and the part of a micro-unit.

    $$\left\lfloor \frac{units * \Delta A + part}{supply} \right\rfloor$$

    Rounds down, and loses nothing: the part of a micro-unit, in parts of the supply, is
    kept for the next time. What all holders have is the whole of what was recorded.

    Source: docs/readings.md#revenue-by-an-index.

    A third of the units, twice, of 100 micro-dollars:

    >>> entitlement(MicroUnit(1), 100, 0, MicroUnit(3))
    (33, 1)
    >>> entitlement(MicroUnit(1), 100, 1, MicroUnit(3))
    (33, 2)
    """
    assert units >= 0 <= risen
    assert 0 <= part < supply
    # {u$} = {uunit} * {u$} / {uunit}
    whole, left = divmod(units * risen + part, supply)
    return whole, left
