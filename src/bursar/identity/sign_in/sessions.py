"""Sessions: on the server, found by the hash of what the cookie says, ended by being deleted."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Final
from uuid import UUID

from bursar.foundation.database import Connection
from bursar.identity.sign_in.tokens import hash_of, is_secret, new_secret

IDLE: Final = timedelta(hours=12)
LONGEST: Final = timedelta(days=7)
_NOTED_EVERY: Final = timedelta(minutes=1)

_NEW: Final = """
    INSERT INTO sign_in_session (session_hash, identity_id, provider, expires_at)
    VALUES ($1, $2, $3, now() + $4::interval)"""

_FIND: Final = """
    SELECT s.identity_id, s.expires_at, i.display_name, i.language, s.seen_at < now() - $3::interval AS is_to_note,
           EXISTS (SELECT FROM platform_operator o WHERE o.identity_id = s.identity_id) AS operates
      FROM sign_in_session s JOIN identity i USING (identity_id)
     WHERE s.session_hash = $1 AND s.expires_at > now() AND s.seen_at > now() - $2::interval"""

_NOTE: Final = "UPDATE sign_in_session SET seen_at = now() WHERE session_hash = $1"
_END: Final = "DELETE FROM sign_in_session WHERE session_hash = $1"
_END_ALL: Final = "DELETE FROM sign_in_session WHERE identity_id = $1"


@dataclass(frozen=True, slots=True)
class Session:
    text: str
    """What the cookie says."""
    identity_id: UUID
    expires_at: datetime
    display_name: str | None
    language: str | None
    operates: bool


async def new_session(connection: Connection, identity_id: UUID, provider: str, former: str | None) -> str:
    """A session under a name of its own; the one that the browser had before ends."""
    await end_session(connection, former)
    text = new_secret()
    await connection.execute(_NEW, hash_of(text), identity_id, provider, LONGEST)
    return text


async def find_session(connection: Connection, text: str | None) -> Session | None:
    """`None` for what never was, has ended, or was left alone for too long."""
    if text is None or not is_secret(text):
        return None
    row = await connection.fetchrow(_FIND, hash_of(text), IDLE, _NOTED_EVERY)
    if row is None:
        return None
    if row["is_to_note"]:
        await connection.execute(_NOTE, hash_of(text))
    return Session(text, row["identity_id"], row["expires_at"], row["display_name"], row["language"], row["operates"])


async def end_session(connection: Connection, text: str | None) -> None:
    if text is not None and is_secret(text):
        await connection.execute(_END, hash_of(text))


async def end_all_sessions(connection: Connection, identity_id: UUID) -> None:
    """On all devices, at once: no worker remembers a session."""
    await connection.execute(_END_ALL, identity_id)
