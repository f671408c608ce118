"""Royalties on the command line: from a training to a claim that is paid."""

import contextlib
import hashlib
import hmac
import io
import json
import shutil
import stat
import subprocess
import sys
from pathlib import Path

import click
import numpy as np
import pytest
from tests.cli.conftest import everything

from coopera.accounting.whys import CellWorth
from coopera.cli import cli
from coopera.cli.royalties import COMMANDS
from coopera.cli.royalties.hidden import HISTOGRAM, TARGET, Hidden, keep, kept
from coopera.cli.royalties.whys import CELLS_SHOWN, _of_cells
from coopera.errors import Unreadable
from coopera.protocol.training import target_digest
from coopera.units import Wad

ENOUGH = 120
"""Seconds that no process of these tests takes."""
SMALL = """
preset = "minimal"
[royalty]
challenge_seconds = {seconds}
"""
SCHEMA = {
    "version": 1,
    "label": {"name": "digit", "values": ["0", "1"]},
    "features": [{"name": "width", "edges": [0.5]}],
}
TARGET_ROWS = [60, 30, 9, 1]
TARGET_JSON = json.dumps(TARGET_ROWS)
UPLOAD = f"0x{'5f' * 32}"
FILES = {
    "train.py": "train()\n",
    "validation.csv": "".join(f"{n}\n" for n in range(100)),
    "schema.json": json.dumps(SCHEMA),
    "proof": "proof\n",
    "result-1": "one\n",
    "result-2": "two\n",
    "transcript": "{}\n",
    "other": "measured again\n",
    "target.csv": "cell,rows\n0,60\n1,30\n2,9\n3,1\n",
    "values.csv": "name,value\nsupplier:gpu-1,0.0125\nsupplier:gpu-2,0.0025\n",
    "dan.csv": "".join(f"dan {n}\n" for n in range(60)),
    "eli.csv": "".join(f"dan {n}\n" for n in range(55, 60))
    + "".join(f"eli {n}\n" for n in range(50))
    + "eli 0\n",
    "dan.json": "[40,15,5,0]",
    "eli.json": '{"0": 30, "1": 15, "2": 5}',
}
OPENED = [
    *(f"account open supplier:gpu-{n}" for n in (1, 2, 3)),
    *(f"account open contributor:{who}" for who in ("dan", "eli")),
    "account open creator:ann",
    "deposit creator:ann:usd 1000 usd --reference wire-1",
    "deposit contributor:dan:token 10 token --reference 0x1",
    (
        "training create digits --creator creator:ann --code train.py"
        " --validation validation.csv --schema schema.json"
    ),
]
REGISTER = (
    "data register {who}-1 {who}.csv --training digits --contributor contributor:{who}"
    f" --upload {UPLOAD} --proof proof"
)
STARTED = [
    "training start digits --counts target.csv --salts ann.salts",
    "training select digits supplier:gpu-1 supplier:gpu-2",
    REGISTER.format(who="dan"),
    REGISTER.format(who="eli"),
]
COMMITTED = [
    "data rows dan-1 dan.csv",
    "data commit dan-1 --counts dan.json --salts dan.salts",
]
OFFERED = [
    "data audit dan-1 --checked 20 --valid 20",
    "data offer dan-1 --salts dan.salts",
    "data rows eli-1 eli.csv",
    "data commit eli-1 --counts eli.json --salts eli.salts",
    "data audit eli-1 --checked 20 --valid 19",
    "data offer eli-1 --salts eli.salts",
    *(
        f"training work digits --node supplier:gpu-{n} --result result-{n} --samples 9"
        for n in (1, 2)
    ),
    *(f"training verify digits --node supplier:gpu-{n} --valid" for n in (1, 2)),
]
AGGREGATE = (
    "training aggregate digits --salts ann.salts --transcript transcript"
    " --values values.csv"
)
CREATE = "training create x --creator creator:ann --code other --validation other"
EARNED = [
    "training share digits",
    "royalties pay digits 100 usd --from creator:ann:usd",
    "royalties collect digits",
]
PUBLISH = "royalties publish claims-1"
NODES = ("supplier:gpu-1", "supplier:gpu-2")
GIVERS = ("contributor:dan", "contributor:eli")


