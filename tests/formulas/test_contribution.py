"""
Points are counted exactly, and a machine's time rounds down.

Rows are priced so that what all are worth is what they bring, to the last place.
"""

from collections.abc import Sequence
from decimal import Decimal, localcontext
from fractions import Fraction
from math import floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.contribution import (
    PRICE_BITS,
    best_reduction,
    cell_prices,
    contribution_points,
    data_value,
    dilution,
    divergence_drop,
    divergence_reduction,
    divergence_weight,
    first_prices,
    is_let_in,
    is_valid,
    kl_divergence,
    pool_divergence,
    rows_covered,
    running_time_points,
    target_distribution,
)
from coopera.units import AMOUNT_MAX, MICRO, WAD, MicroToken, Wad, ln_wad

TENTH = Wad(WAD // 10)

prices = st.integers(0, AMOUNT_MAX)
quantities = st.integers(0, 10**9)


@pytest.mark.parametrize(
    ("given_", "quantity", "points"),
    [
        ((), (), 0),
        ((50_000000,), (3,), 150_000000),
        ((50_000000, 100000), (3, 200), 170_000000),
        ((50_000000, 0), (0, 200), 0),
        ((AMOUNT_MAX,), (1,), AMOUNT_MAX),
    ],
)
def test_points_are_counted_by_hand(given_, quantity, points):
    assert contribution_points(given_, quantity) == points


@given(st.lists(st.tuples(prices, quantities), max_size=6), st.integers(0, 6))
def test_points_are_the_same_however_a_contribution_is_cut(given_, cut):
    def points(some):
        return contribution_points([p for p, _ in some], [n for _, n in some])

    assert points(given_) == points(given_[:cut]) + points(given_[cut:])


def test_prices_without_quantities_are_a_bug():
    with pytest.raises(ValueError, match="shorter"):
        contribution_points((1, 2), (1,))


@pytest.mark.parametrize(
    ("price", "seconds", "points"),
    [
        (10_000000, 0, 0),
        (10_000000, 3600, 10_000000),
        (10_000000, 5400, 15_000000),
        (10_000000, 1, 2777),  # 2,777.8
        (1, 3599, 0),
        (AMOUNT_MAX, 3600, AMOUNT_MAX),
    ],
)
def test_running_time_is_counted_by_hand(price, seconds, points):
    assert running_time_points(price, seconds) == points


@given(prices, quantities)
def test_running_time_rounds_down(price, seconds):
    exact = Fraction(price * seconds, 3600)

    assert running_time_points(price, seconds) == floor(exact)


@given(prices, quantities, quantities)
def test_cutting_the_time_of_a_machine_never_gains_points(price, one, two):
    whole = running_time_points(price, one + two)
    halves = running_time_points(price, one) + running_time_points(price, two)

    assert 0 <= whole - halves <= 1


@pytest.mark.parametrize("given_", [(-1, 1), (1, -1)])
def test_time_or_price_below_zero_is_a_bug(given_):
    with pytest.raises(AssertionError):
        running_time_points(*given_)


# targets

LEAST = Wad(WAD // 1000)
HALVES = (Wad(WAD // 2), Wad(WAD // 2))


@st.composite
def rounds(draw, cells_max=8, rows_max=10**9):
    """Draw a target, the rows of a pool, and of each contributor to a round."""
    cells = draw(st.integers(1, cells_max))

    def rows(low, high):
        some = st.one_of(st.integers(low, 3), st.integers(low, high))
        return st.lists(some, min_size=cells, max_size=cells)

    target = target_distribution(draw(rows(0, 10**6).filter(any)), LEAST)
    contributors = draw(st.lists(rows(0, rows_max), min_size=1, max_size=6))
    return target, draw(rows(1, rows_max)), contributors


def totals(contributors: Sequence[Sequence[int]]) -> list[int]:
    return [sum(column) for column in zip(*contributors, strict=True)]


@given(
    st.lists(st.integers(0, 10**9), min_size=1, max_size=40).filter(any),
    st.integers(1, WAD // 40).map(Wad),
)
def test_target_is_a_distribution_and_no_cell_is_without_mass(counts, least):
    target = target_distribution(counts, least)
    rest = WAD - len(counts) * least

    assert sum(target) == WAD
    assert min(target) >= least
    for mass, n in zip(target, counts, strict=True):
        assert abs(mass - least - Fraction(rest * n, sum(counts))) < 1


def test_target_is_found_by_hand():
    assert target_distribution((3, 1), Wad(WAD // 10)) == (7 * WAD // 10, 3 * WAD // 10)


def test_target_of_as_much_least_mass_as_there_is_is_even():
    assert target_distribution((1, 0), Wad(WAD // 2)) == (WAD // 2, WAD // 2)


@pytest.mark.parametrize("least", [Wad(WAD // 2 + 1), Wad(WAD)])
def test_more_least_mass_than_there_is_is_a_bug(least):
    with pytest.raises(AssertionError):
        target_distribution((1, 1), least)


# divergence


def divergence(counts: Sequence[int], target: Sequence[int]) -> Decimal:
    """Find the divergence from a target to sixty digits, in units of the last place."""
    with localcontext(prec=60):
        parts = [
            (Decimal(n) / sum(counts), Decimal(mass) / WAD)
            for n, mass in zip(counts, target, strict=True)
            if n
        ]
        return WAD * sum((p * (p / q).ln() for p, q in parts), Decimal(0))


@given(rounds())
def test_divergence_is_short_of_the_truth_by_less_than_five_units(drawn):
    target, pool, _ = drawn
    found = kl_divergence(pool, target)
    exact = divergence(pool, target)

    assert found >= 0
    assert found > exact - 5
    assert found <= max(Decimal(0), exact) + Decimal("1e-15")


@pytest.mark.parametrize("cells", [1, 160, 4096])
@pytest.mark.parametrize("rows", [1, 10**3, 10**9])
def test_divergence_of_many_cells_is_short_by_less_than_five_units(cells, rows):
    """Logarithms that many offers share stay right, however many were asked for."""
    target = target_distribution([1 + i % 7 for i in range(cells)], Wad(WAD // 10**4))
    counts = [rows + i * i % 99_991 for i in range(cells)]
    found, exact = kl_divergence(counts, target), divergence(counts, target)

    assert exact - 5 < found <= max(Decimal(0), exact) + Decimal("1e-15")


def test_divergence_goes_by_the_target_that_it_is_asked_about():
    targets = [target_distribution((n, 1), LEAST) for n in range(1, 40)]
    once = [kl_divergence((3, 1), each) for each in targets]

    assert [kl_divergence((3, 1), list(each)) for each in targets] == once
    assert len(set(once)) == len(once)


@given(rounds())
def test_divergence_is_no_more_than_of_rows_in_the_rarest_cell(drawn):
    target, pool, _ = drawn

    assert kl_divergence(pool, target) <= -ln_wad(min(target))


@given(st.lists(st.integers(1, 1000), min_size=2, max_size=8), st.integers(1, 10**6))
def test_rows_as_the_target_do_not_diverge(counts, factor):
    target = target_distribution(counts, Wad(0))

    assert kl_divergence([n * factor for n in counts], target) == 0


def test_divergence_of_no_rows_is_a_bug():
    with pytest.raises(AssertionError):
        kl_divergence((0, 0), HALVES)


@given(
    st.integers(0, 10**9),
    st.integers(0, 40 * WAD).map(Wad),
    st.integers(0, 100 * WAD).map(Wad),
)
def test_weight_rounds_down_and_is_never_more_than_its_rows(rows, diverges, beta):
    with localcontext(prec=60):
        power = (-Decimal(beta) * diverges / WAD / WAD).exp()
    found = divergence_weight(rows, diverges, beta)
    exact = rows * 10**9 * power

    # The exponent is off by 10**-18, and so is the power: of 10**9 rows by two units.
    assert exact - 1 - 2 * Decimal(rows) / 10**9 < found
    assert found <= exact + Decimal(rows) / 10**9 * Decimal("1e-15")
    assert 0 <= found <= rows * 10**9


# prices


def nats(value: int, scale: int) -> Decimal:
    """Tell a value at the prices of a round in nats, to sixty digits."""
    return Decimal(value * scale) / (10**36 << PRICE_BITS)


def drop(target: Sequence[int], pool: Sequence[int], counts: Sequence[int]) -> Decimal:
    """Find the drop of the divergence of a pool, to sixty digits."""
    with localcontext(prec=60):
        before, after = sum(pool), sum(pool) + sum(counts)
        return sum(
            (
                Decimal(mass) / WAD
                * ((Decimal(b + n) / after).ln() - (Decimal(b) / before).ln())
                for mass, b, n in zip(target, pool, counts, strict=True)
            ),
            Decimal(0),
        )  # fmt: skip


def check_values_sum_to_the_drop(
    target: Sequence[Wad], pool: Sequence[int], contributors: Sequence[Sequence[int]]
) -> None:
    """Hold the values of a round to the bound that prices state."""
    counts = totals(contributors)
    prices, scale = cell_prices(target, pool, counts)
    value = sum(data_value(each, prices) for each in contributors)
    exact, rows = drop(target, pool, counts), sum(counts)
    with localcontext(prec=60):
        off = exact - nats(value, scale)
        unit = nats(1, scale)
        assert -Decimal("1e-50") <= off
        assert off <= Decimal("6e-18") + rows * (unit + Decimal("2e-36"))
        told = Decimal(divergence_drop(value, scale)) / WAD
        assert 0 <= nats(value, scale) - told < Decimal("1e-18")
    worth = sum(n * abs(price) for n, price in zip(counts, prices, strict=True))
    assert worth <= 2**PRICE_BITS + rows < 2**62


@given(rounds())
def test_values_sum_to_the_drop_of_divergence(drawn):
    check_values_sum_to_the_drop(*drawn)


@given(rounds(rows_max=4))
def test_values_of_tiny_rounds_sum_to_the_drop_of_divergence(drawn):
    check_values_sum_to_the_drop(*drawn)


@pytest.mark.parametrize(
    ("cells", "pool", "rows"),
    [
        (1, 1, 1),
        (2, 1, 10**9),
        (2, 10**9, 1),
        (2, 10**9, 10**9),
        (160, 1, 10**9),
        (4096, 1, 1),
        (4096, 10**6, 10**6),
    ],
)
def test_values_of_odd_rounds_sum_to_the_drop_of_divergence(cells, pool, rows):
    target = target_distribution([1 + i % 7 for i in range(cells)], Wad(WAD // 10**4))
    pools = [pool + i % 3 for i in range(cells)]
    contributors = [
        [rows * (i % 5 == each) + each for i in range(cells)] for each in range(6)
    ]

    check_values_sum_to_the_drop(target, pools, contributors)


def test_prices_follow_their_formula():
    target = target_distribution((5, 3, 1), LEAST)
    pool, counts = (4, 7, 2), (100, 3, 0)
    prices, scale = cell_prices(target, pool, counts)

    with localcontext(prec=60):
        n, whole = sum(counts), sum(pool)
        mean = (1 + Decimal(n) / whole).ln() / n
        for price, mass, b, c in zip(prices, target, pool, counts, strict=True):
            exact = (
                Decimal(mass) / WAD * (1 + Decimal(c) / b).ln() / c - mean if c else 0
            )
            assert abs(nats(price, scale) - exact) < Decimal("1e-17")


def test_price_of_a_cell_without_new_rows_is_nothing():
    assert cell_prices(HALVES, (1, 1), (0, 0)) == ((0, 0), 0)
    assert cell_prices(HALVES, (1, 1), (5, 0))[0][1] == 0


def test_one_cell_has_nothing_to_gain():
    (price,), scale = cell_prices((WAD,), (3,), (10,))

    assert price < 0
    assert -7 <= divergence_drop(10 * price, scale) <= 0


@pytest.mark.parametrize("pool", [(0, 1), (-1, 1)])
def test_pool_with_a_cell_without_rows_is_a_bug(pool):
    with pytest.raises(AssertionError):
        cell_prices(HALVES, pool, (1, 1))


def test_more_rows_than_a_price_can_be_multiplied_by_are_a_bug():
    with pytest.raises(AssertionError):
        cell_prices((WAD,), (1,), (2**PRICE_BITS,))


@given(rounds(), st.data())
def test_rows_cut_among_names_are_worth_the_same(drawn, data):
    target, pool, contributors = drawn
    prices, _ = cell_prices(target, pool, totals(contributors))
    one, *others = contributors
    part = [data.draw(st.integers(0, n)) for n in one]
    rest = [n - taken for n, taken in zip(one, part, strict=True)]
    again, _ = cell_prices(target, pool, totals([part, rest, *others]))

    assert again == prices
    assert data_value(part, prices) + data_value(rest, prices) == (
        data_value(one, prices)
    )


@given(
    st.lists(st.integers(0, 10**6), min_size=1, max_size=8).filter(any),
    st.integers(1, 10**9),
    st.integers(1, 10**9),
)
def test_junk_that_is_as_the_pool_is_worth_nothing(counts, pool, junk):
    target = target_distribution(counts, LEAST)
    cells = len(counts)
    prices, scale = cell_prices(target, [pool] * cells, [junk] * cells)
    value = data_value([junk] * cells, prices)

    assert value <= 0
    # The sum is off by some units of the last place, and never for the junk.
    assert divergence_drop(value, scale) >= -6 - cells * junk * scale // 2**61 // 10**18


@given(
    st.lists(st.integers(1, 1000), min_size=2, max_size=8),
    st.integers(1, 1000),
    st.integers(1, 1000),
    st.integers(1, 10**6),
)
def test_even_junk_is_worth_nothing_where_the_round_is_as_the_target(
    shape, pool, rows, junk
):
    """By concavity: the mean of ln(1 + N T / B) over cells is at most ln(1 + N / B)."""
    target = target_distribution(shape, Wad(0))
    counts = [n * rows for n in shape]
    prices, _ = cell_prices(target, [pool] * len(shape), counts)

    assert data_value([junk] * len(shape), prices) <= 0


@given(
    st.integers(-(2**62), 2**62), st.integers(0, 10**40), st.integers(-(2**62), 2**62)
)
def test_values_in_nats_round_down(value, scale, other):
    exact = Fraction(value * scale, 2**PRICE_BITS * 10**18)
    told = divergence_drop(value, scale)

    assert told == floor(exact)
    one, two = sorted((value, other))
    assert divergence_drop(one, scale) <= divergence_drop(two, scale)


@given(rounds())
def test_reduction_is_the_drop_where_there_is_one(drawn):
    target, pool, contributors = drawn
    counts = totals(contributors)
    found = divergence_reduction(target, pool, counts)
    exact = drop(target, pool, counts) * WAD

    assert 0 <= found <= max(Decimal(0), exact)
    assert found >= exact - 5


# what joins a pool


@given(rounds())
def test_data_joins_that_loses_less_than_a_tenth_of_a_rows_part(drawn):
    target, pool, contributors = drawn
    counts = totals(contributors)
    prices, scale = cell_prices(target, pool, counts)
    taken = dilution(pool, counts, scale)
    after = sum(pool) + sum(counts)

    for rows in contributors:
        value = data_value(rows, prices)
        with localcontext(prec=60):
            limit = Decimal(sum(rows)) / (10 * after)
            over = nats(value, scale) + limit
            # Taken rounds down, by a unit of the price a row.
            if abs(over) > sum(rows) * nats(1, scale):
                assert is_let_in(value, sum(rows), taken, TENTH) == (over > 0)


@given(rounds())
def test_a_round_that_is_let_in_leads_the_pool_away_by_little(drawn):
    target, pool, contributors = drawn
    counts = totals(contributors)
    prices, scale = cell_prices(target, pool, counts)
    taken = dilution(pool, counts, scale)
    if all(
        is_let_in(data_value(c, prices), sum(c), taken, TENTH) for c in contributors
    ):
        with localcontext(prec=60):
            part = Decimal(sum(counts)) / (sum(pool) + sum(counts))
            assert drop(target, pool, counts) >= -part / 10


@given(rounds(), st.data())
def test_names_do_not_change_whether_their_rows_join(drawn, data):
    """Of parts that both join the whole does, and of parts that both do not neither."""
    target, pool, (one, *others) = drawn
    part = [data.draw(st.integers(0, n)) for n in one]
    rest = [n - taken for n, taken in zip(one, part, strict=True)]
    counts = totals([one, *others])
    prices, scale = cell_prices(target, pool, counts)
    taken = dilution(pool, counts, scale)

    def joins(rows):
        return is_let_in(data_value(rows, prices), sum(rows), taken, TENTH)

    if any(part) and any(rest) and joins(part) == joins(rest):
        assert joins(one) == joins(part)


def test_where_nothing_has_a_price_everything_joins():
    assert dilution((1, 1), (0, 0), 0) == 0
    assert is_let_in(0, 5, 0, TENTH)


@given(rounds())
def test_first_prices_tell_where_a_first_row_leads(drawn):
    target, pool, _ = drawn
    rows = sum(pool)
    for price, mass, b in zip(first_prices(target, pool), target, pool, strict=True):
        assert price == floor(Fraction(mass * rows, b)) - WAD
    one = data_value(pool, first_prices(target, pool))

    # Rows as the pool itself change nothing.
    assert -rows < one <= 0


def test_pool_without_rows_has_no_first_prices():
    with pytest.raises(AssertionError):
        first_prices(HALVES, (0, 1))


@given(rounds())
def test_best_part_of_rows_is_the_best_of_all_halvings(drawn):
    target, pool, contributors = drawn
    counts = totals(contributors)
    found = best_reduction(target, pool, counts)
    each = [
        divergence_reduction(target, [b << k for b in pool], counts) for k in range(40)
    ]

    # Less than a row, and the last place, are not looked at.
    assert divergence_reduction(target, pool, counts) <= found <= max(each)
    assert found >= max(each[: sum(counts).bit_length()], default=0) - 5


def test_rows_that_are_too_many_count_as_far_as_they_help():
    pool = (90, 100)
    best = max(divergence_reduction(HALVES, pool, (n, 0)) for n in range(41))

    assert divergence_reduction(HALVES, pool, (40, 0)) == 0
    assert best_reduction(HALVES, pool, (40, 0)) == best
    for rows in (10, 15, 320, 10**9):
        assert best_reduction(HALVES, pool, (rows, 0)) > best * 8 // 10
    assert best_reduction(HALVES, pool, (0, 40)) == 0
    assert best_reduction(HALVES, pool, (0, 0)) == 0


@given(rounds())
def test_a_pool_lacks_what_the_best_rows_would_bring(drawn):
    target, pool, _ = drawn
    with localcontext(prec=60):
        exact = sum(
            (
                Decimal(mass) * (Decimal(mass * sum(pool)) / (WAD * b)).ln()
                for mass, b in zip(target, pool, strict=True)
                if mass
            ),
            Decimal(0),
        )
    found = pool_divergence(target, pool)

    assert found == 0 or found <= exact
    assert found > exact - 2 * len(pool) - 2


# what rows answer for


@given(
    st.integers(0, AMOUNT_MAX).map(MicroToken),
    st.integers(0, AMOUNT_MAX).map(MicroToken),
    st.integers(0, 10**6 * WAD).map(Wad),
)
def test_stake_covers_no_more_rows_when_it_is_split(one, other, rate):
    whole = rows_covered(MicroToken(one + other), rate)

    assert whole == floor(Fraction((one + other) * rate, MICRO * WAD))
    assert 0 <= whole - rows_covered(one, rate) - rows_covered(other, rate) <= 1


@given(st.integers(0, 1000), st.integers(0, 1000), st.integers(0, WAD).map(Wad))
def test_rows_are_valid_where_enough_of_those_looked_at_are(one, two, least):
    valid, checked = sorted((one, two))

    assert is_valid(valid, checked, least) == (
        checked > 0 and Fraction(valid, checked) >= Fraction(least, WAD)
    )
