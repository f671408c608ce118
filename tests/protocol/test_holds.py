"""What is reserved is posted or given back, once, to whom it belongs."""

from dataclasses import replace

import pytest

from coopera.errors import (
    AlreadyExists,
    HoldNotPending,
    HoldTooSmall,
    InsufficientBalance,
    Malformed,
    NotAllowed,
    UnknownAccount,
    UnknownRecord,
)
from coopera.ledger import NEVER, Hold, HoldStatus
from coopera.protocol.holds import (
    EXPIRED_MAX,
    ExpireHolds,
    OpenHold,
    VoidHold,
)
from coopera.protocol.money import (
    CancelWithdrawal,
    Deposit,
    GrantCredit,
    OpenAccounts,
    RequestWithdrawal,
)
from coopera.protocol.services import (
    CallAgent,
    CallModel,
    PayJob,
    Train,
)
from coopera.units import MICRO

ALICE = "consumer:alice:credit"
BOB = "consumer:bob:credit"
GRANT = "consumer:alice:grant"
ESCROW = "escrow:credit"

NOW = 1_700_000_000_000_000
MINUTE = 60_000_000

RESERVE = OpenHold("h", "consumer:alice", 10000, NOW + MINUTE)
CALL = CallModel("consumer:alice", "open", 2600, 0, (("supplier:gpu-1", 1),), "h")
"""Costs 7,800: 780 tax, and the rest for compute."""


@pytest.fixture
def reserved(world):
    assert world.do(RESERVE) == [(ALICE, ESCROW, 10000)]
    return world


def status(world, name="h"):
    return world.state.record(Hold, name).status


# Opening


def test_what_is_reserved_cannot_be_spent_otherwise(reserved):
    assert reserved.held(ALICE) == 100 * MICRO - 10000
    assert reserved.held(ESCROW) == 10000
    assert status(reserved) is HoldStatus.PENDING
    everything = OpenHold("all", "consumer:alice", 100 * MICRO - 9999, NOW + 1)
    refusal = reserved.refuses(InsufficientBalance, everything)
    assert refusal.available == 100 * MICRO - 10000
    reserved.do(replace(everything, amount=100 * MICRO - 10000))
    reserved.refuses(InsufficientBalance, replace(CALL, hold=""))


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"id": ""}, Malformed),
        ({"id": "H"}, Malformed),
        ({"id": "withdrawal:w"}, Malformed),
        ({"id": None}, Malformed),
        ({"consumer": "supplier:gpu-1"}, Malformed),
        ({"consumer": "alice"}, Malformed),
        ({"consumer": "escrow"}, Malformed),
        ({"expires_at": NOW}, Malformed),
        ({"expires_at": NOW - 1}, Malformed),
        ({"expires_at": 0}, Malformed),
        ({"expires_at": -1}, Malformed),
        ({"expires_at": NEVER + 1}, Malformed),
        ({"expires_at": 2**64}, Malformed),
        ({"expires_at": True}, Malformed),
        ({"expires_at": float(NOW + 1)}, Malformed),
        ({"expires_at": str(NOW + 1)}, Malformed),
        ({"expires_at": None}, Malformed),
        ({"consumer": "consumer:nobody"}, UnknownAccount),
        ({"amount": 100 * MICRO + 1}, InsufficientBalance),
    ],
)
def test_reservation_with_one_bad_field_is_refused(world, changes, refusal):
    world.refuses(refusal, replace(RESERVE, **changes))


def test_hold_s_name_is_used_once_even_after_it_ended(reserved):
    reserved.refuses(AlreadyExists, RESERVE)
    reserved.refuses(AlreadyExists, replace(RESERVE, consumer="consumer:bob"))
    reserved.do(VoidHold("h"))
    reserved.refuses(AlreadyExists, RESERVE)


def test_hold_may_last_for_as_long_as_there_are_moments(world):
    world.do(replace(RESERVE, expires_at=NEVER))
    world.at(NEVER - 1)
    world.do(CALL)


# Posting