def given(line):
    """Give one line of the command line in this process: what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        cli.main(line.split(), prog_name="coopera", standalone_mode=False)
    return out.getvalue()


@pytest.fixture(scope="session")
def stages(tmp_path_factory):
    """Folders with the books of a training, one for each stage of its first round."""
    stages = {}
    for seconds, names in (
        (86_400, ("opened", "started", "committed", "offered", "aggregated")),
        (0, ("", "", "", "", "due", "earned", "published")),
    ):
        folder = tmp_path_factory.mktemp("royalties")
        with contextlib.chdir(folder):
            for name, text in FILES.items():
                Path(name).write_text(text)
            Path("small.toml").write_text(SMALL.format(seconds=seconds))
            given("books open small.toml")
            steps = (
                OPENED,
                STARTED,
                COMMITTED,
                OFFERED,
                [AGGREGATE],
                EARNED,
                [PUBLISH],
            )
            for name, lines in zip(names, steps, strict=False):
                for line in lines:
                    given(line)
                if name:
                    stages[name] = tmp_path_factory.mktemp(name)
                    shutil.copytree(folder, stages[name], dirs_exist_ok=True)
    return stages


def held(printed, account):
    return printed(f"balance {account} --json")[account]["micro_units"]


def why(printed, member, number=1):
    return printed(f"royalties why digits {number} {member} --json")


# the whole way


def test_from_opening_the_books_to_a_claim_that_is_paid(at, printed, tmp_path):
    at("published")
    publish = printed("royalties show digits --json")
    issued = publish["issued_micro_units"]
    assert issued == sum(each["micro_units"] for each in publish["holders"])
    proof = "royalties proof digits contributor:dan --tree claims-1 --out dan.claim"
    assert "coopera verify dan.claim --root 0x" in printed(proof)
    claim = json.loads(Path("dan.claim").read_text())

    assert publish["published"]["root"] == claim["root"]
    assert f"under {claim['root']}" in printed("royalties show digits")
    # Offline: in another folder, without books, by whoever has the root.
    alone = tmp_path / "alone"
    alone.mkdir()
    shutil.copy("dan.claim", alone)
    verify = ("verify", "dan.claim", "--root")
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-m", "coopera.cli", *verify, claim["root"]],
        capture_output=True,
        check=False,
        cwd=alone,
        text=True,
        timeout=ENOUGH,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert "holds: under the root that you gave" in done.stdout

    before = held(printed, "contributor:dan:usd")
    paid = printed("royalties claim dan.claim --caller contributor:dan --json")
    assert before == 0
    assert held(printed, "contributor:dan:usd") == claim["cumulative"]
    assert paid["caller"] == "contributor:dan"
    # What whole units earn of the hundred dollars, to the micro-dollar.
    units = held(printed, "units:digits:contributor:dan")
    assert claim["cumulative"] == 100_000000 * units // publish["supply_micro_units"]
    told = printed("royalties show digits --json")
    income = told["income_micro_units"]["usd"]
    assert income["paid"] == claim["cumulative"]
    assert income["received"] == 100_000000


def test_every_step_of_a_round_is_announced_as_it_comes(at, printed):
    for stage, expected in (
        ("opened", [("creator:ann", "start round 1")]),
        (
            "started",
            [(each, "hand in its work") for each in NODES]
            + [("creator:ann", "or aggregate the round without the others")],
        ),
        ("offered", [("creator:ann", "aggregate the round")]),
        (
            "aggregated",
            [
                ("whoever measured again", "challenge it"),
                ("operator", "share the units"),
            ],
        ),
        (
            "earned",
            [
                ("creator:ann", "start round 2"),
                ("creator:ann", "or finish the training"),
            ],
        ),
    ):
        shutil.rmtree("books.db", ignore_errors=True)
        at(stage)
        told = printed("training show digits --json")
        assert [(each["who"], each["what"]) for each in told["awaited"]] == expected
        said = printed("training show digits")
        for who, what in expected:
            assert f"  {who}: {what}" in said


def test_what_is_announced_can_be_given_as_it_is_written(at, printed):
    at("offered")
    (step,) = printed("training show digits --json")["awaited"]
    line = step["command"].removeprefix("coopera ")
    for option, file in (("salts", "ann.salts"), ("values", "values.csv")):
        line = line.replace(f"--{option} FILE", f"--{option} {file}")
    printed(line.replace("FILE", "transcript"))
    told = printed("training show digits --json")
    assert told["current"]["stage"] == "aggregating"


# trainings


def test_files_are_hashed_and_digests_are_taken(at, printed):
    at("opened")
    told = printed("training show digits --json")
    assert told["code"] == hashlib.sha256(b"train()\n").hexdigest()
    # A schema is known however its file is laid out, and says how many cells it has.
    laid_out = json.dumps(SCHEMA, indent=4)
    Path("again.json").write_text(laid_out)
    printed(
        "training create again --creator creator:ann --schema again.json --rounds 7"
        f" --code {'AB' * 32} --validation {'cd' * 32} --parent digits=0.25"
    )
    again = printed("training show again --json")
    assert (again["schema"], again["cells"], again["rounds"]) == (told["schema"], 4, 7)
    assert again["code"] == "ab" * 32
    assert printed("royalties show again --json")["parents"] == [
        {"vault": "digits", "share_wad": 25 * 10**16}
    ]
    listed = printed("training list --json")["trainings"]
    assert [each["name"] for each in listed] == ["again", "digits"]
    assert "no round yet" in printed("training list")


def test_a_round_shows_its_nodes_its_data_and_prices(at, printed):
    at("aggregated")
    round_ = printed("training show digits --json")["current"]

    assert [each["rows"] for each in round_["cells"]] == [70, 30, 10, 0]
    assert [each["node"] for each in round_["nodes"]] == [*NODES]
    assert [each["value_pico"] for each in round_["nodes"]] == [125 * 10**8, 25 * 10**8]
    assert [each["data"] for each in round_["offers"]] == ["dan-1", "eli-1"]
    assert all(each["micro_units"] is None for each in round_["offers"])
    said = printed("training show digits")
    for word in ("worth in nats", "nats a row", "challenge   before", "83.3333%"):
        assert word in said
    weights = [each["weight"] for each in round_["offers"]]
    (line,) = (each for each in said.splitlines() if "dan-1" in each)
    weighs = float(line.split()[-2].removesuffix("%")) / 100
    assert weighs == pytest.approx(weights[0] / sum(weights), abs=1e-5)
    # A cell without new rows has no price.
    assert said.splitlines()[-5].split() == ["3", "1.096%", "0", "1", "-"]


def test_of_much_data_the_last_is_shown(at, printed):
    at("aggregated")
    told = printed("training show digits --last 1 --json")["current"]
    assert [each["data"] for each in told["offers"]] == ["eli-1"]
    assert told["data_sets"] == 2
    said = printed("training show digits --last 1")
    assert said.count("1 earlier one; --last shows more") == 2
    # What all data weighs is not known before it is weighed.
    (line,) = (each for each in said.splitlines() if "eli-1" in each)
    assert line.split()[-2:] == ["-", "-"]
    assert "110 rows in 2 data sets" in said


def test_units_follow_from_what_was_measured(at, printed):
    at("earned")
    one, two = (held(printed, f"units:digits:{each}") for each in NODES)
    assert (one, two) == (5 * two, two) or abs(one - 5 * two) <= 5
    told = printed("training show digits --json")
    assert told["sides"]["compute"]["issued_micro_units"] == one + two
    assert told["current"]["compute_micro_units"] == one + two
    assert told["current"]["stage"] == "finished"


def test_nothing_is_shared_while_it_may_be_challenged(at, refused, printed):
    at("aggregated")
    assert "[too_early]" in refused("training share digits")
    assert "[too_early]" in refused("training share digits --dry-run")
    printed(
        "training challenge digits --challenger supplier:gpu-2 --transcript other"
        " --caller supplier:gpu-2"
    )
    assert "is challenged by supplier:gpu-2" in refused("training share digits")
    said = printed("training show digits")
    assert "operator: say if supplier:gpu-2 is right" in said
    again = "training challenge digits --challenger supplier:gpu-2 --transcript other"
    assert "[not_allowed]" in refused(again)
    assert "[malformed]" in refused("training resolve digits")
    printed("training resolve digits --rejected")
    assert "[wrong_stage]" in refused("training resolve digits --rejected")
    assert "was not right" in refused(again)
    printed(again.replace("gpu-2", "gpu-3"))
    printed("training resolve digits --upheld")
    Path("more.csv").write_text("".join(f"more {n}\n" for n in range(5)))
    Path("more.json").write_text("[5,0,0,0]")
    printed(
        "data register more more.csv --training digits --contributor contributor:eli"
        f" --upload {UPLOAD} --proof proof"
    )
    printed("data rows more more.csv")
    printed("data commit more --counts more.json --salts eli.salts")
    told = printed("training show digits --json")
    assert told["current"]["stage"] == "running"
    # What it aims at is known: it takes no more data, and nobody is asked for any.
    (step,) = told["awaited"]
    assert step["what"] == "aggregate the round"
    assert all(each["weight"] is None for each in told["current"]["offers"])
    assert "[too_late]" not in printed(AGGREGATE)


def test_sharing_tells_what_moved_whoever_was_first(at, printed):
    at("due")
    dry = printed("training share digits --dry-run --json")["transfers"]
    told = printed("training share digits --json")

    # Weigh, divide, pay: by this command, or by what holds the books meanwhile.
    assert [each["kind"] for each in told["receipts"]] == ["share_round"] * 3
    moved = [move for each in told["receipts"] for move in each["transfers"]]
    assert moved == dry
    assert told["stage"] == "finished"
    units = {move["credit"]: move["micro_units"] for move in moved}
    assert {*units} == {f"units:digits:{each}" for each in (*NODES, *GIVERS)}
    for account, amount in units.items():
        assert held(printed, account) == amount


def test_sharing_again_is_refused_and_changes_nothing(at, refused):
    at("earned")
    assert "digits:1 is finished" in refused("training share digits")


def test_what_a_round_will_bring_is_told_before_it_is_shared(at, printed):
    at("aggregated")
    said = printed("royalties why digits 1 contributor:dan")
    assert "contributor:dan will get" in said
    assert "unless somebody challenges the round" in said


def test_a_training_that_is_finished_takes_nothing_more(at, printed, refused):
    at("earned")
    printed("training finish digits --caller creator:ann")
    assert "nobody; the training is finished" in printed("training show digits")
    line = "training start digits --counts target.csv --salts more"
    assert "[wrong_stage]" in refused(line)
    assert not Path("more").exists()
    assert "closed: no more units are issued" in printed("royalties show digits")


def test_a_dry_run_writes_nothing_and_keeps_nothing(at, printed):
    at("opened")
    before = everything()
    printed("training start digits --counts target.csv --salts new --dry-run")
    assert everything() == before
    assert not Path("new").exists()


# what is committed to


def test_a_target_is_kept_in_a_private_file(at, printed):
    at("started")
    assert stat.S_IMODE(Path("ann.salts").stat().st_mode) == 0o600
    ((only,), damaged) = kept(Path("ann.salts"))
    assert damaged == 0
    assert only.counts == tuple(TARGET_ROWS)
    told = printed("training show digits --json")["current"]
    digest = target_digest("digits", 1, only.salt, TARGET_ROWS)
    assert told["target"] == only.digest == digest


def test_trying_again_commits_to_the_same(at, printed, run):
    at("opened")
    line = (
        "training start digits --counts target.csv --salts s --round 1 --key start-01"
    )
    first = printed(f"{line} --json")
    assert printed(f"{line} --json")["receipt"] == first["receipt"]
    assert len(kept(Path("s"))[0]) == 1
    other = "training start digits --counts dan.json --salts s --round 1 --key start-01"
    code, _, err = run(*other.split())
    assert (code, "[key_reused]" in err) == (2, True)


def test_a_salt_is_printed_where_no_file_is_named(at, printed):
    at("opened")
    said = printed("training start digits --counts target.csv")
    salt = said.split()[1]
    assert "Keep it and the counts" in said
    printed("training select digits supplier:gpu-1")
    line = f"training aggregate digits --counts target.csv --salt {salt}"
    printed(f"{line} --transcript transcript")


def test_what_was_not_committed_to_does_not_aggregate(at, refused):
    at("offered")
    line = "training aggregate digits --transcript transcript"
    assert "[not_as_committed]" in refused(
        f"{line} --counts dan.json --salt {'00' * 32} --values values.csv"
    )
    assert "say what was committed to" in refused(line)
    assert "dan.salts has 1 commitment, and none to the target of digits:1" in (
        refused(f"{line} --salts dan.salts")
    )
    assert "cannot be read" in refused(f"{line} --salts nowhere")


def test_what_is_open_to_others_or_damaged_is_not_believed(at, refused, printed):
    at("offered")
    line = "training aggregate digits --transcript transcript --salts ann.salts"
    path = Path("ann.salts")
    path.chmod(0o644)
    assert "chmod 600" in refused(line)
    path.chmod(0o600)
    whole = path.read_bytes()
    path.write_bytes(b'{"version": 1, "what": "tar\n[]\n7\n\xff\n{}\n')
    assert "besides 5 damaged lines" in refused(line)
    # A line that was torn spoils nothing but itself.
    path.write_bytes(whole[: len(whole) // 2])
    read = json.loads(whole)
    keep(path, Hidden(TARGET, read["of"], tuple(read["counts"]), read["salt"]))
    assert kept(path)[1] == 1
    assert "[malformed]" in refused(line)
    printed(f"{line} --values values.csv")


def test_other_versions_and_kinds_are_no_commitments(tmp_path):
    path = tmp_path / "salts"
    good = Hidden(HISTOGRAM, "dan-1", (1, 2), "ab" * 32)
    keep(path, good)
    keep(path, good)
    line = json.loads(path.read_bytes())
    for spoilt in (
        {"version": 2},
        {"what": "else"},
        {"counts": ["1"]},
        {"counts": 3},
        {"salt": 7},
        {"more": 1},
    ):
        with path.open("a") as file:
            file.write(json.dumps({**line, **spoilt}) + "\n")
    assert kept(path) == ([good], 6)
    with pytest.raises(Unreadable, match="cannot write"):
        keep(tmp_path / "none" / "salts", good)


@pytest.mark.parametrize(
    ("text", "counts"),
    [
        (TARGET_JSON, TARGET_ROWS),
        ('{"0": 60, "1": 30, "2": 9, "3": 1}', TARGET_ROWS),
        ('{"3": 1}', [0, 0, 0, 1]),
        ("3,1\n0,60\n", [60, 0, 0, 1]),
        ("\ufeffcell,rows\r\n 0 , 60 \r\n\r\n1,30\r\n", [60, 30, 0, 0]),
    ],
)
def test_counts_are_read_as_people_write_them(at, printed, text, counts):
    at("opened")
    Path("counts").write_text(text)
    printed("training start digits --counts counts --salts s")
    ((only,), _) = kept(Path("s"))
    assert list(only.counts) == counts


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1,2,3]", "has 3 cells; the training has 4"),
        ("[1,2,3,-4]", "has '-4' rows in cell 3"),
        ("[1,2,3,4.5]", "has '4.5' rows"),
        ("[1,2,3,null]", "has no number for 3"),
        ("[1,2,3,", "is no JSON"),
        ('{"0": 1, "0": 2}', "has 0 twice"),
        ('{"4": 1}', "has the cell '4'"),
        ('{"x": 1}', "has the cell 'x'"),
        ("0,1,2\n", "line 1: it has 3 columns"),
        ("0,1\n0,2\n", "has 0 twice"),
        ('0,"1\n', "is no CSV"),
        ("cell,rows\n", "has no counts"),
        ("", "has no counts"),
        ("0,99999999999999999999\n", "rows in cell 0"),
        ("[0,0,0,0]", "counts has 0 rows; it must have 1 to 1000000000"),
        ("[1000000000,1,0,0]", "counts has 1000000001 rows"),
        ("[NaN,1,0,0]", "has no number for 0 but nan"),
        (f'{{"0": 1{"0" * 5000}}}', "rows in cell 0"),
        ("\udcff", "is not a text in UTF-8"),
    ],
)
def test_counts_that_are_none_are_refused(at, refused, text, said):
    at("opened")
    Path("counts").write_text(text, errors="surrogateescape")
    assert said in refused("training start digits --counts counts --salts s")
    assert not Path("s").exists()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[1, 2]", "is a list"),
        ("supplier:gpu-1,0.0000000000001\n", "12 decimals at most"),
        ("supplier:gpu-1,much\n", "has the value 'much'"),
        ("supplier:gpu-1,NaN\n", "has the value 'NaN'"),
        ("supplier:gpu-3,1\n", "took no part in round digits:1"),
        ("supplier:gpu-1,1e9\n", "from -1,000 to 1,000"),
        ("supplier:gpu-1,1e999999\n", "from -1,000 to 1,000"),
    ],
)
def test_values_that_are_none_are_refused(at, refused, text, said):
    at("offered")
    Path("values.csv").write_text(text)
    assert said in refused(AGGREGATE)


# what was measured


def round_file(name, members):
    """Write what the updates of a round are valued from."""
    chance = np.random.default_rng(members)
    np.savez(
        name,
        start=np.zeros(8),
        updates=chance.normal(size=(members, 8)) / 10,
        rows=np.full(members, 9),
        features=chance.normal(size=(60, 3)),
        labels=np.arange(60) % 2,
    )


def test_a_transcript_is_taken_as_it_was_written(at, printed):
    at("offered")
    round_file("round.npz", 2)
    digest = printed("value find aumann_shapley round.npz --out measured.json --json")[
        "sha256"
    ]
    line = "training aggregate digits --salts ann.salts --transcript measured.json"
    printed(f"{line} --values measured.json")
    round_ = printed("training show digits --json")["current"]

    assert round_["transcript"] == digest
    values = json.loads(Path("measured.json").read_text())["values_pico"]
    assert [each["value_pico"] for each in round_["nodes"]] == values
    assert values[0] != values[1]


def test_a_transcript_names_those_whose_work_is_valid_alone(at, printed, refused):
    at("started")
    for node, found in zip(NODES, ("--invalid", "--valid"), strict=True):
        printed(f"training work digits --node {node} --result other --samples 1")
        printed(f"training verify digits --node {node} {found}")
    for members in (1, 2):
        round_file(f"{members}.npz", members)
        printed(f"value find exact_shapley {members}.npz --out {members}.json")
    line = "training aggregate digits --salts ann.salts --transcript"
    said = refused(f"{line} 2.json --values 2.json")
    assert "2.json values 2 members by exact_shapley, and the round has 1" in said
    assert "supplier:gpu-2; value these" in said
    printed(f"{line} 1.json --values 1.json")
    one, two = printed("training show digits --json")["current"]["nodes"]
    assert (one["value_pico"], one["stage"]) == (0, "rejected")
    assert [two["value_pico"]] == json.loads(Path("1.json").read_text())["values_pico"]


def test_data_is_paid_by_a_transcript_that_values_rows(at, tmp_path, printed, refused):
    at("opened")
    for path in tmp_path.glob("books.db*"):
        path.unlink()
    rules = f"{SMALL.format(seconds=0)}data_share = 'shapley'\n"
    Path("shapley.toml").write_text(rules)
    for line in ("books open shapley.toml", *OPENED, *STARTED, *COMMITTED, *OFFERED):
        printed(line)
    (step,) = printed("training show digits --json")["awaited"]
    assert step["command"].endswith("--transcript FILE --values FILE")
    chance = np.random.default_rng(5)
    labels = np.arange(60) % 2
    points = chance.normal(size=(60, 3)) + labels[:, None]
    for name, owners in (("rows", np.arange(40) % 2), ("more", np.arange(40) % 3)):
        np.savez(
            f"{name}.npz",
            points=points[:40],
            labels=labels[:40],
            tests=points[40:],
            test_labels=labels[40:],
            owners=owners,
        )
        printed(f"value find knn_shapley {name}.npz --out {name}.json")
    aggregate = AGGREGATE.replace("--transcript transcript", "--transcript {0}")
    aggregate += " --values {0}"
    said = refused(aggregate.format("more.json"))
    assert "by knn_shapley, and the round has 2 that it can be of: dan-1, eli-1" in said
    printed(aggregate.format("rows.json"))
    told = printed("training check digits rows.json --json")
    assert [each["name"] for each in told["values"]] == ["dan-1", "eli-1"]
    assert told["agrees"]
    printed("training share digits")
    values = json.loads(Path("rows.json").read_text())["values_pico"]
    for name, value in zip(GIVERS, values, strict=True):
        told = why(printed, name)
        assert told["weight"] == max(0, value)
        assert told["micro_units"] == held(printed, f"units:digits:{name}")
    assert max(values) > 0


def test_a_transcript_that_was_altered_is_not_taken(at, printed, refused):
    at("offered")
    round_file("round.npz", 2)
    printed("value find aumann_shapley round.npz --out measured.json")
    text = Path("measured.json").read_text()
    line = "training aggregate digits --salts ann.salts --transcript large.json"
    Path("large.json").touch()
    Path("spaced.json").write_text(f"{text}\n")
    assert "not in its one form" in refused(f"{line} --values spaced.json")
    told = json.loads(text)
    told["values_pico"] = [True, 2]
    Path("other.json").write_text(json.dumps(told))
    assert "is no transcript" in refused(f"{line} --values other.json")
    told["values_pico"] = [10**15 + 1, 2]
    large = json.dumps(told, sort_keys=True, separators=(",", ":"))
    Path("large.json").write_text(large)
    assert "up to 1000000000000000" in refused(f"{line} --values large.json")


def swapped(path):
    """Write a transcript anew, with two of its values in each other's place."""
    told = json.loads(Path(path).read_text())
    one, two, *others = told["values_pico"]
    told["values_pico"] = [two, one, *others]
    return json.dumps(told, sort_keys=True, separators=(",", ":"))


