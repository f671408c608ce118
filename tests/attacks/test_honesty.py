"""Honest work is paid: the other half of what the rules are for."""

import pytest

from coopera.attacks.checking import lazy_validator
from coopera.attacks.network import BENCH, PRICE, Network, cost_of_work
from coopera.attacks.people import bond_money, honest_job
from coopera.formulas.payments import verdict_reward
from coopera.protocol.supply import Track


@pytest.fixture
def network(defaults):
    """Return a network whose supplier has done twenty jobs in five days."""
    network = Network(defaults)
    network.joins("alice", usd=20 * PRICE)
    network.joins("bob", tokens=2 * bond_money(network, PRICE))
    outfit = network.outfit("bob")
    for _ in range(5):
        for _ in range(4):
            network.serves(network.order("alice"), outfit)
            network.spends("bob", cost_of_work(defaults, PRICE))
        network.close()
    return network


def test_honest_work_earns_more_than_it_costs(network, defaults):
    network.leaves("bob")

    assert network.profit("bob") > 15 * honest_job(defaults) > 0


def test_consumer_pays_the_price_and_no_more(network):
    assert network.profit("alice") == -20 * PRICE


def test_looking_earns_more_than_it_costs(defaults):
    assert lazy_validator(defaults).honest > 0


def test_validators_are_paid_what_they_have_earned(network, defaults):
    rules = defaults.validation
    verdicts = 20 * rules.validators_per_job
    given = rules.validator_reward_rate, network.usual_price, rules.validator_reward
    each = verdict_reward(PRICE, *given)

    waiting = sum(len(track.unpaid) for track in network.state.records(Track).values())
    profit = sum(network.profit(f"honest-{n}") for n in range(BENCH))

    assert waiting == 0
    # Tokens of a dollar each, but for what the price moves.
    assert profit == pytest.approx(verdicts * each, rel=1e-6)
