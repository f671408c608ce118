"""
New tokens: Phase 1 for setting up supply, Phase 2 for serving demand, vested funds.

Follows "Phase 1", "Phase 2: Job Rewards" and "Phase 2: Emissions" of the
[burn-and-mint paper][bme].

[bme]: ../../docs/papers/bme.md#phase-1
"""

from coopera.units import WAD, MicroToken, MicroUsd, Rounding, Wad, exp_wad, mul_div


def phase1_allotment(
    token_reserve: MicroToken, phase1_fraction: Wad, projects_max: int
) -> MicroToken:
    """
    Size what one project may release to its suppliers in Phase 1.

    $$PhaseOneTokensForProject[p] = FracPhaseOneTokens * OpsFund / N_{project}$$

    Rounds down: what the projects do not get stays in the reserve.

    Source: docs/papers/bme.md#phase-1.

    >>> phase1_allotment(MicroToken(2_000_000_000000), Wad(6 * WAD // 10), 1)
    1200000000000
    """
    assert projects_max > 0
    # {uTok} = {uTok} * {1} / ({1} * {1})
    return MicroToken(
        mul_div(token_reserve, phase1_fraction, WAD * projects_max, Rounding.FLOOR)
    )


def phase1_slice(allotment: MicroToken, day: int, days: int) -> MicroToken:
    """
    Find the part of a project's allotment that falls to one day of its Phase 1.

    Days count from zero. The cumulative line is rounded down, not each day, so that the
    slices of all days add up to the allotment.

    Source: docs/papers/bme.md#phase-1, accrued by day.

    Ten units over three days:

    >>> [phase1_slice(MicroToken(10), day, 3) for day in range(3)]
    [3, 3, 4]
    """
    assert 0 <= day < days
    # {uTok} = {uTok} * {day} / {day}
    until = mul_div(allotment, day + 1, days, Rounding.FLOOR)
    return MicroToken(until - mul_div(allotment, day, days, Rounding.FLOOR))


def phase1_accrual(day_slice: MicroToken, filled: int, slots: int) -> MicroToken:
    """
    Find the part of a day's slice that the filled supplier slots earn, equally.

    Rounds down: the part of unfilled slots returns to the reserve, with the remainder.

    Source: docs/papers/bme.md#phase-1, where `slots` is the project's target number of
    suppliers.

    >>> phase1_accrual(MicroToken(40_000_000000), 15, 20)
    30000000000
    """
    assert 0 <= filled <= slots
    # {uTok} = {uTok} * {1} / {1}
    return MicroToken(mul_div(day_slice, filled, slots, Rounding.FLOOR))


def forfeited(locked: MicroToken, left: int, filled: int) -> MicroToken:
    """
    Find what suppliers forfeit when they leave their slots before the switch.

    Rounds up: the network collects.

    Source: docs/papers/bme.md#phase-1: rewards stay staked for the whole of Phase 1.

    One of four leaves:

    >>> forfeited(MicroToken(1000), 1, 4)
    250
    """
    assert 0 <= left <= filled
    # {uTok} = {uTok} * {1} / {1}
    return (
        MicroToken(mul_div(locked, left, filled, Rounding.CEIL))
        if left
        else MicroToken(0)
    )


def phase2_mint_amount(
    token_reserve: MicroToken, phase1_fraction: Wad, pools: int
) -> MicroToken:
    """
    Size what one Phase 2 pool may ever emit.

    $$PhaseTwoMintAmount = (1 - FracPhaseOneTokens) * OpsFund$$

    Rounds down.

    Source: docs/papers/bme.md#phase-2-emissions; one pool for the platform, or one for
    each project.

    >>> phase2_mint_amount(MicroToken(2_000_000_000000), Wad(6 * WAD // 10), 1)
    800000000000
    """
    # {uTok} = {uTok} * {1} / ({1} * {1})
    return MicroToken(
        mul_div(token_reserve, WAD - phase1_fraction, WAD * pools, Rounding.FLOOR)
    )


