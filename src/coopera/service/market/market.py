"""The market: what follows from the books as they stand, command by command."""

from collections import deque
from collections.abc import Callable, Sequence
from random import SystemRandom
from typing import Final, final

import msgspec

from coopera.params import Params
from coopera.protocol.jobs import MatchTask
from coopera.protocol.orders import (
    Audit,
    Beacon,
    Job,
    JobStage,
    TaskStage,
    task_name,
    task_place,
)
from coopera.protocol.state import PreState, Record
from coopera.protocol.supply import Resource, Track
from coopera.service.market.judging import Canaries, Judging, Links
from coopera.service.market.matching import Matching
from coopera.service.market.reading import Load, load_few, need_of
from coopera.service.market.whys import (
    LOOKED_AT,
    WhyResourceIdles,
    WhyTaskWaits,
    why_no_jobs,
    why_waiting,
)
from coopera.service.scheduler.needs import Need
from coopera.store import Store

_chance: Final = SystemRandom().random
_decode_job: Final = msgspec.json.Decoder(Job).decode


@final
class Market:
    """
    What the network does about jobs by itself.

    It is told which records change, and asked which commands follow; it changes nothing
    in the books but by these. What it knows of them it can load again at any time.
    """

    def __init__(
        self,
        links: Links | None = None,
        canaries: Canaries | None = None,
        *,
        load: Load = load_few,
        random: Callable[[], float] = _chance,
    ) -> None:
        """
        Run without a link or canary where none are given.

        `load_few` is good for few offers; `load_many` needs the compiler.
        """
        self._matching = Matching(load, random)
        self._judging = Judging(links, canaries, random)
        self._changed: dict[str, None] = {}
        """Jobs to look at."""
        self._ordered: deque[tuple[str, Need]] = deque(maxlen=LOOKED_AT)
        """What was needed last, by tasks of these names."""
        self._described: dict[str, bool] = {}
        """Resources to look at, and whether at what they say of themselves."""
        self._beacon_changed = False
        self._params: Params | None = None

    @property
    def loaded(self) -> bool:
        """Tell whether it knows the books."""
        return self._params is not None

    @property
    def busy(self) -> bool:
        """Tell whether more may follow at once than it was asked for."""
        return self._matching.busy

    def load(self, store: Store, state: PreState, params: Params) -> None:
        """
        Learn what the books hold, and forget all else. Raises `StoreFailed`.

        What is in the state and not in the store yet, it has been told, or will be.
        """
        self._params = None
        self._matching.load(store, state, params)
        self._judging.load(state, params)
        jobs = [_decode_job(body) for body in store.open_records("job").values()]
        jobs.sort(key=lambda job: (job.ordered_at, job.id))
        self._ordered.clear()
        for job in jobs:
            self._look_at(state, job)
            if job.consumer:
                self._ordered += (
                    (task_name(job.id, index), need_of(job, task))
                    for index, task in enumerate(job.tasks)
                )
        self.state = state
        self._params = params

    def saw(self, records: Sequence[Record]) -> None:
        """Note which records have changed, to look at them before the next command."""
        for each in records:
            if isinstance(each, Track):
                self._described.setdefault(each.id, False)
            elif isinstance(each, Resource):
                self._described[each.id] = True
            elif isinstance(each, Job):
                self._changed[each.id] = None
            elif isinstance(each, Audit):
                self._changed[task_place(each.id)[0]] = None
            elif isinstance(each, Beacon):
                self._beacon_changed = True

    def follow(self, state: PreState, most: int) -> list[object]:
        """
        List the commands that follow from the state as it stands.

        They are given in this order, before anybody else's; then it is asked again,
        until nothing follows. So nobody acts between a link and what is drawn by it.
        Of tasks that could be matched, so many at most.
        """
        self.state = state
        described, self._described = self._described, {}
        for id_, each in described.items():
            self._matching.look_at(id_, described=each)
        changed, self._changed = self._changed, {}
        for id_ in changed:
            job = state.record(Job, id_)
            if job is not None:
                self._look_at(state, job)
        if self._beacon_changed:
            self._beacon_changed = False
            self._judging.beacon_changed()
        return self._judging.follow(state) or [*self._matching.follow(state, most)]

    def refused(self, command: object, refusal: Exception) -> None:
        """Learn that a command was not done."""
        if isinstance(command, MatchTask):
            self._matching.refused(command)
        else:
            self._judging.refused(command, refusal, self.state.now())

    def why_waiting(self, job: str, task: int) -> WhyTaskWaits:
        """Say why a task waits; see `whys.why_waiting`."""
        assert self._params is not None, "the books are not open"
        return why_waiting(self.state, self._matching, job, task)

    def why_no_jobs(self, resource: str) -> WhyResourceIdles:
        """Say why a resource gets no jobs; see `whys.why_no_jobs`."""
        assert self._params is not None, "the books are not open"
        return why_no_jobs(
            self.state, self._params, self._matching, resource, self._ordered
        )

    def _look_at(self, state: PreState, job: Job) -> None:
        """Let the tasks of a job wait for what they wait for now."""
        opened = job.stage is JobStage.OPEN
        whose = f"supplier:{job.consumer.partition(':')[2]}"
        for index, task in enumerate(job.tasks):
            name = task_name(job.id, index)
            if opened and job.consumer and task.stage is TaskStage.CREATED:
                new = self._matching.waits(job, index)
                if new and self.loaded and not (task.failed or task.declined):
                    self._ordered.append((name, need_of(job, task)))
            elif job.consumer:
                self._matching.leaves(name, whose)
            if opened and task.stage is TaskStage.DELIVERED:
                self._judging.delivered(state, job, index)
            else:
                self._judging.leaves(name)
