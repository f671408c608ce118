"""The chart of accounts: which there are, of what asset, on which side, how much."""

import re
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache
from typing import Final, NewType

from coopera.errors import UnknownAccount
from coopera.units import AMOUNT_MAX

AccountId = NewType("AccountId", str)
"""Path that says whose and what: `supplier:gpu-7:usd`, `reserve:token:float`."""

NAME: Final = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}")
"""Names of members, and of what they list."""

PATH_MAX: Final = 200
"""Most characters of a path."""


class Asset(StrEnum):
    """What an account holds."""

    USD = "usd"
    """Micro-dollars."""
    TOKEN = "token"  # noqa: S105 - not that kind of token
    """Micro-tokens."""
    POINT = "point"
    """Millionths of a contribution point."""
    UNIT = "unit"
    """Millionths of a royalty unit, of whichever vault."""


class Side(StrEnum):
    """Normal side of an account: the side that its balance may stand on."""

    CREDIT = "credit"
    """Received more than it gave: never below zero."""
    DEBIT = "debit"
    """Gave more than it received, as the world outside the books: never above zero."""


@dataclass(frozen=True, slots=True)
class AccountKind:
    """One line of the chart."""

    pattern: str
    """Path; a name in angle brackets stands for one part of it."""
    asset: Asset
    meaning: str
    side: Side = Side.CREDIT
    owned: bool = False
    """Belongs to the member named by its first two parts, who must have opened it."""
    gives_back: bool = False
    """What it gives was its receiver's before, and is not held to a limit again."""

    def matches(self, path: str) -> bool:
        """Tell whether an account belongs to this line."""
        parts, wanted = path.split(":"), self.pattern.split(":")
        return len(parts) == len(wanted) and all(
            want == part or (want.startswith("<") and part)
            for want, part in zip(wanted, parts, strict=True)
        )


def _owned(role: str, *assets: Asset) -> tuple[AccountKind, ...]:
    meanings = {
        Asset.USD: "Dollars earned and not yet withdrawn",
        Asset.TOKEN: "Tokens in custody",
        Asset.POINT: "Contribution points of the epoch",
    }
    return tuple(
        AccountKind(f"{role}:<name>:{asset}", asset, meanings[asset], owned=True)
        for asset in assets
    )


CHART = (
    AccountKind("market:usd", Asset.USD, "Dollars outside the network", Side.DEBIT),
    AccountKind(
        "consumer:<name>:credit",
        Asset.USD,
        "Service credits: paid in and not yet spent",
        owned=True,
    ),
    AccountKind(
        "consumer:<name>:grant",
        Asset.USD,
        "Service credits given away: spent first, never withdrawn",
        owned=True,
        gives_back=True,
    ),
    *_owned("supplier", Asset.USD, Asset.TOKEN, Asset.POINT),
    *_owned("creator", Asset.USD, Asset.TOKEN, Asset.POINT),
    *_owned("contributor", Asset.USD, Asset.TOKEN, Asset.POINT),
    *_owned("holder", Asset.TOKEN),
    AccountKind("consumers:<class>:credit", Asset.USD, "Paid in by a consumer class"),
    AccountKind(
        "escrow:credit",
        Asset.USD,
        "Service credits that holds reserve",
        gives_back=True,
    ),
    AccountKind(
        "escrow:jobs",
        Asset.USD,
        "Service credits that jobs reserve",
        gives_back=True,
    ),
    AccountKind(
        "escrow:withdrawals:usd",
        Asset.USD,
        "Dollars on their way to a bank",
        gives_back=True,
    ),
    AccountKind(
        "escrow:withdrawals:token",
        Asset.TOKEN,
        "Tokens on their way to a wallet",
        gives_back=True,
    ),
    AccountKind("settlement:usd", Asset.USD, "Income of the day, until it is paid out"),
    AccountKind(
        "income:<project>:<kind>",
        Asset.USD,
        "Income of the day from validated jobs, until its close",
    ),
    AccountKind("settlement:taxes", Asset.USD, "Taxes of the day, until its close"),
    AccountKind(
        "settlement:buyback", Asset.USD, "Buy-back capital of the day, until its close"
    ),
    AccountKind("reserve:usd:operations", Asset.USD, "Dollars that run the network"),
    AccountKind("reserve:usd:buyback", Asset.USD, "Buy-back capital not yet spent"),
    AccountKind("suppliers:<kind>:usd", Asset.USD, "Dollars earned by a supplier kind"),
    AccountKind("issuance", Asset.TOKEN, "Minus all tokens that exist", Side.DEBIT),
    AccountKind("fund:<name>", Asset.TOKEN, "Fund that has not vested"),
    AccountKind("reserve:token:phase1:<project>", Asset.TOKEN, "To release in Phase 1"),
    AccountKind("reserve:token:phase2:<pool>", Asset.TOKEN, "To emit in Phase 2"),
    AccountKind("reserve:token:unassigned", Asset.TOKEN, "For projects to come"),
    AccountKind("reserve:token:float", Asset.TOKEN, "Free part of the token reserve"),
    AccountKind(
        "locked:phase1:<project>",
        Asset.TOKEN,
        "Phase 1 rewards until the switch",
        gives_back=True,
    ),
    AccountKind(
        "locked:agent:<agent>",
        Asset.TOKEN,
        "Stake that an agent locks",
        gives_back=True,
    ),
    AccountKind(
        "escrow:bonds",
        Asset.TOKEN,
        "Bonds of suppliers for the work they have",
        gives_back=True,
    ),
    AccountKind(
        "escrow:stakes",
        Asset.TOKEN,
        "Stakes of validators",
        gives_back=True,
    ),
    AccountKind(
        "escrow:heldback:usd",
        Asset.USD,
        "Pay of suppliers' last jobs, until later ones have gone well too",
        gives_back=True,
    ),
    AccountKind(
        "escrow:heldback:token", Asset.TOKEN, "The same in tokens", gives_back=True
    ),
    AccountKind(
        "suppliers:<kind>:token", Asset.TOKEN, "Tokens on their way to suppliers"
    ),
    AccountKind("validators:token", Asset.TOKEN, "Tokens on their way to validators"),
    AccountKind("market:token", Asset.TOKEN, "In circulation, in holders' own wallets"),
    AccountKind("burned", Asset.TOKEN, "Destroyed"),
    AccountKind("points:issued", Asset.POINT, "Minus all points", Side.DEBIT),
    AccountKind(
        "vault:<vault>:issued", Asset.UNIT, "Minus all units of a vault", Side.DEBIT
    ),
    AccountKind("vault:<vault>:compute", Asset.UNIT, "Units for compute to come"),
    AccountKind("vault:<vault>:data", Asset.UNIT, "Units for data to come"),
    AccountKind("units:<vault>:<role>:<name>", Asset.UNIT, "Units that a member has"),
    AccountKind(
        "vault:<vault>:inflow:usd", Asset.USD, "Revenue that is not recorded yet"
    ),
    AccountKind("vault:<vault>:inflow:token", Asset.TOKEN, "The same in tokens"),
    AccountKind(
        "vault:<vault>:usd",
        Asset.USD,
        "Revenue until it is claimed",
        gives_back=True,
    ),
    AccountKind(
        "vault:<vault>:token", Asset.TOKEN, "The same in tokens", gives_back=True
    ),
    AccountKind(
        "locked:data:<training>",
        Asset.TOKEN,
        "Stakes that answer for data",
        gives_back=True,
    ),
)
"""Every account that there may be."""

