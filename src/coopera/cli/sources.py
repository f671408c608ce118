"""Where settings come from: a preset, a file over it, single values over both."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation, localcontext
from pathlib import Path
from typing import Any

from coopera.errors import (
    ConfigurationRefused,
    Inconsistent,
    OutOfBounds,
    Unreadable,
    WrongType,
)
from coopera.params.document import (
    NO_PRESET,
    PRESETS,
    Document,
    merged,
    parse,
    parse_value,
    preset,
)

DEFAULT_PRESET = "paper"

SWEEP_MAX = 100_000
"""Most values that one range may name."""


@dataclass(frozen=True, slots=True)
class Source:
    """Tables to run, and the documents and options that they came from."""

    name: str
    tables: Mapping[str, Any]
    documents: tuple[Document, ...]
    """Uppermost first."""
    options: Mapping[tuple[str, ...], str]
    """Options by the path that they set, as they were written."""

    @contextmanager
    def placing(self) -> Iterator[None]:
        """Say in a refusal where the refused key stands."""
        try:
            yield
        except ConfigurationRefused as refusal:
            place = self._place(refusal.path)
            raise type(refusal)(f"{place}{refusal}", refusal.path) from None

    def _place(self, path: tuple[str, ...]) -> str:
        for option, written in self.options.items():
            if option[: len(path)] == path or path[: len(option)] == option:
                return f"{written}: "
        found = [(document.locate(path), document) for document in self.documents]
        (depth, line), document = max(
            found, key=lambda each: each[0][0], default=((0, 0), None)
        )
        return f"{document.source}, line {line}: " if depth and document else ""


def open_source(name: str, settings: Sequence[str], sweeps: Sequence[str]) -> Source:
    """
    Open a preset or a file, and lay single settings over it.

    Refuses with `Unreadable` what is neither, and with `WrongType` a setting that is
    not KEY=VALUE.
    """
    from coopera.sim.scenario import with_plain_names
    from coopera.sim.sweep import laid_over, setting_path

    documents = documents_of(name)
    tables: Mapping[str, Any] = {}
    for document in reversed(documents):
        over = {k: v for k, v in document.tables.items() if k != "preset"}
        tables = merged(tables, with_plain_names(over))
    options = {}
    for written in settings:
        key, value = _key_and_value(written, "--set")
        options[setting_path(key)] = f"--set {written}"
        tables = laid_over(tables, key, parse_value(value))
    for written in sweeps:
        key, _ = _key_and_value(written, "--sweep")
        options[setting_path(key)] = f"--sweep {written}"
    return Source(name, tables, documents, options)


def sweep_values(written: str) -> tuple[str, list[Any]]:
    """
    Read KEY=V1,V2,... or KEY=FIRST:LAST:COUNT.

    >>> sweep_values("buyback_rate=0.2,0.4")
    ('buyback_rate', [Decimal('0.2'), Decimal('0.4')])
    >>> sweep_values("days=10:30:3")
    ('days', [Decimal('10'), Decimal('20'), Decimal('30')])
    """
    key, values = _key_and_value(written, "--sweep")
    if ":" in values:
        try:
            ends, count = values.split(":")[:-1], int(values.split(":")[-1])
            first, last = map(Decimal, ends)
        except (InvalidOperation, ValueError):
            raise WrongType(
                f"--sweep {written}: a range is FIRST:LAST:COUNT, three numbers"
            ) from None
        if not 2 <= count <= SWEEP_MAX or not (first.is_finite() and last.is_finite()):  # noqa: PLR2004
            raise OutOfBounds(
                f"--sweep {written}: a range has 2 to {SWEEP_MAX} finite values"
            )
        try:
            return key, _spread(first, last, count)
        except ArithmeticError:
            raise OutOfBounds(
                f"--sweep {written}: {key} has values that are too large"
            ) from None
    listed = [each.strip() for each in values.split(",")]
    if "" in listed:
        raise WrongType(f"--sweep {written}: there is an empty value; give V1,V2,...")
    return key, [parse_value(each) for each in listed]


def settings_of(sweeps: Sequence[str], combine: str | None) -> list[dict[str, Any]]:
    """Make the points of a design; more than one sweep must say how they combine."""
    from coopera.sim.sweep import grid, setting_path, zipped

    read = [sweep_values(written) for written in sweeps]
    by_key = dict(read)
    paths = [setting_path(key) for key, _ in read]
    if len(set(paths)) < len(read):
        twice = next(
            key
            for (key, _), path in zip(read, paths, strict=True)
            if paths.count(path) > 1
        )
        raise Inconsistent(f"--sweep names {twice} twice; list its values once")
    if len(read) > 1 and combine is None:
        raise Inconsistent(
            f"{len(read)} settings are swept ({', '.join(by_key)}); say --grid to "
            "cross their values or --zip to walk through them in step"
        )
    return zipped(by_key) if combine == "zip" else grid(by_key)


def _spread(first: Decimal, last: Decimal, count: int) -> list[Decimal]:
    """Place values evenly from the first to the last, between them to 18 decimals."""
    with localcontext(prec=60):
        between = [
            round(first + (last - first) * i / (count - 1), 18).normalize() + 0
            for i in range(1, count - 1)
        ]
    return [first, *between, last]


def documents_of(name: str) -> tuple[Document, ...]:
    """Open a preset, or a file and the preset that it starts from, uppermost first."""
    if name in PRESETS:
        return (preset(name),)
    path = Path(name)
    if path.suffix != ".toml" and not path.exists():
        raise Unreadable(
            f"{name} is neither a preset ({', '.join(PRESETS)}) nor a file; give one "
            "of these, or the path of a TOML file"
        )
    try:
        text = path.read_text("utf-8")
    except UnicodeDecodeError:
        raise Unreadable(f"{name} is not a text in UTF-8") from None
    except OSError as error:
        raise Unreadable(f"{name} cannot be read: {error.strerror}") from None
    document = parse(text, name)
    base = document.tables.get("preset", DEFAULT_PRESET)
    if base == NO_PRESET:
        return (document,)
    if not isinstance(base, str) or base not in PRESETS:
        line = document.locate(("preset",))[1]
        raise Unreadable(
            f"{name}, line {line}: preset is {base!r}; it must be one of "
            f"{', '.join((*PRESETS, NO_PRESET))}"
        )
    return document, preset(base)


def _key_and_value(written: str, option: str) -> tuple[str, str]:
    key, equals, value = written.partition("=")
    if not equals or not key.strip() or not value.strip():
        raise WrongType(f"{option} {written}: write it as KEY=VALUE")
    return key.strip(), value.strip()
