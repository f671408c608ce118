"""What tempts is never understated, and what deters is never overstated."""

import inspect
from fractions import Fraction
from math import ceil, floor

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from coopera.formulas import deterrence
from coopera.formulas.deterrence import (
    NO_RATE,
    audit_rate_needed,
    canary_rate_needed,
    cheating_gain,
    cheating_loss,
    checking_cost,
    honest_profit,
    panel_detection,
    reputation_rent,
    sample_detection,
)
from coopera.units import AMOUNT_MAX, WAD, MicroToken, Wad

NOTHING = Wad(0)


def wad(number: str | int) -> Wad:
    return Wad(int(Fraction(number) * WAD))


def of_one(value: int) -> Fraction:
    """Turn fixed point into the number that it stands for."""
    return Fraction(value, WAD)


def up(exact: Fraction) -> int:
    return ceil(exact * WAD)


def down(exact: Fraction) -> int:
    return floor(exact * WAD)


rates = st.one_of(
    st.sampled_from([0, 1, WAD // 1000, WAD // 3, WAD // 2, WAD - 1, WAD]),
    st.integers(0, WAD),
).map(Wad)
stakes = st.one_of(
    st.sampled_from([0, 1, WAD // 2, WAD, 8 * WAD, 1000 * WAD]),
    st.integers(0, 1000 * WAD),
).map(Wad)
lost_besides = st.tuples(stakes, stakes, stakes)
amounts = st.one_of(
    st.sampled_from([0, 1, 24000, AMOUNT_MAX]), st.integers(0, AMOUNT_MAX)
).map(MicroToken)

ARGUMENTS = {
    "audit_rate": rates,
    "bond": stakes,
    "cheated": rates,
    "cheating_cost": rates,
    "colluding": rates,
    "continuation": rates.filter(lambda delta: delta < WAD),
    "cost": amounts,
    "detection": rates,
    "false_positive": rates,
    "gain": rates,
    "held_back": stakes,
    "margin": rates,
    "pay": amounts,
    "reputation_rent": stakes,
    "reward": amounts,
    "units": st.integers(0, 40),
    "uplift": stakes,
    "validation_cost": rates,
    "validators": st.integers(0, 40),
    "verdict_bond": amounts,
}

RISES = {
    cheating_gain: {"cheating_cost": -1, "margin": -1},
    cheating_loss: {
        "audit_rate": 1,
        "detection": 1,
        "false_positive": -1,
        "bond": 1,
        "held_back": 1,
        "reputation_rent": 1,
    },
    audit_rate_needed: {
        "gain": 1,
        "detection": -1,
        "false_positive": 1,
        "bond": -1,
        "held_back": -1,
        "reputation_rent": -1,
    },
    honest_profit: {
        "margin": 1,
        "audit_rate": -1,
        "false_positive": -1,
        "bond": -1,
        "held_back": -1,
        "reputation_rent": -1,
    },
    reputation_rent: {"margin": 1, "uplift": 1, "continuation": 1},
    sample_detection: {"cheated": 1, "units": 1},
    panel_detection: {"detection": 1, "colluding": -1, "validators": 1},
    checking_cost: {"pay": 1, "validation_cost": 1, "margin": -1},
    canary_rate_needed: {"cost": 1, "verdict_bond": -1, "reward": -1},
}
"""Which way each formula goes when an argument grows."""


def test_every_formula_and_argument_goes_one_way():
    assert {each.__name__: list(way) for each, way in RISES.items()} == {
        name: [*inspect.signature(formula).parameters]
        for name, formula in inspect.getmembers(deterrence, inspect.isfunction)
        if formula.__module__ == deterrence.__name__
    }


@pytest.mark.parametrize(
    ("formula", "argument"),
    [
        pytest.param(formula, argument, id=f"{formula.__name__}-{argument}")
        for formula, ways in RISES.items()
        for argument in ways
    ],
)
def test_formula_goes_one_way_with_its_argument(formula, argument):
    others = {each: ARGUMENTS[each] for each in RISES[formula]}

    @given(st.fixed_dictionaries(others), ARGUMENTS[argument])
    def check(drawn, other):
        less, more = sorted((drawn[argument], other))
        before = formula(**{**drawn, argument: less})
        after = formula(**{**drawn, argument: more})

        assert (after - before) * RISES[formula][argument] >= 0

    check()


# Against exact fractions


@given(rates, rates)
def test_gain_is_the_exact_one_rounded_up(cost, margin):
    assert cheating_gain(cost, margin) == up((1 - of_one(cost)) * (1 - of_one(margin)))


@given(rates, rates, rates, lost_besides)
def test_loss_is_the_exact_one_rounded_down(rate, found, wrong, at_stake):
    exact = (
        of_one(rate)
        * max(of_one(found) - of_one(wrong), Fraction(0))
        * (1 + sum(map(of_one, at_stake)))
    )

    assert cheating_loss(rate, found, wrong, *at_stake) == down(exact)


@given(rates, rates, rates, lost_besides)
def test_needed_rate_is_the_exact_one_rounded_up(gain, found, wrong, at_stake):
    assume(found > wrong)
    exact = of_one(gain) / (
        (of_one(found) - of_one(wrong)) * (1 + sum(map(of_one, at_stake)))
    )

    assert audit_rate_needed(gain, found, wrong, *at_stake) == (
        up(exact) if exact <= 1 else NO_RATE
    )


@given(rates, rates, rates, lost_besides)
def test_profit_is_the_exact_one_rounded_down(margin, rate, wrong, at_stake):
    exact = of_one(margin) - of_one(rate) * of_one(wrong) * (
        1 + sum(map(of_one, at_stake))
    )

    assert honest_profit(margin, rate, wrong, *at_stake) == down(exact)


@given(rates, stakes, ARGUMENTS["continuation"])
def test_rent_is_the_exact_one_rounded_down(margin, uplift, delta):
    goes_on = of_one(delta)
    exact = goes_on / (1 - goes_on) * of_one(margin) * of_one(uplift)

    assert reputation_rent(margin, uplift, delta) == down(exact)


@given(rates, st.integers(0, 100))
def test_sample_shows_the_exact_chance_rounded_down(cheated, units):
    exact = 1 - (1 - of_one(cheated)) ** units

    assert sample_detection(cheated, units) == down(exact)


@given(rates, rates, st.integers(0, 101))
def test_panel_flags_with_the_exact_chance_rounded_down(found, colluding, validators):
    exact = of_one(found) * (1 - of_one(colluding) ** validators)

    assert panel_detection(found, colluding, validators) == down(exact)


@given(amounts, rates, rates)
def test_checking_costs_the_exact_amount_rounded_up(pay, cost, margin):
    exact = pay * of_one(cost) * (1 - of_one(margin))

    assert checking_cost(pay, cost, margin) == ceil(exact)


@given(amounts, amounts, amounts)
def test_needed_canaries_are_the_exact_part_rounded_up(cost, bond, reward):
    assume(bond + reward > 0)
    exact = Fraction(cost, bond + reward)

    assert canary_rate_needed(cost, bond, reward) == (
        up(exact) if exact <= 1 else NO_RATE
    )


# At the boundary


@given(rates, rates, rates, lost_besides)
def test_needed_rate_is_the_least_that_deters(gain, found, wrong, at_stake):
    def deters(rate):
        return cheating_loss(Wad(rate), found, wrong, *at_stake) >= gain

    needed = audit_rate_needed(gain, found, wrong, *at_stake)

    assert deters(needed) if needed <= WAD else not deters(WAD)
    assert needed == 0 or not deters(needed - 1)


@given(rates, rates, rates, stakes, stakes, stakes, rates, rates)
def test_cheating_pays_less_than_honest_work_just_where_it_is_deterred(
    rate, found, wrong, bond, held_back, rent, cost, margin
):
    assume(found >= wrong)
    q, d, phi = map(of_one, (rate, found, wrong))
    lost = 1 + sum(map(of_one, (bond, held_back, rent)))
    honest = of_one(margin) - q * phi * lost
    cheat = 1 - of_one(cost) * (1 - of_one(margin)) - q * d * lost

    loss = cheating_loss(rate, found, wrong, bond, held_back, rent)
    gain = cheating_gain(cost, margin)

    # Rounding may only err towards the alarm, and by two units at most.
    assert loss < gain or cheat <= honest
    assert loss >= gain or cheat >= honest - Fraction(2, WAD)


@pytest.mark.parametrize(("found", "wrong"), [(0, 0), (WAD // 2, WAD // 2), (0, WAD)])
def test_check_that_tells_nothing_apart_deters_nobody(found, wrong):
    fortune = wad(1000)

    assert cheating_loss(WAD, Wad(found), Wad(wrong), fortune, fortune, fortune) == 0
    assert (
        audit_rate_needed(Wad(1), Wad(found), Wad(wrong), fortune, fortune, fortune)
        == NO_RATE
    )


def test_who_gains_nothing_needs_no_check():
    assert cheating_gain(WAD, NOTHING) == cheating_gain(NOTHING, WAD) == 0
    assert audit_rate_needed(*6 * [NOTHING]) == 0
    assert canary_rate_needed(*3 * [MicroToken(0)]) == 0


def test_rate_of_one_is_enough_if_all_of_the_pay_is_lost_for_all_of_it():
    assert audit_rate_needed(WAD, WAD, *4 * [NOTHING]) == WAD
    assert audit_rate_needed(Wad(WAD + 1), WAD, *4 * [NOTHING]) == NO_RATE
    assert canary_rate_needed(*map(MicroToken, (7, 5, 2))) == WAD
    assert canary_rate_needed(*map(MicroToken, (8, 5, 2))) == NO_RATE


def test_validator_with_nothing_to_lose_looks_at_nothing():
    assert canary_rate_needed(*map(MicroToken, (1, 0, 0))) == NO_RATE


def test_nobody_who_looks_or_flags_shows_nothing():
    assert sample_detection(WAD, 0) == 0
    assert panel_detection(WAD, NOTHING, 0) == 0
    assert panel_detection(WAD, WAD, 101) == 0


@pytest.mark.parametrize(
    ("formula", "arguments"),
    [
        (cheating_gain, (WAD + 1, 0)),
        (cheating_gain, (0, -1)),
        (cheating_loss, (WAD + 1, 0, 0, 0, 0, 0)),
        (cheating_loss, (0, 0, 0, -1, 0, 0)),
        (audit_rate_needed, (-1, 0, 0, 0, 0, 0)),
        (audit_rate_needed, (0, WAD + 1, 0, 0, 0, 0)),
        (honest_profit, (0, 0, 0, 0, 0, -1)),
        (reputation_rent, (0, 0, WAD)),  # a name that pays for ever has no price
        (sample_detection, (0, -1)),
        (panel_detection, (0, WAD + 1, 1)),
        (checking_cost, (0, WAD + 1, 0)),
        (canary_rate_needed, (-1, 1, 1)),
    ],
)
def test_what_no_world_has_is_a_bug(formula, arguments):
    with pytest.raises(AssertionError):
        formula(*arguments)


# Known figures, to the digits in which docs/readings.md gives them

GAIN = cheating_gain(NOTHING, wad("0.2"))
WRONG = wad("0.001")


@pytest.mark.parametrize(
    ("found", "at_stake", "needed"),
    [
        *zip(
            9 * ["0.95"],
            ("0", "0.1", "0.25", "0.5", "1", "2", "4", "9", "19"),
            ("0.84", "0.77", "0.67", "0.56", "0.42", "0.28", "0.17", "0.084", "0.042"),
            strict=True,
        ),
        *zip(
            5 * ["0.5"],
            ("1", "2", "4", "9", "19"),
            ("0.80", "0.53", "0.32", "0.16", "0.08"),
            strict=True,
        ),
    ],
)
def test_rate_that_a_stake_needs(found, at_stake, needed):
    digits = len(needed.split(".")[1])
    rates = {
        audit_rate_needed(GAIN, wad(found), WRONG, *placed)
        for placed in (
            (wad(at_stake), NOTHING, NOTHING),
            (NOTHING, wad(at_stake), NOTHING),
            (NOTHING, NOTHING, wad(at_stake)),
        )
    }

    assert [f"{each / WAD:.{digits}f}" for each in rates] == [needed]


@pytest.mark.parametrize("bond", ["0", "0.1", "0.25", "0.5"])
def test_no_rate_is_enough_if_half_of_the_frauds_are_missed_and_little_is_lost(bond):
    needed = audit_rate_needed(GAIN, wad("0.5"), WRONG, wad(bond), NOTHING, NOTHING)

    assert needed == NO_RATE


def test_default_bond_and_eight_held_back_jobs_need_one_check_in_eleven():
    needed = audit_rate_needed(GAIN, wad("0.95"), WRONG, wad("0.5"), wad(8), NOTHING)

    assert 0.0887 < needed / WAD < 0.0888


@pytest.mark.parametrize(
    ("continuation", "needed"), [("0.99", "0.12"), ("0.999", "0.016")]
)
def test_good_name_takes_the_place_of_checks(continuation, needed):
    rent = reputation_rent(wad("0.2"), wad("0.25"), wad(continuation))
    rate = audit_rate_needed(GAIN, wad("0.95"), WRONG, WAD, NOTHING, rent)

    assert f"{rate / WAD:.{len(needed) - 2}f}" == needed


@pytest.mark.parametrize(
    ("bond", "cheated", "profit"),
    [("0", "0.1", -0.02), ("0", "1", -0.2), ("0.5", "0.1", -0.07), ("0.5", "1", -0.7)],
)
def test_one_unit_of_every_job_deters_from_cheating_on_any_part(bond, cheated, profit):
    shown = sample_detection(wad(cheated), 1)
    loss = cheating_loss(WAD, shown, NOTHING, wad(bond), NOTHING, NOTHING)

    assert of_one(GAIN) * Fraction(cheated) - of_one(loss) == pytest.approx(profit)


@pytest.mark.parametrize(
    ("cheated", "units_for_95", "units_for_99"),
    [("0.01", 299, 459), ("0.05", 59, 90), ("0.10", 29, 44), ("0.25", 11, 17)],
)
def test_units_that_show_a_part(cheated, units_for_95, units_for_99):
    for units, chance in ((units_for_95, wad("0.95")), (units_for_99, wad("0.99"))):
        assert sample_detection(wad(cheated), units) >= chance
        assert sample_detection(wad(cheated), units - 1) < chance


@pytest.mark.parametrize(
    ("validators", "shown"), [(1, "0.700"), (2, "0.910"), (3, "0.973")]
)
def test_panel_with_three_friends_in_ten(validators, shown):
    assert panel_detection(WAD, wad("0.3"), validators) == wad(shown)


@pytest.mark.parametrize(
    ("validation_cost", "bond", "needed"),
    [("0.03", "0.5", "4.6"), ("0.2", "1", "15.7"), ("1", "5", "15.9")],
)
def test_canaries_that_keep_validators_looking(validation_cost, bond, needed):
    cost = checking_cost(MicroToken(1_000000), wad(validation_cost), wad("0.2"))
    rate = canary_rate_needed(
        cost, MicroToken(int(Fraction(bond) * 10**6)), MicroToken(20000)
    )

    assert f"{100 * rate / WAD:.1f}" == needed


def test_who_always_cheats_and_starts_over_is_deterred_by_more_than_the_needed_rate():
    """
    Pin down what the inequality leaves out.

    Held-back pay that was itself cheated for is no loss: of a job by who always cheats,
    the pay arrives if neither it nor the eight after it are found out.
    """
    margin, wrong = Fraction("0.2"), Fraction("0.001")

    def pays(rate: Fraction) -> bool:
        found, taken = rate * Fraction("0.95"), rate * wrong
        serial = (1 - found) ** 9 - found / 2
        honest = (1 - taken) ** 9 - taken / 2 - (1 - margin)
        return serial > honest

    needed = audit_rate_needed(GAIN, wad("0.95"), WRONG, wad("0.5"), wad(8), NOTHING)
    first = audit_rate_needed(GAIN, wad("0.95"), WRONG, wad("0.5"), NOTHING, NOTHING)

    assert pays(of_one(needed))
    assert pays(Fraction("0.143"))
    assert not pays(Fraction("0.144"))
    assert not pays(of_one(first))
