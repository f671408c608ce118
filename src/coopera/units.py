"""
Quantities the economy counts in, and the only divisions it is allowed to make.

Money is counted in whole millionths, never in floats. A conversion between
dimensions goes through [`mul_div`][coopera.units.mul_div], which makes the
caller say who keeps the remainder. `exp_wad` and `ln_wad` are the only
transcendental functions, and their error is bounded in their docstrings.
"""

from decimal import Decimal, Inexact, localcontext
from enum import Enum
from typing import Final, NewType

MicroUsd = NewType("MicroUsd", int)
"""Millionths of a US dollar."""

MicroToken = NewType("MicroToken", int)
"""Millionths of a network token."""

MicroUnit = NewType("MicroUnit", int)
"""Millionths of a royalty unit, of which a vault has a fixed number."""

Wad = NewType("Wad", int)
"""Ratio, or price in {uUSD/uTok}, as 18-digit fixed point."""

MICRO: Final = 10**6
"""Micro-units in one dollar, and in one token."""

WAD: Final = Wad(10**18)
"""One."""

AMOUNT_MAX: Final = 10**15
"""Largest balance of an account, under 2**53: exact in BIGINT, JSON and float64."""


class Rounding(Enum):
    """Who keeps the remainder of a division."""

    FLOOR = "floor"
    """Payee loses the remainder; use when the network pays."""
    CEIL = "ceil"
    """Payer covers the remainder; use when the network collects."""


_CEIL: Final = Rounding.CEIL


def mul_div(x: int, y: int, denominator: int, rounding: Rounding) -> int:
    """
    Multiply, then divide once, rounding as told.

    >>> mul_div(7, 1, 2, Rounding.FLOOR), mul_div(7, 1, 2, Rounding.CEIL)
    (3, 4)
    """
    assert x >= 0 <= y
    assert denominator > 0
    if rounding is _CEIL:
        return -(-x * y // denominator)
    return x * y // denominator


# Binary fixed point inside exp_wad and ln_wad: 128 fractional bits, so that every
# product of two operands fits the 256 bits of a contract.
_BITS: Final = 128
_ONE: Final = 1 << _BITS
_LN2: Final = 235865763225513294137944142764154484399
"""floor(ln 2 * 2**128)."""
_LN_WAD: Final = 14103523898655895202496092688662052658047
"""floor(ln 10**18 * 2**128)."""
_SQRT2: Final = 481231938336009023090067544955250113854
"""floor(sqrt 2 * 2**128)."""

EXP_MAX: Final = Wad(40 * 10**18)
"""Largest exponent of `exp_wad`, up to which its absolute bound holds."""


def exp_wad(x: Wad) -> Wad:
    """
    Raise e to a power: `floor(e**(x / 10**18) * 10**18)`, off by one unit at most.

    Bound: `-1 - 2**-58 < exp_wad(x) - truth < 2**-58` for `x <= 0`, and `-1.25 <
    exp_wad(x) - truth < 0.25` up to `EXP_MAX`. Proof: write `x = n ln 2 + r` with
    `0 <= r < ln 2`. The two floors and the constant leave `r` within `(|n| + 1) *
    2**-128 < 2**-121` of the truth. The series stops after 33 terms, short by under
    `(ln 2)**34 / 34! < 2**-144`; its floors lose under `4 * 2**-128` altogether, as
    step i divides what came before by i. The relative error of `e**r` is therefore
    under `2**-120`, that of the shifted result the same, and the last floor takes less
    than one. Since `truth < 2**118` up to `EXP_MAX`, the relative part is under a
    quarter there, and under `2**-58` where the truth is at most `10**18`.

    >>> exp_wad(Wad(0)), exp_wad(Wad(-WAD)), exp_wad(Wad(WAD))
    (1000000000000000000, 367879441171442321, 2718281828459045235)
    """
    assert x <= EXP_MAX
    if x < -42 * WAD:
        return Wad(0)  # e**-42 is already under one unit.
    n, r = divmod((x << _BITS) // WAD, _LN2)
    series = _ONE
    for i in range(33, 0, -1):
        series = _ONE + ((r * series) >> _BITS) // i
    return Wad(series * WAD >> (_BITS - n))


def ln_wad(x: Wad) -> Wad:
    """
    Take a natural logarithm: `floor(ln(x / 10**18) * 10**18)`, off by one unit.

    Bound: `-1 - 2**-58 < ln_wad(x) - truth < 2**-58` for `0 < x < 2**128`. Proof:
    write `x = 2**b * m` with `m` within a factor `sqrt 2` of one, and `ln m = 2 atanh
    t` with `t = (m - 1) / (m + 1)`, `|t| < 0.1716`. The division and the halving of `m`
    leave `t` within `2**-127`; the series stops after 26 terms, short by under
    `2**-138`; its floors lose under `2**-123`; `b` times the constant is within `128 *
    2**-128`. All in all under `2**-119`, times `10**18` under `2**-59`, and the last
    floor takes less than one.

    >>> ln_wad(Wad(WAD)), ln_wad(Wad(2 * WAD)), ln_wad(Wad(WAD // 2))
    (0, 693147180559945309, -693147180559945310)
    """
    assert 0 < x < _ONE
    if x == WAD:
        return Wad(0)  # The one argument whose logarithm is a whole number.
    b = x.bit_length() - 1
    m = x << (_BITS - b)
    if m > _SQRT2:
        m, b = m >> 1, b + 1
    t = ((m - _ONE) << _BITS) // (m + _ONE)
    square = (t * t) >> _BITS
    series = 0
    for i in range(51, 0, -2):
        series = _ONE // i + ((square * series) >> _BITS)
    logarithm = 2 * ((t * series) >> _BITS) + b * _LN2 - _LN_WAD
    return Wad((logarithm * WAD) >> _BITS)


def scaled(value: Decimal | int | str, unit: int) -> int:
    """
    Turn a decimal number into whole units; a finer number raises `ValueError`.

    >>> scaled("18.00", MICRO), scaled("0.3", WAD)
    (18000000, 300000000000000000)
    """
    with localcontext(prec=60) as context:
        context.traps[Inexact] = True
        try:
            whole = Decimal(value) * unit
        except Inexact:
            whole = Decimal("NaN")
        if not whole.is_finite() or whole != whole.to_integral_value():
            raise ValueError(f"{value} is not a whole number of 1/{unit}")
        return int(whole)


def unscaled(value: int, unit: int) -> Decimal:
    """
    Turn whole units back into the decimal number that people write.

    >>> str(unscaled(18_500000, MICRO)), str(unscaled(WAD, WAD))
    ('18.5', '1')
    """
    with localcontext(prec=60):
        plain = Decimal(value) / unit
        return plain.quantize(Decimal(1)) if plain == plain.to_integral() else plain
