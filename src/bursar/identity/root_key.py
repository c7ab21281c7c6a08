"""The operator's key: made once, printed once, kept as a hash."""

from __future__ import annotations

from typing import Final

from bursar.foundation.database import Database
from bursar.identity.keys import key_hash, make_root_key
from bursar.identity.revision import note_new_root_key

_SET_FIRST: Final = "UPDATE installation SET root_key_hash = $1 WHERE root_key_hash IS NULL RETURNING true"
_SET: Final = "UPDATE installation SET root_key_hash = $1"


async def ensure_root_key(database: Database) -> str | None:
    """A new root key, to be printed, on the first start; `None` where there is one already.

    Of several workers that start at once exactly one gets the key. Not to be called where BURSAR_ROOT_KEY is set.
    """
    root_key = make_root_key()
    async with database.as_operator() as connection:
        if await connection.fetchval(_SET_FIRST, key_hash(root_key)):
            await note_new_root_key(connection)
            return root_key
    return None


async def rotate_root_key(database: Database) -> str:
    """A new root key, to be printed; the former one ends on all workers within a second."""
    root_key = make_root_key()
    async with database.as_operator() as connection:
        await connection.execute(_SET, key_hash(root_key))
        await note_new_root_key(connection)
    return root_key
