"""
The rule of the scheduler, written to be read: every index must find the same winner.

An offer is eligible if it passes every filter; the eligible offer with the greatest key
of the lane wins, and among equal ones the smallest serial number.
"""

from collections.abc import Collection
from dataclasses import replace
from typing import Final, final

from coopera.errors import AlreadyExists, Busy, UnknownRecord
from coopera.service.scheduler.needs import (
    FILTERS,
    Lane,
    Need,
    Offer,
    Ranking,
    Why,
    history,
)


def suits(offer: Offer, need: Need) -> bool:
    """Tell whether a resource is of the kind that is needed, at whatever price."""
    return (
        offer.kind == need.kind
        and (not need.devices or offer.device in need.devices)
        and offer.count >= need.count
        and offer.memory_gib >= need.memory_gib
        and (not need.regions or offer.region in need.regions)
        and (need.latency_ms == 0 or offer.latency_ms <= need.latency_ms)
        and (not need.model or need.model in offer.models)
    )


def failed(
    offer: Offer,
    need: Need,
    busy: int = 0,
    ranking: Ranking = Ranking(),  # noqa: B008 - frozen
    lane: Lane = Lane.REPUTATION,
) -> tuple[str, ...]:
    """
    List the filters that keep an offer from a need, in the order of `FILTERS`.

    `busy` is the number of jobs that the resource does now.
    """
    passed = (
        offer.kind == need.kind,
        not need.devices or offer.device in need.devices,
        offer.count >= need.count,
        offer.memory_gib >= need.memory_gib,
        not need.regions or offer.region in need.regions,
        need.latency_ms == 0 or offer.latency_ms <= need.latency_ms,
        not need.model or need.model in offer.models,
        offer.price <= need.price,
        ranking.reputation(offer) >= need.min_reputation,
        offer.id not in need.excluded,
        not need.not_owner or offer.owner != need.not_owner,
        busy < offer.slots,
        lane is Lane.REPUTATION or ranking.newcomer(offer),
    )
    return tuple(name for name, ok in zip(FILTERS, passed, strict=True) if not ok)


