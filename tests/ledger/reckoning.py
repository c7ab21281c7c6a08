"""Holding the books against what callers have been told: every answer is true, and nothing else has happened."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from bursar.foundation.database import Database
from bursar.ledger.verify import verify

# The reaper charges what was last recorded, or else the bound of the input, and never more than was held.
REAPED_WRONGLY = """
    SELECT hold_id FROM hold
     WHERE mandate_id = $1 AND state = 'EXPIRED' AND NOT adjusted
       AND charged_nanos <> least(amount_nanos, coalesce(used_nanos, input_bound_nanos))"""


async def reckon(database: Database, mandate_id: UUID, heard: list[dict[str, Any]]) -> None:
    """Raises `AssertionError` unless all holds are resolved as the callers had heard, and nothing else is wrong."""
    holds = {
        str(row["hold_id"]): row
        for row in await database.ledger_pool.fetch("SELECT * FROM hold WHERE mandate_id = $1", mandate_id)
    }
    granted = {line["granted"] for line in heard if "granted" in line and isinstance(line["granted"], str)}
    ended = {line["ended"]: line for line in heard if "ended" in line}
    assert ended, "nobody has ended a call: nothing was tested"
    assert granted <= holds.keys()
    for hold_id, line in ended.items():
        hold = holds[hold_id]
        told = (line["state"], line["charged"], line["overrun"])
        assert (hold["state"], hold["charged_nanos"], hold["overrun_nanos"]) == told
    for line in heard:
        if "extended" in line and line["extended"] not in ended:
            assert (holds[line["extended"]]["used_nanos"] or 0) >= line["used"]
    assert not [hold_id for hold_id, hold in holds.items() if hold["state"] == "PENDING"]
    assert await database.ledger_pool.fetch(REAPED_WRONGLY, mandate_id) == []
    found = await verify(database.ledger_pool, mandate_id, thorough=True)
    assert [violation for violation in found if not violation.is_warning] == []
