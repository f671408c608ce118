"""The model that judges updates has the loss and the gradient that it should."""

import numpy as np
import pytest
from tests.work.valuation.games import judge

from coopera.errors import Malformed
from coopera.work.valuation.softmax import Softmax


def test_gradient_is_the_slope_of_the_loss():
    model = judge(30)
    rng = np.random.default_rng(0)
    weights, way = rng.normal(size=(2, model.size))
    step = 1e-5
    slope = (model.loss(weights + step * way) - model.loss(weights - step * way)) / 2
    assert model.gradient(weights) @ way == pytest.approx(slope / step, rel=1e-7)


def test_loss_is_that_of_the_definition():
    model = Softmax([[2.0, 1.0]], [1], 3)
    weights = np.arange(9.0)
    scores = np.array([2.0, 1.0, 1.0]) @ weights.reshape(3, 3)
    chances = np.exp(scores - scores.max())
    chances /= chances.sum()
    assert model.loss(weights) == pytest.approx(-np.log(chances[1]), rel=1e-12)


def test_large_scores_stay_finite():
    model = judge(10)
    weights = np.full(model.size, 0.0)
    weights[::2] = 1e20
    assert np.isfinite(model.loss(weights))
    assert np.isfinite(model.gradient(weights)).all()


@pytest.mark.parametrize(
    ("labels", "classes"), [([0, 2], 2), ([0, -1], 2), ([0, 1], 0), ([0.0, 1.0], 2)]
)
def test_labels_that_are_no_class_are_refused(labels, classes):
    with pytest.raises(Malformed):
        Softmax([[0.0], [1.0]], labels, classes)


def test_weights_of_another_model_are_refused():
    with pytest.raises(Malformed, match=r"this model has \(4,\)"):
        Softmax([[0.0], [1.0]], [0, 1], 2).loss(np.zeros(3))
