"""What is exported adds up in other programs: csv, pyarrow, beancount itself."""

import csv
import fcntl
import io
import os
import re
import shutil
import subprocess
import sys
import tracemalloc
from decimal import Decimal
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from coopera.accounting import audit as auditing
from coopera.accounting import export as exporting
from coopera.accounting.audit import audit
from coopera.accounting.export import (
    beancount_account,
    write_beancount,
    write_csv,
    write_parquet,
)
from coopera.ledger import AccountId
from coopera.protocol.money import Deposit

HERE = Path(__file__).parent
HOME = HERE.parents[1] / ".venv-beancount"
LOCK = HERE / "requirements-beancount.lock"


@pytest.fixture(scope="session")
def bean_check():
    """
    Run beancount's own check: whether it accepts a text, and what it says.

    Beancount is licensed under the GPL: it has an environment of its own, and nothing
    of it is imported here.
    """
    with LOCK.open() as lock:
        # One worker makes it, the others wait.
        fcntl.flock(lock, fcntl.LOCK_EX)
        make_environment()

    def check(text, folder):
        path = folder / "books.beancount"
        path.write_bytes(text)
        done = subprocess.run(  # noqa: S603 - our own environment
            [HOME / "bin" / "bean-check", "--no-cache", path],
            capture_output=True,
            check=False,
            text=True,
        )
        return done.returncode == 0, done.stdout + done.stderr

    return check


def make_environment():
    python, made_from = HOME / "bin" / "python", HOME / "made-from.lock"
    if not made_from.exists() or made_from.read_text() != LOCK.read_text():
        shutil.rmtree(HOME, ignore_errors=True)
        call(sys.executable, "-m", "venv", str(HOME))
        call(
            *(str(python), "-m", "pip", "install", "--quiet"),
            *("--disable-pip-version-check", "--require-hashes", "-r", str(LOCK)),
        )
        made_from.write_text(LOCK.read_text())


def call(*command):
    subprocess.run(command, check=True, capture_output=True)  # noqa: S603 - as above


def exported(write, store, *between):
    file = io.BytesIO()
    count = write(store, file, *between)
    return count, file.getvalue()


def moments(store):
    return [at for (at,) in store.read("SELECT at FROM receipts ORDER BY id")]


def test_csv_has_every_transfer_to_the_last_millionth(store):
    count, text = exported(write_csv, store)
    rows = list(csv.DictReader(io.StringIO(text.decode(), newline="")))
    held = dict.fromkeys(store.balances(), Decimal(0))
    for row in rows:
        held[row["debit"]] -= Decimal(row["amount"])
        held[row["credit"]] += Decimal(row["amount"])

    assert count == len(rows) == store.head().transfer
    assert [int(row["transfer"]) for row in rows] == list(range(1, count + 1))
    assert {k: v * 10**6 for k, v in held.items()} == store.balances()
    assert {row["asset"] for row in rows} == {"usd", "token", "point", "unit"}
    assert rows[0]["working"] == ""
    assert all(re.fullmatch(r"\d+\.\d{6}", row["amount"]) for row in rows)


