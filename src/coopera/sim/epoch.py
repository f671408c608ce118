"""
The day-close of `protocol.epoch`, over a block of worlds: the same stages, in order.

Every stage is a loop over lanes that calls the kernels, whose names are those of the
formulas. `w` is the block, `p` the parameters of its worlds (rows of `layout`), `e`
what all worlds of a launch have in common.
"""

from enum import StrEnum
from typing import NamedTuple

import numpy as np

from coopera.params.chapters import (
    BondDemand,
    BuybackBase,
    DollarReserveReading,
    PhaseTransition,
    PriceImpact,
    SlashDestination,
    SupplyBasis,
)
from coopera.sim import kernels as k
from coopera.sim.kernels import row, sequence, stage
from coopera.sim.layout import (
    ALLOTMENT,
    AMM_DEPTH,
    BOND_RATE,
    BONDED,
    BONDED_VALUE,
    BOUGHT,
    BURN_FRACTION,
    BURNED,
    BUYBACK_RATE,
    CAPITAL,
    CARRIED_CAPITAL,
    CIRCULATING,
    CUSTODY,
    DEMAND,
    DOLLAR_RESERVE,
    DOLLARS,
    EMITTED,
    ENTERED,
    EXITED,
    FAILED_VALUE,
    FAILURE_RATE,
    FEES,
    FREE_RESERVE,
    FUNDS,
    GOVERNANCE_VALUE,
    INCOME,
    INITIAL_RESERVE,
    JOB_REWARD_MODULATION,
    JOB_VALUE,
    JOBS,
    LANES,
    LOCKED,
    MAX_DAILY_BUYBACK,
    MIN_ONBOARDING_FEE,
    MINT_AMOUNT,
    ONBOARDING_RATE,
    ONBOARDING_USD,
    OPERATIONS,
    OPERATIONS_FRACTION,
    OPERATIONS_SPEND_FRACTION,
    PHASE1_RELEASED,
    PHASE2_DEMAND,
    PHASE2_MODULATION,
    PRICE,
    PRICE_CHANGE_MAX,
    PRICE_FLOOR,
    PRICE_PREMIUM,
    REFILLED,
    REFILLING,
    RESERVE_FLOOR_FRACTION,
    RESERVE_TARGET_FRACTION,
    SCRATCH,
    SENTIMENT,
    SET_ASIDE,
    SLASHED,
    SUPPLIERS,
    TOKEN_RESERVE,
    UNASSIGNED_RESERVE,
    VALIDATION_RATE,
    VALIDATOR_REWARD,
    VALIDATOR_REWARD_RATE,
    VALIDATORS_OWED,
    VALIDATORS_PAID,
    VALIDATORS_PER_JOB,
    VELOCITY_PER_DAY,
    WAITING_CAPITAL,
    WAITING_TAXES,
    WINDOW_EXITS,
    WINDOW_INCOME,
    Rows,
)


def code(choice: StrEnum) -> int:
    """Number a choice, as the compiled stages know it."""
    return [*type(choice)].index(choice)


NET = code(BuybackBase.NET)
LITERAL = code(DollarReserveReading.LITERAL)
PREMIUM = code(PriceImpact.PREMIUM)
WITH_LOCKED = code(SupplyBasis.CIRCULATING_AND_LOCKED)
NET_BONDS = code(BondDemand.NET)
TO_RESERVE = code(SlashDestination.RESERVE)
TO_BURN = code(SlashDestination.BURN)
ANY = code(PhaseTransition.ANY)
ALL = code(PhaseTransition.ALL)
BY_SUPPLY = code(PhaseTransition.SUPPLY)
BY_DEMAND = code(PhaseTransition.DEMAND)


