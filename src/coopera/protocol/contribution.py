"""Contribution points: earned by what members give, shared out of a budget."""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from coopera.errors import Malformed, UnknownAsset, UnknownRecord
from coopera.formulas import allocation, contribution
from coopera.ledger import AccountId, Asset, Transfer, Working, account, kind_of
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.accounts import FLOAT, OPERATIONS
from coopera.protocol.state import Diff, PreState

ISSUED: Final = account("points", "issued")
CONTRIBUTORS: Final = ("supplier", "creator", "contributor")
"""Roles that points are counted for."""


class Per(StrEnum):
    """What a price in points is for."""

    UNIT = "unit"
    """A label, a row of data, an adoption."""
    HOUR = "hour"
    """An hour of a machine's running time."""


@dataclass(frozen=True, slots=True)
class Contribution:
    """A type of contribution, with its price in points."""

    id: str
    price: int
    """Micro-points."""
    per: Per


@dataclass(frozen=True, slots=True)
class ListContribution:
    """Command by which a type of contribution is priced in points."""

    id: str
    price: int
    per: str = Per.UNIT


@dataclass(frozen=True, slots=True)
class Contribute:
    """Command by which what a member gave is counted."""

    member: str
    given: tuple[tuple[str, int], ...]
    """Types, and units; or seconds where the price is an hour's."""


@dataclass(frozen=True, slots=True)
class ShareBudget:
    """Command by which an epoch's budget is shared, in proportion to points."""

    asset: str
    amount: int


def list_contribution(
    _pre: PreState, _params: Params, command: ListContribution
) -> Diff:
    """Price a type of contribution. Refuses `Malformed` and those of the price."""
    name = checks.new_name("id", command.id)
    price = checks.count("price", command.price)
    if command.per not in list(Per):
        raise Malformed(
            f"per is {str(command.per)[:80]!r}; it must be {' or '.join(Per)}"
        )
    return Diff(records=(Contribution(name, price, Per(command.per)),))


def contribute(pre: PreState, _params: Params, command: Contribute) -> Diff:
    """
    Count the points of what a member gave.

    Refusals, in order of precedence: `Malformed`, those of the quantities,
    `UnknownRecord` for a type without a price, `ZeroAmount`, those of the account.
    """
    owner = checks.member("member", command.member, *CONTRIBUTORS).id
    units: list[tuple[int, int]] = []
    workings: list[Working] = []
    points: list[int] = []
    for name, quantity in command.given:
        checks.count("given", quantity)
        listed = checks.existing(pre, Contribution, name)
        if listed.per is Per.UNIT:
            units.append((listed.price, quantity))
            continue
        hours = (listed.price, quantity)
        workings.append(Working("contribution.running_time_points", hours))
        points.append(contribution.running_time_points(*hours))
    if units:
        columns: tuple[Sequence[int], ...] = tuple(zip(*units, strict=True))
        workings.append(Working("contribution.contribution_points", columns))
        points.append(contribution.contribution_points(*columns))
    checks.amount("points", sum(points))
    path = AccountId(f"{owner}:point")
    return Diff(
        tuple(
            Transfer(ISSUED, path, part, "contribution", i)
            for i, part in enumerate(points)
            if part
        ),
        workings=tuple(workings),
    )


def share_budget(pre: PreState, _params: Params, command: ShareBudget) -> Diff:
    """
    Share a budget among all who hold points, and take the points back.

    Dollars come out of the operations reserve, tokens out of the float.

    Refusals, in order of precedence: `UnknownAsset`, those of the amount,
    `UnknownRecord` where nobody holds points, those of the accounts.
    """
    sources = {Asset.USD: OPERATIONS, Asset.TOKEN: FLOAT}
    if command.asset not in sources:
        raise UnknownAsset(
            f"asset is {str(command.asset)[:80]!r}; a budget is usd or token"
        )
    asset = Asset(command.asset)
    budget = checks.amount("amount", command.amount)
    held = sorted(
        (path, points)
        for path, points in pre.balances().items()
        if points > 0 and kind_of(path).asset is Asset.POINT
    )
    if not held:
        raise UnknownRecord("nobody holds points; there is no one to share among")
    given = (budget, tuple(points for _, points in held))
    transfers = []
    for i, part in enumerate(allocation.largest_remainder(*given)):
        path, points = held[i]
        to = AccountId(f"{path.rpartition(':')[0]}:{asset.value}")
        if part:
            transfers.append(Transfer(sources[asset], to, part, "points shared", 0, i))
        transfers.append(Transfer(path, ISSUED, points, "points taken back"))
    return Diff(
        tuple(transfers), workings=(Working("allocation.largest_remainder", given),)
    )
