"""
The close of a day, on the books: the visible list of its stages.

`sim.epoch` has the same stages over float64; tests run both in lockstep.
"""

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from typing import Final

from coopera.errors import EpochOutOfOrder
from coopera.formulas import (
    bonding,
    buyback,
    emission,
    onboarding,
    payments,
    pricing,
)
from coopera.formulas.allocation import largest_remainder
from coopera.ledger import AccountId, Asset, Transfer, account, kind_of
from coopera.params import Params, Project
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
from coopera.protocol import invariants
from coopera.protocol.accounts import (
    BONDS,
    BURNED,
    CAPITAL,
    FLOAT,
    HELD_TOKEN,
    MARKET,
    MARKET_USD,
    OPERATIONS,
    SETTLEMENT,
    STAKES,
    TAXES,
    VALIDATORS,
    WAITING_CAPITAL,
)
from coopera.protocol.genesis import allotment, mint_amount, pool_names
from coopera.protocol.overlay import Overlay
from coopera.protocol.state import (
    Diff,
    Epoch,
    PoolState,
    PreState,
    ProjectState,
    Record,
)
from coopera.units import MicroToken, MicroUsd, Wad

Move = tuple[str, AccountId, AccountId, int]
"""Formula or rule, giving and receiving account, amount, which may be zero."""


@dataclass(frozen=True, slots=True)
class Charged:
    """Fees, bonds and verdicts of a whole day, of members that are only counted."""

    entered: int = 0
    """Suppliers that pay the onboarding fee."""
    job_value: MicroUsd = MicroUsd(0)
    """Prices of the jobs that bonds are posted for."""
    income: MicroUsd = MicroUsd(0)
    """Of these, of the jobs whose bonds are given back the next day."""
    verdicts: int = 0


@dataclass(frozen=True, slots=True)
class Facts:
    """What happened in a day, however it was gathered."""

    day: int
    earned: tuple[tuple[MicroUsd, ...], ...]
    """What supplier kinds earned of the income, by project and kind."""
    job_value: MicroUsd
    """Prices of all jobs, those that failed among them."""
    jobs: int
    sentiment: MicroUsd
    """Dollars that asked for the token from outside."""
    entered: tuple[int, ...]
    """New suppliers, by kind."""
    exited: tuple[int, ...]
    """Suppliers that left, by kind."""
    projects: tuple[ProjectState, ...]
    """With the seats that are taken now."""
    last_price: Wad = Wad(0)
    """Of the close before; nothing before the first one."""
    fees_usd: MicroUsd = MicroUsd(0)
    """Worth of the onboarding fees that were paid during the day."""
    bonds: MicroToken = MicroToken(0)
    """Bonds of members, which are not the close's to give back."""
    bonds_usd: MicroUsd = MicroUsd(0)
    """What these are worth, at the last price."""
    charged: Charged = Charged()
    """What the close settles as a whole; nothing, where it was settled one by one."""

    @property
    def income(self) -> MicroUsd:
        """Price of all jobs that were validated."""
        return MicroUsd(sum(map(sum, self.earned)))


Stage = Callable[[PreState, Params, Facts], Diff]


def closed(
    pre: PreState, params: Params, facts: Facts, stages: Iterable[Stage]
) -> tuple[Diff, PreState]:
    """
    Go through the stages of a day: the difference, and the state that it leaves.

    Invariants are checked after each stage.
    """
    state: PreState = Overlay(pre, Diff(epoch=Epoch(facts.day)))
    transfers: list[Transfer] = []
    records: dict[tuple[type, str], Record] = {}
    for stage in stages:
        diff = stage(state, params, facts)
        after = Overlay(state, diff)
        invariants.check_stage(state, after, params)
        transfers += diff.transfers
        records |= {(type(record), record.id): record for record in diff.records}
        state = after
    assert state.balance(SETTLEMENT) == 0
    economy = state.economy()
    ends = economy.ends + economy.day_length
    economy = replace(economy, day=facts.day + 1, ends=ends)
    noted = tuple(records.values())
    return Diff(tuple(transfers), economy, state.epoch(), noted), state


def refuse_other_day(pre: PreState, day: int) -> None:
    """Refuse with `EpochOutOfOrder` a day that is not the next one."""
    economy = pre.economy()
    if day != economy.day:
        raise EpochOutOfOrder(
            f"day {day} cannot be closed; the next is day {economy.day}"
        )


