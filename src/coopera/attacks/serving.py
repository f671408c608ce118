"""Attacks by suppliers and their consumers: on reputation, held-back pay, deadlines."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from coopera.attacks.network import (
    HOUR,
    PRICE,
    ROOT,
    Network,
    cost_of_cheating,
    cost_of_work,
)
from coopera.attacks.outcome import Outcome, always_checked, gamble
from coopera.attacks.people import (
    EVE,
    SHILL,
    bond_money,
    chosen,
    outcome,
)
from coopera.params import Params
from coopera.protocol import jobs
from coopera.protocol.orders import Job, JobStage, Need, TaskStage
from coopera.units import WAD

PRICES: Final = tuple(PRICE * each // 5 for each in (4, 7, 1, 9, 3, 8, 2, 10, 6, 5))
"""Of the orders that come at a time, in the order in which they come."""
ROUNDS: Final = 5
RIVALS: Final = 10
"""Honest suppliers: as many as there are orders at a time."""
ORDERS: Final = 100
"""That come one after the other, where newcomers get a few of them."""


def cheating_once(params: Params) -> Outcome:
    """Deliver something that is not the work, with pay of earlier jobs held back."""
    return _cheats(params, _honest_jobs, _honest_jobs)


def cheating_as_a_newcomer(params: Params) -> Outcome:
    """Deliver something that is not the work, under a name that has nothing to lose."""
    return _cheats(params, _nothing, _nothing)


def build_and_burn(params: Params) -> Outcome:
    """Fill the window with the cheapest jobs of one's own, and then cheat once."""
    return _cheats(params, _own_dust, _nothing)


def pay_set_free(params: Params) -> Outcome:
    """Set pay that is held back free by cheap jobs of one's own, and then cheat."""

    def before(network: Network, outfit: dict[str, str]) -> None:
        _honest_jobs(network, outfit)
        _dust(network, outfit, network.params.validation.held_back_jobs)

    return _cheats(params, before, _honest_jobs)


def fresh_name(params: Params) -> Outcome:
    """Clear a bad name by registering anew, and start again as a newcomer."""
    network = _market(params)
    network.entering = True
    # By her old name she got nothing any more.
    network.joins(EVE, tokens=3 * bond_money(network, PRICE))
    _served(network, ORDERS, network.outfit(EVE))
    network.leaves(EVE)
    return outcome(network, honest=0)


def many_names(params: Params) -> Outcome:
    """Register one machine ten times, for more of the jobs that newcomers get."""
    results = []
    for names in (1, 10):
        network = _market(params)
        network.entering = True
        for n in range(3):
            network.joins(f"new-{n}", tokens=3 * bond_money(network, PRICE))
            network.outfit(f"new-{n}")
        network.joins(EVE, tokens=3 * bond_money(network, PRICE))
        outfits = [network.outfit(EVE) for _ in range(names)]
        _served(network, ORDERS * 2, *outfits)
        network.leaves(EVE)
        results.append(outcome(network, honest=0))
    return replace(results[1], honest=results[0].profit)


def time_outs(params: Params, rivals: int = RIVALS) -> Outcome:
    """Accept everything, deliver what pays best, and let the time of the rest pass."""
    greedy = _rounds(params, rivals, slots=len(PRICES), keeps=max(PRICES))
    plain = _rounds(params, rivals, slots=1, keeps=0)
    return replace(greedy, honest=plain.profit)


