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
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from bursar.foundation.ids import new_id
from bursar.ledger.entry import LedgerUnavailable
from bursar.ledger.model import Command, Expire, Outcome

log = structlog.get_logger(__name__)

RENEW: Final = """
    UPDATE hold h SET expires_at = clock_timestamp() + make_interval(secs => h.ttl_seconds)
      FROM (SELECT mandate_id, hold_id FROM hold
             WHERE (mandate_id, hold_id) IN (SELECT * FROM unnest($1::uuid[], $2::uuid[])) AND state = 'PENDING'
             ORDER BY mandate_id, hold_id FOR UPDATE) AS live
     WHERE h.mandate_id = live.mandate_id AND h.hold_id = live.hold_id
    RETURNING h.hold_id"""

DUE: Final = """
    SELECT mandate_id, hold_id, account_id, ttl_seconds FROM hold
     WHERE state = 'PENDING' AND expires_at < clock_timestamp()
       AND clock_timestamp() > pg_postmaster_start_time() + make_interval(secs => ttl_seconds)
     ORDER BY expires_at LIMIT 500"""


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
        sweep_seconds: float = 5.0,
    ) -> None:
        self._pool = pool
        self._submit = submit
        self._database_lost_at = database_lost_at
        self.sweep_seconds = sweep_seconds
        self._calls: dict[UUID, LiveCall] = {}
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._tasks = [asyncio.create_task(self._beat()), asyncio.create_task(self._reap())]

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

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
            shortest = min((call.ttl_seconds for call in self._calls.values()), default=60)
            await asyncio.sleep(min(5.0, shortest / 6))
            try:
                await self.renew_due()
            except Exception as error:
                log.warning("holds_not_renewed", error=repr(error), calls=len(self._calls))
            self.stop_unrenewed()

    async def renew_due(self) -> None:
        """Renew every hold whose last renewal is a third of its life ago. Short calls end before they are due."""
        began = time.monotonic()
        due = [call for call in self._calls.values() if began - call.renewed_at > call.ttl_seconds / 3]
        if not due:
            return
        rows = await self._pool.fetch(
            RENEW, [call.mandate_id for call in due], [call.hold_id for call in due], timeout=10
        )
        renewed = {row[0] for row in rows}
        for call in due:
            if call.hold_id in renewed:
                call.renewed_at = began
            elif self._calls.get(call.hold_id) is call:
                self._lose(call, "resolved elsewhere")

    def stop_unrenewed(self) -> None:
        """Stop the upstreams of calls whose holds will run out before they can be renewed again."""
        now = time.monotonic()
        for call in list(self._calls.values()):
            if now - call.renewed_at > call.ttl_seconds * 0.8:
                self._lose(call, "not renewed in time")

    def _lose(self, call: LiveCall, why: str) -> None:
        self._calls.pop(call.hold_id, None)
        log.warning("hold_lost", hold_id=str(call.hold_id), why=why)
        if call.on_lost is not None:
            call.on_lost()

    # --- reaper ------------------------------------------------------------------------------------------------------

    async def _reap(self) -> None:
        while True:
            await asyncio.sleep(self.sweep_seconds)
            try:
                await self.sweep()
            except Exception as error:
                log.warning("sweep_failed", error=repr(error))

    async def sweep(self) -> int:
        """Settle the holds that have run out, of whatever worker. Answers how many it found.

        After the database was away, for this worker or for all, it waits one whole life of a hold: the calls that
        could not renew theirs get the chance to.
        """
        found = await self._pool.fetch(DUE, timeout=10)
        lost_at = self._database_lost_at()
        if lost_at is not None:
            away = time.monotonic() - lost_at
            found = [row for row in found if away > row[3]]
        results = await asyncio.gather(
            *(
                self._submit(Expire(mandate_id=row[0], hold_id=row[1], account_id=row[2], transfer_id=new_id()))
                for row in found
            ),
            return_exceptions=True,
        )
        for result in results:
            if isinstance(result, BaseException) and not isinstance(result, LedgerUnavailable):
                log.error("expiry_failed", error=repr(result))
        return len(found)