def process_income(pre: PreState, params: Params, facts: Facts) -> Diff:
    """Divide the day's income, and count the suppliers of the day."""
    economy = pre.economy()
    income = facts.income
    withheld = MicroUsd(0)
    if params.payments.buyback_base == BuybackBase.NET:
        withheld = payments.operations_income(
            income, params.payments.operations_fraction
        )
    spent = payments.operations_spending(
        withheld, params.payments.operations_spend_fraction
    )
    net = MicroUsd(income - withheld)
    capital = payments.buyback_capital(net, params.buyback.buyback_rate)
    # What the day's charges left waits for a day with suppliers to buy tokens for.
    taxes = MicroUsd(pre.balance(TAXES) if income else 0)
    waiting = pre.balance(WAITING_CAPITAL) if income else 0
    from_taxes = payments.buyback_capital(taxes, params.buyback.buyback_rate)

    moves: list[Move] = [
        ("payments.operations_income", SETTLEMENT, OPERATIONS, withheld),
        ("payments.operations_spending", OPERATIONS, MARKET_USD, spent),
        ("payments.buyback_capital", SETTLEMENT, CAPITAL, capital),
        ("payments.buyback_capital", TAXES, CAPITAL, from_taxes),
        ("capital of the day's jobs", WAITING_CAPITAL, CAPITAL, waiting),
        ("taxes kept", TAXES, OPERATIONS, taxes - from_taxes),
    ]
    suppliers = tuple(
        present + entered - exited
        for present, entered, exited in zip(
            economy.suppliers, facts.entered, facts.exited, strict=True
        )
    )
    window = params.onboarding.onboarding_window_days
    return Diff(
        transfers_of(moves),
        replace(
            economy,
            suppliers=suppliers,
            projects=facts.projects,
            past_income=(*economy.past_income, income)[-window:],
            past_exits=(*economy.past_exits, sum(facts.exited))[-window:],
        ),
        replace(
            pre.epoch(),
            income=income,
            job_value=facts.job_value,
            jobs=facts.jobs,
            earned=facts.earned,
            capital=MicroUsd(capital + from_taxes + waiting),
            dollars=MicroUsd(net - capital),
            sentiment=facts.sentiment,
            entered=sum(facts.entered),
        ),
    )


def process_price(pre: PreState, params: Params, facts: Facts) -> Diff:
    """Add up the dollars that ask for tokens, and price the token."""
    economy, epoch = pre.economy(), pre.epoch()
    # Active at any time of the window: those before today's entries, and who left.
    active = sum(economy.suppliers) - epoch.entered + sum(economy.past_exits)
    fee_usd = onboarding.onboarding_fee_usd(
        MicroUsd(sum(economy.past_income)), active, params.onboarding.onboarding_rate
    )
    charged, rate = facts.charged, params.bonding.bond_rate
    bonds = bonding.bond_value(charged.job_value, rate) + facts.bonds_usd
    gross = params.bonding.bond_demand == BondDemand.GROSS
    returned = 0 if gross else economy.bonded_value
    token_demand = pricing.token_demand(
        epoch.sentiment,
        MicroUsd(fee_usd * charged.entered + facts.fees_usd),
        MicroUsd(bonds - returned),
        epoch.capital,
        params.pricing.governance_value_usd_per_day,
    )
    rules = params.pricing
    asked = pricing.token_price(
        token_demand,
        _supply_to_price(pre, params, facts.day),
        rules.velocity_per_day,
        rules.price_floor_usd,
    )
    last = facts.last_price or rules.initial_price_usd
    price = pricing.bounded_price(
        asked, Wad(max(last, rules.price_floor_usd)), rules.price_change_max
    )
    # What is slashed today is not returned tomorrow.
    kept = bonding.bond_worth(facts.bonds, price)
    left = bonding.bond_value(charged.income, rate) + kept
    return Diff(
        economy=replace(economy, bonded_value=MicroUsd(left)),
        epoch=replace(epoch, fee_usd=fee_usd, token_demand=token_demand, price=price),
    )


