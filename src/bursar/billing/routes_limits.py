"""Management routes of spending limits."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.requests import Request

from bursar.billing import limit_list
from bursar.foundation.money import format_amount
from bursar.foundation.problems import Problem, invalid_field
from bursar.identity.access import Action, not_found
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, as_id, may
from bursar.identity.wire import AmountOrZero, Answer, Ask
from bursar.identity.wiring import wiring_of
from bursar.ledger.model import LimitScope, LimitSet, Period, Reason, Rejected

router = APIRouter(tags=["limits"])
_SCOPE_ID: Final = "a user (our id or the application's), a key's id, or a model's name; left out for the mandate"


class NewLimit(Ask):
    scope: LimitScope
    scope_id: Annotated[str | None, Field(max_length=300, description=_SCOPE_ID)] = None
    period: Period
    amount: AmountOrZero


class LimitChange(Ask):
    amount: AmountOrZero


class LimitAnswer(Answer):
    id: UUID
    scope: LimitScope
    scope_id: str
    period: Period
    amount: str
    spent: str
    held: str
    resets_at: datetime | None
    created_by: str | None
    created_at: datetime


class LimitPage(Answer):
    currency: str
    limits: list[LimitAnswer]
    next_cursor: str | None


def _answer(limit: limit_list.Limit) -> LimitAnswer:
    return LimitAnswer(
        id=limit.limit_id,
        scope=limit.scope,
        scope_id=limit.scope_id,
        period=limit.period,
        amount=format_amount(limit.amount_nanos),
        spent=format_amount(limit.spent_nanos),
        held=format_amount(limit.held_nanos),
        resets_at=limit.resets_at,
        created_by=limit.created_by,
        created_at=limit.created_at,
    )


@router.post("/api/mandates/{mandateId}/limits", status_code=201, responses=refusals(409))
async def create_limit(
    request: Request,
    response: Response,
    body: NewLimit,
    visitor: Annotated[Visitor, Depends(may(Action.CHANGE_LIMITS))],
) -> LimitAnswer:
    """A cap on what is spent in a period. Made in mid-period it counts what the period has used already."""
    wiring, mandate = wiring_of(request), visitor.mandate
    scope_id = await limit_list.checked_scope_id(wiring.database, mandate.mandate_id, body.scope, body.scope_id)
    outcome = await wiring.ledger.create_limit(
        mandate.mandate_id,
        scope=body.scope,
        scope_id=scope_id,
        period=body.period,
        amount_nanos=body.amount,
        created_by=visitor.actor,
    )
    limit_id = _set(outcome).limit_id
    response.headers["Location"] = f"/api/mandates/{mandate.mandate_id}/limits/{limit_id}"
    return _answer(await limit_list.get_limit(wiring.database, mandate.mandate_id, mandate.time_zone, limit_id))


@router.get("/api/mandates/{mandateId}/limits", responses=refusals())
async def list_limits(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_LIMITS))],
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> LimitPage:
    """Those in force, with what the running period has spent and holds."""
    mandate = visitor.mandate
    page = await limit_list.list_limits(
        wiring_of(request).database, mandate.mandate_id, mandate.time_zone, cursor=cursor, limit=limit
    )
    return LimitPage(
        currency=mandate.currency, limits=[_answer(each) for each in page.items], next_cursor=page.next_cursor
    )


@router.patch("/api/mandates/{mandateId}/limits/{limitId}", responses=refusals())
async def change_limit(
    request: Request, limitId: str, body: LimitChange, visitor: Annotated[Visitor, Depends(may(Action.CHANGE_LIMITS))]
) -> LimitAnswer:
    """Another amount; what the period has used already counts on."""
    wiring, mandate = wiring_of(request), visitor.mandate
    limit_id = as_id(limitId, "limit")
    _set(await wiring.ledger.change_limit(mandate.mandate_id, limit_id, body.amount))
    return _answer(await limit_list.get_limit(wiring.database, mandate.mandate_id, mandate.time_zone, limit_id))


@router.delete("/api/mandates/{mandateId}/limits/{limitId}", status_code=204, responses=refusals())
async def delete_limit(
    request: Request, limitId: str, visitor: Annotated[Visitor, Depends(may(Action.CHANGE_LIMITS))]
) -> None:
    """The cap holds nobody any more; what it has counted is kept."""
    _set(await wiring_of(request).ledger.delete_limit(visitor.mandate.mandate_id, as_id(limitId, "limit")))


def _set(outcome: LimitSet | Rejected) -> LimitSet:
    """Raises a 404, 409 or 422 `Problem`."""
    if isinstance(outcome, LimitSet):
        return outcome
    if outcome.reason is Reason.LIMIT_EXISTS:
        detail = "There is a limit of this scope and period already: change its amount."
        raise Problem(409, "already_exists", "Already there", detail, "period")
    if outcome.reason is Reason.OUT_OF_RANGE:
        raise invalid_field("amount", outcome.detail or "is out of range")
    raise not_found("limit")
