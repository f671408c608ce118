"""
Whether it pays to cheat, and to check.

The papers take bonds and validators as given and never ask if they are enough. Amounts
are shares of one job's pay, in fixed point, unless their type says otherwise. What
tempts rounds up and what deters rounds down, so that an inequality which holds here
holds without rounding too. `docs/readings.md#does-verification-deter` derives it.
"""

from typing import Final

from coopera.units import WAD, MicroToken, Rounding, Wad, mul_div

NO_RATE: Final = Wad(WAD + 1)
"""More than one: no rate is enough."""


def cheating_gain(cheating_cost: Wad, margin: Wad) -> Wad:
    r"""
    Find what a cheat saves by not doing one job's work.

    $$(1 - \alpha)(1 - m)$$

    An honest supplier spends all of the pay but its margin, a cheat the part alpha of
    that. Rounds up: what tempts must not be understated.

    Source: docs/readings.md#does-verification-deter, where the arguments are _alpha_
    and _m_.

    A quarter of the cost is spent all the same, and a fifth of the pay is margin:

    >>> cheating_gain(Wad(WAD // 4), Wad(WAD // 5)) / WAD
    0.6
    """
    assert 0 <= cheating_cost <= WAD
    assert 0 <= margin <= WAD
    # {1} = {1} * {1} / {1}
    return Wad(mul_div(WAD - cheating_cost, WAD - margin, WAD, Rounding.CEIL))


def cheating_loss(
    audit_rate: Wad,
    detection: Wad,
    false_positive: Wad,
    bond: Wad,
    held_back: Wad,
    reputation_rent: Wad,
) -> Wad:
    r"""
    Find what a cheat loses on average, beyond what an honest supplier loses.

    $$q (d - \phi)(1 + b + h + v)$$

    Who is found out loses the pay, the bond, what was held back and what the good name
    would have earned; an honest supplier does when it is taken for a cheat. Rounds
    down: what deters must not be overstated. Zero where honest work is taken for
    cheating more often than cheating is.

    Source: docs/readings.md#does-verification-deter, where the arguments are _q_, _d_,
    _phi_, _b_, _h_ and _v_.

    Every tenth job is checked, nine of ten frauds are found, no honest work is; a bond
    of half the pay, eight jobs held back, and a name worth half a job:

    >>> stakes = Wad(WAD // 2), Wad(8 * WAD), Wad(WAD // 2)
    >>> cheating_loss(Wad(WAD // 10), Wad(9 * WAD // 10), Wad(0), *stakes) / WAD
    0.9
    """
    assert 0 <= audit_rate <= WAD
    assert 0 <= detection <= WAD
    assert 0 <= false_positive <= WAD
    assert bond >= 0 <= held_back
    assert reputation_rent >= 0
    told_apart = max(detection - false_positive, 0)
    stakes = WAD + bond + held_back + reputation_rent
    # {1} = {1} * {1} * {1} / {1}
    return Wad(mul_div(audit_rate * told_apart, stakes, WAD * WAD, Rounding.FLOOR))


def audit_rate_needed(
    gain: Wad,
    detection: Wad,
    false_positive: Wad,
    bond: Wad,
    held_back: Wad,
    reputation_rent: Wad,
) -> Wad:
    r"""
    Find the least part of the jobs to check, so that cheating does not pay.

    $$q^* = \frac{(1 - \alpha)(1 - m)}{(d - \phi)(1 + b + h + v)}$$

    Rounds up, and is then exactly the least rate at which `cheating_loss` is no less
    than the gain. More than one, `NO_RATE`, where no rate is enough.

    Source: docs/readings.md#does-verification-deter, where `gain` is `cheating_gain`
    and the others are _d_, _phi_, _b_, _h_ and _v_.

    A gain of 0.9, and the stakes of `cheating_loss`; then with nothing but the pay at
    stake, and every second fraud found:

    >>> stakes = Wad(WAD // 2), Wad(8 * WAD), Wad(WAD // 2)
    >>> gain = Wad(9 * WAD // 10)
    >>> audit_rate_needed(gain, Wad(9 * WAD // 10), Wad(0), *stakes) / WAD
    0.1
    >>> audit_rate_needed(gain, Wad(WAD // 2), *4 * [Wad(0)]) == NO_RATE
    True
    """
    assert gain >= 0
    assert 0 <= detection <= WAD
    assert 0 <= false_positive <= WAD
    assert bond >= 0 <= held_back
    assert reputation_rent >= 0
    if gain == 0:
        return Wad(0)
    told_apart = max(detection - false_positive, 0)
    lost = told_apart * (WAD + bond + held_back + reputation_rent)
    if lost < gain * WAD:
        return NO_RATE
    # {1} = {1} * {1} / ({1} * {1})
    return Wad(mul_div(gain, WAD * WAD, lost, Rounding.CEIL))


def honest_profit(
    margin: Wad,
    audit_rate: Wad,
    false_positive: Wad,
    bond: Wad,
    held_back: Wad,
    reputation_rent: Wad,
) -> Wad:
    r"""
    Find what honest work earns on average, less what wrong verdicts take.

    $$m - q \phi (1 + b + h + v)$$

    Negative where honest work does not pay. Rounds down, towards less: what honest work
    earns must not be overstated.

    Source: docs/readings.md#does-verification-deter, where the arguments are _m_, _q_,
    _phi_, _b_, _h_ and _v_.

    A margin of a fifth, all jobs checked, 1 % wrongly failed, ten jobs' pay at stake;
    then 3 %:

    >>> stakes = Wad(WAD), Wad(8 * WAD), Wad(0)
    >>> [honest_profit(Wad(WAD // 5), WAD, Wad(n * WAD // 100), *stakes) / WAD
    ...     for n in (1, 3)]
    [0.1, -0.1]
    """
    assert 0 <= margin <= WAD
    assert 0 <= audit_rate <= WAD
    assert 0 <= false_positive <= WAD
    assert bond >= 0 <= held_back
    assert reputation_rent >= 0
    stakes = WAD + bond + held_back + reputation_rent
    # {1} = {1} - {1} * {1} * {1} / {1}
    return Wad(
        margin - mul_div(audit_rate * false_positive, stakes, WAD * WAD, Rounding.CEIL)
    )


