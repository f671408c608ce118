"""What it takes to declare a setting: unit, bounds, default, names, source."""

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from difflib import get_close_matches
from enum import Enum, StrEnum
from math import isfinite
from typing import Any, TypeVar

from coopera.errors import Inconsistent, OutOfBounds, UnknownKey, WrongType
from coopera.units import MICRO, WAD, scaled, unscaled

T = TypeVar("T")

LONG_DIGITS = 40
"""Digits from which a number is out of all bounds, and shown in short."""


class Unit(Enum):
    """How a value is written and held: its name, and whole units in one of it."""

    FRACTION = ("fraction", WAD)
    """Fixed point; a part of a whole."""
    FACTOR = ("factor", WAD)
    """Fixed point; a plain number."""
    PER_DAY = ("1/day", WAD)
    """Fixed point; a rate in time."""
    USD_PER_TOKEN = ("USD/token", WAD)
    """Fixed point; a price."""
    USD = ("USD", MICRO)
    """Micro-dollars."""
    USD_PER_DAY = ("USD/day", MICRO)
    """Micro-dollars a day."""
    TOKEN = ("token", MICRO)
    """Micro-tokens."""
    DAYS = ("days", 1)
    """Whole days."""
    SECONDS = ("seconds", 1)
    """Whole seconds."""
    DAYS_REAL = ("days", WAD)
    """Fixed point; days and parts of them."""
    COUNT = ("count", 1)
    """Whole things."""
    JOBS_PER_DAY = ("jobs/day", WAD)
    """Fixed point; a flow of jobs."""
    CHOICE = ("choice", 1)
    """One of a few words."""

    label: str
    """Name to show beside a value."""
    scale: int
    """Whole units in one."""

    def __init__(self, label: str, scale: int) -> None:
        self.label = label
        self.scale = scale


@dataclass(frozen=True, slots=True)
class Declaration:
    """What is declared of one setting."""

    unit: Unit
    low: str
    high: str
    paper: str
    """Name in the papers; empty where they have none."""
    source: str
    """Document and section that it comes from."""
    meaning: str


def declared(
    default: str | StrEnum,
    unit: Unit,
    meaning: str,
    *,
    source: str,
    low: str = "0",
    high: str = "",
    paper: str = "",
) -> Any:
    """
    Declare a field that can be set.

    Numbers are written as people write them, in `unit`; the field holds whole units.
    Fractions end at one unless told otherwise.
    """
    high = high or ("1" if unit is Unit.FRACTION else "")
    held = default if isinstance(default, StrEnum) else scaled(default, unit.scale)
    declaration = Declaration(unit, low, high, paper, source, meaning)
    return field(default=held, metadata={"declaration": declaration})


@dataclass(frozen=True, slots=True)
class Variable:
    """One setting: where it is, and what was declared of it."""

    chapter: tuple[str, ...]
    """Table it stands in."""
    name: str
    default: Any
    declaration: Declaration

    @property
    def aliases(self) -> tuple[str, ...]:
        """Names under which it is found: its own, and the paper's in snake case."""
        paper = "".join(
            f"_{c.lower()}" if c.isupper() and i else c.lower()
            for i, c in enumerate(self.declaration.paper)
        )
        return (self.name, paper) if paper and paper != self.name else (self.name,)

    @property
    def choices(self) -> tuple[str, ...]:
        """Words that it may be; empty for numbers."""
        if isinstance(self.default, StrEnum):
            return tuple(choice.value for choice in type(self.default))
        return ()

    def read(self, written: object) -> Any:
        """
        Turn what stands in a file or on the command line into what the field holds.

        Refusals, in order of precedence: `WrongType`, `OutOfBounds`.
        """
        declared, path = self.declaration, (*self.chapter, self.name)
        if self.choices:
            if written not in self.choices:
                raise OutOfBounds(
                    f"{self.name} is {written!r}; it must be one of "
                    f"{', '.join(self.choices)}",
                    path,
                )
            return type(self.default)(written)
        if isinstance(written, float) and isfinite(written):
            # From Python: as it prints, and as fine as the unit is.
            digits = len(str(declared.unit.scale)) - 1
            written = round(Decimal(repr(float(written))), digits)
        if isinstance(written, bool) or not isinstance(written, int | Decimal | str):
            raise WrongType(f"{self.name} is {written!r}; it must be a number", path)
        try:
            number = Decimal(written)
            finite = number.is_finite()
        except (ArithmeticError, ValueError):
            number, finite = Decimal(0), False
        if not finite:
            raise WrongType(
                f"{self.name} is {str(written)[:80]!r}; it must be "
                f"{_described(declared.unit)}",
                path,
            )
        value = 0
        if number.adjusted() < LONG_DIGITS:
            try:
                value = scaled(number, declared.unit.scale)
            except ValueError:
                raise WrongType(
                    f"{self.name} is {_shown(number)}; it must be "
                    f"{_described(declared.unit)}",
                    path,
                ) from None
        low, high = declared.low, declared.high
        if number < Decimal(low) or (high and number > Decimal(high)):
            bounds = f"between {low} and {high}" if high else f"at least {low}"
            plain = (Unit.FRACTION, Unit.FACTOR, Unit.COUNT)
            unit = "" if declared.unit in plain else f" {declared.unit.label}"
            raise OutOfBounds(
                f"{self.name} is {_shown(number)}; it must be {bounds}{unit}", path
            )
        return value

    def written(self, held: Any) -> str:
        """Write a held value as people do."""
        if isinstance(held, StrEnum):
            return held.value
        return f"{unscaled(held, self.declaration.unit.scale):f}"


