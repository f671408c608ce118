"""
How values came about, written down so that anybody with the inputs can check it.

A transcript says from what (the digest of every input), by which method, with which
parameters and seed, and what came out. It is JSON with sorted keys, no spaces, and no
numbers but whole ones: values are in units of 10**-12. What it commits to is the
SHA-256 of that text; a transcript that somebody signed and that does not check is proof
against them.

Another machine may round differently in the last bits, where a method uses NumPy's
matrix products. So a value may be off by `TOLERANCE` units, and by as many parts in
10**12 of the largest one. Nearest neighbours come out the same everywhere, and so does
who is screened out. An order that is at the very threshold of truncation may be cut on
one machine only: leave truncation at 0 where a difference costs somebody money.

What was asked has a digest of its own, `question`. Compare it with that of the task
before anything else: a transcript checks as well with test rows, parameters or a seed
that somebody chose because they like the result. The seed has to come from what nobody
could choose.
"""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from coopera.errors import Malformed
from coopera.protocol.training import VALUE_MAX
from coopera.work.valuation import checks
from coopera.work.valuation.checks import Floats, Given
from coopera.work.valuation.methods import (
    METHODS,
    PICO,
    Inputs,
    Method,
    Parameters,
)

FORMAT: Final = "coopera.valuation/1"
TOLERANCE: Final = 4
"""Units that a value may be off by, and parts in 10**12 of the largest one."""
AT_ONCE: Final = 2**20
"""Numbers of an input that are hashed together."""


@dataclass(frozen=True, slots=True)
class Input:
    """What an array was."""

    sha256: str
    """Of its kind and shape as JSON, a line end, and its numbers in order: float64 or
    int64, little-endian. So float32 and float64 of the same numbers are the same."""
    shape: tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Transcript:
    """What was asked, and what came out."""

    method: str
    parameters: Mapping[str, int]
    seed: str
    """32 bytes in hexadecimal; empty if the method draws nothing."""
    inputs: Mapping[str, Input]
    values_pico: tuple[int, ...]
    """Value of every member, in units of 10**-12."""
    reported: Mapping[str, tuple[int, ...]]
    """Members by what happened to them, in order."""

    @property
    def text(self) -> str:
        """Write it in its one form."""
        return _canonical({"format": FORMAT, **asdict(self)})

    @property
    def digest(self) -> str:
        """Give the SHA-256 of the text, in hexadecimal."""
        return _sha256(self.text)

    @property
    def question(self) -> str:
        """Give the SHA-256 of what was asked, without what came out."""
        asked = {"format": FORMAT, **asdict(self)}
        del asked["values_pico"], asked["reported"]
        return _sha256(_canonical(asked))


@dataclass(frozen=True, slots=True)
class Difference:
    """What a transcript says of a member, and what is so."""

    what: str
    """`value_pico`, or what the member is reported for, 1 if so and 0 if not."""
    member: int
    claimed: int | None
    """None if the transcript does not speak of the member."""
    found: int | None
    """None if there is no such member."""

    def __str__(self) -> str:
        """Say it in a sentence."""
        return (
            f"member {self.member}: {self.what} is {self.claimed} in the transcript "
            f"and comes out as {self.found}"
        )


def compute(
    method: str,
    inputs: Inputs,
    parameters: Parameters,
    seed: bytes = b"",
    *,
    methods: Mapping[str, Method] = METHODS,
) -> Transcript:
    """
    Find values, and write down how.

    Refuses with `Malformed` a method that is not known, inputs or parameters that are
    not those of the method, a missing seed, and what the method refuses.

    >>> found = compute(
    ...     "knn_shapley",
    ...     {
    ...         "points": [[1.0], [2.0]],
    ...         "labels": [0, 1],
    ...         "tests": [[0.0]],
    ...         "test_labels": [1],
    ...         "owners": [1, 0],
    ...     },
    ...     {"neighbours": 1, "members": 2},
    ... )
    >>> found.values_pico, len(found.digest)
    ((500000000000, -500000000000), 64)
    """
    chosen = _method(method, methods)
    _check_names("inputs", inputs, chosen.inputs)
    _check_names("parameters", parameters, chosen.parameters)
    for name, value in parameters.items():
        checks.whole(name, value, -(2**63), 2**63 - 1)
    if chosen.seeded:
        checks.seed(seed)
    elif seed:
        raise Malformed(
            f"there is a seed of {len(seed)} bytes and {method} draws nothing; leave "
            "it out"
        )
    found = chosen.work(inputs, parameters, seed)
    return Transcript(
        method=method,
        parameters=dict(parameters),
        seed=seed.hex(),
        inputs={
            name: digest(name, inputs[name], kind)
            for name, kind in chosen.inputs.items()
        },
        values_pico=_units(found.values),
        reported={k: tuple(v.tolist()) for k, v in found.reported.items()},
    )


def check(
    transcript: Transcript,
    inputs: Inputs,
    *,
    methods: Mapping[str, Method] = METHODS,
) -> tuple[Difference, ...]:
    """
    Compute again, and list what differs; nothing does if the transcript is right.

    Refuses with `Malformed` inputs that are not those of the transcript, and what
    `compute` refuses: then nothing is known of the values.
    """
    chosen = _method(transcript.method, methods)
    _check_names("inputs", inputs, chosen.inputs)
    _check_names("inputs of the transcript", transcript.inputs, chosen.inputs)
    for name, kind in chosen.inputs.items():
        given, said = digest(name, inputs[name], kind), transcript.inputs[name]
        if given != said:
            raise Malformed(
                f"{name} has digest {given.sha256[:16]}... and shape {given.shape}, "
                f"in the transcript {said.sha256[:16]}... and {said.shape}; bring the "
                "inputs that it was computed from"
            )
    again = compute(
        *(transcript.method, inputs, transcript.parameters),
        bytes.fromhex(transcript.seed),
        methods=methods,
    )
    _check_names("reported", transcript.reported, again.reported)
    return tuple(
        _different_values(transcript.values_pico, again.values_pico)
        + _different_reports(transcript.reported, again.reported)
    )


