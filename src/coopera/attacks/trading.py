"""
Attacks on prices and on what is given away: own jobs, seats, grants.

They are beside what the same means earn where nobody else orders anything: nothing.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import replace
from typing import Final

from coopera.attacks.network import PRICE, Network
from coopera.attacks.outcome import Outcome
from coopera.attacks.people import EVE, SHILL, bond_money, outcome
from coopera.errors import Refusal
from coopera.formulas.bonding import bond_worth
from coopera.ledger import account
from coopera.params import Params
from coopera.protocol import jobs, money
from coopera.protocol.orders import Job, JobStage
from coopera.protocol.supply import SLOTS_MAX
from coopera.units import MICRO, WAD, MicroToken

SLOW_DAYS: Final = 15
"""Days in a row on which bonds are dropped."""
OWN_JOBS: Final = 40
"""Jobs of one's own while the token is low."""
SEATS_MAX: Final = 50
"""Most seats that are tried for."""
SEAT_DAYS: Final = 5
"""Days of Phase 1 that are looked at."""


def wash_trading(params: Params) -> Outcome:
    """Buy one's own job, for the emission."""
    network = Network(params)
    _trade_with_oneself(network, PRICE)
    network.leaves(EVE)
    return outcome(network, honest=0)


def many_projects(params: Params) -> Outcome:
    """Buy twenty jobs of one's own over all projects, for the start of every curve."""
    network = Network(params)
    count = 20
    for n in range(count):
        network.project = params.projects[n % len(params.projects)].name
        _trade_with_oneself(network, PRICE)
    network.leaves(EVE)
    return outcome(network, honest=0)


def quiet_day(params: Params) -> Outcome:
    """Buy one's own job on a day on which nobody asks for the token, when it is low."""
    network = Network(params)
    outfit = _ready(network, PRICE)
    _buy_own(network, outfit, PRICE)
    network.close(0)
    network.close(network.ordinary)
    network.leaves(EVE, steady=False)
    return outcome(network, honest=0)


def price_crash(params: Params) -> Outcome:
    """Bond a large job of one's own over a close, drop it, and buy tokens when low."""
    return _crash(params, lots=1)


def slow_crash(params: Params) -> Outcome:
    """Bond many large jobs of one's own, drop one a day, and buy tokens when low."""
    return _crash(params, lots=SLOW_DAYS)


def sybil_seats(params: Params, *, attested: bool = False) -> Outcome:
    """
    Take all seats of Phase 1 but one with a single machine under many names.

    It can pass the test under each of them; attested is what the operator has seen.
    """
    kinds = _kinds_of_seats(params)[:SEATS_MAX]
    many = _seated(params, kinds[: len(kinds) - 1] or kinds, attested=attested)
    return replace(many, honest=_seated(params, kinds[:1], attested=attested).profit)


def late_seat(params: Params) -> Outcome:
    """Take a seat of Phase 1 just before a close, for the pay of a whole day."""
    network = Network(params, phase=1)
    network.offers(EVE, _kinds_of_seats(params)[0], params.projects[0].name)
    network.close()
    return outcome(network, honest=0)


def grants(params: Params) -> Outcome:
    """Turn service credits that were given away into money, by a job of one's own."""
    network = Network(params)
    outfit = _ready(network, 0)
    network.do(money.GrantCredit(f"consumer:{SHILL}", PRICE, "welcome"))
    _buy_own(network, outfit, PRICE)
    network.leaves(EVE)
    return outcome(network, honest=0)


def fee_dilution(params: Params) -> Outcome:
    """Register a hundred idle names while it is free, so that the fee is low later."""
    fees = [_later_fee(params, names) for names in (0, 100)]
    return Outcome(put_in=10 * fees[1], got=10 * fees[0], honest=0)


