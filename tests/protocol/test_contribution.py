"""Points are earned by contributions, and a budget is shared by them."""

from dataclasses import replace

import pytest

from coopera.errors import (
    AccountClosed,
    AmountTooLarge,
    InsufficientBalance,
    Malformed,
    UnknownAccount,
    UnknownAsset,
    UnknownRecord,
    ZeroAmount,
)
from coopera.protocol.contribution import (
    Contribute,
    Contribution,
    ListContribution,
    Per,
    ShareBudget,
)
from coopera.protocol.money import CloseAccounts
from coopera.protocol.rehearsal import CloseEpoch, Sale
from coopera.units import AMOUNT_MAX, MICRO, MicroUsd

ISSUED = "points:issued"
OPERATIONS = "reserve:usd:operations"
TEN = MicroUsd(10 * MICRO)

LABELS = Contribute("contributor:dan", (("label", 200),))


def test_points_are_price_times_quantity(world):
    assert world.do(LABELS) == [(ISSUED, "contributor:dan:point", 20 * MICRO)]
    assert world.held(ISSUED) == -20 * MICRO


@pytest.mark.parametrize("role", ["supplier:gpu-1", "creator:ann", "contributor:dan"])
def test_whoever_earns_may_contribute(world, role):
    world.do(replace(LABELS, member=role))
    assert world.held(f"{role}:point") == 20 * MICRO


def test_machine_s_time_counts_by_the_second_and_rounds_down(world):
    hour_and_a_half = Contribute("supplier:gpu-1", (("machine", 5400),))
    assert world.do(hour_and_a_half)[0][2] == 15 * MICRO
    # 2,777.8 millionths of a point.
    assert world.do(Contribute("supplier:gpu-1", (("machine", 1),)))[0][2] == 2777


def test_several_contributions_of_a_member_are_counted_at_once(world):
    given = (("label", 10), ("machine", 3600), ("label", 5), ("machine", 1800))
    moved = world.do(Contribute("supplier:gpu-1", given))

    assert [amount for _, _, amount in moved] == [10 * MICRO, 5 * MICRO, 1_500000]
    assert world.held("supplier:gpu-1:point") == 16_500000


def test_change_of_price_counts_from_then_on(world):
    world.do(LABELS)
    world.do(ListContribution("label", 200000))
    assert world.do(LABELS)[0][2] == 40 * MICRO
    assert world.held("contributor:dan:point") == 60 * MICRO
    found = world.state.record(Contribution, "label")
    assert found == Contribution("label", 200000, Per.UNIT)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"id": ""}, Malformed),
        ({"id": "a b"}, Malformed),
        ({"id": None}, Malformed),
        ({"per": "day"}, Malformed),
        ({"per": ""}, Malformed),
        ({"per": None}, Malformed),
    ],
)
def test_price_with_one_bad_field_is_refused(world, changes, refusal):
    world.refuses(refusal, replace(ListContribution("rating", 5), **changes))


@pytest.mark.parametrize(
    ("member", "given", "refusal"),
    [
        ("consumer:alice", (("label", 1),), Malformed),
        ("holder:hal", (("label", 1),), Malformed),
        ("dan", (("label", 1),), Malformed),
        (None, (("label", 1),), Malformed),
        ("contributor:dan", (("nothing", 1),), UnknownRecord),
        ("contributor:dan", (("label", 1), ("nothing", 1)), UnknownRecord),
        ("contributor:dan", (), ZeroAmount),
        ("contributor:dan", (("label", 0),), ZeroAmount),
        ("contributor:dan", (("machine", 0),), ZeroAmount),
        ("contributor:nobody", (("label", 1),), UnknownAccount),
        ("supplier:gone", (("label", 1),), AccountClosed),
        # Prices are millionths: 10**15 labels would be 10**20 of them.
        ("contributor:dan", (("label", AMOUNT_MAX),), AmountTooLarge),
    ],
)
def test_contribution_that_cannot_be_counted_is_refused(world, member, given, refusal):
    world.refuses(refusal, Contribute(member, given))


