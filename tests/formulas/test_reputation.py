"""Reputation is the share of validated jobs, with a prior for who has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.reputation import supplier_rank, supplier_reputation
from coopera.units import WAD

jobs = st.integers(0, 1024)


@given(jobs, jobs, jobs, jobs)
def test_reputation_is_a_share(one, other, good, bad):
    validated, completed = sorted((one, other))

    assert 0 <= supplier_reputation(validated, completed, good, bad) <= WAD


@given(st.integers(0, 1023), st.integers(0, 1023), jobs, jobs)
def test_validated_job_never_hurts_and_failed_job_never_helps(one, other, good, bad):
    validated, completed = sorted((one, other))
    before = supplier_reputation(validated, completed, good, bad)

    if completed or good or bad:
        assert supplier_reputation(validated + 1, completed + 1, good, bad) >= before
    assert supplier_reputation(validated, completed + 1, good, bad) <= before


@given(jobs, jobs, jobs, jobs, st.integers(1024, 2**36), st.integers(1024, 2**36))
def test_better_reputation_comes_first_whatever_the_service(
    one, other, another, last, service, longer
):
    validated, completed = sorted((one, other))
    rival_validated, rival_completed = sorted((another, last))
    mine = supplier_rank(validated, completed, service, 1, 1)
    theirs = supplier_rank(rival_validated, rival_completed, longer, 1, 1)

    assert 0 <= mine < 2**63
    if (validated + 1) * (rival_completed + 2) > (rival_validated + 1) * (
        completed + 2
    ):
        assert mine > theirs


def test_rank_tells_any_two_reputations_apart():
    ranks: dict[int, tuple[int, int]] = {}
    for completed in range(1025):
        for validated in range(completed + 1):
            ratio = validated + 1, completed + 2
            seen = ranks.setdefault(
                supplier_rank(validated, completed, 1024, 1, 1), ratio
            )
            assert seen[0] * ratio[1] == ratio[0] * seen[1], (seen, ratio)


def test_equal_reputations_are_told_apart_by_service():
    assert supplier_rank(5, 10, 11, 0, 0) > supplier_rank(1, 2, 10, 0, 0)


@pytest.mark.parametrize("completed", range(1, 21))
def test_newcomer_stands_between_who_always_failed_and_who_never_did(completed):
    newcomer = supplier_reputation(0, 0, 1, 1)

    assert supplier_reputation(0, completed, 1, 1) < newcomer
    assert supplier_reputation(completed, completed, 1, 1) > newcomer


@pytest.mark.parametrize(
    ("validated", "completed", "rating"),
    [(0, 0, 0), (3, 4, 3 * WAD // 4), (1, 3, WAD // 3), (20, 20, WAD)],
)
def test_without_priors_it_is_the_paper_own_ratio(validated, completed, rating):
    assert supplier_reputation(validated, completed, 0, 0) == rating
