r"""
What the updates of a federated round were worth.

Member i, with $n_i$ rows and update $\Delta_i$ scaled by $s_i$, which is 1 as a rule,
weighs $a_i = s_i n_i / \sum n$. The model moves from $w$ by $A = \sum a_i \Delta_i$. A
value is in the unit of the loss, and positive for who brought it down.

* `aumann_shapley` follows the loss along the way from $w$ to $w + A$. It is linear in
  the updates: coming as several members changes nothing. Take this one.
* `exact_shapley` looks at all sets of members. Four copies of one update, each with a
  quarter of its rows, take more than twice the share that it has: 2.9 times where the
  tests measure it.
* `gtg_shapley` samples that, for more members.

None can tell whether the rows were there: cap `rows` at what was committed to, scale
large updates down (`robust.clipping`), and take only updates that were verified.

Source: docs/papers/2pm.md#data-contribution; the rule is a reading, see
docs/readings.md#royalties.
"""

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from typing import Final, Protocol

import numpy as np

from coopera.errors import Malformed
from coopera.work.valuation import checks, sampling
from coopera.work.valuation.checks import Floats, Given
from coopera.work.valuation.sampling import (
    EXACT_MAX,
    LARGEST,
    Members,
    Progress,
    Remembered,
    Sampled,
    Utility,
    sampled_shapley,
    utility_of,
)

COLUMNS: Final = 2**16
"""Parameters that are taken to float64 together."""
NODES_MAX: Final = 64


class Model(Protocol):
    """What judges weights, on rows that nobody in the round has trained on."""

    def loss(self, weights: Floats, /) -> float:
        """Measure the loss at some weights."""
        ...

    def gradient(self, weights: Floats, /) -> Floats:
        """Find where the loss rises most, (weights,)."""
        ...


class Weighing(StrEnum):
    """How updates are weighed where only some members take part."""

    PRESENT = "present"
    """By rows over the rows of those present, as if nobody else had come."""
    ROUND = "round"
    """By rows over the rows of the whole round, as if the others had stood still."""


@dataclass(frozen=True, slots=True, eq=False)
class Round:
    """
    A round of training: where it started, and what each member did.

    Refuses with `Malformed` what is empty, not finite, or does not fit together.
    """

    start: Given
    """(weights,): what every member started from."""
    updates: Given
    """(members, weights): new weights less old ones."""
    rows: Given
    """(members,): how many rows each has trained on."""
    scales: Given = None
    """(members,): what of each update is taken, from 0 to 1; all of it if not given."""

    def __post_init__(self) -> None:
        """Check and read what was given."""
        updates = checks.updates("updates", self.updates)
        start = checks.vector("start", self.start)
        if len(start) != updates.shape[1]:
            raise Malformed(
                f"updates has {updates.shape[1]} parameters and start {len(start)}; "
                "they must be those of one model"
            )
        rows = checks.counts("rows", self.rows, len(updates))
        scales = checks.scales("scales", self.scales, len(updates))
        object.__setattr__(self, "start", start)
        object.__setattr__(self, "updates", updates)
        object.__setattr__(self, "rows", rows)
        object.__setattr__(self, "scales", scales)

    @property
    def members(self) -> int:
        """Count the members."""
        return len(self.rows)

    @property
    def weights(self) -> Floats:
        """Give what of every update the model moves by; one in all, if unscaled."""
        return np.asarray(self.rows / self.rows.sum() * self.scales, np.float64)

    def step(self) -> Floats:
        """Average the updates by rows, (weights,)."""
        return self._blocks(lambda part: self.weights @ part)

    def together(self, members: Members, weighing: Weighing) -> Floats:
        """Give the model that some members would have made, (weights,)."""
        if not len(members):
            return np.asarray(self.start, np.float64)
        rows = self.rows[members]
        whole = rows.sum() if weighing is Weighing.PRESENT else self.rows.sum()
        weights = rows / whole * self.scales[members]
        moved = self._blocks(lambda part: weights @ part, members)
        return np.asarray(self.start + moved, np.float64)

    def along(self, direction: Floats) -> Floats:
        """Measure every update along a direction, (members,)."""
        sums = np.zeros(self.members)
        for first in range(0, len(direction), COLUMNS):
            part = slice(first, first + COLUMNS)
            sums += self.updates[:, part].astype(np.float64) @ direction[part]
        return sums

    def _blocks(
        self, work: Callable[[Floats], Floats], members: Members | None = None
    ) -> Floats:
        """Do something to the updates, some parameters at a time."""
        found = np.empty(len(self.start))
        for first in range(0, len(found), COLUMNS):
            part = slice(first, first + COLUMNS)
            block = self.updates[:, part]
            chosen = block if members is None else block[members]
            found[part] = work(chosen.astype(np.float64))
        return found


