"""
What governance may set, and the bounds that it may not cross.

`chapters` declares every variable; `Params` is one value of all of them, with the
payment matrix and the projects. `document` reads TOML files and presets.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, fields
from decimal import Decimal
from typing import Any

from coopera.errors import (
    BadMatrix,
    Inconsistent,
    OutOfBounds,
    WashTradingPays,
    WrongType,
)
from coopera.params import chapters
from coopera.params.chapters import BuybackBase
from coopera.params.declared import (
    Variable,
    check_name,
    read_table,
    unknown_key,
    variables,
)
from coopera.units import (
    MICRO,
    WAD,
    MicroToken,
    Rounding,
    Wad,
    mul_div,
    scaled,
    unscaled,
)


@dataclass(frozen=True, slots=True)
class Project:
    """Engagement that Phase 1 pays suppliers to get ready for."""

    name: str
    targets: tuple[int, ...]
    """Suppliers wanted, by kind."""

    @property
    def slots(self) -> int:
        """All suppliers wanted."""
        return sum(self.targets)


@dataclass(frozen=True, slots=True)
class PaymentMatrix:
    """How a dollar of each pipeline is split between supplier kinds."""

    kinds: tuple[str, ...]
    """Supplier kinds: the columns."""
    rows: Mapping[str, tuple[Wad, ...]]
    """Parts of the kinds, by pipeline. Paper: PriceMatrix."""


@dataclass(frozen=True, slots=True)
class Params:
    """One value of every governed variable. Refuses what contradicts itself."""

    matrix: PaymentMatrix
    projects: tuple[Project, ...]
    token: chapters.Token = field(default_factory=chapters.Token)
    payments: chapters.Payments = field(default_factory=chapters.Payments)
    buyback: chapters.Buyback = field(default_factory=chapters.Buyback)
    pricing: chapters.Pricing = field(default_factory=chapters.Pricing)
    emission: chapters.Emission = field(default_factory=chapters.Emission)
    onboarding: chapters.Onboarding = field(default_factory=chapters.Onboarding)
    bonding: chapters.Bonding = field(default_factory=chapters.Bonding)
    validation: chapters.Validation = field(default_factory=chapters.Validation)
    reputation: chapters.Reputation = field(default_factory=chapters.Reputation)
    market: chapters.Market = field(default_factory=chapters.Market)
    fees: chapters.Fees = field(default_factory=chapters.Fees)
    royalty: chapters.Royalty = field(default_factory=chapters.Royalty)
    governance: chapters.Governance = field(default_factory=chapters.Governance)

    @property
    def token_reserve(self) -> MicroToken:
        """Token reserve that the economy starts with."""
        return self.token.initial_token_reserve or self.funds["operations"]

    @property
    def phase2_pools(self) -> int:
        """Number of Phase 2 curves that share the reserve's Phase 2 part."""
        scope = self.emission.phase2_pool_scope
        return 1 if scope == chapters.PoolScope.PLATFORM else self.emission.projects_max

    @property
    def funds(self) -> dict[str, MicroToken]:
        """Token funds before the first day; operations keeps what rounding leaves."""
        token = self.token
        funds = {
            name: MicroToken(mul_div(token.max_supply, fraction, WAD, Rounding.FLOOR))
            for name, fraction in (
                ("investors", token.investors_fraction),
                ("team", token.team_fraction),
                ("advisors", token.advisors_fraction),
                ("business", token.business_fraction),
            )
        }
        operations = token.max_supply - sum(funds.values())
        return {"operations": MicroToken(operations)} | funds

    @property
    def vesting_funds(self) -> dict[str, MicroToken]:
        """Token funds that vest: not operations, nor what circulates from the start."""
        funds = dict(self.funds)
        del funds["operations"]
        left = funds["business"] - self.token.initial_circulating
        return funds | {"business": MicroToken(left)}


CHAPTERS: Mapping[str, type] = {
    each.name: each.default_factory  # type: ignore[misc]
    for each in fields(Params)
    if each.name not in ("matrix", "projects")
}
"""Classes of the chapters, by table of a document."""


def governed_variables() -> Iterator[Variable]:
    """List every governed variable, chapter by chapter."""
    for name, declaring in CHAPTERS.items():
        yield from variables((name,), declaring)


def read_params(tables: Mapping[str, object], *, wash_trading: bool = False) -> Params:
    """
    Make parameters from the tables of a document.

    Refusals, in order of precedence: those of single keys, `BadMatrix`, `Inconsistent`,
    `WashTradingPays` unless `wash_trading` allows it.
    """
    read: dict[str, Any] = {
        name: read_table(declaring, table_at(tables, name), (name,))
        for name, declaring in CHAPTERS.items()
    }
    matrix = _read_matrix(table_at(tables, "payment_matrix"))
    params = Params(
        matrix=matrix,
        projects=_read_projects(table_at(tables, "projects"), matrix),
        **read,
    )
    _check_supply(params)
    _check_reserve(params)
    _check_fees(params)
    if not wash_trading:
        _check_wash_trading(params)
    return params


def table_at(
    tables: Mapping[str, object], name: str, *above: str
) -> Mapping[str, object]:
    """Take a table out of a document, or of the one above; an absent one is empty."""
    table = tables.get(name, {})
    if not isinstance(table, Mapping):
        path = (*above, name)
        raise WrongType(f"{'.'.join(path)} is {table!r}; it must be a table", path)
    return table


