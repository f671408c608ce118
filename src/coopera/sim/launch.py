"""
From a scenario to the numbers that the compiled loop runs on.

What may differ from world to world becomes a vector of parameters; the rest, which all
worlds of a launch share, an `Economy`.
"""

from collections.abc import Sequence

import numpy as np

from coopera.formulas.emission import vested
from coopera.params.chapters import PoolScope
from coopera.protocol.genesis import allotment, mint_amount, pool_names
from coopera.sim import layout
from coopera.sim.epoch import Economy, code
from coopera.sim.layout import FIXED_ROWS, LANES, PARAMETER_ROWS, Rows
from coopera.sim.scenario import Scenario
from coopera.units import WAD


def economy(scenario: Scenario) -> Economy:
    """Lay out what all worlds of a launch share."""
    params = scenario.params
    kinds, projects = params.matrix.kinds, params.projects
    targets = np.array([each.targets for each in projects], float)
    names = [each.name for each in projects]
    by_project = params.emission.phase2_pool_scope == PoolScope.PROJECT
    behaviours = [scenario.suppliers[kind] for kind in kinds]
    correlation = scenario.noise_correlation()
    independent = np.array_equal(correlation, np.eye(len(correlation)))
    days = params.emission.phase2_demand_days
    return Economy(
        rows=_rows(scenario),
        services=len(scenario.services),
        kinds=len(kinds),
        projects=len(projects),
        pools=len(pool_names(params)),
        job_prices=np.array([each.job_price for each in scenario.services], float),
        shares=np.array(
            [params.matrix.rows[each.pipeline] for each in scenario.services], float
        )
        / WAD,
        project_of=np.array([names.index(each.project) for each in scenario.services]),
        pool_of=np.arange(len(projects)) * int(by_project),
        targets=targets,
        slots=targets.sum(axis=1),
        taken=np.cumsum(targets, axis=0) - targets,
        first_day=scenario.start.day,
        start=_start(scenario),
        vesting=_vesting(scenario),
        phase1_max_days=params.emission.phase1_max_days,
        onboarding_window_days=params.onboarding.onboarding_window_days,
        phase2_demand_days=days,
        phase_transition=code(params.emission.phase_transition),
        price_impact=code(params.buyback.price_impact),
        buyback_base=code(params.payments.buyback_base),
        dollar_reserve_reading=code(params.payments.dollar_reserve_reading),
        supply_basis=code(params.pricing.supply_basis),
        bond_demand=code(params.bonding.bond_demand),
        slash_destination=code(params.bonding.slash_destination),
        demand_mean=np.ascontiguousarray(scenario.demand_mean()),
        demand_noise=np.ascontiguousarray(scenario.demand_noise()),
        correlation=(
            np.zeros((0, 0)) if independent else np.linalg.cholesky(correlation)
        ),
        sentiment_model=code(scenario.sentiment.model),
        sentiment_shock=scenario.sentiment_shock(),
        supplier_cost=np.array([each.cost_usd_per_day for each in behaviours], float),
        entry_rate_max=np.array([each.entry_rate_max for each in behaviours], float)
        / WAD,
        exit_rate_max=np.array([each.exit_rate_max for each in behaviours], float)
        / WAD,
    )


def world_parameters(scenario: Scenario) -> np.ndarray:
    """
    Give the parameters that may differ from world to world, one a row of `layout`.

    Amounts in micro-units, rates and prices as plain numbers.
    """
    params, simulation, sentiment = (
        scenario.params,
        scenario.simulation,
        scenario.sentiment,
    )
    values: dict[int, float] = {
        layout.OPERATIONS_FRACTION: params.payments.operations_fraction / WAD,
        layout.OPERATIONS_SPEND_FRACTION: params.payments.operations_spend_fraction
        / WAD,
        layout.BUYBACK_RATE: params.buyback.buyback_rate / WAD,
        layout.PRICE_PREMIUM: params.buyback.price_premium / WAD,
        layout.AMM_DEPTH: params.buyback.amm_depth_usd,
        layout.BURN_FRACTION: params.buyback.burn_fraction / WAD,
        layout.RESERVE_FLOOR_FRACTION: params.buyback.reserve_floor_fraction / WAD,
        layout.RESERVE_TARGET_FRACTION: params.buyback.reserve_target_fraction / WAD,
        layout.MAX_DAILY_BUYBACK: params.buyback.max_daily_buyback_usd,
        layout.VELOCITY_PER_DAY: params.pricing.velocity_per_day / WAD,
        layout.PRICE_FLOOR: params.pricing.price_floor_usd / WAD,
        layout.PRICE_CHANGE_MAX: params.pricing.price_change_max / WAD,
        layout.GOVERNANCE_VALUE: params.pricing.governance_value_usd_per_day,
        layout.PHASE2_DEMAND: params.emission.phase2_demand_usd,
        layout.JOB_REWARD_MODULATION: params.emission.job_reward_modulation / WAD,
        layout.PHASE2_MODULATION: params.emission.phase2_modulation / WAD,
        layout.ONBOARDING_RATE: params.onboarding.onboarding_rate / WAD,
        layout.MIN_ONBOARDING_FEE: params.onboarding.min_onboarding_fee,
        layout.BOND_RATE: params.bonding.bond_rate / WAD,
        layout.VALIDATOR_REWARD: params.validation.validator_reward,
        layout.VALIDATOR_REWARD_RATE: params.validation.validator_reward_rate / WAD,
        layout.VALIDATION_RATE: params.validation.validation_rate / WAD,
        layout.VALIDATORS_PER_JOB: params.validation.validators_per_job,
        layout.INITIAL_RESERVE: params.token_reserve,
        layout.ALLOTMENT: allotment(params),
        layout.MINT_AMOUNT: mint_amount(params),
        layout.UNASSIGNED_RESERVE: scenario.start.tokens.unassigned_reserve,
        layout.SENTIMENT_MEAN: sentiment.mean_usd_per_day,
        layout.SENTIMENT_DRIFT: sentiment.drift_per_day / WAD,
        layout.SENTIMENT_VOLATILITY: sentiment.volatility_per_day / WAD,
        layout.SENTIMENT_SPEED: sentiment.reversion_per_day / WAD,
        layout.DEMAND_SCALE: simulation.demand_scale / WAD,
        layout.NOISE_SCALE: simulation.noise_scale / WAD,
        layout.FAILURE_RATE: simulation.failure_rate / WAD,
        layout.SUPPLIER_RESPONSE: simulation.supplier_response / WAD,
    }
    assert len(values) == PARAMETER_ROWS
    return np.array([values[row * LANES] for row in range(PARAMETER_ROWS)], float)


