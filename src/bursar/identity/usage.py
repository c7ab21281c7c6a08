"""When a key was last used, written down twice a minute and off the path of the calls."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from contextlib import suppress
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from bursar.foundation.database import Database
from bursar.identity.principal import Caller

_INTERVAL_SECONDS: Final = 30.0

# Not a change that anybody's cache must hear of.
_NOTE: Final = """
    UPDATE api_key SET last_used_at = now()
     WHERE mandate_id = $1 AND key_id = ANY($2::uuid[])
       AND (last_used_at IS NULL OR last_used_at < now() - interval '20 seconds')"""

_log = structlog.get_logger(__name__)


class KeyUsage:
    """Collects the keys that were used, and writes them down mandate by mandate."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._used: dict[bytes, Caller] = {}
        self._task: asyncio.Task[None] | None = None

    def note(self, digest: bytes, caller: Caller) -> None:
        self._used[digest] = caller

    def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="identity-key-usage")

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            await self.write()

    async def write(self) -> None:
        """What was noted up to now. A database that is away costs these times, nothing else."""
        used, self._used = self._used, {}
        by_mandate: defaultdict[UUID, list[UUID]] = defaultdict(list)
        for caller in used.values():
            if caller.mandate is not None and caller.key_id is not None:
                by_mandate[caller.mandate.mandate_id].append(caller.key_id)
        try:
            for mandate_id, key_ids in by_mandate.items():
                async with self._database.as_mandate(mandate_id) as connection:
                    await connection.execute(_NOTE, mandate_id, key_ids)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            _log.warning("key_usage_not_noted", error=" ".join(str(error).split()))

    async def _run(self) -> None:
        while True:
            await asyncio.sleep(_INTERVAL_SECONDS)
            await self.write()
