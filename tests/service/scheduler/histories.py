"""Random offers and needs, and what must hold of an index at any time."""

import numpy as np
from hypothesis import strategies as st

from coopera.service.scheduler import kernels
from coopera.service.scheduler.index import Index
from coopera.service.scheduler.needs import Lane, Need, Offer
from coopera.service.scheduler.vocabulary import Coded
from coopera.units import WAD

DEVICE, REGION, MODEL = kernels.DEVICE, kernels.REGION, kernels.MODEL
LEVELS = (
    ("memory", kernels.MEMORY, kernels.MEMORY_LEVELS.tolist()),
    ("count", kernels.COUNT, kernels.COUNT_LEVELS.tolist()),
)
SAME = ("owner", "device", "region", "latency", "memory", "count")
COLUMNS = [field for field in Offer.__slots__ if field != "outcomes"]
CODED = ("owner", "kind", "device", "region", "models", "outcomes")
NUMBERS = st.sampled_from([0, 1, 2, 7, 8, 9, 40, 80, 321, 5_000])
"""Around the levels that have bitmaps, and beyond the last."""


def words(letter, most):
    """Draw one of many words, a few of them often."""
    return st.one_of(st.integers(0, 3), st.integers(0, most)).map(
        lambda n: f"{letter}{n}"
    )


kinds = words("kind-", 4)
devices = words("device-", 90)
regions = words("region-", 90)
models = words("model-", 90)
owners = words("supplier:", 5)


@st.composite
def offers(draw, id_, serial, window):
    completed = draw(st.integers(0, window))
    outcomes = draw(st.none() | st.integers(0, 2**completed - 1))
    validated = (
        draw(st.integers(0, completed)) if outcomes is None else outcomes.bit_count()
    )
    return Offer(
        id=id_,
        serial=serial,
        owner=draw(owners),
        kind=draw(kinds),
        device=draw(devices),
        count=draw(NUMBERS),
        memory_gib=draw(NUMBERS),
        region=draw(regions),
        latency_ms=draw(NUMBERS),
        models=tuple(draw(st.lists(models, max_size=4))),
        price=draw(NUMBERS),
        slots=draw(st.integers(0, 3)),
        validated=validated,
        completed=completed,
        total=completed + draw(st.sampled_from([0, 0, 1, 2, 10**9])),
        outcomes=outcomes,
    )


rarely = st.sampled_from([False, False, False, True])


