"""Tokens are released once: slices add up, and curves end at their pool."""

from decimal import Decimal, localcontext

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coopera.formulas.emission import (
    forfeited,
    job_reward,
    phase1_accrual,
    phase1_allotment,
    phase1_slice,
    phase2_mint_amount,
    phase2_minted,
    theta_step,
    vested,
)
from coopera.units import AMOUNT_MAX, WAD, MicroToken, MicroUsd, Wad

SIXTY_PERCENT = Wad(6 * WAD // 10)
TEN = Wad(10 * WAD)
PAPER_RESERVE = MicroToken(2_000_000_000000)
PAPER_POOL = MicroToken(800_000_000000)

tokens = st.integers(0, AMOUNT_MAX).map(MicroToken)
pools = st.integers(1, AMOUNT_MAX).map(MicroToken)
prices = st.integers(WAD // 10**6, WAD * 10**6).map(Wad)
thetas = st.integers(0, 60 * WAD).map(Wad)
fractions = st.integers(0, WAD).map(Wad)
jobs = st.lists(st.integers(0, 10**10).map(MicroUsd), min_size=1, max_size=20)


def step(income: int, price: Wad, pool: MicroToken) -> Wad:
    return theta_step(MicroUsd(income), price, TEN, WAD, pool)


# Phase 1


def test_paper_releases_1_200_000_tokens_in_phase_1_and_keeps_800_000():
    assert phase1_allotment(PAPER_RESERVE, SIXTY_PERCENT, 1) == 1_200_000_000000
    assert phase2_mint_amount(PAPER_RESERVE, SIXTY_PERCENT, 1) == PAPER_POOL


@given(tokens, fractions, st.integers(1, 1000), st.integers(1, 1000))
def test_allotments_and_pools_never_exceed_the_reserve(reserve, part, projects, pools):
    released = projects * phase1_allotment(reserve, part, projects)
    minted = pools * phase2_mint_amount(reserve, part, pools)

    assert reserve - projects - pools < released + minted <= reserve


@given(tokens, st.integers(1, 400))
@example(MicroToken(1), 400)
@example(MicroToken(26_590_923_459665), 365)
def test_slices_add_up_to_the_allotment_and_differ_by_a_unit(allotment, days):
    slices = [phase1_slice(allotment, day, days) for day in range(days)]

    assert sum(slices) == allotment
    assert max(slices) - min(slices) <= 1


@given(tokens, st.integers(1, 1000))
def test_slots_earn_equally_and_the_full_project_earns_all(day_slice, slots):
    earned = [phase1_accrual(day_slice, filled, slots) for filled in (0, 1, slots)]

    assert earned[0] == 0
    assert earned[1] == day_slice // slots
    assert earned[2] == day_slice


@given(tokens, st.integers(1, 100), st.integers(1, 100))
def test_whoever_leaves_forfeits_at_least_its_part_and_the_last_leaves_nothing(
    locked, one, other
):
    left, filled = sorted((one, other))
    lost = forfeited(locked, left, filled)

    assert 0 <= lost * filled - locked * left < filled
    assert forfeited(locked, filled, filled) == locked


@given(tokens, st.integers(0, 100))
def test_nobody_left_and_nothing_is_forfeited(locked, filled):
    assert forfeited(locked, 0, filled) == 0


# Phase 2


@given(jobs, prices, pools)
def test_cutting_a_day_into_jobs_does_not_change_what_is_emitted(jobs, price, pool):
    whole = phase2_minted(pool, step(sum(jobs), price, pool))
    apart = phase2_minted(pool, Wad(sum(step(job, price, pool) for job in jobs)))

    # Each job that is stepped alone loses under 10**-18 of the pool: 10**-3 units.
    assert 0 <= whole - apart <= 1


@given(jobs, prices, pools)
def test_rewards_of_days_add_up_to_the_curve(days, price, pool):
    theta, rewards = Wad(0), []
    for income in days:
        after = Wad(theta + step(income, price, pool))
        rewards.append(phase2_minted(pool, after) - phase2_minted(pool, theta))
        theta = after

    assert min(rewards) >= 0
    assert sum(rewards) == phase2_minted(pool, theta)
    # Spreading work over days loses at most the floors of its steps.
    assert 0 <= step(sum(days), price, pool) - theta <= len(days)


@given(tokens, thetas, thetas)
def test_curve_rises_and_never_exceeds_its_pool(pool, one, other):
    earlier, later = sorted((one, other))

    assert 0 <= phase2_minted(pool, earlier) <= phase2_minted(pool, later) <= pool


@given(tokens)
def test_curve_starts_at_nothing_and_ends_at_the_pool(pool):
    assert phase2_minted(pool, Wad(0)) == 0
    assert phase2_minted(pool, Wad(10**30)) == pool


@given(tokens, thetas)
def test_curve_is_within_a_unit_of_the_truth(pool, theta):
    with localcontext(prec=60):
        truth = pool * (1 - (-Decimal(theta) / WAD).exp())
        off = phase2_minted(pool, theta) - truth
    # What e**-theta was rounded by is up to 10**-18 of the pool: 10**-3 units.
    assert Decimal("-1.0000001") < off < Decimal("0.0010001")


def test_first_job_of_the_paper_earns_a_tenth_of_its_price_extra():
    job, price = MicroUsd(54_000000), Wad(3 * WAD // 2)  # 36 tokens

    emitted = phase2_minted(PAPER_POOL, step(job, price, PAPER_POOL))

    assert job_reward(job, price, TEN) == 3_600000
    assert 3_600000 - 10 <= emitted <= 3_600000


@given(st.integers(1_000000, 1000_000000), st.integers(WAD, 100 * WAD), thetas)
def test_extra_is_a_tenth_at_first_and_decays_along_the_curve(job, price, theta):
    reward = job_reward(MicroUsd(job), Wad(price), TEN)
    after = Wad(theta + step(job, Wad(price), PAPER_POOL))

    emitted = phase2_minted(PAPER_POOL, after) - phase2_minted(PAPER_POOL, theta)

    with localcontext(prec=60):
        slope = (-Decimal(theta) / WAD).exp()
        exact = reward * slope
        # The curve bends by half the step, and two floors and the reward's lose one.
        bend = exact * reward / PAPER_POOL / 2
    assert exact - bend - 3 <= emitted <= exact + 3


@given(st.integers(0, AMOUNT_MAX), prices, pools)
def test_step_is_the_reward_points_over_the_pool(income, price, pool):
    points = job_reward(MicroUsd(income), price, TEN)

    assert 0 <= step(income, price, pool) - points * WAD // pool <= WAD // pool + 1


def test_slope_moves_with_its_parameter_and_the_past_stays():
    price, income = WAD, MicroUsd(10**12)
    once = theta_step(income, price, TEN, WAD, PAPER_POOL)

    assert theta_step(income, price, TEN, Wad(3 * WAD), PAPER_POOL) == 3 * once
    assert theta_step(income, price, Wad(20 * WAD), WAD, PAPER_POOL) == once // 2


# Vesting


@given(tokens, st.integers(0, 400), st.integers(1, 400))
def test_fund_vests_after_its_cliff_and_to_the_last_unit(fund, cliff, days):
    line = [vested(fund, day, cliff, days) for day in range(-1, cliff + days + 2)]

    assert line[0] == 0
    assert set(line[: cliff + 1]) <= {0}
    assert line == sorted(line)
    assert line[-3:] == [fund] * 3
    assert line[cliff + 1] == fund // days


@pytest.mark.parametrize("day", [-1, 3])
def test_day_outside_phase_1_is_a_bug(day):
    with pytest.raises(AssertionError):
        phase1_slice(MicroToken(10), day, 3)
