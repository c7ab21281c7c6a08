"""Books that look as if they had been written long ago."""

from __future__ import annotations

import secrets
import time
from uuid import UUID

import asyncpg

from bursar.foundation.database import Database

AGE = """
    UPDATE hold SET limit_periods = ARRAY(
        SELECT CASE WHEN start > '1971-01-01' THEN start - $1::interval ELSE start END
          FROM unnest(limit_periods) WITH ORDINALITY AS leg (start, place) ORDER BY place);
    UPDATE hold SET created_at = created_at - $1::interval, expires_at = expires_at - $1::interval,
                    resolved_at = resolved_at - $1::interval WHERE state <> 'PENDING';
    UPDATE transfer SET at = at - $1::interval, limit_periods = ARRAY(
        SELECT CASE WHEN start > '1971-01-01' THEN start - $1::interval ELSE start END
          FROM unnest(limit_periods) WITH ORDINALITY AS leg (start, place) ORDER BY place);
    UPDATE limit_counter SET period_start = period_start - $1::interval, period_end = period_end - $1::interval
     WHERE period_start > '1971-01-01';
    UPDATE notice SET created_at = created_at - $1::interval, updated_at = updated_at - $1::interval,
                      sent_at = sent_at - $1::interval;
    UPDATE refused_user SET since = since - $1::interval;
    UPDATE alert SET since = since - $1::interval, resolved_at = resolved_at - $1::interval,
                     slot_claimed_at = slot_claimed_at - $1::interval, sent_at = sent_at - $1::interval,
                     warned_at = warned_at - $1::interval;
"""


def id_of(days_ago: float) -> UUID:
    """An id (UUIDv7) as it would have been made so many days ago."""
    millis = int((time.time() - days_ago * 86_400) * 1000)
    return UUID(int=millis << 80 | 0x7 << 76 | 0b10 << 62 | secrets.randbits(62))


async def age(database: Database, days: int) -> None:
    """Put everything that has happened so far `days` back, by the owner's right."""
    connection = await asyncpg.connect(database.addresses.owner.dsn)
    try:
        for statement in AGE.split(";")[:-1]:
            await connection.execute(statement.replace("$1", f"'{days} days'"))
    finally:
        await connection.close()
