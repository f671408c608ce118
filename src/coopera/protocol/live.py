"""
A day of members that have accounts of their own, as the network lives it.

Jobs were paid, fees collected and bonds returned one by one. The close takes the income
through the stages that any day goes through, and writes a payroll: who earned what is
then paid part by part, however many they are, while the next day is under way.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Final

from coopera.errors import WrongStage
from coopera.formulas import bonding, payments
from coopera.formulas.allocation import largest_remainder, proportional_share
from coopera.ledger import account
from coopera.params import Params
from coopera.params.chapters import BondDemand, BuybackBase
from coopera.protocol import checks
from coopera.protocol.accounts import (
    BONDS,
    FLOAT,
    HELD_TOKEN,
    HELD_USD,
    MARKET,
    MARKET_USD,
    OPERATIONS,
    SETTLEMENT,
    VALIDATORS,
)
from coopera.protocol.books import CURRENT
from coopera.protocol.draft import Draft
from coopera.protocol.epoch import (
    STAGES,
    Facts,
    Move,
    Stage,
    closed,
    in_pool,
    phase1_accrual_of,
    process_emission,
    process_payouts,
    process_validators,
    purchase,
    refuse_other_day,
    transfers_of,
)
from coopera.protocol.genesis import pool_names
from coopera.protocol.orders import Earning
from coopera.protocol.overlay import Overlay
from coopera.protocol.settlement import VERDICTS, owe_validator
from coopera.protocol.state import Diff, PreState, Record
from coopera.protocol.supply import (
    Census,
    Lot,
    Resource,
    Roll,
    Seats,
    Track,
    token_price,
)
from coopera.protocol.supply import Stage as ResourceStage
from coopera.units import MicroToken, MicroUsd

PROMISED: Final = "lost bonds"
"""Counts the micro-tokens that paydays are yet to share among validators."""
PAID_AT_ONCE: Final = 200
"""Most earnings that one command pays."""


@dataclass(frozen=True, slots=True)
class Payday:
    """Pay of a day for one kind of one project, until everybody has got it."""

    id: str
    """Day, project and kind: of those who earned, by their numbers."""
    units: int
    """What all of them earned: parts of job prices, or rewards for verdicts."""
    usd: MicroUsd
    token: MicroToken
    earners: int
    since: int
    """Moment of the close, in microseconds since 1970."""
    paid: int = 0
    """Earners that were paid."""
    paid_units: int = 0

    @property
    def due(self) -> int | None:
        """Moment from which the next part is to be paid."""
        return self.since if self.paid < self.earners else None


@dataclass(frozen=True, slots=True)
class CloseDay:
    """Command by which the network closes its own day."""

    day: int
    sentiment: int = 0
    """Micro-dollars that asked for the token from outside."""


@dataclass(frozen=True, slots=True)
class PayEarnings:
    """Command by which the next earners of a closed day are paid."""

    payday: str


def close_day(pre: PreState, params: Params, command: CloseDay) -> Diff:
    """
    Close a day of the network; its pay waits for its earners.

    Refusals, in order of precedence: those of the numbers, `EpochOutOfOrder`.
    """
    day = checks.count("day", command.day)
    sentiment = MicroUsd(checks.count("sentiment", command.sentiment))
    refuse_other_day(pre, day)
    facts = _facts(pre, params, day, sentiment)
    taken = _take_income(pre, params)
    diff, _ = closed(Overlay(pre, taken), params, facts, LIVED)
    nobody = (0,) * len(params.matrix.kinds)
    records: list[Record] = [*diff.records, Census(CURRENT, nobody, nobody)]
    earners = pre.record(Roll, f"{day}:{VERDICTS}")
    verdicts = pre.record(Roll, f"{day}:verdicts")
    if earners is not None and verdicts is not None:
        # Bonds that governance lets validators have are shared by those of the day.
        promised = pre.record(Roll, PROMISED) or Roll(PROMISED)
        lost = MicroToken(pre.balance(VALIDATORS) - promised.count)
        records.append(replace(promised, count=promised.count + lost))
        units, nothing = verdicts.count, MicroUsd(0)
        records.append(
            Payday(earners.id, units, nothing, lost, earners.count, since=pre.now())
        )
    return diff._replace(
        transfers=(*taken.transfers, *diff.transfers), records=tuple(records)
    )


def pay_earnings(pre: PreState, params: Params, command: PayEarnings) -> Diff:
    """
    Pay the next earners of a closed day, a part of them at a time.

    Shares are cut from the whole along the line of earners, so that they add up to it.
    Of what a resource gets, as much is held back as its last jobs have earned.

    Refusals, in order of precedence: `UnknownRecord`, `WrongStage` where all are paid,
    those of the accounts.
    """
    payday = checks.existing(pre, Payday, command.payday)
    if payday.due is None:
        raise WrongStage(f"all {payday.earners} of payday {payday.id} are paid already")
    draft = Draft(pre)
    last = min(payday.paid + PAID_AT_ONCE, payday.earners)
    for number in range(payday.paid + 1, last + 1):
        earning = draft.existing(Earning, f"{payday.id}:{number}")
        before, after = payday.paid_units, payday.paid_units + earning.units
        usd, token = (
            proportional_share(whole, after, payday.units)
            - proportional_share(whole, before, payday.units)
            for whole in (payday.usd, payday.token)
        )
        if payday.id.endswith(f":{VERDICTS}"):
            _pay_verdicts(draft, pre, earning, MicroToken(token))
        else:
            kind = payday.id.rpartition(":")[2]
            _pay(draft, params, kind, earning, MicroUsd(usd), MicroToken(token))
        payday = replace(payday, paid=number, paid_units=after)
    draft.put(payday)
    return draft.diff()


def write_payroll(pre: PreState, params: Params, facts: Facts) -> Diff:
    """Note what the kinds of each project are to be paid for the day."""
    epoch = pre.epoch()
    kinds = params.matrix.kinds
    by_kind = [sum(column) for column in zip(*epoch.earned, strict=True)]
    usd = largest_remainder(epoch.dollars, by_kind)
    bought = largest_remainder(epoch.bought, by_kind)
    pay: dict[tuple[int, int], list[int]] = {}
    for k in range(len(kinds)):
        earned = [row[k] for row in epoch.earned]
        if any(earned):
            parts = zip(
                largest_remainder(usd[k], earned),
                largest_remainder(bought[k], earned),
                strict=True,
            )
            for p, (dollars, tokens) in enumerate(parts):
                pay[p, k] = [dollars, tokens]
    for pool, emitted in zip(pool_names(params), epoch.emitted, strict=True):
        members = in_pool(pre, params, pool)
        rows = [epoch.earned[p] for p in members]
        weights = [sum(row[k] for row in rows) for k in range(len(kinds))]
        for k, part in enumerate(largest_remainder(emitted, weights)):
            if part:
                shares = largest_remainder(part, [row[k] for row in rows])
                for p, share in zip(members, shares, strict=True):
                    pay[p, k][1] += share
    paydays = []
    for (p, k), (dollars, tokens) in pay.items():
        units = epoch.earned[p][k]
        name = f"{facts.day}:{params.projects[p].name}:{kinds[k]}"
        earners = checks.existing(pre, Roll, name).count if units else 0
        paydays.append(
            Payday(
                *(name, units, MicroUsd(dollars), MicroToken(tokens)),
                *(earners, pre.now()),
            )
        )
    return Diff(records=tuple(each for each in paydays if each.earners))


def buy_verdicts(pre: PreState, params: Params, facts: Facts) -> Diff:
    """
    Buy what the day's verdicts earned, as far as the float does not have it.

    It is a part of what operations spend, and then of the operations dollars.
    """
    owed = pre.record(Roll, f"{facts.day}:verdicts")
    short = (owed.count if owed else 0) - pre.balance(FLOAT)
    most = min(short, pre.balance(MARKET))
    if most <= 0:
        return Diff()
    rules = params.payments
    kept = MicroUsd(0)
    if rules.buyback_base == BuybackBase.NET:
        kept = payments.operations_income(facts.income, rules.operations_fraction)
    spent = payments.operations_spending(kept, rules.operations_spend_fraction)
    budget = MicroUsd(spent + pre.balance(OPERATIONS))
    tokens, cost = purchase(params, pre.epoch().price, budget, most)
    moves: list[Move] = [
        ("buyback.purchase_cost", OPERATIONS, MARKET_USD, max(0, cost - spent)),
        ("buyback.tokens_bought", MARKET, FLOAT, tokens),
    ]
    return Diff(transfers_of(moves))


def credit_seats(pre: PreState, params: Params, facts: Facts) -> Diff:
    """Credit every seat of Phase 1 with its part of what its project accrued."""
    records = []
    states = zip(params.projects, pre.economy().projects, strict=True)
    for project, state in states:
        seats = pre.record(Seats, project.name)
        if seats is not None and state.phase == 1 and state.filled:
            accrued = phase1_accrual_of(params, facts.day, project, state)
            each = MicroToken(seats.accrued + accrued // state.filled)
            records.append(replace(seats, accrued=each))
    return Diff(records=tuple(records))


def _after(stages: Sequence[Stage], stage: Stage, more: Stage) -> tuple[Stage, ...]:
    at = stages.index(stage) + 1
    return (*stages[:at], more, *stages[at:])


LIVED = _after(
    _after(
        _after(STAGES, process_emission, credit_seats), process_payouts, write_payroll
    ),
    process_validators,
    buy_verdicts,
)
"""The stages of any day, and what is noted for members of their own."""


def _facts(pre: PreState, params: Params, day: int, sentiment: MicroUsd) -> Facts:
    kinds = params.matrix.kinds
    earned = tuple(
        tuple(
            MicroUsd(pre.balance(account("income", project.name, kind)))
            for kind in kinds
        )
        for project in params.projects
    )
    nobody = (0,) * len(kinds)
    census = pre.record(Census, CURRENT) or Census(CURRENT, nobody, nobody)
    jobs = pre.record(Roll, f"{day}:jobs")
    seated = []
    states = zip(params.projects, pre.economy().projects, strict=True)
    for project, state in states:
        seats = pre.record(Seats, project.name)
        filled = sum(seats.taken) if seats else 0
        seated.append(replace(state, filled=filled, left=0))
    bonds = MicroToken(pre.balance(BONDS))
    worth = bonding.bond_worth(bonds, token_price(pre, params))
    if params.bonding.bond_demand is BondDemand.NET:
        # Members' bonds come and go within a day: their return is no sale of tokens.
        worth = max(worth, pre.economy().bonded_value)
    return Facts(
        day=day,
        earned=earned,
        job_value=MicroUsd(sum(map(sum, earned))),
        jobs=jobs.count if jobs else 0,
        sentiment=sentiment,
        entered=census.entered,
        exited=census.left,
        projects=tuple(seated),
        last_price=pre.epoch().price,
        fees_usd=MicroUsd(pre.epoch().fee_usd * sum(census.entered)),
        bonds=bonds,
        bonds_usd=worth,
    )


def _take_income(pre: PreState, params: Params) -> Diff:
    moves: list[Move] = []
    for project in params.projects:
        for kind in params.matrix.kinds:
            path = account("income", project.name, kind)
            moves.append(("income of the day", path, SETTLEMENT, pre.balance(path)))
    return Diff(transfers_of(moves))


def _pay(
    draft: Draft,
    params: Params,
    kind: str,
    earning: Earning,
    usd: MicroUsd,
    token: MicroToken,
) -> None:
    """Pay a resource its part of a day; its last jobs' worth of pay waits."""
    _strike(draft, earning)
    source = account("suppliers", kind, "usd"), account("suppliers", kind, "token")
    if earning.forfeited:
        draft.move(source[0], OPERATIONS, usd, "pay forfeited")
        draft.move(source[1], FLOAT, token, "pay forfeited")
        return
    track = draft.existing(Track, earning.resource)
    resource = draft.existing(Resource, earning.resource)
    lots = [*track.lots, Lot(earning.units, usd, token)]
    draft.move(source[0], HELD_USD, usd, "pay of the day")
    draft.move(source[1], HELD_TOKEN, token, "pay of the day")
    last = params.validation.held_back_jobs
    stays = last and resource.stage is not ResourceStage.RETIRED
    kept = track.kept if stays else 0
    free = max(0, sum(lot.units for lot in lots) - kept)
    owner = checks.member("owner", resource.owner)
    dollars = tokens = 0
    while free:
        lot = lots[0]
        units = min(free, lot.units)
        out_usd = proportional_share(lot.usd, units, lot.units)
        out_token = proportional_share(lot.token, units, lot.units)
        dollars += out_usd
        tokens += out_token
        free -= units
        lots[0] = Lot(
            lot.units - units,
            MicroUsd(lot.usd - out_usd),
            MicroToken(lot.token - out_token),
        )
        if not lots[0].units:
            del lots[0]
    draft.move(HELD_USD, owner.usd, dollars, "pay")
    draft.move(HELD_TOKEN, owner.token, tokens, "pay")
    draft.put(replace(track, lots=tuple(lots)))


