"""
Jobs from order to pay, through the one writer and the market that follows the books.

Members act in waves: all order, then all accept, and so on, so that the writer is never
without work. What the network does by itself (matches, links, panels, outcomes) is part
of it. A job is twelve commands of its own, each with a receipt, durable before it is
answered.
"""

import gc
import tempfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass
from itertools import count
from pathlib import Path
from statistics import median

import msgspec
from benchmarks.books import Homes, bytes_written, cpu_seconds, started_server
from benchmarks.measuring import Table, say, taken
from tests.postgres import Server
from tests.service.network import ROOT, SALT, START, Hashes, tables

from coopera.protocol.books import OpenBooks
from coopera.protocol.jobs import AcceptTask, CreateJob, DeliverTask
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.orders import Audit, Job, JobStage, Need
from coopera.protocol.supply import (
    VALIDATOR,
    CertifyResource,
    RegisterResource,
    StakeCertificate,
)
from coopera.protocol.validation import CommitVerdict, RevealVerdict, verdict_digest
from coopera.service import Request, Writer
from coopera.service.market import Market
from coopera.service.market.bulk import load_many
from coopera.store import MemoryStore, Store
from coopera.store.opening import migrate, open_store

SECOND = TOKEN = DOLLAR = 1_000_000
CONSUMERS, SUPPLIERS, VALIDATORS = 50, 20, 60
COMMANDS = 12
"""Of one job: order, match, accept, deliver, draw, three verdicts twice, conclude."""


@dataclass(frozen=True)
class Trade:
    """How much is traded."""

    jobs: int
    rounds: int


FULL, QUICK = Trade(6_000, 3), Trade(1_500, 1)


class Members:
    """Members of a network, and the moments at which they act."""

    def __init__(self, store: Store, jobs: int) -> None:
        self.store, self.jobs, self.now = store, jobs, START
        self._keys = count(1)
        market = Market(Hashes(), load=load_many)
        self.writer = Writer(
            store, market=market, queue_max=10**6, clock=lambda: self.now
        )

    def give(self, commands: Iterable[object]) -> None:
        """Give commands, and wait until all of them are durable."""
        asked = [
            self.writer.submit(
                Request(f"bench-{next(self._keys):09}", "operator", each)
            )
            for each in commands
        ]
        for each in asked:
            each.result()
        self.writer.rested().result()

    def prepare(self) -> None:
        """Open the books, and let everybody join."""
        self.give([OpenBooks(tables(validation={"validator_stake": 100}), 0, 0)])
        self.give(self._joining())

    def _joining(self) -> Iterator[object]:
        for n in range(CONSUMERS):
            yield OpenAccounts(f"consumer:c{n}")
            paid = self.jobs * 10 * DOLLAR
            yield Deposit(f"consumer:c{n}:credit", "usd", paid, f"c{n}")
        for n in range(SUPPLIERS + VALIDATORS):
            kind = "training" if n < SUPPLIERS else VALIDATOR
            owner = f"supplier:s{n}"
            yield OpenAccounts(owner)
            tokens = 400 if n < SUPPLIERS else 110
            yield Deposit(f"{owner}:token", "token", tokens * TOKEN, f"s{n}")
            what = (f"d{n}", 8, 80, "eu", 100, 1, 1_000)
            yield RegisterResource(f"r{n}", owner, kind, *what)
            yield CertifyResource(f"r{n}", "seen")
            yield StakeCertificate(f"r{n}", owner)

    def trade(self, first: int = 0) -> None:
        """Bring as many jobs from order to pay as there are."""
        numbers = range(first, first + self.jobs)
        # Each asks for one device, so that its supplier is known.
        suppliers = {n: n % SUPPLIERS for n in numbers}
        deadline = self.now + 86_400 * SECOND
        self.give(
            CreateJob(
                *(f"j{n}", f"consumer:c{n % CONSUMERS}", "training", "demo"),
                *(2 * DOLLAR, SECOND, (Need("training", (f"d{suppliers[n]}",)),)),
                deadline,
            )
            for n in numbers
        )
        self.give(AcceptTask(f"j{n}", 0, f"supplier:s{suppliers[n]}") for n in numbers)
        # The next link may come a while after the last one.
        self.now += 2 * SECOND
        self.give(
            DeliverTask(f"j{n}", 0, f"supplier:s{suppliers[n]}", ROOT) for n in numbers
        )
        panels = {n: self._panel(n) for n in numbers}
        self.give(
            CommitVerdict(
                *(f"j{n}", 0, name, f"supplier:s{name[1:]}"),
                verdict_digest(f"j{n}", 0, name, SALT, passed=True),
            )
            for n in numbers
            for name in panels[n]
        )
        self.give(
            RevealVerdict(f"j{n}", 0, name, f"supplier:s{name[1:]}", True, SALT)  # noqa: FBT003
            for n in numbers
            for name in panels[n]
        )

    def settled(self) -> int:
        """Count the jobs that are settled."""
        bodies = self.store.records("job").values()
        stages = (msgspec.json.decode(body, type=Job).stage for body in bodies)
        return sum(stage is JobStage.SETTLED for stage in stages)

    def _panel(self, number: int) -> list[str]:
        body = self.store.record("audit", f"j{number}:0")
        while body is None:
            # Links come a second apart.
            self.now += 2 * SECOND
            self.writer.rested().result()
            body = self.store.record("audit", f"j{number}:0")
        return [each.resource for each in msgspec.json.decode(body, type=Audit).panel]


def trading(trade: Trade) -> Table:
    """Trade in memory, on SQLite and on PostgreSQL, in turns."""
    table = Table(
        "Jobs from order to pay, each checked by three validators",
        ("", "jobs a second", "commands a second", "CPU us a job", "bytes a job"),
    )
    with tempfile.TemporaryDirectory(prefix="trading") as folder:
        with started_server() as server:
            homes = Homes(Path(folder), server)
            opened: dict[str, Callable[[], Store]] = {
                "in memory, nothing written": MemoryStore,
                "SQLite": lambda: _made(homes.sqlite()),
            }
            if server is not None:
                opened["PostgreSQL"] = lambda: _made(homes.postgres())
            runs: dict[str, list[tuple[float, float, float]]] = {
                name: [] for name in opened
            }
            for number in range(trade.rounds):
                say(f"trading: round {number + 1} of {trade.rounds}")
                for name, make in opened.items():
                    runs[name].append(_traded(make(), trade.jobs, server))
        for name, each in runs.items():
            wall, cpu, size = (median(run[i] for run in each) for i in range(3))
            rate = trade.jobs / wall
            table.add(
                name,
                rate,
                rate * COMMANDS,
                cpu / trade.jobs * 1e6,
                size / trade.jobs,
            )
    table.notes += [
        f"{trade.jobs:,} jobs, {SUPPLIERS} suppliers, {VALIDATORS} validators: medians",
        f"of {trade.rounds}. CPU of this process and the server, members among it.",
    ]
    return table


def _made(url: str) -> Store:
    migrate(url)
    return open_store(url)


def _traded(
    store: Store, jobs: int, server: Server | None
) -> tuple[float, float, float]:
    """Trade in new books: seconds, CPU seconds, bytes written."""
    members = Members(store, jobs)
    with closing(members.writer):
        members.prepare()
        gc.collect()
        gc.freeze()
        cpu, size = cpu_seconds(server), bytes_written()
        took = taken(members.trade)
        figures = took.wall, cpu_seconds(server) - cpu, float(bytes_written() - size)
        assert members.settled() == jobs
    return figures


PARTS: dict[str, Callable[[Trade], Table]] = {"trading": trading}
