"""
The scheduler's index, beside SQLite and sortedcontainers doing the same.

Offers and needs are skewed as in a market: a few kinds, devices, regions and models are
most of it. Times are CPU time of the one thread that works.
"""

import sqlite3
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from operator import itemgetter
from pathlib import Path
from statistics import fmean, median
from typing import TypeVar

import numpy as np
from benchmarks.agreement import Disagreement
from benchmarks.measuring import Table, say
from msgspec.json import encode
from sortedcontainers import SortedList

from coopera.cli.sources import open_source
from coopera.formulas.reputation import supplier_rank
from coopera.params import Params
from coopera.protocol.supply import Capability, Resource, Stage, Track
from coopera.service.market.bulk import load_many
from coopera.service.market.reading import Activity
from coopera.service.scheduler import kernels
from coopera.service.scheduler.index import Index
from coopera.service.scheduler.needs import Need, Offer, Ranking, least_rank
from coopera.service.scheduler.queue import Job, Queue
from coopera.sim.scenario import read_scenario
from coopera.store.opening import migrate, open_store
from coopera.units import WAD, Wad

KINDS, DEVICES, REGIONS, MODELS = 8, 32, 40, 64
MEMORY = np.array([8, 12, 16, 24, 24, 40, 48, 80])
RANKING = Ranking()
FAILING = 0.03
"""Share of jobs that fail."""
BATCH = 256
"""Needs that are matched at a time."""


@dataclass(frozen=True)
class Market:
    """How much is matched."""

    offers: int
    needs: int
    """Needs of the index."""
    peer_needs: int
    """Needs of those who are slower."""
    checked: int
    """Needs whose winner is looked for by brute force."""
    in_hand: int
    """Jobs that are being done at a time."""
    distinct: int
    """Different needs that wait and that nobody meets."""
    rounds: int = 3


FULL = Market(1_000_000, 40_000, 1_000, 200, 20_000, 100_000)
QUICK = Market(100_000, 20_000, 500, 100, 5_000, 100_000)


def zipf(count: int, exponent: float) -> np.ndarray:
    """Give the shares of words, the first the most frequent."""
    weights = 1.0 / np.arange(1, count + 1) ** exponent
    return weights / weights.sum()


@dataclass
class Offers:
    """Offers in arrays, words as numbers: all that a peer needs."""

    count: int
    kind: np.ndarray = field(init=False)
    device: np.ndarray = field(init=False)
    region: np.ndarray = field(init=False)
    models: np.ndarray = field(init=False)
    """One bit a model."""

    def __post_init__(self) -> None:
        """Draw them."""
        n, rng = self.count, np.random.default_rng(1)
        self.kind = rng.choice(KINDS, n, p=zipf(KINDS, 0.8))
        self.device = rng.choice(DEVICES, n, p=zipf(DEVICES, 1.1))
        self.region = rng.choice(REGIONS, n, p=zipf(REGIONS, 1.0))
        self.models = np.zeros(n, np.int64)
        served = rng.integers(1, 6, n)
        for other in range(5):
            drawn = rng.choice(MODELS, n, p=zipf(MODELS, 1.2))
            self.models |= np.where(served > other, np.int64(1) << drawn, 0)
        base = MEMORY[self.device % len(MEMORY)]
        self.devices = rng.choice([1, 2, 4, 8], n, p=[0.7, 0.15, 0.1, 0.05])
        self.price = (np.exp(rng.normal(0, 0.5, n)) * base * 50_000).astype(np.int64)
        self.latency = np.exp(rng.normal(5.0, 0.7, n)).astype(np.int64)
        self.memory = base
        self.total = np.minimum(rng.zipf(1.3, n), 200_000) - 1
        self.completed = np.minimum(self.total, RANKING.window)
        good = rng.binomial(self.completed, rng.beta(30, 1.2, n))
        # Outcomes in any order: rotate as many ones as there are validated jobs.
        full = (np.int64(1) << self.completed) - 1
        ones = (np.int64(1) << good) - 1
        turn = rng.integers(0, np.maximum(self.completed, 1))
        back = np.maximum(self.completed - turn, 0)
        self.outcomes = ((ones << turn) | (ones >> back)) & full
        self.validated = good
        slots = rng.choice([1, 2, 4, 8], n, p=[0.6, 0.2, 0.15, 0.05])
        # Some are listed and do not work now.
        self.slots = np.where(rng.random(n) < 0.15, 0, slots)  # noqa: PLR2004
        self.rank = np.array(
            [
                supplier_rank(*jobs, RANKING.prior_validated, RANKING.prior_failed)
                for jobs in zip(
                    self.validated.tolist(),
                    self.completed.tolist(),
                    self.total.tolist(),
                    strict=True,
                )
            ]
        )


