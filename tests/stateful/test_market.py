"""
Random dealings keep the market: escrow, bonds and busy hands are what the jobs say.

Commands of all kinds are given in any order, right and wrong ones. After each of them
every sum is taken again from the jobs and audits as they stand. In the end everything
that was begun is brought to its end: nobody's money or time is kept for ever.
"""

from collections import Counter
from dataclasses import replace

from hypothesis import Phase, event, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.protocol.conftest import IN_ORDER, World
from tests.protocol.market import (
    CHAIN,
    HOUR,
    ROOT,
    SALT,
    VALIDATORS,
    Market,
    chain,
    in_order,
    offer,
    order,
)

from coopera.accounting.explain import recomputed
from coopera.errors import Refusal
from coopera.ledger import Hold, HoldStatus
from coopera.params.chapters import SlashDestination
from coopera.protocol.commands import OPERATOR, execute
from coopera.protocol.invariants import check_books
from coopera.protocol.jobs import (
    AcceptTask,
    CancelJob,
    DeclineTask,
    DeliverTask,
    ExpireTask,
    MatchTask,
    RequestCertification,
)
from coopera.protocol.live import CloseDay, Payday, PayEarnings
from coopera.protocol.money import Deposit, GrantCredit, OpenAccounts
from coopera.protocol.orders import (
    HELD,
    Audit,
    Beacon,
    Earning,
    Job,
    JobStage,
    Need,
    TaskStage,
)
from coopera.protocol.supply import (
    BENCH,
    CertifyResource,
    ClaimSeat,
    Place,
    RepriceResource,
    Resource,
    RetireResource,
    RevokeCertificate,
    Roll,
    Stage,
    StakeCertificate,
    Track,
)
from coopera.protocol.validation import (
    CommitVerdict,
    ConcludeAudit,
    DrawValidators,
    OpenBeacon,
    PostCanary,
    RevealCanary,
    RevealLink,
    RevealVerdict,
    canary_digest,
    verdict_digest,
)
from coopera.units import MICRO, WAD

CONSUMERS = ("consumer:alice", "consumer:bob", "consumer:gpu-1")
KINDS = ("training", "inference")
PIPELINES = {
    "training": (Need("training"),),
    "shared": (Need("training"), Need("training")),
    "serving": (Need("training"), Need("inference")),
}
MINUTE = 60 * MICRO
ANCHOR, LINKS = chain(1000, b"of a long chain")
BONDED = (TaskStage.ACCEPTED, TaskStage.DELIVERED)


def opened() -> Market:
    """Open a market with a few more suppliers, and money for all."""
    market = in_order(World(IN_ORDER.params, IN_ORDER.state))
    market.do(OpenBeacon(ANCHOR))
    market.do(RevealLink(CHAIN[0]))
    market.do(OpenAccounts("consumer:gpu-1"))
    for consumer in CONSUMERS:
        paid = Deposit(f"{consumer}:credit", "usd", 500 * MICRO, f"paid {consumer}")
        market.do(paid)
    market.offers("t3", owner="supplier:val-0", slots=1)
    market.do(offer("s2", "inference", "supplier:gpu-1", slots=3))
    market.do(CertifyResource("s2", "seen"))
    market.do(StakeCertificate("s2", "supplier:gpu-1", "demo"))
    return market


OPENED = opened()

numbers = st.integers(0, 10**6)
"""To choose from what there is at the moment."""

wishes = st.tuples(
    st.sampled_from(CONSUMERS),
    st.sampled_from(sorted(PIPELINES)),
    st.sampled_from([2_500_000, 3_333_333, 3_999_999, 1_000_000, 1]),
    st.sampled_from([0, 1, MICRO]),
    st.sampled_from([HOUR, 10 * HOUR, 2 * MINUTE]),
)
"""Consumer, pipeline, price of a unit, incentive, time until the deadline."""

SPEAKING = ("honest", "honest", "honest", "wrong", "silent", "hidden")


def paid(job: Job) -> int:
    """Tell what is taken of a consumer for a job."""
    if job.stage is not JobStage.REFUNDED:
        return job.price
    done = (task for task in job.tasks if task.stage is TaskStage.VALIDATED)
    return sum(task.price for task in done)


