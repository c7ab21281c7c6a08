"""Management routes of keys."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Any, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Query, Response
from pydantic import Field, StrictBool
from starlette.requests import Request

from bursar.foundation.money import format_amount
from bursar.identity import key_store
from bursar.identity.access import Action, not_found
from bursar.identity.documented import IF_MATCH, refusals
from bursar.identity.entrance import Visitor, as_id, etag, if_match, may
from bursar.identity.key_store import KeyKind
from bursar.identity.model_names import LONGEST_MODEL, MOST_MODELS
from bursar.identity.principal import Rates
from bursar.identity.wire import Answer, Ask, Line, PositiveAmount, WholeNumber
from bursar.identity.wiring import wiring_of

router = APIRouter(tags=["keys"])
_IF_MATCH: Final[dict[str, Any]] = {"parameters": [IF_MATCH]}
_STORED_AS: Final = {"max_held": "max_held_nanos"}
_NEVER_EMPTY: Final = frozenset({"name", "read_only_billing"})


Models = Annotated[
    list[Annotated[str, Field(max_length=LONGEST_MODEL)]] | None,
    Field(max_length=MOST_MODELS, description="names or globs; `null` is all that the mandate may use"),
]
Rate = Annotated[WholeNumber, Field(ge=1, le=100_000)]
Held = Annotated[PositiveAmount | None, Field(description="the most that its calls may hold at once")]


class KeyChange(Ask):
    """What is left out stays as it is; `null` takes an expiry, the narrowing to models, or a rate away."""

    name: Line | None = None
    expires_at: datetime | None = None
    allowed_models: Models = None
    read_only_billing: StrictBool | None = None
    max_calls_per_minute: Rate | None = None
    max_concurrent_calls: Rate | None = None
    max_held: Held = None


class NewKey(Ask):
    kind: KeyKind
    user_id: UUID | None = None
    name: Line
    expires_at: datetime | None = None
    allowed_models: Models = None
    read_only_billing: Annotated[
        StrictBool, Field(description="of an admin key: may only read balances, journal, statements and the like")
    ] = False
    max_calls_per_minute: Rate | None = None
    max_concurrent_calls: Rate | None = None
    max_held: Held = None


class Rotation(Ask):
    overlap_seconds: Annotated[
        WholeNumber, Field(ge=0, le=2_592_000, description="how long the secret that is replaced is still good")
    ] = 86_400


class KeyAnswer(Answer):
    id: UUID
    kind: KeyKind
    user_id: UUID | None
    name: str
    prefix: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    allowed_models: list[str] | None
    read_only_billing: bool
    former_prefix: str | None
    former_until: datetime | None
    max_calls_per_minute: int | None
    max_concurrent_calls: int | None
    max_held: str | None


class NewKeyAnswer(KeyAnswer):
    key: str
    """Shown here and never again."""


class KeyPage(Answer):
    keys: list[KeyAnswer]
    next_cursor: str | None


def _fields(key: key_store.ApiKey) -> dict[str, object]:
    return {
        "id": key.key_id,
        "kind": key.kind,
        "user_id": key.user_id,
        "name": key.name,
        "prefix": key.prefix,
        "created_by": key.created_by,
        "created_at": key.created_at,
        "expires_at": key.expires_at,
        "revoked_at": key.revoked_at,
        "last_used_at": key.last_used_at,
        "allowed_models": key.allowed_models,
        "read_only_billing": key.read_only_billing,
        "former_prefix": key.former_prefix,
        "former_until": key.former_until,
        "max_calls_per_minute": key.max_calls_per_minute,
        "max_concurrent_calls": key.max_concurrent_calls,
        "max_held": None if key.max_held_nanos is None else format_amount(key.max_held_nanos),
    }


@router.post("/api/mandates/{mandateId}/keys", status_code=201, responses=refusals())
async def create_key(
    request: Request,
    response: Response,
    body: NewKey,
    visitor: Annotated[Visitor, Depends(may(Action.CHANGE_USER_KEYS))],
) -> NewKeyAnswer:
    """A new key; its text is in this answer and nowhere else.

    A `user` key belongs to a user. A `service` key belongs to an application, which names users by `x-bursar-user`.
    An `admin` key manages the mandate as its owner, or as the user it names.
    """
    wiring = wiring_of(request)
    user_id = body.user_id
    if body.kind != "user":
        visitor.require(Action.CHANGE_MANDATE_KEYS, "kind")
    elif visitor.own_user_id is not None:
        user_id = user_id or visitor.own_user_id
        if user_id != visitor.own_user_id:
            raise not_found("user", "userId")
    key, text = await key_store.create_key(
        wiring.database,
        visitor.mandate.mandate_id,
        kind=body.kind,
        name=body.name,
        created_by=visitor.actor,
        user_id=user_id,
        expires_at=body.expires_at,
        allowed_models=body.allowed_models,
        read_only_billing=body.read_only_billing,
        rates=Rates(body.max_calls_per_minute, body.max_concurrent_calls, body.max_held),
    )
    response.headers["Cache-Control"] = "no-store"
    response.headers["ETag"] = etag(key.version)
    return NewKeyAnswer.model_validate({**_fields(key), "key": text})


@router.get("/api/mandates/{mandateId}/keys", responses=refusals())
async def list_keys(
    request: Request,
    visitor: Annotated[Visitor, Depends(may(Action.READ_KEYS))],
    cursor: Annotated[str | None, Query()] = None,
    limit: Annotated[int, Query(ge=1, le=1000)] = 100,
) -> KeyPage:
    """Newest first, those that ended included. Finance and members see their own user keys."""
    page = await key_store.list_keys(
        wiring_of(request).database,
        visitor.mandate.mandate_id,
        of_user=visitor.own_user_id,
        cursor=cursor,
        limit=limit,
    )
    return KeyPage(keys=[KeyAnswer.model_validate(_fields(key)) for key in page.items], next_cursor=page.next_cursor)


@router.get("/api/mandates/{mandateId}/keys/{keyId}", responses=refusals())
async def read_key(
    request: Request, response: Response, keyId: str, visitor: Annotated[Visitor, Depends(may(Action.READ_KEYS))]
) -> KeyAnswer:
    """Finance and members see their own user keys."""
    database, mandate_id = wiring_of(request).database, visitor.mandate.mandate_id
    key = await key_store.get_key(database, mandate_id, as_id(keyId, "key"), of_user=visitor.own_user_id)
    response.headers["ETag"] = etag(key.version)
    return KeyAnswer.model_validate(_fields(key))


@router.patch("/api/mandates/{mandateId}/keys/{keyId}", responses=refusals(409, 412), openapi_extra=_IF_MATCH)
async def change_key(
    request: Request,
    response: Response,
    keyId: str,
    body: KeyChange,
    visitor: Annotated[Visitor, Depends(may(Action.CHANGE_USER_KEYS))],
) -> KeyAnswer:
    """Changes what is given, on all workers within a second: the secret stays what it is."""
    wiring = wiring_of(request)
    mandate_id = visitor.mandate.mandate_id
    changes = {_STORED_AS.get(name, name): getattr(body, name) for name in body.model_fields_set}
    # What a key cannot be without stays as it is.
    changes = {name: value for name, value in changes.items() if value is not None or name not in _NEVER_EMPTY}
    key = await key_store.change_key(
        wiring.database,
        mandate_id,
        as_id(keyId, "key"),
        changes,
        of_user=visitor.own_user_id,
        if_version=if_match(request),
    )
    wiring.authenticator.doubt(mandate_id)
    response.headers["ETag"] = etag(key.version)
    return KeyAnswer.model_validate(_fields(key))


@router.post(
    "/api/mandates/{mandateId}/keys/{keyId}/rotate",
    status_code=201,
    responses=refusals(409, 412),
    openapi_extra=_IF_MATCH,
)
async def rotate_key(
    request: Request,
    response: Response,
    keyId: str,
    visitor: Annotated[Visitor, Depends(may(Action.CHANGE_USER_KEYS))],
    body: Rotation | None = None,
) -> NewKeyAnswer:
    """A new secret for the same key, shown here and nowhere else; the former one is good for `overlapSeconds` more."""
    wiring = wiring_of(request)
    mandate_id = visitor.mandate.mandate_id
    key, text = await key_store.rotate_key(
        wiring.database,
        mandate_id,
        as_id(keyId, "key"),
        overlap_seconds=(body or Rotation()).overlap_seconds,
        of_user=visitor.own_user_id,
        if_version=if_match(request),
    )
    wiring.authenticator.doubt(mandate_id)
    response.headers["Cache-Control"] = "no-store"
    response.headers["ETag"] = etag(key.version)
    return NewKeyAnswer.model_validate({**_fields(key), "key": text})


@router.delete(
    "/api/mandates/{mandateId}/keys/{keyId}", status_code=204, responses=refusals(412), openapi_extra=_IF_MATCH
)
async def revoke_key(
    request: Request, keyId: str, visitor: Annotated[Visitor, Depends(may(Action.CHANGE_USER_KEYS))]
) -> None:
    """Ends a key on all workers within a second."""
    wiring = wiring_of(request)
    mandate_id = visitor.mandate.mandate_id
    key_id, own = as_id(keyId, "key"), visitor.own_user_id
    await key_store.revoke_key(wiring.database, mandate_id, key_id, of_user=own, if_version=if_match(request))
    wiring.authenticator.doubt(mandate_id)
