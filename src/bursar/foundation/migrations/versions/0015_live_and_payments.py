"""Words that something has changed, refusals by the hour, payments by a provider, and verifications of the books.

Revision ID: 0015
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0015"
down_revision = "0014"
branch_labels = None
depends_on = None

# Whoever shows an unread count live is told whose has changed. PostgreSQL says the same word once per transaction.
INBOX_SAID = """
    CREATE FUNCTION inbox_said() RETURNS trigger
        LANGUAGE plpgsql SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
        PERFORM pg_notify('bursar_inbox', NEW.mandate_id || ' ' || NEW.user_id);
        RETURN NULL;
    END
    $$
"""

# An alert counts the refusals of its present shortage only; when they were is what a chart marks.
REFUSAL_HOUR = """
    CREATE TABLE refusal_hour (
        mandate_id  uuid NOT NULL REFERENCES mandate,
        account_id  uuid NOT NULL,
        hour        timestamptz NOT NULL,
        calls       bigint NOT NULL,
        PRIMARY KEY (mandate_id, account_id, hour)
    )
"""

COUNT_REFUSALS = """
    CREATE FUNCTION count_refusals() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        added bigint := NEW.refused_calls;
    BEGIN
        IF TG_OP = 'UPDATE' AND OLD.shortage_id IS NOT DISTINCT FROM NEW.shortage_id THEN
            added := added - OLD.refused_calls;
        END IF;
        IF added > 0 THEN
            INSERT INTO refusal_hour AS known (mandate_id, account_id, hour, calls)
            VALUES (NEW.mandate_id, NEW.account_id, date_trunc('hour', now(), 'UTC'), added)
                ON CONFLICT (mandate_id, account_id, hour) DO UPDATE SET calls = known.calls + EXCLUDED.calls;
        END IF;
        RETURN NULL;
    END
    $$
"""

# What a provider is asked to collect. It is paid by the provider's word, credited by the ledger under `transfer_id`;
# what is paid and not yet credited is finished by whoever comes by.
PAYMENT = """
    CREATE TABLE payment (
        mandate_id    uuid NOT NULL REFERENCES mandate,
        payment_id    uuid NOT NULL,
        provider      text NOT NULL,
        provider_ref  text,
        user_id       uuid,
        amount_nanos  bigint NOT NULL CHECK (amount_nanos > 0),
        currency      text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
        state         text NOT NULL DEFAULT 'OPEN' CHECK (state IN ('OPEN', 'PAID', 'CREDITED', 'EXPIRED', 'FAILED')),
        transfer_id   uuid NOT NULL,
        created_by    text NOT NULL,
        created_at    timestamptz NOT NULL DEFAULT now(),
        paid_at       timestamptz,
        credited_at   timestamptz,
        PRIMARY KEY (mandate_id, payment_id)
    )
"""

# The operator's, and no mandate's: how a check of all books, or of one mandate's, ended.
VERIFICATION = """
    CREATE TABLE verification (
        verification_id  uuid PRIMARY KEY,
        of_mandate_id    uuid,
        started_by       text NOT NULL,
        started_at       timestamptz NOT NULL DEFAULT now(),
        ended_at         timestamptz,
        violations       bigint,
        warnings         bigint,
        findings         jsonb,
        error            text
    )
"""

VERIFICATION_WALLS = (
    "ALTER TABLE verification ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE verification FORCE ROW LEVEL SECURITY",
    "CREATE POLICY operator_only ON verification TO bursar_app"
    " USING (current_setting('bursar.operator', true) = 'on')"
    " WITH CHECK (current_setting('bursar.operator', true) = 'on')",
    "GRANT SELECT, INSERT ON verification TO bursar_app",
    "GRANT UPDATE (ended_at, violations, warnings, findings, error) ON verification TO bursar_app",
)


def upgrade() -> None:
    op.execute(INBOX_SAID)
    op.execute(
        "CREATE TRIGGER inbox_said AFTER INSERT OR UPDATE OF read_at ON inbox_item FOR EACH ROW"
        " EXECUTE FUNCTION inbox_said()"
    )
    op.execute("CREATE INDEX inbox_item_unread ON inbox_item (mandate_id, user_id) WHERE read_at IS NULL")
    op.execute(REFUSAL_HOUR)
    protect("refusal_hour", app="SELECT", ledger="")
    op.execute(COUNT_REFUSALS)
    op.execute("REVOKE ALL ON FUNCTION count_refusals() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER count_refusals AFTER INSERT OR UPDATE OF refused_calls ON alert FOR EACH ROW"
        " WHEN (NEW.kind = 'EXHAUSTED' AND NEW.refused_calls > 0) EXECUTE FUNCTION count_refusals()"
    )
    op.execute(PAYMENT)
    op.execute("CREATE INDEX payment_recent ON payment (mandate_id, created_at, payment_id)")
    op.execute("CREATE INDEX payment_unfinished ON payment (paid_at) WHERE state = 'PAID'")
    protect("payment", app="SELECT, INSERT, UPDATE (provider_ref, state, paid_at, credited_at)", ledger="")
    op.execute(
        "CREATE TRIGGER audited AFTER INSERT OR UPDATE OF state ON payment FOR EACH ROW"
        " EXECUTE FUNCTION audit_row('payment', 'payment_id', 'created_at created_by', '')"
    )
    op.execute(VERIFICATION)
    owner = op.get_bind().exec_driver_sql("SELECT quote_ident(current_user)").scalar_one()
    op.execute(f"CREATE POLICY owner_sees_all ON verification TO {owner} USING (true) WITH CHECK (true)")
    op.execute("CREATE INDEX verification_recent ON verification (started_at)")
    for statement in VERIFICATION_WALLS:
        op.execute(statement)


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
