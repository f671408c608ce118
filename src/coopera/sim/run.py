"""
Running a design: every point of it in as many worlds as asked, on all cores.

Threads take chunks of worlds; a chunk is the same wherever and whenever it runs, so
that the same seed gives the same numbers on one thread or many.
"""

import os
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np

from coopera.errors import Inconsistent, OutOfBounds
from coopera.sim import engine, forget_other_code
from coopera.sim.catalogue import Recorded, catalogue
from coopera.sim.epoch import Economy
from coopera.sim.launch import economy, world_parameters
from coopera.sim.layout import LANES
from coopera.sim.sweep import Point
from coopera.units import AMOUNT_MAX, MICRO

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
"""Quantiles that are kept of every variable and day."""

CHUNK_BLOCKS = 32
"""Blocks of worlds in a chunk of work."""

PILOT_WORLDS = 1024
"""Worlds whose paths set the bins of a streamed run; fewer are not worth streaming."""

BINS = 1024
"""Bins of a streamed variable, on every day."""

PATHS_BYTES_MAX = 1 << 28
"""Largest paths that are kept without being asked for."""

SEED_MAX = 2**63 - 1
RUNS_MAX = 2**31 - 1


class Keep(StrEnum):
    """What is kept of a simulation."""

    PATHS = "paths"
    """Every value of every world and day."""
    QUANTILES = "quantiles"
    """Quantiles, mean and extremes of every day, counted as the worlds go by."""


@dataclass(frozen=True, slots=True)
class Summary:
    """
    What a point's worlds have in common, day by day, in the units of the catalogue.

    Arrays are (variables, days), `quantiles` (variables, days, levels).
    """

    quantiles: np.ndarray
    mean: np.ndarray
    least: np.ndarray
    most: np.ndarray


@dataclass(frozen=True)
class Result:
    """A design that has been run."""

    points: tuple[Point, ...]
    runs: int
    seed: int
    keep: Keep
    variables: tuple[Recorded, ...]
    summaries: tuple[Summary, ...]
    """One a point."""
    paths: tuple[np.ndarray, ...] = ()
    """One a point, (blocks, days, variables, lanes), in kept units; or none."""

    @property
    def days(self) -> int:
        """Days that were simulated."""
        return self.points[0].scenario.simulation.days

    def day(self, place: int) -> int:
        """
        Number a simulated day as the network does, by its place: both count from 1.

        The first day of all is day 1 here, and day 0 in the commands that close it.
        """
        return self.points[0].scenario.start.day + place

    @cached_property
    def index(self) -> dict[str, int]:
        """Place of each variable."""
        return {each.name: i for i, each in enumerate(self.variables)}

    def beyond_the_books(self) -> str | None:
        """Say where an amount is larger than any account could hold, if one is."""
        for point, summary in zip(self.points, self.summaries, strict=True):
            for each, most in zip(self.variables, summary.most, strict=True):
                if each.scale == MICRO and most.max() * MICRO > AMOUNT_MAX:
                    day = self.day(int(most.argmax()) + 1)
                    return (
                        f"{each.name} reaches {most.max():.3g} on day {day} "
                        f"({point.label}); the books would refuse more than "
                        f"{AMOUNT_MAX // MICRO:,}"
                    )
        return None

    def quantiles(self, variable: str, point: int = 0) -> np.ndarray:
        """Quantiles of one variable, (days, levels)."""
        return np.asarray(self.summaries[point].quantiles[self.index[variable]])

    def mean(self, variable: str, point: int = 0) -> np.ndarray:
        """Mean of one variable, by day."""
        return np.asarray(self.summaries[point].mean[self.index[variable]])

    def values(self, variable: str, point: int = 0) -> np.ndarray:
        """All values of one variable, (worlds, days); only where paths were kept."""
        v = self.index[variable]
        blocks = self.paths[point][:, :, v, :].transpose(0, 2, 1)
        worlds = blocks.reshape(-1, blocks.shape[2])[: self.runs]
        return worlds / self.variables[v].scale


