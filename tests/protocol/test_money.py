"""Money comes in once, goes out once, and is given back at most once."""

from dataclasses import replace

import pytest

from coopera.errors import (
    AccountClosed,
    AccountInUse,
    AccountNotEmpty,
    AlreadyExists,
    AmountTooLarge,
    CurrencyMismatch,
    HoldNotPending,
    InsufficientBalance,
    Malformed,
    NotAllowed,
    NotRefundable,
    ReferenceUsed,
    UnknownAccount,
    UnknownAsset,
    UnknownRecord,
    ZeroAmount,
)
from coopera.ledger import Account, AccountId, accounts_of
from coopera.protocol.commands import OPERATOR, execute
from coopera.protocol.contribution import Contribute
from coopera.protocol.holds import OpenHold, VoidHold
from coopera.protocol.launchpad import PayLaunchpad
from coopera.protocol.listing import ListModel, Retire
from coopera.protocol.money import (
    CancelWithdrawal,
    CloseAccounts,
    ConfirmWithdrawal,
    Deposit,
    GrantCredit,
    Move,
    OpenAccounts,
    RefundCharge,
    Refunded,
    RequestWithdrawal,
)
from coopera.protocol.overlay import Overlay
from coopera.protocol.rehearsal import CloseEpoch, Sale
from coopera.protocol.services import CallModel, PayJob
from coopera.units import AMOUNT_MAX, MICRO, MicroUsd

ALICE = "consumer:alice:credit"
BOB = "consumer:bob:credit"
GRANT = "consumer:alice:grant"
BOBS_GRANT = "consumer:bob:grant"
GPU_1 = "supplier:gpu-1:usd"
GPU_2 = "supplier:gpu-2:usd"
TAXES = "settlement:taxes"
OPERATIONS = "reserve:usd:operations"

# Accounts


@pytest.mark.parametrize(
    ("owner", "assets"),
    [
        ("consumer:new", {"credit", "grant"}),
        ("supplier:new", {"usd", "token", "point"}),
        ("creator:new", {"usd", "token", "point"}),
        ("contributor:new", {"usd", "token", "point"}),
        ("holder:new", {"token"}),
    ],
)
def test_member_opens_the_accounts_of_its_role(world, owner, assets):
    assert world.do(OpenAccounts(owner, 7)) == []

    opened = [world.state.record(Account, path) for path in accounts_of(owner)]
    assert opened == [Account(path, 7) for path in accounts_of(owner)]
    assert {each.id.rpartition(":")[2] for each in opened} == assets


@pytest.mark.parametrize(
    "owner",
    [
        "",
        "alice",
        "consumer",
        "consumer:",
        ":alice",
        "consumer:Alice",
        "consumer:alice:credit",
        "consumer: alice",
        "consumer:alice\n",
        "consumer:\N{LATIN SMALL LETTER E WITH ACUTE}",
        "consumer:-a",
        "consumer:" + "x" * 65,
        "reserve:usd",
        "issuance",
        "operator",
        "escrow:x",
        None,
        5,
        b"consumer:x",
    ],
)
def test_owner_that_is_no_member_is_refused(world, owner):
    world.refuses(Malformed, OpenAccounts(owner))
    world.refuses(Malformed, CloseAccounts(owner))


def test_accounts_are_opened_once_even_after_they_were_closed(world):
    world.refuses(AlreadyExists, OpenAccounts("consumer:alice"))
    world.refuses(AlreadyExists, OpenAccounts("consumer:gone"))


def test_same_name_in_another_role_is_another_member(world):
    world.do(OpenAccounts("supplier:alice"))

    world.refuses(InsufficientBalance, Move("supplier:alice:usd", ALICE, "usd", 1))


def test_account_takes_up_to_its_limit(world):
    world.do(OpenAccounts("consumer:small", 100))
    world.refuses(AmountTooLarge, Deposit("consumer:small:credit", "usd", 101, "x"))
    world.do(Deposit("consumer:small:credit", "usd", 100, "x"))
    world.refuses(AmountTooLarge, Deposit("consumer:small:credit", "usd", 1, "y"))


def test_closed_account_takes_and_gives_nothing(world):
    gone = "supplier:gone:usd"
    world.refuses(AccountClosed, Deposit(gone, "usd", 1, "x"))
    world.refuses(AccountClosed, RequestWithdrawal("x", gone, "usd", 1))
    world.refuses(AccountClosed, Move(gone, ALICE, "usd", 1))
    world.do(Deposit(GPU_1, "usd", 5, "x"))
    world.refuses(AccountClosed, Move(GPU_1, "consumer:gone:credit", "usd", 1))
    world.refuses(AccountClosed, GrantCredit("consumer:gone", 1, "hello"))
    world.refuses(AccountClosed, OpenHold("x", "consumer:gone", 1, 2**52))
    world.refuses(AccountClosed, CloseAccounts("supplier:gone"))


def test_account_that_holds_anything_stays_open(world):
    world.refuses(AccountNotEmpty, CloseAccounts("consumer:alice"))
    world.do(Contribute("supplier:gpu-1", (("label", 1),)))
    world.refuses(AccountNotEmpty, CloseAccounts("supplier:gpu-1"))
    world.refuses(AccountNotEmpty, CloseAccounts("holder:hal"))


