"""A real SMTP server on a free port of 127.0.0.1, which accepts, refuses, hangs or dies as it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections import Counter
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from typing import Any, Self, cast

from aiosmtpd.smtp import SMTP, AuthResult, Envelope, LoginPassword, Session

from bursar.notices.channels.mail_url import SmtpServer


@dataclass(frozen=True)
class Received:
    recipient: str
    message: EmailMessage
    over_tls: bool
    user: str | None


@dataclass
class MailHost:
    """`refuse` and `refuse_data` map recipients to replies; `*` stands for everybody else."""

    tls: ssl.SSLContext | None = None
    implicit_tls: bool = False
    users: dict[bytes, bytes] = field(default_factory=dict)
    refuse: dict[str, str] = field(default_factory=dict)
    refuse_data: dict[str, str] = field(default_factory=dict)
    hang_at: str | None = None
    """`greeting`, `rcpt` or `data`."""
    die_at: str | None = None
    """`rcpt`, `data`, or `reply`: the mail is taken, and the connection lost before anybody hears of it."""
    deaths: int = 1_000_000
    """How often it dies before it is well again."""
    received: list[Received] = field(default_factory=list)
    attempts: Counter[str] = field(default_factory=Counter)
    connections: int = 0
    together: int = 0
    """The most connections at one time."""
    hanging: asyncio.Event = field(default_factory=asyncio.Event)
    port: int = 0
    _open: set[asyncio.Transport] = field(default_factory=set)
    _server: asyncio.Server | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(self, *_: object) -> None:
        await self.stop()

    async def start(self) -> None:
        """Again on the same port, after `stop`."""
        loop = asyncio.get_running_loop()
        self._server = await loop.create_server(
            lambda: _Conversation(self), "127.0.0.1", self.port, ssl=self.tls if self.implicit_tls else None
        )
        self.port = self._server.sockets[0].getsockname()[1]

    async def stop(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for transport in list(self._open):
            transport.abort()
        await asyncio.sleep(0)

    def address(self, **differences: Any) -> SmtpServer:
        return SmtpServer(**{"host": "127.0.0.1", "port": self.port, "tls": "none", **differences})

    @property
    def recipients(self) -> list[str]:
        return sorted(mail.recipient for mail in self.received)

    # --- what aiosmtpd calls ---

    async def handle_RCPT(self, server: SMTP, session: Session, envelope: Envelope, address: str, options: Any) -> str:
        self.attempts[address] += 1
        await self._trouble(server, "rcpt")
        reply = self.refuse.get(address, self.refuse.get("*"))
        if reply is not None:
            return reply
        envelope.rcpt_tos.append(address)
        return "250 2.1.5 OK"

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        await self._trouble(server, "data")
        (recipient,) = envelope.rcpt_tos
        reply = self.refuse_data.get(recipient, self.refuse_data.get("*"))
        if reply is not None:
            return reply
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        login = getattr(session, "auth_data", None)
        self.received.append(
            Received(
                recipient, message, session.ssl is not None or self.implicit_tls, login.decode() if login else None
            )
        )
        await self._trouble(server, "reply")
        return "250 2.0.0 queued"

    def authenticate(
        self, server: SMTP, session: Session, envelope: Envelope, mechanism: str, data: LoginPassword
    ) -> AuthResult:
        good = self.users.get(data.login) == data.password
        return AuthResult(success=good, handled=good, auth_data=data.login)

    async def _trouble(self, server: SMTP, place: str) -> None:
        if self.hang_at == place:
            self.hanging.set()
            await asyncio.sleep(3600)
        if self.die_at == place and self.deaths > 0:
            self.deaths -= 1
            assert isinstance(server, _Conversation)
            assert server._mine is not None
            server._mine.abort()
            await asyncio.sleep(3600)


class _Conversation(SMTP):
    def __init__(self, host: MailHost) -> None:
        super().__init__(
            host,
            hostname="mail.example.org",
            enable_SMTPUTF8=True,
            loop=asyncio.get_running_loop(),
            tls_context=None if host.implicit_tls else host.tls,
            authenticator=host.authenticate if host.users else None,
            auth_required=bool(host.users) and not host.implicit_tls,
            auth_require_tls=not host.implicit_tls,
        )
        self._host = host
        self._mine: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        if self._mine is None:
            self._host.connections += 1
        # uvloop's transports are no subclasses of asyncio's.
        self._mine = cast("asyncio.Transport", transport)
        self._host._open.add(self._mine)
        self._host.together = max(self._host.together, len(self._host._open))
        if self._host.hang_at != "greeting":
            super().connection_made(transport)

    def connection_lost(self, error: Exception | None) -> None:
        if self._mine is not None:
            self._host._open.discard(self._mine)
        if self._host.hang_at != "greeting":
            super().connection_lost(error)