def test_hold_is_posted_for_what_was_used_and_the_rest_comes_back(reserved):
    assert reserved.do(CALL) == [
        (ESCROW, ALICE, 10000),
        (ALICE, "settlement:taxes", 780),
        (ALICE, "supplier:gpu-1:usd", 7020),
    ]
    assert reserved.held(ALICE) == 100 * MICRO - 7800
    assert reserved.held(ESCROW) == 0
    assert status(reserved) is HoldStatus.POSTED


def test_hold_covers_exactly_what_it_reserves(world):
    world.do(replace(RESERVE, amount=7800))
    world.do(CALL)
    assert world.held(ALICE) == 100 * MICRO - 7800


def test_hold_that_is_a_unit_short_is_refused_though_there_is_more(world):
    world.do(replace(RESERVE, amount=7799))
    world.refuses(HoldTooSmall, CALL)
    assert status(world) is HoldStatus.PENDING


def test_hold_of_all_credits_can_be_posted(world):
    world.do(replace(RESERVE, amount=100 * MICRO))
    assert world.held(ALICE) == 0
    world.do(CALL)
    assert world.held(ALICE) == 100 * MICRO - 7800


AGENT = CallAgent("consumer:alice", "plain", 2600, 0, (("supplier:gpu-1", 1),))
TRAINING = Train("consumer:alice", (("supplier:gpu-1", "a100", 3600),))
JOB = PayJob("consumer:alice", "training", 10000, (("training", "supplier:gpu-1", 1),))


@pytest.mark.parametrize(
    ("command", "fee"), [(AGENT, 7800), (TRAINING, 2_500000), (JOB, 10000)]
)
def test_every_charge_can_be_posted_to_a_hold(world, command, fee):
    held = replace(command, hold="h")
    world.refuses(UnknownRecord, held)
    world.do(replace(RESERVE, amount=fee))
    without = [move for move in world.do(held) if move[0] != ESCROW]

    assert sum(amount for _, _, amount in without) == fee
    assert {debit for debit, _, _ in without} == {ALICE}
    assert world.held(ALICE) == 100 * MICRO - fee
    assert world.held(ESCROW) == 0
    world.refuses(HoldNotPending, held)


def test_hold_of_another_consumer_is_refused(reserved):
    reserved.do(Deposit(BOB, "usd", MICRO, "x"))
    reserved.refuses(NotAllowed, replace(CALL, consumer="consumer:bob"))
    assert status(reserved) is HoldStatus.PENDING


def test_withdrawal_is_no_hold_of_a_call(world):
    world.do(RequestWithdrawal("w", ALICE, "usd", 10000))
    world.refuses(UnknownRecord, replace(CALL, hold="w"))
    world.refuses(NotAllowed, replace(CALL, hold="withdrawal:w"))
    world.refuses(NotAllowed, VoidHold("withdrawal:w"))
    world.refuses(HoldNotPending, ExpireHolds(("withdrawal:w",)))
    world.do(CancelWithdrawal("w"))


# An end, and only one


def test_hold_ends_once(world):
    ends = {
        "posted": lambda name: world.do(replace(CALL, hold=name)),
        "voided": lambda name: world.do(VoidHold(name)),
        "expired": lambda name: world.do(ExpireHolds((name,))),
    }
    for name in ends:
        world.do(replace(RESERVE, id=name))
    for name in ("posted", "voided"):
        ends[name](name)
    world.at(NOW + MINUTE)
    ends["expired"]("expired")

    for name in ends:
        assert status(world, name) == name
        world.refuses(HoldNotPending, replace(CALL, hold=name))
        world.refuses(HoldNotPending, VoidHold(name))
        assert world.do(ExpireHolds((name,))) == []
    assert world.held(ESCROW) == 0
    assert world.held(ALICE) == 100 * MICRO - 7800


def test_voided_hold_gives_back_what_it_took(reserved):
    assert reserved.do(VoidHold("h")) == [(ESCROW, ALICE, 10000)]
    assert reserved.held(ALICE) == 100 * MICRO
    reserved.refuses(HoldNotPending, VoidHold("h"))


