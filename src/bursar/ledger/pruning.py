"""Taking away by age what is over: a few rows at a time, one mandate at a time, waiting for no lock.

Only rows that no rule of money reads any more: resolved holds here; other rooms add chores of their own. Transfers are
never taken away. What pruned holds had added up to is kept as a checkpoint, from which `verify` goes on
(docs/decisions/0007). The deleting itself is done by functions of the database, which refuse what is younger than
35 days: no role of the running program may delete a hold.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Final
from uuid import UUID

import asyncpg
import structlog

log = structlog.get_logger(__name__)

YOUNGEST_DAYS: Final = 35
"""Longer than any period after which a cap is reset: a running period's holds are all there. The database insists."""

_TROUBLE: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_LOCK: Final = 7_264_006
_ALONE: Final = "SELECT pg_try_advisory_xact_lock($1)"

# From the front of the primary key: an id begins with the time of its making. No index has to be kept for this.
_MANDATES_WITH_HOLDS: Final = """
    SELECT m.mandate_id FROM mandate m
     WHERE m.mandate_id > $1 AND EXISTS (
           SELECT FROM hold h WHERE h.mandate_id = m.mandate_id AND h.hold_id < first_id_at($2)
              AND h.state <> 'PENDING' AND h.created_at < $2 AND h.resolved_at < $2)
     ORDER BY m.mandate_id LIMIT $3"""


@dataclass(frozen=True, slots=True)
class Chore:
    """One kind of row. `find` answers mandates after `$1` with something older than `$2`, at most `$3` of them;
    `prune` takes away up to `$3` rows of mandate `$1` that are older than `$2`, and answers how many."""

    name: str
    keep: timedelta
    find: str
    prune: str


def resolved_holds(keep_days: int) -> Chore:
    """Settled, released and expired holds, `keep_days` after they were resolved. Raises `ValueError` below 35."""
    return chore("holds", keep_days, _MANDATES_WITH_HOLDS, "SELECT prune_holds($1, $2, $3)")


def chore(name: str, keep_days: int, find: str, prune: str) -> Chore:
    """Raises `ValueError` below 35 days."""
    if keep_days < YOUNGEST_DAYS:
        raise ValueError(f"{name}: nothing younger than {YOUNGEST_DAYS} days is pruned")
    return Chore(name, timedelta(days=keep_days), find, prune)


@dataclass(frozen=True, slots=True)
class PruningPace:
    """How gently. A batch of 500 holds takes some tens of milliseconds of one connection."""

    every_seconds: float = 3600.0
    batch_rows: int = 500
    pause_seconds: float = 0.05
    mandates_at_once: int = 200


@dataclass(slots=True)
class PruningStatistics:
    """Counters since the start, for `/metrics`."""

    rows: int = 0
    rounds: int = 0
    failures: int = 0


class Pruning:
    """`start`, then `stop`; or `round` by hand. Several workers may run it: one of them works at a time."""

    def __init__(self, pool: asyncpg.Pool, chores: Sequence[Chore], *, pace: PruningPace | None = None) -> None:
        """`pool` is `bursar_ledger`'s."""
        self._pool = pool
        self._chores = tuple(chores)
        self._pace = pace or PruningPace()
        self._task: asyncio.Task[None] | None = None
        self.statistics = PruningStatistics()

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="pruning")

    async def stop(self) -> None:
        """At once: a batch that is under way is rolled back."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            # Workers begin at different times, and none of them in its first minute.
            await asyncio.sleep(self._pace.every_seconds * random.uniform(0.5, 1.0))
            try:
                await self.round()
            except _TROUBLE as error:
                self.statistics.failures += 1
                log.warning("pruning_interrupted", error=repr(error))
            except Exception:
                self.statistics.failures += 1
                log.exception("pruning_failed", alert="operator")

    async def round(self, now: datetime | None = None) -> dict[str, int]:
        """Everything that is due; how many rows of each chore went. Raises what asyncpg raises.

        Stops early, and leaves the rest to whoever else is at it, where another worker prunes.
        """
        moment = now or datetime.now(UTC)
        taken = {work.name: 0 for work in self._chores}
        for work in self._chores:
            if not await self._do(work, moment - work.keep, taken):
                break
        self.statistics.rounds += 1
        if any(taken.values()):
            log.info("pruned", **taken)
        return taken

    async def _do(self, work: Chore, before: datetime, taken: dict[str, int]) -> bool:
        """Adds up in `taken`; false where another worker is at it."""
        last = UUID(int=0)
        while True:
            mandates = await self._pool.fetch(work.find, last, before, self._pace.mandates_at_once)
            for (mandate_id,) in mandates:
                rows: int | None = self._pace.batch_rows
                while rows == self._pace.batch_rows:
                    rows = await self._batch(work, mandate_id, before)
                    if rows is None:
                        return False
                    taken[work.name] += rows
                    self.statistics.rows += rows
                    await asyncio.sleep(self._pace.pause_seconds)
            if len(mandates) < self._pace.mandates_at_once:
                return True
            last = mandates[-1][0]

    async def _batch(self, work: Chore, mandate_id: UUID, before: datetime) -> int | None:
        async with self._pool.acquire() as connection, connection.transaction():
            if not await connection.fetchval(_ALONE, _LOCK):
                return None
            rows: int = await connection.fetchval(work.prune, mandate_id, before, self._pace.batch_rows)
            return rows
