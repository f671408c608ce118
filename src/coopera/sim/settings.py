"""Every setting that a simulation ran with, and the document that repeats it."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from coopera.errors import WashTradingPays
from coopera.params import governed_variables
from coopera.params.declared import Unit, Variable, variables
from coopera.params.document import parse
from coopera.sim.scenario import (
    Behaviour,
    Demand,
    Scenario,
    Sentiment,
    Shock,
    Simulation,
    read_scenario,
)
from coopera.units import WAD, unscaled

NONE = "\N{EN DASH}"
"""What stands for a number that is not known."""


@dataclass(frozen=True, slots=True)
class Setting:
    """One setting with its value, written as in a file."""

    path: tuple[str, ...]
    """Tables, then key."""
    value: str
    unit: str
    default: str | None = None
    """What it would be, were it left out; nothing where it must be given."""
    paper: str = ""
    meaning: str = ""
    is_word: bool = False
    """Whether it is a word, and no number."""

    @property
    def differs(self) -> bool:
        """Whether it is something else than it would be by itself."""
        return self.value != self.default


def settings(scenario: Scenario) -> Iterator[Setting]:
    """List every setting, in the order of a document."""
    params = scenario.params
    for variable in governed_variables():
        yield _setting(variable, getattr(params, variable.chapter[0]))
    kinds = ", ".join(params.matrix.kinds)
    yield Setting(("payment_matrix", "kinds"), kinds, "names", is_word=True)
    for pipeline, shares in params.matrix.rows.items():
        for kind, share in zip(params.matrix.kinds, shares, strict=True):
            row = ("payment_matrix", "rows", pipeline, kind)
            yield Setting(row, f"{unscaled(share, WAD):f}", "fraction", "0")
    for project in params.projects:
        for kind, wanted in zip(params.matrix.kinds, project.targets, strict=True):
            row = ("projects", project.name, "targets", kind)
            yield Setting(row, str(wanted), "count", "0")
    yield from _declared(("simulation",), Simulation, scenario.simulation)
    yield from _declared(("sentiment",), Sentiment, scenario.sentiment)
    for each in scenario.services:
        table = ("consumers", each.consumer, each.name)
        yield Setting((*table, "pipeline"), each.pipeline, "name", is_word=True)
        yield Setting((*table, "project"), each.project, "name", is_word=True)
        yield from _declared(table, Demand, each.demand)
    for kind, behaviour in scenario.suppliers.items():
        yield from _declared(("suppliers", kind), Behaviour, behaviour)
    for name, (target, shock) in scenario.shocks.items():
        yield Setting(("shocks", name, "target"), target, "name", is_word=True)
        yield from _declared(("shocks", name), Shock, shock)


def document(scenario: Scenario) -> str:
    """Write the TOML document that says all this, and nothing that goes without it."""
    tables: dict[tuple[str, ...], list[str]] = {}
    for each in settings(scenario):
        if each.differs:
            value = _quoted(each.value) if each.is_word else each.value
            if each.path == ("payment_matrix", "kinds"):
                value = f"[{', '.join(map(_quoted, scenario.params.matrix.kinds))}]"
            lines = tables.setdefault(each.path[:-1], [])
            lines.append(f"{_key(each.path[-1])} = {value}")
    return "\n".join(
        "\n".join([f"[{'.'.join(map(_key, table))}]", *lines, ""])
        for table, lines in tables.items()
    )


def wash_trades(text: str) -> bool:
    """Tell whether wash trading pays under a document, so that it must be allowed."""
    try:
        read_scenario(parse(text, "report").tables)
    except WashTradingPays:
        return True
    return False


def differences(
    left: Scenario, right: Scenario
) -> list[tuple[tuple[str, ...], str, str, str]]:
    """List what differs: path, unit, left and right value; an absent one is empty."""
    sides = [{each.path: each for each in settings(side)} for side in (left, right)]
    units = {path: each.unit for side in sides for path, each in side.items()}
    values = [{path: each.value for path, each in side.items()} for side in sides]
    return [
        (path, unit, values[0].get(path, ""), values[1].get(path, ""))
        for path, unit in units.items()
        if values[0].get(path) != values[1].get(path)
    ]


def swept_keys(points: Sequence[Mapping[str, Any]]) -> list[str]:
    """List the settings of which a design has more than one value."""
    keys = dict.fromkeys(key for each in points for key in each)
    return [key for key in keys if len({written(each.get(key)) for each in points}) > 1]


def written(value: object) -> str:
    """
    Write the value of a swept setting.

    >>> written(Decimal("0.50")), written(1000), written("amm")
    ('0.5', '1000', 'amm')
    """
    if value is None:
        return NONE
    if isinstance(value, Decimal | float):
        text = f"{value:f}"
        return text.rstrip("0").rstrip(".") if "." in text else text
    return str(value)


def _declared(
    path: tuple[str, ...], declaring: type, held: object
) -> Iterator[Setting]:
    for variable in variables(path, declaring):
        yield _setting(variable, held)


def _setting(variable: Variable, table: object) -> Setting:
    declaration = variable.declaration
    return Setting(
        path=(*variable.chapter, variable.name),
        value=variable.written(getattr(table, variable.name)),
        unit=declaration.unit.label,
        default=variable.written(variable.default),
        paper=declaration.paper,
        meaning=declaration.meaning,
        is_word=declaration.unit is Unit.CHOICE,
    )


def _key(name: str) -> str:
    return name if re.fullmatch(r"[A-Za-z0-9_-]+", name) else _quoted(name)


def _quoted(text: str) -> str:
    # JSON writes what TOML reads, save that it leaves one control character as it is.
    return json.dumps(text, ensure_ascii=False).replace("\x7f", "\\u007f")