def _read_matrix(table: Mapping[str, object]) -> PaymentMatrix:
    for name in table:
        if name not in ("kinds", "rows"):
            raise unknown_key(name, ("kinds", "rows"), ("payment_matrix",))
    kinds = table.get("kinds")
    if (
        not isinstance(kinds, list)
        or not kinds
        or not all(isinstance(kind, str) for kind in kinds)
        or len(set(kinds)) < len(kinds)
    ):
        raise WrongType(
            f"payment_matrix.kinds is {kinds!r}; it must be a list of different names",
            ("payment_matrix", "kinds"),
        )
    for kind in kinds:
        check_name(kind, ("payment_matrix", "kinds"))
    rows = {
        name: _read_row(name, row, kinds)
        for name, row in table_at(table, "rows", "payment_matrix").items()
    }
    return PaymentMatrix(tuple(kinds), rows)


def _read_row(name: str, row: object, kinds: list[str]) -> tuple[Wad, ...]:
    path = ("payment_matrix", "rows", name)
    if not isinstance(row, Mapping):
        raise WrongType(f"{'.'.join(path)} is {row!r}; it must be a table", path)
    for kind in row:
        if kind not in kinds:
            raise unknown_key(kind, kinds, path)
    shares = []
    for kind in kinds:
        written = row.get(kind, 0)
        try:
            share = scaled(Decimal(written), WAD)
        except (ArithmeticError, ValueError, TypeError):
            share = -1
        if not 0 <= share <= WAD:
            raise BadMatrix(
                f"{'.'.join(path)}.{kind} is {written}; it must be between 0 and 1",
                path,
            )
        shares.append(Wad(share))
    if sum(shares) != WAD:
        raise BadMatrix(
            f"{'.'.join(path)} sums to {unscaled(sum(shares), WAD)}; a row must sum to "
            "1, or a part of what consumers pay would reach nobody",
            path,
        )
    return tuple(shares)


def _read_projects(
    tables: Mapping[str, object], matrix: PaymentMatrix
) -> tuple[Project, ...]:
    projects = []
    for name in tables:
        path = ("projects", name)
        check_name(name, path)
        table = table_at(tables, name, "projects")
        for key in table:
            if key != "targets":
                raise unknown_key(key, ("targets",), path)
        targets = table_at(table, "targets", *path)
        for kind, count in targets.items():
            if kind not in matrix.kinds:
                raise unknown_key(kind, matrix.kinds, (*path, "targets"))
            if type(count) is not int or not 0 <= count <= MICRO:
                raise OutOfBounds(
                    f"{'.'.join(path)}.targets.{kind} is {count!r}; it must be a whole "
                    f"number between 0 and {MICRO}",
                    (*path, "targets"),
                )
        by_kind = tuple(int(str(targets.get(kind, 0))) for kind in matrix.kinds)
        if sum(by_kind) == 0:
            raise Inconsistent(
                f"{'.'.join(path)} wants no suppliers; give targets by kind", path
            )
        projects.append(Project(name, by_kind))
    return tuple(projects)


def _check_supply(params: Params) -> None:
    token = params.token
    fractions = {
        name: getattr(token, name)
        for name in (
            "investors_fraction",
            "team_fraction",
            "advisors_fraction",
            "ops_fund_fraction",
            "business_fraction",
        )
    }
    if sum(fractions.values()) != WAD:
        raise Inconsistent(
            f"the fund fractions sum to {unscaled(sum(fractions.values()), WAD)}; they "
            f"must sum to 1 ({', '.join(fractions)})",
            ("token", "ops_fund_fraction"),
        )
    for name, fund in (
        ("initial_token_reserve", "operations"),
        ("initial_circulating", "business"),
    ):
        most = params.funds[fund]
        if getattr(token, name) > most:
            raise Inconsistent(
                f"{name} is {unscaled(getattr(token, name), MICRO)}; it comes out of "
                f"the {fund} fund, which is {unscaled(most, MICRO)} tokens",
                ("token", name),
            )
    if not params.projects:
        raise Inconsistent(
            "there is no project: give one [projects.NAME]", ("projects",)
        )
    if len(params.projects) > params.emission.projects_max:
        raise Inconsistent(
            f"there are {len(params.projects)} projects and projects_max is "
            f"{params.emission.projects_max}; raise it",
            ("projects", params.projects[-1].name),
        )


def _check_reserve(params: Params) -> None:
    buyback = params.buyback
    if buyback.reserve_floor_fraction > buyback.reserve_target_fraction:
        raise Inconsistent(
            "reserve_floor_fraction is above reserve_target_fraction: the reserve "
            "would be bought back to less than what starts the buying",
            ("buyback", "reserve_floor_fraction"),
        )


def _check_fees(params: Params) -> None:
    fees = params.fees
    for names in (
        ("api_launchpad_tax", "api_template_fraction", "api_serving_fraction"),
        ("serving_platform_tax", "serving_model_fraction"),
    ):
        parts = sum(getattr(fees, name) for name in names)
        if parts > WAD:
            raise Inconsistent(
                f"{', '.join(names)} sum to {unscaled(parts, WAD)}; a fee cannot be "
                "split into more than itself, so that they must sum to 1 at most",
                ("fees", names[-1]),
            )


def _check_wash_trading(params: Params) -> None:
    gain = mul_div(
        params.emission.phase2_modulation,
        WAD,
        params.emission.job_reward_modulation,
        Rounding.CEIL,
    )
    gross = params.payments.buyback_base == BuybackBase.GROSS
    cost = 0 if gross else params.payments.operations_fraction
    if gain >= cost and gain > 0:
        raise WashTradingPays(
            f"wash trading pays: buying one's own job of $1 emits up to "
            f"${gain / WAD:.4f} of tokens and costs ${cost / WAD:.4f} in operations "
            "income"
            + (" (buyback_base = gross withholds none)" if gross else "")
            + "; keep phase2_modulation / job_reward_modulation under "
            "operations_fraction, or study it with --allow-wash-trading",
            ("payments", "buyback_base")
            if gross
            else ("emission", "phase2_modulation"),
        )
