"""Operators who are added by operators; versions of keys, limits and wishes; entries for all that is changed.

Revision ID: 0014
"""

from __future__ import annotations

from alembic import op

revision = "0014"
down_revision = "0013"
branch_labels = None
depends_on = None

# Whoever operated the installation, and is nobody in any mandate, is forgotten, and signed out with it.
OPERATOR_GONE = """
    CREATE FUNCTION forget_operator() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
        -- Locked before it is looked at: somebody may be linking it to a mandate at this moment.
        PERFORM 1 FROM identity WHERE identity_id = OLD.identity_id FOR UPDATE;
        DELETE FROM identity i WHERE i.identity_id = OLD.identity_id
           AND NOT EXISTS (SELECT FROM membership m WHERE m.identity_id = i.identity_id);
        RETURN NULL;
    END
    $$
"""

# As in 0008, and for rows that are deleted.
AUDIT_ROW = """
    CREATE OR REPLACE FUNCTION audit_row() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        what text := TG_ARGV[0];
        hidden text[] := string_to_array(TG_ARGV[2], ' ') || ARRAY['mandate_id', 'version', 'last_used_at'];
        personal text[] := string_to_array(TG_ARGV[3], ' ');
        present jsonb := CASE WHEN TG_OP = 'DELETE' THEN to_jsonb(OLD) ELSE to_jsonb(NEW) END;
        of_mandate uuid := (present ->> 'mandate_id')::uuid;
        was jsonb := CASE WHEN TG_OP = 'INSERT' THEN '{}' ELSE to_jsonb(OLD) - hidden END;
        is_now jsonb := present - hidden;
        id text := is_now ->> TG_ARGV[1];
        changed text[];
        verb text := CASE TG_OP WHEN 'DELETE' THEN 'deleted' ELSE 'created' END;
        each text;
    BEGIN
        IF TG_OP = 'UPDATE' THEN
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
            of_mandate, nullif(current_setting('bursar.origin', true), '')::jsonb, NULL, what || '.' || verb,
            coalesce(id, of_mandate::text), CASE WHEN TG_OP <> 'INSERT' THEN was END,
            CASE WHEN TG_OP <> 'DELETE' THEN is_now END);
        RETURN NULL;
    END
    $$
"""

# Table, events, and the arguments of audit_row: what it is called, its id, what is hidden, what is personal.
AUDITED = (
    (
        "api_key",
        "INSERT OR UPDATE OF name, kind, user_id, prefix, expires_at, revoked_at, allowed_models, read_only_billing,"
        " former_until, max_calls_per_minute, max_concurrent_calls, max_held_nanos",
        "key",
        "key_id",
        "secret_hash former_hash created_at created_by",
        "",
    ),
    ("notice_settings", "INSERT OR UPDATE", "notice_settings", "mandate_id", "", ""),
    ("notice_silence", "INSERT OR DELETE", "silence", "silence_id", "created_at created_by", ""),
    (
        "webhook_endpoint",
        "INSERT OR UPDATE OF url, disabled_at, deleted_at",
        "webhook",
        "endpoint_id",
        "secrets created_at created_by failing_since",
        "",
    ),
    (
        "top_up_request",
        "INSERT OR UPDATE OF state",
        "top_up_request",
        "request_id",
        "created_at decided_at decided_by",
        "reason",
    ),
)


def upgrade() -> None:
    op.execute("ALTER TABLE platform_operator DROP CONSTRAINT platform_operator_granted_by_check")
    op.execute("ALTER TABLE platform_operator ADD CHECK (granted_by IN ('link', 'settings', 'operator'))")
    op.execute(OPERATOR_GONE)
    op.execute("REVOKE ALL ON FUNCTION forget_operator() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER forget_operator AFTER DELETE ON platform_operator FOR EACH ROW"
        " EXECUTE FUNCTION forget_operator()"
    )
    for table in ("api_key", "spending_limit", "notice_settings"):
        op.execute(f"ALTER TABLE {table} ADD COLUMN version bigint NOT NULL DEFAULT 1")
    op.execute(AUDIT_ROW)
    op.execute("DROP TRIGGER audited ON api_key")
    for table, events, *arguments in AUDITED:
        quoted = ", ".join(f"'{argument}'" for argument in arguments)
        op.execute(
            f"CREATE TRIGGER audited AFTER {events} ON {table} FOR EACH ROW EXECUTE FUNCTION audit_row({quoted})"
        )


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
