"""A group of transfers succeeds or fails as one, and the first refusal counts."""

from itertools import count

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.errors import (
    AccountClosed,
    AmountTooLarge,
    InsufficientBalance,
    UnknownAccount,
)
from coopera.ledger import (
    Account,
    AccountId,
    Asset,
    Bounds,
    Remembered,
    Standing,
    Transfer,
    bounds_of,
    move,
    standing_of,
)
from coopera.units import AMOUNT_MAX

MARKET = AccountId("market:usd")
OPERATIONS = AccountId("reserve:usd:operations")
ALICE = AccountId("consumer:alice:credit")
BOB = AccountId("consumer:bob:credit")
CAROL = AccountId("consumer:carol:credit")
CLOSED = AccountId("consumer:gone:credit")
NEVER = AccountId("consumer:nobody:credit")
SMALL = AccountId("consumer:small:credit")
ESCROW = AccountId("escrow:credit")
SENDING = AccountId("escrow:withdrawals:usd")
GRANT = AccountId("consumer:small:grant")

HELD = {MARKET: -1100, OPERATIONS: 500, ALICE: 400, BOB: 200, SMALL: 0}
OPENED = {
    path: Account(path, limit, closed=path == CLOSED)
    for path, limit in (
        (ALICE, AMOUNT_MAX),
        (BOB, AMOUNT_MAX),
        (CAROL, AMOUNT_MAX),
        (CLOSED, AMOUNT_MAX),
        (SMALL, 50),
        (GRANT, 50),
    )
}


def after(*moves: tuple[AccountId, AccountId, int], held=None):
    """Move amounts, and tell what the accounts that were touched then hold."""
    balances = HELD if held is None else held
    standings: Remembered[AccountId, Standing] = Remembered(
        lambda path: standing_of(path, balances.get(path, 0), OPENED.get)
    )
    try:
        move(standings, [Transfer(*each, "test") for each in moves])
    except Exception:
        left = {path: standing.balance for path, standing in standings.items()}
        assert left == {path: balances.get(path, 0) for path in left}
        raise
    return {path: standing.balance for path, standing in standings.items()}


@pytest.mark.parametrize(
    ("path", "bounds"),
    [
        (MARKET, (-AMOUNT_MAX, 0, Asset.USD)),
        (AccountId("issuance"), (-AMOUNT_MAX, 0, Asset.TOKEN)),
        (AccountId("points:issued"), (-AMOUNT_MAX, 0, Asset.POINT)),
        (OPERATIONS, (0, AMOUNT_MAX, Asset.USD)),
        (AccountId("burned"), (0, AMOUNT_MAX, Asset.TOKEN)),
        (ALICE, (0, AMOUNT_MAX, Asset.USD)),
        (SMALL, (0, 50, Asset.USD)),
    ],
)
def test_account_stands_on_its_normal_side_within_its_limit(path, bounds):
    assert bounds_of(path, OPENED.get) == Bounds(*bounds)


@pytest.mark.parametrize(
    ("path", "refusal"), [(NEVER, UnknownAccount), (CLOSED, AccountClosed)]
)
def test_account_that_is_not_open_has_no_bounds(path, refusal):
    with pytest.raises(refusal, match=path):
        bounds_of(path, OPENED.get)


def test_what_is_remembered_is_asked_for_once():
    numbers = count(1)
    known: Remembered[str, int] = Remembered(lambda _key: next(numbers))

    assert [known["a"], known["a"], known["b"], known["a"]] == [1, 1, 2, 1]


def test_account_takes_part_from_the_moment_it_is_opened():
    opened: dict[AccountId, Account] = {}
    standing = standing_of(ALICE, 0, opened.get)
    standings = {MARKET: standing_of(MARKET, 0, opened.get), ALICE: standing}
    for _ in range(2):
        with pytest.raises(UnknownAccount, match="never opened"):
            move(standings, [Transfer(MARKET, ALICE, 7, "test")])

    opened[ALICE] = Account(ALICE, 7)
    standing.bind(opened.get)
    move(standings, [Transfer(MARKET, ALICE, 7, "test")])
    assert standing.balance == 7

    opened[ALICE] = Account(ALICE, 7, closed=True)
    standing.bind(opened.get)
    with pytest.raises(AccountClosed):
        move(standings, [Transfer(ALICE, MARKET, 7, "test")])
    assert standing.balance == 7


