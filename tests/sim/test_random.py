"""The random numbers are normal, and belong to a seed and a world alone."""

from statistics import NormalDist

import numpy as np
import pytest
from numba import njit

from coopera.sim.layout import LANES
from coopera.sim.random import draw_normals, mix, normal, start_streams

INPUTS = 2**23
"""Uniforms that a normal is made of."""

MASK = 2**32 - 1
GOLDEN = 0x9E3779B97F4A7C15


@njit
def _normals_of_all_inputs(out):
    for i in range(out.size):
        out[i] = normal(np.uint32(i << 9))


@pytest.fixture(scope="module")
def possible():
    """Every normal that there is, in the order of its uniform."""
    out = np.empty(INPUTS, np.float32)
    _normals_of_all_inputs(out)
    return out


def draws(seed: int, worlds: list[int], count: int) -> np.ndarray:
    """Draw for a block of worlds, (draws, worlds)."""
    streams = np.empty(4 * LANES, np.uint32)
    for lane in range(LANES):
        start_streams(streams, seed, worlds[min(lane, len(worlds) - 1)], lane)
    normals = np.empty(count * LANES, np.float32)
    draw_normals(streams, normals, count)
    return normals.reshape(count, LANES)[:, : len(worlds)]


def published_stream(seed: int, world: int, count: int) -> list[int]:
    """Run xoshiro128++ as its authors wrote it, from the state of a world."""

    def mixed(x: int) -> int:
        x = (x ^ x >> 30) * 0xBF58476D1CE4E5B9 % 2**64
        x = (x ^ x >> 27) * 0x94D049BB133111EB % 2**64
        return x ^ x >> 31

    def turned(x: int, k: int) -> int:
        return (x << k | x >> 32 - k) & MASK

    key = mixed(mixed((seed + GOLDEN) % 2**64) ^ world * GOLDEN % 2**64)
    other = mixed((key + GOLDEN) % 2**64)
    s = [key & MASK, key >> 32, other & MASK, other >> 32 | 1]
    numbers = []
    for _ in range(count):
        numbers.append((turned(s[0] + s[3] & MASK, 7) + s[0]) & MASK)
        shifted = s[1] << 9 & MASK
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= shifted
        s[3] = turned(s[3], 11)
    return numbers


# The distribution, over all inputs


def test_every_normal_is_finite_and_within_its_stated_range(possible):
    assert np.isfinite(possible).all()
    assert np.abs(possible).max() < 5.3


def test_normals_rise_with_their_uniforms_and_mirror_each_other(possible):
    assert (np.diff(possible) > 0).all()
    assert (possible == -possible[::-1]).all()


def test_normals_have_the_moments_of_the_distribution(possible):
    exact = possible.astype(float)

    assert abs((exact**2).mean() - 1) < 1e-6
    assert abs((exact**4).mean() - 3) < 1e-4
    assert abs((exact**6).mean() - 15) < 1e-2


def test_normals_are_the_inverse_distribution_at_the_uniforms(possible):
    inverse = NormalDist().inv_cdf
    places = np.unique([*range(500), *(np.linspace(0, INPUTS - 1, 5_000).astype(int))])
    truth = np.array([inverse((int(i) + 0.5) / INPUTS) for i in places])

    assert np.abs(possible[places] - truth).max() < 2e-6


# The generator


@pytest.mark.parametrize(
    ("seed", "world"), [(0, 0), (1, 0), (1, 12_345_678), (2**63 - 1, 2**31)]
)
def test_stream_is_the_published_generator(seed, world, possible):
    published = [possible[number >> 9] for number in published_stream(seed, world, 50)]

    assert (draws(seed, [world], 50)[:, 0] == published).all()


def test_scrambling_loses_nothing():
    scrambled = {int(mix(np.uint64(i))) for i in range(10_000)}

    assert len(scrambled) == 10_000


def test_stream_does_not_depend_on_lane_or_neighbours():
    alone = draws(7, [41], 100)[:, 0]

    for worlds in ([41, 3], [3, 41], [*range(100, 163), 41]):
        assert (draws(7, worlds, 100)[:, worlds.index(41)] == alone).all()


def test_draws_of_a_day_continue_those_of_the_day_before():
    streams = np.empty(4 * LANES, np.uint32)
    for lane in range(LANES):
        start_streams(streams, 7, lane, lane)
    days = np.empty((2, 3 * LANES), np.float32)
    for day in days:
        draw_normals(streams, day, 3)

    assert (days.reshape(6, LANES) == draws(7, [*range(LANES)], 6)).all()


def test_draws_follow_the_distribution():
    drawn = np.sort(draws(1, [*range(LANES)], 10_000).astype(float).ravel())
    places = np.linspace(0, drawn.size - 1, 2_000).astype(int)
    cumulative = np.array([NormalDist().cdf(x) for x in drawn[places]])
    largest_gap = np.abs(cumulative - (places + 0.5) / drawn.size).max()

    # Kolmogorov's distance exceeds 1.95 / sqrt(n) once in a thousand samples.
    assert largest_gap < 1.95 / np.sqrt(drawn.size)


def test_draws_have_the_moments_of_their_number():
    drawn = draws(2, [*range(LANES)], 10_000).astype(float)

    # Four standard errors of each moment.
    assert abs(drawn.mean()) < 4 / np.sqrt(drawn.size)
    assert abs(drawn.var() - 1) < 4 * np.sqrt(2 / drawn.size)
    assert abs((drawn**3).mean()) < 4 * np.sqrt(15 / drawn.size)


@pytest.mark.parametrize(
    "worlds",
    [range(64), range(0, 6400, 100), [2**i for i in range(31)]],
    ids=["neighbours", "far apart", "powers of two"],
)
def test_worlds_are_independent(worlds):
    count = 20_000
    correlation = np.corrcoef(draws(3, [*worlds], count).astype(float), rowvar=False)
    off_diagonal = correlation[~np.eye(len(correlation), dtype=bool)]

    # The largest of 2,016 correlations is beyond five standard errors once in 500.
    assert np.abs(off_diagonal).max() < 5 / np.sqrt(count)


def test_seeds_are_independent():
    count = 20_000
    seeds = [0, 1, 2, 3, 2**32, 2**32 + 1, 2**62, 2**63 - 1]
    by_seed = np.stack([draws(seed, [0], count)[:, 0] for seed in seeds]).astype(float)
    correlation = np.corrcoef(by_seed) - np.eye(len(seeds))

    assert np.abs(correlation).max() < 5 / np.sqrt(count)


@pytest.mark.parametrize("lag", [1, 2, 9])
def test_draws_of_one_world_are_independent(lag):
    drawn = draws(4, [*range(LANES)], 10_000).astype(float)
    products = drawn[:-lag] * drawn[lag:]

    assert abs(products.mean()) < 4 / np.sqrt(products.size)
    # Nor do large moves follow large moves.
    squares = drawn**2 - 1
    assert abs((squares[:-lag] * squares[lag:]).mean()) < 4 * 2 / np.sqrt(products.size)


def test_no_two_worlds_or_seeds_start_alike():
    starts = {
        (draw.tobytes())
        for seed in range(20)
        for block in range(10)
        for draw in draws(
            seed, [*range(block * LANES, (block + 1) * LANES)], 2
        ).T.copy()
    }

    assert len(starts) == 20 * 10 * LANES
