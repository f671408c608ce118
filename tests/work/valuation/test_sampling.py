"""Sampled values are near the defined ones, and anybody with the seed repeats them."""

import subprocess
import sys

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.work.valuation.games import defined_shapley

from coopera.errors import Malformed
from coopera.work.valuation.sampling import (
    ORDERS_MIN,
    Remembered,
    exact_shapley,
    leave_one_out,
    order,
    sampled_shapley,
    shapley_of,
)

SEED = bytes(range(32))

worths = arrays.arrays(
    np.float64, 16, elements=st.integers(-1_000, 1_000).map(lambda n: n / 8)
)


def game_of(worth):
    """Make the game whose sets have these worths, each set a number of bits."""
    return lambda members: float(worth[sum(1 << int(i) for i in members)])


def glove(members):
    """Pay one for a pair: members 0 and 1 have left gloves, the others right ones."""
    left = sum(1 for i in members if i < 2)
    return float(min(left, len(members) - left))


@given(worths)
def test_exact_values_are_those_of_all_orders(worth):
    values = exact_shapley(game_of(worth), 4)
    np.testing.assert_allclose(values, defined_shapley(game_of(worth), 4), atol=1e-10)
    assert values.sum() == pytest.approx(worth[15] - worth[0], abs=1e-10)


@given(worths, worths)
def test_exact_values_of_two_games_add(one, two):
    both = shapley_of(one + two)
    np.testing.assert_allclose(both, shapley_of(one) + shapley_of(two), atol=1e-10)


@given(worths)
def test_member_who_adds_nothing_is_worth_nothing(worth):
    doubled = np.repeat(worth[:8], 2)  # whether member 0 is there changes nothing
    assert shapley_of(doubled)[0] == 0.0


def test_members_who_add_the_same_are_worth_the_same():
    values = exact_shapley(glove, 5)
    assert values[0] == pytest.approx(values[1], abs=1e-15)
    assert values[2] == pytest.approx(values[4], abs=1e-15)
    assert values[0] > values[2]


@pytest.mark.parametrize("guided", [False, True])
def test_sampled_values_are_within_their_errors(guided):
    found = sampled_shapley(glove, 5, SEED, orders_max=4_000, guided=guided)
    off = np.abs(found.values - exact_shapley(glove, 5))
    assert (off < 4 * found.errors).all()
    assert (found.errors < 0.01).all()
    assert found.values.sum() == pytest.approx(2.0, abs=1e-12)
    assert not found.precise


def test_stops_when_errors_are_small_enough():
    found = sampled_shapley(glove, 5, SEED, orders_max=10**6, error_max=0.02)
    assert found.precise
    assert 0.0 < found.errors.max() <= 0.02
    sooner = sampled_shapley(glove, 5, SEED, orders_max=found.orders - 1)
    assert sooner.errors.max() > 0.02


def test_no_error_is_believed_too_soon():
    found = sampled_shapley(len, 3, SEED, orders_max=100)
    assert found.orders == ORDERS_MIN
    assert found.values.tolist() == [1.0, 1.0, 1.0]


def test_errors_are_as_large_as_the_values_scatter():
    runs = [
        sampled_shapley(glove, 5, bytes([n] * 32), orders_max=200) for n in range(200)
    ]
    scatter = np.std([run.values for run in runs], axis=0)
    stated = np.mean([run.errors for run in runs], axis=0)
    np.testing.assert_allclose(stated, scatter, rtol=0.25)


def test_truncation_asks_less_and_moves_the_sum_by_no_more():
    def saturating(members):
        return 1.0 - 0.25 ** len(members)

    whole = sampled_shapley(saturating, 12, SEED, orders_max=100)
    cut = sampled_shapley(saturating, 12, SEED, orders_max=100, truncation=0.01)
    assert cut.evaluations < whole.evaluations / 2
    assert whole.values.sum() - cut.values.sum() == pytest.approx(0.25**4, abs=1e-6)
    assert abs(whole.values.sum() - cut.values.sum()) <= 0.01