def drawn_needs(count: int) -> list[Need]:
    """Draw what jobs need."""
    rng = np.random.default_rng(2)
    chances = [zipf(DEVICES, 1.1), zipf(REGIONS, 1.0), zipf(MODELS, 1.2)]

    def some(letter: str, which: int, most: int) -> tuple[str, ...]:
        drawn = rng.choice(len(chances[which]), most, p=chances[which])
        return tuple(f"{letter}-{n}" for n in dict.fromkeys(drawn.tolist()))

    needs = []
    for kind in rng.choice(KINDS, count, p=zipf(KINDS, 0.8)).tolist():
        devices = rng.choice([0, 1, 4], p=[0.35, 0.4, 0.25])
        regions = rng.choice([0, 1, 3, 6], p=[0.25, 0.25, 0.25, 0.25])
        reputation = rng.choice([0, 80, 90, 95], p=[0.6, 0.15, 0.15, 0.1])
        needs.append(
            Need(
                kind=f"kind-{kind}",
                devices=some("device", 0, devices),
                count=int(rng.choice([0, 2, 4, 8], p=[0.7, 0.15, 0.1, 0.05])),
                memory_gib=int(
                    rng.choice(
                        [0, 8, 16, 24, 40, 80], p=[0.3, 0.2, 0.2, 0.14, 0.1, 0.06]
                    )
                ),
                regions=some("region", 1, regions),
                latency_ms=int(np.exp(rng.normal(5.6, 0.8))),
                model=some("model", 2, 1)[0] if rng.random() < 0.5 else "",  # noqa: PLR2004
                price=int(np.exp(rng.normal(0.3, 0.7)) * 2_500_000),
                min_reputation=Wad(int(reputation) * WAD // 100),
            )
        )
    return needs


def numbers(words: tuple[str, ...]) -> list[int]:
    """Read the numbers in words."""
    return [int(word.rpartition("-")[2]) for word in words]


def by_force(offers: Offers, need: Need) -> int:
    """Look at every offer: the number of the winner, or -1."""
    fits = (offers.slots > 0) & (offers.kind == numbers((need.kind,))[0])
    if need.devices:
        fits &= np.isin(offers.device, numbers(need.devices))
    if need.regions:
        fits &= np.isin(offers.region, numbers(need.regions))
    if need.model:
        fits &= offers.models >> numbers((need.model,))[0] & 1 == 1
    fits &= (offers.devices >= need.count) & (offers.memory >= need.memory_gib)
    fits &= (offers.latency <= need.latency_ms) | (need.latency_ms == 0)
    fits &= offers.price <= need.price
    # {1} = {1} * {1} / {1}
    weight = offers.completed + RANKING.prior_validated + RANKING.prior_failed
    good = offers.validated + RANKING.prior_validated
    percent = need.min_reputation * 100 // WAD
    fits &= good * 100 >= percent * weight
    left = np.flatnonzero(fits)
    return int(left[np.argmax(offers.rank[left])]) if len(left) else -1


# SQLite

TABLE = """CREATE TABLE offers (
    serial INTEGER PRIMARY KEY, kind_code INTEGER NOT NULL,
    device_code INTEGER NOT NULL, region_code INTEGER NOT NULL,
    model_bits INTEGER NOT NULL, count INTEGER NOT NULL, memory_gib INTEGER NOT NULL,
    latency_ms INTEGER NOT NULL, price INTEGER NOT NULL, free INTEGER NOT NULL,
    outcomes INTEGER NOT NULL, validated INTEGER NOT NULL, completed INTEGER NOT NULL,
    total INTEGER NOT NULL, rank INTEGER NOT NULL) STRICT"""
COVERING = """CREATE INDEX by_rank ON offers (kind_code, rank DESC, serial, device_code,
    region_code, memory_gib, count, price, latency_ms, free, model_bits)"""


def write_table(connection: sqlite3.Connection, offers: Offers) -> None:
    """Write the offers down, in numbers."""
    columns = (
        *(range(offers.count), offers.kind, offers.device, offers.region),
        *(offers.models, offers.devices, offers.memory, offers.latency, offers.price),
        *(offers.slots, offers.outcomes, offers.validated, offers.completed),
        *(offers.total, offers.rank),
    )
    rows = zip(*(np.asarray(each).tolist() for each in columns), strict=True)
    connection.execute(TABLE)
    marks = ", ".join("?" * len(columns))
    connection.executemany(f"INSERT INTO offers VALUES ({marks})", rows)  # noqa: S608
    connection.commit()


def write_books(url: str, offers: Offers) -> None:
    """Write the offers into books, as the records of their resources."""
    models = {
        bits: tuple(f"model-{n}" for n in range(MODELS) if bits >> n & 1)
        for bits in np.unique(offers.models).tolist()
    }
    columns = (
        *(offers.kind, offers.device, offers.devices, offers.memory, offers.region),
        *(offers.latency, offers.models, offers.price, offers.slots),
        *(offers.outcomes, offers.completed, offers.total),
    )

    def records() -> Iterator[Resource | Track]:
        given = zip(*(each.tolist() for each in columns), strict=True)
        for n, (k, d, c, m, r, late, bits, p, s, o, done, total) in enumerate(given):
            can = Capability(
                *(f"kind-{k}", f"device-{d}", c, m, f"region-{r}", late),
                *(models[bits], p, s),
            )
            yield Resource(
                *(f"gpu-{n}", n, f"supplier:{n // 3}", can, Stage.STAKED, 1),
                *("seen", True),
            )
            written = format(o, f"0{done}b") if done else ""
            yield Track(f"gpu-{n}", outcomes=written, total=total)

    migrate(url)
    with closing(sqlite3.connect(url)) as connection:
        rows = (
            (type(each).__name__.lower(), each.id, 1, encode(each).decode())
            for each in records()
        )
        connection.executemany(
            "INSERT INTO latest (kind, name, receipt, body) VALUES (?, ?, ?, ?)", rows
        )
        connection.commit()


class Sqlite:
    """The table, with an index that has everything in the order of rank."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self.connection = connection
        connection.execute(COVERING)
        connection.execute("PRAGMA cache_size = -1000000")
        connection.execute("PRAGMA synchronous = OFF")

    def match(self, need: Need) -> int:
        """Find the winner."""
        where = [
            "kind_code = ? AND rank >= ? AND free > 0 AND memory_gib >= ?",
            "count >= ? AND price <= ? AND latency_ms <= ?",
        ]
        values: list[int] = [
            numbers((need.kind,))[0],
            least_rank(need.min_reputation, RANKING.weight_max),
            *(need.memory_gib, need.count, need.price, need.latency_ms or 2**31),
        ]
        for column, words in ("device", need.devices), ("region", need.regions):
            if words:
                where.append(f"{column}_code IN ({', '.join('?' * len(words))})")
                values += numbers(words)
        if need.model:
            where.append("model_bits >> ? & 1")
            values += numbers((need.model,))
        found = self.connection.execute(
            f"SELECT serial FROM offers WHERE {' AND '.join(where)} "  # noqa: S608
            "ORDER BY rank DESC, serial LIMIT 1",
            values,
        ).fetchone()
        return found[0] if found else -1

    def claim(self, number: int) -> None:
        """Take a slot."""
        self.connection.execute(
            "UPDATE offers SET free = free - 1 WHERE serial = ?", (number,)
        )

    def finish(self, number: int, *, validated: bool) -> None:
        """Give a slot back, and record how the job went."""
        outcomes, completed, total = self.connection.execute(
            "SELECT outcomes, completed, total FROM offers WHERE serial = ?", (number,)
        ).fetchone()
        jobs = _pushed(outcomes, completed, total, validated=validated)
        self.connection.execute(
            "UPDATE offers SET free = free + 1, outcomes = ?, validated = ?, "
            "completed = ?, total = ?, rank = ? WHERE serial = ?",
            (*jobs, number),
        )


def _pushed(
    outcomes: int, completed: int, total: int, *, validated: bool
) -> tuple[int, int, int, int, int]:
    """Give outcomes, validated, completed, total and rank after one more job."""
    outcomes = (outcomes << 1 | validated) & ((1 << RANKING.window) - 1)
    good, completed = outcomes.bit_count(), min(completed + 1, RANKING.window)
    rank = supplier_rank(
        good,
        completed,
        total + 1,
        RANKING.prior_validated,
        RANKING.prior_failed,
    )
    return outcomes, good, completed, total + 1, rank


class Sorted:
    """A sorted list of each kind, device and region, of those that have a slot."""

    def __init__(self, offers: Offers) -> None:
        self.home = list(
            zip(
                offers.kind.tolist(),
                offers.device.tolist(),
                offers.region.tolist(),
                strict=True,
            )
        )
        self.facts = list(
            zip(
                offers.memory.tolist(),
                offers.devices.tolist(),
                offers.price.tolist(),
                offers.latency.tolist(),
                offers.models.tolist(),
                strict=True,
            )
        )
        self.jobs = list(
            zip(
                offers.outcomes.tolist(),
                offers.completed.tolist(),
                offers.total.tolist(),
                strict=True,
            )
        )
        self.rank, self.free = offers.rank.tolist(), offers.slots.tolist()
        listed: dict[tuple[int, int, int], list[tuple[int, int]]] = {}
        for n, home in enumerate(self.home):
            held = listed.setdefault(home, [])
            if self.free[n]:
                held.append((-self.rank[n], n))
        self.lists = {home: SortedList(held) for home, held in listed.items()}

    def match(self, need: Need) -> int:
        """Find the winner: lists with the best heads first, none beyond the winner."""
        (kind,) = numbers((need.kind,))
        best = -least_rank(need.min_reputation, RANKING.weight_max), len(self.rank)
        found = -1
        bit = 1 << numbers((need.model,))[0] if need.model else 0
        some = [
            held
            for device in numbers(need.devices) or range(DEVICES)
            for region in numbers(need.regions) or range(REGIONS)
            if (held := self.lists.get((kind, device, region)))
        ]
        for held in sorted(some, key=itemgetter(0)):
            for each in held:
                if each > best:
                    break
                memory, count, price, latency, models = self.facts[each[1]]
                if (
                    memory >= need.memory_gib
                    and count >= need.count
                    and price <= need.price
                    and latency <= need.latency_ms
                    and models & bit == bit
                ):
                    best, found = each, each[1]
                    break
        return found

    def claim(self, number: int) -> None:
        """Take a slot."""
        self.free[number] -= 1
        if not self.free[number]:
            self.lists[self.home[number]].remove((-self.rank[number], number))

    def finish(self, number: int, *, validated: bool) -> None:
        """Give a slot back, and record how the job went."""
        held = self.lists[self.home[number]]
        if self.free[number]:
            held.remove((-self.rank[number], number))
        outcomes, _, completed, total, self.rank[number] = _pushed(
            *self.jobs[number], validated=validated
        )
        self.jobs[number] = outcomes, completed, total
        self.free[number] += 1
        held.add((-self.rank[number], number))


class Called:
    """The index, one call from Python for each thing that happens."""

    def __init__(self, index: Index) -> None:
        self.index = index

    def match(self, need: Need) -> int:
        """Find the winner."""
        found = self.index.match(need)
        return -1 if found is None else int(found[4:])

    def claim(self, number: int) -> None:
        """Take a slot."""
        self.index.claim(f"gpu-{number}")

    def finish(self, number: int, *, validated: bool) -> None:
        """Give a slot back, and record how the job went."""
        self.index.finish(f"gpu-{number}", validated=validated)


Peer = Called | Sorted | Sqlite


# measuring


Made = TypeVar("Made")


def timed(work: Callable[[], Made], rounds: int = 1) -> tuple[Made, float]:
    """Make something, and tell the seconds of CPU that it took, the median of some."""
    times = []
    for _ in range(rounds):
        made = None  # What was made before is let go of outside of the time.
        started = time.thread_time()
        made = work()
        times.append(time.thread_time() - started)
    assert made is not None
    return made, median(times)


def each_us(work: Callable[[Need], object], needs: list[Need]) -> tuple[float, float]:
    """Time calls one by one: mean and 99th percentile in microseconds of CPU."""
    took = []
    for need in needs:
        started = time.thread_time_ns()
        work(need)
        took.append(time.thread_time_ns() - started)
    return fmean(took) / 1e3, float(np.percentile(took, 99)) / 1e3


def kernel_us(index: Index, needs: list[Need]) -> tuple[float, float]:
    """
    Time the compiled match alone, in microseconds of CPU.

    The mean is that of a loop over all needs. For the 99th percentile each is called
    from Python, and what a call takes that finds nothing to look at is subtracted.
    """
    queries = index.queries([*needs, Need("nothing")])
    index.match_rows(queries)
    started = time.thread_time_ns()
    index.match_rows(queries)
    mean = (time.thread_time_ns() - started) / len(needs)
    records, lists = queries.records, queries.lists
    took = [_one_ns(index, records, lists, number) for number in range(len(needs))]
    empty = [_one_ns(index, records, lists, len(needs)) for _ in needs]
    return mean / 1e3, (float(np.percentile(took, 99)) - median(empty)) / 1e3


def _one_ns(index: Index, records: np.ndarray, lists: np.ndarray, number: int) -> int:
    started = time.thread_time_ns()
    kernels.match(index._columns, 0, records, number, lists)  # noqa: SLF001
    return time.thread_time_ns() - started


def cycles(peer: Peer, needs: list[Need], in_hand: int) -> float:
    """Match, claim and, some jobs later, finish: cycles in a second of CPU."""
    failing = np.random.default_rng(3).random(len(needs)) < FAILING
    at_work: deque[int] = deque()
    started, done = time.thread_time(), 0
    for need, fails in zip(needs, failing.tolist(), strict=True):
        number = peer.match(need)
        if number >= 0:
            peer.claim(number)
            at_work.append(number)
            done += 1
        if len(at_work) > in_hand:
            peer.finish(at_work.popleft(), validated=not fails)
    spent = time.thread_time() - started
    for number in at_work:
        peer.finish(number, validated=True)
    return done / spent


def batched_cycles(
    index: Index, needs: list[Need], in_hand: int, *, encoded: bool
) -> float:
    """Do as `cycles`, a batch at a time, of needs or of queries made before."""
    batches = [needs[i : i + BATCH] for i in range(0, len(needs), BATCH)]
    made = [index.queries(batch) for batch in batches] if encoded else []
    failing = np.random.default_rng(3).random(len(needs)) >= FAILING
    good = failing.astype(np.int64)
    at_work = np.zeros(0, np.int64)
    started, done = time.thread_time(), 0
    for number, batch in enumerate(batches):
        queries = made[number] if encoded else index.queries(batch)
        found = index.match_rows(queries, claiming=True)
        found = found[found >= 0]
        done += len(found)
        at_work = np.concatenate((at_work, found))
        if (over := len(at_work) - in_hand) > 0:
            index.settle_rows(at_work[:over], good[:over])
            at_work = at_work[over:]
    spent = time.thread_time() - started
    index.settle_rows(at_work, np.ones(len(at_work), np.int64))
    return done / spent


def check(offers: Offers, needs: list[Need], peers: dict[str, Peer]) -> str:
    """Compare the winners with those by brute force. Refuses with `Disagreement`."""
    empty = 0
    for need in needs:
        winner = by_force(offers, need)
        empty += winner < 0
        for name, peer in peers.items():
            if (found := peer.match(need)) != winner:
                raise Disagreement(f"{name} finds {found} and not {winner} for {need}")
    return (
        f"{len(needs):,} winners are those by brute force, in each; "
        f"{empty:,} of these needs find nobody"
    )


def matching(market: Market) -> Table:
    """Match among many offers, and keep up with what the winners do."""
    table = Table(
        f"Matching among {market.offers:,} offers, one core, CPU time",
        ("", "match us, mean", "p99", "cycles a second", "ready after s"),
    )
    say(f"matching: drawing {market.offers:,} offers")
    offers, needs = Offers(market.offers), drawn_needs(market.needs)
    few = needs[: market.peer_needs]
    params = read_scenario(open_source("minimal", (), ()).tables).params
    with tempfile.TemporaryDirectory(prefix="matching") as folder:
        connection = sqlite3.connect(Path(folder) / "offers.db")
        say("matching: writing them to SQLite, and into books")
        write_table(connection, offers)
        # Machine code is compiled, or read from its cache, by a small index.
        _warm(needs, f"{folder}/few.db", params)
        write_books(f"{folder}/books.db", offers)
        say("matching: building the index, and its peers")
        builds: dict[str, float] = {}
        with closing(open_store(f"{folder}/books.db", writes=False)) as store:
            index, builds["index"] = timed(
                lambda: load_many(store, params, 0, Activity()), market.rounds
            )
        sqlite, builds["SQLite"] = timed(lambda: Sqlite(connection))
        listed, builds["sorted"] = timed(lambda: Sorted(offers))
        called = Called(index)
        said = check(
            offers,
            needs[: market.checked],
            {"the index": called, "SQLite": sqlite, "sortedcontainers": listed},
        )
        say(said)
        table.notes.append(said)
        say("matching: measuring")
        rounds = [kernel_us(index, needs) for _ in range(market.rounds)]
        kernel = [median(each[i] for each in rounds) for i in range(2)]
        python = each_us(called.match, needs)
        of_queries, of_needs = (
            median(
                batched_cycles(index, needs, market.in_hand, encoded=encoded)
                for _ in range(market.rounds)
            )
            for encoded in (True, False)
        )
        of_calls = cycles(called, needs, market.in_hand)
        table.add("index, compiled", *kernel, of_queries, builds["index"])
        table.add("index, batches of needs", "-", "-", of_needs, "-")
        table.add("index, a call each", *python, of_calls, "-")
        for name, peer, built in (
            ("SQLite, covering index", sqlite, builds["SQLite"]),
            ("sortedcontainers", listed, builds["sorted"]),
        ):
            say(f"matching: {name}")
            took = each_us(peer.match, few)
            rate = cycles(peer, few, market.in_hand // 20)
            table.add(name, *took, rate, built)
        connection.close()
    _, why = timed(lambda: index.why(needs[0]), market.rounds)
    table.notes += [
        f"cycle: match, claim, and finish some jobs later, {BATCH} at a time or each;",
        "the first row finds its needs put in numbers.",
        "ready after: the index from the JSON of the books, the others from tables.",
        _passed_over(needs[0].kind, market.distinct),
        f"why nothing matches, over all offers: {why * 1e3:.1f} ms.",
    ]
    return table


def _passed_over(kind: str, distinct: int) -> str:
    """Time how a resource is held against needs that it does not meet."""
    queue = Queue(ageing=0)
    for n in range(distinct):
        need = Need(kind, count=8, regions=(f"far-{n % 7}",), latency_ms=n + 1)
        queue.add(Job(f"job-{n}", need, 0, n))
    offer = Offer(
        *("gpu", 1, "supplier:a", kind, "device-1", 8, 80, "region-1", 1, ()),
        *(1, 1),
    )
    found, took = timed(lambda: queue.suited(offer), 20)
    assert not found
    return (
        f"a freed resource is held against {distinct:,} different needs that it does "
        f"not meet in {took * 1e6:,.0f} us."
    )


def _warm(needs: list[Need], url: str, params: Params) -> None:
    write_books(url, Offers(2_000))
    with closing(open_store(url, writes=False)) as store:
        index = load_many(store, params, 0, Activity())
    kernel_us(index, needs[:BATCH])
    batched_cycles(index, needs[: 4 * BATCH], 8, encoded=False)
    cycles(Called(index), needs[:BATCH], 8)


PARTS: dict[str, Callable[[Market], Table]] = {"matching": matching}
