"""The engine: group commit. Commands that wait together are decided together and share one commit.

Under no load a batch has one command and waits for nobody; under load batches grow by themselves, because whatever
arrives during a commit is the next batch. One lane serves everybody; a mandate whose accounts are locked by another
worker gets a lane of its own until that is over, and stalls nobody else.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections import deque
from dataclasses import dataclass
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from bursar.ledger.books import InMandate
from bursar.ledger.entry import Entry, LedgerUnavailable
from bursar.ledger.lane import Lane, Result, Rider
from bursar.ledger.liveness import Liveness
from bursar.ledger.model import Command, Granted, Outcome, Reason, Refusal, Rejected, Release, Reserve
from bursar.ledger.refused import RefusalMemory
from bursar.ledger.waiting import WaitingLine

__all__ = ["EngineLimits", "EngineStatistics", "Ledger", "LedgerUnavailable", "Rider"]

log = structlog.get_logger(__name__)

OWN_LANES: Final = 3
"""How many mandates may wait for a lock at once, each on a connection of its own."""
SWEEP_SECONDS: Final = 0.1


@dataclass(frozen=True, slots=True)
class EngineLimits:
    queue_commands: int = 2_000
    """Reserves and extensions that may wait; more are answered 503."""
    queue_seconds: float = 1.0
    """How long a reserve or extension may wait to be begun."""
    wait_for_held_seconds: float = 2.0
    """How long a demand waits for money that other calls hold."""
    batch_commands: int = 1_000
    settle_delay_seconds: float = 0.003
    """How long settles alone wait for a reserve to ride with, so that their commit does not delay it."""
    count_refusals_every_seconds: float = 1.0


@dataclass(slots=True)
class EngineStatistics:
    """Counters since the start, for `/metrics`."""

    commands: int = 0
    batches: int = 0
    commit_seconds: float = 0.0
    refused_from_memory: int = 0
    quarantined: int = 0


class Ledger:
    """All money of all mandates, for one worker. `submit` a command, get its outcome once it is durable.

    `submit` raises `LedgerUnavailable` where the database cannot be reached or the queue is full.
    """

    def __init__(self, pool: asyncpg.Pool, *, rider: Rider | None = None, limits: EngineLimits | None = None) -> None:
        self._pool = pool
        self._rider = rider
        self._limits = limits or EngineLimits()
        self._known: set[InMandate] = set()
        self._queue: deque[Entry] = deque()
        self._beginnings = 0
        self._own_queues: dict[UUID, deque[Entry]] = {}
        self._own_lanes = asyncio.Semaphore(OWN_LANES)
        self._line = WaitingLine(self._limits.wait_for_held_seconds)
        self._refused = RefusalMemory()
        self._work = asyncio.Event()
        self._takers = asyncio.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False
        self._database_lost_at: float | None = None
        self.statistics = EngineStatistics()
        self.liveness = Liveness(pool, self.submit, lambda: self._database_lost_at)

    # --- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._running = True
        for coroutine in (self._serve(), self._sweep(), self._count_refusals()):
            self._spawn(coroutine)
        await self.liveness.start()

    async def stop(self, timeout_seconds: float = 10.0) -> None:
        """Finish what is queued (settles above all), then end. What does not get done in time is left to the reaper."""
        await self.liveness.stop()
        deadline = time.monotonic() + timeout_seconds
        while (self._queue or self._own_queues or self._line) and time.monotonic() < deadline:
            await asyncio.sleep(0.01)  # noqa: ASYNC110 -- polled once, at the end of a worker's life
        self._running = False
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for entry in (*self._queue, *self._line.take_all()):
            entry.fail(LedgerUnavailable("the ledger is shutting down"))

    def _spawn(self, coroutine: object) -> None:
        task: asyncio.Task[None] = asyncio.create_task(coroutine)  # type: ignore[arg-type]
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    # --- commands in -------------------------------------------------------------------------------------------------

    async def submit(self, command: Command) -> Outcome:
        """The outcome of `command`, once it is durable. Raises `LedgerUnavailable` (a fault, never a "no")."""
        if not self._running:
            raise LedgerUnavailable("the ledger is not running")
        loop = asyncio.get_running_loop()
        now = loop.time()
        if type(command) is Reserve:
            refused = self._refused.find(command, now)
            if refused is not None:
                self.statistics.refused_from_memory += 1
                return refused
        entry = Entry(command, loop.create_future(), now)
        if entry.takes and self._beginnings >= self._limits.queue_commands:
            raise LedgerUnavailable("too many calls are waiting for the ledger")
        self._enqueue(entry)
        try:
            return await entry.future
        except asyncio.CancelledError:
            self._release_if_granted(entry)
            raise

    def _enqueue(self, entry: Entry) -> None:
        if entry.takes:
            self._beginnings += 1
            self._takers.set()
        own = self._own_queues.get(entry.command.mandate_id)
        if own is not None:
            own.append(entry)
        else:
            self._queue.append(entry)
            self._work.set()

    def _release_if_granted(self, entry: Entry) -> None:
        """The caller has gone: if its reserve was granted, or may have been, the hold must not stay behind."""
        future = entry.future
        answered = future.done() and not future.cancelled() and future.exception() is None
        if answered and isinstance(entry.command, Reserve) and isinstance(future.result(), Granted):
            self._release(entry.command)

    def _release(self, reserve: Reserve) -> None:
        command = Release(mandate_id=reserve.mandate_id, hold_id=reserve.hold_id, account_id=reserve.account_id)
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        self._enqueue(Entry(command, future, loop.time()))

    # --- batches out -------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        lane = Lane(self._pool, self._rider, self._known, wait_for_locks=False)
        pause = 0.0
        try:
            while True:
                await self._work.wait()
                self._work.clear()
                await self._let_settles_ride(self._queue)
                entries = self._take(self._queue)
                if entries:
                    result = await lane.run(entries)
                    self._deal_with(result, len(entries))
                    pause = await self._pause_after(result, pause)
                if self._queue:
                    self._work.set()
        finally:
            await lane.close()

    async def _serve_own(self, mandate_id: UUID) -> None:
        """Serve one mandate whose accounts another worker has locked, waiting for the lock, until nothing is left."""
        async with self._own_lanes:
            lane = Lane(self._pool, self._rider, self._known, wait_for_locks=True)
            queue = self._own_queues[mandate_id]
            pause = 0.0
            try:
                while queue:
                    await self._let_settles_ride(queue)
                    entries = self._take(queue)
                    if entries:
                        result = await lane.run(entries)
                        self._deal_with(result, len(entries))
                        pause = await self._pause_after(result, pause)
            finally:
                del self._own_queues[mandate_id]
                for entry in queue:
                    self._queue.append(entry)
                self._work.set()
                await lane.close()

    async def _pause_after(self, result: Result, pause: float) -> float:
        if not result.database_lost:
            return 0.0
        self._database_lost_at = time.monotonic()
        pause = min(1.0, max(0.05, pause * 2))
        await asyncio.sleep(pause)
        return pause

    async def _let_settles_ride(self, queue: deque[Entry]) -> None:
        delay = self._limits.settle_delay_seconds
        if delay <= 0 or not queue or len(queue) > 64 or any(entry.takes for entry in queue):
            return
        self._takers.clear()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(delay):
                await self._takers.wait()

    def _take(self, queue: deque[Entry]) -> list[Entry]:
        entries: list[Entry] = []
        now = asyncio.get_running_loop().time()
        while queue and len(entries) < self._limits.batch_commands:
            entry = queue.popleft()
            if entry.takes:
                self._beginnings -= 1
                if entry.future.done():
                    if entry.unsure and isinstance(entry.command, Reserve):
                        self._release(entry.command)
                    continue
                if self._line.must_wait(entry, now):
                    continue
            entries.append(entry)
        return entries

    def _deal_with(self, result: Result, commands: int) -> None:
        self.statistics.commands += commands
        self.statistics.batches += 1
        self.statistics.commit_seconds += result.commit_seconds
        now = asyncio.get_running_loop().time()
        for account in result.changed:
            self._refused.forget(account)
        for entry, outcome in result.answered:
            self._answer(entry, outcome, now)
        for entry, error in result.broken:
            self.statistics.quarantined += 1
            entry.fail(error)
        for entry in result.waiting:
            self._line.append(entry, now)
        for entry in reversed(result.again):
            self._put_back(entry)
        for entry in result.locked_elsewhere:
            self._give_own_lane(entry)
        for account in result.freed:
            self._wake(self._line.take(account))

    def _answer(self, entry: Entry, outcome: Outcome, now: float) -> None:
        command = entry.command
        if type(command) is Reserve:
            if type(outcome) is Rejected:
                if outcome.reason in (Reason.BALANCE_EXHAUSTED, Reason.REQUEST_TOO_LARGE, Reason.LIMIT_REACHED):
                    self._refused.note(command, outcome, now)
            elif entry.future.done():
                self._release(command)
                return
        entry.answer(outcome)

    def _put_back(self, entry: Entry) -> None:
        entry.called = True
        if entry.takes:
            self._beginnings += 1
        own = self._own_queues.get(entry.command.mandate_id)
        (self._queue if own is None else own).appendleft(entry)
        self._work.set()

    def _give_own_lane(self, entry: Entry) -> None:
        mandate_id = entry.command.mandate_id
        queue = self._own_queues.get(mandate_id)
        if queue is None:
            queue = self._own_queues[mandate_id] = deque()
            self._spawn(self._serve_own(mandate_id))
        entry.called = True
        if entry.takes:
            self._beginnings += 1
        queue.append(entry)

    def _wake(self, entries: list[Entry]) -> None:
        for entry in reversed(entries):
            self._put_back(entry)

    # --- clockwork ---------------------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """Answer reserves that have waited too long to be begun, and let those who wait for held money try again."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            too_old = asyncio.get_running_loop().time() - self._limits.queue_seconds
            for queue in (self._queue, *self._own_queues.values()):
                for entry in queue:
                    if entry.takes and not entry.future.done() and entry.enqueued_at < too_old:
                        self._give_up(entry)
            self._wake(self._line.take_all())

    def _give_up(self, entry: Entry) -> None:
        """Told 503; it stays queued only to have its hold released, should an earlier commit have gone through."""
        if entry.wait_until is None or entry.wait_until < asyncio.get_running_loop().time() - 1:
            entry.fail(LedgerUnavailable("the ledger did not answer in time"))

    async def _count_refusals(self) -> None:
        lane = Lane(self._pool, self._rider, self._known, wait_for_locks=True)
        try:
            while True:
                await asyncio.sleep(self._limits.count_refusals_every_seconds)
                counts: list[Refusal] = self._refused.take_counts()
                if counts and self._rider is not None:
                    await lane.run([], counts)
        finally:
            await lane.close()
