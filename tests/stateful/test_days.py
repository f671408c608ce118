"""
Random histories of days keep every invariant, whatever governance has set.

`close_epoch` checks the books after each stage; here Hypothesis looks for the history
that breaks them, and for a way of cutting jobs that changes what is emitted.
"""

from collections import Counter
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)

from coopera.errors import AmountTooLarge, Refusal
from coopera.formulas.buyback import supply_after
from coopera.params import Params, read_params
from coopera.params.chapters import (
    BondDemand,
    BuybackBase,
    DollarReserveReading,
    PhaseTransition,
    PoolScope,
    PriceImpact,
    SlashDestination,
    SupplyBasis,
)
from coopera.params.document import merged, preset
from coopera.protocol import epoch as closing
from coopera.protocol.genesis import genesis, mint_amount
from coopera.protocol.invariants import check_books
from coopera.protocol.rehearsal import CloseEpoch, Sale, close_epoch
from coopera.units import MICRO, MicroToken, MicroUsd

SECTIONS = ("simulation", "sentiment", "consumers", "suppliers")
TWO_PROJECTS = {
    "projects": {"other": {"targets": {"training": 1, "inference": 3}}},
    "emission": {"projects_max": 2},
}


def fractions(*choices: str) -> st.SearchStrategy:
    return st.sampled_from(choices)


@st.composite
def settings_of_governance(draw) -> Params:
    """Draw parameters within their bounds, from the extremes inwards."""
    choose = {
        "token": {
            "initial_circulating": draw(st.sampled_from([0, 1, 20_000])),
            "vesting_cliff_days": draw(st.sampled_from([0, 3])),
        },
        "payments": {
            "operations_fraction": draw(fractions("0", "0.3", "1")),
            "operations_spend_fraction": draw(fractions("0", "0.5", "1")),
            "buyback_base": draw(st.sampled_from(BuybackBase)).value,
            "dollar_reserve_reading": draw(st.sampled_from(DollarReserveReading)).value,
        },
        "buyback": {
            "buyback_rate": draw(fractions("0", "0.333333333333333333", "1")),
            "price_impact": draw(st.sampled_from(PriceImpact)).value,
            "burn_fraction": draw(fractions("0", "0.7", "1")),
            "reserve_floor_fraction": draw(fractions("0", "0.5")),
            "reserve_target_fraction": draw(fractions("0.5", "1")),
        },
        "pricing": {
            "velocity_per_day": draw(fractions("0.000001", "0.003", "100")),
            "supply_basis": draw(st.sampled_from(SupplyBasis)).value,
        },
        "emission": {
            "phase1_fraction": draw(fractions("0", "0.6", "1")),
            "phase1_max_days": draw(st.integers(1, 7)),
            "phase_transition": draw(st.sampled_from(PhaseTransition)).value,
            "phase2_demand_usd": draw(st.sampled_from([0, 500])),
            "phase2_modulation": draw(fractions("0", "1", "1000")),
            "phase2_pool_scope": draw(st.sampled_from(PoolScope)).value,
        },
        "onboarding": {"min_onboarding_fee": draw(fractions("0", "3", "1000000"))},
        "bonding": {
            "bond_rate": draw(fractions("0", "0.5", "100")),
            "slash_destination": draw(st.sampled_from(SlashDestination)).value,
            "bond_demand": draw(st.sampled_from(BondDemand)).value,
        },
        "validation": {"validator_reward": draw(fractions("0", "0.02", "1000"))},
    }
    tables = {k: v for k, v in preset("minimal").tables.items() if k not in SECTIONS}
    tables = merged(tables, choose)
    if draw(st.booleans()):
        tables = merged(tables, TWO_PROJECTS)
    return read_params(tables, wash_trading=True)


prices = st.one_of(st.integers(0, 10), st.integers(0, 10_000 * MICRO)).map(MicroUsd)


@st.composite
def sales_of_a_day(draw, params: Params) -> tuple[Sale, ...]:
    sales = []
    for _ in range(draw(st.integers(0, 4))):
        jobs = draw(st.integers(0, 1000))
        sales.append(
            Sale(
                consumer=draw(st.sampled_from(["a", "b"])),
                pipeline=draw(st.sampled_from(sorted(params.matrix.rows))),
                project=draw(st.sampled_from([p.name for p in params.projects])),
                job_price=draw(prices),
                jobs=jobs,
                failed=draw(st.integers(0, jobs)),
            )
        )
    return tuple(sales)


def owned(state) -> int:
    """Count the tokens outside the network's own funds and reserves."""
    return closing.circulating_supply(state) + closing.locked_supply(state)


