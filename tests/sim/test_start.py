"""A start comes off the books, survives a file, and fits its settings."""

import json
from dataclasses import fields, replace

import numpy as np
import pytest

from coopera.errors import Inconsistent, OutOfBounds, Refusal, UnknownKey, Unreadable
from coopera.ledger import Asset, Side, account
from coopera.ledger.accounts import CHART
from coopera.params.document import merged, preset
from coopera.protocol.genesis import genesis
from coopera.protocol.rehearsal import CloseEpoch, Sale, close_epoch
from coopera.sim.run import simulate
from coopera.sim.scenario import read_scenario
from coopera.sim.start import FIELDS, Dollars, Engaged, Pool, Tokens, books_of, start_of
from coopera.sim.start_file import read_start, start_from, start_json
from coopera.sim.sweep import design
from coopera.units import MicroUsd

MINIMAL = preset("minimal").tables
PAPER = preset("paper").tables


def after_days(days=4, tables=MINIMAL):
    """Books of members that are only counted, some days old."""
    params = read_scenario(tables).params
    state = genesis(params, (4, 3), MicroUsd(1000_000000))
    for day in range(days):
        sale = Sale("c", "serving", "demo", MicroUsd(5_000000), 40, 4)
        command = CloseEpoch(day, (sale,), MicroUsd(100_000000), (1, 0), (0, day // 3))
        state = state.after(close_epoch(state, params, command))
    return state, params


@pytest.fixture(scope="module")
def start():
    return start_of(*after_days())


@pytest.fixture
def told(start):
    """The start as it stands in a file; each test spoils one fact of it."""
    return json.loads(json.dumps(start_json(start)))


def test_every_line_of_the_chart_has_one_field():
    outside = {"issuance"} | {each.pattern for each in CHART if each.side is Side.DEBIT}
    money = [each for each in CHART if each.asset in (Asset.USD, Asset.TOKEN)]
    assert {each.pattern for each in money} - outside == set(FIELDS)
    for each in money:
        of = (Dollars,) if each.asset is Asset.USD else (Tokens, Engaged, Pool)
        names = {field.name for kind in of for field in fields(kind)}
        assert each.pattern in outside or FIELDS[each.pattern] in names


@pytest.mark.parametrize("tables", [PAPER, MINIMAL], ids=["paper", "minimal"])
def test_first_morning_is_that_of_the_books(tables):
    scenario = read_scenario(tables)
    initial = [each.initial for each in scenario.suppliers.values()]
    reserve = scenario.simulation.initial_dollar_reserve_usd
    books = genesis(scenario.params, initial, reserve)
    again = books_of(scenario.start, scenario.params)

    assert scenario.start.day == 0
    assert again.economy() == books.economy()
    assert again.epoch() == books.epoch()
    assert again.balances() == {k: v for k, v in books.balances().items() if v}


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("supplier:gpu:token", "custody"),
        ("creator:bob:token", "custody"),
        ("contributor:eve:token", "custody"),
        ("holder:hal:token", "custody"),
        ("suppliers:training:token", "custody"),
        ("validators:token", "custody"),
        ("escrow:withdrawals:token", "custody"),
        ("escrow:bonds", "bonds"),
        ("escrow:heldback:token", "set_aside"),
        ("escrow:stakes", "set_aside"),
        ("locked:agent:writer", "set_aside"),
        ("reserve:token:float", "free_reserve"),
        ("reserve:token:unassigned", "unassigned_reserve"),
        ("burned", "burned"),
    ],
)
def test_tokens_are_where_their_account_says(path, field):
    state, params = after_days()
    market, to = account("market", "token"), account(*path.split(":"))
    held = dict(state.held)
    held[market] -= 5_000000
    held[to] = held.get(to, 0) + 5_000000
    before = start_of(state, params).tokens
    after = start_of(replace(state, held=held), params).tokens

    assert getattr(after, field) == getattr(before, field) + 5_000000
    assert after.market == before.market - 5_000000


