"""
Commands of royalties: who trained a model, who gave it data, and what both earn by it.

`trainings` leads a training round by round, `datasets` brings data to it, `vaults` and
`claims` pay those who hold its units, `whys` says why they got as many, and `plans` how
many there will be. They share `steps`, which says who is awaited; `hidden`, which keeps
what is committed to; `files`, `reading`, `several` and `wording`. How one command is
given is said in `cli.books.given`.
"""

from typing import Final

import click

from coopera.cli.royalties import claims, datasets, plans, trainings, vaults, whys

for each in (
    *(claims.publish, claims.proof, claims.claim),
    *(whys.why, plans.plan),
):
    vaults.royalties.add_command(each)

COMMANDS: Final[tuple[click.Command, ...]] = (
    trainings.training,
    datasets.data,
    vaults.royalties,
)
"""To be registered."""
