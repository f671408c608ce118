"""A design is exactly the points that it says, and never one more."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.errors import Inconsistent, OutOfBounds, UnknownKey, WashTradingPays
from coopera.params import governed_variables
from coopera.params.document import merged, preset
from coopera.sim.sweep import design, grid, setting_path, zipped
from coopera.units import MICRO, WAD

MINIMAL = preset("minimal").tables

sweeps = st.dictionaries(
    st.sampled_from("abcd"), st.lists(st.integers(), min_size=1, max_size=4), max_size=3
)


@given(sweeps)
def test_grid_has_every_combination_once(sweeps):
    points = grid(sweeps)

    count = 1
    for values in sweeps.values():
        count *= len(values)
    assert len(points) == count
    assert all(list(point) == list(sweeps) for point in points)
    assert all(point[key] in sweeps[key] for point in points for key in sweeps)


def test_last_setting_of_a_grid_changes_fastest():
    points = grid({"a": [1, 2], "b": [3, 4]})

    assert [tuple(point.values()) for point in points] == [
        (1, 3),
        (1, 4),
        (2, 3),
        (2, 4),
    ]


@given(st.lists(st.tuples(st.integers(), st.integers()), min_size=1, max_size=5))
def test_zip_walks_in_step(pairs):
    points = zipped({"a": [a for a, _ in pairs], "b": [b for _, b in pairs]})

    assert [tuple(point.values()) for point in points] == pairs


@pytest.mark.parametrize("combine", [grid, zipped])
def test_no_sweep_is_one_point_without_settings(combine):
    assert combine({}) == [{}]


@pytest.mark.parametrize("lengths", [(1, 2), (3, 2), (1, 3)])
def test_unequal_lists_are_not_zipped(lengths):
    one, other = ([0] * length for length in lengths)
    with pytest.raises(Inconsistent, match=f"a has {lengths[0]}, b has {lengths[1]}"):
        zipped({"a": one, "b": other})


@pytest.mark.parametrize(
    "variable", [*governed_variables()], ids=lambda each: each.name
)
def test_governed_variable_is_found_by_all_its_names(variable):
    path = (*variable.chapter, variable.name)
    for name in (*variable.aliases, variable.declaration.paper, ".".join(path)):
        if name:
            assert setting_path(name) == path


def test_other_setting_is_found_by_its_path():
    assert setting_path("consumers.a.b.start") == ("consumers", "a", "b", "start")


def test_points_differ_by_their_settings_alone():
    tables = dict(MINIMAL)
    points = design(tables, grid({"BondModulation": [1, 2], "simulation.days": [3]}))

    assert [each.scenario.params.bonding.bond_rate for each in points] == [WAD, 2 * WAD]
    assert {each.scenario.simulation.days for each in points} == {3}
    assert points[0].label == "BondModulation = 1, simulation.days = 3"
    assert tables == MINIMAL


def test_point_without_settings_is_as_given():
    (point,) = design(MINIMAL, [{}])

    assert point.label == "as given"


def test_every_point_is_read_before_any_is_run():
    with pytest.raises(OutOfBounds, match="bond_rate is 1000"):
        design(MINIMAL, grid({"bond_rate": [1, 1000]}))


def test_setting_that_nothing_has_is_refused():
    with pytest.raises(UnknownKey, match="there is no bond"):
        design(MINIMAL, [{"bond": 1}])


def test_point_under_which_wash_trading_pays_is_refused_or_studied():
    settings = [{"operations_fraction": Decimal("0.05")}]
    with pytest.raises(WashTradingPays):
        design(MINIMAL, settings)

    (point,) = design(MINIMAL, settings, wash_trading=True)
    assert point.scenario.params.payments.operations_fraction == WAD // 20


@pytest.mark.parametrize("swept", ["max_supply", "MaxTokenSupply", "max_token_supply"])
@pytest.mark.parametrize("in_file", ["max_supply", "max_token_supply"])
def test_setting_wins_over_the_file_whichever_name_each_uses(swept, in_file):
    # The preset under the file uses the plain name.
    tables = merged(MINIMAL, {"token": {in_file: 900_000}})
    (point,) = design(tables, [{swept: 800_000}])

    assert point.scenario.params.token.max_supply == 800_000 * MICRO
