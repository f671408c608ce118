"""A report says what happened, for every kind of run."""

import re
from dataclasses import replace

import numpy as np
import pytest

from coopera.params import read_params
from coopera.params.document import merged, parse, preset
from coopera.sim.report import single, write_report
from coopera.sim.report.charts import drawn
from coopera.sim.report.design import Grid, grid_of, point_names, sweep
from coopera.sim.report.outcomes import emitted, emitted_before, phase1_end, total
from coopera.sim.report.pictures import pictures
from coopera.sim.report.provenance import reproduction
from coopera.sim.run import LEVELS, Keep
from coopera.sim.scenario import read_scenario
from coopera.sim.settings import (
    differences,
    document,
    settings,
    swept_keys,
    wash_trades,
)
from coopera.sim.start import first_morning
from coopera.sim.sweep import design, grid, zipped
from coopera.units import MicroUsd


@pytest.fixture(scope="module")
def told(tmp_path_factory):
    """Write the report of a result, and read it without its pictures."""

    def told(result):
        folder = tmp_path_factory.mktemp("report")
        page = write_report(result, folder, "A world")[-1].read_text("utf-8")
        return re.sub(r"<img[^>]*>", "", page)

    return told


@pytest.fixture(scope="module")
def plain(told, minimal):
    return told(minimal)


def drawn_sweep(result):
    picture = sweep(result)
    assert drawn(picture.figure).size
    return f"{picture.title}: {picture.caption}"


def keys(result):
    return swept_keys([each.settings for each in result.points])


def test_paths_are_not_needed(told, streamed):
    page = told(streamed)
    assert "which this report had not" in page
    assert "Figure 8" in page


def test_quantiles_of_sums_are_told_where_paths_were_kept(plain):
    assert "which this report had not" not in plain


@pytest.mark.parametrize(
    "over",
    [
        {"simulation": {"days": 1}},
        {"simulation": {"days": 2}},
        {"emission": {"phase1_fraction": 0}},
        {"emission": {"phase1_fraction": 1}},
        {"payments": {"operations_spend_fraction": "0.5"}},
        {
            "consumers": {
                "developers": {
                    name: {"start": 0, "slope": 0, "noise": 0}
                    for name in ("training", "serving")
                }
            },
            "sentiment": {"start_usd_per_day": 0},
        },
    ],
    ids=["one day", "in Phase 1", "no Phase 1", "no Phase 2", "spending", "no demand"],
)
def test_extremes_are_told_too(told, run, over):
    assert "Figure 8" in told(run(over))


def test_one_world_is_told_too(told, run):
    assert "1 world of 10 days" in told(run(runs=1))


def test_every_project_has_a_curve(told, run):
    over = {
        "projects": {"other": {"targets": {"training": 1}}},
        "emission": {"projects_max": 2, "phase2_pool_scope": "project"},
        "consumers": {"developers": {"serving": {"project": "other"}}},
    }
    assert "of 40,000 tokens" in told(run(over))


def test_services_that_wane_are_named(told, run):
    over = {"consumers": {"developers": {"training": {"slope": -2}}}}
    assert re.search(
        "In developers, training wanes .* while serving grows", told(run(over))
    )


def test_end_of_phase_1_is_told(plain):
    assert "on day 3, when Phase 1 ends" in plain


def test_what_differs_from_its_default_is_marked(plain):
    marked = re.findall(r'<tr class="changed"><th scope="row">(.*?)</th>', plain)
    names = {each.replace("<wbr>", "") for each in marked}
    assert {"max_supply", "phase_transition", "days"} <= names
    assert "buyback_rate" not in names


@pytest.mark.parametrize("name", ["paper", "minimal"])
def test_document_gives_the_scenario_back(name):
    scenario = read_scenario(preset(name).tables)
    assert read_scenario(parse(document(scenario), "again").tables) == scenario


def test_document_gives_odd_names_and_shocks_back():
    odd = 'a "b" \' [c] = # \N{SNOWMAN}'
    over = {
        "consumers": {odd: {odd: {"pipeline": "serving", "growth": "logistic"}}},
        "projects": {odd: {"targets": {"training": 1}}},
        "emission": {"projects_max": 2},
        "shocks": {odd: {"target": odd, "day": 3}, "idle": {}},
    }
    scenario = read_scenario(merged(preset("minimal").tables, over))
    assert read_scenario(parse(document(scenario), "again").tables) == scenario


def test_wash_trading_is_allowed_again_where_it_was(run):
    gross = {"payments": {"buyback_base": "gross"}}
    program = "".join(reproduction(run(gross, wash_trading=True)))
    assert "--allow-wash-trading" in program


def test_wash_trading_is_noticed():
    tables = preset("minimal").tables
    assert not wash_trades(document(read_scenario(tables)))
    gross = merged(tables, {"payments": {"buyback_base": "gross"}})
    assert wash_trades(document(read_scenario(gross, wash_trading=True)))


def test_every_governed_parameter_is_listed_once():
    scenario = read_scenario(preset("paper").tables)
    paths = [each.path for each in settings(scenario)]
    assert len(paths) == len(set(paths))
    assert ("bonding", "bond_rate") in paths
    assert read_params(preset("paper").tables) == scenario.params


