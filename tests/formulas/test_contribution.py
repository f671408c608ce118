"""Points are counted exactly, and a machine's time rounds down."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.contribution import contribution_points, running_time_points
from coopera.units import AMOUNT_MAX

prices = st.integers(0, AMOUNT_MAX)
quantities = st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("given_", "quantity", "points"),
    [
        ((), (), 0),
        ((50_000000,), (3,), 150_000000),
        ((50_000000, 100000), (3, 200), 170_000000),
        ((50_000000, 0), (0, 200), 0),
        ((AMOUNT_MAX,), (1,), AMOUNT_MAX),
    ],
)
def test_points_are_counted_by_hand(given_, quantity, points):
    assert contribution_points(given_, quantity) == points


@given(st.lists(st.tuples(prices, quantities), max_size=6), st.integers(0, 6))
def test_points_are_the_same_however_a_contribution_is_cut(given_, cut):
    def points(some):
        return contribution_points([p for p, _ in some], [n for _, n in some])

    assert points(given_) == points(given_[:cut]) + points(given_[cut:])


def test_prices_without_quantities_are_a_bug():
    with pytest.raises(ValueError, match="shorter"):
        contribution_points((1, 2), (1,))


@pytest.mark.parametrize(
    ("price", "seconds", "points"),
    [
        (10_000000, 0, 0),
        (10_000000, 3600, 10_000000),
        (10_000000, 5400, 15_000000),
        (10_000000, 1, 2777),  # 2,777.8
        (1, 3599, 0),
        (AMOUNT_MAX, 3600, AMOUNT_MAX),
    ],
)
def test_running_time_is_counted_by_hand(price, seconds, points):
    assert running_time_points(price, seconds) == points


@given(prices, quantities)
def test_running_time_rounds_down(price, seconds):
    exact = Fraction(price * seconds, 3600)

    assert running_time_points(price, seconds) == floor(exact)


@given(prices, quantities, quantities)
def test_cutting_the_time_of_a_machine_never_gains_points(price, one, two):
    whole = running_time_points(price, one + two)
    halves = running_time_points(price, one) + running_time_points(price, two)

    assert 0 <= whole - halves <= 1


@pytest.mark.parametrize("given_", [(-1, 1), (1, -1)])
def test_time_or_price_below_zero_is_a_bug(given_):
    with pytest.raises(AssertionError):
        running_time_points(*given_)
