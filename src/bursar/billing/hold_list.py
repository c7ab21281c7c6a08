"""The holds of a mandate as finance sees them, newest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from bursar.foundation.database import Database
from bursar.foundation.problems import invalid_field
from bursar.identity.lookup import as_uuid
from bursar.identity.pages import Page
from bursar.ledger.model import HoldState, Payer

# A hold's id begins with its time: in the order of ids the newest are last.
_PAGE: Final = """
    SELECT hold_id, state, payer, billing_model, amount_nanos, used_nanos, charged_nanos, overrun_nanos, user_id,
           key_id, model, upstream, tags, origin, created_at, expires_at, resolved_at
      FROM hold
     WHERE mandate_id = $1 AND ($2::text IS NULL OR state = $2) AND ($3::uuid IS NULL OR hold_id < $3)
     ORDER BY hold_id DESC
     LIMIT $4"""


@dataclass(frozen=True, slots=True)
class ListedHold:
    hold_id: UUID
    state: HoldState
    payer: Payer
    billing_model: str
    amount_nanos: int
    used_nanos: int | None
    charged_nanos: int | None
    overrun_nanos: int | None
    user_id: UUID | None
    key_id: UUID | None
    model: str | None
    upstream: str | None
    tags: Mapping[str, str] | None
    origin: str
    created_at: datetime
    expires_at: datetime
    resolved_at: datetime | None


async def list_holds(
    database: Database, mandate_id: UUID, *, state: HoldState | None = None, cursor: str | None = None, limit: int = 100
) -> Page[ListedHold]:
    """Raises a 422 `Problem` for a cursor that is none."""
    before = as_uuid(cursor) if cursor is not None else None
    if cursor is not None and before is None:
        raise invalid_field("cursor", "is not one that was given out here")
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_PAGE, mandate_id, state, before, limit + 1)
    holds = [ListedHold(**dict(row)) for row in rows[:limit]]
    return Page(holds, str(holds[-1].hold_id) if len(rows) > limit else None)