def test_account_that_will_get_something_back_stays_open(world):
    world.do(OpenHold("all", "consumer:alice", 100 * MICRO, 2**52))
    assert world.held(ALICE) == 0
    world.refuses(AccountNotEmpty, CloseAccounts("consumer:alice"))

    world.do(VoidHold("all"))
    world.do(RequestWithdrawal("w", ALICE, "usd", 100 * MICRO))
    world.refuses(AccountNotEmpty, CloseAccounts("consumer:alice"))

    world.do(ConfirmWithdrawal("w", "po_1"))
    assert world.do(CloseAccounts("consumer:alice")) == []
    world.refuses(AccountClosed, Deposit(ALICE, "usd", 1, "ch_2"))


def test_account_that_is_used_and_closed_in_one_batch_takes_nothing_more(world):
    batch = Overlay(world.state)
    for command in (
        Deposit(BOB, "usd", 5, "x"),
        RequestWithdrawal("w", BOB, "usd", 5),
        ConfirmWithdrawal("w", "po_1"),
        CloseAccounts("consumer:bob"),
    ):
        batch.apply(execute(batch, world.params, OPERATOR, command))

    after = execute(batch, world.params, OPERATOR, Deposit(BOB, "usd", 5, "y"))
    with pytest.raises(AccountClosed):
        batch.apply(after)
    assert batch.balance(AccountId(BOB)) == 0


def test_closing_one_member_leaves_the_others_open(world):
    world.do(CloseAccounts("consumer:bob"))
    world.do(Deposit(ALICE, "usd", 1, "ch_2"))


@pytest.mark.parametrize(
    ("owner", "uses"),
    [
        ("creator:dev", [Retire("agent", "writer", "creator:eve")]),
        ("creator:ann", [Retire("model", "own", "creator:ann")]),
        (
            "creator:eve",
            [
                Retire("agent", "writer", "creator:eve"),
                Retire("agent", "plain", "creator:eve"),
            ],
        ),
    ],
)
def test_member_that_the_price_list_pays_stays_open_until_that_is_retired(
    world, owner, uses
):
    for use in uses:
        world.refuses(AccountInUse, CloseAccounts(owner), owner)
        world.do(use)
    world.do(CloseAccounts(owner), owner)
    world.refuses(AccountClosed, Deposit(f"{owner}:usd", "usd", 1, "x"))


def test_member_whose_listing_was_retired_is_closed_in_the_same_batch(world):
    batch = Overlay(world.state)
    for command in (
        Retire("agent", "writer", "creator:eve"),
        CloseAccounts("creator:dev"),
    ):
        batch.apply(execute(batch, world.params, OPERATOR, command))
    found = batch.record(Account, "creator:dev:usd")
    assert found
    assert found.closed


def test_who_never_opened_cannot_close(world):
    world.refuses(UnknownAccount, CloseAccounts("consumer:nobody"))


# Deposits


@pytest.mark.parametrize(
    ("path", "asset", "market"),
    [
        (BOB, "usd", "market:usd"),
        (GPU_1, "usd", "market:usd"),
        (OPERATIONS, "usd", "market:usd"),
        ("holder:hal:token", "token", "market:token"),
        ("creator:ann:token", "token", "market:token"),
    ],
)
def test_deposit_comes_from_outside(world, path, asset, market):
    held, outside = world.held(path), world.held(market)

    assert world.do(Deposit(path, asset, 7, "new")) == [(market, path, 7)]
    assert world.held(path) == held + 7
    assert world.held(market) == outside - 7


def test_deposit_is_entered_once_whatever_else_it_says(world):
    # The idempotency key is the caller's affair: these are new commands.
    world.refuses(ReferenceUsed, Deposit(ALICE, "usd", 100 * MICRO, "ch_1"))
    world.refuses(ReferenceUsed, Deposit(ALICE, "usd", 1, "ch_1"))
    world.refuses(ReferenceUsed, Deposit(BOB, "usd", 1, "ch_1"))
    world.refuses(ReferenceUsed, Deposit(OPERATIONS, "usd", 1, "ch_1"))


def test_references_of_dollars_and_tokens_and_of_withdrawals_are_apart(world):
    world.do(Deposit("holder:hal:token", "token", 1, "ch_1"))
    world.do(RequestWithdrawal("w", ALICE, "usd", 1))
    world.do(ConfirmWithdrawal("w", "ch_1"))


@pytest.mark.parametrize(
    "reference", ["", "a\n", "a\tb", "\x00", "x" * 201, None, 5, "\ud800", "\u200b"]
)
def test_reference_that_cannot_be_printed_is_refused(world, reference):
    world.refuses(Malformed, Deposit(ALICE, "usd", 1, reference))


def test_more_tokens_than_circulate_cannot_come_in(world):
    circulating = world.held("market:token")

    world.refuses(
        InsufficientBalance,
        Deposit("holder:hal:token", "token", circulating + 1, "0xa2"),
    )
    world.do(Deposit("holder:hal:token", "token", circulating, "0xa2"))
    assert world.held("market:token") == 0


def test_network_holds_no_more_dollars_than_the_largest_balance(world):
    most = AMOUNT_MAX + world.held("market:usd")

    world.refuses(AmountTooLarge, Deposit(BOB, "usd", most + 1, "all"))
    world.do(Deposit(BOB, "usd", most, "all"))


NETWORK = [
    ("market:usd", "usd"),
    ("issuance", "token"),
    ("burned", "token"),
    ("escrow:credit", "usd"),
    ("escrow:withdrawals:usd", "usd"),
    ("settlement:usd", "usd"),
    (TAXES, "usd"),
    ("reserve:usd:buyback", "usd"),
    ("reserve:token:float", "token"),
    ("consumers:developers:credit", "usd"),
    ("suppliers:training:usd", "usd"),
    ("points:issued", "point"),
]


