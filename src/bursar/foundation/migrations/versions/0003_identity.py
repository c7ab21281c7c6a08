"""Identity: who belongs to a mandate, the keys that prove it, and the count of changes that caches are held against.

Revision ID: 0003
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0003"
down_revision = "0002"
branch_labels = None
depends_on = None

APP_USER = """
    CREATE TABLE app_user (
        mandate_id    uuid NOT NULL REFERENCES mandate,
        user_id       uuid NOT NULL,
        email         text CHECK (char_length(email) <= 320),
        display_name  text NOT NULL CHECK (char_length(display_name) <= 300),
        role          text NOT NULL DEFAULT 'member' CHECK (role IN ('owner', 'finance', 'member')),
        language      text CHECK (language IN ('de', 'en', 'fr', 'it')),
        time_zone     text,
        external_id   text CHECK (char_length(external_id) BETWEEN 1 AND 255),
        version       bigint NOT NULL DEFAULT 1,
        created_at    timestamptz NOT NULL DEFAULT now(),
        deleted_at    timestamptz,
        PRIMARY KEY (mandate_id, user_id),
        -- The journal keeps a leaver's id; nothing that says who it was stays here.
        CHECK (deleted_at IS NULL OR (email IS NULL AND external_id IS NULL AND display_name = ''))
    )
"""

API_KEY = """
    CREATE TABLE api_key (
        mandate_id    uuid NOT NULL REFERENCES mandate,
        key_id        uuid NOT NULL,
        secret_hash   bytea NOT NULL CHECK (octet_length(secret_hash) = 32),
        prefix        text NOT NULL,
        kind          text NOT NULL CHECK (kind IN ('user', 'service', 'admin')),
        user_id       uuid,
        name          text NOT NULL CHECK (char_length(name) BETWEEN 1 AND 300),
        created_by    text NOT NULL,
        created_at    timestamptz NOT NULL DEFAULT now(),
        expires_at    timestamptz,
        revoked_at    timestamptz,
        last_used_at  timestamptz,
        PRIMARY KEY (mandate_id, key_id),
        FOREIGN KEY (mandate_id, user_id) REFERENCES app_user,
        CHECK (kind <> 'user' OR user_id IS NOT NULL),
        CHECK (kind <> 'service' OR user_id IS NULL)
    )
"""

# One number per mandate, counted up with every change to its users, keys or settings: a worker asks for it once a
# second, for all the mandates it serves, instead of reading every key again.
IDENTITY_REVISION = """
    CREATE TABLE identity_revision (
        mandate_id  uuid PRIMARY KEY REFERENCES mandate,
        revision    bigint NOT NULL DEFAULT 1
    )
"""


def upgrade() -> None:
    op.execute(APP_USER)
    op.execute("CREATE UNIQUE INDEX app_user_email ON app_user (mandate_id, lower(email)) WHERE deleted_at IS NULL")
    op.execute(
        "CREATE UNIQUE INDEX app_user_external_id ON app_user (mandate_id, external_id) WHERE deleted_at IS NULL"
    )
    op.execute(API_KEY)
    op.execute("CREATE UNIQUE INDEX api_key_secret ON api_key (mandate_id, secret_hash)")
    op.execute("CREATE INDEX api_key_user ON api_key (mandate_id, user_id) WHERE revoked_at IS NULL")
    op.execute(IDENTITY_REVISION)
    op.execute("INSERT INTO identity_revision (mandate_id) SELECT mandate_id FROM mandate")
    # The journal is read newest first and by spans of time.
    op.execute("CREATE INDEX transfer_recent ON transfer (mandate_id, at, transfer_id)")

    protect("app_user", app="SELECT, INSERT, UPDATE", ledger="SELECT")
    protect("api_key", app="SELECT, INSERT, UPDATE", ledger="SELECT (mandate_id, key_id, name, kind, user_id)")
    protect("identity_revision", app="SELECT, INSERT, UPDATE", ledger="SELECT")


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
