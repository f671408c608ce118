"""
Where trainings and their rounds stand: what they release, and what is in them.

All of it is read off a state, whatever holds that. Nothing here writes, so that a
command line and a service can tell the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final, NamedTuple

from coopera.formulas import contribution, royalty
from coopera.formulas.allocation import largest_remainder
from coopera.formulas.royalty import PART
from coopera.params import Params
from coopera.params.chapters import EmptySide
from coopera.protocol import checks
from coopera.protocol.data import (
    DataSet,
    Offer,
    Part,
    is_taken,
    offer_name,
    part_name,
)
from coopera.protocol.royalties import brought, weighed, weight_of_node
from coopera.protocol.state import PreState
from coopera.protocol.training import (
    Method,
    Node,
    Round,
    RoundStage,
    Training,
    node_name,
    nodes_of,
    round_at,
    round_name,
)
from coopera.protocol.vaults import (
    Vault,
)
from coopera.units import MicroUnit, Wad

COMPUTE: Final = "compute"
DATA: Final = "data"
SIDES: Final = (COMPUTE, DATA)


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

    >>> terms = Terms(MicroUnit(70), MicroUnit(30), Wad(10**16), Wad(5 * 10**16), 2)
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
        yield given_at(pre, round_, number)


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


def given_at(pre: PreState, round_: Round, number: int) -> Given:
    """Tell what an offer of a round has, by its number from 1."""
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
    audit_first: str = ""
    """Name of the first that is to be looked at, if any is."""
    offer_first: str = ""
    """Name of the first that is to be offered."""


def waiting_data(pre: PreState, params: Params, training: str) -> Waiting:
    """Count the data of a training that no round has yet."""
    counts = dict.fromkeys(("rows", "audit", "offer", "invalid"), 0)
    first: dict[str, str] = {}
    least = params.royalty.min_validity
    for data in pre.records(DataSet).values():
        if data.training != training or is_taken(pre, data):
            continue
        if not data.histogram:
            waits = "rows"
        elif not data.checked:
            waits = "audit"
        elif contribution.is_valid(data.valid, data.checked, least):
            waits = "offer"
        else:
            waits = "invalid"
        counts[waits] += 1
        first[waits] = min(first.get(waits, data.id), data.id)
    return Waiting(
        **counts, audit_first=first.get("audit", ""), offer_first=first.get("offer", "")
    )


def last_round(pre: PreState, training: Training) -> Round | None:
    """Find the last round that was started, if any was."""
    if not training.round:
        return None
    return pre.record(Round, round_name(training.id, training.round))
