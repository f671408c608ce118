"""
What suppliers offer: resources that are registered, certified, staked, and leave again.

A certificate belongs to one resource and its owner for good: nothing moves it. Staking
it is what opens the resource to jobs, and to a seat in a project's Phase 1.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Final, Protocol

from coopera.errors import (
    Malformed,
    NoSeat,
    NotAllowed,
    NotCertified,
    ResourceBusy,
    UnknownKind,
    WrongStage,
)
from coopera.formulas import onboarding
from coopera.formulas.reputation import supplier_reputation
from coopera.ledger import Transfer, Working, account
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.accounts import FLOAT, HELD_TOKEN, HELD_USD, STAKES
from coopera.protocol.books import CURRENT
from coopera.protocol.orders import Beacon
from coopera.protocol.state import Diff, Economy, PreState, R, Record
from coopera.units import MicroToken, MicroUsd, Wad

VALIDATOR: Final = "validator"
"""Kind that checks the work of all others; no row of the payment matrix pays it."""

RESOURCES: Final = "resources"
BENCH: Final = "bench"

NUMBER_MAX: Final = 1_000_000
"""Most devices, GiB or milliseconds of one resource."""
SLOTS_MAX: Final = 1_000
MODELS_MAX: Final = 64
"""Most models that one resource may offer."""


class Stage(StrEnum):
    """Where a resource stands."""

    REGISTERED = "registered"
    """Its fee is paid, and it may ask to be certified."""
    CERTIFIED = "certified"
    STAKED = "staked"
    """Takes jobs."""
    REVOKED = "revoked"
    """Lost its certificate; it may ask for another."""
    RETIRED = "retired"
    """Gone for good: its name is not given again."""


@dataclass(frozen=True, slots=True)
class Capability:
    """What a resource can do, and for how much."""

    kind: str
    """Column of the payment matrix, or `validator`."""
    device: str
    """What does the work: a type of GPU, TPU, CPU or storage, or `person`."""
    count: int
    memory_gib: int
    region: str
    latency_ms: int
    """95th percentile of its answers."""
    models: tuple[str, ...]
    """Models that it serves, if it serves any."""
    price: int
    """Lowest micro-dollars for a unit of its kind's part of a job."""
    slots: int
    """Jobs at a time."""


@dataclass(frozen=True, slots=True)
class Resource:
    """One thing that a supplier offers, as it was certified."""

    id: str
    serial: int
    """Place in the order of registration, from 1; it breaks ties between suppliers."""
    owner: str
    can: Capability
    stage: Stage = Stage.REGISTERED
    certificate: int = 0
    """Number of its certificate, from 1; verdicts and jobs name it."""
    evidence: str = ""
    """What it was certified on: the root of its work, or the operator's words."""
    attested: bool = False
    """Whether the operator has attested that it is there, and is nobody else's."""
    project: str = ""
    """Project in whose Phase 1 it has a seat."""
    seated_at: MicroToken = MicroToken(0)
    """What a seat had accrued when it took its own."""
    place: int = 0
    """Place of a validator among those that may be drawn, from 1."""
    stake: MicroToken = MicroToken(0)
    """What a validator has at stake, until it is retired."""
    staked_at: int = 0
    """Number of the beacon's last link when it was staked: later ones may draw it."""
    owed: MicroToken = MicroToken(0)
    """Lost with verdicts beyond its stake; the pay for verdicts makes it good."""


@dataclass(frozen=True, slots=True)
class Lot:
    """Pay of a day that is held back, until later jobs have gone well too."""

    units: int
    """Parts of job prices that it is the pay of."""
    usd: MicroUsd
    token: MicroToken


@dataclass(frozen=True, slots=True)
class Track:
    """How a resource has done so far."""

    id: str
    outcomes: str = ""
    """Its last jobs, latest last: `1` for one that was validated, `0` for another."""
    total: int = 0
    """Jobs that it ever completed."""
    busy: int = 0
    """Jobs that it has now."""
    active_day: int = 0
    """Day of its last job, or of its certificate."""
    unpaid: tuple[str, ...] = ()
    """What it has earned and was not paid for yet, by name."""
    kept: int = 0
    """Parts of job prices whose pay is held back."""
    lots: tuple[Lot, ...] = ()
    """Pay that is held back, the oldest first."""

    @property
    def validated(self) -> int:
        """Count the jobs of the window that were validated."""
        return self.outcomes.count("1")


