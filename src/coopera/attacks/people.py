"""Who attacks, and what the honest do meanwhile."""

from typing import Final

from coopera.attacks.network import PRICE, Network, cost_of_work
from coopera.attacks.outcome import Outcome
from coopera.params import Params
from coopera.protocol.supply import Resource, Stage, Track
from coopera.service.scheduler.needs import Lane, Need, Offer, Ranking
from coopera.service.scheduler.reference import Reference
from coopera.units import MICRO, WAD

EVE: Final = "eve"
"""Who attacks."""
SHILL: Final = "shill"
"""The same person under another name, since nobody may work for itself."""


def bond_money(network: Network, price: int) -> int:
    """Count the tokens that the bond of a job takes, and a few more."""
    return network.tokens_for(price * network.params.bonding.bond_rate // WAD) + MICRO


def outcome(network: Network, honest: int) -> Outcome:
    """Sum up what Eve has, under all her names."""
    put_in = network.put_in[EVE] + network.put_in[SHILL]
    return Outcome(put_in, network.worth(EVE, SHILL), honest)


def honest_job(params: Params) -> int:
    """Earn the pay of a job."""
    return honest_jobs(params, 1)


def honest_jobs(params: Params, count: int, price: int = PRICE) -> int:
    """Earn the pay of some jobs: the profit, in micro-dollars."""
    network = Network(params)
    network.joins("alice", usd=count * price)
    network.joins("bob", tokens=bond_money(network, price))
    outfit = network.outfit("bob")
    for _ in range(count):
        network.serves(network.order("alice", price), outfit)
        network.spends("bob", cost_of_work(params, price))
    network.leaves("bob")
    return network.profit("bob")


def chosen(
    network: Network,
    kind: str,
    *,
    newcomers: bool = False,
    without: tuple[str, ...] = (),
) -> str:
    """Find who gets a job, by the scheduler's rule; nobody is an empty name."""
    rules = network.params.reputation
    ranking = Ranking(
        rules.reputation_window_jobs,
        rules.reputation_prior_validated,
        rules.reputation_prior_failed,
    )
    offered = Reference(ranking)
    for resource in network.state.records(Resource).values():
        if resource.stage is Stage.STAKED and resource.can.kind == kind:
            track = network.state.record(Track, resource.id) or Track(resource.id)
            offered.add(_offer(resource, track))
            for _ in range(track.busy):
                offered.claim(resource.id)
    lane = Lane.EXPLORATION if newcomers else Lane.REPUTATION
    return offered.match(Need(kind, excluded=without), lane) or ""


def _offer(resource: Resource, track: Track) -> Offer:
    can = resource.can
    return Offer(
        *(resource.id, resource.serial, resource.owner, can.kind, can.device),
        *(can.count, can.memory_gib, can.region, can.latency_ms, can.models),
        *(can.price, can.slots, track.validated, len(track.outcomes), track.total),
    )
