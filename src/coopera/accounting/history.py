"""What the books saw on the last days: jobs by project and pipeline, and sentiment."""

import json
from collections import defaultdict
from itertools import pairwise
from typing import Any, Final

import msgspec

from coopera.protocol.orders import Job, JobStage, TaskStage
from coopera.protocol.records import NAMES
from coopera.sim.observed import DaySeen, Sold
from coopera.store.sql import SqlStore

CLOSES: Final = """
    SELECT id, kind, command FROM receipts
    WHERE kind IN ('close_day', 'close_epoch') AND id <= ? ORDER BY id DESC LIMIT ?"""
OVER: Final = """
    SELECT body FROM records
    WHERE receipt > ? AND receipt < ? AND kind = ? AND body LIKE ?"""


def days_seen(store: SqlStore, head: int, window: int) -> tuple[DaySeen, ...]:
    """
    Read the last closed days up to a receipt, as many as the window has, latest last.

    A job counts on the day on which it was settled, or was called off: with what was
    paid of it, or else as failed if somebody's work had. Jobs of members that are only
    counted stand in the command that closed their day.
    """
    rows = store.read(CLOSES, head, window + 1)[::-1]
    if len(rows) <= window:
        rows.insert(0, (0, "", ""))
    return tuple(
        _day(store, before, receipt, json.loads(command))
        for (before, _, _), (receipt, _, command) in pairwise(rows)
    )


def _day(store: SqlStore, before: int, close: int, command: Any) -> DaySeen:
    sold: defaultdict[tuple[str, str], Sold] = defaultdict(Sold)
    for sale in command.get("sales", ()):
        place = sale["project"], sale["pipeline"]
        worth = sale["jobs"] * sale["job_price"]
        sold[place] += Sold(sale["jobs"], sale["failed"], worth)
    for stage in (JobStage.SETTLED, JobStage.REFUNDED):
        # Few versions of a job are its last; the others need not be read.
        mark = f'%"stage":"{stage.value}"%'
        for (body,) in store.read(OVER, before, close, NAMES[Job], mark):
            job = msgspec.json.decode(body, type=Job)
            if job.consumer and job.stage is stage:
                sold[job.project, job.pipeline] += _sold(job)
    return DaySeen(command["day"], command["sentiment"], dict(sold))


def _sold(job: Job) -> Sold:
    """Count a job that is over; one that nobody took is no demand that was met."""
    if job.stage is JobStage.SETTLED:
        return Sold(1, 0, job.price)
    done = [each.price for each in job.tasks if each.stage is TaskStage.VALIDATED]
    if done:
        return Sold(1, 0, sum(done))
    failed = any(each.failed for each in job.tasks)
    return Sold(1, 1, job.price) if failed else Sold()
