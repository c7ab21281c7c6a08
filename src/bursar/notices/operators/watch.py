"""The messenger's watch for operators: looks at overdue holds, verifies the books, and mails what there is."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from bursar.ledger.verify import verify
from bursar.notices.channels import Channel, ChannelUnreachable, Letter, Verdict
from bursar.notices.operators import store
from bursar.notices.operators.mail import render_alerts
from bursar.notices.operators.rules import HOLD_OVERDUE, Happened, OperatorKind
from bursar.notices.retries import retry_after

if TYPE_CHECKING:
    from asyncpg import Pool

log = structlog.get_logger(__name__)

TELL_SECONDS: Final = 2.0
LOOK_EVERY: Final = timedelta(minutes=1)
VERIFY_AGAIN_AFTER: Final = timedelta(hours=1)
"""Where it broke off, such as when the database went away."""
OVERDUE_GRACE: Final = timedelta(minutes=5)
"""After a hold's expiry. A reaper that waits a whole TTL after the database was away is no anomaly."""


@dataclass(frozen=True, slots=True)
class OperatorSettings:
    """`emails` may be empty: then what happens is counted, and stays in the log and in the metrics."""

    emails: tuple[str, ...]
    language: str
    url: str
    verify_every: timedelta
    """Zero switches verification off."""


class OperatorWatch:
    """`start`, then `stop`; or `look`, `verify` and `tell` by hand, as tests do. The channel stays its owner's."""

    def __init__(
        self,
        pool: Pool,
        channel: Channel,
        settings: OperatorSettings,
        *,
        message_domain: str,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`pool` is `bursar_ledger`'s. `now` is for tests."""
        self._pool = pool
        self._channel = channel
        self._settings = settings
        self._message_domain = message_domain
        self._now = now or (lambda: datetime.now(UTC))
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        # A large journal takes minutes to verify, and operators are told meanwhile.
        works = {"watch": (self.look, self.tell), "verify": (self.verify,)}
        self._tasks = [asyncio.create_task(self._run(steps), name=f"operator-{name}") for name, steps in works.items()]

    async def stop(self) -> None:
        tasks, self._tasks = self._tasks, []
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    async def look(self) -> None:
        """Once a minute over all servers: holds that nobody resolves."""
        at = self._now()
        if await store.takes_turn(self._pool, "overdue_holds", at, LOOK_EVERY):
            count = await store.overdue_holds(self._pool, at, OVERDUE_GRACE)
            if count:
                await store.note(self._pool, [Happened(OperatorKind.HOLD_ANOMALY, HOLD_OVERDUE, count, {})], at)

    async def verify(self) -> None:
        """As often as the settings say, over all servers: every invariant of the books."""
        at, every = self._now(), self._settings.verify_every
        if not every or not await store.takes_turn(self._pool, "verify", at, every):
            return
        try:
            found = [violation for violation in await verify(self._pool) if not violation.is_warning]
        except Exception:
            await store.gives_turn_back(self._pool, "verify", at - every + min(every, VERIFY_AGAIN_AFTER))
            raise
        counts = Counter(violation.invariant for violation in found)
        first = {violation.invariant: violation for violation in reversed(found)}
        news = [
            Happened(
                OperatorKind.VERIFICATION_FAILED,
                invariant,
                count,
                {"mandate_id": str(first[invariant].mandate_id), "detail": first[invariant].detail},
            )
            for invariant, count in counts.items()
        ]
        for each in news:
            log.error("verification_failed", invariant=each.subject, count=each.count, alert="operator", **each.facts)
        await store.note(self._pool, news, at)

    async def tell(self) -> int:
        """Mail everything that may be told, to every operator; answers to how many it went."""
        if not self._settings.emails:
            return 0
        at = self._now()
        claim = await store.claim(self._pool, at)
        if claim is None:
            return 0
        sent = await self._deliver(self._letters(claim, at))
        if sent:
            await store.told(self._pool, claim, at)
        else:
            await store.try_again(self._pool, claim, at + retry_after(claim.attempts))
        return sent

    def _letters(self, claim: store.Claim, at: datetime) -> Sequence[Letter]:
        mail = render_alerts(claim.alerts, self._settings.language, url=self._settings.url)
        return [
            Letter(
                recipient=email,
                message_id=f"<{claim.claim_id}.{place}@{self._message_domain}>",
                subject=mail.subject,
                text=mail.text,
                html=mail.html,
                language=mail.language,
                date=at,
            )
            for place, email in enumerate(self._settings.emails)
        ]

    async def _deliver(self, letters: Sequence[Letter]) -> int:
        sent = 0
        try:
            async with aclosing(self._channel.deliver(letters, go_on=lambda: True)) as deliveries:
                async for news in deliveries:
                    for letter, outcome in news:
                        sent += outcome.verdict is Verdict.SENT
                        if outcome.verdict is not Verdict.SENT:
                            log.warning("operator_not_told", recipient=letter.recipient, reply=outcome.detail)
        except ChannelUnreachable as error:
            log.warning("operators_not_told", error=str(error))
        return sent

    async def _run(self, steps: Sequence[Callable[[], Awaitable[object]]]) -> None:
        while True:
            for step in steps:
                try:
                    await step()
                except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                    log.warning("operator_watch_disturbed", error=repr(error))
                except Exception:
                    log.exception("operator_watch_failed")
            await asyncio.sleep(TELL_SECONDS)
