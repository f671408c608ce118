"""Attacks by validators: not looking, keeping silent, agreeing beforehand."""

from collections.abc import Iterable
from dataclasses import dataclass, replace
from fractions import Fraction
from hashlib import sha256
from math import comb, floor
from typing import Final

from coopera.attacks.network import (
    BENCH,
    PRICE,
    ROOT,
    SALT,
    Network,
    Opinion,
    cost_of_cheating,
    cost_of_looking,
)
from coopera.attacks.outcome import Outcome, expected
from coopera.attacks.people import (
    EVE,
    SHILL,
    bond_money,
    honest_job,
    honest_jobs,
    outcome,
)
from coopera.params import Params
from coopera.protocol import jobs, supply, validation
from coopera.protocol.orders import Audit, Job, JobStage, Need
from coopera.protocol.supply import Resource, Stage, Track
from coopera.units import WAD

SEATS: Final = 60
"""Validators on the bench, colluding ones included, where shares of it are weighed."""
SHARE: Final = Fraction(3, 10)
"""Part of the bench that colludes, unless another is asked for."""
TESTS: Final = 40
"""Times that something is repeated where chance draws who gains."""
AT_ONCE: Final = 60
"""Verdicts of one validator that are under way."""
DRAWS: Final = 200
"""Draws by which a chance is estimated."""
RESERVE: Final = 20
"""Certified validators that are staked when it suits."""
RICH: Final = 100
"""Usual jobs that the price of a large one comes to."""
DUST_MAX: Final = 500
"""Most cheap jobs by which a bench is kept busy."""


def lazy_validator(params: Params) -> Outcome:
    """Pass everything without looking; canaries are work that must fail."""
    canaries = Fraction(params.validation.canary_rate, WAD)
    lazy = expected(
        (
            (1 - canaries, _one_verdict(params, truth=True, said=True)),
            (canaries, _one_verdict(params, truth=False, said=True)),
        )
    )
    return replace(lazy, honest=_looking(params))


def copied_verdict(params: Params) -> Outcome:
    """Commit to what somebody else has committed to, and reveal what it reveals."""
    network, job = _with_eve_drawn(params, truth=True)
    panel = network.panel(job)
    mine = next(name for name in panel if network.owner(name) == f"supplier:{EVE}")
    source = next((name for name in panel if name != mine), mine + "-other")
    for name in panel:
        whose = source if name == mine else name
        digest = validation.verdict_digest(job, 0, whose, SALT, passed=True)
        network.do(validation.CommitVerdict(job, 0, name, network.owner(name), digest))
    audit = network.state.records(Audit)[f"{job}:0"]
    network.at(audit.commit_by)
    for name in panel:
        network.refused(
            validation.RevealVerdict(
                job, 0, name, network.owner(name), passed=True, salt=SALT
            )
        )
    network.at(audit.reveal_by)
    network.do(validation.ConcludeAudit(job, 0))
    network.judged(job, 0, lambda _: True)
    network.leaves(EVE)
    return outcome(network, honest=_looking(params))


def careless_crowd(params: Params) -> Outcome:
    """Pass much at once without looking: one stake stands for all of it."""
    careless, careful = (_many_at_once(params, looks=each) for each in (False, True))
    return replace(careless, honest=careful.profit)


def silent_validator(params: Params) -> Outcome:
    """Be drawn, and never say anything."""
    silent = _one_verdict(params, truth=True, said=None)
    return replace(silent, honest=_looking(params))


def failing_validator(params: Params) -> Outcome:
    """Fail work that is good, to harm who did it."""
    failing = _one_verdict(params, truth=True, said=False)
    return replace(failing, honest=_looking(params))


def cheap_verdicts(params: Params) -> Outcome:
    """Order the cheapest jobs of one's own, for what a third of the bench earns."""
    network = _with_a_third(params)
    network.joins(EVE, tokens=bond_money(network, PRICE))
    outfit = network.outfit(EVE)
    for _ in range(TESTS):
        network.serves(network.dust(SHILL), outfit)
    network.leaves(EVE)
    return _with_validators(network, honest=0)


