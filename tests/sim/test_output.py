"""What is written can be read back, carries what made it, and is whole or not there."""

import contextlib
import itertools
import json
import random
import signal
import subprocess
import sys
from decimal import Decimal

import numpy as np
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera import __version__
from coopera.errors import Refusal, Unreadable
from coopera.params import governed_variables
from coopera.params.document import merged, preset
from coopera.sim.output import (
    MANIFEST,
    PATHS,
    QUANTILES,
    STATISTICS,
    Origin,
    _decimals,
    _plain,
    read_result,
    row_parameters,
    whole_file,
    write_result,
)
from coopera.sim.run import LEVELS, Keep, simulate
from coopera.sim.sweep import design, grid

MINIMAL = preset("minimal").tables
SWEEP = grid({"buyback_rate": [Decimal("0.25"), Decimal("0.75")], "bond_rate": [2]})
RUNS = 70
DAYS = 10


def run(tables=MINIMAL, settings=SWEEP, runs=RUNS, keep=Keep.PATHS):
    return simulate(design(tables, settings), runs=runs, seed=3, keep=keep)


def write(result, folder, tables=MINIMAL):
    return write_result(result, Origin("minimal", tables), folder)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def same_summaries(one, other):
    return all(
        np.array_equal(getattr(ours, name), getattr(theirs, name))
        for ours, theirs in zip(one.summaries, other.summaries, strict=True)
        for name in ("mean", "least", "most", "quantiles")
    )


@pytest.fixture(scope="module")
def result():
    return run()


@pytest.fixture
def folder(result, tmp_path):
    """A folder where everything is in order; each test spoils one file of it."""
    write(result, tmp_path)
    return tmp_path


def assert_not_a_result(folder):
    with pytest.raises(Unreadable) as refusal:
        read_result(folder)
    assert str(folder) in str(refusal.value)
    assert "\n" not in str(refusal.value)


# Round trips


def test_result_reads_back_as_it_was(result, folder):
    again = read_result(folder)

    assert same_summaries(again, result)
    assert (again.runs, again.seed, again.days) == (RUNS, 3, DAYS)
    assert again.variables == result.variables
    assert again.points == result.points
    assert [each.label for each in again.points] == [
        "buyback_rate = 0.25, bond_rate = 2",
        "buyback_rate = 0.75, bond_rate = 2",
    ]
    assert (again.keep, again.paths) == (Keep.QUANTILES, ())


def test_files_are_listed_and_nothing_else_is_left(result, tmp_path):
    files = write(result, tmp_path)

    assert [path.name for path in files] == [QUANTILES, PATHS, MANIFEST]
    assert names(tmp_path) == sorted(path.name for path in files)


@pytest.mark.parametrize("name", ["decimal", "preset", "decimal.x", "été", "a b"])
def test_names_of_a_scenario_survive(tmp_path, name):
    tables = {
        **MINIMAL,
        "consumers": {name: {name: {"pipeline": "serving", "start": Decimal("1.5")}}},
        "shocks": {name: {"target": name}},
        "projects": {name: {"targets": {"training": 1}}},
    }
    result = run(tables, [{}])
    write(result, tmp_path, tables)

    assert read_result(tmp_path).points == result.points


values = st.recursive(
    st.one_of(
        st.integers(),
        st.booleans(),
        st.text(max_size=3),
        st.decimals(allow_nan=False, allow_infinity=False),
    ),
    lambda inner: st.dictionaries(
        st.sampled_from(["decimal", "a", "b"]), inner, max_size=2
    ),
)


@given(values)
def test_settings_survive_json_exactly(value):
    assert _decimals(json.loads(json.dumps(_plain(value)))) == value


def test_result_of_wash_trading_reads_back(tmp_path):
    settings = [{"operations_fraction": 0}]
    points = design(MINIMAL, settings, wash_trading=True)
    result = simulate(points, runs=1, seed=1)
    write_result(result, Origin("minimal", MINIMAL, wash_trading=True), tmp_path)

    assert same_summaries(read_result(tmp_path), result)


