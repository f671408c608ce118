"""Commands about data: register it, commit to it, stake on it, offer it to a round."""

from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.given import looks_and_gives
from coopera.cli.books.looking import Look, existing, looking
from coopera.cli.books.options import AMOUNTS, COUNTS, in_json, last_lines, on_books
from coopera.cli.books.showing import (
    cut,
    plural,
    say_earlier,
    show_columns,
    show_json,
    show_table,
)
from coopera.cli.files import by_file, read_digest
from coopera.cli.royalties.hidden import (
    HISTOGRAM,
    Commitment,
    by_counts,
    by_salt,
    hidden_behind,
    hide,
    in_salts,
    revealed,
)
from coopera.cli.royalties.reading import Reading, read_books, round_of
from coopera.cli.royalties.rounds import by_round
from coopera.cli.royalties.rows import by_contributor
from coopera.cli.royalties.written import only_one, read_counts, read_schema
from coopera.errors import NotAsCommitted, UnknownRecord
from coopera.units import WAD

if TYPE_CHECKING:
    from coopera.protocol.data import DataSet

HEADER: Final = (
    *("name", "training", "contributor", "rows", "copies"),
    *("looked at", "valid", "stands"),
)


@click.group(short_help="Bring data to trainings, row by row.")
def data() -> None:
    """Bring data to trainings: register it, declare its rows, offer it to a round."""


@data.command(short_help="Register an upload.")
@click.argument("name")
@click.argument("file", metavar="FILE|SHA256")
@click.option("--training", required=True, help="That it is for.")
@click.option("--contributor", required=True, metavar="WHO", help="Whose it is.")
@click.option(
    "--upload", required=True, metavar="0xHASH", help="Transaction of the upload."
)
@by_file("--proof", "Proof that it was prepared as the schema says")
@click.option(
    "--schema",
    metavar="FILE|SHA256",
    help="Schema that it has. Default: that of the training.",
)
@looks_and_gives
def register(
    look: Look,
    name: str,
    file: str,
    training: str,
    contributor: str,
    upload: str,
    proof: str,
    schema: str | None,
) -> object:
    """
    Register the upload in FILE under NAME. By the contributor, or the operator.

    \b
    Example:
      coopera data register dan-1 upload.bin --training digits \\
        --contributor contributor:dan --upload 0x5f3a... --proof proof.json
    """  # noqa: D301 - click reads the backspace
    from coopera.protocol.data import RegisterData
    from coopera.protocol.training import Training

    of = look.existing(Training, training).schema
    if schema is not None:
        of = read_schema("--schema", schema)[0]
    digest = read_digest("FILE", file)
    return RegisterData(name, training, contributor, digest, of, upload, proof)


@data.command(short_help="Commit to how the rows lie in the cells.")
@click.argument("name", metavar="DATA")
@by_counts
@in_salts
@by_salt
@click.option("--histogram", metavar="HEX", help="Or the commitment, made elsewhere.")
@by_contributor
@looks_and_gives
def commit(
    look: Look,
    name: str,
    counts: str | None,
    salts: str | None,
    salt: str | None,
    histogram: str | None,
    contributor: str | None,
) -> object:
    """
    Commit to how the rows of DATA lie in the cells; no more rows are declared then.

    The counts are of the rows that count, and hidden behind a salt. Keep both in a
    private file: without them the data can never be offered. By the contributor, or the
    operator.
    """
    from coopera.protocol.data import CommitHistogram, DataSet
    from coopera.protocol.training import Training

    found = look.existing(DataSet, name)
    contributor = contributor or found.contributor
    only_one("--counts and --histogram say how the rows lie", counts, histogram)
    if counts is None:
        assert histogram is not None
        return CommitHistogram(name, contributor, histogram)
    lie = read_counts(counts, len(look.existing(Training, found.training).pool))
    if sum(lie) != found.rows:
        # The books cannot see it, and would refuse the data when it is offered.
        raise NotAsCommitted(
            f"{counts} has {plural(sum(lie), 'row')}, and data {name} has "
            f"{found.rows:,} that count; leave copies out of the counts"
        )
    hidden = hide(HISTOGRAM, name, lie, salt, salts)
    command = CommitHistogram(name, contributor, hidden.digest)
    return hidden_behind(command, hidden, salts, f"to offer {name}")


@data.command(short_help="Note how many of the rows looked at are valid.")
@click.argument("name", metavar="DATA")
@click.option(
    "--checked", type=COUNTS, required=True, metavar="N", help="Rows looked at."
)
@click.option("--valid", type=COUNTS, required=True, metavar="N", help="Of them valid.")
@looks_and_gives
def audit(look: Look, name: str, checked: int, valid: int) -> object:
    """
    Note how many of the rows of DATA that were looked at are valid. By the operator.

    Where they are too few, the contributor loses its stake in the training.
    """
    from coopera.protocol.data import AuditData, DataSet

    return AuditData(look.existing(DataSet, name).id, checked, valid)


@data.command(short_help="Stake tokens on the data given to a training.")
@click.argument("training")
@click.argument("amount", type=AMOUNTS)
@click.option("--contributor", required=True, metavar="WHO", help="Who stakes.")
@looks_and_gives
def stake(look: Look, training: str, amount: int, contributor: str) -> object:
    """Stake AMOUNT tokens on the data given to TRAINING. By the contributor."""
    from coopera.protocol.data import StakeData
    from coopera.protocol.training import Training

    return StakeData(look.existing(Training, training).id, contributor, amount)


