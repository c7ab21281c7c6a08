"""The users of a mandate: added, changed, and let go so that nothing but an id stays."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import new_id
from bursar.foundation.problems import Problem, invalid_field
from bursar.identity.access import not_found
from bursar.identity.email_address import checked_email
from bursar.identity.lookup import LONGEST_EXTERNAL_ID, is_external_id
from bursar.identity.mandates import changed_meanwhile, check_language, check_time_zone, checked_name
from bursar.identity.pages import Page, cursor_parts, page_of
from bursar.identity.principal import Role
from bursar.identity.revision import note_change

ROLES: Final = ("owner", "finance", "member")

_INSERT: Final = """
    INSERT INTO app_user (mandate_id, user_id, email, display_name, role, language, time_zone, external_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
    RETURNING user_id, email, display_name, role, language, time_zone, external_id, version, created_at"""

_LOCK: Final = """
    SELECT user_id, email, display_name, role, language, time_zone, external_id, version, created_at
      FROM app_user WHERE mandate_id = $1 AND user_id = $2 AND deleted_at IS NULL
       FOR UPDATE"""

_GET: Final = """
    SELECT user_id, email, display_name, role, language, time_zone, external_id, version, created_at
      FROM app_user WHERE mandate_id = $1 AND user_id = $2 AND deleted_at IS NULL"""

_PAGE: Final = """
    SELECT user_id, email, display_name, role, language, time_zone, external_id, version, created_at
      FROM app_user
     WHERE mandate_id = $1 AND deleted_at IS NULL
       AND ($2::timestamptz IS NULL OR (created_at, user_id) > ($2, $3))
     ORDER BY created_at, user_id
     LIMIT $4"""

_CHANGE: Final = """
    UPDATE app_user
       SET email = $3, display_name = $4, role = $5, language = $6, time_zone = $7, external_id = $8,
           version = version + 1
     WHERE mandate_id = $1 AND user_id = $2
    RETURNING version"""

# One after the other, so that two owners cannot demote each other at the same moment.
_OTHER_OWNERS: Final = """
    SELECT user_id FROM app_user
     WHERE mandate_id = $1 AND role = 'owner' AND deleted_at IS NULL
     ORDER BY user_id
       FOR UPDATE"""

_ERASE: Final = """
    UPDATE app_user
       SET deleted_at = now(), email = NULL, display_name = '', language = NULL, time_zone = NULL, external_id = NULL,
           role = 'member', version = version + 1
     WHERE mandate_id = $1 AND user_id = $2"""

_END_KEYS: Final = """
    UPDATE api_key SET revoked_at = now() WHERE mandate_id = $1 AND user_id = $2 AND revoked_at IS NULL"""

_TAKEN: Final[Mapping[str, tuple[str, str]]] = {
    "app_user_email": ("email", "e-mail address"),
    "app_user_external_id": ("externalId", "external id"),
}


@dataclass(frozen=True, slots=True)
class User:
    user_id: UUID
    email: str | None
    display_name: str
    role: Role
    language: str | None
    time_zone: str | None
    external_id: str | None
    version: int
    created_at: datetime


async def add_user(
    database: Database,
    mandate_id: UUID,
    *,
    email: str | None = None,
    display_name: str | None = None,
    role: Role = "member",
    language: str | None = None,
    time_zone: str | None = None,
    external_id: str | None = None,
) -> User:
    """A new user. Without a display name it is the address or the external id.

    Raises a 404, 409 (somebody has this address or external id already) or 422 `Problem`.
    """
    called = display_name or email or external_id
    if called is None:
        raise invalid_field("email", "is required, or else a displayName or an externalId")
    draft = {
        "email": email,
        "display_name": called,
        "role": role,
        "language": language,
        "time_zone": time_zone,
        "external_id": external_id,
    }
    values = _checked(draft)
    try:
        async with database.as_mandate(mandate_id) as connection:
            row = await connection.fetchrow(_INSERT, mandate_id, new_id(), *values.values())
            await note_change(connection, mandate_id)
    except asyncpg.UniqueViolationError as error:
        raise _taken(error) from error
    except asyncpg.ForeignKeyViolationError as error:
        raise not_found() from error
    assert row is not None
    return User(**dict(row))


async def get_user(database: Database, mandate_id: UUID, user_id: UUID) -> User:
    """Raises a 404 `Problem`."""
    async with database.as_mandate(mandate_id) as connection:
        row = await connection.fetchrow(_GET, mandate_id, user_id)
    if row is None:
        raise not_found("user")
    return User(**dict(row))


async def list_users(
    database: Database, mandate_id: UUID, *, cursor: str | None = None, limit: int = 100
) -> Page[User]:
    """Those who have not left, oldest first."""
    created_at, user_id = cursor_parts(cursor)
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_PAGE, mandate_id, created_at, user_id, limit + 1)
    return page_of([User(**dict(row)) for row in rows], limit, lambda each: (each.created_at, each.user_id))


async def change_user(
    database: Database,
    mandate_id: UUID,
    user_id: UUID,
    changes: Mapping[str, Any],
    *,
    if_version: int | None = None,
    may_leave_no_owner: bool = False,
) -> User:
    """Changes what is given (names as in `User`; `None` takes a value away).

    Raises a 404, 409 (taken, or the last owner would be gone), 412 or 422 `Problem`.
    """
    try:
        async with database.as_mandate(mandate_id) as connection:
            former = await _locked(connection, mandate_id, user_id, if_version)
            draft = {name: changes.get(name, getattr(former, name)) for name in _CHANGEABLE}
            values = _checked(draft)
            if former.role == "owner" and values["role"] != "owner" and not may_leave_no_owner:
                await _check_other_owner(connection, mandate_id, user_id)
            version = await connection.fetchval(_CHANGE, mandate_id, user_id, *values.values())
            await note_change(connection, mandate_id)
    except asyncpg.UniqueViolationError as error:
        raise _taken(error) from error
    return replace(former, **values, version=version)


async def erase_user(
    database: Database,
    mandate_id: UUID,
    user_id: UUID,
    *,
    may_leave_no_owner: bool = False,
    if_version: int | None = None,
) -> None:
    """Ends the keys and takes away everything personal; the id stays. The wallet's rest is `departure`'s affair.

    Raises a 404, 409 (the last owner) or 412 `Problem`.
    """
    async with database.as_mandate(mandate_id) as connection:
        former = await _locked(connection, mandate_id, user_id, if_version)
        if former.role == "owner" and not may_leave_no_owner:
            await _check_other_owner(connection, mandate_id, user_id)
        await connection.execute(_ERASE, mandate_id, user_id)
        await connection.execute(_END_KEYS, mandate_id, user_id)
        await note_change(connection, mandate_id)


_CHANGEABLE: Final = ("email", "display_name", "role", "language", "time_zone", "external_id")


async def _locked(connection: Connection, mandate_id: UUID, user_id: UUID, if_version: int | None) -> User:
    row = await connection.fetchrow(_LOCK, mandate_id, user_id)
    if row is None:
        raise not_found("user")
    if if_version is not None and row["version"] != if_version:
        raise changed_meanwhile()
    return User(**dict(row))


async def _check_other_owner(connection: Connection, mandate_id: UUID, user_id: UUID) -> None:
    owners = {row["user_id"] for row in await connection.fetch(_OTHER_OWNERS, mandate_id)}
    if owners == {user_id}:
        raise Problem(
            409, "last_owner", "A mandate needs an owner", "This is the last owner: make somebody else owner first."
        )


def _checked(draft: Mapping[str, Any]) -> dict[str, Any]:
    """The values as they are stored, in the order of the statements. Raises a 422 `Problem`."""
    values = dict(draft)
    if values["email"] is not None:
        values["email"] = checked_email(values["email"], "email")
    values["display_name"] = checked_name(values["display_name"] or "", "displayName")
    if values["role"] not in ROLES:
        raise invalid_field("role", f"must be one of {', '.join(ROLES)}")
    if values["language"] is not None:
        check_language(values["language"])
    if values["time_zone"] is not None:
        check_time_zone(values["time_zone"])
    if values["external_id"] is not None and not is_external_id(values["external_id"]):
        raise invalid_field("externalId", f"must have 1 to {LONGEST_EXTERNAL_ID} visible characters")
    return values


def _taken(error: asyncpg.UniqueViolationError) -> Problem:
    name = str(error.as_dict().get("constraint_name"))
    if name not in _TAKEN:
        raise error
    field, meaning = _TAKEN[name]
    return Problem(409, "already_exists", "Already there", f"Another user of this mandate has this {meaning}.", field)
