"""The HTTP/1.1 client that carries calls to upstreams: aiohttp's, behind the few methods that the relay needs.

Connections (pool, TLS, names, forward proxies) and parsing are aiohttp's: its connector and the protocol that it makes.
What goes over them is written here, because `ClientSession` costs more than all the rest of an exchange
(docs/decisions/0004-http-stack.md). It follows no redirect, decodes no body (it asks for identity), keeps no cookie,
sends no header that it was not told to, and never sends a request twice.

Forward proxies: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the environment hold, read once per origin; never for
this machine itself. aiohttp's own `trust_env` asks the environment in a thread on every call, and would take passwords
from a `.netrc`.
"""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import BadHttpMessage, HttpProcessingError, LineTooLong
from yarl import URL

from bursar.gateway.upstream_target import (
    FaultReason,
    FaultStage,
    Header,
    Origin,
    Target,
    UpstreamFault,
)

__all__ = [
    "FaultReason",
    "FaultStage",
    "Header",
    "Origin",
    "Target",
    "UpstreamAnswer",
    "UpstreamClient",
    "UpstreamFault",
]

MAX_HEAD_LINE_BYTES: Final = 64 * 1024
DEFAULT_BODY_LIMIT_BYTES: Final = 64 * 1024 * 1024
COPIED_BYTES: Final = 64 * 1024
"""Bodies up to this size are joined to their head, so that both are one write; larger ones are not copied."""

_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SWITCHING_PROTOCOLS: Final = 101
_FIRST_FINAL_STATUS: Final = 200

_FAULTS: Final[tuple[tuple[type[BaseException], FaultReason], ...]] = (
    # The first that fits.
    (aiohttp.ClientConnectorSSLError, FaultReason.TLS),
    (aiohttp.ClientConnectorCertificateError, FaultReason.TLS),
    (aiohttp.ClientHttpProxyError, FaultReason.REFUSED),
    (aiohttp.ClientConnectorError, FaultReason.REFUSED),
    (TimeoutError, FaultReason.TIMEOUT),
    (HttpProcessingError, FaultReason.PROTOCOL),
    (aiohttp.ClientResponseError, FaultReason.PROTOCOL),
    (Exception, FaultReason.RESET),
)


