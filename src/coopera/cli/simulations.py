"""Commands that simulate, and that compare what was simulated."""

import fcntl
import json
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import click

from coopera.errors import Inconsistent, Unreadable

if TYPE_CHECKING:
    from coopera.sim.run import Result
    from coopera.sim.start import Start

SHOWN = (
    "price_usd",
    "income_usd",
    "circulating_token",
    "token_reserve_token",
    "dollar_reserve_usd",
    "suppliers",
)
"""Variables of the table on the terminal."""

POINTS_SHOWN = 40
"""Most points that are printed."""


runs_of = click.option(
    "--runs", default=1000, show_default=True, help="Worlds for every point."
)
seeded = click.option(
    "--seed", default=1, show_default=True, help="Same seed, same worlds."
)
kept = click.option(
    "--keep",
    type=click.Choice(["paths", "quantiles"]),
    help="Every path, or quantiles of every day. Default: paths if they are small.",
)
threads_of = click.option(
    "--threads", type=click.IntRange(1, 1024), help="Default: all cores."
)
in_folder = click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    help="Folder for Parquet files, pictures and the report.",
)
only_data = click.option("--no-report", is_flag=True, help="Write data only.")
from_start = click.option(
    "--start",
    "start_file",
    type=click.Path(path_type=Path),
    metavar="FILE",
    help="Start where books stood, as coopera forecast --start-out wrote it.",
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A simulation that is to be carried out, shown and written."""

    source: str
    """What it is of, in a few words."""
    title: str
    tables: Mapping[str, Any]
    runs: int
    seed: int
    keep: str | None
    threads: int | None
    out: Path | None
    no_report: bool
    as_json: bool
    points: Sequence[Mapping[str, Any]] = ({},)
    """Settings that are laid over the tables, a set a point."""
    placing: Callable[[], AbstractContextManager[None]] = nullcontext
    """Says in a refusal where the refused key stands."""
    start: "Start | None" = None
    wash_trading: bool = False
    told: Mapping[str, Any] = field(default_factory=dict)
    """What else the JSON says."""


@click.command(short_help="Simulate a preset or a file of your own.")
@click.argument("source", default="paper", metavar="[PRESET|FILE]")
@runs_of
@seeded
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="KEY=VALUE",
    help="Lay a value over; KEY is a variable's name or a dotted path.",
)
@click.option(
    "--sweep",
    "sweeps",
    multiple=True,
    metavar="KEY=V1,V2,...",
    help="Run every value; or KEY=FIRST:LAST:COUNT.",
)
@click.option(
    "--grid", "combine", flag_value="grid", help="Cross the values of sweeps."
)
@click.option("--zip", "combine", flag_value="zip", help="Walk through sweeps in step.")
@from_start
@kept
@threads_of
@in_folder
@only_data
@click.option(
    "--allow-wash-trading", is_flag=True, help="Study settings under which it pays."
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def simulate(
    source: str,
    runs: int,
    seed: int,
    settings: tuple[str, ...],
    sweeps: tuple[str, ...],
    combine: str | None,
    start_file: Path | None,
    keep: str | None,
    threads: int | None,
    out: Path | None,
    *,
    no_report: bool,
    allow_wash_trading: bool,
    as_json: bool,
) -> None:
    """
    Simulate a preset or a file of your own, in thousands of worlds.

    Presets: paper (the default) and minimal.

    \b
    Examples:
      coopera simulate paper --runs 10000 --out out/paper
      coopera simulate mine.toml --set buyback_rate=0.8
      coopera simulate --sweep buyback_rate=0.2:0.8:4 --sweep bond_rate=0.1,0.5 --grid
    """  # noqa: D301 - click reads the backspace
    from coopera.cli.sources import open_source, settings_of

    opened = open_source(source, settings, sweeps)
    asked = Asked(
        source=source,
        title=f"{source}, {runs:,} worlds",
        tables=opened.tables,
        runs=runs,
        seed=seed,
        keep=keep,
        threads=threads,
        out=out,
        no_report=no_report,
        as_json=as_json,
        points=settings_of(sweeps, combine),
        placing=opened.placing,
        start=_opened_start(start_file, opened.options),
        wash_trading=allow_wash_trading,
    )
    carry_out(asked)


def carry_out(asked: Asked) -> None:
    """Simulate what is asked, write its files, and show what came out."""
    from coopera.protocol.warnings import warnings
    from coopera.sim.output import Origin, clear_result, write_result
    from coopera.sim.run import Keep, simulate
    from coopera.sim.sweep import design

    out = asked.out
    with asked.placing():
        points = design(
            asked.tables,
            asked.points,
            wash_trading=asked.wash_trading,
            start=asked.start,
        )
    for warning in dict.fromkeys(
        warning for point in points for warning in warnings(point.scenario.params)
    ):
        click.echo(f"coopera: warning: {warning}", err=True)
    if out is not None:
        click.get_current_context().with_resource(_output_folder(out))
    with _progress(asked.runs * len(points)) as progress:
        result = simulate(
            points,
            runs=asked.runs,
            seed=asked.seed,
            keep=Keep(asked.keep) if asked.keep else None,
            threads=asked.threads,
            progress=progress,
        )
    if (beyond := result.beyond_the_books()) is not None:
        click.echo(f"coopera: warning: {beyond}", err=True)
    files: list[Path] = []
    if out is not None:
        clear_result(out)
        if asked.start is not None:
            files += _write_inputs(result, out)
        if not asked.no_report:
            from coopera.sim.report import write_report

            files += write_report(result, out, title=asked.title)
        origin = Origin(asked.source, asked.tables, asked.wash_trading)
        files = write_result(result, origin, out, files)
    if asked.as_json:
        click.echo(json.dumps({**_as_json(result, files), **asked.told}, indent=1))
    else:
        _show(result, asked.source)
        report = [path for path in files if path.suffix == ".html"]
        if files:
            click.echo(f"\n{len(files)} files in {out}; open {(report or files)[0]}")


def _opened_start(
    file: Path | None, options: Mapping[tuple[str, ...], str]
) -> "Start | None":
    """Read a start. Refuses with `Inconsistent` settings that it overrules."""
    if file is None:
        return None
    from coopera.sim.start_file import read_start

    for path, option in options.items():
        if path == ("simulation", "initial_dollar_reserve_usd") or (
            path[0] == "suppliers" and path[-1] == "initial"
        ):
            raise Inconsistent(
                f"{option}: with --start the first day is that of {file}; leave it out",
                path,
            )
    return read_start(file)


def _write_inputs(result: "Result", out: Path) -> list[Path]:
    """Write what can be simulated again from this start, with other settings."""
    from coopera.sim.output import whole_file, write_start
    from coopera.sim.settings import document

    scenario = result.points[0].scenario
    files = [out / "scenario.toml", out / "start.json"]
    with whole_file(files[0]) as part:
        part.write_text(f'preset = "none"\n\n{document(scenario)}', "utf-8")
    write_start(scenario.start, files[1])
    return files


@click.command(short_help="Put two simulated folders side by side.")
@click.argument("left", type=click.Path(path_type=Path))
@click.argument("right", type=click.Path(path_type=Path))
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("out/comparison"),
    show_default=True,
    help="Folder for the pictures and the page.",
)
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
def compare(left: Path, right: Path, out: Path, *, as_json: bool) -> None:
    """Put two simulated folders side by side: settings, outcomes, pictures."""
    from coopera.sim.output import read_result
    from coopera.sim.report import write_comparison

    results = read_result(left), read_result(right)
    click.get_current_context().with_resource(_output_folder(out))
    files = write_comparison(*results, (str(left), str(right)), out)
    if as_json:
        both = {
            str(name): _as_json(result, [])
            for name, result in zip((left, right), results, strict=True)
        }
        click.echo(json.dumps(both | {"files": list(map(str, files))}, indent=1))
    else:
        page = next(path for path in files if path.suffix == ".html")
        click.echo(f"{len(files)} files in {out}; open {page}")


@click.command(short_help="Run simulated worlds again on the exact books.")
@click.argument("source", default="paper", metavar="[PRESET|FILE]")
@click.option("--worlds", type=click.IntRange(1, 10_000), default=4, show_default=True)
@click.option("--seed", default=1, show_default=True, help="Same seed, same worlds.")
@click.option("--set", "settings", multiple=True, metavar="KEY=VALUE", help="Lay over.")
@from_start
@click.option("--json", "as_json", is_flag=True, help="Print JSON.")
@click.option(
    "--allow-wash-trading", is_flag=True, help="Study settings under which it pays."
)
def lockstep(
    source: str,
    worlds: int,
    seed: int,
    settings: tuple[str, ...],
    start_file: Path | None,
    *,
    as_json: bool,
    allow_wash_trading: bool,
) -> None:
    """
    Run simulated worlds again on the exact books, and say how far the two are apart.

    Every day is closed twice, over float64 and in double entry, on the same jobs,
    sentiment and suppliers.
    """
    from coopera.cli.sources import open_source

    opened = open_source(source, settings, ())
    start = _opened_start(start_file, opened.options)
    from coopera.sim.lockstep import replay
    from coopera.sim.run import Keep
    from coopera.sim.run import simulate as run
    from coopera.sim.sweep import design

    with opened.placing():
        points = design(
            opened.tables, [{}], wash_trading=allow_wash_trading, start=start
        )
    result = run(points, runs=worlds, seed=seed, keep=Keep.PATHS)
    replays = [replay(result, world) for world in range(worlds)]
    apart = {
        name: max(each.apart[name] for each in replays) for name in replays[0].apart
    }
    transfers = sum(each.transfers for each in replays)
    price = max(each.price_apart for each in replays)
    if as_json:
        told = {
            "worlds": worlds,
            "days": result.days,
            "transfers": transfers,
            "micro_units_apart": apart,
            "price_apart": price,
        }
        click.echo(json.dumps(told, indent=1))
        return
    click.echo(
        f"{worlds} worlds, {result.days} days, {transfers:,} transfers on the books\n"
    )
    for name, off in apart.items():
        label = result.variables[result.index[name]].label
        click.echo(f"{label:<30}{off:>12} micro-units apart at most")
    click.echo(f"{'Token price':<30}{price:>12.1e} of itself apart at most")


@contextmanager
def _output_folder(folder: Path) -> Iterator[None]:
    """Make the output folder and keep others out of it, or refuse it."""
    lock = folder / ".coopera-lock"
    held: IO[str] | None = None
    try:
        try:
            folder.mkdir(parents=True, exist_ok=True)
            held = lock.open("a")
        except OSError as error:
            raise Unreadable(
                f"cannot write into {folder}: {error.strerror}; give another --out"
            ) from None
        if not _is_ours(held):
            raise Unreadable(
                f"another coopera writes into {folder}; give another --out"
            )
        yield
    finally:
        # Also where an interrupt came before it was ours.
        if held is not None:
            with held:
                if _is_ours(held):
                    lock.unlink(missing_ok=True)


def _is_ours(held: IO[str]) -> bool:
    """Take a lock, unless another process has it; the system takes it back at last."""
    try:
        fcntl.flock(held, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        return False
    return True


@contextmanager
def _progress(worlds: int) -> Iterator[Any]:
    """Show a bar on a terminal, and nothing elsewhere."""
    if not sys.stderr.isatty():
        yield lambda _done: None
        return
    from coopera.sim import COMPILED

    if not COMPILED.exists():
        click.echo("Compiling the simulator, once: some ten seconds", err=True)
    with click.progressbar(
        length=worlds, label=f"{worlds:,} worlds", file=sys.stderr
    ) as bar:
        bar.render_progress()
        yield bar.update


def _as_json(result: "Result", files: list[Path]) -> dict[str, Any]:
    from coopera import __version__
    from coopera.sim.run import LEVELS

    return {
        "version": __version__,
        "seed": result.seed,
        "runs": result.runs,
        "first_day": result.day(1),
        "days": result.days,
        "points": [
            {
                "settings": {key: str(value) for key, value in point.settings.items()},
                "last_day": {
                    each.name: {
                        "unit": each.unit,
                        "mean": float(result.mean(each.name, i)[-1]),
                        **{
                            f"p{round(level * 100):02}": float(
                                result.quantiles(each.name, i)[-1, n]
                            )
                            for n, level in enumerate(LEVELS)
                        },
                    }
                    for each in result.variables
                },
            }
            for i, point in enumerate(result.points)
        ],
        "files": [str(path) for path in files],
    }


def _show(result: "Result", source: str) -> None:
    """Print what came out: days of one scenario, or the last day of many."""
    worlds = f"{result.runs:,} worlds, seed {result.seed}"
    click.echo(click.style(f"{source}  ({worlds})", bold=True))
    if len(result.points) == 1:
        _show_days(result)
    else:
        _show_points(result)


def _show_days(result: "Result") -> None:
    """Print the medians of some days, and the spread of the last."""
    marks = sorted({1, 30, 60, 90, result.days} & set(range(1, result.days + 1)))
    header = "".join(f"{f'day {result.day(day)}':>14}" for day in marks)
    click.echo(f"{'median':<30}{header}{'5 % .. 95 % at the end':>30}")
    for name in SHOWN:
        each = result.variables[result.index[name]]
        quantiles = result.quantiles(name)
        cells = "".join(f" {_figure(quantiles[day - 1, 2]):>13}" for day in marks)
        spread = f"{_figure(quantiles[-1, 0])} .. {_figure(quantiles[-1, 4])}"
        click.echo(f"{f'{each.label} ({each.unit})':<30}{cells} {spread:>29}")


def _show_points(result: "Result") -> None:
    """Print the medians of the last day, a line a point."""
    labels = [point.label for point in result.points[:POINTS_SHOWN]]
    width = max(len("median of the last day"), *map(len, labels)) + 2
    shown = [result.variables[result.index[name]] for name in SHOWN]
    titles = "".join(f"{each.label:>20}" for each in shown)
    click.echo(f"{'median of the last day':<{width}}{titles}")
    click.echo(" " * width + "".join(f"{each.unit:>20}" for each in shown))
    for i, label in enumerate(labels):
        cells = (result.quantiles(name, i)[-1, 2] for name in SHOWN)
        click.echo(f"{label:<{width}}" + "".join(f" {_figure(x):>19}" for x in cells))
    if left := len(result.points) - len(labels):
        click.echo(f"and {left:,} more points; --out or --json has them all")


def _figure(value: float) -> str:
    return f"{value:,.2f}" if abs(value) < 1000 else f"{value:,.0f}"  # noqa: PLR2004
