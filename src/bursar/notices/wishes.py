"""What a mandate wants to be told, and when not: thresholds, silences, and addresses that get nothing any more."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.identity.pages import Page, cursor_parts, page_of

AddressState = Literal["ok", "dead", "unsubscribed"]

_READ: Final = """
    SELECT low_amounts_nanos, low_percents, running_out_hours, limit_near_percent, version
      FROM notice_settings WHERE mandate_id = $1
"""
_WRITE: Final = """
    INSERT INTO notice_settings AS found
           (mandate_id, low_amounts_nanos, low_percents, running_out_hours, limit_near_percent, version)
    VALUES ($1, $2, $3, $4, $5, $6 + 1)
        ON CONFLICT (mandate_id) DO UPDATE
           SET version = found.version + 1,
               low_amounts_nanos = EXCLUDED.low_amounts_nanos, low_percents = EXCLUDED.low_percents,
               running_out_hours = EXCLUDED.running_out_hours, limit_near_percent = EXCLUDED.limit_near_percent
         WHERE found.version = $6
"""
_ADDRESSES: Final = """
    SELECT listed.address, gone.reason, gone.refused_at, coalesce(gone.unsubscribed, false) AS unsubscribed
      FROM billing_settings AS terms
     CROSS JOIN unnest(terms.notify_emails) WITH ORDINALITY AS listed (address, place)
      LEFT JOIN recipient_state AS gone ON gone.mandate_id = terms.mandate_id AND gone.channel = 'email'
            AND gone.address = listed.address
     WHERE terms.mandate_id = $1 ORDER BY listed.place
"""
_SILENCES: Final = """
    SELECT silence_id, kind, ends_at, reason, created_by, created_at FROM notice_silence
     WHERE mandate_id = $1 AND ends_at > now() AND ($2::timestamptz IS NULL OR (ends_at, silence_id) > ($2, $3))
     ORDER BY ends_at, silence_id LIMIT $4
"""


@dataclass(frozen=True, slots=True)
class Wishes:
    """Thresholds of a balance in nanos and in percent of the last top-up; zero hours or percent switch a notice off."""

    low_amounts_nanos: tuple[int, ...] = ()
    low_percents: tuple[int, ...] = ()
    running_out_hours: int = 72
    limit_near_percent: int = 80
    version: int = 0
    """Zero where nothing was ever said."""


@dataclass(frozen=True, slots=True)
class AddressNews:
    """What became of an address of `notifyEmails`. `reason` is what its server said, or that its reader left."""

    address: str
    state: AddressState
    reason: str | None
    since: datetime | None


@dataclass(frozen=True, slots=True)
class Silence:
    """Nothing of `kind` (or nothing at all) is told before `ends_at`; what still lasts then is told."""

    silence_id: UUID
    kind: str | None
    ends_at: datetime
    reason: str | None
    created_by: str
    created_at: datetime


async def read_wishes(database: Database, mandate_id: UUID) -> Wishes:
    async with database.as_mandate(mandate_id) as connection:
        row = await connection.fetchrow(_READ, mandate_id)
    if row is None:
        return Wishes()
    lists = {name: tuple(row[name]) for name in ("low_amounts_nanos", "low_percents")}
    return Wishes(**{**dict(row), **lists})


async def write_wishes(database: Database, mandate_id: UUID, wishes: Wishes) -> bool:
    """Whether they were written: not, if what was read (`wishes.version`) has been changed meanwhile."""
    async with database.as_mandate(mandate_id) as connection:
        done = await connection.execute(_WRITE, mandate_id, *asdict(wishes).values())
    return bool(done == "INSERT 0 1")


async def address_news(database: Database, mandate_id: UUID) -> Sequence[AddressNews]:
    """For whoever edits the addresses, in their order."""
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_ADDRESSES, mandate_id)
    return [AddressNews(row["address"], _state(row["reason"], row["unsubscribed"]), row["reason"], row["refused_at"])
            for row in rows]  # fmt: skip


async def add_silence(
    database: Database, mandate_id: UUID, *, kind: str | None, ends_at: datetime, reason: str | None, actor: str
) -> Silence:
    async with database.as_mandate(mandate_id) as connection:
        row = await connection.fetchrow(
            "INSERT INTO notice_silence (mandate_id, silence_id, kind, ends_at, reason, created_by)"
            " VALUES ($1, $2, $3, $4, $5, $6) RETURNING silence_id, kind, ends_at, reason, created_by, created_at",
            mandate_id, new_id(), kind, ends_at, reason, actor,
        )  # fmt: skip
    assert row is not None
    return Silence(**dict(row))


async def list_silences(
    database: Database, mandate_id: UUID, *, cursor: str | None = None, limit: int = 100
) -> Page[Silence]:
    """Those that have not ended, the next end first. Raises a 422 `Problem` for a cursor that is none."""
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_SILENCES, mandate_id, *cursor_parts(cursor), limit + 1)
    found = [Silence(**dict(row)) for row in rows]
    return page_of(found, limit, lambda each: (each.ends_at, each.silence_id))


async def end_silence(database: Database, mandate_id: UUID, silence_id: UUID) -> bool:
    """What it held back is looked at again at once; false where there is no such silence."""
    async with database.as_mandate(mandate_id) as connection:
        gone = await connection.execute(
            "DELETE FROM notice_silence WHERE mandate_id = $1 AND silence_id = $2", mandate_id, silence_id
        )
    return bool(gone == "DELETE 1")


def _state(reason: str | None, unsubscribed: bool) -> AddressState:
    if reason is None:
        return "ok"
    return "unsubscribed" if unsubscribed else "dead"
