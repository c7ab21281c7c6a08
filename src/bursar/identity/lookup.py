"""Looking callers up: one query each, so that what is read and the revision it belongs to are of one snapshot."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final, NamedTuple, Protocol
from uuid import UUID

from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import new_id
from bursar.identity.principal import NO_RATES, Caller, MandateFacts, Person, Rates

LONGEST_EXTERNAL_ID: Final = 255

_BY_KEY: Final = "SELECT * FROM find_key($1, $2)"
"""Sets the mandate for its own statement and reads as `bursar_app` does: one round trip, behind the same walls."""

_BY_MANDATE: Final = """
    SELECT r.revision,
           m.mandate_id, m.name, m.currency, m.status, m.language, m.time_zone,
           s.billing_model, s.credit_limit_nanos, s.markup_percent, s.allowed_models, s.client_gone,
           s.users_on_first_sight, s.notify_emails, s.language AS notify_language, s.notify_wallet_exhausted,
           s.max_calls_per_minute, s.max_concurrent_calls, s.max_held_nanos
      FROM mandate m
      JOIN billing_settings s ON s.mandate_id = m.mandate_id
      JOIN identity_revision r ON r.mandate_id = m.mandate_id
     WHERE m.mandate_id = $1"""

# Our own id wins over an application's id that looks the same.
_PERSON: Final = """
    SELECT r.revision, u.user_id, u.role, u.language AS user_language, u.display_name, u.email, u.external_id,
           u.deleted_at IS NOT NULL AS has_left
      FROM identity_revision r
      LEFT JOIN app_user u ON u.mandate_id = r.mandate_id
       AND (u.user_id = $3 OR (u.external_id = $2 AND u.deleted_at IS NULL))
     WHERE r.mandate_id = $1
     ORDER BY u.user_id = $3 DESC NULLS LAST
     LIMIT 1"""

_ON_FIRST_SIGHT: Final = """
    INSERT INTO app_user (mandate_id, user_id, display_name, role, external_id)
    SELECT s.mandate_id, $2, $3, 'member', $3
      FROM billing_settings s JOIN mandate m ON m.mandate_id = s.mandate_id
     WHERE s.mandate_id = $1 AND s.users_on_first_sight AND m.status = 'active'
        ON CONFLICT DO NOTHING"""

REVISIONS: Final = "SELECT mandate_id, revision FROM identity_revision WHERE mandate_id = ANY($1::uuid[])"


class Found(Protocol):
    """Whatever was looked up: what a cache needs to know of it."""

    @property
    def revision(self) -> int: ...
    @property
    def facts(self) -> MandateFacts | None: ...


class FoundKey(NamedTuple):
    revision: int
    facts: MandateFacts
    caller: Caller
    expires_at: datetime | None


class FoundMandate(NamedTuple):
    revision: int
    facts: MandateFacts


class FoundPerson(NamedTuple):
    revision: int
    facts: None
    person: Person | None


async def find_key(database: Database, mandate_id: UUID, secret_hash: bytes) -> FoundKey | None:
    """Whose key this is; `None` if it is unknown, revoked, expired, or its user has left."""
    row = await database.app_pool.fetchrow(_BY_KEY, mandate_id, secret_hash)
    if row is None:
        return None
    person = _person(row) if row["user_id"] is not None else None
    facts = _facts(row)
    models = row["key_models"]
    caller = Caller(
        row["kind"],
        facts,
        row["key_id"],
        row["key_name"],
        person,
        allowed_models=None if models is None else tuple(models),
        read_only_billing=row["read_only_billing"],
        rates=_rates(row["key_calls_per_minute"], row["key_concurrent_calls"], row["key_held_nanos"]),
    )
    return FoundKey(row["revision"], facts, caller, row["expires_at"])


async def find_mandate(connection: Connection, mandate_id: UUID) -> FoundMandate | None:
    row = await connection.fetchrow(_BY_MANDATE, mandate_id)
    return None if row is None else FoundMandate(row["revision"], _facts(row))


async def find_person(connection: Connection, mandate_id: UUID, name: str, *, create: bool) -> FoundPerson | None:
    """The user whom `name` means: our user id, or the application's own id. `None` only without such a mandate.

    `name` is a possible external id. With `create`, one that was never seen becomes a member, if the mandate allows it.
    That changes nothing that a cache could hold, so the revision stays.
    """
    user_id = as_uuid(name)
    row = await connection.fetchrow(_PERSON, mandate_id, name, user_id)
    if row is not None and row["user_id"] is None and create:
        await connection.execute(_ON_FIRST_SIGHT, mandate_id, new_id(), name)
        row = await connection.fetchrow(_PERSON, mandate_id, name, user_id)
    if row is None:
        return None
    known = row["user_id"] is not None and not row["has_left"]
    return FoundPerson(row["revision"], None, _person(row) if known else None)


def is_external_id(text: str) -> bool:
    """Whether an application may call a user so."""
    return 1 <= len(text) <= LONGEST_EXTERNAL_ID and text.isprintable() and text == text.strip()


def as_uuid(text: str) -> UUID | None:
    """The UUID that `text` writes in the usual form (36 characters), if it does."""
    if len(text) != 36:
        return None
    try:
        return UUID(text)
    except ValueError:
        return None


def _facts(row: Any) -> MandateFacts:
    models = row["allowed_models"]
    return MandateFacts(
        mandate_id=row["mandate_id"],
        name=row["name"],
        currency=row["currency"],
        status=row["status"],
        language=row["language"],
        time_zone=row["time_zone"],
        billing_model=row["billing_model"],
        credit_limit_nanos=row["credit_limit_nanos"],
        markup_percent=row["markup_percent"],
        allowed_models=None if models is None else tuple(models),
        client_gone=row["client_gone"],
        users_on_first_sight=row["users_on_first_sight"],
        notify_emails=tuple(row["notify_emails"]),
        notify_language=row["notify_language"],
        notify_wallet_exhausted=row["notify_wallet_exhausted"],
        rates=_rates(row["max_calls_per_minute"], row["max_concurrent_calls"], row["max_held_nanos"]),
    )


def _rates(calls_per_minute: int | None, concurrent_calls: int | None, held_nanos: int | None) -> Rates:
    rates = Rates(calls_per_minute, concurrent_calls, held_nanos)
    return NO_RATES if rates == NO_RATES else rates


def _person(row: Any) -> Person:
    return Person(
        user_id=row["user_id"],
        role=row["role"],
        language=row["user_language"],
        display_name=row["display_name"],
        email=row["email"],
        external_id=row["external_id"],
    )
