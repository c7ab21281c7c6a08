"""A mandate's endpoints (webhooks, chats, phones): where they are, their secrets, whether they work."""

from __future__ import annotations

import base64
import secrets as randomness
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final
from uuid import UUID

import structlog

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.foundation.secrets import Secrets
from bursar.identity import audit
from bursar.notices import inbox
from bursar.notices.inbox import Item

if TYPE_CHECKING:
    from asyncpg import Pool

log = structlog.get_logger(__name__)

PREFIX: Final = "webhook:"
MESSAGING: Final = "messaging:"
MOST_ENDPOINTS: Final = 10
DISABLED: Final = "WEBHOOK_DISABLED"

_ONE: Final = """
    SELECT mandate_id, endpoint_id, transport, label, url, secrets, created_at, failing_since, disabled_at,
           disabled_reason
      FROM webhook_endpoint WHERE mandate_id = $1 AND endpoint_id = $2
"""
_ALL: Final = """
    SELECT mandate_id, endpoint_id, transport, label, url, secrets, created_at, failing_since, disabled_at,
           disabled_reason
      FROM webhook_endpoint
     WHERE mandate_id = $1 AND deleted_at IS NULL AND (transport = 'webhook') = $2 ORDER BY endpoint_id
"""
_DISABLE: Final = """
    UPDATE webhook_endpoint SET disabled_at = $3, disabled_reason = $4
     WHERE mandate_id = $1 AND endpoint_id = $2 AND disabled_at IS NULL RETURNING endpoint_id
"""
# One undelivered row per kind and account, as everywhere: of several missed ones about the same the last is sent.
_REPLAY: Final = """
    UPDATE notice SET state = 'QUEUED', next_attempt_at = now(), updated_at = now(), attempts = 0
      FROM (SELECT DISTINCT ON (kind, account_id) notice_id, kind, account_id FROM notice
             WHERE mandate_id = $1 AND recipient = $2 AND created_at >= $3
               AND state IN ('FAILED', 'REFUSED')
             ORDER BY kind, account_id, created_at DESC) AS missed
     WHERE notice.mandate_id = $1 AND notice.notice_id = missed.notice_id
       AND NOT EXISTS (SELECT FROM notice AS waiting
                        WHERE waiting.mandate_id = $1 AND waiting.kind = missed.kind AND waiting.recipient = $2
                          AND waiting.account_id = missed.account_id AND waiting.state = 'QUEUED')
    RETURNING notice.notice_id
"""


@dataclass(frozen=True, slots=True)
class Endpoint:
    """`secrets` are encrypted, the newest first; a second one is valid until the rotation is finished.

    Of what is no webhook the URL is the secret, and is encrypted.
    """

    mandate_id: UUID
    endpoint_id: UUID
    transport: str
    """`webhook`, `teams`, `slack` or `sms`."""
    label: str | None
    """What may be shown of the URL of what is no webhook."""
    url: str
    secrets: tuple[str, ...]
    created_at: datetime
    failing_since: datetime | None
    disabled_at: datetime | None
    disabled_reason: str | None

    @property
    def recipient(self) -> str:
        return f"{PREFIX if self.transport == 'webhook' else MESSAGING}{self.endpoint_id}"


async def endpoint_of(pool: Pool, mandate_id: UUID, recipient: str) -> Endpoint | None:
    row = await pool.fetchrow(_ONE, mandate_id, UUID(recipient.partition(":")[2]))
    return None if row is None else _endpoint(dict(row))


async def list_endpoints(database: Database, mandate_id: UUID, *, webhooks: bool = True) -> Sequence[Endpoint]:
    """The webhooks, or all the others."""
    async with database.as_mandate(mandate_id) as connection:
        return [_endpoint(dict(row)) for row in await connection.fetch(_ALL, mandate_id, webhooks)]


async def add_endpoint(
    database: Database, secrets: Secrets, mandate_id: UUID, url: str, actor: str
) -> tuple[UUID, str]:
    """The endpoint's id, and its secret, which is shown this once. The URL was checked by `egress.check_url`."""
    endpoint_id, secret = new_id(), _new_secret()
    async with database.as_mandate(mandate_id) as connection:
        await connection.execute(
            "INSERT INTO webhook_endpoint (mandate_id, endpoint_id, url, secrets, created_by)"
            " VALUES ($1, $2, $3, $4, $5)",
            mandate_id, endpoint_id, url, [secrets.encrypt(secret)], actor,
        )  # fmt: skip
    return endpoint_id, secret