class UpstreamAnswer:
    """An answer whose head has arrived. Close it in a `finally`."""

    __slots__ = (
        "_closed",
        "_connection",
        "_content",
        "_fault",
        "_reused",
        "_transport",
        "content_type",
        "headers",
        "status",
    )

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.content_type = b""
        self._connection: Connection | None = None
        """As long as this answer has it."""
        self._content: aiohttp.StreamReader | None = None
        self._transport: asyncio.Transport | None = None
        self._reused = False
        self._closed = False
        self._fault: UpstreamFault | None = None

    async def _exchange(self, connection: Connection, head: bytes, body: bytes, silence_seconds: float) -> None:
        """Send a request and wait for the head of its answer."""
        self._connection, protocol = connection, connection.protocol
        assert protocol is not None
        transport = self._transport = connection.transport
        if transport is None:
            raise aiohttp.ServerDisconnectedError
        protocol.set_response_params(
            read_until_eof=True,
            auto_decompress=False,
            read_timeout=silence_seconds,
            max_line_size=MAX_HEAD_LINE_BYTES,
            max_field_size=MAX_HEAD_LINE_BYTES,
        )
        if len(body) <= COPIED_BYTES:
            transport.write(head + body)
        else:
            transport.write(head)
            transport.write(body)
        # From here on, and anew with everything that comes: an upstream that does not read is silent as well.
        protocol.start_timeout()
        while True:
            message, content = await protocol.read()
            if message.code >= _FIRST_FINAL_STATUS or message.code == _SWITCHING_PROTOCOLS:
                break
        self.status = message.code
        self.headers = [(name.lower(), value) for name, value in message.raw_headers]
        self.content_type = next((value for name, value in self.headers if name == b"content-type"), b"")
        self._content = content
        if message.code != _SWITCHING_PROTOCOLS:
            content.on_eof(self._whole)

    def _whole(self) -> None:
        """The body has come to its end: the connection may serve another call, if it has taken all of this one's."""
        connection, self._connection = self._connection, None
        if connection is not None:
            if self._transport is None or self._transport.get_write_buffer_size():
                connection.close()
            else:
                connection.release()

    @property
    def ended(self) -> bool:
        """Whether the whole body has arrived and was read."""
        return self._content is not None and self._content.at_eof()

    async def next_chunk(self) -> bytes:
        """What has arrived and was not read yet, joined; waits for something; empty at the body's end.

        Raise UpstreamFault where the body broke off, after everything that did arrive was read.
        """
        if self._fault is not None:
            raise self._fault
        content = self._content
        assert content is not None
        try:
            return await content.readany()
        except Exception as error:
            if self._closed:
                self._fault = UpstreamFault(FaultStage.BODY, FaultReason.CLOSED)
                raise self._fault from None
            self._fault = _fault(error, FaultStage.BODY, reused=self._reused)
            # The reader remembers its fault first and what came before it second: the other way round here.
            content.set_exception(cast(Any, None))
            if left := content.read_nowait():
                return left
            raise self._fault from error

    async def chunks(self) -> AsyncIterator[bytes]:
        """Yield the body as it arrives; the upstream is slowed down to the reader's speed."""
        while chunk := await self.next_chunk():
            yield chunk

    async def read(self, limit_bytes: int = DEFAULT_BODY_LIMIT_BYTES) -> bytes:
        """Return the rest of the body; raise UpstreamFault also where it is longer than `limit_bytes`."""
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
        """Give the connection back after the body's end; cut it before (which stops the upstream).

        May be called twice, and while another task reads: that one gets a fault with reason CLOSED.
        """
        if self._closed:
            return
        self._closed = True
        connection, self._connection = self._connection, None
        if connection is None:
            return
        if self._transport is not None:
            # To be closed, a connection would wait until the upstream has read all of the request.
            self._transport.abort()
        connection.close()
        if self._content is not None and self._content.exception() is None:
            self._content.set_exception(aiohttp.ClientConnectionError("closed"))

    def _lost(self) -> None:
        """The connection is gone, and aiohttp has told the body's reader so, but for one case: what cannot be parsed
        in the middle of a body. Without this the reader would wait for ever."""
        content = self._content
        if content is not None and not content.is_eof() and content.exception() is None:
            content.set_exception(BadHttpMessage("malformed body"))


@dataclass(frozen=True, slots=True)
class _Way:
    """How an origin is reached."""

    request: aiohttp.ClientRequest
    """What the connector makes and finds connections by; it is never sent."""
    by_url: bool = False
    """Whether a forward proxy is asked for whole URLs, as it is for http (for https it is asked for a tunnel once)."""
    proxy_lines: bytes = b""
    """What such a proxy wants to know beside."""


