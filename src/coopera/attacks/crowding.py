"""Attacks by orders that are not meant: to be in the way of others."""

from dataclasses import replace
from typing import Final

from coopera.attacks.network import PRICE, Network, cost_of_work
from coopera.attacks.outcome import Outcome
from coopera.attacks.people import EVE, SHILL, bond_money, chosen, outcome
from coopera.params import Params
from coopera.protocol import jobs
from coopera.protocol.orders import Job, JobStage, Need
from coopera.units import MICRO

HOURS: Final = 1
"""Time for which a rival is kept from work."""
HOPELESS: Final = 100
"""Orders that nobody can serve."""


def blocked_rival(params: Params, units: int = 1) -> Outcome:
    """
    Order from a rival and cancel in time, again and again, until real work comes.

    The usual job is so many units of the service.
    """
    network = Network(params)
    network.joins("alice", usd=2 * PRICE)
    for name in ("bob", EVE):
        network.joins(name, tokens=2 * bond_money(network, PRICE))
    network.outfit("bob", price=_asked(network) // units)
    outfit = network.outfit(EVE, price=_asked(network) // units)
    network.joins(SHILL, usd=PRICE)
    until = network.state.now() + HOURS * 3600 * MICRO
    while True:
        decoy = network.dust(SHILL, unit_price=PRICE // units)
        for index, kind in enumerate(network.kinds):
            network.do(jobs.MatchTask(decoy, index, chosen(network, kind)))
        if network.state.now() >= until:
            break
        # Cancelling costs a part of a whole unit, more than a decoy is worth.
        network.joins(SHILL, usd=PRICE)
        network.later(params.market.accept_seconds * MICRO - 1)
        network.do(jobs.CancelJob(decoy, f"consumer:{SHILL}"))
    job = network.order("alice")
    for index, kind in enumerate(network.kinds):
        resource = chosen(network, kind)
        assert resource == outfit[kind], "the rival has room for real work"
        network.delivers(job, index, resource)
        network.judged(job, index, lambda _: True)
    network.spends(EVE, cost_of_work(params, PRICE))
    network.do(jobs.CancelJob(decoy, f"consumer:{SHILL}"))
    network.leaves(EVE)
    return outcome(network, honest=0)


def hopeless_orders(params: Params) -> Outcome:
    """
    Order what nobody can do, and let it wait in the way of others for a day.

    They are harmed if another order is not matched at once, by the market that runs the
    network.
    """
    network = Network(params)
    network.joins("alice", usd=PRICE)
    network.joins("bob", tokens=bond_money(network, PRICE))
    network.outfit("bob")
    network.joins(SHILL, usd=HOPELESS * PRICE // 10)
    orders = [
        network.order(SHILL, PRICE // 10, needs=_unheard_of(network, n))
        for n in range(HOPELESS)
    ]
    served = network.matched(network.order("alice"))
    network.at(network.state.records(Job)[orders[-1]].deadline)
    for job in orders:
        if network.state.records(Job)[job].stage is JobStage.OPEN:
            network.do(jobs.ExpireTask(job, 0))
    network.close()
    return replace(outcome(network, honest=0), harms=not served)


def _unheard_of(network: Network, number: int) -> tuple[Need, ...]:
    return tuple(Need(kind, model=f"unheard-of-{number}") for kind in network.kinds)


def _asked(network: Network) -> int:
    """Tell what a unit of a kind's part of the usual job comes to."""
    rows = network.params.matrix.rows[network.pipeline]
    return PRICE * min(share for share in rows if share) // 10**18
