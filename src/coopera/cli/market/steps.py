"""Who is awaited to do what about a task, by which command, and until when."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

from coopera.cli.books.looking import Look
from coopera.cli.books.options import OPERATOR

if TYPE_CHECKING:
    from coopera.protocol.orders import Audit, Job


class Step(NamedTuple):
    """What is awaited next."""

    who: str
    """Operator, or the member that owns what has to do it."""
    resource: str
    """That has to do it; empty for the operator."""
    what: str
    command: str
    """Of the command line."""
    until: int | None
    """Microseconds since 1970; nothing where nothing happens by itself."""

    @property
    def told(self) -> dict[str, Any]:
        """The step for programs."""
        return self._asdict()

    def said(self, now: int) -> str:
        """Say it in a line."""
        from coopera.ledger import in_utc

        by = f" by {in_utc(self.until)}" if self.until else ""
        late = ", which is over" if self.until and self.until <= now else ""
        return f"{self.who}: {self.what}{by}{late}: {self.command}"


def steps_of(look: Look, job: "Job", place: int, now: int) -> Sequence[Step]:
    """List who is awaited for a task; several while validators are to speak."""
    from coopera.protocol.orders import JobStage

    if job.stage is not JobStage.OPEN:
        return ()
    return tuple(_steps(look, job, place, now))


def audit_of(look: Look, job: "Job", place: int) -> "Audit | None":
    """Find the audit of a task that is under way, or was the last one."""
    from coopera.protocol.orders import Audit

    return look.record(Audit, f"{job.id}:{place}")


def owner_of(look: Look, resource: str) -> str:
    """Name who owns a resource."""
    from coopera.protocol.supply import Resource

    return look.existing(Resource, resource).owner


def _steps(look: Look, job: "Job", place: int, now: int) -> Iterator[Step]:
    from coopera.protocol.orders import TaskStage

    task = job.tasks[place]
    here = f"{job.id} --task {place}"
    match task.stage:
        case TaskStage.CREATED:
            what = "match it to a resource"
            command = f"coopera job match {job.id} RESOURCE --task {place}"
            yield Step(OPERATOR, "", what, command, job.deadline)
        case TaskStage.MATCHED:
            owner = owner_of(look, task.resource)
            what = "accept or decline it"
            command = f"coopera job accept {here}"
            yield Step(owner, task.resource, what, command, task.due)
        case TaskStage.ACCEPTED:
            owner = owner_of(look, task.resource)
            command = f"coopera job deliver {here} --file PATH"
            yield Step(owner, task.resource, "deliver the work", command, task.due)
        case TaskStage.DELIVERED:
            audit = audit_of(look, job, place)
            if audit is None or audit.over:
                yield _draw(look, job, place, task.beacon, task.due)
            elif not audit.panel and now < audit.reveal_by:
                yield _draw(look, job, place, audit.beacon, audit.reveal_by)
            else:
                yield from _verdicts(look, job, place, audit, now)


def _draw(look: Look, job: "Job", place: int, last: int, until: int | None) -> Step:
    """Say what the draw of validators waits for, by the last link that was known."""
    from coopera.protocol.books import CURRENT
    from coopera.protocol.orders import Beacon, Link, first_link

    if look.record(Beacon, CURRENT) is None:
        what, command = "open a beacon", "coopera beacon open FILE"
        return Step(OPERATOR, "", what, command, until)
    if first_link(partial(look.record, Link), last) is None:
        what, command = "reveal the beacon's next link", "coopera beacon next FILE"
        return Step(OPERATOR, "", what, command, until)
    command = f"coopera verdict draw {job.id} --task {place}"
    return Step(OPERATOR, "", "draw validators", command, until)


def _verdicts(
    look: Look, job: "Job", place: int, audit: "Audit", now: int
) -> Iterator[Step]:
    """Say whose verdicts are awaited; without any, the audit can be concluded."""
    here = f"{job.id} --task {place}"
    awaited = False
    for each in audit.panel:
        owner = owner_of(look, each.resource)
        command = f"{here} --validator {each.resource} --pass|--fail"
        if now < audit.commit_by and not each.digest:
            awaited = True
            what, command = "commit to a verdict", f"coopera verdict commit {command}"
            yield Step(owner, each.resource, what, command, audit.commit_by)
        elif (
            audit.commit_by <= now < audit.reveal_by
            and each.digest
            and each.passed is None
        ):
            awaited = True
            what, command = "reveal its verdict", f"coopera verdict reveal {command}"
            yield Step(owner, each.resource, what, command, audit.reveal_by)
    if awaited:
        return
    if job.canary:
        command = f"coopera do reveal_canary id={job.id} passed=true|false salt=HEX"
        yield Step(OPERATOR, "", "say what its outcome had to be", command, None)
        if now >= audit.reveal_by:
            what = "or end it without, where that is lost"
            command = f"coopera do expire_task job={job.id} task={place}"
            yield Step(OPERATOR, "", what, command, None)
    else:
        what, command = "conclude the audit", f"coopera verdict conclude {here}"
        yield Step(OPERATOR, "", what, command, audit.reveal_by)