def reputation_rent(margin: Wad, uplift: Wad, continuation: Wad) -> Wad:
    r"""
    Value what a good name brings in, over all jobs to come.

    $$v = \frac{\delta}{1 - \delta} m * uplift$$

    A good name makes the margin of each job larger by the uplift, or brings as many
    more jobs; delta is how likely the next job comes, and how much it still counts.
    Rounds down: what deters must not be overstated.

    Source: docs/readings.md#does-verification-deter, where the arguments are _m_,
    _uplift_ and _delta_.

    A margin of a fifth, a quarter more of it, and 99 jobs to come on average:

    >>> reputation_rent(Wad(WAD // 5), Wad(WAD // 4), Wad(99 * WAD // 100)) / WAD
    4.95
    """
    assert 0 <= margin <= WAD
    assert uplift >= 0
    assert 0 <= continuation < WAD
    # {1} = {1} * {1} * {1} / ({1} * {1})
    return Wad(
        mul_div(
            margin * uplift, continuation, WAD * (WAD - continuation), Rounding.FLOOR
        )
    )


def sample_detection(cheated: Wad, units: int) -> Wad:
    """
    Find how likely a random sample shows that a part of a job was cheated.

    $$1 - (1 - f)^r$$

    This is as if a unit could be drawn twice; drawn once each, they show more. Rounds
    down: what deters must not be overstated.

    Source: docs/readings.md#jobs-of-many-units, where the arguments are _f_ and _r_.

    Half of the units are cheated, and three are checked:

    >>> sample_detection(Wad(WAD // 2), 3) / WAD
    0.875
    """
    assert 0 <= cheated <= WAD
    assert units >= 0
    # {1} = {1} - {1}**r * {1} / {1}**r
    return Wad(WAD - mul_div((WAD - cheated) ** units, WAD, WAD**units, Rounding.CEIL))


def panel_detection(detection: Wad, colluding: Wad, validators: int) -> Wad:
    r"""
    Find how likely a fraud is flagged, if some validators are the cheat's friends.

    $$d (1 - \rho^k)$$

    One flag is enough to look closer, so that only a panel of friends alone keeps
    silent. Rounds down: what deters must not be overstated.

    Source: docs/readings.md#validators-who-do-not-look, where the arguments are _d_,
    _rho_ and _k_.

    Half of the validators collude, and two are drawn:

    >>> panel_detection(WAD, Wad(WAD // 2), 2) / WAD
    0.75
    """
    assert 0 <= detection <= WAD
    assert 0 <= colluding <= WAD
    assert validators >= 0
    all_validators = WAD**validators
    # {1} = {1} * {1}**k / {1}**k
    return Wad(
        mul_div(
            detection,
            all_validators - colluding**validators,
            all_validators,
            Rounding.FLOOR,
        )
    )


def checking_cost(pay: MicroToken, validation_cost: Wad, margin: Wad) -> MicroToken:
    r"""
    Find what a validator saves by not looking at a job.

    $$\kappa (1 - m) * Pay$$

    Checking costs the part kappa of doing the work, which costs all of the pay but the
    margin. Rounds up: what tempts must not be understated.

    Source: docs/readings.md#validators-who-do-not-look, where the arguments are _Pay_,
    _kappa_ and _m_.

    A job that pays 10 tokens, with a margin of a fifth, at 3 % of its cost:

    >>> checking_cost(MicroToken(10_000000), Wad(3 * WAD // 100), Wad(WAD // 5))
    240000
    """
    assert 0 <= validation_cost <= WAD
    assert 0 <= margin <= WAD
    # {uTok} = {uTok} * {1} * {1} / {1}
    return MicroToken(
        mul_div(pay * validation_cost, WAD - margin, WAD * WAD, Rounding.CEIL)
    )


def canary_rate_needed(
    cost: MicroToken, verdict_bond: MicroToken, reward: MicroToken
) -> Wad:
    """
    Find the least part of the verdicts to ask for on work whose outcome is known.

    $$z^* = Cost / (VerdictBond + Reward)$$

    Who does not look misses every canary, and loses the bond and the reward with it.
    Rounds up, and is then exactly the least rate at which not looking saves nothing.
    More than one, `NO_RATE`, where no rate is enough.

    Source: docs/readings.md#validators-who-do-not-look, where `cost` is
    `checking_cost`.

    Looking costs 0.024 tokens, the bond is 0.46 and the reward 0.02:

    >>> canary_rate_needed(*map(MicroToken, (24000, 460000, 20000))) / WAD
    0.05
    """
    assert cost >= 0
    assert verdict_bond >= 0 <= reward
    if cost == 0:
        return Wad(0)
    if verdict_bond + reward < cost:
        return NO_RATE
    # {1} = {uTok} * {1} / {uTok}
    return Wad(mul_div(cost, WAD, verdict_bond + reward, Rounding.CEIL))