def test_values_of_another_transcript_than_is_made_known_are_refused(
    at, printed, refused
):
    at("offered")
    round_file("round.npz", 2)
    printed("value find aumann_shapley round.npz --out measured.json")
    Path("swapped.json").write_text(swapped("measured.json"))
    line = "training aggregate digits --salts ann.salts --transcript measured.json"
    said = refused(f"{line} --values swapped.json")
    digests = [
        hashlib.sha256(Path(f"{name}.json").read_bytes()).hexdigest()[:16]
        for name in ("swapped", "measured")
    ]
    assert "[malformed]" in said
    assert all(each in said for each in digests)
    assert "so give one file as both" in said
    digest = hashlib.sha256(Path("measured.json").read_bytes()).hexdigest()
    printed(f"{line.replace('measured.json', digest)} --values measured.json")


@pytest.fixture
def cheated(at, printed):
    """Make known the right transcript, with the nodes' values in each other's place."""
    at("offered")
    round_file("round.npz", 2)
    printed("value find aumann_shapley round.npz --out measured.json")
    one, two = json.loads(Path("measured.json").read_text())["values_pico"]
    told = {name: value / 10**12 for name, value in zip(NODES, (two, one), strict=True)}
    Path("swapped").write_text(json.dumps(told))
    printed(
        "training aggregate digits --salts ann.salts --transcript measured.json"
        " --values swapped"
    )
    return one, two


