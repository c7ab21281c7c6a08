"""Takes away what is over: nothing here is worth keeping, and some of it is personal."""

from __future__ import annotations

from typing import Final

from bursar.foundation.database import Database
from bursar.identity.sign_in.sessions import IDLE

_OVER: Final = (
    "DELETE FROM sign_in_attempt WHERE expires_at < now()",
    "DELETE FROM sign_in_rate WHERE expires_at < now()",
    "DELETE FROM one_time_link WHERE expires_at < now()",
    "DELETE FROM invitation WHERE accepted_at IS NULL AND expires_at < now() - interval '30 days'",
    "DELETE FROM sign_in_mail WHERE expires_at < now() - interval '30 days'",
)
_SESSIONS: Final = "DELETE FROM sign_in_session WHERE expires_at < now() OR seen_at < now() - $1::interval"


async def sweep(database: Database) -> None:
    async with database.as_operator() as connection:
        for statement in _OVER:
            await connection.execute(statement)
        await connection.execute(_SESSIONS, IDLE)
