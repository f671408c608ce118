"""Royalties where numbers are as large or small as they may be, and where people are
in two places at once."""

from dataclasses import replace
from itertools import pairwise

import pytest
from tests.protocol.conftest import IN_ORDER
from tests.protocol.training import (
    CREATOR,
    GIVERS,
    NODES,
    SALT,
    TARGET,
    TRANSCRIPT,
    Royal,
    digest,
    royal,
)

from coopera.errors import (
    AmountTooLarge,
    InsufficientBalance,
    Malformed,
    NotAsCommitted,
    WrongStage,
)
from coopera.formulas.royalty import compute_pool, released_units
from coopera.params.chapters import DataShare
from coopera.protocol.data import (
    AuditData,
    CommitHistogram,
    DataSet,
    DeclareRows,
    OfferData,
    RegisterData,
    histogram_digest,
)
from coopera.protocol.money import Deposit, OpenAccounts
from coopera.protocol.royalties import VALUES_MAX
from coopera.protocol.state import Diff
from coopera.protocol.training import (
    CELLS_MAX,
    NODES_MAX,
    ROWS_MAX,
    VALUE_MAX,
    AggregateRound,
    ChallengeRound,
    FinishTraining,
    ResolveChallenge,
    Round,
    RoundStage,
    SelectNodes,
    ShareRound,
    StartRound,
    target_digest,
)
from coopera.protocol.vaults import CollectRevenue, MoveUnits, PayRoyalty
from coopera.units import AMOUNT_MAX, MICRO, WAD, MicroUnit, Wad

DAN, ELI, FAY = GIVERS
READY = royal(IN_ORDER)


@pytest.fixture
def world():
    return Royal(READY.params, READY.state)


def inject(world, *records):
    """Put records into the books that would take a million commands to make."""
    world.state = world.state.after(Diff(records=records))


def give_many(world, name, counts, giver, training):
    """Give data of as many rows as nobody could declare in a test."""
    world.register(name, (1, 0, 0, 0), giver, training, rows=range(1))
    data = world.state.record(DataSet, name)
    committed = histogram_digest(name, SALT, counts)
    rows = sum(counts)
    large = replace(data, rows=rows, histogram=committed, checked=1, valid=1)
    inject(world, large)
    world.do(OfferData(name, giver, 1, counts, SALT), giver)


