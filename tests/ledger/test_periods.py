"""Limits 2: when a period begins and ends, in the mandate's time zone."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.ledger.model import Period
from bursar.ledger.periods import period_bounds

TABLE = """
# period | at                  | zone                | begins              | ends
day      | 2026-07-01 12:00    | Europe/Zurich       | 2026-06-30 22:00    | 2026-07-01 22:00
day      | 2026-06-30 22:00    | Europe/Zurich       | 2026-06-30 22:00    | 2026-07-01 22:00
day      | 2026-06-30 21:59    | Europe/Zurich       | 2026-06-29 22:00    | 2026-06-30 22:00
day      | 2026-03-29 12:00    | Europe/Zurich       | 2026-03-28 23:00    | 2026-03-29 22:00
day      | 2026-10-25 12:00    | Europe/Zurich       | 2026-10-24 22:00    | 2026-10-25 23:00
day      | 2026-01-01 12:00    | Asia/Kathmandu      | 2025-12-31 18:15    | 2026-01-01 18:15
day      | 2026-09-06 12:00    | America/Santiago    | 2026-09-06 04:00    | 2026-09-07 03:00
week     | 2026-07-05 12:00    | UTC                 | 2026-06-29 00:00    | 2026-07-06 00:00
week     | 2026-07-06 00:00    | UTC                 | 2026-07-06 00:00    | 2026-07-13 00:00
week     | 2026-03-29 12:00    | Europe/Zurich       | 2026-03-22 23:00    | 2026-03-29 22:00
week     | 2026-01-01 12:00    | UTC                 | 2025-12-29 00:00    | 2026-01-05 00:00
month    | 2028-02-29 12:00    | UTC                 | 2028-02-01 00:00    | 2028-03-01 00:00
month    | 2026-12-31 23:30    | Europe/Zurich       | 2026-12-31 23:00    | 2027-01-31 23:00
month    | 2026-12-31 12:00    | America/Los_Angeles | 2026-12-01 08:00    | 2027-01-01 08:00
total    | 2026-07-01 12:00    | Europe/Zurich       | 1970-01-01 00:00    | 9999-12-31 00:00
"""


def moment(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@pytest.mark.parametrize("row", [row for row in TABLE.strip().splitlines() if not row.startswith("#")])
def test_bounds(row: str) -> None:
    period, at, zone, begins, ends = (cell.strip() for cell in row.split("|"))
    kind: Period = period  # type: ignore[assignment]
    assert period_bounds(kind, moment(at), zone) == (moment(begins), moment(ends))


CHANGES = """
# period | at                  | new zone            | last ended          | begins              | ends
day      | 2026-07-01 22:00    | Asia/Tokyo          | 2026-07-01 22:00    | 2026-07-01 22:00    | 2026-07-02 15:00
day      | 2026-07-01 22:00    | America/New_York    | 2026-07-01 22:00    | 2026-07-01 22:00    | 2026-07-02 04:00
day      | 2026-07-03 12:00    | Asia/Tokyo          | 2026-07-01 22:00    | 2026-07-02 15:00    | 2026-07-03 15:00
month    | 2026-06-30 22:00    | Pacific/Auckland    | 2026-06-30 22:00    | 2026-06-30 22:00    | 2026-07-31 12:00
week     | 2026-07-05 22:30    | America/New_York    | 2026-07-05 22:00    | 2026-07-05 22:00    | 2026-07-06 04:00
"""


@pytest.mark.parametrize("row", [row for row in CHANGES.strip().splitlines() if not row.startswith("#")])
def test_a_change_of_zone_starts_with_the_next_period(row: str) -> None:
    period, at, zone, ended, begins, ends = (cell.strip() for cell in row.split("|"))
    kind: Period = period  # type: ignore[assignment]
    assert period_bounds(kind, moment(at), zone, not_before=moment(ended)) == (moment(begins), moment(ends))


ZONES = st.sampled_from(["Europe/Zurich", "America/Sao_Paulo", "Asia/Kolkata", "Australia/Lord_Howe", "Pacific/Apia"])
MOMENTS = st.datetimes(datetime(2000, 1, 1), datetime(2037, 1, 1)).map(lambda at: at.replace(tzinfo=UTC))


@given(st.sampled_from(["day", "week", "month"]), MOMENTS, ZONES)
def test_periods_follow_each_other_without_gap(period: Period, at: datetime, zone: str) -> None:
    start, end = period_bounds(period, at, zone)
    assert start <= at < end
    assert period_bounds(period, end, zone)[0] == end
    assert period_bounds(period, start - timedelta(microseconds=1), zone)[1] == start
    assert timedelta(hours=22) < end - start < timedelta(days=32)


@pytest.mark.parametrize("zone", ["Mars/Olympus", "", "../etc/passwd", "\0"])
def test_a_zone_that_is_not_known_is_utc(zone: str) -> None:
    at = moment("2026-07-01 12:00")
    assert period_bounds("day", at, zone) == period_bounds("day", at, "UTC")