def _later_fee(params: Params, names: int) -> int:
    network = Network(params)
    network.entering = True
    for _ in range(names):
        network.registers(f"idle-{network.number()}", EVE, network.kinds[0])
    spent = network.put_in[EVE]
    network.joins("alice", usd=10 * PRICE)
    bond = bond_money(network, PRICE)
    outfits = []
    for n in range(5):
        network.joins(f"bob-{n}", tokens=2 * bond)
        outfits.append(network.outfit(f"bob-{n}"))
    network.close()
    for n in range(10):
        network.serves(network.order("alice"), outfits[n % 5])
    network.close()
    later = bond_worth(MicroToken(network.fee()), network.price)
    return later + -(-spent // 10)


def _seated(params: Params, kinds: Sequence[str], *, attested: bool) -> Outcome:
    """Sit in seats for some days, without a job."""
    network = Network(params, phase=1)
    network.entering = True
    # What tests cost.
    network.joins(EVE, tokens=len(kinds) * MICRO)
    bring = network.offers if attested else network.passes_a_test
    for kind in kinds:
        with suppress(Refusal):
            bring(EVE, kind, params.projects[0].name)
    for _ in range(SEAT_DAYS):
        network.close()
    return outcome(network, honest=0)


def _ready(network: Network, price: int) -> dict[str, str]:
    """Let Eve come with what a job of her own takes."""
    tokens = bond_money(network, PRICE)
    network.joins(SHILL, usd=price)
    network.joins(EVE, tokens=tokens)
    return network.outfit(EVE)


def _buy_own(network: Network, outfit: dict[str, str], price: int) -> None:
    """Buy from oneself; nobody works for itself, so that another name orders."""
    network.serves(network.order(SHILL, price), outfit)


def _trade_with_oneself(network: Network, price: int) -> None:
    _buy_own(network, _ready(network, price), price)


def _crash(params: Params, lots: int) -> Outcome:
    """Let bonds be given back, so many days in a row; they lower what is asked for."""
    network = Network(params)
    circulating = network.state.balance(account("market", "token"))
    tokens = MicroToken(circulating // 100)
    # Jobs that take nine tenths of her tokens for bonds, in case the price moves.
    bonded = bond_worth(tokens, network.price) * 9 // 10
    large = bonded * WAD // (params.bonding.bond_rate or WAD)
    # Each is ordered in parts for which validators have enough at stake.
    part = network.dearest(large)
    parts = large // part
    network.joins(SHILL, usd=lots * large + PRICE)
    network.joins(EVE, tokens=lots * tokens)
    throwaway = network.offers(EVE, slots=min(lots * parts, SLOTS_MAX))
    dropped: list[list[str]] = [[] for _ in range(lots)]
    for n, lot in enumerate(dropped):
        for _ in range(parts):
            lot.append(network.order(SHILL, part, hours=25 + 24 * n))
            network.accepts(lot[-1], 0, throwaway)
    network.close(network.ordinary)
    outfit = network.outfit(EVE)
    for lot in dropped:
        network.at(network.task(lot[0]).due)
        for job in lot:
            network.do(jobs.ExpireTask(job, 0))
            if network.state.records(Job)[job].stage is JobStage.OPEN:
                network.do(jobs.CancelJob(job, f"consumer:{SHILL}"))
        if lot is dropped[-1]:
            _buys_a_lot(network, outfit, large)
        network.close(network.ordinary)
    for _ in range(lots):
        network.close(network.ordinary)
    network.leaves(EVE, steady=False)
    return outcome(network, honest=0)


def _buys_a_lot(network: Network, outfit: dict[str, str], most: int) -> None:
    """Buy from oneself, in jobs for which validators have enough at stake."""
    price = network.dearest(most)
    for _ in range(min(OWN_JOBS, most // price)):
        _buy_own(network, outfit, price)


def _kinds_of_seats(params: Params) -> list[str]:
    both = zip(params.matrix.kinds, params.projects[0].targets, strict=True)
    return [kind for kind, target in both for _ in range(target)]
