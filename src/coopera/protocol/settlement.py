"""What follows from the outcome of a task: reputation, bonds, pay, refunds."""

from dataclasses import replace
from typing import Final

from coopera.formulas import bonding
from coopera.formulas.allocation import largest_remainder
from coopera.ledger import NEVER, Account, Hold, HoldStatus, account
from coopera.params import Params
from coopera.params.chapters import SlashDestination
from coopera.protocol import checks
from coopera.protocol.accounts import (
    BONDS,
    BURNED,
    FLOAT,
    HELD_TOKEN,
    HELD_USD,
    OPERATIONS,
    VALIDATORS,
)
from coopera.protocol.charge import Charge
from coopera.protocol.draft import Draft
from coopera.protocol.holds import given_back
from coopera.protocol.orders import (
    HELD,
    SECOND,
    Audit,
    Earning,
    Job,
    JobStage,
    Task,
    TaskStage,
    opened_again,
    with_task,
)
from coopera.protocol.state import PreState
from coopera.protocol.supply import (
    VALIDATOR,
    Resource,
    Roll,
    Track,
    certified,
    token_price,
)
from coopera.units import MicroToken

VERDICTS: Final = f"-:{VALIDATOR}"
"""What validators earn in; a project cannot have that name."""


def pass_task(
    draft: Draft, pre: PreState, params: Params, job: Job, index: int
) -> None:
    """Take a task as validated; the last one of a job settles it."""
    task = job.tasks[index]
    _give_bond_back(draft, task)
    if job.consumer:
        note_outcome(draft, pre, params, task.resource, validated=True)
    elif task.resource:
        free(draft, task.resource)
    passed = replace(task, stage=TaskStage.VALIDATED, bond=MicroToken(0))
    job = with_task(job, index, passed)
    if not all(each.stage is TaskStage.VALIDATED for each in job.tasks):
        draft.put(job)
        return
    if job.consumer:
        _settle(draft, pre, params, job)
    elif not job.canary:
        resource = draft.existing(Resource, task.resource)
        track = draft.existing(Track, task.resource)
        # A certificate that was revoked meanwhile is not brought back.
        if resource.certificate == task.certificate:
            for record in certified(pre, resource, track, task.root):
                draft.put(record)
    draft.put(replace(job, stage=JobStage.SETTLED))


def fail_task(
    draft: Draft, pre: PreState, params: Params, job: Job, index: int, *, fraud: bool
) -> None:
    """
    Take a task as failed: another resource gets it, or the consumer its money back.

    The bond is lost with a fraud alone.
    """
    task = job.tasks[index]
    if fraud:
        slash(draft, pre, params, task.bond, job.consumer)
        if job.consumer:
            _forfeit(draft, task.resource)
    else:
        _give_bond_back(draft, task)
    if job.consumer:
        note_outcome(draft, pre, params, task.resource, validated=False)
    else:
        free(draft, task.resource)
    again = opened_again(task, failed=(*task.failed, task.resource))
    job = with_task(job, index, again)
    in_time = pre.now() + params.market.accept_seconds * SECOND < job.deadline
    if (
        job.consumer
        and in_time
        and len(again.failed) <= params.market.reassignments_max
    ):
        draft.put(job)
    else:
        refund(draft, job, "job failed")


def _forfeit(draft: Draft, name: str) -> None:
    """Keep the pay that a resource has not got yet: of its last jobs, and of today."""
    track = draft.existing(Track, name)
    for lot in track.lots:
        draft.move(HELD_USD, OPERATIONS, lot.usd, "pay forfeited")
        draft.move(HELD_TOKEN, FLOAT, lot.token, "pay forfeited")
    draft.put(replace(track, lots=(), recent=()))
    for earning in track.unpaid:
        draft.put(replace(draft.existing(Earning, earning), forfeited=True))


def slash(
    draft: Draft, pre: PreState, params: Params, bond: MicroToken, consumer: str = ""
) -> None:
    """
    Send a lost bond where governance wants it.

    A consumer has no tokens: it gets what they are worth in service credits, as far as
    the operations dollars and its account go, and the float keeps the tokens.
    """
    destination = params.bonding.slash_destination
    to = {SlashDestination.BURN: BURNED, SlashDestination.VALIDATORS: VALIDATORS}.get(
        destination, FLOAT
    )
    draft.move(BONDS, to, bond, "bond lost")
    if destination == SlashDestination.CONSUMER and consumer:
        given = (bond, token_price(pre, params))
        worth = bonding.bond_worth(*given)
        credit = checks.member("consumer", consumer).credit
        opened = draft.existing(Account, credit)
        room = max(0, opened.limit - pre.balance(credit))
        paid = min(worth, pre.balance(OPERATIONS), room)
        working = draft.works("bonding.bond_worth", given) if paid == worth else -1
        draft.move(OPERATIONS, credit, paid, "bond lost, in credits", working)


