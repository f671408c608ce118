"""What data must be like before anybody's contribution to it is valued."""

from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coopera.errors import Malformed

Floats = NDArray[np.float64]
Singles = NDArray[np.float32]
Whole = NDArray[np.int64]
Given = Any
"""Whatever NumPy makes an array of."""

LARGEST: Final = 1e30
"""Largest magnitude of a feature: squares of differences stay finite."""
ROWS_MAX: Final = 2**31
COUNT_MAX: Final = 2**53
"""Largest count: exact in float64."""
SEED_BYTES: Final = 32
SHOWN: Final = 80


def features(name: str, given: Given) -> Singles:
    """
    Read features, (rows, features), as float32, each row's side by side.

    What float32 cannot tell apart is equal. Refuses with `Malformed` anything but
    finite numbers under 1e30, and an empty table.
    """
    table = _array(name, given)
    if table.ndim != 2:  # noqa: PLR2004 - rows and features
        raise Malformed(
            f"{name} has shape {table.shape}; it must be (rows, features), with a "
            "row for each point"
        )
    _check_numbers(name, table)
    if not 0 < len(table) <= ROWS_MAX or not table.shape[1]:
        raise Malformed(
            f"{name} has shape {table.shape}; it must have a row, and at most "
            f"{ROWS_MAX}, and a feature"
        )
    _check_bounded(name, table, LARGEST)
    return np.ascontiguousarray(table, np.float32)


def labels(name: str, given: Given, count: int) -> Whole:
    """Read one label for each row. Refuses with `Malformed` all but whole numbers."""
    return _whole(name, given, count, "label of a class")


def counts(name: str, given: Given, count: int) -> Whole:
    """Read how many rows each member has. Refuses with `Malformed` under one."""
    found = _whole(name, given, count, "count of rows")
    wrong = np.flatnonzero((found < 1) | (found > COUNT_MAX))
    if len(wrong):
        raise Malformed(
            f"{name} has {found[wrong[0]]} for member {wrong[0]}; it must be from 1 "
            f"to {COUNT_MAX}"
        )
    if sum(found.tolist()) > COUNT_MAX:
        raise Malformed(
            f"{name} sums to {sum(found.tolist())}; it may be {COUNT_MAX} at most"
        )
    return found


def owners(name: str, given: Given, count: int, members: int) -> Whole:
    """Read whose each row is, by number. Refuses with `Malformed` unknown members."""
    found = _whole(name, given, count, "number of a member")
    wrong = np.flatnonzero((found < 0) | (found >= members))
    if len(wrong):
        raise Malformed(
            f"{name} has {found[wrong[0]]} for row {wrong[0]}; members are numbered "
            f"from 0 to {members - 1}"
        )
    return found


def vector(name: str, given: Given) -> Floats:
    """Read finite numbers in a row. Refuses with `Malformed`."""
    found = _array(name, given)
    if found.ndim != 1 or not found.size:
        raise Malformed(
            f"{name} has shape {found.shape}; it must be one row of one number or more"
        )
    _check_numbers(name, found)
    _check_bounded(name, found, LARGEST)
    return np.ascontiguousarray(found, np.float64)


def updates(name: str, given: Given, *, finite: bool = True) -> NDArray[Any]:
    """
    Read updates, (members, parameters), as they are: float32 or float64.

    Refuses with `Malformed` other shapes and, if `finite`, what is no number.
    """
    found = _array(name, given)
    if found.ndim != 2 or not found.size:  # noqa: PLR2004 - members and parameters
        raise Malformed(
            f"{name} has shape {found.shape}; it must be (members, parameters), with "
            "one of each at least"
        )
    _check_numbers(name, found)
    if finite:
        _check_bounded(name, found, LARGEST)
    kept = np.float32 if found.dtype == np.float32 else np.float64
    return np.ascontiguousarray(found, kept)


def scales(name: str, given: Given, count: int) -> Floats:
    """Read a factor from 0 to 1 for each member, 1 if none is given."""
    if given is None:
        return np.ones(count)
    found = vector(name, given)
    if len(found) != count or not ((found >= 0.0) & (found <= 1.0)).all():
        raise Malformed(
            f"{name} has {len(found)} numbers from {found.min():g} to {found.max():g}; "
            f"it must have {count}, one for each member, from 0 to 1"
        )
    return found


def whole(name: str, given: object, low: int, high: int) -> int:
    """Check a whole number within bounds. Refuses with `Malformed`."""
    if type(given) is not int or not low <= given <= high:
        raise Malformed(
            f"{name} is {str(given)[:SHOWN]} ({type(given).__name__}); it must be a "
            f"whole number (int) from {low} to {high}"
        )
    return given


def number(name: str, given: object, low: float, high: float) -> float:
    """Check a number within bounds. Refuses with `Malformed`."""
    if isinstance(given, bool) or not isinstance(given, (int, float)):
        raise Malformed(f"{name} is {str(given)[:SHOWN]}; it must be a number")
    if not low <= given <= high:
        raise Malformed(f"{name} is {given}; it must be from {low:g} to {high:g}")
    return float(given)


def seed(given: object) -> bytes:
    """Check a seed. Refuses with `Malformed` anything but 32 bytes."""
    if not isinstance(given, bytes) or len(given) != SEED_BYTES:
        size = len(given) if isinstance(given, bytes) else type(given).__name__
        raise Malformed(f"the seed is {size} long; it must be {SEED_BYTES} bytes")
    return given


def _array(name: str, given: Given) -> NDArray[Any]:
    try:
        return np.asarray(given)
    except (TypeError, ValueError) as error:
        raise Malformed(
            f"{name} is no array ({error}); give rows of the same length"
        ) from None


def _whole(name: str, given: Given, count: int, each: str) -> Whole:
    found = _array(name, given)
    if found.dtype.kind not in "biu":
        raise Malformed(
            f"{name} is of type {found.dtype}; each must be a whole number, the {each}"
        )
    if found.shape != (count,):
        raise Malformed(
            f"{name} has shape {found.shape}; it must be ({count},), one for each row"
        )
    if found.dtype.kind == "u" and found.size and int(found.max()) >= 2**63:
        raise Malformed(f"{name} has {found.max()}; it must be under 2**63")
    return np.ascontiguousarray(found, np.int64)


def _check_numbers(name: str, table: NDArray[Any]) -> None:
    if table.dtype.kind not in "fiu" or table.dtype.itemsize > np.dtype("f8").itemsize:
        raise Malformed(
            f"{name} is of type {table.dtype}; give real numbers, float32 or float64"
        )


def _check_bounded(name: str, table: NDArray[Any], most: float) -> None:
    """Refuse what is no number, or too large; looks at few rows at a time."""
    step = max(1, 2**20 // max(table[0].size, 1))
    for first in range(0, len(table), step):
        part = table[first : first + step].astype(np.float64)
        with np.errstate(invalid="ignore"):
            good = np.abs(part) <= most
        if not good.all():
            place = np.argwhere(~good)[0]
            value = part[tuple(place)]
            place[0] += first
            where = ", ".join(str(i) for i in place)
            raise Malformed(
                f"{name} has {value} at ({where}); give finite numbers up to {most:g}"
            )
