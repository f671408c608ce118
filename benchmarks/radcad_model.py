"""
The economy of the paper preset as a model of radCAD, run in an environment of its own.

Written after sim/demand.py and sim/epoch.py in the form that radCAD documents: a state
of plain numbers and lists, blocks of policies and state updates. A block does as much
as one step can, for radCAD's sake: every block is another pass over the state. Fixed
are the same choices as in economy.c. Imports neither coopera nor Numba, which that
environment does not have: constants come as JSON, normals as an array.

    python radcad_model.py constants.json normals.npy jobs.json

The jobs are a list of measurements; for each, one line of JSON is printed.
"""
# ruff: noqa: ARG001 - radCAD gives every policy and update the same arguments

import json
import math
import resource
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from radcad import Backend, Engine, Experiment, Model, Simulation

State = dict[str, Any]

LEVELS = (0.05, 0.25, 0.5, 0.75, 0.95)
LISTS = ("jobs_by_service", "earnings_by_kind", "suppliers_by_kind")
C: dict[str, Any] = {}
"""What all worlds share."""
NORMALS: list[list[list[float]]] = []
"""Normals by world and day."""


# participants


def p_open_day(params: State, substep: int, history: list[Any], s: State) -> State:
    """Let consumers, the market and suppliers act."""
    day = s["day"]
    z = NORMALS[s["run"] - 1][day]
    services = zip(C["demand_mean"][day], C["demand_noise"][day], z, strict=False)
    jobs = [
        math.floor(
            max(
                0.0,
                params["demand_scale"] * (mean + noise * params["noise_scale"] * draw),
            )
            + 0.5
        )
        for mean, noise, draw in services
    ]
    mean, level = params["sentiment_mean"], s["sentiment_level"]
    level = max(
        0.0,
        level
        + params["sentiment_speed"] * (mean - level)
        + params["sentiment_volatility"] * mean * z[-1],
    )
    entered = exited = 0.0
    suppliers, inclinations = [], []
    for i, now in enumerate(s["suppliers_by_kind"]):
        entry = C["entry_rate_max"][i] if day > 0 else 0.0
        leave = C["exit_rate_max"][i] if day > 0 else 0.0
        cost = max(now, 1.0) * C["supplier_cost"][i]
        margin = s["earnings_by_kind"][i] / cost - 1.0
        rate = min(entry, max(-leave, params["supplier_response"] * margin))
        if now < C["targets"][i] * (1.0 - s["phase"]):
            rate = entry
        inclination = max(float(rate > 0.0), s["inclinations"][i] * (1.0 + rate))
        after = math.floor(inclination)
        entered += max(0.0, after - now)
        exited += max(0.0, now - after)
        suppliers.append(after)
        inclinations.append(inclination)
    return {
        "jobs_by_service": jobs,
        "sentiment_level": level,
        "sentiment": math.floor(level * C["sentiment_shock"][day]),
        "suppliers_by_kind": suppliers,
        "inclinations": inclinations,
        "entered": entered,
        "exited": exited,
        "suppliers": s["suppliers"] + entered - exited,
    }


# the day's payments, price and purchases


def p_settle(params: State, substep: int, history: list[Any], s: State) -> State:
    """Take the payments, price the token, buy tokens."""
    out = _income(params, s)
    out |= _price(params, s, out)
    return out | _buyback(params, s, out)


def _income(params: State, s: State) -> State:
    jobs = job_value = income = 0.0
    demand = [0.0] * len(C["targets"])
    for created, price, shares in zip(
        s["jobs_by_service"], C["job_prices"], C["shares"], strict=True
    ):
        paid = (created - math.floor(created * params["failure_rate"])) * price
        jobs += created
        job_value += created * price
        income += paid
        for i, share in enumerate(shares):
            if share > 0.0:
                demand[i] += paid * share
    filled = sum(map(min, C["targets"], s["suppliers_by_kind"]))
    operations = math.ceil(income * params["operations_fraction"])
    net = income - operations
    capital = math.floor(net * params["buyback_rate"])
    spent = math.floor(operations * params["operations_spend_fraction"])
    return {
        "jobs": jobs,
        "job_value": job_value,
        "income": income,
        "failed_value": job_value - income,
        "demand_by_kind": demand,
        "left": max(0.0, s["filled"] - filled),
        "filled": filled,
        "capital": capital,
        "dollars": net - capital,
        "operations": s["operations"] + (operations - spent),
        "carried_capital": s["carried_capital"] + capital,
        "window_income": s["window_income"] + (income - s["past_income"][0]),
        "past_income": [*s["past_income"][1:], income],
        "window_exits": s["window_exits"] + (s["exited"] - s["past_exits"][0]),
        "past_exits": [*s["past_exits"][1:], s["exited"]],
    }


