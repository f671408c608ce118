"""
What a simulation is asked: the parameters, and how the participants behave.

A scenario is read from the tables of a document. What governance sets is `Params`; the
rest is here: consumers and their demand, sentiment, suppliers, shocks.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from coopera.errors import Inconsistent, WrongType
from coopera.formulas.demand import job_price
from coopera.params import CHAPTERS, Params, read_params, table_at
from coopera.params.declared import (
    Unit,
    check_name,
    declared,
    plain_names,
    read_table,
    unknown_key,
)
from coopera.sim.start import Start, check_fits, first_morning
from coopera.units import WAD, MicroUsd, Wad

SCENARIO = "docs/papers/bme.md#simulation"
CONSUMERS = "docs/papers/bme.md#consumer-demand"
PRICE = "docs/readings.md#token-price"

SECTIONS = (
    *CHAPTERS,
    "payment_matrix",
    "projects",
    "simulation",
    "sentiment",
    "consumers",
    "suppliers",
    "shocks",
)
"""Tables of a document."""


class SentimentModel(StrEnum):
    """How the dollars that ask for the token from outside move."""

    CONSTANT = "constant"
    GEOMETRIC_BROWNIAN = "geometric_brownian"
    MEAN_REVERTING = "mean_reverting"


class Growth(StrEnum):
    """Shape of a service's demand in time."""

    LINEAR = "linear"
    LOGISTIC = "logistic"


@dataclass(frozen=True, slots=True)
class Simulation:
    """Length and starting point of a simulation, and knobs on all of it."""

    days: int = declared(
        "180", Unit.DAYS, "Days to simulate", low="1", high="36500", source=SCENARIO
    )
    initial_dollar_reserve_usd: MicroUsd = declared(
        "0",
        Unit.USD,
        "Dollar reserve before the first day",
        high="1000000000",
        source=SCENARIO,
    )
    failure_rate: Wad = declared(
        "0", Unit.FRACTION, "Part of the jobs that fail validation", source=SCENARIO
    )
    demand_scale: Wad = declared(
        "1", Unit.FACTOR, "Factor on all demand", high="1000", source=SCENARIO
    )
    noise_scale: Wad = declared(
        "1", Unit.FACTOR, "Factor on all noise of demand", high="1000", source=SCENARIO
    )
    noise_correlation_within: Wad = declared(
        "0",
        Unit.FRACTION,
        "Correlation of the noise of services of one consumer class",
        low="-1",
        source=SCENARIO,
    )
    noise_correlation_between: Wad = declared(
        "0",
        Unit.FRACTION,
        "Correlation of the noise of services of different consumer classes",
        low="-1",
        source=SCENARIO,
    )
    supplier_response: Wad = declared(
        "0",
        Unit.FACTOR,
        "Growth of a supplier kind in a day, per 100 % that it earns above its cost",
        high="100",
        source=SCENARIO,
    )


@dataclass(frozen=True, slots=True)
class Sentiment:
    """Demand for the token from outside the network."""

    model: SentimentModel = declared(
        SentimentModel.CONSTANT, Unit.CHOICE, "How it moves", source=PRICE
    )
    start_usd_per_day: MicroUsd = declared(
        "0",
        Unit.USD_PER_DAY,
        "Dollars a day at first",
        high="1000000000",
        paper="ConsumerSentiment",
        source=PRICE,
    )
    mean_usd_per_day: MicroUsd = declared(
        "0",
        Unit.USD_PER_DAY,
        "Dollars a day that it reverts to, if it does",
        high="1000000000",
        source=PRICE,
    )
    drift_per_day: Wad = declared(
        "0",
        Unit.PER_DAY,
        "Expected growth of the geometric Brownian motion",
        low="-1",
        high="1",
        source=PRICE,
    )
    volatility_per_day: Wad = declared(
        "0",
        Unit.PER_DAY,
        "Standard deviation of a day's relative change",
        high="1",
        source=PRICE,
    )
    reversion_per_day: Wad = declared(
        "0",
        Unit.PER_DAY,
        "Part of the distance to the mean that a day covers",
        high="1",
        source=PRICE,
    )


