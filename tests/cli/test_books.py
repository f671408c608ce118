"""The books on the command line: kept, read, proven, and refused in one line."""

import csv
import json
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path

import pyarrow.parquet as pq
import pytest
from tests.cli.conftest import everything

from coopera.cli import EXTRAS
from coopera.cli.books.access import new_key
from coopera.cli.books.opening import SIMULATED
from coopera.params import CHAPTERS
from coopera.protocol.commands import COMMANDS
from coopera.sim.scenario import SECTIONS

COOPERA = [sys.executable, "-m", "coopera.cli"]
ALICE = "consumer:alice:credit"
COMPUTE = '[["supplier:gpu-1","h100",1800]]'
ENOUGH = 60
"""Seconds that no process of these tests takes."""


def process(*arguments, cwd, **variables):
    return subprocess.run(  # noqa: S603 - our own program
        [*COOPERA, *arguments],
        capture_output=True,
        check=False,
        cwd=cwd,
        env={**os.environ, **variables},
        text=True,
        timeout=ENOUGH,
    )


@pytest.fixture(scope="session")
def opened(tmp_path_factory):
    """Books with a consumer who paid in, made by the program as a process."""
    folder = tmp_path_factory.mktemp("opened")
    lines = [
        "books open minimal --dollar-reserve 1000 --key opening-key",
        "account open consumer:alice --key alice-key",
        f"deposit {ALICE} 100 usd --reference ch_1 --key deposit-key",
        "account open supplier:gpu-1",
        "do list_gpu id=h100 price=2500000",
        f"do train --key train-key consumer=consumer:alice compute={COMPUTE}",
    ]
    for line in lines:
        done = process(*line.split(), cwd=folder)
        assert (done.returncode, done.stderr) == (0, ""), line
    return folder / "books.db"


@pytest.fixture(autouse=True)
def home(opened, tmp_path, monkeypatch):
    """A folder with a copy of the books, in which commands are run."""
    shutil.copy(opened, tmp_path / "books.db")
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("COOPERA_BOOKS", raising=False)
    return tmp_path


def held(printed, account):
    return printed("balance", account, "--json")[account]["micro_units"]


def test_new_books_are_open_and_clean(opened, home, printed):
    status = printed("books", "status", "--json")
    report = printed("audit", "--json")

    assert status["receipts"] == report["receipts"] == 6
    assert status["sums_micro_units"] == {"USD": 0, "token": 0, "point": 0, "unit": 0}
    assert status["held_micro_units"]["USD"] == 1100_000000
    assert report["clean"] is True
    assert report["hash"] == status["hash"]
    assert f"head          6:{status['hash']}" in re.sub(
        " +head +", "head          ", printed("books", "status")
    )


def test_preset_is_opened_with_what_governance_set(home, printed, run):
    _, _, err = run("books", "open", "paper", "--books", "paper.db")
    # The paper's own rules are for study; a network with members wants others.
    said = [each.partition(": warning: ")[2][:24] for each in err.splitlines()]
    assert said == ["one day's demand may thr", "honest validators lose: "]
    text = 'preset = "minimal"\n[pricing]\nvelocity_per_day = 0.125\n'
    Path("mine.toml").write_text(text)
    printed("books", "open", "mine.toml", "--books", "mine.db")
    with closing(sqlite3.connect("mine.db")) as database:
        ((body,),) = database.execute("SELECT body FROM records WHERE kind='settings'")
    tables = json.loads(json.loads(body)["tables"])

    assert set(tables) <= {*CHAPTERS, "payment_matrix", "projects"}
    assert tables["pricing"] == {"velocity_per_day": "0.125"}
    assert tables["token"]["max_supply"] == 1_000_000
    assert "nothing is wrong" in printed("audit", "--books", "paper.db")


def test_sections_are_those_of_the_simulator():
    assert set(SIMULATED) == set(SECTIONS) - {*CHAPTERS, "payment_matrix", "projects"}


