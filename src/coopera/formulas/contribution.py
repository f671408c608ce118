"""
What contributions count, and what they bring.

Points follow "Contribution Value Flow" of the [value network paper][mvn], which leaves
the rule to a page outside the five papers; `docs/readings.md#fees` says how we read it.
Data follows the divergence of the [distribution paper][2pm].

[mvn]: ../../docs/papers/mvn.md#contribution-value-flow
[2pm]: ../../docs/papers/2pm.md#data-contribution
"""

from collections.abc import Sequence
from functools import lru_cache
from typing import Final

from coopera.formulas.allocation import largest_remainder
from coopera.units import (
    MICRO,
    WAD,
    MicroToken,
    Rounding,
    Wad,
    exp_wad,
    ln_wad,
    mul_div,
)


def contribution_points(prices: Sequence[int], quantities: Sequence[int]) -> int:
    r"""
    Count the points of what somebody contributed.

    $$C(i) = \sum_k P(k) * N(i, k)$$

    Prices are micro-points a unit, quantities whole units. Exact: no division.

    Source: docs/papers/mvn.md#contribution-value-flow; the rule is a reading, see
    docs/readings.md#fees.

    Three adoptions of a template at 50 points, and 200 labels at 0.1:

    >>> contribution_points((50_000000, 100000), (3, 200))
    170000000
    """
    return sum(p * n for p, n in zip(prices, quantities, strict=True))


def running_time_points(price: int, seconds: int) -> int:
    """
    Count the points of a machine by the time that it ran.

    $$C(i) = P(i, j) * T(i, j)$$

    The price is micro-points an hour. Rounds down: the network pays.

    Source: docs/papers/mvn.md#contribution-value-flow; the rule is a reading, see
    docs/readings.md#fees.

    An hour and a half at 10 points:

    >>> running_time_points(10_000000, 5400)
    15000000
    """
    # {upoint} = {upoint/h} * {s} / {s/h}
    return mul_div(price, seconds, 3600, Rounding.FLOOR)


def target_distribution(counts: Sequence[int], least: Wad) -> tuple[Wad, ...]:
    r"""
    Turn the rows of a validation set, by cell, into the distribution that is aimed at.

    $$T(x) = T_{min} + (1 - K T_{min}) \frac{n(x)}{\sum n}$$

    Every one of the K cells has the least mass, so that a divergence from it is finite.
    Rounds by largest remainder, so that the masses sum to one exactly.

    Source: docs/readings.md#what-divergence-pays-for.

    >>> [mass / WAD for mass in target_distribution((3, 1, 0), Wad(WAD // 100))]
    [0.7375, 0.2525, 0.01]
    """
    assert len(counts) * least <= WAD
    rest = largest_remainder(WAD - len(counts) * least, counts)
    # {1} = {1} + {1} * {row} / {row}
    return tuple(Wad(least + part) for part in rest)


