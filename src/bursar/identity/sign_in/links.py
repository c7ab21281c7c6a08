"""One-time links: printed for the operator, or sent to a mailbox. Used once, soon, or never."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Final, Literal

from bursar.foundation.database import Connection
from bursar.foundation.secrets import Secrets, SecretsError
from bursar.identity.sign_in.tokens import hash_of, new_link

Purpose = Literal["console", "operator", "mailbox"]
LIFETIMES: Final[dict[Purpose, timedelta]] = {
    "console": timedelta(hours=1),
    "operator": timedelta(hours=24),
    "mailbox": timedelta(minutes=15),
}

_NEW: Final = """
    INSERT INTO one_time_link (link_hash, purpose, sealed, expires_at) VALUES ($1, $2, $3, now() + $4::interval)"""
_PEEK: Final = "SELECT purpose, sealed FROM one_time_link WHERE link_hash = $1 AND expires_at > now()"
_USE: Final = "DELETE FROM one_time_link WHERE link_hash = $1 AND expires_at > now() RETURNING purpose, sealed"


@dataclass(frozen=True, slots=True)
class Link:
    purpose: Purpose
    mailbox: str | None
    """The address it was sent to; only for `mailbox`."""


async def make_link(
    connection: Connection,
    secrets: Secrets,
    purpose: Purpose,
    mailbox: str | None = None,
    *,
    lifetime: timedelta | None = None,
) -> str:
    """The token of a new link: shown or sent once, kept as a hash. Lives as long as its purpose says, or `lifetime`."""
    text = new_link()
    sealed = None if mailbox is None else secrets.encrypt(mailbox)
    await connection.execute(_NEW, hash_of(text), purpose, sealed, lifetime or LIFETIMES[purpose])
    return text


async def peek_link(connection: Connection, secrets: Secrets, link_hash: bytes) -> Link | None:
    """What a link is for, without using it."""
    return await _read(connection, secrets, _PEEK, link_hash)


async def use_link(connection: Connection, secrets: Secrets, link_hash: bytes) -> Link | None:
    """For the first who asks, if the transaction commits."""
    return await _read(connection, secrets, _USE, link_hash)


async def _read(connection: Connection, secrets: Secrets, statement: str, link_hash: bytes) -> Link | None:
    row = await connection.fetchrow(statement, link_hash)
    if row is None:
        return None
    try:
        mailbox = None if row["sealed"] is None else secrets.decrypt(row["sealed"])
    except SecretsError:
        return None
    return Link(row["purpose"], mailbox)
