"""The most that calls of a key or a mandate may hold at once: asked of the holds themselves, so that it is one figure
for all workers. Costs a query before and one after a call's hold, and only where such a cap is set.

Exact for calls that begin: each looks again once its own hold is committed, so of calls that begin together the last
to look sees all of them, and what runs never began above the cap. A running call's further slices are not refused by
it; they keep new calls out. docs/decisions/0013-rates.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final
from uuid import UUID

import asyncpg

from bursar.foundation.database import Database
from bursar.gateway.dialects.seam import FaultKind, GatewayFault
from bursar.gateway.rates import Subject

_HELD: Final = """
    SELECT coalesce(sum(amount_nanos), 0)::bigint AS of_mandate,
           coalesce(sum(amount_nanos) FILTER (WHERE key_id = $2), 0)::bigint AS of_key
      FROM hold WHERE mandate_id = $1 AND state = 'PENDING'"""
_COLUMNS: Final = {"mandate": "of_mandate", "key": "of_key"}


async def left_to_hold(database: Database, mandate_id: UUID, subjects: Sequence[Subject]) -> int | None:
    """What may still be held (below zero where it is too much); `None` where nothing is capped.

    Raises `GatewayFault` (503).
    """
    capped = [subject for subject in subjects if subject.rates.held_nanos is not None]
    if not capped:
        return None
    key_id = next((subject.id for subject in capped if subject.what == "key"), None)
    try:
        async with database.as_mandate(mandate_id) as connection:
            row = await connection.fetchrow(_HELD, mandate_id, key_id)
    except (OSError, TimeoutError, asyncpg.PostgresError, asyncpg.InterfaceError) as error:
        raise GatewayFault(
            FaultKind.LEDGER_UNAVAILABLE, "The ledger cannot be reached.", retry_after_seconds=1
        ) from error
    assert row is not None
    held: dict[str, int] = {what: row[column] for what, column in _COLUMNS.items()}
    return min((subject.rates.held_nanos or 0) - held[subject.what] for subject in capped)


def too_much_held() -> GatewayFault:
    return GatewayFault(
        FaultKind.RATE_LIMITED,
        "As much is held for running calls as this key or mandate may hold at once: try again when one has ended.",
        retry_after_seconds=1,
    )
