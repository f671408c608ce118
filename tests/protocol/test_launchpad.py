"""What is paid on the launchpad is taxed, and what is staked comes back."""

from dataclasses import replace

import pytest

from coopera.errors import (
    AccountClosed,
    AccountInUse,
    CurrencyMismatch,
    InsufficientBalance,
    Malformed,
    NotAllowed,
    UnknownAccount,
    UnknownAsset,
    UnknownRecord,
)
from coopera.formulas import services as formulas
from coopera.ledger import AccountId
from coopera.protocol.commands import OPERATOR
from coopera.protocol.epoch import circulating_supply
from coopera.protocol.holds import OpenHold
from coopera.protocol.launchpad import (
    LaunchpadAction,
    PayLaunchpad,
    ReturnStake,
    Stake,
)
from coopera.protocol.listing import ListAgent, Retire
from coopera.protocol.money import (
    CloseAccounts,
    ConfirmWithdrawal,
    Deposit,
    GrantCredit,
    RequestWithdrawal,
)
from coopera.protocol.rehearsal import CloseEpoch
from coopera.units import MICRO, MicroUsd, Wad

HAL = AccountId("holder:hal:token")
EVE = AccountId("creator:eve:token")
TAXES = "settlement:taxes"
FLOAT = "reserve:token:float"
LOCKED = "locked:agent:writer"


@pytest.mark.parametrize("action", ["create", "stake"])
def test_tokens_that_create_or_stake_are_locked_less_the_tax(world, action):
    hal = "holder:hal:token"
    command = PayLaunchpad(action, "writer", hal, "token", 10 * MICRO)

    assert world.do(command, "holder:hal") == [
        (hal, FLOAT, 100000),
        (hal, "locked:agent:writer", 9_900000),
    ]


@pytest.mark.parametrize("action", ["create", "stake"])
def test_dollars_do_not_create_or_stake(world, action):
    world.do(Deposit("creator:eve:usd", "usd", MICRO, "x"))
    world.refuses(
        Malformed, PayLaunchpad(action, "writer", "creator:eve:usd", "usd", MICRO)
    )


@pytest.mark.parametrize("action", ["buy", "sell"])
@pytest.mark.parametrize(
    ("payer", "payee", "asset", "taxes"),
    [
        ("holder:hal:token", "creator:eve:token", "token", FLOAT),
        ("supplier:gpu-1:usd", "creator:eve:usd", "usd", TAXES),
    ],
)
def test_who_buys_or_sells_is_taxed_by_a_hundredth(
    world, action, payer, payee, asset, taxes
):
    world.do(Deposit(payer, asset, 10 * MICRO, "x"))
    command = PayLaunchpad(action, "writer", payer, asset, 1_000001, payee)

    assert world.do(command, payer.rpartition(":")[0]) == [
        (payer, taxes, 10001),  # rounded up
        (payer, payee, 990000),
    ]


def test_launchpad_payment_of_one_unit_is_the_tax(world):
    command = PayLaunchpad("stake", "writer", "holder:hal:token", "token", 1)
    assert world.do(command) == [("holder:hal:token", FLOAT, 1)]


def test_launchpad_without_a_tax_takes_nothing(world):
    fees = replace(world.params.fees, launchpad_tax=Wad(0))
    world.params = replace(world.params, fees=fees)
    command = PayLaunchpad("stake", "writer", "holder:hal:token", "token", 5)
    assert world.do(command) == [("holder:hal:token", "locked:agent:writer", 5)]


def test_launchpad_pays_as_its_formula_says(world):
    split = formulas.launchpad_split(12345, world.params.fees.launchpad_tax)
    command = PayLaunchpad("stake", "writer", "holder:hal:token", "token", 12345)

    assert tuple(amount for _, _, amount in world.do(command)) == split


SELL = PayLaunchpad(
    "sell", "writer", "holder:hal:token", "token", MICRO, "creator:eve:token"
)


