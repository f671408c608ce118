"""Reputation is the share of validated jobs, with a prior for who has none."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from coopera.formulas.reputation import supplier_reputation
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
