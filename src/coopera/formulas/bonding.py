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


def late_bond(bond: MicroToken, late_rate: Wad) -> MicroToken:
    """
    Find the part of a bond that is lost with a job that was accepted and not delivered.

    $$LateBond = LateRate * SupplierBond[k]$$

    Rounds up: the network collects.

    Source: docs/readings.md#bonds.

    A tenth of 3.6 tokens:

    >>> late_bond(MicroToken(3_600000), Wad(WAD // 10))
    360000
    """
    assert 0 <= late_rate <= WAD
    # {uTok} = {uTok} * {1} / {1}
    return MicroToken(mul_div(bond, late_rate, WAD, Rounding.CEIL))


def verdict_bond(
    job_price: MicroUsd, bond_rate: Wad, token_price: Wad, least: MicroToken
) -> MicroToken:
    r"""
    Size what a validator loses of its stake by a verdict that is wrong or missing.

    $$VerdictBond = \max(Least, BondRate * JobPrice[i] / PriceOfToken[t])$$

    It grows with the work, since not looking saves the more the more is to be looked
    at. Rounds up: the network collects.

    Source: docs/readings.md#validators-who-do-not-look.

    Work for $54.00 at half its price and $1.50 for a token, and work without a price:

    >>> at = Wad(WAD // 2), Wad(3 * WAD // 2), MicroToken(500000)
    >>> verdict_bond(MicroUsd(54_000000), *at), verdict_bond(MicroUsd(0), *at)
    (18000000, 500000)
    """
    assert least >= 0
    # {uTok} = {uUSD} * {1} / {uUSD/uTok}
    return MicroToken(max(least, supplier_bond(job_price, bond_rate, token_price)))


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


def bond_worth(bond: MicroToken, token_price: Wad) -> MicroUsd:
    """
    Find what a lost bond is worth in dollars, to make good what was lost.

    Rounds down: the network pays.

    Source: docs/papers/bme.md#supplier-bonds, of which the consumer gets nothing there;
    see docs/readings.md#bonds.

    3.6 tokens at $1.50:

    >>> bond_worth(MicroToken(3_600000), Wad(3 * WAD // 2))
    5400000
    """
    # {uUSD} = {uTok} * {uUSD/uTok} / {1}
    return MicroUsd(mul_div(bond, token_price, WAD, Rounding.FLOOR))


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
