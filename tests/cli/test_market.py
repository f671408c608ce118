"""The market on the command line: from an offer to its pay, on books in a file."""

import contextlib
import hashlib
import io
import json
import os
import re
import shutil
import sqlite3
import stat
import subprocess
import sys
import time
from contextlib import closing
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path

import click
import pytest
from tests.cli.conftest import everything

from coopera.cli import cli
from coopera.cli.market import COMMANDS
from coopera.cli.market.salts import Salt, keep, kept
from coopera.errors import Unreadable

GUIDE = Path(__file__).parents[2] / "docs" / "market.md"
COOPERA = 'coopera() { "$PYTHON" -m coopera.cli "$@"; }\n'
ENOUGH = 120
"""Seconds that no process of these tests takes."""
NAMES = ("books.db", "links", "work", "salts")

SMALL = """
preset = "minimal"
[validation]
validators_per_job = 1
held_back_jobs = {held_back}
[pricing]
price_floor_usd = 1
"""

OPENED = [
    *(f"account open {who}" for who in ("consumer:alice", "consumer:bob")),
    *(f"account open supplier:{who}" for who in ("gpu", "val", "eve")),
    "deposit consumer:alice:credit 100 usd --reference ch_1",
    "deposit supplier:gpu:token 100 token --reference 0x1",
    "deposit supplier:val:token 200 token --reference 0x2",
]
REGISTER = (
    "resource register {name} --owner {owner} --kind {kind} --device {device} --count 8"
    " --memory 80 --region us-west --latency 200 --price {price} --slots {slots}"
)
SPARE = {"kind": "inference", "device": "a100", "price": "0.5", "slots": 1}
OFFERED = [
    REGISTER.format(
        name="h100-1",
        owner="supplier:gpu",
        kind="training",
        device="h100",
        price="1.25",
        slots=2,
    )
    + " --model llm --model vision",
    REGISTER.format(
        name="checker",
        owner="supplier:val",
        kind="validator",
        device="cpu",
        price="0",
        slots=2,
    ),
    "resource certify h100-1 --evidence seen",
    "resource certify checker --evidence seen",
    "resource stake h100-1 --project demo",
    "resource stake checker",
    "beacon make links --links 40",
    "beacon open links",
]
CREATE = (
    "job create {name} --consumer consumer:alice --pipeline training --project demo"
    " --unit-price 2.00 --quantity 5 --within 24h --units 10 --incentive 0.50"
)
DELIVERED = [
    CREATE.format(name="j1"),
    "job match j1 h100-1",
    "job accept j1",
    "job deliver j1 --file work",
]
DRAWN = ["beacon next links", "verdict draw j1"]
SAID = [
    "verdict commit j1 --validator checker --pass --salts salts",
    "verdict reveal j1 --validator checker --salts salts",
    "verdict conclude j1",
]


def given(line):
    """Give one line of the command line in this process: what it printed."""
    out = io.StringIO()
    with contextlib.redirect_stdout(out):
        cli.main(line.split(), prog_name="coopera", standalone_mode=False)
    return out.getvalue()


@pytest.fixture(scope="session")
def stages(tmp_path_factory):
    """Folders with the books of a market, one for each stage of its first job."""
    folder = tmp_path_factory.mktemp("market")
    stages = {}
    with contextlib.chdir(folder):
        Path("small.toml").write_text(SMALL.format(held_back=1))
        given("books open small.toml")
        Path("work").write_bytes(b"".join(b"%d\n" % n for n in range(1000)))
        for name, lines in (
            ("offered", [*OPENED, *OFFERED]),
            ("delivered", DELIVERED),
            ("drawn", DRAWN),
            ("said", SAID),
            ("closed", ["day close --sentiment 100"]),
        ):
            for line in lines:
                given(line)
            stages[name] = tmp_path_factory.mktemp(name)
            for each in NAMES:
                if Path(each).exists():
                    shutil.copy(each, stages[name] / each)
    return stages


def rows():
    if not Path("books.db").exists():
        return None
    with closing(sqlite3.connect("books.db")) as database:
        return database.execute("SELECT id, kind, command FROM receipts").fetchall()


NEXT_WEEK = (
    (datetime.now(UTC) + timedelta(days=7))
    .astimezone(timezone(timedelta(hours=1)))
    .replace(microsecond=0)
)


def last_command():
    """Return the kind and the fields of the last command in the books."""
    _, kind, command = rows()[-1]
    return kind, json.loads(command)


def micro_units(printed, account):
    return printed(f"balance {account} --json")[account]["micro_units"]


def walkthrough():
    """Read the example of the guide as a shell would."""
    text = GUIDE.read_text("utf-8")
    section = text.split("\n## One job, from order to pay\n")[1].split("\n## ")[0]
    settings = re.search(r"```toml\n(.*?)```", section, re.DOTALL)
    assert settings is not None
    lines = [line[4:] for line in section.splitlines() if line.startswith("    ")]
    return settings[1], "\n".join(lines)


@pytest.mark.skipif(shutil.which("sh") is None, reason="needs a shell")
def test_walkthrough_of_the_guide_runs_as_it_is_written(tmp_path):
    settings, script = walkthrough()
    (tmp_path / "small.toml").write_text(settings)
    variables = {**os.environ, "PYTHON": sys.executable}
    variables.pop("COOPERA_BOOKS", None)

    done = subprocess.run(  # noqa: S603 - our own program
        ["sh", "-euc", f"{COOPERA}{script}\ncoopera audit"],  # noqa: S607
        capture_output=True,
        check=False,
        cwd=tmp_path,
        env=variables,
        text=True,
        timeout=ENOUGH,
    )

    assert (done.returncode, done.stderr) == (0, "")
    for said in (
        "bond",
        "5.000000  token  escrow:bonds  bond",
        "awaited   operator: reveal the beacon's next link by",
        "income, of 1 job",
        "3.000000  USD    reserve:usd:operations",
        "supplier:gpu:usd        3.500000  USD",
        "supplier:gpu:token    103.150315  token",
        "locked:phase1:demo  5,000.000000  token",
        "seat         demo, accrued 5,000.000000 token, locked until Phase 2",
        "nothing is wrong",
    ):
        assert said in done.stdout, said


def test_registering_takes_everything_that_is_said(at, printed):
    at("offered")
    told = printed("resource show h100-1 --json")

    assert told["models"] == ["llm", "vision"]
    assert (told["price"], told["slots"], told["count"]) == (1_250000, 2, 8)
    assert (told["memory_gib"], told["latency_ms"]) == (80, 200)
    assert (told["stage"], told["certificate"]) == ("staked", 1)
    assert told["reputation"] == "0.5"
    assert told["seat"] == {"project": "demo", "phase": 1, "accrued_micro_token": 0}
    assert told["tasks"] == []


