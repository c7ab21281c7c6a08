"""What a refusal may say about the finance contacts: told, being told, or that there is nobody to tell."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import asyncpg
import structlog

from bursar.billing.models import FinanceNews
from bursar.notices.kinds import EXHAUSTED

if TYPE_CHECKING:
    from asyncpg import Pool

log = structlog.get_logger(__name__)

_MOST_ACCOUNTS: Final = 10_000

_ASK: Final = """
    SELECT alert.notified_at,
           $1::uuid = $2::uuid OR coalesce(terms.notify_wallet_exhausted, false) AS wanted,
           EXISTS (SELECT FROM unnest(terms.notify_emails) AS listed (address)
                    WHERE NOT EXISTS (SELECT FROM recipient_state AS dead
                                       WHERE dead.mandate_id = $1 AND dead.channel = 'email'
                                         AND dead.address = listed.address)) AS somebody
      FROM mandate
      LEFT JOIN billing_settings AS terms USING (mandate_id)
      LEFT JOIN alert ON alert.mandate_id = $1 AND alert.kind = $3 AND alert.account_id = $2
            AND alert.resolved_at IS NULL
     WHERE mandate.mandate_id = $1
"""


@dataclass(frozen=True, slots=True)
class News:
    """`notified_at` is when a recipient's server first accepted the mail about the shortage that lasts now."""

    state: FinanceNews
    notified_at: datetime | None = None


class ShortageNews:
    """Asks once a second per account, however many refusals want to know; never fails a refusal."""

    def __init__(self, pool: Pool, *, fresh_seconds: float = 1.0) -> None:
        """`pool` is `bursar_ledger`'s."""
        self._pool = pool
        self._fresh_seconds = fresh_seconds
        self._asked: dict[tuple[UUID, UUID], tuple[float, asyncio.Task[News]]] = {}

    async def of(self, mandate_id: UUID, account_id: UUID) -> News:
        """The news for a refusal of this account, at most a second old."""
        key = (mandate_id, account_id)
        found = self._asked.get(key)
        now = time.monotonic()
        if found is None or now >= found[0]:
            if len(self._asked) >= _MOST_ACCOUNTS:
                self._asked.clear()
            found = (now + self._fresh_seconds, asyncio.create_task(self._ask(mandate_id, account_id)))
            self._asked[key] = found
        # Whoever asked first may go away; the others still want the answer.
        return await asyncio.shield(found[1])

    async def notified_at(self, mandate_id: UUID, account_id: UUID) -> datetime | None:
        return (await self.of(mandate_id, account_id)).notified_at

    async def _ask(self, mandate_id: UUID, account_id: UUID) -> News:
        try:
            row = await self._pool.fetchrow(_ASK, mandate_id, account_id, EXHAUSTED.name)
        except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
            log.warning("notice_news_unavailable", error=repr(error))
            return News(FinanceNews.NOT_TOLD)
        if row is None or not row["wanted"]:
            return News(FinanceNews.NOT_TOLD)
        if row["notified_at"] is not None:
            return News(FinanceNews.TOLD, row["notified_at"])
        return News(FinanceNews.BEING_TOLD if row["somebody"] else FinanceNews.NOBODY)