def test_time_too_short_for_any_point_is_refused(world):
    world.do(ListContribution("slow", 1, Per.HOUR))
    world.refuses(ZeroAmount, Contribute("supplier:gpu-1", (("slow", 3599),)))
    assert world.do(Contribute("supplier:gpu-1", (("slow", 3600),)))[0][2] == 1


def test_no_more_points_than_the_largest_balance(world):
    world.do(ListContribution("huge", AMOUNT_MAX))
    world.do(Contribute("creator:ann", (("huge", 1),)))
    world.refuses(AmountTooLarge, Contribute("creator:dev", (("label", 1),)))


@pytest.fixture
def earned(world):
    world.do(Contribute("contributor:dan", (("label", 300),)))  # 30 points
    world.do(Contribute("supplier:gpu-1", (("label", 200),)))
    world.do(Contribute("creator:ann", (("label", 100),)))
    return world


def test_budget_is_shared_by_points_and_takes_them_back(earned):
    moved = earned.do(ShareBudget("usd", 60 * MICRO))

    assert moved == [
        (OPERATIONS, "contributor:dan:usd", 30 * MICRO),
        ("contributor:dan:point", ISSUED, 30 * MICRO),
        (OPERATIONS, "creator:ann:usd", 10 * MICRO),
        ("creator:ann:point", ISSUED, 10 * MICRO),
        (OPERATIONS, "supplier:gpu-1:usd", 20 * MICRO),
        ("supplier:gpu-1:point", ISSUED, 20 * MICRO),
    ]
    assert earned.held(ISSUED) == 0
    earned.refuses(UnknownRecord, ShareBudget("usd", 1))


def test_budget_of_a_unit_goes_to_who_has_most_and_all_points_are_used(earned):
    moved = earned.do(ShareBudget("usd", 1))

    paid = [move for move in moved if move[0] == OPERATIONS]
    assert paid == [(OPERATIONS, "contributor:dan:usd", 1)]
    assert earned.held(ISSUED) == 0


def test_smallest_part_of_a_point_has_its_share(world):
    world.do(ListContribution("dust", 1))
    world.do(Contribute("creator:ann", (("dust", 1),)))
    world.do(ShareBudget("usd", 7))

    assert world.held("creator:ann:usd") == 7


def test_budget_that_does_not_divide_is_shared_to_the_last_unit(earned):
    # Of seven: 3.5, 1.17 and 2.33.
    earned.do(ShareBudget("usd", 7))

    assert earned.held("contributor:dan:usd") == 4
    assert earned.held("creator:ann:usd") == 1
    assert earned.held("supplier:gpu-1:usd") == 2


def test_budget_of_tokens_comes_out_of_the_float(earned):
    earned.refuses(InsufficientBalance, ShareBudget("token", 6))
    failed = Sale("developers", "training", "demo", TEN, jobs=20, failed=10)
    earned.do(CloseEpoch(0, (failed,), TEN, (0, 0), (0, 0)))
    float_ = earned.held("reserve:token:float")
    assert float_ > 0

    earned.refuses(InsufficientBalance, ShareBudget("token", float_ + 1))
    moved = earned.do(ShareBudget("token", float_))
    assert earned.held("reserve:token:float") == 0
    paid = [amount for debit, _, amount in moved if debit == "reserve:token:float"]
    assert sum(paid) == float_


def test_budget_that_operations_do_not_have_is_refused(earned):
    earned.refuses(InsufficientBalance, ShareBudget("usd", 1000 * MICRO + 1))
    earned.do(ShareBudget("usd", 1000 * MICRO))
    assert earned.held(OPERATIONS) == 0


@pytest.mark.parametrize("asset", ["point", "", "eur", None, 5, ("usd",)])
def test_budget_of_what_cannot_be_paid_is_refused(earned, asset):
    earned.refuses(UnknownAsset, ShareBudget(asset, 1))


def test_budget_for_nobody_is_refused(world):
    world.refuses(UnknownRecord, ShareBudget("usd", 1))


def test_member_without_points_may_close_and_is_paid_nothing(earned):
    earned.do(CloseAccounts("creator:tool-1"))
    earned.do(ShareBudget("usd", 60))
