"""Where months begin and end: time zones, their changes, summer time."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bursar.billing.statements.months import (
    Month,
    MonthError,
    ZoneChange,
    month_of,
    month_span,
    month_start,
    parse_month,
)
from tests.billing.statements.journal import utc

CREATED = utc("2025-01-10T12:00")
ZONES = ("Europe/Zurich", "America/New_York", "Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kolkata", "UTC")


def zones(*changes: tuple[str, str]) -> list[ZoneChange]:
    return [ZoneChange(utc(at), zone) for at, zone in changes]


ZURICH = zones(("2025-01-10T12:00", "Europe/Zurich"))


@pytest.mark.parametrize(
    ("month", "start", "end", "days"),
    [
        ("2025-11", "2025-10-31T23:00", "2025-11-30T23:00", 30),
        ("2025-03", "2025-02-28T23:00", "2025-03-31T22:00", 31),
        ("2025-10", "2025-09-30T22:00", "2025-10-31T23:00", 31),
        ("2024-02", "2024-01-31T23:00", "2024-02-29T23:00", 29),
        ("2025-12", "2025-11-30T23:00", "2025-12-31T23:00", 31),
    ],
)
def test_a_month_goes_from_midnight_to_midnight_in_the_mandates_zone(
    month: str, start: str, end: str, days: int
) -> None:
    span = month_span(parse_month(month), ZURICH)
    assert (span.start, span.end, len(span.day_starts)) == (utc(start), utc(end), days)


def test_a_day_on_which_the_clocks_change_has_another_length() -> None:
    starts = month_span(parse_month("2025-10"), ZURICH).day_starts
    assert starts[26] - starts[25] == timedelta(hours=25)
    assert month_span(parse_month("2025-10"), ZURICH).day(25) == date(2025, 10, 26)


@pytest.mark.parametrize(
    "text", ["2025-13", "2025-00", "2025-1", "1999-12", "2025-11-01", "2025/11", "٢٠٢٥-11", "", "x"]
)
def test_what_is_no_month_is_refused(text: str) -> None:
    with pytest.raises(MonthError):
        parse_month(text)


def test_a_change_of_zone_moves_no_bound_that_is_past_and_counts_from_the_next_month() -> None:
    before = month_span(parse_month("2025-11"), ZURICH)
    changed = [*ZURICH, *zones(("2025-11-15T08:00", "America/New_York"))]
    assert month_span(parse_month("2025-11"), changed) == before
    december = month_span(parse_month("2025-12"), changed)
    assert (december.start, december.end) == (before.end, utc("2026-01-01T05:00"))
    assert december.time_zone == "America/New_York"
    assert december.day_starts[1] == utc("2025-12-02T05:00")


def test_a_change_just_before_the_month_begins_counts_for_that_month() -> None:
    changed = [*ZURICH, *zones(("2025-11-30T22:59", "America/New_York"))]
    assert month_span(parse_month("2025-12"), changed).end == utc("2026-01-01T05:00")
    late = [*ZURICH, *zones(("2025-11-30T23:00:01", "America/New_York"))]
    assert month_span(parse_month("2025-12"), late).end == utc("2025-12-31T23:00")
    assert month_span(parse_month("2026-01"), late).end == utc("2026-02-01T05:00")


moments = st.datetimes(datetime(2024, 12, 1), datetime(2027, 2, 1), timezones=st.just(UTC))
histories = st.lists(st.tuples(moments, st.sampled_from(ZONES)), min_size=1, max_size=6).map(
    lambda changes: [ZoneChange(at, zone) for at, zone in sorted(changes)]
)


@given(histories, moments)
def test_every_moment_is_in_exactly_one_month_whatever_the_zones_were(history: list[ZoneChange], at: datetime) -> None:
    month = month_of(at, history)
    span = month_span(month, history)
    assert span.start <= at < span.end
    assert month_start(month.next(), history) == span.end
    assert timedelta(days=26) < span.end - span.start < timedelta(days=33)
    assert list(span.day_starts) == sorted(set(span.day_starts))
    assert span.day_starts[-1] < span.end


@given(histories, moments, st.sampled_from(ZONES))
def test_a_later_change_never_moves_a_bound_that_lies_behind_it(
    history: list[ZoneChange], now: datetime, zone: str
) -> None:
    now = max(now, history[-1].changed_at + timedelta(microseconds=1))
    longer = [*history, ZoneChange(now, zone)]
    for year in (2025, 2026):
        for number in range(1, 13):
            start = month_start(Month(year, number), history)
            if start <= now:
                assert month_start(Month(year, number), longer) == start
