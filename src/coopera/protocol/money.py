"""Money in and out: accounts, deposits, withdrawals, grants, moves, refunds."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from coopera.errors import (
    AccountClosed,
    AccountInUse,
    AccountNotEmpty,
    NotAllowed,
    NotRefundable,
    ReferenceUsed,
    UnknownAccount,
    UnknownRecord,
)
from coopera.formulas.allocation import largest_remainder
from coopera.ledger import (
    NEVER,
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
from coopera.protocol.accounts import MARKET, MARKET_USD, OPERATIONS
from coopera.protocol.data import DataSet, DataStake
from coopera.protocol.holds import GRANT_SPENT, grant_of, pending_hold
from coopera.protocol.launchpad import Stake
from coopera.protocol.listing import Agent, Model
from coopera.protocol.state import Diff, PreState
from coopera.protocol.supply import Resource, Stage, Track
from coopera.protocol.training import Round, RoundStage, round_name
from coopera.protocol.vaults import Holding, Vault, holding_name, units_of
from coopera.units import AMOUNT_MAX

OUTSIDE: Final = {
    Asset.USD: MARKET_USD,
    Asset.TOKEN: MARKET,
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
class Refunded:
    """What was given back of a receipt."""

    id: str
    """Number of the receipt."""
    parts: tuple[int, ...]
    """By whom it paid, in the order of its transfers."""
    granted: int = 0
    """Part that went back to the consumer's grants."""


def open_accounts(pre: PreState, _params: Params, command: OpenAccounts) -> Diff:
    """
    Open a member's accounts.

    Refusals, in order of precedence: `Malformed`, `NegativeAmount`, `AmountTooLarge`,
    `ZeroAmount`, `AlreadyExists`.
    """
    owner = checks.member("owner", command.owner).id
    limit = checks.amount("limit", command.limit)
    paths = accounts_of(owner)
    for path in paths:
        checks.not_yet(pre, Account, path)
    return Diff(records=tuple(Account(path, limit) for path in paths))


def close_accounts(pre: PreState, _params: Params, command: CloseAccounts) -> Diff:
    """
    Close a member's accounts, which must be empty but for grants, which go back.

    Refusals, in order of precedence: `Malformed`, `UnknownAccount`, `AccountClosed`,
    `AccountNotEmpty`, also for what a pending hold will give back, `AccountInUse` for
    a stake that is not returned, for what a listed agent or model still pays, and for
    royalties that are not claimed, or still to come.
    """
    owner = checks.member("owner", command.owner).id
    closed = []
    returned = []
    for path in accounts_of(owner):
        was = pre.record(Account, path)
        if was is None:
            raise UnknownAccount(f"{path} was never opened")
        if was.closed:
            raise AccountClosed(f"{path} is closed already")
        held = pre.balance(path)
        if held and not kind_of(path).gives_back:
            raise AccountNotEmpty(
                f"{path} holds {held} micro-units; withdraw or move them first"
            )
        if held:
            returned.append(Transfer(path, OPERATIONS, held, "grant taken back"))
        closed.append(replace(was, closed=True))
    _refuse_in_use(pre, owner)
    return Diff(tuple(returned), records=tuple(closed))


def _refuse_in_use(pre: PreState, owner: str) -> None:
    """Refuse to close accounts that something will still pay."""
    for hold in pre.records(Hold).values():
        if owner_of(hold.account) == owner and hold.status is HoldStatus.PENDING:
            raise AccountNotEmpty(
                f"{hold.account} has a pending hold, {hold.id}; post or void it first"
            )
    _refuse_unpaid(pre, owner)
    _refuse_units(pre, owner)
    _refuse_trained(pre, owner)
    for stake in pre.records(Stake).values():
        if owner_of(stake.account) == owner and stake.amount:
            raise AccountInUse(
                f"{stake.account} gets back the stake {stake.id}; return that first"
            )
    on_the_list: list[Agent | Model] = [*pre.records(Agent).values()]
    on_the_list += pre.records(Model).values()
    for each in on_the_list:
        if owner in each.pays and not each.retired:
            raise AccountInUse(
                f"{type(each).__name__.lower()} {each.id} pays {owner}; retire it first"
            )


