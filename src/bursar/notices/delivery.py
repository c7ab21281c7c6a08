"""The worker that delivers: claims due rows, hands letters to their channel, records how each ended.

Any number of workers may run, in any number of processes. A worker that dies between sending and recording lets its
claim run out; the mail then goes out a second time under the same Message-ID: twice rather than never.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final

import asyncpg
import structlog

from bursar.billing.refusal import billing_url
from bursar.notices import outbox, store
from bursar.notices.channels import Channel, ChannelUnreachable, Letter, Outcome, Verdict
from bursar.notices.counting import CountedChannel
from bursar.notices.event import event_of
from bursar.notices.followup import look_again, resolve_ended
from bursar.notices.kinds import TOLD_ONCE
from bursar.notices.levels import still_so
from bursar.notices.mail import render
from bursar.notices.outbox import Claimed, Ended
from bursar.notices.retries import State, gives_up, retry_after
from bursar.notices.unsubscribing import UnsubscribeLinks
from bursar.notices.wording import MailFacts

if TYPE_CHECKING:
    from asyncpg import Pool

log = structlog.get_logger(__name__)

# A connection that is cut in the middle of a statement is at times taken for an error of asyncpg's own.
_DATABASE_TROUBLE: Final = (
    asyncpg.PostgresError,
    asyncpg.InterfaceError,
    asyncpg.InternalClientError,
    OSError,
    TimeoutError,
)
_RECORD_PAUSES_SECONDS: Final = (0.0, 0.2, 1.0, 3.0, 10.0)
_FOR_GOOD: Final[Mapping[Verdict, State]] = {
    Verdict.SENT: "SENT",
    Verdict.REFUSED: "REFUSED",
    Verdict.FAILED: "FAILED",
}


@dataclass(frozen=True, slots=True)
class DeliveryPace:
    """How fast, in seconds where not said otherwise. The lease must be longer than `begin` plus one letter's timeouts.

    `begin` is how long after the claim a letter may still be begun; `rest` how long a channel is left alone after it
    could not be reached: the first time, doubling up to the last.
    """

    poll_seconds: float = 0.5
    batch_letters: int = 200
    lease_seconds: float = 300.0
    begin_seconds: float = 120.0
    rest_seconds: tuple[float, float] = (1.0, 30.0)


class Delivery:
    """`start`, then `stop`; or `work_once` by hand, as tests do, with a clock of their own."""

    def __init__(
        self,
        pool: Pool,
        channels: Iterable[Channel],
        *,
        public_url: str,
        message_domain: str = "bursar.invalid",
        links: UnsubscribeLinks | None = None,
        pace: DeliveryPace | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`pool` is `bursar_ledger`'s. `now` replaces the database's time, for tests."""
        self._pool = pool
        self._channels = {channel.name: channel for channel in channels}
        self._public_url = public_url
        self._message_domain = message_domain
        self._links = links
        self._pace = pace or DeliveryPace()
        self._now = now
        self._stopping = asyncio.Event()
        self._tasks: list[asyncio.Task[None]] = []
        self._resting: dict[str, tuple[float, float]] = {}

    @property
    def mail(self) -> Channel:
        """The channel of mails, for who has other letters to send. It is closed when this stops."""
        return self._channels[store.EMAIL]

    @property
    def message_domain(self) -> str:
        """What stands behind the `@` of a `Message-ID`."""
        return self._message_domain

    def outcomes(self) -> Counter[str]:
        """Letters by how they ended, over all channels that count."""
        counted = (channel for channel in self._channels.values() if isinstance(channel, CountedChannel))
        return sum((channel.outcomes for channel in counted), Counter())

    async def start(self) -> None:
        self._stopping.clear()
        works = {"shortages": self.look_again}
        works |= {name: partial(self.work_channel, name) for name in self._channels}
        # Each channel at its own pace: a webhook that hangs must not keep mails waiting.
        self._tasks = [asyncio.create_task(self._run(work), name=f"notices-{name}") for name, work in works.items()]

    async def stop(self, *, grace_seconds: float = 10.0) -> None:
        """Begin no more letters, record those that are out, hand back the rest. What hangs is cut off after a while."""
        self._stopping.set()
        tasks, self._tasks = self._tasks, []
        if tasks:
            await asyncio.wait(tasks, timeout=grace_seconds)
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)
        for channel in self._channels.values():
            await channel.close()

    async def work_once(self) -> int:
        """One round of everything; answers how many alerts and rows were due. Raises what the database raises."""
        worked = await self.look_again()
        for name in self._channels:
            worked += await self.work_channel(name)
        return worked

    async def look_again(self) -> int:
        """Tell of shortages that are due; answers how many there were."""
        return await look_again(self._pool, limit=self._pace.batch_letters, at=self._now and self._now())

    async def work_channel(self, name: str) -> int:
        """Claim what is due by one channel, deliver it, record how it ended; answers how many rows were due."""
        if self._rests(name):
            return 0
        claimed = await outbox.claim(
            self._pool,
            channels=(name,),
            limit=self._pace.batch_letters,
            lease_seconds=self._pace.lease_seconds,
            message_domain=self._message_domain,
            at=self._now and self._now(),
        )
        begin_until = time.monotonic() + self._pace.begin_seconds
        if rows := await self._sift(claimed):
            await self._deliver(self._channels[name], rows, begin_until)
        return len(claimed)

    async def _run(self, work: Callable[[], Awaitable[int]]) -> None:
        pause = 0.0
        while not self._stopping.is_set():
            try:
                worked = await work()
                pause = 0.0 if worked >= self._pace.batch_letters else self._pace.poll_seconds
            except _DATABASE_TROUBLE as error:
                pause = min(max(pause * 2, self._pace.poll_seconds), 10.0)
                log.warning("notices_database_unavailable", error=repr(error))
            except Exception:
                pause = min(max(pause * 2, self._pace.poll_seconds), 60.0)
                log.exception("notices_worker_failed")
            if pause:
                try:
                    await asyncio.wait_for(self._stopping.wait(), timeout=pause)
                except TimeoutError:
                    continue

    async def _sift(self, claimed: Sequence[Claimed]) -> list[Claimed]:
        """Rows that are still worth sending; the others are withdrawn, and shortages that have ended are closed."""
        ended = [row for row in claimed if not still_so(row.kind, row.funds, row.figures.required_nanos)]
        if ended:
            await resolve_ended(self._pool, [row.alert_key for row in ended], self._now and self._now())
            await self._record([_handed_back(row) for row in ended])
        outdated = [row for row in claimed if row.outdated]
        if outdated:
            await self._record([Ended(row, "CANCELLED", error="it is not so any more") for row in outdated])
        silenced = [row for row in claimed if row.silent_until is not None and row.silent_until > row.claimed_at]
        if silenced:
            await self._record([_silenced(row) for row in silenced])
        over = {row.notice_id for row in (*ended, *outdated, *silenced)}
        unlisted = [row for row in claimed if not row.listed and row.notice_id not in over]
        if unlisted:
            error = "the settings no longer name this recipient"
            await self._record([Ended(row, "CANCELLED", error=error) for row in unlisted])
        return [row for row in claimed if row.listed and row.notice_id not in over]

    async def _deliver(self, channel: Channel, rows: Sequence[Claimed], begin_until: float) -> None:
        open_rows: dict[str, Claimed] = {}
        letters: list[Letter] = []
        broken: list[Ended] = []
        for row in rows:
            try:
                letters.append(self._letter(row))
                open_rows[row.message_id] = row
                await asyncio.sleep(0)  # Writing many mails takes a while, and others want the loop, too.
            except Exception as error:
                # One mandate's notice that cannot be written must not keep the others from theirs.
                log.exception("notice_not_written", notice_id=str(row.notice_id), mandate_id=str(row.mandate_id))
                broken.append(Ended(row, "FAILED", error=f"the notice cannot be written: {error!r}"))
        if broken:
            await self._record(broken)
        try:
            async with aclosing(channel.deliver(letters, go_on=lambda: self._goes_on(begin_until))) as deliveries:
                async for news in deliveries:
                    ended = [self._ended(open_rows.pop(letter.message_id), outcome) for letter, outcome in news]
                    await self._record(ended)
                    self._resting.pop(channel.name, None)
        except ChannelUnreachable as error:
            self._let_rest(channel.name, str(error))
            later = Outcome(Verdict.LATER, str(error))
            await self._record([self._ended(row, later) for row in open_rows.values()])
        except Exception as error:
            self._let_rest(channel.name, repr(error))
            log.exception("notice_channel_failed", channel=channel.name)
            later = Outcome(Verdict.LATER, repr(error))
            await self._record([self._ended(row, later) for row in open_rows.values()])
        else:
            await self._record([_handed_back(row) for row in open_rows.values()])

    def _goes_on(self, begin_until: float) -> bool:
        return not self._stopping.is_set() and time.monotonic() < begin_until

    @staticmethod
    def _ended(row: Claimed, outcome: Outcome) -> Ended:
        detail = _storable(outcome.detail)
        # Bad news is told anew when its slot is given back; the rest has no second chance but this one.
        again = outcome.verdict is Verdict.FAILED and row.kind in TOLD_ONCE
        if outcome.verdict is Verdict.LATER or again:
            if gives_up(row.updated_at, row.claimed_at):
                return Ended(row, "FAILED", error=detail)
            return Ended(row, "QUEUED", retry_after=retry_after(row.attempts), error=detail)
        state = _FOR_GOOD[outcome.verdict]
        if outcome.verdict is not Verdict.SENT:
            log.warning("notice_refused", recipient=row.recipient, mandate_id=str(row.mandate_id), reply=detail)
        return Ended(row, state, error=detail, dead_address=detail if outcome.dead_address else None)

    async def _record(self, ended: Sequence[Ended]) -> None:
        """Write outcomes down, and try hard: what is not recorded is sent again."""
        if not ended:
            return
        for attempt, pause in enumerate(_RECORD_PAUSES_SECONDS):
            await asyncio.sleep(pause)
            try:
                async with self._pool.acquire() as connection:
                    await outbox.record(connection, ended, self._now and self._now())
                return
            except _DATABASE_TROUBLE as error:
                log.warning("notice_outcome_not_recorded", error=repr(error), rows=len(ended))
                if attempt == len(_RECORD_PAUSES_SECONDS) - 1:
                    raise

    def _letter(self, row: Claimed) -> Letter:
        unsubscribe_url: str | None = None
        if self._links is not None and row.channel == store.EMAIL:
            unsubscribe_url = self._links.unsubscribe(row, row.claimed_at)
        mail = render(
            MailFacts(
                kind=row.kind,
                language=row.language,
                mandate_id=row.mandate_id,
                mandate_name=row.mandate_name,
                currency=row.currency,
                time_zone=row.time_zone,
                billing_model=row.billing_model,
                account_id=row.account_id,
                figures=row.figures,
                user_name=row.user_name,
                key_name=row.key_name,
                cooldown_seconds=row.cooldown_seconds,
                top_up_url=billing_url(self._public_url, row.mandate_id),
                requests=row.requests,
                unsubscribe_url=unsubscribe_url,
            )
        )
        return Letter(
            recipient=row.recipient,
            message_id=row.message_id,
            subject=mail.subject,
            text=mail.text,
            html=mail.html,
            language=mail.language,
            date=row.claimed_at,
            unsubscribe_url=unsubscribe_url,
            event=event_of(row),
            brief=mail.brief,
            mandate_id=row.mandate_id,
        )

    def _rests(self, channel: str) -> bool:
        until, _ = self._resting.get(channel, (0.0, 0.0))
        return time.monotonic() < until

    def _let_rest(self, channel: str, reason: str) -> None:
        first, longest = self._pace.rest_seconds
        _, last = self._resting.get(channel, (0.0, 0.0))
        pause = min(max(last * 2, first), longest)
        self._resting[channel] = (time.monotonic() + pause, pause)
        log.warning("notice_channel_unreachable", channel=channel, reason=reason, rest_seconds=pause)


def _handed_back(row: Claimed) -> Ended:
    """Not tried: due again at once."""
    return Ended(row, "QUEUED", retry_after=timedelta(0), handed_back=True)


def _silenced(row: Claimed) -> Ended:
    """Not tried: due again when the silence ends."""
    until = row.silent_until or row.claimed_at
    return Ended(row, "QUEUED", retry_after=until - row.claimed_at, error="silenced", handed_back=True)


def _storable(text: str) -> str:
    """What a server said, as PostgreSQL can keep it: no NUL, no lone surrogates."""
    return text.replace("\x00", "").encode("utf-8", "replace").decode("utf-8")
