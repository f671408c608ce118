import pytest

from coopera.params.document import merged, preset
from coopera.sim.lockstep import replay
from coopera.sim.run import Keep, simulate
from coopera.sim.start import start_of
from coopera.sim.sweep import design

MINIMAL = preset("minimal").tables

HOSTILE = "<script>alert(1)</script>"
"""Name of a service, as nobody should choose it."""


@pytest.fixture(scope="session")
def run():
    """Simulate the minimal preset, changed, at some points."""

    def run(over=None, settings=({},), keep=Keep.PATHS, runs=20, **allowed):
        points = design(merged(MINIMAL, over or {}), list(settings), **allowed)
        return simulate(points, runs=runs, seed=1, keep=keep)

    return run


@pytest.fixture(scope="session")
def minimal(run):
    return run()


@pytest.fixture(scope="session")
def streamed(run):
    return run(keep=Keep.QUANTILES)


@pytest.fixture(scope="session")
def hostile(run):
    service = {"pipeline": "training", "unit_price_usd": 3, "start": 5}
    return run({"consumers": {HOSTILE: {f"$x^2$ &\"'{HOSTILE}": service}}})


@pytest.fixture(scope="session")
def late(run):
    """Simulate on from day 42 of the books."""
    whole = run({"simulation": {"days": 42}}, runs=1)
    params = whole.points[0].scenario.params
    return run(start=start_of(replay(whole, 0).state, params))
