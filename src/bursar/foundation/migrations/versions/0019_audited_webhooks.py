"""An endpoint's URL is as good as a secret: the audit log says that there is one, not which.

Revision ID: 0019
"""

from __future__ import annotations

from alembic import op

revision = "0019"
down_revision = "0018"
branch_labels = None
depends_on = None


def upgrade() -> None:
    op.execute("DROP TRIGGER audited ON webhook_endpoint")
    op.execute(
        "CREATE TRIGGER audited AFTER INSERT OR UPDATE OF url, disabled_at, deleted_at ON webhook_endpoint FOR EACH ROW"
        " EXECUTE FUNCTION audit_row('webhook', 'endpoint_id', 'secrets created_at created_by failing_since', 'url')"
    )


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
