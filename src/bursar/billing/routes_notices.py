"""The management route of notices."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from bursar.billing import notice_list
from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, may
from bursar.identity.wire import Answer
from bursar.identity.wiring import wiring_of
from bursar.ledger.model import Payer

router = APIRouter(tags=["notices"])


class NoticeAnswer(Answer):
    id: UUID
    kind: str
    payer: Payer
    user_id: UUID | None
    """Whose wallet it is about."""
    recipient: str
    channel: str
    state: str
    attempts: int
    last_error: str | None
    created_at: datetime
    sent_at: datetime | None


class NoticePage(Answer):
    notices: list[NoticeAnswer]
    next_cursor: str | None


@router.get("/api/mandates/{mandateId}/notices", responses=refusals())
async def list_notices(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_NOTICES))],
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> NoticePage:
    """What was sent to whom, when, and how it ended; newest first."""
    mandate_id = visitor.mandate.mandate_id
    page = await notice_list.list_notices(wiring_of(request).database, mandate_id, cursor=cursor, limit=limit)
    notices = [
        NoticeAnswer(
            id=notice.notice_id,
            kind=notice.kind,
            payer="pool" if notice.account_id == mandate_id else "wallet",
            user_id=None if notice.account_id == mandate_id else notice.account_id,
            recipient=notice.recipient,
            channel=notice.channel,
            state=notice.state,
            attempts=notice.attempts,
            last_error=notice.last_error,
            created_at=notice.created_at,
            sent_at=notice.sent_at,
        )
        for notice in page.items
    ]
    return NoticePage(notices=notices, next_cursor=page.next_cursor)