@pytest.mark.parametrize(
    ("changes", "refusal"),
    [
        ({"action": ""}, Malformed),
        ({"action": "burn"}, Malformed),
        ({"action": "SELL"}, Malformed),
        ({"action": None}, Malformed),
        ({"agent": "nothing"}, UnknownRecord),
        ({"asset": "eur"}, UnknownAsset),
        ({"payer": "holder:hal"}, UnknownAccount),
        ({"payer": "holder:hal:usd"}, UnknownAccount),
        ({"payer": "holder:nobody:token"}, UnknownAccount),
        ({"payee": ""}, UnknownAccount),
        ({"payee": "holder:nobody:token"}, UnknownAccount),
        ({"payee": "supplier:gone:token"}, AccountClosed),
        ({"payee": "creator:eve:usd"}, CurrencyMismatch),
        ({"asset": "usd"}, CurrencyMismatch),
        ({"amount": 1000 * MICRO + 1}, InsufficientBalance),
        ({"payee": "holder:hal:token"}, Malformed),
        ({"payee": "fund:a\tb"}, NotAllowed),
        ({"payee": "locked:agent:writer"}, NotAllowed),
        ({"action": "stake"}, Malformed),
        ({"action": "create"}, Malformed),
    ],
)
def test_launchpad_payment_with_one_bad_field_is_refused(world, changes, refusal):
    world.refuses(refusal, replace(SELL, **changes))


def test_launchpad_takes_no_points(world):
    pay = replace(SELL, payer="creator:eve:point", payee="creator:ann:point")
    world.refuses(Malformed, replace(pay, asset="point"))


def test_launchpad_payment_is_the_payer_s_own(world):
    world.refuses(NotAllowed, SELL, "creator:eve")
    world.do(SELL, "holder:hal")


# Between members alone


NETWORK = [
    ("issuance", "token"),
    ("burned", "token"),
    ("market:token", "token"),
    ("escrow:withdrawals:token", "token"),
    ("escrow:bonds", "token"),
    ("fund:business", "token"),
    ("reserve:token:float", "token"),
    ("locked:agent:writer", "token"),
    ("locked:agent:plain", "token"),
    ("suppliers:training:token", "token"),
    ("validators:token", "token"),
    ("market:usd", "usd"),
    ("escrow:credit", "usd"),
    ("escrow:withdrawals:usd", "usd"),
    ("settlement:usd", "usd"),
    ("settlement:taxes", "usd"),
    ("settlement:buyback", "usd"),
    ("reserve:usd:operations", "usd"),
    ("reserve:usd:buyback", "usd"),
    ("consumers:developers:credit", "usd"),
    ("suppliers:training:usd", "usd"),
    ("consumer:alice:grant", "usd"),
    ("consumer:bob:grant", "usd"),
]


@pytest.mark.parametrize("action", ["buy", "sell"])
@pytest.mark.parametrize(("path", "asset"), NETWORK)
def test_launchpad_reaches_no_account_of_the_network(world, action, path, asset):
    world.do(Deposit("supplier:gpu-1:usd", "usd", MICRO, "x"))
    world.do(GrantCredit("consumer:alice", MICRO, "welcome"))
    world.do(OpenHold("h", "consumer:alice", 2 * MICRO, 2**52))
    member = {"usd": "supplier:gpu-1:usd", "token": HAL}[asset]
    pay = PayLaunchpad(action, "writer", member, asset, 100, path)

    for caller in (OPERATOR, member.rpartition(":")[0]):
        world.refuses(NotAllowed, pay, caller)
    swapped = replace(pay, payer=path, payee=member)
    for caller in (OPERATOR, path.rpartition(":")[0]):
        world.refuses(NotAllowed, swapped, caller)
    # And the day can be closed.
    world.do(CloseEpoch(0, (), MicroUsd(0), (0, 0), (0, 0)))


@pytest.mark.parametrize(("path", "asset"), NETWORK)
def test_network_stakes_nothing(world, path, asset):
    for action in ("create", "stake"):
        pay = PayLaunchpad(action, "writer", path, asset, 100)
        world.refuses(NotAllowed, pay)
        world.refuses(NotAllowed, pay, path.rpartition(":")[0])


# Stakes


@pytest.mark.parametrize("action", ["create", "stake"])
@pytest.mark.parametrize("payee", ["garbage", EVE, HAL, LOCKED, "issuance"])
def test_stake_is_paid_to_nobody(world, action, payee):
    world.refuses(Malformed, PayLaunchpad(action, "writer", HAL, "token", 5, payee))


RETIRE = Retire("agent", "writer", "creator:eve")
BACK = ReturnStake("writer", HAL)


@pytest.fixture
def staked(world):
    """Stake 9.9 tokens of one account, and 0.99 of another."""
    world.do(PayLaunchpad("stake", "writer", HAL, "token", 10 * MICRO), "holder:hal")
    world.do(Deposit(EVE, "token", MICRO, "0xe1"))
    world.do(PayLaunchpad("create", "writer", EVE, "token", MICRO), "creator:eve")
    assert world.held(LOCKED) == 10_890000
    return world


