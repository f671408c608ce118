"""What a report was made from: every setting, and how to make it again."""

import re
import shlex
from collections.abc import Iterator, Sequence

from coopera import __version__
from coopera.params import CHAPTERS
from coopera.sim.report.design import point_names
from coopera.sim.report.page import Html, code, heading, paragraph, table
from coopera.sim.report.wording import counted, titled
from coopera.sim.run import Result
from coopera.sim.settings import NONE, Setting, document, settings, wash_trades


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
    """Write the document and the command that give the same result."""
    text = document(result.points[0].scenario)
    command = [
        "coopera simulate scenario.toml",
        f"--runs {result.runs}",
        f"--seed {result.seed}",
        f"--keep {result.keep.value}",
        "--out again",
    ]
    keys = list(result.points[0].settings) if len(result.points) > 1 else []
    command += [
        shlex.join(
            (
                "--sweep",
                f"{key}={','.join(str(each.settings[key]) for each in result.points)}",
            )
        )
        for key in keys
    ]
    if len(keys) > 1:
        command.append("--zip")
    late = not result.points[0].scenario.is_first_morning
    if late:
        command.append("--start start.json")
    if any(wash_trades(document(each.scenario)) for each in result.points):
        command.append("--allow-wash-trading")
    yield paragraph(
        "Save the document below as scenario.toml"
        + (", beside start.json of this folder" if late else "")
        + f". With version {__version__} of "
        "coopera, the same worlds come out, on one core or many."
    )
    yield code(" \\\n    ".join(command) + "\n")
    yield heading(3, "scenario.toml")
    yield code(f'preset = "none"\n\n{text}')


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
