"""What time it is, as something that tests can hold in their hand.

Money's own time is the database's (`now()` there); this clock is for texts, links, caches and waiting.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from typing import Protocol


class Clock(Protocol):
    def now(self) -> datetime:
        """The moment, aware and in UTC."""
        ...

    def monotonic_seconds(self) -> float:
        """Seconds from an arbitrary start; never goes back. For measuring and waiting."""
        ...


class SystemClock:
    """The machine's clock."""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def monotonic_seconds(self) -> float:
        return time.monotonic()
