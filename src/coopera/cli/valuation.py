"""Commands about what contributions are worth: value them, check it, look at data."""

import json
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from zipfile import BadZipFile

import click

from coopera.cli.books.options import in_json
from coopera.cli.books.showing import plural, show_columns, show_json
from coopera.cli.files import (
    naming,
    read_text,
    refuse_existing,
    rows_of,
    write_new,
)
from coopera.errors import Malformed, Unreadable

if TYPE_CHECKING:
    from coopera.work.valuation.schema import Schema
    from coopera.work.valuation.transcript import Transcript

PICO: Final = 10**12
DEFAULTS: Final[Mapping[str, int]] = {
    "neighbours": 5,
    "clip_factor_pico": PICO * 5 // 4,
    "faulty": 0,
    "nodes": 4,
    "orders": 1000,
    "truncation_pico": 0,
    "round_truncation_pico": 0,
    "whole_round": 0,
}
"""Parameters of methods, where they are not given."""
DAMAGED: Final = (
    *(ValueError, TypeError, AttributeError, KeyError, RuntimeError),
    *(EOFError, BadZipFile, zlib.error),
)
"""What NumPy raises where a file has no arrays, or damaged ones."""
SHOWN: Final = 20
"""Members that are printed; the transcript has all."""


@click.group(short_help="Say what each contribution was worth, and check who says so.")
def value() -> None:
    """
    Say what each contribution was worth, and check what somebody else has found.

    Inputs are arrays in a NumPy file (.npz). What comes out is a transcript: its hash
    is what a round of training makes known, and whoever has the inputs can check it.
    """


@value.command(short_help="Value rows, or the updates of a round.")
@click.argument("method")
@click.argument("inputs", metavar="INPUTS.npz", type=click.Path(path_type=Path))
@click.option(
    "--set",
    "settings",
    multiple=True,
    metavar="NAME=NUMBER",
    help=f"A whole number for the method, one of {', '.join(DEFAULTS)}.",
)
@click.option("--seed", default="", metavar="HEX", help="32 bytes, from a beacon.")
@click.option("--out", metavar="FILE", help="Write the transcript to a new file.")
@in_json
def find(
    method: str,
    inputs: Path,
    settings: tuple[str, ...],
    seed: str,
    out: str | None,
    *,
    as_json: bool,
) -> None:
    """
    Value contributions by METHOD, from the arrays of INPUTS.npz.

    knn_shapley values rows: points, labels, owners; tests, test_labels. aumann_shapley,
    exact_shapley and gtg_shapley value the updates of a round: start, updates, rows;
    features and labels of a validation set, for a softmax model.
    """
    from coopera.work.valuation import transcript

    refuse_existing(out)
    arrays = _arrays(inputs)
    parameters = _parameters(method, settings, arrays)
    made = transcript.compute(method, arrays, parameters, _seed(seed))
    if out is not None:
        write_new(out, made.text.encode())
    if as_json:
        show_json({**json.loads(made.text), "sha256": made.digest})
        return
    _show(made)
    if out is not None:
        click.echo(f"transcript in {out}")
    click.echo(f"sha256 {made.digest}")


@value.command(short_help="Compute a transcript again, and say what differs.")
@click.argument("written", metavar="TRANSCRIPT", type=click.Path(path_type=Path))
@click.argument("inputs", metavar="INPUTS.npz", type=click.Path(path_type=Path))
@in_json
def check(written: Path, inputs: Path, *, as_json: bool) -> int:
    """Compute TRANSCRIPT again from its inputs; exit with 1 if something differs."""
    from coopera.work.valuation import transcript

    with naming(written):
        made = transcript.read(read_text(written, "a transcript"))
    differences = transcript.check(made, _arrays(inputs))
    if as_json:
        show_json(
            {
                "sha256": made.digest,
                "question": made.question,
                "differences": [str(each) for each in differences],
            }
        )
    elif differences:
        for each in differences[:SHOWN]:
            click.echo(str(each))
        if len(differences) > SHOWN:
            click.echo(f"and {len(differences) - SHOWN} more")
        click.echo("the transcript does not say what comes out")
    else:
        click.echo(
            f"{plural(len(made.values_pico), 'value')}, all as the transcript says\n"
            f"sha256   {made.digest}\nquestion {made.question}"
        )
    return int(bool(differences))


@value.command(short_help="Count the rows of a file in the cells of a schema.")
@click.argument("rows", metavar="ROWS.csv", type=click.Path(path_type=Path))
@click.option("--schema", "schema_file", required=True, type=click.Path(path_type=Path))
@click.option("--out", metavar="FILE", help="Write the counts to a new file, as JSON.")
@in_json
def histogram(rows: Path, schema_file: Path, out: str | None, *, as_json: bool) -> None:
    """
    Count the rows of a CSV file in the cells of a schema.

    This is what a contributor commits to, and what a round's target is made of.
    """
    schema = _schema(schema_file)
    counts = _counted(schema, rows)
    if out is not None:
        write_new(out, f"{json.dumps(counts)}\n".encode())
    if as_json:
        show_json({"schema": schema.digest, "counts": counts})
        return
    filled = sum(map(bool, counts))
    click.echo(
        f"{plural(sum(counts), 'row')} in {filled} of {schema.cells} cells\n"
        f"schema {schema.digest}"
    )