def test_nothing_moves_nothing():
    assert after() == {}


def test_amount_leaves_one_account_and_enters_the_other():
    assert after((ALICE, BOB, 150)) == {ALICE: 250, BOB: 350}


def test_only_accounts_that_are_touched_are_told():
    assert after((ALICE, CAROL, 1)) == {ALICE: 399, CAROL: 1}


def test_later_transfers_see_the_earlier_ones():
    assert after((ALICE, CAROL, 400), (CAROL, BOB, 400)) == {
        ALICE: 0,
        CAROL: 0,
        BOB: 600,
    }


def test_money_that_only_a_later_transfer_brings_cannot_be_spent():
    with pytest.raises(InsufficientBalance) as refused:
        after((CAROL, BOB, 400), (ALICE, CAROL, 400))

    assert (refused.value.available, refused.value.required) == (0, 400)


def test_all_can_be_spent_and_not_a_unit_more():
    assert after((ALICE, BOB, 400))[ALICE] == 0
    with pytest.raises(InsufficientBalance) as refused:
        after((ALICE, BOB, 401))
    assert (refused.value.available, refused.value.required) == (400, 401)


def test_two_halves_that_overdraw_together_are_refused():
    with pytest.raises(InsufficientBalance) as refused:
        after((ALICE, BOB, 300), (ALICE, CAROL, 101))

    assert (refused.value.available, refused.value.required) == (100, 101)


def test_group_changes_nothing_when_its_last_transfer_fails():
    held = dict(HELD)
    with pytest.raises(UnknownAccount):
        after((ALICE, BOB, 100), (BOB, NEVER, 1), held=held)

    assert held == HELD


def test_outside_may_owe_but_an_account_may_not():
    assert after((MARKET, ALICE, 10**9))[MARKET] == -1100 - 10**9
    with pytest.raises(InsufficientBalance):
        after((OPERATIONS, ALICE, 501))


def test_outside_owes_no_more_than_the_largest_balance():
    held = {MARKET: -(AMOUNT_MAX - 1)}

    assert after((MARKET, BOB, 1), held=held)[MARKET] == -AMOUNT_MAX
    with pytest.raises(AmountTooLarge, match="market:usd"):
        after((MARKET, BOB, 2), held=held)


def test_network_s_account_holds_no_more_than_the_largest_balance():
    held = {ALICE: AMOUNT_MAX, OPERATIONS: 0}

    assert after((ALICE, OPERATIONS, AMOUNT_MAX), held=held)[OPERATIONS] == AMOUNT_MAX
    with pytest.raises(AmountTooLarge, match="reserve:usd:operations"):
        after((ALICE, OPERATIONS, AMOUNT_MAX), held={**held, OPERATIONS: 1})


def test_giving_outside_more_than_came_from_there_is_a_bug():
    with pytest.raises(AssertionError, match="would owe"):
        after((ALICE, MARKET, 200), held={MARKET: -100, ALICE: 400})


def test_account_is_filled_to_its_limit_and_no_further():
    assert after((ALICE, SMALL, 50))[SMALL] == 50
    with pytest.raises(AmountTooLarge, match="at most 50"):
        after((ALICE, SMALL, 51))


def test_limit_counts_what_the_group_has_brought_so_far():
    with pytest.raises(AmountTooLarge):
        after((ALICE, SMALL, 30), (BOB, SMALL, 30))
    assert after((ALICE, SMALL, 30), (SMALL, CAROL, 10), (BOB, SMALL, 30))[SMALL] == 50


def test_limit_does_not_bind_what_an_account_gives():
    assert after((SMALL, ALICE, 60), held={SMALL: 60})[SMALL] == 0


@pytest.mark.parametrize("source", [ESCROW, SENDING, GRANT])
def test_what_comes_back_is_not_held_to_the_limit_again(source):
    assert after((source, SMALL, 40), held={source: 40, SMALL: 50})[SMALL] == 90


def test_what_comes_back_out_of_escrow_fills_a_grant_beyond_its_limit():
    assert after((ESCROW, GRANT, 40), held={ESCROW: 40, GRANT: 50})[GRANT] == 90