@pytest.mark.parametrize(
    ("path", "field"),
    [
        ("reserve:usd:buyback", "carried_capital"),
        ("settlement:taxes", "waiting_taxes"),
        ("settlement:buyback", "waiting_capital"),
        ("income:demo:training", "open_income"),
        ("consumer:al:credit", "credit"),
        ("consumer:al:grant", "credit"),
        ("consumers:students:credit", "credit"),
        ("escrow:credit", "reserved"),
        ("escrow:jobs", "reserved"),
        ("supplier:gpu:usd", "earned"),
        ("creator:bob:usd", "earned"),
        ("contributor:eve:usd", "earned"),
        ("suppliers:training:usd", "earned"),
        ("escrow:heldback:usd", "earned"),
        ("escrow:withdrawals:usd", "withdrawals"),
    ],
)
def test_dollars_are_where_their_account_says(path, field):
    state, params = after_days()
    operations, to = account("reserve", "usd", "operations"), account(*path.split(":"))
    held = dict(state.held)
    held[operations] -= 5_000000
    held[to] = held.get(to, 0) + 5_000000
    before = start_of(state, params).dollars
    after = start_of(replace(state, held=held), params).dollars

    assert getattr(after, field) == getattr(before, field) + 5_000000
    assert after.operations == before.operations - 5_000000


def test_books_of_a_start_stand_where_they_stood():
    state, params = after_days()
    start = start_of(state, params)
    again = books_of(start, params)

    assert again.economy() == state.economy()
    assert start_of(again, params).tokens == start.tokens
    for path in ("market:token", "reserve:usd:operations", "escrow:bonds"):
        same = account(*path.split(":"))
        assert again.balance(same) == state.balance(same) > 0


def test_start_survives_a_file(start, tmp_path):
    path = tmp_path / "start.json"
    path.write_text(json.dumps(start_json(start)), "utf-8")

    assert read_start(path) == start


def test_amounts_are_written_as_people_write_them(told, start):
    assert told["day"] == 4
    assert told["dollars"]["operations_usd"] == "1216"
    assert told["tokens"]["market_token"] == (
        f"{start.tokens.market // 10**6}.{start.tokens.market % 10**6:06}".rstrip("0")
    )
    assert told["suppliers"]["training"]["inclination"] == "8"


def test_numbers_of_a_file_may_be_written_as_numbers(told, start):
    told["dollars"]["operations_usd"] = 1216
    assert start_from(told) == start


@pytest.mark.parametrize(
    ("path", "value", "code", "says"),
    [
        ("day", -1, "out_of_bounds", "day is -1; it must be between 0 and"),
        ("day", "x", "wrong_type", "day is x; it must be a whole number"),
        ("day", "1.5", "wrong_type", "a whole number"),
        ("day", True, "wrong_type", "day is True"),
        ("price_usd", "NaN", "wrong_type", "at most 18 decimals"),
        ("tokens.market_token", "1.0000001", "wrong_type", "at most 6 decimals"),
        ("tokens.market_token", "9" * 70, "out_of_bounds", "between 0 and 1000000000"),
        ("tokens.funds_token", [], "wrong_type", "must be an object"),
        ("projects.demo.phase", 3, "out_of_bounds", "between 1 and 2"),
        ("projects.demo.phase", 0, "out_of_bounds", "between 1 and 2"),
        ("refilling", 1, "wrong_type", "true or false"),
        ("past_income_usd", "1", "wrong_type", "must be a list"),
        ("past_income_usd", [None], "wrong_type", "past_income_usd is None"),
        ("suppliers.training.inclination", "9", "inconsistent", "less than one more"),
        ("suppliers.training.inclination", "7.9", "inconsistent", "inclination is 7.9"),
        ("tokens", None, "wrong_type", "tokens is None; it must be an object"),
        ("more", 1, "unknown_key", "there is no more; did you mean"),
        ("version", 2, "unreadable", "of version 2 and this program reads version 1"),
        ("format", "x", "unreadable", "no start of a simulation"),
    ],
)
def test_fault_of_a_file_is_told_in_one_sentence(
    told, tmp_path, path, value, code, says
):
    *above, last = path.split(".")
    table = told
    for each in above:
        table = table[each]
    table[last] = value
    file = tmp_path / "start.json"
    file.write_text(json.dumps(told), "utf-8")

    with pytest.raises(Refusal) as refusal:
        read_start(file)
    assert refusal.value.code == code
    assert str(refusal.value).startswith(f"{file}: ")
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize("path", ["day", "tokens.bonds_token", "pools.platform.theta"])
def test_what_is_missing_is_named(told, path):
    *above, last = path.split(".")
    table = told
    for each in above:
        table = table[each]
    del table[last]

    with pytest.raises(Inconsistent, match=f"there is no {path}; make one with"):
        start_from(told)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"format": "coopera', "\xff", "[" * 9999]
)
def test_what_is_no_start_is_refused(tmp_path, text):
    file = tmp_path / "start.json"
    file.write_bytes(text.encode("latin-1"))

    with pytest.raises(Unreadable, match=str(file)):
        read_start(file)


