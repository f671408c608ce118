"""
Measure everything that is fast: `make bench`, or `python -m benchmarks`.

Progress goes to stderr, tables to stdout. Nothing here asserts a time; a program that
does not compute what the simulator computes is refused, and its part prints no figure.
"""

import argparse
import json
import platform
import sys
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks import (
    books,
    claims,
    matching,
    parts,
    royalties,
    sharing,
    trading,
    valuation,
)
from benchmarks.agreement import Disagreement
from benchmarks.economy import read_paper
from benchmarks.measuring import THREADS, Table, say
from benchmarks.native import NoCompiler
from benchmarks.peer import NoPeer

SIZED = (books, matching, trading, valuation, royalties, claims, sharing)
"""Modules of parts that are measured at their own sizes."""

PARTS = (*parts.PARTS, *(name for each in SIZED for name in each.PARTS))


def main() -> int:
    """Run the parts that were asked for."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="fewer worlds and rounds")
    parser.add_argument("--only", choices=PARTS, action="append", help="one part")
    parser.add_argument("--json", type=Path, metavar="FILE", help="write figures here")
    asked = parser.parse_args()
    print(f"{_processor()}, {THREADS} cores; sd is one day of one world")
    tables, failed = {}, False
    for name in asked.only or PARTS:
        try:
            table = _measured(name, quick=asked.quick)
        except (NoCompiler, NoPeer) as reason:
            say(f"{name}: skipped: {reason}")
        except Disagreement as reason:
            say(f"{name}: no figures, the programs disagree: {reason}")
            failed = True
        else:
            print(table, flush=True)
            tables[name] = asdict(table)
    if asked.json:
        text = json.dumps(
            {"machine": _processor(), "cores": THREADS, **tables}, indent=2
        )
        asked.json.write_text(text + "\n")
    return int(failed)


def _measured(name: str, *, quick: bool) -> Table:
    for each in SIZED:
        if name in each.PARTS:
            measure: Callable[[Any], Table] = each.PARTS[name]
            return measure(each.QUICK if quick else each.FULL)
    return parts.PARTS[name](read_paper(), parts.QUICK if quick else parts.Sizes())


def _processor() -> str:
    cpuinfo = Path("/proc/cpuinfo")
    if cpuinfo.exists():
        for line in cpuinfo.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


if __name__ == "__main__":
    sys.exit(main())
