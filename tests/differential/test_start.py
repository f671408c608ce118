"""
A simulation that starts from the books goes on as the books and the simulator do.

What 2N days bring in one go, N days bring on the exact books, and N more from where
these stand. Money agrees within two micro-units and the price within one part in
10**11, as in lockstep.
"""

from dataclasses import replace
from itertools import chain

import numpy as np
import pytest
from tests.accounting.conftest import START, story
from tests.differential.test_epoch import MICRO_UNITS_APART, PRICE_APART, VARIANTS

from coopera.ledger import account
from coopera.params.document import preset
from coopera.protocol.books import OpenBooks, read_settings
from coopera.protocol.commands import OPERATOR, execute
from coopera.protocol.memory import MemoryState
from coopera.protocol.orders import Earning
from coopera.protocol.state import Economy, Epoch
from coopera.protocol.supply import RESOURCES, Roll, Track
from coopera.sim import engine, launch, layout
from coopera.sim.layout import LANES
from coopera.sim.lockstep import replay
from coopera.sim.run import Keep, simulate
from coopera.sim.start import books_of, start_of
from coopera.sim.start_file import start_json
from coopera.sim.sweep import design
from coopera.units import MICRO, WAD, Wad

PAPER = preset("paper").tables
MINIMAL = preset("minimal").tables

MOVING = {
    "consumers.inference.hosted_inference.growth": "logistic",
    "consumers.inference.hosted_inference.ceiling": 900,
    "consumers.inference.hosted_inference.midpoint_day": 40,
    "consumers.raw_compute.gpu_rental.season_amplitude": "0.5",
    "consumers.raw_compute.gpu_rental.season_peak_day": 3,
    "shocks.glut.day": 5,
    "shocks.glut.days": 40,
    "shocks.glut.factor": "0.5",
    "shocks.fear.target": "sentiment",
    "shocks.fear.day": 6,
    "shocks.fear.days": 70,
    "shocks.fear.factor": "0.25",
}
"""Everything that goes by the day of the network."""

REFILLING = {
    "reserve_floor_fraction": "0.399",
    "reserve_target_fraction": "0.45",
    "max_daily_buyback_usd": 30_000,
}

ALL = VARIANTS | {
    "everything moves": MOVING,
    "the reserve is refilled": REFILLING,
    "the price moves little a day": {"price_change_max": "0.01"},
}

OF_PEOPLE = ("kind_inclination", "kind_earnings")
"""Rows of participants, which no books hold to the last unit."""

STATE = (
    *("CIRCULATING", "FREE_RESERVE", "BONDED", "BONDED_VALUE", "OPERATIONS"),
    *("CARRIED_CAPITAL", "VALIDATORS_OWED", "BURNED", "FUNDS", "REFILLING", "CUSTODY"),
    *("SET_ASIDE", "WAITING_TAXES", "WAITING_CAPITAL", "WINDOW_INCOME"),
    *("WINDOW_EXITS", "SUPPLIERS", "PRICE"),
)
"""Single rows that one day hands to the next."""

STATES = (
    *("kind_suppliers", "project_phase1", "project_locked", "project_phase"),
    *("project_filled", "pool_theta", "pool_minted", "past_income", "past_exits"),
    "past_project_income",
)
"""Rows that come in numbers and do so too."""


def run(tables, settings, days, *, start=None, runs=1, seed=20):
    over = {**settings, "simulation.days": days}
    points = design(tables, [over], wash_trading=True, start=start)
    return simulate(points, runs=runs, seed=seed, keep=Keep.PATHS)


def quiet(settings):
    return {**settings, "noise_scale": 0, "sentiment.volatility_per_day": 0}


def rows_after(scenario, days, seed=20):
    """Every row of a block after some days, in the first world."""
    economy = launch.economy(scenario)
    kept = np.arange(0, economy.rows.end, LANES)
    paths = np.empty((1, days, len(kept), LANES))
    parameters = launch.world_parameters(scenario)
    engine.run_paths(economy, parameters, seed, 0, 0, kept, paths)
    return paths[0, -1, :, 0]


