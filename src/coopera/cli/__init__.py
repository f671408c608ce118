"""The command line: reads what is asked, calls the rooms below, shows what came out."""

import json
import re
import sys
from collections.abc import Mapping, Sequence
from typing import Final, NamedTuple

import click

from coopera import __version__
from coopera.cli import (
    attacks,
    books,
    forecast,
    market,
    parameters,
    royalties,
    simulations,
    valuation,
    verify,
)
from coopera.errors import Refusal, Unavailable
from coopera.store import StoreFailed

REFUSED = 2
"""Exit code when something was refused; click's own for a wrong option."""
FAILED = 3
"""Exit code when the machine would not: disk, permission, memory."""
INTERRUPTED = 130
NEGATIVE = re.compile(r"-[0-9.]")
"""What is written where an amount is, and cannot be one."""


class _End(NamedTuple):
    """How the program ends where nothing comes out."""

    exit_code: int
    code: str
    """Stable name, for programs."""
    said: str


USAGE: Final = "usage"
"""Code of what click itself refuses."""
INTERRUPTED_END = _End(
    INTERRUPTED, "interrupted", "interrupted; no file was left half-written"
)
ENDS: Final[Mapping[type[BaseException], _End]] = {
    StoreFailed: _End(FAILED, "store_failed", "the books cannot be read: {}"),
    click.Abort: INTERRUPTED_END,
    KeyboardInterrupt: INTERRUPTED_END,
    MemoryError: _End(FAILED, "out_of_memory", "out of memory; run fewer worlds"),
    OSError: _End(FAILED, "system", "{}"),
}
"""What the machine or somebody at it does."""
EXTRAS = {
    "alembic": "books",
    "msgspec": "books",
    "sqlalchemy": "books",
    "tiny_keccak": "books",
    "psycopg": "postgres",
    "anyio": "api",
    "starlette": "api",
    "uvicorn": "api",
    "matplotlib": "sim",
    "numba": "sim",
    "numpy": "sim",
    "pyarrow": "sim",
}
"""Packages that only some commands need, and the extra that brings them."""

SECTIONS: Final[Mapping[str, Sequence[click.Command]]] = {
    "The books": (*books.COMMANDS, verify.verify),
    "The market": market.COMMANDS,
    "Royalties": royalties.COMMANDS,
}
"""Parts of the help; what is in none of them comes first."""


class _InSections(click.Group):
    """Group whose help lists its commands part by part."""

    def format_commands(
        self, ctx: click.Context, formatter: click.HelpFormatter
    ) -> None:
        """List the commands, each with what it does."""
        del ctx
        placed = {each.name for part in SECTIONS.values() for each in part}
        others = [each for name, each in self.commands.items() if name not in placed]
        width = formatter.width - max(map(len, self.commands)) - 6
        for title, part in (("Simulation and settings", others), *SECTIONS.items()):
            with formatter.section(title):
                formatter.write_dl(
                    [(str(each.name), each.get_short_help_str(width)) for each in part]
                )


@click.group(
    cls=_InSections,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
)
@click.version_option(__version__, prog_name="coopera")
def cli() -> None:
    """
    Rehearse an AI network that its contributors own.

    Start with: coopera simulate paper --runs 1000 --out out/paper

    Keep real books with: coopera books open, and see coopera commands

    Run its market with: coopera market run, or by hand with resource, job, verdict,
    beacon and day

    Exit codes: 0 done, 1 an audit found something or a proof does not hold, 2 refused,
    3 the machine would not (disk, memory, database), 130 interrupted.
    """


cli.add_command(simulations.simulate)
cli.add_command(forecast.forecast)
cli.add_command(simulations.compare)
cli.add_command(simulations.lockstep)
cli.add_command(parameters.params)
cli.add_command(parameters.preset)
cli.add_command(parameters.check)
cli.add_command(parameters.deterrence)
cli.add_command(attacks.attacks)
cli.add_command(valuation.value)
for section in SECTIONS.values():
    for command in section:
        cli.add_command(command)


def main() -> None:
    """
    Run the command line; a refusal is one sentence and a non-zero exit.

    Where JSON was asked for, the refusal is printed as JSON besides.
    """
    try:
        code = cli.main(prog_name="coopera", standalone_mode=False)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except (
        *(click.ClickException, click.Abort, KeyboardInterrupt),
        *(Refusal, StoreFailed, ModuleNotFoundError, MemoryError, OSError),
    ) as error:
        sys.exit(_say_why(error))
    sys.exit(code if isinstance(code, int) else 0)


def _say_why(error: BaseException) -> int:
    """Say why nothing came out; gives the exit code."""
    ends = _end_of(error)
    if isinstance(error, click.ClickException) and ends.code == USAGE:
        error.show()
    else:
        click.echo(f"coopera: {ends.said} [{ends.code}]", err=True)
    if "--json" in sys.argv:
        told = {"error": {"code": ends.code, "message": ends.said}}
        click.echo(json.dumps(told, indent=1))
    return ends.exit_code


def _end_of(error: BaseException) -> _End:
    """Say how an error ends the program. Raises the error again if it is a bug."""
    match error:
        case click.NoSuchOption(option_name=name) if NEGATIVE.match(name):
            given = next(each for each in sys.argv if each.startswith(name))
            said = f"{given[:80]} is below 0; write an amount or a number above it"
            return _End(REFUSED, "negative_amount", said)
        case click.ClickException():
            return _End(error.exit_code, USAGE, error.format_message())
        case Refusal():
            failed = isinstance(error, Unavailable)
            said = " ".join(str(error).splitlines())
            return _End(FAILED if failed else REFUSED, error.code, said)
        case ModuleNotFoundError():
            package = str(error.name).partition(".")[0]
            if package not in EXTRAS:
                raise error
            said = f"this needs {package}, which is not installed; install it with"
            extra = f"pip install 'coopera[{EXTRAS[package]}]'"
            return _End(REFUSED, "not_installed", f"{said}: {extra}")
    end = next(end for kind, end in ENDS.items() if isinstance(error, kind))
    return end._replace(said=end.said.format(error))
