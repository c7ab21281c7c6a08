"""Mails into a local maildir: for a first look at Bursar, and for machines without a mail server."""

from __future__ import annotations

import asyncio
import mailbox
from collections.abc import AsyncGenerator, Callable, Sequence
from email.headerregistry import Address
from pathlib import Path

from bursar.notices.channels import ChannelUnreachable, Delivered, Letter, Outcome, Verdict
from bursar.notices.mime import to_message


class MaildirChannel:
    """Every recipient's mails lie in one maildir; any mail program can open it."""

    name = "email"

    def __init__(self, directory: Path, sender: Address) -> None:
        self._directory = directory
        self._sender = sender
        self._maildir: mailbox.Maildir | None = None

    async def deliver(
        self, letters: Sequence[Letter], *, go_on: Callable[[], bool]
    ) -> AsyncGenerator[Sequence[Delivered], None]:
        for letter in letters:
            if not go_on():
                return
            try:
                key = await asyncio.to_thread(self._put, letter)
            except (OSError, mailbox.Error) as error:
                raise ChannelUnreachable(f"cannot write to {self._directory}: {error}") from error
            yield [(letter, Outcome(Verdict.SENT, key))]

    async def close(self) -> None:
        self._maildir = None

    def _put(self, letter: Letter) -> str:
        if self._maildir is None or not (self._directory / "new").is_dir():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in ("tmp", "new", "cur"):
                (self._directory / part).mkdir(mode=0o700, exist_ok=True)
            self._maildir = mailbox.Maildir(self._directory, create=False)
        return self._maildir.add(to_message(letter, self._sender).as_bytes())
