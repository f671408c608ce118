"""One streamed simulation in a process of its own."""

import json
import resource
import sys
from pathlib import Path

from benchmarks.economy import SEED, read_paper
from benchmarks.measuring import taken

from coopera.sim.run import Keep, simulate
from coopera.sim.sweep import Point


def main(worlds: int) -> None:
    """Run, and print what it took."""
    point = Point({}, read_paper().scenario)
    simulate([point], runs=1, seed=SEED, keep=Keep.QUANTILES)  # loads the kernels
    time = taken(lambda: simulate([point], runs=worlds, seed=SEED, keep=Keep.QUANTILES))
    print(json.dumps({"wall": time.wall, "cpu": time.cpu, "peak_mib": peak_mib()}))


def peak_mib() -> float:
    """Most memory that this process has had."""
    status = Path("/proc/self/status")
    if status.exists():
        # Not getrusage: on Linux it starts at what the parent had.
        for line in status.read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 2**10
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


if __name__ == "__main__":
    main(int(sys.argv[1]))
