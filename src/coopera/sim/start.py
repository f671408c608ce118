"""
Where a simulation starts: the state of the books at one moment, in whole numbers.

The first morning is one such moment; any later one is read off the books of a network.
Every token and every dollar of the books is in one field, and in no other: `FIELDS`
says which account goes where.
"""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from typing import Any, Final

from coopera.errors import Inconsistent
from coopera.formulas.emission import phase1_slice, vested
from coopera.ledger import AccountId, Asset, account, kind_of
from coopera.params import Params
from coopera.params.declared import Unit
from coopera.protocol.accounts import (
    BONDS,
    BURNED,
    CAPITAL,
    FLOAT,
    HELD_TOKEN,
    MARKET,
    MARKET_USD,
    OPERATIONS,
    TAXES,
    WAITING_CAPITAL,
)
from coopera.protocol.books import CURRENT
from coopera.protocol.genesis import allotment, genesis, mint_amount, pool_names
from coopera.protocol.live import Payday
from coopera.protocol.memory import MemoryState
from coopera.protocol.orders import Earning
from coopera.protocol.settlement import VERDICTS
from coopera.protocol.state import (
    Economy,
    Epoch,
    PoolState,
    PreState,
    ProjectState,
)
from coopera.protocol.supply import Census, Roll, Seats
from coopera.units import (
    AMOUNT_MAX,
    WAD,
    MicroToken,
    MicroUsd,
    Rounding,
    Wad,
    mul_div,
    unscaled,
)

ISSUED: Final = account("issuance")
UNPRICED: Final = (Asset.POINT, Asset.UNIT)
"""What is no money."""
UNASSIGNED: Final = account("reserve", "token", "unassigned")
LEAVING: Final = account("escrow", "withdrawals", "token")

PHASE_2: Final = 2
COUNT_MAX: Final = 10**9
"""Most days, suppliers or slots."""
SUFFIXES: Final = {Unit.USD: "_usd", Unit.USD_PER_TOKEN: "_usd", Unit.TOKEN: "_token"}
"""What the names of a file end with, where the unit is not plain."""


@dataclass(frozen=True, slots=True)
class Form:
    """How a field is written in a file."""

    unit: Unit = Unit.COUNT
    most: int = AMOUNT_MAX
    """Largest of its numbers, in whole units."""
    of: type | None = None
    """Class of what it holds, where that is no number."""
    listed: bool = False
    by_name: bool = False

    def name(self, plain: str) -> str:
        """Name the field in a file, where no type says the unit."""
        return plain + ("" if self.of else SUFFIXES.get(self.unit, ""))


def _as(form: Form) -> Mapping[str, Form]:
    return {"form": form}


USD: Final = _as(Form(Unit.USD))
USD_OF_DAYS: Final = _as(Form(Unit.USD, listed=True))
TOKEN: Final = _as(Form(Unit.TOKEN))
TOKEN_BY_NAME: Final = _as(Form(Unit.TOKEN, by_name=True))
PRICE: Final = _as(Form(Unit.USD_PER_TOKEN, COUNT_MAX * WAD))
FACTOR: Final = _as(Form(Unit.FACTOR, COUNT_MAX * WAD))
COUNT: Final = _as(Form(most=COUNT_MAX))
COUNT_OF_DAYS: Final = _as(Form(most=COUNT_MAX, listed=True))
PHASE: Final = _as(Form(most=PHASE_2))
FLAG: Final = _as(Form(most=1))


@dataclass(frozen=True, slots=True)
class Tokens:
    """Tokens that are in no project and in no Phase 2 pool."""

    market: MicroToken = field(metadata=TOKEN)
    """In holders' own wallets: what purchases can buy."""
    custody: MicroToken = field(metadata=TOKEN)
    """Members' own in custody, or on their way to them or out; not for sale."""
    bonds: MicroToken = field(metadata=TOKEN)
    """Held for work that is under way; given back at the close of the first day."""
    set_aside: MicroToken = field(metadata=TOKEN)
    """Pay held back and stakes of agents: locked all along."""
    free_reserve: MicroToken = field(metadata=TOKEN)
    unassigned_reserve: MicroToken = field(metadata=TOKEN)
    burned: MicroToken = field(metadata=TOKEN)
    funds: Mapping[str, MicroToken] = field(metadata=TOKEN_BY_NAME)
    """What has not vested, by fund."""