class Economy(NamedTuple):
    """What all worlds of a launch have in common, and what their days are made of."""

    rows: Rows
    services: int
    kinds: int
    projects: int
    pools: int
    job_prices: np.ndarray
    """Price of a job, by service."""
    shares: np.ndarray
    """Payment matrix, by service and supplier kind."""
    project_of: np.ndarray
    """Project that a service belongs to."""
    pool_of: np.ndarray
    """Phase 2 pool that a project draws on."""
    targets: np.ndarray
    """Supplier slots, by project and kind."""
    slots: np.ndarray
    """All supplier slots of a project."""
    taken: np.ndarray
    """Slots of earlier projects, by project and kind: they are filled first."""
    first_day: int
    """Number of the first day; arrays by day begin with it."""
    start: np.ndarray
    """Value of every row on its morning."""
    vesting: np.ndarray
    """Tokens that vest from the funds, by day."""
    phase1_max_days: int
    onboarding_window_days: int
    phase2_demand_days: int
    phase_transition: int
    """A `code`."""
    price_impact: int
    """A `code`."""
    buyback_base: int
    """A `code`."""
    dollar_reserve_reading: int
    """A `code`."""
    supply_basis: int
    """A `code`."""
    bond_demand: int
    """A `code`."""
    slash_destination: int
    """A `code`."""
    demand_mean: np.ndarray
    """Jobs expected, by day and service."""
    demand_noise: np.ndarray
    """Standard deviation of jobs, by day and service."""
    correlation: np.ndarray
    """Lower triangle that correlates the noise of services; empty if independent."""
    sentiment_model: int
    """A `code`."""
    sentiment_shock: np.ndarray
    """Factor on sentiment, by day."""
    supplier_cost: np.ndarray
    """Earnings that keep a supplier, by kind, in micro-dollars a day."""
    entry_rate_max: np.ndarray
    exit_rate_max: np.ndarray


@stage
def process_income(w, p, e, day):
    """Take the day's payments, divide them, and seat the suppliers of the day."""
    r = e.rows
    for j in range(LANES):
        w[INCOME + j] = 0.0
        w[JOB_VALUE + j] = 0.0
        w[JOBS + j] = 0.0
    for i in range(e.projects):
        row(w, r.project_income, i)[:] = 0.0
    for i in range(e.projects * e.kinds):
        row(w, r.project_demand, i)[:] = 0.0
    for s in range(e.services):
        price = e.job_prices[s]
        project = e.project_of[s]
        jobs = row(w, r.service_jobs, s)
        project_income = row(w, r.project_income, project)
        for j in range(LANES):
            created = jobs[j]
            failed = np.floor(created * p[FAILURE_RATE + j])
            w[JOBS + j] += created
            w[JOB_VALUE + j] += k.revenue(created, price)
            w[SCRATCH + j] = k.revenue(created - failed, price)
            project_income[j] += w[SCRATCH + j]
        for i in range(e.kinds):
            share = e.shares[s, i]
            if share > 0.0:
                demand = row(w, r.project_demand, project * e.kinds + i)
                for j in range(LANES):
                    demand[j] += k.service_demand(w[SCRATCH + j], share)
    for i in range(e.projects):
        income = row(w, r.project_income, i)
        for j in range(LANES):
            w[INCOME + j] += income[j]
    fill_slots(w, e)
    past = row(w, r.past_income, day % e.onboarding_window_days)
    exits = row(w, r.past_exits, day % e.onboarding_window_days)
    for j in range(LANES):
        income = w[INCOME + j]
        w[FAILED_VALUE + j] = w[JOB_VALUE + j] - income
        operations = 0.0
        if e.buyback_base == NET:
            operations = k.operations_income(income, p[OPERATIONS_FRACTION + j])
        net = income - operations
        capital = k.buyback_capital(net, p[BUYBACK_RATE + j])
        w[DOLLARS + j] = net - capital
        # What services left waits for a day with suppliers to buy tokens for.
        earns = 1.0 * (income > 0.0)
        taxes = w[WAITING_TAXES + j] * earns
        waiting = w[WAITING_CAPITAL + j] * earns
        from_taxes = k.buyback_capital(taxes, p[BUYBACK_RATE + j])
        w[WAITING_TAXES + j] -= taxes
        w[WAITING_CAPITAL + j] -= waiting
        w[CAPITAL + j] = capital + from_taxes + waiting
        spent = k.operations_spending(operations, p[OPERATIONS_SPEND_FRACTION + j])
        w[OPERATIONS + j] += operations - spent + (taxes - from_taxes)
        w[CARRIED_CAPITAL + j] += w[CAPITAL + j]
    for j in range(LANES):
        w[WINDOW_INCOME + j] += w[INCOME + j] - past[j]
        past[j] = w[INCOME + j]
    for j in range(LANES):
        w[WINDOW_EXITS + j] += w[EXITED + j] - exits[j]
        exits[j] = w[EXITED + j]


