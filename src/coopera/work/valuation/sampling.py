"""
Shapley values of any game, by sampled orders of the members; and leaving one out.

A member's Shapley value is what it adds to the members before it, on the average over
all orders. Orders are drawn from a seed, each from the seed and its own number alone,
and out of the raw numbers of Philox, which stay as they are from one version of NumPy
to the next: so whoever has the seed repeats the values bit for bit, as far as the
utility itself is repeated.

Sources: Ghorbani and Zou (2019), "Data Shapley", truncated Monte Carlo; Liu and others
(2022), "GTG-Shapley", guided orders.

Neither is neutral to splitting: a member that comes as two may be worth more. Where it
matters, see `federated.aumann_shapley`.
"""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import count
from typing import Any, Final, Protocol

import numpy as np
from numpy.typing import NDArray

from coopera.errors import Malformed
from coopera.work.valuation import checks
from coopera.work.valuation.checks import Floats

Members = NDArray[np.int64]
"""Numbers of members, in order, each once."""

MEMBERS_MAX: Final = 10**6
ORDERS_MAX: Final = 10**9
ORDERS_MIN: Final = 32
"""Orders before which a standard error is not believed."""
REMEMBERED_MAX: Final = 2**20
"""Sets that are remembered, each in some 200 bytes and a bit for every member."""
LARGEST: Final = 1e300
"""Largest number that a utility or a threshold may be."""


class Utility(Protocol):
    """What a set of members is worth together."""

    def __call__(self, members: Members, /) -> float:
        """Give the worth of some members, which come in order; of none, too."""
        ...


class Progress(Protocol):
    """Told how many orders were gone through, and the largest standard error."""

    def __call__(self, orders: int, error: float, /) -> object:
        """Show it to somebody."""
        ...


@dataclass(frozen=True, slots=True, eq=False)
class Sampled:
    """Values, and how well they are known."""

    values: Floats
    """(members,), in the unit of the utility."""
    errors: Floats
    """Standard errors, (members,): of independent orders, so at most, if guided."""
    orders: int
    """Orders that were gone through."""
    evaluations: int
    """Sets whose utility was asked for."""
    precise: bool
    """Whether it stopped because the largest error was small enough."""


class Remembered:
    """A utility that is asked for a set once, for the first million sets."""

    def __init__(self, utility: Utility, members: int) -> None:
        self.evaluations = 0
        self._utility = utility
        self._members = members
        self._known: dict[bytes, float] = {}

    def __call__(self, members: Members, /) -> float:
        """Give the worth of some members."""
        present = np.zeros(self._members, np.bool_)
        present[members] = True
        key = np.packbits(present).tobytes()
        if (known := self._known.get(key)) is None:
            known = float(self._utility(members))
            self.evaluations += 1
            if len(self._known) < REMEMBERED_MAX:
                self._known[key] = known
        return known


def utility_of(utility: Utility, members: Members) -> float:
    """Ask a utility. Refuses with `Malformed` what is no finite number."""
    worth = float(utility(members))
    if not abs(worth) <= LARGEST:
        shown = ", ".join(map(str, members[:8].tolist()))
        more = ", ..." if len(members) > 8 else ""  # noqa: PLR2004 - enough to see
        raise Malformed(
            f"the utility of members ({shown}{more}) is {worth}; it must be a finite "
            "number for every set, that of nobody too"
        )
    return worth


def order(seed: bytes, number: int, members: int, *, guided: bool = False) -> Members:
    """
    Draw the order of some number.

    If `guided`, its first is the member whose turn it is, and chance orders the rest.

    >>> order(bytes(32), 0, 5).tolist(), order(bytes(32), 3, 5, guided=True).tolist()
    ([1, 4, 2, 0, 3], [3, 4, 2, 1, 0])
    """
    entropy = int.from_bytes(checks.seed(seed), "big")
    philox = np.random.Philox(np.random.SeedSequence(entropy, spawn_key=(number,)))
    drawn = philox.random_raw(members)
    if guided:
        drawn[number % members] = 0
    # Two of the 64-bit numbers being equal is left to their order.
    return np.argsort(drawn, kind="stable").astype(np.int64)


