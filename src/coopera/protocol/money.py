"""Money in and out: accounts, deposits, withdrawals, grants, moves, refunds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from coopera.errors import (
    AccountClosed,
    AccountNotEmpty,
    NotRefundable,
    ReferenceUsed,
    UnknownAccount,
    UnknownRecord,
)
from coopera.formulas.allocation import largest_remainder
from coopera.ledger import (
    Account,
    AccountId,
    Asset,
    Hold,
    HoldStatus,
    Transfer,
    Working,
    account,
    accounts_of,
    kind_of,
    owner_of,
)
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.holds import NEVER, pending_hold
from coopera.protocol.state import Diff, PreState
from coopera.units import AMOUNT_MAX

OPERATIONS = account("reserve", "usd", "operations")
MARKET: Final = {
    Asset.USD: account("market", "usd"),
    Asset.TOKEN: account("market", "token"),
}
"""Where money comes from and goes to."""


@dataclass(frozen=True, slots=True)
class OpenAccounts:
    """Command by which a member's accounts are opened, by its role."""

    owner: str
    limit: int = AMOUNT_MAX
    """Most that each may hold, in micro-units."""


@dataclass(frozen=True, slots=True)
class CloseAccounts:
    """Command by which a member's empty accounts are closed for good."""

    owner: str


@dataclass(frozen=True, slots=True)
class Deposit:
    """Command by which dollars or tokens that came from outside are entered."""

    account: str
    """A member's account, or `reserve:usd:operations`."""
    asset: str
    amount: int
    reference: str
    """Of the payment or transaction outside; entered once."""


@dataclass(frozen=True, slots=True)
class RequestWithdrawal:
    """Command by which a member asks for dollars or tokens to be sent outside."""

    id: str
    account: str
    asset: str
    amount: int


@dataclass(frozen=True, slots=True)
class ConfirmWithdrawal:
    """Command by which a withdrawal is entered as sent."""

    id: str
    reference: str
    """Of the payment or transaction outside."""


@dataclass(frozen=True, slots=True)
class CancelWithdrawal:
    """Command by which a withdrawal that was not sent is given back."""

    id: str


@dataclass(frozen=True, slots=True)
class GrantCredit:
    """Command by which the network gives service credits away."""

    consumer: str
    amount: int
    memo: str


@dataclass(frozen=True, slots=True)
class Move:
    """Command by which a member moves what it holds to another account."""

    debit: str
    credit: str
    asset: str
    amount: int
    memo: str = ""


@dataclass(frozen=True, slots=True)
class RefundCharge:
    """Command by which a consumer gets back what a receipt charged, or a part."""

    receipt: int
    amount: int
    memo: str


@dataclass(frozen=True, slots=True)
class Reference:
    """A payment or transaction outside that has been entered."""

    id: str


@dataclass(frozen=True, slots=True)
class PaidIn:
    """What a consumer paid in and did not take back: the most that goes back."""

    id: str
    """Account."""
    amount: int


@dataclass(frozen=True, slots=True)
class Refunded:
    """What was given back of a receipt."""

    id: str
    """Number of the receipt."""
    amount: int


def open_accounts(pre: PreState, _params: Params, command: OpenAccounts) -> Diff:
    """
    Open a member's accounts.

    Refusals, in order of precedence: `Malformed`, `NegativeAmount`, `AmountTooLarge`,
    `ZeroAmount`, `AlreadyExists`.
    """
    owner = checks.member("owner", command.owner)
    limit = checks.amount("limit", command.limit)
    paths = accounts_of(owner)
    for path in paths:
        checks.not_yet(pre, Account, path)
    return Diff(records=tuple(Account(path, limit) for path in paths))


def close_accounts(pre: PreState, _params: Params, command: CloseAccounts) -> Diff:
    """
    Close a member's accounts, which must be empty.

    Refusals, in order of precedence: `Malformed`, `UnknownAccount`, `AccountClosed`,
    `AccountNotEmpty`, also for what a pending hold will give back.
    """
    closed = []
    for path in accounts_of(checks.member("owner", command.owner)):
        was = pre.record(Account, path)
        if was is None:
            raise UnknownAccount(f"{path} was never opened")
        if was.closed:
            raise AccountClosed(f"{path} is closed already")
        if held := pre.balance(path):
            raise AccountNotEmpty(
                f"{path} holds {held} micro-units; withdraw or move them first"
            )
        closed.append(replace(was, closed=True))
    paths = {each.id for each in closed}
    for hold in pre.records(Hold).values():
        if hold.account in paths and hold.status is HoldStatus.PENDING:
            raise AccountNotEmpty(
                f"{hold.account} has a pending hold, {hold.id}; post or void it first"
            )
    return Diff(records=tuple(closed))


