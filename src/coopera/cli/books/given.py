"""How a command is given: the options for it, and what is said of what came out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import wraps
from typing import Any, NamedTuple, TypeVar

import click

from coopera.cli.books.access import give, new_key, try_out
from coopera.cli.books.looking import looking
from coopera.cli.books.options import with_options
from coopera.cli.books.showing import (
    receipt_json,
    show_json,
    show_receipt,
    show_tried,
)
from coopera.errors import Busy, Refusal, Unavailable

F = TypeVar("F", bound=Callable[..., Any])


@dataclass(frozen=True, slots=True)
class Asked:
    """A command, and what whoever gives it has to know besides its receipt."""

    command: object
    said: str
    """
    For people; said before the command is given, so that it cannot be lost. What can be
    undone is said once it stands.
    """
    told: Mapping[str, Any] = field(default_factory=dict)
    """For programs."""
    first: Callable[[], object] | None = None
    """Done before the command is given, and not where it is only tried."""
    undo: Callable[[], object] | None = None
    """Done where it was refused for good, after what was done first."""


class _Giving(NamedTuple):
    """How a command is given."""

    url: str
    key: str | None
    caller: str
    dry_run: bool
    as_json: bool


def gives(function: F) -> F:
    """Take the options with which a command is given, and give what is returned."""

    def made(_url: str, *arguments: Any, **named: Any) -> object:
        return function(*arguments, **named)

    return _giving(function, made)


def looks_and_gives(function: F) -> F:
    """Do as `gives`; the function is first given a `Look` at the books."""

    def made(url: str, *arguments: Any, **named: Any) -> object:
        with looking(url) as look:
            return function(look, *arguments, **named)

    return _giving(function, made)


def _giving(function: F, made: Callable[..., object]) -> F:
    @wraps(function)
    def given(
        *arguments: Any,
        url: str,
        key: str | None,
        caller: str,
        dry_run: bool,
        as_json: bool,
        **named: Any,
    ) -> None:
        how = _Giving(url, key, caller, dry_run, as_json)
        asked = made(url, *arguments, **named)
        if not isinstance(asked, Asked):
            asked = Asked(asked, "")
        _give_and_show(asked, how)

    return with_options(given)  # type: ignore[return-value]


def _give_and_show(asked: Asked, how: _Giving) -> None:
    """Give a command to the books, or only try it, and print what moved."""
    key = how.key or new_key()
    if how.dry_run:
        moved = try_out(how.url, how.caller, asked.command)
        show_tried(moved, as_json=how.as_json)
        return
    if how.key is None and asked.said:
        # What will be refused is not announced. A key may name what was done before.
        try_out(how.url, how.caller, asked.command)
    if asked.first is not None:
        asked.first()
    said = "" if how.as_json else asked.said
    if said and asked.undo is None:
        click.echo(said)
    try:
        receipt, moved = give(how.url, key, how.caller, asked.command)
    except (Busy, Unavailable) as refusal:
        also = "".join(f"; {name} {value}" for name, value in asked.told.items())
        raise type(refusal)(f"{refusal} (the key is {key}{also})") from None
    except Refusal:
        if asked.undo is not None:
            asked.undo()
        raise
    if how.as_json:
        show_json({**receipt_json(receipt, moved), **asked.told})
    else:
        if said and asked.undo is not None:
            click.echo(said)
        show_receipt(receipt, moved)
