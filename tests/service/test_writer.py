"""
The writer answers once durable, each caller its own, and loses nothing on the way.

The store is the one in memory, or a SQLite file; what fails is a store that fails.
"""

import json
import threading
import time
from concurrent.futures import wait

import pytest

from coopera.errors import (
    Busy,
    InsufficientBalance,
    KeyReused,
    Malformed,
    NotAllowed,
    Unavailable,
)
from coopera.ledger import AccountId, HoldStatus
from coopera.params import CHAPTERS
from coopera.params.document import preset
from coopera.protocol.books import OpenBooks
from coopera.protocol.commands import COMMANDS, Rule
from coopera.protocol.holds import OpenHold
from coopera.protocol.listing import ListModel
from coopera.protocol.money import Deposit, Move, OpenAccounts, RefundCharge
from coopera.protocol.services import CallModel
from coopera.service import Request, Writer
from coopera.store import MemoryStore, StoreFailed
from coopera.store.opening import migrate, open_store

TABLES = json.dumps(
    {
        name: table
        for name, table in preset("minimal").tables.items()
        if name in (*CHAPTERS, "payment_matrix", "projects")
    },
    default=str,
)
CREDIT = "consumer:alice:credit"
PREPARED = (
    OpenBooks(TABLES, 1_000_000),
    OpenAccounts("consumer:alice"),
    OpenAccounts("supplier:gpu"),
    Deposit(CREDIT, "usd", 1_000_000, "first"),
    ListModel("llm", "", 1_000_000, 1_000_000),
)


def request(name, command, caller="operator"):
    return Request(f"key-{name:>08}", caller, command)


def prepare(writer):
    for n, command in enumerate(PREPARED):
        writer.execute(request(f"prepare{n}", command))


@pytest.fixture
def store():
    return MemoryStore()


@pytest.fixture
def writer(store):
    with Writer(store) as writer:
        prepare(writer)
        yield writer


def call(tokens=100, consumer="consumer:alice", hold=""):
    return CallModel(consumer, "llm", tokens, 0, (("supplier:gpu", 1),), hold)


def test_receipt_is_in_the_store_when_it_is_answered(writer, store):
    receipt = writer.execute(request("call", call()))

    assert store.receipt(receipt.id) == receipt
    assert sum(each.amount for each in store.transfers(receipt)) == 100


def test_receipts_are_numbered_without_gaps_whoever_is_refused(writer, store):
    asked = [
        writer.submit(request(f"call{n}", call(100 if n % 3 else 10**12)))
        for n in range(300)
    ]
    wait(asked)

    numbers = [each.result().id for each in asked if each.exception() is None]
    first = len(PREPARED) + 1
    assert numbers == list(range(first, first + 200))
    refusals = [each.exception() for each in asked if each.exception() is not None]
    assert len(refusals) == 100
    assert all(isinstance(each, InsufficientBalance) for each in refusals)
    assert store.balances()[CREDIT] == 1_000_000 - 200 * 100


def test_later_command_of_a_group_sees_the_earlier(writer, store):
    asked = [
        writer.submit(request("deposit", Deposit(CREDIT, "usd", 9_000_000, "more"))),
        writer.submit(request("dear", call(10_000_000))),
    ]

    assert [each.result().kind for each in asked] == ["deposit", "call_model"]
    assert store.balances()[CREDIT] == 0


def test_replayed_key_returns_the_first_receipt(writer, store):
    first = writer.execute(request("call", call()))
    before = store.head()

    assert writer.execute(request("call", call())) == first
    assert store.head() == before


def test_replayed_key_of_the_same_group_returns_the_first_receipt(writer, store):
    asked = [writer.submit(request("call", call())) for _ in range(50)]

    assert len({each.result().id for each in asked}) == 1
    assert store.balances()[CREDIT] == 1_000_000 - 100


def test_replayed_key_is_known_after_a_restart(tmp_path):
    url = str(tmp_path / "books.db")
    migrate(url)
    with Writer(open_store(url)) as writer:
        prepare(writer)
        first = writer.execute(request("call", call()))
    with Writer(open_store(url)) as writer:
        assert writer.execute(request("call", call())) == first
        assert writer.execute(request("next", call())).id == first.id + 1


