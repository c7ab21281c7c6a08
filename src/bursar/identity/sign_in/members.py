"""Identities, and the users they are in each mandate. Everything here runs in a transaction across mandates."""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import dataclass
from typing import Final, Literal
from uuid import UUID

from bursar.foundation.database import Connection
from bursar.foundation.ids import new_id
from bursar.foundation.origin import SETTING, TELL_ORIGIN, acting_as, origin_text
from bursar.identity import audit
from bursar.identity.principal import Person, Role

MAILBOX_ISSUER: Final = "urn:bursar:mailbox"
CONSOLE_ISSUER: Final = "urn:bursar:console"
CONSOLE_SUBJECT: Final = "operator"

_SEEN: Final = """
    INSERT INTO identity (identity_id, issuer, subject, display_name) VALUES ($1, $2, $3, $4)
        ON CONFLICT (issuer, subject) DO UPDATE
       SET display_name = coalesce(EXCLUDED.display_name, identity.display_name), seen_at = now()
    RETURNING identity_id"""

# A provider's address makes somebody only a user whom no provider's identity stands for yet.
_LINK_BY_EMAIL: Final = """
    INSERT INTO membership (mandate_id, user_id, identity_id, linked_by)
    SELECT u.mandate_id, u.user_id, $1, $3
      FROM app_user u
     WHERE lower(u.email) = lower($2) AND u.deleted_at IS NULL
       AND ($3 = 'mailbox' OR NOT EXISTS (
           SELECT FROM membership m JOIN identity i USING (identity_id)
            WHERE m.mandate_id = u.mandate_id AND m.user_id = u.user_id AND i.issuer <> $4))
        ON CONFLICT DO NOTHING"""

_STANDING: Final = """
    SELECT m.mandate_id, m.name, m.status, m.currency, m.time_zone, m.language AS mandate_language,
           u.user_id, u.role, u.language, u.display_name, u.email
      FROM membership s
      JOIN mandate m ON m.mandate_id = s.mandate_id
      JOIN app_user u ON u.mandate_id = s.mandate_id AND u.user_id = s.user_id
     WHERE s.identity_id = $1 AND u.deleted_at IS NULL
     ORDER BY lower(m.name), m.mandate_id"""

_PERSON_IN: Final = """
    SELECT u.user_id, u.role, u.language, u.display_name, u.email, u.external_id
      FROM membership s JOIN app_user u ON u.mandate_id = s.mandate_id AND u.user_id = s.user_id
     WHERE s.mandate_id = $1 AND s.identity_id = $2 AND u.deleted_at IS NULL"""

_OPERATES: Final = "SELECT EXISTS (SELECT FROM platform_operator WHERE identity_id = $1)"
_ANY_OPERATOR: Final = "SELECT EXISTS (SELECT FROM platform_operator)"
_MAKE_OPERATOR: Final = """
    INSERT INTO platform_operator (identity_id, granted_by) VALUES ($1, $2) ON CONFLICT DO NOTHING
    RETURNING identity_id"""
_END_OPERATORS: Final = """
    DELETE FROM platform_operator o USING identity i
     WHERE i.identity_id = o.identity_id AND o.granted_by = 'settings' AND i.subject <> ALL ($1::text[])
    RETURNING o.identity_id"""
_HAS_ADDRESS: Final = """
    SELECT coalesce(u.language, m.language) FROM app_user u JOIN mandate m USING (mandate_id)
     WHERE lower(u.email) = lower($1) AND u.deleted_at IS NULL
     ORDER BY u.created_at, u.user_id LIMIT 1"""


@dataclass(frozen=True, slots=True)
class Membership:
    """What an identity is in one mandate."""

    mandate_id: UUID
    name: str
    status: str
    currency: str
    time_zone: str
    mandate_language: str
    user_id: UUID
    role: Role
    language: str | None
    display_name: str
    email: str | None


def mailbox_subject(address: str) -> str:
    """What stands for a mailbox: nothing that can be read, so that nothing has to be erased."""
    return hashlib.sha256(address.strip().lower().encode()).hexdigest()


async def seen_identity(connection: Connection, issuer: str, subject: str, display_name: str | None) -> UUID:
    """The identity, new or known; its row stays locked until the transaction ends, whose changes are its doing."""
    found: UUID = await connection.fetchval(_SEEN, new_id(), issuer, subject, display_name)
    acting_as(f"identity:{found}")
    await connection.execute(TELL_ORIGIN, SETTING, origin_text())
    return found


async def link_by_email(connection: Connection, identity_id: UUID, email: str, *, linked_by: str) -> None:
    """Makes the identity every user who has this address and is nobody else's; who calls knows it to be proven."""
    await connection.execute(_LINK_BY_EMAIL, identity_id, email, linked_by, MAILBOX_ISSUER)


async def make_operator(
    connection: Connection, identity_id: UUID, *, granted_by: Literal["link", "settings", "operator"]
) -> bool:
    """Whether the identity was none before."""
    if await connection.fetchval(_MAKE_OPERATOR, identity_id, granted_by) is None:
        return False
    said = {"granted_by": granted_by}
    await audit.note(connection, audit.INSTALLATION, "operator.added", str(identity_id), after=said)
    return True


async def end_operators_beside(connection: Connection, subjects: Collection[str]) -> None:
    """Who was an operator by the settings is none any more once the settings do not say so."""
    said = {"granted_by": "settings"}
    for row in await connection.fetch(_END_OPERATORS, list(subjects)):
        await audit.note(connection, audit.INSTALLATION, "operator.removed", str(row["identity_id"]), before=said)


async def operates(connection: Connection, identity_id: UUID) -> bool:
    return bool(await connection.fetchval(_OPERATES, identity_id))


async def has_operator(connection: Connection) -> bool:
    return bool(await connection.fetchval(_ANY_OPERATOR))


async def memberships(connection: Connection, identity_id: UUID) -> list[Membership]:
    return [Membership(**dict(row)) for row in await connection.fetch(_STANDING, identity_id)]


async def person_in(connection: Connection, mandate_id: UUID, identity_id: UUID) -> Person | None:
    row = await connection.fetchrow(_PERSON_IN, mandate_id, identity_id)
    return None if row is None else Person(**dict(row))


async def language_of_address(connection: Connection, email: str) -> str | None:
    """The language to write to an address in; `None` where no user has it."""
    found: str | None = await connection.fetchval(_HAS_ADDRESS, email)
    return found