def simulate(
    points: Sequence[Point],
    *,
    runs: int,
    seed: int,
    keep: Keep | None = None,
    threads: int | None = None,
    progress: Callable[[int], None] = lambda _: None,
) -> Result:
    """
    Run every point of a design in `runs` worlds, and say how many are done.

    World number n of every point draws the same random numbers, so that points differ
    by their settings and not by their luck. Without `keep`, paths are kept if they fit
    into 256 MiB. Refuses fewer than one run, and a negative or too large seed, with
    `OutOfBounds`; points of different shape with `Inconsistent`.
    """
    if not 1 <= runs <= RUNS_MAX:
        bound = "at least 1" if runs < 1 else f"at most {RUNS_MAX}"
        raise OutOfBounds(f"runs is {runs}; it must be {bound}", ("runs",))
    if not 0 <= seed <= SEED_MAX:
        raise OutOfBounds(
            f"seed is {seed}; it must be between 0 and {SEED_MAX}", ("seed",)
        )
    forget_other_code()
    launches = [_launch(point) for point in points]
    variables = catalogue(points[0].scenario, launches[0][0].rows)
    days = points[0].scenario.simulation.days
    _check_alike(points, variables, launches)
    blocks = -(-runs // LANES)
    size = len(points) * blocks * LANES * days * len(variables) * 8
    keep = keep or (Keep.PATHS if size <= PATHS_BYTES_MAX else Keep.QUANTILES)
    workers = threads or os.cpu_count() or 1
    if keep is Keep.QUANTILES:
        pilot = min(blocks, PILOT_WORLDS // LANES) * LANES * 8
        size = days * len(variables) * (pilot + workers * BINS * 4)
    _check_memory(keep, size)
    with _workers(workers) as pool:
        todo = [
            _Launch(e, parameters, runs, seed, days, variables, pool, progress)
            for e, parameters in launches
        ]
        done: Iterable[tuple[Summary, np.ndarray | None]]
        if runs <= PILOT_WORLDS:
            done = pool.map(lambda launch: launch.few(keep), todo)
        elif keep is Keep.PATHS:
            done = (launch.many() for launch in todo)
        else:
            done = ((launch.streamed(), None) for launch in todo)
        outcomes = []
        for outcome in done:
            outcomes.append(outcome)
            if runs <= PILOT_WORLDS:
                progress(runs)
    summaries, paths = zip(*outcomes, strict=True)
    kept = paths if keep is Keep.PATHS else ()
    return Result(tuple(points), runs, seed, keep, variables, summaries, kept)


@contextmanager
def _workers(count: int) -> Iterator[ThreadPoolExecutor]:
    """Lend threads; an interruption drops what they have not begun."""
    pool = ThreadPoolExecutor(count)
    try:
        yield pool
    finally:
        pool.shutdown(cancel_futures=True)


def _launch(point: Point) -> tuple[Economy, np.ndarray]:
    return economy(point.scenario), world_parameters(point.scenario)


def _check_alike(
    points: Sequence[Point],
    variables: tuple[Recorded, ...],
    launches: list[tuple[Economy, np.ndarray]],
) -> None:
    names = [each.name for each in variables]
    for point, (e, _) in zip(points, launches, strict=True):
        others = [each.name for each in catalogue(point.scenario, e.rows)]
        if (
            others != names
            or point.scenario.simulation.days != points[0].scenario.simulation.days
        ):
            raise Inconsistent(
                "the points of a design must have the same days, services, supplier "
                "kinds and projects; run them apart and compare"
            )


def _check_memory(keep: Keep, size: int) -> None:
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    if size > 0.7 * memory:
        what, remedy = (
            ("full paths", "keep quantiles, or run fewer worlds")
            if keep is Keep.PATHS
            else ("quantiles", "simulate fewer days")
        )
        raise OutOfBounds(
            f"{what} would take {size / 2**30:.1f} GiB and this machine has "
            f"{memory / 2**30:.1f}; {remedy}",
            ("runs",),
        )


@dataclass(frozen=True)
class _Launch:
    """One point on its way through the engine."""

    economy: Economy
    parameters: np.ndarray
    runs: int
    seed: int
    days: int
    variables: tuple[Recorded, ...]
    pool: ThreadPoolExecutor
    progress: Callable[[int], None]

    @cached_property
    def kept(self) -> np.ndarray:
        return np.array([each.row for each in self.variables], np.int64)

    def few(self, keep: Keep) -> tuple[Summary, np.ndarray | None]:
        """Run all worlds on one thread; the others have other points of a design."""
        paths = self.empty(self.runs)
        self.run_paths(0, paths)
        summary = _summary_of_paths(paths, self.runs, self.variables, map)
        return summary, paths if keep is Keep.PATHS else None

    def many(self) -> tuple[Summary, np.ndarray]:
        """Run all worlds on all threads, and keep their paths."""
        paths = self.empty(self.runs)

        def chunk(start: int) -> int:
            part = paths[start : start + CHUNK_BLOCKS]
            self.run_paths(start * LANES, part)
            return int(min(self.runs - start * LANES, part.shape[0] * LANES))

        for done in self.pool.map(chunk, range(0, paths.shape[0], CHUNK_BLOCKS)):
            self.progress(done)
        return _summary_of_paths(paths, self.runs, self.variables, self.pool.map), paths

    def empty(self, worlds: int) -> np.ndarray:
        """Make room for the paths of some worlds, (blocks, days, variables, lanes)."""
        return np.empty((-(-worlds // LANES), self.days, len(self.variables), LANES))

    def run_paths(self, first: int, paths: np.ndarray) -> None:
        """Run as many worlds from the first as the paths have room for."""
        engine.run_paths(
            self.economy,
            self.parameters,
            self.seed,
            first,
            self.runs - 1,
            self.kept,
            paths,
        )

    def streamed(self) -> Summary:
        """Run all worlds and keep only counts, in bins that a few worlds set."""
        pilot = self.empty(PILOT_WORLDS)
        self.run_paths(0, pilot)
        low, per_bin = bins_of(pilot)
        chunk_worlds = CHUNK_BLOCKS * LANES
        counts: list[np.ndarray] = []
        free: list[np.ndarray] = []

        def chunk(first: int) -> tuple[int, np.ndarray]:
            # As many tables as threads: whoever is done leaves its own to the next.
            if free:
                table = free.pop()
            else:
                table = np.zeros((self.days, len(self.variables), BINS), np.int32)
                counts.append(table)
            moments = np.empty((self.days, len(self.variables), 3))
            moments[:] = (0.0, np.inf, -np.inf)
            count = min(chunk_worlds, self.runs - first)
            engine.run_counts(
                self.economy,
                self.parameters,
                self.seed,
                first,
                count,
                self.kept,
                low,
                per_bin,
                table,
                moments,
            )
            free.append(table)
            return count, moments

        total = np.zeros((self.days, len(self.variables)))
        least, most = np.full_like(total, np.inf), np.full_like(total, -np.inf)
        for done, moments in self.pool.map(chunk, range(0, self.runs, chunk_worlds)):
            # In the order of the chunks: the sum does not depend on the threads.
            total += moments[:, :, 0]
            least = np.minimum(least, moments[:, :, 1])
            most = np.maximum(most, moments[:, :, 2])
            self.progress(done)
        quantiles = _quantiles_of_counts(
            np.sum(counts, axis=0), low, per_bin, least, most
        )
        scale = np.array([each.scale for each in self.variables])
        return Summary(
            quantiles=(quantiles / scale[:, None]).transpose(1, 0, 2),
            mean=(total / self.runs / scale).T,
            least=(least / scale).T,
            most=(most / scale).T,
        )


def bins_of(pilot: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """
    Lay out bins for what pilot paths show, (days, variables): lower edge, bins a unit.

    Half the pilot's range more, so that what it did not see has bins of its own.
    """
    least, most = pilot.min(axis=(0, 3)), pilot.max(axis=(0, 3))
    spread = np.maximum(most - least, 1e-9 * np.abs(most) + 1e-12)
    return least - spread / 4, BINS / (1.5 * spread)


def _summary_of_paths(
    paths: np.ndarray,
    runs: int,
    variables: tuple[Recorded, ...],
    map_: Callable[..., Iterable[tuple[np.ndarray, ...]]],
) -> Summary:
    blocks, days, _, lanes = paths.shape
    places = np.array(LEVELS) * (runs - 1)
    below = np.floor(places).astype(int)
    above = np.minimum(below + 1, runs - 1)
    part = places - below
    free: list[np.ndarray] = []

    def one(v: int) -> tuple[np.ndarray, ...]:
        # Sorted in place, in a buffer that threads hand on: fresh memory costs more
        # than the sorting.
        worlds = free.pop() if free else np.empty((days, blocks * lanes))
        worlds.reshape(days, blocks, lanes)[:] = paths[:, :, v, :].transpose(1, 0, 2)
        known = worlds[:, :runs]
        known.sort(axis=1)
        quantiles = known[:, below] * (1 - part) + known[:, above] * part
        figures = quantiles, known.mean(axis=1), known[:, 0], known[:, -1]
        scaled = tuple(each / variables[v].scale for each in figures)
        free.append(worlds)
        return scaled

    columns = zip(*map_(one, range(len(variables))), strict=True)
    return Summary(*(np.stack(column) for column in columns))


def _quantiles_of_counts(
    counts: np.ndarray,
    low: np.ndarray,
    per_bin: np.ndarray,
    least: np.ndarray,
    most: np.ndarray,
) -> np.ndarray:
    """
    Read quantiles off counted bins, (days, variables, levels).

    Interpolates inside a bin, so that the error is under one bin: 1.5 / 1024 of the
    range of the pilot worlds. The first and last bin end at the extremes seen.
    """
    below = np.cumsum(counts, axis=2, dtype=np.int64)
    worlds = below[..., -1:]
    quantiles = []
    for level in LEVELS:
        rank = level * worlds
        bin_ = np.argmax(below >= rank, axis=2)[..., None]
        inside = np.take_along_axis(counts, bin_, 2)
        before = np.take_along_axis(below, bin_, 2) - inside
        part = ((rank - before) / np.maximum(inside, 1))[..., 0]
        left = low + bin_[..., 0] / per_bin
        right = left + 1 / per_bin
        left = np.maximum(left, least)
        right = np.maximum(np.minimum(right, most), left)
        quantiles.append(left + part * (right - left))
    clipped = np.clip(np.stack(quantiles, axis=2), least[..., None], most[..., None])
    return np.asarray(clipped)
