"""The scheduler and the books have one rule of who may do what, and one memory."""

from dataclasses import replace

from hypothesis import event, given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.protocol.conftest import IN_ORDER
from tests.service.network import (
    DAY,
    DOLLAR,
    MINUTE,
    ROOT,
    SALT,
    SECOND,
    START,
    TOKEN,
    Hashes,
    picture,
    tables,
)

from coopera.errors import Refusal
from coopera.ledger import NEVER
from coopera.protocol import jobs, supply, validation
from coopera.protocol.books import OpenBooks
from coopera.protocol.commands import OPERATOR, execute
from coopera.protocol.live import CloseDay
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.orders import (
    Audit,
    Job,
    JobStage,
    Need,
    Task,
    TaskStage,
    task_name,
    task_place,
)
from coopera.protocol.supply import Capability, Resource, Stage, Track
from coopera.service import Books, Request
from coopera.service.agenda import commands_due
from coopera.service.market import Market, reading
from coopera.service.market.bulk import load_many
from coopera.service.market.reading import load_few
from coopera.service.scheduler.needs import FILTERS
from coopera.service.scheduler.reference import failed
from coopera.store import MemoryStore
from coopera.units import AMOUNT_MAX, WAD, MicroUsd

PARAMS = IN_ORDER.params
PRICE, FREE = MicroUsd(1), MicroUsd(0)
NUMBERS = st.sampled_from([0, 1, 7, 8, 80, 1_000_000, 2**31, AMOUNT_MAX])
OFFERED = st.sampled_from([1, 7, 8, 80, 1_000_000])
words = st.sampled_from(["one", "two", "three"])
several = st.lists(words, max_size=2, unique=True).map(tuple)
SAME = {
    "kind": "kind",
    "device": "devices",
    "count": "count",
    "memory": "memory_gib",
    "region": "regions",
    "model": "model",
    "latency": "latency_ms",
    "price": "price",
    "reputation": "min_reputation",
    "history": "excluded",
}
"""What the books call unmet, and the filter of the scheduler."""


@st.composite
def tracks(draw):
    window = PARAMS.reputation.reputation_window_jobs
    outcomes = draw(st.text("10", max_size=window))
    return Track(
        "r1",
        outcomes,
        total=len(outcomes) + draw(st.sampled_from([0, 5])),
        busy=draw(st.integers(0, 3)),
        active_day=draw(st.integers(0, 40)),
    )


