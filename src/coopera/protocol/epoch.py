"""
The close of a day, on the books: the visible list of its stages.

`sim.epoch` has the same stages over float64; tests run both in lockstep.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace

from coopera.errors import (
    AmountTooLarge,
    EpochOutOfOrder,
    Malformed,
    NegativeAmount,
    TooManyFail,
    TooManyLeave,
    UnknownKind,
    UnknownService,
)
from coopera.formulas import (
    bonding,
    buyback,
    demand,
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
    MARKET,
    MARKET_USD,
    OPERATIONS,
    SETTLEMENT,
    TAXES,
    VALIDATORS,
    WAITING_CAPITAL,
)
from coopera.protocol.genesis import allotment, mint_amount, pool_names
from coopera.protocol.overlay import Overlay
from coopera.protocol.state import Diff, Epoch, PoolState, PreState, ProjectState
from coopera.units import AMOUNT_MAX, MicroToken, MicroUsd, Wad

Move = tuple[str, AccountId, AccountId, int]
"""Formula or rule, giving and receiving account, amount, which may be zero."""


@dataclass(frozen=True, slots=True)
class Sale:
    """Jobs of one service that were settled in a day, all at one price."""

    consumer: str
    """Consumer class."""
    pipeline: str
    """Row of the payment matrix."""
    project: str
    job_price: MicroUsd
    jobs: int
    failed: int = 0
    """Of the jobs, those that failed validation: not paid for."""


@dataclass(frozen=True, slots=True)
class CloseEpoch:
    """Command by which a day is closed, with what happened in it."""

    day: int
    sales: tuple[Sale, ...]
    sentiment: MicroUsd
    """Dollars that asked for the token from outside."""
    entered: tuple[int, ...]
    """New suppliers, by kind."""
    exited: tuple[int, ...]
    """Suppliers that left, by kind."""


def close_epoch(pre: PreState, params: Params, command: CloseEpoch) -> Diff:
    """
    Close a day, stage by stage; invariants are checked after each.

    A day that would fill an account beyond what it can hold is refused as a whole.

    Refusals, in order of precedence: `EpochOutOfOrder`, `Malformed`, `UnknownService`,
    `UnknownKind`, `NegativeAmount`, `TooManyFail`, `AmountTooLarge`, `TooManyLeave`.
    """
    _refuse(pre, params, command)
    state: PreState = Overlay(pre, Diff(epoch=Epoch(command.day)))
    transfers: list[Transfer] = []
    for stage in STAGES:
        diff = stage(state, params, command)
        after = Overlay(state, diff)
        invariants.check_stage(state, after, params)
        transfers += diff.transfers
        state = after
    assert state.balance(SETTLEMENT) == 0
    economy = replace(state.economy(), day=command.day + 1)
    return Diff(tuple(transfers), economy, state.epoch())


def _refuse(pre: PreState, params: Params, command: CloseEpoch) -> None:
    """Refuse a day that cannot be closed."""
    economy = pre.economy()
    if command.day != economy.day:
        raise EpochOutOfOrder(
            f"day {command.day} cannot be closed; the next is day {economy.day}"
        )
    for sale in command.sales:
        name = sale.consumer
        if not name or not name.isprintable() or set(name) & {":", "\\"}:
            raise Malformed(f"{name[:80]!r} is no name of a consumer class")
        if sale.pipeline not in params.matrix.rows:
            raise UnknownService(f"the payment matrix has no row {sale.pipeline!r}")
        if sale.project not in [project.name for project in params.projects]:
            raise UnknownService(f"there is no project {sale.project!r}")
    kinds = params.matrix.kinds
    if not len(command.entered) == len(command.exited) == len(kinds):
        raise UnknownKind(
            f"suppliers of {len(command.entered)} kinds enter and of "
            f"{len(command.exited)} leave; the payment matrix has {len(kinds)}"
        )
    _refuse_amounts(command)
    present = zip(kinds, economy.suppliers, command.exited, strict=True)
    for kind, suppliers, exited in present:
        if exited > suppliers:
            raise TooManyLeave(
                f"{exited} suppliers of {kind} leave; there are {suppliers}"
            )


def _refuse_amounts(command: CloseEpoch) -> None:
    """Refuse what is below zero, and what no account can hold."""
    for sale in command.sales:
        if min(sale.jobs, sale.failed, sale.job_price) < 0:
            raise NegativeAmount(
                f"{sale.failed} failed of {sale.jobs} jobs at {sale.job_price} "
                "micro-dollars: counts and prices start at 0"
            )
        if sale.failed > sale.jobs:
            raise TooManyFail(f"{sale.failed} jobs failed; there are {sale.jobs}")
    if min(command.sentiment, *command.entered, *command.exited) < 0:
        raise NegativeAmount("sentiment, entered and exited must not be below 0")
    value = sum(sale.jobs * sale.job_price for sale in command.sales)
    if max(value, command.sentiment) > AMOUNT_MAX:
        raise AmountTooLarge(
            f"the day is worth {max(value, command.sentiment)} micro-dollars; no "
            f"amount may exceed {AMOUNT_MAX}"
        )


def process_income(pre: PreState, params: Params, command: CloseEpoch) -> Diff:
    """Take the day's payments, divide them, and seat the suppliers of the day."""
    economy = pre.economy()
    by_consumer: dict[str, int] = {}
    by_row: dict[tuple[str, str], int] = {}
    for sale in command.sales:
        paid = demand.revenue(sale.jobs - sale.failed, sale.job_price)
        by_consumer[sale.consumer] = by_consumer.get(sale.consumer, 0) + paid
        row = (sale.project, sale.pipeline)
        by_row[row] = by_row.get(row, 0) + paid
    income = MicroUsd(sum(by_consumer.values()))
    job_value = MicroUsd(
        sum(demand.revenue(s.jobs, s.job_price) for s in command.sales)
    )
    by_project = _demand_by_project(params, by_row)

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

    credit = {name: account("consumers", name, "credit") for name in by_consumer}
    moves: list[Move] = [
        *(("deposit", MARKET_USD, credit[c], paid) for c, paid in by_consumer.items()),
        *(("demand.revenue", credit[c], SETTLEMENT, p) for c, p in by_consumer.items()),
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
            economy.suppliers, command.entered, command.exited, strict=True
        )
    )
    window = params.onboarding.onboarding_window_days
    return Diff(
        _transfers(moves),
        replace(
            economy,
            suppliers=suppliers,
            projects=_fill_slots(params, economy.projects, suppliers),
            past_income=(*economy.past_income, income)[-window:],
            past_exits=(*economy.past_exits, sum(command.exited))[-window:],
        ),
        replace(
            pre.epoch(),
            income=income,
            job_value=job_value,
            jobs=sum(sale.jobs for sale in command.sales),
            earned=by_project,
            capital=MicroUsd(capital + from_taxes + waiting),
            dollars=MicroUsd(net - capital),
            sentiment=command.sentiment,
            entered=sum(command.entered),
        ),
    )