def _strike(draft: Draft, earning: Earning) -> None:
    """Take an earning off what is still to be paid."""
    track = draft.existing(Track, earning.resource)
    unpaid = tuple(each for each in track.unpaid if each != earning.id)
    draft.put(replace(track, unpaid=unpaid))


def _pay_verdicts(
    draft: Draft, pre: PreState, earning: Earning, share: MicroToken
) -> None:
    """
    Pay a validator out of the float, and its share of lost bonds.

    What it owes stays in the float. What the float cannot pay waits for it.
    """
    _strike(draft, earning)
    resource = draft.existing(Resource, earning.resource)
    kept = min(earning.units, resource.owed)
    if kept:
        draft.put(replace(resource, owed=MicroToken(resource.owed - kept)))
    due = earning.units - kept
    payable = min(due, pre.balance(FLOAT) - draft.taken(FLOAT))
    owner = checks.member("owner", resource.owner)
    # By way of what is held back, since a member's own limit may not stop a payday.
    draft.move(FLOAT, HELD_TOKEN, payable, "payments.verdict_reward")
    if share:
        promised = draft.existing(Roll, PROMISED)
        draft.put(replace(promised, count=promised.count - share))
    draft.move(VALIDATORS, HELD_TOKEN, share, "lost bonds shared")
    draft.move(HELD_TOKEN, owner.token, payable + share, "pay")
    if payable < due:
        owe_validator(draft, pre, earning.resource, due - payable)
