"""Memory, SQLite and PostgreSQL are told the same, and tell the same."""

import json

import pytest
from tests.store.world import (
    ANN,
    BODY,
    CELLS,
    GPU,
    MARKET,
    RECEIPTS,
    TRANSFERS,
    changed,
    contents,
    payment,
    receipt,
    world,
)

from coopera.ledger import GENESIS
from coopera.store import Batch, Head, MemoryStore
from coopera.store.base import Cell


@pytest.fixture
def written(store):
    store.write(world())
    return store


def test_empty_books_tell_nothing(store):
    assert store.head() == Head(0, 0, 0, GENESIS, 0)
    assert store.find(["key-0001"]) == []
    assert store.receipt(1) is None
    assert store.cell(ANN) is None
    assert store.balances() == {}
    assert store.record("hold", "early") is None
    assert store.records("hold") == {}
    assert store.due(1_000) == []


def test_the_head_is_where_the_books_end(written):
    assert written.head() == Head(3, 3, 3, GENESIS, RECEIPTS[2].at)


def test_receipts_come_back_as_they_were(written):
    assert [written.receipt(each) for each in (1, 2, 3)] == RECEIPTS
    assert type(written.receipt(2).hash) is bytes


def test_there_are_no_receipts_but_those_written(written):
    assert [written.receipt(each) for each in (-1, 0, 4, 2**62)] == [None] * 4


def test_transfers_of_a_receipt_are_in_order(written):
    assert written.transfers(RECEIPTS[0]) == TRANSFERS[:1]
    assert written.transfers(RECEIPTS[1]) == TRANSFERS[1:]
    assert written.transfers(RECEIPTS[2]) == []


def test_accounts_have_number_balance_and_last_transfer(written):
    assert {path: written.cell(path) for path in CELLS} == CELLS
    assert written.cell("supplier:none:usd") is None


def test_balances_of_all_accounts_sum_to_zero(written):
    balances = written.balances()
    assert balances == {path: cell.balance for path, cell in CELLS.items()}
    assert sum(balances.values()) == 0


def test_one_key_of_two_callers_finds_both_receipts(written):
    found = written.find(["key-0001"])
    assert sorted(found) == [RECEIPTS[0], RECEIPTS[2]]


def test_keys_that_were_never_used_find_nothing(written):
    assert written.find([]) == []
    assert written.find(["key-000", "key-00011", "KEY-0001", "", "' OR 1=1"]) == []
    assert written.find(["key-9999", "key-0002"]) == [RECEIPTS[1]]


@pytest.mark.parametrize("count", [511, 512, 513, 1_100])
def test_many_keys_are_found_at_once(store, count):
    receipts = [receipt(i + 1) for i in range(1_200)]
    store.write(Batch(receipts=[field for each in receipts for field in each]))
    asked = [each.key for each in receipts[:count]]
    assert sorted(store.find(asked)) == receipts[:count]


def test_the_latest_version_of_a_record_is_told(written):
    assert written.record("agent", "writer") == '{"version":2}'
    assert written.record("agent", "early") is None
    assert written.record("model", "writer") is None
    assert written.records("agent") == {"writer": '{"version":2}', "reader": "{}"}
    written.write(payment())
    assert written.record("agent", "writer") == '{"version":3}'
    assert written.records("agent") == {"writer": '{"version":3}', "reader": "{}"}


@pytest.mark.parametrize(
    ("until", "due"),
    [
        (99, []),
        (100, [("hold", "early")]),
        (1_000, [("hold", "early"), ("hold", "late")]),
    ],
)
def test_holds_are_due_from_a_moment_on(written, until, due):
    assert written.due(until) == due


def test_what_fell_due_first_comes_first_and_else_by_kind_and_name(written):
    more = [("hold", "a"), ("hold", "B"), ("job", "0"), ("audit", "z")]
    for n, each in enumerate(more):
        written.write(Batch(**changed((*each, 4 + n, "{}", 200))))
    ordered = [("audit", "z"), ("hold", "B"), ("hold", "a"), ("hold", "late")]
    assert written.due(200) == [("hold", "early"), *ordered, ("job", "0")]


def test_records_are_read_page_by_page_in_the_order_of_names(written):
    names = ["Z", "a", "a-1", "a.b", "b:2", "bird"]
    for n, name in enumerate(reversed(names)):
        written.write(Batch(**changed(("track", name, 4 + n, f"[{n}]", None))))

    assert written.page_end("track", "", 2) == "a"
    assert written.page_end("track", "a", 2) == "a.b"
    assert written.page_end("track", "a.b", 2) == "bird"
    assert written.page_end("track", "a.b", 3) == "bird"
    assert written.page_end("track", "bird", 1) is None
    assert written.page_end("place", "", 1) is None

    def between(after, until):
        return sorted(n for (n,) in json.loads(written.between("track", after, until)))

    assert between("", "bird") == [0, 1, 2, 3, 4, 5]
    assert between("a", "b") == [2, 3]
    assert between("a", "a") == []