def process_price(pre: PreState, params: Params, command: CloseEpoch) -> Diff:
    """Add up the dollars that ask for tokens, and price the token."""
    economy, epoch = pre.economy(), pre.epoch()
    # Active at any time of the window: those before today's entries, and who left.
    active = sum(economy.suppliers) - epoch.entered + sum(economy.past_exits)
    fee_usd = onboarding.onboarding_fee_usd(
        MicroUsd(sum(economy.past_income)), active, params.onboarding.onboarding_rate
    )
    bonds = bonding.bond_value(epoch.job_value, params.bonding.bond_rate)
    gross = params.bonding.bond_demand == BondDemand.GROSS
    returned = 0 if gross else economy.bonded_value
    token_demand = pricing.token_demand(
        epoch.sentiment,
        MicroUsd(fee_usd * epoch.entered),
        MicroUsd(bonds - returned),
        epoch.capital,
        params.pricing.governance_value_usd_per_day,
    )
    price = pricing.token_price(
        token_demand,
        _supply_to_price(pre, params, command.day),
        params.pricing.velocity_per_day,
        params.pricing.price_floor_usd,
    )
    return Diff(
        # What is slashed today is not returned tomorrow.
        economy=replace(
            economy,
            bonded_value=bonding.bond_value(epoch.income, params.bonding.bond_rate),
        ),
        epoch=replace(epoch, fee_usd=fee_usd, token_demand=token_demand, price=price),
    )


