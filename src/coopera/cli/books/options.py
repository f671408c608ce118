"""Options that several commands take, and amounts as they are written there."""

import re
from collections.abc import Callable
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final, TypeVar

import click

from coopera.errors import Malformed
from coopera.units import MICRO, scaled

F = TypeVar("F", bound=Callable[..., Any])

OPERATOR: Final = "operator"
"""As in `protocol.commands`, which is imported by the commands that need it."""

LINES: Final = 50
"""Lines of a list, unless asked for others."""

AMOUNT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")
COUNT: Final = re.compile(r"-?[0-9]{1,18}")

on_books = click.option(
    "--books",
    "url",
    envvar="COOPERA_BOOKS",
    default="books.db",
    show_default=True,
    metavar="URL",
    help="File of the books, or postgresql://...; or set COOPERA_BOOKS.",
)
in_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
by_key = click.option("--key", help="Idempotency key. Default: a new one.")
last_lines = click.option(
    "--last",
    type=click.IntRange(1),
    default=LINES,
    show_default=True,
    metavar="N",
    help="The last N.",
)


def with_options(function: F) -> F:
    """Take the options with which commands are given."""
    for option in (
        in_json,
        click.option("--dry-run", is_flag=True, help="Show what it would move."),
        click.option(
            "--caller",
            default=OPERATOR,
            show_default=True,
            metavar="WHO",
            help="Who gives it.",
        ),
        by_key,
        on_books,
    ):
        function = option(function)
    return function


def read_amount(name: str, written: str) -> int:
    """Read dollars, tokens or points with up to six decimals, in millionths."""
    try:
        return scaled(written if AMOUNT.fullmatch(written) else "NaN", MICRO)
    except ValueError:
        raise Malformed(
            f"{name} is {written[:80]!r}; write a plain number with 6 decimals at "
            "most, as 12.345678"
        ) from None


def read_count(name: str, written: str) -> int:
    """Read a whole number."""
    if not COUNT.fullmatch(written):
        raise Malformed(f"{name} is {written[:80]!r}; write a whole number, as 8")
    return int(written)


def read_moment(name: str, written: str) -> int:
    """Read a date or a moment, in UTC unless it says otherwise, in microseconds."""
    try:
        when = datetime.fromisoformat(written)
    except ValueError:
        raise Malformed(
            f"{name} is {written[:80]!r}, which is no date; write it as 2026-01-31 or "
            "as 2026-01-31T12:00:00Z"
        ) from None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    since = when - datetime(1970, 1, 1, tzinfo=UTC)
    return (since.days * 86_400 + since.seconds) * 1_000_000 + since.microseconds


if TYPE_CHECKING:
    _Type = click.ParamType[Any]
else:
    _Type = click.ParamType


class Written(_Type):
    """Value that is read by a function, which is told the name of the option."""

    def __init__(self, name: str, read: Callable[[str, str], Any]) -> None:
        self.name = name
        self._read = read

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        """Read a text; refuses with `Malformed`."""
        del ctx
        if not isinstance(value, str):
            return value
        opts = param.opts if param is not None else ()
        return self._read(max(opts, key=len, default=self.name), value)


AMOUNTS: Final = Written("amount", read_amount)
"""Dollars, tokens or quantities, in millionths."""
COUNTS: Final = Written("n", read_count)
MOMENTS: Final = Written("moment", read_moment)
