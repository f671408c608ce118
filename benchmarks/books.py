"""
The books under load, beside pgbench and beside bare inserts of the same rows.

One settlement is one call of an agent: metered, priced, split six ways, chained, and
durable before it is answered.
"""

import gc
import itertools
import json
import os
import random
import resource
import sqlite3
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from statistics import median, quantiles

from benchmarks.measuring import Table, Taken, say
from tests.postgres import NoServer, Server, binaries

from coopera.params.document import preset
from coopera.protocol.books import OpenBooks
from coopera.protocol.listing import ListAgent, ListModel
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.services import CallAgent
from coopera.service import Books, Request, Writer
from coopera.store import Batch, MemoryStore
from coopera.store.base import BALANCE, RECEIPT, TRANSFER
from coopera.store.memory import rows
from coopera.store.opening import migrate, open_store
from coopera.store.sql import SqlStore
from coopera.store.sqlite import BALANCED

CONSUMERS, AGENTS, SUPPLIERS, MODELS = 10_000, 500, 500, 50
GROUP = 512
PGBENCH_SCALE, PGBENCH_CLIENTS = 50, 32
SETTINGS = {"max_connections": "60", "shared_buffers": "128MB", "max_wal_size": "1GB"}
"""Of the server: those that Debian ships, and room for the clients."""


@dataclass(frozen=True)
class Load:
    """How much is settled."""

    settlements: int
    rounds: int
    pgbench_seconds: int
    latency_seconds: float
    growth: tuple[int, ...]
    """Transfers in the books at which the rate is taken."""


FULL = Load(61_440, 5, 8, 8.0, (10**4, 10**5, 10**6, 10**7))
QUICK = Load(20_480, 2, 3, 2.0, (10**4, 10**5))


def preparations() -> Iterator[object]:
    """Open the books, the members, and the price list."""
    tables = {
        name: table
        for name, table in preset("paper").tables.items()
        if name not in ("simulation", "sentiment", "consumers", "suppliers", "shocks")
    }
    yield OpenBooks(json.dumps(tables, default=str), 1_000_000_000)
    for n in range(AGENTS):
        yield OpenAccounts(f"creator:c-{n}")
    for n in range(SUPPLIERS):
        yield OpenAccounts(f"supplier:gpu-{n}")
    for n in range(CONSUMERS):
        yield OpenAccounts(f"consumer:u-{n}")
        yield Deposit(f"consumer:u-{n}:credit", "usd", 90_000_000_000, f"paid-{n}")
    for n in range(MODELS):
        yield ListModel(f"llm-{n}", f"creator:c-{n}", 3_000_000, 15_000_000)
    for n in range(AGENTS):
        developer, model = f"creator:c-{n * 7 % AGENTS}", f"llm-{n % MODELS}"
        yield ListAgent(
            f"agent-{n}", f"creator:c-{n}", model, 3_000_000, 15_000_000, developer
        )


def prepared() -> list[Request]:
    """Give each preparation its key."""
    return [
        Request(f"prepare-{n:08d}", "operator", command)
        for n, command in enumerate(preparations())
    ]


def settlements(count: int, first: int, *, hot: bool = False) -> list[Request]:
    """Draw calls; their keys grow with time, as those of version 7 of UUIDs do."""
    rng = random.Random(first)  # noqa: S311 - the same load each time

    def among(most: int) -> int:
        return 0 if hot else rng.randrange(most)

    return [
        Request(
            f"{first + n:012x}-{rng.getrandbits(64):016x}",
            "operator",
            CallAgent(
                f"consumer:u-{among(CONSUMERS)}",
                f"agent-{among(AGENTS)}",
                rng.randrange(1, 4000),
                rng.randrange(1, 2000),
                ((f"supplier:gpu-{among(SUPPLIERS)}", 1),),
            ),
        )
        for n in range(count)
    ]


def settle(writer: Writer, requests: list[Request]) -> None:
    """Send all requests at once, and wait for the last answer."""
    left, over, failed = itertools.count(1), threading.Event(), []

    def done(outcome: object) -> None:
        if isinstance(outcome, Exception):
            failed.append(outcome)
        if next(left) == len(requests):
            over.set()

    for request in requests:
        writer.send(request, done)
    over.wait()
    assert not failed, failed[0]


