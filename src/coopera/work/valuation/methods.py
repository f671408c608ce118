"""
The methods that a transcript may name: from arrays and whole numbers to values.

What a method is asked is all in its inputs, parameters and seed, so that somebody else
can ask the same. Fractions among the parameters are whole numbers of 10**-12, and their
names end in `_pico`.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coopera.work.valuation import checks, federated, robust
from coopera.work.valuation.checks import Floats, Given
from coopera.work.valuation.federated import Round, Weighing
from coopera.work.valuation.knn import by_owner, knn_shapley
from coopera.work.valuation.softmax import Softmax

PICO: Final = 10**12
"""Parts of one."""

Inputs = Mapping[str, Given]
Parameters = Mapping[str, int]
Members = NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class Outcome:
    """Values, and who was treated otherwise than the rest."""

    values: Floats
    """(members,)."""
    reported: Mapping[str, Members] = field(default_factory=dict)
    """Members by what happened to them."""


@dataclass(frozen=True, slots=True)
class Method:
    """How values are found, and what has to be given for it."""

    inputs: Mapping[str, type[float] | type[int]]
    """Arrays, of real or of whole numbers."""
    parameters: tuple[str, ...]
    seeded: bool
    work: Callable[[Inputs, Parameters, bytes], Outcome]
    """Find the values. Refuses with `Malformed` what it cannot work with."""


def _rows(inputs: Inputs, parameters: Parameters, _seed: bytes) -> Outcome:
    values = knn_shapley(
        *(inputs["points"], inputs["labels"], inputs["tests"], inputs["test_labels"]),
        neighbours=parameters["neighbours"],
    )
    return Outcome(by_owner(values, inputs["owners"], parameters["members"]))


def _updates(
    value: Callable[[Round, Softmax, Parameters, bytes], Floats],
) -> Callable[[Inputs, Parameters, bytes], Outcome]:
    """Value the updates that are left after screening; the others are worth nothing."""

    def work(inputs: Inputs, parameters: Parameters, seed: bytes) -> Outcome:
        updates = checks.updates("updates", inputs["updates"], finite=False)
        rows = checks.counts("rows", inputs["rows"], len(updates))
        found = robust.screened(
            *(updates, rows),
            clip_factor=parameters["clip_factor_pico"] / PICO,
            faulty=parameters["faulty"],
        )
        training = Round(
            *(inputs["start"], updates[found.kept], rows[found.kept], found.scales)
        )
        model = Softmax(inputs["features"], inputs["labels"], parameters["classes"])
        values: Any = np.zeros(len(updates))
        values[found.kept] = value(training, model, parameters, seed)
        return Outcome(
            values,
            {
                "clipped": found.clipped,
                "left_out": found.left_out,
                "unreadable": found.unreadable,
            },
        )

    return work


def _aumann(training: Round, model: Softmax, given: Parameters, _seed: bytes) -> Floats:
    return federated.aumann_shapley(training, model, nodes=given["nodes"])


def _exact(training: Round, model: Softmax, given: Parameters, _seed: bytes) -> Floats:
    return federated.exact_shapley(training, model, weighing=_weighing(given))


def _gtg(training: Round, model: Softmax, given: Parameters, seed: bytes) -> Floats:
    found = federated.gtg_shapley(
        *(training, model, seed),
        orders_max=given["orders"],
        truncation=given["truncation_pico"] / PICO,
        round_truncation=given["round_truncation_pico"] / PICO,
        weighing=_weighing(given),
    )
    return found.values


def _weighing(given: Parameters) -> Weighing:
    whole = checks.whole("whole_round", given["whole_round"], 0, 1)
    return Weighing.ROUND if whole else Weighing.PRESENT


_ROUND: Final = {
    "start": float,
    "updates": float,
    "rows": int,
    "features": float,
    "labels": int,
}
_SCREENED: Final = ("classes", "clip_factor_pico", "faulty")

METHODS: Final[Mapping[str, Method]] = {
    "aumann_shapley": Method(
        _ROUND, (*_SCREENED, "nodes"), seeded=False, work=_updates(_aumann)
    ),
    "exact_shapley": Method(
        _ROUND, (*_SCREENED, "whole_round"), seeded=False, work=_updates(_exact)
    ),
    "gtg_shapley": Method(
        _ROUND,
        (
            *_SCREENED,
            *("orders", "round_truncation_pico", "truncation_pico", "whole_round"),
        ),
        seeded=True,
        work=_updates(_gtg),
    ),
    "knn_shapley": Method(
        {
            "points": float,
            "labels": int,
            "tests": float,
            "test_labels": int,
            "owners": int,
        },
        ("members", "neighbours"),
        seeded=False,
        work=_rows,
    ),
}
"""Methods by name; a task with another model brings a table of its own."""
