"""Commands about trainings: from a vault's first unit to a round's last one."""

import json
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from coopera.cli.books.access import readable
from coopera.cli.books.given import Asked, gives, looks_and_gives
from coopera.cli.books.looking import Look, looking
from coopera.cli.books.options import COUNTS, in_json, on_books, with_options
from coopera.cli.books.showing import (
    receipt_json,
    show_columns,
    show_json,
    show_table,
    show_transfers,
    transfers_json,
)
from coopera.cli.market.written import cut, last_lines, say_earlier
from coopera.cli.royalties.files import (
    DIGESTS,
    read_counts,
    read_schema,
    read_values,
)
from coopera.cli.royalties.hidden import (
    TARGET,
    Hidden,
    by_counts,
    by_salt,
    hide,
    in_salts,
    keep,
    revealed,
)
from coopera.cli.royalties.reading import (
    Reading,
    number_of,
    read_books,
    round_of,
    training_of,
    unknown_round,
    unknown_training,
)
from coopera.cli.royalties.several import (
    Given,
    Giving,
    give_each,
    try_each,
)
from coopera.cli.royalties.steps import Step, steps_of
from coopera.cli.royalties.wording import factor, nats, part, plural
from coopera.errors import Malformed, Refusal, WrongStage
from coopera.units import WAD, scaled

if TYPE_CHECKING:
    from coopera.accounting.shares import Cell, SideUnits, Worked
    from coopera.accounting.shares import Given as Offered
    from coopera.protocol.training import Round, Training

F = TypeVar("F", bound=Callable[..., Any])

METHODS: Final = ("federated", "encrypted")
"""As in `protocol.training`, which is imported by the commands that need it."""
NODES: Final = ("node", "stage", "rows", "value", "weighs", "units")
OFFERS: Final = (
    *("data", "contributor", "rows", "worth in nats", "nats from target"),
    *("weighs", "units"),
)
CELLS: Final = ("cell", "target", "rows", "pool before", "nats a row")
LISTED: Final = ("name", "creator", "method", "round", "stage", "data", "units issued")

by_creator = click.option(
    "--creator", metavar="WHO", help="Who leads it. Default: as the books say."
)
by_round = click.option(
    "--round", "number", type=COUNTS, metavar="N", help="Default: the last one."
)
by_node = click.option("--node", required=True, metavar="WHO", help="Supplier.")


def by_file(option: str, what: str) -> Callable[[F], F]:
    """Make an option of a file to be hashed, or of its digest."""
    return click.option(
        option,
        type=DIGESTS,
        required=True,
        metavar="FILE|SHA256",
        help=f"{what}: a file to hash, or its digest.",
    )


def read_parent(name: str, written: str) -> tuple[str, int]:
    """
    Read a model that another one is derived from, and its part of the revenue.

    >>> read_parent("--parent", "llm=0.1")
    ('llm', 100000000000000000)
    """
    parent, equals, share = written.partition("=")
    try:
        return parent, scaled(share if equals and share[:1].isdigit() else "NaN", WAD)
    except (ValueError, ArithmeticError):
        raise Malformed(
            f"{name} is {written[:80]!r}; write the training and its part of the "
            "revenue, as llm=0.1"
        ) from None


@click.group(short_help="Train models in rounds, and share their units.")
def training() -> None:
    """Train a model in rounds, and share its royalty units among those who did it."""


