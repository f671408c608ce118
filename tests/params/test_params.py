"""A world where all settings agree, and each test that spoils one of them."""

from decimal import Decimal

import pytest

from coopera.errors import (
    BadMatrix,
    ConfigurationRefused,
    Inconsistent,
    OutOfBounds,
    UnknownKey,
    WashTradingPays,
    WrongType,
)
from coopera.params import CHAPTERS, Params, governed_variables, read_params
from coopera.params.document import merged, nested, preset
from coopera.protocol.warnings import live_warnings, warnings
from coopera.units import MICRO, WAD

IN_ORDER = {
    "token": {"max_supply": 1000},
    "payment_matrix": {
        "kinds": ["training", "inference"],
        "rows": {"serving": {"training": Decimal("0.4"), "inference": Decimal("0.6")}},
    },
    "projects": {"demo": {"targets": {"training": 2}}},
}


def spoiled(*settings, **options) -> Params:
    tables = IN_ORDER
    for path, value in settings:
        tables = merged(tables, nested(tuple(path.split(".")), value))
    return read_params(tables, **options)


def refused_path(*settings):
    with pytest.raises(ConfigurationRefused) as refusal:
        spoiled(*settings)
    return ".".join(refusal.value.path)


@pytest.mark.parametrize("name", ["paper", "minimal"])
def test_presets_are_in_order(name):
    tables = preset(name).tables
    params = read_params(
        {key: tables[key] for key in (*CHAPTERS, *IN_ORDER) if key in tables}
    )

    assert params.projects
    assert sum(params.funds.values()) == params.token.max_supply


def test_defaults_are_those_of_the_paper():
    params = spoiled()

    assert params.payments.operations_fraction == 3 * WAD // 10
    assert params.emission.phase1_fraction == 6 * WAD // 10
    assert params.emission.job_reward_modulation == 10 * WAD
    assert params.buyback.reserve_floor_fraction == WAD // 10
    assert params.buyback.reserve_target_fraction == WAD // 5
    assert params.emission.phase1_max_days == 30


@pytest.mark.parametrize(
    "name",
    [
        "fiat_operations_fraction",
        "buyback_modulation",
        "lower_token_reserve_limit",
        "frac_phase_one_tokens",
        "job_reward_modulation",
        "phase2_modulation",
        "onboarding_modulation",
        "bond_modulation",
        "validation_modulator",
        "governance_value",
        "max_token_supply",
        "delta_price_of_token",
        "n_project",
    ],
)
def test_paper_name_in_snake_case_is_a_name_of_its_variable(name):
    assert [each for each in governed_variables() if name in each.aliases]


def test_paper_name_sets_the_variable():
    assert spoiled(("bonding.bond_modulation", 1)).bonding.bond_rate == WAD


def test_funds_are_the_supply_and_operations_keeps_the_remainder():
    # A supply of which no fund but the last is whole.
    params = spoiled(("token.max_supply", Decimal("1.000007")))

    assert sum(params.funds.values()) == 1_000007
    assert params.funds["operations"] == 500004 + 1
    assert params.token_reserve == params.funds["operations"]


def test_initial_reserve_of_zero_is_the_whole_operations_fund():
    assert spoiled().token_reserve == 500 * MICRO
    assert spoiled(("token.initial_token_reserve", 20)).token_reserve == 20 * MICRO


@pytest.mark.parametrize(("scope", "pools"), [("platform", 1), ("project", 3)])
def test_pools_of_phase_2(scope, pools):
    params = spoiled(
        ("emission.projects_max", 3), ("emission.phase2_pool_scope", scope)
    )

    assert params.phase2_pools == pools


# Keys


