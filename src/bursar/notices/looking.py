"""What an observer reads: balances, burn rates, limits and open notices, of accounts that are named or page by page.

Every statement is bounded by what it is asked for, never by how many accounts there are. All of them take two arrays:
the mandates and accounts that are looked at, or the two ends of a page, of which the first is not part of it.
"""

# ruff: noqa: S608 -- the statements are put together from fragments of themselves, never from values

from __future__ import annotations

from collections.abc import AsyncIterator, Collection, Iterable, Sequence
from contextlib import asynccontextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any, Final, Literal, NamedTuple, TypeAlias
from uuid import UUID

from bursar.foundation.database import Connection, planned_by_key
from bursar.notices.kinds import BALANCE_LOW, RUNNING_OUT
from bursar.notices.levels import Told
from bursar.notices.store import AlertKey

if TYPE_CHECKING:
    from asyncpg import Pool

    from bursar.notices.store import Row

Table = Literal["account", "spending_limit"]
_ID_OF: Final[dict[Table, str]] = {"account": "account_id", "spending_limit": "limit_id"}


class Place(NamedTuple):
    """Where a page begins or ends."""

    mandate_id: UUID
    item_id: UUID


FIRST: Final = Place(UUID(int=0), UUID(int=0))
LAST: Final = Place(UUID(int=2**128 - 1), UUID(int=2**128 - 1))


class Page(NamedTuple):
    after: Place
    upto: Place


class Named(NamedTuple):
    """Single accounts; where limits are looked at, all of their mandates."""

    accounts: Sequence[tuple[UUID, UUID]]


Looked: TypeAlias = Page | Named

_WITHIN: Final = """
    ({0}mandate_id, {0}{1}) > (($1::uuid[])[1], ($2::uuid[])[1])
    AND ({0}mandate_id, {0}{1}) <= (($1::uuid[])[2], ($2::uuid[])[2])"""
_ACCOUNTS: Final[dict[type[Looked], str]] = {
    Page: f"SELECT * FROM account WHERE {_WITHIN.format('', 'account_id')}",
    Named: "SELECT account.* FROM unnest($1::uuid[], $2::uuid[]) AS key (mandate_id, account_id)"
    " JOIN account USING (mandate_id, account_id)",
}
_LIMITS: Final[dict[type[Looked], str]] = {
    Page: f"SELECT * FROM spending_limit WHERE {_WITHIN.format('', 'limit_id')}",
    Named: "SELECT spending_limit.* FROM (SELECT DISTINCT mandate_id FROM unnest($1::uuid[]) AS mandate_id) AS key"
    " JOIN spending_limit USING (mandate_id) WHERE $2::uuid[] IS NOT NULL",
}

# Accounts that pay, and what their mandate wants to hear of.
_PAYING: Final = """
    SELECT account.mandate_id, account.account_id, account.last_top_up_nanos,
           account.credits_posted - account.debits_posted - account.debits_pending
               + CASE terms.billing_model WHEN 'POSTPAY' THEN terms.credit_limit_nanos ELSE 0 END AS available,
           array_remove(coalesce(wanted.low_amounts_nanos, '{{}}') || terms.low_balance_threshold_nanos, NULL)
               AS amounts,
           coalesce(wanted.low_percents, '{{}}') AS percents,
           coalesce(wanted.running_out_hours, 72) AS hours,
           EXISTS (SELECT FROM alert WHERE alert.mandate_id = account.mandate_id AND alert.kind = $3
                      AND alert.account_id = account.account_id AND alert.shortage_id IS NOT NULL
                      AND alert.resolved_at IS NULL) AS is_open,
           account.credits_posted
      FROM ({looked}) AS account
      JOIN mandate ON mandate.mandate_id = account.mandate_id AND mandate.status = 'active'
      JOIN billing_settings AS terms ON terms.mandate_id = account.mandate_id
      LEFT JOIN notice_settings AS wanted ON wanted.mandate_id = account.mandate_id
     WHERE account.kind = CASE terms.billing_model WHEN 'PREPAY_USER' THEN 'wallet' ELSE 'pool' END
       AND terms.billing_model <> 'UNLIMITED'
"""

# Under a line, or with a notice of it that has not ended.
_BALANCES: Final = """
    SELECT * FROM ({paying}) AS paying
     WHERE is_open
        OR ((credits_posted > 0 OR available > 0) AND (
            available < (SELECT max(line) FROM unnest(amounts) AS line)
            OR available < (SELECT max(percent) FROM unnest(percents) AS percent) * (last_top_up_nanos / 100.0)))
"""

_BURN: Final = """
    SELECT paying.*, burnt.spent, burnt.first_at, coalesce($5, now()) AS now FROM ({paying}) AS paying
      LEFT JOIN LATERAL (
           SELECT sum(transfer.amount_nanos)::bigint AS spent, min(transfer.at) AS first_at FROM transfer
            WHERE transfer.mandate_id = paying.mandate_id AND transfer.debit_account_id = paying.account_id
              AND transfer.kind IN ('CHARGE', 'LATE_ADJUSTMENT') AND transfer.at > coalesce($5, now()) - $4::interval
           ) AS burnt ON true
     WHERE paying.hours > 0 AND (paying.is_open OR burnt.spent > 0)
"""