@dataclass(frozen=True, slots=True)
class Demand:
    """Price, quantity and incentive of a service, and how many jobs are asked for."""

    unit_price_usd: MicroUsd = declared(
        "0", Unit.USD, "Price of one unit", high="1000000", source=CONSUMERS
    )
    units_per_job: Wad = declared(
        "1", Unit.FACTOR, "Units in a job", high="1000000", source=CONSUMERS
    )
    incentive_usd: MicroUsd = declared(
        "0",
        Unit.USD,
        "What a consumer adds to a job to be served first",
        high="1000000",
        source=CONSUMERS,
    )
    growth: Growth = declared(
        Growth.LINEAR, Unit.CHOICE, "Shape of the demand in time", source=SCENARIO
    )
    start: Wad = declared(
        "0",
        Unit.JOBS_PER_DAY,
        "Jobs on the first day of a linear trend",
        high="1000000",
        source=SCENARIO,
    )
    start_day: int = declared(
        "0",
        Unit.DAYS,
        "Day of the network that this first day is",
        high="36500",
        source=SCENARIO,
    )
    slope: Wad = declared(
        "0",
        Unit.JOBS_PER_DAY,
        "Jobs that a linear trend gains every day",
        low="-1000000",
        high="1000000",
        source=SCENARIO,
    )
    ceiling: Wad = declared(
        "0",
        Unit.JOBS_PER_DAY,
        "Jobs that logistic adoption ends with",
        high="1000000",
        source=SCENARIO,
    )
    midpoint_day: Wad = declared(
        "0",
        Unit.DAYS_REAL,
        "Day on which logistic adoption reaches half its ceiling",
        low="-36500",
        high="36500",
        source=SCENARIO,
    )
    adoption_per_day: Wad = declared(
        "0.1",
        Unit.PER_DAY,
        "Rate of logistic adoption",
        high="10",
        source=SCENARIO,
    )
    noise: Wad = declared(
        "0",
        Unit.JOBS_PER_DAY,
        "Standard deviation of a day's jobs",
        high="1000000",
        source=SCENARIO,
    )
    season_amplitude: Wad = declared(
        "0",
        Unit.FRACTION,
        "Height of the season, as a part of the trend",
        source=SCENARIO,
    )
    season_period_days: Wad = declared(
        "7",
        Unit.DAYS_REAL,
        "Length of the season",
        low="1",
        high="36500",
        source=SCENARIO,
    )
    season_peak_day: Wad = declared(
        "0",
        Unit.DAYS_REAL,
        "Day of its first peak",
        low="-36500",
        high="36500",
        source=SCENARIO,
    )


@dataclass(frozen=True, slots=True)
class Behaviour:
    """How many suppliers of a kind there are, and when more come or some go."""

    initial: int = declared(
        "0",
        Unit.COUNT,
        "Suppliers before the first day",
        high="1000000",
        source=SCENARIO,
    )
    cost_usd_per_day: MicroUsd = declared(
        "1",
        Unit.USD_PER_DAY,
        "Earnings that keep a supplier",
        low="0.01",
        high="1000000",
        source=SCENARIO,
    )
    entry_rate_max: Wad = declared(
        "0.05", Unit.PER_DAY, "Fastest growth in a day", high="1", source=SCENARIO
    )
    exit_rate_max: Wad = declared(
        "0.05", Unit.PER_DAY, "Fastest shrinking in a day", high="1", source=SCENARIO
    )


@dataclass(frozen=True, slots=True)
class Shock:
    """Something that multiplies demand or sentiment for a while."""

    day: int = declared("0", Unit.DAYS, "First day", high="36500", source=SCENARIO)
    days: int = declared(
        "36500", Unit.DAYS, "How long", low="1", high="36500", source=SCENARIO
    )
    factor: Wad = declared(
        "1", Unit.FACTOR, "What it multiplies by", high="1000", source=SCENARIO
    )


@dataclass(frozen=True, slots=True)
class Service:
    """One line of a consumer class: what is bought, through which pipeline."""

    consumer: str
    name: str
    pipeline: str
    """Row of the payment matrix."""
    project: str
    demand: Demand

    @property
    def job_price(self) -> MicroUsd:
        """Price of one job, incentive included."""
        demand = self.demand
        return job_price(
            demand.unit_price_usd, demand.units_per_job, demand.incentive_usd
        )