@pytest.mark.parametrize(("path", "asset"), [*NETWORK, (OPERATIONS, "usd")])
def test_network_s_accounts_are_nobody_s_to_move(world, path, asset):
    other = {"usd": GPU_1, "token": "holder:hal:token", "point": "creator:ann:point"}
    world.refuses(NotAllowed, RequestWithdrawal("x", path, asset, 1))
    world.refuses(NotAllowed, Move(path, other[asset], asset, 1))
    world.refuses(NotAllowed, Move(other[asset], path, asset, 1))


@pytest.mark.parametrize(("path", "asset"), NETWORK)
def test_only_operations_of_the_network_take_deposits(world, path, asset):
    world.refuses(NotAllowed, Deposit(path, asset, 1, "x"))


def test_points_are_earned_and_neither_bought_nor_sold(world):
    world.do(Contribute("supplier:gpu-1", (("label", 1),)))
    mine, yours = "supplier:gpu-1:point", "supplier:gpu-2:point"
    world.refuses(NotAllowed, Deposit(mine, "point", 1, "x"))
    world.refuses(NotAllowed, RequestWithdrawal("x", mine, "point", 1))
    world.refuses(NotAllowed, Move(mine, yours, "point", 1))


@pytest.mark.parametrize("asset", ["", "eur", "USD", None, 5, True, ("usd",)])
def test_asset_that_there_is_not_is_refused(world, asset):
    world.refuses(UnknownAsset, Deposit(ALICE, asset, 1, "x"))
    world.refuses(UnknownAsset, RequestWithdrawal("x", ALICE, asset, 1))
    world.refuses(UnknownAsset, Move(GPU_1, ALICE, asset, 1))


@pytest.mark.parametrize(
    "path",
    [
        "",
        "alice",
        "consumer:alice",
        "consumer:alice:usd",
        "supplier:nobody:usd",
        f"{ALICE}:",
        f" {ALICE}",
        "consumer:Alice:credit",
        "consumer: :credit",
        "consumer:\N{LATIN SMALL LETTER E WITH ACUTE}:credit",
        "consumer:a\nb:credit",
        "consumer:\ud800:credit",
        "x" * 1000,
        None,
        5,
    ],
)
def test_account_that_there_is_not_is_refused(world, path):
    world.refuses(UnknownAccount, Deposit(path, "usd", 1, "x"))
    world.refuses(UnknownAccount, Move(path, BOB, "usd", 1))
    world.do(Deposit(GPU_1, "usd", 1, "x"))
    world.refuses(UnknownAccount, Move(GPU_1, path, "usd", 1))


def test_account_of_another_asset_is_refused(world):
    world.refuses(CurrencyMismatch, Deposit(ALICE, "token", 1, "x"))
    world.refuses(CurrencyMismatch, Deposit(OPERATIONS, "token", 1, "x"))
    world.refuses(CurrencyMismatch, RequestWithdrawal("x", ALICE, "token", 1))
    world.refuses(CurrencyMismatch, Move("holder:hal:token", BOB, "token", 1))
    world.refuses(CurrencyMismatch, Move("holder:hal:token", BOB, "usd", 1))
    world.refuses(CurrencyMismatch, Move(GPU_1, "supplier:gpu-1:token", "usd", 1))


# Withdrawals


def test_withdrawal_waits_in_escrow_until_it_was_sent(world):
    assert world.do(RequestWithdrawal("w", ALICE, "usd", 40 * MICRO)) == [
        (ALICE, "escrow:withdrawals:usd", 40 * MICRO)
    ]
    assert world.held(ALICE) == 60 * MICRO
    outside = world.held("market:usd")

    assert world.do(ConfirmWithdrawal("w", "po_1")) == [
        ("escrow:withdrawals:usd", "market:usd", 40 * MICRO)
    ]
    assert world.held("market:usd") == outside + 40 * MICRO
    assert world.held("escrow:withdrawals:usd") == 0


def test_withdrawal_of_tokens_has_its_own_escrow(world):
    hal = "holder:hal:token"
    world.do(RequestWithdrawal("w", hal, "token", 1000 * MICRO))
    assert world.held("escrow:withdrawals:token") == 1000 * MICRO
    assert world.do(ConfirmWithdrawal("w", "0xb1")) == [
        ("escrow:withdrawals:token", "market:token", 1000 * MICRO)
    ]


def test_withdrawal_that_was_not_sent_comes_back(world):
    world.do(RequestWithdrawal("w", ALICE, "usd", 100 * MICRO))
    assert world.do(CancelWithdrawal("w")) == [
        ("escrow:withdrawals:usd", ALICE, 100 * MICRO)
    ]

    assert world.held(ALICE) == 100 * MICRO
    assert world.held("escrow:withdrawals:usd") == 0
    # And may be asked for again, in full.
    world.do(RequestWithdrawal("w2", ALICE, "usd", 100 * MICRO))


def test_withdrawal_is_sent_or_cancelled_once(world):
    world.do(RequestWithdrawal("sent", ALICE, "usd", 1))
    world.do(RequestWithdrawal("not-sent", ALICE, "usd", 1))
    world.do(ConfirmWithdrawal("sent", "po_1"))
    world.do(CancelWithdrawal("not-sent"))

    for name in ("sent", "not-sent"):
        world.refuses(HoldNotPending, ConfirmWithdrawal(name, "po_2"))
        world.refuses(HoldNotPending, CancelWithdrawal(name))
        world.refuses(AlreadyExists, RequestWithdrawal(name, ALICE, "usd", 1))


