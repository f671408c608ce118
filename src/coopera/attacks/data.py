"""
Games with data: what part of a round's data slice false or clever rows get.

A small federation trains on rows of 20 cells, four labels of five bins. Twelve offer
45 to 155 honest rows each, and one plays, whose own rows are 100. What it gets is told
for every rule that data may be shared by, and for the one that the paper can be
mistaken for: pay in proportion to divergence.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cache
from hashlib import sha256
from math import comb
from typing import Final

from coopera.formulas.allocation import largest_remainder
from coopera.formulas.contribution import (
    best_reduction,
    cell_prices,
    data_value,
    dilution,
    divergence_drop,
    divergence_reduction,
    divergence_weight,
    first_prices,
    is_let_in,
    is_valid,
    kl_divergence,
    target_distribution,
)
from coopera.params.chapters import DataShare, Royalty
from coopera.units import WAD, Wad

LABELS, BINS = 4, 5
CELLS: Final = LABELS * BINS
OTHERS: Final = 12
OWN: Final = 100
"""Rows of who plays."""
LITERAL: Final = "divergence"
"""Pay in proportion to divergence: no rule that can be chosen."""
RULES: Final = (
    DataShare.KL_REDUCTION.value,
    DataShare.EXP_KL.value,
    DataShare.SIZE.value,
    DataShare.EVEN.value,
    LITERAL,
)

Rows = tuple[int, ...]
"""Rows by cell."""


@dataclass(frozen=True, slots=True)
class Round:
    """What is aimed at, what there is already, and who offers what."""

    target: tuple[Wad, ...]
    pool: Rows
    others: tuple[Rows, ...]
    own: tuple[Rows, ...]
    """By the names of who plays."""

    @property
    def offers(self) -> tuple[Rows, ...]:
        """All that is offered."""
        return self.own + self.others


@dataclass(frozen=True, slots=True)
class Game:
    """A way to offer rows."""

    name: str
    what: str
    offer: Callable[[], tuple[Rows, ...]]
    stopped_by: str


# the federation


def _noise(*place: object) -> int:
    """Draw a number from 4 to 7 that is the same everywhere."""
    return 4 + sha256(repr(place).encode()).digest()[0] % 4


VALIDATION: Final = tuple(
    (8, 5, 3, 2)[label] * (8, 4, 2, 1, 1)[(place - label) % BINS]
    for label in range(LABELS)
    for place in range(BINS)
)
"""Rows that the task validates its model on."""


def honest(name: str, rows: int) -> Rows:
    """Draw what somebody honest has: near the target, each a little off."""
    return largest_remainder(
        rows, [n * _noise(name, cell) for cell, n in enumerate(VALIDATION)]
    )


@cache
def target() -> tuple[Wad, ...]:
    """Find the distribution that is aimed at."""
    return target_distribution(VALIDATION, Royalty().min_class_mass)


@cache
def pool(*, settled: bool = False) -> Rows:
    """
    Add up the prior and 300 rows of earlier rounds.

    Two labels were scarce in them; a settled pool lacks none.
    """
    drawn = [
        n * _noise("earlier", cell) * (4 if cell < CELLS // 2 and not settled else 1)
        for cell, n in enumerate(VALIDATION)
    ]
    prior = Royalty().pool_prior_rows
    return tuple(prior + n for n in largest_remainder(300, drawn))


@cache
def others() -> tuple[Rows, ...]:
    """Find what the others offer: 45 to 155 rows."""
    return tuple(honest(f"other {n}", 45 + 10 * n) for n in range(OTHERS))


def own() -> Rows:
    """Find what who plays has."""
    return honest("own", OWN)


def round_of(offer: tuple[Rows, ...], *, settled: bool = False) -> Round:
    """Put an offer among those of the others."""
    return Round(target(), pool(settled=settled), others(), offer)


# rules


def weights(round_: Round, rule: str, kl_max: Wad | None = None) -> list[int]:
    """Weigh all that is offered by a rule."""
    royalty = Royalty()
    most = royalty.kl_max if kl_max is None else kl_max
    offers = [rows for rows in round_.offers if any(rows)]
    diverge = [kl_divergence(rows, round_.target) for rows in offers]
    if rule == LITERAL:
        found: list[int] = list(diverge)
    elif rule == DataShare.EVEN:
        found = [1] * len(offers)
    elif rule == DataShare.SIZE:
        found = [sum(rows) for rows in offers]
    elif rule == DataShare.EXP_KL:
        found = [
            divergence_weight(sum(rows), each, royalty.exp_kl_beta)
            for rows, each in zip(offers, diverge, strict=True)
        ]
    else:
        found = [
            max(0, value) if each <= most else 0
            for value, each in zip(values(round_)[0], diverge, strict=True)
        ]
    return found


def values(round_: Round) -> tuple[list[int], int]:
    """Price all that is offered, with the scale of the prices."""
    counts = [sum(cell) for cell in zip(*round_.offers, strict=True)]
    prices, scale = cell_prices(round_.target, round_.pool, counts)
    return [data_value(rows, prices) for rows in round_.offers if any(rows)], scale


def share(round_: Round, rule: str, kl_max: Wad | None = None) -> Fraction:
    """Find the part of the slice that who plays gets, under all its names."""
    found = weights(round_, rule, kl_max)
    names = sum(1 for rows in round_.own if any(rows))
    return Fraction(sum(found[:names]), sum(found))


# games


def split(rows: Rows, names: int) -> tuple[Rows, ...]:
    """Deal rows among names, in turn."""
    dealt = [[0] * len(rows) for _ in range(names)]
    turn = 0
    for cell, n in enumerate(rows):
        for _ in range(n):
            dealt[turn % names][cell] += 1
            turn += 1
    return tuple(tuple(each) for each in dealt)


def by_cell(rows: Rows) -> tuple[Rows, ...]:
    """Give the rows of each cell a name of their own."""
    return tuple(
        tuple(n if cell == kept else 0 for cell in range(len(rows)))
        for kept, n in enumerate(rows)
        if n
    )


def times(rows: Rows, factor: int) -> Rows:
    """Offer rows several times."""
    return tuple(n * factor for n in rows)


def even(rows: int) -> Rows:
    """Make rows up, as many of each cell."""
    return largest_remainder(rows, [1] * CELLS)


def random_labels() -> Rows:
    """Keep the bins of one's rows, and draw their labels."""
    found = [0] * CELLS
    for place in range(BINS):
        rows = sum(own()[label * BINS + place] for label in range(LABELS))
        for label, n in enumerate(largest_remainder(rows, [1] * LABELS)):
            found[label * BINS + place] = n
    return tuple(found)


