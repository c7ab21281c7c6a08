"""A small HTTP/1.1 client over `httptools` (llhttp, Node's parser), with the methods of `UpstreamClient`.

A candidate of `bench.stack` and nothing more: it shows what a kept client costs that does more than this needs
(docs/decisions/0004-http-stack.md). The parser is the library's; here are the pool, the time-outs, back-pressure and
the faults.
"""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast
from urllib.parse import urlsplit

import httptools

from bursar.gateway.upstream_target import FaultReason, FaultStage, Header, Origin, UpstreamFault

MAX_HEAD_BYTES = 64 * 1024
PAUSE_ABOVE_BYTES = 256 * 1024
DEFAULT_BODY_LIMIT_BYTES = 64 * 1024 * 1024
_BODILESS = frozenset({204, 304})


@dataclass(frozen=True, slots=True)
class OwnTarget:
    """One URL, parsed once: where to connect and the head's unchanging beginning."""

    origin: Origin
    path: bytes
    tail: bytes

    @classmethod
    def parse(cls, url: str) -> OwnTarget:
        parts = urlsplit(url)
        tls = parts.scheme == "https"
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        host = parts.netloc.encode()
        tail = b" HTTP/1.1\r\nhost: " + host + b"\r\naccept-encoding: identity\r\n"
        return cls(Origin(parts.hostname or "", parts.port or (443 if tls else 80), tls), path.encode(), tail)

    def head(self, method: bytes, headers: Sequence[Header], body_length_bytes: int) -> bytes:
        """Raise ValueError where a header would smuggle a line."""
        lines = [method, b" ", self.path, self.tail]
        for name, value in headers:
            if b"\n" in value or b"\r" in value or b"\0" in value or b"\n" in name or b"\r" in name or b":" in name:
                raise ValueError(f"header {name!r} holds a line break")
            lines += (name, b": ", value, b"\r\n")
        lines.append(b"content-length: %d\r\n\r\n" % body_length_bytes)
        return b"".join(lines)


class OwnAnswer:
    """An answer whose head has arrived. Close it in a `finally`."""

    __slots__ = (
        "_buffered_bytes",
        "_chunks",
        "_complete",
        "_connection",
        "_fault",
        "_head_done",
        "_until_close",
        "_waiter",
        "content_type",
        "headers",
        "status",
    )

    def __init__(self, connection: _Connection) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.content_type = b""
        self._connection: _Connection | None = connection
        self._chunks: list[bytes] = []
        self._buffered_bytes = 0
        self._head_done = self._complete = self._until_close = False
        self._fault: UpstreamFault | None = None
        self._waiter: asyncio.Future[None] | None = None

    async def next_chunk(self) -> bytes:
        while not self._chunks:
            if self._fault is not None:
                raise self._fault
            if self._complete:
                return b""
            await self._wait()
        chunks = self._chunks
        data = chunks[0] if len(chunks) == 1 else b"".join(chunks)
        self._chunks = []
        self._buffered_bytes = 0
        if self._connection is not None:
            self._connection.resume()
        return data

    async def read(self, limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES) -> bytes:
        parts: list[bytes] = []
        size = 0
        while chunk := await self.next_chunk():
            size += len(chunk)
            if size > limit_bytes:
                self.close()
                raise UpstreamFault(FaultStage.BODY, FaultReason.TOO_LARGE, f"above {limit_bytes} bytes")
            parts.append(chunk)
        return parts[0] if len(parts) == 1 else b"".join(parts)

    def close(self) -> None:
        """Give the connection back after the body's end; cut it before (which stops the upstream)."""
        connection, self._connection = self._connection, None
        if connection is not None:
            connection.finish(self)
            if not self._complete:
                self._fail(FaultReason.CLOSED)

    async def _wait(self) -> None:
        self._waiter = asyncio.get_running_loop().create_future()
        try:
            await self._waiter
        finally:
            self._waiter = None

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    def _fail(self, reason: FaultReason, detail: str = "", *, reused: bool = False) -> None:
        if self._fault is None and not self._complete:
            stage = FaultStage.BODY if self._head_done else FaultStage.HEAD
            self._fault = UpstreamFault(stage, reason, detail, reused=reused)
            self._wake()


