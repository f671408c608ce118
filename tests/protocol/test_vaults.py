"""Revenue is the units' from the moment of recording, and is paid once, with proof."""

from dataclasses import replace
from fractions import Fraction

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.protocol.conftest import IN_ORDER
from tests.protocol.training import CREATOR, GIVERS, HOLDERS, NODES, Royal, royal

from coopera.errors import (
    AccountClosed,
    AccountInUse,
    AlreadyClaimed,
    AlreadyExists,
    CurrencyMismatch,
    EpochOutOfOrder,
    InsufficientBalance,
    Malformed,
    NotAllowed,
    NotProven,
    PartsExceedWhole,
    Refusal,
    StaleClaim,
    UnknownAsset,
    UnknownRecord,
    ZeroAmount,
)
from coopera.protocol.claims import (
    Claimable,
    leaf_hashes,
    merkle_path,
    merkle_tree,
    written,
)
from coopera.protocol.data import ReturnDataStake, StakeData
from coopera.protocol.listing import ListModel
from coopera.protocol.money import CloseAccounts, Deposit, Move
from coopera.protocol.services import CallModel
from coopera.protocol.training import FinishTraining
from coopera.protocol.vaults import (
    ClaimRoyalty,
    CollectRevenue,
    MoveUnits,
    PayRoyalty,
    PublishClaims,
)
from coopera.units import MICRO, WAD, Wad

DAN, ELI, FAY = GIVERS
READY = royal(IN_ORDER)
READY.play(given={DAN: (60, 30, 9, 1), ELI: (30, 15, 5, 0)})
SUPPLY = 100_000_000 * MICRO


@pytest.fixture
def world():
    return Royal(READY.params, READY.state)


def publish(world, claims=None, epoch=1):
    """Publish what everybody has earned, or something else: claims, and their tree."""
    if claims is None:
        claims = [
            Claimable("digits", "usd", name, earned)
            for name in HOLDERS
            if (earned := world.earned(name))
        ]
    tree = merkle_tree(leaf_hashes(claims))
    world.do(PublishClaims(epoch, written(tree[0]), len(claims)))
    return claims, tree


def claiming(published, holder=DAN, epoch=1):
    """Claim what was published for a holder."""
    claims, tree = published
    (claim,) = (each for each in claims if each.account == holder)
    (leaf,) = leaf_hashes((claim,))
    path = merkle_path(tree, tree.index(leaf))
    return ClaimRoyalty(holder, "digits", "usd", claim.cumulative, epoch, path)


def test_revenue_is_shared_by_units_and_the_rest_is_kept_for_those_to_come(world):
    world.earn(100)

    for name in HOLDERS:
        share = Fraction(world.units(name) * 100 * MICRO, SUPPLY)
        assert world.earned(name) == int(share)
    assert world.held("vault:digits:usd") == 100 * MICRO


def test_who_comes_later_has_no_part_in_what_was_paid_before(world):
    world.earn(100)
    world.play(2, given={FAY: (300, 150, 40, 5)})
    assert world.units(FAY) > 0
    assert world.earned(FAY) == 0
    world.earn(100)

    assert world.earned(FAY) == world.units(FAY) * 100 * MICRO // SUPPLY


def test_revenue_that_waits_is_recorded_before_units_are_issued(world):
    world.do(PayRoyalty("digits", f"{CREATOR}:usd", "usd", 100 * MICRO), CREATOR)
    before = world.units(DAN)
    world.play(2, given={DAN: (300, 150, 40, 5)})

    assert world.units(DAN) > before
    assert world.earned(DAN) == before * 100 * MICRO // SUPPLY


def test_parts_of_a_micro_dollar_are_kept(world):
    for _ in range(997):
        world.do(PayRoyalty("digits", f"{CREATOR}:usd", "usd", 1), CREATOR)
        world.do(CollectRevenue("digits"))

    assert world.earned(DAN) == world.units(DAN) * 997 // SUPPLY


def test_once_a_training_ends_the_issued_units_have_everything(world):
    world.earn(100)
    world.do(FinishTraining("digits", CREATOR), CREATOR)
    issued = sum(map(world.units, HOLDERS))
    world.earn(50)

    for name in HOLDERS:
        share = Fraction(world.units(name) * 150 * MICRO, issued)
        assert share - 3 < world.earned(name) <= share
    assert world.vault().usd.received == 150 * MICRO