@stage
def fill_slots(w, e):
    """Seat the suppliers in the slots of projects, earlier projects first."""
    r = e.rows
    for i in range(e.projects):
        filled = row(w, r.project_filled, i)
        left = row(w, r.project_left, i)
        for j in range(LANES):
            left[j] = filled[j]
            filled[j] = 0.0
        for kind in range(e.kinds):
            suppliers = row(w, r.kind_suppliers, kind)
            target = e.targets[i, kind]
            taken = e.taken[i, kind]
            for j in range(LANES):
                filled[j] += min(target, max(0.0, suppliers[j] - taken))
        for j in range(LANES):
            left[j] = max(0.0, left[j] - filled[j])


@stage
def process_price(w, p, e, day):
    """Add up the dollars that ask for tokens, and price the token."""
    r = e.rows
    for j in range(LANES):
        w[SCRATCH + j] = 0.0
    if e.supply_basis == WITH_LOCKED:
        for i in range(e.projects):
            slots = e.slots[i]
            phase = row(w, r.project_phase, i)
            locked = row(w, r.project_locked, i)
            filled = row(w, r.project_filled, i)
            if day < e.phase1_max_days:
                for j in range(LANES):
                    # What Phase 1 releases today counts before today's price.
                    day_slice = k.phase1_slice(p[ALLOTMENT + j], day, e.phase1_max_days)
                    due = k.phase1_accrual(day_slice, filled[j], slots)
                    w[SCRATCH + j] += due * (1.0 - phase[j])
            for j in range(LANES):
                w[SCRATCH + j] += locked[j]
        for j in range(LANES):
            w[SCRATCH + j] += w[BONDED + j] + w[SET_ASIDE + j]
    for j in range(LANES):
        # Active at any time of the window: those before today's entries, and who left.
        before = w[SUPPLIERS + j] - w[ENTERED + j]
        fee = k.onboarding_fee_usd(
            w[WINDOW_INCOME + j], before + w[WINDOW_EXITS + j], p[ONBOARDING_RATE + j]
        )
        w[ONBOARDING_USD + j] = fee
        bonds = k.bond_value(w[JOB_VALUE + j], p[BOND_RATE + j])
        returned = w[BONDED_VALUE + j] if e.bond_demand == NET_BONDS else 0.0
        # What is slashed today is not returned tomorrow.
        w[BONDED_VALUE + j] = k.bond_value(w[INCOME + j], p[BOND_RATE + j])
        demand = k.token_demand(
            w[SENTIMENT + j],
            fee * w[ENTERED + j],
            bonds - returned,
            w[CAPITAL + j],
            p[GOVERNANCE_VALUE + j],
        )
        w[DEMAND + j] = demand
        price = k.token_price(
            demand,
            w[CIRCULATING + j] + w[SCRATCH + j],
            p[VELOCITY_PER_DAY + j],
            p[PRICE_FLOOR + j],
        )
        # The row still has the price of the last close.
        last = max(w[PRICE + j], p[PRICE_FLOOR + j])
        w[PRICE + j] = k.bounded_price(price, last, p[PRICE_CHANGE_MAX + j])


