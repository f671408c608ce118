"""Small games, rows and rounds to value, and the Shapley value as it is defined."""

from itertools import permutations

import numpy as np

from coopera.work.valuation.federated import Round
from coopera.work.valuation.softmax import Softmax

CLASSES, FEATURES = 4, 8


def defined_shapley(utility, members):
    """Average what each adds over all orders there are."""
    values, orders = np.zeros(members), 0
    for order in permutations(range(members)):
        orders += 1
        before = utility(np.arange(0))
        for place, member in enumerate(order):
            now = utility(np.array(sorted(order[: place + 1])))
            values[member] += now - before
            before = now
    return values / orders


def nearest_agree(points, labels, tests, wanted, neighbours):
    """Make the game of a nearest-neighbour classifier, ties by number."""
    squares = ((tests[:, None] - points[None]) ** 2).sum(axis=2)

    def utility(members):
        if not len(members):
            return 0.0
        near = np.argsort(squares[:, members], axis=1, kind="stable")[:, :neighbours]
        found = labels[members][near] == wanted[:, None]
        return float(found.sum(axis=1).mean() / neighbours)

    return utility


def drawn_rows(count, seed=0, spread=1.0) -> tuple[np.ndarray, np.ndarray]:
    """Draw rows of some classes, each around a middle of its own."""
    middles = np.random.default_rng(99).normal(size=(CLASSES, FEATURES))
    rng = np.random.default_rng(seed)
    labels = rng.integers(0, CLASSES, count)
    noise = rng.normal(size=(count, FEATURES)) * spread
    return (middles[labels] + noise).astype(np.float32), labels


def trained(features, labels, start, steps=5, pace=0.5):
    """Give the update of a member who trains on some rows."""
    own, weights = Softmax(features, labels, CLASSES), start.copy()
    for _ in range(steps):
        weights -= pace * own.gradient(weights)
    return weights - start


def judge(rows=200):
    """Make a model that judges, on rows of its own."""
    return Softmax(*drawn_rows(rows, seed=1), CLASSES)


def shards(members=6, rows=40) -> list[tuple[np.ndarray, np.ndarray]]:
    """Deal rows to members."""
    features, labels = drawn_rows(members * rows, seed=2)
    return [
        (features[i * rows : (i + 1) * rows], labels[i * rows : (i + 1) * rows])
        for i in range(members)
    ]


def a_round(members=6, rows=40, rounds_before=2):
    """Train a round, some rounds in."""
    dealt = shards(members, rows)
    start = np.zeros(judge().size)
    for _ in range(rounds_before):
        start += np.mean([trained(*own, start) for own in dealt], axis=0)
    updates = np.array([trained(*own, start) for own in dealt])
    return Round(start, updates, np.full(members, rows))


def area_above(scores, wanted):
    """Give the chance that one who is wanted scores above one who is not (AUC)."""
    high, low = scores[wanted], scores[~wanted]
    above = (high[:, None] > low[None]).mean()
    return float(above + (high[:, None] == low[None]).mean() / 2)
