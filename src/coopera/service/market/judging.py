"""
Work that is delivered, and who says whether it is right.

Whatever was delivered waits for the beacon's next link, and all that waits is drawn for
by it at once. Verdicts become an outcome as soon as nobody has anything left to say.
"""

import logging
from collections.abc import Callable
from functools import partial
from heapq import heappop, heappush
from typing import Final, Protocol, TypeVar, final

from coopera.errors import Refusal
from coopera.params import Params
from coopera.protocol.books import CURRENT
from coopera.protocol.orders import (
    SECOND,
    Audit,
    Beacon,
    Job,
    Link,
    first_link,
    task_name,
    task_place,
)
from coopera.protocol.state import PreState
from coopera.protocol.validation import (
    ConcludeAudit,
    DrawValidators,
    OpenBeacon,
    PostCanary,
    RevealCanary,
    RevealLink,
)
from coopera.units import WAD

LINK_SECONDS: Final = 1
"""Least time between two links: what is delivered meanwhile shares one."""
RETRY_SECONDS: Final = 10
"""Time until something that did not go is tried again."""
CANARIES_MAX: Final = 9
"""Most canaries for one piece of work, however many governance asks for."""

T = TypeVar("T")
log = logging.getLogger(__name__)


class Links(Protocol):
    """Where the beacon's links come from."""

    def after(self, beacon: Beacon) -> str | None:
        """Return the link that comes next, in hexadecimal, if it is known."""
        ...

    def successor(self, beacon: Beacon | None) -> str | None:
        """Return the anchor of a chain to announce, if it is time for one."""
        ...


class Canaries(Protocol):
    """Work whose outcome is known, to be slipped in."""

    def recall(self, posted: Callable[[str], bool]) -> None:
        """Offer again what was handed out and never posted."""
        ...

    def next(self) -> PostCanary | None:
        """Hand out another one, if there is one."""
        ...

    def outcome(self, job: str) -> tuple[bool, str] | None:
        """Return what the outcome had to be and its salt, for one of these."""
        ...