@dataclass(frozen=True, slots=True)
class Roll:
    """How many of something there have been, so that the next one has a number."""

    id: str
    count: int = 0


@dataclass(frozen=True, slots=True)
class Place:
    """Who sits in a place of the bench that validators are drawn from."""

    id: str
    resource: str


@dataclass(frozen=True, slots=True)
class Census:
    """Suppliers, by kind, that came and went since the last close of a day."""

    id: str
    entered: tuple[int, ...]
    left: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Seats:
    """Seats of a project's Phase 1."""

    id: str
    taken: tuple[int, ...]
    """By kind."""
    accrued: MicroToken = MicroToken(0)
    """What one seat has accrued since the first day."""


@dataclass(frozen=True, slots=True)
class RegisterResource:
    """Command by which a supplier offers a resource, and pays the onboarding fee."""

    id: str
    owner: str
    kind: str
    device: str
    count: int
    memory_gib: int
    region: str
    latency_ms: int
    price: int
    slots: int = 1
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class RepriceResource:
    """Command by which a supplier changes what it asks, and how much it takes on."""

    id: str
    owner: str
    price: int
    slots: int


@dataclass(frozen=True, slots=True)
class CertifyResource:
    """Command by which the operator attests that a resource has passed its test."""

    id: str
    evidence: str


@dataclass(frozen=True, slots=True)
class StakeCertificate:
    """Command by which a supplier opens a certified resource to jobs."""

    id: str
    owner: str
    project: str = ""
    """Project in whose Phase 1 to take a seat; none for jobs alone."""


@dataclass(frozen=True, slots=True)
class RevokeCertificate:
    """Command by which the operator takes a certificate away."""

    id: str
    reason: str


@dataclass(frozen=True, slots=True)
class ClaimSeat:
    """Command by which a supplier takes what its seat accrued, once Phase 1 is over."""

    id: str
    owner: str


@dataclass(frozen=True, slots=True)
class RetireResource:
    """Command by which a supplier withdraws a resource for good."""

    id: str
    owner: str


def register_resource(pre: PreState, params: Params, command: RegisterResource) -> Diff:
    """
    Register a resource, and collect the onboarding fee.

    Refusals, in order of precedence: `Malformed` for the names, `UnknownKind`, those of
    the numbers, `Malformed` for the models, `AlreadyExists`, those of the accounts.
    """
    name = checks.new_name("id", command.id)
    owner = checks.member("owner", command.owner, "supplier")
    can = _capability(params, command)
    checks.not_yet(pre, Resource, name)
    checks.opened(pre, owner.token)
    roll = pre.record(Roll, RESOURCES) or Roll(RESOURCES)
    due = (
        pre.epoch().fee_usd,
        token_price(pre, params),
        params.onboarding.min_onboarding_fee,
    )
    fee = onboarding.onboarding_fee(*due)
    paid = Transfer(owner.token, FLOAT, fee, "onboarding fee", 0)
    return Diff(
        (paid,) if fee else (),
        records=(
            Resource(name, roll.count + 1, owner.id, can),
            replace(roll, count=roll.count + 1),
            *_counted(pre, params, can.kind, entered=1),
        ),
        workings=(Working("onboarding.onboarding_fee", due),),
    )


def reprice_resource(pre: PreState, _params: Params, command: RepriceResource) -> Diff:
    """
    Change what a resource asks, and how many jobs it takes at a time.

    Refusals, in order of precedence: those of `own_resource`, those of the numbers.
    """
    resource = own_resource(pre, command.id, command.owner)
    price = checks.count("price", command.price)
    slots = _between("slots", command.slots, 1, SLOTS_MAX)
    return Diff(
        records=(
            replace(resource, can=replace(resource.can, price=price, slots=slots)),
        )
    )


