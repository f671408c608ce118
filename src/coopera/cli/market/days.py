"""Commands about the network's day: close it, see what it brought, pay what it owes."""

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from coopera.cli.books.given import looks_and_gives
from coopera.cli.books.looking import Look, looking
from coopera.cli.books.options import AMOUNTS, COUNTS, OPERATOR, in_json, on_books
from coopera.cli.books.showing import show_columns, show_json

if TYPE_CHECKING:
    from coopera.ledger import Transfer
    from coopera.protocol.live import Payday
    from coopera.protocol.state import Epoch
    from coopera.service import Writer


class Owed(NamedTuple):
    """What a payday still owes."""

    payday: str
    earners: int
    """Who are not paid yet."""
    usd: int
    token: int


class Paid(NamedTuple):
    """What was paid at once, in millionths, by `usd` and `token`."""

    earners: int
    paid_micro_units: Mapping[str, int]
    held_back_micro_units: Mapping[str, int]
    """Below zero where pay that was held back became free."""
    forfeited_micro_units: Mapping[str, int]


@click.group(short_help="Close the day, see what it brought, pay it.")
def day() -> None:
    """Close the network's day, see what it brought, pay what it owes."""


@day.command(short_help="Close the day that is under way.")
@click.option(
    "--sentiment",
    type=AMOUNTS,
    metavar="DOLLARS",
    help="That asked for the token from outside.  [default: as at the last close]",
)
@click.option("--day", "number", type=COUNTS, help="Default: the one under way.")
@looks_and_gives
def close(look: Look, sentiment: int | None, number: int | None) -> object:
    """
    Close the day that is under way: price, buy-back, emission, what everybody earned.

    To send a close again with its --key, name the --day as well: without it the next
    one would be meant.
    """
    from coopera.protocol.live import CloseDay

    day = look.day()
    under_way = day.economy.day
    return CloseDay(
        under_way if number is None else number,
        day.epoch.sentiment if sentiment is None else sentiment,
    )


@day.command(short_help="Pay all who are still owed for closed days.")
@on_books
@in_json
def pay(url: str, *, as_json: bool) -> None:
    """
    Pay all who are still owed for closed days.

    Whatever writes to the books does this by itself when it has time; this waits until
    it is done. Verdicts that the float cannot pay wait for the next day.
    """
    paid = _paid_out(url)
    if as_json:
        show_json(paid._asdict())
        return
    if not paid.earners:
        click.echo("everybody is paid")
        return
    show_columns(_sums(paid), right=(0,))


@day.command(short_help="Tell what the last closed day brought.")
@on_books
@in_json
def show(url: str, *, as_json: bool) -> None:
    """Tell what the last closed day brought, and what it still owes."""
    from dataclasses import asdict

    with looking(url) as look:
        found = look.day()
        owed = _owed(look)
    closed = None if found.epoch.day < 0 else found.epoch
    if as_json:
        show_json(
            {
                "closed": None if closed is None else asdict(closed),
                "under_way": found.economy.day,
                "owed": [each._asdict() for each in owed],
            }
        )
        return
    if closed is None:
        click.echo(f"no day is closed yet; day {found.economy.day} is under way")
        return
    click.echo(click.style(f"day {closed.day}, closed", bold=True))
    show_columns(_figures(closed), right=(0,), indent="  ")
    if owed:
        said = "still owed, but for what was forfeited; coopera day pay pays it"
        click.echo(click.style(f"\n{said}", bold=True))
        _show_owed(owed)
    else:
        click.echo("\neverybody is paid")


def _figures(closed: "Epoch") -> Sequence[tuple[str, str, str]]:
    """Say the figures of a day in plain words."""
    from coopera.accounting.explain import millionths
    from coopera.units import WAD, unscaled

    usd, token = "USD", "token"
    jobs = f"{closed.jobs} {'job' if closed.jobs == 1 else 'jobs'}"
    amounts = (
        (closed.capital, usd, "to buy tokens with"),
        (closed.dollars, usd, "to suppliers, in dollars"),
        (closed.sentiment, usd, "asked for the token from outside"),
        (closed.token_demand, usd, "asked for the token in all"),
        (closed.bought, token, "bought for suppliers"),
        (sum(closed.emitted), token, "emitted on top of it, by Phase 2"),
        (closed.phase1_released, token, "released to the seats of Phase 1"),
        (closed.fees, token, "onboarding fees"),
        (closed.slashed, token, "bonds lost"),
        (closed.validators_paid, token, "to validators"),
        (closed.refilled, token, "bought back for the reserve"),
        (closed.fee_usd, usd, "to be paid by who registers a resource"),
    )
    return [
        (millionths(closed.income), usd, f"income, of {jobs}"),
        (f"{unscaled(closed.price, WAD):,.6f}", usd, "price of a token"),
        *((millionths(amount), unit, what) for amount, unit, what in amounts if amount),
    ]