@training.command(short_help="Begin a training, with the vault of its units.")
@click.argument("name")
@click.option("--creator", required=True, metavar="WHO", help="Who leads it.")
@click.option(
    "--method", type=click.Choice(METHODS), default=METHODS[0], show_default=True
)
@click.option(
    "--cells", type=COUNTS, metavar="N", help="Of the schema. Default: as it says."
)
@by_file("--code", "The code")
@by_file("--validation", "The validation set")
@click.option(
    "--schema",
    required=True,
    metavar="FILE|SHA256",
    help="Of data: a file, or its digest.",
)
@click.option(
    "--rounds",
    type=COUNTS,
    default="0",
    metavar="N",
    help="If they are so many. Default: open.",
)
@click.option(
    "--parent",
    "parents",
    multiple=True,
    metavar="TRAINING=PART",
    help="That it builds on, and its part of the revenue, as llm=0.1; repeatable.",
)
@gives
def create(
    name: str,
    creator: str,
    method: str,
    cells: int | None,
    code: str,
    validation: str,
    schema: str,
    rounds: int,
    parents: Sequence[str],
) -> object:
    """
    Begin the training NAME, with the vault of its royalty units.

    A schema is best such a one as coopera value histogram counts rows by: then it says
    how many cells there are. By its creator, or the operator.

    \b
    Example:
      coopera training create digits --creator creator:ann --rounds 20 \\
        --code train.py --validation validation.csv --schema schema.json
    """  # noqa: D301 - click reads the backspace
    from coopera.protocol.training import CreateTraining

    derived = tuple(read_parent("--parent", each) for each in parents)
    digest, found = read_schema("--schema", schema)
    if found is not None and cells not in (None, found.cells):
        raise Malformed(
            f"--cells is {cells}, and {schema} has {found.cells}; leave --cells out"
        )
    if found is not None:
        cells = found.cells
    if cells is None:
        raise Malformed(f"how many cells {schema} has is not known; say --cells")
    hashes = (code, validation, digest)
    return CreateTraining(name, creator, method, *hashes, cells, rounds, derived)


@training.command(short_help="Begin the next round, with a hidden target.")
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
    from coopera.protocol.training import StartRound, round_name

    found = training_of(look, name)
    number = found.round + 1 if number is None else number
    creator = creator or found.creator
    if (counts is None) == (target is None):
        said = "neither is" if counts is None else "both are"
        raise Malformed(
            f"--counts and --target say what the round aims at, and {said} given; give "
            "one"
        )
    if target is not None:
        return StartRound(name, creator, number, target)
    assert counts is not None
    aimed = read_counts(counts, len(found.pool))
    hidden = hide(TARGET, round_name(name, number), aimed, salt, salts)
    command = StartRound(name, creator, number, hidden.digest)
    what = f"to aggregate round {number}"
    return hidden_behind(command, hidden, salts, what)


@training.command(short_help="Select the nodes of the round.")
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
    from coopera.protocol.training import SelectNodes

    found = training_of(look, name)
    number = number_of(found, number)
    return SelectNodes(name, creator or found.creator, number, nodes)


@training.command(short_help="Hand in a node's work.")
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

    number = number_of(training_of(look, name), number)
    return FinishWork(name, number, node, result, samples)


@training.command(short_help="Say whether a node's work is valid.")
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

    found = training_of(look, name)
    if valid is None:
        raise Malformed("what was found is not given; say --valid or --invalid")
    round_ = round_of(look, found, number)
    if samples is None and valid:
        work_ = look.record(Node, node_name(round_.id, node))
        samples = work_.samples if work_ else 0
    return VerifyWork(name, round_.number, node, valid, samples or 0)


@training.command(short_help="End the work of the round; make known what was measured.")
@click.argument("name", metavar="TRAINING")
@by_file("--transcript", "How contributions were measured")
@in_salts
@by_counts
@by_salt
@click.option(
    "--values",
    metavar="FILE",
    help="Measured of nodes, or data: JSON, or CSV with name,value.",
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
    values: str | None,
    number: int | None,
    creator: str | None,
) -> object:
    """
    End the work of the round of TRAINING: reveal its target, and what was measured.

    The target is the one that is kept in --salts, or that --counts and --salt give.
    Nodes that are not named in --values are worth zero. By the creator, or the
    operator.
    """
    from coopera.protocol.training import AggregateRound

    found = training_of(look, name)
    round_ = round_of(look, found, number)
    given = None if counts is None else read_counts(counts, len(found.pool))
    wanted = Hidden(TARGET, round_.id, (), round_.target)
    hidden = revealed(salts, salt, given, wanted)
    measured = () if values is None else read_values(values)
    return AggregateRound(
        name,
        creator or found.creator,
        round_.number,
        hidden.counts,
        hidden.salt,
        transcript,
        measured,
    )


