"""Users who were refused ask for a top-up: finance gets one notice that collects all requests, and decides each.

One open request per user: asking again changes its reason. Whoever asked hears what came of it, in the application and
by mail.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

from bursar.foundation.database import Connection
from bursar.foundation.ids import new_id
from bursar.foundation.origin import SETTING, TELL_ORIGIN, origin_text
from bursar.identity.pages import Page, cursor_parts, page_of
from bursar.notices import inbox, store
from bursar.notices.figures import Figures
from bursar.notices.inbox import Item
from bursar.notices.kinds import TOP_UP_APPROVED, TOP_UP_DECLINED, TOP_UP_REQUESTED, NoticeKind
from bursar.notices.rider import apply
from bursar.notices.rules import Refused, Verdict, funded, opens_at, refused
from bursar.notices.store import AlertKey

if TYPE_CHECKING:
    from asyncpg import Pool

_ASK: Final = """
    INSERT INTO top_up_request (mandate_id, request_id, user_id, reason, created_at)
    VALUES ($1, $2, $3, $4, $5)
        ON CONFLICT (mandate_id, user_id) WHERE state = 'OPEN' DO UPDATE SET reason = EXCLUDED.reason
    RETURNING request_id, user_id, reason, state, created_at, decided_at, decided_by, xmax = 0 AS is_new
"""
_DECIDE: Final = """
    UPDATE top_up_request SET state = $3, decided_at = $4, decided_by = $5
     WHERE mandate_id = $1 AND request_id = $2 AND state = 'OPEN'
    RETURNING request_id, user_id, reason, state, created_at, decided_at, decided_by
"""
_LIST: Final = """
    SELECT request_id, asked.user_id, reason, state, asked.created_at, decided_at, decided_by,
           asker.display_name AS name
      FROM top_up_request AS asked JOIN app_user AS asker USING (mandate_id, user_id)
     WHERE mandate_id = $1 AND ($2::uuid IS NULL OR asked.user_id = $2) AND ($3::text IS NULL OR state = $3)
       AND ($4::timestamptz IS NULL OR (asked.created_at, request_id) < ($4, $5))
     ORDER BY asked.created_at DESC, request_id DESC LIMIT $6
"""
# To the person's own address, unless it is dead or wants no more.
_TELL: Final = """
    INSERT INTO notice (mandate_id, notice_id, kind, account_id, shortage_id, slot_id, channel, recipient, payload,
                        next_attempt_at, created_at, updated_at)
    SELECT $1, $2, $3, $1, $2, $2, 'email', asker.email, $5, $6, $6, $6 FROM app_user AS asker
     WHERE asker.mandate_id = $1 AND asker.user_id = $4 AND asker.deleted_at IS NULL AND asker.email IS NOT NULL
       AND NOT EXISTS (SELECT FROM recipient_state AS gone WHERE gone.mandate_id = $1 AND gone.channel = 'email'
                          AND gone.address = asker.email)
        ON CONFLICT (mandate_id, kind, account_id, recipient) WHERE state = 'QUEUED'
        DO UPDATE SET payload = EXCLUDED.payload, updated_at = EXCLUDED.updated_at
"""
_ANY_OPEN: Final = "SELECT EXISTS (SELECT FROM top_up_request WHERE mandate_id = $1 AND state = 'OPEN')"


@dataclass(frozen=True, slots=True)
class TopUpRequest:
    """`state` is `OPEN`, `APPROVED` or `DECLINED`."""

    request_id: UUID
    user_id: UUID
    reason: str
    state: str
    created_at: datetime
    decided_at: datetime | None
    decided_by: str | None
    name: str | None = None


async def ask(pool: Pool, mandate_id: UUID, user_id: UUID, reason: str, at: datetime | None = None) -> TopUpRequest:
    """Ask, and have finance told: at once, or when the cooldown ends.

    `pool` is `bursar_ledger`'s; `at` is for tests.
    """
    key = AlertKey(mandate_id, TOP_UP_REQUESTED.name, mandate_id)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(TELL_ORIGIN, SETTING, origin_text())
        moment = await _moment(connection, at)
        watched = (await store.watch(connection, [key], begins={key}))[key]
        row = dict(await connection.fetchrow(_ASK, mandate_id, new_id(), user_id, reason, moment) or {})
        if row.pop("is_new"):
            news = Refused(1, 0, 0, user_id, None)
            step = refused(watched.alert, news, watched.policy, moment, shortage_id=new_id(), slot_id=new_id())
            if step.verdict is Verdict.SILENT:
                # Each request is news: what came within the cooldown is collected and told when it ends.
                opens = opens_at(step.alert, watched.policy.cooldown)
                moments = [each for each in (opens, watched.policy.silent_until) if each is not None]
                step = replace(step, alert=replace(step.alert, due_at=max(moments)))
            await apply(connection, [step], [], moment)
    return TopUpRequest(**row)


async def decide(
    pool: Pool, mandate_id: UUID, request_id: UUID, *, approve: bool, actor: str, at: datetime | None = None
) -> TopUpRequest | None:
    """Approve or decline, and tell whoever asked; `None` where there is no such open request."""
    key = AlertKey(mandate_id, TOP_UP_REQUESTED.name, mandate_id)
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(TELL_ORIGIN, SETTING, origin_text())
        moment = await _moment(connection, at)
        watched = (await store.watch(connection, [key])).get(key)
        state = "APPROVED" if approve else "DECLINED"
        row = await connection.fetchrow(_DECIDE, mandate_id, request_id, state, moment, actor)
        if row is None:
            return None
        request = TopUpRequest(**dict(row))
        await _tell(connection, mandate_id, request, TOP_UP_APPROVED if approve else TOP_UP_DECLINED, moment)
        if watched is not None and watched.exists and not await connection.fetchval(_ANY_OPEN, mandate_id):
            step = funded(watched.alert, moment)
            await apply(connection, [step], [key] if step.verdict is Verdict.RESOLVED else [], moment)
    return request


async def _tell(
    connection: Connection, mandate_id: UUID, request: TopUpRequest, kind: NoticeKind, moment: datetime
) -> None:
    content = {"requestId": str(request.request_id), "reason": request.reason}
    await inbox.put(connection, [Item(mandate_id, kind.name, mandate_id, content, request.user_id)], moment)
    figures = Figures(request.created_at, 0, 0, 0, 0, request.user_id, None, {"own": True})
    await connection.execute(_TELL, mandate_id, new_id(), kind.name, request.user_id, figures.to_json(), moment)


async def list_requests(
    connection: Connection,
    mandate_id: UUID,
    *,
    user_id: UUID | None = None,
    state: str | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[TopUpRequest]:
    """The newest first, of one user where that is said. Raises a 422 `Problem` for a cursor that is none."""
    rows = await connection.fetch(_LIST, mandate_id, user_id, state, *cursor_parts(cursor), limit + 1)
    return page_of([TopUpRequest(**dict(row)) for row in rows], limit, lambda each: (each.created_at, each.request_id))


async def _moment(connection: Connection, at: datetime | None) -> datetime:
    moment: datetime = at if at is not None else await connection.fetchval("SELECT now()")
    return moment