def test_a_hold_that_was_posted_is_not_due(written):
    written.write(Batch(**changed(("hold", "early", 4, "{}", None))))
    assert written.due(1_000) == [("hold", "late")]
    assert written.open_records("hold") == {"late": "{}"}
    assert written.open_records("agent") == {}


def test_a_hold_is_due_when_its_latest_version_says(written):
    written.write(Batch(**changed(("hold", "early", 4, "{}", 900))))
    assert written.due(899) == [("hold", "late")]
    assert written.due(900) == [("hold", "late"), ("hold", "early")]


class Watched(dict[tuple[str, str], int]):
    """What is due, with all that a reader may see meanwhile."""

    def __init__(self, *known):
        super().__init__(*known)
        self.seen = []

    def __setitem__(self, *given):
        super().__setitem__(*given)
        self.seen.append(dict(self))

    def pop(self, *given):
        popped = super().pop(*given)
        self.seen.append(dict(self))
        return popped


def test_a_hold_that_is_written_again_is_due_in_memory_all_the_while():
    store = MemoryStore()
    store.write(Batch(latest=["hold", "h1", 1, "{}", 5]))
    store._due = watched = Watched(store._due)
    store.write(Batch(latest=["hold", "h1", 2, "{}", 6]))

    assert watched.seen == [{("hold", "h1"): 6}]


def test_a_second_batch_follows_the_first(written):
    written.write(payment())
    assert written.head()[:3] == (4, 4, 4)
    assert written.cell(ANN) == Cell(2, CELLS[ANN].balance - 1, 4)
    assert written.cell("supplier:cpu:usd") == Cell(4, 1, 4)
    assert written.cell(MARKET) == CELLS[MARKET]
    assert sum(written.balances().values()) == 0


def test_an_empty_batch_changes_nothing(written):
    before = contents(written)
    written.write(Batch())
    assert contents(written) == before


def test_a_batch_of_many_rows_is_written_whole(store):
    count = 5_000
    store.write(
        Batch(
            receipts=[*receipt(1, transfers=count)],
            transfers=[
                field
                for i in range(count)
                for field in (i + 1, 1, i + 1, i + 2, i + 1, "job", -1, 0, 0, 0)
            ],
            accounts=[
                field
                for i in range(count + 1)
                for field in (i + 1, f"supplier:gpu-{i}:usd")
            ],
            balances=[
                field for i in range(count + 1) for field in (i + 1, i, min(i, count))
            ],
        )
    )
    transfers = store.transfers(store.receipt(1))
    assert [each.amount for each in transfers] == [*range(1, count + 1)]
    assert transfers[-1].credit == f"supplier:gpu-{count}:usd"
    assert len(store.balances()) == count + 1
    assert store.head()[:3] == (1, count, count + 1)


@pytest.mark.parametrize(
    "text",
    [
        BODY,
        "",
        "null",
        "None",
        r"\N",
        r"\.",
        "\\",
        "\\\\",
        r"\x41\101",
        "tab\tline\nreturn\rback\b",
        "line\r\nline\n",
        "é € 😀 \u2028 \ufffd \x7f \x01",
        "% %s %(x)s ? :x $1 {} '\"",
        "x" * 1_000_000,
    ],
    ids=lambda text: ascii(text[:24]),
)
def test_text_comes_back_as_it_was(store, text):
    made = receipt(1, command=text, workings=text, transfers=1)
    store.write(
        Batch(
            receipts=[*made],
            transfers=[1, 1, 1, 2, 1, text, -1, 0, 0, 0],
            accounts=[1, MARKET, 2, GPU],
            **changed(("agent", "writer", 1, text, None)),
        )
    )
    assert store.receipt(1) == made
    assert store.find([made.key]) == [made]
    assert store.transfers(made)[0].reason == text
    assert store.record("agent", "writer") == text


def test_names_of_other_letters_are_other_names(store):
    names = ["None", "none", "NONE", "é", "e\u0301", "a\\b", "a b", "a  b"]
    store.write(
        Batch(
            accounts=[field for i, name in enumerate(names) for field in (i, name)],
            balances=[field for i, _ in enumerate(names) for field in (i, i, 0)],
            **changed(*(("agent", name, 1, name, None) for name in names)),
        )
    )
    assert store.balances() == {name: i for i, name in enumerate(names)}
    assert store.records("agent") == {name: name for name in names}
    assert [store.record("agent", name) for name in names] == names


def test_what_was_written_is_there_after_opening_again(written):
    before = contents(written)
    written.reopen()
    assert contents(written) == before
    written.write(payment())
    assert written.head().receipt == 4
