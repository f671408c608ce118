"""The index, where random histories seldom look: refusals, growth, many words."""

from dataclasses import replace

import numpy as np
import pytest
from tests.service.scheduler.histories import check_structure, columns

from coopera.errors import AlreadyExists, Busy, UnknownRecord
from coopera.service.scheduler import kernels
from coopera.service.scheduler.index import Index
from coopera.service.scheduler.needs import FILTERS, Lane, Need, Offer, Ranking
from coopera.service.scheduler.reference import Reference
from coopera.units import WAD, Wad

H100 = Offer(
    id="h100",
    serial=7,
    owner="supplier:ann",
    kind="gpu",
    device="h100",
    count=4,
    memory_gib=80,
    region="eu",
    latency_ms=40,
    models=("llama", "qwen"),
    price=900,
    slots=2,
    validated=3,
    completed=4,
    total=9,
    outcomes=0b1011,
)
NEED = Need(
    kind="gpu",
    devices=("a100", "h100"),
    count=4,
    memory_gib=80,
    regions=("us", "eu"),
    latency_ms=40,
    model="qwen",
    price=900,
    min_reputation=Ranking().reputation(H100),
    excluded=("other",),
    not_owner="supplier:bob",
)
SPOILT = {
    "kind": Need("cpu"),
    "devices": replace(NEED, devices=("a100", "never offered")),
    "count": replace(NEED, count=5),
    "memory_gib": replace(NEED, memory_gib=81),
    "regions": replace(NEED, regions=("us",)),
    "latency_ms": replace(NEED, latency_ms=39),
    "model": replace(NEED, model="never offered"),
    "price": replace(NEED, price=899),
    "min_reputation": replace(NEED, min_reputation=Wad(NEED.min_reputation + 1)),
    "excluded": replace(NEED, excluded=("other", "h100")),
    "not_owner": replace(NEED, not_owner="supplier:ann"),
}


@pytest.fixture
def index():
    """Return an index with one offer, which is what `NEED` needs."""
    index = Index()
    index.add(H100)
    return index


def unchanged(index):
    """Tell whether the index is as the fixture made it."""
    check_structure(index)
    return (
        len(index) == 1
        and index.offer("h100") == H100
        and index.standing("h100")[0] == 0
    )


def test_offer_that_meets_all_of_a_need_is_found(index):
    assert index.match(NEED) == "h100"
    assert index.why(NEED).matches == 1
    assert index.why(NEED).remedies == ()


@pytest.mark.parametrize("name", SPOILT)
def test_one_thing_amiss_is_no_match_and_is_named(index, name):
    assert index.match(SPOILT[name]) is None
    assert index.match_many([SPOILT[name], NEED]) == [None, "h100"]
    assert index.failed("h100", SPOILT[name]) == (name,)
    why = index.why(SPOILT[name])
    assert why.remedies == (name,)
    assert [why.left[each] for each in FILTERS] == [
        int(at < FILTERS.index(name)) for at in range(len(FILTERS))
    ]


def test_full_slots_are_no_match_and_are_named(index):
    index.claim("h100")
    assert index.match(NEED) == "h100"
    index.claim("h100")
    assert index.match(NEED) is None
    assert index.why(NEED).remedies == ("slots",)
    index.free("h100")
    assert index.match(NEED) == "h100"


def test_nothing_is_found_among_nothing():
    index = Index()
    assert index.match(NEED) is None
    assert index.match_many([]) == []
    assert index.why(NEED).offers == 0
    assert Index.build(columns([])).match(NEED) is None


def test_words_of_needs_fill_no_memory(index):
    for n in range(200):
        index.match(Need(f"kind-{n}", (f"d-{n}",), regions=(f"r-{n}",), model=f"{n}"))
    sizes = [len(each) for each in (index._kinds, index._devices, index._models)]
    assert sizes == [1, 1, 2]


def test_offer_is_added_once(index):
    with pytest.raises(AlreadyExists, match="'h100'"):
        index.add(replace(H100, price=1))
    assert unchanged(index)


def test_offer_is_built_once():
    with pytest.raises(AlreadyExists, match="'h100'"):
        Index.build(columns([H100, H100]))


