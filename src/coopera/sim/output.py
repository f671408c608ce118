"""
Results on disk: Parquet files whose rows carry what made them, and a manifest.

A file appears under its name only when it is whole, and the manifest last: a folder
without one is not a result.
"""

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from coopera import __version__
from coopera.errors import ConfigurationRefused, Unreadable
from coopera.sim.catalogue import catalogue
from coopera.sim.launch import economy
from coopera.sim.layout import LANES
from coopera.sim.run import LEVELS, Keep, Result, Summary
from coopera.sim.scenario import Scenario
from coopera.sim.settings import settings
from coopera.sim.start import Start
from coopera.sim.start_file import start_from, start_json
from coopera.sim.sweep import Point, design

MANIFEST = "manifest.json"
QUANTILES = "quantiles.parquet"
PATHS = "paths.parquet"

STATISTICS = (
    "mean",
    "least",
    *(f"p{round(level * 100):02}" for level in LEVELS),
    "most",
)
"""Columns of the quantiles, after the keys."""

ROW_GROUP_ROWS = 1 << 17


@dataclass(frozen=True, slots=True)
class Origin:
    """What a design was made of, so that a result can be made again."""

    source: str
    """Preset or file."""
    tables: Mapping[str, Any]
    """Its tables, presets and single settings merged in."""
    wash_trading: bool = False


def clear_result(folder: Path) -> None:
    """Remove an earlier result, as its manifest lists it, and what killed runs left."""
    try:
        files = json.loads((folder / MANIFEST).read_text("utf-8"))["files"]
    except (OSError, ValueError, LookupError, TypeError):
        files = []
    (folder / MANIFEST).unlink(missing_ok=True)
    for name in files:
        if isinstance(name, str) and Path(name).name == name:
            (folder / name).unlink(missing_ok=True)
    _remove_leftovers(folder)


def write_result(
    result: Result, origin: Origin, folder: Path, others: Sequence[Path] = ()
) -> list[Path]:
    """
    Write a result into a folder that exists, and list the files.

    The manifest also lists the `others` that were made of the same result.
    """
    clear_result(folder)
    keeps_paths = result.keep is Keep.PATHS
    names = [QUANTILES, PATHS, MANIFEST] if keeps_paths else [QUANTILES, MANIFEST]
    files = [*others, *(folder / name for name in names)]
    about = _about(result, origin) | {"files": [path.name for path in files]}
    with whole_file(folder / QUANTILES) as part:
        _write_quantiles(result, about, part)
    if keeps_paths:
        with whole_file(folder / PATHS) as part:
            _write_paths(result, about, part)
    with whole_file(folder / MANIFEST) as part:
        part.write_text(json.dumps(about, indent=1) + "\n", "utf-8")
    return files


def read_result(folder: Path) -> Result:
    """
    Read back what `write_result` wrote, without the paths.

    Refuses with `Unreadable` a folder that holds no whole result of this version.
    """
    try:
        about = json.loads((folder / MANIFEST).read_text("utf-8"))
        return _restored(about, folder)
    except FileNotFoundError as error:
        missing = Path(error.filename or QUANTILES).name
        raise Unreadable(
            f"{folder} is not the result of a simulation: it has no {missing}; make "
            f"one with: coopera simulate --out {folder}"
        ) from None
    except (
        ArithmeticError,
        AttributeError,
        ConfigurationRefused,
        LookupError,
        OSError,
        TypeError,
        ValueError,
        pa.ArrowException,
    ) as error:
        why = " ".join(str(error).split())
        raise Unreadable(f"{folder} is not a result that can be read: {why}") from None


def write_start(start: Start, path: Path) -> None:
    """Write a start into a file. Refuses with `Unreadable` where that cannot be."""
    try:
        with whole_file(path) as part:
            part.write_text(json.dumps(start_json(start), indent=1) + "\n", "utf-8")
    except OSError as error:
        raise Unreadable(
            f"cannot write {path}: {error.strerror}; name another file"
        ) from None