def test_parquet_has_the_same_rows_in_row_groups(store, monkeypatch):
    monkeypatch.setattr(exporting, "AT_ONCE", 20)
    rows = list(csv.DictReader(io.StringIO(exported(write_csv, store)[1].decode())))

    count, content = exported(write_parquet, store)
    file = pq.ParquetFile(io.BytesIO(content))
    table = file.read().to_pylist()

    assert file.num_row_groups == -(-count // 20)
    assert len(table) == count == len(rows)
    for row, other in zip(table, rows, strict=True):
        assert f"{row['amount']:f}" == other["amount"]
        assert f"{row['moment']:%Y-%m-%dT%H:%M:%S.%fZ}" == other["moment"]
        for name in ("transfer", "receipt", "kind", "debit", "credit", "key", "reason"):
            assert str(row[name]) == other[name]
        assert other["working"] == (
            "" if row["working"] is None else str(row["working"])
        )


@pytest.mark.parametrize("write", [write_csv, write_parquet, write_beancount])
def test_export_does_not_depend_on_how_many_are_read_at_once(store, monkeypatch, write):
    whole = exported(write_csv, store)
    monkeypatch.setattr(exporting, "AT_ONCE", 7)

    assert exported(write_csv, store) == whole
    assert exported(write, store)[0] == whole[0]


def test_export_of_a_time_has_the_transfers_of_that_time(store):
    at = moments(store)
    for since, until in [(at[3], at[20]), (at[0], at[-1] + 1), (at[-1] + 1, None)]:
        expected = [
            number
            for (number,) in store.read(
                "SELECT t.id FROM transfers AS t JOIN receipts AS r ON r.id = receipt "
                "WHERE r.at >= ? AND r.at < ? ORDER BY t.id",
                since,
                until or 2**62,
            )
        ]
        count, text = exported(write_csv, store, since, until)
        rows = csv.DictReader(io.StringIO(text.decode()))

        assert [int(row["transfer"]) for row in rows] == expected
        assert count == len(expected)


def test_beancount_accepts_the_books(store, tmp_path, bean_check):
    count, text = exported(write_beancount, store)

    accepted, said = bean_check(text, tmp_path)

    assert accepted, said
    assert text.count(b"    transfer: ") == count == store.head().transfer
    assert text.count(b" balance ") == len(store.balances())


def test_beancount_accepts_any_time_with_what_was_brought_forward(
    store, tmp_path, bean_check
):
    at = moments(store)
    times = [(at[20], None), (at[15], at[31]), (None, at[12]), (at[-1] + 1, None)]
    for since, until in times:
        _, text = exported(write_beancount, store, since, until)

        accepted, said = bean_check(text, tmp_path)

        assert accepted, said
        assert (b"brought forward" in text) is (since is not None)


def test_beancount_rejects_a_balance_that_is_off_by_a_millionth(
    store, tmp_path, bean_check
):
    _, text = exported(write_beancount, store)
    line = next(
        line
        for line in text.splitlines()
        if b" balance Liabilities:Creator:Dev:Usd" in line
    )
    [amount] = re.findall(r"-?\d+\.\d{6}", line.decode())
    wrong = line.replace(
        amount.encode(), str(Decimal(amount) + Decimal("0.000001")).encode()
    )
    assert wrong != line

    accepted, said = bean_check(text.replace(line, wrong), tmp_path)

    assert not accepted
    assert "Balance failed" in said


def test_beancount_rejects_a_transaction_that_is_off_by_a_millionth(
    store, tmp_path, bean_check
):
    _, text = exported(write_beancount, store)
    posting = b"  Assets:Market:Usd  500.000000 USD"
    assert text.count(posting) == 1

    accepted, said = bean_check(
        text.replace(posting, posting[:-5] + b"1 USD"), tmp_path
    )

    assert not accepted
    assert "does not balance" in said


def test_beancount_accounts_are_valid_and_never_the_same():
    names = [
        *(
            "a",
            "a-b",
            "a.b",
            "a_b",
            "a-u-b",
            "a-d-b",
            "0",
            "0a",
            "a--b",
            "z",
            "x",
            "zé",
        ),
        *(
            "é",
            "xé",
            "É",
            "e",
            "A",
            "-a",
            "_a",
            "Aa",
            "aA",
            "a b",
            "a\tb",
            'a"b',
            "日本",
        ),
    ]
    accounts = [
        beancount_account(AccountId(f"consumers:{name}:credit")) for name in names
    ]
    component = re.compile(r"[A-Z0-9][A-Za-z0-9-]*")

    assert len(set(accounts)) == len(names)
    for account in accounts:
        assert all(component.fullmatch(part) for part in account.split(":"))


def test_beancount_roots_say_who_is_owed():
    roots = {
        path: beancount_account(AccountId(path)).partition(":")[0]
        for path in ("market:usd", "issuance", "consumer:a:credit", "escrow:bonds")
    } | {"reserve": beancount_account(AccountId("reserve:usd:operations"))[:6]}

    assert roots == {
        "market:usd": "Assets",
        "issuance": "Assets",
        "consumer:a:credit": "Liabilities",
        "escrow:bonds": "Liabilities",
        "reserve": "Equity",
    }


@pytest.mark.parametrize("read", [write_csv, write_beancount, write_parquet, audit])
def test_memory_does_not_grow_with_the_transfers(
    path, keeper, reading, monkeypatch, read
):
    monkeypatch.setattr(exporting, "AT_ONCE", 500)
    monkeypatch.setattr(auditing, "ROWS_AT_ONCE", 500)
    kept = keeper(path)
    peaks = []
    for size in (1_000, 10_000):
        for start in range(0, size, 500):
            kept.give(
                *(
                    Deposit("consumer:zoe:credit", "usd", 1, f"{size}-{start}-{i}")
                    for i in range(500)
                )
            )
        store = reading(path)
        with Path(os.devnull).open("wb") as nowhere:
            tracemalloc.start()
            read(store) if read is audit else read(store, nowhere)
            peaks.append(tracemalloc.get_traced_memory()[1])
            tracemalloc.stop()

    smaller, larger = peaks
    assert larger < 1.5 * smaller
