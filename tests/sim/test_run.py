"""A run is its seed and its settings: it can be repeated, and loses no token."""

import itertools
import os
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from coopera.errors import Inconsistent, OutOfBounds
from coopera.params import governed_variables
from coopera.params.document import merged, preset
from coopera.sim.layout import LANES
from coopera.sim.run import BINS, LEVELS, PILOT_WORLDS, SEED_MAX, Keep, simulate
from coopera.sim.sweep import design
from coopera.units import MICRO

PAPER = preset("paper").tables
MINIMAL = preset("minimal").tables

TOKENS = (
    "circulating_token",
    "locked_token",
    "token_reserve_token",
    "burned_token",
    "funds_token",
)
"""Where a token can be, at the end of a day."""

TWO_PROJECTS = {
    "projects": {"other": {"targets": {"training": 20, "annotation": 60}}},
    "emission": {"projects_max": 3},
    "consumers": {"inference": {"hosted_inference": {"project": "other"}}},
}

VARIANTS: dict[str, dict[str, Any]] = {
    "paper": {},
    "burning": {"buyback": {"burn_fraction": Decimal("0.7")}},
    "pool": {"buyback": {"price_impact": "amm", "amm_depth_usd": 5000}},
    "gross": {"payments": {"buyback_base": "gross"}},
    "literal": {"payments": {"dollar_reserve_reading": "literal"}},
    **{
        f"slashed to {where}": {
            "bonding": {"slash_destination": where},
            "simulation": {"failure_rate": Decimal("0.3")},
        }
        for where in ("reserve", "consumer", "burn", "validators")
    },
    **{
        f"phases by {mode}": {"emission": {"phase_transition": mode}}
        for mode in ("any", "all", "supply", "demand", "time")
    },
    "nothing circulates": {"token": {"initial_circulating": 0}},
    "circulating basis": {"pricing": {"supply_basis": "circulating"}},
    "gross bonds": {"bonding": {"bond_demand": "gross"}},
    "huge bonds": {"bonding": {"bond_rate": 100}},
    "all in tokens": {"buyback": {"buyback_rate": 1}},
    "literal velocity": {"pricing": {"velocity_per_day": 1}},
    "floor price": {"pricing": {"price_floor_usd": 1_000_000}},
    "dear verdicts": {"validation": {"validator_reward": 1000}},
    "refilled reserve": {
        "buyback": {
            "reserve_floor_fraction": Decimal("0.8"),
            "reserve_target_fraction": Decimal("0.95"),
            "max_daily_buyback_usd": 1_000_000,
        },
    },
    "vesting": {"token": {"vesting_cliff_days": 10, "vesting_days": 50}},
    "all in phase 1": {"emission": {"phase1_fraction": 1}},
    "all in phase 2": {"emission": {"phase1_fraction": 0}},
    "two projects": TWO_PROJECTS,
    "two pools": merged(TWO_PROJECTS, {"emission": {"phase2_pool_scope": "project"}}),
    "suppliers leave": {
        "suppliers": {
            kind: {"cost_usd_per_day": 100_000, "exit_rate_max": Decimal("0.5")}
            for kind in ("training", "inference", "annotation")
        },
        "simulation": {"supplier_response": 1},
    },
    "nobody comes": {"simulation": {"demand_scale": 0, "noise_scale": 0}},
    "wild market": {
        "sentiment": {"model": "geometric_brownian", "volatility_per_day": 1},
        "simulation": {"noise_scale": 20, "demand_scale": 10},
        "shocks": {"crash": {"day": 20, "days": 5, "factor": 0}},
    },
    "smallest supply": {
        "token": {
            "max_supply": 1,
            "initial_token_reserve": 0,
            "initial_circulating": Decimal("0.1"),
        }
    },
    "largest reserve": {"token": {"initial_token_reserve": 0}},
}


TIED = {
    "max_supply",
    "investors_fraction",
    "team_fraction",
    "advisors_fraction",
    "ops_fund_fraction",
    "business_fraction",
    "initial_token_reserve",
    "initial_circulating",
    "reserve_floor_fraction",
    "api_launchpad_tax",
    "api_template_fraction",
    "api_serving_fraction",
    "serving_platform_tax",
    "serving_model_fraction",
}
"""Variables that must agree with others, and stay as they are in random settings."""