def _restored(about: Mapping[str, Any], folder: Path) -> Result:
    """Make a result of its manifest and its quantiles; any exception means damage."""
    runs, seed = about["runs"], about["seed"]
    if type(runs) is not int or type(seed) is not int or runs < 1 or seed < 0:
        raise ValueError(f"runs is {runs!r} and seed {seed!r}")
    start = about.get("start")
    points = design(
        _decimals(about["tables"]),
        [_decimals(settings) for settings in about["points"]],
        wash_trading=about["wash_trading"],
        start=None if start is None else start_from(start),
    )
    scenario = points[0].scenario
    recorded = catalogue(scenario, economy(scenario).rows)
    if [each.name for each in recorded] != about["variables"]:
        raise ValueError(
            f"it was written by version {about['version']}, whose variables differ "
            f"from those of {__version__}; run it again"
        )
    table = pq.read_table(
        folder / QUANTILES, columns=list(STATISTICS), page_checksum_verification=True
    )
    shape = (len(points), len(recorded), scenario.simulation.days)
    columns = [table[name].to_numpy().reshape(shape) for name in STATISTICS]
    mean, least, *levels, most = columns
    summaries = tuple(
        Summary(
            np.stack([each[i] for each in levels], axis=-1), mean[i], least[i], most[i]
        )
        for i in range(len(points))
    )
    return Result(points, runs, seed, Keep.QUANTILES, recorded, summaries)


@contextmanager
def whole_file(path: Path) -> Iterator[Path]:
    """Lend another name to write under; give the file its own once it is durable."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        yield part
        with part.open("rb+") as file:
            os.fsync(file.fileno())
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _remove_leftovers(folder: Path) -> None:
    """Remove what killed runs left under other names."""
    for part in folder.glob(".*.part"):
        writer = part.name.split(".")[-2]
        try:
            os.kill(int(writer), 0)
        except (ValueError, ProcessLookupError):
            part.unlink(missing_ok=True)
        except PermissionError:
            continue  # Somebody else's, and alive.


def row_parameters(scenario: Scenario) -> dict[str, float | str]:
    """Give what every row carries: every setting by its dotted path."""
    return {
        ".".join(each.path): each.value if each.is_word else float(each.value)
        for each in settings(scenario)
    }


def _about(result: Result, origin: Origin) -> dict[str, Any]:
    return {
        "program": "coopera",
        "version": __version__,
        "source": origin.source,
        "seed": result.seed,
        "runs": result.runs,
        "days": result.days,
        "keep": result.keep.value,
        "wash_trading": origin.wash_trading,
        "variables": [each.name for each in result.variables],
        "units": [each.unit for each in result.variables],
        "points": [_plain(point.settings) for point in result.points],
        "tables": _plain(origin.tables),
    } | _about_start(result)


def _about_start(result: Result) -> dict[str, Any]:
    """Tell where a result starts, unless that is the first morning."""
    scenario = result.points[0].scenario
    return {} if scenario.is_first_morning else {"start": start_json(scenario.start)}


def _write_quantiles(result: Result, about: Mapping[str, Any], part: Path) -> None:
    days, count = result.days, len(result.variables)
    numbers = _day_numbers(result)
    rows = days * count

    def tables() -> Iterator[pa.Table]:
        for i, (point, summary) in enumerate(
            zip(result.points, result.summaries, strict=True)
        ):
            statistics = (
                summary.mean,
                summary.least,
                *np.moveaxis(summary.quantiles, -1, 0),
                summary.most,
            )
            columns: dict[str, pa.Array] = {
                "point": _constant(i, rows),
                "variable": _repeated(
                    [each.name for each in result.variables],
                    np.repeat(np.arange(count), days),
                ),
                "unit": _repeated(
                    [each.unit for each in result.variables],
                    np.repeat(np.arange(count), days),
                ),
                "day": pa.array(np.tile(numbers, count)),
            }
            columns |= {
                name: pa.array(values.ravel())
                for name, values in zip(STATISTICS, statistics, strict=True)
            }
            yield _labelled(columns, point, result, rows)

    _write_tables(tables(), about, part)


def _write_paths(result: Result, about: Mapping[str, Any], part: Path) -> None:
    days = result.days
    numbers = _day_numbers(result)
    blocks = max(1, ROW_GROUP_ROWS // (LANES * days))

    def tables() -> Iterator[pa.Table]:
        for i, (point, paths) in enumerate(
            zip(result.points, result.paths, strict=True)
        ):
            for start in range(0, paths.shape[0], blocks):
                first = start * LANES
                last = min(first + blocks * LANES, result.runs)
                worlds = last - first
                columns: dict[str, pa.Array] = {
                    "point": _constant(i, worlds * days),
                    "run": pa.array(
                        np.repeat(np.arange(first, last, dtype=np.int32), days)
                    ),
                    "day": pa.array(np.tile(numbers, worlds)),
                }
                for v, each in enumerate(result.variables):
                    block = paths[start : start + blocks, :, v, :].transpose(0, 2, 1)
                    values = block.reshape(-1, days)[:worlds].ravel()
                    columns[each.name] = pa.array(values / each.scale)
                yield _labelled(columns, point, result, worlds * days)

    _write_tables(tables(), about, part)


def _day_numbers(result: Result) -> np.ndarray:
    """Number the days as the network does, from 1."""
    return np.arange(result.day(1), result.day(result.days) + 1, dtype=np.int32)


def _labelled(
    columns: dict[str, pa.Array], point: Point, result: Result, rows: int
) -> pa.Table:
    """Add what every row carries: its parameters, the seed, the program's version."""
    labels: dict[str, float | str | int] = {
        **row_parameters(point.scenario),
        "seed": result.seed,
        "version": __version__,
    }
    return pa.table(
        columns | {name: _constant(value, rows) for name, value in labels.items()}
    )


