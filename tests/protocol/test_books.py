"""Books are opened once, with settings that are in order, and all tokens exist then."""

import json
from decimal import Decimal

import pytest

from coopera.errors import (
    AlreadyExists,
    AmountTooLarge,
    BadBooks,
    BadMatrix,
    Inconsistent,
    Malformed,
    NegativeAmount,
    NotAllowed,
    UnknownKey,
    WashTradingPays,
)
from coopera.params.document import preset
from coopera.protocol.books import CURRENT, OpenBooks, Settings, read_settings
from coopera.protocol.commands import COMMANDS, OPERATOR, execute
from coopera.protocol.invariants import check_books
from coopera.protocol.memory import MemoryState
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.records import NAMES, RECORDS
from coopera.protocol.state import Economy, Epoch
from coopera.units import AMOUNT_MAX, MICRO, Wad

EMPTY = MemoryState(
    {}, Economy(day=0, suppliers=(), projects=(), pools=()), Epoch(day=-1)
)


def opened(tables, reserve=0, state=EMPTY):
    return state.after(execute(state, None, OPERATOR, OpenBooks(tables, reserve)))


def spoiled(tables, table, **settings):
    """Change some settings of a table."""
    read = json.loads(tables)
    return json.dumps({**read, table: {**read.get(table, {}), **settings}})


def test_all_tokens_exist_from_the_first_morning(tables):
    state = opened(tables, 1000 * MICRO)
    params = read_settings(tables)

    check_books(state, params)
    assert state.balances()["issuance"] == -params.token.max_supply
    assert state.balances()["market:token"] == params.token.initial_circulating
    assert state.balances()["reserve:usd:operations"] == 1000 * MICRO
    assert state.balances()["market:usd"] == -1000 * MICRO


def test_books_without_dollars_move_none(tables):
    assert "reserve:usd:operations" not in opened(tables).balances()


def test_first_day_is_the_next_to_close_and_nobody_is_there(tables):
    state = opened(tables)

    assert state.economy().day == 0
    assert set(state.economy().suppliers) == {0}
    assert state.epoch() == Epoch(day=-1)


def test_settings_are_kept_as_they_were_given(tables):
    state = opened(tables)

    assert state.record(Settings, CURRENT) == Settings(CURRENT, tables)


def test_books_are_opened_once(tables):
    state = opened(tables)
    with pytest.raises(AlreadyExists):
        opened(tables, state=state)
    with pytest.raises(AlreadyExists):
        opened("nonsense", -1, state=state)


def test_only_the_operator_opens_the_books(tables):
    with pytest.raises(NotAllowed):
        execute(EMPTY, None, "consumer:alice", OpenBooks(tables))


@pytest.mark.parametrize(
    "command",
    [OpenAccounts("consumer:alice"), Deposit("consumer:alice:credit", "usd", 1, "x")],
)
def test_nothing_is_done_before_the_books_are_open(command):
    with pytest.raises(BadBooks):
        execute(EMPTY, None, OPERATOR, command)
    with pytest.raises(NotAllowed):
        execute(EMPTY, None, "consumer:alice", command)


@pytest.mark.parametrize(
    ("reserve", "refusal"),
    [
        (-1, NegativeAmount),
        (AMOUNT_MAX + 1, AmountTooLarge),
        (2**63, AmountTooLarge),
        (2**64, AmountTooLarge),
        (1.5, Malformed),
        (True, Malformed),
        ("5", Malformed),
        (None, Malformed),
    ],
)
def test_reserve_that_is_no_amount_is_refused(tables, reserve, refusal):
    with pytest.raises(refusal):
        opened(tables, reserve)
    # It comes before the settings.
    with pytest.raises(refusal):
        opened("nonsense", reserve)


def test_reserve_may_be_the_largest_balance(tables):
    assert opened(tables, AMOUNT_MAX).balances()["market:usd"] == -AMOUNT_MAX


@pytest.mark.parametrize("written", ["", "nonsense", "{", "[]", "5", "null", '"text"'])
def test_settings_that_are_no_tables_are_refused(written):
    with pytest.raises(Malformed):
        opened(written)


@pytest.mark.parametrize(
    ("table", "settings", "refusal"),
    [
        ("fees", {"launchpad_tex": "0.01"}, UnknownKey),
        ("fees", {"api_serving_fraction": "0.9"}, Inconsistent),
        ("payment_matrix", {"rows": {"a": {"training": "0.5"}}}, BadMatrix),
        ("payments", {"buyback_base": "gross"}, WashTradingPays),
    ],
)
def test_settings_that_contradict_themselves_are_refused(
    tables, table, settings, refusal
):
    with pytest.raises(refusal):
        opened(spoiled(tables, table, **settings))


@pytest.mark.parametrize("name", ["minimal", "paper"])
def test_stored_settings_are_exact(name):
    governed = {
        key: value
        for key, value in preset(name).tables.items()
        if key not in ("simulation", "sentiment", "consumers", "suppliers", "shocks")
    }
    read = read_settings(json.dumps(governed, default=str))

    for pipeline, row in governed["payment_matrix"]["rows"].items():
        for kind, part in zip(
            read.matrix.kinds, read.matrix.rows[pipeline], strict=True
        ):
            assert part == Decimal(str(row.get(kind, 0))) * 10**18


def test_finest_fraction_survives_being_stored(tables):
    finest = spoiled(tables, "fees", launchpad_tax="0.010000000000000001")

    assert read_settings(finest).fees.launchpad_tax == Wad(10**16 + 1)


def test_every_record_has_one_name():
    assert len(NAMES) == len(RECORDS)
    assert all(RECORDS[name] is cls for cls, name in NAMES.items())


def test_every_record_that_a_command_writes_can_be_stored(world):
    written = {kind for kind, _ in world.state.records_}

    assert written <= set(NAMES)
    assert len(COMMANDS) == len({rule.kind for rule in COMMANDS.values()})
