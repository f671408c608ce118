"""
The loops of the index, compiled.

Offers of a kind stand in blocks, ordered by key, greatest first, then by serial number:
all of a block come before all of the next, in no order within it. A block has a zone,
which says what is in it at most, and bitmaps, one for each word and level, which say
where. So a match goes over the zones of a kind in order, and the first block where
bitmaps and exact comparison leave somebody has the winner.

Words have a bitmap of their own while there are some left; later ones share, and are
compared exactly. Zones cover what is in their block, and are drawn tight again when a
quarter of it has left.

Everything compiled stands in this file, or in the simulator's: the compiler's cache
watches the file of a function, and not of those that it calls.
"""

from typing import NamedTuple

import numpy as np
from numba import types
from numba.extending import intrinsic

from coopera.sim.kernels import kernel, stage, supplier_rank

# statuses; a row, or a rank, is never negative

NONE = -1
"""Nobody matches."""
GROW = -2
"""Nothing was done: the index needs more room first."""
FULL = -3
"""Nothing was done: no slot is free."""
IDLE = -4
"""Nothing was done: no slot is taken."""

NO_OUTCOME = -1

LEAST, MOST = -(2**63), 2**63 - 1
"""Bounds of a number, and of the last zone of a kind."""

# lanes, as in `needs.Lane`

LANES = 2
REPUTATION = 0
EXPLORATION = 1

# columns of a block's bitmaps

COLUMNS = 64
"""Columns of an attribute, as many as a zone's mask has bits."""
OWN = 48
"""Words that have a column to themselves; later ones share the rest."""
WORDS = 8
"""Words of a bitmap: a bit for each row of a block, one line of the cache."""
TOGETHER = 32
"""Blocks that are looked at together, at most."""
MEMORY_LEVELS = np.array([8, 16, 24, 32, 48, 64, 80, 96, 128, 160, 192, 256, 320])
COUNT_LEVELS = np.array([2, 4, 8, 16, 32, 64, 128, 256])
DEVICE = 0
REGION = DEVICE + COLUMNS
MODEL = REGION + COLUMNS
MEMORY = MODEL + COLUMNS - 1
"""Its column for level n is n after this one; level 0 has none."""
COUNT = MEMORY + len(MEMORY_LEVELS)
FREE = COUNT + len(COUNT_LEVELS) + 1
USED = FREE + 1
ALL_COLUMNS = USED + 1

# fields of `Index.meta`

SPARE = 0
"""Blocks in nobody's hands."""
FIRST_SPARE = 1
"""One of them; the next is its `position`."""
SIZE = 2
"""Rows of a block, at most."""
WINDOW = 3
PRIOR_VALIDATED = 4
PRIOR_FAILED = 5
META = 6

