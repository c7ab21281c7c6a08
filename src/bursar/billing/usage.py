"""What was used, summed: by user, key, model, day or tag."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final, Literal, get_args
from uuid import UUID

from bursar.foundation.database import Database
from bursar.foundation.ids import operator_account_id

GroupBy = Literal["user", "key", "model", "day", "tag"]
GROUPINGS: Final[tuple[GroupBy, ...]] = get_args(GroupBy)
MOST_GROUPS: Final = 1000

# A late adjustment in the payer's favour debits the operator's revenue and counts as less used.
_GROUPED: Final = """
    SELECT g.value, coalesce(u.display_name, k.name) AS label, g.calls, g.amount, g.input_tokens,
           g.cached_input_tokens, g.output_tokens
      FROM (SELECT CASE $6 WHEN 'user' THEN t.user_id::text
                           WHEN 'key' THEN t.key_id::text
                           WHEN 'model' THEN t.model
                           ELSE to_char(t.at AT TIME ZONE $7, 'YYYY-MM-DD') END AS value,
                   count(*) FILTER (WHERE t.kind = 'CHARGE') AS calls,
                   sum(CASE WHEN t.debit_account_id = $5 THEN -t.amount_nanos ELSE t.amount_nanos END) AS amount,
                   sum(t.input_tokens) AS input_tokens, sum(t.cached_input_tokens) AS cached_input_tokens,
                   sum(t.output_tokens) AS output_tokens
              FROM transfer t
             WHERE t.mandate_id = $1 AND t.kind IN ('CHARGE', 'LATE_ADJUSTMENT')
               AND ($2::timestamptz IS NULL OR t.at >= $2) AND ($3::timestamptz IS NULL OR t.at < $3)
               AND ($4::uuid IS NULL OR t.user_id = $4)
             GROUP BY 1) g
      LEFT JOIN app_user u ON $6 = 'user' AND u.mandate_id = $1 AND u.user_id::text = g.value
      LEFT JOIN api_key k ON $6 = 'key' AND k.mandate_id = $1 AND k.key_id::text = g.value
     ORDER BY CASE WHEN $6 = 'day' THEN g.value END, g.amount DESC, g.value
     LIMIT $8"""

# A call with two tags counts for both; calls without any stand together.
_TAGGED: Final = """
    SELECT tag.key || '=' || tag.value AS value, NULL AS label,
           count(*) FILTER (WHERE t.kind = 'CHARGE') AS calls,
           sum(CASE WHEN t.debit_account_id = $5 THEN -t.amount_nanos ELSE t.amount_nanos END) AS amount,
           sum(t.input_tokens) AS input_tokens, sum(t.cached_input_tokens) AS cached_input_tokens,
           sum(t.output_tokens) AS output_tokens
      FROM transfer t
      LEFT JOIN LATERAL jsonb_each_text(
                CASE WHEN jsonb_typeof(t.tags) = 'object' THEN t.tags ELSE '{}'::jsonb END) AS tag ON true
     WHERE t.mandate_id = $1 AND t.kind IN ('CHARGE', 'LATE_ADJUSTMENT')
       AND ($2::timestamptz IS NULL OR t.at >= $2) AND ($3::timestamptz IS NULL OR t.at < $3)
       AND ($4::uuid IS NULL OR t.user_id = $4)
     GROUP BY 1
     ORDER BY amount DESC, value
     LIMIT $6"""

_TOTAL: Final = """
    SELECT NULL AS value, NULL AS label, count(*) FILTER (WHERE t.kind = 'CHARGE') AS calls,
           sum(CASE WHEN t.debit_account_id = $5 THEN -t.amount_nanos ELSE t.amount_nanos END) AS amount,
           sum(t.input_tokens) AS input_tokens, sum(t.cached_input_tokens) AS cached_input_tokens,
           sum(t.output_tokens) AS output_tokens
      FROM transfer t
     WHERE t.mandate_id = $1 AND t.kind IN ('CHARGE', 'LATE_ADJUSTMENT')
       AND ($2::timestamptz IS NULL OR t.at >= $2) AND ($3::timestamptz IS NULL OR t.at < $3)
       AND ($4::uuid IS NULL OR t.user_id = $4)"""


@dataclass(frozen=True, slots=True)
class Sum:
    """`value` is the user's or key's id, the model, the day, or `name=value` of a tag; `None` for calls without one."""

    value: str | None
    label: str | None
    calls: int
    amount_nanos: int
    input_tokens: int
    cached_input_tokens: int
    output_tokens: int


@dataclass(frozen=True, slots=True)
class Usage:
    total: Sum
    groups: tuple[Sum, ...]
    """The `MOST_GROUPS` that cost most; days in their order."""


async def get_usage(
    database: Database,
    mandate_id: UUID,
    group_by: GroupBy,
    *,
    time_zone: str,
    begin: datetime | None = None,
    end: datetime | None = None,
    of_user: UUID | None = None,
) -> Usage:
    """What calls were charged from `begin` up to and without `end`; days are those of `time_zone`."""
    revenue = operator_account_id(mandate_id, "revenue")
    span = (mandate_id, begin, end, of_user, revenue)
    async with database.as_mandate(mandate_id) as connection:
        total = await connection.fetchrow(_TOTAL, *span)
        if group_by == "tag":
            rows = await connection.fetch(_TAGGED, *span, MOST_GROUPS)
        else:
            rows = await connection.fetch(_GROUPED, *span, group_by, time_zone, MOST_GROUPS)
    return Usage(_sum(total), tuple(_sum(row) for row in rows))


def _sum(row: Any) -> Sum:
    # PostgreSQL sums bigints into numerics, and nothing into NULL.
    return Sum(
        value=row["value"],
        label=row["label"] or None,
        calls=row["calls"],
        amount_nanos=int(row["amount"] or 0),
        input_tokens=int(row["input_tokens"] or 0),
        cached_input_tokens=int(row["cached_input_tokens"] or 0),
        output_tokens=int(row["output_tokens"] or 0),
    )
