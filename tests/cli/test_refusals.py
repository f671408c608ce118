"""Whatever is asked wrongly is answered by one line that says what would be right."""

import os
import sys

import pytest

from coopera.cli import main

FILES = {
    "binary.toml": b"\xff\xfe\x00\x01",
    "broken.toml": b"[token\nmax_supply = 1",
    "twice.toml": b"[token]\nmax_supply = 1\nmax_supply = 2\n",
    "preset.toml": b"# mine\npreset = 'papers'\n",
    "preset_number.toml": b"preset = 3\n",
    "key.toml": b"preset = 'minimal'\n\n[bonding]\n# a bond\nbond_rat = 0.5\n",
    "table.toml": b"preset = 'minimal'\n[tokens]\nmax_supply = 1\n",
    "bounds.toml": b"preset = 'minimal'\n[payments]\noperations_fraction = 1.5\n",
    "type.toml": b"preset = 'minimal'\n[payments]\noperations_fraction = 'much'\n",
    "service.toml": b"preset = 'minimal'\n[consumers.shop]\nbooks = 3\n",
    "pipeline.toml": b"preset = 'minimal'\n[consumers.shop.books]\npipeline = 'x'\n",
    "row.toml": b"preset = 'minimal'\n[payment_matrix.rows]\nx = { training = 0.9 }\n",
    "funds.toml": b"preset = 'minimal'\n[token]\nops_fund_fraction = 0.6\n",
    "wash.toml": b"preset = 'minimal'\n[payments]\nbuyback_base = 'gross'\n",
    "long.toml": b"preset = 'minimal'\n[simulation]\ndays = " + 5000 * b"1" + b"\n",
    "file": b"",
}

SIMULATE = ("simulate", "minimal", "--runs", "1")


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """A folder with files that are spoiled, each in one way."""
    for name, content in FILES.items():
        (tmp_path / name).write_bytes(content)
    (tmp_path / "folder.toml").mkdir()
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.mark.parametrize(
    "command", [("check",), ("deterrence",), ("simulate", "--runs", "1")]
)
@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("nothing.toml", "nothing.toml cannot be read: No such file"),
        ("nothing", "nothing is neither a preset (paper, minimal) nor a file"),
        ("folder.toml", "folder.toml cannot be read: Is a directory"),
        ("empty", "empty cannot be read: Is a directory"),
        ("binary.toml", "binary.toml is not a text in UTF-8"),
        ("broken.toml", "broken.toml is not TOML: "),
        ("twice.toml", "twice.toml is not TOML: "),
        ("long.toml", "long.toml"),
        ("preset.toml", "preset.toml, line 2: preset is 'papers'; it must be one of"),
        ("preset_number.toml", "preset_number.toml, line 1: preset is 3; it must"),
        ("key.toml", "key.toml, line 5: there is no bonding.bond_rat; did you mean"),
        ("table.toml", "table.toml, line 2: there is no tokens; did you mean token?"),
        ("bounds.toml", "bounds.toml, line 3: operations_fraction is 1.5; it must be"),
        ("type.toml", "type.toml, line 3: operations_fraction is 'much'; it must be"),
        ("service.toml", "service.toml, line 3: consumers.shop.books is 3; it must be"),
        (
            "pipeline.toml",
            "pipeline.toml, line 3: consumers.shop.books.pipeline is 'x'",
        ),
        ("row.toml", "row.toml, line 3: payment_matrix.rows.x sums to 0.9; a row must"),
        ("funds.toml", "funds.toml, line 3: the fund fractions sum to 1.1; they must"),
        ("wash.toml", "wash trading pays: "),
    ],
)
def test_bad_source_is_refused_with_its_line(refused, command, source, said):
    assert f"{said}" in refused(*command, source)


def test_the_line_above_wash_trading_is_the_one_that_was_changed(refused):
    assert "wash.toml, line 3: " in refused("check", "wash.toml")


