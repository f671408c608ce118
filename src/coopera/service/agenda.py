"""What the network does by itself when a moment has come."""

from collections.abc import Iterator, Sequence

from coopera.protocol.holds import EXPIRED_MAX, ExpireHolds
from coopera.protocol.jobs import ExpireTask
from coopera.protocol.live import CloseDay, PayEarnings
from coopera.protocol.orders import HELD, Job, TaskStage
from coopera.protocol.state import PreState
from coopera.protocol.validation import ConcludeAudit

Due = tuple[str, str]
"""Kind and name of a record."""


def commands_due(pre: PreState, due: Sequence[Due], now: int) -> Iterator[object]:
    """List the commands for records that are due at a moment."""
    holds = [name for kind, name in due if kind == "hold"]
    for i in range(0, len(holds), EXPIRED_MAX):
        yield ExpireHolds(tuple(holds[i : i + EXPIRED_MAX]))
    for kind, name in due:
        if kind == "job":
            yield from _late_tasks(pre, name, now)
        elif kind == "day" and pre.economy().ends <= now:
            # Its close may have been done already, and not be written yet.
            yield CloseDay(pre.economy().day)
        elif kind == "payday":
            yield PayEarnings(name)
        elif kind == "audit":
            job, _, task = name.rpartition(":")
            found = pre.record(Job, job)
            # What a canary's outcome was, only the operator can say.
            if found is not None and not found.canary:
                yield ConcludeAudit(job, int(task))


def _late_tasks(pre: PreState, name: str, now: int) -> Iterator[ExpireTask]:
    job = pre.record(Job, name)
    if job is None or job.due is None or job.due > now:
        return
    for i, task in enumerate(job.tasks):
        if task.stage is TaskStage.CREATED and job.deadline <= now:
            # It refunds the job, and with it all other tasks.
            yield ExpireTask(name, i)
            return
        if task.stage in HELD and task.due <= now:
            yield ExpireTask(name, i)
