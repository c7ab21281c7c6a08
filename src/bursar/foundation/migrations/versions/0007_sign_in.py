"""Sign-in: identities and where they belong, sessions, attempts, invitations, one-time links and their mails.

Nothing here is a token of anybody's provider, and nothing here may become one: docs/decisions/0008-sign-in.md says why.

Revision ID: 0007
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0007"
down_revision = "0006"
branch_labels = None
depends_on = None

# An identity is what an issuer calls somebody. It belongs to no mandate.
IDENTITY = """
    CREATE TABLE identity (
        identity_id   uuid PRIMARY KEY,
        issuer        text NOT NULL CHECK (char_length(issuer) <= 1000),
        subject       text NOT NULL CHECK (char_length(subject) BETWEEN 1 AND 255),
        display_name  text CHECK (char_length(display_name) <= 300),
        language      text CHECK (language IN ('de', 'en', 'fr', 'it')),
        created_at    timestamptz NOT NULL DEFAULT now(),
        seen_at       timestamptz NOT NULL DEFAULT now(),
        UNIQUE (issuer, subject)
    )
"""

OPERATOR = """
    CREATE TABLE platform_operator (
        identity_id  uuid PRIMARY KEY REFERENCES identity,
        granted_by   text NOT NULL CHECK (granted_by IN ('link', 'settings')),
        added_at     timestamptz NOT NULL DEFAULT now()
    )
"""

SESSION = """
    CREATE TABLE sign_in_session (
        session_hash  bytea PRIMARY KEY CHECK (octet_length(session_hash) = 32),
        identity_id   uuid NOT NULL REFERENCES identity ON DELETE CASCADE,
        provider      text NOT NULL,
        created_at    timestamptz NOT NULL DEFAULT now(),
        seen_at       timestamptz NOT NULL DEFAULT now(),
        expires_at    timestamptz NOT NULL
    )
"""

# State and browser by their hashes; nonce, verifier and where to return to, encrypted. Gone when it comes back.
ATTEMPT = """
    CREATE TABLE sign_in_attempt (
        state_hash    bytea PRIMARY KEY CHECK (octet_length(state_hash) = 32),
        browser_hash  bytea NOT NULL CHECK (octet_length(browser_hash) = 32),
        provider      text NOT NULL,
        sealed        text NOT NULL,
        expires_at    timestamptz NOT NULL
    )
"""

RATE = """
    CREATE TABLE sign_in_rate (
        bucket      bytea PRIMARY KEY CHECK (octet_length(bucket) = 32),
        attempts    integer NOT NULL DEFAULT 1,
        expires_at  timestamptz NOT NULL
    )
"""

# Used by being deleted: of any number of uses at once, one finds it.
LINK = """
    CREATE TABLE one_time_link (
        link_hash   bytea PRIMARY KEY CHECK (octet_length(link_hash) = 32),
        purpose     text NOT NULL CHECK (purpose IN ('console', 'operator', 'mailbox')),
        sealed      text,
        expires_at  timestamptz NOT NULL,
        CHECK ((purpose = 'mailbox') = (sealed IS NOT NULL))
    )
"""

# Mails to one person each. What they say is encrypted (it contains a link that signs in), and gone once delivered.
MAIL = """
    CREATE TABLE sign_in_mail (
        mail_id          uuid PRIMARY KEY,
        about_id         uuid,
        kind             text NOT NULL,
        state            text NOT NULL DEFAULT 'QUEUED' CHECK (state IN ('QUEUED', 'SENT', 'REFUSED', 'FAILED')),
        sealed           text,
        attempts         integer NOT NULL DEFAULT 0,
        next_attempt_at  timestamptz NOT NULL DEFAULT now(),
        claim_id         uuid,
        last_error       text,
        created_at       timestamptz NOT NULL DEFAULT now(),
        expires_at       timestamptz NOT NULL,
        sent_at          timestamptz
    )
"""

MEMBERSHIP = """
    CREATE TABLE membership (
        mandate_id   uuid NOT NULL REFERENCES mandate,
        user_id      uuid NOT NULL,
        identity_id  uuid NOT NULL REFERENCES identity,
        linked_by    text NOT NULL CHECK (linked_by IN ('invitation', 'email', 'mailbox')),
        linked_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (mandate_id, user_id, identity_id),
        UNIQUE (mandate_id, identity_id),
        FOREIGN KEY (mandate_id, user_id) REFERENCES app_user
    )
"""

INVITATION = """
    CREATE TABLE invitation (
        mandate_id     uuid NOT NULL REFERENCES mandate,
        invitation_id  uuid NOT NULL,
        token_hash     bytea NOT NULL CHECK (octet_length(token_hash) = 32),
        email          text CHECK (char_length(email) <= 320),
        role           text NOT NULL CHECK (role IN ('owner', 'finance', 'member')),
        language       text CHECK (language IN ('de', 'en', 'fr', 'it')),
        user_id        uuid,
        created_by     text NOT NULL,
        created_at     timestamptz NOT NULL DEFAULT now(),
        expires_at     timestamptz NOT NULL,
        accepted_at    timestamptz,
        revoked_at     timestamptz,
        PRIMARY KEY (mandate_id, invitation_id),
        UNIQUE (mandate_id, token_hash),
        FOREIGN KEY (mandate_id, user_id) REFERENCES app_user
    )