# What rows carry


def test_quantiles_have_a_row_for_every_point_variable_and_day(result, folder):
    rows = pq.read_table(folder / QUANTILES).to_pylist()

    assert len(rows) == 2 * len(result.variables) * DAYS
    for row in rows[:: 7 * DAYS + 3]:
        variable, day = row["variable"], row["day"] - 1
        assert row["mean"] == result.mean(variable, row["point"])[day]
        quantiles = result.quantiles(variable, row["point"])[day]
        columns = [row[f"p{round(100 * level):02}"] for level in LEVELS]
        assert columns == quantiles.tolist()
        assert row["unit"] == result.variables[result.index[variable]].unit
    assert set(STATISTICS) <= set(rows[0])


def test_paths_have_a_row_for_every_point_world_and_day(result, folder):
    table = pq.read_table(folder / PATHS)

    assert table["point"].to_pylist() == [0] * RUNS * DAYS + [1] * RUNS * DAYS
    assert table["run"].to_numpy().tolist() == [*np.repeat(range(RUNS), DAYS)] * 2
    assert table["day"].to_numpy().tolist() == [*range(1, DAYS + 1)] * RUNS * 2
    for point in (0, 1):
        part = table.slice(point * RUNS * DAYS, RUNS * DAYS)
        for each in result.variables:
            values = result.values(each.name, point).ravel()
            assert np.array_equal(part[each.name].to_numpy(), values), each.name


@pytest.mark.parametrize("file", [QUANTILES, PATHS])
def test_every_row_carries_parameters_seed_and_version(result, folder, file):
    table = pq.read_table(folder / file)
    governed = {f"{each.chapter[0]}.{each.name}" for each in governed_variables()}

    assert governed < set(table.column_names)
    for i, point in enumerate(result.points):
        rows = table.filter(table["point"].to_numpy() == i).to_pylist()
        expected = {
            **row_parameters(point.scenario),
            "seed": 3,
            "version": __version__,
        }
        for row in (rows[0], rows[-1]):
            assert {key: row[key] for key in expected} == expected
    swept = table["payments.operations_fraction"], table["buyback.buyback_rate"]
    assert [set(column.to_pylist()) for column in swept] == [{0.3}, {0.25, 0.75}]


@pytest.mark.parametrize("file", [QUANTILES, PATHS])
def test_file_alone_says_how_to_make_it_again(folder, file):
    about = json.loads(pq.read_schema(folder / file).metadata[b"coopera"])

    assert about == json.loads((folder / MANIFEST).read_text("utf-8"))
    tables, settings = _decimals(about["tables"]), _decimals(about["points"])
    again = simulate(design(tables, settings), runs=about["runs"], seed=about["seed"])
    assert same_summaries(again, read_result(folder))


@pytest.mark.parametrize("rows", [1, 700, 1500])
def test_size_of_the_row_groups_changes_nothing(monkeypatch, folder, tmp_path, rows):
    whole = pq.read_table(folder / PATHS)
    monkeypatch.setattr("coopera.sim.output.ROW_GROUP_ROWS", rows)
    write(run(runs=200), tmp_path)
    cut = pq.read_table(tmp_path / PATHS)

    assert cut.num_rows == 2 * 200 * DAYS
    few = cut.filter(cut["run"].to_numpy() < RUNS)
    for name in ("run", "day", "price_usd", "jobs"):
        assert few[name].to_pylist() == whole[name].to_pylist()


def test_run_without_paths_leaves_none_of_an_earlier_run(folder):
    write(run(keep=Keep.QUANTILES), folder)

    assert names(folder) == sorted([MANIFEST, QUANTILES])


# Interruptions


class Stopped(Exception):
    """Anything that ends a write half-way."""