def test_repricing_leaves_alone_what_is_not_said(at, printed):
    at("offered")
    printed("resource reprice h100-1 --price 3")
    assert last_command() == (
        "reprice_resource",
        {"id": "h100-1", "owner": "supplier:gpu", "price": 3_000000, "slots": 2},
    )
    printed("resource reprice h100-1 --slots 7")
    told = printed("resource show h100-1 --json")

    assert (told["price"], told["slots"]) == (3_000000, 7)


def test_resource_is_tested_by_a_job_of_its_own(at, printed):
    at("offered")
    printed("resource test h100-1")
    (task,) = printed("resource show h100-1 --json")["tasks"]

    assert (task["job"], task["what"]) == ("certify:h100-1:1", "deliver the work")
    printed("job deliver certify:h100-1:1 --file work")
    printed("beacon next links")
    printed("verdict draw certify:h100-1:1")
    for line in SAID:
        printed(line.replace("j1", "certify:h100-1:1"))
    assert printed("resource show h100-1 --json")["certificate"] == 2


def test_resource_loses_its_certificate_and_leaves(at, printed, refused):
    at("offered")
    printed("resource revoke h100-1 --reason", "found cheating")
    text = printed("resource show h100-1")

    assert "h100-1  training, revoked" in text
    assert "taken away, found cheating" in text
    assert "seat         none" in text
    assert "[no_seat]" in refused("resource claim h100-1")
    printed("resource retire h100-1")
    assert "[wrong_stage]" in refused("resource stake h100-1")


def test_seat_is_claimed_once_phase_1_is_over(at, printed, refused):
    at("closed")
    printed("day pay")
    assert "Phase 1" in refused("resource claim h100-1")
    for _ in range(3):
        printed("day close --sentiment 100")
    text = printed("resource show h100-1")
    told = printed("resource show h100-1 --json")["seat"]

    assert told["phase"] == 2
    assert told["accrued_micro_token"] > 5_000_000000
    assert "to be claimed: coopera resource claim h100-1" in text
    before = micro_units(printed, "supplier:gpu:token")
    printed("resource claim h100-1")
    after = micro_units(printed, "supplier:gpu:token")
    assert after == before + told["accrued_micro_token"]


def test_close_carries_on_the_sentiment_of_the_last_one(at, printed):
    at("closed")
    from_outside = "USD    asked for the token from outside"
    assert f"100.000000  {from_outside}" in printed("day show")
    printed("day close --sentiment 250")
    printed("day close")
    assert f"250.000000  {from_outside}" in printed("day show")
    printed("day close --sentiment 0")
    assert "from outside" not in printed("day show")


@pytest.mark.parametrize(
    ("filters", "names"),
    [
        ("", ["h100-1", "checker", "spare"]),
        ("--owner supplier:gpu", ["h100-1", "spare"]),
        ("--kind validator", ["checker"]),
        ("--stage registered", ["spare"]),
        ("--stage retired", []),
        ("--last 2", ["checker", "spare"]),
        ("--owner supplier:gpu --stage staked --last 1", ["h100-1"]),
    ],
)
def test_resources_are_listed_in_the_order_of_registration(at, printed, filters, names):
    at("offered")
    printed(REGISTER.format(**SPARE, name="spare", owner="supplier:gpu"))
    told = printed(f"resource list {filters} --json")
    text = printed(f"resource list {filters}")

    assert [each["name"] for each in told["resources"]] == names
    assert told["earlier"] == (1 if filters == "--last 2" else 0)
    assert all(name in text for name in names)
    assert ("1 earlier one;" in text) is (filters == "--last 2")


def test_list_says_how_resources_stand(at, printed):
    at("said")
    header, line, _ = printed("resource list").splitlines()

    assert header.split()[:3] == ["name", "kind", "device"]
    assert line.split() == [
        *("h100-1", "training", "h100", "us-west", "1.250000", "staked"),
        *("1", "0/2", "1/1", "1"),
    ]


def test_need_is_read_field_by_field(at, printed):
    at("offered")
    need = (
        "training device=h100,a100 region=us-west,us-east memory=80 count=8 "
        "latency=300 model=llm reputation=0.25"
    )
    printed(CREATE.format(name="j1"), "--need", need)
    _, command = last_command()
    (task,) = printed("job show j1 --json")["tasks"]

    assert command["needs"] == [
        {
            "kind": "training",
            "devices": ["h100", "a100"],
            "regions": ["us-west", "us-east"],
            "memory_gib": 80,
            "count": 8,
            "latency_ms": 300,
            "model": "llm",
            "min_reputation": 25 * 10**16,
        }
    ]
    assert task["need"] == command["needs"][0]
    assert (command["unit_price"], command["quantity"]) == (2_000000, 5_000000)
    assert (command["incentive"], command["units"]) == (500000, 10)
    # It is printed as it is read.
    assert f"needs    {need}" in printed("job show j1")


def test_job_without_needs_has_a_task_of_every_kind_that_is_paid(at, printed):
    at("offered")
    printed(CREATE.format(name="j1").replace("pipeline training", "pipeline serving"))
    tasks = printed("job show j1 --json")["tasks"]

    assert [each["need"]["kind"] for each in tasks] == ["training", "inference"]


def test_deadline_is_a_moment_or_a_time_from_now_on(at, printed):
    at("offered")
    before = time.time_ns() // 1000
    printed(CREATE.format(name="j1"))
    within = last_command()[1]["deadline"]
    deadline = f"--deadline {NEXT_WEEK.isoformat()}"
    printed(CREATE.format(name="j2").replace("--within 24h", deadline))

    assert before + 86_400_000000 <= within <= time.time_ns() // 1000 + 86_400_000000
    assert last_command()[1]["deadline"] == int(NEXT_WEEK.timestamp()) * 10**6
    listed = printed("job list --json")["jobs"]
    assert [each["name"] for each in listed] == ["j1", "j2"]
    utc = f"{NEXT_WEEK.astimezone(UTC):%Y-%m-%d %H:%M:%S} UTC"
    assert utc in printed("job list --last 1")


def test_job_is_cancelled_before_it_is_accepted(at, printed):
    at("offered")
    printed(CREATE.format(name="j1"))
    assert printed("job show j1 --json")["escrow_micro_usd"] == 10_500000
    printed("job match j1 h100-1")
    printed("job decline j1")
    assert printed("job show j1 --json")["tasks"][0]["declined"] == ["h100-1"]

    printed("job cancel j1")

    told = printed("job show j1 --json")
    assert (told["stage"], told["escrow_micro_usd"]) == ("refunded", 0)
    assert told["tasks"][0]["awaited"] == []
    assert micro_units(printed, "consumer:alice:credit") == 100_000000
    assert printed("job list --consumer consumer:bob") == "there are no such jobs\n"
    (job,) = printed("job list --consumer consumer:alice --stage refunded --json")[
        "jobs"
    ]
    assert job["name"] == "j1"