def test_differences_are_found_on_either_side():
    tables = preset("minimal").tables
    extra = {"pipeline": "serving"}
    over = {
        "bonding": {"bond_rate": 1},
        "consumers": {"others": {"serving": extra}},
    }
    found = differences(read_scenario(tables), read_scenario(merged(tables, over)))
    assert (("bonding", "bond_rate"), "fraction", "0.5", "1") in found
    path = ("consumers", "others", "serving", "pipeline")
    assert (path, "name", "", "serving") in found
    assert differences(read_scenario(tables), read_scenario(tables)) == []


@pytest.mark.parametrize("keep", Keep)
def test_sweep_is_drawn_and_listed(run, tmp_path, keep):
    points = grid({"buyback_rate": ["0.2", "0.8"]})
    files = write_report(run(settings=points, keep=keep), tmp_path, "Sweep")
    assert tmp_path / "sweep.png" in files
    page = files[-1].read_text("utf-8")
    assert "Sweep of buyback_rate" in page
    assert "Points of the sweep" in page
    assert "--sweep buyback_rate=0.2,0.8" in page


def test_two_crossed_settings_make_a_map(run):
    result = run(
        settings=grid(
            {"bond_rate": ["0.9", "0.1"], "phase_transition": ["time", "any"]}
        )
    )
    found = grid_of(result, keys(result))
    cells = [(0, 1), (1, 1), (0, 0), (1, 0)]
    assert found == Grid(columns=["0.1", "0.9"], rows=["time", "any"], cells=cells)
    assert "bond_rate and phase_transition" in drawn_sweep(result)


def test_large_map_has_a_scale(run):
    values = {"bond_rate": range(9), "buyback_rate": ["0.1", "0.5"]}
    assert "18 points" in drawn_sweep(run(settings=grid(values), runs=2))


def test_settings_in_step_make_no_map(run):
    steps = zipped({"bond_rate": ["0.1", "0.9"], "phase_transition": ["time", "any"]})
    result = run(settings=steps)
    assert grid_of(result, keys(result)) is None
    assert point_names(result)[0] == "bond_rate = 0.1, phase_transition = time"
    assert "2 points" in drawn_sweep(result)


def test_many_points_are_drawn(run):
    values = [f"0.{i:02}" for i in range(1, 30)]
    assert "29 points" in drawn_sweep(
        run(settings=grid({"buyback_rate": values}), runs=2)
    )


def test_points_that_are_alike_are_numbered(run):
    result = run(settings=[{}, {}])
    assert point_names(result) == ["point 1", "point 2"]
    assert "The outcomes do not differ." in drawn_sweep(result)


def test_swept_keys_leave_out_what_all_share():
    points = design(
        preset("minimal").tables,
        [{"bond_rate": 1, "buyback_rate": 1}, {"bond_rate": 1, "buyback_rate": 0}],
    )
    assert swept_keys([each.settings for each in points]) == ["buyback_rate"]


def test_days_are_those_of_the_network(told, run, late):
    page = told(late)
    assert "20 worlds of 10 days from day 43 on" in page
    assert re.search(r"The median price is \S+ on day 43 and \S+ on day 52", page)
    assert "day 1 " not in page
    assert "By day 52 the median world has emitted" in page
    for picture in pictures(late):
        labels = {
            int(label.get_text())
            for ax in picture.figure.axes
            for label in ax.get_xticklabels()
            if ax.get_xlim() == (43, 52) and label.get_text()
        }
        assert labels in (set(), {43, 44, 46, 48, 50, 52})
    panel = next(pictures(late)).figure.axes[0]
    assert panel.get_xlim() == (43, 52)
    assert np.array_equal(panel.lines[0].get_xdata(), range(43, 53))


def test_phase_1_that_ends_in_a_forecast_is_marked_on_its_day(run, late):
    scenario = late.points[0].scenario
    start = replace(scenario.start, day=1)
    demo = replace(start.projects["demo"], phase=1, unspent=60_000_000000)
    market = start.tokens.market - 60_000_000000
    funds = first_morning(scenario.params, (4, 3), MicroUsd(0)).tokens.funds
    more = sum(funds.values()) - sum(start.tokens.funds.values())
    tokens = replace(start.tokens, market=market - more, funds=funds)
    start = replace(start, projects={"demo": demo}, tokens=tokens)
    result = run(start=start)

    assert phase1_end(result) == 2
    assert "on day 3, when Phase 1 ends" in single._told_price(result)
    marks = next(pictures(result)).figure.axes[0].texts
    assert "Phase 1 ends, day 3" in [each.get_text() for each in marks]


def test_what_was_emitted_before_is_told_apart(late):
    before = emitted_before(late)
    assert before > 0
    worlds = late.values("emitted_token").sum(axis=1)
    told = total(late, {"emitted_token": 1}, "Emitted")
    assert told.mean == pytest.approx(worlds.mean())
    assert told.quantiles == pytest.approx(np.quantile(worlds, LEVELS), rel=1e-6)
    assert emitted(late)[-1] == pytest.approx(before + told.quantiles)