def test_books_are_opened_once(refused):
    assert "[already_exists]" in refused("books", "open", "minimal")


@pytest.mark.parametrize(
    ("content", "code"),
    [
        ("[token]\nmax_suply = 1\n", "unknown_key"),
        ("[tokens]\nmax_supply = 1\n", "unknown_key"),
        ("[payments]\noperations_fraction = 1.5\n", "out_of_bounds"),
        ("[payments]\nbuyback_base = 'gross'\n", "wash_trading_pays"),
    ],
)
def test_settings_that_cannot_be_are_refused_and_make_no_books(
    run, home, content, code
):
    Path("bad.toml").write_text(f'preset = "minimal"\n{content}')

    status, out, err = run("books", "open", "bad.toml", "--books", "new.db")

    assert (status, out) == (2, "")
    assert f"[{code}]" in err
    assert not Path("new.db").exists()


def test_books_are_found_by_option_and_by_environment(home, printed, monkeypatch):
    shutil.move("books.db", "other.db")
    expected = printed("balance", "--books", "other.db")

    monkeypatch.setenv("COOPERA_BOOKS", "other.db")

    assert printed("balance") == expected
    assert ALICE in expected


def test_money_comes_in_and_goes_out(printed):
    before = held(printed, ALICE)
    printed("deposit", ALICE, "12.345678", "usd", "--reference", "ch_2")
    assert held(printed, ALICE) == before + 12_345678

    printed("withdraw", "request", "w1", ALICE, "2.5", "usd")
    printed("withdraw", "request", "w2", ALICE, "1", "usd")
    assert held(printed, ALICE) == before + 8_845678
    printed("withdraw", "confirm", "w1", "--reference", "po_1")
    printed("withdraw", "cancel", "w2")

    assert held(printed, ALICE) == before + 9_845678
    assert held(printed, "market:usd") == -(1100_000000 + 9_845678)
    assert "nothing is wrong" in printed("audit")


def test_accounts_are_opened_with_a_limit_and_closed(printed, refused):
    printed("account", "open", "holder:hodl", "--limit", "1.5")
    deposit = ("deposit", "holder:hodl:token")
    assert "[amount_too_large]" in refused(
        *deposit, "1.500001", "token", "--reference=1"
    )
    printed("account", "close", "holder:hodl", "--caller", "holder:hodl")
    assert "[account_closed]" in refused(*deposit, "1", "token", "--reference=1")


