"""The opening of the books: the settings that they are kept by, and their first day."""

import json
from dataclasses import dataclass, replace
from typing import Final

from coopera.errors import AlreadyExists, Malformed
from coopera.params import Params, read_params
from coopera.protocol import checks
from coopera.protocol.genesis import first_morning
from coopera.protocol.state import Diff, Economy, Epoch, PreState
from coopera.units import MicroUsd

CURRENT: Final = "current"
"""Name of the one record of its class."""


@dataclass(frozen=True, slots=True)
class Settings:
    """Values of all governed variables, as tables."""

    id: str
    tables: str
    """JSON; numbers that are not whole are written as texts, so that they are exact."""


@dataclass(frozen=True, slots=True)
class Day:
    """Where the economy stands between one close and the next."""

    id: str
    economy: Economy
    epoch: Epoch
    due: int | None = None
    """Moment from which the network closes it; not before it was written."""


@dataclass(frozen=True, slots=True)
class OpenBooks:
    """Command by which the books are opened, once."""

    tables: str
    """As in `Settings`."""
    dollar_reserve: int = 0
    day_seconds: int = 0
    """Length of a day that the network closes itself; 0 if others close it."""


def read_settings(tables: str) -> Params:
    """Make parameters of stored tables. Refuses as `read_params`, and `Malformed`."""
    try:
        read = json.loads(tables)
    except ValueError as error:
        raise Malformed(f"tables are no JSON: {error}") from None
    if not isinstance(read, dict):
        raise Malformed(f"tables are {str(read)[:80]!r}; they must be an object")
    return read_params(read)


def open_books(pre: PreState, _params: Params | None, command: OpenBooks) -> Diff:
    """
    Open the books: issue all tokens, fill the reserves.

    Refusals, in order of precedence: `AlreadyExists`, those of the amount and of the
    length, `Malformed`, those of the settings.
    """
    if pre.record(Settings, CURRENT) is not None:
        raise AlreadyExists("the books are open already")
    reserve = MicroUsd(checks.count("dollar_reserve", command.dollar_reserve))
    length = checks.count("day_seconds", command.day_seconds) * 1_000_000
    checks.count("day_seconds, in microseconds,", length)
    params = read_settings(command.tables)
    diff = first_morning(params, [0] * len(params.matrix.kinds), reserve)
    assert diff.economy is not None
    ends = pre.now() + length if length else 0
    return Diff(
        diff.transfers,
        replace(diff.economy, day_length=length, ends=ends),
        diff.epoch,
        records=(Settings(CURRENT, command.tables),),
    )
