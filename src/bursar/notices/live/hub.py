"""The hub of one worker: hears what has changed, reads it once, and tells every open page that may see it.

Whatever changes while it is telling is told in the next round, and the pause between rounds grows with the number of
pages: their share of the worker stays small however many there are, and however busy the ledger is.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter, defaultdict
from collections.abc import Awaitable, Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final
from uuid import UUID

import asyncpg
import structlog

from bursar.foundation.database import Database
from bursar.foundation.problems import Problem
from bursar.identity.authenticator import Authenticator, IdentityUnavailable
from bursar.identity.listener import Listener
from bursar.identity.revision import CHANNEL as IDENTITY_CHANNEL
from bursar.identity.revision import read_payload as read_identity_payload
from bursar.ledger.announcing import CHANNEL as MONEY_CHANNEL
from bursar.ledger.announcing import read_payload as read_money_payload
from bursar.notices.live import reading
from bursar.notices.live.reading import Figures
from bursar.notices.live.standing import Standing, still_standing

INBOX_CHANNEL: Final = "bursar_inbox"
MOST_PER_CALLER: Final = 100
_TROUBLE: Final = (OSError, asyncpg.PostgresError, asyncpg.InterfaceError, TimeoutError, IdentityUnavailable)
log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class LivePace:
    """In seconds."""

    pause_seconds: float = 0.2
    """Between two rounds, at least."""
    seconds_per_page: float = 0.001
    """A page costs some 40 µs a round: so all of them together get a twenty-fifth of the worker at most."""
    standing_seconds: float = 5.0
    """How often it is asked whether everybody may still see what they see."""
    look_seconds: float = 60.0
    """How often figures are read although nobody said that they have changed: a word may get lost."""
    alive_seconds: float = 15.0
    """After so long without news a page is told that it is still connected."""


@dataclass(eq=False, slots=True)
class Page:
    """One open connection: what it may see, and what it has not been told yet."""

    standing: Standing
    caller: str
    wallet: UUID | None
    """The only account that it sees; `None` sees all of the mandate."""
    reader: UUID | None
    """Whose notices are counted; `None` is nobody's."""
    accounts: dict[UUID, bytes] = field(default_factory=dict)
    unread: int | None = None
    ended: str | None = None
    woken: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def mandate_id(self) -> UUID:
        return self.standing.mandate_id

    def end(self, why: str) -> None:
        self.ended = why
        self.woken.set()


