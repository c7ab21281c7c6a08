"""Looks at balances, burn rates and limits every few seconds, and tells what has crossed a line.

From the database, not in the batches of the ledger (docs/decisions/0009-observed-notices.md). Any number of workers may
look: what they find is decided under the alert's lock, so that it is told once.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final, TypeAlias

import asyncpg
import structlog

from bursar.foundation.database import Connection
from bursar.foundation.ids import new_id
from bursar.notices import store
from bursar.notices.kinds import BALANCE_LOW, CREDIT_EXPIRING, LIMIT_NEAR, LIMIT_REACHED, RUNNING_OUT
from bursar.notices.levels import (
    EXPIRING_BEFORE,
    LOOKS_BACK,
    Observation,
    balance_seen,
    burn_seen,
    cap_seen,
    expiring_seen,
    observed,
    thresholds,
)
from bursar.notices.rider import apply
from bursar.notices.rules import Verdict
from bursar.notices.store import AlertKey

if TYPE_CHECKING:
    from asyncpg import Pool

    from bursar.notices.store import Row

log = structlog.get_logger(__name__)

Seen: TypeAlias = Iterator[tuple[AlertKey, Observation]]

# Accounts that pay, where their mandate wants to hear: under a line, or with a notice of it that has not ended.
_ACCOUNTS: Final = """
    SELECT * FROM (
        SELECT account.mandate_id, account.account_id, account.last_top_up_nanos,
               account.credits_posted - account.debits_posted - account.debits_pending
                   + CASE terms.billing_model WHEN 'POSTPAY' THEN terms.credit_limit_nanos ELSE 0 END AS available,
               array_remove(coalesce(wanted.low_amounts_nanos, '{}') || terms.low_balance_threshold_nanos, NULL)
                   AS amounts,
               coalesce(wanted.low_percents, '{}') AS percents,
               coalesce(wanted.running_out_hours, 72) AS hours,
               EXISTS (SELECT FROM alert WHERE alert.mandate_id = account.mandate_id AND alert.kind = $1
                          AND alert.account_id = account.account_id AND alert.shortage_id IS NOT NULL
                          AND alert.resolved_at IS NULL) AS is_open,
               account.credits_posted
          FROM account
          JOIN mandate ON mandate.mandate_id = account.mandate_id AND mandate.status = 'active'
          JOIN billing_settings AS terms ON terms.mandate_id = account.mandate_id
          LEFT JOIN notice_settings AS wanted ON wanted.mandate_id = account.mandate_id
         WHERE account.kind = CASE terms.billing_model WHEN 'PREPAY_USER' THEN 'wallet' ELSE 'pool' END
           AND terms.billing_model <> 'UNLIMITED') AS paying
"""

_BALANCES: Final = (
    _ACCOUNTS  # noqa: S608  (constants)
    + """
     WHERE is_open
        OR ((credits_posted > 0 OR available > 0) AND (
            available < (SELECT max(line) FROM unnest(amounts) AS line)
            OR available < (SELECT max(percent) FROM unnest(percents) AS percent) * (last_top_up_nanos / 100.0)))
"""
)

_BURN: Final = f"""
    SELECT paying.*, burnt.spent, burnt.first_at, coalesce($3, now()) AS now FROM ({_ACCOUNTS}) AS paying
      LEFT JOIN LATERAL (
           SELECT sum(transfer.amount_nanos)::bigint AS spent, min(transfer.at) AS first_at FROM transfer
            WHERE transfer.mandate_id = paying.mandate_id AND transfer.debit_account_id = paying.account_id
              AND transfer.kind IN ('CHARGE', 'LATE_ADJUSTMENT') AND transfer.at > coalesce($3, now()) - $2::interval
           ) AS burnt ON true
     WHERE paying.hours > 0 AND (paying.is_open OR burnt.spent > 0)
"""  # noqa: S608  (constants)

_CAPS: Final = """
    SELECT cap.mandate_id, cap.limit_id, cap.scope, cap.scope_id, cap.period, cap.amount_nanos,
           counter.spent_nanos + counter.held_nanos AS used, counter.period_start, counter.period_end,
           coalesce(wanted.limit_near_percent, 80) AS percent,
           CASE cap.scope WHEN 'key' THEN (SELECT name FROM api_key WHERE api_key.mandate_id = cap.mandate_id
                                              AND api_key.key_id::text = cap.scope_id) END AS name,
           cap.scope IN ('user', 'key') AS own
      FROM spending_limit AS cap
      JOIN mandate ON mandate.mandate_id = cap.mandate_id AND mandate.status = 'active'
      LEFT JOIN notice_settings AS wanted ON wanted.mandate_id = cap.mandate_id
      LEFT JOIN LATERAL (
           SELECT * FROM limit_counter AS running
            WHERE running.mandate_id = cap.mandate_id AND running.limit_id = cap.limit_id
              AND running.period_start <= coalesce($1, now()) AND running.period_end > coalesce($1, now())
            ORDER BY running.period_start DESC LIMIT 1) AS counter ON cap.deleted_at IS NULL
     WHERE counter.spent_nanos + counter.held_nanos >= cap.amount_nanos * 0.5
        OR EXISTS (SELECT FROM alert WHERE alert.mandate_id = cap.mandate_id AND alert.account_id = cap.limit_id
                      AND alert.resolved_at IS NULL AND alert.kind IN ('LIMIT_NEAR', 'LIMIT_REACHED'))
