"""
The price of becoming a supplier.

Follows "Supplier Onboarding Fee" of the [burn-and-mint paper][bme].

[bme]: ../../docs/papers/bme.md#supplier-onboarding-fee
"""

from coopera.units import WAD, MicroToken, MicroUsd, Rounding, Wad, mul_div


def onboarding_fee_usd(
    window_income: MicroUsd, suppliers: int, onboarding_rate: Wad
) -> MicroUsd:
    r"""
    Size the onboarding fee in dollars: a fraction of what a supplier earned on average.

    $$OnboardingModulation * \frac{\sum_{t-W}^t PlatformIncome[t]}
    {\sum_{t-W}^t Suppliers[k]}$$

    Rounds up: the network collects. `suppliers` counts those that were active at any
    time of the window, each once; with none the fee is zero.

    Source: docs/papers/bme.md#supplier-onboarding-fee, where `onboarding_rate` is
    _OnboardingModulation_; see docs/readings.md#suppliers.

    A tenth of $50,000 over 100 suppliers:

    >>> onboarding_fee_usd(MicroUsd(50_000_000000), 100, Wad(WAD // 10))
    50000000
    """
    assert suppliers >= 0
    if suppliers == 0:
        return MicroUsd(0)
    # {uUSD} = {uUSD} * {1} / ({1} * {1})
    return MicroUsd(
        mul_div(window_income, onboarding_rate, WAD * suppliers, Rounding.CEIL)
    )


def onboarding_fee(
    fee_usd: MicroUsd, token_price: Wad, min_onboarding_fee: MicroToken
) -> MicroToken:
    """
    Turn the onboarding fee into the tokens that the supplier buys and hands over.

    $$SupplierOnboardingFee_k[t] = (...) / PriceOfToken[t]$$

    Rounds up: the network collects. Never under the minimum.

    Source: docs/papers/bme.md#supplier-onboarding-fee.

    >>> onboarding_fee(MicroUsd(50_000000), Wad(5 * WAD // 2), MicroToken(0))
    20000000
    """
    assert token_price > 0
    # {uTok} = {uUSD} * {1} / {uUSD/uTok}
    fee = mul_div(fee_usd, WAD, token_price, Rounding.CEIL)
    return MicroToken(max(min_onboarding_fee, fee))
