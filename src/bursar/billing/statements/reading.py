"""A statement's figures out of the journal: SQL as `bursar_app`, inside one mandate's walls.

Figures come from one snapshot (repeatable read). Movements are then read in pages, each a short transaction of its own:
rows of the journal never change, and the snapshot's last version of the account bounds them, so pages read a day later
say the same, and a slow reader holds neither a connection nor a snapshot.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import asyncpg

from bursar.billing.statements.model import (
    USAGE_KINDS,
    Movement,
    Statement,
    StatementDoesNotAddUp,
)
from bursar.billing.statements.months import Span
from bursar.foundation.database import Connection, Database
from bursar.ledger.model import TransferKind

PAGE_ROWS: Final = 500
_ALL_ROWS: Final = 2**31
_USAGE: Final = sorted(kind.value for kind in USAGE_KINDS)

MANDATE: Final = """
    SELECT m.name, m.currency, m.language, m.created_at, m.time_zone, clock_timestamp() AS now
      FROM mandate m WHERE m.mandate_id = $1"""

ZONES: Final = "SELECT changed_at, time_zone FROM mandate_time_zone WHERE mandate_id = $1 ORDER BY changed_at"

USER: Final = "SELECT nullif(display_name, '') FROM app_user WHERE mandate_id = $1 AND user_id = $2"

# Balances are counted back from the account's own columns. The month's movements are summed elsewhere, so that opening
# plus movements being closing says something.
BALANCES: Final = """
    SELECT a.credits_posted - a.debits_posted - since.start AS opening,
           a.credits_posted - a.debits_posted - since."end" AS closing
      FROM account a
     CROSS JOIN (SELECT coalesce(sum(signed), 0)::bigint AS start,
                        coalesce(sum(signed) FILTER (WHERE at >= $4), 0)::bigint AS "end"
                   FROM (SELECT at, CASE WHEN credit_account_id = $2 THEN amount_nanos ELSE -amount_nanos END AS signed
                           FROM transfer
                          WHERE mandate_id = $1 AND at >= $3 AND (debit_account_id = $2 OR credit_account_id = $2)) t
                ) since
     WHERE a.mandate_id = $1 AND a.account_id = $2"""

# $5 is whose part of the pool this is; null for the whole account.
_OF_THE_MONTH: Final = """
      FROM transfer t
     WHERE t.mandate_id = $1 AND t.at >= $3 AND t.at < $4 AND (t.debit_account_id = $2 OR t.credit_account_id = $2)
       AND ($5::uuid IS NULL OR (t.user_id = $5 AND t.kind IN ('CHARGE', 'LATE_ADJUSTMENT')))"""

TOTALS: Final = f"""
    SELECT t.kind, count(*) AS count,
           sum(CASE WHEN t.credit_account_id = $2 THEN t.amount_nanos ELSE -t.amount_nanos END)::bigint AS amount,
           min(CASE WHEN t.credit_account_id = $2 THEN t.credit_version ELSE t.debit_version END) AS first_version,
           max(CASE WHEN t.credit_account_id = $2 THEN t.credit_version ELSE t.debit_version END) AS last_version
    {_OF_THE_MONTH}
     GROUP BY t.kind ORDER BY t.kind"""

# Days are cut in Python, so that one database of time zones decides.
USAGE: Final = f"""
    SELECT grouping(g.day, g.user_id, g.key_id, g.model) AS grouped, g.day, g.model, g.user_id, g.key_id,
           nullif(max(u.display_name), '') AS user_name, max(k.name) AS key_name,
           count(*) FILTER (WHERE g.kind = 'CHARGE') AS calls, sum(g.cost)::bigint AS cost,
           coalesce(sum(g.input_tokens), 0)::bigint AS input_tokens,
           coalesce(sum(g.cached_input_tokens), 0)::bigint AS cached_input_tokens,
           coalesce(sum(g.output_tokens), 0)::bigint AS output_tokens
      FROM (SELECT width_bucket(t.at, $6::timestamptz[]) - 1 AS day, t.model, t.user_id, t.key_id, t.kind,
                   CASE WHEN t.credit_account_id = $2 THEN -t.amount_nanos ELSE t.amount_nanos END AS cost,
                   t.input_tokens, t.cached_input_tokens, t.output_tokens
            {_OF_THE_MONTH} AND t.kind = ANY($7::text[])) g
      LEFT JOIN app_user u ON u.mandate_id = $1 AND u.user_id = g.user_id
      LEFT JOIN api_key k ON k.mandate_id = $1 AND k.key_id = g.key_id
     GROUP BY GROUPING SETS ((g.day, g.model), (g.user_id), (g.model), (g.key_id), ())
     ORDER BY grouped, g.day, cost DESC, g.model, g.user_id, g.key_id"""  # noqa: S608

LAST_MODEL: Final = """
    SELECT billing_model FROM transfer
     WHERE mandate_id = $1 AND debit_account_id = $2 AND kind = 'CHARGE' AND at < $3
     ORDER BY at DESC, debit_version DESC LIMIT 1"""

_COLUMNS: Final = """t.transfer_id, t.at, t.kind, t.hold_id, t.user_id, t.key_id, t.model, t.upstream, t.input_tokens,
                t.cached_input_tokens, t.output_tokens, t.cost_source, t.price_id, t.tags, t.reference, t.reason"""
_BETWEEN: Final = """t.mandate_id = $1 AND t.at >= $3 AND t.at < $4
                AND ($5::uuid IS NULL OR (t.user_id = $5 AND t.kind IN ('CHARGE', 'LATE_ADJUSTMENT')))
                AND ($9::text[] IS NULL OR NOT t.kind = ANY($9))"""

MOVEMENTS: Final = f"""
    SELECT m.*, nullif(u.display_name, '') AS user_name, k.name AS key_name
      FROM ((SELECT t.debit_version AS version, -t.amount_nanos AS amount, {_COLUMNS}
               FROM transfer t
              WHERE t.debit_account_id = $2 AND t.debit_version > $6 AND t.debit_version <= $7 AND {_BETWEEN}
              ORDER BY t.debit_version LIMIT $8)
            UNION ALL
            (SELECT t.credit_version, t.amount_nanos, {_COLUMNS}
               FROM transfer t
              WHERE t.credit_account_id = $2 AND t.credit_version > $6 AND t.credit_version <= $7 AND {_BETWEEN}
              ORDER BY t.credit_version LIMIT $8)) m
      LEFT JOIN app_user u ON u.mandate_id = $1 AND u.user_id = m.user_id
      LEFT JOIN api_key k ON k.mandate_id = $1 AND k.key_id = m.key_id
     ORDER BY m.version LIMIT $8"""  # noqa: S608


@asynccontextmanager
async def snapshot_of(database: Database, mandate_id: UUID) -> AsyncIterator[Connection]:
    """A read-only transaction of `bursar_app` that sees this mandate's rows as they are at its first query."""
    async with (
        database.app_pool.acquire() as connection,
        connection.transaction(isolation="repeatable_read", readonly=True),
    ):
        await connection.execute("SELECT set_config('bursar.mandate_id', $1, true)", str(mandate_id))
        yield connection


