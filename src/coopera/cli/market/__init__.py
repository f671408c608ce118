"""
Commands of the market: who offers what, who ordered what, who checked it, who is paid.

`resources`, `jobs`, `verdicts`, `beacons` and `days` have a group of commands each;
they share `written`, values as people write them, `places`, by which a task is found
that nobody numbered, `steps`, which says who is awaited, and `salts`, which keeps what
a verdict is revealed with. How a command is given is said in `cli.books.given`.
"""

from typing import Final

import click

from coopera.cli.market import beacons, days, jobs, resources, verdicts

COMMANDS: Final[tuple[click.Command, ...]] = (
    resources.resource,
    jobs.job,
    verdicts.verdict,
    beacons.beacon,
    days.day,
)
"""To be registered."""
