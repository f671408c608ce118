"""What no transition may break. A broken one is a bug, and an `AssertionError`."""

from collections import Counter
from collections.abc import Sequence

from coopera.ledger import Asset, Side, account, kind_of
from coopera.params import Params
from coopera.protocol.genesis import mint_amount
from coopera.protocol.state import PreState
from coopera.protocol.vaults import (
    MONEY,
    Entitlement,
    Holding,
    Revenue,
    Vault,
    holding_name,
    units_of,
)
from coopera.units import AMOUNT_MAX


def check_books(state: PreState, params: Params) -> None:
    """Assert that money is conserved and that no account is overdrawn."""
    total: Counter[Asset] = Counter()
    for path, held in state.balances().items():
        kind = kind_of(path)
        normal = held if kind.side is Side.CREDIT else -held
        assert 0 <= normal <= AMOUNT_MAX, f"{path} holds {held}"
        total[kind.asset] += held
    for asset, sum_ in total.items():
        assert sum_ == 0, f"{sum_} micro-units of {asset} from nowhere"
    issued = -state.balance(account("issuance"))
    assert issued == params.token.max_supply, f"{issued} tokens issued"


def check_vault(state: PreState, vault: Vault, holders: Sequence[str]) -> None:
    """
    Assert that all units of a vault are somewhere, and that its money is its holders'.

    Counted in micro-units of money a whole supply, nothing is lost: not even what was
    carried, or the parts of a micro-unit that nobody can be paid yet.
    """
    held = {name: state.balance(units_of(vault.id, name)) for name in holders}
    unissued = sum(
        state.balance(account("vault", vault.id, side)) for side in ("compute", "data")
    )
    assert sum(held.values()) + unissued == vault.supply, f"units of {vault.id} lost"
    for asset in MONEY:
        revenue: Revenue = getattr(vault, asset.value)
        owed = revenue.carried + _owed(
            revenue, revenue.reserve, 0 if vault.closed else unissued, vault.supply
        )
        for name, units in held.items():
            holding = state.record(Holding, holding_name(vault.id, name))
            if holding is None:
                assert not units, f"{name} has units of {vault.id} that nobody counts"
                continue
            earned: Entitlement = getattr(holding, asset.value)
            assert earned.claimed <= earned.total
            owed += _owed(revenue, earned, units, vault.supply)
        here = state.balance(account("vault", vault.id, asset.value))
        assert owed == here * vault.supply, f"{asset} of {vault.id} is not its holders'"


def _owed(revenue: Revenue, earned: Entitlement, units: int, supply: int) -> int:
    """Count what units have earned and were not paid, in parts of the supply."""
    settled = (earned.total - earned.claimed) * supply + earned.part
    return settled + units * (revenue.index - earned.index)


def check_emission(state: PreState, params: Params) -> None:
    """Assert that no Phase 2 curve has emitted more than its pool."""
    for pool in state.economy().pools:
        assert 0 <= pool.minted <= mint_amount(params)


def check_latches(before: PreState, after: PreState) -> None:
    """Assert that no project went back to Phase 1, and no curve back along itself."""
    old, new = before.economy(), after.economy()
    for was, is_ in zip(old.projects, new.projects, strict=True):
        assert was.phase <= is_.phase
    for was_pool, is_pool in zip(old.pools, new.pools, strict=True):
        assert was_pool.theta <= is_pool.theta
        assert was_pool.minted <= is_pool.minted


def check_stage(before: PreState, after: PreState, params: Params) -> None:
    """Assert every invariant that holds after each stage of a day."""
    check_books(after, params)
    check_emission(after, params)
    check_latches(before, after)