async def pages(
    database: Database, statement: Statement, *, page_rows: int = PAGE_ROWS
) -> AsyncIterator[list[Movement]]:
    """All the statement's movements in the order of the account's versions.

    Raises `StatementDoesNotAddUp` at the end, if what was read is not what the statement says.
    """
    header = statement.header
    after = statement.first_version - 1
    balance, count = statement.opening_nanos or 0, 0
    expected = balance + statement.change_nanos
    while count < statement.movement_count:
        async with snapshot_of(database, header.mandate_id) as connection:
            rows = await connection.fetch(
                MOVEMENTS,
                header.mandate_id,
                header.account_id,
                header.starts_at,
                header.ends_at,
                header.user_id if header.own_part else None,
                after,
                statement.last_version,
                page_rows,
                None,
            )
        if not rows:
            break
        page: list[Movement] = []
        for row in rows:
            balance += row["amount"]
            page.append(movement(row, None if header.own_part else balance))
        after, count = rows[-1]["version"], count + len(rows)
        yield page
    if (balance, count) != (expected, statement.movement_count):
        raise StatementDoesNotAddUp(
            f"{count} movements to {balance} where {statement.movement_count} to {expected} were stated"
            f" ({header.account_id}, {header.month})"
        )


async def read_entries(
    connection: Connection, account: tuple[UUID, UUID], span: Span, first_version: int, last_version: int
) -> tuple[Movement, ...]:
    """The account's movements of the month that are no usage. Their balances are not told: usage lies between them."""
    rows = await connection.fetch(
        MOVEMENTS, *account, span.start, span.end, None, first_version - 1, last_version, _ALL_ROWS, _USAGE
    )
    return tuple(movement(row, None) for row in rows)


async def read_usage(
    connection: Connection, account: tuple[UUID, UUID], span: Span, only_user: UUID | None
) -> list[asyncpg.Record]:
    return await connection.fetch(USAGE, *account, span.start, span.end, only_user, list(span.day_starts), _USAGE)


def movement(row: Any, balance_nanos: int | None) -> Movement:
    at: datetime = row["at"]
    return Movement(
        version=row["version"],
        transfer_id=row["transfer_id"],
        at=at,
        kind=TransferKind(row["kind"]),
        amount_nanos=row["amount"],
        balance_nanos=balance_nanos,
        user_id=row["user_id"],
        user_name=row["user_name"],
        key_id=row["key_id"],
        key_name=row["key_name"],
        request_id=row["hold_id"],
        model=row["model"],
        upstream=row["upstream"],
        input_tokens=row["input_tokens"],
        cached_input_tokens=row["cached_input_tokens"],
        output_tokens=row["output_tokens"],
        cost_source=row["cost_source"],
        price_id=row["price_id"],
        tags=row["tags"],
        reference=row["reference"],
        reason=row["reason"],
    )