def deposit(pre: PreState, _params: Params, command: Deposit) -> Diff:
    """
    Enter what came from outside.

    Refusals, in order of precedence: `UnknownAsset`, `UnknownAccount`,
    `CurrencyMismatch`, those of the amount, `Malformed` for the reference,
    `ReferenceUsed`, those of the accounts.
    """
    path = checks.members_account(command.account, command.asset)
    if path != OPERATIONS:
        _refuse_others(path)
    amount = checks.amount("amount", command.amount)
    asset = kind_of(path).asset
    if asset not in MARKET:
        raise UnknownAccount(f"{path} takes no deposits; {asset.value}s are earned")
    entered = _entered_once(pre, "deposit", asset, command.reference)
    records: tuple[Reference | PaidIn, ...] = (entered,)
    if _is_credit(path):
        before = pre.record(PaidIn, path)
        records += (PaidIn(path, (before.amount if before else 0) + amount),)
    moved = Transfer(MARKET[asset], path, amount, "deposit")
    return Diff((moved,), records=records)


def request_withdrawal(
    pre: PreState, _params: Params, command: RequestWithdrawal
) -> Diff:
    """
    Put aside what a member wants to be sent outside.

    Of service credits, only what was paid in goes back.

    Refusals, in order of precedence: `UnknownAsset`, `UnknownAccount`,
    `CurrencyMismatch`, `Malformed`, those of the amount, `AlreadyExists`,
    `NotRefundable`, those of the accounts.
    """
    path = checks.members_account(command.account, command.asset)
    _refuse_others(path)
    asset = kind_of(path).asset
    if asset not in MARKET:
        raise UnknownAccount(f"{path} allows no withdrawals; {asset.value}s are shared")
    name = _withdrawal(checks.new_name("id", command.id))
    amount = checks.amount("amount", command.amount)
    checks.not_yet(pre, Hold, name)
    records: tuple[Hold | PaidIn, ...] = ()
    if _is_credit(path):
        paid_in = pre.record(PaidIn, path) or PaidIn(path, 0)
        if amount > paid_in.amount:
            raise NotRefundable(
                f"{path} was paid {paid_in.amount} micro-dollars that can go back; "
                f"{amount} are asked for"
            )
        records = (replace(paid_in, amount=paid_in.amount - amount),)
    escrow = account("escrow", "withdrawals", asset.value)
    hold = Hold(name, path, escrow, amount, NEVER)
    aside = Transfer(path, escrow, amount, "withdrawal requested")
    return Diff((aside,), records=(hold, *records))


def confirm_withdrawal(
    pre: PreState, _params: Params, command: ConfirmWithdrawal
) -> Diff:
    """
    Enter a withdrawal as sent.

    Refusals, in order of precedence: `UnknownRecord`, `HoldNotPending`, `Malformed`
    for the reference, `ReferenceUsed`.
    """
    hold = pending_hold(pre, _withdrawal(command.id))
    asset = kind_of(hold.account).asset
    entered = _entered_once(pre, "withdrawal", asset, command.reference)
    sent = Transfer(hold.escrow, MARKET[asset], hold.amount, "withdrawal")
    return Diff((sent,), records=(replace(hold, status=HoldStatus.POSTED), entered))


def cancel_withdrawal(
    pre: PreState, _params: Params, command: CancelWithdrawal
) -> Diff:
    """
    Give back a withdrawal that was not sent.

    Refusals, in order of precedence: `UnknownRecord`, `HoldNotPending`, those of the
    account.
    """
    hold = pending_hold(pre, _withdrawal(command.id))
    records: tuple[Hold | PaidIn, ...] = (replace(hold, status=HoldStatus.VOIDED),)
    if _is_credit(hold.account):
        paid_in = pre.record(PaidIn, hold.account) or PaidIn(hold.account, 0)
        records += (replace(paid_in, amount=paid_in.amount + hold.amount),)
    back = Transfer(hold.escrow, hold.account, hold.amount, "withdrawal cancelled")
    return Diff((back,), records=records)


