"""Commands of a round: from its hidden target to what was measured of it."""

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Final

import click

from coopera.cli.books.given import Asked, looks_and_gives
from coopera.cli.books.looking import Look, Records, existing
from coopera.cli.books.options import COUNTS
from coopera.cli.files import by_file
from coopera.cli.royalties.hidden import (
    TARGET,
    Commitment,
    by_counts,
    by_salt,
    hidden_behind,
    hide,
    in_salts,
    revealed,
)
from coopera.cli.royalties.reading import round_of
from coopera.cli.royalties.steps import is_measured
from coopera.cli.royalties.written import only_one, read_counts, read_values
from coopera.errors import Malformed

if TYPE_CHECKING:
    from coopera.protocol.training import Round

VALUES_DIFFER: Final = "the values in the books are not those of the transcript"
MEASURES_DIFFER: Final = "another transcript comes out"
"""What whoever challenges a round says, by the transcript that is given."""
ROWS: Final = "knn_shapley"
"""The method that values data; all others value the work of nodes."""

by_creator = click.option(
    "--creator", metavar="WHO", help="Who leads it. Default: as the books say."
)
by_round = click.option(
    "--round", "number", type=COUNTS, metavar="N", help="Default: the last one."
)
by_node = click.option("--node", required=True, metavar="WHO", help="Supplier.")


@click.command(short_help="Begin the next round, with a hidden target.")
@click.argument("name", metavar="TRAINING")
@by_counts
@in_salts
@by_salt
@click.option("--target", metavar="HEX", help="Or the commitment, made elsewhere.")
@click.option(
    "--round", "number", type=COUNTS, metavar="N", help="Default: the next one."
)
@by_creator
@looks_and_gives
def start(
    look: Look,
    name: str,
    counts: str | None,
    salts: str | None,
    salt: str | None,
    target: str | None,
    number: int | None,
    creator: str | None,
) -> object:
    """
    Begin the next round of TRAINING; what it aims at stays hidden until it is over.

    The target is how the rows of the validation set lie in the cells: a file of counts.
    It is committed to behind a salt. Keep both in a private file: without them the
    round can never be aggregated. With --key, say --round too. By the creator, or the
    operator.
    """
    from coopera.protocol.training import StartRound, Training, round_name

    found = look.existing(Training, name)
    number = found.round + 1 if number is None else number
    creator = creator or found.creator
    only_one("--counts and --target say what the round aims at", counts, target)
    if counts is None:
        assert target is not None
        return StartRound(name, creator, number, target)
    aimed = read_counts(counts, len(found.pool))
    hidden = hide(TARGET, round_name(name, number), aimed, salt, salts)
    command = StartRound(name, creator, number, hidden.digest)
    return hidden_behind(command, hidden, salts, f"to aggregate round {number}")


@click.command(short_help="Select the nodes of the round.")
@click.argument("name", metavar="TRAINING")
@click.argument("nodes", nargs=-1, required=True, metavar="SUPPLIER...")
@by_round
@by_creator
@looks_and_gives
def select(
    look: Look,
    name: str,
    nodes: tuple[str, ...],
    number: int | None,
    creator: str | None,
) -> object:
    """
    Select the nodes of the round of TRAINING that is started; then it runs.

    By the creator, or the operator.
    """
    from coopera.protocol.training import SelectNodes, Training

    found = look.existing(Training, name)
    number = round_of(look, found, number).number
    return SelectNodes(name, creator or found.creator, number, nodes)


@click.command(short_help="Hand in a node's work.")
@click.argument("name", metavar="TRAINING")
@by_node
@by_file("--result", "The update, or the result")
@click.option(
    "--samples", type=COUNTS, required=True, metavar="N", help="Rows that it has used."
)
@by_round
@looks_and_gives
def work(
    look: Look, name: str, node: str, result: str, samples: int, number: int | None
) -> object:
    """Hand in the work of a node of TRAINING. By the node, or the operator."""
    from coopera.protocol.training import FinishWork

    return FinishWork(name, _round(look, name, number).number, node, result, samples)


@click.command(short_help="Say whether a node's work is valid.")
@click.argument("name", metavar="TRAINING")
@by_node
@click.option("--valid/--invalid", default=None, help="What was found.")
@click.option(
    "--samples",
    type=COUNTS,
    metavar="N",
    help="Rows that its data commitments bear out. Default: as many as it says.",
)
@by_round
@looks_and_gives
def verify(
    look: Look,
    name: str,
    node: str,
    valid: bool | None,  # noqa: FBT001 - click names its arguments
    samples: int | None,
    number: int | None,
) -> object:
    """Say whether the work of a node of TRAINING is valid. By the operator."""
    from coopera.protocol.training import Node, VerifyWork, node_name

    round_ = _round(look, name, number)
    if valid is None:
        raise Malformed("what was found is not given; say --valid or --invalid")
    if samples is None and valid:
        work_ = look.record(Node, node_name(round_.id, node))
        samples = work_.samples if work_ else 0
    return VerifyWork(name, round_.number, node, valid, samples or 0)