def test_every_member_is_first_in_its_turn_when_guided():
    firsts = [int(order(SEED, n, 5, guided=True)[0]) for n in range(10)]
    assert firsts == [0, 1, 2, 3, 4] * 2


def test_orders_are_drawn_evenly():
    drawn = np.array([order(SEED, n, 3) for n in range(6_000)])
    assert (np.sort(drawn, axis=1) == np.arange(3)).all()
    counts = np.unique(drawn, axis=0, return_counts=True)[1]
    assert len(counts) == 6
    assert np.abs(counts - 1_000).max() < 5 * np.sqrt(1_000 * 5 / 6)


def test_orders_are_what_they_were_in_every_version():
    assert order(SEED, 0, 8).tolist() == [4, 3, 1, 5, 6, 2, 7, 0]
    assert order(SEED, 1_000_000, 8).tolist() == [3, 1, 7, 0, 2, 6, 4, 5]


PROGRAM = """
import numpy as np
from coopera.work.valuation.sampling import sampled_shapley
found = sampled_shapley(
    lambda s: float(np.sqrt(1.0 + s.sum())), 9, bytes(range(32)), orders_max=77
)
print(found.values.tobytes().hex(), found.errors.tobytes().hex())
"""


def test_fresh_process_repeats_the_values_to_the_last_bit():
    found = sampled_shapley(
        lambda s: float(np.sqrt(1.0 + s.sum())), 9, SEED, orders_max=77
    )
    said = subprocess.run(  # noqa: S603 - a program of our own
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    ).stdout.split()
    assert said == [found.values.tobytes().hex(), found.errors.tobytes().hex()]


def test_another_seed_gives_other_values():
    one = sampled_shapley(glove, 5, SEED, orders_max=50)
    two = sampled_shapley(glove, 5, bytes(32), orders_max=50)
    assert one.values.tolist() != two.values.tolist()


def test_progress_tells_orders_and_error():
    told = []
    found = sampled_shapley(
        *(glove, 5, SEED), orders_max=40, progress=lambda *at: told.append(at)
    )
    assert [orders for orders, _ in told] == list(range(1, 41))
    assert told[-1][1] == found.errors.max()


def test_leaving_one_out_sees_no_worth_in_those_who_can_be_replaced():
    assert leave_one_out(lambda s: float(len(s) > 0), 3).tolist() == [0.0, 0.0, 0.0]
    assert leave_one_out(glove, 4).tolist() == [1.0, 1.0, 1.0, 1.0]


def test_a_set_is_asked_for_once():
    asked = []

    def utility(members):
        asked.append(tuple(members.tolist()))
        return float(len(members))

    game = Remembered(utility, 10)
    for members in ([1, 9], [1, 9], [], [1], []):
        assert game(np.array(members, np.int64)) == len(members)
    assert asked == [(1, 9), (), (1,)]
    assert game.evaluations == 3


@pytest.mark.parametrize(
    "wrong",
    [
        {"members": 0},
        {"members": 2.0},
        {"seed": b"short"},
        {"seed": "0" * 32},
        {"orders_max": 0},
        {"error_max": -1.0},
        {"error_max": float("nan")},
        {"truncation": float("inf")},
        {"truncation": True},
        {"utility": lambda s: float("nan") if len(s) == 1 else 0.0},
        {"utility": lambda s: float("inf") if len(s) == 0 else 0.0},
    ],
)
def test_what_cannot_be_sampled_is_refused(wrong):
    right = {"utility": glove, "members": 3, "seed": SEED}
    with pytest.raises(Malformed, match="must be"):
        sampled_shapley(**{**right, **wrong})


def test_more_sets_than_can_be_looked_at_are_refused():
    with pytest.raises(Malformed, match="from 1 to 20"):
        exact_shapley(glove, 21)
