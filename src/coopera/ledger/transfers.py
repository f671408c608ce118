"""Transfers, and the balances that they leave."""

from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple, TypeVar

from coopera.errors import (
    AccountClosed,
    AmountTooLarge,
    InsufficientBalance,
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


class Remembered(dict[K, V]):
    """Dictionary that asks for what it does not have, and remembers the answer."""

    def __init__(self, ask: Callable[[K], V]) -> None:
        super().__init__()
        self._ask = ask

    def __missing__(self, key: K) -> V:
        """Ask."""
        found = self[key] = self._ask(key)
        return found


def balances_after(
    balances: Mapping[AccountId, int],
    bounds: Mapping[AccountId, Bounds],
    transfers: Iterable[Transfer],
) -> dict[AccountId, int]:
    """
    Move the amounts, one transfer after the other: the accounts touched, as they stand.

    Both mappings have every account that is asked for, as `Remembered` does. A group of
    transfers succeeds or fails as one. The first transfer that cannot be made refuses
    them all, in this order of precedence: what `bounds_of` refuses, of the account that
    gives and then of the one that receives; `InsufficientBalance`; `AmountTooLarge` for
    what an account may not hold. What comes back from escrow is not held to a member's
    own limit again.
    """
    after: dict[AccountId, int] = {}
    for debit, credit, amount, _reason, _working, _part in transfers:
        low, _, asset = bounds[debit]
        _, high, same = bounds[credit]
        assert amount > 0
        assert debit != credit
        assert asset is same
        held = after.get(debit)
        if held is None:
            held = balances[debit]
        left = held - amount
        if left < low:
            if low:
                raise _too_large(debit, -left, -low)
            raise InsufficientBalance(debit, held, amount)
        after[debit] = left
        held = after.get(credit)
        if held is None:
            held = balances[credit]
        now = held + amount
        if now > high:
            assert high, f"{credit} would owe {now}"
            if now <= AMOUNT_MAX and kind_of(debit).gives_back:
                after[credit] = now
                continue
            raise _too_large(credit, now, high)
        after[credit] = now
    return after


def _too_large(path: AccountId, amount: int, limit: int) -> AmountTooLarge:
    return AmountTooLarge(
        f"{path} would hold {amount} micro-units; it may hold at most {limit}"
    )
