"""The ledger: accounts, the journal of transfers, holds, spending limits, remembered answers.

Revision ID: 0002
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None

ACCOUNT = """
    CREATE TABLE account (
        mandate_id         uuid NOT NULL REFERENCES mandate,
        account_id         uuid NOT NULL,
        kind               text NOT NULL CHECK (kind IN ('pool', 'wallet', 'funding', 'revenue', 'overrun_loss')),
        credits_posted     bigint NOT NULL DEFAULT 0 CHECK (credits_posted >= 0),
        debits_posted      bigint NOT NULL DEFAULT 0 CHECK (debits_posted >= 0),
        debits_pending     bigint NOT NULL DEFAULT 0 CHECK (debits_pending >= 0),
        version            bigint NOT NULL DEFAULT 0,
        last_top_up_nanos  bigint NOT NULL DEFAULT 0,
        created_at         timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (mandate_id, account_id)
    ) WITH (fillfactor = 50)
"""

# Holds and transfers have no foreign keys: the engine locks the accounts that it names in the same transaction and has
# no right to delete one, `verify` looks for orphans, and the checks, row by row, cost half of a batch's time.
HOLD = """
    CREATE TABLE hold (
        mandate_id         uuid NOT NULL,
        hold_id            uuid NOT NULL,
        account_id         uuid NOT NULL,
        payer              text NOT NULL CHECK (payer IN ('pool', 'wallet')),
        billing_model      text NOT NULL,
        state              text NOT NULL CHECK (state IN ('PENDING', 'SETTLED', 'RELEASED', 'EXPIRED')),
        amount_nanos       bigint NOT NULL CHECK (amount_nanos >= 0),
        input_bound_nanos  bigint NOT NULL DEFAULT 0 CHECK (input_bound_nanos >= 0),
        used_nanos         bigint CHECK (used_nanos >= 0),
        charged_nanos      bigint,
        overrun_nanos      bigint,
        adjusted           boolean NOT NULL DEFAULT false,
        growths            integer NOT NULL DEFAULT 0,
        limit_ids          uuid[] NOT NULL DEFAULT '{}',
        limit_periods      timestamptz[] NOT NULL DEFAULT '{}',
        user_id            uuid,
        key_id             uuid,
        model              text,
        upstream           text,
        price_id           uuid,
        tags               jsonb,
        origin             text NOT NULL DEFAULT 'gateway',
        ttl_seconds        integer NOT NULL,
        created_version    bigint NOT NULL,
        resolved_version   bigint,
        created_at         timestamptz NOT NULL,
        expires_at         timestamptz NOT NULL,
        resolved_at        timestamptz,
        PRIMARY KEY (mandate_id, hold_id)
    ) WITH (fillfactor = 70)
"""

TRANSFER = """
    CREATE TABLE transfer (
        mandate_id           uuid NOT NULL,
        transfer_id          uuid NOT NULL,
        at                   timestamptz NOT NULL,
        kind                 text NOT NULL CHECK (kind IN ('CHARGE', 'OVERRUN', 'LATE_ADJUSTMENT', 'TOP_UP',
                                                           'CORRECTION', 'REFUND', 'WALLET_TRANSFER')),
        debit_account_id     uuid NOT NULL,
        credit_account_id    uuid NOT NULL,
        debit_version        bigint NOT NULL,
        credit_version       bigint NOT NULL,
        amount_nanos         bigint NOT NULL CHECK (amount_nanos >= 0),
        hold_id              uuid,
        user_id              uuid,
        key_id               uuid,
        model                text,
        upstream             text,
        input_tokens         bigint,
        cached_input_tokens  bigint,
        output_tokens        bigint,
        usage_details        jsonb,
        price_id             uuid,
        cost_source          text,
        billing_model        text,
        limit_ids            uuid[] NOT NULL DEFAULT '{}',
        limit_periods        timestamptz[] NOT NULL DEFAULT '{}',
        tags                 jsonb,
        reference            text,
        reason               text,
        actor                text,
        PRIMARY KEY (mandate_id, transfer_id),
        CHECK (debit_account_id <> credit_account_id)
    )
