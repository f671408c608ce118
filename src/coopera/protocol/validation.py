"""
Validation: delivered work is checked by validators that chance has drawn.

The root of the work is fixed before the beacon's next link is known, and that link says
who checks and what. Verdicts are first committed to and then revealed, so that nobody
copies. Where validators disagree, more are drawn; without a clear outcome nothing
passes. A verdict counts for a resource and the certificate that it was drawn with.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from typing import Final

from coopera.errors import (
    AlreadyExists,
    Malformed,
    NotDrawn,
    TooEarly,
    TooLate,
    UnknownRecord,
    WrongStage,
)
from coopera.formulas import bonding
from coopera.ledger import in_utc
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.accounts import STAKES
from coopera.protocol.books import CURRENT
from coopera.protocol.draft import Draft
from coopera.protocol.orders import (
    DAY,
    SECOND,
    UNITS_MAX,
    Audit,
    Beacon,
    Job,
    Link,
    Need,
    Task,
    TaskStage,
    Verdict,
    first_link,
    task_at,
    task_name,
    task_place,
    with_task,
)
from coopera.protocol.settlement import (
    earn_verdict,
    fail_task,
    note_outcome,
    pass_task,
    slash,
)
from coopera.protocol.state import Diff, PreState
from coopera.protocol.supply import (
    BENCH,
    Place,
    Resource,
    Roll,
    Stage,
    Track,
    off_the_bench,
    own_resource,
    token_price,
)
from coopera.units import WAD, MicroToken, MicroUsd, Wad

UNSEATED_AFTER: Final = 3
"""Verdicts in a row that were wrong or missing, after which nobody is drawn."""
TRIES: Final = 16
"""Places that are looked at for each validator that is wanted."""


@dataclass(frozen=True, slots=True)
class OpenBeacon:
    """Command by which the operator binds itself to a chain of hashes."""

    anchor: str
    """What the first link hashes to: 64 hexadecimal digits."""
    abandon: bool = False
    """
    Give up the chain before, whose links are lost or used up.

    What was delivered and not drawn for is then decided by a chain that was made later;
    everybody can see that.
    """


@dataclass(frozen=True, slots=True)
class RevealLink:
    """Command by which the operator reveals the beacon's next link."""

    link: str
    """64 hexadecimal digits whose SHA-256 is the link before."""


@dataclass(frozen=True, slots=True)
class DrawValidators:
    """Command by which chance decides who checks delivered work, and which units."""

    job: str
    task: int


@dataclass(frozen=True, slots=True)
class CommitVerdict:
    """Command by which a validator commits to a verdict."""

    job: str
    task: int
    validator: str
    """Resource that was drawn."""
    owner: str
    digest: str
    """As `verdict_digest` makes it."""


@dataclass(frozen=True, slots=True)
class RevealVerdict:
    """Command by which a validator reveals what it committed to."""

    job: str
    task: int
    validator: str
    owner: str
    passed: bool
    salt: str
    """64 hexadecimal digits."""


@dataclass(frozen=True, slots=True)
class ConcludeAudit:
    """Command by which verdicts become an outcome, or another round is asked for."""

    job: str
    task: int


@dataclass(frozen=True, slots=True)
class PostCanary:
    """Command by which the operator has work checked whose outcome it knows."""

    id: str
    pipeline: str
    need: Need
    root: str
    digest: str
    """Of the outcome, as `canary_digest` makes it."""
    units: int = 1
    price: int = 0
    """Micro-dollars that it looks worth: verdicts are bonded by it, nobody is paid."""


@dataclass(frozen=True, slots=True)
class RevealCanary:
    """Command by which the operator reveals a canary, and its validators are judged."""

    id: str
    passed: bool
    salt: str


def verdict_digest(
    job: str, task: int, validator: str, salt: str, *, passed: bool
) -> str:
    """
    Hide a verdict until it is revealed: nobody else's verdict has the same digest.

    >>> verdict_digest("j1", 0, "checker", "00" * 32, passed=True)[:16]
    'de92d5417c79a2d2'
    """
    written = f"verdict:{job}:{task}:{validator}:{'pass' if passed else 'fail'}:{salt}"
    return sha256(written.encode()).hexdigest()


