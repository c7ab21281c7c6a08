"""Routes for the people of a mandate: what they are told in the application, and asking for a top-up.

A key that names nobody has no inbox and asks for nothing: a person does.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator, Sequence
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Final, Literal
from uuid import UUID

import orjson
from fastapi import APIRouter, Depends, Query
from starlette.requests import Request
from starlette.responses import StreamingResponse

from bursar.billing.refusal import billing_url
from bursar.identity.access import Action, not_found
from bursar.identity.documented import STREAM, refusals
from bursar.identity.entrance import Visitor, as_id, may
from bursar.identity.pages import cursor_parts
from bursar.identity.wire import Answer, Ask, Line
from bursar.identity.wiring import wiring_of
from bursar.notices import asking
from bursar.notices.reading import Inbox, InboxItem

router = APIRouter(tags=["notices"])
Somebody = Annotated[Visitor, Depends(may(Action.READ_INBOX))]
Finance = Annotated[Visitor, Depends(may(Action.DECIDE_TOP_UP_REQUESTS))]
_HEARTBEAT_ROUNDS: Final = 7
"""So many rounds without news, and the stream says that it is alive."""


class ItemAnswer(Answer):
    id: UUID
    kind: str
    created_at: datetime
    read_at: datetime | None
    title: str
    text: str


class InboxAnswer(Answer):
    items: list[ItemAnswer]
    next_cursor: str | None


class ReadAnswer(Answer):
    read: int


class TopUpAsk(Ask):
    reason: Line


class RequestAnswer(Answer):
    id: UUID
    user_id: UUID
    name: str | None
    reason: str
    state: Literal["OPEN", "APPROVED", "DECLINED"]
    created_at: datetime
    decided_at: datetime | None
    billing_url: str | None = None
    """Where to top up, once it is approved."""


class RequestPage(Answer):
    requests: list[RequestAnswer]
    next_cursor: str | None


@router.get("/api/mandates/{mandateId}/inbox", responses=refusals())
async def read_inbox(
    request: Request,
    visitor: Somebody,
    unread: Annotated[bool, Query()] = False,
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> InboxAnswer:
    """One's own notices, in one's own language; the newest first."""
    found = await _inbox(request, visitor).items(unread=unread, before=cursor_parts(cursor), limit=limit + 1)
    items = found[:limit]
    return InboxAnswer(items=[_item(each) for each in items], next_cursor=items[-1].cursor if found[limit:] else None)


@router.post("/api/mandates/{mandateId}/inbox/read", responses=refusals())
async def read_all(request: Request, visitor: Somebody) -> ReadAnswer:
    """Mark everything as read."""
    return ReadAnswer(read=await _inbox(request, visitor).mark_read())


@router.post("/api/mandates/{mandateId}/inbox/{itemId}/read", responses=refusals())
async def read_one(request: Request, itemId: str, visitor: Somebody) -> ReadAnswer:
    return ReadAnswer(read=await _inbox(request, visitor).mark_read(as_id(itemId, "item")))


@router.get(
    "/api/mandates/{mandateId}/inbox/stream", response_class=StreamingResponse, responses={**refusals(), **STREAM}
)
async def stream_inbox(request: Request, visitor: Somebody) -> StreamingResponse:
    """Server-sent events: `notice` for everything that comes; `Last-Event-ID` goes on where a connection broke."""
    live = _inbox(request, visitor).live(request.headers.get("last-event-id"))
    first = await anext(live)
    headers = {"cache-control": "no-store", "x-accel-buffering": "no"}
    return StreamingResponse(events(first, live), media_type="text/event-stream", headers=headers)


async def events(first: Sequence[InboxItem], live: AsyncGenerator[Sequence[InboxItem]]) -> AsyncIterator[bytes]:
    """Items as server-sent events, and a comment now and then so that a dead connection is noticed."""
    yield b": listening\n\n"
    async with aclosing(live):
        for item in first:
            yield _event(item)
        quiet = 0
        async for items in live:
            quiet = 0 if items else quiet + 1
            for item in items:
                yield _event(item)
            if quiet >= _HEARTBEAT_ROUNDS:
                quiet = 0
                yield b": still here\n\n"


@router.post("/api/mandates/{mandateId}/top-up-requests", status_code=201, responses=refusals())
async def ask_for_more(request: Request, body: TopUpAsk, visitor: Somebody) -> RequestAnswer:
    """Ask finance for a top-up; one open request per person, asking again changes its reason."""
    user_id = visitor.person.user_id
    asked = await asking.ask(wiring_of(request).database.ledger_pool, visitor.mandate.mandate_id, user_id, body.reason)
    return _request(asked)


@router.get("/api/mandates/{mandateId}/top-up-requests", responses=refusals())
async def list_requests(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_TOP_UP_REQUESTS))],
    state: Annotated[Literal["OPEN", "APPROVED", "DECLINED"] | None, Query()] = None,
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> RequestPage:
    """Finance sees all, everybody else their own; the newest first."""
    mandate_id = visitor.mandate.mandate_id
    async with wiring_of(request).database.as_mandate(mandate_id) as connection:
        page = await asking.list_requests(
            connection, mandate_id, user_id=visitor.own_user_id, state=state, cursor=cursor, limit=limit
        )
    return RequestPage(requests=[_request(each) for each in page.items], next_cursor=page.next_cursor)


@router.post("/api/mandates/{mandateId}/top-up-requests/{requestId}/approve", responses=refusals())
async def approve(request: Request, requestId: str, visitor: Finance) -> RequestAnswer:
    """Says yes, and where to top up: the money itself is put in there."""
    return await _decide(request, requestId, visitor, approve=True)


@router.post("/api/mandates/{mandateId}/top-up-requests/{requestId}/decline", responses=refusals())
async def decline(request: Request, requestId: str, visitor: Finance) -> RequestAnswer:
    return await _decide(request, requestId, visitor, approve=False)


async def _decide(request: Request, request_id: str, visitor: Visitor, *, approve: bool) -> RequestAnswer:
    wiring, mandate_id = wiring_of(request), visitor.mandate.mandate_id
    decided = await asking.decide(
        wiring.database.ledger_pool,
        mandate_id,
        as_id(request_id, "open request"),
        approve=approve,
        actor=visitor.actor,
    )
    if decided is None:
        raise not_found("open request")
    answer = _request(decided)
    answer.billing_url = billing_url(wiring.public_url, mandate_id) if approve else None
    return answer


def _inbox(request: Request, visitor: Visitor) -> Inbox:
    wiring = wiring_of(request)
    return Inbox(wiring.database, visitor.mandate, visitor.person, wiring.public_url)


def _item(item: InboxItem) -> ItemAnswer:
    return ItemAnswer(
        id=item.item_id,
        kind=item.kind,
        created_at=item.created_at,
        read_at=item.read_at,
        title=item.title,
        text=item.text,
    )


def _event(item: InboxItem) -> bytes:
    data = orjson.dumps(_item(item).model_dump(mode="json", by_alias=True))
    return b"id: %b\nevent: notice\ndata: %b\n\n" % (item.cursor.encode(), data)


def _request(asked: asking.TopUpRequest) -> RequestAnswer:
    return RequestAnswer.model_validate(
        {
            "id": asked.request_id,
            "user_id": asked.user_id,
            "name": asked.name,
            "reason": asked.reason,
            "state": asked.state,
            "created_at": asked.created_at,
            "decided_at": asked.decided_at,
        }
    )