def test_who_is_cheated_of_its_value_finds_it_and_challenges(
    cheated, run, printed, refused
):
    one, two = cheated
    assert run("value", "check", "measured.json", "round.npz").code == 0
    code, out, err = run("training", "check", "digits", "measured.json")
    assert (code, err) == (1, "")
    assert "2 of 2 values differ from what is in the books" in out
    assert out.count(" differs") == 2
    assert "another one" not in out
    code, out, _ = run("training", "check", "digits", "measured.json", "--json")
    told = json.loads(out)
    assert code == 1
    assert not told["agrees"]
    assert told["sha256"] == told["made_known"]
    assert [tuple(each.values()) for each in told["values"]] == [
        (NODES[0], two, one),
        (NODES[1], one, two),
    ]
    line = f"training challenge digits --challenger {NODES[0]} --transcript"
    said = printed(f"{line} measured.json --caller {NODES[0]}")
    differ = "the values in the books are not those of the transcript"
    assert f"{NODES[0]} says that {differ}" in said
    other = line.replace(NODES[0], NODES[1])
    assert "says that another transcript comes out" in printed(f"{other} other")
    assert "does so once" in refused(f"{line} other")

    said = printed("training show digits")
    assert f"by {NODES[0]}: {differ}" in said
    assert f"by {NODES[1]}: another transcript comes out" in said
    (mine, its) = printed("training show digits --json")["current"]["challenges"]
    assert (mine["challenger"], mine["values_differ"]) == (NODES[0], True)
    assert (its["challenger"], its["values_differ"]) == (NODES[1], False)
    printed("training resolve digits --upheld")
    assert "[too_early]" in refused("training check digits measured.json")
    printed(
        "training aggregate digits --salts ann.salts --transcript measured.json"
        " --values measured.json"
    )
    said = printed("training check digits measured.json --round 1")
    assert "all values in the books are those of the transcript made known" in said
    printed(f"{line} other")
    printed("training resolve digits --rejected")
    said = printed("training show digits --json")["current"]
    assert (said["challenges"], said["rejected"]) == ([], [NODES[0]])
    assert f"not right   {NODES[0]}" in printed("training show digits")


def test_another_transcript_than_was_made_known_does_not_agree(at, run, printed):
    """Not even where all its values are those of the books."""
    at("offered")
    round_file("round.npz", 2)
    printed("value find aumann_shapley round.npz --out measured.json")
    printed(
        "training aggregate digits --salts ann.salts --transcript measured.json"
        " --values measured.json"
    )
    told = json.loads(Path("measured.json").read_text())
    told["seed"] = "00" * 32
    Path("other.json").write_text(
        json.dumps(told, sort_keys=True, separators=(",", ":"))
    )
    code, out, _ = run("training", "check", "digits", "other.json")
    assert code == 1
    assert "the transcript that was made known is another one" in out
    assert "differ" not in out
    Path("swapped.json").write_text(swapped("measured.json"))
    code, out, _ = run("training", "check", "digits", "swapped.json")
    assert code == 1
    assert "2 of 2 values differ" in out


def test_what_cannot_be_compared_is_refused(at, printed, refused):
    at("offered")
    for members in (1, 2):
        round_file(f"{members}.npz", members)
        printed(f"value find aumann_shapley {members}.npz --out {members}.json")
    check = "training check digits"
    assert "is running, and nothing that was measured" in refused(f"{check} 2.json")
    printed(AGGREGATE)
    assert "values 1 member by aumann_shapley" in refused(f"{check} 1.json")
    assert "is no transcript of a valuation" in refused(f"{check} dan.json")
    assert "[unreadable]" in refused(f"{check} nowhere")
    assert "[unknown_record]" in refused(f"{check} 2.json --round 2")
    assert "[unknown_record]" in refused("training check nothing 2.json")
    np.savez(
        "rows.npz",
        points=np.zeros((2, 1)),
        labels=[0, 1],
        tests=np.zeros((1, 1)),
        test_labels=[0],
        owners=[0, 1],
    )
    printed("value find knn_shapley rows.npz --out rows.json")
    said = refused(f"{check} rows.json")
    assert "values rows, and data of round digits:1 is paid by kl_reduction" in said


# data


def test_rows_are_declared_a_thousand_at_a_time_and_copies_are_named(at, printed):
    at("started")
    Path("many").write_text("".join(f"{n}\n" for n in range(2500)) + "7\n\n\n")
    told = printed("data rows dan-1 many --json")

    assert [each["kind"] for each in told["receipts"]] == ["declare_rows"] * 3
    assert (told["lines"], told["new"], told["rows_that_count"]) == (2501, 2500, 2500)
    assert told["repeated"] == [{"line": 2501, "first": 8}]
    Path("few").write_text("no header\nnew\r\n7\n12\n")
    few = printed("data rows eli-1 few --header --json")
    assert (few["new"], few["rows_that_count"], few["copies"]) == (1, 1, 2)
    assert few["taken"] == [{"line": 3, "data": "dan-1"}, {"line": 4, "data": "dan-1"}]
    said = printed("data rows eli-1 few --header --dry-run")
    assert "others have      2: line 3 as dan-1, line 4 as dan-1" in said


