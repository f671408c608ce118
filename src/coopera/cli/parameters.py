"""Commands about settings: what there is, what a preset has, if a file is good."""

import json

import click

from coopera.params import Params, governed_variables
from coopera.params import document as documents
from coopera.protocol.warnings import (
    deterrence_of,
    least_audit_rate,
    least_canary_rate,
    rounded,
    warnings,
)
from coopera.units import MICRO, WAD, MicroToken, Rounding, Wad, unscaled

INEQUALITY = {
    "validation_rate": "q",
    "detection_rate": "d",
    "false_positive_rate": "phi",
    "bond_rate": "b",
    "held_back_jobs": "h",
    "reputation_rent": "v",
    "cheating_cost": "alpha",
    "supplier_margin": "m",
}
"""Variables that decide if cheating pays, and what the readings call them."""

CANARIES = (
    "validation_cost",
    "validator_stake",
    "verdict_bond",
    "verdict_bond_rate",
    "validator_reward",
    "canary_rate",
)
"""Variables that decide if validators look."""

BONDS = tuple(Wad(WAD * tenths // 10) for tenths in (0, 1, 5, 10, 20))
HELD_BACK = (0, 1, 4, 8, 19)
PAYS = tuple(MicroToken(MICRO * tokens) for tokens in (1, 10, 1_000))
"""What is tried besides the values that are set."""


@click.command(short_help="List the variables that governance may set.")
@click.argument("name", required=False)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def params(name: str | None, *, as_json: bool) -> None:
    """
    List the variables that governance may set, or tell all about one.

    NAME is a variable's plain name or its name in the papers.
    """
    known = list(governed_variables())
    if name is not None:
        found = [v for v in known if name in (*v.aliases, v.declaration.paper)]
        if not found:
            from coopera.params.declared import unknown_key

            raise unknown_key(name, (a for v in known for a in v.aliases), ())
        known = found
    rows = [
        {
            "chapter": v.chapter[0],
            "name": v.name,
            "paper": v.declaration.paper,
            "default": v.written(v.default),
            "unit": v.declaration.unit.label,
            "low": "" if v.choices else v.declaration.low,
            "high": "" if v.choices else v.declaration.high,
            "choices": list(v.choices),
            "meaning": v.declaration.meaning,
            "source": v.declaration.source,
        }
        for v in known
    ]
    if as_json:
        click.echo(json.dumps(rows, indent=1))
    elif name is not None:
        for key, value in rows[0].items():
            if value:
                text = ", ".join(value) if isinstance(value, list) else value
                click.echo(f"{key:<8} {text}")
    else:
        width = max(len(str(row["name"])) for row in rows)
        chapter = None
        for row in rows:
            if row["chapter"] != chapter:
                chapter = row["chapter"]
                click.echo(
                    ("" if row is rows[0] else "\n")
                    + click.style(f"[{chapter}]", bold=True)
                )
            paper = f"  ({row['paper']})" if row["paper"] else ""
            value = (
                f"{row['default']} {row['unit']}"
                if not row["choices"]
                else row["default"]
            )
            click.echo(f"  {row['name']:<{width}}  {value:<28} {row['meaning']}{paper}")


@click.command()
@click.argument("name", type=click.Choice(documents.PRESETS))
def preset(name: str) -> None:
    """Print a preset, as a file to copy and change."""
    click.echo(f'preset = "{name}"\n\n{documents.preset(name).text}', nl=False)


@click.command(short_help="Say whether a preset or file can be used.")
@click.argument("source", default="paper", metavar="[PRESET|FILE]")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Lay a value over."
)
@click.option(
    "--allow-wash-trading", is_flag=True, help="Study settings under which it pays."
)
def check(source: str, settings: tuple[str, ...], *, allow_wash_trading: bool) -> None:
    """Say whether a preset or file can be used, and warn of what it permits."""
    from coopera.cli.sources import open_source
    from coopera.sim.scenario import read_scenario

    opened = open_source(source, settings, ())
    with opened.placing():
        scenario = read_scenario(opened.tables, wash_trading=allow_wash_trading)
    for warning in warnings(scenario.params):
        click.echo(f"coopera: warning: {warning}", err=True)
    click.echo(f"{source} can be used")


@click.command(short_help="Say whether cheating pays, and how much to check.")
@click.argument("source", default="paper", metavar="[PRESET|FILE]")
@click.option(
    "--set", "settings", multiple=True, metavar="KEY=VALUE", help="Lay a value over."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def deterrence(source: str, settings: tuple[str, ...], *, as_json: bool) -> None:
    """
    Say whether cheating pays, and how many jobs must be checked so that it does not.

    The formula and its assumptions are in docs/readings.md#does-verification-deter.
    """
    from coopera.cli.sources import open_source
    from coopera.sim.scenario import read_scenario

    opened = open_source(source, settings, ())
    with opened.placing():
        params = read_scenario(opened.tables).params
    for warning in warnings(params):
        click.echo(f"coopera: warning: {warning}", err=True)
    if as_json:
        click.echo(json.dumps(_deterrence_as_json(source, params), indent=1))
    else:
        _show_deterrence(params)


def _settings(params: Params, names: tuple[str, ...]) -> dict[str, tuple[str, str]]:
    """Write the values of some variables, each with its meaning."""
    return {
        each.name: (
            each.written(getattr(getattr(params, each.chapter[0]), each.name)),
            each.declaration.meaning,
        )
        for name in names
        for each in governed_variables()
        if each.name == name
    }


def _tried(params: Params) -> tuple[list[Wad], list[int]]:
    """List the bonds and the held-back jobs to try, with those that are set."""
    return (
        sorted({*BONDS, params.bonding.bond_rate}),
        sorted({*HELD_BACK, params.validation.held_back_jobs}),
    )


def _verdict(params: Params) -> str:
    """Judge in one sentence."""
    found, validation = deterrence_of(params), params.validation
    if found.loss < found.gain:
        cheating = "Cheating pays"
    elif found.first_audit_rate > validation.validation_rate:
        cheating = "Cheating pays only while little is held back"
    else:
        cheating = "Cheating does not pay"
    honest = "does not pay" if found.profit < 0 else "pays"
    few = found.canary_rate > validation.canary_rate
    return (
        f"{cheating}, honest work {honest}, and canaries are "
        f"{'too few' if few else 'enough'} where a job pays 1,000 tokens."
    )


def _deterrence_as_json(source: str, params: Params) -> dict[str, object]:
    """Give every figure in full; a rate that is not enough at one is null."""

    def rate(value: Wad) -> str | None:
        return None if value > WAD else f"{unscaled(value, WAD):f}"

    found, (bonds, held_back) = deterrence_of(params), _tried(params)
    settings = _settings(params, (*INEQUALITY, *CANARIES))
    return {
        "source": source,
        "settings": {name: value for name, (value, _) in settings.items()},
        "cheating_gain": f"{unscaled(found.gain, WAD):f}",
        "cheating_loss": f"{unscaled(found.loss, WAD):f}",
        "honest_profit": f"{unscaled(found.profit, WAD):f}",
        "validation_rate_needed": [
            {
                "bond_rate": f"{unscaled(bond, WAD):f}",
                "held_back_jobs": jobs,
                "validation_rate": rate(least_audit_rate(params, bond, jobs)),
            }
            for bond in bonds
            for jobs in held_back
        ],
        "canary_rate_needed": [
            {
                "pay": f"{unscaled(pay, MICRO):f}",
                "canary_rate": rate(least_canary_rate(params, pay)),
            }
            for pay in PAYS
        ],
        "verdict": _verdict(params),
    }


def _show_deterrence(params: Params) -> None:
    """Print the inequality, what it asks for, and a verdict."""

    def rate(value: Wad) -> str:
        return "none" if value > WAD else rounded(value, Rounding.CEIL)

    found, (bonds, held_back) = deterrence_of(params), _tried(params)
    settings = _settings(params, (*INEQUALITY,))
    wide = max(len(value) for value, _ in settings.values())
    click.echo(
        "Cheating does not pay if q (d - phi) (1 + b + h + v) is at least "
        "(1 - alpha) (1 - m)\n"
    )
    for name, (value, meaning) in settings.items():
        click.echo(f"  {INEQUALITY[name]:<5}  {value:<{wide}}  {name:<19}  {meaning}")
    click.echo("\nOf one job's pay\n")
    click.echo(f"  a cheat loses      {rounded(found.loss, Rounding.FLOOR):>9}")
    click.echo(f"  a cheat gains      {rounded(found.gain, Rounding.CEIL):>9}")
    click.echo(f"  honest work earns  {rounded(found.profit, Rounding.FLOOR):>9}")
    click.echo("\nLeast validation_rate, by bond_rate and held_back_jobs (* is set)\n")
    jobs_set, bond_set = params.validation.held_back_jobs, params.bonding.bond_rate
    heads = [f"{each}{'*' * (each == jobs_set)}" for each in held_back]
    sides = [f"{unscaled(each, WAD):f}{'*' * (each == bond_set)}" for each in bonds]
    wide = max(map(len, sides))
    click.echo(f"  {'':<{wide}}" + "".join(f"{head:>9}" for head in heads))
    for side, bond in zip(sides, bonds, strict=True):
        row = (rate(least_audit_rate(params, bond, jobs)) for jobs in held_back)
        click.echo(f"  {side:<{wide}}" + "".join(f"{each:>9}" for each in row))
    canaries = f"{unscaled(params.validation.canary_rate, WAD):f}"
    click.echo(
        f"\nLeast canary_rate, by the tokens that a job pays ({canaries} is set)\n"
        "A canary that is missed costs a verdict's bond, out of the validator_stake\n"
    )
    for pay in PAYS:
        needed = rate(least_canary_rate(params, pay))
        click.echo(f"  {unscaled(pay, MICRO)!s:<6}{needed:>9}")
    click.echo(f"\n{_verdict(params)}")
