"""The installation, its mandates and what each has agreed to pay.

Revision ID: 0001
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect, share

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

PRICE = """
    CREATE TABLE price (
        price_id    uuid PRIMARY KEY,
        content     jsonb NOT NULL,
        created_at  timestamptz NOT NULL DEFAULT now()
    )
"""

MANDATE_TIME_ZONE = (
    """
    CREATE TABLE mandate_time_zone (
        mandate_id  uuid NOT NULL REFERENCES mandate,
        changed_at  timestamptz NOT NULL,
        time_zone   text NOT NULL,
        PRIMARY KEY (mandate_id, changed_at)
    )
    """,
    # Written by the owner's right: nobody else can add to what has been, or change it.
    """
    CREATE FUNCTION note_time_zone() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER SET search_path = public, pg_temp
    AS $$
    BEGIN
        INSERT INTO mandate_time_zone (mandate_id, changed_at, time_zone)
        VALUES (NEW.mandate_id, clock_timestamp(), NEW.time_zone);
        RETURN NULL;
    END
    $$
    """,
    "CREATE TRIGGER first_time_zone AFTER INSERT ON mandate FOR EACH ROW EXECUTE FUNCTION note_time_zone()",
    """
    CREATE TRIGGER changed_time_zone AFTER UPDATE OF time_zone ON mandate FOR EACH ROW
    WHEN (OLD.time_zone IS DISTINCT FROM NEW.time_zone) EXECUTE FUNCTION note_time_zone()
    """,
)


def upgrade() -> None:
    op.execute("GRANT USAGE ON SCHEMA public TO bursar_app, bursar_ledger")
    op.execute(
        """
        CREATE TABLE installation (
            only_row       boolean PRIMARY KEY DEFAULT true CHECK (only_row),
            root_key_hash  bytea,
            created_at     timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    op.execute("INSERT INTO installation DEFAULT VALUES")
    share("installation", app="SELECT, UPDATE", ledger="SELECT")

    op.execute(
        """
        CREATE TABLE mandate (
            mandate_id  uuid PRIMARY KEY,
            name        text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 300),
            currency    text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
            status      text NOT NULL DEFAULT 'active' CHECK (status IN ('active', 'suspended', 'closed')),
            language    text NOT NULL DEFAULT 'de' CHECK (language IN ('de', 'en', 'fr', 'it')),
            time_zone   text NOT NULL DEFAULT 'Europe/Zurich',
            version     bigint NOT NULL DEFAULT 1,
            created_at  timestamptz NOT NULL DEFAULT now()
        )
        """
    )
    protect("mandate", app="SELECT, INSERT, UPDATE", ledger="SELECT")

    # A month that has ended must not move when the mandate changes its time zone: every zone it has had stays known.
    for statement in MANDATE_TIME_ZONE:
        op.execute(statement)
    protect("mandate_time_zone", app="SELECT", ledger="SELECT")

    op.execute(
        """
        CREATE TABLE billing_settings (
            mandate_id                  uuid PRIMARY KEY REFERENCES mandate,
            billing_model               text NOT NULL DEFAULT 'PREPAY_MANDATE' CHECK (
                billing_model IN ('PREPAY_MANDATE', 'PREPAY_USER', 'POSTPAY', 'UNLIMITED')),
            credit_limit_nanos          bigint CHECK (credit_limit_nanos >= 0),
            markup_percent              numeric(12, 6) CHECK (markup_percent > -100),
            allowed_models              text[],
            notify_emails               text[] NOT NULL DEFAULT '{}',
            notify_cooldown_seconds     integer NOT NULL DEFAULT 3600
                                        CHECK (notify_cooldown_seconds BETWEEN 60 AND 2592000),
            notify_wallet_exhausted     boolean NOT NULL DEFAULT false,
            low_balance_threshold_nanos bigint CHECK (low_balance_threshold_nanos >= 0),
            exhausted_below_nanos       bigint CHECK (exhausted_below_nanos >= 0),
            max_hold_share_percent      integer NOT NULL DEFAULT 10 CHECK (max_hold_share_percent BETWEEN 1 AND 100),
            client_gone                 text NOT NULL DEFAULT 'DRAIN' CHECK (client_gone IN ('DRAIN', 'STOP')),
            users_on_first_sight        boolean NOT NULL DEFAULT false,
            language                    text CHECK (language IN ('de', 'en', 'fr', 'it')),
            version                     bigint NOT NULL DEFAULT 1,
            CHECK (billing_model <> 'POSTPAY' OR credit_limit_nanos IS NOT NULL)
        )
        """
    )
    protect("billing_settings", app="SELECT, INSERT, UPDATE", ledger="SELECT")

    op.execute(PRICE)
    share("price", app="SELECT, INSERT", ledger="SELECT")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
