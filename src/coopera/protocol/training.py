"""
Trainings: rounds of work on a model, and the nodes that did it.

A federated training has many nodes a round, an encrypted one has one. A round is
started with a commitment to the distribution that it aims at; it runs once its nodes
are selected; it is aggregated when what was measured of it is known, and finished when
its royalty units are issued. Nobody earns anything before its work is finished and
verified, and one node that fails takes nothing from the others.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from hashlib import sha256
from typing import Final

from coopera.errors import (
    Malformed,
    NotAllowed,
    NotAsCommitted,
    RoundOutOfOrder,
    TooLate,
    WrongStage,
)
from coopera.formulas.contribution import cell_prices, target_distribution
from coopera.formulas.royalty import PART
from coopera.ledger import in_utc
from coopera.params import Params
from coopera.params.chapters import DataShare, Royalty
from coopera.protocol import checks
from coopera.protocol.draft import Draft
from coopera.protocol.state import Diff, PreState
from coopera.protocol.vaults import close_vault, new_vault
from coopera.units import WAD, Wad

CELLS_MAX: Final = 4096
"""Most cells that data is counted in."""
NODES_MAX: Final = 200
"""Most nodes of a round."""
ROWS_MAX: Final = 10**9
"""Most rows of a round."""
VALUE_MAX: Final = 10**15
"""Largest value that is measured, in millionths of a millionth."""


class Method(StrEnum):
    """How a model is trained on data that nobody shows."""

    FEDERATED = "federated"
    """Nodes train where the data is, and send updates."""
    ENCRYPTED = "encrypted"
    """One node a round computes on data under homomorphic encryption."""


class RoundStage(StrEnum):
    """Where a round stands."""

    STARTED = "started"
    RUNNING = "running"
    """Its nodes are selected."""
    AGGREGATING = "aggregating"
    """What was measured is known, and may be challenged for a while."""
    SHARING = "sharing"
    """Its units are being issued, part by part."""
    FINISHED = "finished"


class NodeStage(StrEnum):
    """Where a node's work of a round stands."""

    SELECTED = "selected"
    FINISHED = "finished"
    VERIFIED = "verified"
    REJECTED = "rejected"


@dataclass(frozen=True, slots=True)
class Training:
    """A model that is trained in rounds, by those who will earn from it."""

    id: str
    creator: str
    method: Method
    code: str
    """SHA-256 of the code."""
    validation: str
    """SHA-256 of the validation set."""
    schema: str
    """SHA-256 of the schema that data must have, with the cells it is counted in."""
    rounds: int
    """How many there will be; 0 if that is open."""
    compute_decay: Wad
    data_decay: Wad
    """As governance had set it when it began: those who join know their terms."""
    least: Wad
    """Part of the target that every cell has at least."""
    pool: tuple[int, ...]
    """Rows of each cell that joined it, with the prior."""
    round: int = 0
    """The last one that was started."""
    data: int = 0
    """Data sets registered."""
    finished: bool = False


