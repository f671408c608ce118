"""The loops over blocks of worlds: one keeps full paths, one only counts."""

import numpy as np

from coopera.sim import layout
from coopera.sim.demand import open_day
from coopera.sim.epoch import close_epoch
from coopera.sim.kernels import kernel, reduction, row, sequence, stage
from coopera.sim.layout import LANES
from coopera.sim.random import draw_normals, start_streams

TOGETHER = 16
"""Blocks that go through a day together where values are counted."""


@stage
def start_block(w, p, e, parameters, first, last, seed, streams):
    """Put every lane of a block at the morning that its world starts on."""
    for j in range(LANES):
        # Lanes beyond the last world repeat it; nothing is kept of them.
        world = min(first + j, last)
        for i in range(parameters.size):
            p[i * LANES + j] = parameters[i]
        start_streams(streams, seed, world, j)
    for i in range(e.start.size):
        value = e.start[i]
        for j in range(LANES):
            w[i * LANES + j] = value


@sequence
def run_day(w, p, e, z, mixed, streams, day):
    """Draw, act, close: one day of a block."""
    draw_normals(streams, z, e.services + 1)
    open_day(w, p, e, z, mixed, day)
    close_epoch(w, p, e, day)


@stage
def keep_values(w, kept, paths):
    """Copy the rows `kept` of a block, (kept rows, lanes)."""
    for v in range(kept.size):
        # By a view: the sign of an offset would be looked at lane by lane, in gathers.
        values = row(w, kept[v], 0)
        for j in range(LANES):
            paths[v, j] = values[j]


@kernel
def run_paths(e, parameters, seed, first, last, kept, paths):
    """
    Run the worlds from `first` on and keep the rows `kept` of every day.

    `paths` is (blocks, days, kept rows, lanes); `last` is the last world there is.
    """
    w = np.empty(e.rows.end)
    p = np.empty(layout.PARAMETER_ROWS * LANES)
    z = np.empty((e.services + 1) * LANES, np.float32)
    mixed = np.empty(LANES, np.float32)
    streams = np.empty(4 * LANES, np.uint32)
    for b in range(paths.shape[0]):
        start_block(w, p, e, parameters, first + b * LANES, last, seed, streams)
        for day in range(paths.shape[1]):
            run_day(w, p, e, z, mixed, streams, e.first_day + day)
            keep_values(w, kept, paths[b, day])


@reduction
def add_moments(values, valid, moments):
    """Add a row of a block to a sum, a minimum and a maximum."""
    total = 0.0
    least = values[0]
    most = values[0]
    for j in range(valid):
        total += values[j]
        least = min(least, values[j])
        most = max(most, values[j])
    moments[0] += total
    moments[1] = min(moments[1], least)
    moments[2] = max(moments[2], most)


@stage
def count_day(w, kept, worlds, low, per_bin, counts, moments, bins):
    """Count a day of some blocks in bins, and add up sums and extremes."""
    last_bin = counts.shape[1] - 1.0
    for v in range(kept.size):
        table = counts[v]
        sums = moments[v]
        edge = low[v]
        scale = per_bin[v]
        for b in range((min(worlds, w.shape[0] * LANES) + LANES - 1) // LANES):
            values = row(w[b], kept[v], 0)
            for j in range(LANES):
                place = (values[j] - edge) * scale
                bins[j] = np.uint32(min(max(place, 0.0), last_bin))
            valid = min(LANES, worlds - b * LANES)
            if valid == LANES:
                for j in range(LANES):
                    table[bins[j]] += np.int32(1)
                add_moments(values, LANES, sums)
            else:
                for j in range(valid):
                    table[bins[j]] += np.int32(1)
                add_moments(values, valid, sums)


@kernel
def run_counts(e, parameters, seed, first, count, kept, low, per_bin, counts, moments):
    """
    Run `count` worlds from `first` on and count their values in bins, day by day.

    `counts` is (days, kept rows, bins), `low` and `per_bin` (days, kept rows): the
    lower edge of the first bin and the bins in one unit. Values outside fall into the
    first and last bin. `moments` is (days, kept rows, 3): sum, minimum, maximum.

    Some blocks go through a day together, so that the bins of that day stay in the
    cache: a table of all days is too large for it.
    """
    w = np.empty((TOGETHER, e.rows.end))
    p = np.empty((TOGETHER, layout.PARAMETER_ROWS * LANES))
    z = np.empty((e.services + 1) * LANES, np.float32)
    mixed = np.empty(LANES, np.float32)
    streams = np.empty((TOGETHER, 4 * LANES), np.uint32)
    bins = np.empty(LANES, np.uint32)
    last = first + count - 1
    for start in range(first, first + count, TOGETHER * LANES):
        blocks = min(TOGETHER, (last - start) // LANES + 1)
        for b in range(blocks):
            block = start + b * LANES
            start_block(w[b], p[b], e, parameters, block, last, seed, streams[b])
        for day in range(counts.shape[0]):
            for b in range(blocks):
                run_day(w[b], p[b], e, z, mixed, streams[b], e.first_day + day)
            count_day(
                w,
                kept,
                last + 1 - start,
                low[day],
                per_bin[day],
                counts[day],
                moments[day],
                bins,
            )
