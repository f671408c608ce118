"""What the network does by itself when a moment has come."""

from collections.abc import Iterator, Sequence
from typing import Final

from coopera.protocol.holds import EXPIRED_MAX, ExpireHolds
from coopera.protocol.jobs import ExpireTask
from coopera.protocol.live import PAID_AT_ONCE, CloseDay, Payday, PayEarnings
from coopera.protocol.orders import (
    HELD,
    Audit,
    Job,
    TaskStage,
    task_name,
    task_place,
)
from coopera.protocol.state import PreState
from coopera.protocol.training import Round, ShareRound
from coopera.protocol.validation import ConcludeAudit
from coopera.protocol.vaults import CollectRevenue, paid_into

Due = tuple[str, str]
"""Kind and name of a record."""

PARTS_AT_ONCE: Final = 32
"""Parts of one payday that are paid at a look."""


def commands_due(pre: PreState, due: Sequence[Due], now: int) -> Iterator[object]:
    """
    List the commands for records that are due at a moment.

    The state may be ahead of the records: what is done already is not done again.
    """
    holds = [name for kind, name in due if kind == "hold"]
    for i in range(0, len(holds), EXPIRED_MAX):
        yield ExpireHolds(tuple(holds[i : i + EXPIRED_MAX]))
    for kind, name in due:
        if kind == "job":
            yield from _late_tasks(pre, name, now)
        elif kind == "day" and pre.economy().ends <= now:
            # Its close may have been done already, and not be written yet. What asks
            # for the token from outside is taken to be as on the day before.
            yield CloseDay(pre.economy().day, pre.epoch().sentiment)
            yield from _revenue(pre)
        elif kind == "payday":
            yield from _parts(pre, name)
        elif kind == "round":
            yield from _steps(pre, name)
        elif kind == "audit":
            job, index = task_place(name)
            found = pre.record(Job, job)
            # What a canary's outcome was, only the operator can say.
            if found is not None and not found.canary:
                yield ConcludeAudit(job, index)


def _revenue(pre: PreState) -> Iterator[CollectRevenue]:
    """Record, once a day, what vaults were paid."""
    vaults = {paid_into(path) for path, held in pre.balances().items() if held}
    yield from map(CollectRevenue, sorted(vaults - {""}))


def _parts(pre: PreState, name: str) -> Iterator[PayEarnings]:
    payday = pre.record(Payday, name)
    unpaid = payday.earners - payday.paid if payday else 0
    for _ in range(min(-(-unpaid // PAID_AT_ONCE), PARTS_AT_ONCE)):
        yield PayEarnings(name)


def _steps(pre: PreState, name: str) -> Iterator[ShareRound]:
    round_ = pre.record(Round, name)
    if round_ is None or round_.due is None:
        return
    left = 2 * round_.parts + 1 - round_.weighed - (round_.paid + 1)
    for _ in range(min(left, PARTS_AT_ONCE)):
        yield ShareRound(round_.training, round_.number)


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
            audit = pre.record(Audit, task_name(name, i))
            judged = audit is not None and not audit.over
            # A canary that nobody reveals is judged by nobody.
            lost = audit is not None and job.canary and audit.reveal_by <= now
            if task.stage is not TaskStage.DELIVERED or not judged or lost:
                yield ExpireTask(name, i)