def job_reward(
    job_price: MicroUsd, token_price: Wad, job_reward_modulation: Wad
) -> MicroToken:
    """
    Count the reward points of a job: a fraction of its price, in tokens.

    $$JobReward[j] = (JobPrice[i] / PriceOfToken[t]) / JobRewardModulation$$

    Rounds down. Points move the emission along its curve; they are not paid themselves.

    Source: docs/papers/bme.md#phase-2-job-rewards.

    A $54.00 job at $1.50 a token, a tenth of it:

    >>> job_reward(MicroUsd(54_000000), Wad(3 * WAD // 2), Wad(10 * WAD))
    3600000
    """
    assert token_price > 0
    # {uTok} = {uUSD} * {1} * {1} / ({uUSD/uTok} * {1})
    return MicroToken(
        mul_div(
            job_price, WAD * WAD, token_price * job_reward_modulation, Rounding.FLOOR
        )
    )


def theta_step(
    income: MicroUsd,
    token_price: Wad,
    job_reward_modulation: Wad,
    phase2_modulation: Wad,
    mint_amount: MicroToken,
) -> Wad:
    r"""
    Find how far a day's validated jobs move the emission along its curve.

    $$\theta_j = \theta_{j-1} + Phase2Modulation * JobReward[j] / PhaseTwoMintAmount$$

    Rounds down. Takes the sum of the day's job prices, which settle at one price: it
    cannot matter how they are cut into jobs.

    Source: docs/papers/bme.md#phase-2-emissions; the paper's own formula is lost, see
    docs/readings.md#emission for why it must be this one.

    $150,000 of jobs at $1.50, a tenth of it, against 10,000 tokens to mint:

    >>> theta_step(
    ...     MicroUsd(150_000_000000), Wad(3 * WAD // 2), Wad(10 * WAD), WAD,
    ...     MicroToken(10_000_000000),
    ... ) / WAD
    1.0
    """
    assert token_price > 0
    assert mint_amount > 0
    # {1} = {uUSD} * {1} * {1} * {1} / ({uUSD/uTok} * {1} * {uTok})
    denominator = token_price * job_reward_modulation * mint_amount
    return Wad(
        mul_div(income * phase2_modulation, WAD * WAD, denominator, Rounding.FLOOR)
    )


def phase2_minted(mint_amount: MicroToken, theta: Wad) -> MicroToken:
    r"""
    Find how much of a Phase 2 pool has been emitted at a point of its curve.

    $$minted = M (1 - e^{-\theta})$$

    The cumulative curve is rounded down, not each reward: a reward is the difference of
    two points. Never more than the pool, and within one micro-token of the truth for
    pools up to a billion tokens.

    Source: docs/papers/bme.md#phase-2-emissions, where `mint_amount` is
    _PhaseTwoMintAmount_.

    Of 10,000 tokens, after 0, 1 and 10 time constants:

    >>> [phase2_minted(MicroToken(10_000_000000), Wad(n * WAD)) for n in (0, 1, 10)]
    [0, 6321205588, 9999546000]
    """
    assert theta >= 0
    # {uTok} = {uTok} * {1} / {1}
    return MicroToken(
        mul_div(mint_amount, WAD - exp_wad(Wad(-theta)), WAD, Rounding.FLOOR)
    )


def vested(
    fund: MicroToken, day: int, vesting_cliff_days: int, vesting_days: int
) -> MicroToken:
    """
    Find how much of a fund has vested by the end of a day, in a line after a cliff.

    Days count from zero. Rounds down.

    Source: docs/papers/bme.md#token-funds, which gives the funds and no schedule; see
    docs/readings.md#token-allocation-and-supply.

    A hundred units, five days of cliff, ten days of vesting:

    >>> [vested(MicroToken(100), day, 5, 10) for day in (4, 5, 9, 14, 99)]
    [0, 10, 50, 100, 100]
    """
    assert vesting_days > 0
    days = min(max(day + 1 - vesting_cliff_days, 0), vesting_days)
    # {uTok} = {uTok} * {day} / {day}
    return MicroToken(mul_div(fund, days, vesting_days, Rounding.FLOOR))
