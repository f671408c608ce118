"""What consumers pay, as the paper counts it."""

from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.allocation import largest_remainder
from coopera.formulas.demand import job_price, revenue, service_demand
from coopera.units import AMOUNT_MAX, MICRO, WAD, MicroUsd, Wad, scaled

amounts = st.integers(0, AMOUNT_MAX).map(MicroUsd)
shares = st.integers(0, WAD).map(Wad)


def usd(written: str) -> MicroUsd:
    return MicroUsd(scaled(written, MICRO))


@pytest.mark.parametrize(
    ("unit_price", "units", "price"),
    [
        ("18.00", "3", "54"),  # TPU training
        ("3.15", "8", "25.20"),  # GPU training
        ("1.25", "24", "30"),  # inference
        ("0.06", "1000", "60"),  # image labelling
    ],
)
def test_paper_prices_its_jobs_at(unit_price, units, price):
    assert job_price(usd(unit_price), Wad(scaled(units, WAD)), usd("0")) == usd(price)


def test_incentive_comes_on_top_whole():
    assert job_price(usd("0.000001"), Wad(WAD // 2), usd("1")) == usd("1.000001")


@given(amounts, st.integers(0, 10**6 * WAD).map(Wad), amounts)
def test_job_price_rounds_up(unit_price, units, incentive):
    exact = Fraction(unit_price * units, WAD) + incentive

    assert 0 <= job_price(unit_price, units, incentive) - exact < 1


@given(st.integers(0, 10**9), amounts)
def test_revenue_is_exact(jobs, price):
    assert Decimal(revenue(jobs, price)) == Decimal(jobs) * Decimal(price)


@given(amounts, st.lists(st.integers(0, WAD), min_size=1, max_size=5).filter(any))
def test_row_of_the_matrix_reaches_the_kinds_to_the_last_unit(income, weights):
    row = largest_remainder(WAD, weights)
    parts = largest_remainder(income, row)

    assert sum(parts) == income
    for part, share in zip(parts, row, strict=True):
        assert service_demand(income, Wad(share)) <= part
        assert part <= service_demand(income, Wad(share)) + 1


@pytest.mark.parametrize(("share", "part"), [(0, 0), (WAD, 101), (WAD // 2, 50)])
def test_share_of_a_pipeline_rounds_down(share, part):
    assert service_demand(MicroUsd(101), Wad(share)) == part
