"""The audit finds nothing in good books, and names the row that was tampered with."""

import random
import re
import sqlite3
from contextlib import closing
from typing import Any

import pytest

from coopera.accounting import explain
from coopera.accounting.audit import audit
from coopera.formulas import services
from coopera.protocol import services as s
from coopera.protocol.commands import COMMANDS
from coopera.protocol.listing import ListAgent
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.store.opening import migrate, open_store

# ruff: noqa: S608 - statements that tamper are put together
APPENDED = ("receipts", "transfers", "accounts", "records")


def tamper(path, *statements):
    """Change a file behind the program's back, guards taken down first."""
    with closing(sqlite3.connect(path)) as database:
        for table in APPENDED:
            for change in ("update", "delete"):
                database.execute(f"DROP TRIGGER {table}_no_{change}")
        for statement in statements:
            assert database.execute(statement).rowcount != 0, statement
        database.commit()


def audited(path, **options):
    store: Any = open_store(str(path), writes=False)
    with closing(store):
        return audit(store, **options)


def first_finding(path, *statements, **options):
    tamper(path, *statements)
    return audited(path, **options).findings[0]


def number_of(path, kind, table="receipts", reason=""):
    """Number of the first receipt of a kind, or of its first transfer for a reason."""
    with closing(sqlite3.connect(path)) as database:
        if table == "receipts":
            query = "SELECT min(id) FROM receipts WHERE kind = ?"
            return database.execute(query, (kind,)).fetchone()[0]
        return database.execute(
            "SELECT min(t.id) FROM transfers AS t JOIN receipts AS r ON r.id = receipt "
            "WHERE kind = ? AND reason LIKE ?",
            (kind, f"%{reason}%"),
        ).fetchone()[0]


def test_books_in_which_every_command_was_given_are_clean(store):
    kinds = {kind for (kind,) in store.read("SELECT DISTINCT kind FROM receipts")}

    report = audit(store)

    assert kinds == {rule.kind for rule in COMMANDS.values()} | {"open_books"}
    assert report.findings == ()
    assert report.notes == ()
    assert report.hash == store.head().hash.hex()
    assert (report.receipts, report.transfers) == store.head()[:2]
    assert report.records == store.read("SELECT count(*) FROM records")[0][0]


def test_thousands_of_random_settlements_are_clean(path, keeper):
    chance = random.Random(1)  # noqa: S311 - a test
    kept = keeper(path)
    suppliers = [f"supplier:s{i}" for i in range(40)]
    kept.give(*map(OpenAccounts, suppliers))
    kept.give(Deposit("consumer:zoe:credit", "usd", 10_000_000000, "ch_zoe"))
    kept.give(ListAgent("poet", "creator:bob", "llm", 3_000000, 1, "creator:dev"))
    for _ in range(30):
        kept.give(
            *(
                s.CallAgent(
                    *("consumer:zoe", "poet", chance.randrange(1, 5000)),
                    chance.randrange(2000),
                    tuple(
                        (each, chance.randrange(1, 9))
                        for each in chance.sample(suppliers, chance.randrange(1, 6))
                    ),
                    (("creator:tools", 1),) * chance.randrange(2),
                )
                for _ in range(100)
            )
        )
    seen: list[Any] = []

    report = audited(path, progress=lambda done, whole: seen.append((done, whole)))

    assert report.clean, report.findings
    assert report.transfers > 20_000
    assert seen == sorted(seen)
    assert seen[-1] == (report.transfers, report.transfers)


def test_books_that_were_never_opened_are_clean(tmp_path):
    migrate(str(tmp_path / "new.db"))

    report = audited(tmp_path / "new.db")

    assert report.clean
    assert report.receipts == 0


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("command = replace(command, '500000000', '500000001')", "hash over the row"),
        ("caller = 'supplier:gpu-1'", "hash over the row"),
        ("key = 'another-key'", "hash over the row"),
        ("at = at + 1", "hash over the row"),
        ("at = at - 86400000000", "moment"),
        ("hash = zeroblob(32)", "hash over the row"),
        ("first_transfer = first_transfer - 1", "first_transfer"),
        ("transfers = transfers + 1", "transfers"),
        ("transfers = 0", "transfers"),
    ],
)
def test_changed_receipt_is_named(path, change, what):
    number = number_of(path, "deposit")

    found = first_finding(path, f"UPDATE receipts SET {change} WHERE id = {number}")

    assert (found.table, found.row) == ("receipts", str(number))
    assert found.what.startswith(what)
    assert found.expected != found.found