def _write_tables(
    tables: Iterator[pa.Table], about: Mapping[str, Any], part: Path
) -> None:
    first = next(tables)
    schema = first.schema.with_metadata({"coopera": json.dumps(about)})
    plain = [field.name for field in schema if not pa.types.is_dictionary(field.type)]
    with pq.ParquetWriter(
        part,
        schema,
        compression="zstd",
        write_page_checksum=True,
        use_dictionary=[field.name for field in schema if field.name not in plain],
        use_byte_stream_split=[
            name for name in plain if pa.types.is_floating(schema.field(name).type)
        ],
        write_statistics=["point", "run", "day"],
    ) as writer:
        for table in (first, *tables):
            writer.write_table(table.replace_schema_metadata(schema.metadata))


def _constant(value: float | str, rows: int) -> pa.Array:
    return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int8), pa.array([value]))


def _repeated(values: Sequence[str], index: np.ndarray) -> pa.Array:
    return pa.DictionaryArray.from_arrays(index.astype(np.int16), pa.array(values))


def _plain(value: Any) -> Any:
    """Turn decimals into text that JSON keeps exactly."""
    if isinstance(value, Mapping):
        return (
            {"table": {key: _plain(each) for key, each in value.items()}}
            if set(value) in ({"decimal"}, {"table"})
            else {key: _plain(each) for key, each in value.items()}
        )
    if isinstance(value, list):
        return [_plain(each) for each in value]
    return {"decimal": str(value)} if isinstance(value, Decimal) else value


def _decimals(value: Any) -> Any:
    """Turn `_plain` text back into decimals."""
    if isinstance(value, Mapping):
        if set(value) == {"decimal"}:
            return Decimal(value["decimal"])
        if set(value) == {"table"}:
            return {key: _decimals(each) for key, each in value["table"].items()}
        return {key: _decimals(each) for key, each in value.items()}
    if isinstance(value, list):
        return [_decimals(each) for each in value]
    return value
