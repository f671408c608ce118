"""Units go to those who did the work of a round, and none to anybody else."""

import pytest
from tests.protocol.conftest import IN_ORDER
from tests.protocol.training import (
    CREATOR,
    GIVERS,
    HOLDERS,
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
    Malformed,
    NegativeAmount,
    NotAllowed,
    NotAsCommitted,
    RoundOutOfOrder,
    TooEarly,
    TooLate,
    WrongStage,
)
from coopera.formulas.contribution import (
    best_reduction,
    cell_prices,
    data_value,
    divergence_reduction,
    target_distribution,
)
from coopera.formulas.royalty import released_units
from coopera.params.chapters import ComputeSplit, DataShare, EmptySide
from coopera.protocol.data import AuditData, OfferData
from coopera.protocol.training import (
    AbandonRound,
    AggregateRound,
    ChallengeRound,
    FinishTraining,
    FinishWork,
    ResolveChallenge,
    RoundStage,
    ShareRound,
    StartRound,
    VerifyWork,
)
from coopera.units import MICRO, WAD, MicroUnit, Wad

COMPUTE, DATA = 70_000_000 * MICRO, 30_000_000 * MICRO
READY = royal(IN_ORDER)
FIRST = {GIVERS[0]: (60, 30, 9, 1), GIVERS[1]: (30, 15, 5, 0)}


