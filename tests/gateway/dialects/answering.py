"""A server that answers every request with the same bytes: for what official clients make of them."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from aiohttp import web

from bursar.gateway.dialects.seam import ErrorAnswer


@dataclass(slots=True)
class Answering:
    url: str = ""
    requests: list[str] = field(default_factory=list)
    """The paths that were asked for."""
    headers: list[dict[str, str]] = field(default_factory=list)


@asynccontextmanager
async def answering(answer: ErrorAnswer | Callable[[], ErrorAnswer]) -> AsyncIterator[Answering]:
    """A server on 127.0.0.1 whose every answer is this one."""
    seen = Answering()

    async def respond(request: web.Request) -> web.Response:
        await request.read()
        seen.requests.append(request.path)
        seen.headers.append({name.lower(): value for name, value in request.headers.items()})
        status, headers, body = answer() if callable(answer) else answer
        return web.Response(status=status, body=body, headers=[(n.decode(), v.decode()) for n, v in headers])

    app = web.Application()
    app.router.add_route("*", "/{path:.*}", respond)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        seen.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
        yield seen
    finally:
        await runner.cleanup()


def stream_of(body: bytes) -> ErrorAnswer:
    """An event stream as a whole answer."""
    return ErrorAnswer(200, ((b"content-type", b"text/event-stream"),), body)


def json_of(body: bytes) -> ErrorAnswer:
    return ErrorAnswer(200, ((b"content-type", b"application/json"),), body)