def refund(draft: Draft, job: Job, reason: str) -> None:
    """Give a consumer all of a job's price back, and every other supplier its bond."""
    if job.consumer:
        hold = draft.existing(Hold, job.hold)
        draft.join(given_back(hold, HoldStatus.VOIDED, reason))
    tasks = []
    for i, task in enumerate(job.tasks):
        if task.stage in HELD:
            _give_bond_back(draft, task)
            free(draft, task.resource)
            _call_off(draft, f"{job.id}:{i}")
        tasks.append(
            replace(task, stage=TaskStage.CANCELLED, bond=MicroToken(0), due=NEVER)
        )
    draft.put(replace(job, stage=JobStage.REFUNDED, tasks=tuple(tasks)))


def _call_off(draft: Draft, name: str) -> None:
    """Let the validators of work go that nobody needs any more."""
    audit = draft.find(Audit, name)
    if audit is None or audit.over:
        return
    for each in audit.verdicts:
        resource = draft.existing(Resource, each.resource)
        owner = checks.member("owner", resource.owner)
        draft.move(BONDS, owner.token, each.bond, "verdict bond returned")
        free(draft, each.resource)
    draft.put(replace(audit, over=True))


def free(draft: Draft, name: str) -> None:
    """Take a job off a resource that has not completed it."""
    track = draft.existing(Track, name)
    draft.put(replace(track, busy=track.busy - 1))


def note_outcome(
    draft: Draft, pre: PreState, params: Params, name: str, *, validated: bool
) -> None:
    """Note how a resource did, within its window."""
    track = draft.existing(Track, name)
    window = params.reputation.reputation_window_jobs
    outcomes = track.outcomes + ("1" if validated else "0")
    draft.put(
        replace(
            track,
            outcomes=outcomes[-window:],
            total=track.total + 1,
            busy=track.busy - 1,
            active_day=pre.economy().day,
        )
    )


def count(draft: Draft, name: str) -> int:
    """Number one more of something."""
    roll = draft.find(Roll, name) or Roll(name)
    draft.put(replace(roll, count=roll.count + 1))
    return roll.count + 1


def earn(draft: Draft, pre: PreState, what: str, resource: str, units: int) -> None:
    """Add to what a resource earned today, for a project as one of its kind."""
    roll_name = f"{pre.economy().day}:{what}"
    track = draft.existing(Track, resource)
    for name in track.unpaid:
        earning = draft.existing(Earning, name)
        if name.startswith(f"{roll_name}:") and not earning.forfeited:
            draft.put(replace(earning, units=earning.units + units))
            return
    earning = Earning(f"{roll_name}:{count(draft, roll_name)}", resource, units)
    draft.put(earning)
    draft.put(replace(track, unpaid=(*track.unpaid, earning.id)))


def earn_verdicts(draft: Draft, pre: PreState, resource: str, verdicts: int) -> None:
    """Add to the verdicts that a validator earned with today."""
    roll_name = f"{pre.economy().day}:verdicts"
    roll = draft.find(Roll, roll_name) or Roll(roll_name)
    draft.put(replace(roll, count=roll.count + verdicts))
    earn(draft, pre, VERDICTS, resource, verdicts)


def _settle(draft: Draft, pre: PreState, params: Params, job: Job) -> None:
    """
    Turn the price of a finished job into income of the day, for those who did it.

    A row of the payment matrix splits it between kinds; within a kind it follows what
    each contributed.
    """
    row = params.matrix.rows[job.pipeline]
    given = (job.price, row)
    charge = Charge(job.consumer)
    working = charge.works("allocation.largest_remainder", given)
    parts = largest_remainder(*given)
    for i, kind in enumerate(params.matrix.kinds):
        income = account("income", job.project, kind)
        charge.pay(income, parts[i], "job", working, i)
    hold = draft.existing(Hold, job.hold)
    freed = given_back(hold, HoldStatus.POSTED, "job settled")
    draft.join(charge.diff(pre, job.price, freed))
    count(draft, f"{pre.economy().day}:jobs")
    for i, kind in enumerate(params.matrix.kinds):
        done = [task for task in job.tasks if task.need.kind == kind]
        if done:
            units = largest_remainder(parts[i], [task.work for task in done])
            for task, earned in zip(done, units, strict=True):
                earn(draft, pre, f"{job.project}:{kind}", task.resource, earned)
                track = draft.existing(Track, task.resource)
                last = params.validation.held_back_jobs
                recent = (*track.recent, earned)[-last:] if last else ()
                draft.put(replace(track, recent=recent))


def _give_bond_back(draft: Draft, task: Task) -> None:
    if task.bond:
        resource = draft.existing(Resource, task.resource)
        owner = checks.member("owner", resource.owner)
        draft.move(BONDS, owner.token, task.bond, "bond returned")
