"""
The loops that read columns out of JSON, compiled.

A list of records is gone over once, byte by byte, and what is asked for is marked.
Fields are expected in their order, and found in any.

Everything compiled stands in this file, or in the simulator's: the compiler's cache
watches the file of a function, and not of those that it calls.
"""

from typing import NamedTuple

import numpy as np

from coopera.sim.kernels import kernel, stage

NUMBER, INSIDE = 0, 3
"""As in `columns.As`: what is read as no text is."""
QUOTE, BACKSLASH, COLON, COMMA, MINUS = b'"\\:,-'
OPEN, CLOSE, FIRST, LAST = b"{}[]"
ZERO, NINE = b"09"
GREATEST, DIGITS = np.uint64(2**63 - 1), 19
"""The greatest number, and how long it is."""
END = '""\0\0'
"""Stands behind a list, so that whatever is cut off ends there."""


class Known(NamedTuple):
    """Texts that were met, as JSON, each once."""

    slots: np.ndarray
    """A hash table: 1 + the code of a text, or 0."""
    starts: np.ndarray
    """Where the text of each code starts, and at last where the next will."""
    text: np.ndarray
    """All of them, each with a comma behind."""
    used: np.ndarray
    """(1,): how many there are."""


@stage
def _at(text, place):
    """Read a letter; a signed place would first be compared with 0, each time."""
    return text[np.uint64(place)]


@stage
def _after_string(text, at):
    """Go from a quote to behind the one that ends the string."""
    at += 1
    while _at(text, at) != QUOTE:
        at += 2 if _at(text, at) == BACKSLASH else 1
    return at + 1


@stage
def _after_value(text, at, depth):
    """Go behind a value, or behind as many objects that are open."""
    while True:
        letter = _at(text, at)
        if letter == QUOTE:
            at = _after_string(text, at)
            if depth == 0:
                return at
            continue
        if letter == OPEN or letter == FIRST:
            depth += 1
        elif letter == CLOSE or letter == LAST:
            if depth == 0:
                return at
            depth -= 1
            if depth == 0:
                return at + 1
        elif letter == 0 or (letter == COMMA and depth == 0):
            return at
        at += 1


@stage
def _starts_with(text, at, keys, first, last):
    """Tell whether a text goes on with a key."""
    for n in range(first, last):
        if _at(text, at + n - first) != _at(keys, n):
            return False
    return True


@stage
def _field(text, at, keys, ends, outer, inside, expected):
    """Find which field stands here, the expected one first; their number: none."""
    fields = len(outer)
    for n in range(fields):
        field = expected + n
        if field >= fields:
            field -= fields
        if outer[field] == inside and _starts_with(
            text, at, keys, ends[field], ends[field + 1]
        ):
            return field
    return fields


@stage
def _number(text, at, found):
    """Read a whole number; stay where there is none, or too great a one."""
    negative = _at(text, at) == MINUS
    first = last = at + negative
    value = np.uint64(0)
    while ZERO <= _at(text, last) <= NINE and last - first < DIGITS:
        value = np.uint64(10) * value + np.uint64(_at(text, last) - ZERO)
        last += 1
    if last == first or value > GREATEST:
        return at
    found[0] = -np.int64(value) if negative else np.int64(value)
    return last


@kernel
def scan(text, keys, ends, outer, kinds, found):
    """
    Find fields in a list of records: numbers, or where values start and end.

    `found` is (fields, records, 2). Returns how many records there are, or, less than
    0, where something else stands.
    """
    fields = len(kinds)
    everything = (1 << fields) - 1
    at = 1
    if _at(text, at) == LAST:
        return 0
    for row in range(found.shape[1]):
        if _at(text, at) != OPEN:
            return -at
        at += 1
        inside, depth = -1, 1
        expected = seen = 0
        while seen != everything:
            if _at(text, at) != QUOTE:
                return -at
            field = _field(text, at, keys, ends, outer, inside, expected)
            if field == fields:
                at = _after_string(text, at)
                if _at(text, at) != COLON:
                    return -at
                at = _after_value(text, at + 1, 0)
            else:
                at += ends[field + 1] - ends[field]
                expected = field + 1
                seen |= 1 << field
                if kinds[field] == INSIDE:
                    if _at(text, at) != OPEN:
                        return -at
                    at += 1
                    inside = field
                    depth += 1
                    continue
                start = at
                if kinds[field] == NUMBER:
                    at = _number(text, start, found[field, row])
                    if at == start:
                        return -at
                else:
                    at = _after_value(text, start, 0)
                    found[field, row, 0] = start
                    found[field, row, 1] = at
            while _at(text, at) == CLOSE and inside >= 0:
                inside = outer[inside]
                depth -= 1
                at += 1
            if _at(text, at) == COMMA:
                at += 1
            elif seen != everything or _at(text, at) != CLOSE:
                return -at
        at = _after_value(text, at, depth)
        if _at(text, at) == LAST:
            return row + 1
        if _at(text, at) != COMMA:
            return -at
        at += 1
    return -at


@kernel
def gather(text, places, into):
    """Copy texts, each with a comma behind."""
    at = 0
    for n in range(len(places)):
        for k in range(places[n, 0], places[n, 1]):
            into[at] = _at(text, k)
            at += 1
        into[at] = COMMA
        at += 1


@stage
def _slot(text, first, last, slots):
    """Give the slot where a text is looked for first (FNV-1a)."""
    hashed = np.uint64(14695981039346656037)
    for n in range(first, last):
        hashed = (hashed ^ np.uint64(_at(text, n))) * np.uint64(1099511628211)
    hashed ^= hashed >> np.uint64(29)
    return np.int64(hashed & np.uint64(slots - 1))


@kernel
def intern(known, text, places, codes):
    """Number texts, and keep those that are new; there is room for all."""
    slots, starts, kept = known.slots, known.starts, known.text
    count = known.used[0]
    for n in range(len(places)):
        first, last = places[n, 0], places[n, 1]
        slot = _slot(text, first, last, len(slots))
        while True:
            code = slots[slot] - 1
            if code < 0:
                code = count
                count += 1
                slots[slot] = count
                at = starts[code]
                for k in range(first, last):
                    kept[at + k - first] = _at(text, k)
                kept[at + last - first] = COMMA
                starts[count] = at + last - first + 1
                break
            at = starts[code]
            if starts[code + 1] - at - 1 == last - first and _starts_with(
                text, first, kept, at, starts[code + 1] - 1
            ):
                break
            slot = (slot + 1) & (len(slots) - 1)
        codes[n] = code
    known.used[0] = count


@kernel
def rehash(known):
    """Put all texts in a table that is empty."""
    slots, starts = known.slots, known.starts
    for code in range(known.used[0]):
        slot = _slot(known.text, starts[code], starts[code + 1] - 1, len(slots))
        while slots[slot] != 0:
            slot = (slot + 1) & (len(slots) - 1)
        slots[slot] = code + 1
