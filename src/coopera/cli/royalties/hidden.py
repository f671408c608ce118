"""
The file in which somebody keeps what it has committed to, until it is revealed.

A line is one commitment, in JSON: the counts, and the salt that hides them. Lines are
only ever added: without them a round cannot be aggregated, nor data be offered.
"""

import secrets
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import Any, Final, NamedTuple

import click

from coopera.cli.books.given import Asked
from coopera.cli.books.showing import plural
from coopera.cli.private import add_line, read_lines
from coopera.errors import Malformed, UnknownRecord

TARGET: Final = "target"
HISTOGRAM: Final = "histogram"

in_salts = click.option(
    "--salts", metavar="FILE", help="Of counts and salts that its owner alone may read."
)
by_salt = click.option("--salt", metavar="HEX", help="64 hexadecimal digits.")
by_counts = click.option(
    "--counts", metavar="FILE", help="Rows by cell: JSON, or CSV with cell,rows."
)


class Commitment(NamedTuple):
    """What was committed to, as far as everybody knows it."""

    what: str
    """`target` of a round, or `histogram` of data."""
    of: str
    """Name of the round, or of the data."""
    digest: str


@dataclass(frozen=True, slots=True)
class Hidden:
    """What reveals one commitment."""

    what: str
    of: str
    """As in `Commitment`."""
    counts: tuple[int, ...]
    salt: str

    @property
    def digest(self) -> str:
        """Digest that it was committed to with."""
        from coopera.protocol.data import histogram_digest
        from coopera.protocol.training import target_digest

        if self.what == HISTOGRAM:
            return histogram_digest(self.of, self.salt, self.counts)
        training, _, number = self.of.rpartition(":")
        return target_digest(training, int(number), self.salt, self.counts)


def hide(
    what: str, of: str, counts: tuple[int, ...], salt: str | None, path: str | None
) -> Hidden:
    """
    Hide counts behind a salt: the one given, the one kept for them, or a new one.

    Refusals, in order of precedence: `Malformed`, `Unreadable`.
    """
    from coopera.protocol import checks

    if salt is not None:
        return Hidden(what, of, counts, checks.digest("--salt", salt))
    if path is not None and Path(path).exists():
        for each in kept(Path(path))[0]:
            # Who tries again commits to the same.
            if (each.what, each.of, each.counts) == (what, of, counts):
                return each
    return Hidden(what, of, counts, secrets.token_hex(32))


def revealed(
    wanted: Commitment,
    path: str | None,
    counts: tuple[int, ...] | None,
    salt: str | None,
) -> Hidden:
    """
    Find what a commitment hides: in a file, or as it is given.

    Refusals, in order of precedence: `Malformed`, `Unreadable`, `UnknownRecord`.
    """
    from coopera.protocol import checks

    if (path is None) == (salt is None) or (salt is None) != (counts is None):
        raise Malformed(
            "say what was committed to: by --salts, or by --counts and --salt"
        )
    if salt is not None and counts is not None:
        return Hidden(wanted.what, wanted.of, counts, checks.digest("--salt", salt))
    assert path is not None
    found, damaged = kept(Path(path))
    for each in found:
        if (each.what, each.of) == (wanted.what, wanted.of):
            with suppress(ValueError):
                if each.digest == wanted.digest:
                    return each
    torn = f", besides {plural(damaged, 'damaged line')}" if damaged else ""
    raise UnknownRecord(
        f"{path} has {plural(len(found), 'commitment')}{torn}, and none to the "
        f"{wanted.what} of {wanted.of}; name the right file, or give --counts and "
        "--salt"
    )


def hidden_behind(
    command: object, hidden: Hidden, path: str | None, what: str
) -> Asked:
    """Ask for a command that commits to something, and say what will reveal it."""
    if path is None:
        said = f"salt {hidden.salt}\nKeep it and the counts: they are needed {what}."
        return Asked(command, said, {"salt": hidden.salt})
    said = f"The counts and the salt that are needed {what} are kept in {path}."
    return Asked(command, said, {"salts": path}, partial(keep, Path(path), hidden))


def keep(path: Path, hidden: Hidden) -> None:
    """Add a commitment to a file, durably, once. Refuses with `Unreadable`."""
    add_line(path, asdict(hidden))


def kept(path: Path) -> tuple[Sequence[Hidden], int]:
    """Read a file: its commitments, and how many lines are damaged."""
    return read_lines(path, _hidden)


def _hidden(said: dict[str, Any]) -> Hidden | None:
    found = Hidden(**{**said, "counts": tuple(said["counts"])})
    texts = (found.what, found.of, found.salt)
    fits = (
        all(type(each) is str for each in texts)
        and all(type(each) is int for each in found.counts)
        and found.what in (TARGET, HISTOGRAM)
    )
    return found if fits else None