def canary_digest(job: str, salt: str, *, passed: bool) -> str:
    """Hide the outcome of a canary until its validators have said what they think."""
    written = f"canary:{job}:{'pass' if passed else 'fail'}:{salt}"
    return sha256(written.encode()).hexdigest()


def open_beacon(pre: PreState, _params: Params, command: OpenBeacon) -> Diff:
    """
    Bind the operator to a chain of hashes, or announce the one that comes after it.

    Refusals, in order of precedence: `Malformed`, `WrongStage` while another chain is
    announced.
    """
    anchor = checks.digest("anchor", command.anchor)
    abandon = checks.flag("abandon", command.abandon)
    beacon = pre.record(Beacon, CURRENT)
    if beacon is None:
        return Diff(records=(Beacon(CURRENT, link=anchor),))
    if abandon:
        number = beacon.number + 1
        return Diff(records=(Beacon(CURRENT, number, anchor), Link(str(number), "")))
    if beacon.anchor:
        raise WrongStage(
            f"the chain with anchor {beacon.anchor[:16]}... is announced already, and "
            "comes first; announce this one once that has begun"
        )
    announced = replace(beacon, anchor=anchor, announced=beacon.number)
    return Diff(records=(announced,))


def reveal_link(pre: PreState, _params: Params, command: RevealLink) -> Diff:
    """
    Reveal the next link: work that was delivered before can now be drawn for.

    A chain that was announced begins after one more link of the old one: what it
    decides was then delivered after the operator was bound to it.

    Refusals, in order of precedence: `Malformed` for what is no digest,
    `UnknownRecord` where no chain was begun, `Malformed` for what is not the next link.
    """
    link = checks.digest("link", command.link)
    beacon = checks.existing(pre, Beacon, CURRENT)
    hashed = sha256(bytes.fromhex(link)).hexdigest()
    begins = bool(beacon.anchor) and beacon.number > beacon.announced
    awaited = beacon.anchor if begins else beacon.link
    if hashed != awaited:
        raise Malformed(
            f"link {link[:16]}... is not the one that comes next; reveal the one that "
            f"hashes to {awaited[:16]}..."
        )
    number = beacon.number + 1
    revealed = replace(
        beacon, number=number, link=link, anchor="" if begins else beacon.anchor
    )
    return Diff(records=(revealed, Link(str(number), link)))


def draw_validators(pre: PreState, params: Params, command: DrawValidators) -> Diff:
    """
    Draw who checks delivered work; where governance has less checked, it may pass.

    Each round is drawn by the first link after it was asked for, so that nobody knows
    the next panel when the last one speaks. Where there are too few validators, the
    first round waits for another link, and a later one leaves it to the majority of
    those before.

    Refusals, in order of precedence: those of `task_at`, `AlreadyExists`, `TooEarly`
    before the beacon's next link.
    """
    job, task = task_at(pre, command.job, command.task, TaskStage.DELIVERED)
    name = f"{job.id}:{command.task}"
    tried = len(task.failed)
    audit = pre.record(Audit, name)
    again = audit is not None and not audit.over
    if audit is not None and again and audit.panel:
        raise AlreadyExists(
            f"validators of task {command.task} of {job.id} are drawn already; they "
            f"have until {in_utc(audit.reveal_by)}"
        )
    asked = audit.beacon if audit is not None and again else task.beacon
    link = _first_link(pre, asked)
    seed = sha256(f"{link.link}:{task.root}:{name}:{tried}".encode()).hexdigest()
    rules = params.validation
    draft = Draft(pre)
    if audit is not None and again:
        more = replace(audit, seed=seed)
        wanted = _wanted_after(audit)
        if not _seated(draft, pre, params, job, more, link, wanted, least=wanted):
            _decide(draft, pre, params, job, audit, outcome=_majority(audit))
        return draft.diff()
    if job.consumer and _chance(seed, "audit") >= rules.validation_rate:
        pass_task(draft, pre, params, job, command.task)
        return draft.diff()
    units = _sample(seed, job.units, min(rules.units_audited, job.units))
    first = Audit(name, seed, units, (), 0, 0)
    wanted = rules.validators_per_job
    least = wanted // 2 + 1
    if not _seated(draft, pre, params, job, first, link, wanted, least=least):
        beacon = checks.existing(pre, Beacon, CURRENT)
        draft.put(with_task(job, command.task, replace(task, beacon=beacon.number)))
    return draft.diff()


