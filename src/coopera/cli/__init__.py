"""The command line: reads what is asked, calls the rooms below, shows what came out."""

import sys

import click

from coopera import __version__
from coopera.cli import parameters, simulations
from coopera.errors import Refusal

REFUSED = 2
"""Exit code when something was refused; click's own for a wrong option."""
FAILED = 3
"""Exit code when the machine would not: disk, permission, memory."""
INTERRUPTED = 130

SIMULATOR = ("numba", "numpy", "matplotlib", "pyarrow")
"""Packages that only simulating needs."""


@click.group(
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100}
)
@click.version_option(__version__, prog_name="coopera")
def cli() -> None:
    """
    Rehearse an AI network that its contributors own.

    Start with: coopera simulate paper --runs 1000 --out out/paper

    Exit codes: 0 done, 2 refused, 3 the machine would not (disk, memory), 130
    interrupted.
    """


cli.add_command(simulations.simulate)
cli.add_command(simulations.compare)
cli.add_command(simulations.lockstep)
cli.add_command(parameters.params)
cli.add_command(parameters.preset)
cli.add_command(parameters.check)


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
        sys.exit(REFUSED)
    except ModuleNotFoundError as error:
        if error.name not in SIMULATOR:
            raise
        click.echo(
            f"coopera: simulating needs {error.name}, which is not installed; install "
            "the simulator with: pip install 'coopera[sim]' [not_installed]",
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
