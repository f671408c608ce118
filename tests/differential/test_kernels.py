"""
Every kernel against its formula, over whatever arguments the formula allows.

The tests are generated: a new formula is tested as soon as it exists, and fails until
the names of its arguments are known here.
"""

import inspect
from collections.abc import Callable
from fractions import Fraction
from importlib import import_module
from pkgutil import iter_modules
from typing import get_type_hints

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

import coopera.formulas
from coopera.sim import kernels
from coopera.units import AMOUNT_MAX, WAD, MicroToken, MicroUsd, Wad

FORMULAS = {
    name: function
    for info in iter_modules(coopera.formulas.__path__, "coopera.formulas.")
    for name, function in inspect.getmembers(
        import_module(info.name), inspect.isfunction
    )
    if function.__module__ == info.name and hasattr(kernels, name)
}
"""Formulas that have a kernel; `tests/architecture` says which must have one."""

FEW = Fraction(4, 10**15)
"""
Largest relative error of a kernel.

Each argument and each operation is off by 2**-53 at most, which is 1.1 parts in 10**16;
no formula has more than twelve of them together, and the sum is under 1.4 in 10**15.
Rounding to whole units at most doubles what is above one unit.
"""


def wads(low: str, high: str) -> st.SearchStrategy[int]:
    """Draw fixed-point numbers: such as people write, and any."""
    least, most = int(Fraction(low) * WAD), int(Fraction(high) * WAD)
    grid = WAD // 10**6
    return st.one_of(
        st.integers(-(-least // grid), most // grid).map(lambda each: each * grid),
        st.integers(least, most),
    )


AMOUNTS = st.one_of(st.integers(0, AMOUNT_MAX), st.integers(0, 10**9))

BY_TYPE = {MicroUsd: AMOUNTS, MicroToken: AMOUNTS}

FRACTION = wads("0", "1")
COUNT = st.integers(0, 10**6)
DAYS = st.integers(1, 3650)

BY_NAME = {
    # Signed: a day may give back more bonds than it locks.
    "bonds": st.integers(-AMOUNT_MAX, AMOUNT_MAX),
    # Divisors.
    "depth": st.integers(1, AMOUNT_MAX),
    "mint_amount": st.integers(1, AMOUNT_MAX),
    # Fixed point, within the bounds that governance has.
    "bond_rate": wads("0", "100"),
    "burn_fraction": FRACTION,
    "buyback_rate": FRACTION,
    "fraction": FRACTION,
    "job_reward_modulation": wads("0.01", "1000000"),
    "onboarding_rate": wads("0", "100"),
    "operations_fraction": FRACTION,
    "phase1_fraction": FRACTION,
    "phase2_modulation": wads("0", "1000"),
    "price_floor": wads("0.000001", "1000000"),
    "price_impact": wads("0", "1000000"),
    "price_premium": FRACTION,
    "share": FRACTION,
    "spend_fraction": FRACTION,
    "theta": wads("0", "60"),
    "token_price": wads("0.000001", "1000000"),
    "reward_rate": wads("0", "1"),
    "bounded_price.price": wads("0.000001", "1000000"),
    "bounded_price.last": wads("0.000001", "1000000"),
    "bounded_price.change_max": wads("0", "100"),
    "units": wads("0", "1000000"),
    "validation_rate": FRACTION,
    "velocity_per_day": wads("0.000001", "100"),
    # Whole numbers.
    "completed": COUNT,
    "day": COUNT,
    "days": DAYS,
    "filled": COUNT,
    "jobs": COUNT,
    "left": COUNT,
    "pools": st.integers(1, 1000),
    "prior_failed": st.integers(0, 1024),
    "prior_validated": st.integers(0, 1024),
    "projects_max": st.integers(1, 1000),
    "slots": st.integers(1, 10**6),
    "suppliers": COUNT,
    "supplier_rank.total": st.integers(0, 2**36),
    "total": AMOUNTS,
    "validated": COUNT,
    "validations": COUNT,
    "validators_per_job": st.integers(1, 101),
    "vesting_cliff_days": st.integers(0, 3650),
    "vesting_days": DAYS,
    "weight": AMOUNTS,
    "weights": AMOUNTS,
}

WHOLE = {"supplier_rank"}
"""Kernels of whole numbers, which equal their formulas."""

UNROUNDED = {"proportional_share", "service_demand"}
"""Kernels that leave the remainders in place, where the book hands them out."""

WITHIN: dict[str, dict[str, Callable[[dict[str, int]], int]]] = {
    # A pool is asked for half of what it holds at most: nearer, it is a division by 0.
    "amm_cost": {"tokens": lambda d: d["depth"] * WAD // d["token_price"] // 2},
    "dollar_reserve_after": {
        "buybacks": lambda a: a["dollar_reserve"] + a["income"],
        "paid_out": lambda a: a["dollar_reserve"] + a["income"] - a["buybacks"],
    },
    "forfeited": {"left": lambda a: a["filled"]},
    "phase1_accrual": {"filled": lambda a: a["slots"]},
    "phase1_slice": {"day": lambda a: a["days"] - 1},
    "proportional_share": {"weight": lambda a: a["weights"]},
    "slashed_bond": {"failed_value": lambda a: a["job_value"]},
    "supplier_reputation": {"validated": lambda a: a["completed"]},
    "supplier_rank": {
        "completed": lambda a: a["total"],
        "validated": lambda a: a["completed"],
    },
    "supply_after": {"bought": lambda a: a["supply"] + a["tokens_paid"]},
    "token_reserve_after": {"tokens_paid": lambda a: a["token_reserve"] + a["bought"]},
}
"""Preconditions: the most that one argument may be, given others."""

MAGNITUDE: dict[str, Callable[[dict[str, int]], int]] = {
    # Differences, whose error is that of what they are the difference of.
    "phase1_slice": lambda a: a["allotment"],
    "phase2_minted": lambda a: a["mint_amount"],
    # One less the fraction is rounded beside one, however small it is.
    "phase2_mint_amount": lambda a: a["token_reserve"] // a["pools"],
}
"""What the error of a kernel is relative to, where it is not the result."""


def types(name: str) -> dict[str, object]:
    hints = get_type_hints(FORMULAS[name])
    return {each: hints[each] for each in inspect.signature(FORMULAS[name]).parameters}


def strategy(name: str, argument: str, hint: object) -> st.SearchStrategy[int]:
    drawn = BY_NAME.get(
        f"{name}.{argument}",
        BY_NAME.get(argument, BY_TYPE.get(hint)),  # type: ignore[call-overload]
    )
    assert drawn is not None, f"no strategy for {argument} of {name}: add one"
    return drawn


def arguments(name: str) -> st.SearchStrategy[dict[str, int]]:
    """Draw arguments that keep the preconditions of a formula."""

    def kept(drawn: dict[str, int]) -> dict[str, int]:
        for argument, most in WITHIN.get(name, {}).items():
            drawn[argument] %= most(drawn) + 1
        return drawn

    return st.fixed_dictionaries(
        {each: strategy(name, each, hint) for each, hint in types(name).items()}
    ).map(kept)


def near(name: str, drawn: dict[str, int]) -> Fraction:
    """Call the kernel as the simulator does: amounts as they are, rates as numbers."""
    floats = [
        drawn[each] / WAD if hint is Wad else float(drawn[each])
        for each, hint in types(name).items()
    ]
    return Fraction(getattr(kernels, name)(*floats))


@pytest.mark.parametrize("name", sorted(WHOLE))
def test_kernel_of_whole_numbers_equals_its_formula(name):
    @given(arguments(name))
    def check(drawn):
        assert getattr(kernels, name)(**drawn) == FORMULAS[name](**drawn)

    check()


@pytest.mark.parametrize("name", sorted(set(FORMULAS) - WHOLE))
def test_kernel_is_near_its_formula(name):
    scale = WAD if get_type_hints(FORMULAS[name])["return"] is Wad else 1

    @given(arguments(name))
    def check(drawn):
        exact = FORMULAS[name](**drawn)
        found = near(name, drawn) * scale
        magnitude = MAGNITUDE.get(name, lambda _: exact)(drawn)

        assert abs(found - exact) <= 1 + FEW * magnitude

    check()


@pytest.mark.parametrize(
    "name",
    [
        name
        for name in sorted(set(FORMULAS) - WHOLE - UNROUNDED)
        if get_type_hints(FORMULAS[name])["return"] is not Wad
    ],
)
def test_kernel_rounds_to_the_side_of_its_formula(name):
    equal = []

    @given(arguments(name))
    def check(drawn):
        exact = FORMULAS[name](**drawn)
        if 0 < exact < 10**12:
            equal.append(near(name, drawn) == exact)

    check()

    # A quotient that is nearly whole may fall on either side, and few are.
    assert sum(equal) >= 0.9 * len(equal)


@given(st.integers(0, AMOUNT_MAX), DAYS)
@example(26_590_923_459665, 365)  # allotment * days / days is under the allotment
def test_slices_of_the_kernel_add_up_to_the_allotment(allotment, days):
    slices = [kernels.phase1_slice(float(allotment), day, days) for day in range(days)]

    assert sum(slices) == allotment


@given(st.integers(0, AMOUNT_MAX), st.integers(1, 10**6))
def test_last_to_leave_forfeits_all(locked, filled):
    lost = kernels.forfeited(float(locked), float(filled), float(filled))

    assert min(lost, locked) == locked


@given(st.integers(0, AMOUNT_MAX), FRACTION)
def test_parts_of_a_whole_are_no_more_than_the_whole(amount, fraction):
    whole, part = float(amount), fraction / WAD

    for name in (
        "operations_income",
        "operations_spending",
        "buyback_capital",
        "tokens_burned",
        "reserve_level",
    ):
        assert 0 <= getattr(kernels, name)(whole, part) <= whole
