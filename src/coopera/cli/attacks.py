"""The command about attacks: what each costs and brings, under given parameters."""

import json
from fractions import Fraction
from typing import TYPE_CHECKING

import click

from coopera.units import MICRO, unscaled

if TYPE_CHECKING:
    from coopera.attacks import Outcome, Report


@click.command(short_help="Say what attacks on the network would bring.")
@click.argument("source", default="paper", metavar="[PRESET|FILE]")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Lay a value over."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def attacks(source: str, settings: tuple[str, ...], *, as_json: bool) -> None:
    """
    Say what attacks on the network cost and bring, by rehearsing each of them.

    Every attack is played on books in memory, by the rules that real books are kept by,
    for jobs of $60. What it is, and what stops it, is in docs/market.md.
    """
    from coopera.attacks import report
    from coopera.cli.sources import open_source
    from coopera.sim.scenario import read_scenario

    opened = open_source(source, settings, ())
    with opened.placing():
        params = read_scenario(opened.tables, wash_trading=True).params
    made = report(params)
    if as_json:
        click.echo(json.dumps({"source": source, **_as_json(made)}, indent=1))
    else:
        _show(made)


HEADS = ("puts in", "gets", "profit", "honest")


def dollars(amount: int) -> str:
    """
    Write micro-dollars, to the cent.

    >>> dollars(1_234_567_890), dollars(-12_345), dollars(-1)
    ('1,234.57', '-0.01', '0.00')
    """
    return f"{round(unscaled(amount, MICRO), 2) + 0:,.2f}"


def _as_json(made: "Report") -> dict[str, object]:
    """Give every figure in full."""
    least = made.share_that_pays
    return {
        "attacks": [
            {
                "name": each.attack.name,
                "what": each.attack.what,
                "aim": each.attack.aim.value,
                **_figures(each.outcome),
                "works": each.works,
                "refused": each.refused or None,
                "stopped_by": each.attack.stopped_by.replace("`", ""),
            }
            for each in made.tried
        ],
        "coalitions": [
            {
                "share": f"{float(each.share):.1f}",
                "passes_its_own": _figures(each.passes),
                "fails_others": _figures(each.fails),
            }
            for each in made.shares
        ],
        "share_that_pays": None if least is None else f"{float(least):.4f}",
    }


def _show(made: "Report") -> None:
    """Print a table of attacks, one of coalitions, and a verdict."""
    wide = max(len(each.attack.name) for each in made.tried)
    click.echo(f"{'':<{wide}}" + "".join(f"{head:>13}" for head in HEADS) + "\n")
    for each in made.tried:
        row = "".join(f"{dollars(figure):>13}" for figure in each.outcome.figures)
        verdict = click.style(each.verdict, bold=True) if each.works else each.verdict
        click.echo(f"{each.attack.name:<{wide}}{row}  {verdict}")
    click.echo("\nPart of the bench  passes its own  fails others\n")
    for part in made.shares:
        passes, fails = dollars(part.passes.profit), dollars(part.fails.profit)
        click.echo(f"{float(part.share):>17.1f}{passes:>16}{fails:>14}")
    click.echo(f"\n{_verdict(len(made.working), made.share_that_pays)}")


def _figures(outcome: "Outcome") -> dict[str, str]:
    """Give every figure in full, in dollars."""
    return {
        name: f"{unscaled(getattr(outcome, name), MICRO):f}"
        for name in ("put_in", "got", "profit", "honest")
    }


def _verdict(working: int, least: Fraction | None) -> str:
    """Judge in one sentence."""
    share = "no part of the bench makes a fraud pay"
    if least is not None:
        share = f"a fraud pays for who holds {float(least):.2f} of the bench"
    many = {0: "No attack works", 1: "One attack works"}.get(
        working, f"{working} attacks work"
    )
    return f"{many} under these parameters, and {share}."
