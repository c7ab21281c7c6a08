"""Notices: what is wrong with an account's money, what has to be told about it to whom, and addresses that are dead.

Revision ID: 0004
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0004"
down_revision = "0003"
branch_labels = None
depends_on = None

# The refused calls of a hot account are counted here once per batch: half-empty pages keep that an in-page update.
ALERT = """
    CREATE TABLE alert (
        mandate_id        uuid NOT NULL REFERENCES mandate,
        kind              text NOT NULL,
        account_id        uuid NOT NULL,
        shortage_id       uuid,
        since             timestamptz,
        resolved_at       timestamptz,
        refused_calls     bigint NOT NULL DEFAULT 0,
        refused_users     bigint NOT NULL DEFAULT 0,
        last_user_id      uuid,
        last_key_id       uuid,
        required_nanos    bigint NOT NULL DEFAULT 0,
        available_nanos   bigint NOT NULL DEFAULT 0,
        slot_id           uuid,
        slot_shortage_id  uuid,
        slot_claimed_at   timestamptz,
        sent_at           timestamptz,
        given_back_count  integer NOT NULL DEFAULT 0,
        reopens_at        timestamptz,
        notified_at       timestamptz,
        warned_at         timestamptz,
        due_at            timestamptz,
        PRIMARY KEY (mandate_id, kind, account_id)
    ) WITH (fillfactor = 50)
"""

REFUSED_USER = """
    CREATE TABLE refused_user (
        mandate_id   uuid NOT NULL,
        kind         text NOT NULL,
        account_id   uuid NOT NULL,
        user_id      uuid NOT NULL,
        shortage_id  uuid NOT NULL,
        since        timestamptz NOT NULL,
        PRIMARY KEY (mandate_id, kind, account_id, user_id),
        FOREIGN KEY (mandate_id, kind, account_id) REFERENCES alert
    )
"""

NOTICE = """
    CREATE TABLE notice (
        mandate_id       uuid NOT NULL REFERENCES mandate,
        notice_id        uuid NOT NULL,
        kind             text NOT NULL,
        account_id       uuid NOT NULL,
        shortage_id      uuid NOT NULL,
        slot_id          uuid NOT NULL,
        channel          text NOT NULL,
        recipient        text NOT NULL,
        state            text NOT NULL DEFAULT 'QUEUED' CHECK (
            state IN ('QUEUED', 'SENT', 'REFUSED', 'FAILED', 'CANCELLED')),
        payload          jsonb NOT NULL,
        attempts         integer NOT NULL DEFAULT 0,
        next_attempt_at  timestamptz NOT NULL,
        claim_id         uuid,
        claimed_until    timestamptz,
        message_id       text,
        last_error       text,
        created_at       timestamptz NOT NULL,
        updated_at       timestamptz NOT NULL,
        sent_at          timestamptz,
        PRIMARY KEY (mandate_id, notice_id)
    ) WITH (fillfactor = 70)
"""

RECIPIENT_STATE = """
    CREATE TABLE recipient_state (
        mandate_id  uuid NOT NULL REFERENCES mandate,
        channel     text NOT NULL,
        address     text NOT NULL,
        reason      text NOT NULL,
        refused_at  timestamptz NOT NULL,
        PRIMARY KEY (mandate_id, channel, address)
    )
"""

# An address that is taken out of the list, or put into it, starts afresh; and where nobody could be told of a shortage
# that lasts, the worker looks again at once. A trigger, so that no writer of the settings has to know about notices.
ADDRESSES_EDITED = """
    CREATE FUNCTION notify_emails_edited() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
        DELETE FROM recipient_state
         WHERE mandate_id = NEW.mandate_id AND channel = 'email'
           AND NOT (address = ANY (OLD.notify_emails) AND address = ANY (NEW.notify_emails));
        PERFORM 1 FROM alert WHERE mandate_id = NEW.mandate_id ORDER BY kind, account_id FOR UPDATE;
        UPDATE alert SET due_at = now(), reopens_at = least(reopens_at, now())
         WHERE mandate_id = NEW.mandate_id AND shortage_id IS NOT NULL AND resolved_at IS NULL
           AND notified_at IS NULL;
        RETURN NULL;
    END
    $$
"""


def upgrade() -> None:
    op.execute(ALERT)
    op.execute("CREATE INDEX alert_due ON alert (due_at) WHERE due_at IS NOT NULL")
    op.execute(REFUSED_USER)
    op.execute(NOTICE)
    op.execute("CREATE INDEX notice_due ON notice (next_attempt_at) WHERE state = 'QUEUED'")
    op.execute(
        "CREATE UNIQUE INDEX notice_undelivered ON notice (mandate_id, kind, account_id, recipient)"
        " WHERE state = 'QUEUED'"
    )
    op.execute("CREATE INDEX notice_slot ON notice (mandate_id, slot_id)")
    op.execute(RECIPIENT_STATE)
    op.execute(ADDRESSES_EDITED)
    op.execute("REVOKE ALL ON FUNCTION notify_emails_edited() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER notify_emails_edited AFTER UPDATE OF notify_emails ON billing_settings FOR EACH ROW"
        " WHEN (OLD.notify_emails IS DISTINCT FROM NEW.notify_emails) EXECUTE FUNCTION notify_emails_edited()"
    )

    protect("alert", app="SELECT", ledger="SELECT, INSERT, UPDATE")
    protect("refused_user", app="SELECT", ledger="SELECT, INSERT, UPDATE")
    protect("notice", app="SELECT", ledger="SELECT, INSERT, UPDATE")
    protect("recipient_state", app="SELECT", ledger="SELECT, INSERT, UPDATE")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
