"""What the commands print and write, when all is as it should be."""

import json

import pytest

from coopera import __version__
from coopera.params import governed_variables
from coopera.sim.output import read_result
from coopera.units import WAD

SIMULATE = ("simulate", "minimal", "--runs", "3")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def coopera(run):
    """Run the command line, which must succeed, and give what it prints."""

    def run_(*arguments):
        said = run(*arguments)
        assert said.code == 0
        return said

    return run_


def strict_json(text):
    def refuse(constant):
        raise ValueError(constant)

    return json.loads(text, parse_constant=refuse)


# Settings


@pytest.mark.parametrize("name", ["paper", "minimal"])
def test_preset_written_to_a_file_can_be_used(coopera, folder, name):
    (folder / "mine.toml").write_text(coopera("preset", name).out, "utf-8")

    assert coopera("check", "mine.toml").out == "mine.toml can be used\n"


@pytest.mark.parametrize("name", ["paper", "minimal"])
def test_preset_written_to_a_file_is_the_same_economy(coopera, folder, name):
    (folder / "mine.toml").write_text(coopera("preset", name).out, "utf-8")
    mine, same = (
        strict_json(coopera("simulate", source, "--runs", "3", "--json").out)
        for source in ("mine.toml", name)
    )

    assert mine == same


def test_file_of_its_own_lies_over_the_paper(coopera, folder):
    (folder / "mine.toml").write_text("[bonding]\nbond_rate = 0.25\n", "utf-8")
    coopera("simulate", "mine.toml", "--runs", "1", "--out", "out", "--no-report")
    params = read_result(folder / "out").points[0].scenario.params

    assert params.bonding.bond_rate == WAD // 4
    assert len(params.matrix.rows) == 7


@pytest.mark.parametrize(
    "name", ["buyback_rate", "buyback_modulation", "BuybackModulation"]
)
def test_variable_is_told_about_under_any_of_its_names(coopera, name):
    lines = dict(
        line.split(maxsplit=1) for line in coopera("params", name).out.splitlines()
    )

    assert lines["name"] == "buyback_rate"
    assert lines["paper"] == "BuybackModulation"
    assert lines["default"] == "0.5"
    assert lines["source"] == "docs/papers/bme.md#consumer-payments"


def test_every_variable_is_listed(coopera):
    listed = coopera("params").out
    told = strict_json(coopera("params", "--json").out)

    assert [each["name"] for each in told] == [
        each.name for each in governed_variables()
    ]
    assert all(f"  {each['name']} " in listed for each in told)


def test_what_a_careful_operator_would_not_permit_is_warned_of(coopera):
    _, out, err = coopera("check", "minimal", "--set", "validation_rate=0.05")

    assert out == "minimal can be used\n"
    assert err.startswith("coopera: warning: cheating pays: ")
    assert err.count("\n") == 1


# Deterrence

CHEATING_PAYS = ("--set", "validation_rate=0.05")


def told_of_deterrence(coopera, *arguments):
    return strict_json(coopera("deterrence", *arguments, "--json").out)


@pytest.mark.parametrize("name", ["paper", "minimal"])
def test_preset_deters(coopera, name):
    _, out, err = coopera("deterrence", name)

    assert err == ""
    assert out.endswith(
        "\nCheating does not pay, honest work pays, and canaries are enough where a "
        "job pays 1,000 tokens.\n"
    )


def test_deterrence_is_that_of_the_paper_unless_told_otherwise(coopera):
    assert coopera("deterrence") == coopera("deterrence", "paper")


def test_inequality_is_shown_with_the_values_that_are_set(coopera):
    lines = [
        line.split()
        for line in coopera("deterrence", "--set", "held_back_jobs=3").out.splitlines()
    ]
    shown = {line[0]: line[1:3] for line in lines if len(line) > 3}

    assert shown["q"] == ["1", "validation_rate"]
    assert shown["d"] == ["0.95", "detection_rate"]
    assert shown["phi"] == ["0.001", "false_positive_rate"]
    assert shown["b"] == ["0.5", "bond_rate"]
    assert shown["h"] == ["3", "held_back_jobs"]
    assert shown["v"] == ["0", "reputation_rent"]
    assert shown["alpha"] == ["0", "cheating_cost"]
    assert shown["m"] == ["0.2", "supplier_margin"]
    assert ["a", "cheat", "loses", "4.2705"] in lines
    assert ["a", "cheat", "gains", "0.8000"] in lines
    assert ["honest", "work", "earns", "0.1955"] in lines