@pytest.mark.parametrize(
    ("path", "value", "refusal"),
    [
        ("token.max_suply", 1, UnknownKey),
        ("token", 3, WrongType),
        ("token.max_supply", "many", WrongType),
        ("token.max_supply", 0, OutOfBounds),
        ("token.max_supply", 10**9 + 1, OutOfBounds),
        ("payments.operations_fraction", Decimal("1.1"), OutOfBounds),
        ("emission.projects_max", 0, OutOfBounds),
        ("bonding.slash_destination", "nobody", OutOfBounds),
        ("payment_matrix", 3, WrongType),
        ("payment_matrix.kind", [], UnknownKey),
        ("payment_matrix.kinds", "training", WrongType),
        ("payment_matrix.kinds", [], WrongType),
        ("payment_matrix.kinds", ["a", "a"], WrongType),
        ("payment_matrix.kinds", ["a", 1], WrongType),
        ("payment_matrix.kinds", [["a"]], WrongType),
        ("payment_matrix.rows", 3, WrongType),
        ("payment_matrix.rows.serving", 3, WrongType),
        ("payment_matrix.rows.serving.traning", 1, UnknownKey),
        ("payment_matrix.rows.serving.training", Decimal("0.5"), BadMatrix),
        ("payment_matrix.rows.serving.training", Decimal("-0.4"), BadMatrix),
        ("payment_matrix.rows.serving.training", Decimal("NaN"), BadMatrix),
        ("payment_matrix.rows.serving.training", Decimal("1e-19"), BadMatrix),
        ("payment_matrix.rows.serving.training", "all", BadMatrix),
        ("payment_matrix.rows.serving.training", True, BadMatrix),
        ("payment_matrix.rows.serving.training", [1], BadMatrix),
        ("payment_matrix.rows.empty", {}, BadMatrix),
        ("projects", 3, WrongType),
        ("projects.demo", 3, WrongType),
        ("projects.demo.target", {}, UnknownKey),
        ("projects.demo.targets", 3, WrongType),
        ("projects.demo.targets.traning", 1, UnknownKey),
        ("projects.demo.targets.training", -1, OutOfBounds),
        ("projects.demo.targets.training", True, OutOfBounds),
        ("projects.demo.targets.training", Decimal("1.5"), OutOfBounds),
        ("projects.demo.targets.training", 10**6 + 1, OutOfBounds),
        ("projects.demo.targets.training", 0, Inconsistent),
        ("projects.more", {"targets": {}}, Inconsistent),
    ],
)
def test_spoiled_key_is_refused_and_named(path, value, refusal):
    with pytest.raises(refusal) as refused:
        spoiled((path, value))

    assert path.startswith(".".join(refused.value.path))
    assert len(refused.value.path) >= min(2, len(path.split(".")))
    assert "\n" not in str(refused.value)


def test_unknown_chapter_is_not_read_here():
    assert spoiled(("nonsense", 1)) == spoiled()


@pytest.mark.parametrize(
    "row", [{"training": 1}, {"training": "0.25", "inference": "0.75"}]
)
def test_row_that_sums_to_one_is_taken(row):
    params = spoiled(("payment_matrix.rows.other", row))

    assert sum(params.matrix.rows["other"]) == WAD


def test_row_refusal_says_what_it_sums_to():
    with pytest.raises(
        BadMatrix, match=r"rows\.serving sums to 1\.2; a row must sum to 1"
    ):
        spoiled(("payment_matrix.rows.serving.inference", Decimal("0.8")))


# Values that contradict each other


def test_funds_that_are_not_the_whole_are_refused_with_their_sum():
    # The paper's own text: 60 % for operations makes 110 %.
    with pytest.raises(Inconsistent, match=r"fund fractions sum to 1\.1"):
        spoiled(("token.ops_fund_fraction", Decimal("0.6")))


@pytest.mark.parametrize(
    ("name", "fund", "most"),
    [
        ("initial_circulating", "business", 150),
        ("initial_token_reserve", "operations", 500),
    ],
)
def test_more_than_a_fund_holds_is_refused(name, fund, most):
    params = spoiled((f"token.{name}", most))

    assert getattr(params.token, name) == params.funds[fund]
    with pytest.raises(Inconsistent, match=f"{name} is {most}.000001; .* {fund} fund"):
        spoiled((f"token.{name}", Decimal(f"{most}.000001")))


def test_no_project_is_refused():
    tables = {key: value for key, value in IN_ORDER.items() if key != "projects"}
    with pytest.raises(Inconsistent, match="there is no project"):
        read_params(tables)


def test_more_projects_than_the_most_are_refused():
    second = ("projects.more.targets.training", 1)
    assert len(spoiled(second, ("emission.projects_max", 2)).projects) == 2
    assert refused_path(second) == "projects.more"


