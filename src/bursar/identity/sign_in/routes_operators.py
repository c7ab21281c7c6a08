"""Management routes of the installation's operators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.requests import Request

from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import Operator, as_id, may_operate
from bursar.identity.sign_in import operators
from bursar.identity.sign_in.id_token import LONGEST_SUBJECT
from bursar.identity.sign_in.operators import GrantedBy
from bursar.identity.wire import Answer, Ask
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["operators"])


class NewOperator(Ask):
    identity_id: Annotated[UUID | None, Field(description="as in that person's `GET /api/session`")] = None
    issuer: Annotated[str | None, Field(max_length=operators.LONGEST_ISSUER, description="with `subject`")] = None
    subject: Annotated[str | None, Field(max_length=LONGEST_SUBJECT, description="what the issuer calls them")] = None


class OperatorAnswer(Answer):
    id: UUID
    issuer: str
    subject: str
    display_name: str | None
    granted_by: GrantedBy
    added_at: datetime


class OperatorPage(Answer):
    operators: list[OperatorAnswer]
    next_cursor: str | None


def _answer(found: operators.Operator) -> OperatorAnswer:
    return OperatorAnswer(
        id=found.identity_id,
        issuer=found.issuer,
        subject=found.subject,
        display_name=found.display_name,
        granted_by=found.granted_by,
        added_at=found.added_at,
    )


@router.get("/api/operators", responses=refusals())
async def list_operators(
    request: Request,
    _: Annotated[Operator, Depends(may_operate(Action.READ_OPERATORS))],
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> OperatorPage:
    """Everybody who operates the installation by signing in; whoever has the root key operates it, too."""
    page = await operators.list_operators(wiring_of(request).database, cursor=cursor, limit=limit)
    return OperatorPage(operators=[_answer(each) for each in page.items], next_cursor=page.next_cursor)


@router.post("/api/operators", status_code=201, responses=refusals(409))
async def add_operator(
    request: Request,
    response: Response,
    body: NewOperator,
    _: Annotated[Operator, Depends(may_operate(Action.CHANGE_OPERATORS))],
) -> OperatorAnswer:
    """Somebody who has signed in, by `identityId`, or somebody who will, by `issuer` and `subject`."""
    added = await operators.add_operator(
        wiring_of(request).database, identity_id=body.identity_id, issuer=body.issuer, subject=body.subject
    )
    response.headers["Location"] = f"/api/operators/{added.identity_id}"
    return _answer(added)


@router.delete("/api/operators/{operatorId}", status_code=204, responses=refusals(409))
async def remove_operator(
    request: Request, operatorId: str, _: Annotated[Operator, Depends(may_operate(Action.CHANGE_OPERATORS))]
) -> None:
    """They are an operator no longer, from their next request on; one whom the settings name is changed there."""
    await operators.remove_operator(wiring_of(request).database, as_id(operatorId, "operator"))