def test_where_nobody_has_earned_a_unit_the_creator_has_all(world):
    world.begin("idle")
    world.earn(100, "idle")
    world.do(FinishTraining("idle", CREATOR), CREATOR)
    world.earn(100, "idle")

    assert world.units(CREATOR, "idle") == world.vault("idle").supply
    assert world.earned(CREATOR, "idle") == 200 * MICRO
    assert world.held("vault:idle:usd") == 200 * MICRO


def test_parents_have_their_part_of_what_a_model_earns(world):
    world.begin("child", parents=(("digits", WAD // 5),))
    world.begin("grandchild", parents=(("child", WAD // 2), ("digits", WAD // 10)))
    world.earn(100, "grandchild")
    world.do(CollectRevenue("child"))
    world.do(CollectRevenue("digits"))

    assert world.held("vault:grandchild:usd") == 40 * MICRO
    assert world.held("vault:child:usd") == 40 * MICRO
    assert world.held("vault:digits:usd") == 20 * MICRO
    assert world.earned(DAN) == world.units(DAN) * 20 * MICRO // SUPPLY


@pytest.mark.parametrize(
    ("refusal", "parents"),
    [
        (UnknownRecord, (("none", WAD // 2),)),
        (AlreadyExists, (("digits", WAD // 4), ("digits", WAD // 4))),
        (PartsExceedWhole, (("digits", WAD),)),
        (Malformed, (("digits", 0),)),
    ],
)
def test_parents_leave_something_to_the_model(world, refusal, parents):
    with pytest.raises(refusal):
        world.begin("child", parents=parents)


def test_units_move_with_what_they_will_earn(world):
    world.earn(100)
    earned, half = world.earned(DAN), world.units(DAN) // 2
    world.do(MoveUnits("digits", DAN, FAY, half), DAN)
    assert world.earned(DAN) == earned
    assert world.earned(FAY) == 0
    world.earn(100)

    assert world.earned(FAY) == half * 100 * MICRO // SUPPLY
    world.refuses(InsufficientBalance, MoveUnits("digits", FAY, DAN, half + 1))
    world.refuses(NotAllowed, MoveUnits("digits", FAY, FAY, 1))
    world.refuses(NotAllowed, MoveUnits("digits", DAN, FAY, 1), FAY)
    world.refuses(Malformed, MoveUnits("digits", DAN, "holder:hal", 1))


def test_a_claim_is_paid_once(world):
    world.earn(100)
    claim = claiming(publish(world))
    world.do(claim, DAN)

    assert world.held(f"{DAN}:usd") == world.earned(DAN) == claim.cumulative
    world.refuses(AlreadyClaimed, claim, DAN)


def test_a_later_claim_pays_what_came_since(world):
    world.earn(100)
    world.do(claiming(publish(world)), DAN)
    world.earn(50)
    world.do(claiming(publish(world, epoch=2), epoch=2), DAN)

    assert world.held(f"{DAN}:usd") == world.earned(DAN)


def test_a_claim_of_an_epoch_before_is_stale(world):
    world.earn(100)
    old = claiming(publish(world))
    world.earn(1)
    publish(world, epoch=2)
    refused = world.refuses(StaleClaim, old, DAN)
    assert "is of epoch 1, and the claims of epoch 2 are good now" in str(refused)
    world.refuses(NotProven, ClaimRoyalty(DAN, "digits", "usd", 1, 2, old.path), DAN)


def test_a_claim_is_good_as_long_as_it_leads_to_the_root(world):
    """To publish the same claims again takes nobody's proof away."""
    world.earn(100)
    old = claiming(publish(world))
    publish(world, epoch=2)
    world.do(old, DAN)

    assert world.held(f"{DAN}:usd") == old.cumulative > 0
    again = claiming(publish(world, epoch=3), epoch=3)
    assert again.path == old.path
    world.refuses(AlreadyClaimed, again, DAN)


@pytest.mark.parametrize("epoch", [0, 2, 99])
def test_an_epoch_proves_nothing_and_spoils_nothing(world, epoch):
    world.earn(100)
    good = claiming(publish(world))
    more = good.cumulative + 1
    world.refuses(StaleClaim, replace(good, cumulative=more, epoch=epoch), DAN)
    world.do(replace(good, epoch=epoch), DAN)

    assert world.held(f"{DAN}:usd") == good.cumulative


def test_an_old_claim_of_who_earned_nothing_since_is_stale_where_others_did(world):
    """A leaf that is the same still needs a path to the root that is good now."""
    world.earn(100)
    one, two = world.earned(DAN), world.earned(NODES[0])
    told = [("usd", DAN, one), ("usd", NODES[0], two)]
    leaves = [Claimable("digits", asset, who, of) for asset, who, of in told]
    old = claiming(publish(world, leaves))
    publish(world, [leaves[0], replace(leaves[1], cumulative=two + 1)], 2)
    world.refuses(StaleClaim, old, DAN)


@pytest.mark.parametrize(
    "forged",
    [
        lambda c: {"cumulative": c.cumulative + 1},
        lambda c: {"cumulative": c.cumulative - 1},
        lambda c: {"holder": ELI},
        lambda c: {"asset": "token"},
        lambda c: {"path": c.path[:-1]},
        lambda c: {"path": (*c.path, f"0x{'0' * 64}")},
        lambda c: {"path": tuple(reversed(c.path))},
    ],
)
def test_a_forged_claim_is_not_proven(world, forged):
    world.earn(100)
    good = claiming(publish(world))
    fields = {name: getattr(good, name) for name in good.__slots__}
    world.refuses(NotProven, ClaimRoyalty(**{**fields, **forged(good)}))


def test_a_root_that_lies_pays_nothing_more(world):
    world.earn(100)
    lie = [Claimable("digits", "usd", DAN, world.earned(DAN) + 1)]
    refused = world.refuses(NotProven, claiming(publish(world, lie)), DAN)

    assert "what was published is wrong" in str(refused)
    stranger = [Claimable("digits", "usd", FAY, 5)]
    world.refuses(UnknownRecord, claiming(publish(world, stranger, 2), FAY, 2), FAY)


def test_claims_are_published_epoch_by_epoch(world):
    root = f"0x{'ab' * 32}"
    world.refuses(EpochOutOfOrder, PublishClaims(2, root, 1))
    world.do(PublishClaims(1, root, 1))
    world.refuses(EpochOutOfOrder, PublishClaims(1, root, 1))
    world.refuses(Malformed, PublishClaims(2, "ab" * 32, 1))
    world.refuses(NotAllowed, PublishClaims(2, root, 1), CREATOR)


@pytest.mark.parametrize(
    ("refusal", "changes"),
    [
        (Malformed, {"holder": "holder:hal"}),
        (UnknownAsset, {"asset": "unit"}),
        (UnknownRecord, {"vault": "none"}),
        (ZeroAmount, {"cumulative": 0}),
        (Malformed, {"path": ("0x12",)}),
        (Malformed, {"path": (f"0x{'0' * 64}",) * 33}),
    ],
)
def test_what_a_claim_must_be_like(world, refusal, changes):
    world.earn(100)
    good = claiming(publish(world))
    fields = {name: getattr(good, name) for name in good.__slots__}
    world.refuses(refusal, ClaimRoyalty(**{**fields, **changes}))


def test_what_a_model_earns_goes_to_who_trained_it(world):
    def listing(fraction, vault="digits", owner=CREATOR):
        return ListModel("llm", owner, 3 * MICRO, 0, fraction, vault)

    world.refuses(UnknownRecord, listing(WAD // 2, "none"))
    world.refuses(NotAllowed, listing(WAD // 2, owner="creator:eve"))
    world.do(listing(WAD // 2))
    for less in listing(WAD // 3), listing(WAD // 2, ""):
        world.refuses(NotAllowed, less)
    world.do(listing(WAD // 2 + 1))
    call = CallModel("consumer:alice", "llm", 1_000_000, 0, (("supplier:gpu-1", 1),))
    world.do(call)
    paid = world.held("vault:digits:inflow:usd")
    assert paid == 3 * MICRO // 2
    world.do(CollectRevenue("digits"))

    assert world.earned(DAN) == world.units(DAN) * paid // SUPPLY
    tax = Wad(3 * WAD // 4)
    fees = replace(world.params.fees, serving_platform_tax=tax)
    world.params = replace(world.params, fees=fees)
    world.refuses(NotAllowed, listing(WAD // 4 - 1))
    world.do(listing(WAD // 4))


def test_revenue_is_dollars_or_tokens_of_a_member(world):
    pay = f"{CREATOR}:usd"
    world.refuses(UnknownRecord, PayRoyalty("none", pay, "usd", 1))
    world.refuses(CurrencyMismatch, PayRoyalty("digits", pay, "token", 1))
    credit = "consumer:alice:credit"
    world.refuses(NotAllowed, PayRoyalty("digits", credit, "usd", 1))
    world.refuses(UnknownAsset, PayRoyalty("digits", f"{CREATOR}:point", "point", 1))
    world.refuses(NotAllowed, PayRoyalty("digits", "reserve:usd:operations", "usd", 1))
    world.refuses(NotAllowed, PayRoyalty("digits", pay, "usd", 1), DAN)


def test_accounts_of_who_has_units_stay_open(world):
    refused = world.refuses(AccountInUse, CloseAccounts(ELI), ELI)
    assert "units:digits" in str(refused)


def test_accounts_of_who_is_to_have_units_stay_open(world):
    """Who could not be paid what they earn; and no stake is left behind."""
    world.do(MoveUnits("digits", NODES[2], DAN, world.units(NODES[2])), NODES[2])
    world.start(2)
    world.give("d9", (1, 2, 3, 4), FAY, 2)
    for owner in NODES[2], FAY:
        refused = world.refuses(AccountInUse, CloseAccounts(owner), owner)
        assert "digits:2" in str(refused)
    world.aggregate(2)
    world.share(2)
    world.do(CloseAccounts(NODES[2]), NODES[2])


def test_accounts_stay_open_until_the_stake_of_data_is_returned(world):
    world.do(Deposit(f"{FAY}:token", "token", 5, "0xf"))
    world.do(StakeData("digits", FAY, 5), FAY)
    refused = world.refuses(AccountInUse, CloseAccounts(FAY), FAY)
    assert "in training digits" in str(refused)
    world.do(ReturnDataStake("digits", FAY), FAY)
    world.do(Move(f"{FAY}:token", f"{DAN}:token", "token", 5), FAY)
    world.do(CloseAccounts(FAY), FAY)


def test_a_claim_into_a_closed_account_waits(world):
    world.earn(100)
    published = publish(world)
    world.do(MoveUnits("digits", ELI, DAN, world.units(ELI)), ELI)
    world.refuses(AccountInUse, CloseAccounts(ELI), ELI)
    world.do(claiming(published, ELI), ELI)
    paid = world.held(f"{ELI}:usd")
    world.do(Move(f"{ELI}:usd", f"{DAN}:usd", "usd", paid), ELI)
    world.do(CloseAccounts(ELI), ELI)
    world.refuses(AccountClosed, MoveUnits("digits", DAN, ELI, 1), DAN)


AMOUNTS = st.one_of(st.integers(1, 50), st.integers(1, 10**10))
NAMES = st.sampled_from(HOLDERS)
STEPS = st.one_of(
    st.tuples(st.just("earn"), AMOUNTS),
    st.tuples(st.just("move"), NAMES, NAMES, AMOUNTS),
    st.tuples(st.just("issue"), st.sampled_from(GIVERS)),
    st.tuples(st.just("finish")),
)


@settings(max_examples=60, deadline=None)
@given(st.lists(STEPS, max_size=8))
def test_any_history_shares_every_micro_dollar(steps):
    """By a model that shares each payment in fractions among those who have units."""
    world = Royal(READY.params, READY.state)
    world.do(Deposit("creator:ann:usd", "usd", 10**12, "wire-2"))
    have = {name: world.units(name) for name in HOLDERS}
    shares = dict.fromkeys(HOLDERS, Fraction(0))
    reserve, number, over = Fraction(0), 1, False

    def paid(amount):
        nonlocal reserve
        sharing = sum(have.values()) if over else SUPPLY
        for name, units in have.items():
            shares[name] += Fraction(amount * units, sharing)
        reserve += Fraction(amount * (sharing - sum(have.values())), sharing)

    for step in steps:
        match step:
            case ("earn", amount):
                world.earn(Fraction(amount, MICRO))
                paid(amount)
            case ("move", giver, receiver, amount):
                try:
                    world.do(MoveUnits("digits", giver, receiver, amount), giver)
                except Refusal:
                    continue
                have[giver] -= amount
                have[receiver] += amount
            case ("issue", giver) if not over:
                number += 1
                world.play(
                    number,
                    given={
                        giver: (300 * number, 150 * number, 40 * number, 5 * number)
                    },
                )
                have = {name: world.units(name) for name in HOLDERS}
            case ("finish",) if not over:
                world.do(FinishTraining("digits", CREATOR), CREATOR)
                over, kept = True, reserve
                paid(kept)
    for name in HOLDERS:
        assert 0 <= shares[name] - world.earned(name) < 2
    assert sum(map(world.earned, HOLDERS)) <= world.held("vault:digits:usd")


def test_nodes_earn_as_contributors_do(world):
    world.earn(100)
    assert world.earned(NODES[0]) == world.units(NODES[0]) * 100 * MICRO // SUPPLY > 0