def commit_verdict(pre: PreState, params: Params, command: CommitVerdict) -> Diff:
    """
    Commit to a verdict.

    Refusals, in order of precedence: those of `_drawn`, `Malformed` for the digest,
    `WrongStage` for a second one, `TooLate`.
    """
    _, audit, verdict = _drawn(pre, command)
    digest = checks.digest("digest", command.digest)
    if verdict.digest:
        raise WrongStage(
            f"{verdict.resource} has committed to a verdict already; reveal that one"
        )
    if pre.now() >= audit.commit_by:
        raise TooLate(
            f"verdicts had to be committed to before {in_utc(audit.commit_by)}, and it "
            f"is {in_utc(pre.now())}"
        )
    committed = _with(audit, replace(verdict, digest=digest))
    if all(each.digest for each in committed.panel):
        # Nobody is left to copy: verdicts may be revealed from now on.
        now = pre.now()
        later = now + params.market.verdict_seconds * SECOND
        committed = replace(committed, commit_by=now, reveal_by=later)
    return Diff(records=(committed,))


def reveal_verdict(pre: PreState, _params: Params, command: RevealVerdict) -> Diff:
    """
    Reveal a verdict, once all are committed to or the time for that is over.

    Refusals, in order of precedence: those of `_drawn`, `Malformed` for the verdict and
    the salt, `WrongStage` for one that is not committed to or revealed already,
    `TooEarly`, `TooLate`, `Malformed` for what was not committed to.
    """
    job, audit, verdict = _drawn(pre, command)
    passed = checks.flag("passed", command.passed)
    salt = checks.digest("salt", command.salt)
    if not verdict.digest or verdict.passed is not None:
        said = (
            "has revealed its verdict already; nothing can be added to it"
            if verdict.digest
            else "has committed to no verdict; one has to be committed to first"
        )
        raise WrongStage(f"{verdict.resource} {said}")
    if pre.now() < audit.commit_by:
        raise TooEarly(
            f"others may still commit to a verdict until {in_utc(audit.commit_by)}; "
            "reveal yours then"
        )
    if pre.now() >= audit.reveal_by:
        raise TooLate(
            f"verdicts had to be revealed before {in_utc(audit.reveal_by)}, and it is "
            f"{in_utc(pre.now())}"
        )
    made = verdict_digest(job.id, command.task, verdict.resource, salt, passed=passed)
    if made != verdict.digest:
        raise Malformed(
            f"the verdict and salt have the digest {made[:16]}..., and "
            f"{verdict.digest[:16]}... was committed to; give what that was made of"
        )
    return Diff(records=(_with(audit, replace(verdict, passed=passed)),))


def conclude_audit(pre: PreState, params: Params, command: ConcludeAudit) -> Diff:
    """
    Find the outcome of an audit, and judge who checked.

    A quorum that is of one mind decides, once another round has confirmed it where it
    finds the work wrong: a few friends may meet in one panel by chance. Otherwise
    another round is asked for, and in the end the majority of all decides; without one,
    nothing passes and nobody is slashed for the work.

    Refusals, in order of precedence: those of `task_at`, `UnknownRecord`, `WrongStage`
    for a canary, `TooEarly`.
    """
    job, _ = task_at(pre, command.job, command.task, TaskStage.DELIVERED)
    audit = _open_audit(pre, job, command.task)
    if job.canary:
        raise WrongStage(f"job {job.id} is a canary; it ends by reveal_canary")
    _refuse_unfinished(pre, audit)
    draft = Draft(pre)
    panel = audit.panel
    said = [each.passed for each in panel if each.passed is not None]
    clear = len(said) > len(panel) // 2 and len(set(said)) == 1
    most = params.validation.panel_max
    enough = clear and (said[0] or audit.round > 1)
    if not enough and panel and len(audit.verdicts) + _wanted_after(audit) <= most:
        draft.put(_next_round(pre, params, audit))
    else:
        outcome = said[0] if clear else _majority(audit)
        _decide(draft, pre, params, job, audit, outcome=outcome)
    return draft.diff()