def test_what_was_declared_before_is_not_declared_again(at, printed):
    at("committed")
    before = everything()
    said = printed("data rows dan-1 dan.csv")
    assert "declared before  60, by this data itself" in said
    assert "60 rows that count, besides 0 that are copies" in said
    assert everything() == before


def test_a_key_makes_all_commands_be_given_once(at, printed, refused):
    at("started")
    Path("many").write_text("".join(f"{n}\n" for n in range(1500)))
    line = "data rows dan-1 many --key declare-01 --json"
    first = printed(line)
    again = printed(line)
    assert [each["hash"] for each in first["receipts"]] == [
        each["hash"] for each in again["receipts"]
    ]
    assert again["rows_that_count"] == 1500
    Path("many").write_text("other\n")
    assert "[key_reused]" in refused("data rows dan-1 many --key declare-01")


def test_what_was_done_before_a_refusal_is_told(at, run):
    at("started")
    Path("many").write_text("".join(f"{n}\n" for n in range(1001)))
    # The second command is refused, since its key was used for something else.
    code, _, _ = run("account", "open", "holder:x", "--key", "declare-01:1")
    assert code == 0
    code, out, err = run("data", "rows", "dan-1", "many", "--key", "declare-01")
    assert (code, out) == (2, "")
    assert "done before it: 1 command, by the key declare-01" in err
    # Without a key it is taken up where it stopped.
    code, out, _ = run("data", "rows", "dan-1", "many")
    assert code == 0
    assert "declared before  1,000" in out
    assert "1,001 rows that count, besides 0 that are copies" in out


def test_rows_are_hashed_with_a_key(at, printed, refused):
    at("started")
    Path("rows").write_bytes(b"one\ntwo")
    Path("key").write_bytes(b"sixteen bytes at least\n")
    line = "data rows dan-1 rows --key-file key"
    Path("key").chmod(0o644)
    assert "chmod 600" in refused(line)
    Path("key").chmod(0o600)
    printed(line)
    records = (everything() or [])[3]
    digest = hmac.new(b"sixteen bytes at least", b"two", "sha256").hexdigest()
    assert any(f"digits:{digest}" in map(str, record) for record in records)
    Path("key").write_bytes(b"short\n")
    assert "has a key of 5 bytes" in refused(line)
    assert "cannot be read" in refused("data rows dan-1 rows --key-file none")


def test_with_a_schema_rows_are_the_same_however_written(at, printed, refused):
    at("started")
    Path("a.csv").write_text("digit,width,note\n0,0.25,x\n1,1e0,y\n1,0.9,z\n")
    Path("b.csv").write_text("width,digit\n0.250,0\n2,1\n0.1,0\n")
    line = "data rows dan-1 a.csv --schema schema.json --counts a.counts"
    said = printed(line)
    assert "commit to them: coopera data commit dan-1 --counts a.counts" in said
    assert json.loads(Path("a.counts").read_text()) == [1, 0, 0, 2]
    told = printed(
        "data rows eli-1 b.csv --schema schema.json --counts b.counts --json"
    )
    assert told["taken"] == [{"line": 2, "data": "dan-1"}]
    assert json.loads(Path("b.counts").read_text()) == [1, 0, 0, 1]
    printed("data commit dan-1 --counts a.counts --salts s")
    printed("data commit eli-1 --counts b.counts --salts s")
    assert "[already_exists]" in refused(line)
    Path("more.json").write_text(json.dumps({**SCHEMA, "features": []}))
    assert "[not_eligible]" in refused("data rows dan-1 a.csv --schema more.json")
    assert "is no schema" in refused("data rows dan-1 a.csv --schema train.py")
    # Lines are counted as an editor does, whether they are refused or are copies.
    Path("bad.csv").write_text("digit,width\n\n1,0.9\n2,1\n")
    said = refused("data rows dan-1 bad.csv --schema schema.json")
    assert "bad.csv: line 4 has digit '2'" in said
    Path("twice.csv").write_text("digit,width\n\n1,0.7\n1,0.70\n")
    told = printed("data rows eli-1 twice.csv --schema schema.json --dry-run --json")
    assert told["repeated"] == [{"line": 4, "first": 3}]
    assert "needs --schema" in refused("data rows dan-1 a.csv --counts c")


def test_counts_that_have_copies_in_them_are_refused_before_it_is_too_late(
    at, printed, refused
):
    at("started")
    printed("data rows dan-1 dan.csv")
    Path("all").write_text("[41,15,5,0]")
    said = refused("data commit dan-1 --counts all --salts s")
    assert "all has 61 rows, and data dan-1 has 60 that count" in said
    assert not Path("s").exists()


def test_data_shows_what_it_waits_for(at, printed):
    at("committed")
    assert "the operator must look at 20 of its rows" in printed("data show dan-1")
    printed("data audit dan-1 --checked 20 --valid 20")
    assert "dan-1  data for digits, looked at" in printed("data show dan-1")
    printed("data audit dan-1 --checked 20 --valid 3")
    assert "3 of 20 are" in printed("data show dan-1")
    assert "dan-1  data for digits, not valid" in printed("data show dan-1")
    assert printed("data show eli-1 --json")["waits_for"].startswith("rows must be")
    listed = printed("data list --training digits")
    assert "looked at" in listed
    assert "there is no such data" in printed("data list --training none")


def test_what_is_awaited_names_the_data_where_it_is_one(at, printed):
    at("committed")
    for line, command in (
        (None, "coopera data audit dan-1 --checked N --valid N"),
        (OFFERED[0], "coopera data offer dan-1 --salts FILE"),
    ):
        if line:
            printed(line)
        assert command in printed("training show digits")
    for line in OFFERED[2:5]:
        printed(line)
    assert "coopera data offer DATA --salts FILE" in printed("training show digits")


def test_a_pool_is_said_to_have_what_was_let_in(at, printed):
    at("earned")
    said = printed("training show digits")
    assert "110 rows that were let in, and 4 to start from" in said


def test_an_audit_of_too_few_rows_is_told_how_many(at, printed, refused):
    at("committed")
    line = "data audit dan-1 --checked {} --valid {}"
    assert "it has 60 that count, and 20 at least must be" in refused(
        line.format(19, 19)
    )
    assert "it has 60 that count" in refused(line.format(61, 20))
    assert "3 of 2 rows are said to be valid" in refused(line.format(2, 3))
    Path("few.csv").write_text("one\ntwo\n")
    printed("data rows eli-1 few.csv")
    Path("few.json").write_text("[1,1,0,0]")
    printed("data commit eli-1 --counts few.json --salts eli.salts")
    said = refused("data audit eli-1 --checked 20 --valid 20")
    assert "it has 2 that count, and all of them must be, and each once" in said


def test_a_stake_is_given_and_returned(at, printed, refused):
    at("opened")
    printed("data stake digits 4 --contributor contributor:dan")
    assert held(printed, "locked:data:digits") == 4_000000
    printed("data return digits --contributor contributor:dan --caller contributor:dan")
    assert held(printed, "contributor:dan:token") == 10_000000
    line = "data return digits --contributor contributor:dan"
    assert "[wrong_stage]" in refused(line)


# why


def test_why_adds_up_to_what_was_issued(at, printed):
    at("earned")
    told = [why(printed, each) for each in GIVERS]
    assert [each["micro_units"] for each in told] == [
        held(printed, f"units:digits:{each}") for each in GIVERS
    ]
    weights = {each["weights"] for each in told}
    assert weights == {sum(each["weight"] for each in told)}
    slice_ = told[0]["slice"]
    assert slice_["released"] + slice_["carried"] == slice_["available"]
    assert slice_["units"] + slice_["left"] == slice_["available"]
    said = printed("royalties why digits 1 contributor:eli")
    for word in (
        "contributor:eli got",
        "of what it hands out for data",
        "released by round 1",
        "left by rounds before",
        "nats nearer; from",
        "50 that count, besides 6 that are copies",
        "19 of 20 that were looked at; at least 90% must be",
        "it may be 3 at most",
        "all data that earns is worth",
        "nats a row",
    ):
        assert word in said, word
    # Of raw weights nobody can tell what they are; programs get them.
    assert "weighs" not in said
    assert f"{told[1]['weight']:,}" not in said