def sampled_shapley(
    utility: Utility,
    members: int,
    seed: bytes,
    *,
    orders_max: int = 1_000,
    error_max: float = 0.0,
    truncation: float = 0.0,
    guided: bool = False,
    progress: Progress = lambda _orders, _error: None,
) -> Sampled:
    """
    Estimate Shapley values from orders drawn from a seed of 32 bytes.

    Stops when the largest standard error is `error_max` or less, or after `orders_max`
    orders, made whole rounds of members if `guided`. Within an order, once the members
    so far are within `truncation` of what all are worth, the rest add nothing; this
    moves the sum of the values by as much at most.

    Refuses with `Malformed` numbers out of bounds, and a utility that is not finite.

    Two members are worth more together, and neither is worth more than the other:

    >>> both = sampled_shapley(lambda s: len(s) ** 2, 2, bytes(32), orders_max=400)
    >>> round(sum(both.values.tolist()), 9), both.orders
    (4.0, 400)
    """
    checks.seed(seed)
    checks.whole("members", members, 1, MEMBERS_MAX)
    checks.whole("orders_max", orders_max, 1, ORDERS_MAX)
    checks.number("error_max", error_max, 0.0, LARGEST)
    checks.number("truncation", truncation, 0.0, LARGEST)
    together = members if guided else 1
    nobody = utility_of(utility, np.arange(0))
    everybody = utility_of(utility, np.arange(members))
    evaluations = 2
    mean, squares = np.zeros(members), np.zeros(members)
    errors = np.full(members, np.inf)
    for done in count(1):
        added = np.zeros(members)
        present = np.zeros(members, np.bool_)
        before = nobody
        for member in order(seed, done - 1, members, guided=guided).tolist():
            if abs(everybody - before) <= truncation and truncation > 0.0:
                break
            present[member] = True
            if present.all():
                now = everybody
            else:
                now = utility_of(utility, np.flatnonzero(present))
                evaluations += 1
            added[member] = now - before
            before = now
        off = added - mean
        mean += off / done
        squares += off * (added - mean)
        if done % together:
            continue
        if done > 1:
            errors = np.sqrt(squares / (done * (done - 1)))
        error = float(errors.max())
        progress(done, error)
        precise = done >= ORDERS_MIN and error <= error_max
        if precise or done >= orders_max:
            return Sampled(mean, errors, done, evaluations, precise)
    raise AssertionError


def leave_one_out(
    utility: Utility,
    members: int,
    progress: Callable[[int, int], object] = lambda _done, _all: None,
) -> Floats:
    """
    Value each member by what the others are worth less without it, (members,).

    Members that stand in for each other are worth nothing by it: a copy of another's
    work takes the worth of both. Refuses with `Malformed` a utility that is not finite.

    >>> leave_one_out(lambda s: len(s) ** 2, 3).tolist()
    [5.0, 5.0, 5.0]
    """
    checks.whole("members", members, 1, MEMBERS_MAX)
    everybody = np.arange(members)
    whole = utility_of(utility, everybody)
    values = np.zeros(members)
    for member in range(members):
        values[member] = whole - utility_of(utility, np.delete(everybody, member))
        progress(member + 1, members)
    return values


EXACT_MAX: Final = 20
"""Most members whose sets are all looked at: a million of them."""


def exact_shapley(
    utility: Utility,
    members: int,
    progress: Callable[[int, int], object] = lambda _done, _all: None,
) -> Floats:
    """
    Value 20 members or fewer by all their sets, (members,).

    Refuses with `Malformed` more members, and a utility that is not finite.

    >>> exact_shapley(lambda s: float(0 in s and len(s) > 1), 3).round(3).tolist()
    [0.667, 0.167, 0.167]
    """
    checks.whole("members", members, 1, EXACT_MAX)
    worth = np.empty(2**members)
    for number in range(len(worth)):
        here = [i for i in range(members) if number >> i & 1]
        worth[number] = utility_of(utility, np.array(here, np.int64))
        if (number + 1) % 1024 == 0:
            progress(number + 1, len(worth))
    return shapley_of(worth)


def shapley_of(worth: Floats) -> Floats:
    """
    Value the members of a game whose every set's worth is known.

    Set number n has those members whose bit of n is set.

    >>> shapley_of(np.array([0.0, 1.0, 3.0, 6.0])).tolist()
    [2.0, 4.0]
    """
    members = len(worth).bit_length() - 1
    assert len(worth) == 2**members > 1
    sets = np.arange(len(worth))
    size = np.zeros(len(worth), np.int64)
    for i in range(members):
        size += sets >> i & 1
    weights = np.ones(members)
    for k in range(1, members):
        # {1} = k! (members - 1 - k)! / members! from that of k - 1
        weights[k] = weights[k - 1] * k / (members - k)
    weights /= members
    values: Any = np.empty(members)
    for i in range(members):
        without = sets[sets >> i & 1 == 0]
        gains = worth[without | 1 << i] - worth[without]
        values[i] = np.sum(weights[size[without]] * gains)
    return np.asarray(values, np.float64)
