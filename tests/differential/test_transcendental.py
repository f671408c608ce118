"""The kernels' written-out exponential, and the emission curve that rests on it."""

import math
from decimal import Decimal

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coopera.formulas.emission import phase2_minted
from coopera.sim import kernels
from coopera.units import AMOUNT_MAX, WAD, MicroToken, Wad

HALF_LN2 = math.log(2) / 2
"""Where the reduction by powers of two turns over."""


def ulps(x: float) -> float:
    """Count the units in the last place between kernel and library."""
    truth = math.exp(x)
    return abs(float(kernels.exp(x)) - truth) / math.ulp(truth)


@given(st.floats(-700, 700))
@example(0.0)
@example(-0.0)
@example(5e-324)
@example(700.0)
@example(-700.0)
@example(HALF_LN2)
@example(math.nextafter(HALF_LN2, 0))
@example(-HALF_LN2)
def test_exponential_is_within_two_units_in_the_last_place(x):
    assert ulps(x) <= 2


def test_exponential_is_near_all_over_its_range():
    grid = 100_000
    assert max(ulps(700 * i / grid) for i in range(-grid, grid + 1)) <= 2


def test_exponential_is_near_where_emission_starts():
    assert max(ulps(-i / 10_000) for i in range(10_000)) <= 2


@pytest.mark.parametrize(("x", "nearest"), [(1e6, 700.0), (-1e6, -700.0)])
def test_exponential_stops_at_the_ends_of_its_range(x, nearest):
    assert kernels.exp(x) == kernels.exp(nearest)


@given(
    st.integers(0, AMOUNT_MAX),
    st.one_of(st.integers(0, 60 * WAD), st.integers(0, WAD // 10**3)),
)
@example(AMOUNT_MAX, 1)
@example(AMOUNT_MAX, WAD)
@example(AMOUNT_MAX, 60 * WAD)
def test_emission_of_the_largest_pool_is_within_a_unit_of_the_book(pool, theta):
    # e**-theta is under one, so that its error takes less than 10**15 * 2**-52 units.
    found = kernels.phase2_minted(float(pool), theta / WAD)

    assert abs(found - phase2_minted(MicroToken(pool), Wad(theta))) <= 1


@given(st.integers(0, AMOUNT_MAX), st.floats(0, 1e300))
def test_emission_never_exceeds_its_pool(pool, theta):
    assert 0 <= kernels.phase2_minted(float(pool), theta) <= pool


@given(st.integers(1, AMOUNT_MAX), st.floats(0, 40))
def test_emission_falls_by_no_more_than_a_unit_between_neighbours(pool, theta):
    here = kernels.phase2_minted(float(pool), theta)
    beyond = kernels.phase2_minted(float(pool), math.nextafter(theta, math.inf))

    assert beyond >= here - 1


def test_value_of_the_truth_is_known_independently():
    assert Decimal(kernels.exp(1.0)).quantize(Decimal("1e-14")) == Decimal(
        "2.71828182845905"
    )