def test_payment_outside_confirms_one_withdrawal(world):
    world.do(RequestWithdrawal("one", ALICE, "usd", 1))
    world.do(RequestWithdrawal("two", ALICE, "usd", 1))
    world.do(ConfirmWithdrawal("one", "po_1"))
    world.refuses(ReferenceUsed, ConfirmWithdrawal("two", "po_1"))
    world.do(ConfirmWithdrawal("two", "po_2"))


def test_withdrawal_waits_for_as_long_as_it_takes(world):
    world.do(RequestWithdrawal("w", ALICE, "usd", 1))
    world.at(2**53 - 2)
    world.do(ConfirmWithdrawal("w", "po_1"))


def test_hold_of_a_call_is_no_withdrawal(world):
    world.do(OpenHold("w", "consumer:alice", 5, 2**52))
    world.refuses(UnknownRecord, ConfirmWithdrawal("w", "po_1"))
    world.refuses(UnknownRecord, CancelWithdrawal("w"))
    # The name is free for a withdrawal.
    world.do(RequestWithdrawal("w", ALICE, "usd", 5))


@pytest.mark.parametrize("name", ["", "W", "a b", "withdrawal:w", "x" * 65, None, 5])
def test_withdrawal_without_a_name_is_refused(world, name):
    world.refuses(Malformed, RequestWithdrawal(name, ALICE, "usd", 1))


def test_no_more_goes_back_than_is_left(world):
    all_ = 100 * MICRO
    world.refuses(InsufficientBalance, RequestWithdrawal("w", ALICE, "usd", all_ + 1))
    world.do(RequestWithdrawal("w", ALICE, "usd", all_))
    world.refuses(InsufficientBalance, RequestWithdrawal("w2", ALICE, "usd", 1))


def test_earnings_that_became_credits_are_withdrawn_as_any_others(world):
    world.do(Deposit(GPU_1, "usd", 5, "x"))
    world.do(Move(GPU_1, BOB, "usd", 5), "supplier:gpu-1")
    world.refuses(InsufficientBalance, RequestWithdrawal("w", BOB, "usd", 6))
    world.do(RequestWithdrawal("w", BOB, "usd", 5), "consumer:bob")


def test_withdrawal_that_was_not_sent_comes_back_to_an_account_at_its_limit(world):
    small = "consumer:small:credit"
    world.do(OpenAccounts("consumer:small", 100))
    world.do(Deposit(small, "usd", 100, "x"))
    world.do(RequestWithdrawal("w", small, "usd", 60))
    world.do(Deposit(small, "usd", 60, "y"))

    world.do(CancelWithdrawal("w"))
    assert world.held(small) == 160
    world.refuses(AmountTooLarge, Deposit(small, "usd", 1, "z"))
    # What is above the limit can still go out.
    world.do(RequestWithdrawal("w2", small, "usd", 160))


def test_paid_in_and_spent_cannot_be_withdrawn(world):
    world.do(OpenHold("h", "consumer:alice", 99 * MICRO, 2**52))
    world.refuses(InsufficientBalance, RequestWithdrawal("w", ALICE, "usd", 2 * MICRO))


def test_earnings_are_withdrawn_as_far_as_they_go(world):
    world.do(Deposit(GPU_1, "usd", 5, "x"))
    world.refuses(InsufficientBalance, RequestWithdrawal("w", GPU_1, "usd", 6))
    world.do(RequestWithdrawal("w", GPU_1, "usd", 5), "supplier:gpu-1")


# Grants


def test_grant_comes_out_of_operations(world):
    assert world.do(GrantCredit("consumer:bob", 50 * MICRO, "welcome")) == [
        (OPERATIONS, BOBS_GRANT, 50 * MICRO)
    ]
    world.refuses(
        InsufficientBalance, GrantCredit("consumer:bob", 950 * MICRO + 1, "more")
    )
    world.do(GrantCredit("consumer:bob", 950 * MICRO, "all"))
    assert world.held(OPERATIONS) == 0
    assert world.held(BOB) == 0


@pytest.mark.parametrize("caller", [OPERATOR, "consumer:bob"])
def test_grant_pays_for_services_alone(world, caller):
    world.do(OpenAccounts("creator:bob"))
    world.do(GrantCredit("consumer:bob", 50 * MICRO, "welcome"))
    mine = "creator:bob:usd"
    for command in (
        RequestWithdrawal("w", BOBS_GRANT, "usd", 1),
        Move(BOBS_GRANT, mine, "usd", 1),
        Move(BOBS_GRANT, BOB, "usd", 1),
        Move(BOBS_GRANT, GRANT, "usd", 1),
        PayLaunchpad("buy", "writer", BOBS_GRANT, "usd", 1, mine),
        PayLaunchpad("buy", "writer", BOBS_GRANT, "usd", 1, BOB),
    ):
        world.refuses(NotAllowed, command, caller)
    for command in (
        RequestWithdrawal("w", BOB, "usd", 1),
        PayLaunchpad("buy", "writer", BOB, "usd", 1, mine),
    ):
        world.refuses(InsufficientBalance, command, caller)


