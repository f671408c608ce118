"""The command that says why somebody got as many units of a round as it did."""

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.looking import existing
from coopera.cli.books.options import COUNTS, in_json, on_books
from coopera.cli.books.showing import show_json, show_table
from coopera.cli.royalties.reading import Reading, read_books, round_of
from coopera.cli.royalties.wording import measured, nats, part
from coopera.units import WAD

if TYPE_CHECKING:
    from coopera.accounting.rounds import Slice
    from coopera.accounting.whys import DataReason, NodeReason, Why

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


@click.command(short_help="Say why a member got as many units as it did.")
@click.argument("name", metavar="TRAINING")
@click.argument("number", type=COUNTS, metavar="ROUND")
@click.argument("member")
@on_books
@in_json
def why(name: str, number: int, member: str, url: str, *, as_json: bool) -> None:
    """
    Say why MEMBER got as many units of ROUND of TRAINING as it did, or none.

    Before units are issued it says what they will be, as far as that is known.
    """
    told = read_books(url, partial(_why, name=name, number=number, member=member))
    if as_json:
        show_json(_told(told))
    else:
        _show(told)


def _why(reading: Reading, name: str, number: int, member: str) -> "Why":
    from coopera.accounting.whys import why as reasons
    from coopera.protocol.training import Training

    round_of(reading.pre, existing(reading.pre, Training, name), number)
    return reasons(reading.pre, reading.params, name, number, member)


def _told(why_: "Why") -> dict[str, Any]:
    """Put it into JSON, amounts in millionths."""
    told = asdict(why_)
    told |= {"weight": why_.weight, "micro_units": why_.units}
    if why_.slice is not None:
        told["slice"] |= {"available": why_.slice.available, "left": why_.slice.left}
    return told


def _show(why_: "Why") -> None:
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
        yield "worth", f"{nats(given.value)} nats at the prices of the round"
    if given is not None and given.weight is not None:
        yield "weighs", _weight(given.weight, why_.weights)
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
        yield "weighs", _weight(worked.weight, why_.weights)
    if worked.units is not None:
        yield "units", millionths(worked.units)
    if reason.missing:
        yield "needed", reason.missing


def _weight(weight: int, weights: int) -> str:
    """Write a weight with the sum of all, and its part of it."""
    return f"{weight:,} of {weights:,} together: {part(weight, weights)}"