def test_changed_workings_are_named(path):
    number = number_of(path, "call_model")

    found = first_finding(
        path,
        "UPDATE receipts SET workings = replace(workings, '[700,', '[701,') "
        f"WHERE id = {number}",
    )

    assert (found.table, found.row) == ("receipts", str(number))


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("deposit", "deposit"),
        ("request_withdrawal", "withdrawal requested"),
        ("confirm_withdrawal", "withdrawal"),
        ("cancel_withdrawal", "withdrawal cancelled"),
        ("grant_credit", "grant"),
        ("move", "move"),
        ("open_hold", "hold"),
        ("void_hold", "hold voided"),
        ("expire_holds", "hold expired"),
        ("call_agent", "hold posted"),
        ("call_agent", "template"),
        ("call_model", "compute"),
        ("train", "training"),
        ("pay_job", "buy-back"),
        ("pay_launchpad", "launchpad tax"),
        ("contribute", "contribution"),
        ("share_budget", "points shared"),
        ("share_budget", "points taken back"),
    ],
)
def test_amount_that_is_off_by_one_is_named(path, kind, reason):
    number = number_of(path, kind, "transfers", reason)

    found = first_finding(
        path, f"UPDATE transfers SET amount = amount + 1 WHERE id = {number}"
    )

    assert (found.table, found.row) == ("transfers", str(number))
    assert found.what.startswith("amount") or "balance" in found.what


def test_refund_out_of_two_accounts_that_is_off_is_named(path):
    with closing(sqlite3.connect(path)) as database:
        numbers = [
            number
            for (number,) in database.execute(
                "SELECT id FROM transfers AS t WHERE reason LIKE 'refund%' AND EXISTS ("
                "SELECT 1 FROM transfers AS o WHERE o.receipt = t.receipt AND o.part = "
                "t.part AND o.working = t.working AND o.id <> t.id) ORDER BY id"
            )
        ]
    assert len(numbers) == 2

    found = first_finding(
        path, f"UPDATE transfers SET amount = amount + 1 WHERE id = {numbers[1]}"
    )

    assert (found.table, found.row) == ("transfers", str(numbers[1]))


@pytest.mark.parametrize(
    ("change", "what"),
    [
        ("receipt = receipt + 1", "receipt"),
        ("receipt = receipt - 1", "receipt"),
        ("debit_previous = debit_previous - 1", "debit_previous"),
        ("credit_previous = credit_previous + 1", "credit_previous"),
        ("debit = debit - 1", "debit_previous"),
        ("credit = credit - 1", "credit_previous"),
        ("debit = credit, credit = debit", "debit_previous"),
        ("credit = 4711", "credit account"),
        ("part = part + 3", "part of working"),
        ("part = 99", "part of working"),
        ("working = 99", "working"),
    ],
)
def test_changed_transfer_is_named(path, change, what):
    number = number_of(path, "call_agent", "transfers", "tools")

    found = first_finding(path, f"UPDATE transfers SET {change} WHERE id = {number}")

    assert (found.table, found.row) == ("transfers", str(number))
    assert found.what.startswith(what)


def test_changed_reason_is_named_with_its_receipt(path):
    number = number_of(path, "call_agent")

    found = first_finding(
        path, f"UPDATE transfers SET reason = 'gift' WHERE receipt = {number}"
    )

    assert (found.table, found.row) == ("receipts", str(number))
    assert "its transfers" in found.what


def test_transfer_that_is_gone_is_named(path):
    number = number_of(path, "call_agent", "transfers", "tools")

    found = first_finding(path, f"DELETE FROM transfers WHERE id = {number}")

    assert (found.table, found.row) == ("transfers", str(number))
    assert found.found == "no such row"


def test_transfer_of_no_receipt_is_named(path):
    tail = "0, 0 FROM transfers"

    found = first_finding(
        path,
        "INSERT INTO transfers SELECT max(id) + 1, max(receipt) + 1, 1, 2, 5, 'gift', "
        f"-1, 0, {tail}",
    )

    assert found.table == "transfers"
    assert found.what == "receipt"


