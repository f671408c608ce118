"""Options that several commands take, and amounts as they are written there."""

import re
from typing import Final

import click

from coopera.errors import Malformed
from coopera.units import MICRO, scaled

OPERATOR: Final = "operator"
"""As in `protocol.commands`, which is imported by the commands that need it."""

AMOUNT: Final = re.compile(r"-?[0-9]+(\.[0-9]+)?")

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


def read_amount(name: str, written: str) -> int:
    """Read dollars, tokens or points with up to six decimals, in millionths."""
    try:
        return scaled(written if AMOUNT.fullmatch(written) else "NaN", MICRO)
    except ValueError:
        raise Malformed(
            f"{name} is {written[:80]!r}; write a plain number with 6 decimals at "
            "most, as 12.345678"
        ) from None
