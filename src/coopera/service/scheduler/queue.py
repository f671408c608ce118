"""
The jobs that wait.

A job stands by its incentive, to which waiting adds so much an hour, then by arrival,
then by name. All jobs age alike, so that their order never changes: what counts is the
incentive less what a job that came earlier has gained by then.

Jobs that need the same stand together. A resource is held against each need once, and
against a hundred thousand of them at once: orders that nobody can serve are in nobody's
way, however different they are.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator
from dataclasses import dataclass
from heapq import merge
from itertools import islice
from typing import Any, Final, final

import numpy as np

from coopera.errors import AlreadyExists, UnknownRecord
from coopera.service.scheduler.needs import COUNT_MAX, Need, Offer
from coopera.service.scheduler.reference import suits
from coopera.units import AMOUNT_MAX, MICRO

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


@final
class Queue:
    """Jobs that wait, the best first."""

    def __init__(self, ageing: int) -> None:
        """Let waiting add `ageing` micro-USD an hour to a job's incentive."""
        assert ageing >= 0, ageing
        self.ageing: Final = ageing
        self._by_kind: dict[str, _Wanted] = {}
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

    def add(self, job: Job) -> None:
        """Let a job wait. Refuses with `AlreadyExists`."""
        if job.id in self._jobs:
            raise AlreadyExists(f"{job.id!r} waits already")
        self._jobs[job.id] = job
        wanted = self._by_kind.get(job.need.kind)
        if wanted is None:
            wanted = self._by_kind[job.need.kind] = _Wanted()
        wanted.alike(job.need).add(self.place(job), job.need)

    def remove(self, id_: str) -> Job:
        """Take a job out. Refuses with `UnknownRecord`."""
        job = self.job(id_)
        wanted = self._by_kind[job.need.kind]
        alike = wanted.alike(job.need)
        alike.remove(self.place(job), self._jobs)
        del self._jobs[id_]
        if not alike.chunks:
            wanted.forget(alike)
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

    def suited(self, offer: Offer) -> list[What]:
        """List what is needed by jobs for which a resource is of the right kind."""
        wanted = self._by_kind.get(offer.kind)
        return [] if wanted is None else wanted.suited(offer)

    def following(
        self, kind: str, what: What, place: Place | None, price: int, reputation: int
    ) -> Job | None:
        """
        Find the next job after a place, of those that need the same.

        One that pays a price, and asks for no better reputation than there is.
        """
        wanted = self._by_kind.get(kind)
        alike = None if wanted is None else wanted.by_what.get(what)
        found = (
            None if alike is None else alike.after(place, price, reputation, self._jobs)
        )
        return None if found is None else self._jobs[found[2]]

    def first(self, kind: str, most: int) -> list[Job]:
        """List the first jobs of a kind, in order."""
        places = (
            (place for chunk in alike.chunks for place in chunk.places)
            for alike in self._of_kind(kind)
        )
        return [self._jobs[id_] for _, _, id_ in islice(merge(*places), most)]

    def ahead(self, job: Job) -> int:
        """Count the jobs of its kind that stand before one, or would."""
        place = self.place(job)
        return sum(alike.before(place) for alike in self._of_kind(job.need.kind))

    def _of_kind(self, kind: str) -> "Iterator[_Alike]":
        if kind in self._by_kind:
            yield from self._by_kind[kind].by_what.values()


_GROUP: Final = np.dtype(
    [
        ("devices", "u8"),
        ("regions", "u8"),
        ("model", "i8"),
        ("count", "i8"),
        ("memory", "i8"),
        ("latency", "i8"),
        ("used", "?"),
    ]
)
"""A need in numbers: words by their hashes, so that some may pass that do not suit."""
_ANYTHING: Final = 2**64 - 1
_ANY_MODEL: Final = 0


@final
class _Wanted:
    """Jobs of a kind, by what they need."""

    def __init__(self) -> None:
        self.by_what: dict[What, _Alike] = {}
        self._rows: list[_Alike] = []
        """By their rows in the table; in those that are not used are old ones."""
        self._unused: list[int] = []
        self._table = np.zeros(16, _GROUP)

    def alike(self, need: Need) -> "_Alike":
        """Give the jobs that need the same, if only this one."""
        what = _what(need)
        alike = self.by_what.get(what)
        if alike is not None:
            return alike
        row = self._unused.pop() if self._unused else len(self._rows)
        alike = self.by_what[what] = _Alike(need, row)
        if row < len(self._rows):
            self._rows[row] = alike
        else:
            self._rows.append(alike)
            if row == len(self._table):
                self._table = np.concatenate([self._table, np.zeros(row, _GROUP)])
        self._table[row] = (
            sum({_bit(each) for each in need.devices}) or _ANYTHING,
            sum({_bit(each) for each in need.regions}) or _ANYTHING,
            hash(need.model) if need.model else _ANY_MODEL,
            *(need.count, need.memory_gib, need.latency_ms or COUNT_MAX, True),
        )
        return alike

    def forget(self, alike: "_Alike") -> None:
        """Let go of a need that no job has any more."""
        del self.by_what[_what(alike.need)]
        self._table[alike.row]["used"] = False
        self._unused.append(alike.row)

    def suited(self, offer: Offer) -> list[What]:
        """List the needs that a resource meets, at whatever price."""
        table = self._table[: len(self._rows)]
        models = [_ANY_MODEL, *map(hash, offer.models)]
        device, region = np.uint64(_bit(offer.device)), np.uint64(_bit(offer.region))
        passed = (
            table["used"]
            & (table["count"] <= offer.count)
            & (table["memory"] <= offer.memory_gib)
            & (table["latency"] >= offer.latency_ms)
            & (table["devices"] & device != 0)
            & (table["regions"] & region != 0)
            & np.isin(table["model"], models)
        )
        return [
            _what(need)
            for row in np.flatnonzero(passed).tolist()
            if suits(offer, need := self._rows[row].need)
        ]


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

    def __init__(self, need: Need, row: int) -> None:
        self.need: Final = need
        self.row: Final = row
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


def _bit(word: str) -> int:
    """Give the bit of a word, which it shares with others."""
    return 1 << hash(word) % 64
