"""The command line: reads what is asked, calls the rooms below, shows what came out."""

import sys
from collections.abc import Mapping, Sequence
from typing import Final

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

EXTRAS = {
    "alembic": "books",
    "msgspec": "books",
    "sqlalchemy": "books",
    "tiny_keccak": "books",
    "psycopg": "postgres",
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
    """Run the command line; a refusal is one sentence and a non-zero exit."""
    try:
        code = cli.main(prog_name="coopera", standalone_mode=False)
        sys.exit(code if isinstance(code, int) else 0)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except Refusal as refusal:
        said = " ".join(str(refusal).splitlines())
        click.echo(f"coopera: {said} [{refusal.code}]", err=True)
        sys.exit(FAILED if isinstance(refusal, Unavailable) else REFUSED)
    except StoreFailed as failure:
        click.echo(f"coopera: the books cannot be read: {failure}", err=True)
        sys.exit(FAILED)
    except ModuleNotFoundError as error:
        package = str(error.name).partition(".")[0]
        if package not in EXTRAS:
            raise
        click.echo(
            f"coopera: this needs {package}, which is not installed; install it with: "
            f"pip install 'coopera[{EXTRAS[package]}]' [not_installed]",
            err=True,
        )
        sys.exit(REFUSED)
    except (click.Abort, KeyboardInterrupt):
        click.echo("coopera: interrupted; no file was left half-written", err=True)
        sys.exit(INTERRUPTED)
    except BrokenPipeError:
        sys.stderr.close()
        sys.exit(0)
    except MemoryError:
        click.echo("coopera: out of memory; run fewer worlds", err=True)
        sys.exit(FAILED)
    except OSError as error:
        click.echo(f"coopera: {error}", err=True)
        sys.exit(FAILED)