def test_why_says_what_the_rows_of_each_cell_were_worth(at, printed, refused):
    at("earned")
    round_ = printed("training show digits --json")["current"]
    prices = {each["cell"]: each["price_wad_nats"] for each in round_["cells"]}
    values = {each["data"]: each["value_wad_nats"] for each in round_["offers"]}
    whole, wholes = 0, []
    for who, rows in (("dan", [40, 15, 5, 0]), ("eli", [30, 15, 5, 0])):
        told = why(printed, f"contributor:{who}")
        (data,) = told["data"]
        cells = data["cells"]
        assert "called" not in cells[0]
        assert {e["cell"]: e["rows"] for e in cells} == dict(enumerate(rows[:3]))
        assert all(e["price_wad_nats"] == prices[e["cell"]] for e in cells)
        worths = [e["worth_wad_nats"] for e in cells]
        assert worths == sorted(worths, key=abs, reverse=True)
        # Each is rounded down, and so is the sum.
        value = values[f"{who}-1"]
        assert 0 <= value - sum(worths) <= len(cells)
        whole += value
        wholes.append(told["worth_wad_nats"])
    assert wholes[0] == wholes[1]
    assert 0 <= wholes[0] - whole <= 2

    line = "royalties why digits 1 contributor:dan --schema"
    said = printed(f"{line} schema.json")
    assert "cell  which is              rows  nats a row  worth in nats" in said
    for words in ("0, width below 0.5", "0, width 0.5 or more", "1, width below 0.5"):
        assert said.count(words) == 1
    told = printed(f"{line} schema.json --json")
    assert {e["cell"]: e["called"] for e in told["data"][0]["cells"]} == {
        0: "0, width below 0.5",
        1: "0, width 0.5 or more",
        2: "1, width below 0.5",
    }
    Path("more.json").write_text(json.dumps({**SCHEMA, "features": []}))
    assert "[not_eligible]" in refused(f"{line} more.json")
    assert "is no schema" in refused(f"{line} train.py")


def test_of_many_cells_the_most_important_are_shown_and_the_rest_summed():
    worths = [CellWorth(n, n + 1, Wad(-(10**15)), Wad(-(10**15))) for n in range(11)]
    rows = [*_of_cells(worths, None)]
    assert len(rows) == CELLS_SHOWN + 1
    assert rows[-1] == ("3 more", "", f"{9 + 10 + 11}", "-", "-0.003")


@pytest.fixture
def shared(tmp_path, monkeypatch, printed):
    """Share the only round of a training, by some rules."""

    def shared_(rules):
        monkeypatch.chdir(tmp_path)
        monkeypatch.delenv("COOPERA_BOOKS", raising=False)
        for name, text in FILES.items():
            Path(name).write_text(text)
        Path("small.toml").write_text(f"{SMALL.format(seconds=0)}{rules}\n")
        for line in (
            "books open small.toml",
            *(*OPENED[:-1], f"{OPENED[-1]} --rounds 1", *STARTED, *COMMITTED, *OFFERED),
            *(AGGREGATE, "training share digits"),
        ):
            printed(line)

    return shared_


@pytest.mark.parametrize(
    ("rules", "member", "said"),
    [
        ('data_share = "size"', "contributor:eli", "50 rows of 110 rows together: 45."),
        ('data_share = "even"', "contributor:eli", "1 data set of 2 data sets togethe"),
        ('data_share = "exp_kl"', "contributor:eli", " rows as near as can be of "),
        ('compute_split = "samples"', NODES[0], "9 rows of 18 rows together: 50%"),
        ('compute_split = "equal"', NODES[0], "1 node of 2 nodes together: 50%"),
        ("", NODES[0], "0.0125 of 0.015 together: 83.3333%"),
    ],
)
def test_why_says_what_something_weighs_in_its_unit(
    shared, printed, rules, member, said
):
    shared(rules)
    assert said in printed(f"royalties why digits 1 {member}")
    told = why(printed, member)
    assert told["micro_units"] > 0
    assert told["weights"] > told["weight"] > 0


def test_what_the_last_round_leaves_is_not_left_to_others(shared, printed):
    shared("full_reduction = 1.0")
    told = why(printed, "contributor:dan")
    left = told["slice"]["left"]
    assert left > 0
    assert told["is_last"]
    said = printed("royalties why digits 1 contributor:dan")
    assert "left to rounds after" not in said
    assert f"{left // 10**6:,}." in said
    assert "no round comes after it, so they are never issued" in said
    assert "goes to all who have units, once it is finished" in said
    # So it comes: with nobody else, the issued units have all that came in.
    printed("royalties pay digits 100 usd --from creator:ann:usd")
    printed("royalties collect digits")
    income = "royalties show digits --json"
    assert printed(income)["income_micro_units"]["usd"]["reserve"] > 0
    printed("training finish digits")
    assert printed(income)["income_micro_units"]["usd"]["reserve"] == 0


def test_why_says_what_would_have_been_needed(at, printed, refused):
    at("earned")
    said = printed("royalties why digits 1 supplier:gpu-3")
    assert "got no units" in said
    assert "it was not among the 2 nodes that were selected" in said
    assert "[not_eligible]" in refused("royalties why digits 1 creator:ann")
    assert "the last one is 1" in refused("royalties why digits 2 contributor:dan")
    assert "see: coopera training list" in refused("royalties why x 1 contributor:dan")
    assert "[malformed]" in refused("royalties why digits 1 dan")
    for who in ("contributor:nobody", "supplier:nobody"):
        said = refused(f"royalties why digits 1 {who}")
        assert f"there is no member {who}" in said
        assert "[unknown_record]" in said


def test_why_of_a_round_that_runs_says_what_is_not_known_yet(at, printed):
    at("offered")
    told = why(printed, "contributor:dan")
    assert (told["slice"], told["foreseen"], told["micro_units"]) == (None, False, 0)
    assert "known when the round is aggregated" in printed(
        "royalties why digits 1 supplier:gpu-1"
    )


# claims


def test_a_claim_is_paid_once(at, printed, refused):
    at("published")
    line = "royalties claim --tree claims-1 --vault digits --holder contributor:dan"
    key = f"{line} --key claim-of-dan"
    first = printed(f"{key} --json")
    assert printed(f"{key} --json")["receipt"] == first["receipt"]
    assert "[already_claimed]" in refused(line)
    printed("royalties pay digits 50 usd --from creator:ann:usd")
    printed("royalties collect digits")
    # Only what is published can be claimed, and only by the last root.
    assert "[already_claimed]" in refused(line)
    printed("royalties publish claims-2")
    assert "[stale_claim]" in refused(line)
    printed(line.replace("claims-1", "claims-2"))
    units = held(printed, "units:digits:contributor:dan")
    assert held(printed, "contributor:dan:usd") == 150_000000 * units // 10**14


def proof_of(printed, member="contributor:dan"):
    return printed(f"royalties proof digits {member} --tree claims-1")


@pytest.mark.parametrize(
    ("forged", "said"),
    [
        ({"cumulative": 99_000000}, "[not_proven]"),
        ({"account": "contributor:eli"}, "[not_proven]"),
        ({"asset": "token"}, "[not_proven]"),
        ({"vault": "none"}, "no vault 'none'; see: coopera training list"),
        ({"path": []}, "[not_proven]"),
        ({"path": ["0x12"]}, "[malformed]"),
        ({"epoch": 2, "cumulative": 99_000000}, "[stale_claim]"),
        ({"cumulative": -1}, "[negative_amount]"),
        ({"cumulative": 1.5}, "[malformed]"),
        ({"account": "operator"}, "[malformed]"),
    ],
)
def test_a_forged_claim_is_refused(at, printed, refused, forged, said):
    at("published")
    claim = json.loads(proof_of(printed))
    Path("forged").write_text(json.dumps({**claim, **forged}))
    assert said in refused("royalties claim forged")


def test_to_publish_the_same_claims_again_takes_no_proof_away(at, printed):
    at("published")
    Path("old.claim").write_text(proof_of(printed))
    printed("royalties publish claims-2")
    claim = json.loads(Path("old.claim").read_text())
    assert claim["epoch"] == 1
    printed("royalties claim old.claim --caller contributor:dan")
    assert held(printed, "contributor:dan:usd") == claim["cumulative"]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"", "is no JSON"),
        (b"{", "is no JSON"),
        (b"\xff", "is no JSON"),
        (b"[]", "a claim is an object"),
        (b'{"vault": "digits"}', "the claim has no asset"),
    ],
)
def test_a_damaged_claim_is_refused(at, refused, content, said):
    at("published")
    Path("damaged").write_bytes(content)
    assert said in refused("royalties claim damaged")


