"""The index: a million offers, and the best that a need can have in microseconds."""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from struct import Struct
from typing import Any, Final, TypeAlias, final

import numpy as np

from coopera.errors import AlreadyExists, Busy, UnknownRecord
from coopera.service.scheduler import kernels
from coopera.service.scheduler.kernels import (
    ANY,
    BLOCK,
    ENTRY,
    FULL,
    GROW,
    IDLE,
    LANES,
    NO_OUTCOME,
    NONE,
    OWN,
    QUERY,
    ROW,
    SHARED_DEVICE,
    SHARED_MODEL,
    SHARED_REGION,
    SHELF,
    UNKNOWN,
    ZONE,
)
from coopera.service.scheduler.needs import (
    FILTERS,
    Lane,
    Need,
    Offer,
    Ranking,
    Why,
    history,
    least_rank,
)
from coopera.service.scheduler.vocabulary import Coded, Column, Vocabulary

BLOCK_SIZE: Final = 512
"""Rows of a block, at most."""
_ANY_LATENCY: Final = 2**62
_ALL_COLUMNS: Final = 2**64 - 1
_QUERY: Final = Struct("=qQQ14q")
"""`QUERY`, to be packed at once: field by field would take as long as the match."""
_MASKS: Final = [1 << kernels.column.py_func(code) for code in range(OWN)]
_NUMBERS: Final = {
    "serial": "serial",
    "count": "count",
    "memory_gib": "memory",
    "latency_ms": "latency",
    "price": "price",
    "slots": "slots",
    "validated": "validated",
    "completed": "completed",
    "total": "total",
}
"""Numbers of an offer, and their names in a row."""

Table: TypeAlias = Mapping[str, Column]
"""Offers in columns: fields of `Offer`, some of which may be missing, and `busy`."""


@dataclass(frozen=True, slots=True)
class Queries:
    """Needs in the numbers of an index, as good as its vocabularies when made."""

    records: np.ndarray
    lists: np.ndarray

    def __len__(self) -> int:
        """Count the needs."""
        return len(self.records)


