"""The audit log, read: who changed what, from where, what was there before and after.

It is written by the database's triggers, in the transaction of the change (migration 0008): here is only the reading,
and what a request for money has to leave behind so that its transfer's entry can say where it came from.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import orjson
from pydantic.alias_generators import to_camel

from bursar.foundation.database import Connection, Database
from bursar.foundation.money import format_amount
from bursar.foundation.origin import current_origin
from bursar.identity.pages import Page, cursor_parts, page_of

INSTALLATION: Final = UUID(int=0)
"""Where entries of what belongs to no mandate stand."""
_NANOS: Final = "_nanos"

_PAGE: Final = """
    SELECT entry_id, at, actor, action, object, before, after, ip, user_agent, request_id
      FROM audit_entry
     WHERE mandate_id = $1 AND ($2::timestamptz IS NULL OR (at, entry_id) < ($2, $3))
       AND ($4::text IS NULL OR action = $4) AND ($5::text IS NULL OR actor = $5)
       AND ($6::timestamptz IS NULL OR at >= $6) AND ($7::timestamptz IS NULL OR at < $7)
     ORDER BY at DESC, entry_id DESC
     LIMIT $8"""

_MONEY_ORIGIN: Final = """
    INSERT INTO money_origin (mandate_id, transfer_id, origin) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING"""

_NOTE: Final = """
    INSERT INTO audit_entry (mandate_id, actor, action, object, before, after, ip, user_agent, request_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)"""


@dataclass(frozen=True, slots=True)
class AuditEntry:
    """`before` and `after` hold what changed, by column, amounts in nanos; `before` is `None` for what is new."""

    entry_id: UUID
    at: datetime
    actor: str
    action: str
    object: str
    before: Mapping[str, Any] | None
    after: Mapping[str, Any] | None
    ip: str | None
    user_agent: str | None
    request_id: str | None


async def list_entries(
    database: Database,
    mandate_id: UUID,
    *,
    action: str | None = None,
    actor: str | None = None,
    begin: datetime | None = None,
    end: datetime | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[AuditEntry]:
    """Newest first, from `begin` up to and without `end`. Raises a 422 `Problem` for a cursor that is none."""
    at, entry_id = cursor_parts(cursor)
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_PAGE, mandate_id, at, entry_id, action, actor, begin, end, limit + 1)
    return page_of([AuditEntry(**dict(row)) for row in rows], limit, lambda each: (each.at, each.entry_id))


async def note_money_origin(database: Database, mandate_id: UUID, transfer_id: UUID) -> None:
    """Before a transfer is asked for: where the request comes from. Outside of any request there is nothing to say."""
    origin = current_origin()
    if origin is None:
        return
    async with database.as_mandate(mandate_id) as connection:
        await connection.execute(_MONEY_ORIGIN, mandate_id, transfer_id, orjson.loads(origin.to_text()))


async def note(
    connection: Connection,
    mandate_id: UUID,
    action: str,
    object_id: str,
    *,
    before: Mapping[str, Any] | None = None,
    after: Mapping[str, Any] | None = None,
    actor: str | None = None,
) -> None:
    """An entry for what no trigger sees; belongs into the transaction of the change. Nothing secret, nothing personal.

    `connection` is `Database.as_mandate(mandate_id)`'s or the operator's.
    """
    origin = current_origin()
    said = {} if origin is None else orjson.loads(origin.to_text())
    who = actor or said.get("actor") or "system"
    await connection.execute(
        _NOTE, mandate_id, who, action, object_id, before, after, said.get("ip"), said.get("userAgent"),
        said.get("requestId"),
    )  # fmt: skip


def for_people(columns: Mapping[str, Any] | None) -> dict[str, Any] | None:
    """Columns as the API calls them: camelCase, amounts as decimal strings. Pure."""
    if columns is None:
        return None
    return {
        to_camel(name.removesuffix(_NANOS)): format_amount(value) if _is_nanos(name, value) else value
        for name, value in columns.items()
    }


def _is_nanos(name: str, value: object) -> bool:
    return name.endswith(_NANOS) and isinstance(value, int)