@pytest.mark.parametrize(
    ("setting", "said"),
    [
        ("bond_rate", "--set bond_rate: write it as KEY=VALUE"),
        ("bond_rate=", "--set bond_rate=: write it as KEY=VALUE"),
        ("=1", "--set =1: write it as KEY=VALUE"),
        ("bond=1", "there is no bond; did you mean"),
        ("bonding.bond=1", "--set bonding.bond=1: there is no bonding.bond; did you"),
        ("bond_rate=much", "--set bond_rate=much: bond_rate is 'much'; it must be a"),
        ("bond_rate=true", "--set bond_rate=true: bond_rate is True; it must be a"),
        ("bond_rate=nan", "--set bond_rate=nan: bond_rate is "),
        ("bond_rate=inf", "--set bond_rate=inf: bond_rate is "),
        ("bond_rate=-1", "--set bond_rate=-1: bond_rate is -1; it must be between"),
        ("bond_rate=101", "--set bond_rate=101: bond_rate is 101; it must be between"),
        ("bond_rate=0." + 19 * "1", "it must be a number (fraction) with at most 18"),
        ("bond_rate=[1]", "[1] is not a single value; put tables into a file"),
        ("bonding=1", "--set bonding=1: bonding is 1; it must be a table"),
        ("bond_rate.x=1", "--set bond_rate.x=1: "),
        ("consumers.x=3", "--set consumers.x=3: consumers.x is 3; it must be a table"),
        (".=1", "--set .=1: "),
        ("simulation.days=1.5", "days is 1.5; it must be a whole number"),
        ("simulation.days=" + 5000 * "1", ""),
        ("simulation.days=0x" + 5000 * "f", "days"),
        ("simulation.days=1979-05-27", "it must be a number"),
        ("buyback_base=gross", "--set buyback_base=gross: wash trading pays"),
        ("sentiment.model=x", "model is 'x'; it must be one of constant, "),
        ("a\nb=1", "there is no "),
        ("bond_rate=1\n2", "bond_rate"),
    ],
)
def test_bad_setting_is_refused_and_repeated(refused, setting, said):
    for command in (("check", "minimal"), ("deterrence", "minimal"), SIMULATE):
        assert said in refused(*command, "--set", setting)


