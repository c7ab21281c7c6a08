"""Spending limits: making, changing and deleting a cap while calls are running.

A cap that is made in mid-period counts what the period has used already, and the open holds of its scope get a leg in
it. For that the whole mandate stands still for a moment: all its accounts are locked, in the order that is everywhere
the same. The history is summed up before; under the locks only what has been posted since is added.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from datetime import datetime
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg
import structlog

from bursar.foundation.money import MAX_AMOUNT_NANOS
from bursar.foundation.origin import SETTING, TELL_ORIGIN, origin_text
from bursar.ledger.check import is_storable
from bursar.ledger.checkpoint import PRUNED_SPENDING
from bursar.ledger.entry import LedgerUnavailable
from bursar.ledger.lane import CONNECTION_LOST, WORTH_ANOTHER_TRY
from bursar.ledger.model import LIMIT_SCOPES_IN_ORDER, LimitScope, LimitSet, Period, Reason, Rejected
from bursar.ledger.periods import period_bounds
from bursar.ledger.reading import LOCK_ACCOUNTS, OPEN_ACCOUNTS, Connection

log = structlog.get_logger(__name__)

ATTEMPTS: Final = 5
PERIODS: Final[tuple[Period, ...]] = ("day", "week", "month", "total")
MAX_SCOPE_ID: Final = 300

_ZONE: Final = "SELECT time_zone, clock_timestamp() FROM mandate WHERE mandate_id = $1"
_ACCOUNTS: Final = "SELECT account_id, version FROM account WHERE mandate_id = $1 ORDER BY account_id"

# `OFFSET 0` keeps a subquery a subquery: each transfer looks its hold up by its key. The planner, which may know a
# young journal as an empty one, would else run through all holds for each transfer.
_HOLD: Final = """
    CROSS JOIN LATERAL (SELECT h.account_id, h.user_id, h.key_id, h.model, h.created_at FROM hold h
                         WHERE h.mandate_id = t.mandate_id AND h.hold_id = t.hold_id OFFSET 0) AS h"""
_OF_SCOPE: Final = """
    ($3 = 'mandate' OR ($3 = 'user' AND h.user_id::text = $4) OR ($3 = 'key' AND h.key_id::text = $4)
     OR ($3 = 'model' AND h.model = $4))"""

# Holds that have been pruned are older than any period but the one of caps in total.
_PRUNED: Final = PRUNED_SPENDING.format(mandate_id="$1", scope="$3", scope_id="$4")
_POSTED: Final = f"""
    SELECT (coalesce(sum(CASE WHEN t.debit_account_id = h.account_id THEN t.amount_nanos ELSE -t.amount_nanos END), 0)
            + CASE WHEN $2 <= '1970-01-01T00:00:00Z'::timestamptz THEN coalesce({_PRUNED}, 0) ELSE 0 END)::bigint
      FROM transfer t {_HOLD}
     WHERE t.mandate_id = $1 AND t.kind IN ('CHARGE', 'LATE_ADJUSTMENT') AND t.at >= $2 AND h.created_at >= $2
       AND {_OF_SCOPE}"""  # noqa: S608

# An account's versions grow one by one under its lock, so what is above the version seen before is what came since.
_POSTED_SINCE: Final = f"""
    SELECT coalesce(sum(t.signed_nanos), 0)::bigint
      FROM unnest($5::uuid[], $6::bigint[]) AS seen (account_id, version)
     CROSS JOIN LATERAL (
           SELECT mandate_id, hold_id, kind, amount_nanos AS signed_nanos FROM transfer
            WHERE mandate_id = $1 AND debit_account_id = seen.account_id AND debit_version > seen.version
           UNION ALL
           SELECT mandate_id, hold_id, kind, -amount_nanos FROM transfer
            WHERE mandate_id = $1 AND credit_account_id = seen.account_id AND credit_version > seen.version
           OFFSET 0) AS t
    {_HOLD}
     WHERE h.account_id = seen.account_id AND t.kind IN ('CHARGE', 'LATE_ADJUSTMENT') AND h.created_at >= $2
       AND {_OF_SCOPE}"""  # noqa: S608

# What has run out may still be adjusted, and the adjustment counts, too.
_ADD_LEGS: Final = f"""
    WITH given AS (
        UPDATE hold h SET limit_ids = limit_ids || $5::uuid, limit_periods = limit_periods || $2::timestamptz
         WHERE h.mandate_id = $1 AND h.created_at >= $2 AND {_OF_SCOPE}
           AND h.hold_id = ANY(ARRAY(
               SELECT hold_id FROM hold WHERE mandate_id = $1 AND state = 'PENDING'
               UNION ALL SELECT hold_id FROM hold WHERE mandate_id = $1 AND state = 'EXPIRED' AND NOT adjusted))
        RETURNING CASE WHEN h.state = 'PENDING' THEN h.amount_nanos ELSE 0 END AS held)
    SELECT coalesce(sum(held), 0)::bigint FROM given"""  # noqa: S608

_IN_FORCE: Final = """
    SELECT limit_id FROM spending_limit
     WHERE mandate_id = $1 AND scope = $2 AND scope_id = $3 AND period = $4 AND deleted_at IS NULL"""
_INSERT: Final = """
    INSERT INTO spending_limit (mandate_id, limit_id, scope, scope_id, period, amount_nanos, created_by)
    VALUES ($1, $2, $3, $4, $5, $6, $7)"""
_INSERT_COUNTER: Final = """
    INSERT INTO limit_counter (mandate_id, limit_id, period_start, period_end, opening_nanos, held_nanos)
    VALUES ($1, $2, $3, $4, $5, $6)"""
_CHANGE: Final = """
    UPDATE spending_limit SET amount_nanos = $4, version = version + 1
     WHERE mandate_id = $1 AND limit_id = $2 AND deleted_at IS NULL AND ($3::bigint IS NULL OR version = $3)
    RETURNING limit_id, scope, scope_id, period, amount_nanos"""
_DELETE: Final = """
    UPDATE spending_limit SET deleted_at = clock_timestamp(), version = version + 1
     WHERE mandate_id = $1 AND limit_id = $2 AND deleted_at IS NULL AND ($3::bigint IS NULL OR version = $3)
    RETURNING limit_id, scope, scope_id, period, amount_nanos"""
_IS_THERE: Final = "SELECT true FROM spending_limit WHERE mandate_id = $1 AND limit_id = $2 AND deleted_at IS NULL"
_RUNNING: Final = """
    SELECT opening_nanos + spent_nanos, held_nanos, period_end FROM limit_counter
     WHERE mandate_id = $1 AND limit_id = $2 AND period_start <= clock_timestamp() AND period_end > clock_timestamp()
     ORDER BY period_start DESC LIMIT 1"""


class NewLimit(NamedTuple):
    mandate_id: UUID
    limit_id: UUID
    scope: LimitScope
    scope_id: str
    period: Period
    amount_nanos: int
    actor: str | None


class _Seen(NamedTuple):
    """What a period had used at some moment, and the accounts' versions of that moment."""

    start: datetime
    end: datetime
    posted_nanos: int
    versions: dict[UUID, int]