async def add_messaging(
    database: Database, secrets: Secrets, mandate_id: UUID, *, transport: str, url: str, label: str, actor: str
) -> UUID:
    """A chat or a phone. The URL was checked by `channels.messaging`, and is kept encrypted."""
    endpoint_id = new_id()
    async with database.as_mandate(mandate_id) as connection:
        await connection.execute(
            "INSERT INTO webhook_endpoint (mandate_id, endpoint_id, transport, label, url, secrets, created_by)"
            " VALUES ($1, $2, $3, $4, $5, '{}', $6)",
            mandate_id, endpoint_id, transport, label, secrets.encrypt(url), actor,
        )  # fmt: skip
    return endpoint_id


async def rotate(database: Database, secrets: Secrets, mandate_id: UUID, endpoint_id: UUID) -> str | None:
    """A new secret; the one before signs as well until the next rotation. `None` where there is no such endpoint."""
    secret = _new_secret()
    async with database.as_mandate(mandate_id) as connection:
        done = await connection.execute(
            "UPDATE webhook_endpoint SET secrets = ARRAY[$3, secrets[1]]"
            " WHERE mandate_id = $1 AND endpoint_id = $2 AND transport = 'webhook' AND deleted_at IS NULL",
            mandate_id, endpoint_id, secrets.encrypt(secret),
        )  # fmt: skip
        if done != "UPDATE 1":
            return None
        await audit.note(connection, mandate_id, "webhook.rotated", str(endpoint_id))
    return secret


async def delete_endpoint(database: Database, mandate_id: UUID, endpoint_id: UUID) -> bool:
    """Its secrets go at once; its row stays for the history of its notices."""
    async with database.as_mandate(mandate_id) as connection:
        done = await connection.execute(
            "UPDATE webhook_endpoint SET deleted_at = now(), secrets = '{}', url = '',"
            " disabled_at = coalesce(disabled_at, now())"
            " WHERE mandate_id = $1 AND endpoint_id = $2 AND deleted_at IS NULL",
            mandate_id, endpoint_id,
        )  # fmt: skip
    return bool(done == "UPDATE 1")


async def note_replay(database: Database, mandate_id: UUID, endpoint_id: UUID, since: datetime) -> None:
    """For the audit log: what is sent again changes nothing that a trigger would see."""
    async with database.as_mandate(mandate_id) as connection:
        said = {"since": since.isoformat()}
        await audit.note(connection, mandate_id, "webhook.replayed", str(endpoint_id), after=said)


async def enable_and_replay(pool: Pool, mandate_id: UUID, endpoint_id: UUID, since: datetime) -> int | None:
    """Works again: what was missed since then is queued; `None` where there is no such endpoint."""
    async with pool.acquire() as connection, connection.transaction():
        transport = await connection.fetchval(
            "UPDATE webhook_endpoint SET disabled_at = NULL, disabled_reason = NULL, failing_since = NULL"
            " WHERE mandate_id = $1 AND endpoint_id = $2 AND deleted_at IS NULL RETURNING transport",
            mandate_id, endpoint_id,
        )  # fmt: skip
        if transport is None:
            return None
        recipient = f"{PREFIX if transport == 'webhook' else MESSAGING}{endpoint_id}"
        return len(await connection.fetch(_REPLAY, mandate_id, recipient, since))


async def works(pool: Pool, endpoint: Endpoint) -> None:
    if endpoint.failing_since is not None:
        await _note_failing(pool, endpoint, None)


async def fails(pool: Pool, endpoint: Endpoint, at: datetime) -> None:
    if endpoint.failing_since is None:
        await _note_failing(pool, endpoint, at)


async def disable(pool: Pool, endpoint: Endpoint, reason: str, at: datetime) -> None:
    """Nothing more goes there; the owners find it in their inbox."""
    async with pool.acquire() as connection, connection.transaction():
        row = await connection.fetchrow(_DISABLE, endpoint.mandate_id, endpoint.endpoint_id, at, reason[:500])
        if row is not None:
            shown = endpoint.label or endpoint.url
            payload = {"endpointId": str(endpoint.endpoint_id), "url": shown, "reason": reason[:500]}
            item = Item(endpoint.mandate_id, DISABLED, endpoint.mandate_id, payload)
            await inbox.put(connection, [item], at)
            log.warning("webhook_disabled", mandate_id=str(endpoint.mandate_id), reason=reason)


async def _note_failing(pool: Pool, endpoint: Endpoint, since: datetime | None) -> None:
    await pool.execute(
        "UPDATE webhook_endpoint SET failing_since = $3 WHERE mandate_id = $1 AND endpoint_id = $2",
        endpoint.mandate_id, endpoint.endpoint_id, since,
    )  # fmt: skip


def _new_secret() -> str:
    """As Standard Webhooks has them: 256 bits in base64, behind a prefix."""
    return f"whsec_{base64.b64encode(randomness.token_bytes(32)).decode()}"


def _endpoint(row: dict[str, object]) -> Endpoint:
    return Endpoint(**{**row, "secrets": tuple(row["secrets"])})  # type: ignore[arg-type]
