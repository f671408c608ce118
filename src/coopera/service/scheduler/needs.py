"""What resources offer, what jobs need, and how offers are ranked."""

from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, Protocol

from coopera.formulas.reputation import supplier_rank, supplier_reputation
from coopera.units import AMOUNT_MAX, WAD, Wad

COUNT_MAX: Final = 2**31 - 1
"""Largest count, memory, latency, or number of slots."""
WINDOW_MAX: Final = 1024
"""Jobs that a reputation counts, at most."""
WEIGHT_MAX: Final = 4096
"""Window and priors together, at most: so ranks still tell any two ratios apart."""
RATIO_BITS: Final = 24
TOTAL_BITS: Final = 38
"""A rank is a ratio of so many binary digits, then a total of so many."""


class Lane(IntEnum):
    """Order in which offers are gone through."""

    REPUTATION = 0
    """The greatest rank first, then the smallest serial number."""
    EXPLORATION = 1
    """Newcomers alone: the fewest jobs ever first, then the smallest serial number."""


@dataclass(frozen=True, slots=True)
class Offer:
    """A resource that takes jobs, and how its last ones went."""

    id: str
    """Name, its own."""
    serial: int
    """Number in the order of registration, its own; the smaller one wins a tie."""
    owner: str
    """Who serves, as `supplier:name`."""
    kind: str
    """Supplier kind."""
    device: str
    """Type of its devices."""
    count: int
    """Devices."""
    memory_gib: int
    """Memory of a device, in GiB."""
    region: str
    """Where it stands."""
    latency_ms: int
    """Time to answer, in milliseconds."""
    models: tuple[str, ...]
    """Models that it serves."""
    price: int
    """Price of a unit, in micro-USD."""
    slots: int
    """Jobs that it does at a time."""
    validated: int = 0
    """Jobs that passed validation, of those in the window."""
    completed: int = 0
    """Jobs in the window."""
    total: int = 0
    """Jobs ever completed."""
    outcomes: int | None = None
    """
    Jobs in the window as bits, the last one lowest, 1 for validated.

    Where only the counts are known, the failed jobs are taken to be the last ones:
    nobody gains by the loss of a history.
    """

    def __post_init__(self) -> None:
        """Check what every user of an offer relies on."""
        assert 0 <= self.validated <= self.completed <= WINDOW_MAX, self
        assert self.completed <= self.total < 1 << TOTAL_BITS, self
        assert 0 <= self.serial < 1 << 63, self
        assert 0 <= self.price <= AMOUNT_MAX, self
        assert min(self.count, self.memory_gib, self.latency_ms, self.slots) >= 0, self
        assert max(self.count, self.memory_gib) <= COUNT_MAX, self
        assert max(self.latency_ms, self.slots) <= COUNT_MAX, self
        assert "" not in self.models, self
        if self.outcomes is not None:
            assert self.outcomes.bit_length() <= self.completed, self
            assert self.outcomes.bit_count() == self.validated, self


@dataclass(frozen=True, slots=True)
class Need:
    """What a job needs of a resource; a resource has to meet all of it."""

    kind: str
    """Supplier kind."""
    devices: tuple[str, ...] = ()
    """Any of these types; none listed: any type."""
    count: int = 0
    """Devices, at least."""
    memory_gib: int = 0
    """Memory of a device in GiB, at least."""
    regions: tuple[str, ...] = ()
    """Any of these regions; none listed: anywhere."""
    latency_ms: int = 0
    """Time to answer in milliseconds, at most; 0: any."""
    model: str = ""
    """Model that is served; empty: any."""
    price: int = AMOUNT_MAX
    """Price of a unit in micro-USD, at most."""
    min_reputation: Wad = Wad(0)
    """Reputation, at least."""
    excluded: tuple[str, ...] = ()
    """Ids of resources that have failed on this job before."""
    not_owner: str = ""
    """Owner whose resources are left out, for nobody serves himself; empty: none."""

    def __post_init__(self) -> None:
        """Check what every user of a need relies on."""
        assert min(self.count, self.memory_gib, self.latency_ms, self.price) >= 0, self
        assert max(self.count, self.memory_gib, self.latency_ms) <= COUNT_MAX, self
        assert self.price <= AMOUNT_MAX, self
        assert 0 <= self.min_reputation <= WAD, self


FILTERS: Final = (
    "kind",
    "devices",
    "count",
    "memory_gib",
    "regions",
    "latency_ms",
    "model",
    "price",
    "min_reputation",
    "excluded",
    "not_owner",
    "slots",
    "lane",
)
"""
What an offer has to pass, in the order in which failures are told.

Named as the fields of a need; then a free slot, and being a newcomer where the lane is
that of newcomers.
"""


@dataclass(frozen=True, slots=True)
class Why:
    """Why a need finds what it finds."""

    offers: int
    """Offers that there are."""
    left: dict[str, int]
    """For each filter, in order: offers that pass it and all filters before it."""
    without: dict[str, int]
    """For each filter: offers that match if it alone is dropped."""

    @property
    def matches(self) -> int:
        """Count the offers that pass every filter."""
        return self.left[FILTERS[-1]]

    @property
    def remedies(self) -> tuple[str, ...]:
        """List the filters of which any one, if dropped, would give a match."""
        return tuple(name for name in FILTERS if self.without[name] > self.matches)


