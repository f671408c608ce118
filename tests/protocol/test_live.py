"""The network closes its own day: by the rehearsed stages, to the last unit."""

from dataclasses import replace

import pytest
from tests.protocol.market import PRICE, Market, offer

from coopera.errors import EpochOutOfOrder, NotAllowed, WrongStage
from coopera.ledger import account
from coopera.params.chapters import BondDemand, SlashDestination
from coopera.protocol import live
from coopera.protocol.epoch import circulating_supply, locked_supply, token_reserve
from coopera.protocol.genesis import first_morning
from coopera.protocol.live import CloseDay, Payday, PayEarnings
from coopera.protocol.memory import MemoryState
from coopera.protocol.rehearsal import CloseEpoch, Sale, close_epoch
from coopera.protocol.state import Economy, Epoch
from coopera.protocol.supply import (
    CertifyResource,
    ClaimSeat,
    RetireResource,
    Seats,
    StakeCertificate,
)
from coopera.units import MICRO, MicroUsd

GPU_1, GPU_2 = "supplier:gpu-1", "supplier:gpu-2"
SENTIMENT = 100 * MICRO


@pytest.fixture
def paid(market):
    """Hold nothing back, so that pay is paid at once."""
    return holding_back(market, 0)


def holding_back(market, jobs):
    rules = replace(market.params.validation, held_back_jobs=jobs)
    return Market(replace(market.params, validation=rules), market.state)


def works(market, *names, first=0):
    """Bring a job to its pay for each of the resources."""
    for n, name in enumerate(names, first):
        market.orders(f"w{n}")
        market.delivers(name, job=f"w{n}")
        market.validates(job=f"w{n}")


def closes(market, day=0):
    """Close a day, and pay everybody."""
    market.do(CloseDay(day, SENTIMENT))
    for payday in market.state.records(Payday).values():
        while market.record(Payday, payday.id).due is not None:
            market.do(PayEarnings(payday.id))


def test_income_is_divided_as_the_rehearsal_divides_it(paid):
    works(paid, "t1", "t2", "t1")
    paid.do(CloseDay(0, SENTIMENT))

    # The same day of members that are only counted, at the same price of the token.
    params = paid.params
    nothing = Economy(day=0, suppliers=(), projects=(), pools=())
    empty = MemoryState({}, nothing, Epoch(day=-1))
    books = empty.after(first_morning(params, (0, 0), MicroUsd(1000 * MICRO)))
    sale = Sale("alice", "training", "demo", MicroUsd(PRICE), 3)
    command = CloseEpoch(0, (sale,), MicroUsd(SENTIMENT), (2, 1), (0, 0))
    rehearsed = books.after(close_epoch(books, params, command)).epoch()
    lived = paid.state.epoch()

    for name in ("income", "capital", "dollars", "earned", "jobs", "entered"):
        assert getattr(lived, name) == getattr(rehearsed, name), name
    assert paid.state.economy().past_income == (3 * PRICE,)


def test_pay_of_the_day_goes_to_who_worked_by_what_they_earned(paid):
    before = {owner: paid.held(f"{owner}:token") for owner in (GPU_1, GPU_2)}
    works(paid, "t1", "t2", "t1")
    closes(paid)

    epoch = paid.state.epoch()
    assert paid.held(f"{GPU_1}:usd") + paid.held(f"{GPU_2}:usd") == epoch.dollars
    assert paid.held(f"{GPU_1}:usd") == epoch.dollars * 2 // 3
    tokens = {owner: paid.held(f"{owner}:token") - before[owner] for owner in before}
    assert sum(tokens.values()) == epoch.bought
    assert abs(tokens[GPU_1] - 2 * tokens[GPU_2]) <= 2
    for path in ("income:demo:training", "suppliers:training:usd", "settlement:usd"):
        assert paid.held(path) == 0


def test_every_token_is_somewhere_at_every_moment(market):
    def total():
        funds = sum(
            held
            for path, held in market.state.balances().items()
            if path.startswith("fund:")
        )
        state = market.state
        kept = circulating_supply(state) + locked_supply(state) + token_reserve(state)
        return kept + funds + market.held("burned")

    works(market, "t1", "t2")
    assert total() == market.params.token.max_supply
    market.do(CloseDay(0, SENTIMENT))
    assert total() == market.params.token.max_supply
    for payday in market.state.records(Payday).values():
        market.do(PayEarnings(payday.id))
        assert total() == market.params.token.max_supply