@dataclass(frozen=True, slots=True)
class Round:
    """One round of a training."""

    id: str
    """Training and number."""
    training: str
    number: int
    target: str
    """Commitment to the distribution that is aimed at."""
    rules: Royalty
    """What governance had set when it began: what changes later is for later rounds."""
    stage: RoundStage = RoundStage.STARTED
    nodes: tuple[str, ...] = ()
    """Suppliers selected."""
    done: int = 0
    """Nodes whose work is finished."""
    verified: int = 0
    offers: int = 0
    """Data sets offered."""
    rows: int = 0
    """Rows of the data offered."""
    transcript: str = ""
    """SHA-256 of how its contributions were measured."""
    masses: tuple[Wad, ...] = ()
    """The distribution that is aimed at, once it is revealed."""
    prices: tuple[int, ...] = ()
    """Of a row of each cell."""
    scale: int = 0
    """Of the prices."""
    dilution: int = 0
    """What a further row takes from the pool, at the scale of the prices."""
    challenge_by: int = 0
    """Moment until which it may be challenged, in microseconds since 1970."""
    challengers: tuple[str, ...] = ()
    """Who says that what was made known is wrong, until that is resolved."""
    transcripts: tuple[str, ...] = ()
    """SHA-256 of theirs; who gives the round's own says that its values are others."""
    rejected: tuple[str, ...] = ()
    """Who said so of what is made known now, and was not right."""
    weighed: int = 0
    """Parts of the data that are weighed."""
    weight: int = 0
    """Weights of all data together."""
    joined: tuple[int, ...] = ()
    """Rows of each cell that it let into the pool."""
    lacked: tuple[int, ...] = ()
    """Rows of each cell among these whose data the pool lacked before the round."""
    paid: int = -1
    """Parts of the data that have their units; -1 before the slices are divided."""
    compute_units: int = 0
    data_units: int = 0
    abandoned: bool = False
    """Whether it ended without anybody earning anything; its data is free again."""

    @property
    def parts(self) -> int:
        """Parts in which its data is weighed and paid."""
        return -(-self.offers // PART)

    @property
    def due(self) -> int | None:
        """Moment from which it goes on by itself."""
        if self.stage is RoundStage.SHARING or (
            self.stage is RoundStage.AGGREGATING and not self.challengers
        ):
            return self.challenge_by
        return None


@dataclass(frozen=True, slots=True)
class Node:
    """Work of one node in one round."""

    id: str
    """Training, round and supplier."""
    stage: NodeStage = NodeStage.SELECTED
    result: str = ""
    """SHA-256 of its update, or of its result."""
    samples: int = 0
    """Rows that it says it has used; those that were verified, once they are."""
    value: int = 0
    """What was measured of it, in millionths of a millionth; may be below zero."""


@dataclass(frozen=True, slots=True)
class CreateTraining:
    """Command by which a training begins, with the vault of its royalties."""

    id: str
    creator: str
    method: str
    code: str
    validation: str
    schema: str
    cells: int
    rounds: int = 0
    parents: tuple[tuple[str, int], ...] = ()
    """Trainings that it builds on, and their parts of its revenue in fixed point."""


@dataclass(frozen=True, slots=True)
class StartRound:
    """Command by which the next round of a training begins."""

    training: str
    creator: str
    number: int
    target: str


@dataclass(frozen=True, slots=True)
class SelectNodes:
    """Command by which the nodes of a round are selected."""

    training: str
    creator: str
    number: int
    nodes: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class FinishWork:
    """Command by which a node hands in what it has computed."""

    training: str
    number: int
    node: str
    result: str
    samples: int


@dataclass(frozen=True, slots=True)
class VerifyWork:
    """Command by which a node's work is found to be valid, or not."""

    training: str
    number: int
    node: str
    valid: bool
    samples: int = 0
    """Rows that its data commitments bear out, if it has used them."""


@dataclass(frozen=True, slots=True)
class AggregateRound:
    """Command by which a round's work ends, and what was measured is made known."""

    training: str
    creator: str
    number: int
    counts: tuple[int, ...]
    """Rows of the validation set in each cell: the distribution that is aimed at."""
    salt: str
    transcript: str
    values: tuple[tuple[str, int], ...] = ()
    """Nodes, or data sets, and what was measured of them."""


@dataclass(frozen=True, slots=True)
class ChallengeRound:
    """Command by which one who measured again says that what is known is wrong."""

    training: str
    number: int
    challenger: str
    """Supplier or contributor."""
    transcript: str
    """SHA-256 of its own; or of the one made known, if the values are not its."""


@dataclass(frozen=True, slots=True)
class ResolveChallenge:
    """Command by which challenges of a round are found to be right, or not."""

    training: str
    number: int
    upheld: bool


@dataclass(frozen=True, slots=True)
class ShareRound:
    """Command by which the next step of sharing a round's units is done."""

    training: str
    number: int


@dataclass(frozen=True, slots=True)
class AbandonRound:
    """Command by which a round ends without anybody earning anything."""

    training: str
    creator: str
    number: int


@dataclass(frozen=True, slots=True)
class FinishTraining:
    """Command by which a training ends: no more units are issued."""

    training: str
    creator: str


def target_digest(training: str, number: int, salt: str, counts: Sequence[int]) -> str:
    """
    Hide the distribution that a round aims at, until its data is in.

    >>> target_digest("digits", 1, "00" * 32, (5, 3))[:16]
    'db30477a9f90cf40'
    """
    written = ",".join(map(str, counts))
    return sha256(f"target:{training}:{number}:{written}:{salt}".encode()).hexdigest()


def create_training(pre: PreState, params: Params, command: CreateTraining) -> Diff:
    """
    Begin a training, and make its vault.

    Refusals, in order of precedence: `Malformed`, those of the numbers, those of the
    creator's account, `AlreadyExists`, those of the parents.
    """
    name = checks.new_name("id", command.id)
    creator = checks.member("creator", command.creator, "creator")
    if command.method not in list(Method):
        raise Malformed(
            f"method is {str(command.method)[:80]!r}; it must be {' or '.join(Method)}"
        )
    code, validation, schema = (
        checks.digest(what, getattr(command, what))
        for what in ("code", "validation", "schema")
    )
    cells = checks.amount("cells", command.cells)
    most = min(CELLS_MAX, WAD // params.royalty.min_class_mass)
    if cells > most:
        raise Malformed(f"cells is {cells}; data is counted in {most} at most")
    rounds = checks.count("rounds", command.rounds)
    checks.opened(pre, creator.usd)
    checks.not_yet(pre, Training, name)
    draft = Draft(pre)
    new_vault(draft, pre, params, name, creator.id, command.parents)
    pool = (params.royalty.pool_prior_rows,) * cells
    method = Method(command.method)
    draft.put(
        Training(
            id=name,
            creator=creator.id,
            method=method,
            code=code,
            validation=validation,
            schema=schema,
            rounds=rounds,
            compute_decay=params.royalty.lambda_compute,
            data_decay=params.royalty.lambda_data,
            least=params.royalty.min_class_mass,
            pool=pool,
        )
    )
    return draft.diff()


def start_round(pre: PreState, params: Params, command: StartRound) -> Diff:
    """
    Begin the next round.

    Refusals, in order of precedence: those of `led_by`, `Malformed` for the target,
    `WrongStage` once the training is finished, `RoundOutOfOrder`.
    """
    training = led_by(pre, command.training, command.creator)
    number = checks.amount("number", command.number)
    target = checks.digest("target", command.target)
    if training.finished:
        raise WrongStage(f"training {training.id} is finished; begin another one")
    if number != training.round + 1 or 0 < training.rounds < number:
        upcoming = training.round + 1
        raise RoundOutOfOrder(
            f"number is {number}; "
            + (
                f"all {training.rounds} rounds of {training.id} were started"
                if 0 < training.rounds < upcoming
                else f"round {upcoming} of {training.id} is next"
            )
        )
    if training.round:
        last = round_at(pre, training.id, training.round)
        if last.stage is not RoundStage.FINISHED:
            raise RoundOutOfOrder(
                f"round {last.number} of {training.id} is {last.stage}; it must be "
                "finished before the next one"
            )
    name = round_name(training.id, number)
    begun = Round(name, training.id, number, target, params.royalty)
    return Diff(records=(replace(training, round=number), begun))


def select_nodes(pre: PreState, _params: Params, command: SelectNodes) -> Diff:
    """
    Select the nodes of a round, which then runs.

    Refusals, in order of precedence: those of `led_by` and `round_at`, `WrongStage`,
    `Malformed` for the nodes, those of their accounts.
    """
    training = led_by(pre, command.training, command.creator)
    round_ = _at_stage(pre, training.id, command.number, RoundStage.STARTED)
    nodes = command.nodes
    most = 1 if training.method is Method.ENCRYPTED else NODES_MAX
    if not 0 < len(nodes) <= most or len(set(nodes)) < len(nodes):
        raise Malformed(
            f"{len(nodes)} nodes are named; where training is {training.method}, a "
            f"round has 1 to {most}, each named once"
        )
    for node in nodes:
        checks.opened(pre, checks.member("nodes", node, "supplier").usd)
    runs = replace(round_, stage=RoundStage.RUNNING, nodes=nodes)
    selected = (Node(node_name(round_.id, each)) for each in nodes)
    return Diff(records=(runs, *selected))


def finish_work(pre: PreState, _params: Params, command: FinishWork) -> Diff:
    """
    Hand in a node's work.

    Refusals, in order of precedence: those of `round_at`, `WrongStage`, `Malformed` for
    the node, `NotAllowed` for who was not selected, `WrongStage` for a second time,
    `Malformed` for the result, those of the number.
    """
    round_ = _at_stage(pre, command.training, command.number, RoundStage.RUNNING)
    node = _node(pre, round_, command.node, NodeStage.SELECTED)
    result = checks.digest("result", command.result)
    samples = checks.count("samples", command.samples)
    handed = replace(node, stage=NodeStage.FINISHED, result=result, samples=samples)
    return Diff(records=(replace(round_, done=round_.done + 1), handed))


def verify_work(pre: PreState, _params: Params, command: VerifyWork) -> Diff:
    """
    Say whether a node's work is valid; a node whose work is not earns nothing.

    Refusals, in order of precedence: those of `round_at`, `WrongStage`, `Malformed` for
    the node, `NotAllowed` for who was not selected, `WrongStage` for work that is not
    finished, `Malformed`, those of the number.
    """
    round_ = _at_stage(pre, command.training, command.number, RoundStage.RUNNING)
    node = _node(pre, round_, command.node, NodeStage.FINISHED)
    valid = checks.flag("valid", command.valid)
    samples = min(node.samples, checks.count("samples", command.samples))
    if not valid:
        return Diff(records=(replace(node, stage=NodeStage.REJECTED),))
    verified = replace(node, stage=NodeStage.VERIFIED, samples=samples)
    return Diff(records=(replace(round_, verified=round_.verified + 1), verified))


def challenge_round(pre: PreState, _params: Params, command: ChallengeRound) -> Diff:
    """
    Say that what was made known is wrong; nothing is issued until that is resolved.

    Another transcript than the one made known says that this one is wrong. The same one
    says that the values in the books are not those of it.

    Everybody challenges once what is made known: who was not right does not do so
    again. If somebody was right, and it is measured again, all may challenge that.

    Refusals, in order of precedence: those of `round_at`, `WrongStage`, `Malformed`,
    those of the challenger's account, `NotAllowed` for a second time, `TooLate`.
    """
    stage = RoundStage.AGGREGATING
    round_ = _at_stage(pre, command.training, command.number, stage)
    roles = ("supplier", "contributor")
    member = checks.member("challenger", command.challenger, *roles)
    transcript = checks.digest("transcript", command.transcript)
    challenger = member.id
    checks.opened(pre, member.usd)
    if challenger in round_.challengers:
        raise NotAllowed(
            f"{challenger} challenges round {round_.id} already, and does so once; "
            "wait until that is resolved"
        )
    if challenger in round_.rejected:
        raise NotAllowed(
            f"{challenger} has challenged round {round_.id} before, and was not right; "
            "each member challenges once, and another one may"
        )
    if pre.now() >= round_.challenge_by:
        raise TooLate(
            f"round {round_.id} could be challenged before "
            f"{in_utc(round_.challenge_by)}, and it is {in_utc(pre.now())}"
        )
    challenged = replace(
        round_,
        challengers=(*round_.challengers, challenger),
        transcripts=(*round_.transcripts, transcript),
    )
    return Diff(records=(challenged,))


def resolve_challenge(
    pre: PreState, _params: Params, command: ResolveChallenge
) -> Diff:
    """
    Say whether challenges are right; if so, the round has to be measured again.

    If not, the time to challenge is no longer than it was: everybody had it, and nobody
    holds a round up for ever. Nor do the same members challenge again.

    Refusals, in order of precedence: those of `round_at`, `WrongStage`, also where
    nobody challenges, `Malformed`.
    """
    stage = RoundStage.AGGREGATING
    round_ = _at_stage(pre, command.training, command.number, stage)
    if not round_.challengers:
        raise WrongStage(f"nobody challenges round {round_.id}")
    settled = replace(round_, challengers=(), transcripts=())
    if checks.flag("upheld", command.upheld):
        again = replace(settled, stage=RoundStage.RUNNING, transcript="", rejected=())
        return Diff(records=(again,))
    rejected = (*round_.rejected, *round_.challengers)
    return Diff(records=(replace(settled, rejected=rejected),))


def abandon_round(pre: PreState, _params: Params, command: AbandonRound) -> Diff:
    """
    End a round that cannot go on, as where the salt of its target is lost.

    Nothing is issued, its slices are carried on, and its data may be offered again.

    Refusals, in order of precedence: those of `led_by` and `round_at`, `WrongStage`
    once what was measured is known.
    """
    training = led_by(pre, command.training, command.creator)
    round_ = round_at(pre, training.id, command.number)
    if round_.stage not in (RoundStage.STARTED, RoundStage.RUNNING):
        raise WrongStage(
            f"round {round_.id} is {round_.stage}; it is abandoned before it is "
            f"{RoundStage.AGGREGATING}, or not at all"
        )
    ended = replace(round_, stage=RoundStage.FINISHED, abandoned=True)
    return Diff(records=(ended,))


def finish_training(pre: PreState, _params: Params, command: FinishTraining) -> Diff:
    """
    End a training; what its unissued units have earned, the issued ones get.

    Where nobody earned any, all units are the creator's.

    Refusals, in order of precedence: those of `led_by`, `WrongStage`.
    """
    training = led_by(pre, command.training, command.creator)
    if training.finished:
        raise WrongStage(f"training {training.id} is finished already")
    if training.round:
        last = round_at(pre, training.id, training.round)
        if last.stage is not RoundStage.FINISHED:
            raise WrongStage(
                f"round {last.number} of {training.id} is {last.stage}; it must be "
                "finished first"
            )
    draft = Draft(pre)
    draft.put(replace(training, finished=True))
    close_vault(draft, pre, training.id, training.creator)
    return draft.diff()


# for other rules


def led_by(pre: PreState, name: str, creator: object) -> Training:
    """Find a training of a creator. Refuses with `UnknownRecord`, `NotAllowed`."""
    training = checks.existing(pre, Training, name)
    if training.creator != creator:
        raise NotAllowed(
            f"training {training.id} belongs to {training.creator}, and not to "
            f"{str(creator)[:80]}"
        )
    return training


def round_at(pre: PreState, training: str, number: object) -> Round:
    """Find a round. Refuses those of the number, and with `UnknownRecord`."""
    name = round_name(training, checks.amount("number", number))
    return checks.existing(pre, Round, name)


def round_name(training: str, number: int) -> str:
    """Name a round: its training, and its number from 1."""
    return f"{training}:{number}"


def node_name(round_: str, supplier: str) -> str:
    """Name the work of a node."""
    return f"{round_}:{supplier}"


def nodes_of(pre: PreState, round_: Round) -> list[tuple[str, Node]]:
    """List the nodes of a round whose work is verified, with their suppliers."""
    nodes = (
        (name, checks.existing(pre, Node, node_name(round_.id, name)))
        for name in round_.nodes
    )
    return [each for each in nodes if each[1].stage is NodeStage.VERIFIED]


def revealed(
    training: Training, round_: Round, command: AggregateRound
) -> tuple[Wad, ...]:
    """
    Check the distribution that a round aims at, now that it is revealed.

    Refuses with `Malformed`, those of the numbers, and `NotAsCommitted`.
    """
    counts = histogram("counts", command.counts, len(training.pool))
    salt = checks.digest("salt", command.salt)
    if target_digest(training.id, round_.number, salt, counts) != round_.target:
        raise NotAsCommitted(
            f"counts and salt are not those that round {round_.id} committed to, "
            f"{round_.target[:16]}..."
        )
    return target_distribution(counts, training.least)


def histogram(what: str, counts: object, cells: int) -> tuple[int, ...]:
    """Check rows of each cell. Refuses with `Malformed`, and those of the numbers."""
    if not isinstance(counts, tuple) or len(counts) != cells:
        given = len(counts) if isinstance(counts, tuple) else str(counts)[:80]
        raise Malformed(f"{what} has {given} cells; the training has {cells}")
    whole = tuple(checks.count(what, each) for each in counts)
    if not 0 < sum(whole) <= ROWS_MAX:
        raise Malformed(
            f"{what} has {sum(whole)} rows; it must have 1 to {ROWS_MAX} altogether"
        )
    return whole


def priced(
    training: Training, round_: Round, counts: Sequence[int], masses: Sequence[Wad]
) -> tuple[tuple[int, ...], int]:
    """Price the rows of a round, where that is how data is paid."""
    if round_.rules.data_share is DataShare.KL_REDUCTION:
        return cell_prices(masses, training.pool, counts)
    return (), 0


def _at_stage(pre: PreState, training: str, number: object, stage: RoundStage) -> Round:
    round_ = round_at(pre, training, number)
    if round_.stage is not stage:
        raise WrongStage(f"round {round_.id} is {round_.stage}; it must be {stage}")
    return round_


def _node(pre: PreState, round_: Round, supplier: object, stage: NodeStage) -> Node:
    name = checks.member("node", supplier, "supplier").id
    if name not in round_.nodes:
        raise NotAllowed(
            f"{name} was not selected for round {round_.id}; its nodes are "
            f"{', '.join(round_.nodes)[:200]}"
        )
    node = checks.existing(pre, Node, node_name(round_.id, name))
    if node.stage is not stage:
        raise WrongStage(
            f"the work of {name} in round {round_.id} is {node.stage}; it must be "
            f"{stage}"
        )
    return node
