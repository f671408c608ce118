"""A statement is what the transfers say, whichever way they are read."""

import random
import sqlite3
from contextlib import closing

import pytest

from coopera.accounting import statement as listing
from coopera.accounting.statement import statement
from coopera.errors import BadBooks, UnknownAccount

ALICE = "consumer:alice:credit"


def expected_lines(store, path):
    """What a scan over all transfers finds: moment, transfer, amount, balance."""
    balance, lines = 0, []
    for number, at, debit, credit, amount in store.read(
        "SELECT t.id, r.at, d.path, c.path, amount FROM transfers AS t "
        "JOIN receipts AS r ON r.id = t.receipt JOIN accounts AS d ON d.id = debit "
        "JOIN accounts AS c ON c.id = credit ORDER BY t.id"
    ):
        if path in (debit, credit):
            moved = -amount if debit == path else amount
            balance += moved
            lines.append((at, number, moved, balance))
    return lines


def lines_of(found):
    return [(x.at, x.transfer, x.amount, x.balance) for x in found.lines]


def test_statement_of_every_account_is_what_a_scan_finds(store, monkeypatch):
    monkeypatch.setattr(listing, "AT_ONCE", 3)
    for path, balance in store.balances().items():
        found = statement(store, path)

        assert lines_of(found) == expected_lines(store, path)
        assert (found.opening, found.closing, found.earlier) == (0, balance, False)


def test_statement_of_any_time_starts_and_ends_with_its_balances(store):
    chance = random.Random(2)  # noqa: S311 - a test
    lines = expected_lines(store, ALICE)
    moments = sorted({at for at, *_ in lines})
    for _ in range(50):
        since, until = sorted(chance.choices(moments, k=2))
        last = chance.choice([None, 1, 2, 100])
        inside = [x for x in lines if since <= x[0] < until]
        shown = inside if last is None else inside[-last:]
        before = [x for x in lines if x[1] < shown[0][1]] if shown else []
        until_then = [x for x in lines if x[0] < until]

        found = statement(store, ALICE, since, until, last)

        assert lines_of(found) == shown
        assert found.closing == (until_then[-1][3] if until_then else 0)
        if shown:
            assert found.opening == (before[-1][3] if before else 0)
            assert found.earlier is bool(before)


def test_line_says_what_came_from_whom(store):
    deposit = statement(store, ALICE).lines[0]
    charge = next(x for x in statement(store, ALICE).lines if x.reason == "template")

    assert (deposit.kind, deposit.other, deposit.amount) == (
        *("deposit", "market:usd", 500_000000),
    )
    assert deposit.moment.startswith("2027-01-15T")
    assert (charge.other, charge.amount) == ("creator:dev:usd", -1092)


def test_account_that_was_opened_and_never_used_is_empty(store):
    found = statement(store, "holder:other:token")

    assert (found.lines, found.closing, found.unit) == ((), 0, "token")


@pytest.mark.parametrize("account", ["nobody", "consumer:eve:credit", "", "market:eur"])
def test_unknown_account_is_refused(store, account):
    with pytest.raises(UnknownAccount):
        statement(store, account)


def test_link_that_leads_nowhere_is_refused(path, reading):
    with closing(sqlite3.connect(path)) as database:
        database.execute("DROP TRIGGER transfers_no_update")
        database.execute(
            "UPDATE transfers SET debit_previous = id WHERE reason = 'template'"
        )
        database.commit()

    with pytest.raises(BadBooks, match="coopera audit"):
        statement(reading(path), ALICE)
