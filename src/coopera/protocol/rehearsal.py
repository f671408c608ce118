"""
A day of members that are only counted, as the simulator has them.

They have no accounts of their own: they come with the day's dollars, and take what they
are paid to the market. In between lie the stages that any day goes through.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace

from coopera.errors import (
    AmountTooLarge,
    Malformed,
    NegativeAmount,
    NotAllowed,
    TooManyFail,
    TooManyLeave,
    UnknownKind,
)
from coopera.formulas import demand, payments
from coopera.formulas.allocation import largest_remainder
from coopera.ledger import account
from coopera.params import Params
from coopera.protocol import checks
from coopera.protocol.accounts import MARKET, MARKET_USD, SETTLEMENT, VALIDATORS
from coopera.protocol.epoch import (
    STAGES,
    Charged,
    Facts,
    Move,
    closed,
    process_reserve,
    refuse_other_day,
    transfers_of,
)
from coopera.protocol.overlay import Overlay
from coopera.protocol.state import Diff, PreState, ProjectState
from coopera.protocol.supply import RESOURCES, Roll
from coopera.units import AMOUNT_MAX, MicroUsd


@dataclass(frozen=True, slots=True)
class Sale:
    """Jobs of one service that were settled in a day, all at one price."""

    consumer: str
    """Consumer class."""
    pipeline: str
    """Row of the payment matrix."""
    project: str
    job_price: MicroUsd
    jobs: int
    failed: int = 0
    """Of the jobs, those that failed validation: not paid for."""


@dataclass(frozen=True, slots=True)
class CloseEpoch:
    """Command by which a day is closed, with what happened in it."""

    day: int
    sales: tuple[Sale, ...]
    sentiment: MicroUsd
    """Dollars that asked for the token from outside."""
    entered: tuple[int, ...]
    """New suppliers, by kind."""
    exited: tuple[int, ...]
    """Suppliers that left, by kind."""


def close_epoch(pre: PreState, params: Params, command: CloseEpoch) -> Diff:
    """
    Close a day, stage by stage; invariants are checked after each.

    A day that would fill an account beyond what it can hold is refused as a whole.

    Refusals, in order of precedence: `NotAllowed` where suppliers are registered, since
    their day is closed by `CloseDay`; `EpochOutOfOrder`, `Malformed`, `UnknownService`,
    `UnknownKind`, `NegativeAmount`, `TooManyFail`, `AmountTooLarge`, `TooManyLeave`.
    """
    _refuse(pre, params, command)
    paid = _take_sales(command)
    facts = _facts(pre, params, command)
    diff, _ = closed(Overlay(pre, paid), params, facts, REHEARSED)
    return diff._replace(transfers=(*paid.transfers, *diff.transfers))


def _refuse(pre: PreState, params: Params, command: CloseEpoch) -> None:
    """Refuse a day that cannot be closed."""
    if pre.record(Roll, RESOURCES) is not None:
        raise NotAllowed(
            "suppliers are registered in these books; close their day with close_day"
        )
    refuse_other_day(pre, command.day)
    for sale in command.sales:
        name = sale.consumer
        if not name or not name.isprintable() or set(name) & {":", "\\"}:
            raise Malformed(f"{name[:80]!r} is no name of a consumer class")
        checks.row(params, sale.pipeline)
        checks.project(params, sale.project)
    kinds = params.matrix.kinds
    if not len(command.entered) == len(command.exited) == len(kinds):
        raise UnknownKind(
            f"suppliers of {len(command.entered)} kinds enter and of "
            f"{len(command.exited)} leave; the payment matrix has {len(kinds)}"
        )
    _refuse_amounts(command)
    present = zip(kinds, pre.economy().suppliers, command.exited, strict=True)
    for kind, suppliers, exited in present:
        if exited > suppliers:
            raise TooManyLeave(
                f"{exited} suppliers of {kind} leave; there are {suppliers}"
            )


def _refuse_amounts(command: CloseEpoch) -> None:
    """Refuse what is below zero, and what no account can hold."""
    for sale in command.sales:
        if min(sale.jobs, sale.failed, sale.job_price) < 0:
            raise NegativeAmount(
                f"{sale.failed} failed of {sale.jobs} jobs at {sale.job_price} "
                "micro-dollars: counts and prices start at 0"
            )
        if sale.failed > sale.jobs:
            raise TooManyFail(f"{sale.failed} jobs failed; there are {sale.jobs}")
    if min(command.sentiment, *command.entered, *command.exited) < 0:
        raise NegativeAmount("sentiment, entered and exited must not be below 0")
    value = sum(sale.jobs * sale.job_price for sale in command.sales)
    if max(value, command.sentiment) > AMOUNT_MAX:
        raise AmountTooLarge(
            f"the day is worth {max(value, command.sentiment)} micro-dollars; no "
            f"amount may exceed {AMOUNT_MAX}"
        )


def _take_sales(command: CloseEpoch) -> Diff:
    """Let consumers pay in what the day's jobs cost, and pay with it."""
    by_consumer: dict[str, int] = {}
    for sale in command.sales:
        paid = demand.revenue(sale.jobs - sale.failed, sale.job_price)
        by_consumer[sale.consumer] = by_consumer.get(sale.consumer, 0) + paid
    credit = {name: account("consumers", name, "credit") for name in by_consumer}
    moves: list[Move] = [
        *(("deposit", MARKET_USD, credit[c], paid) for c, paid in by_consumer.items()),
        *(("demand.revenue", credit[c], SETTLEMENT, p) for c, p in by_consumer.items()),
    ]
    return Diff(transfers_of(moves))