def test_a_claim_has_to_be_named(at, refused):
    at("published")
    assert "neither is given" in refused("royalties claim")
    assert "both are given" in refused("royalties claim a --tree claims-1")
    assert "by --vault and --holder" in refused("royalties claim --tree claims-1")
    assert "cannot be read" in refused("royalties claim nowhere")


def test_a_claim_before_anything_is_published_waits(at, stages, refused):
    at("earned")
    shutil.copy(stages["published"] / "claims-1", "claims-1")
    line = "royalties claim --tree claims-1 --vault digits --holder contributor:dan"
    assert "no claims are published yet; they are paid once" in refused(line)


def test_a_tree_that_was_altered_proves_nothing(at, refused):
    at("published")
    whole = Path("claims-1").read_bytes()
    line = "royalties proof digits contributor:dan --tree claims-1"
    Path("claims-1").write_bytes(whole[:-1])
    assert "[unreadable]" in refused(line)
    place = whole.index(b"contributor:dan") + len(b"contributor:dan\t")
    spoilt = whole[:place] + (b"9" if whole[place : place + 1] != b"9" else b"8")
    Path("claims-1").write_bytes(spoilt + whole[place + 1 :])
    assert "was altered" in refused(line)
    assert "[unreadable]" in refused("royalties proof x y --tree dan.csv")


def test_proofs_of_nothing_are_refused(at, printed, refused):
    at("published")
    none = "royalties proof digits contributor:{} --asset {} --tree claims-1"
    assert "[unknown_record]" in refused(none.format("dan", "token"))
    said = refused(none.format("fay", "usd"))
    assert "[unknown_record]" in said
    assert "contributor:fay has earned no usd of the vault digits up to epoch 1" in said
    assert "coopera royalties why digits ROUND contributor:fay" in said
    printed(f"{none.format('dan', 'usd')} --out there")
    assert "[already_exists]" in refused(f"{none.format('dan', 'usd')} --out there")


def test_claims_are_published_in_order_and_never_over_a_file(at, printed, refused):
    at("published")
    assert "has the claims of epoch 1, which are published" in refused(PUBLISH)
    assert "is no file of claims" in refused("royalties publish dan.csv")
    assert "[epoch_out_of_order]" in refused("royalties publish new --epoch 5")
    assert not Path("new").exists()
    told = printed("royalties publish claims-2 --json")
    assert (told["epoch"], told["claims"]) == (2, 4)


def test_publishing_again_under_its_key_is_the_same(at, printed, refused):
    at("earned")
    line = "royalties publish claims --epoch 1 --key publish-01"
    first = printed(f"{line} --json")
    printed("royalties pay digits 1 usd --from creator:ann:usd")
    printed("royalties collect digits")
    assert printed(f"{line} --json")["receipt"] == first["receipt"]
    assert "[epoch_out_of_order]" in refused("royalties publish claims --epoch 1")


def test_publishing_again_under_its_key_needs_no_epoch(at, printed, refused):
    at("earned")
    line = "royalties publish claims --key publish-01"
    first = printed(f"{line} --json")
    content = Path("claims").read_bytes()
    assert printed(f"{line} --json")["receipt"] == first["receipt"]
    assert f"receipt {first['receipt']}  publish_claims" in printed(line)
    # Without its key, or under one that is not known, it is another command.
    for other in ("", " --key publish-02"):
        assert "[already_exists]" in refused(f"royalties publish claims{other}")
    assert Path("claims").read_bytes() == content


def test_a_file_of_claims_that_was_refused_does_not_stay(at, printed, refused):
    at("earned")
    printed("royalties publish claims --key publish-01")
    content = Path("claims").read_bytes()
    for line in (
        "royalties publish claims-2 --key publish-01",
        "royalties publish claims-2 --key short",
        "royalties publish claims-2 --key other-key --epoch 7",
        "royalties publish claims-2 --key other-key --caller contributor:dan",
    ):
        refused(line)
        assert not Path("claims-2").exists(), line
    assert Path("claims").read_bytes() == content
    assert not [*Path().glob(".claims*")]


def test_what_was_saved_and_never_published_is_saved_anew(at, printed):
    at("earned")
    printed("royalties publish claims --dry-run")
    assert not Path("claims").exists()
    shutil.copy("books.db", "before.db")
    printed("royalties publish claims")
    # As if the machine had stopped in between.
    shutil.copy("before.db", "books.db")
    for rest in Path().glob("books.db-*"):
        rest.unlink()
    printed("royalties pay digits 100 usd --from creator:ann:usd")
    printed("royalties collect digits")
    printed("royalties publish claims")
    claim = json.loads(printed("royalties proof digits contributor:dan --tree claims"))
    units = held(printed, "units:digits:contributor:dan")
    assert claim["cumulative"] == 200_000000 * units // 10**14


def test_revenue_that_is_not_recorded_is_told(at, printed, refused):
    at("earned")
    printed("royalties pay digits 7 usd --from creator:ann:usd --memo may")
    said = printed("royalties publish claims")
    assert "Not among them: 7.000000 USD in vault:digits:inflow:usd" in said
    assert "7.000000" in printed("royalties show digits")
    at("aggregated")
    assert "[not_eligible]" in refused("royalties publish none")


def test_units_are_moved_with_what_they_will_earn(at, printed):
    at("earned")
    units = held(printed, "units:digits:contributor:dan")
    printed(
        "royalties move digits 1000.5 --from contributor:dan --to contributor:eli"
        " --caller contributor:dan"
    )
    assert held(printed, "units:digits:contributor:dan") == units - 1000_500000
    said = printed("royalties show digits --top 1")
    assert "3 more; --top shows them" in said
    assert "4 members have units" in said


# plans


def test_a_plan_tells_what_each_round_releases(at, printed):
    at("earned")
    told = printed("royalties plan digits --until 3 --json")
    assert [each["round"] for each in told["releases"]] == [1, 2, 3]
    (issued,) = told["issued_so_far"]
    assert told["releases"][0]["compute_so_far"] == issued["compute"]
    plan = printed("royalties plan --rounds 20 --lambda-compute 0.02 --json")
    assert plan["releases"][-1]["compute_so_far"] == plan["compute_micro_units"]
    said = printed("royalties plan --rounds 20 --lambda-data 0.1 --units 10")
    assert said.splitlines()[-1].split()[-1] == "100%"
    assert len(said.splitlines()) == 22


def test_a_plan_is_drawn(at, printed, refused):
    at("earned")
    for line in ("digits", "--rounds 1", "--until 1500"):
        printed(f"royalties plan {line} --plot plan.png")
        assert Path("plan.png").read_bytes().startswith(b"\x89PNG")
        assert "[already_exists]" in refused(f"royalties plan {line} --plot plan.png")
        Path("plan.png").unlink()


def test_a_plan_is_drawn_as_its_file_is_named(at, printed, refused):
    at("earned")
    for name, start in (("plan.svg", b"<?xml"), ("plan.PDF", b"%PDF")):
        assert f"drawn in {name}" in printed(f"royalties plan digits --plot {name}")
        assert Path(name).read_bytes().startswith(start)
    assert "<svg" in Path("plan.svg").read_text()
    for name in ("plan.jpg", "plan", "svg"):
        said = refused(f"royalties plan digits --plot {name}")
        assert f"--plot is {name}; what it ends in says" in said
        assert ".png, .svg or .pdf" in said
        assert not Path(name).exists()


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("--lambda-data 11", "out_of_bounds"),
        ("--lambda-data x", "wrong_type"),
        ("--units 0", "out_of_bounds"),
        ("--rounds -1", "negative_amount"),
        ("--rounds 5 --until 6", "malformed"),
        ("--until 0", "malformed"),
        ("digits --rounds 5", "malformed"),
        ("none", "unknown_record"),
    ],
)
def test_plans_that_cannot_be_are_refused(at, refused, line, code):
    at("earned")
    assert f"[{code}]" in refused(f"royalties plan {line}")


# who, and what is refused


