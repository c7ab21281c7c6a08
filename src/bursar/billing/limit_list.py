"""The spending limits of a mandate, with what the running period has used of them."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bursar.billing.money_in import user_of
from bursar.foundation.database import Database
from bursar.foundation.problems import invalid_field
from bursar.identity.access import not_found
from bursar.identity.lookup import as_uuid
from bursar.identity.pages import Page
from bursar.ledger.model import LimitScope, Period
from bursar.ledger.periods import period_bounds

LONGEST_MODEL: Final = 300

_LIMITS: Final = """
    SELECT l.limit_id, l.scope, l.scope_id, l.period, l.amount_nanos, l.created_by, l.created_at, l.version,
           coalesce(c.opening_nanos + c.spent_nanos, 0) AS spent_nanos, coalesce(c.held_nanos, 0) AS held_nanos,
           c.period_end, now() AS at
      FROM spending_limit l
      LEFT JOIN LATERAL (SELECT * FROM limit_counter c
                          WHERE c.mandate_id = l.mandate_id AND c.limit_id = l.limit_id
                            AND c.period_start <= now() AND c.period_end > now()
                          ORDER BY c.period_start DESC LIMIT 1) c ON true
     WHERE l.mandate_id = $1 AND l.deleted_at IS NULL
       AND ($2::uuid IS NULL OR l.limit_id > $2) AND ($4::uuid IS NULL OR l.limit_id = $4)
     ORDER BY l.limit_id
     LIMIT $3"""


_KEY_IS_HERE: Final = """
    SELECT true FROM api_key WHERE mandate_id = $1 AND key_id = $2 AND revoked_at IS NULL"""


@dataclass(frozen=True, slots=True)
class Limit:
    limit_id: UUID
    scope: LimitScope
    scope_id: str
    period: Period
    amount_nanos: int
    spent_nanos: int
    held_nanos: int
    resets_at: datetime | None
    created_by: str | None
    created_at: datetime
    version: int


async def list_limits(
    database: Database, mandate_id: UUID, time_zone: str, *, cursor: str | None = None, limit: int = 100
) -> Page[Limit]:
    """Those in force, oldest first. Raises a 422 `Problem` for a cursor that is none."""
    after = as_uuid(cursor) if cursor is not None else None
    if cursor is not None and after is None:
        raise invalid_field("cursor", "is not one that was given out here")
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_LIMITS, mandate_id, after, limit + 1, None)
    found = [_limit(row, time_zone) for row in rows[:limit]]
    return Page(found, str(found[-1].limit_id) if len(rows) > limit else None)


async def get_limit(database: Database, mandate_id: UUID, time_zone: str, limit_id: UUID) -> Limit:
    """Raises a 404 `Problem`."""
    async with database.as_mandate(mandate_id) as connection:
        row = await connection.fetchrow(_LIMITS, mandate_id, None, 1, limit_id)
    if row is None:
        raise not_found("limit")
    return _limit(row, time_zone)


def _limit(row: Any, time_zone: str) -> Limit:
    fields = dict(row)
    at, period_end = fields.pop("at"), fields.pop("period_end")
    # A period in which nothing was held yet has no counter, but has begun.
    end = period_end or period_bounds(fields["period"], at, time_zone)[1]
    return Limit(**fields, resets_at=None if fields["period"] == "total" else end)


async def checked_scope_id(database: Database, mandate_id: UUID, scope: LimitScope, scope_id: str | None) -> str:
    """The scope's id as the ledger knows it. Raises a 404 or 422 `Problem` that names the field."""
    if scope == "mandate":
        if scope_id is not None and as_uuid(scope_id) != mandate_id:
            raise invalid_field("scopeId", "must be this mandate's id, or left out")
        return str(mandate_id)
    if scope_id is None:
        raise invalid_field("scopeId", f"is required: which {scope}")
    if scope == "model":
        if not 1 <= len(scope_id) <= LONGEST_MODEL or not scope_id.isprintable():
            raise invalid_field("scopeId", "must be a model's name")
        return scope_id
    if scope == "user":
        return str(await user_of(database, mandate_id, scope_id, "scopeId"))
    wanted = as_uuid(scope_id)
    async with database.as_mandate(mandate_id) as connection:
        is_here = wanted is not None and await connection.fetchval(_KEY_IS_HERE, mandate_id, wanted)
    if not is_here:
        raise not_found(scope, "scopeId")
    return str(wanted)
