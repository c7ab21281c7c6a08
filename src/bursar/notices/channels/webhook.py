"""Signed webhooks (Standard Webhooks): JSON by POST, a stable id, a signature under every valid secret."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp
import orjson
from standardwebhooks import Webhook

from bursar.foundation.secrets import Secrets, SecretsError
from bursar.notices.channels.egress import Egress, EgressRefused
from bursar.notices.channels.endpoint import Attempt, EndpointChannel
from bursar.notices.channels.letters import Letter
from bursar.notices.webhooks import Endpoint

if TYPE_CHECKING:
    from asyncpg import Pool

_GONE: Final = 410


class WebhookChannel(EndpointChannel):
    name = "webhook"

    def __init__(
        self, pool: Pool, secrets: Secrets, egress: Egress, *, now: Callable[[], datetime] | None = None
    ) -> None:
        """`pool` is `bursar_ledger`'s. `now` is for tests."""
        super().__init__(pool, now=now)
        self._secrets = secrets
        self._egress = egress

    async def close(self) -> None:
        await self._egress.close()

    async def attempt(self, endpoint: Endpoint, letter: Letter) -> Attempt:
        try:
            answered = await self._egress.post(endpoint.url, *self._signed(endpoint, dict(letter.event or {})))
        except (EgressRefused, SecretsError) as error:
            return Attempt(False, str(error))
        except (aiohttp.ClientError, TimeoutError, OSError) as error:
            return Attempt(False, f"{type(error).__name__}: {error}"[:300])
        detail = f"{answered.status} {answered.text}".strip()
        if answered.status == _GONE:
            return Attempt(False, f"it answered {detail}", gone=True)
        return Attempt(200 <= answered.status < 300, detail)

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
