"""The parts of the benchmark, each a table."""

import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from statistics import median

import numpy as np
from benchmarks import economy, native, peer
from benchmarks.agreement import check_native, check_peer
from benchmarks.economy import Paper, in_chunks
from benchmarks.measuring import (
    THREADS,
    Table,
    Taken,
    command_taken,
    in_turns,
    say,
    taken,
)
from benchmarks.native import BLOCKED, Program

from coopera.sim.run import BINS, CHUNK_BLOCKS, Keep, simulate
from coopera.sim.sweep import Point

MILLION = 1e6


@dataclass(frozen=True)
class Sizes:
    """How much is run."""

    worlds: int = 100_000
    many_worlds: int = 1_000_000
    rounds: int = 7
    few_rounds: int = 3
    peer_runs: tuple[int, ...] = (20, 100)
    against_peer_kept: int = 4_000
    """As many as `simulate` keeps the paths of, unasked."""
    against_peer_counted: int = 20_000
    checked_worlds: int = 2048
    checked_peer_worlds: int = 8


QUICK = Sizes(
    worlds=20_000,
    many_worlds=100_000,
    rounds=3,
    few_rounds=1,
    peer_runs=(20,),
    checked_worlds=256,
    checked_peer_worlds=2,
)


# against C


def against_c(paper: Paper, sizes: Sizes) -> Table:
    """Our compiled loop against the same economy in C, blocked and plain."""
    with tempfile.TemporaryDirectory() as folder:
        programs: dict[str, Paper | Program] = {
            "coopera": paper,
            "C, blocked": native.build(paper, BLOCKED, Path(folder)),
            "C, plain": native.build(paper, 1, Path(folder)),
        }
        said = [
            check_native(paper, each, sizes.checked_worlds)
            for each in programs.values()
            if isinstance(each, Program)
        ]
        for line in said:
            say(line)
        table = Table(
            f"Against C, {THREADS} threads, {len(paper.kept)} variables kept",
            ("", "worlds", "M sd/s", "M sd/CPU-s", "of C, blocked", "of C, plain"),
            notes=said,
        )
        few = {"C, plain"}
        for worlds, rounds, skipped in (
            (sizes.worlds, sizes.rounds, set[str]()),
            (sizes.many_worlds, sizes.few_rounds, few),
        ):
            chosen = {k: v for k, v in programs.items() if k not in skipped}
            if worlds == sizes.worlds:
                _compare(
                    table, "full paths", worlds, paper.days, in_turns(
                        "full paths",
                        {k: _paths_work(v, worlds) for k, v in chosen.items()},
                        rounds,
                    )
                )  # fmt: skip
            _compare(
                table, "counted", worlds, paper.days, in_turns(
                    f"counted, {worlds:,} worlds",
                    {k: _counts_work(v, worlds) for k, v in chosen.items()},
                    rounds,
                )
            )  # fmt: skip
        return table


def _compare(
    table: Table, what: str, worlds: int, days: int, times: dict[str, Taken]
) -> None:
    work = worlds * days / MILLION
    for name, time in times.items():
        shares = [
            times[other].cpu / time.cpu if other in times else ""
            for other in ("C, blocked", "C, plain")
        ]
        table.add(f"{what}, {name}", worlds, work / time.wall, work / time.cpu, *shares)