@pytest.mark.parametrize(
    "operation",
    [
        lambda index: index.remove("a"),
        lambda index: index.change(replace(H100, id="a")),
        lambda index: index.claim("a"),
        lambda index: index.free("a"),
        lambda index: index.finish("a", validated=True),
        lambda index: index.record("a", validated=True),
        lambda index: index.finish_many([("h100", True), ("a", True)]),
        lambda index: index.offer("a"),
        lambda index: index.standing("a")[0],
        lambda index: index.failed("a", NEED),
        lambda index: index.ahead("a", NEED),
    ],
)
def test_unknown_resource_is_refused(index, operation):
    with pytest.raises(UnknownRecord, match="'a'"):
        operation(index)
    assert unchanged(index)


def test_slot_that_there_is_not_is_refused(index):
    index.claim("h100")
    index.claim("h100")
    with pytest.raises(Busy, match="2 slots and does 2 jobs"):
        index.claim("h100")
    assert index.standing("h100")[0] == 2


def test_slot_that_nobody_took_cannot_be_given_back(index):
    with pytest.raises(AssertionError, match="does no job"):
        index.free("h100")
    with pytest.raises(AssertionError, match="does no job"):
        index.finish("h100", validated=True)
    assert unchanged(index)


def test_serial_number_stays(index):
    with pytest.raises(AssertionError):
        index.change(replace(H100, serial=8))
    assert unchanged(index)


def test_removed_offer_may_come_back_without_the_jobs_it_did(index):
    index.claim("h100")
    index.remove("h100")
    assert "h100" not in index
    index.add(H100)
    assert unchanged(index)


def test_change_keeps_the_jobs_done_and_in_hand(index):
    index.claim("h100")
    index.change(replace(H100, price=5, models=(), validated=0, outcomes=None))
    assert index.offer("h100") == replace(H100, price=5, models=())
    assert index.standing("h100")[0] == 1


def test_resource_that_gives_up_slots_in_use_has_none_free(index):
    index.claim("h100")
    index.claim("h100")
    index.change(replace(H100, slots=1))
    assert index.match(NEED) is None
    index.finish("h100", validated=True)
    assert index.match(NEED) is None
    index.finish("h100", validated=True)
    assert index.match(NEED) == "h100"


def test_oldest_outcome_leaves_the_window():
    index = Index(Ranking(window=3))
    index.add(replace(H100, validated=2, completed=3, outcomes=0b110))
    index.record("h100", validated=True)
    assert index.offer("h100").outcomes == 0b101
    index.record("h100", validated=True)
    assert index.offer("h100").outcomes == 0b011
    assert index.offer("h100").total == 11


def test_claiming_gives_one_slot_to_one_need(index):
    other = replace(H100, id="later", serial=8, slots=1)
    index.add(other)
    winners = index.match_many([NEED] * 5, claiming=True)
    assert winners == ["h100", "h100", "later", None, None]


def test_exploration_goes_to_who_has_done_least_and_never_to_the_established():
    index = Index(Ranking(window=4))
    for serial, (total, validated) in enumerate([(9, 4), (2, 2), (1, 0), (1, 1)]):
        completed = min(total, 4)
        index.add(
            replace(
                H100,
                id=f"{serial}",
                serial=serial,
                validated=validated,
                completed=completed,
                total=total,
                outcomes=None,
                slots=1,
            )
        )
    need = Need("gpu")
    order = [
        index.match_many([need], Lane.EXPLORATION, claiming=True)[0] for _ in range(4)
    ]
    assert order == ["2", "3", "1", None]
    assert index.match(need) == "0"
    assert index.why(need, Lane.EXPLORATION).remedies == ("slots", "lane")
    assert index.failed("0", need, Lane.EXPLORATION) == ("lane",)


