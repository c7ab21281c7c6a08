"""More kinds of notices: when to warn, what people find in the application, and who was told of a shortage.

Revision ID: 0010
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0010"
down_revision = "0009"
branch_labels = None
depends_on = None

# A mandate without a row has the defaults.
NOTICE_SETTINGS = """
    CREATE TABLE notice_settings (
        mandate_id             uuid PRIMARY KEY REFERENCES mandate,
        low_amounts_nanos      bigint[] NOT NULL DEFAULT '{}',
        low_percents           integer[] NOT NULL DEFAULT '{}',
        running_out_hours      integer NOT NULL DEFAULT 72 CHECK (running_out_hours BETWEEN 0 AND 2160),
        limit_near_percent     integer NOT NULL DEFAULT 80 CHECK (limit_near_percent BETWEEN 0 AND 99)
    )
"""

INBOX_ITEM = """
    CREATE TABLE inbox_item (
        mandate_id  uuid NOT NULL REFERENCES mandate,
        item_id     uuid NOT NULL DEFAULT gen_random_uuid(),
        user_id     uuid NOT NULL,
        kind        text NOT NULL,
        account_id  uuid NOT NULL,
        payload     jsonb NOT NULL,
        created_at  timestamptz NOT NULL,
        read_at     timestamptz,
        PRIMARY KEY (mandate_id, item_id),
        FOREIGN KEY (mandate_id, user_id) REFERENCES app_user
    )
"""


def upgrade() -> None:
    op.execute(NOTICE_SETTINGS)
    protect("notice_settings", app="SELECT, INSERT, UPDATE", ledger="SELECT")
    op.execute(INBOX_ITEM)
    op.execute("CREATE INDEX inbox_item_recent ON inbox_item (mandate_id, user_id, created_at, item_id)")
    protect("inbox_item", app="SELECT, UPDATE (read_at)", ledger="SELECT, INSERT")
    # What a notice says beside its figures, such as when the money will end.
    op.execute("ALTER TABLE alert ADD COLUMN facts jsonb")
    # Whoever was last told of an account that it is exhausted is told when it is not any more.
    op.execute(
        "CREATE INDEX notice_told ON notice (mandate_id, account_id, channel, recipient, sent_at) WHERE state = 'SENT'"
    )
    # The week's charges of an account: what its burn rate is made of.
    op.execute("CREATE INDEX transfer_spent ON transfer (mandate_id, debit_account_id, at)")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