class _Moved(Exception):
    """An account was opened, or a period began, while the mandate was being locked: look again."""


async def create(pool: asyncpg.Pool, limit: NewLimit) -> LimitSet | Rejected:
    """Make a cap. `scope_id` is the mandate's, user's or key's id, or the model's name.

    Answers `LIMIT_EXISTS` where there is one for this scope and period. Raises `LedgerUnavailable`.
    """
    wrong = _unfit(limit)
    if wrong is not None:
        return Rejected(Reason.OUT_OF_RANGE, detail=wrong)

    async def work(connection: Connection) -> LimitSet | Rejected:
        async with connection.transaction(isolation="repeatable_read", readonly=True):
            seen = await _look(connection, limit)
        if seen is None:
            return Rejected(Reason.MANDATE_NOT_ACTIVE)
        async with connection.transaction():
            await connection.execute(TELL_ORIGIN, SETTING, origin_text())
            return await _make(connection, limit, seen)

    return await _try(pool, work)


async def change(
    pool: asyncpg.Pool, mandate_id: UUID, limit_id: UUID, amount_nanos: int, if_version: int | None = None
) -> LimitSet | Rejected:
    """Give a cap another amount. A batch that is just being decided goes by the old one."""
    if not 0 <= amount_nanos <= MAX_AMOUNT_NANOS:
        return Rejected(Reason.OUT_OF_RANGE, detail="the amount is out of range")

    async def work(connection: Connection) -> LimitSet | Rejected:
        async with connection.transaction():
            await connection.execute(TELL_ORIGIN, SETTING, origin_text())
            row = await connection.fetchrow(_CHANGE, mandate_id, limit_id, if_version, amount_nanos)
            return await _answer(connection, mandate_id, limit_id, row)

    return await _try(pool, work)


async def delete(
    pool: asyncpg.Pool, mandate_id: UUID, limit_id: UUID, if_version: int | None = None
) -> LimitSet | Rejected:
    """End a cap. Its legs stay, so that its counters still add up."""

    async def work(connection: Connection) -> LimitSet | Rejected:
        async with connection.transaction():
            await connection.execute(TELL_ORIGIN, SETTING, origin_text())
            row = await connection.fetchrow(_DELETE, mandate_id, limit_id, if_version)
            return await _answer(connection, mandate_id, limit_id, row)

    return await _try(pool, work)