@training.command(short_help="Say that what was measured is wrong.")
@click.argument("name", metavar="TRAINING")
@click.option("--challenger", required=True, metavar="WHO", help="Who measured again.")
@by_file("--transcript", "How it was measured again")
@by_round
@looks_and_gives
def challenge(
    look: Look, name: str, challenger: str, transcript: str, number: int | None
) -> object:
    """
    Say that what was measured of the round of TRAINING is wrong.

    Nothing is issued until that is resolved. By a supplier or contributor for itself,
    or the operator.
    """
    from coopera.protocol.training import ChallengeRound

    number = number_of(training_of(look, name), number)
    return ChallengeRound(name, number, challenger, transcript)


@training.command(short_help="Say whether challenges are right.")
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

    found = training_of(look, name)
    if upheld is None:
        raise Malformed("what was found is not given; say --upheld or --rejected")
    return ResolveChallenge(name, number_of(found, number), upheld)


@training.command(short_help="Issue the units of the round, in all steps that are due.")
@click.argument("name", metavar="TRAINING")
@by_round
@with_options
def share(
    name: str,
    number: int | None,
    url: str,
    key: str | None,
    caller: str,
    *,
    dry_run: bool,
    as_json: bool,
) -> None:
    """
    Issue the units of the round of TRAINING, in all steps that are due.

    The data is weighed, the slices of both sides are divided, and units are issued.
    What holds the books does it by itself once the time to challenge is over. By the
    operator.
    """
    from coopera.protocol.training import RoundStage, ShareRound

    with looking(url) as look:
        found = training_of(look, name)
        round_ = round_of(look, found, number)
        before = round_.stage
        left = max(1, 2 * round_.parts + 1 - round_.weighed - (round_.paid + 1))
    steps = [ShareRound(name, round_.number)] * left
    if dry_run:
        moved = try_each(url, caller, steps)
        if as_json:
            show_json({"dry_run": True, "transfers": transfers_json(moved)})
        else:
            click.echo("dry run: nothing was written")
            show_transfers(moved)
        return

    def done_meanwhile(refusal: Refusal) -> bool:
        """Tell whether the network itself has shared the round meanwhile."""
        if not isinstance(refusal, WrongStage) or before is RoundStage.FINISHED:
            return False
        with looking(url) as look:
            now = round_of(look, training_of(look, name), round_.number)
        return now.stage is RoundStage.FINISHED

    with readable(url) as store:
        last = store.head().receipt
    own = give_each(Giving(url, key, caller), steps, stops=done_meanwhile)
    given = {each.receipt.id: each for each in own}
    given |= {each.receipt.id: each for each in _shared_since(url, last, round_)}
    with looking(url) as look:
        after = round_of(look, training_of(look, name), round_.number)
    told = [given[number] for number in sorted(given)]
    if as_json:
        receipts = [receipt_json(*each) for each in told]
        show_json({"round": after.id, "stage": after.stage, "receipts": receipts})
    else:
        _show_shared(after, told, itself=not own)


@training.command(short_help="End the round without anybody earning anything.")
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
    from coopera.protocol.training import AbandonRound

    found = training_of(look, name)
    number = number_of(found, number)
    return AbandonRound(name, creator or found.creator, number)


@training.command(short_help="End a training: no more units are issued.")
@click.argument("name", metavar="TRAINING")
@by_creator
@looks_and_gives
def finish(look: Look, name: str, creator: str | None) -> object:
    """
    End TRAINING for good: no more units are issued.

    What the units that nobody got have earned goes to those who hold the others. By the
    creator, or the operator.
    """
    from coopera.protocol.training import FinishTraining

    return FinishTraining(name, creator or training_of(look, name).creator)


@training.command("list", short_help="List trainings.")
@click.option("--creator", metavar="WHO", help="Only of this member.")
@last_lines
@on_books
@in_json
def list_(creator: str | None, last: int, url: str, *, as_json: bool) -> None:
    """List trainings by their names: where they stand, and how much is issued."""
    from coopera.protocol.training import Training

    def read(reading: Reading) -> tuple[list[dict[str, Any]], int]:
        found = [
            each
            for each in reading.pre.records(Training).values()
            if creator in (None, each.creator)
        ]
        shown, earlier = cut(sorted(found, key=lambda each: each.id), last)
        return [_brief(reading, each) for each in shown], earlier

    told, earlier = read_books(url, read)
    if as_json:
        show_json({"trainings": told, "earlier": earlier})
        return
    if not told:
        click.echo("there are no such trainings")
        return
    show_columns([LISTED, *map(_row, told)], right=(3, 5, 6))
    say_earlier(earlier)


