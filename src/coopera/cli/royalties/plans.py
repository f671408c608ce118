"""The command that says how many units each round releases."""

from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.looking import existing
from coopera.cli.books.options import COUNTS, in_json, on_books
from coopera.cli.books.showing import plural, show_columns, show_json
from coopera.cli.files import refuse_existing, write_new
from coopera.cli.royalties.reading import Reading, read_books, round_of
from coopera.cli.royalties.wording import factor, part
from coopera.errors import Malformed

if TYPE_CHECKING:
    from coopera.accounting.rounds import Release, Terms

ROUNDS_SHOWN: Final = 100
"""Rounds of a training whose number is open, unless asked for others."""
UNTIL_MAX: Final = 100_000
FORMATS: Final = ("png", "svg", "pdf")
"""Of pictures, as the names of their files end."""
LINES: Final = 24
"""Rounds of which all are shown."""
HEADER: Final = (
    *("round", "compute", "so far", "of all"),
    *("data", "so far", "of all"),
)


@click.command(short_help="Say how many units each round releases.")
@click.argument("name", metavar="[TRAINING]", required=False)
@click.option(
    "--rounds", type=COUNTS, metavar="N", help="If they are so many; 0: open."
)
@click.option("--lambda-compute", metavar="X", help="Decay of the compute side.")
@click.option("--lambda-data", metavar="X", help="Decay of the data side.")
@click.option("--compute-fraction", metavar="X", help="Part of the units for compute.")
@click.option("--units", metavar="N", help="Of the vault.")
@click.option(
    "--until",
    type=COUNTS,
    metavar="N",
    help="Last round shown. Default: the last, or 100.",
)
@click.option(
    "--plot", metavar="FILE", help="Draw it, in a new file: .png, .svg or .pdf."
)
@on_books
@in_json
def plan(
    name: str | None,
    rounds: int | None,
    lambda_compute: str | None,
    lambda_data: str | None,
    compute_fraction: str | None,
    units: str | None,
    until: int | None,
    plot: str | None,
    url: str,
    *,
    as_json: bool,
) -> None:
    """
    Say how many units each round releases, for compute and for data.

    By the terms of TRAINING; or by --rounds, --lambda-compute, --lambda-data,
    --compute-fraction and --units, of which the default is what the paper has.

    \b
    Example:
      coopera royalties plan --rounds 20 --lambda-data 0.1 --plot plan.png
    """  # noqa: D301 - click reads the backspace
    from coopera.accounting.rounds import release_plan

    form = "" if plot is None else _format(plot)
    said = {
        "lambda_compute": lambda_compute,
        "lambda_data": lambda_data,
        "compute_fraction": compute_fraction,
        "royalty_units": units,
    }
    given = {key: each for key, each in said.items() if each is not None}
    if name is not None and (given or rounds is not None):
        raise Malformed(
            f"{name} has terms of its own; leave out the other options, or its name"
        )
    issued: tuple[tuple[int, int], ...] = ()
    if name is None:
        terms = _terms(given, rounds or 0)
    else:
        terms, issued = read_books(url, partial(_terms_of, name=name))
    last = _last(terms, until)
    releases = release_plan(terms, last)
    if plot is not None:
        from coopera.cli.royalties.pictures import release_picture

        title = f"Units that rounds of {name} release" if name else "Units by round"
        write_new(plot, release_picture(title, terms, releases, issued, form))
    if as_json:
        show_json(_told(terms, releases, issued, plot))
    else:
        _show(terms, releases)
        if plot is not None:
            click.echo(f"drawn in {plot}")


def _terms(given: Mapping[str, str], rounds: int) -> "Terms":
    """Make terms of what is given, and of defaults. Refuses as `read_table`."""
    from coopera.accounting.rounds import Terms
    from coopera.formulas.royalty import compute_pool
    from coopera.params.chapters import Royalty
    from coopera.params.declared import read_table
    from coopera.params.document import parse_value
    from coopera.protocol import checks
    from coopera.units import MICRO, MicroUnit

    tables = {key: parse_value(each) for key, each in given.items()}
    rules = read_table(Royalty, tables, ("royalty",))
    supply = MicroUnit(rules.royalty_units * MICRO)
    compute = compute_pool(supply, rules.compute_fraction)
    checks.count("--rounds", rounds)
    return Terms(
        compute,
        MicroUnit(supply - compute),
        rules.lambda_compute,
        rules.lambda_data,
        rounds,
    )


