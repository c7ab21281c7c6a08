"""Management routes of users."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field
from starlette.requests import Request

from bursar.identity import users
from bursar.identity.access import Action
from bursar.identity.departure import delete_user
from bursar.identity.documented import IF_MATCH, refusals
from bursar.identity.entrance import Visitor, as_id, etag, if_match, may
from bursar.identity.principal import Role
from bursar.identity.wire import Answer, Ask, Line, UserName
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["users"])
Language = Literal["de", "en", "fr", "it"]
Email = Annotated[str, Field(max_length=320)]
TimeZone = Annotated[str, Field(max_length=64, description="IANA name")]


class NewUser(Ask):
    email: Email | None = None
    display_name: Line | None = None
    role: Role = "member"
    language: Language | None = None
    time_zone: TimeZone | None = None
    external_id: UserName | None = None


class UserChange(Ask):
    email: Email | None = None
    display_name: Line | None = None
    role: Role | None = None
    language: Language | None = None
    time_zone: TimeZone | None = None
    external_id: UserName | None = None


class UserAnswer(Answer):
    id: UUID
    email: str | None
    display_name: str
    role: Role
    language: str | None
    time_zone: str | None
    external_id: str | None
    created_at: datetime


class UserPage(Answer):
    users: list[UserAnswer]
    next_cursor: str | None


def _answer(user: users.User) -> UserAnswer:
    return UserAnswer(
        id=user.user_id,
        email=user.email,
        display_name=user.display_name,
        role=user.role,
        language=user.language,
        time_zone=user.time_zone,
        external_id=user.external_id,
        created_at=user.created_at,
    )


@router.post("/api/mandates/{mandateId}/users", status_code=201, responses=refusals(409))
async def add_user(
    request: Request, response: Response, body: NewUser, visitor: Annotated[Visitor, Depends(may(Action.CHANGE_USERS))]
) -> UserAnswer:
    """A new user. At least one of `email`, `displayName` and `externalId` says who it is."""
    wiring = wiring_of(request)
    mandate_id = visitor.mandate.mandate_id
    user = await users.add_user(
        wiring.database,
        mandate_id,
        email=body.email,
        display_name=body.display_name,
        role=body.role,
        language=body.language,
        time_zone=body.time_zone,
        external_id=body.external_id,
    )
    wiring.authenticator.doubt(mandate_id)
    response.headers["Location"] = f"/api/mandates/{mandate_id}/users/{user.user_id}"
    response.headers["ETag"] = etag(user.version)
    return _answer(user)


@router.get("/api/mandates/{mandateId}/users", responses=refusals())
async def list_users(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_USERS))],
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> UserPage:
    """Those who have not left, oldest first."""
    page = await users.list_users(wiring_of(request).database, visitor.mandate.mandate_id, cursor=cursor, limit=limit)
    return UserPage(users=[_answer(user) for user in page.items], next_cursor=page.next_cursor)


@router.get("/api/mandates/{mandateId}/users/{userId}", responses=refusals())
async def read_user(
    request: Request, response: Response, userId: str, visitor: Annotated[Visitor, Depends(may(Action.READ_USERS))]
) -> UserAnswer:
    user = await users.get_user(wiring_of(request).database, visitor.mandate.mandate_id, as_id(userId, "user"))
    response.headers["ETag"] = etag(user.version)
    return _answer(user)


@router.patch(
    "/api/mandates/{mandateId}/users/{userId}", responses=refusals(409, 412), openapi_extra={"parameters": [IF_MATCH]}
)
async def change_user(
    request: Request,
    response: Response,
    userId: str,
    body: UserChange,
    visitor: Annotated[Visitor, Depends(may(Action.CHANGE_USERS))],
) -> UserAnswer:
    """Changes what is given; `null` takes an address, a language, a time zone or an external id away."""
    wiring = wiring_of(request)
    mandate_id = visitor.mandate.mandate_id
    changes = {name: getattr(body, name) for name in body.model_fields_set}
    # What a user cannot be without stays as it is.
    changes = {name: value for name, value in changes.items() if value is not None or name not in _NEVER_EMPTY}
    user = await users.change_user(
        wiring.database,
        mandate_id,
        as_id(userId, "user"),
        changes,
        if_version=if_match(request),
        may_leave_no_owner=visitor.is_operator,
    )
    wiring.authenticator.doubt(mandate_id)
    response.headers["ETag"] = etag(user.version)
    return _answer(user)


_NEVER_EMPTY = frozenset({"display_name", "role"})


@router.delete(
    "/api/mandates/{mandateId}/users/{userId}",
    status_code=204,
    responses=refusals(409, 412),
    openapi_extra={"parameters": [IF_MATCH]},
)
async def remove_user(
    request: Request, userId: str, visitor: Annotated[Visitor, Depends(may(Action.CHANGE_USERS))]
) -> None:
    """Ends the user's keys, returns the wallet's rest to the pool, erases personal data; the journal keeps the id."""
    wiring = wiring_of(request)
    mandate_id = visitor.mandate.mandate_id
    await delete_user(
        wiring.database,
        wiring.ledger,
        mandate_id,
        as_id(userId, "user"),
        actor=visitor.actor,
        may_leave_no_owner=visitor.is_operator,
        if_version=if_match(request),
    )
    wiring.authenticator.doubt(mandate_id)