def process_buyback(pre: PreState, params: Params, facts: Facts) -> Diff:
    """Buy the suppliers' pay; take fees and bonds, give bonds back, slash some."""
    epoch, charged = pre.epoch(), facts.charged
    capital = MicroUsd(pre.balance(CAPITAL) if epoch.income else 0)
    circulating = pre.balance(MARKET)
    bought, spent = purchase(params, epoch.price, capital, circulating)

    fee = onboarding.onboarding_fee(
        epoch.fee_usd, epoch.price, params.onboarding.min_onboarding_fee
    )
    fees = MicroToken(min(fee * charged.entered, circulating - bought))
    returned = pre.balance(BONDS) - facts.bonds
    available = circulating - bought - fees + returned
    required = bonding.supplier_bond(
        charged.job_value, params.bonding.bond_rate, epoch.price
    )
    bond = MicroToken(min(required, available))
    failed = MicroUsd(charged.job_value - charged.income)
    lost = bonding.slashed_bond(bond, failed, charged.job_value)
    slashed = MicroToken(min(lost, bond))

    to = {
        SlashDestination.RESERVE: FLOAT,
        SlashDestination.CONSUMER: MARKET,
        SlashDestination.BURN: BURNED,
        SlashDestination.VALIDATORS: VALIDATORS,
    }[params.bonding.slash_destination]
    moves: list[Move] = [
        ("buyback.tokens_bought", CAPITAL, MARKET_USD, spent),
        ("buyback.tokens_bought", MARKET, FLOAT, bought),
        ("onboarding.onboarding_fee", MARKET, FLOAT, fees),
        ("bonding.supplier_bond: returned", BONDS, MARKET, returned),
        ("bonding.supplier_bond", MARKET, BONDS, bond),
        ("bonding.slashed_bond", BONDS, to, slashed),
    ]
    return Diff(
        transfers_of(moves),
        epoch=replace(epoch, bought=bought, fees=fees, slashed=slashed),
    )


def process_emission(pre: PreState, params: Params, facts: Facts) -> Diff:
    """Release what Phase 1 accrues, see what Phase 2 emits, and release what vests."""
    economy, epoch = pre.economy(), pre.epoch()
    moves = _vesting(params, facts.day)
    released = 0
    for project, state in zip(params.projects, economy.projects, strict=True):
        if state.phase == 1:
            accrued, project_moves = _phase1(pre, params, facts.day, project, state)
            released += accrued
            moves += project_moves

    pools, emitted = [], []
    for pool, was in zip(pool_names(params), economy.pools, strict=True):
        now = _along_the_curve(params, epoch, was, _pool_income(pre, params, pool))
        pools.append(now)
        emitted.append(MicroToken(now.minted - was.minted))
    return Diff(
        transfers_of(moves),
        replace(economy, pools=tuple(pools)),
        replace(epoch, phase1_released=MicroToken(released), emitted=tuple(emitted)),
    )


def process_payouts(pre: PreState, params: Params, facts: Facts) -> Diff:
    """Pay suppliers their dollars, their bought-back and their emitted tokens."""
    epoch = pre.epoch()
    kinds = params.matrix.kinds
    usd = [account("suppliers", kind, "usd") for kind in kinds]
    token = [account("suppliers", kind, "token") for kind in kinds]
    earned = [sum(column) for column in zip(*epoch.earned, strict=True)]
    literal = params.payments.dollar_reserve_reading == DollarReserveReading.LITERAL
    source = MARKET_USD if literal else SETTLEMENT
    moves: list[Move] = []
    if literal:
        moves.append(
            ("kept by the literal reading", SETTLEMENT, OPERATIONS, epoch.dollars)
        )
    for to, part in zip(usd, largest_remainder(epoch.dollars, earned), strict=True):
        moves.append(("allocation.largest_remainder", source, to, part))
    for i, part in enumerate(largest_remainder(epoch.bought, earned)):
        moves.append(("buyback.tokens_bought", FLOAT, token[i], part))
    for pool, emitted in zip(pool_names(params), epoch.emitted, strict=True):
        weights = _pool_demand(pre, params, pool)
        source = account("reserve", "token", "phase2", pool)
        for i, part in enumerate(largest_remainder(emitted, weights)):
            moves.append(("emission.phase2_minted", source, token[i], part))
    # A burned token must be replaced from the float, or suppliers would go short.
    burned = min(
        buyback.tokens_burned(epoch.bought, params.buyback.burn_fraction),
        pre.balance(FLOAT) - epoch.bought,
    )
    moves.append(("buyback.tokens_burned", FLOAT, BURNED, burned))
    return Diff(transfers_of(moves))


def process_validators(pre: PreState, params: Params, facts: Facts) -> Diff:
    """Pay validators from the float, as far as it goes; the rest stays owed."""
    economy, epoch = pre.economy(), pre.epoch()
    validation = params.validation
    due = (
        economy.validators_owed
        + payments.validator_pay(facts.charged.verdicts, validation.validator_reward)
        + payments.verdict_rewards(
            facts.charged.job_value,
            validation.validator_reward_rate,
            validation.validation_rate,
            validation.validators_per_job,
            epoch.price,
        )
    )
    paid = MicroToken(min(due, pre.balance(FLOAT)))
    moves: list[Move] = [
        ("payments.validator_pay", FLOAT, VALIDATORS, paid),
    ]
    return Diff(
        transfers_of(moves),
        replace(economy, validators_owed=MicroToken(due - paid)),
        replace(epoch, validators_paid=paid),
    )


