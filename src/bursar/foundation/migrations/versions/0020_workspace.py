"""The workspace: a person's threads, their messages and documents, runs, events of runs, and what steps were paid by.

Threads are personal: they go with their thread, and all of a person's go when the person leaves.

Revision ID: 0020
"""

from __future__ import annotations

from alembic import op

from bursar.foundation.migrations.walls import protect

revision = "0020"
down_revision = "0019"
branch_labels = None
depends_on = None

THREAD = """
    CREATE TABLE workspace_thread (
        mandate_id  uuid NOT NULL,
        thread_id   uuid NOT NULL,
        user_id     uuid NOT NULL,
        title       text NOT NULL DEFAULT '',
        kind        text NOT NULL CHECK (kind IN ('agent', 'chat')),
        model       text NOT NULL,
        created_at  timestamptz NOT NULL DEFAULT now(),
        updated_at  timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (mandate_id, thread_id),
        FOREIGN KEY (mandate_id, user_id) REFERENCES app_user
    )
"""

# Messages are AG-UI's, as clients get them; `content` is the text, `tool_calls` AG-UI's list. The text of one that is
# being streamed grows with the events that carry it, in their transaction.
MESSAGE = """
    CREATE TABLE workspace_message (
        mandate_id    uuid NOT NULL,
        thread_id     uuid NOT NULL,
        position      integer NOT NULL,
        message_id    text NOT NULL,
        run_id        text NOT NULL,
        role          text NOT NULL CHECK (role IN ('user', 'assistant', 'tool')),
        content       text NOT NULL DEFAULT '',
        tool_calls    jsonb NOT NULL DEFAULT '[]',
        tool_call_id  text,
        created_at    timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (mandate_id, thread_id, position),
        UNIQUE (mandate_id, thread_id, message_id),
        FOREIGN KEY (mandate_id, thread_id) REFERENCES workspace_thread ON DELETE CASCADE
    )
"""

DOCUMENT = """
    CREATE TABLE workspace_document (
        mandate_id   uuid NOT NULL,
        thread_id    uuid NOT NULL,
        document_id  uuid NOT NULL,
        name         text NOT NULL,
        media_type   text NOT NULL,
        size_bytes   bigint NOT NULL,
        characters   bigint NOT NULL,
        pages        integer NOT NULL,
        created_at   timestamptz NOT NULL DEFAULT now(),
        PRIMARY KEY (mandate_id, thread_id, document_id),
        FOREIGN KEY (mandate_id, thread_id) REFERENCES workspace_thread ON DELETE CASCADE
    )
"""

# 'simple': documents come in any language, and a wrong stemmer finds less than none.
PAGE = """
    CREATE TABLE workspace_page (
        mandate_id   uuid NOT NULL,
        thread_id    uuid NOT NULL,
        document_id  uuid NOT NULL,
        number       integer NOT NULL,
        text         text NOT NULL,
        words        tsvector NOT NULL GENERATED ALWAYS AS (to_tsvector('simple', text)) STORED,
        PRIMARY KEY (mandate_id, thread_id, document_id, number),
        FOREIGN KEY (mandate_id, thread_id, document_id) REFERENCES workspace_document ON DELETE CASCADE
    )
"""

# A running run belongs to the worker that keeps its lease; whoever finds the lease run out may say that it was
# interrupted. Its id is the client's own (AG-UI), unique in its thread.
RUN = """
    CREATE TABLE workspace_run (
        mandate_id           uuid NOT NULL,
        thread_id            uuid NOT NULL,
        run_id               text NOT NULL,
        user_id              uuid NOT NULL,
        status               text NOT NULL CHECK (status IN ('RUNNING', 'PARKED', 'FINISHED', 'STOPPED', 'FAILED',
                                                             'INTERRUPTED')),
        step_count           integer NOT NULL DEFAULT 0,
        last_event_id        integer NOT NULL DEFAULT 0,
        language             text NOT NULL,
        billing              jsonb,
        error_code           text,
        error_message        text,
        retry_after_seconds  integer,
        lease                uuid,
        lease_until          timestamptz,
        stop_asked           boolean NOT NULL DEFAULT false,
        started_at           timestamptz NOT NULL DEFAULT clock_timestamp(),
        ended_at             timestamptz,
        PRIMARY KEY (mandate_id, thread_id, run_id),
        FOREIGN KEY (mandate_id, thread_id) REFERENCES workspace_thread ON DELETE CASCADE
    )
"""

EVENT = """
    CREATE TABLE workspace_event (
        mandate_id  uuid NOT NULL,
        thread_id   uuid NOT NULL,
        run_id      text NOT NULL,
        event_id    integer NOT NULL,
        event       text NOT NULL,
        PRIMARY KEY (mandate_id, thread_id, run_id, event_id),
        FOREIGN KEY (mandate_id, thread_id, run_id) REFERENCES workspace_run ON DELETE CASCADE
    )
"""

# What a step cost is what its calls were charged; `cost_nanos` is null until the ledger has settled.
CALL = """
    CREATE TABLE workspace_call (
        mandate_id  uuid NOT NULL,
        thread_id   uuid NOT NULL,
        run_id      text NOT NULL,
        request_id  uuid NOT NULL,
        step        integer NOT NULL,
        message_id  text NOT NULL,
        cost_nanos  bigint,
        PRIMARY KEY (mandate_id, thread_id, run_id, request_id),
        FOREIGN KEY (mandate_id, thread_id, run_id) REFERENCES workspace_run ON DELETE CASCADE
    )
"""

FORGET = """
    CREATE FUNCTION forget_workspace() RETURNS trigger
        LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, public, pg_temp AS $$
    BEGIN
        DELETE FROM workspace_thread t WHERE t.mandate_id = NEW.mandate_id AND t.user_id = NEW.user_id;
        RETURN NULL;
    END
    $$
"""

TABLES = ("thread", "message", "document", "page", "run", "event", "call")


def upgrade() -> None:
    for statement in (THREAD, MESSAGE, DOCUMENT, PAGE, RUN, EVENT, CALL):
        op.execute(statement)
    op.execute("CREATE INDEX workspace_thread_recent ON workspace_thread (mandate_id, user_id, updated_at, thread_id)")
    op.execute(
        "CREATE UNIQUE INDEX workspace_run_one_at_a_time ON workspace_run (mandate_id, thread_id)"
        " WHERE status = 'RUNNING'"
    )
    op.execute("CREATE INDEX workspace_run_due ON workspace_run (lease_until) WHERE status = 'RUNNING'")
    op.execute("CREATE INDEX workspace_call_open ON workspace_call (mandate_id, request_id) WHERE cost_nanos IS NULL")
    for table in TABLES:
        protect(f"workspace_{table}", app="SELECT, INSERT, UPDATE, DELETE", ledger="")
    op.execute(FORGET)
    op.execute("REVOKE ALL ON FUNCTION forget_workspace() FROM PUBLIC")
    op.execute(
        "CREATE TRIGGER workspace_forgotten AFTER UPDATE OF deleted_at ON app_user FOR EACH ROW"
        " WHEN (OLD.deleted_at IS NULL AND NEW.deleted_at IS NOT NULL) EXECUTE FUNCTION forget_workspace()"
    )


def downgrade() -> None:
    raise NotImplementedError("money tables are not taken away; restore a backup instead")