def _paths_work(program: Paper | Program, worlds: int) -> Callable[[], None]:
    """Run chunks of worlds, each thread into a buffer of its own, used again."""
    paper = program if isinstance(program, Paper) else program.paper
    shape = (paper.days, len(paper.kept), program.lanes)
    free: list[np.ndarray] = []

    def chunk(first: int, count: int) -> None:
        blocks = CHUNK_BLOCKS * paper.lanes // program.lanes
        buffer = free.pop() if free else np.empty((blocks, *shape))
        program.run_paths(first, buffer[: -(-count // program.lanes)])
        free.append(buffer)

    return lambda: in_chunks(THREADS, worlds, chunk)


def _counts_work(program: Paper | Program, worlds: int) -> Callable[[], None]:
    """Count chunks of worlds, each thread into a table of its own, used again."""
    paper = program if isinstance(program, Paper) else program.paper
    low, per_bin = paper.bins
    free: list[np.ndarray] = []

    def chunk(first: int, count: int) -> None:
        shape = (paper.days, len(paper.kept), BINS)
        table = free.pop() if free else np.zeros(shape, np.int32)
        moments = np.empty((*shape[:2], 3))
        moments[:] = (0.0, np.inf, -np.inf)
        program.run_counts(first, count, low, per_bin, table, moments)
        free.append(table)

    return lambda: in_chunks(THREADS, worlds, chunk)


# the whole of simulate


def whole(paper: Paper, sizes: Sizes) -> Table:
    """`simulate` itself, with everything around the loop."""
    table = Table(
        f"simulate, end to end, {THREADS} threads",
        ("", "worlds", "wall s", "CPU s", "M sd/s"),
    )
    point = Point({}, paper.scenario)
    for keep, worlds, rounds in (
        (Keep.PATHS, 1_000, sizes.rounds),
        (Keep.PATHS, _fitting(paper, sizes.worlds), sizes.few_rounds),
        (Keep.QUANTILES, sizes.worlds, sizes.rounds),
        (Keep.QUANTILES, sizes.many_worlds, sizes.few_rounds),
    ):

        def work(keep: Keep = keep, worlds: int = worlds) -> None:
            simulate([point], runs=worlds, seed=economy.SEED, keep=keep)

        name = f"keep {keep}"
        time = in_turns(f"{name}, {worlds:,} worlds", {name: work}, rounds)[name]
        rate = worlds * paper.days / MILLION / time.wall
        table.add(name, worlds, time.wall, time.cpu, rate)
    return table


def _fitting(paper: Paper, worlds: int) -> int:
    """Worlds whose paths take no more than two fifths of the memory."""
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    return min(worlds, int(0.4 * memory / (paper.days * len(paper.kept) * 8)))


# against radCAD


def against_radcad(paper: Paper, sizes: Sizes) -> Table:
    """The same economy in radCAD, on the same normals."""
    table = Table(
        f"Against radCAD (one process; coopera: {THREADS} threads)",
        (
            *("", "runs", "radCAD sd/s", "coopera, same runs", "x"),
            *("coopera, many", "x, wall", "x, CPU"),
        ),
    )
    with peer.prepared(paper, max(sizes.peer_runs)) as command:
        said = check_peer(paper, command, sizes.checked_peer_worlds)
        say(said)
        table.notes.append(said)
        point = Point({}, paper.scenario)
        ours: dict[tuple[str, int], list[Taken]] = {}
        theirs: dict[tuple[str, int, bool], list[Taken]] = {}
        for number in range(sizes.few_rounds):
            say(f"radCAD: round {number + 1} of {sizes.few_rounds}")
            jobs = [
                {"runs": runs, "deepcopy": deepcopy}
                for runs in sizes.peer_runs
                for deepcopy in (True, False)
            ]
            for job in peer.measure(command, jobs):
                key = (job["runs"], job["deepcopy"])
                theirs.setdefault(("paths", *key), []).append(
                    Taken(job["wall"], job["cpu"])
                )
                theirs.setdefault(("quantiles", *key), []).append(
                    Taken(job["wall_quantiles"], job["cpu_quantiles"])
                )
            most = {
                Keep.PATHS: sizes.against_peer_kept,
                Keep.QUANTILES: sizes.against_peer_counted,
            }
            for keep in Keep:
                for runs in (*sizes.peer_runs, most[keep]):

                    def work(runs: int = runs, keep: Keep = keep) -> None:
                        simulate([point], runs=runs, seed=economy.SEED, keep=keep)

                    # Once for the memory, which a host may have to bring back first.
                    work()
                    ours.setdefault((str(keep), runs), []).append(taken(work))
        _peer_rows(table, paper.days, ours, theirs)
    return table


def _peer_rows(
    table: Table,
    days: int,
    ours: dict[tuple[str, int], list[Taken]],
    theirs: dict[tuple[str, int, bool], list[Taken]],
) -> None:
    """Add a row for each mode and size of radCAD, with ours beside it."""

    def rate(runs: int, times: list[Taken]) -> float:
        return runs * days / median(each.wall for each in times)

    def rate_cpu(runs: int, times: list[Taken]) -> float:
        return runs * days / median(each.cpu for each in times)

    for mode, runs, deepcopy in sorted(theirs):
        many = max(n for kept, n in ours if kept == mode)
        its = theirs[mode, runs, deepcopy]
        same, most = ours[mode, runs], ours[mode, many]
        table.add(
            f"{mode}, deepcopy {'on' if deepcopy else 'off'}",
            runs,
            rate(runs, its),
            rate(runs, same),
            rate(runs, same) / rate(runs, its),
            rate(many, most),
            rate(many, most) / rate(runs, its),
            rate_cpu(many, most) / rate_cpu(runs, its),
        )
    many_worlds = {mode: max(n for kept, n in ours if kept == mode) for mode in Keep}
    table.notes.append(
        "many: "
        + ", ".join(f"{n:,} worlds ({mode})" for mode, n in many_worlds.items())
    )


# limits of the machine


def limits(paper: Paper, sizes: Sizes) -> Table:
    """What the machine could do at most, and how much of it the loop reaches."""
    normals = paper.economy.services + 1
    size = len(paper.kept) * 8
    table = Table(
        f"Limits of this machine, {THREADS} threads: the loop that keeps paths "
        f"({normals} normals and {size} bytes a scenario-day)",
        ("", "unit", "limit", "M sd/s at the limit", "share reached"),
    )
    with tempfile.TemporaryDirectory() as folder:
        c = native.build(paper, BLOCKED, Path(folder))
        check_native(paper, c, sizes.checked_worlds)
        reps = 100_000
        memory = [np.zeros(2**24) for _ in range(THREADS)]
        filled = sum(each.nbytes for each in memory)
        works: dict[str, Callable[[], object]] = {
            "paths": _paths_work(paper, sizes.worlds),
            "step": _steps_work(paper, sizes.worlds),
            "normals": lambda: _on_threads(lambda _: paper.time_normals(reps)),
            "normals in C": lambda: _on_threads(lambda _: c.time_normals(reps)),
            "stores": lambda: _on_threads(lambda i: c.fill(memory[i])),
            "stores around": lambda: _on_threads(
                lambda i: c.fill(memory[i], around_cache=True)
            ),
        }
        if not c.fill(memory[0][:8], around_cache=True):
            del works["stores around"]
        times = in_turns("limits", works, sizes.rounds)
    reached = sizes.worlds * paper.days / times["paths"].wall

    def row(name: str, unit: str, rate: float, each: float) -> None:
        limit = rate / each / MILLION
        table.add(name, unit, rate / 1e9, limit, reached / MILLION / limit)

    for name, label, lanes in (
        ("normals", "normals, coopera's loop", paper.lanes),
        ("normals in C", "normals, C", BLOCKED),
    ):
        drawn = THREADS * reps * lanes * normals
        row(label, "G/s", drawn / times[name].wall, normals)
    for name, label in (
        ("stores", "ordinary stores"),
        ("stores around", "stores around the cache"),
    ):
        if name in times:
            row(label, "GB/s", filled / times[name].wall, size)
    step = sizes.worlds * paper.days / times["step"].wall
    table.add("the day alone, nothing kept", "", "", step / MILLION, reached / step)
    table.notes.append(f"reached: {reached / MILLION:.1f} M sd/s")
    return table


def _on_threads(work: Callable[[int], object]) -> None:
    in_chunks(THREADS, THREADS, lambda first, _: work(first), step=1)


def _steps_work(paper: Paper, worlds: int) -> Callable[[], None]:
    """Run chunks of worlds and keep nothing."""
    nothing = paper.keeping(())

    def chunk(first: int, count: int) -> None:
        blocks = -(-count // paper.lanes)
        nothing.run_paths(first, np.empty((blocks, paper.days, 0, paper.lanes)))

    return lambda: in_chunks(THREADS, worlds, chunk)


# size


def scale(paper: Paper, sizes: Sizes) -> Table:
    """Streamed quantiles of ever more worlds, each in a process of its own."""
    table = Table(
        f"Streamed quantiles, {paper.days} days, a process each, {THREADS} threads",
        ("", "worlds", "wall s", "CPU s", "peak MiB", "M sd/s", "wall us a world"),
    )
    counts = [sizes.many_worlds // 100, sizes.many_worlds // 10, sizes.many_worlds]
    rows = {worlds: list[dict[str, float]]() for worlds in counts}
    for number in range(sizes.few_rounds):
        for worlds in counts:
            say(f"scale: round {number + 1} of {sizes.few_rounds}, {worlds:,} worlds")
            done = subprocess.run(  # noqa: S603 - our own module
                [sys.executable, "-m", "benchmarks.child", str(worlds)],
                capture_output=True,
                text=True,
                check=True,
            )
            rows[worlds].append(json.loads(done.stdout))
    medians = {
        worlds: {key: median(each[key] for each in done) for key in done[0]}
        for worlds, done in rows.items()
    }
    for worlds, row in medians.items():
        table.add(
            "simulate",
            worlds,
            row["wall"],
            row["cpu"],
            row["peak_mib"],
            worlds * paper.days / row["wall"] / MILLION,
            row["wall"] / worlds * MILLION,
        )
    table.notes.append(
        "wall and CPU seconds of simulate, kernels compiled; peak of the whole process"
    )
    return table


# commands


def commands(_paper: Paper, sizes: Sizes) -> Table:
    """The command line: what a user waits for."""
    table = Table("Commands", ("", "compile cache", "wall s", "CPU s"))
    script = Path(sys.executable).with_name("coopera")
    if not script.exists():
        table.notes.append(f"there is no command {script.name} here; not measured")
        return table
    for arguments in (["--help"], ["simulate", "paper", "--runs", "1000"]):
        for cache in ("warm", "empty"):
            runs: list[Taken] = []
            try:
                for number in range(sizes.few_rounds + 1):
                    say(f"coopera {' '.join(arguments)}, {cache} cache: run {number}")
                    runs.append(_command(script, arguments, empty=cache == "empty"))
            except subprocess.CalledProcessError as error:
                last = (error.stderr.decode().strip().splitlines() or ["nothing"])[-1]
                table.notes.append(
                    f"coopera {' '.join(arguments)} failed, not measured: {last}"
                )
                break
            # The first run warms the cache and the disk.
            wall = median(each.wall for each in runs[1:])
            cpu = median(each.cpu for each in runs[1:])
            table.add(f"coopera {' '.join(arguments)}", cache, wall, cpu)
    return table


def _command(script: Path, arguments: list[str], *, empty: bool) -> Taken:
    with tempfile.TemporaryDirectory() as folder:
        out = ["--out", f"{folder}/out"] if arguments[0] == "simulate" else []
        environment = {"NUMBA_CACHE_DIR": f"{folder}/cache"} if empty else {}
        return command_taken([str(script), *arguments, *out], environment)


PARTS: dict[str, Callable[[Paper, Sizes], Table]] = {
    "c": against_c,
    "simulate": whole,
    "radcad": against_radcad,
    "limits": limits,
    "scale": scale,
    "commands": commands,
}
