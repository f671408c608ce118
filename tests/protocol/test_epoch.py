"""
A day is closed once, in order, stage by stage, or not at all.

One world where everything is in order; each test spoils one fact about it.
"""

from dataclasses import replace

import pytest

from coopera.errors import (
    AmountTooLarge,
    EpochOutOfOrder,
    InsufficientBalance,
    NegativeAmount,
    Refusal,
    TooManyFail,
    TooManyLeave,
    UnknownKind,
    UnknownService,
)
from coopera.ledger import AccountId, Transfer, account
from coopera.params import Params, read_params
from coopera.params.chapters import PhaseTransition, PriceImpact
from coopera.params.document import preset
from coopera.protocol import epoch as closing
from coopera.protocol import invariants
from coopera.protocol.genesis import genesis
from coopera.protocol.overlay import Overlay
from coopera.protocol.rehearsal import CloseEpoch, Sale, close_epoch
from coopera.protocol.state import Diff
from coopera.units import MICRO, WAD, MicroToken, MicroUsd, Wad


def params_with(**chapters) -> Params:
    """Read the minimal preset, with some chapters' fields replaced."""
    tables = preset("minimal").tables
    params = read_params(
        {
            k: v
            for k, v in tables.items()
            if k not in ("simulation", "sentiment", "consumers", "suppliers")
        }
    )
    changed = {
        name: replace(getattr(params, name), **fields)
        for name, fields in chapters.items()
    }
    return replace(params, **changed)


PARAMS = params_with()
SALE = Sale("developers", "training", "demo", MicroUsd(10 * MICRO), jobs=20)
SERVING = Sale("developers", "serving", "demo", MicroUsd(5 * MICRO), jobs=40)
DAY = CloseEpoch(0, (SALE, SERVING), MicroUsd(100 * MICRO), (0, 0), (0, 0))
IN_ORDER = genesis(PARAMS, [4, 3], MicroUsd(1000 * MICRO))


def closed(params=PARAMS, state=IN_ORDER, days=1, command=DAY):
    for _ in range(days):
        day = replace(command, day=state.economy().day)
        state = state.after(close_epoch(state, params, day))
    return state


def held(state, *parts: str) -> int:
    return int(state.balance(account(*parts)))


def test_income_is_split_to_the_last_unit() -> None:
    state = closed()

    income = 400 * MICRO
    operations = 120 * MICRO
    epoch = state.epoch()
    assert epoch.income == income
    assert held(state, "reserve", "usd", "operations") == 1000 * MICRO + operations
    assert epoch.capital == epoch.dollars == 140 * MICRO
    # Training earns 200 + 40 % of 200 of the 400 dollars; inference the rest.
    assert held(state, "suppliers", "training", "usd") == 98 * MICRO
    assert held(state, "suppliers", "inference", "usd") == 42 * MICRO
    assert held(state, "settlement", "usd") == 0
    assert held(state, "consumers", "developers", "credit") == 0


def test_price_divides_the_day_s_dollars_by_what_turns_over() -> None:
    unbound = params_with(pricing={"price_change_max": Wad(0)})
    epoch = closed(unbound).epoch()

    # Sentiment, buy-back capital, and bonds for 400 dollars of jobs at one half.
    assert epoch.token_demand == (100 + 140 + 200) * MICRO
    # 20,000 in circulation, and a third of Phase 1's 60,000, due to the four slots.
    supply = (20_000 + 20_000) * MICRO
    velocity = PARAMS.pricing.velocity_per_day
    assert epoch.price == epoch.token_demand * WAD * WAD // (supply * velocity)


def test_price_moves_a_bounded_part_a_day() -> None:
    first = closed()
    second = closed(
        PARAMS, first, command=replace(DAY, sales=(), sentiment=MicroUsd(0))
    )

    # It starts at a dollar, is asked for at four, and then not at all.
    assert first.epoch().price == 11 * WAD // 10
    assert second.epoch().price == 99 * WAD // 100