def test_hold_is_used_up_to_its_last_moment(reserved):
    reserved.at(NOW + MINUTE - 1)
    reserved.refuses(HoldNotPending, ExpireHolds(("h",)))
    reserved.do(CALL)


def test_hold_from_its_last_moment_on_can_only_expire(reserved):
    reserved.at(NOW + MINUTE)
    reserved.refuses(HoldNotPending, CALL)
    reserved.refuses(HoldNotPending, VoidHold("h"))
    assert reserved.do(ExpireHolds(("h",))) == [(ESCROW, ALICE, 10000)]
    assert reserved.held(ALICE) == 100 * MICRO


def test_holds_expire_together_or_not_at_all(world):
    world.do(replace(RESERVE, id="a"))
    world.do(replace(RESERVE, id="b", amount=5))
    world.do(replace(RESERVE, id="later", expires_at=NOW + 2 * MINUTE))
    world.at(NOW + MINUTE)

    world.refuses(HoldNotPending, ExpireHolds(("a", "b", "later")))
    world.refuses(UnknownRecord, ExpireHolds(("a", "nothing")))
    assert world.do(ExpireHolds(("a", "b"))) == [
        (ESCROW, ALICE, 10000),
        (ESCROW, ALICE, 5),
    ]
    assert world.held(ESCROW) == 10000


def test_hold_that_is_named_twice_expires_once(reserved):
    reserved.at(NOW + MINUTE)
    assert reserved.do(ExpireHolds(("h", "h", "h"))) == [(ESCROW, ALICE, 10000)]


def test_holds_that_ended_stay_as_they_are_among_those_that_expire(world):
    world.do(replace(RESERVE, id="a"))
    world.do(replace(RESERVE, id="b"))
    world.do(VoidHold("a"))
    world.at(NOW + MINUTE)

    assert world.do(ExpireHolds(("a", "b"))) == [(ESCROW, ALICE, 10000)]
    assert status(world, "a") is HoldStatus.VOIDED


@pytest.mark.parametrize("ids", [(), ("h",) * (EXPIRED_MAX + 1)])
def test_too_few_or_too_many_holds_to_expire_are_refused(reserved, ids):
    reserved.at(NOW + MINUTE)
    reserved.refuses(Malformed, ExpireHolds(ids))


@pytest.mark.parametrize("name", ["", "nothing", None, 5])
def test_hold_that_there_is_not_is_refused(world, name):
    world.refuses(UnknownRecord, VoidHold(name))
    world.refuses(UnknownRecord, ExpireHolds((name,)))
    world.refuses(UnknownRecord, replace(CALL, hold="nothing"))


def test_only_the_operator_gives_a_reservation_back(reserved):
    # Else a consumer would have its call served, and take the hold away.
    reserved.refuses(NotAllowed, VoidHold("h"), "consumer:alice")
    reserved.refuses(NotAllowed, ExpireHolds(("h",)), "consumer:alice")


def test_consumer_reserves_its_own_credits_alone(world):
    world.do(RESERVE, "consumer:alice")
    world.refuses(NotAllowed, replace(RESERVE, id="x"), "consumer:bob")


# Grants


@pytest.fixture
def granted(world):
    """Reserve 10,000, of which 4,000 are granted."""
    world.do(GrantCredit("consumer:alice", 4000, "welcome"))
    assert world.do(RESERVE) == [(GRANT, ESCROW, 4000), (ALICE, ESCROW, 6000)]
    assert world.state.record(Hold, "h").granted == 4000
    return world


def test_grant_larger_than_the_hold_reserves_all_of_it(world):
    world.do(GrantCredit("consumer:alice", 10_001, "welcome"))
    assert world.do(RESERVE) == [(GRANT, ESCROW, 10_000)]
    assert (world.held(GRANT), world.held(ALICE)) == (1, 100 * MICRO)