@pytest.mark.parametrize(
    "amount", ["12.3456789", "1e3", "1,000", "NaN", "", "0x10", "1_000", " 1", "\u0661"]
)
def test_amount_that_is_no_plain_number_is_refused(refused, amount):
    said = refused("deposit", ALICE, amount, "usd", "--reference", "ch_2")

    assert "[malformed]" in said
    assert "12.345678" in said


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("deposit", ALICE, "0", "usd", "--reference", "x"), "zero_amount"),
        (("deposit", ALICE, "1", "eur", "--reference", "x"), "unknown_asset"),
        (("deposit", ALICE, "1", "usd", "--reference", "ch_1"), "reference_used"),
        (("deposit", ALICE, "1", "token", "--reference", "x"), "currency_mismatch"),
        (("withdraw", "request", "w", ALICE, "101", "usd"), "insufficient_balance"),
        (("withdraw", "confirm", "w", "--reference", "x"), "unknown_record"),
        (("account", "open", "alice"), "malformed"),
        (
            ("account", "open", "consumer:bob", "--caller", "consumer:bob"),
            "not_allowed",
        ),
        (("account", "open", "consumer:bob", "--key", "short"), "malformed"),
        (("account", "open", "consumer:bob", "--key", "alice-key"), "key_reused"),
        (("do", "deposits"), "malformed"),
        (("do", "deposit", "account"), "malformed"),
        (("do", "deposit", "what=1"), "malformed"),
        (("do", "list_gpu", "id=b200"), "malformed"),
        (("do", "list_gpu", "id=b200", "price=1.5"), "malformed"),
        (("do", "list_gpu", "id=b200", "price='1'"), "malformed"),
        (("do", "list_gpu", "id=b200", 'price="1"'), "malformed"),
        (("do", "list_gpu", "id=b200", "price=true"), "malformed"),
        (("do", "list_gpu", "id=b200", "price=-1"), "negative_amount"),
        (("do", "list_gpu", "id=b200", "price=1", "price=2"), "malformed"),
        (("do", "list_gpu", "id=\udcff", "price=1"), "malformed"),
        (("explain", "99"), "unknown_record"),
        (("explain", "no-such-key"), "unknown_record"),
        (("statement", "nobody"), "unknown_account"),
        (("statement", "consumer:eve:credit"), "unknown_account"),
        (("statement", ALICE, "--since", "yesterday"), "malformed"),
        (("balance", "consumer:eve:credit"), "unknown_account"),
        (("balance", "market:eur"), "unknown_account"),
        (("audit", "--head", "1:00"), "malformed"),
        (("audit", "--books", "nowhere.db"), "bad_books"),
        (("books", "upgrade", "--books", "nowhere.db"), "bad_books"),
        (("books", "downgrade", "base"), "not_allowed"),
        (("books", "downgrade", "0042", "--yes"), "bad_books"),
        (("export", "nowhere/x.csv"), "unreadable"),
    ],
)
def test_what_cannot_be_done_is_refused_in_one_line(refused, arguments, code):
    assert refused(*arguments).endswith(f"[{code}]\n")


def test_field_of_the_wrong_kind_is_told_how_to_write_it(refused):
    said = refused("do", "train", "consumer=consumer:alice", 'compute=[["x", 1]]')

    assert "[[a text, a text, a number], ...]" in said


def test_command_near_a_wrong_one_is_named(refused):
    assert "deposit" in refused("do", "desposit").replace("desposit", "")


def test_any_command_may_be_given(printed):
    done = printed("do", "open_hold", "id=h1", "consumer=consumer:alice",
                   "amount=5000", f"expires_at={2**52}", "--json")  # fmt: skip

    assert (done["receipt"], done["kind"]) == (7, "open_hold")
    assert done["transfers"] == [
        {
            "debit": ALICE,
            "credit": "escrow:credit",
            "micro_units": 5000,
            "unit": "USD",
            "reason": "hold",
        }
    ]


def test_same_key_gives_the_same_receipt_once(printed):
    first = printed("account", "open", "consumer:bob", "--key", "same-key", "--json")
    before = everything()

    again = printed("account", "open", "consumer:bob", "--key", "same-key", "--json")

    assert again == first
    assert everything() == before


def test_new_keys_are_valid_and_grow_with_time():
    keys = []
    for _ in range(3):
        keys.append(new_key())
        time.sleep(0.002)

    assert keys == sorted(keys)
    assert len(set(keys)) == 3
    assert all(re.fullmatch("[0-9a-f]{32}", key) for key in keys)


def test_dry_run_shows_what_would_move_and_writes_nothing(printed, refused):
    before = everything()
    command = ("deposit", ALICE, "7", "usd", "--reference", "ch_9", "--dry-run")

    told = printed(*command, "--json")
    text = printed(*command)

    assert everything() == before
    assert [each["micro_units"] for each in told["transfers"]] == [7_000000]
    assert "7.000000  USD  consumer:alice:credit  deposit" in text
    assert "nothing was written" in text
    assert "[reference_used]" in refused(
        *("deposit", ALICE, "7", "usd", "--reference", "ch_1", "--dry-run")
    )
    assert "[insufficient_balance]" in refused(
        *("do", "grant_credit", "consumer=consumer:alice", "amount=1000000001"),
        *("memo=gift", "--dry-run"),
    )


