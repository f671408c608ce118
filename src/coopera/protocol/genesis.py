"""The first morning: every token exists, and is in the fund or reserve it starts in."""

from collections.abc import Sequence

from coopera.formulas.emission import phase1_allotment, phase2_mint_amount
from coopera.ledger import AccountId, Transfer, account
from coopera.params import Params
from coopera.params.chapters import PoolScope
from coopera.protocol.memory import MemoryState
from coopera.protocol.state import Diff, Economy, Epoch, PoolState, ProjectState
from coopera.units import MicroToken, MicroUsd


def pool_names(params: Params) -> tuple[str, ...]:
    """Name the Phase 2 pools in use: one, or one for each project."""
    if params.emission.phase2_pool_scope == PoolScope.PLATFORM:
        return ("platform",)
    return tuple(project.name for project in params.projects)


def allotment(params: Params) -> MicroToken:
    """Size what a project may release in Phase 1."""
    return phase1_allotment(
        params.token_reserve,
        params.emission.phase1_fraction,
        params.emission.projects_max,
    )


def mint_amount(params: Params) -> MicroToken:
    """Size what a Phase 2 pool may emit."""
    return phase2_mint_amount(
        params.token_reserve, params.emission.phase1_fraction, params.phase2_pools
    )


def genesis(
    params: Params, suppliers: Sequence[int], dollar_reserve: MicroUsd
) -> MemoryState:
    """Open the books in memory."""
    nothing = Economy(day=0, suppliers=(), projects=(), pools=())
    return MemoryState({}, nothing, Epoch(day=-1)).after(
        first_morning(params, suppliers, dollar_reserve)
    )


def first_morning(
    params: Params, suppliers: Sequence[int], dollar_reserve: MicroUsd
) -> Diff:
    """Issue all tokens, fill the reserves, seat no supplier yet."""
    operations = account("fund", "operations")
    moves: list[tuple[AccountId, AccountId, int]] = [
        (account("issuance"), account("fund", name), amount)
        for name, amount in params.funds.items()
    ]
    reserved = 0
    for project in params.projects:
        to = account("reserve", "token", "phase1", project.name)
        moves.append((operations, to, allotment(params)))
        reserved += allotment(params)
    for pool in pool_names(params):
        to = account("reserve", "token", "phase2", pool)
        moves.append((operations, to, mint_amount(params)))
        reserved += mint_amount(params)
    unassigned = account("reserve", "token", "unassigned")
    moves += [
        (operations, unassigned, params.token_reserve - reserved),
        (
            account("fund", "business"),
            account("market", "token"),
            params.token.initial_circulating,
        ),
        (
            account("market", "usd"),
            account("reserve", "usd", "operations"),
            dollar_reserve,
        ),
    ]
    return Diff(
        tuple(
            Transfer(debit, credit, amount, "genesis")
            for debit, credit, amount in moves
            if amount
        ),
        Economy(
            day=0,
            suppliers=tuple(suppliers),
            projects=tuple(ProjectState() for _ in params.projects),
            pools=tuple(PoolState() for _ in pool_names(params)),
        ),
        Epoch(day=-1),
    )