def test_needed_rates_are_tabulated_with_the_values_that_are_set(coopera):
    options = ("--set", "held_back_jobs=3", "--set", "detection_rate=0.5")
    lines = [line.split() for line in coopera("deterrence", *options).out.splitlines()]

    assert ["0", "1", "3*", "4", "8", "19"] in lines
    assert ["0", "none", "0.8017", "0.4009", "0.3207", "0.1782", "0.0802"] in lines
    assert ["0.5*", "none", "0.6413", "0.3563", "0.2915", "0.1688", "0.0783"] in lines
    assert ["1", "0.0462"] in lines
    assert ["10", "0.0479"] in lines
    assert ["1000", "0.0480"] in lines


@pytest.mark.parametrize(
    ("settings", "verdict"),
    [
        (("validation_rate=0.05",), "Cheating pays, honest work pays, and"),
        (
            ("validation_rate=0.3",),
            "Cheating pays only while little is held back, honest work pays, and",
        ),
        (("validation_rate=0.5621",), "Cheating does not pay, honest work pays, and"),
        (("false_positive_rate=0.03",), "Cheating does not pay, honest work does not"),
        (
            ("canary_rate=0.04",),
            "and canaries are too few where a job pays 1,000 tokens.",
        ),
    ],
)
def test_verdict_is_one_sentence_on_what_is_set(coopera, settings, verdict):
    options = [word for each in settings for word in ("--set", each)]
    told = coopera("deterrence", "minimal", *options).out.splitlines()

    assert verdict in told[-1]
    assert told[-1] == told_of_deterrence(coopera, "minimal", *options)["verdict"]


def test_settings_that_do_not_deter_are_shown_and_warned_of(coopera):
    _, out, err = coopera("deterrence", "minimal", *CHEATING_PAYS)

    assert out.splitlines()[-1].startswith("Cheating pays, ")
    assert err == coopera("check", "minimal", *CHEATING_PAYS).err
    assert err.startswith("coopera: warning: cheating pays: ")


def test_deterrence_in_json_has_every_figure_in_full(coopera):
    told = told_of_deterrence(coopera, "minimal", *CHEATING_PAYS)

    assert told["source"] == "minimal"
    assert told["settings"]["validation_rate"] == "0.05"
    assert told["settings"]["verdict_bond"] == "0.5"
    assert told["cheating_gain"] == "0.8"
    assert told["cheating_loss"] == "0.450775"
    assert told["honest_profit"] == "0.199525"
    assert len(told["validation_rate_needed"]) == 25
    assert {
        "bond_rate": "0.5",
        "held_back_jobs": 8,
        "validation_rate": "0.088736065664688592",
    } in told["validation_rate_needed"]
    assert told["canary_rate_needed"] == [
        {"pay": "1", "canary_rate": "0.044036697247706423"},
        {"pay": "10", "canary_rate": "0.04554079696394687"},
        {"pay": "1000", "canary_rate": "0.045712544284027276"},
    ]


def test_deterrence_of_a_file_is_that_of_its_settings(coopera, folder):
    (folder / "mine.toml").write_text("[validation]\nvalidation_rate = 0.05\n", "utf-8")
    mine, same = (
        told_of_deterrence(coopera, *arguments)
        for arguments in (("mine.toml",), ("paper", *CHEATING_PAYS))
    )

    assert mine.pop("source") == "mine.toml"
    assert same.pop("source") == "paper"
    assert mine == same


# Simulations


