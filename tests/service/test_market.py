"""From order to pay with nobody giving the network's own commands."""

import pytest
from tests.service.network import DAY, Hashes, Network, SECOND, by_the_network

from coopera.protocol.orders import JobStage, Need, TaskStage
from coopera.service.market import Market
from coopera.store import MemoryStore


@pytest.fixture
def network(store):
    with_all = Network(store)
    with_all.opens("consumer:alice", "supplier:gpu")
    with_all.checks()
    yield with_all
    with_all.close()


def test_order_ends_in_pay_by_itself(network):
    network.offers("r1")
    network.orders()
    assert network.task().stage is TaskStage.MATCHED
    network.delivers()
    network.rests()
    assert len(network.audit().panel) == 3
    network.judges()
    network.rests()
    assert network.job().stage is JobStage.SETTLED
    assert by_the_network(network.kinds())
    network.ended()
