"""The state that a transition starts from, and the difference that it makes."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol, TypeVar

from coopera.ledger import AccountId, Transfer, Working
from coopera.units import MicroToken, MicroUsd, Wad


@dataclass(frozen=True, slots=True)
class ProjectState:
    """Where a project stands."""

    phase: int = 1
    """1 or 2; it never goes back."""
    filled: int = 0
    """Supplier slots taken."""
    left: int = 0
    """Slots that were given up today."""
    past_income: tuple[MicroUsd, ...] = ()
    """Income of the last days, latest last, as long as the demand window."""


@dataclass(frozen=True, slots=True)
class PoolState:
    """Where a Phase 2 curve stands."""

    theta: Wad = Wad(0)
    minted: MicroToken = MicroToken(0)


@dataclass(frozen=True, slots=True)
class Economy:
    """What one day hands to the next, besides balances."""

    day: int
    """The day that is closed next."""
    suppliers: tuple[int, ...]
    """Suppliers, by kind."""
    projects: tuple[ProjectState, ...]
    pools: tuple[PoolState, ...]
    past_income: tuple[MicroUsd, ...] = ()
    """Income of the last days, latest last, as long as the onboarding window."""
    past_exits: tuple[int, ...] = ()
    bonded_value: MicroUsd = MicroUsd(0)
    """Dollar value of the bonds of yesterday that are given back today."""
    validators_owed: MicroToken = MicroToken(0)
    refilling: bool = False
    """Whether the token reserve is being bought back up to its target."""
    day_length: int = 0
    """Microseconds of a day that the network closes itself; 0 if others close it."""
    ends: int = 0
    """Moment at which the day ends, in microseconds since 1970, by that length."""


@dataclass(frozen=True, slots=True)
class Epoch:
    """Figures of the day that is being closed; what its receipt shows."""

    day: int
    income: MicroUsd = MicroUsd(0)
    job_value: MicroUsd = MicroUsd(0)
    jobs: int = 0
    earned: tuple[tuple[MicroUsd, ...], ...] = ()
    """What supplier kinds earned of the income, by project and kind."""
    capital: MicroUsd = MicroUsd(0)
    """Buy-back capital of the day."""
    dollars: MicroUsd = MicroUsd(0)
    """Paid to suppliers in dollars."""
    sentiment: MicroUsd = MicroUsd(0)
    entered: int = 0
    fee_usd: MicroUsd = MicroUsd(0)
    """Onboarding fee of one supplier."""
    token_demand: MicroUsd = MicroUsd(0)
    price: Wad = Wad(0)
    bought: MicroToken = MicroToken(0)
    fees: MicroToken = MicroToken(0)
    slashed: MicroToken = MicroToken(0)
    phase1_released: MicroToken = MicroToken(0)
    emitted: tuple[MicroToken, ...] = ()
    """By pool."""
    validators_paid: MicroToken = MicroToken(0)
    refilled: MicroToken = MicroToken(0)


class Record(Protocol):
    """Anything the network remembers that is not money; the latest version counts."""

    @property
    def id(self) -> str:
        """Name among the records of its class."""
        ...


R = TypeVar("R", bound=Record)


class PreState(Protocol):
    """State before a transition, whatever holds it: a dictionary or a database."""

    def balance(self, account: AccountId) -> int:
        """Return what an account holds, in micro-units."""
        ...

    def balances(self) -> Mapping[AccountId, int]:
        """Return all accounts that were ever used."""
        ...

    def record(self, kind: type[R], name: str) -> R | None:
        """Return a record as it stands, or `None` if there is none by that name."""
        ...

    def records(self, kind: type[R]) -> Mapping[str, R]:
        """Return all records of a class, by name; slow where there are many."""
        ...

    def moved(self, receipt: int) -> Sequence[Transfer]:
        """Return the transfers of an earlier command; empty if there was none."""
        ...

    def now(self) -> int:
        """Return the moment of the command, in microseconds since 1970."""
        ...

    def economy(self) -> Economy:
        """Return what the last day handed over."""
        ...

    def epoch(self) -> Epoch:
        """Return the figures of the day that is being closed."""
        ...


class Diff(NamedTuple):
    """Everything a transition changes, and nothing it leaves alone."""

    transfers: tuple[Transfer, ...] = ()
    """One group: they are all made, or none is."""
    economy: Economy | None = None
    epoch: Epoch | None = None
    records: tuple[Record, ...] = ()
    workings: tuple[Working, ...] = ()
    """Formulas that were used, in order, with what they were given."""