def recorded(count: int) -> tuple[list[Batch], list[Batch]]:
    """Run commands over books in memory: the rows to prepare, and those to settle."""
    store = MemoryStore()
    books = Books(store)

    def run(requests: list[Request]) -> list[Batch]:
        kept = []
        for i in range(0, len(requests), GROUP):
            books.run(requests[i : i + GROUP], i)
            batch = books.take()
            store.write(batch)
            kept.append(batch)
        return kept

    return run(prepared()), run(settlements(count, 10**6))


@contextmanager
def fresh(url: str) -> Iterator[SqlStore]:
    """Make books, and open them to write."""
    migrate(url)
    store = open_store(url)
    try:
        yield store
    finally:
        store.close()


def bare_sqlite(path: str, before: list[Batch], batches: list[Batch]) -> float:
    """Insert the same rows as anybody would: executemany, a transaction a group."""
    with fresh(path) as store:
        for batch in before:
            store.write(batch)
    connection = sqlite3.connect(path, isolation_level=None)
    connection.execute("PRAGMA synchronous = FULL")
    cut = [
        (
            list(rows(batch.receipts, RECEIPT)),
            list(rows(batch.transfers, TRANSFER)),
            list(rows(batch.balances, BALANCE)),
        )
        for batch in batches
    ]
    started = time.perf_counter()
    for receipts, transfers, balances in cut:
        connection.execute("BEGIN IMMEDIATE")
        for table, many, conflict in (
            ("receipts", receipts, ""),
            ("transfers", transfers, ""),
            (
                "balances",
                balances,
                BALANCED,
            ),
        ):
            marks = ", ".join("?" * len(many[0]))
            connection.executemany(
                f"INSERT INTO {table} VALUES ({marks}){conflict}",  # noqa: S608
                many,
            )
        connection.execute("COMMIT")
    spent = time.perf_counter() - started
    connection.close()
    return spent


def written(store: SqlStore, batches: list[Batch]) -> float:
    """Write the same rows as the store does, with nothing before and after."""
    started = time.perf_counter()
    for batch in batches:
        store.write(batch)
    return time.perf_counter() - started


class Homes:
    """Fresh books, in SQLite files and in databases of one server."""

    def __init__(self, folder: Path, server: Server | None) -> None:
        self.folder, self.server = folder, server
        self._numbers = itertools.count()

    def sqlite(self) -> str:
        """Name a new file."""
        return str(self.folder / f"{next(self._numbers)}.db")

    def postgres(self) -> str:
        """Make a new database."""
        assert self.server is not None
        return self.server.url(self.server.database())


def through_the_core(url: str, count: int, server: Server | None) -> Taken:
    """Settle through the writer; CPU seconds are this process's and the server's."""
    requests = settlements(count, 10**6)
    with fresh(url) as store, Writer(store, queue_max=2 * count) as writer:
        settle(writer, prepared())
        # The benchmark's own rows and requests are not the collector's business.
        gc.collect()
        gc.freeze()
        wall, cpu = time.perf_counter(), cpu_seconds(server)
        settle(writer, requests)
        return Taken(time.perf_counter() - wall, cpu_seconds(server) - cpu)


