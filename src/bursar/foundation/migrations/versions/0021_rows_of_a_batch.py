"""The rows that a batch writes, as types: an array of them is one parameter, in half the time of an array a column.

Revision ID: 0021
"""

from __future__ import annotations

from alembic import op

revision = "0021"
down_revision = "0020"
branch_labels = None
depends_on = None

TYPES = {
    "account_total": """mandate_id uuid, account_id uuid, credits_posted bigint, debits_posted bigint,
        debits_pending bigint, version bigint, last_top_up_nanos bigint""",
    "counter_total": """mandate_id uuid, limit_id uuid, period_start timestamptz, spent_nanos bigint,
        held_nanos bigint""",
    "placed_hold": """mandate_id uuid, hold_id uuid, account_id uuid, payer text, billing_model text,
        amount_nanos bigint, input_bound_nanos bigint, user_id uuid, key_id uuid, model text, upstream text,
        price_id uuid, tags jsonb, origin text, ttl_seconds integer, created_version bigint, created_at timestamptz,
        expires_at timestamptz, limit_ids uuid[], limit_periods timestamptz[]""",
    "grown_hold": """mandate_id uuid, hold_id uuid, amount_nanos bigint, used_nanos bigint, expires_at timestamptz,
        growths integer, billing_model text""",
    "resolved_hold": """mandate_id uuid, hold_id uuid, state text, charged_nanos bigint, overrun_nanos bigint,
        adjusted boolean, resolved_at timestamptz, resolved_version bigint""",
    "hold_transfer": """mandate_id uuid, transfer_id uuid, at timestamptz, kind text, debit_account_id uuid,
        credit_account_id uuid, debit_version bigint, credit_version bigint, amount_nanos bigint, hold_id uuid,
        model text, upstream text, input_tokens bigint, cached_input_tokens bigint, output_tokens bigint,
        usage_details jsonb, cost_source text, tags jsonb, billing_model text""",
    "money_transfer": """mandate_id uuid, transfer_id uuid, at timestamptz, kind text, debit_account_id uuid,
        credit_account_id uuid, debit_version bigint, credit_version bigint, amount_nanos bigint, user_id uuid,
        reference text, reason text, actor text, billing_model text""",
    "kept_answer": """mandate_id uuid, caller text, route text, key text, body_hash bytea, result jsonb,
        created_at timestamptz, expires_at timestamptz""",
}


def upgrade() -> None:
    for name, columns in TYPES.items():
        op.execute(f"CREATE TYPE {name} AS ({columns})")
        op.execute(f"GRANT USAGE ON TYPE {name} TO bursar_ledger")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