@dataclass(frozen=True, slots=True)
class Dollars:
    """Dollars of the books, all of them."""

    operations: MicroUsd = field(metadata=USD)
    carried_capital: MicroUsd = field(metadata=USD)
    """Buy-back capital that found nothing to buy."""
    waiting_taxes: MicroUsd = field(metadata=USD)
    """Taxes of services, until the next close with an income."""
    waiting_capital: MicroUsd = field(metadata=USD)
    """Buy-back capital of services, until then."""
    open_income: MicroUsd = field(metadata=USD)
    """Income since the last close: a part of what the first day is simulated with."""
    credit: MicroUsd = field(metadata=USD)
    """Service credits of consumers."""
    reserved: MicroUsd = field(metadata=USD)
    """Service credits that holds and open jobs reserve."""
    earned: MicroUsd = field(metadata=USD)
    """Members' own, on its way to them, or held back."""
    withdrawals: MicroUsd = field(metadata=USD)
    """On their way to a bank."""


@dataclass(frozen=True, slots=True)
class Present:
    """Suppliers of one kind."""

    count: int = field(metadata=COUNT)
    inclination: Wad = field(metadata=FACTOR)
    """Their number, and the part of one who is about to come; books do not know it."""
    earnings: MicroUsd = field(metadata=USD)
    """What all of them earned on the last day; of tokens, their worth on it."""


@dataclass(frozen=True, slots=True)
class Engaged:
    """Where a project stands."""

    phase: int = field(metadata=PHASE)
    filled: int = field(metadata=COUNT)
    """Supplier slots taken."""
    unspent: MicroToken = field(metadata=TOKEN)
    """What Phase 1 has not released."""
    locked: MicroToken = field(metadata=TOKEN)
    """Phase 1 rewards that nobody has taken yet."""
    past_income: tuple[MicroUsd, ...] = field(metadata=USD_OF_DAYS)
    """Of the last days, latest last, as long as the demand window."""


@dataclass(frozen=True, slots=True)
class Pool:
    """Where a Phase 2 curve stands."""

    theta: Wad = field(metadata=FACTOR)
    minted: MicroToken = field(metadata=TOKEN)
    left: MicroToken = field(metadata=TOKEN)
    """What it has not emitted."""


@dataclass(frozen=True, slots=True)
class Start:
    """State of the books between the close of one day and that of the next."""

    day: int = field(metadata=COUNT)
    """The day that is closed next; the first day of all is 0."""
    price: Wad = field(metadata=PRICE)
    """Of the last close; 0 before the first."""
    sentiment: MicroUsd = field(metadata=USD)
    """Dollars that asked for the token from outside on the last day."""
    tokens: Tokens = field(metadata=_as(Form(of=Tokens)))
    dollars: Dollars = field(metadata=_as(Form(of=Dollars)))
    suppliers: Mapping[str, Present] = field(
        metadata=_as(Form(of=Present, by_name=True))
    )
    """By kind."""
    projects: Mapping[str, Engaged] = field(
        metadata=_as(Form(of=Engaged, by_name=True))
    )
    pools: Mapping[str, Pool] = field(metadata=_as(Form(of=Pool, by_name=True)))
    past_income: tuple[MicroUsd, ...] = field(metadata=USD_OF_DAYS)
    """Of the last days, latest last, as long as the onboarding window."""
    past_exits: tuple[int, ...] = field(metadata=COUNT_OF_DAYS)
    """Suppliers that left on these days."""
    bonded_value: MicroUsd = field(metadata=USD)
    """Worth of the bonds, at the last price."""
    validators_owed: MicroToken = field(metadata=TOKEN)
    """Pay that validators have earned and not got."""
    refilling: bool = field(metadata=FLAG)
    """Whether the token reserve is being bought back up to its target."""

    @property
    def all_tokens(self) -> int:
        """Add up all tokens, wherever they are."""
        tokens = self.tokens
        locked = sum(each.locked for each in self.projects.values())
        return (
            tokens.market
            + tokens.custody
            + tokens.bonds
            + tokens.set_aside
            + locked
            + self.token_reserve
            + tokens.burned
            + sum(tokens.funds.values())
        )

    @property
    def token_reserve(self) -> int:
        """Add up the token reserve: both phases, the float, and what is unassigned."""
        return (
            self.tokens.free_reserve
            + self.tokens.unassigned_reserve
            + sum(each.unspent for each in self.projects.values())
            + sum(each.left for each in self.pools.values())
        )

    @property
    def all_dollars(self) -> int:
        """Add up all dollars, wherever they are."""
        return sum(getattr(self.dollars, each.name) for each in fields(Dollars))


