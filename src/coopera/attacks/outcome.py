"""What an attack comes to, beside what the same means earn honestly."""

from dataclasses import dataclass, replace
from fractions import Fraction
from math import floor

from coopera.params import Params
from coopera.units import WAD


@dataclass(frozen=True, slots=True)
class Outcome:
    """Figures of one attack, in micro-dollars, on average where chance decides."""

    put_in: int
    """What the attacker pays in, and what its work costs it."""
    got: int
    """What it holds and is owed at the end, tokens at the last price."""
    honest: int
    """Profit of the same means, used honestly."""
    harms: bool = True
    """Whether others are worse off; looked at where that is the aim."""

    @property
    def profit(self) -> int:
        """What the attacker has more than before."""
        return self.got - self.put_in

    @property
    def figures(self) -> tuple[int, int, int, int]:
        """Give what is put in and got, the profit, and the honest one."""
        return self.put_in, self.got, self.profit, self.honest

    @property
    def pays(self) -> bool:
        """Whether the attacker is better off than by honesty, and than by nothing."""
        return self.profit > max(self.honest, 0)

    @property
    def costs(self) -> bool:
        """Whether the attacker loses by it."""
        return self.profit < 0


Lottery = tuple[tuple[Fraction, Outcome], ...]
"""Outcomes, each with its chance."""


def expected(lottery: Lottery) -> Outcome:
    """
    Weigh outcomes by their chances, which add up to one; rounds down.

    >>> half = Fraction(1, 2)
    >>> expected(((half, Outcome(1, 0, 5)), (half, Outcome(1, 3, 5))))
    Outcome(put_in=1, got=1, honest=5, harms=True)
    """
    assert sum(chance for chance, _ in lottery) == 1
    put_in, got, honest = (
        floor(sum(chance * getattr(each, what) for chance, each in lottery))
        for what in ("put_in", "got", "honest")
    )
    return Outcome(put_in, got, honest, any(each.harms for _, each in lottery))


def chance_found(params: Params) -> Fraction:
    """Tell how likely work that is a fraud is checked, and found out."""
    rules = params.validation
    return Fraction(rules.validation_rate * rules.detection_rate, WAD * WAD)


def always_checked(params: Params) -> Params:
    """Have all work checked, to see what follows; how often it is, is weighed apart."""
    return replace(params, validation=replace(params.validation, validation_rate=WAD))


def gamble(params: Params, passed: Outcome, failed: Outcome) -> Outcome:
    """Weigh a fraud that passes and one that is found out."""
    found = chance_found(params)
    return expected(((1 - found, passed), (found, failed)))
