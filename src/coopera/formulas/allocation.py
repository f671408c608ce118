"""
Splitting a whole into parts that add up to it.

Follows the "Payment Matrix" of the [burn-and-mint paper][bme], and every later split.

[bme]: ../../docs/papers/bme.md#payment-matrix
"""

from collections.abc import Sequence

from coopera.units import Rounding, mul_div


def proportional_share(total: int, weight: int, weights: int) -> int:
    r"""
    Find one part of a whole, before the remainders are handed out.

    $$total * weight / \sum weights$$

    Rounds down, and is zero where nobody has a weight.

    Source: docs/papers/bme.md#payment-matrix.

    >>> proportional_share(100, 1, 3)
    33
    """
    assert 0 <= weight <= weights
    # {u} = {u} * {w} / {w}
    return mul_div(total, weight, weights, Rounding.FLOOR) if weights else 0


def largest_remainder(total: int, weights: Sequence[int]) -> tuple[int, ...]:
    """
    Split a whole in proportion to weights, to the last unit.

    Every part is rounded down; the units left over go to the largest remainders, the
    earlier part first among equals. No part is off by a whole unit.

    Source: docs/papers/bme.md#payment-matrix. Known as Hamilton's method.

    >>> largest_remainder(100, (1, 1, 1))
    (34, 33, 33)
    """
    assert total >= 0
    whole = sum(weights)
    assert whole > 0 or total == 0
    parts = [proportional_share(total, weight, whole) for weight in weights]
    by_remainder = sorted(
        range(len(weights)), key=lambda i: (-(total * weights[i] % (whole or 1)), i)
    )
    for i in by_remainder[: total - sum(parts)]:
        parts[i] += 1
    return tuple(parts)