def _refuse_unpaid(pre: PreState, owner: str) -> None:
    """Refuse to close accounts of a supplier that has resources, or pay to come."""
    for resource in pre.records(Resource).values():
        if resource.owner != owner:
            continue
        if resource.stage is not Stage.RETIRED:
            raise AccountInUse(f"resource {resource.id} pays {owner}; retire it first")
        track = pre.record(Track, resource.id)
        if track is not None and track.unpaid:
            raise AccountInUse(
                f"resource {resource.id} has earned what {owner} was not paid yet; "
                "wait for the close of the day"
            )


def _refuse_units(pre: PreState, owner: str) -> None:
    """Refuse to close accounts of a member that has royalty units, or earnings left."""
    for vault in pre.records(Vault):
        path = units_of(vault, owner)
        if pre.balance(path):
            raise AccountInUse(f"{path} has royalty units; move them first")
        holding = pre.record(Holding, holding_name(vault, owner))
        if holding is not None and any(
            each.claimed < each.total for each in (holding.usd, holding.token)
        ):
            raise AccountInUse(
                f"{owner} has not claimed all that it earned from vault {vault}; claim "
                "it first"
            )


def _refuse_trained(pre: PreState, owner: str) -> None:
    """Refuse to close accounts of who is to have royalty units, or a stake of data."""
    for stake in pre.records(DataStake).values():
        training, _, contributor = stake.id.partition(":")
        if contributor == owner and stake.amount:
            raise AccountInUse(
                f"{owner} has a stake on its data in training {training}; have it "
                "returned first"
            )
    open_rounds = {
        round_.id: round_
        for round_ in pre.records(Round).values()
        if round_.stage is not RoundStage.FINISHED
    }
    working = [each.id for each in open_rounds.values() if owner in each.nodes]
    working += [
        name
        for data in pre.records(DataSet).values()
        if data.contributor == owner
        and (name := round_name(data.training, data.round)) in open_rounds
    ]
    if working:
        raise AccountInUse(
            f"round {working[0]} may bring {owner} royalty units; wait until it is "
            "finished"
        )


def deposit(pre: PreState, _params: Params, command: Deposit) -> Diff:
    """
    Enter what came from outside.

    Refusals, in order of precedence: `UnknownAsset`, `UnknownAccount`,
    `CurrencyMismatch`, `NotAllowed`, those of the amount, `Malformed` for the
    reference, `ReferenceUsed`, those of the accounts.
    """
    path = checks.members_account(command.account, command.asset)
    if path != OPERATIONS:
        checks.own_account(path, command.asset)
    asset = kind_of(path).asset
    if asset not in OUTSIDE:
        raise NotAllowed(f"{path} takes no deposits; {asset.value}s are earned")
    amount = checks.amount("amount", command.amount)
    entered = _entered_once(pre, "deposit", asset, command.reference)
    moved = Transfer(OUTSIDE[asset], path, amount, "deposit")
    return Diff((moved,), records=(entered,))


def request_withdrawal(
    pre: PreState, _params: Params, command: RequestWithdrawal
) -> Diff:
    """
    Put aside what a member wants to be sent outside; of credits, not the grants.

    Refusals, in order of precedence: `UnknownAsset`, `UnknownAccount`,
    `CurrencyMismatch`, `NotAllowed`, `Malformed`, those of the amount, `AlreadyExists`,
    those of the accounts.
    """
    path = checks.own_account(command.account, command.asset)
    asset = kind_of(path).asset
    if asset not in OUTSIDE:
        raise NotAllowed(f"{path} allows no withdrawals; {asset.value}s are shared")
    name = _withdrawal(checks.new_name("id", command.id))
    amount = checks.amount("amount", command.amount)
    checks.not_yet(pre, Hold, name)
    escrow = account("escrow", "withdrawals", asset.value)
    aside = Transfer(path, escrow, amount, "withdrawal requested")
    return Diff((aside,), records=(Hold(name, path, escrow, amount, NEVER),))


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
    sent = Transfer(hold.escrow, OUTSIDE[asset], hold.amount, "withdrawal")
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
    back = Transfer(hold.escrow, hold.account, hold.amount, "withdrawal cancelled")
    return Diff((back,), records=(replace(hold, status=HoldStatus.VOIDED),))


