"""
Bonds that suppliers post, and lose, for the jobs they accept.

Follows "Supplier Bonds" of the [burn-and-mint paper][bme].

[bme]: ../../docs/papers/bme.md#supplier-bonds
"""

from coopera.units import WAD, MicroToken, MicroUsd, Rounding, Wad, mul_div


def supplier_bond(job_price: MicroUsd, bond_rate: Wad, token_price: Wad) -> MicroToken:
    """
    Size the bond a supplier posts to accept one job.

    $$SupplierBond[k] = BondModulation * JobPrice[i] / PriceOfToken[t]$$

    Rounds up: the network collects, and a job with a price always has a bond.

    Source: docs/papers/bme.md#supplier-bonds, where `bond_rate` is _BondModulation_.

    A $54.00 job at a 10 % bond rate and a $1.50 token price:

    >>> supplier_bond(MicroUsd(54_000000), Wad(WAD // 10), Wad(3 * WAD // 2))
    3600000
    """
    assert bond_rate >= 0
    assert token_price > 0
    # {uTok} = {uUSD} * {1} / {uUSD/uTok}
    return MicroToken(mul_div(job_price, bond_rate, token_price, Rounding.CEIL))


def bond_value(job_price: MicroUsd, bond_rate: Wad) -> MicroUsd:
    """
    Size a bond in dollars, as it enters the demand for the token.

    Rounds up, as the bond does.

    Source: docs/papers/bme.md#token-demand, where it is _SupplierBondPurchases_.

    >>> bond_value(MicroUsd(54_000000), Wad(WAD // 10))
    5400000
    """
    # {uUSD} = {uUSD} * {1} / {1}
    return MicroUsd(mul_div(job_price, bond_rate, WAD, Rounding.CEIL))


def slashed_bond(
    bond: MicroToken, failed_value: MicroUsd, job_value: MicroUsd
) -> MicroToken:
    """
    Find the part of a bond that is lost with the jobs that failed validation.

    Rounds up: the network collects.

    Source: docs/papers/bme.md#supplier-bonds.

    A quarter of the work failed:

    >>> slashed_bond(MicroToken(4_000000), MicroUsd(25_000000), MicroUsd(100_000000))
    1000000
    """
    assert 0 <= failed_value <= job_value
    if failed_value == 0:
        return MicroToken(0)
    # {uTok} = {uTok} * {uUSD} / {uUSD}
    return MicroToken(mul_div(bond, failed_value, job_value, Rounding.CEIL))


def cheating_loss(detection: Wad, operations_fraction: Wad, bond_rate: Wad) -> Wad:
    """
    Find what a cheat loses on average, as a share of the job's price.

    $$q ((1 - FiatOperationsFraction) + BondModulation)$$

    Rounds down: what deters must not be overstated. Verification deters if this is at
    least the share of the price that cheating saves.

    Source: docs/readings.md#suppliers, from the pay and the bond that a rejected
    supplier forgoes.

    Caught every second time, 30 % to operations, a bond of half the price:

    >>> cheating_loss(Wad(WAD // 2), Wad(3 * WAD // 10), Wad(WAD // 2)) / WAD
    0.6
    """
    # {1} = {1} * {1} / {1}
    return Wad(
        mul_div(detection, WAD - operations_fraction + bond_rate, WAD, Rounding.FLOOR)
    )
