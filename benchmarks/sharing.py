"""
Rounds of a training through the books, to see that one costs by what is in it.

Every round takes as many offers of new data, each of a contributor of its own until all
have given something, and is weighed, divided and paid by the commands that the network
gives itself. What was issued and claimed before must not matter. Apart from that, what
weighing costs by cells.
"""

import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256
from itertools import count
from pathlib import Path
from random import Random
from statistics import median

from benchmarks.measuring import Table, say
from tests.service.network import START, tables

from coopera.accounting.rounds import slices_of
from coopera.formulas.contribution import cell_prices, target_distribution
from coopera.formulas.royalty import PART
from coopera.ledger import Receipt
from coopera.params.chapters import Royalty
from coopera.protocol import data as d
from coopera.protocol import training as t
from coopera.protocol.books import OpenBooks
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.royalties import weighed
from coopera.protocol.vaults import CollectRevenue, PayRoyalty
from coopera.service import Books, Request
from coopera.store import Store
from coopera.store.opening import migrate, open_store
from coopera.units import WAD, Wad

CREATOR, NODE = "creator:ann", "supplier:gpu"
WORD, SALT = "11" * 32, "5a" * 32
TARGET = tuple(range(1, 21))
AT_ONCE, ROWS = 500, 10


@dataclass(frozen=True)
class Size:
    """How many rounds, of how many offers."""

    rounds: int
    offers: int
    cells: tuple[int, ...]
    """Of the data that is weighed apart."""


FULL, QUICK = Size(12, 5_000, (160, 1_000, 4_096)), Size(4, 1_000, (160,))


class Trainer:
    """Gives commands in groups, each durable before the next."""

    def __init__(self, store: Store) -> None:
        self.store, self.books = store, Books(store)
        self._keys = count(1)
        self.now = START

    def give(self, commands: Iterable[object]) -> None:
        """Give commands; each must be accepted."""
        waiting = [
            Request(f"bench-{next(self._keys):09}", "operator", each)
            for each in commands
        ]
        for first in range(0, len(waiting), AT_ONCE):
            outcomes = self.books.run(waiting[first : first + AT_ONCE], self.now)
            for each in outcomes:
                assert isinstance(each, Receipt), each
            self.store.write(self.books.take())
            self.books.written(outcomes)


def sharing(size: Size) -> Table:
    """Play rounds, and time the sharing of each."""
    table = Table(
        f"Rounds of {size.offers:,} offers, 20 cells, SQLite, one thread",
        (
            "round",
            "holders",
            "handed out %",
            "offered us",
            "shared us",
            "paid in and recorded us",
        ),
    )
    with tempfile.TemporaryDirectory() as folder:
        url = str(Path(folder) / "books.db")
        migrate(url)
        with closing(open_store(url)) as store:
            trainer = Trainer(store)
            trainer.give(opening(size))
            for number in range(1, size.rounds + 1):
                say(f"sharing: round {number} of {size.rounds}")
                table.add(*_round(trainer, size, number))
    table.notes += [
        "an offer of ten rows, by CPU time: register, declare, commit, be looked at,",
        "offer; then weigh, divide and pay. Half of the givers are new each time.",
    ]
    return table


