"""Keys of a mandate: made, listed by how they begin, revoked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Final, Literal
from uuid import UUID

import asyncpg

from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import new_id
from bursar.foundation.problems import Problem, invalid_field
from bursar.identity.access import not_found
from bursar.identity.keys import make_key
from bursar.identity.mandates import changed_meanwhile, checked_name
from bursar.identity.model_names import checked_models
from bursar.identity.pages import Page, cursor_parts, page_of
from bursar.identity.principal import NO_RATES, Rates
from bursar.identity.revision import note_change

KeyKind = Literal["user", "service", "admin"]

_COLUMNS: Final = """
    key_id, kind, user_id, name, prefix, created_by, created_at, expires_at, revoked_at, last_used_at,
    allowed_models, read_only_billing, former_prefix, former_until, max_calls_per_minute, max_concurrent_calls,
    max_held_nanos, version"""

_OWN: Final = "mandate_id = $1 AND key_id = $2 AND ($3::uuid IS NULL OR (kind = 'user' AND user_id = $3))"
"""A key, for whoever may reach all of them ($3 is null), or for a user whose own it is."""

_INSERT: Final = f"""
    INSERT INTO api_key (mandate_id, key_id, secret_hash, prefix, kind, user_id, name, created_by, expires_at,
                         allowed_models, read_only_billing, max_calls_per_minute, max_concurrent_calls, max_held_nanos)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    RETURNING {_COLUMNS}"""  # noqa: S608 -- columns from above, here and below

_USER_IS_HERE: Final = """
    SELECT true FROM app_user WHERE mandate_id = $1 AND user_id = $2 AND deleted_at IS NULL FOR SHARE"""

_PAGE: Final = f"""
    SELECT {_COLUMNS} FROM api_key
     WHERE mandate_id = $1 AND ($2::uuid IS NULL OR (kind = 'user' AND user_id = $2))
       AND ($3::timestamptz IS NULL OR (created_at, key_id) < ($3, $4))
     ORDER BY created_at DESC, key_id DESC
     LIMIT $5"""  # noqa: S608

_GET: Final = f"SELECT {_COLUMNS} FROM api_key WHERE {_OWN}"  # noqa: S608
_LOCK: Final = f"{_GET} FOR UPDATE"

_CHANGE: Final = f"""
    UPDATE api_key
       SET name = $3, expires_at = $4, allowed_models = $5, read_only_billing = $6, max_calls_per_minute = $7,
           max_concurrent_calls = $8, max_held_nanos = $9, version = version + 1
     WHERE mandate_id = $1 AND key_id = $2
    RETURNING {_COLUMNS}"""  # noqa: S608

_REVOKE: Final = """
    UPDATE api_key SET revoked_at = now(), version = version + 1
     WHERE mandate_id = $1 AND key_id = $2 AND revoked_at IS NULL"""

_ROTATE: Final = f"""
    UPDATE api_key
       SET former_hash = secret_hash, former_prefix = prefix, former_until = now() + $5 * interval '1 second',
           secret_hash = $3, prefix = $4, version = version + 1
     WHERE mandate_id = $1 AND key_id = $2
    RETURNING {_COLUMNS}"""  # noqa: S608

CHANGEABLE: Final = ("name", "expires_at", "allowed_models", "read_only_billing", "max_calls_per_minute",
                     "max_concurrent_calls", "max_held_nanos")  # fmt: skip
"""What a key can be given afterwards; whose it is, and of which kind, it stays."""


@dataclass(frozen=True, slots=True)
class ApiKey:
    key_id: UUID
    kind: KeyKind
    user_id: UUID | None
    name: str
    prefix: str
    created_by: str
    created_at: datetime
    expires_at: datetime | None
    revoked_at: datetime | None
    last_used_at: datetime | None
    allowed_models: list[str] | None
    """Names and globs that the key is narrowed to; `None` does not narrow."""
    read_only_billing: bool
    former_prefix: str | None
    """How the secret began that the last rotation has replaced, and until when it is good."""
    former_until: datetime | None
    max_calls_per_minute: int | None
    max_concurrent_calls: int | None
    max_held_nanos: int | None
    version: int

    @property
    def has_ended(self) -> bool:
        return self.revoked_at is not None or (self.expires_at is not None and self.expires_at <= datetime.now(UTC))


async def create_key(
    database: Database,
    mandate_id: UUID,
    *,
    kind: KeyKind,
    name: str,
    created_by: str,
    user_id: UUID | None = None,
    expires_at: datetime | None = None,
    allowed_models: Sequence[str] | None = None,
    read_only_billing: bool = False,
    rates: Rates = NO_RATES,
) -> tuple[ApiKey, str]:
    """A new key and its text, which nobody can read again.

    A user key belongs to a user; an admin key may, and then has that user's role. Raises a 404 or 422 `Problem`.
    """
    name = checked_name(name)
    if kind == "user" and user_id is None:
        raise invalid_field("userId", "is required for a user key: whose it is")
    if kind == "service" and user_id is not None:
        raise invalid_field("userId", "a service key belongs to nobody; it names users by x-bursar-user")
    if expires_at is not None:
        _check_expiry(expires_at)
    models = _checked_narrowing(kind, allowed_models, read_only_billing, rates)
    key = make_key(mandate_id)
    try:
        async with database.as_mandate(mandate_id) as connection:
            if user_id is not None:
                await _check_user(connection, mandate_id, user_id)
            row = await connection.fetchrow(
                _INSERT,
                mandate_id,
                new_id(),
                key.secret_hash,
                key.prefix,
                kind,
                user_id,
                name,
                created_by,
                expires_at,
                models,
                read_only_billing,
                rates.calls_per_minute,
                rates.concurrent_calls,
                rates.held_nanos,
            )
            await note_change(connection, mandate_id)
    except asyncpg.ForeignKeyViolationError as error:
        raise not_found() from error
    assert row is not None
    return ApiKey(**dict(row)), key.text


async def list_keys(
    database: Database,
    mandate_id: UUID,
    *,
    of_user: UUID | None = None,
    cursor: str | None = None,
    limit: int = 100,
) -> Page[ApiKey]:
    """Newest first, those that ended included. `of_user` sees that user's own user keys only."""
    created_at, key_id = cursor_parts(cursor)
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_PAGE, mandate_id, of_user, created_at, key_id, limit + 1)
    return page_of([ApiKey(**dict(row)) for row in rows], limit, lambda each: (each.created_at, each.key_id))