def test_receipt_that_is_gone_is_named(path):
    number = number_of(path, "call_model")

    found = first_finding(path, f"DELETE FROM receipts WHERE id = {number}")

    assert (found.table, found.row) == ("receipts", str(number))


def test_key_that_was_used_twice_is_named(path):
    tamper(path)
    with closing(sqlite3.connect(path)) as database:
        # A table without the guard that keeps keys apart.
        database.executescript(
            "CREATE TABLE copy AS SELECT * FROM receipts; DROP TABLE receipts;"
            "ALTER TABLE copy RENAME TO receipts;"
        )
        database.execute("UPDATE receipts SET key = 'key-000012-0000' WHERE id = 14")
        database.commit()

    found = audited(path).findings[0]

    assert (found.table, found.row) == ("receipts", "14")
    assert found.what.startswith("idempotency key")


@pytest.mark.parametrize("change", ["path = 'consumer:eve:credit'", "path = 'nobody'"])
def test_changed_account_is_named(path, change):
    found = first_finding(
        path,
        f"UPDATE accounts SET {change} WHERE path = 'consumer:alice:credit'",
    )

    assert found.table == "accounts"
    assert re.search("opened|chart", found.expected)


def test_account_that_is_gone_is_named(path):
    found = first_finding(path, "DELETE FROM accounts WHERE id = 5")

    assert (found.table, found.row) == ("accounts", "5")


def test_account_that_nothing_touched_is_named(path):
    found = first_finding(
        path,
        "INSERT INTO accounts SELECT max(id) + 1, 'consumer:eve:credit' FROM accounts",
    )

    assert found.table == "accounts"
    assert "consumer:eve:credit" in found.what


@pytest.mark.parametrize("change", ["balance = balance + 1", "last = last - 1"])
def test_changed_balance_is_named(path, change):
    with closing(sqlite3.connect(path)) as database:
        ((number,),) = database.execute(
            "SELECT id FROM accounts WHERE path = 'consumer:alice:credit'"
        )

    found = first_finding(
        path, f"UPDATE balances SET {change} WHERE account = {number}"
    )

    assert (found.table, found.row) == ("balances", str(number))
    assert found.what == change.partition(" ")[0]


def test_balance_that_is_gone_is_named(path):
    found = first_finding(path, "DELETE FROM balances WHERE account = 3")

    assert (found.table, found.row) == ("balances", "3")


def test_balance_that_claims_a_later_transfer_is_named(path):
    found = first_finding(path, "UPDATE balances SET last = 9999 WHERE account = 3")

    assert (found.table, found.row) == ("balances", "3")
    assert "9999" in found.found


@pytest.mark.parametrize(
    ("change", "where", "what"),
    [
        ("body = replace(body, '50000', '50001')", "name = 'h4'", "account, escrow"),
        ("body = 'gone'", "name = 'h4'", "body"),
        ("kind = 'wish'", "name = 'h4'", "kind"),
        ("name = 'h5'", "name = 'h4'", "name"),
    ],
)
def test_changed_record_is_named(path, change, where, what):
    found = first_finding(path, f"UPDATE records SET {change} WHERE {where}")

    assert found.table == "records"
    assert found.what.startswith(what)
    assert re.search("h[45]", found.row)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE records SET body = replace(body, '2500000', '1') WHERE name = 'h100'",
        "DELETE FROM records WHERE name = 'h100'",
        """
        INSERT INTO records SELECT receipt, kind, 'b200', replace(body, 'h100', 'b200')
        FROM records WHERE name = 'h100'
        """,
    ],
)
def test_record_that_is_not_what_was_hashed_is_named_with_its_receipt(path, statement):
    number = number_of(path, "list_gpu")

    found = first_finding(path, statement)

    assert (found.table, found.row) == ("receipts", str(number))
    assert found.what.startswith("hash over the row")


def test_record_of_no_receipt_is_named(path):
    found = first_finding(path, "UPDATE records SET receipt = 9999 WHERE name = 'h100'")
    report = audited(path)

    assert found.table == "receipts"
    assert [f.row for f in report.findings if f.table == "records"] == [
        "gpu h100 of receipt 9999"
    ]


