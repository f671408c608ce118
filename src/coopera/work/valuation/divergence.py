"""
How far continuous data lies from a sample of what is aimed at, for display.

Nobody is paid by it: what is paid is counted in the cells of a schema, exactly. It sees
what bins do not, but needs the rows themselves, and varies by a tenth of a nat and more
where there are only hundreds of them.
"""

import math

import numpy as np

from coopera.errors import Malformed
from coopera.work.valuation import checks
from coopera.work.valuation.checks import Floats, Given

BLOCK = 256
"""Rows whose distances are held at a time."""


def neighbour_divergence(points: Given, sample: Given, *, neighbours: int = 5) -> float:
    r"""
    Estimate the divergence of points from a sample, (rows, features) each, in nats.

    $$\frac{d}{n} \sum_i \ln \frac{s_k(i)}{r_k(i)} + \ln \frac{m}{n - 1}$$

    r and s are the distances of point i from the k-th nearest other point, and from the
    k-th nearest of the sample. Rows that are there twice count once, since between them
    there is no distance; and a distance of zero to the sample counts as the smallest
    that there is. May come out below zero where both are alike.

    Source: Wang, Kulkarni, Verdu, "Divergence estimation for multidimensional
    densities via k-nearest-neighbor distances", IEEE Transactions on Information Theory
    55 (2009). Costs rows of points times rows of both. Refuses with `Malformed` what is
    not finite, shapes that do not fit, and fewer rows than neighbours.

    >>> near = [[0.0], [0.1], [0.2], [0.3], [0.5], [0.8]]
    >>> far = [[x[0] + 0.35] for x in near]
    >>> neighbour_divergence(near, far, neighbours=1) > neighbour_divergence(
    ...     near, [[x[0] + 0.01] for x in near], neighbours=1
    ... )
    True
    """
    mine = np.unique(checks.features("points", points), axis=0).astype(np.float64)
    other = np.unique(checks.features("sample", sample), axis=0).astype(np.float64)
    if mine.shape[1] != other.shape[1]:
        raise Malformed(
            f"points have {mine.shape[1]} features and the sample {other.shape[1]}; "
            "they must have the same"
        )
    k = checks.whole("neighbours", neighbours, 1, 1000)
    least = min(len(mine) - 1, len(other))
    if least < k:
        raise Malformed(
            f"neighbours is {k}, and there are {len(mine)} different points and "
            f"{len(other)} of the sample; take fewer neighbours, or more rows"
        )
    within = _distances(mine, mine, k + 1)
    beyond = _distances(mine, other, k)
    smallest = float(np.min(beyond[beyond > 0], initial=float(np.min(within))))
    beyond = np.maximum(beyond, smallest)
    ratio = float(np.mean(np.log(beyond) - np.log(within)))
    return float(mine.shape[1] * ratio) + math.log(len(other) / (len(mine) - 1))


def _distances(points: Floats, others: Floats, place: int) -> Floats:
    """Find how far each point is from its nearest of others but for place - 1."""
    found = np.empty(len(points))
    for first in range(0, len(points), BLOCK):
        block = points[first : first + BLOCK]
        squares = np.zeros((len(block), len(others)))
        for mine, theirs in zip(block.T, others.T, strict=True):
            squares += (mine[:, None] - theirs[None, :]) ** 2
        nearest = np.partition(squares, place - 1, axis=1)[:, place - 1]
        found[first : first + BLOCK] = np.sqrt(nearest)
    return found
