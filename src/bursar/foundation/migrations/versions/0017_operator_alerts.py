"""What operators are told, and vouchers that are about to expire.

Revision ID: 0017
"""

from __future__ import annotations

from alembic import op

revision = "0017"
down_revision = "0016"
branch_labels = None
depends_on = None

# Of no mandate: small, and replicated.
OPERATOR_ALERT = """
    CREATE TABLE operator_alert (
        kind             text NOT NULL,
        subject          text NOT NULL,
        since            timestamptz NOT NULL,
        last_at          timestamptz NOT NULL,
        count            bigint NOT NULL,
        facts            jsonb NOT NULL,
        told_at          timestamptz,
        told_count       bigint NOT NULL DEFAULT 0,
        attempts         integer NOT NULL DEFAULT 0,
        next_attempt_at  timestamptz NOT NULL DEFAULT '-infinity',
        claim_id         uuid,
        PRIMARY KEY (kind, subject)
    )
"""

# Which chore was done last when, so that one server of many does it.
OPERATOR_CHORE = "CREATE TABLE operator_chore (name text PRIMARY KEY, ran_at timestamptz NOT NULL)"


def upgrade() -> None:
    op.execute(OPERATOR_ALERT)
    op.execute(OPERATOR_CHORE)
    op.execute("GRANT SELECT, INSERT, UPDATE ON operator_alert, operator_chore TO bursar_ledger")
    # The observer sees those that are reserved for a mandate, and never a code.
    op.execute(
        "GRANT SELECT (voucher_id, for_mandate_id, amount_nanos, expires_at, revoked_at, claimed_at)"
        " ON voucher TO bursar_ledger"
    )
    op.execute("CREATE POLICY reserved_ones ON voucher FOR SELECT TO bursar_ledger USING (for_mandate_id IS NOT NULL)")
    op.execute(
        "CREATE INDEX voucher_reserved ON voucher (expires_at)"
        " WHERE for_mandate_id IS NOT NULL AND claimed_at IS NULL AND revoked_at IS NULL"
    )


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
