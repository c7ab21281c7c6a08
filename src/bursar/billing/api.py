"""The management API as one application: routes, refusals, limits on bodies, and the document that describes it all."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence
from typing import Any, Final

import asyncpg
from fastapi import APIRouter, Depends, FastAPI
from fastapi.openapi.utils import get_openapi
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import HTMLResponse, Response
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from bursar.billing import routes as billing_routes
from bursar.billing.docs_page import docs_page
from bursar.foundation.ids import new_id
from bursar.foundation.logs import current_request_id, request_id
from bursar.foundation.origin import Origin, from_origin
from bursar.foundation.problem_responses import install_problem_handlers, problem_response
from bursar.foundation.problems import Problem
from bursar.identity import routes as identity_routes
from bursar.identity.access import Action
from bursar.identity.authenticator import IdentityUnavailable
from bursar.identity.documented import PROBLEM_SCHEMA
from bursar.identity.entrance import open_to_all
from bursar.identity.wiring import Wiring
from bursar.ledger.entry import LedgerUnavailable

MOST_BODY_BYTES: Final = 1_000_000
_DESCRIPTION: Final = "Mandates, users, keys, money and notices. Amounts are decimal strings, times RFC 3339 in UTC."
_RETRY_AFTER_SECONDS: Final = 1

_DATABASE_IS_AWAY: Final = (
    OSError,
    asyncpg.InterfaceError,
    asyncpg.PostgresConnectionError,
    asyncpg.InsufficientResourcesError,
    asyncpg.OperatorInterventionError,
    asyncpg.LockNotAvailableError,
)


BodyLimits = Sequence[tuple[re.Pattern[str], int]]
"""Paths whose requests may have larger bodies than others, in bytes: uploads."""


def create_api(wiring: Wiring, *more_routers: APIRouter, body_limits: BodyLimits = ()) -> FastAPI:
    """The application below `/api`; its routes have their full paths. Rooms above billing bring their own routers."""
    api = FastAPI(
        title="Bursar: management API",
        version="1",
        openapi_url="/api/openapi.json",
        docs_url=None,
        redoc_url=None,
        separate_input_output_schemas=True,
    )
    api.state.wiring = wiring
    for router in (identity_routes.router, billing_routes.router, *more_routers):
        api.include_router(router)
    install_problem_handlers(api)
    for kind in (IdentityUnavailable, LedgerUnavailable, *_DATABASE_IS_AWAY):
        api.add_exception_handler(kind, _on_unavailable)
    api.openapi = lambda: _document(api)  # type: ignore[method-assign]
    public = [Depends(open_to_all(Action.READ_DESCRIPTION))]
    api.add_api_route("/api/docs", _docs, include_in_schema=False, dependencies=public)
    api.add_middleware(_Frame, body_limits=body_limits)
    return api


async def _docs(request: Request) -> HTMLResponse:
    headers = {"content-security-policy": "default-src 'none'; style-src 'unsafe-inline'"}
    return HTMLResponse(docs_page(request.app.openapi()), headers=headers)


async def _on_unavailable(_: Request, error: Exception) -> Response:
    seconds = getattr(error, "retry_after_seconds", _RETRY_AFTER_SECONDS)
    return problem_response(
        Problem(
            503,
            "ledger_unavailable",
            "Not available now",
            "The database does not answer: try again in a moment.",
            headers={"retry-after": str(seconds)},
        )
    )


def _document(api: FastAPI) -> dict[str, Any]:
    if api.openapi_schema is None:
        document = get_openapi(title=api.title, version=api.version, description=_DESCRIPTION, routes=api.routes)
        document["components"]["schemas"]["Problem"] = PROBLEM_SCHEMA
        api.openapi_schema = document
    return api.openapi_schema


def _completed(headers: Iterable[tuple[bytes, bytes]], request_id: str) -> list[tuple[bytes, bytes]]:
    """With an id, and kept by nobody unless an answer says otherwise: what one person may see, the next may not."""
    given = list(headers)
    names = {name for name, _ in given}
    if b"x-request-id" not in names:
        given.append((b"x-request-id", request_id.encode()))
    if b"cache-control" not in names:
        given.append((b"cache-control", b"no-store"))
    return given


class _Frame:
    """Around every request: an id, in the log and in the answer, and an end to bodies that never end."""

    def __init__(self, app: ASGIApp, body_limits: BodyLimits) -> None:
        self.app = app
        self.body_limits = body_limits

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        known = current_request_id()
        own_id = known or str(new_id())

        async def send_with_id(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = _completed(message["headers"], own_id)
            await send(message)

        with request_id(own_id), from_origin(_origin(scope, own_id)):
            await self.app(scope, _bounded(receive, self._most_bytes(scope["path"])), send_with_id)

    def _most_bytes(self, path: str) -> int:
        return next((limit for pattern, limit in self.body_limits if pattern.fullmatch(path)), MOST_BODY_BYTES)


def _origin(scope: Scope, own_id: str) -> Origin:
    """Where the request comes from; who asks is told once that is known."""
    client = scope.get("client")
    agent = next((value for name, value in scope["headers"] if name == b"user-agent"), None)
    return Origin(
        ip=None if client is None else client[0],
        user_agent=None if agent is None else agent.decode("latin-1"),
        request_id=own_id,
    )


def _bounded(receive: Receive, most_bytes: int) -> Receive:
    received = 0

    async def receive_bounded() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > most_bytes:
            raise HTTPException(413, f"A body may have {most_bytes} bytes at most here.")
        return message

    return receive_bounded
