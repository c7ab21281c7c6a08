"""Waiting for what must come, without saying when: the test's own timeout is the only limit."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

from bursar.foundation.database import Database

PENDING = "SELECT count(*) FROM hold WHERE state = 'PENDING'"


async def until(true: Callable[[], bool]) -> None:
    while not true():  # noqa: ASYNC110 -- what is waited for raises no event
        await asyncio.sleep(0.005)


async def no_hold_is_left(database: Database) -> None:
    while await database.ledger_pool.fetchval(PENDING):  # noqa: ASYNC110
        await asyncio.sleep(0.01)