def test_task_has_to_be_named_where_several_wait(at, printed, refused):
    at("offered")
    needs = ("--need", "training", "--need", "training device=h100")
    printed(CREATE.format(name="j1"), *needs)

    said = refused("job match j1 h100-1")
    printed("job match j1 h100-1 --task 1")
    printed("job match j1 h100-1")

    assert "say which by --task, one of 0, 1" in said
    assert "[malformed]" in said
    assert last_command()[1] == {"job": "j1", "task": 0, "resource": "h100-1"}
    assert "tasks 0" not in printed("job accept j1 --task 1")
    assert last_command()[1] == {"job": "j1", "task": 1, "owner": "supplier:gpu"}


def test_job_says_who_is_awaited_at_every_stage(at, printed):
    at("offered")

    def awaited():
        (step,) = printed("job show j1 --json")["tasks"][0]["awaited"]
        assert step["command"] in printed("job show j1")
        return step["who"], step["what"], step["command"].split()[1:3]

    said = []
    lines = [*DELIVERED, *DRAWN, *SAID]
    for line in lines[:-1]:
        printed(line)
        said.append(awaited())
    printed(lines[-1])

    operator, gpu, val = "operator", "supplier:gpu", "supplier:val"
    assert said == [
        (operator, "match it to a resource", ["job", "match"]),
        (gpu, "accept or decline it", ["job", "accept"]),
        (gpu, "deliver the work", ["job", "deliver"]),
        (operator, "reveal the beacon's next link", ["beacon", "next"]),
        (operator, "draw validators", ["verdict", "draw"]),
        (val, "commit to a verdict", ["verdict", "commit"]),
        (val, "reveal its verdict", ["verdict", "reveal"]),
        (operator, "conclude the audit", ["verdict", "conclude"]),
    ]
    assert printed("job show j1 --json")["tasks"][0]["awaited"] == []


def test_resource_has_what_it_waits_for_and_what_it_has_to_do(at, printed):
    at("drawn")
    for name in ("h100-1", "checker"):
        (task,) = printed(f"resource show {name} --json")["tasks"]
        text = printed(f"resource show {name}")

        assert (task["job"], task["task"]) == ("j1", 0)
        assert (task["who"], task["what"]) == ("supplier:val", "commit to a verdict")
        assert task["until"] > time.time_ns() // 1000
        assert "task 0 of j1, supplier:val: commit to a verdict by 2" in text


