"""Mails by SMTP: many on one connection, several connections where there are many, an outcome for each recipient."""

from __future__ import annotations

import asyncio
import ssl
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from contextlib import suppress
from email.headerregistry import Address
from typing import Final

import aiosmtplib

from bursar.notices.channels import ChannelUnreachable, Delivered, Letter, Outcome, Verdict
from bursar.notices.channels.mail_url import SmtpServer
from bursar.notices.channels.replies import data_refused, recipient_refused
from bursar.notices.mime import envelope_address, needs_utf8, to_bytes

LETTERS_PER_CONNECTION: Final = 10
CONNECTIONS: Final = 4
BROKEN_CONVERSATIONS: Final = 2
"""So many broken conversations in a row, and the server counts as unreachable."""

_CONNECTION_LOST: Final = (aiosmtplib.SMTPServerDisconnected, aiosmtplib.SMTPTimeoutError, OSError, TimeoutError)


class EmailChannel:
    """One SMTP server. Each letter goes in an envelope of its own, so that one recipient's trouble is only theirs."""

    name = "email"

    def __init__(
        self,
        server: SmtpServer,
        sender: Address,
        *,
        timeout_seconds: float = 30.0,
        tls_context: ssl.SSLContext | None = None,
    ) -> None:
        self._server = server
        self._sender = sender
        self._timeout_seconds = timeout_seconds
        self._tls_context = tls_context

    async def deliver(
        self, letters: Sequence[Letter], *, go_on: Callable[[], bool]
    ) -> AsyncGenerator[Sequence[Delivered], None]:
        waiting = deque(letters)
        delivered: asyncio.Queue[Delivered | None] = asyncio.Queue()
        senders = [
            asyncio.create_task(self._send_all(waiting, delivered, go_on), name=f"smtp-{number}")
            for number in range(min(CONNECTIONS, -(-len(letters) // LETTERS_PER_CONNECTION)))
        ]
        everything = asyncio.gather(*senders, return_exceptions=True)
        everything.add_done_callback(lambda _: delivered.put_nowait(None))
        try:
            ended = False
            while not ended:
                news = [await delivered.get(), *_drained(delivered)]
                ended = None in news
                if found := [each for each in news if each is not None]:
                    yield found
            for failure in everything.result():
                # A connection too many does not matter, as long as the others took all letters.
                if isinstance(failure, BaseException) and (waiting or not isinstance(failure, ChannelUnreachable)):
                    raise failure
        finally:
            for sender in senders:
                sender.cancel()
            await asyncio.gather(*senders, return_exceptions=True)

    async def close(self) -> None:
        """Nothing stays open between deliveries."""

    async def _send_all(
        self, waiting: deque[Letter], delivered: asyncio.Queue[Delivered | None], go_on: Callable[[], bool]
    ) -> None:
        broken = 0
        while waiting and go_on():
            client = await self._connect()
            still_talking = True
            try:
                while still_talking and waiting and go_on():
                    letter = waiting.popleft()
                    outcome, still_talking = await self._send(client, letter)
                    delivered.put_nowait((letter, outcome))
                    broken = 0 if still_talking else broken + 1
                    if broken >= BROKEN_CONVERSATIONS:
                        raise ChannelUnreachable(outcome.detail)
                if still_talking:
                    await self._take_leave(client)
            finally:
                client.close()

    async def _connect(self) -> aiosmtplib.SMTP:
        """A connection that is ready for mail. Raises `ChannelUnreachable`, for wrong credentials, too."""
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            use_tls=server.tls == "implicit",
            start_tls={"starttls": True, "none": False}.get(server.tls),
            local_hostname=server.helo,
            timeout=self._timeout_seconds,
            validate_certs=server.tls != "opportunistic",
            tls_context=self._tls_context,
        )
        try:
            async with asyncio.timeout(self._timeout_seconds * 2):
                await client.connect()
        except (aiosmtplib.SMTPException, *_CONNECTION_LOST, ssl.SSLError, ValueError) as error:
            client.close()
            raise ChannelUnreachable(f"{server.host}:{server.port}: {_one_line(error)}") from error
        except asyncio.CancelledError:
            client.close()
            raise
        return client

    async def _send(self, client: aiosmtplib.SMTP, letter: Letter) -> tuple[Outcome, bool]:
        """The outcome of one letter, and whether the conversation can go on."""
        try:
            async with asyncio.timeout(self._timeout_seconds * 2):
                return await self._converse(client, letter), True
        except aiosmtplib.SMTPRecipientRefused as error:
            outcome = recipient_refused(error.code, error.message)
        except aiosmtplib.SMTPDataError as error:
            outcome = data_refused(error.code, error.message)
        except aiosmtplib.SMTPResponseException as error:
            # The sender or a command is refused: ours to put right, and no fault of this recipient.
            outcome = Outcome(Verdict.LATER, f"{error.code} {_one_line(error)}")
        except _CONNECTION_LOST as error:
            return Outcome(Verdict.LATER, f"connection lost: {_one_line(error)}"), False
        except aiosmtplib.SMTPException as error:
            return Outcome(Verdict.LATER, _one_line(error)), False
        return outcome, await self._reset(client)

    async def _converse(self, client: aiosmtplib.SMTP, letter: Letter) -> Outcome:
        options: list[str] = []
        encoding = "ascii"
        if needs_utf8(letter.recipient):
            if client.is_ehlo_or_helo_needed:
                await client.ehlo()
            if not client.supports_extension("smtputf8"):
                return Outcome(Verdict.FAILED, "the mail server cannot write to such an address (no SMTPUTF8)")
            options, encoding = ["SMTPUTF8"], "utf-8"
        sender = f"{self._sender.username}@{self._sender.domain}"
        await client.mail(sender, options=options, encoding=encoding)
        await client.rcpt(envelope_address(letter.recipient), encoding=encoding)
        response = await client.data(to_bytes(letter, self._sender))
        return Outcome(Verdict.SENT, f"{response.code} {_flat(response.message)}")

    async def _reset(self, client: aiosmtplib.SMTP) -> bool:
        """Whether the conversation can begin anew after a refusal."""
        try:
            async with asyncio.timeout(self._timeout_seconds):
                await client.rset()
        except (aiosmtplib.SMTPException, *_CONNECTION_LOST):
            return False
        return True

    async def _take_leave(self, client: aiosmtplib.SMTP) -> None:
        with suppress(aiosmtplib.SMTPException, *_CONNECTION_LOST):
            async with asyncio.timeout(min(self._timeout_seconds, 2.0)):
                await client.quit()


def _drained(queue: asyncio.Queue[Delivered | None]) -> list[Delivered | None]:
    found: list[Delivered | None] = []
    while not queue.empty():
        found.append(queue.get_nowait())
    return found


def _one_line(error: BaseException) -> str:
    return _flat(str(getattr(error, "message", "") or error)) or type(error).__name__


def _flat(text: str) -> str:
    return " ".join(text.split())[:500]
