"""
Tokens bought back from the market, and what that leaves in supply and reserves.

Follows "Supplier Payments", "Reserve Buy-Backs", "Token Supply Recurrence" and the two
reserves of the [burn-and-mint paper][bme].

[bme]: ../../docs/papers/bme.md#supplier-payments
"""

from coopera.units import WAD, MicroToken, MicroUsd, Rounding, Wad, mul_div


def premium_impact(token_price: Wad, price_premium: Wad) -> Wad:
    r"""
    Price the incentive to sell as a fraction of the token price.

    $$\Delta PriceOfToken[t] = Premium * PriceOfToken[t]$$

    Rounds down: the network pays.

    Source: docs/papers/bme.md#supplier-payments, where it is _DeltaPriceOfToken_; the
    paper leaves its size open, see docs/readings.md#buy-backs.

    >>> premium_impact(Wad(3 * WAD // 2), Wad(WAD // 100))
    15000000000000000
    """
    # {uUSD/uTok} = {uUSD/uTok} * {1} / {1}
    return Wad(mul_div(token_price, price_premium, WAD, Rounding.FLOOR))


def amm_impact(token_price: Wad, capital: MicroUsd, depth: MicroUsd) -> Wad:
    r"""
    Price the slippage of a purchase from a constant-product pool.

    $$\Delta PriceOfToken[t] = PriceOfToken[t] * b / R$$

    Spending `b` dollars against a pool that holds `R` of them pays exactly
    `P (1 + b/R)` a token. Rounds down: the network pays.

    Source: docs/papers/bme.md#supplier-payments, where it is _DeltaPriceOfToken_; see
    docs/readings.md#buy-backs.

    >>> amm_impact(WAD, MicroUsd(10_000000), MicroUsd(1000_000000))
    10000000000000000
    """
    # {uUSD/uTok} = {uUSD/uTok} * {uUSD} / {uUSD}
    return Wad(mul_div(token_price, capital, depth, Rounding.FLOOR))


def tokens_bought(capital: MicroUsd, token_price: Wad, price_impact: Wad) -> MicroToken:
    r"""
    Convert dollars into the tokens that they buy on the market.

    $$BuyBacksUSD[t] / (PriceOfToken[t] + \Delta PriceOfToken[t])$$

    Rounds down: the seller keeps the remainder.

    Source: docs/papers/bme.md#supplier-payments.

    $35 at $1.40 a token, premium included:

    >>> tokens_bought(MicroUsd(35_000000), Wad(139 * WAD // 100), Wad(WAD // 100))
    25000000
    """
    assert token_price > 0
    # {uTok} = {uUSD} * {1} / {uUSD/uTok}
    return MicroToken(mul_div(capital, WAD, token_price + price_impact, Rounding.FLOOR))


def purchase_cost(tokens: MicroToken, token_price: Wad, price_impact: Wad) -> MicroUsd:
    """
    Price a purchase of so many tokens.

    Rounds up: who buys covers the remainder.

    Source: docs/papers/bme.md#supplier-payments, solved for _BuyBacksUSD_; used where
    fewer tokens could be bought than there were dollars for.

    >>> purchase_cost(MicroToken(25_000000), Wad(139 * WAD // 100), Wad(WAD // 100))
    35000000
    """
    # {uUSD} = {uTok} * {uUSD/uTok} / {1}
    return MicroUsd(mul_div(tokens, token_price + price_impact, WAD, Rounding.CEIL))


def amm_cost(tokens: MicroToken, token_price: Wad, depth: MicroUsd) -> MicroUsd:
    """
    Price a purchase of so many tokens from a constant-product pool.

    $$n P R / (R - n P)$$

    The `b` for which `b / (P (1 + b/R))` is `n`. Rounds up: who buys covers the
    remainder. The pool must hold more dollars than the tokens are worth.

    Source: docs/papers/bme.md#supplier-payments; see docs/readings.md#premium-or-pool.

    A pool of $1,000, and 10 tokens of $1:

    >>> amm_cost(MicroToken(10_000000), WAD, MicroUsd(1000_000000))
    10101011
    """
    worth = tokens * token_price
    assert worth < depth * WAD
    # {uUSD} = {uTok} * {uUSD/uTok} * {uUSD} / {uUSD}
    return MicroUsd(mul_div(worth, depth, depth * WAD - worth, Rounding.CEIL))


