"""HTTP to our own gateway without leaving the process: an ordinary client's requests, by the gateway's own ASGI routes.

What a call costs, holds and is refused is decided there, as for anybody; nothing is passed by.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any, Final
from uuid import UUID

import httpx2

from bursar.gateway.asgi import ADMITTED, AsgiApp, Message, Scope

BASE_URL: Final = "http://gateway.internal"
_QUEUED_MESSAGES: Final = 64
"""How far the gateway may be ahead of a reader before it waits, as it would for a slow connection."""

_running: Final[set[asyncio.Task[None]]] = set()
"""Calls, which may outlive their client: the gateway reads an answer to its end where the mandate wants that."""


class GatewayTransport(httpx2.AsyncBaseTransport):
    """Requests to the gateway of this worker, each under a token of its own. `on_paid` hears the id of every call that
    was let in."""

    def __init__(
        self,
        routes: Mapping[tuple[str, str], AsgiApp],
        new_token: Callable[[], str],
        on_paid: Callable[[UUID], None],
    ) -> None:
        self._routes = routes
        self._new_token = new_token
        self._on_paid = on_paid

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        app = self._routes.get((request.method, request.url.path))
        if app is None:
            return httpx2.Response(404, request=request)
        request.headers.pop("x-api-key", None)
        request.headers["authorization"] = f"Bearer {self._new_token()}"
        exchange = _Exchange(request, await request.aread())
        exchange.start(app)
        try:
            status, headers = await exchange.head()
        except BaseException:
            # Stopped before its first byte: where the gateway reads the answer to its end, it costs all the same.
            for request_id in exchange.admitted:
                self._on_paid(request_id)
            raise
        if request.method == "POST" and status < 300:
            self._on_paid(UUID(dict(headers)[b"x-request-id"].decode()))
        if status == 429:
            # Official clients try a 429 again by themselves. A run parks instead, and says when it may go on.
            headers = [*headers, (b"x-should-retry", b"false")]
        return httpx2.Response(status, headers=headers, stream=_Body(exchange), request=request)


class _Exchange:
    """One request and its answer, message by message."""

    def __init__(self, request: httpx2.Request, body: bytes) -> None:
        self._body = body
        self._request = request
        self._sent: asyncio.Queue[Message | None] = asyncio.Queue(_QUEUED_MESSAGES)
        self._gone = asyncio.Event()
        self._is_read = False
        self.admitted: list[UUID] = []

    def start(self, app: AsgiApp) -> None:
        task = asyncio.get_running_loop().create_task(self._serve(app), name="workspace-gateway-call")
        _running.add(task)
        task.add_done_callback(_running.discard)

    async def _serve(self, app: AsgiApp) -> None:
        url = self._request.url
        scope: Scope = {
            "type": "http",
            "method": self._request.method,
            "path": url.path,
            "query_string": url.query,
            "headers": [(name.lower(), value) for name, value in self._request.headers.raw],
            ADMITTED: self.admitted.append,
        }
        try:
            await app(scope, self._receive, self._send)
        finally:
            if not self._gone.is_set():
                await self._put(None)

    async def _receive(self) -> Message:
        if not self._is_read:
            self._is_read = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if not self._gone.is_set():
            await self._put(message)

    async def _put(self, message: Message | None) -> None:
        """Waits while the reader is behind; not for one that has gone."""
        put = asyncio.ensure_future(self._sent.put(message))
        if not self._sent.full():
            await put
            return
        gone = asyncio.ensure_future(self._gone.wait())
        await asyncio.wait((put, gone), return_when=asyncio.FIRST_COMPLETED)
        put.cancel()
        gone.cancel()

    async def head(self) -> tuple[int, list[tuple[bytes, bytes]]]:
        try:
            message = await self._sent.get()
        except BaseException:
            self.leave()
            raise
        if message is None:
            raise httpx2.RemoteProtocolError("the gateway did not answer", request=self._request)
        return message["status"], list(message["headers"])

    async def body(self) -> AsyncIterator[bytes]:
        while (message := await self._sent.get()) is not None:
            if message.get("body"):
                yield message["body"]
            if not message.get("more_body"):
                return

    def leave(self) -> None:
        """The client is no longer interested, or has everything."""
        self._gone.set()


class _Body(httpx2.AsyncByteStream):
    def __init__(self, exchange: _Exchange) -> None:
        self._exchange = exchange

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for part in self._exchange.body():
            yield part

    async def aclose(self) -> None:
        self._exchange.leave()


def new_client(transport: GatewayTransport, headers: Mapping[str, str], **more: Any) -> httpx2.AsyncClient:
    """A client that reaches this worker's gateway, and nothing else."""
    return httpx2.AsyncClient(transport=transport, base_url=BASE_URL, headers=dict(headers), timeout=None, **more)