def test_next_day_begins_before_everybody_is_paid(paid):
    works(paid, "t1")
    paid.do(CloseDay(0, SENTIMENT))
    works(paid, "t1", first=1)
    paid.do(CloseDay(1, SENTIMENT))

    for day in (1, 0):
        paid.do(PayEarnings(f"{day}:demo:training"))
    assert paid.held("suppliers:training:usd") == 0
    assert paid.track("t1").unpaid == ()


def test_payday_is_paid_in_parts_that_add_up(paid, monkeypatch):
    monkeypatch.setattr(live, "PAID_AT_ONCE", 1)
    works(paid, "t1", "t2")
    paid.do(CloseDay(0, SENTIMENT))
    name = "0:demo:training"

    paid.do(PayEarnings(name))
    assert paid.record(Payday, name).due is not None
    assert paid.held(f"{GPU_2}:usd") == 0
    paid.do(PayEarnings(name))
    assert paid.record(Payday, name).due is None
    paid.refuses(WrongStage, PayEarnings(name))
    assert paid.held("suppliers:training:usd") == 0
    assert paid.held("suppliers:training:token") == 0


def test_days_are_closed_once_and_in_order(market):
    market.refuses(EpochOutOfOrder, CloseDay(1))
    market.do(CloseDay(0))
    market.refuses(EpochOutOfOrder, CloseDay(0))
    market.do(CloseDay(1))


def test_day_of_registered_suppliers_is_not_closed_as_one_of_counted_ones(market):
    nobody = (0, 0)
    market.refuses(NotAllowed, CloseEpoch(0, (), MicroUsd(0), nobody, nobody))


def test_day_without_jobs_changes_no_account_of_a_member(market):
    before = market.held(f"{GPU_1}:token")
    closes(market)
    assert market.held(f"{GPU_1}:token") == before
    assert market.state.records(Payday) == {}


def test_pay_of_the_last_jobs_is_held_back_until_later_ones_went_well(market):
    market = holding_back(market, 2)
    works(market, "t1", "t1")
    closes(market, 0)
    dollars = market.held("escrow:heldback:usd")
    assert dollars == market.state.epoch().dollars > 0
    assert market.held(f"{GPU_1}:usd") == 0

    works(market, "t1", first=2)
    closes(market, 1)

    # Two of three jobs wait; the first one's half of its day is paid.
    assert market.held(f"{GPU_1}:usd") == dollars // 2
    assert [lot.units for lot in market.track("t1").lots] == [PRICE, PRICE]


def test_fraud_costs_the_pay_that_was_held_back_and_that_of_the_day(market):
    market = holding_back(market, 2)
    works(market, "t1", "t1")
    closes(market, 0)
    operations = market.held("reserve:usd:operations")
    held = market.held("escrow:heldback:usd")
    works(market, "t1", first=2)

    market.orders("bad")
    market.delivers("t1", job="bad")
    market.validates("bad", passed=False)
    assert market.held("escrow:heldback:usd") == 0
    assert market.held("reserve:usd:operations") == operations + held
    closes(market, 1)

    assert market.held(f"{GPU_1}:usd") == 0
    assert market.track("t1").lots == ()
    assert market.held("suppliers:training:usd") == 0


def test_who_retires_gets_what_was_held_back(market):
    works(market, "t1")
    closes(market)
    held = market.held("escrow:heldback:usd")
    assert held
    market.do(RetireResource("t1", GPU_1))

    assert market.held(f"{GPU_1}:usd") == held
    assert market.held("escrow:heldback:usd") == 0
    assert market.held("escrow:heldback:token") == 0


def test_who_retires_before_the_close_is_paid_all_the_same(market):
    works(market, "t1")
    market.do(RetireResource("t1", GPU_1))
    closes(market)

    assert market.held(f"{GPU_1}:usd") == market.state.epoch().dollars
    assert market.track("t1").lots == ()


