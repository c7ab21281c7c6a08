"""The worker's second look at shortages: those that were kept silent, and those that ended without a top-up.

Mandate by mandate, each in a transaction of its own; alerts first, then notices, as everywhere.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from bursar.foundation.database import Connection
from bursar.foundation.ids import new_id
from bursar.notices import store
from bursar.notices.levels import still_so
from bursar.notices.rider import apply
from bursar.notices.rules import Verdict, due, funded, told_nobody
from bursar.notices.store import AlertKey, Watched

if TYPE_CHECKING:
    from asyncpg import Pool

log = structlog.get_logger(__name__)

_DUE: Final = """
    SELECT mandate_id, kind, account_id FROM alert
     WHERE due_at <= coalesce($1, now()) ORDER BY due_at LIMIT $2
"""


async def look_again(pool: Pool, *, limit: int, at: datetime | None) -> int:
    """Tell shortages that are due and last; answers how many alerts were due. `at` is for tests."""
    rows = await pool.fetch(_DUE, at, limit)
    for key in sorted(AlertKey(row["mandate_id"], row["kind"], row["account_id"]) for row in rows):
        try:
            await _look_at(pool, key, at)
        except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
            raise
        except Exception:
            # One alert that cannot be looked at must not keep the others from it; it stays due.
            log.exception("alert_not_looked_at", mandate_id=str(key.mandate_id), kind=key.kind)
    return len(rows)


async def _look_at(pool: Pool, key: AlertKey, at: datetime | None) -> None:
    async with pool.acquire() as connection, connection.transaction():
        moment = await _moment(connection, at)
        seen = (await store.watch(connection, [key])).get(key)
        if seen is None or not seen.exists:
            return
        step = due(seen.alert, seen.policy, moment, lasts=_lasts(seen), slot_id=new_id())
        if step.alert is not seen.alert:
            over = [key] if step.verdict is Verdict.RESOLVED else []
            await apply(connection, [step], over, moment, facts={key: seen.facts} if seen.facts else {})


async def resolve_ended(pool: Pool, keys: Iterable[AlertKey], at: datetime | None) -> None:
    """End shortages that nobody would be refused for any more, though no money came: the line or the model changed.

    If the mail about it never went out, its slot is free again at once: nobody was disturbed.
    """
    for key in sorted(set(keys)):
        async with pool.acquire() as connection, connection.transaction():
            moment = await _moment(connection, at)
            seen = (await store.watch(connection, [key])).get(key)
            if seen is None or not seen.exists or _lasts(seen):
                continue
            step = funded(seen.alert, moment)
            alert = step.alert
            if alert.notified_at is None and alert.slot_id is not None and alert.slot_shortage_id == alert.shortage_id:
                alert = told_nobody(alert, alert.slot_id, moment, all_failed=False)
            await apply(connection, [replace(step, alert=alert)], [key], moment)


def _lasts(seen: Watched) -> bool:
    return seen.wanted and still_so(seen.alert.kind, seen.funds, seen.alert.required_nanos)


async def _moment(connection: Connection, at: datetime | None) -> datetime:
    moment: datetime = at if at is not None else await connection.fetchval("SELECT now()")
    return moment
