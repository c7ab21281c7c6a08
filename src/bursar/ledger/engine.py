"""The engine: group commit. Commands that wait together are decided together and share one commit.

Under no load a batch has one command and waits for nobody; under load batches grow by themselves, because whatever
arrives during a commit is the next batch. One lane serves everybody and waits for no lock; a mandate whose rows are
locked by another worker, or have to be made first, gets a lane of its own until that is over, and stalls nobody else.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Coroutine, Iterable
from dataclasses import dataclass
from itertools import chain
from typing import Any, Final
from uuid import UUID

import asyncpg
import structlog

from bursar.foundation.ids import new_id
from bursar.ledger import limits as spending_limits
from bursar.ledger.announcing import Announcer
from bursar.ledger.batch import Result
from bursar.ledger.books import InMandate
from bursar.ledger.check import unfit
from bursar.ledger.entry import Entry, LedgerUnavailable
from bursar.ledger.intake import EngineLimits, Intake, Queue
from bursar.ledger.lane import Lane, Rider
from bursar.ledger.liveness import Liveness
from bursar.ledger.memory import Memory
from bursar.ledger.model import (
    Command,
    Granted,
    LimitScope,
    LimitSet,
    Outcome,
    Period,
    Reason,
    Rejected,
    Release,
    Reserve,
)
from bursar.ledger.refused import RefusalMemory

__all__ = ["EngineLimits", "EngineStatistics", "Ledger", "LedgerUnavailable", "Rider"]

log = structlog.get_logger(__name__)

OWN_LANES: Final = 3
"""How many mandates may wait for a lock at once, each on a connection of its own."""
OWN_SECONDS: Final = 0.25
"""How long a busy mandate is served on a lane of its own before it is tried with the others again."""
LOOKS: Final = (10, 20, 40, 80)
"""How often a mandate whose lock was waited for in vain is looked at without waiting, before it is waited for again."""
LOOK_SECONDS: Final = 0.1
SWEEP_SECONDS: Final = 0.1


@dataclass(slots=True)
class EngineStatistics:
    """Counters since the start, for `/metrics`."""

    commands: int = 0
    batches: int = 0
    batches_from_memory: int = 0
    """Of the batches, those that were decided without reading."""
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
        self._intake = Intake(self._limits, self._release)
        self._begun: dict[int, list[Entry]] = {}
        """By lane: the batch that it is working on."""
        self._own_lanes = asyncio.Semaphore(OWN_LANES)
        self._refused = RefusalMemory(self._limits.remember_refusals_seconds)
        self._announcer = Announcer(pool)
        self._tasks: set[asyncio.Task[None]] = set()
        self._running = False
        self._stopping = False
        self._database_lost_at: float | None = None
        self.statistics = EngineStatistics()
        self.memory = Memory()
        """What the shared lane knows of the books."""
        self.liveness = Liveness(pool, self.submit, lambda: self._database_lost_at)

    # --- life --------------------------------------------------------------------------------------------------------

    async def start(self) -> None:
        self._running = True
        for coroutine in (self._serve(), self._sweep(), self._count_refusals(), self._announcer.run()):
            self._spawn(coroutine)
        await self.liveness.start()

    async def stop(self, timeout_seconds: float = 10.0) -> None:
        """Begin nothing new, finish what is queued, then end. What does not get done in time is left to the reaper."""
        self._stopping = True
        await self.liveness.stop()
        deadline = time.monotonic() + timeout_seconds
        while self._intake or self._begun:
            await asyncio.sleep(0.005)
            if time.monotonic() > deadline:
                break
        self._running = False
        for task in tuple(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        await self._announcer.say()
        gone = LedgerUnavailable("the ledger is shutting down")
        self._intake.empty(gone)
        for entry in self._all_begun():
            entry.fail(gone)
        self._begun.clear()

    def _spawn(self, coroutine: Coroutine[Any, Any, None]) -> None:
        task = asyncio.create_task(coroutine)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    @property
    def queued(self) -> int:
        """Commands that wait to be begun, for `/metrics`."""
        return len(self._intake)

    # --- commands in -------------------------------------------------------------------------------------------------

    async def submit(self, command: Command) -> Outcome:
        """The outcome of `command`, once it is durable. Raises `LedgerUnavailable` (a fault, never a "no")."""
        wrong = unfit(command)
        if wrong is not None:
            return Rejected(Reason.OUT_OF_RANGE, detail=wrong)
        loop = asyncio.get_running_loop()
        now = loop.time()
        if type(command) is Reserve:
            # A command with a key may have been granted before: only the journal knows.
            refused = self._refused.find(command, now) if command.idempotency is None else None
            if refused is not None:
                self.statistics.refused_from_memory += 1
                return refused
        entry = Entry(command, loop.create_future(), now)
        if self._limits.wait_for_held_seconds <= 0:
            entry.wait_until = now
        if not self._running or (self._stopping and not entry.ends):
            raise LedgerUnavailable("the ledger is not running")
        self._intake.add(entry)
        try:
            return await entry.future
        except asyncio.CancelledError:
            future = entry.future
            if future.done() and not future.cancelled() and future.exception() is None:
                self._take_back(entry, future.result())
            raise

    async def create_limit(
        self,
        mandate_id: UUID,
        *,
        scope: LimitScope,
        scope_id: str,
        period: Period,
        amount_nanos: int,
        created_by: str | None = None,
    ) -> LimitSet | Rejected:
        """Make a cap; it counts what the running period has used already. Raises `LedgerUnavailable`.

        `scope_id` is the mandate's, user's or key's id, or the model's name.
        """
        wanted = spending_limits.NewLimit(mandate_id, new_id(), scope, scope_id, period, amount_nanos, created_by)
        return await self._set_limit(mandate_id, spending_limits.create(self._pool, wanted))

    async def change_limit(
        self, mandate_id: UUID, limit_id: UUID, amount_nanos: int, *, if_version: int | None = None
    ) -> LimitSet | Rejected:
        """Another amount for the running and all later periods. Raises `LedgerUnavailable`."""
        work = spending_limits.change(self._pool, mandate_id, limit_id, amount_nanos, if_version)
        return await self._set_limit(mandate_id, work)

    async def delete_limit(
        self, mandate_id: UUID, limit_id: UUID, *, if_version: int | None = None
    ) -> LimitSet | Rejected:
        """It refuses nothing any more; what holds count in it stays. Raises `LedgerUnavailable`."""
        return await self._set_limit(mandate_id, spending_limits.delete(self._pool, mandate_id, limit_id, if_version))

    async def _set_limit(self, mandate_id: UUID, work: Coroutine[Any, Any, LimitSet | Rejected]) -> LimitSet | Rejected:
        try:
            return await work
        finally:
            self._refused.forget_mandate(mandate_id)

    def _take_back(self, entry: Entry, outcome: Outcome) -> None:
        """The caller has gone and will use no hold. (One who sent a key comes again, and is answered the same.)"""
        if type(outcome) is Granted:
            self._release(entry)

    def _release(self, entry: Entry) -> None:
        command = entry.command
        if type(command) is not Reserve or command.idempotency is not None:
            return
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Outcome] = loop.create_future()
        future.add_done_callback(lambda done: done.cancelled() or done.exception())
        release = Release(mandate_id=command.mandate_id, hold_id=command.hold_id, account_id=command.account_id)
        self._intake.add(Entry(release, future, loop.time()))

    # --- batches out -------------------------------------------------------------------------------------------------

    async def _serve(self) -> None:
        intake = self._intake
        lane = Lane(self._pool, self._rider, self._known, waits=False, memory=self.memory)
        pause = 0.0
        try:
            while True:
                await intake.work.wait()
                intake.work.clear()
                if intake.only_settles(intake.shared):
                    await intake.let_settles_ride()
                result = await self._run(lane, intake.shared)
                pause = await self._pause_after(result, pause)
                if intake.shared:
                    intake.work.set()
        finally:
            await lane.close()

    async def _serve_own(self, mandate_id: UUID) -> None:
        """Serve one mandate on its own until nothing of it is left, or for a while, if all goes well.

        It waits for a lock once; if that was in vain, it only looks in now and then, so that the few lanes that may
        wait are there for others.
        """
        queue = self._intake.own[mandate_id]
        pause, looks, in_vain = 0.0, 0, 0
        until = time.monotonic() + OWN_SECONDS
        try:
            while queue and (looks or time.monotonic() < until):
                if self._intake.only_settles(queue):
                    await self._intake.let_settles_ride()
                async with self._own_lanes:
                    lane = Lane(self._pool, self._rider, self._known, waits=looks == 0)
                    try:
                        result = await self._run(lane, queue)
                    finally:
                        await lane.close()
                pause = await self._pause_after(result, pause)
                if result.lock_refused:
                    looks, in_vain = LOOKS[min(in_vain, len(LOOKS) - 1)], in_vain + 1
                elif result.left_out:
                    looks -= 1
                    await asyncio.sleep(LOOK_SECONDS)
                elif result.answered:
                    looks = in_vain = 0
        finally:
            self._intake.close_own(mandate_id)

    async def _run(self, lane: Lane, queue: Queue) -> Result:
        entries = self._intake.take(queue, asyncio.get_running_loop().time())
        if not entries:
            return Result()
        self._begun[id(lane)] = entries
        try:
            result = await lane.run(entries)
            self._deal_with(result, len(entries))
        except Exception as error:
            # A fault of the engine's own. What has been committed comes to light when it is looked up.
            log.exception("batch_failed", error=repr(error), commands=len(entries), alert="operator")
            result = Result(again=[entry for entry in entries if not entry.future.done()], database_lost=True)
            for entry in result.again:
                entry.unsure = True
            self._intake.put_back(result.again)
        del self._begun[id(lane)]
        return result

    async def _pause_after(self, result: Result, pause: float) -> float:
        if not result.database_lost:
            return 0.0
        self._database_lost_at = time.monotonic()
        pause = min(1.0, max(0.05, pause * 2))
        await asyncio.sleep(pause)
        return pause

    def _deal_with(self, result: Result, commands: int) -> None:
        self.statistics.commands += commands
        self.statistics.batches += 1
        self.statistics.batches_from_memory += result.from_memory
        self.statistics.commit_seconds += result.commit_seconds
        now = asyncio.get_running_loop().time()
        intake = self._intake
        for account in result.changed:
            self._refused.forget(account)
        self._announcer.note(result.changed)
        for entry, outcome in result.answered:
            self._answer(entry, outcome, now)
        for entry, error in result.broken:
            self.statistics.quarantined += 1
            entry.fail(error)
        for entry, place, rejected in result.waiting:
            intake.line.append(entry, place, now, rejected)
        intake.put_back(result.again)
        for mandate_id in {entry.command.mandate_id for entry in result.left_out}:
            if intake.open_own(mandate_id):
                self._spawn(self._serve_own(mandate_id))
        intake.put_back(result.left_out)
        if intake.line:
            for place in result.freed:
                intake.put_back(intake.line.take(place))

    def _answer(self, entry: Entry, outcome: Outcome, now: float) -> None:
        command = entry.command
        if type(command) is Reserve:
            if entry.future.done():
                self._take_back(entry, outcome)
            elif type(outcome) is Rejected:
                if outcome.reason is Reason.HOLD_RESOLVED and entry.unsure:
                    # It was granted by a commit whose answer was lost, and has run out since: it costs nothing.
                    self._release(entry)
                elif command.idempotency is None:
                    self._refused.note(command, outcome, now)
        entry.answer(outcome)

    # --- clockwork ---------------------------------------------------------------------------------------------------

    async def _sweep(self) -> None:
        """Answer those who have waited too long, and let those who wait for held money try again."""
        while True:
            await asyncio.sleep(SWEEP_SECONDS)
            self._intake.give_up(asyncio.get_running_loop().time(), self._all_begun())
            self._intake.put_back(self._intake.line.take_all())

    def _all_begun(self) -> Iterable[Entry]:
        return chain.from_iterable(self._begun.values())

    async def _count_refusals(self) -> None:
        """Hand the refusals that were answered from memory to the rider."""
        lane = Lane(self._pool, self._rider, self._known, waits=True)
        try:
            while True:
                await asyncio.sleep(self._limits.count_refusals_every_seconds)
                counts = self._refused.take_counts()
                if counts and self._rider is not None:
                    result = await lane.run([], counts)
                    if result.database_lost:
                        self._refused.give_back(counts)
        finally:
            await lane.close()
