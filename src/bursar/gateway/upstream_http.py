"""The HTTP/1.1 client that carries calls to upstreams: aiohttp's, behind the few methods that the relay needs.

It follows no redirect, decodes no body (it asks for identity), keeps no cookie, sends no header that it was not told
to, and never sends a request twice. Why aiohttp: docs/decisions/0004-http-stack.md.

Forward proxies: `HTTPS_PROXY`, `HTTP_PROXY` and `NO_PROXY` of the environment hold, read once per origin; never for
this machine itself. aiohttp's own `trust_env` is off: it asks the environment in a thread on every call, and would
take passwords from a `.netrc`.
"""

from __future__ import annotations

import asyncio
import ssl
import urllib.request
from collections.abc import AsyncIterator, Sequence
from contextvars import ContextVar
from functools import lru_cache
from typing import Any, Final, cast

import aiohttp
from aiohttp.client_proto import ResponseHandler
from aiohttp.connector import Connection
from aiohttp.http_exceptions import LineTooLong
from aiohttp.tracing import Trace

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
WRITTEN_AT_ONCE_BYTES: Final = 64 * 1024
"""Bodies up to this size are handed to the connection in one go (aiohttp's own mark); larger ones wait until the
upstream reads them, which its time-out for silence does not cover."""

_IDENTITY: Final = ("accept-encoding", "identity")
_NEVER_ADDED: Final = ("accept", "content-type", "user-agent")
_THIS_MACHINE: Final = frozenset({"localhost", "127.0.0.1", "::1"})
_SWITCHING_PROTOCOLS: Final = 101

_FAULTS: Final[tuple[tuple[type[BaseException], FaultStage | None, FaultReason], ...]] = (
    # The first that fits. Those with a stage of their own happen before anything of a request is sent.
    (aiohttp.ConnectionTimeoutError, FaultStage.CONNECT, FaultReason.TIMEOUT),
    (aiohttp.ClientConnectorSSLError, FaultStage.CONNECT, FaultReason.TLS),
    (aiohttp.ClientConnectorCertificateError, FaultStage.CONNECT, FaultReason.TLS),
    (aiohttp.ClientHttpProxyError, FaultStage.CONNECT, FaultReason.REFUSED),
    (aiohttp.ClientConnectorError, FaultStage.CONNECT, FaultReason.REFUSED),
    (TimeoutError, None, FaultReason.TIMEOUT),
    (aiohttp.ClientResponseError, None, FaultReason.PROTOCOL),
    (Exception, None, FaultReason.RESET),
)


