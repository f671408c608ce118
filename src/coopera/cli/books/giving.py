"""Commands that give the books a command: of members, of money, or any at all."""

from collections.abc import Mapping, Sequence
from dataclasses import MISSING, fields, is_dataclass
from typing import Any, get_args, get_origin, get_type_hints

import click

from coopera.cli.books.given import gives
from coopera.cli.books.options import in_json, read_amount
from coopera.cli.books.showing import show_json
from coopera.errors import Malformed


class _Do(click.Command):
    """Command whose help lists all commands of the protocol."""

    def format_epilog(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List kinds and fields."""
        del ctx
        with formatter.section("Kinds (coopera commands says more)"):
            formatter.write_dl(
                [(each["kind"], ", ".join(each["fields"])) for each in _kinds()]
            )


@click.command("do", cls=_Do, short_help="Give any command of the protocol.")
@click.argument("kind")
@click.argument("written", nargs=-1, metavar="[FIELD=VALUE]...")
@gives
def do_(kind: str, written: tuple[str, ...]) -> object:
    """
    Give any command of the protocol: KIND, and its fields.

    Texts are written as they are, all else as JSON. Amounts are whole millionths.

    \b
    Example:
      coopera do list_gpu id=h100 price=2500000 --dry-run
      coopera do train consumer=consumer:alice 'compute=[["supplier:g", "h100", 60]]'
    """  # noqa: D301 - click reads the backspace
    return _command(kind, written)


@click.command("commands", short_help="List the commands of the protocol.")
@in_json
def commands(*, as_json: bool) -> None:
    """List the commands of the protocol, their fields, and who may give them."""
    kinds = _kinds()
    if as_json:
        show_json(kinds)
        return
    for each in kinds:
        click.echo(click.style(each["kind"], bold=True) + f"  by {each['by']}")
        click.echo(f"  {each['meaning']}")
        for name, what in each["fields"].items():
            click.echo(f"    {name:<14} {what}")


@click.group()
def account() -> None:
    """Open and close members' accounts."""


@account.command("open", short_help="Open a member's accounts.")
@click.argument("owner")
@click.option("--limit", metavar="AMOUNT", help="Most that each may hold.")
@gives
def open_account(owner: str, limit: str | None) -> object:
    """Open the accounts of OWNER, as supplier:gpu-7, by its role."""
    from coopera.protocol.money import OpenAccounts

    if limit is None:
        return OpenAccounts(owner)
    return OpenAccounts(owner, read_amount("limit", limit))


@account.command("close", short_help="Close a member's empty accounts.")
@click.argument("owner")
@gives
def close_account(owner: str) -> object:
    """Close the accounts of OWNER for good; they must be empty."""
    from coopera.protocol.money import CloseAccounts

    return CloseAccounts(owner)


@click.command(short_help="Enter dollars or tokens that came from outside.")
@click.argument("account")
@click.argument("amount")
@click.argument("asset", metavar="usd|token")
@click.option("--reference", required=True, help="Of the payment outside.")
@gives
def deposit(account: str, amount: str, asset: str, reference: str) -> object:
    """Enter AMOUNT dollars or tokens that came from outside, on ACCOUNT."""
    from coopera.protocol.money import Deposit

    return Deposit(account, asset, read_amount("amount", amount), reference)


@click.group()
def withdraw() -> None:
    """Send dollars or tokens outside: ask for it, then confirm or cancel it."""


@withdraw.command(short_help="Put aside what is to be sent outside.")
@click.argument("name")
@click.argument("account")
@click.argument("amount")
@click.argument("asset", metavar="usd|token")
@gives
def request(name: str, account: str, amount: str, asset: str) -> object:
    """Put aside AMOUNT of ACCOUNT, to be sent outside; call it NAME."""
    from coopera.protocol.money import RequestWithdrawal

    return RequestWithdrawal(name, account, asset, read_amount("amount", amount))


@withdraw.command(short_help="Enter a withdrawal as sent.")
@click.argument("name")
@click.option("--reference", required=True, help="Of the payment outside.")
@gives
def confirm(name: str, reference: str) -> object:
    """Enter the withdrawal NAME as sent."""
    from coopera.protocol.money import ConfirmWithdrawal

    return ConfirmWithdrawal(name, reference)


@withdraw.command(short_help="Give back a withdrawal that was not sent.")
@click.argument("name")
@gives
def cancel(name: str) -> object:
    """Give back the withdrawal NAME, that was not sent."""
    from coopera.protocol.money import CancelWithdrawal

    return CancelWithdrawal(name)


def _command(kind: str, written: Sequence[str]) -> object:
    """Make a command of its fields as they were written. Refuses with `Malformed`."""
    import msgspec

    hints = _fields_of(kind)
    values: dict[str, Any] = {}
    for each in written:
        name, equals, value = each.partition("=")
        if not equals:
            raise Malformed(f"{each[:80]!r} is no field; write it as FIELD=VALUE")
        _refuse_field(kind, name, hints)
        if name in values:
            raise Malformed(f"{name} is given twice; give it once")
        try:
            value.encode()
            values[name] = (
                value
                if hints[name] is str
                else msgspec.json.decode(value, type=hints[name])
            )
        except (msgspec.DecodeError, UnicodeEncodeError) as error:
            said = f"{name} is {value[:80]!r}; it must be {_typed(hints[name])}"
            raise Malformed(f"{said}, in JSON: {error}") from None
    return _made(kind, values)


def command_of(kind: str, given: Mapping[str, Any]) -> object:
    """Make a command of its fields as JSON has them. Refuses with `Malformed`."""
    import msgspec

    hints = _fields_of(kind)
    values: dict[str, Any] = {}
    for name, value in given.items():
        _refuse_field(kind, name, hints)
        try:
            values[name] = msgspec.convert(value, hints[name])
        except msgspec.ValidationError as error:
            said = f"{name} is {str(value)[:80]!r}; it must be {_typed(hints[name])}"
            raise Malformed(f"{said}: {error}") from None
    return _made(kind, values)


def _fields_of(kind: str) -> dict[str, Any]:
    """Name the fields of a kind of commands. Refuses with `Malformed`."""
    from coopera.protocol.commands import KINDS

    cls = KINDS.get(kind)
    if cls is None:
        raise Malformed(
            f"there is no command {kind[:80]!r}{_near(kind, KINDS)}; run: coopera "
            "commands"
        )
    return get_type_hints(cls)


def _refuse_field(kind: str, name: str, hints: Mapping[str, Any]) -> None:
    if name not in hints:
        raise Malformed(f"{kind} has no field {name[:80]!r}; it has {', '.join(hints)}")


def _made(kind: str, values: Mapping[str, Any]) -> object:
    """Make a command, all of whose fields must be there. Refuses with `Malformed`."""
    from coopera.protocol.commands import KINDS

    cls: Any = KINDS[kind]
    missing = [
        each.name
        for each in fields(cls)
        if each.default is MISSING and each.name not in values
    ]
    if missing:
        raise Malformed(f"{kind} also needs {', '.join(missing)}")
    made: object = cls(**values)
    return made


def _near(name: str, known: Mapping[str, object]) -> str:
    from difflib import get_close_matches

    near = get_close_matches(name, known, 1)
    return f", but {near[0]}" if near else ""


def _kinds() -> list[dict[str, Any]]:
    """Say of every command what it does, who may give it, and which fields it has."""
    from coopera.protocol.commands import COMMANDS as RULES

    kinds = []
    for cls, rule in RULES.items():
        hints = get_type_hints(cls)
        kinds.append(
            {
                "kind": rule.kind,
                "by": "the operator, or the member it concerns"
                if rule.payer
                else "the operator",
                "meaning": (rule.transition.__doc__ or "").strip().partition("\n")[0],
                "fields": {
                    each.name: _typed(hints[each.name])
                    + ("" if each.default is MISSING else ", or left out")
                    for each in fields(cls)
                },
            }
        )
    return kinds


def _typed(hint: Any) -> str:
    """Say how a value is written."""
    if is_dataclass(hint):
        inner = get_type_hints(hint)
        return "{" + ", ".join(f'"{k}": {_typed(v)}' for k, v in inner.items()) + "}"
    if get_origin(hint) is tuple:
        inside = get_args(hint)
        if inside[-1] is Ellipsis:
            return f"[{_typed(inside[0])}, ...]"
        return f"[{', '.join(map(_typed, inside))}]"
    if hint is bool:
        return "true or false"
    return "a text" if isinstance(hint, type) and issubclass(hint, str) else "a number"
