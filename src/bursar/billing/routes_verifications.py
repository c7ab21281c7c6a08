"""Management routes of checks of the books: for operators."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query
from starlette.requests import Request

from bursar.billing import verifications
from bursar.identity.access import Action, not_found
from bursar.identity.documented import refusals
from bursar.identity.entrance import Operator, as_id, may_operate
from bursar.identity.wire import Answer, Ask
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["verification"])
Verifier = Annotated[Operator, Depends(may_operate(Action.VERIFY_BOOKS))]


class VerificationAsk(Ask):
    mandate_id: UUID | None = None
    """Only this mandate's books; without it, all."""


class FindingAnswer(Answer):
    invariant: str
    mandate_id: UUID
    subject: str
    detail: str
    is_warning: bool


class VerificationAnswer(Answer):
    """`findings` are the first hundred; `violations` and `warnings` count all."""

    id: UUID
    state: Literal["RUNNING", "CLEAN", "VIOLATED", "BROKEN_OFF"]
    mandate_id: UUID | None
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    violations: int | None
    warnings: int | None
    findings: list[FindingAnswer]


class VerificationPage(Answer):
    verifications: list[VerificationAnswer]
    next_cursor: str | None


@router.post("/api/verifications", status_code=202, responses=refusals())
async def begin_verification(request: Request, body: VerificationAsk, operator: Verifier) -> VerificationAnswer:
    """Begins a check of every invariant of the books, as `bursar verify` does; look again for how it ended."""
    found = await verifications.begin(wiring_of(request).database, body.mandate_id, operator.caller.actor)
    return _answer(found)


@router.get("/api/verifications", responses=refusals())
async def list_verifications(
    request: Request,
    _: Verifier,
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=200)] = 50,
) -> VerificationPage:
    """The checks, newest first."""
    page = await verifications.list_verifications(wiring_of(request).database, cursor=cursor, limit=limit)
    return VerificationPage(verifications=[_answer(each) for each in page.items], next_cursor=page.next_cursor)


@router.get("/api/verifications/{verificationId}", responses=refusals())
async def read_verification(request: Request, verificationId: str, _: Verifier) -> VerificationAnswer:
    found = await verifications.get_verification(
        wiring_of(request).database, as_id(verificationId, "check of the books")
    )
    if found is None:
        raise not_found("check of the books")
    return _answer(found)


def _answer(found: verifications.Verification) -> VerificationAnswer:
    state: Literal["RUNNING", "CLEAN", "VIOLATED", "BROKEN_OFF"] = "RUNNING"
    if not found.is_running:
        state = "BROKEN_OFF" if found.violations is None else "VIOLATED" if found.violations else "CLEAN"
    return VerificationAnswer(
        id=found.verification_id,
        state=state,
        mandate_id=found.of_mandate_id,
        started_by=found.started_by,
        started_at=found.started_at,
        ended_at=found.ended_at,
        violations=found.violations,
        warnings=found.warnings,
        findings=[
            FindingAnswer(
                invariant=each["invariant"],
                mandate_id=UUID(each["mandateId"]),
                subject=each["subject"],
                detail=each["detail"],
                is_warning=each["isWarning"],
            )
            for each in found.findings or ()
        ],
    )