async def _try(pool: asyncpg.Pool, work: Callable[[Connection], Awaitable[LimitSet | Rejected]]) -> LimitSet | Rejected:
    for attempt in range(1, ATTEMPTS + 1):
        try:
            async with pool.acquire(timeout=10) as connection:
                return await work(connection)
        except (_Moved, *WORTH_ANOTHER_TRY) as error:
            log.info("limit_tried_again", attempt=attempt, error=repr(error))
            await asyncio.sleep(0.02 * attempt)
        except CONNECTION_LOST as error:
            raise LedgerUnavailable("the ledger's database cannot be reached") from error
    raise LedgerUnavailable("the mandate's accounts are busy", retry_after_seconds=2)


def _unfit(limit: NewLimit) -> str | None:
    if limit.scope not in LIMIT_SCOPES_IN_ORDER or limit.period not in PERIODS:
        return "no such scope or period"
    if not 0 <= limit.amount_nanos <= MAX_AMOUNT_NANOS:
        return "the amount is out of range"
    if not limit.scope_id or len(limit.scope_id) > MAX_SCOPE_ID or not is_storable(limit.scope_id):
        return "the scope's id cannot be stored"
    if limit.scope == "mandate" and limit.scope_id != str(limit.mandate_id):
        return "the scope is another mandate"
    if limit.scope in ("user", "key"):
        try:
            UUID(limit.scope_id)
        except ValueError:
            return "the scope's id is not an id"
        if limit.scope_id != str(UUID(limit.scope_id)):
            return "the scope's id is not in its usual form"
    return None if is_storable(limit.actor) else "the actor cannot be stored"


async def _look(connection: Connection, limit: NewLimit) -> _Seen | None:
    """Sum up the running period's history, without any lock."""
    found = await connection.fetchrow(_ZONE, limit.mandate_id)
    if found is None:
        return None
    start, end = period_bounds(limit.period, found[1], found[0])
    posted = await connection.fetchval(_POSTED, limit.mandate_id, start, limit.scope, limit.scope_id)
    versions = {row[0]: row[1] for row in await connection.fetch(_ACCOUNTS, limit.mandate_id)}
    return _Seen(start, end, posted, versions)


async def _make(connection: Connection, limit: NewLimit, seen: _Seen) -> LimitSet | Rejected:
    mandate_id, start = limit.mandate_id, seen.start
    accounts = await _lock_mandate(connection, mandate_id)
    now = await connection.fetchrow(_ZONE, mandate_id)
    if now is None or period_bounds(limit.period, now[1], now[0]) != (seen.start, seen.end):
        raise _Moved("a period has begun")
    if await connection.fetchval(_IN_FORCE, mandate_id, limit.scope, limit.scope_id, limit.period) is not None:
        return Rejected(Reason.LIMIT_EXISTS)
    versions = [seen.versions.get(account_id, 0) for account_id in accounts]
    scope = limit.scope, limit.scope_id
    since = await connection.fetchval(_POSTED_SINCE, mandate_id, start, *scope, accounts, versions)
    held = await connection.fetchval(_ADD_LEGS, mandate_id, start, *scope, limit.limit_id)
    opening = seen.posted_nanos + since
    await connection.execute(_INSERT, mandate_id, limit.limit_id, *scope, limit.period, limit.amount_nanos, limit.actor)
    await connection.execute(_INSERT_COUNTER, mandate_id, limit.limit_id, start, seen.end, opening, held)
    resets_at = None if limit.period == "total" else seen.end
    return LimitSet(limit.limit_id, *scope, limit.period, limit.amount_nanos, opening, held, resets_at)


async def _lock_mandate(connection: Connection, mandate_id: UUID) -> list[UUID]:
    """Lock every account of the mandate, the pool above all: whoever opens an account locks that, too."""
    await connection.execute(OPEN_ACCOUNTS, [mandate_id], [mandate_id], ["pool"])
    wanted = [row[0] for row in await connection.fetch(_ACCOUNTS, mandate_id)]
    await connection.fetch(LOCK_ACCOUNTS, [mandate_id] * len(wanted), wanted)
    if [row[0] for row in await connection.fetch(_ACCOUNTS, mandate_id)] != wanted:
        raise _Moved("an account was opened")
    return wanted


async def _answer(
    connection: Connection, mandate_id: UUID, limit_id: UUID, row: asyncpg.Record | None
) -> LimitSet | Rejected:
    if row is None:
        is_there = await connection.fetchval(_IS_THERE, mandate_id, limit_id)
        return Rejected(Reason.LIMIT_CHANGED if is_there else Reason.LIMIT_NOT_FOUND)
    running = await connection.fetchrow(_RUNNING, mandate_id, row["limit_id"])
    spent, held, end = running if running is not None else (0, 0, None)
    limit_id, scope, scope_id, period, amount = row
    return LimitSet(limit_id, scope, scope_id, period, amount, spent, held, None if period == "total" else end)