def post_canary(pre: PreState, params: Params, command: PostCanary) -> Diff:
    """
    Deliver work whose outcome is known, as if a supplier had.

    It has as long to be drawn for as any order may have; see `expire_task`.

    Refusals, in order of precedence: `Malformed` for the names and digests, those of
    the units and the price, `UnknownService`, `AlreadyExists`.
    """
    name = checks.new_name("id", command.id)
    root = checks.digest("root", command.root)
    digest = checks.digest("digest", command.digest)
    units = checks.amount("units", command.units)
    if units > UNITS_MAX:
        raise Malformed(f"units is {units}; a job has {UNITS_MAX} at most")
    price = MicroUsd(checks.count("price", command.price))
    checks.row(params, command.pipeline)
    checks.not_yet(pre, Job, name)
    beacon = pre.record(Beacon, CURRENT) or Beacon(CURRENT)
    task = Task(
        command.need,
        price,
        MicroUsd(0),
        TaskStage.DELIVERED,
        due=pre.now() + params.market.deadline_days_max * DAY,
        root=root,
        beacon=beacon.number,
        work=1,
    )
    job = Job(
        *(name, "", command.pipeline, "", MicroUsd(0), MicroUsd(0), units, 0, (task,)),
        canary=digest,
    )
    return Diff(records=(job,))


def reveal_canary(pre: PreState, params: Params, command: RevealCanary) -> Diff:
    """
    Reveal what a canary's outcome had to be, and judge its validators by it.

    Refusals, in order of precedence: those of `task_at`, `WrongStage` for what is no
    canary, `Malformed`, `UnknownRecord` where nobody was drawn, `TooEarly`.
    """
    job, _ = task_at(pre, command.id, 0, TaskStage.DELIVERED)
    if not job.canary:
        raise WrongStage(f"job {job.id} is no canary; conclude its audit")
    passed = checks.flag("passed", command.passed)
    salt = checks.digest("salt", command.salt)
    made = canary_digest(job.id, salt, passed=passed)
    if made != job.canary:
        raise Malformed(
            f"the outcome and salt have the digest {made[:16]}..., and "
            f"{job.canary[:16]}... was posted; give what that was made of"
        )
    audit = _open_audit(pre, job, 0)
    _refuse_unfinished(pre, audit)
    draft = Draft(pre)
    _judge(draft, pre, params, audit, outcome=passed)
    pass_task(draft, pre, params, job, 0)
    return draft.diff()


def _chance(seed: str, what: str) -> int:
    """Draw a number below one, in fixed point."""
    drawn = int.from_bytes(sha256(f"{seed}:{what}".encode()).digest()[:8])
    return drawn * WAD >> 64


def _numbers(seed: str, what: str, below: int) -> Iterator[int]:
    """Draw whole numbers below another, evenly but for one part in 2**64."""
    for i in range(2**32):
        digest = sha256(f"{seed}:{what}:{i}".encode()).digest()
        yield int.from_bytes(digest[:16]) * below >> 128


def _sample(seed: str, below: int, wanted: int) -> tuple[int, ...]:
    """Draw different units."""
    drawn: dict[int, None] = {}
    for number in _numbers(seed, "unit", below):
        drawn[number] = None
        if len(drawn) == wanted:
            break
    return tuple(drawn)


