"""What people find in the application: one item per person, written in the transaction of what it tells of."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, Final, NamedTuple
from uuid import UUID

from bursar.foundation.database import Connection


class Item(NamedTuple):
    """For one person, or, without one, for the mandate's owners and finance people."""

    mandate_id: UUID
    kind: str
    account_id: UUID
    payload: Mapping[str, Any]
    user_id: UUID | None = None


_PUT: Final = """
    INSERT INTO inbox_item (mandate_id, user_id, kind, account_id, payload, created_at)
    SELECT new.mandate_id, person.user_id, new.kind, new.account_id, new.payload, $6
      FROM unnest($1::uuid[], $2::text[], $3::uuid[], $4::jsonb[], $5::uuid[])
           AS new (mandate_id, kind, account_id, payload, user_id)
      JOIN app_user AS person ON person.mandate_id = new.mandate_id AND person.deleted_at IS NULL
       AND (person.user_id = new.user_id OR (new.user_id IS NULL AND person.role IN ('owner', 'finance')))
"""


async def put(connection: Connection, items: Sequence[Item], at: datetime) -> None:
    if items:
        columns = [[getattr(item, name) for item in items] for name in Item._fields]
        await connection.execute(_PUT, *columns, at)