ZONE = np.dtype(
    [
        ("devices", "u8"),
        ("regions", "u8"),
        ("models", "u8"),
        ("key", "i8"),
        ("serial", "i8"),
        ("price", "i8"),
        ("latency", "i4"),
        ("block", "i4"),
        ("free", "i2"),
        ("memory", "i1"),
        ("count", "i1"),
        ("", "i4"),
    ]
)
"""
What is in a block at most, one line of a processor's cache.

Words as columns, the least price and latency, the highest levels of memory and count;
`free` rows have a slot left; no row comes after `key` and `serial`.
"""
BLOCK = np.dtype([("position", "i4"), ("rows", "i4"), ("left", "i4")])
"""Where the zone of a block is, its rows, and how many left since it was drawn."""
ENTRY = np.dtype(
    [
        ("key", "i8"),
        ("rank", "i8"),
        ("serial", "i8"),
        ("price", "i8"),
        ("row", "i4"),
        ("owner", "i4"),
        ("device", "i4"),
        ("region", "i4"),
        ("latency", "i4"),
        ("memory", "i4"),
        ("count", "i4"),
        ("", "i4"),
    ]
)
"""What is compared exactly, beside the bitmaps."""
ROW = np.dtype(
    [
        ("rank", "i8"),
        ("total", "i8"),
        ("serial", "i8"),
        ("price", "i8"),
        ("models", "i8"),
        ("model_count", "i4"),
        ("kind", "i4"),
        ("owner", "i4"),
        ("device", "i4"),
        ("region", "i4"),
        ("latency", "i4"),
        ("memory", "i4"),
        ("count", "i4"),
        ("slots", "i4"),
        ("busy", "i4"),
        ("validated", "i4"),
        ("completed", "i4"),
    ]
)
"""An offer; its kind is -1 where there is none."""
SHELF = np.dtype([("first", "i8"), ("count", "i8"), ("room", "i8")])
"""Where the zones of a kind and lane are, and how many there may be."""
QUERY = np.dtype(
    [
        ("kind", "i8"),
        ("devices", "u8"),
        ("regions", "u8"),
        ("rank", "i8"),
        ("price", "i8"),
        ("latency", "i8"),
        ("memory", "i8"),
        ("memory_level", "i8"),
        ("count", "i8"),
        ("count_level", "i8"),
        ("model", "i8"),
        ("owner", "i8"),
        ("device_count", "i8"),
        ("region_count", "i8"),
        ("excluded_count", "i8"),
        ("shared", "i8"),
        ("at", "i8"),
    ]
)
"""
A need in numbers: words as codes, and as masks of columns.

`at` is the place in the lists of its devices, regions and excluded rows, in this order;
their counts are `ANY` where any will do. `shared` has a bit for each attribute whose
bitmaps do not decide alone.
"""
ANY = -1
UNKNOWN = -2
"""Code of a word that is asked for and that nobody has offered."""
SHARED_DEVICE, SHARED_REGION, SHARED_MODEL = 1, 2, 4


class Columns(NamedTuple):
    """The index: arrays, most of which grow, and what a match works on."""

    zones: np.ndarray
    shelves: np.ndarray
    """Of kind k and lane l at 2 k + l."""
    blocks: np.ndarray
    bits: np.ndarray
    """(columns, blocks, words); a scan of blocks reads on in a few columns."""
    entries: np.ndarray
    """(blocks, rows of a block)"""
    rows: np.ndarray
    places: np.ndarray
    """(rows, lanes, 2): block and place in it; -1 where a row is not in a lane."""
    outcomes: np.ndarray
    """(rows, words): last jobs as bits, the last one lowest."""
    models: np.ndarray
    """Codes of the models of all rows, one after another."""
    left: np.ndarray
    """(blocks together, words): rows that are left of the blocks looked at."""
    joined: np.ndarray
    """(blocks together, words): rows that have any of some words."""
    chosen: np.ndarray
    """Blocks looked at."""
    meta: np.ndarray


@intrinsic
def _trailing_zeros(_context, value):
    """Count the zeros below the lowest bit that is set, of a number not zero."""
    return types.int64(types.uint64), lambda _c, b, _s, a: b.cttz(
        a[0], a[0].type.__class__(1)(1)
    )


@stage
def column(code):
    """Give the column of a word: its own, or one that it shares."""
    if code < OWN:
        return code
    return OWN + (code * 2654435761 >> 16) % (COLUMNS - OWN)


@stage
def level(levels, value):
    """Count the levels that a value reaches."""
    reached = 0
    while reached < len(levels) and levels[reached] <= value:
        reached += 1
    return reached


@stage
def _bit(at):
    return np.uint64(1) << np.uint64(at & 63)


@stage
def _key(ix, lane, row):
    """See `needs.Ranking.key`."""
    record = ix.rows[row]
    return record.rank if lane == REPUTATION else -record.total


# bitmaps and zones


