"""A job goes from its order to the pay of all who worked on it, or is refunded."""

from dataclasses import replace

import pytest
from tests.protocol.conftest import NOW
from tests.protocol.market import DEADLINE, HOUR, PRICE, ROOT, order

from coopera.errors import (
    InsufficientBalance,
    Malformed,
    NotAllowed,
    NotEligible,
    PriceTooLow,
    ResourceBusy,
    TooEarly,
    TooLate,
    UnknownKind,
    UnknownRecord,
    UnknownService,
    WrongStage,
    ZeroAmount,
)
from coopera.protocol.jobs import (
    AcceptTask,
    CancelJob,
    DeclineTask,
    DeliverTask,
    ExpireTask,
    MatchTask,
)
from coopera.protocol.money import GrantCredit
from coopera.protocol.orders import Earning, Job, JobStage, Need, TaskStage
from coopera.protocol.supply import RepriceResource, RevokeCertificate
from coopera.units import MICRO, WAD

ALICE = "consumer:alice:credit"
GPU_1 = "supplier:gpu-1"
GPU_2 = "supplier:gpu-2"
BOTH = (Need("training"), Need("inference"))


def test_job_is_paid_into_the_income_of_the_day_once_it_is_validated(market):
    before = market.held(ALICE)
    market.orders()
    assert market.held("escrow:jobs") == PRICE

    market.delivers()
    market.validates()

    assert market.record(Job, "j1").stage is JobStage.SETTLED
    assert market.held(ALICE) == before - PRICE
    assert market.held("escrow:jobs") == 0
    assert market.held("income:demo:training") == PRICE
    assert market.record(Earning, "0:demo:training:1") == Earning(
        "0:demo:training:1", "t1", PRICE
    )
    track = market.track("t1")
    assert (track.outcomes, track.total, track.busy) == ("1", 1, 0)


def test_grants_pay_for_a_job_first(market):
    market.do(GrantCredit("consumer:alice", 4 * MICRO, "welcome"))
    before = market.held(ALICE)
    market.orders()
    assert market.held("consumer:alice:grant") == 0
    assert market.held(ALICE) == before - PRICE + 4 * MICRO
    market.delivers()
    market.validates()

    assert market.held("consumer:alice:grant") == 0
    assert market.held(ALICE) == before - PRICE + 4 * MICRO


def test_bond_is_held_from_acceptance_to_validation(market):
    market.orders()
    before = market.held(f"{GPU_1}:token")
    market.accepts()
    assert market.held(f"{GPU_1}:token") == before - 5 * MICRO
    assert market.task().bond == market.held("escrow:bonds") == 5 * MICRO

    market.do(DeliverTask("j1", 0, GPU_1, ROOT))
    market.validates()

    assert market.held(f"{GPU_1}:token") == before
    assert market.held("escrow:bonds") == 0


def test_supplier_without_the_bond_cannot_accept(market):
    market.orders(unit_price=18 * MICRO)
    market.do(MatchTask("j1", 0, "t1"))
    refused = market.refuses(InsufficientBalance, AcceptTask("j1", 0, GPU_1))

    assert refused.required == 45 * MICRO


def test_pipeline_pays_every_kind_by_the_matrix(market):
    market.orders(pipeline="serving", needs=BOTH, unit_price=5 * MICRO)
    market.delivers("t1", index=0)
    market.delivers("s1", index=1)
    market.validates(index=0)
    assert market.record(Job, "j1").stage is JobStage.OPEN
    market.validates(index=1)

    assert market.held("income:demo:training") == 10 * MICRO
    assert market.held("income:demo:inference") == 15 * MICRO
    assert market.record(Earning, "0:demo:inference:1").resource == "s1"


