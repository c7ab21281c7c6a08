"""The audit log: who changed what, from where, with what was before and after; written by the database itself.

Triggers write it in the transaction of the change, by the owner's right. No role of the running program may change or
delete an entry, and only `bursar_app` may add one of its own.

Revision ID: 0008
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0008"
down_revision = "0007"
branch_labels = None
depends_on = None

# No foreign key: what belongs to no mandate (vouchers, as long as nobody has redeemed them) is noted under the id of
# zeros, the installation's own.
AUDIT_ENTRY = """
    CREATE TABLE audit_entry (
        mandate_id  uuid NOT NULL,
        entry_id    uuid NOT NULL DEFAULT gen_random_uuid(),
        at          timestamptz NOT NULL DEFAULT clock_timestamp(),
        actor       text NOT NULL,
        action      text NOT NULL,
        object      text NOT NULL,
        before      jsonb,
        after       jsonb,
        ip          text,
        user_agent  text,
        request_id  text,
        PRIMARY KEY (mandate_id, entry_id)
    )
"""

# Where a request for money came from: written before the money is asked for, because the ledger decides many requests
# in one transaction. A transfer finds it by its id. Rows of requests that were refused stay, and say nothing.
MONEY_ORIGIN = """
    CREATE TABLE money_origin (
        mandate_id   uuid NOT NULL REFERENCES mandate,
        transfer_id  uuid NOT NULL,
        origin       jsonb NOT NULL,
        PRIMARY KEY (mandate_id, transfer_id)
    )
"""

NOTE = """
    CREATE FUNCTION note_audit(
        of_mandate uuid, origin jsonb, known_actor text, action text, object text, before jsonb, after jsonb
    ) RETURNS void LANGUAGE sql SET search_path = pg_catalog, public, pg_temp AS $$
        INSERT INTO audit_entry (mandate_id, actor, action, object, before, after, ip, user_agent, request_id)
        VALUES (of_mandate, coalesce(known_actor, origin ->> 'actor', 'system'), action, object, before, after,
                origin ->> 'ip', origin ->> 'userAgent', origin ->> 'requestId')
    $$
"""

# Arguments: what a row is called, the column of its id, columns that are never shown (secrets) or say nothing
# (versions), columns that are personal. What is personal can be erased, an entry cannot: so it says only that such a
# column was given or changed. Of a change, what stayed the same is left out; a change of nothing is no entry.
AUDIT_ROW = """
    CREATE FUNCTION audit_row() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        what text := TG_ARGV[0];
        hidden text[] := string_to_array(TG_ARGV[2], ' ') || ARRAY['mandate_id', 'version', 'last_used_at'];
        personal text[] := string_to_array(TG_ARGV[3], ' ');
        was jsonb := '{}';
        is_now jsonb := to_jsonb(NEW) - hidden;
        id text := is_now ->> TG_ARGV[1];
        changed text[];
        verb text := 'created';
        each text;
    BEGIN
        IF TG_OP = 'UPDATE' THEN
            was := to_jsonb(OLD) - hidden;
            SELECT coalesce(array_agg(key), '{}') INTO changed FROM jsonb_each(is_now)
             WHERE value IS DISTINCT FROM was -> key;
            IF changed = '{}' THEN
                RETURN NULL;
            END IF;
            verb := CASE WHEN 'deleted_at' = ANY (changed) THEN 'deleted'
                         WHEN 'revoked_at' = ANY (changed) THEN 'revoked'
                         WHEN 'former_until' = ANY (changed) THEN 'rotated' ELSE 'changed' END;
            SELECT jsonb_object_agg(key, value) INTO was FROM jsonb_each(was) WHERE key = ANY (changed);
            SELECT jsonb_object_agg(key, value) INTO is_now FROM jsonb_each(is_now) WHERE key = ANY (changed);
        END IF;
        FOREACH each IN ARRAY personal LOOP
            IF was ->> each IS NOT NULL THEN
                was := jsonb_set(was, ARRAY[each], '"(not kept)"');
            END IF;
            IF is_now ->> each IS NOT NULL THEN
                is_now := jsonb_set(is_now, ARRAY[each], '"(not kept)"');
            END IF;
        END LOOP;
        PERFORM note_audit(
            NEW.mandate_id, nullif(current_setting('bursar.origin', true), '')::jsonb, NULL, what || '.' || verb,
            coalesce(id, NEW.mandate_id::text), CASE WHEN TG_OP = 'UPDATE' THEN was END, is_now);
        RETURN NULL;
    END
    $$
"""

AUDIT_MONEY = """
    CREATE FUNCTION audit_money() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
        PERFORM note_audit(
            NEW.mandate_id,
            (SELECT o.origin FROM money_origin o
              WHERE o.mandate_id = NEW.mandate_id AND o.transfer_id = NEW.transfer_id),
            NEW.actor, 'money.' || lower(NEW.kind), NEW.transfer_id::text, NULL,
            jsonb_strip_nulls(jsonb_build_object(
                'amount_nanos', NEW.amount_nanos, 'debit_account_id', NEW.debit_account_id,
                'credit_account_id', NEW.credit_account_id, 'user_id', NEW.user_id, 'reference', NEW.reference,
                'reason', NEW.reason)));
        RETURN NULL;
    END
    $$
"""

# Table, events, and the arguments of audit_row.
ROWS = (
    ("mandate", "INSERT OR UPDATE", "mandate", "mandate_id", "created_at", ""),
    ("billing_settings", "UPDATE", "billing_settings", "mandate_id", "", ""),
    ("app_user", "INSERT OR UPDATE", "user", "user_id", "created_at", "email display_name external_id"),
    (
        "api_key",
        "INSERT OR UPDATE OF name, kind, user_id, secret_hash, expires_at, revoked_at",
        "key",
        "key_id",
        "secret_hash created_at created_by",
        "",
    ),
    ("spending_limit", "INSERT OR UPDATE", "limit", "limit_id", "created_at created_by", ""),
)


def upgrade() -> None:
    op.execute(AUDIT_ENTRY)
    op.execute("CREATE INDEX audit_entry_recent ON audit_entry (mandate_id, at, entry_id)")
    op.execute(MONEY_ORIGIN)
    protect("audit_entry", app="SELECT, INSERT", ledger="")
    protect("money_origin", app="INSERT", ledger="")
    for statement in (NOTE, AUDIT_ROW, AUDIT_MONEY):
        op.execute(statement)
    op.execute("REVOKE ALL ON FUNCTION note_audit(uuid, jsonb, text, text, text, jsonb, jsonb) FROM PUBLIC")
    op.execute("REVOKE ALL ON FUNCTION audit_row() FROM PUBLIC")
    op.execute("REVOKE ALL ON FUNCTION audit_money() FROM PUBLIC")
    for table, events, *arguments in ROWS:
        quoted = ", ".join(f"'{argument}'" for argument in arguments)
        op.execute(
            f"CREATE TRIGGER audited AFTER {events} ON {table} FOR EACH ROW EXECUTE FUNCTION audit_row({quoted})"
        )
    op.execute(
        "CREATE TRIGGER audited AFTER INSERT ON transfer FOR EACH ROW"
        " WHEN (NEW.kind IN ('TOP_UP', 'CORRECTION', 'REFUND', 'WALLET_TRANSFER')) EXECUTE FUNCTION audit_money()"
    )


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