def test_stakes_of_an_account_add_up_by_agent(staked):
    staked.do(PayLaunchpad("stake", "writer", HAL, "token", 100))
    staked.do(PayLaunchpad("stake", "plain", HAL, "token", 200))

    assert staked.state.records(Stake) == {
        each.id: each
        for each in (
            Stake(f"writer:{HAL}", HAL, 9_900099),
            Stake(f"writer:{EVE}", EVE, 990000),
            Stake(f"plain:{HAL}", HAL, 198),
        )
    }


def test_buying_stakes_nothing(world):
    world.do(PayLaunchpad("buy", "writer", HAL, "token", 100, EVE))
    assert world.state.records(Stake) == {}


def test_stake_is_locked_until_the_agent_is_retired(staked):
    staked.refuses(NotAllowed, BACK)
    staked.refuses(NotAllowed, BACK, "holder:hal")
    staked.do(RETIRE)
    held = staked.held(HAL)

    assert staked.do(BACK, "holder:hal") == [(LOCKED, HAL, 9_900000)]
    assert staked.held(HAL) == held + 9_900000
    # The other's stake waits for the other.
    assert staked.held(LOCKED) == 990000
    assert staked.do(ReturnStake("writer", EVE)) == [(LOCKED, EVE, 990000)]
    assert staked.held(LOCKED) == 0


def test_stake_is_given_back_once(staked):
    staked.do(RETIRE)
    staked.do(BACK)
    staked.refuses(UnknownRecord, BACK)
    assert staked.state.record(Stake, f"writer:{HAL}").amount == 0


def test_nobody_takes_back_another_s_stake(staked):
    staked.do(RETIRE)
    for caller in ("creator:eve", "holder:nobody", "holder", ""):
        staked.refuses(NotAllowed, BACK, caller)
    staked.refuses(UnknownRecord, replace(BACK, account="supplier:gpu-1:token"))
    staked.refuses(UnknownRecord, replace(BACK, account=LOCKED))


def test_stakes_in_two_agents_are_apart(staked):
    staked.do(PayLaunchpad("stake", "plain", HAL, "token", 100))
    staked.do(RETIRE)
    staked.refuses(NotAllowed, replace(BACK, agent="plain"))
    staked.do(BACK)
    assert staked.held("locked:agent:plain") == 99
    staked.do(Retire("agent", "plain", "creator:eve"))
    assert staked.do(replace(BACK, agent="plain")) == [("locked:agent:plain", HAL, 99)]


@pytest.mark.parametrize("action", LaunchpadAction)
def test_nothing_is_paid_for_a_retired_agent(staked, action):
    staked.do(RETIRE)
    payee = EVE if action in ("buy", "sell") else ""
    staked.refuses(
        UnknownRecord, PayLaunchpad(action, "writer", HAL, "token", 100, payee)
    )


def test_stake_that_was_all_tax_has_nothing_to_give_back(world):
    world.do(PayLaunchpad("stake", "writer", HAL, "token", 1))
    world.do(RETIRE)
    world.refuses(UnknownRecord, BACK)


def test_stake_of_who_staked_nothing_is_refused(staked):
    staked.do(RETIRE)
    staked.refuses(UnknownRecord, ReturnStake("writer", "creator:ann:token"))
    staked.refuses(UnknownRecord, ReturnStake("nothing", HAL))
    staked.refuses(UnknownRecord, ReturnStake("own", HAL))


def test_stake_does_not_circulate_while_it_is_locked(staked):
    before = circulating_supply(staked.state)
    staked.do(RETIRE)
    staked.do(BACK)
    assert circulating_supply(staked.state) == before + 9_900000


def test_change_of_the_agent_leaves_its_stakes(staked):
    staked.do(ListAgent("writer", "creator:eve", "open", 1, 1, "creator:dev"))
    staked.refuses(NotAllowed, BACK)
    assert staked.held(LOCKED) == 10_890000


def test_member_whose_stake_is_locked_does_not_leave(world):
    world.do(PayLaunchpad("stake", "writer", HAL, "token", 10 * MICRO), "holder:hal")
    world.do(RequestWithdrawal("all", HAL, "token", world.held(HAL)))
    world.do(ConfirmWithdrawal("all", "tx-9"))
    world.refuses(AccountInUse, CloseAccounts("holder:hal"), "holder:hal")

    world.do(Retire("agent", "writer", "creator:eve"))
    world.do(ReturnStake("writer", HAL))
    assert world.held(HAL) == 9_900000