def _seated(
    draft: Draft,
    pre: PreState,
    params: Params,
    job: Job,
    audit: Audit,
    link: Link,
    wanted: int,
    *,
    least: int,
) -> bool:
    """
    Seat a panel; not if fewer than so many can be found.

    Nobody of it owns the work, is there twice, or was staked when the link was known
    already. Who is busy is drawn all the same: else whoever keeps others busy would
    choose the panel.
    """
    bench = pre.record(Roll, BENCH) or Roll(BENCH)
    owners = {_name_of(job.consumer)}
    worked = (name for each in job.tasks for name in (each.resource, *each.failed))
    for seated in (*worked, *(each.resource for each in audit.verdicts)):
        if seated:
            owners.add(_name_of(checks.existing(pre, Resource, seated).owner))
    panel: list[Verdict] = []
    task = job.tasks[task_place(audit.id)[1]]
    due = _bond_due(pre, params, task)
    bond = bonding.verdict_bond(*due)
    places = _numbers(audit.seed, f"place:{audit.round}", bench.count)
    for _ in range(TRIES * wanted if bench.count else 0):
        place = checks.existing(pre, Place, str(next(places) + 1))
        resource = checks.existing(pre, Resource, place.resource)
        owner = _name_of(resource.owner)
        if owner in owners or resource.staked_at >= int(link.id):
            continue
        owners.add(owner)
        panel.append(Verdict(resource.id, resource.certificate, audit.round, bond))
        if len(panel) == wanted:
            break
    if len(panel) < least:
        return False
    draft.works("bonding.verdict_bond", due)
    for each in panel:
        track = draft.existing(Track, each.resource)
        draft.put(replace(track, busy=track.busy + 1))
    commit_by = pre.now() + params.market.verdict_seconds * SECOND
    reveal_by = commit_by + params.market.verdict_seconds * SECOND
    verdicts = (*audit.verdicts, *panel)
    draft.put(
        replace(audit, verdicts=verdicts, commit_by=commit_by, reveal_by=reveal_by)
    )
    return True


def _bond_due(
    pre: PreState, params: Params, task: Task
) -> tuple[MicroUsd, Wad, Wad, MicroToken]:
    """Give what the bond for a verdict on a task is worked out from."""
    rules = params.validation
    price = token_price(pre, params)
    return task.price, rules.verdict_bond_rate, price, rules.verdict_bond


def _name_of(member: str) -> str:
    """Name a person behind a role: the same name may have several."""
    return member.partition(":")[2]


def _open_audit(pre: PreState, job: Job, index: int) -> Audit:
    """Find the audit of a task that is under way. Refuses as its callers say."""
    audit = pre.record(Audit, task_name(job.id, index))
    if audit is None:
        raise UnknownRecord(
            f"task {index} of {job.id} has no audit yet; draw its validators first"
        )
    if audit.over:
        raise WrongStage(
            f"the last audit of task {index} of {job.id} is over; draw validators for "
            "the work that was delivered since"
        )
    return audit


def _drawn(
    pre: PreState, command: CommitVerdict | RevealVerdict
) -> tuple[Job, Audit, Verdict]:
    """
    Find the verdict that a validator was drawn for.

    Refusals, in order of precedence: those of `task_at`, `UnknownRecord`, those of
    `own_resource`, `NotDrawn`.
    """
    job, _ = task_at(pre, command.job, command.task, TaskStage.DELIVERED)
    audit = _open_audit(pre, job, command.task)
    resource = own_resource(pre, command.validator, command.owner)
    for verdict in audit.panel:
        if verdict.resource == resource.id:
            same = verdict.certificate == resource.certificate
            if same and resource.stage is Stage.STAKED:
                return job, audit, verdict
    drawn = ", ".join(each.resource for each in audit.panel) or "nobody yet"
    raise NotDrawn(
        f"resource {resource.id}, {resource.stage.value} with certificate "
        f"{resource.certificate}, was not drawn for task {command.task} of {job.id}; "
        f"drawn, and awaited, are {drawn}"
    )


def _with(audit: Audit, verdict: Verdict) -> Audit:
    """Change one verdict of the round that is under way."""
    return replace(
        audit,
        verdicts=tuple(
            verdict
            if each.resource == verdict.resource and each.round == audit.round
            else each
            for each in audit.verdicts
        ),
    )