@st.composite
def needs(draw, ids=("nobody",)):
    """Draw a need that asks for some things, and often finds somebody."""

    def asks(strategy, otherwise):
        return draw(strategy) if draw(rarely) else otherwise

    def several(strategy):
        return st.lists(strategy, max_size=3).map(tuple)

    return Need(
        kind=draw(kinds),
        devices=asks(several(devices), ()),
        count=asks(NUMBERS, 0),
        memory_gib=asks(NUMBERS, 0),
        regions=asks(several(regions), ()),
        latency_ms=asks(NUMBERS, 0),
        model=asks(models, ""),
        price=asks(NUMBERS, 10**15),
        min_reputation=asks(
            st.sampled_from([1, WAD // 3, WAD // 3 + 1, WAD // 2, WAD]), 0
        ),
        excluded=asks(several(st.sampled_from(ids)), ()),
        not_owner=asks(owners, ""),
    )


def columns(many):
    """Turn offers into columns."""
    return {field: [getattr(each, field) for each in many] for field in COLUMNS}


def coded(column):
    """Write each word of a column once, and one that nobody has."""
    words = [*dict.fromkeys(column), *column[:1]]
    return Coded(np.array([words.index(each) for each in column], np.int32), words)


def check_structure(index: Index) -> None:
    """Check blocks, zones and bitmaps against the rows."""
    ix = index._columns
    kinds, completed = ix.rows["kind"].tolist(), ix.rows["completed"].tolist()
    held: list[int] = []
    for n, shelf in enumerate(ix.shelves):
        kind, lane = divmod(n, kernels.LANES)
        first, count = int(shelf["first"]), int(shelf["count"])
        assert 0 <= count <= shelf["room"]
        wanted = [
            row
            for row, its_kind in enumerate(kinds)
            if its_kind == kind
            and (lane == Lane.REPUTATION or completed[row] < index.ranking.window)
        ]
        assert sorted(check_order(index, lane, range(first, first + count))) == wanted
        held += ix.zones["block"][first : first + count].tolist()
    spare, block = set[int](), int(ix.meta[kernels.FIRST_SPARE])
    while len(spare) < ix.meta[kernels.SPARE]:
        spare.add(block)
        block = int(ix.blocks[block]["position"])
    assert sorted([*held, *spare]) == list(range(len(ix.blocks)))


def check_order(index, lane, positions):
    """Check that zones cover their rows, in order; list the rows."""
    zones = index._columns.zones
    before = (-(2**64), 0)
    found: list[int] = []
    for position in positions:
        fence = (-int(zones["key"][position]), int(zones["serial"][position]))
        rows = check_block(index, lane, position)
        for key in rows.values():
            assert before < key <= fence
        before = fence
        found += rows
    if positions:
        assert before == (2**63, 2**63 - 1)
    return found


def check_block(index, lane, position):
    """Check bitmaps, counts and the zone of one block; give its rows and keys."""
    ix = index._columns
    zone = ix.zones[position]
    block = int(zone["block"])
    marks = np.unpackbits(
        np.ascontiguousarray(ix.bits[:, block]).view(np.uint8),
        axis=1,
        bitorder="little",
    ).astype(bool)
    used = np.flatnonzero(marks[kernels.USED])
    rows: dict[int, tuple[int, int]] = {}
    for at in used:
        entry = ix.entries[block, at]
        row = int(entry["row"])
        record = ix.rows[row]
        assert ix.places[row, lane].tolist() == [block, at]
        key = int(-record["total"] if lane else record["rank"])
        assert entry["key"] == key
        for name in (*SAME, "rank", "serial", "price"):
            assert entry[name] == record[name]
        expected = expected_columns(index, row)
        assert set(np.flatnonzero(marks[:, at])) == expected
        assert zone["price"] <= record["price"]
        assert zone["latency"] <= record["latency"]
        rows[row] = (-key, int(record["serial"]))
    # No mark where there is no row, and every marked word and level in the zone.
    assert marks.sum() == marks[:, used].sum()
    marked = np.flatnonzero(marks.any(axis=1))
    for name, start in ("devices", DEVICE), ("regions", REGION), ("models", MODEL):
        for column in marked[(marked >= start) & (marked < start + kernels.COLUMNS)]:
            assert int(zone[name]) >> int(column - start) & 1
    for name, start, levels in LEVELS:
        reached = marked[(marked > start) & (marked <= start + len(levels))]
        assert zone[name] >= max(reached - start, default=0)
    assert ix.blocks[block]["position"] == position
    assert ix.blocks[block]["rows"] == len(rows) <= ix.meta[kernels.SIZE]
    assert zone["free"] == marks[kernels.FREE].sum()
    return rows


def expected_columns(index, row):
    """List the columns in which a row is marked."""
    ix = index._columns
    record = ix.rows[row]
    column = kernels.column.py_func
    first = int(record["models"])
    codes = ix.models[first : first + int(record["model_count"])].tolist()
    expected = {
        kernels.USED,
        DEVICE + column(int(record["device"])),
        REGION + column(int(record["region"])),
        *(MODEL + column(code) for code in codes),
    }
    for name, start, levels in LEVELS:
        reached = sum(level <= record[name] for level in levels)
        expected |= set(range(start + 1, start + reached + 1))
    if record["busy"] < record["slots"]:
        expected.add(kernels.FREE)
    return expected