def kl_divergence(counts: Sequence[int], target: Sequence[Wad]) -> Wad:
    r"""
    Measure how far rows lie from a target distribution, in nats.

    $$D_{KL}(P \parallel Q) = \sum_i P(i) \log \frac{P(i)}{Q(i)}$$

    Worked out as the sum of `n ln n`, less that of `n ln Q`, over all rows, less the
    logarithm of their number: so that the logarithms are of small whole numbers and of
    the target, which many offers have in common.

    Rounds down, by less than five units of the last place, and never below zero: each
    of the three logarithms loses one at most, as all P together are one, and the
    quotient one.

    Source: docs/papers/2pm.md#data-contribution.

    All rows in a cell of which a tenth of the target is, and rows as the target:

    >>> target = (Wad(WAD // 10), Wad(9 * WAD // 10))
    >>> kl_divergence((50, 0), target) / WAD, kl_divergence((5, 45), target) / WAD
    (2.302585092994046, 0.0)
    """
    rows = sum(counts)
    assert rows > 0
    known = _target_logs(tuple(target))
    # {nat row} = {row} * ln({row}) - {row} * ln({1})
    total = sum(map(_own_log, counts)) - sum(
        n * log for n, log in zip(counts, known, strict=True)
    )
    # {nat} = {nat row} / {row} - ln({row})
    return Wad(max(0, total // rows - ln_wad(Wad(rows * WAD)) - 1))


@lru_cache(maxsize=8)
def _target_logs(target: tuple[Wad, ...]) -> tuple[int, ...]:
    """Take the logarithms of a target, rounded up, once for all who offer."""
    return tuple(ln_wad(mass) + 1 for mass in target)


@lru_cache(maxsize=1 << 14)
def _own_log(rows: int) -> int:
    """Find `n ln n`; rows of one offer have few different numbers of a cell."""
    return rows * ln_wad(Wad(rows * WAD)) if rows else 0


def divergence_weight(rows: int, divergence: Wad, beta: Wad) -> int:
    r"""
    Weigh rows by how near the target they lie, in billionths of a row.

    $$n_i e^{-\beta D_{KL}(P_i \parallel T)}$$

    Rounds down. For networks that read the paper literally: it cannot tell copies from
    new rows, and junk that is large enough still earns.

    Source: docs/readings.md#what-divergence-pays-for, where the argument is _beta_.

    >>> divergence_weight(100, Wad(WAD // 2), Wad(2 * WAD))
    36787944117
    """
    # {nat} = {1} * {nat} / {1}
    exponent = mul_div(beta, divergence, WAD, Rounding.CEIL)
    # {row/10**9} = {row} * {1} / {1/10**9}
    return mul_div(rows, exp_wad(Wad(-exponent)), 10**9, Rounding.FLOOR)


PRICE_BITS: Final = 61
"""
Prices are as fine as lets all rows of a round, each at its price without a sign, come
to 2 to this power, and one a row for rounding: to less than 2**62.
"""
_FINE: Final = 10**18


def cell_prices(
    target: Sequence[Wad], pool: Sequence[int], counts: Sequence[int]
) -> tuple[tuple[int, ...], int]:
    r"""
    Price a row of each cell by how far the rows of a round bring a pool to its target.

    $$p = \frac{T}{C} \ln\left(1 + \frac{C}{b}\right)
    - \frac{1}{N} \ln\left(1 + \frac{N}{B}\right)$$

    `pool` has the rows b of each cell before the round, at least one of each, B
    together; `counts` those of the round, C of each and N together. A price may be
    negative: where the pool has more than it should. Cells without new rows cost zero.

    Prices are whole numbers, and what they are is the scale that comes with them: see
    `divergence_drop`. They round down, the last term up, so that all rows together are
    never worth more than the drop of divergence, and less by `6 / 10**18` nats and a
    unit of the price a row at most. What a contributor's rows are worth is a sum of
    products, and so exact: to cut rows into parts, or to merge them, changes no sum.

    Source: docs/readings.md#what-divergence-pays-for.

    Rows that the target has many of are worth more than rows that it has few of:

    >>> target = (Wad(9 * WAD // 10), Wad(WAD // 10))
    >>> (many, few), scale = cell_prices(target, (10, 10), (9, 1))
    >>> many > 0 > few, divergence_drop(9 * many + few, scale) / WAD
    (True, 0.1817344074274234)
    """
    assert all(b > 0 for b in pool)
    rows = sum(counts)
    assert rows < 1 << PRICE_BITS
    if not rows:
        return (0,) * len(counts), 0
    # Up by one for the logarithm, and one for those of the cells.
    mean = ln_wad(Wad(WAD - -rows * WAD // sum(pool))) + 2
    mean = -(-mean * _FINE // rows)
    # {nat/row} = {1} * ln({row} / {row}) / {row} - ln({row} / {row}) / {row}
    exact = [
        mass * ln_wad(Wad(WAD + n * WAD // b)) * _FINE // (n * WAD) - mean if n else 0
        for mass, b, n in zip(target, pool, counts, strict=True)
    ]
    scale = sum(n * abs(price) for n, price in zip(counts, exact, strict=True))
    if not scale:
        return (0,) * len(counts), 0
    return tuple((price << PRICE_BITS) // scale for price in exact), scale


def dilution(pool: Sequence[int], counts: Sequence[int], scale: int) -> int:
    r"""
    Tell what a further row takes from a pool with a round by being one more of all.

    $$\frac{1}{B + N}$$

    In the units of prices whose scale is given. Rounds down.

    Source: docs/readings.md#what-joins-the-pool.

    >>> dilution((10, 10), (0, 20), 10**36) / 2**PRICE_BITS
    0.025
    """
    if not scale:
        return 0
    # {1/row} / {nat}, where a price is {nat/row}
    return (_FINE * WAD << PRICE_BITS) // (scale * (sum(pool) + sum(counts)))


def data_value(counts: Sequence[int], prices: Sequence[int]) -> int:
    r"""
    Find what a contributor's rows are worth at the prices of a round.

    $$\phi_i = \langle c_i, p \rangle$$

    Exact, and negative where the rows lead the pool away from its target.

    Source: docs/readings.md#what-divergence-pays-for.

    >>> data_value((3, 1), (10, -7))
    23
    """
    return sum(n * price for n, price in zip(counts, prices, strict=True))


def is_let_in(value: int, rows: int, diluting: int, tolerance: Wad) -> bool:
    r"""
    Tell whether rows join a pool: if they lead it nearer, or hardly away.

    $$\phi_i \ge -t \frac{n_i}{B + N}$$

    Once a pool has what it needs, honest rows are worth a little more than nothing or a
    little less, by chance: were only the former let in, they would lead it away. Linear
    in the rows. Exact: no division.

    Source: docs/readings.md#what-joins-the-pool.

    >>> tenth = Wad(WAD // 10)
    >>> is_let_in(-9, 10, 10, tenth), is_let_in(-11, 10, 10, tenth)
    (True, False)
    """
    return value * WAD + tolerance * rows * diluting >= 0


def first_prices(target: Sequence[Wad], pool: Sequence[int]) -> tuple[int, ...]:
    r"""
    Price the first row of each cell that a pool gets, whoever else offers what.

    $$\frac{T B}{b} - 1$$

    Prices are parts of what any row takes from the pool, in fixed point, and round
    down. Rows that are worth more than nothing at them are what the pool lacks.

    Source: docs/readings.md#slices-that-were-carried.

    >>> target = (Wad(9 * WAD // 10), Wad(WAD // 10))
    >>> [price / WAD for price in first_prices(target, (10, 10))]
    [0.8, -0.8]
    """
    assert all(b > 0 for b in pool)
    rows = sum(pool)
    # {1} = {1} * {row} / {row} - {1}
    return tuple(mass * rows // b - WAD for mass, b in zip(target, pool, strict=True))


def divergence_drop(value: int, scale: int) -> Wad:
    r"""
    Tell a value at the prices of a round in nats.

    $$D_{KL}(T \parallel pool_{before}) - D_{KL}(T \parallel pool_{after})$$

    This is what all contributors' values sum to. Rounds down.

    Source: docs/readings.md#what-divergence-pays-for.

    >>> divergence_drop(2**60, 10**36) / WAD
    0.5
    """
    # {nat} = {1} * {nat}
    return Wad((value * scale >> PRICE_BITS) // _FINE)


def pool_divergence(target: Sequence[Wad], pool: Sequence[int]) -> Wad:
    r"""
    Measure how far a pool still is from its target, in nats.

    $$D_{KL}(T \parallel pool) = \sum T \ln \frac{T B}{b}$$

    Rounds down, by less than two units of the last place, and never below zero.

    Source: docs/readings.md#what-divergence-pays-for.

    >>> target = (Wad(9 * WAD // 10), Wad(WAD // 10))
    >>> pool_divergence(target, (10, 10)) / WAD, pool_divergence(target, (9, 1))
    (0.3680642071684971, 0)
    """
    assert all(b > 0 for b in pool)
    rows = sum(pool)
    total = sum(
        # {nat} = {1} * ln({1} * {row} / {row})
        mass * ln_wad(Wad(mass * rows // b))
        for mass, b in zip(target, pool, strict=True)
    )
    return Wad(max(0, total // WAD))


def divergence_reduction(
    target: Sequence[Wad], pool: Sequence[int], counts: Sequence[int]
) -> Wad:
    r"""
    Find by how much rows bring a pool nearer to its target, in nats.

    $$\sum T \ln\left(1 + \frac{C}{b}\right) - \ln\left(1 + \frac{N}{B}\right)$$

    This is the drop of divergence, without prices: so of a round it can count those
    rows alone that are let into the pool. Rounds down, by less than five units of the
    last place, and is zero where they lead the pool away from its target.

    Source: docs/readings.md#what-divergence-pays-for.

    >>> target = (Wad(9 * WAD // 10), Wad(WAD // 10))
    >>> divergence_reduction(target, (10, 10), (9, 1)) / WAD
    0.1817344074274234
    >>> divergence_reduction(target, (9, 1), (1, 1))
    0
    """
    assert all(b > 0 for b in pool)
    gained = sum(
        mass * ln_wad(Wad(WAD + n * WAD // b))
        for mass, b, n in zip(target, pool, counts, strict=True)
    )
    # Up by one for the logarithm, and one for those of the cells.
    lost = ln_wad(Wad(WAD - -sum(counts) * WAD // sum(pool))) + 2
    # {nat} = {1} * {nat} / {1}
    return Wad(max(0, gained // WAD - lost))


def best_reduction(
    target: Sequence[Wad], pool: Sequence[int], counts: Sequence[int]
) -> Wad:
    r"""
    Find by how much rows bring a pool nearer, as many of them as are best.

    $$\max_k V(2^{-k} C)$$

    All rows, half of them, a quarter, and so on, in each cell: rows that the pool lacks
    can be so many that all of them lead it away on the other side. Rounds as V does.

    Source: docs/readings.md#slices-that-were-carried.

    >>> target, pool = (Wad(WAD // 2), Wad(WAD // 2)), (90, 100)
    >>> divergence_reduction(target, pool, (40, 0)) / WAD
    0.0
    >>> best_reduction(target, pool, (40, 0)) == divergence_reduction(
    ...     target, pool, (10, 0)
    ... )
    True
    """
    best = Wad(0)
    for halvings in range(sum(counts).bit_length()):
        # Part of the rows to a pool is as all of them to one as many times as large.
        larger = [b << halvings for b in pool]
        found = divergence_reduction(target, larger, counts)
        # Along the way there is one summit.
        if found < best:
            break
        best = max(best, found)
    return best


def rows_covered(stake: MicroToken, rows_per_token: Wad) -> int:
    r"""
    Find how many rows a stake answers for.

    $$\kappa * stake$$

    In proportion, so that splitting a stake among names covers no more. Rounds down.

    Source: docs/readings.md#royalties, where the argument is _kappa_.

    >>> rows_covered(MicroToken(2_500000), Wad(1000 * WAD))
    2500
    """
    # {row} = {utok} * {row/tok} / {utok/tok}
    return mul_div(stake, rows_per_token, MICRO * WAD, Rounding.FLOOR)


def is_valid(valid: int, checked: int, least: Wad) -> bool:
    r"""
    Tell whether enough of the rows that were looked at are what they claim to be.

    $$valid / checked \ge g$$

    Exact: no division. Rows that nobody looked at are not valid.

    Source: docs/readings.md#royalties, where the argument is _g_.

    >>> is_valid(9, 10, Wad(9 * WAD // 10)), is_valid(8, 10, Wad(9 * WAD // 10))
    (True, False)
    """
    # both sides in {row}
    return checked > 0 and valid * WAD >= checked * least
