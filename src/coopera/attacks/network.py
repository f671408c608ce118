"""A network to attack: books in memory, kept by the rules of real ones."""

from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import replace
from functools import lru_cache
from hashlib import sha256
from typing import Any, Final, final

from coopera.errors import Refusal
from coopera.formulas.bonding import bond_worth
from coopera.formulas.onboarding import onboarding_fee
from coopera.ledger import (
    Account,
    Hold,
    HoldStatus,
    account,
    accounts_of,
    kind_of,
    owner_of,
)
from coopera.ledger.accounts import Asset
from coopera.params import Params
from coopera.protocol import jobs, money, supply, validation
from coopera.protocol.commands import OPERATOR, execute, rule_of
from coopera.protocol.epoch import circulating_supply, locked_supply
from coopera.protocol.genesis import genesis
from coopera.protocol.live import CloseDay, Payday, PayEarnings
from coopera.protocol.memory import MemoryState
from coopera.protocol.orders import (
    HELD,
    SECOND,
    Audit,
    Beacon,
    Earning,
    Job,
    JobStage,
    Need,
    TaskStage,
    task_name,
)
from coopera.protocol.settlement import VERDICTS
from coopera.protocol.supply import Resource, Seats, Stage, Track
from coopera.service.market import Market
from coopera.store import MemoryStore
from coopera.units import MICRO, WAD, MicroToken, MicroUsd, Rounding, Wad, mul_div

START: Final = 1_700_000_000 * SECOND
HOUR: Final = 3600 * SECOND
PRICE: Final = MicroUsd(60 * MICRO)
"""Of a job, unless a scenario sets another: the paper's image labelling."""
BENCH: Final = 30
"""Honest validators."""
SALT: Final = "5a" * 32
ROOT: Final = "ab" * 32
LINKS: Final = 4096
MATCHED_MAX: Final = 1024
"""Tasks that the market may match at a look."""

Opinion = Callable[[str], bool | None]
"""What a validator, by the name of its resource, says; none: it keeps silent."""


@lru_cache(maxsize=1)
def chain() -> tuple[str, tuple[str, ...]]:
    """Make the beacon's chain: its anchor, and its links in the order of revealing."""
    links = [sha256(b"the last link").digest()]
    for _ in range(LINKS):
        links.append(sha256(links[-1]).digest())
    backwards = [each.hex() for each in reversed(links)]
    return backwards[0], tuple(backwards[1:])


