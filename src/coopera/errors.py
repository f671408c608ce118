"""
Reasons for which the program says no.

* Refusal
  - ConfigurationRefused: a file, key, value or option that cannot be used
    * UnknownKey
    * WrongType
    * OutOfBounds
    * BadMatrix
    * WashTradingPays
    * Inconsistent
    * Unreadable
  - ProtocolError: a command that the protocol refuses
    * EpochOutOfOrder
    * UnknownService
    * UnknownKind
    * NegativeAmount
    * ZeroAmount
    * AmountTooLarge
    * TooManyFail
    * TooManyLeave
    * InsufficientBalance
    * Malformed
    * NotAllowed
    * UnknownAccount
    * UnknownAsset
    * UnknownRecord
    * AlreadyExists
    * AccountClosed
    * AccountNotEmpty
    * AccountInUse
    * CurrencyMismatch
    * ReferenceUsed
    * HoldNotPending
    * HoldTooSmall
    * PartsExceedWhole
    * NotRefundable
    * NotCertified
    * WrongStage
    * NoSeat
    * ResourceBusy
    * PriceTooHigh
    * PriceTooLow
    * NotEligible
    * NotDrawn
    * TooLate
    * TooEarly
    * DigestSeen
    * NotAsCommitted
    * RoundOutOfOrder
    * NotProven
    * StaleClaim
    * AlreadyClaimed
  - ServiceRefusal: the books cannot take any command now
    * Busy
    * KeyReused
    * AnotherWriter
    * Unavailable
    * BadBooks

Every refusal has a stable code, and a message that says what was wrong, with the value,
and what would be right. Anything else that goes wrong is a bug, and is an
`AssertionError`.
"""

from typing import ClassVar, Final


class Refusal(Exception):
    """Refusal expected in normal operation."""

    code: ClassVar[str]
    """Stable name, for programs."""