@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("UPDATE latest SET due = due + 1 WHERE name = 'h4'", "due"),
        ("UPDATE latest SET due = NULL WHERE name = 'h4'", "due"),
        ("UPDATE latest SET body = '{}' WHERE name = 'h4'", "body of receipt"),
        ("UPDATE latest SET receipt = receipt - 1 WHERE name = 'h4'", "body of receip"),
        ("DELETE FROM latest WHERE name = 'h4'", "receipt"),
        (
            """
            UPDATE latest SET (receipt, body, due) = (
            SELECT receipt, body, body ->> 'expires_at' FROM records
            WHERE name = 'h1' ORDER BY receipt LIMIT 1) WHERE name = 'h1'
            """,
            "receipt",
        ),
    ],
)
def test_record_at_hand_that_is_not_the_latest_is_named(path, statement, what):
    found = first_finding(path, statement)

    assert found.table == "latest"
    assert found.what.startswith(what)
    assert re.fullmatch("hold h[14]", found.row)


def test_version_of_the_tables_is_checked(path, reading):
    store = reading(path)
    tamper(path, "UPDATE alembic_version SET version_num = '9999'")

    found = audit(store).findings[0]

    assert found.table == "alembic_version"


def test_books_that_were_cut_off_are_clean_but_for_who_remembers_their_head(path):
    before = audited(path)
    kept = 30
    tamper(path)
    with closing(sqlite3.connect(path)) as database:
        database.execute("DELETE FROM receipts WHERE id > ?", (kept,))
        database.execute("DELETE FROM transfers WHERE receipt > ?", (kept,))
        database.execute("DELETE FROM records WHERE receipt > ?", (kept,))
        # Even the balances and the latest records were made to fit.
        database.executescript(
            """
            DELETE FROM latest;
            INSERT INTO latest SELECT kind, name, max(receipt), body,
                CASE WHEN body ->> 'status' = 'pending'
                THEN nullif(body ->> 'expires_at', 9007199254740991) END
                FROM records GROUP BY kind, name;
            DELETE FROM balances;
            DELETE FROM accounts WHERE id NOT IN (
                SELECT debit FROM transfers UNION SELECT credit FROM transfers);
            INSERT INTO balances SELECT a.id,
                coalesce((SELECT sum(amount) FROM transfers WHERE credit = a.id), 0)
                - coalesce((SELECT sum(amount) FROM transfers WHERE debit = a.id), 0),
                (SELECT max(id) FROM transfers WHERE a.id IN (debit, credit))
                FROM accounts AS a;
            """
        )
        database.commit()

    assert audited(path).clean
    found = audited(path, head=(before.receipts, before.hash)).findings[0]
    assert (found.table, found.row) == ("receipts", str(before.receipts))


def test_head_that_was_remembered_is_on_the_chain(path, keeper):
    before = audited(path)
    keeper(path).give(Deposit("consumer:zoe:credit", "usd", 1, "ch_2"))

    assert audited(path, head=(before.receipts, before.hash)).clean
    found = audited(path, head=(before.receipts, "ab" * 32)).findings[0]
    assert (found.table, found.row) == ("receipts", str(before.receipts))
    assert found.what == "hash that was remembered"


def test_books_may_be_written_to_while_they_are_audited(path, keeper):
    """New receipts are left to the next audit, and mistaken for nothing."""
    kept = keeper(path)
    kept.give(*(Deposit("consumer:zoe:credit", "usd", 1, f"x{i}") for i in range(600)))
    added: list[Any] = []

    def progress(_done, _all):
        added.append(
            kept.give(
                OpenAccounts(f"consumer:new{len(added)}"),
                Deposit("consumer:zoe:credit", "usd", 1, f"y{len(added)}"),
                Deposit(f"consumer:new{len(added)}:credit", "usd", 1, f"z{len(added)}"),
            )
        )

    report = audited(path, progress=progress)

    assert report.clean, report.findings
    assert report.receipts < added[0].id
    assert audited(path).clean


def test_working_of_a_formula_that_is_gone_is_noted(path, monkeypatch):
    monkeypatch.delattr(services, "launchpad_split")
    explain.function_of.cache_clear()
    try:
        report = audited(path)
    finally:
        explain.function_of.cache_clear()

    assert report.clean
    assert any("services.launchpad_split" in note for note in report.notes)
