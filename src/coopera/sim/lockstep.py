"""
The proof that what is simulated is what runs: a world, day by day, on the books.

What happened in a simulated world (jobs, sentiment, suppliers that came and went) is
handed to the exact day-close, whose books are then held against the simulated figures.
"""

from collections import Counter
from dataclasses import dataclass

from coopera.protocol import epoch as exact
from coopera.protocol.accounts import BURNED, FLOAT
from coopera.protocol.memory import MemoryState
from coopera.protocol.rehearsal import CloseEpoch, Sale, close_epoch
from coopera.sim.run import Result
from coopera.sim.scenario import Scenario
from coopera.sim.start import books_of
from coopera.units import WAD, MicroUsd, Rounding, mul_div


@dataclass(frozen=True, slots=True)
class Lockstep:
    """What came of running one world twice."""

    state: MemoryState
    """The books after the last day."""
    transfers: int
    """Transfers that the days made."""
    apart: dict[str, int]
    """Largest difference of each variable on any day, in micro-units."""
    price_apart: float
    """Largest relative difference of the price."""


def replay(
    result: Result, world: int, point: int = 0, books: MemoryState | None = None
) -> Lockstep:
    """
    Run one world of a result, whose paths were kept, on the exact books.

    The books are those of its start, unless others are given that stand there too.
    """
    scenario = result.points[point].scenario
    commands = _commands(result, world, point)
    simulated = {
        each.name: result.values(each.name, point)[world] * each.scale
        for each in result.variables
    }
    state = books or books_of(scenario.start, scenario.params)
    apart: Counter[str] = Counter()
    price_apart, transfers = 0.0, 0
    for i, command in enumerate(commands):
        diff = close_epoch(state, scenario.params, command)
        state = state.after(diff)
        transfers += len(diff.transfers)
        for name, amount in figures(state).items():
            off = abs(round(simulated[name][i]) - amount)
            apart[name] = max(apart[name], off)
        price = state.epoch().price / WAD
        off_price = abs(simulated["price_usd"][i] / price - 1)
        price_apart = max(price_apart, float(off_price))
    return Lockstep(state, transfers, dict(apart), price_apart)


def figures(state: MemoryState) -> dict[str, int]:
    """Read the simulator's variables off the books after a day."""
    epoch = state.epoch()
    return {
        "income_usd": epoch.income,
        "token_demand_usd": epoch.token_demand,
        "buyback_usd": epoch.capital,
        "supplier_usd": epoch.dollars,
        "dollar_reserve_usd": exact.dollar_reserve(state),
        "token_reserve_token": exact.token_reserve(state),
        "free_reserve_token": state.balance(FLOAT),
        "circulating_token": exact.circulating_supply(state),
        "locked_token": exact.locked_supply(state),
        "burned_token": state.balance(BURNED),
        "bought_token": epoch.bought,
        "phase1_token": epoch.phase1_released,
        "emitted_token": sum(epoch.emitted),
        "validators_token": epoch.validators_paid,
        "validators_owed_token": state.economy().validators_owed,
        "onboarding_token": epoch.fees,
        "slashed_token": epoch.slashed,
        "refilled_token": epoch.refilled,
        "suppliers": sum(state.economy().suppliers),
    }


def _commands(result: Result, world: int, point: int) -> list[CloseEpoch]:
    """Tell what happened in a simulated world, as the commands that close its days."""
    scenario = result.points[point].scenario
    kinds = scenario.params.matrix.kinds
    present = [scenario.start.suppliers[kind].count for kind in kinds]
    by_kind = [result.values(f"suppliers.{kind}", point)[world] for kind in kinds]
    jobs = [
        result.values(f"jobs.{each.consumer}.{each.name}", point)[world]
        for each in scenario.services
    ]
    sentiment = result.values("sentiment_usd", point)[world]
    commands = []
    for day in range(result.days):
        now = [int(column[day]) for column in by_kind]
        moved = [after - before for after, before in zip(now, present, strict=True)]
        present = now
        commands.append(
            CloseEpoch(
                day=scenario.start.day + day,
                sales=_sales(scenario, [int(column[day]) for column in jobs]),
                sentiment=MicroUsd(round(sentiment[day] * 10**6)),
                entered=tuple(max(0, each) for each in moved),
                exited=tuple(max(0, -each) for each in moved),
            )
        )
    return commands


def _sales(scenario: Scenario, jobs: list[int]) -> tuple[Sale, ...]:
    rate = scenario.simulation.failure_rate
    return tuple(
        Sale(
            consumer=each.consumer,
            pipeline=each.pipeline,
            project=each.project,
            job_price=each.job_price,
            jobs=count,
            failed=mul_div(count, rate, WAD, Rounding.FLOOR),
        )
        for each, count in zip(scenario.services, jobs, strict=True)
    )