def certify_resource(pre: PreState, _params: Params, command: CertifyResource) -> Diff:
    """
    Attest that a resource has passed its test.

    Refusals, in order of precedence: `UnknownRecord`, `Malformed`, `ResourceBusy`,
    `WrongStage`.
    """
    resource = checks.existing(pre, Resource, command.id)
    evidence = checks.text("evidence", command.evidence)
    track = pre.record(Track, resource.id) or Track(resource.id)
    if track.busy:
        raise ResourceBusy(
            f"resource {resource.id} has {track.busy} jobs by its present certificate; "
            "let it finish them first"
        )
    seen = replace(resource, attested=True)
    return Diff(records=certified(pre, seen, track, evidence))


def certified(
    pre: PreState, resource: Resource, track: Track, evidence: str
) -> tuple[Resource, Track]:
    """Give a resource a certificate of its own, or a new one. Refuses `WrongStage`."""
    if resource.stage is Stage.RETIRED:
        raise WrongStage(f"resource {resource.id} is retired; register another")
    stage = Stage.STAKED if resource.stage is Stage.STAKED else Stage.CERTIFIED
    number = resource.certificate + 1
    return (
        replace(resource, stage=stage, certificate=number, evidence=evidence),
        replace(track, active_day=pre.economy().day),
    )


def stake_certificate(pre: PreState, params: Params, command: StakeCertificate) -> Diff:
    """
    Open a certified resource to jobs, and seat it in a project's Phase 1.

    A seat is paid for being there, so that a test is not enough for it: one machine
    could pass it under many names. The operator has to attest to each.

    Refusals, in order of precedence: those of `own_resource`, `NotCertified`,
    `WrongStage` for one that is staked, `UnknownService` for the project, `NoSeat`,
    `NotCertified` for a seat without the operator's word, those of the accounts for the
    stake of a validator.
    """
    resource = own_resource(pre, command.id, command.owner)
    if resource.stage in (Stage.REGISTERED, Stage.REVOKED):
        raise NotCertified(
            f"resource {resource.id} is {resource.stage.value}; have it certified first"
        )
    if resource.stage is Stage.STAKED:
        raise WrongStage(f"resource {resource.id} is staked already, and takes jobs")
    beacon = pre.record(Beacon, CURRENT) or Beacon(CURRENT)
    staked = replace(resource, stage=Stage.STAKED, staked_at=beacon.number)
    records: list[Record] = []
    moved: tuple[Transfer, ...] = ()
    if command.project:
        seats = _free_seats(pre, params, command.project, resource.can.kind)
        if not resource.attested:
            raise NotCertified(
                f"resource {resource.id} has passed a test and nobody has attested to "
                "it; a seat needs the operator's word, or name no project"
            )
        records.append(seats)
        staked = replace(staked, project=seats.id, seated_at=seats.accrued)
    if resource.can.kind == VALIDATOR:
        bench = pre.record(Roll, BENCH) or Roll(BENCH)
        place = bench.count + 1
        stake = max(resource.stake, params.validation.validator_stake)
        added = stake - resource.stake
        staked = replace(staked, place=place, stake=MicroToken(stake))
        records += [replace(bench, count=place), Place(str(place), resource.id)]
        if added:
            paying = checks.member("owner", resource.owner).token
            moved = (Transfer(paying, STAKES, added, "stake"),)
    return Diff(moved, records=(staked, *records))


def revoke_certificate(
    pre: PreState, params: Params, command: RevokeCertificate
) -> Diff:
    """
    Take a certificate away, and with it the seat: in Phase 1 what it accrued is lost.

    Numbers of certificates go on: nothing that is under way counts for the next one.

    Refusals, in order of precedence: `UnknownRecord`, `Malformed`, `NotCertified`.
    """
    resource = checks.existing(pre, Resource, command.id)
    reason = checks.text("reason", command.reason)
    if resource.stage not in (Stage.CERTIFIED, Stage.STAKED):
        raise NotCertified(
            f"resource {resource.id} is {resource.stage.value} and has no certificate"
        )
    number = resource.certificate + 1
    void = replace(resource, evidence=reason, certificate=number, attested=False)
    return _withdrawn(pre, params, void, Stage.REVOKED)


