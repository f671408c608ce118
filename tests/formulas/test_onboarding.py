"""Who wants to join pays a part of what suppliers earned, in tokens."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.onboarding import onboarding_fee, onboarding_fee_usd
from coopera.units import AMOUNT_MAX, WAD, MicroToken, MicroUsd, Wad

TENTH = Wad(WAD // 10)

amounts = st.integers(0, AMOUNT_MAX).map(MicroUsd)
suppliers = st.integers(1, 10**6)
rates = st.integers(0, 100 * WAD).map(Wad)
token_prices = st.integers(WAD // 10**6, WAD * 10**6).map(Wad)


@given(amounts, rates)
def test_first_supplier_joins_free(income, rate):
    assert onboarding_fee_usd(income, 0, rate) == 0


@given(suppliers, rates)
def test_network_without_income_asks_for_nothing(suppliers, rate):
    assert onboarding_fee_usd(MicroUsd(0), suppliers, rate) == 0


def test_any_income_makes_a_fee():
    assert onboarding_fee_usd(MicroUsd(1), 10**6, Wad(1)) == 1


@given(amounts, suppliers, rates)
def test_fee_is_the_rate_of_the_average_income_rounded_up(income, suppliers, rate):
    fee = onboarding_fee_usd(income, suppliers, rate)

    assert fee * suppliers * WAD >= income * rate
    assert (fee - 1) * suppliers * WAD < income * rate


@given(amounts, token_prices)
def test_tokens_are_worth_at_least_the_fee(fee_usd, token_price):
    fee = onboarding_fee(fee_usd, token_price, MicroToken(0))

    assert fee * token_price >= fee_usd * WAD
    assert (fee - 1) * token_price < fee_usd * WAD


@pytest.mark.parametrize(("fee_usd", "fee"), [(0, 5), (4, 5), (5, 5), (6, 6)])
def test_fee_is_never_under_the_minimum(fee_usd, fee):
    assert onboarding_fee(MicroUsd(fee_usd), WAD, MicroToken(5)) == fee


def test_fee_of_the_paper():
    # $50,000 in the window, 100 suppliers, a tenth: $50, at $2.50 a token.
    fee_usd = onboarding_fee_usd(MicroUsd(50_000_000000), 100, TENTH)

    assert onboarding_fee(fee_usd, Wad(5 * WAD // 2), MicroToken(0)) == 20_000000
