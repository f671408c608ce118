"""
The same economy in C, compiled for this machine at bench time.

What a launch of the simulator runs on (`economy`, `world_parameters`) is written into a
header, so that the C compiler knows every count and price; it gets the same threads and
chunks as the simulator.
"""

import ctypes
import os
import shlex
import shutil
import subprocess
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
from benchmarks.economy import Paper

from coopera.params.chapters import (
    BondDemand,
    BuybackBase,
    DollarReserveReading,
    PhaseTransition,
    PriceImpact,
    SlashDestination,
    SupplyBasis,
)
from coopera.sim import layout
from coopera.sim.engine import TOGETHER
from coopera.sim.epoch import Economy, code
from coopera.sim.scenario import SentimentModel

SOURCE = Path(__file__).with_name("economy.c")
BLOCKED = 64
"""Lanes of the blocked program: the fastest of 32, 64, 128 and 256."""
FLAGS = (
    "-std=gnu11",
    "-O3",
    "-march=native",
    # What the simulator's compiler may assume too, and no more.
    "-ffp-contract=fast",
    "-ffinite-math-only",
    "-fno-signed-zeros",
    "-fno-math-errno",
    "-fno-trapping-math",
    "-fopenmp-simd",
    "-fPIC",
    "-shared",
)


class NoCompiler(RuntimeError):
    """There is nothing to compile C with, or it does not compile."""


