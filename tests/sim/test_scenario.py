"""A scenario says what participants do, and names whatever it cannot read."""

import math
from decimal import Decimal

import numpy as np
import pytest

from coopera.errors import (
    ConfigurationRefused,
    Inconsistent,
    OutOfBounds,
    UnknownKey,
    WrongType,
)
from coopera.params.document import merged, nested, preset
from coopera.sim.run import Keep, simulate
from coopera.sim.scenario import read_scenario
from coopera.sim.sweep import design
from coopera.units import MICRO, WAD

PAPER = preset("paper").tables
MINIMAL = preset("minimal").tables
SHOP = "consumers.developers.training"


def scenario(*settings, tables=MINIMAL):
    for path, value in settings:
        tables = merged(tables, nested(tuple(path.split(".")), value))
    return read_scenario(tables)


def mean(*settings):
    """Expected jobs of the first service of the small world, by day."""
    return scenario(*settings).demand_mean()[:, 0]


# Presets


def test_paper_preset_is_the_simulation_of_the_paper():
    paper = scenario(tables=PAPER)

    assert paper.simulation.days == 180
    assert paper.params.token_reserve == 2_000_000 * MICRO
    prices = {each.name: each.job_price / MICRO for each in paper.services}
    assert prices["tpu_training"] == 54
    assert prices["gpu_training"] == 25.2
    assert prices["hosted_inference"] == 30
    assert prices["image_labelling"] == 60
    assert len({each.consumer for each in paper.services}) == 5
    assert len(paper.params.matrix.rows) == 7


@pytest.mark.parametrize("tables", [PAPER, MINIMAL], ids=["paper", "minimal"])
def test_every_kind_of_a_preset_has_suppliers_and_somebody_to_serve(tables):
    preset = scenario(tables=tables)

    assert set(preset.suppliers) == set(preset.params.matrix.kinds)
    assert all(each.initial > 0 for each in preset.suppliers.values())
    used = {each.pipeline for each in preset.services}
    served = {
        kind
        for pipeline in used
        for kind, share in zip(
            preset.params.matrix.kinds, preset.params.matrix.rows[pipeline], strict=True
        )
        if share
    }
    assert served == set(preset.params.matrix.kinds)


def test_key_of_a_file_lies_over_its_preset():
    changed = scenario(("simulation.days", 3), (f"{SHOP}.start", 7))

    assert changed.simulation.days == 3
    assert changed.services[0].demand.start == 7 * WAD
    assert changed.services[0].demand.slope == WAD
    assert changed.services[1:] == scenario().services[1:]


def test_class_or_service_can_be_added():
    more = scenario(("consumers.artists.pictures", {"pipeline": "serving"}))

    assert [f"{each.consumer}.{each.name}" for each in more.services] == [
        "developers.training",
        "developers.serving",
        "artists.pictures",
    ]


# Keys and references


@pytest.mark.parametrize(
    ("path", "value", "near"),
    [
        ("tokens", {}, "token"),
        ("simulation.day", 1, "days"),
        ("sentiment.modell", "constant", "model"),
        (f"{SHOP}.strat", 1, "start"),
        ("suppliers.trainer", {}, "training"),
        ("suppliers.training.inital", 1, "initial"),
        ("shocks.crash.facter", 1, "factor"),
        ("payment_matrix.row", {}, "rows"),
        ("projects.demo.target", {}, "targets"),
        ("bonding.bond_rat", 1, "bond_rate"),
    ],
)
def test_unknown_key_is_refused_with_the_nearest_at_every_level(path, value, near):
    with pytest.raises(UnknownKey, match=f"did you mean {near}\\?") as refusal:
        scenario((path, value))

    assert refusal.value.path == tuple(path.split("."))


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        (f"{SHOP}.pipeline", "nonsense", Inconsistent),
        (f"{SHOP}.pipeline", 3, WrongType),
        (f"{SHOP}.pipeline", ["training"], WrongType),
        (f"{SHOP}.project", "nonsense", Inconsistent),
        (f"{SHOP}.project", 3, WrongType),
        ("consumers.artists.pictures", {}, Inconsistent),  # no pipeline
        ("shocks.crash.target", "nobody", Inconsistent),
        ("shocks.crash.target", "developers.nothing", Inconsistent),
        ("shocks.crash.target", 3, WrongType),
        ("simulation.days", 0, OutOfBounds),
        ("simulation.days", 36501, OutOfBounds),
        ("simulation.failure_rate", Decimal("1.1"), OutOfBounds),
        ("sentiment.model", "random", OutOfBounds),
        (f"{SHOP}.growth", "exponential", OutOfBounds),
        (f"{SHOP}.start", -1, OutOfBounds),
        (f"{SHOP}.season_period_days", 0, OutOfBounds),
        ("suppliers.training.cost_usd_per_day", 0, OutOfBounds),
        ("shocks.crash.days", 0, OutOfBounds),
        ("shocks.crash.factor", -1, OutOfBounds),
        ("consumers", 3, WrongType),
        ("consumers.developers", 3, WrongType),
        ("consumers.developers.training", 3, WrongType),
        ("suppliers.training", 3, WrongType),
        ("shocks", [], WrongType),
        ("shocks.crash", 3, WrongType),
        ("simulation", "long", WrongType),
    ],
)
def test_spoiled_key_is_refused_and_named(path, value, refusal):
    with pytest.raises(refusal) as refused:
        scenario((path, value))

    named = ".".join(refused.value.path)
    assert named
    assert (path + ".pipeline").startswith(named)