@training.command(short_help="Tell all about a training and a round of it.")
@click.argument("name", metavar="TRAINING")
@by_round
@last_lines
@on_books
@in_json
def show(name: str, number: int | None, last: int, url: str, *, as_json: bool) -> None:
    """
    Tell all about TRAINING: its round, its units, who is awaited to do what until when.

    Of nodes, data and cells the last so many are shown.
    """
    told = read_books(url, partial(_told, name=name, number=number, last=last))
    if as_json:
        show_json(told)
    else:
        _show(told, last)


# what is shown


def hidden_behind(
    command: object, hidden: Hidden, salts: str | None, what: str
) -> Asked:
    """Ask for a command that commits to something, and say what will reveal it."""
    if salts is None:
        said = f"salt {hidden.salt}\nKeep it and the counts: they are needed {what}."
        return Asked(command, said, {"salt": hidden.salt})
    said = f"The counts and the salt that are needed {what} are kept in {salts}."
    return Asked(command, said, {"salts": salts}, partial(keep, Path(salts), hidden))


def _shared_since(url: str, last: int, round_: "Round") -> Iterator[Given]:
    """List the steps of sharing a round since a receipt, whoever did them."""
    with readable(url) as store:
        for number in range(last + 1, store.head().receipt + 1):
            receipt = store.receipt(number)
            if receipt.kind != "share_round":
                continue
            command = json.loads(receipt.command)
            if (command["training"], command["number"]) == (
                round_.training,
                round_.number,
            ):
                yield Given(receipt, store.transfers(receipt))


def _show_shared(round_: "Round", given: Sequence[Given], *, itself: bool) -> None:
    from coopera.accounting.explain import millionths

    by = ": the network has shared it by itself" if itself else ""
    head = f"round {round_.number} of {round_.training} is {round_.stage}{by}"
    click.echo(click.style(head, bold=True))
    receipts = ", ".join(str(each.receipt.id) for each in given)
    show_table(
        [
            ("for compute", f"{millionths(round_.compute_units)} units"),
            ("for data", f"{millionths(round_.data_units)} units"),
            ("receipts", receipts),
        ]
    )
    show_transfers([moved for each in given for moved in each.moved])


def _brief(reading: Reading, found: "Training") -> dict[str, Any]:
    """Tell where a training stands."""
    from coopera.accounting.shares import last_round, sides_of
    from coopera.protocol import checks
    from coopera.protocol.vaults import Vault

    last = last_round(reading.pre, found)
    sides = sides_of(reading.pre, checks.existing(reading.pre, Vault, found.id))
    return {
        "name": found.id,
        "creator": found.creator,
        "method": found.method,
        "rounds": found.rounds,
        "round": found.round,
        "stage": _stage(found, last),
        "data": found.data,
        "issued_micro_units": sum(side.issued for side in sides),
    }


def _stage(found: "Training", last: "Round | None") -> str:
    if found.finished:
        return "finished"
    if last is None:
        return "no round yet"
    return f"round {'abandoned' if last.abandoned else last.stage}"


def _row(told: dict[str, Any]) -> tuple[str, ...]:
    from coopera.accounting.explain import millionths

    of = f"/{told['rounds']}" if told["rounds"] else ""
    return (
        *(told["name"], told["creator"], told["method"]),
        *(f"{told['round']}{of}", told["stage"], f"{told['data']:,}"),
        millionths(told["issued_micro_units"]),
    )