@stage
def purchase(w, p, e, j, budget, most):
    """Buy tokens for a budget, but no more than so many: tokens, and what they cost."""
    price = w[PRICE + j]
    if e.price_impact == PREMIUM:
        impact = k.premium_impact(price, p[PRICE_PREMIUM + j])
        wanted = k.tokens_bought(budget, price, impact)
        tokens = min(wanted, most)
        cost = k.purchase_cost(tokens, price, impact)
    else:
        impact = k.amm_impact(price, budget, p[AMM_DEPTH + j])
        wanted = k.tokens_bought(budget, price, impact)
        tokens = min(wanted, most)
        cost = k.amm_cost(tokens, price, p[AMM_DEPTH + j])
    return tokens, budget if wanted <= most else min(budget, cost)


@stage
def process_buyback(w, p, e):
    """Buy the suppliers' pay; take fees and bonds, give bonds back, slash some."""
    for j in range(LANES):
        capital = w[CARRIED_CAPITAL + j] * (w[INCOME + j] > 0.0)
        # What members have in custody circulates, and is not for sale.
        for_sale = w[CIRCULATING + j] - w[CUSTODY + j]
        bought, spent = purchase(w, p, e, j, capital, for_sale)
        w[CARRIED_CAPITAL + j] -= spent
        w[BOUGHT + j] = bought
        w[CIRCULATING + j] -= bought
    for j in range(LANES):
        fee = k.onboarding_fee(
            w[ONBOARDING_USD + j], w[PRICE + j], p[MIN_ONBOARDING_FEE + j]
        )
        for_sale = w[CIRCULATING + j] - w[CUSTODY + j]
        fees = min(fee * w[ENTERED + j], for_sale)
        w[FEES + j] = fees
        w[FREE_RESERVE + j] += fees
        available = for_sale - fees + w[BONDED + j]
        bond = min(
            k.supplier_bond(w[JOB_VALUE + j], p[BOND_RATE + j], w[PRICE + j]), available
        )
        slashed = min(k.slashed_bond(bond, w[FAILED_VALUE + j], w[JOB_VALUE + j]), bond)
        w[SLASHED + j] = slashed
        w[BONDED + j] = bond - slashed
        w[CIRCULATING + j] = w[CUSTODY + j] + available - bond
    if e.slash_destination == TO_RESERVE:
        for j in range(LANES):
            w[FREE_RESERVE + j] += w[SLASHED + j]
    elif e.slash_destination == TO_BURN:
        for j in range(LANES):
            w[BURNED + j] += w[SLASHED + j]
    else:
        for j in range(LANES):
            w[CIRCULATING + j] += w[SLASHED + j]


@stage
def process_emission(w, p, e, day):
    """Release what Phase 1 accrues, what Phase 2 emits, and what vests."""
    r = e.rows
    vesting = e.vesting[day - e.first_day]
    for j in range(LANES):
        w[PHASE1_RELEASED + j] = 0.0
        w[EMITTED + j] = 0.0
        w[FUNDS + j] -= vesting
        w[CIRCULATING + j] += vesting
    for i in range(e.projects):
        phase = row(w, r.project_phase, i)
        phase1 = row(w, r.project_phase1, i)
        locked = row(w, r.project_locked, i)
        filled = row(w, r.project_filled, i)
        left = row(w, r.project_left, i)
        slots = e.slots[i]
        for j in range(LANES):
            # Before the switch, leaving a slot forfeits its locked rewards.
            gone = left[j] * (1.0 - phase[j])
            lost = min(k.forfeited(locked[j], gone, filled[j] + gone), locked[j])
            locked[j] -= lost
            w[FREE_RESERVE + j] += lost
        if day < e.phase1_max_days:
            for j in range(LANES):
                day_slice = k.phase1_slice(p[ALLOTMENT + j], day, e.phase1_max_days) * (
                    1.0 - phase[j]
                )
                accrued = k.phase1_accrual(day_slice, filled[j], slots)
                phase1[j] -= accrued
                locked[j] += accrued
                w[PHASE1_RELEASED + j] += accrued
    for q in range(e.pools):
        row(w, r.pool_income, q)[:] = 0.0
    for i in range(e.projects):
        phase = row(w, r.project_phase, i)
        income = row(w, r.project_income, i)
        pool_income = row(w, r.pool_income, e.pool_of[i])
        for j in range(LANES):
            pool_income[j] += income[j] * phase[j]
    for q in range(e.pools):
        income = row(w, r.pool_income, q)
        theta = row(w, r.pool_theta, q)
        minted = row(w, r.pool_minted, q)
        emitted = row(w, r.pool_emitted, q)
        for j in range(LANES):
            theta[j] += k.theta_step(
                income[j],
                w[PRICE + j],
                p[JOB_REWARD_MODULATION + j],
                p[PHASE2_MODULATION + j],
                max(p[MINT_AMOUNT + j], 1.0),
            )
            total = k.phase2_minted(p[MINT_AMOUNT + j], theta[j])
            emitted[j] = total - minted[j]
            w[EMITTED + j] += emitted[j]
            minted[j] = total


