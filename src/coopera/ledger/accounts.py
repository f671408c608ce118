"""The chart of accounts: which there are, of what asset, which may be negative."""

from dataclasses import dataclass
from enum import StrEnum
from functools import cache
from typing import NewType

AccountId = NewType("AccountId", str)
"""Path that says whose and what: `supplier:training:usd`, `reserve:token:float`."""


class Asset(StrEnum):
    """What an account holds."""

    USD = "usd"
    """Micro-dollars."""
    TOKEN = "token"  # noqa: S105 - not that kind of token
    """Micro-tokens."""


@dataclass(frozen=True, slots=True)
class AccountKind:
    """One line of the chart."""

    pattern: str
    """Path; a name in angle brackets stands for one part of it."""
    asset: Asset
    meaning: str
    outside: bool = False
    """Stands for the world outside the books, and so goes below zero."""

    def matches(self, path: str) -> bool:
        """Tell whether an account belongs to this line."""
        parts, wanted = path.split(":"), self.pattern.split(":")
        return len(parts) == len(wanted) and all(
            want == part or (want.startswith("<") and part)
            for want, part in zip(wanted, parts, strict=True)
        )


CHART = (
    AccountKind("market:usd", Asset.USD, "Dollars outside the network", outside=True),
    AccountKind("consumer:<class>:credit", Asset.USD, "Paid in and not yet spent"),
    AccountKind("settlement:usd", Asset.USD, "Income of the day, until it is paid out"),
    AccountKind("reserve:usd:operations", Asset.USD, "Dollars that run the network"),
    AccountKind("reserve:usd:buyback", Asset.USD, "Buy-back capital not yet spent"),
    AccountKind("supplier:<kind>:usd", Asset.USD, "Dollars earned by a supplier kind"),
    AccountKind("issuance", Asset.TOKEN, "Minus all tokens that exist", outside=True),
    AccountKind("fund:<name>", Asset.TOKEN, "Fund that has not vested"),
    AccountKind("reserve:token:phase1:<project>", Asset.TOKEN, "To release in Phase 1"),
    AccountKind("reserve:token:phase2:<pool>", Asset.TOKEN, "To emit in Phase 2"),
    AccountKind("reserve:token:unassigned", Asset.TOKEN, "For projects to come"),
    AccountKind("reserve:token:float", Asset.TOKEN, "Free part of the token reserve"),
    AccountKind(
        "locked:phase1:<project>", Asset.TOKEN, "Phase 1 rewards until the switch"
    ),
    AccountKind("escrow:bonds", Asset.TOKEN, "Bonds of suppliers for accepted jobs"),
    AccountKind(
        "supplier:<kind>:token", Asset.TOKEN, "Tokens on their way to suppliers"
    ),
    AccountKind("validators:token", Asset.TOKEN, "Tokens on their way to validators"),
    AccountKind("market:token", Asset.TOKEN, "In circulation, in holders' own wallets"),
    AccountKind("burned", Asset.TOKEN, "Destroyed"),
)
"""Every account that may be opened."""


@cache
def kind_of(path: AccountId) -> AccountKind:
    """Find the line of the chart that an account belongs to."""
    kinds = [kind for kind in CHART if kind.matches(path)]
    assert len(kinds) == 1, f"the chart of accounts has no {path}"
    return kinds[0]


def account(*parts: str) -> AccountId:
    """
    Name an account; the chart must have it.

    >>> account("supplier", "training", "usd")
    'supplier:training:usd'
    """
    path = AccountId(":".join(parts))
    kind_of(path)
    return path
