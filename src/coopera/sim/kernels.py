"""
The formulas of the book over float64, compiled: what the simulator runs.

Each kernel has the name and the arguments of its formula, and no validation. Amounts
are whole micro-units held in floats, so that sums under 2**53 stay exact and tokens can
be conserved with `==`; rates and prices are plain numbers instead of fixed point.
Divisions round as in the book, but a quotient that is nearly whole may fall on the
other side: a kernel is within one micro-unit of its formula, or a few parts in 10**15
where the amount is too large for that.
"""

from typing import Any

import numpy as np
from numba import njit, types
from numba.extending import intrinsic

from coopera.sim.layout import LANES

FAST = {"nnan", "ninf", "nsz", "contract"}
"""What the compiler may assume; it may not reorder sums or replace divisions."""

_COMPILE: dict[str, Any] = {
    "fastmath": FAST,
    "error_model": "numpy",
    "nogil": True,
    "cache": True,
}

kernel = njit(**_COMPILE)
"""Compile a function for use inside a loop over worlds."""

stage = njit(  # type: ignore[call-overload]  # some are left out
    **_COMPILE,
    no_cpython_wrapper=True,
    no_cfunc_wrapper=True,
    forceinline=True,
    _nrt=False,
)
"""
Compile a function that only compiled ones call: no way in from Python to build.

A stage becomes part of its caller, since an `Economy` is some two hundred words to hand
over; and it counts no references, which took longer than the arithmetic: it may slice
arrays, and not make or return any.
"""

sequence = njit(**_COMPILE, inline="always")
"""Put calls of stages into their caller, so that they are not optimised once more."""

reduction = njit(  # type: ignore[call-overload]  # some are left out
    **{**_COMPILE, "fastmath": True}, forceinline=True, _nrt=False
)
"""Compile a sum over lanes, whose order the compiler may choose."""


@intrinsic
def _bits_float(_context, value):
    """Read the bits of an int64 as a float64."""
    return types.float64(types.int64), lambda c, b, _s, a: b.bitcast(
        a[0], c.get_value_type(types.float64)
    )


@njit(inline="always", cache=True)
def row(block, first, i):
    """View the i-th of the rows that start at an offset of a block."""
    return block[first + i * LANES : first + (i + 1) * LANES]


@kernel
def exp(x):
    """
    Raise e to a power between -700 and 700, to about two units in the last place.

    Written out, because the compiler vectorises arithmetic and not calls: reduce by
    whole powers of two, then the Taylor series up to the thirteenth power.
    """
    x = min(max(x, -700.0), 700.0)
    n = np.floor(x * 1.4426950408889634 + 0.5)
    r = x - n * 6.93145751953125e-1 - n * 1.42860682030941723212e-6
    p = 1.6059043836821613e-10
    p = p * r + 2.08767569878681e-09
    p = p * r + 2.505210838544172e-08
    p = p * r + 2.755731922398589e-07
    p = p * r + 2.7557319223985893e-06
    p = p * r + 2.48015873015873e-05
    p = p * r + 1.984126984126984e-04
    p = p * r + 1.388888888888889e-03
    p = p * r + 8.333333333333333e-03
    p = p * r + 4.1666666666666664e-02
    p = p * r + 1.6666666666666666e-01
    p = p * r + 0.5
    p = p * r + 1.0
    p = p * r + 1.0
    return p * _bits_float((np.int64(n) + np.int64(1023)) << np.int64(52))


# demand


@kernel
def job_price(unit_price, units, incentive):
    """See `coopera.formulas.demand.job_price`."""
    return np.ceil(unit_price * units) + incentive


@kernel
def revenue(jobs, job_price):
    """See `coopera.formulas.demand.revenue`."""
    return jobs * job_price


@kernel
def service_demand(revenue, share):
    """See `coopera.formulas.demand.service_demand`."""
    return revenue * share


# payments


