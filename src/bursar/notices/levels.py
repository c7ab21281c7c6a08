"""Lines that a figure may cross: thresholds of a balance, shares of a limit, and when money will end. Pure.

Every line has a hysteresis, so that a figure that trembles around it is told once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

from bursar.notices.kinds import BALANCE_LOW, EXHAUSTED
from bursar.notices.rules import Alert, Funds, Policy, Refused, Step, Verdict, funded, refused, still_short

LEAST_HISTORY: Final = timedelta(hours=1)
"""A burn rate of less is no rate."""
LOOKS_BACK: Final = timedelta(days=7)
EXPIRING_BEFORE: Final = (timedelta(days=14), timedelta(days=3), timedelta(days=1))


@dataclass(frozen=True, slots=True)
class Observation:
    """A figure as it is now. Amounts are nanos; `level_nanos` is the line that it is under (or the limit's amount).

    Neither crossed nor cleared: between the two lines of the hysteresis, where everything stays as it is.
    """

    crossed: bool
    cleared: bool
    level_nanos: int
    available_nanos: int
    begins_at: datetime | None = None
    """The first moment of the period that this belongs to: what was told of an earlier one does not count."""
    facts: Mapping[str, Any] | None = None


@dataclass(frozen=True, slots=True)
class Told:
    """Of a notice that has begun and not ended: the line that it told of, and when it began."""

    level_nanos: int
    since: datetime | None


def is_news(told: Told | None, seen: Observation) -> bool:
    """Whether `observed` could make something of it: where it could not, no alert has to be locked."""
    if told is None:
        return seen.crossed
    earlier = seen.begins_at is not None and told.since is not None and told.since < seen.begins_at
    return seen.cleared or earlier or (seen.crossed and seen.level_nanos != told.level_nanos)


def observed(
    alert: Alert, seen: Observation, policy: Policy, at: datetime, *, shortage_id: UUID, slot_id: UUID
) -> Step:
    """What an observation makes of an alert. The ids are fresh ones, taken if something begins."""
    earlier = seen.begins_at is not None and alert.since is not None and alert.since < seen.begins_at
    if alert.is_open and (seen.cleared or (earlier and not seen.crossed)):
        return funded(alert, at)
    if not seen.crossed:
        return Step(alert, Verdict.NOTHING)
    if alert.is_open and not earlier and seen.level_nanos >= alert.required_nanos:
        if seen.level_nanos == alert.required_nanos:
            return Step(alert, Verdict.NOTHING)
        # Above the line that was told, but under a higher one that was told before: nothing new.
        return Step(replace(alert, required_nanos=seen.level_nanos), Verdict.NOTHING)
    if alert.is_open:  # A deeper line, or a new period: another story than the one that was told.
        alert = replace(alert, resolved_at=at)
    news = Refused(0, seen.level_nanos, seen.available_nanos, None, None)
    return refused(alert, news, policy, at, shortage_id=shortage_id, slot_id=slot_id)


def still_so(kind: str, funds: Funds | None, required_nanos: int) -> bool:
    """Whether what a queued notice says is still true, as far as the account's money can tell.

    What is about other figures than the account's is ended by whoever observes them.
    """
    if kind == EXHAUSTED.name:
        return still_short(funds, required_nanos)
    if kind == BALANCE_LOW.name and funds is not None:
        return funds.refuses and funds.balance_nanos + funds.credit_limit_nanos < required_nanos
    return True


def thresholds(amounts_nanos: Iterable[int], percents: Iterable[int], last_top_up_nanos: int) -> tuple[int, ...]:
    """The lines of a balance in nanos, lowest first; percents are of the last top-up."""
    shares = (last_top_up_nanos * percent // 100 for percent in percents)
    return tuple(sorted({line for line in (*amounts_nanos, *shares) if line > 0}))


def balance_seen(available_nanos: int, lines: Iterable[int]) -> Observation:
    """Under which line the balance is: the lowest one. Cleared only 5 % above all of them."""
    under = [line for line in lines if available_nanos < line]
    cleared = all(available_nanos >= line + line // 20 for line in lines)
    return Observation(bool(under), cleared, min(under, default=0), available_nanos)


def ends_at(available_nanos: int, spent_nanos: int, span: timedelta, now: datetime) -> datetime | None:
    """When `available_nanos` are used up, if as much is spent as within the last `span`; `None` if never or unknown.

    Straight on from the mean of the week: no seasons, no weekends. Whoever reads it wants an order of magnitude.
    """
    if spent_nanos <= 0 or span < LEAST_HISTORY:
        return None
    left_seconds = max(available_nanos, 0) * int(span.total_seconds()) // spent_nanos
    if left_seconds > 10 * 366 * 86_400:
        return None
    return now + timedelta(seconds=left_seconds)


def burn_seen(available_nanos: int, spent_nanos: int, span: timedelta, now: datetime, within: timedelta) -> Observation:
    """Whether the money ends within `within`; cleared with a quarter more. An empty account is another notice's."""
    end = ends_at(available_nanos, spent_nanos, span, now)
    left = None if end is None else end - now
    crossed = left is not None and timedelta(0) < left <= within
    facts = None if end is None else {"endsAt": end.isoformat(), "perDayNanos": spent_nanos * 86_400 // _seconds(span)}
    return Observation(crossed, left is None or left > within * 5 / 4, 0, available_nanos, facts=facts)


def cap_seen(
    amount_nanos: int, used_nanos: int, percent: int, *, period_start: datetime, facts: Mapping[str, Any]
) -> Observation:
    """Whether `percent` of a limit are used; cleared five points below. A limit of zero is no surprise to anybody."""
    crossed = amount_nanos > 0 and used_nanos * 100 >= amount_nanos * percent
    cleared = amount_nanos == 0 or used_nanos * 100 < amount_nanos * max(percent - 5, 1)
    share = used_nanos * 100 // amount_nanos if amount_nanos else 0
    return Observation(
        crossed, cleared, amount_nanos, max(amount_nanos - used_nanos, 0), period_start, {**facts, "percent": share}
    )


def expiring_seen(amount_nanos: int, count: int, first_at: datetime, now: datetime) -> Observation:
    """Credit of `count` vouchers that expires unless it is redeemed: told two weeks, three days and one day before."""
    before = min(span for span in EXPIRING_BEFORE if first_at - now <= span)
    facts = {"expiresAt": first_at.isoformat(), "count": count}
    return Observation(True, False, 0, amount_nanos, first_at - before, facts)


def _seconds(span: timedelta) -> int:
    return max(int(span.total_seconds()), 1)