def _phase1_slice(params: State, day: int) -> float:
    days = C["phase1_max_days"]
    allotment = params["allotment"]
    whole = math.floor(allotment / days)
    rest = allotment - whole * days
    before = math.floor(rest * day / days)
    return float(whole + math.floor(rest * (day + 1.0) / days) - before)


def _price(params: State, s: State, out: State) -> State:
    locked = s["phase1_locked"] + s["bonded"]
    if s["day"] < C["phase1_max_days"]:
        due = math.floor(_phase1_slice(params, s["day"]) * out["filled"] / C["slots"])
        locked += due * (1.0 - s["phase"])
    active = s["suppliers"] - s["entered"] + out["window_exits"]
    fee = 0.0
    if active > 0.0:
        rate = params["onboarding_rate"]
        fee = math.ceil(out["window_income"] * rate / max(active, 1.0))
    bonds = math.ceil(out["job_value"] * params["bond_rate"])
    demand = max(
        0.0,
        s["sentiment"]
        + fee * s["entered"]
        + (bonds - s["bonded_value"])
        + out["capital"]
        + params["governance_value"],
    )
    supply, price = s["circulating"] + locked, 0.0
    if supply > 0.0:
        price = demand / (max(supply, 1.0) * params["velocity_per_day"])
    return {
        "onboarding_usd": fee,
        "bonded_value": math.ceil(out["income"] * params["bond_rate"]),
        "demand": demand,
        "price": max(params["price_floor"], price),
    }


def _buyback(params: State, s: State, out: State) -> State:
    price, circulating = out["price"], s["circulating"]
    impact = price * params["price_premium"]
    capital = out["carried_capital"] if out["income"] > 0.0 else 0.0
    wanted = math.floor(capital / (price + impact))
    bought = min(wanted, circulating)
    cost = min(capital, math.ceil(bought * (price + impact)))
    circulating -= bought
    fee = max(params["min_onboarding_fee"], math.ceil(out["onboarding_usd"] / price))
    fees = min(fee * s["entered"], circulating)
    available = circulating - fees + s["bonded"]
    value = out["job_value"]
    bond = min(math.ceil(value * params["bond_rate"] / price), available)
    slashed = min(math.ceil(bond * out["failed_value"] / max(value, 1.0)), bond)
    return {
        "carried_capital": out["carried_capital"]
        - (capital if bought == wanted else cost),
        "bought": bought,
        "fees": fees,
        "slashed": slashed,
        "bonded": bond - slashed,
        "circulating": available - bond,
        "free_reserve": s["free_reserve"] + fees + slashed,
    }


# emission, pay, reserve


def p_close_day(params: State, substep: int, history: list[Any], s: State) -> State:
    """Emit, pay suppliers and validators, refill the reserve, switch phases."""
    out = _emission(params, s)
    out |= _payouts(params, s, out)
    out |= _reserve(params, s, out)
    return out | _phases(s, out)


def _emission(params: State, s: State) -> State:
    day, phase = s["day"], s["phase"]
    vesting = C["vesting"][day]
    locked, reserve, phase1 = s["phase1_locked"], s["free_reserve"], s["phase1"]
    gone, accrued = s["left"] * (1.0 - phase), 0.0
    lost = min(math.ceil(locked * gone / max(s["filled"] + gone, 1.0)), locked)
    locked -= lost
    reserve += lost
    if day < C["phase1_max_days"]:
        day_slice = _phase1_slice(params, day) * (1.0 - phase)
        accrued = math.floor(day_slice * s["filled"] / C["slots"])
        phase1 -= accrued
        locked += accrued
    pool_income = s["income"] * phase
    amount = params["mint_amount"]
    theta = s["theta"] + pool_income * params["phase2_modulation"] / (
        s["price"] * params["job_reward_modulation"] * max(amount, 1.0)
    )
    minted = math.floor(amount * (1.0 - math.exp(-theta)))
    return {
        "phase1_locked": locked,
        "phase1": phase1,
        "phase1_released": accrued,
        "free_reserve": reserve,
        "funds": s["funds"] - vesting,
        "circulating": s["circulating"] + vesting,
        "pool_income": pool_income,
        "theta": theta,
        "emitted": minted - s["minted"],
        "minted": minted,
    }


