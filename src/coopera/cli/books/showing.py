"""What came out, as text or as JSON: receipts, their grounds, tables, progress."""

import json
import re
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from itertools import groupby
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

if TYPE_CHECKING:
    from coopera.accounting.explain import Explanation, Figure, Formula, Move, Step
    from coopera.ledger import Receipt, Transfer

UNITS: Final[Mapping[str, str]] = {"usd": "USD", "token": "token"}
"""Assets as people write them behind an amount."""
SHOWN: Final = 8
"""Most numbers of a list that are printed."""

T = TypeVar("T")


def plural(count: int, noun: str) -> str:
    """
    Count things.

    >>> plural(1, "row"), plural(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{count:,} {noun}{'' if count == 1 else 's'}"


def cut(listed: Sequence[T], last: int) -> tuple[Sequence[T], int]:
    """Keep the last of a list: these, and how many there are before."""
    return listed[-last:], max(0, len(listed) - last)


def say_earlier(earlier: int) -> None:
    """Say that a list was cut."""
    if earlier:
        click.echo(f"{plural(earlier, 'earlier one')}; --last shows more")


def show_json(told: object) -> None:
    """Print a result for programs."""
    click.echo(json.dumps(told, indent=1))


def receipt_json(receipt: "Receipt", moved: Sequence["Transfer"]) -> dict[str, Any]:
    """Put a receipt into JSON, with what it moved."""
    return {
        "receipt": receipt.id,
        "kind": receipt.kind,
        "caller": receipt.caller,
        "key": receipt.key,
        "at": receipt.at,
        "hash": receipt.hash.hex(),
        "transfers": transfers_json(moved),
    }


def transfers_json(moved: Sequence["Transfer"]) -> list[dict[str, Any]]:
    """Put transfers into JSON."""
    from coopera.accounting.explain import unit_of

    return [
        {
            "debit": each.debit,
            "credit": each.credit,
            "micro_units": each.amount,
            "unit": unit_of(each.debit),
            "reason": each.reason,
        }
        for each in moved
    ]


def show_receipt(receipt: "Receipt", moved: Sequence["Transfer"]) -> None:
    """Print a receipt with what it moved."""
    from coopera.ledger import moment

    click.echo(click.style(f"receipt {receipt.id}  {receipt.kind}", bold=True))
    show_table(
        [
            ("given by", receipt.caller),
            ("moment", moment(receipt.at)),
            ("key", receipt.key),
            ("hash", receipt.hash.hex()),
        ]
    )
    show_transfers(moved)


def show_tried(moved: Sequence["Transfer"], *, as_json: bool) -> None:
    """Print what commands would move that were only tried."""
    if as_json:
        show_json({"dry_run": True, "transfers": transfers_json(moved)})
    else:
        click.echo("dry run: nothing was written")
        show_transfers(moved)


def show_transfers(moved: Sequence["Transfer"]) -> None:
    """Print transfers, those of one giver together."""
    if not moved:
        click.echo("\n  nothing moves")
        return
    _by_giver([(e.debit, e.amount, (e.credit, e.reason)) for e in moved])


def _by_giver(rows: Sequence[tuple[str, int, tuple[str, ...]]]) -> None:
    """Print rows under the account that gives: amount, unit, who gets it, why."""
    from coopera.accounting.explain import millionths, unit_of

    def cells(debit: str, amount: int, rest: Sequence[str]) -> Sequence[str]:
        return millionths(amount), unit_of(debit), *rest

    groups: list[tuple[str, list[Sequence[str]]]] = []
    for debit, group in groupby(rows, lambda row: row[0]):
        given = list(group)
        printed = [cells(*row) for row in given]
        if len(given) > 1:
            total = sum(amount for _, amount, _ in given)
            blank = [""] * (len(given[0][2]) - 1)
            printed.append(cells(debit, total, ("in all", *blank)))
        groups.append((debit, printed))
    widths = _widths([row for _, printed in groups for row in printed])
    for debit, printed in groups:
        click.echo(f"\n  {click.style(debit, bold=True)} gives")
        for row in printed:
            click.echo("    " + _aligned(row, widths, (0,)))


def show_explanation(explained: "Explanation") -> None:
    """Print a receipt with its grounds."""
    click.echo(click.style(f"receipt {explained.number}  {explained.kind}", bold=True))
    show_table(
        [
            ("given by", explained.caller),
            ("moment", explained.moment),
            ("key", explained.key),
            ("hash", explained.hash),
        ]
    )
    if explained.command:
        click.echo(click.style("\nWhat was asked", bold=True))
        show_columns(
            [_figure(each) for each in explained.command], right=(), indent="  "
        )
    if explained.workings:
        click.echo(click.style("\nHow it was worked out", bold=True))
    for step in explained.workings:
        _show_step(step, explained.transfers)
    click.echo(click.style("\nWhat moved", bold=True))
    if not explained.transfers:
        click.echo("  nothing")
    _by_giver(
        [
            (each.debit, each.amount, (each.credit, each.reason, _basis(each)))
            for each in explained.transfers
        ]
    )
    if explained.formulas:
        click.echo(click.style("\nFormulas that reasons name", bold=True))
    for formula in explained.formulas:
        _show_formula(formula, "")
    _show_verdict(explained.transfers)


def _show_step(step: "Step", moves: Sequence["Move"]) -> None:
    """Print a working: what the formula was given, and what it gives."""
    _show_formula(step.formula, f"[{step.number}] ")
    got = {move.part: move.credit for move in moves if move.working == step.number}
    rows = [("", *_cells(each), "") for each in step.arguments]
    for each in step.results[:SHOWN]:
        to = f"to {got[each.name]}" if each.name in got else ""
        rows.append(("=", *_cells(each), to))
    show_columns(rows, right=(2,), indent="      ")
    if (more := len(step.results) - SHOWN) > 0:
        click.echo(f"      and {more} more results")
    if step.problem:
        click.echo(click.style(f"      {step.problem}", fg="red"))


def _show_verdict(moves: Sequence["Move"]) -> None:
    """Say whether the amounts that were recomputed are those that moved."""
    recomputed = [move for move in moves if move.agrees is not None]
    if wrong := [str(move.number) for move in recomputed if not move.agrees]:
        said = f"{len(wrong)} amounts DIFFER: transfers {', '.join(wrong)}"
        click.echo(click.style(f"\n{said}", fg="red"))
    elif recomputed:
        click.echo(
            f"\n{len(recomputed)} of {len(moves)} amounts recomputed, all the same"
        )


def _show_formula(formula: "Formula", number: str) -> None:
    """Print what the book says of a formula."""
    click.echo(f"\n  {number}{click.style(formula.name, bold=True)}")
    for said in (formula.meaning, _plain(formula.equation), formula.source):
        if said:
            click.echo(f"      {said}")


TYPESET: Final = (
    (r"\sum", "Σ"),
    (r"\lambda ", "λ"),
    (r"\Delta ", "Δ"),
    (r"\parallel", "||"),
    (r"\left\lfloor", "⌊"),
    (r"\right\rfloor", "⌋"),
    (r"\langle", "<"),
    (r"\rangle", ">"),
)
"""What an equation is set with, and how it is written plainly."""


def _plain(equation: str) -> str:
    r"""
    Write an equation without its typesetting.

    >>> _plain(r"R_g \sum_k P_g(k) * Pt_{in}")
    'R_g Σ_k P_g(k) * Pt_in'
    >>> _plain(r"pool * \frac{1 - e^{-\lambda r}}{1 - e^{-\lambda R}}")
    'pool * (1 - e^-λr) / (1 - e^-λR)'
    """
    for typeset, plain in TYPESET:
        equation = equation.replace(typeset, plain)
    # Innermost braces first, so that those of a fraction are left for it.
    equation = re.sub(r"([_^]){([^{}]*)}", r"\1\2", equation)
    equation = re.sub(r"\\frac{([^{}]*)}{([^{}]*)}", r"(\1) / (\2)", equation)
    return re.sub(r"[{}\\]", "", equation)


def _basis(move: "Move") -> str:
    """Say in short what gave the amount of a transfer."""
    if move.agrees is None:
        return str(move.basis)
    mark = "ok" if move.agrees else "DIFFERS"
    short = move.basis if move.working is None else f"[{move.working}] {move.part}"
    return f"{short}, {mark}"


def _figure(figure: "Figure") -> tuple[str, str]:
    unit = f" {figure.unit}" if figure.unit else ""
    return figure.name, f"{_joined(figure.written)}{unit}"


def _cells(figure: "Figure") -> tuple[str, str, str]:
    return figure.name, _joined(figure.written), figure.unit


def _joined(written: Any) -> str:
    """Write lists in a line, the inner ones without commas."""
    if not isinstance(written, list):
        return str(written)
    shown = [
        " ".join(map(str, each)) if isinstance(each, list) else str(each)
        for each in written[:SHOWN]
    ]
    more = len(written) - SHOWN
    return ", ".join(shown) + f" and {more} more" * (more > 0) or "none"


def short_moment(moment: str) -> str:
    """Write a moment to the second."""
    return moment[:19].replace("T", " ")


def show_table(rows: Sequence[tuple[str, str]]) -> None:
    """Print names and what they stand for, a little to the right."""
    show_columns(rows, right=(), indent="  ")


def show_columns(
    rows: Sequence[Sequence[str]], right: Sequence[int], indent: str = ""
) -> None:
    """Print rows in columns as wide as they need, some of them to the right."""
    widths = _widths(rows)
    for row in rows:
        click.echo(indent + _aligned(row, widths, right))


def _widths(rows: Sequence[Sequence[str]]) -> list[int]:
    return [max(map(len, column)) for column in zip(*rows, strict=True)]


def _aligned(row: Sequence[str], widths: Sequence[int], right: Sequence[int]) -> str:
    cells = (
        cell.rjust(width) if i in right else cell.ljust(width)
        for i, (cell, width) in enumerate(zip(row, widths, strict=True))
    )
    return "  ".join(cells).rstrip()


@contextmanager
def progress_bar(label: str) -> Iterator[Callable[[int, int], object]]:
    """Show a bar on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done, _all: None
        return
    with click.progressbar(length=1, label=label, file=sys.stderr) as bar:

        def progress(done: int, whole: int) -> None:
            bar.length = max(whole, 1)
            bar.update(done - bar.pos)

        yield progress