def retire_resource(pre: PreState, params: Params, command: RetireResource) -> Diff:
    """
    Withdraw a resource for good; pay that was held back is paid, a stake returned.

    Who does so in Phase 1 forfeits what its seat accrued.

    Refusals, in order of precedence: those of `own_resource`, `ResourceBusy`, those of
    the accounts.
    """
    resource = own_resource(pre, command.id, command.owner)
    track = pre.record(Track, resource.id)
    if track is not None and track.busy:
        raise ResourceBusy(
            f"resource {resource.id} has {track.busy} jobs; finish them first"
        )
    bare = replace(resource, stake=MicroToken(0))
    diff = _withdrawn(pre, params, bare, Stage.RETIRED)
    records = [*diff.records, *_counted(pre, params, resource.can.kind, left=1)]
    usd = token = 0
    if track is not None and track.lots:
        usd = sum(lot.usd for lot in track.lots)
        token = sum(lot.token for lot in track.lots)
        records.append(replace(track, lots=(), kept=0))
    owner = checks.member("owner", resource.owner)
    released = [
        Transfer(held, to, amount, reason)
        for held, to, amount, reason in (
            (HELD_USD, owner.usd, usd, "pay"),
            (HELD_TOKEN, owner.token, token, "pay"),
            (STAKES, owner.token, resource.stake, "stake returned"),
        )
        if amount
    ]
    return diff._replace(transfers=(*diff.transfers, *released), records=tuple(records))


def claim_seat(pre: PreState, params: Params, command: ClaimSeat) -> Diff:
    """
    Take what a seat accrued, once its project is in Phase 2.

    Refusals, in order of precedence: those of `own_resource`, `NoSeat`, `NotAllowed` in
    Phase 1, those of the accounts.
    """
    resource = own_resource(pre, command.id, command.owner)
    if not resource.project:
        raise NoSeat(f"resource {resource.id} has no seat; there is nothing to claim")
    if phase_of(params, pre.economy(), resource.project) == 1:
        raise NotAllowed(
            f"project {resource.project} is in Phase 1; its seats are locked until "
            "Phase 2"
        )
    return _without_seat(pre, params, resource)


def own_resource(pre: PreState, name: str, owner: str) -> Resource:
    """
    Find a resource that its owner names.

    Refusals, in order of precedence: `UnknownRecord`, `NotAllowed` for another owner,
    `WrongStage` for one that is retired.
    """
    resource = checks.existing(pre, Resource, name)
    if resource.owner != owner:
        raise NotAllowed(
            f"resource {name} belongs to {resource.owner}, and not to "
            f"{str(owner)[:80]!r}"
        )
    if resource.stage is Stage.RETIRED:
        raise WrongStage(f"resource {name} is retired; register another")
    return resource


def token_price(pre: PreState, params: Params) -> Wad:
    """Tell the price of the last close, and before the first one what was set."""
    return pre.epoch().price or params.pricing.initial_price_usd


def reputation_of(params: Params, track: Track) -> Wad:
    """Tell the reputation that a track gives, by what governance credits newcomers."""
    rules = params.reputation
    return supplier_reputation(
        track.validated,
        len(track.outcomes),
        rules.reputation_prior_validated,
        rules.reputation_prior_failed,
    )


def phase_of(params: Params, economy: Economy, project: str) -> int:
    """Tell the phase of a project; one that is no more is past Phase 1."""
    names = (each.name for each in params.projects)
    states = dict(zip(names, economy.projects, strict=True))
    return states[project].phase if project in states else 2


def _capability(params: Params, command: RegisterResource) -> Capability:
    device = checks.new_name("device", command.device)
    region = checks.new_name("region", command.region)
    kinds = (*params.matrix.kinds, VALIDATOR)
    if command.kind not in kinds:
        raise UnknownKind(
            f"there is no supplier kind {str(command.kind)[:80]!r}; there are "
            f"{', '.join(kinds)}"
        )
    count = _between("count", command.count, 1, NUMBER_MAX)
    memory = _between("memory_gib", command.memory_gib, 0, NUMBER_MAX)
    latency = _between("latency_ms", command.latency_ms, 1, NUMBER_MAX)
    price = checks.count("price", command.price)
    slots = _between("slots", command.slots, 1, SLOTS_MAX)
    if len(command.models) > MODELS_MAX:
        raise Malformed(
            f"models names {len(command.models)}; a resource offers {MODELS_MAX} at "
            "most"
        )
    models = tuple(checks.new_name("models", each) for each in command.models)
    return Capability(
        *(command.kind, device, count, memory, region, latency, models, price, slots)
    )