class Dealings(RuleBasedStateMachine):
    """Deal at random; the market must stay as the rules say."""

    def __init__(self) -> None:
        super().__init__()
        self.market = Market(OPENED.params, OPENED.state)
        self.names = 0
        self.given: Counter[str] = Counter()
        self.fees: Counter[str] = Counter()
        """What consumers got beside what they paid in."""
        self.ended: dict[str, Job] = {}
        self.closed = 0
        """Income of days that are closed."""

    @initialize(
        destination=st.sampled_from(SlashDestination),
        rate=st.sampled_from([WAD, WAD, WAD // 2]),
        panel=st.sampled_from([1, 2, 3]),
        panel_max=st.sampled_from([3, 10, 31]),
        bond_rate=st.sampled_from([0, WAD // 2]),
        tries=st.integers(0, 2),
        bench=st.sampled_from([3, 6, VALIDATORS]),
        begun=st.lists(st.tuples(wishes, numbers), min_size=1, max_size=4),
    )
    def begin(
        self, destination, rate, panel, panel_max, bond_rate, tries, bench, begun
    ) -> None:
        """Let governance have set what it will; some work is under way already."""
        params = self.market.params
        self.market.params = replace(
            params,
            validation=replace(
                params.validation,
                validation_rate=rate,
                validators_per_job=panel,
                panel_max=panel_max,
            ),
            bonding=replace(
                params.bonding, slash_destination=destination, bond_rate=bond_rate
            ),
            market=replace(params.market, reassignments_max=tries),
        )
        for n in range(bench, VALIDATORS):
            assert self.does(RetireResource(f"v{n}", f"supplier:val-{n}"))
        for wanted, far in begun:
            if self.orders(*wanted):
                job = self.all_of(Job)[-1]
                for index in range(len(job.tasks)):
                    self.has_it_done(job.id, index, 1 + far % 3, far % 5)

    # What there is to choose from

    @property
    def state(self):
        return self.market.state

    def all_of(self, kind):
        return list(self.state.records(kind).values())

    def tasks(self, *stages, ordered=False):
        """List tasks of open jobs at these stages, by job and place."""
        return [
            (job, index)
            for job in self.all_of(Job)
            if job.stage is JobStage.OPEN and (job.consumer or not ordered)
            for index, task in enumerate(job.tasks)
            if task.stage in stages
        ]

    def audits(self):
        """List audits that are not over, by job and place."""
        found = [each for each in self.all_of(Audit) if not each.over]
        return [(*each.id.rsplit(":", 1), each) for each in found]

    def owner(self, name):
        return self.market.record(Resource, name).owner

    def one_of(self, choices, number):
        return choices[number % len(choices)]

    def new_name(self, letter) -> str:
        self.names += 1
        return f"{letter}{self.names}x"

    # What is done

    def does(self, command) -> bool:
        """Give a command: whether it was done. A refusal changes nothing."""
        before = self.state
        try:
            diff = execute(before, self.market.params, OPERATOR, command)
            after = before.after(diff)
        except Refusal as refusal:
            event(f"{type(command).__name__}: {refusal.code}")
            return False
        event(f"{type(command).__name__}: done")
        for each in diff.transfers:
            if each.reason == "bond lost, in credits":
                self.given[each.credit.rpartition(":")[0]] += each.amount
            if each.working >= 0:
                formula, arguments = diff.workings[each.working]
                assert recomputed(formula, arguments)[each.part] == each.amount
        check_books(after, self.market.params)
        self.market.state = after
        return True

    def reaches(self, moment) -> None:
        self.market.at(max(self.state.now(), moment))

    def reveals_link(self) -> None:
        number = self.market.record(Beacon, "current").number
        assert self.does(RevealLink(LINKS[number - 1]))

    def commits(self, job, index, name, *, passed) -> bool:
        digest = verdict_digest(job, index, name, SALT, passed=passed)
        return self.does(CommitVerdict(job, index, name, self.owner(name), digest))

    def reveals(self, job, index, name, *, passed) -> bool:
        owner = self.owner(name)
        return self.does(RevealVerdict(job, index, name, owner, passed, SALT))

    def orders(self, consumer, pipeline, price, incentive, time) -> bool:
        needs = PIPELINES[pipeline]
        row = "serving" if pipeline == "serving" else "training"
        command = order(self.new_name("j"), row, needs, consumer=consumer)
        deadline = self.state.now() + time
        return self.does(
            replace(command, unit_price=price, incentive=incentive, deadline=deadline)
        )

    def has_it_done(self, job, index, work, far) -> None:
        """Give a task to who will take it, up to the draw of its validators."""
        for resource in self.all_of(Resource):
            if far and self.does(MatchTask(job, index, resource.id)):
                break
        else:
            return
        owner = resource.owner
        if far < 2 or not self.does(AcceptTask(job, index, owner)):
            return
        if far < 3 or not self.does(DeliverTask(job, index, owner, ROOT, work)):
            return
        if far > 3:
            self.reveals_link()
            self.does(DrawValidators(job, index))

    @rule(wanted=wishes)
    def order(self, wanted) -> None:
        self.orders(*wanted)

    @precondition(lambda self: self.tasks(TaskStage.CREATED, ordered=True))
    @rule(which=numbers, whom=numbers)
    def match(self, which, whom) -> None:
        job, index = self.one_of(self.tasks(TaskStage.CREATED, ordered=True), which)
        names = [each.id for each in self.all_of(Resource) if each.can.kind in KINDS]
        self.does(MatchTask(job.id, index, self.one_of(names, whom)))

    @precondition(lambda self: self.tasks(TaskStage.CREATED, ordered=True))
    @rule(which=numbers, work=st.integers(1, 5), far=st.integers(2, 4))
    def have_work_done(self, which, work, far) -> None:
        job, index = self.one_of(self.tasks(TaskStage.CREATED, ordered=True), which)
        self.has_it_done(job.id, index, work, far)

    @precondition(lambda self: self.tasks(TaskStage.MATCHED))
    @rule(which=numbers, accept=st.sampled_from([True, True, False]))
    def answer(self, which, accept) -> None:
        job, index = self.one_of(self.tasks(TaskStage.MATCHED), which)
        answer = AcceptTask if accept else DeclineTask
        self.does(answer(job.id, index, self.owner(job.tasks[index].resource)))

    @precondition(lambda self: self.tasks(TaskStage.ACCEPTED))
    @rule(which=numbers, work=st.integers(0, 5))
    def deliver(self, which, work) -> None:
        job, index = self.one_of(self.tasks(TaskStage.ACCEPTED), which)
        owner = self.owner(job.tasks[index].resource)
        self.does(DeliverTask(job.id, index, owner, ROOT, work))

    @precondition(lambda self: self.tasks(TaskStage.DELIVERED))
    @rule(which=numbers, link=st.booleans())
    def draw(self, which, link) -> None:
        if link:
            self.reveals_link()
        job, index = self.one_of(self.tasks(TaskStage.DELIVERED), which)
        self.does(DrawValidators(job.id, index))

    @precondition(lambda self: self.audits())
    @rule(which=numbers, whom=numbers, passed=st.booleans(), reveal=st.booleans())
    def say_one_verdict(self, which, whom, passed, reveal) -> None:
        job, index, audit = self.one_of(self.audits(), which)
        name = self.one_of(audit.verdicts, whom).resource
        says = self.reveals if reveal else self.commits
        says(job, int(index), name, passed=passed)

    @precondition(lambda self: self.audits())
    @rule(
        which=numbers,
        truth=st.booleans(),
        ways=st.lists(st.sampled_from(SPEAKING), min_size=15, max_size=15),
        end=st.sampled_from([True, True, False]),
    )
    def say_all_verdicts(self, which, truth, ways, end) -> None:
        """Let a panel speak, each in its own way, and mostly conclude."""
        job, at, _ = self.one_of(self.audits(), which)
        index = int(at)
        panel = [each.resource for each in self.market.panel(job, index)]
        said = {}
        for name, way in zip(panel, ways, strict=False):
            if way == "silent":
                continue
            passed = truth is (way != "wrong")
            if self.commits(job, index, name, passed=passed) and way != "hidden":
                said[name] = passed
        self.reaches(self.market.record(Audit, f"{job}:{at}").commit_by)
        for name, passed in said.items():
            self.reveals(job, index, name, passed=passed)
        if len(said) < len(panel):
            self.reaches(self.market.record(Audit, f"{job}:{at}").reveal_by)
        if end:
            self.conclude_one(job, index)

    def conclude_one(self, job, index) -> None:
        """Conclude an audit; what follows must be what somebody has said."""
        before = self.market.record(Job, job)
        if before.canary:
            self.does(RevealCanary(job, self.truth(job), SALT))
            return
        bonds = self.market.held("escrow:bonds")
        if not self.does(ConcludeAudit(job, index)):
            return
        audit = self.market.record(Audit, f"{job}:{index}")
        after = self.market.record(Job, job).tasks[index]
        if not audit.over:
            assert after == before.tasks[index]
            assert self.market.held("escrow:bonds") == bonds
        if after.stage is TaskStage.VALIDATED:
            assert any(each.passed is True for each in audit.verdicts)

    @precondition(lambda self: self.all_of(Job))
    @rule(
        which=numbers,
        index=st.integers(0, 2),
        do=st.sampled_from([ExpireTask, DrawValidators, ConcludeAudit]),
    )
    def push(self, which, index, do) -> None:
        """Give a command of the operator, whether its time has come or not."""
        self.does(do(self.one_of(self.all_of(Job), which).id, index))

    @precondition(lambda self: self.all_of(Job))
    @rule(which=numbers)
    def cancel(self, which) -> None:
        job = self.one_of(self.all_of(Job), which)
        found = any(task.stage is TaskStage.MATCHED for task in job.tasks)
        if self.does(CancelJob(job.id, job.consumer)) and found:
            twentieth = -(-max(job.price, job.unit_price) // 20)
            self.fees[job.consumer] += max(twentieth, min(job.price, 500_000))

    @rule(
        which=numbers,
        do=st.sampled_from(
            ["revoke", "retire", "certify", "stake", "test", "reprice", "claim"]
        ),
    )
    def come_or_go(self, which, do) -> None:
        resource = self.one_of(self.all_of(Resource)[::-1], which)
        name, owner, slots = resource.id, resource.owner, resource.can.slots
        command = {
            "revoke": RevokeCertificate(name, "asleep"),
            "retire": RetireResource(name, owner),
            "certify": CertifyResource(name, "seen again"),
            "stake": StakeCertificate(name, owner, "demo" * (which % 2)),
            "test": RequestCertification(name, owner),
            "reprice": RepriceResource(name, owner, which % 2, slots + which % 2),
            "claim": ClaimSeat(name, owner),
        }[do]
        self.does(command)

    @rule(
        which=numbers,
        kind=st.sampled_from([*KINDS, "validator"]),
        far=st.integers(0, 3),
    )
    def newcomer(self, which, kind, far) -> None:
        """Let a supplier come, and take its test up to the draw of its validators."""
        owner = self.one_of(["supplier:gpu-1", "supplier:val-7"], which)
        name = self.new_name("n")
        self.does(offer(name, kind, owner, slots=1 + which % 3))
        if far > 0:
            self.does(RequestCertification(name, owner))
        if far > 1:
            self.does(DeliverTask(f"certify:{name}:1", 0, owner, ROOT))
        if far > 2:
            self.reveals_link()
            self.does(DrawValidators(f"certify:{name}:1", 0))

    @staticmethod
    def truth(canary) -> bool:
        return canary.removesuffix("x")[-1] in "02468"

    @rule(units=st.integers(1, 20))
    def post_canary(self, units) -> None:
        name = self.new_name("c")
        digest = canary_digest(name, SALT, passed=self.truth(name))
        need = Need("training")
        self.does(PostCanary(name, "training", need, ROOT, digest, units))

    @rule(time=st.sampled_from([1, MINUTE // 2, MINUTE, 10 * MINUTE, HOUR]))
    def wait(self, time) -> None:
        self.market.at(self.state.now() + time)

    @rule(sentiment=st.sampled_from([0, 100 * MICRO, 10**6 * MICRO]))
    def close_day(self, sentiment) -> None:
        income = sum(self.market.held(f"income:demo:{kind}") for kind in KINDS)
        assert self.does(CloseDay(self.state.economy().day, sentiment))
        self.closed += income

    def paydays(self):
        return [each for each in self.all_of(Payday) if each.due is not None]

    @precondition(lambda self: self.paydays())
    @rule(which=numbers)
    def pay(self, which) -> None:
        assert self.does(PayEarnings(self.one_of(self.paydays(), which).id))

    @rule(consumer=st.sampled_from(CONSUMERS), amount=st.integers(1, 5 * MICRO))
    def grant(self, consumer, amount) -> None:
        if self.does(GrantCredit(consumer, amount, "welcome")):
            self.given[consumer] += amount

    # What must be so

    @invariant()
    def escrow_is_the_price_of_open_jobs(self) -> None:
        jobs = self.all_of(Job)
        at_stake = sum(job.price for job in jobs if job.stage is JobStage.OPEN)
        assert self.market.held("escrow:jobs") == at_stake
        for job in jobs:
            hold = self.state.record(Hold, job.hold)
            assert (hold is not None) is bool(job.consumer)
            if hold is not None:
                pending = hold.status is HoldStatus.PENDING
                assert pending is (job.stage is JobStage.OPEN)
                assert hold.amount == job.price

    @invariant()
    def bonds_are_those_of_tasks_and_stakes_of_validators(self) -> None:
        jobs = self.all_of(Job)
        of_tasks = sum(task.bond for job in jobs for task in job.tasks)
        assert self.market.held("escrow:bonds") == of_tasks
        stakes = [each.stake for each in self.all_of(Resource)]
        assert min(stakes) >= 0
        assert self.market.held("escrow:stakes") == sum(stakes)
        for job in jobs:
            for task in job.tasks:
                assert not task.bond or task.stage in BONDED
                assert not task.bond or job.stage is JobStage.OPEN

    @invariant()
    def who_is_busy_has_something_to_do(self) -> None:
        has: Counter[str] = Counter()
        tested = set()
        for job, index in self.tasks(*HELD):
            # Nobody has delivered a canary.
            if not job.canary:
                has[job.tasks[index].resource] += 1
            if not job.consumer:
                tested.add(job.tasks[index].resource)
        for *_, audit in self.audits():
            has.update(each.resource for each in audit.verdicts)
        for track in self.all_of(Track):
            assert track.busy == has.pop(track.id, 0)
            can = self.market.record(Resource, track.id).can
            # Validators are drawn however busy; a test may come on top of all jobs.
            if can.kind in KINDS:
                assert track.busy <= can.slots + (track.id in tested)
            assert len(track.outcomes) <= min(track.total, 20)
        assert not has

    @invariant()
    def bench_has_no_gaps(self) -> None:
        staked = {
            each.id: each.place
            for each in self.all_of(Resource)
            if each.can.kind == "validator" and each.stage is Stage.STAKED
        }
        count = self.market.record(Roll, BENCH).count
        places = [self.market.record(Place, str(n + 1)) for n in range(count)]
        assert staked == {each.resource: int(each.id) for each in places}

    @invariant()
    def income_is_what_was_earned(self) -> None:
        earned: Counter[str] = Counter()
        today = self.state.economy().day
        for each in self.all_of(Earning):
            day, project, kind, _ = each.id.split(":")
            if int(day) == today:
                earned[f"{project}:{kind}"] += each.units
            assert self.market.record(Resource, each.resource).can.kind == kind
        incomes = [self.market.held(f"income:demo:{kind}") for kind in KINDS]
        assert incomes == [earned.pop(f"demo:{kind}", 0) for kind in KINDS]
        assert set(earned) <= {"-:validator"}
        over = [job for job in self.all_of(Job) if job.stage is not JobStage.OPEN]
        assert self.closed + sum(incomes) == sum(map(paid, over))

    @invariant()
    def pay_that_is_held_back_is_somebodys(self) -> None:
        lots = [lot for track in self.all_of(Track) for lot in track.lots]
        assert self.market.held("escrow:heldback:usd") == sum(lot.usd for lot in lots)
        assert self.market.held("escrow:heldback:token") == sum(
            lot.token for lot in lots
        )
        if not self.paydays():
            for kind in KINDS:
                assert self.market.held(f"suppliers:{kind}:usd") == 0
                assert self.market.held(f"suppliers:{kind}:token") == 0

    @invariant()
    def consumers_pay_for_settled_jobs_alone(self) -> None:
        for consumer in CONSUMERS:
            paid_in = OPENED.held(f"{consumer}:credit") + self.given[consumer]
            left = sum(self.market.held(f"{consumer}:{a}") for a in ("credit", "grant"))
            spent = sum(
                paid(job) for job in self.all_of(Job) if job.consumer == consumer
            )
            assert left == paid_in - spent - self.fees[consumer]

    @invariant()
    def jobs_end_whole_and_once(self) -> None:
        for job in self.all_of(Job):
            stages = {task.stage for task in job.tasks}
            if job.stage is JobStage.SETTLED:
                assert stages == {TaskStage.VALIDATED}
            elif job.stage is JobStage.REFUNDED:
                assert TaskStage.CANCELLED in stages
                assert stages <= {TaskStage.CANCELLED, TaskStage.VALIDATED}
            else:
                assert stages != {TaskStage.VALIDATED}
                if TaskStage.CANCELLED in stages:
                    assert TaskStage.DELIVERED in stages
            if job.stage is not JobStage.OPEN:
                assert self.ended.setdefault(job.id, job) == job

    @invariant()
    def panels_are_of_different_people(self) -> None:
        for name, index, audit in self.audits():
            job = self.market.record(Job, name)
            people = [self.owner(each.resource) for each in audit.verdicts]
            if job.stage is JobStage.OPEN and job.tasks[int(index)].resource:
                people.append(self.owner(job.tasks[int(index)].resource))
            people = [each.partition(":")[2] for each in people]
            people.append(job.consumer.partition(":")[2])
            assert len(set(people)) == len(people)
            for each in audit.verdicts:
                assert each.passed is None or each.digest
                assert each.bond

    # The end

    def teardown(self) -> None:
        """Bring all that was begun to its end: nothing is kept for ever."""
        rules = self.market.params.validation
        rules = replace(rules, validators_per_job=1, panel_max=1)
        self.market.params = replace(self.market.params, validation=rules)
        for command in (
            OpenAccounts("supplier:last"),
            Deposit("supplier:last:token", "token", 1000 * MICRO, "the last"),
            offer("last", "validator", "supplier:last", slots=1000),
            CertifyResource("last", "seen"),
            StakeCertificate("last", "supplier:last"),
        ):
            assert self.does(command)
        for name, index, audit in self.audits():
            self.reaches(audit.reveal_by)
            self.conclude_one(name, int(index))
        assert self.audits() == []
        for job, index in self.tasks(TaskStage.DELIVERED):
            if self.market.record(Job, job.id).stage is JobStage.OPEN:
                self.brings_to_an_end(job.id, index)
        waiting = (TaskStage.CREATED, TaskStage.MATCHED, TaskStage.ACCEPTED)
        for job, index in self.tasks(*waiting):
            self.reaches(job.deadline)
            if self.market.record(Job, job.id).stage is JobStage.OPEN:
                assert self.does(ExpireTask(job.id, index))
        self.close_day(0)
        while self.paydays():
            self.pay(0)
        for each in self.all_of(Resource):
            if each.stage is not Stage.RETIRED:
                assert self.does(RetireResource(each.id, each.owner))

        assert not any(job.stage is JobStage.OPEN for job in self.all_of(Job))
        left = [self.market.held(f"escrow:{a}") for a in ("jobs", "bonds", "stakes")]
        assert left == [0, 0, 0]
        assert self.market.record(Roll, BENCH).count == 0
        self.income_is_what_was_earned()
        self.pay_that_is_held_back_is_somebodys()
        assert (
            self.market.held("escrow:heldback:usd")
            == self.market.held("escrow:heldback:token")
            == 0
        )
        self.consumers_pay_for_settled_jobs_alone()

    def brings_to_an_end(self, job, index) -> None:
        """Have work checked by the last validator, or by another one."""
        for _ in range(50):
            # Who is silent too often has to say that it is there.
            if self.market.record(Resource, "last").stage is Stage.CERTIFIED:
                assert self.does(StakeCertificate("last", "supplier:last"))
            self.reveals_link()
            assert self.does(DrawValidators(job, index))
            drawn = self.state.record(Audit, f"{job}:{index}")
            passed = self.market.task(job, index).stage is TaskStage.VALIDATED
            if passed or (drawn is not None and not drawn.over):
                break
        if self.market.task(job, index).stage is TaskStage.DELIVERED:
            self.reaches(self.market.record(Audit, f"{job}:{index}").reveal_by)
            self.conclude_one(job, index)
        assert self.market.task(job, index).stage is not TaskStage.DELIVERED


TestDealings = Dealings.TestCase
TestDealings.settings = settings(
    max_examples=150,
    stateful_step_count=50,
    deadline=None,
    phases=set(Phase) - {Phase.explain},
)
