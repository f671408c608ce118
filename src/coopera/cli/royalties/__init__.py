"""
Commands of royalties: who trained a model, who gave it data, and what both earn by it.

`trainings` begins and ends a training, `rounds` leads it round by round, `checking`
compares what was measured with what the books say, `sharing` issues a round's units,
and `standing` tells where it stands, with the `steps` that are
awaited. `datasets` brings data to it, of which `rows` declares the rows. `vaults` and
`claims` pay those who hold its units, `serving` serves proofs of what they may claim,
`whys` says why they got as many units, and `plans` how many there will be. They share
`hidden`, which keeps what is committed to; `reading`, `written`, `row_files`, `several`
and `wording`. How one command is given is said in `cli.books.given`.
"""

from collections.abc import Mapping, Sequence
from typing import Final

import click

from coopera.cli.royalties import (
    checking,
    claims,
    datasets,
    plans,
    rounds,
    rows,
    serving,
    sharing,
    trainings,
    vaults,
    whys,
)

GROUPS: Final[Mapping[click.Group, Sequence[click.Command]]] = {
    trainings.training: (
        *(rounds.start, rounds.select, rounds.work, rounds.verify),
        *(rounds.aggregate, rounds.challenge, rounds.resolve, rounds.abandon),
        *(checking.check, sharing.share),
    ),
    datasets.data: (rows.rows,),
    vaults.royalties: (
        *(claims.publish, claims.proof, claims.claim, serving.serve),
        *(whys.why, plans.plan),
    ),
}
"""Groups of commands, and those of them that stand elsewhere."""

for group, commands in GROUPS.items():
    for each in commands:
        group.add_command(each)

COMMANDS: Final[tuple[click.Group, ...]] = tuple(GROUPS)
"""To be registered."""