@final
class Network:
    """
    A network in order, and what everybody has put into it.

    A name stands for a person: it may be consumer and supplier. The operator does what
    an honest operator does, and every other command is given by the one who gains.
    """

    def __init__(self, params: Params, *, phase: int = 2, bench: int = BENCH) -> None:
        self.params: Final = _with_sellers(params)
        reserve = MicroUsd(1_000_000 * MICRO)
        opened = genesis(self.params, [0] * len(params.matrix.kinds), reserve)
        economy = replace(
            opened.economy_,
            projects=tuple(replace(p, phase=phase) for p in opened.economy_.projects),
        )
        self.state: MemoryState = replace(opened, economy_=economy, now_=START)
        self.put_in: Counter[str] = Counter()
        """Micro-dollars, by name: what they paid in, and what their work cost them."""
        self.entering = False
        """Whether onboarding fees count: else they were paid long ago, for long use."""
        self._numbers = 0
        self.project = params.projects[0].name
        rows = params.matrix.rows
        self.pipeline = min(rows, key=lambda row: sum(map(bool, rows[row])))
        """The row with the fewest kinds."""
        both = zip(params.matrix.kinds, rows[self.pipeline], strict=True)
        self.kinds: Final = tuple(kind for kind, share in both if share)
        self.usual_price: Final = supply.token_price(opened, params)
        """Price of the token on a day on which nobody attacks."""
        supplied = circulating_supply(self.state) + locked_supply(self.state)
        velocity = params.pricing.velocity_per_day
        turnover = bond_worth(MicroToken(supplied), self.usual_price) * velocity
        self.ordinary: Final = MicroUsd(-(-turnover // WAD))
        """Dollars that ask for the token on an ordinary day."""
        self.do(validation.OpenBeacon(chain()[0]))
        self.close()
        for n in range(bench):
            self.validator(f"honest-{n}")

    def do(self, command: object) -> None:
        """Give a command, as the one who may; the operator where only it may."""
        rule = rule_of(command)
        caller = rule.payer(command) if rule.payer else OPERATOR
        diff = execute(self.state, self.params, caller or OPERATOR, command)
        # Nothing here is told by earlier receipts, and they would be copied each time.
        self.state = replace(self.state.after(diff), history=())

    def refused(self, command: object) -> bool:
        """Try a command, and tell whether it was refused."""
        try:
            self.do(command)
        except Refusal:
            return True
        return False

    def number(self) -> int:
        """Number one more of something."""
        self._numbers += 1
        return self._numbers

    def later(self, microseconds: int) -> None:
        """Let time go by."""
        self.at(self.state.now() + microseconds)

    def at(self, moment: int) -> None:
        """Set the moment."""
        self.state = replace(self.state, now_=max(moment, self.state.now()))

    @property
    def price(self) -> Wad:
        """Price of the token."""
        return supply.token_price(self.state, self.params)

    def task(self, job: str, index: int = 0) -> Any:
        """Give a task of a job as it stands."""
        return self.state.records(Job)[job].tasks[index]

    # What members do.

    def joins(self, name: str, *, usd: int = 0, tokens: int = 0) -> None:
        """Let somebody pay in; all accounts are opened that it may need."""
        for role in ("consumer", "supplier"):
            if self.state.record(Account, accounts_of(f"{role}:{name}")[0]) is None:
                self.do(money.OpenAccounts(f"{role}:{name}"))
        paid = (
            ("consumer", "credit", "usd", usd),
            ("supplier", "token", "token", tokens),
        )
        for role, what, asset, amount in paid:
            if amount:
                path = f"{role}:{name}:{what}"
                self.do(money.Deposit(path, asset, amount, f"paid-{self.number()}"))
        self.put_in[name] += usd + bond_worth(MicroToken(tokens), self.price)

    def spends(self, name: str, usd: int) -> None:
        """Note what somebody spends outside the books: on work, on looking at work."""
        self.put_in[name] += usd

    def tokens_for(self, usd: int) -> int:
        """Count the tokens that are worth some dollars, and a tenth more."""
        return mul_div(usd * 11, WAD, 10 * self.price, Rounding.CEIL)

    def registers(self, resource: str, name: str, kind: str, **changes: Any) -> None:
        """Register a resource; its owner brings the fee."""
        self.joins(name, tokens=self.fee())
        if not self.entering:
            self.put_in[name] -= bond_worth(MicroToken(self.fee()), self.price)
        given = {"price": 0, "slots": 1} | changes
        what = ("h100", 8, 80, "us-west", 200)
        self.do(
            supply.RegisterResource(resource, f"supplier:{name}", kind, *what, **given)
        )

    def fee(self) -> int:
        """Tell the onboarding fee of now, in tokens."""
        least = self.params.onboarding.min_onboarding_fee
        return onboarding_fee(self.state.epoch().fee_usd, self.price, least)

    def offers(
        self, name: str, kind: str = "", project: str = "", **changes: Any
    ) -> str:
        """Bring a resource of somebody into the market, and name it."""
        kind = kind or self.kinds[0]
        resource = f"{name}.{self.number()}"
        self.registers(resource, name, kind, **changes)
        self.do(supply.CertifyResource(resource, "seen"))
        self.do(supply.StakeCertificate(resource, f"supplier:{name}", project))
        return resource

    def passes_a_test(self, name: str, kind: str, project: str = "") -> str:
        """Bring a resource into the market that validators have tested, and name it."""
        resource, owner = f"{name}.{self.number()}", f"supplier:{name}"
        self.registers(resource, name, kind)
        self.do(jobs.RequestCertification(resource, owner))
        self.do(jobs.DeliverTask(f"certify:{resource}:1", 0, owner, ROOT, 1))
        self.judged(f"certify:{resource}:1", 0, lambda _: True)
        self.do(supply.StakeCertificate(resource, owner, project))
        return resource

    def validator(self, name: str, **changes: Any) -> str:
        """Bring a validator in, with its stake."""
        self.joins(name, tokens=self.params.validation.validator_stake)
        return self.offers(name, supply.VALIDATOR, **{"slots": 4, **changes})

    def dearest(self, most: int) -> MicroUsd:
        """Price the largest job for which validators have enough at stake, if any."""
        rules = self.params.validation
        if not rules.verdict_bond_rate:
            return MicroUsd(most)
        # {uUSD} = {uTok} * {uUSD/uTok} / {1}
        given = rules.validator_stake, self.price, rules.verdict_bond_rate
        return MicroUsd(min(most, mul_div(*given, Rounding.FLOOR)) or most)

    def outfit(self, name: str, **changes: Any) -> dict[str, str]:
        """Bring a resource of every kind that a job needs."""
        return {kind: self.offers(name, kind, **changes) for kind in self.kinds}

    def order(
        self, name: str, price: int = PRICE, *, hours: int = 24, **changes: Any
    ) -> str:
        """Order a job, and name it."""
        job = f"job-{self.number()}"
        given = {
            "project": self.project,
            "unit_price": price,
            "quantity": MICRO,
            "needs": tuple(map(Need, self.kinds)),
            "deadline": self.state.now() + hours * HOUR,
        }
        self.do(
            jobs.CreateJob(
                id=job,
                consumer=f"consumer:{name}",
                pipeline=self.pipeline,
                **{**given, **changes},
            )
        )
        return job

    def dust(self, name: str, **changes: Any) -> str:
        """
        Order the least that the rules allow, and name the job.

        Its price falls with the quantity. What it costs is brought along.
        """
        quantity = 1
        while True:
            price = -(-PRICE * quantity // MICRO)
            held = self.state.balance(account("consumer", name, "credit"))
            self.joins(name, usd=max(0, price - held))
            try:
                return self.order(name, quantity=quantity, **changes)
            except Refusal:
                quantity *= 2
                if quantity > MICRO:
                    raise

    def matched(self, job: str) -> bool:
        """Let the market match what it can: whether all tasks of a job have got one."""
        market = Market()
        market.load(MemoryStore(), self.state, self.params)
        for kind in (Resource, Track, Job):
            market.saw(tuple(self.state.records(kind).values()))
        for command in market.follow(self.state, MATCHED_MAX):
            self.do(command)
        return all(
            task.stage is TaskStage.MATCHED
            for task in self.state.records(Job)[job].tasks
        )

    def accepts(self, job: str, index: int, resource: str) -> None:
        """Match a task, and accept it."""
        self.do(jobs.MatchTask(job, index, resource))
        self.do(jobs.AcceptTask(job, index, self.owner(resource)))

    def delivers(
        self, job: str, index: int, resource: str, work: int = 1, root: str = ROOT
    ) -> None:
        """Match a task, accept it and deliver."""
        self.accepts(job, index, resource)
        self.do(jobs.DeliverTask(job, index, self.owner(resource), root, work))

    def owner(self, resource: str) -> str:
        """Tell whose a resource is."""
        return self.state.records(Resource)[resource].owner

    def serves(self, job: str, outfit: dict[str, str], *, passed: bool = True) -> None:
        """Do a job with an outfit, and have its work judged."""
        for index, kind in enumerate(self.kinds):
            if self.state.records(Job)[job].stage is JobStage.OPEN:
                self.delivers(job, index, outfit[kind])
                self.judged(job, index, lambda _: passed)

    # What the operator and the validators do.

    def links(self) -> None:
        """Reveal the beacon's next link."""
        number = self.state.records(Beacon)["current"].number
        self.do(validation.RevealLink(chain()[1][number]))

    def draws(self, job: str, index: int = 0) -> tuple[str, ...]:
        """Reveal a link, and draw validators: the names of the panel."""
        self.links()
        self.do(validation.DrawValidators(job, index))
        return self.panel(job, index)

    def panel(self, job: str, index: int = 0) -> tuple[str, ...]:
        """Name the panel that is drawn and has not concluded, if there is one."""
        audit = self.state.record(Audit, task_name(job, index))
        if audit is None or audit.over:
            return ()
        return tuple(each.resource for each in audit.panel)

    def says(self, job: str, index: int, opinion: Opinion) -> None:
        """Let a panel speak, and conclude."""
        self.speaks(job, index, opinion)
        self.do(validation.ConcludeAudit(job, index))

    def speaks(self, job: str, index: int, opinion: Opinion) -> None:
        """Let a panel commit to verdicts and reveal them."""
        said = [(name, opinion(name)) for name in self.panel(job, index)]
        spoken = [(name, passed) for name, passed in said if passed is not None]
        for name, passed in spoken:
            digest = validation.verdict_digest(job, index, name, SALT, passed=passed)
            self.do(
                validation.CommitVerdict(job, index, name, self.owner(name), digest)
            )
        self.at(self.state.records(Audit)[task_name(job, index)].commit_by)
        for name, passed in spoken:
            self.do(
                validation.RevealVerdict(
                    job, index, name, self.owner(name), passed, SALT
                )
            )
        if len(spoken) < len(said):
            self.at(self.state.records(Audit)[task_name(job, index)].reveal_by)

    def judged(self, job: str, index: int, opinion: Opinion) -> None:
        """Have work judged, however many rounds it takes."""
        while self.task(job, index).stage is TaskStage.DELIVERED:
            if self.panel(job, index) or self.draws(job, index):
                self.says(job, index, opinion)

    def close(self, sentiment: int | None = None) -> None:
        """
        Close a day, and pay everybody.

        Where nothing is said, so much is asked for that the token costs what it does on
        other days; an attack on its price says what is asked for.
        """
        if sentiment is None:
            sentiment = self._steady()
        self.do(CloseDay(self.state.economy().day, sentiment))
        for name, payday in self.state.records(Payday).items():
            while payday.due is not None:
                self.do(PayEarnings(name))
                payday = self.state.records(Payday)[name]  # noqa: PLW2901

    def _steady(self) -> int:
        """Find what has to be asked for, from outside, at the usual price."""
        close = CloseDay(self.state.economy().day, self.ordinary)
        free = replace(
            self.params, pricing=replace(self.params.pricing, price_change_max=Wad(0))
        )
        epoch = execute(self.state, free, OPERATOR, close).epoch
        assert epoch is not None
        # {uUSD} = {uUSD/uTok} * {uUSD} / {uUSD/uTok}
        demand, price = epoch.token_demand, epoch.price
        wanted = mul_div(self.usual_price, demand, price, Rounding.FLOOR)
        return max(0, self.ordinary + wanted - demand)

    def leaves(self, *names: str, steady: bool = True) -> None:
        """Let somebody take what is held back for it, and see another day out."""
        sentiment = None if steady else self.ordinary
        self.close(sentiment)
        for resource in self.state.records(Resource).values():
            track = self.state.record(Track, resource.id)
            idle = track is None or not track.busy
            theirs = _name_of(resource.owner) in names
            if theirs and idle and resource.stage is not Stage.RETIRED:
                self.do(supply.RetireResource(resource.id, resource.owner))
        self.close(sentiment)

    # What it comes to.

    def worth(self, *names: str) -> int:
        """Add up what some names hold and are owed, in micro-dollars."""
        held: Counter[Asset] = Counter()
        for path, amount in self.state.balances().items():
            if _name_of(owner_of(path)) in names and path.rpartition(":")[2] != "grant":
                held[kind_of(path).asset] += amount
        for hold in self.state.records(Hold).values():
            if (
                hold.status is HoldStatus.PENDING
                and _name_of(owner_of(hold.account)) in names
            ):
                held[kind_of(hold.account).asset] += hold.amount - hold.granted
        held[Asset.TOKEN] += sum(self._bonds(names)) + sum(self._seats(names))
        theirs = [
            each
            for each in self.state.records(Resource).values()
            if _name_of(each.owner) in names
        ]
        held[Asset.TOKEN] += sum(each.stake for each in theirs)
        owned = {each.id for each in theirs}
        for track in self.state.records(Track).values():
            if track.id in owned:
                held[Asset.USD] += sum(lot.usd for lot in track.lots)
                held[Asset.TOKEN] += sum(lot.token for lot in track.lots)
                held[Asset.TOKEN] += sum(self._owed(track))
        tokens = MicroToken(held[Asset.TOKEN])
        return held[Asset.USD] + bond_worth(tokens, self.price)

    def profit(self, *names: str) -> int:
        """Tell what some names have more than they put in, in micro-dollars."""
        return self.worth(*names) - sum(self.put_in[name] for name in names)

    def _bonds(self, names: tuple[str, ...]) -> Iterable[int]:
        for job in self.state.records(Job).values():
            for task in job.tasks:
                theirs = task.stage in HELD and task.bond
                if theirs and _name_of(self.owner(task.resource)) in names:
                    yield task.bond

    def _seats(self, names: tuple[str, ...]) -> Iterable[int]:
        for resource in self.state.records(Resource).values():
            if resource.project and _name_of(resource.owner) in names:
                seats = self.state.records(Seats)[resource.project]
                yield seats.accrued - resource.seated_at

    def _owed(self, track: Track) -> Iterable[int]:
        """Verdicts wait for the float, where it was empty; they stay owed."""
        for name in track.unpaid:
            if VERDICTS in name:
                yield self.state.records(Earning)[name].units


def pay_of(params: Params, price: int) -> int:
    """Tell what of a job's price is paid to those who do it, before price impact."""
    return price * (WAD - params.payments.operations_fraction) // WAD


def cost_of_work(params: Params, price: int) -> int:
    """Tell what honest work costs who does it."""
    left = WAD - params.validation.supplier_margin
    return mul_div(pay_of(params, price), left, WAD, Rounding.CEIL)


def cost_of_cheating(params: Params, price: int) -> int:
    """Tell what it costs to deliver something that is not the work."""
    part = params.validation.cheating_cost
    return mul_div(cost_of_work(params, price), part, WAD, Rounding.CEIL)


def cost_of_looking(params: Params, price: int) -> int:
    """Tell what it costs a validator to look at the work."""
    part = params.validation.validation_cost
    return mul_div(cost_of_work(params, price), part, WAD, Rounding.CEIL)


def _with_sellers(params: Params) -> Params:
    """See to it that there are tokens to buy: no market opens without sellers."""
    least = min(params.token_reserve // 4, params.funds["business"])
    circulating = MicroToken(max(params.token.initial_circulating, least))
    return replace(params, token=replace(params.token, initial_circulating=circulating))


def _name_of(member: str) -> str:
    return member.partition(":")[2]
