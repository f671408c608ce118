"""What every benchmark runs: the paper preset, and every variable that it keeps."""

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
from numba import njit

from coopera.params.document import preset
from coopera.sim import engine
from coopera.sim.catalogue import Recorded, catalogue
from coopera.sim.epoch import Economy
from coopera.sim.launch import economy, world_parameters
from coopera.sim.layout import LANES
from coopera.sim.random import draw_normals, start_streams
from coopera.sim.run import CHUNK_BLOCKS, PILOT_WORLDS, bins_of
from coopera.sim.scenario import Scenario, read_scenario

SEED = 7


@dataclass(frozen=True)
class Paper:
    """The paper preset, ready to run."""

    scenario: Scenario
    economy: Economy
    parameters: np.ndarray
    variables: tuple[Recorded, ...]
    runs: int = 2**40
    """Worlds that could be asked for; no more than a bound."""
    seed: int = SEED

    @property
    def days(self) -> int:
        """Days of a world."""
        return self.scenario.simulation.days

    @cached_property
    def kept(self) -> np.ndarray:
        """Offsets of the rows of every variable of the catalogue."""
        return np.array([each.row for each in self.variables], np.int64)

    @cached_property
    def bins(self) -> tuple[np.ndarray, np.ndarray]:
        """Lower edge of the first bin and bins in a unit, set as `simulate` does."""
        pilot = np.empty((PILOT_WORLDS // LANES, self.days, len(self.kept), LANES))
        self.run_paths(0, pilot)
        return bins_of(pilot)

    @property
    def lanes(self) -> int:
        """Worlds in a block."""
        return LANES

    def run_paths(self, first: int, paths: np.ndarray) -> None:
        """Fill (blocks, days, variables, lanes) with worlds from `first` on."""
        engine.run_paths(
            self.economy,
            self.parameters,
            self.seed,
            first,
            self.runs - 1,
            self.kept,
            paths,
        )

    def run_counts(
        self,
        first: int,
        count: int,
        low: np.ndarray,
        per_bin: np.ndarray,
        counts: np.ndarray,
        moments: np.ndarray,
    ) -> None:
        """Count the values of `count` worlds in bins."""
        engine.run_counts(
            self.economy,
            self.parameters,
            self.seed,
            first,
            count,
            self.kept,
            low,
            per_bin,
            counts,
            moments,
        )

    def keeping(self, variables: tuple[Recorded, ...]) -> "Paper":
        """Keep other variables."""
        return replace(self, variables=variables)

    def time_normals(self, rounds: int) -> None:
        """Draw the normals of one block and day over and over, in the cache."""
        _draw_normals(rounds, self.economy.services + 1)

    def normals(self, worlds: int) -> np.ndarray:
        """Give the normals of the first worlds, (worlds, days, services + 1)."""
        rows = self.economy.services + 1
        normals = np.empty((-(-worlds // LANES), self.days, rows, LANES), np.float32)
        _keep_normals(self.seed, normals)
        return np.ascontiguousarray(
            normals.transpose(0, 3, 1, 2).reshape(-1, self.days, rows)[:worlds]
        )


def read_paper() -> Paper:
    """Read the paper preset."""
    scenario = read_scenario(preset("paper").tables)
    launch = economy(scenario)
    parameters = world_parameters(scenario)
    return Paper(scenario, launch, parameters, catalogue(scenario, launch.rows))


def in_chunks(
    threads: int,
    worlds: int,
    work: Callable[[int, int], object],
    step: int = CHUNK_BLOCKS * LANES,
) -> None:
    """Hand out the chunks of worlds that `simulate` hands out: first world, count."""
    with ThreadPoolExecutor(threads) as pool:
        chunks = range(0, worlds, step)
        list(pool.map(lambda first: work(first, min(step, worlds - first)), chunks))


@njit(nogil=True)
def _keep_normals(seed: int, normals: np.ndarray) -> None:
    blocks, days, rows, lanes = normals.shape
    streams = np.empty(4 * lanes, np.uint32)
    z = np.empty(rows * lanes, np.float32)
    for b in range(blocks):
        for j in range(lanes):
            start_streams(streams, seed, b * lanes + j, j)
        for day in range(days):
            draw_normals(streams, z, rows)
            normals[b, day] = z.reshape(rows, lanes)


@njit(nogil=True)
def _draw_normals(rounds: int, rows: int) -> None:
    streams = np.empty(4 * LANES, np.uint32)
    z = np.empty(rows * LANES, np.float32)
    for j in range(LANES):
        start_streams(streams, 1, j, j)
    for _ in range(rounds):
        draw_normals(streams, z, rows)