"""

_EXPIRING: Final = """
    SELECT voucher.for_mandate_id AS mandate_id, sum(voucher.amount_nanos)::bigint AS amount, count(*) AS vouchers,
           min(voucher.expires_at) AS first_at, coalesce($1, now()) AS now
      FROM voucher JOIN mandate ON mandate.mandate_id = voucher.for_mandate_id AND mandate.status = 'active'
     WHERE voucher.claimed_at IS NULL AND voucher.revoked_at IS NULL AND voucher.expires_at > coalesce($1, now())
       AND voucher.expires_at <= coalesce($1, now()) + $2::interval
     GROUP BY voucher.for_mandate_id
"""

_OPEN: Final = """
    SELECT mandate_id, kind, account_id FROM alert
     WHERE kind = ANY ($1::text[]) AND shortage_id IS NOT NULL AND resolved_at IS NULL
"""


@dataclass(frozen=True, slots=True)
class ObservingPace:
    """In seconds: how often balances and limits are looked at, and how often the week's charges are summed up."""

    look_seconds: float = 5.0
    burn_seconds: float = 300.0


class Observer:
    """`start`, then `stop`; or `look` and `look_at_burn` by hand, as tests do, with a clock of their own."""

    def __init__(
        self, pool: Pool, *, pace: ObservingPace | None = None, now: Callable[[], datetime] | None = None
    ) -> None:
        """`pool` is `bursar_ledger`'s. `now` replaces the database's time, for tests."""
        self._pool = pool
        self._pace = pace or ObservingPace()
        self._now = now
        self._task: asyncio.Task[None] | None = None

    async def start(self) -> None:
        self._task = asyncio.create_task(self._run(), name="notices-observer")

    async def stop(self) -> None:
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def look(self) -> int:
        """Balances and limits, once; answers how many notices began or ended."""
        at = self._at()
        balances = await self._pool.fetch(_BALANCES, BALANCE_LOW.name)
        caps = await self._pool.fetch(_CAPS, at)
        seen = {**dict(_balances(balances)), **dict(_caps(caps))}
        return await self._settle(seen, (BALANCE_LOW.name, LIMIT_NEAR.name, LIMIT_REACHED.name))

    async def look_at_burn(self) -> int:
        """When money will end, and credit that will expire, once; answers how many notices began or ended."""
        rows = await self._pool.fetch(_BURN, RUNNING_OUT.name, LOOKS_BACK, self._at())
        vouchers = await self._pool.fetch(_EXPIRING, self._at(), max(EXPIRING_BEFORE))
        seen = {**dict(_burn(rows)), **dict(_expiring(vouchers))}
        return await self._settle(seen, (RUNNING_OUT.name, CREDIT_EXPIRING.name))

    async def _settle(self, seen: Mapping[AlertKey, Observation], kinds: tuple[str, ...]) -> int:
        """Decide account by account; what is open and was not seen at all has ended."""
        found = dict(seen)
        for row in await self._pool.fetch(_OPEN, list(kinds)):
            found.setdefault(AlertKey(row["mandate_id"], row["kind"], row["account_id"]), _NOTHING)
        changed = 0
        for key in sorted(found):
            try:
                changed += await self._decide(key, found[key])
            except (asyncpg.PostgresConnectionError, asyncpg.InterfaceError, OSError):
                raise
            except Exception:
                # One account that cannot be told of must not keep the others from it.
                log.exception("observation_not_settled", mandate_id=str(key.mandate_id), kind=key.kind)
        return changed

    async def _decide(self, key: AlertKey, seen: Observation) -> bool:
        async with self._pool.acquire() as connection, connection.transaction():
            moment = await self._moment(connection)
            watched = (await store.watch(connection, [key])).get(key)
            if watched is None:
                return False
            alert = watched.alert
            if not watched.exists:
                if not seen.crossed:
                    return False
                alert = (await store.begin(connection, [key]))[key]
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
            try:
                await self.look()
                if time.monotonic() >= next_burn:
                    await self.look_at_burn()
                    next_burn = time.monotonic() + self._pace.burn_seconds
            except (asyncpg.PostgresError, asyncpg.InterfaceError, OSError, TimeoutError) as error:
                log.warning("notices_not_observed", error=repr(error))
            except Exception:
                log.exception("notices_observer_failed")
            await asyncio.sleep(self._pace.look_seconds)

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