def endless_tests(params: Params) -> Outcome:
    """Have a resource tested again and again, for what a third of the bench earns."""
    network = _with_a_third(params)
    network.joins(EVE, tokens=bond_money(network, PRICE))
    resource = network.offers(EVE)
    for n in range(TESTS):
        asks = jobs.RequestCertification(resource, f"supplier:{EVE}")
        if network.refused(asks):
            break
        test = f"certify:{resource}:{n + 1}"
        network.do(jobs.DeliverTask(test, 0, f"supplier:{EVE}", ROOT, 1))
        network.judged(test, 0, lambda _: True)
    network.leaves(EVE)
    return _with_validators(network, honest=0)


@dataclass(frozen=True, slots=True)
class Coalition:
    """What a bench decides on a fraud, by how many of each round collude."""

    sizes: tuple[int, ...]
    """Of the panels, round by round."""
    ends: dict[tuple[int, ...], Outcome]
    """Outcomes, by the colluding members of each round that there was."""

    def stubborn(self, colluding: int) -> Outcome:
        """Pass one's own work whatever the panel."""
        lottery = tuple(
            (self._chance(path, colluding), end) for path, end in self.ends.items()
        )
        return expected(lottery)

    def careful(self, colluding: int) -> Outcome:
        """Pass it only with a panel that is all one's own."""
        whole = self.sizes[0]
        alone = drawn_with(SEATS, colluding, whole, whole)
        found_out = next(end for path, end in self.ends.items() if not any(path))
        return expected(((alone, self.ends[whole,]), (1 - alone, found_out)))

    def best(self, colluding: int) -> Outcome:
        """Do what is better."""
        both = self.stubborn(colluding), self.careful(colluding)
        return max(both, key=lambda each: each.profit)

    def break_even(self) -> Fraction | None:
        """Find the least share of the bench with which a fraud pays, if any does."""
        for colluding in range(SEATS + 1):
            if self.best(colluding).pays:
                return Fraction(colluding, SEATS)
        return None

    def _chance(self, path: tuple[int, ...], colluding: int) -> Fraction:
        chance, left, bench = Fraction(1), colluding, SEATS
        for drawn, size in zip(path, self.sizes, strict=False):
            chance *= drawn_with(bench, left, size, drawn)
            left, bench = left - drawn, bench - size
        return chance


def drawn_with(bench: int, colluding: int, size: int, drawn: int) -> Fraction:
    """
    Tell how likely so many of a panel collude; nobody is drawn twice.

    >>> [str(drawn_with(10, 3, 3, n)) for n in range(4)]
    ['7/24', '21/40', '7/40', '1/120']
    """
    if not 0 <= drawn <= colluding or size - drawn > bench - colluding:
        return Fraction(0)
    ways = comb(colluding, drawn) * comb(bench - colluding, size - drawn)
    return Fraction(ways, comb(bench, size))


def coalition(params: Params) -> Coalition:
    """
    Let a fraud be judged by every panel that there can be, under the real rules.

    Panels are drawn first, and their members then said to collude or not: everybody is
    drawn with the same chance, so that it comes to the same. Others see every fraud.
    """
    network = Network(params, bench=SEATS)
    network.joins("alice", usd=PRICE)
    network.joins(EVE, tokens=bond_money(network, PRICE))
    network.spends(EVE, cost_of_cheating(params, PRICE))
    outfit = network.outfit(EVE)
    job, last = network.order("alice"), len(network.kinds) - 1
    for index, kind in enumerate(network.kinds):
        network.delivers(job, index, outfit[kind])
        if index < last:
            network.judged(job, index, lambda _: True)
    honest = honest_job(params)
    sizes: list[int] = []
    ends: dict[tuple[int, ...], Outcome] = {}

    def ends_here(path: tuple[int, ...], mine: frozenset[str]) -> None:
        names = {network.owner(each).partition(":")[2] for each in mine}
        network.leaves(EVE)
        put_in = sum(network.put_in[name] for name in (EVE, *names))
        ends[path] = Outcome(put_in, network.worth(EVE, *names), honest)

    def next_round(path: tuple[int, ...], mine: frozenset[str]) -> None:
        panel = network.draws(job, last)
        if not panel:
            ends_here(path, mine)
            return
        if len(sizes) == len(path):
            sizes.append(len(panel))
        drawn = network.state
        for more in range(len(panel) + 1):
            network.state = drawn
            now = mine | set(panel[:more])
            network.says(job, last, now.__contains__)
            if network.state.records(Audit)[f"{job}:{last}"].over:
                ends_here((*path, more), now)
            else:
                next_round((*path, more), now)

    next_round((), frozenset())
    return Coalition(tuple(sizes), ends)


