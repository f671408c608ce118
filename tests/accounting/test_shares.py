"""What is told of trainings and vaults is what the books did, and why."""

from dataclasses import replace
from itertools import product

import pytest
from tests.protocol.conftest import IN_ORDER
from tests.protocol.training import CREATOR, GIVERS, HOLDERS, NODES, SALT, Royal, royal

from coopera.accounting.rounds import (
    COMPUTE,
    DATA,
    SIDES,
    Terms,
    cells_of,
    given_of,
    pool_before,
    reduction_of,
    release_plan,
    slices_of,
    terms_of,
    waiting_data,
    worked_of,
)
from coopera.accounting.shares import claimable, unrecorded, vault_shares
from coopera.accounting.whys import foreseen, why
from coopera.errors import Malformed, NotEligible, UnknownRecord
from coopera.formulas.royalty import earned_slice, released_units
from coopera.params.chapters import ComputeSplit, DataShare, EmptySide
from coopera.protocol.data import AuditData, OfferData
from coopera.protocol.draft import Draft
from coopera.protocol.money import Deposit
from coopera.protocol.training import (
    ChallengeRound,
    FinishTraining,
    FinishWork,
    RoundStage,
    VerifyWork,
)
from coopera.protocol.vaults import (
    ClaimRoot,
    Holding,
    MoveUnits,
    PayRoyalty,
    Vault,
    settled,
)
from coopera.units import MICRO, WAD, MicroUnit, Wad

READY = royal(IN_ORDER)
LIKE_TARGET, HALF, RARE = (60, 30, 9, 1), (30, 15, 5, 0), (0, 0, 0, 50)
FIRST = {GIVERS[0]: LIKE_TARGET, GIVERS[1]: HALF}


@pytest.fixture
def world():
    return Royal(READY.params, READY.state)


def asked(world, member, number=1):
    return why(world.state, world.params, "digits", number, member)


def missing(told):
    reasons = [*told.data, *told.nodes]
    assert len(reasons) == 1
    return reasons[0].missing


def claims(world):
    return {
        (each.vault, each.asset, each.account): each.cumulative
        for each in claimable(world.state)
    }