@stage
def _set_bits(ix, bits, at, row):
    """Mark a place in the bitmaps of a block with what a row has."""
    record = ix.rows[row]
    bits = bits[:, at >> 6]
    bit = _bit(at)
    bits[USED] |= bit
    bits[DEVICE + column(record.device)] |= bit
    bits[REGION + column(record.region)] |= bit
    for i in range(record.models, record.models + record.model_count):
        bits[MODEL + column(ix.models[i])] |= bit
    for n in range(1, level(MEMORY_LEVELS, record.memory) + 1):
        bits[MEMORY + n] |= bit
    for n in range(1, level(COUNT_LEVELS, record.count) + 1):
        bits[COUNT + n] |= bit
    if record.busy < record.slots:
        bits[FREE] |= bit


@stage
def _clear_bits(ix, block, at, row):
    """Undo `_set_bits`."""
    record = ix.rows[row]
    bits = ix.bits[:, block, at >> 6]
    others = ~_bit(at)
    bits[USED] &= others
    bits[FREE] &= others
    bits[DEVICE + column(record.device)] &= others
    bits[REGION + column(record.region)] &= others
    for i in range(record.models, record.models + record.model_count):
        bits[MODEL + column(ix.models[i])] &= others
    for n in range(1, level(MEMORY_LEVELS, record.memory) + 1):
        bits[MEMORY + n] &= others
    for n in range(1, level(COUNT_LEVELS, record.count) + 1):
        bits[COUNT + n] &= others


@stage
def _cover(ix, zone, row):
    """Widen a zone by a row."""
    record = ix.rows[row]
    zone.devices |= _bit(column(record.device))
    zone.regions |= _bit(column(record.region))
    for i in range(record.models, record.models + record.model_count):
        zone.models |= _bit(column(ix.models[i]))
    zone.price = min(zone.price, record.price)
    zone.latency = min(zone.latency, record.latency)
    zone.memory = max(zone.memory, level(MEMORY_LEVELS, record.memory))
    zone.count = max(zone.count, level(COUNT_LEVELS, record.count))


@stage
def _open(zone):
    """Make a zone cover nothing."""
    zone.devices = 0
    zone.regions = 0
    zone.models = 0
    zone.price = MOST
    zone.latency = 2**31 - 1
    zone.memory = 0
    zone.count = 0


@kernel
def _tighten(ix, position):
    """Draw a zone anew, around what is in its block."""
    zone = ix.zones[position]
    block = zone.block
    _open(zone)
    for word in range(WORDS):
        left = ix.bits[USED, block, word]
        while left != 0:
            at = word * 64 + _trailing_zeros(left)
            left &= left - np.uint64(1)
            _cover(ix, zone, ix.entries[block, at].row)
    ix.blocks[block].left = 0


# rows in blocks


@stage
def _after(zone, key, serial):
    """Tell whether a key comes after all that a zone may hold."""
    return key < zone.key or (key == zone.key and serial > zone.serial)


@stage
def _find(ix, shelf, key, serial):
    """Find the zone where a key belongs."""
    low = shelf.first
    high = shelf.first + shelf.count - 1
    while low < high:
        middle = (low + high) // 2
        if _after(ix.zones[middle], key, serial):
            low = middle + 1
        else:
            high = middle
    return low


@stage
def _place(ix, lane, position, at, row, bits):
    """Place a row in a block, whose bitmaps these are."""
    zone = ix.zones[position]
    block = zone.block
    record = ix.rows[row]
    entry = ix.entries[block, at]
    entry.key = _key(ix, lane, row)
    entry.rank = record.rank
    entry.serial = record.serial
    entry.price = record.price
    entry.row = row
    entry.owner = record.owner
    entry.device = record.device
    entry.region = record.region
    entry.latency = record.latency
    entry.memory = record.memory
    entry.count = record.count
    _set_bits(ix, bits, at, row)
    _cover(ix, zone, row)
    if record.busy < record.slots:
        zone.free += 1
    ix.blocks[block].rows += 1
    ix.places[row, lane, 0] = block
    ix.places[row, lane, 1] = at


@kernel
def _put(ix, lane, position, row):
    """Place a row in a block that has room."""
    block = ix.zones[position].block
    word = 0
    while ix.bits[USED, block, word] == ~np.uint64(0):
        word += 1
    at = word * 64 + _trailing_zeros(~ix.bits[USED, block, word])
    _place(ix, lane, position, at, row, ix.bits[:, block])


