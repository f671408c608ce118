"""A day's income is divided without losing a unit."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.payments import (
    buyback_capital,
    operations_income,
    operations_spending,
    validations_completed,
    validator_pay,
)
from coopera.units import AMOUNT_MAX, WAD, MicroToken, MicroUsd, Wad

incomes = st.integers(0, AMOUNT_MAX).map(MicroUsd)
fractions = st.integers(0, WAD).map(Wad)


@given(incomes, fractions, fractions)
def test_operations_buyback_and_dollars_add_up_to_the_income(income, fraction, rate):
    operations = operations_income(income, fraction)
    net = MicroUsd(income - operations)
    capital = buyback_capital(net, rate)
    dollars = net - capital

    assert operations + capital + dollars == income
    assert min(operations, capital, dollars) >= 0


@given(incomes, fractions)
def test_network_collects_the_remainder(income, fraction):
    operations = operations_income(income, fraction)

    assert 0 <= operations * WAD - income * fraction < WAD


@given(incomes, fractions)
def test_suppliers_get_the_remainder_in_dollars(net, rate):
    capital = buyback_capital(net, rate)

    assert 0 <= net * rate - capital * WAD < WAD


@given(incomes)
def test_rate_of_one_pays_in_tokens_alone_and_zero_in_dollars_alone(net):
    assert buyback_capital(net, WAD) == net
    assert buyback_capital(net, Wad(0)) == 0


@given(incomes, fractions)
def test_operations_never_spend_more_than_came_in(operations, fraction):
    spent = operations_spending(operations, fraction)

    assert 0 <= spent <= operations
    assert operations_spending(operations, WAD) == operations


def test_paper_splits_a_hundred_dollars():
    operations = operations_income(MicroUsd(100_000000), Wad(3 * WAD // 10))
    capital = buyback_capital(MicroUsd(100_000000 - operations), Wad(WAD // 2))

    assert (operations, capital) == (30_000000, 35_000000)


@pytest.mark.parametrize(
    ("jobs", "rate", "validators", "verdicts"),
    [(0, WAD, 3, 0), (7, 0, 3, 0), (7, WAD, 3, 21), (1, WAD // 2, 1, 0)],
)
def test_verdicts_are_whole(jobs, rate, validators, verdicts):
    assert validations_completed(jobs, Wad(rate), validators) == verdicts


@given(st.integers(0, 10**6), st.integers(0, 10**6), st.integers(0, 10**12))
def test_validators_are_paid_by_the_verdict_however_they_are_grouped(one, other, pay):
    reward = MicroToken(pay)

    assert validator_pay(one + other, reward) == (
        validator_pay(one, reward) + validator_pay(other, reward)
    )