_CAPS: Final = """
    SELECT cap.mandate_id, cap.limit_id, cap.scope, cap.scope_id, cap.period, cap.amount_nanos,
           counter.spent_nanos + counter.held_nanos AS used, counter.period_start, counter.period_end,
           coalesce(wanted.limit_near_percent, 80) AS percent,
           CASE cap.scope WHEN 'key' THEN (SELECT name FROM api_key WHERE api_key.mandate_id = cap.mandate_id
                                              AND api_key.key_id::text = cap.scope_id) END AS name,
           cap.scope IN ('user', 'key') AS own
      FROM ({looked}) AS cap
      JOIN mandate ON mandate.mandate_id = cap.mandate_id AND mandate.status = 'active'
      LEFT JOIN notice_settings AS wanted ON wanted.mandate_id = cap.mandate_id
      JOIN LATERAL (
           SELECT * FROM limit_counter AS running
            WHERE running.mandate_id = cap.mandate_id AND running.limit_id = cap.limit_id
              AND running.period_start <= coalesce($3, now()) AND running.period_end > coalesce($3, now())
            ORDER BY running.period_start DESC LIMIT 1) AS counter ON cap.deleted_at IS NULL
     WHERE counter.spent_nanos + counter.held_nanos >= cap.amount_nanos * 0.5
        OR EXISTS (SELECT FROM alert WHERE alert.mandate_id = cap.mandate_id AND alert.account_id = cap.limit_id
                      AND alert.resolved_at IS NULL AND alert.shortage_id IS NOT NULL
                      AND alert.kind IN ('LIMIT_NEAR', 'LIMIT_REACHED'))
"""

_EXPIRING: Final = """
    SELECT voucher.for_mandate_id AS mandate_id, sum(voucher.amount_nanos)::bigint AS amount, count(*) AS vouchers,
           min(voucher.expires_at) AS first_at, coalesce($1, now()) AS now
      FROM voucher JOIN mandate ON mandate.mandate_id = voucher.for_mandate_id AND mandate.status = 'active'
     WHERE voucher.for_mandate_id IS NOT NULL AND voucher.claimed_at IS NULL AND voucher.revoked_at IS NULL
       AND voucher.expires_at > coalesce($1, now()) AND voucher.expires_at <= coalesce($1, now()) + $2::interval
     GROUP BY voucher.for_mandate_id
"""

_IS_OPEN: Final = "alert.shortage_id IS NOT NULL AND alert.resolved_at IS NULL AND alert.kind = ANY ($3::text[])"
_TOLD: Final = "alert.mandate_id, alert.kind, alert.account_id, alert.required_nanos, alert.since"
_OPEN: Final[dict[tuple[Table, type[Looked]], str]] = {
    **{
        (table, Page): f"SELECT {_TOLD} FROM alert WHERE {_WITHIN.format('alert.', 'account_id')} AND {_IS_OPEN}"
        for table in _ID_OF
    },
    ("account", Named): f"""
        SELECT {_TOLD} FROM unnest($1::uuid[], $2::uuid[]) AS key (mandate_id, account_id)
          JOIN alert USING (mandate_id, account_id) WHERE {_IS_OPEN}""",
    ("spending_limit", Named): f"""
        SELECT {_TOLD} FROM (SELECT DISTINCT mandate_id FROM unnest($1::uuid[]) AS mandate_id) AS key
          JOIN alert USING (mandate_id) WHERE {_IS_OPEN} AND $2::uuid[] IS NOT NULL""",
}


@asynccontextmanager
async def one_look(pool: Pool) -> AsyncIterator[Connection]:
    """A connection whose statements go by keys, whatever the statistics say. `pool` is `bursar_ledger`'s."""
    async with pool.acquire() as connection, connection.transaction(readonly=True):
        await planned_by_key(connection)
        yield connection


async def page_from(connection: Connection, table: Table, after: Place, rows: int) -> Page:
    """The next `rows` rows; its end is `LAST` where there are no more."""
    item = _ID_OF[table]
    end = await connection.fetchrow(
        f"SELECT mandate_id, {item} FROM {table} WHERE (mandate_id, {item}) > ($1, $2)"
        f" ORDER BY mandate_id, {item} OFFSET {rows - 1} LIMIT 1", *after,
    )  # fmt: skip
    return Page(after, LAST if end is None else Place(*end))


async def low_balances(connection: Connection, looked: Looked) -> Sequence[Row]:
    paying = _PAYING.format(looked=_ACCOUNTS[type(looked)])
    return await _fetch(connection, _BALANCES.format(paying=paying), looked, BALANCE_LOW.name)


async def burn_rates(
    connection: Connection, looked: Looked, looks_back: timedelta, at: datetime | None
) -> Sequence[Row]:
    """What was charged within the last `looks_back`."""
    paying = _PAYING.format(looked=_ACCOUNTS[type(looked)])
    return await _fetch(connection, _BURN.format(paying=paying), looked, RUNNING_OUT.name, looks_back, at)


async def used_caps(connection: Connection, looked: Looked, at: datetime | None) -> Sequence[Row]:
    """Limits of which half is used, or that were told of."""
    return await _fetch(connection, _CAPS.format(looked=_LIMITS[type(looked)]), looked, at)


async def expiring_vouchers(connection: Connection, within: timedelta, at: datetime | None) -> Sequence[Row]:
    return await connection.fetch(_EXPIRING, at, within)


async def told(connection: Connection, table: Table, looked: Looked, kinds: Collection[str]) -> dict[AlertKey, Told]:
    """The notices of these kinds that have begun and not ended."""
    rows = await _fetch(connection, _OPEN[table, type(looked)], looked, list(kinds))
    return {
        AlertKey(row["mandate_id"], row["kind"], row["account_id"]): Told(row["required_nanos"], row["since"])
        for row in rows
    }


async def _fetch(connection: Connection, sql: str, looked: Looked, *more: Any) -> Sequence[Row]:
    places: Iterable[tuple[UUID, UUID]] = looked if isinstance(looked, Page) else looked.accounts
    found = list(places)
    return await connection.fetch(sql, [each[0] for each in found], [each[1] for each in found], *more)
