"""Silences, addresses that want no more, and users who ask for a top-up.

Revision ID: 0011
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0011"
down_revision = "0010"
branch_labels = None
depends_on = None

# Without a kind it silences all of them.
NOTICE_SILENCE = """
    CREATE TABLE notice_silence (
        mandate_id  uuid NOT NULL REFERENCES mandate,
        silence_id  uuid NOT NULL,
        kind        text,
        ends_at     timestamptz NOT NULL,
        reason      text,
        created_by  text NOT NULL,
        created_at  timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (mandate_id, silence_id)
    )
"""

# What a silence held back is looked at again as soon as it is taken away.
SILENCE_TAKEN = """
    CREATE FUNCTION notice_silence_taken() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
        PERFORM 1 FROM alert WHERE mandate_id = OLD.mandate_id ORDER BY kind, account_id FOR UPDATE;
        UPDATE alert SET due_at = now() WHERE mandate_id = OLD.mandate_id AND due_at IS NOT NULL;
        UPDATE notice SET next_attempt_at = now()
         WHERE mandate_id = OLD.mandate_id AND state = 'QUEUED' AND claim_id IS NULL;
        RETURN NULL;
    END
    $$
"""

TOP_UP_REQUEST = """
    CREATE TABLE top_up_request (
        mandate_id  uuid NOT NULL REFERENCES mandate,
        request_id  uuid NOT NULL,
        user_id     uuid NOT NULL,
        reason      text NOT NULL CHECK (char_length(reason) BETWEEN 1 AND 300),
        state       text NOT NULL DEFAULT 'OPEN' CHECK (state IN ('OPEN', 'APPROVED', 'DECLINED')),
        created_at  timestamptz NOT NULL,
        decided_at  timestamptz,
        decided_by  text,
        PRIMARY KEY (mandate_id, request_id),
        FOREIGN KEY (mandate_id, user_id) REFERENCES app_user
    )
"""


def upgrade() -> None:
    op.execute(NOTICE_SILENCE)
    protect("notice_silence", app="SELECT, INSERT, DELETE", ledger="SELECT")
    op.execute(SILENCE_TAKEN)
    op.execute("REVOKE ALL ON FUNCTION notice_silence_taken() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER notice_silence_taken AFTER DELETE ON notice_silence FOR EACH ROW"
        " EXECUTE FUNCTION notice_silence_taken()"
    )
    op.execute("ALTER TABLE recipient_state ADD COLUMN unsubscribed boolean NOT NULL DEFAULT false")
    op.execute(TOP_UP_REQUEST)
    op.execute("CREATE UNIQUE INDEX top_up_request_open ON top_up_request (mandate_id, user_id) WHERE state = 'OPEN'")
    protect("top_up_request", app="SELECT", ledger="SELECT, INSERT, UPDATE")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