def test_account_above_its_limit_takes_nothing_from_elsewhere():
    held = {ESCROW: 40, SMALL: 50, ALICE: 400}
    with pytest.raises(AmountTooLarge, match="at most 50"):
        after((ESCROW, SMALL, 40), (ALICE, SMALL, 1), held=held)
    # It is filled again once it has given what is above the limit.
    moves = (ESCROW, SMALL, 40), (SMALL, BOB, 41), (ALICE, SMALL, 1)
    assert after(*moves, held=held)[SMALL] == 50


def test_what_goes_into_escrow_or_a_grant_is_held_to_its_limit():
    with pytest.raises(AmountTooLarge, match="at most 50"):
        after((ALICE, GRANT, 51))
    with pytest.raises(AmountTooLarge, match=ESCROW):
        after((ALICE, ESCROW, 1), held={ALICE: 1, ESCROW: AMOUNT_MAX})


def test_not_even_what_comes_back_exceeds_the_largest_balance():
    held = {ESCROW: 2, ALICE: AMOUNT_MAX - 1}

    assert after((ESCROW, ALICE, 1), held=held)[ALICE] == AMOUNT_MAX
    with pytest.raises(AmountTooLarge, match=ALICE):
        after((ESCROW, ALICE, 2), held=held)


@pytest.mark.parametrize(
    ("path", "refusal"), [(NEVER, UnknownAccount), (CLOSED, AccountClosed)]
)
def test_nothing_comes_back_to_an_account_that_is_not_open(path, refusal):
    with pytest.raises(refusal):
        after((ESCROW, path, 1), held={ESCROW: 1})


@pytest.mark.parametrize(
    ("moved", "refusal"),
    [
        # One fact spoiled.
        ((NEVER, ALICE, 1), UnknownAccount),
        ((ALICE, NEVER, 1), UnknownAccount),
        ((CLOSED, ALICE, 1), AccountClosed),
        ((ALICE, CLOSED, 1), AccountClosed),
        ((ALICE, BOB, 401), InsufficientBalance),
        ((ALICE, SMALL, 51), AmountTooLarge),
        # Several: who gives comes before who receives, accounts before amounts,
        # and what is there before what may be held.
        ((NEVER, CLOSED, 1), UnknownAccount),
        ((CLOSED, NEVER, 1), AccountClosed),
        ((NEVER, ALICE, 10**6), UnknownAccount),
        ((ALICE, NEVER, 10**6), UnknownAccount),
        ((ALICE, CLOSED, 10**6), AccountClosed),
        ((CLOSED, SMALL, 51), AccountClosed),
        ((CAROL, SMALL, 51), InsufficientBalance),
    ],
)
def test_first_reason_is_the_one_that_is_given(moved, refusal):
    with pytest.raises(refusal):
        after(moved)


def test_first_transfer_that_fails_refuses_all():
    with pytest.raises(InsufficientBalance):
        after((ALICE, BOB, 401), (NEVER, ALICE, 1))
    with pytest.raises(UnknownAccount):
        after((NEVER, ALICE, 1), (ALICE, BOB, 401))


@pytest.mark.parametrize(
    "moved",
    [
        (ALICE, BOB, 0),
        (ALICE, BOB, -1),
        (ALICE, ALICE, 1),
        (ALICE, AccountId("burned"), 1),
        (ALICE, AccountId("no:such:account"), 1),
        (AccountId("no:such:account"), ALICE, 1),
    ],
)
def test_transfer_that_no_transition_may_make_is_a_bug(moved):
    with pytest.raises(AssertionError):
        after(moved)


PEOPLE = [MARKET, OPERATIONS, ALICE, BOB, CAROL, CLOSED, NEVER, SMALL]


@given(
    st.lists(
        st.tuples(
            st.sampled_from(PEOPLE), st.sampled_from(PEOPLE), st.integers(1, 600)
        ).filter(lambda move: move[0] != move[1] and move[1] != MARKET),
        max_size=8,
    )
)
def test_money_is_conserved_or_nothing_moves(moves):
    held = dict(HELD)
    try:
        touched = after(*moves, held=held)
    except (AccountClosed, AmountTooLarge, InsufficientBalance, UnknownAccount):
        assert held == HELD
        return
    ends = {**held, **touched}

    assert sum(ends.values()) == 0
    assert all(ends[path] >= 0 for path in ends if path != MARKET)
    assert ends[SMALL] <= 50
    assert not {CLOSED, NEVER} & set(touched)
