"""
Random histories leave the same books in memory, in SQLite and in PostgreSQL.

Commands come in groups, as from the writer; now and then a commit fails before or after
it was made, and now and then the books are closed and opened again. The hash chain says
at once whether two books are the same.
"""

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from coopera.accounting.audit import audit
from coopera.ledger import Receipt
from coopera.params import CHAPTERS
from coopera.params.document import preset
from coopera.protocol.books import OpenBooks
from coopera.protocol.contribution import Contribute, ListContribution, ShareBudget
from coopera.protocol.holds import ExpireHolds, OpenHold, VoidHold
from coopera.protocol.launchpad import PayLaunchpad
from coopera.protocol.listing import (
    ListAgent,
    ListData,
    ListGpu,
    ListModel,
)
from coopera.protocol.money import (
    CancelWithdrawal,
    CloseAccounts,
    ConfirmWithdrawal,
    Deposit,
    GrantCredit,
    Move,
    OpenAccounts,
    RefundCharge,
    RequestWithdrawal,
)
from coopera.protocol.records import RECORDS
from coopera.protocol.services import (
    CallAgent,
    CallModel,
    PayJob,
    Train,
)
from coopera.service import Books, Request
from coopera.store import MemoryStore, Store
from coopera.store.opening import open_store
from coopera.store.sql import SqlStore
from coopera.store.sqlite import SqliteStore

TABLES = {
    name: table
    for name, table in preset("minimal").tables.items()
    if name in (*CHAPTERS, "payment_matrix", "projects")
}
OPENING: list[Any] = [
    OpenBooks(json.dumps(TABLES, default=str), 1_000),
    OpenAccounts("consumer:alice"),
    OpenAccounts("consumer:bob", 3_000),
    OpenAccounts("supplier:gpu"),
    OpenAccounts("creator:ann"),
    OpenAccounts("contributor:dan"),
    OpenAccounts("holder:eve"),
    Deposit("consumer:alice:credit", "usd", 2_000, "a"),
    Deposit("holder:eve:token", "token", 2_000, "t"),
    ListModel("llm", "creator:ann", 3_000_000, 15_000_000),
    ListAgent("writer", "creator:ann", "llm", 3_000_000, 15_000_000),
    ListGpu("h100", 2_500_000),
    ListData("label", 7),
    ListContribution("template", 50),
    ListContribution("gpu-time", 10_000, "hour"),
]

amounts = st.sampled_from([1, 7, 100, 999, 2_500, 10**15, 10**15 + 1, 0, -1])
names = st.sampled_from(["one", "two", "three"])
consumers = st.sampled_from(["consumer:alice", "consumer:bob", "consumer:nobody"])
owners = st.sampled_from(
    ["consumer:bob", "supplier:gpu", "creator:ann", "contributor:dan", "holder:new"]
)
credits_ = consumers.map(lambda each: f"{each}:credit")
accounts = st.sampled_from(
    [
        "consumer:alice:credit",
        "consumer:bob:credit",
        "supplier:gpu:usd",
        "supplier:gpu:token",
        "creator:ann:usd",
        "contributor:dan:usd",
        "holder:eve:token",
        "market:usd",
        "nowhere",
    ]
)
assets = st.sampled_from(["usd", "usd", "token", "point", "gold"])
served = st.lists(
    st.tuples(st.sampled_from(["supplier:gpu", "supplier:x"]), st.integers(0, 3)),
    min_size=1,
    max_size=2,
).map(tuple)
holds = st.one_of(st.just(""), names)
few = st.integers(0, 60)
commands = st.one_of(
    st.builds(OpenAccounts, owners),
    st.builds(CloseAccounts, owners),
    st.builds(Deposit, accounts, assets, amounts, names),
    st.builds(RequestWithdrawal, names, accounts, assets, amounts),
    st.builds(ConfirmWithdrawal, names, names),
    st.builds(CancelWithdrawal, names),
    st.builds(GrantCredit, consumers, amounts, st.just("welcome")),
    st.builds(Move, accounts, accounts, assets, amounts),
    st.builds(RefundCharge, st.integers(0, 60), amounts, st.just("sorry")),
    st.builds(OpenHold, names, consumers, amounts, st.integers(0, 80)),
    st.builds(VoidHold, names),
    st.builds(ExpireHolds, st.lists(names, max_size=2).map(tuple)),
    st.builds(
        CallAgent, consumers, st.just("writer"), few, few, served, st.just(()), holds
    ),
    st.builds(CallModel, consumers, st.just("llm"), few, few, served, holds),
    st.builds(
        Train,
        consumers,
        st.just((("supplier:gpu", "h100", 1),)),
        st.just((("contributor:dan", "label", 3),)),
        holds,
    ),
    st.builds(
        PayJob,
        consumers,
        st.sampled_from(["training", "serving", "none"]),
        amounts,
        st.just((("training", "supplier:gpu", 1), ("inference", "supplier:gpu", 2))),
        holds,
    ),
    st.builds(
        PayLaunchpad,
        st.sampled_from(["create", "stake", "buy", "sell"]),
        st.just("writer"),
        accounts,
        assets,
        amounts,
        accounts,
    ),
    st.builds(
        Contribute,
        owners,
        st.just((("template", 2), ("gpu-time", 1_000))),
    ),
    st.builds(ShareBudget, assets, amounts),
)
callers = st.sampled_from(
    ["operator", "operator", "operator", "consumer:alice", "supplier:gpu", "nobody"]
)
keys = st.integers(0, 40).map(lambda n: f"key-{n:05d}")
requests = st.builds(Request, keys, callers, commands)