def _owed(look: Look) -> list[Owed]:
    from coopera.protocol.live import Payday

    paydays = sorted(look.open_records(Payday).values(), key=lambda each: each.id)
    return [_owed_of(each) for each in paydays]


def _owed_of(payday: "Payday") -> Owed:
    """Work out what is left of a payday, as `protocol.live` will pay it."""
    from coopera.formulas.allocation import proportional_share
    from coopera.protocol.settlement import VERDICTS

    usd, token = (
        whole - proportional_share(whole, payday.paid_units, payday.units)
        for whole in (payday.usd, payday.token)
    )
    if payday.id.endswith(f":{VERDICTS}"):
        token += payday.units - payday.paid_units
    return Owed(payday.id, payday.earners - payday.paid, usd, token)


def _paid_out(url: str) -> Paid:
    """Pay what is due, and add up what moved, whoever gave the commands for it."""
    from coopera.protocol.live import Payday
    from coopera.service import Writer
    from coopera.store.opening import open_store

    store: Any = open_store(url)
    before = store.head().receipt
    # Looked at before the writer starts, which pays by itself what is due.
    due = {
        name: each.earners - each.paid
        for name, each in Look(store).open_records(Payday).items()
    }
    with Writer(store) as writer:
        for name in due:
            _pay(writer, name)
        moved = [
            each
            for number in range(before + 1, store.head().receipt + 1)
            if (receipt := store.receipt(number)).kind == "pay_earnings"
            for each in store.transfers(receipt)
        ]
    return _added_up(sum(due.values()), moved)


def _pay(writer: "Writer", name: str) -> None:
    """Pay a payday to its end; what is due is also paid by the writer itself."""
    from coopera.cli.books.access import new_key
    from coopera.errors import WrongStage
    from coopera.protocol.live import PayEarnings
    from coopera.service import Request

    while True:
        try:
            writer.execute(Request(new_key(), OPERATOR, PayEarnings(name)))
        except WrongStage:
            return


def _added_up(earners: int, moved: Sequence["Transfer"]) -> Paid:
    """Add up what reached members, what was held back, and what was lost."""
    from coopera.protocol.accounts import HELD_TOKEN, HELD_USD

    paid, held, lost = ({"usd": 0, "token": 0} for _ in range(3))
    for each in moved:
        unit = "token" if HELD_TOKEN in each[:2] else "usd"
        if each.reason == "pay forfeited":
            unit = each.debit.rpartition(":")[2]
            lost[unit] += each.amount
        elif each.debit in (HELD_USD, HELD_TOKEN):
            paid[unit] += each.amount
            held[unit] -= each.amount
        else:
            held[unit] += each.amount
    return Paid(earners, paid, held, lost)


def _sums(paid: Paid) -> Sequence[tuple[str, str, str]]:
    """Say in plain words what was paid."""
    from coopera.accounting.explain import millionths

    earners = "earner" if paid.earners == 1 else "earners"
    rows = []
    for what, amounts in (
        (f"paid to {paid.earners:,} {earners}", paid.paid_micro_units),
        ("held back", paid.held_back_micro_units),
        ("forfeited", paid.forfeited_micro_units),
    ):
        for unit, amount in amounts.items():
            # Less than nothing is held back where earlier pay became free.
            said = what if amount >= 0 else "of it held back until now"
            if amount or amounts is paid.paid_micro_units:
                named = "USD" if unit == "usd" else unit
                rows.append((millionths(abs(amount)), named, said))
    return rows


def _show_owed(owed: Sequence[Owed]) -> None:
    from coopera.accounting.explain import millionths
    from coopera.protocol.settlement import VERDICTS

    rows = []
    for each in owed:
        number, _, kind = each.payday.partition(":")
        amounts = f"{millionths(each.usd)} USD, {millionths(each.token)} token"
        if kind == VERDICTS:
            amounts = f"{millionths(each.token)} token, as far as the float has them"
        who = kind.removeprefix("-:")
        earners = f"{each.earners:,} {'earner' if each.earners == 1 else 'earners'}"
        rows.append((f"day {number}", who, earners, amounts))
    show_columns(rows, right=(), indent="  ")
