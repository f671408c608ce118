"""Exact divisions, and transcendental functions that keep their proven bounds."""

from decimal import Decimal, localcontext
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from coopera import units
from coopera.units import (
    AMOUNT_MAX,
    EXP_MAX,
    MICRO,
    WAD,
    Rounding,
    Wad,
    exp_wad,
    ln_wad,
    mul_div,
    scaled,
    unscaled,
)

DIGITS = 100
"""Far more than the 2**-128 of the code under test needs."""

SLACK = Decimal(2) ** -58

BIG = 2**256
naturals = st.integers(0, BIG)
exponents = st.integers(-60 * WAD, EXP_MAX).map(Wad)
positives = st.integers(1, 2**128 - 1).map(Wad)


def true_exp(x: int) -> Decimal:
    with localcontext(prec=DIGITS):
        return (Decimal(x) / WAD).exp() * WAD


def true_ln(x: int) -> Decimal:
    with localcontext(prec=DIGITS):
        return (Decimal(x) / WAD).ln() * WAD


def error(found: int, truth: Decimal) -> Decimal:
    with localcontext(prec=DIGITS):
        return found - truth


def true_constant(name: str) -> int:
    with localcontext(prec=DIGITS):
        value = {
            "_ONE": Decimal(1),
            "_LN2": Decimal(2).ln(),
            "_LN_WAD": Decimal(WAD).ln(),
            "_SQRT2": Decimal(2).sqrt(),
        }[name]
        return int(value * 2**128)


