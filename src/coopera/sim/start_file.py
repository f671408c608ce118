"""
A start in a file: JSON of a version, with whole numbers and exact decimals.

Names end with their unit where it is money. Numbers that are not whole are written as
texts, so that they stay exact in any program.
"""

import json
from collections.abc import Mapping
from dataclasses import fields
from decimal import Decimal
from pathlib import Path
from typing import Any, Final, TypeVar

from coopera.errors import (
    ConfigurationRefused,
    Inconsistent,
    OutOfBounds,
    Unreadable,
    WrongType,
)
from coopera.params.declared import unknown_key
from coopera.sim.start import PHASE_2, Form, Start
from coopera.units import WAD, scaled, unscaled

FORMAT: Final = "coopera start"
VERSION: Final = 1
"""Version of the format."""

DIGITS_MAX: Final = 60
"""Most characters of a number."""

REMEDY: Final = "make one with: coopera forecast --start-out FILE"

T = TypeVar("T")


def start_json(start: Start) -> dict[str, Any]:
    """Put a start into JSON."""
    return {"format": FORMAT, "version": VERSION, **_told(start)}


def _told(held: Any) -> dict[str, Any]:
    told: dict[str, Any] = {}
    for each in fields(held):
        form = each.metadata["form"]
        value = getattr(held, each.name)
        if form.by_name:
            told[form.name(each.name)] = {k: _one(v, form) for k, v in value.items()}
        elif form.listed:
            told[form.name(each.name)] = [_one(v, form) for v in value]
        else:
            told[form.name(each.name)] = _one(value, form)
    return told


def _one(value: Any, form: Form) -> Any:
    if form.of:
        return _told(value)
    if form.unit.scale == 1:
        return value
    return f"{unscaled(value, form.unit.scale):f}"


def read_start(path: Path) -> Start:
    """
    Read a start from a file.

    Refuses with `Unreadable` what is no start of this version, and as `start_from`.
    """
    try:
        told = json.loads(path.read_text("utf-8"), parse_float=Decimal)
    except OSError as error:
        raise Unreadable(f"{path} cannot be read: {error.strerror}") from None
    except (ValueError, RecursionError) as error:  # also what is no UTF-8
        raise Unreadable(f"{path} is no JSON: {error}") from None
    try:
        return start_from(told)
    except ConfigurationRefused as refusal:
        raise type(refusal)(f"{path}: {refusal}", refusal.path) from None


def start_from(told: object) -> Start:
    """
    Make a start from JSON.

    Refusals, in order of precedence: `Unreadable`; of each key in turn `UnknownKey`,
    `Inconsistent` where it is missing, `WrongType`, `OutOfBounds`; `Inconsistent` for
    an inclination that is not that of the count.
    """
    if not isinstance(told, Mapping) or told.get("format") != FORMAT:
        raise Unreadable(f"it is no start of a simulation; {REMEDY}")
    if told.get("version") != VERSION:
        raise Unreadable(
            f"it is of version {str(told.get('version'))[:20]} and this program reads "
            f"version {VERSION}; {REMEDY}"
        )
    left = {k: v for k, v in told.items() if k not in ("format", "version")}
    start: Start = _read(Start, left, ())
    for kind, present in start.suppliers.items():
        if not 0 <= present.inclination - present.count * WAD < WAD:
            raise Inconsistent(
                f"suppliers.{kind}.inclination is "
                f"{unscaled(present.inclination, WAD):f} and count {present.count}; it "
                "is the count, and less than one more",
                ("suppliers", kind, "inclination"),
            )
    return start


def _read(cls: type[T], told: object, path: tuple[str, ...]) -> T:
    table = _table(told, path)
    forms = {each.name: each.metadata["form"] for each in fields(cls)}  # type: ignore[arg-type]
    names = {form.name(plain): plain for plain, form in forms.items()}
    for name in table:
        if name not in names:
            raise unknown_key(name, names, path)
    held: dict[str, Any] = {}
    for name, plain in names.items():
        form, here = forms[plain], (*path, name)
        if name not in table:
            raise Inconsistent(f"there is no {'.'.join(here)}; {REMEDY}", here)
        value = table[name]
        if form.by_name:
            rows = _table(value, here).items()
            held[plain] = {k: _value(v, form, (*here, str(k))) for k, v in rows}
        elif form.listed:
            if not isinstance(value, list):
                raise WrongType(
                    f"{'.'.join(here)} is {str(value)[:80]}; it must be a list", here
                )
            held[plain] = tuple(_value(v, form, here) for v in value)
        else:
            held[plain] = _value(value, form, here)
    return cls(**held)


def _table(told: object, path: tuple[str, ...]) -> Mapping[str, object]:
    if not isinstance(told, Mapping):
        raise WrongType(
            f"{'.'.join(path)} is {str(told)[:80]}; it must be an object", path
        )
    return told


def _value(written: object, form: Form, path: tuple[str, ...]) -> Any:
    if form.of:
        return _read(form.of, written, path)
    name = ".".join(path)
    if form.most == 1:
        if not isinstance(written, bool):
            raise WrongType(
                f"{name} is {str(written)[:80]}; it must be true or false", path
            )
        return written
    digits = len(str(form.unit.scale)) - 1
    wanted = f"a number with at most {digits} decimals" if digits else "a whole number"
    number = isinstance(written, int | str | Decimal) and not isinstance(written, bool)
    try:
        text = str(written)[:DIGITS_MAX] if number else ""
        value = scaled(Decimal(text), form.unit.scale)
    except (ArithmeticError, ValueError):
        raise WrongType(
            f"{name} is {str(written)[:80]}; it must be {wanted}", path
        ) from None
    low = 1 if form.most == PHASE_2 else 0
    if not low <= value <= form.most:
        raise OutOfBounds(
            f"{name} is {str(written)[:80]}; it must be between {low} and "
            f"{unscaled(form.most, form.unit.scale):f}",
            path,
        )
    return value
