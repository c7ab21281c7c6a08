"""How often somebody may try a voucher's code in vain: per caller and per mandate, over all workers.

A try is counted before the code is looked up, and given back if it was a real one: so that a thousand tries at the same
moment are as many as a thousand one after the other.
"""

from __future__ import annotations

import math
from typing import Final
from uuid import UUID

from bursar.foundation.database import Database
from bursar.foundation.problems import Problem

WINDOW_SECONDS: Final = 900
MOST_OF_CALLER: Final = 10
MOST_OF_MANDATE: Final = 50
_WHOLE_MANDATE: Final = ""

_COUNT: Final = """
    INSERT INTO voucher_try AS t (mandate_id, caller, tries, began_at)
    SELECT $1, n.caller, 1, now() FROM unnest($2::text[]) AS n (caller) ORDER BY n.caller
        ON CONFLICT (mandate_id, caller) DO UPDATE
       SET tries = CASE WHEN t.began_at <= now() - $3 * interval '1 second' THEN 1 ELSE t.tries + 1 END,
           began_at = CASE WHEN t.began_at <= now() - $3 * interval '1 second' THEN now() ELSE t.began_at END
    RETURNING caller, tries, extract(epoch FROM began_at - now())::float8 + $3 AS seconds_left"""

_GIVE_BACK: Final = """
    WITH mine AS (
        SELECT caller FROM voucher_try WHERE mandate_id = $1 AND caller = ANY($2::text[]) ORDER BY caller FOR UPDATE)
    UPDATE voucher_try t SET tries = greatest(t.tries - 1, 0)
      FROM mine WHERE t.mandate_id = $1 AND t.caller = mine.caller"""


async def count_try(database: Database, mandate_id: UUID, caller: str) -> None:
    """Raises a 429 `Problem` with `Retry-After`; a try that is refused does not count."""
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_COUNT, mandate_id, [_WHOLE_MANDATE, caller], float(WINDOW_SECONDS))
        for row in rows:
            most = MOST_OF_MANDATE if row["caller"] == _WHOLE_MANDATE else MOST_OF_CALLER
            if row["tries"] > most:
                raise _too_many(max(1, math.ceil(row["seconds_left"])))


async def give_back_try(database: Database, mandate_id: UUID, caller: str) -> None:
    async with database.as_mandate(mandate_id) as connection:
        await connection.execute(_GIVE_BACK, mandate_id, [_WHOLE_MANDATE, caller])


def _too_many(seconds: int) -> Problem:
    return Problem(
        429,
        "too_many_tries",
        "Too many wrong codes",
        "Vouchers can be redeemed here again a little later.",
        "code",
        headers={"retry-after": str(seconds)},
    )
