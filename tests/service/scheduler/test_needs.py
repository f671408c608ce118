"""Ranks and thresholds are exact, whatever is asked for."""

import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coopera.service.scheduler.needs import Need, Offer, Ranking, history, least_rank
from coopera.units import WAD

FACTS: dict[str, Any] = {
    "id": "h100",
    "serial": 7,
    "owner": "supplier:ann",
    "kind": "gpu",
    "device": "h100",
    "count": 1,
    "memory_gib": 80,
    "region": "eu",
    "latency_ms": 40,
    "models": ("llama",),
    "price": 900,
    "slots": 1,
}


@st.composite
def jobs(draw):
    """Draw a ranking, jobs in its window, and a reputation next to one of its own."""
    ranking = Ranking(
        draw(st.sampled_from([1, 20, 1024])),
        draw(st.sampled_from([0, 1, 1024])),
        draw(st.sampled_from([0, 1, 1024])),
    )
    completed = draw(st.integers(0, ranking.window))
    validated = draw(st.integers(0, completed))
    offer = Offer(**FACTS, validated=validated, completed=completed, total=completed)
    weight = draw(st.integers(1, ranking.weight_max))
    asked = draw(st.integers(0, weight)) * WAD // weight + draw(st.integers(-1, 1))
    return ranking, offer, min(max(asked, 0), WAD)


@given(jobs())
def test_rank_is_no_less_than_the_least_exactly_if_the_reputation_is(drawn):
    ranking, offer, asked = drawn
    least = least_rank(asked, ranking.weight_max)
    assert (ranking.rank(offer) >= least) == (ranking.reputation(offer) >= asked)


@given(st.integers(1, 1024), st.integers(-1, 1))
@example(1024, 0)
def test_threshold_at_a_ratio_lets_that_ratio_in(completed, off):
    ranking = Ranking(1024, 1024, 1024)
    offer = Offer(
        **FACTS, validated=completed // 2, completed=completed, total=completed
    )
    asked = ranking.reputation(offer) + off
    assert (ranking.rank(offer) >= least_rank(asked, ranking.weight_max)) == (off <= 0)


def test_without_history_the_failed_jobs_are_the_last_ones():
    assert history(Offer(**FACTS, validated=2, completed=5, total=9)) == 0b11000


@pytest.mark.parametrize(
    "spoilt",
    [
        {"validated": 1},
        {"completed": 1},
        {"validated": 1, "completed": 1, "total": 1, "outcomes": 0},
        {"completed": 1, "total": 1, "outcomes": 0b10},
        {"completed": 1025, "total": 1025},
        {"serial": -1},
        {"price": 10**15 + 1},
        {"memory_gib": 2**31},
        {"slots": -1},
        {"models": ("llama", "")},
        {"total": 2**38},
    ],
)
def test_offer_that_no_index_could_hold_is_a_bug(spoilt):
    with pytest.raises(AssertionError):
        Offer(**{**FACTS, **spoilt})


@pytest.mark.parametrize(
    "spoilt",
    [
        {"count": -1},
        {"latency_ms": 2**31},
        {"price": 10**15 + 1},
        {"min_reputation": WAD + 1},
    ],
)
def test_need_that_nobody_could_have_is_a_bug(spoilt):
    with pytest.raises(AssertionError):
        Need("gpu", **spoilt)


def test_ranking_beyond_what_ranks_tell_apart_is_a_bug():
    with pytest.raises(AssertionError):
        Ranking(1024, 2048, 1025)


LOADED = """
import sys
import coopera.service.scheduler.reference
print([name for name in ("numba", "numpy") if name in sys.modules])
"""


def test_rule_needs_no_compiler():
    done = subprocess.run(  # noqa: S603 - our own program
        [sys.executable, "-c", LOADED], capture_output=True, text=True, check=True
    )
    assert done.stdout == "[]\n"
