"""The HTTP server's patience with clients: how slowly, and how large, a request may arrive before it is cut off.

uvicorn waits for ever for the rest of a request, and reads heads of any size. Requests that come in one piece, as
nearly all do, cost nothing more here.
"""

from __future__ import annotations

import asyncio
from typing import ClassVar, Final

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

MAX_HEAD_BYTES: Final = 64 * 1024
_TOO_SLOW: Final = b"HTTP/1.1 408 Request Timeout\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
_HEAD_TOO_LARGE: Final = (
    b"HTTP/1.1 431 Request Header Fields Too Large\r\nconnection: close\r\ncontent-length: 0\r\n\r\n"
)


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
        self._begin()
        self._timer = self.loop.call_later(self.patience_seconds, self._look)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._timer is not None:
            self._timer.cancel()
        super().connection_lost(exc)

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