NAMES_REMEMBERED: Final = 1 << 18
"""Accounts whose lines are remembered; more are looked up again."""

ROLES: Final = tuple(
    dict.fromkeys(kind.pattern.split(":")[0] for kind in CHART if kind.owned)
)
"""Who may own accounts."""


@dataclass(frozen=True, slots=True)
class Account:
    """An account that a member has opened."""

    id: AccountId
    limit: int = AMOUNT_MAX
    """Most that it may hold, in micro-units."""
    closed: bool = False


def _find(path: AccountId) -> AccountKind | None:
    if len(path) > PATH_MAX:
        return None
    kinds = [kind for kind in CHART if kind.matches(path)]
    assert len(kinds) <= 1, f"two lines of the chart match {path}"
    return kinds[0] if kinds else None


@lru_cache(NAMES_REMEMBERED)
def kind_of(path: AccountId) -> AccountKind:
    """Find the line of the chart that an account belongs to."""
    kind = _find(path)
    assert kind is not None, f"the chart of accounts has no {path}"
    return kind


@lru_cache(NAMES_REMEMBERED)
def named_account(path: str) -> AccountId:
    """Take an account that a person has named. Refuses with `UnknownAccount`."""
    kind = _find(AccountId(path))
    if kind is None or (kind.owned and not NAME.fullmatch(path.split(":")[1])):
        patterns = ", ".join(kind.pattern for kind in CHART if kind.owned)
        raise UnknownAccount(
            f"there is no account {path[:PATH_MAX]!r}; members' accounts are {patterns}"
        )
    return AccountId(path)


def accounts_of(owner: str) -> tuple[AccountId, ...]:
    """List the accounts that a member may open, by its role."""
    role, _, name = owner.partition(":")
    return tuple(
        account(role, name, kind.pattern.split(":")[2])
        for kind in CHART
        if kind.owned and kind.pattern.split(":")[0] == role
    )


@lru_cache(NAMES_REMEMBERED)
def owner_of(path: AccountId) -> str:
    """Name the member whose account it is; empty for accounts of the network."""
    return path.rpartition(":")[0] if kind_of(path).owned else ""


def account(*parts: str) -> AccountId:
    """
    Name an account; the chart must have it.

    >>> account("supplier", "gpu-7", "usd")
    'supplier:gpu-7:usd'
    """
    path = AccountId(":".join(parts))
    kind_of(path)
    return path