def wrong_class(rows: int) -> Rows:
    """Put all rows into the cell that the target has the least of."""
    rarest = min(range(CELLS), key=lambda cell: target()[cell])
    return tuple(rows if cell == rarest else 0 for cell in range(CELLS))


def one_label(rows: int) -> Rows:
    """Draw honest rows of the scarcest label alone."""
    drawn = honest("specialist", 8 * rows)
    last = [n if cell // BINS == LABELS - 1 else 0 for cell, n in enumerate(drawn)]
    return largest_remainder(rows, last)


def mimicked(rows: int) -> Rows:
    """Make rows up in the proportions of those that the others offer."""
    return largest_remainder(rows, [sum(cell) for cell in zip(*others(), strict=True)])


def as_target(rows: int) -> Rows:
    """Make rows up in the proportions of the target."""
    return largest_remainder(rows, target())


def lacking(rows: int) -> Rows:
    """Make rows up where the pool lacks some of what a leaked target has."""
    after = sum(pool()) + rows
    lack = [
        max(0, mass * after - n * WAD) for mass, n in zip(target(), pool(), strict=True)
    ]
    return largest_remainder(rows, lack)


@dataclass(frozen=True, slots=True)
class Row:
    """One row: whose it was first, by which its hash is known, and its cell."""

    first: str
    number: int
    cell: int


def rows_of(name: str, rows: Rows) -> list[Row]:
    """List the rows that somebody has."""
    cells = [cell for cell, n in enumerate(rows) for _ in range(n)]
    return [Row(name, number, cell) for number, cell in enumerate(cells)]


def first_committed(offers: Sequence[Sequence[Row]]) -> tuple[Rows, ...]:
    """Count rows by cell, each once: for whoever committed to it first."""
    seen: set[Row] = set()
    counted = []
    for offer in offers:
        counts = [0] * CELLS
        for row in offer:
            counts[row.cell] += row not in seen
            seen.add(row)
        counted.append(tuple(counts))
    return tuple(counted)


def unhashed(again: Sequence[Row]) -> tuple[Rows, ...]:
    """Offer rows after one's own, where the others have committed to theirs."""
    theirs = [rows_of(f"other {n}", rows) for n, rows in enumerate(others())]
    return first_committed([*theirs, rows_of("own", own()), again])[OTHERS:]


GAMES: Final = (
    Game("honest", "Offer 100 honest rows", lambda: (own(),), "-"),
    Game(
        "split",
        "Deal them among ten names",
        lambda: split(own(), 10),
        "values add up, as long as none is below zero",
    ),
    Game(
        "split_by_cell",
        "Give the rows of every cell a name of their own",
        lambda: by_cell(own()),
        "`kl_max`, or a stake a name",
    ),
    Game(
        "whale",
        "Offer ten times as many honest rows",
        lambda: (times(own(), 10),),
        "allowed: each further row brings less",
    ),
    Game(
        "repeated",
        "Offer one's own rows ten times, where hashes of rows are compared",
        lambda: unhashed(rows_of("own", own()) * 9),
        "hashes: else it is the whale",
    ),
    Game(
        "copy",
        "Offer a copy of the largest other offer besides, where they are not",
        lambda: (own(), others()[-1]),
        "hashes",
    ),
    Game(
        "copy_hashed",
        "The same, where they are",
        lambda: unhashed(rows_of(f"other {OTHERS - 1}", others()[-1])),
        "-",
    ),
    Game(
        "specialist",
        "Offer 100 honest rows of the scarcest label alone",
        lambda: (one_label(OWN),),
        "allowed: the pool lacks them",
    ),
    Game(
        "junk_class",
        "Offer 100 rows of the cell that the target has the least of",
        lambda: (wrong_class(OWN),),
        "a price below zero",
    ),
    Game(
        "random_labels",
        "Offer 100 rows with labels drawn at random",
        lambda: (random_labels(),),
        "the gate",
    ),
    Game(
        "uniform_junk",
        "Offer 2,000 made-up rows, as many of each cell",
        lambda: (even(2000),),
        "prices at which they sum to nothing",
    ),
    Game(
        "junk_by_cell",
        "The same, under a name for every cell",
        lambda: by_cell(even(2000)),
        "`kl_max`; the gate, `rows_per_token`, audits",
    ),
    Game(
        "mimic",
        "Make up 100 rows in the proportions of the others'",
        lambda: (mimicked(OWN),),
        "the gate, `rows_per_token`, audits",
    ),
    Game(
        "leaked_target",
        "Make up 2,000 rows where the pool lacks what a leaked target has",
        lambda: (lacking(2000),),
        "a committed target; the gate, `rows_per_token`, audits",
    ),
    Game(
        "million",
        "Claim a million rows in the proportions of a leaked target",
        lambda: (as_target(10**6),),
        "the same",
    ),
)


def merged() -> tuple[Fraction, Fraction]:
    """Find what two of the others get under two names, and under one."""
    one, two, *rest = others()
    together = tuple(a + b for a, b in zip(one, two, strict=True))
    apart, whole = (
        share(Round(target(), pool(), tuple(rest), offer), DataShare.KL_REDUCTION)
        for offer in ((one, two), (together,))
    )
    return apart, whole


@dataclass(frozen=True, slots=True)
class Achieved:
    """By how much a round brings a pool nearer, in nats, told in four ways."""

    all_rows: Wad
    """The drop of divergence, if all that is offered were let in."""
    worth: Wad
    """What those are worth together who are worth something."""
    those: Wad
    """The drop that is due to those alone."""
    brought: Wad
    """What counts: by those let in, or by as many as are best of what was lacked."""
    joined: Rows
    """What is let into the pool."""
    earning: Rows
    """What is worth something."""


def achieved(round_: Round) -> Achieved:
    """Tell what a round achieves."""
    found, scale = values(round_)
    valued = list(zip(filter(any, round_.offers), found, strict=True))
    known = round_.target, round_.pool
    row = dilution(round_.pool, total(rows for rows, _ in valued), scale)
    first = first_prices(*known)
    tolerance = Royalty().pool_tolerance
    let_in = [
        rows for rows, value in valued if is_let_in(value, sum(rows), row, tolerance)
    ]
    joined = total(let_in)
    lacked = total(rows for rows in let_in if data_value(rows, first) > 0)
    earning = total(rows for rows, value in valued if value > 0)
    return Achieved(
        divergence_drop(sum(found), scale),
        divergence_drop(sum(max(0, value) for value in found), scale),
        divergence_reduction(*known, earning),
        max(
            divergence_reduction(*known, joined),
            best_reduction(*known, lacked),
        ),
        joined,
        earning,
    )


def total(offers: Iterable[Rows]) -> Rows:
    """Add rows up by cell."""
    return tuple(map(sum, zip((0,) * CELLS, *offers, strict=True)))


def sniping(junk: int) -> Achieved:
    """
    Offer thirty rows alone, to a pool that has 300,000, with junk under another name.

    The slices of all rounds in which nobody offered anything are at stake.
    """
    large = tuple(1000 * n for n in pool(settled=True))
    offers = honest("sniper", 30), wrong_class(junk)
    return achieved(Round(target(), large, (), offers))


# what bounds rows that divergence cannot tell


def passing(valid: Fraction, checked: int, least: Wad) -> Fraction:
    """Find the chance that rows of which a part is valid pass a check of some."""
    return sum(
        (
            comb(checked, n) * valid**n * (1 - valid) ** (checked - n)
            for n in range(checked + 1)
            if is_valid(n, checked, least)
        ),
        Fraction(0),
    )


def audit_needed(rows: int, stake: Fraction) -> Fraction:
    """
    Find how often made-up rows must be audited so that they lose.

    The stake is told a row, in what an honest row earns. Who is found out earns nothing
    and loses the stake: `(1 - a) gain = a stake`.
    """
    rule = DataShare.KL_REDUCTION
    each = share(round_of((own(),)), rule) / OWN
    gain = share(round_of((as_target(rows),)), rule)
    at_stake = rows * stake * each
    return gain / (gain + at_stake)