def process_reserve(pre: PreState, params: Params, facts: Facts) -> Diff:
    """Buy the token reserve back up to its target, once it has fallen to its floor."""
    economy, epoch = pre.economy(), pre.epoch()
    rules = params.buyback
    reserve = token_reserve(pre)
    low = buyback.reserve_level(params.token_reserve, rules.reserve_floor_fraction)
    goal = buyback.reserve_level(params.token_reserve, rules.reserve_target_fraction)
    refilling = (economy.refilling or reserve <= low) and reserve < goal
    tokens, cost = MicroToken(0), MicroUsd(0)
    if refilling:
        budget = MicroUsd(min(rules.max_daily_buyback_usd, pre.balance(OPERATIONS)))
        most = min(goal - reserve, pre.balance(MARKET))
        tokens, cost = purchase(params, epoch.price, budget, most)
    moves: list[Move] = [
        ("buyback.purchase_cost", OPERATIONS, MARKET_USD, cost),
        ("buyback.tokens_bought", MARKET, FLOAT, tokens),
    ]
    return Diff(
        transfers_of(moves),
        replace(economy, refilling=refilling and reserve + tokens < goal),
        replace(epoch, refilled=tokens),
    )


def process_phases(pre: PreState, params: Params, facts: Facts) -> Diff:
    """Switch projects to Phase 2, once and for good; their seats are unlocked."""
    economy, epoch = pre.economy(), pre.epoch()
    window = params.emission.phase2_demand_days
    projects: list[ProjectState] = []
    moves: list[Move] = []
    for i, (project, was) in enumerate(
        zip(params.projects, economy.projects, strict=True)
    ):
        income = MicroUsd(sum(epoch.earned[i]))
        now = replace(was, past_income=(*was.past_income, income)[-window:])
        unspent = account("reserve", "token", "phase1", project.name)
        over = _phase1_over(params, project, now, facts.day, pre.balance(unspent))
        if was.phase == 1 and over:
            now = replace(now, phase=2)
            moves.append(("phase 1 unspent", unspent, FLOAT, pre.balance(unspent)))
        projects.append(now)
    return Diff(transfers_of(moves), replace(economy, projects=tuple(projects)))


STAGES: Final[tuple[Stage, ...]] = (
    process_income,
    process_price,
    process_buyback,
    process_emission,
    process_payouts,
    process_validators,
    process_reserve,
    process_phases,
)
"""A day, in order."""


def circulating_supply(state: PreState) -> MicroToken:
    """
    Count the tokens in circulation: in holders' own wallets, in custody, on the way.

    Pay of suppliers and validators is theirs from the close on, also while it waits;
    and what a vault was paid is its contributors'.
    """
    theirs = sum(
        held
        for path, held in state.balances().items()
        if kind_of(path).asset is Asset.TOKEN
        and (
            kind_of(path).owned
            or path.startswith(("suppliers:", "validators:", "vault:"))
        )
    )
    leaving = state.balance(account("escrow", "withdrawals", "token"))
    return MicroToken(state.balance(MARKET) + theirs + leaving)


def locked_supply(state: PreState) -> MicroToken:
    """Count what suppliers own and cannot sell: rewards, bonds, pay held back."""
    held = sum(map(state.balance, (BONDS, STAKES, HELD_TOKEN)))
    return MicroToken(_sum_of(state, "locked:") + held)


def token_reserve(state: PreState) -> MicroToken:
    """Count the token reserve: both phases, the float, and what is unassigned."""
    return MicroToken(_sum_of(state, "reserve:token:"))


def dollar_reserve(state: PreState) -> MicroUsd:
    """Count the dollar reserve: operations, and capital not yet spent."""
    return MicroUsd(_sum_of(state, "reserve:usd:"))


def _sum_of(state: PreState, prefix: str) -> int:
    return sum(
        held for path, held in state.balances().items() if path.startswith(prefix)
    )


def transfers_of(moves: Iterable[Move]) -> tuple[Transfer, ...]:
    """Make transfers of the moves that move anything."""
    return tuple(
        Transfer(debit, credit, amount, reason)
        for reason, debit, credit, amount in moves
        if amount
    )


def _supply_to_price(pre: PreState, params: Params, day: int) -> MicroToken:
    """Count the tokens that the price divides the demand by."""
    supply = circulating_supply(pre)
    if params.pricing.supply_basis == SupplyBasis.CIRCULATING:
        return supply
    due = sum(
        phase1_accrual_of(params, day, project, state)
        for project, state in zip(params.projects, pre.economy().projects, strict=True)
        if state.phase == 1
    )
    # What Phase 1 releases today counts before today's price.
    return MicroToken(supply + locked_supply(pre) + due)