def values(variable):
    """Draw what a variable may be, its bounds and small values often among them."""
    if variable.choices:
        return st.sampled_from(variable.choices)
    declaration = variable.declaration
    low, high = (
        variable.read(each) for each in (declaration.low, declaration.high or "1024")
    )
    held = st.one_of(
        st.sampled_from([low, high]),
        st.integers(low, high),
        st.integers(low, low + max(1, (high - low) // 10**6)),
    )
    return held.map(variable.written)


SETTINGS = {
    variable.name: values(variable)
    for variable in governed_variables()
    if variable.name not in TIED
}


def run(over, *, runs=70, seed=1, settings=({},), tables=PAPER, **options):
    points = design(merged(tables, over), settings, wash_trading=True)
    return simulate(points, runs=runs, seed=seed, **options)


def kept(result, name, point=0):
    """All values of a variable as they were kept: in micro-units, spare lanes too."""
    return result.paths[point][:, :, result.index[name], :]


@pytest.fixture(scope="module")
def paper():
    return run({}, runs=1000)


# Conservation


@pytest.mark.parametrize("variant", VARIANTS)
def test_tokens_are_conserved_in_every_world_and_day(variant):
    result = run(VARIANTS[variant])
    supply = result.points[0].scenario.params.token.max_supply

    assert (sum(kept(result, name) for name in TOKENS) == supply).all()


@pytest.mark.parametrize("variant", VARIANTS)
def test_amounts_are_whole_finite_and_not_negative(variant):
    result = run(VARIANTS[variant])

    assert np.isfinite(result.paths[0]).all()
    for each in result.variables:
        if each.unit == "token":
            values = kept(result, each.name)
            assert (values == np.floor(values)).all(), each.name
            assert (values >= 0).all(), each.name
    assert (kept(result, "dollar_reserve_usd") >= 0).all()
    floor = result.points[0].scenario.params.pricing.price_floor_usd
    assert (kept(result, "price_usd") >= floor / 10**18).all()


@given(st.fixed_dictionaries({}, optional=SETTINGS))
@settings(max_examples=50)
def test_tokens_are_conserved_whatever_governance_sets(settings):
    over = merged(
        VARIANTS["two projects"],
        {"buyback": {"reserve_floor_fraction": 0}, "simulation": {"days": 35}},
    )
    result = run(over, runs=3, settings=[settings | {"projects_max": 2}])

    assert np.isfinite(result.paths[0]).all()
    assert all((kept(result, name) >= 0).all() for name in TOKENS)
    assert (sum(kept(result, name) for name in TOKENS) == 10**9 * MICRO).all()


def test_tokens_are_conserved_in_the_small_world():
    result = run({}, tables=MINIMAL, runs=1000)

    assert (sum(kept(result, name) for name in TOKENS) == 1_000_000 * MICRO).all()


def test_tokens_are_conserved_for_ten_years():
    result = run({"simulation": {"days": 3650}}, runs=1)

    assert (sum(kept(result, name) for name in TOKENS) == 10**9 * MICRO).all()
    assert kept(result, "funds_token")[0, -1, 0] == 0.5 * 10**9 * MICRO - 2e6 * MICRO


@pytest.mark.parametrize(
    ("variant", "name"),
    [
        ("burning", "burned_token"),
        ("slashed to burn", "burned_token"),
        ("refilled reserve", "refilled_token"),
        ("suppliers leave", "exited"),
        ("dear verdicts", "validators_owed_token"),
        ("paper", "emitted_token"),
        ("paper", "slashed_token"),
        ("paper", "onboarding_token"),
    ],
)
def test_variant_does_what_it_is_for(variant, name):
    assert kept(run(VARIANTS[variant]), name).max() > 0


# The same seed, the same worlds


@pytest.mark.parametrize("keep", Keep)
def test_number_of_threads_changes_nothing(keep):
    one, *others = (
        run({}, runs=5000, tables=MINIMAL, keep=keep, threads=threads)
        for threads in (1, 2, 7)
    )

    for other in others:
        for name in ("quantiles", "mean", "least", "most"):
            assert np.array_equal(
                getattr(one.summaries[0], name), getattr(other.summaries[0], name)
            )
        for ours, theirs in zip(one.paths, other.paths, strict=True):
            assert np.array_equal(ours, theirs)


@pytest.mark.parametrize("runs", [1, LANES - 1, LANES, LANES + 1, 100])
def test_worlds_do_not_depend_on_how_many_run_beside_them(paper, runs):
    few = run({}, runs=runs)

    for each in few.variables:
        assert np.array_equal(few.values(each.name), paper.values(each.name)[:runs]), (
            each.name
        )


def test_same_seed_gives_the_same_run_and_another_seed_another(paper):
    again, other = run({}, runs=64), run({}, runs=64, seed=2)

    assert np.array_equal(again.values("jobs"), paper.values("jobs")[:64])
    assert (again.values("jobs") != other.values("jobs")).mean() > 0.9


@pytest.mark.parametrize("seed", [0, SEED_MAX])
def test_seed_may_be_any_that_is_offered(seed):
    assert np.isfinite(run({}, tables=MINIMAL, runs=1, seed=seed).paths[0]).all()


def test_worlds_of_one_run_differ(paper):
    ends = paper.values("price_usd")[:, -1]

    assert len(np.unique(ends)) == len(ends)


def test_points_share_their_luck():
    settings = [{"buyback_rate": Decimal(rate) / 10} for rate in (1, 5, 9)]
    result = run({}, settings=settings)

    for point in (1, 2):
        for name in ("jobs", "income_usd", "sentiment_usd"):
            assert np.array_equal(result.values(name), result.values(name, point))
        assert not np.array_equal(
            result.values("price_usd"), result.values("price_usd", point)
        )


def test_point_of_a_design_is_what_it_would_be_alone():
    settings = [{"bond_rate": 1}, {"bond_rate": 2}, {"bond_rate": 3}]
    together = run({}, settings=settings, tables=MINIMAL)
    alone = run({}, settings=settings[1:2], tables=MINIMAL)

    assert np.array_equal(together.paths[1], alone.paths[0])


def test_progress_counts_every_world_once():
    done: list[int] = []
    settings = [{"bond_rate": 1}, {"bond_rate": 2}]
    for keep in Keep:
        done.clear()
        run(
            {},
            runs=2100,
            settings=settings,
            tables=MINIMAL,
            keep=keep,
            progress=done.append,
        )
        assert sum(done) == 2 * 2100


# Summaries


def test_summary_of_paths_is_that_of_its_worlds(paper):
    for name in ("price_usd", "jobs", "circulating_token"):
        values = paper.values(name)
        exact = np.quantile(values, LEVELS, axis=0).T

        assert np.allclose(paper.quantiles(name), exact, rtol=1e-13, atol=0)
        assert np.allclose(paper.mean(name), values.mean(axis=0), rtol=1e-13, atol=0)


def test_only_world_is_its_own_summary():
    result = run({}, runs=1)

    for keep in Keep:
        result = run({}, runs=1, keep=keep)
        summary = result.summaries[0]
        assert np.array_equal(summary.least, summary.most)
        assert np.allclose(summary.mean, summary.least, rtol=1e-15, atol=0)
        assert (summary.quantiles == summary.least[..., None]).all()


@pytest.mark.parametrize("variant", ["paper", "wild market", "suppliers leave"])
def test_streamed_summary_is_within_a_bin_of_the_exact_one(variant):
    over = merged(VARIANTS[variant], {"simulation": {"days": 40}})
    paths, streamed = (run(over, runs=5000, keep=keep) for keep in Keep)
    exact, near = paths.summaries[0], streamed.summaries[0]

    assert np.array_equal(near.least, exact.least)
    assert np.array_equal(near.most, exact.most)
    assert np.allclose(near.mean, exact.mean, rtol=1e-12, atol=1e-9)
    for v, each in enumerate(paths.variables):
        worlds = np.sort(paths.values(each.name), axis=0)
        pilot = paths.values(each.name)[:PILOT_WORLDS]
        one_bin = 1.5 * np.ptp(pilot, axis=0) / BINS + 1e-9 * (1 + np.abs(worlds[-1]))
        for n, level in enumerate(LEVELS):
            # Between the worlds beside the place: there may be a gap between them.
            place = level * (len(worlds) - 1)
            below = worlds[max(int(place) - 1, 0)] - one_bin
            above = worlds[min(int(place) + 2, len(worlds) - 1)] + one_bin
            assert (below <= near.quantiles[v, :, n]).all(), (each.name, level)
            assert (near.quantiles[v, :, n] <= above).all(), (each.name, level)


@pytest.mark.parametrize("keep", Keep)
def test_quantiles_are_in_order_and_within_the_extremes(keep):
    summary = run(VARIANTS["wild market"], runs=3000, keep=keep).summaries[0]
    rows = [summary.least, *np.moveaxis(summary.quantiles, -1, 0), summary.most]

    for lower, upper in itertools.pairwise(rows):
        assert (lower <= upper * (1 + 1e-15) + 1e-12).all()


def test_paths_are_kept_where_they_are_small(monkeypatch):
    assert run({}, tables=MINIMAL, runs=1).keep is Keep.PATHS

    monkeypatch.setattr("coopera.sim.run.PATHS_BYTES_MAX", 1000)
    result = run({}, tables=MINIMAL, runs=1)

    assert (result.keep, result.paths) == (Keep.QUANTILES, ())


# Refusals


@pytest.mark.parametrize("runs", [0, -1])
def test_no_run_is_refused(runs):
    with pytest.raises(OutOfBounds, match=f"runs is {runs}; .* at least 1"):
        run({}, runs=runs)


def test_more_runs_than_can_be_counted_are_refused():
    with pytest.raises(OutOfBounds, match="runs is"):
        run({}, tables=MINIMAL, runs=10**20)


@pytest.mark.parametrize("seed", [-1, SEED_MAX + 1])
def test_seed_out_of_range_is_refused(seed):
    with pytest.raises(OutOfBounds, match=f"seed is {seed}"):
        run({}, seed=seed)


@pytest.mark.parametrize(
    "other",
    [
        {"simulation.days": 20},
        {"consumers.more.jobs.pipeline": "training"},
        {"projects.more.targets.training": 1, "projects_max": 2},
    ],
)
def test_points_of_different_shape_are_refused(other):
    with pytest.raises(Inconsistent, match="run them apart and compare"):
        run({}, tables=MINIMAL, settings=[{}, other])


@pytest.mark.parametrize("keep", Keep)
def test_more_than_the_memory_is_refused(monkeypatch, keep):
    page = os.sysconf("SC_PAGE_SIZE")
    machine = {"SC_PAGE_SIZE": page, "SC_PHYS_PAGES": 2**26 // page}
    monkeypatch.setattr(os, "sysconf", machine.__getitem__)

    with pytest.raises(OutOfBounds, match=r"would take .* GiB and this machine has"):
        run({"simulation": {"days": 400}}, runs=2000, keep=keep)