@stage
def process_payouts(w, p, e):
    """Pay suppliers their dollars, their bought-back and their emitted tokens."""
    r = e.rows
    for kind in range(e.kinds):
        row(w, r.kind_earnings, kind)[:] = 0.0
    for i in range(e.projects):
        phase = row(w, r.project_phase, i)
        income = row(w, r.pool_income, e.pool_of[i])
        emitted = row(w, r.pool_emitted, e.pool_of[i])
        for kind in range(e.kinds):
            demand = row(w, r.project_demand, i * e.kinds + kind)
            earnings = row(w, r.kind_earnings, kind)
            for j in range(LANES):
                earnings[j] += k.proportional_share(
                    w[DOLLARS + j] + w[BOUGHT + j] * w[PRICE + j],
                    demand[j],
                    w[INCOME + j],
                ) + k.proportional_share(
                    emitted[j] * w[PRICE + j], demand[j] * phase[j], income[j]
                )
    for j in range(LANES):
        # A burned token must be replaced from the float, or suppliers would go short.
        burned = min(
            k.tokens_burned(w[BOUGHT + j], p[BURN_FRACTION + j]), w[FREE_RESERVE + j]
        )
        w[FREE_RESERVE + j] -= burned
        w[BURNED + j] += burned
        w[CIRCULATING + j] += w[BOUGHT + j] + w[EMITTED + j]
        if e.dollar_reserve_reading == LITERAL:
            w[OPERATIONS + j] += w[DOLLARS + j]


@stage
def process_validators(w, p, e):
    """Pay validators from the float, as far as it goes; the rest stays owed."""
    for j in range(LANES):
        validations = k.validations_completed(
            w[JOBS + j], p[VALIDATION_RATE + j], p[VALIDATORS_PER_JOB + j]
        )
        due = (
            w[VALIDATORS_OWED + j]
            + k.validator_pay(validations, p[VALIDATOR_REWARD + j])
            + k.verdict_rewards(
                w[JOB_VALUE + j],
                p[VALIDATOR_REWARD_RATE + j],
                p[VALIDATION_RATE + j],
                p[VALIDATORS_PER_JOB + j],
                w[PRICE + j],
            )
        )
        paid = min(due, w[FREE_RESERVE + j])
        w[VALIDATORS_PAID + j] = paid
        w[VALIDATORS_OWED + j] = due - paid
        w[FREE_RESERVE + j] -= paid
        w[CIRCULATING + j] += paid


