"""The command that says why somebody got as many units of a round as it did."""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.looking import existing
from coopera.cli.books.options import COUNTS, in_json, on_books
from coopera.cli.books.showing import plural, show_columns, show_json, show_table
from coopera.cli.royalties.reading import Reading, read_books, round_of
from coopera.cli.royalties.wording import measured, nats, part
from coopera.cli.royalties.written import read_schema_of
from coopera.units import WAD

if TYPE_CHECKING:
    from coopera.accounting.rounds import Given, Slice
    from coopera.accounting.whys import CellWorth, DataReason, NodeReason, Why
    from coopera.work.valuation.schema import Schema

Row = tuple[str, str]

RULES: Final[Mapping[str, str]] = {
    "kl_reduction": "by how far its rows bring the pool to the target",
    "exp_kl": "by its rows, and how near to the target they lie",
    "size": "by its rows",
    "even": "all data sets the same",
    "shapley": "by what was measured of it",
    "equal": "all nodes the same",
    "samples": "by the rows that it has used",
    "contribution": "by what was measured of its work",
    "all": "the node of an encrypted round gets all",
}
"""Settings by which a side is shared, in words."""
WEIGHTS: Final[Mapping[str, Callable[[int], str]]] = {
    "exp_kl": lambda weight: f"{weight / 10**9:,.6g} rows as near as can be",
    "size": partial(plural, noun="row"),
    "even": partial(plural, noun="data set"),
    "shapley": measured,
    "equal": partial(plural, noun="node"),
    "samples": partial(plural, noun="row"),
    "contribution": measured,
    "all": partial(plural, noun="node"),
}
"""In what is weighed by each of them, where that is not worth in nats."""
CELLS: Final = ("cell", "which is", "rows", "nats a row", "worth in nats")
CELLS_SHOWN: Final = 8
"""Cells of data that are shown each for itself."""


@click.command(short_help="Say why a member got as many units as it did.")
@click.argument("name", metavar="TRAINING")
@click.argument("number", type=COUNTS, metavar="ROUND")
@click.argument("member")
@click.option("--schema", metavar="FILE", help="Of the training, to name the cells.")
@on_books
@in_json
def why(
    name: str, number: int, member: str, schema: str | None, url: str, *, as_json: bool
) -> None:
    """
    Say why MEMBER got as many units of ROUND of TRAINING as it did, or none.

    Before units are issued it says what they will be, as far as that is known.
    """
    asked = partial(_why, name=name, number=number, member=member, schema=schema)
    told, cells = read_books(url, asked)
    if as_json:
        show_json(_told(told, cells))
    else:
        _show(told, cells)


def _why(
    reading: Reading, name: str, number: int, member: str, schema: str | None
) -> "tuple[Why, Schema | None]":
    """Find the reasons, and the schema that names the cells in what is said."""
    from coopera.accounting.whys import why as reasons
    from coopera.protocol.training import Training

    training = existing(reading.pre, Training, name)
    round_of(reading.pre, training, number)
    cells = None if schema is None else read_schema_of(training, schema)

    def called(cell: int) -> str:
        return str(cell) if cells is None else f"{cell} ({cells.called(cell)})"

    asked = (reading.pre, reading.params, name, number, member)
    return reasons(*asked, called), cells


def _told(why_: "Why", cells: "Schema | None") -> dict[str, Any]:
    """Put it into JSON, amounts in millionths, nats in fixed point."""
    told = asdict(why_)
    for each in told["data"]:
        each["cells"] = [
            {
                "cell": cell["cell"],
                **({} if cells is None else {"called": cells.called(cell["cell"])}),
                "rows": cell["rows"],
                "price_wad_nats": cell["price"],
                "worth_wad_nats": cell["worth"],
            }
            for cell in each["cells"]
        ]
    told["worth_wad_nats"] = told.pop("worth")
    told |= {"weight": why_.weight, "micro_units": why_.units}
    if why_.slice is not None:
        told["slice"] |= {"available": why_.slice.available, "left": why_.slice.left}
    return told


def _show(why_: "Why", cells: "Schema | None") -> None:
    from coopera.accounting.explain import millionths

    where = f"round {why_.round} of {why_.training}"
    if why_.slice is None:
        click.echo(click.style(f"{why_.member} in {where}, {why_.stage}", bold=True))
        click.echo("  how many units it brings is known when the round is aggregated")
    else:
        got = "will get" if why_.foreseen else "got"
        units = f"{millionths(why_.units)} units" if why_.units else "no units"
        click.echo(click.style(f"{why_.member} {got} {units} in {where}", bold=True))
        if why_.units:
            of = part(why_.units, why_.slice.units)
            click.echo(f"  that is {of} of what it hands out for {why_.side}")
        if why_.foreseen and why_.stage == "aggregating":
            click.echo("  unless somebody challenges the round before it is shared")
        click.echo(
            click.style(f"\nWhat the round hands out for {why_.side}", bold=True)
        )
        show_table([*_of_slice(why_, why_.slice)])
    for each in why_.data:
        click.echo(click.style(f"\nData {each.data.id}", bold=True))
        show_table([*_of_data(why_, each)])
        if each.cells:
            click.echo()
            rows = [CELLS, *_of_cells(each.cells, cells)]
            if cells is None:
                rows = [(cell, *numbers) for cell, _, *numbers in rows]
            numbers = tuple(range(len(rows[0]) - 3, len(rows[0])))
            show_columns(rows, right=numbers, indent="  ")
    for node in why_.nodes:
        click.echo(click.style("\nIts work", bold=True))
        show_table([*_of_work(why_, node)])
    if why_.missing:
        click.echo(click.style("\nWhy nothing", bold=True))
        click.echo(f"  {why_.missing}")


