"""Honest work is paid: the other half of what the rules are for."""

import pytest

from coopera.attacks.checking import lazy_validator
from coopera.attacks.network import PRICE, Network, cost_of_work
from coopera.attacks.people import bond_money, honest_job
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


@pytest.mark.xfail(reason="nothing of a job flows into the float", strict=True)
def test_validators_are_paid_what_they_have_earned(network):
    waiting = sum(len(track.unpaid) for track in network.state.records(Track).values())

    assert waiting == 0
