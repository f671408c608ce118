"""
Random numbers of the simulator: normals, keyed by seed and world.

Every lane runs its own xoshiro128++ generator, started from the seed and the number
of its world alone, so that a world's path does not depend on which worlds run beside
it, on which thread, or in what order. A normal is the inverse cumulative distribution
at a uniform of 23 bits (24 would round to one, once in 2**24 draws), by Giles's
single-precision approximation; no draw lies beyond 5.3 standard deviations.
"""

import math

import numpy as np
from numba import types
from numba.extending import intrinsic

from coopera.sim.kernels import kernel
from coopera.sim.layout import LANES

u4 = np.uint32
u8 = np.uint64
f4 = np.float32

SQRT2 = f4(math.sqrt(2.0))


@intrinsic
def _float_bits(_context, value):
    return types.int32(types.float32), lambda c, b, _s, a: b.bitcast(
        a[0], c.get_value_type(types.int32)
    )


@intrinsic
def _bits_float(_context, value):
    return types.float32(types.int32), lambda c, b, _s, a: b.bitcast(
        a[0], c.get_value_type(types.float32)
    )


@kernel
def _log(x):
    """Take the natural logarithm of a positive float32, to about 1e-7."""
    bits = _float_bits(x)
    # Kept to 32 bits at every step: integers grow to 64 of themselves.
    exponent = np.int32(np.int32(bits - np.int32(0x3F3504F3)) >> np.int32(23))
    m = _bits_float(np.int32(bits - (exponent << np.int32(23)))) - f4(1.0)
    y = f4(7.0376836292e-2)
    y = y * m + f4(-1.1514610310e-1)
    y = y * m + f4(1.1676998740e-1)
    y = y * m + f4(-1.2420140846e-1)
    y = y * m + f4(1.4249322787e-1)
    y = y * m + f4(-1.6668057665e-1)
    y = y * m + f4(2.0000714765e-1)
    y = y * m + f4(-2.4999993993e-1)
    y = y * m + f4(3.3333331174e-1)
    square = m * m
    y = y * m * square
    e = f4(exponent)
    y += f4(-2.12194440e-4) * e
    y += f4(-0.5) * square
    return m + y + f4(0.693359375) * e


@kernel
def normal(bits):
    """Turn 32 random bits into a standard normal deviate."""
    x = (f4(np.int32(bits >> u4(9))) + f4(0.5)) * f4(2.0**-22) - f4(1.0)
    w = -_log((f4(1.0) - x) * (f4(1.0) + x))
    a = w - f4(2.5)
    p = f4(2.81022636e-08)
    p = f4(3.43273939e-07) + p * a
    p = f4(-3.5233877e-06) + p * a
    p = f4(-4.39150654e-06) + p * a
    p = f4(0.00021858087) + p * a
    p = f4(-0.00125372503) + p * a
    p = f4(-0.00417768164) + p * a
    p = f4(0.246640727) + p * a
    p = f4(1.50140941) + p * a
    b = np.sqrt(w) - f4(3.0)
    q = f4(-0.000200214257)
    q = f4(0.000100950558) + q * b
    q = f4(0.00134934322) + q * b
    q = f4(-0.00367342844) + q * b
    q = f4(0.00573950773) + q * b
    q = f4(-0.0076224613) + q * b
    q = f4(0.00943887047) + q * b
    q = f4(1.00167406) + q * b
    q = f4(2.83297682) + q * b
    return SQRT2 * (p if w < f4(5.0) else q) * x


@kernel
def mix(x):
    """Scramble 64 bits: the finaliser of splitmix64."""
    x = (x ^ (x >> u8(30))) * u8(0xBF58476D1CE4E5B9)
    x = (x ^ (x >> u8(27))) * u8(0x94D049BB133111EB)
    return x ^ (x >> u8(31))


@kernel
def start_streams(streams, seed, world, lane):
    """Start the generator of one lane at the first number of one world."""
    golden = u8(0x9E3779B97F4A7C15)
    key = mix(mix(u8(seed) + golden) ^ (u8(world) * golden))
    other = mix(key + golden)
    streams[lane] = u4(key)
    streams[LANES + lane] = u4(key >> u8(32))
    streams[2 * LANES + lane] = u4(other)
    # One bit set: the state of all zeros would stay there.
    streams[3 * LANES + lane] = u4(other >> u8(32)) | u4(1)


@kernel
def draw_normals(streams, normals, count):
    """Fill rows with standard normals, one for every lane of every row."""
    for i in range(count):
        for j in range(LANES):
            s0 = streams[j]
            s1 = streams[LANES + j]
            s2 = streams[2 * LANES + j]
            s3 = streams[3 * LANES + j]
            total = u4(s0 + s3)
            bits = u4(u4(u4(total << u4(7)) | u4(total >> u4(25))) + s0)
            shifted = u4(s1 << u4(9))
            s2 ^= s0
            s3 ^= s1
            s1 ^= s2
            s0 ^= s3
            s2 ^= shifted
            s3 = u4(u4(s3 << u4(11)) | u4(s3 >> u4(21)))
            streams[j] = s0
            streams[LANES + j] = s1
            streams[2 * LANES + j] = s2
            streams[3 * LANES + j] = s3
            normals[i * LANES + j] = normal(bits)
