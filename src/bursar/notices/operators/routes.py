"""Management route of what operators are told, by mail or not: for operators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from bursar.billing.models import Language
from bursar.billing.texts import choose_language
from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import Operator, may_operate
from bursar.identity.wire import Answer
from bursar.identity.wiring import wiring_of
from bursar.notices.operators import store
from bursar.notices.operators.mail import title_of
from bursar.notices.operators.rules import OperatorKind

router = APIRouter(tags=["installation"])


class AlertAnswer(Answer):
    """`count` times since `since`, of which `untold` are in no mail yet; after an hour of silence it begins anew."""

    id: UUID
    kind: OperatorKind
    subject: str
    """What it is about: an upstream, an event, an invariant."""
    title: str
    """In the reader's language."""
    since: datetime
    last_at: datetime
    count: int
    untold: int
    told_at: datetime | None
    """When a mail about it was accepted last."""
    facts: dict[str, Any]
    """Of the last time."""


class AlertPage(Answer):
    alerts: list[AlertAnswer]
    next_cursor: str | None


@router.get("/api/alerts", responses=refusals())
async def list_alerts(
    request: Request,
    operator: Annotated[Operator, Depends(may_operate(Action.READ_ALERTS))],
    kind: Annotated[OperatorKind | None, Query()] = None,
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> AlertPage:
    """What needs an operator's attention, whether it was mailed or not; what happened last comes first."""
    pool = wiring_of(request).database.ledger_pool
    page = await store.list_alerts(pool, kind=kind, cursor=cursor, limit=limit)
    person = operator.caller.person
    language = choose_language(request.headers.get("accept-language"), person.language if person is not None else None)
    return AlertPage(alerts=[_answer(each, language) for each in page.items], next_cursor=page.next_cursor)


def _answer(listed: store.Listed, language: Language) -> AlertAnswer:
    alert = listed.alert
    return AlertAnswer(
        id=listed.alert_id,
        kind=alert.kind,
        subject=alert.subject,
        title=title_of(alert, language),
        since=alert.since,
        last_at=alert.last_at,
        count=alert.count,
        untold=alert.new_count,
        told_at=alert.told_at,
        facts=dict(alert.facts),
    )
