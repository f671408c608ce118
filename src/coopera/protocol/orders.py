"""What consumers have ordered: jobs, and the tasks that they are made of."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Final

from coopera.errors import UnknownRecord, WrongStage
from coopera.ledger import NEVER, account
from coopera.protocol import checks
from coopera.protocol.state import PreState
from coopera.units import MicroToken, MicroUsd

ESCROW: Final = account("escrow", "jobs")

SECOND: Final = 1_000_000
"""Microseconds."""
DAY: Final = 86_400 * SECOND
"""Microseconds."""
UNITS_MAX: Final = 1_000_000_000
"""Most units that one job's work is checked in."""


class JobStage(StrEnum):
    """Where a job stands as a whole."""

    OPEN = "open"
    SETTLED = "settled"
    REFUNDED = "refunded"
    """Called off: what was validated of it is paid, and the rest was given back."""


class TaskStage(StrEnum):
    """Where a task stands."""

    CREATED = "created"
    MATCHED = "matched"
    """A resource was found, and has a while to accept."""
    ACCEPTED = "accepted"
    """Its bond is held."""
    DELIVERED = "delivered"
    VALIDATED = "validated"
    CANCELLED = "cancelled"
    """Given up: the job was called off."""


HELD: Final = (TaskStage.MATCHED, TaskStage.ACCEPTED, TaskStage.DELIVERED)
"""Stages in which a resource has the task."""


@dataclass(frozen=True, slots=True)
class Need:
    """What a task needs of a resource; what is empty or zero does not matter."""

    kind: str
    """Column of the payment matrix."""
    devices: tuple[str, ...] = ()
    """Any of these types."""
    count: int = 0
    memory_gib: int = 0
    regions: tuple[str, ...] = ()
    """Any of these."""
    latency_ms: int = 0
    """At most."""
    model: str = ""
    min_reputation: int = 0
    """Fixed point."""


@dataclass(frozen=True, slots=True)
class Task:
    """One supplier's part of a job."""

    need: Need
    price: MicroUsd
    """Part of the job's price, before what the network withholds."""
    ceiling: MicroUsd
    """Most that a resource may ask for a unit."""
    stage: TaskStage = TaskStage.CREATED
    resource: str = ""
    certificate: int = 0
    """Of the resource, when it was matched."""
    bond: MicroToken = MicroToken(0)
    due: int = NEVER
    """Moment at which the stage is over, in microseconds since 1970."""
    root: str = ""
    """Merkle root of the work, in hexadecimal."""
    beacon: int = 0
    """Number of the beacon's last link when the work was delivered."""
    work: int = 0
    """Measured contribution, beside others of the same kind."""
    failed: tuple[str, ...] = ()
    """Resources that had it and failed."""
    declined: tuple[str, ...] = ()
    """Resources that did not want it."""

    @property
    def waits(self) -> bool:
        """Whether a resource has until `due` to do something."""
        return self.stage in (TaskStage.MATCHED, TaskStage.ACCEPTED)


@dataclass(frozen=True, slots=True)
class Job:
    """What a consumer has ordered."""

    id: str
    consumer: str
    """Who pays; nobody, for a test of a resource or of validators."""
    pipeline: str
    project: str
    price: MicroUsd
    incentive: MicroUsd
    """Part of the price that is bid to be served first."""
    units: int
    """Units that the work can be checked by."""
    deadline: int
    """Microseconds since 1970."""
    tasks: tuple[Task, ...]
    stage: JobStage = JobStage.OPEN
    canary: str = ""
    """Digest of the outcome, where it is known beforehand to test validators."""
    ordered_at: int = 0
    """Microseconds since 1970."""
    unit_price: MicroUsd = MicroUsd(0)
    """Of the service; cancelling costs a part of one unit at least."""

    @property
    def due(self) -> int | None:
        """
        Next moment at which something about it expires; none once it is over.

        One that is open and waits for no moment has `NEVER`, so that open jobs are
        found by it.
        """
        if self.stage is not JobStage.OPEN:
            return None
        moments = [task.due for task in self.tasks if task.stage in HELD]
        if any(task.stage is TaskStage.CREATED for task in self.tasks):
            moments.append(self.deadline)
        return min(moments, default=NEVER)

    @property
    def hold(self) -> str:
        """Name of the hold on its price."""
        return f"job:{self.id}"


