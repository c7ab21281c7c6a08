"""Rates beside money: how many calls a key or a mandate may begin in a minute, and may have under way at once. Pure.

Each worker admits its share, limit / workers rounded up (docs/decisions/0013-rates.md). What has no limit is not seen.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final, NamedTuple
from uuid import UUID

from bursar.identity.principal import Rates

WINDOW_SECONDS: Final = 60.0
_MOST_KNOWN: Final = 10_000


class Subject(NamedTuple):
    """Who is limited: a mandate or a key (`what` for people), and how."""

    what: str
    id: UUID
    rates: Rates


class TooMany(NamedTuple):
    """Why a call may not begin."""

    what: str
    retry_after_seconds: int


@dataclass(slots=True)
class _Count:
    under_way: int = 0
    begun: deque[float] = field(default_factory=deque)
    """When the calls of the last minute began."""

    def forget(self, now: float) -> None:
        begun = self.begun
        while begun and begun[0] <= now - WINDOW_SECONDS:
            begun.popleft()


class RateKeeper:
    """The counts of one worker. `clock` is in seconds and never goes back."""

    def __init__(self, clock: Callable[[], float], workers: int = 1) -> None:
        self._clock = clock
        self._workers = workers
        self._counts: dict[tuple[str, UUID], _Count] = {}

    def enter(self, subjects: Sequence[Subject]) -> TooMany | None:
        """Begin a call, for all of its subjects or, where one has too many, for none."""
        now = self._clock()
        for subject in subjects:
            if (too_many := self._too_many(subject, now)) is not None:
                return too_many
        for subject in subjects:
            if _counts(subject):
                count = self._count(subject, now)
                count.under_way += 1
                if subject.rates.calls_per_minute is not None:
                    count.begun.append(now)
        return None

    def leave(self, subjects: Sequence[Subject]) -> None:
        """A call that entered with these has ended."""
        for subject in subjects:
            if _counts(subject):
                self._counts[subject.what, subject.id].under_way -= 1

    def _too_many(self, subject: Subject, now: float) -> TooMany | None:
        count = self._counts.get((subject.what, subject.id))
        if count is None or not _counts(subject):
            return None
        rates = subject.rates
        if rates.concurrent_calls is not None and count.under_way >= self._share(rates.concurrent_calls):
            return TooMany(f"This {subject.what} may make {rates.concurrent_calls} calls at once", 1)
        if rates.calls_per_minute is not None:
            count.forget(now)
            share = self._share(rates.calls_per_minute)
            if len(count.begun) >= share:
                free_at = count.begun[len(count.begun) - share] + WINDOW_SECONDS
                wait_seconds = max(1, math.ceil(free_at - now))
                return TooMany(f"This {subject.what} may make {rates.calls_per_minute} calls a minute", wait_seconds)
        return None

    def _share(self, limit: int) -> int:
        return -(-limit // self._workers)

    def _count(self, subject: Subject, now: float) -> _Count:
        key = (subject.what, subject.id)
        found = self._counts.get(key)
        if found is None:
            if len(self._counts) >= _MOST_KNOWN:
                self._sweep(now)
            found = self._counts[key] = _Count()
        return found

    def _sweep(self, now: float) -> None:
        for key, count in list(self._counts.items()):
            count.forget(now)
            if not count.under_way and not count.begun:
                del self._counts[key]


def _counts(subject: Subject) -> bool:
    return subject.rates.calls_per_minute is not None or subject.rates.concurrent_calls is not None
