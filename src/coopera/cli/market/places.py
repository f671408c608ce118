"""The task of a job that a command is for, and who owns what, where nobody said."""

from typing import TYPE_CHECKING

from coopera.cli.books.looking import Look
from coopera.cli.market.steps import owner_of
from coopera.errors import Malformed

if TYPE_CHECKING:
    from coopera.protocol.orders import Job, TaskStage


def place_of(job: "Job", place: int | None, stage: "TaskStage") -> int:
    """
    Find the one task at a stage, unless one is named; where there is none, the first.

    Refuses with `Malformed` where several are.
    """
    if place is not None:
        return place
    there = [i for i, task in enumerate(job.tasks) if task.stage is stage]
    if len(there) > 1:
        raise Malformed(
            f"job {job.id} has {len(there)} tasks that are {stage.value}; say which by "
            f"--task, one of {', '.join(map(str, there))}"
        )
    return there[0] if there else 0


def worker_of(look: Look, job: "Job", place: int) -> str:
    """Name who owns the resource that has a task; empty where none has it."""
    if not 0 <= place < len(job.tasks) or not job.tasks[place].resource:
        return ""
    return owner_of(look, job.tasks[place].resource)