@dataclass(frozen=True, slots=True)
class Scenario:
    """One economy to simulate."""

    params: Params
    simulation: Simulation
    sentiment: Sentiment
    services: tuple[Service, ...]
    suppliers: Mapping[str, Behaviour]
    """Behaviour by supplier kind, every kind of the payment matrix."""
    shocks: Mapping[str, tuple[str, Shock]]
    """Target and shock, by name."""
    start: Start
    """Where the books stand on the first morning."""

    @property
    def is_first_morning(self) -> bool:
        """Whether it starts where every economy of these settings starts."""
        return self.start == _first_morning(
            self.params, self.simulation, self.suppliers
        )

    @property
    def network_days(self) -> np.ndarray:
        """Number the days to simulate as the network does, from 0."""
        return self.start.day + np.arange(self.simulation.days)

    def demand_mean(self) -> np.ndarray:
        """Expect jobs, (day, service): trend or adoption, season, shocks."""
        day = self.network_days[:, None]
        trends = [_trend(each.demand, day) for each in self.services]
        return np.asarray(np.hstack(trends) * self._demand_shocks())

    def demand_noise(self) -> np.ndarray:
        """Give the standard deviation of jobs, (day, service): shocks change it too."""
        return self._demand_shocks() * [
            each.demand.noise / WAD for each in self.services
        ]

    def _demand_shocks(self) -> np.ndarray:
        """Give the factor on demand, (day, service)."""
        day = self.network_days[:, None]
        factor = np.ones((len(day), len(self.services)))
        for target, shock in self.shocks.values():
            struck = [
                target in ("all", each.consumer, f"{each.consumer}.{each.name}")
                for each in self.services
            ]
            factor[:, struck] *= _shock_factor(shock, day)
        return factor

    def sentiment_level(self) -> float:
        """
        Tell the dollars of sentiment that the first day moves on from.

        A constant is what the scenario says. What moves goes on from where it was on
        the last day, and begins where the scenario says.
        """
        constant = self.sentiment.model is SentimentModel.CONSTANT
        shock = float(self._sentiment_shock(np.array([self.start.day - 1]))[0])
        if constant or self.start.day == 0 or shock == 0.0:
            return float(self.sentiment.start_usd_per_day)
        return self.start.sentiment / shock

    def sentiment_shock(self) -> np.ndarray:
        """Give the factor on sentiment, by day."""
        return self._sentiment_shock(self.network_days)

    def _sentiment_shock(self, day: np.ndarray) -> np.ndarray:
        factor = np.ones(len(day))
        for target, shock in self.shocks.values():
            if target == "sentiment":
                factor *= _shock_factor(shock, day)
        return factor

    def noise_correlation(self) -> np.ndarray:
        """Correlate the noise of services, (service, service)."""
        within = self.simulation.noise_correlation_within / WAD
        between = self.simulation.noise_correlation_between / WAD
        consumers = np.array([each.consumer for each in self.services])
        same = consumers[:, None] == consumers
        matrix = np.where(same, within, between)
        np.fill_diagonal(matrix, 1.0)
        return matrix


def with_plain_names(tables: Mapping[str, object]) -> dict[str, object]:
    """Give governed variables and the like their plain names, whatever a file uses."""
    declaring = {**CHAPTERS, "simulation": Simulation, "sentiment": Sentiment}
    return {
        name: plain_names(declaring[name], table)
        if name in declaring and isinstance(table, Mapping)
        else table
        for name, table in tables.items()
    }


def read_scenario(
    tables: Mapping[str, object],
    *,
    wash_trading: bool = False,
    start: Start | None = None,
) -> Scenario:
    """
    Make a scenario from the tables of a document, from a start or the first morning.

    Refusals, in order of precedence: unknown tables, those of the parameters, those of
    single keys, references to what does not exist, a start that does not fit, a
    correlation that cannot be.
    """
    for name in tables:
        if name not in SECTIONS:
            raise unknown_key(name, SECTIONS, ())
    params = read_params(tables, wash_trading=wash_trading)
    simulation = read_table(Simulation, table_at(tables, "simulation"), ("simulation",))
    sentiment = read_table(Sentiment, table_at(tables, "sentiment"), ("sentiment",))
    services = _read_services(table_at(tables, "consumers"), params)
    suppliers = _read_suppliers(table_at(tables, "suppliers"), params)
    shocks = _read_shocks(table_at(tables, "shocks"))
    start = start or _first_morning(params, simulation, suppliers)
    scenario = Scenario(
        params, simulation, sentiment, services, suppliers, shocks, start
    )
    _check_shocks(scenario)
    check_fits(start, params)
    eigenvalues = np.linalg.eigvalsh(scenario.noise_correlation())
    if eigenvalues[0] < 1e-9:  # noqa: PLR2004 - what rounding leaves of zero
        raise Inconsistent(
            "no noise has these correlations (the matrix is not positive definite); "
            "bring noise_correlation_within and noise_correlation_between nearer to 0",
            ("simulation", "noise_correlation_between"),
        )
    return scenario


