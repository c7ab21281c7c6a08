"""The demo upstream's HTTP: a bare ASGI application on uvicorn, and the faults it can show."""

from __future__ import annotations

import asyncio
import gzip
import itertools
import socket
import struct
from collections.abc import Awaitable, Callable, Mapping, MutableMapping
from typing import Any

import orjson
from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bursar.gateway.demo_upstream.chat import CHAT
from bursar.gateway.demo_upstream.dialect import Dialect, EventStream, openai_error
from bursar.gateway.demo_upstream.directives import Fault
from bursar.gateway.demo_upstream.embeddings import EMBEDDINGS
from bursar.gateway.demo_upstream.messages import COUNT_TOKENS, MESSAGES
from bursar.gateway.demo_upstream.reply import Reply, Request, compose
from bursar.gateway.demo_upstream.responses import RESPONSES

Scope = MutableMapping[str, Any]
Receive = Callable[[], Awaitable[MutableMapping[str, Any]]]
Send = Callable[[MutableMapping[str, Any]], Awaitable[None]]

DIALECTS: Mapping[str, Dialect] = {
    "/v1/chat/completions": CHAT,
    "/v1/responses": RESPONSES,
    "/v1/embeddings": EMBEDDINGS,
    "/v1/messages": MESSAGES,
    "/v1/messages/count_tokens": COUNT_TOKENS,
}
MODELS = ("demo-1", "demo-embed-1")
BATCH_BYTES = 64 * 1024
# What providers send along and a gateway must not pass on.
PROVIDER_HEADERS = [
    (b"openai-organization", b"demo-organization"),
    (b"x-ratelimit-remaining-requests", b"9999"),
    (b"set-cookie", b"demo=1; path=/"),
]
JSON_HEADERS = [(b"content-type", b"application/json"), *PROVIDER_HEADERS]
STREAM_HEADERS = [(b"content-type", b"text/event-stream; charset=utf-8"), *PROVIDER_HEADERS]


class CuttableProtocol(HttpToolsProtocol):
    """uvicorn's protocol, which also hands out the transport, so that faults can cut it."""

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self.scope["extensions"] = {"demo.transport": {"transport": self.transport}}


class Gone(Exception):
    """The answer ends here: the client left, or a fault cut the connection."""


async def cut(scope: Scope, gone: Awaitable[None], *, reset: bool) -> None:
    """End the connection without a word, by RST, or by FIN after what was written; return when it is gone."""
    transport = scope["extensions"]["demo.transport"]["transport"]
    if reset:
        linger = struct.pack("ii", 1, 0)
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)
        transport.abort()
    else:
        transport.close()
    await gone


