"""What a report was made from: every setting, and how to make it again."""

import re
from collections.abc import Iterator, Mapping, Sequence
from decimal import Decimal
from typing import Any

from coopera import __version__
from coopera.params import CHAPTERS
from coopera.sim.report.design import point_names
from coopera.sim.report.page import Html, code, heading, paragraph, table
from coopera.sim.report.settings import Setting, document, settings, wash_trades
from coopera.sim.report.wording import NONE, counted, titled
from coopera.sim.run import Result


def setting_tables(result: Result) -> Iterator[Html]:
    """Write every setting of the first point, by chapter."""
    point = result.points[0]
    listed_settings = list(settings(point.scenario))
    count = sum(each.differs for each in listed_settings if each.path[0] in CHAPTERS)
    lead = (
        "Every setting of the scenario. Marked: what differs from its "
        f"default, {counted(count, 'governed parameter')}."
    )
    if len(result.points) > 1:
        lead += f" The sweep changes some: these are those of {point_names(result)[0]}."
    yield paragraph(lead, "note")
    for chapter in (*CHAPTERS, "simulation", "sentiment"):
        rows = [each for each in listed_settings if each.path[0] == chapter]
        yield heading(3, titled(chapter))
        yield table(
            ["setting", "value", "unit", "meaning", "in the papers"],
            [
                [
                    each.path[-1],
                    _grouped(each.value),
                    each.unit,
                    each.meaning
                    + (
                        f" (default: {_grouped(each.default or NONE)})"
                        if each.differs
                        else ""
                    ),
                    each.paper,
                ]
                for each in rows
            ],
            figures=(1,),
            changed=[each.differs for each in rows],
            kind="settings",
        )
    for name, told in (
        ("payment_matrix.rows", "Payment matrix: shares of the supplier kinds"),
        ("projects", "Projects: suppliers wanted, by kind"),
        ("consumers", "Consumers: services and their demand"),
        ("suppliers", "Suppliers: how many, and what keeps them"),
        ("shocks", "Shocks"),
    ):
        start = tuple(name.split("."))
        found = [each for each in listed_settings if each.path[: len(start)] == start]
        if found:
            yield heading(3, told)
            yield _crossed(found, len(start))


def reproduction(result: Result) -> Iterator[Html]:
    """Write the document and the program that give the same result."""
    documents = [document(each.scenario) for each in result.points]
    allowed = ", wash_trading=True" if any(map(wash_trades, documents)) else ""
    design = "[{}]"
    if len(result.points) > 1:
        lines = "".join(f"    {_literal(each.settings)},\n" for each in result.points)
        design = f"[\n{lines}]"
    yield paragraph(
        f"With version {__version__} of coopera, the document below and seed "
        f"{result.seed}, the same numbers come out, on one core or many."
    )
    yield code(
        "from pathlib import Path\n\n"
        "from coopera.params.document import parse\n"
        "from coopera.sim.report import write_report\n"
        "from coopera.sim.run import Keep, simulate\n"
        "from coopera.sim.sweep import design\n\n"
        'tables = parse(Path("scenario.toml").read_text("utf-8"), "scenario").tables\n'
        f"points = design(tables, {design}{allowed})\n"
        f"result = simulate(points, runs={result.runs}, seed={result.seed}, "
        f"keep=Keep.{result.keep.name})\n"
        'write_report(result, Path("."), "Again")\n'
    )
    yield heading(3, "scenario.toml")
    yield code(documents[0])


def _crossed(found: Sequence[Setting], depth: int) -> Html:
    """Write settings that repeat from table to table: tables down, keys across."""
    by_table: dict[tuple[str, ...], dict[str, Setting]] = {}
    for each in found:
        by_table.setdefault(each.path[depth:-1], {})[each.path[-1]] = each
    keys = dict.fromkeys(each.path[-1] for each in found)
    shown = [
        key
        for key in keys
        if any(key in rows and rows[key].differs for rows in by_table.values())
    ]
    left_out = [key for key in keys if key not in shown]
    units = {each.path[-1]: each.unit for each in found}
    mixed = len(set(units.values())) > 1
    told = table(
        ["", *(f"{key} ({units[key]})" if mixed else key for key in shown)],
        [
            [
                ".".join(name),
                *(_grouped(rows[key].value) if key in rows else "" for key in shown),
            ]
            for name, rows in by_table.items()
        ],
        figures=[1 + i for i, key in enumerate(shown) if units[key] != "name"],
    )
    if left_out:
        told = Html(
            told
            + paragraph(f"At their defaults everywhere: {', '.join(left_out)}.", "note")
        )
    return told


def _grouped(value: str) -> str:
    """
    Put commas between the thousands of a written number, and leave words alone.

    >>> _grouped("1000000"), _grouped("-1234.50"), _grouped("amm")
    ('1,000,000', '-1,234.50', 'amm')
    """
    if not re.fullmatch(r"-?[0-9]+(\.[0-9]+)?", value):
        return value
    return re.sub(r"(?<![.0-9])[0-9]+", lambda whole: f"{int(whole[0]):,}", value)


def _literal(chosen: Mapping[str, Any]) -> str:
    """
    Write the settings of a point as Python; decimals as text, which is read alike.

    >>> _literal({"bond_rate": Decimal("0.50"), "sentiment.model": "constant"})
    "{'bond_rate': '0.50', 'sentiment.model': 'constant'}"
    """
    return repr(
        {
            key: str(value) if isinstance(value, Decimal) else value
            for key, value in chosen.items()
        }
    )
