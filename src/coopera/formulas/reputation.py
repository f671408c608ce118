"""
Who gets the next job.

Follows "Supplier Reputation" of the [burn-and-mint paper][bme].

[bme]: ../../docs/papers/bme.md#supplier-reputation
"""

from coopera.units import WAD, Rounding, Wad, mul_div


def supplier_reputation(
    validated: int, completed: int, prior_validated: int, prior_failed: int
) -> Wad:
    r"""
    Rate a supplier by the share of its last jobs that passed validation.

    $$SupplierReputation_j[k] = \frac{\sum_{j-W}^j NumberOfJobsValidated_j[k]}
    {\sum_{j-W}^j NumberOfJobsCompleted_j[k]}$$

    Rounds down. The priors stand for jobs that a newcomer has not done yet: with one of
    each it starts at one half, neither last (and never hired) nor first (and worth
    registering anew for). With none, the paper's own ratio, zero before the first job.

    Source: docs/papers/bme.md#supplier-reputation; see docs/readings.md#suppliers.

    A newcomer, and 18 validated of the last 18:

    >>> [supplier_reputation(n, n, 1, 1) / WAD for n in (0, 18)]
    [0.5, 0.95]
    """
    assert 0 <= validated <= completed
    total = completed + prior_validated + prior_failed
    if total == 0:
        return Wad(0)
    # {1} = {1} * {1} / {1}
    return Wad(mul_div(validated + prior_validated, WAD, total, Rounding.FLOOR))