def _between(name: str, value: object, low: int, high: int) -> int:
    whole = checks.count(name, value)
    if not low <= whole <= high:
        raise Malformed(f"{name} is {whole}; it must be from {low} to {high}")
    return whole


def _counted(
    pre: PreState, params: Params, kind: str, *, entered: int = 0, left: int = 0
) -> tuple[Record, ...]:
    """Count who came or went; validators are no suppliers of the payment matrix."""
    if kind == VALIDATOR:
        return ()
    kinds = params.matrix.kinds
    nobody = (0,) * len(kinds)
    census = pre.record(Census, CURRENT) or Census(CURRENT, nobody, nobody)
    at = kinds.index(kind)
    return (
        replace(
            census,
            entered=_raised(census.entered, at, entered),
            left=_raised(census.left, at, left),
        ),
    )


def _raised(counts: Sequence[int], at: int, by: int) -> tuple[int, ...]:
    return (*counts[:at], counts[at] + by, *counts[at + 1 :])


def _free_seats(pre: PreState, params: Params, project: str, kind: str) -> Seats:
    """Take a seat of a project. Refuses `UnknownService` and `NoSeat`."""
    targets = checks.project(params, project).targets
    if kind == VALIDATOR or phase_of(params, pre.economy(), project) != 1:
        raise NoSeat(f"project {project} has no seats in Phase 1 for {kind}; name none")
    at = params.matrix.kinds.index(kind)
    seats = pre.record(Seats, project) or Seats(project, (0,) * len(targets))
    if seats.taken[at] >= targets[at]:
        raise NoSeat(
            f"all {targets[at]} seats of {kind} in project {project} are taken; name "
            "another project, or none"
        )
    return replace(seats, taken=_raised(seats.taken, at, 1))


def _without_seat(pre: PreState, params: Params, resource: Resource) -> Diff:
    """Give a seat up: in Phase 1 what it accrued is forfeited, and later it is paid."""
    if not resource.project:
        return Diff(records=(resource,))
    seats = checks.existing(pre, Seats, resource.project)
    accrued = seats.accrued - resource.seated_at
    locked = account("locked", "phase1", resource.project)
    early = phase_of(params, pre.economy(), resource.project) == 1
    owner = checks.member("owner", resource.owner)
    to, why = (FLOAT, "seat forfeited") if early else (owner.token, "seat unlocked")
    at = params.matrix.kinds.index(resource.can.kind)
    return Diff(
        (Transfer(locked, to, accrued, why),) if accrued else (),
        records=(
            replace(resource, project="", seated_at=MicroToken(0)),
            replace(seats, taken=_raised(seats.taken, at, -1)),
        ),
    )


def _withdrawn(pre: PreState, params: Params, resource: Resource, stage: Stage) -> Diff:
    """Take a resource off its seat and off the bench."""
    off = replace(resource, stage=stage, place=0)
    diff = _without_seat(pre, params, off)
    moved = off_the_bench(partial(checks.existing, pre), resource)
    return diff._replace(records=(*diff.records, *moved))


class Existing(Protocol):
    """Finds records that must be there."""

    def __call__(self, kind: type[R], name: str, /) -> R:
        """Return a record."""
        ...


def off_the_bench(existing: Existing, resource: Resource) -> tuple[Record, ...]:
    """Fill a validator's place with the last one, so that no place is empty."""
    if not resource.place:
        return ()
    bench = existing(Roll, BENCH)
    shorter = replace(bench, count=bench.count - 1)
    if resource.place == bench.count:
        return (shorter,)
    last = existing(Place, str(bench.count))
    moved = existing(Resource, last.resource)
    place = Place(str(resource.place), moved.id)
    return (shorter, place, replace(moved, place=resource.place))
