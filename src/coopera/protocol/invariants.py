"""What no transition may break. A broken one is a bug, and an `AssertionError`."""

from collections import Counter

from coopera.ledger import Asset, Side, account, kind_of
from coopera.params import Params
from coopera.protocol.genesis import mint_amount
from coopera.protocol.state import PreState
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
