"""Holds of service credits: reserved up front, posted for what was used."""

from dataclasses import dataclass, replace
from typing import Final

from coopera.errors import HoldNotPending, HoldTooSmall, Malformed, NotAllowed
from coopera.ledger import (
    NEVER,
    AccountId,
    Hold,
    HoldStatus,
    Transfer,
    account,
    in_utc,
)
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.state import Diff, PreState, Record

ESCROW: Final = account("escrow", "credit")

GRANT_SPENT: Final = "grant spent"
"""Reason of the transfer by which a charge uses up a grant."""

EXPIRED_MAX: Final = 1000
"""Most holds that one command may expire."""


@dataclass(frozen=True, slots=True)
class OpenHold:
    """Command by which service credits are reserved for a call that is to come."""

    id: str
    consumer: str
    amount: int
    expires_at: int
    """Microseconds since 1970."""


@dataclass(frozen=True, slots=True)
class VoidHold:
    """Command by which a reservation is given back."""

    id: str


@dataclass(frozen=True, slots=True)
class ExpireHolds:
    """Command by which reservations whose time has come are given back."""

    ids: tuple[str, ...]


def open_hold(pre: PreState, _params: Params, command: OpenHold) -> Diff:
    """
    Reserve service credits, grants first.

    Refusals, in order of precedence: `Malformed` for the names, those of the amount,
    `Malformed` for the moment, `AlreadyExists`, those of the account.
    """
    name = checks.new_name("id", command.id)
    consumer = checks.member("consumer", command.consumer, "consumer")
    amount = checks.amount("amount", command.amount)
    if type(command.expires_at) is not int or command.expires_at > NEVER:
        raise Malformed(
            f"expires_at is {command.expires_at!r}; it must be microseconds since 1970"
        )
    if command.expires_at <= pre.now():
        raise Malformed(
            f"expires_at is {in_utc(command.expires_at)}; it must be later than now, "
            f"{in_utc(pre.now())}"
        )
    checks.not_yet(pre, Hold, name)
    return reserved(pre, name, consumer, amount, command.expires_at, ESCROW)


def reserved(
    pre: PreState,
    name: str,
    consumer: checks.Member,
    amount: int,
    expires_at: int,
    escrow: AccountId,
) -> Diff:
    """Put service credits aside, grants first."""
    granted = min(amount, pre.balance(consumer.grant))
    parts = ((consumer.grant, granted), (consumer.credit, amount - granted))
    return Diff(
        tuple(Transfer(each, escrow, part, "hold") for each, part in parts if part),
        records=(Hold(name, consumer.credit, escrow, amount, expires_at, granted),),
    )


def void_hold(pre: PreState, _params: Params, command: VoidHold) -> Diff:
    """
    Give a reservation back.

    Refusals, in order of precedence: `UnknownRecord`, `HoldNotPending`, `NotAllowed`
    for a withdrawal.
    """
    hold = pending_hold(pre, command.id)
    if hold.escrow != ESCROW:
        raise NotAllowed(f"{command.id} is no hold of service credits")
    return given_back(hold, HoldStatus.VOIDED, "hold voided")


def expire_holds(pre: PreState, _params: Params, command: ExpireHolds) -> Diff:
    """
    Give back what was reserved for too long; holds that are no longer pending stay.

    Refusals, in order of precedence: `Malformed`, `UnknownRecord`, `HoldNotPending` for
    one whose time has not come.
    """
    if not 0 < len(command.ids) <= EXPIRED_MAX:
        raise Malformed(
            f"{len(command.ids)} holds are named; name 1 to {EXPIRED_MAX} of them"
        )
    transfers: list[Transfer] = []
    records: list[Record] = []
    for name in dict.fromkeys(command.ids):
        hold = checks.existing(pre, Hold, name)
        if hold.status is not HoldStatus.PENDING:
            continue
        if hold.expires_at > pre.now():
            raise HoldNotPending(
                f"hold {name} expires at {in_utc(hold.expires_at)}, and it is "
                f"{in_utc(pre.now())}; wait until then"
            )
        diff = given_back(hold, HoldStatus.EXPIRED, "hold expired")
        transfers += diff.transfers
        records += diff.records
    return Diff(tuple(transfers), records=tuple(records))


def pending_hold(pre: PreState, name: str) -> Hold:
    """Find a hold that can be posted. Refuses `UnknownRecord`, `HoldNotPending`."""
    hold = checks.existing(pre, Hold, name)
    if hold.status is not HoldStatus.PENDING:
        raise HoldNotPending(
            f"hold {name} is {hold.status.value}; only a pending one can be used"
        )
    if hold.expires_at <= pre.now():
        raise HoldNotPending(
            f"hold {name} has expired at {in_utc(hold.expires_at)}; open another"
        )
    return hold


def released(hold: Hold, consumer: AccountId, fee: int) -> Diff:
    """
    Give a hold back so that the fee can be charged, in the same group of transfers.

    Refusals, in order of precedence: `NotAllowed` for another consumer's hold,
    `HoldTooSmall`.
    """
    if hold.account != consumer or hold.escrow != ESCROW:
        raise NotAllowed(f"hold {hold.id} does not reserve credits of {consumer}")
    if fee > hold.amount:
        raise HoldTooSmall(
            f"hold {hold.id} reserves {hold.amount} micro-dollars and the fee is "
            f"{fee}; reserve more"
        )
    return given_back(hold, HoldStatus.POSTED, "hold posted")


def grant_of(credit: AccountId) -> AccountId:
    """Name the account of a consumer's grants, by that of its credits."""
    return AccountId(credit.removesuffix("credit") + "grant")


def given_back(hold: Hold, status: HoldStatus, reason: str) -> Diff:
    """Give all of a hold back, to where it came from."""
    parts = (
        (grant_of(hold.account), hold.granted),
        (hold.account, hold.amount - hold.granted),
    )
    return Diff(
        tuple(Transfer(hold.escrow, to, part, reason) for to, part in parts if part),
        records=(replace(hold, status=status),),
    )
