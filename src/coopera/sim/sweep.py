"""
Designs: which settings to try, and how they go together.

`grid` crosses values, `zipped` walks through lists in step. Nothing is ever repeated to
make lengths fit: a design says what it is.
"""

import itertools
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from coopera.errors import Inconsistent
from coopera.params import governed_variables
from coopera.params.declared import unknown_key, variables
from coopera.params.document import merged, nested
from coopera.sim.scenario import SECTIONS, Scenario, Simulation, read_scenario
from coopera.sim.start import Start


@dataclass(frozen=True, slots=True)
class Point:
    """One scenario of a design, and the settings by which it differs."""

    settings: Mapping[str, Any]
    scenario: Scenario

    @property
    def label(self) -> str:
        """Name to show: the settings, or that there are none."""
        return ", ".join(f"{k} = {v}" for k, v in self.settings.items()) or "as given"


def setting_path(key: str) -> tuple[str, ...]:
    """
    Find where a setting stands: by the plain name of a variable, or a dotted path.

    Plain names are those of governed variables and of the simulation's own knobs.
    Refuses with `UnknownKey` a plain name that nothing has.

    >>> setting_path("BuybackModulation"), setting_path("sentiment.model")
    (('buyback', 'buyback_rate'), ('sentiment', 'model'))
    """
    plain = (*governed_variables(), *variables(("simulation",), Simulation))
    for variable in plain:
        if key in (*variable.aliases, variable.declaration.paper):
            return (*variable.chapter, variable.name)
    path = tuple(key.split("."))
    if len(path) == 1 and key not in SECTIONS:
        names = (alias for variable in plain for alias in variable.aliases)
        raise unknown_key(key, (*names, *SECTIONS), ())
    return path


def grid(sweeps: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """
    Cross the values of every setting with those of every other.

    >>> grid({"a": [1, 2], "b": [3, 4]})
    [{'a': 1, 'b': 3}, {'a': 1, 'b': 4}, {'a': 2, 'b': 3}, {'a': 2, 'b': 4}]
    """
    return [
        dict(zip(sweeps, values, strict=True))
        for values in itertools.product(*sweeps.values())
    ]


def zipped(sweeps: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """
    Take the first values together, then the second; refuses lists of unequal length.

    >>> zipped({"a": [1, 2], "b": [3, 4]})
    [{'a': 1, 'b': 3}, {'a': 2, 'b': 4}]
    """
    lengths = {key: len(values) for key, values in sweeps.items()}
    if len(set(lengths.values())) > 1:
        said = ", ".join(f"{key} has {length}" for key, length in lengths.items())
        raise Inconsistent(
            f"lists that are zipped must have equal lengths: {said}; use a grid, or "
            "write the values out"
        )
    if not sweeps:
        return [{}]
    return [
        dict(zip(sweeps, values, strict=True))
        for values in zip(*sweeps.values(), strict=True)
    ]


def laid_over(tables: Mapping[str, Any], key: str, value: Any) -> dict[str, Any]:
    """Lay one setting over tables, in place of all the names that it has."""
    path = setting_path(key)
    chapter = tables.get(path[0])
    for variable in governed_variables():
        if path == (*variable.chapter, variable.name) and isinstance(chapter, Mapping):
            others = {k: v for k, v in chapter.items() if k not in variable.aliases}
            tables = {**tables, path[0]: others}
    return merged(tables, nested(path, value))


def design(
    tables: Mapping[str, Any],
    settings: Sequence[Mapping[str, Any]],
    *,
    wash_trading: bool = False,
    start: Start | None = None,
) -> tuple[Point, ...]:
    """Make a scenario of every set of settings, laid over the same tables."""
    points = []
    for each in settings:
        over = dict(tables)
        for key, value in each.items():
            over = laid_over(over, key, value)
        scenario = read_scenario(over, wash_trading=wash_trading, start=start)
        points.append(Point(each, scenario))
    return tuple(points)