def from_the_books(tables, settings, days, *, seed=20, world=0, runs=1):
    """Start where the exact books stand after some days of a world."""
    result = run(tables, settings, days, runs=runs, seed=seed)
    lockstep = replay(result, world)
    scenario = result.points[0].scenario
    return start_of(lockstep.state, scenario.params), scenario, lockstep.state


def leaning(start, scenario, rows):
    """Give suppliers the inclinations that they had; books count whole suppliers."""
    first = launch.economy(scenario).rows.kind_inclination // LANES
    kinds = scenario.params.matrix.kinds
    suppliers = {
        kind: replace(
            start.suppliers[kind],
            inclination=Wad(int(float(rows[first + i]) * 2**64) * WAD >> 64),
        )
        for i, kind in enumerate(kinds)
    }
    return replace(start, suppliers=suppliers)


def assert_alike(result, other, days=slice(None)):
    """Compare what two runs have in common, as lockstep does."""
    for each in result.variables:
        ours = result.values(each.name)[0][days] * each.scale
        theirs = other.values(each.name)[0] * each.scale
        if each.scale == 1:
            assert np.allclose(ours, theirs, rtol=PRICE_APART, atol=0), each.name
        elif each.name.startswith("earnings_usd"):
            assert np.allclose(ours, theirs, rtol=PRICE_APART, atol=4), each.name
        else:
            apart = np.abs(np.round(ours) - np.round(theirs)).max()
            assert apart <= MICRO_UNITS_APART, (each.name, apart)


@pytest.mark.parametrize("settings", ALL.values(), ids=ALL.keys())
@pytest.mark.parametrize("days", [7, 30, 64])
def test_twice_as_many_days_are_the_same_days_on_the_books_and_after(settings, days):
    settings = quiet(settings)
    whole = run(PAPER, settings, 2 * days)
    start, scenario, _ = from_the_books(PAPER, settings, days)
    start = leaning(start, scenario, rows_after(scenario, days))

    rest = run(PAPER, settings, days, start=start)

    assert rest.points[0].scenario.start.day == days
    assert_alike(whole, rest, slice(days, None))


@pytest.mark.parametrize("days", [1, 2, 3, 4, 6])
def test_small_world_goes_on_to_the_last_unit(days):
    settings = quiet({})
    whole = run(MINIMAL, settings, 2 * days)
    start, _, _ = from_the_books(MINIMAL, settings, days)

    rest = run(MINIMAL, settings, days, start=start)

    for each in whole.variables:
        ours, theirs = whole.values(each.name)[0][days:], rest.values(each.name)[0]
        if each.scale == 1:
            assert np.allclose(ours, theirs, rtol=PRICE_APART, atol=0), each.name
        elif not each.name.startswith("earnings_usd"):
            assert np.array_equal(ours, theirs), each.name


