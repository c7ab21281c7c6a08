"""Vouchers, tries to guess one, and keys that are narrowed or have a successor.

Revision ID: 0009
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0009"
down_revision = "0008"
branch_labels = None
depends_on = None

# The operator's: small, replicated, and no mandate may look at it, not even at the ones it has redeemed (row-level
# security below). It is claimed for an account first, then paid by the ledger, then marked as redeemed; what is claimed
# and not yet redeemed is finished by whoever comes by. A claim is never given back.
VOUCHER = """
    CREATE TABLE voucher (
        voucher_id      uuid PRIMARY KEY,
        code_hash       bytea NOT NULL UNIQUE CHECK (octet_length(code_hash) = 32),
        hint            text NOT NULL,
        amount_nanos    bigint NOT NULL CHECK (amount_nanos > 0),
        currency        text NOT NULL CHECK (currency ~ '^[A-Z]{3}$'),
        for_mandate_id  uuid REFERENCES mandate,
        note            text CHECK (char_length(note) <= 300),
        expires_at      timestamptz NOT NULL,
        created_by      text NOT NULL,
        created_at      timestamptz NOT NULL DEFAULT now(),
        revoked_at      timestamptz,
        mandate_id      uuid REFERENCES mandate,
        user_id         uuid,
        transfer_id     uuid,
        claimed_by      text,
        claim_key       text,
        claimed_at      timestamptz,
        redeemed_at     timestamptz,
        CHECK ((claimed_at IS NULL) = (mandate_id IS NULL) AND (claimed_at IS NULL) = (transfer_id IS NULL)
               AND (claimed_at IS NULL) = (claimed_by IS NULL)),
        CHECK (claimed_at IS NULL OR revoked_at IS NULL),
        CHECK (redeemed_at IS NULL OR claimed_at IS NOT NULL)
    )
"""

VOUCHER_WALLS = (
    "ALTER TABLE voucher ENABLE ROW LEVEL SECURITY",
    "ALTER TABLE voucher FORCE ROW LEVEL SECURITY",
    "CREATE POLICY operator_only ON voucher TO bursar_app"
    " USING (current_setting('bursar.operator', true) = 'on')"
    " WITH CHECK (current_setting('bursar.operator', true) = 'on')",
    "GRANT SELECT, INSERT ON voucher TO bursar_app",
    "GRANT UPDATE (revoked_at, mandate_id, user_id, transfer_id, claimed_by, claim_key, claimed_at, redeemed_at)"
    " ON voucher TO bursar_app",
)

# A caller's row, and one for the whole mandate (caller '').
VOUCHER_TRY = """
    CREATE TABLE voucher_try (
        mandate_id  uuid NOT NULL REFERENCES mandate,
        caller      text NOT NULL,
        tries       integer NOT NULL,
        began_at    timestamptz NOT NULL,
        PRIMARY KEY (mandate_id, caller)
    )
"""

# A key keeps its id when it gets a new secret, so that its caps and its usage stay its own.
API_KEY = (
    "ALTER TABLE api_key ADD COLUMN allowed_models text[]",
    "ALTER TABLE api_key ADD COLUMN read_only_billing boolean NOT NULL DEFAULT false",
    "ALTER TABLE api_key ADD COLUMN former_hash bytea CHECK (octet_length(former_hash) = 32)",
    "ALTER TABLE api_key ADD COLUMN former_prefix text",
    "ALTER TABLE api_key ADD COLUMN former_until timestamptz",
    "ALTER TABLE api_key ADD CHECK ((former_hash IS NULL) = (former_until IS NULL))",
    "ALTER TABLE api_key ADD CHECK (kind = 'admin' OR NOT read_only_billing)",
    "CREATE UNIQUE INDEX api_key_former ON api_key (mandate_id, former_hash) WHERE former_hash IS NOT NULL",
    "DROP TRIGGER audited ON api_key",
    "CREATE TRIGGER audited AFTER INSERT OR UPDATE OF name, kind, user_id, prefix, expires_at, revoked_at,"
    " allowed_models, read_only_billing, former_until ON api_key FOR EACH ROW EXECUTE FUNCTION"
    " audit_row('key', 'key_id', 'secret_hash former_hash created_at created_by', '')",
)

INVITATION_AUDITED = (
    "CREATE TRIGGER audited AFTER INSERT OR UPDATE OF role, user_id, expires_at, accepted_at, revoked_at ON invitation"
    " FOR EACH ROW EXECUTE FUNCTION"
    " audit_row('invitation', 'invitation_id', 'token_hash created_at created_by', 'email')"
)


def upgrade() -> None:
    op.execute(VOUCHER)
    owner = op.get_bind().exec_driver_sql("SELECT quote_ident(current_user)").scalar_one()
    op.execute(f"CREATE POLICY owner_sees_all ON voucher TO {owner} USING (true) WITH CHECK (true)")
    op.execute("CREATE INDEX voucher_recent ON voucher (created_at, voucher_id)")
    op.execute("CREATE UNIQUE INDEX voucher_claim_key ON voucher (mandate_id, claimed_by, claim_key)")
    op.execute(
        "CREATE INDEX voucher_unfinished ON voucher (claimed_at) WHERE redeemed_at IS NULL AND claimed_at IS NOT NULL"
    )
    for statement in VOUCHER_WALLS:
        op.execute(statement)
    op.execute(VOUCHER_TRY)
    protect("voucher_try", app="SELECT, INSERT, UPDATE", ledger="")
    for statement in API_KEY:
        op.execute(statement)
    op.execute(INVITATION_AUDITED)


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
