"""
What a round of training is worth to those who did it: from measures to royalty units.

The work of a round ends when its target is revealed and what was measured is made
known. If nobody challenges that, its data is weighed part by part, the slices of both
sides are divided, and the units are issued part by part: each command costs by what is
in it, and none by the history of the vault.
"""

from collections.abc import Sequence
from dataclasses import replace
from typing import Final

from coopera.errors import Malformed, TooEarly, WrongStage
from coopera.formulas import contribution, royalty
from coopera.formulas.allocation import largest_remainder
from coopera.formulas.royalty import PART
from coopera.ledger import account, in_utc
from coopera.params import Params
from coopera.params.chapters import ComputeSplit, DataShare, EmptySide, Royalty
from coopera.protocol import checks
from coopera.protocol.data import (
    OFFERS_MEASURED_MAX,
    Offer,
    Part,
    offer_name,
    part_name,
)
from coopera.protocol.draft import Draft
from coopera.protocol.orders import SECOND
from coopera.protocol.state import Diff, PreState
from coopera.protocol.training import (
    NODES_MAX,
    VALUE_MAX,
    AggregateRound,
    Method,
    Node,
    NodeStage,
    Round,
    RoundStage,
    ShareRound,
    Training,
    led_by,
    node_name,
    nodes_of,
    priced,
    revealed,
    round_at,
)
from coopera.protocol.vaults import Vault, issue
from coopera.units import MicroUnit, Wad

VALUES_MAX: Final = NODES_MAX + OFFERS_MEASURED_MAX
"""Most nodes and data sets that are measured one by one in a round."""


def aggregate_round(pre: PreState, _params: Params, command: AggregateRound) -> Diff:
    """
    End the work of a round, and make known what was measured of it.

    Refusals, in order of precedence: those of `led_by` and `round_at`, `WrongStage`,
    `TooEarly` while finished work is not verified, those of the target, `Malformed` for
    the transcript and the values.
    """
    training = led_by(pre, command.training, command.creator)
    round_ = round_at(pre, training.id, command.number)
    if round_.stage is not RoundStage.RUNNING:
        raise WrongStage(
            f"round {round_.id} is {round_.stage}; it must be {RoundStage.RUNNING}"
        )
    _refuse_unverified(pre, round_)
    masses = revealed(training, round_, command)
    transcript = checks.digest("transcript", command.transcript)
    draft = Draft(pre)
    _note_values(draft, round_, command.values)
    counts = _counts(pre, training, round_)
    prices, scale = priced(training, round_, counts, masses)
    until = pre.now() + round_.rules.challenge_seconds * SECOND
    draft.put(
        replace(
            round_,
            stage=RoundStage.AGGREGATING,
            transcript=transcript,
            masses=masses,
            prices=prices,
            scale=scale,
            dilution=contribution.dilution(training.pool, counts, scale),
            challenge_by=until,
        )
    )
    return draft.diff()


def share_round(pre: PreState, _params: Params, command: ShareRound) -> Diff:
    """
    Do the next step of sharing a round: weigh a part, divide the slices, pay a part.

    Refusals, in order of precedence: those of `round_at`, `WrongStage`, `TooEarly`
    while it may be challenged, and while it is.
    """
    round_ = round_at(pre, command.training, command.number)
    if round_.stage not in (RoundStage.AGGREGATING, RoundStage.SHARING):
        raise WrongStage(
            f"round {round_.id} is {round_.stage}; it is shared after "
            f"{RoundStage.AGGREGATING}"
        )
    if round_.challengers:
        raise TooEarly(
            f"round {round_.id} is challenged by {', '.join(round_.challengers)}; "
            "resolve that first"
        )
    if pre.now() < round_.challenge_by:
        raise TooEarly(
            f"round {round_.id} may be challenged until {in_utc(round_.challenge_by)}"
        )
    draft = Draft(pre)
    round_ = replace(round_, stage=RoundStage.SHARING)
    if round_.weighed < round_.parts:
        _weigh_part(draft, round_)
    elif round_.paid < 0:
        _divide(draft, pre, round_)
    else:
        _pay_part(draft, pre, round_)
    return draft.diff()


def weighed(round_: Round, offer: Offer) -> tuple[int, bool]:
    """
    Weigh data of a round, and tell whether it joins the pool.

    What lies too far from what is aimed at weighs nothing, and does not join. What
    leads the pool away from it weighs nothing, and joins if it hardly does.
    """
    rules = round_.rules
    divergence = contribution.kl_divergence(offer.counts, round_.masses)
    if divergence > rules.kl_max:
        return 0, False
    worth = _worth(round_, offer, divergence)
    joins = worth > 0
    if rules.data_share is DataShare.KL_REDUCTION:
        rows = sum(offer.counts)
        joins = contribution.is_let_in(
            worth, rows, round_.dilution, rules.pool_tolerance
        )
    return max(0, worth), joins


