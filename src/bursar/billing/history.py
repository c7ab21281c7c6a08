"""An account's balance over time: worked back from what is there now, with what came in and what was refused."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final, Literal
from uuid import UUID
from zoneinfo import ZoneInfo

from bursar.foundation.database import Database

Step = Literal["hour", "day"]
MOST_MARKS: Final = 500
MOST_POINTS: Final = 800
LONGEST_BY_HOUR: Final = timedelta(days=4)
USUAL: Final = timedelta(days=30)
LONGEST: Final = timedelta(days=732)

# Both sides in one statement, so that they see the same moment. A row without a bucket is what is there now.
_MOVED: Final = """
    SELECT NULL::timestamptz AS bucket, coalesce(sum(credits_posted - debits_posted), 0) AS moved
      FROM account WHERE mandate_id = $1 AND account_id = $2
     UNION ALL
    SELECT date_trunc($4, at, $5), sum(amount)
      FROM (SELECT at, -amount_nanos AS amount FROM transfer
             WHERE mandate_id = $1 AND debit_account_id = $2 AND at >= $3
             UNION ALL
            SELECT at, amount_nanos FROM transfer
             WHERE mandate_id = $1 AND credit_account_id = $2 AND at >= $3) AS move
     GROUP BY 1"""

_MARKS: Final = """
    SELECT at, kind, reference, CASE WHEN credit_account_id = $2 THEN amount_nanos ELSE -amount_nanos END AS amount
      FROM transfer
     WHERE mandate_id = $1 AND (debit_account_id = $2 OR credit_account_id = $2) AND at >= $3 AND at < $4
       AND kind IN ('TOP_UP', 'CORRECTION', 'REFUND', 'WALLET_TRANSFER')
     ORDER BY at DESC LIMIT $5"""

_REFUSALS: Final = """
    SELECT date_trunc($5, hour, $6) AS at, sum(calls)::bigint AS calls FROM refusal_hour
     WHERE mandate_id = $1 AND account_id = $2 AND hour >= $3 AND hour < $4
     GROUP BY 1 ORDER BY 1"""


@dataclass(frozen=True, slots=True)
class Point:
    """What was posted on the account at the end of a step (of the last one: now)."""

    at: datetime
    balance_nanos: int


@dataclass(frozen=True, slots=True)
class Mark:
    """Money that came in or went out otherwise than by calls; the sign is the account's."""

    at: datetime
    kind: str
    reference: str | None
    amount_nanos: int


@dataclass(frozen=True, slots=True)
class Refusals:
    at: datetime
    calls: int


@dataclass(frozen=True, slots=True)
class History:
    step: Step
    points: Sequence[Point]
    marks: Sequence[Mark]
    refusals: Sequence[Refusals]


async def get_history(
    database: Database, mandate_id: UUID, account_id: UUID, *, begin: datetime, end: datetime, now: datetime, zone: str
) -> History:
    """From `begin` (in its step) up to `end`, at most now, in steps of `zone`. Refusals for lack of money only."""
    step: Step = "hour" if end - begin <= LONGEST_BY_HOUR else "day"
    starts = list(steps(begin, min(end, now), step, zone))
    first = starts[0]
    async with database.as_mandate(mandate_id) as connection:
        moved = await connection.fetch(_MOVED, mandate_id, account_id, first, step, zone)
        marks = await connection.fetch(_MARKS, mandate_id, account_id, first, end, MOST_MARKS)
        refused = await connection.fetch(_REFUSALS, mandate_id, account_id, first, end, step, zone)
    return History(
        step,
        worked_back({row["bucket"]: int(row["moved"]) for row in moved}, starts, step, zone, now),
        [Mark(**_mark(row)) for row in reversed(marks)],
        [Refusals(row["at"], row["calls"]) for row in refused],
    )


def worked_back(
    moved: dict[datetime | None, int], starts: Sequence[datetime], step: Step, zone: str, now: datetime
) -> list[Point]:
    """The balance at the end of each step. `moved` is what each has added; under `None` stands the balance of now."""
    balance = moved.pop(None, 0)
    points: list[Point] = []
    left = dict(moved)
    for start in reversed(starts):
        after = after_step(start, step, zone)
        balance -= sum(left.pop(bucket) for bucket in [each for each in left if each is not None and each >= after])
        points.append(Point(min(after, now), balance))
    return points[::-1]


def steps(begin: datetime, end: datetime, step: Step, zone: str) -> Sequence[datetime]:
    """The starts of all steps from the one that `begin` is in to the one before `end`; at least one."""
    start = start_of_step(begin, step, zone)
    found = [start]
    while (start := after_step(start, step, zone)) < end and len(found) < MOST_POINTS:
        found.append(start)
    return found


def start_of_step(at: datetime, step: Step, zone: str) -> datetime:
    local = at.astimezone(ZoneInfo(zone)).replace(minute=0, second=0, microsecond=0)
    if step == "day":
        local = local.replace(hour=0, fold=0)
    return local.astimezone(UTC)


def after_step(start: datetime, step: Step, zone: str) -> datetime:
    """A day of a change to or from daylight saving time has 23 or 25 hours."""
    if step == "hour":
        return start + timedelta(hours=1)
    return start_of_step(start + timedelta(hours=36), "day", zone)


def _mark(row: Any) -> dict[str, Any]:
    return {
        "at": row["at"],
        "kind": row["kind"],
        "reference": row["reference"],
        "amount_nanos": row["amount"],
    }
