"""Pruning: what resolved holds had added up to before they were taken away, and the only ways to take rows away.

Revision ID: 0006
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0006"
down_revision = "0004"
branch_labels = None
depends_on = None

# Per account: how many holds are gone, what they had counted the version up by, what had been charged for them.
HOLD_CHECKPOINT = """
    CREATE TABLE hold_checkpoint (
        mandate_id       uuid NOT NULL REFERENCES mandate,
        account_id       uuid NOT NULL,
        holds            bigint NOT NULL,
        growths          bigint NOT NULL,
        paid_holds       bigint NOT NULL,
        charged_nanos    bigint NOT NULL,
        overrun_nanos    bigint NOT NULL,
        last_version     bigint NOT NULL,
        last_created_at  timestamptz NOT NULL,
        pruned_at        timestamptz NOT NULL,
        PRIMARY KEY (mandate_id, account_id)
    )
"""

# The same money by what a spending limit may be set on: a cap in total that is made later still counts it.
SPENDING_CHECKPOINT = """
    CREATE TABLE spending_checkpoint (
        mandate_id     uuid NOT NULL REFERENCES mandate,
        scope          text NOT NULL CHECK (scope IN ('mandate', 'user', 'key', 'model')),
        scope_id       text NOT NULL,
        charged_nanos  bigint NOT NULL,
        PRIMARY KEY (mandate_id, scope, scope_id)
    )
"""

# No role of the running program may delete a hold or a notice. These functions may, by the owner's right, and they
# refuse what is younger than 35 days whatever they are asked: longer than any period that a cap resets after.
# An id begins with the time of its making, so that the oldest rows are found at the front of the primary key.
FLOOR = """
    CREATE FUNCTION prunable_before(wanted timestamptz) RETURNS timestamptz LANGUAGE sql STABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$ SELECT least(wanted, clock_timestamp() - interval '35 days') $$
