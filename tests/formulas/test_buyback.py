"""Purchases never cost more than there is, and what leaves one side is on the other."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.buyback import (
    amm_impact,
    dollar_reserve_after,
    premium_impact,
    purchase_cost,
    reserve_level,
    supply_after,
    token_reserve_after,
    tokens_bought,
    tokens_burned,
)
from coopera.units import AMOUNT_MAX, WAD, MicroToken, MicroUsd, Wad

dollars = st.integers(0, AMOUNT_MAX).map(MicroUsd)
tokens = st.integers(0, AMOUNT_MAX).map(MicroToken)
prices = st.integers(WAD // 10**6, WAD * 10**6).map(Wad)
fractions = st.integers(0, WAD).map(Wad)


@given(dollars, prices, fractions)
def test_purchase_spends_what_there_is_and_leaves_less_than_a_token(
    capital, token_price, price_premium
):
    impact = premium_impact(token_price, price_premium)
    bought = tokens_bought(capital, token_price, impact)

    assert purchase_cost(bought, token_price, impact) <= capital
    assert purchase_cost(MicroToken(bought + 1), token_price, impact) > capital - 1
    assert (bought + 1) * (token_price + impact) > capital * WAD


@given(tokens, prices, fractions)
def test_what_a_purchase_costs_buys_it(wanted, token_price, price_premium):
    impact = premium_impact(token_price, price_premium)
    cost = purchase_cost(wanted, token_price, impact)

    assert tokens_bought(cost, token_price, impact) >= wanted


@given(dollars, prices)
def test_premium_makes_tokens_dearer(capital, token_price):
    free = tokens_bought(capital, token_price, Wad(0))
    dear = tokens_bought(
        capital, token_price, premium_impact(token_price, Wad(WAD // 100))
    )

    assert dear <= free


@given(st.integers(1, AMOUNT_MAX).map(MicroUsd), st.integers(1, 10**6))
def test_pool_sells_as_a_constant_product_does(depth, part):
    # Dollars R against tokens R / P: spending b leaves R + b dollars and so
    # (R / P) R / (R + b) tokens, which hands out b / (P (1 + b / R)).
    capital = MicroUsd(depth * part // 10**6)
    sold = tokens_bought(capital, WAD, amm_impact(WAD, capital, depth))

    exact = capital * depth / (depth + capital)
    assert abs(sold - exact) <= 1 + exact * 1e-12


def test_purchase_as_large_as_the_pool_doubles_the_price():
    price, depth = Wad(3 * WAD), MicroUsd(1000_000000)

    assert amm_impact(price, depth, depth) == price


@given(tokens, fractions)
def test_burn_is_part_of_what_was_bought(bought, burn_fraction):
    burned = tokens_burned(bought, burn_fraction)

    assert 0 <= burned <= bought
    assert burned * WAD <= bought * burn_fraction


@given(tokens)
def test_all_is_burned_or_nothing(bought):
    assert tokens_burned(bought, WAD) == bought
    assert tokens_burned(bought, Wad(0)) == 0


def test_paper_buys_its_reserve_back_from_a_tenth_to_a_fifth():
    reserve = MicroToken(2_000_000_000000)

    assert reserve_level(reserve, Wad(WAD // 10)) == 200_000_000000
    assert reserve_level(reserve, Wad(WAD // 5)) == 400_000_000000


# The recurrences

flows = st.lists(st.tuples(tokens, tokens), max_size=20)


@given(tokens, tokens, flows)
def test_supply_and_reserve_mirror_each_other_day_by_day(supply, reserve, flows):
    total = supply + reserve
    for paid, bought in flows:
        taken = MicroToken(min(bought, supply))
        handed = MicroToken(min(paid, reserve + taken))
        supply, reserve = (
            supply_after(supply, handed, taken),
            token_reserve_after(reserve, handed, taken),
        )
        assert supply + reserve == total
        assert min(supply, reserve) >= 0


@given(dollars, dollars, dollars, dollars)
def test_every_dollar_of_the_reserve_is_accounted_for(reserve, income, spent, paid):
    spent = MicroUsd(min(spent, reserve + income))
    paid = MicroUsd(min(paid, reserve + income - spent))

    after = dollar_reserve_after(reserve, income, spent, paid)

    assert after + spent + paid == reserve + income
    assert after >= 0


def test_printed_recurrence_is_a_payment_of_nothing():
    literal = dollar_reserve_after(*map(MicroUsd, (1000, 100, 35, 0)))

    assert literal == 1000 + 100 - 35


@pytest.mark.parametrize(
    "overdrawn",
    [
        lambda: supply_after(MicroToken(5), MicroToken(1), MicroToken(7)),
        lambda: token_reserve_after(MicroToken(5), MicroToken(7), MicroToken(1)),
        lambda: dollar_reserve_after(*map(MicroUsd, (5, 1, 3, 4))),
    ],
)
def test_spending_what_is_not_there_is_a_bug(overdrawn):
    with pytest.raises(AssertionError):
        overdrawn()