def test_nobody_but_the_network_gives_grants(world):
    world.do(Deposit(GPU_1, "usd", 5, "x"))
    world.refuses(NotAllowed, Deposit(BOBS_GRANT, "usd", 1, "y"))
    world.refuses(NotAllowed, Move(GPU_1, BOBS_GRANT, "usd", 1))
    world.refuses(
        NotAllowed, PayLaunchpad("buy", "writer", GPU_1, "usd", 5, BOBS_GRANT)
    )


def test_grant_is_not_withdrawn_in_place_of_what_was_spent(world):
    work = (("training", "supplier:gpu-1", 1),)
    world.do(PayJob("consumer:alice", "training", 100 * MICRO, work))
    assert world.held(ALICE) == 0
    world.do(GrantCredit("consumer:alice", 50 * MICRO, "welcome"))

    world.refuses(InsufficientBalance, RequestWithdrawal("w", ALICE, "usd", 1))


def test_deposit_stays_withdrawable_beside_a_grant(world):
    world.do(GrantCredit("consumer:alice", 50 * MICRO, "welcome"))
    world.do(RequestWithdrawal("w", ALICE, "usd", 100 * MICRO), "consumer:alice")

    assert world.held(GRANT) == 50 * MICRO
    world.refuses(InsufficientBalance, RequestWithdrawal("w2", ALICE, "usd", 1))


def test_charge_spends_the_grant_first(world):
    world.do(GrantCredit("consumer:alice", 10_000, "welcome"))

    moved = world.do(CALL)
    assert moved[0] == (GRANT, ALICE, 7800)
    assert sum(amount for debit, _, amount in moved if debit == ALICE) == 7800
    assert (world.held(GRANT), world.held(ALICE)) == (2200, 100 * MICRO)

    assert world.do(CALL)[0] == (GRANT, ALICE, 2200)
    assert (world.held(GRANT), world.held(ALICE)) == (0, 100 * MICRO - 5600)

    assert world.do(CALL)[0][0] == ALICE
    assert world.held(ALICE) == 100 * MICRO - 13400
    reasons = [each.reason for moved in world.state.history[-3:] for each in moved]
    assert reasons.count("grant spent") == 2


def test_grant_alone_pays_a_charge_to_its_last_unit(world):
    command = replace(CALL, consumer="consumer:bob")
    world.do(GrantCredit("consumer:bob", 7799, "welcome"))
    refusal = world.refuses(InsufficientBalance, command)
    assert refusal.available < refusal.required
    world.do(GrantCredit("consumer:bob", 1, "more"))
    world.do(command)
    assert (world.held(BOB), world.held(BOBS_GRANT)) == (0, 0)


def test_grant_is_spent_though_the_credits_are_at_their_limit(world):
    world.do(OpenAccounts("consumer:small", 8000))
    world.do(Deposit("consumer:small:credit", "usd", 8000, "x"))
    world.do(GrantCredit("consumer:small", 5000, "welcome"))

    world.do(replace(CALL, consumer="consumer:small"))
    assert world.held("consumer:small:credit") == 5200
    assert world.held("consumer:small:grant") == 0


def test_grant_is_held_to_the_limit_of_its_account(world):
    world.do(OpenAccounts("consumer:small", 100))
    world.refuses(AmountTooLarge, GrantCredit("consumer:small", 101, "welcome"))
    world.do(GrantCredit("consumer:small", 100, "welcome"))
    world.refuses(AmountTooLarge, GrantCredit("consumer:small", 1, "more"))


def test_consumer_that_closes_leaves_its_grant_to_operations(world):
    world.do(GrantCredit("consumer:bob", 50, "welcome"))

    assert world.do(CloseAccounts("consumer:bob"), "consumer:bob") == [
        (BOBS_GRANT, OPERATIONS, 50)
    ]
    assert world.held(OPERATIONS) == 1000 * MICRO
    assert world.held(BOBS_GRANT) == 0
    world.refuses(AccountClosed, GrantCredit("consumer:bob", 1, "again"))


def test_grant_does_not_let_a_consumer_close_that_has_credits(world):
    world.do(GrantCredit("consumer:alice", 50, "welcome"))
    world.refuses(AccountNotEmpty, CloseAccounts("consumer:alice"))


def test_grant_that_a_hold_reserves_keeps_its_consumer_open(world):
    world.do(GrantCredit("consumer:bob", 50, "welcome"))
    world.do(OpenHold("h", "consumer:bob", 50, 2**52))
    world.refuses(AccountNotEmpty, CloseAccounts("consumer:bob"))

    world.do(VoidHold("h"))
    assert world.do(CloseAccounts("consumer:bob")) == [(BOBS_GRANT, OPERATIONS, 50)]


@pytest.mark.parametrize("who", ["supplier:gpu-1", "consumer", "", None, "reserve:usd"])
def test_only_consumers_are_granted_credits(world, who):
    world.refuses(Malformed, GrantCredit(who, 1, "welcome"))


def test_grant_without_a_reason_is_refused(world):
    world.refuses(Malformed, GrantCredit("consumer:bob", 1, ""))


# Moves


@pytest.mark.parametrize(
    ("debit", "credit", "asset"),
    [
        (GPU_1, BOB, "usd"),
        (GPU_1, GPU_2, "usd"),
        (GPU_1, "creator:ann:usd", "usd"),
        ("holder:hal:token", "supplier:gpu-1:token", "token"),
        ("holder:hal:token", "holder:ida:token", "token"),
    ],
)
def test_member_moves_what_it_holds(world, debit, credit, asset):
    world.do(OpenAccounts("holder:ida"))
    world.do(Deposit(debit, asset, 10, "x"))
    held = world.held(debit)

    owner = debit.rpartition(":")[0]
    assert world.do(Move(debit, credit, asset, 7), owner) == [(debit, credit, 7)]
    assert world.held(debit) == held - 7
    assert world.held(credit) == 7
    world.refuses(InsufficientBalance, Move(debit, credit, asset, held - 6))


