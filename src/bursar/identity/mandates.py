"""Mandates: created, listed, renamed, suspended, closed. For the routes and for the command line alike."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from typing import Final
from uuid import UUID
from zoneinfo import available_timezones

from bursar.foundation.database import Database
from bursar.foundation.ids import new_mandate_id
from bursar.foundation.problems import Problem, invalid_field
from bursar.identity.access import not_found
from bursar.identity.pages import Page, cursor_parts, page_of
from bursar.identity.principal import BillingModelName, MandateStatus
from bursar.identity.revision import note_change

LANGUAGES: Final = ("de", "en", "fr", "it")
LONGEST_NAME: Final = 300
_CURRENCY: Final = re.compile(r"[A-Z]{3}")

_INSERT: Final = """
    INSERT INTO mandate (mandate_id, name, currency, language, time_zone) VALUES ($1, $2, $3, $4, $5)
    RETURNING mandate_id, name, currency, status, language, time_zone, version, created_at"""

_INSERT_SETTINGS: Final = """
    INSERT INTO billing_settings (mandate_id, billing_model, credit_limit_nanos) VALUES ($1, $2, $3)"""

_SELECT: Final = """
    SELECT m.mandate_id, m.name, m.currency, m.status, m.language, m.time_zone, m.version, m.created_at,
           s.billing_model
      FROM mandate m JOIN billing_settings s ON s.mandate_id = m.mandate_id
     WHERE m.mandate_id = $1"""

_PAGE: Final = """
    SELECT m.mandate_id, m.name, m.currency, m.status, m.language, m.time_zone, m.version, m.created_at,
           s.billing_model
      FROM mandate m JOIN billing_settings s ON s.mandate_id = m.mandate_id
     WHERE $1::timestamptz IS NULL OR (m.created_at, m.mandate_id) > ($1, $2)
     ORDER BY m.created_at, m.mandate_id
     LIMIT $3"""

_CHANGE: Final = """
    UPDATE mandate
       SET name = coalesce($2, name), status = coalesce($3, status), language = coalesce($4, language),
           time_zone = coalesce($5, time_zone), version = version + 1
     WHERE mandate_id = $1 AND ($6::bigint IS NULL OR version = $6)"""


@dataclass(frozen=True, slots=True)
class Mandate:
    mandate_id: UUID
    name: str
    currency: str
    status: MandateStatus
    language: str
    time_zone: str
    version: int
    created_at: datetime
    billing_model: BillingModelName


async def create_mandate(
    database: Database,
    *,
    name: str,
    currency: str = "CHF",
    billing_model: BillingModelName = "PREPAY_MANDATE",
    credit_limit_nanos: int | None = None,
    language: str = "de",
    time_zone: str = "Europe/Zurich",
) -> Mandate:
    """A new mandate, active, with an empty pool. Raises a 422 `Problem` that names the field."""
    name = checked_name(name)
    if not _CURRENCY.fullmatch(currency):
        raise invalid_field("currency", "must be three capital letters, such as CHF")
    check_language(language)
    check_time_zone(time_zone)
    if billing_model == "POSTPAY" and credit_limit_nanos is None:
        raise invalid_field("creditLimit", "is required with POSTPAY: how far below zero the pool may go")
    mandate_id = new_mandate_id()
    async with database.as_mandate(mandate_id) as connection:
        row = await connection.fetchrow(_INSERT, mandate_id, name, currency, language, time_zone)
        await connection.execute(_INSERT_SETTINGS, mandate_id, billing_model, credit_limit_nanos)
        await note_change(connection, mandate_id)
    assert row is not None
    return Mandate(**dict(row), billing_model=billing_model)


async def get_mandate(database: Database, mandate_id: UUID) -> Mandate:
    """Raises a 404 `Problem`."""
    async with database.as_mandate(mandate_id) as connection:
        row = await connection.fetchrow(_SELECT, mandate_id)
    if row is None:
        raise not_found()
    return Mandate(**dict(row))


async def list_mandates(database: Database, *, cursor: str | None = None, limit: int = 100) -> Page[Mandate]:
    """The operator's view, oldest first."""
    created_at, mandate_id = cursor_parts(cursor)
    async with database.as_operator() as connection:
        rows = await connection.fetch(_PAGE, created_at, mandate_id, limit + 1)
    return page_of([Mandate(**dict(row)) for row in rows], limit, lambda each: (each.created_at, each.mandate_id))


async def change_mandate(
    database: Database,
    mandate_id: UUID,
    *,
    name: str | None = None,
    status: MandateStatus | None = None,
    language: str | None = None,
    time_zone: str | None = None,
    if_version: int | None = None,
) -> Mandate:
    """Changes what is given. Raises a 404, 412 (`if_version` is not the newest) or 422 `Problem`.

    Closing ends new calls; open holds drain by themselves, and what is left is paid out by refund or correction.
    """
    if name is not None:
        name = checked_name(name)
    if language is not None:
        check_language(language)
    if time_zone is not None:
        check_time_zone(time_zone)
    async with database.as_mandate(mandate_id) as connection:
        done = await connection.execute(_CHANGE, mandate_id, name, status, language, time_zone, if_version)
        if done != "UPDATE 1":
            raise not_found() if await connection.fetchrow(_SELECT, mandate_id) is None else changed_meanwhile()
        await note_change(connection, mandate_id)
        row = await connection.fetchrow(_SELECT, mandate_id)
    assert row is not None
    return Mandate(**dict(row))


def checked_name(name: str, field: str = "name", *, longest: int = LONGEST_NAME) -> str:
    """A name that people can read: one line, something in it. Raises a 422 `Problem`."""
    name = name.strip()
    if not 1 <= len(name) <= longest:
        raise invalid_field(field, f"must have 1 to {longest} characters")
    if any(ord(character) < 32 or ord(character) == 127 or 0xD800 <= ord(character) < 0xE000 for character in name):
        raise invalid_field(field, "must be one line of text, without control characters")
    return name


def check_language(language: str, field: str = "language") -> None:
    if language not in LANGUAGES:
        raise invalid_field(field, f"must be one of {', '.join(LANGUAGES)}")


def check_time_zone(time_zone: str, field: str = "timeZone") -> None:
    if time_zone not in _time_zones():
        raise invalid_field(field, "must be a time zone's IANA name, such as Europe/Zurich")


@lru_cache(maxsize=1)
def _time_zones() -> frozenset[str]:
    return frozenset(available_timezones())


def changed_meanwhile() -> Problem:
    return Problem(
        412,
        "changed_meanwhile",
        "Somebody was faster",
        "This was changed since you read it: read it again.",
        "If-Match",
    )