def _worth(round_: Round, offer: Offer, divergence: Wad) -> int:
    """Tell what data is worth by the rule of a round; may be below zero."""
    rules = round_.rules
    rows = sum(offer.counts)
    match rules.data_share:
        case DataShare.KL_REDUCTION:
            return contribution.data_value(offer.counts, round_.prices)
        case DataShare.EXP_KL:
            return contribution.divergence_weight(rows, divergence, rules.exp_kl_beta)
        case DataShare.SIZE:
            return rows
        case DataShare.EVEN:
            return 1
        case DataShare.SHAPLEY:
            return offer.value


def weight_of_node(rules: Royalty, node: Node) -> int:
    """Weigh the verified work of a node of a federated round."""
    match rules.compute_split:
        case ComputeSplit.EQUAL:
            return 1
        case ComputeSplit.SAMPLES:
            return node.samples
        case ComputeSplit.CONTRIBUTION:
            return max(0, node.value)


def offers_of(draft: Draft, round_: Round, part: int) -> list[Offer]:
    """List the offers of a part of a round's data."""
    first = part * PART + 1
    last = min(first + PART - 1, round_.offers)
    return [
        draft.existing(Offer, offer_name(round_.id, number))
        for number in range(first, last + 1)
    ]


def brought(round_: Round, pool: Sequence[int]) -> Wad:
    """
    Find by how far a round's data brings a pool nearer to what is aimed at.

    By all rows that join it, or by as many as are best of those that it lacked. What it
    lacked does not depend on what others offer, and can be offered more than enough.
    """
    known = round_.masses, pool
    return max(
        contribution.divergence_reduction(*known, round_.joined),
        contribution.best_reduction(*known, round_.lacked),
    )


def _weigh_part(draft: Draft, round_: Round) -> None:
    """Weigh a part of a round's data, and find what of it joins the pool."""
    training = draft.existing(Training, round_.training)
    part = draft.existing(Part, part_name(round_.id, round_.weighed))
    none = (0,) * len(training.pool)
    joining, lacked = [round_.joined or none], [round_.lacked or none]
    first = contribution.first_prices(round_.masses, training.pool)
    weights = []
    for offer in offers_of(draft, round_, round_.weighed):
        weight, joins = weighed(round_, offer)
        weights.append(weight)
        if joins:
            joining.append(offer.counts)
            if contribution.data_value(offer.counts, first) > 0:
                lacked.append(offer.counts)
    draft.put(replace(part, weights=tuple(weights)))
    draft.put(
        replace(
            round_,
            weighed=round_.weighed + 1,
            weight=round_.weight + sum(weights),
            joined=tuple(map(sum, zip(*joining, strict=True))),
            lacked=tuple(map(sum, zip(*lacked, strict=True))),
        )
    )


def _divide(draft: Draft, pre: PreState, round_: Round) -> None:
    """Divide the slices of both sides: among the nodes, and among the data's parts."""
    rules = round_.rules
    training = draft.existing(Training, round_.training)
    vault = draft.existing(Vault, round_.training)
    encrypted = training.method is Method.ENCRYPTED
    nodes = [
        (name, 1 if encrypted else weight_of_node(rules, node))
        for name, node in nodes_of(pre, round_)
    ]
    worked, gave = any(weight for _, weight in nodes), round_.weight > 0
    compute = _slice(draft, pre, training, vault, "compute", round_.number)
    data = _slice(draft, pre, training, vault, "data", round_.number)
    if gave and round_.prices:
        # Not what weights come to: junk that is worth nothing lifts other prices.
        lacking = contribution.pool_divergence(round_.masses, training.pool)
        full = royalty.full_drop(lacking, rules.full_reduction)
        data = royalty.earned_slice(data, brought(round_, training.pool), full)
    if rules.empty_side is EmptySide.OTHER_SIDE and worked != gave:
        whole = compute + data
        sides = [account("vault", vault.id, side) for side in ("compute", "data")]
        if worked:
            draft.move(sides[1], sides[0], data, "nobody gave data")
        else:
            draft.move(sides[0], sides[1], compute, "nobody computed")
        compute = data = MicroUnit(whole)
    if worked:
        weights = tuple(weight for _, weight in nodes)
        working = draft.works("allocation.largest_remainder", (compute, weights))
        shares = largest_remainder(compute, weights)
        given = [(name, share) for (name, _), share in zip(nodes, shares, strict=True)]
        issue(draft, pre, vault, "compute", given, working)
    if gave:
        parts = [
            draft.existing(Part, part_name(round_.id, number))
            for number in range(round_.parts)
        ]
        shares = largest_remainder(data, [sum(part.weights) for part in parts])
        for part, share in zip(parts, shares, strict=True):
            draft.put(replace(part, units=share))
    held = (training.pool, round_.joined) if round_.joined else (training.pool,)
    draft.put(replace(training, pool=tuple(map(sum, zip(*held, strict=True)))))
    draft.put(
        replace(
            round_,
            stage=RoundStage.SHARING if gave else RoundStage.FINISHED,
            paid=0,
            compute_units=compute if worked else 0,
            data_units=data if gave else 0,
        )
    )


