"""Why a receipt moved what it moved: its formulas, recomputed, transfer by transfer."""

import importlib
import inspect
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, Final, get_args, get_origin, get_type_hints

from coopera.errors import UnknownRecord
from coopera.ledger import Asset, Receipt, Transfer, kind_of, moment
from coopera.store import Store
from coopera.units import MICRO, WAD, MicroToken, MicroUnit, MicroUsd, Wad, unscaled

DECIMALS: Final = 6
"""Of what is counted in millionths."""

FORMULA: Final = re.compile(r"([a-z][a-z0-9_]*)\.([a-z][a-z0-9_]*)(?:: .*)?")
"""A formula of the book, as workings and reasons name it."""

COUNTED_AS_MOVED: Final[Mapping[str, tuple[str, ...]]] = {
    "allocation.largest_remainder": ("total",),
    "allocation.proportional_share": ("total",),
    "contribution.contribution_points": ("prices",),
    "contribution.running_time_points": ("price",),
    "services.launchpad_split": ("value",),
}
"""Formulas that take any asset: they give, and are given, millionths of what moves."""

GIVES_THE_AMOUNT: Final = frozenset(
    {"deposit", "grant_credit", "move", "open_hold", "request_withdrawal"}
)
"""Commands that move the one amount that they give."""

RELEASES: Final = frozenset(
    {"hold expired", "hold posted", "hold voided", "withdrawal", "withdrawal cancelled"}
)
"""Reasons that move what a hold reserved."""

GROUNDS: Final[Mapping[str, str]] = {
    **dict.fromkeys(RELEASES, "what the hold reserved"),
    "points taken back": "all points of the account",
    "stake returned": "what the account had locked",
    "stake of data returned": "what the account had locked",
    "stake of data lost": "all that was at stake",
    "revenue recorded": "what the vault was paid",
    "royalty claimed": "what the claim proves, less what was paid before",
}
"""What gave an amount, by reason, where neither a formula nor the command did."""

MONEY: Final[Mapping[str, Asset]] = {
    "amount": Asset.USD,
    "dollar_reserve": Asset.USD,
    "input_price": Asset.USD,
    "job_price": Asset.USD,
    "output_price": Asset.USD,
    "price": Asset.USD,
    "sentiment": Asset.USD,
}
"""Fields of commands that are millionths: of dollars, unless the command says of what.
"""


class NotRecomputed(Exception):
    """A working has no result any more; the message says why."""


@dataclass(frozen=True, slots=True)
class Figure:
    """A number by its name, with its unit."""

    name: str
    unit: str
    """USD, token, point, unit, USD/token; empty for what is counted or a fraction."""
    value: Any
    """As it is stored: whole numbers, texts, lists of these."""
    written: Any
    """As people write it: a text, or a list of texts."""


@dataclass(frozen=True, slots=True)
class Formula:
    """What the book says about one of its formulas."""

    name: str
    meaning: str
    equation: str
    """Of the paper; empty where the paper has none."""
    source: str
    """Section of the paper."""


@dataclass(frozen=True, slots=True)
class Step:
    """A formula that was used, with what it was given and what it gives again now."""

    number: int
    """Place among the receipt's workings, from 0, as transfers name it."""
    formula: Formula
    arguments: tuple[Figure, ...]
    results: tuple[Figure, ...]
    problem: str
    """Why there are no results; empty where there are."""


@dataclass(frozen=True, slots=True)
class Move:
    """A transfer, and where its amount comes from."""

    number: int
    debit: str
    credit: str
    amount: int
    unit: str
    written: str
    reason: str
    basis: str
    """What gave the amount: a part of a working, a formula, the command."""
    working: int | None
    """Number of the step that gave it."""
    part: str
    """Which of the step's results it is."""
    recomputed: int | None
    """What it should be in micro-units; `None` where the receipt alone cannot tell."""
    agrees: bool | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """A receipt with its grounds."""

    number: int
    kind: str
    caller: str
    at: int
    """Microseconds since 1970."""
    moment: str
    """The same, as a date and time in UTC."""
    key: str
    hash: str
    command: tuple[Figure, ...]
    workings: tuple[Step, ...]
    transfers: tuple[Move, ...]
    formulas: tuple[Formula, ...]
    """Formulas that transfers name as their reason, as those of a day's close do."""

    @property
    def agrees(self) -> bool:
        """Tell whether no amount differs from what its working gives."""
        return all(move.agrees is not False for move in self.transfers)