def _round(trainer: Trainer, size: Size, number: int) -> tuple[str, int, float, ...]:
    trainer.give(starting(number))
    offered = _timed(lambda: trainer.give(offers(size, number)))
    trainer.give(ending(number))
    trainer.now += 86_401 * 1_000_000
    parts = -(-size.offers // PART)
    steps = [t.ShareRound("m", number)] * (2 * parts + 1)
    shared = _timed(lambda: trainer.give(steps))
    paid = _timed(
        lambda: trainer.give(
            each
            for _ in range(200)
            for each in (
                PayRoyalty("m", f"{CREATOR}:usd", "usd", 1_000),
                CollectRevenue("m"),
            )
        )
    )
    holders = sum(path.startswith("units:") for path in trainer.store.balances())
    each = 1e6 / size.offers
    state = trainer.books.state
    training = state.record(t.Training, "m")
    assert training is not None
    data = slices_of(state, training, number)["data"]
    handed = 100 * data.units / data.available
    costs = (offered * each, shared * each, paid * 1e6 / 200)
    return (str(number), holders, handed, *costs)


def _timed(work: Callable[[], object]) -> float:
    started = time.process_time()
    work()
    return time.process_time() - started


def opening(size: Size) -> Iterator[object]:
    """Open the books, and the accounts of everybody."""
    yield OpenBooks(tables(), 1_000_000000)
    for owner in (CREATOR, NODE):
        yield OpenAccounts(owner)
    for n in range(size.offers * (size.rounds + 1) // 2):
        yield OpenAccounts(f"contributor:c{n}")
    yield Deposit(f"{CREATOR}:usd", "usd", 10**9, "wire")
    cells = len(TARGET)
    yield t.CreateTraining("m", CREATOR, "federated", WORD, WORD, WORD, cells)


def starting(number: int) -> Iterator[object]:
    """Begin a round."""
    target = t.target_digest("m", number, SALT, TARGET)
    yield t.StartRound("m", CREATOR, number, target)
    yield t.SelectNodes("m", CREATOR, number, (NODE,))


def offers(size: Size, number: int) -> Iterator[object]:
    """Bring ten rows each, half of them by who has given before."""
    chance = Random(number)  # noqa: S311 - the same each time
    cells = range(len(TARGET))
    for n in range(size.offers):
        name = f"d{number}-{n}"
        who = f"contributor:c{n + (number - 1) * size.offers // 2}"
        rows = [sha256(f"{name}:{k}".encode()).hexdigest() for k in range(ROWS)]
        drawn = chance.choices(cells, TARGET, k=ROWS)
        counts = tuple(map(drawn.count, cells))
        committed = d.histogram_digest(name, SALT, counts)
        yield d.RegisterData(name, "m", who, rows[0], WORD, f"0x{rows[0]}", WORD)
        yield d.DeclareRows(name, who, tuple(rows))
        yield d.CommitHistogram(name, who, committed)
        yield d.AuditData(name, ROWS, ROWS)
        yield d.OfferData(name, who, number, counts, SALT)


def ending(number: int) -> Iterator[object]:
    """Hand in the node's work, and make known what was measured."""
    yield t.FinishWork("m", number, NODE, WORD, 1)
    yield t.VerifyWork("m", number, NODE, valid=True, samples=1)
    measured = ((NODE, 1),)
    yield t.AggregateRound("m", CREATOR, number, TARGET, SALT, WORD, measured)


def weighing(size: Size) -> Table:
    """Weigh as many offers as one command does, with rows in every cell."""
    table = Table(
        f"Weighing {PART} offers with rows in every cell, one thread",
        ("cells", "CPU ms"),
    )
    for cells in size.cells:
        say(f"weighing: {cells} cells")
        work = partial(_weigh, *_filled(cells))
        table.add(str(cells), 1e3 * median(_timed(work) for _ in range(5)))
    return table


def _filled(cells: int) -> tuple[t.Round, list[d.Offer]]:
    """Draw offers of up to 200 rows a cell, and price them."""
    chance = Random(cells)  # noqa: S311 - the same each time
    drawn = [tuple(chance.choices(range(1, 200), k=cells)) for _ in range(PART)]
    counts = tuple(map(sum, zip(*drawn, strict=True)))
    masses = target_distribution(counts[::-1], Wad(WAD // 10**5))
    prices, scale = cell_prices(masses, counts[1:] + counts[:1], counts)
    begun = t.Round("m:1", "m", 1, WORD, Royalty())
    round_ = replace(begun, masses=masses, prices=prices, scale=scale)
    return round_, [d.Offer(f"m:1:{n}", "d", "c", each) for n, each in enumerate(drawn)]


def _weigh(round_: t.Round, offers: Iterable[d.Offer]) -> None:
    for each in offers:
        weighed(round_, each)


PARTS: dict[str, Callable[[Size], Table]] = {"sharing": sharing, "weighing": weighing}
