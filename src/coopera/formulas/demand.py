"""
What consumers ask for, and what it brings in.

Follows "Consumer Demand" and "Total Income" of the [burn-and-mint paper][bme].

[bme]: ../../docs/papers/bme.md#consumer-demand
"""

from coopera.units import WAD, MicroUsd, Rounding, Wad, mul_div


def job_price(unit_price: MicroUsd, units: Wad, incentive: MicroUsd) -> MicroUsd:
    """
    Price one job: what its units cost, and what the consumer adds to be served first.

    $$JobPrice[i] = Price[i] * Quantity[i] + Incentive[i]$$

    Rounds up: the network collects.

    Source: docs/papers/bme.md#consumer-demand, where the three arguments are the
    entries of the price, quantity and incentive vectors. `units` is a fixed-point
    number, since hours come in fractions.

    Three hours of a TPU at $18.00, with a dollar on top:

    >>> job_price(MicroUsd(18_000000), Wad(3 * WAD), MicroUsd(1_000000))
    55000000
    """
    assert incentive >= 0
    # {uUSD} = {uUSD/unit} * {unit} / {1}
    return MicroUsd(mul_div(unit_price, units, WAD, Rounding.CEIL) + incentive)


def cancellation_fee(
    job_price: MicroUsd, unit_price: MicroUsd, rate: Wad, least: MicroUsd
) -> MicroUsd:
    """
    Find what a consumer pays who cancels a job that a supplier was found for.

    $$Part = CancellationRate * max(JobPrice[i], UnitPrice[i])$$
    $$Fee = max(Part, min(JobPrice[i], Least))$$

    A part of the price, and of a whole unit for less than one: little orders keep as
    large a slot. Nor is the fee less than a small sum, which a job may not be worth.

    Rounds up: the network collects.

    Source: docs/readings.md#jobs.

    A hundredth of $54.00, of $0.54 and of $0.05, if $0.20 is the least:

    >>> rules = Wad(WAD // 100), MicroUsd(200000)
    >>> cancellation_fee(MicroUsd(54_000000), MicroUsd(540000), *rules)
    540000
    >>> cancellation_fee(MicroUsd(540000), MicroUsd(540000), *rules)
    200000
    >>> cancellation_fee(MicroUsd(50000), MicroUsd(50000), *rules)
    50000
    """
    assert 0 <= rate <= WAD
    assert least >= 0
    # {uUSD} = {uUSD} * {1} / {1}
    part = mul_div(max(job_price, unit_price), rate, WAD, Rounding.CEIL)
    return MicroUsd(max(part, min(job_price, least)))


def revenue(jobs: int, job_price: MicroUsd) -> MicroUsd:
    """
    Add up what the jobs of one service brought in.

    $$JobCreated_t[i] * JobPrice_t[i]$$

    Exact: no division. The total income of a day is the sum over all services.

    Source: docs/papers/bme.md#total-income.

    >>> revenue(200, MicroUsd(54_000000))
    10800000000
    """
    assert jobs >= 0
    assert job_price >= 0
    return MicroUsd(jobs * job_price)


def service_demand(revenue: MicroUsd, share: Wad) -> MicroUsd:
    r"""
    Find the part of a pipeline's revenue that one kind of supplier earned.

    $$USDDemandForService[k] = \sum_i NumConsumer[i] * PriceMatrix[i, k]$$

    Rounds down. A whole row is split by `largest_remainder` of the chapter allocation,
    which hands the remainders out, so that the kinds add up to the income.

    Source: docs/papers/bme.md#total-income, where `share` is _PriceMatrix[i, k]_.

    The trainer's 85 % of an $84 pipeline:

    >>> service_demand(MicroUsd(84_000000), Wad(85 * WAD // 100))
    71400000
    """
    assert 0 <= share <= WAD
    # {uUSD} = {uUSD} * {1} / {1}
    return MicroUsd(mul_div(revenue, share, WAD, Rounding.FLOOR))