@contextlib.contextmanager
def stopping_at(monkeypatch, table):
    """Stop the n-th table from being written: two of quantiles, then two of paths."""
    tables = itertools.count()
    write_table = pq.ParquetWriter.write_table

    def stop(self, *arguments, **options):
        if next(tables) == table:
            raise Stopped
        write_table(self, *arguments, **options)

    with monkeypatch.context() as patch, contextlib.suppress(Stopped):
        patch.setattr(pq.ParquetWriter, "write_table", stop)
        yield
        pytest.fail("the write was not interrupted")


@pytest.mark.parametrize("table", range(4))
@pytest.mark.parametrize("earlier", [False, True], ids=["first", "over another"])
def test_interrupted_write_leaves_no_result(
    result, tmp_path, monkeypatch, table, earlier
):
    if earlier:
        write(result, tmp_path)
    with stopping_at(monkeypatch, table):
        write(result, tmp_path)

    assert MANIFEST not in names(tmp_path)
    assert set(names(tmp_path)) <= {QUANTILES, PATHS}
    for path in tmp_path.iterdir():
        assert pq.read_table(path).num_rows > 0
    assert_not_a_result(tmp_path)


@pytest.mark.parametrize("table", range(4))
def test_write_after_an_interruption_is_whole(result, tmp_path, monkeypatch, table):
    with stopping_at(monkeypatch, table):
        write(result, tmp_path)
    write(result, tmp_path)

    assert same_summaries(read_result(tmp_path), result)


KILLED = """
import sys, time
from pathlib import Path
import pyarrow.parquet as pq
from coopera.params.document import preset
from coopera.sim.output import Origin, write_result
from coopera.sim.run import simulate
from coopera.sim.sweep import design

write_table, tables = pq.ParquetWriter.write_table, []
def stop(self, table, *arguments, **options):
    write_table(self, table, *arguments, **options)
    tables.append(table)
    if len(tables) == int(sys.argv[2]):
        print("half", flush=True)
        time.sleep(60)
pq.ParquetWriter.write_table = stop
tables_ = preset("minimal").tables
result = simulate(design(tables_, [{}]), runs=70, seed=3)
write_result(result, Origin("minimal", tables_), Path(sys.argv[1]))
"""


@pytest.mark.parametrize("table", [1, 2], ids=["quantiles", "paths"])
def test_killed_write_leaves_no_result_and_does_not_break_the_next(tmp_path, table):
    command = [sys.executable, "-c", KILLED, str(tmp_path), str(table)]
    with subprocess.Popen(  # noqa: S603 - our own script
        command, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "half\n"
        process.send_signal(signal.SIGKILL)

    whole = [QUANTILES] if table == 2 else []
    assert [name for name in names(tmp_path) if not name.endswith(".part")] == whole
    assert_not_a_result(tmp_path)

    result = run(settings=[{}])
    write(result, tmp_path)
    assert same_summaries(read_result(tmp_path), result)


def test_stale_part_under_the_same_name_is_overwritten(result, tmp_path):
    with whole_file(tmp_path / QUANTILES) as part:
        part.write_bytes(b"")
        name = part.name
    (tmp_path / QUANTILES).unlink()
    (tmp_path / name).write_bytes(10**6 * b"x")
    write(result, tmp_path)

    assert same_summaries(read_result(tmp_path), result)
    assert names(tmp_path) == sorted([MANIFEST, PATHS, QUANTILES])


# Folders that are no results


def test_folder_that_is_not_there_is_refused(tmp_path):
    assert_not_a_result(tmp_path / "nothing")


def test_empty_folder_is_refused_with_how_to_make_a_result(tmp_path):
    with pytest.raises(Unreadable, match=f"no {MANIFEST}; make one with: coopera sim"):
        read_result(tmp_path)


def test_file_is_not_a_folder(folder):
    assert_not_a_result(folder / MANIFEST)


@pytest.mark.parametrize("name", [MANIFEST, QUANTILES])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"{}", b"3", b"\xff\xfe\x00"])
def test_file_with_other_content_is_refused(folder, name, content):
    (folder / name).write_bytes(content)

    assert_not_a_result(folder)


