"""What a worker does once a minute so that nothing that broke off stays half done.

Every worker may run it: each step does nothing where another was faster.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import Final

import structlog

from bursar.billing.payments import finish_paid
from bursar.billing.redeeming import finish_claimed
from bursar.foundation.database import Database
from bursar.identity.departure import Submits, return_what_was_left_behind

EVERY_SECONDS: Final = 60.0
_log = structlog.get_logger(__name__)


class Upkeep:
    """`start`, then `stop`; or `round` by hand."""

    def __init__(self, database: Database, ledger: Submits, *, every_seconds: float = EVERY_SECONDS) -> None:
        self._database = database
        self._ledger = ledger
        self._every_seconds = every_seconds
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="upkeep")

    async def stop(self) -> None:
        """Before the ledger stops."""
        if self._task is not None:
            self._task.cancel()
            with suppress(asyncio.CancelledError):
                await self._task
            self._task = None

    async def round(self) -> None:
        """Bring leavers' money home, and pay in vouchers and payments that were left half done."""
        await self._try("leavers_wallets_emptied", return_what_was_left_behind)
        await self._try("vouchers_finished", finish_claimed)
        await self._try("payments_finished", finish_paid)

    async def _try(self, name: str, step: Callable[[Database, Submits], Awaitable[int]]) -> None:
        try:
            done = await step(self._database, self._ledger)
        except Exception as error:  # What is broken now is tried again in a minute; the other steps go on.
            _log.warning("upkeep_failed", step=name, error=" ".join(str(error).split()))
            return
        if done:
            _log.info(name, count=done)

    async def _run(self) -> None:
        while True:
            # Workers that started together do not come together.
            await asyncio.sleep(self._every_seconds * random.uniform(0.75, 1.25))
            await self.round()
