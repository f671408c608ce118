"""Who is awaited to do what about a training, by which command, and until when."""

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

from coopera.cli.books.options import OPERATOR
from coopera.cli.books.showing import plural
from coopera.cli.royalties.reading import Reading

if TYPE_CHECKING:
    from coopera.accounting.rounds import Waiting
    from coopera.protocol.training import Round, Training

GIVERS = "contributors"
ANYBODY = "whoever measured again"


class Step(NamedTuple):
    """What is awaited next."""

    who: str
    """Operator, a member, or members of some kind."""
    what: str
    command: str
    """Of the command line."""
    since: int | None = None
    """Moment from which it can be done, in microseconds since 1970."""
    until: int | None = None
    """Moment until before which it can."""

    @property
    def told(self) -> dict[str, Any]:
        """The step for programs."""
        return self._asdict()

    def said(self, now: int) -> str:
        """Say it in a line."""
        from coopera.ledger import in_utc

        when = f" before {in_utc(self.until)}" if self.until else ""
        if self.since and self.since > now:
            when = f" from {in_utc(self.since)} on"
        return f"{self.who}: {self.what}{when}: {self.command}"


def steps_of(
    reading: Reading, training: "Training", round_: "Round | None", waiting: "Waiting"
) -> Sequence[Step]:
    """List who is awaited; several while nodes work and data comes in."""
    from coopera.protocol.training import RoundStage

    if training.finished:
        return ()
    if round_ is None or round_.stage is RoundStage.FINISHED:
        return tuple(_between(training))
    return tuple(_under_way(reading, training, round_, waiting))


def is_measured(training: "Training", round_: "Round") -> bool:
    """Tell whether somebody's part of a round depends on what was measured of it."""
    from coopera.params.chapters import ComputeSplit, DataShare
    from coopera.protocol.training import Method

    by_work = round_.rules.compute_split is ComputeSplit.CONTRIBUTION
    by_data = round_.rules.data_share is DataShare.SHAPLEY
    federated = training.method is Method.FEDERATED
    return (federated and by_work and round_.verified > 0) or (
        by_data and round_.offers > 0
    )


def _between(training: "Training") -> Iterator[Step]:
    """Say how it goes on between two rounds."""
    if not 0 < training.rounds <= training.round:
        command = f"coopera training start {training.id} --counts FILE --salts FILE"
        yield Step(training.creator, f"start round {training.round + 1}", command)
    if training.round:
        command = f"coopera training finish {training.id}"
        what = "finish the training"
        if not 0 < training.rounds <= training.round:
            what = "or finish the training"
        yield Step(training.creator, what, command)


def _under_way(
    reading: Reading, training: "Training", round_: "Round", waiting: "Waiting"
) -> Iterator[Step]:
    from coopera.protocol.training import RoundStage

    here = f"coopera training {{}} {training.id}"
    match round_.stage:
        case RoundStage.STARTED:
            command = f"{here.format('select')} SUPPLIER..."
            yield Step(training.creator, "select the nodes", command)
            yield from _data(waiting)
        case RoundStage.RUNNING:
            yield from _work(reading, training, round_)
            if not round_.masses:
                yield from _data(waiting)
        case RoundStage.AGGREGATING if round_.challengers:
            who = ", ".join(round_.challengers)
            command = f"{here.format('resolve')} --upheld|--rejected"
            yield Step(OPERATOR, f"say if {who} is right", command)
        case RoundStage.AGGREGATING:
            until = round_.challenge_by
            if reading.now < until:
                command = (
                    f"{here.format('challenge')} --challenger WHO --transcript FILE"
                )
                yield Step(ANYBODY, "challenge it", command, None, until)
            command = here.format("share")
            yield Step(OPERATOR, "share the units", command, until)
        case _:
            command = here.format("share")
            yield Step(OPERATOR, "share the rest of the units", command)


def _work(reading: Reading, training: "Training", round_: "Round") -> Iterator[Step]:
    """Say which nodes are awaited; without any, the round can be aggregated."""
    from coopera.protocol import checks
    from coopera.protocol.training import Node, NodeStage, node_name

    here, open_ = f"{training.id} --node", 0
    for name in round_.nodes:
        node = checks.existing(reading.pre, Node, node_name(round_.id, name))
        if node.stage is NodeStage.SELECTED:
            command = f"coopera training work {here} {name} --result FILE --samples N"
            yield Step(name, "hand in its work", command)
        elif node.stage is NodeStage.FINISHED:
            open_ += 1
            command = f"coopera training verify {here} {name} --valid|--invalid"
            yield Step(OPERATOR, f"say if the work of {name} is valid", command)
    if not open_:
        what = "aggregate the round"
        if round_.done < len(round_.nodes):
            what = "or aggregate the round without the others"
        command = f"coopera training aggregate {training.id} --salts FILE"
        command += " --transcript FILE"
        command += " --values FILE" * is_measured(training, round_)
        yield Step(training.creator, what, command)


def _data(waiting: "Waiting") -> Iterator[Step]:
    """Say what data can still be brought to the round."""
    if waiting.audit:
        which = waiting.audit_first if waiting.audit == 1 else "DATA"
        what = f"look at {plural(waiting.audit, 'data set')}"
        command = f"coopera data audit {which} --checked N --valid N"
        yield Step(OPERATOR, what, command)
    if waiting.offer:
        which = waiting.offer_first if waiting.offer == 1 else "DATA"
        what = f"offer {plural(waiting.offer, 'data set')}, valid so far"
        yield Step(GIVERS, what, f"coopera data offer {which} --salts FILE")
