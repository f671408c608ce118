"""
What games with data bring: nothing where divergence can tell, and a bounded rest.

Their figures stand in the guide to royalties, and are held to it by the documents' own
test; here stands what they mean.
"""

import re
from fractions import Fraction
from pathlib import Path
from random import Random

import pytest

from coopera.attacks.data import (
    CELLS,
    GAMES,
    LITERAL,
    OTHERS,
    OWN,
    RULES,
    VALIDATION,
    Round,
    Rows,
    achieved,
    as_target,
    audit_needed,
    by_cell,
    even,
    honest,
    lacking,
    merged,
    others,
    own,
    passing,
    pool,
    round_of,
    rows_of,
    share,
    sniping,
    split,
    target,
    times,
    total,
    unhashed,
    values,
    weights,
    wrong_class,
)
from coopera.formulas.contribution import (
    kl_divergence,
    pool_divergence,
    rows_covered,
)
from coopera.formulas.royalty import contributor_shares, earned_slice, full_drop
from coopera.params.chapters import Royalty
from coopera.units import MICRO, WAD, MicroToken, MicroUnit, Wad

KL, EXP_KL, SIZE, EVEN, _ = RULES
GUIDE = Path(__file__).parents[2] / "docs" / "royalties.md"
SLICE = MicroUnit(1_500_000 * MICRO)
HONEST = share(round_of((own(),)), KL)
STRICT = Wad(WAD)
"""A `kl_max` that names of a single cell exceed."""
NO_BOUND = Wad(40 * WAD)
"""One that nobody exceeds."""


def of(name: str, rule: str = KL, kl_max: Wad | None = None, **where: bool) -> Fraction:
    """Find what a game brings."""
    (offer,) = (game.offer() for game in GAMES if game.name == name)
    return share(round_of(offer, **where), rule, kl_max)


# names


@pytest.mark.parametrize("names", [2, 10, OWN])
@pytest.mark.parametrize("settled", [False, True])
def test_rows_dealt_among_names_have_the_values_of_one(names, settled):
    (whole, *rest), _ = values(round_of((own(),), settled=settled))
    parts, _ = values(round_of(split(own(), names), settled=settled))

    assert sum(parts[:names]) == whole
    assert parts[names:] == rest


def test_names_that_are_all_worth_something_get_what_one_gets():
    assert of("split") == HONEST
    assert all(value > 0 for value in values(round_of(split(own(), 10)))[0])


def test_names_are_paid_as_one_but_for_remainders():
    one = contributor_shares(SLICE, weights(round_of((own(),)), KL))
    ten = contributor_shares(SLICE, weights(round_of(split(own(), 10)), KL))

    assert abs(sum(ten[:10]) - one[0]) < 2 * 11
    for alone, beside in zip(one[1:], ten[10:], strict=True):
        assert abs(alone - beside) < 2 * 2


def test_names_that_merge_get_what_they_got_apart():
    apart, together = merged()

    assert apart == together > 0


def test_names_for_bad_rows_get_more_and_a_stricter_bound_stops_them():
    """Pin down what counting values below zero as nothing leaves open."""
    assert HONEST < of("split_by_cell") < HONEST * Fraction("1.1")
    assert HONEST * Fraction("1.4") < of("split_by_cell", kl_max=NO_BOUND)
    assert of("split", settled=True) > share(round_of((own(),), settled=True), KL)
    assert of("split_by_cell", settled=True) > 3 * of("honest", settled=True)

    assert of("split_by_cell", kl_max=STRICT) == 0
    assert of("junk_by_cell", kl_max=STRICT) == 0
    assert of("honest", kl_max=STRICT) == HONEST
    # Its price: who has rows of a single label is refused too.
    assert of("specialist", kl_max=STRICT) == 0


def test_names_of_single_cells_gain_what_they_withhold():
    (whole, *_), _ = values(round_of((own(),)))
    alone = values(round_of(by_cell(own())))[0][: sum(n > 0 for n in own())]

    assert sum(alone) == whole
    assert sum(value for value in alone if value > 0) > whole
    assert min(alone) < 0


# copies


def test_copies_count_for_whoever_committed_first():
    largest = rows_of(f"other {OTHERS - 1}", others()[-1])

    assert unhashed(largest) == (own(), (0,) * CELLS)
    assert unhashed(rows_of("own", own()) * 9) == (own(), (0,) * CELLS)
    assert unhashed(rows_of("new", even(20)))[1] == even(20)