@pytest.mark.parametrize("caller", [OPERATOR, "consumer:alice"])
def test_credits_are_spent_or_withdrawn_and_not_moved(world, caller):
    world.refuses(NotAllowed, Move(ALICE, BOB, "usd", 1), caller)
    world.refuses(NotAllowed, Move(ALICE, GPU_1, "usd", 1), caller)


def test_move_to_itself_is_refused(world):
    world.refuses(NotAllowed, Move("holder:hal:token", "holder:hal:token", "token", 1))


def test_move_to_who_never_opened_is_refused(world):
    world.refuses(
        UnknownAccount, Move("holder:hal:token", "holder:nobody:token", "token", 1)
    )


# Refunds


CALL = CallModel(
    "consumer:alice", "own", 2600, 0, (("supplier:gpu-1", 1), ("supplier:gpu-2", 2))
)
"""Costs 7,800: 780 tax, 1,560 for the owner, 5,460 for compute."""


@pytest.fixture
def charged(world):
    assert [each[1:] for each in world.do(CALL)] == [
        (TAXES, 780),
        ("creator:ann:usd", 1560),
        (GPU_1, 1820),
        (GPU_2, 3640),
    ]
    return world


def test_refund_in_full_undoes_the_charge(charged):
    moved = charged.do(RefundCharge(charged.receipt, 7800, "it failed"))

    assert moved == [
        (TAXES, ALICE, 780),
        ("creator:ann:usd", ALICE, 1560),
        (GPU_1, ALICE, 1820),
        (GPU_2, ALICE, 3640),
    ]
    assert charged.held(ALICE) == 100 * MICRO


def test_refund_in_part_is_in_proportion_to_what_was_paid(charged):
    assert charged.do(RefundCharge(charged.receipt, 780, "late")) == [
        (TAXES, ALICE, 78),
        ("creator:ann:usd", ALICE, 156),
        (GPU_1, ALICE, 182),
        (GPU_2, ALICE, 364),
    ]


def test_refunds_add_up_to_the_charge_and_no_further(charged):
    receipt = charged.receipt
    charged.do(RefundCharge(receipt, 5000, "one"))
    charged.refuses(NotRefundable, RefundCharge(receipt, 2801, "two"))
    charged.do(RefundCharge(receipt, 2800, "two"))
    charged.refuses(NotRefundable, RefundCharge(receipt, 1, "three"))

    assert charged.held(ALICE) == 100 * MICRO
    assert charged.held(OPERATIONS) == 1000 * MICRO
    for path in (TAXES, "creator:ann:usd", GPU_1, GPU_2):
        assert charged.held(path) == 0


def test_operations_make_whole_what_was_spent(charged):
    receipt = charged.receipt
    charged.do(RequestWithdrawal("w", GPU_2, "usd", 3000), "supplier:gpu-2")

    moved = charged.do(RefundCharge(receipt, 7800, "it failed"))
    assert moved[-2:] == [(GPU_2, ALICE, 640), (OPERATIONS, ALICE, 3000)]
    assert charged.held(ALICE) == 100 * MICRO
    assert charged.held(OPERATIONS) == 1000 * MICRO - 3000


def test_operations_make_whole_what_a_closed_account_was_paid(charged):
    receipt = charged.receipt
    charged.do(RequestWithdrawal("w", GPU_2, "usd", 3640), "supplier:gpu-2")
    charged.do(ConfirmWithdrawal("w", "po_1"))
    charged.do(CloseAccounts("supplier:gpu-2"), "supplier:gpu-2")

    moved = charged.do(RefundCharge(receipt, 7800, "it failed"))
    assert moved[-1] == (OPERATIONS, ALICE, 3640)


def test_empty_operations_make_nobody_whole(charged):
    receipt = charged.receipt
    charged.do(RequestWithdrawal("w", GPU_2, "usd", 3000), "supplier:gpu-2")
    charged.do(GrantCredit("consumer:bob", 1000 * MICRO - 2999, "almost all"))

    refusal = charged.refuses(
        InsufficientBalance, RefundCharge(receipt, 7800, "it failed")
    )
    assert (refusal.available, refusal.required) == (2999, 3000)
    charged.do(Deposit(OPERATIONS, "usd", 1, "x"))
    charged.do(RefundCharge(receipt, 7800, "it failed"))
    assert charged.held(OPERATIONS) == 0


def test_refund_of_a_refund_is_refused(charged):
    charged.do(RefundCharge(charged.receipt, 7800, "it failed"))
    charged.refuses(NotRefundable, RefundCharge(charged.receipt, 1, "again"))


def test_refund_between_consumers_is_not_refunded_either(world):
    world.do(PayLaunchpad("buy", "writer", ALICE, "usd", 1000, BOB))
    world.do(RefundCharge(world.receipt, 1000, "x"))
    assert (world.held(ALICE), world.held(BOB)) == (100 * MICRO, 0)
    world.refuses(NotRefundable, RefundCharge(world.receipt, 1, "again"))


