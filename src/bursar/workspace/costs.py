"""What calls have cost, as the ledger says: read, never computed."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Final
from uuid import UUID

from bursar.foundation.database import Database

# `charged_nanos` moves with a late adjustment, so this is what the statement says, too.
_CHARGED: Final = """
    SELECT hold_id, charged_nanos FROM hold
     WHERE mandate_id = $1 AND hold_id = ANY($2::uuid[]) AND state <> 'PENDING'"""
_FIRST_PAUSE_SECONDS: Final = 0.005
_LONGEST_PAUSE_SECONDS: Final = 0.25


async def charged(
    database: Database, mandate_id: UUID, calls: Sequence[UUID], *, wait_seconds: float
) -> dict[UUID, int]:
    """Nanos by call, of those that are settled; a settlement that is under way is waited for a while."""
    deadline = asyncio.get_running_loop().time() + wait_seconds
    pause = _FIRST_PAUSE_SECONDS
    while True:
        async with database.as_mandate(mandate_id) as connection:
            rows = await connection.fetch(_CHARGED, mandate_id, list(calls))
        found = {row["hold_id"]: row["charged_nanos"] or 0 for row in rows}
        if len(found) == len(calls) or asyncio.get_running_loop().time() + pause > deadline:
            return found
        await asyncio.sleep(pause)
        pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
