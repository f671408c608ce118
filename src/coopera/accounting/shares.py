"""
Who holds what of a vault, and what it has earned.

All of it is read off a state, whatever holds that. Nothing here writes, so that a
command line and a service can tell the same.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from coopera.accounting.rounds import COMPUTE, DATA
from coopera.errors import UnknownRecord
from coopera.formulas import royalty
from coopera.ledger import account
from coopera.protocol.claims import Claimable
from coopera.protocol.state import PreState
from coopera.protocol.vaults import (
    MONEY,
    Entitlement,
    Holding,
    Revenue,
    Vault,
    inflow_of,
    units_of,
)
from coopera.units import MicroUnit, Wad


@dataclass(frozen=True, slots=True)
class Earned:
    """What units have earned of one asset, in micro-units."""

    total: int
    """Ever."""
    paid: int

    @property
    def unpaid(self) -> int:
        """What is still to be paid."""
        return self.total - self.paid


@dataclass(frozen=True, slots=True)
class Holder:
    """A member with units of a vault."""

    member: str
    units: int
    """Micro-units, now."""
    earned: Mapping[str, Earned]
    """By asset."""


@dataclass(frozen=True, slots=True)
class Income:
    """What came into a vault of one asset, in micro-units."""

    received: int
    """Recorded for the holders, ever; in the vault still, or paid to them."""
    unrecorded: int
    """Paid in since revenue was last recorded."""
    held: int
    """In the vault, until it is claimed."""
    paid: int
    """To holders, ever."""
    reserve: int
    """Earned by units that nobody has yet; it is theirs who hold units at the close."""


@dataclass(frozen=True, slots=True)
class SideUnits:
    """Units of one side of a vault, in micro-units."""

    side: str
    pool: int
    issued: int

    @property
    def left(self) -> int:
        """Units that nobody has yet."""
        return self.pool - self.issued


@dataclass(frozen=True, slots=True)
class VaultShares:
    """A vault, with all who hold its units."""

    vault: Vault
    sides: tuple[SideUnits, ...]
    holders: tuple[Holder, ...]
    """Who has most first; and those who have none any more and earned something."""
    income: Mapping[str, Income]
    """By asset."""
    derived: tuple[tuple[str, Wad], ...]
    """Vaults that pay to this one, and which part of their revenue."""

    @property
    def issued(self) -> int:
        """All units that somebody has."""
        return sum(side.issued for side in self.sides)


def claimable(pre: PreState) -> Iterator[Claimable]:
    """
    List what may be claimed: all that every holder has earned so far, paid or not.

    What was paid into a vault and is not recorded yet is nobody's so far.
    """
    vaults = pre.records(Vault)
    balances = pre.balances()
    for holding in pre.records(Holding).values():
        name, member = _owner(holding)
        vault = vaults[name]
        units = balances.get(units_of(name, member), 0)
        for asset, earned in _earned(vault, holding, units).items():
            if earned.total:
                yield Claimable(name, asset, member, earned.total)


def unrecorded(pre: PreState) -> Mapping[str, int]:
    """Find what was paid into vaults and is not recorded yet, by account."""
    paths = (inflow_of(name, each) for name in pre.records(Vault) for each in MONEY)
    balances = pre.balances()
    return {path: balances[path] for path in paths if balances.get(path)}


def vault_shares(pre: PreState, name: str) -> VaultShares:
    """Find who holds the units of a vault. Refuses with `UnknownRecord`."""
    vault = pre.record(Vault, name)
    if vault is None:
        raise UnknownRecord(
            f"there is no vault {name[:80]!r}; a vault has the name of its training"
        )
    found = (
        _holder(pre, vault, holding)
        for holding in pre.records(Holding).values()
        if _owner(holding)[0] == vault.id
    )
    holders = sorted(
        (
            each
            for each in found
            if each.units or any(earned.total for earned in each.earned.values())
        ),
        key=lambda each: (-each.units, each.member),
    )
    derived = tuple(
        (child.id, share)
        for child in pre.records(Vault).values()
        for parent, share in child.parents
        if parent == vault.id
    )
    sides = sides_of(pre, vault)
    income = _income(pre, vault, sides, holders)
    return VaultShares(vault, sides, tuple(holders), income, derived)


def sides_of(pre: PreState, vault: Vault) -> tuple[SideUnits, ...]:
    """Tell how many units of both sides were issued."""
    pools = {COMPUTE: vault.compute, DATA: vault.supply - vault.compute}
    return tuple(
        SideUnits(side, pool, pool - pre.balance(account("vault", vault.id, side)))
        for side, pool in pools.items()
    )


def _holder(pre: PreState, vault: Vault, holding: Holding) -> Holder:
    member = _owner(holding)[1]
    units = pre.balance(units_of(vault.id, member))
    return Holder(member, units, _earned(vault, holding, units))


def _owner(holding: Holding) -> tuple[str, str]:
    """Split the name of a holding: vault, and member."""
    vault, _, member = holding.id.partition(":")
    return vault, member


def _earned(vault: Vault, holding: Holding, units: int) -> dict[str, Earned]:
    """Count what a holding has earned by now, as `settled` does."""
    found = {}
    for asset in MONEY:
        revenue: Revenue = getattr(vault, asset.value)
        was: Entitlement = getattr(holding, asset.value)
        total = was.total + _since(vault, revenue, was, units)
        found[asset.value] = Earned(total, was.claimed)
    return found


def _since(vault: Vault, revenue: Revenue, was: Entitlement, units: int) -> int:
    """Count what units have earned since their entitlement was last settled."""
    risen = revenue.index - was.index
    return royalty.entitlement(MicroUnit(units), risen, was.part, vault.supply)[0]


def _income(
    pre: PreState,
    vault: Vault,
    sides: Sequence[SideUnits],
    holders: Sequence[Holder],
) -> dict[str, Income]:
    income = {}
    unissued = sum(side.left for side in sides)
    for asset in MONEY:
        revenue: Revenue = getattr(vault, asset.value)
        held = pre.balance(account("vault", vault.id, asset.value))
        paid = sum(holder.earned[asset.value].paid for holder in holders)
        reserve = revenue.reserve.total - revenue.reserve.claimed
        if not vault.closed:
            reserve += _since(vault, revenue, revenue.reserve, unissued)
        income[asset.value] = Income(
            held + paid,
            pre.balance(inflow_of(vault.id, asset)),
            held,
            paid,
            reserve,
        )
    return income
