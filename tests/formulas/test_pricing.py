"""The token always has a price, and demand over supply is it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.pricing import bounded_price, token_demand, token_price
from coopera.units import AMOUNT_MAX, WAD, MicroToken, MicroUsd, Wad

FLOOR = Wad(WAD // 10_000)
YEARLY = Wad(2739726027397260)

amounts = st.integers(0, AMOUNT_MAX).map(MicroUsd)
supplies = st.integers(1, AMOUNT_MAX).map(MicroToken)
prices = st.integers(1, 10**24).map(Wad)
velocities = st.integers(10**12, 100 * WAD).map(Wad)


def demand(*, sentiment=0, fees=0, bonds=0, capital=0, governance=0):
    return token_demand(*map(MicroUsd, (sentiment, fees, bonds, capital, governance)))


@pytest.mark.parametrize(
    "source", ["sentiment", "fees", "bonds", "capital", "governance"]
)
def test_every_source_counts_as_demand(source):
    assert demand(**{source: 7}) == 7


def test_returned_bonds_lower_the_demand_but_not_below_zero():
    assert demand(capital=10, bonds=-3) == 7
    assert demand(capital=10, bonds=-30) == 0


@given(amounts, velocities)
def test_floor_stands_where_there_is_no_supply(dollars, velocity):
    assert token_price(dollars, MicroToken(0), velocity, FLOOR) == FLOOR


@given(supplies, velocities)
def test_floor_stands_where_there_is_no_demand(supply, velocity):
    assert token_price(MicroUsd(0), supply, velocity, FLOOR) == FLOOR


@given(amounts, supplies, velocities)
def test_price_never_values_the_turnover_above_the_demand(dollars, supply, velocity):
    price = token_price(dollars, supply, velocity, FLOOR)

    assert price >= FLOOR
    if price > FLOOR:
        assert price * supply * velocity <= dollars * WAD * WAD
        assert (price + 1) * supply * velocity > dollars * WAD * WAD


def test_velocity_of_one_is_the_paper_as_printed():
    price = token_price(MicroUsd(3_000_000000), MicroToken(1_000_000000), WAD, FLOOR)

    assert price == 3 * WAD


@given(supplies, st.integers(1, 10**12))
def test_twice_the_supply_is_half_the_price(supply, dollars):
    once = token_price(MicroUsd(2 * dollars), supply, YEARLY, Wad(1))
    twice = token_price(MicroUsd(2 * dollars), MicroToken(2 * supply), YEARLY, Wad(1))

    assert once // 2 == twice or twice == 1


@given(prices, prices, st.integers(0, 100 * WAD))
def test_price_stays_within_its_bounds_or_where_it_is(price, last, change):
    bounded = bounded_price(price, last, change)

    if change == 0:
        assert bounded == price
    else:
        assert abs(bounded - last) * WAD <= last * change
        # Nothing lies between what was asked and what is given that is allowed.
        if bounded != price:
            assert (abs(bounded - last) + 1) * WAD > last * change
            assert (bounded > last) == (price > last) or bounded == last
