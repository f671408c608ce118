"""The market that runs on the command line, and says why."""

import json
import os
import signal
import subprocess
import sys
import time
from hashlib import sha256
from typing import Any

import pytest
from click.testing import CliRunner

from coopera.cli import cli
from coopera.errors import Malformed, Refusal, TooEarly, WrongStage
from coopera.protocol.validation import verdict_digest
from coopera.service.market.canaries import Prepared, prepare
from coopera.store.opening import open_store

ENOUGH = 120
"""Seconds that no process of these tests takes."""
ROOT, SALT = sha256(b"the work").hexdigest(), "5a" * 32
SMALL = """
preset = "minimal"
[validation]
validators_per_job = 1
held_back_jobs = 0
canary_rate = 1
[pricing]
price_floor_usd = 1
"""
ORDER = (
    "job create {name} --consumer consumer:alice --pipeline training --project demo"
    " --unit-price 2.00 --quantity 5 --within 24h"
)
RESOURCE = (
    "resource register {name} --owner {owner} --kind {kind} --device h100 --count 8"
    " --memory 80 --region {region} --latency 200 --price {price}"
)


@pytest.fixture(autouse=True)
def books(tmp_path, monkeypatch):
    """Open a small market in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "small.toml").write_text(SMALL)
    gives("books open small.toml")
    for who in ("consumer:alice", "supplier:gpu", "supplier:val"):
        gives(f"account open {who}")
    gives("deposit consumer:alice:credit 100 usd --reference ch_1")
    for who in ("gpu", "val"):
        gives(f"deposit supplier:{who}:token 300 token --reference {who}")
    offers("r1")
    offers("checker", "supplier:val", "validator", price=0)
    return tmp_path


def gives(line):
    """Give a command that is done: what it prints."""
    done = CliRunner().invoke(cli, line.split(), standalone_mode=False)
    assert done.exit_code == 0, (line, done.exception, done.output)
    return done.output


def refuses(refusal, line, stdin=None):
    done = CliRunner().invoke(cli, line.split(), standalone_mode=False, input=stdin)
    assert isinstance(done.exception, refusal), done.exception
    return str(done.exception)


def tells(line):
    return json.loads(gives(f"{line} --json"))


def offers(name, owner="supplier:gpu", kind="training", region="us", price=1):
    what = {"owner": owner, "kind": kind, "region": region, "price": price}
    gives(RESOURCE.format(name=name, **what))
    gives(f"resource certify {name} --evidence seen")
    gives(f"resource stake {name}")


def command(kind, key="", caller="operator", **fields):
    given = {"kind": kind, "caller": caller, "fields": fields}
    return json.dumps({**given, "key": key} if key else given)


def started(*options) -> Any:
    """Start the market as a process."""
    return subprocess.Popen(  # noqa: S603
        [sys.executable, "-m", "coopera.cli", "market", "run", *options],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )


def says(process, line):
    """Give a line to a process: whether it was done."""
    process.stdin.write(line + "\n")
    process.stdin.flush()
    return "receipt" in json.loads(process.stdout.readline())


def run(*lines, options=()):
    """Run the market over some lines: its answers."""
    process = started("--json", *options)
    out, err = process.communicate("\n".join(lines), timeout=ENOUGH)
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


def test_job_goes_from_order_to_pay_by_lines(books):
    gives("beacon make links --links 10")
    gives(ORDER.format(name="j1"))
    assert tells("market run --once --links links")["done"] == {
        "match_task": 1,
        "open_beacon": 1,
    }
    owner = {"job": "j1", "task": 0, "owner": "supplier:gpu"}
    answers = run(
        command("accept_task", "accepting", "supplier:gpu", **owner),
        command("deliver_task", **owner, root=ROOT),
        options=("--links", "links", "--for", "3s"),
    )
    assert [each["kind"] for each in answers] == ["accept_task", "deliver_task"]
    assert answers[0]["key"] == "accepting"

    digest = verdict_digest("j1", 0, "checker", SALT, passed=True)
    says = {"job": "j1", "task": 0, "validator": "checker", "owner": "supplier:val"}
    answers = run(
        command("commit_verdict", **says, digest=digest),
        command("reveal_verdict", **says, passed=True, salt=SALT),
        options=("--links", "links"),
    )
    assert [each["line"] for each in answers] == [1, 2]
    assert tells("job show j1")["stage"] == "settled"
    assert tells("market run --once")["done"] == {}
    assert gives("market run --once") == "nothing was to be done\n"


def test_answers_of_lines_that_cannot_be_done(books):
    answers = run(
        "nonsense",
        "[]",
        '{"kind": "cancel_job", "fields": [], "key": "key-0001"}',
        '{"kind": "cancel_job", "more": 1}',
        "\udcff".encode("utf-8", "surrogateescape").decode("latin-1"),
        command("cancel_jobs", id="j1"),
        command("cancel_job", id="j1", consumer=5),
        command("cancel_job", id="j1"),
        command("cancel_job", id="j1", consumer="consumer:alice", extra=""),
        command("cancel_job", id="j1", consumer="consumer:alice"),
        command("cancel_job", "short", id="j1", consumer="consumer:alice"),
        command("open_accounts", owner="holder:h1"),
        command("open_accounts", caller="holder:h1", owner="holder:h2"),
    )
    codes = {
        each["line"]: each.get("error", {"code": "done"})["code"] for each in answers
    }
    wrong = dict.fromkeys(range(1, 10), "malformed")
    assert codes == wrong | {
        10: "unknown_record",
        11: "malformed",
        12: "done",
        13: "not_allowed",
    }
    said = {e["line"]: e["error"]["message"] for e in answers if "error" in e}
    assert all(said.values())
    assert "but cancel_job" in said[6]


def test_many_lines_are_all_answered(books):
    lines = [command("open_accounts", owner=f"holder:h{n}") for n in range(6_000)]
    answers = run(*lines)
    assert sorted(each["line"] for each in answers) == list(range(1, 6_001))
    assert len({each["receipt"] for each in answers}) == 6_000


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupt_ends_it_once_all_is_answered(books, number):
    with started("--json") as process:
        assert says(process, command("open_accounts", owner="holder:h1"))
        process.send_signal(number)
        # Its input is still open: that is not what it waits for.
        assert process.wait(ENOUGH) == 0
        assert (process.stdout.read(), process.stderr.read()) == ("", "")
    gives("account open holder:h2")


def test_interrupt_before_it_runs_leaves_nothing_held(books):
    process = started("--json")
    process.send_signal(signal.SIGTERM)
    process.communicate(timeout=ENOUGH)
    gives("account open holder:h2")


def test_time_that_is_given_is_not_waited_for_longer(books):
    began = time.monotonic()
    assert run(command("open_accounts", owner="holder:h1"), options=("--for", "2s"))
    assert time.monotonic() - began >= 2


def test_plain_answers_are_for_people(books):
    process = started()
    lines = [command("open_accounts", owner="holder:h1"), "nonsense"]
    out, _ = process.communicate("\n".join(lines), timeout=ENOUGH)
    said = sorted(out.splitlines())
    assert said[0].startswith("1  receipt ")
    assert said[0].endswith("  open_accounts")
    assert said[1].startswith("2  refused: the line is no JSON")
    assert said[1].endswith("[malformed]")


def test_canaries_are_slipped_in(books):
    gives("beacon make links --links 10")
    work = Prepared("training", "training", "cd" * 32, 10, 2_000_000, passed=True)
    prepare(books / "canaries", *[work] * 20)
    gives(ORDER.format(name="j1"))
    files = ("--links", "links", "--canaries", "canaries")
    owner = {"job": "j1", "task": 0, "owner": "supplier:gpu"}
    tells("market run --once")
    run(
        command("accept_task", **owner),
        command("deliver_task", **owner, root=ROOT),
        options=(*files, "--for", "3s"),
    )
    # The whole of a rate of one cannot be had: nine for each that is real.
    store = open_store("books.db", writes=False)
    birds = [json.loads(body) for body in store.records("job").values()]
    store.close()
    assert sum(bool(each["canary"]) for each in birds) == 9


def test_canary_whose_file_is_lost_is_ended_as_its_job_says(books, monkeypatch):
    gives("beacon make links --links 10")
    gives("beacon open links")
    what = f"root={ROOT} digest={'ab' * 32} units=10 price=2000000"
    gives(f'do post_canary id=c1 pipeline=training need={{"kind":"training"}} {what}')
    gives("beacon next links")
    gives("verdict draw c1")
    assert "wait until then" in refuses(TooEarly, "do expire_task job=c1 task=0")
    now, later = time.time_ns, 20 * 60 * 10**9
    monkeypatch.setattr(time, "time_ns", lambda: now() + later)
    (task,) = tells("job show c1")["tasks"]
    reveal, end = (step["command"] for step in task["awaited"])

    assert reveal.startswith("coopera do reveal_canary id=c1 ")
    assert "nothing moves" in gives(end.removeprefix("coopera "))
    assert tells("job show c1")["stage"] == "refunded"
    checker = tells("resource show checker")
    assert (checker["busy"], checker["total"], checker["unpaid"]) == (0, 0, [])
    assert "nothing is wrong" in gives("audit")


def test_market_that_is_killed_goes_on_where_it_was(books):
    gives("beacon make links --links 50")
    for n in range(2, 5):
        offers(f"r{n}")
    gives("deposit consumer:alice:credit 400 usd --reference ch_2")
    for n in range(30):
        gives(ORDER.format(name=f"j{n}"))
    files = ("--json", "--links", "links", "--for", "60s")
    for kills in range(6):
        with started(*files) as process:
            store = open_store("books.db", writes=False)
            for name, body in sorted(store.open_records("job").items()):
                task = json.loads(body)["tasks"][0]
                owner = {"job": name, "task": 0, "owner": "supplier:gpu"}
                if task["stage"] == "matched":
                    process.stdin.write(command("accept_task", **owner) + "\n")
                if task["stage"] in ("matched", "accepted"):
                    given = command("deliver_task", **owner, root=ROOT)
                    process.stdin.write(given + "\n")
            store.close()
            opened = command("open_accounts", owner=f"holder:h{kills}")
            process.stdin.write(opened + "\n")
            process.stdin.flush()
            # Killed before it runs, or while it answers, or while it looks by itself.
            if kills:
                process.stdout.readline()
            time.sleep(0.3 * kills)
            process.kill()
    gives("market run --once --links links")
    store = open_store("books.db", writes=False)
    found = [json.loads(body) for body in store.open_records("job").values()]
    links = store.records("link").values()
    store.close()
    stages = [each["tasks"][0]["stage"] for each in found]
    assert len(found) == 30
    assert stages.count("matched") + stages.count("accepted") <= 4
    assert stages.count("delivered") >= 4
    assert len({json.loads(body)["link"] for body in links}) == len(links) > 0
    gives("audit")


@pytest.mark.parametrize("option", ["links", "canaries"])
def test_file_that_cannot_be_read_is_refused(books, option):
    said = refuses(Refusal, f"market run --once --{option} nothing")
    assert "nothing cannot be read" in said


def test_books_that_are_not_open_have_no_market(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for line in ("market run --once", "job why j1", "resource why r1"):
        assert "books open" in refuses(Refusal, f"{line} --books other.db")


def test_bad_time_is_refused(books):
    assert "write a number" in refuses(Malformed, "market run --for soon")


# Why


def test_consumer_is_told_why_its_job_waits(books):
    gives(ORDER.format(name="j1"))
    gives(ORDER.format(name="j2") + " --incentive 1")
    gives(
        "job create j3 --consumer consumer:alice --pipeline training --project demo "
        "--unit-price 2 --quantity 5 --within 24h --need training"
    )
    assert "can be matched" in gives("job why j1")
    gives("market run --once")
    assert "matched by r1" in refuses(WrongStage, "job why j2")

    said = gives("job why j3 --task 0")
    assert "task 0 of j3 waits; before it are 1 of its kind" in said
    assert "free slot" in said
    assert "without this alone: free slot" in said
    told = tells("job why j3")
    assert told["offers"]["remedies"] == ["slots"]
    assert told["offers"]["left"]["price"] == 1
    assert (told["ahead"], told["late"], told["held_back"]) == (1, False, False)
    refuses(Refusal, "job why j9")


def test_need_that_nothing_meets_names_what_would_help(books):
    gives(
        "do create_job id=j1 consumer=consumer:alice pipeline=training project=demo"
        ' unit_price=2000000 quantity=5000000 needs=[{"kind":"training","regions":'
        '["eu"],"min_reputation":900000000000000000}] '
        f"deadline={int(time.time() + 9_000) * 1_000_000}"
    )
    said = gives("job why j1")
    assert "more than one of these stands in its way" in said
    assert "region" in said
    gives("job cancel j1")


def test_supplier_is_told_why_it_has_no_jobs(books):
    offers("far", region="eu", price=9)
    gives(
        RESOURCE.format(
            name="new", owner="supplier:gpu", kind="training", region="us", price=1
        )
    )
    assert "nothing was needed of late" in gives("resource why r1")
    gives(ORDER.format(name="j1"))
    gives(ORDER.format(name="j2"))
    gives("market run --once")
    assert "all of its 1 slots are taken" in gives("resource why r1")
    said = gives("resource why far")
    assert "of 2 needs of late it meets 0" in said
    assert "price" in said
    told = tells("resource why far")
    assert told["alone"]["price"] == told["failed"]["price"] == told["needs"] == 2
    assert "new is registered; only what is staked gets jobs" in gives(
        "resource why new"
    )
    refuses(Refusal, "resource why nobody")


def test_jobs_are_read_from_books_that_another_process_holds(books):
    gives(ORDER.format(name="j1"))
    with started("--json", "--for", "60s") as process:
        assert says(process, command("open_accounts", owner="holder:h1"))
        assert tells("job show j1")["tasks"][0]["stage"] == "matched"
        assert tells("resource why r1")["busy"] == 1
        process.send_signal(signal.SIGINT)
        assert process.wait(ENOUGH) == 0
