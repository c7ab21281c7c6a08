"""Alerts of operators have an id, by which lists are paged.

Revision ID: 0022
"""

from __future__ import annotations

from alembic import op

revision = "0022"
down_revision = "0021"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("ALTER TABLE operator_alert ADD COLUMN alert_id uuid NOT NULL DEFAULT gen_random_uuid()")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
