"""Updates are worth what they did to the loss, and splitting oneself brings nothing."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.work.valuation.games import (
    CLASSES,
    a_round,
    defined_shapley,
    judge,
    shards,
    trained,
)

from coopera.errors import Malformed
from coopera.work.valuation.federated import (
    Round,
    Weighing,
    aumann_shapley,
    exact_shapley,
    gtg_shapley,
)

SEED = bytes(range(32))


class Quadratic:
    """A loss that is a bowl."""

    def __init__(self, size, seed=0):
        rng = np.random.default_rng(seed)
        root = rng.normal(size=(size, size))
        self.shape, self.middle = root @ root.T / size, rng.normal(size=size)

    def loss(self, weights):
        off = weights - self.middle
        return float(off @ self.shape @ off)

    def gradient(self, weights):
        return 2.0 * self.shape @ (weights - self.middle)


def split(training, member, parts):
    """Let a member come as several, each with the same update and part of the rows."""
    each, rest = divmod(int(training.rows[member]), parts)
    assert not rest
    others = [i for i in range(training.members) if i != member]
    updates = [training.updates[member]] * parts + [training.updates[i] for i in others]
    rows = [each] * parts + [training.rows[i] for i in others]
    return Round(training.start, np.array(updates), rows)


def share(values, members):
    """Give the part of the positive values that some members have."""
    positive = np.maximum(values, 0.0)
    return positive[:members].sum() / positive.sum()


def drop(training, model):
    """Measure by how much the loss went down."""
    return model.loss(training.start) - model.loss(training.start + training.step())


@given(st.integers(1, 9), st.integers(0, 1_000))
def test_values_along_a_bowl_sum_to_the_drop_exactly(members, seed):
    rng = np.random.default_rng(seed)
    training = Round(
        *(rng.normal(size=5), rng.normal(size=(members, 5))),
        rng.integers(1, 100, members),
        rng.random(members),
    )
    bowl = Quadratic(5, seed)
    values = aumann_shapley(training, bowl, nodes=1)
    assert values.sum() == pytest.approx(drop(training, bowl), abs=1e-12)


def test_values_along_cross_entropy_sum_to_the_drop_with_four_nodes():
    training, model = a_round(), judge()
    exact = drop(training, model)
    by_nodes = [
        aumann_shapley(training, model, nodes=nodes).sum() for nodes in (1, 2, 4)
    ]
    assert by_nodes[2] == pytest.approx(exact, rel=1e-9)
    assert abs(by_nodes[1] - exact) < abs(by_nodes[0] - exact)


def test_exact_values_sum_to_the_drop_and_are_those_of_all_orders():
    training, model = a_round(5), judge()
    for weighing in Weighing:
        values = exact_shapley(training, model, weighing=weighing)
        defined = defined_shapley(
            lambda members, how=weighing: -model.loss(training.together(members, how)),
            5,
        )
        np.testing.assert_allclose(values, defined, atol=1e-12)
        assert values.sum() == pytest.approx(drop(training, model), abs=1e-12)


@given(st.integers(2, 8), st.integers(0, 5))
def test_splitting_changes_nothing_along_the_way(parts, member):
    training, model = a_round(), judge(50)
    rows = training.rows * 840
    training = Round(training.start, training.updates, rows)
    before = aumann_shapley(training, model)
    after = aumann_shapley(split(training, member, parts), model)
    assert after[:parts].sum() == pytest.approx(before[member], rel=1e-12)
    others = np.delete(before, member)
    np.testing.assert_allclose(after[parts:], others, rtol=1e-12)


@given(st.integers(1, 39), st.integers(0, 4))
def test_merging_two_members_adds_their_values(rows, first):
    training, model = a_round(6), judge(50)
    counts = training.rows.copy()
    counts[first] = rows
    apart = Round(training.start, training.updates, counts)
    two = slice(first, first + 2)
    merged = np.average(training.updates[two], axis=0, weights=counts[two])
    updates = np.insert(np.delete(training.updates, two, axis=0), first, merged, axis=0)
    sums = np.insert(np.delete(counts, two), first, counts[two].sum())
    values = aumann_shapley(apart, model)
    added = np.insert(np.delete(values, two), first, values[two].sum())
    together = aumann_shapley(Round(training.start, updates, sums), model)
    np.testing.assert_allclose(together, added, rtol=1e-10, atol=1e-15)


def test_four_copies_more_than_double_the_share_of_plain_shapley():
    training, model = a_round(), judge()
    fourfold = split(training, 0, 4)
    plain = share(exact_shapley(training, model), 1)
    copied = share(exact_shapley(fourfold, model), 4)
    assert 2.8 < copied / plain < 3.1
    along = share(aumann_shapley(training, model), 1)
    assert share(aumann_shapley(fourfold, model), 4) == pytest.approx(along, rel=1e-12)


def test_update_of_nothing_is_worth_nothing():
    training = a_round()
    updates = training.updates.copy()
    updates[2] = 0.0
    idle = Round(training.start, updates, training.rows)
    assert aumann_shapley(idle, judge())[2].tobytes() == np.float64(0.0).tobytes()
    exact = exact_shapley(idle, judge(), weighing=Weighing.ROUND)
    assert exact[2] == pytest.approx(0.0, abs=1e-15)


def test_equal_updates_are_worth_the_same():
    training = a_round()
    updates = training.updates.copy()
    updates[4] = updates[1]
    twins = Round(training.start, updates, training.rows)
    for values in (
        aumann_shapley(twins, judge()),
        exact_shapley(twins, judge()),
    ):
        assert values[4] == pytest.approx(values[1], rel=1e-12)


def test_wrong_labels_are_worth_less_than_nothing():
    dealt = shards()
    start = a_round().start
    features, labels = dealt[5]
    updates = [trained(*own, start) for own in dealt[:5]]
    updates.append(trained(features, (labels + 1) % CLASSES, start))
    training = Round(start, np.array(updates), [40] * 6)
    for values in (
        aumann_shapley(training, judge()),
        exact_shapley(training, judge()),
    ):
        assert values[5] < 0.0
        assert (values[:5] > values[5]).all()


def test_guided_samples_are_near_the_exact_values():
    training, model = a_round(), judge()
    exact = exact_shapley(training, model)
    found = gtg_shapley(training, model, SEED, orders_max=1_000)
    assert found.orders == 1_002  # whole rounds of six
    assert found.evaluations <= 2**6
    assert (np.abs(found.values - exact) < 4 * found.errors).all()
    assert found.errors.max() < np.abs(exact).max() / 20
    again = gtg_shapley(training, model, SEED, orders_max=1_000)
    assert found.values.tobytes() == again.values.tobytes()


def test_round_that_changes_little_is_worth_nothing():
    training, model = a_round(), judge()
    found = gtg_shapley(training, model, SEED, round_truncation=10.0)
    assert found.values.tolist() == [0.0] * 6
    assert found.orders == 0
    assert found.evaluations == 2


def test_scaling_an_update_is_scaling_its_step():
    training, model = a_round(), judge()
    scales = np.array([1.0, 0.5, 0.0, 1.0, 0.25, 1.0])
    scaled = Round(training.start, training.updates, training.rows, scales)
    by_hand = Round(training.start, training.updates * scales[:, None], training.rows)
    np.testing.assert_allclose(scaled.step(), by_hand.step(), atol=1e-15)
    for value in (aumann_shapley, exact_shapley):
        np.testing.assert_allclose(
            value(scaled, model), value(by_hand, model), atol=1e-14
        )


def test_half_the_digits_are_valued_like_all():
    training, model = a_round(), judge()
    halved = Round(training.start, training.updates.astype(np.float32), training.rows)
    assert halved.updates.dtype == np.float32
    np.testing.assert_allclose(
        aumann_shapley(halved, model), aumann_shapley(training, model), rtol=1e-5
    )


RIGHT = {"start": [0.0, 0.0], "updates": [[1.0, 0.0], [0.0, 1.0]], "rows": [1, 2]}


@pytest.mark.parametrize(
    ("what", "wrong", "says"),
    [
        ("start", [0.0], "must be those of one model"),
        ("start", [[0.0, 0.0]], "one row of one number"),
        ("start", [0.0, np.nan], r"nan at \(1\)"),
        ("updates", [[1.0, np.inf], [0.0, 1.0]], r"inf at \(0, 1\)"),
        ("updates", [1.0, 0.0], r"must be \(members, parameters\)"),
        ("updates", np.zeros((0, 2)), "one of each at least"),
        ("rows", [1, 0], "must be from 1 to"),
        ("rows", [1], r"must be \(2,\)"),
        ("rows", [1.0, 2.0], "must be a whole number"),
        ("rows", [2**53, 2**53], "sums to"),
        ("scales", [1.0], "one for each member"),
        ("scales", [1.0, 1.5], "from 0 to 1"),
    ],
)
def test_round_that_does_not_fit_together_is_refused(what, wrong, says):
    with pytest.raises(Malformed, match=says):
        Round(**{**RIGHT, what: wrong})


class Broken(Quadratic):
    """A model whose answers are no numbers."""

    def loss(self, weights):
        return float("nan")

    def gradient(self, weights):
        return np.full_like(weights, np.nan)


class Short(Quadratic):
    """A model that leaves out a parameter."""

    def gradient(self, weights):
        return super().gradient(weights)[1:]


def test_model_whose_answers_are_no_numbers_is_refused():
    training = Round(**RIGHT)
    for model in (Broken(2), Short(2)):
        with pytest.raises(Malformed, match="gradient"):
            aumann_shapley(training, model)
    with pytest.raises(Malformed, match="finite number for every set"):
        exact_shapley(training, Broken(2))
    with pytest.raises(Malformed, match="finite number for every set"):
        gtg_shapley(training, Broken(2), SEED)


def test_more_members_than_have_all_their_sets_looked_at_are_refused():
    training = Round(np.zeros(1), np.ones((21, 1)), [1] * 21)
    with pytest.raises(Malformed, match="use aumann_shapley or gtg_shapley"):
        exact_shapley(training, Quadratic(1))
    assert len(aumann_shapley(training, Quadratic(1))) == 21
