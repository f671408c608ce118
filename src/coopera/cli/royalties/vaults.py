"""Commands about vaults: who holds their units, what is paid in, who gets what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import click

from coopera.cli.books.given import looks_and_gives
from coopera.cli.books.looking import Look, existing
from coopera.cli.books.options import AMOUNTS, in_json, on_books
from coopera.cli.books.showing import (
    UNITS,
    plural,
    show_columns,
    show_json,
    show_table,
)
from coopera.cli.royalties.reading import Reading, read_books
from coopera.cli.royalties.wording import part
from coopera.units import WAD

if TYPE_CHECKING:
    from coopera.accounting.shares import Holder, Income, VaultShares
    from coopera.protocol.vaults import ClaimRoot

HOLDERS: Final = (
    "member",
    "units",
    "of those issued",
    "earned",
    "paid",
    "still to claim",
)
TOP: Final = 20
"""Holders that are listed, unless asked for others."""
ASSETS: Final = ("usd", "token")

by_asset = click.option(
    "--asset", type=click.Choice(ASSETS), default="usd", show_default=True
)


@click.group(short_help="Pay models' revenue to those who hold their units.")
def royalties() -> None:
    """Pay what a model earns to those who hold its units, and say why they do."""


@royalties.command(short_help="Tell who holds the units of a vault.")
@click.argument("name", metavar="VAULT")
@click.option(
    "--top",
    type=click.IntRange(1),
    default=TOP,
    show_default=True,
    metavar="N",
    help="Holders with most units.",
)
@on_books
@in_json
def show(name: str, top: int, url: str, *, as_json: bool) -> None:
    """Tell who holds the units of VAULT, what it received, and whom it passes some."""
    found, published = read_books(url, partial(_shares, name=name))
    if as_json:
        show_json({**_told(found), "published": published and asdict(published)})
    else:
        _show(found, published, top)


@royalties.command(short_help="Pay revenue into a vault.")
@click.argument("name", metavar="VAULT")
@click.argument("amount", type=AMOUNTS)
@click.argument("asset", metavar="usd|token")
@click.option(
    "--from", "payer", required=True, metavar="ACCOUNT", help="As creator:ann:usd."
)
@click.option("--memo", default="", help="What it is for.")
@looks_and_gives
def pay(
    look: Look, name: str, amount: int, asset: str, payer: str, memo: str
) -> object:
    """
    Pay AMOUNT of revenue into VAULT; it counts from when it is recorded.

    By whose account it is, or the operator.
    """
    from coopera.protocol.vaults import PayRoyalty, Vault

    return PayRoyalty(look.existing(Vault, name).id, payer, asset, amount, memo)


@royalties.command(short_help="Record what was paid into a vault.")
@click.argument("name", metavar="VAULT")
@looks_and_gives
def collect(look: Look, name: str) -> object:
    """
    Record what was paid into VAULT, and pass on what its parents get.

    What holds the books does it by itself once a day. By the operator.
    """
    from coopera.protocol.vaults import CollectRevenue, Vault

    return CollectRevenue(look.existing(Vault, name).id)


@royalties.command(short_help="Give units to another member.")
@click.argument("name", metavar="VAULT")
@click.argument("amount", type=AMOUNTS)
@click.option("--from", "holder", required=True, metavar="WHO", help="Member.")
@click.option("--to", "receiver", required=True, metavar="WHO", help="Member.")
@looks_and_gives
def move(look: Look, name: str, amount: int, holder: str, receiver: str) -> object:
    """
    Give AMOUNT units of VAULT to another member; what they have earned stays.

    By who holds them, or the operator.
    """
    from coopera.protocol.vaults import MoveUnits, Vault

    return MoveUnits(look.existing(Vault, name).id, holder, receiver, amount)


def _shares(reading: Reading, name: str) -> "tuple[VaultShares, ClaimRoot | None]":
    """Find who holds a vault's units, and the claims that are published."""
    from coopera.accounting.shares import vault_shares
    from coopera.protocol.books import CURRENT
    from coopera.protocol.vaults import ClaimRoot, Vault

    found = vault_shares(reading.pre, existing(reading.pre, Vault, name).id)
    return found, reading.pre.record(ClaimRoot, CURRENT)


