"""A real SMTP server in a thread of its own, which takes every mail and hands it to whoever waits for it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from email import message_from_bytes, policy
from email.message import EmailMessage
from queue import Queue

from aiosmtpd.smtp import SMTP, Envelope, Session

LONGEST_WAIT_SECONDS = 60


@dataclass
class MailSink:
    """A mail to nobody that is waited for stays for whoever asks for its recipient later."""

    port: int = 0
    _arrived: Queue[tuple[list[str], EmailMessage]] = field(default_factory=Queue)

    @property
    def url(self) -> str:
        return f"smtp://127.0.0.1:{self.port}?tls=none"

    def mail_to(self, recipient: str) -> EmailMessage:
        """The next mail to `recipient`. Raises `queue.Empty` if none comes."""
        others = []
        try:
            while True:
                recipients, message = self._arrived.get(timeout=LONGEST_WAIT_SECONDS)
                if recipient in recipients:
                    return message
                others.append((recipients, message))
        finally:
            for other in others:
                self._arrived.put(other)

    async def handle_DATA(self, server: SMTP, session: Session, envelope: Envelope) -> str:
        assert isinstance(envelope.content, bytes)
        message = message_from_bytes(envelope.content, policy=policy.default)
        assert isinstance(message, EmailMessage)
        self._arrived.put((list(envelope.rcpt_tos), message))
        return "250 2.0.0 queued"


@contextmanager
def mail_sink() -> Iterator[MailSink]:
    sink, loop, started = MailSink(), asyncio.new_event_loop(), threading.Event()

    async def listen() -> None:
        server = await loop.create_server(lambda: SMTP(sink, loop=loop, enable_SMTPUTF8=True), "127.0.0.1", 0)
        sink.port = server.sockets[0].getsockname()[1]
        started.set()

    def serve() -> None:
        loop.run_until_complete(listen())
        loop.run_forever()

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    started.wait()
    yield sink
    loop.call_soon_threadsafe(loop.stop)
    thread.join()
