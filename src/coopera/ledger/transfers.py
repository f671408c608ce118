"""Transfers, and the balances that they leave."""

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, TypeVar

from coopera.errors import (
    AccountClosed,
    AmountTooLarge,
    InsufficientBalance,
    Refusal,
    UnknownAccount,
)
from coopera.ledger.accounts import Account, AccountId, Asset, Side, kind_of
from coopera.units import AMOUNT_MAX

K = TypeVar("K")
V = TypeVar("V")


class Working(NamedTuple):
    """A formula of the book, and what it was given."""

    formula: str
    """`chapter.name`."""
    arguments: tuple[Any, ...]
    """In the order of the formula's signature."""


class Transfer(NamedTuple):
    """
    One amount of one asset, out of one account and into another.

    A tuple and not a class of its own, since a busy network makes a hundred thousand of
    them a second.
    """

    debit: AccountId
    """Account that gives."""
    credit: AccountId
    """Account that receives."""
    amount: int
    """Micro-units, above zero."""
    reason: str
    """What it is for, in a word or two; or the formula that sized it."""
    working: int = -1
    """Which of the command's workings found it; -1 where the command gave it."""
    part: int = 0
    """Which of the formula's results it is, where there are several."""


class Bounds(NamedTuple):
    """Between which balances an account may stand, and of what."""

    low: int
    high: int
    asset: Asset


def bounds_of(path: AccountId, opened: Callable[[AccountId], Account | None]) -> Bounds:
    """
    Find the bounds of an account: its normal side, and its own limit if it has one.

    Refuses with `UnknownAccount` a member's account that was not opened, and with
    `AccountClosed`.
    """
    kind = kind_of(path)
    if kind.side is Side.DEBIT:
        return Bounds(-AMOUNT_MAX, 0, kind.asset)
    if not kind.owned:
        return Bounds(0, AMOUNT_MAX, kind.asset)
    account = opened(path)
    if account is None:
        raise UnknownAccount(f"{path} was never opened; open it first")
    if account.closed:
        raise AccountClosed(f"{path} is closed; name another account")
    return Bounds(0, account.limit, kind.asset)


@dataclass(slots=True, eq=False)
class Standing:
    """
    Where an account stands, and between what it may: all that a transfer looks at.

    One object, since what a transfer costs is mostly finding things in memory.
    """

    id: AccountId
    balance: int
    low: int
    high: int
    asset: Asset
    shut: Refusal | None = None
    """Why nothing may move, where the account is not open."""
    number: int = 0
    """Number among the accounts that are kept; 0 until it has one."""
    last: int = 0
    """Number of the last transfer that touched it."""

    def bind(self, opened: Callable[[AccountId], Account | None]) -> None:
        """Take the bounds that `bounds_of` finds, or none at all."""
        try:
            self.low, self.high, self.asset = bounds_of(self.id, opened)
            self.shut = None
        except (UnknownAccount, AccountClosed) as refusal:
            self.low, self.high, self.shut = AMOUNT_MAX + 1, -AMOUNT_MAX - 1, refusal


def standing_of(
    path: AccountId, balance: int, opened: Callable[[AccountId], Account | None]
) -> Standing:
    """Make an account's standing, open or not."""
    standing = Standing(path, balance, 0, 0, kind_of(path).asset)
    standing.bind(opened)
    return standing


class Remembered(dict[K, V]):
    """
    Dictionary that asks for what it does not have, and remembers the answer.

    It forgets everything once it has as many answers as it may.
    """

    def __init__(self, ask: Callable[[K], V], most: int = sys.maxsize) -> None:
        super().__init__()
        self._ask, self._most = ask, most

    def __missing__(self, key: K) -> V:
        """Ask."""
        if len(self) >= self._most:
            self.clear()
        found = self[key] = self._ask(key)
        return found


def move(
    standings: Mapping[AccountId, Standing], transfers: Sequence[Transfer]
) -> None:
    """
    Move the amounts, one transfer after the other.

    The mapping has every account that is asked for, as `Remembered` does. A group of
    transfers succeeds or fails as one. The first transfer that cannot be made refuses
    them all, in this order of precedence: what `bounds_of` refuses, of the account that
    gives and then of the one that receives; `InsufficientBalance`; `AmountTooLarge` for
    what an account may not hold. What comes back from escrow is not held to a member's
    own limit again.
    """
    done = 0
    try:
        for debit, credit, amount, _reason, _working, _part in transfers:
            giver, taker = standings[debit], standings[credit]
            assert amount > 0
            assert giver is not taker
            assert giver.asset is taker.asset
            left, now = giver.balance - amount, taker.balance + amount
            if left < giver.low or now > taker.high:
                _refuse(giver, taker, amount)
            giver.balance, taker.balance = left, now
            done += 1
    except BaseException:
        for debit, credit, amount, *_ in transfers[:done]:
            standings[debit].balance += amount
            standings[credit].balance -= amount
        raise


def _refuse(giver: Standing, taker: Standing, amount: int) -> None:
    """Refuse a transfer, unless it gives back what was the receiver's before."""
    for each in (giver, taker):
        if each.shut is not None:
            raise type(each.shut)(str(each.shut))
    left, now = giver.balance - amount, taker.balance + amount
    if left < giver.low:
        if giver.low:
            raise _too_large(giver.id, -left, -giver.low)
        raise InsufficientBalance(giver.id, giver.balance, amount)
    assert taker.high, f"{taker.id} would owe {now}"
    if now > AMOUNT_MAX or not kind_of(giver.id).gives_back:
        raise _too_large(taker.id, now, taker.high)


def _too_large(path: AccountId, amount: int, limit: int) -> AmountTooLarge:
    return AmountTooLarge(
        f"{path} would hold {amount} micro-units; it may hold at most {limit}"
    )
