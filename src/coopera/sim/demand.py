"""
What the participants of a simulated world do: consumers, the market, suppliers.

The only source of chance. What comes out is what a live day would bring: whole jobs by
service, dollars of sentiment, suppliers that enter and leave.
"""

import numpy as np

from coopera.sim import kernels as k
from coopera.sim.epoch import code
from coopera.sim.kernels import row, sequence, stage
from coopera.sim.layout import (
    DEMAND_SCALE,
    ENTERED,
    EXITED,
    LANES,
    NOISE_SCALE,
    SCRATCH,
    SENTIMENT,
    SENTIMENT_DRIFT,
    SENTIMENT_LEVEL,
    SENTIMENT_MEAN,
    SENTIMENT_SPEED,
    SENTIMENT_VOLATILITY,
    SUPPLIER_RESPONSE,
    SUPPLIERS,
)
from coopera.sim.scenario import SentimentModel

GEOMETRIC_BROWNIAN = code(SentimentModel.GEOMETRIC_BROWNIAN)
MEAN_REVERTING = code(SentimentModel.MEAN_REVERTING)


@stage
def correlate(z, e, mixed):
    """Correlate the noise of services, in place: the lower triangle times it."""
    # From the last service up: a row needs itself and the rows before it.
    for s in range(e.services - 1, -1, -1):
        for j in range(LANES):
            mixed[j] = 0.0
        for i in range(s + 1):
            weight = e.correlation[s, i]
            for j in range(LANES):
                mixed[j] += weight * z[i * LANES + j]
        for j in range(LANES):
            z[s * LANES + j] = mixed[j]


@stage
def demand_jobs(w, p, e, z, day):
    """Draw the whole jobs that consumers ask for: trend, season, shock and noise."""
    for s in range(e.services):
        mean = e.demand_mean[day - e.first_day, s]
        noise = e.demand_noise[day - e.first_day, s]
        jobs = row(w, e.rows.service_jobs, s)
        for j in range(LANES):
            drawn = p[DEMAND_SCALE + j] * (
                mean + noise * p[NOISE_SCALE + j] * z[s * LANES + j]
            )
            jobs[j] = np.floor(max(0.0, drawn) + 0.5)


@stage
def consumer_sentiment(w, p, e, z, day):
    """Move the dollars a day that ask for the token from outside the network."""
    shock = e.sentiment_shock[day - e.first_day]
    last = e.services * LANES
    if e.sentiment_model == GEOMETRIC_BROWNIAN:
        for j in range(LANES):
            sigma = p[SENTIMENT_VOLATILITY + j]
            step = p[SENTIMENT_DRIFT + j] - 0.5 * sigma * sigma
            w[SENTIMENT_LEVEL + j] *= k.exp(step + sigma * z[last + j])
    elif e.sentiment_model == MEAN_REVERTING:
        for j in range(LANES):
            mean = p[SENTIMENT_MEAN + j]
            level = w[SENTIMENT_LEVEL + j]
            w[SENTIMENT_LEVEL + j] = max(
                0.0,
                level
                + p[SENTIMENT_SPEED + j] * (mean - level)
                + p[SENTIMENT_VOLATILITY + j] * mean * z[last + j],
            )
    for j in range(LANES):
        w[SENTIMENT + j] = np.floor(w[SENTIMENT_LEVEL + j] * shock)


@stage
def move_suppliers(w, p, e, day):
    """Let suppliers enter where yesterday paid above cost, and leave otherwise."""
    r = e.rows
    for j in range(LANES):
        w[ENTERED + j] = 0.0
        w[EXITED + j] = 0.0
    for i in range(e.kinds):
        suppliers = row(w, r.kind_suppliers, i)
        inclination = row(w, r.kind_inclination, i)
        earnings = row(w, r.kind_earnings, i)
        cost = e.supplier_cost[i]
        entry = e.entry_rate_max[i] * (day > 0)
        leave = e.exit_rate_max[i] * (day > 0)
        for j in range(LANES):
            w[SCRATCH + j] = 0.0
        for project in range(e.projects):
            target = e.targets[project, i]
            phase = row(w, r.project_phase, project)
            for j in range(LANES):
                w[SCRATCH + j] += target * (1.0 - phase[j])
        for j in range(LANES):
            now = suppliers[j]
            margin = earnings[j] / (max(now, 1.0) * cost) - 1.0
            rate = min(entry, max(-leave, p[SUPPLIER_RESPONSE + j] * margin))
            # A slot that Phase 1 pays for and nobody fills draws somebody in any case.
            rate = entry if now < w[SCRATCH + j] else rate
            # Fractions of a supplier add up over the days until one moves.
            inclination[j] = max(1.0 * (rate > 0.0), inclination[j] * (1.0 + rate))
            after = np.floor(inclination[j])
            w[ENTERED + j] += max(0.0, after - now)
            w[EXITED + j] += max(0.0, now - after)
            suppliers[j] = after
    for j in range(LANES):
        w[SUPPLIERS + j] += w[ENTERED + j] - w[EXITED + j]


@sequence
def open_day(w, p, e, z, mixed, day):
    """Let everybody act before the day is closed."""
    if e.correlation.shape[0] > 0:
        correlate(z, e, mixed)
    demand_jobs(w, p, e, z, day)
    consumer_sentiment(w, p, e, z, day)
    move_suppliers(w, p, e, day)
