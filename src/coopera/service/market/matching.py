"""
Tasks that wait, and the resources that they get.

New tasks and freed resources compete in one order: whoever could be served now, the
task that stands first gets the best resource that it can have.

What waited before could be served by nobody who was free. So only tasks are looked at
that are new, or need what a freed resource has: those take turns.
"""

from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from heapq import heappop, heappush
from typing import Final, final

from coopera.params import Params
from coopera.protocol.jobs import MatchTask
from coopera.protocol.orders import SECOND, Job, task_place
from coopera.protocol.state import PreState
from coopera.protocol.supply import Resource, Track
from coopera.service.market.reading import (
    Activity,
    Load,
    is_offered,
    offer_of,
    waiting_of,
)
from coopera.service.scheduler import queue
from coopera.service.scheduler.needs import Lane, Need
from coopera.service.scheduler.queue import Place, Queue, What
from coopera.store import Store
from coopera.units import WAD

WAITING_PER_CONSUMER: Final = 1_000
"""Tasks of one consumer that stand in the queue; its others follow as these leave."""
TRIED_MAX: Final = 8_192
"""Tasks that a resource is looked for at once, found or not: a tenth of a second."""
CAUGHT_UP_MAX: Final = 8
"""Outcomes that an offer is told one by one; of more, it is made anew."""


@dataclass(slots=True)
class _Turn:
    """Tasks that need the same, and resources that were freed and have that."""

    kind: str
    what: What
    free: list[str]
    """Resources; some of them may be taken by now."""
    price: int
    """The least that any of them asks."""
    reputation: int
    """The best of any of them."""