"""

LIMITS = (
    """
    CREATE TABLE spending_limit (
        mandate_id    uuid NOT NULL REFERENCES mandate,
        limit_id      uuid NOT NULL,
        scope         text NOT NULL CHECK (scope IN ('mandate', 'user', 'key', 'model')),
        scope_id      text NOT NULL,
        period        text NOT NULL CHECK (period IN ('day', 'week', 'month', 'total')),
        amount_nanos  bigint NOT NULL CHECK (amount_nanos >= 0),
        created_by    text,
        created_at    timestamptz NOT NULL DEFAULT now(),
        deleted_at    timestamptz,
        PRIMARY KEY (mandate_id, limit_id)
    )
    """,
    "CREATE UNIQUE INDEX spending_limit_in_force ON spending_limit (mandate_id, scope, scope_id, period)"
    " WHERE deleted_at IS NULL",
    """
    CREATE TABLE limit_counter (
        mandate_id     uuid NOT NULL,
        limit_id       uuid NOT NULL,
        period_start   timestamptz NOT NULL,
        period_end     timestamptz NOT NULL,
        opening_nanos  bigint NOT NULL DEFAULT 0,
        spent_nanos    bigint NOT NULL DEFAULT 0,
        held_nanos     bigint NOT NULL DEFAULT 0 CHECK (held_nanos >= 0),
        PRIMARY KEY (mandate_id, limit_id, period_start),
        FOREIGN KEY (mandate_id, limit_id) REFERENCES spending_limit
    ) WITH (fillfactor = 50)
    """,
)

IDEMPOTENCY = """
    CREATE TABLE idempotency (
        mandate_id  uuid NOT NULL REFERENCES mandate,
        caller      text NOT NULL,
        route       text NOT NULL,
        key         text NOT NULL,
        body_hash   bytea NOT NULL,
        result      jsonb NOT NULL,
        created_at  timestamptz NOT NULL DEFAULT now(),
        expires_at  timestamptz,
        PRIMARY KEY (mandate_id, caller, route, key)
    )
"""


def upgrade() -> None:
    op.execute(ACCOUNT)
    op.execute(HOLD)
    op.execute("CREATE INDEX hold_due ON hold (expires_at) WHERE state = 'PENDING'")
    op.execute("CREATE INDEX hold_open ON hold (mandate_id, account_id) WHERE state = 'PENDING'")
    op.execute("CREATE INDEX hold_unadjusted ON hold (mandate_id) WHERE state = 'EXPIRED' AND NOT adjusted")
    op.execute(TRANSFER)
    op.execute("CREATE UNIQUE INDEX transfer_debit ON transfer (mandate_id, debit_account_id, debit_version)")
    op.execute("CREATE UNIQUE INDEX transfer_credit ON transfer (mandate_id, credit_account_id, credit_version)")
    op.execute("CREATE UNIQUE INDEX transfer_hold ON transfer (mandate_id, hold_id, kind) WHERE hold_id IS NOT NULL")
    for statement in LIMITS:
        op.execute(statement)
    op.execute(IDEMPOTENCY)
    op.execute("CREATE INDEX idempotency_due ON idempotency (expires_at) WHERE expires_at IS NOT NULL")

    protect("account", app="SELECT", ledger="SELECT, INSERT, UPDATE")
    protect("hold", app="SELECT", ledger="SELECT, INSERT, UPDATE")
    # The journal is append-only: nobody but the owner has the right to change or take away a row.
    protect("transfer", app="SELECT", ledger="SELECT, INSERT")
    protect("spending_limit", app="SELECT", ledger="SELECT, INSERT, UPDATE")
    protect("limit_counter", app="SELECT", ledger="SELECT, INSERT, UPDATE")
    protect("idempotency", app="SELECT, INSERT, DELETE", ledger="SELECT, INSERT, UPDATE, DELETE")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
