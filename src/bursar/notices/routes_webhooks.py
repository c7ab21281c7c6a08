"""Management routes of webhook endpoints."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from pydantic import AwareDatetime
from starlette.requests import Request

from bursar.foundation.problems import Problem, invalid_field
from bursar.foundation.secrets import Secrets
from bursar.identity.access import Action, not_found
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, as_id, may
from bursar.identity.wire import Answer, Ask
from bursar.identity.wiring import wiring_of
from bursar.notices import webhooks
from bursar.notices.channels.egress import EgressRefused, check_url

ReadSettings = Annotated[Visitor, Depends(may(Action.READ_SETTINGS))]
ChangeNotices = Annotated[Visitor, Depends(may(Action.CHANGE_NOTICES))]
_PATH = "/api/mandates/{mandateId}/webhooks"


class EndpointAsk(Ask):
    url: str


class SecretAnswer(Answer):
    id: UUID
    secret: str
    """Shown this once; for verifying by any library of Standard Webhooks."""


class EndpointAnswer(Answer):
    id: UUID
    url: str
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None


class EndpointList(Answer):
    webhooks: list[EndpointAnswer]


class ReplayAsk(Ask):
    since: AwareDatetime


class ReplayAnswer(Answer):
    queued: int


def webhook_router(secrets: Secrets) -> APIRouter:
    router = APIRouter(tags=["webhooks"])

    @router.post(_PATH, status_code=201, responses=refusals(409))
    async def add(request: Request, body: EndpointAsk, visitor: ChangeNotices) -> SecretAnswer:
        """An https URL with a public address; every notice of the mandate's account goes there, signed."""
        database, mandate_id = wiring_of(request).database, visitor.mandate.mandate_id
        try:
            url = check_url(body.url)
        except EgressRefused as error:
            raise invalid_field("url", str(error)) from None
        if len(await webhooks.list_endpoints(database, mandate_id)) >= webhooks.MOST_ENDPOINTS:
            raise Problem(409, "too_many", "Too many", f"There can be {webhooks.MOST_ENDPOINTS} webhooks.")
        endpoint_id, secret = await webhooks.add_endpoint(database, secrets, mandate_id, url, visitor.actor)
        return SecretAnswer(id=endpoint_id, secret=secret)

    @router.get(_PATH, responses=refusals())
    async def read(request: Request, visitor: ReadSettings) -> EndpointList:
        """All of them: there are few."""
        found = await webhooks.list_endpoints(wiring_of(request).database, visitor.mandate.mandate_id)
        answers = [
            EndpointAnswer(
                id=each.endpoint_id,
                url=each.url,
                created_at=each.created_at,
                failing_since=each.failing_since,
                disabled_at=each.disabled_at,
                disabled_reason=each.disabled_reason,
            )
            for each in found
        ]
        return EndpointList(webhooks=answers)

    @router.post(_PATH + "/{webhookId}/rotate", responses=refusals())
    async def rotate(request: Request, webhookId: str, visitor: ChangeNotices) -> SecretAnswer:
        """A new secret; the old one signs as well until the next rotation."""
        endpoint_id = as_id(webhookId, "webhook")
        database = wiring_of(request).database
        secret = await webhooks.rotate(database, secrets, visitor.mandate.mandate_id, endpoint_id)
        if secret is None:
            raise not_found("webhook")
        return SecretAnswer(id=endpoint_id, secret=secret)

    @router.post(_PATH + "/{webhookId}/replay", responses=refusals())
    async def replay(request: Request, webhookId: str, body: ReplayAsk, visitor: ChangeNotices) -> ReplayAnswer:
        """Switches it on again and sends what it has missed since then, the last of each kind and account."""
        database, mandate_id = wiring_of(request).database, visitor.mandate.mandate_id
        endpoint_id = as_id(webhookId, "webhook")
        queued = await webhooks.enable_and_replay(database.ledger_pool, mandate_id, endpoint_id, body.since)
        if queued is None:
            raise not_found("webhook")
        await webhooks.note_replay(database, mandate_id, endpoint_id, body.since)
        return ReplayAnswer(queued=queued)

    @router.delete(_PATH + "/{webhookId}", status_code=204, responses=refusals())
    async def delete(request: Request, webhookId: str, visitor: ChangeNotices) -> Response:
        database = wiring_of(request).database
        if not await webhooks.delete_endpoint(database, visitor.mandate.mandate_id, as_id(webhookId, "webhook")):
            raise not_found("webhook")
        return Response(status_code=204)

    return router
