"""What the HTTP server does beyond uvicorn: its patience with clients, and two things that make a call cheaper.

uvicorn waits for ever for the rest of a request, and reads heads of any size: here a request is cut off that arrives
too slowly or is too large. Requests that come in one piece, as nearly all do, cost nothing more.

An answer's head goes out together with the first of its body, which saves a system call and its packet; and whoever
serves a call is told that the client has gone, where uvicorn would have a task wait for it (`asgi.Connection`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import ClassVar, Final, cast

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from bursar.gateway.asgi import CONNECTION

MAX_HEAD_BYTES: Final = 64 * 1024
JOINED_BYTES: Final = 64 * 1024
"""The first part of a body up to this size is copied to its head; a larger one follows by itself."""
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)
_HEAD: Final = b"HTTP/1.1 "
_INTERIM: Final = b"HTTP/1.1 1"


class AnswerWriter:
    """The transport that answers are written to. A head waits for its body, but no longer than a turn of the loop."""

    __slots__ = ("_head", "_loop", "_transport")

    def __init__(self, transport: asyncio.Transport, loop: asyncio.AbstractEventLoop) -> None:
        self._transport = transport
        self._loop = loop
        self._head = b""

    def write(self, data: bytes) -> None:
        head = self._head
        if not head:
            if data.startswith(_HEAD) and not data.startswith(_INTERIM):
                self._head = data
                self._loop.call_soon(self._let_go)
            else:
                self._transport.write(data)
        elif len(data) <= JOINED_BYTES:
            self._head = b""
            self._transport.write(head + data)
        else:
            self._let_go()
            self._transport.write(data)

    def _let_go(self) -> None:
        head, self._head = self._head, b""
        if head:
            self._transport.write(head)

    def close(self) -> None:
        self._let_go()
        self._transport.close()

    def is_closing(self) -> bool:
        return self._transport.is_closing()


class ImpatientProtocol(HttpToolsProtocol):
    """One connection. A request, and the first one of a connection that says nothing, has `patience_seconds` to arrive
    and a second more for each `bytes_per_second` of it; the rest of one that was answered already is not listened to.
    """

    patience_seconds: ClassVar[float] = 30.0
    bytes_per_second: ClassVar[int] = 16 * 1024

    _receiving = False
    _in_head = False
    _began_seconds = 0.0
    _bytes = 0
    _timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._answers = cast(asyncio.Transport, AnswerWriter(transport, self.loop))
        self._watching: set[Callable[[], None]] = set()
        self._begin()
        self._timer = self.loop.call_later(self.patience_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)
        for gone in tuple(self._watching):
            gone()

    def watch(self, gone: Callable[[], None]) -> None:
        """Call `gone` once the client has left."""
        if self.parser is None:
            self.loop.call_soon(gone)
            return
        self._watching.add(gone)
        # A large request may have stopped the reading, and only who reads learns of the end.
        self.flow.resume_reading()

    def unwatch(self, gone: Callable[[], None]) -> None:
        self._watching.discard(gone)

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        if not self._receiving or self.transport.is_closing():
            return
        self._bytes += len(data)
        if self._in_head and self._bytes > MAX_HEAD_BYTES:
            self._cut(_HEAD_TOO_LARGE)
        elif not self._in_head and self.cycle is not None and self.cycle.response_complete:
            self.transport.close()
        elif self._timer is None:
            self._timer = self.loop.call_later(self.patience_seconds, self._look)

    def on_message_begin(self) -> None:
        self._begin()
        super().on_message_begin()

    def on_headers_complete(self) -> None:
        self._in_head = False
        super().on_headers_complete()
        self.cycle.transport = self._answers
        self.scope["extensions"] = {CONNECTION: self}  # type: ignore[dict-item]

    def on_message_complete(self) -> None:
        self._receiving = False
        super().on_message_complete()

    def _begin(self) -> None:
        self._receiving = self._in_head = True
        self._began_seconds = self.loop.time()
        self._bytes = 0

    def _look(self) -> None:
        self._timer = None
        if not self._receiving or self.transport.is_closing():
            return
        allowed_seconds = self.patience_seconds + self._bytes / self.bytes_per_second
        left_seconds = self._began_seconds + allowed_seconds - self.loop.time()
        if left_seconds > 0:
            self._timer = self.loop.call_later(left_seconds, self._look)
        else:
            self._cut(_TOO_SLOW)

    def _cut(self, answer: bytes) -> None:
        """The application, if it has begun, finds that its client has gone."""
        if self._in_head or self.cycle is None or not self.cycle.response_started:
            self.transport.write(answer)
        self.transport.close()
