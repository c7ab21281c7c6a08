"""Notices that have begun and not ended are found by account, however many there have been.

Revision ID: 0023
"""

from __future__ import annotations

from alembic import op

revision = "0023"
down_revision = "0022"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute(
        "CREATE INDEX alert_open ON alert (mandate_id, account_id, kind)"
        " WHERE shortage_id IS NOT NULL AND resolved_at IS NULL"
    )


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