def purchase(
    params: Params, price: Wad, budget: MicroUsd, most: int
) -> tuple[MicroToken, MicroUsd]:
    """Buy tokens for a budget, but no more than so many: tokens, and what they cost."""
    rules = params.buyback
    pool = rules.price_impact == PriceImpact.AMM
    if pool:
        impact = buyback.amm_impact(price, budget, rules.amm_depth_usd)
    else:
        impact = buyback.premium_impact(price, rules.price_premium)
    wanted = buyback.tokens_bought(budget, price, impact)
    if wanted <= most:
        return wanted, budget
    tokens = MicroToken(most)
    if pool:
        cost = buyback.amm_cost(tokens, price, rules.amm_depth_usd)
    else:
        cost = buyback.purchase_cost(tokens, price, impact)
    return tokens, MicroUsd(min(budget, cost))


def _vesting(params: Params, day: int) -> list[Move]:
    token = params.token
    moves: list[Move] = []
    for name, fund in params.vesting_funds.items():
        until, before = (
            emission.vested(fund, d, token.vesting_cliff_days, token.vesting_days)
            for d in (day, day - 1)
        )
        moves.append(("emission.vested", account("fund", name), MARKET, until - before))
    return moves


def phase1_accrual_of(
    params: Params, day: int, project: Project, state: ProjectState
) -> MicroToken:
    """Find what the filled slots of a project in Phase 1 earn of the day's slice."""
    days = params.emission.phase1_max_days
    if day >= days:
        return MicroToken(0)
    day_slice = emission.phase1_slice(allotment(params), day, days)
    return emission.phase1_accrual(day_slice, state.filled, project.slots)


def _phase1(
    pre: PreState, params: Params, day: int, project: Project, state: ProjectState
) -> tuple[MicroToken, list[Move]]:
    unspent = account("reserve", "token", "phase1", project.name)
    locked = account("locked", "phase1", project.name)
    held = MicroToken(pre.balance(locked))
    lost = emission.forfeited(held, state.left, state.filled + state.left)
    accrued = phase1_accrual_of(params, day, project, state)
    return accrued, [
        ("emission.forfeited", locked, FLOAT, min(lost, held)),
        ("emission.phase1_accrual", unspent, locked, accrued),
    ]


def _phase1_over(
    params: Params, project: Project, state: ProjectState, day: int, unspent: int
) -> bool:
    """Tell whether Phase 1 ends; a spent allotment ends it in every mode."""
    rules = params.emission
    supply = state.filled >= project.slots
    asked = sum(state.past_income) >= rules.phase2_demand_usd
    time = day + 1 >= rules.phase1_max_days
    over = {
        PhaseTransition.ANY: supply or asked or time,
        PhaseTransition.ALL: supply and asked and time,
        PhaseTransition.SUPPLY: supply,
        PhaseTransition.DEMAND: asked,
        PhaseTransition.TIME: time,
    }[rules.phase_transition]
    return over or unspent == 0


def in_pool(pre: PreState, params: Params, pool: str) -> list[int]:
    """List the places of projects that draw on a pool and are in Phase 2."""
    platform = params.emission.phase2_pool_scope == PoolScope.PLATFORM
    states = pre.economy().projects
    return [
        place
        for place, project in enumerate(params.projects)
        if states[place].phase == 2  # noqa: PLR2004 - there are two
        and (platform or project.name == pool)
    ]


def _earned_in(pre: PreState, params: Params, pool: str) -> list[tuple[MicroUsd, ...]]:
    earned = pre.epoch().earned
    return [earned[place] for place in in_pool(pre, params, pool)]


def _pool_income(pre: PreState, params: Params, pool: str) -> MicroUsd:
    return MicroUsd(sum(sum(earned) for earned in _earned_in(pre, params, pool)))


def _pool_demand(pre: PreState, params: Params, pool: str) -> list[int]:
    nobody = (MicroUsd(0),) * len(params.matrix.kinds)
    return list(map(sum, zip(nobody, *_earned_in(pre, params, pool), strict=True)))


def _along_the_curve(
    params: Params, epoch: Epoch, pool: PoolState, income: MicroUsd
) -> PoolState:
    rules = params.emission
    most = mint_amount(params)
    if most == 0:
        return pool
    theta = Wad(
        pool.theta
        + emission.theta_step(
            income,
            epoch.price,
            rules.job_reward_modulation,
            rules.phase2_modulation,
            most,
        )
    )
    return PoolState(theta, emission.phase2_minted(most, theta))
