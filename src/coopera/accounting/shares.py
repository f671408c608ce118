"""
What trainings and vaults come to for those who share in them, and why.

All of it is read off a state, whatever holds that, by the rules that units and revenue
are divided by. Nothing here writes, so that a command line and a service can tell the
same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final, NamedTuple

from coopera.errors import NotEligible, UnknownRecord
from coopera.formulas import contribution, royalty
from coopera.formulas.allocation import largest_remainder
from coopera.formulas.royalty import PART
from coopera.ledger import account
from coopera.params import Params
from coopera.params.chapters import ComputeSplit, DataShare, EmptySide
from coopera.protocol import checks
from coopera.protocol.claims import Claimable
from coopera.protocol.data import (
    DataSet,
    DataStake,
    Offer,
    Part,
    is_taken,
    offer_name,
    part_name,
)
from coopera.protocol.overlay import Overlay
from coopera.protocol.royalties import (
    brought,
    share_round,
    weighed,
    weight_of_node,
)
from coopera.protocol.state import PreState
from coopera.protocol.training import (
    Method,
    Node,
    NodeStage,
    Round,
    RoundStage,
    ShareRound,
    Training,
    node_name,
    nodes_of,
    round_at,
    round_name,
)
from coopera.protocol.vaults import (
    MONEY,
    Entitlement,
    Holding,
    Revenue,
    Vault,
    inflow_of,
    units_of,
)
from coopera.units import WAD, MicroUnit, Wad

COMPUTE: Final = "compute"
DATA: Final = "data"
SIDES: Final = (COMPUTE, DATA)


# who holds what, and what it has earned


@dataclass(frozen=True, slots=True)
class Earned:
    """What units have earned of one asset, in micro-units."""

    total: int
    """Ever."""
    paid: int

    @property
    def unpaid(self) -> int:
        """What is still to be paid."""
        return self.total - self.paid


@dataclass(frozen=True, slots=True)
class Holder:
    """A member with units of a vault."""

    member: str
    units: int
    """Micro-units, now."""
    earned: Mapping[str, Earned]
    """By asset."""


@dataclass(frozen=True, slots=True)
class Income:
    """What came into a vault of one asset, in micro-units."""

    received: int
    """Recorded for the holders, ever; in the vault still, or paid to them."""
    unrecorded: int
    """Paid in since revenue was last recorded."""
    held: int
    """In the vault, until it is claimed."""
    paid: int
    """To holders, ever."""
    reserve: int
    """Earned by units that nobody has yet; it is theirs who hold units at the close."""


@dataclass(frozen=True, slots=True)
class SideUnits:
    """Units of one side of a vault, in micro-units."""

    side: str
    pool: int
    issued: int

    @property
    def left(self) -> int:
        """Units that nobody has yet."""
        return self.pool - self.issued


@dataclass(frozen=True, slots=True)
class VaultShares:
    """A vault, with all who hold its units."""

    vault: Vault
    sides: tuple[SideUnits, ...]
    holders: tuple[Holder, ...]
    """Who has most first; and those who have none any more and earned something."""
    income: Mapping[str, Income]
    """By asset."""
    derived: tuple[tuple[str, Wad], ...]
    """Vaults that pay to this one, and which part of their revenue."""

    @property
    def issued(self) -> int:
        """All units that somebody has."""
        return sum(side.issued for side in self.sides)


def claimable(pre: PreState) -> Iterator[Claimable]:
    """
    List what may be claimed: all that every holder has earned so far, paid or not.

    What was paid into a vault and is not recorded yet is nobody's so far.
    """
    vaults = pre.records(Vault)
    balances = pre.balances()
    for holding in pre.records(Holding).values():
        name, member = _owner(holding)
        vault = vaults[name]
        units = balances.get(units_of(name, member), 0)
        for asset, earned in _earned(vault, holding, units).items():
            if earned.total:
                yield Claimable(name, asset, member, earned.total)


def unrecorded(pre: PreState) -> Mapping[str, int]:
    """Find what was paid into vaults and is not recorded yet, by account."""
    paths = (inflow_of(name, each) for name in pre.records(Vault) for each in MONEY)
    balances = pre.balances()
    return {path: balances[path] for path in paths if balances.get(path)}


def vault_shares(pre: PreState, name: str) -> VaultShares:
    """Find who holds the units of a vault. Refuses with `UnknownRecord`."""
    vault = pre.record(Vault, name)
    if vault is None:
        raise UnknownRecord(
            f"there is no vault {name[:80]!r}; a vault has the name of its training"
        )
    found = (
        _holder(pre, vault, holding)
        for holding in pre.records(Holding).values()
        if _owner(holding)[0] == vault.id
    )
    holders = sorted(
        (
            each
            for each in found
            if each.units or any(earned.total for earned in each.earned.values())
        ),
        key=lambda each: (-each.units, each.member),
    )
    derived = tuple(
        (child.id, share)
        for child in pre.records(Vault).values()
        for parent, share in child.parents
        if parent == vault.id
    )
    sides = sides_of(pre, vault)
    income = _income(pre, vault, sides, holders)
    return VaultShares(vault, sides, tuple(holders), income, derived)


def sides_of(pre: PreState, vault: Vault) -> tuple[SideUnits, ...]:
    """Tell how many units of both sides were issued."""
    pools = {COMPUTE: vault.compute, DATA: vault.supply - vault.compute}
    return tuple(
        SideUnits(side, pool, pool - pre.balance(account("vault", vault.id, side)))
        for side, pool in pools.items()
    )


def _holder(pre: PreState, vault: Vault, holding: Holding) -> Holder:
    member = _owner(holding)[1]
    units = pre.balance(units_of(vault.id, member))
    return Holder(member, units, _earned(vault, holding, units))


def _owner(holding: Holding) -> tuple[str, str]:
    """Split the name of a holding: vault, and member."""
    vault, _, member = holding.id.partition(":")
    return vault, member


def _earned(vault: Vault, holding: Holding, units: int) -> dict[str, Earned]:
    """Count what a holding has earned by now, as `settled` does."""
    found = {}
    for asset in MONEY:
        revenue: Revenue = getattr(vault, asset.value)
        was: Entitlement = getattr(holding, asset.value)
        total = was.total + _since(vault, revenue, was, units)
        found[asset.value] = Earned(total, was.claimed)
    return found


def _since(vault: Vault, revenue: Revenue, was: Entitlement, units: int) -> int:
    """Count what units have earned since their entitlement was last settled."""
    risen = revenue.index - was.index
    return royalty.entitlement(MicroUnit(units), risen, was.part, vault.supply)[0]


def _income(
    pre: PreState,
    vault: Vault,
    sides: Sequence[SideUnits],
    holders: Sequence[Holder],
) -> dict[str, Income]:
    income = {}
    unissued = sum(side.left for side in sides)
    for asset in MONEY:
        revenue: Revenue = getattr(vault, asset.value)
        held = pre.balance(account("vault", vault.id, asset.value))
        paid = sum(holder.earned[asset.value].paid for holder in holders)
        reserve = revenue.reserve.total - revenue.reserve.claimed
        if not vault.closed:
            reserve += _since(vault, revenue, revenue.reserve, unissued)
        income[asset.value] = Income(
            held + paid,
            pre.balance(inflow_of(vault.id, asset)),
            held,
            paid,
            reserve,
        )
    return income


# how units are released


class Release(NamedTuple):
    """What a side has released after a round, in micro-units."""

    round: int
    compute: int
    """By this round alone."""
    data: int
    compute_so_far: int
    data_so_far: int


@dataclass(frozen=True, slots=True)
class Terms:
    """By what terms the units of a vault are released."""

    compute: MicroUnit
    """Units of the compute side."""
    data: MicroUnit
    compute_decay: Wad
    data_decay: Wad
    rounds: int = 0
    """How many there will be; 0 if that is open."""

    def released(self, side: str, rounds: int) -> MicroUnit:
        """Tell what a side has released after some rounds."""
        given = {
            COMPUTE: (self.compute, self.compute_decay),
            DATA: (self.data, self.data_decay),
        }[side]
        return royalty.released_units(*given, rounds, self.rounds)


def terms_of(training: Training, vault: Vault) -> Terms:
    """Tell the terms of a training."""
    return Terms(
        vault.compute,
        MicroUnit(vault.supply - vault.compute),
        training.compute_decay,
        training.data_decay,
        training.rounds,
    )


def release_plan(terms: Terms, until: int) -> list[Release]:
    """
    List what both sides release, round by round.

    >>> terms = Terms(MicroUnit(70), MicroUnit(30), Wad(WAD // 100), Wad(WAD // 20), 2)
    >>> [tuple(each) for each in release_plan(terms, 2)]
    [(1, 35, 15, 35, 15), (2, 35, 15, 70, 30)]
    """
    plan: list[Release] = []
    compute = data = 0
    for number in range(1, until + 1):
        # One unit of the exponential may step back; what is released never does.
        compute_now, data_now = (
            max(before, terms.released(side, number))
            for side, before in ((COMPUTE, compute), (DATA, data))
        )
        alone = compute_now - compute, data_now - data
        plan.append(Release(number, *alone, compute_now, data_now))
        compute, data = compute_now, data_now
    return plan


@dataclass(frozen=True, slots=True)
class Slice:
    """What one round handed out of one side, in micro-units."""

    side: str
    pool: int
    released: int
    """By this round."""
    carried: int
    """Left by the rounds before it."""
    units: int
    """Handed out to those on this side."""
    other: int
    """Of these, what came from the other side, on which nobody was."""

    @property
    def available(self) -> int:
        """What the round could hand out of the side."""
        return self.released + self.carried

    @property
    def left(self) -> int:
        """What it left to the rounds after it."""
        return self.available - (self.units - self.other)


def slices_of(pre: PreState, training: Training, number: int) -> dict[str, Slice]:
    """Tell what a round that is shared handed out of both sides."""
    vault = checks.existing(pre, Vault, training.id)
    terms = terms_of(training, vault)
    issued = dict.fromkeys(SIDES, 0)
    slices: dict[str, Slice] = {}
    for each in range(1, number + 1):
        round_ = round_at(pre, training.id, each)
        both = round_.rules.empty_side is EmptySide.OTHER_SIDE
        given = {COMPUTE: round_.compute_units, DATA: round_.data_units}
        available = {
            side: royalty.round_slice(
                terms.released(side, each), MicroUnit(issued[side])
            )
            for side in SIDES
        }
        other = dict.fromkeys(SIDES, 0)
        if both and given[COMPUTE] and not round_.weight:
            other[COMPUTE] = given[COMPUTE] - available[COMPUTE]
        elif both and given[DATA] and not given[COMPUTE]:
            other[DATA] = available[COMPUTE]
        if each == number:
            slices = {
                side: _slice(terms, round_, side, issued, available, given, other)
                for side in SIDES
            }
        for side, beside in (SIDES, SIDES[::-1]):
            issued[side] += given[side] - other[side] + other[beside]
    return slices


def _slice(
    terms: Terms,
    round_: Round,
    side: str,
    issued: Mapping[str, int],
    available: Mapping[str, MicroUnit],
    given: Mapping[str, int],
    other: Mapping[str, int],
) -> Slice:
    pool = terms.compute if side == COMPUTE else terms.data
    before = terms.released(side, round_.number - 1)
    carried = min(max(0, before - issued[side]), available[side])
    return Slice(
        side, pool, available[side] - carried, carried, given[side], other[side]
    )


# what a round is worth


def nats(value: int, scale: int) -> Wad:
    """Tell a value at the prices of a round in nats, in fixed point."""
    return contribution.divergence_drop(value, scale)


@dataclass(frozen=True, slots=True)
class Given:
    """Data that a round was offered, as far as it is known what it is worth."""

    number: int
    """Among the offers, from 1."""
    offer: Offer
    rows: int
    value: Wad | None = None
    """In nats, by prices."""
    divergence: Wad | None = None
    """From the target, in nats."""
    weight: int | None = None
    units: int | None = None


@dataclass(frozen=True, slots=True)
class Worked:
    """Work of a node, as far as it is known what it brings."""

    supplier: str
    node: Node
    weight: int | None = None
    units: int | None = None


def given_of(pre: PreState, round_: Round, last: int | None = None) -> Iterator[Given]:
    """List what a round was offered, in order; or the last so many of it."""
    first = 1 if last is None else max(1, round_.offers - last + 1)
    for number in range(first, round_.offers + 1):
        yield _given(pre, round_, number)


def worked_of(pre: PreState, round_: Round) -> list[Worked]:
    """List the nodes of a round."""
    training = checks.existing(pre, Training, round_.training)
    encrypted = training.method is Method.ENCRYPTED
    weights: dict[str, int] = {}
    if round_.masses and round_.stage is not RoundStage.RUNNING:
        weights = {
            name: 1 if encrypted else weight_of_node(round_.rules, node)
            for name, node in nodes_of(pre, round_)
        }
    units: dict[str, int] = {}
    if round_.paid >= 0 and any(weights.values()):
        shares = largest_remainder(round_.compute_units, tuple(weights.values()))
        units = dict(zip(weights, shares, strict=True))
    shared = round_.paid >= 0
    return [
        Worked(
            name,
            checks.existing(pre, Node, node_name(round_.id, name)),
            weights.get(name),
            units.get(name, 0) if shared else None,
        )
        for name in round_.nodes
    ]


def _given(pre: PreState, round_: Round, number: int) -> Given:
    offer = checks.existing(pre, Offer, offer_name(round_.id, number))
    rows = sum(offer.counts)
    if not round_.masses or round_.stage is RoundStage.RUNNING:
        return Given(number, offer, rows)
    value = None
    if round_.prices:
        worth = contribution.data_value(offer.counts, round_.prices)
        value = nats(worth, round_.scale)
    divergence = contribution.kl_divergence(offer.counts, round_.masses)
    part = checks.existing(
        pre, Part, part_name(round_.id, place := (number - 1) // PART)
    )
    weight = (
        part.weights[(number - 1) % PART]
        if place < round_.weighed
        else weighed(round_, offer)[0]
    )
    units = None
    if round_.paid >= 0:
        units = 0
        if part.units:
            units = largest_remainder(part.units, part.weights)[(number - 1) % PART]
    return Given(number, offer, rows, value, divergence, weight, units)


@dataclass(frozen=True, slots=True)
class Cell:
    """A cell of a round's data."""

    number: int
    """From 0."""
    target: Wad
    rows: int
    """That the round was offered."""
    pool: int
    """Rows that the pool had before the round, with its prior."""
    price: Wad | None
    """Of a row, in nats; may be below zero."""


def cells_of(pre: PreState, training: Training, round_: Round) -> list[Cell]:
    """List the cells of a round whose target is revealed; otherwise none."""
    rows = [0] * len(training.pool)
    pool = pool_before(pre, training, round_.number)
    for number in range(round_.parts):
        part = checks.existing(pre, Part, part_name(round_.id, number))
        rows = [held + more for held, more in zip(rows, part.counts, strict=True)]
    return [
        Cell(
            number,
            mass,
            rows[number],
            pool[number],
            nats(round_.prices[number], round_.scale) if round_.prices else None,
        )
        for number, mass in enumerate(round_.masses)
    ]


def pool_before(pre: PreState, training: Training, number: int) -> tuple[int, ...]:
    """Find the rows of each cell that a training's pool had before a round."""
    pool = training.pool
    for later in range(number, training.round + 1):
        round_ = round_at(pre, training.id, later)
        if round_.paid >= 0 and round_.joined:
            joined = zip(pool, round_.joined, strict=True)
            pool = tuple(held - rows for held, rows in joined)
    return pool


@dataclass(frozen=True, slots=True)
class Reduction:
    """By how far a round's data brought the pool to the target, in nats."""

    lacking: Wad
    """How far the pool was from it before."""
    brought: Wad
    full: Wad
    """From which on the whole data slice is handed out."""


def reduction_of(pre: PreState, training: Training, round_: Round) -> Reduction | None:
    """Tell how far a round's data brought the pool, where the slice goes by that."""
    if not round_.prices or not round_.weight:
        return None
    pool = pool_before(pre, training, round_.number)
    lacking = contribution.pool_divergence(round_.masses, pool)
    return Reduction(
        lacking,
        brought(round_, pool),
        royalty.full_drop(lacking, round_.rules.full_reduction),
    )


# why somebody got what it got


@dataclass(frozen=True, slots=True)
class DataReason:
    """What one data set of a member brought it in a round, and why."""

    data: DataSet
    given: Given | None
    """Nothing where it was not offered to the round."""
    missing: str
    """What would have been needed, where it brought nothing."""


@dataclass(frozen=True, slots=True)
class NodeReason:
    """What the work of a member brought it in a round, and why."""

    worked: Worked
    missing: str
    """What would have been needed, where it brought nothing."""


@dataclass(frozen=True, slots=True)
class Why:
    """Why a member got what it got in a round."""

    training: str
    round: int
    member: str
    stage: RoundStage
    foreseen: bool
    """Not issued yet: what it will be, if nobody challenges the round."""
    side: str
    slice: Slice | None
    """What the round hands out of the side; nothing before that can be known."""
    weights: int
    """Of all on the side together."""
    rule: str
    """Setting by which the side is shared."""
    reduction: Reduction | None
    """What the data slice is earned by, if it is."""
    kl_max: Wad
    """Divergence above which data brings nothing."""
    min_validity: Wad
    stake: int
    """Micro-tokens that the member has at stake for its data."""
    data: tuple[DataReason, ...] = ()
    nodes: tuple[NodeReason, ...] = ()
    missing: str = ""
    """Why the member got nothing at all, where it took no part."""

    @property
    def weight(self) -> int:
        """What the member weighs in the side."""
        data = (each.given.weight or 0 for each in self.data if each.given)
        return sum(data) + sum(each.worked.weight or 0 for each in self.nodes)

    @property
    def units(self) -> int:
        """Micro-units that the member gets."""
        data = (each.given.units or 0 for each in self.data if each.given)
        return sum(data) + sum(each.worked.units or 0 for each in self.nodes)


def foreseen(
    pre: PreState, params: Params, training: str, number: int
) -> tuple[PreState, bool]:
    """
    Share a round as far as it can be foreseen: the state then, and if that was needed.

    A round that is challenged stays as it is, and so does one that still runs.
    """
    round_ = round_at(pre, training, number)
    moving = (RoundStage.AGGREGATING, RoundStage.SHARING)
    if round_.stage not in moving or round_.challengers:
        return pre, False
    later = Overlay(pre)
    later.at(max(pre.now(), round_.challenge_by))
    while round_at(later, training, number).stage is not RoundStage.FINISHED:
        later.apply(share_round(later, params, ShareRound(training, number)))
    return later, True


def why(pre: PreState, params: Params, name: str, number: int, member: str) -> Why:
    """
    Tell why a member got what it got in a round.

    Refusals, in order of precedence: `UnknownRecord` for the training and the round,
    `Malformed` for the member, `NotEligible` for one that can share in no round.
    """
    training = checks.existing(pre, Training, name)
    found = checks.member("member", member, "supplier", "contributor", "creator")
    if found.role == "creator":
        raise NotEligible(
            f"{member} neither computes nor gives data; ask about a supplier or a "
            "contributor"
        )
    state, is_foreseen = foreseen(pre, params, name, number)
    round_ = round_at(state, name, number)
    rules = round_.rules
    side = COMPUTE if found.role == "supplier" else DATA
    shared = round_.paid >= 0
    now = checks.existing(state, Training, name)
    slice_ = slices_of(state, training, number)[side] if shared else None
    stake = state.record(DataStake, f"{name}:{member}")
    rule = str(rules.compute_split if side == COMPUTE else rules.data_share)
    if side == COMPUTE and training.method is Method.ENCRYPTED:
        rule = "all"
    told = Why(
        *(name, number, member, round_at(pre, name, number).stage, is_foreseen),
        *(side, slice_),
        weights=round_.weight,
        rule=rule,
        reduction=reduction_of(state, now, round_) if shared else None,
        kl_max=rules.kl_max,
        min_validity=params.royalty.min_validity,
        stake=stake.amount if stake else 0,
    )
    if side == DATA:
        return _why_data(state, params, training, round_, told)
    return _why_work(state, round_, told)


def _why_work(pre: PreState, round_: Round, told: Why) -> Why:
    all_ = worked_of(pre, round_)
    weights = sum(each.weight or 0 for each in all_)
    mine = tuple(
        NodeReason(each, _work_missing(round_, each))
        for each in all_
        if each.supplier == told.member
    )
    missing = ""
    if not mine:
        missing = (
            f"it was not among the {len(round_.nodes)} nodes that were selected"
            if round_.nodes
            else "no nodes are selected yet"
        )
    return replace(told, weights=weights, nodes=mine, missing=missing)


UNVERIFIED: Final[Mapping[NodeStage, str]] = {
    NodeStage.SELECTED: "its work had to be handed in before the round was aggregated",
    NodeStage.FINISHED: "its work must be found valid",
    NodeStage.REJECTED: "its work had to be valid; it was found not to be",
}
"""What would have been needed for work that is not verified."""


def _work_missing(round_: Round, worked: Worked) -> str:
    """Say what would have been needed, where work weighs nothing."""
    if worked.node.stage in UNVERIFIED:
        return UNVERIFIED[worked.node.stage]
    if worked.weight is None:
        return "the round must be aggregated: then it is known what its work is worth"
    if worked.weight:
        return ""
    if round_.rules.compute_split is ComputeSplit.SAMPLES:
        return "it had to use one row at least that its data commitments bear out"
    return "what was measured of its work had to be above zero"


def _why_data(
    pre: PreState, params: Params, training: Training, round_: Round, told: Why
) -> Why:
    held = sorted(
        (
            each
            for each in pre.records(DataSet).values()
            if each.contributor == told.member and each.training == training.id
        ),
        key=lambda each: each.id,
    )
    given = _given_by(pre, round_, held)
    reasons = []
    for data in held:
        if data.id in given:
            missing = _data_missing(round_, given[data.id])
            reasons.append(DataReason(data, given[data.id], missing))
        elif not is_taken(pre, data):
            reasons.append(DataReason(data, None, not_offered(params, data)))
    missing = ""
    if not held:
        missing = f"it has registered no data for {training.id}"
    elif not given:
        missing = f"it has offered no data to round {round_.number}"
    return replace(told, data=tuple(reasons), missing=missing)


def _given_by(
    pre: PreState, round_: Round, held: Sequence[DataSet]
) -> dict[str, Given]:
    """Find what of some data a round was offered."""
    wanted = {each.id for each in held if each.round == round_.number}
    given: dict[str, Given] = {}
    for number in range(1, round_.offers + 1):
        if len(given) == len(wanted):
            break
        name = offer_name(round_.id, number)
        if (data := checks.existing(pre, Offer, name).data) in wanted:
            given[data] = _given(pre, round_, number)
    return given


def not_offered(params: Params, data: DataSet) -> str:
    """Say what keeps data from being offered."""
    if not data.rows:
        return "rows must be declared that nobody declared before"
    if not data.histogram:
        return "it must be committed to how its rows lie in the cells"
    if not data.checked:
        least = min(params.royalty.audited_rows, data.rows)
        return f"the operator must look at {least} of its rows at least"
    least = params.royalty.min_validity
    if not contribution.is_valid(data.valid, data.checked, least):
        return (
            f"at least {least / WAD:.0%} of the rows looked at must be valid, and "
            f"{data.valid} of {data.checked} are"
        )
    return "it must be offered to a round"


def _data_missing(round_: Round, given: Given) -> str:
    """Say what would have been needed, where data brings nothing."""
    if given.weight is None or given.divergence is None:
        return "the round must be aggregated: then it is known what its rows are worth"
    if given.weight:
        none = given.units == 0
        return "the units that the round handed out for data were too few" * none
    rules = round_.rules
    if given.divergence > rules.kl_max:
        return (
            f"its rows had to lie {rules.kl_max / WAD:g} nats from the target at most: "
            "more of them in the cells that the target has many rows in"
        )
    if rules.data_share is DataShare.SHAPLEY:
        return "what was measured of it had to be above zero"
    said = "its rows had to bring the pool nearer to the target, and not away from it"
    best = ", ".join(map(str, wanted_cells(round_)))
    return f"{said}; worth most were rows in cells {best}" if best else said


def wanted_cells(round_: Round, most: int = 3) -> Sequence[int]:
    """List the cells whose rows brought the pool nearest to the target, best first."""
    priced = [(price, -cell) for cell, price in enumerate(round_.prices) if price > 0]
    return [-cell for _, cell in sorted(priced, reverse=True)[:most]]


# where trainings stand


@dataclass(frozen=True, slots=True)
class Waiting:
    """Data of a training that no round has yet, counted by what it waits for."""

    rows: int
    """Data sets whose rows are to be declared or committed to."""
    audit: int
    """To be looked at."""
    offer: int
    """To be offered."""
    invalid: int
    """Of which too few rows are valid."""


def waiting_data(pre: PreState, params: Params, training: str) -> Waiting:
    """Count the data of a training that no round has yet."""
    counts = dict.fromkeys(("rows", "audit", "offer", "invalid"), 0)
    least = params.royalty.min_validity
    for data in pre.records(DataSet).values():
        if data.training != training or is_taken(pre, data):
            continue
        if not data.histogram:
            counts["rows"] += 1
        elif not data.checked:
            counts["audit"] += 1
        elif contribution.is_valid(data.valid, data.checked, least):
            counts["offer"] += 1
        else:
            counts["invalid"] += 1
    return Waiting(**counts)


def last_round(pre: PreState, training: Training) -> Round | None:
    """Find the last round that was started, if any was."""
    if not training.round:
        return None
    return pre.record(Round, round_name(training.id, training.round))
