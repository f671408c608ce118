"""
The jobs that wait, and why.

A job stands by its incentive, to which waiting adds so much an hour, then by arrival,
then by name. All jobs age alike, so that their order never changes: what counts is the
incentive less what a job that came earlier has gained by then.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any, Final, final

from coopera.errors import AlreadyExists, Busy, UnknownRecord
from coopera.service.scheduler.needs import (
    FILTERS,
    Lane,
    Need,
    Offer,
    Offers,
    Ranking,
    Why,
)
from coopera.service.scheduler.reference import suits
from coopera.units import AMOUNT_MAX, MICRO

WAITING_MAX: Final = 100_000
"""Jobs that may wait."""
HOUR: Final = 3600 * MICRO
"""In microseconds."""
CHUNK: Final = 256
"""Jobs of a chunk, at most."""

Place = tuple[int, int, str]
"""
Where a job stands, the smallest first: its deficit, arrival and name.

The deficit is less incentive, or later, in micro-USD times microseconds an hour.
"""


What = tuple[Any, ...]
"""What is needed of a resource of a kind, but for its price, name and standing."""


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
class Queue:
    """Jobs that wait, the best first."""

    def __init__(
        self,
        ageing: int,
        *,
        ranking: Ranking = Ranking(),  # noqa: B008 - frozen
        waiting_max: int = WAITING_MAX,
    ) -> None:
        """Let waiting add `ageing` micro-USD an hour to a job's incentive."""
        assert ageing >= 0, ageing
        self.ageing: Final = ageing
        self.ranking: Final = ranking
        self._waiting_max = waiting_max
        self._by_kind: dict[str, dict[What, _Alike]] = {}
        self._jobs: dict[str, Job] = {}

    def __len__(self) -> int:
        """Count the jobs."""
        return len(self._jobs)

    def __contains__(self, id_: object) -> bool:
        """Tell whether a job waits."""
        return id_ in self._jobs

    def __iter__(self) -> Iterator[Job]:
        """Go through the jobs, in no order."""
        return iter(self._jobs.values())

    @property
    def full(self) -> bool:
        """Tell whether no further job may wait."""
        return len(self._jobs) >= self._waiting_max

    def add(self, job: Job) -> None:
        """Let a job wait. Refuses with `AlreadyExists`, and with `Busy` if full."""
        if job.id in self._jobs:
            raise AlreadyExists(f"{job.id!r} waits already")
        if self.full:
            raise Busy(
                f"{self._waiting_max} jobs are waiting; send this one again later"
            )
        self._jobs[job.id] = job
        by_need = self._by_kind.setdefault(job.need.kind, {})
        alike = by_need.get(_what(job.need))
        if alike is None:
            alike = by_need[_what(job.need)] = _Alike(job.need)
        alike.add(self.place(job), job.need)

    def remove(self, id_: str) -> Job:
        """Take a job out. Refuses with `UnknownRecord`."""
        job = self.job(id_)
        by_need = self._by_kind[job.need.kind]
        alike = by_need[_what(job.need)]
        alike.remove(self.place(job), self._jobs)
        del self._jobs[id_]
        if not alike.chunks:
            del by_need[_what(job.need)]
            if not by_need:
                del self._by_kind[job.need.kind]
        return job

    def job(self, id_: str) -> Job:
        """Give a job. Refuses with `UnknownRecord`."""
        job = self._jobs.get(id_)
        if job is None:
            raise UnknownRecord(f"no job {id_!r} waits")
        return job

    def place(self, job: Job) -> Place:
        """Tell where a job stands, or would stand."""
        # {uUSD us/h} = {uUSD/h} * {us} - {uUSD} * {us/h}
        return self.ageing * job.arrived - job.incentive * HOUR, job.arrived, job.id

    def next_for(self, offer: Offer) -> Job | None:
        """
        Find the best job that a resource with a free slot could serve; it stays.

        Jobs that need the same are asked about once, and passed over in hundreds where
        they pay less than the resource asks.
        """
        assert offer.slots > 0, offer
        reputation = self.ranking.reputation(offer)
        best: Place | None = None
        for alike in self._by_kind.get(offer.kind, {}).values():
            first = alike.chunks[0].places[0]
            if (best is None or first < best) and suits(offer, alike.need):
                best = alike.first(offer, reputation, self._jobs, best)
        return None if best is None else self._jobs[best[2]]

    def suited(self, offer: Offer) -> list[What]:
        """List what is needed by jobs for which a resource is of the right kind."""
        by_need = self._by_kind.get(offer.kind, {})
        return [what for what, alike in by_need.items() if suits(offer, alike.need)]

    def following(
        self, kind: str, what: What, place: Place | None, price: int, reputation: int
    ) -> Job | None:
        """
        Find the next job after a place, of those that need the same.

        One that pays a price, and asks for no better reputation than there is.
        """
        alike = self._by_kind.get(kind, {}).get(what)
        found = (
            None if alike is None else alike.after(place, price, reputation, self._jobs)
        )
        return None if found is None else self._jobs[found[2]]

    def first(self, kind: str, most: int) -> list[Job]:
        """List the first jobs of a kind, in order."""
        places = (
            (place for chunk in alike.chunks for place in chunk.places)
            for alike in self._by_kind.get(kind, {}).values()
        )
        return [self._jobs[id_] for _, _, id_ in islice(merge(*places), most)]

    def ahead(self, job: Job) -> int:
        """Count the jobs of its kind that stand before one, or would."""
        place = self.place(job)
        by_need = self._by_kind.get(job.need.kind, {})
        return sum(alike.before(place) for alike in by_need.values())

    def why(self, id_: str, offers: Offers) -> WhyWaiting:
        """Say why a job waits. Refuses with `UnknownRecord`."""
        job = self.job(id_)
        return WhyWaiting(self.ahead(job), offers.why(job.need))


