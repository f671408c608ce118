"""Where a training stands: its round, its units, and who is awaited to do what."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, Final, NamedTuple

import click

from coopera.cli.books.looking import existing
from coopera.cli.books.showing import (
    plural,
    say_earlier,
    show_columns,
    show_table,
)
from coopera.cli.royalties.reading import Reading, round_of
from coopera.cli.royalties.rounds import MEASURES_DIFFER, VALUES_DIFFER
from coopera.cli.royalties.steps import Step, steps_of
from coopera.cli.royalties.wording import factor, measured, nats, part
from coopera.units import WAD

if TYPE_CHECKING:
    from coopera.accounting.rounds import Cell, Given, Waiting, Worked
    from coopera.accounting.shares import SideUnits
    from coopera.protocol.training import Round, Training

UNITS: Final = (
    *("", "in all", "released so far"),
    *("issued", "of the side", "decay a round"),
)
NODES: Final = ("node", "stage", "rows", "value", "weighs", "units")
OFFERS: Final = (
    *("data", "contributor", "rows", "worth in nats", "nats from target"),
    *("weighs", "units"),
)
CELLS: Final = ("cell", "target", "rows", "pool before", "nats a row")
WAITS: Final[Mapping[str, str]] = {
    "rows": "to be committed to",
    "audit": "to be looked at",
    "offer": "to be offered",
    "invalid": "not valid",
}


class RoundStanding(NamedTuple):
    """Where a round stands."""

    round: "Round"
    nodes: "Sequence[Worked]"
    offers: "Sequence[Given]"
    """The last so many."""
    cells: "Sequence[Cell]"

    @property
    def stands(self) -> str:
        """Its stage, as people see it."""
        return "abandoned" if self.round.abandoned else self.round.stage

    @property
    def weight(self) -> int | None:
        """What all data weighs together, once it is weighed."""
        weighed = self.round.weighed == self.round.parts
        return self.round.weight if weighed else None


class Standing(NamedTuple):
    """Where a training stands."""

    training: "Training"
    prior: int
    """Rows that its pool began with."""
    sides: "Sequence[SideUnits]"
    released: Mapping[str, int]
    """Micro-units by side, whether they were issued or not."""
    waiting: "Waiting"
    current: RoundStanding | None
    """The round that was asked for."""
    awaited: Sequence[Step]
    now: int


def standing_of(reading: Reading, name: str, number: int | None, last: int) -> Standing:
    """Find where a training and a round of it stand. Refuses with `UnknownRecord`."""
    from coopera.accounting import rounds, shares
    from coopera.protocol.training import Training
    from coopera.protocol.vaults import Vault

    pre = reading.pre
    found = existing(pre, Training, name)
    vault = existing(pre, Vault, name)
    current = None
    if found.round or number is not None:
        round_ = round_of(pre, found, number)
        current = RoundStanding(
            round_,
            rounds.worked_of(pre, round_),
            [*rounds.given_of(pre, round_, last)],
            rounds.cells_of(pre, found, round_),
        )
    waiting = rounds.waiting_data(pre, reading.params, name)
    terms = rounds.terms_of(found, vault)
    sides = shares.sides_of(pre, vault)
    return Standing(
        found,
        reading.params.royalty.pool_prior_rows * len(found.pool),
        sides,
        {each.side: terms.released(each.side, found.round) for each in sides},
        waiting,
        current,
        steps_of(reading, found, rounds.last_round(pre, found), waiting),
        reading.now,
    )


# for programs


def standing_told(found: Standing) -> dict[str, Any]:
    """Put it into JSON, amounts in millionths."""
    told = asdict(found.training)
    pool = told.pop("pool")
    return {
        "name": told.pop("id"),
        **told,
        "cells": len(pool),
        "pool_rows": sum(pool),
        "prior_rows": found.prior,
        "now": found.now,
        "sides": {
            each.side: {
                "pool_micro_units": each.pool,
                "released_micro_units": found.released[each.side],
                "issued_micro_units": each.issued,
                "left_micro_units": each.left,
            }
            for each in found.sides
        },
        "data_waiting": asdict(found.waiting),
        "current": found.current and _round_told(found.current),
        "awaited": [step.told for step in found.awaited],
    }


def _round_told(found: RoundStanding) -> dict[str, Any]:
    round_ = found.round
    return {
        "number": round_.number,
        "stage": round_.stage,
        "stands": found.stands,
        "target": round_.target,
        "revealed": bool(round_.masses),
        "transcript": round_.transcript,
        "rows": round_.rows,
        "challenge_by": round_.challenge_by,
        "challengers": round_.challengers,
        "challenges": [
            {
                "challenger": each,
                "transcript": transcript,
                "values_differ": transcript == round_.transcript,
            }
            for each, transcript in _challenges(round_)
        ],
        "rejected": round_.rejected,
        "paid_by": round_.rules.data_share,
        "weight": found.weight,
        "compute_micro_units": round_.compute_units,
        "data_micro_units": round_.data_units,
        "nodes": [
            {
                "node": each.supplier,
                "stage": each.node.stage,
                "result": each.node.result,
                "samples": each.node.samples,
                "value_pico": each.node.value,
                "weight": each.weight,
                "micro_units": each.units,
            }
            for each in found.nodes
        ],
        "data_sets": round_.offers,
        "offers": [
            {
                "data": each.offer.data,
                "contributor": each.offer.contributor,
                "rows": each.rows,
                "value_wad_nats": each.value,
                "divergence_wad_nats": each.divergence,
                "weight": each.weight,
                "micro_units": each.units,
            }
            for each in found.offers
        ],
        "cells": [
            {
                "cell": each.number,
                "target_wad": each.target,
                "rows": each.rows,
                "pool_rows": each.pool,
                "price_wad_nats": each.price,
            }
            for each in found.cells
        ],
    }


# for people


def show_standing(found: Standing, last: int) -> None:
    """Print it; of nodes, data and cells the last so many."""
    training = found.training
    state = "finished" if training.finished else "under way"
    head = f"{training.id}  {training.method} training, {state}"
    of = f" of {training.rounds}" if training.rounds else ", and their number is open"
    given = plural(sum(training.pool) - found.prior, "row")
    pool = f"{given} that were let in"
    waiting = asdict(found.waiting)
    waits = [f"{waiting[key]:,} {what}" for key, what in WAITS.items() if waiting[key]]
    of_them = f"; of them {', '.join(waits)}" if waits else ""
    click.echo(click.style(head, bold=True))
    show_table(
        [
            ("creator", training.creator),
            ("code", training.code),
            ("validation", training.validation),
            ("schema", f"{training.schema}, {plural(len(training.pool), 'cell')}"),
            ("rounds", f"{training.round}{of}"),
            ("data", f"{plural(training.data, 'data set')} registered{of_them}"),
            ("pool", f"{pool}, and {found.prior:,} to start from"),
        ]
    )
    click.echo(click.style("\nUnits", bold=True))
    show_columns([UNITS, *_side_rows(found)], right=(1, 2, 3, 4, 5), indent="  ")
    if found.current is not None:
        _show_round(found.current, last)
    click.echo(click.style("\nWho is awaited", bold=True))
    for step in found.awaited:
        click.echo(f"  {step.said(found.now)}")
    if not found.awaited:
        click.echo("  nobody; the training is finished")


def _side_rows(found: Standing) -> Iterator[tuple[str, ...]]:
    from coopera.accounting.explain import millionths

    training = found.training
    decays = {"compute": training.compute_decay, "data": training.data_decay}
    for each in found.sides:
        amounts = (each.pool, found.released[each.side], each.issued)
        yield (
            *(each.side, *map(millionths, amounts)),
            *(part(each.issued, each.pool), factor(decays[each.side])),
        )


def _show_round(found: RoundStanding, last: int) -> None:
    from coopera.ledger import in_utc

    round_ = found.round
    click.echo(click.style(f"\nRound {round_.number}, {found.stands}", bold=True))
    hidden = "" if round_.masses else ", hidden until it is aggregated"
    sets = plural(round_.offers, "data set")
    rows = [
        ("target", f"{round_.target}{hidden}"),
        ("offered", f"{plural(round_.rows, 'row')} in {sets}"),
    ]
    if round_.transcript:
        rows.append(("transcript", round_.transcript))
        rows.append(("challenge", f"before {in_utc(round_.challenge_by)}"))
    for each, transcript in _challenges(round_):
        same = transcript == round_.transcript
        says = VALUES_DIFFER if same else MEASURES_DIFFER
        rows.append(("challenged", f"by {each}: {says}"))
    if round_.rejected:
        rows.append(("not right", ", ".join(round_.rejected)))
    show_table(rows)
    for header, listed, count, texts in (
        (NODES, [*_node_rows(found.nodes)], len(found.nodes), 2),
        (OFFERS, [*_offer_rows(found)], round_.offers, 2),
        (CELLS, [*_cell_rows(found.cells)], len(found.cells), 0),
    ):
        if listed:
            shown = listed[-last:]
            click.echo()
            numbers = tuple(range(texts, len(header)))
            show_columns([header, *shown], right=numbers, indent="  ")
            say_earlier(count - len(shown))


def _challenges(round_: "Round") -> Iterator[tuple[str, str]]:
    return zip(round_.challengers, round_.transcripts, strict=True)


def _node_rows(nodes: "Sequence[Worked]") -> Iterator[tuple[str, ...]]:
    weights = sum(each.weight or 0 for each in nodes)
    for each in nodes:
        value = "-" if each.weight is None else measured(each.node.value)
        yield (
            *(each.supplier, each.node.stage, f"{each.node.samples:,}", value),
            *_weighed(each, weights),
        )


def _offer_rows(found: RoundStanding) -> Iterator[tuple[str, ...]]:
    weights = found.weight
    if weights is None and len(found.offers) == found.round.offers:
        weights = sum(each.weight or 0 for each in found.offers)
    for each in found.offers:
        yield (
            *(each.offer.data, each.offer.contributor, f"{each.rows:,}"),
            *(_nats(each.value), _nats(each.divergence)),
            *_weighed(each, weights),
        )


def _weighed(each: "Given | Worked", weights: int | None) -> tuple[str, str]:
    from coopera.accounting.explain import millionths

    return (
        "-" if each.weight is None or weights is None else part(each.weight, weights),
        "-" if each.units is None else millionths(each.units),
    )


def _cell_rows(cells: "Sequence[Cell]") -> Iterator[tuple[str, ...]]:
    for each in cells:
        yield (
            *(str(each.number), part(each.target, WAD)),
            *(f"{each.rows:,}", f"{each.pool:,}"),
            # Cells of which the round has no rows have no price.
            _nats(each.price if each.rows else None),
        )


def _nats(value: int | None) -> str:
    return "-" if value is None else nats(value)