@stage
def _take_block(ix):
    """Take a spare block, empty."""
    block = ix.meta[FIRST_SPARE]
    ix.meta[FIRST_SPARE] = ix.blocks[block].position
    ix.meta[SPARE] -= 1
    return block


@kernel
def _new_zone(ix, shelf, position):
    """Insert a zone with an empty block; those from here on move by one."""
    for p in range(shelf.first + shelf.count, position, -1):
        ix.zones[p] = ix.zones[p - 1]
        ix.blocks[ix.zones[p].block].position = p
    shelf.count += 1
    zone = ix.zones[position]
    _open(zone)
    zone.free = 0
    zone.block = _take_block(ix)
    ix.blocks[zone.block].position = position
    ix.blocks[zone.block].rows = 0
    ix.blocks[zone.block].left = 0


@kernel
def _drop_zone(ix, shelf, position):
    """Remove a zone whose block is empty; its neighbour covers what it covered."""
    block = ix.zones[position].block
    last = shelf.first + shelf.count - 1
    if position == last:
        ix.zones[position - 1].key = ix.zones[position].key
        ix.zones[position - 1].serial = ix.zones[position].serial
    for p in range(position, last):
        ix.zones[p] = ix.zones[p + 1]
        ix.blocks[ix.zones[p].block].position = p
    shelf.count -= 1
    ix.blocks[block].position = ix.meta[FIRST_SPARE]
    ix.meta[FIRST_SPARE] = block
    ix.meta[SPARE] += 1


@kernel
def _rows_of(ix, block):
    """List the rows of a block, as they come."""
    rows = np.empty(ix.blocks[block].rows, np.int64)
    n = 0
    for word in range(WORDS):
        left = ix.bits[USED, block, word]
        while left != 0:
            rows[n] = ix.entries[block, word * 64 + _trailing_zeros(left)].row
            left &= left - np.uint64(1)
            n += 1
    return rows


@stage
def _empty(ix, position):
    """Make a block empty; its rows have to be placed again."""
    zone = ix.zones[position]
    ix.bits[:, zone.block] = 0
    ix.blocks[zone.block].rows = 0
    ix.blocks[zone.block].left = 0
    zone.free = 0
    _open(zone)


@kernel
def _split(ix, lane, shelf, position):
    """Give the later half of a block to a new one behind it."""
    rows = _rows_of(ix, ix.zones[position].block)
    serials = np.empty(len(rows), np.int64)
    for n in range(len(rows)):
        serials[n] = ix.rows[rows[n]].serial
    rows = rows[np.argsort(serials)]
    keys = np.empty(len(rows), np.int64)
    for n in range(len(rows)):
        keys[n] = -_key(ix, lane, rows[n])
    rows = rows[np.argsort(keys, kind="mergesort")]
    _new_zone(ix, shelf, position + 1)
    _empty(ix, position)
    zone, behind = ix.zones[position], ix.zones[position + 1]
    behind.key = zone.key
    behind.serial = zone.serial
    half = len(rows) // 2
    zone.key = _key(ix, lane, rows[half - 1])
    zone.serial = ix.rows[rows[half - 1]].serial
    for n in range(len(rows)):
        _put(ix, lane, position + (n >= half), rows[n])


@kernel
def _insert(ix, lane, row):
    """Place a row in a lane."""
    record = ix.rows[row]
    shelf = ix.shelves[LANES * record.kind + lane]
    if shelf.count == 0:
        _new_zone(ix, shelf, shelf.first)
        ix.zones[shelf.first].key = LEAST
        ix.zones[shelf.first].serial = MOST
    key = _key(ix, lane, row)
    position = _find(ix, shelf, key, record.serial)
    if ix.blocks[ix.zones[position].block].rows == ix.meta[SIZE]:
        _split(ix, lane, shelf, position)
        position += _after(ix.zones[position], key, record.serial)
    _put(ix, lane, position, row)