@click.command(short_help="End the work of the round; make known what was measured.")
@click.argument("name", metavar="TRAINING")
@by_file("--transcript", "How contributions were measured")
@in_salts
@by_counts
@by_salt
@click.option(
    "--values",
    multiple=True,
    metavar="FILE",
    help="What was measured: a transcript, JSON, or CSV with name,value; repeatable.",
)
@by_round
@by_creator
@looks_and_gives
def aggregate(
    look: Look,
    name: str,
    transcript: str,
    salts: str | None,
    counts: str | None,
    salt: str | None,
    values: Sequence[str],
    number: int | None,
    creator: str | None,
) -> object:
    """
    End the work of the round of TRAINING: reveal its target, and what was measured.

    The target is the one that is kept in --salts, or that --counts and --salt give.

    The members of a transcript of coopera value are the nodes whose work is valid or,
    if it values rows, the data of the round, in the order in which training show lists
    them. Such a transcript must be the one that --transcript makes known. Who is not in
    --values is worth zero; they may be left out where nothing depends on them.

    By the creator, or the operator.

    \b
    Example:
      coopera training aggregate digits --salts ann.salts \\
        --transcript transcript.json --values transcript.json
    """  # noqa: D301 - click reads the backspace
    from coopera.protocol.training import AggregateRound, RoundStage, Training

    found = look.existing(Training, name)
    round_ = round_of(look, found, number)
    given = None if counts is None else read_counts(counts, len(found.pool))
    hidden = revealed(Commitment(TARGET, round_.id, round_.target), salts, given, salt)
    running = round_.stage is RoundStage.RUNNING
    if running and not values and is_measured(found, round_):
        raise Malformed(
            f"what was measured decides who gets what of round {round_.id}, and "
            "--values is not given; give it"
        )
    measured = [
        each
        for path in values
        for each in read_values(path, partial(members_of, look, round_), transcript)
    ]
    return AggregateRound(
        name,
        creator or found.creator,
        round_.number,
        hidden.counts,
        hidden.salt,
        transcript,
        tuple(measured),
    )


@click.command(short_help="Say that what was measured is wrong.")
@click.argument("name", metavar="TRAINING")
@click.option("--challenger", required=True, metavar="WHO", help="Who measured again.")
@by_file("--transcript", "How it was measured again")
@by_round
@looks_and_gives
def challenge(
    look: Look, name: str, challenger: str, transcript: str, number: int | None
) -> object:
    """
    Say that what was made known of the round of TRAINING is wrong.

    With another --transcript than the one that was made known: it was measured wrongly.
    With the same one: the values in the books are not those of it, which is what
    coopera training check tells.

    Nothing is issued until that is resolved. Each challenges once what was made known.
    By a supplier or contributor for itself, or the operator.
    """
    from coopera.protocol.training import ChallengeRound

    round_ = _round(look, name, number)
    command = ChallengeRound(name, round_.number, challenger, transcript)
    same = transcript == round_.transcript
    what = VALUES_DIFFER if same else MEASURES_DIFFER
    told = {"values_differ": same}
    return Asked(command, f"{challenger} says that {what}", told)


@click.command(short_help="Say whether challenges are right.")
@click.argument("name", metavar="TRAINING")
@click.option("--upheld/--rejected", default=None, help="What was found.")
@by_round
@looks_and_gives
def resolve(
    look: Look,
    name: str,
    upheld: bool | None,  # noqa: FBT001 - click names its arguments
    number: int | None,
) -> object:
    """
    Say whether the challenges of the round of TRAINING are right. By the operator.

    If they are, the round has to be measured and aggregated again.
    """
    from coopera.protocol.training import ResolveChallenge

    number = _round(look, name, number).number
    if upheld is None:
        raise Malformed("what was found is not given; say --upheld or --rejected")
    return ResolveChallenge(name, number, upheld)


@click.command(short_help="End the round without anybody earning anything.")
@click.argument("name", metavar="TRAINING")
@by_round
@by_creator
@looks_and_gives
def abandon(look: Look, name: str, number: int | None, creator: str | None) -> object:
    """
    End the round of TRAINING that cannot go on, as where the salt of a target is lost.

    Nothing is issued, its slices are carried on, and its data may be offered again.
    By the creator, or the operator.
    """
    from coopera.protocol.training import AbandonRound, Training

    found = look.existing(Training, name)
    number = round_of(look, found, number).number
    return AbandonRound(name, creator or found.creator, number)


def _round(look: Look, name: str, number: int | None) -> "Round":
    """Find a round of a training by its name. Refuses with `UnknownRecord`."""
    from coopera.protocol.training import Training

    return round_of(look, look.existing(Training, name), number)


def members_of(records: Records, round_: "Round", method: str) -> list[str]:
    """Name whom a method values in a round: who gave the data, or who computed."""
    from coopera.protocol.data import Offer, offer_name
    from coopera.protocol.training import Node, NodeStage, node_name

    if method == ROWS:
        names = (offer_name(round_.id, n) for n in range(1, round_.offers + 1))
        return [existing(records, Offer, each).data for each in names]
    return [
        each
        for each in round_.nodes
        if existing(records, Node, node_name(round_.id, each)).stage
        is NodeStage.VERIFIED
    ]
