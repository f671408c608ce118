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


def supplier_rank(
    validated: int,
    completed: int,
    total: int,
    prior_validated: int,
    prior_failed: int,
) -> int:
    r"""
    Rank a supplier in one whole number: reputation first, then all jobs ever completed.

    $$SupplierOrder = \sum_t NumberOfJobsCompleted[k]$$

    The reputation is kept to 24 binary digits, which tells any two ratios of a window
    of 1,024 jobs and priors of as many apart; equal ones are told apart by `total`. The
    rank fits 63 bits, so that every machine compares it exactly. Rounds down.

    Source: docs/papers/bme.md#supplier-reputation; what is left equal goes by id.

    The better reputation comes first, and among equals the longer service:

    >>> ranks = [supplier_rank(*jobs, 1, 1) for jobs in ((18, 18, 18), (18, 18, 500))]
    >>> supplier_rank(17, 18, 10**6, 1, 1) < ranks[0] < ranks[1]
    True
    """
    assert 0 <= validated <= completed <= total < 1 << 38
    window = completed + prior_validated + prior_failed
    # {1} = {1} * {1} / {1}
    numerator = validated + prior_validated
    ratio = mul_div(numerator, 1 << 24, window, Rounding.FLOOR) if window else 0
    return ratio << 38 | total
