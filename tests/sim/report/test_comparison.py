"""A comparison shows what two runs share, and says what they do not."""

import re

import pytest

from coopera.params.document import preset
from coopera.sim.report import write_comparison
from coopera.sim.report.comparison import shared, shared_days
from coopera.sim.run import Keep, simulate
from coopera.sim.sweep import design

NAMES = ("plain", "other")


@pytest.fixture
def told(tmp_path):
    def told(left, right):
        page = write_comparison(left, right, NAMES, tmp_path)[-1].read_text("utf-8")
        return re.sub(r"<img[^>]*>|<wbr>", "", page)

    return told


@pytest.fixture(scope="module")
def other(run):
    """Simulate fewer days, another service, another kind."""
    over = {
        "simulation": {"days": 6},
        "payment_matrix": {
            "kinds": ["training", "inference", "storage"],
            "rows": {"storing": {"storage": 1}},
        },
        "consumers": {"developers": {"storing": {"pipeline": "storing", "start": 3}}},
    }
    return run(over, keep=Keep.QUANTILES)


def test_pictures_and_page_are_written(minimal, streamed, tmp_path):
    files = write_comparison(minimal, streamed, NAMES, tmp_path)
    assert [each.name for each in files] == [
        "comparison-price.png",
        "comparison-reserves.png",
        "comparison-supply.png",
        "comparison-demand.png",
        "comparison-earnings.png",
        "comparison.html",
    ]
    assert {*tmp_path.iterdir()} == {*files}


def test_equal_runs_have_nothing_to_tell(told, minimal, streamed):
    page = told(minimal, streamed)
    assert "None: the two runs were told the same." in page
    assert "Both have the same days, services and supplier kinds." in page


def test_settings_that_differ_are_listed(told, run, minimal):
    page = told(minimal, run({"bonding": {"bond_rate": 1}}))
    row = ["bonding.bond_rate</th>", "fraction", ">0.5<", ">1<"]
    assert re.search(".*".join(map(re.escape, row)), page)
    assert "1 setting differs" in page


def test_runs_of_different_length_share_the_first_days(told, minimal, other):
    assert shared_days((minimal, other)) == 6
    page = told(minimal, other)
    assert "plain has 10 days and other has 6 days" in page
    assert "On day 6, medians" in page


def test_what_only_one_run_has_is_named(told, minimal, other):
    assert shared((minimal, other), "earnings_usd.") == [
        "earnings_usd.training",
        "earnings_usd.inference",
    ]
    page = told(minimal, other)
    assert "Only other has the services developers.storing; plain does not." in page
    assert "Only other has the supplier kinds storage; plain does not." in page


def test_runs_without_a_common_service_are_compared(minimal, tmp_path):
    service = {"pipeline": "serving", "start": 3}
    tables = {**preset("minimal").tables, "consumers": {"others": {"x": service}}}
    strange = simulate(design(tables, [{}]), runs=20, seed=1)
    assert shared((minimal, strange), "jobs.") == []
    files = write_comparison(strange, minimal, NAMES, tmp_path)
    assert "comparison-demand.png" not in {each.name for each in files}
    page = files[-1].read_text("utf-8")
    assert "Only plain has the services others.x; other does not." in page


def test_of_a_sweep_the_first_point_is_compared(told, run, minimal):
    sweep = run(settings=[{"bond_rate": 1}, {"bond_rate": 2}])
    assert "Of a sweep, the first point is compared." in told(minimal, sweep)
