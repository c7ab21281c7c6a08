"""Management routes of mandates."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.requests import Request

from bursar.identity import mandates
from bursar.identity.access import Action
from bursar.identity.documented import IF_MATCH, refusals
from bursar.identity.entrance import Operator, Visitor, etag, if_match, may, may_operate
from bursar.identity.principal import BillingModelName, MandateStatus
from bursar.identity.wire import AmountOrZero, Answer, Ask, Line
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["mandates"])
Language = Literal["de", "en", "fr", "it"]


class NewMandate(Ask):
    name: Line
    currency: Annotated[str, Field(pattern="^[A-Z]{3}$")] = "CHF"
    billing_model: BillingModelName = "PREPAY_MANDATE"
    credit_limit: AmountOrZero | None = None
    language: Language = "de"
    time_zone: Annotated[str, Field(max_length=64, description="IANA name")] = "Europe/Zurich"


class MandateChange(Ask):
    name: Line | None = None
    status: MandateStatus | None = None
    language: Language | None = None
    time_zone: Annotated[str | None, Field(max_length=64, description="IANA name")] = None


class MandateAnswer(Answer):
    id: UUID
    name: str
    currency: str
    status: MandateStatus
    billing_model: BillingModelName
    language: str
    time_zone: str
    created_at: datetime


class MandatePage(Answer):
    mandates: list[MandateAnswer]
    next_cursor: str | None


def _answer(mandate: mandates.Mandate) -> MandateAnswer:
    return MandateAnswer(
        id=mandate.mandate_id,
        name=mandate.name,
        currency=mandate.currency,
        status=mandate.status,
        billing_model=mandate.billing_model,
        language=mandate.language,
        time_zone=mandate.time_zone,
        created_at=mandate.created_at,
    )


@router.post("/api/mandates", status_code=201, responses=refusals())
async def create_mandate(
    request: Request,
    response: Response,
    body: NewMandate,
    _: Annotated[Operator, Depends(may_operate(Action.CREATE_MANDATE))],
) -> MandateAnswer:
    """A new mandate with an empty pool. With `POSTPAY`, `creditLimit` says how far below zero the pool may go."""
    mandate = await mandates.create_mandate(
        wiring_of(request).database,
        name=body.name,
        currency=body.currency,
        billing_model=body.billing_model,
        credit_limit_nanos=body.credit_limit,
        language=body.language,
        time_zone=body.time_zone,
    )
    response.headers["Location"] = f"/api/mandates/{mandate.mandate_id}"
    response.headers["ETag"] = etag(mandate.version)
    return _answer(mandate)


@router.get("/api/mandates", responses=refusals())
async def list_mandates(
    request: Request,
    _: Annotated[Operator, Depends(may_operate(Action.LIST_MANDATES))],
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> MandatePage:
    """All mandates, oldest first."""
    page = await mandates.list_mandates(wiring_of(request).database, cursor=cursor, limit=limit)
    return MandatePage(mandates=[_answer(mandate) for mandate in page.items], next_cursor=page.next_cursor)


@router.get("/api/mandates/{mandateId}", responses=refusals())
async def read_mandate(
    request: Request, response: Response, visitor: Annotated[Visitor, Depends(may(Action.READ_MANDATE))]
) -> MandateAnswer:
    mandate = await mandates.get_mandate(wiring_of(request).database, visitor.mandate.mandate_id)
    response.headers["ETag"] = etag(mandate.version)
    return _answer(mandate)


@router.patch("/api/mandates/{mandateId}", responses=refusals(412), openapi_extra={"parameters": [IF_MATCH]})
async def change_mandate(
    request: Request,
    response: Response,
    body: MandateChange,
    visitor: Annotated[Visitor, Depends(may(Action.RENAME_MANDATE))],
) -> MandateAnswer:
    """Changes what is given. The currency never changes; the status is the operator's."""
    if body.status is not None and body.status != visitor.mandate.status:
        visitor.require(Action.SET_MANDATE_STATUS, "status")
    wiring = wiring_of(request)
    mandate = await mandates.change_mandate(
        wiring.database,
        visitor.mandate.mandate_id,
        name=body.name,
        status=body.status,
        language=body.language,
        time_zone=body.time_zone,
        if_version=if_match(request),
    )
    wiring.authenticator.doubt(mandate.mandate_id)
    response.headers["ETag"] = etag(mandate.version)
    return _answer(mandate)
