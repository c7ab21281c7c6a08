"""Signed webhooks (Standard Webhooks): JSON by POST, an id that stays the same, a signature under every valid secret.

An endpoint that answers 410, or has failed for three days, is disabled, and the mandate's owners are told.
"""

from __future__ import annotations

from collections.abc import AsyncGenerator, Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Any, Final
from uuid import UUID

import aiohttp
import orjson
import structlog
from standardwebhooks import Webhook

from bursar.foundation.secrets import Secrets, SecretsError
from bursar.notices import webhooks
from bursar.notices.channels import Delivered, Letter, Outcome, Verdict
from bursar.notices.channels.egress import Egress, EgressRefused
from bursar.notices.webhooks import Endpoint

if TYPE_CHECKING:
    from asyncpg import Pool

log = structlog.get_logger(__name__)

_GONE: Final = 410
LASTING: Final = timedelta(days=3)


class WebhookChannel:
    """Sends one letter after the other: each has its own endpoint, and its own trouble."""

    name = "webhook"

    def __init__(
        self, pool: Pool, secrets: Secrets, egress: Egress, *, now: Callable[[], datetime] | None = None
    ) -> None:
        """`pool` is `bursar_ledger`'s. `now` is for tests."""
        self._pool = pool
        self._secrets = secrets
        self._egress = egress
        self._now = now or (lambda: datetime.now(UTC))

    async def deliver(
        self, letters: Sequence[Letter], *, go_on: Callable[[], bool]
    ) -> AsyncGenerator[Sequence[Delivered], None]:
        for letter in letters:
            if not go_on():
                return
            yield [(letter, await self._send(letter))]

    async def close(self) -> None:
        await self._egress.close()

    async def _send(self, letter: Letter) -> Outcome:
        event = dict(letter.event or {})
        mandate_id = UUID(event["data"]["mandateId"])
        endpoint = await webhooks.endpoint_of(self._pool, mandate_id, letter.recipient)
        if endpoint is None or endpoint.disabled_at is not None:
            return Outcome(Verdict.REFUSED, "the endpoint is gone or disabled")
        try:
            answered = await self._egress.post(endpoint.url, *self._signed(endpoint, event))
        except (EgressRefused, SecretsError) as error:
            return await self._failed(endpoint, str(error))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return await self._failed(endpoint, f"{type(error).__name__}: {error}"[:300])
        detail = f"{answered.status} {answered.text}".strip()
        if 200 <= answered.status < 300:
            await webhooks.works(self._pool, endpoint)
            return Outcome(Verdict.SENT, detail)
        if answered.status == _GONE:
            await webhooks.disable(self._pool, endpoint, "it answered 410", self._now())
            return Outcome(Verdict.REFUSED, detail)
        return await self._failed(endpoint, detail)

    def _signed(self, endpoint: Endpoint, event: dict[str, Any]) -> tuple[bytes, dict[str, str]]:
        """Body and headers. During a rotation both secrets sign, so that the receiver may know either."""
        event_id, at = str(event.pop("id")), self._now()
        body = orjson.dumps(event)
        signatures = [
            Webhook(self._secrets.decrypt(secret)).sign(event_id, at, body.decode()) for secret in endpoint.secrets
        ]
        return body, {
            "content-type": "application/json",
            "user-agent": "Bursar",
            "webhook-id": event_id,
            "webhook-timestamp": str(int(at.timestamp())),
            "webhook-signature": " ".join(signatures),
        }

    async def _failed(self, endpoint: Endpoint, detail: str) -> Outcome:
        now = self._now()
        if endpoint.failing_since is not None and now - endpoint.failing_since >= LASTING:
            await webhooks.disable(self._pool, endpoint, f"it has failed for {LASTING.days} days: {detail}", now)
            return Outcome(Verdict.REFUSED, detail)
        await webhooks.fails(self._pool, endpoint, now)
        return Outcome(Verdict.LATER, detail)