async def get_key(database: Database, mandate_id: UUID, key_id: UUID, *, of_user: UUID | None = None) -> ApiKey:
    """Raises a 404 `Problem`."""
    async with database.as_mandate(mandate_id) as connection:
        return await _read(connection, _GET, mandate_id, key_id, of_user)


async def change_key(
    database: Database,
    mandate_id: UUID,
    key_id: UUID,
    changes: Mapping[str, Any],
    *,
    of_user: UUID | None = None,
    if_version: int | None = None,
) -> ApiKey:
    """Changes what is given (names as in `CHANGEABLE`); on all workers within a second.

    Raises a 404, 409 (a key that has ended), 412 or 422 `Problem`.
    """
    async with database.as_mandate(mandate_id) as connection:
        former = await _locked(connection, mandate_id, key_id, of_user, if_version)
        draft = {name: changes.get(name, getattr(former, name)) for name in CHANGEABLE}
        draft["name"] = checked_name(draft["name"])
        if changes.get("expires_at") is not None:
            _check_expiry(draft["expires_at"])
        rates = Rates(draft["max_calls_per_minute"], draft["max_concurrent_calls"], draft["max_held_nanos"])
        draft["allowed_models"] = _checked_narrowing(
            former.kind, draft["allowed_models"], draft["read_only_billing"], rates
        )
        row = await connection.fetchrow(_CHANGE, mandate_id, key_id, *draft.values())
        await note_change(connection, mandate_id)
    assert row is not None
    return ApiKey(**dict(row))


