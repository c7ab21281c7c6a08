"""Mails into a local maildir: for a first look at Bursar, and for machines without a mail server."""

from __future__ import annotations

import asyncio
import mailbox
from collections.abc import AsyncGenerator, Callable, Sequence
from email.headerregistry import Address
from pathlib import Path
from typing import Final

from bursar.notices.channels import ChannelUnreachable, Delivered, Letter, Outcome, Verdict
from bursar.notices.mime import to_bytes

AT_ONCE: Final = 20


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
        for begin in range(0, len(letters), AT_ONCE):
            if not go_on():
                return
            put: list[Delivered] = []
            trouble = await asyncio.to_thread(self._put_all, letters[begin : begin + AT_ONCE], put)
            yield put
            if trouble is not None:
                raise ChannelUnreachable(f"cannot write to {self._directory}: {trouble}") from trouble

    async def close(self) -> None:
        self._maildir = None

    def _put_all(self, letters: Sequence[Letter], put: list[Delivered]) -> Exception | None:
        """Those that lie there are added to `put`; what kept the others out is the answer."""
        for letter in letters:
            try:
                put.append((letter, Outcome(Verdict.SENT, self._put(letter))))
            except (OSError, mailbox.Error) as error:
                return error
        return None

    def _put(self, letter: Letter) -> str:
        if self._maildir is None or not (self._directory / "new").is_dir():
            self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
            for part in ("tmp", "new", "cur"):
                (self._directory / part).mkdir(mode=0o700, exist_ok=True)
            self._maildir = mailbox.Maildir(self._directory, create=False)
        return self._maildir.add(to_bytes(letter, self._sender))
