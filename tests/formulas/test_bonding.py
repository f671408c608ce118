"""The network collects: bonds and slashes round up."""

from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.bonding import (
    bond_value,
    slashed_bond,
    supplier_bond,
)
from coopera.units import AMOUNT_MAX, WAD, MicroToken, MicroUsd, Wad

HALF = Wad(WAD // 2)
ONE = Wad(WAD)

job_prices = st.integers(0, AMOUNT_MAX).map(MicroUsd)
bonds = st.integers(0, AMOUNT_MAX).map(MicroToken)
rates = st.integers(0, 100 * WAD).map(Wad)
token_prices = st.integers(WAD // 10**6, WAD * 10**6).map(Wad)


def test_the_cheapest_job_still_has_a_bond():
    assert supplier_bond(MicroUsd(1), Wad(1), Wad(10**6 * WAD)) == 1


def test_free_job_has_no_bond():
    assert supplier_bond(MicroUsd(0), HALF, ONE) == 0


@given(job_prices, rates, token_prices)
def test_bond_is_worth_at_least_its_rate_of_the_job(job_price, bond_rate, token_price):
    bond = supplier_bond(job_price, bond_rate, token_price)

    assert bond * token_price >= job_price * bond_rate
    assert (bond - 1) * token_price < job_price * bond_rate


@given(job_prices, job_prices, rates, token_prices)
def test_cutting_a_job_in_two_never_lowers_the_bond(one, other, bond_rate, token_price):
    whole = supplier_bond(MicroUsd(one + other), bond_rate, token_price)
    cut = [supplier_bond(each, bond_rate, token_price) for each in (one, other)]

    assert whole <= sum(cut) <= whole + 1


@given(job_prices, rates)
def test_value_of_a_bond_is_its_price_at_one_dollar_a_token(job_price, bond_rate):
    bond = supplier_bond(job_price, bond_rate, ONE)

    assert int(bond_value(job_price, bond_rate)) == int(bond)


@given(bonds, job_prices, job_prices)
def test_slash_is_part_of_the_bond_and_at_least_the_failed_share(bond, one, other):
    failed, value = sorted((one, other))

    slashed = slashed_bond(bond, MicroUsd(failed), MicroUsd(value))

    assert 0 <= slashed <= bond
    assert slashed * value >= bond * failed


@given(bonds, job_prices.filter(bool))
def test_all_failed_takes_the_bond_and_none_failed_takes_nothing(bond, value):
    assert slashed_bond(bond, value, value) == bond
    assert slashed_bond(bond, MicroUsd(0), value) == 0


def test_day_without_jobs_slashes_nothing():
    assert slashed_bond(MicroToken(0), MicroUsd(0), MicroUsd(0)) == 0
