"""Where a calendar month of a mandate begins and ends. Pure.

A month ends at midnight in the mandate's time zone. Which zone that is, is settled when the month begins: a change of
zone counts from the next month on, as it does for spending limits, so that no change can move a bound that lies behind.
The days of a month are those of its own zone; the first one begins with the month, whatever its local time.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, time, timedelta, tzinfo
from typing import Final
from zoneinfo import ZoneInfo

_MONTH: Final = re.compile(r"(?P<year>20[0-9]{2})-(?P<number>0[1-9]|1[0-2])", re.ASCII)


class MonthError(ValueError):
    """Not a month that a statement can be about."""


@dataclass(frozen=True, slots=True, order=True)
class Month:
    year: int
    number: int
    """1 to 12."""

    def __str__(self) -> str:
        return f"{self.year:04d}-{self.number:02d}"

    @property
    def first_day(self) -> date:
        return date(self.year, self.number, 1)

    def next(self) -> Month:
        return Month(self.year + self.number // 12, self.number % 12 + 1)


@dataclass(frozen=True, slots=True)
class ZoneChange:
    """From `changed_at` (aware) on, the mandate's time zone is this one, an IANA name."""

    changed_at: datetime
    time_zone: str


@dataclass(frozen=True, slots=True)
class Span:
    """A month's moments: from `start` (UTC, included) to `end` (excluded), and where each of its days begins."""

    month: Month
    time_zone: str
    start: datetime
    end: datetime
    day_starts: tuple[datetime, ...]

    def day(self, index: int) -> date:
        """The calendar day that begins at `day_starts[index]`."""
        return self.month.first_day + timedelta(days=index)


def parse_month(text: str) -> Month:
    """Of `"2026-11"`. Raises `MonthError`."""
    match = _MONTH.fullmatch(text)
    if match is None:
        raise MonthError("must be a year and a month, such as 2026-11")
    return Month(int(match["year"]), int(match["number"]))


def month_of(at: datetime, zones: Sequence[ZoneChange]) -> Month:
    """The month that `at` (aware) falls into."""
    utc = at.astimezone(UTC)
    month = Month(utc.year, utc.month)
    if at < month_start(month, zones):
        return Month(month.year - (month.number == 1), (month.number - 2) % 12 + 1)
    return month if at < month_start(month.next(), zones) else month.next()


def month_span(month: Month, zones: Sequence[ZoneChange]) -> Span:
    """`zones` is every zone that the mandate has had, oldest first; the oldest one also counts for before."""
    start, zone = _start_and_zone(month, zones)
    last = month.next().first_day - timedelta(days=1)
    local = ZoneInfo(zone)
    later = [_midnight(month.first_day + timedelta(days=n), local) for n in range(1, last.day)]
    return Span(month, zone, start, _midnight(month.next().first_day, local), (start, *later))


def month_start(month: Month, zones: Sequence[ZoneChange]) -> datetime:
    """The month's first moment, in UTC; also the end of the one before."""
    return _start_and_zone(month, zones)[0]


def _start_and_zone(month: Month, zones: Sequence[ZoneChange]) -> tuple[datetime, str]:
    """A month's first moment, and the zone in force at it, by which the month ends."""
    zone = zones[0].time_zone
    if len(zones) == 1:
        return _midnight(month.first_day, ZoneInfo(zone)), zone
    changes = [change.changed_at for change in zones]
    first_change = changes[1].astimezone(UTC)
    # The last month that the oldest zone alone decides; a day's margin, because zones differ.
    earliest = (first_change - timedelta(days=2)).date()
    at = Month(earliest.year, earliest.month)
    start = _midnight(min(at, month).first_day, ZoneInfo(zone))
    while at < month:
        zone = zones[max(0, bisect_right(changes, start) - 1)].time_zone
        at = at.next()
        start = _midnight(at.first_day, ZoneInfo(zone))
    return start, zones[max(0, bisect_right(changes, start) - 1)].time_zone


def _midnight(day: date, zone: tzinfo) -> datetime:
    return datetime.combine(day, time(), zone).astimezone(UTC)
