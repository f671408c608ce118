"""The estimate is near what Gaussians are known to have, and stands copies."""

import numpy as np
import pytest

from coopera.errors import Malformed
from coopera.work.valuation.divergence import neighbour_divergence

CHANCE = np.random.default_rng(7)


@pytest.mark.parametrize("features", [1, 2, 5])
@pytest.mark.parametrize("shift", [0.0, 0.6, 1.2])
def test_estimate_of_shifted_gaussians(features, shift):
    rows = 2000
    away = np.full(features, shift / np.sqrt(features))
    found = [
        neighbour_divergence(
            CHANCE.normal(size=(rows, features)) + away,
            CHANCE.normal(size=(rows, features)),
        )
        for _ in range(3)
    ]
    # Between Gaussians that are alike but for the mean: half the squared distance.
    assert np.mean(found) == pytest.approx(shift**2 / 2, abs=0.12)


def test_copies_change_nothing():
    mine, other = CHANCE.normal(size=(2, 300, 3))
    once = neighbour_divergence(mine, other)
    assert neighbour_divergence(np.repeat(mine, 4, axis=0), other) == once
    assert np.isfinite(neighbour_divergence(mine, mine))


@pytest.mark.parametrize(
    ("points", "sample", "said"),
    [
        ([[1.0], [np.nan]], [[1.0], [2.0]], "points"),
        ([[1.0], [2.0]], [[1.0, 2.0]], "same"),
        ([[1.0], [1.0]], [[1.0], [2.0]], "fewer neighbours"),
        ([], [[1.0]], "points"),
    ],
)
def test_what_cannot_be_estimated_is_refused(points, sample, said):
    with pytest.raises(Malformed, match=said):
        neighbour_divergence(points, sample, neighbours=1)
