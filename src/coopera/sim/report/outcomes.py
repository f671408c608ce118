"""
The figures that a reader of a simulation comes for.

Quantiles are known of every day. Of a sum over days they are known only where all paths
were kept, or where the last day holds the sum: elsewhere there is its mean, which is
the sum of the days' means.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from coopera.formulas.emission import phase2_mint_amount
from coopera.params.chapters import PoolScope
from coopera.sim.run import LEVELS, Result
from coopera.sim.scenario import Scenario
from coopera.units import MICRO

LOW, MEDIAN, HIGH = (LEVELS.index(level) for level in (0.05, 0.5, 0.95))
"""Where the quantiles that are told stand."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """One figure of a run: its mean over the worlds, and their quantiles if known."""

    label: str
    unit: str
    mean: float
    quantiles: np.ndarray | None
    total: bool = False
    """Whether it is a sum over the days."""

    @property
    def middle(self) -> float:
        """Median, or where that is not known the mean."""
        return self.mean if self.quantiles is None else float(self.quantiles[MEDIAN])


def phase1_days(result: Result, point: int = 0) -> int:
    """
    Count the days until Phase 1 releases no more tokens in the median world; 0: none.

    Days that were simulated: `Result.day` gives the number of the last one.
    """
    released = result.quantiles("phase1_token", point)[:, MEDIAN]
    return int(np.flatnonzero(released > 0)[-1]) + 1 if (released > 0).any() else 0


def phase1_end(result: Result, point: int = 0) -> int | None:
    """Find the place of the day that ends Phase 1, if the run gets past one."""
    days = phase1_days(result, point)
    return days if 0 < days < result.days else None


def pool_variables(result: Result, point: int = 0) -> list[str]:
    """List the variables of the Phase 2 curves that are in use."""
    names = [each.name for each in result.variables if each.name.startswith("theta")]
    scope = result.points[point].scenario.params.emission.phase2_pool_scope
    return names if scope is PoolScope.PROJECT else names[:1]


def mint_amount(scenario: Scenario) -> float:
    """Give the tokens of one Phase 2 pool."""
    params = scenario.params
    pool = phase2_mint_amount(
        params.token_reserve, params.emission.phase1_fraction, params.phase2_pools
    )
    return pool / MICRO


def emitted(result: Result, point: int = 0) -> np.ndarray:
    """
    Add up the Phase 2 emission from the very first day on, (days, levels).

    One curve is increasing, so that the quantiles of theta are those of the emission;
    of several there is only the mean, at every level.
    """
    pools = pool_variables(result, point)
    if len(pools) == 1:
        theta = result.quantiles(pools[0], point)
        pool = mint_amount(result.points[point].scenario)
        return np.asarray(pool * -np.expm1(-theta))
    mean = np.cumsum(result.mean("emitted_token", point))
    whole = emitted_before(result, point) + mean
    return np.repeat(whole[:, None], len(LEVELS), axis=1)


def emitted_before(result: Result, point: int = 0) -> float:
    """Tell what Phase 2 had emitted before the first day that was simulated."""
    pools = result.points[point].scenario.start.pools.values()
    return sum(each.minted for each in pools) / MICRO


def on_day(
    result: Result, variable: str, day: int, label: str = "", point: int = 0
) -> Outcome:
    """Read one variable on one day, which counts from zero."""
    kept = result.variables[result.index[variable]]
    return Outcome(
        label or kept.label,
        kept.unit,
        float(result.mean(variable, point)[day]),
        result.quantiles(variable, point)[day],
    )


def total(
    result: Result,
    terms: Mapping[str, int],
    label: str,
    point: int = 0,
    days: int | None = None,
) -> Outcome:
    """Add variables up over the first days, or all; `terms` gives each its sign."""
    days = days or result.days
    unit = result.variables[result.index[next(iter(terms))]].unit
    mean = sum(
        sign * float(result.mean(name, point)[:days].sum())
        for name, sign in terms.items()
    )
    quantiles = None
    if set(terms) == {"emitted_token"} and len(pool_variables(result, point)) == 1:
        before = emitted_before(result, point)
        quantiles = np.maximum(emitted(result, point)[days - 1] - before, 0.0)
    elif result.paths:
        worlds = sum(
            sign * result.values(name, point)[:, :days].sum(axis=1)
            for name, sign in terms.items()
        )
        quantiles = np.quantile(worlds, LEVELS)
    return Outcome(label, unit, mean, quantiles, total=True)


def earnings(result: Result) -> list[str]:
    """List the variables that hold what supplier kinds earn."""
    kinds = result.points[0].scenario.params.matrix.kinds
    return [f"earnings_usd.{kind}" for kind in kinds]


STATES = (
    ("price_usd", "Token price"),
    ("token_reserve_token", "Token reserve"),
    ("free_reserve_token", "Float of the token reserve"),
    ("dollar_reserve_usd", "Dollar reserve"),
    ("circulating_token", "Circulating supply"),
    ("locked_token", "Locked supply"),
    ("burned_token", "Burned for good"),
    ("token_demand_usd", "Demand for the token, a day"),
    ("income_usd", "Income of the day"),
    ("jobs", "Jobs of the day"),
    ("suppliers", "Suppliers"),
)
"""How things stand on a day: variables, and what to call them."""


TOTALS: tuple[tuple[str, Mapping[str, int]], ...] = (
    ("Income", {"income_usd": 1}),
    (
        "Income kept for operations",
        {"income_usd": 1, "buyback_usd": -1, "supplier_usd": -1},
    ),
    ("Income that buys tokens back for suppliers", {"buyback_usd": 1}),
    ("Income paid to suppliers in dollars", {"supplier_usd": 1}),
    ("Tokens bought back for suppliers", {"bought_token": 1}),
    ("Tokens emitted by Phase 2", {"emitted_token": 1}),
    ("Tokens released by Phase 1", {"phase1_token": 1}),
    ("Tokens paid to validators", {"validators_token": 1}),
    ("Onboarding fees", {"onboarding_token": 1}),
    ("Bonds slashed", {"slashed_token": 1}),
    ("Tokens bought for the reserve", {"refilled_token": 1}),
    ("Jobs", {"jobs": 1}),
)
"""Sums over the days, by label."""

EARNED = "Supplier earnings, tokens at the price of the day"


def totals(result: Result, point: int = 0, days: int | None = None) -> list[Outcome]:
    """Tell what the days add up to."""
    told = [total(result, terms, label, point, days) for label, terms in TOTALS]
    earned = total(result, dict.fromkeys(earnings(result), 1), EARNED, point, days)
    return [*told[:4], earned, *told[4:]]


def swept(result: Result, point: int) -> list[Outcome]:
    """Tell the outcomes by which the points of a design are compared."""
    last = result.days - 1
    when = f"day {result.day(result.days)}"
    return [
        on_day(result, "price_usd", last, f"Token price, {when}", point),
        on_day(result, "token_reserve_token", last, f"Token reserve, {when}", point),
        on_day(result, "dollar_reserve_usd", last, f"Dollar reserve, {when}", point),
        total(result, {"emitted_token": 1}, "Emitted by Phase 2, all days", point),
        total(
            result,
            dict.fromkeys(earnings(result), 1),
            "Supplier earnings, all days",
            point,
        ),
        total(result, {"income_usd": 1}, "Income, all days", point),
    ]
