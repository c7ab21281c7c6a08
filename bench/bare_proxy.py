"""The bare reverse proxy of Bursar's own HTTP stack: what a call costs before anything is billed.

`python -m bench.bare_proxy PORT` forwards `POST /v1/chat/completions` to $BENCH_UPSTREAM: uvicorn with Bursar's
protocol, a bare ASGI callable and Bursar's upstream client, and nothing else (docs/decisions/0004-http-stack.md).
"""

from __future__ import annotations

import asyncio
import gc
import os
import sys
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any

import uvicorn

from bursar.gateway.impatience import ImpatientProtocol
from bursar.gateway.upstream_http import Target, UpstreamClient

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]
URL = os.environ.get("BENCH_UPSTREAM", "http://127.0.0.1:9100") + "/v1/chat/completions"
FORWARDED = [(b"content-type", b"application/json"), (b"authorization", b"Bearer sk-bench")]


def proxy_over(client: Any, target: Any) -> Callable[[Scope, Receive, Send], Awaitable[None]]:
    """An ASGI application that forwards by a client with the methods of `UpstreamClient`."""

    async def proxy(scope: Scope, receive: Receive, send: Send) -> None:
        """Forward one call; the chunks of a stream as they come."""
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        answer = await client.send(target, FORWARDED, body)
        gone = asyncio.ensure_future(receive())
        try:
            headers = [(b"content-type", answer.content_type)]
            if not answer.content_type.startswith(b"text/event-stream"):
                data = await answer.read()
                headers.append((b"content-length", b"%d" % len(data)))
                await send({"type": "http.response.start", "status": answer.status, "headers": headers})
                await send({"type": "http.response.body", "body": data})
                return
            await send({"type": "http.response.start", "status": answer.status, "headers": headers})
            while (chunk := await answer.next_chunk()) and not gone.done():
                await send({"type": "http.response.body", "body": chunk, "more_body": True})
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()
            answer.close()

    return proxy


proxy = proxy_over(UpstreamClient(), Target.parse(URL))


def main() -> None:
    gc.freeze()
    gc.set_threshold(50_000, 50, 100)
    uvicorn.run(
        proxy,
        host="127.0.0.1",
        port=int(sys.argv[1]),
        http=ImpatientProtocol,
        loop="uvloop",
        ws="none",
        lifespan="off",
        access_log=False,
        log_level="warning",
        proxy_headers=False,
        server_header=False,
        date_header=False,
        backlog=4096,
    )


if __name__ == "__main__":
    main()
