"""Channels: a channel takes letters to their recipients and says, for each, how that ended.

A further channel is one file here with a class that fits `Channel`, and a line where the application opens them.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Protocol


class Verdict(StrEnum):
    SENT = "SENT"
    """The recipient's server has taken it."""
    REFUSED = "REFUSED"
    """The server refuses this recipient, for good."""
    FAILED = "FAILED"
    """The server refuses this letter, for good; another one may pass."""
    LATER = "LATER"


@dataclass(frozen=True, slots=True)
class Outcome:
    verdict: Verdict
    detail: str = ""
    """What the other side said, for whoever looks into it."""
    dead_address: bool = False
    """There is no such recipient: nothing more is sent there until it is edited."""


@dataclass(frozen=True, slots=True)
class Letter:
    """One message to one recipient. `message_id` is the same however often it is sent."""

    recipient: str
    message_id: str
    subject: str
    text: str
    html: str
    language: str
    date: datetime


Delivered = tuple[Letter, Outcome]


class ChannelUnreachable(Exception):
    """Nothing can be sent at the moment; letters without an outcome were not sent."""


class Channel(Protocol):
    name: str

    def deliver(
        self, letters: Sequence[Letter], *, go_on: Callable[[], bool]
    ) -> AsyncGenerator[Sequence[Delivered], None]:
        """Yield outcomes as they come, those in one list that came since the last one.

        `go_on` is asked before each letter; once it says no, the rest is left without an outcome.
        Raises `ChannelUnreachable`. Never takes longer than its own timeouts for one letter.
        """
        ...

    async def close(self) -> None: ...