@kernel
def _withdraw(ix, lane, row):
    """Take a row out of a lane; a block that is nearly empty joins the next one."""
    record = ix.rows[row]
    block, at = ix.places[row, lane, 0], ix.places[row, lane, 1]
    ix.places[row, lane, 0] = -1
    position = ix.blocks[block].position
    _clear_bits(ix, block, at, row)
    if record.busy < record.slots:
        ix.zones[position].free -= 1
    ix.blocks[block].rows -= 1
    ix.blocks[block].left += 1
    size = ix.meta[SIZE]
    shelf = ix.shelves[LANES * record.kind + lane]
    few = ix.blocks[block].rows * 8 <= size and shelf.count > 1
    if few and _merge(ix, lane, shelf, position):
        return
    if ix.blocks[block].left * 4 > size:
        _tighten(ix, position)


@kernel
def _merge(ix, lane, shelf, position):
    """Move the rows of a block to the next one, if that stays half empty."""
    block = ix.zones[position].block
    if ix.blocks[block].rows > 0:
        if position == shelf.first + shelf.count - 1:
            return False
        behind = ix.zones[position + 1].block
        if (ix.blocks[block].rows + ix.blocks[behind].rows) * 2 > ix.meta[SIZE]:
            return False
        rows = _rows_of(ix, block)
        _empty(ix, position)
        for n in range(len(rows)):
            _put(ix, lane, position + 1, rows[n])
    _drop_zone(ix, shelf, position)
    return True


@kernel
def _rekey(ix, lane, row):
    """Move a row to where its key now belongs."""
    record = ix.rows[row]
    block, at = ix.places[row, lane, 0], ix.places[row, lane, 1]
    position = ix.blocks[block].position
    first = ix.shelves[LANES * record.kind + lane].first
    key = _key(ix, lane, row)
    stays = not _after(ix.zones[position], key, record.serial)
    if stays and position > first:
        stays = _after(ix.zones[position - 1], key, record.serial)
    if stays:
        ix.entries[block, at].key = key
        ix.entries[block, at].rank = record.rank
    else:
        _withdraw(ix, lane, row)
        _insert(ix, lane, row)


@stage
def _flip_free(ix, row, free):
    """Mark a row as free, or as not free, in every lane."""
    for lane in range(LANES):
        block, at = ix.places[row, lane, 0], ix.places[row, lane, 1]
        if block >= 0:
            zone = ix.zones[ix.blocks[block].position]
            if free:
                ix.bits[FREE, block, at >> 6] |= _bit(at)
                zone.free += 1
            else:
                ix.bits[FREE, block, at >> 6] &= ~_bit(at)
                zone.free -= 1


@stage
def _has_room(ix, kind):
    """Tell whether a block of each lane of a kind can be split."""
    if ix.meta[SPARE] < LANES:
        return False
    for lane in range(LANES):
        shelf = ix.shelves[LANES * kind + lane]
        if shelf.count == shelf.room:
            return False
    return True


@stage
def _update_rank(ix, row):
    record = ix.rows[row]
    record.rank = supplier_rank(
        np.int64(record.validated),
        np.int64(record.completed),
        record.total,
        ix.meta[PRIOR_VALIDATED],
        ix.meta[PRIOR_FAILED],
    )


@kernel
def insert(ix, row):
    """Place a row in the lanes where it belongs; return `GROW` if there is no room."""
    record = ix.rows[row]
    if not _has_room(ix, record.kind):
        return GROW
    _update_rank(ix, row)
    _insert(ix, REPUTATION, row)
    ix.places[row, EXPLORATION, 0] = -1
    if record.completed < ix.meta[WINDOW]:
        _insert(ix, EXPLORATION, row)
    return row


@kernel
def withdraw(ix, row):
    """Take a row out of all lanes."""
    for lane in range(LANES):
        if ix.places[row, lane, 0] >= 0:
            _withdraw(ix, lane, row)