def test_root_of_a_file_is_that_of_its_units(at, printed):
    folder = at("delivered")
    (task,) = printed("job show j1 --json")["tasks"]
    content = (folder / "work").read_bytes()
    size = len(content)
    level = [
        hashlib.sha256(b"\0" + content[i * size // 10 : (i + 1) * size // 10]).digest()
        for i in range(10)
    ]
    # Ten leaves: eight on the left, which make a full tree, and two on the right.
    left, right = level[:8], level[8:]
    while len(left) > 1:
        left = [node(*left[i : i + 2]) for i in range(0, len(left), 2)]

    assert task["root"] == node(left[0], node(*right)).hex()


def node(left, right):
    return hashlib.sha256(b"\1" + left + right).digest()


def test_unit_is_proven_against_the_books_and_against_a_root(at, run, printed):
    folder = at("delivered")
    told = printed("job prove work --units 10 --unit 3 --save unit --json")
    Path("proof").write_text(json.dumps(told))
    text = printed("job prove work --units 10 --unit 3")
    check = "job verify-unit unit --proof proof"
    by_root = f"{check} --root {told['root']} --units 10"

    assert told["root"] in text
    assert all(each in text for each in told["proof"])
    content = (folder / "work").read_bytes()
    assert (folder / "unit").read_bytes() == content[3 * 389 : 4 * 389]
    assert printed(f"{check} --unit 3 --job j1 --json")["verified"] is True
    assert printed(f"{check} --unit 3 --job j1 --task 0 --json")["verified"] is True
    assert "is unit 3 of 10" in printed(f"{by_root} --unit 3")
    for line in (f"{check} --unit 2 --job j1", f"{by_root} --unit 4"):
        code, out, err = run(*line.split())
        assert (code, err) == (1, "")
        assert "is NOT unit" in out
    Path("unit").write_bytes(b"another")
    code, out, _ = run(*check.split(), "--unit", "3", "--job", "j1", "--json")
    assert (code, json.loads(out)["verified"]) == (1, False)


def test_what_a_proof_says_of_itself_is_not_believed(at, run, printed):
    at("delivered")
    Path("other").write_bytes(b"x" * 3891)
    told = printed("job prove other --units 10 --unit 3 --save unit --json")
    Path("proof").write_text(json.dumps(told))

    line = "job verify-unit unit --proof proof --unit 3 --job j1"
    code, out, _ = run(*line.split())

    assert (code, "is NOT unit 3" in out) == (1, True)


def test_printed_salt_reveals_the_verdict(at, printed):
    at("drawn")
    told = printed("verdict commit j1 --validator checker --fail --json")
    salt = told["salt"]

    assert re.fullmatch("[0-9a-f]{64}", salt)
    printed(f"verdict reveal j1 --validator checker --fail --salt {salt}")
    printed("verdict conclude j1")
    told = printed("job show j1 --json")["tasks"][0]
    # Another panel has to confirm it; nobody else is there.
    assert (told["stage"], told["failed"]) == ("delivered", [])
    printed("beacon next links")
    printed("verdict draw j1")
    told = printed("job show j1 --json")["tasks"][0]
    # The work is lost, and another resource may do it.
    assert (told["stage"], told["failed"]) == ("created", ["h100-1"])


def test_salt_is_not_lost_where_the_books_do_not_answer(at, run):
    folder = at("drawn")
    with closing(sqlite3.connect(folder / "books.db")) as other:
        other.execute("BEGIN IMMEDIATE")
        code, out, err = run(*f"{SAID[0].partition(' --salts')[0]} --json".split())

    told = json.loads(out)["error"]
    assert (code, told["code"]) == (3, "unavailable")
    for said in (err, told["message"]):
        assert re.search(r"\(the key is [0-9a-f]{32}; salt [0-9a-f]{64}\)", said)
    assert err.endswith("[unavailable]\n")


def test_salt_is_printed_with_what_it_is_for(at, printed):
    at("drawn")
    text = printed("verdict commit j1 --validator checker --pass")
    first, second, receipt = text.splitlines()[:3]

    assert re.fullmatch("salt [0-9a-f]{64}", first)
    assert "needed to reveal this verdict" in second
    assert receipt.endswith("commit_verdict")


def test_salt_of_ones_own_is_taken(at, printed):
    at("drawn")
    salt = "5a" * 32
    printed(f"verdict commit j1 --validator checker --pass --salt {salt}")
    written = f"verdict:j1:0:checker:pass:{salt}"

    digest = hashlib.sha256(written.encode()).hexdigest()
    assert last_command()[1]["digest"] == digest


def test_salts_are_kept_where_their_owner_alone_reads_them(at, printed):
    folder = at("drawn")
    text = printed("verdict commit j1 --validator checker --pass --salts mine")

    assert "kept in mine" in text
    assert stat.S_IMODE((folder / "mine").stat().st_mode) == 0o600
    (salt,), damaged = kept(folder / "mine")
    assert (salt.job, salt.task, salt.validator, damaged) == ("j1", 0, "checker", 0)
    assert salt.passed is True
    assert salt.salt not in text
    printed("verdict reveal j1 --validator checker --salts mine --pass")
    assert last_command()[1]["salt"] == salt.salt


def test_trying_to_commit_keeps_no_salt(at, printed):
    folder = at("drawn")
    printed("verdict commit j1 --validator checker --pass --salts mine --dry-run")

    assert not (folder / "mine").exists()


def test_salt_that_counts_is_found_among_others(at, run, printed, refused):
    folder = at("drawn")
    printed("verdict commit j1 --validator checker --fail --salts mine")
    # Commitments with a key leave salts behind if refused, and a torn line may, too.
    again = "verdict commit j1 --validator checker --salts mine --key sent-again"
    for verdict in ("--pass", "--fail"):
        assert run(*again.split(), verdict)[0] == 2
    with (folder / "mine").open("ab") as file:
        file.write(b'{"version": 1, "job": "j1"')
    assert run(*again.split(), "--pass")[0] == 2
    refused("verdict commit j1 --validator checker --pass --salts mine")

    assert len(kept(folder / "mine")[0]) == 4
    assert kept(folder / "mine")[1] == 1
    said = refused("verdict reveal j1 --validator checker --pass --salts mine")
    assert "what was committed to is --fail" in said
    printed("verdict reveal j1 --validator checker --salts mine")
    assert last_command()[1]["passed"] is False


def test_file_without_the_right_salt_is_refused(at, printed, refused):
    folder = at("drawn")
    reveal = "verdict reveal j1 --validator checker --salts"
    assert "[unknown_record]" in refused(f"{reveal} mine")
    printed("verdict commit j1 --validator checker --pass --salts mine")

    keep(folder / "other", Salt("j1", 0, "checker", passed=True, salt="00" * 32))
    assert "none of the 1 salts in other reveals" in refused(f"{reveal} other")
    assert "[unreadable]" in refused(f"{reveal} nowhere")
    (folder / "mine").chmod(0o644)
    assert "chmod 600 mine" in refused(f"{reveal} mine")


@pytest.mark.parametrize(
    "line",
    [
        b"7",
        b"{}",
        b'{"version": 2, "job": "j1"}',
        b'{"version":1,"job":"j","task":"0","validator":"v","passed":true,"salt":""}',
        b'{"version": 1, "job": "j1", "more": 1}',
        b"\xff",
        b"[" * 5000,
    ],
)
def test_line_that_is_no_salt_is_counted_and_passed_over(tmp_path, line):
    path = tmp_path / "salts"
    path.write_bytes(line)
    path.chmod(0o600)
    salt = Salt("j1", 0, "v", passed=True, salt="00" * 32)
    keep(path, salt)

    assert kept(path) == ([salt], 1)


def test_salts_are_not_put_where_others_can_read_them(tmp_path):
    path = tmp_path / "salts"
    path.write_bytes(b"")
    path.chmod(0o644)
    salt = Salt("j1", 0, "v", passed=True, salt="00" * 32)

    with pytest.raises(Unreadable, match="chmod 600"):
        keep(path, salt)

    assert path.read_bytes() == b""
    with pytest.raises(Unreadable):
        keep(tmp_path, salt)


def test_validator_lists_what_it_was_drawn_for(at, printed):
    at("drawn")
    assert "drawn for nothing" in printed("verdict list --validator h100-1")
    (told,) = printed("verdict list --validator checker --json")["verdicts"]
    (work,) = printed("job show j1 --json")["tasks"]

    assert (told["job"], told["task"], told["verdict"]) == ("j1", 0, "silent")
    assert told["root"] == work["root"]
    assert told["looks_at"] == work["audit"]["units"]
    assert [each["what"] for each in told["awaited"]] == ["commit to a verdict"]
    assert "commit to a verdict" in printed("verdict list --validator checker")
    for line in SAID:
        printed(line)
    (told,) = printed("verdict list --validator checker --json")["verdicts"]
    assert (told["verdict"], told["over"], told["awaited"]) == ("pass", True, [])
    assert "nothing" in printed("verdict list --validator checker")


def test_panel_that_disagrees_waits_for_a_link_that_nobody_knows(at, printed):
    at("offered")
    Path("books.db").unlink()
    text = SMALL.format(held_back=1).replace("per_job = 1", "per_job = 3")
    Path("three.toml").write_text(text)
    printed("books open three.toml")
    for line in [*OPENED, *OFFERED]:
        if not line.startswith("beacon make"):
            printed(line)
    for n in (2, 3):
        printed(f"account open supplier:val{n}")
        printed(f"deposit supplier:val{n}:token 109 token --reference x{n}")
        printed(
            REGISTER.format(
                name=f"checker{n}",
                owner=f"supplier:val{n}",
                kind="validator",
                device="cpu",
                price="0",
                slots=2,
            )
        )
        printed(f"resource certify checker{n} --evidence seen")
        printed(f"resource stake checker{n}")
    for line in [*DELIVERED, *DRAWN]:
        printed(line)

    def awaited():
        (task,) = printed("job show j1 --json")["tasks"]
        return {each["resource"]: each["what"] for each in task["awaited"]}

    names = ["checker", "checker2", "checker3"]
    assert awaited() == dict.fromkeys(names, "commit to a verdict")
    for name, verdict in zip(names, ("pass", "fail", "pass"), strict=True):
        printed(f"verdict commit j1 --validator {name} --{verdict} --salts salts")
        names_left = set(names[names.index(name) + 1 :])
        assert set(awaited()) == (names_left or set(names))
    assert awaited() == dict.fromkeys(names, "reveal its verdict")
    for name in names:
        printed(f"verdict reveal j1 --validator {name} --salts salts")
    assert awaited() == {"": "conclude the audit"}

    printed("verdict conclude j1")

    assert awaited() == {"": "reveal the beacon's next link"}
    shown = printed("job show j1")
    assert "round 2, 0 on the panel" in shown
    assert "round 1   checker2: fail" in shown
    printed("beacon next links")
    assert awaited() == {"": "draw validators"}
    # Nobody is left to ask: the majority decides.
    printed("verdict draw j1")
    told = printed("job show j1 --json")
    assert told["stage"] == "settled"
    (lost,) = printed("verdict list --validator checker2 --json")["verdicts"]
    assert (lost["verdict"], lost["over"]) == ("fail", True)
    assert "nothing is wrong" in printed("audit")


def test_beacon_follows_its_file_to_the_next_one(at, printed, refused):
    folder = at("offered")
    told = printed("beacon make more --links 3 --json")
    assert stat.S_IMODE((folder / "more").stat().st_mode) == 0o600

    assert printed("beacon next links --json")["number"] == 1
    assert "one more link" not in printed("beacon next links")
    printed("beacon open more")
    assert "one more link" in refused("beacon next more")
    assert printed("beacon next links --json")["left"] == 37
    assert told["anchor"][:16] in refused("beacon next links")
    assert "2 are left: make the next chain" in printed("beacon next more")
    assert [printed("beacon next more --json")["left"] for _ in range(2)] == [1, 0]
    assert "--abandon" in refused("beacon next more")
    printed("beacon open links --abandon")
    assert printed("beacon next links --json")["number"] == 1


def test_beacon_that_was_never_opened_says_so(tmp_path, at, printed, refused):
    printed("books open minimal")
    printed("beacon make links --links 3")

    assert "coopera beacon open links" in refused("beacon next links")


def test_day_says_what_it_brought_and_owes(at, printed):
    at("offered")
    assert printed("day show --json") == {"closed": None, "under_way": 0, "owed": []}
    assert "no day is closed yet; day 0 is under way" in printed("day show")
    at("said")
    shown = printed("resource show h100-1")
    assert "day 0: 10.500000 USD of income, demo:training" in shown
    at("closed")
    told = printed("day show --json")
    text = printed("day show")

    assert (told["closed"]["day"], told["under_way"]) == (0, 1)
    assert told["closed"]["income"] == 10_500000
    owed = {each["payday"]: each for each in told["owed"]}
    assert set(owed) == {"0:demo:training", "0:-:validator"}
    assert owed["0:demo:training"]["usd"] == told["closed"]["dollars"] == 3_675000
    assert owed["0:demo:training"]["token"] == told["closed"]["bought"]
    for said in ("day 0, closed", "10.500000  USD    income, of 1 job", "still owed"):
        assert said in text


def test_what_is_owed_is_paid_to_the_last_unit(at, printed):
    at("closed")
    (owed,) = (
        each
        for each in printed("day show --json")["owed"]
        if each["payday"] == "0:demo:training"
    )
    text = printed("day show")

    told = printed("day pay --json")

    assert "0.282500 token, as far as the float has them" in text
    assert printed("day show --json")["owed"] == []
    assert "everybody is paid" in printed("day show")
    assert printed("day pay") == "everybody is paid\n"
    # The pay of the last job is held back, that for verdicts is not.
    nothing = {"usd": 0, "token": 0}
    verdict = {"usd": 0, "token": 282500}
    held = {key: owed[key] for key in ("usd", "token")}
    assert told == {
        "earners": 2,
        "paid_micro_units": verdict,
        "held_back_micro_units": held,
        "forfeited_micro_units": nothing,
    }
    shown = printed("resource show h100-1 --json")
    assert shown["held_back_micro_units"] == held
    printed("resource retire h100-1")
    assert micro_units(printed, "supplier:gpu:usd") == held["usd"]
    assert micro_units(printed, "supplier:val:token") == 100_282500
    assert "nothing is wrong" in printed("audit")


def test_pay_becomes_free_as_later_jobs_go_well(at, printed):
    at("closed")
    printed("day pay")
    # The second job earns as much as the first, which is held back no more.
    for line in [*DELIVERED, "beacon next links", "verdict draw j1", *SAID]:
        printed(line.replace("j1", "j2"))
    printed("day close")
    (owed,) = (
        each
        for each in printed("day show --json")["owed"]
        if each["payday"] == "1:demo:training"
    )
    text = printed("day pay")

    assert micro_units(printed, "supplier:gpu:usd") == 3_675000
    assert "3.675000  USD    paid to 2 earners" in text
    held = printed("resource show h100-1 --json")["held_back_micro_units"]
    assert held == {key: owed[key] for key in ("usd", "token")}


@pytest.mark.parametrize(
    ("stage", "line", "caller"),
    [
        ("offered", "resource reprice h100-1 --price 1", "supplier:gpu"),
        ("offered", "resource test h100-1", "supplier:gpu"),
        ("offered", "resource retire h100-1", "supplier:gpu"),
        ("offered", CREATE.format(name="j9"), "consumer:alice"),
        ("drawn", "verdict commit j1 --validator checker --pass", "supplier:val"),
        (
            "drawn",
            REGISTER.format(**SPARE, name="n", owner="supplier:eve"),
            "supplier:eve",
        ),
    ],
)
def test_member_gives_what_concerns_it_and_nobody_elses(
    at, printed, refused, stage, line, caller
):
    at(stage)
    said = refused(f"{line} --caller supplier:bob")
    assert said.endswith("[not_allowed]\n")
    assert "not by supplier:bob" in said

    printed(f"{line} --caller {caller}")


@pytest.mark.parametrize(
    ("stage", "line"),
    [
        ("offered", "resource certify h100-1 --evidence x"),
        ("offered", "resource revoke h100-1 --reason x"),
        ("offered", "beacon next links"),
        ("offered", "beacon open links"),
        ("delivered", "job match j1 h100-1"),
        ("drawn", "verdict draw j1"),
        ("drawn", "verdict conclude j1"),
        ("said", "day close"),
    ],
)
def test_what_the_operator_gives_no_member_may(at, refused, stage, line):
    at(stage)

    said = refused(f"{line} --caller supplier:gpu")

    assert said.endswith("and not by supplier:gpu [not_allowed]\n")


def test_owner_that_is_named_is_held_to(at, refused):
    at("offered")
    for line in (
        "resource reprice h100-1 --price 1 --owner supplier:eve",
        "resource stake checker --owner supplier:eve --caller supplier:eve",
    ):
        said = refused(line)
        assert "belongs to supplier:" in said
        assert said.endswith("[not_allowed]\n")


REG = "resource register n --owner supplier:gpu --kind training --device h100"
REST = "--region us-west --latency 200 --price 1"


@pytest.mark.parametrize(
    ("line", "code", "said"),
    [
        (f"{REG} {REST} --count x", "malformed", "--count is 'x'; write a whole"),
        (f"{REG} {REST} --count 0", "malformed", "count is 0; it must be from 1"),
        (f"{REG} {REST} --memory 1.5", "malformed", "--memory is '1.5'"),
        (f"{REG} {REST} --memory -1", "negative_amount", "-1"),
        (f"{REG} {REST} --latency 0", "malformed", "latency_ms is 0"),
        (f"{REG} {REST} --latency 1s", "malformed", "--latency is '1s'"),
        (f"{REG} {REST} --price $1", "malformed", "--price is '$1'; write a plain"),
        (f"{REG} {REST} --price 1.0000001", "malformed", "6 decimals"),
        (f"{REG} {REST} --price -1", "negative_amount", "-1000000"),
        (f"{REG} {REST} --slots 1001", "malformed", "from 1 to 1000"),
        (f"{REG} {REST} --slots {'9' * 30}", "malformed", "--slots is"),
        (f"{REG} {REST} --model L", "malformed", "models is 'L'"),
        (f"{REG} {REST} --region Mars!", "malformed", "region is 'Mars!'"),
        (f"{REG} {REST} --kind gpu", "unknown_kind", "training, inference, validator"),
        (f"{REG} {REST} --device H100", "malformed", "device is 'H100'"),
        (f"{REG} {REST} --owner alice", "malformed", "role:name"),
        (f"{REG} {REST} --owner supplier:new", "unknown_account", "supplier:new"),
        (f"{REG} {REST} --key x", "malformed", "8 to 64"),
        (f"{REG} {REST} --books nowhere.db", "bad_books", "coopera books open"),
        (REG.replace(" n ", " N! ") + f" {REST}", "malformed", "id is 'N!'"),
        (REG.replace(" n ", " checker ") + f" {REST}", "already_exists", "checker"),
        ("resource reprice h100-1 --price cheap", "malformed", "'cheap'"),
        ("resource reprice h100-1 --slots 0", "malformed", "slots is 0"),
        ("resource reprice none --price 1", "unknown_record", "coopera resource list"),
        ("resource test none", "unknown_record", "'none'"),
        ("resource certify none --evidence x", "unknown_record", "'none'"),
        ("resource certify h100-1 --evidence", "malformed", "evidence is ''"),
        ("resource stake h100-1", "wrong_stage", "staked already"),
        ("resource stake none", "unknown_record", "'none'"),
        ("resource claim checker", "no_seat", "checker"),
        ("resource claim none", "unknown_record", "'none'"),
        ("resource revoke none --reason x", "unknown_record", "'none'"),
        ("resource retire none", "unknown_record", "'none'"),
        ("resource show none", "unknown_record", "coopera resource list"),
        ("job cancel none", "unknown_record", "coopera job list"),
        ("job match none h100-1", "unknown_record", "'none'"),
        ("job accept none", "unknown_record", "'none'"),
        ("job decline none", "unknown_record", "'none'"),
        ("job deliver none --file work", "unknown_record", "'none'"),
        ("job show none", "unknown_record", "coopera job list"),
        ("job cancel j1", "wrong_stage", "delivered"),
        ("job cancel j1 --consumer consumer:bob", "not_allowed", "consumer:alice"),
        ("job match j1 h100-1", "wrong_stage", "must be created"),
        ("job match j1 h100-1 --task 7", "unknown_record", "no task 7"),
        ("job match j1 h100-1 --task x", "malformed", "--task is 'x'"),
        ("job match j1 h100-1 --task -1", "negative_amount", "task is -1"),
        ("job accept j1", "wrong_stage", "must be matched"),
        ("job accept j1 --task 3", "unknown_record", "no task 3"),
        ("job decline j1", "wrong_stage", "must be matched"),
        ("job deliver j1 --file work", "wrong_stage", "must be accepted"),
        ("job deliver j1", "malformed", "--root and --file"),
        ("job deliver j1 --file work --root 00", "malformed", "both are given"),
        ("job deliver j1 --file nowhere", "unreadable", "nowhere cannot be read"),
        ("job deliver j1 --file .", "unreadable", "directory"),
        ("job deliver j1 --file empty", "malformed", "empty is empty"),
        ("job deliver j1 --file tiny", "malformed", "2 bytes and is checked in 10"),
        ("job deliver j1 --file work --work 1.5", "malformed", "--work is '1.5'"),
        ("job prove nowhere --units 2 --unit 0", "unreadable", "nowhere"),
        ("job prove work --units 0 --unit 0", "malformed", "--units is 0"),
        ("job prove work --units two --unit 0", "malformed", "--units is 'two'"),
        ("job prove work --units 2 --unit 2", "malformed", "units 0 to 1"),
        ("job prove work --units 2 --unit -1", "malformed", "--unit is -1"),
        ("job prove work --units 9999999 --unit 1", "malformed", "9999999 units"),
        ("job prove work --units 2 --unit 0 --save work", "already_exists", "work is"),
        ("job prove work --units 2 --unit 0 --save no/x", "unreadable", "no/x"),
        ("job verify-unit tiny --proof proof --unit 0", "malformed", "--job, or"),
        (
            "job verify-unit tiny --proof proof --unit 0 --root 00",
            "malformed",
            "--root and --units",
        ),
        (
            "job verify-unit tiny --proof proof --unit 0 --root 00 --units 2",
            "malformed",
            "64 hexadecimal digits",
        ),
        (
            "job verify-unit tiny --proof work --unit 0 --job j1",
            "unreadable",
            "holds no proof",
        ),
        (
            "job verify-unit tiny --proof nowhere --unit 0 --job j1",
            "unreadable",
            "nowhere",
        ),
        (
            "job verify-unit nowhere --proof proof --unit 0 --job j1",
            "unreadable",
            "nowhere",
        ),
        (
            "job verify-unit tiny --proof proof --unit 10 --job j1",
            "malformed",
            "units 0 to 9",
        ),
        (
            "job verify-unit tiny --proof proof --unit 0 --job none",
            "unknown_record",
            "'none'",
        ),
        (
            "job verify-unit tiny --proof proof --unit 0 --job j1 --task 1",
            "unknown_record",
            "for --task: 0",
        ),
        ("verdict draw j1", "too_early", "next link is not revealed"),
        ("verdict draw none", "unknown_record", "'none'"),
        ("verdict commit j1 --validator checker", "malformed", "--pass or --fail"),
        ("verdict commit j1 --validator checker --pass --salt ab", "malformed", "'ab'"),
        ("verdict commit j1 --validator none --pass", "unknown_record", "'none'"),
        ("verdict commit none --validator checker --pass", "unknown_record", "'none'"),
        ("verdict commit j1 --validator checker --pass", "unknown_record", "audit"),
        ("verdict reveal j1 --validator checker --pass", "malformed", "--salts"),
        (
            "verdict reveal j1 --validator checker --salt 00 --salts x",
            "malformed",
            "both are",
        ),
        ("verdict reveal j1 --validator checker --salt 00", "malformed", "--pass or"),
        (
            "verdict reveal j1 --validator checker --pass --salt 00",
            "unknown_record",
            "audit",
        ),
        ("verdict reveal none --validator checker --salts x", "unknown_record", "none"),
        ("verdict conclude j1", "unknown_record", "audit"),
        ("verdict conclude j1 --task x", "malformed", "--task is 'x'"),
        ("verdict list --validator none", "unknown_record", "'none'"),
        ("beacon make links --links 5", "already_exists", "may be in use"),
        ("beacon make new --links 0", "malformed", "links is 0"),
        ("beacon make new --links many", "malformed", "'many'"),
        ("beacon make no/new --links 5", "unreadable", "no/new"),
        ("beacon open nowhere", "unreadable", "coopera beacon make nowhere"),
        ("beacon open shared", "unreadable", "chmod 600 shared"),
        ("beacon next shared", "unreadable", "chmod 600 shared"),
        ("beacon next other", "unknown_record", "name the file of the chain"),
        ("beacon next nowhere", "unreadable", "nowhere"),
        ("day close --sentiment lots", "malformed", "--sentiment is 'lots'"),
        ("day close --sentiment -1", "negative_amount", "-1"),
        ("day close --day x", "malformed", "--day is 'x'"),
        ("day close --day 5", "epoch_out_of_order", "5"),
        ("day pay --books nowhere.db", "bad_books", "coopera books open"),
        ("day show --books nowhere.db", "bad_books", "coopera books open"),
        ("job list --books nowhere.db", "bad_books", "coopera books open"),
    ],
)
def test_bad_input_is_refused_in_one_sentence(at, refused, printed, line, code, said):
    at("delivered")
    Path("empty").write_bytes(b"")
    Path("tiny").write_bytes(b"ab")
    Path("proof").write_text('{"proof": []}')
    shutil.copy("links", "shared")
    Path("shared").chmod(0o640)
    printed("beacon make other --links 5")
    arguments = line.split()
    if arguments[-1] == "--evidence":
        arguments.append("")

    told = refused("", *arguments)

    assert told.endswith(f"[{code}]\n"), told
    assert said in told


@pytest.mark.parametrize(
    ("options", "code", "said"),
    [
        (["--within", "soon"], "malformed", "as 90s, 30m, 24h or 7d"),
        (["--within", "1.5h"], "malformed", "'1.5h'"),
        (["--within", "0s"], "too_late", "set a later one"),
        (["--deadline", "tomorrow"], "malformed", "2026-01-31"),
        (["--deadline", "2020-01-01"], "too_late", "set a later one"),
        ([], "malformed", "neither is given"),
        (["--within", "1h", "--deadline", "2199-01-01"], "malformed", "both are"),
        (["--within", "1h", "--unit-price", "two"], "malformed", "--unit-price is"),
        (["--within", "1h", "--unit-price", "0"], "zero_amount", "unit_price"),
        (["--within", "1h", "--quantity", "1e3"], "malformed", "--quantity is"),
        (["--within", "1h", "--incentive", "x"], "malformed", "--incentive is"),
        (["--within", "1h", "--units", "x"], "malformed", "--units is"),
        (["--within", "1h", "--units", "0"], "zero_amount", "units is 0"),
        (["--within", "1h", "--consumer", "bob"], "malformed", "role:name"),
        (["--within", "1h", "--pipeline", "x"], "unknown_service", "serving"),
        (["--within", "1h", "--project", "x"], "unknown_service", "demo"),
        (["--within", "1h", "--quantity", "99"], "insufficient_balance", "alice"),
        (["--within", "999d"], "malformed", "UTC at most; set an earlier one"),
        (
            ["--within", "1h", "--incentive", "0", "--unit-price", "0.0001"],
            *("price_too_low", "order more at once, or pay more"),
        ),
        (["--within", "1h", "--unit-price", "9999"], "price_too_high", "several jobs"),
        (["--within", "1h", "--need", "rendering"], "unknown_kind", "it pays training"),
        (["--within", "1h", "--need", ""], "malformed", "kind first"),
        (["--within", "1h", "--need", "device=h100"], "malformed", "kind first"),
        (["--within", "1h", "--need", "inference"], "unknown_kind", "training"),
        (["--within", "1h", "--need", "training gpu=1"], "malformed", "device, region"),
        (["--within", "1h", "--need", "training count"], "malformed", "FIELD=VALUE"),
        (["--within", "1h", "--need", "training count="], "malformed", "FIELD=VALUE"),
        (["--within", "1h", "--need", "training count=x"], "malformed", "count of"),
        (["--within", "1h", "--need", "training count=-1"], "negative_amount", "-1"),
        (["--within", "1h", "--need", "training device=a,,b"], "malformed", "commas"),
        (["--within", "1h", "--need", "training device=A"], "malformed", "devices"),
        (["--within", "1h", "--need", "training reputation=x"], "malformed", "0.5"),
        (["--within", "1h", "--need", "training reputation=2"], "malformed", "from 0"),
        (
            ["--within", "1h", "--need", "training memory=1 memory=2"],
            *("malformed", "twice"),
        ),
        (["--within", "1h", "--need", "training model=L"], "malformed", "model"),
    ],
)
def test_order_that_cannot_be_is_refused(at, refused, options, code, said):
    at("offered")
    line = CREATE.format(name="j1").replace(" --within 24h", "")

    told = refused(line, *options)

    assert told.endswith(f"[{code}]\n"), told
    assert said in told


COMMIT = "verdict commit j1 --validator checker --pass"
NOTHING = "00" * 32


@pytest.mark.parametrize(
    ("stage", "line", "code", "said"),
    [
        # Work that is there already, or was for another.
        ("delivered", "job deliver j1 --file work", "wrong_stage", "must be accepted"),
        ("delivered", "job accept j1", "wrong_stage", "is delivered; it must be"),
        ("delivered", "job match j1 h100-1", "wrong_stage", "it must be created"),
        ("delivered", "job cancel j1", "wrong_stage", "before it is accepted"),
        ("said", "job deliver j1 --file work", "wrong_stage", "j1 is settled"),
        # Verdicts of who was not drawn, or for another; too early, and once more.
        ("delivered", COMMIT, "unknown_record", "draw its validators first"),
        (
            "drawn",
            "verdict commit j1 --validator h100-1 --pass",
            *("not_drawn", "drawn, and awaited, are checker"),
        ),
        ("drawn", f"{COMMIT} --owner supplier:eve", "not_allowed", "supplier:val"),
        ("drawn", f"{COMMIT} --caller supplier:eve", "not_allowed", "supplier:eve"),
        ("drawn", f"{COMMIT} --salts no/file", "unreadable", "no/file"),
        ("drawn", "verdict draw j1", "already_exists", "they have until 20"),
        ("drawn", "verdict conclude j1", "too_early", "UTC; wait until then"),
        (
            "drawn",
            f"verdict reveal j1 --validator checker --pass --salt {NOTHING}",
            *("wrong_stage", "has to be committed to first"),
        ),
        ("drawn", "do expire_task job=j1 task=0", "wrong_stage", "conclude its audit"),
        ("said", "verdict conclude j1", "wrong_stage", "only an open one goes on"),
        ("said", COMMIT, "wrong_stage", "only an open one goes on"),
        # Messages that come once more, or never were right.
        (
            "said",
            "deposit consumer:alice:credit 100 usd --reference ch_1",
            *("reference_used", "'ch_1'"),
        ),
        ("said", f"do reveal_link link={NOTHING}", "malformed", "that hashes to"),
        ("said", "do reveal_canary id=j1 passed=true salt=00", "wrong_stage", "j1"),
    ],
)
def test_message_that_comes_too_late_or_from_another_is_refused(
    at, refused, printed, stage, line, code, said
):
    at(stage)

    told = refused(line)

    assert told.endswith(f"[{code}]\n"), told
    assert said in told
    assert printed("audit --json")["clean"]


def test_day_is_closed_and_paid_once(at, printed, refused):
    at("closed")
    printed("day pay")

    assert "the next is day 1" in refused("day close --day 0")
    told = refused("do pay_earnings payday=0:demo:training")
    assert "all 1 of payday 0:demo:training are paid already" in told


def test_verdict_is_said_once(at, printed, refused):
    at("drawn")
    printed(SAID[0])
    assert "reveal that one" in refused(f"{SAID[0]}.new".replace("--pass", "--fail"))
    assert not Path("salts.new").exists()
    told = refused(f"verdict reveal j1 --validator checker --pass --salt {NOTHING}")
    assert "was committed to; give what that was made of" in told
    printed(SAID[1])
    assert "has revealed its verdict already" in refused(SAID[1])


def test_what_is_sent_again_with_its_key_is_done_once(at, printed, refused):
    at("offered")
    for line in DELIVERED[:3]:
        printed(line)
    line = "job deliver j1 --file work --key delivery-1 --json"
    first = printed(line)
    before = everything()

    assert printed(line) == first
    assert everything() == before
    Path("other").write_bytes(b"0" * 100)
    assert "[key_reused]" in refused(line.replace("work", "other"))
    printed("beacon next links")
    printed("verdict draw j1")
    line = f"{COMMIT} --salt {NOTHING} --key verdict-1 --json"
    assert printed(line) == printed(line)


@pytest.mark.parametrize(
    ("lines", "line", "code", "said"),
    [
        ([], "job match j1 raw", "not_eligible", "it is registered, and must be st"),
        ([], "resource stake raw", "not_certified", "have it certified first"),
        (
            ["resource certify raw --evidence seen", "resource stake raw"],
            "job match j1 raw",
            *("not_eligible", "its device does not fit: it is a100, and must be h100"),
        ),
        (
            [
                "resource certify poor --evidence seen",
                "resource stake poor",
                "job match j1 poor",
            ],
            "job accept j1",
            *("insufficient_balance", "supplier:eve:token holds 0 micro-units"),
        ),
        (
            ["resource certify judge --evidence seen"],
            "resource stake judge",
            *("insufficient_balance", "add 100000000, or ask for less"),
        ),
    ],
)
def test_supplier_without_what_it_needs_is_refused(
    at, refused, printed, lines, line, code, said
):
    at("offered")
    who = {"owner": "supplier:eve", "price": "0.5", "slots": 1}
    for name, kind, device in (
        ("raw", "training", "a100"),
        ("poor", "training", "h100"),
        ("judge", "validator", "cpu"),
    ):
        what = {"name": name, "kind": kind, "device": device}
        printed(REGISTER.format(**what, **who))
    printed(f"{CREATE.format(name='j1')} --need", "training device=h100")
    for each in lines:
        printed(each)

    told = refused(line)

    assert told.endswith(f"[{code}]\n"), told
    assert said in told
    assert printed("audit --json")["clean"]


def test_every_command_takes_the_options_of_its_sort():
    reading = {"list", "show", "pay", "make", "prove", "verify-unit", "why", "run"}
    for group in COMMANDS:
        assert isinstance(group, click.Group)
        for name, command in group.commands.items():
            names = {opt for each in command.params for opt in each.opts}
            assert "--json" in names, name
            if name not in reading:
                given = {"--books", "--caller", "--dry-run", "--key"}
                assert given <= names, name


def test_help_of_every_command_starts_with_what_it_does(run):
    for group in COMMANDS:
        assert isinstance(group, click.Group)
        for name, command in group.commands.items():
            code, out, _ = run(str(group.name), name, "--help")
            said = out.split("\n\n")[1].strip()
            assert code == 0
            assert said[0].isupper(), name
            assert said.splitlines()[0].split()[0].isalpha(), name
            assert command.short_help


def test_help_lists_every_command_in_its_part(run):
    _, out, _ = run("--help")
    listed = set(re.findall(r"^  (\w[\w-]*) {2,}\S", out, re.MULTILINE))

    for title in ("Simulation and settings:", "The books:", "The market:"):
        assert title in out
    assert listed >= set(cli.commands)
    assert out.index("The market:") < out.index("  resource ")


def test_dry_run_of_a_market_command_writes_nothing(at, printed):
    at("offered")
    before = rows()

    told = printed(f"{CREATE.format(name='j1')} --dry-run --json")

    assert rows() == before
    assert [each["micro_units"] for each in told["transfers"]] == [10_500000]


def test_same_key_orders_once(at, printed, refused):
    at("offered")
    deadline = f"--deadline {NEXT_WEEK.isoformat()}"
    line = CREATE.format(name="j1").replace("--within 24h", deadline)
    first = printed(f"{line} --key order-0001 --json")

    assert printed(f"{line} --key order-0001 --json") == first
    said = refused(f"{CREATE.format(name='j1')} --key order-0001")
    assert f"receipt {first['receipt']}" in said
    assert said.endswith("[key_reused]\n")