FIELDS: Final[Mapping[str, str]] = {
    "market:token": "market",
    "supplier:<name>:token": "custody",
    "creator:<name>:token": "custody",
    "contributor:<name>:token": "custody",
    "holder:<name>:token": "custody",
    "escrow:withdrawals:token": "custody",
    "suppliers:<kind>:token": "custody",
    "validators:token": "custody",
    "escrow:bonds": "bonds",
    "escrow:heldback:token": "set_aside",
    "escrow:stakes": "set_aside",
    "locked:agent:<agent>": "set_aside",
    "locked:data:<training>": "set_aside",
    "vault:<vault>:inflow:token": "custody",
    "vault:<vault>:token": "custody",
    "reserve:token:float": "free_reserve",
    "reserve:token:unassigned": "unassigned_reserve",
    "burned": "burned",
    "fund:<name>": "funds",
    "reserve:token:phase1:<project>": "unspent",
    "locked:phase1:<project>": "locked",
    "reserve:token:phase2:<pool>": "left",
    "reserve:usd:operations": "operations",
    "reserve:usd:buyback": "carried_capital",
    "settlement:taxes": "waiting_taxes",
    "settlement:buyback": "waiting_capital",
    "settlement:usd": "open_income",
    "income:<project>:<kind>": "open_income",
    "consumer:<name>:credit": "credit",
    "consumer:<name>:grant": "credit",
    "consumers:<class>:credit": "credit",
    "escrow:credit": "reserved",
    "escrow:jobs": "reserved",
    "vault:<vault>:inflow:usd": "earned",
    "vault:<vault>:usd": "earned",
    "supplier:<name>:usd": "earned",
    "creator:<name>:usd": "earned",
    "contributor:<name>:usd": "earned",
    "suppliers:<kind>:usd": "earned",
    "escrow:heldback:usd": "earned",
    "escrow:withdrawals:usd": "withdrawals",
}
"""
Field of an account, by its line of the chart of accounts.

Of tokens it is one of `Tokens`, of a project or of a pool; of dollars one of `Dollars`.
"""


def first_morning(
    params: Params, suppliers: Sequence[int], dollar_reserve: MicroUsd
) -> Start:
    """Start where every economy starts: all tokens in their funds and reserves."""
    return start_of(genesis(params, suppliers, dollar_reserve), params)


def start_of(pre: PreState, params: Params) -> Start:
    """
    Read a start off the books as they stand.

    What has happened since the last close is in it as far as it moved money, brought
    suppliers or took them away, and seated them. What the day has earned so far is a
    part of what the whole day is simulated with.

    Yesterday's earnings are those of the last close; of tokens emitted to several
    projects, one that has just reached Phase 2 is given a part.
    """
    economy, epoch = pre.economy(), pre.epoch()
    tokens, dollars, parts = _sorted(pre)
    kinds = params.matrix.kinds
    census = pre.record(Census, CURRENT) or Census(
        CURRENT, (0,) * len(kinds), (0,) * len(kinds)
    )
    earnings = _earnings(epoch, economy, params)
    now = [
        before + entered - left
        for before, entered, left in zip(
            economy.suppliers, census.entered, census.left, strict=True
        )
    ]
    projects = {}
    states = zip(params.projects, economy.projects, strict=True)
    for project, state in states:
        seats = pre.record(Seats, project.name)
        projects[project.name] = Engaged(
            phase=state.phase,
            filled=sum(seats.taken) if seats else state.filled,
            unspent=MicroToken(parts["unspent", project.name]),
            locked=MicroToken(parts["locked", project.name]),
            past_income=state.past_income,
        )
    start = Start(
        day=economy.day,
        price=epoch.price,
        sentiment=epoch.sentiment,
        tokens=Tokens(**tokens),
        dollars=dollars,
        suppliers={
            kind: Present(count, Wad(count * WAD), earned)
            for kind, count, earned in zip(kinds, now, earnings, strict=True)
        },
        projects=projects,
        pools={
            name: Pool(state.theta, state.minted, MicroToken(parts["left", name]))
            for name, state in zip(pool_names(params), economy.pools, strict=True)
        },
        past_income=economy.past_income,
        past_exits=economy.past_exits,
        bonded_value=economy.bonded_value,
        validators_owed=MicroToken(economy.validators_owed + _verdicts_unpaid(pre)),
        refilling=economy.refilling,
    )
    assert start.all_tokens == params.token.max_supply
    assert start.all_dollars == -dollars_outside(pre)
    return start


