"""What follows from the outcome of a task: reputation, bonds, pay, refunds."""

from dataclasses import replace
from typing import Final

from coopera.formulas import bonding, payments
from coopera.formulas.allocation import largest_remainder
from coopera.ledger import NEVER, Account, AccountId, Hold, HoldStatus, account
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
    SECOND,
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
    give_bond_back(draft, task)
    if job.consumer:
        note_outcome(draft, pre, params, task.resource, validated=True)
    elif task.resource:
        free(draft, task.resource)
    passed = replace(task, stage=TaskStage.VALIDATED, bond=MicroToken(0))
    if not job.consumer and not job.canary:
        resource = draft.existing(Resource, task.resource)
        track = draft.existing(Track, task.resource)
        # A certificate that was revoked meanwhile is not brought back.
        if resource.certificate == task.certificate:
            for record in certified(pre, resource, track, task.root):
                draft.put(record)
    _finish(draft, pre, params, with_task(job, index, passed))


def fail_task(
    draft: Draft, pre: PreState, params: Params, job: Job, index: int, *, fraud: bool
) -> None:
    """
    Take a task as failed: another resource gets it, or the consumer its money back.

    The bond is lost with a fraud, and a part of it by who has accepted and is late.
    """
    task = job.tasks[index]
    if fraud:
        slash(draft, pre, params, task.bond, job.consumer)
        if job.consumer:
            _forfeit(draft, task.resource)
    elif task.stage is TaskStage.ACCEPTED and task.bond:
        given = (task.bond, params.bonding.late_bond_rate)
        late = bonding.late_bond(*given)
        draft.works("bonding.late_bond", given)
        slash(draft, pre, params, late, job.consumer)
        give_bond_back(draft, replace(task, bond=MicroToken(task.bond - late)))
    else:
        give_bond_back(draft, task)
    if job.consumer:
        note_outcome(draft, pre, params, task.resource, validated=False)
    else:
        free(draft, task.resource)
    again = opened_again(task, failed=(*task.failed, task.resource))
    job = with_task(job, index, again)
    in_time = pre.now() + params.market.accept_seconds * SECOND < job.deadline
    off = any(each.stage is TaskStage.CANCELLED for each in job.tasks)
    tries = params.market.reassignments_max
    if job.consumer and in_time and not off and len(again.failed) <= tries:
        draft.put(job)
    else:
        call_off(draft, pre, params, job)


def _forfeit(draft: Draft, name: str) -> None:
    """Keep the pay that a resource has not got yet: of its last jobs, and of today."""
    track = draft.existing(Track, name)
    for lot in track.lots:
        draft.move(HELD_USD, OPERATIONS, lot.usd, "pay forfeited")
        draft.move(HELD_TOKEN, FLOAT, lot.token, "pay forfeited")
    draft.put(replace(track, lots=(), kept=0))
    for earning in track.unpaid:
        draft.put(replace(draft.existing(Earning, earning), forfeited=True))