def process_buyback(pre: PreState, params: Params, command: CloseEpoch) -> Diff:
    """Buy the suppliers' pay; take fees and bonds, give bonds back, slash some."""
    epoch = pre.epoch()
    capital = MicroUsd(pre.balance(CAPITAL) if epoch.income else 0)
    circulating = pre.balance(MARKET)
    bought, spent = _purchase(params, epoch.price, capital, circulating)

    fee = onboarding.onboarding_fee(
        epoch.fee_usd, epoch.price, params.onboarding.min_onboarding_fee
    )
    fees = MicroToken(min(fee * epoch.entered, circulating - bought))
    returned = pre.balance(BONDS)
    available = circulating - bought - fees + returned
    required = bonding.supplier_bond(
        epoch.job_value, params.bonding.bond_rate, epoch.price
    )
    bond = MicroToken(min(required, available))
    failed = MicroUsd(epoch.job_value - epoch.income)
    lost = bonding.slashed_bond(bond, failed, epoch.job_value)
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
    if to == VALIDATORS:
        moves.append(("withdrawal", VALIDATORS, MARKET, slashed))
    return Diff(
        _transfers(moves),
        epoch=replace(epoch, bought=bought, fees=fees, slashed=slashed),
    )


def process_emission(pre: PreState, params: Params, command: CloseEpoch) -> Diff:
    """Release what Phase 1 accrues, see what Phase 2 emits, and release what vests."""
    economy, epoch = pre.economy(), pre.epoch()
    moves = _vesting(params, command.day)
    released = 0
    for project, state in zip(params.projects, economy.projects, strict=True):
        if state.phase == 1:
            accrued, project_moves = _phase1(pre, params, command.day, project, state)
            released += accrued
            moves += project_moves

    pools, emitted = [], []
    for pool, was in zip(pool_names(params), economy.pools, strict=True):
        now = _along_the_curve(params, epoch, was, _pool_income(pre, params, pool))
        pools.append(now)
        emitted.append(MicroToken(now.minted - was.minted))
    return Diff(
        _transfers(moves),
        replace(economy, pools=tuple(pools)),
        replace(epoch, phase1_released=MicroToken(released), emitted=tuple(emitted)),
    )


def process_payouts(pre: PreState, params: Params, command: CloseEpoch) -> Diff:
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
    paid = [0] * len(kinds)
    for i, part in enumerate(largest_remainder(epoch.bought, earned)):
        moves.append(("buyback.tokens_bought", FLOAT, token[i], part))
        paid[i] += part
    for pool, emitted in zip(pool_names(params), epoch.emitted, strict=True):
        weights = _pool_demand(pre, params, pool)
        source = account("reserve", "token", "phase2", pool)
        for i, part in enumerate(largest_remainder(emitted, weights)):
            moves.append(("emission.phase2_minted", source, token[i], part))
            paid[i] += part
    moves += [("withdrawal", token[i], MARKET, part) for i, part in enumerate(paid)]
    # A burned token must be replaced from the float, or suppliers would go short.
    burned = min(
        buyback.tokens_burned(epoch.bought, params.buyback.burn_fraction),
        pre.balance(FLOAT) - epoch.bought,
    )
    moves.append(("buyback.tokens_burned", FLOAT, BURNED, burned))
    return Diff(_transfers(moves))


def process_validators(pre: PreState, params: Params, command: CloseEpoch) -> Diff:
    """Pay validators from the float, as far as it goes; the rest stays owed."""
    economy, epoch = pre.economy(), pre.epoch()
    validation = params.validation
    completed = payments.validations_completed(
        epoch.jobs, validation.validation_rate, validation.validators_per_job
    )
    due = economy.validators_owed + payments.validator_pay(
        completed, validation.validator_reward
    )
    paid = MicroToken(min(due, pre.balance(FLOAT)))
    moves: list[Move] = [
        ("payments.validator_pay", FLOAT, VALIDATORS, paid),
        ("withdrawal", VALIDATORS, MARKET, paid),
    ]
    return Diff(
        _transfers(moves),
        replace(economy, validators_owed=MicroToken(due - paid)),
        replace(epoch, validators_paid=paid),
    )


def process_reserve(pre: PreState, params: Params, command: CloseEpoch) -> Diff:
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
        tokens, cost = _purchase(params, epoch.price, budget, most)
    moves: list[Move] = [
        ("buyback.purchase_cost", OPERATIONS, MARKET_USD, cost),
        ("buyback.tokens_bought", MARKET, FLOAT, tokens),
    ]
    return Diff(
        _transfers(moves),
        replace(economy, refilling=refilling and reserve + tokens < goal),
        replace(epoch, refilled=tokens),
    )