def test_bought_back_tokens_come_back_to_the_market_through_suppliers() -> None:
    epoch = closed().epoch()

    premium = epoch.price // 100
    assert epoch.bought == 140 * MICRO * WAD // (epoch.price + premium)
    transfers = close_epoch(IN_ORDER, PARAMS, DAY).transfers
    paid = [
        t.amount
        for t in transfers
        if t.reason == "buyback.tokens_bought" and t.credit.startswith("suppliers:")
    ]
    assert sum(paid) == epoch.bought


def test_bonds_are_locked_for_a_day_and_slashed_for_what_failed() -> None:
    failing = replace(DAY, sales=(replace(SALE, failed=5), SERVING))
    state = closed(command=failing)

    epoch = state.epoch()
    bond = -(-400 * MICRO * PARAMS.bonding.bond_rate // epoch.price)
    assert epoch.slashed == -(-bond * 50 // 400)
    assert held(state, "escrow", "bonds") == bond - epoch.slashed
    assert epoch.income == 350 * MICRO
    quiet = CloseEpoch(1, (), MicroUsd(0), (0, 0), (0, 0))
    after = closed(state=state, command=quiet)
    assert held(after, "escrow", "bonds") == 0


def test_new_suppliers_pay_their_fee_into_the_float() -> None:
    state = closed()
    entering = replace(DAY, entered=(2, 0))
    after = closed(state=state, command=entering)

    epoch = after.epoch()
    # A tenth of two days' 800 dollars over the 7 suppliers that were there.
    assert epoch.fee_usd == -(-800 * MICRO // 70)
    assert epoch.fees == 2 * -(-epoch.fee_usd * WAD // epoch.price)
    assert after.economy().suppliers == (6, 3)


def test_phase_1_pays_filled_slots_and_the_switch_returns_the_rest() -> None:
    half = genesis(PARAMS, [2, 0], MicroUsd(0))
    state = closed(state=half)

    assert state.epoch().phase1_released == 10_000 * MICRO
    assert held(state, "locked", "phase1", "demo") == 10_000 * MICRO
    assert held(state, "reserve", "token", "phase1", "demo") == 50_000 * MICRO
    over = closed(state=state, days=2)
    owed = over.economy().validators_owed
    assert held(over, "reserve", "token", "phase1", "demo") == 0
    assert held(over, "reserve", "token", "float") == 30_000 * MICRO
    assert owed > 0  # The switch comes after the validators of its day.


def test_targets_that_are_never_reached_keep_phase_1_open() -> None:
    waiting = params_with(emission={"phase_transition": PhaseTransition.SUPPLY})
    state = closed(waiting, genesis(waiting, [2, 0], MicroUsd(0)), days=8)

    assert state.economy().projects[0].phase == 1
    assert held(state, "locked", "phase1", "demo") == 30_000 * MICRO
    arriving = replace(DAY, entered=(0, 2))
    after = closed(waiting, state, command=arriving)
    assert after.economy().projects[0].phase == 2


def test_who_leaves_a_slot_before_the_switch_forfeits_its_rewards() -> None:
    state = closed()
    locked = held(state, "locked", "phase1", "demo")
    leaving = replace(DAY, exited=(3, 0))
    after = closed(state=state, command=leaving)

    assert locked == 20_000 * MICRO
    # One of four slots is given up, then the other three earn their part of the day.
    assert held(after, "locked", "phase1", "demo") == (15_000 + 15_000) * MICRO


def test_rewards_are_locked_until_the_switch_and_then_circulate() -> None:
    before, after = closed(days=2), closed(days=3)

    assert held(before, "locked", "phase1", "demo") == 40_000 * MICRO
    assert held(after, "locked", "phase1", "demo") == 0
    assert after.economy().projects[0].phase == 2
    assert held(after, "market", "token") > 60_000 * MICRO


def test_phase_2_emits_only_after_the_switch() -> None:
    assert closed(days=3).epoch().emitted == (0,)
    assert closed(days=4).epoch().emitted[0] > 0


def test_latch_stays_when_demand_and_suppliers_are_gone() -> None:
    state = closed(days=3)
    empty = CloseEpoch(0, (), MicroUsd(0), (0, 0), (4, 3))
    after = closed(state=state, command=empty)

    assert after.economy().projects[0].phase == 2


def test_validators_are_paid_from_the_float_and_owed_the_rest() -> None:
    generous = params_with(validation={"validator_reward": 5 * MICRO})
    state = closed(generous)

    # Three verdicts each, and a fortieth of $400 for each at $1.10.
    owed = 60 * 3 * 5 * MICRO + 3 * 400 * MICRO * 10 // 11 // 40
    paid = state.epoch().validators_paid
    assert paid + state.economy().validators_owed == owed
    assert held(state, "reserve", "token", "float") == 0
    # What the next day brings is used for the debt first.
    entering = replace(DAY, entered=(5, 5))
    assert closed(generous, state, command=entering).epoch().validators_paid > 0


def test_reserve_is_bought_back_from_its_floor_up_to_its_target() -> None:
    thirsty = params_with(
        buyback={
            "reserve_floor_fraction": Wad(85 * WAD // 100),
            "reserve_target_fraction": Wad(90 * WAD // 100),
            "max_daily_buyback_usd": MicroUsd(10**9 * MICRO),
        }
    )
    rich = genesis(thirsty, [4, 3], MicroUsd(10**7 * MICRO))
    state = closed(thirsty, rich)

    assert closing.token_reserve(state) == 90_000 * MICRO
    assert not state.economy().refilling


def test_reserve_purchase_stops_at_what_a_day_may_spend_and_goes_on_tomorrow() -> None:
    slow = params_with(
        buyback={
            "reserve_floor_fraction": Wad(85 * WAD // 100),
            "reserve_target_fraction": Wad(90 * WAD // 100),
            "max_daily_buyback_usd": MicroUsd(50 * MICRO),
        }
    )
    state = closed(slow)

    assert state.economy().refilling
    assert 0 < closing.token_reserve(state) < 90_000 * MICRO
    spent = 1000 * MICRO + 120 * MICRO - held(state, "reserve", "usd", "operations")
    assert spent == 50 * MICRO


def test_capital_that_finds_no_seller_is_carried_to_the_next_day() -> None:
    nobody_sells = params_with(token={"initial_circulating": 0})
    state = closed(nobody_sells, genesis(nobody_sells, [4, 3], MicroUsd(0)))

    assert state.epoch().bought == 0
    assert held(state, "reserve", "usd", "buyback") == 140 * MICRO
    later = closed(nobody_sells, state, days=3)
    assert later.epoch().bought > 0
    assert held(later, "reserve", "usd", "buyback") == 0


def test_a_burned_token_is_replaced_from_the_float_and_suppliers_get_all() -> None:
    burning = params_with(buyback={"burn_fraction": WAD})
    entering = replace(DAY, entered=(1, 0))
    state = closed(burning, command=entering)

    # The float got one supplier's fee, which is less than what was bought.
    epoch = state.epoch()
    assert 0 < epoch.fees < epoch.bought
    assert held(state, "burned") == epoch.fees
    paid = [
        t.amount
        for t in close_epoch(IN_ORDER, burning, entering).transfers
        if t.reason == "buyback.tokens_bought" and t.credit.startswith("suppliers:")
    ]
    assert sum(paid) == epoch.bought


def test_a_pool_charges_for_what_was_bought_and_not_for_what_was_wanted() -> None:
    pool = params_with(
        buyback={"price_impact": PriceImpact.AMM, "amm_depth_usd": 1000 * MICRO},
        token={"initial_circulating": 1 * MICRO},
    )
    state = closed(pool, genesis(pool, [4, 3], MicroUsd(0)))

    epoch = state.epoch()
    assert epoch.bought == 1 * MICRO
    worth = epoch.price / WAD
    assert held(state, "reserve", "usd", "buyback") == pytest.approx(
        140 * MICRO - MICRO * worth * 1000 / (1000 - worth), abs=1
    )


@pytest.mark.parametrize(
    ("command", "refusal"),
    [
        (replace(DAY, day=1), EpochOutOfOrder),
        (replace(DAY, day=-1), EpochOutOfOrder),
        (replace(DAY, sales=(replace(SALE, pipeline="magic"),)), UnknownService),
        (replace(DAY, sales=(replace(SALE, project="none"),)), UnknownService),
        (replace(DAY, entered=(0,)), UnknownKind),
        (replace(DAY, exited=(0, 0, 0)), UnknownKind),
        (replace(DAY, sales=(replace(SALE, jobs=-1),)), NegativeAmount),
        (replace(DAY, sales=(replace(SALE, failed=21),)), TooManyFail),
        (replace(DAY, sales=(replace(SALE, job_price=MicroUsd(-1)),)), NegativeAmount),
        (replace(DAY, sentiment=MicroUsd(-1)), NegativeAmount),
        (replace(DAY, entered=(0, -1)), NegativeAmount),
        (replace(DAY, sales=(replace(SALE, jobs=10**9),)), AmountTooLarge),
        (replace(DAY, sentiment=MicroUsd(10**15 + 1)), AmountTooLarge),
        (replace(DAY, exited=(5, 0)), TooManyLeave),
        # Precedence: day, service, kinds, amounts, suppliers.
        (replace(DAY, day=1, sales=(replace(SALE, project="none"),)), EpochOutOfOrder),
        (
            replace(DAY, sales=(replace(SALE, project="none", jobs=-1),), entered=()),
            UnknownService,
        ),
        (replace(DAY, sentiment=MicroUsd(-1), exited=(5, 0)), NegativeAmount),
    ],
)
def test_refused_when(command: CloseEpoch, refusal: type[Refusal]) -> None:
    with pytest.raises(refusal):
        close_epoch(IN_ORDER, PARAMS, command)


def test_same_day_is_not_closed_twice() -> None:
    with pytest.raises(EpochOutOfOrder, match="the next is day 1"):
        close_epoch(closed(), PARAMS, DAY)


def test_replayed_day_makes_the_same_transfers() -> None:
    assert close_epoch(IN_ORDER, PARAMS, DAY) == close_epoch(IN_ORDER, PARAMS, DAY)


def test_overlay_shows_what_the_state_will_be() -> None:
    diff = close_epoch(IN_ORDER, PARAMS, DAY)
    seen, state = Overlay(IN_ORDER, diff), IN_ORDER.after(diff)

    assert seen.balances() == state.balances()
    assert seen.economy() == state.economy()
    assert seen.epoch() == state.epoch()


def test_overdraft_is_refused_and_nothing_moves() -> None:
    moves = (Transfer(account("burned"), account("market", "token"), 1, "x"),)
    with pytest.raises(InsufficientBalance) as refused:
        IN_ORDER.after(Diff(moves))

    assert (refused.value.available, refused.value.required) == (0, 1)


def test_invariants_notice_money_from_nowhere() -> None:
    more = dict(IN_ORDER.balances())
    more[AccountId("market:token")] += 1

    with pytest.raises(AssertionError, match="from nowhere"):
        invariants.check_books(replace(IN_ORDER, held=more), PARAMS)


def test_invariants_notice_an_emission_over_its_pool() -> None:
    economy = IN_ORDER.economy()
    pool = replace(economy.pools[0], minted=MicroToken(10**14))
    over = replace(IN_ORDER, economy_=replace(economy, pools=(pool,)))

    with pytest.raises(AssertionError):
        invariants.check_emission(over, PARAMS)


def test_invariants_notice_a_latch_that_opens() -> None:
    switched = closed(days=3)

    with pytest.raises(AssertionError):
        invariants.check_latches(switched, IN_ORDER)