class _Connection(asyncio.Protocol):
    """One connection; serves one exchange at a time."""

    transport: asyncio.Transport

    def __init__(self, client: OwnClient, origin: Origin, loop: asyncio.AbstractEventLoop) -> None:
        self.client = client
        self.origin = origin
        self.loop = loop
        self.answer: OwnAnswer | None = None
        self.served = 0
        self.idle_since_seconds = 0.0
        self._parser = httptools.HttpResponseParser(self)
        self._reusable = False
        self._paused = False
        self._head_bytes = 0
        self._timeout_seconds = 0.0
        self._last_byte_seconds = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self, request: bytes, timeout_seconds: float) -> OwnAnswer:
        self.answer = OwnAnswer(self)
        self.served += 1
        self._reusable = False
        self._head_bytes = 0
        self._timeout_seconds = timeout_seconds
        self._last_byte_seconds = self.loop.time()
        self._timer = self.loop.call_later(timeout_seconds, self._look_for_silence)
        self.transport.write(request)
        return self.answer

    def finish(self, answer: OwnAnswer) -> None:
        if self.answer is not answer:
            return
        self.answer = None
        if self._timer is not None:
            self._timer.cancel()
        # A request that was answered before it was read to its end leaves bytes behind: not reusable.
        if answer._complete and self._reusable and not self.transport.get_write_buffer_size():
            self.resume()
            self.client._keep(self)
        else:
            self.transport.abort()

    def resume(self) -> None:
        if self._paused:
            self._paused = False
            self._last_byte_seconds = self.loop.time()
            self.transport.resume_reading()

    def _look_for_silence(self) -> None:
        """One timer per exchange, moved on by what arrived; our own back-pressure is no silence of theirs."""
        if self.answer is None:
            return
        left = self._last_byte_seconds + self._timeout_seconds - self.loop.time()
        if self._paused or self.answer._complete:
            left = self._timeout_seconds
        if left <= 0.001:
            self.answer._fail(FaultReason.TIMEOUT, f"silent for {self._timeout_seconds:g} seconds")
            self.transport.abort()
        else:
            self._timer = self.loop.call_later(left, self._look_for_silence)

    # What asyncio calls ---------------------------------------------------------------------------------

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's transports are no subclass

    def data_received(self, data: bytes) -> None:
        answer = self.answer
        if answer is None:
            self.transport.abort()  # nobody asked
            return
        self._last_byte_seconds = self.loop.time()
        try:
            self._parser.feed_data(data)
        except (httptools.HttpParserError, httptools.HttpParserUpgrade) as error:
            self._reusable = False
            answer._fail(FaultReason.PROTOCOL, str(error))
            answer._wake()  # an error after the answer's end is no fault of the answer
            self.transport.abort()
            return
        if not answer._head_done:
            self._head_bytes += len(data)
            if self._head_bytes > MAX_HEAD_BYTES:
                answer._fail(FaultReason.TOO_LARGE, "head")
                self.transport.abort()
        elif answer._buffered_bytes > PAUSE_ABOVE_BYTES and not self._paused and not answer._complete:
            self._paused = True
            self.transport.pause_reading()
        answer._wake()

    def connection_lost(self, exc: Exception | None) -> None:
        self._reusable = False
        self.client._forget(self)
        answer = self.answer
        if answer is None:
            return
        if answer._until_close and exc is None and answer._fault is None:
            answer._complete = True
            answer._wake()
        else:
            answer._fail(FaultReason.RESET, str(exc or ""), reused=self.served > 1)

    # What the parser calls ------------------------------------------------------------------------------

    def on_message_begin(self) -> None:
        if self.answer is not None and self.answer._complete:
            raise httptools.HttpParserInvalidStatusError("an answer too many")

    def on_header(self, name: bytes, value: bytes) -> None:
        answer = self.answer
        if answer is None or answer._head_done:
            return  # a trailer
        name = name.lower()
        answer.headers.append((name, value))
        if name == b"content-type":
            answer.content_type = value

    def on_headers_complete(self) -> None:
        answer = self.answer
        if answer is None:
            return
        status = self._parser.get_status_code()
        if status < 200:
            answer.headers.clear()  # an interim answer: the real one follows
            answer.content_type = b""
            return
        names = {name for name, _ in answer.headers}
        answer.status = status
        answer._until_close = (
            b"content-length" not in names and b"transfer-encoding" not in names and status not in _BODILESS
        )
        answer._head_done = True

    def on_body(self, body: bytes) -> None:
        answer = self.answer
        if answer is not None and not answer._complete:
            answer._chunks.append(body)
            answer._buffered_bytes += len(body)

    def on_message_complete(self) -> None:
        answer = self.answer
        if answer is not None and answer._head_done:
            answer._complete = True
            self._reusable = self._parser.should_keep_alive()


