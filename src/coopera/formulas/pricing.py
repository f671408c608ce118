"""
What the token is worth, from what the network itself asks of it.

Follows "Token Demand" and "Token Price" of the [burn-and-mint paper][bme].

[bme]: ../../docs/papers/bme.md#token-demand
"""

from coopera.units import WAD, MicroToken, MicroUsd, Rounding, Wad, mul_div


def token_demand(
    sentiment: MicroUsd,
    onboarding_fees: MicroUsd,
    bonds: MicroUsd,
    buyback_capital: MicroUsd,
    governance_value: MicroUsd,
) -> MicroUsd:
    r"""
    Add up the dollars that ask for tokens in one day.

    $$Demand[t] = ConsumerSentiment[t] + \sum_k SupplierOnboardingFees[k]
    + \sum_k SupplierBondPurchases[k] + USDBuybackCapital[t] + GovernanceValue[t]$$

    Exact: no division. Fees and bonds enter by their dollar value, so that every term
    has one unit. `bonds` is negative on a day that gives more back than it locks; the
    sum is never below zero.

    Source: docs/papers/bme.md#token-demand.

    >>> token_demand(*map(MicroUsd, (10, 2, -1, 35, 0)))
    46
    """
    total = sentiment + onboarding_fees + bonds + buyback_capital + governance_value
    return MicroUsd(max(0, total))


def token_price(
    demand: MicroUsd, supply: MicroToken, velocity_per_day: Wad, price_floor: Wad
) -> Wad:
    """
    Price the token: a day's demand over the tokens that change hands in a day.

    $$PriceOfToken[t] = Demand[t] / Supply[t]$$

    The paper divides a daily flow by a stock, which is a velocity of one turnover a
    day; `velocity_per_day` makes it a parameter. Rounds down. Never under the floor,
    which also stands where there is no supply.

    Source: docs/papers/bme.md#token-price; see docs/readings.md#token-price.

    $31,000 a day against 1,000,000 tokens that turn over once in a hundred days:

    >>> token_price(
    ...     MicroUsd(31_000_000000), MicroToken(1_000_000_000000), Wad(WAD // 100), WAD
    ... ) / WAD
    3.1
    """
    assert price_floor > 0
    assert velocity_per_day > 0
    if supply == 0:
        return price_floor
    # {uUSD/uTok} = {uUSD/day} * {1} * {1} / ({uTok} * {1/day})
    price = mul_div(demand, WAD * WAD, supply * velocity_per_day, Rounding.FLOOR)
    return Wad(max(price_floor, price))


def bounded_price(price: Wad, last: Wad, change_max: Wad) -> Wad:
    r"""
    Keep a price near the last one: one day's demand alone cannot throw it anywhere.

    $$Last (1 - Change) \leq Price \leq Last (1 + Change)$$

    Rounds to the side of the last price. No bound where `change_max` is zero.

    Source: docs/readings.md#token-price.

    Asked for at most a tenth, from $2.00:

    >>> tenth = Wad(WAD // 10)
    >>> bounded_price(Wad(WAD // 10000), Wad(2 * WAD), tenth) / WAD
    1.8
    """
    assert last > 0 <= change_max
    if change_max == 0:
        return price
    # {USD/token} = {USD/token} * {1} / {1}
    change = mul_div(last, change_max, WAD, Rounding.FLOOR)
    return Wad(min(max(price, last - change), last + change))
