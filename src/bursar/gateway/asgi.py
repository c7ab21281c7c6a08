"""The few things of ASGI that the hot path needs: reading a request, sending an answer, noticing that nobody is there.

Plain callables, no framework: docs/decisions/0004-http-stack.md says what one costs.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, MutableMapping
from typing import Any, Final, Protocol, TypeAlias

from bursar.gateway.dialects.seam import ErrorAnswer, FaultKind, GatewayFault, Header

Message: TypeAlias = MutableMapping[str, Any]
Scope: TypeAlias = MutableMapping[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Message]]
Send: TypeAlias = Callable[[Message], Awaitable[None]]
AsgiApp: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]

EVENT_STREAM: Final = b"text/event-stream"

ADMITTED: Final = "bursar.admitted"
"""In the scope of a call from within: a callable that is told the id of every hold that is granted for it, at once."""

CONNECTION: Final = "bursar.connection"
"""The extension by which our own server (`impatience.py`) offers its `Connection`."""


class Connection(Protocol):
    """Tells when a client has gone, without a task that waits for it."""

    def watch(self, gone: Callable[[], None], /) -> None: ...
    def unwatch(self, gone: Callable[[], None], /) -> None: ...


class ClientGone(Exception):
    """The client left, or stopped reading."""


class RequestHead:
    """The headers of a request, by lower-case name; of one that comes twice, the last."""

    __slots__ = ("_headers",)

    def __init__(self, scope: Scope) -> None:
        self._headers: dict[bytes, bytes] = dict(scope["headers"])

    def get(self, name: bytes) -> str | None:
        value = self._headers.get(name)
        if value is None:
            return None
        try:
            return value.decode()
        except UnicodeDecodeError:
            return value.decode("latin-1")

    def key(self) -> str | None:
        """The presented key: `Authorization: Bearer …` or `x-api-key: …`."""
        scheme, _, key = (self.get(b"authorization") or "").partition(" ")
        if scheme.lower() == "bearer" and key.strip():
            return key.strip()
        key = self.get(b"x-api-key") or ""
        return key.strip() or None

    def only(self, names: Iterable[bytes]) -> list[Header]:
        """Those of these names that are there."""
        return [(name, self._headers[name]) for name in names if name in self._headers]


async def read_body(head: RequestHead, receive: Receive, limit_bytes: int) -> bytes:
    """The request's body. Raises `GatewayFault` (413) above the limit, `ClientGone` if it never comes to its end."""
    announced = head.get(b"content-length")
    if announced is not None and announced.isdigit() and int(announced) > limit_bytes:
        raise _too_large(limit_bytes)
    message = await receive()
    if message["type"] == "http.request" and not message.get("more_body"):
        body: bytes = message.get("body", b"")
        if len(body) > limit_bytes:
            raise _too_large(limit_bytes)
        return body
    parts: list[bytes] = []
    size = 0
    while message["type"] == "http.request":
        part: bytes = message.get("body", b"")
        parts.append(part)
        size += len(part)
        if size > limit_bytes:
            raise _too_large(limit_bytes)
        if not message.get("more_body"):
            return b"".join(parts)
        message = await receive()
    raise ClientGone


def _too_large(limit_bytes: int) -> GatewayFault:
    return GatewayFault(
        FaultKind.BODY_TOO_LARGE, f"The request's body is larger than the {limit_bytes} bytes that are accepted here."
    )


async def send_answer(send: Send, answer: ErrorAnswer) -> None:
    """A whole answer at once."""
    length = (b"content-length", str(len(answer.body)).encode())
    await send({"type": "http.response.start", "status": answer.status, "headers": [*answer.headers, length]})
    await send({"type": "http.response.body", "body": answer.body})


class Client:
    """The other end of one call, after its request was read: whether it is there, and what is sent to it.

    `on_gone` is called once when it leaves. A client that does not take what it is sent for `stall_seconds` counts as
    gone, so that it cannot hold up a call that has to come to its end.
    """

    __slots__ = (
        "_connection",
        "_loop",
        "_on_gone",
        "_send",
        "_stall_seconds",
        "_stalled",
        "_task",
        "_timer",
        "_watch",
        "_writing_since",
        "gone",
        "status",
    )

    def __init__(
        self, scope: Scope, receive: Receive, send: Send, *, stall_seconds: float, on_gone: Callable[[], None]
    ) -> None:
        """To be made, and written to, in the task that serves the call."""
        self._loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        self._timer: asyncio.TimerHandle | None = None
        self._writing_since: float | None = None
        self._stalled = False
        self._send = send
        self._stall_seconds = stall_seconds
        self._on_gone = on_gone
        self.gone = False
        self.status = 0
        """What the answer began with; 0 until then."""
        self._watch: asyncio.Future[Message] | None = None
        self._connection: Connection | None = scope.get("extensions", {}).get(CONNECTION)
        if self._connection is not None:
            self._connection.watch(self._leave)
        else:
            self._watch = asyncio.ensure_future(receive())
            self._watch.add_done_callback(self._received)

    def _received(self, watch: asyncio.Future[Message]) -> None:
        if not watch.cancelled():
            watch.exception()  # Whatever it was: there is nobody to tell.
            self._leave()

    def _leave(self) -> None:
        if not self.gone:
            self.gone = True
            self._on_gone()

    def close(self) -> None:
        """The call is over: what the client does now matters no more."""
        if self._connection is not None:
            self._connection.unwatch(self._leave)
        if self._watch is not None:
            self._watch.remove_done_callback(self._received)
            self._watch.cancel()
        if self._timer is not None:
            self._timer.cancel()

    async def start(self, status: int, headers: list[Header]) -> None:
        self.status = status
        if not self.gone:
            await self._send({"type": "http.response.start", "status": status, "headers": headers})

    async def answer(self, answer: ErrorAnswer) -> None:
        """A whole answer at once."""
        length = (b"content-length", str(len(answer.body)).encode())
        await self.start(answer.status, [*answer.headers, length])
        await self.write(answer.body, more=False)

    async def write(self, body: bytes, *, more: bool) -> None:
        """Send a part of the body; waits as long as the client's connection is full."""
        if self.gone:
            return
        self._writing_since = self._loop.time()
        if self._timer is None:
            self._timer = self._loop.call_later(self._stall_seconds, self._look_for_stall)
        try:
            await self._send({"type": "http.response.body", "body": body, "more_body": more})
        except asyncio.CancelledError:
            if not self._stalled or self._task is None or self._task.uncancel() > 0:
                raise
            self._leave()
        finally:
            self._writing_since = None

    def _look_for_stall(self) -> None:
        """One timer for all writes, moved on by what went through; a write that hangs is cancelled as by a time-out."""
        since = self._writing_since
        stalled_seconds = 0.0 if since is None else self._loop.time() - since
        if stalled_seconds >= self._stall_seconds:
            if self._task is not None and not self._stalled:
                self._stalled = True
                self._task.cancel()
        else:
            self._timer = self._loop.call_later(self._stall_seconds - stalled_seconds, self._look_for_stall)