def test_refund_of_a_grant_is_not_refunded_either(world):
    world.do(GrantCredit("consumer:alice", 5000, "welcome"))
    world.do(CALL)
    world.do(RefundCharge(world.receipt, 7800, "x"))
    world.refuses(NotRefundable, RefundCharge(world.receipt, 1, "again"))


THREE = ("supplier:gpu-1", "supplier:gpu-2", "supplier:gpu-3")
PAID_THREE = (TAXES, *(f"{owner}:usd" for owner in THREE))


@pytest.fixture
def thirds(world):
    """Charge 10: one of tax, and three for each of three suppliers."""
    world.do(OpenAccounts(THREE[-1]))
    world.do(ListModel("cheap", "", 10 * MICRO, 0))
    work = tuple((owner, 1) for owner in THREE)
    world.do(CallModel("consumer:alice", "cheap", 1, 0, work))
    assert [world.held(path) for path in PAID_THREE] == [1, 3, 3, 3]
    return world


@pytest.mark.parametrize("steps", [(1,) * 10, (3, 3, 3, 1), (4, 1, 5), (9, 1), (10,)])
def test_many_small_refunds_come_to_one_large(thirds, steps):
    receipt, operations = thirds.receipt, thirds.held(OPERATIONS)
    for done, step in enumerate(steps):
        thirds.do(RefundCharge(receipt, step, "bit by bit"))
        back = thirds.state.record(Refunded, str(receipt))
        assert sum(back.parts) == sum(steps[: done + 1])
        assert all(
            0 <= part <= paid
            for part, paid in zip(back.parts, (1, 3, 3, 3), strict=True)
        )

    # Each has given back what it was paid, and the network nothing besides.
    assert not any(map(thirds.held, PAID_THREE))
    assert thirds.held(OPERATIONS) == operations
    assert thirds.held(ALICE) == 100 * MICRO
    thirds.refuses(NotRefundable, RefundCharge(receipt, 1, "more"))


def test_what_operations_made_whole_counts_as_given_back(charged):
    receipt = charged.receipt
    charged.do(RequestWithdrawal("w", GPU_2, "usd", 3640), "supplier:gpu-2")
    charged.do(RefundCharge(receipt, 3900, "half"))
    assert charged.held(OPERATIONS) == 1000 * MICRO - 1820
    # What it earns later is not taken for the half that was made whole.
    charged.do(Deposit(GPU_2, "usd", 10_000, "x"))
    charged.do(RefundCharge(receipt, 3900, "other half"))

    assert charged.held(GPU_2) == 10_000 - 1820
    assert charged.held(OPERATIONS) == 1000 * MICRO - 1820


def test_receipt_that_charged_nobody_is_not_refunded(world):
    for command in (
        Deposit(BOB, "usd", 100, "x"),
        Deposit(GPU_1, "usd", 100, "y"),
        GrantCredit("consumer:bob", 5, "welcome"),
        OpenHold("h", "consumer:bob", 5, 2**52),
        VoidHold("h"),
        OpenHold("g", "consumer:bob", 50, 2**52),
        VoidHold("g"),
        RequestWithdrawal("w", BOB, "usd", 5),
        CancelWithdrawal("w"),
        RequestWithdrawal("w2", BOB, "usd", 5),
        ConfirmWithdrawal("w2", "po_1"),
        Move(GPU_1, BOB, "usd", 5),
        PayLaunchpad("buy", "writer", GPU_1, "usd", 5, "creator:eve:usd"),
        Move("holder:hal:token", "creator:ann:token", "token", 5),
    ):
        world.do(command)
        world.refuses(NotRefundable, RefundCharge(world.receipt, 1, "x"))
    world.refuses(NotRefundable, RefundCharge(1, 1, "the first morning"))


@pytest.mark.parametrize("receipt", [0, 10**6, AMOUNT_MAX])
def test_receipt_that_there_is_not_is_not_refunded(world, receipt):
    world.refuses(UnknownRecord, RefundCharge(receipt, 1, "x"))


def test_receipt_that_moved_nothing_is_not_refunded(world):
    world.do(ListModel("more", "", 1, 1))
    world.refuses(UnknownRecord, RefundCharge(world.receipt, 1, "x"))


def test_charge_out_of_a_hold_is_refunded_as_any_other(world):
    world.do(OpenHold("h", "consumer:alice", 10000, 2**52))
    opened = world.receipt
    world.do(replace(CALL, hold="h"))
    posted = world.receipt

    world.refuses(NotRefundable, RefundCharge(opened, 1, "x"))
    # The hold gave 10,000 back; only the fee was charged.
    world.refuses(NotRefundable, RefundCharge(posted, 7801, "x"))
    world.do(RefundCharge(posted, 7800, "x"))
    assert world.held(ALICE) == 100 * MICRO
    assert world.held("escrow:credit") == 0


def test_job_that_failed_is_refunded_by_all_that_it_paid(world):
    work = (("training", "supplier:gpu-1", 1),)
    world.do(PayJob("consumer:alice", "training", 10 * MICRO, work))
    moved = world.do(RefundCharge(world.receipt, 10 * MICRO, "it failed"))

    assert moved == [
        (OPERATIONS, ALICE, 3_000000),
        ("settlement:buyback", ALICE, 3_500000),
        (GPU_1, ALICE, 3_500000),
    ]


