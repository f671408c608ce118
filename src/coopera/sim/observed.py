"""
Demand as the books saw it: what a network asks for, where nobody tells.

Every pipeline of every project is a service. Its jobs a day are constant, or follow a
straight line where the days are enough to tell one from chance; what is left is noise.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, Final

import numpy as np

from coopera.sim.start import Start
from coopera.units import MICRO, unscaled

TREND_DAYS_MIN: Final = 14
"""Fewest days that may show a trend: two weeks, so that a weekday is none."""

TREND_ERRORS_MIN: Final = 3.0
"""Standard errors that a slope must be away from nothing."""

DAY_MAX: Final = 36_500
"""Latest day that a scenario's trend may start on."""

INITIAL_MAX: Final = 1_000_000
"""Most suppliers of a kind that a scenario takes."""


@dataclass(frozen=True, slots=True)
class Sold:
    """Jobs of one pipeline of one project on a day."""

    jobs: int = 0
    """Failed ones among them."""
    failed: int = 0
    worth: int = 0
    """Micro-dollars: the prices of all."""

    def __add__(self, other: "Sold") -> "Sold":
        """Add jobs up."""
        return Sold(
            self.jobs + other.jobs,
            self.failed + other.failed,
            self.worth + other.worth,
        )


@dataclass(frozen=True, slots=True)
class DaySeen:
    """A day as the books closed it."""

    day: int
    sentiment: int
    """Micro-dollars that asked for the token from outside."""
    sold: Mapping[tuple[str, str], Sold] = field(default_factory=dict)
    """By project and pipeline."""


@dataclass(frozen=True, slots=True)
class Seen:
    """Demand for a pipeline of a project, as it was read off the days."""

    project: str
    pipeline: str
    price: Decimal
    """Mean price of a job, in dollars."""
    jobs: Decimal
    """Mean jobs a day."""
    start: Decimal
    """Jobs on the next day, by the line."""
    slope: Decimal
    """Jobs that the line gains every day; 0 where they are constant."""
    noise: Decimal
    """Standard deviation of a day's jobs from the line."""


@dataclass(frozen=True, slots=True)
class Observed:
    """What the last days showed."""

    days: int
    next_day: int
    """Number of the day after them."""
    services: tuple[Seen, ...]
    failure_rate: Decimal
    """Part of the jobs that failed."""
    sentiment: Decimal
    """Mean of the days, in dollars."""

    def tables(self, start: Start) -> dict[str, Any]:
        """Write the tables of a scenario: suppliers stay as many as they are."""
        consumers: dict[str, dict[str, Any]] = {}
        for each in self.services:
            consumers.setdefault(each.project, {})[each.pipeline] = {
                "pipeline": each.pipeline,
                "project": each.project,
                "unit_price_usd": each.price,
                "start": each.start,
                "start_day": min(self.next_day, DAY_MAX),
                "slope": each.slope,
                "noise": each.noise,
            }
        return {
            "simulation": {"failure_rate": self.failure_rate},
            "sentiment": {"model": "constant", "start_usd_per_day": self.sentiment},
            "consumers": consumers,
            "suppliers": {
                kind: {
                    "initial": min(present.count, INITIAL_MAX),
                    "entry_rate_max": 0,
                    "exit_rate_max": 0,
                }
                for kind, present in start.suppliers.items()
            },
        }


def observe(days: Sequence[DaySeen]) -> Observed:
    """Read demand, prices and sentiment off the days, of which there is one or more."""
    assert days
    next_day = days[-1].day + 1
    places = sorted({place for each in days for place in each.sold})
    services = [_seen(days, place, next_day) for place in places]
    whole = sum((sold for each in days for sold in each.sold.values()), Sold())
    return Observed(
        days=len(days),
        next_day=next_day,
        services=tuple(each for each in services if each is not None),
        failure_rate=_rounded(whole.failed / max(whole.jobs, 1)),
        sentiment=_rounded(sum(each.sentiment for each in days) / len(days) / MICRO),
    )


def _seen(
    days: Sequence[DaySeen], place: tuple[str, str], next_day: int
) -> Seen | None:
    sold = [each.sold.get(place, Sold()) for each in days]
    whole = sum(sold, Sold())
    if not whole.jobs:
        return None
    numbers = np.array([each.day - next_day for each in days], float)
    jobs = np.array([each.jobs for each in sold], float)
    start, slope, noise = _line(numbers, jobs)
    return Seen(
        *place,
        price=unscaled(max(1, round(whole.worth / whole.jobs)), MICRO),
        jobs=_rounded(float(jobs.mean())),
        start=_rounded(start),
        slope=_rounded(slope),
        noise=_rounded(noise),
    )


def _line(days: np.ndarray, jobs: np.ndarray) -> tuple[float, float, float]:
    """Fit a line, or a constant: its value on day 0, its slope, the noise around it."""
    count = len(days)
    constant = float(jobs.mean()), 0.0, float(jobs.std(ddof=1)) if count > 1 else 0.0
    if count < TREND_DAYS_MIN:
        return constant
    apart = days - days.mean()
    spread = float((apart**2).sum())
    slope = float((apart * jobs).sum()) / spread
    start = float(jobs.mean()) - slope * float(days.mean())
    left = jobs - start - slope * days
    noise = float(np.sqrt((left**2).sum() / (count - 2)))
    sure = abs(slope) > TREND_ERRORS_MIN * noise / np.sqrt(spread)
    return (max(start, 0.0), slope, noise) if sure else constant


def _rounded(value: float) -> Decimal:
    return round(Decimal(value), 6).normalize() + 0
