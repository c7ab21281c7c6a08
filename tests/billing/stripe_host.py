"""Stripe as far as Bursar speaks with it: an HTTP server on loopback that takes orders, and signs what it tells."""

from __future__ import annotations

import hashlib
import hmac
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import orjson
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from bursar.foundation.settings_model import StripeSettings
from tests.gateway.world import served

SECRET_KEY = "sk_test_of_the_tests"
WEBHOOK_SECRET = "whsec_of_the_tests"


@dataclass
class StripeHost:
    """`orders` are what it was asked for, by its own ids; `fails` makes it answer so many requests with a 500 first."""

    url: str = ""
    orders: dict[str, dict[str, Any]] = field(default_factory=dict)
    by_key: dict[str, str] = field(default_factory=dict)
    fails: int = 0
    refuses: bool = False

    @property
    def settings(self) -> StripeSettings:
        return StripeSettings(secret_key=SECRET_KEY, webhook_secret=WEBHOOK_SECRET, api_base=self.url)

    async def create(self, request: Request) -> JSONResponse:
        if request.headers["authorization"] != f"Bearer {SECRET_KEY}":
            return JSONResponse({"error": {"type": "invalid_request_error", "message": "Invalid API Key"}}, 401)
        if self.fails > 0:
            self.fails -= 1
            return JSONResponse({"error": {"type": "api_error", "message": "down"}}, 500)
        if self.refuses:
            return JSONResponse({"error": {"type": "invalid_request_error", "message": "no"}}, 400)
        form = {name: values[0] for name, values in parse_qs((await request.body()).decode()).items()}
        known = self.by_key.get(request.headers["idempotency-key"])
        order_id = known or f"cs_test_{len(self.orders) + 1}"
        self.by_key[request.headers["idempotency-key"]] = order_id
        self.orders[order_id] = {
            "id": order_id,
            "object": "checkout.session",
            "amount_total": int(form["line_items[0][price_data][unit_amount]"]),
            "currency": form["line_items[0][price_data][currency]"],
            "payment_status": "unpaid",
            "status": "open",
            "metadata": {
                "mandate_id": form["metadata[mandate_id]"],
                "payment_id": form["metadata[payment_id]"],
            },
            "success_url": form["success_url"],
            "cancel_url": form["cancel_url"],
            "locale": form["locale"],
            "url": f"{self.url}/pay/{order_id}",
        }
        return JSONResponse(self.orders[order_id])

    def event(self, kind: str, order_id: str, **changes: Any) -> bytes:
        """An event's body; of a `completed` one the order is paid unless `changes` say otherwise."""
        paid = {"payment_status": "paid", "status": "complete"} if kind.endswith(("completed", "succeeded")) else {}
        body = {
            "id": f"evt_{order_id}_{kind}",
            "object": "event",
            "api_version": "2026-01-01",
            "created": int(time.time()),
            "type": kind,
            "data": {"object": {**self.orders[order_id], **paid, **changes}},
        }
        return orjson.dumps(body)


def signature(body: bytes, secret: str = WEBHOOK_SECRET, at: int | None = None) -> str:
    """As Stripe signs: https://docs.stripe.com/webhooks#verify-manually"""
    moment = int(time.time()) if at is None else at
    digest = hmac.new(secret.encode(), f"{moment}.".encode() + body, hashlib.sha256).hexdigest()
    return f"t={moment},v1={digest}"


@asynccontextmanager
async def running_stripe() -> AsyncIterator[StripeHost]:
    host = StripeHost()
    app = Starlette(routes=[Route("/v1/checkout/sessions", host.create, methods=["POST"])])
    async with served(app) as url:
        host.url = url
        yield host