def _told(reading: Reading, name: str, number: int | None, last: int) -> dict[str, Any]:
    """Put a training and a round of it into JSON, amounts in millionths."""
    from dataclasses import asdict

    from coopera.accounting import shares
    from coopera.protocol import checks
    from coopera.protocol.training import Round, Training, round_name
    from coopera.protocol.vaults import Vault

    found = reading.pre.record(Training, name)
    if found is None:
        raise unknown_training(name)
    if number is None and not found.round:
        round_ = None
    else:
        place = number_of(found, number)
        round_ = reading.pre.record(Round, round_name(name, place))
        if round_ is None:
            raise unknown_round(found, place)
    vault = checks.existing(reading.pre, Vault, name)
    waiting = shares.waiting_data(reading.pre, reading.params, name)
    newest = shares.last_round(reading.pre, found)
    steps = steps_of(reading, found, newest, waiting)
    terms = shares.terms_of(found, vault)
    told = asdict(found)
    pool = told.pop("pool")
    prior = reading.params.royalty.pool_prior_rows
    return {
        "name": told.pop("id"),
        **told,
        "cells": len(pool),
        "pool_rows": sum(pool),
        "prior_rows": prior * len(pool),
        "now": reading.now,
        "sides": {
            each.side: _side_json(each, terms.released(each.side, found.round))
            for each in shares.sides_of(reading.pre, vault)
        },
        "data_waiting": asdict(waiting),
        "current": round_ and _round_json(reading, found, round_, last),
        "awaited": [step.told for step in steps],
    }


def _side_json(side: "SideUnits", released: int) -> dict[str, int]:
    return {
        "pool_micro_units": side.pool,
        "released_micro_units": released,
        "issued_micro_units": side.issued,
        "left_micro_units": side.left,
    }


def _round_json(
    reading: Reading, found: "Training", round_: "Round", last: int
) -> dict[str, Any]:
    from coopera.accounting import shares

    pre = reading.pre
    known = bool(round_.masses)
    return {
        "number": round_.number,
        "stage": round_.stage,
        "stands": "abandoned" if round_.abandoned else round_.stage,
        "target": round_.target,
        "revealed": known,
        "transcript": round_.transcript,
        "rows": round_.rows,
        "challenge_by": round_.challenge_by,
        "challengers": round_.challengers,
        "paid_by": round_.rules.data_share,
        "weight": round_.weight if round_.weighed == round_.parts else None,
        "compute_micro_units": round_.compute_units,
        "data_micro_units": round_.data_units,
        "nodes": [_node_json(each) for each in shares.worked_of(pre, round_)],
        "data_sets": round_.offers,
        "offers": [_offer_json(each) for each in shares.given_of(pre, round_, last)],
        "cells": [_cell_json(each) for each in shares.cells_of(pre, found, round_)],
    }


def _node_json(worked: "Worked") -> dict[str, Any]:
    node = worked.node
    return {
        "node": worked.supplier,
        "stage": node.stage,
        "result": node.result,
        "samples": node.samples,
        "value_pico": node.value,
        "weight": worked.weight,
        "micro_units": worked.units,
    }


def _offer_json(given: "Offered") -> dict[str, Any]:
    return {
        "data": given.offer.data,
        "contributor": given.offer.contributor,
        "rows": given.rows,
        "value_wad_nats": given.value,
        "divergence_wad_nats": given.divergence,
        "weight": given.weight,
        "micro_units": given.units,
    }


def _cell_json(cell: "Cell") -> dict[str, Any]:
    return {
        "cell": cell.number,
        "target_wad": cell.target,
        "rows": cell.rows,
        "pool_rows": cell.pool,
        "price_wad_nats": cell.price,
    }


def _show(told: dict[str, Any], last: int) -> None:
    of = f" of {told['rounds']}" if told["rounds"] else ", and their number is open"
    given = told["pool_rows"] - told["prior_rows"]
    worth = f"{plural(given, 'row')} that brought it nearer to a target"
    state = "finished" if told["finished"] else "under way"
    head = f"{told['name']}  {told['method']} training, {state}"
    click.echo(click.style(head, bold=True))
    show_table(
        [
            ("creator", told["creator"]),
            ("code", told["code"]),
            ("validation", told["validation"]),
            ("schema", f"{told['schema']}, {plural(told['cells'], 'cell')}"),
            ("rounds", f"{told['round']}{of}"),
            ("data", plural(told["data"], "data set") + _waiting(told["data_waiting"])),
            ("pool", f"{worth}, and {told['prior_rows']:,} to start from"),
        ]
    )
    _show_units(told)
    if told["current"] is not None:
        _show_round(told["current"], last)
    awaited = [Step(**each) for each in told["awaited"]]
    click.echo(click.style("\nWho is awaited", bold=True))
    for step in awaited:
        click.echo(f"  {step.said(told['now'])}")
    if not awaited:
        click.echo("  nobody; the training is finished")