def coalition_passes(params: Params, share: Fraction = SHARE) -> Outcome:
    """Hold a part of the bench, and pass one's own bad work."""
    return coalition(params).best(floor(share * SEATS))


def coalition_fails(params: Params, share: Fraction = SHARE) -> Outcome:
    """Fail good work that one has ordered, where the first panel is all one's own."""
    whole = params.validation.validators_per_job
    alone = drawn_with(SEATS, floor(share * SEATS), whole, whole)
    return expected(
        (
            (alone, _fails_its_order(params, owned=True)),
            (1 - alone, _fails_its_order(params, owned=False)),
        )
    )


def busy_bench(params: Params) -> Outcome:
    """Keep the honest validators busy with cheap work, and be judged by one's own."""
    network = Network(params)
    network.joins("alice", usd=PRICE)
    network.joins(EVE, tokens=2 * bond_money(network, PRICE))
    for n in range(params.validation.validators_per_job):
        network.validator(_own(n), slots=supply.SLOTS_MAX)
    outfit, helpers = network.outfit(EVE), network.outfit(EVE, slots=supply.SLOTS_MAX)
    for _ in range(DUST_MAX):
        if not _honest_with_room(network):
            break
        job = network.dust(SHILL)
        for index, kind in enumerate(network.kinds):
            network.delivers(job, index, helpers[kind])
            network.links()
            network.refused(validation.DrawValidators(job, index))
    network.spends(EVE, cost_of_cheating(params, PRICE))
    return _cheats_before(network, outfit)


def rich_bench(params: Params) -> Outcome:
    """Cheat on the largest job that there may be, with validators that have more."""
    network = Network(params)
    price = network.dearest(RICH * PRICE)
    network.joins("alice", usd=price)
    network.joins(EVE, tokens=bond_money(network, price))
    for n in range(params.validation.validators_per_job):
        network.joins(_own(n), tokens=network.tokens_for(RICH * PRICE))
        network.validator(_own(n))
    network.spends(EVE, cost_of_cheating(params, price))
    cheated = _cheats_before(network, network.outfit(EVE), price)
    return replace(cheated, honest=honest_jobs(params, 1, price))


def rearranged_bench(params: Params) -> Outcome:
    """Know the link, and stake own validators until the panel is all one's own."""
    chance = Fraction(lucky_draws(params, RESERVE), DRAWS)
    passed, failed = (_judged_cheat(params, passed=each) for each in (True, False))
    return expected(((chance, passed), (1 - chance, failed)))


def lucky_draws(params: Params, reserve: int) -> int:
    """
    Count the panels that are all one's own, of as many as are drawn.

    So many validators wait to be staked between the link and the draw.
    """
    own = floor(SHARE * SEATS)
    network = Network(params, bench=SEATS - own)
    for n in range(own):
        network.validator(_own(n))
    ready = []
    for n in range(own, own + reserve):
        network.joins(_own(n), tokens=params.validation.validator_stake)
        ready.append(f"{_own(n)}.reserve")
        network.registers(ready[-1], _own(n), supply.VALIDATOR)
        network.do(supply.CertifyResource(ready[-1], "seen"))
    network.joins("alice", usd=PRICE)
    network.joins("bob", tokens=bond_money(network, PRICE))
    resource = network.offers("bob")
    job, begun = network.order("alice"), network.state
    lucky = 0
    for n in range(DRAWS):
        network.state = begun
        network.delivers(job, 0, resource, root=root(n))
        network.links()
        lucky += _draws_when_it_suits(network, job, ready)
    return lucky