@dataclass(slots=True)
class _Chunk:
    """Some jobs, in order."""

    places: list[Place]
    price: int
    """None of them pays more."""
    reputation: int
    """None of them asks for less."""


@final
class _Alike:
    """Jobs that need the same of a resource but for its price, name and standing."""

    def __init__(self, need: Need) -> None:
        self.need: Final = need
        self.chunks: list[_Chunk] = []

    def add(self, place: Place, need: Need) -> None:
        at = min(self._chunk(place), len(self.chunks) - 1)
        if at < 0:
            self.chunks.append(_Chunk([place], need.price, need.min_reputation))
            return
        chunk = self.chunks[at]
        chunk.places.insert(bisect_left(chunk.places, place), place)
        chunk.price = max(chunk.price, need.price)
        chunk.reputation = min(chunk.reputation, need.min_reputation)
        if len(chunk.places) > CHUNK:
            half = len(chunk.places) // 2
            later = _Chunk(chunk.places[half:], chunk.price, chunk.reputation)
            del chunk.places[half:]
            self.chunks.insert(at + 1, later)

    def remove(self, place: Place, jobs: dict[str, Job]) -> None:
        """Take a place out; its job is still among the jobs."""
        at = self._chunk(place)
        chunk = self.chunks[at]
        del chunk.places[bisect_left(chunk.places, place)]
        if not chunk.places:
            del self.chunks[at]
            return
        gone = jobs[place[2]].need
        # What asks for no reputation seldom decides: it is not looked at each time.
        if gone.price == chunk.price or 0 < gone.min_reputation == chunk.reputation:
            needs = [jobs[id_].need for _, _, id_ in chunk.places]
            chunk.price = max(need.price for need in needs)
            chunk.reputation = min(need.min_reputation for need in needs)

    def first(
        self, offer: Offer, reputation: int, jobs: dict[str, Job], best: Place | None
    ) -> Place | None:
        """Find the first job that an offer could serve, or what is better yet."""
        for chunk in self.chunks:
            if best is not None and best < chunk.places[0]:
                break
            if chunk.price < offer.price or chunk.reputation > reputation:
                continue
            for place in chunk.places:
                if best is not None and best < place:
                    return best
                need = jobs[place[2]].need
                if (
                    offer.price <= need.price
                    and reputation >= need.min_reputation
                    and offer.id not in need.excluded
                    and offer.owner != need.not_owner
                ):
                    return place
        return best

    def after(
        self, place: Place | None, price: int, reputation: int, jobs: dict[str, Job]
    ) -> Place | None:
        """Find the first job after a place that pays so much, and asks no more."""
        at = 0 if place is None else self._chunk(place)
        for chunk in self.chunks[at:]:
            if chunk.price < price or chunk.reputation > reputation:
                continue
            places = chunk.places
            start = 0 if place is None else bisect_right(places, place)
            for i in range(start, len(places)):
                need = jobs[places[i][2]].need
                if need.price >= price and need.min_reputation <= reputation:
                    return places[i]
        return None

    def before(self, place: Place) -> int:
        """Count the jobs that stand before a place."""
        at = self._chunk(place)
        before = sum(len(chunk.places) for chunk in self.chunks[:at])
        if at < len(self.chunks):
            before += bisect_left(self.chunks[at].places, place)
        return before

    def _chunk(self, place: Place) -> int:
        """Find the first chunk that does not end before a place."""
        return bisect_left(self.chunks, place, key=_last)


def _last(chunk: _Chunk) -> Place:
    return chunk.places[-1]


def _what(need: Need) -> What:
    """Name what is needed of a resource, of the kind in question."""
    return (
        *(need.devices, need.count, need.memory_gib, need.regions, need.latency_ms),
        need.model,
    )


def why_no_jobs(
    offers: Offers, id_: str, needs: Sequence[Need], lane: Lane = Lane.REPUTATION
) -> WhyNoJobs:
    """
    Say why a resource got none of some jobs, by what they needed.

    Looks at every offer for each need that it could serve. Refuses with
    `UnknownRecord`.
    """
    busy, _ = offers.standing(id_)
    failures = [(need, offers.failed(id_, need, lane)) for need in needs]
    return WhyNoJobs(
        needs=len(needs),
        failed={name: sum(name in each for _, each in failures) for name in FILTERS},
        alone={name: sum(each == (name,) for _, each in failures) for name in FILTERS},
        ahead=tuple(
            offers.ahead(id_, need, lane)
            for need, each in failures
            if each in ((), ("slots",))
        ),
        full=busy >= offers.offer(id_).slots,
    )