def read(text: str) -> Transcript:
    """
    Read a transcript.

    Refuses with `Malformed` text that is not exactly what `Transcript.text` writes: of
    two ways to write one thing, only one would have the digest.
    """
    try:
        found = json.loads(text)
        read = Transcript(
            method=_a(str, found["method"]),
            parameters={k: _a(int, v) for k, v in found["parameters"].items()},
            seed=_a(str, found["seed"]),
            inputs={
                name: Input(_a(str, each["sha256"]), _numbers(each["shape"]))
                for name, each in found["inputs"].items()
            },
            values_pico=_numbers(found["values_pico"]),
            reported={k: _numbers(v) for k, v in found["reported"].items()},
        )
        one_form = read.text == text and bytes.fromhex(read.seed).hex() == read.seed
    except (AttributeError, KeyError, RecursionError, TypeError, ValueError) as error:
        raise Malformed(
            f"this is no transcript of a valuation ({str(error)[: checks.SHOWN]}); it "
            f"must be one of format {FORMAT}"
        ) from None
    if not one_form:
        raise Malformed(
            f"this transcript of {len(text)} characters is not in its one form; write "
            f"it as format {FORMAT}, keys sorted and without spaces"
        )
    return read


def digest(name: str, given: Given, kind: type[float] | type[int]) -> Input:
    """
    Give the digest of an array of real or of whole numbers.

    Refuses with `Malformed` another type. A number that is none is hashed as such, and
    0 without its sign.

    >>> one = digest("x", np.ones((1, 2), np.float32), float)
    >>> one == digest("x", [[1.0, 1.0]], float), one.shape
    (True, (1, 2))
    """
    array = np.asarray(given)
    kinds, dtype = ("fiu", "<f8") if kind is float else ("biu", "<i8")
    if array.dtype.kind not in kinds or array.dtype.itemsize > np.dtype(dtype).itemsize:
        raise Malformed(
            f"{name} is of type {array.dtype}; it must be an array of {kind.__name__}, "
            "of 64 bits at most"
        )
    header = _canonical([kind.__name__, list(array.shape)])
    found = hashlib.sha256(f"{header}\n".encode())
    flat = array.reshape(-1)
    for first in range(0, flat.size, AT_ONCE):
        part: NDArray[Any] = flat[first : first + AT_ONCE].astype(dtype)
        if kind is float:
            part += 0.0
            part[np.isnan(part)] = np.nan
        found.update(part.tobytes())
    return Input(found.hexdigest(), tuple(array.shape))


def _units(values: Floats) -> tuple[int, ...]:
    """Round values to units of 10**-12."""
    most = VALUE_MAX // PICO
    wrong = np.flatnonzero(~(np.abs(values) <= most))
    if len(wrong):
        raise Malformed(
            f"the value of member {wrong[0]} is {values[wrong[0]]:g}; a round takes "
            f"values from -{most:,} to {most:,}, so choose a larger unit of loss"
        )
    return tuple(int(x) for x in np.rint(values * PICO).tolist())


def _different_values(
    claimed: tuple[int, ...], found: tuple[int, ...]
) -> list[Difference]:
    largest = max(map(abs, found), default=0)
    tolerance = TOLERANCE + TOLERANCE * largest // PICO
    differences = []
    for member in range(max(len(claimed), len(found))):
        one = claimed[member] if member < len(claimed) else None
        two = found[member] if member < len(found) else None
        if one is None or two is None or abs(one - two) > tolerance:
            differences.append(Difference("value_pico", member, one, two))
    return differences


def _different_reports(
    claimed: Mapping[str, tuple[int, ...]], found: Mapping[str, tuple[int, ...]]
) -> list[Difference]:
    differences = []
    for what in sorted(found):
        said, so = set(claimed[what]), set(found[what])
        differences += [
            Difference(what, member, int(member in said), int(member in so))
            for member in sorted(said ^ so)
        ]
    return differences


def _method(name: str, methods: Mapping[str, Method]) -> Method:
    if name not in methods:
        raise Malformed(
            f"the method is {name[: checks.SHOWN]!r}; it must be one of "
            f"{', '.join(sorted(methods))}"
        )
    return methods[name]


def _check_names(what: str, given: Mapping[str, Any], wanted: Any) -> None:
    if set(given) != set(wanted):
        raise Malformed(
            f"{what} has {', '.join(sorted(given)) or 'nothing'}; it must have "
            f"{', '.join(sorted(wanted))}"
        )


def _a(kind: Callable[..., Any], value: Any) -> Any:
    if type(value) is not kind:
        raise TypeError(f"{str(value)[:20]!r} is not of the type that it must have")
    return value


def _numbers(given: Any) -> tuple[int, ...]:
    return tuple(_a(int, each) for each in _a(list, given))


def _canonical(given: Any) -> str:
    return json.dumps(given, sort_keys=True, separators=(",", ":"), ensure_ascii=True)


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode("ascii")).hexdigest()