def grant_credit(_pre: PreState, _params: Params, command: GrantCredit) -> Diff:
    """
    Give service credits out of the operations dollars; they cannot be withdrawn.

    Refusals, in order of precedence: `Malformed` for the consumer, those of the amount,
    `Malformed` for the memo, those of the accounts.
    """
    grant = checks.member("consumer", command.consumer, "consumer").grant
    amount = checks.amount("amount", command.amount)
    checks.text("memo", command.memo)
    return Diff((Transfer(OPERATIONS, grant, amount, "grant"),))


def move(_pre: PreState, _params: Params, command: Move) -> Diff:
    """
    Move what a member holds: earnings into service credits, tokens to another holder.

    Refusals, in order of precedence: for the account that gives, `UnknownAsset`,
    `UnknownAccount`, `CurrencyMismatch`, `NotAllowed`; the same for the one that
    receives; `NotAllowed` for points, credits, or a move to itself; those of the
    amount; `Malformed`; those of the accounts.
    """
    debit = checks.own_account(command.debit, command.asset)
    credit = checks.own_account(command.credit, command.asset)
    if kind_of(debit).asset is Asset.POINT:
        raise NotAllowed(f"{debit} cannot be moved; who earned points keeps them")
    if _is_credit(debit):
        raise NotAllowed(f"{debit} can be spent or withdrawn, and not moved")
    if debit == credit:
        raise NotAllowed(f"{debit} is named twice; name another account to move to")
    amount = checks.amount("amount", command.amount)
    checks.text("memo", command.memo, empty=True)
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
    charges = charges_of(moved)
    if not charges:
        raise NotRefundable(f"receipt {receipt} charged no consumer")
    consumer, name = charges[0].debit, str(receipt)
    done = pre.record(Refunded, name) or Refunded(name, (0,) * len(charges))
    # By what each still has of it, so that many small refunds come to one large.
    left = tuple(
        each.amount - back for each, back in zip(charges, done.parts, strict=True)
    )
    if amount > sum(left):
        raise NotRefundable(
            f"of what receipt {receipt} charged, {sum(left)} micro-dollars are not "
            f"refunded yet; {amount} are asked for"
        )
    # What a grant paid goes back to it, first.
    paid_by_grant = sum(each.amount for each in moved if each.reason == GRANT_SPENT)
    granted = to_grant = min(amount, paid_by_grant - done.granted)
    parts = largest_remainder(amount, left)
    transfers = []
    spent: dict[AccountId, int] = {}
    for i, (charge, part) in enumerate(zip(charges, parts, strict=True)):
        path = charge.credit
        # What a validated job brought is earned: it is not its suppliers' to give.
        earned = kind_of(path).pattern.startswith("income:")
        given = 0 if earned else min(part, pre.balance(path) - spent.get(path, 0))
        spent[path] = spent.get(path, 0) + given
        for source, back, why in (
            (path, given, "refund"),
            (OPERATIONS, part - given, "refund, made whole"),
        ):
            into_grant = min(back, to_grant)
            to_grant -= into_grant
            for to, moved_back in (
                (grant_of(consumer), into_grant),
                (consumer, back - into_grant),
            ):
                if moved_back:
                    transfers.append(Transfer(source, to, moved_back, why, 0, i))
    both = zip(done.parts, parts, strict=True)
    return Diff(
        tuple(transfers),
        records=(Refunded(name, tuple(map(sum, both)), done.granted + granted),),
        workings=(Working("allocation.largest_remainder", (amount, left)),),
    )


def charges_of(moved: Sequence[Transfer]) -> list[Transfer]:
    """List the transfers by which a receipt charged a consumer."""
    return [
        each
        for each in moved
        if _is_credit(each.debit)
        and not kind_of(each.credit).gives_back
        and not each.reason.startswith("refund")
    ]


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
    return path.startswith("consumer:") and path.endswith(":credit")
