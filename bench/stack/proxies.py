"""Bare reverse proxies without billing, one per candidate stack.

`python -m bench.stack.proxies KIND PORT` serves `POST /v1/chat/completions` on 127.0.0.1:PORT and forwards
to $BENCH_UPSTREAM. Each reads the request whole, forwards it and passes the answer through: JSON in one
piece, an event stream chunk by chunk.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, MutableMapping
from typing import Any

import aiohttp
import uvloop
from aiohttp import web

from bench.bare_proxy import proxy_over
from bench.stack.raw import CLIENT, serve_raw
from bench.stack.raw import FORWARDED as RAW_FORWARDED
from bench.stack.raw import TARGET as RAW_TARGET

TARGET = os.environ.get("BENCH_UPSTREAM", "http://127.0.0.1:9100") + "/v1/chat/completions"
FORWARDED = {"content-type": "application/json", "authorization": "Bearer sk-bench"}
STREAM_TYPE = "text/event-stream"
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
Scope = MutableMapping[str, Any]
PROXIES = frozenset({"proxy", "own_client_proxy"})
state: dict[str, Any] = {}
gc.freeze()
gc.set_threshold(50_000, 50, 100)


def client_session() -> aiohttp.ClientSession:
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=0), auto_decompress=False, cookie_jar=aiohttp.DummyCookieJar()
    )


# aiohttp server ------------------------------------------------------------------------------------------


async def aiohttp_chat(request: web.BaseRequest) -> web.StreamResponse:
    body = await request.read()
    async with state["client"].post(TARGET, data=body, headers=FORWARDED) as upstream:
        if upstream.content_type != STREAM_TYPE:
            return web.Response(body=await upstream.read(), status=upstream.status, content_type=upstream.content_type)
        reply = web.StreamResponse(status=upstream.status, headers={"content-type": STREAM_TYPE})
        await reply.prepare(request)
        async for chunk in upstream.content.iter_any():
            await reply.write(chunk)
        await reply.write_eof()
        return reply


async def serve_aiohttp(port: int, *, routed: bool, handler: Any = aiohttp_chat) -> None:
    state["client"] = client_session()
    if routed:
        app = web.Application(client_max_size=1 << 26)
        app.router.add_post("/v1/chat/completions", aiohttp_chat)
        runner: web.BaseRunner = web.AppRunner(app, access_log=None, handler_cancellation=True)
    else:
        runner = web.ServerRunner(web.Server(handler, access_log=None, handler_cancellation=True))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", port, reuse_port=True).start()
    await asyncio.Event().wait()


# ASGI ----------------------------------------------------------------------------------------------------


@contextlib.asynccontextmanager
async def asgi_client(_: object = None) -> AsyncIterator[None]:
    async with client_session() as state["client"]:
        yield


def starlette_app() -> Any:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response, StreamingResponse
    from starlette.routing import Route

    async def chat(request: Request) -> Response:
        body = await request.body()
        upstream = await state["client"].post(TARGET, data=body, headers=FORWARDED)
        if upstream.content_type != STREAM_TYPE:
            return Response(await upstream.read(), upstream.status, media_type=upstream.content_type)

        async def chunks() -> AsyncIterator[bytes]:
            try:
                async for chunk in upstream.content.iter_any():
                    yield chunk
            finally:
                upstream.release()

        return StreamingResponse(chunks(), upstream.status, media_type=STREAM_TYPE)

    return Starlette(routes=[Route("/v1/chat/completions", chat, methods=["POST"])], lifespan=asgi_client)


async def read_body(receive: Receive) -> bytes:
    message = await receive()
    body: bytes = message.get("body", b"")
    while message.get("more_body"):
        message = await receive()
        body += message.get("body", b"")
    return body


async def lifespan(receive: Receive, send: Send) -> None:
    await receive()
    async with asgi_client():
        await send({"type": "lifespan.startup.complete"})
        await receive()
    await send({"type": "lifespan.shutdown.complete"})


async def bare_asgi(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await lifespan(receive, send)
        return
    body = await read_body(receive)
    async with state["client"].post(TARGET, data=body, headers=FORWARDED) as upstream:
        streamed = upstream.content_type == STREAM_TYPE
        if not streamed:
            answer = await upstream.read()
        headers = [(b"content-type", upstream.content_type.encode())]
        if not streamed:
            headers.append((b"content-length", b"%d" % len(answer)))
        await send({"type": "http.response.start", "status": upstream.status, "headers": headers})
        if not streamed:
            await send({"type": "http.response.body", "body": answer})
            return
        async for chunk in upstream.content.iter_any():
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        await send({"type": "http.response.body", "body": b""})


@contextlib.asynccontextmanager
async def pyreqwest_client() -> AsyncIterator[Any]:
    from pyreqwest.client import ClientBuilder

    async with ClientBuilder().max_connections(1000).build() as client:
        yield client


async def aiohttp_own_client(request: web.BaseRequest) -> web.StreamResponse:
    upstream = await CLIENT.send(RAW_TARGET, RAW_FORWARDED, await request.read())
    try:
        if not upstream.content_type.startswith(STREAM_TYPE.encode()):
            return web.Response(body=await upstream.read(), content_type="application/json")
        reply = web.StreamResponse(headers={"content-type": STREAM_TYPE})
        await reply.prepare(request)
        while chunk := await upstream.next_chunk():
            await reply.write(chunk)
        await reply.write_eof()
        return reply
    finally:
        upstream.close()


async def bare_asgi_pyreqwest(scope: Scope, receive: Receive, send: Send) -> None:
    if scope["type"] == "lifespan":
        await receive()
        async with pyreqwest_client() as state["client"]:
            await send({"type": "lifespan.startup.complete"})
            await receive()
        await send({"type": "lifespan.shutdown.complete"})
        return
    body = await read_body(receive)
    request = state["client"].post(TARGET).headers(FORWARDED).body_bytes(body).build_streamed()
    async with request as upstream:
        kind = upstream.headers["content-type"]
        streamed = kind.startswith(STREAM_TYPE)
        headers = [(b"content-type", kind.encode())]
        if not streamed:
            answer = bytes(await upstream.bytes())
            headers.append((b"content-length", b"%d" % len(answer)))
        await send({"type": "http.response.start", "status": upstream.status, "headers": headers})
        if not streamed:
            await send({"type": "http.response.body", "body": answer})
            return
        while (chunk := await upstream.body_reader.read_chunk()) is not None:
            await send({"type": "http.response.body", "body": bytes(chunk), "more_body": True})
        await send({"type": "http.response.body", "body": b""})


# RSGI: granian's own interface ---------------------------------------------------------------------------


class BareRsgi:
    def __rsgi_init__(self, loop: asyncio.AbstractEventLoop) -> None:
        async def connect() -> None:
            state["client"] = client_session()

        loop.run_until_complete(connect())

    async def __rsgi__(self, scope: Any, protocol: Any) -> None:
        body = await protocol()
        async with state["client"].post(TARGET, data=body, headers=FORWARDED) as upstream:
            headers = [("content-type", upstream.content_type)]
            if upstream.content_type != STREAM_TYPE:
                protocol.response_bytes(upstream.status, headers, await upstream.read())
                return
            transport = protocol.response_stream(upstream.status, headers)
            async for chunk in upstream.content.iter_any():
                await transport.send_bytes(chunk)


rsgi_app = BareRsgi()


own_client_proxy = proxy_over(CLIENT, RAW_TARGET)


def target_name(target: str) -> str:
    return "bench.bare_proxy:proxy" if target == "proxy" else f"bench.stack.proxies:{target}"


def serve_uvicorn(target: str, port: int) -> None:
    import uvicorn

    uvicorn.run(
        target_name(target),
        factory=target == "starlette_app",
        host="127.0.0.1",
        port=port,
        log_level="warning",
        access_log=False,
        loop="uvloop",
        http="httptools",
        ws="none",
        proxy_headers=False,
        lifespan="off" if target in PROXIES else "on",
    )


def serve_granian(target: str, port: int) -> None:
    from granian.constants import Interfaces, Loops
    from granian.server import Server

    Server(
        target_name(target),
        address="127.0.0.1",
        port=port,
        interface={"rsgi_app": Interfaces.RSGI, "own_client_proxy": Interfaces.ASGINL}.get(target, Interfaces.ASGI),
        workers=1,
        loop=Loops.uvloop,
        factory=target == "starlette_app",
        log_enabled=False,
        websockets=False,
    ).serve()


KINDS: dict[str, Callable[[int], object]] = {
    "aiohttp + aiohttp": lambda port: uvloop.run(serve_aiohttp(port, routed=True)),
    "aiohttp low level + aiohttp": lambda port: uvloop.run(serve_aiohttp(port, routed=False)),
    "granian Starlette + aiohttp": lambda port: serve_granian("starlette_app", port),
    "granian ASGI + aiohttp": lambda port: serve_granian("bare_asgi", port),
    "granian RSGI + aiohttp": lambda port: serve_granian("rsgi_app", port),
    "granian ASGI + pyreqwest": lambda port: serve_granian("bare_asgi_pyreqwest", port),
    "uvicorn Starlette + aiohttp": lambda port: serve_uvicorn("starlette_app", port),
    "uvicorn ASGI + aiohttp": lambda port: serve_uvicorn("bare_asgi", port),
    "uvicorn ASGI + pyreqwest": lambda port: serve_uvicorn("bare_asgi_pyreqwest", port),
    "aiohttp low level + own client": lambda port: uvloop.run(
        serve_aiohttp(port, routed=False, handler=aiohttp_own_client)
    ),
    "granian ASGI + own client": lambda port: serve_granian("own_client_proxy", port),
    "uvicorn ASGI + own client": lambda port: serve_uvicorn("own_client_proxy", port),
    "uvicorn ASGI + UpstreamClient": lambda port: serve_uvicorn("proxy", port),
    "own server + own client": lambda port: uvloop.run(serve_raw(port)),
}

if __name__ == "__main__":
    KINDS[sys.argv[1]](int(sys.argv[2]))