@dataclass(frozen=True)
class Program:
    """The compiled program, for one number of lanes."""

    paper: Paper
    lanes: int
    library: ctypes.CDLL

    @cached_property
    def kept(self) -> np.ndarray:
        """Rows of the variables of the catalogue."""
        return self.paper.kept // layout.LANES

    @property
    def _point(self) -> ctypes.c_void_p:
        return _at(self.paper.parameters)

    def run_paths(self, first: int, paths: np.ndarray) -> None:
        """Fill (blocks, days, variables, lanes) with worlds from `first` on."""
        blocks, days, keeps, lanes = paths.shape
        assert (days, keeps, lanes) == (self.paper.days, len(self.kept), self.lanes)
        self.library.run_paths(
            self._point,
            ctypes.c_uint64(self.paper.seed),
            ctypes.c_int64(first),
            ctypes.c_int64(self.paper.runs - 1),
            ctypes.c_int64(blocks),
            _at(self.kept),
            ctypes.c_int64(keeps),
            _at(paths),
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
        """Count the values of `count` worlds in bins, as the engine does."""
        self.library.run_counts(
            self._point,
            ctypes.c_uint64(self.paper.seed),
            ctypes.c_int64(first),
            ctypes.c_int64(count),
            _at(self.kept),
            ctypes.c_int64(len(self.kept)),
            _at(low),
            _at(per_bin),
            ctypes.c_int64(counts.shape[2]),
            _at(counts),
            _at(moments),
        )

    def normals(self, worlds: int) -> np.ndarray:
        """Give the normals of the first worlds, (worlds, days, services + 1)."""
        services = self.paper.economy.services
        normals = np.empty((worlds, self.paper.days, services + 1), np.float32)
        self.library.keep_normals(
            ctypes.c_uint64(self.paper.seed),
            ctypes.c_int64(0),
            ctypes.c_int64(worlds),
            _at(normals),
        )
        return normals

    def time_normals(self, rounds: int) -> None:
        """Draw the normals of one block and day over and over, in the cache."""
        self.library.time_normals(ctypes.c_int64(rounds))

    def fill(self, memory: np.ndarray, *, around_cache: bool = False) -> bool:
        """Fill memory, if wanted around the cache; say whether that can be done."""
        store = self.library.fill_around_cache if around_cache else self.library.fill
        return bool(store(_at(memory), ctypes.c_int64(memory.size), ctypes.c_double(1)))


def compiler() -> list[str]:
    """Find the system's C compiler: $CC, or cc, gcc or clang."""
    named = shlex.split(os.environ.get("CC", ""))
    for command in (named, ["cc"], ["gcc"], ["clang"]):
        if command and shutil.which(command[0]):
            return command
    raise NoCompiler(
        "there is no C compiler here (cc, gcc or clang, or name one in CC)"
    )


def build(
    paper: Paper, lanes: int, folder: Path, flags: tuple[str, ...] = ()
) -> Program:
    """Compile the program for one number of lanes. Refuses with `NoCompiler`."""
    home = folder / f"lanes-{lanes}"
    home.mkdir(exist_ok=True)
    # As many worlds together as in the simulator.
    together = TOGETHER * layout.LANES // lanes if lanes == BLOCKED else 1
    (home / "economy.h").write_text(header(paper, together))
    library = home / "economy.so"
    command = (*compiler(), *FLAGS, *flags, f"-DLANES={lanes}", f"-I{home}")
    done = subprocess.run(  # noqa: S603 - the system's compiler, on our source
        [*command, str(SOURCE), "-o", str(library), "-lm"],
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise NoCompiler(f"{command[0]} does not compile it: {done.stderr.strip()}")
    program = Program(paper, lanes, ctypes.CDLL(str(library)))
    program.library.time_normals.restype = ctypes.c_float
    return program


def header(paper: Paper, together: int = TOGETHER) -> str:
    """Write what the C program has to know of a launch."""
    e = paper.economy
    _check_fixed(e)
    names = {
        name: value // layout.LANES
        for name, value in vars(layout).items()
        if isinstance(value, int) and name.isupper() and not name.endswith("ROWS")
        if name != "LANES"
    }
    names |= {
        name.upper(): offset // layout.LANES
        for name, offset in e.rows._asdict().items()
        if name != "end"
    }
    names |= {
        "ROWS": e.rows.end // layout.LANES,
        "PARAMETERS": layout.PARAMETER_ROWS,
        "DAYS": paper.days,
        "TOGETHER": together,
        "SERVICES": e.services,
        "KINDS": e.kinds,
        "PHASE1_MAX_DAYS": e.phase1_max_days,
        "ONBOARDING_WINDOW_DAYS": e.onboarding_window_days,
    }
    arrays = {
        "JOB_PRICES": e.job_prices,
        "SHARES": e.shares,
        "TARGETS": e.targets[0],
        "SLOTS": e.slots[0],
        "VESTING": e.vesting,
        "DEMAND_MEAN": e.demand_mean,
        "DEMAND_NOISE": e.demand_noise,
        "SENTIMENT_SHOCK": e.sentiment_shock,
        "START": e.start,
        "SUPPLIER_COST": e.supplier_cost,
        "ENTRY_RATE_MAX": e.entry_rate_max,
        "EXIT_RATE_MAX": e.exit_rate_max,
    }
    lines = [f"    {name} = {value}," for name, value in names.items()]
    lines = ["enum {", *lines, "};"]
    for name, values in arrays.items():
        shape = "".join(f"[{size}]" for size in np.shape(values))
        lines.append(f"static const double {name}{shape} = {_literal(values)};")
    return "\n".join(lines) + "\n"


def _check_fixed(e: Economy) -> None:
    fixed = {
        "projects": 1,
        "pools": 1,
        "first_day": 0,
        "phase_transition": code(PhaseTransition.TIME),
        "price_impact": code(PriceImpact.PREMIUM),
        "buyback_base": code(BuybackBase.NET),
        "dollar_reserve_reading": code(DollarReserveReading.CORRECTED),
        "supply_basis": code(SupplyBasis.CIRCULATING_AND_LOCKED),
        "bond_demand": code(BondDemand.NET),
        "slash_destination": code(SlashDestination.RESERVE),
        "sentiment_model": code(SentimentModel.MEAN_REVERTING),
    }
    for name, value in fixed.items():
        assert getattr(e, name) == value, f"economy.c fixes {name} at {value}"
    assert not e.correlation.size, "economy.c draws independent noise"
    assert not e.taken.any(), "economy.c has one project"


def _literal(values: np.ndarray) -> str:
    if np.ndim(values) == 0:
        return float(values).hex()
    return "{" + ", ".join(_literal(each) for each in values) + "}"


def _at(array: np.ndarray) -> ctypes.c_void_p:
    assert array.flags.c_contiguous
    return array.ctypes.data_as(ctypes.c_void_p)
