"""Management routes of spending limits."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.requests import Request

from bursar.billing import limit_list
from bursar.foundation.money import format_amount
from bursar.foundation.problems import Problem, invalid_field
from bursar.identity.access import Action, not_found
from bursar.identity.documented import IF_MATCH, refusals
from bursar.identity.entrance import Visitor, as_id, etag, if_match, may
from bursar.identity.mandates import changed_meanwhile
from bursar.identity.wire import AmountOrZero, Answer, Ask
from bursar.identity.wiring import wiring_of
from bursar.ledger.model import LimitScope, LimitSet, Period, Reason, Rejected

router = APIRouter(tags=["limits"])
_IF_MATCH: Final[dict[str, Any]] = {"parameters": [IF_MATCH]}
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
    return await _found(request, response, visitor, limit_id)


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


@router.get("/api/mandates/{mandateId}/limits/{limitId}", responses=refusals())
async def read_limit(
    request: Request, response: Response, limitId: str, visitor: Annotated[Visitor, Depends(may(Action.READ_LIMITS))]
) -> LimitAnswer:
    """One in force, with what the running period has spent and holds."""
    return await _found(request, response, visitor, as_id(limitId, "limit"))


@router.patch("/api/mandates/{mandateId}/limits/{limitId}", responses=refusals(412), openapi_extra=_IF_MATCH)
async def change_limit(
    request: Request,
    response: Response,
    limitId: str,
    body: LimitChange,
    visitor: Annotated[Visitor, Depends(may(Action.CHANGE_LIMITS))],
) -> LimitAnswer:
    """Another amount; what the period has used already counts on."""
    ledger, limit_id = wiring_of(request).ledger, as_id(limitId, "limit")
    version = if_match(request)
    _set(await ledger.change_limit(visitor.mandate.mandate_id, limit_id, body.amount, if_version=version))
    return await _found(request, response, visitor, limit_id)


@router.delete(
    "/api/mandates/{mandateId}/limits/{limitId}", status_code=204, responses=refusals(412), openapi_extra=_IF_MATCH
)
async def delete_limit(
    request: Request, limitId: str, visitor: Annotated[Visitor, Depends(may(Action.CHANGE_LIMITS))]
) -> None:
    """The cap holds nobody any more; what it has counted is kept."""
    ledger, limit_id = wiring_of(request).ledger, as_id(limitId, "limit")
    _set(await ledger.delete_limit(visitor.mandate.mandate_id, limit_id, if_version=if_match(request)))


async def _found(request: Request, response: Response, visitor: Visitor, limit_id: UUID) -> LimitAnswer:
    mandate = visitor.mandate
    database = wiring_of(request).database
    limit = await limit_list.get_limit(database, mandate.mandate_id, mandate.time_zone, limit_id)
    response.headers["ETag"] = etag(limit.version)
    return _answer(limit)


def _set(outcome: LimitSet | Rejected) -> LimitSet:
    """Raises a 404, 409 or 422 `Problem`."""
    if isinstance(outcome, LimitSet):
        return outcome
    if outcome.reason is Reason.LIMIT_EXISTS:
        detail = "There is a limit of this scope and period already: change its amount."
        raise Problem(409, "already_exists", "Already there", detail, "period")
    if outcome.reason is Reason.LIMIT_CHANGED:
        raise changed_meanwhile()
    if outcome.reason is Reason.OUT_OF_RANGE:
        raise invalid_field("amount", outcome.detail or "is out of range")
    raise not_found("limit")