class UpstreamClient:
    """Sends requests over kept-alive connections, as many at once as it is asked for.

    Belongs to one event loop. `timeout_seconds` of a call is the longest silence it tolerates, not its length.
    """

    def __init__(
        self,
        *,
        connect_timeout_seconds: float = 10.0,
        idle_timeout_seconds: float = 30.0,
        ssl_context: ssl.SSLContext | None = None,
    ) -> None:
        self._connecting = aiohttp.ClientTimeout(total=None, connect=connect_timeout_seconds)
        self._idle_timeout_seconds = idle_timeout_seconds
        self._ssl_context = ssl_context
        self._connector: _Connector | None = None
        self._closed = False
        self._ways: dict[Origin, _Way] = {}

    async def send(
        self,
        target: Target,
        headers: Sequence[Header],
        body: bytes,
        *,
        method: bytes = b"POST",
        timeout_seconds: float = 600.0,
    ) -> UpstreamAnswer:
        """Send one request; return when the answer's head is there. Raise UpstreamFault.

        `host`, `content-length` and `accept-encoding: identity` are added. Cancelled, it cuts the connection.
        Any method but HEAD, whose answers end differently. Raise ValueError for a header that would smuggle a line.
        """
        lines = _header_lines(headers)
        way = self._ways.get(target.origin) or self._find_way(target)
        head = b"%b %b HTTP/1.1\r\n%b%b%baccept-encoding: identity\r\ncontent-length: %d\r\n\r\n" % (
            method,
            str(target.url).encode() if way.by_url else target.path,
            way.proxy_lines,
            b"" if any(name == b"host" for name, _ in headers) else target.host_line,
            lines,
            len(body),
        )
        answer = UpstreamAnswer()
        connection = await self._connect(way, answer)
        try:
            await answer._exchange(connection, head, body, timeout_seconds)
        except (aiohttp.ClientError, HttpProcessingError, OSError) as error:
            answer.close()
            raise _fault(error, FaultStage.HEAD, reused=answer._reused) from error
        except BaseException:
            answer.close()
            raise
        if answer.status == _SWITCHING_PROTOCOLS:
            answer.close()
            raise UpstreamFault(FaultStage.HEAD, FaultReason.PROTOCOL, "it switches protocols", reused=answer._reused)
        return answer

    async def _connect(self, way: _Way, answer: UpstreamAnswer) -> Connection:
        connector = self._connector or self._open()
        try:
            return await connector.take(way.request, self._connecting, answer)
        except (aiohttp.ClientError, OSError) as error:
            raise _fault(error, FaultStage.CONNECT, reused=False) from error

    async def aclose(self) -> None:
        """Close every connection, also those of exchanges that still run."""
        self._closed = True
        if self._connector is not None:
            await self._connector.close()

    def _open(self) -> _Connector:
        if self._closed:
            raise UpstreamFault(FaultStage.CONNECT, FaultReason.CLOSED)
        self._connector = _Connector(
            limit=0, keepalive_timeout=self._idle_timeout_seconds, ssl=self._ssl_context or True
        )
        return self._connector

    def _find_way(self, target: Target) -> _Way:
        origin, proxy, proxy_lines = target.origin, None, b""
        if origin.host not in _THIS_MACHINE and not urllib.request.proxy_bypass(origin.host):
            given = urllib.request.getproxies().get("https" if origin.tls else "http")
            proxy = None if given is None else URL(given)
        by_url = proxy is not None and not origin.tls
        if by_url and (login := aiohttp.BasicAuth.from_url(cast(URL, proxy))) is not None:
            proxy_lines = b"proxy-authorization: %b\r\n" % login.encode().encode()
        request = aiohttp.ClientRequest(
            "POST", target.url, loop=asyncio.get_running_loop(), ssl=self._ssl_context or True, proxy=proxy
        )
        way = self._ways[origin] = _Way(request, by_url, proxy_lines)
        return way


def _header_lines(headers: Sequence[Header]) -> bytes:
    lines = b"".join([b"%b: %b\r\n" % header for header in headers])
    if lines.count(b"\n") != len(headers) or lines.count(b"\r") != len(headers) or b"\0" in lines:
        raise ValueError("a header with the end of a line in it")
    return lines


class _Connector(aiohttp.TCPConnector):
    """The pool of connections; it knows which one serves which answer, and hands out none that has something unread."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._serving: dict[ResponseHandler, UpstreamAnswer] = {}

    async def take(
        self, request: aiohttp.ClientRequest, timeout: aiohttp.ClientTimeout, answer: UpstreamAnswer
    ) -> Connection:
        """A connection for an answer, kept or new."""
        while True:
            connection = await self.connect(request, [], timeout)
            protocol = connection.protocol
            assert protocol is not None
            answer._reused = protocol in self._serving
            if not answer._reused:
                self._watch(protocol)
            elif protocol.should_close:
                # It has sent what nobody asked for, perhaps somebody else's answer.
                connection.close()
                continue
            self._serving[protocol] = answer
            return connection

    def _watch(self, protocol: ResponseHandler) -> None:
        def lost(closed: asyncio.Future[None]) -> None:
            closed.exception()
            answer = self._serving.pop(protocol, None)
            if answer is not None:
                answer._lost()

        closed = protocol.closed
        assert closed is not None
        closed.add_done_callback(lost)


def _fault(error: Exception, stage: FaultStage, *, reused: bool) -> UpstreamFault:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LineTooLong):
            return UpstreamFault(stage, FaultReason.TOO_LARGE, "head", reused=reused)
        cause = cause.__cause__
    reason = next(reason for kind, reason in _FAULTS if isinstance(error, kind))
    return UpstreamFault(stage, reason, " ".join(str(error).split())[:200], reused=reused)
