"""What all endpoints that a mandate sets have in common: several at once, and disabled when they are gone or dead.

One that says that it is gone, or has failed for three days, is disabled, and the mandate's owners are told.
"""

from __future__ import annotations

import asyncio
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import AsyncGenerator, Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final
from uuid import UUID

from bursar.notices import webhooks
from bursar.notices.channels.letters import Delivered, Letter, Outcome, Verdict
from bursar.notices.webhooks import Endpoint

if TYPE_CHECKING:
    from asyncpg import Pool

LASTING: Final = timedelta(days=3)
AT_ONCE: Final = 8
"""Letters that are out at the same time: one endpoint that hangs must not keep the others from theirs."""


@dataclass(frozen=True, slots=True)
class Attempt:
    """`gone` means that it says itself that nothing will ever be taken there again."""

    ok: bool
    detail: str
    gone: bool = False


class EndpointChannel(ABC):
    """Each letter has its own endpoint, and its own trouble."""

    name: str

    def __init__(self, pool: Pool, *, now: Callable[[], datetime] | None = None) -> None:
        """`pool` is `bursar_ledger`'s. `now` is for tests."""
        self._pool = pool
        self._now = now or (lambda: datetime.now(UTC))

    @abstractmethod
    async def attempt(self, endpoint: Endpoint, letter: Letter) -> Attempt:
        """Try once. Never raises for what the other side does."""

    async def close(self) -> None:  # noqa: B027  (most have nothing open)
        """Nothing is open."""

    async def deliver(
        self, letters: Sequence[Letter], *, go_on: Callable[[], bool]
    ) -> AsyncGenerator[Sequence[Delivered], None]:
        waiting = deque(letters)
        out: set[asyncio.Task[Delivered]] = set()
        try:
            while out or (waiting and go_on()):
                while waiting and len(out) < AT_ONCE and go_on():
                    out.add(asyncio.create_task(self._send(waiting.popleft())))
                ended, out = await asyncio.wait(out, return_when=asyncio.FIRST_COMPLETED)
                yield [task.result() for task in ended]
        finally:
            for task in out:
                task.cancel()
            await asyncio.gather(*out, return_exceptions=True)

    async def _send(self, letter: Letter) -> Delivered:
        endpoint = await webhooks.endpoint_of(self._pool, UUID(str(letter.mandate_id)), letter.recipient)
        if endpoint is None or endpoint.disabled_at is not None:
            return letter, Outcome(Verdict.REFUSED, "the endpoint is gone or disabled")
        attempt = await self.attempt(endpoint, letter)
        if attempt.ok:
            await webhooks.works(self._pool, endpoint)
            return letter, Outcome(Verdict.SENT, attempt.detail)
        now = self._now()
        if attempt.gone:
            await webhooks.disable(self._pool, endpoint, attempt.detail, now)
            return letter, Outcome(Verdict.REFUSED, attempt.detail)
        if endpoint.failing_since is not None and now - endpoint.failing_since >= LASTING:
            reason = f"it has failed for {LASTING.days} days: {attempt.detail}"
            await webhooks.disable(self._pool, endpoint, reason, now)
            return letter, Outcome(Verdict.REFUSED, attempt.detail)
        await webhooks.fails(self._pool, endpoint, now)
        return letter, Outcome(Verdict.LATER, attempt.detail)
