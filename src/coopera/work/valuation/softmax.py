"""A small model to judge updates by: softmax regression on rows that nobody trains."""

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from coopera.errors import Malformed
from coopera.work.valuation import checks
from coopera.work.valuation.checks import Floats, Given

CLASSES_MAX: Final = 2**16


@dataclass(frozen=True, slots=True, eq=False)
class Softmax:
    """
    Mean cross-entropy, in nats, of a softmax regression on some rows.

    The weights are (features + 1, classes) in one row, the last line the biases.

    Refuses with `Malformed` what is empty, not finite, or of another shape or type, and
    labels that are no class.

    Before anything is learnt, two classes are a coin's throw, ln 2:

    >>> round(Softmax([[0.0], [1.0]], [0, 1], 2).loss(np.zeros(4)), 6)
    0.693147
    """

    features: Given
    """(rows, features), read as float32."""
    labels: Given
    """(rows,), from 0."""
    classes: int

    def __post_init__(self) -> None:
        """Check and read the rows."""
        features = checks.features("features", self.features)
        labels = checks.labels("labels", self.labels, len(features))
        checks.whole("classes", self.classes, 1, CLASSES_MAX)
        wrong = labels[(labels < 0) | (labels >= self.classes)]
        if len(wrong):
            raise Malformed(
                f"labels has {wrong[0]}; classes are numbered from 0 to "
                f"{self.classes - 1}"
            )
        object.__setattr__(self, "features", features.astype(np.float64))
        object.__setattr__(self, "labels", labels)

    @property
    def size(self) -> int:
        """Count the weights."""
        return int(self.features.shape[1] + 1) * self.classes

    def loss(self, weights: Floats) -> float:
        """Measure the loss at some weights, in nats a row."""
        scores = self._scores(weights)
        own = scores[np.arange(len(scores)), self.labels]
        return float(np.mean(np.log(np.exp(scores).sum(axis=1)) - own))

    def gradient(self, weights: Floats) -> Floats:
        """Find where the loss rises most, (weights,)."""
        chances = np.exp(self._scores(weights))
        chances /= chances.sum(axis=1, keepdims=True)
        chances[np.arange(len(chances)), self.labels] -= 1.0
        chances /= len(chances)
        slope: Any = np.empty((self.features.shape[1] + 1, self.classes))
        slope[:-1] = self.features.T @ chances
        slope[-1] = chances.sum(axis=0)
        return np.asarray(slope.ravel(), np.float64)

    def _scores(self, weights: Floats) -> Floats:
        """Score every class of every row, the best one zero."""
        if weights.shape != (self.size,):
            raise Malformed(
                f"the weights have shape {weights.shape}; this model has ({self.size},)"
            )
        table = weights.reshape(-1, self.classes)
        scores = self.features @ table[:-1] + table[-1]
        return np.asarray(scores - scores.max(axis=1, keepdims=True), np.float64)
