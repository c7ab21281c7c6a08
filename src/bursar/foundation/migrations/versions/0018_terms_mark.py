"""A mark of a mandate's terms and limits, by which a worker that remembers them sees whether they are still the same.

Revision ID: 0018
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0018"
down_revision = "0017"
branch_labels = None
depends_on = None

LIMITS_VERSION = """
    CREATE TABLE limits_version (
        mandate_id  uuid PRIMARY KEY REFERENCES mandate,
        version     bigint NOT NULL
    )
"""

# A trigger, so that no way of making, changing or deleting a limit can forget it.
COUNT_UP = """
    CREATE FUNCTION count_limits_version() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
        INSERT INTO limits_version AS l (mandate_id, version) VALUES (NEW.mandate_id, 1)
            ON CONFLICT (mandate_id) DO UPDATE SET version = l.version + 1;
        RETURN NULL;
    END
    $$
"""

# `xmin` is the transaction that wrote a row last: the cheapest way to see that a row has not been written since.
# VOLATILE is the point: it reads what is committed when it is called, and not when the calling statement began.
TERMS_MARK = """
    CREATE FUNCTION terms_mark(of_mandate uuid) RETURNS text
        LANGUAGE sql VOLATILE SET search_path = pg_catalog, public, pg_temp AS $$
        SELECT m.xmin::text || ' ' || s.xmin::text || ' '
               || coalesce((SELECT l.version FROM limits_version l WHERE l.mandate_id = of_mandate), 0)::text
          FROM mandate m JOIN billing_settings s ON s.mandate_id = m.mandate_id WHERE m.mandate_id = of_mandate
    $$
"""


def upgrade() -> None:
    op.execute(LIMITS_VERSION)
    protect("limits_version", app="SELECT", ledger="SELECT")
    op.execute(COUNT_UP)
    op.execute("REVOKE ALL ON FUNCTION count_limits_version() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER counted AFTER INSERT OR UPDATE ON spending_limit FOR EACH ROW"
        " EXECUTE FUNCTION count_limits_version()"
    )
    op.execute(TERMS_MARK)
    op.execute("REVOKE ALL ON FUNCTION terms_mark(uuid) FROM PUBLIC")
    op.execute("GRANT EXECUTE ON FUNCTION terms_mark(uuid) TO bursar_ledger")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
