"""
Whatever is added, claimed, finished and removed: the index finds the rule's winner.

Blocks of a few rows split and merge all the time, and words outnumber the columns.
"""

from contextlib import suppress
from dataclasses import replace

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
)
from tests.service.scheduler.histories import (
    CODED,
    check_structure,
    coded,
    columns,
    needs,
    offers,
)

from coopera.errors import Busy
from coopera.service.scheduler.index import Index
from coopera.service.scheduler.needs import Lane, Ranking
from coopera.service.scheduler.reference import Reference

lanes = st.sampled_from(Lane)
at_work = st.sampled_from([0, 0, 0, 1, 5])
"""Jobs in hand; more than there are slots, where these have become fewer."""
rankings = st.builds(
    Ranking,
    st.sampled_from([1, 2, 20, 64, 65, 1024]),
    st.sampled_from([0, 1, 1024]),
    st.sampled_from([0, 1, 1024]),
)


class Histories(RuleBasedStateMachine):
    def __init__(self):
        super().__init__()
        self.serial = 0
        self.ids: list[str] = []

    def new_offer(self, data):
        # Serial numbers and ids are in no order of each other, nor of time.
        self.serial += 1
        serial = self.serial * 7919 % 10_007
        return data.draw(
            offers(f"gpu-{serial * 31 % 1009}-{serial}", serial, self.ranking.window)
        )

    def one(self, data):
        return data.draw(st.sampled_from(sorted(self.reference.offers)))

    @initialize(
        data=st.data(),
        ranking=rankings,
        block_size=st.sampled_from([2, 3, 8, 64, 512]),
        count=st.sampled_from([0, 1, 5, 40]),
        wide=st.booleans(),
    )
    def open(self, data, ranking, block_size, count, wide):
        self.ranking = ranking
        many = [self.new_offer(data) for _ in range(count)]
        if wide:
            # More words than there are columns, so that the next ones share.
            pattern = self.new_offer(data)
            for n in range(60):
                self.serial += 1
                many.append(
                    replace(
                        pattern,
                        id=f"wide-{n}",
                        serial=self.serial * 7919 % 10_007,
                        device=f"device-{n + 20}",
                        region=f"region-{n + 10}",
                        models=(f"model-{n + 30}", f"model-{n}"),
                    )
                )
        busy = {each.id: data.draw(at_work) for each in many}
        self.reference = Reference(ranking)
        for each in many:
            self.reference.add(each, busy[each.id])
        table = columns(many) | {"busy": [busy[each.id] for each in many]}
        if data.draw(st.booleans()):
            table["outcomes"] = [
                self.reference.offer(each.id).outcomes for each in many
            ]
            if data.draw(st.booleans()):
                table |= {name: coded(table[name]) for name in CODED}
            self.index = Index.build(table, ranking, block_size=block_size)
        elif all(each.outcomes is None for each in many):
            self.index = Index.build(table, ranking, block_size=block_size)
        else:
            self.index = Index(ranking, block_size=block_size)
            for each in many:
                self.index.add(each, busy[each.id])

    @rule(data=st.data(), count=st.integers(1, 6))
    def add(self, data, count):
        for _ in range(count):
            offer, busy = self.new_offer(data), data.draw(at_work)
            self.index.add(offer, busy)
            self.reference.add(offer, busy)

    @precondition(lambda self: self.reference.offers)
    @rule(data=st.data(), count=st.integers(1, 6))
    def remove(self, data, count):
        for _ in range(min(count, len(self.reference.offers))):
            id_ = self.one(data)
            self.index.remove(id_)
            self.reference.remove(id_)

    @precondition(lambda self: self.reference.offers)
    @rule(data=st.data())
    def change(self, data):
        known = self.reference.offer(self.one(data))
        offer = data.draw(offers(known.id, known.serial, self.ranking.window))
        self.index.change(offer)
        self.reference.change(offer)

    @precondition(lambda self: self.reference.offers)
    @rule(data=st.data())
    def claim(self, data):
        id_ = self.one(data)
        with suppress(Busy):
            self.reference.claim(id_)
            self.index.claim(id_)
        assert self.index.standing(id_)[0] == self.reference.busy[id_]

    @precondition(lambda self: any(self.reference.busy.values()))
    @rule(data=st.data())
    def free(self, data):
        id_ = data.draw(st.sampled_from(self.at_work()))
        self.index.free(id_)
        self.reference.free(id_)

    @precondition(lambda self: any(self.reference.busy.values()))
    @rule(data=st.data())
    def finish(self, data):
        id_ = data.draw(st.sampled_from(self.at_work()))
        validated = data.draw(st.booleans())
        assert self.index.finish(id_, validated=validated) == self.reference.finish(
            id_, validated=validated
        )

    @precondition(lambda self: self.reference.offers)
    @rule(data=st.data(), outcomes=st.lists(st.booleans(), max_size=30))
    def record(self, data, outcomes):
        id_ = self.one(data)
        for each in outcomes:
            assert self.index.record(id_, validated=each) == self.reference.record(
                id_, validated=each
            )

    @precondition(lambda self: any(self.reference.busy.values()))
    @rule(data=st.data())
    def finish_many(self, data):
        done = [(id_, data.draw(st.booleans())) for id_ in self.at_work()]
        assert self.index.finish_many(done) == [
            self.reference.finish(id_, validated=validated) for id_, validated in done
        ]

    @rule(data=st.data(), lane=lanes, claiming=st.booleans())
    def match_many(self, data, lane, claiming):
        many = data.draw(st.lists(needs(self.some_ids()), max_size=5))
        winners = []
        for need in many:
            winners.append(self.reference.match(need, lane))
            if claiming and winners[-1] is not None:
                self.reference.claim(winners[-1])
        assert self.index.match_many(many, lane, claiming=claiming) == winners

    @rule(data=st.data(), lane=lanes)
    def match(self, data, lane):
        need = data.draw(needs(self.some_ids()))
        assert self.index.match(need, lane) == self.reference.match(need, lane)
        assert self.index.why(need, lane) == self.reference.why(need, lane)
        if self.reference.offers:
            id_ = self.one(data)
            assert self.index.ahead(id_, need, lane) == self.reference.ahead(
                id_, need, lane
            )
            assert self.index.failed(id_, need, lane) == self.reference.failed(
                id_, need, lane
            )

    def at_work(self):
        return sorted(id_ for id_, busy in self.reference.busy.items() if busy)

    def some_ids(self):
        return [*sorted(self.reference.offers)[:20], "nobody"]

    @invariant()
    def structure_holds(self):
        if hasattr(self, "index"):
            check_structure(self.index)
            assert len(self.index) == len(self.reference.offers)

    @invariant()
    def who_is_not_offered_is_not_free(self):
        if hasattr(self, "index"):
            assert not self.index.is_free("nobody")
            assert not self.reference.is_free("nobody")

    @invariant()
    def offers_are_the_same(self):
        if hasattr(self, "index"):
            for id_, offer in self.reference.offers.items():
                assert self.index.offer(id_) == offer
                assert self.index.standing(id_) == self.reference.standing(id_)
                assert self.index.is_free(id_) is self.reference.is_free(id_)
                row = self.index._rows[id_]
                rank = self.index._columns.rows[row]["rank"]
                assert rank == self.ranking.rank(offer)


Histories.TestCase.settings = settings(max_examples=40, stateful_step_count=25)
TestHistories = Histories.TestCase
