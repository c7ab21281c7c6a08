"""Management routes of the audit log."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from bursar.foundation.problems import invalid_field
from bursar.identity import audit
from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import Operator, Visitor, may, may_operate
from bursar.identity.pages import Page
from bursar.identity.wire import Answer
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["audit log"])
Filter = Annotated[str | None, Query(min_length=1, max_length=100, pattern="^[^\\x00]*$")]
From = Annotated[datetime | None, Query(alias="from", description="the first moment; without an offset in UTC")]
To = Annotated[datetime | None, Query(alias="to", description="the end, itself not included")]


class EntryAnswer(Answer):
    """`before` and `after` hold what changed and nothing else. What is personal or secret is not kept here."""

    id: UUID
    at: datetime
    actor: str
    action: str
    object: str
    before: dict[str, Any] | None
    after: dict[str, Any] | None
    ip: str | None
    user_agent: str | None
    request_id: str | None


class EntryPage(Answer):
    entries: list[EntryAnswer]
    next_cursor: str | None


def _answer(page: Page[audit.AuditEntry]) -> EntryPage:
    entries = [
        EntryAnswer(
            id=entry.entry_id,
            at=entry.at,
            actor=entry.actor,
            action=entry.action,
            object=entry.object,
            before=audit.for_people(entry.before),
            after=audit.for_people(entry.after),
            ip=entry.ip,
            user_agent=entry.user_agent,
            request_id=entry.request_id,
        )
        for entry in page.items
    ]
    return EntryPage(entries=entries, next_cursor=page.next_cursor)


def _utc(value: datetime | None, field: str) -> datetime | None:
    if value is None:
        return None
    try:
        return value.replace(tzinfo=UTC) if value.tzinfo is None else value.astimezone(UTC)
    except OverflowError:
        raise invalid_field(field, "is too far away") from None


@router.get("/api/mandates/{mandateId}/audit", responses=refusals())
async def list_entries(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_AUDIT))],
    action: Filter = None,
    actor: Filter = None,
    begin: From = None,
    end: To = None,
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EntryPage:
    """Who changed what, from where, newest first. Nobody can change an entry."""
    page = await audit.list_entries(
        wiring_of(request).database,
        visitor.mandate.mandate_id,
        action=action,
        actor=actor,
        begin=_utc(begin, "from"),
        end=_utc(end, "to"),
        cursor=cursor,
        limit=limit,
    )
    return _answer(page)


@router.get("/api/audit", responses=refusals())
async def list_entries_of_the_installation(
    request: Request,
    _: Annotated[Operator, Depends(may_operate(Action.READ_OPERATOR_AUDIT))],
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> EntryPage:
    """What was done that belongs to no mandate: vouchers made and revoked. Newest first."""
    return _answer(
        await audit.list_entries(wiring_of(request).database, audit.INSTALLATION, cursor=cursor, limit=limit)
    )