@final
class Index:
    """
    Offers of resources, matched with needs.

    It finds the winners of `reference.Reference`, and refuses what that refuses.
    """

    def __init__(
        self,
        ranking: Ranking = Ranking(),  # noqa: B008 - frozen
        *,
        block_size: int = BLOCK_SIZE,
    ) -> None:
        assert 2 <= block_size <= BLOCK_SIZE, block_size  # noqa: PLR2004 - two halves
        self.ranking: Final = ranking
        self._kinds, self._owners = Vocabulary[str](), Vocabulary[str]()
        self._devices, self._regions = Vocabulary[str](), Vocabulary[str]()
        self._models = Vocabulary[str]()
        self._ids: list[str] = []
        """Id of each row; empty where there is none."""
        self._rows: dict[str, int] = {}
        self._unused: list[int] = []
        """Rows without an offer."""
        self._pool = 0
        """Codes in the models of the rows, and of those that have left."""
        meta = np.zeros(kernels.META, np.int64)
        meta[kernels.FIRST_SPARE] = NONE
        meta[kernels.SIZE] = block_size
        meta[kernels.WINDOW] = ranking.window
        meta[kernels.PRIOR_VALIDATED] = ranking.prior_validated
        meta[kernels.PRIOR_FAILED] = ranking.prior_failed
        self._columns = kernels.Columns(
            zones=np.zeros(0, ZONE),
            shelves=np.zeros(0, SHELF),
            blocks=np.zeros(0, BLOCK),
            bits=np.zeros((kernels.ALL_COLUMNS, 0, kernels.WORDS), np.uint64),
            entries=np.zeros((0, block_size), ENTRY),
            rows=np.zeros(0, ROW),
            places=np.zeros((0, LANES, 2), np.int32),
            outcomes=np.zeros((0, -(-ranking.window // 64)), np.uint64),
            models=np.zeros(0, np.int32),
            left=np.zeros((kernels.TOGETHER, kernels.WORDS), np.uint64),
            joined=np.zeros((kernels.TOGETHER, kernels.WORDS), np.uint64),
            chosen=np.zeros(kernels.TOGETHER, np.int64),
            meta=meta,
        )
        self._query = np.zeros(1, QUERY)
        self._bytes = self._query.view(np.uint8)
        self._lists = np.zeros(64, np.int64)

    @classmethod
    def build(
        cls,
        table: Table,
        ranking: Ranking = Ranking(),  # noqa: B008 - frozen
        *,
        block_size: int = BLOCK_SIZE,
    ) -> "Index":
        """
        Take many offers in at once, from a table with a column a field of `Offer`.

        The column `outcomes` may be missing; where it is not, `validated` may; `busy`
        has the jobs that each does. Refuses with `AlreadyExists`.
        """
        index = cls(ranking, block_size=block_size)
        index._fill(table)
        return index

    def __len__(self) -> int:
        """Count the offers."""
        return len(self._rows)

    def __contains__(self, id_: object) -> bool:
        """Tell whether a resource is offered."""
        return id_ in self._rows

    # changes

    def add(self, offer: Offer, busy: int = 0) -> None:
        """Take in an offer that does some jobs. Refuses with `AlreadyExists`."""
        assert offer.completed <= self.ranking.window, offer
        if offer.id in self._rows:
            raise AlreadyExists(f"{offer.id!r} is offered already; change it instead")
        if not self._unused:
            self._add_rows(max(64, len(self._ids) // 2))
        row = self._unused.pop()
        self._describe(row, offer)
        record = self._columns.rows[row]
        record["busy"] = busy
        record["validated"] = offer.validated
        record["completed"] = offer.completed
        record["total"] = offer.total
        self._columns.outcomes[row] = _words(
            [history(offer)], self._columns.outcomes.shape[1]
        )
        self._ids[row] = offer.id
        self._rows[offer.id] = row
        self._insert(row)

    def remove(self, id_: str) -> None:
        """Let go of an offer, and of the jobs it does. Refuses with `UnknownRecord`."""
        row = self._row(id_)
        kernels.withdraw(self._columns, row)
        self._columns.rows[row]["kind"] = NONE
        self._columns.rows[row]["model_count"] = 0
        self._ids[row] = ""
        self._unused.append(row)
        del self._rows[id_]

    def change(self, offer: Offer) -> None:
        """
        Replace what a resource says of itself; its jobs, done and in hand, stay.

        Refuses with `UnknownRecord`.
        """
        row = self._row(offer.id)
        assert self._columns.rows[row]["serial"] == offer.serial, offer
        kernels.withdraw(self._columns, row)
        self._describe(row, offer)
        self._insert(row)

    def claim(self, id_: str) -> None:
        """Take a slot. Refuses with `UnknownRecord`, or `Busy` if none is free."""
        row = self._row(id_)
        if kernels.settle(self._columns, row, 1, NO_OUTCOME) == FULL:
            record = self._columns.rows[row]
            raise Busy(
                f"{id_!r} has {record['slots']} slots and does {record['busy']} jobs; "
                "claim another resource"
            )

    def free(self, id_: str) -> None:
        """Give a slot back, with no outcome. Refuses with `UnknownRecord`."""
        self._settle(id_, -1, NO_OUTCOME)

    def record(self, id_: str, *, validated: bool) -> int:
        """
        Record how a job went whose slot was given back before; return the new rank.

        Refuses with `UnknownRecord`.
        """
        return self._settle(id_, 0, int(validated))

    def finish(self, id_: str, *, validated: bool) -> int:
        """
        Give a slot back, and record how its job went; return the new rank.

        Refuses with `UnknownRecord`.
        """
        return self._settle(id_, -1, int(validated))

    def finish_many(self, done: Sequence[tuple[str, bool]]) -> list[int]:
        """Finish jobs one after another: ids, and whether they were validated."""
        rows = np.array([self._row(id_) for id_, _ in done], np.int64)
        outcomes = np.array([validated for _, validated in done], np.int64)
        return [int(rank) for rank in self.settle_rows(rows, outcomes)]

    # questions

    def match(self, need: Need, lane: Lane = Lane.REPUTATION) -> str | None:
        """Find the best offer that a need can have."""
        self._ask(need)
        row = kernels.match(self._columns, int(lane), self._query, 0, self._lists)
        return None if row == NONE else self._ids[row]

    def match_many(
        self,
        needs: Sequence[Need] | Queries,
        lane: Lane = Lane.REPUTATION,
        *,
        claiming: bool = False,
    ) -> list[str | None]:
        """
        Match needs one after another.

        If claiming, each winner gives a slot, as by `claim`, before the next match.
        """
        queries = needs if isinstance(needs, Queries) else self.queries(needs)
        ids = self._ids
        return [
            None if row == NONE else ids[row]
            for row in self.match_rows(queries, lane, claiming=claiming).tolist()
        ]

    def queries(self, needs: Sequence[Need]) -> Queries:
        """Put needs in numbers; the index must not change its offers in between."""
        records = bytearray(QUERY.itemsize * len(needs))
        lists: list[int] = []
        for number, need in enumerate(needs):
            self._encode(need, records, number * QUERY.itemsize, lists)
        return Queries(np.frombuffer(records, QUERY), np.array(lists, np.int64))

    def match_rows(
        self, queries: Queries, lane: Lane = Lane.REPUTATION, *, claiming: bool = False
    ) -> np.ndarray:
        """Match as `match_many`; give the rows of the winners, -1 for none."""
        found = np.empty(len(queries), np.int64)
        kernels.match_many(
            self._columns, int(lane), queries.records, queries.lists, claiming, found
        )
        return found

    def settle_rows(self, rows: np.ndarray, outcomes: np.ndarray) -> np.ndarray:
        """Finish jobs one after another: rows, and 1 for validated; give the ranks."""
        ranks = np.empty(len(rows), np.int64)
        done = 0
        while True:
            done = kernels.settle_many(self._columns, rows, -1, outcomes, done, ranks)
            if done == len(rows):
                break
            self._make_room()
        assert (ranks != IDLE).all(), "a resource that does no job finished one"
        return ranks

    def offer(self, id_: str) -> Offer:
        """Give an offer as it stands. Refuses with `UnknownRecord`."""
        row = self._row(id_)
        record = self._columns.rows[row]
        first = int(record["models"])
        models = self._columns.models[first : first + int(record["model_count"])]
        return Offer(
            id=id_,
            owner=self._owners.word(record["owner"]),
            kind=self._kinds.word(record["kind"]),
            device=self._devices.word(record["device"]),
            region=self._regions.word(record["region"]),
            models=tuple(self._models.word(code) for code in models),
            outcomes=int.from_bytes(self._columns.outcomes[row].tobytes(), "little"),
            **{field: int(record[name]) for field, name in _NUMBERS.items()},
        )

    def standing(self, id_: str) -> tuple[int, int]:
        """
        Count the jobs that a resource does, and those that it ever did.

        Refuses with `UnknownRecord`.
        """
        record = self._columns.rows[self._row(id_)]
        return int(record["busy"]), int(record["total"])

    def is_free(self, id_: str) -> bool:
        """Tell whether a resource is offered, and has a slot left."""
        row = self._rows.get(id_)
        if row is None:
            return False
        record = self._columns.rows[row]
        return bool(record["busy"] < record["slots"])

    def why(self, need: Need, lane: Lane = Lane.REPUTATION) -> Why:
        """
        Say how many offers pass the filters, one after another, and but for one.

        Looks at every offer: some tens of milliseconds for a million.
        """
        self._ask(need)
        left = np.zeros(len(FILTERS), np.int64)
        without = np.zeros(len(FILTERS), np.int64)
        kernels.explain(
            self._columns,
            int(lane),
            len(self._ids),
            self._query,
            self._lists,
            left,
            without,
        )
        return Why(
            offers=len(self),
            left=dict(zip(FILTERS, left.tolist(), strict=True)),
            without=dict(zip(FILTERS, without.tolist(), strict=True)),
        )

    def failed(
        self, id_: str, need: Need, lane: Lane = Lane.REPUTATION
    ) -> tuple[str, ...]:
        """List the filters that keep an offer from a need, in order."""
        row = self._row(id_)
        self._ask(need)
        failed = kernels.failures(
            self._columns, int(lane), row, self._query, self._lists
        )
        return tuple(name for at, name in enumerate(FILTERS) if failed >> at & 1)

    def ahead(self, id_: str, need: Need, lane: Lane = Lane.REPUTATION) -> int:
        """
        Count the offers that would get the job before this one.

        Looks at every offer, as `why`.
        """
        row = self._row(id_)
        self._ask(need)
        return int(
            kernels.ahead(
                self._columns,
                int(lane),
                len(self._ids),
                self._query,
                self._lists,
                row,
            )
        )

    # needs in numbers

    def _ask(self, need: Need) -> None:
        """Put one need in the query of the index."""
        lists: list[int] = []
        self._encode(need, self._bytes, 0, lists)
        if lists:
            if len(lists) > len(self._lists):
                self._lists = np.zeros(2 * len(lists), np.int64)
            self._lists[: len(lists)] = lists

    def _encode(self, need: Need, into: Any, at: int, lists: list[int]) -> None:
        shared = 0
        start = len(lists)
        devices = regions = _ALL_COLUMNS
        device_count = region_count = ANY
        model = ANY
        if need.devices:
            devices, device_count, exact = _codes(self._devices, need.devices, lists)
            shared |= exact * SHARED_DEVICE
        if need.regions:
            regions, region_count, exact = _codes(self._regions, need.regions, lists)
            shared |= exact * SHARED_REGION
        if need.model:
            model = self._models.code(need.model, UNKNOWN)
            shared |= (model >= OWN) * SHARED_MODEL
        excluded = 0
        if need.excluded:
            rows = [
                row for id_ in need.excluded if (row := self._rows.get(id_)) is not None
            ]
            lists += rows
            excluded = len(rows)
        _QUERY.pack_into(
            into,
            at,
            self._kinds.code(need.kind, UNKNOWN),
            devices,
            regions,
            least_rank(need.min_reputation, self.ranking.weight_max)
            if need.min_reputation
            else 0,
            need.price,
            need.latency_ms or _ANY_LATENCY,
            need.memory_gib,
            _level(_MEMORY_LEVELS, need.memory_gib),
            need.count,
            _level(_COUNT_LEVELS, need.count),
            model,
            self._owners.code(need.not_owner, UNKNOWN) if need.not_owner else UNKNOWN,
            device_count,
            region_count,
            excluded,
            shared,
            start,
        )

    # rows

    def _row(self, id_: str) -> int:
        row = self._rows.get(id_)
        if row is None:
            raise UnknownRecord(f"nothing is offered as {id_!r}")
        return row

    def _describe(self, row: int, offer: Offer) -> None:
        """Write down what a resource says of itself."""
        codes = [self._models.learn(model) for model in offer.models]
        record = self._columns.rows[row]
        if len(codes) > record["model_count"]:
            record["model_count"] = 0
            record["models"] = self._model_room(len(codes))
        first = int(record["models"])
        self._columns.models[first : first + len(codes)] = codes
        record["model_count"] = len(codes)
        record["kind"] = self._kinds.learn(offer.kind)
        record["owner"] = self._owners.learn(offer.owner)
        record["device"] = self._devices.learn(offer.device)
        record["region"] = self._regions.learn(offer.region)
        record["serial"] = offer.serial
        record["price"] = offer.price
        record["latency"] = offer.latency_ms
        record["memory"] = offer.memory_gib
        record["count"] = offer.count
        record["slots"] = offer.slots

    def _insert(self, row: int) -> None:
        if len(self._columns.shelves) < LANES * len(self._kinds):
            self._make_room()
        while kernels.insert(self._columns, row) == GROW:
            self._make_room()

    def _settle(self, id_: str, change: int, outcome: int) -> int:
        row = self._row(id_)
        while (rank := kernels.settle(self._columns, row, change, outcome)) == GROW:
            self._make_room()
        assert rank != IDLE, f"{id_!r} does no job"
        return int(rank)

    # room

    def _replace(self, **arrays: np.ndarray) -> None:
        self._columns = self._columns._replace(**arrays)

    def _add_rows(self, more: int) -> None:
        first = len(self._ids)
        columns = self._columns
        self._replace(
            rows=_longer(columns.rows, more),
            places=_longer(columns.places, more),
            outcomes=_longer(columns.outcomes, more),
        )
        self._columns.rows["kind"][first:] = NONE
        self._ids += [""] * more
        self._unused += range(first + more - 1, first - 1, -1)

    def _model_room(self, count: int) -> int:
        """Find room for the models of a row; what nobody uses any more is dropped."""
        columns = self._columns
        if self._pool + count > len(columns.models):
            rows = columns.rows
            counts = np.where(rows["kind"] < 0, 0, rows["model_count"]).astype(np.int64)
            ends = np.cumsum(counts)
            total = int(ends[-1])
            moved = np.repeat(rows["models"] - (ends - counts), counts)
            models = np.zeros(2 * (total + count) + 64, np.int32)
            models[:total] = columns.models[moved + np.arange(total)]
            rows["models"] = ends - counts
            self._pool = total
            self._replace(models=models)
        self._pool += count
        return self._pool - count

    def _make_room(self) -> None:
        """Give every kind and lane room for twice its blocks, and enough spare ones."""
        self._lay_out(
            [max(2, int(shelf["count"])) * 2 for shelf in self._columns.shelves]
            + [4] * (LANES * len(self._kinds) - len(self._columns.shelves))
        )
        blocks = len(self._columns.blocks)
        if self._columns.meta[kernels.SPARE] < LANES:
            self._add_blocks(max(8, blocks // 2))

    def _lay_out(self, rooms: Sequence[int]) -> None:
        """Give each kind and lane a number of zones."""
        old = self._columns
        shelves = _longer(old.shelves, len(rooms) - len(old.shelves))
        shelves["room"] = rooms
        shelves["first"] = np.cumsum(rooms) - rooms
        zones = np.zeros(sum(rooms), ZONE)
        for before, shelf in zip(old.shelves, shelves, strict=False):
            first, count = int(shelf["first"]), int(shelf["count"])
            kept = old.zones[int(before["first"]) :][:count]
            zones[first : first + count] = kept
            old.blocks["position"][kept["block"]] = np.arange(first, first + count)
        self._replace(shelves=shelves, zones=zones)

    def _add_blocks(self, more: int) -> None:
        columns = self._columns
        first = len(columns.blocks)
        blocks = _longer(columns.blocks, more)
        # Each new block leads to the one after it, and the last to those before.
        blocks["position"][first:] = np.arange(first + 1, first + more + 1)
        blocks["position"][-1] = columns.meta[kernels.FIRST_SPARE]
        columns.meta[kernels.FIRST_SPARE] = first
        columns.meta[kernels.SPARE] += more
        self._replace(
            blocks=blocks,
            bits=_longer(columns.bits, more, axis=1),
            entries=_longer(columns.entries, more),
        )

    # in bulk

    def _fill(self, table: Table) -> None:
        """Write down the rows of a table, and place them."""
        ids = table["id"]
        assert isinstance(ids, list)
        self._ids += ids
        self._rows = dict(zip(self._ids, range(len(self._ids)), strict=True))
        if len(self._rows) < len(self._ids):
            numbered = enumerate(self._ids)
            twice = next(id_ for row, id_ in numbered if self._rows[id_] != row)
            raise AlreadyExists(f"{twice!r} is offered twice")
        rows = np.zeros(len(self._ids), ROW)
        for field, name in (*_NUMBERS.items(), ("busy", "busy")):
            if field in table:
                rows[name] = table[field]
        assert (rows["completed"] <= self.ranking.window).all()
        for field, words in (
            ("kind", self._kinds),
            ("owner", self._owners),
            ("device", self._devices),
            ("region", self._regions),
        ):
            rows[field] = words.learn_all(table[field])
        width = self._columns.outcomes.shape[1]
        if "outcomes" in table:
            outcomes = _words(table["outcomes"], width)
            rows["validated"] = np.bitwise_count(outcomes).sum(axis=1)
        else:
            outcomes = _assumed(rows["validated"], rows["completed"], width)
        places = np.full((len(self._ids), LANES, 2), NONE, np.int32)
        self._replace(rows=rows, places=places, outcomes=outcomes)
        self._list_models(table["models"])
        kernels.rank_all(self._columns, len(self._ids))
        self._shelve()

    def _list_models(self, column: Column) -> None:
        """Give each row a list of its models; those of many are alike."""
        sets = Coded.of(column)
        lengths = np.array(list(map(len, sets.words)), np.int64)
        ends = np.cumsum(lengths)
        flat = self._models.learn_all(chain.from_iterable(sets.words))
        self._pool = int(lengths[sets.codes].sum())
        self._replace(models=np.empty(self._pool, np.int32))
        kernels.list_models(self._columns, sets.codes, ends - lengths, ends, flat)

    def _shelve(self) -> None:
        """Place all rows in blocks, in order."""
        rows = self._columns.rows
        lanes = (
            np.lexsort((rows["serial"], -rows["rank"], rows["kind"])),
            np.lexsort((rows["serial"], rows["total"], rows["kind"])),
        )
        newcomers = rows["completed"] < self.ranking.window
        orders: list[np.ndarray] = []
        kinds = np.arange(len(self._kinds) + 1)
        by_lane = (lanes[0], lanes[1][newcomers[lanes[1]]])
        cuts = [np.searchsorted(rows["kind"][each], kinds) for each in by_lane]
        for kind in range(len(self._kinds)):
            for order, cut in zip(by_lane, cuts, strict=True):
                orders.append(order[cut[kind] : cut[kind + 1]])
        at_once = max(int(self._columns.meta[kernels.SIZE]) * 3 // 4, 1)
        blocks = [-(-len(order) // at_once) for order in orders]
        self._lay_out([2 * count + 4 for count in blocks])
        self._add_blocks(sum(blocks) * 5 // 4 + 8)
        for shelf, order in enumerate(orders):
            kernels.fill(self._columns, shelf % LANES, shelf // LANES, order)


_MEMORY_LEVELS: Final = kernels.MEMORY_LEVELS.tolist()
_COUNT_LEVELS: Final = kernels.COUNT_LEVELS.tolist()


def _level(levels: list[int], value: int) -> int:
    """See `kernels.level`."""
    return bisect_right(levels, value) if value else 0


def _codes(
    known: Vocabulary[str], words: Iterable[str], lists: list[int]
) -> tuple[int, int, bool]:
    """List the codes of words: columns, how many are known, whether any shares."""
    mask = count = 0
    shared = False
    for word in words:
        code = known.code(word)
        if code is None:
            continue
        lists.append(code)
        count += 1
        if code < OWN:
            mask |= _MASKS[code]
        else:
            mask |= 1 << kernels.column.py_func(code)
            shared = True
    return mask, count, shared


def _longer(array: np.ndarray, more: int, axis: int = 0) -> np.ndarray:
    """Copy an array into one that is longer, and zero there."""
    shape = list(array.shape)
    shape[axis] += more
    longer = np.zeros(shape, array.dtype)
    longer[tuple(slice(each) for each in array.shape)] = array
    return longer


def _words(outcomes: Column, words: int) -> np.ndarray:
    """Lay out outcomes, (jobs of each, words)."""
    if isinstance(outcomes, Coded):
        return np.asarray(_words(outcomes.words, words)[outcomes.codes])
    if words == 1:
        return np.array(outcomes, np.uint64).reshape(-1, 1)
    flat = b"".join(each.to_bytes(8 * words, "little") for each in outcomes)
    return np.frombuffer(flat, np.uint64).reshape(-1, words).copy()


def _assumed(validated: np.ndarray, completed: np.ndarray, words: int) -> np.ndarray:
    """Assume outcomes of which the counts are known; see `Offer.outcomes`."""
    outcomes = np.zeros((len(validated), words), np.uint64)
    failed = completed - validated
    for word in range(words):
        # Bits from `failed` to `completed` are set: so many of them in this word.
        low, high = (np.clip(each - 64 * word, 0, 64) for each in (failed, completed))
        outcomes[:, word] = _ones(high) & ~_ones(low)
    return outcomes


def _ones(count: np.ndarray) -> np.ndarray:
    """Set the lowest bits, none to all 64."""
    all_ones = np.uint64(_ALL_COLUMNS)
    shift = (64 - count).astype(np.uint64)
    # A shift by all 64 is not one that processors know.
    return np.where(count > 0, all_ones >> np.minimum(shift, np.uint64(63)), 0)