def _waiting(waiting: "dict[str, int]") -> str:
    said = {
        "rows": "to be committed to",
        "audit": "to be looked at",
        "offer": "to be offered",
        "invalid": "not valid",
    }
    parts = [
        f"{waiting[name]:,} {what}" for name, what in said.items() if waiting[name]
    ]
    return f" registered; of them {', '.join(parts)}" if parts else " registered"


def _show_units(told: dict[str, Any]) -> None:
    from coopera.accounting.explain import millionths

    click.echo(click.style("\nUnits", bold=True))
    decays = {"compute": told["compute_decay"], "data": told["data_decay"]}
    rows: list[Sequence[str]] = [
        ("", "in all", "released so far", "issued", "of the side", "decay a round")
    ]
    for name, side in told["sides"].items():
        pool, issued = side["pool_micro_units"], side["issued_micro_units"]
        rows.append(
            (
                name,
                millionths(pool),
                millionths(side["released_micro_units"]),
                millionths(issued),
                part(issued, pool),
                factor(decays[name]),
            )
        )
    show_columns(rows, right=(1, 2, 3, 4, 5), indent="  ")


def _show_round(told: dict[str, Any], last: int) -> None:
    from coopera.ledger import in_utc

    click.echo(click.style(f"\nRound {told['number']}, {told['stands']}", bold=True))
    hidden = "" if told["revealed"] else ", hidden until it is aggregated"
    rows = [("target", f"{told['target']}{hidden}")]
    sets = plural(told["data_sets"], "data set")
    rows.append(("offered", f"{plural(told['rows'], 'row')} in {sets}"))
    if told["transcript"]:
        rows.append(("transcript", told["transcript"]))
        rows.append(("challenge", f"before {in_utc(told['challenge_by'])}"))
    if told["challengers"]:
        rows.append(("challenged", f"by {', '.join(told['challengers'])}"))
    show_table(rows)
    for header, listed, count in (
        (NODES, list(_node_rows(told["nodes"])), len(told["nodes"])),
        (OFFERS, list(_offer_rows(told)), told["data_sets"]),
        (CELLS, list(_cell_rows(told["cells"])), len(told["cells"])),
    ):
        if listed:
            shown = listed[-last:]
            click.echo()
            numbers = range(2 if header is not CELLS else 0, len(header))
            show_columns([header, *shown], right=tuple(numbers), indent="  ")
            say_earlier(count - len(shown))


def _node_rows(nodes: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    weights = sum(each["weight"] or 0 for each in nodes)
    for each in nodes:
        value = f"{each['value_pico'] / 10**12:.6g}"
        yield (
            *(each["node"], each["stage"], f"{each['samples']:,}"),
            value if each["weight"] is not None else "-",
            *_weighed(each, weights),
        )


def _offer_rows(told: dict[str, Any]) -> Iterator[tuple[str, ...]]:
    offers, weights = told["offers"], told["weight"]
    if weights is None and len(offers) == told["data_sets"]:
        weights = sum(each["weight"] or 0 for each in offers)
    for each in offers:
        value, far = each["value_wad_nats"], each["divergence_wad_nats"]
        yield (
            *(each["data"], each["contributor"], f"{each['rows']:,}"),
            "-" if value is None else nats(value),
            "-" if far is None else nats(far),
            *_weighed(each, weights),
        )


def _weighed(each: dict[str, Any], weights: int | None) -> tuple[str, str]:
    from coopera.accounting.explain import millionths

    weight, units = each["weight"], each["micro_units"]
    return (
        "-" if weight is None or weights is None else part(weight, weights),
        "-" if units is None else millionths(units),
    )


def _cell_rows(cells: Sequence[dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for each in cells:
        price = each["price_wad_nats"]
        yield (
            str(each["cell"]),
            part(each["target_wad"], WAD),
            f"{each['rows']:,}",
            f"{each['pool_rows']:,}",
            # Cells of which the round has no rows have no price.
            "-" if price is None or not each["rows"] else nats(price),
        )