def test_reference_is_refused_with_what_there_is():
    with pytest.raises(
        Inconsistent, match="is 'x'; it must be one of serving, training"
    ):
        scenario((f"{SHOP}.pipeline", "x"))


def test_nobody_who_asks_is_refused():
    with pytest.raises(Inconsistent, match="nobody asks for anything"):
        read_scenario({**MINIMAL, "consumers": {}})
    with pytest.raises(Inconsistent, match="nobody asks for anything"):
        read_scenario({**MINIMAL, "consumers": {"developers": {}}})


def test_parameters_are_refused_before_the_rest():
    with pytest.raises(OutOfBounds, match="bond_rate"):
        scenario(("bonding.bond_rate", -1), ("simulation.days", 0))


def test_unknown_table_is_refused_before_all():
    with pytest.raises(UnknownKey):
        scenario(("bonding.bond_rate", -1), ("nonsense", {}))


# Demand


def test_linear_trend_gains_its_slope_every_day_and_stops_at_zero():
    assert mean().tolist() == [20 + day for day in range(10)]
    assert mean((f"{SHOP}.slope", -8)).tolist() == [20, 12, 4, *[0] * 7]


def test_logistic_adoption_is_half_at_its_midpoint_and_symmetric():
    jobs = mean(
        (f"{SHOP}.growth", "logistic"),
        (f"{SHOP}.ceiling", 100),
        (f"{SHOP}.midpoint_day", 4),
        (f"{SHOP}.adoption_per_day", Decimal("0.5")),
    )

    assert jobs[4] == 50
    assert jobs[6] == pytest.approx(100 / (1 + math.exp(-1)))
    assert jobs[2] + jobs[6] == pytest.approx(100)
    assert (np.diff(jobs) > 0).all()


@pytest.mark.parametrize(("midpoint", "jobs"), [(36500, 0), (-36500, 100)])
def test_adoption_far_from_its_midpoint_is_over_or_has_not_begun(midpoint, jobs):
    found = mean(
        (f"{SHOP}.growth", "logistic"),
        (f"{SHOP}.ceiling", 100),
        (f"{SHOP}.midpoint_day", midpoint),
        (f"{SHOP}.adoption_per_day", 10),
    )

    assert found == pytest.approx(jobs)


def test_season_peaks_on_its_day_and_every_period_after():
    flat = mean((f"{SHOP}.slope", 0))
    jobs = mean(
        (f"{SHOP}.slope", 0),
        (f"{SHOP}.season_amplitude", Decimal("0.25")),
        (f"{SHOP}.season_period_days", 4),
        (f"{SHOP}.season_peak_day", 1),
    )

    assert flat.tolist() == [20] * 10
    assert jobs == pytest.approx([20, 25, 20, 15, 20, 25, 20, 15, 20, 25])


@pytest.mark.parametrize(
    ("target", "struck"),
    [
        ("all", [True, True]),
        ("developers", [True, True]),
        ("developers.serving", [False, True]),
        ("sentiment", [False, False]),
    ],
)
def test_shock_multiplies_its_target_for_its_days(target, struck):
    shocked = scenario(
        ("shocks.crash", {"day": 3, "days": 2, "factor": 3, "target": target})
    )
    factor = shocked.demand_mean() / scenario().demand_mean()

    for service, is_struck in enumerate(struck):
        expected = [3.0 if is_struck and day in (3, 4) else 1.0 for day in range(10)]
        assert factor[:, service] == pytest.approx(expected)
    sentiment = [
        3.0 if target == "sentiment" and d in (3, 4) else 1.0 for d in range(10)
    ]
    assert shocked.sentiment_shock().tolist() == sentiment


def test_shock_without_an_end_lasts_and_shocks_multiply():
    jobs = mean(
        (f"{SHOP}.slope", 0),
        ("shocks.boom", {"day": 8, "factor": 2}),
        ("shocks.more", {"day": 9, "factor": 5}),
    )

    assert jobs.tolist() == [20] * 8 + [40, 200]


def test_shock_after_the_last_day_does_nothing():
    assert mean(("shocks.late", {"day": 10, "factor": 0})).tolist() == mean().tolist()


# Noise


@pytest.mark.parametrize(
    ("within", "between", "fits"),
    [
        ("0.9", "0.5", True),
        ("0", "0", True),
        ("1", "0", False),
        ("0.5", "0.9", False),
        ("-0.5", "0", False),  # three services of a class cannot all disagree so much
    ],
)
def test_correlation_that_no_noise_has_is_refused(within, between, fits):
    settings = (
        ("simulation.noise_correlation_within", Decimal(within)),
        ("simulation.noise_correlation_between", Decimal(between)),
    )
    if fits:
        matrix = scenario(*settings, tables=PAPER).noise_correlation()
        assert (matrix == matrix.T).all()
        assert (np.diag(matrix) == 1).all()
    else:
        with pytest.raises(Inconsistent, match="not positive definite"):
            scenario(*settings, tables=PAPER)