@value.command(short_help="Say how far data lies from a sample of what is aimed at.")
@click.argument("rows", metavar="ROWS.csv", type=click.Path(path_type=Path))
@click.argument("sample", metavar="SAMPLE.csv", type=click.Path(path_type=Path))
@click.option("--schema", "schema_file", required=True, type=click.Path(path_type=Path))
@click.option("--neighbours", default=5, show_default=True, metavar="K")
@in_json
def divergence(
    rows: Path, sample: Path, schema_file: Path, neighbours: int, *, as_json: bool
) -> None:
    """
    Say how far data lies from a sample of what is aimed at, in nats.

    By cells, as data is paid; and by nearest neighbours among the features, which no
    bins blur, and which is an estimate.
    """
    from coopera.formulas.contribution import kl_divergence, target_distribution
    from coopera.units import WAD, Wad
    from coopera.work.valuation.divergence import neighbour_divergence

    schema = _schema(schema_file)
    mine, aimed = _counted(schema, rows), _counted(schema, sample)
    for path, counts in ((rows, mine), (sample, aimed)):
        if not any(counts):
            raise Malformed(f"{path} has no rows; name a file with one at least")
    least = Wad(min(WAD // 1000, WAD // schema.cells))
    by_cells = kl_divergence(mine, target_distribution(aimed, least)) / WAD
    estimate = None
    if schema.features:
        points = [_features(schema, each) for each in (rows, sample)]
        estimate = neighbour_divergence(*points, neighbours=neighbours)
    if as_json:
        show_json({"by_cells": by_cells, "by_neighbours": estimate})
        return
    shown = [(f"{by_cells:.6f}", f"nats, by {schema.cells} cells")]
    if estimate is not None:
        near = plural(neighbours, "nearest neighbour")
        shown.append((f"{estimate:.6f}", f"nats, by {near}"))
    show_columns(shown, right=(0,))


def _show(made: "Transcript") -> None:
    total = sum(each for each in made.values_pico if each > 0)
    reported = {
        member: what for what, members in made.reported.items() for member in members
    }
    ordered = sorted(enumerate(made.values_pico), key=lambda each: -each[1])
    lines = [("member", "value", "share", "")]
    lines += [
        (
            str(member),
            f"{worth / PICO:+.9f}",
            f"{max(0, worth) / total:.2%}" if total else "-",
            reported.get(member, ""),
        )
        for member, worth in ordered[:SHOWN]
    ]
    show_columns(lines, right=(0, 1, 2))
    if len(ordered) > SHOWN:
        click.echo(f"and {len(ordered) - SHOWN} more")


def _parameters(
    method: str, settings: tuple[str, ...], arrays: Mapping[str, Any]
) -> dict[str, int]:
    from coopera.work.valuation.methods import METHODS

    if method not in METHODS:
        raise Malformed(
            f"there is no method {method[:80]!r}; there are {', '.join(METHODS)}"
        )
    given: dict[str, int] = {}
    for each in settings:
        name, number = _setting(each)
        if name in given:
            raise Malformed(f"--set gives {name[:80]} twice; give it once")
        given[name] = number
    wanted = METHODS[method].parameters
    # How many there are, the inputs say: owners and classes are numbered from 0.
    counted = {"members": "owners", "classes": "labels"}
    for name, array in counted.items():
        if name in wanted and name not in given and array in arrays:
            given[name] = _count(array, arrays[array])
    return {**{k: v for k, v in DEFAULTS.items() if k in wanted}, **given}


def _count(name: str, numbers: Any) -> int:
    """Count what is numbered from 0. Refuses with `Malformed`."""
    if numbers.dtype.kind not in "biu" or not numbers.size:
        raise Malformed(
            f"{name} is of shape {numbers.shape} and type {numbers.dtype}; each must "
            "be a whole number, 0 or more"
        )
    if (least := int(numbers.min())) < 0:
        raise Malformed(f"{name} has {least}; each must be 0 or more")
    return int(numbers.max()) + 1


def _setting(written: str) -> tuple[str, int]:
    name, _, number = written.partition("=")
    try:
        return name, int(number)
    except ValueError:
        raise Malformed(
            f"--set is {written[:80]!r}; it must be a name and a whole number"
        ) from None


def _seed(written: str) -> bytes:
    try:
        return bytes.fromhex(written)
    except ValueError:
        raise Malformed(
            f"--seed is {written[:80]!r}; it must be 64 hexadecimal digits"
        ) from None


def _arrays(path: Path) -> dict[str, Any]:
    """Read arrays; nothing in a file is ever run. Refuses with `Unreadable`."""
    import numpy as np

    try:
        with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
            return {name: arrays[name] for name in arrays.files}
    except (*DAMAGED, OSError) as error:
        said = getattr(error, "strerror", None) or error
        raise Unreadable(
            f"{path} cannot be read as arrays of numbers ({said}); write it with "
            "numpy.savez"
        ) from error


def _schema(path: Path) -> "Schema":
    from coopera.work.valuation.schema import read_schema

    with naming(path):
        return read_schema(read_text(path, "a schema"))


def _counted(schema: "Schema", path: Path) -> tuple[int, ...]:
    with rows_of(schema, path) as rows:
        return schema.histogram(rows)


def _features(schema: "Schema", path: Path) -> list[list[float]]:
    with rows_of(schema, path) as rows:
        return [[float(row[each.name]) for each in schema.features] for _, row in rows]
