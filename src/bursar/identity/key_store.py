"""Keys of a mandate: made, listed by how they begin, revoked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Final, Literal
from uuid import UUID

import asyncpg

from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import new_id
from bursar.foundation.problems import Problem, invalid_field
from bursar.identity.access import not_found
from bursar.identity.keys import make_key
from bursar.identity.mandates import checked_name
from bursar.identity.pages import Page, cursor_parts, make_cursor
from bursar.identity.principal import NO_RATES, Rates
from bursar.identity.revision import note_change

KeyKind = Literal["user", "service", "admin"]

_INSERT: Final = """
    INSERT INTO api_key (mandate_id, key_id, secret_hash, prefix, kind, user_id, name, created_by, expires_at,
                         allowed_models, read_only_billing, max_calls_per_minute, max_concurrent_calls, max_held_nanos)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
    RETURNING key_id, kind, user_id, name, prefix, created_by, created_at, expires_at, revoked_at, last_used_at,
              allowed_models, read_only_billing, former_prefix, former_until,
           max_calls_per_minute, max_concurrent_calls, max_held_nanos"""

_USER_IS_HERE: Final = """
    SELECT true FROM app_user WHERE mandate_id = $1 AND user_id = $2 AND deleted_at IS NULL FOR SHARE"""

_PAGE: Final = """
    SELECT key_id, kind, user_id, name, prefix, created_by, created_at, expires_at, revoked_at, last_used_at,
           allowed_models, read_only_billing, former_prefix, former_until,
           max_calls_per_minute, max_concurrent_calls, max_held_nanos
      FROM api_key
     WHERE mandate_id = $1 AND ($2::uuid IS NULL OR (kind = 'user' AND user_id = $2))
       AND ($3::timestamptz IS NULL OR (created_at, key_id) < ($3, $4))
     ORDER BY created_at DESC, key_id DESC
     LIMIT $5"""

_REVOKE: Final = """
    UPDATE api_key SET revoked_at = coalesce(revoked_at, now())
     WHERE mandate_id = $1 AND key_id = $2 AND ($3::uuid IS NULL OR (kind = 'user' AND user_id = $3))"""

_ROTATE: Final = """
    UPDATE api_key
       SET former_hash = secret_hash, former_prefix = prefix, former_until = now() + $6 * interval '1 second',
           secret_hash = $4, prefix = $5
     WHERE mandate_id = $1 AND key_id = $2 AND ($3::uuid IS NULL OR (kind = 'user' AND user_id = $3))
       AND revoked_at IS NULL AND (expires_at IS NULL OR expires_at > now())
    RETURNING key_id, kind, user_id, name, prefix, created_by, created_at, expires_at, revoked_at, last_used_at,
              allowed_models, read_only_billing, former_prefix, former_until,
           max_calls_per_minute, max_concurrent_calls, max_held_nanos"""

_IS_THERE: Final = """
    SELECT true FROM api_key
     WHERE mandate_id = $1 AND key_id = $2 AND ($3::uuid IS NULL OR (kind = 'user' AND user_id = $3))"""

MOST_MODELS: Final = 1000
LONGEST_MODEL: Final = 200


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
    if allowed_models is not None and kind == "admin":
        raise invalid_field("allowedModels", "an admin key makes no AI calls, so it has no models")
    if read_only_billing and kind != "admin":
        raise invalid_field("readOnlyBilling", "is for admin keys: no other key reaches the management API")
    if kind == "admin" and rates != NO_RATES:
        raise invalid_field("maxCallsPerMinute", "an admin key makes no AI calls, so it has no rates")
    models = None if allowed_models is None else _checked_models(allowed_models)
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
    keys = [ApiKey(**dict(row)) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(keys, make_cursor(keys[-1].created_at, keys[-1].key_id) if more else None)


async def revoke_key(database: Database, mandate_id: UUID, key_id: UUID, *, of_user: UUID | None = None) -> None:
    """Ends a key on all workers within a second; again changes nothing. Raises a 404 `Problem`."""
    async with database.as_mandate(mandate_id) as connection:
        if await connection.execute(_REVOKE, mandate_id, key_id, of_user) != "UPDATE 1":
            raise not_found("key")
        await note_change(connection, mandate_id)


async def rotate_key(
    database: Database, mandate_id: UUID, key_id: UUID, *, overlap_seconds: int, of_user: UUID | None = None
) -> tuple[ApiKey, str]:
    """A new secret for a key; the one before it is good for `overlap_seconds` more, the one before that for nothing.

    The key stays itself, with its id, caps and usage. Raises a 404, or for a key that has ended a 409 `Problem`.
    """
    new = make_key(mandate_id)
    async with database.as_mandate(mandate_id) as connection:
        row = await connection.fetchrow(
            _ROTATE, mandate_id, key_id, of_user, new.secret_hash, new.prefix, overlap_seconds
        )
        if row is None:
            if await connection.fetchval(_IS_THERE, mandate_id, key_id, of_user) is None:
                raise not_found("key")
            raise Problem(409, "key_ended", "The key has ended", "It was revoked or has expired: make a new one.")
        await note_change(connection, mandate_id)
    return ApiKey(**dict(row)), new.text


async def _check_user(connection: Connection, mandate_id: UUID, user_id: UUID) -> None:
    if await connection.fetchval(_USER_IS_HERE, mandate_id, user_id) is None:
        raise not_found("user")


def _check_expiry(expires_at: datetime) -> None:
    if expires_at.tzinfo is None:
        raise invalid_field("expiresAt", "must have an offset from UTC, such as 2027-01-31T00:00:00Z")
    if expires_at <= datetime.now(UTC):
        raise invalid_field("expiresAt", "must be in the future")


def _checked_models(models: Sequence[str]) -> list[str]:
    """Names and globs, distinct. An empty list is a key that may use none."""
    found = list(dict.fromkeys(model.strip() for model in models))
    if any(not 1 <= len(model) <= LONGEST_MODEL or not model.isprintable() for model in found):
        raise invalid_field("allowedModels", f"must hold names or globs of models, of 1 to {LONGEST_MODEL} characters")
    if len(found) > MOST_MODELS:
        raise invalid_field("allowedModels", f"must not have more than {MOST_MODELS} entries")
    return found