def test_demand_has_the_noise_and_the_correlation_asked_for():
    over = {
        "simulation": {
            "days": 2,
            "noise_correlation_within": Decimal("0.6"),
            "noise_correlation_between": Decimal("-0.1"),
            "demand_scale": 10,  # far from zero, where noise is cut off
        }
    }
    tables = merged(PAPER, over)
    runs = 20_000
    result = simulate(design(tables, [{}]), runs=runs, seed=5)
    services = result.points[0].scenario.services
    jobs = np.array(
        [result.values(f"jobs.{each.consumer}.{each.name}")[:, 1] for each in services]
    )

    # Four standard errors. Rounding to whole jobs adds a twelfth to the variance.
    noise = 10 * np.array([each.demand.noise / WAD for each in services])
    spread = np.sqrt(noise**2 + 1 / 12)
    assert jobs.std(axis=1) == pytest.approx(spread, rel=4 / math.sqrt(2 * runs))
    asked = read_scenario(tables).noise_correlation() * np.outer(noise, noise)
    found = np.corrcoef(jobs) * np.outer(spread, spread)
    off = ~np.eye(len(services), dtype=bool)
    gap = np.abs(found - asked)[off] / np.outer(spread, spread)[off]
    assert gap.max() < 4.5 / math.sqrt(runs)


def test_noise_of_one_day_says_nothing_of_the_next():
    result = simulate(
        design(merged(PAPER, {"simulation": {"days": 5}}), [{}]), runs=20_000, seed=5
    )
    jobs = result.values("jobs.inference.hosted_inference")

    assert abs(np.corrcoef(jobs[:, 3], jobs[:, 4])[0, 1]) < 4 / math.sqrt(20_000)


def test_jobs_are_whole_and_never_negative():
    over = {"simulation": {"noise_scale": 50}}
    result = simulate(design(merged(MINIMAL, over), [{}]), runs=500, seed=1)
    jobs = result.values("jobs.developers.training")

    assert (jobs == np.floor(jobs)).all()
    assert jobs.min() == 0


def test_without_noise_every_world_is_the_trend():
    over = {"simulation": {"noise_scale": 0, "demand_scale": Decimal("0.5")}}
    result = simulate(design(merged(MINIMAL, over), [{}]), runs=3, seed=1)

    # Halves are rounded up.
    expected = [math.floor((20 + day) / 2 + 0.5) for day in range(10)]
    assert (result.values("jobs.developers.training") == expected).all()


# Sentiment


def sentiment(over, *, runs=10_000, days=30):
    tables = merged(MINIMAL, {"simulation": {"days": days}, "sentiment": over})
    points = design(tables, [{}])
    result = simulate(points, runs=runs, seed=9, keep=Keep.PATHS)
    return result.values("sentiment_usd")


def test_constant_sentiment_is_constant():
    assert (sentiment({"model": "constant"}, runs=10) == 100).all()


def test_geometric_sentiment_grows_by_its_drift_and_spreads_by_its_volatility():
    paths = sentiment(
        {
            "model": "geometric_brownian",
            "start_usd_per_day": 1000,
            "drift_per_day": Decimal("0.01"),
            "volatility_per_day": Decimal("0.05"),
        }
    )
    spread = 0.05 * math.sqrt(30)

    assert np.log(paths[:, 29]).std() == pytest.approx(spread, rel=0.03)
    standard_error = spread / math.sqrt(10_000)
    assert paths[:, 29].mean() / 1000 == pytest.approx(
        math.exp(0.3), rel=5 * standard_error
    )


def test_reverting_sentiment_nears_its_mean_and_keeps_its_spread():
    paths = sentiment(
        {
            "model": "mean_reverting",
            "start_usd_per_day": 1000,
            "mean_usd_per_day": 2000,
            "reversion_per_day": Decimal("0.2"),
            "volatility_per_day": Decimal("0.05"),
        },
        days=60,
    )

    assert paths[:, 0].mean() == pytest.approx(1200, rel=0.01)
    assert paths[:, 59].mean() == pytest.approx(2000, rel=0.005)
    # An autoregression of 0.8: its variance is the noise's over 1 - 0.64.
    assert paths[:, 59].std() == pytest.approx(100 / math.sqrt(0.36), rel=0.03)


def test_shock_to_sentiment_passes():
    tables = merged(
        MINIMAL, {"shocks": {"panic": {"target": "sentiment", "day": 2, "days": 1}}}
    )
    tables = merged(tables, {"shocks": {"panic": {"factor": Decimal("0.1")}}})
    result = simulate(design(tables, [{}]), runs=1, seed=1)

    assert result.values("sentiment_usd")[0].tolist() == [100, 100, 10, *[100] * 7]


def test_refusals_are_of_one_family():
    assert issubclass(UnknownKey, ConfigurationRefused)
