"""Whose key it is, by one statement: a function that enters the key's mandate and reads there what its caller may see.

Revision ID: 0024
"""

from __future__ import annotations

from alembic import op

revision = "0024"
down_revision = "0023"
branch_labels = None
depends_on = None

# With the rights of whoever calls it, so that row-level security holds in it as everywhere. The setting ends with the
# transaction, which outside of another one is the statement.
FIND_KEY = """
    CREATE FUNCTION find_key(of_mandate uuid, presented_hash bytea) RETURNS TABLE (
        revision bigint, mandate_id uuid, name text, currency text, status text, language text, time_zone text,
        billing_model text, credit_limit_nanos bigint, markup_percent numeric, allowed_models text[], client_gone text,
        users_on_first_sight boolean, notify_emails text[], notify_language text, notify_wallet_exhausted boolean,
        max_calls_per_minute integer, max_concurrent_calls integer, max_held_nanos bigint, key_id uuid, kind text,
        key_name text, key_models text[], read_only_billing boolean, key_calls_per_minute integer,
        key_concurrent_calls integer, key_held_nanos bigint, expires_at timestamptz, user_id uuid, role text,
        user_language text, display_name text, email text, external_id text)
        LANGUAGE plpgsql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
    #variable_conflict use_column
    BEGIN
        PERFORM set_config('bursar.mandate_id', of_mandate::text, true);
        RETURN QUERY
        SELECT r.revision,
               m.mandate_id, m.name, m.currency, m.status, m.language, m.time_zone,
               s.billing_model, s.credit_limit_nanos, s.markup_percent, s.allowed_models, s.client_gone,
               s.users_on_first_sight, s.notify_emails, s.language AS notify_language, s.notify_wallet_exhausted,
               s.max_calls_per_minute, s.max_concurrent_calls, s.max_held_nanos,
               k.key_id, k.kind, k.name AS key_name, k.allowed_models AS key_models, k.read_only_billing,
               k.max_calls_per_minute AS key_calls_per_minute, k.max_concurrent_calls AS key_concurrent_calls,
               k.max_held_nanos AS key_held_nanos,
               CASE WHEN k.secret_hash = presented_hash THEN k.expires_at
                    ELSE least(k.expires_at, k.former_until) END AS expires_at,
               u.user_id, u.role, u.language AS user_language, u.display_name, u.email, u.external_id
          FROM api_key k
          JOIN mandate m ON m.mandate_id = k.mandate_id
          JOIN billing_settings s ON s.mandate_id = k.mandate_id
          JOIN identity_revision r ON r.mandate_id = k.mandate_id
          LEFT JOIN app_user u ON u.mandate_id = k.mandate_id AND u.user_id = k.user_id AND u.deleted_at IS NULL
         WHERE k.mandate_id = of_mandate AND k.revoked_at IS NULL
           AND (k.secret_hash = presented_hash OR (k.former_hash = presented_hash AND k.former_until > now()))
           AND (k.expires_at IS NULL OR k.expires_at > now())
           AND (k.user_id IS NULL OR u.user_id IS NOT NULL);
    END
    $$
"""


def upgrade() -> None:
    op.execute(FIND_KEY)
    op.execute("REVOKE ALL ON FUNCTION find_key(uuid, bytea) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION find_key(uuid, bytea) TO bursar_app")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
