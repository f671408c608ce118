"""Numbers, names and changes, as people write them."""

import math
import re
from collections.abc import Sequence

from coopera.sim.settings import NONE

ABBREVIATIONS = ("ai", "api", "cpu", "gpu", "llm", "npu", "tpu", "usd")

LEVEL = 0.005
"""Relative change that is not worth a number."""


def number(value: float) -> str:
    """
    Write a number with three digits or more, and commas between thousands.

    >>> number(675990.2), number(9.8855), number(22.0), number(0.18504), number(0)
    ('675,990', '9.89', '22', '0.185', '0')
    """
    if not math.isfinite(value):
        return NONE
    if value == 0:
        return "0"
    digits = 2 - math.floor(math.log10(abs(value)))
    text = f"{value:,.{min(max(digits, 0), 12)}f}"
    text = text.rstrip("0").rstrip(".") if "." in text else text
    return "0" if text == "-0" else text


def dollars(value: float) -> str:
    """
    Write an amount or a price in dollars, with cents where they count.

    >>> dollars(9.8), dollars(-14_236_113.4), dollars(0.5), dollars(0.00012)
    ('$9.80', '-$14,236,113', '$0.500', '$0.00012')
    """
    sign, size = ("-" if value < 0 else ""), abs(value)
    for low, high, places in ((0.1, 1, 3), (1, 1000, 2)):
        if low <= size < high:
            return f"{sign}${size:.{places}f}"
    return f"{sign}${number(size)}"


def amount(value: float, unit: str) -> str:
    """
    Write a value with its unit.

    >>> amount(9.8855, "USD/token"), amount(1816, "token"), amount(0.5, "1")
    ('$9.89', '1,816 tokens', '0.5')
    """
    if unit.startswith("USD"):
        return dollars(value)
    return number(value) + {"1": "", "token": " tokens"}.get(unit, f" {unit}")


def cell(value: float, unit: str) -> str:
    """
    Write a value where its unit is told once for all.

    >>> cell(9.8855, "USD/token"), cell(1816, "token")
    ('$9.89', '1,816')
    """
    return dollars(value) if unit.startswith("USD") else number(value)


def big(value: float) -> str:
    """
    Write a large number short.

    >>> big(14_236_113), big(2_000_000_000), big(675_990), big(999_999_999)
    ('14.2 million', '2 billion', '675,990', '1 billion')
    """
    for size, word in ((1e9, "billion"), (1e6, "million")):
        if abs(value) >= 0.9995 * size:
            return f"{number(value / size)} {word}"
    return number(value)


def compact(value: float) -> str:
    """
    Write a number in the least space.

    >>> compact(675_990), compact(14_236_113), compact(9.8855)
    ('676k', '14.2M', '9.89')
    """
    for size, letter in ((1e9, "G"), (1e6, "M"), (1e3, "k")):
        if abs(value) >= 0.9995 * size:
            return f"{number(value / size)}{letter}"
    return number(value)


def percent(fraction: float) -> str:
    """
    Write a fraction as a percentage.

    >>> percent(0.35), percent(0.0123), percent(1.5)
    ('35%', '1.2%', '150%')
    """
    places = 0 if abs(fraction) >= 0.0995 else 1  # noqa: PLR2004 - of 10 %
    return f"{fraction:,.{places}%}"


def change(before: float, after: float) -> str:
    """
    Say how something has changed.

    >>> change(800, 676), change(6.83, 9.89), change(10, 45), change(1, 1), change(0, 5)
    ('down 16%', 'up 45%', '4.5 times as much', 'unchanged', 'up from nothing')
    """
    if after == before:
        return "unchanged"
    if before == 0:
        return "up from nothing"
    ratio = after / before
    if abs(ratio - 1) < LEVEL:
        return "nearly unchanged"
    if ratio >= 3:  # noqa: PLR2004 - where percentages stop to speak
        return f"{number(ratio)} times as much"
    return f"{'up' if ratio > 1 else 'down'} {percent(abs(ratio - 1))}"


def moves(before: float, after: float, unit: str, span: str = "") -> str:
    """
    Tell a change as a clause: what it does, from where to where.

    >>> moves(6.83, 9.89, "USD/token", "by day 180")
    'rises from $6.83 to $9.89 by day 180 (up 45%)'
    >>> moves(0, 0, "token", "by day 180")
    'stays at 0 tokens'
    """
    if after == before:
        return f"stays at {amount(after, unit)}"
    path = f"from {cell(before, unit)} to {amount(after, unit)}{span and ' ' + span}"
    if before and abs(after / before - 1) < LEVEL:
        return f"stays level, {path}"
    verb = "rises" if after > before else "falls"
    return f"{verb} {path} ({change(before, after)})"


def spoken(name: str) -> str:
    """
    Read a name from a file aloud.

    >>> spoken("tpu_training"), spoken("labelled_data")
    ('TPU training', 'labelled data')
    """
    words = re.sub(r"[_\s]+", " ", name).strip().split(" ")
    return " ".join(
        each.upper() if each.lower() in ABBREVIATIONS else each for each in words
    )


def titled(name: str) -> str:
    """
    Read a name aloud at the beginning of a line.

    >>> titled("model_training")
    'Model training'
    """
    text = spoken(name)
    return text[:1].upper() + text[1:]


def shortened(text: str, length: int) -> str:
    """
    Cut a text that is too long for its place.

    >>> shortened("hosted inference", 10)
    'hosted in…'
    """
    return text if len(text) <= length else text[: length - 1].rstrip() + "…"


def listed(words: Sequence[str]) -> str:
    """
    Join words as in a sentence.

    >>> listed(["tea"]), listed(["tea", "milk", "sugar"])
    ('tea', 'tea, milk and sugar')
    """
    return " and ".join([*([", ".join(words[:-1])] if words[1:] else []), *words[-1:]])


def counted(count: int, one: str, many: str = "") -> str:
    """
    Count things.

    >>> counted(1, "world"), counted(1000, "world"), counted(2, "day")
    ('1 world', '1,000 worlds', '2 days')
    """
    return f"{count:,} {one if count == 1 else many or one + 's'}"
