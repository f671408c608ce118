"""A fee is split to the last unit, the tax first, and nobody gets less than nothing."""

from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.services import (
    HOUR,
    agent_split,
    launchpad_split,
    prompt_fee,
    serving_split,
    training_compute_fee,
    training_data_fee,
    training_split,
    training_weights,
)
from coopera.units import AMOUNT_MAX, MICRO, WAD, MicroUsd, Wad

EXTREMES = [0, 1, 2, 99, 10**6, AMOUNT_MAX - 1, AMOUNT_MAX]

amounts = st.one_of(
    st.sampled_from(EXTREMES), st.integers(0, 200), st.integers(0, AMOUNT_MAX)
).map(MicroUsd)
counts = st.one_of(st.integers(0, 10), st.integers(0, 10**9))
fractions = st.one_of(
    st.sampled_from([0, 1, WAD // 3, WAD - 1, WAD]), st.integers(0, WAD)
).map(Wad)


@st.composite
def parts_of_one(draw, n: int) -> tuple[Wad, ...]:
    """Draw fractions that sum to one at most, and often to one exactly."""
    cuts = sorted(draw(st.lists(fractions, min_size=n, max_size=n)))
    if draw(st.booleans()):
        cuts[-1] = WAD
    return tuple(
        Wad(here - before) for before, here in zip([0, *cuts], cuts, strict=False)
    )


def wad(text: str) -> Wad:
    return Wad(int(Fraction(text) * WAD))


# The fee of a call


@pytest.mark.parametrize(
    ("call", "fee"),
    [
        ((0, 0, 3_000000, 15_000000), 0),
        ((1_000_000, 0, 3_000000, 15_000000), 3_000000),
        ((0, 1_000_000, 3_000000, 15_000000), 15_000000),
        # One prompt token at $3 a million is 3 micro-dollars; at $0.000001, a
        # millionth of one, for which the consumer still pays a whole one.
        ((1, 0, 3_000000, 0), 3),
        ((1, 0, 1, 0), 1),
        ((1, 1, 1, 1), 1),
        ((500_000, 500_001, 1, 1), 2),
        ((AMOUNT_MAX, 0, MICRO, 0), AMOUNT_MAX),
    ],
)
def test_call_costs_what_it_read_and_wrote(call, fee):
    assert prompt_fee(*call) == fee


@given(counts, counts, amounts, amounts)
def test_fee_of_a_call_rounds_up_once(read, wrote, per_read, per_written):
    exact = Fraction(read * per_read + wrote * per_written, MICRO)

    assert prompt_fee(read, wrote, per_read, per_written) == ceil(exact)


@given(counts, counts, counts, amounts, amounts)
def test_longer_call_costs_no_less(read, wrote, more, per_read, per_written):
    fee = prompt_fee(read, wrote, per_read, per_written)

    assert prompt_fee(read + more, wrote, per_read, per_written) >= fee
    assert prompt_fee(read, wrote + more, per_read, per_written) >= fee


@given(counts, counts, counts, counts, amounts, amounts)
def test_cutting_a_call_in_two_never_makes_it_cheaper(a, b, c, d, per_read, per_wrote):
    whole = prompt_fee(a + c, b + d, per_read, per_wrote)
    halves = prompt_fee(a, b, per_read, per_wrote) + prompt_fee(
        c, d, per_read, per_wrote
    )

    assert whole <= halves <= whole + 1


@pytest.mark.parametrize("call", [(-1, 0, 1, 1), (0, -1, 1, 1), (1, 1, -1, 1)])
def test_fee_of_less_than_nothing_is_a_bug(call):
    with pytest.raises(AssertionError):
        prompt_fee(*call)


# An agent's call


def test_defaults_split_a_dollar_between_five():
    split = agent_split(
        MicroUsd(1_000000), wad("0.05"), wad("0.1"), wad("0.3"), wad("0.5")
    )

    assert split.launchpad_tax == 50000
    assert split.template == 70000
    assert split.tools == 30000
    assert split.serving == 500000
    assert split.creator == 350000


@pytest.mark.parametrize(
    ("fee", "fractions_", "parts"),
    [
        # 5 % of 15,600 is 780; 10 % 1,560, of which 468 for tools; half is 7,800.
        (15600, ("0.05", "0.1", "0.3", "0.5"), (780, 1092, 468, 7800, 5460)),
        # Of one micro-dollar the tax takes all.
        (1, ("0.05", "0.1", "0.3", "0.5"), (1, 0, 0, 0, 0)),
        # 0.95, 1.9, 0.57 of it, 9.5.
        (19, ("0.05", "0.1", "0.3", "0.5"), (1, 1, 0, 9, 8)),
        (0, ("0.05", "0.1", "0.3", "0.5"), (0, 0, 0, 0, 0)),
        (7, ("1", "0", "0", "0"), (7, 0, 0, 0, 0)),
        (7, ("0", "1", "1", "0"), (0, 0, 7, 0, 0)),
        (7, ("0", "0", "0", "0"), (0, 0, 0, 0, 7)),
        # Three thirds and a bit of one: what rounds down is the creator's.
        (10, ("1/3", "1/3", "1/2", "1/3"), (4, 2, 1, 3, 0)),
    ],
)
def test_agent_s_fee_is_split_by_hand(fee, fractions_, parts):
    split = agent_split(MicroUsd(fee), *map(wad, fractions_))

    assert tuple(split) == parts


@given(amounts, parts_of_one(3), fractions)
def test_parts_of_an_agent_s_fee_sum_to_it(fee, parts, tools):
    tax, template, serving = parts
    split = agent_split(fee, tax, template, tools, serving)

    assert sum(split) == fee
    assert min(split) >= 0


@given(amounts, parts_of_one(3), fractions)
def test_tax_on_an_agent_s_call_rounds_up_and_all_others_down(fee, parts, tools):
    tax, template, serving = parts
    split = agent_split(fee, tax, template, tools, serving)
    side = split.template + split.tools

    assert split.launchpad_tax == ceil(Fraction(fee * tax, WAD)) <= fee
    assert side == floor(Fraction(fee * template, WAD))
    assert split.tools == floor(Fraction(side * tools, WAD))
    assert split.serving == floor(Fraction(fee * serving, WAD))


@given(amounts, amounts, parts_of_one(3), fractions)
def test_cutting_an_agent_s_fee_gains_nobody_more_than_rounding(one, two, parts, tools):
    tax, template, serving = parts
    whole = agent_split(MicroUsd(one + two), tax, template, tools, serving)
    halves = [
        sum(both)
        for both in zip(
            agent_split(one, tax, template, tools, serving),
            agent_split(two, tax, template, tools, serving),
            strict=True,
        )
    ]

    # The collector may gain a unit; who is paid loses at most what was rounded down.
    assert 0 <= halves[0] - whole.launchpad_tax <= 1
    assert 0 <= whole.serving - halves[3] <= 1
    assert 0 <= whole.template + whole.tools - halves[1] - halves[2] <= 1
    assert -1 <= halves[4] - whole.creator <= 2


@given(amounts, amounts, parts_of_one(3), fractions)
def test_larger_fee_pays_nobody_but_for_rounding_less(fee, more, parts, tools):
    tax, template, serving = parts
    small = agent_split(fee, tax, template, tools, serving)
    large = agent_split(MicroUsd(fee + more), tax, template, tools, serving)

    assert large.launchpad_tax >= small.launchpad_tax
    assert large.serving >= small.serving
    assert large.tools >= small.tools
    assert large.template + large.tools >= small.template + small.tools
    assert large.template >= small.template - 1
    assert large.creator >= small.creator - 3


@pytest.mark.parametrize(
    "fractions_",
    [(WAD, 1, 0, 0), (WAD // 2, WAD // 2, 0, 1), (0, 0, WAD + 1, 0), (0, 0, -1, 0)],
)
def test_agent_s_parts_above_the_whole_are_a_bug(fractions_):
    with pytest.raises(AssertionError):
        agent_split(MicroUsd(100), *map(Wad, fractions_))


# Serving a model


@pytest.mark.parametrize(
    ("fee", "tax", "fraction", "parts"),
    [
        (500000, "0.1", "0.2", (50000, 100000, 350000)),
        (1, "0.1", "0.2", (1, 0, 0)),
        (9, "0.1", "0.2", (1, 1, 7)),
        (11, "0.1", "0.9", (2, 9, 0)),
        (0, "0.1", "0.2", (0, 0, 0)),
        (10, "0", "1", (0, 10, 0)),
        (10, "1", "0", (10, 0, 0)),
        # An open model leaves its part to compute.
        (500000, "0.1", "0", (50000, 0, 450000)),
        (AMOUNT_MAX, "1/3", "2/3", (333333333333334, 666666666666666, 0)),
    ],
)
def test_serving_s_fee_is_split_by_hand(fee, tax, fraction, parts):
    assert tuple(serving_split(MicroUsd(fee), wad(tax), wad(fraction))) == parts


@given(amounts, parts_of_one(2))
def test_parts_of_serving_sum_to_the_fee(fee, parts):
    tax, fraction = parts
    split = serving_split(fee, tax, fraction)

    assert sum(split) == fee
    assert min(split) >= 0
    assert split.platform_tax == ceil(Fraction(fee * tax, WAD)) <= fee
    assert split.model == floor(Fraction(fee * fraction, WAD))


@given(amounts, amounts, parts_of_one(2))
def test_cutting_serving_s_fee_gains_no_payee(one, two, parts):
    whole = serving_split(MicroUsd(one + two), *parts)
    first, second = serving_split(one, *parts), serving_split(two, *parts)

    assert 0 <= whole.model - first.model - second.model <= 1
    assert -1 <= first.compute + second.compute - whole.compute <= 1
    assert 0 <= first.platform_tax + second.platform_tax - whole.platform_tax <= 1


def test_serving_s_parts_above_the_whole_are_a_bug():
    with pytest.raises(AssertionError):
        serving_split(MicroUsd(100), WAD, Wad(1))


# Training


@pytest.mark.parametrize(
    ("prices", "seconds", "ratio", "fee"),
    [
        ((), (), "1", 0),
        ((2_500000,), (3600,), "1", 2_500000),
        ((2_500000,), (1,), "1", 695),  # 694.4
        ((2_500000,), (3600,), "0", 0),
        ((2_500000, 4_000000), (7200, 900), "1", 6_000000),
        ((1,), (1,), "1", 1),
        # Rounded once, and not by the machine.
        ((1, 1, 1), (1200, 1200, 1200), "1", 1),
        ((2_500000,), (3600,), "1000", 2500_000000),
    ],
)
def test_compute_of_a_training_is_priced_by_hand(prices, seconds, ratio, fee):
    assert training_compute_fee(prices, seconds, wad(ratio)) == fee


@pytest.mark.parametrize(
    ("prices", "units", "ratio", "fee"),
    [
        ((), (), "1", 0),
        ((60000,), (100,), "1", 6_000000),
        ((60000, 20000), (100, 50), "0.5", 3_500000),
        ((1,), (1,), "0.000001", 1),
        ((1, 1), (1, 1), "0.5", 1),
    ],
)
def test_data_of_a_training_is_priced_by_hand(prices, units, ratio, fee):
    assert training_data_fee(prices, units, wad(ratio)) == fee


supplied = st.lists(st.tuples(amounts, counts), max_size=6)


@given(supplied, st.integers(0, 1000 * WAD))
def test_training_s_fees_round_up_once(items, ratio):
    prices, quantities = [p for p, _ in items], [n for _, n in items]
    exact = Fraction(sum(p * n for p, n in items) * ratio, WAD)

    assert training_data_fee(prices, quantities, Wad(ratio)) == ceil(exact)
    assert training_compute_fee(prices, quantities, Wad(ratio)) == ceil(exact / HOUR)


def test_prices_without_quantities_are_a_bug():
    with pytest.raises(ValueError, match="shorter"):
        training_compute_fee((MicroUsd(1),), (), WAD)
    with pytest.raises(ValueError, match="longer"):
        training_data_fee((), (1,), WAD)


@given(supplied, supplied, fractions, fractions)
def test_weights_are_in_proportion_to_what_each_side_costs(gpus, data, rg, rd):
    weights = training_weights(
        [p for p, _ in gpus],
        [t for _, t in gpus],
        rg,
        [p for p, _ in data],
        [n for _, n in data],
        rd,
    )
    costs = [Fraction(p * t * rg, HOUR) for p, t in gpus]
    costs += [Fraction(p * n * rd) for p, n in data]

    assert list(weights) == [cost * HOUR for cost in costs]


@pytest.mark.parametrize(
    ("fee", "tax", "parts"),
    [
        (0, "0.1", (0, 0)),
        (1, "0.1", (1, 0)),
        (2_250001, "0.1", (225001, 2_025000)),
        (7, "0", (0, 7)),
        (7, "1", (7, 0)),
    ],
)
def test_training_s_fee_is_split_by_hand(fee, tax, parts):
    assert tuple(training_split(MicroUsd(fee), wad(tax))) == parts


# The launchpad, and what the two splits in two have in common


@pytest.mark.parametrize(
    ("value", "parts"),
    [
        (0, (0, 0)),
        (1, (1, 0)),
        (100, (1, 99)),
        (101, (2, 99)),
        (1_000000, (10000, 990000)),
    ],
)
def test_launchpad_takes_one_hundredth(value, parts):
    assert tuple(launchpad_split(value, wad("0.01"))) == parts


@pytest.mark.parametrize("split", [launchpad_split, training_split])
@given(value=amounts, more=amounts, tax=fractions)
def test_tax_rounds_up_and_never_exceeds_the_whole(split, value, more, tax):
    taken, rest = split(value, tax)
    taken_more, rest_more = split(value + more, tax)

    assert taken + rest == value
    assert taken == ceil(Fraction(value * tax, WAD))
    assert 0 <= taken <= taken_more
    assert 0 <= rest <= rest_more


@pytest.mark.parametrize("split", [launchpad_split, training_split])
@given(one=amounts, two=amounts, tax=fractions)
def test_cutting_a_payment_never_lowers_the_tax(split, one, two, tax):
    whole = split(one + two, tax)[0]

    assert 0 <= split(one, tax)[0] + split(two, tax)[0] - whole <= 1
