"""Commands that wait to be begun: one queue for everybody, and one for each mandate that has a lane of its own.

Bounded where it may be: who takes money is told "too many" or "too late" and nothing has happened; what gives money
back waits for as long as it takes.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from uuid import UUID

from bursar.ledger.entry import Entry, LedgerUnavailable
from bursar.ledger.waiting import WaitingLine

Queue = deque[Entry]


@dataclass(frozen=True, slots=True)
class EngineLimits:
    queue_commands: int = 2_000
    """Reserves and extensions that may wait; more are answered 503."""
    queue_seconds: float = 1.0
    """How long a reserve or extension may wait to be begun."""
    answer_seconds: float = 10.0
    """How long a batch that has begun, or a top-up, may take before its callers are told 503."""
    wait_for_held_seconds: float = 2.0
    """How long a demand waits for money that other calls hold; zero: not at all."""
    line_places: int = 200
    """How many reserves may wait for the same held money; more are refused at once."""
    batch_commands: int = 1_000
    settle_delay_seconds: float = 0.003
    """How long settles alone wait for a reserve to ride with, so that their commit does not delay it."""
    remember_refusals_seconds: float = 0.25
    """How long equal or larger demands are refused from memory."""
    count_refusals_every_seconds: float = 1.0


class Intake:
    def __init__(self, limits: EngineLimits, release: Callable[[Entry], None]) -> None:
        """`release` undoes a reserve that nobody waits for any more, and that may have been granted."""
        self._limits = limits
        self._release = release
        self._beginnings = 0
        self.shared: Queue = deque()
        self.own: dict[UUID, Queue] = {}
        self.line = WaitingLine(limits.wait_for_held_seconds, limits.line_places)
        self.work = asyncio.Event()
        """Set while there may be something in the shared queue."""
        self._takers = asyncio.Event()

    def __bool__(self) -> bool:
        return bool(self.shared or self.own or self.line)

    def __len__(self) -> int:
        return len(self.shared) + sum(map(len, self.own.values()))

    def add(self, entry: Entry) -> None:
        """At the end. Raises `LedgerUnavailable` where too many wait already."""
        if entry.takes:
            if self._beginnings >= self._limits.queue_commands:
                raise LedgerUnavailable("too many calls are waiting for the ledger")
            self._beginnings += 1
            self._takers.set()
        self._queue_of(entry).append(entry)
        self.work.set()

    def put_back(self, entries: list[Entry]) -> None:
        """In front, in their order."""
        for entry in reversed(entries):
            self._beginnings += entry.takes
            self._queue_of(entry).appendleft(entry)
        self.work.set()

    def open_own(self, mandate_id: UUID) -> bool:
        """From now on the mandate's commands wait by themselves; false if they did already."""
        if mandate_id in self.own:
            return False
        self.own[mandate_id] = deque(entry for entry in self.shared if entry.command.mandate_id == mandate_id)
        self.shared = deque(entry for entry in self.shared if entry.command.mandate_id != mandate_id)
        return True

    def close_own(self, mandate_id: UUID) -> None:
        """The mandate is served with the others again."""
        self.shared.extend(self.own.pop(mandate_id))
        self.work.set()

    def take(self, queue: Queue, now: float) -> list[Entry]:
        """The next batch: no more than fit, none that nobody wants any more, none that has to stand in line."""
        entries: list[Entry] = []
        while queue and len(entries) < self._limits.batch_commands:
            entry = queue.popleft()
            self._beginnings -= entry.takes
            if entry.future.done() and not entry.ends:
                if entry.unsure:
                    self._release(entry)
            elif not (entry.takes and self.line.joins(entry, now)):
                entries.append(entry)
        return entries

    def only_settles(self, queue: Queue) -> bool:
        """Whether a few settles stand alone in a queue: they wait for company."""
        if self._limits.settle_delay_seconds <= 0 or not queue or len(queue) > 15:
            return False
        self._takers.clear()
        return not any(entry.takes for entry in queue)

    async def let_settles_ride(self) -> None:
        """Wait a moment for somebody whom the commit of settles alone would have delayed."""
        try:
            async with asyncio.timeout(self._limits.settle_delay_seconds):
                await self._takers.wait()
        except TimeoutError:
            return

    def give_up(self, now: float, begun: Iterable[Entry]) -> None:
        """Tell 503 to those who have waited too long; `begun` are in a batch that has not come back.

        What may have been granted nevertheless is released when it comes to light.
        """
        limits = self._limits
        for queue in (self.shared, *self.own.values()):
            for entry in queue:
                waited = now - entry.enqueued_at
                if entry.takes and entry.wait_until is not None:
                    waited = now - entry.wait_until
                if waited > (limits.queue_seconds if entry.takes else limits.answer_seconds) and not entry.ends:
                    entry.fail(LedgerUnavailable("the ledger did not answer in time"))
        for entry in begun:
            if not entry.ends and now - (entry.wait_until or entry.enqueued_at) > limits.answer_seconds:
                entry.fail(LedgerUnavailable("the ledger did not answer in time"))

    def empty(self, error: LedgerUnavailable) -> None:
        """At the end of a worker's life: whoever still waits is told so."""
        for queue in (self.shared, *self.own.values()):
            for entry in queue:
                entry.fail(error)
            queue.clear()
        for entry in self.line.take_all():
            entry.fail(error)

    def _queue_of(self, entry: Entry) -> Queue:
        return self.own.get(entry.command.mandate_id, self.shared)
