"""Operators' alerts in the database. `pool` is `bursar_ledger`'s everywhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from bursar.foundation.ids import new_id
from bursar.identity.pages import Page, cursor_parts, page_of
from bursar.notices.operators.rules import COOLDOWN, Happened, OperatorAlert, OperatorKind

if TYPE_CHECKING:
    from asyncpg import Pool

    from bursar.notices.store import Row

LEASE: Final = timedelta(minutes=5)

# What was told longer than a cooldown ago, and has been quiet since, begins anew.
_NOTE: Final = """
    INSERT INTO operator_alert (kind, subject, since, last_at, count, facts)
    SELECT new.kind, new.subject, $5, $5, new.count, new.facts
      FROM unnest($1::text[], $2::text[], $3::bigint[], $4::jsonb[]) AS new (kind, subject, count, facts)
     ORDER BY new.kind, new.subject
        ON CONFLICT (kind, subject) DO UPDATE
           SET last_at = EXCLUDED.last_at, facts = EXCLUDED.facts,
               count = EXCLUDED.count + CASE WHEN operator_alert.last_at < $5 - $6::interval
                    AND operator_alert.told_count = operator_alert.count THEN 0 ELSE operator_alert.count END,
               told_count = CASE WHEN operator_alert.last_at < $5 - $6::interval
                    AND operator_alert.told_count = operator_alert.count THEN 0 ELSE operator_alert.told_count END,
               since = CASE WHEN operator_alert.last_at < $5 - $6::interval
                    AND operator_alert.told_count = operator_alert.count THEN $5 ELSE operator_alert.since END
"""
_CLAIM: Final = """
    UPDATE operator_alert SET claim_id = $2, next_attempt_at = $1 + $3::interval, attempts = attempts + 1
     WHERE (kind, subject) IN (
           SELECT kind, subject FROM operator_alert
            WHERE told_count < count AND next_attempt_at <= $1 AND (told_at IS NULL OR told_at <= $1 - $4::interval)
            ORDER BY since LIMIT 100 FOR UPDATE SKIP LOCKED)
    RETURNING kind, subject, since, last_at, count, facts, told_at, told_count, attempts
"""
_TOLD: Final = """
    UPDATE operator_alert SET told_at = $2, told_count = told.count, attempts = 0, next_attempt_at = $2, claim_id = NULL
      FROM unnest($3::text[], $4::text[], $5::bigint[]) AS told (kind, subject, count)
     WHERE operator_alert.claim_id = $1 AND operator_alert.kind = told.kind AND operator_alert.subject = told.subject
"""
_AGAIN: Final = "UPDATE operator_alert SET next_attempt_at = $2, claim_id = NULL WHERE claim_id = $1"
_LIST: Final = """
    SELECT alert_id, kind, subject, since, last_at, count, facts, told_at, told_count FROM operator_alert
     WHERE ($1::text IS NULL OR kind = $1) AND ($2::timestamptz IS NULL OR (last_at, alert_id) < ($2, $3))
     ORDER BY last_at DESC, alert_id DESC LIMIT $4
"""
_OVERDUE: Final = "SELECT count(*) FROM hold WHERE state = 'PENDING' AND expires_at < $1::timestamptz - $2::interval"
_TURN: Final = """
    INSERT INTO operator_chore (name, ran_at) VALUES ($1, $2)
        ON CONFLICT (name) DO UPDATE SET ran_at = EXCLUDED.ran_at WHERE operator_chore.ran_at <= $2 - $3::interval
    RETURNING name
"""
_TURN_AGAIN: Final = "UPDATE operator_chore SET ran_at = $2 WHERE name = $1"


class Listed(NamedTuple):
    alert_id: UUID
    alert: OperatorAlert


@dataclass(frozen=True, slots=True)
class Claim:
    claim_id: UUID
    alerts: Sequence[OperatorAlert]
    attempts: int


async def note(pool: Pool, news: Sequence[Happened], at: datetime) -> None:
    """Count what has happened."""
    if news:
        await pool.execute(
            _NOTE,
            [each.kind.value for each in news],
            [each.subject for each in news],
            [each.count for each in news],
            [dict(each.facts) for each in news],
            at,
            COOLDOWN,
        )


async def claim(pool: Pool, at: datetime) -> Claim | None:
    """Everything that may be told, for this caller alone for a while."""
    claim_id = new_id()
    rows = await pool.fetch(_CLAIM, at, claim_id, LEASE, COOLDOWN)
    if not rows:
        return None
    alerts = [_alert(row) for row in rows]
    return Claim(claim_id, sorted(alerts, key=lambda alert: (alert.since, alert.subject)), rows[0]["attempts"])


async def told(pool: Pool, claim: Claim, at: datetime) -> None:
    await pool.execute(
        _TOLD,
        claim.claim_id,
        at,
        [alert.kind.value for alert in claim.alerts],
        [alert.subject for alert in claim.alerts],
        [alert.count for alert in claim.alerts],
    )


async def try_again(pool: Pool, claim: Claim, at: datetime) -> None:
    """Nobody could be told: due again then."""
    await pool.execute(_AGAIN, claim.claim_id, at)


async def list_alerts(
    pool: Pool, *, kind: OperatorKind | None = None, cursor: str | None = None, limit: int = 100
) -> Page[Listed]:
    """What happened last comes first. Raises a 422 `Problem` for a cursor that is none."""
    rows = await pool.fetch(_LIST, kind, *cursor_parts(cursor), limit + 1)
    found = [Listed(row["alert_id"], _alert(row)) for row in rows]
    return page_of(found, limit, lambda each: (each.alert.last_at, each.alert_id))


async def overdue_holds(pool: Pool, at: datetime, grace: timedelta) -> int:
    count: int = await pool.fetchval(_OVERDUE, at, grace)
    return count


async def takes_turn(pool: Pool, chore: str, at: datetime, every: timedelta) -> bool:
    """Whether the caller is the one that has to do it now, of all servers."""
    return await pool.fetchval(_TURN, chore, at, every) is not None


async def gives_turn_back(pool: Pool, chore: str, ran_at: datetime) -> None:
    """It could not be done: due again as if it had been done then."""
    await pool.execute(_TURN_AGAIN, chore, ran_at)


def _alert(row: Row) -> OperatorAlert:
    values = {name: row[name] for name in OperatorAlert.__slots__}
    return OperatorAlert(**{**values, "kind": OperatorKind(values["kind"])})
