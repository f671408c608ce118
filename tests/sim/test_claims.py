"""
What the burn-and-mint paper says its own simulation shows, on the `paper` preset.

Source: docs/papers/bme.md#simulation-results.
"""

import numpy as np
import pytest

from coopera.formulas.emission import phase2_minted, theta_step
from coopera.ledger import account
from coopera.params.document import preset
from coopera.sim.lockstep import replay
from coopera.sim.run import Keep, Result, simulate
from coopera.sim.sweep import design
from coopera.units import MICRO, WAD, MicroToken, MicroUsd, Wad

DAY_30, DAY_180 = 29, 179
MEDIAN = 2


@pytest.fixture(scope="module")
def result() -> Result:
    points = design(preset("paper").tables, [{}])
    return simulate(points, runs=1000, seed=1, keep=Keep.PATHS)


def test_demand_for_tpu_wanes_while_demand_for_gpu_grows(result) -> None:
    tpu = result.quantiles("jobs.model_training.tpu_training")[:, MEDIAN]
    gpu = result.quantiles("jobs.model_training.gpu_training")[:, MEDIAN]

    assert tpu[DAY_180] < 0.7 * tpu[0]
    assert gpu[DAY_180] > 2 * gpu[0]
    months = slice(0, 180, 30)
    assert (np.diff(tpu[months]) < 0).all()
    assert (np.diff(gpu[months]) > 0).all()


def test_token_is_worth_more_on_day_180_than_on_day_30(result) -> None:
    price = result.values("price_usd")

    assert np.median(price[:, DAY_180]) > 1.2 * np.median(price[:, DAY_30])
    assert (price[:, DAY_180] > price[:, DAY_30]).mean() > 0.99


def test_token_reserve_stays_within_a_fifth_of_day_30_in_every_world(result) -> None:
    reserve = result.values("token_reserve_token")

    after = reserve[:, DAY_30:] / reserve[:, [DAY_30]]
    assert (np.abs(after - 1) <= 0.2).all()


def test_dollar_reserve_stays_level(result) -> None:
    assert (result.values("dollar_reserve_usd") == 1_000_000).all()


def test_phase_1_releases_exactly_60_percent_of_two_million_by_day_30(result) -> None:
    released = np.cumsum(result.values("phase1_token") * MICRO, axis=1)

    assert (released[:, DAY_30] == 1_200_000 * MICRO).all()
    assert (released[:, DAY_180] == 1_200_000 * MICRO).all()
    assert (released[:, DAY_30 - 1] < 1_200_000 * MICRO).all()


def test_buyback_and_payment_leave_the_supply_unchanged_to_the_last_unit() -> None:
    nothing_else_moves = {
        "phase2_modulation": 0,
        "bond_rate": 0,
        "onboarding_rate": 0,
        "validator_reward": 0,
    }
    points = design(preset("paper").tables, [nothing_else_moves])
    result = simulate(points, runs=64, seed=1, keep=Keep.PATHS)

    supply = result.values("circulating_token") * MICRO
    assert (supply[:, DAY_30:] == supply[:, [DAY_30]]).all()
    assert (result.values("bought_token")[:, DAY_30:] > 0).all()
    # The same on the books, where it is a matter of transfers.
    books = replay(result, world=5)
    assert books.apart["circulating_token"] == 0
    assert books.state.balance(account("market", "token")) == supply[5, DAY_30]


def test_emission_graph_for_a_mint_amount_of_10_000() -> None:
    mint_amount = MicroToken(10_000 * MICRO)
    rewards = np.arange(0, 60_001, 1000)

    emitted = [
        # A thousand reward points are 10,000 dollars of jobs at a dollar a token.
        phase2_minted(
            mint_amount,
            theta_step(
                MicroUsd(int(r) * 10 * MICRO), WAD, Wad(10 * WAD), WAD, mint_amount
            ),
        )
        / MICRO
        for r in rewards
    ]

    assert emitted[0] == 0
    assert emitted[10] == pytest.approx(6321.205588)  # one time constant
    assert emitted[60] == pytest.approx(9975.212478)
    # It rises ever more slowly, and never over the amount.
    steps = np.diff(emitted)
    assert (steps > 0).all()
    assert (np.diff(steps) < 0).all()
    assert max(emitted) < 10_000


def test_first_jobs_earn_about_ten_percent_extra(result) -> None:
    first = slice(DAY_30 + 1, DAY_30 + 4)
    emitted = result.values("emitted_token")[:, first]
    worth = emitted * result.values("price_usd")[:, first]
    extra = worth / result.values("income_usd")[:, first]

    assert (np.abs(extra - 0.10) < 0.001).all()
