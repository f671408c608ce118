"""
Why somebody got what it got in a round.

By the rules that units are divided by, applied to a state; a round that nobody has
challenged is told ahead.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from coopera.accounting.rounds import (
    COMPUTE,
    DATA,
    Given,
    Reduction,
    Slice,
    Worked,
    given_at,
    nats,
    reduction_of,
    slices_of,
    wanted_cells,
    worked_of,
)
from coopera.errors import NotEligible, UnknownRecord
from coopera.formulas import contribution
from coopera.ledger import Account
from coopera.params import Params
from coopera.params.chapters import ComputeSplit, DataShare
from coopera.protocol import checks
from coopera.protocol.data import DataSet, DataStake, Offer, is_taken, offer_name
from coopera.protocol.overlay import Overlay
from coopera.protocol.royalties import share_round
from coopera.protocol.state import PreState
from coopera.protocol.training import (
    Method,
    NodeStage,
    Round,
    RoundStage,
    ShareRound,
    Training,
    round_at,
)
from coopera.units import WAD, Wad


@dataclass(frozen=True, slots=True)
class CellWorth:
    """What rows of a cell are worth at the prices of a round."""

    cell: int
    rows: int
    price: Wad
    """Of a row, in nats."""
    worth: Wad
    """Of all of them; below zero where they lead the pool away from the target."""


@dataclass(frozen=True, slots=True)
class DataReason:
    """What one data set of a member brought it in a round, and why."""

    data: DataSet
    given: Given | None
    """Nothing where it was not offered to the round."""
    missing: str
    """What would have been needed, where it brought nothing."""
    cells: tuple[CellWorth, ...] = ()
    """That it has rows in, where these have prices; those that matter most first."""


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
    is_last: bool
    """No round comes after it."""
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
    worth: Wad | None = None
    """In nats, of all data that earns, where it is paid by its worth."""

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


def why(
    pre: PreState,
    params: Params,
    name: str,
    number: int,
    member: str,
    called: Callable[[int], str] = str,
) -> Why:
    """
    Tell why a member got what it got in a round; `called` names cells in what is said.

    Refusals, in order of precedence: `UnknownRecord` for the training and the round,
    `Malformed` for the member, `NotEligible` for one that can share in no round,
    `UnknownRecord` for one that there is not.
    """
    training = checks.existing(pre, Training, name)
    found = checks.member("member", member, "supplier", "contributor", "creator")
    if found.role == "creator":
        raise NotEligible(
            f"{member} neither computes nor gives data; ask about a supplier or a "
            "contributor"
        )
    if pre.record(Account, found.usd) is None:
        raise UnknownRecord(
            f"there is no member {member}; name one whose accounts are open, as "
            f"coopera training show {name} --round {number} lists them"
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
        *(name, number, member, round_at(pre, name, number).stage),
        *(_is_last(training, number), is_foreseen, side, slice_),
        weights=round_.weight,
        rule=rule,
        reduction=reduction_of(state, now, round_) if shared else None,
        kl_max=rules.kl_max,
        min_validity=params.royalty.min_validity,
        stake=stake.amount if stake else 0,
        worth=nats(round_.weight, round_.scale) if shared and round_.prices else None,
    )
    if side == DATA:
        return _why_data(state, params, training, round_, told, called)
    return _why_work(state, round_, told)


def _is_last(training: Training, number: int) -> bool:
    """Tell whether no round can come after one."""
    ended = training.finished and number == training.round
    return ended or 0 < training.rounds <= number


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
    pre: PreState,
    params: Params,
    training: Training,
    round_: Round,
    told: Why,
    called: Callable[[int], str],
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
            missing = _data_missing(round_, given[data.id], called)
            cells = _cell_worths(round_, given[data.id].offer)
            reasons.append(DataReason(data, given[data.id], missing, cells))
        elif not is_taken(pre, data):
            reasons.append(DataReason(data, None, not_offered(params, data)))
    missing = ""
    if not held:
        missing = f"it has registered no data for {training.id}"
    elif not given:
        missing = f"it has offered no data to round {round_.number}"
    return replace(told, data=tuple(reasons), missing=missing)


def _cell_worths(round_: Round, offer: Offer) -> tuple[CellWorth, ...]:
    """Tell which cells of some data have earned, and which have cost."""
    priced = zip(offer.counts, round_.prices, strict=True) if round_.prices else ()
    worths = [
        CellWorth(
            cell, rows, nats(price, round_.scale), nats(rows * price, round_.scale)
        )
        for cell, (rows, price) in enumerate(priced)
        if rows
    ]
    return tuple(sorted(worths, key=lambda each: (-abs(each.worth), each.cell)))


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
            given[data] = given_at(pre, round_, number)
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


def _data_missing(round_: Round, given: Given, called: Callable[[int], str]) -> str:
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
    best = wanted_cells(round_)
    which = f"cell{'s' * (len(best) > 1)} {', '.join(map(called, best))}"
    return f"{said}; worth most were rows in {which}" if best else said
