"""Why a task waits, and why a resource gets no jobs."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from coopera.errors import WrongStage
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.orders import TaskStage, find_task
from coopera.protocol.state import PreState
from coopera.protocol.supply import Resource, Stage, Track
from coopera.service.market.matching import Matching
from coopera.service.market.reading import offer_of, ranking_of, waiting_of
from coopera.service.scheduler.needs import FILTERS, Need, Why
from coopera.service.scheduler.reference import failed

LOOKED_AT: Final = 64
"""Needs that a resource is held against: of those waiting, and of those ordered."""


@dataclass(frozen=True, slots=True)
class WhyTaskWaits:
    """Why a task has no resource yet."""

    job: str
    task: int
    ahead: int
    """Tasks of its kind that stand before it."""
    held_back: bool
    """Whether it is not in the queue yet, for want of room."""
    late: bool
    """Whether it cannot be matched any more, since no time is left to accept."""
    offers: Why
    """What becomes of the offers, filter by filter."""


@dataclass(frozen=True, slots=True)
class WhyResourceIdles:
    """Why a resource has no more jobs than it has."""

    resource: str
    stage: Stage
    """Only one that is staked takes jobs."""
    dormant: bool
    """Whether it must be certified anew, since it had no job for so long."""
    idle_days: int
    """Days since its last job, or its certificate."""
    busy: int
    slots: int
    needs: int
    """Needs that it was held against: of those waiting, and of those ordered last."""
    met: int
    """Those of them that it could serve, if it had a slot and were offered."""
    failed: dict[str, int]
    """For each filter: needs that it would not have met."""
    alone: dict[str, int]
    """For each filter: needs that it would not have met for this reason alone."""
    ahead: tuple[int, ...]
    """For each need that it could serve: free resources that would get it before."""


def why_waiting(
    state: PreState, matching: Matching, name: str, index: int
) -> WhyTaskWaits:
    """
    Say why a task waits.

    Refusals, in order of precedence: those of `find_task`, `WrongStage` for one that
    has a resource.
    """
    job, task = find_task(state, name, index)
    if task.stage is not TaskStage.CREATED:
        whose = f" by {task.resource}" if task.resource else ""
        raise WrongStage(f"task {index} of job {name} is {task.stage.value}{whose}")
    waiting = waiting_of(job, index)
    return WhyTaskWaits(
        job=job.id,
        task=index,
        ahead=matching.queue.ahead(waiting),
        held_back=matching.holds_back(waiting.id),
        late=matching.is_late(state, waiting.id),
        offers=matching.offers.why(waiting.need),
    )


def why_no_jobs(
    state: PreState,
    params: Params,
    matching: Matching,
    name: str,
    ordered: Iterable[tuple[str, Need]],
) -> WhyResourceIdles:
    """
    Say why a resource gets no jobs.

    Those that wait are looked at, and those that were ordered last and found somebody.
    Looks at every offer for each different need that it could serve. Refuses with
    `UnknownRecord`.
    """
    resource = checks.existing(state, Resource, name)
    track = state.record(Track, name) or Track(name)
    day = state.economy().day
    waiting = matching.queue.first(resource.can.kind, LOOKED_AT)
    needs = [each.need for each in waiting]
    needs += [need for name, need in ordered if name not in matching.queue]
    ranking = ranking_of(params)
    offer = offer_of(resource, track, ranking)
    # Its slots are told apart: what it could serve if it had one is what counts.
    failures = [failed(offer, need, -1, ranking) for need in needs]
    ahead: dict[Need, int] = {}
    offered = name in matching.offers
    for need, each in zip(needs, failures, strict=True):
        if offered and not each and need not in ahead:
            ahead[need] = matching.offers.ahead(name, need)
    idle = day - track.active_day
    return WhyResourceIdles(
        resource=name,
        stage=resource.stage,
        dormant=idle > params.market.dormant_days,
        idle_days=idle,
        busy=track.busy,
        slots=resource.can.slots,
        needs=len(needs),
        met=sum(not each for each in failures),
        failed={f: sum(f in each for each in failures) for f in FILTERS},
        alone={f: sum(each == (f,) for each in failures) for f in FILTERS},
        ahead=tuple(ahead[need] for need in needs if need in ahead),
    )