def test_json_is_all_that_is_on_stdout(coopera):
    told = strict_json(coopera(*SIMULATE, "--seed", "5", "--json").out)

    assert {key: told[key] for key in ("version", "seed", "runs", "days", "files")} == {
        "version": __version__,
        "seed": 5,
        "runs": 3,
        "days": 10,
        "files": [],
    }
    (point,) = told["points"]
    assert point["settings"] == {}
    price = point["last_day"]["price_usd"]
    assert price["unit"] == "USD/token"
    assert price["p05"] <= price["p50"] <= price["p95"]


def test_same_command_prints_the_same(coopera):
    assert coopera(*SIMULATE) == coopera(*SIMULATE, "--threads", "1")
    assert coopera(*SIMULATE) != coopera(*SIMULATE, "--seed", "2")


def test_setting_of_an_option_lies_over_all(coopera, folder):
    (folder / "mine.toml").write_text(
        'preset = "minimal"\n[bonding]\nbond_modulation = 0.25\n', "utf-8"
    )
    options = ("--set", "bond_rate=3", "--set", "simulation.days=4")
    coopera(
        "simulate", "mine.toml", "--runs", "1", *options, "--out", "o", "--no-report"
    )
    scenario = read_result(folder / "o").points[0].scenario

    assert scenario.params.bonding.bond_rate == 3 * WAD
    assert scenario.simulation.days == 4


@pytest.mark.parametrize(
    ("options", "points"),
    [
        ((), [{}]),
        (("--grid",), [{}]),
        (("--zip",), [{}]),
        (("--sweep", "bond_rate=1,2"), [{"bond_rate": "1"}, {"bond_rate": "2"}]),
        (
            ("--sweep", "BondModulation=0.5:1:3"),
            [{"BondModulation": each} for each in ("0.5", "0.75", "1")],
        ),
        (
            (
                "--sweep",
                "bond_rate=1,2",
                "--sweep",
                "price_impact=premium,amm",
                "--grid",
            ),
            [
                {"bond_rate": rate, "price_impact": impact}
                for rate in "12"
                for impact in ("premium", "amm")
            ],
        ),
        (
            (
                "--sweep",
                "bond_rate=1,2",
                "--sweep",
                "price_impact=premium,amm",
                "--zip",
            ),
            [
                {"bond_rate": "1", "price_impact": "premium"},
                {"bond_rate": "2", "price_impact": "amm"},
            ],
        ),
    ],
)
def test_sweeps_make_the_points_of_the_design(coopera, options, points):
    told = strict_json(coopera(*SIMULATE, *options, "--json").out)

    assert [each["settings"] for each in told["points"]] == points


def test_ends_of_a_range_are_exact(coopera):
    sweep = "velocity_per_day=0.000001000000000001:0.000001000000000002:2"
    told = strict_json(coopera(*SIMULATE, "--sweep", sweep, "--json").out)

    assert [each["settings"]["velocity_per_day"] for each in told["points"]] == [
        "0.000001000000000001",
        "0.000001000000000002",
    ]


@pytest.mark.parametrize("keep", ["paths", "quantiles"])
def test_folder_holds_the_files_that_are_told_of(coopera, folder, keep):
    options = ("--keep", keep, "--out", "deep/er", "--no-report", "--json")
    told = strict_json(coopera(*SIMULATE, *options).out)
    names = {"quantiles.parquet", "manifest.json"}
    names |= {"paths.parquet"} if keep == "paths" else set()

    assert {*told["files"]} == {f"deep/er/{name}" for name in names}
    assert {path.name for path in (folder / "deep/er").iterdir()} == names
    assert read_result(folder / "deep/er").runs == 3


def test_wash_trading_may_be_studied_and_read_back(coopera, folder):
    options = ("--set", "buyback_base=gross", "--allow-wash-trading")
    coopera(*SIMULATE, *options, "--out", "out", "--no-report")

    assert read_result(folder / "out").runs == 3


def test_version_and_help_are_told(coopera):
    assert coopera("--version").out == f"coopera, version {__version__}\n"
    for command in (
        (),
        ("simulate",),
        ("compare",),
        ("params",),
        ("check",),
        ("deterrence",),
    ):
        assert coopera(*command, "--help").out.startswith("Usage: coopera")