@final
class Matching:
    """The offers and the queue, held equal to the books."""

    def __init__(self, load: Load, random: Callable[[], float]) -> None:
        self._load, self._random = load, random

    def load(self, store: Store, state: PreState, params: Params) -> None:
        """Start from the offers that the books hold. Raises `StoreFailed`."""
        self._params = params
        self._day = state.economy().day
        self._activity = Activity()
        self.offers = self._load(store, params, self._day, self._activity)
        self.queue = Queue(params.market.waiting_usd_per_hour)
        self.held_back: dict[str, dict[str, queue.Job]] = {}
        """Tasks that are not in the queue yet, by whom they are for."""
        self._standing: Counter[str] = Counter()
        """Tasks in the queue, by whom they are for."""
        self._changed: dict[str, bool] = {}
        """Resources to look at, and whether at what they say of themselves."""
        self._heap: list[tuple[Place, int, _Turn | None]] = []
        """Places of tasks, and whose turn it is, where they are not new."""
        self._turns = 0

    @property
    def busy(self) -> bool:
        """Tell whether there may be more to match at once."""
        return bool(self._heap)

    def look_at(self, resource: str, *, described: bool) -> None:
        """Note that a resource has changed: what it says of itself, or its record."""
        self._changed[resource] = described or self._changed.get(resource, False)

    def waits(self, job: Job, index: int) -> bool:
        """Let a task wait, as it stands now: whether it did not before."""
        waiting = waiting_of(job, index)
        whose = waiting.need.not_owner
        behind = self.held_back.get(whose, {})
        known = False
        if waiting.id in self.queue:
            if self.queue.job(waiting.id) == waiting:
                return False
            known = True
            self.leaves(waiting.id, whose)
        elif waiting.id in behind:
            behind[waiting.id] = waiting
            return False
        if self._has_room(whose) and not behind:
            self._admit(waiting)
        else:
            self.held_back.setdefault(whose, {})[waiting.id] = waiting
        return not known

    def leaves(self, name: str, whose: str) -> None:
        """Take a task out that does not wait, if it did."""
        if name in self.queue:
            self.queue.remove(name)
            self._standing[whose] -= 1
            self._refill(whose)
        elif whose in self.held_back:
            self.held_back[whose].pop(name, None)
            if not self.held_back[whose]:
                del self.held_back[whose]

    def follow(self, state: PreState, most: int) -> list[MatchTask]:
        """Match what can be matched now, so many tasks at most."""
        self._catch_up(state)
        matched: list[MatchTask] = []
        tried = 0
        while self._heap and len(matched) < most and tried < TRIED_MAX:
            tried += 1
            place, _, turn = heappop(self._heap)
            if turn is not None and not self._goes_on(turn):
                continue
            name = place[2]
            if name in self.queue:
                need = self.queue.job(name).need
                late = self.is_late(state, name)
                winner = None if late else self._winner(need)
                if winner is not None:
                    self.offers.claim(winner)
                    matched.append(MatchTask(*task_place(name), winner))
                if late or winner is not None:
                    self.leaves(name, need.not_owner)
            if turn is not None:
                self._next_of(turn, place)
        return matched

    def holds_back(self, name: str) -> bool:
        """Tell whether a task waits for room in the queue."""
        return any(name in behind for behind in self.held_back.values())

    def refused(self, command: MatchTask) -> None:
        """Look at a resource again; its task is left out until its job changes."""
        self.look_at(command.resource, described=True)

    def _catch_up(self, state: PreState) -> None:
        """Look at what has changed, and at who has fallen dormant."""
        day = state.economy().day
        if day != self._day:
            self._day = day
            for id_ in self._activity.before(day - self._params.market.dormant_days):
                self.look_at(id_, described=True)
        changed, self._changed = self._changed, {}
        for id_, described in changed.items():
            self._renew(state, id_, described=described)
        if len(self.queue):
            self._give_turns([id_ for id_ in changed if self.offers.is_free(id_)])

    def _renew(self, state: PreState, id_: str, *, described: bool) -> None:
        """Hold an offer equal to its resource."""
        resource, track = state.record(Resource, id_), state.record(Track, id_)
        if (
            resource is None
            or track is None
            or not is_offered(self._params, self._day, resource, track)
        ):
            if id_ in self.offers:
                self.offers.remove(id_)
            return
        self._activity.note(id_, track.active_day)
        offer = offer_of(resource, track, self.offers.ranking)
        if id_ in self.offers:
            if described:
                self.offers.change(offer)
            if self._follows(track, resource.can.slots):
                return
            self.offers.remove(id_)
        self.offers.add(offer, track.busy)

    def _follows(self, track: Track, slots: int) -> bool:
        """Tell an offer the jobs since, by the difference: whether that was enough."""
        busy, total = self.offers.standing(track.id)
        done, taken = track.total - total, track.busy - busy
        few = 0 <= done <= min(len(track.outcomes), CAUGHT_UP_MAX)
        if not few or (taken > 0 and track.busy > slots):
            return False
        for outcome in track.outcomes[len(track.outcomes) - done :]:
            self.offers.record(track.id, validated=outcome == "1")
        for _ in range(taken):
            self.offers.claim(track.id)
        for _ in range(-taken):
            self.offers.free(track.id)
        return True

    def _give_turns(self, freed: Sequence[str]) -> None:
        """Let tasks take turns that need what resources have that were freed."""
        turns: dict[tuple[str, What], _Turn] = {}
        known: dict[tuple[object, ...], list[What]] = {}
        for id_ in freed:
            offer = self.offers.offer(id_)
            alike = (
                *(offer.kind, offer.device, offer.count, offer.memory_gib),
                *(offer.region, offer.latency_ms, offer.models),
            )
            if alike not in known:
                known[alike] = self.queue.suited(offer)
            reputation = self.offers.ranking.reputation(offer)
            for what in known[alike]:
                turn = turns.get((offer.kind, what))
                if turn is None:
                    turn = turns[offer.kind, what] = _Turn(
                        offer.kind, what, [], offer.price, reputation
                    )
                turn.free.append(id_)
                turn.price = min(turn.price, offer.price)
                turn.reputation = max(turn.reputation, reputation)
        for turn in turns.values():
            self._next_of(turn, None)

    def _goes_on(self, turn: "_Turn") -> bool:
        """Tell whether any of the resources of a turn is free still."""
        while turn.free and not self.offers.is_free(turn.free[-1]):
            turn.free.pop()
        return bool(turn.free)

    def _next_of(self, turn: "_Turn", place: Place | None) -> None:
        """Let the next task take its turn, after one that had it."""
        found = self.queue.following(
            turn.kind, turn.what, place, turn.price, turn.reputation
        )
        if found is not None:
            self._push(self.queue.place(found), turn)

    def _push(self, place: Place, turn: "_Turn | None") -> None:
        self._turns += 1
        heappush(self._heap, (place, self._turns, turn))

    def _winner(self, need: Need) -> str | None:
        """Find who gets a task; now and then a newcomer, if there is one."""
        rate = self._params.market.exploration_rate
        if rate and self._random() * WAD < rate:
            newcomer = self.offers.match(need, Lane.EXPLORATION)
            if newcomer is not None:
                return newcomer
        return self.offers.match(need)

    def is_late(self, state: PreState, name: str) -> bool:
        """Tell whether there is no time left to accept a task."""
        job = state.record(Job, task_place(name)[0])
        leaves = state.now() + self._params.market.accept_seconds * SECOND
        return job is None or job.deadline <= leaves

    def _has_room(self, whose: str) -> bool:
        return self._standing[whose] < WAITING_PER_CONSUMER

    def _admit(self, waiting: queue.Job) -> None:
        self.queue.add(waiting)
        self._standing[waiting.need.not_owner] += 1
        self._push(self.queue.place(waiting), None)

    def _refill(self, whose: str) -> None:
        """Let tasks into the queue that were held back, as far as there is room."""
        behind = self.held_back.get(whose)
        if behind is None:
            if not self._standing[whose]:
                del self._standing[whose]
            return
        while behind and self._has_room(whose):
            self._admit(behind.pop(next(iter(behind))))
        if not behind:
            del self.held_back[whose]