def explain(store: Store, number: int) -> Explanation:
    """Explain a receipt. Refuses with `UnknownRecord` a number that has none."""
    receipt = store.receipt(number)
    if receipt is None:
        raise UnknownRecord(
            f"there is no receipt {number}; the last one is {store.head().receipt}"
        )
    command: dict[str, Any] = json.loads(receipt.command)
    workings: list[tuple[str, list[Any]]] = json.loads(receipt.workings)
    transfers = store.transfers(receipt)
    units = {each.working: unit_of(each.debit) for each in transfers}
    # A split that is split again moves nothing itself.
    only = units[transfers[0].working] if len(set(units.values())) == 1 else ""
    steps = tuple(
        _step(i, name, arguments, units.get(i, only))
        for i, (name, arguments) in enumerate(workings)
    )
    moves = _moves(receipt, command, steps, transfers)
    reasons = dict.fromkeys(formula_of(each.reason) for each in transfers)
    return Explanation(
        receipt.id,
        receipt.kind,
        receipt.caller,
        receipt.at,
        moment(receipt.at),
        receipt.key,
        receipt.hash.hex(),
        _command(receipt.kind, command),
        steps,
        moves,
        tuple(described(name) for name in reasons if name),
    )


def millionths(amount: int, comma: str = ",") -> str:
    """
    Write micro-units with all six decimals.

    >>> millionths(-1234_500000), millionths(1234_500000, "")
    ('-1,234.500000', '1234.500000')
    """
    whole, rest = divmod(abs(amount), MICRO)
    grouped = f"{whole:,}".replace(",", comma)
    return f"{'-' * (amount < 0)}{grouped}.{rest:0{DECIMALS}}"


def unit_of(path: str) -> str:
    """Name the unit of what an account holds, for people."""
    asset = kind_of(path).asset
    return "USD" if asset is Asset.USD else asset.value


def formula_of(reason: str) -> str:
    """
    Name the formula that a reason names; empty where it names none.

    >>> formula_of("bonding.supplier_bond: returned"), formula_of("template")
    ('bonding.supplier_bond', '')
    """
    found = FORMULA.fullmatch(reason)
    return f"{found[1]}.{found[2]}" if found else ""


@lru_cache
def function_of(name: str) -> Callable[..., Any] | None:
    """Find a formula of the book, or `None` if it has none by that name."""
    found = FORMULA.fullmatch(name)
    if found is None:
        return None
    home = f"coopera.formulas.{found[1]}"
    try:
        chapter = importlib.import_module(home)
    except ModuleNotFoundError:
        return None
    function = getattr(chapter, found[2], None)
    # A chapter also has what it imports, which is no formula of its own.
    if not inspect.isfunction(function) or function.__module__ != home:
        return None
    return function


def recomputed(name: str, arguments: Sequence[Any]) -> tuple[int, ...]:
    """
    Use a formula of the book again: its results, one or several.

    Raises `NotRecomputed` where the book has it no more, or no longer takes this.
    """
    function = function_of(name)
    if function is None:
        raise NotRecomputed(f"the formula book has no {name} any more")
    try:
        result = function(*arguments)
    except (AssertionError, ArithmeticError, TypeError, ValueError) as error:
        why = f": {error}" if str(error) else ""
        raise NotRecomputed(f"{name} does not take these arguments{why}") from None
    return result if isinstance(result, tuple) else (result,)


@lru_cache
def described(name: str) -> Formula:
    """Read what the docstring of a formula says."""
    function = function_of(name)
    if function is None:
        gone = "the formula book of this version has no such formula"
        return Formula(name, gone, "", "")
    text = inspect.getdoc(function) or ""
    equation = re.search(r"\$\$(.+?)\$\$", text, re.DOTALL)
    source = re.search(r"Source: (docs/\S+?#[\w-]+)", text)
    return Formula(
        name,
        text.partition("\n")[0],
        " ".join(equation[1].split()) if equation else "",
        source[1] if source else "",
    )


def _step(number: int, name: str, arguments: list[Any], unit: str) -> Step:
    function = function_of(name)
    try:
        results = recomputed(name, arguments)
        problem = ""
    except NotRecomputed as why:
        results, problem = (), str(why)
    hints = get_type_hints(function) if function else {}
    names = list(inspect.signature(function).parameters) if function else []
    if len(names) != len(arguments):
        names = [f"argument {i + 1}" for i in range(len(arguments))]
    counted = COUNTED_AS_MOVED.get(name, ())
    given = tuple(
        _figure(each, hints.get(each, int), value, unit if each in counted else "")
        for each, value in zip(names, arguments, strict=True)
    )
    generic = unit if counted else ""
    return Step(
        number,
        described(name),
        given,
        _results(name, hints.get("return", int), results, generic),
        problem,
    )