def test_commands_are_listed_with_their_fields(printed):
    listed = printed("commands", "--json")

    assert {each["kind"] for each in listed} == {r.kind for r in COMMANDS.values()}
    train = next(each for each in listed if each["kind"] == "train")
    assert train["fields"]["compute"] == "[[a text, a text, a number], ...]"
    assert train["fields"]["hold"].endswith("or left out")
    assert "train" in printed("commands")
    assert "close_epoch" in printed("do", "--help")


def test_receipt_is_explained_by_number_and_by_key(printed):
    text = printed("explain", "train-key")

    assert printed("explain", "6") == text
    for part in (
        "services.training_compute_fee",
        "R_g Σ_k P_g(k) * T_g(k)",
        "docs/papers/mvn.md#model-training-value-flow",
        "platform_tax",
        "to supplier:gpu-1:usd",
        "all the same",
    ):
        assert part in text
    assert printed("explain", "6", "--json")["key"] == "train-key"


def test_columns_of_a_receipt_are_aligned(printed):
    lines = printed("explain", "6").split("What moved")[1].splitlines()
    ends = {line.index("  USD") for line in lines if "  USD" in line}

    assert len(ends) == 1


def test_key_of_two_callers_names_their_receipts(printed, refused):
    move = ("do", "move", f"debit={ALICE}", "credit=x", "asset=usd", "amount=1")
    assert "[" in refused(*move, "--key", "train-key")
    printed("account", "open", "creator:bob")
    printed(
        "account", "close", "creator:bob", "--caller=creator:bob", "--key=train-key"
    )

    said = refused("explain", "train-key")

    assert "6 of operator" in said
    assert "8 of creator:bob" in said


def test_statement_ends_with_the_balance(printed):
    told = printed("statement", ALICE, "--json")
    text = printed("statement", ALICE)
    last = printed("statement", ALICE, "--last", "1")

    assert told["closing"] == held(printed, ALICE)
    assert told["lines"][0]["amount"] == 100_000000
    assert "opened" in text
    assert "+100.000000" in text
    assert "+100.000000" not in last
    assert "earlier lines" in last
    assert printed("statement", ALICE, "--until", "2020-01-31", "--json")["lines"] == []
    since = printed(
        "statement", ALICE, "--since", "2020-01-31T00:00:00+01:00", "--json"
    )
    assert since == told


def test_balance_of_one_that_was_never_used_is_zero(printed):
    assert held(printed, "supplier:gpu-1:token") == 0
    assert list(printed("balance", "--json")) == sorted(printed("balance", "--json"))


def test_audit_that_finds_something_says_what_and_exits_with_1(run, home):
    with closing(sqlite3.connect("books.db")) as database:
        database.execute("DROP TRIGGER transfers_no_update")
        database.execute("UPDATE transfers SET amount = amount + 1 WHERE id = 10")
        database.commit()

    code, out, err = run("audit")
    told = run("audit", "--json")

    assert (code, err) == (1, "")
    assert "transfers 10: amount" in out
    assert "expected 100000000\n  found    100000001" in out
    assert told[0] == 1
    assert json.loads(told[1])["findings"][0]["row"] == "10"
    assert "clean" in told[1]


def test_head_that_was_kept_is_checked(printed, run):
    report = printed("audit", "--json")
    head = f"{report['receipts']}:{report['hash']}"

    assert head in printed("audit")
    assert head in printed("audit", "--head", head)
    assert run("audit", "--head", f"9{head}")[0] == 1


def test_transfers_are_exported_to_files_that_are_whole(printed, home):
    for name, option in (("x.csv", "csv"), ("x.pq", "parquet"), ("x.b", "beancount")):
        told = printed("export", name, "--format", option, "--json")
        assert told == {"file": name, "format": option, "transfers": 12}

    with Path("x.csv").open(newline="") as file:
        assert len(list(csv.DictReader(file))) == 12
    assert pq.read_table("x.pq").num_rows == 12
    assert "balance Liabilities:Consumer:Alice:Credit" in Path("x.b").read_text()
    assert not [each.name for each in home.iterdir() if "part" in each.name]


