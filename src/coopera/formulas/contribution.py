"""
What contributions count, and what they bring.

Follows "Contribution Value Flow" of the [value network paper][mvn], which leaves the
rule to a page outside the five papers; `docs/readings.md#fees` says how we read it.

[mvn]: ../../docs/papers/mvn.md#contribution-value-flow
"""

from collections.abc import Sequence

from coopera.units import Rounding, mul_div


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
