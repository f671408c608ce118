"""What is out of line is cut or left out, and said."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.work.valuation.games import a_round, judge

from coopera.errors import Malformed
from coopera.work.valuation.federated import Round, aumann_shapley
from coopera.work.valuation.robust import clipping, krum, readable, screened


def updates_of(count, size=50, seed=0):
    """Draw updates that go about the same way."""
    rng = np.random.default_rng(seed)
    return rng.normal(size=size) + 0.3 * rng.normal(size=(count, size))


def share_of_first(values, members=1):
    """Give the part of the positive values that the first members have."""
    positive = np.maximum(values, 0.0)
    return positive[:members].sum() / positive.sum()


def test_norms_are_lengths():
    updates = updates_of(4, size=5_000)
    found = clipping(updates, [1] * 4)
    np.testing.assert_allclose(found.norms, np.linalg.norm(updates, axis=1), rtol=1e-14)


def test_long_update_is_cut_to_the_limit_and_the_others_stay():
    updates = updates_of(6)
    updates[0] *= 5.0
    found = clipping(updates, [10] * 6)
    assert found.clipped.tolist() == [0]
    assert found.scales[1:].tolist() == [1.0] * 5
    assert found.norms[0] * found.scales[0] == pytest.approx(found.limit, rel=1e-15)
    assert found.limit == 1.25 * np.sort(found.norms)[2]


@given(st.lists(st.integers(1, 30), min_size=1, max_size=8), st.data())
def test_median_counts_rows(rows, data):
    norms = [data.draw(st.integers(0, 9)) for _ in rows]
    found = clipping(np.array(norms, float)[:, None], rows, factor=1.0)
    every = sorted(
        n for n, count in zip(norms, rows, strict=True) for _ in range(count)
    )
    assert found.limit == every[(len(every) - 1) // 2]


@given(st.integers(2, 6), st.integers(0, 5))
def test_coming_as_several_moves_no_limit(parts, member):
    updates = updates_of(6)
    updates[0] *= 5.0
    rows = [60, 120, 60, 180, 60, 60]
    whole = clipping(updates, rows)
    several = [rows[member] // parts] * parts
    apart = clipping(
        np.insert(updates, [member] * (parts - 1), updates[member], axis=0),
        rows[:member] + several + rows[member + 1 :],
    )
    assert apart.limit == whole.limit
    assert (apart.scales[member : member + parts] == whole.scales[member]).all()


def test_scaling_up_brings_little_once_it_is_cut():
    training, model = a_round(), judge()
    honest = share_of_first(aumann_shapley(training, model))
    updates = training.updates.copy()
    updates[0] *= 5.0
    taken = Round(training.start, updates, training.rows)
    cut = Round(
        *(training.start, updates, training.rows),
        clipping(updates, training.rows).scales,
    )
    assert share_of_first(aumann_shapley(taken, model)) > 2.2 * honest
    assert share_of_first(aumann_shapley(cut, model)) < 1.35 * honest


def test_nobody_moves_if_most_rows_did_nothing():
    found = clipping([[0.0], [3.0]], [2, 1])
    assert found.limit == 0.0
    assert found.scales.tolist() == [1.0, 0.0]


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_krum_scores_are_those_of_the_definition(kind):
    updates = updates_of(9, size=1_037).astype(kind)
    found = krum(updates, faulty=2)
    squares = ((updates[:, None] - updates[None]).astype(np.float64) ** 2).sum(axis=2)
    defined = [np.sort(np.delete(squares[i], i))[: 9 - 2 - 2].sum() for i in range(9)]
    np.testing.assert_allclose(found.scores, defined, rtol=1e-6)
    worst = np.sort(np.argsort(defined)[-2:])
    assert found.left_out.tolist() == worst.tolist()
    assert sorted([*found.kept, *found.left_out]) == list(range(9))


def test_krum_leaves_out_those_who_lie():
    updates = updates_of(9)
    updates[3] *= -1.0
    updates[7] *= 100.0
    assert krum(updates, faulty=2).left_out.tolist() == [3, 7]
    assert krum(updates, faulty=2, kept=1).kept.size == 1


def test_krum_ranks_copies_by_number():
    updates = np.repeat(updates_of(1), 7, axis=0)
    found = krum(updates, faulty=2)
    assert found.scores.tolist() == [0.0] * 7
    assert found.kept.tolist() == [0, 1, 2, 3, 4]


def test_many_who_lie_alike_are_never_alone():
    updates = updates_of(11)
    updates[:6] = -updates[0]
    assert krum(updates, faulty=4).kept.tolist()[:6] == [0, 1, 2, 3, 4, 5]


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 2e30])
def test_unreadable_update_stops_no_round(bad):
    updates = updates_of(8)
    updates[1, 49] = bad
    updates[5] *= -20.0
    updates[6] *= 1.6
    found = screened(updates, [10] * 8, faulty=1)
    assert readable(updates).tolist() == [i != 1 for i in range(8)]
    assert found.unreadable.tolist() == [1]
    assert found.left_out.tolist() == [5]
    assert found.clipped.tolist() == [6]
    assert found.kept.tolist() == [0, 2, 3, 4, 6, 7]
    assert (found.scales < 1.0).tolist() == [False] * 4 + [True, False]


def test_nothing_is_screened_where_nothing_is_asked_for():
    updates = updates_of(3)
    updates[0] *= 100.0
    found = screened(updates, [1] * 3, clip_factor=0.0)
    assert found.kept.tolist() == [0, 1, 2]
    assert found.scales.tolist() == [1.0] * 3
    assert not len(found.clipped) + len(found.left_out) + len(found.unreadable)


@pytest.mark.parametrize(
    ("work", "says"),
    [
        (lambda u: krum(u[:4], faulty=1), "it may be 0 at most"),
        (lambda u: krum(u, faulty=-1), "from 0 to"),
        (lambda u: krum(u, faulty=1, kept=7), "from 1 to 6"),
        (lambda u: krum(u * np.nan, faulty=1), "finite"),
        (lambda u: clipping(u, [1] * 6, factor=-1.0), "from 0 to"),
        (lambda u: clipping(u, [1] * 5), r"must be \(6,\)"),
        (lambda u: clipping(u * np.inf, [1] * 6), "finite"),
        (lambda u: screened(u * np.nan, [1] * 6), "one that can be read"),
        (lambda u: screened(u[0], [1]), r"\(members, parameters\)"),
    ],
)
def test_what_cannot_be_screened_is_refused(work, says):
    with pytest.raises(Malformed, match=says), np.errstate(invalid="ignore"):
        work(updates_of(6))