def cherry_picking(params: Params) -> Outcome:
    """Decline what does not pay well."""
    picky = _rounds(params, RIVALS, slots=1, keeps=0, least=max(PRICES) * 4 // 5)
    plain = _rounds(params, RIVALS, slots=1, keeps=0)
    return replace(picky, honest=plain.profit)


def declared_work(params: Params) -> Outcome:
    """Declare a thousand times the work that a partner of the same kind declares."""
    checked = always_checked(params)
    honest = _beside_a_partner(checked, work=1, passed=True).profit
    passed, failed = (
        replace(_beside_a_partner(checked, work=1000, passed=each), honest=honest)
        for each in (True, False)
    )
    return gamble(params, passed, failed)


def impossible_task(params: Params) -> Outcome:
    """Order work together with a task that nobody can do, and have all refunded."""
    return _free_work(params, sabotage=False)


def sabotaged_task(params: Params) -> Outcome:
    """Order work together with a task that one's own resource gets, and fails."""
    return _free_work(params, sabotage=True)


def _cheats(
    params: Params,
    before: Callable[[Network, dict[str, str]], None],
    honestly: Callable[[Network, dict[str, str]], None],
) -> Outcome:
    """Do something, then cheat once; beside what is done honestly, and one job more."""
    checked = always_checked(params)
    honest = _last_job(checked, honestly, cost_of_work(params, PRICE), passed=True)
    cost = cost_of_cheating(params, PRICE)
    passed, failed = (
        replace(_last_job(checked, before, cost, passed=each), honest=honest.profit)
        for each in (True, False)
    )
    return gamble(params, passed, failed)


def _last_job(
    params: Params,
    before: Callable[[Network, dict[str, str]], None],
    cost: int,
    *,
    passed: bool,
) -> Outcome:
    network = Network(params)
    network.joins("alice", usd=PRICE)
    network.joins(EVE, tokens=2 * bond_money(network, PRICE))
    network.joins(SHILL)
    outfit = network.outfit(EVE)
    before(network, outfit)
    network.spends(EVE, cost)
    network.serves(network.order("alice"), outfit, passed=passed)
    network.leaves(EVE)
    return outcome(network, honest=0)


def _nothing(_network: Network, _outfit: dict[str, str]) -> None:
    """Come straight to it."""


def _honest_jobs(network: Network, outfit: dict[str, str]) -> None:
    """Do as many honest jobs as are held back."""
    count = network.params.validation.held_back_jobs
    network.joins("carol", usd=count * PRICE)
    for _ in range(count):
        network.serves(network.order("carol"), outfit)
        network.spends(EVE, cost_of_work(network.params, PRICE))
    network.close()


def _own_dust(network: Network, outfit: dict[str, str]) -> None:
    _dust(network, outfit, network.params.reputation.reputation_window_jobs)


def _dust(network: Network, outfit: dict[str, str], count: int) -> None:
    for _ in range(count):
        network.serves(network.dust(SHILL), outfit)
    network.close()


def _market(params: Params) -> Network:
    """Open a market with five known suppliers, and an income that sets the fee."""
    network = Network(params)
    outfits = []
    for n in range(5):
        network.joins(f"bob-{n}", tokens=3 * bond_money(network, PRICE))
        outfits.append(network.outfit(f"bob-{n}"))
    network.close()
    network.joins("alice", usd=4 * ORDERS * PRICE)
    window = params.reputation.reputation_window_jobs
    for outfit in outfits:
        for _ in range(min(window, 20)):
            network.serves(network.order("alice"), outfit)
    network.close()
    network.close()
    return network


def _served(network: Network, orders: int, *outfits: dict[str, str]) -> None:
    """Let orders go to who gets them by the rule; Eve's are done honestly."""
    mine = {resource for outfit in outfits for resource in outfit.values()}
    rate = network.params.market.exploration_rate
    for n in range(orders):
        # Evenly, as many go to newcomers as the rate says.
        lane = (n + 1) * rate // WAD > n * rate // WAD
        job = network.order("alice")
        taken = False
        for index, kind in enumerate(network.kinds):
            resource = chosen(network, kind, newcomers=lane) or chosen(network, kind)
            network.delivers(job, index, resource)
            network.judged(job, index, lambda _: True)
            taken = taken or resource in mine
        if taken:
            network.spends(EVE, cost_of_work(network.params, PRICE))
        if n % 20 == 0:
            network.close()


def _rounds(
    params: Params, rivals: int, *, slots: int, keeps: int, least: int = 0
) -> Outcome:
    """
    Let orders come, ten at a time, to Eve and her rivals; the first go to Eve.

    With `keeps` she delivers what is worth that and nothing else, with `least` she
    declines what is worth less.
    """
    network = Network(params)
    network.joins("alice", usd=2 * ROUNDS * sum(PRICES))
    network.joins(EVE, tokens=2 * bond_money(network, sum(PRICES)))
    eve = set(network.outfit(EVE, slots=slots).values())
    for n in range(rivals):
        network.joins(f"bob-{n}", tokens=bond_money(network, max(PRICES)))
        network.outfit(f"bob-{n}")
    for _ in range(ROUNDS):
        taken = []
        for price in PRICES:
            job = network.order("alice", price, hours=1)
            resources = _taken(network, job, eve if price < least else set())
            if resources:
                taken.append((job, price, bool(eve & set(resources))))
        for job, price, mine in taken:
            if mine and price < keeps:
                continue
            if mine:
                network.spends(EVE, cost_of_work(params, price))
            for index in range(len(network.kinds)):
                owner = network.owner(network.task(job, index).resource)
                network.do(jobs.DeliverTask(job, index, owner, ROOT, 1))
                network.judged(job, index, lambda _: True)
        network.later(2 * HOUR)
        _expires_late(network)
        network.close()
    network.leaves(EVE)
    return outcome(network, honest=0)


def _taken(network: Network, job: str, unwilling: set[str]) -> list[str]:
    """Let the tasks of an order be accepted by who gets them; none, if nobody can."""
    taken = []
    for index, kind in enumerate(network.kinds):
        resource = chosen(network, kind)
        if resource in unwilling:
            network.do(jobs.MatchTask(job, index, resource))
            network.do(jobs.DeclineTask(job, index, network.owner(resource)))
            resource = chosen(network, kind, without=(resource,))
        if not resource:
            return []
        network.accepts(job, index, resource)
        taken.append(resource)
    return taken


def _expires_late(network: Network) -> None:
    for job in network.state.records(Job).values():
        while True:
            now = network.state.records(Job)[job.id]
            if now.due is None or now.due > network.state.now():
                break
            index = next(
                i
                for i, task in enumerate(now.tasks)
                if task.due <= network.state.now() or task.stage is TaskStage.CREATED
            )
            network.do(jobs.ExpireTask(job.id, index))


def _free_work(params: Params, *, sabotage: bool) -> Outcome:
    network = Network(params)
    price = 2 * PRICE
    network.joins(EVE, usd=price, tokens=bond_money(network, price))
    network.joins("bob", tokens=bond_money(network, price))
    kind = network.kinds[0]
    needs = (*map(Need, network.kinds), Need(kind, model="unheard-of"))
    job = network.order(EVE, price, needs=needs)
    for index, each in enumerate(network.kinds):
        network.delivers(job, index, network.offers("bob", each))
        network.judged(job, index, lambda _: True)
    worked = sum(task.price for task in network.state.records(Job)[job].tasks[:-1])
    if sabotage:
        network.joins(SHILL, tokens=bond_money(network, price))
        own = network.offers(SHILL, kind, models=("unheard-of",))
        network.accepts(job, len(network.kinds), own)
    while network.state.records(Job)[job].stage is JobStage.OPEN:
        due = network.state.records(Job)[job].due
        assert due is not None
        network.at(due)
        _expires_late(network)
    network.leaves(EVE, SHILL)
    # The consumer has the work: it is worth what it was ordered for.
    result = outcome(network, honest=0)
    return replace(result, got=result.got + worked)


def _beside_a_partner(params: Params, *, work: int, passed: bool) -> Outcome:
    """Do half of an order, and declare some work; who passes it passes that too."""
    network = Network(params)
    network.joins("alice", usd=2 * PRICE)
    kind = network.kinds[0]
    wanted = (*network.kinds, kind)
    needs = tuple(map(Need, wanted))
    job = network.order("alice", 2 * PRICE, needs=needs, units=1000)
    for index, each in enumerate(wanted):
        name = EVE if index == 0 else f"bob-{index}"
        network.joins(name, tokens=bond_money(network, 2 * PRICE))
        if network.task(job, index).stage is not TaskStage.CREATED:
            break
        network.delivers(
            job, index, network.offers(name, each), work * (name == EVE) or 1
        )
        right = passed or name != EVE
        network.judged(job, index, lambda _, right=right: right)  # type: ignore[misc]
    network.spends(EVE, cost_of_work(params, PRICE))
    network.leaves(EVE)
    return outcome(network, honest=0)
