"""The picture of a plan: how many units both sides have released after each round."""

from collections.abc import Sequence
from io import BytesIO

import numpy as np
from matplotlib.axes import Axes

from coopera.accounting.rounds import Release, Terms
from coopera.cli.books.showing import plural
from coopera.cli.royalties.wording import factor
from coopera.sim.report.charts import (
    PALETTE,
    day_ticks,
    drawn,
    encoded,
    end_labels,
    rule,
    sheet,
    sign,
)
from coopera.units import MICRO

HEIGHT, RIGHT = 420, 380


def release_picture(
    title: str,
    terms: Terms,
    releases: Sequence[Release],
    issued: Sequence[tuple[int, int]],
    form: str = "png",
) -> bytes:
    """Draw what both sides have released after each round, as PNG, SVG or PDF."""
    rounds = (
        plural(terms.rounds, "round") if terms.rounds else "an open number of rounds"
    )
    note = (
        f"Lines: released so far, by decays of {factor(terms.compute_decay)} and "
        f"{factor(terms.data_decay)} a round, of {rounds}."
    )
    if issued:
        note += " Dots: issued so far."
    figure, (ax,) = sheet(title, note, 1, 1, HEIGHT, headed=True, right=RIGHT)
    last = releases[-1].round
    top = max(terms.compute, terms.data) / MICRO
    word = rule(ax, 0, last, 0, top * 1.06)
    ticks = [0, *day_ticks(1, last)]
    ticks = [each for each in ticks if each != 1 or last < TICKED]
    ax.set_xticks(ticks, [f"{each:,}" for each in ticks])
    labels = [
        _draw(ax, name, colour, pool, so_far, [each[side] for each in issued])
        for side, (name, colour, pool, so_far) in enumerate(
            (
                (
                    "compute",
                    PALETTE[0],
                    terms.compute,
                    [e.compute_so_far for e in releases],
                ),
                ("data", PALETTE[1], terms.data, [e.data_so_far for e in releases]),
            )
        )
    ]
    end_labels(ax, labels)
    sign(ax, "Royalty units released", f"{word}units", "round")
    if form == "png":
        return encoded(drawn(figure))
    file = BytesIO()
    # Without the moment: the same plan is the same file.
    dates = {"svg": {"Date": None}, "pdf": {"CreationDate": None}}
    figure.savefig(file, format=form, metadata=dates[form])
    return file.getvalue()


TICKED = 8
"""Rounds up to which the first one has a tick of its own."""


def _draw(
    ax: Axes,
    name: str,
    colour: str,
    pool: int,
    so_far: Sequence[int],
    issued: Sequence[int],
) -> tuple[float, str, str]:
    """Draw one side under the line of its pool; gives its label."""
    heights = np.array([0, *so_far]) / MICRO
    ax.plot(np.arange(len(heights)), heights, color=colour, linewidth=1.9)
    ax.axhline(pool / MICRO, color=colour, linewidth=0.9, linestyle=(0, (2, 3)))
    shown = np.array(issued[: len(so_far)]) / MICRO
    ax.plot(
        np.arange(1, len(shown) + 1),
        shown,
        "o",
        color=colour,
        markersize=5,
        clip_on=False,
    )
    last = so_far[-1]
    of = f"{last / pool:.1%} of {pool // MICRO:,}"
    return last / MICRO, f"{name} {of}", colour