@pytest.mark.parametrize("rule", RULES)
def test_copies_bring_nothing_where_hashes_are_compared(rule):
    assert of("copy_hashed", rule) == of("repeated", rule) == of("honest", rule)


def test_copies_bring_much_where_they_are_not():
    assert of("copy") > HONEST * Fraction("1.8")
    assert share(round_of((times(own(), 10),)), KL) > 4 * HONEST


# junk


@pytest.mark.parametrize("name", ["uniform_junk", "junk_class"])
@pytest.mark.parametrize("settled", [False, True])
def test_junk_under_one_name_gets_nothing(name, settled):
    assert of(name, settled=settled) == 0


def test_junk_that_is_all_of_a_round_gets_nothing():
    even_pool = Round(target(), (30,) * CELLS, (), (even(2000),))

    assert weights(even_pool, KL) == [0]
    assert achieved(even_pool).brought == 0


@pytest.mark.parametrize("rule", [EXP_KL, SIZE])
def test_other_rules_pay_junk_as_long_as_it_is_enough(rule):
    assert of("uniform_junk", rule) > Fraction(1, 2)


def test_pay_per_name_pays_names():
    assert of("split", EVEN) > 5 * of("honest", EVEN)


def test_random_labels_earn_less_than_rows_and_nothing_in_a_settled_pool():
    assert 0 < of("random_labels") < HONEST * Fraction("0.7")
    assert of("random_labels", settled=True) == 0


def test_each_further_row_brings_less():
    assert 4 * HONEST < of("whale") < 10 * HONEST
    values_of = [values(round_of((times(own(), n),)))[0][0] for n in (1, 10)]
    scales = [values(round_of((times(own(), n),)))[1] for n in (1, 10)]
    assert values_of[1] * scales[1] < 10 * values_of[0] * scales[0]


def test_specialist_is_paid_where_the_pool_lacks_its_label():
    assert of("specialist") > HONEST > of("specialist", EXP_KL)
    assert of("specialist", settled=True) == 0


# the warning


def test_pay_by_divergence_itself_pays_junk_and_names():
    honestly = of("honest", LITERAL)

    assert of("junk_class", LITERAL) > Fraction("0.9") > 10 * honestly
    assert of("split", LITERAL) > 10 * honestly
    assert of("random_labels", LITERAL) > 6 * honestly
    assert of("mimic", LITERAL) < honestly / 4


# what divergence cannot tell


def test_made_up_rows_in_the_right_cells_are_worth_what_true_ones_are():
    assert of("mimic") > HONEST / 2
    assert of("leaked_target") > Fraction("0.7")
    assert of("million") > Fraction("0.998")
    assert lacking(2000) != as_target(2000)