def _of_slice(why_: "Why", slice_: "Slice") -> Iterator[Row]:
    from coopera.accounting.explain import millionths

    whole = f"of {millionths(slice_.pool)} units for {slice_.side}"
    yield f"released by round {why_.round}", f"{millionths(slice_.released)} {whole}"
    yield "left by rounds before", millionths(slice_.carried)
    if (brought := why_.reduction) is not None and slice_.side == "data":
        yield "the pool was", f"{nats(brought.lacking)} nats from the target"
        enough = f"from {nats(brought.full)} on all is handed out"
        yield "the data brought it", f"{nats(brought.brought)} nats nearer; {enough}"
    if slice_.other:
        none = "computed" if slice_.side == "data" else "gave data"
        yield "from the other side", f"{millionths(slice_.other)}, since nobody {none}"
    yield "handed out", millionths(slice_.units)
    if why_.is_last and slice_.left:
        what = "no round comes after it, so they are never issued"
        yield "left", f"{millionths(slice_.left)}; {what}"
        yield "what these earn", "goes to all who have units, once it is finished"
    else:
        yield "left to rounds after", millionths(slice_.left)
    yield "shared", RULES[why_.rule]


def _of_data(why_: "Why", reason: "DataReason") -> Iterator[Row]:
    from coopera.accounting.explain import millionths

    data, given = reason.data, reason.given
    yield "rows", f"{data.rows:,} that count, besides {data.copies:,} that are copies"
    looked = "none were looked at"
    if data.checked:
        looked = f"{data.valid:,} of {data.checked:,} that were looked at"
    yield "valid", f"{looked}; at least {part(why_.min_validity, WAD)} must be"
    if given is not None and given.divergence is not None:
        limit = f"it may be {nats(why_.kl_max)} at most"
        yield "from the target", f"{nats(given.divergence)} nats; {limit}"
    if given is not None and given.value is not None:
        yield "worth", _worth(why_, given)
    elif given is not None and given.weight is not None:
        yield "weighs", _weight(why_, given.weight)
    if given is not None and given.units is not None:
        yield "units", millionths(given.units)
    if reason.missing:
        yield "needed", reason.missing


def _of_work(why_: "Why", reason: "NodeReason") -> Iterator[Row]:
    from coopera.accounting.explain import millionths

    worked = reason.worked
    node = worked.node
    yield "stands", node.stage.value
    yield "rows used", f"{node.samples:,}"
    if worked.weight is not None:
        if why_.rule == "contribution":
            yield "measured", measured(node.value)
        yield "weighs", _weight(why_, worked.weight)
    if worked.units is not None:
        yield "units", millionths(worked.units)
    if reason.missing:
        yield "needed", reason.missing


def _of_cells(
    worths: "Sequence[CellWorth]", cells: "Schema | None"
) -> Iterator[tuple[str, ...]]:
    """List the cells that matter most, and sum up the others."""
    for each in worths[:CELLS_SHOWN]:
        called = "" if cells is None else cells.called(each.cell)
        numbers = f"{each.rows:,}", nats(each.price), nats(each.worth)
        yield (str(each.cell), called, *numbers)
    if rest := worths[CELLS_SHOWN:]:
        rows, worth = sum(e.rows for e in rest), sum(e.worth for e in rest)
        yield (f"{len(rest):,} more", "", f"{rows:,}", "-", nats(worth))


def _worth(why_: "Why", given: "Given") -> str:
    """Write what data is worth, with that of all that earns, and its part of it."""
    assert given.value is not None
    if why_.worth is None:
        return f"{nats(given.value)} nats at the prices of the round"
    all_ = f"all data that earns is worth {nats(why_.worth)}"
    if not given.weight:
        return f"{nats(given.value)} nats, for which nothing is handed out; {all_}"
    of = f"this is {part(given.weight, why_.weights)} of it"
    return f"{nats(given.value)} nats; {all_}, and {of}"


def _weight(why_: "Why", weight: int) -> str:
    """Write a weight in its unit; where it is shared, with all and its part of it."""
    unit = WEIGHTS[why_.rule]
    if why_.slice is None:
        return unit(weight)
    all_ = f"{unit(why_.weights)} together: {part(weight, why_.weights)}"
    return f"{unit(weight)} of {all_}"
