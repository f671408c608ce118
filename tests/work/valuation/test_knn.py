"""Rows are worth what the definition says, and bad ones are found by it."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tests.work.valuation.games import (
    CLASSES,
    area_above,
    defined_shapley,
    drawn_rows,
    nearest_agree,
)

from coopera.errors import Malformed
from coopera.work.valuation.knn import by_owner, knn_shapley

# What pyDVL 0.10.0 gives for the twelve rows below.
PYDVL = {
    1: [
        *(0.1619047619047619, 0.023333333333333334, 0.04420634920634921),
        *(0.05500000000000001, 0.0530952380952381, 0.04285714285714286),
        *(0.05833333333333335, -0.01587301587301588, 0.032857142857142856),
        *(-0.009999999999999998, 0.026190476190476188, 0.1280952380952381),
    ],
    3: [
        *(0.06190476190476191, 0.023333333333333334, 0.04420634920634921),
        *(0.05500000000000001, 0.0530952380952381, 0.04285714285714286),
        *(0.05833333333333335, 0.01746031746031746, 0.032857142857142856),
        *(0.023333333333333338, 0.026190476190476188, 0.028095238095238097),
    ],
}


def small_numbers(*shape):
    """Draw whole numbers from few, so that distances are often the same."""
    return arrays.arrays(np.int64, shape, elements=st.integers(0, 3))


@given(
    small_numbers(6, 2),
    small_numbers(6),
    small_numbers(3, 2),
    small_numbers(3),
    st.integers(1, 8),
)
def test_values_are_those_of_all_orders(points, labels, tests, wanted, neighbours):
    values = knn_shapley(points, labels, tests, wanted, neighbours=neighbours)
    game = nearest_agree(points, labels, tests, wanted, neighbours)
    np.testing.assert_allclose(values, defined_shapley(game, 6), atol=1e-14)


@pytest.mark.parametrize("neighbours", PYDVL)
def test_values_are_those_of_another_program(neighbours):
    i, j = np.arange(12), np.arange(5)
    points = np.stack([i * i * 7 % 31 + i / 64, i * 11 % 19 - i / 32], axis=1)
    tests = np.stack([j * 13 % 29 + 0.25, j * 5 % 17 + 0.5], axis=1)
    values = knn_shapley(points, i * i % 3, tests, j % 3, neighbours=neighbours)
    np.testing.assert_allclose(values, PYDVL[neighbours], atol=1e-15)


@given(st.integers(1, 300), st.integers(1, 40), st.integers(1, 12))
def test_values_sum_to_the_utility_of_all(rows, tests, neighbours):
    points, labels = drawn_rows(rows, spread=3.0)
    asked, wanted = drawn_rows(tests, seed=1, spread=3.0)
    values = knn_shapley(points, labels, asked, wanted, neighbours=neighbours)
    whole = nearest_agree(*(points, labels, asked, wanted), neighbours)(np.arange(rows))
    assert values.sum() == pytest.approx(whole, abs=1e-12)


def test_twins_are_worth_the_same_far_from_their_kind():
    points, labels = drawn_rows(50)
    points[7], labels[7] = points[3], labels[3]
    # Nobody is between them, so they are next to each other in every ranking.
    values = knn_shapley(points, labels, *drawn_rows(20, seed=1))
    assert values[7] == pytest.approx(values[3], abs=1e-15)


def test_values_of_two_halves_of_the_tests_average():
    points, labels = drawn_rows(100)
    tests, wanted = drawn_rows(60, seed=1)
    halves = [
        knn_shapley(points, labels, tests[half], wanted[half])
        for half in (slice(30), slice(30, 60))
    ]
    whole = knn_shapley(points, labels, tests, wanted)
    np.testing.assert_allclose(np.mean(halves, axis=0), whole, atol=1e-15)


def test_row_of_a_class_that_nobody_asks_for_helps_nobody():
    values = knn_shapley([[0.0], [1.0]], [7, 7], [[0.0]], [1])
    assert values.tolist() == [0.0, 0.0]


def test_as_many_threads_as_you_like_give_the_same_to_the_last_bit():
    points, labels = drawn_rows(2_000)
    tests, wanted = drawn_rows(150, seed=1)
    one = knn_shapley(points, labels, tests, wanted, threads=1)
    for threads in (2, 3, 8):
        again = knn_shapley(points, labels, tests, wanted, threads=threads)
        assert one.tobytes() == again.tobytes()


def test_flipped_labels_are_found():
    points, labels = drawn_rows(1_000, spread=0.8)
    flipped = np.random.default_rng(3).random(1_000) < 0.2
    said = np.where(flipped, (labels + 1) % CLASSES, labels)
    values = knn_shapley(points, said, *drawn_rows(300, seed=1, spread=0.8))
    assert area_above(-values, flipped) > 0.97


def test_progress_goes_to_the_end():
    told = []
    points, labels = drawn_rows(20)
    tests, wanted = drawn_rows(300, seed=1)
    knn_shapley(*(points, labels, tests, wanted), progress=lambda *at: told.append(at))
    assert told[0] == (0, 300)
    assert told[-1] == (300, 300)
    assert sorted(told) == told
    assert len(told) > 2


def test_values_add_up_by_owner():
    values = np.array([0.25, -0.5, 1.0])
    assert by_owner(values, [2, 0, 2], 4).tolist() == [-0.5, 0.0, 1.25, 0.0]


RIGHT = {
    "points": [[1.0, 2.0], [3.0, 4.0]],
    "labels": [0, 1],
    "tests": [[1.0, 1.0]],
    "test_labels": [1],
    "neighbours": 1,
    "threads": 1,
}


@pytest.mark.parametrize(
    ("what", "wrong", "says"),
    [
        ("points", [[1.0, np.nan], [0.0, 0.0]], r"nan at \(0, 1\)"),
        ("points", [[1.0, 0.0], [0.0, np.inf]], r"inf at \(1, 1\)"),
        ("points", [[1e31, 0.0], [0.0, 0.0]], "up to 1e"),
        ("points", np.zeros((0, 2)), "must have a row"),
        ("points", np.zeros((2, 0)), "and a feature"),
        ("points", [1.0, 2.0], r"must be \(rows, features\)"),
        ("points", [[1.0], [1.0, 2.0]], "rows of the same length"),
        ("points", [["a", "b"], ["c", "d"]], "give real numbers"),
        ("points", [[1j, 0.0], [0.0, 0.0]], "give real numbers"),
        ("points", [[1.0], [2.0]], "must be the same ones"),
        ("tests", np.zeros((0, 2)), "must have a row"),
        ("labels", [0.0, 1.0], "must be a whole number"),
        ("labels", ["cat", "dog"], "must be a whole number"),
        ("labels", [0], r"must be \(2,\)"),
        ("labels", [[0, 1]], r"must be \(2,\)"),
        ("labels", np.array([2**63, 0], np.uint64), r"under 2\*\*63"),
        ("test_labels", [1, 1], r"must be \(1,\)"),
        ("neighbours", 0, "from 1 to"),
        ("neighbours", 1.5, "must be a whole number"),
        ("threads", 0, "from 1 to"),
    ],
)
def test_what_cannot_be_valued_is_refused(what, wrong, says):
    with pytest.raises(Malformed, match=says):
        knn_shapley(**{**RIGHT, what: wrong})


@pytest.mark.parametrize(
    ("owners", "members"), [([0, 5], 2), ([-1, 0], 2), ([0.0, 1.0], 2), ([0, 1], 0)]
)
def test_row_of_nobody_is_refused(owners, members):
    with pytest.raises(Malformed):
        by_owner([1.0, 2.0], owners, members)
