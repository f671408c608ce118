"""Parameters to attack: the defaults, with the kinds and projects of the paper."""

import pytest

from coopera.attacks.checking import coalition
from coopera.cli.sources import open_source
from coopera.sim.scenario import read_scenario

DEFAULTS = (
    "price_change_max=0.1",
    "validator_reward_rate=0.025",
    "min_onboarding_fee=5",
)
"""What the preset of the paper sets otherwise, as it is printed there."""


def params_with(*settings):
    """Read the parameters, with some of them changed."""
    tables = open_source("paper", (*DEFAULTS, *settings), ()).tables
    return read_scenario(tables, wash_trading=True).params


@pytest.fixture(scope="session")
def defaults():
    return params_with()


@pytest.fixture(scope="session")
def weighed(defaults):
    """Judge a fraud by every panel that there can be."""
    return coalition(defaults)
