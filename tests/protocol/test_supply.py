"""A resource is registered, certified, staked, and leaves again, by its owner alone."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol.conftest import NOW
from tests.protocol.market import HOUR, ROOT, VALIDATORS, in_order, offer, order

from coopera.errors import (
    AccountClosed,
    AccountInUse,
    AccountNotEmpty,
    AlreadyExists,
    AmountTooLarge,
    InsufficientBalance,
    Malformed,
    NegativeAmount,
    NoSeat,
    NotAllowed,
    NotCertified,
    NotEligible,
    Refusal,
    ResourceBusy,
    TooEarly,
    TooLate,
    UnknownAccount,
    UnknownKind,
    UnknownRecord,
    UnknownService,
    WrongStage,
)
from coopera.ledger import account
from coopera.protocol.books import CURRENT
from coopera.protocol.jobs import (
    AcceptTask,
    CancelJob,
    DeclineTask,
    DeliverTask,
    ExpireTask,
    MatchTask,
    RequestCertification,
)
from coopera.protocol.money import CloseAccounts, Deposit, Move, OpenAccounts
from coopera.protocol.orders import Earning, Job, JobStage
from coopera.protocol.supply import (
    BENCH,
    MODELS_MAX,
    NUMBER_MAX,
    SLOTS_MAX,
    Census,
    CertifyResource,
    ClaimSeat,
    Place,
    RepriceResource,
    Resource,
    RetireResource,
    RevokeCertificate,
    Roll,
    Seats,
    Stage,
    StakeCertificate,
    Track,
)
from coopera.protocol.validation import ConcludeAudit
from coopera.units import MICRO, WAD

GPU_1 = "supplier:gpu-1"
GPU_2 = "supplier:gpu-2"
TOKENS = f"{GPU_1}:token"
FLOAT = "reserve:token:float"
LOCKED = "locked:phase1:demo"
TEST = "certify:n1:1"
"""First test of resource `n1`."""


def resource(market, name="n1"):
    return market.record(Resource, name)


def seated(market, name="n1", owner=GPU_1, kind="training"):
    """Bring a resource into the market, with a seat of the project."""
    market.do(offer(name, kind, owner))
    market.do(CertifyResource(name, "seen"))
    market.do(StakeCertificate(name, owner, "demo"))


def accrue(market, each):
    """Let days pass in which every seat of the project accrues so much."""
    seats = market.state.record(Seats, "demo") or Seats("demo", (0, 0))
    grown = each * sum(seats.taken)
    unspent, locked = (
        account("reserve", "token", "phase1", "demo"),
        account(*LOCKED.split(":")),
    )
    held = dict(market.state.held)
    held[unspent] -= grown
    held[locked] = held.get(locked, 0) + grown
    seats = replace(seats, accrued=seats.accrued + each)
    records = {**market.state.records_, (Seats, "demo"): seats}
    market.state = replace(market.state, held=held, records_=records)


def phase(market, number):
    """Put the project into a phase."""
    economy = market.state.economy()
    projects = tuple(replace(each, phase=number) for each in economy.projects)
    market.state = replace(market.state, economy_=replace(economy, projects=projects))


def on_day(market, day):
    economy = replace(market.state.economy(), day=day)
    market.state = replace(market.state, economy_=economy)


def under_test(market):
    """Register a resource, and let it deliver the work of its test."""
    market.do(offer("n1"))
    market.do(RequestCertification("n1", GPU_1), GPU_1)
    market.do(DeliverTask(TEST, 0, GPU_1, ROOT), GPU_1)


# Registration


def test_registration_is_free_where_nobody_has_earned_and_nothing_is_set(market):
    assert market.do(offer("n1"), GPU_1) == []

    assert resource(market).stage is Stage.REGISTERED
    assert resource(market).certificate == 0
    assert market.state.record(Track, "n1") is None


def test_lowest_fee_is_collected_before_the_first_close(market):
    lowest = replace(market.params.onboarding, min_onboarding_fee=3 * MICRO)
    market.params = replace(market.params, onboarding=lowest)

    assert market.do(offer("n1")) == [(TOKENS, FLOAT, 3 * MICRO)]


@pytest.mark.parametrize(
    ("fee_usd", "price", "fee"),
    [(10 * MICRO, 4 * WAD, 2_500000), (1, 3 * WAD, 1), (0, 4 * WAD, 0)],
)
def test_fee_of_the_last_close_is_collected_at_its_price(market, fee_usd, price, fee):
    epoch = replace(market.state.epoch(), fee_usd=fee_usd, price=price)
    market.state = replace(market.state, epoch_=epoch)
    before = market.held(TOKENS)

    market.do(offer("n1"))
    assert before - market.held(TOKENS) == fee


def test_who_cannot_pay_the_fee_registers_nothing(market):
    lowest = replace(market.params.onboarding, min_onboarding_fee=31 * MICRO)
    market.params = replace(market.params, onboarding=lowest)
    refused = market.refuses(InsufficientBalance, offer("n1"))

    assert (refused.available, refused.required) == (30 * MICRO, 31 * MICRO)


def test_resources_are_numbered_in_the_order_of_registration(market):
    assert resource(market, "t1").serial == 1
    market.do(offer("n1"))
    market.do(RetireResource("n1", GPU_1))
    market.do(offer("n2", "validator"))

    serials = [resource(market, name).serial for name in ("n1", "n2")]
    assert serials == [VALIDATORS + 4, VALIDATORS + 5]


def test_name_is_given_once_even_after_it_is_retired(market):
    market.refuses(AlreadyExists, offer("t1", owner=GPU_2))
    market.do(RetireResource("t1", GPU_1))
    market.refuses(AlreadyExists, offer("t1", owner=GPU_2))
    market.refuses(AlreadyExists, offer("t1"))


def test_suppliers_that_come_and_go_are_counted_by_kind(market):
    before = market.record(Census, CURRENT)
    assert (before.entered, before.left) == ((2, 1), (0, 0))
    market.do(offer("n1", "inference"))
    market.do(offer("n2", "validator"))
    market.do(RetireResource("t1", GPU_1))
    market.do(RetireResource("v0", "supplier:val-0"))

    census = market.record(Census, CURRENT)
    assert (census.entered, census.left) == ((2, 2), (1, 0))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"name": "N 1"}, Malformed),
        ({"name": ""}, Malformed),
        ({"owner": "gpu-1"}, Malformed),
        ({"owner": "creator:ann"}, Malformed),
        ({"owner": "consumer:alice"}, Malformed),
        ({"owner": "supplier:nobody"}, UnknownAccount),
        ({"owner": "supplier:gone"}, AccountClosed),
        ({"kind": "storage"}, UnknownKind),
        ({"kind": ""}, UnknownKind),
        ({"device": "H100"}, Malformed),
        ({"region": ""}, Malformed),
        ({"count": 0}, Malformed),
        ({"count": True}, Malformed),
        ({"count": 1.5}, Malformed),
        ({"count": -1}, NegativeAmount),
        ({"count": NUMBER_MAX + 1}, Malformed),
        ({"memory_gib": -1}, NegativeAmount),
        ({"memory_gib": NUMBER_MAX + 1}, Malformed),
        ({"latency_ms": 0}, Malformed),
        ({"latency_ms": NUMBER_MAX + 1}, Malformed),
        ({"price": -1}, NegativeAmount),
        ({"price": 2**53}, AmountTooLarge),
        ({"slots": 0}, Malformed),
        ({"slots": SLOTS_MAX + 1}, Malformed),
        ({"models": ("a model",)}, Malformed),
        ({"models": ("m",) * (MODELS_MAX + 1)}, Malformed),
    ],
)
def test_offer_with_one_bad_field_is_refused(market, changes, refusal):
    market.refuses(refusal, offer(**{"name": "n1", **changes}))


def test_offer_at_the_bounds_is_taken(market):
    most = {"count": NUMBER_MAX, "memory_gib": NUMBER_MAX, "latency_ms": NUMBER_MAX}
    models = tuple(f"m{n}" for n in range(MODELS_MAX))
    market.do(offer("n1", **most, slots=SLOTS_MAX, models=models))
    least = {"count": 1, "memory_gib": 0, "latency_ms": 1, "slots": 1}
    market.do(offer("n2", **least, price=0, models=()))

    assert resource(market, "n1").can.models == models
    assert resource(market, "n2").can.price == 0


# What a resource asks


def test_repricing_changes_the_price_and_the_slots_alone(market):
    was = resource(market, "t1")
    market.do(RepriceResource("t1", GPU_1, 7, 3), GPU_1)

    assert resource(market, "t1") == replace(
        was, can=replace(was.can, price=7, slots=3)
    )


@pytest.mark.parametrize(
    ("price", "slots", "refusal"),
    [
        (-1, 1, NegativeAmount),
        (1.0, 1, Malformed),
        (2**53, 1, AmountTooLarge),
        (1, 0, Malformed),
        (1, SLOTS_MAX + 1, Malformed),
    ],
)
def test_bad_price_or_slots_are_refused(market, price, slots, refusal):
    market.refuses(refusal, RepriceResource("t1", GPU_1, price, slots))


def test_price_that_is_raised_after_the_match_changes_nothing_of_the_task(market):
    market.orders()
    market.do(MatchTask("j1", 0, "t1"))
    price = market.task().price
    market.do(RepriceResource("t1", GPU_1, 100 * MICRO, 1))
    market.do(AcceptTask("j1", 0, GPU_1))

    assert market.task().price == price


# Certification


def test_operator_certifies_what_it_has_seen(market):
    market.do(offer("n1"))
    on_day(market, 5)
    market.refuses(NotAllowed, CertifyResource("n1", "seen"), GPU_1)
    market.do(CertifyResource("n1", "seen"))

    assert resource(market).stage is Stage.CERTIFIED
    assert (resource(market).certificate, resource(market).evidence) == (1, "seen")
    assert market.track("n1") == Track("n1", active_day=5)


def test_new_certificate_leaves_a_staked_resource_staked(market):
    was = resource(market, "v3")
    market.do(CertifyResource("v3", "seen again"))

    assert resource(market, "v3") == replace(was, certificate=2, evidence="seen again")


@pytest.mark.parametrize("evidence", ["", "x" * 201, "a\nb", None])
def test_certificate_without_evidence_is_refused(market, evidence):
    market.do(offer("n1"))
    market.refuses(Malformed, CertifyResource("n1", evidence))


def test_resource_that_is_not_there_is_not_certified(market):
    market.refuses(UnknownRecord, CertifyResource("n1", "seen"))
    market.refuses(UnknownRecord, RequestCertification("n1", GPU_1))


def test_resource_that_passes_its_test_is_certified_on_its_work(market):
    under_test(market)
    on_day(market, 2)
    market.validates(TEST)

    assert resource(market).stage is Stage.CERTIFIED
    assert (resource(market).certificate, resource(market).evidence) == (1, ROOT)
    assert market.track("n1") == Track("n1", active_day=2)
    assert market.record(Job, TEST).stage is JobStage.SETTLED
    market.do(StakeCertificate("n1", GPU_1))


def test_resource_that_fails_its_test_is_not_certified_and_may_try_again(market):
    under_test(market)
    before = market.held(TOKENS)
    market.validates(TEST, passed=False)

    assert resource(market).stage is Stage.REGISTERED
    assert market.record(Job, TEST).stage is JobStage.REFUNDED
    assert market.held(TOKENS) == before
    assert market.track("n1") == Track("n1")
    market.refuses(NotCertified, StakeCertificate("n1", GPU_1))

    again = "certify:n1:2"
    market.do(RequestCertification("n1", GPU_1))
    market.do(DeliverTask(again, 0, GPU_1, ROOT))
    market.validates(again)
    assert resource(market).stage is Stage.CERTIFIED


def test_staked_resource_that_fails_a_test_keeps_its_certificate(market):
    was = resource(market, "t1")
    market.do(RequestCertification("t1", GPU_1))
    market.do(DeliverTask("certify:t1:1", 0, GPU_1, ROOT))
    market.validates("certify:t1:1", passed=False)

    assert resource(market, "t1") == was
    assert market.track("t1").outcomes == ""


def test_test_costs_what_its_validators_earn_and_counts_for_no_reputation(market):
    before = market.held(TOKENS)
    assert market.do(offer("n1")) == []
    moved = market.do(RequestCertification("n1", GPU_1))
    assert moved == [(TOKENS, "reserve:token:float", 60_000)]
    assert market.do(DeliverTask(TEST, 0, GPU_1, ROOT)) == []
    market.validates(TEST)

    assert market.held(TOKENS) == before - 60_000
    assert market.track("n1").total == market.track("n1").busy == 0
    # The validators have worked all the same.
    assert market.record(Roll, "0:-:validator").count == 3


def test_one_test_at_a_time(market):
    market.do(offer("n1"))
    market.do(RequestCertification("n1", GPU_1))
    refused = market.refuses(WrongStage, RequestCertification("n1", GPU_1))
    assert TEST in str(refused)
    market.do(DeliverTask(TEST, 0, GPU_1, ROOT))
    market.refuses(WrongStage, RequestCertification("n1", GPU_1))
    market.validates(TEST)
    market.do(RequestCertification("n1", GPU_1))

    assert market.record(Job, "certify:n1:2").stage is JobStage.OPEN


def test_tests_of_different_resources_do_not_wait_for_each_other(market):
    for name in ("n1", "n2"):
        market.do(offer(name))
        market.do(RequestCertification(name, GPU_1))


def test_work_of_a_test_is_delivered_in_time(market):
    market.do(offer("n1"))
    market.do(RequestCertification("n1", GPU_1))
    due = market.task(TEST).due
    assert due == NOW + HOUR
    market.at(due - 1)
    market.refuses(TooEarly, ExpireTask(TEST, 0))
    market.at(due)
    market.refuses(TooLate, DeliverTask(TEST, 0, GPU_1, ROOT))
    market.do(ExpireTask(TEST, 0))

    assert market.record(Job, TEST).stage is JobStage.REFUNDED
    assert market.track("n1") == Track("n1")
    market.do(RequestCertification("n1", GPU_1))


def test_test_is_no_job_that_could_be_given_away_or_taken_back(market):
    market.do(offer("n1"))
    market.do(RequestCertification("n1", GPU_1))
    for command in (
        MatchTask(TEST, 0, "t1"),
        AcceptTask(TEST, 0, GPU_1),
        DeclineTask(TEST, 0, GPU_1),
        CancelJob(TEST, ""),
    ):
        market.refuses(WrongStage, command)
    market.refuses(NotAllowed, CancelJob(TEST, "consumer:alice"))
    market.refuses(NotAllowed, CancelJob(TEST, ""), "")
    market.refuses(NotAllowed, DeliverTask(TEST, 0, GPU_2, ROOT))


def test_consumer_cannot_take_the_name_of_a_test(market):
    market.refuses(Malformed, order(TEST))


def test_resource_does_not_retire_during_its_test(market):
    under_test(market)
    market.draws(TEST)
    market.says([True] * 3, TEST)

    # It has to wait for the end of its test.
    market.refuses(ResourceBusy, RetireResource("n1", GPU_1))
    market.do(ConcludeAudit(TEST, 0))
    market.do(RetireResource("n1", GPU_1))
    assert market.held("escrow:bonds") == 0
    assert not any(each.busy for each in market.state.records(Track).values())


# Staking


@pytest.mark.parametrize("revoked", [False, True])
def test_resource_without_a_certificate_is_not_staked(market, revoked):
    market.do(offer("n1"))
    if revoked:
        market.do(CertifyResource("n1", "seen"))
        market.do(RevokeCertificate("n1", "wrong device"))
    market.refuses(NotCertified, StakeCertificate("n1", GPU_1))


def test_staking_opens_a_resource_to_jobs_once(market):
    market.do(offer("n1"))
    market.do(CertifyResource("n1", "seen"))
    market.orders()
    unmet = market.refuses(NotEligible, MatchTask("j1", 0, "n1"))
    assert "its certificate" in str(unmet)
    market.do(StakeCertificate("n1", GPU_1), GPU_1)
    market.do(MatchTask("j1", 0, "n1"))

    market.refuses(WrongStage, StakeCertificate("n1", GPU_1))


def test_seats_of_a_project_are_taken_by_kind_until_all_are(market):
    for name, kind in (("n1", "training"), ("n2", "training"), ("n3", "inference")):
        seated(market, name, kind=kind)
    assert market.record(Seats, "demo").taken == (2, 1)

    market.do(offer("n4"))
    market.do(CertifyResource("n4", "seen"))
    market.refuses(NoSeat, StakeCertificate("n4", GPU_1, "demo"))
    market.do(RetireResource("n1", GPU_1))
    market.do(StakeCertificate("n4", GPU_1, "demo"))
    assert market.record(Seats, "demo").taken == (2, 1)


def test_resource_without_a_seat_takes_none(market):
    market.do(offer("n1"))
    market.do(CertifyResource("n1", "seen"))
    market.do(StakeCertificate("n1", GPU_1))

    assert market.state.record(Seats, "demo") is None
    assert resource(market).project == ""


@pytest.mark.parametrize("kind", ["training", "validator"])
def test_seat_that_there_is_not_is_not_taken(market, kind):
    market.do(offer("n1", kind))
    market.do(CertifyResource("n1", "seen"))
    market.refuses(UnknownService, StakeCertificate("n1", GPU_1, "nothing"))
    if kind == "training":
        phase(market, 2)
    market.refuses(NoSeat, StakeCertificate("n1", GPU_1, "demo"))
    bench = market.record(Roll, BENCH).count
    assert bench == VALIDATORS


def test_seat_begins_with_what_seats_have_accrued_by_then(market):
    seated(market, "n1")
    accrue(market, 5 * MICRO)
    seated(market, "n2")

    assert resource(market, "n1").seated_at == 0
    assert resource(market, "n2").seated_at == 5 * MICRO


# Seats


def test_seat_is_claimed_in_phase_2_once(market):
    seated(market)
    accrue(market, 5 * MICRO)
    market.refuses(NotAllowed, ClaimSeat("n1", GPU_1), GPU_1)
    phase(market, 2)
    market.refuses(NotAllowed, ClaimSeat("n1", GPU_2))
    market.refuses(NotAllowed, ClaimSeat("n1", GPU_1), GPU_2)

    assert market.do(ClaimSeat("n1", GPU_1), GPU_1) == [(LOCKED, TOKENS, 5 * MICRO)]
    market.refuses(NoSeat, ClaimSeat("n1", GPU_1))
    assert resource(market).stage is Stage.STAKED


def test_each_seat_gets_what_it_accrued_itself(market):
    seated(market, "n1")
    accrue(market, 5 * MICRO)
    seated(market, "n2", GPU_2)
    accrue(market, 2 * MICRO)
    phase(market, 2)

    assert market.do(ClaimSeat("n1", GPU_1)) == [(LOCKED, TOKENS, 7 * MICRO)]
    assert market.do(ClaimSeat("n2", GPU_2)) == [(LOCKED, f"{GPU_2}:token", 2 * MICRO)]
    assert market.held(LOCKED) == 0


def test_seat_that_accrued_nothing_is_claimed_for_nothing(market):
    seated(market)
    phase(market, 2)

    assert market.do(ClaimSeat("n1", GPU_1)) == []
    assert resource(market).project == ""


def test_resource_that_has_no_seat_claims_none(market):
    market.refuses(NoSeat, ClaimSeat("t1", GPU_1))
    phase(market, 2)
    market.refuses(NoSeat, ClaimSeat("t1", GPU_1))


@pytest.mark.parametrize(
    ("number", "to"), [(1, FLOAT), (2, TOKENS)], ids=["phase 1", "phase 2"]
)
def test_who_retires_forfeits_its_seat_in_phase_1_alone(market, number, to):
    seated(market)
    accrue(market, 5 * MICRO)
    phase(market, number)

    assert market.do(RetireResource("n1", GPU_1)) == [(LOCKED, to, 5 * MICRO)]
    assert market.record(Seats, "demo").taken == (0, 0)


@pytest.mark.parametrize(
    ("number", "to"), [(1, FLOAT), (2, TOKENS)], ids=["phase 1", "phase 2"]
)
def test_seat_goes_with_the_certificate(market, number, to):
    seated(market)
    accrue(market, 5 * MICRO)
    phase(market, number)

    moved = market.do(RevokeCertificate("n1", "wrong device"))
    assert moved == [(LOCKED, to, 5 * MICRO)]
    assert resource(market).project == ""
    assert market.record(Seats, "demo").taken == (0, 0)


def test_account_that_is_full_holds_up_no_revocation(market):
    market.do(OpenAccounts("supplier:small", MICRO))
    market.do(Deposit("supplier:small:token", "token", MICRO, "0xb2"))
    seated(market, owner="supplier:small")
    accrue(market, 5 * MICRO)
    phase(market, 2)
    market.do(RevokeCertificate("n1", "wrong device"))

    assert resource(market).stage is Stage.REVOKED


def test_seat_that_is_taken_again_does_not_bring_back_what_was_forfeited(market):
    seated(market)
    accrue(market, 5 * MICRO)
    market.do(RevokeCertificate("n1", "wrong device"))
    market.do(CertifyResource("n1", "seen again"))
    market.do(StakeCertificate("n1", GPU_1, "demo"))
    accrue(market, 1 * MICRO)
    phase(market, 2)

    assert market.do(ClaimSeat("n1", GPU_1)) == [(LOCKED, TOKENS, 1 * MICRO)]


# Revocation


def test_revoked_resource_is_matched_no_more_until_it_is_certified_and_staked(market):
    market.do(RevokeCertificate("t1", "wrong device"))
    assert resource(market, "t1").evidence == "wrong device"
    market.orders()
    market.refuses(NotEligible, MatchTask("j1", 0, "t1"))
    market.do(CertifyResource("t1", "seen again"))
    market.refuses(NotEligible, MatchTask("j1", 0, "t1"))
    market.do(StakeCertificate("t1", GPU_1))
    market.do(MatchTask("j1", 0, "t1"))

    assert resource(market, "t1").certificate == 3


def test_certificate_that_is_not_there_is_not_revoked(market):
    market.refuses(UnknownRecord, RevokeCertificate("n1", "why"))
    market.do(offer("n1"))
    market.refuses(NotCertified, RevokeCertificate("n1", "why"))
    market.do(CertifyResource("n1", "seen"))
    market.refuses(Malformed, RevokeCertificate("n1", ""))
    market.refuses(NotAllowed, RevokeCertificate("n1", "why"), GPU_1)
    market.do(RevokeCertificate("n1", "why"))
    market.refuses(NotCertified, RevokeCertificate("n1", "why"))
    market.do(RetireResource("n1", GPU_1))
    market.refuses(NotCertified, RevokeCertificate("n1", "why"))


# Retirement


def test_busy_resource_does_not_retire(market):
    market.orders()
    market.do(MatchTask("j1", 0, "t1"))
    market.refuses(ResourceBusy, RetireResource("t1", GPU_1))
    market.do(AcceptTask("j1", 0, GPU_1))
    market.do(DeliverTask("j1", 0, GPU_1, ROOT))
    market.refuses(ResourceBusy, RetireResource("t1", GPU_1))
    market.validates()
    market.do(RetireResource("t1", GPU_1))


def test_validator_that_is_drawn_does_not_retire(market):
    market.orders()
    market.delivers()
    first = market.draws()[0]
    owner = resource(market, first).owner
    market.refuses(ResourceBusy, RetireResource(first, owner))
    market.concludes([True] * 3)
    market.do(RetireResource(first, owner))


@pytest.mark.parametrize("steps", [0, 1, 2, 3])
def test_resource_retires_at_any_stage_and_for_good(market, steps):
    market.do(offer("n1"))
    for command in (
        CertifyResource("n1", "seen"),
        StakeCertificate("n1", GPU_1),
        RevokeCertificate("n1", "why"),
    )[:steps]:
        market.do(command)
    market.do(RetireResource("n1", GPU_1), GPU_1)

    assert resource(market).stage is Stage.RETIRED
    for late in (
        RetireResource("n1", GPU_1),
        RepriceResource("n1", GPU_1, 1, 1),
        CertifyResource("n1", "seen"),
        RequestCertification("n1", GPU_1),
        StakeCertificate("n1", GPU_1),
        ClaimSeat("n1", GPU_1),
    ):
        market.refuses(WrongStage, late)
    market.orders()
    market.refuses(NotEligible, MatchTask("j1", 0, "n1"))


# The bench of validators


def bench(market):
    """List who sits on the bench, place by place."""
    count = market.record(Roll, BENCH).count
    return [market.record(Place, str(n)).resource for n in range(1, count + 1)]


def assert_dense(market):
    """Hold the bench to what the validators' own records say."""
    staked = {
        each.id: each.place
        for each in market.state.records(Resource).values()
        if each.can.kind == "validator" and each.stage is Stage.STAKED
    }
    assert staked == {name: n for n, name in enumerate(bench(market), 1)}
    others = market.state.records(Resource).values()
    assert not any(each.place for each in others if each.id not in staked)


