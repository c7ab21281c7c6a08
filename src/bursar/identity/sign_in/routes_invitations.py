"""Management routes of invitations."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.requests import Request

from bursar.identity.access import Action
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, as_id, may
from bursar.identity.principal import Role
from bursar.identity.sign_in import invitations, rates
from bursar.identity.sign_in.caller import sign_in_of
from bursar.identity.sign_in.invitations import Invitation
from bursar.identity.wire import Answer, Ask
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["invitations"])
Language = Literal["de", "en", "fr", "it"]


class NewInvitation(Ask):
    email: Annotated[str, Field(max_length=320)]
    role: Role = "member"
    language: Language | None = None


class InvitationAnswer(Answer):
    id: UUID
    email: str | None
    role: Role
    language: str | None
    created_by: str
    created_at: datetime
    expires_at: datetime


class InvitationPage(Answer):
    invitations: list[InvitationAnswer]
    next_cursor: str | None


def _answer(invitation: Invitation) -> InvitationAnswer:
    return InvitationAnswer(
        id=invitation.invitation_id,
        email=invitation.email,
        role=invitation.role,
        language=invitation.language,
        created_by=invitation.created_by,
        created_at=invitation.created_at,
        expires_at=invitation.expires_at,
    )


@router.post("/api/mandates/{mandateId}/invitations", status_code=201, responses=refusals(409, 429))
async def invite(
    request: Request,
    response: Response,
    body: NewInvitation,
    visitor: Annotated[Visitor, Depends(may(Action.CHANGE_USERS))],
) -> InvitationAnswer:
    """Mails a link that makes whoever accepts it a user, by signing in. A newer invitation ends those before it."""
    sign_in = sign_in_of(request)
    mandate = visitor.mandate
    await rates.count(wiring_of(request).database, rates.BY_MANDATE, str(mandate.mandate_id))
    invitation = await invitations.invite(
        wiring_of(request).database,
        sign_in.secrets,
        mandate,
        email=body.email,
        role=body.role,
        language=body.language,
        created_by=visitor.actor,
        public_url=sign_in.public_url,
    )
    response.headers["Location"] = f"/api/mandates/{mandate.mandate_id}/invitations/{invitation.invitation_id}"
    return _answer(invitation)


@router.get("/api/mandates/{mandateId}/invitations", responses=refusals())
async def list_invitations(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_USERS))],
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> InvitationPage:
    """Those that nobody has accepted yet, oldest first, expired ones included."""
    page = await invitations.list_invitations(
        wiring_of(request).database, visitor.mandate.mandate_id, cursor=cursor, limit=limit
    )
    return InvitationPage(invitations=[_answer(each) for each in page.items], next_cursor=page.next_cursor)


@router.delete("/api/mandates/{mandateId}/invitations/{invitationId}", status_code=204, responses=refusals())
async def revoke_invitation(
    request: Request, invitationId: str, visitor: Annotated[Visitor, Depends(may(Action.CHANGE_USERS))]
) -> None:
    """The link is good for nothing from now on; a mail that has not left yet stays here."""
    await invitations.revoke_invitation(
        wiring_of(request).database, visitor.mandate.mandate_id, as_id(invitationId, "invitation")
    )