def test_rows_count_as_far_as_a_stake_answers_for_them():
    """A stake for 100 rows lets 100 of a million count; of many names, no more."""
    rate = Wad(100 * WAD)
    one = rows_covered(MicroToken(MICRO), rate)
    split_ = sum(rows_covered(MicroToken(MICRO // 8), rate) for _ in range(8))

    assert one == OWN >= split_
    assert share(round_of((as_target(one),)), KL) < HONEST


@pytest.mark.parametrize(
    ("valid", "percent"),
    [("0.95", "92.5"), ("0.9", "67.7"), ("0.8", "20.6"), ("0.5", "0.02"), ("0", "0")],
)
def test_gate_lets_through_what_the_guide_says(valid, percent):
    chance = passing(Fraction(valid), 20, Royalty().min_validity)
    row = re.search(r"passes, in percent \|(.*)\|", GUIDE.read_text("utf-8"))
    head = re.search(r"part that is true \|(.*)\|", GUIDE.read_text("utf-8"))
    assert row
    assert head

    assert f"{float(100 * chance):.{len(percent.partition('.')[2])}f}" == percent
    told = [each.strip() for each in row[1].split("|")]
    asked = [each.strip() for each in head[1].split("|")]
    assert told[asked.index(valid)] == percent


def test_gate_that_looks_at_a_single_row_lets_most_through():
    assert passing(Fraction(4, 5), 1, Royalty().min_validity) == Fraction(4, 5)


@pytest.mark.parametrize("rows", [100, 1000, 10**6])
@pytest.mark.parametrize("stake", [1, 3, 10, 30])
def test_made_up_rows_lose_where_audits_are_often_enough(rows, stake):
    rate = audit_needed(rows, Fraction(stake))
    gain = share(round_of((as_target(rows),)), KL)
    at_stake = rows * stake * HONEST / OWN

    assert (1 - rate) * gain == rate * at_stake
    # A made-up row gets no more than an honest one, so that a row's stake is enough.
    assert rate <= Fraction(1, 1 + stake)


def test_without_a_stake_no_audit_deters():
    assert audit_needed(100, Fraction(0)) == 1


# rounds


def test_round_brings_what_the_guide_says():
    told = GUIDE.read_text("utf-8")
    for settled in (True, False):
        drop = achieved(round_of((own(),), settled=settled)).brought
        assert f" {drop / WAD:.3f} nats" in told


def test_junk_does_not_earn_the_slices_of_rounds_that_nobody_came_to():
    large = tuple(1000 * n for n in pool(settled=True))
    full = full_drop(pool_divergence(target(), large), Royalty().full_reduction)
    alone, levered = sniping(0), sniping(10**6)

    def percent(drop: Wad) -> str:
        earned = earned_slice(SLICE, drop, full)
        return f"{100 * earned / SLICE:.2g}%"

    assert alone.brought == levered.brought
    told = GUIDE.read_text("utf-8")
    assert f"{levered.brought / WAD:.7f} nats nearer" in told
    assert f"{percent(levered.brought)} of the slice" in told
    # What the sum of values would pay instead, and what the drop of all rows would.
    assert f"it would be {percent(levered.worth)}." in told
    assert levered.all_rows < 0


@pytest.mark.parametrize("name", ["uniform_junk", "junk_class"])
def test_junk_cannot_take_the_slice_of_a_round_from_the_others(name):
    (offer,) = (game.offer() for game in GAMES if game.name == name)
    without = achieved(Round(target(), pool(settled=True), others(), ()))
    with_junk = achieved(round_of(offer, settled=True))

    assert with_junk.all_rows < 0 < without.brought
    assert with_junk.brought > without.brought * 9 // 10


ROUNDS, CONTRIBUTORS = 12, 300


def settled_rounds(junk: tuple[Rows, ...] = (), *, all_in: bool = True) -> list[int]:
    """Play rounds of ten honest rows each: what each hands out, in percent."""
    chance = Random(7)  # noqa: S311 - the same each time
    held: Rows = pool(settled=True)
    percents: list[int] = []
    for _ in range(ROUNDS):
        drawn = [
            chance.choices(range(CELLS), VALIDATION, k=10) for _ in range(CONTRIBUTORS)
        ]
        offers = tuple(tuple(map(each.count, range(CELLS))) for each in drawn)
        found = achieved(Round(target(), held, offers, junk))
        full = full_drop(pool_divergence(target(), held), Royalty().full_reduction)
        drop = found.brought if all_in else found.those
        percents.append(earned_slice(MicroUnit(100), drop, full))
        held = total((held, found.joined if all_in else found.earning))
    return percents


def test_rounds_of_a_settled_pool_hand_out_their_slices():
    told = GUIDE.read_text("utf-8")
    counting_those_that_earn = settled_rounds(all_in=False)

    assert settled_rounds() == [100] * ROUNDS
    nothing = counting_those_that_earn.count(0)
    assert f"of {ROUNDS} rounds with {CONTRIBUTORS} contributors" in told
    assert f"rows each, {nothing} would hand out nothing" in told
    assert nothing > ROUNDS // 4


@pytest.mark.parametrize("rows", [30, 300, 3_000, 30_000, 300_000])
@pytest.mark.parametrize("junk", [even, wrong_class])
def test_junk_does_not_take_the_slices_of_a_settled_pool(junk, rows):
    assert settled_rounds((junk(rows),)) == [100] * ROUNDS


@pytest.mark.parametrize("rows", [300, 3_000, 30_000, 300_000])
def test_junk_for_every_cell_does_not_take_the_slices_of_a_settled_pool(rows):
    assert settled_rounds(by_cell(even(rows))) == [100] * ROUNDS


@pytest.mark.parametrize("rows", [100, 10_000, 1_000_000])
def test_junk_does_not_join_a_pool_and_keeps_nobody_out(rows):
    for junk in (even(rows), wrong_class(rows)):
        alone = achieved(Round(target(), pool(settled=True), (), (junk,)))
        assert alone.joined == (0,) * CELLS
        beside = achieved(round_of((junk,), settled=True))
        honestly = achieved(round_of((), settled=True))
        assert beside.joined == honestly.joined


def test_honest_rows_lie_near_the_target():
    for rows in (*others(), own(), honest("anybody", 1000)):
        assert kl_divergence(rows, target()) < WAD // 10
