"""The command that issues the units of a round, whoever is first to do it."""

import json
from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from coopera.cli.books.access import readable, try_out
from coopera.cli.books.looking import looking
from coopera.cli.books.options import with_options
from coopera.cli.books.showing import (
    receipt_json,
    show_json,
    show_table,
    show_transfers,
    show_tried,
)
from coopera.cli.royalties.reading import round_of
from coopera.cli.royalties.rounds import by_round
from coopera.cli.royalties.several import Given, Giving, give_each
from coopera.errors import Refusal, WrongStage

if TYPE_CHECKING:
    from coopera.protocol.training import Round


@click.command(short_help="Issue the units of the round, in all steps that are due.")
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

    round_ = _round(url, name, number)
    left = max(1, 2 * round_.parts + 1 - round_.weighed - (round_.paid + 1))
    steps = [ShareRound(name, round_.number)] * left
    if dry_run:
        show_tried(try_out(url, caller, *steps), as_json=as_json)
        return

    def done_meanwhile(refusal: Refusal) -> bool:
        """Tell whether the network itself has shared the round meanwhile."""
        return (
            isinstance(refusal, WrongStage)
            and round_.stage is not RoundStage.FINISHED
            and _round(url, name, round_.number).stage is RoundStage.FINISHED
        )

    with readable(url) as store:
        last = store.head().receipt
    own = give_each(Giving(url, key, caller), steps, stops=done_meanwhile)
    given = {each.receipt.id: each for each in own}
    given |= {each.receipt.id: each for each in _shared_since(url, last, round_)}
    told = [given[number] for number in sorted(given)]
    after = _round(url, name, round_.number)
    if as_json:
        receipts = [receipt_json(*each) for each in told]
        show_json({"round": after.id, "stage": after.stage, "receipts": receipts})
    else:
        _show(after, told, itself=not own)


def _round(url: str, name: str, number: int | None) -> "Round":
    from coopera.protocol.training import Training

    with looking(url) as look:
        return round_of(look, look.existing(Training, name), number)


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


def _show(round_: "Round", given: Sequence[Given], *, itself: bool) -> None:
    from coopera.accounting.explain import millionths

    by = ": the network has shared it by itself" if itself else ""
    head = f"round {round_.number} of {round_.training} is {round_.stage}{by}"
    click.echo(click.style(head, bold=True))
    show_table(
        [
            ("for compute", f"{millionths(round_.compute_units)} units"),
            ("for data", f"{millionths(round_.data_units)} units"),
            ("receipts", ", ".join(str(each.receipt.id) for each in given)),
        ]
    )
    show_transfers([moved for each in given for moved in each.moved])
