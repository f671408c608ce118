"""
Commands about the books: keep them, read them, and prove them.

`opening` opens books and looks after their tables, `giving` gives them commands, and
`reading` reads and proves them. These, and the commands of the market, share their
`options`, the `access` to the books, the way a command is `given`, the `looking` up of
records, and the `showing` of what came out.
"""

from typing import Final

import click

from coopera.cli.books import giving, opening, reading

COMMANDS: Final[tuple[click.Command, ...]] = (
    opening.books,
    giving.do_,
    giving.commands,
    giving.account,
    giving.deposit,
    giving.withdraw,
    reading.balance,
    reading.statement,
    reading.explain,
    reading.audit,
    reading.export,
)
"""To be registered."""
