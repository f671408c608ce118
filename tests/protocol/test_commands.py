"""
Every command: who may give it, what its numbers may be, what it refuses first.

The tables name every command; one that is missing fails the tests.
"""

from dataclasses import fields, replace
from itertools import combinations
from typing import Any

import pytest
from tests.protocol.market import (
    ANCHOR,
    CHAIN,
    ROOT,
    SALT,
    Market,
    in_order,
    offer,
    order,
)
from tests.protocol.training import (
    CODE,
    CREATOR,
    GIVERS,
    HOLDERS,
    NODES,
    PROOF,
    SCHEMA,
    TARGET,
    TRANSCRIPT,
    VALIDATION,
    Royal,
    digest,
)

from coopera.errors import (
    AccountClosed,
    AccountInUse,
    AccountNotEmpty,
    AlreadyExists,
    AmountTooLarge,
    CurrencyMismatch,
    DigestSeen,
    EpochOutOfOrder,
    HoldNotPending,
    HoldTooSmall,
    InsufficientBalance,
    Malformed,
    NegativeAmount,
    NoSeat,
    NotAllowed,
    NotAsCommitted,
    NotCertified,
    NotDrawn,
    NotEligible,
    NotProven,
    NotRefundable,
    PartsExceedWhole,
    ReferenceUsed,
    ResourceBusy,
    RoundOutOfOrder,
    StaleClaim,
    TooEarly,
    TooLate,
    UnknownAccount,
    UnknownAsset,
    UnknownKind,
    UnknownRecord,
    UnknownService,
    WrongStage,
    ZeroAmount,
)
from coopera.ledger import Account
from coopera.protocol.books import OpenBooks
from coopera.protocol.claims import Claimable
from coopera.protocol.commands import COMMANDS, KINDS, OPERATOR
from coopera.protocol.contribution import Contribute, ListContribution, ShareBudget
from coopera.protocol.data import (
    AuditData,
    CommitHistogram,
    DeclareRows,
    OfferData,
    RegisterData,
    ReturnDataStake,
    StakeData,
)
from coopera.protocol.holds import ExpireHolds, OpenHold, VoidHold
from coopera.protocol.jobs import (
    AcceptTask,
    CancelJob,
    CreateJob,
    DeclineTask,
    DeliverTask,
    ExpireTask,
    MatchTask,
    RequestCertification,
)
from coopera.protocol.launchpad import PayLaunchpad, ReturnStake
from coopera.protocol.listing import (
    ListAgent,
    ListData,
    ListGpu,
    ListModel,
    Retire,
)
from coopera.protocol.live import CloseDay, Payday, PayEarnings
from coopera.protocol.money import (
    CancelWithdrawal,
    CloseAccounts,
    ConfirmWithdrawal,
    Deposit,
    GrantCredit,
    Move,
    OpenAccounts,
    RefundCharge,
    RequestWithdrawal,
)
from coopera.protocol.orders import Earning, Job, Need, with_task
from coopera.protocol.rehearsal import CloseEpoch
from coopera.protocol.services import (
    CallAgent,
    CallModel,
    PayJob,
    Train,
)
from coopera.protocol.state import Diff
from coopera.protocol.supply import (
    CertifyResource,
    ClaimSeat,
    RegisterResource,
    RepriceResource,
    Resource,
    RetireResource,
    RevokeCertificate,
    Seats,
    StakeCertificate,
)
from coopera.protocol.training import (
    AbandonRound,
    AggregateRound,
    ChallengeRound,
    CreateTraining,
    FinishTraining,
    FinishWork,
    ResolveChallenge,
    SelectNodes,
    ShareRound,
    StartRound,
    VerifyWork,
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
from coopera.protocol.vaults import (
    ClaimRoyalty,
    CollectRevenue,
    MoveUnits,
    PayRoyalty,
    PublishClaims,
)
from coopera.units import AMOUNT_MAX, MICRO, WAD, MicroToken, MicroUsd

NOW = 1_700_000_000_000_000
LATER = NOW + 3600_000_000

ALICE = "consumer:alice:credit"
HAL = "holder:hal:token"
SERVED = (("supplier:gpu-1", 1),)
GPU_1, VAL_0 = "supplier:gpu-1", "supplier:val-0"
DIGEST = "cd" * 32
CHEAP = {"unit_price": MICRO, "quantity": MICRO, "deadline": LATER}

DAN, ELI, FAY = GIVERS
HASH = f"0x{DIGEST}"
COUNTS = (3, 2, 1, 0)
EARNED = 1
"""Stands for what was earned; the world knows it."""

CHARGED = 1
"""Stands for the number of the receipt that charged; the world knows it."""

IN_ORDER: dict[type, Any] = {
    type(command): command
    for command in (
        OpenBooks("{}"),
        OpenAccounts("consumer:new"),
        CloseAccounts("creator:tool-1"),
        Deposit(ALICE, "usd", 5, "ch_2"),
        RequestWithdrawal("w2", ALICE, "usd", 5),
        ConfirmWithdrawal("w1", "po_1"),
        CancelWithdrawal("w1"),
        GrantCredit("consumer:alice", 5, "welcome"),
        Move("supplier:gpu-1:usd", ALICE, "usd", 5),
        RefundCharge(CHARGED, 5, "it failed"),
        OpenHold("h2", "consumer:alice", 5, LATER),
        VoidHold("h1"),
        ExpireHolds(("old",)),
        ListModel("own", "creator:ann", 1, 1, 5),
        ListAgent("writer", "creator:eve", "own", 1, 1, "creator:dev"),
        ListGpu("a100", 1),
        ListData("text", 1),
        CallAgent(
            "consumer:alice", "writer", 1, 1, SERVED, (("creator:tool-1", 1),), "h1"
        ),
        CallModel("consumer:alice", "own", 1, 1, SERVED, "h1"),
        Train(
            "consumer:alice",
            (("supplier:gpu-1", "a100", 1),),
            (("contributor:dan", "text", 1),),
        ),
        PayJob("consumer:alice", "training", 5, (("training", "supplier:gpu-1", 1),)),
        PayLaunchpad(
            "buy", "writer", "supplier:gpu-1:usd", "usd", 5, "creator:eve:usd"
        ),
        ReturnStake("left", HAL),
        Retire("agent", "writer", "creator:eve"),
        ListContribution("label", 1),
        Contribute("contributor:dan", (("label", 1),)),
        ShareBudget("usd", 5),
        RegisterResource(
            "new", GPU_1, "training", "h100", 8, 80, "eu", 9, 5, 2, ("x",)
        ),
        RepriceResource("idle", GPU_1, 5, 2),
        CertifyResource("raw", "seen"),
        RequestCertification("raw", GPU_1),
        StakeCertificate("certified", GPU_1),
        RevokeCertificate("idle", "lost"),
        ClaimSeat("seated", GPU_1),
        RetireResource("idle", GPU_1),
        order("j9", **CHEAP),
        CancelJob("created", "consumer:alice"),
        MatchTask("created", 0, "t1"),
        AcceptTask("matched", 0, GPU_1),
        DeclineTask("matched", 0, GPU_1),
        DeliverTask("accepted", 0, GPU_1, ROOT),
        ExpireTask("late", 0),
        OpenBeacon(ANCHOR),
        RevealLink(CHAIN[1]),
        DrawValidators("delivered", 0),
        CommitVerdict("drawn", 0, "v0", VAL_0, DIGEST),
        RevealVerdict("committed", 0, "v0", VAL_0, passed=True, salt=SALT),
        ConcludeAudit("revealed", 0),
        PostCanary("bird-2", "training", Need("training"), ROOT, DIGEST),
        RevealCanary("bird", passed=True, salt=SALT),
        CreateTraining(
            "new", CREATOR, "federated", CODE, VALIDATION, SCHEMA, 4, 9, (("over", 1),)
        ),
        StartRound("begun", CREATOR, 1, DIGEST),
        SelectNodes("started", CREATOR, 1, NODES),
        FinishWork("running", 1, GPU_1, DIGEST, 5),
        VerifyWork("running", 1, "supplier:gpu-2", valid=True, samples=5),
        AggregateRound("worked", CREATOR, 1, TARGET, SALT, TRANSCRIPT, ((GPU_1, 1),)),
        ChallengeRound("aggregated", 1, DAN, DIGEST),
        ResolveChallenge("challenged", 1, upheld=False),
        ShareRound("sharing", 1),
        AbandonRound("running", CREATOR, 1),
        FinishTraining("digits", CREATOR),
        RegisterData("new", "begun", DAN, DIGEST, SCHEMA, HASH, PROOF),
        DeclareRows("bare", DAN, (DIGEST,)),
        CommitHistogram("declared", DAN, DIGEST),
        AuditData("committed", 6, 6),
        StakeData("begun", DAN, 5),
        ReturnDataStake("begun", DAN),
        OfferData("audited", DAN, 1, COUNTS, SALT),
        PayRoyalty("digits", f"{CREATOR}:usd", "usd", 5),
        CollectRevenue("digits"),
        MoveUnits("digits", DAN, FAY, 5),
        PublishClaims(2, HASH, 1),
        ClaimRoyalty(DAN, "digits", "usd", EARNED, 1, ()),
        CloseDay(0),
        PayEarnings("0:demo:training"),
        CloseEpoch(0, (), MicroUsd(0), (0, 0), (0, 0)),
    )
}

CONCERNED: dict[type, str] = {
    CloseAccounts: "creator:tool-1",
    RequestWithdrawal: "consumer:alice",
    Move: "supplier:gpu-1",
    OpenHold: "consumer:alice",
    ListAgent: "creator:eve",
    PayLaunchpad: "supplier:gpu-1",
    ReturnStake: "holder:hal",
    Retire: "creator:eve",
    RegisterResource: GPU_1,
    RepriceResource: GPU_1,
    RequestCertification: GPU_1,
    StakeCertificate: GPU_1,
    ClaimSeat: GPU_1,
    RetireResource: GPU_1,
    CreateJob: "consumer:alice",
    CancelJob: "consumer:alice",
    AcceptTask: GPU_1,
    DeclineTask: GPU_1,
    DeliverTask: GPU_1,
    CommitVerdict: VAL_0,
    RevealVerdict: VAL_0,
    CreateTraining: CREATOR,
    StartRound: CREATOR,
    SelectNodes: CREATOR,
    FinishWork: GPU_1,
    AggregateRound: CREATOR,
    ChallengeRound: DAN,
    AbandonRound: CREATOR,
    FinishTraining: CREATOR,
    RegisterData: DAN,
    DeclareRows: DAN,
    CommitHistogram: DAN,
    StakeData: DAN,
    ReturnDataStake: DAN,
    OfferData: DAN,
    PayRoyalty: CREATOR,
    MoveUnits: DAN,
    ClaimRoyalty: DAN,
}
"""The member that may give the command itself."""

OPERATOR_ALONE: set[type] = {
    OpenBooks,
    OpenAccounts,
    Deposit,
    ConfirmWithdrawal,
    CancelWithdrawal,
    GrantCredit,
    RefundCharge,
    VoidHold,
    ExpireHolds,
    ListModel,
    ListGpu,
    ListData,
    CallAgent,
    CallModel,
    Train,
    PayJob,
    ListContribution,
    Contribute,
    ShareBudget,
    CertifyResource,
    RevokeCertificate,
    MatchTask,
    ExpireTask,
    OpenBeacon,
    RevealLink,
    DrawValidators,
    ConcludeAudit,
    PostCanary,
    RevealCanary,
    VerifyWork,
    ResolveChallenge,
    ShareRound,
    AuditData,
    CollectRevenue,
    PublishClaims,
    CloseDay,
    PayEarnings,
    CloseEpoch,
}

EVERYBODY = (
    "consumer:alice",
    "consumer:bob",
    "supplier:gpu-1",
    "supplier:gpu-2",
    "creator:ann",
    "creator:dev",
    "creator:eve",
    "creator:tool-1",
    "contributor:dan",
    "holder:hal",
)

NONSENSE = (
    "",
    " ",
    "Operator",
    "OPERATOR",
    "operator ",
    " operator",
    "operator\n",
    "operator:operator",
    "admin",
    "root",
    "None",
    "consumer",
    "consumer:",
    ":alice",
    "consumer:alice ",
    "consumer:alice:credit",
    "supplier:alice",
    "consumer:gpu-1",
    "reserve:usd",
    "escrow",
    None,
    0,
    True,
    b"operator",
)


def prepare(world):
    """Prepare a world so that each command in order is done."""
    world.do(OpenHold("old", "consumer:alice", 5, NOW + 1))
    world.at(NOW + 1)
    world.do(OpenHold("h1", "consumer:alice", 1000, LATER))
    world.do(RequestWithdrawal("w1", ALICE, "usd", 5))
    world.do(RequestWithdrawal("w0", ALICE, "usd", 5))
    world.do(CancelWithdrawal("w0"))
    world.do(Contribute("contributor:dan", (("label", 1),)))
    world.do(ListAgent("left", "creator:eve", "open", 1, 1))
    for agent in ("writer", "left"):
        world.do(PayLaunchpad("stake", agent, HAL, "token", 500))
    world.do(Retire("agent", "left", "creator:eve"))
    market = in_order(world, validators=3, slots=9)
    market.do(offer("raw"))
    market.do(offer("certified"))
    market.do(CertifyResource("certified", "seen"))
    market.offers("idle")
    market.offers("seated", "inference")
    seated = replace(market.record(Resource, "seated"), project="demo")
    nothing = MicroUsd(0), MicroToken(0)
    taken = Diff(
        records=(
            seated,
            Seats("demo", (0, 1)),
            Earning("0:demo:training:1", "idle", 5),
            Payday("0:demo:training", 5, *nothing, earners=1, since=NOW),
            Payday("0:demo:inference", 5, *nothing, earners=1, since=NOW, paid=1),
        )
    )
    market.state = market.state.after(taken)
    economy = market.state.economy()
    phase2 = replace(economy.projects[0], phase=2)
    market.do(order("late", **{**CHEAP, "deadline": NOW + 60 * MICRO + 2}))
    for name in STAGES:
        market.do(order(name, **CHEAP))
    market.do(MatchTask("matched", 0, "t1"))
    market.accepts(job="accepted")
    market.do(PostCanary("bird", "training", Need("training"), ROOT, TRUTH))
    for name in STAGES[3:]:
        market.delivers(job=name)
    market.do(RevealLink(CHAIN[0]))
    for name in (*STAGES[4:], "bird"):
        market.do(DrawValidators(name, 0))
    for name in ("committed", "revealed", "bird"):
        for n in range(3):
            digest = verdict_digest(name, 0, f"v{n}", SALT, passed=True)
            market.do(CommitVerdict(name, 0, f"v{n}", f"supplier:val-{n}", digest))
    for name in ("revealed", "bird"):
        for n in range(3):
            owner = f"supplier:val-{n}"
            market.do(RevealVerdict(name, 0, f"v{n}", owner, passed=True, salt=SALT))
    market.at(NOW + 60 * MICRO + 2)
    # An hour is too long for the one that waits to be accepted.
    job = market.record(Job, "matched")
    waiting = replace(job.tasks[0], due=LATER)
    market.state = market.state.after(Diff(records=(with_task(job, 0, waiting),)))
    market.state = replace(
        market.state,
        economy_=replace(economy, projects=(phase2, *economy.projects[1:])),
    )
    train(market)
    market.do(CallModel("consumer:alice", "own", 2600, 0, SERVED))
    return market


def train(world):
    """Bring trainings to each of their stages, and one to what it earns."""
    royal = Royal(world.params, world.state)
    for owner in HOLDERS:
        if royal.state.record(Account, f"{owner}:usd") is None:
            royal.do(OpenAccounts(owner))
    royal.do(Deposit(f"{CREATOR}:usd", "usd", 100 * MICRO, "wire-1"))
    royal.do(Deposit(f"{DAN}:token", "token", 100 * MICRO, "0xd"))
    for name in ("begun", *ROUNDS, "digits", "over"):
        royal.begin(name)
    royal.do(FinishTraining("over", CREATOR))
    royal.do(StakeData("begun", DAN, MICRO))
    for name in ROUNDS:
        royal.set(challenge_seconds=0 if name == "sharing" else 3600)
        royal.start(name=name, nodes=NODES if name != "started" else ())
    royal.do(FinishWork("running", 1, NODES[1], digest("done"), 5))
    royal.do(RegisterData("bare", "running", DAN, ROOT, SCHEMA, HASH, PROOF))
    royal.do(RegisterData("declared", "running", DAN, CODE, SCHEMA, HASH, PROOF))
    royal.do(DeclareRows("declared", DAN, (ROOT,)))
    for name in ("committed", "audited", "bad"):
        royal.register(name, COUNTS, training="running")
    royal.do(AuditData("audited", 6, 6))
    royal.do(AuditData("bad", 6, 0))
    royal.do(StakeData("running", DAN, MICRO))
    royal.give("offered", COUNTS, training="running")
    for name in ROUNDS[2:]:
        royal.work(name=name)
    for name in ROUNDS[3:]:
        royal.aggregate(name=name)
    royal.do(ChallengeRound("challenged", 1, FAY, DIGEST))
    royal.do(ResolveChallenge("challenged", 1, upheld=False))
    royal.do(ChallengeRound("challenged", 1, ELI, DIGEST))
    royal.set(challenge_seconds=0)
    royal.play(given={DAN: (60, 30, 9, 1)})
    royal.earn(100)
    royal.do(PublishClaims(1, claim_of(royal.earned(DAN)).leaf, 1))
    world.state = royal.state


ROUNDS = (
    *("started", "running", "worked"),
    *("aggregated", "challenged", "sharing"),
)
"""Trainings, by what becomes of their first round."""


def claim_of(earned):
    return Claimable("digits", "usd", DAN, earned)


STAGES = (
    *("created", "matched", "accepted"),
    *("delivered", "drawn", "committed", "revealed"),
)
"""Jobs, by the stage that they are brought to."""

TRUTH = canary_digest("bird", SALT, passed=True)


@pytest.fixture(scope="module")
def _ready(in_order_again):
    return prepare(in_order_again())


@pytest.fixture
def ready(_ready):
    """Return a world in which each command in order is done."""
    return Market(_ready.params, _ready.state)


def filled(world, command):
    """Put the number of the receipt that charged into a command."""
    if isinstance(command, RefundCharge) and command.receipt == CHARGED:
        return replace(command, receipt=world.receipt)
    if isinstance(command, ClaimRoyalty) and command.cumulative == EARNED:
        royal = Royal(world.params, world.state)
        return replace(command, cumulative=royal.earned(DAN))
    return command


def names(commands):
    return {command.__name__ for command in commands}


def by_name(command):
    return command.__name__


# Who may give them


def test_tables_name_every_command():
    assert names(IN_ORDER) == names(COMMANDS)
    assert names(CONCERNED) | names(OPERATOR_ALONE) == names(COMMANDS)
    assert not names(CONCERNED) & names(OPERATOR_ALONE)


def test_every_command_has_a_name_of_its_own():
    assert len(KINDS) == len(COMMANDS)
    assert all(KINDS[rule.kind] is cls for cls, rule in COMMANDS.items())


# Where suppliers are registered, no day is closed as one of members that are counted;
# tests/protocol/test_epoch.py does so.
@pytest.mark.parametrize("kind", [*IN_ORDER][1:-1], ids=by_name)
def test_operator_gives_any_command_once_the_books_are_open(ready, kind):
    ready.refuses(AlreadyExists, IN_ORDER[OpenBooks], OPERATOR)
    ready.do(filled(ready, IN_ORDER[kind]), OPERATOR)


@pytest.mark.parametrize("kind", CONCERNED, ids=by_name)
def test_member_gives_what_concerns_it(ready, kind):
    ready.do(filled(ready, IN_ORDER[kind]), CONCERNED[kind])


@pytest.mark.parametrize("kind", IN_ORDER, ids=by_name)
def test_nobody_else_gives_it(ready, kind):
    command = filled(ready, IN_ORDER[kind])
    for caller in (*EVERYBODY, *NONSENSE):
        if caller != CONCERNED.get(kind):
            ready.refuses(NotAllowed, command, caller)


@pytest.mark.parametrize("kind", IN_ORDER, ids=by_name)
def test_who_may_not_learns_nothing_of_what_is_wrong(ready, kind):
    # Whatever else is wrong, the caller comes first.
    spoiled = {
        each.name: -1
        for each in fields(kind)
        if isinstance(getattr(IN_ORDER[kind], each.name), int)
    }
    ready.refuses(NotAllowed, replace(IN_ORDER[kind], **spoiled), "consumer:mallory")


@pytest.mark.parametrize(
    ("caller", "path", "asset"),
    [
        ("reserve:usd", "reserve:usd:operations", "usd"),
        ("escrow", "escrow:credit", "usd"),
        ("escrow:withdrawals", "escrow:withdrawals:usd", "usd"),
        ("market", "market:usd", "usd"),
        ("", "issuance", "token"),
        ("fund", "fund:team", "token"),
    ],
)
def test_who_calls_itself_as_an_account_of_the_network_moves_nothing(
    world, caller, path, asset
):
    other = {"usd": "supplier:gpu-1:usd", "token": HAL}[asset]
    for command in (
        Move(path, other, asset, 1),
        RequestWithdrawal("x", path, asset, 1),
        PayLaunchpad("buy", "writer", path, asset, 1, other),
        PayLaunchpad("stake", "writer", path, asset, 1),
        Deposit(path, asset, 1, "x"),
    ):
        world.refuses(NotAllowed, command, caller)
    refusal = UnknownRecord if caller else NotAllowed
    world.refuses(refusal, ReturnStake("writer", path), caller)


@pytest.mark.parametrize("caller", ["escrow", "reserve:usd", "market", "consumers:x"])
def test_who_is_no_consumer_reserves_nothing(world, caller):
    world.refuses(Malformed, OpenHold("x", caller, 1, LATER), caller)


def test_who_is_nobody_does_nothing(world):
    world.refuses(NotAllowed, OpenHold("x", "", 1, LATER), "")


@pytest.mark.parametrize("command", [None, 5, "deposit", {}, Deposit])
@pytest.mark.parametrize("caller", [OPERATOR, "consumer:alice", ""])
def test_what_is_no_command_is_refused_from_anybody(world, command, caller):
    world.refuses(Malformed, command, caller)


# Numbers


WRITTEN = [1.5, 5.0, True, False, "5", "", None]
TOO_LARGE = [AMOUNT_MAX + 1, 2**53, 2**63, 2**64, 10**40]


def one_of(kind, name, at, place):
    """Spoil one number within a field that has several."""

    def spoil(value):
        rows = [list(row) for row in getattr(IN_ORDER[kind], name)]
        rows[at][place] = value
        return {name: tuple(map(tuple, rows))}

    return spoil


def row_of(kind, name, at):
    """Spoil one number of a field that is a row of them."""

    def spoil(value):
        row = getattr(IN_ORDER[kind], name)
        return {name: (*row[:at], value, *row[at + 1 :])}

    return spoil


def field_of(name):
    return lambda value: {name: value}


AMOUNTS = [
    (OpenAccounts, field_of("limit"), ZeroAmount),
    (Deposit, field_of("amount"), ZeroAmount),
    (RequestWithdrawal, field_of("amount"), ZeroAmount),
    (GrantCredit, field_of("amount"), ZeroAmount),
    (Move, field_of("amount"), ZeroAmount),
    (RefundCharge, field_of("amount"), ZeroAmount),
    (RefundCharge, field_of("receipt"), UnknownRecord),
    (OpenHold, field_of("amount"), ZeroAmount),
    (ListModel, field_of("input_price"), None),
    (ListModel, field_of("output_price"), None),
    (ListAgent, field_of("input_price"), None),
    (ListAgent, field_of("output_price"), None),
    (ListGpu, field_of("price"), None),
    (ListData, field_of("price"), None),
    (CallAgent, field_of("input_tokens"), None),
    (CallAgent, field_of("output_tokens"), None),
    (CallAgent, one_of(CallAgent, "compute", 0, 1), Malformed),
    (CallAgent, one_of(CallAgent, "tools", 0, 1), Malformed),
    (CallModel, field_of("input_tokens"), None),
    (CallModel, field_of("output_tokens"), None),
    (CallModel, one_of(CallModel, "compute", 0, 1), Malformed),
    (Train, one_of(Train, "compute", 0, 2), None),
    (Train, one_of(Train, "data", 0, 2), None),
    (PayJob, field_of("price"), ZeroAmount),
    (PayJob, one_of(PayJob, "work", 0, 2), UnknownKind),
    (PayLaunchpad, field_of("amount"), ZeroAmount),
    (ListContribution, field_of("price"), None),
    (Contribute, one_of(Contribute, "given", 0, 1), ZeroAmount),
    (ShareBudget, field_of("amount"), ZeroAmount),
    (RegisterResource, field_of("count"), Malformed),
    (RegisterResource, field_of("memory_gib"), None),
    (RegisterResource, field_of("latency_ms"), Malformed),
    (RegisterResource, field_of("price"), None),
    (RegisterResource, field_of("slots"), Malformed),
    (RepriceResource, field_of("price"), None),
    (RepriceResource, field_of("slots"), Malformed),
    (CreateJob, field_of("unit_price"), ZeroAmount),
    (CreateJob, field_of("quantity"), ZeroAmount),
    (CreateJob, field_of("incentive"), None),
    (CreateJob, field_of("units"), ZeroAmount),
    (MatchTask, field_of("task"), None),
    (AcceptTask, field_of("task"), None),
    (DeclineTask, field_of("task"), None),
    (DeliverTask, field_of("task"), None),
    (DeliverTask, field_of("work"), ZeroAmount),
    (ExpireTask, field_of("task"), None),
    (DrawValidators, field_of("task"), None),
    (CommitVerdict, field_of("task"), None),
    (RevealVerdict, field_of("task"), None),
    (ConcludeAudit, field_of("task"), None),
    (PostCanary, field_of("units"), ZeroAmount),
    (PostCanary, field_of("price"), None),
    (CreateTraining, field_of("cells"), ZeroAmount),
    (CreateTraining, field_of("rounds"), None),
    (StartRound, field_of("number"), ZeroAmount),
    (SelectNodes, field_of("number"), ZeroAmount),
    (FinishWork, field_of("number"), ZeroAmount),
    (FinishWork, field_of("samples"), None),
    (VerifyWork, field_of("number"), ZeroAmount),
    (VerifyWork, field_of("samples"), None),
    (AggregateRound, field_of("number"), ZeroAmount),
    (AggregateRound, row_of(AggregateRound, "counts", 0), NotAsCommitted),
    (ChallengeRound, field_of("number"), ZeroAmount),
    (ResolveChallenge, field_of("number"), ZeroAmount),
    (ShareRound, field_of("number"), ZeroAmount),
    (AbandonRound, field_of("number"), ZeroAmount),
    (AuditData, field_of("checked"), ZeroAmount),
    (AuditData, field_of("valid"), None),
    (StakeData, field_of("amount"), ZeroAmount),
    (OfferData, field_of("number"), ZeroAmount),
    (OfferData, row_of(OfferData, "counts", 1), NotAsCommitted),
    (PayRoyalty, field_of("amount"), ZeroAmount),
    (MoveUnits, field_of("amount"), ZeroAmount),
    (PublishClaims, field_of("epoch"), ZeroAmount),
    (PublishClaims, field_of("claims"), ZeroAmount),
    (ClaimRoyalty, field_of("cumulative"), ZeroAmount),
    (ClaimRoyalty, field_of("epoch"), None),  # no part of a leaf
    (CloseDay, field_of("day"), None),
    (CloseDay, field_of("sentiment"), None),
]
"""Every number of a command, and what zero is refused with, if at all."""

OTHERWISE = {
    OpenBooks: {"dollar_reserve", "day_seconds"},  # tested with the opening
    OpenHold: {"expires_at"},  # a moment
    CreateJob: {"deadline"},  # a moment
    ListModel: {"fraction"},  # of one, and not to be given
    CreateTraining: {"parents"},  # parts of one
    AggregateRound: {"values"},  # may be below zero
    CloseEpoch: {"day", "sentiment"},  # tested with the close of a day
}
"""Numbers that are no amounts or counts."""


@pytest.mark.parametrize(
    ("kind", "spoil", "zero"),
    AMOUNTS,
    ids=[f"{kind.__name__}.{''.join(spoil(1))}" for kind, spoil, _ in AMOUNTS],
)
def test_number_that_is_no_amount_is_refused(ready, kind, spoil, zero):
    command = filled(ready, IN_ORDER[kind])
    for value in WRITTEN:
        ready.refuses(Malformed, replace(command, **spoil(value)))
    for value in (-1, -(2**63), -(10**40)):
        ready.refuses(NegativeAmount, replace(command, **spoil(value)))
    for value in TOO_LARGE:
        ready.refuses(AmountTooLarge, replace(command, **spoil(value)))
    nothing = replace(command, **spoil(0))
    if zero is None:
        ready.do(nothing)
    else:
        ready.refuses(zero, nothing)


def test_every_whole_number_of_a_command_is_in_the_table():
    spoiled = {(kind, *spoil(1)) for kind, spoil, _ in AMOUNTS}
    for kind in COMMANDS:
        for each in fields(kind):
            number = type(getattr(IN_ORDER[kind], each.name)) is int
            tested = (kind, each.name) in spoiled
            assert tested or not number or each.name in OTHERWISE[kind]
            if "int" in str(each.type) and kind is not CloseEpoch:
                assert tested or each.name in OTHERWISE[kind]


# What is refused first


FIRST: dict[type, list[tuple[dict[str, Any], type]]] = {
    OpenBooks: [({}, AlreadyExists), ({"dollar_reserve": -1}, AlreadyExists)],
    OpenAccounts: [
        ({"owner": "nobody"}, Malformed),
        ({"limit": -1}, NegativeAmount),
        ({"owner": "consumer:alice"}, AlreadyExists),
    ],
    CloseAccounts: [
        ({"owner": "nobody"}, Malformed),
        ({"owner": "creator:nobody"}, UnknownAccount),
        ({"owner": "supplier:gone"}, AccountClosed),
        ({"owner": "consumer:alice"}, AccountNotEmpty),
        ({"owner": "creator:dev"}, AccountInUse),
    ],
    Deposit: [
        ({"asset": "eur"}, UnknownAsset),
        ({"account": "alice"}, UnknownAccount),
        ({"asset": "token"}, CurrencyMismatch),
        ({"account": "escrow:credit"}, NotAllowed),
        ({"account": "consumer:alice:grant"}, NotAllowed),
        ({"amount": 0}, ZeroAmount),
        ({"reference": ""}, Malformed),
        ({"reference": "ch_1"}, ReferenceUsed),
        ({"account": "consumer:nobody:credit"}, UnknownAccount),
        ({"account": "consumer:gone:credit"}, AccountClosed),
        ({"amount": AMOUNT_MAX}, AmountTooLarge),
    ],
    RequestWithdrawal: [
        ({"asset": "eur"}, UnknownAsset),
        ({"account": "alice"}, UnknownAccount),
        ({"asset": "token"}, CurrencyMismatch),
        ({"account": "escrow:credit"}, NotAllowed),
        ({"account": "consumer:alice:grant"}, NotAllowed),
        ({"id": ""}, Malformed),
        ({"amount": 0}, ZeroAmount),
        ({"id": "w1"}, AlreadyExists),
        ({"account": "consumer:nobody:credit"}, UnknownAccount),
        ({"account": "consumer:gone:credit"}, AccountClosed),
        ({"amount": 100 * MICRO}, InsufficientBalance),
    ],
    ConfirmWithdrawal: [
        ({"id": "nothing"}, UnknownRecord),
        ({"id": "w0"}, HoldNotPending),
        ({"reference": ""}, Malformed),
    ],
    CancelWithdrawal: [
        ({"id": "nothing"}, UnknownRecord),
        ({"id": "w0"}, HoldNotPending),
    ],
    GrantCredit: [
        ({"consumer": "alice"}, Malformed),
        ({"amount": 0}, ZeroAmount),
        ({"memo": ""}, Malformed),
        ({"consumer": "consumer:nobody"}, UnknownAccount),
        ({"consumer": "consumer:gone"}, AccountClosed),
        ({"amount": AMOUNT_MAX}, InsufficientBalance),
    ],
    Move: [
        ({"asset": "eur"}, UnknownAsset),
        ({"debit": "alice"}, UnknownAccount),
        ({"asset": "token"}, CurrencyMismatch),
        ({"debit": "escrow:credit"}, NotAllowed),
        ({"debit": "consumer:alice:grant"}, NotAllowed),
        ({"credit": "alice"}, UnknownAccount),
        ({"credit": HAL}, CurrencyMismatch),
        ({"credit": "settlement:usd"}, NotAllowed),
        ({"credit": "consumer:alice:grant"}, NotAllowed),
        ({"debit": "consumer:bob:credit"}, NotAllowed),
        ({"amount": 0}, ZeroAmount),
        ({"memo": "\n"}, Malformed),
        ({"debit": "supplier:gone:usd"}, AccountClosed),
        ({"credit": "consumer:gone:credit"}, AccountClosed),
        ({"amount": AMOUNT_MAX}, InsufficientBalance),
    ],
    RefundCharge: [
        ({"amount": 0}, ZeroAmount),
        ({"memo": ""}, Malformed),
        ({"receipt": 10**6}, UnknownRecord),
        ({"amount": 7801}, NotRefundable),
    ],
    OpenHold: [
        ({"id": ""}, Malformed),
        ({"consumer": "alice"}, Malformed),
        ({"amount": 0}, ZeroAmount),
        ({"expires_at": 0}, Malformed),
        ({"id": "h1"}, AlreadyExists),
        ({"consumer": "consumer:nobody"}, UnknownAccount),
        ({"amount": AMOUNT_MAX}, InsufficientBalance),
    ],
    VoidHold: [
        ({"id": "nothing"}, UnknownRecord),
        ({"id": "old"}, HoldNotPending),
    ],
    ExpireHolds: [
        ({"ids": ()}, Malformed),
        ({"ids": ("nothing", "h1")}, UnknownRecord),
        ({"ids": ("old", "h1")}, HoldNotPending),
    ],
    ListModel: [
        ({"id": ""}, Malformed),
        ({"owner": "ann"}, Malformed),
        ({"input_price": -1}, NegativeAmount),
        ({"owner": "creator:nobody"}, NotAllowed),
        ({"fraction": WAD}, PartsExceedWhole),
    ],
    ListAgent: [
        ({"id": ""}, Malformed),
        ({"creator": "eve"}, Malformed),
        ({"developer": "dev"}, Malformed),
        ({"output_price": -1}, NegativeAmount),
        ({"creator": "creator:nobody"}, NotAllowed),
        ({"id": "left"}, NotAllowed),
        ({"developer": "creator:nobody"}, NotAllowed),
        ({"developer": ""}, NotAllowed),
        ({"model": "nothing"}, UnknownRecord),
    ],
    ListGpu: [({"id": ""}, Malformed), ({"price": -1}, NegativeAmount)],
    ListData: [({"id": ""}, Malformed), ({"price": -1}, NegativeAmount)],
    CallAgent: [
        ({"agent": "nothing"}, UnknownRecord),
        ({"agent": "left"}, UnknownRecord),
        ({"output_tokens": -1}, NegativeAmount),
        ({"tools": (("supplier:gpu-1", 1),)}, Malformed),
        ({"compute": ()}, Malformed),
        ({"input_tokens": 0, "output_tokens": 0}, ZeroAmount),
        ({"hold": "old"}, HoldNotPending),
        ({"input_tokens": 10**4}, HoldTooSmall),
    ],
    CallModel: [
        ({"model": "nothing"}, UnknownRecord),
        ({"input_tokens": -1}, NegativeAmount),
        ({"compute": ()}, Malformed),
        ({"consumer": "escrow"}, Malformed),
        ({"hold": "old"}, HoldNotPending),
        ({"output_tokens": 10**4}, HoldTooSmall),
        ({"compute": (("supplier:gone", 1),)}, AccountClosed),
    ],
    Train: [
        ({"compute": (("gpu-1", "a100", 1),)}, Malformed),
        ({"data": (("contributor:dan", "text", -1),)}, NegativeAmount),
        ({"compute": (("supplier:gpu-1", "tpu", 1),)}, UnknownRecord),
        ({"hold": "nothing"}, UnknownRecord),
        ({"data": (("contributor:nobody", "text", 1),)}, UnknownAccount),
    ],
    PayJob: [
        ({"pipeline": "nothing"}, UnknownService),
        ({"price": 0}, ZeroAmount),
        ({"work": (("training", "gpu-1", 1),)}, Malformed),
        ({"work": ()}, UnknownKind),
        ({"hold": "old"}, HoldNotPending),
        ({"work": (("training", "supplier:gone", 1),)}, AccountClosed),
    ],
    PayLaunchpad: [
        ({"action": "burn"}, Malformed),
        ({"agent": "nothing"}, UnknownRecord),
        ({"agent": "left"}, UnknownRecord),
        ({"asset": "eur"}, UnknownAsset),
        ({"payer": "gpu-1"}, UnknownAccount),
        ({"asset": "token"}, CurrencyMismatch),
        ({"payer": "reserve:usd:operations"}, NotAllowed),
        ({"payer": "consumer:alice:grant"}, NotAllowed),
        ({"payee": "eve"}, UnknownAccount),
        ({"payee": HAL}, CurrencyMismatch),
        ({"payee": "settlement:usd"}, NotAllowed),
        ({"payee": "consumer:alice:grant"}, NotAllowed),
        ({"amount": 0}, ZeroAmount),
        ({"payer": "supplier:gone:usd"}, AccountClosed),
        ({"amount": AMOUNT_MAX}, InsufficientBalance),
    ],
    ReturnStake: [
        ({"agent": "nothing"}, UnknownRecord),
        ({"account": "holder:nobody:token"}, UnknownRecord),
        ({"account": "reserve:token:float"}, UnknownRecord),
        ({"agent": "writer"}, NotAllowed),
    ],
    Retire: [
        ({"kind": "gpu"}, Malformed),
        ({"kind": ""}, Malformed),
        ({"id": "nothing"}, UnknownRecord),
        ({"id": "left"}, UnknownRecord),
        ({"kind": "model"}, UnknownRecord),
        ({"owner": "creator:ann"}, NotAllowed),
        ({"owner": ""}, NotAllowed),
    ],
    ListContribution: [({"id": ""}, Malformed), ({"price": -1}, NegativeAmount)],
    Contribute: [
        ({"member": "dan"}, Malformed),
        ({"given": (("label", -1),)}, NegativeAmount),
        ({"given": (("nothing", 1),)}, UnknownRecord),
        ({"given": ()}, ZeroAmount),
        ({"member": "contributor:nobody"}, UnknownAccount),
    ],
    ShareBudget: [
        ({"asset": "point"}, UnknownAsset),
        ({"amount": 0}, ZeroAmount),
        ({"amount": AMOUNT_MAX}, InsufficientBalance),
    ],
    RegisterResource: [
        ({"id": ""}, Malformed),
        ({"owner": "gpu-1"}, Malformed),
        ({"region": "US West"}, Malformed),
        ({"kind": "gpu"}, UnknownKind),
        ({"count": -1}, NegativeAmount),
        ({"slots": 1001}, Malformed),
        ({"models": ("L L",)}, Malformed),
        ({"id": "t1"}, AlreadyExists),
        ({"owner": "supplier:nobody"}, UnknownAccount),
        ({"owner": "supplier:gone"}, AccountClosed),
    ],
    RepriceResource: [
        ({"id": "nothing"}, UnknownRecord),
        ({"owner": "supplier:gpu-2"}, NotAllowed),
        ({"price": -1}, NegativeAmount),
        ({"slots": 0}, Malformed),
    ],
    CertifyResource: [
        ({"id": "nothing"}, UnknownRecord),
        ({"evidence": ""}, Malformed),
    ],
    RequestCertification: [
        ({"resource": "nothing"}, UnknownRecord),
        ({"owner": "supplier:gpu-2"}, NotAllowed),
    ],
    StakeCertificate: [
        ({"id": "nothing"}, UnknownRecord),
        ({"owner": "supplier:gpu-2"}, NotAllowed),
        ({"id": "raw"}, NotCertified),
        ({"id": "t1"}, WrongStage),
        ({"project": "nothing"}, UnknownService),
        ({"project": "demo"}, NoSeat),
    ],
    RevokeCertificate: [
        ({"id": "nothing"}, UnknownRecord),
        ({"reason": ""}, Malformed),
        ({"id": "raw"}, NotCertified),
    ],
    ClaimSeat: [
        ({"id": "nothing"}, UnknownRecord),
        ({"owner": "supplier:gpu-2"}, NotAllowed),
        ({"id": "t1"}, NoSeat),
    ],
    RetireResource: [
        ({"id": "nothing"}, UnknownRecord),
        ({"owner": "supplier:gpu-2"}, NotAllowed),
        ({"id": "t1"}, ResourceBusy),
    ],
    CreateJob: [
        ({"id": ""}, Malformed),
        ({"consumer": "alice"}, Malformed),
        ({"pipeline": "nothing"}, UnknownService),
        ({"project": "nothing"}, UnknownService),
        ({"unit_price": 0}, ZeroAmount),
        ({"quantity": -1}, NegativeAmount),
        ({"units": 10**9 + 1}, Malformed),
        ({"deadline": NOW}, TooLate),
        ({"needs": ()}, Malformed),
        ({"needs": (Need("inference"),)}, UnknownKind),
        ({"id": "late"}, AlreadyExists),
        ({"consumer": "consumer:nobody"}, UnknownAccount),
        ({"incentive": 100 * MICRO}, InsufficientBalance),
    ],
    CancelJob: [
        ({"id": "nothing"}, UnknownRecord),
        ({"consumer": "consumer:bob"}, NotAllowed),
        ({"id": "accepted"}, WrongStage),
    ],
    MatchTask: [
        ({"job": "nothing"}, UnknownRecord),
        ({"task": 1}, UnknownRecord),
        ({"job": "matched"}, WrongStage),
        ({"resource": "nothing"}, UnknownRecord),
        ({"job": "late"}, TooLate),
        ({"resource": "s1"}, NotEligible),
    ],
    AcceptTask: [
        ({"job": "nothing"}, UnknownRecord),
        ({"task": 1}, UnknownRecord),
        ({"job": "created"}, WrongStage),
        ({"owner": "supplier:gpu-2"}, NotAllowed),
    ],
    DeclineTask: [
        ({"job": "nothing"}, UnknownRecord),
        ({"task": 1}, UnknownRecord),
        ({"job": "created"}, WrongStage),
        ({"owner": "supplier:gpu-2"}, NotAllowed),
    ],
    DeliverTask: [
        ({"job": "nothing"}, UnknownRecord),
        ({"task": 1}, UnknownRecord),
        ({"job": "matched"}, WrongStage),
        ({"owner": "supplier:gpu-2"}, NotAllowed),
        ({"root": "ab"}, Malformed),
        ({"work": 0}, ZeroAmount),
    ],
    ExpireTask: [
        ({"job": "nothing"}, UnknownRecord),
        ({"task": 1}, UnknownRecord),
        ({"job": "drawn"}, WrongStage),
        ({"job": "accepted"}, TooEarly),
    ],
    OpenBeacon: [({"anchor": "ab"}, Malformed)],
    RevealLink: [({"link": "ab"}, Malformed), ({"link": CHAIN[2]}, Malformed)],
    DrawValidators: [
        ({"job": "nothing"}, UnknownRecord),
        ({"task": 1}, UnknownRecord),
        ({"job": "accepted"}, WrongStage),
        ({"job": "drawn"}, AlreadyExists),
    ],
    CommitVerdict: [
        ({"job": "nothing"}, UnknownRecord),
        ({"job": "accepted"}, WrongStage),
        ({"job": "delivered"}, UnknownRecord),
        ({"validator": "nothing"}, UnknownRecord),
        ({"owner": "supplier:val-1"}, NotAllowed),
        ({"validator": "t1", "owner": GPU_1}, NotDrawn),
        ({"digest": "ab"}, Malformed),
        ({"job": "committed"}, WrongStage),
    ],
    RevealVerdict: [
        ({"job": "nothing"}, UnknownRecord),
        ({"job": "accepted"}, WrongStage),
        ({"job": "delivered"}, UnknownRecord),
        ({"validator": "nothing"}, UnknownRecord),
        ({"owner": "supplier:val-1"}, NotAllowed),
        ({"validator": "t1", "owner": GPU_1}, NotDrawn),
        ({"passed": 1}, Malformed),
        ({"salt": "ab"}, Malformed),
        ({"job": "revealed"}, WrongStage),
        ({"passed": False}, Malformed),
    ],
    ConcludeAudit: [
        ({"job": "nothing"}, UnknownRecord),
        ({"task": 1}, UnknownRecord),
        ({"job": "accepted"}, WrongStage),
        ({"job": "delivered"}, UnknownRecord),
        ({"job": "bird"}, WrongStage),
        ({"job": "committed"}, TooEarly),
    ],
    CloseDay: [
        ({"day": -1}, NegativeAmount),
        ({"sentiment": -1}, NegativeAmount),
        ({"day": 1}, EpochOutOfOrder),
    ],
    PayEarnings: [
        ({"payday": "nothing"}, UnknownRecord),
        ({"payday": "0:demo:inference"}, WrongStage),
    ],
    PostCanary: [
        ({"id": ""}, Malformed),
        ({"root": "ab"}, Malformed),
        ({"digest": "ab"}, Malformed),
        ({"units": 0}, ZeroAmount),
        ({"id": "bird"}, AlreadyExists),
    ],
    CreateTraining: [
        ({"id": "digits:1"}, Malformed),
        ({"creator": "supplier:gpu-1"}, Malformed),
        ({"method": "guessed"}, Malformed),
        ({"code": "ab"}, Malformed),
        ({"validation": HASH}, Malformed),
        ({"schema": SCHEMA.replace("3", "G")}, Malformed),
        ({"cells": 0}, ZeroAmount),
        ({"cells": 4097}, Malformed),
        ({"rounds": -1}, NegativeAmount),
        ({"creator": "creator:nobody"}, UnknownAccount),
        ({"id": "digits"}, AlreadyExists),
        ({"parents": (("over", 1),) * 9}, Malformed),
        ({"parents": (("nothing", 1),)}, UnknownRecord),
        ({"parents": (("over", 0),)}, Malformed),
        ({"parents": (("over", 1), ("over", 1))}, AlreadyExists),
        ({"parents": (("over", WAD),)}, PartsExceedWhole),
    ],
    StartRound: [
        ({"training": "nothing"}, UnknownRecord),
        ({"creator": "creator:eve"}, NotAllowed),
        ({"number": 0}, ZeroAmount),
        ({"target": "ab"}, Malformed),
        ({"training": "over"}, WrongStage),
        ({"training": "running"}, RoundOutOfOrder),
        ({"number": 2}, RoundOutOfOrder),
    ],
    SelectNodes: [
        ({"training": "nothing"}, UnknownRecord),
        ({"creator": "creator:eve"}, NotAllowed),
        ({"number": -1}, NegativeAmount),
        ({"number": 2}, UnknownRecord),
        ({"training": "running"}, WrongStage),
        ({"nodes": ()}, Malformed),
        ({"nodes": (DAN,)}, Malformed),
        ({"nodes": ("supplier:nobody",)}, UnknownAccount),
        ({"nodes": ("supplier:gone",)}, AccountClosed),
    ],
    FinishWork: [
        ({"number": 0}, ZeroAmount),
        ({"training": "nothing"}, UnknownRecord),
        ({"training": "started"}, WrongStage),
        ({"node": DAN}, Malformed),
        ({"node": "supplier:val-0"}, NotAllowed),
        ({"node": "supplier:gpu-2"}, WrongStage),
        ({"result": "ab"}, Malformed),
        ({"samples": -1}, NegativeAmount),
    ],
    VerifyWork: [
        ({"number": 0}, ZeroAmount),
        ({"training": "nothing"}, UnknownRecord),
        ({"training": "started"}, WrongStage),
        ({"node": DAN}, Malformed),
        ({"node": "supplier:val-0"}, NotAllowed),
        ({"node": "supplier:gpu-1"}, WrongStage),
        ({"valid": 1}, Malformed),
        ({"samples": -1}, NegativeAmount),
    ],
    AggregateRound: [
        ({"training": "nothing"}, UnknownRecord),
        ({"creator": "creator:eve"}, NotAllowed),
        ({"number": 0}, ZeroAmount),
        ({"number": 2}, UnknownRecord),
        ({"training": "aggregated"}, WrongStage),
        ({"training": "running"}, TooEarly),
        ({"counts": TARGET[:3]}, Malformed),
        ({"counts": (-1, *TARGET[1:])}, NegativeAmount),
        ({"counts": (0, 0, 0, 0)}, Malformed),
        ({"salt": "ab"}, Malformed),
        ({"counts": (1, 2, 3, 4)}, NotAsCommitted),
        ({"transcript": "ab"}, Malformed),
        ({"values": (("supplier:val-0", 1),)}, Malformed),
    ],
    ChallengeRound: [
        ({"number": 0}, ZeroAmount),
        ({"training": "nothing"}, UnknownRecord),
        ({"training": "running"}, WrongStage),
        ({"challenger": CREATOR}, Malformed),
        ({"transcript": "ab"}, Malformed),
        ({"challenger": "contributor:nobody"}, UnknownAccount),
        ({"challenger": "supplier:gone"}, AccountClosed),
        ({"training": "challenged", "challenger": ELI}, NotAllowed),
        ({"training": "challenged", "challenger": FAY}, NotAllowed),
        ({"training": "sharing"}, TooLate),
    ],
    ResolveChallenge: [
        ({"number": 0}, ZeroAmount),
        ({"training": "nothing"}, UnknownRecord),
        ({"training": "running"}, WrongStage),
        ({"training": "aggregated"}, WrongStage),
        ({"upheld": 1}, Malformed),
    ],
    ShareRound: [
        ({"number": 0}, ZeroAmount),
        ({"training": "nothing"}, UnknownRecord),
        ({"training": "running"}, WrongStage),
        ({"training": "digits"}, WrongStage),
        ({"training": "challenged"}, TooEarly),
        ({"training": "aggregated"}, TooEarly),
    ],
    AbandonRound: [
        ({"training": "nothing"}, UnknownRecord),
        ({"creator": "creator:eve"}, NotAllowed),
        ({"number": 9}, UnknownRecord),
        ({"training": "sharing"}, WrongStage),
    ],
    FinishTraining: [
        ({"training": "nothing"}, UnknownRecord),
        ({"creator": "creator:eve"}, NotAllowed),
        ({"training": "over"}, WrongStage),
        ({"training": "sharing"}, WrongStage),
    ],
    RegisterData: [
        ({"id": ""}, Malformed),
        ({"contributor": "supplier:gpu-1"}, Malformed),
        ({"digest": "ab"}, Malformed),
        ({"schema": HASH}, Malformed),
        ({"proof": ""}, Malformed),
        ({"upload": DIGEST}, Malformed),
        ({"training": "nothing"}, UnknownRecord),
        ({"training": "over"}, WrongStage),
        ({"schema": CODE}, NotEligible),
        ({"contributor": "contributor:nobody"}, UnknownAccount),
        ({"id": "bare"}, AlreadyExists),
        ({"training": "running", "digest": ROOT}, DigestSeen),
    ],
    DeclareRows: [
        ({"data": "nothing"}, UnknownRecord),
        ({"contributor": ELI}, NotAllowed),
        ({"data": "committed"}, WrongStage),
        ({"rows": ()}, Malformed),
        ({"rows": ("a row",)}, Malformed),
    ],
    CommitHistogram: [
        ({"data": "nothing"}, UnknownRecord),
        ({"contributor": ELI}, NotAllowed),
        ({"histogram": "ab"}, Malformed),
        ({"data": "committed"}, WrongStage),
        ({"data": "bare"}, WrongStage),
    ],
    AuditData: [
        ({"checked": 0}, ZeroAmount),
        ({"valid": -1}, NegativeAmount),
        ({"data": "nothing"}, UnknownRecord),
        ({"data": "declared"}, WrongStage),
        ({"data": "offered"}, WrongStage),
        ({"data": "bad"}, WrongStage),
        ({"checked": 7}, Malformed),
        ({"valid": 7}, Malformed),
    ],
    StakeData: [
        ({"contributor": "supplier:gpu-1"}, Malformed),
        ({"amount": 0}, ZeroAmount),
        ({"training": "nothing"}, UnknownRecord),
        ({"training": "over"}, WrongStage),
        ({"contributor": "contributor:nobody"}, UnknownAccount),
        ({"amount": AMOUNT_MAX}, InsufficientBalance),
    ],
    ReturnDataStake: [
        ({"contributor": "supplier:gpu-1"}, Malformed),
        ({"training": "nothing"}, UnknownRecord),
        ({"contributor": ELI}, UnknownRecord),
        ({"training": "running"}, WrongStage),
    ],
    OfferData: [
        ({"data": "nothing"}, UnknownRecord),
        ({"contributor": ELI}, NotAllowed),
        ({"data": "declared"}, WrongStage),
        ({"data": "offered"}, WrongStage),
        ({"number": 0}, ZeroAmount),
        ({"number": 2}, UnknownRecord),
        ({"counts": COUNTS[:3]}, Malformed),
        ({"counts": (-1, *COUNTS[1:])}, NegativeAmount),
        ({"counts": (10**9, 1, 0, 0)}, Malformed),
        ({"salt": "ab"}, Malformed),
        ({"counts": (2, 3, 1, 0)}, NotAsCommitted),
        ({"data": "bad"}, NotEligible),
    ],
    PayRoyalty: [
        ({"vault": "nothing"}, UnknownRecord),
        ({"asset": "eur"}, UnknownAsset),
        ({"payer": "ann"}, UnknownAccount),
        ({"payer": f"{CREATOR}:token"}, CurrencyMismatch),
        ({"payer": "vault:digits:usd"}, NotAllowed),
        ({"payer": "consumer:alice:grant"}, NotAllowed),
        ({"payer": f"{DAN}:point", "asset": "point"}, UnknownAsset),
        ({"amount": 0}, ZeroAmount),
        ({"memo": "\n"}, Malformed),
        ({"payer": "supplier:gone:usd"}, AccountClosed),
        ({"amount": AMOUNT_MAX}, InsufficientBalance),
    ],
    CollectRevenue: [({"vault": "nothing"}, UnknownRecord)],
    MoveUnits: [
        ({"vault": "nothing"}, UnknownRecord),
        ({"holder": "holder:hal"}, Malformed),
        ({"receiver": "holder:hal"}, Malformed),
        ({"receiver": DAN}, NotAllowed),
        ({"amount": 0}, ZeroAmount),
        ({"receiver": "supplier:gone"}, AccountClosed),
        ({"amount": AMOUNT_MAX}, InsufficientBalance),
    ],
    PublishClaims: [
        ({"epoch": 0}, ZeroAmount),
        ({"claims": 0}, ZeroAmount),
        ({"root": DIGEST}, Malformed),
        ({"epoch": 1}, EpochOutOfOrder),
    ],
    ClaimRoyalty: [
        ({"holder": "holder:hal"}, Malformed),
        ({"asset": "point"}, UnknownAsset),
        ({"cumulative": 0}, ZeroAmount),
        ({"epoch": -1}, NegativeAmount),
        ({"path": (DIGEST,)}, Malformed),
        ({"vault": "nothing"}, UnknownRecord),
        ({"epoch": 2, "path": (f"0x{DIGEST}",)}, StaleClaim),
        ({"cumulative": AMOUNT_MAX}, NotProven),
    ],
    RevealCanary: [
        ({"id": "nothing"}, UnknownRecord),
        ({"id": "drawn"}, WrongStage),
        ({"passed": 1}, Malformed),
        ({"salt": "ab"}, Malformed),
        ({"passed": False}, Malformed),
    ],
}
"""What spoils each command, in the order in which its docstring refuses it."""

PAIRS = [
    pytest.param(kind, one, two, id=f"{kind.__name__}-{i}-{j}")
    for kind, spoils in FIRST.items()
    for (i, one), (j, two) in combinations(enumerate(spoils), 2)
    if not one[0].keys() & two[0].keys()
]


def test_order_of_every_command_is_in_the_table():
    assert names(FIRST) == names(COMMANDS) - {"CloseEpoch"}


@pytest.mark.parametrize("kind", FIRST, ids=by_name)
def test_one_bad_field_is_refused_for_what_it_is(ready, kind):
    command = filled(ready, IN_ORDER[kind])
    for changes, refusal in FIRST[kind]:
        ready.refuses(refusal, replace(command, **changes))


@pytest.mark.parametrize(("kind", "one", "two"), PAIRS)
def test_of_two_bad_fields_the_first_is_refused(ready, kind, one, two):
    command = filled(ready, IN_ORDER[kind])
    ready.refuses(one[1], replace(command, **one[0], **two[0]))