def test_reserve_floor_above_its_target_is_refused():
    floor = "buyback.reserve_floor_fraction"
    params = spoiled((floor, Decimal("0.2")))

    assert params.buyback.reserve_floor_fraction == WAD // 5
    with pytest.raises(Inconsistent, match="reserve_floor_fraction is above"):
        spoiled((floor, Decimal("0.200001")))


@pytest.mark.parametrize(
    ("fees", "last"),
    [
        # Half for serving and a tenth for the template are the defaults.
        ({"api_launchpad_tax": "0.4"}, "api_serving_fraction"),
        ({"api_template_fraction": "0.45"}, "api_serving_fraction"),
        ({"api_serving_fraction": "0.85"}, "api_serving_fraction"),
        (
            {
                "api_launchpad_tax": "0.333333333333333333",
                "api_template_fraction": "0.333333333333333333",
                "api_serving_fraction": "0.333333333333333334",
            },
            "api_serving_fraction",
        ),
        ({"serving_platform_tax": "0.8"}, "serving_model_fraction"),
        ({"serving_model_fraction": "0.9"}, "serving_model_fraction"),
    ],
)
def test_fee_is_split_into_one_and_not_a_bit_more(fees, last):
    in_order = [(f"fees.{name}", value) for name, value in fees.items()]
    spoiled(*in_order)

    name, value = in_order[-1]
    more = (name, str(Decimal(value) + Decimal(1).scaleb(-18)))
    with pytest.raises(Inconsistent, match=r"sum to 1\.0{17}1; .* sum to 1 at most"):
        spoiled(*in_order, more)
    assert refused_path(*in_order, more) == f"fees.{last}"


@pytest.mark.parametrize("name", ["launchpad_tax", "training_platform_tax"])
def test_tax_on_the_whole_may_take_all_of_it(name):
    assert getattr(spoiled((f"fees.{name}", 1)).fees, name) == WAD
    assert refused_path((f"fees.{name}", "1.000000000000000001")) == f"fees.{name}"


def test_tools_share_of_the_template_s_side_is_no_part_of_the_fee():
    params = spoiled(("fees.api_tools_fraction", 1), ("fees.api_launchpad_tax", "0.4"))

    assert params.fees.api_tools_fraction == WAD