@final
class Judging:
    """Work that waits for a panel, and panels that are awaited."""

    def __init__(
        self,
        links: Links | None,
        canaries: Canaries | None,
        random: Callable[[], float],
    ) -> None:
        self._links, self._canaries, self._random = links, canaries, random

    def load(self, state: PreState, params: Params) -> None:
        """Start anew."""
        self._params = params
        self._undrawn: dict[str, int] = {}
        """Tasks without a panel, with the link after which they are drawn for."""
        self._fresh: dict[str, None] = {}
        """Tasks whose link may be there already."""
        self._linkless: dict[str, None] = {}
        """Tasks that wait for a link."""
        self._awaited: dict[str, Audit] = {}
        """Audits whose panel is at work."""
        self._ready: dict[str, None] = {}
        """Audits to look at: somebody spoke, or a time is over."""
        self._times: list[tuple[int, str]] = []
        """When to look at what again."""
        self._not_before: dict[str, int] = {}
        """When to try again what was refused."""
        self._canaries_due = 0
        self._linked_at = 0
        self._beacon_changed = True
        if self._canaries is not None:
            posted = self._canaries.recall
            self._asks(
                "canaries",
                lambda: posted(lambda job: state.record(Job, job) is not None),
            )

    def delivered(self, state: PreState, job: Job, index: int) -> None:
        """Take in delivered work as it stands now."""
        name = task_name(job.id, index)
        audit = state.record(Audit, name)
        if audit is None or audit.over:
            self._awaited.pop(name, None)
            self._waits(name, job.tasks[index].beacon, state.now())
        elif not audit.panel:
            self._awaited.pop(name, None)
            self._waits(name, audit.beacon, state.now())
        else:
            if self._undrawn.pop(name, None) is not None and not job.canary:
                self._canaries_due += self._for_one_more()
            self._awaited[name] = audit
            self._ready[name] = None

    def leaves(self, name: str) -> None:
        """Forget work that is not to be judged, or not any more."""
        self._undrawn.pop(name, None)
        self._awaited.pop(name, None)
        self._not_before.pop(name, None)

    def beacon_changed(self) -> None:
        """Note that there is another link, or chain."""
        self._beacon_changed = True
        self._fresh |= self._linkless
        self._linkless = {}

    def follow(self, state: PreState) -> list[object]:
        """List what is to be done now, all of it."""
        now = state.now()
        while self._times and self._times[0][0] <= now:
            _, name = heappop(self._times)
            self._fresh[name] = self._ready[name] = None
        return [
            *self._conclusions(state, now),
            *self._draws(state, now),
            *self._next_links(state, now),
            *self._next_canaries(),
        ]

    def refused(self, command: object, refusal: Exception, now: int) -> None:
        """Try again in a while."""
        if isinstance(command, RevealLink | OpenBeacon):
            log.warning("the beacon does not go on: %s", refusal)
            self._beacon_changed = True
            self._wait(CURRENT, now)
        elif isinstance(command, ConcludeAudit | DrawValidators):
            self._wait(task_name(command.job, command.task), now)
        elif isinstance(command, RevealCanary):
            log.warning("canary %s cannot be revealed: %s", command.id, refusal)
            self._wait(task_name(command.id, 0), now)
        else:
            log.warning("a canary is not posted: %s", refusal)

    def _waits(self, name: str, after: int, now: int) -> None:
        """Let a task wait for a link after another."""
        before = self._undrawn.get(name)
        self._undrawn[name] = after
        if before is None:
            self._fresh[name] = None
        elif before != after:
            # It was drawn for in vain. Others may come; no links are spent on it soon.
            self._wait(name, now)

    def _wait(self, name: str, now: int) -> None:
        self._not_before[name] = now + RETRY_SECONDS * SECOND
        heappush(self._times, (self._not_before[name], name))

    def _may(self, name: str, now: int) -> bool:
        """Tell whether something was not refused just now."""
        return self._not_before.get(name, 0) <= now

    def _conclusions(self, state: PreState, now: int) -> list[object]:
        """Conclude where nobody has anything left to say."""
        commands: list[object] = []
        ready, self._ready = self._ready, {}
        for name in ready:
            audit = self._awaited.get(name)
            if audit is None or not self._may(name, now):
                continue
            if not audit.has_spoken(now):
                over = audit.commit_by if now < audit.commit_by else audit.reveal_by
                heappush(self._times, (over, name))
                continue
            job_name, index = task_place(name)
            job = state.record(Job, job_name)
            if job is None or not job.canary:
                commands.append(ConcludeAudit(job_name, index))
                continue
            known = self._canary(job_name)
            if known is None:
                self._wait(name, now)
            else:
                commands.append(RevealCanary(job_name, *known))
        return commands

    def _canary(self, job: str) -> tuple[bool, str] | None:
        canaries = self._canaries
        if canaries is None:
            return None
        return self._asks("canaries", lambda: canaries.outcome(job))

    def _draws(self, state: PreState, now: int) -> list[DrawValidators]:
        """Draw for all whose link is there."""
        fresh, self._fresh = self._fresh, {}
        drawn: list[DrawValidators] = []
        for name in fresh:
            after = self._undrawn.get(name)
            if after is None or not self._may(name, now):
                continue
            if first_link(partial(state.record, Link), after) is not None:
                drawn.append(DrawValidators(*task_place(name)))
            else:
                self._linkless[name] = None
        return drawn

    def _next_links(self, state: PreState, now: int) -> list[object]:
        """Reveal a link if somebody waits for it, and announce chains in time."""
        links = self._links
        if links is None or not self._may(CURRENT, now):
            return []
        beacon = state.record(Beacon, CURRENT)
        commands: list[object] = []
        if self._beacon_changed:
            self._beacon_changed = False
            anchor = self._asks("links", lambda: links.successor(beacon))
            if anchor is not None:
                commands.append(OpenBeacon(anchor))
        waiting = any(name in self._undrawn for name in self._linkless)
        if (
            beacon is not None
            and waiting
            and not commands
            and now - self._linked_at >= LINK_SECONDS * SECOND
        ):
            link = self._asks("links", lambda: links.after(beacon))
            if link is None:
                log.warning("there is no next link: work waits for a panel")
                self._wait(CURRENT, now)
            else:
                self._linked_at = now
                commands.append(RevealLink(link))
        return commands

    def _next_canaries(self) -> list[PostCanary]:
        canaries, due = self._canaries, self._canaries_due
        self._canaries_due = 0
        posted: list[PostCanary] = []
        while canaries is not None and len(posted) < due:
            another = self._asks("canaries", canaries.next)
            if another is None:
                log.warning("%d canaries are missing; prepare more", due - len(posted))
                break
            posted.append(another)
        return posted

    def _for_one_more(self) -> int:
        """
        Draw how many canaries go with one more piece of work.

        A part z of all that is looked at is z / (1 - z) of the rest.
        """
        z = self._params.validation.canary_rate
        # {1} = {1} / ({1} - {1})
        most = CANARIES_MAX if z >= WAD else min(z / (WAD - z), CANARIES_MAX)
        return int(most) + (self._random() < most - int(most))

    @staticmethod
    def _asks(what: str, question: Callable[[], T]) -> T | None:
        """Ask for links or canaries; where they cannot be had, work goes on."""
        try:
            return question()
        except (OSError, Refusal) as failure:
            log.warning("no %s can be had: %s", what, failure)
            return None
