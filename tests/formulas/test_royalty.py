"""A vault never hands out more than its units, and loses nothing that it receives."""

from dataclasses import dataclass, field
from decimal import Decimal, localcontext
from fractions import Fraction
from itertools import pairwise
from math import floor

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coopera.formulas.allocation import largest_remainder
from coopera.formulas.royalty import (
    PART,
    compute_pool,
    contributor_shares,
    earned_slice,
    entitlement,
    full_drop,
    released_units,
    revenue_index,
    round_slice,
)
from coopera.units import AMOUNT_MAX, MICRO, WAD, MicroUnit, Wad

SUPPLY = MicroUnit(100_000_000 * MICRO)
SEVEN_TENTHS = Wad(7 * WAD // 10)
COMPUTE, DATA = Wad(WAD // 100), Wad(WAD // 20)
"""The decays by default."""

units = st.integers(0, AMOUNT_MAX).map(MicroUnit)
decays = st.integers(10**12, 10 * WAD).map(Wad)
fractions = st.integers(0, WAD).map(Wad)
rounds = st.one_of(st.integers(0, 50), st.integers(0, 10**8))
weights = st.lists(
    st.one_of(st.integers(0, 3), st.integers(0, 2**45)), max_size=2 * PART + 3
)


def released(pool: int, decay: int, round_: int, last: int) -> Decimal:
    """Find the release to sixty digits."""
    with localcontext(prec=60):
        gone = 1 - (-Decimal(decay) * round_ / WAD).exp()
        return pool * gone / (1 - (-Decimal(decay) * last / WAD).exp() if last else 1)


# pools


@given(units, fractions)
def test_two_pools_are_the_supply(supply, part):
    compute = compute_pool(supply, part)

    assert compute == floor(Fraction(supply * part, WAD))
    assert 0 <= supply - compute <= supply


def test_paper_gives_seven_tenths_to_compute():
    assert compute_pool(SUPPLY, SEVEN_TENTHS) == 70_000_000 * MICRO


# rounds


@given(units, decays, rounds)
@example(MicroUnit(AMOUNT_MAX), Wad(10**12), 1)
@example(MicroUnit(AMOUNT_MAX), Wad(10**12), 41_000_000)
def test_release_of_an_open_task_is_within_a_unit_of_the_curve(pool, decay, round_):
    found = released_units(pool, decay, round_)
    exact = released(pool, decay, round_, 0)

    # The exponential is off by 10**-18, and pools are 10**15 at most.
    assert exact - Decimal("1.002") < found < exact + Decimal("0.002")
    assert 0 <= found <= pool


@given(units, decays, st.integers(1, 10**6), st.data())
@example(MicroUnit(AMOUNT_MAX), Wad(10**12), 2, None)
def test_release_of_a_task_of_known_length_is_near_the_curve(pool, decay, last, data):
    round_ = data.draw(st.integers(0, last)) if data else last - 1
    found = released_units(pool, decay, round_, last)
    exact = released(pool, decay, round_, last)

    # Both exponentials are off by a unit, and the lower part is what they leave.
    with localcontext(prec=60):
        lower = WAD * (1 - (-Decimal(decay) * last / WAD).exp()) - 2
        off = 1 + 2 * Decimal(int(pool)) / lower + Decimal("1e-9")
    assert abs(exact - found) < off
    assert 0 <= found <= pool
    assert released_units(pool, decay, last, last) == pool


@given(units, decays, st.integers(0, 300), st.integers(0, 300))
def test_release_never_falls(pool, decay, first, last):
    path = [released_units(pool, decay, r, last) for r in range(first, first + 30)]

    assert all(before <= after for before, after in pairwise(path))


@pytest.mark.parametrize("decay", [COMPUTE, DATA, Wad(10**12), Wad(10 * WAD)])
def test_slices_of_all_rounds_are_the_pool_where_their_number_is_known(decay):
    issued = MicroUnit(0)
    slices = []
    for round_ in range(1, 1001):
        slices.append(round_slice(released_units(SUPPLY, decay, round_, 1000), issued))
        issued = MicroUnit(issued + slices[-1])

    assert sum(slices) == SUPPLY
    # Each is less than the one before, but for what rounding moves.
    assert all(after <= before + 2 for before, after in pairwise(slices))


def test_slices_of_all_rounds_are_no_more_than_the_pool_where_it_is_not():
    issued = MicroUnit(0)
    for round_ in range(1, 10_001):
        slice_ = round_slice(released_units(SUPPLY, DATA, round_), issued)
        issued = MicroUnit(issued + slice_)

    # Nothing is left of the exponential after 42 / 0.05 rounds.
    assert issued == SUPPLY
    assert released_units(SUPPLY, DATA, 600) < SUPPLY


@given(
    units,
    decays,
    st.sampled_from([0, 60]),
    st.lists(st.tuples(st.booleans(), fractions), min_size=60, max_size=60),
)
def test_slices_of_empty_rounds_are_carried_to_the_next(pool, decay, last, history):
    issued = MicroUnit(0)
    for round_, (somebody, achieved) in enumerate(history, 1):
        by_now = released_units(pool, decay, round_, last)
        slice_ = round_slice(by_now, issued)
        if somebody:
            given_ = earned_slice(slice_, achieved, WAD)
            assert given_ <= slice_
            issued = MicroUnit(issued + given_)
        assert issued <= by_now <= pool

    everything = round_slice(released_units(pool, decay, 61, last), issued)
    assert issued + everything == released_units(pool, decay, 61, last)
    if last:
        assert issued + everything == pool


def test_slice_of_a_round_that_steps_back_is_nothing():
    assert round_slice(MicroUnit(6), MicroUnit(7)) == 0


@given(units, fractions, fractions)
def test_what_is_earned_rounds_down_and_is_never_more_than_the_slice(slice_, one, two):
    achieved, full = sorted((one, two))
    exact = Fraction(slice_ * achieved, full) if full else slice_

    assert earned_slice(slice_, achieved, full) == floor(exact)
    assert earned_slice(slice_, full, achieved) == slice_


@pytest.mark.parametrize(
    ("achieved", "full", "earned"),
    [(0, 0, 1000), (0, 1, 0), (1, 3, 333), (3, 3, 1000), (4, 3, 1000)],
)
def test_slice_is_earned_by_hand(achieved, full, earned):
    assert earned_slice(MicroUnit(1000), Wad(achieved), Wad(full)) == earned


# shares


@given(units, weights)
def test_shares_are_the_slice_and_no_one_is_off_by_two(slice_, each):
    shares = contributor_shares(slice_, each)
    whole = sum(each)

    assert len(shares) == len(each)
    assert sum(shares) == (slice_ if whole else 0)
    for share, weight in zip(shares, each, strict=True):
        assert not share or weight
        if whole:
            assert abs(share - Fraction(slice_ * weight, whole)) < 2


@given(units, st.lists(st.integers(0, 2**61), max_size=PART).filter(any))
def test_shares_of_a_single_part_are_by_largest_remainder(slice_, each):
    assert contributor_shares(slice_, each) == largest_remainder(slice_, each)


def test_part_that_weighs_nothing_gets_nothing():
    each = [1] * PART + [0] * PART + [1] * PART

    assert contributor_shares(MicroUnit(4 * PART + 1), each) == (
        (3,) + (2,) * (PART - 1) + (0,) * PART + (2,) * PART
    )


@given(units, weights.filter(any))
def test_shares_can_be_found_part_by_part(slice_, each):
    parts = [each[first : first + PART] for first in range(0, len(each), PART)]
    slices = largest_remainder(slice_, [sum(part) for part in parts])
    found: list[int] = []
    for part_slice, part in zip(slices, parts, strict=True):
        found += largest_remainder(part_slice, part)

    assert tuple(found) == contributor_shares(slice_, each)


# revenue


@dataclass
class Vault:
    """Holders of a vault, and what is not issued; whatever comes in is somewhere."""

    supply: int
    units: dict[str, int]
    index: int = 0
    carried: int = 0
    closed: bool = False
    received: int = 0
    paid: dict[str, int] = field(default_factory=dict)
    parts: dict[str, int] = field(default_factory=dict)
    read: dict[str, int] = field(default_factory=dict)

    @property
    def sharing(self) -> int:
        return self.supply - (self.units["reserve"] if self.closed else 0)

    def settle(self, holder: str) -> None:
        risen = self.index - self.read.get(holder, 0)
        whole, part = entitlement(
            MicroUnit(self.units[holder]),
            risen,
            self.parts.get(holder, 0),
            MicroUnit(self.supply),
        )
        self.paid[holder] = self.paid.get(holder, 0) + whole
        self.parts[holder] = part
        self.read[holder] = self.index

    def record(self, revenue: int) -> None:
        self.received += revenue
        self.lift(revenue)

    def lift(self, revenue: int) -> None:
        risen, self.carried = revenue_index(
            revenue, self.carried, MicroUnit(self.supply), MicroUnit(self.sharing)
        )
        self.index += risen

    def move(self, one: str, other: str, amount: int) -> None:
        self.settle(one)
        self.settle(other)
        self.units[one] -= amount
        self.units[other] += amount

    def close(self) -> None:
        """Share among the issued units what the others have earned."""
        self.settle("reserve")
        self.closed = True
        earned, self.paid["reserve"] = self.paid["reserve"], 0
        self.carried, self.parts["reserve"] = self.carried + self.parts["reserve"], 0
        self.lift(earned)

    def conserved(self) -> bool:
        for holder in self.units:
            if holder != "reserve" or not self.closed:
                self.settle(holder)
        owed = sum(self.paid.values()) * self.supply + sum(self.parts.values())
        return owed + self.carried == self.received * self.supply


HOLDERS = ("reserve", "a", "b", "c")

steps = st.lists(
    st.one_of(
        st.tuples(st.just("revenue"), st.integers(0, AMOUNT_MAX)),
        st.tuples(
            st.just("move"),
            st.sampled_from(HOLDERS),
            st.sampled_from(HOLDERS[1:]),
            fractions,
        ),
    ),
    max_size=12,
)


def play(vault: Vault, history: list[tuple[object, ...]]) -> None:
    for step in history:
        if step[0] == "revenue":
            vault.record(int(str(step[1])))
        else:
            one, other, part = str(step[1]), str(step[2]), int(str(step[3]))
            if not (vault.closed and one == "reserve"):
                vault.move(one, other, vault.units[one] * part // WAD)
        assert vault.conserved()


@given(
    st.one_of(st.integers(1, 7), st.integers(1, AMOUNT_MAX)), fractions, steps, steps
)
@example(100, Wad(WAD // 10), [("revenue", 7)], [("revenue", 7)])
def test_revenue_is_conserved_to_the_last_part_before_and_after_a_close(
    supply, issued, before, after
):
    held = supply * issued // WAD
    vault = Vault(supply, {"reserve": supply - held, "a": held, "b": 0, "c": 0})
    play(vault, before)
    if vault.units["reserve"] < supply:
        vault.close()
        assert vault.conserved()
        assert not vault.paid["reserve"]
        play(vault, after)


@given(units, st.integers(1, AMOUNT_MAX))
def test_index_of_an_open_vault_is_its_revenue(revenue, supply):
    assert revenue_index(revenue, 0, supply, supply) == (revenue, 0)


@given(
    st.lists(st.integers(0, AMOUNT_MAX), min_size=1, max_size=8),
    st.integers(1, AMOUNT_MAX),
    st.data(),
)
def test_index_does_not_depend_on_how_revenue_comes_in(revenues, supply, data):
    sharing = data.draw(st.integers(1, supply))
    risen, carried = 0, 0
    for each in revenues:
        more, carried = revenue_index(each, carried, supply, sharing)
        risen += more

    assert (risen, carried) == revenue_index(sum(revenues), 0, supply, sharing)


@given(st.integers(0, 2**80), st.lists(st.integers(0, 2**80), max_size=8), st.data())
def test_entitlement_does_not_depend_on_how_often_it_is_settled(first, rises, data):
    supply = data.draw(st.integers(1, AMOUNT_MAX))
    held = data.draw(st.integers(0, supply))
    owed, part = entitlement(held, first, 0, supply)
    for risen in rises:
        more, part = entitlement(held, risen, part, supply)
        owed += more

    assert (owed, part) == entitlement(held, first + sum(rises), 0, supply)
    assert owed == floor(Fraction(held * (first + sum(rises)), supply))


@pytest.mark.parametrize(
    "bad", [(-1, 0, 5, 5), (1, 5, 5, 5), (1, 0, 5, 0), (1, 0, 5, 6)]
)
def test_payment_that_no_vault_can_have_is_a_bug(bad):
    with pytest.raises(AssertionError):
        revenue_index(*bad)


@given(fractions, fractions)
def test_full_drop_is_a_part_of_what_a_pool_lacks(lacking, part):
    exact = Fraction(lacking * part, WAD)

    assert exact <= full_drop(lacking, part) < exact + 1
    assert full_drop(lacking, part) <= lacking