def grant_credit(_pre: PreState, _params: Params, command: GrantCredit) -> Diff:
    """
    Give service credits out of the operations dollars; they cannot be withdrawn.

    Refusals, in order of precedence: `Malformed`, those of the amount and the accounts.
    """
    consumer = checks.member("consumer", command.consumer, "consumer")
    amount = checks.amount("amount", command.amount)
    checks.text("memo", command.memo)
    credit = AccountId(f"{consumer}:credit")
    return Diff((Transfer(OPERATIONS, credit, amount, "grant"),))


def move(_pre: PreState, _params: Params, command: Move) -> Diff:
    """
    Move what a member holds: earnings into service credits, tokens to another holder.

    Refusals, in order of precedence: `UnknownAsset`, `UnknownAccount`,
    `CurrencyMismatch`, those of the amount, `Malformed`, those of the accounts.
    """
    debit = checks.members_account(command.debit, command.asset)
    credit = checks.members_account(command.credit, command.asset)
    _refuse_others(debit)
    _refuse_others(credit)
    amount = checks.amount("amount", command.amount)
    checks.text("memo", command.memo, empty=True)
    if kind_of(debit).asset is Asset.POINT:
        raise UnknownAccount(f"{debit} cannot be moved; who earned points keeps them")
    if _is_credit(debit):
        raise NotRefundable(f"{debit} can be spent or withdrawn, and not moved")
    if debit == credit:
        raise UnknownAccount(f"{debit} is named twice; name another account to move to")
    return Diff((Transfer(debit, credit, amount, "move"),))


def refund_charge(pre: PreState, _params: Params, command: RefundCharge) -> Diff:
    """
    Give a consumer back what a receipt charged, or a part of it.

    Those who were paid give it back in proportion to what they were paid. What one of
    them has spent already, the operations dollars pay: the consumer is made whole.

    Refusals, in order of precedence: those of the amount, `Malformed`,
    `UnknownRecord`, `NotRefundable`, those of the accounts.
    """
    amount = checks.amount("amount", command.amount)
    checks.text("memo", command.memo)
    receipt = checks.count("receipt", command.receipt)
    moved = pre.moved(receipt)
    if not moved:
        raise UnknownRecord(f"there is no receipt {receipt} that moved anything")
    charge = charged(moved)
    if charge is None:
        raise NotRefundable(f"receipt {receipt} charged no consumer")
    consumer, paid = charge
    done = pre.record(Refunded, str(receipt)) or Refunded(str(receipt), 0)
    whole = sum(part for _, part in paid)
    if done.amount + amount > whole:
        raise NotRefundable(
            f"receipt {receipt} charged {whole} micro-dollars and {done.amount} were "
            f"refunded; {amount} more are asked for"
        )
    weights = tuple(part for _, part in paid)
    working = Working("allocation.largest_remainder", (amount, weights))
    transfers = []
    spent: dict[AccountId, int] = {}
    for i, part in enumerate(largest_remainder(amount, weights)):
        path = paid[i][0]
        opened = pre.record(Account, path)
        closed = bool(owner_of(path)) and (opened is None or opened.closed)
        left = 0 if closed else pre.balance(path) - spent.get(path, 0)
        given = min(part, left)
        spent[path] = spent.get(path, 0) + given
        if given:
            transfers.append(Transfer(path, consumer, given, "refund", 0, i))
        if part > given:
            transfers.append(
                Transfer(OPERATIONS, consumer, part - given, "refund, made whole", 0, i)
            )
    return Diff(
        tuple(transfers),
        records=(replace(done, amount=done.amount + amount),),
        workings=(working,),
    )


def charged(
    moved: Sequence[Transfer],
) -> tuple[AccountId, list[tuple[AccountId, int]]] | None:
    """Tell which consumer a receipt charged, and who was paid how much."""
    charges = [
        each
        for each in moved
        if _is_credit(each.debit) and not each.credit.startswith("escrow:")
    ]
    if not charges:
        return None
    return charges[0].debit, [(each.credit, each.amount) for each in charges]


def _entered_once(pre: PreState, what: str, asset: Asset, written: object) -> Reference:
    reference = f"{what}:{asset.value}:{checks.text('reference', written)}"
    if pre.record(Reference, reference) is not None:
        raise ReferenceUsed(
            f"the {what} with the reference {written!r} was entered before; nothing "
            "is entered twice"
        )
    return Reference(reference)


def _withdrawal(name: str) -> str:
    """Name the hold of a withdrawal, apart from those of calls."""
    return f"withdrawal:{name}"


def _is_credit(path: AccountId) -> bool:
    return path.startswith("consumer:")


def _refuse_others(path: AccountId) -> None:
    if not owner_of(path):
        raise UnknownAccount(f"{path} is the network's own; name a member's account")
