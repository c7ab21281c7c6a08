"""Rates beside money, of a mandate and of a key: calls a minute, concurrent calls, the most that may be held at once.

Revision ID: 0013
"""

from __future__ import annotations

from alembic import op

revision = "0013"
down_revision = "0012"
branch_labels = None
depends_on = None

COLUMNS = """
    ALTER TABLE {table}
        ADD COLUMN max_calls_per_minute integer CHECK (max_calls_per_minute BETWEEN 1 AND 100000),
        ADD COLUMN max_concurrent_calls integer CHECK (max_concurrent_calls BETWEEN 1 AND 100000),
        ADD COLUMN max_held_nanos bigint CHECK (max_held_nanos > 0)
"""


def upgrade() -> None:
    for table in ("billing_settings", "api_key"):
        op.execute(COLUMNS.format(table=table))


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