@kernel
def operations_income(income, operations_fraction):
    """See `coopera.formulas.payments.operations_income`."""
    return np.ceil(income * operations_fraction)


@kernel
def operations_spending(operations_income, spend_fraction):
    """See `coopera.formulas.payments.operations_spending`."""
    return np.floor(operations_income * spend_fraction)


@kernel
def buyback_capital(net_income, buyback_rate):
    """See `coopera.formulas.payments.buyback_capital`."""
    return np.floor(net_income * buyback_rate)


@kernel
def validations_completed(jobs, validation_rate, validators_per_job):
    """See `coopera.formulas.payments.validations_completed`."""
    return np.floor(jobs * validators_per_job * validation_rate)


@kernel
def validator_pay(validations, validator_reward):
    """See `coopera.formulas.payments.validator_pay`."""
    return validations * validator_reward


@kernel
def verdict_rewards(
    job_value, reward_rate, validation_rate, validators_per_job, token_price
):
    """See `coopera.formulas.payments.verdict_rewards`."""
    verdicts = validators_per_job * validation_rate
    return np.floor(job_value * verdicts * reward_rate / token_price)


# buyback


@kernel
def premium_impact(token_price, price_premium):
    """See `coopera.formulas.buyback.premium_impact`."""
    return token_price * price_premium


@kernel
def amm_impact(token_price, capital, depth):
    """See `coopera.formulas.buyback.amm_impact`."""
    return token_price * capital / depth


@kernel
def tokens_bought(capital, token_price, price_impact):
    """See `coopera.formulas.buyback.tokens_bought`."""
    return np.floor(capital / (token_price + price_impact))


@kernel
def purchase_cost(tokens, token_price, price_impact):
    """See `coopera.formulas.buyback.purchase_cost`."""
    return np.ceil(tokens * (token_price + price_impact))


@kernel
def amm_cost(tokens, token_price, depth):
    """See `coopera.formulas.buyback.amm_cost`."""
    worth = tokens * token_price
    return np.ceil(worth * depth / (depth - worth))


@kernel
def tokens_burned(bought, burn_fraction):
    """See `coopera.formulas.buyback.tokens_burned`."""
    return np.floor(bought * burn_fraction)


@kernel
def reserve_level(initial_reserve, fraction):
    """See `coopera.formulas.buyback.reserve_level`."""
    return np.floor(initial_reserve * fraction)


@kernel
def supply_after(supply, tokens_paid, bought):
    """See `coopera.formulas.buyback.supply_after`."""
    return supply + tokens_paid - bought


@kernel
def token_reserve_after(token_reserve, tokens_paid, bought):
    """See `coopera.formulas.buyback.token_reserve_after`."""
    return token_reserve + bought - tokens_paid


@kernel
def dollar_reserve_after(dollar_reserve, income, buybacks, paid_out):
    """See `coopera.formulas.buyback.dollar_reserve_after`."""
    return dollar_reserve + income - buybacks - paid_out


# pricing


@kernel
def token_demand(sentiment, onboarding_fees, bonds, buyback_capital, governance_value):
    """See `coopera.formulas.pricing.token_demand`."""
    return max(
        0.0, sentiment + onboarding_fees + bonds + buyback_capital + governance_value
    )


@kernel
def token_price(demand, supply, velocity_per_day, price_floor):
    """See `coopera.formulas.pricing.token_price`."""
    return max(
        price_floor, demand / (max(supply, 1.0) * velocity_per_day) * (supply > 0.0)
    )


@kernel
def bounded_price(price, last, change_max):
    """See `coopera.formulas.pricing.bounded_price`."""
    change = last * change_max
    bounded = min(max(price, last - change), last + change)
    return bounded if change > 0.0 else price


# emission


@kernel
def phase1_allotment(token_reserve, phase1_fraction, projects_max):
    """See `coopera.formulas.emission.phase1_allotment`."""
    return np.floor(token_reserve * phase1_fraction / projects_max)


