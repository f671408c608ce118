"""Commands about trainings as a whole: begin one, list them, look at one, end it."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.given import looks_and_gives
from coopera.cli.books.looking import Look, existing
from coopera.cli.books.options import COUNTS, in_json, last_lines, on_books
from coopera.cli.books.showing import cut, say_earlier, show_columns, show_json
from coopera.cli.files import by_file
from coopera.cli.royalties.reading import Reading, read_books
from coopera.cli.royalties.rounds import by_creator, by_round
from coopera.cli.royalties.standing import show_standing, standing_of, standing_told
from coopera.cli.royalties.written import read_parent, read_schema
from coopera.errors import Malformed

if TYPE_CHECKING:
    from coopera.protocol.training import Round, Training

METHODS: Final = ("federated", "encrypted")
"""As in `protocol.training`, which is imported by the commands that need it."""
HEADER: Final = ("name", "creator", "method", "round", "stage", "data", "units issued")


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
@looks_and_gives
def create(
    look: Look,
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
    from coopera.protocol.vaults import Vault

    derived = tuple(read_parent("--parent", each) for each in parents)
    for parent, _ in derived:
        look.existing(Vault, parent)
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
    from coopera.protocol.training import FinishTraining, Training

    return FinishTraining(name, creator or look.existing(Training, name).creator)


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
    found = read_books(url, partial(standing_of, name=name, number=number, last=last))
    if as_json:
        show_json(standing_told(found))
    else:
        show_standing(found, last)


@training.command("list", short_help="List trainings.")
@click.option("--creator", metavar="WHO", help="Only of this member.")
@last_lines
@on_books
@in_json
def list_(creator: str | None, last: int, url: str, *, as_json: bool) -> None:
    """List trainings by their names: where they stand, and how much is issued."""
    told, earlier = read_books(url, partial(_listed, creator=creator, last=last))
    if as_json:
        show_json({"trainings": told, "earlier": earlier})
        return
    if not told:
        click.echo("there are no such trainings")
        return
    show_columns([HEADER, *map(_row, told)], right=(3, 5, 6))
    say_earlier(earlier)


def _listed(
    reading: Reading, creator: str | None, last: int
) -> tuple[list[dict[str, Any]], int]:
    from coopera.protocol.training import Training

    found = [
        each
        for each in reading.pre.records(Training).values()
        if creator in (None, each.creator)
    ]
    shown, earlier = cut(sorted(found, key=lambda each: each.id), last)
    return [_told(reading, each) for each in shown], earlier


def _told(reading: Reading, found: "Training") -> dict[str, Any]:
    """Tell where a training stands."""
    from coopera.accounting.rounds import last_round
    from coopera.accounting.shares import sides_of
    from coopera.protocol.vaults import Vault

    sides = sides_of(reading.pre, existing(reading.pre, Vault, found.id))
    return {
        "name": found.id,
        "creator": found.creator,
        "method": found.method,
        "rounds": found.rounds,
        "round": found.round,
        "stage": _stage(found, last_round(reading.pre, found)),
        "data": found.data,
        "issued_micro_units": sum(side.issued for side in sides),
    }


def _stage(found: "Training", last: "Round | None") -> str:
    if found.finished:
        return "finished"
    if last is None:
        return "no round yet"
    return f"round {'abandoned' if last.abandoned else last.stage}"


def _row(told: Mapping[str, Any]) -> tuple[str, ...]:
    from coopera.accounting.explain import millionths

    of = f"/{told['rounds']}" if told["rounds"] else ""
    return (
        *(told["name"], told["creator"], told["method"]),
        *(f"{told['round']}{of}", told["stage"], f"{told['data']:,}"),
        millionths(told["issued_micro_units"]),
    )