def test_last_validator_takes_the_place_that_is_left(market):
    market.do(RetireResource("v3", "supplier:val-3"))
    seats = bench(market)

    assert seats[3] == f"v{VALIDATORS - 1}"
    assert len(seats) == VALIDATORS - 1
    assert_dense(market)


def test_last_validator_leaves_its_own_place(market):
    last = VALIDATORS - 1
    market.do(RevokeCertificate(f"v{last}", "asleep"))

    assert bench(market) == [f"v{n}" for n in range(last)]
    assert_dense(market)


def test_bench_is_emptied_and_filled_again(market):
    for n in range(VALIDATORS):
        market.do(RevokeCertificate(f"v{n}", "asleep"))
        assert_dense(market)
    assert bench(market) == []
    market.do(CertifyResource("v7", "awake"))
    market.do(StakeCertificate("v7", "supplier:val-7"))

    assert bench(market) == ["v7"]
    assert_dense(market)


@given(
    steps=st.lists(
        st.tuples(
            st.sampled_from(["stake", "retire", "revoke", "certify", "offer"]),
            st.integers(0, VALIDATORS - 1),
        ),
        max_size=40,
    )
)
@settings(max_examples=40)
def test_bench_stays_dense_whoever_comes_and_goes(in_order_again, steps):
    market = in_order(in_order_again())
    new = 0
    for what, n in steps:
        owner = f"supplier:val-{n}"
        before = market.state
        try:
            if what == "offer":
                new += 1
                market.offers(f"w{new}", "validator", owner)
            else:
                market.do(
                    {
                        "stake": StakeCertificate(f"v{n}", owner),
                        "retire": RetireResource(f"v{n}", owner),
                        "revoke": RevokeCertificate(f"v{n}", "asleep"),
                        "certify": CertifyResource(f"v{n}", "awake"),
                    }[what]
                )
        except Refusal:
            assert market.state is before
        assert_dense(market)