@pytest.mark.parametrize(
    ("sweep", "said"),
    [
        ("bond_rate", "--sweep bond_rate: write it as KEY=VALUE"),
        ("bond_rate=", "--sweep bond_rate=: write it as KEY=VALUE"),
        ("bond_rate=0.1,", "--sweep bond_rate=0.1,: there is an empty value"),
        ("bond_rate=,", "--sweep bond_rate=,: there is an empty value"),
        ("bond_rate=0.1,,0.2", "there is an empty value; give V1,V2,..."),
        ("bond_rate=0:1:1", "a range has 2 to "),
        ("bond_rate=0:1:0", "a range has 2 to "),
        ("bond_rate=0:1:-5", "a range has 2 to "),
        ("bond_rate=0:1:1000000000", "a range has 2 to "),
        ("bond_rate=0:1:" + 5000 * "1", "a range is FIRST:LAST:COUNT, three numbers"),
        ("bond_rate=0:x:3", "a range is FIRST:LAST:COUNT, three numbers"),
        ("bond_rate=0:1:2.5", "a range is FIRST:LAST:COUNT, three numbers"),
        ("bond_rate=::", "a range is FIRST:LAST:COUNT, three numbers"),
        ("bond_rate=nan:1:3", "finite values"),
        ("bond_rate=0:inf:3", "finite values"),
        ("bond_rate=snan:1:3", "finite values"),
        ("bond_rate=0:1", "a range is FIRST:LAST:COUNT, three numbers"),
        ("bond_rate=0.1,nan", "--sweep bond_rate=0.1,nan: bond_rate is "),
        ("bond_rate=0.1,101", "--sweep bond_rate=0.1,101: bond_rate is 101; it must"),
        ("bond_rate=0:1e30:3", "bond_rate is "),
        ("bond_rate=0:1e400000:3", "bond_rate"),
        ("max_supply=1e14:1e15:2", "max_supply is "),
        ("bond=1,2", "there is no bond; did you mean"),
        ("simulation.days=1,2", "must have the same days"),
    ],
)
def test_bad_sweep_is_refused_and_repeated(refused, sweep, said):
    assert said in refused(*SIMULATE, "--sweep", sweep)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--sweep", "bond_rate=1,2", "--sweep", "buyback_rate=0,1"), "say --grid to"),
        (
            ("--sweep", "bond_rate=1,2", "--sweep", "buyback_rate=0,0.5,1", "--zip"),
            "bond_rate has 2, buyback_rate has 3",
        ),
        (
            ("--sweep", "bond_rate=1", "--sweep", "bond_rate=2", "--grid"),
            "--sweep names bond_rate twice",
        ),
        (
            ("--sweep", "bond_rate=1", "--sweep", "BondModulation=2", "--grid"),
            "twice",
        ),
        (("--seed", "-1"), "seed is -1; it must be between 0 and 9223372036854775807"),
        (("--seed", "9223372036854775808"), "seed is 9223372036854775808; it must be"),
        (("--runs", "0"), "runs is 0; it must be at least 1"),
        (("--runs", "-5"), "runs is -5; it must be at least 1"),
        (("--runs", 20 * "9"), "runs is 99999999999999999999; it must be"),
        (("--runs", "2000000000", "--keep", "paths"), "full paths would take"),
        (("--out", "file/below"), "cannot write into file/below: Not a directory"),
    ],
)
def test_bad_options_are_refused(refused, arguments, said):
    assert said in refused(*SIMULATE, *arguments)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_folder_that_cannot_be_written_into_is_refused(refused, folder):
    (folder / "empty").chmod(0o555)

    assert "cannot write into empty: Permission denied" in refused(
        *SIMULATE, "--out", "empty"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("empty", "empty"), "empty is not the result of a simulation: it has no"),
        (("nothing", "empty"), "nothing is not the result of a simulation"),
        (("file", "empty"), "file is not "),
    ],
)
def test_comparison_of_what_is_no_result_is_refused(refused, arguments, said):
    assert said in refused("compare", *arguments)


@pytest.mark.parametrize("name", ["nonsense", "Buyback", "0", "buyback_rat"])
def test_variable_that_there_is_not_is_refused_with_the_nearest(refused, name):
    assert "; did you mean " in refused("params", name)


@pytest.mark.parametrize(
    "arguments",
    [
        (),
        ("nonsense",),
        ("--nonsense",),
        ("preset", "nonsense"),
        ("preset",),
        ("compare", "one"),
        (*SIMULATE, "--runs", "many"),
        (*SIMULATE, "--runs", "1.5"),
        (*SIMULATE, "--runs"),
        (*SIMULATE, "--threads", "0"),
        (*SIMULATE, "--keep", "all"),
        (*SIMULATE, "--out", "file"),
        (*SIMULATE, "more"),
    ],
)
def test_wrong_use_is_answered_with_the_usage(monkeypatch, capsys, arguments):
    monkeypatch.setattr(sys, "argv", ["coopera", *arguments])
    with pytest.raises(SystemExit) as left:
        main()
    out, err = capsys.readouterr()

    assert left.value.code == 2
    assert out == ""
    assert err.startswith(("Usage: coopera", "Error: "))
    assert "Traceback" not in err


def test_refused_run_leaves_no_folder_behind(refused, folder):
    refused(*SIMULATE, "--set", "bond_rate=-1", "--out", "new")

    assert not (folder / "new").exists()


def test_refused_run_leaves_an_earlier_result_alone(refused, folder):
    (folder / "empty" / "manifest.json").write_text("{}")
    refused(*SIMULATE, "--runs", "0", "--out", "empty")

    assert (folder / "empty" / "manifest.json").exists()