def _shown(number: Decimal) -> str:
    """Write a number for a message, in short where it is very long."""
    digits = len(number.as_tuple().digits) + abs(number.adjusted())
    return f"{number}" if digits < LONG_DIGITS else f"{number:.3e}"


def _described(unit: Unit) -> str:
    if unit.scale == 1:
        return f"a whole number ({unit.label})"
    digits = len(str(unit.scale)) - 1
    return f"a number ({unit.label}) with at most {digits} decimals"


def variables(chapter: tuple[str, ...], declaring: type) -> Iterator[Variable]:
    """List the declared fields of a class, in the order of their declaration."""
    for each in fields(declaring):
        if "declaration" in each.metadata:
            yield Variable(
                chapter, each.name, each.default, each.metadata["declaration"]
            )


def unknown_key(name: str, known: Iterable[str], path: tuple[str, ...]) -> UnknownKey:
    """Refuse a key that nothing has, naming the one that was probably meant."""
    near = get_close_matches(name, known := sorted(known), n=1, cutoff=0.0)
    remedy = f"; did you mean {near[0]}?" if near else ""
    return UnknownKey(f"there is no {'.'.join((*path, name))}{remedy}", (*path, name))


def read_table(
    declaring: type[T], table: Mapping[str, object], path: tuple[str, ...]
) -> T:
    """
    Make a class of declared fields from a table of a document.

    Refusals, in order of precedence: `UnknownKey`, `Inconsistent` for two names of
    one variable, `WrongType`, `OutOfBounds`.
    """
    by_alias = {
        alias: each for each in variables(path, declaring) for alias in each.aliases
    }
    held: dict[str, object] = {}
    for name, written in table.items():
        if name not in by_alias:
            raise unknown_key(name, by_alias, path)
        variable = by_alias[name]
        if variable.name in held:
            raise Inconsistent(
                f"{' and '.join(variable.aliases)} are two names of one variable; give "
                "one of them",
                (*path, name),
            )
        held[variable.name] = variable.read(written)
    return declaring(**held)


def plain_names(declaring: type, table: Mapping[str, T]) -> dict[str, T]:
    """Give the settings of a table their plain names, where only one is used."""
    plain = {
        alias: each.name for each in variables((), declaring) for alias in each.aliases
    }
    taken = Counter(plain.get(name, name) for name in table)
    return {
        plain.get(name, name) if taken[plain.get(name, name)] == 1 else name: value
        for name, value in table.items()
    }


def check_name(name: str, path: tuple[str, ...]) -> None:
    """Refuse with `WrongType` a name that could not be a part of an account's path."""
    if not name or not name.isprintable() or set(name) & {":", "\\"}:
        raise WrongType(
            f"{'.'.join(path)} has the name {name!r}; a name is not empty, can be "
            "printed, and has no colon or backslash",
            path,
        )