@stage
def _push_outcome(ix, row, outcome):
    """Shift an outcome into the window, and count anew."""
    record = ix.rows[row]
    window = ix.meta[WINDOW]
    words = ix.outcomes[row]
    last = window - 1
    leaving = words[last >> 6] >> np.uint64(last & 63) & np.uint64(1)
    carried = np.uint64(outcome)
    for w in range(len(words)):
        next_one = words[w] >> np.uint64(63)
        words[w] = words[w] << np.uint64(1) | carried
        carried = next_one
    if window & 63:
        words[last >> 6] &= _bit(window) - np.uint64(1)
    record.validated += outcome - np.int64(leaving)
    record.completed = min(record.completed + 1, window)
    record.total += 1


@kernel
def settle(ix, row, change, outcome):
    """
    Take (+1) or give back (-1) a slot of a row, and record an outcome, if there is one.

    Returns the rank, or `GROW`, `FULL`, `IDLE`.
    """
    record = ix.rows[row]
    if change > 0 and record.busy >= record.slots:
        return FULL
    if change < 0 and record.busy == 0:
        return IDLE
    if outcome != NO_OUTCOME and not _has_room(ix, record.kind):
        return GROW
    was_free = record.busy < record.slots
    record.busy += change
    is_free = record.busy < record.slots
    if is_free != was_free:
        _flip_free(ix, row, is_free)
    if outcome != NO_OUTCOME:
        _push_outcome(ix, row, outcome)
        _update_rank(ix, row)
        _rekey(ix, REPUTATION, row)
        if ix.places[row, EXPLORATION, 0] >= 0:
            if record.completed < ix.meta[WINDOW]:
                _rekey(ix, EXPLORATION, row)
            else:
                _withdraw(ix, EXPLORATION, row)
    return record.rank


@kernel
def settle_many(ix, rows, change, outcomes, first, results):
    """Settle rows from the first on; return how far it went for want of room."""
    for n in range(first, len(rows)):
        results[n] = settle(ix, rows[n], change, outcomes[n])
        if results[n] == GROW:
            return n
    return len(rows)


# matching


@stage
def _load(bits, chosen, rows, column_):
    """Read a column of the chosen blocks."""
    for n in range(len(chosen)):
        for word in range(WORDS):
            rows[n, word] = bits[column_, chosen[n], word]


@stage
def _join(bits, chosen, rows, column_):
    """Add the rows of the chosen blocks that are in a column."""
    for n in range(len(chosen)):
        for word in range(WORDS):
            rows[n, word] |= bits[column_, chosen[n], word]


@stage
def _meet(bits, chosen, rows, column_):
    """Keep the rows of the chosen blocks that are in a column."""
    for n in range(len(chosen)):
        for word in range(WORDS):
            rows[n, word] &= bits[column_, chosen[n], word]


@stage
def _meet_any(bits, chosen, rows, joined, first, mask):
    """Keep the rows of the chosen blocks that are in any column of a mask."""
    column_ = first + _trailing_zeros(mask)
    mask &= mask - np.uint64(1)
    if mask == 0:
        _meet(bits, chosen, rows, column_)
        return
    _load(bits, chosen, joined, column_)
    while mask != 0:
        _join(bits, chosen, joined, first + _trailing_zeros(mask))
        mask &= mask - np.uint64(1)
    for n in range(len(chosen)):
        for word in range(WORDS):
            rows[n, word] &= joined[n, word]


@stage
def _intersect(ix, count, q):
    """Find the rows of the chosen blocks that the bitmaps leave."""
    bits, chosen, left, joined = ix.bits, ix.chosen[:count], ix.left, ix.joined
    _load(bits, chosen, left, FREE)
    if q.model != ANY:
        _meet(bits, chosen, left, MODEL + column(q.model))
    if q.memory_level > 0:
        _meet(bits, chosen, left, MEMORY + q.memory_level)
    if q.count_level > 0:
        _meet(bits, chosen, left, COUNT + q.count_level)
    if q.device_count != ANY:
        _meet_any(bits, chosen, left, joined, DEVICE, q.devices)
    if q.region_count != ANY:
        _meet_any(bits, chosen, left, joined, REGION, q.regions)