def _one_verdict(params: Params, *, truth: bool, said: bool | None) -> Outcome:
    """Give one verdict beside honest ones: on real work, or on a canary that fails."""
    network, job = _with_eve_drawn(params, truth=truth)

    def opinion(name: str) -> bool | None:
        return said if network.owner(name) == f"supplier:{EVE}" else truth

    network.speaks(job, 0, opinion)
    if truth:
        network.do(validation.ConcludeAudit(job, 0))
        network.judged(job, 0, lambda _: truth)
    else:
        network.do(validation.RevealCanary(job, passed=truth, salt=SALT))
    network.leaves(EVE)
    return outcome(network, honest=0)


def _looking(params: Params) -> int:
    """Give one verdict honestly: what it earns, less what looking costs."""
    honest = _one_verdict(params, truth=True, said=True)
    return honest.profit - cost_of_looking(params, PRICE)


def _many_at_once(params: Params, *, looks: bool) -> Outcome:
    """
    Give many verdicts on the largest jobs that there may be, all of them under way.

    Canaries are among them as often as governance wants. Eve is in all panels: what
    others are drawn for does not matter to her.
    """
    network = Network(params)
    network.validator(EVE, slots=supply.SLOTS_MAX)
    price = network.dearest(RICH * PRICE)
    network.joins("alice", usd=AT_ONCE * price)
    network.joins("bob", tokens=AT_ONCE * bond_money(network, price))
    kind = network.kinds[0]
    resource = network.offers("bob", kind, slots=supply.SLOTS_MAX)
    canaries = -(-AT_ONCE * params.validation.canary_rate // WAD)
    truths: dict[str, bool] = {}
    while len(truths) < AT_ONCE:
        truth, begun = len(truths) >= canaries, network.state
        work = root(network.number())
        if truth:
            job = network.order("alice", price)
            network.delivers(job, 0, resource, root=work)
        else:
            job = _canary(network, work, price)
        if any(network.owner(each) == f"supplier:{EVE}" for each in network.draws(job)):
            truths[job] = truth
        else:
            network.state = begun

    def opinion(job: str) -> Opinion:
        return lambda name: (
            truths[job] or (not looks and network.owner(name) == f"supplier:{EVE}")
        )

    for job in truths:
        network.speaks(job, 0, opinion(job))
    for job, truth in truths.items():
        if truth:
            network.do(validation.ConcludeAudit(job, 0))
        else:
            network.do(validation.RevealCanary(job, passed=truth, salt=SALT))
    if looks:
        network.spends(EVE, AT_ONCE * cost_of_looking(params, price))
    network.leaves(EVE)
    return outcome(network, honest=0)


def _with_eve_drawn(params: Params, *, truth: bool) -> tuple[Network, str]:
    """Draw validators of honest work, or of a canary, until Eve is among them."""
    network = Network(params)
    network.validator(EVE)
    network.joins("alice", usd=PRICE)
    network.joins("bob", tokens=bond_money(network, PRICE))
    outfit = network.outfit("bob")
    job = network.order("alice")
    begun = network.state
    for n in range(DRAWS):
        network.state = begun
        if truth:
            network.delivers(job, 0, outfit[network.kinds[0]], root=root(n))
        else:
            job = _canary(network, root(n))
        if any(network.owner(each) == f"supplier:{EVE}" for each in network.draws(job)):
            break
    return network, job


def _canary(network: Network, root: str, price: int = PRICE) -> str:
    """Post work that must fail, as if it had a price."""
    name = f"canary-{network.number()}"
    digest = validation.canary_digest(name, SALT, passed=False)
    need = Need(network.kinds[0])
    network.do(
        validation.PostCanary(name, network.pipeline, need, root, digest, price=price)
    )
    return name


def _with_a_third(params: Params) -> Network:
    """Open a network in which every third validator is Eve's."""
    network = Network(params, bench=BENCH * 2 // 3)
    for n in range(BENCH // 3):
        network.validator(_own(n))
    return network


def _own(n: int) -> str:
    """Name one of Eve's validators."""
    return f"eve-{n}"


def _is_own(network: Network, resource: str) -> bool:
    return network.owner(resource).startswith("supplier:eve-")


def _with_validators(network: Network, honest: int) -> Outcome:
    """Sum up what Eve has, her validators among it."""
    names = [name for name in network.put_in if name.startswith("eve")] + [SHILL]
    put_in = sum(network.put_in[name] for name in names)
    return Outcome(put_in, network.worth(*names), honest)


def root(n: int) -> str:
    """Make the root of some work."""
    return sha256(f"work {n}".encode()).hexdigest()


def _honest_with_room(network: Network) -> Iterable[str]:
    """List the honest validators that could be drawn now."""
    return [
        each.id
        for each in network.state.records(Resource).values()
        if each.can.kind == supply.VALIDATOR
        and each.stage is Stage.STAKED
        and not _is_own(network, each.id)
        and (network.state.record(Track, each.id) or Track(each.id)).busy
        < each.can.slots
    ]


def _cheats_before(
    network: Network, outfit: dict[str, str], price: int = PRICE
) -> Outcome:
    """Deliver a fraud; it passes only if all of its panel are Eve's."""
    job = network.order("alice", price)
    for index, kind in enumerate(network.kinds):
        if network.state.records(Job)[job].stage is JobStage.OPEN:
            network.delivers(job, index, outfit[kind])
            panel = network.draws(job, index)
            alone = all(_is_own(network, each) for each in panel)
            network.judged(job, index, lambda _, alone=alone: alone)  # type: ignore[misc]
    network.leaves(EVE)
    return _with_validators(network, honest_job(network.params))


def _draws_when_it_suits(network: Network, job: str, ready: Iterable[str]) -> bool:
    """Stake one validator after the other, until the draw would be favourable."""
    for name in (*ready, ""):
        before = network.state
        if network.refused(validation.DrawValidators(job, 0)):
            return False
        panel = network.panel(job)
        if panel and all(_is_own(network, each) for each in panel):
            return True
        network.state = before
        if name:
            network.do(supply.StakeCertificate(name, network.owner(name)))
    return False


def _judged_cheat(params: Params, *, passed: bool) -> Outcome:
    """Cheat once, with an outcome that is known."""
    network = Network(params)
    network.joins("alice", usd=PRICE)
    network.joins(EVE, tokens=bond_money(network, PRICE))
    outfit = network.outfit(EVE)
    network.spends(EVE, cost_of_cheating(params, PRICE))
    network.serves(network.order("alice"), outfit, passed=passed)
    network.leaves(EVE)
    return outcome(network, honest=honest_job(params))


def _fails_its_order(params: Params, *, owned: bool) -> Outcome:
    """
    Order work, and have it failed by a first panel that is owned; later ones are not.

    The work is worth its price to who ordered it, whether it pays for it or not.
    """
    network = Network(params, bench=SEATS)
    network.joins(EVE, usd=PRICE)
    network.joins("bob", tokens=bond_money(network, PRICE))
    outfit = network.outfit("bob")
    job = network.order(EVE)
    mine: set[str] = set()
    for index, kind in enumerate(network.kinds):
        network.delivers(job, index, outfit[kind])
        if owned and not mine:
            mine |= set(network.draws(job, index))
        network.judged(job, index, lambda name, mine=mine: name not in mine)  # type: ignore[misc]
        if network.state.records(Job)[job].stage is not JobStage.OPEN:
            break
    if network.state.records(Job)[job].stage is JobStage.OPEN:
        # Nobody else is to do it again: what was ordered is there already.
        network.do(jobs.CancelJob(job, f"consumer:{EVE}"))
    names = {network.owner(each).partition(":")[2] for each in mine}
    network.leaves(EVE, *names)
    put_in = sum(network.put_in[name] for name in (EVE, *names))
    return Outcome(put_in, network.worth(EVE, *names) + PRICE, honest=0)