def test_job_that_is_refunded_after_the_close_is_made_whole(world):
    work = (("training", "supplier:gpu-1", 1),)
    world.do(PayJob("consumer:alice", "training", 10 * MICRO, work))
    receipt = world.receipt
    sale = Sale("developers", "training", "demo", MicroUsd(MICRO), jobs=1)
    world.do(CloseEpoch(0, (sale,), MicroUsd(0), (0, 0), (0, 0)))
    assert world.held("settlement:buyback") == 0

    assert world.do(RefundCharge(receipt, 10 * MICRO, "it failed")) == [
        (OPERATIONS, ALICE, 3_000000),
        (OPERATIONS, ALICE, 3_500000),
        (GPU_1, ALICE, 3_500000),
    ]


def test_two_refunds_of_one_supplier_that_was_paid_twice(world):
    world.do(replace(CALL, compute=(("supplier:gpu-1", 1), ("supplier:gpu-1", 2))))
    receipt = world.receipt
    assert world.held(GPU_1) == 5460
    world.do(RequestWithdrawal("w", GPU_1, "usd", 5000))

    moved = world.do(RefundCharge(receipt, 7800, "x"))
    assert moved[2:] == [
        (GPU_1, ALICE, 460),
        (OPERATIONS, ALICE, 1360),
        (OPERATIONS, ALICE, 3640),
    ]
    assert world.held(ALICE) == 100 * MICRO


def test_refund_returns_to_the_grant_what_it_paid(world):
    world.do(GrantCredit("consumer:bob", 50 * MICRO, "welcome"))
    world.do(replace(CALL, consumer="consumer:bob"))

    moved = world.do(RefundCharge(world.receipt, 7800, "x"))
    assert {credit for _, credit, _ in moved} == {BOBS_GRANT}
    assert (world.held(BOB), world.held(BOBS_GRANT)) == (0, 50 * MICRO)
    world.refuses(InsufficientBalance, RequestWithdrawal("w", BOB, "usd", 1))


def test_refund_returns_to_the_grant_first(world):
    world.do(GrantCredit("consumer:alice", 5000, "welcome"))
    world.do(CALL)
    receipt = world.receipt
    left = 100 * MICRO - 2800
    assert (world.held(GRANT), world.held(ALICE)) == (0, left)

    world.do(RefundCharge(receipt, 3000, "one"))
    assert (world.held(GRANT), world.held(ALICE)) == (3000, left)
    world.do(RefundCharge(receipt, 3000, "two"))
    assert (world.held(GRANT), world.held(ALICE)) == (5000, left + 1000)
    moved = world.do(RefundCharge(receipt, 1800, "three"))
    assert GRANT not in {credit for _, credit, _ in moved}
    assert (world.held(GRANT), world.held(ALICE)) == (5000, 100 * MICRO)
    assert world.state.record(Refunded, str(receipt)).granted == 5000


def test_refund_of_a_charge_out_of_a_hold_returns_to_the_grant_too(world):
    world.do(GrantCredit("consumer:alice", 5000, "welcome"))
    world.do(OpenHold("h", "consumer:alice", 10_000, 2**52))
    world.do(replace(CALL, hold="h"))
    receipt = world.receipt
    assert (world.held(GRANT), world.held(ALICE)) == (0, 100 * MICRO - 2800)
    world.do(RefundCharge(receipt, 7800, "x"))
    assert (world.held(GRANT), world.held(ALICE)) == (5000, 100 * MICRO)


def test_refund_that_operations_made_whole_returns_to_the_grant_too(world):
    world.do(GrantCredit("consumer:bob", 7800, "welcome"))
    world.do(replace(CALL, consumer="consumer:bob"))
    receipt = world.receipt
    world.do(RequestWithdrawal("w", GPU_2, "usd", 3640), "supplier:gpu-2")
    world.do(RefundCharge(receipt, 7800, "x"))
    assert (world.held(BOB), world.held(BOBS_GRANT)) == (0, 7800)


def test_refund_of_credits_leaves_a_later_grant_alone(charged):
    receipt = charged.receipt
    charged.do(GrantCredit("consumer:alice", 5000, "welcome"))
    charged.do(RefundCharge(receipt, 7800, "x"))
    assert (charged.held(GRANT), charged.held(ALICE)) == (5000, 100 * MICRO)


def test_closed_consumer_is_not_refunded(world):
    world.do(Deposit(BOB, "usd", 7800, "x"))
    world.do(replace(CALL, consumer="consumer:bob"))
    receipt = world.receipt
    world.do(CloseAccounts("consumer:bob"))
    world.refuses(AccountClosed, RefundCharge(receipt, 1, "x"))


@pytest.mark.parametrize("memo", ["", "\n", "x" * 201, None])
def test_refund_without_a_reason_is_refused(charged, memo):
    charged.refuses(Malformed, RefundCharge(charged.receipt, 1, memo))


def test_refund_of_nothing_is_refused(charged):
    charged.refuses(ZeroAmount, RefundCharge(charged.receipt, 0, "x"))


def test_no_account_of_the_first_morning_is_a_member_s(world):
    assert world.state.record(Account, AccountId(OPERATIONS)) is None


def test_grant_is_refunded_though_the_credits_are_full(world):
    world.do(OpenAccounts("consumer:small", 8000))
    world.do(Deposit("consumer:small:credit", "usd", 8000, "full"))
    world.do(GrantCredit("consumer:small", 7800, "welcome"))
    world.do(replace(CALL, consumer="consumer:small"))

    world.do(RefundCharge(world.receipt, 7800, "sorry"))
    assert world.held("consumer:small:grant") == 7800
    assert world.held("consumer:small:credit") == 8000
