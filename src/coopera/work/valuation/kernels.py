"""
The loops over distances, compiled; they give the same on every machine.

A key is a distance and whose it is, in 64 bits that sort as they should: first the
leading digits of the squared distance, then the number of the point, then whether its
label is the one looked for. So no two keys are equal, and any sort gives one order.

A difference is rounded to float32, so that its square is exact in float64: whether the
compiler fuses the product with the sum changes nothing. Sums run in a fixed order.
"""

import numpy as np

from coopera.sim.kernels import kernel

TILE = 1024
"""Points that are looked at together: their features stay in the cache."""


@kernel
def write_keys(points, labels, tests, wanted, label_bits, keys):
    """
    Write the key of every point as each test sees it.

    Points are (features, points) and tests (tests, features), both float32; keys are
    (tests, points). `label_bits` is how many bits the number of a point and its match
    take together.
    """
    features, count = points.shape
    squares = np.empty(TILE)
    bits = squares.view(np.uint64)
    shift = np.uint64(label_bits)
    for first in range(0, count, TILE):
        size = min(TILE, count - first)
        for t in range(len(tests)):
            squares[:size] = 0.0
            f = 0
            while f + 4 <= features:
                row0 = points[f, first : first + size]
                row1 = points[f + 1, first : first + size]
                row2 = points[f + 2, first : first + size]
                row3 = points[f + 3, first : first + size]
                at0, at1 = tests[t, f], tests[t, f + 1]
                at2, at3 = tests[t, f + 2], tests[t, f + 3]
                for i in range(size):
                    d0 = np.float64(row0[i] - at0)
                    d1 = np.float64(row1[i] - at1)
                    d2 = np.float64(row2[i] - at2)
                    d3 = np.float64(row3[i] - at3)
                    squares[i] = squares[i] + d0 * d0 + d1 * d1 + d2 * d2 + d3 * d3
                f += 4
            while f < features:
                row0 = points[f, first : first + size]
                at0 = tests[t, f]
                for i in range(size):
                    d0 = np.float64(row0[i] - at0)
                    squares[i] = squares[i] + d0 * d0
                f += 1
            line = keys[t, first : first + size]
            own = labels[first : first + size]
            label = wanted[t]
            for i in range(size):
                # The sign is never set, and makes room for one bit more.
                distance = (bits[i] << np.uint64(1)) >> shift << shift
                number = np.uint64(first + i) << np.uint64(1)
                line[i] = distance | number | np.uint64(own[i] == label)


@kernel
def add_values(keys, label_bits, neighbours, own, steps, values):
    """
    Add what one test says about every point, from its keys in order, nearest first.

    `own[i]` is what a match at rank i brings by itself, `steps[i]` what it takes from
    every one that is nearer.
    """
    mask = (np.uint64(1) << np.uint64(label_bits)) - np.uint64(1)
    farther = 0.0
    for place in range(len(keys) - 1, -1, -1):
        code = keys[place] & mask
        point = np.int64(code >> np.uint64(1))
        if code & np.uint64(1):
            values[point] += own[place + 1] - farther
            if place >= neighbours:
                farther += steps[place + 1]
        else:
            values[point] -= farther


@kernel
def add_distances(updates, squares):
    """
    Add the squared distance of every two updates, (members, members), lower half.

    Updates are (members, parameters). Eight sums are kept apart, so that they need not
    wait for each other.
    """
    members, parameters = updates.shape
    for first in range(0, parameters, TILE):
        size = min(TILE, parameters - first)
        for one in range(1, members):
            own = updates[one, first : first + size]
            for two in range(one):
                other = updates[two, first : first + size]
                s0 = s1 = s2 = s3 = s4 = s5 = s6 = s7 = 0.0
                i = 0
                while i + 8 <= size:
                    d0 = np.float64(np.float32(own[i] - other[i]))
                    d1 = np.float64(np.float32(own[i + 1] - other[i + 1]))
                    d2 = np.float64(np.float32(own[i + 2] - other[i + 2]))
                    d3 = np.float64(np.float32(own[i + 3] - other[i + 3]))
                    d4 = np.float64(np.float32(own[i + 4] - other[i + 4]))
                    d5 = np.float64(np.float32(own[i + 5] - other[i + 5]))
                    d6 = np.float64(np.float32(own[i + 6] - other[i + 6]))
                    d7 = np.float64(np.float32(own[i + 7] - other[i + 7]))
                    s0, s1, s2, s3 = (
                        s0 + d0 * d0,
                        s1 + d1 * d1,
                        s2 + d2 * d2,
                        s3 + d3 * d3,
                    )
                    s4, s5, s6, s7 = (
                        s4 + d4 * d4,
                        s5 + d5 * d5,
                        s6 + d6 * d6,
                        s7 + d7 * d7,
                    )
                    i += 8
                while i < size:
                    d0 = np.float64(np.float32(own[i] - other[i]))
                    s0 += d0 * d0
                    i += 1
                squares[one, two] += ((s0 + s4) + (s1 + s5)) + ((s2 + s6) + (s3 + s7))