"""

FIRST_ID = """
    CREATE FUNCTION first_id_at(moment timestamptz) RETURNS uuid LANGUAGE sql IMMUTABLE
        SET search_path = pg_catalog, public, pg_temp
        AS $$ SELECT (lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') || repeat('0', 20))::uuid $$
"""

# Rows that somebody is just working on are skipped: this waits for nobody. Transfers are looked up hold by hold,
# whatever the planner thinks of the size of a batch: a mandate may have millions of them.
PRUNE_HOLDS = """
    CREATE FUNCTION prune_holds(of_mandate uuid, wanted timestamptz, most integer) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        cut timestamptz := prunable_before(wanted);
        taken integer;
    BEGIN
        WITH gone AS (
            DELETE FROM hold WHERE ctid = ANY (ARRAY(
                SELECT h.ctid FROM hold h
                 WHERE h.mandate_id = of_mandate AND h.hold_id < first_id_at(cut) AND h.state <> 'PENDING'
                   AND h.created_at < cut AND h.resolved_at < cut
                   AND coalesce((SELECT max(t.at) FROM transfer t
                                  WHERE t.mandate_id = of_mandate AND t.hold_id = h.hold_id), '-infinity') < cut
                 ORDER BY h.hold_id LIMIT most
                   FOR UPDATE SKIP LOCKED))
            RETURNING *
        ), paid AS (
            SELECT g.hold_id, charged.version
              FROM gone g CROSS JOIN LATERAL (
                   SELECT max(CASE WHEN t.debit_account_id = g.account_id THEN t.debit_version
                                   WHEN t.credit_account_id = g.account_id THEN t.credit_version END) AS version
                     FROM transfer t
                    WHERE t.mandate_id = of_mandate AND t.hold_id = g.hold_id
                      AND t.kind IN ('CHARGE', 'LATE_ADJUSTMENT')) AS charged
             WHERE charged.version IS NOT NULL
        ), folded AS (
            INSERT INTO hold_checkpoint AS c
            SELECT of_mandate, g.account_id, count(*), sum(g.growths), count(p.hold_id), sum(g.charged_nanos),
                   sum(g.overrun_nanos), max(greatest(g.resolved_version, p.version)), max(g.created_at),
                   clock_timestamp()
              FROM gone g LEFT JOIN paid p USING (hold_id)
             GROUP BY g.account_id ORDER BY g.account_id
                ON CONFLICT (mandate_id, account_id) DO UPDATE
               SET holds = c.holds + excluded.holds, growths = c.growths + excluded.growths,
                   paid_holds = c.paid_holds + excluded.paid_holds,
                   charged_nanos = c.charged_nanos + excluded.charged_nanos,
                   overrun_nanos = c.overrun_nanos + excluded.overrun_nanos,
                   last_version = greatest(c.last_version, excluded.last_version),
                   last_created_at = greatest(c.last_created_at, excluded.last_created_at),
                   pruned_at = excluded.pruned_at
        ), spent AS (
            INSERT INTO spending_checkpoint AS c
            SELECT of_mandate, of_scope.scope, of_scope.scope_id, sum(g.charged_nanos)
              FROM gone g CROSS JOIN LATERAL (VALUES
                   ('mandate', of_mandate::text), ('user', g.user_id::text), ('key', g.key_id::text),
                   ('model', g.model)) AS of_scope (scope, scope_id)
             WHERE of_scope.scope_id IS NOT NULL AND g.charged_nanos <> 0
             GROUP BY of_scope.scope, of_scope.scope_id ORDER BY of_scope.scope, of_scope.scope_id
                ON CONFLICT (mandate_id, scope, scope_id) DO UPDATE
               SET charged_nanos = c.charged_nanos + excluded.charged_nanos
        )
        SELECT count(*) INTO taken FROM gone;
        RETURN taken;
    END
    $$
"""

# A slot of which a row is still undelivered keeps all its rows: how it ends is read from them.
PRUNE_NOTICES = """
    CREATE FUNCTION prune_notices(of_mandate uuid, wanted timestamptz, most integer) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        cut timestamptz := prunable_before(wanted);
        taken integer;
    BEGIN
        DELETE FROM notice WHERE ctid = ANY (ARRAY(
            SELECT n.ctid FROM notice n
             WHERE n.mandate_id = of_mandate AND n.notice_id < first_id_at(cut) AND n.state <> 'QUEUED'
               AND greatest(n.updated_at, n.sent_at) < cut
               AND NOT EXISTS (SELECT FROM notice other WHERE other.mandate_id = of_mandate
                                  AND other.slot_id = n.slot_id AND other.state = 'QUEUED')
             ORDER BY n.notice_id LIMIT most
               FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS taken = ROW_COUNT;
        RETURN taken;
    END
    $$
"""

# Denials are counted on the alert, and by user beside it. What is over and told goes; a shortage that lasts stays.
PRUNE_ALERTS = """
    CREATE FUNCTION prune_alerts(of_mandate uuid, wanted timestamptz, most integer) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        cut timestamptz := prunable_before(wanted);
        users integer;
        alerts integer;
    BEGIN
        WITH old AS (
            SELECT u.kind, u.account_id, u.user_id FROM refused_user u JOIN alert a USING (mandate_id, kind, account_id)
             WHERE u.mandate_id = of_mandate AND u.since < cut
               AND (a.resolved_at < cut OR a.shortage_id IS DISTINCT FROM u.shortage_id)
             ORDER BY u.kind, u.account_id, u.user_id LIMIT most
               FOR UPDATE OF u SKIP LOCKED)
        DELETE FROM refused_user u USING old
         WHERE u.mandate_id = of_mandate AND u.kind = old.kind AND u.account_id = old.account_id
           AND u.user_id = old.user_id;
        GET DIAGNOSTICS users = ROW_COUNT;
        WITH old AS (
            SELECT a.kind, a.account_id FROM alert a
             WHERE a.mandate_id = of_mandate AND a.resolved_at < cut AND a.due_at IS NULL
               AND coalesce(greatest(a.sent_at, a.slot_claimed_at, a.reopens_at, a.warned_at), '-infinity') < cut
               AND NOT EXISTS (SELECT FROM refused_user u WHERE u.mandate_id = of_mandate AND u.kind = a.kind
                                  AND u.account_id = a.account_id)
               AND NOT EXISTS (SELECT FROM notice n WHERE n.mandate_id = of_mandate AND n.kind = a.kind
                                  AND n.account_id = a.account_id AND n.state = 'QUEUED')
             ORDER BY a.kind, a.account_id LIMIT most
               FOR UPDATE SKIP LOCKED)
        DELETE FROM alert a USING old
         WHERE a.mandate_id = of_mandate AND a.kind = old.kind AND a.account_id = old.account_id;
        GET DIAGNOSTICS alerts = ROW_COUNT;
        RETURN users + alerts;
    END
    $$
"""

FUNCTIONS = ("prune_holds", "prune_notices", "prune_alerts")


def upgrade() -> None:
    op.execute(HOLD_CHECKPOINT)
    op.execute(SPENDING_CHECKPOINT)
    protect("hold_checkpoint", app="SELECT", ledger="SELECT")
    protect("spending_checkpoint", app="SELECT", ledger="SELECT")
    for statement in (FLOOR, FIRST_ID, PRUNE_HOLDS, PRUNE_NOTICES, PRUNE_ALERTS):
        op.execute(statement)
    for name in FUNCTIONS:
        op.execute(f"REVOKE ALL ON FUNCTION {name}(uuid, timestamptz, integer) FROM PUBLIC")
        op.execute(f"GRANT EXECUTE ON FUNCTION {name}(uuid, timestamptz, integer) TO bursar_ledger")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