def _facts(pre: PreState, params: Params, command: CloseEpoch) -> Facts:
    economy = pre.economy()
    by_row: dict[tuple[str, str], int] = {}
    for sale in command.sales:
        paid = demand.revenue(sale.jobs - sale.failed, sale.job_price)
        row = (sale.project, sale.pipeline)
        by_row[row] = by_row.get(row, 0) + paid
    job_value = MicroUsd(
        sum(demand.revenue(s.jobs, s.job_price) for s in command.sales)
    )
    jobs = sum(sale.jobs for sale in command.sales)
    suppliers = tuple(
        present + entered - exited
        for present, entered, exited in zip(
            economy.suppliers, command.entered, command.exited, strict=True
        )
    )
    checked = params.validation
    return Facts(
        day=command.day,
        earned=_demand_by_project(params, by_row),
        job_value=job_value,
        jobs=jobs,
        sentiment=command.sentiment,
        entered=command.entered,
        exited=command.exited,
        projects=_fill_slots(params, economy.projects, suppliers),
        last_price=pre.epoch().price,
        charged=Charged(
            sum(command.entered),
            job_value,
            MicroUsd(sum(by_row.values())),
            payments.validations_completed(
                jobs, checked.validation_rate, checked.validators_per_job
            ),
        ),
    )


def sell_pay(pre: PreState, params: Params, _facts: Facts) -> Diff:
    """Take what suppliers and validators were paid in tokens to the market."""
    paid = [account("suppliers", kind, "token") for kind in params.matrix.kinds]
    return Diff(
        transfers_of(
            ("withdrawal", path, MARKET, pre.balance(path))
            for path in (*paid, VALIDATORS)
        )
    )


def sell_unlocked(pre: PreState, params: Params, _facts: Facts) -> Diff:
    """Take what seats of Phase 1 had locked to the market, once Phase 2 has begun."""
    moves: list[Move] = []
    for project, state in zip(params.projects, pre.economy().projects, strict=True):
        if state.phase == 2:  # noqa: PLR2004 - there are two phases
            locked = account("locked", "phase1", project.name)
            moves.append(("phase 1 unlocked", locked, MARKET, pre.balance(locked)))
    return Diff(transfers_of(moves))


_AT = STAGES.index(process_reserve)
REHEARSED = (*STAGES[:_AT], sell_pay, *STAGES[_AT:], sell_unlocked)
"""The stages of any day, and what simulated members do with what they get."""


def _demand_by_project(
    params: Params, by_row: Mapping[tuple[str, str], int]
) -> tuple[tuple[MicroUsd, ...], ...]:
    """Split the revenue of every pipeline between supplier kinds, by project."""
    earned = {each.name: [0] * len(params.matrix.kinds) for each in params.projects}
    for (project, pipeline), paid in by_row.items():
        parts = largest_remainder(paid, params.matrix.rows[pipeline])
        for i, part in enumerate(parts):
            earned[project][i] += part
    return tuple(tuple(map(MicroUsd, parts)) for parts in earned.values())


def _fill_slots(
    params: Params, projects: tuple[ProjectState, ...], suppliers: tuple[int, ...]
) -> tuple[ProjectState, ...]:
    """Seat the suppliers in the slots of projects, earlier projects first."""
    free = list(suppliers)
    seated = []
    for project, was in zip(params.projects, projects, strict=True):
        taken = [
            min(f, target) for f, target in zip(free, project.targets, strict=True)
        ]
        free = [f - t for f, t in zip(free, taken, strict=True)]
        filled = sum(taken)
        seated.append(replace(was, filled=filled, left=max(0, was.filled - filled)))
    return tuple(seated)