def test_seats_of_phase_1_accrue_and_are_paid_in_phase_2(market):
    market.do(offer("seat"))
    market.do(CertifyResource("seat", "seen"))
    market.do(StakeCertificate("seat", GPU_1, "demo"))
    for day in range(3):
        closes(market, day)

    seats = market.record(Seats, "demo")
    locked = market.held("locked:phase1:demo")
    assert locked == seats.accrued > 0
    assert market.state.economy().projects[0].phase == 2
    before = market.held(f"{GPU_1}:token")
    market.do(ClaimSeat("seat", GPU_1), GPU_1)
    assert market.held(f"{GPU_1}:token") == before + locked
    assert market.held("locked:phase1:demo") == 0


def test_phase_2_emits_for_the_work_of_its_projects(paid):
    for day in range(3):
        closes(paid, day)
    before = paid.held(f"{GPU_1}:token")
    works(paid, "t1")
    closes(paid, 3)

    epoch = paid.state.epoch()
    assert epoch.emitted[0] > 0
    assert paid.held(f"{GPU_1}:token") - before == epoch.bought + epoch.emitted[0]


def test_fees_and_bonds_of_the_day_ask_for_tokens(market):
    works(market, "t1")
    closes(market, 0)
    assert market.state.economy().bonded_value == 0
    market.orders("open")
    market.accepts("t1", job="open")
    closes(market, 1)

    bonds = market.held("escrow:bonds")
    price = market.state.epoch().price
    assert market.state.economy().bonded_value == bonds * price // 10**18 > 0
    assert market.params.bonding.bond_demand == BondDemand.NET


def emptied(market, path):
    """Let nobody sell tokens, or operations have no dollars."""
    held = {**market.state.held}
    held[account("fund", "operations") if "token" in path else "market:usd"] += held[
        path
    ]
    held[path] = 0
    market.state = replace(market.state, held=held)


REWARD = 270_000
"""A fortieth of ten dollars, and the same for all work."""


def test_verdicts_are_paid_in_tokens_that_operations_buy(paid):
    works(paid, "t1")
    judges = [n for n in range(12) if paid.track(f"v{n}").unpaid]
    before = paid.held("reserve:usd:operations")
    closes(paid, 0)

    for n in judges:
        assert paid.held(f"supplier:val-{n}:token") == 30 * MICRO + REWARD
        assert paid.track(f"v{n}").unpaid == ()
    # Nothing of the day's income is spent otherwise here: three dollars are kept of it.
    cost = before + 3 * MICRO - paid.held("reserve:usd:operations")
    assert 3 * REWARD * 11 // 10 < cost < 3 * REWARD * 12 // 10


@pytest.mark.parametrize("empty", ["market:token", "reserve:usd:operations"])
def test_verdicts_that_cannot_be_paid_wait(paid, empty):
    works(paid, "t1")
    emptied(paid, empty)
    spending = replace(paid.params.payments, operations_fraction=0)
    paid.params = replace(paid.params, payments=spending)
    closes(paid, 0)
    judges = [n for n in range(12) if paid.track(f"v{n}").unpaid]
    assert len(judges) == 3

    held = {**paid.state.held}
    held["reserve:token:float"] = held.get("reserve:token:float", 0) + MICRO
    held["fund:operations"] -= MICRO
    paid.state = replace(paid.state, held=held)
    closes(paid, 1)

    for n in judges:
        assert paid.held(f"supplier:val-{n}:token") == 30 * MICRO + REWARD
        assert paid.track(f"v{n}").unpaid == ()


def test_lost_bonds_are_shared_by_the_validators_of_the_day_once(paid):
    bonding = replace(
        paid.params.bonding, slash_destination=SlashDestination.VALIDATORS
    )
    paid.params = replace(paid.params, bonding=bonding)
    paid.orders("bad")
    paid.delivers(job="bad")
    paid.validates("bad", passed=False)
    lost = paid.held("validators:token")
    paid.do(CloseDay(0, SENTIMENT))
    # Another day is closed before anybody is paid for the first one.
    works(paid, "t2")
    paid.do(CloseDay(1, SENTIMENT))
    shares = [
        each.token
        for each in paid.state.records(Payday).values()
        if each.id.endswith(":-:validator")
    ]
    assert (lost, shares) == (5 * MICRO, [lost, 0])
    for payday in paid.state.records(Payday).values():
        while paid.record(Payday, payday.id).due is not None:
            paid.do(PayEarnings(payday.id))
    assert paid.held("validators:token") == 0
