"""How often a mail is tried again, and when it is given up. Pure."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Final, Literal

State = Literal["QUEUED", "SENT", "REFUSED", "FAILED", "CANCELLED"]
"""Of a notice row. `QUEUED` is undelivered; `REFUSED` means that the recipient's server refused this recipient."""

FIRST_RETRY: Final = timedelta(seconds=5)
LONGEST_RETRY: Final = timedelta(minutes=5)
GIVE_UP_AFTER: Final = timedelta(days=3)
"""After the last time that there was something new to tell. Mail servers themselves try for four or five days."""


def retry_after(attempts: int) -> timedelta:
    """How long to wait after `attempts` failed ones: 5, 10, 20 … seconds, at most five minutes."""
    doublings = min(max(attempts - 1, 0), 10)
    return min(FIRST_RETRY * (1 << doublings), LONGEST_RETRY)


def gives_up(updated_at: datetime, at: datetime) -> bool:
    """Whether a row that could not be delivered yet is too old to be worth another try."""
    return at - updated_at >= GIVE_UP_AFTER
