"""Suppliers come where it pays or Phase 1 waits for them, and leave elsewhere."""

import numpy as np

from coopera.params.document import preset
from coopera.sim.run import simulate
from coopera.sim.sweep import design

TRAINING = "suppliers.training"


def suppliers(kind: str = "training", **settings) -> np.ndarray:
    dotted = {key.replace("__", "."): value for key, value in settings.items()}
    points = design(preset("paper").tables, [dotted])
    return simulate(points, runs=32, seed=1).values(f"suppliers.{kind}")


def test_open_slots_of_phase_1_are_filled_and_no_more() -> None:
    # Nobody is there, nobody answers to earnings, and 14 are wanted.
    found = suppliers(suppliers__training__initial=0, supplier_response=0)

    assert (found[:, 0] == 0).all()
    assert (np.diff(found, axis=1) >= 0).all()
    assert (found[:, 29] >= 1).all()
    assert (found[:, -1] == found[:, 31]).all()  # Nothing draws anybody after it.
    assert (found.max() <= 14 * 1.05).all()


def test_suppliers_leave_where_it_costs_more_than_it_brings() -> None:
    found = suppliers(suppliers__training__cost_usd_per_day=5000)

    # Phase 1 calls back who leaves one of its 14 slots; after it, nothing does.
    assert (found[:, 29] >= 13).all()
    assert (found[:, -1] < 10).all()
    assert (np.diff(found[:, 31:50], axis=1) <= 0).all()


def test_suppliers_come_where_it_pays_no_faster_than_they_can() -> None:
    found = suppliers(
        suppliers__training__cost_usd_per_day=10,
        suppliers__training__entry_rate_max="0.02",
    )

    growth = found[:, 1:] / found[:, :-1]
    assert (found[:, -1] > 10 * found[:, 0]).all()
    assert (growth <= 1.02 + 1 / found[:, :-1]).all()


def test_nobody_moves_where_nobody_answers() -> None:
    found = suppliers(kind="inference", supplier_response=0)

    assert (found == 40).all()