def test_within_a_kind_pay_follows_what_each_contributed(market):
    market.orders(needs=(Need("training"), Need("training")))
    market.delivers("t1", index=0, work=3)
    market.delivers("t2", index=1, work=1)
    market.validates(index=0)
    market.validates(index=1)

    units = [market.record(Earning, f"0:demo:training:{n}").units for n in (1, 2)]
    assert sorted(units) == [PRICE // 4, PRICE * 3 // 4]


def test_second_job_of_a_day_adds_to_what_was_earned(market):
    for name in ("j1", "j2"):
        market.orders(name)
        market.delivers(job=name)
        market.validates(job=name)

    assert market.record(Earning, "0:demo:training:1").units == 2 * PRICE
    assert market.state.record(Earning, "0:demo:training:2") is None


def test_rejected_work_costs_the_bond_and_goes_to_another(market):
    market.orders()
    market.delivers()
    before = market.held("reserve:token:float")
    market.validates(passed=False)

    task = market.task()
    assert (task.stage, task.failed) == (TaskStage.CREATED, ("t1",))
    assert market.held("reserve:token:float") == before + 5 * MICRO
    assert market.track("t1").outcomes == "0"
    market.refuses(NotEligible, MatchTask("j1", 0, "t1"))

    market.delivers("t2")
    market.validates()
    assert market.record(Job, "j1").stage is JobStage.SETTLED


def test_consumer_gets_everything_back_when_it_fails_again(market):
    before = market.held(ALICE)
    market.orders()
    for resource in ("t1", "t2"):
        market.delivers(resource)
        market.validates(passed=False)

    assert market.record(Job, "j1").stage is JobStage.REFUNDED
    assert market.held(ALICE) == before
    assert market.held("escrow:jobs") == 0
    market.refuses(WrongStage, MatchTask("j1", 0, "t2"))


def test_others_of_a_refunded_pipeline_get_their_bonds_back(market):
    market.orders(pipeline="serving", needs=BOTH, unit_price=4 * MICRO)
    market.accepts("s1", index=1)
    held = market.held(f"{GPU_2}:token")
    for resource in ("t1", "t2"):
        market.delivers(resource, index=0)
        market.validates(index=0, passed=False)

    assert market.record(Job, "j1").stage is JobStage.REFUNDED
    assert market.task(index=1).stage is TaskStage.CANCELLED
    assert market.track("s1").busy == 0
    assert market.track("s1").outcomes == ""
    # The bond of the server came back, that of the second trainer did not.
    assert market.held(f"{GPU_2}:token") == held + 6 * MICRO - 4 * MICRO


def test_who_lets_the_time_to_accept_pass_has_failed(market):
    market.orders()
    market.do(MatchTask("j1", 0, "t1"))
    market.refuses(TooEarly, ExpireTask("j1", 0))
    market.at(market.task().due)
    market.refuses(TooLate, AcceptTask("j1", 0, GPU_1))
    market.do(ExpireTask("j1", 0))

    track = market.track("t1")
    assert (track.outcomes, track.busy) == ("0", 0)
    assert market.task().failed == ("t1",)


def test_who_declines_in_time_has_not_failed(market):
    market.orders()
    market.do(MatchTask("j1", 0, "t1"))
    market.do(DeclineTask("j1", 0, GPU_1))

    track = market.track("t1")
    assert (track.outcomes, track.busy) == ("", 0)
    market.refuses(NotEligible, MatchTask("j1", 0, "t1"))
    market.do(MatchTask("j1", 0, "t2"))


def test_who_does_not_deliver_in_time_has_failed_and_loses_a_part_of_its_bond(market):
    market.orders()
    before = market.held(f"{GPU_1}:token")
    market.accepts()
    market.at(DEADLINE)
    market.refuses(TooLate, DeliverTask("j1", 0, GPU_1, ROOT))
    market.do(ExpireTask("j1", 0))

    # Nobody could still do it, so that the consumer has its money back.
    assert market.record(Job, "j1").stage is JobStage.REFUNDED
    assert market.held(f"{GPU_1}:token") == before - MICRO // 2
    assert market.held("escrow:bonds") == 0
    assert market.track("t1").outcomes == "0"


def test_job_that_nobody_took_is_refunded_at_its_deadline(market):
    before = market.held(ALICE)
    market.orders()
    market.refuses(TooEarly, ExpireTask("j1", 0))
    market.at(DEADLINE)
    market.do(ExpireTask("j1", 0))

    assert market.held(ALICE) == before
    market.refuses(WrongStage, ExpireTask("j1", 0))


def test_delivered_work_waits_for_its_validators_and_not_for_the_clock(market):
    market.orders()
    market.delivers()
    market.at(DEADLINE + HOUR // 4)
    market.refuses(TooEarly, ExpireTask("j1", 0))
    panel = market.draws()
    market.at(DEADLINE + HOUR)
    market.refuses(WrongStage, ExpireTask("j1", 0))
    market.state = replace(market.state, now_=DEADLINE + HOUR // 4)
    market.concludes([True] * len(panel))

    assert market.record(Job, "j1").stage is JobStage.SETTLED


def test_work_that_nobody_can_judge_is_nobody_s_fault(market):
    tokens, dollars = market.held(f"{GPU_1}:token"), market.held(ALICE)
    market.orders()
    market.delivers()
    market.at(DEADLINE + HOUR)
    market.do(ExpireTask("j1", 0))

    assert market.record(Job, "j1").stage is JobStage.REFUNDED
    assert (market.held(f"{GPU_1}:token"), market.held(ALICE)) == (tokens, dollars)
    track = market.track("t1")
    assert (track.outcomes, track.busy) == ("", 0)


def test_consumer_takes_back_what_nobody_has_accepted(market):
    before, dollars = market.held(ALICE), market.held("reserve:usd:operations")
    market.orders()
    market.do(MatchTask("j1", 0, "t1"))
    market.refuses(NotAllowed, CancelJob("j1", "consumer:bob"))
    market.do(CancelJob("j1", "consumer:alice"), "consumer:alice")
    # A twentieth of the price, for the slot that was kept.
    assert market.held(ALICE) == before - PRICE // 20
    assert market.held("reserve:usd:operations") == dollars + PRICE // 20
    assert market.track("t1").busy == 0

    market.orders("j2")
    market.accepts(job="j2")
    market.refuses(WrongStage, CancelJob("j2", "consumer:alice"))


def test_job_that_nobody_was_found_for_is_cancelled_for_nothing(market):
    before = market.held(ALICE)
    market.orders()
    market.do(CancelJob("j1", "consumer:alice"))

    assert market.held(ALICE) == before


def test_cancelling_less_than_a_unit_costs_as_much_as_a_whole_one(market):
    before = market.held(ALICE)
    market.orders(unit_price=PRICE, quantity=MICRO // 10)
    market.do(MatchTask("j1", 0, "t1"))
    market.do(CancelJob("j1", "consumer:alice"))

    assert market.held(ALICE) == before - PRICE // 20


def test_who_cannot_pay_for_cancelling_does_not_cancel(market):
    rest = market.held(ALICE) - PRICE // 25
    market.orders("j0", unit_price=rest, quantity=MICRO)
    market.orders(unit_price=PRICE, quantity=MICRO // 25)
    market.do(MatchTask("j1", 0, "t1"))
    market.refuses(InsufficientBalance, CancelJob("j1", "consumer:alice"))


def test_cancelling_costs_grants_before_dollars(market):
    market.do(GrantCredit("consumer:alice", PRICE // 40, "welcome"))
    before = market.held(ALICE)
    market.orders()
    market.do(MatchTask("j1", 0, "t1"))
    market.do(CancelJob("j1", "consumer:alice"))

    assert market.held("consumer:alice:grant") == 0
    assert market.held(ALICE) == before - PRICE // 40


def test_work_is_delivered_once(market):
    market.orders()
    market.delivers()
    market.refuses(WrongStage, DeliverTask("j1", 0, GPU_1, ROOT))


def test_nobody_delivers_for_another(market):
    market.orders()
    market.accepts()
    market.refuses(NotAllowed, DeliverTask("j1", 0, GPU_2, ROOT))
    market.refuses(NotAllowed, DeliverTask("j1", 0, GPU_2, ROOT), GPU_2)


def test_certificate_that_is_gone_delivers_nothing(market):
    market.orders()
    market.accepts()
    market.do(RevokeCertificate("t1", "wrong device"))
    market.refuses(NotEligible, DeliverTask("j1", 0, GPU_1, ROOT))


def test_resource_takes_no_more_jobs_than_it_has_slots(market):
    for name in ("j1", "j2", "j3"):
        market.orders(name)
    for name in ("j1", "j2"):
        market.accepts(job=name)
    market.refuses(ResourceBusy, MatchTask("j3", 0, "t1"))
    market.do(RepriceResource("t1", GPU_1, 1 * MICRO, 3))
    market.do(MatchTask("j3", 0, "t1"))


@pytest.mark.parametrize(
    ("need", "unmet", "said"),
    [
        ({"devices": ("a100", "b200")}, "device", "h100, and must be a100 or b200"),
        ({"count": 9}, "count", "8, and must be 9 or more"),
        ({"memory_gib": 81}, "memory", "80 GiB, and must be 81 or more"),
        (
            {"regions": ("eu-north", "us-east")},
            *("region", "us-west, and must be eu-north or us-east"),
        ),
        ({"latency_ms": 199}, "latency", "200 ms, and must be 199 or less"),
        ({"model": "vision"}, "model", "llm, and must be vision"),
        (
            {"min_reputation": 6 * 10**17},
            *("reputation", "0.5000, and must be 0.6000 or more"),
        ),
    ],
)
def test_resource_that_does_not_fit_is_told_why(market, need, unmet, said):
    market.orders(needs=(Need("training", **need),))
    refused = market.refuses(NotEligible, MatchTask("j1", 0, "t1"))

    assert str(refused) == (
        f"resource t1 cannot do task 0 of j1, since its {unmet} does not fit: it is "
        f"{said}"
    )


def test_resource_that_is_not_ready_for_a_task_is_told_why(market):
    market.orders()
    kind = market.refuses(NotEligible, MatchTask("j1", 0, "s1"))
    assert "its kind does not fit: it is inference, and must be training" in str(kind)
    market.do(MatchTask("j1", 0, "t1"))
    market.do(DeclineTask("j1", 0, GPU_1))
    had = market.refuses(NotEligible, MatchTask("j1", 0, "t1"))
    assert "it has declined the task before; match another" in str(had)
    market.do(RepriceResource("t2", "supplier:gpu-2", 3 * MICRO, 1))
    price = market.refuses(NotEligible, MatchTask("j1", 0, "t2"))
    assert "it is 3000000 micro-dollars a unit, and must be 2000000 or less" in str(
        price
    )
    market.do(RevokeCertificate("t2", "seen"))
    stage = market.refuses(NotEligible, MatchTask("j1", 0, "t2"))
    assert "its certificate does not fit: it is revoked, and must be staked" in str(
        stage
    )


def test_resource_that_asks_more_than_its_part_is_not_matched(market):
    market.orders(unit_price=MICRO - 1)
    refused = market.refuses(NotEligible, MatchTask("j1", 0, "t1"))
    assert "its price" in str(refused)
    market.orders("j2", unit_price=MICRO)
    market.do(MatchTask("j2", 0, "t1"))


def test_resource_of_another_kind_is_not_matched(market):
    market.orders()
    assert "its kind" in str(market.refuses(NotEligible, MatchTask("j1", 0, "s1")))


def test_dormant_resource_is_certified_anew_before_it_is_matched(market):
    economy = market.state.economy()
    market.state = replace(market.state, economy_=replace(economy, day=31))
    market.orders()

    assert "activity" in str(market.refuses(NotEligible, MatchTask("j1", 0, "t1")))


def test_nobody_works_for_itself(market):
    market.orders(consumer="consumer:alice")
    record = market.record(Job, "j1")
    own = replace(record, consumer="consumer:gpu-1")
    records = {**market.state.records_, (Job, "j1"): own}
    market.state = replace(market.state, records_=records)

    assert "itself" in str(market.refuses(NotEligible, MatchTask("j1", 0, "t1")))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"name": "J 1"}, Malformed),
        ({"consumer": "supplier:gpu-1"}, Malformed),
        ({"pipeline": "nothing"}, UnknownService),
        ({"project": "nothing"}, UnknownService),
        ({"unit_price": 0}, ZeroAmount),
        ({"quantity": 0}, ZeroAmount),
        ({"units": 0}, ZeroAmount),
        ({"deadline": NOW}, TooLate),
        ({"deadline": NOW + 60 * MICRO}, TooLate),
        ({"deadline": 1.5}, Malformed),
        ({"needs": (Need("training", devices=("H 100",)),)}, Malformed),
        ({"needs": (Need("inference"),)}, UnknownKind),
        ({"pipeline": "serving"}, UnknownKind),
        ({"pipeline": "serving", "needs": BOTH, "unit_price": 1}, PriceTooLow),
        ({"unit_price": 21 * MICRO}, InsufficientBalance),
    ],
)
def test_order_with_one_bad_field_is_refused(market, changes, refusal):
    market.refuses(refusal, order(**changes))


def test_task_that_is_not_there_is_refused(market):
    market.orders()
    for command in (MatchTask("j1", 1, "t1"), MatchTask("j2", 0, "t1")):
        market.refuses(UnknownRecord, command)
    market.refuses(UnknownRecord, MatchTask("j1", 0, "nothing"))


# What would let somebody gain at the cost of others


def test_job_whose_verdicts_would_cost_more_than_the_network_keeps_is_refused(market):
    # Three verdicts cost 0.06 tokens, at a dollar each, and a fortieth of the price
    # each; of a dollar 0.30 is kept.
    refused = market.refuses(PriceTooLow, order(unit_price=MICRO, quantity=266_000))
    assert str(refused).startswith("of 266000 micro-dollars the network keeps 79800")
    market.orders(unit_price=MICRO, quantity=266_667)


def test_pay_for_verdicts_that_grows_with_the_work_asks_for_a_higher_price(market):
    validation = replace(market.params.validation, validator_reward_rate=WAD // 20)
    market.params = replace(market.params, validation=validation)
    market.refuses(PriceTooLow, order(unit_price=MICRO, quantity=399_900))
    market.orders(unit_price=MICRO, quantity=400_000)
    market.delivers()
    market.validates()

    (earned,) = {
        each.units
        for each in market.state.records(Earning).values()
        if ":-:" in each.id
    }
    assert earned == 20_000 + 400_000 // 20


def test_deadline_is_not_too_far_away(market):
    most = NOW + 30 * 24 * HOUR
    refused = market.refuses(Malformed, order(deadline=most + 1))
    assert "2023-12-14 22:13:20 UTC at most; set an earlier one" in str(refused)
    market.orders(deadline=most)


def test_nobody_claims_more_work_than_a_job_has(market):
    market.orders()
    market.accepts()
    market.refuses(Malformed, DeliverTask("j1", 0, GPU_1, ROOT, 11))
    market.do(DeliverTask("j1", 0, GPU_1, ROOT, 10))


def test_what_is_held_back_for_a_large_job_is_not_released_by_small_ones(market):
    market.orders(quantity=15 * MICRO)
    market.delivers()
    market.validates()
    large = market.track("t1").kept
    for n in range(2):
        market.orders(f"small-{n}")
        market.delivers(job=f"small-{n}")
        market.validates(f"small-{n}")

    assert large == 8 * 3 * PRICE
    assert market.track("t1").kept == large - 2 * PRICE


def test_moments_are_said_as_people_write_them(market):
    early = market.refuses(TooLate, order(deadline=NOW))
    assert str(early) == (
        "the deadline is 2023-11-14 22:13:20 UTC, and a supplier has until "
        "2023-11-14 22:14:20 UTC to accept; set a later one"
    )
    market.orders()
    market.do(MatchTask("j1", 0, "t1"))
    early = market.refuses(TooEarly, ExpireTask("j1", 0))
    assert str(early) == (
        "its time is over at 2023-11-14 22:14:20 UTC, and it is 2023-11-14 22:13:20 "
        "UTC; wait until then"
    )
    market.at(NOW + 61 * MICRO)
    late = market.refuses(TooLate, AcceptTask("j1", 0, GPU_1))
    assert str(late) == (
        "it had to be accepted before 2023-11-14 22:14:20 UTC, and it is "
        "2023-11-14 22:14:21 UTC"
    )
