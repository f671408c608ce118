"""What the commands print and write, when all is as it should be."""

import json
import sys

import pytest

from coopera import __version__
from coopera.cli import main
from coopera.params import governed_variables
from coopera.sim.output import read_result
from coopera.units import WAD

SIMULATE = ("simulate", "minimal", "--runs", "3")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def coopera(monkeypatch, capsys):
    """Run the command line, which must succeed, and give what it prints."""

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["coopera", *arguments])
        with pytest.raises(SystemExit) as left:
            main()
        assert left.value.code == 0
        return capsys.readouterr()

    return run


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
    out, err = coopera("check", "minimal", "--set", "bond_rate=0")

    assert out == "minimal can be used\n"
    assert err.startswith("coopera: warning: cheating pays: ")
    assert err.count("\n") == 1


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
    for command in ((), ("simulate",), ("compare",), ("params",), ("check",)):
        assert coopera(*command, "--help").out.startswith("Usage: coopera")