class OwnClient:
    """Sends requests over kept-alive connections, as many at once as it is asked for.

    Belongs to one event loop. `timeout_seconds` of a call is the longest silence it tolerates, not its length.
    """

    def __init__(
        self,
        *,
        connect_timeout_seconds: float = 10.0,
        idle_timeout_seconds: float = 30.0,
        max_idle_per_origin: int = 256,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._connect_timeout_seconds = connect_timeout_seconds
        self._idle_timeout_seconds = idle_timeout_seconds
        self._max_idle = max_idle_per_origin
        self._ssl_context = ssl_context
        self._idle: dict[Origin, deque[_Connection]] = {}
        self._sweep: asyncio.TimerHandle | None = None
        self._closed = False

    async def send(
        self,
        target: OwnTarget,
        headers: Sequence[Header],
        body: bytes,
        *,
        method: bytes = b"POST",
        timeout_seconds: float = 600.0,
    ) -> OwnAnswer:
        """Send one request; return when the answer's head is there. Raise UpstreamFault.

        `host`, `content-length` and `accept-encoding: identity` are added. Cancelled, it cuts the connection.
        Any method but HEAD, whose answers end differently.
        """
        request = target.head(method, headers, len(body)) + body
        connection = self._take(target.origin) or await self._connect(target.origin)
        answer = connection.start(request, timeout_seconds)
        try:
            while not answer._head_done:
                if answer._fault is not None:
                    raise answer._fault
                await answer._wait()
        except BaseException:
            answer.close()
            raise
        return answer

    async def aclose(self) -> None:
        """Close what is idle; exchanges that run end by themselves, their connections are not kept."""
        self._closed = True
        if self._sweep is not None:
            self._sweep.cancel()
        for connections in self._idle.values():
            for connection in connections:
                connection.transport.close()
        self._idle.clear()

    async def _connect(self, origin: Origin) -> _Connection:
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(self._connect_timeout_seconds):
                _, connection = await loop.create_connection(
                    lambda: _Connection(self, origin, loop),
                    origin.host,
                    origin.port,
                    ssl=self._tls() if origin.tls else None,
                )
        except TimeoutError as error:
            raise UpstreamFault(FaultStage.CONNECT, FaultReason.TIMEOUT) from error
        except ssl.SSLError as error:
            raise UpstreamFault(FaultStage.CONNECT, FaultReason.TLS, str(error)) from error
        except OSError as error:
            raise UpstreamFault(FaultStage.CONNECT, FaultReason.REFUSED, str(error)) from error
        return connection

    def _tls(self) -> ssl.SSLContext:
        if self._ssl_context is None:
            self._ssl_context = ssl.create_default_context()
            self._ssl_context.set_alpn_protocols(["http/1.1"])
        return self._ssl_context

    def _take(self, origin: Origin) -> _Connection | None:
        connections = self._idle.get(origin)
        while connections:
            connection = connections.pop()
            if not connection.transport.is_closing():
                return connection
        return None

    def _keep(self, connection: _Connection) -> None:
        connections = self._idle.setdefault(connection.origin, deque())
        if self._closed or connection.transport.is_closing() or len(connections) >= self._max_idle:
            connection.transport.close()
            return
        connection.idle_since_seconds = connection.loop.time()
        connections.append(connection)
        if self._sweep is None:
            self._sweep = connection.loop.call_later(self._idle_timeout_seconds / 2, self._sweep_idle, connection.loop)

    def _forget(self, connection: _Connection) -> None:
        connections = self._idle.get(connection.origin)
        if connections is not None and connection in connections:
            connections.remove(connection)

    def _sweep_idle(self, loop: asyncio.AbstractEventLoop) -> None:
        """Close from the left what nobody used for long: the pool is a stack, its left end the oldest."""
        oldest = loop.time() - self._idle_timeout_seconds
        for connections in self._idle.values():
            while connections and connections[0].idle_since_seconds <= oldest:
                connections.popleft().transport.close()
        again = any(self._idle.values())
        self._sweep = loop.call_later(self._idle_timeout_seconds / 2, self._sweep_idle, loop) if again else None
