"""Commands about settings: what there is, what a preset has, if a file is good."""

import json

import click

from coopera.params import document as documents
from coopera.params import governed_variables


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
    from coopera.protocol.warnings import warnings
    from coopera.sim.scenario import read_scenario

    opened = open_source(source, settings, ())
    with opened.placing():
        scenario = read_scenario(opened.tables, wash_trading=allow_wash_trading)
    for warning in warnings(scenario.params):
        click.echo(f"coopera: warning: {warning}", err=True)
    click.echo(f"{source} can be used")
