"""A round in bulk is the book's to the last unit, and its float64 twin is near."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from coopera.accounting.royalties import (
    WEIGHTS_MAX,
    Sparse,
    contributor_shares,
    data_values,
    near_cell_prices,
    near_contributor_shares,
    near_data_values,
    near_released_units,
    totals,
)
from coopera.formulas import contribution, royalty
from coopera.formulas.contribution import PRICE_BITS, cell_prices, target_distribution
from coopera.formulas.royalty import PART, released_units
from coopera.units import AMOUNT_MAX, MICRO, WAD, MicroUnit, Wad

ULP = 2.0**-52

slices = st.integers(0, AMOUNT_MAX).map(MicroUnit)


def sparse(rows: np.ndarray) -> Sparse:
    """Leave out the zeros."""
    who, cells = np.nonzero(rows)
    starts = np.searchsorted(who, np.arange(len(rows) + 1))
    return Sparse(starts, cells, rows[who, cells], rows.shape[1])


@st.composite
def weights(draw):
    """Draw weights whose sum is below the bound, some of them equal, some zero."""
    count = draw(st.integers(0, 3 * PART + 7))
    most = draw(st.sampled_from([1, 3, 2**20, (WEIGHTS_MAX - 1) // max(count, 1)]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    found = rng.integers(0, most, count, endpoint=True)
    return found * (rng.random(count) < draw(st.sampled_from([0.02, 0.5, 1.0])))


@st.composite
def rounds(draw):
    """Draw a target, a pool, and the rows of contributors."""
    cells, count = draw(st.integers(1, 12)), draw(st.integers(1, 2 * PART + 3))
    most = draw(st.sampled_from([1, 100, 10**6]))
    rng = np.random.default_rng(draw(st.integers(0, 2**32)))
    rows = rng.integers(0, most, (count, cells), endpoint=True)
    rows *= rng.random(rows.shape) < draw(st.sampled_from([0.1, 0.7]))
    shape = rng.integers(0, 50, cells)
    target = target_distribution([1, *shape[1:].tolist()], Wad(WAD // 1000))
    return target, rng.integers(1, most + 1, cells).tolist(), rows


@settings(deadline=None)
@given(slices, weights())
@example(MicroUnit(AMOUNT_MAX), np.array([WEIGHTS_MAX - 1]))
@example(MicroUnit(AMOUNT_MAX), np.array([WEIGHTS_MAX // 2, WEIGHTS_MAX // 2 - 1]))
@example(MicroUnit(AMOUNT_MAX), np.array([1, WEIGHTS_MAX - 2]))
@example(MicroUnit(AMOUNT_MAX), np.array([0, 1, 0]))
@example(MicroUnit(0), np.array([1, 2]))
@example(MicroUnit(5), np.array([], np.int64))
def test_shares_are_those_of_the_book(slice_, each):
    shares = contributor_shares(slice_, each)

    assert tuple(shares.tolist()) == royalty.contributor_shares(slice_, each.tolist())


@settings(deadline=None)
@given(rounds(), slices)
def test_round_is_that_of_the_book(drawn, slice_):
    target, pool, rows = drawn
    listed = rows.tolist()
    counts = totals(rows)
    prices, _ = cell_prices(target, pool, counts)
    values = data_values(rows, prices)
    positive = np.maximum(values, 0)

    assert counts == tuple(map(sum, zip(*listed, strict=True)))
    assert values.tolist() == [contribution.data_value(n, prices) for n in listed]
    assert tuple(contributor_shares(slice_, positive).tolist()) == (
        royalty.contributor_shares(slice_, positive.tolist())
    )


@settings(deadline=None)
@given(rounds())
def test_round_is_the_same_without_its_zeros(drawn):
    target, pool, rows = drawn
    prices, _ = cell_prices(target, pool, totals(rows))
    short = sparse(rows)

    assert len(short) == len(rows)
    assert totals(short) == totals(rows)
    assert data_values(short, prices).tolist() == data_values(rows, prices).tolist()


def test_large_round_is_that_of_the_book():
    rng = np.random.default_rng(1)
    each = rng.integers(0, 2**44, 100_000)
    slice_ = MicroUnit(48_770_575_499_285)
    shares = contributor_shares(slice_, each)

    assert int(shares.sum()) == slice_
    assert tuple(shares.tolist()) == royalty.contributor_shares(slice_, each.tolist())


@pytest.mark.parametrize(
    ("slice_", "each"),
    [
        (-1, [1]),
        (AMOUNT_MAX + 1, [1]),
        (1, [2, -1]),
        (1, [WEIGHTS_MAX // 2] * 2),
        (1, [WEIGHTS_MAX - 1] * 7),
    ],
)
def test_shares_that_cannot_be_exact_are_a_bug(slice_, each):
    with pytest.raises(AssertionError):
        contributor_shares(MicroUnit(slice_), np.array(each))


@pytest.mark.parametrize(
    ("rows", "prices"),
    [
        ([[2**61, 0], [0, 1]], (1, 1)),
        ([[1, -1]], (1, 1)),
        ([[0, 0]] * 3 + [[-1, 1]], (1, 1)),
        ([[4, 0]], (2**60, 1)),
    ],
)
def test_values_that_cannot_be_exact_are_a_bug(rows, prices):
    with pytest.raises(AssertionError):
        data_values(np.array(rows), prices)
    with pytest.raises(AssertionError):
        data_values(sparse(np.array(rows)), prices)


# twins


@given(
    slices,
    st.integers(10**12, 10 * WAD).map(Wad),
    st.sampled_from([0, 1, 2, 100, 5000]),
)
def test_twin_of_the_release_is_near(pool, decay, last):
    rounds_ = np.arange((last or 5000) + 1)
    near = near_released_units(pool, decay, rounds_, last)
    exact = [released_units(pool, decay, int(r), last) for r in rounds_[::37]]
    # What the book itself is off by, where the decay is next to nothing.
    lower = WAD * -np.expm1(-decay / WAD * last) if last else float(WAD)
    off = 2 + 4 * ULP * pool + 2 * pool / lower

    assert all(before <= after for before, after in pairwise(near))
    for one, other in zip(near[::37].tolist(), exact, strict=True):
        assert abs(one - other) <= off


@settings(deadline=None)
@given(rounds(), slices)
def test_twins_of_a_round_are_near(drawn, slice_):
    target, pool, rows = drawn
    counts = totals(rows)
    prices, scale = cell_prices(target, pool, counts)
    near = near_cell_prices(target, pool, counts)
    new, whole = np.array(counts, float), float(max(sum(counts), 1))
    # Of what a price is the difference of, and the last place of the book's logarithms.
    gains = np.array(target) / WAD * np.log1p(new / pool) / np.maximum(new, 1)
    mean = np.log1p(whole / sum(pool)) / whole
    off = 8 * ULP * (gains + mean) + 6e-18 + 2.0**-PRICE_BITS * scale / 10**36
    exact = np.array([float(p * scale) for p in prices]) / 2.0**PRICE_BITS / 1e36
    assert (np.abs(near - exact) <= off).all()

    values = data_values(rows, prices)
    near_values = near_data_values(rows, near)
    in_nats = np.array([float(v * scale) for v in values.tolist()])
    in_nats = in_nats / 2.0**PRICE_BITS / 1e36
    off_values = rows @ (off + 16 * ULP * np.abs(near))
    assert (np.abs(near_values - in_nats) <= off_values).all()

    positive = np.maximum(values, 0)
    shares = contributor_shares(slice_, positive)
    near_shares = near_contributor_shares(slice_, positive.astype(float))
    assert (np.abs(near_shares - shares) < 2 + 32 * ULP * slice_).all()


def test_twins_of_a_round_of_nobody_give_nothing():
    assert near_cell_prices((WAD,), (1,), (0,)).tolist() == [0.0]
    assert near_contributor_shares(MicroUnit(5), np.zeros(2)).tolist() == [0.0, 0.0]


def test_twin_of_the_shares_does_not_add_up_and_the_book_does():
    each = np.random.default_rng(1).integers(1, 10**9, 10_001)
    slice_ = MicroUnit(30_000_000 * MICRO)

    assert int(contributor_shares(slice_, each).sum()) == slice_
    near = near_contributor_shares(slice_, each.astype(float))
    assert int(np.floor(near).sum()) < slice_
