"""Single addresses that want no more: a signed link in every mail, and what following it does.

The address is marked like one that its server does not know: skipped until it is edited, and shown where it is edited.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final
from urllib.parse import urlencode
from uuid import UUID

from bursar.foundation.secrets import LinkError, Secrets

if TYPE_CHECKING:
    from asyncpg import Pool

    from bursar.notices.outbox import Claimed

_PURPOSE: Final = "unsubscribe"
_GOOD_FOR: Final = timedelta(days=400)
PATH: Final = "/unsubscribe"

_MARK: Final = """
    INSERT INTO recipient_state (mandate_id, channel, address, reason, refused_at, unsubscribed)
    SELECT mandate_id, 'email', $2, 'unsubscribed by its reader', now(), true FROM mandate WHERE mandate_id = $1
        ON CONFLICT (mandate_id, channel, address)
        DO UPDATE SET reason = EXCLUDED.reason, refused_at = EXCLUDED.refused_at, unsubscribed = true
"""
_WITHDRAW: Final = """
    UPDATE notice SET state = 'CANCELLED', last_error = 'unsubscribed', updated_at = now()
     WHERE mandate_id = $1 AND channel = 'email' AND recipient = $2 AND state = 'QUEUED'
"""
_MANDATE: Final = """
    SELECT mandate.name, coalesce(terms.language, mandate.language) AS language
      FROM mandate LEFT JOIN billing_settings AS terms USING (mandate_id) WHERE mandate_id = $1
"""


@dataclass(frozen=True, slots=True)
class Reader:
    """Whom a link is about."""

    mandate_id: UUID
    address: str
    mandate_name: str = ""
    language: str = "en"


class UnsubscribeLinks:
    """Makes the links, and reads them."""

    def __init__(self, secrets: Secrets, public_url: str) -> None:
        self._secrets = secrets
        self._public_url = public_url.rstrip("/")

    def unsubscribe(self, row: Claimed, at: datetime) -> str:
        """The link for one recipient of one mandate; good for 400 days."""
        content = {"m": str(row.mandate_id), "a": row.recipient}
        token = self._secrets.sign(_PURPOSE, content, expires_at=at + _GOOD_FOR)
        return f"{self._public_url}{PATH}?{urlencode({'token': token})}"

    def read(self, token: str, now: datetime) -> tuple[UUID, str]:
        """Mandate and address. Raises `LinkError`."""
        try:
            content = self._secrets.verify(_PURPOSE, token, now=now)
            return UUID(content["m"]), str(content["a"])
        except LinkError:
            raise
        except (ValueError, KeyError, TypeError) as error:
            raise LinkError("the link is not valid", expired=False) from error


async def reader_of(pool: Pool, mandate_id: UUID, address: str) -> Reader | None:
    """`None` where the mandate is gone. `pool` is `bursar_ledger`'s, as below."""
    row = await pool.fetchrow(_MANDATE, mandate_id)
    return None if row is None else Reader(mandate_id, address, row["name"], row["language"])


async def unsubscribe(pool: Pool, mandate_id: UUID, address: str) -> None:
    """Nothing more goes there, what is queued included. Following the link twice is as good as once."""
    async with pool.acquire() as connection, connection.transaction():
        await connection.execute(_MARK, mandate_id, address)
        await connection.execute(_WITHDRAW, mandate_id, address)