def test_defaults_of_fees_leave_something_to_the_creator():
    fees = spoiled().fees

    parts = (
        fees.api_launchpad_tax + fees.api_template_fraction + fees.api_serving_fraction
    )
    assert (fees.launchpad_tax, WAD - parts) == (WAD // 100, 35 * WAD // 100)


def test_single_keys_come_before_contradictions():
    with pytest.raises(OutOfBounds):
        spoiled(("token.ops_fund_fraction", Decimal("0.6")), ("bonding.bond_rate", -1))


# Wash trading


@pytest.mark.parametrize(
    "settings",
    [
        [("payments.buyback_base", "gross")],
        [("payments.operations_fraction", 0)],
        [("payments.operations_fraction", Decimal("0.1"))],  # as much as it emits
        [("emission.phase2_modulation", 3)],
        [("emission.job_reward_modulation", 3)],
    ],
)
def test_wash_trading_that_pays_is_refused_with_what_it_brings(settings):
    with pytest.raises(WashTradingPays, match=r"emits up to \$0\.\d+ .*costs \$0\.\d+"):
        spoiled(*settings)


def test_wash_trading_that_loses_money_is_allowed():
    spoiled(("payments.operations_fraction", Decimal("0.100001")))
    spoiled(("emission.phase2_modulation", Decimal("2.999")))


def test_nobody_washes_where_nothing_is_emitted():
    spoiled(("payments.buyback_base", "gross"), ("emission.phase2_modulation", 0))


def test_wash_trading_may_be_studied():
    spoiled(("payments.buyback_base", "gross"), wash_trading=True)


def test_contradictions_come_before_wash_trading():
    with pytest.raises(Inconsistent):
        spoiled(
            ("payments.buyback_base", "gross"),
            ("token.ops_fund_fraction", Decimal("0.6")),
        )


# Warnings


def set_in(chapter, **settings):
    """Spoil settings of one chapter, written as people write them."""
    return spoiled(
        *((f"{chapter}.{name}", Decimal(value)) for name, value in settings.items())
    )


def test_defaults_are_not_warned_of():
    assert warnings(spoiled()) == ()


def test_cheating_that_pays_is_warned_of_with_the_audit_rate_that_is_enough():
    (warning,) = warnings(set_in("validation", validation_rate="0.0887"))

    assert warning == (
        "cheating pays: a cheat gains 0.8000 of a job's pay and loses 0.7996 on "
        "average; a validation_rate of 0.0888 would be enough"
    )
    assert warnings(set_in("validation", validation_rate="0.0888")) == ()


@pytest.mark.parametrize(
    "rate",
    [
        "0.08",
        "0.001",  # as often as honest work is taken for fraud
        "0.0005",
    ],
)
def test_cheating_that_no_audit_rate_deters_is_warned_of(rate):
    (warning,) = warnings(set_in("validation", detection_rate=rate))

    assert warning.endswith(
        "; no validation_rate is enough; raise detection_rate, bond_rate or "
        "held_back_jobs"
    )


@pytest.mark.parametrize(
    "settings",
    [
        {"validation.held_back_jobs": 9},
        {"validation.reputation_rent": 1},
        {"validation.cheating_cost": "0.1"},
        {"validation.supplier_margin": "0.3"},
        {"validation.detection_rate": "0.99"},
        {"validation.false_positive_rate": "0"},
        {"bonding.bond_rate": "0.6"},
    ],
    ids=lambda settings: next(iter(settings)),
)
def test_whatever_enters_the_inequality_can_end_the_warning(settings):
    nearly = ("validation.validation_rate", Decimal("0.08872"))
    more = [(path, Decimal(value)) for path, value in settings.items()]

    assert warnings(spoiled(nearly)) != ()
    assert warnings(spoiled(nearly, *more)) == ()


def test_honest_work_that_does_not_pay_is_warned_of():
    (warning,) = warnings(set_in("validation", false_positive_rate="0.03"))

    assert warning == (
        "honest work does not pay: it earns 0.2000 of a job's pay and loses 0.2850 on "
        "average by wrong verdicts; lower false_positive_rate or held_back_jobs"
    )
    assert warnings(set_in("validation", false_positive_rate="0.02")) == ()


def test_canaries_that_are_too_few_are_warned_of_with_how_many_are_enough():
    (warning,) = warnings(set_in("validation", canary_rate="0.0457"))

    assert warning == (
        "canaries are too few: a validator who does not look at a job that pays 1,000 "
        "tokens saves more than it loses; a canary_rate of 0.0458 would be enough"
    )
    assert warnings(set_in("validation", canary_rate="0.0458")) == ()


def test_canaries_that_can_never_be_enough_are_warned_of():
    (warning,) = warnings(
        set_in("validation", verdict_bond_rate="0", validator_reward_rate="0")
    )

    assert warning.endswith("; no canary_rate is enough; raise verdict_bond_rate")


def test_everything_that_is_wrong_is_warned_of():
    found = warnings(
        set_in(
            "validation", validation_rate="1", false_positive_rate="1", canary_rate="0"
        )
    )

    assert [each.partition(":")[0] for each in found] == [
        "cheating pays",
        "honest work does not pay",
        "canaries are too few",
    ]


@pytest.mark.parametrize("name", ["a:b", ""])
def test_name_that_no_account_could_have_is_refused(name):
    with pytest.raises(WrongType, match="has the name"):
        read_params(
            merged(IN_ORDER, {"projects": {name: {"targets": {"training": 1}}}})
        )


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, ""),
        ({"pricing.price_change_max": "0"}, "one day's demand may throw the price"),
        ({"validation.validator_reward_rate": "0"}, "honest validators lose: to look"),
        ({"validation.validator_reward_rate": "0.1"}, "no order will be taken: verd"),
        ({"validation.validator_stake": "0"}, "no order will be taken: a verdict ne"),
    ],
)
def test_what_a_network_with_members_should_not_run_with_is_warned_of(settings, said):
    changes = [(path, Decimal(value)) for path, value in settings.items()]
    found = live_warnings(spoiled(*changes))

    assert [each[: len(said)] for each in found] == ([said] if said else [])
