"""A whole is split to the last unit, and nobody is off by one."""

from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.allocation import largest_remainder, proportional_share
from coopera.units import AMOUNT_MAX, WAD

totals = st.integers(0, AMOUNT_MAX)
weights = st.one_of(
    st.lists(st.integers(0, AMOUNT_MAX), min_size=1, max_size=12),
    st.lists(st.integers(0, 3), min_size=1, max_size=12),  # ties
).filter(any)


@given(totals, weights)
def test_parts_add_up_to_the_whole(total, weights):
    assert sum(largest_remainder(total, weights)) == total


@given(totals, weights)
def test_every_part_is_within_a_unit_of_its_exact_share(total, weights):
    for part, weight in zip(largest_remainder(total, weights), weights, strict=True):
        exact = Fraction(total * weight, sum(weights))
        assert floor(exact) <= part
        assert part - exact < 1


@given(totals, weights)
def test_who_weighs_more_gets_no_less_and_the_earlier_goes_first(total, weights):
    parts = largest_remainder(total, weights)
    order = sorted(range(len(weights)), key=lambda i: (-weights[i], i))

    assert [parts[i] for i in order] == sorted(parts, reverse=True)


@given(totals, weights)
def test_who_weighs_nothing_gets_nothing(total, weights):
    parts = largest_remainder(total, weights)

    assert not any(
        part for part, weight in zip(parts, weights, strict=True) if weight == 0
    )


@given(totals, weights, st.integers(1, WAD))
def test_scale_of_the_weights_does_not_matter(total, weights, factor):
    assert largest_remainder(total, [w * factor for w in weights]) == largest_remainder(
        total, weights
    )


@pytest.mark.parametrize("weights", [(), (0,), (0, 0)])
def test_nothing_splits_among_nobody(weights):
    assert largest_remainder(0, weights) == (0,) * len(weights)


@pytest.mark.parametrize("weights", [(), (0,), (0, 0)])
def test_something_cannot_split_among_nobody(weights):
    with pytest.raises(AssertionError):
        largest_remainder(1, weights)


@given(totals, weights)
def test_shares_round_down_and_never_exceed_the_whole(total, weights):
    shares = [proportional_share(total, each, sum(weights)) for each in weights]

    assert total - len(weights) < sum(shares) <= total


def test_share_of_nothing_is_zero():
    assert proportional_share(100, 0, 0) == 0