class Word(int):
    """Integer of a contract: what needs more than 256 bits, signed or not, fails."""

    def _held(self, value: int) -> "Word":
        assert -(2**255) <= value < BIG, f"{value.bit_length()} bits"
        return Word(value)

    def __add__(self, other: int) -> "Word":
        return self._held(int(self) + other)

    def __sub__(self, other: int) -> "Word":
        return self._held(int(self) - other)

    def __mul__(self, other: int) -> "Word":
        return self._held(int(self) * other)

    def __floordiv__(self, other: int) -> "Word":
        return self._held(int(self) // other)

    def __divmod__(self, other: int) -> "tuple[Word, Word]":
        return self // other, self._held(int(self) % other)

    def __lshift__(self, other: int) -> "Word":
        return self._held(int(self) << other)

    def __rshift__(self, other: int) -> "Word":
        return self._held(int(self) >> other)

    def __radd__(self, other: int) -> "Word":
        return self + other

    def __rmul__(self, other: int) -> "Word":
        return self * other


# mul_div


@given(naturals, naturals, st.integers(1, BIG))
def test_quotients_bracket_the_exact_one(x, y, denominator):
    exact = Fraction(x * y, denominator)

    assert mul_div(x, y, denominator, Rounding.FLOOR) == floor(exact)
    assert mul_div(x, y, denominator, Rounding.CEIL) == ceil(exact)


@given(naturals, st.integers(1, BIG))
def test_division_without_remainder_needs_no_rounding(x, denominator):
    assert {mul_div(x, denominator, denominator, each) for each in Rounding} == {x}


@pytest.mark.parametrize(
    ("x", "y", "denominator"), [(-1, 1, 1), (1, -1, 1), (1, 1, 0), (1, 1, -1)]
)
def test_division_outside_its_preconditions_is_a_bug(x, y, denominator):
    with pytest.raises(AssertionError):
        mul_div(x, y, denominator, Rounding.FLOOR)


# exp_wad and ln_wad


@pytest.mark.parametrize("name", ["_ONE", "_LN2", "_LN_WAD", "_SQRT2"])
def test_constant_is_the_floor_of_the_number_that_it_names(name):
    assert getattr(units, name) == true_constant(name)


@given(exponents)
@example(Wad(0))
@example(Wad(1))
@example(Wad(-1))
@example(Wad(-WAD))
@example(Wad(-42 * WAD))
@example(Wad(-42 * WAD - 1))
@example(Wad(EXP_MAX))
@example(Wad(units._LN2 * WAD >> 128))
@example(Wad(-(units._LN2 * WAD >> 128)))
@example(Wad(-(units._LN2 * WAD >> 128) - 1))
@example(EXP_MAX)
@example(Wad(-(units._LN_WAD * WAD >> 128) - 1))
def test_exponential_is_within_its_proven_bound(x):
    off = error(exp_wad(x), true_exp(x))

    if x <= 0:
        assert -1 - SLACK < off < SLACK
    else:
        assert -1 < off < 1


@given(st.integers(-42 * WAD, EXP_MAX - 1))
@example(-1)
@example(0)
@example(-42 * WAD - 1)
def test_exponential_never_falls(x):
    assert exp_wad(Wad(x)) <= exp_wad(Wad(x + 1))


def test_exponential_of_a_very_negative_number_is_zero():
    assert exp_wad(Wad(-(10**40))) == 0


def test_exponential_above_its_range_is_a_bug():
    with pytest.raises(AssertionError):
        exp_wad(Wad(EXP_MAX + 1))


@given(positives)
@example(Wad(1))
@example(Wad(WAD - 1))
@example(Wad(WAD))
@example(Wad(WAD + 1))
@example(Wad(2**128 - 1))
@example(Wad(units._SQRT2 >> 64))  # where the mantissa is halved
@example(Wad((units._SQRT2 >> 64) + 1))
def test_logarithm_is_within_its_proven_bound(x):
    assert -1 - SLACK < error(ln_wad(x), true_ln(x)) < SLACK


@pytest.mark.parametrize("power", range(128))
def test_logarithm_of_a_power_of_two_and_its_neighbours(power):
    for x in (2**power - 1, 2**power, 2**power + 1):
        if x > 0:
            assert -1 - SLACK < error(ln_wad(Wad(x)), true_ln(x)) < SLACK


# Above 2**117 neighbours differ by less than the proven error.
@given(st.integers(1, 2**117))
def test_logarithm_never_falls(x):
    assert ln_wad(Wad(x)) <= ln_wad(Wad(x + 1))


@pytest.mark.parametrize("x", [0, -1, 2**128])
def test_logarithm_outside_its_range_is_a_bug(x):
    with pytest.raises(AssertionError):
        ln_wad(Wad(x))


@given(st.integers(1, exp_wad(EXP_MAX)))
def test_exponential_undoes_the_logarithm(x):
    # The logarithm is short by up to a unit of 10**-18, which is as much of x.
    there_and_back = exp_wad(ln_wad(Wad(x)))

    assert x - x // WAD - 2 <= there_and_back <= x + 1


@given(exponents)
@example(Wad(EXP_MAX))
@example(Wad(-42 * WAD))
@example(Wad((units._LN2 * WAD >> 128) - 1))  # the largest remainder
@example(Wad(-1))
def test_exponential_fits_the_words_of_a_contract(x):
    assert exp_wad(Wad(Word(x))) == exp_wad(x)


@given(positives)
@example(Wad(1))
@example(Wad(2**128 - 1))
@example(Wad(units._SQRT2 >> 64))  # the largest mantissa that is not halved
@example(Wad((units._SQRT2 >> 64) + 1))
def test_logarithm_fits_the_words_of_a_contract(x):
    assert ln_wad(Wad(Word(x))) == ln_wad(x)


def test_largest_balance_is_exact_in_a_float():
    assert float(AMOUNT_MAX) == AMOUNT_MAX
    assert float(AMOUNT_MAX + 1) == AMOUNT_MAX + 1
    assert AMOUNT_MAX < 2**53


# scaled and unscaled


@given(st.integers(-(10**36), 10**36), st.sampled_from([1, MICRO, WAD]))
def test_units_survive_being_written_and_read(value, unit):
    written = unscaled(value, unit)

    assert scaled(written, unit) == value
    assert scaled(f"{written:f}", unit) == value


@given(
    st.decimals(
        allow_nan=False, allow_infinity=False, min_value=-(10**30), max_value=10**30
    ),
    st.sampled_from([1, MICRO, WAD]),
)
@example(Decimal("0.000001"), MICRO)
@example(Decimal("0.0000001"), MICRO)
@example(Decimal("1e-18"), WAD)
@example(Decimal("1e-19"), WAD)
# More digits than the arithmetic carries, and smaller than it can hold.
@example(Decimal("0.5" + 70 * "0" + "1"), WAD)
@example(Decimal("1e-2000000"), WAD)
def test_number_that_is_not_whole_units_is_refused(number, unit):
    exponent = number.as_tuple().exponent
    assert isinstance(exponent, int)
    fine = exponent < -2000 and number != 0
    exact = None if fine else Fraction(number) * unit
    assume(exact is None or abs(exact) < BIG)

    if exact is not None and exact.denominator == 1:
        assert scaled(number, unit) == exact
    else:
        with pytest.raises(ValueError, match="not a whole number"):
            scaled(number, unit)


@pytest.mark.parametrize("number", ["NaN", "Infinity", "-Infinity"])
def test_no_number_is_refused(number):
    with pytest.raises(ValueError, match="not a whole number"):
        scaled(number, MICRO)


@pytest.mark.parametrize(
    ("value", "unit", "written"),
    [
        (0, WAD, "0"),
        (10_000000, MICRO, "10"),
        (1, WAD, "1E-18"),
        (-5, MICRO, "-0.000005"),
    ],
)
def test_unscaled_number_has_no_idle_digits(value, unit, written):
    assert str(unscaled(value, unit)) == written