@final
class Reference:
    """Offers in a dictionary; a match looks at all of them."""

    def __init__(
        self,
        ranking: Ranking = Ranking(),  # noqa: B008 - frozen
        offers: Collection[Offer] = (),
    ) -> None:
        self.ranking: Final = ranking
        self.offers: dict[str, Offer] = {}
        self.busy: dict[str, int] = {}
        for offer in offers:
            self.add(offer)

    def __len__(self) -> int:
        """Count the offers."""
        return len(self.offers)

    def __contains__(self, id_: object) -> bool:
        """Tell whether a resource is offered."""
        return id_ in self.offers

    def add(self, offer: Offer, busy: int = 0) -> None:
        """Take in an offer that does some jobs. Refuses with `AlreadyExists`."""
        assert offer.completed <= self.ranking.window, offer
        if offer.id in self.offers:
            raise AlreadyExists(f"{offer.id!r} is offered already; change it instead")
        self.offers[offer.id] = replace(offer, outcomes=history(offer))
        self.busy[offer.id] = busy

    def remove(self, id_: str) -> None:
        """Let go of an offer, and of the jobs it does. Refuses with `UnknownRecord`."""
        self.offer(id_)
        del self.offers[id_], self.busy[id_]

    def change(self, offer: Offer) -> None:
        """
        Replace what a resource says of itself; its jobs, done and in hand, stay.

        Refuses with `UnknownRecord`.
        """
        known = self.offer(offer.id)
        assert offer.serial == known.serial, (offer, known)
        self.offers[offer.id] = replace(
            offer,
            validated=known.validated,
            completed=known.completed,
            total=known.total,
            outcomes=known.outcomes,
        )

    def offer(self, id_: str) -> Offer:
        """Give an offer as it stands. Refuses with `UnknownRecord`."""
        if id_ not in self.offers:
            raise UnknownRecord(f"nothing is offered as {id_!r}")
        return self.offers[id_]

    def standing(self, id_: str) -> tuple[int, int]:
        """
        Count the jobs that a resource does, and those that it ever did.

        Refuses with `UnknownRecord`.
        """
        total = self.offer(id_).total
        return self.busy[id_], total

    def is_free(self, id_: str) -> bool:
        """Tell whether a resource is offered, and has a slot left."""
        return id_ in self.offers and self.busy[id_] < self.offers[id_].slots

    def claim(self, id_: str) -> None:
        """Take a slot. Refuses with `UnknownRecord`, or `Busy` if none is free."""
        offer = self.offer(id_)
        if self.busy[id_] >= offer.slots:
            raise Busy(
                f"{id_!r} has {offer.slots} slots and does {self.busy[id_]} jobs; "
                "claim another resource"
            )
        self.busy[id_] += 1

    def free(self, id_: str) -> None:
        """Give a slot back, with no outcome. Refuses with `UnknownRecord`."""
        self.offer(id_)
        assert self.busy[id_] > 0, f"{id_!r} does no job"
        self.busy[id_] -= 1

    def record(self, id_: str, *, validated: bool) -> int:
        """
        Record how a job went whose slot was given back before; return the new rank.

        Refuses with `UnknownRecord`.
        """
        offer = self.offer(id_)
        window = self.ranking.window
        outcomes = (history(offer) << 1 | validated) & ((1 << window) - 1)
        offer = replace(
            offer,
            validated=outcomes.bit_count(),
            completed=min(offer.completed + 1, window),
            total=offer.total + 1,
            outcomes=outcomes,
        )
        self.offers[id_] = offer
        return self.ranking.rank(offer)

    def finish(self, id_: str, *, validated: bool) -> int:
        """
        Give a slot back, and record how its job went; return the new rank.

        Refuses with `UnknownRecord`.
        """
        self.free(id_)
        return self.record(id_, validated=validated)

    def match(self, need: Need, lane: Lane = Lane.REPUTATION) -> str | None:
        """Find the best offer that a need can have."""
        best = min(self._eligible(need, lane), default=None)
        return best[2] if best else None

    def ahead(self, id_: str, need: Need, lane: Lane = Lane.REPUTATION) -> int:
        """Count the offers that would get the job before this one."""
        offer = self.offer(id_)
        mine = (-self.ranking.key(offer, lane), offer.serial)
        return sum(each[:2] < mine for each in self._eligible(need, lane))

    def why(self, need: Need, lane: Lane = Lane.REPUTATION) -> Why:
        """Say how many offers pass the filters, one after another, and but for one."""
        return why(self.offers.values(), need, self.busy, self.ranking, lane)

    def failed(
        self, id_: str, need: Need, lane: Lane = Lane.REPUTATION
    ) -> tuple[str, ...]:
        """List the filters that keep an offer from a need, in order."""
        offer = self.offer(id_)
        return failed(offer, need, self.busy[id_], self.ranking, lane)

    def _eligible(self, need: Need, lane: Lane) -> list[tuple[int, int, str]]:
        return [
            (-self.ranking.key(offer, lane), offer.serial, offer.id)
            for offer in self.offers.values()
            if not failed(offer, need, self.busy[offer.id], self.ranking, lane)
        ]


def why(
    offers: Collection[Offer],
    need: Need,
    busy: dict[str, int] | None = None,
    ranking: Ranking = Ranking(),  # noqa: B008 - frozen
    lane: Lane = Lane.REPUTATION,
) -> Why:
    """
    Say how many offers pass the filters, one after another, and but for one.

    >>> h100 = Offer("a", 1, "supplier:x", "gpu", "h100", 1, 80, "eu", 9, ("m",), 5, 1)
    >>> said = why([h100], Need("gpu", ("h100",), model="n", price=4))
    >>> said.left["latency_ms"], said.left["model"], said.matches, said.remedies
    (1, 0, 0, ())
    >>> why([h100], Need("gpu", price=4)).remedies
    ('price',)
    """
    failures = [
        failed(offer, need, (busy or {}).get(offer.id, 0), ranking, lane)
        for offer in offers
    ]
    return Why(
        offers=len(failures),
        left={
            name: sum(not each or FILTERS.index(each[0]) > at for each in failures)
            for at, name in enumerate(FILTERS)
        },
        without={
            name: sum(each in ((), (name,)) for each in failures) for name in FILTERS
        },
    )
