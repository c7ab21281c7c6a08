"""Keeping live calls' holds alive, and settling those whose worker has died.

A hold lives as long as its call: the worker renews the holds of the calls it knows to be running, and only those.
What is not renewed runs out, and any worker's reaper settles it. A worker that cannot renew stops its calls' upstreams
before their holds run out, because nobody would be left to charge what they go on producing.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from bursar.foundation.ids import new_id
from bursar.ledger.entry import LedgerUnavailable
from bursar.ledger.model import Command, Expire, Outcome

log = structlog.get_logger(__name__)

# A row that a batch is just writing is skipped: whoever waits for nothing is part of no deadlock.
RENEW: Final = """
    WITH live AS (
        SELECT mandate_id, hold_id FROM hold
         WHERE (mandate_id, hold_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND state = 'PENDING'
           FOR UPDATE SKIP LOCKED)
    UPDATE hold h SET expires_at = clock_timestamp() + make_interval(secs => h.ttl_seconds)
      FROM live WHERE h.mandate_id = live.mandate_id AND h.hold_id = live.hold_id
    RETURNING h.hold_id"""

STILL_PENDING: Final = """
    SELECT hold_id FROM hold
     WHERE (mandate_id, hold_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND state = 'PENDING'"""

DUE: Final = """
    SELECT mandate_id, hold_id, account_id, ttl_seconds, expires_at FROM hold
     WHERE state = 'PENDING' AND expires_at < clock_timestamp()
       AND clock_timestamp() > pg_postmaster_start_time() + make_interval(secs => ttl_seconds)
       AND ($1::timestamptz IS NULL OR (expires_at, hold_id) > ($1, $2::uuid))
     ORDER BY expires_at, hold_id LIMIT 500"""

FORGET_ANSWERS: Final = """
    DELETE FROM idempotency i USING (SELECT mandate_id, caller, route, key FROM idempotency
                                      WHERE expires_at < clock_timestamp() - interval '1 hour'
                                      ORDER BY mandate_id, caller, route, key LIMIT 1000 FOR UPDATE SKIP LOCKED) AS old
     WHERE i.mandate_id = old.mandate_id AND i.caller = old.caller AND i.route = old.route AND i.key = old.key"""

SWEEP_SECONDS: Final = 5.0
BEAT_SECONDS: Final = 1.0
RENEW_AT: Final = 1 / 3
"""The share of a hold's life after which it is renewed. Short calls end before that."""
STOP_AT: Final = 0.8
"""The share of a hold's life after which its upstream is stopped if it could not be renewed."""


@dataclass(slots=True)
class LiveCall:
    mandate_id: UUID
    hold_id: UUID
    ttl_seconds: int
    renewed_at: float
    on_lost: Callable[[], None] | None


class Liveness:
    """The heartbeat and the reaper of one worker."""

    def __init__(
        self,
        pool: asyncpg.Pool,
        submit: Callable[[Command], Awaitable[Outcome]],
        database_lost_at: Callable[[], float | None],
        *,
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._pool = pool
        self._submit = submit
        self._database_lost_at = database_lost_at
        self._unreachable_at: float | None = None
        self.sweep_seconds = sweep_seconds
        self._calls: dict[UUID, LiveCall] = {}
        self._expiring: dict[UUID, asyncio.Task[None]] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(work) for work in (self._beat(), self._watch(), self._reap())]

    async def stop(self) -> None:
        tasks = [*self._tasks, *self._expiring.values()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    def keep_alive(
        self, mandate_id: UUID, hold_id: UUID, ttl_seconds: int, on_lost: Callable[[], None] | None = None
    ) -> None:
        """Renew this hold until `let_go`. `on_lost` is called once if it could not be renewed in time."""
        self._calls[hold_id] = LiveCall(mandate_id, hold_id, ttl_seconds, time.monotonic(), on_lost)

    def let_go(self, hold_id: UUID) -> None:
        self._calls.pop(hold_id, None)

    def __len__(self) -> int:
        return len(self._calls)

    # --- heartbeat ---------------------------------------------------------------------------------------------------

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(self._beat_seconds())
            try:
                await self.renew_due()
            except Exception as error:
                self._unreachable_at = time.monotonic()
                log.warning("holds_not_renewed", error=repr(error), calls=len(self._calls))

    async def _watch(self) -> None:
        """Apart from the beat, which may hang in the very database that cannot be reached."""
        while True:
            await asyncio.sleep(self._beat_seconds())
            self.stop_unrenewed()

    def _beat_seconds(self) -> float:
        return min(BEAT_SECONDS, min((call.ttl_seconds for call in self._calls.values()), default=60) / 6)

    async def renew_due(self) -> None:
        """Renew every hold whose last renewal is a third of its life ago."""
        began = time.monotonic()
        due = [call for call in self._calls.values() if began - call.renewed_at > call.ttl_seconds * RENEW_AT]
        if not due:
            return
        columns = [call.mandate_id for call in due], [call.hold_id for call in due]
        async with asyncio.timeout(10), self._pool.acquire() as connection:
            renewed = {row[0] for row in await connection.fetch(RENEW, *columns)}
            pending = renewed
            if len(renewed) < len(due):
                pending = renewed | {row[0] for row in await connection.fetch(STILL_PENDING, *columns)}
        for call in due:
            if call.hold_id in renewed:
                call.renewed_at = began
            elif call.hold_id not in pending and self._calls.get(call.hold_id) is call:
                self._lose(call, "resolved elsewhere")

    def stop_unrenewed(self) -> None:
        """Stop the upstreams of calls whose holds will run out before they can be renewed again."""
        now = time.monotonic()
        for call in list(self._calls.values()):
            if now - call.renewed_at > call.ttl_seconds * STOP_AT:
                self._lose(call, "not renewed in time")

    def _lose(self, call: LiveCall, why: str) -> None:
        self._calls.pop(call.hold_id, None)
        log.warning("hold_lost", hold_id=str(call.hold_id), why=why)
        if call.on_lost is not None:
            try:
                call.on_lost()
            except Exception as error:
                log.exception("hold_lost_unheard", hold_id=str(call.hold_id), error=repr(error))

    # --- reaper ------------------------------------------------------------------------------------------------------

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(self.sweep_seconds)
            try:
                await self.sweep()
                await self._pool.execute(FORGET_ANSWERS, timeout=10)
            except Exception as error:
                self._unreachable_at = time.monotonic()
                log.warning("sweep_failed", error=repr(error))

    async def sweep(self) -> int:
        """Settle the holds that have run out, of whatever worker. Answers how many it found.

        After the database was away, for this worker or for all, it waits one whole life of a hold: the calls that
        could not renew theirs get the chance to.
        """
        found, last_expiry, last_id = 0, None, None
        while True:
            rows = await self._pool.fetch(DUE, last_expiry, last_id, timeout=10)
            await self._expire([row for row in rows if not self._recently_away(row["ttl_seconds"])])
            found += len(rows)
            if len(rows) < 500:
                return found
            last_expiry, last_id = _end_of(rows)

    async def _expire(self, rows: list[asyncpg.Record]) -> None:
        """Wait for them, but not for ever: a mandate that is locked must not keep the others' holds open."""
        for row in rows:
            hold_id = row["hold_id"]
            if hold_id not in self._expiring:
                task = asyncio.create_task(self._expire_one(row["mandate_id"], hold_id, row["account_id"]))
                self._expiring[hold_id] = task
                task.add_done_callback(partial(self._expired, hold_id))
        mine = [self._expiring[row["hold_id"]] for row in rows if row["hold_id"] in self._expiring]
        if mine:
            await asyncio.wait(mine, timeout=SWEEP_SECONDS)

    def _expired(self, hold_id: UUID, _task: asyncio.Task[None]) -> None:
        self._expiring.pop(hold_id, None)

    async def _expire_one(self, mandate_id: UUID, hold_id: UUID, account_id: UUID) -> None:
        command = Expire(mandate_id=mandate_id, hold_id=hold_id, account_id=account_id, transfer_id=new_id())
        try:
            await self._submit(command)
        except LedgerUnavailable as error:
            log.warning("expiry_put_off", hold_id=str(hold_id), error=repr(error))
        except Exception as error:
            log.exception("expiry_failed", hold_id=str(hold_id), error=repr(error))

    def _recently_away(self, ttl_seconds: int) -> bool:
        now = time.monotonic()
        return any(
            at is not None and now - at <= ttl_seconds for at in (self._database_lost_at(), self._unreachable_at)
        )


def _end_of(rows: list[asyncpg.Record]) -> tuple[datetime, UUID]:
    return rows[-1]["expires_at"], rows[-1]["hold_id"]
