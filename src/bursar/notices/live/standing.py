"""Whether those who are told live may still be told: asked for all of a worker's connections at once.

A session is looked up in the database, and so is what its person is in the mandate; a key is known to the worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from uuid import UUID

from bursar.foundation.database import Database
from bursar.identity.access import Rank, rank_of
from bursar.identity.authenticator import Authenticator
from bursar.identity.sign_in.sessions import IDLE
from bursar.identity.sign_in.tokens import hash_of

_SESSIONS: Final = """
    SELECT asked.number, CASE WHEN operator.identity_id IS NOT NULL THEN 'operator' ELSE person.role END AS rank
      FROM unnest($1::integer[], $2::bytea[], $3::uuid[]) AS asked (number, session_hash, mandate_id)
      JOIN sign_in_session AS session ON session.session_hash = asked.session_hash
           AND session.expires_at > now() AND session.seen_at > now() - $4::interval
      LEFT JOIN platform_operator AS operator ON operator.identity_id = session.identity_id
      LEFT JOIN membership ON membership.mandate_id = asked.mandate_id
           AND membership.identity_id = session.identity_id
      LEFT JOIN app_user AS person ON person.mandate_id = membership.mandate_id
           AND person.user_id = membership.user_id AND person.deleted_at IS NULL"""


@dataclass(frozen=True, slots=True)
class Standing:
    """By what somebody came in, and as what."""

    mandate_id: UUID
    rank: Rank | None
    session: str | None = None
    """What the cookie says."""
    key: str | None = None


async def still_standing(database: Database, authenticator: Authenticator, asked: Sequence[Standing]) -> Sequence[bool]:
    """For each, whether they are still what they were. Raises what the database and `authenticate` raise."""
    known: dict[str, Rank | None] = {}
    for key in {each.key for each in asked if each.key is not None}:
        caller = await authenticator.authenticate(key)
        known[key] = None if caller is None else rank_of(caller)
    by_session = [(number, each) for number, each in enumerate(asked) if each.session is not None]
    ranks: dict[int, str | None] = {}
    if by_session:
        async with database.as_operator() as connection:
            rows = await connection.fetch(
                _SESSIONS,
                [number for number, _ in by_session],
                [hash_of(each.session or "") for _, each in by_session],
                [each.mandate_id for _, each in by_session],
                IDLE,
            )
        ranks = {row["number"]: row["rank"] for row in rows}
    return [
        each.rank is not None and (ranks.get(number) if each.key is None else known[each.key]) == each.rank
        for number, each in enumerate(asked)
    ]
