"""What people found in the application goes by age, as what was mailed does.

Revision ID: 0025
"""

from __future__ import annotations

from alembic import op

revision = "0025"
down_revision = "0024"
branch_labels = None
depends_on = None

# Whether it was read or not: after so long nobody will.
PRUNE_INBOXES = """
    CREATE FUNCTION prune_inboxes(of_mandate uuid, wanted timestamptz, most integer) RETURNS integer
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        cut timestamptz := prunable_before(wanted);
        taken integer;
    BEGIN
        DELETE FROM inbox_item WHERE ctid = ANY (ARRAY(
            SELECT i.ctid FROM inbox_item i WHERE i.mandate_id = of_mandate AND i.created_at < cut
             ORDER BY i.user_id, i.created_at, i.item_id LIMIT most
               FOR UPDATE SKIP LOCKED));
        GET DIAGNOSTICS taken = ROW_COUNT;
        RETURN taken;
    END
    $$
"""


def upgrade() -> None:
    op.execute(PRUNE_INBOXES)
    op.execute("REVOKE ALL ON FUNCTION prune_inboxes(uuid, timestamptz, integer) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION prune_inboxes(uuid, timestamptz, integer) TO bursar_ledger")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