GIVEN = [
    ("opened", "training start digits --counts target.csv --salts s", "creator:ann"),
    ("opened", "training finish digits", "creator:ann"),
    ("opened", "data stake digits 1 --contributor contributor:dan", "contributor:dan"),
    (
        "started",
        "training work digits --node supplier:gpu-1 --result result-1 --samples 1",
        "supplier:gpu-1",
    ),
    ("started", "data rows dan-1 dan.csv", "contributor:dan"),
    ("offered", AGGREGATE, "creator:ann"),
    ("published", "royalties move digits 1 --from contributor:dan --to contributor:eli",
     "contributor:dan"),
    ("published", "royalties pay digits 1 usd --from creator:ann:usd", "creator:ann"),
    (
        "published",
        "royalties claim --tree claims-1 --vault digits --holder contributor:dan",
        "contributor:dan",
    ),
    ("committed", "data audit dan-1 --checked 20 --valid 20", None),
    ("published", "royalties collect digits", None),
    ("earned", PUBLISH, None),
]  # fmt: skip


@pytest.mark.parametrize(
    ("stage", "line", "who"), GIVEN, ids=lambda each: str(each)[:30]
)
def test_commands_are_given_by_whom_they_concern(at, run, stage, line, who):
    folder = at(stage)
    files = sorted(each.name for each in folder.iterdir() if "books" not in each.name)
    code, out, err = run(*line.split(), "--caller", "contributor:eli")
    assert (code, out) == (2, "")
    assert "[not_allowed]" in err
    now = sorted(each.name for each in folder.iterdir() if "books" not in each.name)
    assert now == files
    if who is not None:
        assert run(*line.split(), "--caller", who).code == 0


@pytest.mark.parametrize(
    ("stage", "line", "said"),
    [
        ("opened", "training show none", "see: coopera training list"),
        ("opened", "training select digits supplier:gpu-1", "no round of training"),
        ("opened", "training start digits", "neither is given; give one"),
        (
            "opened",
            f"training start digits --counts target.csv --target {'ab' * 32}",
            "both are given",
        ),
        ("opened", "training start digits --target short", "[malformed]"),
        ("opened", "training show digits --round 3", "no round of training digits"),
        ("opened", "data show none", "see: coopera data list"),
        (
            "opened",
            "royalties show none",
            "no vault 'none'; see: coopera training list",
        ),
        (
            "started",
            "training start digits --counts target.csv",
            "[round_out_of_order]",
        ),
        ("started", "training verify digits --node supplier:gpu-1", "--valid or"),
        (
            "started",
            "training verify digits --node supplier:gpu-1 --valid",
            "[wrong_stage]",
        ),
        (
            "started",
            "training work digits --node supplier:gpu-3 --result other --samples 1",
            "was not selected",
        ),
        (
            "started",
            "training work digits --node supplier:gpu-1 --result none --samples 1",
            "--result: none cannot be read",
        ),
        ("started", REGISTER.format(who="dan"), "[already_exists]"),
        (
            "started",
            REGISTER.format(who="dan").replace("dan-1", "dan-2"),
            "[digest_seen]",
        ),
        (
            "started",
            f"{REGISTER.format(who='eli').replace('eli-1', 'eli-2')} --schema other",
            "[not_eligible]",
        ),
        ("started", "data offer dan-1 --salts none", "cannot be read"),
        ("started", "data commit dan-1 --counts dan.json --salts s", "60 rows"),
        ("started", f"data commit dan-1 --histogram {'ab' * 32}", "[wrong_stage]"),
        ("started", "data rows dan-1 /", "cannot be read"),
        ("started", "data rows none dan.csv", "[unknown_record]"),
        ("committed", "data offer dan-1 --salts dan.salts", "[not_eligible]"),
        ("committed", "data rows dan-1 eli.csv", "[wrong_stage]"),
        ("offered", "data offer dan-1 --salts dan.salts", "in round 1"),
        ("offered", "training share digits", "[wrong_stage]"),
        (
            "opened",
            "royalties pay digits 0 usd --from creator:ann:usd",
            "[zero_amount]",
        ),
        (
            "opened",
            "royalties pay digits 5000 usd --from creator:ann:usd",
            "[insufficient_balance]",
        ),
        (
            "opened",
            "royalties move digits 1 --from contributor:dan --to contributor:dan",
            "[not_allowed]",
        ),
        (
            "opened",
            f"{CREATE} --schema other",
            "how many cells other has is not known",
        ),
        (
            "opened",
            f"{CREATE} --schema schema.json --cells 5",
            "schema.json has 4",
        ),
        (
            "opened",
            f"{CREATE} --schema schema.json --parent digits",
            "as llm=0.1",
        ),
        ("opened", f"{CREATE} --schema schema.json --parent digits=1", "below 1"),
        (
            "opened",
            f"{CREATE} --schema schema.json --parent none=0.1",
            "no vault 'none'; see: coopera training list",
        ),
        ("opened", f"{CREATE} --schema other --cells 0", "cells is 0; it must be abov"),
        (
            "opened",
            "royalties pay none 1 usd --from creator:ann:usd",
            "no vault 'none'",
        ),
        ("opened", "royalties collect none", "no vault 'none'; see: coopera training"),
        ("opened", "data stake none 1 --contributor contributor:dan", "no training"),
        (
            "opened",
            "data return digits --contributor contributor:dan",
            "contributor:dan has no stake in training digits",
        ),
        ("opened", "data audit none --checked 1 --valid 1", "no data set 'none'; see"),
        (
            "started",
            "training select digits supplier:gpu-1 --round 5",
            "no round 5 of training digits; the last one is 1",
        ),
        (
            "published",
            "royalties move digits -15.5 --from contributor:dan --to contributor:eli",
            "-15.5 is below 0",
        ),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(at, refused, stage, line, said):
    at(stage)
    assert said in refused(line)


def test_books_that_are_not_there_are_refused(at, refused):
    at("opened")
    Path("books.db").unlink()
    for line in (
        "training list",
        "training show digits",
        "royalties show digits",
        "royalties why digits 1 contributor:dan",
        "royalties publish claims",
        "training share digits",
    ):
        assert "[bad_books]" in refused(line)


def commands():
    """List all commands of all groups."""
    for group in COMMANDS:
        assert isinstance(group, click.Group)
        for name, command in group.commands.items():
            yield pytest.param(command, id=f"{group.name} {name}")


READERS = ("list", "show", "plan", "why", "proof", "serve", "check")


@pytest.mark.parametrize("command", list(commands()))
def test_every_command_says_what_it_does_and_who_may_give_it(command):
    text = command.help or ""
    assert text
    assert command.short_help
    options = {each.name for each in command.params}
    assert "as_json" in options
    if command.name not in READERS:
        assert "caller" in options
        assert "By " in text, "who may give it"


def test_everything_that_reads_tells_json(at, printed):
    at("published")
    for line in (
        "training list",
        "training show digits",
        "data list",
        "data show dan-1",
        "royalties show digits",
        "royalties why digits 1 supplier:gpu-1",
        "royalties plan digits",
    ):
        assert printed(f"{line} --json")
        assert printed(line)


def test_everything_that_is_given_tells_json(at, printed, tmp_path):
    at("opened")
    for path in tmp_path.glob("books.db*"):
        path.unlink()
    Path("small.toml").write_text(SMALL.format(seconds=0))
    printed("books open small.toml")
    steps = (OPENED, STARTED, COMMITTED, OFFERED, [AGGREGATE], EARNED, [PUBLISH])
    for line in (line for lines in steps for line in lines):
        told = printed(f"{line} --json")
        receipts = told.get("receipts") or [told]
        assert all(each["receipt"] for each in receipts), line
    proof = "royalties proof digits contributor:dan --tree claims-1"
    assert printed(f"{proof} --json")["epoch"] == 1
    assert printed(f"{proof} --out dan.claim --json")["file"] == "dan.claim"
    assert printed("verify dan.claim --json")["verified"] is True
    assert printed("royalties claim dan.claim --json")["kind"] == "claim_royalty"
    dry = "royalties claim --tree claims-1 --vault digits --holder contributor:eli"
    assert printed(f"{dry} --dry-run --json")["dry_run"] is True
    assert printed("training finish digits --json")["kind"] == "finish_training"
    assert printed("royalties plan --plot plan.png --json")["plot"] == "plan.png"