@dataclass(frozen=True, slots=True)
class Earning:
    """What a resource has earned in a day, in parts of job prices; pay follows it."""

    id: str
    """Day, project, kind, and a number from 1."""
    resource: str
    units: int
    """Micro-dollars of income; for verdicts, micro-tokens of reward."""
    forfeited: bool = False
    """Lost with a fraud: the network keeps its pay."""


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one validator says of one piece of work."""

    resource: str
    certificate: int
    """With which it was drawn."""
    round: int
    bond: MicroToken = MicroToken(0)
    """What it loses of its stake if it is wrong, or silent."""
    digest: str = ""
    """Of the verdict and a salt; empty until it is committed to."""
    passed: bool | None = None
    """The verdict, once it is revealed."""


@dataclass(frozen=True, slots=True)
class Audit:
    """Check of one task's work, over all its rounds."""

    id: str
    """Job and place of the task."""
    seed: str
    """What chance drew with, in hexadecimal."""
    units: tuple[int, ...]
    """Units of the work to look at, from 0."""
    verdicts: tuple[Verdict, ...]
    commit_by: int
    """Microseconds since 1970."""
    reveal_by: int
    round: int = 1
    beacon: int = 0
    """Number of the beacon's last link when a later round was asked for."""
    over: bool = False

    @property
    def due(self) -> int | None:
        """Moment from which it can be concluded, whoever is silent."""
        return None if self.over else self.reveal_by

    @property
    def panel(self) -> tuple[Verdict, ...]:
        """Verdicts of the round that is under way; empty until it is drawn."""
        return tuple(each for each in self.verdicts if each.round == self.round)

    def has_spoken(self, now: int) -> bool:
        """Tell whether everybody of the panel has spoken, or may not any more."""
        said = all(each.passed is not None for each in self.panel if each.digest)
        return now >= self.reveal_by or (now >= self.commit_by and said)


@dataclass(frozen=True, slots=True)
class Beacon:
    """
    Randomness that nobody can choose: a chain of hashes that is revealed backwards.

    Each link is the SHA-256 of the next one, so that the operator, who made the chain,
    was bound before there was anything to draw for.
    """

    id: str
    number: int = 0
    """Links that were revealed."""
    link: str = ""
    """The last one, in hexadecimal; before the first, what it must hash to."""
    anchor: str = ""
    """What the first link of a chain to come hashes to; empty where none is to come."""
    announced: int = 0
    """Links that were revealed when that was announced."""


@dataclass(frozen=True, slots=True)
class Link:
    """A link of the beacon's chain, by its number."""

    id: str
    link: str
    """Empty where a chain was abandoned: the next one decides."""


def first_link(link: Callable[[str], Link | None], after: int) -> Link | None:
    """Find the first link after another that decides, however late it is revealed."""
    number = after + 1
    found = link(str(number))
    while found is not None and not found.link:
        number += 1
        found = link(str(number))
    return found


def task_name(job: str, index: int) -> str:
    """Name a task of a job, as its audit is named."""
    return f"{job}:{index}"


def task_place(name: str) -> tuple[str, int]:
    """Split the name of a task into its job, and its place among the tasks."""
    job, _, index = name.rpartition(":")
    return job, int(index)


def find_task(pre: PreState, name: str, index: int) -> tuple[Job, Task]:
    """
    Find a task of an open job.

    Refusals, in order of precedence: `UnknownRecord`, those of the place, `WrongStage`
    for a job that is over.
    """
    job = checks.existing(pre, Job, name)
    place = checks.count("task", index)
    if place >= len(job.tasks):
        raise UnknownRecord(f"job {name} has no task {place}; they count from 0")
    if job.stage is not JobStage.OPEN:
        raise WrongStage(f"job {name} is {job.stage.value}; only an open one goes on")
    return job, job.tasks[place]


def task_at(pre: PreState, name: str, index: int, stage: TaskStage) -> tuple[Job, Task]:
    """Find a task at a stage. Refuses as `find_task`, then `WrongStage`."""
    job, task = find_task(pre, name, index)
    if task.stage is not stage:
        raise WrongStage(
            f"task {index} of job {name} is {task.stage.value}; it must be "
            f"{stage.value}"
        )
    return job, task


def with_task(job: Job, index: int, task: Task) -> Job:
    """Change one task of a job."""
    return replace(job, tasks=(*job.tasks[:index], task, *job.tasks[index + 1 :]))


def opened_again(
    task: Task, *, failed: tuple[str, ...] = (), declined: tuple[str, ...] = ()
) -> Task:
    """Open a task for another resource."""
    return Task(
        task.need,
        task.price,
        task.ceiling,
        failed=failed or task.failed,
        declined=declined or task.declined,
    )