def dollars_outside(pre: PreState) -> int:
    """Tell what the world outside is in the books with: minus all dollars in them."""
    return pre.balances().get(MARKET_USD, 0)


def _sorted(
    pre: PreState,
) -> tuple[dict[str, Any], Dollars, Counter[tuple[str, str]]]:
    """Add up accounts by field, and those of projects and pools by name too."""
    tokens: Counter[str] = Counter()
    dollars: Counter[str] = Counter()
    parts: Counter[tuple[str, str]] = Counter()
    funds: dict[str, int] = {}
    for path, held in pre.balances().items():
        pattern, asset = kind_of(path).pattern, kind_of(path).asset
        name = path.rpartition(":")[2]
        if path in (MARKET_USD, ISSUED) or asset in UNPRICED:
            continue
        place = FIELDS[pattern]
        if asset is Asset.USD:
            dollars[place] += held
        elif place == "funds":
            funds[name] = held
        elif place in ("unspent", "locked", "left"):
            parts[place, name] += held
        else:
            tokens[place] += held
    names = [each.name for each in fields(Tokens) if each.name != "funds"]
    return (
        {name: tokens[name] for name in names} | {"funds": funds},
        Dollars(*(MicroUsd(dollars[each.name]) for each in fields(Dollars))),
        parts,
    )


def _earnings(epoch: Epoch, economy: Economy, params: Params) -> list[MicroUsd]:
    """Find what each kind earned on the last day, in dollars and tokens."""
    nobody = (0,) * len(params.matrix.kinds)
    earned: list[Sequence[int]] = [*(epoch.earned or (nobody,) * len(economy.projects))]
    worth = epoch.dollars + mul_div(epoch.bought, epoch.price, WAD, Rounding.FLOOR)
    totals = _part(worth, list(map(sum, zip(*earned, strict=True))))
    by_project = len(economy.pools) > 1
    for place, emitted in enumerate(epoch.emitted):
        rows = [
            row
            for i, row in enumerate(earned)
            if economy.projects[i].phase == PHASE_2 and (not by_project or i == place)
        ]
        weights = list(map(sum, zip(nobody, *rows, strict=True)))
        worth = mul_div(emitted, epoch.price, WAD, Rounding.FLOOR)
        more = _part(worth, weights)
        totals = [a + b for a, b in zip(totals, more, strict=True)]
    return [MicroUsd(each) for each in totals]


