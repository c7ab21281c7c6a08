"""When a month is closed for good: no transfer can appear in it any more.

A transfer belongs to the month that its `at` lies in. The ledger takes `at` from the database's clock after it has
locked the accounts, and commits some milliseconds later; so for that long after midnight a transfer of the old month
may still be invisible. Locking a row gives a transaction its number, therefore every transaction that has an `at`
before midnight also has a lower number than one that asks for its number after midnight. Once all lower numbers are
finished, nothing can come any more, however long a commit took.

Transactions of other applications on the same server count too, so this is looked at in the first hour after midnight
only: a batch of the ledger is given up within seconds, long before that.

All of this trusts that the database's clock is not set back across midnight.
"""

from __future__ import annotations

import asyncio
from datetime import datetime, timedelta
from typing import Final

from bursar.foundation.database import Database
from bursar.foundation.problems import Problem

MARGIN: Final = timedelta(hours=1)
_PATIENCE_SECONDS: Final = 20.0
_PAUSE_SECONDS: Final = 0.02


async def wait_until_closed(
    database: Database, ends_at: datetime, now: datetime, *, patience_seconds: float = _PATIENCE_SECONDS
) -> None:
    """Returns once the month that ended at `ends_at` cannot change; `now` is the database's time, at or after that.

    Raises a 503 `Problem` with `Retry-After` if transactions that began before are still running.
    """
    if now >= ends_at + MARGIN:
        return
    async with database.app_pool.acquire() as connection:
        mine = int(await connection.fetchval("SELECT pg_current_xact_id()::text"))
        waited = 0.0
        while int(await connection.fetchval("SELECT pg_snapshot_xmin(pg_current_snapshot())::text")) <= mine:
            if waited >= patience_seconds:
                raise still_closing()
            await asyncio.sleep(_PAUSE_SECONDS)
            waited += _PAUSE_SECONDS


def still_closing() -> Problem:
    return Problem(
        503,
        "month_still_closing",
        "The month is still being closed",
        "Payments from before midnight are still being written. Please ask again in a minute.",
        headers={"Retry-After": "60"},
    )