def test_file_that_is_not_there_is_refused(tmp_path):
    with pytest.raises(Unreadable, match="cannot be read: No such file"):
        read_start(tmp_path / "none.json")


# Settings that fit


@pytest.mark.parametrize(
    "over",
    [
        {"buyback": {"buyback_rate": 1}},
        {"emission": {"phase2_modulation": "0.5", "phase2_demand_days": 3}},
        {"onboarding": {"onboarding_window_days": 2}},
        {"onboarding": {"onboarding_window_days": 90}},
        {"pricing": {"supply_basis": "circulating"}},
        {"projects": {"demo": {"targets": {"training": 9}}}},
    ],
)
def test_votes_can_be_tried(start, over):
    points = design(merged(MINIMAL, over), [{}], start=start)
    result = simulate(points, runs=3, seed=1)

    assert np.isfinite(result.paths[0]).all()
    tokens = ("circulating", "locked", "token_reserve", "burned", "funds")
    sums = sum(result.values(f"{name}_token") for name in tokens)
    assert np.allclose(sums, 1_000_000, rtol=1e-15)


@pytest.mark.parametrize(
    ("over", "says"),
    [
        ({"token": {"max_supply": 2_000_000}}, "max_supply is 2,000,000"),
        ({"emission": {"phase1_fraction": "0.5"}}, "Phase 2 pool platform"),
        ({"token": {"initial_token_reserve": 90_000}}, "Phase 2 pool platform"),
        ({"token": {"initial_circulating": 10}}, "in the fund business"),
        ({"token": {"vesting_cliff_days": 2}}, "in the fund advisors"),
        (
            {"payment_matrix": {"kinds": ["training", "inference", "x"]}},
            "supplier kinds",
        ),
        (
            {
                "projects": {"more": {"targets": {"training": 1}}},
                "emission": {"projects_max": 2},
            },
            "the start has the projects demo and the settings have demo, more",
        ),
        ({"emission": {"phase2_pool_scope": "project"}}, "Phase 2 pools platform"),
    ],
)
def test_settings_under_which_the_books_cannot_go_on_are_refused(start, over, says):
    with pytest.raises(Inconsistent) as refusal:
        read_scenario(merged(MINIMAL, over), start=start)
    assert says in str(refusal.value)
    assert "\n" not in str(refusal.value)


def test_longer_phase_1_than_there_are_tokens_for_is_refused():
    state, params = after_days(2)
    start = start_of(state, params)
    longer = merged(MINIMAL, {"emission": {"phase1_max_days": 60}})

    with pytest.raises(Inconsistent, match="phase1_max_days is 60: from day 2 on"):
        read_scenario(longer, start=start)
    assert read_scenario(MINIMAL, start=start).start == start


def test_key_that_nothing_has_is_refused(told):
    told["tokens"]["markets"] = "1"
    with pytest.raises(UnknownKey, match="did you mean market_token"):
        start_from(told)


def test_days_go_by_the_network(start):
    over = {"simulation": {"days": 5}}
    late = read_scenario(merged(MINIMAL, over), start=start)
    whole = read_scenario(MINIMAL)

    assert np.array_equal(late.demand_mean(), whole.demand_mean()[4:9])
    moved = replace(late, start=replace(start, day=400))
    assert moved.network_days.tolist() == [400, 401, 402, 403, 404]


def test_count_out_of_bounds_is_refused(told):
    told["suppliers"]["training"]["count"] = 10**10
    with pytest.raises(OutOfBounds, match=r"suppliers\.training\.count"):
        start_from(told)
