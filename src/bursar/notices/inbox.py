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


def put_sql(first: int, *, at: str, counted: str | None = None) -> str:
    """The statement that puts items, with parameters from number `first` on (`columns`), and the parameter `at`.

    What they say of how many people were refused is taken from `counted`, where such a table is named.
    """
    number = [f"${first + place}" for place in range(5)]
    payload = "new.payload" if counted is None else "new.payload || jsonb_build_object('users', counted.refused_users)"
    join = "" if counted is None else f"JOIN {counted} AS counted USING (mandate_id, kind, account_id)"
    return f"""
    INSERT INTO inbox_item (mandate_id, user_id, kind, account_id, payload, created_at)
    SELECT new.mandate_id, person.user_id, new.kind, new.account_id, {payload}, {at}
      FROM unnest({number[0]}::uuid[], {number[1]}::text[], {number[2]}::uuid[], {number[3]}::jsonb[],
                  {number[4]}::uuid[]) AS new (mandate_id, kind, account_id, payload, user_id)
      {join}
      JOIN app_user AS person ON person.mandate_id = new.mandate_id AND person.deleted_at IS NULL
       AND (person.user_id = new.user_id OR (new.user_id IS NULL AND person.role IN ('owner', 'finance')))
"""  # noqa: S608  (numbers of parameters)


def columns(items: Sequence[Item]) -> list[list[Any]]:
    return [[getattr(item, name) for item in items] for name in Item._fields]


_PUT: Final = put_sql(1, at="$6")


async def put(connection: Connection, items: Sequence[Item], at: datetime) -> None:
    if items:
        await connection.execute(_PUT, *columns(items), at)