def of_compute(rounds):
    return released_units(MicroUnit(COMPUTE), Wad(WAD // 100), rounds)


def of_data(rounds):
    return released_units(MicroUnit(DATA), Wad(WAD // 20), rounds)


@pytest.fixture
def world():
    return Royal(READY.params, READY.state)


def test_units_of_a_vault_are_made_once_7_to_3(world):
    assert world.held("vault:digits:compute") == COMPUTE
    assert world.held("vault:digits:data") == DATA
    assert world.held("vault:digits:issued") == -COMPUTE - DATA


def test_a_round_pays_both_sides_what_it_releases(world):
    world.play(given=FIRST)

    compute = of_compute(1)
    data = of_data(1)
    assert sum(map(world.units, NODES)) == compute == world.round().compute_units
    assert sum(map(world.units, GIVERS)) == data == world.round().data_units
    assert world.round().stage is RoundStage.FINISHED


def test_data_is_paid_by_how_far_it_brings_the_pool_to_the_target(world):
    world.play(given=FIRST)

    masses = target_distribution(TARGET, world.params.royalty.min_class_mass)
    counts = tuple(map(sum, zip(*FIRST.values(), strict=True)))
    prices, _ = cell_prices(masses, (1, 1, 1, 1), counts)
    values = [data_value(each, prices) for each in FIRST.values()]
    whole = world.round().data_units
    for giver, value in zip(FIRST, values, strict=True):
        assert abs(world.units(giver) - whole * value / sum(values)) < 1
    assert world.training().pool == tuple(1 + each for each in counts)


@pytest.mark.parametrize(
    ("split", "weights"),
    [
        (ComputeSplit.EQUAL, (1, 1, 1)),
        (ComputeSplit.SAMPLES, (100, 100, 100)),
        (ComputeSplit.CONTRIBUTION, (6, 0, 3)),
    ],
)
def test_nodes_share_as_governance_says(world, split, weights):
    world.set(compute_split=split)
    world.play(values=((NODES[0], 6), (NODES[1], -5), (NODES[2], 3)))

    whole = world.round().compute_units
    for node, weight in zip(NODES, weights, strict=True):
        assert abs(world.units(node) - whole * weight / sum(weights)) <= 1


def test_the_node_of_an_encrypted_round_has_the_whole_slice(world):
    world.begin("secret", method="encrypted")
    world.start(name="secret", nodes=NODES[:1])
    world.work(name="secret", nodes=NODES[:1])
    world.aggregate(name="secret")
    world.share(name="secret")

    compute = of_compute(1)
    assert world.units(NODES[0], "secret") == compute


@pytest.mark.parametrize("rule", list(DataShare))
def test_every_rule_shares_all_of_the_slice(world, rule):
    world.set(data_share=rule)
    world.start()
    for n, (giver, counts) in enumerate(FIRST.items()):
        world.give(f"d{n}", counts, giver)
    world.work()
    values = (("d0", 7), ("d1", 3)) if rule is DataShare.SHAPLEY else ()
    world.aggregate(values=(*((node, 1) for node in NODES), *values))
    world.share()

    whole = of_data(1)
    got = [world.units(giver) for giver in FIRST]
    assert sum(got) == whole
    if rule is DataShare.EVEN:
        assert got[0] == got[1]
    elif rule is DataShare.SIZE:
        assert got[0] * 50 == pytest.approx(got[1] * 100, abs=100)
    elif rule is DataShare.SHAPLEY:
        assert got[0] * 3 == pytest.approx(got[1] * 7, abs=10)
    else:
        assert got[0] > got[1]


def test_junk_earns_nothing_and_stays_out_of_the_pool(world):
    world.play(given={**FIRST, GIVERS[2]: (25, 25, 25, 25)})

    assert world.units(GIVERS[2]) == 0
    assert world.training().pool == (91, 46, 15, 2)


def settled(world):
    """Play a round after which the pool is near its target, and lacks a little."""
    world.play(1, given={GIVERS[0]: (590, 310, 91, 9)})


def offered(world, number, *offers):
    """Play a round of such data sets."""
    world.start(number)
    for n, (giver, counts) in enumerate(offers):
        world.give(f"r{number}-{n}", counts, giver, number)
    world.work(number)
    world.aggregate(number)
    world.share(number)


MORE, LESS = (70, 20, 9, 1), (50, 40, 9, 1)
"""Rows with more of what the pool lacks a little of, and with less; both together
are as the target."""


def test_a_round_of_honest_rows_hands_out_the_slice_of_a_settled_pool(world):
    """Those alone that are worth something would lead the pool away."""
    settled(world)
    pool = world.training().pool
    offered(world, 2, *[(GIVERS[1], MORE), (GIVERS[2], LESS)] * 5)

    round_ = world.round(2)
    assert divergence_reduction(round_.masses, pool, [5 * n for n in MORE]) == 0
    assert round_.data_units == of_data(2) - of_data(1)
    assert world.units(GIVERS[1]) == round_.data_units
    assert world.units(GIVERS[2]) == 0
    assert round_.joined == (600, 300, 90, 10)
    assert world.training().pool == tuple(
        map(sum, zip(pool, round_.joined, strict=True))
    )


def test_what_a_pool_lacks_counts_as_far_as_it_helps(world):
    """Five such data sets are too many, and count for as many as are best."""
    settled(world)
    junk = (GIVERS[2], (0, 0, 200, 800))
    offered(world, 2, *[(GIVERS[1], MORE)] * 5, junk)

    round_ = world.round(2)
    joined = round_.masses, (591, 311, 92, 10), round_.joined
    assert round_.lacked == round_.joined == tuple(5 * n for n in MORE)
    assert divergence_reduction(*joined) == 0 < best_reduction(*joined)
    assert round_.data_units == of_data(2) - of_data(1)
    assert world.units(GIVERS[1]) == of_data(2) - of_data(1)


def test_honest_rows_join_the_pool_though_nobody_earns_by_them(world):
    settled(world)
    pool = world.training().pool
    offered(world, 2, (GIVERS[1], (57, 33, 9, 1)))

    assert world.units(GIVERS[1]) == world.round(2).data_units == 0
    assert world.training().pool == (648 + pool[0] - 591, *world.training().pool[1:])
    assert sum(world.training().pool) == sum(pool) + 100


def test_junk_stays_out_of_a_settled_pool_whatever_its_name(world):
    settled(world)
    pool = world.training().pool
    junk = [(GIVERS[1 + n % 2], (0, 0, 0, 50)) for n in range(4)]
    offered(world, 2, *junk, (GIVERS[1], (0, 0, 100, 100)))

    assert world.training().pool == pool
    assert world.round(2).data_units == 0


@pytest.mark.parametrize("rule", [DataShare.SIZE, DataShare.EVEN, DataShare.EXP_KL])
def test_by_other_rules_what_earns_joins_the_pool(world, rule):
    world.set(data_share=rule, kl_max=Wad(WAD))
    world.play(given={**FIRST, GIVERS[2]: (0, 0, 0, 50)})

    assert world.training().pool == (91, 46, 15, 2)
    assert world.round().data_units == of_data(1)


def test_data_too_far_from_the_target_earns_nothing(world):
    world.set(kl_max=WAD // 2)
    world.play(given={GIVERS[0]: FIRST[GIVERS[0]], GIVERS[1]: (0, 0, 0, 50)})

    assert world.units(GIVERS[1]) == 0


def test_slices_of_rounds_without_data_are_carried(world):
    world.play(1)
    world.play(2, given=FIRST)

    assert world.round(1).data_units == 0
    assert world.round(2).data_units == of_data(2)
    compute = of_compute(2)
    assert sum(map(world.units, NODES)) == compute


def test_empty_slices_go_to_the_other_side_where_governance_says_so(world):
    world.set(empty_side=EmptySide.OTHER_SIDE)
    world.play(1)
    one = of_compute(1) + of_data(1)
    assert sum(map(world.units, NODES)) == one
    world.play(2, given=FIRST, values=())
    two = of_compute(2) + of_data(2)
    assert sum(map(world.units, GIVERS)) == two - one


def test_little_that_is_new_does_not_empty_the_carried_slices(world):
    world.set(full_reduction=Wad(WAD))
    world.play(1, given=FIRST)
    before = world.units(GIVERS[2])
    world.play(2, given={GIVERS[2]: (1, 0, 0, 0)})

    drop = world.round(2)
    released = of_data(2) - of_data(1)
    assert 0 < world.units(GIVERS[2]) - before == drop.data_units < released


def test_splitting_data_among_names_brings_nothing(world):
    alone = Royal(world.params, world.state)
    alone.play(given={GIVERS[0]: (40, 30, 10, 2), GIVERS[2]: (20, 2, 0, 0)})
    world.play(
        given={
            GIVERS[0]: (20, 15, 5, 1),
            GIVERS[1]: (20, 15, 5, 1),
            GIVERS[2]: (20, 2, 0, 0),
        }
    )

    halves = world.units(GIVERS[0]) + world.units(GIVERS[1])
    assert abs(halves - alone.units(GIVERS[0])) <= 1


def test_many_offers_are_weighed_and_paid_part_by_part(world, monkeypatch):
    monkeypatch.setattr("coopera.protocol.training.PART", 2)
    monkeypatch.setattr("coopera.protocol.data.PART", 2)
    monkeypatch.setattr("coopera.protocol.royalties.PART", 2)
    world.start()
    for n in range(5):
        world.give(f"d{n}", (10 + n, 5, 2, 0), GIVERS[n % 3])
    world.work()
    world.aggregate()
    world.at(world.round().challenge_by)
    steps = 0
    while world.round().stage is not RoundStage.FINISHED:
        world.do(ShareRound("digits", 1))
        steps += 1

    assert steps == 3 + 1 + 3
    assert sum(map(world.units, GIVERS)) == of_data(1)


def test_one_invalid_node_does_not_fail_the_round(world):
    world.start()
    world.work(nodes=NODES[:2])
    world.do(FinishWork("digits", 1, NODES[2], digest("bad"), 100), NODES[2])
    refused = world.refuses(
        TooEarly, AggregateRound("digits", CREATOR, 1, TARGET, SALT, TRANSCRIPT)
    )
    assert "supplier:gpu-3" in str(refused)
    world.do(VerifyWork("digits", 1, NODES[2], valid=False))
    world.aggregate(values=((NODES[0], 1), (NODES[2], 100)))
    world.share()

    assert world.units(NODES[2]) == 0
    assert world.units(NODES[0]) == of_compute(1)


def test_work_that_is_not_valid_is_said_so_in_whole_numbers_too(world):
    world.start()
    world.do(FinishWork("digits", 1, NODES[0], digest("bad"), 100), NODES[0])

    def judged(samples):
        return VerifyWork("digits", 1, NODES[0], valid=False, samples=samples)

    world.refuses(NegativeAmount, judged(-5))
    world.refuses(AmountTooLarge, judged(2**53))
    world.do(judged(5))


def test_nothing_is_shared_while_a_round_may_be_challenged(world):
    world.start()
    world.work()
    world.aggregate()
    world.refuses(TooEarly, ShareRound("digits", 1))
    other = digest("measured again")
    world.do(ChallengeRound("digits", 1, GIVERS[0], other), GIVERS[0])
    world.refuses(NotAllowed, ChallengeRound("digits", 1, GIVERS[0], other))
    world.at(world.round().challenge_by)
    assert world.round().due is None
    assert "contributor:dan" in str(world.refuses(TooEarly, ShareRound("digits", 1)))
    world.do(ResolveChallenge("digits", 1, upheld=True))
    assert world.round().stage is RoundStage.RUNNING
    world.aggregate(values=((NODES[0], 1),))
    world.do(ChallengeRound("digits", 1, GIVERS[0], other), GIVERS[0])
    world.do(ResolveChallenge("digits", 1, upheld=False))
    assert world.round().due == world.round().challenge_by > world.state.now()
    world.refuses(WrongStage, ResolveChallenge("digits", 1, upheld=False))
    world.share()

    assert world.units(NODES[0]) == of_compute(1)


def test_values_that_are_not_those_of_the_transcript_are_challenged_by_it(world):
    """Who measured again, and found the same transcript, finds other values noted."""
    world.start()
    world.work()
    world.aggregate(values=((NODES[0], 1), (NODES[1], 5)))
    world.do(ChallengeRound("digits", 1, NODES[0], TRANSCRIPT), NODES[0])
    other = digest("measured again")
    world.do(ChallengeRound("digits", 1, NODES[1], other), NODES[1])

    round_ = world.round()
    assert round_.challengers == NODES[:2]
    assert round_.transcripts == (round_.transcript, other)
    world.do(ResolveChallenge("digits", 1, upheld=True))
    assert world.round().transcripts == ()
    world.aggregate(values=((NODES[0], 5), (NODES[1], 1)))
    world.share()
    assert world.units(NODES[0]) > world.units(NODES[1]) > 0


def test_everybody_challenges_once_what_is_made_known(world):
    world.start()
    world.work()
    world.aggregate()
    mine, other = (ChallengeRound("digits", 1, GIVERS[0], digest(x)) for x in "ab")
    world.do(mine, GIVERS[0])
    refused = str(world.refuses(NotAllowed, other, GIVERS[0]))
    assert "challenges round digits:1 already, and does so once" in refused
    world.do(ChallengeRound("digits", 1, NODES[0], digest("c")), NODES[0])
    world.do(ResolveChallenge("digits", 1, upheld=False))
    assert world.round().rejected == (GIVERS[0], NODES[0])
    for again in mine, other:
        refused = str(world.refuses(NotAllowed, again, GIVERS[0]))
        assert "before, and was not right" in refused
    world.refuses(NotAllowed, ChallengeRound("digits", 1, NODES[0], TRANSCRIPT))
    # Somebody else is right; what is measured then, all may challenge.
    world.do(ChallengeRound("digits", 1, NODES[1], digest("d")), NODES[1])
    world.do(ResolveChallenge("digits", 1, upheld=True))
    assert world.round().rejected == ()
    world.aggregate()
    world.do(mine, GIVERS[0])
    world.do(ResolveChallenge("digits", 1, upheld=False))
    world.refuses(NotAllowed, mine, GIVERS[0])


def test_nobody_holds_a_round_up_for_ever(world):
    """However many challenge, and are wrong, the time for it passes."""
    world.start()
    world.give("d0", FIRST[GIVERS[0]])
    world.work()
    world.aggregate()
    until = world.round().challenge_by
    challenge = ChallengeRound("digits", 1, GIVERS[1], digest("mine"))
    for each in NODES[:2]:
        world.do(ChallengeRound("digits", 1, each, digest("mine")), each)
        world.do(ResolveChallenge("digits", 1, upheld=False))
    world.at(until - 1)
    world.do(challenge, GIVERS[1])
    world.at(until)
    world.refuses(TooLate, ChallengeRound("digits", 1, GIVERS[2], digest("mine")))
    world.do(ResolveChallenge("digits", 1, upheld=False))
    world.refuses(TooLate, ChallengeRound("digits", 1, GIVERS[2], digest("mine")))
    world.refuses(NotAllowed, challenge)
    world.share()

    assert world.units(GIVERS[0]) == of_data(1)


def test_who_has_seen_the_target_offers_nothing_to_the_round(world):
    """A challenge that is upheld opens the work again, and the target is no secret."""
    world.start()
    world.give("d0", FIRST[GIVERS[0]])
    world.work()
    world.aggregate()
    world.do(ChallengeRound("digits", 1, GIVERS[1], digest("mine")), GIVERS[1])
    world.do(ResolveChallenge("digits", 1, upheld=True))
    world.register("d1", TARGET, GIVERS[1])
    world.do(AuditData("d1", 20, 20))
    refused = world.refuses(WrongStage, OfferData("d1", GIVERS[1], 1, TARGET, SALT))
    world.aggregate()
    world.share()

    assert "offer data to the next round" in str(refused)
    assert sum(map(world.units, GIVERS)) == world.units(GIVERS[0]) == of_data(1)
    world.start(2)
    world.do(OfferData("d1", GIVERS[1], 2, TARGET, SALT), GIVERS[1])


def test_the_target_is_the_one_that_was_committed_to(world):
    world.start()
    world.work()
    other = (59, 31, 9, 1)
    world.refuses(
        NotAsCommitted, AggregateRound("digits", CREATOR, 1, other, SALT, TRANSCRIPT)
    )
    world.refuses(
        Malformed, AggregateRound("digits", CREATOR, 1, TARGET[:3], SALT, TRANSCRIPT)
    )


@pytest.mark.parametrize(
    "values",
    [
        ((NODES[0], 1), (NODES[0], 2)),
        (("supplier:gone", 1),),
        ((NODES[0], float("nan")),),
        ((NODES[0], float("inf")),),
        ((NODES[0], 1.5),),
        ((NODES[0], True),),
        ((NODES[0], 10**15 + 1),),
        (("d0", 1),),
    ],
)
def test_values_are_whole_numbers_of_those_who_took_part(world, values):
    world.start()
    world.give("d0", (1, 2, 3, 4))
    world.work()
    world.refuses(
        Malformed,
        AggregateRound("digits", CREATOR, 1, TARGET, SALT, TRANSCRIPT, values),
    )


def test_rounds_follow_each_other(world):

    def begin(number):
        return StartRound("digits", CREATOR, number, "0" * 64)

    world.refuses(RoundOutOfOrder, begin(2))
    world.start()
    world.refuses(RoundOutOfOrder, begin(1))
    world.refuses(RoundOutOfOrder, begin(2))
    world.work()
    world.aggregate()
    world.share()
    world.refuses(RoundOutOfOrder, begin(3))
    world.start(2)


def test_a_round_that_cannot_go_on_is_abandoned_and_its_data_is_free(world):
    world.start()
    world.give("d0", FIRST[GIVERS[0]], GIVERS[0])
    world.work()
    world.refuses(NotAllowed, AbandonRound("digits", CREATOR, 1), NODES[0])
    world.do(AbandonRound("digits", CREATOR, 1), CREATOR)
    world.refuses(WrongStage, AbandonRound("digits", CREATOR, 1))
    world.start(2)
    world.do(OfferData("d0", GIVERS[0], 2, FIRST[GIVERS[0]], SALT), GIVERS[0])
    world.refuses(
        WrongStage, OfferData("d0", GIVERS[0], 2, FIRST[GIVERS[0]], SALT), GIVERS[0]
    )
    world.work(2)
    world.aggregate(2)
    world.refuses(WrongStage, AbandonRound("digits", CREATOR, 2))
    world.share(2)

    assert world.units(GIVERS[0]) == of_data(2)
    assert world.training().pool == (61, 31, 10, 2)


def test_a_known_number_of_rounds_releases_everything(world):
    world.begin("short", rounds=2)
    for number in (1, 2):
        world.play(number, "short", given=FIRST)

    world.refuses(RoundOutOfOrder, StartRound("short", CREATOR, 3, "0" * 64))
    assert world.held("vault:short:compute") == 0
    assert world.held("vault:short:data") == 0


def test_a_training_ends_once_its_rounds_are_over(world):
    world.start()
    world.refuses(WrongStage, FinishTraining("digits", CREATOR))
    world.refuses(NotAllowed, FinishTraining("digits", "creator:eve"))
    world.work()
    world.aggregate()
    world.share()
    world.do(FinishTraining("digits", CREATOR), CREATOR)
    world.refuses(WrongStage, FinishTraining("digits", CREATOR))


def test_terms_of_a_training_stay_those_that_it_began_with(world):
    world.set(lambda_compute=WAD // 2, compute_fraction=WAD // 10)
    world.play()

    assert world.round().compute_units == of_compute(1)


def test_junk_beside_rows_does_not_earn_the_slice_for_them():
    def issued(junk):
        world = Royal(READY.params, READY.state)
        world.set(full_reduction=Wad(WAD))
        world.play(1, given={GIVERS[0]: (600, 270, 90, 10)})
        rows = {GIVERS[1]: (0, 2, 0, 0)}
        world.play(2, given=rows | ({GIVERS[2]: (0, 0, 0, 300)} if junk else {}))
        return world.round(2).data_units

    assert issued(junk=True) == issued(junk=False) > 0


@pytest.mark.parametrize(
    "changes",
    [
        {"data_share": DataShare.SIZE},
        {"kl_max": Wad(1)},
        {"full_reduction": Wad(WAD)},
        {"min_class_mass": WAD},
        {"compute_split": ComputeSplit.EQUAL, "empty_side": EmptySide.OTHER_SIDE},
        {"challenge_seconds": 0},
    ],
)
@pytest.mark.parametrize("step", range(5))
def test_rules_of_a_round_stay_those_that_it_began_with(world, changes, step):
    """Governance changes its mind between any two steps of a round."""
    usual = Royal(world.params, world.state)
    usual.play(given=FIRST)

    def passes(now):
        if now == step:
            world.set(**changes)

    world.start()
    passes(0)
    for n, (giver, counts) in enumerate(FIRST.items()):
        world.give(f"digits-1-{n}", counts, giver)
    world.work()
    passes(1)
    world.aggregate(values=tuple((node, 10 + n) for n, node in enumerate(NODES)))
    world.at(world.round().challenge_by)
    for now in (2, 3, 4):
        passes(now)
        world.do(ShareRound("digits", 1))

    assert world.round() == usual.round()
    assert [*map(world.units, HOLDERS)] == [*map(usual.units, HOLDERS)]


def test_a_round_begins_with_what_governance_has_set_since(world):
    world.play(1, given=FIRST)
    world.set(data_share=DataShare.EVEN)
    before = [*map(world.units, GIVERS)]
    world.play(2, given=FIRST)

    got = [world.units(giver) - had for giver, had in zip(GIVERS, before, strict=True)]
    assert 0 <= got[0] - got[1] <= 1 < got[1]


def test_cells_of_a_training_fit_whatever_governance_sets_later(world):
    least = world.params.royalty.min_class_mass
    world.set(min_class_mass=WAD)
    world.play(given=FIRST)

    assert world.round().masses == target_distribution(TARGET, least)