@dataclass(frozen=True, slots=True)
class Ranking:
    """How offers are ranked; as governance sets it."""

    window: int = 20
    """Last jobs that a reputation counts."""
    prior_validated: int = 1
    """Validated jobs that everybody is credited with."""
    prior_failed: int = 1
    """Failed jobs that everybody is charged with."""

    def __post_init__(self) -> None:
        """Check that ranks are exact."""
        assert 1 <= self.window <= WINDOW_MAX, self
        assert min(self.prior_validated, self.prior_failed) >= 0, self
        assert self.weight_max <= WEIGHT_MAX, self

    @property
    def weight_max(self) -> int:
        """Give the largest denominator of a reputation."""
        return self.window + self.prior_validated + self.prior_failed

    def rank(self, offer: Offer) -> int:
        """Rank an offer; see `supplier_rank`."""
        return supplier_rank(
            offer.validated,
            offer.completed,
            offer.total,
            self.prior_validated,
            self.prior_failed,
        )

    def reputation(self, offer: Offer) -> Wad:
        """Rate an offer; see `supplier_reputation`."""
        return supplier_reputation(
            offer.validated, offer.completed, self.prior_validated, self.prior_failed
        )

    def newcomer(self, offer: Offer) -> bool:
        """Tell whether an offer has not yet filled its window."""
        return offer.completed < self.window

    def key(self, offer: Offer, lane: Lane) -> int:
        """Give the number by which a lane is ordered, greatest first."""
        return self.rank(offer) if lane is Lane.REPUTATION else -offer.total


class Offers(Protocol):
    """Offers of resources, whatever finds the best of them."""

    @property
    def ranking(self) -> Ranking:
        """Say how they are ranked."""
        ...

    def __len__(self) -> int:
        """Count the offers."""
        ...

    def __contains__(self, id_: object, /) -> bool:
        """Tell whether a resource is offered."""
        ...

    def add(self, offer: Offer, busy: int = 0) -> None:
        """Take an offer in. Refuses with `AlreadyExists`."""
        ...

    def remove(self, id_: str) -> None:
        """Let go of an offer, and of the jobs it does. Refuses with `UnknownRecord`."""
        ...

    def change(self, offer: Offer) -> None:
        """Replace what a resource says of itself; its jobs, done and in hand, stay."""
        ...

    def offer(self, id_: str) -> Offer:
        """Give an offer as it stands. Refuses with `UnknownRecord`."""
        ...

    def standing(self, id_: str) -> tuple[int, int]:
        """Count the jobs that a resource does, and those that it ever did."""
        ...

    def is_free(self, id_: str) -> bool:
        """Tell whether a resource is offered, and has a slot left."""
        ...

    def claim(self, id_: str) -> None:
        """Take a slot. Refuses with `UnknownRecord`, or `Busy` if none is free."""
        ...

    def free(self, id_: str) -> None:
        """Give a slot back, with no outcome. Refuses with `UnknownRecord`."""
        ...

    def record(self, id_: str, *, validated: bool) -> int:
        """Record how a job went whose slot was given back; return the new rank."""
        ...

    def match(self, need: Need, lane: Lane = ...) -> str | None:
        """Find the best offer that a need can have."""
        ...

    def ahead(self, id_: str, need: Need, lane: Lane = ...) -> int:
        """Count the offers that would get the job before this one."""
        ...

    def why(self, need: Need, lane: Lane = ...) -> Why:
        """Say how many offers pass the filters, one after another, and but for one."""
        ...

    def failed(self, id_: str, need: Need, lane: Lane = ...) -> tuple[str, ...]:
        """List the filters that keep an offer from a need, in order."""
        ...


@lru_cache(maxsize=4096)
def least_rank(min_reputation: int, weight_max: int) -> int:
    """
    Give the least rank whose reputation is no less than asked.

    A rank keeps the ratio to 24 binary digits. Two ratios whose denominators are at
    most 4,096 are at least 2**-24 apart, so that at most one has the digits of the
    number asked for, and that one is compared exactly.

    >>> least_rank(0, 22), least_rank(WAD // 2, 22) >> TOTAL_BITS == 1 << 23
    (0, True)
    """
    from fractions import Fraction  # noqa: PLC0415 - for few

    # {1} = {1} * {1} / {1}
    digits = (min_reputation << RATIO_BITS) // WAD
    middle = Fraction(2 * digits + 1, 2 << RATIO_BITS)
    nearest = middle.limit_denominator(weight_max)
    alike = (nearest.numerator << RATIO_BITS) // nearest.denominator == digits
    below = nearest.numerator * WAD < min_reputation * nearest.denominator
    return (digits + (alike and below)) << TOTAL_BITS


def history(offer: Offer) -> int:
    """
    Give the outcomes of an offer, the last job lowest.

    Three validated jobs of four, in an order that is not known:

    >>> from dataclasses import replace
    >>> some = Offer("a", 1, "supplier:x", "gpu", "h100", 1, 80, "eu", 9, (), 5, 1)
    >>> bin(history(replace(some, validated=3, completed=4, total=4)))
    '0b1110'
    """
    if offer.outcomes is not None:
        return offer.outcomes
    failed = offer.completed - offer.validated
    return ((1 << offer.validated) - 1) << failed
