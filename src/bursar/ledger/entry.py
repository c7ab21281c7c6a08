"""One waiting command: who waits for it, since when, and how often it was tried."""

from __future__ import annotations

import asyncio
from typing import Final

from bursar.ledger.books import InMandate
from bursar.ledger.model import Command, Expire, Extend, Outcome, Release, Reserve, Settle

BEGINNINGS: Final = frozenset({Reserve, Extend})
"""Commands that take money. They wait in a bounded queue, for a bounded time."""
ENDINGS: Final = frozenset({Settle, Release, Expire})
"""Commands that give money back. They are never dropped, whether or not anybody still waits for the answer."""


class LedgerUnavailable(Exception):
    """The ledger cannot answer now (a fault, not a "no"): HTTP 503 with `Retry-After`.

    Of a command that moves money by itself (a top-up) it may be unknown whether it was carried out: it is sent again
    with the same idempotency key.
    """

    def __init__(self, message: str, retry_after_seconds: int = 1) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class CommandQuarantined(LedgerUnavailable):
    """This one command breaks its batch; it stands alone, is not tried again, and somebody must look."""


class Entry:
    __slots__ = (
        "account",
        "attempts",
        "called",
        "command",
        "ends",
        "enqueued_at",
        "future",
        "takes",
        "unsure",
        "wait_until",
    )

    def __init__(self, command: Command, future: asyncio.Future[Outcome], enqueued_at: float) -> None:
        self.command = command
        self.future = future
        self.enqueued_at = enqueued_at
        self.account: InMandate = (command.mandate_id, command.account_id)
        kind = type(command)
        self.takes = kind in BEGINNINGS
        self.ends = kind in ENDINGS
        self.unsure = False
        """Whether an earlier commit of this command may have gone through."""
        self.attempts = 0
        self.wait_until: float | None = None
        """Until when it waits for money that others hold; after that it is decided as it stands."""
        self.called = False
        """Whether it comes from the line, so that it is tried before it would join the line again."""

    def answer(self, outcome: Outcome) -> None:
        if not self.future.done():
            self.future.set_result(outcome)

    def fail(self, error: Exception) -> None:
        if not self.future.done():
            self.future.set_exception(error)


def rank(entry: Entry) -> int:
    """What gives money back is decided first, then calls that run already, then new ones."""
    if not entry.takes:
        return 0
    return 1 if type(entry.command) is Extend else 2