def test_same_key_with_another_command_is_refused(writer, store):
    writer.execute(request("call", call()))
    before = store.head()

    with pytest.raises(KeyReused):
        writer.execute(request("call", call(101)))
    with pytest.raises(KeyReused):
        writer.execute(request("call", Deposit(CREDIT, "usd", 1, "x")))
    assert store.head() == before


def test_callers_have_keys_of_their_own(writer):
    mine = Move(CREDIT, CREDIT, "usd", 1)
    writer.execute(request("call", call()))

    with pytest.raises(NotAllowed):
        writer.execute(request("call", mine, "supplier:gpu"))


def test_refused_command_may_be_sent_again_with_the_same_key(writer):
    with pytest.raises(InsufficientBalance):
        writer.execute(request("dear", call(5_000_000)))
    writer.execute(request("deposit", Deposit(CREDIT, "usd", 9_000_000, "more")))

    assert writer.execute(request("dear", call(5_000_000))).kind == "call_model"


@pytest.mark.parametrize(
    "key", ["", "short", "white space", "tab\tin it!", "x" * 65, None]
)
def test_malformed_key_is_refused(writer, store, key):
    before = store.head()
    with pytest.raises(Malformed, match="key is"):
        writer.execute(Request(key, "operator", call()))
    assert store.head() == before


@pytest.mark.parametrize("caller", ["", "root", "Operator", "consumer:", "a:b:c\n"])
def test_unknown_caller_is_refused(writer, caller):
    with pytest.raises((Malformed, NotAllowed)):
        writer.execute(request("call", call(), caller))


def test_full_queue_says_come_again_and_loses_nothing(store):
    gate = threading.Event()
    write = store.write

    def slow(batch):
        gate.wait(30)
        write(batch)

    store.write = slow
    gate.set()
    with Writer(store, queue_max=10, batch_max=4) as writer:
        prepare(writer)
        gate.clear()
        asked, busy = [], 0
        for n in range(100):
            try:
                asked.append(writer.submit(request(f"call{n}", call())))
            except Busy:
                busy += 1
        gate.set()
        wait(asked)
        assert busy > 0
        assert all(each.exception() is None for each in asked)
        assert store.balances()[CREDIT] == 1_000_000 - 100 * len(asked)


def test_closing_does_what_waits_and_refuses_what_comes(store):
    writer = Writer(store)
    prepare(writer)
    asked = [writer.submit(request(f"call{n}", call())) for n in range(2_000)]
    writer.close()

    assert all(each.done() and each.exception() is None for each in asked)
    with pytest.raises(Unavailable, match="closed"):
        writer.submit(request("late", call()))


class Disturbed:
    """A store whose commits fail when told, before or after they were made."""

    def __init__(self, store):
        self._store = store
        self.fails: list[str] = []

    def __getattr__(self, name):
        return getattr(self._store, name)

    def write(self, batch):
        fate = self.fails.pop(0) if self.fails else "goes"
        if fate == "before":
            raise StoreFailed("the cable was cut")
        self._store.write(batch)
        if fate == "after":
            raise StoreFailed("the cable was cut")


@pytest.mark.parametrize("fails", [["before"], ["after"], ["after", "after"]])
def test_commit_that_fails_is_made_again_and_nothing_is_done_twice(store, fails):
    disturbed = Disturbed(store)
    with Writer(disturbed, batch_max=16) as writer:
        prepare(writer)
        disturbed.fails = list(fails)
        asked = [writer.submit(request(f"call{n}", call())) for n in range(100)]
        wait(asked)

        done = [each.result() for each in asked if each.exception() is None]
        unknown = [each.exception() for each in asked if each.exception() is not None]
        assert all(isinstance(each, Unavailable) for each in unknown)
        assert (len(unknown) > 0) == (len(fails) > 1)
        again = [writer.execute(request(f"call{n}", call())) for n in range(100)]
        assert len({each.id for each in again}) == 100
        assert {each.id for each in done} <= {each.id for each in again}
    assert store.balances()[CREDIT] == 1_000_000 - 100 * 100


def test_writer_goes_on_after_an_outage(store):
    disturbed = Disturbed(store)
    with Writer(disturbed) as writer:
        prepare(writer)
        disturbed.fails = ["before"] * 2
        with pytest.raises(Unavailable, match="the cable was cut"):
            writer.execute(request("call", call()))
        assert store.balances()[CREDIT] == 1_000_000

        writer.execute(request("call", call()))
    assert store.balances()[CREDIT] == 1_000_000 - 100