def _payouts(params: State, s: State, out: State) -> State:
    price = s["price"]
    paid = s["dollars"] + s["bought"] * price
    emitted = out["emitted"] * price
    income, pool = max(s["income"], 1.0), max(out["pool_income"], 1.0)
    earnings = [
        paid * demand / income + emitted * (demand * s["phase"]) / pool
        for demand in s["demand_by_kind"]
    ]
    reserve = out["free_reserve"]
    burned = min(math.floor(s["bought"] * params["burn_fraction"]), reserve)
    reserve -= burned
    validations = math.floor(
        s["jobs"] * params["validators_per_job"] * params["validation_rate"]
    )
    due = s["validators_owed"] + validations * params["validator_reward"]
    to_validators = min(due, reserve)
    return {
        "earnings_by_kind": earnings,
        "burned": s["burned"] + burned,
        "validators_paid": to_validators,
        "validators_owed": due - to_validators,
        "free_reserve": reserve - to_validators,
        "circulating": out["circulating"]
        + s["bought"]
        + out["emitted"]
        + to_validators,
    }


def _reserve(params: State, s: State, out: State) -> State:
    price = s["price"]
    reserve = (
        out["free_reserve"]
        + params["unassigned_reserve"]
        + params["mint_amount"]
        + out["phase1"]
        - out["minted"]
    )
    low = math.floor(params["initial_reserve"] * params["reserve_floor_fraction"])
    goal = math.floor(params["initial_reserve"] * params["reserve_target_fraction"])
    refilling = (s["refilling"] or reserve <= low) and reserve < goal
    budget = min(params["max_daily_buyback"], s["operations"]) if refilling else 0.0
    impact = price * params["price_premium"]
    wanted = min(math.floor(budget / (price + impact)), max(goal - reserve, 0.0))
    tokens = min(wanted, out["circulating"])
    return {
        "refilled": tokens,
        "operations": s["operations"]
        - min(budget, math.ceil(tokens * (price + impact))),
        "circulating": out["circulating"] - tokens,
        "free_reserve": out["free_reserve"] + tokens,
        "token_reserve": reserve + tokens,
        "refilling": refilling and reserve + tokens < goal,
    }


def _phases(s: State, out: State) -> State:
    switch = s["day"] + 1 >= C["phase1_max_days"] or out["phase1"] <= 0.0
    change = 1.0 - s["phase"] if switch else 0.0
    locked = out["phase1_locked"] * (1.0 - change)
    return {
        "phase": s["phase"] + change,
        "circulating": out["circulating"] + out["phase1_locked"] * change,
        "free_reserve": out["free_reserve"] + out["phase1"] * change,
        "phase1_locked": locked,
        "phase1": out["phase1"] * (1.0 - change),
        "locked": locked + s["bonded"],
        "dollar_reserve": out["operations"] + s["carried_capital"],
    }


# the model


def update(name: str) -> Any:
    """Make the state update of one variable."""

    def variable(
        params: State, substep: int, history: list[Any], s: State, signals: State
    ) -> tuple[str, Any]:
        return name, signals[name]

    return variable


def next_day(
    params: State, substep: int, history: list[Any], s: State, signals: State
) -> tuple[str, Any]:
    """Count the days."""
    return "day", s["day"] + 1