def _told(found: "VaultShares") -> dict[str, Any]:
    """Put a vault into JSON, amounts in millionths."""
    vault = found.vault
    return {
        "name": vault.id,
        "creator": vault.creator,
        "closed": vault.closed,
        "supply_micro_units": vault.supply,
        "issued_micro_units": found.issued,
        "sides": [asdict(each) for each in found.sides],
        "parents": [{"vault": name, "share_wad": each} for name, each in vault.parents],
        "derived": [{"vault": name, "share_wad": each} for name, each in found.derived],
        "income_micro_units": {
            name: asdict(each) for name, each in found.income.items()
        },
        "holders": [_holder_json(each) for each in found.holders],
    }


def _holder_json(holder: "Holder") -> dict[str, Any]:
    return {
        "member": holder.member,
        "micro_units": holder.units,
        "earned_micro_units": {
            name: {**asdict(each), "unpaid": each.unpaid}
            for name, each in holder.earned.items()
        },
    }


def _show(found: "VaultShares", published: "ClaimRoot | None", top: int) -> None:
    from coopera.accounting.explain import millionths

    vault = found.vault
    state = "closed: no more units are issued" if vault.closed else "open"
    click.echo(click.style(f"{vault.id}  vault of {vault.creator}, {state}", bold=True))
    rows = [("units", millionths(vault.supply))]
    for side in found.sides:
        issued = f"{millionths(side.issued)} of {millionths(side.pool)} are issued"
        rows.append((f"for {side.side}", f"{issued}, {part(side.issued, side.pool)}"))
    rows += [
        ("derived from", f"{name}, which gets {part(share, WAD)} of the revenue")
        for name, share in vault.parents
    ]
    rows += [
        ("builds on it", f"{name}, which pays it {part(share, WAD)} of its revenue")
        for name, share in found.derived
    ]
    claims = "none are published yet"
    if published is not None:
        claims = f"of epoch {published.epoch}, of all vaults, under {published.root}"
    show_table([*rows, ("claims", claims)])
    _show_income(found.income)
    holding = [each for each in found.holders if each.units]
    have = "has" if len(holding) == 1 else "have"
    head = f"\n{plural(len(holding), 'member')} {have} units"
    click.echo(click.style(head, bold=True))
    if found.holders:
        lines = [
            row for each in found.holders[:top] for row in _lines(each, found.issued)
        ]
        show_columns([HOLDERS, *lines], right=(1, 2, 3, 4, 5), indent="  ")
    if (more := len(found.holders) - top) > 0:
        click.echo(f"{more:,} more; --top shows them")


def _show_income(income: "Mapping[str, Income]") -> None:
    from coopera.accounting.explain import millionths

    click.echo(click.style("\nRevenue", bold=True))
    header = (
        "",
        "recorded",
        "paid to holders",
        "still in the vault",
        "of it in reserve",
    )
    rows: list[Sequence[str]] = [(*header, "not recorded yet")]
    for name, each in income.items():
        amounts = (each.received, each.paid, each.held, each.reserve, each.unrecorded)
        rows.append((UNITS[name], *map(millionths, amounts)))
    show_columns(rows, right=(1, 2, 3, 4, 5), indent="  ")


def _lines(holder: "Holder", issued: int) -> Iterator[tuple[str, ...]]:
    """Write a holder: a line for each asset of which it has earned something."""
    from coopera.accounting.explain import millionths

    who = (holder.member, millionths(holder.units), part(holder.units, issued))
    earned = {name: each for name, each in holder.earned.items() if each.total}
    if not earned:
        yield (*who, "-", "-", "-")
    for name, each in earned.items():
        amounts = (each.total, each.paid, each.unpaid)
        yield (*who, *(f"{millionths(amount)} {UNITS[name]}" for amount in amounts))
        who = ("", "", "")
