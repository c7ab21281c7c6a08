"""Says which accounts have changed, to whoever shows them live: by `NOTIFY`, after the commit, a few times a second.

Outside of every batch's transaction, so that the money waits for nothing of it: what is noted here has been committed.
Whoever listens reads the accounts again; a word that got lost (a worker died, the database went away) costs a stale
figure until the next change or the listener's next look.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from bursar.ledger.books import InMandate

log = structlog.get_logger(__name__)

CHANNEL: Final = "bursar_money"
PAUSE_SECONDS: Final = 0.25
"""After each announcement. What changes meanwhile, however often, is said once."""
_IDS_PER_PAYLOAD: Final = 100
"""PostgreSQL takes less than 8,000 bytes at once; an account takes 65."""
_SAY: Final = "SELECT pg_notify($1, payload) FROM unnest($2::text[]) AS payload"


class Announcer:
    """One per engine: `note` what a batch has changed, `run` until cancelled, `say` what is left at the end."""

    def __init__(self, pool: asyncpg.Pool, *, pause_seconds: float = PAUSE_SECONDS) -> None:
        self._pool = pool
        self._pause_seconds = pause_seconds
        self._changed: set[InMandate] = set()
        self._woken = asyncio.Event()

    def note(self, changed: set[InMandate]) -> None:
        """Accounts of a batch that is committed."""
        if changed:
            self._changed |= changed
            self._woken.set()

    async def run(self) -> None:
        while True:
            await self._woken.wait()
            self._woken.clear()
            await self.say()
            await asyncio.sleep(self._pause_seconds)

    async def say(self) -> None:
        """What has been noted, now. Where the database does not answer, it is said with what changes next."""
        changed, self._changed = self._changed, set()
        if not changed:
            return
        try:
            await self._pool.execute(_SAY, CHANNEL, payloads(changed), timeout=2)
        except (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError) as error:
            self._changed |= changed
            log.debug("changes_not_announced", error=repr(error))


def payloads(changed: Iterable[InMandate]) -> list[str]:
    """A pool is its mandate's id in hex, another account `mandate:account`; spaces between them."""
    words = [
        mandate_id.hex if account_id == mandate_id else f"{mandate_id.hex}:{account_id.hex}"
        for mandate_id, account_id in changed
    ]
    return [" ".join(words[at : at + _IDS_PER_PAYLOAD]) for at in range(0, len(words), _IDS_PER_PAYLOAD)]


def read_payload(payload: str) -> list[InMandate]:
    """The accounts that a payload names. Raises `ValueError` for anything else."""
    found = []
    for word in payload.split():
        mandate, _, account = word.partition(":")
        mandate_id = UUID(hex=mandate)
        found.append((mandate_id, UUID(hex=account) if account else mandate_id))
    return found