@stage
def process_reserve(w, p, e):
    """Buy the token reserve back up to its target, once it has fallen to its floor."""
    r = e.rows
    for j in range(LANES):
        w[TOKEN_RESERVE + j] = (
            w[FREE_RESERVE + j]
            + p[UNASSIGNED_RESERVE + j]
            + p[MINT_AMOUNT + j] * e.pools
        )
    for i in range(e.projects):
        phase1 = row(w, r.project_phase1, i)
        for j in range(LANES):
            w[TOKEN_RESERVE + j] += phase1[j]
    for q in range(e.pools):
        minted = row(w, r.pool_minted, q)
        for j in range(LANES):
            w[TOKEN_RESERVE + j] -= minted[j]
    for j in range(LANES):
        reserve = w[TOKEN_RESERVE + j]
        low = k.reserve_level(p[INITIAL_RESERVE + j], p[RESERVE_FLOOR_FRACTION + j])
        goal = k.reserve_level(p[INITIAL_RESERVE + j], p[RESERVE_TARGET_FRACTION + j])
        refilling = max(w[REFILLING + j], 1.0 * (reserve <= low)) * (reserve < goal)
        budget = min(p[MAX_DAILY_BUYBACK + j], w[OPERATIONS + j]) * refilling
        for_sale = w[CIRCULATING + j] - w[CUSTODY + j]
        most = min(max(goal - reserve, 0.0), for_sale)
        tokens, cost = purchase(w, p, e, j, budget, most)
        w[REFILLED + j] = tokens
        w[OPERATIONS + j] -= cost
        w[CIRCULATING + j] -= tokens
        w[FREE_RESERVE + j] += tokens
        w[TOKEN_RESERVE + j] = reserve + tokens
        w[REFILLING + j] = refilling * (reserve + tokens < goal)


@stage
def process_phases(w, p, e, day):
    """Switch projects to Phase 2, once and for good, and unlock their rewards."""
    r = e.rows
    days = e.phase2_demand_days
    for j in range(LANES):
        w[LOCKED + j] = 0.0
    for i in range(e.projects):
        income = row(w, r.project_income, i)
        phase = row(w, r.project_phase, i)
        phase1 = row(w, r.project_phase1, i)
        locked = row(w, r.project_locked, i)
        filled = row(w, r.project_filled, i)
        past = row(w, r.past_project_income, i * (days + 1))
        last = row(w, r.past_project_income, i * (days + 1) + 1 + day % days)
        slots = e.slots[i]
        by_time = 1.0 * (day + 1 >= e.phase1_max_days)
        for j in range(LANES):
            past[j] += income[j] - last[j]
            last[j] = income[j]
        for j in range(LANES):
            supply = 1.0 * (filled[j] >= slots)
            demand = 1.0 * (past[j] >= p[PHASE2_DEMAND + j])
            spent = 1.0 * (phase1[j] <= 0.0)
            if e.phase_transition == ANY:
                switch = max(supply, demand, by_time)
            elif e.phase_transition == ALL:
                switch = supply * demand * by_time
            elif e.phase_transition == BY_SUPPLY:
                switch = supply
            elif e.phase_transition == BY_DEMAND:
                switch = demand
            else:
                switch = by_time
            switch = max(switch, spent) * (1.0 - phase[j])
            phase[j] += switch
            # All of it, in Phase 2: a live network may have left some to be claimed.
            w[CIRCULATING + j] += locked[j] * phase[j]
            locked[j] -= locked[j] * phase[j]
            w[FREE_RESERVE + j] += phase1[j] * switch
            phase1[j] -= phase1[j] * switch
            w[LOCKED + j] += locked[j]
    for j in range(LANES):
        w[LOCKED + j] += w[BONDED + j] + w[SET_ASIDE + j]
        w[DOLLAR_RESERVE + j] = w[OPERATIONS + j] + w[CARRIED_CAPITAL + j]


@sequence
def close_epoch(w, p, e, day):
    """Close one day in every world of the block."""
    process_income(w, p, e, day)
    process_price(w, p, e, day)
    process_buyback(w, p, e)
    process_emission(w, p, e, day)
    process_payouts(w, p, e)
    process_validators(w, p, e)
    process_reserve(w, p, e)
    process_phases(w, p, e, day)