def test_export_to_standard_output_is_the_file(home):
    to_file = process("export", "x.csv", cwd=home)
    done = process("export", "-", cwd=home)

    assert to_file.stdout == "12 transfers in x.csv\n"
    assert done.stdout == (home / "x.csv").read_text()


def test_tables_go_down_and_up_again(printed, run):
    printed("books", "downgrade", "base", "--yes")
    code, _, err = run("books", "status")
    assert code == 2
    assert "[bad_books]" in err

    printed("books", "upgrade")

    assert "not open yet" in printed("books", "status")
    code, _, err = run("account", "open", "consumer:bob")
    assert (code, "[bad_books]" in err) == (2, True)


def test_another_process_that_writes_is_named(refused, home):
    script = (
        "import sys, time; from coopera.store.opening import open_store; "
        "store = open_store('books.db'); print('open', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", script], stdout=subprocess.PIPE, cwd=home
    ) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        try:
            said = refused("account", "open", "consumer:bob")
        finally:
            writer.send_signal(signal.SIGKILL)

    assert f"process {writer.pid} writes" in said
    assert "[another_writer]" in said


def test_file_that_is_no_database_is_refused(run, home):
    Path("text.db").write_text("no database" * 100)

    code, out, err = run("audit", "--books", "text.db")

    assert (code, out) == (2, "")
    assert "[bad_books]" in err


def test_damaged_file_is_one_sentence_and_exit_code_3(run, home):
    content = Path("books.db").read_bytes()
    with Path("books.db").open("r+b") as file:
        file.seek(len(content) // 4)
        file.write(b"\xff" * (len(content) // 2))

    code, _, err = run("audit")

    assert code == 3
    assert err.startswith("coopera: the books cannot be read: ")
    assert err.count("\n") == 1


@pytest.mark.parametrize(
    ("package", "command"),
    [
        ("msgspec", ("audit",)),
        ("sqlalchemy", ("books", "upgrade")),
        ("pyarrow", ("export", "x.pq", "--format", "parquet")),
    ],
)
def test_missing_package_is_named_with_what_brings_it(home, package, command):
    script = (
        f"import sys; sys.modules[{package!r}] = None; "
        "from coopera.cli import main; main()"
    )
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", script, *command],
        capture_output=True,
        check=False,
        text=True,
        timeout=ENOUGH,
    )

    assert (done.returncode, done.stdout) == (2, "")
    assert f"'coopera[{EXTRAS[package]}]'" in done.stderr
    assert done.stderr.count("\n") == 1
    assert not Path("x.pq").exists()


def test_reading_needs_no_simulator(home):
    script = (
        "import sys; sys.modules['numba'] = sys.modules['numpy'] = None; "
        "from coopera.cli import main; main()"
    )
    for command in (["books", "open", "minimal", "--books", "b.db"], ["audit"]):
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-c", script, *command],
            capture_output=True,
            check=False,
            text=True,
            timeout=ENOUGH,
        )
        assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize(
    "name",
    ["consumer:\u00dcn\u00efc\u00f6de", "consumer:Alice", "consumer:a b", "consumer:"],
)
def test_a_name_that_is_none_is_told_which_letters_it_may_have(refused, name):
    said = refused("account open", name)
    assert "after consumer: a name has 1 to 64 letters from a to z" in said
    assert "role:name" not in said


@pytest.mark.parametrize("name", ["alice", "alices:Alice", "Consumer:alice"])
def test_a_role_that_is_none_is_told_which_there_are(refused, name):
    assert "where the role is consumer or supplier" in refused("account open", name)