def test_grant_can_be_reserved_without_any_credits(world):
    world.do(GrantCredit("consumer:bob", 9999, "welcome"))
    bob = replace(RESERVE, consumer="consumer:bob")
    refusal = world.refuses(InsufficientBalance, bob)
    assert (refusal.available, refusal.required) == (0, 1)
    world.do(replace(bob, amount=9999))


def test_voided_hold_gives_the_grant_back_to_the_grant(granted):
    assert granted.do(VoidHold("h")) == [(ESCROW, GRANT, 4000), (ESCROW, ALICE, 6000)]
    assert (granted.held(GRANT), granted.held(ALICE)) == (4000, 100 * MICRO)


def test_expired_hold_gives_the_grant_back_to_the_grant(granted):
    granted.at(NOW + MINUTE)
    granted.do(ExpireHolds(("h",)))
    assert (granted.held(GRANT), granted.held(ALICE)) == (4000, 100 * MICRO)


@pytest.mark.parametrize(("fee_tokens", "left"), [(2600, 0), (1000, 1000)])
def test_posted_hold_spends_its_grant_first(granted, fee_tokens, left):
    fee = fee_tokens * 3
    moved = granted.do(replace(CALL, input_tokens=fee_tokens))

    assert moved[:3] == [
        (ESCROW, GRANT, 4000),
        (ESCROW, ALICE, 6000),
        (GRANT, ALICE, 4000 - left),
    ]
    assert granted.held(GRANT) == left
    assert granted.held(ALICE) == 100 * MICRO - fee + 4000 - left
    assert granted.held(ESCROW) == 0


def test_posted_hold_spends_grants_that_came_later_too(granted):
    granted.do(GrantCredit("consumer:alice", 5000, "more"))
    granted.do(CALL)
    assert (granted.held(GRANT), granted.held(ALICE)) == (1200, 100 * MICRO)


def test_grants_of_two_holds_are_remembered_apart(granted):
    granted.do(GrantCredit("consumer:alice", 500, "more"))
    granted.do(replace(RESERVE, id="other", amount=2000))
    assert granted.state.record(Hold, "other").granted == 500
    assert granted.do(VoidHold("other")) == [
        (ESCROW, GRANT, 500),
        (ESCROW, ALICE, 1500),
    ]
    assert granted.do(VoidHold("h"))[0] == (ESCROW, GRANT, 4000)


def test_reserved_grant_cannot_be_withdrawn(granted):
    granted.do(RequestWithdrawal("w", ALICE, "usd", 100 * MICRO - 6000))
    granted.do(VoidHold("h"))
    granted.refuses(InsufficientBalance, RequestWithdrawal("x", ALICE, "usd", 6001))
    granted.do(RequestWithdrawal("x", ALICE, "usd", 6000))


# Limits


@pytest.fixture
def full(world):
    """Reserve 60 of 100, and fill the account to its limit again."""
    small = "consumer:small:credit"
    world.do(OpenAccounts("consumer:small", 100))
    world.do(Deposit(small, "usd", 100, "s1"))
    world.do(OpenHold("small", "consumer:small", 60, NOW + MINUTE))
    world.do(Deposit(small, "usd", 60, "s2"))
    return world


def test_hold_of_a_full_account_is_voided(full):
    full.do(VoidHold("small"))
    assert full.held("consumer:small:credit") == 160


def test_hold_of_a_full_account_does_not_keep_others_from_expiring(full):
    full.do(RESERVE)
    full.at(NOW + MINUTE)
    full.do(ExpireHolds(("h", "small")))
    assert full.held("consumer:small:credit") == 160
    assert full.held(ALICE) == 100 * MICRO


def test_hold_of_a_full_grant_is_voided(world):
    world.do(OpenAccounts("consumer:small", 100))
    world.do(GrantCredit("consumer:small", 100, "one"))
    world.do(OpenHold("small", "consumer:small", 60, NOW + MINUTE))
    world.do(GrantCredit("consumer:small", 60, "two"))
    world.do(VoidHold("small"))
    assert world.held("consumer:small:grant") == 160