OPENED = (
    *("jobs_by_service", "sentiment_level", "sentiment", "suppliers_by_kind"),
    *("inclinations", "entered", "exited", "suppliers"),
)
SETTLED = (
    *(
        "jobs",
        "job_value",
        "income",
        "failed_value",
        "demand_by_kind",
        "left",
        "filled",
    ),
    *("capital", "dollars", "operations", "carried_capital", "window_income"),
    *("past_income", "window_exits", "past_exits", "onboarding_usd", "bonded_value"),
    *("demand", "price", "bought", "fees", "slashed", "bonded", "circulating"),
    "free_reserve",
)
CLOSED = (
    *("phase1_locked", "phase1", "phase1_released", "free_reserve", "funds"),
    *("circulating", "pool_income", "theta", "emitted", "minted", "earnings_by_kind"),
    *("burned", "validators_paid", "validators_owed", "refilled", "operations"),
    *("token_reserve", "refilling", "phase", "locked", "dollar_reserve"),
)
BLOCKS = [
    {"policies": {"open": p_open_day}, "variables": {x: update(x) for x in OPENED}},
    {"policies": {"settle": p_settle}, "variables": {x: update(x) for x in SETTLED}},
    {
        "policies": {"close": p_close_day},
        "variables": {**{x: update(x) for x in CLOSED}, "day": next_day},
    },
]


def initial_state() -> State:
    """Put a world at its first morning."""
    kinds, window = len(C["targets"]), C["onboarding_window_days"]
    state: State = dict.fromkeys((*OPENED, *SETTLED, *CLOSED), 0.0)
    return state | {
        "day": 0,
        "circulating": C["params"]["initial_circulating"],
        "operations": C["params"]["initial_dollars"],
        "funds": C["params"]["initial_funds"],
        "sentiment_level": C["params"]["sentiment_start"],
        "phase1": C["params"]["allotment"],
        "suppliers": sum(C["initial_suppliers"]),
        "suppliers_by_kind": list(C["initial_suppliers"]),
        "inclinations": list(C["initial_suppliers"]),
        "earnings_by_kind": [0.0] * kinds,
        "demand_by_kind": [0.0] * kinds,
        "jobs_by_service": [0.0] * len(C["job_prices"]),
        "past_income": [0.0] * window,
        "past_exits": [0.0] * window,
        "refilling": False,
    }


def run(runs: int, *, deepcopy: bool) -> list[State]:
    """Run worlds, and keep the last substep of every day."""
    model = Model(
        initial_state=initial_state(),
        state_update_blocks=BLOCKS,
        params={name: [value] for name, value in C["params"].items()},
    )
    simulation = Simulation(model=model, timesteps=C["days"], runs=runs)
    experiment = Experiment([simulation])
    experiment.engine = Engine(
        backend=Backend.SINGLE_PROCESS, deepcopy=deepcopy, drop_substeps=True
    )
    return list(experiment.run())


def table(rows: list[State]) -> pd.DataFrame:
    """Lay the kept variables out as radCAD's users do, one row a day of a world."""
    frame = pd.DataFrame(rows)
    frame = frame[frame["timestep"] > 0]
    parts = [frame[["run", "timestep"]]]
    for name in C["variables"]:
        if name in LISTS:
            part = pd.DataFrame(frame[name].tolist(), index=frame.index)
            parts.append(part.add_prefix(f"{name}."))
        else:
            parts.append(frame[[name]])
    return pd.concat(parts, axis=1)


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


def _measure(job: State) -> State:
    wall, cpu = time.perf_counter(), _cpu()
    rows = run(job["runs"], deepcopy=job["deepcopy"])
    done = {"wall": time.perf_counter() - wall, "cpu": _cpu() - cpu}
    frame = table(rows)
    frame.groupby("timestep").quantile(list(LEVELS))
    done |= {
        "wall_quantiles": time.perf_counter() - wall,
        "cpu_quantiles": _cpu() - cpu,
    }
    if job.get("paths"):
        values = frame.drop(columns=["run", "timestep"]).to_numpy(float)
        np.save(job["paths"], values.reshape(job["runs"], C["days"], -1))
    return job | done


def main(constants: str, normals: str, jobs: str) -> None:
    """Run all jobs."""
    C.update(json.loads(Path(constants).read_text()))
    NORMALS.extend(np.load(normals).astype(float).tolist())
    for job in json.loads(Path(jobs).read_text()):
        print(json.dumps(_measure(job)), flush=True)


if __name__ == "__main__":
    main(*sys.argv[1:])
