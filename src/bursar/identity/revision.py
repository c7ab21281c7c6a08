"""The count of changes to a mandate's identity, and the word that spreads when it goes up."""

from __future__ import annotations

from typing import Final
from uuid import UUID

from bursar.foundation.database import Connection

CHANNEL: Final = "bursar_identity"
"""Payload: a mandate's id and its new revision, or `ROOT`."""
ROOT: Final = "root"

_COUNT_UP: Final = """
    WITH next AS (
        INSERT INTO identity_revision (mandate_id) VALUES ($1)
        ON CONFLICT (mandate_id) DO UPDATE SET revision = identity_revision.revision + 1
        RETURNING revision
    )
    SELECT pg_notify($2, $1::text || ' ' || revision::text) FROM next"""


async def note_change(connection: Connection, mandate_id: UUID) -> None:
    """Belongs into every transaction that changes a mandate, its settings, a user or a key; as its last statement."""
    await connection.execute(_COUNT_UP, mandate_id, CHANNEL)


async def note_new_root_key(connection: Connection) -> None:
    await connection.execute("SELECT pg_notify($1, $2)", CHANNEL, ROOT)


def read_payload(payload: str) -> tuple[UUID, int] | None:
    """The mandate and its revision; `None` for anything else."""
    mandate, _, revision = payload.partition(" ")
    try:
        return UUID(mandate), int(revision)
    except ValueError:
        return None
