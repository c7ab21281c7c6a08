"""The installation's operators: who they are, added and removed. For the routes and the command line.

Those named in the settings are the settings' affair: they come back whenever they sign in, so that they cannot be
removed here.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Final, Literal
from uuid import UUID

from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import new_id
from bursar.foundation.problems import Problem, invalid_field
from bursar.identity import audit
from bursar.identity.access import not_found
from bursar.identity.pages import Page, cursor_parts, page_of
from bursar.identity.sign_in import members
from bursar.identity.sign_in.id_token import LONGEST_SUBJECT

GrantedBy = Literal["link", "settings", "operator"]
LONGEST_ISSUER: Final = 1000
_SCHEMES: Final = ("https://", "http://127.0.0.1:", "http://localhost:")
"""An issuer on this machine may do without TLS, if the settings let it."""

_PAGE: Final = """
    SELECT o.identity_id, i.issuer, i.subject, i.display_name, o.granted_by, o.added_at
      FROM platform_operator o JOIN identity i USING (identity_id)
     WHERE $1::timestamptz IS NULL OR (o.added_at, o.identity_id) > ($1, $2)
     ORDER BY o.added_at, o.identity_id
     LIMIT $3"""

_ONE: Final = """
    SELECT o.identity_id, i.issuer, i.subject, i.display_name, o.granted_by, o.added_at
      FROM platform_operator o JOIN identity i USING (identity_id)
     WHERE o.identity_id = $1"""

_KNOWN: Final = "SELECT identity_id FROM identity WHERE identity_id = $1 FOR UPDATE"
_KNOWN_BY_NAME: Final = """
    INSERT INTO identity (identity_id, issuer, subject) VALUES ($1, $2, $3)
        ON CONFLICT (issuer, subject) DO UPDATE SET subject = EXCLUDED.subject
    RETURNING identity_id"""

_REMOVE: Final = "DELETE FROM platform_operator WHERE identity_id = $1"


@dataclass(frozen=True, slots=True)
class Operator:
    identity_id: UUID
    issuer: str
    subject: str
    display_name: str | None
    granted_by: GrantedBy
    added_at: datetime


async def list_operators(database: Database, *, cursor: str | None = None, limit: int = 100) -> Page[Operator]:
    """Who was added first comes first. Raises a 422 `Problem` for a cursor that is none."""
    added_at, identity_id = cursor_parts(cursor)
    async with database.as_operator() as connection:
        rows = await connection.fetch(_PAGE, added_at, identity_id, limit + 1)
    return page_of([Operator(**dict(row)) for row in rows], limit, lambda each: (each.added_at, each.identity_id))


async def add_operator(
    database: Database, *, identity_id: UUID | None = None, issuer: str | None = None, subject: str | None = None
) -> Operator:
    """Makes an operator of somebody who has signed in, by `identity_id`, or of who will, by `issuer` and `subject`.

    Raises a 404, 409 (is one already) or 422 `Problem` that names the field.
    """
    if (identity_id is None) == (issuer is None) or (issuer is None) != (subject is None):
        raise invalid_field("identityId", "is required, or else issuer and subject")
    async with database.as_operator() as connection:
        if identity_id is not None:
            if await connection.fetchval(_KNOWN, identity_id) is None:
                raise not_found("identity", "identityId")
        else:
            assert issuer is not None
            assert subject is not None
            identity_id = await _named(connection, issuer, subject)
        if not await members.make_operator(connection, identity_id, granted_by="operator"):
            raise Problem(409, "already_exists", "Already there", "This person operates the installation already.")
        row = await connection.fetchrow(_ONE, identity_id)
    assert row is not None
    return Operator(**dict(row))


async def remove_operator(database: Database, identity_id: UUID) -> None:
    """Ends what the operator may do, from the next request on. Whoever belongs to no mandate is forgotten.

    Raises a 404 or, for one whom the settings name, a 409 `Problem`.
    """
    async with database.as_operator() as connection:
        row = await connection.fetchrow(_ONE, identity_id)
        if row is None:
            raise not_found("operator")
        if row["granted_by"] == "settings":
            detail = "The settings name this operator: take the subject out of `operators` there, and start again."
            raise Problem(409, "named_in_settings", "Named in the settings", detail)
        if await connection.execute(_REMOVE, identity_id) != "DELETE 1":
            raise not_found("operator")
        await audit.note(
            connection,
            audit.INSTALLATION,
            "operator.removed",
            str(identity_id),
            before={"granted_by": row["granted_by"]},
        )


async def _named(connection: Connection, issuer: str, subject: str) -> UUID:
    if not issuer.startswith(_SCHEMES) or len(issuer) > LONGEST_ISSUER or not issuer.isprintable():
        raise invalid_field("issuer", "must be the issuer's address as its ID tokens have it, such as https://…")
    if not 1 <= len(subject) <= LONGEST_SUBJECT or not subject.isprintable():
        raise invalid_field("subject", f"must be what the issuer calls the person: 1 to {LONGEST_SUBJECT} characters")
    found: UUID = await connection.fetchval(_KNOWN_BY_NAME, new_id(), issuer, subject)
    return found
