"""Resources and tasks of the books, as the scheduler knows them."""

from collections.abc import Callable, Iterator, Sequence
from typing import Final, TypeAlias, final

import msgspec

from coopera.params import Params
from coopera.protocol.orders import Job, Task, task_name
from coopera.protocol.supply import VALIDATOR, Resource, Stage, Track
from coopera.service.scheduler import queue
from coopera.service.scheduler.needs import (
    COUNT_MAX,
    Need,
    Offer,
    Offers,
    Ranking,
)
from coopera.service.scheduler.reference import Reference
from coopera.store import Store
from coopera.units import Wad

ROWS: Final = 2048
"""Resources that are read at a time."""


@final
class Activity:
    """Days on which resources had their last job, for those that are offered."""

    def __init__(self) -> None:
        # As lists, since a dictionary of a million names takes a second to make.
        self._ids: list[str] = []
        self._days: list[int] = []
        self._later: dict[str, int] = {}

    def note_all(self, ids: Sequence[str], days: Sequence[int]) -> None:
        """Take in many resources that are not known yet."""
        self._ids += ids
        self._days += days

    def note(self, id_: str, day: int) -> None:
        """Take in when a resource was active; the last time is what counts."""
        self._later[id_] = day

    def before(self, day: int) -> list[str]:
        """List those whose last job was before a day, and know of them no more."""
        later = self._later
        known = [
            (id_, at)
            for id_, at in zip(self._ids, self._days, strict=True)
            if id_ not in later
        ]
        found = [id_ for id_, at in (*known, *later.items()) if at < day]
        self._ids = [id_ for id_, at in known if at >= day]
        self._days = [at for _, at in known if at >= day]
        self._later = {id_: at for id_, at in later.items() if at >= day}
        return found


def ranking_of(params: Params) -> Ranking:
    """Rank as governance sets it."""
    rules = params.reputation
    return Ranking(
        rules.reputation_window_jobs,
        rules.reputation_prior_validated,
        rules.reputation_prior_failed,
    )


def is_offered(params: Params, day: int, resource: Resource, track: Track) -> bool:
    """Tell whether a resource takes jobs: staked, and not dormant."""
    return (
        resource.stage is Stage.STAKED
        and resource.can.kind != VALIDATOR
        and day - track.active_day <= params.market.dormant_days
    )


def offer_of(resource: Resource, track: Track, ranking: Ranking) -> Offer:
    """Offer a resource as it stands, with the last jobs that count."""
    can, outcomes = resource.can, track.outcomes[-ranking.window :]
    return Offer(
        id=resource.id,
        serial=resource.serial,
        owner=resource.owner,
        kind=can.kind,
        device=can.device,
        count=can.count,
        memory_gib=can.memory_gib,
        region=can.region,
        latency_ms=can.latency_ms,
        models=can.models,
        price=can.price,
        slots=can.slots,
        validated=outcomes.count("1"),
        completed=len(outcomes),
        total=track.total,
        outcomes=outcomes_of(outcomes),
    )


def outcomes_of(written: str) -> int:
    """
    Read outcomes as bits, the last one lowest.

    >>> bin(outcomes_of("0111")), outcomes_of("")
    ('0b111', 0)
    """
    return int(written or "0", 2)


def need_of(job: Job, task: Task) -> Need:
    """
    Say what a task needs.

    Numbers beyond those that a resource may have are cut: nothing meets them still.
    """
    need = task.need
    return Need(
        kind=need.kind,
        devices=need.devices,
        count=min(need.count, COUNT_MAX),
        memory_gib=min(need.memory_gib, COUNT_MAX),
        regions=need.regions,
        latency_ms=min(need.latency_ms, COUNT_MAX),
        model=need.model,
        price=task.ceiling,
        min_reputation=Wad(need.min_reputation),
        excluded=(*task.failed, *task.declined),
        not_owner=f"supplier:{job.consumer.partition(':')[2]}",
    )


def waiting_of(job: Job, index: int) -> queue.Job:
    """Let a task wait by the incentive of its job, from the order on."""
    return queue.Job(
        task_name(job.id, index),
        need_of(job, job.tasks[index]),
        job.incentive,
        job.ordered_at,
    )


_resources: Final = msgspec.json.Decoder(list[Resource]).decode
_tracks: Final = msgspec.json.Decoder(list[Track]).decode

Load: TypeAlias = Callable[[Store, Params, int, Activity], Offers]
"""Takes in the offers that the books hold on a day, and notes when each was active."""


def load_few(store: Store, params: Params, day: int, activity: Activity) -> Reference:
    """Load offers that are few. Raises `StoreFailed`."""
    ranking = ranking_of(params)
    offers = Reference(ranking)
    for found, followed in pages_of(store):
        track_of = {each.id: each for each in _tracks(followed)}
        for resource in _resources(found):
            track = track_of.get(resource.id)
            if track is not None and is_offered(params, day, resource, track):
                offers.add(offer_of(resource, track, ranking), track.busy)
                activity.note(resource.id, track.active_day)
    return offers


def pages_of(store: Store) -> Iterator[tuple[str, str]]:
    """Read resources and their tracks, some at a time, as JSON lists."""
    after = ""
    while until := store.page_end("resource", after, ROWS):
        yield (
            store.between("resource", after, until),
            store.between("track", after, until),
        )
        after = until
