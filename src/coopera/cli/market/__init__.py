"""
Commands of the market: who offers what, who ordered what, who checked it, who is paid.

`resources`, `jobs`, `verdicts`, `beacons` and `days` have a group of commands each;
they share `written`, values as people write them, `places`, by which a task is found
that nobody numbered, `steps`, which says who is awaited, and `salts`, which keeps what
a verdict is revealed with. How a command is given is said in `cli.books.given`.

`running` runs the market itself, and `whys` adds to jobs and resources why they wait.
"""

from typing import Final

import click

from coopera.cli.market import (
    beacons,
    days,
    jobs,
    resources,
    running,
    verdicts,
    whys,
)

jobs.job.add_command(whys.why_waiting)
resources.resource.add_command(whys.why_no_jobs)

COMMANDS: Final[tuple[click.Command, ...]] = (
    resources.resource,
    jobs.job,
    verdicts.verdict,
    beacons.beacon,
    days.day,
    running.market,
)
"""To be registered."""
