"""Timing: alternatives take turns, and the median of the rounds counts."""

import os
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

THREADS = len(os.sched_getaffinity(0))


@dataclass(frozen=True, slots=True)
class Taken:
    """Seconds that something took."""

    wall: float
    cpu: float


@dataclass
class Table:
    """Figures, as they are printed and written."""

    title: str
    columns: tuple[str, ...]
    rows: list[tuple[str | float, ...]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def add(self, *values: str | float) -> None:
        """Add a row."""
        assert len(values) == len(self.columns)
        self.rows.append(values)

    def __str__(self) -> str:
        """Lay the table out in plain text."""
        shown = [self.columns, *([_shown(x) for x in row] for row in self.rows)]
        widths = [max(len(row[i]) for row in shown) for i in range(len(self.columns))]
        lines = [
            "  ".join(
                text.rjust(width) if i else text.ljust(width)
                for i, (text, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
            for row in shown
        ]
        return "\n".join(["", self.title, "", *lines, *self.notes])


def say(text: str) -> None:
    """Tell how far we are."""
    print(text, file=sys.stderr, flush=True)


def taken(work: Callable[[], object]) -> Taken:
    """Time some work in this process, all threads together."""
    wall, cpu = time.perf_counter(), time.process_time()
    work()
    return Taken(time.perf_counter() - wall, time.process_time() - cpu)


def in_turns(
    what: str, works: Mapping[str, Callable[[], object]], rounds: int
) -> dict[str, Taken]:
    """Give the median of every alternative; they take turns, after one warm-up."""
    for work in works.values():
        work()
    runs: dict[str, list[Taken]] = {name: [] for name in works}
    for number in range(rounds):
        say(f"{what}: round {number + 1} of {rounds}")
        for name, work in works.items():
            runs[name].append(taken(work))
    return {name: median(each) for name, each in runs.items()}


def median(runs: list[Taken]) -> Taken:
    """Take the median of wall time and of CPU time."""
    return Taken(
        statistics.median(each.wall for each in runs),
        statistics.median(each.cpu for each in runs),
    )


def command_taken(
    command: list[str], environment: Mapping[str, str] | None = None
) -> Taken:
    """Time a command; CPU seconds are those of its process and of those it starts."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    wall = time.perf_counter()
    subprocess.run(  # noqa: S603 - our own command
        command,
        check=True,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        env={**os.environ, **(environment or {})},
    )
    wall = time.perf_counter() - wall
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime - before.ru_utime + after.ru_stime - before.ru_stime
    return Taken(wall, cpu)


def _shown(value: str | float) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, int):
        return f"{value:,}"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 10 else 3  # noqa: PLR2004
    return f"{value:,.{digits}f}"