def _first_morning(
    params: Params, simulation: Simulation, suppliers: Mapping[str, Behaviour]
) -> Start:
    initial = [suppliers[kind].initial for kind in params.matrix.kinds]
    return first_morning(params, initial, simulation.initial_dollar_reserve_usd)


def _read_services(tables: Mapping[str, object], params: Params) -> tuple[Service, ...]:
    projects = tuple(each.name for each in params.projects)
    services = []
    for consumer in tables:
        by_name = table_at(tables, consumer, "consumers")
        check_name(consumer, ("consumers", consumer))
        for name in by_name:
            path = ("consumers", consumer, name)
            check_name(name, path)
            table = dict(table_at(by_name, name, "consumers", consumer))
            pipeline = _name_in(
                table.pop("pipeline", ""), params.matrix.rows, (*path, "pipeline")
            )
            project = _name_in(
                table.pop("project", projects[0] if projects else ""),
                projects,
                (*path, "project"),
            )
            demand = read_table(Demand, table, path)
            services.append(Service(consumer, name, pipeline, project, demand))
    if not services:
        raise Inconsistent(
            "nobody asks for anything: give at least one [consumers.CLASS.SERVICE]",
            ("consumers",),
        )
    return tuple(services)


def _read_suppliers(
    tables: Mapping[str, object], params: Params
) -> dict[str, Behaviour]:
    kinds = params.matrix.kinds
    for kind in tables:
        if kind not in kinds:
            raise unknown_key(kind, kinds, ("suppliers",))
    return {
        kind: read_table(
            Behaviour, table_at(tables, kind, "suppliers"), ("suppliers", kind)
        )
        for kind in kinds
    }


def _read_shocks(tables: Mapping[str, object]) -> dict[str, tuple[str, Shock]]:
    shocks = {}
    for name in tables:
        check_name(name, ("shocks", name))
        table = dict(table_at(tables, name, "shocks"))
        target = table.pop("target", "all")
        if not isinstance(target, str):
            path = ("shocks", name, "target")
            raise WrongType(f"{'.'.join(path)} is {target!r}; it must be a name", path)
        shocks[name] = (target, read_table(Shock, table, ("shocks", name)))
    return shocks


def _check_shocks(scenario: Scenario) -> None:
    targets = {"all", "sentiment"}
    for each in scenario.services:
        targets |= {each.consumer, f"{each.consumer}.{each.name}"}
    for name, (target, _) in scenario.shocks.items():
        _name_in(target, targets, ("shocks", name, "target"))


def _name_in(name: object, known: Iterable[str], path: tuple[str, ...]) -> str:
    if not isinstance(name, str):
        raise WrongType(f"{'.'.join(path)} is {name!r}; it must be a name", path)
    if name not in known:
        raise Inconsistent(
            f"{'.'.join(path)} is {name!r}; it must be one of "
            f"{', '.join(sorted(known)) or 'none: there are none'}",
            path,
        )
    return name


def _trend(demand: Demand, day: np.ndarray) -> np.ndarray:
    if demand.growth is Growth.LOGISTIC:
        steps = (day - demand.midpoint_day / WAD) * (demand.adoption_per_day / WAD)
        trend = demand.ceiling / WAD / (1.0 + np.exp(np.minimum(-steps, 700.0)))
    else:
        since = day - demand.start_day
        trend = np.maximum(demand.start / WAD + demand.slope / WAD * since, 0.0)
    turns = (day - demand.season_peak_day / WAD) / (demand.season_period_days / WAD)
    season = 1.0 + demand.season_amplitude / WAD * np.cos(2.0 * np.pi * turns)
    return np.asarray(trend * season)


def _shock_factor(shock: Shock, day: np.ndarray) -> np.ndarray:
    struck = (shock.day <= day) & (day < shock.day + shock.days)
    return np.where(struck, shock.factor / WAD, 1.0)