@stage
def _among(value, lists, first, count):
    """Tell whether a value is in a list."""
    for i in range(first, first + count):
        if lists[i] == value:
            return True
    return False


@stage
def _serves(ix, row, model):
    """Tell whether a row has a model."""
    record = ix.rows[row]
    return _among(model, ix.models, record.models, record.model_count)


@stage
def _fits(ix, entry, q, lists):
    """Compare exactly what the bitmaps leave open."""
    if (
        entry.price > q.price
        or entry.latency > q.latency
        or entry.memory < q.memory
        or entry.count < q.count
        or entry.rank < q.rank
        or entry.owner == q.owner
    ):
        return False
    at = q.at + max(q.device_count, 0) + max(q.region_count, 0)
    if q.excluded_count and _among(entry.row, lists, at, q.excluded_count):
        return False
    if q.shared:
        at = q.at
        if q.shared & SHARED_DEVICE:
            if not _among(entry.device, lists, at, q.device_count):
                return False
        at += max(q.device_count, 0)
        if q.shared & SHARED_REGION:
            if not _among(entry.region, lists, at, q.region_count):
                return False
        if q.shared & SHARED_MODEL:
            return _serves(ix, entry.row, q.model)
    return True


@stage
def _best_of_block(ix, n, q, lists):
    """Find the first row of a chosen block, in the order of its lane, that fits."""
    block = ix.chosen[n]
    best, best_key, best_serial = NONE, np.int64(0), np.int64(0)
    for word in range(WORDS):
        left = ix.left[n, word]
        while left != 0:
            entry = ix.entries[block, word * 64 + _trailing_zeros(left)]
            left &= left - np.uint64(1)
            better = (
                best == NONE
                or entry.key > best_key
                or (entry.key == best_key and entry.serial < best_serial)
            )
            if better and _fits(ix, entry, q, lists):
                best = np.int64(entry.row)
                best_key = entry.key
                best_serial = entry.serial
    return best


@stage
def _match(ix, lane, q, lists):
    """
    Find the row of the winner, or `NONE`.

    Looks at one block first, for most needs find somebody there, then at more and more
    of them together.
    """
    if q.kind == UNKNOWN or q.model == UNKNOWN:
        return NONE
    shelf = ix.shelves[LANES * q.kind + lane]
    model = _bit(column(q.model)) if q.model != ANY else np.uint64(0)
    position, end, together = shelf.first, shelf.first + shelf.count, 1
    while position < end:
        count = 0
        while position < end and count < together:
            zone = ix.zones[position]
            position += 1
            if (
                zone.free > 0
                and zone.devices & q.devices != 0
                and zone.regions & q.regions != 0
                and zone.models & model == model
                and zone.price <= q.price
                and zone.latency <= q.latency
                and zone.memory >= q.memory_level
                and zone.count >= q.count_level
            ):
                ix.chosen[count] = zone.block
                count += 1
            if lane == REPUTATION and zone.key < q.rank:
                end = position
        if count:
            _intersect(ix, count, q)
            for n in range(count):
                best = _best_of_block(ix, n, q, lists)
                if best != NONE:
                    return best
        together = min(2 * together, TOGETHER)
    return NONE


@kernel
def match(ix, lane, queries, number, lists):
    """Match one of some needs: find the row of the winner, or `NONE`."""
    return _match(ix, lane, queries[number], lists)


@kernel
def match_many(ix, lane, queries, lists, claiming, found):
    """Match one need after another; if claiming, each winner gives a slot."""
    for number in range(len(queries)):
        row = _match(ix, lane, queries[number], lists)
        if claiming and row != NONE:
            settle(ix, row, 1, NO_OUTCOME)
        found[number] = row


# reasons

FILTERS = 13
"""As in `needs.FILTERS`, in this order."""
SLOTS = 11