resources = st.builds(
    Resource,
    st.just("r1"),
    st.integers(1, 9),
    st.sampled_from(["supplier:ann", "supplier:bob"]),
    st.builds(
        Capability,
        words,
        words,
        OFFERED,
        OFFERED,
        words,
        OFFERED,
        several,
        NUMBERS.filter(lambda n: n <= AMOUNT_MAX),
        st.integers(1, 3),
    ),
    st.sampled_from([*Stage, Stage.STAKED, Stage.STAKED]),
)
names = st.lists(st.sampled_from(["r1", "r2", "r3"]), max_size=1).map(tuple)
tasks = st.builds(
    Task,
    st.builds(
        Need,
        words,
        several,
        NUMBERS,
        NUMBERS,
        several,
        NUMBERS,
        st.sampled_from(["", "one", "two"]),
        st.sampled_from([0, 1, WAD // 3, WAD // 2, WAD // 2 + 1, WAD]),
    ),
    st.just(1),
    NUMBERS,
    failed=names,
    declined=names,
)


@settings(max_examples=2_000)
@given(resource=resources, track=tracks(), task=tasks, data=st.data())
def test_scheduler_and_books_agree_on_who_can_do_a_task(resource, track, task, data):
    consumer = data.draw(st.sampled_from(["consumer:ann", "consumer:eve"]))
    # Mostly of the right kind: else no other rule would ever be looked at.
    if data.draw(st.booleans()):
        task = replace(task, need=replace(task.need, kind=resource.can.kind))
    job = Job("j1", consumer, "p", "demo", PRICE, FREE, 1, NEVER, (task,))
    day = 40
    unmet = jobs.what_is_unmet(PARAMS, day, task, resource, track)
    offered = reading.is_offered(PARAMS, day, resource, track)
    assert offered or unmet in ("kind", "certificate", "activity")

    own = resource.owner.partition(":")[2] == consumer.partition(":")[2]
    full = track.busy >= resource.can.slots
    ranking = reading.ranking_of(PARAMS)
    offer, need = reading.offer_of(resource, track, ranking), reading.need_of(job, task)
    failures = failed(offer, need, track.busy, ranking)
    if unmet not in ("certificate", "activity"):
        first = [each for each in FILTERS if each in failures and each in SAME.values()]
        assert bool(unmet) is bool(first)
        assert not unmet or SAME[unmet] in failures
    assert ("not_owner" in failures) is own
    assert ("slots" in failures) is full
    # And what `match_task` says, of all of them together.
    assert (offered and not failures) is (not unmet and not own and not full)


numbers = st.integers(0, 10**6)
"""To choose from what there is at the moment."""


class Histories(RuleBasedStateMachine):
    """Let all kinds of things happen: the market never loses track of the books."""

    def __init__(self):
        super().__init__()
        self.names = 0
        self.now = START
        self.store = MemoryStore()
        self.loses = False

    def loads(self, market):
        assert self.books.params is not None
        market.load(self.store, self.books.state, self.books.params)

    @initialize(
        load=st.sampled_from([load_few, load_many]),
        chance=st.sampled_from([0.0, 1.0]),
        validators=st.sampled_from([1, 4, 9]),
        panel=st.sampled_from([1, 3]),
        rate=st.sampled_from([1, 0.5]),
        links=st.booleans(),
    )
    def open(self, load, chance, validators, panel, rate, links):
        self.market = Market(
            Hashes() if links else None, load=load, random=lambda: chance
        )
        self.books = Books(self.store, self.market.saw)
        rules = {
            "validation": {"validators_per_job": panel, "validation_rate": rate},
            "market": {"dormant_days": 2, "exploration_rate": 0.5},
        }
        self.gives(OpenBooks(tables(**rules), 0, 0))
        for n in range(2):
            self.gives(
                OpenAccounts(f"consumer:c{n}"),
                Deposit(f"consumer:c{n}:credit", "usd", 500 * DOLLAR, f"c{n}"),
                OpenAccounts(f"supplier:c{n}"),
                Deposit(f"supplier:c{n}:token", "token", 900 * TOKEN, f"s{n}"),
            )
        for n in range(validators):
            self.gives(
                OpenAccounts(f"supplier:v{n}"),
                Deposit(f"supplier:v{n}:token", "token", 900 * TOKEN, f"v{n}"),
            )
            self.offers_one(f"v{n}", f"supplier:v{n}", supply.VALIDATOR, 0, 3)
        for n in range(3):
            self.comes(n, "training", n, 1 + n % 2)
            self.order(n % 2, 2 * DOLLAR, n * DOLLAR, n + 1, DAY)

    def gives(self, *commands):
        """Give commands in one group, and let the market follow: which were done."""
        if not self.market.loaded and self.books.params:
            self.loads(self.market)
        made = [self.request(each) for each in commands]
        outcomes = self.books.run(made, self.now)
        for command, outcome in zip(commands, outcomes, strict=True):
            said = outcome.code if isinstance(outcome, Refusal) else "done"
            event(f"{type(command).__name__}: {said}")
        self.follows()
        if self.loses:
            # The commit fails: nothing of it has ever happened.
            self.loses = False
            self.books.reload()
            self.loads(self.market)
            self.books.run([], self.now)
            self.follows()
        batch = self.books.take()
        if batch.receipts:
            self.store.write(batch)
        self.books.written(outcomes)
        return [not isinstance(each, Exception) for each in outcomes]

    def request(self, command):
        self.names += 1
        return Request(f"key-{self.names:08}", OPERATOR, command)

    def follows(self):
        if self.books.params is None:
            return
        if not self.market.loaded:
            self.loads(self.market)
        for _ in range(50):
            commands = self.market.follow(self.books.state, 4)
            if not commands and not self.market.busy:
                return
            made = [self.request(each) for each in commands]
            done = self.books.run(made, self.now)
            for command, outcome in zip(commands, done, strict=True):
                if isinstance(outcome, Refusal):
                    event(f"refused {type(command).__name__}: {outcome.code}")
                    self.market.refused(command, outcome)
        raise AssertionError("the market comes to no end")

    def all_of(self, kind):
        return list(self.books.state.records(kind).values())

    def tasks(self, *stages):
        return [
            (job, index)
            for job in self.all_of(Job)
            if job.stage is JobStage.OPEN
            for index, task in enumerate(job.tasks)
            if task.stage in stages
        ]

    def owner(self, resource):
        found = self.books.state.record(Resource, resource)
        assert found is not None
        return found.owner

    def offers_one(self, name, owner, kind, price, slots):
        what = ("cpu", 1, 8, "eu", 9, price, slots)
        self.gives(
            supply.RegisterResource(name, owner, kind, *what),
            supply.CertifyResource(name, "seen"),
            supply.StakeCertificate(name, owner),
        )

    @rule(
        whose=st.integers(0, 1),
        kind=st.sampled_from(["training", "training", "inference"]),
        price=st.integers(0, 2),
        slots=st.integers(1, 2),
    )
    def comes(self, whose, kind, price, slots):
        self.names += 1
        name, owner = f"r{self.names}x", f"supplier:c{whose % 2}"
        self.offers_one(name, owner, kind, price * DOLLAR // 2, slots)

    @rule(
        who=st.integers(0, 1),
        price=st.sampled_from([DOLLAR, 2 * DOLLAR]),
        incentive=st.sampled_from([0, 0, DOLLAR]),
        count=st.integers(1, 3),
        time=st.sampled_from([2 * MINUTE, DAY]),
    )
    def order(self, who, price, incentive, count, time):
        self.names += 1
        needs = (Need("training"),) * count
        self.gives(
            jobs.CreateJob(
                *(f"j{self.names}x", f"consumer:c{who}", "training", "demo"),
                *(price, 5_000_000, needs, self.now + time, incentive, 10),
            )
        )

    @precondition(lambda self: self.tasks(TaskStage.MATCHED))
    @rule(which=numbers, accept=st.sampled_from([True, True, False]))
    def answer(self, which, accept):
        job, index = one_of(self.tasks(TaskStage.MATCHED), which)
        answer = jobs.AcceptTask if accept else jobs.DeclineTask
        self.gives(answer(job.id, index, self.owner(job.tasks[index].resource)))

    @precondition(lambda self: self.tasks(TaskStage.MATCHED, TaskStage.ACCEPTED))
    @rule(which=numbers)
    def work(self, which):
        found = self.tasks(TaskStage.MATCHED, TaskStage.ACCEPTED)
        job, index = one_of(found, which)
        owner = self.owner(job.tasks[index].resource)
        self.gives(jobs.AcceptTask(job.id, index, owner))
        self.gives(jobs.DeliverTask(job.id, index, owner, ROOT))

    @precondition(lambda self: self.tasks(TaskStage.MATCHED, TaskStage.ACCEPTED))
    @rule(which=numbers, says=st.sampled_from([True, True, False]))
    def work_and_judge(self, which, says):
        found = self.tasks(TaskStage.MATCHED, TaskStage.ACCEPTED)
        job, index = one_of(found, which)
        self.work(which)
        self.pass_time(SECOND, 0)
        audit = self.books.state.record(Audit, f"{job.id}:{index}")
        if audit and audit.panel and not audit.over:
            self.judge_one(audit, says, everybody=True)

    @precondition(lambda self: self.panels())
    @rule(
        which=numbers,
        says=st.sampled_from([True, True, False]),
        everybody=st.booleans(),
    )
    def judge(self, which, says, everybody):
        self.judge_one(one_of(self.panels(), which), says, everybody=everybody)

    def judge_one(self, audit, says, *, everybody):
        job, index = task_place(audit.id)
        panel = audit.panel if everybody else audit.panel[:1]
        for each in panel:
            digest = validation.verdict_digest(
                *(job, index, each.resource, SALT), passed=says
            )
            given = (job, index, each.resource, self.owner(each.resource))
            self.gives(validation.CommitVerdict(*given, digest))
        for each in panel:
            given = (job, index, each.resource, self.owner(each.resource))
            self.gives(validation.RevealVerdict(*given, passed=says, salt=SALT))

    def panels(self):
        return [each for each in self.all_of(Audit) if not each.over and each.panel]

    @rule(which=numbers)
    def cancel(self, which):
        found = [each for each in self.all_of(Job) if each.consumer]
        if found:
            job = one_of(found[::-1], which % 5)
            self.gives(jobs.CancelJob(job.id, job.consumer))

    @rule(
        which=numbers,
        do=st.sampled_from(["revoke", "retire", "certify", "stake", "test", "reprice"]),
    )
    def come_or_go(self, which, do):
        resource = one_of(self.all_of(Resource)[::-1], which)
        name, owner, slots = resource.id, resource.owner, resource.can.slots
        command = {
            "revoke": supply.RevokeCertificate(name, "asleep"),
            "retire": supply.RetireResource(name, owner),
            "certify": supply.CertifyResource(name, "seen again"),
            "stake": supply.StakeCertificate(name, owner),
            "test": jobs.RequestCertification(name, owner),
            "reprice": supply.RepriceResource(name, owner, 0, 1 + which % (slots + 1)),
        }[do]
        self.gives(command)

    @rule(
        time=st.sampled_from([SECOND, 10 * SECOND, MINUTE, 600 * SECOND, DAY]),
        days=st.sampled_from([0, 0, 0, 1, 3]),
    )
    def pass_time(self, time, days):
        self.now += time
        closes = self.books.state.economy().day
        for day in range(closes, closes + days):
            self.gives(CloseDay(day))
        due = self.store.due(self.now)
        for command in list(commands_due(self.books.state, due, self.now)):
            self.gives(command)
        self.gives()

    @rule()
    def lose_the_next_commit(self):
        self.loses = True

    @invariant()
    def market_knows_what_the_books_say(self):
        if not hasattr(self, "books"):
            return
        again = Market(random=lambda: 1.0)
        state = self.books.state
        self.loads(again)
        judging, now = self.market._judging, state.now()
        for each in again.follow(state, 10**6):
            # What was refused a moment ago is tried again in a while.
            assert isinstance(each, validation.DrawValidators), each
            name = task_name(each.job, each.task)
            assert not judging._may(name, now), each
        assert picture(self.market) == picture(again)

    @invariant()
    def nothing_is_left_that_could_be_matched(self):
        if not hasattr(self, "books"):
            return
        state, params = self.books.state, self.books.params
        for job, index in self.tasks(TaskStage.CREATED):
            for resource in self.all_of(Resource):
                match = jobs.MatchTask(job.id, index, resource.id)
                try:
                    execute(state, params, OPERATOR, match)
                except Refusal:
                    continue
                raise AssertionError(f"{resource.id} could have {job.id}:{index}")

    @invariant()
    def nothing_is_left_that_could_be_concluded(self):
        if not hasattr(self, "books"):
            return
        state, params = self.books.state, self.books.params
        for audit in self.panels():
            conclude = validation.ConcludeAudit(*task_place(audit.id))
            try:
                execute(state, params, OPERATOR, conclude)
            except Refusal:
                continue
            raise AssertionError(f"{audit.id} could be concluded")


def one_of(choices, number):
    return choices[number % len(choices)]


TestHistories = Histories.TestCase
TestHistories.settings = settings(max_examples=60, stateful_step_count=40)