@data.command("return", short_help="Get a stake back.")
@click.argument("training")
@click.option("--contributor", required=True, metavar="WHO", help="Who has staked.")
@looks_and_gives
def return_(look: Look, training: str, contributor: str) -> object:
    """Get the stake in TRAINING back, once its round is over. By the contributor."""
    from coopera.protocol.data import DataStake, ReturnDataStake
    from coopera.protocol.training import Training

    found = look.existing(Training, training)
    if look.record(DataStake, f"{found.id}:{contributor}") is None:
        raise UnknownRecord(
            f"{contributor[:80]} has no stake in training {found.id}; name who has "
            "staked: coopera data stake"
        )
    return ReturnDataStake(found.id, contributor)


@data.command(short_help="Offer data to the round that is under way.")
@click.argument("name", metavar="DATA")
@in_salts
@by_counts
@by_salt
@by_round
@by_contributor
@looks_and_gives
def offer(
    look: Look,
    name: str,
    salts: str | None,
    counts: str | None,
    salt: str | None,
    number: int | None,
    contributor: str | None,
) -> object:
    """
    Offer DATA to the round of its training, and reveal how its rows lie in the cells.

    These are kept in --salts, or are what --counts and --salt give. By the contributor,
    or the operator.
    """
    from coopera.protocol.data import DataSet, OfferData
    from coopera.protocol.training import Training

    found = look.existing(DataSet, name)
    training = look.existing(Training, found.training)
    given = None if counts is None else read_counts(counts, len(training.pool))
    hidden = revealed(Commitment(HISTOGRAM, name, found.histogram), salts, given, salt)
    contributor = contributor or found.contributor
    number = round_of(look, training, number).number
    return OfferData(name, contributor, number, hidden.counts, hidden.salt)


@data.command(short_help="Tell all about data.")
@click.argument("name", metavar="DATA")
@on_books
@in_json
def show(name: str, url: str, *, as_json: bool) -> None:
    """Tell all about DATA: its rows, what was found of them, what it waits for."""
    found, told = read_books(url, partial(_found, name=name))
    if as_json:
        show_json(told)
    else:
        _show(found, told)


@data.command("list", short_help="List data sets.")
@click.option("--training", help="Only for this one.")
@click.option("--contributor", metavar="WHO", help="Only of this member.")
@last_lines
@on_books
@in_json
def list_(
    training: str | None,
    contributor: str | None,
    last: int,
    url: str,
    *,
    as_json: bool,
) -> None:
    """List data sets by training and name, and where they stand."""
    from coopera.protocol.data import DataSet

    with looking(url) as look:
        found = [
            each
            for each in look.records(DataSet).values()
            if training in (None, each.training)
            and contributor in (None, each.contributor)
        ]
    found.sort(key=lambda each: (each.training, each.id))
    shown, earlier = cut(found, last)
    if as_json:
        show_json({"data": [_told(each) for each in shown], "earlier": earlier})
        return
    if not shown:
        click.echo("there is no such data")
        return
    show_columns([HEADER, *map(_row, shown)], right=(3, 4, 5, 6))
    say_earlier(earlier)


def _found(reading: Reading, name: str) -> "tuple[DataSet, dict[str, Any]]":
    """Find data, and put it into JSON. Refuses with `UnknownRecord`."""
    from coopera.accounting.whys import not_offered
    from coopera.protocol.data import DataSet, DataStake

    found = existing(reading.pre, DataSet, name)
    staked = reading.pre.record(DataStake, f"{found.training}:{found.contributor}")
    rules = reading.params.royalty
    return found, {
        **_told(found),
        "min_validity_wad": rules.min_validity,
        "rows_per_token_wad": rules.rows_per_token,
        "stake_micro_token": staked.amount if staked else 0,
        "waits_for": "" if found.round else not_offered(reading.params, found),
    }


def _told(found: "DataSet") -> dict[str, Any]:
    told = asdict(found)
    return {"name": told.pop("id"), **told}


def _show(found: "DataSet", told: dict[str, Any]) -> None:
    from coopera.accounting.explain import millionths

    head = f"{found.id}  data for {found.training}, {_stands(found)}"
    looked = f"{found.valid:,} of {plural(found.checked, 'row')} are valid"
    needs = f"{told['min_validity_wad'] / WAD:.0%} must be"
    at_stake = millionths(told["stake_micro_token"])
    table = [
        ("contributor", found.contributor),
        ("upload", f"{found.digest}, by {found.upload}"),
        ("proof", found.proof),
        ("rows", f"{found.rows:,} that count, besides {found.copies:,} copies"),
        ("commitment", found.histogram or "none yet"),
        ("looked at", f"{looked}; at least {needs}" if found.checked else "not yet"),
        ("at stake", f"{at_stake} token in {found.training}"),
    ]
    if told["waits_for"]:
        table.append(("needed", told["waits_for"]))
    click.echo(click.style(head, bold=True))
    show_table(table)


def _stands(found: "DataSet") -> str:
    if found.round:
        return f"in round {found.round}"
    if found.invalid:
        return "not valid"
    if not found.histogram:
        return "registered"
    return "looked at" if found.checked else "committed to"


def _row(found: "DataSet") -> tuple[str, ...]:
    return (
        *(found.id, found.training, found.contributor, f"{found.rows:,}"),
        *(f"{found.copies:,}", f"{found.checked:,}", f"{found.valid:,}"),
        _stands(found),
    )