def _terms_of(
    reading: Reading, name: str
) -> "tuple[Terms, tuple[tuple[int, int], ...]]":
    """Find the terms of a training, and what its rounds have issued so far."""
    from coopera.accounting.rounds import terms_of
    from coopera.protocol.training import RoundStage, Training
    from coopera.protocol.vaults import Vault

    training = existing(reading.pre, Training, name)
    terms = terms_of(training, existing(reading.pre, Vault, name))
    issued = []
    compute = data = 0
    for number in range(1, training.round + 1):
        round_ = round_of(reading.pre, training, number)
        if round_.stage is RoundStage.FINISHED:
            compute, data = compute + round_.compute_units, data + round_.data_units
            issued.append((compute, data))
    return terms, tuple(issued)


def _format(path: str) -> str:
    """Tell the format of a picture by how its file ends. Refuses with `Malformed`."""
    form = Path(path).suffix[1:].lower()
    if form not in FORMATS:
        raise Malformed(
            f"--plot is {path}; what it ends in says what is drawn: write "
            f"{', '.join(f'.{each}' for each in FORMATS[:-1])} or .{FORMATS[-1]}"
        )
    refuse_existing(path)
    return form


def _last(terms: "Terms", until: int | None) -> int:
    """Find the last round to show. Refuses with `Malformed`."""
    last = until or terms.rounds or ROUNDS_SHOWN
    if until is None:
        return min(last, UNTIL_MAX)
    if not 0 < until <= UNTIL_MAX or 0 < terms.rounds < until:
        most = min(terms.rounds or UNTIL_MAX, UNTIL_MAX)
        raise Malformed(f"--until is {until}; it may be 1 to {most}")
    return last


def _told(
    terms: "Terms",
    releases: "Sequence[Release]",
    issued: Sequence[tuple[int, int]],
    plot: str | None,
) -> dict[str, Any]:
    return {
        "compute_micro_units": terms.compute,
        "data_micro_units": terms.data,
        "compute_decay_wad": terms.compute_decay,
        "data_decay_wad": terms.data_decay,
        "rounds": terms.rounds,
        "plot": plot,
        "releases": [each._asdict() for each in releases],
        "issued_so_far": [{"compute": a, "data": b} for a, b in issued],
    }


def _show(terms: "Terms", releases: "Sequence[Release]") -> None:
    from coopera.accounting.explain import millionths

    of = plural(terms.rounds, "round") if terms.rounds else "an open number of rounds"
    click.echo(
        f"{millionths(terms.compute)} units for compute, of decay "
        f"{factor(terms.compute_decay)} a round; {millionths(terms.data)} for data, of "
        f"decay {factor(terms.data_decay)}; {of}"
    )
    rows: list[Sequence[str]] = [HEADER]
    rows += [
        (
            *(f"{each.round:,}", millionths(each.compute)),
            millionths(each.compute_so_far),
            part(each.compute_so_far, terms.compute),
            millionths(each.data),
            *(millionths(each.data_so_far), part(each.data_so_far, terms.data)),
        )
        for each in (releases[place] for place in lines(len(releases)))
    ]
    show_columns(rows, right=tuple(range(len(HEADER))))


def lines(count: int) -> list[int]:
    """
    Choose places of a long list to show: those of round numbers, and the last.

    >>> lines(3), lines(120)[8:13], lines(120)[-3:]
    ([0, 1, 2], [8, 9, 19, 29, 39], [89, 99, 119])
    """
    if count <= LINES:
        return list(range(count))
    places = {
        number - 1
        for number in range(1, count + 1)
        if not number % 10 ** (len(str(number)) - 1)
    }
    return sorted({*places, count - 1})