GOES, LOST, DOUBTFUL, REOPENED = "goes", "lost", "doubtful", "reopened"
"""A commit that goes well; one that fails; one that was made, and is said to have
failed; one after which the books are opened again."""
groups = st.lists(
    st.tuples(
        st.lists(requests, min_size=1, max_size=8),
        st.sampled_from([GOES, GOES, GOES, LOST, DOUBTFUL, REOPENED]),
    ),
    max_size=8,
)


def run(store: Store, history: Sequence[tuple[list[Request], str]]) -> list[str]:
    """Run a history: what each command was answered."""
    books = Books(store)
    answers: list[str] = []

    def group(asked: list[Request], at: int, fate: str) -> None:
        outcomes = books.run(asked, at)
        batch = books.take()
        if fate == LOST:
            books.reload()
            outcomes = books.run(asked, at)
            batch = books.take()
        store.write(batch)
        if fate == DOUBTFUL:
            books.reload()
            again = books.run(asked, at)
            assert [*map(told, again)] == [*map(told, outcomes)]
            assert not books.take().receipts
        books.written(outcomes)
        answers.extend(map(told, outcomes))

    opening = [
        Request(f"open-{n:05d}", "operator", each) for n, each in enumerate(OPENING)
    ]
    group(opening, 0, GOES)
    assert all(each.startswith("receipt") for each in answers), answers
    for number, (asked, fate) in enumerate(history):
        if fate == REOPENED:
            books = Books(store)
        # What reads history is run when all before it is written, as by the writer.
        for n, each in enumerate(asked):
            group([each], 10 * number + n, fate)
    return answers


def told(outcome: Receipt | Exception) -> str:
    """Write down what a caller was told."""
    if isinstance(outcome, Receipt):
        return f"receipt {outcome.id} {outcome.hash.hex()}"
    return f"{getattr(outcome, 'code', type(outcome).__name__)}: {outcome}"


def audited(store: SqlStore) -> None:
    report = audit(store)
    assert report.clean, report


@given(history=groups)
@settings(max_examples=60, suppress_health_check=list(HealthCheck))
def test_memory_and_sqlite_keep_the_same_books(history, sqlite_url):
    path = Path(sqlite_url).with_name("again.db")
    shutil.copy(sqlite_url, path)
    memory, sqlite = MemoryStore(), SqliteStore(path)
    try:
        assert run(sqlite, history) == run(memory, history)
        assert sqlite.head() == memory.head()
        assert sqlite.balances() == memory.balances()
        assert all(sqlite.records(kind) == memory.records(kind) for kind in RECORDS)
        audited(sqlite)
    finally:
        sqlite.close()
        for each in path.parent.glob("again.db*"):
            each.unlink()


@given(history=groups)
@settings(max_examples=15, suppress_health_check=list(HealthCheck))
def test_memory_and_postgresql_keep_the_same_books(history, server):
    memory = MemoryStore()
    name = server.database("books")
    store = open_store(server.url(name))
    try:
        assert run(store, history) == run(memory, history)
        assert store.head() == memory.head()
        assert store.balances() == memory.balances()
        assert all(store.records(kind) == memory.records(kind) for kind in RECORDS)
        audited(store)
    finally:
        store.close()
        server.execute(f"DROP DATABASE {name}")