class Days(RuleBasedStateMachine):
    """Close day after day; everything must stay as the rules say."""

    @initialize(
        params=settings_of_governance(),
        suppliers=st.tuples(st.integers(0, 9), st.integers(0, 9)),
        dollars=st.integers(0, 10**9 * MICRO),
    )
    def open_the_books(self, params, suppliers, dollars) -> None:
        self.params = params
        self.state = genesis(params, suppliers, MicroUsd(dollars))

    @rule(data=st.data())
    def close(self, data) -> None:
        before = self.state
        exited = tuple(
            data.draw(st.integers(0, present)) for present in before.economy().suppliers
        )
        command = CloseEpoch(
            before.economy().day,
            data.draw(sales_of_a_day(self.params)),
            MicroUsd(data.draw(st.sampled_from([0, 1, 100 * MICRO, 10**13]))),
            data.draw(st.tuples(st.integers(0, 5), st.integers(0, 5))),
            exited,
        )
        try:
            diff = close_epoch(before, self.params, command)
        except AmountTooLarge:
            return  # A full account: nothing has changed.
        self.state = before.after(diff)
        self.recurrence_holds(before, diff)

    def recurrence_holds(self, before, diff) -> None:
        """Hold the books to the paper's recurrence, with the flows it leaves out."""
        after, epoch = self.state, self.state.epoch()
        moved: Counter[str] = Counter()
        for transfer in diff.transfers:
            moved[transfer.reason] += transfer.amount
        came = moved["emission.phase1_accrual"] + moved["emission.vested"]
        went = epoch.fees + epoch.refilled + moved["emission.forfeited"]
        if self.params.bonding.slash_destination in (
            SlashDestination.RESERVE,
            SlashDestination.BURN,
        ):
            went += epoch.slashed
        paid = epoch.bought + sum(epoch.emitted) + epoch.validators_paid
        held = MicroToken(owned(before) + came)
        supply = supply_after(held, MicroToken(paid), epoch.bought)
        assert owned(after) == supply - went

    @precondition(lambda self: self.state.economy().day > 0)
    @rule(data=st.data())
    def refused_days_change_nothing(self, data) -> None:
        before = self.state
        good = CloseEpoch(before.economy().day, (), MicroUsd(0), (0, 0), (0, 0))
        bad = data.draw(
            st.sampled_from(
                [
                    replace(good, day=good.day - 1),
                    replace(good, sentiment=MicroUsd(-1)),
                    replace(good, exited=(100, 0)),
                    replace(good, entered=()),
                ]
            )
        )
        try:
            close_epoch(before, self.params, bad)
        except Refusal:
            assert self.state is before
        else:
            raise AssertionError("a bad day was closed")

    @invariant()
    def books_balance(self) -> None:
        if hasattr(self, "state"):
            check_books(self.state, self.params)
            minted = sum(pool.minted for pool in self.state.economy().pools)
            assert minted <= mint_amount(self.params) * len(self.state.economy().pools)


TestDays = Days.TestCase
TestDays.settings = settings(max_examples=150, stateful_step_count=20, deadline=None)


@st.composite
def a_sale_cut_in_two(draw) -> tuple[Sale, Sale, Sale]:
    price = draw(st.integers(1, 1000 * MICRO))
    jobs = draw(st.integers(2, 1000))
    cut = draw(st.integers(1, jobs - 1))
    whole = Sale("a", "serving", "demo", MicroUsd(price), jobs)
    return whole, replace(whole, jobs=cut), replace(whole, jobs=jobs - cut)


@given(sale=a_sale_cut_in_two(), days=st.integers(4, 7))
@settings(max_examples=50, deadline=None)
def test_cutting_jobs_never_changes_what_is_emitted(sale, days) -> None:
    whole, *parts = sale
    one_large_job = replace(whole, jobs=1, job_price=whole.jobs * whole.job_price)
    ends = []
    for sales in ((whole,), tuple(parts), (one_large_job,)):
        state = genesis(PAY_BY_VALUE, [4, 3], MicroUsd(0))
        for day in range(days):
            command = CloseEpoch(day, sales, MicroUsd(100 * MICRO), (0, 0), (0, 0))
            state = state.after(close_epoch(state, PAY_BY_VALUE, command))
        ends.append(state)

    assert ends[0].economy() == ends[1].economy() == ends[2].economy()
    assert ends[0].balances() == ends[1].balances() == ends[2].balances()
    assert ends[0].economy().pools[0].theta > 0


PAY_BY_VALUE = read_params(
    merged(
        {k: v for k, v in preset("minimal").tables.items() if k not in SECTIONS},
        # Verdicts are paid by job, and would tell many jobs from one.
        {"validation": {"validator_reward": 0}},
    )
)