def test_word_without_a_column_of_its_own_is_told_from_those_it_shares_with():
    many = [
        replace(
            H100,
            id=f"{n}",
            serial=n,
            device=f"d-{n}",
            region=f"r-{n}",
            models=(f"m-{n}", f"m-{n + 400}"),
        )
        for n in range(400)
    ]
    index = Index.build(columns(many))
    shares = {kernels.column.py_func(n) for n in range(400)}
    assert max(shares) < kernels.COLUMNS
    for n in range(400):
        assert index.match(Need("gpu", (f"d-{n}",))) == f"{n}"
        assert index.match(Need("gpu", regions=("r-900", f"r-{n}"))) == f"{n}"
        assert index.match(Need("gpu", model=f"m-{n + 400}")) == f"{n}"
        assert index.match(Need("gpu", (f"d-{n}",), model=f"m-{n ^ 1}")) is None


def test_many_regions_are_asked_for_at_once(index):
    regions = (*(f"nowhere-{n}" for n in range(100)), "eu")
    assert index.match(replace(NEED, regions=regions)) == "h100"
    others = [replace(H100, id=f"{n}", serial=n, region=f"{n}") for n in range(200)]
    for each in others:
        index.add(each)
    everywhere = tuple(f"{n}" for n in range(199, 0, -1))
    excluded = tuple(f"{n}" for n in range(150))
    need = replace(NEED, regions=everywhere, excluded=excluded)
    assert index.match(need) == "150"


def test_models_that_come_and_go_leave_no_garbage(index):
    for n in range(3_000):
        index.change(replace(H100, models=tuple(f"m-{i}" for i in range(n % 7))))
        if n % 50 == 0:
            index.add(replace(H100, id=f"{n}", serial=n + 100))
            index.remove(f"{n}")
    check_structure(index)
    assert len(index._columns.models) < 500


def test_blocks_split_as_offers_come_and_merge_as_they_go():
    index, reference = Index(block_size=4), Reference()
    for n in range(300):
        offer = replace(
            H100, id=f"{n}", serial=n * 7919 % 307, total=n % 11 + 4, price=n
        )
        index.add(offer)
        reference.add(offer)
    assert index._columns.shelves[0]["count"] >= 75
    check_structure(index)
    for n in range(299):
        index.remove(f"{n * 17 % 299}")
        reference.remove(f"{n * 17 % 299}")
        need = Need("gpu", price=200)
        assert index.match(need) == reference.match(need)
    check_structure(index)
    assert index._columns.shelves[0]["count"] == 1


def test_zone_forgets_who_has_left():
    index = Index(block_size=64)
    cheap = [replace(H100, id=f"{n}", serial=n, price=1) for n in range(34)]
    dear = [replace(H100, id=f"{n}", serial=n, price=9) for n in range(34, 60)]
    for each in cheap + dear:
        index.add(each)
    for each in cheap:
        index.remove(each.id)
    shelf = index._columns.shelves[0]
    assert index._columns.zones[int(shelf["first"])]["price"] == 9


def test_batch_that_needs_room_again_and_again_is_finished():
    ranking = Ranking(window=64)
    many = [
        replace(H100, id=f"{n}", serial=n, slots=64, outcomes=None) for n in range(200)
    ]
    index = Index.build(columns(many), ranking, block_size=2)
    reference = Reference(ranking, many)
    rng = np.random.default_rng(5)
    for _ in range(20):
        ids = [f"{n}" for n in rng.integers(0, 200, 100)]
        good = rng.integers(0, 2, 100).astype(bool).tolist()
        done = list(zip(ids, good, strict=True))
        for id_ in ids:
            index.claim(id_)
            reference.claim(id_)
        assert index.finish_many(done) == [
            reference.finish(id_, validated=ok) for id_, ok in done
        ]
    check_structure(index)
    need = Need("gpu", min_reputation=Wad(WAD // 2))
    assert index.match(need) == reference.match(need)
    assert index.match(need, Lane.EXPLORATION) == reference.match(
        need, Lane.EXPLORATION
    )


def test_threshold_at_the_end_of_a_block_lets_the_next_block_in():
    # Newcomers without a job all have the least rank that is asked for.
    newcomers = [
        replace(
            H100,
            id=f"{n}",
            serial=n,
            validated=0,
            completed=0,
            total=0,
            outcomes=None,
        )
        for n in range(6)
    ]
    index = Index.build(columns(newcomers), block_size=2)
    need = Need(
        "gpu", min_reputation=Wad(WAD // 2), excluded=tuple(f"{n}" for n in range(5))
    )
    assert index.match(need) == "5"
