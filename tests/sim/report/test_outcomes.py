"""The figures of a report are those of the run."""

import numpy as np
import pytest

from coopera.sim.report.charts import Series, off_scale
from coopera.sim.report.outcomes import (
    earnings,
    emitted,
    phase1_days,
    phase1_end,
    total,
    totals,
)
from coopera.sim.report.sankey import CONSUMERS, OPERATIONS, RECEIVERS, USES, flows
from coopera.sim.run import LEVELS


def passing(found, column, side):
    nodes = {getattr(each, side) for each in found}
    return {
        node.name: sum(each.usd for each in found if getattr(each, side) == node)
        for node in nodes
        if node.column == column
    }


def fan(top):
    return Series(
        "", np.repeat(np.array(top, float)[:, None], len(LEVELS), axis=1), "k"
    )


def test_phase_1_ends_with_its_last_release(run, minimal):
    assert phase1_end(minimal) == phase1_days(minimal) == 3
    short = run({"simulation": {"days": 2}})
    assert phase1_end(short) is None
    assert phase1_days(short) == 2
    assert phase1_days(run({"emission": {"phase1_fraction": 0}})) == 0


def test_sum_is_that_of_the_worlds(minimal):
    income = minimal.values("income_usd").sum(axis=1)
    told = total(minimal, {"income_usd": 1}, "Income")
    assert told.mean == pytest.approx(income.mean())
    assert told.quantiles == pytest.approx(np.quantile(income, LEVELS))


def test_sum_over_the_first_days_leaves_the_others_out(minimal):
    told = total(minimal, {"jobs": 1}, "Jobs", days=4)
    assert told.mean == pytest.approx(minimal.values("jobs")[:, :4].sum(axis=1).mean())


def test_sums_of_streamed_runs_have_means(minimal, streamed):
    for kept, counted in zip(totals(minimal), totals(streamed), strict=True):
        assert counted.mean == pytest.approx(kept.mean)
        is_emission = counted.label == "Tokens emitted by Phase 2"
        assert (counted.quantiles is not None) == is_emission


def test_emission_of_one_pool_has_quantiles(minimal):
    worlds = np.cumsum(minimal.values("emitted_token"), axis=1)
    assert emitted(minimal) == pytest.approx(np.quantile(worlds, LEVELS, axis=0).T)


def test_earnings_are_what_was_paid(minimal):
    earned = total(minimal, dict.fromkeys(earnings(minimal), 1), "").mean
    price = minimal.values("price_usd")
    tokens = minimal.values("bought_token") + minimal.values("emitted_token")
    worlds = minimal.values("supplier_usd") + tokens * price
    assert earned == pytest.approx(worlds.sum(axis=1).mean())


def test_flows_lose_nothing(minimal):
    found = flows(minimal)
    received = passing(found, USES, "target")
    assert received == pytest.approx(passing(found, USES, "source"))
    income = minimal.mean("income_usd").sum()
    for amounts in (
        passing(found, CONSUMERS, "source"),
        received,
        passing(found, RECEIVERS, "target"),
    ):
        assert sum(amounts.values()) == pytest.approx(income)


def test_flows_to_suppliers_are_their_dollars(run):
    found = flows(run({"buyback": {"buyback_rate": 0}}))
    by_kind = passing(found, RECEIVERS, "target")
    # 10 dollars a training job, 5 a serving job of which training has two fifths.
    result = run({"buyback": {"buyback_rate": 0}})
    training, serving = (
        result.mean(f"jobs.developers.{name}").sum() for name in ("training", "serving")
    )
    assert by_kind["training"] == pytest.approx(0.7 * (10 * training + 2 * serving))
    assert by_kind["inference"] == pytest.approx(0.7 * 3 * serving)


def test_operations_are_spent_or_kept(run):
    found = flows(run({"payments": {"operations_spend_fraction": "0.25"}}))
    received = passing(found, RECEIVERS, "target")
    assert received["Dollar reserve"] == pytest.approx(
        3 * received["Spent on operations"]
    )


def test_gross_buyback_withholds_nothing(run):
    gross = run({"payments": {"buyback_base": "gross"}}, wash_trading=True)
    assert OPERATIONS not in passing(flows(gross), USES, "target")


def test_failed_jobs_do_not_flow(run):
    failing = run({"simulation": {"failure_rate": "0.5"}})
    paid = sum(passing(flows(failing), CONSUMERS, "source").values())
    assert paid == pytest.approx(failing.mean("income_usd").sum())


def test_first_day_that_would_flatten_the_others_is_cut():
    assert off_scale([fan([35, *[10] * 39])]) == 1
    assert off_scale([fan([35, 34, *[10] * 38]), fan([1] * 10)]) == 2


@pytest.mark.parametrize(
    "top",
    [[12, *[10] * 39], [35, *[10] * 9], [*[10] * 20, 35, *[10] * 19], [1, *[0] * 39]],
)
def test_other_days_stay_on_the_scale(top):
    assert off_scale([fan(top)]) == 0
