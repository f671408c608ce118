"""Moments are written as the calendar has them."""

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from coopera.ledger import NEVER, in_utc, moment

START = datetime(1970, 1, 1, tzinfo=UTC)
LEAST, MOST = (
    (when.replace(tzinfo=UTC) - START) // timedelta(microseconds=1)
    for when in (datetime.min, datetime.max)  # noqa: DTZ901 - a zone is given
)


@given(st.integers(LEAST, MOST))
@example(0)
@example(-1)
@example(951_782_400_000_000)  # 29 February 2000
@example(4_107_456_000_000_000)  # 28 February 2100, which has no 29th
@example(4_107_542_400_000_000)
def test_moment_is_that_of_the_calendar(at):
    when = START + timedelta(microseconds=at)
    date = f"{when.year:04}-{when.month:02}-{when.day:02}"
    time = f"{when.hour:02}:{when.minute:02}:{when.second:02}"

    assert moment(at) == f"{date}T{time}.{when.microsecond:06}Z"
    if at < NEVER:
        assert in_utc(at) == f"{date} {time} UTC"


@pytest.mark.parametrize("day", range(366 + 365 * 3))
def test_every_day_of_four_years_has_its_date(day):
    when = datetime(2096, 1, 1, tzinfo=UTC) + timedelta(days=day)

    assert in_utc(int(when.timestamp()) * 10**6) == f"{when:%Y-%m-%d 00:00:00} UTC"


@pytest.mark.parametrize("at", [NEVER, NEVER + 1])
def test_what_has_no_end_is_never_over(at):
    assert in_utc(at) == "never"