@pytest.mark.parametrize("name", [MANIFEST, QUANTILES])
def test_missing_file_or_a_folder_in_its_place_is_refused(folder, name):
    (folder / name).unlink()
    assert_not_a_result(folder)
    (folder / name).mkdir()
    assert_not_a_result(folder)


@pytest.mark.parametrize(
    "key",
    ["version", "seed", "runs", "wash_trading", "variables", "points", "tables"],
)
@pytest.mark.parametrize("value", [None, [], {}, "x", {"decimal": "x"}, [[]], -1])
def test_manifest_with_a_spoiled_entry_is_refused_or_harmless(
    result, folder, key, value
):
    about = json.loads((folder / MANIFEST).read_text("utf-8"))
    about[key] = value
    (folder / MANIFEST).write_text(json.dumps(about), "utf-8")

    try:
        again = read_result(folder)
    except Refusal as refusal:
        assert "\n" not in str(refusal)  # noqa: PT017 - either way is right
    else:
        assert same_summaries(again, result)
        assert (type(again.runs), type(again.seed)) == (int, int)
        assert again.runs >= 1
        assert again.seed >= 0


@pytest.mark.parametrize(
    "key", ["seed", "runs", "wash_trading", "variables", "points", "tables"]
)
def test_manifest_without_an_entry_is_refused(folder, key):
    about = json.loads((folder / MANIFEST).read_text("utf-8"))
    del about[key]
    (folder / MANIFEST).write_text(json.dumps(about), "utf-8")

    assert_not_a_result(folder)


def test_result_of_another_version_is_refused_with_the_version(folder):
    about = json.loads((folder / MANIFEST).read_text("utf-8"))
    about |= {"version": "0.0.1", "variables": about["variables"][1:]}
    (folder / MANIFEST).write_text(json.dumps(about), "utf-8")

    with pytest.raises(Unreadable, match=r"written by version 0\.0\.1"):
        read_result(folder)


def test_setting_that_this_version_does_not_have_is_refused_with_the_folder(folder):
    about = json.loads((folder / MANIFEST).read_text("utf-8"))
    about["tables"]["token"]["old_setting"] = 1
    (folder / MANIFEST).write_text(json.dumps(about), "utf-8")

    with pytest.raises(Refusal, match="old_setting") as refusal:
        read_result(folder)
    assert str(folder) in str(refusal.value)


def test_quantiles_of_another_design_are_refused(folder, tmp_path_factory):
    other = tmp_path_factory.mktemp("other")
    tables = merged(MINIMAL, {"simulation": {"days": 11}})
    write(run(tables), other, tables)
    (other / QUANTILES).replace(folder / QUANTILES)

    assert_not_a_result(folder)


@pytest.mark.parametrize("damage", ["cut", "flipped", "scrambled"])
def test_damaged_numbers_are_never_shown(result, folder, damage):
    path = folder / QUANTILES
    content = path.read_bytes()
    rng = random.Random(1)  # noqa: S311 - where to damage, nothing secret
    for _ in range(150):
        place = rng.randrange(len(content))
        spoiled = bytearray(content)
        if damage == "cut":
            del spoiled[place:]
        elif damage == "flipped":
            spoiled[place] ^= 1 << rng.randrange(8)
        else:
            spoiled[place : place + 40] = rng.randbytes(40)
        path.write_bytes(spoiled)
        try:
            again = read_result(folder)
        except Unreadable as refusal:
            assert "\n" not in str(refusal)  # noqa: PT017 - either way is right
        else:
            assert same_summaries(again, result)


def test_part_is_removed_when_its_writer_fails(tmp_path):
    def write_half():
        with whole_file(tmp_path / "x") as part:
            part.write_bytes(b"half")
            raise Stopped

    with pytest.raises(Stopped):
        write_half()
    assert names(tmp_path) == []
