"""Values of the market as people write them: durations, and what a task needs."""

import re
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.options import COUNTS, Written, read_count
from coopera.errors import Malformed
from coopera.units import WAD, scaled

if TYPE_CHECKING:
    from coopera.protocol.orders import Need

DURATION: Final = re.compile(r"([0-9]{1,9})([smhd])")
SECONDS: Final[Mapping[str, int]] = {"s": 1, "m": 60, "h": 3600, "d": 86_400}
FRACTION: Final = re.compile(r"[0-9]+(\.[0-9]+)?")


def read_duration(name: str, written: str) -> int:
    """
    Read a duration, in microseconds.

    >>> read_duration("--within", "24h")
    86400000000
    """
    found = DURATION.fullmatch(written)
    if found is None:
        raise Malformed(
            f"{name} is {written[:80]!r}; write a number of seconds, minutes, hours or "
            "days, as 90s, 30m, 24h or 7d"
        )
    return int(found[1]) * SECONDS[found[2]] * 1_000_000


def read_need(name: str, written: str) -> "Need":
    """
    Read what a task needs: a kind, and what else matters.

    >>> read_need("--need", "training device=h100,a100 memory=80").devices
    ('h100', 'a100')
    """
    from coopera.protocol.orders import Need

    kind, *rest = written.split() or [""]
    if not kind or "=" in kind:
        raise Malformed(
            f"{name} is {written[:80]!r}; write the kind first, as 'training "
            "device=h100,a100 region=us-west memory=80'"
        )
    fields: dict[str, Any] = {}
    for each in rest:
        key, equals, value = each.partition("=")
        if key not in NEEDED or not equals or not value:
            raise Malformed(
                f"{name} has {each[:80]!r}; write FIELD=VALUE without spaces, with one "
                f"of the fields {', '.join(NEEDED)}"
            )
        field, read = NEEDED[key]
        if field in fields:
            raise Malformed(f"{name} says {key} twice; say it once")
        fields[field] = read(f"{key} of {name}", value)
    return Need(kind, **fields)


def _names(name: str, written: str) -> tuple[str, ...]:
    names = tuple(written.split(","))
    if "" in names:
        raise Malformed(
            f"{name} is {written[:80]!r}; write names with commas between them, as "
            "h100,a100"
        )
    return names


def _name(_name: str, written: str) -> str:
    return written


def _fraction(name: str, written: str) -> int:
    try:
        return scaled(written if FRACTION.fullmatch(written) else "NaN", WAD)
    except ValueError:
        raise Malformed(
            f"{name} is {written[:80]!r}; write a number from 0 to 1, as 0.5"
        ) from None


NEEDED: Final = {
    "device": ("devices", _names),
    "region": ("regions", _names),
    "memory": ("memory_gib", read_count),
    "count": ("count", read_count),
    "latency": ("latency_ms", read_count),
    "model": ("model", _name),
    "reputation": ("min_reputation", _fraction),
}
"""Fields of a need as people write them: their names in the record, and how to read."""

DURATIONS: Final = Written("duration", read_duration)
NEEDS: Final = Written("need", read_need)

by_place = click.option(
    "--task", "place", type=COUNTS, help="Place of the task, from 0, if it has several."
)