@pytest.mark.parametrize("rule", list(DataShare))
def test_a_billion_rows_in_all_cells_there_may_be(world, rule):
    world.set(data_share=rule, min_class_mass=WAD // 10_000)
    with pytest.raises(Malformed):
        world.begin("wide", cells=CELLS_MAX + 1)
    world.begin("wide", cells=CELLS_MAX)
    target = (ROWS_MAX - CELLS_MAX + 1, *(1,) * (CELLS_MAX - 1))
    world.do(
        StartRound("wide", CREATOR, 1, target_digest("wide", 1, SALT, target)), CREATOR
    )
    spread = (ROWS_MAX // 2 - CELLS_MAX, *(1,) * (CELLS_MAX - 1))
    one = (0,) * (CELLS_MAX - 1) + (ROWS_MAX // 2,)
    give_many(world, "d1", spread, DAN, "wide")
    give_many(world, "d2", one, ELI, "wide")
    with pytest.raises(Malformed):
        give_many(world, "d3", (2, *(0,) * (CELLS_MAX - 1)), FAY, "wide")
    world.do(SelectNodes("wide", CREATOR, 1, NODES), CREATOR)
    world.work(name="wide")
    values = (("d1", VALUE_MAX), ("d2", -VALUE_MAX))
    world.do(
        AggregateRound(
            *("wide", CREATOR, 1, target, SALT, TRANSCRIPT),
            values if rule is DataShare.SHAPLEY else (),
        ),
        CREATOR,
    )
    world.share(name="wide")

    data = released_units(MicroUnit(30_000_000 * MICRO), Wad(WAD // 20), 1)
    got = [world.units(giver, "wide") for giver in GIVERS]
    assert sum(got) == world.round(name="wide").data_units == data
    assert got[0] > 0 == got[2]


def test_as_many_nodes_as_there_may_be_worth_as_much_as_may_be(world):
    many = [f"supplier:n{n}" for n in range(NODES_MAX + 1)]
    for each in many:
        world.do(OpenAccounts(each))
    world.start(nodes=())
    for nodes in (many, (*many[:3], many[0])):
        world.refuses(Malformed, SelectNodes("digits", CREATOR, 1, tuple(nodes)))
    nodes = tuple(many[:-1])
    world.do(SelectNodes("digits", CREATOR, 1, nodes), CREATOR)
    world.work(nodes=nodes, samples=AMOUNT_MAX)
    values = tuple((each, VALUE_MAX - n) for n, each in enumerate(nodes))
    world.aggregate(values=values)
    world.share()

    got = [world.units(each) for each in nodes]
    assert sum(got) == world.round().compute_units
    assert all(more + 1 >= less for more, less in pairwise(got))


def test_no_more_is_measured_than_there_may_be(world):
    world.start()
    world.work()
    values = tuple((f"d{n}", 1) for n in range(VALUES_MAX + 1))
    refused = world.refuses(
        Malformed,
        AggregateRound("digits", CREATOR, 1, TARGET, SALT, TRANSCRIPT, values),
    )

    assert "1001 values are given" in str(refused)


@pytest.mark.parametrize("units", [1, 10**9])
@pytest.mark.parametrize("fraction", [0, 1, WAD // 3, WAD])
def test_vaults_of_any_size_and_division(world, units, fraction):
    world.set(royalty_units=units, compute_fraction=fraction)
    world.begin("odd", rounds=3)
    for number in (1, 2, 3):
        counts = (60 * number, 30 * number, 9 * number, number)
        world.play(number, "odd", given={DAN: counts})

    supply = MicroUnit(units * MICRO)
    assert world.held("vault:odd:issued") == -supply
    compute = sum(world.units(each, "odd") for each in NODES)
    assert compute == compute_pool(supply, Wad(fraction))
    assert world.units(DAN, "odd") == supply - compute
    world.earn(1, "odd")
    world.do(FinishTraining("odd", CREATOR), CREATOR)
    assert sum(world.earned(each, "odd") for each in (*NODES, DAN)) >= MICRO - 4


def test_all_the_money_there_may_be_goes_through_one_vault(world):
    """Also where hardly any units were issued, so that the index is at its highest."""
    world.set(royalty_units=10**9, lambda_data=Wad(10**12))
    world.begin("rich")
    world.start(name="rich")
    world.give("d1", (1, 0, 0, 0), training="rich")
    world.aggregate(name="rich")
    world.share(name="rich")
    have = world.units(DAN, "rich")
    assert 0 < have < AMOUNT_MAX // 1000
    left = AMOUNT_MAX + world.held("market:usd")
    world.do(Deposit(f"{CREATOR}:usd", "usd", left, "all"))
    world.refuses(AmountTooLarge, Deposit(f"{DAN}:usd", "usd", 1, "more"))
    paid = world.held(f"{CREATOR}:usd")
    world.do(PayRoyalty("rich", f"{CREATOR}:usd", "usd", paid), CREATOR)
    world.do(CollectRevenue("rich"))
    assert world.earned(DAN, "rich") == paid * have // AMOUNT_MAX
    world.do(FinishTraining("rich", CREATOR), CREATOR)
    world.do(MoveUnits("rich", DAN, ELI, have - 1), DAN)
    before = world.earned(DAN, "rich")

    assert paid - 1 <= before <= paid
    world.refuses(InsufficientBalance, MoveUnits("rich", DAN, ELI, 2))


def test_who_computes_and_gives_data_is_paid_for_both_apart(world):
    for owner in ("contributor:gpu-1", "contributor:ann"):
        world.do(OpenAccounts(owner))
    world.play(given={"contributor:gpu-1": TARGET, "contributor:ann": (30, 15, 5, 0)})

    round_ = world.round()
    assert world.units(NODES[0]) > 0
    data = [world.units(f"contributor:{name}") for name in ("gpu-1", "ann")]
    assert sum(data) == round_.data_units
    assert sum(map(world.units, NODES)) == round_.compute_units


def test_a_commitment_is_good_in_one_place_alone(world):
    """Neither for another training, nor another round, nor other data."""
    world.begin("other")
    target = target_digest("digits", 1, SALT, TARGET)
    world.do(StartRound("other", CREATOR, 1, target), CREATOR)
    world.do(SelectNodes("other", CREATOR, 1, NODES), CREATOR)
    revealed = AggregateRound("other", CREATOR, 1, TARGET, SALT, TRANSCRIPT)
    world.refuses(NotAsCommitted, revealed)
    world.play(1)
    world.do(StartRound("digits", CREATOR, 2, target), CREATOR)
    world.do(SelectNodes("digits", CREATOR, 2, NODES), CREATOR)
    world.refuses(NotAsCommitted, replace(revealed, training="digits", number=2))
    # A copy of what somebody else has committed to cannot be opened.
    world.register("d1", (1, 2, 3, 4))
    stolen = world.state.record(DataSet, "d1").histogram
    registering = RegisterData(
        *("d2", "digits", ELI, digest("d2"), "3" * 64, f"0x{digest('d2')}", "4" * 64)
    )
    world.do(registering, ELI)
    world.do(DeclareRows("d2", ELI, tuple(digest(n) for n in range(10))), ELI)
    world.do(CommitHistogram("d2", ELI, stolen), ELI)
    world.do(AuditData("d2", 10, 10))
    world.refuses(NotAsCommitted, OfferData("d2", ELI, 2, (1, 2, 3, 4), SALT))


def test_data_is_in_one_round_alone(world):
    world.start()
    world.give("d0", (60, 30, 9, 1))
    world.work()
    world.aggregate()
    world.share()
    world.start(2)
    for number in (1, 2):
        again = OfferData("d0", DAN, number, (60, 30, 9, 1), SALT)
        world.refuses(WrongStage, again)
    world.begin("other")
    world.start(name="other")
    world.refuses(WrongStage, OfferData("d0", DAN, 1, (60, 30, 9, 1), SALT))


def test_a_round_that_is_finished_stays_as_it_is(world):
    world.play(given={DAN: (60, 30, 9, 1)})
    before = world.state.records(Round)
    for command in (
        ShareRound("digits", 1),
        ChallengeRound("digits", 1, ELI, digest("late")),
        ResolveChallenge("digits", 1, upheld=True),
        AggregateRound("digits", CREATOR, 1, TARGET, SALT, TRANSCRIPT),
        SelectNodes("digits", CREATOR, 1, NODES),
    ):
        world.refuses(WrongStage, command)
    assert world.state.records(Round) == before
    assert world.round().stage is RoundStage.FINISHED
