"""What parameters permit and a careful operator would not."""

from typing import Final, NamedTuple

from coopera.formulas.bonding import verdict_bond
from coopera.formulas.deterrence import (
    NO_RATE,
    audit_rate_needed,
    canary_rate_needed,
    cheating_gain,
    cheating_loss,
    checking_cost,
    honest_profit,
)
from coopera.formulas.payments import verdict_reward
from coopera.params import Params
from coopera.units import MICRO, WAD, MicroToken, MicroUsd, Rounding, Wad, unscaled

LARGE_PAY: Final = MicroToken(1_000 * MICRO)
"""Pay of the job that canaries are judged by; one that pays less needs no more."""

_PLACES: Final = 10**4


class Deterrence(NamedTuple):
    """Whether cheating, honest work and not looking pay, in parts of a job's pay."""

    gain: Wad
    """What a cheat saves."""
    loss: Wad
    """What a cheat loses on average, once pay is held back."""
    profit: Wad
    """What honest work earns on average; negative where it does not pay."""
    audit_rate: Wad
    """Least audit rate at which cheating does not pay, once pay is held back."""
    first_audit_rate: Wad
    """The same while nothing is held back yet."""
    canary_rate: Wad
    """Least canary rate at which a validator looks at a job that pays 1,000 tokens."""


def deterrence_of(params: Params) -> Deterrence:
    """Judge parameters as docs/readings.md#does-verification-deter does."""
    validation, bond = params.validation, params.bonding.bond_rate
    margin, false_positive = validation.supplier_margin, validation.false_positive_rate
    held_back = validation.held_back_jobs
    stakes = bond, Wad(held_back * WAD), validation.reputation_rent
    return Deterrence(
        gain=cheating_gain(validation.cheating_cost, margin),
        loss=cheating_loss(
            validation.validation_rate,
            validation.detection_rate,
            false_positive,
            *stakes,
        ),
        profit=honest_profit(
            margin, validation.validation_rate, false_positive, *stakes
        ),
        audit_rate=least_audit_rate(params, bond, held_back),
        first_audit_rate=least_audit_rate(params, bond, 0),
        canary_rate=least_canary_rate(params, LARGE_PAY),
    )


def least_audit_rate(params: Params, bond_rate: Wad, held_back_jobs: int) -> Wad:
    """Find the audit rate that other bonds and other held-back pay would need."""
    validation = params.validation
    return audit_rate_needed(
        cheating_gain(validation.cheating_cost, validation.supplier_margin),
        validation.detection_rate,
        validation.false_positive_rate,
        bond_rate,
        Wad(held_back_jobs * WAD),
        validation.reputation_rent,
    )


def least_canary_rate(params: Params, pay: MicroToken) -> Wad:
    """Find the canary rate at which validators look at a job of some pay."""
    validation = params.validation
    # Pay is given in tokens, so that a token is what it is priced at.
    one, value = Wad(WAD), MicroUsd(pay)
    return canary_rate_needed(
        checking_cost(pay, validation.validation_cost, validation.supplier_margin),
        verdict_bond(value, validation.verdict_bond_rate, one, validation.verdict_bond),
        verdict_reward(
            value, validation.validator_reward_rate, one, validation.validator_reward
        ),
    )


def warnings(params: Params) -> tuple[str, ...]:
    """List what to think about before these parameters run a network."""
    validation, found = params.validation, deterrence_of(params)
    listed = []
    if found.loss < found.gain:
        remedy = (
            "no validation_rate is enough; raise detection_rate, bond_rate or "
            "held_back_jobs"
            if found.audit_rate == NO_RATE
            else f"a validation_rate of {rounded(found.audit_rate, Rounding.CEIL)} "
            "would be enough"
        )
        listed.append(
            f"cheating pays: a cheat gains {rounded(found.gain, Rounding.CEIL)} of a "
            f"job's pay and loses {rounded(found.loss, Rounding.FLOOR)} on average; "
            f"{remedy}"
        )
    if found.profit < 0:
        margin = rounded(validation.supplier_margin, Rounding.FLOOR)
        lost = rounded(Wad(validation.supplier_margin - found.profit), Rounding.CEIL)
        listed.append(
            f"honest work does not pay: it earns {margin} of a job's pay and loses "
            f"{lost} on average by wrong verdicts; lower false_positive_rate or "
            "held_back_jobs"
        )
    if found.canary_rate > validation.canary_rate:
        remedy = (
            "no canary_rate is enough; raise verdict_bond_rate"
            if found.canary_rate == NO_RATE
            else "a canary_rate of "
            f"{rounded(found.canary_rate, Rounding.CEIL)} would be enough"
        )
        listed.append(
            "canaries are too few: a validator who does not look at a job that pays "
            f"1,000 tokens saves more than it loses; {remedy}"
        )
    return tuple(listed)


def live_warnings(params: Params) -> tuple[str, ...]:
    """List what may be simulated, and a network with members should not run with."""
    listed = list(warnings(params))
    if params.pricing.price_change_max == 0:
        listed.append(
            "one day's demand may throw the price anywhere, and with it what bonds and "
            "emission are worth; set price_change_max, as 0.1"
        )
    validation, one = params.validation, Wad(WAD)
    cost = checking_cost(
        LARGE_PAY, validation.validation_cost, validation.supplier_margin
    )
    reward = verdict_reward(
        MicroUsd(LARGE_PAY),
        validation.validator_reward_rate,
        one,
        validation.validator_reward,
    )
    if reward < cost:
        listed.append(
            "honest validators lose: to look at a job that pays 1,000 tokens costs "
            f"{unscaled(cost, MICRO):f} and earns {unscaled(reward, MICRO):f}; raise "
            "validator_reward_rate"
        )
    paid = validation.validators_per_job * validation.validator_reward_rate
    if paid >= params.payments.operations_fraction:
        listed.append(
            "no order will be taken: verdicts on it earn "
            f"{unscaled(paid, WAD):f} of its price and the network keeps "
            f"{unscaled(params.payments.operations_fraction, WAD):f}; lower "
            "validator_reward_rate"
        )
    if validation.verdict_bond > validation.validator_stake:
        listed.append(
            "no order will be taken: a verdict needs a bond of "
            f"{unscaled(validation.verdict_bond, MICRO):f} and validators have "
            f"{unscaled(validation.validator_stake, MICRO):f} at stake; raise "
            "validator_stake"
        )
    return tuple(listed)


def rounded(value: Wad, rounding: Rounding) -> str:
    """
    Write a rate with four decimals, to the side that it is safe on.

    >>> rounded(Wad(WAD // 3), Rounding.FLOOR), rounded(Wad(WAD // 3), Rounding.CEIL)
    ('0.3333', '0.3334')
    """
    unit = WAD // _PLACES
    places = -(-value // unit) if rounding is Rounding.CEIL else value // unit
    return f"{unscaled(places, _PLACES):.4f}"