def process_phases(pre: PreState, params: Params, command: CloseEpoch) -> Diff:
    """Switch projects to Phase 2, once and for good, and unlock their rewards."""
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
        locked = account("locked", "phase1", project.name)
        over = _phase1_over(params, project, now, command.day, pre.balance(unspent))
        if was.phase == 1 and over:
            now = replace(now, phase=2)
            moves += [
                ("phase 1 unlocked", locked, MARKET, pre.balance(locked)),
                ("phase 1 unspent", unspent, FLOAT, pre.balance(unspent)),
            ]
        projects.append(now)
    return Diff(_transfers(moves), replace(economy, projects=tuple(projects)))


STAGES: tuple[Callable[[PreState, Params, CloseEpoch], Diff], ...] = (
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
    """Count the tokens in circulation: in holders' own wallets, and in custody."""
    custody = sum(
        held
        for path, held in state.balances().items()
        if kind_of(path).owned and kind_of(path).asset is Asset.TOKEN
    )
    leaving = state.balance(account("escrow", "withdrawals", "token"))
    return MicroToken(state.balance(MARKET) + custody + leaving)


def locked_supply(state: PreState) -> MicroToken:
    """Count the tokens that suppliers own and cannot sell: rewards and bonds."""
    return MicroToken(_sum_of(state, "locked:") + state.balance(BONDS))


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


def _transfers(moves: Iterable[Move]) -> tuple[Transfer, ...]:
    """Make transfers of the moves that move anything."""
    return tuple(
        Transfer(debit, credit, amount, reason)
        for reason, debit, credit, amount in moves
        if amount
    )


def _demand_by_project(
    params: Params, by_row: Mapping[tuple[str, str], int]
) -> tuple[tuple[MicroUsd, ...], ...]:
    """Split the revenue of every pipeline between supplier kinds, by project."""
    earned = {each.name: [0] * len(params.matrix.kinds) for each in params.projects}
    for (project, pipeline), paid in by_row.items():
        parts = largest_remainder(paid, params.matrix.rows[pipeline])
        for i, part in enumerate(parts):
            earned[project][i] += part
    return tuple(tuple(map(MicroUsd, parts)) for parts in earned.values())


def _fill_slots(
    params: Params, projects: tuple[ProjectState, ...], suppliers: tuple[int, ...]
) -> tuple[ProjectState, ...]:
    """Seat the suppliers in the slots of projects, earlier projects first."""
    free = list(suppliers)
    seated = []
    for project, was in zip(params.projects, projects, strict=True):
        taken = [
            min(f, target) for f, target in zip(free, project.targets, strict=True)
        ]
        free = [f - t for f, t in zip(free, taken, strict=True)]
        filled = sum(taken)
        seated.append(replace(was, filled=filled, left=max(0, was.filled - filled)))
    return tuple(seated)


def _supply_to_price(pre: PreState, params: Params, day: int) -> MicroToken:
    """Count the tokens that the price divides the demand by."""
    supply = circulating_supply(pre)
    if params.pricing.supply_basis == SupplyBasis.CIRCULATING:
        return supply
    due = sum(
        _phase1_accrual(params, day, project, state)
        for project, state in zip(params.projects, pre.economy().projects, strict=True)
        if state.phase == 1
    )
    # What Phase 1 releases today counts before today's price.
    return MicroToken(supply + locked_supply(pre) + due)


def _purchase(
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


def _phase1_accrual(
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
    accrued = _phase1_accrual(params, day, project, state)
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


def _in_pool(pre: PreState, params: Params, pool: str) -> list[tuple[MicroUsd, ...]]:
    """List what kinds earned in the projects that draw on a pool and are in Phase 2."""
    platform = params.emission.phase2_pool_scope == PoolScope.PLATFORM
    return [
        earned
        for project, state, earned in zip(
            params.projects, pre.economy().projects, pre.epoch().earned, strict=True
        )
        if state.phase == 2 and (platform or project.name == pool)  # noqa: PLR2004
    ]


def _pool_income(pre: PreState, params: Params, pool: str) -> MicroUsd:
    return MicroUsd(sum(sum(earned) for earned in _in_pool(pre, params, pool)))


def _pool_demand(pre: PreState, params: Params, pool: str) -> list[int]:
    nobody = (MicroUsd(0),) * len(params.matrix.kinds)
    return list(map(sum, zip(nobody, *_in_pool(pre, params, pool), strict=True)))


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
