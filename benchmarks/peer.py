"""
Peers that need an environment of their own; and radCAD, which is one.

It is licensed under the GPL and needs a NumPy that coopera does not run on: nothing
of it is imported here. It gets constants as JSON and our normals, and prints JSON.
"""

import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from benchmarks.economy import Paper

from coopera.sim import layout

MODEL = Path(__file__).with_name("radcad_model.py")

KEPT = {
    "price_usd": "price",
    "income_usd": "income",
    "token_demand_usd": "demand",
    "sentiment_usd": "sentiment",
    "buyback_usd": "capital",
    "supplier_usd": "dollars",
    "dollar_reserve_usd": "dollar_reserve",
    "token_reserve_token": "token_reserve",
    "free_reserve_token": "free_reserve",
    "circulating_token": "circulating",
    "locked_token": "locked",
    "burned_token": "burned",
    "funds_token": "funds",
    "bought_token": "bought",
    "phase1_token": "phase1_released",
    "emitted_token": "emitted",
    "validators_token": "validators_paid",
    "validators_owed_token": "validators_owed",
    "onboarding_token": "fees",
    "slashed_token": "slashed",
    "refilled_token": "refilled",
    "jobs": "jobs",
    "suppliers": "suppliers",
    "entered": "entered",
    "exited": "exited",
    "theta": "theta",
}
"""State of the model by variable of the catalogue."""
KEPT_LISTS = {
    "jobs.": "jobs_by_service",
    "earnings_usd.": "earnings_by_kind",
    "suppliers.": "suppliers_by_kind",
}


class NoPeer(RuntimeError):
    """The environment cannot be made."""


def environment(name: str) -> Path:
    """Make the environment of a peer, or find it made, and give its Python."""
    home = Path(__file__).parents[1] / f".venv-{name}"
    lock = Path(__file__).with_name(f"requirements-{name}.lock")
    python = home / "bin" / "python"
    made_from = home / "made-from.lock"
    if made_from.exists() and made_from.read_text() == lock.read_text():
        return python
    print(f"making {home.name}", file=sys.stderr)
    shutil.rmtree(home, ignore_errors=True)
    _call(_python(name), "-m", "venv", str(home))
    (home / ".gitignore").write_text("*\n")
    _call(
        *(
            str(python),
            "-m",
            "pip",
            "install",
            "--quiet",
            "--disable-pip-version-check",
        ),
        *("--require-hashes", "-r", str(lock)),
    )
    made_from.write_text(lock.read_text())
    return python


@contextlib.contextmanager
def prepared(paper: Paper, worlds: int) -> Iterator[list[str]]:
    """Lay out constants and normals for some worlds; give the command to run."""
    python = environment("radcad")
    with tempfile.TemporaryDirectory() as folder:
        constants, normals = Path(folder, "constants.json"), Path(folder, "normals.npy")
        constants.write_text(json.dumps(_constants(paper)))
        np.save(normals, paper.normals(worlds))
        yield [str(python), str(MODEL), str(constants), str(normals)]


def measure(command: list[str], jobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Run jobs in one process, one after the other."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, "jobs.json")
        path.write_text(json.dumps(list(jobs)))
        lines = _call(*command, str(path)).splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def _constants(paper: Paper) -> dict[str, Any]:
    e = paper.economy
    by_row = {
        value: name.lower()
        for name, value in vars(layout).items()
        if isinstance(value, int) and name in _PARAMETERS
    }
    params = {by_row[i * layout.LANES]: paper.parameters[i] for i in range(len(by_row))}
    arrays = {
        name: np.asarray(getattr(e, name)).tolist()
        for name in (
            *("job_prices", "shares", "vesting", "demand_mean", "demand_noise"),
            *("sentiment_shock", "supplier_cost"),
            *("entry_rate_max", "exit_rate_max"),
        )
    }
    start = e.start
    first, last = (
        row // layout.LANES for row in (e.rows.kind_suppliers, e.rows.kind_inclination)
    )
    for name, row in (
        ("initial_circulating", layout.CIRCULATING),
        ("initial_dollars", layout.OPERATIONS),
        ("initial_funds", layout.FUNDS),
        ("sentiment_start", layout.SENTIMENT_LEVEL),
    ):
        params[name] = start[row // layout.LANES]
    return arrays | {
        "initial_suppliers": start[first:last].tolist(),
        "days": paper.days,
        "params": params,
        "targets": e.targets[0].tolist(),
        "slots": float(e.slots[0]),
        "phase1_max_days": e.phase1_max_days,
        "onboarding_window_days": e.onboarding_window_days,
        "variables": _variables(paper),
    }


_NAMES = [name for name in vars(layout) if name.isupper()]
# The parameters stand between these two, in order.
_PARAMETERS = _NAMES[
    _NAMES.index("OPERATIONS_FRACTION") : _NAMES.index("SUPPLIER_RESPONSE") + 1
]


def _variables(paper: Paper) -> list[str]:
    """List the model's state that our variables are kept in, in our order."""
    kept = []
    for variable in paper.variables:
        lists = [
            name for start, name in KEPT_LISTS.items() if _in(variable.name, start)
        ]
        kept.append(lists[0] if lists else KEPT[variable.name])
    return list(dict.fromkeys(kept))


def _in(name: str, start: str) -> bool:
    return name.startswith(start)


def _python(peer: str) -> str:
    """Find a Python that the NumPy of the peers runs on: 3.11 or 3.12."""
    if sys.version_info < (3, 13):
        return sys.executable
    for name in ("python3.12", "python3.11"):
        if found := shutil.which(name):
            return found
    raise NoPeer(
        f"{peer} needs Python 3.11 or 3.12, and there is only a newer one here"
    )


def _call(*command: str) -> str:
    done = subprocess.run(  # noqa: S603 - our own command
        command, capture_output=True, text=True, check=False
    )
    if done.returncode:
        last = (done.stderr.strip().splitlines() or ["it says nothing"])[-1]
        raise NoPeer(f"{Path(command[0]).name} failed: {last}")
    return done.stdout
