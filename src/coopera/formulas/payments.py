"""
How a day's income is divided before anybody is paid.

Follows "Consumer Payments", "Supplier Payments" and "Validator Payments" of the
[burn-and-mint paper][bme].

[bme]: ../../docs/papers/bme.md#consumer-payments
"""

from coopera.units import WAD, MicroToken, MicroUsd, Rounding, Wad, mul_div


def operations_income(income: MicroUsd, operations_fraction: Wad) -> MicroUsd:
    """
    Withhold the part of the income that runs the network.

    $$OperationsIncome[t] = FiatOperationsFraction * Income[t]$$

    Rounds up: the network collects. What is left is the net income, which is split
    between buy-backs and dollars.

    Source: docs/papers/bme.md#total-income, where `operations_fraction` is _Fiat
    Operations Fraction_.

    >>> operations_income(MicroUsd(100_000000), Wad(3 * WAD // 10))
    30000000
    """
    assert 0 <= operations_fraction <= WAD
    # {uUSD} = {uUSD} * {1} / {1}
    return MicroUsd(mul_div(income, operations_fraction, WAD, Rounding.CEIL))


def operations_spending(operations_income: MicroUsd, spend_fraction: Wad) -> MicroUsd:
    """
    Spend a part of the day's operations income on running the network.

    Rounds down: the network pays. The paper reserves this income "to finance and
    upgrade" and says no more; with a fraction of one the dollar reserve stays level.

    Source: docs/papers/bme.md#total-income; a reading, see
    docs/readings.md#payments.

    >>> operations_spending(MicroUsd(30_000000), Wad(WAD // 2))
    15000000
    """
    assert 0 <= spend_fraction <= WAD
    # {uUSD} = {uUSD} * {1} / {1}
    return MicroUsd(mul_div(operations_income, spend_fraction, WAD, Rounding.FLOOR))


def buyback_capital(net_income: MicroUsd, buyback_rate: Wad) -> MicroUsd:
    """
    Set aside the dollars that buy tokens for the suppliers.

    $$USDBuybackCapital[t] = BuybackModulation * Income[t]$$

    Rounds down; the remainder is paid to suppliers in dollars, as the dollar part is
    the net income less this. A rate of one pays suppliers in tokens alone.

    Source: docs/papers/bme.md#consumer-payments, where `buyback_rate` is
    _BuybackModulation_.

    >>> buyback_capital(MicroUsd(70_000000), Wad(WAD // 2))
    35000000
    """
    assert 0 <= buyback_rate <= WAD
    # {uUSD} = {uUSD} * {1} / {1}
    return MicroUsd(mul_div(net_income, buyback_rate, WAD, Rounding.FLOOR))


def validations_completed(
    jobs: int, validation_rate: Wad, validators_per_job: int
) -> int:
    r"""
    Count the verdicts that a day's jobs call for.

    Rounds down to whole verdicts.

    Source: docs/papers/bme.md#validator-payments, where it is
    $\sum_v ValidationsCompleted[v]$.

    Half of 7 jobs audited, by three validators each:

    >>> validations_completed(7, Wad(WAD // 2), 3)
    10
    """
    assert 0 <= validation_rate <= WAD
    # {1} = {1} * {1} / {1}
    return mul_div(jobs * validators_per_job, validation_rate, WAD, Rounding.FLOOR)


def validator_pay(validations: int, validator_reward: MicroToken) -> MicroToken:
    r"""
    Pay validators for the verdicts that agreed with the outcome.

    $$ValidatorTokensPaid[t] = ValidationModulator * \sum_v ValidationsCompleted[v]$$

    Exact: no division.

    Source: docs/papers/bme.md#validator-payments, where `validator_reward` is
    _ValidationModulator_, in tokens a verdict.

    >>> validator_pay(10, MicroToken(50000))
    500000
    """
    assert validations >= 0
    assert validator_reward >= 0
    return MicroToken(validations * validator_reward)


def verdict_reward(
    job_price: MicroUsd, reward_rate: Wad, token_price: Wad, reward: MicroToken
) -> MicroToken:
    """
    Find what a validator earns by a verdict that agrees with the outcome.

    $$Reward = ValidationModulator + RewardRate * JobPrice[i] / PriceOfToken[t]$$

    It grows with the work, as the cost of looking at it does. Rounds down: the network
    pays.

    Source: docs/readings.md#validators-who-do-not-look.

    0.02 tokens, and a fiftieth of $54.00 at $1.50:

    >>> rate, price = Wad(WAD // 50), Wad(3 * WAD // 2)
    >>> verdict_reward(MicroUsd(54_000000), rate, price, MicroToken(20000))
    740000
    """
    assert reward >= 0 <= reward_rate
    assert token_price > 0
    # {uTok} = {uUSD} * {1} / {uUSD/uTok}
    part = mul_div(job_price, reward_rate, token_price, Rounding.FLOOR)
    return MicroToken(reward + part)


def verdict_rewards(
    job_value: MicroUsd,
    reward_rate: Wad,
    validation_rate: Wad,
    validators_per_job: int,
    token_price: Wad,
) -> MicroToken:
    """
    Find what grows with the work of all that validators earn in a day.

    $$RewardRate * ValidationRate * Validators * JobValue[t] / PriceOfToken[t]$$

    Rounds down: the network pays.

    Source: docs/readings.md#validators-who-do-not-look.

    A fiftieth of $5,400 for each of three verdicts on half of the jobs, at $1.50:

    >>> half, price = Wad(WAD // 2), Wad(3 * WAD // 2)
    >>> verdict_rewards(MicroUsd(5400_000000), Wad(WAD // 50), half, 3, price)
    108000000
    """
    assert reward_rate >= 0 <= validators_per_job
    assert 0 <= validation_rate <= WAD
    # {uTok} = {uUSD} * {1} * {1} * {1} / ({1} * {uUSD/uTok})
    return MicroToken(
        mul_div(
            job_value * validators_per_job * validation_rate,
            reward_rate,
            WAD * token_price,
            Rounding.FLOOR,
        )
    )
