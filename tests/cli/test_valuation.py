"""Contributions are valued, checked and counted through the real command line."""

import json
from typing import Any

import numpy as np
import pytest

CHANCE = np.random.default_rng(3)
SCHEMA = {
    "version": 1,
    "label": {"name": "kind", "values": ["a", "b"]},
    "features": [{"name": "x", "edges": [0.0]}],
}


@pytest.fixture
def ran(run):
    """Run a line: its exit code, what it printed, and what it said."""
    return lambda line: run(*line.split())


@pytest.fixture
def files(tmp_path, monkeypatch):
    """Write what the commands read, into a folder that is the current one."""
    monkeypatch.chdir(tmp_path)
    labels = CHANCE.integers(0, 2, 60)
    points = CHANCE.normal(size=(60, 3)) + labels[:, None]
    np.savez(
        "rows.npz",
        points=points[:40],
        labels=labels[:40],
        tests=points[40:],
        test_labels=labels[40:],
        owners=np.arange(40) % 4,
    )
    np.savez(
        "round.npz",
        start=np.zeros(8),
        updates=CHANCE.normal(size=(3, 8)) / 10,
        rows=np.array([10, 20, 30]),
        features=points,
        labels=labels,
    )
    whole = (tmp_path / "rows.npz").read_bytes()
    (tmp_path / "cut.npz").write_bytes(whole[: len(whole) // 2])
    (tmp_path / "bent.npz").write_bytes(whole[:400] + b"\xff" * 40 + whole[440:])
    named: Any = {
        "points": points,
        "labels": labels,
        "tests": points,
        "test_labels": labels,
    }
    np.savez("named.npz", **named, owners=np.array(["a"] * 60))
    np.savez("below.npz", **named, owners=-(np.arange(60) % 4))
    np.savez(
        "loud.npz",
        start=np.zeros(8),
        updates=np.full((3, 8), 1e6) * CHANCE.normal(size=8),
        rows=np.array([10, 20, 30]),
        features=points * 1000,
        labels=labels,
    )
    (tmp_path / "long.csv").write_text(f"kind,x\na,{'1' * 200_000}\n")
    (tmp_path / "deep.json").write_text("[" * 200_000)
    edge = {**SCHEMA, "features": [{"name": "x", "edges": [10**400]}]}
    (tmp_path / "edge.json").write_text(json.dumps(edge))
    (tmp_path / "none.csv").write_text("kind,x\n")
    (tmp_path / "schema.json").write_text(json.dumps(SCHEMA))
    for name, shift in (("mine", 0.5), ("aimed", 0.0)):
        lines = [f"{'ab'[n % 2]},{CHANCE.normal() + shift}" for n in range(200)]
        (tmp_path / f"{name}.csv").write_text("\n".join(["kind,x", *lines]))
    return tmp_path


def test_values_are_found_written_down_and_checked(files, ran):
    code, out, err = ran(
        "value find knn_shapley rows.npz --set neighbours=3 --out t.json"
    )
    assert (code, err) == (0, "")
    assert out.splitlines()[0].split() == ["member", "value", "share"]
    assert "transcript in t.json" in out
    digest = out.splitlines()[-1].split()[1]
    code, out, _ = ran("value check t.json rows.npz")
    assert code == 0
    assert "4 values, all as the transcript says" in out
    assert digest in out


def test_a_transcript_that_lies_is_found(files, ran):
    ran("value find knn_shapley rows.npz --out t.json")
    said = json.loads((files / "t.json").read_text())
    said["values_pico"][2] += 10**9
    lie = json.dumps(said, sort_keys=True, separators=(",", ":"))
    (files / "lie.json").write_text(lie)
    code, out, _ = ran("value check lie.json rows.npz")

    assert code == 1
    assert "member 2" in out
    assert "does not say what comes out" in out
    code, out, _ = ran("value check lie.json rows.npz --json")
    assert code == 1
    assert len(json.loads(out)["differences"]) == 1


@pytest.mark.parametrize(
    ("method", "more"),
    [
        ("aumann_shapley", ""),
        ("exact_shapley", ""),
        ("gtg_shapley", f"--seed {'ab' * 32}"),
    ],
)
def test_updates_of_a_round_are_valued(files, ran, method, more):
    code, out, err = ran(f"value find {method} round.npz {more} --json")

    assert (code, err) == (0, "")
    found = json.loads(out)
    assert len(found["values_pico"]) == 3
    assert found["parameters"]["classes"] == 2


def test_rows_are_counted_in_cells(files, ran):
    code, out, _ = ran(
        "value histogram mine.csv --schema schema.json --out counts.json"
    )
    assert code == 0
    assert out.startswith("200 rows in 4 of 4 cells\nschema ")
    counts = json.loads((files / "counts.json").read_text())
    assert (len(counts), sum(counts)) == (4, 200)


def test_divergence_is_told_both_ways(files, ran):
    line = "value divergence mine.csv aimed.csv --schema schema.json"
    code, out, _ = ran(line)
    assert code == 0
    assert "by 4 cells" in out
    assert "by 5 nearest neighbours" in out
    found = json.loads(ran(f"{line} --json")[1])
    assert 0 < found["by_cells"] < 0.5
    assert -0.3 < found["by_neighbours"] < 0.6


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        ("value find magic rows.npz", "malformed", "there is no method 'magic'"),
        ("value find knn_shapley none.npz", "unreadable", "none.npz"),
        ("value find knn_shapley schema.json", "unreadable", "numpy.savez"),
        ("value find knn_shapley round.npz", "malformed", "inputs"),
        ("value find knn_shapley rows.npz --set k", "malformed", "--set is 'k'"),
        ("value find knn_shapley cut.npz", "unreadable", "cut.npz cannot be read"),
        ("value find knn_shapley bent.npz", "unreadable", "bent.npz cannot be read"),
        ("value find knn_shapley named.npz", "malformed", "type <U1; each must be"),
        ("value find knn_shapley below.npz", "malformed", "owners has -3; each must"),
        ("value find aumann_shapley loud.npz --out t", "malformed", "-1,000 to 1,000"),
        ("value find knn_shapley rows.npz --out mine.csv", "already_exists", "mine.cs"),
        (
            "value find knn_shapley rows.npz --set neighbours=1 --set neighbours=2",
            "malformed",
            "neighbours twice",
        ),
        (
            "value divergence mine.csv none.csv --schema schema.json",
            "malformed",
            "none",
        ),
        (
            "value divergence none.csv mine.csv --schema schema.json",
            "malformed",
            "none",
        ),
        ("value histogram long.csv --schema schema.json", "unreadable", "no CSV"),
        ("value histogram mine.csv --schema deep.json", "malformed", "deep.json: the"),
        ("value histogram mine.csv --schema edge.json", "malformed", "edge.json: the"),
        ("value check deep.json rows.npz", "malformed", "deep.json: this is no tran"),
        (
            "value find knn_shapley rows.npz --set neighbours=0",
            "malformed",
            "neighbours",
        ),
        ("value find gtg_shapley round.npz", "malformed", "seed"),
        ("value find gtg_shapley round.npz --seed x", "malformed", "--seed is 'x'"),
        (
            "value find knn_shapley rows.npz --out no/such.json",
            "unreadable",
            "cannot write",
        ),
        ("value check schema.json rows.npz", "malformed", "no transcript"),
        ("value check none.json rows.npz", "unreadable", "none.json"),
        ("value histogram gone.csv --schema schema.json", "unreadable", "gone.csv"),
        ("value histogram mine.csv --schema mine.csv", "malformed", "schema"),
        ("value histogram schema.json --schema schema.json", "malformed", "column"),
        (
            "value divergence mine.csv aimed.csv --schema schema.json --neighbours 200",
            "malformed",
            "fewer neighbours",
        ),
    ],
)
def test_bad_input_is_one_sentence(files, refused, line, code, said):
    err = refused(line)

    assert f"[{code}]" in err
    assert said in err
    assert not (files / "t").exists()
