"""A small server with the holds API of CONTRACT section 9, on loopback, that can be told to fail.

It keeps one balance and remembers idempotency keys, so that a test of the client sees what a request did, not only
that it was sent. The real server is tested end to end elsewhere.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from aiohttp import web

from bursar.billing.models import BillingFacts, BillingModel, Role, Viewer
from bursar.billing.problem import refusal_answer
from bursar.billing.refusal import billing_object_for
from bursar.billing.texts import choose_language
from bursar.foundation.money import format_amount, parse_amount
from bursar.foundation.problems import PROBLEM_JSON
from bursar.ledger.model import Reason, Rejected

MANDATE_ID = UUID("0198c0de-0000-4000-8000-000000000001")
KEY = f"bur_{MANDATE_ID.hex}_0123456789secret"

DROP_BEFORE = "the connection ends before the request is served"
DROP_AFTER = "the connection ends after the request was served"


@dataclass
class Held:
    granted: int
    body: dict[str, Any]
    state: str = "PENDING"
    charged: int = 0
    settled_with: dict[str, Any] = field(default_factory=dict)


class FakeBursar:
    """`faults` are consumed one per request: a drop, or a function that makes the answer."""

    def __init__(self, available: str = "1.00") -> None:
        self.available = parse_amount(available, field="available")
        self.reason = Reason.BALANCE_EXHAUSTED
        self.holds: dict[str, Held] = {}
        self.faults: list[str | Callable[[], web.Response]] = []
        self.served: Counter[str] = Counter()
        self.requests: list[tuple[str, str | None]] = []
        """(the last part of the path, idempotency key), for every request that came in."""
        self.headers: list[dict[str, str]] = []
        self._answers: dict[str, tuple[int, dict[str, Any]]] = {}
        self._loop = asyncio.new_event_loop()
        self._started = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self.url = ""

    def only_hold(self) -> Held:
        (held,) = self.holds.values()
        return held

    # --- serving ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        self._thread.start()
        assert self._started.wait(10)

    def stop(self) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join(10)

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        runner = self._loop.run_until_complete(self._listen())
        self._started.set()
        self._loop.run_forever()
        self._loop.run_until_complete(runner.cleanup())
        self._loop.close()

    async def _listen(self) -> web.AppRunner:
        app = web.Application()
        holds = f"/api/mandates/{MANDATE_ID}/holds"
        app.router.add_post(holds, self._serve)
        app.router.add_post(holds + "/{hold_id}/{verb:extend|settle|release}", self._serve)
        app.router.add_get("/v1/balance", self._balance)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        self.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        return runner

    async def _serve(self, request: web.Request) -> web.StreamResponse:
        verb = request.match_info.get("verb", "hold")
        key = request.headers.get("Idempotency-Key")
        self.requests.append((verb, key))
        self.headers.append(dict(request.headers))
        fault = self.faults.pop(0) if self.faults else None
        if callable(fault):
            return fault()
        if fault != DROP_BEFORE:
            assert key is not None
            if key not in self._answers:
                status, body = self._do(verb, request, await request.json())
                if status in {402, 429}:
                    return self._refusal(request)
                self._answers[key] = (status, body)
                self.served[verb] += 1
        if fault is not None:
            assert request.transport is not None
            request.transport.close()
            return web.Response()
        status, body = self._answers[str(key)]
        return web.json_response(body, status=status)

    # --- the rules -------------------------------------------------------------------------------------------------

    def _do(self, verb: str, request: web.Request, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        if verb == "hold":
            return self._hold(body)
        hold_id = request.match_info["hold_id"]
        held = self.holds[hold_id]
        if held.state != "PENDING":
            return 409, {"status": 409, "code": "hold_resolved", "detail": f"the hold is {held.state}"}
        if verb == "extend":
            more = parse_amount(body["amount"], field="amount", allow_zero=True)
            if more > self.available:
                return 402, {}
            self.available -= more
            held.granted += more
            return 200, self._shown(hold_id, 60)
        amount = parse_amount(body["amount"], field="amount", allow_zero=True) if verb == "settle" else 0
        held.state = "SETTLED" if verb == "settle" else "RELEASED"
        held.charged, held.settled_with = amount, body
        self.available += held.granted - amount
        return 200, {"id": hold_id, "state": held.state}

    def _hold(self, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
        minimum = parse_amount(body["minimum"], field="minimum")
        desired = parse_amount(body["desired"], field="desired")
        if minimum > self.available:
            return 402, {}
        hold_id = str(uuid4())
        granted = min(desired, self.available)
        self.available -= granted
        self.holds[hold_id] = Held(granted, body)
        return 201, self._shown(hold_id, body["ttlSeconds"])

    def _shown(self, hold_id: str, ttl_seconds: int) -> dict[str, Any]:
        expires_at = datetime.now(UTC) + timedelta(seconds=ttl_seconds)
        return {
            "id": hold_id,
            "granted": format_amount(self.holds[hold_id].granted),
            "expiresAt": expires_at.isoformat().replace("+00:00", "Z"),
        }

    def _refusal(self, request: web.Request) -> web.Response:
        billing = billing_object_for(
            Rejected(self.reason, required_nanos=10**9, available_nanos=self.available, retry_after_seconds=1),
            BillingFacts(MANDATE_ID, "Helvetia Treuhand AG", BillingModel.PREPAY_MANDATE, "CHF"),
            Viewer(Role.MEMBER),
            request_id="r-1",
            public_url=self.url,
        )
        status, headers, body = refusal_answer(billing, choose_language(request.headers.get("Accept-Language")))
        return web.Response(body=json.dumps(body), status=status, headers=headers)

    async def _balance(self, request: web.Request) -> web.Response:
        self.headers.append(dict(request.headers))
        return web.json_response({"payer": "pool", "currency": "CHF", "available": format_amount(self.available)})


def problem(status: int, code: str, *, retry_after: str | None = None, **more: Any) -> Callable[[], web.Response]:
    """A fault: one answer with this problem."""
    headers = {"Retry-After": retry_after} if retry_after else {}
    body = {"type": f"urn:bursar:problem:{code}", "title": code, "status": status, "code": code, **more}
    return lambda: web.json_response(body, status=status, headers=headers, content_type=PROBLEM_JSON)
