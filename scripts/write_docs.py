"""
Write the parts of the documents that the code already says.

    python scripts/write_docs.py

The tables of parameters, accounts and formulas come from their declarations, and those
of attacks and games from rehearsing them; a test holds the files to them.
"""

import inspect
import re
from collections.abc import Iterator
from fractions import Fraction
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

from coopera import formulas
from coopera.attacks import Report, data, report
from coopera.cli.attacks import dollars
from coopera.cli.sources import open_source
from coopera.ledger import CHART
from coopera.params import governed_variables
from coopera.params.declared import variables
from coopera.sim import kernels
from coopera.sim.scenario import (
    Behaviour,
    Demand,
    Sentiment,
    Shock,
    Simulation,
    read_scenario,
)
from coopera.units import WAD, Wad

ROOT = Path(__file__).parents[1]
BEGIN, END = "<!-- {}: begin -->\n", "<!-- {}: end -->\n"


def parameters() -> str:
    """Tabulate the governed variables, a table a chapter."""
    lines = [
        "# Governed parameters",
        "",
        "Every variable that governance may set: its unit, default, bounds, name in",
        "the papers, and source. `coopera params NAME` tells the same, by either name.",
        "Values are set in a TOML file, in the table of their chapter, or by `--set`.",
    ]
    chapter = ""
    for each in governed_variables():
        declared = each.declaration
        if each.chapter[0] != chapter:
            chapter = each.chapter[0]
            lines += ["", f"## {chapter}", ""]
            lines += ["| name | paper's name | unit | default | bounds | meaning |"]
            lines += ["|---|---|---|---|---|---|"]
        bounds = (
            ", ".join(each.choices) or f"{declared.low} to {declared.high or 'any'}"
        )
        source = declared.source.removeprefix("docs/")
        lines.append(
            f"| `{each.name}` | {declared.paper} | {declared.unit.label} "
            f"| {each.written(each.default)} | {bounds} "
            f"| [{declared.meaning}]({source}) |"
        )
    return "\n".join(lines) + "\n"


def scenario() -> str:
    """Tabulate the settings of a scenario, a table a section."""
    sections = (
        ("[simulation]", Simulation, "Length, starting point, and knobs on all of it."),
        ("[sentiment]", Sentiment, "Demand for the token from outside the network."),
        (
            "[consumers.CLASS.SERVICE]",
            Demand,
            (
                "Price, quantity and incentive of a service, and the jobs asked for. "
                "Besides: `pipeline`, a row of the payment matrix, and `project`, the "
                "first by default."
            ),
        ),
        (
            "[suppliers.KIND]",
            Behaviour,
            "Suppliers of a kind, and when more come or some go.",
        ),
        (
            "[shocks.NAME]",
            Shock,
            (
                "What multiplies demand or sentiment for a while. Besides: `target`, "
                "which is `all`, `sentiment`, a consumer class, or `CLASS.SERVICE`."
            ),
        ),
    )
    lines = [
        "# Settings of a scenario",
        "",
        "What a simulation is asked, besides what governance may set",
        "([parameters](parameters.md)): how participants behave. The",
        "[guide](guide.md) shows how to use them.",
        "",
        "Two more tables are governed: `[payment_matrix]` with the list `kinds` and a",
        "table of `rows`, each of which gives shares to kinds and sums to 1; and",
        "`[projects.NAME]` with `targets`, the suppliers wanted, by kind.",
    ]
    for title, declaring, meaning in sections:
        lines += ["", f"## {title.strip('[]')}", "", meaning, ""]
        lines += [
            "| key | unit | default | bounds | meaning |",
            "|---|---|---|---|---|",
        ]
        for each in variables((), declaring):
            declared = each.declaration
            bounds = ", ".join(each.choices) or f"{declared.low} to {declared.high}"
            lines.append(
                f"| `{each.name}` | {declared.unit.label} "
                f"| {each.written(each.default)} | {bounds} | {declared.meaning} |"
            )
    return "\n".join(lines) + "\n"


def accounts() -> str:
    """Tabulate the chart of accounts."""
    lines = [
        "# Chart of accounts",
        "",
        "Every account there may be. Amounts are whole millionths. A transfer takes an",
        "amount out of one account and puts it into another of the same asset, so",
        "that each asset sums to zero. An account stands on its normal side: on the",
        "credit side it never falls below zero, on the debit side, which is the world",
        "outside, it never rises above. A member's own account is opened by name.",
        "",
        "| account | asset | meaning | side | whose |",
        "|---|---|---|---|---|",
    ]
    lines += [
        f"| `{each.pattern}` | {each.asset.value} | {each.meaning} "
        f"| {each.side.value} | {'member' if each.owned else 'network'} |"
        for each in CHART
    ]
    lines += [
        "",
        "The papers' quantities are sums of these: *TokenReserve* of all",
        "`reserve:token:*`, *DollarReserve* of all `reserve:usd:*`. *Supply* is",
        "`market:token` and of members' tokens and, as `supply_basis` says, of",
        "what is locked: `locked:*` and `escrow:bonds`.",
    ]
    return "\n".join(lines) + "\n"


def formula_table() -> str:
    """Tabulate the book: paper section, formula, kernel, tests."""
    lines = [
        "| paper | formula | kernel | tests |",
        "|---|---|---|---|",
    ]
    for chapter, name, function in book():
        found = re.search(
            r"Source: docs/([\w/.-]+\.md#[\w-]+)", inspect.getdoc(function) or ""
        )
        assert found, f"{chapter}.{name} names no source"
        section = found[1].split("#")[1].replace("-", " ")
        source = f"[{section}](docs/{found[1]})"
        formula = f"[`{chapter}.{name}`](src/coopera/formulas/{chapter}.py)"
        tests = f"[book](tests/formulas/test_{chapter}.py)"
        twins = ", [twins](tests/differential/test_kernels.py)"
        kernel = "-"  # executed by the ledger, and not simulated
        if hasattr(kernels, name):
            kernel = f"[`kernels.{name}`](src/coopera/sim/kernels.py)"
            tests += twins
        elif name == "largest_remainder":
            kernel = "by `proportional_share`"
            tests += twins
        lines.append(f"| {source} | {formula} | {kernel} | {tests} |")
    return "\n".join(lines) + "\n"


