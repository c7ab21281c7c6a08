"""Which notices went to whom, and how it ended. The rows are the notices room's; here they are only read."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final
from uuid import UUID

from bursar.foundation.database import Database
from bursar.identity.pages import Page, cursor_parts, page_of

_PAGE: Final = """
    SELECT notice_id, kind, account_id, recipient, channel, state, attempts, last_error, created_at, sent_at
      FROM notice
     WHERE mandate_id = $1 AND ($2::timestamptz IS NULL OR (created_at, notice_id) < ($2, $3::uuid))
     ORDER BY created_at DESC, notice_id DESC
     LIMIT $4"""


@dataclass(frozen=True, slots=True)
class ListedNotice:
    notice_id: UUID
    kind: str
    account_id: UUID
    recipient: str
    channel: str
    state: str
    attempts: int
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None


async def list_notices(
    database: Database, mandate_id: UUID, *, cursor: str | None = None, limit: int = 100
) -> Page[ListedNotice]:
    """Newest first. Raises a 422 `Problem` for a cursor that is none."""
    created_at, notice_id = cursor_parts(cursor)
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_PAGE, mandate_id, created_at, notice_id, limit + 1)
    return page_of([ListedNotice(**dict(row)) for row in rows], limit, lambda each: (each.created_at, each.notice_id))
