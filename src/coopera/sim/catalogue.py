"""The variables that a simulation can keep: name, meaning, unit, row."""

from dataclasses import dataclass

from coopera.sim import layout
from coopera.sim.layout import LANES, Rows
from coopera.sim.scenario import Scenario
from coopera.units import MICRO


@dataclass(frozen=True, slots=True)
class Recorded:
    """One variable of a simulated day. Amounts are kept in micro-units."""

    name: str
    label: str
    unit: str
    row: int
    """Offset of its row in a block."""
    scale: int
    """Kept units in one unit."""


_FIXED = (
    ("price_usd", "Token price", "USD/token", layout.PRICE, 1),
    ("income_usd", "Income", "USD", layout.INCOME, MICRO),
    ("token_demand_usd", "Demand for the token", "USD", layout.DEMAND, MICRO),
    ("sentiment_usd", "Consumer sentiment", "USD", layout.SENTIMENT, MICRO),
    ("buyback_usd", "Buy-back capital", "USD", layout.CAPITAL, MICRO),
    ("supplier_usd", "Paid to suppliers in dollars", "USD", layout.DOLLARS, MICRO),
    ("dollar_reserve_usd", "Dollar reserve", "USD", layout.DOLLAR_RESERVE, MICRO),
    ("token_reserve_token", "Token reserve", "token", layout.TOKEN_RESERVE, MICRO),
    ("free_reserve_token", "Float of the reserve", "token", layout.FREE_RESERVE, MICRO),
    ("circulating_token", "Circulating supply", "token", layout.CIRCULATING, MICRO),
    ("locked_token", "Locked supply", "token", layout.LOCKED, MICRO),
    ("burned_token", "Burned", "token", layout.BURNED, MICRO),
    ("funds_token", "Funds not yet vested", "token", layout.FUNDS, MICRO),
    ("bought_token", "Bought back for suppliers", "token", layout.BOUGHT, MICRO),
    ("phase1_token", "Released by Phase 1", "token", layout.PHASE1_RELEASED, MICRO),
    ("emitted_token", "Emitted by Phase 2", "token", layout.EMITTED, MICRO),
    ("validators_token", "Paid to validators", "token", layout.VALIDATORS_PAID, MICRO),
    (
        "validators_owed_token",
        "Owed to validators",
        "token",
        layout.VALIDATORS_OWED,
        MICRO,
    ),
    ("onboarding_token", "Onboarding fees", "token", layout.FEES, MICRO),
    ("slashed_token", "Bonds slashed", "token", layout.SLASHED, MICRO),
    ("refilled_token", "Bought for the reserve", "token", layout.REFILLED, MICRO),
    ("jobs", "Jobs", "jobs", layout.JOBS, 1),
    ("suppliers", "Suppliers", "suppliers", layout.SUPPLIERS, 1),
    ("entered", "Suppliers that entered", "suppliers", layout.ENTERED, 1),
    ("exited", "Suppliers that left", "suppliers", layout.EXITED, 1),
)


def catalogue(scenario: Scenario, rows: Rows) -> tuple[Recorded, ...]:
    """List every variable of a scenario, in the order in which it is kept."""
    kinds = scenario.params.matrix.kinds
    return (
        *(Recorded(*each) for each in _FIXED),
        *(
            Recorded(
                f"jobs.{each.consumer}.{each.name}",
                f"Jobs: {each.name.replace('_', ' ')}",
                "jobs",
                rows.service_jobs + i * LANES,
                1,
            )
            for i, each in enumerate(scenario.services)
        ),
        *(
            Recorded(
                f"earnings_usd.{kind}",
                f"Earnings: {kind.replace('_', ' ')}",
                "USD",
                rows.kind_earnings + i * LANES,
                MICRO,
            )
            for i, kind in enumerate(kinds)
        ),
        *(
            Recorded(
                f"suppliers.{kind}",
                f"Suppliers: {kind.replace('_', ' ')}",
                "suppliers",
                rows.kind_suppliers + i * LANES,
                1,
            )
            for i, kind in enumerate(kinds)
        ),
        *(
            Recorded(
                f"theta.{i}" if len(scenario.params.projects) > 1 else "theta",
                "Place on the Phase 2 curve",
                "1",
                rows.pool_theta + i * LANES,
                1,
            )
            for i in range(len(scenario.params.projects))
        ),
    )
