"""Webhook endpoints, with their secrets encrypted.

Revision ID: 0012
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0012"
down_revision = "0011"
branch_labels = None
depends_on = None

WEBHOOK_ENDPOINT = """
    CREATE TABLE webhook_endpoint (
        mandate_id       uuid NOT NULL REFERENCES mandate,
        endpoint_id      uuid NOT NULL,
        url              text NOT NULL,
        secrets          text[] NOT NULL,
        created_by       text NOT NULL,
        created_at       timestamptz NOT NULL DEFAULT now(),
        failing_since    timestamptz,
        disabled_at      timestamptz,
        disabled_reason  text,
        deleted_at       timestamptz,
        PRIMARY KEY (mandate_id, endpoint_id)
    )
"""


def upgrade() -> None:
    op.execute(WEBHOOK_ENDPOINT)
    protect("webhook_endpoint", app="SELECT, INSERT, UPDATE", ledger="SELECT, UPDATE")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