def _results(
    name: str, hint: Any, results: tuple[int, ...], unit: str
) -> tuple[Figure, ...]:
    """Name the results of a formula: as its tuple does, or after the formula."""
    if fields := getattr(hint, "_fields", None):
        hints = get_type_hints(hint)
        return tuple(
            _figure(each, hints[each], value, unit)
            for each, value in zip(fields, results, strict=True)
        )
    if get_origin(hint) is tuple:
        element = get_args(hint)[0]
        return tuple(
            _figure(f"part {i}", element, value, unit)
            for i, value in enumerate(results)
        )
    return tuple(
        _figure(name.partition(".")[2], hint, value, unit) for value in results
    )


def _figure(name: str, hint: Any, value: Any, unit: str = "") -> Figure:
    """Write a number, or a list of them, by the type that the formula gives it."""
    element = get_args(hint)[0] if get_origin(hint) is not None else hint
    if element is MicroUsd:
        unit = "USD"
    elif element is MicroToken:
        unit = "token"
    elif element is MicroUnit:
        unit = "unit"
    elif element is Wad:
        unit = "USD/token" if name.endswith("price") else ""

    def written(each: Any) -> Any:
        if isinstance(each, list | tuple):
            return [written(one) for one in each]
        if type(each) is not int:
            return str(each)
        if element is Wad:
            return str(unscaled(each, WAD))
        return millionths(each) if unit else f"{each:,}"

    return Figure(name, unit, value, written(value))


def _command(kind: str, command: Mapping[str, Any]) -> tuple[Figure, ...]:
    """Write the fields of a command, money in the asset that it names."""
    figures = []
    for name, value in command.items():
        asset = MONEY.get(name)
        if asset and name == "amount" and command.get("asset") in list(Asset):
            asset = Asset(command["asset"])
        if asset and kind == "list_contribution":
            asset = Asset.POINT
        unit = "" if asset is None else "USD" if asset is Asset.USD else asset.value
        if name in ("deadline", "expires_at") and type(value) is int:
            figures.append(Figure(name, "", value, moment(value)))
        elif value is None:
            figures.append(Figure(name, "", value, ""))
        elif name == "fraction":
            figures.append(_figure(name, Wad, value))
        elif name == "tables":
            figures.append(Figure(name, "", value, _tables(value)))
        elif name in ("receipt", "day"):
            figures.append(Figure(name, "", value, str(value)))
        elif name == "limit":
            figures.append(_figure(name, int, value, "of each asset"))
        else:
            figures.append(_figure(name, int, value, unit))
    return tuple(figures)


def _tables(value: str) -> str:
    """Say how many settings there are; all of them are in the value."""
    tables = json.loads(value)
    settings = sum(len(each) for each in tables.values())
    return f"{settings} settings in {', '.join(tables)}"


def _moves(
    receipt: Receipt,
    command: Mapping[str, Any],
    steps: Sequence[Step],
    transfers: Sequence[Transfer],
) -> tuple[Move, ...]:
    sums: dict[tuple[int, int], int] = {}
    for each in transfers:
        part = each.working, each.part
        sums[part] = sums.get(part, 0) + each.amount
    moves = []
    for i, each in enumerate(transfers):
        unit = unit_of(each.debit)
        basis, name, expected = _basis(receipt.kind, command, steps, each)
        # What one part gives may come out of two accounts, as refunds do.
        whole = sums[each.working, each.part] if each.working >= 0 else each.amount
        if whole != each.amount:
            basis += f", {millionths(whole)} {unit} out of several accounts"
        moves.append(
            Move(
                receipt.first_transfer + i,
                each.debit,
                each.credit,
                each.amount,
                unit,
                millionths(each.amount),
                each.reason,
                basis,
                each.working if each.working >= 0 else None,
                name,
                expected,
                None if expected is None else expected == whole,
            )
        )
    return tuple(moves)


def _basis(
    kind: str, command: Mapping[str, Any], steps: Sequence[Step], transfer: Transfer
) -> tuple[str, str, int | None]:
    """Say what gave an amount, which part of it, and what it gives now."""
    if transfer.working < 0:
        expected = command.get("amount") if kind in GIVES_THE_AMOUNT else None
        return _ground(kind, transfer.reason), "", expected
    if transfer.working >= len(steps):
        return f"working {transfer.working}, which there is not", "", None
    step = steps[transfer.working]
    if step.problem:
        return step.problem, "", None
    if transfer.part >= len(step.results):
        return f"{step.formula.name} has no part {transfer.part}", "", None
    result = step.results[transfer.part]
    return f"{step.formula.name}: {result.name}", result.name, result.value


def _ground(kind: str, reason: str) -> str:
    """Say what gave an amount that no working gave."""
    if formula := formula_of(reason):
        return f"{formula}, over the figures of the day"
    if kind == "close_epoch":
        return "a rule of the day's close, over its figures"
    if kind == "open_books":
        return "the settings that the command gave"
    return GROUNDS.get(reason, "the command gave the amount")
