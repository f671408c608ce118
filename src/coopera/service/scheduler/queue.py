"""
The jobs that wait, and why.

A job stands by its incentive, to which waiting adds so much a second, then by arrival.
All jobs age alike, so that their order never changes: what counts is the incentive less
what a job that came earlier has gained by then.
"""

from bisect import bisect_left, insort
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, final

from coopera.errors import AlreadyExists, Busy, UnknownRecord
from coopera.service.scheduler.index import Index
from coopera.service.scheduler.needs import FILTERS, Lane, Need, Offer, Ranking, Why
from coopera.service.scheduler.reference import failed
from coopera.units import AMOUNT_MAX, MICRO

WAITING_MAX: Final = 100_000
"""Jobs that may wait."""


@dataclass(frozen=True, slots=True)
class Job:
    """A job that waits for a resource."""

    id: str
    """Name, its own."""
    need: Need
    """What it needs."""
    incentive: int
    """What is paid on top of the price, in micro-USD."""
    arrived: int
    """When it came, in microseconds of any one clock."""

    def __post_init__(self) -> None:
        """Check that standings are exact."""
        assert 0 <= self.incentive <= AMOUNT_MAX, self


@dataclass(frozen=True, slots=True)
class WhyWaiting:
    """Why a job waits."""

    ahead: int
    """Jobs of its kind that stand before it."""
    offers: Why
    """What becomes of the offers."""


@dataclass(frozen=True, slots=True)
class WhyNoJobs:
    """Why a resource gets no jobs."""

    needs: int
    """Needs that were looked at."""
    failed: dict[str, int]
    """For each filter: needs that it would not have met."""
    alone: dict[str, int]
    """For each filter: needs that it would not have met for this reason alone."""
    ahead: tuple[int, ...]
    """For each need that it could serve, slots aside: free resources before it."""
    full: bool
    """Whether all its slots are taken now."""


@final
@dataclass(order=True, slots=True)
class _Standing:
    """Place of a job: the smallest is the first."""

    deficit: int
    """Less incentive, or later, in millionths of a micro-USD."""
    number: int
    """Order of arrival."""
    job: Job = field(compare=False)


@final
class Queue:
    """Jobs that wait, the best first."""

    def __init__(
        self,
        ageing: int,
        *,
        ranking: Ranking = Ranking(),  # noqa: B008 - frozen
        waiting_max: int = WAITING_MAX,
    ) -> None:
        """Let waiting add `ageing` micro-USD a second to a job's incentive."""
        assert ageing >= 0, ageing
        self.ageing: Final = ageing
        self._ranking = ranking
        self._waiting_max = waiting_max
        self._by_kind: dict[str, list[_Standing]] = {}
        self._standings: dict[str, _Standing] = {}
        self._arrivals = 0

    def __len__(self) -> int:
        """Count the jobs."""
        return len(self._standings)

    def __contains__(self, id_: str) -> bool:
        """Tell whether a job waits."""
        return id_ in self._standings

    def add(self, job: Job) -> None:
        """Let a job wait. Refuses with `AlreadyExists`, and with `Busy` if full."""
        if job.id in self._standings:
            raise AlreadyExists(f"{job.id!r} waits already")
        if len(self) >= self._waiting_max:
            raise Busy(
                f"{self._waiting_max} jobs are waiting; send this one again later"
            )
        # {1e-6 uUSD} = {uUSD} * {1e6} - {uUSD/s} * {us}
        worth = job.incentive * MICRO - self.ageing * job.arrived
        standing = _Standing(-worth, self._arrivals, job)
        self._arrivals += 1
        self._standings[job.id] = standing
        insort(self._by_kind.setdefault(job.need.kind, []), standing)

    def remove(self, id_: str) -> Job:
        """Take a job out. Refuses with `UnknownRecord`."""
        standing = self._standing(id_)
        del self._standings[id_]
        kind = standing.job.need.kind
        standings = self._by_kind[kind]
        del standings[bisect_left(standings, standing)]
        if not standings:
            del self._by_kind[kind]
        return standing.job

    def next_for(self, offer: Offer) -> Job | None:
        """
        Find the best job that a resource with a free slot could serve; it stays.

        Looks at the jobs of its kind in order, until one fits.
        """
        assert offer.slots > 0, offer
        for standing in self._by_kind.get(offer.kind, ()):
            if not failed(offer, standing.job.need, 0, self._ranking):
                return standing.job
        return None

    def why(self, id_: str, index: Index) -> WhyWaiting:
        """Say why a job waits. Refuses with `UnknownRecord`."""
        standing = self._standing(id_)
        need = standing.job.need
        return WhyWaiting(
            ahead=bisect_left(self._by_kind[need.kind], standing),
            offers=index.why(need),
        )

    def _standing(self, id_: str) -> _Standing:
        standing = self._standings.get(id_)
        if standing is None:
            raise UnknownRecord(f"no job {id_!r} waits")
        return standing


def why_no_jobs(
    index: Index, id_: str, needs: Sequence[Need], lane: Lane = Lane.REPUTATION
) -> WhyNoJobs:
    """
    Say why a resource got none of some jobs, by what they needed.

    Looks at every offer for each need that it could serve. Refuses with
    `UnknownRecord`.
    """
    full = index.busy(id_) >= index.offer(id_).slots
    failures = [(need, index.failed(id_, need, lane)) for need in needs]
    return WhyNoJobs(
        needs=len(needs),
        failed={name: sum(name in each for _, each in failures) for name in FILTERS},
        alone={name: sum(each == (name,) for _, each in failures) for name in FILTERS},
        ahead=tuple(
            index.ahead(id_, need, lane)
            for need, each in failures
            if each in ((), ("slots",))
        ),
        full=full,
    )