def _refuse_unfinished(pre: PreState, audit: Audit) -> None:
    """Refuse with `TooEarly` while somebody may still say something."""
    if not audit.has_spoken(pre.now()):
        raise TooEarly(
            f"verdicts are awaited until {in_utc(audit.reveal_by)}, and it is "
            f"{in_utc(pre.now())}; wait until then, or until all have spoken"
        )


def _wanted_after(audit: Audit) -> int:
    """Size the panel of the round after the last one that was drawn: twice, and one."""
    last = audit.verdicts[-1].round
    return 2 * sum(each.round == last for each in audit.verdicts) + 1


def _next_round(pre: PreState, params: Params, audit: Audit) -> Audit:
    """Ask for another round, to be drawn by a link that nobody knows yet."""
    beacon = checks.existing(pre, Beacon, CURRENT)
    commit_by = pre.now() + params.market.verdict_seconds * SECOND
    reveal_by = commit_by + params.market.verdict_seconds * SECOND
    return replace(
        audit,
        round=audit.round + 1,
        beacon=beacon.number,
        commit_by=commit_by,
        reveal_by=reveal_by,
    )


def _first_link(pre: PreState, after: int) -> Link:
    """Find the link that decides after another. Refuses with `TooEarly`."""
    link = first_link(partial(pre.record, Link), after)
    if link is None:
        raise TooEarly("the beacon's next link is not revealed yet; reveal it first")
    return link


def _decide(
    draft: Draft,
    pre: PreState,
    params: Params,
    job: Job,
    audit: Audit,
    *,
    outcome: bool | None,
) -> None:
    """Judge who checked, and let the task pass or fail; without an outcome it fails."""
    _judge(draft, pre, params, audit, outcome=outcome)
    _, index = task_place(audit.id)
    if outcome:
        pass_task(draft, pre, params, job, index)
    else:
        fail_task(draft, pre, params, job, index, fraud=outcome is False)


def _majority(audit: Audit) -> bool | None:
    """Count all verdicts; no outcome without a majority of those who were drawn."""
    passed = sum(each.passed is True for each in audit.verdicts)
    failed = sum(each.passed is False for each in audit.verdicts)
    if passed + failed <= len(audit.verdicts) // 2 or passed == failed:
        return None
    return passed > failed


def _judge(
    draft: Draft,
    pre: PreState,
    params: Params,
    audit: Audit,
    *,
    outcome: bool | None,
) -> None:
    """
    Credit the verdicts that agree with the outcome.

    One that disagrees, or was never revealed, costs its bond, out of the stake. Where
    there is no outcome, whoever revealed has done its part. Who has lost half of its
    stake, or was wrong too often in a row, is drawn no more.
    """
    job_id, index = task_place(audit.id)
    task = draft.existing(Job, job_id).tasks[index]
    for each in audit.verdicts:
        right = each.passed is not None and outcome in (None, each.passed)
        resource = draft.existing(Resource, each.resource)
        lost = MicroToken(0 if right else min(each.bond, resource.stake))
        if not right:
            slash(draft, pre, params, lost, held=STAKES)
            # One stake stands for all verdicts that are under way: the rest is owed.
            stake = MicroToken(resource.stake - lost)
            owed = MicroToken(resource.owed + each.bond - lost)
            resource = replace(resource, stake=stake, owed=owed)
            draft.put(resource)
        note_outcome(draft, pre, params, each.resource, validated=right)
        track = draft.existing(Track, each.resource)
        poor = 2 * resource.stake < params.validation.validator_stake
        if poor or track.outcomes.endswith("0" * UNSEATED_AFTER):
            _unseat(draft, each.resource)
        if right and outcome is not None:
            earn_verdict(draft, pre, params, task, each.resource)
    draft.put(replace(audit, over=True))


def _unseat(draft: Draft, name: str) -> None:
    """Take a validator off the bench, until its owner stakes its certificate again."""
    resource = draft.existing(Resource, name)
    for record in off_the_bench(draft.existing, resource):
        draft.put(record)
    if resource.stage is Stage.STAKED:
        draft.put(replace(resource, stage=Stage.CERTIFIED, place=0))
