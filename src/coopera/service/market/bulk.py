"""The offers of the books, a million of them in a few seconds."""

import gc
from collections import defaultdict
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import compress
from typing import Any, Final

import numpy as np

from coopera.params import Params
from coopera.protocol.supply import VALIDATOR, Stage
from coopera.service.market.columns import As, Columns, Fields
from coopera.service.market.reading import (
    Activity,
    outcomes_of,
    pages_of,
    ranking_of,
)
from coopera.service.scheduler.index import Index
from coopera.service.scheduler.vocabulary import Coded, Column
from coopera.store import Store

RESOURCE: Final[Fields] = {
    "id": As.TEXT,
    "serial": As.NUMBER,
    "owner": As.WORD,
    "can": {
        "kind": As.WORD,
        "device": As.WORD,
        "count": As.NUMBER,
        "memory_gib": As.NUMBER,
        "region": As.WORD,
        "latency_ms": As.NUMBER,
        "models": As.WORD,
        "price": As.NUMBER,
        "slots": As.NUMBER,
    },
    "stage": As.WORD,
}
"""What an offer has of a `Resource`."""
TRACK: Final[Fields] = {
    "id": As.TEXT,
    "outcomes": As.WORD,
    "total": As.NUMBER,
    "busy": As.NUMBER,
    "active_day": As.NUMBER,
}
"""What an offer has of a `Track`."""
NUMBERS: Final = (
    *("serial", "count", "memory_gib", "latency_ms", "price", "slots"),
    *("total", "busy"),
)
WORDS: Final = ("owner", "device", "region", "models")


@contextmanager
def _uncollected() -> Iterator[None]:
    """Keep the collector from walking over millions of new words again and again."""
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()


@_uncollected()
def load_many(store: Store, params: Params, day: int, activity: Activity) -> Index:
    """
    Load offers that may be many; as `load_few`, if by another way.

    Raises `StoreFailed`, refuses with `BadBooks`.
    """
    ranking = ranking_of(params)
    resources, tracks = Columns(RESOURCE), Columns(TRACK)
    ids: list[str] = []
    parts: defaultdict[str, list[np.ndarray]] = defaultdict(list)
    for found, followed in pages_of(store):
        given, kept = resources.read(found), tracks.read(followed)
        if given["id"] != kept["id"]:
            given, kept = _paired(given, kept)
        ids += given.pop("id")
        for name, part in (given | kept).items():
            if name != "id":
                parts[name].append(part)
    if not ids:
        return Index(ranking)
    read = {name: np.concatenate(each) for name, each in parts.items()}
    kind, stage = resources.coded("kind", read), resources.coded("stage", read)
    written = tracks.coded("outcomes", read)
    last = [each[-ranking.window :] for each in written.words]
    table: dict[str, Column] = {
        **{name: read[name] for name in NUMBERS},
        **{name: resources.coded(name, read) for name in WORDS},
        "kind": kind,
        "outcomes": Coded(written.codes, list(map(outcomes_of, last))),
        "completed": np.array(list(map(len, last)), np.int64)[written.codes],
    }
    earliest = day - params.market.dormant_days
    offered = stage.are(Stage.STAKED.value) & ~kind.are(VALIDATOR)
    offered &= read["active_day"] >= earliest
    if not offered.all():
        ids = list(compress(ids, offered))
        table = {name: column[offered] for name, column in table.items()}
    activity.note_all(ids, read["active_day"][offered].tolist())
    return Index.build({"id": ids, **table}, ranking)


def _paired(
    given: dict[str, Any], kept: dict[str, Any]
) -> tuple[dict[str, Any], dict[str, Any]]:
    """Put tracks beside their resources; leave out what has no other half."""
    place_of = {id_: place for place, id_ in enumerate(kept["id"])}
    pairs = [
        (place, place_of[id_])
        for place, id_ in enumerate(given["id"])
        if id_ in place_of
    ]
    first, second = np.array(pairs, np.int64).reshape(-1, 2).T
    return _taken(given, first), _taken(kept, second)


def _taken(columns: dict[str, Any], places: np.ndarray) -> dict[str, Any]:
    return {
        name: column[places]
        if isinstance(column, np.ndarray)
        else [column[place] for place in places]
        for name, column in columns.items()
    }