@stage
def _failures(ix, lane, row, q, lists):
    """Give the filters that keep a row from a need, one bit each."""
    r = ix.rows[row]
    devices = q.at
    regions = devices + max(q.device_count, 0)
    excluded = regions + max(q.region_count, 0)
    failed = np.int64(r.kind != q.kind)
    if q.device_count != ANY:
        failed |= (not _among(r.device, lists, devices, q.device_count)) << 1
    failed |= (r.count < q.count) << 2
    failed |= (r.memory < q.memory) << 3
    if q.region_count != ANY:
        failed |= (not _among(r.region, lists, regions, q.region_count)) << 4
    failed |= (r.latency > q.latency) << 5
    if q.model != ANY:
        failed |= (not _serves(ix, row, q.model)) << 6
    failed |= (r.price > q.price) << 7
    failed |= (r.rank < q.rank) << 8
    failed |= _among(row, lists, excluded, q.excluded_count) << 9
    failed |= (r.owner == q.owner) << 10
    failed |= (r.busy >= r.slots) << SLOTS
    failed |= (lane == EXPLORATION and r.completed >= ix.meta[WINDOW]) << 12
    return failed


@kernel
def failures(ix, lane, row, queries, lists):
    """Give the filters that keep a row from the first need, one bit each."""
    return _failures(ix, lane, row, queries[0], lists)


@kernel
def explain(ix, lane, used, queries, lists, left, without):
    """Count the rows, of the first used ones, that the filters leave."""
    for row in range(used):
        if ix.rows[row].kind < 0:
            continue
        failed = _failures(ix, lane, row, queries[0], lists)
        for f in range(FILTERS):
            left[f] += failed & ((2 << f) - 1) == 0
            without[f] += failed & ~(1 << f) == 0


@kernel
def ahead(ix, lane, used, queries, lists, row):
    """Count the eligible rows that come before a row."""
    key, serial = _key(ix, lane, row), ix.rows[row].serial
    before = 0
    for other in range(used):
        record = ix.rows[other]
        if record.kind != queries[0].kind:
            continue
        its_key = _key(ix, lane, other)
        if its_key > key or (its_key == key and record.serial < serial):
            before += _failures(ix, lane, other, queries[0], lists) == 0
    return before


# in bulk


@kernel
def list_models(ix, codes, starts, ends, flat):
    """Write down the models of all rows: parts of a list, by the codes of the rows."""
    at = 0
    for row in range(len(codes)):
        code = codes[row]
        record = ix.rows[row]
        record.models = at
        record.model_count = ends[code] - starts[code]
        for n in range(starts[code], ends[code]):
            ix.models[at] = flat[n]
            at += 1


@kernel
def rank_all(ix, rows):
    """Rank the first rows."""
    for row in range(rows):
        _update_rank(ix, row)


@kernel
def _fetch(ix, rows):
    """Read a little of many rows, whose memory then comes at once and not in turn."""
    read = 0
    for row in rows:
        record = ix.rows[row]
        if record.model_count:
            read += ix.models[record.models]
        read += record.rank + record.completed + ix.places[row, 0, 0]
    return read


@kernel
def fill(ix, lane, kind, order):
    """Place rows, in their order, in fresh blocks of which a quarter stays empty."""
    shelf = ix.shelves[LANES * kind + lane]
    at_once = max(ix.meta[SIZE] * 3 // 4, 1)
    # Gathered in one place, for a column of a block is far from the next one.
    bits = np.zeros((ALL_COLUMNS, WORDS), np.uint64)
    for first in range(0, len(order), at_once):
        rows = order[first : first + at_once]
        position = shelf.first + first // at_once
        _new_zone(ix, shelf, position)
        _fetch(ix, rows)
        bits[:] = 0
        for at in range(len(rows)):
            _place(ix, lane, position, at, rows[at], bits)
        zone = ix.zones[position]
        ix.bits[:, zone.block] = bits
        zone.key = _key(ix, lane, rows[-1])
        zone.serial = ix.rows[rows[-1]].serial
    if len(order):
        zone = ix.zones[shelf.first + shelf.count - 1]
        zone.key = LEAST
        zone.serial = MOST
