"""Looks at balances, burn rates and limits every few seconds, and tells what has crossed a line.

From the database, not in the batches of the ledger (docs/decisions/0009-observed-notices.md). What a look costs is what
has moved since the last one, and one page of the rest. Any number of workers may look: what they find is decided under
the alert's lock, so that it is told once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg
import structlog

from bursar.foundation.database import Connection
from bursar.foundation.ids import new_id
from bursar.notices import looking, store
from bursar.notices.changes import Changes
from bursar.notices.kinds import BALANCE_LOW, CREDIT_EXPIRING, LIMIT_NEAR, LIMIT_REACHED, RUNNING_OUT
from bursar.notices.levels import (
    EXPIRING_BEFORE,
    LOOKS_BACK,
    Observation,
    Told,
    balance_seen,
    burn_seen,
    cap_seen,
    expiring_seen,
    is_news,
    observed,
    thresholds,
)
from bursar.notices.looking import FIRST, LAST, Looked, Named, Page, Place, Table
from bursar.notices.rider import apply
from bursar.notices.rules import Verdict
from bursar.notices.store import AlertKey

if TYPE_CHECKING:
    from asyncpg import Pool

    from bursar.notices.store import Row

log = structlog.get_logger(__name__)

Seen: TypeAlias = Iterator[tuple[AlertKey, Observation]]
_BALANCE_KINDS: Final = (BALANCE_LOW.name,)
_CAP_KINDS: Final = (LIMIT_NEAR.name, LIMIT_REACHED.name)
_BURN_KINDS: Final = (RUNNING_OUT.name,)
_AWAY: Final = (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError)
_TROUBLE: Final = (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError)


@dataclass(frozen=True, slots=True)
class ObservingPace:
    """How often, in seconds, and how much at once.

    Every `look_seconds` what has moved is looked at, and a page each of all balances and limits, for what nobody said:
    a line that was drawn elsewhere, a word that got lost. After a gap in what is heard, pages follow one another every
    `hurry_seconds`, until all have been looked at. The week's charges are summed up page by page, at most one round in
    `burn_seconds`.
    """

    look_seconds: float = 5.0
    hurry_seconds: float = 0.2
    burn_seconds: float = 300.0
    accounts: int = 5_000
    limits: int = 2_000
    burnt_accounts: int = 2_500
    moved_accounts: int = 1_000
    changed_mandates: int = 20


class Observer:
    """`start`, then `stop`; or `look` and `look_at_burn` by hand, as tests do, with a clock of their own."""

    def __init__(
        self,
        pool: Pool,
        *,
        changes: Changes | None = None,
        pace: ObservingPace | None = None,
        now: Callable[[], datetime] | None = None,
    ) -> None:
        """`pool` is `bursar_ledger`'s; without `changes`, all is found page by page. `now` replaces the database's
        time, for tests."""
        self._pool = pool
        self._changes = changes
        self._pace = pace or ObservingPace()
        self._now = now
        self._places: dict[Table, Place] = {"account": FIRST, "spending_limit": FIRST}
        self._in_doubt: set[Table] = set(self._places)
        """Of what not everything has been looked at since words may have got lost."""
        self._burn_place: Place | None = None
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="notices-observer")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def look(self) -> int:
        """All balances and limits, page by page; answers how many notices began or ended."""
        self._places = dict.fromkeys(self._places, FIRST)
        self._in_doubt = set(self._places)
        changed = 0
        while self._in_doubt:
            for table in sorted(self._in_doubt):
                changed += await self._look_at_page(table)
        return changed

    async def look_at_burn(self) -> int:
        """When money will end, page by page, and credit that will expire; answers how many notices began or ended."""
        changed = await self._look_at_vouchers()
        self._burn_place = FIRST
        while self._burn_place is not None:
            changed += await self._look_at_burn_page(self._burn_place)
        return changed

    async def look_at_changes(self) -> int:
        """What has moved since this was called last; answers how many notices began or ended."""
        if self._changes is None:
            return 0
        if self._changes.take_missed():
            self._places = dict.fromkeys(self._places, FIRST)
            self._in_doubt = set(self._places)
        changed = 0
        accounts, at_once = self._changes.take_accounts(), self._pace.moved_accounts
        for first in range(0, len(accounts), at_once):
            moved = Named(accounts[first : first + at_once])
            changed += await self._look_at_balances(moved)
            changed += await self._look_at_caps(moved)
        for mandate_id in self._changes.take_mandates(self._pace.changed_mandates):
            # Its pool; and of its wallets a page, the others come with the pages.
            changed += await self._look_at_balances(Named([(mandate_id, mandate_id)]))
            changed += await self._look_at_caps(Named([(mandate_id, mandate_id)]))
            after, last = Place(mandate_id, FIRST.item_id), Place(mandate_id, LAST.item_id)
            async with looking.one_look(self._pool) as connection:
                page = await looking.page_from(connection, "account", after, self._pace.accounts)
            changed += await self._look_at_balances(Page(after, min(page.upto, last)))
        return changed

    async def look_at_next_page(self) -> int:
        """A page of balances and a page of limits; answers how many notices began or ended."""
        return sum([await self._look_at_page(table) for table in self._places])

    async def _look_at_page(self, table: Table) -> int:
        rows = self._pace.accounts if table == "account" else self._pace.limits
        async with looking.one_look(self._pool) as connection:
            page = await looking.page_from(connection, table, self._places[table], rows)
        # First of all, so that a page that cannot be looked at does not keep all the others from it.
        self._places[table] = FIRST if page.upto == LAST else page.upto
        if page.upto == LAST:
            self._in_doubt.discard(table)
        return await (self._look_at_balances(page) if table == "account" else self._look_at_caps(page))

    async def _look_at_balances(self, looked: Looked) -> int:
        async with looking.one_look(self._pool) as connection:
            told = await looking.told(connection, "account", looked, _BALANCE_KINDS)
            seen = dict(_balances(await looking.low_balances(connection, looked)))
        return await self._settle(seen, told)

    async def _look_at_caps(self, looked: Looked) -> int:
        async with looking.one_look(self._pool) as connection:
            told = await looking.told(connection, "spending_limit", looked, _CAP_KINDS)
            seen = dict(_caps(await looking.used_caps(connection, looked, self._at())))
        return await self._settle(seen, told)

    async def _look_at_burn_page(self, after: Place) -> int:
        async with looking.one_look(self._pool) as connection:
            page = await looking.page_from(connection, "account", after, self._pace.burnt_accounts)
            self._burn_place = None if page.upto == LAST else page.upto
            told = await looking.told(connection, "account", page, _BURN_KINDS)
            seen = dict(_burn(await looking.burn_rates(connection, page, LOOKS_BACK, self._at())))
        return await self._settle(seen, told)

    async def _look_at_vouchers(self) -> int:
        async with looking.one_look(self._pool) as connection:
            told = await looking.told(connection, "account", Page(FIRST, LAST), (CREDIT_EXPIRING.name,))
            found = await looking.expiring_vouchers(connection, max(EXPIRING_BEFORE), self._at())
        return await self._settle(dict(_expiring(found)), told)

    async def _settle(self, seen: Mapping[AlertKey, Observation], told: Mapping[AlertKey, Told]) -> int:
        """Decide account by account what is news; what was told and was not seen at all has ended."""
        changed = 0
        for key in sorted(seen.keys() | told.keys()):
            found = seen.get(key, _NOTHING)
            if not is_news(told.get(key), found):
                continue
            try:
                changed += await self._decide(key, found)
            except _TROUBLE:
                raise
            except Exception:
                # One account that cannot be told of must not keep the others from it.
                log.exception("observation_not_settled", mandate_id=str(key.mandate_id), kind=key.kind)
        return changed

    async def _decide(self, key: AlertKey, seen: Observation) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            moment = await self._moment(connection)
            watched = (await store.watch(connection, [key], begins={key} if seen.crossed else ())).get(key)
            if watched is None or not watched.exists:
                return False
            alert = watched.alert
            step = observed(alert, seen, watched.policy, moment, shortage_id=new_id(), slot_id=new_id())
            if step.alert is alert:
                return False
            facts = {key: seen.facts} if seen.facts is not None else {}
            await store.note_facts(connection, facts)
            await apply(connection, [step], [key] if step.verdict is Verdict.RESOLVED else [], moment, facts=facts)
            return step.verdict is not Verdict.NOTHING

    async def _run(self) -> None:
        next_burn = 0.0
        while True:
            await self._tried(self.look_at_changes, self._doubt)
            await self._tried(self.look_at_next_page)
            if self._burn_place is not None:
                await self._tried(partial(self._look_at_burn_page, self._burn_place))
            elif time.monotonic() >= next_burn:
                next_burn = time.monotonic() + self._pace.burn_seconds
                await self._tried(self._look_at_vouchers)
                await self._tried(partial(self._look_at_burn_page, FIRST))
            await asyncio.sleep(self._pace.hurry_seconds if self._in_doubt else self._pace.look_seconds)

    async def _tried(self, look: Callable[[], Awaitable[object]], missed: Callable[[], None] = lambda: None) -> None:
        """One look that goes wrong keeps none of the others from theirs. No hurry where the database has trouble."""
        try:
            await look()
        except Exception as error:
            if isinstance(error, _AWAY):
                log.warning("notices_not_observed", error=repr(error))
            else:
                log.exception("notices_observer_failed")
            self._in_doubt.clear()
            missed()

    def _doubt(self) -> None:
        """What was taken may not have been looked at: all of it again."""
        if self._changes is not None:
            self._changes.doubt()

    def _at(self) -> datetime | None:
        return self._now() if self._now is not None else None

    async def _moment(self, connection: Connection) -> datetime:
        at = self._at()
        moment: datetime = at if at is not None else await connection.fetchval("SELECT now()")
        return moment


_NOTHING: Final = Observation(crossed=False, cleared=True, level_nanos=0, available_nanos=0)
_PERCENT_REACHED: Final = 100


def _balances(rows: Sequence[Row]) -> Seen:
    for row in rows:
        lines = thresholds(row["amounts"], row["percents"], row["last_top_up_nanos"])
        yield AlertKey(row["mandate_id"], BALANCE_LOW.name, row["account_id"]), balance_seen(row["available"], lines)


def _burn(rows: Sequence[Row]) -> Seen:
    for row in rows:
        now = row["now"]
        span = now - row["first_at"] if row["first_at"] is not None else timedelta(0)
        seen = burn_seen(row["available"], row["spent"] or 0, span, now, timedelta(hours=row["hours"]))
        yield AlertKey(row["mandate_id"], RUNNING_OUT.name, row["account_id"]), seen


def _expiring(rows: Sequence[Row]) -> Seen:
    for row in rows:
        seen = expiring_seen(row["amount"], row["vouchers"], row["first_at"], row["now"])
        yield AlertKey(row["mandate_id"], CREDIT_EXPIRING.name, row["mandate_id"]), seen


def _caps(rows: Sequence[Row]) -> Seen:
    for row in rows:
        if row["used"] is None:
            continue
        facts = {
            "scope": row["scope"],
            "scopeId": row["scope_id"],
            "name": row["name"],
            "period": row["period"],
            "own": row["own"],
            "resetsAt": None if row["period"] == "total" else row["period_end"].isoformat(),
        }
        amount, used, start = row["amount_nanos"], row["used"], row["period_start"]
        reached = cap_seen(amount, used, _PERCENT_REACHED, period_start=start, facts=facts)
        yield AlertKey(row["mandate_id"], LIMIT_REACHED.name, row["limit_id"]), reached
        if row["percent"]:
            near = cap_seen(amount, used, row["percent"], period_start=start, facts=facts)
            # Whoever hears that it is reached need not hear that it is near; and not afterwards, when a hold ends.
            near = replace(near, crossed=False) if reached.crossed else near
            yield AlertKey(row["mandate_id"], LIMIT_NEAR.name, row["limit_id"]), near
