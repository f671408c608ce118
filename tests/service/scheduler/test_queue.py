"""Jobs wait by incentive and time, with those that need the same."""

from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tests.service.scheduler.histories import needs, offers

from coopera.errors import AlreadyExists, UnknownRecord
from coopera.service.scheduler.needs import FILTERS, Need, Offer, Ranking
from coopera.service.scheduler.queue import Job, Queue
from coopera.service.scheduler.reference import failed, suits
from coopera.units import MICRO, WAD

H100 = Offer(
    id="h100",
    serial=7,
    owner="supplier:ann",
    kind="gpu",
    device="h100",
    count=1,
    memory_gib=80,
    region="eu",
    latency_ms=40,
    models=("llama",),
    price=900,
    slots=1,
)
NEED = Need("gpu")


def job(id_, incentive=0, arrived=0, need=NEED):
    return Job(id_, need, incentive, arrived)


def queue_what(need):
    return (
        *(need.devices, need.count, need.memory_gib, need.regions, need.latency_ms),
        need.model,
    )


@pytest.fixture
def queue():
    return Queue(ageing=36_000)


def next_for(queue, offer, ranking=Ranking()):  # noqa: B008 - frozen
    """Find the best job that a resource could serve, of all that suit it."""
    found = []
    for what in queue.suited(offer):
        asked = offer.price, ranking.reputation(offer)
        each = queue.following(offer.kind, what, None, *asked)
        while each is not None and failed(offer, each.need, 0, ranking):
            each = queue.following(offer.kind, what, queue.place(each), *asked)
        found += [] if each is None else [each]
    return min(found, key=queue.place, default=None)


def order(queue):
    """Serve everybody."""
    served = []
    while (first := next_for(queue, H100)) is not None:
        served.append(queue.remove(first.id).id)
    return served


def test_greater_incentive_comes_first(queue):
    queue.add(job("small", 5))
    queue.add(job("great", 6))
    assert order(queue) == ["great", "small"]


def test_equal_jobs_are_served_as_they_came_and_then_by_name():
    queue = Queue(ageing=0)
    for name, arrived in ("c", 1), ("b", 2), ("a", 2), ("d", 0):
        queue.add(job(name, 5, arrived))
    assert order(queue) == ["d", "c", "a", "b"]


@pytest.mark.parametrize(
    ("seconds", "served"), [(4, ["great", "old"]), (6, ["old", "great"])]
)
def test_waiting_is_worth_so_much_an_hour(queue, seconds, served):
    queue.add(job("old", 50, 0))
    queue.add(job("great", 100, seconds * MICRO))
    assert order(queue) == served


def test_without_ageing_only_the_incentive_counts():
    queue = Queue(ageing=0)
    queue.add(job("old", 1, 0))
    queue.add(job("great", 2, 10**9 * MICRO))
    assert order(queue) == ["great", "old"]


def test_job_that_the_resource_cannot_serve_is_passed_over(queue):
    queue.add(job("other model", 9, need=Need("gpu", model="gpt")))
    queue.add(job("other kind", 9, need=Need("cpu")))
    queue.add(job("fits", 1, need=Need("gpu", model="llama")))
    assert next_for(queue, H100).id == "fits"
    assert len(queue) == 3


def test_job_waits_once(queue):
    queue.add(job("a"))
    with pytest.raises(AlreadyExists):
        queue.add(job("a", 5))
    assert len(queue) == 1


def test_job_that_does_not_wait_cannot_leave(queue):
    with pytest.raises(UnknownRecord):
        queue.remove("a")


