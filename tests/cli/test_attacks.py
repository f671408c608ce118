"""The command about attacks."""

import json

import pytest

from coopera.attacks import ATTACKS


def test_table_has_every_attack_and_a_verdict(run):
    said = run("attacks", "--set", "price_change_max=0.1")

    rows = {line.split()[0]: line for line in said.out.splitlines() if line.strip()}
    assert said.code == 0
    assert {each.name for each in ATTACKS} <= set(rows)
    assert rows["wash_trading"].endswith("does not pay")
    assert "-12.21" in rows["wash_trading"]
    assert rows["cherry_picking"].endswith("allowed")
    assert said.out.splitlines()[-1].endswith("of the bench.")


def test_json_has_exact_figures_for_the_parameters_of_the_operator(run):
    settings = ("--set", "job_reward_modulation=2", "--set", "price_change_max=0")

    said = run("attacks", "paper", *settings, "--json")

    found = json.loads(said.out)
    by_name = {each["name"]: each for each in found["attacks"]}
    wash, quiet = by_name["wash_trading"], by_name["quiet_day"]
    assert said.code == 0
    assert found["source"] == "paper"
    assert list(by_name) == [each.name for each in ATTACKS]
    assert wash["works"]
    assert quiet["works"]
    assert float(wash["profit"]) == pytest.approx(
        float(wash["got"]) - float(wash["put_in"])
    )
    assert [each["share"] for each in found["coalitions"]] == [
        *("0.1", "0.2", "0.3", "0.4", "0.5")
    ]
    assert 0.5 < float(found["share_that_pays"]) < 1


def test_attack_for_which_nobody_has_the_means_is_told_as_refused(run):
    said = run("attacks", "--set", "validator_stake=0")

    rows = {line.split()[0]: line for line in said.out.splitlines() if line.strip()}
    assert said.code == 0
    assert rows["wash_trading"].endswith("refused: price_too_high")
    assert rows["coalition_passes"].endswith("refused: price_too_high")
    assert rows["late_seat"].endswith("allowed")


def test_parameters_that_cannot_be_are_refused(run):
    said = run("attacks", "--set", "bond_rate=-1")

    assert said.code == 2
    assert "[out_of_bounds]" in said.err