@pytest.mark.parametrize("settings", ALL.values(), ids=ALL.keys())
@pytest.mark.parametrize("days", [1, 31, 50])
def test_block_starts_as_the_simulator_left_it(settings, days):
    start, scenario, _ = from_the_books(PAPER, settings, days)
    rows = rows_after(scenario, days)
    scenario = replace(scenario, start=start)
    economy = launch.economy(scenario)

    def close(row, name):
        ours, theirs = economy.start[row], rows[row]
        # Amounts are at most lockstep's two units apart; nothing else is.
        amount = max(ours, theirs) >= MICRO
        atol = MICRO_UNITS_APART if amount else 0
        assert np.isclose(ours, theirs, rtol=PRICE_APART, atol=atol), (name, theirs)

    for name in STATE:
        close(getattr(layout, name) // LANES, name)
    starts = economy.rows._asdict()
    ends = [*starts.values()][1:]
    for (name, first), end in zip(starts.items(), ends, strict=False):
        if name in STATES:
            for row in range(first // LANES, end // LANES):
                close(row, name)
    # An emission is cut from a curve, and a share of it is no whole number.
    first, last = (
        starts[name] // LANES for name in ("kind_earnings", "kind_suppliers")
    )
    assert np.allclose(economy.start[first:last], rows[first:last], rtol=1e-9, atol=9)


@pytest.mark.parametrize("settings", ALL.values(), ids=ALL.keys())
def test_forecast_agrees_with_the_books_that_it_starts_from(settings):
    start, _, books = from_the_books(PAPER, settings, 25, runs=3, world=2)
    result = run(PAPER, settings, 90, start=start, runs=4, seed=7)

    for world, these in ((0, None), (3, None), (3, books)):
        lockstep = replay(result, world, books=these)

        assert max(lockstep.apart.values()) <= MICRO_UNITS_APART, lockstep.apart
        assert lockstep.price_apart <= PRICE_APART
        assert lockstep.state.economy().day == 115


def test_variants_stand_where_something_has_happened():
    """Days on which the tests start have every flag and amount that there is."""
    reserve = "the reserve is refilled"
    starts = {
        name: from_the_books(PAPER, ALL[name], days)[0]
        for name, days in {
            reserve: 50,
            "as the paper has it": 31,
            "two projects with a curve each": 50,
            "suppliers come and go": 31,
            "everything must be reached, bonds are burned": 50,
            "demand ends phase 1, funds vest early, validators get the bonds": 31,
        }.items()
    }
    assert starts[reserve].refilling
    # It is on its way: nothing but the flag says so.
    assert starts[reserve].token_reserve > 2_000_000_000000 * 0.399
    assert {
        project.phase
        for start in starts.values()
        for project in start.projects.values()
    } == {1, 2}
    assert any(each.tokens.burned for each in starts.values())
    assert any(each.tokens.bonds for each in starts.values())
    assert any(sum(each.past_exits) for each in starts.values())
    funds = {sum(each.tokens.funds.values()) for each in starts.values()}
    assert len(funds) > 1


@pytest.mark.parametrize(
    ("path", "left"),
    [
        ("holder:hal:token", 10),
        ("holder:hal:token", 100_000),
        ("escrow:withdrawals:token", 10),
        ("escrow:heldback:token", 100_000),
        ("locked:agent:writer", 10),
    ],
)
def test_tokens_that_are_not_for_sale_are_not_sold(path, left):
    """With next to nothing for sale, a purchase takes all, and the rest waits."""
    _, scenario, state = from_the_books(PAPER, {}, 40)
    params, market = scenario.params, account("market", "token")
    moved = state.balance(market) - left * MICRO
    to = account(*path.split(":"))
    state = replace(state, held={**state.held, market: left * MICRO, to: moved})
    start = start_of(state, params)
    result = run(PAPER, {}, 20, start=start, runs=3)

    for books in (None, state):
        lockstep = replay(result, 2, books=books)
        assert max(lockstep.apart.values()) <= MICRO_UNITS_APART, lockstep.apart
        assert lockstep.price_apart <= PRICE_APART
    assert (result.values("bought_token")[:, 0] <= left).all()


@pytest.mark.parametrize("days", [5, 20])
def test_sentiment_that_moves_goes_on_from_where_the_books_saw_it(days):
    fear = {name: value for name, value in MOVING.items() if "fear" in name}
    settings = quiet({"sentiment.start_usd_per_day": 4000, **fear})
    whole = run(PAPER, settings, 2 * days).values("sentiment_usd")[0][days:]
    start, _, _ = from_the_books(PAPER, settings, days)

    rest = run(PAPER, settings, days, start=start).values("sentiment_usd")[0]

    # The books know whole micro-dollars of it.
    assert np.allclose(rest, whole, rtol=0, atol=5e-6)
    assert len(set(rest)) == days


def test_constant_sentiment_is_what_the_scenario_says():
    start, _, _ = from_the_books(MINIMAL, {}, 4)
    over = {"sentiment.start_usd_per_day": 70}

    rest = run(MINIMAL, over, 3, start=start).values("sentiment_usd")

    assert set(rest[0]) == {70}


# From a market with members of its own


def lived():
    """The books after each command of a story in which every command is given."""
    params = None
    state = MemoryState({}, Economy(0, (), (), ()), Epoch(-1))
    for second, command in enumerate(story(), 1):
        state = replace(state, now_=START + second * 10**6)
        diff = execute(state, params, OPERATOR, command)
        state = state.after(diff)
        if isinstance(command, OpenBooks):
            params = read_settings(command.tables)
        yield type(command).__name__, state, params


@pytest.fixture(scope="module")
def story_of_books():
    return list(lived())


def amounts(told, name=""):
    """Every amount of a start, by name."""
    if isinstance(told, dict):
        return chain.from_iterable(amounts(v, f"{name}.{k}") for k, v in told.items())
    if isinstance(told, list):
        return chain.from_iterable(amounts(v, name) for v in told)
    return [(name, told)]


def test_every_token_and_dollar_is_in_one_field_at_every_moment(story_of_books):
    seen = set()
    for _, state, params in story_of_books:
        start = start_of(state, params)
        outside = -state.balance(account("market", "usd"))

        assert start.all_tokens == params.token.max_supply
        assert start.all_dollars == outside
        told = amounts(start_json(start))
        seen |= {name for name, amount in told if amount not in (0, "0", False)}

    fields = {name.rpartition(".")[2] for name in seen}
    # Nothing of the story burns, empties the reserve, or is paid for in Phase 2.
    never = {"burned_token", "refilling", "theta", "minted_token"}
    never |= {"unassigned_reserve_token", "carried_capital_usd"}
    last = start_of(*story_of_books[-1][1:])
    every = {name.rpartition(".")[2] for name, _ in amounts(start_json(last))}
    assert every - fields == never


def test_members_money_is_where_its_name_says(story_of_books):
    _, state, params = next(
        each for each in reversed(story_of_books) if each[0] == "ConcludeAudit"
    )
    start = start_of(state, params)
    held = state.balances()

    def of(*ends):
        return sum(
            amount
            for path, amount in held.items()
            if path.endswith(ends) and path.split(":")[0] not in ("market", "reserve")
        )

    assert start.dollars.credit == of(":credit", ":grant") - held["escrow:credit"]
    assert start.dollars.reserved == held["escrow:credit"] + held["escrow:jobs"]
    assert start.dollars.open_income == held["income:demo:training"]
    owners = ("supplier:", "creator:", "holder:", "contributor:")
    custody = sum(
        amount
        for path, amount in held.items()
        if path.startswith(owners) and path.endswith(":token")
    )
    assert start.tokens.custody == custody + held["escrow:withdrawals:token"]


def test_suppliers_of_the_open_day_are_counted(story_of_books):
    names = [name for name, _, _ in story_of_books]
    _, state, params = story_of_books[names.index("RetireResource")]
    before = state.economy().suppliers
    start = start_of(state, params)

    # Two trainers came, and one of them went again; validators are of no kind.
    assert start.suppliers["training"].count == before[0] + 1
    assert start.suppliers["inference"].count == before[1]
    assert start.projects["demo"].filled == 1


def test_validators_are_owed_what_they_were_not_paid(story_of_books):
    names = [name for name, _, _ in story_of_books]
    for at, some in (
        (names.index("RevealCanary"), True),
        (names.index("PayEarnings"), True),
        (-1, False),
    ):
        _, state, params = story_of_books[at]
        waiting = [
            state.record(Earning, name).units
            for track in state.records(Track).values()
            for name in track.unpaid
            if ":-:validator:" in name
        ]
        owed = start_of(state, params).validators_owed

        assert (sum(waiting) > 0) is some
        assert owed == state.economy().validators_owed + sum(waiting)


MOMENTS = ("CloseEpoch", "CallAgent", "PayLaunchpad", "ConcludeAudit", "last")


@pytest.mark.parametrize("moment", MOMENTS)
def test_forecast_of_a_market_agrees_with_its_books(story_of_books, moment):
    names = [name for name, _, _ in story_of_books]
    at = len(names) - 1 if moment == "last" else names.index(moment)
    _, state, params = story_of_books[at]
    start = start_of(state, params)
    result = run(MINIMAL, {"initial_circulating": 20000}, 30, start=start, runs=4)

    # The story's members, of whom only the number counts from here on.
    counted = {
        key: record
        for key, record in state.records_.items()
        if key != (Roll, RESOURCES)
    }
    economy = replace(
        state.economy(),
        suppliers=books_of(start, params).economy().suppliers,
        validators_owed=start.validators_owed,
        projects=books_of(start, params).economy().projects,
    )
    theirs = replace(state, records_=counted, economy_=economy)
    for books in (None, theirs):
        for world in range(4):
            lockstep = replay(result, world, books=books)
            assert max(lockstep.apart.values()) <= MICRO_UNITS_APART, lockstep.apart
            assert lockstep.price_apart <= PRICE_APART
