"""Lines, hysteresis and forecasts, without a database."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from itertools import pairwise
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bursar.notices.levels import (
    Observation,
    Told,
    balance_seen,
    burn_seen,
    cap_seen,
    ends_at,
    is_news,
    observed,
    thresholds,
)
from bursar.notices.rules import Alert, Policy, Verdict

NOW = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
ID = UUID("11111111-1111-4111-8111-111111111111")
OTHER = UUID("22222222-2222-4222-8222-222222222222")
POLICY = Policy(timedelta(hours=1), ("a@example.org",))


def tell(levels: Sequence[tuple[float, Observation]], policy: Policy = POLICY) -> list[tuple[float, Verdict, int]]:
    """Hours, verdict and line of every step that was something."""
    alert = Alert(ID, "BALANCE_LOW", ID)
    found: list[tuple[float, Verdict, int]] = []
    for hours, seen in levels:
        step = observed(alert, seen, policy, NOW + timedelta(hours=hours), shortage_id=OTHER, slot_id=OTHER)
        alert = step.alert
        if step.verdict is not Verdict.NOTHING:
            found.append((hours, step.verdict, alert.required_nanos))
    return found


def at_balance(*figures: tuple[float, int]) -> list[tuple[float, Observation]]:
    return [(hours, balance_seen(balance, (200, 1000))) for hours, balance in figures]


def test_thresholds_are_amounts_and_percents_of_the_last_top_up() -> None:
    assert thresholds([500, 100], [20, 0], 1000) == (100, 200, 500)


def test_a_balance_that_trembles_around_a_line_is_told_once() -> None:
    figures = [(hour, 999 + hour % 2 * 40) for hour in range(9)]
    assert tell(at_balance(*figures)) == [(0, Verdict.CLAIMED, 1000)]


def test_a_deeper_line_is_told_and_the_way_back_is_not() -> None:
    figures = at_balance((0, 999), (2, 199), (4, 400), (6, 199), (8, 1050), (10, 999))
    assert tell(figures) == [
        (0, Verdict.CLAIMED, 1000),
        (2, Verdict.CLAIMED, 200),
        (6, Verdict.CLAIMED, 200),
        (8, Verdict.RESOLVED, 200),
        (10, Verdict.CLAIMED, 1000),
    ]


def test_the_cooldown_holds_for_a_deeper_line() -> None:
    assert tell(at_balance((0, 999), (0.5, 199))) == [(0, Verdict.CLAIMED, 1000), (0.5, Verdict.SILENT, 200)]


@pytest.mark.parametrize(
    ("available", "spent", "hours", "expected_hours"),
    [(100, 50, 24, 48), (100, 0, 24, None), (100, 50, 0.5, None), (-5, 50, 24, 0), (10**18, 1, 24, None)],
)
def test_when_the_money_ends(available: int, spent: int, hours: float, expected_hours: float | None) -> None:
    expected = None if expected_hours is None else NOW + timedelta(hours=expected_hours)
    assert ends_at(available, spent, timedelta(hours=hours), NOW) == expected


def test_running_out_within_the_bound_and_ended_with_a_quarter_more() -> None:
    day, within = timedelta(days=1), timedelta(hours=72)
    near, between, far = (burn_seen(money, 100, day, NOW, within) for money in (300, 350, 380))
    assert (near.crossed, between.crossed, far.crossed) == (True, False, False)
    assert (near.cleared, between.cleared, far.cleared) == (False, False, True)
    assert near.facts == {"endsAt": (NOW + timedelta(days=3)).isoformat(), "perDayNanos": 100}
    assert not burn_seen(0, 100, day, NOW, within).crossed, "that is another notice's"


def test_a_limit_is_told_once_a_period() -> None:
    def seen(used: int, start: datetime) -> Observation:
        return cap_seen(100, used, 80, period_start=start, facts={})

    later = NOW + timedelta(days=1)
    story = [(1, seen(79, NOW)), (2, seen(80, NOW)), (3, seen(77, NOW)), (4, seen(99, NOW)), (25, seen(85, later))]
    assert [hours for hours, *_ in tell(story)] == [2, 25]
    assert tell([(1, seen(80, NOW)), (25, seen(10, later))])[-1][1] is Verdict.RESOLVED
    assert not cap_seen(0, 0, 80, period_start=NOW, facts={}).crossed


@settings(max_examples=200, deadline=None)
@given(st.lists(st.tuples(st.integers(1, 90), st.integers(0, 2000)), max_size=60))
def test_no_two_claims_within_a_cooldown_however_the_balance_moves(moves: list[tuple[int, int]]) -> None:
    minutes, story = 0, []
    for wait, balance in moves:
        minutes += wait
        story += at_balance((minutes / 60, balance))
    claims = [hours for hours, verdict, _ in tell(story) if verdict is Verdict.CLAIMED]
    assert all(later - earlier >= 1 - 1e-9 for earlier, later in pairwise(claims))


LEVELS = st.sampled_from([0, 100, 200])
MOMENTS = st.sampled_from([NOW - timedelta(hours=2), NOW - timedelta(hours=1), NOW])
SEEN = st.builds(Observation, st.booleans(), st.booleans(), LEVELS, st.just(50), st.none() | MOMENTS)


@given(st.none() | st.builds(Told, LEVELS, MOMENTS), SEEN)
def test_what_is_no_news_would_change_nothing(told: Told | None, seen: Observation) -> None:
    alert = Alert(ID, "BALANCE_LOW", ID)
    if told is not None:
        alert = replace(alert, shortage_id=OTHER, since=told.since, required_nanos=told.level_nanos)
    step = observed(alert, seen, POLICY, NOW, shortage_id=OTHER, slot_id=OTHER)
    assert is_news(told, seen) == (step.alert is not alert)
