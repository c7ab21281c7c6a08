"""Refusals by the hour, which a chart marks, go by age.

Revision ID: 0026
"""

from __future__ import annotations

from alembic import op

revision = "0026"
down_revision = "0025"
branch_labels = None
depends_on = None

PRUNE_REFUSALS = """
    CREATE FUNCTION prune_refusals(of_mandate uuid, wanted timestamptz, most integer) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        cut timestamptz := prunable_before(wanted);
        taken integer;
    BEGIN
        DELETE FROM refusal_hour WHERE ctid = ANY (ARRAY(
            SELECT r.ctid FROM refusal_hour r WHERE r.mandate_id = of_mandate AND r.hour < cut
             ORDER BY r.account_id, r.hour LIMIT most
               FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS taken = ROW_COUNT;
        RETURN taken;
    END
    $$
"""


def upgrade() -> None:
    op.execute(PRUNE_REFUSALS)
    op.execute("REVOKE ALL ON FUNCTION prune_refusals(uuid, timestamptz, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION prune_refusals(uuid, timestamptz, integer) TO bursar_ledger")
    # To find which mandates have some that are old; nothing in it may be changed.
    op.execute("GRANT SELECT ON refusal_hour TO bursar_ledger")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