class LiveHub:
    """`start`, `join` and `leave` pages, `stop`."""

    def __init__(self, database: Database, authenticator: Authenticator, *, pace: LivePace | None = None) -> None:
        self._database = database
        self._authenticator = authenticator
        self.pace = pace or LivePace()
        self._pages: defaultdict[UUID, set[Page]] = defaultdict(set)
        self._callers: Counter[str] = Counter()
        self._reading = asyncio.Lock()
        """Whoever joins and whoever tells read one after the other, so that no page goes back to an older figure."""
        self._accounts: set[tuple[UUID, UUID]] = set()
        self._whole: set[UUID] = set()
        self._inboxes: set[tuple[UUID, UUID]] = set()
        self._changed = asyncio.Event()
        self._doubted = asyncio.Event()
        self._versions: dict[UUID, int] = {}
        self._stopped = False
        channels = {
            MONEY_CHANNEL: self._heard_money,
            INBOX_CHANNEL: self._heard_inbox,
            IDENTITY_CHANNEL: self._heard_identity,
        }
        self._listener = Listener(database, channels, self._missed_some, name="live")
        self._tasks: list[asyncio.Task[None]] = []

    async def start(self) -> None:
        self._listener.start()
        self._tasks = [
            asyncio.create_task(self._run(), name="live-telling"),
            asyncio.create_task(self._ask_standing(), name="live-standing"),
            asyncio.create_task(self._look_again(), name="live-looking"),
        ]

    async def stop(self) -> None:
        self.end_all()
        await self._listener.stop()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def wait_until_listening(self) -> None:
        await self._listener.listening.wait()

    def end_all(self) -> None:
        """The worker is about to stop: pages come back to another one."""
        self._stopped = True
        for page in self._all():
            page.end("stopping")

    @property
    def open_pages(self) -> int:
        return sum(map(len, self._pages.values()))

    # --- pages -------------------------------------------------------------------------------------------------------

    async def join(self, page: Page) -> None:
        """From now on the page is told; what there is now, it has with this. Raises a 429 `Problem`."""
        if self._callers[page.caller] >= MOST_PER_CALLER:
            detail = f"There can be {MOST_PER_CALLER} live connections of one caller on a worker."
            raise Problem(429, "too_many", "Too many connections", detail, headers={"retry-after": "10"})
        self._callers[page.caller] += 1
        try:
            async with self._reading:
                await self._read_first(page)
                self._pages[page.mandate_id].add(page)
        except BaseException:
            self._forget_caller(page)
            raise
        if self._stopped:
            page.end("stopping")

    def leave(self, page: Page) -> None:
        pages = self._pages.get(page.mandate_id)
        if pages is None or page not in pages:
            return
        pages.discard(page)
        self._forget_caller(page)
        if not pages:
            del self._pages[page.mandate_id]
            self._versions.pop(page.mandate_id, None)

    async def _read_first(self, page: Page) -> None:
        pool, mandate_id = self._database.ledger_pool, page.mandate_id
        if page.wallet is None:
            found = await reading.all_accounts(pool, mandate_id)
        else:
            found = await reading.accounts(pool, [(mandate_id, page.wallet)])
            found = found or [reading.empty_account(mandate_id, page.wallet)]
        page.accounts = {each.account_id: each.json for each in found}
        if page.reader is not None:
            reader = (mandate_id, page.reader)
            page.unread = (await reading.unread(pool, [reader])).get(reader, 0)
        page.woken.set()

    def _forget_caller(self, page: Page) -> None:
        self._callers[page.caller] -= 1
        if not self._callers[page.caller]:
            del self._callers[page.caller]

    def _all(self) -> list[Page]:
        return [page for pages in self._pages.values() for page in pages]

    # --- hearing -----------------------------------------------------------------------------------------------------

    def _heard_money(self, payload: str) -> None:
        with suppress(ValueError):
            changed = [pair for pair in read_money_payload(payload) if pair[0] in self._pages]
            if changed:
                self._accounts.update(changed)
                self._changed.set()

    def _heard_inbox(self, payload: str) -> None:
        mandate, _, user = payload.partition(" ")
        with suppress(ValueError):
            reader = (UUID(mandate), UUID(user))
            if reader[0] in self._pages:
                self._inboxes.add(reader)
                self._changed.set()

    def _heard_identity(self, payload: str) -> None:
        """Terms may be others now (a credit limit), and so may be what somebody is."""
        news = read_identity_payload(payload)
        if news is not None and news[0] in self._pages:
            self._whole.add(news[0])
            self._changed.set()
            self._doubted.set()

    def _missed_some(self) -> None:
        self._whole.update(self._pages)
        self._inboxes.update((page.mandate_id, page.reader) for page in self._all() if page.reader is not None)
        self._changed.set()
        self._doubted.set()

    # --- telling -----------------------------------------------------------------------------------------------------

    async def _run(self) -> None:
        while True:
            await self._changed.wait()
            self._changed.clear()
            whole, accounts, inboxes = self._whole, self._accounts, self._inboxes
            self._whole, self._accounts, self._inboxes = set(), set(), set()
            try:
                told = await self._tell(whole, accounts, inboxes)
            except _TROUBLE as error:
                log.warning("live_figures_not_read", error=repr(error))
                self._whole |= whole | {mandate_id for mandate_id, _ in accounts}
                self._inboxes |= inboxes
                self._changed.set()
                told = 1000
            await asyncio.sleep(max(self.pace.pause_seconds, told * self.pace.seconds_per_page))

    async def _tell(self, whole: set[UUID], accounts: set[tuple[UUID, UUID]], inboxes: set[tuple[UUID, UUID]]) -> int:
        """Read what has changed, and hand it to whoever may see it; how many pages have news."""
        pool = self._database.ledger_pool
        some = [pair for pair in accounts if pair[0] in self._pages and pair[0] not in whole]
        readers = [reader for reader in inboxes if reader[0] in self._pages]
        woken: set[Page] = set()
        async with self._reading:
            found = await reading.accounts(pool, some) if some else []
            for mandate_id in whole & self._pages.keys():
                found += await reading.all_accounts(pool, mandate_id)
            counts = await reading.unread(pool, readers) if readers else {}
            woken.update(self._hand_out(found))
            for (mandate_id, user_id), unread in counts.items():
                for page in self._pages.get(mandate_id, ()):
                    if page.reader == user_id:
                        page.unread = unread
                        woken.add(page)
        for page in woken:
            page.woken.set()
        return len(woken)

    def _hand_out(self, found: Iterable[Figures]) -> Iterable[Page]:
        for each in found:
            for page in self._pages.get(each.mandate_id, ()):
                if page.wallet is None or page.wallet == each.account_id:
                    page.accounts[each.account_id] = each.json
                    yield page

    # --- clockwork ---------------------------------------------------------------------------------------------------

    async def _ask_standing(self) -> None:
        """End the pages of those who signed out, were signed out, or are not what they were."""
        while True:
            with suppress(TimeoutError):
                async with asyncio.timeout(self.pace.standing_seconds):
                    await self._doubted.wait()
            self._doubted.clear()
            began = time.monotonic()
            await self._try(self._end_who_may_not)
            # Many changes in a row are one doubt.
            await asyncio.sleep(min(1.0, 0.2 + 10 * (time.monotonic() - began)))

    async def _end_who_may_not(self) -> None:
        pages = self._all()
        if not pages:
            return
        good = await still_standing(self._database, self._authenticator, [page.standing for page in pages])
        for page, stands in zip(pages, good, strict=True):
            if not stands:
                page.end("signedOut")

    async def _look_again(self) -> None:
        while True:
            await asyncio.sleep(self.pace.look_seconds)
            await self._try(self._find_changed)

    async def _find_changed(self) -> None:
        if not self._pages:
            return
        found = await reading.versions(self._database.ledger_pool, list(self._pages))
        changed = {mandate_id for mandate_id, version in found.items() if self._versions.get(mandate_id) != version}
        self._versions.update(found)
        if changed:
            self._whole |= changed
            self._changed.set()

    async def _try(self, step: Callable[[], Awaitable[None]]) -> None:
        try:
            await step()
        except _TROUBLE as error:
            log.warning("live_step_failed", step=getattr(step, "__name__", ""), error=repr(error))