def history(world):
    """Two vaults, one derived from the other; revenue between rounds; units moved."""
    world.play(given=FIRST)
    world.begin("vision", parents=(("digits", WAD // 10),))
    world.earn(100.000007)
    world.play(2, given={GIVERS[2]: HALF})
    world.do(MoveUnits("digits", GIVERS[0], GIVERS[2], 1_234567))
    world.play(1, "vision", {GIVERS[1]: LIKE_TARGET})
    world.earn(33.333333, "vision")
    world.do(Deposit("creator:ann:token", "token", 50 * MICRO, "0xt"))
    pay = PayRoyalty("vision", "creator:ann:token", "token", 7_000003)
    world.do(pay, CREATOR)
    world.earn(1)
    return world


# claims


def test_what_may_be_claimed_is_what_the_books_would_settle(world):
    state = history(world).state
    vaults = state.records(Vault)
    expected = {}
    for name, held in state.records(Holding).items():
        vault, _, member = name.partition(":")
        earned = settled(state, Draft(state), vaults[vault], held)
        for asset in ("usd", "token"):
            if total := getattr(earned, asset).total:
                expected[vault, asset, member] = total

    assert claims(world) == expected
    assert {vault for vault, _, _ in expected} == {"digits", "vision"}


def test_tokens_that_are_not_recorded_are_nobodys(world):
    assert unrecorded(history(world).state) == {
        # A tenth of what the derived vault recorded is on its way, and so are tokens.
        "vault:vision:inflow:token": 7_000003,
    }
    assert not any(asset == "token" for _, asset, _ in claims(world))


def test_nothing_may_be_claimed_before_anything_was_earned(world):
    world.play(given=FIRST)
    assert list(claimable(world.state)) == []


def test_claims_and_the_reserve_never_exceed_what_a_vault_holds(world):
    state = history(world).state
    for name in ("digits", "vision"):
        shown = vault_shares(state, name)
        for asset, income in shown.income.items():
            unpaid = sum(each.earned[asset].unpaid for each in shown.holders)
            rest = income.held - unpaid - income.reserve
            # Parts of a micro-unit are nobody's yet: less than one for each.
            assert 0 <= rest <= len(shown.holders) + 1


# vaults


def test_holders_stand_by_their_units_and_have_all_that_was_issued(world):
    shown = vault_shares(history(world).state, "digits")
    units = [each.units for each in shown.holders]

    assert units == sorted(units, reverse=True)
    assert sum(units) == shown.issued
    for each in shown.holders:
        assert each.units == world.units(each.member)
        assert each.earned["usd"].total == world.earned(each.member)
    assert shown.derived == (("vision", WAD // 10),)
    assert shown.income["usd"].received == (100_000007 + 3_333333 + 1_000000)


def test_who_gave_all_units_away_is_shown_with_what_they_earned(world):
    world.play(given=FIRST)
    world.earn(100)
    world.do(MoveUnits("digits", GIVERS[0], CREATOR, world.units(GIVERS[0])))
    shown = vault_shares(world.state, "digits")
    (gave,) = (each for each in shown.holders if each.member == GIVERS[0])

    assert gave.units == 0
    assert gave.earned["usd"].total > 0


def test_a_vault_that_is_closed_has_no_reserve_and_received_what_was_paid(world):
    world.play(given=FIRST)
    world.earn(100)
    before = vault_shares(world.state, "digits").income["usd"]
    world.do(FinishTraining("digits", CREATOR))
    after = vault_shares(world.state, "digits")

    assert before.reserve > 90 * MICRO
    assert after.income["usd"].reserve == 0
    assert after.income["usd"].received == 100 * MICRO
    total = sum(each.earned["usd"].total for each in after.holders)
    assert 100 * MICRO - len(after.holders) <= total <= 100 * MICRO


def test_a_vault_that_there_is_none_of_is_refused(world):
    with pytest.raises(UnknownRecord, match="has the name of its training"):
        vault_shares(world.state, "letters")


# slices


def test_a_plan_is_what_the_formula_releases():
    terms = Terms(
        MicroUnit(70_000000), MicroUnit(30_000000), Wad(WAD // 100), Wad(WAD // 20), 9
    )
    plan = release_plan(terms, 9)

    assert [each.round for each in plan] == list(range(1, 10))
    assert plan[-1].compute_so_far == 70_000000
    assert plan[-1].data_so_far == 30_000000
    for number, each in enumerate(plan, 1):
        given = MicroUnit(30_000000), Wad(WAD // 20), number, 9
        assert each.data_so_far == released_units(*given)
    assert sum(each.compute for each in plan) == 70_000000


TURNS = ("both", COMPUTE, DATA, "none")


@pytest.mark.parametrize("empty", list(EmptySide))
@pytest.mark.parametrize("turns", list(product(TURNS, repeat=2)), ids="-".join)
def test_slices_tell_where_every_unit_went(world, turns, empty):
    world.set(empty_side=empty)
    for number, turn in enumerate((*turns, "both"), 1):
        values = None if turn in ("both", COMPUTE) else ()
        given = {GIVERS[number - 1]: LIKE_TARGET} if turn in ("both", DATA) else {}
        world.play(number, given=given, values=values)
    left = dict.fromkeys(SIDES, 0)
    gone = dict.fromkeys(SIDES, 0)
    training = world.training()
    terms = terms_of(training, world.vault())
    for number in (1, 2, 3):
        slices = slices_of(world.state, training, number)
        for side in SIDES:
            told, other = slices[side], slices[SIDES[side == COMPUTE]]
            assert told.units == getattr(world.round(number), f"{side}_units")
            assert told.carried == left[side]
            assert told.released == terms.released(side, number) - terms.released(
                side, number - 1
            )
            own = told.units - told.other
            gone[side] += own + other.other
            left[side] = told.left - other.other
    for side in SIDES:
        assert terms.released(side, 3) - gone[side] == left[side]
        pool = getattr(terms, side)
        assert world.held(f"vault:digits:{side}") == pool - gone[side]


def test_the_pool_before_a_round_is_found_again(world):
    pools = []
    turns = (HALF, None, RARE, LIKE_TARGET, (57, 33, 9, 1))
    for number, counts in enumerate(turns, 1):
        pools.append(world.training().pool)
        world.play(number, given={GIVERS[0]: counts} if counts else {})
    training = world.training()

    found = [pool_before(world.state, training, n) for n in range(1, len(turns) + 1)]
    assert found == pools
    assert pools[0] != pools[1] == pools[2]
    # The last one earns nothing, and joins.
    assert world.round(len(turns)).data_units == 0
    assert pools[-1] != training.pool


def test_cells_tell_what_a_row_was_worth(world):
    world.play(given=FIRST)
    cells = cells_of(world.state, world.training(), world.round())

    assert sum(each.target for each in cells) == WAD
    assert [each.rows for each in cells] == [90, 45, 14, 1]
    assert [each.pool for each in cells] == [1, 1, 1, 1]
    worth = sum(each.rows * (each.price or 0) for each in cells)
    reduction = reduction_of(world.state, world.training(), world.round())
    assert reduction is not None
    # Prices are told in the last place, and there are 150 rows.
    assert 0 <= reduction.brought - worth < 1000
    assert reduction.full < reduction.brought < reduction.lacking


@pytest.mark.parametrize("needed", [Wad(WAD // 100), Wad(WAD // 2), Wad(WAD)])
def test_what_the_data_brought_is_what_the_slice_was_earned_by(world, needed):
    """Also where it lacked less than it was given, and later rounds came after."""
    world.set(full_reduction=needed)
    world.play(1, given={GIVERS[0]: (590, 310, 91, 9)})
    world.play(2, given={GIVERS[1]: (350, 100, 45, 5)})
    world.play(3, given={GIVERS[1]: (40, 10, 4, 1), GIVERS[2]: (30, 50, 2, 1)})
    training = world.training()
    for number in (1, 2, 3):
        data = slices_of(world.state, training, number)[DATA]
        reduction = reduction_of(world.state, training, world.round(number))
        if reduction is None:
            assert data.units == 0
        else:
            available = MicroUnit(data.available)
            earned = earned_slice(available, reduction.brought, reduction.full)
            assert data.units == earned


def test_before_a_target_is_revealed_nothing_is_told_of_cells(world):
    world.start()
    assert cells_of(world.state, world.training(), world.round()) == []


# why


def test_why_tells_the_units_that_were_issued(world):
    world.play(given=FIRST)
    for member in (*NODES, *GIVERS[:2]):
        told = asked(world, member)
        assert told.units == world.units(member) > 0
        assert not told.foreseen
        assert not told.missing
        assert missing(told) == ""
        assert told.slice is not None
    nodes = [asked(world, member) for member in NODES]
    assert sum(each.weight for each in nodes) == nodes[0].weights
    givers = [asked(world, member) for member in GIVERS[:2]]
    assert sum(each.weight for each in givers) == givers[0].weights
    assert sum(each.units for each in givers) == givers[0].slice.units


def test_what_is_foreseen_comes_true(world):
    world.start()
    world.give("a", LIKE_TARGET)
    world.give("b", HALF, GIVERS[1])
    world.work()
    world.aggregate(values=((NODES[0], 3), (NODES[1], 5)))
    members = (*NODES, *GIVERS[:2])
    told = {member: asked(world, member) for member in members}
    assert all(each.foreseen for each in told.values())
    assert world.round().stage is RoundStage.AGGREGATING
    world.share()

    for member in members:
        after = asked(world, member)
        assert told[member].units == after.units == world.units(member)
        assert replace(told[member], foreseen=False, stage=after.stage) == after


def test_while_a_round_is_challenged_only_weights_are_known(world):
    world.start()
    world.give("a", LIKE_TARGET)
    world.work()
    world.aggregate()
    world.do(ChallengeRound("digits", 1, NODES[0], "99" * 32), NODES[0])
    told = asked(world, GIVERS[0])

    assert not told.foreseen
    assert told.slice is None
    assert told.data[0].given.weight > 0
    assert told.data[0].given.units is None
    assert foreseen(world.state, world.params, "digits", 1) == (world.state, False)


def test_rows_that_lead_away_are_told_what_would_have_been_worth_most(world):
    world.set(kl_max=Wad(40 * WAD))
    world.play(given={GIVERS[0]: LIKE_TARGET, GIVERS[1]: RARE})
    told = asked(world, GIVERS[1])

    assert told.units == 0
    assert told.data[0].given.value < 0
    assert missing(told).startswith("its rows had to bring the pool nearer")
    assert missing(told).endswith("worth most were rows in cells 0, 1")


def test_rows_that_lie_too_far_are_told_the_limit(world):
    world.play(given={GIVERS[0]: LIKE_TARGET, GIVERS[1]: RARE})
    told = asked(world, GIVERS[1])

    assert told.data[0].given.divergence > told.kl_max == 3 * WAD
    assert "had to lie 3 nats from the target at most" in missing(told)


def test_the_rules_of_a_round_are_those_it_began_with(world):
    world.play(given={GIVERS[0]: LIKE_TARGET, GIVERS[1]: RARE})
    before = asked(world, GIVERS[1])
    world.set(kl_max=Wad(WAD), data_share=DataShare.SIZE)

    assert asked(world, GIVERS[1]) == before


def test_who_took_no_part_is_told_so(world):
    world.start(nodes=NODES[:2])
    assert asked(world, NODES[2]).missing.endswith("the 2 nodes that were selected")
    assert "registered no data" in asked(world, GIVERS[0]).missing


@pytest.mark.parametrize(
    ("looked_at", "said"),
    [
        (None, "the operator must look at 20 of its rows at least"),
        (17, "at least 90% of the rows looked at must be valid, and 17 of 20 are"),
        (18, "it must be offered to a round"),
    ],
)
def test_data_that_was_not_offered_is_told_what_it_waits_for(world, looked_at, said):
    world.start()
    world.register("a", HALF)
    if looked_at:
        world.do(AuditData("a", 20, looked_at))
    told = asked(world, GIVERS[0])

    assert told.missing == "it has offered no data to round 1"
    assert missing(told) == said
    counted = waiting_data(world.state, world.params, "digits")
    assert (counted.audit, counted.invalid, counted.offer) == {
        None: (1, 0, 0),
        17: (0, 1, 0),
        18: (0, 0, 1),
    }[looked_at]


def test_nodes_that_did_not_do_it_are_told_what_was_needed(world):
    first, second, third = NODES
    world.start()
    world.do(FinishWork("digits", 1, first, "ab" * 32, 5), first)
    assert missing(asked(world, first)) == "its work must be found valid"
    world.do(VerifyWork("digits", 1, first, valid=False))
    world.work(nodes=(second,))
    assert "must be aggregated" in missing(asked(world, second))
    world.aggregate(values=((second, -7),))
    world.share()

    assert missing(asked(world, first)).startswith("its work had to be valid")
    assert "had to be above zero" in missing(asked(world, second))
    assert "handed in before" in missing(asked(world, third))
    assert asked(world, second).slice.units == 0


def test_samples_are_told_where_they_count(world):
    world.set(compute_split=ComputeSplit.SAMPLES)
    world.start()
    world.work(nodes=NODES[:2])
    world.do(FinishWork("digits", 1, NODES[2], "ab" * 32, 9), NODES[2])
    world.do(VerifyWork("digits", 1, NODES[2], valid=True, samples=0))
    world.aggregate()
    world.share()

    assert "use one row at least" in missing(asked(world, NODES[2]))
    shares = [each.units for each in worked_of(world.state, world.round())]
    assert shares == [*map(world.units, NODES)]


def test_the_node_of_an_encrypted_round_gets_all(world):
    world.begin("secret", method="encrypted")
    world.play(1, "secret", nodes=NODES[:1])
    told = why(world.state, world.params, "secret", 1, NODES[0])

    assert told.rule == "all"
    assert told.slice is not None
    assert told.units == told.slice.units == world.units(NODES[0], "secret")


def test_a_creator_shares_in_no_round(world):
    world.start()
    with pytest.raises(NotEligible, match="neither computes nor gives data"):
        asked(world, CREATOR)
    with pytest.raises(Malformed):
        asked(world, "consumer:alice")
    with pytest.raises(UnknownRecord):
        asked(world, NODES[0], 2)


def test_offers_of_later_parts_are_told_like_those_of_the_first(world):
    world.start()
    for n in range(203):
        counts = (1, n % 3, 0, n % 2)
        world.register(f"d-{n}", counts, GIVERS[n % 3])
        rows = sum(counts)
        world.do(AuditData(f"d-{n}", rows, rows))
        world.do(OfferData(f"d-{n}", GIVERS[n % 3], 1, counts, SALT))
    world.work()
    world.aggregate()
    world.share()
    offers = [*given_of(world.state, world.round())]

    assert world.round().parts == 2
    assert sum(each.units or 0 for each in offers) == world.round().data_units > 0
    assert sum(each.weight or 0 for each in offers) == world.round().weight
    for giver in GIVERS:
        assert asked(world, giver).units == world.units(giver)


def test_nothing_is_written(world):
    history(world)
    before = {
        kind: dict(world.state.records(kind)) for kind in (Vault, Holding, ClaimRoot)
    }
    for member in HOLDERS[:-1]:
        asked(world, member)
    list(claimable(world.state))
    assert before == {
        kind: dict(world.state.records(kind)) for kind in (Vault, Holding, ClaimRoot)
    }