async def revoke_key(
    database: Database, mandate_id: UUID, key_id: UUID, *, of_user: UUID | None = None, if_version: int | None = None
) -> None:
    """Ends a key on all workers within a second; again changes nothing. Raises a 404 or 412 `Problem`."""
    async with database.as_mandate(mandate_id) as connection:
        former = await _read(connection, _LOCK, mandate_id, key_id, of_user)
        if if_version not in (None, former.version):
            raise changed_meanwhile()
        await connection.execute(_REVOKE, mandate_id, key_id)
        await note_change(connection, mandate_id)


async def rotate_key(
    database: Database,
    mandate_id: UUID,
    key_id: UUID,
    *,
    overlap_seconds: int,
    of_user: UUID | None = None,
    if_version: int | None = None,
) -> tuple[ApiKey, str]:
    """A new secret for a key; the one before it is good for `overlap_seconds` more, the one before that for nothing.

    The key stays itself, with its id, caps and usage. Raises a 404, 412, or for a key that has ended a 409 `Problem`.
    """
    new = make_key(mandate_id)
    async with database.as_mandate(mandate_id) as connection:
        await _locked(connection, mandate_id, key_id, of_user, if_version)
        row = await connection.fetchrow(_ROTATE, mandate_id, key_id, new.secret_hash, new.prefix, overlap_seconds)
        await note_change(connection, mandate_id)
    assert row is not None
    return ApiKey(**dict(row)), new.text


async def _read(connection: Connection, statement: str, mandate_id: UUID, key_id: UUID, of_user: UUID | None) -> ApiKey:
    row = await connection.fetchrow(statement, mandate_id, key_id, of_user)
    if row is None:
        raise not_found("key")
    return ApiKey(**dict(row))


async def _locked(
    connection: Connection, mandate_id: UUID, key_id: UUID, of_user: UUID | None, if_version: int | None
) -> ApiKey:
    """A key that is about to be changed. Raises a 404, 409 or 412 `Problem`."""
    found = await _read(connection, _LOCK, mandate_id, key_id, of_user)
    if if_version not in (None, found.version):
        raise changed_meanwhile()
    if found.has_ended:
        raise Problem(409, "key_ended", "The key has ended", "It was revoked or has expired: make a new one.")
    return found


async def _check_user(connection: Connection, mandate_id: UUID, user_id: UUID) -> None:
    if await connection.fetchval(_USER_IS_HERE, mandate_id, user_id) is None:
        raise not_found("user", "userId")


def _checked_narrowing(
    kind: KeyKind, models: Sequence[str] | None, read_only_billing: bool, rates: Rates
) -> tuple[str, ...] | None:
    """The models that a key is narrowed to, if to any. Raises a 422 `Problem` for what its kind is not narrowed by."""
    if kind != "admin" and read_only_billing:
        raise invalid_field("readOnlyBilling", "is for admin keys: no other key reaches the management API")
    if kind == "admin" and models is not None:
        raise invalid_field("allowedModels", "an admin key makes no AI calls, so it has no models")
    if kind == "admin" and rates != NO_RATES:
        given = ("maxCallsPerMinute", "maxConcurrentCalls", "maxHeld")
        values = (rates.calls_per_minute, rates.concurrent_calls, rates.held_nanos)
        field = next(name for name, value in zip(given, values, strict=True) if value is not None)
        raise invalid_field(field, "an admin key makes no AI calls, so it has no rates")
    return None if models is None else checked_models(models)


def _check_expiry(expires_at: datetime) -> None:
    if expires_at.tzinfo is None:
        raise invalid_field("expiresAt", "must have an offset from UTC, such as 2027-01-31T00:00:00Z")
    if expires_at <= datetime.now(UTC):
        raise invalid_field("expiresAt", "must be in the future")