def tokens_burned(bought: MicroToken, burn_fraction: Wad) -> MicroToken:
    """
    Find the part of the tokens bought that is destroyed instead of reused.

    Rounds down. Zero in the paper, whose burn is a return to the reserve.

    Source: docs/papers/bme.md#token-reserve; see
    docs/readings.md#mint-is-release-burn-is-return.

    >>> tokens_burned(MicroToken(25_000000), Wad(WAD // 5))
    5000000
    """
    assert 0 <= burn_fraction <= WAD
    # {uTok} = {uTok} * {1} / {1}
    return MicroToken(mul_div(bought, burn_fraction, WAD, Rounding.FLOOR))


def reserve_level(initial_reserve: MicroToken, fraction: Wad) -> MicroToken:
    """
    Turn a fraction of the initial token reserve into an amount.

    $$LowerTokenReserveLimit * TokenReserve[0]$$

    Rounds down.

    Source: docs/papers/bme.md#reserve-buy-backs, where the reserve is bought back up to
    20 % of itself once it has fallen to 10 %; both are read as fractions of the initial
    reserve, see docs/readings.md#buy-backs.

    >>> reserve_level(MicroToken(2_000_000_000000), Wad(WAD // 10))
    200000000000
    """
    # {uTok} = {uTok} * {1} / {1}
    return MicroToken(mul_div(initial_reserve, fraction, WAD, Rounding.FLOOR))


def supply_after(
    supply: MicroToken, tokens_paid: MicroToken, bought: MicroToken
) -> MicroToken:
    r"""
    Carry the supply over to the next day.

    $$Supply[t+1] = Supply[t] + TokensPaid[t]
    - BuyBacksUSD[t] / (PriceOfToken[t] + \Delta PriceOfToken[t])$$

    Exact: no division.

    Source: docs/papers/bme.md#token-supply-recurrence.

    >>> supply_after(MicroToken(1000), MicroToken(60), MicroToken(50))
    1010
    """
    assert bought <= supply + tokens_paid
    return MicroToken(supply + tokens_paid - bought)


def token_reserve_after(
    token_reserve: MicroToken, tokens_paid: MicroToken, bought: MicroToken
) -> MicroToken:
    r"""
    Carry the token reserve over to the next day: what left the supply came here.

    $$TokenReserve[t+1] = TokenReserve[t] - TokensPaid[t]
    + BuyBacksUSD[t] / (PriceOfToken[t] + \Delta PriceOfToken[t])$$

    Exact: no division.

    Source: docs/papers/bme.md#token-reserve.

    >>> token_reserve_after(MicroToken(1000), MicroToken(60), MicroToken(50))
    990
    """
    assert tokens_paid <= token_reserve + bought
    return MicroToken(token_reserve + bought - tokens_paid)


def dollar_reserve_after(
    dollar_reserve: MicroUsd, income: MicroUsd, buybacks: MicroUsd, paid_out: MicroUsd
) -> MicroUsd:
    """
    Carry the dollar reserve over to the next day.

    $$DollarReserve[t+1] = DollarReserve[t] + Income[t] - BuyBacksUSD[t]
    - USDCapital[t]$$

    Exact: no division. The paper prints it without the last term, which is what
    `paid_out` of zero gives.

    Source: docs/papers/bme.md#dollar-reserve; see docs/readings.md#payments.

    >>> dollar_reserve_after(*map(MicroUsd, (1000, 100, 35, 35)))
    1030
    """
    assert buybacks + paid_out <= dollar_reserve + income
    return MicroUsd(dollar_reserve + income - buybacks - paid_out)