def aumann_shapley(training: Round, model: Model, *, nodes: int = 4) -> Floats:
    r"""
    Value every member by the loss along the way that all went together, (members,).

    $$\phi_i = - a_i \int_0^1 \langle \nabla L(w + t A), \Delta_i \rangle \, dt$$

    by Gauss and Legendre's rule with some nodes, each a gradient. The sum is the drop
    in loss: exactly where the loss along the way is a polynomial of degree twice the
    nodes or less, as it is for a quadratic one, and to a few digits less than float64
    has elsewhere. An update of nothing is worth exactly 0.

    Refuses with `Malformed` a gradient of another shape or that is not finite.

    Source: Aumann and Shapley (1974), "Values of non-atomic games"; docs/readings.md.
    """
    checks.whole("nodes", nodes, 1, NODES_MAX)
    places, shares = np.polynomial.legendre.leggauss(nodes)
    step = training.step()
    mean = np.zeros(len(step))
    for place, share in zip(places, shares, strict=True):
        # From -1..1 to 0..1, which halves what every node stands for.
        slope = np.asarray(model.gradient(training.start + (place + 1.0) / 2.0 * step))
        if slope.shape != mean.shape or not np.isfinite(slope).all():
            raise Malformed(
                f"the model's gradient has shape {slope.shape}, or is not finite; it "
                f"must be {mean.shape}, finite numbers, all along the way"
            )
        mean += share / 2.0 * slope
    # Adding nothing turns -0 into 0.
    return np.asarray(-training.weights * training.along(mean) + 0.0, np.float64)


def exact_shapley(
    training: Round,
    model: Model,
    *,
    weighing: Weighing = Weighing.PRESENT,
    progress: Callable[[int, int], object] = lambda _done, _all: None,
) -> Floats:
    """
    Value 20 members or fewer by the losses of all sets of them, (members,).

    The sum is the drop in loss. Refuses with `Malformed` more members, and a loss that
    is not finite.

    Source: Song, Tong and Wei (2019), "Profit allocation for federated learning".
    """
    members = training.members
    if members > EXACT_MAX:
        raise Malformed(
            f"the round has {members} members and 2**{members} sets of them; "
            f"{EXACT_MAX} at most are looked at, use aumann_shapley or gtg_shapley"
        )
    return sampling.exact_shapley(
        _utility(training, model, weighing), members, progress
    )


def gtg_shapley(
    training: Round,
    model: Model,
    seed: bytes,
    *,
    orders_max: int = 1_000,
    error_max: float = 0.0,
    truncation: float = 0.0,
    round_truncation: float = 0.0,
    weighing: Weighing = Weighing.PRESENT,
    progress: Progress = lambda _orders, _error: None,
) -> Sampled:
    """
    Estimate what `exact_shapley` gives from guided orders drawn from a seed.

    Each member comes first equally often. A round that changes the loss by no more than
    `round_truncation` is worth nothing to anybody; `truncation` is as in
    `sampling.sampled_shapley`, and so is when it stops: by standard error, which can be
    stated, and not by the change over the last orders, as in the paper.

    Source: Liu, Chen, Yu, Liu and Cui (2022), "GTG-Shapley".
    """
    checks.number("round_truncation", round_truncation, 0.0, LARGEST)

    members = training.members
    game = Remembered(_utility(training, model, weighing), members)
    gain = utility_of(game, np.arange(members)) - utility_of(game, np.arange(0))
    if abs(gain) <= round_truncation:
        nothing = np.zeros(members)
        return Sampled(nothing, nothing.copy(), 0, game.evaluations, precise=True)
    found = sampled_shapley(
        *(game, members, seed),
        orders_max=orders_max,
        error_max=error_max,
        truncation=truncation,
        guided=True,
        progress=progress,
    )
    return Sampled(
        *(found.values, found.errors, found.orders, game.evaluations, found.precise)
    )


def _utility(training: Round, model: Model, weighing: Weighing) -> Utility:
    """Play the game in which some of the members make the model."""
    return lambda members: -model.loss(training.together(members, weighing))
