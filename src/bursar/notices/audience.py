"""Who is to hear of an account or a limit, where that is somebody else than the finance contacts."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, NamedTuple
from uuid import UUID

from bursar.foundation.database import Connection

if TYPE_CHECKING:
    from bursar.notices.store import AlertKey

# A wallet's account has its user's id; a limit's notices have the limit's id for an account.
_PEOPLE: Final = """
    SELECT key.mandate_id, key.kind, key.account_id, person.user_id, person.email,
           EXISTS (SELECT FROM recipient_state AS dead
                    WHERE dead.mandate_id = key.mandate_id AND dead.channel = 'email'
                      AND dead.address = person.email) AS is_dead
      FROM unnest($1::uuid[], $2::text[], $3::uuid[]) AS key (mandate_id, kind, account_id)
      LEFT JOIN spending_limit AS cap ON cap.mandate_id = key.mandate_id AND cap.limit_id = key.account_id
      LEFT JOIN api_key ON cap.scope = 'key' AND api_key.mandate_id = key.mandate_id
            AND api_key.key_id::text = cap.scope_id
      JOIN app_user AS person ON person.mandate_id = key.mandate_id AND person.deleted_at IS NULL
       AND person.user_id::text = CASE cap.scope WHEN 'user' THEN cap.scope_id WHEN 'key' THEN api_key.user_id::text
                                  ELSE key.account_id::text END
"""


class Addressee(NamedTuple):
    user_id: UUID
    email: str | None
    """`None` where there is none, or it is dead."""


async def people(connection: Connection, keys: Sequence[AlertKey]) -> dict[AlertKey, Addressee]:
    """The person whom each key is about; keys that are about nobody in particular are left out: finance hears."""
    rows = await connection.fetch(
        _PEOPLE, [key.mandate_id for key in keys], [key.kind for key in keys], [key.account_id for key in keys]
    )
    by_name = {tuple(key): key for key in keys}
    return {
        by_name[row["mandate_id"], row["kind"], row["account_id"]]: Addressee(
            row["user_id"], None if row["is_dead"] else row["email"]
        )
        for row in rows
    }