def pgbench(server: Server, seconds: int) -> Taken:
    """Run TPC-B with 32 clients: seconds of wall and CPU time of one transaction."""
    cpu = cpu_seconds(server)
    said = subprocess.run(  # noqa: S603 - the server's own program
        [
            str(binaries() / "pgbench"),
            *("-M", "prepared", "-c", str(PGBENCH_CLIENTS), "-j", "2"),
            *("-T", str(seconds), server.url("pgbench")),
        ],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    done = int(said.partition("actually processed: ")[2].split()[0].split("/")[0])
    rate = float(said.partition("tps = ")[2].split()[0])
    return Taken(1 / rate, (cpu_seconds(server) - cpu) / done)


def cpu_seconds(server: Server | None) -> float:
    """Sum the CPU seconds of this process, its children, and a server's processes."""
    mine = sum(
        each.ru_utime + each.ru_stime
        for each in map(
            resource.getrusage, (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)
        )
    )
    if server is None:
        return mine
    first = (server.home / "data/postmaster.pid").read_text().split()[0]
    return mine + _cpu_of_tree(int(first))


def _cpu_of_tree(process: int) -> float:
    """Sum the CPU seconds of a process, of its children, and of those that ended."""
    children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    ticks = 0
    for each in (str(process), *children):
        try:
            stat = Path(f"/proc/{each}/stat").read_text()
        except FileNotFoundError:
            continue  # It ended, and is counted by its parent.
        ticks += sum(map(int, stat.rpartition(")")[2].split()[11:15]))
    return ticks / os.sysconf("SC_CLK_TCK")


def settling(load: Load) -> Table:
    """Settle on both databases, in turns with pgbench and with bare inserts."""
    table = Table(
        "Settlements: one call metered, split six ways, chained, durable",
        ("", "per second", "x pgbench -c 32", "of bare", "CPU us", "bytes written"),
    )
    with (
        tempfile.TemporaryDirectory(prefix="books") as folder,
        started_server() as server,
    ):
        homes = Homes(Path(folder), server)
        before, batches = recorded(load.settlements)
        works = _works(homes, load, before, batches)
        runs: dict[str, list[tuple[float, float, float]]] = {name: [] for name in works}
        for number in range(load.rounds):
            say(f"books: round {number + 1} of {load.rounds}")
            for name, work in works.items():
                runs[name].append(work())
        _add_rows(table, runs)
    return table


def _works(
    homes: Homes, load: Load, before: list[Batch], batches: list[Batch]
) -> dict[str, Callable[[], tuple[float, float, float]]]:
    """List what takes turns: seconds of wall and CPU, and bytes, of one settlement."""
    n = load.settlements

    def of_core(url: str, server: Server | None) -> tuple[float, float, float]:
        bytes_ = bytes_written()
        took = through_the_core(url, n, server)
        return took.wall / n, took.cpu / n * 1e6, (bytes_written() - bytes_) / n

    def of_store(url: str) -> tuple[float, float, float]:
        with fresh(url) as store:
            written(store, before)
            return written(store, batches) / n, 0.0, 0.0

    works: dict[str, Callable[[], tuple[float, float, float]]] = {
        "SQLite FULL, core": lambda: of_core(homes.sqlite(), None),
        "SQLite FULL, bare executemany": lambda: (
            bare_sqlite(homes.sqlite(), before, batches) / n,
            0.0,
            0.0,
        ),
        "SQLite FULL, its rows alone": lambda: of_store(homes.sqlite()),
    }
    server = homes.server
    if server is not None:
        _prepare_pgbench(server)

        def of_pgbench() -> tuple[float, float, float]:
            took = pgbench(server, load.pgbench_seconds)
            return took.wall, took.cpu * 1e6, 0.0

        works = {
            "pgbench TPC-B -c 32": of_pgbench,
            **works,
            "PostgreSQL, core": lambda: of_core(homes.postgres(), server),
            "PostgreSQL, its rows alone": lambda: of_store(homes.postgres()),
        }
    return works


def _add_rows(table: Table, runs: dict[str, list[tuple[float, float, float]]]) -> None:
    seconds = {name: median(each[0] for each in some) for name, some in runs.items()}
    peer = seconds.get("pgbench TPC-B -c 32")
    for name, some in runs.items():
        bare = seconds.get(f"{name.partition(',')[0]}, its rows alone")
        cpu, bytes_ = (median(each[i] for each in some) for i in (1, 2))
        table.add(
            name,
            1 / seconds[name],
            peer / seconds[name] if peer else "-",
            bare / seconds[name] if bare else "-",
            cpu or "-",
            bytes_ or "-",
        )


def latency(load: Load) -> Table:
    """Settle at half of the rate that saturates, and see how long an answer takes."""
    table = Table(
        "Time to a durable answer at half load",
        ("", "per second", "p50 ms", "p99 ms"),
    )
    with (
        tempfile.TemporaryDirectory(prefix="books") as folder,
        started_server() as server,
    ):
        homes = Homes(Path(folder), server)
        urls = {"SQLite FULL": homes.sqlite()}
        if server is not None:
            urls["PostgreSQL"] = homes.postgres()
        for name, url in urls.items():
            say(f"latency: {name}")
            with fresh(url) as store, Writer(store, queue_max=10**6) as writer:
                settle(writer, prepared())
                requests = settlements(load.settlements, 10**6)
                started = time.perf_counter()
                settle(writer, requests)
                rate = load.settlements / (time.perf_counter() - started) / 2
                took = _paced(writer, rate, load.latency_seconds)
            cuts = quantiles(took, n=100)
            table.add(name, rate, cuts[49] * 1e3, cuts[98] * 1e3)
    return table


def _paced(writer: Writer, rate: float, seconds: float) -> list[float]:
    """Send requests at a steady rate: how long each took to be answered."""
    requests = settlements(int(rate * seconds), 10**9)
    took: list[float] = []
    over = threading.Event()

    def timed(due: float) -> Callable[[object], None]:
        def done(_outcome: object) -> None:
            took.append(time.perf_counter() - due)
            if len(took) == len(requests):
                over.set()

        return done

    started = time.perf_counter()
    for n, request in enumerate(requests):
        due = started + n / rate
        while (early := due - time.perf_counter()) > 0:
            time.sleep(early)
        writer.send(request, timed(due))
    over.wait()
    return took


def growing(load: Load) -> Table:
    """Settle until the books are large, and see what a settlement then costs."""
    table = Table(
        "Settlements as the books grow, SQLite FULL",
        ("transfers in the books", "per second", "CPU us", "bytes written", "hot: us"),
    )
    with tempfile.TemporaryDirectory(prefix="books") as folder:
        url = Homes(Path(folder), None).sqlite()
        with fresh(url) as store, Writer(store, queue_max=10**6) as writer:
            settle(writer, prepared())
            sent, step = 10**6, GROUP * 40
            for goal in load.growth:
                while store.head().transfer < goal - 6 * step:
                    settle(writer, settlements(step, sent))
                    sent += step
                say(f"growing: {goal:,} transfers")
                figures = []
                for _ in range(load.rounds):
                    wall, cpu, bytes_ = (
                        time.perf_counter(),
                        cpu_seconds(None),
                        bytes_written(),
                    )
                    settle(writer, settlements(step, sent))
                    figures.append(
                        (
                            step / (time.perf_counter() - wall),
                            (cpu_seconds(None) - cpu) / step * 1e6,
                            (bytes_written() - bytes_) / step,
                        )
                    )
                    sent += step
                hot = cpu_seconds(None)
                settle(writer, settlements(step, sent, hot=True))
                sent += step
                rate, cpu_us, bytes_ = (
                    median(each[i] for each in figures) for i in range(3)
                )
                table.add(
                    f"{goal:,}",
                    rate,
                    cpu_us,
                    bytes_,
                    (cpu_seconds(None) - hot) / step * 1e6,
                )
    table.notes.append("hot: every settlement touches the same accounts.")
    return table


def bytes_written() -> int:
    """Count what this process has handed to the disk."""
    for line in Path("/proc/self/io").read_text().splitlines():
        if line.startswith("write_bytes"):
            return int(line.split()[1])
    return 0


@contextmanager
def started_server() -> Iterator[Server | None]:
    """Start a PostgreSQL server, where there is one to start."""
    try:
        server = Server(SETTINGS)
    except NoServer as reason:
        say(f"PostgreSQL: skipped: {reason}")
        yield None
        return
    try:
        yield server
    finally:
        server.remove()


def _prepare_pgbench(server: Server) -> None:
    say(f"pgbench: filling its tables, scale {PGBENCH_SCALE}")
    server.execute("CREATE DATABASE pgbench")
    subprocess.run(  # noqa: S603 - the server's own program
        [
            str(binaries() / "pgbench"),
            *("-i", "-q", "-s", str(PGBENCH_SCALE), server.url("pgbench")),
        ],
        check=True,
        capture_output=True,
    )


PARTS: dict[str, Callable[[Load], Table]] = {
    "settling": settling,
    "latency": latency,
    "growing": growing,
}
