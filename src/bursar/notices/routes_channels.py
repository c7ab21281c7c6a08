"""Management routes of chats and phones: Microsoft Teams, Slack, SMS; and a test for every endpoint."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Annotated, Final
from uuid import UUID

from fastapi import APIRouter, Depends, Response
from starlette.requests import Request

from bursar.foundation.problems import Problem, invalid_field
from bursar.foundation.secrets import Secrets
from bursar.identity.access import Action, not_found
from bursar.identity.documented import refusals
from bursar.identity.entrance import Visitor, as_id, may
from bursar.identity.wire import Answer, Ask
from bursar.identity.wiring import wiring_of
from bursar.notices import samples, webhooks
from bursar.notices.channels.egress import EgressRefused
from bursar.notices.channels.messaging import Transport, read_messaging_url
from bursar.notices.routes_webhooks import ReplayAnswer, ReplayAsk

ReadSettings = Annotated[Visitor, Depends(may(Action.READ_SETTINGS))]
ChangeNotices = Annotated[Visitor, Depends(may(Action.CHANGE_NOTICES))]
_PATH: Final = "/api/mandates/{mandateId}/channels"


class ChannelAsk(Ask):
    url: str
    """A webhook URL of Slack or of Teams (Workflows), or apprise's URL of one of the providers of SMS."""


class ChannelAnswer(Answer):
    id: UUID
    transport: Transport
    label: str
    """What may be shown of the URL."""
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None


class ChannelList(Answer):
    channels: list[ChannelAnswer]


class AddedAnswer(Answer):
    id: UUID
    transport: Transport
    label: str


class EndpointTestAnswer(Answer):
    id: UUID
    """Of the notice, among the mandate's notices: how it ended stands there."""
    recipient: str


def channel_router(secrets: Secrets) -> APIRouter:
    router = APIRouter(tags=["channels"])

    @router.post(_PATH, status_code=201, responses=refusals(409))
    async def add(request: Request, body: ChannelAsk, visitor: ChangeNotices) -> AddedAnswer:
        """Every notice of the mandate's account goes there, too. The URL is kept encrypted and never shown again."""
        database, mandate_id = wiring_of(request).database, visitor.mandate.mandate_id
        try:
            target = await asyncio.to_thread(read_messaging_url, body.url)
        except EgressRefused as error:
            raise invalid_field("url", str(error)) from None
        if len(await webhooks.list_endpoints(database, mandate_id, webhooks=False)) >= webhooks.MOST_ENDPOINTS:
            raise Problem(409, "too_many", "Too many", f"There can be {webhooks.MOST_ENDPOINTS} channels.")
        endpoint_id = await webhooks.add_messaging(
            database,
            secrets,
            mandate_id,
            transport=target.transport,
            url=body.url,
            label=target.label,
            actor=visitor.actor,
        )
        return AddedAnswer(id=endpoint_id, transport=target.transport, label=target.label)

    @router.get(_PATH, responses=refusals())
    async def read(request: Request, visitor: ReadSettings) -> ChannelList:
        found = await webhooks.list_endpoints(wiring_of(request).database, visitor.mandate.mandate_id, webhooks=False)
        shown = [ChannelAnswer.model_validate({**_shown(each), "id": each.endpoint_id}) for each in found]
        return ChannelList(channels=shown)

    @router.delete(_PATH + "/{channelId}", status_code=204, responses=refusals())
    async def delete(request: Request, channelId: str, visitor: ChangeNotices) -> Response:
        database = wiring_of(request).database
        if not await webhooks.delete_endpoint(database, visitor.mandate.mandate_id, as_id(channelId, "channel")):
            raise not_found("channel")
        return Response(status_code=204)

    @router.post(_PATH + "/{channelId}/replay", responses=refusals())
    async def replay(request: Request, channelId: str, body: ReplayAsk, visitor: ChangeNotices) -> ReplayAnswer:
        """Switches it on again and sends what it has missed since then, the last of each kind and account."""
        database, mandate_id = wiring_of(request).database, visitor.mandate.mandate_id
        endpoint_id = as_id(channelId, "channel")
        queued = await webhooks.enable_and_replay(database.ledger_pool, mandate_id, endpoint_id, body.since)
        if queued is None:
            raise not_found("channel")
        await webhooks.note_replay(database, mandate_id, endpoint_id, body.since)
        return ReplayAnswer(queued=queued)

    @router.post(_PATH + "/{channelId}/test", status_code=202, responses=refusals(409))
    async def test_channel(request: Request, channelId: str, visitor: ChangeNotices) -> EndpointTestAnswer:
        return await _test(request, visitor, as_id(channelId, "channel"), "channel")

    @router.post("/api/mandates/{mandateId}/webhooks/{webhookId}/test", status_code=202, responses=refusals(409))
    async def test_webhook(request: Request, webhookId: str, visitor: ChangeNotices) -> EndpointTestAnswer:
        return await _test(request, visitor, as_id(webhookId, "webhook"), "webhook")

    return router


async def _test(request: Request, visitor: Visitor, endpoint_id: UUID, what: str) -> EndpointTestAnswer:
    """A test by the way that all notices take."""
    wiring, mandate_id = wiring_of(request), visitor.mandate.mandate_id
    found = await webhooks.list_endpoints(wiring.database, mandate_id, webhooks=what == "webhook")
    endpoint = next((each for each in found if each.endpoint_id == endpoint_id), None)
    if endpoint is None:
        raise not_found(what)
    if endpoint.disabled_at is not None:
        raise Problem(409, "switched_off", "It is switched off", "Switch it on again by a replay, then test it.")
    notice_id = await samples.queue_test(wiring.database.ledger_pool, mandate_id, endpoint.recipient)
    return EndpointTestAnswer(id=notice_id, recipient=endpoint.recipient)


def _shown(endpoint: webhooks.Endpoint) -> dict[str, object]:
    names = ("transport", "label", "created_at", "failing_since", "disabled_at", "disabled_reason")
    return {name: getattr(endpoint, name) for name in names}