class UpstreamAnswer:
    """An answer whose head has arrived. Close it in a `finally`."""

    __slots__ = (
        "_closed",
        "_content",
        "_fault",
        "_response",
        "_reused",
        "_transport",
        "content_type",
        "headers",
        "status",
    )

    _response: aiohttp.ClientResponse

    def __init__(self) -> None:
        self.status = 0
        self.headers: list[Header] = []
        self.content_type = b""
        self._content: aiohttp.StreamReader | None = None
        self._transport: asyncio.Transport | None = None
        self._reused = False
        self._closed = False
        self._fault: UpstreamFault | None = None

    def _begin(self, response: aiohttp.ClientResponse) -> None:
        self.status = response.status
        self.headers = [(name.lower(), value) for name, value in response.raw_headers]
        self.content_type = next((value for name, value in self.headers if name == b"content-type"), b"")
        self._response = response
        self._content = response.content

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
        if not self._response.closed:
            self._cut()
            self._response.close()

    def _cut(self) -> None:
        """To be closed, a connection would wait until the upstream has read all of the request."""
        if self._transport is not None:
            self._transport.abort()

    def _lost(self) -> None:
        """The connection is gone, and aiohttp has told the body's reader so, but for one case: what cannot be parsed
        in the middle of a body. Without this the reader would wait for ever."""
        content = self._content
        if content is not None and not content.is_eof() and content.exception() is None:
            content.set_exception(_malformed(self._response))


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
        self._connect_timeout_seconds = connect_timeout_seconds
        self._idle_timeout_seconds = idle_timeout_seconds
        self._ssl_context = ssl_context
        self._opened: aiohttp.ClientSession | None = None
        self._closed = False
        self._proxies: dict[Origin, str | None] = {}

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
        answer = UpstreamAnswer()
        _under_way.set(answer)
        try:
            if len(body) <= WRITTEN_AT_ONCE_BYTES:
                response = await self._request(target, headers, body, method, timeout_seconds)
            else:
                async with asyncio.timeout(self._connect_timeout_seconds + timeout_seconds):
                    response = await self._request(target, headers, body, method, timeout_seconds)
        except (aiohttp.ClientError, OSError, _Lost) as error:
            answer._cut()
            raise _fault(error, FaultStage.HEAD, reused=answer._reused) from error
        except BaseException:
            answer._cut()
            raise
        answer._begin(response)
        if answer.status == _SWITCHING_PROTOCOLS:
            answer.close()
            raise UpstreamFault(FaultStage.HEAD, FaultReason.PROTOCOL, "it switches protocols", reused=answer._reused)
        return answer

    async def _request(
        self, target: Target, headers: Sequence[Header], body: bytes, method: bytes, timeout_seconds: float
    ) -> aiohttp.ClientResponse:
        session = self._opened or self._open()
        # aiohttp repeats a request whose connection was lost, unless it is a POST (RFC 9110, 9.2.2: idempotent ones).
        once = () if method == b"POST" else (_only_once,)
        return await session.request(
            method.decode(),
            target.url,
            headers=[*((name.decode(), value.decode("utf-8", "replace")) for name, value in headers), _IDENTITY],
            data=body or None,
            allow_redirects=False,
            proxy=self._proxy(target.origin),
            timeout=_timeout(self._connect_timeout_seconds, timeout_seconds),
            middlewares=once,
        )

    async def aclose(self) -> None:
        """Close every connection, also those of exchanges that still run."""
        self._closed = True
        if self._opened is not None:
            await self._opened.close()

    def _open(self) -> aiohttp.ClientSession:
        if self._closed:
            raise UpstreamFault(FaultStage.CONNECT, FaultReason.CLOSED)
        self._opened = aiohttp.ClientSession(
            connector=_Connector(limit=0, keepalive_timeout=self._idle_timeout_seconds, ssl=self._ssl_context or True),
            auto_decompress=False,
            cookie_jar=aiohttp.DummyCookieJar(),
            max_field_size=MAX_HEAD_LINE_BYTES,
            max_line_size=MAX_HEAD_LINE_BYTES,
            skip_auto_headers=_NEVER_ADDED,
        )
        return self._opened

    def _proxy(self, origin: Origin) -> str | None:
        try:
            return self._proxies[origin]
        except KeyError:
            proxy = None
            if origin.host not in _THIS_MACHINE and not urllib.request.proxy_bypass(origin.host):
                proxy = urllib.request.getproxies().get("https" if origin.tls else "http")
            self._proxies[origin] = proxy
            return proxy


_under_way: Final[ContextVar[UpstreamAnswer]] = ContextVar("upstream_answer")
"""The answer that the current task is getting a connection for."""


class _Connector(aiohttp.TCPConnector):
    """The pool of connections; it knows which one serves which answer, and hands out none that has something unread."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._serving: dict[ResponseHandler, UpstreamAnswer] = {}

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        answer = _under_way.get()
        while True:
            connection = await super().connect(req, traces, timeout)
            protocol = connection.protocol
            assert protocol is not None
            answer._reused = protocol in self._serving
            if not answer._reused:
                self._watch(protocol)
            elif protocol.should_close:
                # It has sent what nobody asked for, perhaps somebody else's answer.
                connection.close()
                continue
            answer._transport = connection.transport
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


class _Lost(Exception):
    """A connection was lost, told in a way that aiohttp does not take for an invitation to try again."""


async def _only_once(request: aiohttp.ClientRequest, handler: aiohttp.ClientHandlerType) -> aiohttp.ClientResponse:
    try:
        return await handler(request)
    except (aiohttp.ClientOSError, aiohttp.ServerDisconnectedError) as error:
        if isinstance(error, aiohttp.ClientConnectorError):
            raise
        raise _Lost(str(error)) from error


@lru_cache
def _timeout(connect_seconds: float, silence_seconds: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_seconds, sock_read=silence_seconds)


def _malformed(response: aiohttp.ClientResponse) -> aiohttp.ClientResponseError:
    return aiohttp.ClientResponseError(response.request_info, (), message="malformed body")


def _fault(error: Exception, stage: FaultStage, *, reused: bool) -> UpstreamFault:
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, LineTooLong):
            return UpstreamFault(stage, FaultReason.TOO_LARGE, "head", reused=reused)
        cause = cause.__cause__
    own_stage, reason = next((own, reason) for kind, own, reason in _FAULTS if isinstance(error, kind))
    return UpstreamFault(own_stage or stage, reason, " ".join(str(error).split())[:200], reused=reused)