def _rows(scenario: Scenario) -> Rows:
    params = scenario.params
    kinds, projects = len(params.matrix.kinds), len(params.projects)
    counts = {
        "service_jobs": len(scenario.services),
        "kind_earnings": kinds,
        "kind_suppliers": kinds,
        "kind_inclination": kinds,
        "project_income": projects,
        "project_demand": projects * kinds,
        "project_phase1": projects,
        "project_locked": projects,
        "project_phase": projects,
        "project_filled": projects,
        "project_left": projects,
        "pool_theta": projects,
        "pool_minted": projects,
        "pool_income": projects,
        "pool_emitted": projects,
        "past_income": params.onboarding.onboarding_window_days,
        "past_exits": params.onboarding.onboarding_window_days,
        # The sum of the window stands before its days.
        "past_project_income": projects * (params.emission.phase2_demand_days + 1),
    }
    starts = np.cumsum([FIXED_ROWS, *counts.values()]) * LANES
    assert (*counts, "end") == Rows._fields
    return Rows(*map(int, starts))


def _start(scenario: Scenario) -> np.ndarray:
    """Give every row its value on the first morning."""
    params, start, rows = scenario.params, scenario.start, _rows(scenario)
    tokens, dollars = start.tokens, start.dollars
    values: dict[int, float] = {
        layout.CIRCULATING: tokens.market + tokens.custody,
        layout.CUSTODY: tokens.custody,
        layout.FREE_RESERVE: tokens.free_reserve,
        layout.BONDED: tokens.bonds,
        layout.BONDED_VALUE: start.bonded_value,
        layout.SET_ASIDE: tokens.set_aside,
        layout.OPERATIONS: dollars.operations,
        layout.CARRIED_CAPITAL: dollars.carried_capital,
        layout.WAITING_TAXES: dollars.waiting_taxes,
        layout.WAITING_CAPITAL: dollars.waiting_capital,
        layout.VALIDATORS_OWED: start.validators_owed,
        layout.BURNED: tokens.burned,
        layout.FUNDS: sum(tokens.funds.values()),
        layout.REFILLING: start.refilling,
        layout.SENTIMENT_LEVEL: scenario.sentiment_level(),
        layout.PRICE: (start.price or params.pricing.initial_price_usd) / WAD,
        layout.SUPPLIERS: sum(each.count for each in start.suppliers.values()),
    }
    for i, kind in enumerate(params.matrix.kinds):
        present = start.suppliers[kind]
        values[rows.kind_suppliers + i * LANES] = present.count
        values[rows.kind_inclination + i * LANES] = present.inclination / WAD
        values[rows.kind_earnings + i * LANES] = present.earnings
    days = params.emission.phase2_demand_days
    for i, each in enumerate(params.projects):
        project = start.projects[each.name]
        values[rows.project_phase + i * LANES] = project.phase - 1
        values[rows.project_phase1 + i * LANES] = project.unspent
        values[rows.project_locked + i * LANES] = project.locked
        values[rows.project_filled + i * LANES] = project.filled
        window = rows.past_project_income + i * (days + 1) * LANES
        past = project.past_income[-days:]
        values[window] = sum(past)
        values |= _ring(window + LANES, days, start.day, past)
    for i, name in enumerate(pool_names(params)):
        values[rows.pool_theta + i * LANES] = start.pools[name].theta / WAD
        values[rows.pool_minted + i * LANES] = start.pools[name].minted
    days = params.onboarding.onboarding_window_days
    windows: tuple[tuple[int, int, Sequence[int]], ...] = (
        (layout.WINDOW_INCOME, rows.past_income, start.past_income[-days:]),
        (layout.WINDOW_EXITS, rows.past_exits, start.past_exits[-days:]),
    )
    for total, first, of_days in windows:
        values[total] = sum(of_days)
        values |= _ring(first, days, start.day, of_days)
    column = np.zeros(rows.end // LANES)
    for row, value in values.items():
        column[row // LANES] = value
    return column


def _ring(first: int, days: int, today: int, past: Sequence[int]) -> dict[int, float]:
    """Put the last days where a window of some days keeps them: each at its number."""
    return {
        first + (today - len(past) + i) % days * LANES: value
        for i, value in enumerate(past)
    }


def _vesting(scenario: Scenario) -> np.ndarray:
    """Tokens that vest, by day, all funds together."""
    first = scenario.start.day
    token = scenario.params.token
    funds = scenario.params.vesting_funds
    by_day = [
        sum(
            vested(fund, day, token.vesting_cliff_days, token.vesting_days)
            for fund in funds.values()
        )
        for day in range(first - 1, first + scenario.simulation.days)
    ]
    return np.diff(np.array(by_day, float))