@given(data=st.data())
def test_next_job_is_the_best_of_those_that_fit(data):
    ranking = Ranking()
    ageing = data.draw(st.integers(0, 3))
    queue = Queue(ageing * 3600)
    waiting: list[Job] = []
    for n in range(data.draw(st.integers(0, 12))):
        new = Job(
            f"job-{n:02}",
            data.draw(needs()),
            data.draw(st.integers(0, 3)),
            data.draw(st.integers(0, 3)) * MICRO,
        )
        queue.add(new)
        waiting.append(new)
        if data.draw(st.booleans()):
            left = data.draw(st.sampled_from(waiting))
            waiting.remove(left)
            queue.remove(left.id)
    offer = data.draw(offers("one", 1, ranking.window).filter(lambda each: each.slots))
    now = 5 * MICRO
    fitting = [each for each in waiting if not failed(offer, each.need)]
    best = max(
        fitting,
        key=lambda each: (
            each.incentive * MICRO + ageing * (now - each.arrived),
            -each.arrived,
            -waiting.index(each),
        ),
        default=None,
    )
    assert next_for(queue, offer) == best


@settings(max_examples=20)
@given(data=st.data(), dice=st.randoms(use_true_random=True))
def test_next_of_thousands_is_the_best_of_those_that_fit(data, dice):
    """So many jobs that chunks are split, emptied and passed over."""
    ranking = Ranking()
    queue = Queue(ageing=0)
    kinds = [data.draw(needs()) for _ in range(3)]
    waiting: dict[str, Job] = {}
    for n in range(2_000):
        need = replace(
            dice.choice(kinds),
            price=dice.choice([0, 9, 40, 5_000]),
            min_reputation=dice.choice([0, WAD // 3, WAD]),
            not_owner=f"supplier:{dice.randrange(3)}",
        )
        new = Job(f"job-{n:04}", need, dice.randrange(50), n)
        waiting[new.id] = new
        queue.add(new)
        if dice.random() < 0.6:
            gone = dice.choice(list(waiting))
            assert queue.remove(gone) == waiting.pop(gone)
    order = sorted(waiting.values(), key=queue.place)
    for n in range(20):
        offer = data.draw(offers("one", 1, ranking.window).filter(lambda x: x.slots))
        offer = replace(offer, kind=kinds[n % 3].kind)
        fitting = (each for each in order if not failed(offer, each.need))
        assert next_for(queue, offer) == next(fitting, None)
        for what in queue.suited(offer):
            alike = [each for each in order if each.need.kind == offer.kind]
            alike = [each for each in alike if queue_what(each.need) == what]
            assert alike
            assert suits(offer, alike[0].need)
            price, reputation = dice.choice([0, 10, 5_001]), dice.choice([0, WAD])
            seen: list[Job] = []
            place = None
            while found := queue.following(offer.kind, what, place, price, reputation):
                seen.append(found)
                place = queue.place(found)
            assert seen == [
                each
                for each in alike
                if each.need.price >= price and each.need.min_reputation <= reputation
            ]
    some = dice.choice(order)
    of_kind = [each for each in order if each.need.kind == some.need.kind]
    assert queue.ahead(some) == of_kind.index(some)
    assert queue.first(some.need.kind, 50) == of_kind[:50]


@given(data=st.data())
def test_what_suits_fails_no_filter_of_what_is_needed(data):
    offer = data.draw(offers("one", 1, 20))
    need = data.draw(needs())
    first = next(iter(failed(offer, need, -1)), "price")
    assert suits(offer, need) == (FILTERS.index(first) >= FILTERS.index("price"))


@given(data=st.data())
def test_resource_is_held_against_every_need_that_waits_and_no_other(data):
    """Needs come and go; of those that are left, the ones that suit are found."""
    queue = Queue(ageing=0)
    waiting: dict[str, Need] = {}
    for n in range(data.draw(st.integers(0, 40))):
        need = data.draw(needs())
        queue.add(job(f"job-{n:02}", arrived=n, need=need))
        waiting[f"job-{n:02}"] = need
        if data.draw(st.integers(0, 2)) == 0:
            gone = data.draw(st.sampled_from(sorted(waiting)))
            queue.remove(gone)
            del waiting[gone]
    offer = data.draw(offers("one", 1, 20))
    found = queue.suited(offer)
    assert len(set(found)) == len(found)
    assert set(found) == {
        queue_what(need) for need in waiting.values() if suits(offer, need)
    }
