"""
Where the numbers of a block of worlds are kept: one row a quantity, one column a world.

A block is one flat array of rows of `LANES` floats, small enough to stay in the cache
of a core for all its days, and a loop over the lanes of a few rows is what the compiler
vectorises. The rows of this module have a fixed place, so that the compiler sees that
they do not overlap; rows that come in numbers (one for each service, supplier kind,
project) follow them, at offsets that `Rows` holds.
"""

from typing import Final, NamedTuple

LANES: Final = 128
"""Worlds in a block."""


def _rows(count: int) -> range:
    return range(0, count * LANES, LANES)


# State that one day hands to the next, then the figures of the day. Amounts are in
# micro-units, prices in {USD/token}, flags are 0 or 1.
(
    CIRCULATING,
    FREE_RESERVE,
    BONDED,
    BONDED_VALUE,
    OPERATIONS,
    CARRIED_CAPITAL,
    VALIDATORS_OWED,
    BURNED,
    FUNDS,
    REFILLING,
    CUSTODY,
    SET_ASIDE,
    WAITING_TAXES,
    WAITING_CAPITAL,
    WINDOW_INCOME,
    WINDOW_EXITS,
    SENTIMENT_LEVEL,
    TOKEN_RESERVE,
    DOLLAR_RESERVE,
    LOCKED,
    INCOME,
    JOB_VALUE,
    FAILED_VALUE,
    JOBS,
    CAPITAL,
    DOLLARS,
    SENTIMENT,
    ONBOARDING_USD,
    DEMAND,
    PRICE,
    BOUGHT,
    FEES,
    SLASHED,
    PHASE1_RELEASED,
    EMITTED,
    VALIDATORS_PAID,
    REFILLED,
    SUPPLIERS,
    ENTERED,
    EXITED,
    SCRATCH,
) = _rows(41)

FIXED_ROWS: Final = SCRATCH // LANES + 1

# Parameters that may differ from world to world.
(
    OPERATIONS_FRACTION,
    OPERATIONS_SPEND_FRACTION,
    BUYBACK_RATE,
    PRICE_PREMIUM,
    AMM_DEPTH,
    BURN_FRACTION,
    RESERVE_FLOOR_FRACTION,
    RESERVE_TARGET_FRACTION,
    MAX_DAILY_BUYBACK,
    VELOCITY_PER_DAY,
    PRICE_FLOOR,
    PRICE_CHANGE_MAX,
    GOVERNANCE_VALUE,
    PHASE2_DEMAND,
    JOB_REWARD_MODULATION,
    PHASE2_MODULATION,
    ONBOARDING_RATE,
    MIN_ONBOARDING_FEE,
    BOND_RATE,
    VALIDATOR_REWARD,
    VALIDATOR_REWARD_RATE,
    VALIDATION_RATE,
    VALIDATORS_PER_JOB,
    INITIAL_RESERVE,
    ALLOTMENT,
    MINT_AMOUNT,
    UNASSIGNED_RESERVE,
    SENTIMENT_MEAN,
    SENTIMENT_DRIFT,
    SENTIMENT_VOLATILITY,
    SENTIMENT_SPEED,
    DEMAND_SCALE,
    NOISE_SCALE,
    FAILURE_RATE,
    SUPPLIER_RESPONSE,
) = _rows(35)

PARAMETER_ROWS: Final = SUPPLIER_RESPONSE // LANES + 1


class Rows(NamedTuple):
    """Offsets of the rows that come in numbers."""

    service_jobs: int
    kind_earnings: int
    kind_suppliers: int
    kind_inclination: int
    project_income: int
    project_demand: int
    project_phase1: int
    project_locked: int
    project_phase: int
    project_filled: int
    project_left: int
    pool_theta: int
    pool_minted: int
    pool_income: int
    pool_emitted: int
    past_income: int
    past_exits: int
    past_project_income: int
    end: int
