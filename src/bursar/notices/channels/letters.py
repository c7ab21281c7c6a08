"""What a channel is given, and what it says of each: values. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID


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
    unsubscribe_url: str | None = None
    """Where one POST takes this recipient off (RFC 8058)."""
    event: Mapping[str, Any] | None = None
    """The same for programs: `id`, `type`, `timestamp` and `data`."""
    brief: str = ""
    """The same for a chat or a short message: a few sentences and a link."""
    mandate_id: UUID | None = None


Delivered = tuple[Letter, Outcome]
