"""All routes of this room, for `create_api(wiring, *notice_routers(secrets, public_url, hub))`."""

from __future__ import annotations

from fastapi import APIRouter

from bursar.foundation.secrets import Secrets
from bursar.notices import routes_overview, routes_people, routes_wishes
from bursar.notices.live.hub import LiveHub
from bursar.notices.live.routes import live_router
from bursar.notices.operators import routes as operator_alerts
from bursar.notices.routes_channels import channel_router
from bursar.notices.routes_unsubscribe import unsubscribe_router
from bursar.notices.routes_webhooks import webhook_router
from bursar.notices.unsubscribing import UnsubscribeLinks


def notice_routers(secrets: Secrets, public_url: str, hub: LiveHub) -> tuple[APIRouter, ...]:
    """`secrets` and `public_url` are those by which the mails' links are made."""
    return (
        routes_wishes.router,
        routes_people.router,
        routes_overview.router,
        operator_alerts.router,
        live_router(hub),
        webhook_router(secrets),
        channel_router(secrets),
        unsubscribe_router(UnsubscribeLinks(secrets, public_url)),
    )