@kernel
def phase1_slice(allotment, day, days):
    """See `coopera.formulas.emission.phase1_slice`; the slices add up exactly."""
    # Only the remainder is multiplied: all of the allotment would not stay exact.
    whole = np.floor(allotment / days)
    rest = allotment - whole * days
    return whole + np.floor(rest * (day + 1.0) / days) - np.floor(rest * day / days)


@kernel
def phase1_accrual(day_slice, filled, slots):
    """See `coopera.formulas.emission.phase1_accrual`."""
    return np.floor(day_slice * filled / slots)


@kernel
def forfeited(locked, left, filled):
    """See `coopera.formulas.emission.forfeited`."""
    return np.ceil(locked * left / max(filled, 1.0))


@kernel
def phase2_mint_amount(token_reserve, phase1_fraction, pools):
    """See `coopera.formulas.emission.phase2_mint_amount`."""
    return np.floor(token_reserve * (1.0 - phase1_fraction) / pools)


@kernel
def job_reward(job_price, token_price, job_reward_modulation):
    """See `coopera.formulas.emission.job_reward`."""
    return np.floor(job_price / (token_price * job_reward_modulation))


@kernel
def theta_step(
    income, token_price, job_reward_modulation, phase2_modulation, mint_amount
):
    """See `coopera.formulas.emission.theta_step`."""
    return (
        income * phase2_modulation / (token_price * job_reward_modulation * mint_amount)
    )


@kernel
def phase2_minted(mint_amount, theta):
    """See `coopera.formulas.emission.phase2_minted`."""
    return np.floor(mint_amount * (1.0 - exp(-theta)))


@kernel
def vested(fund, day, vesting_cliff_days, vesting_days):
    """See `coopera.formulas.emission.vested`."""
    days = min(max(day + 1.0 - vesting_cliff_days, 0.0), vesting_days)
    return np.floor(fund * days / vesting_days)


# onboarding


@kernel
def onboarding_fee_usd(window_income, suppliers, onboarding_rate):
    """See `coopera.formulas.onboarding.onboarding_fee_usd`."""
    return np.ceil(window_income * onboarding_rate / max(suppliers, 1.0)) * (
        suppliers > 0.0
    )


@kernel
def onboarding_fee(fee_usd, token_price, min_onboarding_fee):
    """See `coopera.formulas.onboarding.onboarding_fee`."""
    return max(min_onboarding_fee, np.ceil(fee_usd / token_price))


# bonding


@kernel
def supplier_bond(job_price, bond_rate, token_price):
    """See `coopera.formulas.bonding.supplier_bond`."""
    return np.ceil(job_price * bond_rate / token_price)


@kernel
def bond_value(job_price, bond_rate):
    """See `coopera.formulas.bonding.bond_value`."""
    return np.ceil(job_price * bond_rate)


@kernel
def slashed_bond(bond, failed_value, job_value):
    """See `coopera.formulas.bonding.slashed_bond`."""
    return np.ceil(bond * failed_value / max(job_value, 1.0))


# reputation


@kernel
def supplier_reputation(validated, completed, prior_validated, prior_failed):
    """See `coopera.formulas.reputation.supplier_reputation`."""
    total = completed + prior_validated + prior_failed
    return (validated + prior_validated) / max(total, 1.0) * (total > 0.0)


@kernel
def supplier_rank(validated, completed, total, prior_validated, prior_failed):
    """See `coopera.formulas.reputation.supplier_rank`; of whole numbers, and equal."""
    window = completed + prior_validated + prior_failed
    ratio = ((validated + prior_validated) << 24) // max(window, 1)
    return (ratio * min(window, 1)) << 38 | total


# allocation


@kernel
def proportional_share(total, weight, weights):
    """See `coopera.formulas.allocation.proportional_share`."""
    return total * weight / max(weights, 1.0)
