"""
TOML documents of settings: presets, the files that override them, single values.

Numbers are read as exact decimals. A document remembers its text, so that a refusal can
name the line.
"""

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from importlib import resources
from typing import Any

from coopera.errors import Unreadable, WrongType
from coopera.params.declared import unknown_key

PRESETS = ("paper", "minimal")
"""Names of the presets."""

NO_PRESET = "none"
"""What a document says that stands on its own."""


@dataclass(frozen=True, slots=True)
class Document:
    """Tables of settings, and the text they came from."""

    source: str
    """File or preset, for messages."""
    text: str
    tables: Mapping[str, Any]

    def locate(self, path: tuple[str, ...]) -> tuple[int, int]:
        """
        Find the line on which a key stands, or the nearest table around it.

        Gives how much of the path stands there, and the line; zeros if none of it does.
        """
        best, found = 0, 0
        table: tuple[str, ...] = ()
        for number, line in enumerate(self.text.splitlines(), start=1):
            if header := re.match(r"\s*\[([^\[\]]+)\]", line):
                here = table = _keys(header[1])
            elif key := re.match(r"\s*([\w.\"-]+)\s*=", line):
                here = (*table, *_keys(key[1]))
            else:
                continue
            if len(here) > best and path[: len(here)] == here:
                best, found = len(here), number
        return best, found


def parse(text: str, source: str) -> Document:
    """Read a TOML text. Refuses with `Unreadable` what is no TOML."""
    try:
        tables = tomllib.loads(text, parse_float=Decimal)
    except ValueError as error:  # also a number of too many digits
        raise Unreadable(f"{source} is not TOML: {error}") from None
    return Document(source, text, tables)


def preset(name: str) -> Document:
    """Open one of the presets."""
    if name not in PRESETS:
        raise unknown_key(name, PRESETS, ("preset",))
    folder = resources.files("coopera.params") / "presets"
    text = (folder / f"{name}.toml").read_text("utf-8")
    return parse(text, f"preset {name}")


def merged(base: Mapping[str, Any], over: Mapping[str, Any]) -> dict[str, Any]:
    """Lay tables over tables; what the upper does not name stays as it was."""
    result = dict(base)
    for key, value in over.items():
        below = result.get(key)
        if isinstance(value, Mapping) and isinstance(below, Mapping):
            result[key] = merged(below, value)
        else:
            result[key] = value
    return result


def nested(path: tuple[str, ...], value: object) -> dict[str, Any]:
    """Make the tables in which one key stands."""
    head, *rest = path
    return {head: nested(tuple(rest), value) if rest else value}


def parse_value(written: str) -> object:
    """Read a value from the command line as TOML would; a bare word is a word."""
    try:
        tables = tomllib.loads(f"v = {written}", parse_float=Decimal)
    except tomllib.TOMLDecodeError:
        return written
    except ValueError:
        raise WrongType(f"{written} has too many digits") from None
    value: object = tables["v"]
    if len(tables) > 1:
        return written
    if isinstance(value, Mapping | list):
        raise WrongType(f"{written} is not a single value; put tables into a file")
    return value


def _keys(dotted: str) -> tuple[str, ...]:
    return tuple(key.strip().strip('"') for key in dotted.split("."))