def test_bug_in_one_command_harms_no_other(writer, store, monkeypatch):
    def transition(*_):
        raise ZeroDivisionError

    rule = Rule("list_model", transition)
    monkeypatch.setitem(COMMANDS, ListModel, rule)
    asked = [
        writer.submit(
            request(f"call{n}", call() if n % 10 else ListModel(f"m-{n}", "", 1, 1))
        )
        for n in range(100)
    ]
    wait(asked)

    failed = [each for each in asked if each.exception() is not None]
    assert len(failed) == 10
    assert all(isinstance(each.exception(), ZeroDivisionError) for each in failed)
    assert store.balances()[CREDIT] == 1_000_000 - 90 * 100


def test_callback_that_raises_harms_no_other(writer):
    told = threading.Event()

    def raises(_outcome):
        told.set()
        raise RuntimeError

    writer.send(request("call1", call()), raises)

    assert told.wait(10)
    assert writer.execute(request("call2", call())).kind == "call_model"


def test_refund_reads_a_receipt_that_was_just_written(writer, store):
    for n in range(20):
        charged = writer.submit(request(f"call{n}", call()))
        number = len(PREPARED) + 1 + 2 * n
        refund = writer.submit(request(f"back{n}", RefundCharge(number, 100, "sorry")))
        assert charged.result().id == number
        assert refund.result().id == number + 1
    assert store.balances()[CREDIT] == 1_000_000


def test_hold_expires_by_itself(store):
    now = [1_000_000]
    with Writer(store, clock=lambda: now[0]) as writer:
        prepare(writer)
        writer.execute(
            request("hold", OpenHold("lease", "consumer:alice", 5_000, 3_000_000))
        )
        assert store.balances()[CREDIT] == 995_000
        now[0] = 3_000_000
        until = time.monotonic() + 20
        while store.balances()[CREDIT] != 1_000_000 and time.monotonic() < until:
            time.sleep(0.05)
    assert store.balances()[CREDIT] == 1_000_000
    assert HoldStatus.EXPIRED.value in store.record("hold", "lease")


def test_books_that_are_not_open_take_no_command(store):
    with Writer(store) as writer, pytest.raises(Exception, match="not open yet"):
        writer.execute(request("early", OpenAccounts("consumer:alice")))


def test_moments_never_go_back_though_the_clock_does(store):
    times = iter([5_000, 4_000, 3_000, *range(6_000, 7_000)])
    with Writer(store, clock=lambda: next(times)) as writer:
        prepare(writer)
    moments = [store.receipt(n + 1).at for n in range(len(PREPARED))]
    assert moments == sorted(moments)


def test_record_of_a_posted_hold_is_kept(writer, store):
    writer.execute(request("hold", OpenHold("lease", "consumer:alice", 5_000, 2**52)))
    receipt = writer.execute(request("call", call(2_000, hold="lease")))

    assert store.transfers(receipt)[0].amount == 5_000
    assert json.loads(store.record("hold", "lease"))["status"] == "posted"
    assert store.balances()[CREDIT] == 1_000_000 - 2_000


@pytest.mark.parametrize("loaded", [0, 50, 10**6], ids=["none", "few", "all"])
def test_books_forget_what_they_can_read_again(tmp_path, monkeypatch, loaded):
    monkeypatch.setattr("coopera.service.books.REMEMBERED", 30)
    # Accounts are read at the start, or one by one, or first so and then so.
    monkeypatch.setattr("coopera.service.state.LOADED", loaded)
    url = str(tmp_path / "books.db")
    migrate(url)
    store = open_store(url)
    with Writer(store, batch_max=8) as writer:
        prepare(writer)
        opened = [
            request(f"open{n}", OpenAccounts(f"supplier:s-{n}")) for n in range(100)
        ]
        calls = [
            request(
                f"call{n}",
                CallModel("consumer:alice", "llm", 100, 0, ((f"supplier:s-{n}", 1),)),
            )
            for n in range(100)
        ]
        asked = [writer.submit(each) for each in (*opened, *calls, *calls)]
        wait(asked)
        assert [each.exception() for each in asked] == [None] * 300
        assert writer._books.state.remembered < 100
    check = open_store(url, writes=False)
    assert check.balances()[AccountId(CREDIT)] == 1_000_000 - 100 * 100
    assert check.balances()[AccountId("supplier:s-99:usd")] == 90
    check.close()