# Whose a resource is


@pytest.mark.parametrize(
    "command",
    [
        RepriceResource("n1", GPU_2, 1, 1),
        RequestCertification("n1", GPU_2),
        StakeCertificate("n1", GPU_2),
        RetireResource("n1", GPU_2),
        ClaimSeat("n1", GPU_2),
    ],
)
def test_resource_is_left_alone_by_others(market, command):
    market.do(offer("n1"))
    market.do(CertifyResource("n1", "seen"))
    market.refuses(NotAllowed, command)
    market.refuses(NotAllowed, command, GPU_2)
    own = replace(command, owner=GPU_1)
    market.refuses(NotAllowed, own, GPU_2)
    unknown = replace(
        command,
        **{"resource" if isinstance(command, RequestCertification) else "id": "n2"},
    )
    market.refuses(UnknownRecord, unknown)


def test_nobody_registers_at_the_cost_of_another(market):
    market.refuses(NotAllowed, offer("n1"), GPU_2)


def test_member_with_a_resource_does_not_close_its_accounts(market):
    held = market.held(TOKENS)
    market.refuses(AccountNotEmpty, CloseAccounts(GPU_1))
    market.do(Move(TOKENS, f"{GPU_2}:token", "token", held))
    assert "t1" in str(market.refuses(AccountInUse, CloseAccounts(GPU_1), GPU_1))
    market.do(RevokeCertificate("t1", "why"))
    market.refuses(AccountInUse, CloseAccounts(GPU_1))
    market.do(RetireResource("t1", GPU_1))
    market.do(CloseAccounts(GPU_1), GPU_1)

    market.refuses(AccountClosed, offer("n1"))


def test_member_whose_pay_of_the_day_is_to_come_does_not_close_its_accounts(market):
    market.orders()
    market.delivers()
    market.validates()
    assert market.record(Earning, "0:demo:training:1").resource == "t1"
    market.do(RetireResource("t1", GPU_1))
    market.do(Move(TOKENS, f"{GPU_2}:token", "token", market.held(TOKENS)))

    market.refuses(AccountInUse, CloseAccounts(GPU_1))


def test_seat_needs_the_operators_word(market):
    market.do(offer("n1"))
    market.do(RequestCertification("n1", GPU_1))
    market.do(DeliverTask(TEST, 0, GPU_1, ROOT))
    market.validates(TEST)
    market.refuses(NotCertified, StakeCertificate("n1", GPU_1, "demo"))
    market.do(CertifyResource("n1", "seen"))
    market.do(StakeCertificate("n1", GPU_1, "demo"))

    assert resource(market, "n1").project == "demo"


def test_revoking_takes_the_operators_word_back(market):
    market.do(RevokeCertificate("t1", "gone"))
    assert not resource(market, "t1").attested
