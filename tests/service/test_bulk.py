"""A million offers are loaded as a few are, and nothing unreadable does harm."""

import json
from dataclasses import replace

import msgspec
import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from msgspec.json import encode
from tests.protocol.conftest import IN_ORDER

from coopera.errors import BadBooks
from coopera.protocol.supply import VALIDATOR, Capability, Resource, Stage, Track
from coopera.service.market import reading
from coopera.service.market.bulk import load_many
from coopera.service.market.columns import As, Columns, Fields
from coopera.service.market.kernels import GREATEST
from coopera.service.market.reading import Activity, load_few
from coopera.store import Batch, MemoryStore
from coopera.units import AMOUNT_MAX

PARAMS = IN_ORDER.params
WINDOW = PARAMS.reputation.reputation_window_jobs
DAY = 100
DORMANT = PARAMS.market.dormant_days

words = st.sampled_from(
    ["gpu", "h100", "eu", 'a "quoted" one', "a\\b", "größe", "", "\n"]
)
counts = st.integers(0, 2**31 - 1)
capabilities = st.builds(
    Capability,
    kind=words | st.just(VALIDATOR),
    device=words,
    count=counts,
    memory_gib=counts,
    region=words,
    latency_ms=counts,
    models=st.lists(words.filter(bool), max_size=3).map(tuple),
    price=st.integers(0, AMOUNT_MAX),
    slots=counts,
)
resources = st.builds(
    Resource,
    id=st.text(max_size=6),
    serial=st.integers(0, 2**62),
    owner=words,
    can=capabilities,
    stage=st.sampled_from(Stage) | st.just(Stage.STAKED),
    certificate=st.integers(0, 9),
    evidence=words,
    attested=st.booleans(),
)
tracks = st.builds(
    Track,
    id=st.just(""),
    outcomes=st.text("01", max_size=WINDOW + 3),
    total=st.integers(WINDOW + 3, 2**38 - 1),
    busy=counts,
    active_day=st.integers(DAY - DORMANT - 1, DAY),
    unpaid=st.lists(words, max_size=2).map(tuple),
)


@settings(deadline=None)
@given(
    many=st.lists(st.tuples(resources, st.none() | tracks), max_size=12),
    rows=st.sampled_from([1, 2, 5, 2048]),
)
def test_many_are_loaded_as_few_are(many, rows):
    many = {each.id or "empty": (each, track) for each, track in many}
    store = MemoryStore()
    for serial, (name, (resource, track)) in enumerate(many.items()):
        given = replace(resource, id=name, serial=serial)
        latest = ["resource", name, 1, encode(given).decode(), None]
        if track is not None:
            latest += ["track", name, 1, encode(replace(track, id=name)).decode(), None]
        store.write(Batch(latest=latest))
    noted, noted_too = Activity(), Activity()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(reading, "ROWS", rows)
        few = load_few(store, PARAMS, DAY, noted)
        index = load_many(store, PARAMS, DAY, noted_too)
    assert len(index) == len(few)
    for id_, offer in few.offers.items():
        assert index.offer(id_) == offer
        assert index.standing(id_) == few.standing(id_)
    assert sorted(noted.before(DAY)) == sorted(noted_too.before(DAY))


FIELDS: Fields = {
    "name": As.TEXT,
    "in": {"count": As.NUMBER, "deep": {"kind": As.WORD}},
    "tags": As.WORD,
}
PAGE = (
    '[{"other":{"name":[1,"]",{"x":null}]},"name":"a\\"b","in":{"count":-7,'
    '"deep":{"no":true,"kind":"x"},"size":1.5},"tags":["t","u"],"last":{"in":"}"}},'
    '{"tags":[],"in":{"deep":{"kind":"x"},"count":0},"name":"\\u00e9é"}]'
)


def test_fields_are_found_in_any_order_and_among_others():
    columns = Columns(FIELDS)
    for _ in range(3):
        read = columns.read(PAGE)
        assert read["name"] == ['a"b', "éé"]
        assert read["count"].tolist() == [-7, 0]
        kinds, tags = columns.coded("kind", read), columns.coded("tags", read)
        assert [kinds.words[code] for code in kinds.codes] == ["x", "x"]
        assert [tags.words[code] for code in tags.codes] == [("t", "u"), ()]
    assert columns.read("[]")["name"] == []


def test_words_are_kept_apart_however_many_they_are():
    columns = Columns({"kind": As.WORD})
    read = []
    for first in range(0, 50_000, 5_000):
        page = [{"kind": f"word-{n % 30_011}"} for n in range(first, first + 5_000)]
        read.append(columns.read(msgspec.json.encode(page).decode())["kind"])
    kinds = columns.coded("kind", {"kind": np.concatenate(read)})
    assert len(kinds.words) == 30_011
    assert [kinds.words[code] for code in kinds.codes] == [
        f"word-{n % 30_011}" for n in range(50_000)
    ]


@pytest.mark.parametrize(
    "number", [0, -1, int(GREATEST), -int(GREATEST), 10**18, 10**18 - 1]
)
def test_numbers_are_read_exactly(number):
    read = Columns({"n": As.NUMBER}).read(f'[{{"n":{number}}}]')
    assert read["n"].tolist() == [number]


@pytest.mark.parametrize(
    "page",
    [
        "",
        "[",
        "[1]",
        "[{}]",
        '[{"n":1}',
        '[{"n":1},]',
        '[{"n":"1"}]',
        '[{"n":1.5}]',
        '[{"n":-}]',
        '[{"n":null}]',
        '[{"n":9223372036854775808}]',
        '[{"n":99999999999999999999}]',
        '[{"m":1}]',
        '[{"m":{"n":1}}]',
        '[{"n":1}{"n":1}]',
        '[{"n" 1}]',
        '[{"n',
        '[{"m":"\\',
    ],
)
def test_what_is_no_list_of_records_is_refused(page):
    with pytest.raises(BadBooks, match=r"cannot be read.*coopera books audit"):
        Columns({"n": As.NUMBER}).read(page)


def test_word_that_is_no_json_is_refused():
    columns = Columns({"kind": As.WORD})
    read = columns.read('[{"kind":tru}]')
    with pytest.raises(BadBooks, match=r"cannot be read.*coopera books audit"):
        columns.coded("kind", read)


@settings(deadline=None, max_examples=300)
@given(
    at=st.integers(0, len(PAGE) - 1),
    length=st.integers(0, 30),
    new=st.text('"\\{}[],:0a\0', max_size=4),
)
@example(at=0, length=len(PAGE), new="\\")
def test_damaged_records_are_refused_or_read_as_they_stand(at, length, new):
    page = PAGE[:at] + new + PAGE[at + length :]
    columns = Columns(FIELDS)
    try:
        read = columns.read(page)
        for name in ("kind", "tags"):
            columns.coded(name, read)
    except BadBooks:
        return
    try:
        records = json.loads(page)
        expected = [each["name"] for each in records]
        counts = [each["in"]["count"] for each in records]
    except (ValueError, KeyError, TypeError):
        # What nobody asks for is not looked at closely.
        return
    assert read["name"] == expected
    assert read["count"].tolist() == counts