def _pay_part(draft: Draft, pre: PreState, round_: Round) -> None:
    """Issue the units of a part of a round's data."""
    part = draft.existing(Part, part_name(round_.id, round_.paid))
    if part.units:
        given = part.units, part.weights
        working = draft.works("allocation.largest_remainder", given)
        shares = largest_remainder(*given)
        owners = (each.contributor for each in offers_of(draft, round_, round_.paid))
        vault = draft.existing(Vault, round_.training)
        units = list(zip(owners, shares, strict=True))
        issue(draft, pre, vault, "data", units, working)
    paid = round_.paid + 1
    over = paid == round_.parts
    stage = RoundStage.FINISHED if over else RoundStage.SHARING
    draft.put(replace(round_, paid=paid, stage=stage))


def _slice(
    draft: Draft,
    pre: PreState,
    training: Training,
    vault: Vault,
    side: str,
    number: int,
) -> MicroUnit:
    """Find what a round hands out of a side, with what earlier rounds left."""
    pool, decay = {
        "compute": (vault.compute, training.compute_decay),
        "data": (MicroUnit(vault.supply - vault.compute), training.data_decay),
    }[side]
    issued = MicroUnit(pool - pre.balance(account("vault", vault.id, side)))
    given = (pool, decay, number, training.rounds)
    draft.works("royalty.released_units", given)
    return royalty.round_slice(royalty.released_units(*given), issued)


def _counts(pre: PreState, training: Training, round_: Round) -> tuple[int, ...]:
    """Count the rows of each cell that a round was offered."""
    columns = [
        checks.existing(pre, Part, part_name(round_.id, number)).counts
        for number in range(round_.parts)
    ]
    none = (0,) * len(training.pool)
    return tuple(map(sum, zip(none, *columns, strict=True)))


def _refuse_unverified(pre: PreState, round_: Round) -> None:
    for name in round_.nodes:
        node = checks.existing(pre, Node, node_name(round_.id, name))
        if node.stage is NodeStage.FINISHED:
            raise TooEarly(
                f"the work of {name} in round {round_.id} is not verified yet; say "
                "first whether it is valid"
            )


def _note_values(
    draft: Draft, round_: Round, values: Sequence[tuple[str, int]]
) -> None:
    """Note what was measured of nodes and of data."""
    if len(values) > VALUES_MAX:
        raise Malformed(
            f"{len(values)} values are given; a round has {VALUES_MAX} at most"
        )
    measured: dict[str, int] = {}
    for name, value in values:
        if type(value) is not int or abs(value) > VALUE_MAX:
            raise Malformed(
                f"the value of {str(name)[:80]} is {value!r}; it must be a whole "
                f"number of millionths of a millionth, up to {VALUE_MAX}"
            )
        if name in measured:
            raise Malformed(f"{name} is measured twice; name each once")
        measured[name] = value
    for name in round_.nodes:
        node = draft.existing(Node, node_name(round_.id, name))
        draft.put(replace(node, value=measured.pop(name, 0)))
    if round_.rules.data_share is DataShare.SHAPLEY:
        for number in range(1, round_.offers + 1):
            offer = draft.existing(Offer, offer_name(round_.id, number))
            draft.put(replace(offer, value=measured.pop(offer.data, 0)))
    if measured:
        raise Malformed(
            f"{', '.join(sorted(measured))[:200]} took no part in round {round_.id} "
            f"that is measured; data is where data_share is {DataShare.SHAPLEY}, and "
            f"here it is {round_.rules.data_share}"
        )
