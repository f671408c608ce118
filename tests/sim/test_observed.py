"""Demand is what the days showed: a constant, or a line where it is surely one."""

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from coopera.params.document import preset
from coopera.sim.observed import TREND_DAYS_MIN, DaySeen, Sold, observe
from coopera.sim.scenario import read_scenario

PLACE = ("demo", "training")
MINIMAL = preset("minimal").tables


def days(jobs, first=0, price=10_000000, failed=0):
    return [
        DaySeen(first + i, 100_000000, {PLACE: Sold(n, failed, n * price)})
        for i, n in enumerate(jobs)
    ]


def seen(jobs, **options):
    (service,) = observe(days(jobs, **options)).services
    return service


def test_mean_and_deviation_are_those_of_the_days():
    service = seen([10, 14, 12, 16])
    assert (service.jobs, service.start, service.slope) == (13, 13, 0)
    deviation = np.std([10, 14, 12, 16], ddof=1)
    assert float(service.noise) == pytest.approx(deviation, abs=1e-6)
    assert service.price == 10


def test_one_day_has_no_noise():
    service = seen([7])
    assert (service.jobs, service.noise, service.slope) == (7, 0, 0)


def test_days_without_a_job_count():
    some = days([8, 8])
    idle = [DaySeen(2, 0), DaySeen(3, 0)]
    found = observe(some + idle)
    assert found.services[0].jobs == 4
    assert found.sentiment == 50


def test_steady_growth_is_a_line_by_the_days_of_the_network():
    service = seen([50 + 3 * i for i in range(20)], first=200)
    assert service.slope == 3
    assert service.noise == 0
    # On the day after the last.
    assert service.start == 50 + 3 * 20


def test_line_that_has_come_to_nothing_stays_there():
    service = seen([max(0, 60 - 3 * i) for i in range(24)])
    assert service.slope < 0
    assert service.start == 0


def test_too_few_days_show_no_line():
    service = seen([50 + 3 * i for i in range(TREND_DAYS_MIN - 1)])
    assert service.slope == 0
    assert seen([50 + 3 * i for i in range(TREND_DAYS_MIN)]).slope == 3


def test_what_may_be_chance_is_no_line():
    noise = np.random.default_rng(5).normal(0, 10, 28)
    assert seen([round(100 + each) for each in noise]).slope == 0


def test_weekly_season_is_no_line():
    assert seen([100 + 50 * (i % 7 == 6) for i in range(28)]).slope == 0


def test_price_is_the_mean_of_the_jobs():
    both = [*days([1]), DaySeen(1, 0, {PLACE: Sold(3, 0, 3 * 2_000000)})]
    assert observe(both).services[0].price == 4


def test_part_that_fails_is_that_of_the_jobs():
    assert observe(days([8, 8], failed=1)).failure_rate == Decimal("0.125")


def test_places_where_nothing_was_sold_are_no_services():
    idle = [DaySeen(0, 5, {PLACE: Sold()})]
    assert observe(idle).services == ()


def test_tables_give_the_demand_that_was_seen():
    start = replace(read_scenario(MINIMAL).start, day=20)
    tables = observe(days([50 + 3 * i for i in range(20)])).tables(start)
    tables["simulation"]["days"] = 10
    # The small world's funds vest from day 5 on; that is not what is shown here.
    late = {**MINIMAL["token"], "vesting_cliff_days": 100}
    scenario = read_scenario({**MINIMAL, "token": late, **tables}, start=start)

    assert scenario.demand_mean()[:, 0].tolist() == [110 + 3 * i for i in range(10)]
    assert scenario.services[0].job_price == 10_000000
    assert scenario.sentiment.start_usd_per_day == 100_000000
    assert scenario.suppliers["training"].initial == 4
    assert scenario.suppliers["training"].entry_rate_max == 0
