"""`/api/session`: who is signed in here, and what they are in which mandate."""

from __future__ import annotations

from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from fastapi import APIRouter, Response
from starlette.requests import Request

from bursar.identity.documented import refusals
from bursar.identity.principal import MandateStatus, Role
from bursar.identity.revision import note_change
from bursar.identity.sign_in import members
from bursar.identity.sign_in.caller import SignedIn, sign_in_of
from bursar.identity.sign_in.members import Membership
from bursar.identity.sign_in.page_texts import language_of
from bursar.identity.sign_in.sessions import Session
from bursar.identity.sign_in.tokens import csrf_token
from bursar.identity.wire import Answer, Ask
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["sign-in"])
Language = Literal["de", "en", "fr", "it"]

_SET_LANGUAGE: Final = "UPDATE identity SET language = $2 WHERE identity_id = $1"
_SET_USERS_LANGUAGE: Final = """
    UPDATE app_user u SET language = $2, version = u.version + 1 FROM membership m
     WHERE m.identity_id = $1 AND u.mandate_id = m.mandate_id AND u.user_id = m.user_id AND u.deleted_at IS NULL
       AND u.language IS DISTINCT FROM $2
    RETURNING u.mandate_id"""


class PersonAnswer(Answer):
    identity_id: UUID
    display_name: str | None
    email: str | None


class MembershipAnswer(Answer):
    id: UUID
    name: str
    status: MandateStatus
    currency: str
    time_zone: str
    user_id: UUID
    role: Role


class SessionAnswer(Answer):
    person: PersonAnswer
    operator: bool
    mandates: list[MembershipAnswer]
    """Those that the person belongs to. An operator works in all others, too."""
    language: Language
    csrf_token: str
    """For the header `x-csrf-token` of every change."""
    expires_at: datetime


class LanguageChange(Ask):
    language: Language


@router.get("/api/session", responses=refusals())
async def read_session(request: Request, response: Response, session: SignedIn) -> SessionAnswer:
    """Who is signed in."""
    async with sign_in_of(request).database.as_operator() as connection:
        known = await members.memberships(connection, session.identity_id)
    response.headers["Cache-Control"] = "no-store"
    return _answer(session, known, session.language or _first_language(request, known))


@router.put("/api/session/language", responses=refusals())
async def switch_language(
    request: Request, response: Response, session: SignedIn, body: LanguageChange
) -> SessionAnswer:
    """The language of the pages, and of everything that is said to this person, in all their mandates."""
    wiring = wiring_of(request)
    async with sign_in_of(request).database.as_operator() as connection:
        await connection.execute(_SET_LANGUAGE, session.identity_id, body.language)
        rows = await connection.fetch(_SET_USERS_LANGUAGE, session.identity_id, body.language)
        changed = sorted(row["mandate_id"] for row in rows)
        for mandate_id in changed:
            await note_change(connection, mandate_id)
        known = await members.memberships(connection, session.identity_id)
    for mandate_id in changed:
        wiring.authenticator.doubt(mandate_id)
    response.headers["Cache-Control"] = "no-store"
    return _answer(session, known, body.language)


def _first_language(request: Request, known: list[Membership]) -> str:
    """Until somebody chooses: their own as a user, their first mandate's, their browser's."""
    for each in known:
        if each.language is not None:
            return each.language
    return known[0].mandate_language if known else language_of(request.headers.get("accept-language"))


def _answer(session: Session, known: list[Membership], language: str) -> SessionAnswer:
    first = known[0] if known else None
    return SessionAnswer.model_validate(
        {
            "person": PersonAnswer(
                identity_id=session.identity_id,
                display_name=first.display_name if first is not None else session.display_name,
                email=first.email if first is not None else None,
            ),
            "operator": session.operates,
            "mandates": [
                MembershipAnswer.model_validate(
                    {
                        "id": each.mandate_id,
                        "name": each.name,
                        "status": each.status,
                        "currency": each.currency,
                        "time_zone": each.time_zone,
                        "user_id": each.user_id,
                        "role": each.role,
                    }
                )
                for each in known
            ],
            "language": language,
            "csrf_token": csrf_token(session.text),
            "expires_at": session.expires_at,
        }
    )
