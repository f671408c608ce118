"""
Jobs: from a consumer's order to the pay of all who worked on it.

A job is a row of the payment matrix. Every supplier kind that the row pays has one task
or more, and a task goes its own way:

    created -> matched -> accepted -> delivered -> validated
       ^          |           |           |
       +----------+-----------+-----------+   failed: given to another, or called off

The price is in escrow from the start. Once every task is validated it becomes income of
the day. If one has failed too often, what nobody has delivered is called off, what was
validated is paid as planned, and the consumer gets the rest back.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from coopera.errors import (
    Malformed,
    NotAllowed,
    NotEligible,
    PriceTooHigh,
    PriceTooLow,
    ResourceBusy,
    TooEarly,
    TooLate,
    UnknownKind,
    WrongStage,
)
from coopera.formulas import bonding, demand, payments
from coopera.formulas.allocation import largest_remainder
from coopera.ledger import NEVER, Transfer, Working, in_utc
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.accounts import BONDS, FLOAT, OPERATIONS
from coopera.protocol.books import CURRENT
from coopera.protocol.charge import Charge
from coopera.protocol.draft import Draft
from coopera.protocol.holds import reserved
from coopera.protocol.orders import (
    DAY,
    ESCROW,
    SECOND,
    UNITS_MAX,
    Audit,
    Beacon,
    Job,
    JobStage,
    Need,
    Task,
    TaskStage,
    find_task,
    opened_again,
    task_at,
    with_task,
)
from coopera.protocol.settlement import (
    call_off,
    fail_task,
    free,
    give_bond_back,
    given_up,
)
from coopera.protocol.state import Diff, PreState
from coopera.protocol.supply import (
    Resource,
    Roll,
    Stage,
    Track,
    own_resource,
    reputation_of,
    token_price,
)
from coopera.units import MICRO, WAD, MicroToken, MicroUsd, Wad, unscaled

TASKS_MAX: Final = 64
"""Most tasks of one job."""


@dataclass(frozen=True, slots=True)
class CreateJob:
    """Command by which a consumer orders a job, and puts its price in escrow."""

    id: str
    consumer: str
    pipeline: str
    project: str
    unit_price: int
    """Micro-dollars for a unit of service."""
    quantity: int
    """Millionths of a unit."""
    needs: tuple[Need, ...]
    """One or more for every kind that the pipeline pays."""
    deadline: int
    """Microseconds since 1970."""
    incentive: int = 0
    units: int = 1


@dataclass(frozen=True, slots=True)
class CancelJob:
    """Command by which a consumer takes back a job that nobody has accepted."""

    id: str
    consumer: str


@dataclass(frozen=True, slots=True)
class MatchTask:
    """Command by which the scheduler offers a task to a resource."""

    job: str
    task: int
    """Place among the tasks of the job, from 0."""
    resource: str


@dataclass(frozen=True, slots=True)
class AcceptTask:
    """Command by which a supplier accepts a task, and posts its bond."""

    job: str
    task: int
    owner: str


@dataclass(frozen=True, slots=True)
class DeclineTask:
    """Command by which a supplier says in time that it does not want a task."""

    job: str
    task: int
    owner: str


@dataclass(frozen=True, slots=True)
class DeliverTask:
    """Command by which a supplier commits to the work that it has done."""

    job: str
    task: int
    owner: str
    root: str
    """Merkle root over the units of the work: 64 hexadecimal digits."""
    work: int = 1
    """Units of the job that were contributed; who passes the work passes this too."""


@dataclass(frozen=True, slots=True)
class ExpireTask:
    """Command by which a task whose time is over fails, or a late job is refunded."""

    job: str
    task: int


@dataclass(frozen=True, slots=True)
class RequestCertification:
    """Command by which a supplier asks for the test of a resource, a small real job."""

    resource: str
    owner: str


def create_job(pre: PreState, params: Params, command: CreateJob) -> Diff:
    """
    Order a job; its price waits in escrow, grants first.

    Refusals, in order of precedence: `Malformed` for the names, `UnknownService` for
    the pipeline and the project, those of the numbers, `TooLate` for a deadline that
    leaves no time to accept, `Malformed` for one that is too far away, `Malformed` and
    `UnknownKind` for the needs, `AlreadyExists`, `PriceTooLow` where a kind would get
    nothing, or the validators more than the network keeps, `PriceTooHigh` where they
    have less at stake, those of the accounts.
    """
    name = checks.new_name("id", command.id)
    consumer = checks.member("consumer", command.consumer, "consumer")
    row = checks.row(params, command.pipeline)
    checks.project(params, command.project)
    unit_price = MicroUsd(checks.amount("unit_price", command.unit_price))
    quantity = checks.amount("quantity", command.quantity)
    incentive = MicroUsd(checks.count("incentive", command.incentive))
    units = checks.amount("units", command.units)
    if units > UNITS_MAX:
        raise Malformed(f"units is {units}; a job has {UNITS_MAX} at most")
    _refuse_deadline(pre, params, command.deadline)
    _refuse_far(pre, params, command.deadline)
    _refuse_needs(params.matrix.kinds, row, command.needs)
    priced = (unit_price, Wad(quantity * WAD // MICRO), incentive)
    price = MicroUsd(checks.amount("price", demand.job_price(*priced)))
    checks.not_yet(pre, Job, name)
    tasks = _tasks(params, row, command.needs, price, unit_price)
    _refuse_cheap(pre, params, price, tasks)
    _refuse_dear(pre, params, tasks)
    job = Job(
        *(name, consumer.id, command.pipeline, command.project, price, incentive),
        *(units, command.deadline, tasks),
        ordered_at=pre.now(),
        unit_price=unit_price,
    )
    held = reserved(pre, job.hold, consumer, price, NEVER, ESCROW)
    return held._replace(
        records=(*held.records, job),
        workings=(Working("demand.job_price", priced),),
    )


def cancel_job(pre: PreState, params: Params, command: CancelJob) -> Diff:
    """
    Take a job back, as long as nobody has accepted a part of it.

    Where a supplier was found, who keeps a slot for it, this costs a fee.

    Refusals, in order of precedence: `UnknownRecord`, `NotAllowed` for another
    consumer, `WrongStage`, those of the accounts for the fee.
    """
    job = checks.existing(pre, Job, command.id)
    if job.consumer != command.consumer:
        raise NotAllowed(f"job {job.id} belongs to {job.consumer}")
    if job.stage is not JobStage.OPEN:
        raise WrongStage(f"job {job.id} is {job.stage.value}")
    for task in job.tasks:
        if task.stage not in (TaskStage.CREATED, TaskStage.MATCHED):
            raise WrongStage(
                f"job {job.id} is {task.stage.value} by {task.resource}; it can be "
                "cancelled only before it is accepted"
            )
    draft = Draft(pre)
    call_off(draft, pre, params, job)
    if any(task.stage is TaskStage.MATCHED for task in job.tasks):
        rules = params.market
        due = (
            *(job.price, job.unit_price),
            *(rules.cancellation_rate, rules.cancellation_fee_min_usd),
        )
        fee = demand.cancellation_fee(*due)
        charge = Charge(job.consumer)
        working = charge.works("demand.cancellation_fee", due)
        charge.pay(OPERATIONS, fee, "cancellation fee", working, 0)
        return charge.diff(pre, fee, draft.diff())
    return draft.diff()


def match_task(pre: PreState, params: Params, command: MatchTask) -> Diff:
    """
    Offer a task to a resource, which has a while to accept.

    Refusals, in order of precedence: those of `task_at`, `UnknownRecord`, `TooLate`,
    `NotEligible` with what is not met, `ResourceBusy`.
    """
    job, task = task_at(pre, command.job, command.task, TaskStage.CREATED)
    resource = checks.existing(pre, Resource, command.resource)
    _refuse_deadline(pre, params, job.deadline)
    track = pre.record(Track, resource.id) or Track(resource.id)
    unmet = what_is_unmet(params, pre.economy().day, task, resource, track)
    if unmet:
        said = _said_unmet(params, unmet, task, resource, track)
        raise NotEligible(
            f"resource {resource.id} cannot do task {command.task} of {job.id}, since "
            f"its {unmet} does not fit: {said}"
        )
    if resource.owner.partition(":")[2] == job.consumer.partition(":")[2]:
        raise NotEligible(
            f"resource {resource.id} is of {resource.owner} and job {job.id} of "
            f"{job.consumer}; nobody works for itself, so match another"
        )
    _refuse_busy(resource, track)
    due = min(pre.now() + params.market.accept_seconds * SECOND, job.deadline)
    matched = replace(
        task,
        stage=TaskStage.MATCHED,
        resource=resource.id,
        certificate=resource.certificate,
        due=due,
    )
    return Diff(
        records=(
            with_task(job, command.task, matched),
            replace(track, busy=track.busy + 1),
        )
    )


def accept_task(pre: PreState, params: Params, command: AcceptTask) -> Diff:
    """
    Accept a task, and post a bond for it.

    Refusals, in order of precedence: those of `task_at`, those of `own_resource`,
    `TooLate`, `NotEligible` for a certificate that is gone, those of the accounts.
    """
    job, task = task_at(pre, command.job, command.task, TaskStage.MATCHED)
    resource = own_resource(pre, task.resource, command.owner)
    _refuse_late(pre, task.due, "accepted")
    _refuse_other_certificate(task, resource)
    due = (task.price, params.bonding.bond_rate, token_price(pre, params))
    bond = bonding.supplier_bond(*due)
    accepted = replace(task, stage=TaskStage.ACCEPTED, bond=bond, due=job.deadline)
    owner = checks.member("owner", resource.owner)
    return Diff(
        (Transfer(owner.token, BONDS, bond, "bond", 0),) if bond else (),
        records=(with_task(job, command.task, accepted),),
        workings=(Working("bonding.supplier_bond", due),),
    )


def decline_task(pre: PreState, _params: Params, command: DeclineTask) -> Diff:
    """
    Let a task go to another resource, before the time to accept is over.

    Refusals, in order of precedence: those of `task_at`, those of `own_resource`,
    `TooLate`.
    """
    job, task = task_at(pre, command.job, command.task, TaskStage.MATCHED)
    resource = own_resource(pre, task.resource, command.owner)
    _refuse_late(pre, task.due, "declined")
    again = opened_again(task, declined=(*task.declined, resource.id))
    draft = Draft(pre)
    free(draft, resource.id)
    draft.put(with_task(job, command.task, again))
    return draft.diff()


def deliver_task(pre: PreState, params: Params, command: DeliverTask) -> Diff:
    """
    Commit to work that is done: from here on it can be checked, and lose the bond.

    Refusals, in order of precedence: those of `task_at`, those of `own_resource`,
    `TooLate`, `NotEligible` for a certificate that is gone, `Malformed` for the root,
    those of the work.
    """
    job, task = task_at(pre, command.job, command.task, TaskStage.ACCEPTED)
    resource = own_resource(pre, task.resource, command.owner)
    _refuse_late(pre, task.due, "delivered")
    if job.consumer:
        _refuse_other_certificate(task, resource)
    root = checks.digest("root", command.root)
    work = checks.amount("work", command.work)
    if work > job.units:
        raise Malformed(
            f"work is {work}; job {job.id} has {job.units} units, and nobody does more"
        )
    beacon = pre.record(Beacon, CURRENT) or Beacon(CURRENT)
    delivered = replace(
        task,
        stage=TaskStage.DELIVERED,
        root=root,
        work=work,
        beacon=beacon.number,
        due=job.deadline + 2 * params.market.verdict_seconds * SECOND,
    )
    return Diff(records=(with_task(job, command.task, delivered),))


def expire_task(pre: PreState, params: Params, command: ExpireTask) -> Diff:
    """
    Fail a task whose time is over, and refund a job that nobody took in time.

    A resource that lets its time pass has completed a job that was not validated; its
    bond goes back but for a part, since it delivered nothing that could be wrong. Work
    for which no validators could be found in time is nobody's fault. A canary that
    cannot be revealed, since its file is lost, ends without a judgement on anybody.

    Refusals, in order of precedence: those of `find_task`, `WrongStage` for one that
    is being judged or waits for nobody, `TooEarly`.
    """
    job, task = find_task(pre, command.job, command.task)
    if task.stage is TaskStage.CREATED:
        _refuse_early(pre, job.deadline)
        draft = Draft(pre)
        call_off(draft, pre, params, job)
        return draft.diff()
    if task.stage is TaskStage.DELIVERED:
        draft = Draft(pre)
        audit = pre.record(Audit, f"{job.id}:{command.task}")
        if audit is None or audit.over:
            _refuse_early(pre, task.due)
        elif job.canary:
            _refuse_early(pre, audit.reveal_by)
            for verdict in audit.verdicts:
                free(draft, verdict.resource)
            draft.put(replace(audit, over=True))
        else:
            raise WrongStage(
                f"task {command.task} of {job.id} is being judged until "
                f"{in_utc(audit.reveal_by)}; conclude its audit"
            )
        if task.resource:
            free(draft, task.resource)
        give_bond_back(draft, task)
        call_off(draft, pre, params, with_task(job, command.task, given_up(task)))
        return draft.diff()
    if not task.waits:
        raise WrongStage(
            f"task {command.task} of {job.id} is {task.stage.value}, and no time of it "
            "runs out"
        )
    _refuse_early(pre, task.due)
    draft = Draft(pre)
    fail_task(draft, pre, params, job, command.task, fraud=False)
    return draft.diff()


def request_certification(
    pre: PreState, params: Params, command: RequestCertification
) -> Diff:
    """
    Open the test of a resource: it delivers work, and validators check that.

    Its owner pays what the validators earn by it.

    Refusals, in order of precedence: those of `own_resource`, `WrongStage` while a test
    of it is under way, `ResourceBusy`, those of the accounts.
    """
    resource = own_resource(pre, command.resource, command.owner)
    roll = pre.record(Roll, f"certify:{resource.id}") or Roll(f"certify:{resource.id}")
    last = pre.record(Job, f"{roll.id}:{roll.count}")
    if last is not None and last.stage is JobStage.OPEN:
        raise WrongStage(
            f"the test of resource {resource.id} is under way, {last.id}; it ends first"
        )
    track = pre.record(Track, resource.id) or Track(resource.id)
    _refuse_busy(resource, track)
    due = pre.now() + params.market.certification_seconds * SECOND
    task = Task(
        Need(resource.can.kind),
        MicroUsd(0),
        MicroUsd(0),
        TaskStage.ACCEPTED,
        resource.id,
        resource.certificate,
        due=due,
    )
    name = f"{roll.id}:{roll.count + 1}"
    nothing = MicroUsd(0)
    job = Job(name, "", "certification", "", nothing, nothing, 1, due, (task,))
    busy = replace(track, busy=track.busy + 1)
    rules = params.validation
    given = (rules.validators_per_job, rules.validator_reward)
    fee = payments.validator_pay(*given)
    owner = checks.member("owner", resource.owner)
    return Diff(
        (Transfer(owner.token, FLOAT, fee, "test fee", 0),) if fee else (),
        records=(job, busy, replace(roll, count=roll.count + 1)),
        workings=(Working("payments.validator_pay", given),),
    )


def what_is_unmet(
    params: Params, day: int, task: Task, resource: Resource, track: Track
) -> str:
    """
    Say which of a task's needs a resource does not meet, the first in this order.

    Kind, certificate, activity, device, count, memory, region, model, latency, price,
    reputation, and whether it had the task before; empty where it meets them all.
    """
    need, can = task.need, resource.can
    reputation = reputation_of(params, track)
    checked = (
        (can.kind == need.kind, "kind"),
        (resource.stage is Stage.STAKED, "certificate"),
        (day - track.active_day <= params.market.dormant_days, "activity"),
        (not need.devices or can.device in need.devices, "device"),
        (can.count >= need.count, "count"),
        (can.memory_gib >= need.memory_gib, "memory"),
        (not need.regions or can.region in need.regions, "region"),
        (not need.model or need.model in can.models, "model"),
        (not need.latency_ms or can.latency_ms <= need.latency_ms, "latency"),
        (can.price <= task.ceiling, "price"),
        (reputation >= need.min_reputation, "reputation"),
        (resource.id not in (*task.failed, *task.declined), "history"),
    )
    return next((what for met, what in checked if not met), "")


def _said_unmet(
    params: Params, unmet: str, task: Task, resource: Resource, track: Track
) -> str:
    """Say what a resource has of a need that it does not meet, and what it must be."""
    need, can = task.need, resource.can
    reputation = reputation_of(params, track)
    had = "failed" if resource.id in task.failed else "declined"
    values = {
        "kind": (can.kind, need.kind),
        "certificate": (resource.stage.value, Stage.STAKED.value),
        "activity": (
            f"of day {track.active_day}",
            f"of the last {params.market.dormant_days} days; have it certified anew",
        ),
        "device": (can.device, " or ".join(need.devices)),
        "count": (can.count, f"{need.count} or more"),
        "memory": (f"{can.memory_gib} GiB", f"{need.memory_gib} or more"),
        "region": (can.region, " or ".join(need.regions)),
        "model": (", ".join(can.models) or "none", need.model),
        "latency": (f"{can.latency_ms} ms", f"{need.latency_ms} or less"),
        "price": (f"{can.price} micro-dollars a unit", f"{task.ceiling} or less"),
        "reputation": (
            f"{unscaled(reputation, WAD):.4f}",
            f"{unscaled(need.min_reputation, WAD):.4f} or more",
        ),
    }
    if unmet not in values:
        return f"it has {had} the task before; match another"
    found, wanted = values[unmet]
    return f"it is {found}, and must be {wanted}"


def _refuse_busy(resource: Resource, track: Track) -> None:
    """Refuse with `ResourceBusy` one that has no free slot."""
    if track.busy >= resource.can.slots:
        raise ResourceBusy(
            f"resource {resource.id} has {track.busy} jobs and takes no more at a "
            "time; let it finish one, or give it more slots"
        )


def _refuse_late(pre: PreState, due: int, what: str) -> None:
    """Refuse with `TooLate` what had to be done before a moment."""
    if pre.now() >= due:
        raise TooLate(
            f"it had to be {what} before {in_utc(due)}, and it is {in_utc(pre.now())}"
        )


def _refuse_early(pre: PreState, due: int) -> None:
    if pre.now() < due:
        raise TooEarly(
            f"its time is over at {in_utc(due)}, and it is {in_utc(pre.now())}; wait "
            "until then"
        )


def _refuse_deadline(pre: PreState, params: Params, deadline: object) -> None:
    """Refuse a deadline that is none, and one by which nobody could have accepted."""
    if type(deadline) is not int or deadline > NEVER:
        raise Malformed(f"deadline is {deadline!r}; it must be microseconds since 1970")
    least = pre.now() + params.market.accept_seconds * SECOND
    if deadline <= least:
        raise TooLate(
            f"the deadline is {in_utc(deadline)}, and a supplier has until "
            f"{in_utc(least)} to accept; set a later one"
        )


def _refuse_far(pre: PreState, params: Params, deadline: int) -> None:
    most = pre.now() + params.market.deadline_days_max * DAY
    if deadline > most:
        raise Malformed(
            f"the deadline is {in_utc(deadline)}, and a job may take until "
            f"{in_utc(most)} at most; set an earlier one"
        )


def _refuse_cheap(
    pre: PreState, params: Params, price: MicroUsd, tasks: Sequence[Task]
) -> None:
    """Refuse a job whose verdicts would cost the network more than it keeps of it."""
    rules = params.validation
    token = token_price(pre, params)
    given = rules.validator_reward_rate, token, rules.validator_reward
    reward = sum(payments.verdict_reward(task.price, *given) for task in tasks)
    cost = bonding.bond_worth(MicroToken(reward * rules.validators_per_job), token)
    kept = demand.service_demand(price, params.payments.operations_fraction)
    if cost > kept:
        raise PriceTooLow(
            f"of {price} micro-dollars the network keeps {kept}, and its validators "
            f"would cost {cost}; order more at once, or pay more"
        )


def _refuse_dear(pre: PreState, params: Params, tasks: Sequence[Task]) -> None:
    """Refuse a task for whose verdicts validators have too little at stake."""
    rules = params.validation
    price = token_price(pre, params)
    given = rules.verdict_bond_rate, price, rules.verdict_bond
    for task in tasks:
        bond = bonding.verdict_bond(task.price, *given)
        if bond > rules.validator_stake:
            raise PriceTooHigh(
                f"a verdict on work for {task.price} micro-dollars needs a bond of "
                f"{bond} micro-tokens, and validators have {rules.validator_stake} at "
                "stake; order it in several jobs"
            )


def _refuse_needs(
    kinds: Sequence[str], row: Sequence[Wad], needs: Sequence[Need]
) -> None:
    if not 0 < len(needs) <= TASKS_MAX:
        raise Malformed(f"needs names {len(needs)} tasks; name 1 to {TASKS_MAX}")
    paid = {kind for kind, share in zip(kinds, row, strict=True) if share}
    for need in needs:
        for what, names in (
            ("devices", need.devices),
            ("regions", need.regions),
            ("model", (need.model,) if need.model else ()),
        ):
            for name in names:
                checks.new_name(what, name)
        for what in ("count", "memory_gib", "latency_ms"):
            checks.count(what, getattr(need, what))
        least = need.min_reputation
        if type(least) is not int or not 0 <= least <= WAD:
            raise Malformed(f"min_reputation is {least!r}; it must be from 0 to {WAD}")
        if need.kind not in paid:
            raise UnknownKind(
                f"the pipeline pays no {str(need.kind)[:80]!r}; it pays "
                f"{', '.join(sorted(paid))}"
            )
    missing = paid - {need.kind for need in needs}
    if missing:
        raise UnknownKind(
            f"the pipeline pays {', '.join(sorted(missing))} too; say what is needed "
            "of them"
        )


def _tasks(
    params: Params,
    row: Sequence[Wad],
    needs: Sequence[Need],
    price: MicroUsd,
    unit_price: MicroUsd,
) -> tuple[Task, ...]:
    """
    Make the tasks of a job, with the part of the price that each is planned to get.

    A kind's part is planned in equal parts, and paid by what each contributed.
    """
    kinds = params.matrix.kinds
    of_kind = dict(zip(kinds, largest_remainder(price, row), strict=True))
    shares = dict(zip(kinds, row, strict=True))
    tasks = []
    for need in needs:
        same = sum(each.kind == need.kind for each in needs)
        ceiling = demand.service_demand(unit_price, shares[need.kind])
        part = MicroUsd(of_kind[need.kind] // same)
        if not ceiling or not part:
            raise PriceTooLow(
                f"of a unit at {unit_price} micro-dollars nothing is left for "
                f"{need.kind}; pay more"
            )
        tasks.append(Task(need, part, ceiling))
    return tuple(tasks)


def _refuse_other_certificate(task: Task, resource: Resource) -> None:
    """Refuse to go on with a certificate that is not the one that was matched."""
    if resource.stage is not Stage.STAKED or resource.certificate != task.certificate:
        raise NotEligible(
            f"resource {resource.id} is {resource.stage.value} with certificate "
            f"{resource.certificate}; the task was given to certificate "
            f"{task.certificate}"
        )
