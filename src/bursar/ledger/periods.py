"""When a limit's period begins and ends: calendar arithmetic in the mandate's time zone. Pure.

Weeks begin on Monday; a day on which the clocks change has 23 or 25 hours. Bounds are moments in UTC, the end excluded.
"""

from __future__ import annotations

from datetime import UTC, date, datetime, time, timedelta, tzinfo
from functools import lru_cache
from typing import Final
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from bursar.ledger.model import Period

BEGINNING: Final = datetime(1970, 1, 1, tzinfo=UTC)
END_OF_TIME: Final = datetime(9999, 12, 31, tzinfo=UTC)
"""Bounds of the period `total`, which never resets."""


def period_bounds(
    period: Period, at: datetime, time_zone: str, *, not_before: datetime | None = None
) -> tuple[datetime, datetime]:
    """First moment and end of the period that contains `at`.

    `not_before` is the end of the period counted last: after a change of the time zone the next period begins there
    at the earliest, so that nothing is counted twice.
    """
    if period == "total":
        return BEGINNING, END_OF_TIME
    zone = _zone(time_zone)
    first = _first_day(period, at.astimezone(zone).date())
    start, end = _midnight(first, zone), _midnight(_next_first_day(period, first), zone)
    if not_before is not None and start < not_before <= at:
        start = not_before
    return start, end


@lru_cache(maxsize=1024)
def _zone(name: str) -> tzinfo:
    """A zone that is not known (any more) is UTC: no call is refused for its name."""
    try:
        return ZoneInfo(name)
    except (ValueError, OSError, ZoneInfoNotFoundError):
        return UTC


def _first_day(period: Period, day: date) -> date:
    if period == "week":
        return day - timedelta(days=day.weekday())
    if period == "month":
        return day.replace(day=1)
    return day


def _next_first_day(period: Period, first: date) -> date:
    if period == "week":
        return first + timedelta(days=7)
    if period == "month":
        return (first + timedelta(days=32)).replace(day=1)
    return first + timedelta(days=1)


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
