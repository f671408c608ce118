"""A setting takes what a person may write, and says what is wrong with the rest."""

from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.errors import (
    ConfigurationRefused,
    Inconsistent,
    OutOfBounds,
    UnknownKey,
    WrongType,
)
from coopera.params.declared import Unit, declared, read_table, unknown_key, variables
from coopera.units import MICRO, WAD, MicroUsd, Wad


class Colour(StrEnum):
    RED = "red"
    BLUE = "blue"


@dataclass(frozen=True, slots=True)
class Example:
    rate: Wad = declared("0.5", Unit.FRACTION, "A rate", paper="RateOfIt", source="x#y")
    price_usd: MicroUsd = declared("1", Unit.USD, "A price", high="100", source="x#y")
    days: int = declared("7", Unit.DAYS, "A time", low="1", high="30", source="x#y")
    slope: Wad = declared("0", Unit.FACTOR, "A slope", low="-2", source="x#y")
    colour: Colour = declared(Colour.RED, Unit.CHOICE, "A colour", source="x#y")


RATE, PRICE, DAYS, SLOPE, COLOUR = variables(("example",), Example)


def read(**table: object) -> Example:
    return read_table(Example, table, ("example",))


def test_empty_table_gives_the_defaults():
    assert read() == Example(Wad(WAD // 2), MicroUsd(MICRO), 7, Wad(0), Colour.RED)


def test_values_are_held_in_whole_units():
    held = read(
        rate=Decimal("0.1"),
        price_usd="18.50",
        days=30,
        slope=Decimal("-1.5"),
        colour="blue",
    )

    assert held == Example(
        Wad(WAD // 10), MicroUsd(18_500000), 30, Wad(-3 * WAD // 2), Colour.BLUE
    )


@pytest.mark.parametrize("name", ["rate", "rate_of_it"])
def test_variable_is_known_by_its_name_and_by_the_paper_name(name):
    assert read(**{name: 1}).rate == WAD


@pytest.mark.parametrize(
    ("variable", "written"),
    [
        (RATE, True),
        (RATE, None),
        (RATE, float("nan")),
        (RATE, [1]),
        (RATE, {"x": 1}),
        (RATE, ""),
        (RATE, "half"),
        (RATE, "NaN"),
        (RATE, "sNaN"),
        (RATE, Decimal("NaN")),
        (RATE, Decimal("Infinity")),
        (RATE, "-inf"),
        (RATE, Decimal("0.1234567890123456789")),
        (RATE, Decimal("1e-2000000")),
        (PRICE, Decimal("0.0000001")),
        (DAYS, Decimal("1.5")),
        (DAYS, Decimal("0.000001")),
    ],
)
def test_wrong_type_is_refused(variable, written):
    with pytest.raises(WrongType, match=f"{variable.name} is .*; it must be"):
        variable.read(written)


@pytest.mark.parametrize(
    ("variable", "written", "remedy"),
    [
        (RATE, Decimal("1.000000000000000001"), "between 0 and 1"),
        (RATE, -1, "between 0 and 1"),
        (PRICE, Decimal("100.000001"), "between 0 and 100"),
        (DAYS, 0, "between 1 and 30 days"),
        (DAYS, 31, "between 1 and 30 days"),
        (DAYS, 10**30, "between 1 and 30 days"),
        (SLOPE, Decimal("-2.1"), "at least -2"),
        (COLOUR, "green", "one of red, blue"),
        (COLOUR, "Red", "one of red, blue"),
        (COLOUR, 1, "one of red, blue"),
        (COLOUR, True, "one of red, blue"),
        (COLOUR, ["red"], "one of red, blue"),
        (COLOUR, {}, "one of red, blue"),
    ],
)
def test_value_across_a_bound_is_refused_with_the_bound(variable, written, remedy):
    with pytest.raises(OutOfBounds, match=remedy) as refusal:
        variable.read(written)

    assert refusal.value.path == ("example", variable.name)


@pytest.mark.parametrize("variable", [RATE, PRICE, DAYS, SLOPE])
def test_bounds_themselves_are_allowed(variable):
    for bound in (variable.declaration.low, variable.declaration.high):
        if bound:
            assert variable.written(variable.read(bound)) == bound


def test_number_too_long_to_print_is_still_refused():
    with pytest.raises(ConfigurationRefused):
        DAYS.read(10**5000)


@given(st.integers(0, WAD))
def test_fraction_survives_being_written_and_read(held):
    assert RATE.read(RATE.written(held)) == held
    assert RATE.read(Decimal(RATE.written(held))) == held


@pytest.mark.parametrize(
    ("typed", "meant"), [("rte", "rate"), ("price", "price_usd"), ("day", "days")]
)
def test_unknown_key_names_the_nearest(typed, meant):
    with pytest.raises(
        UnknownKey, match=f"no example.{typed}; did you mean {meant}"
    ) as (refusal):
        read(**{typed: 1})

    assert refusal.value.path == ("example", typed)


def test_unknown_key_where_nothing_is_known_has_no_suggestion():
    assert str(unknown_key("x", (), ("example",))) == "there is no example.x"


def test_unknown_key_comes_before_a_wrong_value():
    with pytest.raises(UnknownKey):
        read(nonsense=1, rate=7)


def test_float_is_read_as_it_prints():
    held = read(rate=0.1, price_usd=1 / 3)

    assert (held.rate, held.price_usd) == (WAD // 10, 333333)


def test_two_names_of_one_variable_are_refused():
    with pytest.raises(Inconsistent, match="are two names of one variable"):
        read(rate=1, rate_of_it=1)