class ConfigurationRefused(Refusal):
    """Something in a file, a preset, or on the command line cannot be used."""

    path: Final[tuple[str, ...]]
    """Where it stands: table, then key; empty where it stands nowhere."""

    def __init__(self, message: str, path: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.path = path


class UnknownKey(ConfigurationRefused):
    """Nothing has that name."""

    code = "unknown_key"


class WrongType(ConfigurationRefused):
    """Value is not of the kind that its key takes."""

    code = "wrong_type"


class OutOfBounds(ConfigurationRefused):
    """Value crosses a bound that governance may not cross."""

    code = "out_of_bounds"


class BadMatrix(ConfigurationRefused):
    """Row of the payment matrix does not split a whole."""

    code = "bad_matrix"


class WashTradingPays(ConfigurationRefused):
    """Buying one's own jobs would bring more than it costs."""

    code = "wash_trading_pays"


class Inconsistent(ConfigurationRefused):
    """Values contradict each other."""

    code = "inconsistent"


class Unreadable(ConfigurationRefused):
    """File cannot be read, or is not what it should be."""

    code = "unreadable"


class ProtocolError(Refusal):
    """Refusal of a command."""


class EpochOutOfOrder(ProtocolError):
    """Epoch is not the one that comes next: every day is closed once, in order."""

    code = "epoch_out_of_order"


class UnknownService(ProtocolError):
    """No service has that name."""

    code = "unknown_service"


class UnknownKind(ProtocolError):
    """No supplier kind has that name."""

    code = "unknown_kind"


class NegativeAmount(ProtocolError):
    """Amount or count is below zero."""

    code = "negative_amount"


class ZeroAmount(ProtocolError):
    """Amount is zero where something must move."""

    code = "zero_amount"


class AmountTooLarge(ProtocolError):
    """Amount is above the largest balance."""

    code = "amount_too_large"


class TooManyFail(ProtocolError):
    """More jobs fail than there are."""

    code = "too_many_fail"


class TooManyLeave(ProtocolError):
    """More suppliers leave than there are."""

    code = "too_many_leave"


class InsufficientBalance(ProtocolError):
    """Account cannot cover an amount."""

    code = "insufficient_balance"

    available: Final[int]
    required: Final[int]

    def __init__(self, account: str, available: int, required: int) -> None:
        super().__init__(
            f"{account} holds {available} micro-units and {required} are required; add "
            f"{required - available}, or ask for less"
        )
        self.available = available
        self.required = required


class Malformed(ProtocolError):
    """Field of a command is not of the form that it must have."""

    code = "malformed"


class NotAllowed(ProtocolError):
    """Caller may not give this command, or not for this account."""

    code = "not_allowed"


class UnknownAccount(ProtocolError):
    """The chart has no such account, or nobody opened it."""

    code = "unknown_account"


class UnknownAsset(ProtocolError):
    """No asset has that name."""

    code = "unknown_asset"


class UnknownRecord(ProtocolError):
    """Nothing of its class has that name."""

    code = "unknown_record"


class AlreadyExists(ProtocolError):
    """Name is taken."""

    code = "already_exists"


class AccountClosed(ProtocolError):
    """Account takes and gives nothing any more."""

    code = "account_closed"


class AccountNotEmpty(ProtocolError):
    """Account that holds something cannot be closed."""

    code = "account_not_empty"


class AccountInUse(ProtocolError):
    """Account is still paid by what is on the price list."""

    code = "account_in_use"


class CurrencyMismatch(ProtocolError):
    """Account holds another asset."""

    code = "currency_mismatch"


class ReferenceUsed(ProtocolError):
    """Payment from outside was entered before, under another key."""

    code = "reference_used"


class HoldNotPending(ProtocolError):
    """Hold was posted, voided, or has expired."""

    code = "hold_not_pending"


class HoldTooSmall(ProtocolError):
    """Hold does not cover what was used."""

    code = "hold_too_small"


class PartsExceedWhole(ProtocolError):
    """Parts of a split are more than there is to split."""

    code = "parts_exceed_whole"


class NotRefundable(ProtocolError):
    """Receipt paid for nothing, or was refunded as far as it goes."""

    code = "not_refundable"


class NotCertified(ProtocolError):
    """Resource has no certificate."""

    code = "not_certified"


class WrongStage(ProtocolError):
    """Resource, job or verdict is not at the stage that the command is for."""

    code = "wrong_stage"


class NoSeat(ProtocolError):
    """Project has no free seat for the resource, or the resource has none."""

    code = "no_seat"


class ResourceBusy(ProtocolError):
    """Resource has jobs that it has to finish first, or as many as it takes."""

    code = "resource_busy"


class PriceTooHigh(ProtocolError):
    """Work is worth more than validators have at stake."""

    code = "price_too_high"


class PriceTooLow(ProtocolError):
    """Price leaves nothing for somebody who is needed."""

    code = "price_too_low"


class NotEligible(ProtocolError):
    """Resource does not meet what the job needs."""

    code = "not_eligible"


class NotDrawn(ProtocolError):
    """Validator was not drawn for this work, or with another certificate."""

    code = "not_drawn"


class TooLate(ProtocolError):
    """Time for it is over."""

    code = "too_late"


class TooEarly(ProtocolError):
    """Its time has not come."""

    code = "too_early"


class DigestSeen(ProtocolError):
    """Data with that digest was registered before."""

    code = "digest_seen"


class NotAsCommitted(ProtocolError):
    """What is revealed is not what was committed to."""

    code = "not_as_committed"


class RoundOutOfOrder(ProtocolError):
    """Another round of the training is next."""

    code = "round_out_of_order"


class NotProven(ProtocolError):
    """A proof does not lead to the published root."""

    code = "not_proven"


class StaleClaim(ProtocolError):
    """A claim leads to a root that was replaced."""

    code = "stale_claim"


class AlreadyClaimed(ProtocolError):
    """All of it was paid before."""

    code = "already_claimed"


class ServiceRefusal(Refusal):
    """Books cannot take any command now, or not this one again."""


class Busy(ServiceRefusal):
    """Queue is full; nothing was done, and the same command may be sent again."""

    code = "busy"


class KeyReused(ServiceRefusal):
    """Key was used before, for another command."""

    code = "key_reused"


class AnotherWriter(ServiceRefusal):
    """Another process writes to these books."""

    code = "another_writer"


class Unavailable(ServiceRefusal):
    """Database cannot be reached or written to, or a port not be listened on."""

    code = "unavailable"


class BadBooks(ServiceRefusal):
    """Database is not the books of this program, or not of this version."""

    code = "bad_books"
