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
    * AmountTooLarge
    * TooManyFail
    * TooManyLeave
    * InsufficientBalance

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
            f"{account} holds {available} micro-units and {required} are required"
        )
        self.available = available
        self.required = required
