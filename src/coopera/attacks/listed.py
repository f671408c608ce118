"""All attacks, what each is after, and what stops it."""

import inspect
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from enum import StrEnum
from fractions import Fraction
from math import floor
from typing import Final, NamedTuple

from coopera.attacks import checking, crowding, serving, trading
from coopera.attacks.outcome import Outcome
from coopera.errors import Refusal
from coopera.params import Params

SHARES: Final = tuple(Fraction(n, 10) for n in range(1, 6))
"""Parts of the bench that may collude."""


class Aim(StrEnum):
    """What an attack is after."""

    GAIN = "gain"
    HARM = "harm"
    """To cost others something, for nothing."""
    LICENCE = "licence"
    """A gain that the rules allow, and that costs nobody anything."""


@dataclass(frozen=True, slots=True)
class Attack:
    """An attack, and what stops it."""

    run: Callable[[Params], Outcome]
    stopped_by: str
    """In a few words, by the names of parameters."""
    aim: Aim = Aim.GAIN

    @property
    def name(self) -> str:
        """Name it."""
        return self.run.__name__

    @property
    def what(self) -> str:
        """Say in a sentence what is done."""
        return (inspect.getdoc(self.run) or "").partition("\n")[0]

    def works(self, outcome: Outcome) -> bool:
        """Tell whether it reaches what it should not; harm must at least cost."""
        if self.aim is Aim.LICENCE:
            return False
        if self.aim is Aim.HARM:
            return outcome.harms and not outcome.costs
        return outcome.pays

    def verdict(self, outcome: Outcome) -> str:
        """Judge in two words."""
        if self.aim is Aim.HARM and not outcome.harms:
            return "harms nobody"
        if self.aim is Aim.HARM:
            return "costs it" if outcome.costs else "costs nothing"
        if self.aim is Aim.LICENCE:
            return "allowed"
        return "pays" if outcome.pays else "does not pay"


ATTACKS: Final = (
    Attack(trading.wash_trading, "`operations_fraction` above the emission"),
    Attack(trading.many_projects, "the same: curves start alike"),
    Attack(trading.quiet_day, "`price_change_max`"),
    Attack(trading.price_crash, "a bond that comes back is no sale of tokens"),
    Attack(trading.slow_crash, "the same"),
    Attack(trading.sybil_seats, "the operator's word for each machine with a seat"),
    Attack(trading.late_seat, "nothing: a day's seat is paid as a whole", Aim.LICENCE),
    Attack(trading.grants, "nothing but the operator, who knows whom it gives to"),
    Attack(trading.fee_dilution, "`min_onboarding_fee`"),
    Attack(serving.cheating_once, "validators, `bond_rate`, `held_back_jobs`"),
    Attack(serving.cheating_as_a_newcomer, "validators, `bond_rate`"),
    Attack(serving.build_and_burn, "validators, `bond_rate`"),
    Attack(serving.pay_set_free, "pay held back by the worth of what follows"),
    Attack(serving.fresh_name, "`onboarding_rate`"),
    Attack(serving.many_names, "`onboarding_rate`"),
    Attack(serving.time_outs, "reputation, `late_bond_rate`"),
    Attack(serving.cherry_picking, "nothing: a match is an offer", Aim.LICENCE),
    Attack(serving.declared_work, "who passes the work passes that too"),
    Attack(serving.impossible_task, "what was validated is paid"),
    Attack(serving.sabotaged_task, "the same, `late_bond_rate`"),
    Attack(checking.lazy_validator, "`canary_rate`, `verdict_bond_rate`"),
    Attack(checking.careless_crowd, "what a stake does not cover is owed"),
    Attack(checking.copied_verdict, "a digest names its validator"),
    Attack(checking.silent_validator, "a stake, lost by who is silent too", Aim.HARM),
    Attack(checking.failing_validator, "`verdict_bond_rate`, later rounds", Aim.HARM),
    Attack(checking.cheap_verdicts, "a job has to keep enough for its verdicts"),
    Attack(checking.endless_tests, "who is tested pays for the verdicts"),
    Attack(checking.coalition_passes, "later rounds, `bond_rate`"),
    Attack(checking.coalition_fails, "another panel confirms, `verdict_bond_rate`"),
    Attack(checking.busy_bench, "who is busy is drawn all the same"),
    Attack(checking.rich_bench, "no job that `validator_stake` does not cover"),
    Attack(checking.rearranged_bench, "who was staked after the link is not drawn"),
    Attack(crowding.blocked_rival, "`cancellation_rate`, `cancellation_fee_min_usd`"),
    Attack(crowding.hopeless_orders, "a queue that only passes them over", Aim.HARM),
)


class Tried(NamedTuple):
    """An attack that was tried, and what it came to."""

    attack: Attack
    outcome: Outcome
    refused: str = ""
    """Code of the refusal that it ended in, and then it came to nothing."""

    @property
    def works(self) -> bool:
        """Whether it reaches what it is after."""
        return not self.refused and self.attack.works(self.outcome)

    @property
    def verdict(self) -> str:
        """Judge in a few words."""
        return (
            f"refused: {self.refused}"
            if self.refused
            else self.attack.verdict(self.outcome)
        )


class Share(NamedTuple):
    """What a part of the bench brings who holds it."""

    share: Fraction
    passes: Outcome
    """Its own bad work."""
    fails: Outcome
    """Good work that it has ordered."""


class Report(NamedTuple):
    """All attacks under some parameters."""

    tried: tuple[Tried, ...]
    shares: tuple[Share, ...]
    share_that_pays: Fraction | None
    """Least part of the bench with which a fraud of one's own pays, if any does."""

    @property
    def working(self) -> tuple[Tried, ...]:
        """Give the attacks that reach what they are after."""
        return tuple(each for each in self.tried if each.works)


def report(params: Params) -> Report:
    """Try every attack, and coalitions of every size, if anybody can order a job."""
    coalition = None
    with suppress(Refusal):
        coalition = checking.coalition(params)

    def tried(attack: Attack) -> Tried:
        try:
            if coalition and attack.run is checking.coalition_passes:
                share = floor(checking.SHARE * checking.SEATS)
                return Tried(attack, coalition.best(share))
            return Tried(attack, attack.run(params))
        except Refusal as refusal:
            # Under these parameters nobody has the means for it, or may do it.
            return Tried(attack, Outcome(0, 0, 0), refusal.code)

    return Report(
        tuple(map(tried, ATTACKS)),
        tuple(
            Share(
                share,
                coalition.best(floor(share * checking.SEATS)),
                checking.coalition_fails(params, share),
            )
            for share in SHARES
            if coalition
        ),
        coalition.break_even() if coalition else None,
    )