def slash(
    draft: Draft,
    pre: PreState,
    params: Params,
    bond: MicroToken,
    consumer: str = "",
    *,
    held: AccountId = BONDS,
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
    draft.move(held, to, bond, "bond lost")
    if destination == SlashDestination.CONSUMER and consumer:
        given = (bond, token_price(pre, params))
        worth = bonding.bond_worth(*given)
        credit = checks.member("consumer", consumer).credit
        opened = draft.existing(Account, credit)
        room = max(0, opened.limit - pre.balance(credit))
        paid = min(worth, pre.balance(OPERATIONS), room)
        working = draft.works("bonding.bond_worth", given) if paid == worth else -1
        draft.move(OPERATIONS, credit, paid, "bond lost, in credits", working)


def call_off(draft: Draft, pre: PreState, params: Params, job: Job) -> None:
    """
    Give up what nobody has delivered; the job ends once all that was is judged.

    So nobody gets work for nothing by an order of which one part cannot be done.
    """
    tasks = []
    for task in job.tasks:
        if task.stage in (TaskStage.MATCHED, TaskStage.ACCEPTED):
            give_bond_back(draft, task)
            free(draft, task.resource)
        if task.stage in (TaskStage.DELIVERED, TaskStage.VALIDATED):
            tasks.append(task)
        else:
            tasks.append(given_up(task))
    _finish(draft, pre, params, replace(job, tasks=tuple(tasks)))


def given_up(task: Task) -> Task:
    """Cancel a task."""
    return replace(task, stage=TaskStage.CANCELLED, bond=MicroToken(0), due=NEVER)


def _finish(draft: Draft, pre: PreState, params: Params, job: Job) -> None:
    """End a job whose tasks have all ended: settle it, or pay what is valid of it."""
    stages = {task.stage for task in job.tasks}
    if not stages <= {TaskStage.VALIDATED, TaskStage.CANCELLED}:
        draft.put(job)
        return
    whole = TaskStage.CANCELLED not in stages
    if job.consumer:
        _settle(draft, pre, params, job, whole=whole)
    draft.put(replace(job, stage=JobStage.SETTLED if whole else JobStage.REFUNDED))


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


def earn_verdict(
    draft: Draft, pre: PreState, params: Params, task: Task, resource: str
) -> None:
    """Add a verdict on a task to what a validator earned today, in micro-tokens."""
    rules = params.validation
    reward = payments.verdict_reward(
        task.price,
        rules.validator_reward_rate,
        token_price(pre, params),
        rules.validator_reward,
    )
    if reward:
        owe_validator(draft, pre, resource, reward)


def owe_validator(draft: Draft, pre: PreState, resource: str, reward: int) -> None:
    """Add micro-tokens to what a validator is to be paid for today."""
    roll_name = f"{pre.economy().day}:verdicts"
    roll = draft.find(Roll, roll_name) or Roll(roll_name)
    draft.put(replace(roll, count=roll.count + reward))
    earn(draft, pre, VERDICTS, resource, reward)


def _settle(
    draft: Draft, pre: PreState, params: Params, job: Job, *, whole: bool
) -> None:
    """
    Turn the price of a job into income of the day, for those who did it.

    A row of the payment matrix splits it between kinds; within a kind it follows what
    each contributed. Of a job that is not whole, every validated task gets the part
    that was planned for it, and the consumer the rest.
    """
    hold = draft.existing(Hold, job.hold)
    done = [task for task in job.tasks if task.stage is TaskStage.VALIDATED]
    if not done:
        draft.join(given_back(hold, HoldStatus.VOIDED, "job called off"))
        return
    kinds = params.matrix.kinds
    charge = Charge(job.consumer)
    working = -1
    if whole:
        given = (job.price, params.matrix.rows[job.pipeline])
        working = charge.works("allocation.largest_remainder", given)
        parts = list(largest_remainder(*given))
    else:
        parts = [
            sum(task.price for task in done if task.need.kind == kind) for kind in kinds
        ]
    for i, kind in enumerate(kinds):
        income = account("income", job.project, kind)
        charge.pay(income, parts[i], "job", working, i)
    freed = given_back(hold, HoldStatus.POSTED, "job settled")
    draft.join(charge.diff(pre, sum(parts), freed))
    count(draft, f"{pre.economy().day}:jobs")
    for part, kind in zip(parts, kinds, strict=True):
        same = [task for task in done if task.need.kind == kind]
        if same:
            weights = [task.work if whole else task.price for task in same]
            units = largest_remainder(part, weights)
            for task, earned in zip(same, units, strict=True):
                earn(draft, pre, f"{job.project}:{kind}", task.resource, earned)
                _hold_back(draft, params, task.resource, earned)


def _hold_back(draft: Draft, params: Params, name: str, earned: int) -> None:
    """
    Hold back the pay of as many jobs like this one as governance wants.

    What is held back for a large job is released by later work of the same worth,
    however small the jobs are that it comes in.
    """
    track = draft.existing(Track, name)
    like_this = params.validation.held_back_jobs * earned
    draft.put(replace(track, kept=max(like_this, track.kept - earned)))


def give_bond_back(draft: Draft, task: Task) -> None:
    """Give a supplier the bond of a task back, if it has one."""
    if task.bond:
        resource = draft.existing(Resource, task.resource)
        owner = checks.member("owner", resource.owner)
        draft.move(BONDS, owner.token, task.bond, "bond returned")
