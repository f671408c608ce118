"""Moments: whole microseconds since 1970, and how they are written. No clock."""

from typing import Final

NEVER: Final = 2**53 - 1
"""Last moment there is; what waits for it has no end."""

_SECOND: Final = 1_000_000
"""Microseconds."""
_MINUTE: Final = 60
_DAY: Final = 86_400
"""Seconds."""
_DAYS_TO_1970: Final = 719_468
"""From the first of March of the year 0."""
_DAYS_OF_400_YEARS: Final = 146_097
"""After which the calendar starts again."""


def moment(at: int) -> str:
    """
    Write a moment in full, for programs.

    >>> moment(1_767_225_600_000_001)
    '2026-01-01T00:00:00.000001Z'
    """
    seconds, micro = divmod(at, _SECOND)
    date, time = _date_and_time(seconds)
    return f"{date}T{time}.{micro:06}Z"


def in_utc(at: int) -> str:
    """
    Write a moment to the second, for people.

    >>> in_utc(1_767_225_600_000_001), in_utc(NEVER)
    ('2026-01-01 00:00:00 UTC', 'never')
    """
    if at >= NEVER:
        return "never"
    date, time = _date_and_time(at // _SECOND)
    return f"{date} {time} UTC"


def _date_and_time(seconds: int) -> tuple[str, str]:
    day, rest = divmod(seconds, _DAY)
    minutes, second = divmod(rest, _MINUTE)
    hour, minute = divmod(minutes, _MINUTE)
    return _date(day), f"{hour:02}:{minute:02}:{second:02}"


def _date(day: int) -> str:
    """
    Write the date of a day since 1970.

    Years are counted from March on, so that a leap day is their last one.
    """
    cycle, day = divmod(day + _DAYS_TO_1970, _DAYS_OF_400_YEARS)
    year = (day - day // 1_460 + day // 36_524 - day // 146_096) // 365
    day -= 365 * year + year // 4 - year // 100
    # From March on, five months have 153 days, again and again.
    month = (5 * day + 2) // 153
    day -= (153 * month + 2) // 5
    later, month = divmod(month + 2, 12)
    return f"{400 * cycle + year + later:04}-{month + 1:02}-{day + 1:02}"
