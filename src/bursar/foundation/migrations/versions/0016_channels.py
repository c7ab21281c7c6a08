"""Channels that a mandate sets beside webhooks: Microsoft Teams, Slack and SMS.

Revision ID: 0016
"""

from __future__ import annotations

from alembic import op

revision = "0016"
down_revision = "0015"
branch_labels = None
depends_on = None


def upgrade() -> None:
    # Of all but webhooks the URL itself is the secret, and is kept encrypted; the label is what may be shown.
    op.execute(
        "ALTER TABLE webhook_endpoint"
        " ADD COLUMN transport text NOT NULL DEFAULT 'webhook'"
        " CHECK (transport IN ('webhook', 'teams', 'slack', 'sms')),"
        " ADD COLUMN label text"
    )


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
