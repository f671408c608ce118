"""Resources and tasks of the books, as the scheduler knows them."""

from collections.abc import Iterator, Sequence
from operator import attrgetter
from typing import Final, final

import msgspec
from msgspec.structs import astuple

from coopera.params import Params
from coopera.protocol.orders import Job, Task, task_name
from coopera.protocol.supply import VALIDATOR, Resource, Stage, Track
from coopera.service.scheduler import queue
from coopera.service.scheduler.needs import (
    COUNT_MAX,
    Need,
    Offer,
    Ranking,
    Table,
)
from coopera.store import Store
from coopera.units import Wad

ROWS: Final = 512
"""Resources that are read at a time: few, so that they are still in the processor's
cache when they are used."""


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


def offer_of(resource: Resource, track: Track) -> Offer:
    """Offer a resource as it stands."""
    can = resource.can
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
        validated=track.validated,
        completed=len(track.outcomes),
        total=track.total,
        outcomes=outcomes_of(track.outcomes),
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


class _Can(msgspec.Struct, gc=False):
    """As `supply.Capability`."""

    kind: str
    device: str
    count: int
    memory_gib: int
    region: str
    latency_ms: int
    models: msgspec.Raw
    price: int
    slots: int


class _Resource(msgspec.Struct, gc=False):
    """What an offer has of a `supply.Resource`."""

    id: str
    serial: int
    owner: str
    can: _Can
    stage: str


class _Track(msgspec.Struct, gc=False):
    """What an offer has of a `supply.Track`."""

    id: str
    outcomes: str
    total: int
    busy: int
    active_day: int


_resources: Final = msgspec.json.Decoder(list[_Resource]).decode
_tracks: Final = msgspec.json.Decoder(list[_Track]).decode
models_of: Final = msgspec.json.Decoder(tuple[str, ...]).decode
"""Reads the models in a table of `offers_of`."""
_can_of: Final = attrgetter("can")
_STAKED: Final = Stage.STAKED.value


class _Outcomes(dict[str, int]):
    """Outcomes, read once each: most resources have those of many others."""

    def __missing__(self, written: str) -> int:
        """Read outcomes that are met for the first time."""
        read = self[written] = outcomes_of(written)
        return read


def offers_of(
    store: Store, params: Params, day: int, activity: Activity
) -> Iterator[Table]:
    """
    Read all offers that the books hold, some at a time, in columns.

    Notes when each was active. Raises `StoreFailed`.
    """
    outcomes = _Outcomes()
    earliest = day - params.market.dormant_days
    after = ""
    while page := store.page("resource", after, most=ROWS):
        before, (after, resources) = after, page
        _, tracks = store.page("track", before, until=after, most=ROWS) or ("", "[]")
        track_of = {each.id: each for each in _tracks(tracks)}
        offered = [
            (each, track)
            for each in _resources(resources)
            if each.stage == _STAKED
            and each.can.kind != VALIDATOR
            and (track := track_of.get(each.id)) is not None
            and track.active_day >= earliest
        ]
        if offered:
            given, kept = zip(*offered, strict=True)
            cans = zip(*map(astuple, map(_can_of, given)), strict=True)
            can = dict(zip(_Can.__struct_fields__, cans, strict=True))
            _, written, total, busy, active = zip(*map(astuple, kept), strict=True)
            ids = [each.id for each in given]
            activity.note_all(ids, active)
            yield {
                "id": ids,
                "serial": [each.serial for each in given],
                "owner": [each.owner for each in given],
                **can,
                "models": list(map(bytes, can["models"])),
                "completed": list(map(len, written)),
                "total": total,
                "outcomes": list(map(outcomes.__getitem__, written)),
                "busy": busy,
            }
