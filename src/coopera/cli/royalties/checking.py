"""The command that compares the values in the books with those of a transcript."""

from collections.abc import Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from coopera.cli.books.looking import existing
from coopera.cli.books.options import in_json, on_books
from coopera.cli.books.showing import plural, show_columns, show_json
from coopera.cli.files import read_text
from coopera.cli.royalties.reading import Reading, read_books, round_of
from coopera.cli.royalties.rounds import ROWS, by_round, members_of
from coopera.cli.royalties.written import PICO, read_transcript, values_of
from coopera.errors import Malformed, TooEarly

if TYPE_CHECKING:
    from coopera.protocol.training import Round
    from coopera.work.valuation.transcript import Transcript

HEADER: Final = ("member", "in the books", "in the transcript", "")


class Compared(NamedTuple):
    """What the books say of a round, and what a transcript does."""

    round: "Round"
    digest: str
    """SHA-256 of the transcript."""
    values: "Sequence[tuple[str, int, int]]"
    """Members, what is in the books, and what is in the transcript."""

    @property
    def is_known(self) -> bool:
        """Whether it is the transcript that was made known."""
        return self.digest == self.round.transcript

    @property
    def differing(self) -> int:
        """Members whose values differ."""
        return sum(booked != said for _, booked, said in self.values)

    @property
    def agrees(self) -> bool:
        """Whether there is nothing to challenge."""
        return self.is_known and not self.differing

    @property
    def told(self) -> Mapping[str, Any]:
        """The comparison for programs."""
        return {
            "training": self.round.training,
            "round": self.round.number,
            "agrees": self.agrees,
            "sha256": self.digest,
            "made_known": self.round.transcript,
            "values": [
                {"name": name, "books_pico": booked, "transcript_pico": said}
                for name, booked, said in self.values
            ],
        }


@click.command(short_help="Compare the values in the books with a transcript.")
@click.argument("name", metavar="TRAINING")
@click.argument("written", metavar="TRANSCRIPT")
@by_round
@on_books
@in_json
def check(
    name: str, written: str, number: int | None, url: str, *, as_json: bool
) -> int:
    """
    Compare the values that the books have of a round of TRAINING with a TRANSCRIPT.

    Exit with 1 if any differs, or if the transcript is not the one that was made known;
    then the round can be challenged. Whether the transcript itself is right is told by
    coopera value check.
    """
    made = read_transcript(written, read_text(written, "a transcript"))
    compare = partial(_compared, name=name, number=number, path=written, made=made)
    found = read_books(url, compare)
    if as_json:
        show_json(found.told)
    else:
        _show(found)
    return int(not found.agrees)


def _compared(
    reading: Reading, name: str, number: int | None, path: str, made: "Transcript"
) -> Compared:
    """Refuses with `UnknownRecord`, `TooEarly`, `Malformed` for other members."""
    from coopera.params.chapters import DataShare
    from coopera.protocol.data import Offer, offer_name
    from coopera.protocol.training import Node, Training, node_name

    pre = reading.pre
    round_ = round_of(pre, existing(pre, Training, name), number)
    if not round_.transcript:
        stage = "abandoned" if round_.abandoned else round_.stage
        raise TooEarly(
            f"round {round_.id} is {stage}, and nothing that was measured of it is "
            "known; it is once it is aggregated"
        )
    rule = round_.rules.data_share
    if made.method == ROWS and rule is not DataShare.SHAPLEY:
        raise Malformed(
            f"{path} values rows, and data of round {round_.id} is paid by {rule}; "
            "give the transcript that values its nodes"
        )
    values = values_of(path, made, partial(members_of, pre, round_))
    booked = [
        existing(pre, Offer, offer_name(round_.id, place)).value
        if made.method == ROWS
        else existing(pre, Node, node_name(round_.id, member)).value
        for place, (member, _) in enumerate(values, 1)
    ]
    pairs = zip(values, booked, strict=True)
    return Compared(
        round_, made.digest, [(member, was, said) for (member, said), was in pairs]
    )


def _show(found: Compared) -> None:
    rows = (
        (member, _exact(booked), _exact(said), "" if booked == said else "differs")
        for member, booked, said in found.values
    )
    show_columns([HEADER, *rows], right=(1, 2))
    click.echo(f"sha256 {found.digest}")
    if not found.is_known:
        known = found.round.transcript
        click.echo(f"the transcript that was made known is another one, {known}")
    if found.differing:
        count = plural(len(found.values), "value")
        click.echo(f"{found.differing} of {count} differ from what is in the books")
    if found.agrees:
        click.echo("all values in the books are those of the transcript made known")


def _exact(value: int) -> str:
    """Write what was measured to the last digit, so that no difference is hidden."""
    from coopera.units import unscaled

    return f"{unscaled(value, PICO):f}"