def book() -> Iterator[tuple[str, str, object]]:
    """List the formulas, chapter by chapter, as they stand in their files."""
    for info in iter_modules(formulas.__path__):
        module = import_module(f"coopera.formulas.{info.name}")
        for name, function in vars(module).items():
            if inspect.isfunction(function) and function.__module__ == module.__name__:
                yield info.name, name, function


def attacks() -> Report:
    """Rehearse all attacks on the paper's network, with the defaults it leaves out."""
    unlike_printed = (
        "price_change_max=0.1",
        "validator_reward_rate=0.025",
        "min_onboarding_fee=5",
    )
    source = open_source("paper", unlike_printed, ())
    return report(read_scenario(source.tables).params)


def attack_table(made: Report) -> str:
    """Tabulate attacks: what each puts in and gets, and what stops it."""
    lines = [
        "| attack | what is done | puts in | gets | profit | honest | | stopped by |",
        "|---|---|--:|--:|--:|--:|---|---|",
    ]
    for each in made.tried:
        attack = each.attack
        verdict = f"**{each.verdict}**" if each.works else each.verdict
        lines.append(
            f"| `{attack.name}` | {attack.what.removesuffix('.')} "
            f"| {' | '.join(map(dollars, each.outcome.figures))} | {verdict} "
            f"| {attack.stopped_by} |"
        )
    return "\n".join(lines) + "\n"


def coalition_table(made: Report) -> str:
    """Tabulate what parts of the bench bring who holds them."""
    lines = [
        "| part of the bench | passes its own fraud | fails good work it ordered |",
        "|---|--:|--:|",
    ]
    lines += [
        f"| {float(each.share):.1f} | {dollars(each.passes.profit)} "
        f"| {dollars(each.fails.profit)} |"
        for each in made.shares
    ]
    least = made.share_that_pays
    lines += [""]
    lines += [
        "No part of the bench is enough to make a fraud of one's own pay."
        if least is None
        else "The least part of the bench for which a fraud of one's own pays is "
        f"{float(least):.2f}."
    ]
    return "\n".join(lines) + "\n"


def market(text: str) -> str:
    """Put the tables of attacks into the guide to the market."""
    made = attacks()
    text = with_section(text, "attacks", attack_table(made))
    return with_section(text, "coalitions", coalition_table(made))


def game_table() -> str:
    """Tabulate games with data: what part of a slice each gets, by rule, in percent."""
    kl, *others = data.RULES
    strict = Wad(WAD)
    rules = " | ".join(f"`{rule}`" for rule in others[:-1])
    columns = f"`{kl}` | `kl_max` = 1 | settled pool | {rules} | divergence"
    lines = [
        f"| game | what is done | {columns} | stopped by |",
        "|---|---|--:|--:|--:|--:|--:|--:|--:|---|",
    ]
    for game in data.GAMES:
        round_ = data.round_of(game.offer())
        settled = data.round_of(game.offer(), settled=True)
        parts = [
            data.share(round_, kl),
            data.share(round_, kl, strict),
            data.share(settled, kl),
            *(data.share(round_, rule) for rule in others),
        ]
        shown = " | ".join(f"{float(100 * part):.2f}" for part in parts)
        lines.append(f"| `{game.name}` | {game.what} | {shown} | {game.stopped_by} |")
    return "\n".join(lines) + "\n"


def made_up_table() -> str:
    """Tabulate made-up rows: what they get, and the audits at which they lose."""
    stakes = (1, 3, 10, 30)
    lines = [
        "| made-up rows counted | part of the slice "
        + "".join(f"| stake of {stake} " for stake in stakes)
        + "|",
        "|--:|--:|" + "--:|" * len(stakes),
    ]
    for rows in (100, 1_000, 10_000, 1_000_000):
        part = data.share(data.round_of((data.as_target(rows),)), data.RULES[0])
        audits = [data.audit_needed(rows, Fraction(stake)) for stake in stakes]
        lines.append(
            f"| {rows:,} | {float(100 * part):.2f} "
            + "".join(f"| {float(100 * each):.2f} " for each in audits)
            + "|"
        )
    return "\n".join(lines) + "\n"


def royalties(text: str) -> str:
    """Put the tables of games into the guide to royalties."""
    text = with_section(text, "games", game_table())
    return with_section(text, "made up", made_up_table())


def with_section(text: str, name: str, section: str) -> str:
    """Put a generated section between its marks."""
    begin, end = BEGIN.format(name), END.format(name)
    before, rest = text.split(begin)
    return before + begin + section + end + rest.split(end)[1]


def documents() -> dict[Path, str]:
    """Make every generated document, by its path."""
    readme, guide = ROOT / "README.md", ROOT / "docs" / "market.md"
    vaults = ROOT / "docs" / "royalties.md"
    return {
        ROOT / "docs" / "parameters.md": parameters(),
        ROOT / "docs" / "scenario.md": scenario(),
        ROOT / "docs" / "accounts.md": accounts(),
        guide: market(guide.read_text("utf-8")),
        vaults: royalties(vaults.read_text("utf-8")),
        readme: with_section(readme.read_text("utf-8"), "formulas", formula_table()),
    }


if __name__ == "__main__":
    for path, text in documents().items():
        path.write_text(text, "utf-8")