def _part(whole: int, weights: Sequence[int]) -> list[int]:
    """Divide a whole by weights, rounding down; nothing, where there are none."""
    return [whole * each // max(sum(weights), 1) for each in weights]


def _verdicts_unpaid(pre: PreState) -> int:
    """Add up what validators have earned one by one, and were not paid yet."""
    owed = 0
    today = f"{pre.economy().day}:{VERDICTS}"
    roll = pre.record(Roll, today)
    waiting = [(today, 0, roll.count)] if roll else []
    waiting += [
        (each.id, each.paid, each.earners)
        for each in pre.records(Payday).values()
        if each.due is not None and each.id.endswith(f":{VERDICTS}")
    ]
    for name, paid, earners in waiting:
        for number in range(paid + 1, earners + 1):
            earning = pre.record(Earning, f"{name}:{number}")
            owed += earning.units if earning else 0
    return owed


def books_of(start: Start, params: Params) -> MemoryState:
    """
    Open books in memory as they stood, as far as the close of a day looks at them.

    Members are only counted there: what they hold is in one account.
    """
    tokens, dollars = start.tokens, start.dollars
    held: dict[AccountId, int] = {
        MARKET: tokens.market,
        LEAVING: tokens.custody,
        BONDS: tokens.bonds,
        HELD_TOKEN: tokens.set_aside,
        FLOAT: tokens.free_reserve,
        UNASSIGNED: tokens.unassigned_reserve,
        BURNED: tokens.burned,
        OPERATIONS: dollars.operations,
        CAPITAL: dollars.carried_capital,
        TAXES: dollars.waiting_taxes,
        WAITING_CAPITAL: dollars.waiting_capital,
    }
    held |= {account("fund", name): left for name, left in tokens.funds.items()}
    for name, project in start.projects.items():
        held[account("reserve", "token", "phase1", name)] = project.unspent
        held[account("locked", "phase1", name)] = project.locked
    for name, pool in start.pools.items():
        held[account("reserve", "token", "phase2", name)] = pool.left
    held[ISSUED] = -start.all_tokens
    held[MARKET_USD] = -sum(
        amount for path, amount in held.items() if kind_of(path).asset is Asset.USD
    )
    economy = Economy(
        day=start.day,
        suppliers=tuple(start.suppliers[kind].count for kind in params.matrix.kinds),
        projects=tuple(
            ProjectState(each.phase, each.filled, 0, each.past_income)
            for each in (start.projects[project.name] for project in params.projects)
        ),
        pools=tuple(
            PoolState(each.theta, each.minted)
            for each in (start.pools[name] for name in pool_names(params))
        ),
        past_income=start.past_income,
        past_exits=start.past_exits,
        bonded_value=start.bonded_value,
        validators_owed=start.validators_owed,
        refilling=start.refilling,
    )
    epoch = Epoch(start.day - 1, price=start.price, sentiment=start.sentiment)
    used = {path: amount for path, amount in held.items() if amount}
    return MemoryState(used, economy, epoch)


def check_fits(start: Start, params: Params) -> None:
    """
    Refuse with `Inconsistent` parameters under which the books could not go on.

    In order of precedence: other names of kinds, projects or pools; another supply;
    other pools; other funds, or another vesting than has been; a Phase 1 that would
    release more than is left of it.
    """
    for what, its, others in (
        ("supplier kinds", {*start.suppliers}, {*params.matrix.kinds}),
        ("projects", {*start.projects}, {each.name for each in params.projects}),
        ("Phase 2 pools", {*start.pools}, {*pool_names(params)}),
    ):
        if its != others:
            raise Inconsistent(
                f"the start has the {what} {', '.join(sorted(its))} and the settings "
                f"have {', '.join(sorted(others))}; use the settings of its books",
                ("projects",) if what == "projects" else (),
            )
    supply = params.token.max_supply
    if start.all_tokens != supply:
        raise Inconsistent(
            f"the start has {_shown(start.all_tokens)} tokens and max_supply is "
            f"{_shown(supply)}; no setting makes tokens, use the max_supply of its "
            "books",
            ("token", "max_supply"),
        )
    most = mint_amount(params)
    for name, pool in start.pools.items():
        if pool.minted + pool.left != most:
            raise Inconsistent(
                f"the start has {_shown(pool.minted + pool.left)} tokens in Phase 2 "
                f"pool {name} and the settings have {_shown(most)}; the reserve is "
                "divided once, use the reserve, phase1_fraction and projects_max of "
                "its books",
                ("emission", "phase1_fraction"),
            )
    due = funds_after(params, start.day)
    for name in sorted({*start.tokens.funds, *due}):
        ours, theirs = start.tokens.funds.get(name, 0), due.get(name, 0)
        if ours != theirs:
            raise Inconsistent(
                f"the start has {_shown(ours)} tokens in the fund {name}, and by the "
                f"settings it would have {_shown(theirs)} on day {start.day}; use the "
                "token funds of its books, and their vesting once it has begun",
                ("token",),
            )
    for name, project in start.projects.items():
        due_phase1 = _phase1_after(params, start.day)
        if project.phase < PHASE_2 and project.unspent < due_phase1:
            raise Inconsistent(
                f"phase1_max_days is {params.emission.phase1_max_days}: from day "
                f"{start.day} on Phase 1 of {name} could release {_shown(due_phase1)} "
                f"tokens, and {_shown(project.unspent)} are left; give it fewer days",
                ("emission", "phase1_max_days"),
            )


def funds_after(params: Params, day: int) -> dict[str, int]:
    """Tell what funds hold on the morning of a day, by name."""
    token = params.token
    funds = {
        name: fund - vested(fund, day - 1, token.vesting_cliff_days, token.vesting_days)
        for name, fund in params.vesting_funds.items()
    }
    return {**funds, "operations": params.funds["operations"] - params.token_reserve}


def _phase1_after(params: Params, day: int) -> int:
    """Add up the slices of Phase 1 of the days to come, all slots filled."""
    days = params.emission.phase1_max_days
    return sum(phase1_slice(allotment(params), each, days) for each in range(day, days))


def _shown(micro: int) -> str:
    return f"{unscaled(micro, 10**6):,f}"