"""

# Whoever leaves a mandate can no longer sign in to it, and is forgotten where no other mandate knows them. A mailbox
# stands for a user only as long as the user has this address: else whoever edits the address would inherit more than
# their own mandate. A trigger, so that no writer of users has to know about sign-in.
USER_CHANGED = """
    CREATE FUNCTION end_memberships() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    DECLARE
        ended uuid[];
    BEGIN
        WITH gone AS (
            DELETE FROM membership m USING identity i
             WHERE m.mandate_id = NEW.mandate_id AND m.user_id = NEW.user_id AND i.identity_id = m.identity_id
               AND (NEW.deleted_at IS NOT NULL OR i.issuer = 'urn:bursar:mailbox')
            RETURNING m.identity_id
        ) SELECT array_agg(identity_id) INTO ended FROM gone;
        IF NEW.deleted_at IS NOT NULL THEN
            UPDATE invitation SET email = NULL WHERE mandate_id = NEW.mandate_id AND user_id = NEW.user_id;
        END IF;
        -- Locked before it is looked at: somebody may be linking one of them to another mandate at this moment.
        PERFORM 1 FROM identity WHERE identity_id = ANY (ended) ORDER BY identity_id FOR UPDATE;
        DELETE FROM identity i WHERE i.identity_id = ANY (ended)
           AND NOT EXISTS (SELECT FROM membership m WHERE m.identity_id = i.identity_id)
           AND NOT EXISTS (SELECT FROM platform_operator o WHERE o.identity_id = i.identity_id);
        RETURN NULL;
    END
    $$
"""

# Rights of the application's role on tables that belong to no mandate.
GLOBAL = {
    "identity": "SELECT, INSERT, UPDATE",
    "platform_operator": "SELECT, INSERT, DELETE",
    "sign_in_session": "SELECT, INSERT, UPDATE, DELETE",
    "sign_in_attempt": "SELECT, INSERT, DELETE",
    "sign_in_rate": "SELECT, INSERT, UPDATE, DELETE",
    "one_time_link": "SELECT, INSERT, DELETE",
    "sign_in_mail": "SELECT, INSERT, DELETE",
}


def across_mandates(table: str, rights: str) -> None:
    """Only a transaction that says it works across mandates sees such a table: a mandate's own never does."""
    owner = op.get_bind().exec_driver_sql("SELECT quote_ident(current_user)").scalar_one()
    across = "current_setting('bursar.operator', true) = 'on'"
    for statement in (
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"CREATE POLICY owner_sees_all ON {table} TO {owner} USING (true) WITH CHECK (true)",
        f"CREATE POLICY across_mandates ON {table} TO bursar_app USING ({across}) WITH CHECK ({across})",
        f"GRANT {rights} ON {table} TO bursar_app",
    ):
        op.execute(statement)


def upgrade() -> None:
    for statement in (IDENTITY, OPERATOR, SESSION, ATTEMPT, RATE, LINK, MAIL, MEMBERSHIP, INVITATION):
        op.execute(statement)
    op.execute("CREATE INDEX sign_in_session_identity ON sign_in_session (identity_id)")
    op.execute("CREATE INDEX sign_in_mail_due ON sign_in_mail (next_attempt_at) WHERE state = 'QUEUED'")
    op.execute("CREATE INDEX membership_identity ON membership (identity_id)")
    op.execute("CREATE INDEX app_user_by_email ON app_user (lower(email)) WHERE deleted_at IS NULL")

    for table, rights in GLOBAL.items():
        across_mandates(table, rights)
    protect("membership", app="SELECT, INSERT, DELETE", ledger="")
    protect("invitation", app="SELECT, INSERT, UPDATE, DELETE", ledger="")
    # The worker that delivers mails works with the ledger's role.
    op.execute("CREATE POLICY delivery ON sign_in_mail TO bursar_ledger USING (true) WITH CHECK (true)")
    op.execute("GRANT SELECT, UPDATE ON sign_in_mail TO bursar_ledger")

    op.execute(USER_CHANGED)
    op.execute("REVOKE ALL ON FUNCTION end_memberships() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER end_memberships AFTER UPDATE OF email, deleted_at ON app_user FOR EACH ROW"
        " WHEN ((NEW.deleted_at IS NOT NULL AND OLD.deleted_at IS NULL)"
        " OR lower(NEW.email) IS DISTINCT FROM lower(OLD.email)) EXECUTE FUNCTION end_memberships()"
    )


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
