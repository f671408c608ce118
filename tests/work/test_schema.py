"""Rows are counted in the cells of a schema, and what does not fit it is refused."""

import io
import json
import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.errors import Malformed
from coopera.work.valuation.schema import read_schema

SAID: dict[str, Any] = {
    "version": 1,
    "label": {"name": "digit", "values": ["0", "1", "2"]},
    "features": [
        {"name": "width", "edges": [0.5, 1.5]},
        {"name": "ink", "edges": [10]},
    ],
}
SCHEMA = read_schema(json.dumps(SAID))


def rows(text):
    return SCHEMA.read_rows(io.StringIO(text))


def test_cells_are_labels_and_bins():
    assert SCHEMA.cells == 3 * 3 * 2
    text = "ink,digit,width,more\n10,2,0.4,x\n9.99,2,0.4,x\n-1e9,0,1.5,x\n"
    counts = SCHEMA.histogram(rows(text))
    assert {place: n for place, n in enumerate(counts) if n} == {13: 1, 12: 1, 4: 1}


@given(st.floats(allow_nan=False, allow_infinity=False), st.floats(-1e9, 1e9))
def test_every_number_has_one_bin(width, ink):
    row = {"digit": "1", "width": repr(width), "ink": repr(ink)}
    place = SCHEMA.cell(row, 1)
    bins = (width >= 0.5) + (width >= 1.5)
    assert place == (1 * 3 + bins) * 2 + (ink >= 10)


def test_digest_is_of_what_it_says_and_not_of_its_layout():
    assert read_schema(json.dumps(SAID, indent=4)).digest == SCHEMA.digest
    other = {**SAID, "features": SAID["features"][::-1]}
    assert read_schema(json.dumps(other)).digest != SCHEMA.digest


def test_the_same_row_has_the_same_bytes():
    one = {"digit": "1", "width": "1.50", "ink": "1e1"}
    same = {"digit": "1", "width": "1.5", "ink": "10"}
    assert SCHEMA.canonical(one, 1) == SCHEMA.canonical(same, 1)
    zero = {"digit": "1", "width": "-0.0", "ink": "0"}
    assert b"-0" not in SCHEMA.canonical(zero, 1)
    joined = {"digit": "1", "width": "1", "ink": "11"}
    assert SCHEMA.canonical(joined, 1) != SCHEMA.canonical(
        {"digit": "1", "width": "11", "ink": "1"}, 1
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("digit,width\n1,1\n", "no column ink"),
        ("", "no column"),
        ("digit,width,ink\n1,1\n", "line 2 does not have"),
        ("digit,width,ink\n1,1,1\n1,1,1,1\n", "line 3 does not have"),
        ("digit,width,ink\n7,1,1\n", "line 2 has digit '7'"),
        ("digit,width,ink\n1,nan,1\n", "line 2 has width 'nan'"),
        ("digit,width,ink\n1,1,1\n1,1,wide\n", "line 3 has ink 'wide'"),
        ("digit,width,ink\n1,inf,1\n", "finite"),
        ("digit,width,ink\n1,1,1\n\n1,1,wide\n", "line 4 has ink 'wide'"),
    ],
)
def test_rows_that_do_not_fit_are_refused(text, said):
    with pytest.raises(Malformed, match=said):
        SCHEMA.histogram(rows(text))


@pytest.mark.parametrize(
    "said",
    [
        "[]",
        "not json",
        json.dumps({**SAID, "version": 2}),
        json.dumps({**SAID, "label": {"name": "digit", "values": []}}),
        json.dumps({**SAID, "label": {"name": "digit", "values": ["0", "0"]}}),
        json.dumps({**SAID, "label": {"name": "ink", "values": ["0", "1"]}}),
        json.dumps({**SAID, "label": {"name": "digit", "values": [1, 2]}}),
        json.dumps({"version": 1}),
        json.dumps({"version": 1, "features": [{"name": "x", "edges": []}]}),
        json.dumps({"version": 1, "features": [{"name": "x", "edges": [1, 1]}]}),
        json.dumps({"version": 1, "features": [{"name": "x", "edges": [2, 1]}]}),
        json.dumps({"version": 1, "features": [{"name": "x", "edges": [True]}]}),
        '{"version": 1, "features": [{"name": "x", "edges": [NaN]}]}',
        json.dumps(
            {
                "version": 1,
                "features": [
                    {"name": f"x{n}", "edges": list(range(15))} for n in range(4)
                ],
            }
        ),
    ],
)
def test_a_schema_that_says_nothing_clear_is_refused(said):
    with pytest.raises(Malformed, match=r"schema|label|edges"):
        read_schema(said)


def test_a_schema_may_have_features_alone_or_a_label_alone():
    bins = read_schema('{"version":1,"features":[{"name":"x","edges":[0]}]}')
    assert bins.cell({"x": "-1"}, 1) == 0
    assert bins.cell({"x": str(math.pi)}, 1) == 1
    names = {"version": 1, "label": {"name": "y", "values": ["a", "b"]}}
    assert read_schema(json.dumps(names)).cells == 2
