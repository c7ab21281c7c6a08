"""Invitations: a link in a mail makes whoever uses it a user of the mandate, by signing in."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, Final
from uuid import UUID

import asyncpg

from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import new_id
from bursar.foundation.problems import Problem
from bursar.foundation.secrets import Secrets
from bursar.identity.access import not_found
from bursar.identity.email_address import checked_email
from bursar.identity.pages import Page, cursor_parts, page_of
from bursar.identity.principal import MandateFacts, Role
from bursar.identity.revision import note_change
from bursar.identity.sign_in.mails import queue_mail, withdraw_mail
from bursar.identity.sign_in.tokens import hash_of, new_invitation

LIFETIME: Final = timedelta(days=7)

_COLUMNS: Final = "invitation_id, email, role, language, user_id, created_by, created_at, expires_at, accepted_at"

_USER: Final = """
    SELECT u.user_id, u.role, EXISTS (
               SELECT FROM membership m WHERE m.mandate_id = u.mandate_id AND m.user_id = u.user_id) AS is_linked
      FROM app_user u WHERE u.mandate_id = $1 AND lower(u.email) = lower($2) AND u.deleted_at IS NULL"""

# A newer invitation takes the place of those before it.
_SUPERSEDE: Final = """
    UPDATE invitation SET revoked_at = now()
     WHERE mandate_id = $1 AND lower(email) = lower($2) AND accepted_at IS NULL AND revoked_at IS NULL
    RETURNING invitation_id"""

_NEW: Final = f"""
    INSERT INTO invitation (mandate_id, invitation_id, token_hash, email, role, language, created_by, expires_at)
    VALUES ($1, $2, $3, $4, $5, $6, $7, now() + $8::interval)
    RETURNING {_COLUMNS}"""  # noqa: S608 -- columns from above

_PAGE: Final = f"""
    SELECT {_COLUMNS} FROM invitation
     WHERE mandate_id = $1 AND revoked_at IS NULL AND accepted_at IS NULL
       AND ($2::timestamptz IS NULL OR (created_at, invitation_id) > ($2, $3))
     ORDER BY created_at, invitation_id LIMIT $4"""  # noqa: S608

_REVOKE: Final = """
    UPDATE invitation SET revoked_at = now(), email = NULL
     WHERE mandate_id = $1 AND invitation_id = $2 AND accepted_at IS NULL AND revoked_at IS NULL
    RETURNING invitation_id"""

_PEEK: Final = """
    SELECT i.email, i.role, i.language, m.name, m.language AS mandate_language
      FROM invitation i JOIN mandate m USING (mandate_id)
     WHERE i.mandate_id = $1 AND i.token_hash = $2 AND i.accepted_at IS NULL AND i.revoked_at IS NULL
       AND i.expires_at > now() AND m.status = 'active'"""

_ACCEPT: Final = """
    UPDATE invitation i SET accepted_at = now() FROM mandate m
     WHERE i.mandate_id = $1 AND i.token_hash = $2 AND i.accepted_at IS NULL AND i.revoked_at IS NULL
       AND i.expires_at > now() AND m.mandate_id = i.mandate_id AND m.status = 'active'
    RETURNING i.invitation_id, i.email, i.role, i.language"""

_ACCEPTED_AS: Final = "UPDATE invitation SET user_id = $3 WHERE mandate_id = $1 AND invitation_id = $2"
_ALREADY: Final = "SELECT user_id FROM membership WHERE mandate_id = $1 AND identity_id = $2"
_NEW_USER: Final = """
    INSERT INTO app_user (mandate_id, user_id, email, display_name, role, language)
    VALUES ($1, $2, $3, $4, $5, $6)"""
_LINK: Final = """
    INSERT INTO membership (mandate_id, user_id, identity_id, linked_by) VALUES ($1, $2, $3, 'invitation')"""


class NotAcceptable(Exception):
    """An invitation that leads nowhere: `code` is a text of the pages."""

    def __init__(self, code: str) -> None:
        super().__init__(code)
        self.code = code


@dataclass(frozen=True, slots=True)
class Invitation:
    invitation_id: UUID
    email: str | None
    role: Role
    language: str | None
    user_id: UUID | None
    created_by: str
    created_at: datetime
    expires_at: datetime
    accepted_at: datetime | None


@dataclass(frozen=True, slots=True)
class Invited:
    """What an invitation offers, for the page that asks whether to accept it."""

    email: str
    role: Role
    language: str
    mandate_name: str


async def invite(
    database: Database,
    secrets: Secrets,
    mandate: MandateFacts,
    *,
    email: str,
    role: Role,
    language: str | None,
    created_by: str,
    public_url: str,
) -> Invitation:
    """Invites an address, by a mail. The link is in the mail only: it proves the mailbox, so nobody else may see it.

    Raises a 409 (a user has this address, and another role, or signs in already) or 422 `Problem`.
    """
    address = checked_email(email, "email")
    text = new_invitation(mandate.mandate_id)
    invitation_id = new_id()
    async with database.as_operator() as connection:
        user = await connection.fetchrow(_USER, mandate.mandate_id, address)
        if user is not None and (user["is_linked"] or user["role"] != role):
            raise _is_there(user)
        for former in await connection.fetch(_SUPERSEDE, mandate.mandate_id, address):
            await withdraw_mail(connection, former["invitation_id"])
        row = await connection.fetchrow(
            _NEW, mandate.mandate_id, invitation_id, hash_of(text), address, role, language, created_by, LIFETIME
        )
        await queue_mail(
            connection,
            secrets,
            "invitation",
            recipient=address,
            language=language or mandate.language,
            values={"mandate": mandate.name, "role": role, "url": f"{public_url}/auth/link?token={text}"},
            expires_in=LIFETIME,
            about_id=invitation_id,
        )
    assert row is not None
    return Invitation(**dict(row))


def _is_there(user: Any) -> Problem:
    if user["is_linked"]:
        detail = "A user of this mandate has this address and signs in already."
    else:
        detail = f"A user of this mandate has this address and is {user['role']}: invite as that, or change the user."
    return Problem(409, "already_exists", "Already there", detail, "email" if user["is_linked"] else "role")


async def list_invitations(database: Database, mandate_id: UUID, *, cursor: str | None, limit: int) -> Page[Invitation]:
    """Those that are neither accepted nor revoked, oldest first."""
    created_at, invitation_id = cursor_parts(cursor)
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_PAGE, mandate_id, created_at, invitation_id, limit + 1)
    return page_of([Invitation(**dict(row)) for row in rows], limit, lambda each: (each.created_at, each.invitation_id))


async def revoke_invitation(database: Database, mandate_id: UUID, invitation_id: UUID) -> None:
    """Raises a 404 `Problem`."""
    async with database.as_operator() as connection:
        if await connection.fetchval(_REVOKE, mandate_id, invitation_id) is None:
            raise not_found("invitation")
        await withdraw_mail(connection, invitation_id)


async def peek_invitation(connection: Connection, mandate_id: UUID, token_hash: bytes) -> Invited | None:
    """What it offers, without accepting it."""
    row = await connection.fetchrow(_PEEK, mandate_id, token_hash)
    if row is None or row["email"] is None:
        return None
    return Invited(row["email"], row["role"], row["language"] or row["mandate_language"], row["name"])


async def accept_invitation(
    connection: Connection, mandate_id: UUID, token_hash: bytes, identity_id: UUID, display_name: str | None
) -> None:
    """Makes the identity a user of the mandate: the one with the invited address, or a new one.

    Raises `NotAcceptable`; then the caller's transaction must not commit.
    """
    row = await connection.fetchrow(_ACCEPT, mandate_id, token_hash)
    if row is None or row["email"] is None:
        raise NotAcceptable("link_over")
    if await connection.fetchval(_ALREADY, mandate_id, identity_id) is not None:
        raise NotAcceptable("already_member")
    user = await connection.fetchrow(_USER, mandate_id, row["email"])
    if user is not None and (user["is_linked"] or user["role"] != row["role"]):
        # Changed since: what was agreed on then may not be what is wanted now.
        raise NotAcceptable("link_over")
    try:
        if user is not None:
            user_id = user["user_id"]
        else:
            user_id = new_id()
            name = display_name or row["email"][:300]
            await connection.execute(_NEW_USER, mandate_id, user_id, row["email"], name, row["role"], row["language"])
        await connection.execute(_LINK, mandate_id, user_id, identity_id)
    except asyncpg.UniqueViolationError as error:
        raise NotAcceptable("link_over") from error
    await connection.execute(_ACCEPTED_AS, mandate_id, row["invitation_id"], user_id)
    await note_change(connection, mandate_id)
