"""Documents are merged key by key, and remember where a key stood."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.errors import ConfigurationRefused, UnknownKey, Unreadable, WrongType
from coopera.params.document import (
    PRESETS,
    merged,
    nested,
    parse,
    parse_value,
    preset,
)

TEXT = """\
preset = "minimal"
# [token] in a comment
[token]
max_supply = 5
"vesting_days" = 3

[consumers.shop.books]
start = 1
noise=2
[payment_matrix.rows]
training  = { training = 1 }
suppliers.training.initial = 3
"""


@pytest.mark.parametrize(
    ("path", "depth", "line"),
    [
        (("preset",), 1, 1),
        (("token",), 1, 3),
        (("token", "max_supply"), 2, 4),
        (("token", "vesting_days"), 2, 5),
        (("token", "nothing"), 1, 3),
        (("consumers", "shop", "books", "noise"), 4, 9),
        (("consumers", "shop", "books", "slope"), 3, 7),
        (("payment_matrix", "rows", "training", "training"), 3, 11),
        (("payment_matrix", "rows", "suppliers", "training", "initial"), 5, 12),
        (("nothing",), 0, 0),
        ((), 0, 0),
        # Nobody wrote [consumers] or [consumers.shop]: nothing stands above the line.
        (("consumers", "shop"), 0, 0),
    ],
)
def test_key_is_found_on_its_line(path, depth, line):
    assert parse(TEXT, "a file").locate(path) == (depth, line)


@pytest.mark.parametrize("name", PRESETS)
def test_every_key_of_a_preset_is_found_where_it_stands(name):
    document = preset(name)
    lines = document.text.splitlines()
    for chapter in ("token", "emission", "simulation"):
        for key in document.tables[chapter]:
            depth, number = document.locate((chapter, key))
            assert depth == 2
            assert lines[number - 1].startswith(key)


@pytest.mark.parametrize(
    "text", ["a = ", "[a", "a = 1\na = 2", "a = 'x", "\x00", "a = 1 2", "= 1"]
)
def test_text_that_is_no_toml_is_refused_with_its_place(text):
    with pytest.raises(Unreadable, match=r"^mine\.toml is not TOML: .+ \(at .+\)$"):
        parse(text, "mine.toml")


def test_whole_number_too_long_to_read_is_refused():
    with pytest.raises(ConfigurationRefused, match=r"mine\.toml"):
        parse("a = " + 5000 * "1", "mine.toml")


def test_numbers_are_read_exactly():
    assert parse("a = 0.1", "x").tables["a"] == Decimal("0.1")


def test_unknown_preset_is_refused_with_the_nearest():
    with pytest.raises(UnknownKey, match="did you mean paper"):
        preset("papers")


keys = st.sampled_from("abc")
tables = st.recursive(
    st.integers(), lambda inner: st.dictionaries(keys, inner, max_size=3)
)
documents = st.dictionaries(keys, tables, max_size=3)


@given(documents)
def test_merging_with_nothing_or_itself_changes_nothing(tables):
    assert merged(tables, {}) == merged({}, tables) == merged(tables, tables) == tables


def test_upper_value_wins_and_the_rest_stays():
    low = {"token": {"a": 1, "b": 2}, "rows": {"x": {"k": 1}}}
    high = {"token": {"b": 3}, "rows": {"y": {"k": 1}}}

    assert merged(low, high) == {
        "token": {"a": 1, "b": 3},
        "rows": {"x": {"k": 1}, "y": {"k": 1}},
    }
    assert low == {"token": {"a": 1, "b": 2}, "rows": {"x": {"k": 1}}}


@pytest.mark.parametrize(
    ("path", "tables"), [(("a",), {"a": 1}), (("a", "b", "c"), {"a": {"b": {"c": 1}}})]
)
def test_path_becomes_tables(path, tables):
    assert nested(path, 1) == tables


@pytest.mark.parametrize(
    ("written", "value"),
    [
        ("1", 1),
        ("0.30", Decimal("0.30")),
        ("1e-3", Decimal("0.001")),
        ("true", True),
        ('"mean_reverting"', "mean_reverting"),
        ("mean_reverting", "mean_reverting"),
        ("1_000", 1000),
        ("5 %", "5 %"),
        ("1\n2", "1\n2"),
    ],
)
def test_value_of_an_option_is_read_as_toml_or_as_a_word(written, value):
    assert parse_value(written) == value
    assert type(parse_value(written)) is type(value)


@pytest.mark.parametrize("written", ["[1, 2]", "{ a = 1 }", "[]"])
def test_option_takes_no_tables(written):
    with pytest.raises(WrongType, match="put tables into a file"):
        parse_value(written)


def test_what_follows_the_value_of_an_option_is_not_swallowed():
    assert parse_value("1\nw = 2") == "1\nw = 2"


def test_number_too_long_to_read_is_refused_in_an_option():
    with pytest.raises(ConfigurationRefused):
        parse_value(5000 * "1")