async def until_gone(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass


async def send_body(send: Send, status: int, body: bytes, headers: list[tuple[bytes, bytes]] = JSON_HEADERS) -> None:
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": body})


class DemoUpstream:
    """The ASGI application. `faults` lets prompts ask for failures and shows the last request."""

    def __init__(self, *, faults: bool) -> None:
        self.faults = faults
        self.calls = self.running = self.left = 0
        self.last: dict[str, Any] = {}
        self._ids = itertools.count(1)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        dialect = DIALECTS.get(scope["path"])
        if dialect is None or scope["method"] != "POST":
            return await self._aside(scope, send)
        message = await receive()
        body: bytes = message.get("body", b"")
        while message.get("more_body"):
            message = await receive()
            body += message.get("body", b"")
        self.calls += 1
        if self.faults:
            headers = {name.decode("latin-1"): value.decode("latin-1") for name, value in scope["headers"]}
            self.last = {"path": scope["path"], "headers": headers, "body": body.decode(errors="replace")}
        try:
            request = dialect.read(orjson.loads(body))
            reply = compose(request, faults=self.faults)
        except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
            answer = dialect.error(400, "invalid_request", f"{type(error).__name__}: {error}")
            return await send_body(send, 400, orjson.dumps(answer))
        self.running += 1
        try:
            await self._answer(dialect, request, reply, scope, receive, send)
        except Gone:
            pass
        finally:
            self.running -= 1

    async def _aside(self, scope: Scope, send: Send) -> None:
        """What is no call of a model."""
        path = scope["path"]
        if path == "/v1/models":
            models = [{"id": name, "object": "model", "created": 0, "owned_by": "bursar"} for name in MODELS]
            answer: dict[str, Any] = {"object": "list", "data": models}
        elif path == "/demo/stats":
            answer = {"calls": self.calls, "running": self.running, "left": self.left}
        elif path == "/demo/last" and self.faults:
            answer = self.last
        else:
            return await send_body(send, 404, orjson.dumps(openai_error(404, "not_found", f"no {path} here")))
        return await send_body(send, 200, orjson.dumps(answer))

    async def _answer(
        self, dialect: Dialect, request: Request, reply: Reply, scope: Scope, receive: Receive, send: Send
    ) -> None:
        if reply.delay_seconds:
            await self._pause(reply.delay_seconds, receive)
        if reply.fault is not None:
            handler = FAULT_ANSWERS.get(reply.fault.name)
            if handler is not None:
                return await handler(dialect, reply.fault, scope, receive, send)
        answer_id = f"demo{next(self._ids):08d}"
        if request.stream and dialect.stream is not None:
            stream = dialect.stream(request, reply, answer_id)
            return await self._stream(dialect, stream, reply, scope, receive, send)
        body = orjson.dumps(dialect.whole(request, reply, answer_id))
        if reply.fault is not None:
            return await send_faulty_body(reply.fault, body, scope, receive, send)
        return await send_body(send, 200, body)

    async def _pause(self, seconds: float, receive: Receive) -> None:
        """Wait, unless the client leaves first."""
        try:
            await asyncio.wait_for(until_gone(receive), seconds)
        except TimeoutError:
            return
        self.left += 1
        raise Gone

    async def _stream(
        self, dialect: Dialect, stream: EventStream, reply: Reply, scope: Scope, receive: Receive, send: Send
    ) -> None:
        async def write(data: bytes) -> None:
            await send({"type": "http.response.body", "body": data, "more_body": True})

        await send({"type": "http.response.start", "status": 200, "headers": STREAM_HEADERS})
        if reply.fault is None and not reply.chunk_delay_seconds:
            data = stream.before
            for chunk in stream.chunks:
                data += chunk
                if len(data) > BATCH_BYTES:
                    await write(data)
                    data = b""
            return await send({"type": "http.response.body", "body": data + stream.after})
        gone = asyncio.ensure_future(until_gone(receive))
        fault = reply.fault or Fault("")
        try:
            await write(stream.before)
            for index, chunk in enumerate(stream.chunks):
                if fault.name in STREAM_FAULTS and index == fault.count:
                    await STREAM_FAULTS[fault.name](dialect, scope, gone, write)
                    break
                await write(chunk)
                if reply.chunk_delay_seconds:
                    await asyncio.wait({gone}, timeout=reply.chunk_delay_seconds)
                if gone.done():
                    self.left += 1
                    raise Gone
            else:
                await write(stream.after)
            await send({"type": "http.response.body", "body": b""})
        finally:
            gone.cancel()


# Faults ------------------------------------------------------------------------------------------------


async def answer_status(dialect: Dialect, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    body = orjson.dumps(dialect.error(fault.count, "demo_fault", f"The demo upstream was asked for a {fault.count}."))
    headers = [*JSON_HEADERS, (b"retry-after", b"1")] if fault.count in (429, 503) else JSON_HEADERS
    await send_body(send, fault.count, body, headers)


async def answer_quota(dialect: Dialect, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    message = "You exceeded your current quota. Your credit balance is too low."
    status = 400 if scope["path"].startswith("/v1/messages") else 429
    await send_body(send, status, orjson.dumps(dialect.error(status, "insufficient_quota", message)))


async def answer_reset(dialect: Dialect, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    await cut(scope, until_gone(receive), reset=True)


async def answer_never(dialect: Dialect, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    await until_gone(receive)


async def answer_empty(dialect: Dialect, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    await send_body(send, 200, b"")


async def answer_redirect(dialect: Dialect, fault: Fault, scope: Scope, receive: Receive, send: Send) -> None:
    await send_body(send, 307, b"{}", [*JSON_HEADERS, (b"location", b"/v1/elsewhere")])


FAULT_ANSWERS: Mapping[str, Callable[[Dialect, Fault, Scope, Receive, Send], Awaitable[None]]] = {
    "status": answer_status,
    "insufficient_quota": answer_quota,
    "reset": answer_reset,
    "hang": answer_never,
    "empty": answer_empty,
    "redirect": answer_redirect,
}


async def send_faulty_body(fault: Fault, body: bytes, scope: Scope, receive: Receive, send: Send) -> None:
    """The faults of an answer in one piece; those of streams do nothing here."""
    if fault.name == "broken_json":
        await send_body(send, 200, body[: len(body) // 2])
    elif fault.name == "gzip":
        await send_body(send, 200, gzip.compress(body), [*JSON_HEADERS, (b"content-encoding", b"gzip")])
    elif fault.name == "truncate_after":
        headers = [*JSON_HEADERS, (b"content-length", b"%d" % len(body))]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body[: min(fault.count, len(body) - 1)], "more_body": True})
        await cut(scope, until_gone(receive), reset=False)
    else:
        await send_body(send, 200, body)


Write = Callable[[bytes], Awaitable[None]]


async def stream_truncated(dialect: Dialect, scope: Scope, gone: asyncio.Future[None], write: Write) -> None:
    await cut(scope, gone, reset=False)
    raise Gone


async def stream_hanging(dialect: Dialect, scope: Scope, gone: asyncio.Future[None], write: Write) -> None:
    await gone
    raise Gone


async def stream_ended(dialect: Dialect, scope: Scope, gone: asyncio.Future[None], write: Write) -> None:
    return


async def stream_error(dialect: Dialect, scope: Scope, gone: asyncio.Future[None], write: Write) -> None:
    await write(dialect.error_event("The demo upstream was asked to fail here."))


async def stream_broken(dialect: Dialect, scope: Scope, gone: asyncio.Future[None], write: Write) -> None:
    await write(b'data: {"broken": \n\n')


STREAM_FAULTS: Mapping[str, Callable[[Dialect, Scope, asyncio.Future[None], Write], Awaitable[None]]] = {
    "truncate_after": stream_truncated,
    "hang_after": stream_hanging,
    "end_after": stream_ended,
    "error_after": stream_error,
    "broken_json": stream_broken,
}
