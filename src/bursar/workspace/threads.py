"""Threads and their messages in the database. Everybody sees their own, and no others."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

from bursar.foundation.database import Connection, Database
from bursar.foundation.ids import new_id
from bursar.identity.access import not_found
from bursar.identity.pages import Page, cursor_parts, make_cursor
from bursar.workspace.messages import Message
from bursar.workspace.states import RunStatus, ThreadKind

LONGEST_TITLE: Final = 120

# A call's cost is the ledger's: where a call was settled after its run had ended, it is read from there.
_COST: Final = """
    coalesce(c.cost_nanos, h.charged_nanos, CASE WHEN h.state = 'RELEASED' THEN 0 END)"""

_THREAD: Final = f"""
    SELECT t.thread_id, t.user_id, t.title, t.kind, t.model, t.created_at, t.updated_at,
           (SELECT coalesce(sum({_COST}), 0)::bigint FROM workspace_call c
              LEFT JOIN hold h ON h.mandate_id = c.mandate_id AND h.hold_id = c.request_id
             WHERE c.mandate_id = t.mandate_id AND c.thread_id = t.thread_id) AS cost_nanos,
           r.run_id, r.status, r.step_count, r.last_event_id, r.started_at, r.ended_at, r.billing, r.error_code,
           r.error_message, r.retry_after_seconds,
           (SELECT coalesce(sum({_COST}), 0)::bigint FROM workspace_call c
              LEFT JOIN hold h ON h.mandate_id = c.mandate_id AND h.hold_id = c.request_id
             WHERE c.mandate_id = t.mandate_id AND c.thread_id = t.thread_id AND c.run_id = r.run_id) AS run_cost_nanos
      FROM workspace_thread t
      LEFT JOIN LATERAL (SELECT * FROM workspace_run r
                          WHERE r.mandate_id = t.mandate_id AND r.thread_id = t.thread_id
                          ORDER BY r.started_at DESC, r.run_id DESC LIMIT 1) r ON true
     WHERE t.mandate_id = $1 AND t.user_id = $2"""  # noqa: S608

_LIST: Final = f"""{_THREAD} AND ($3::timestamptz IS NULL OR (t.updated_at, t.thread_id) < ($3, $4::uuid))
     ORDER BY t.updated_at DESC, t.thread_id DESC LIMIT $5"""
_ONE: Final = f"{_THREAD} AND t.thread_id = $3"

_ADD: Final = """
    INSERT INTO workspace_thread (mandate_id, thread_id, user_id, title, kind, model)
    VALUES ($1, $2, $3, $4, $5, $6)"""
_CHANGE: Final = """
    UPDATE workspace_thread SET title = coalesce($4, title), model = coalesce($5, model), updated_at = now()
     WHERE mandate_id = $1 AND user_id = $2 AND thread_id = $3"""
_DELETE: Final = "DELETE FROM workspace_thread WHERE mandate_id = $1 AND user_id = $2 AND thread_id = $3"

_MESSAGES: Final = """
    SELECT message_id, role, run_id, position, content, tool_calls, tool_call_id, created_at
      FROM workspace_message WHERE mandate_id = $1 AND thread_id = $2 ORDER BY position"""
_MESSAGE_COSTS: Final = f"""
    SELECT c.message_id, CASE WHEN count(*) = count({_COST}) THEN sum({_COST})::bigint END AS cost_nanos
      FROM workspace_call c LEFT JOIN hold h ON h.mandate_id = c.mandate_id AND h.hold_id = c.request_id
     WHERE c.mandate_id = $1 AND c.thread_id = $2 GROUP BY c.message_id"""  # noqa: S608
STORE_MESSAGE: Final = """
    INSERT INTO workspace_message (mandate_id, thread_id, position, message_id, run_id, role, content, tool_calls,
                                   tool_call_id)
    VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
        ON CONFLICT (mandate_id, thread_id, message_id)
        DO UPDATE SET content = excluded.content, tool_calls = excluded.tool_calls"""


@dataclass(frozen=True, slots=True)
class Run:
    """One run as it stands in the database; times and costs as of then."""

    run_id: str
    status: RunStatus
    step_count: int
    last_event_id: int
    started_at: datetime
    ended_at: datetime | None
    billing: Mapping[str, Any] | None
    error_code: str | None
    error_message: str | None
    retry_after_seconds: int | None
    cost_nanos: int


@dataclass(frozen=True, slots=True)
class Thread:
    thread_id: UUID
    user_id: UUID
    title: str
    kind: ThreadKind
    model: str
    created_at: datetime
    updated_at: datetime
    cost_nanos: int
    run: Run | None
    """The latest one."""


@dataclass(frozen=True, slots=True)
class DatedMessage:
    message: Message
    created_at: datetime
    cost_nanos: int | None
    """What the calls behind it were charged; `None` where there were none, or not all are settled."""


async def list_threads(
    database: Database, mandate_id: UUID, user_id: UUID, *, cursor: str | None, limit: int
) -> Page[Thread]:
    """The latest changed first. Raises a 422 `Problem` for a cursor that is none."""
    updated_at, thread_id = cursor_parts(cursor)
    async with database.as_mandate(mandate_id) as connection:
        rows = await connection.fetch(_LIST, mandate_id, user_id, updated_at, thread_id, limit + 1)
    threads = [_thread(row) for row in rows[:limit]]
    more = len(rows) > limit
    return Page(threads, make_cursor(threads[-1].updated_at, threads[-1].thread_id) if more else None)


async def find_thread(connection: Connection, mandate_id: UUID, user_id: UUID, thread_id: UUID) -> Thread:
    """Raises a 404 `Problem`, also for a thread that is somebody else's."""
    row = await connection.fetchrow(_ONE, mandate_id, user_id, thread_id)
    if row is None:
        raise not_found("thread")
    return _thread(row)


async def get_thread(database: Database, mandate_id: UUID, user_id: UUID, thread_id: UUID) -> Thread:
    """Raises a 404 `Problem`."""
    async with database.as_mandate(mandate_id) as connection:
        return await find_thread(connection, mandate_id, user_id, thread_id)


async def add_thread(
    database: Database, mandate_id: UUID, user_id: UUID, *, title: str, kind: ThreadKind, model: str
) -> Thread:
    thread_id = new_id()
    async with database.as_mandate(mandate_id) as connection:
        await connection.execute(_ADD, mandate_id, thread_id, user_id, title, kind, model)
        return await find_thread(connection, mandate_id, user_id, thread_id)


async def change_thread(
    database: Database, mandate_id: UUID, user_id: UUID, thread_id: UUID, *, title: str | None, model: str | None
) -> Thread:
    """Raises a 404 `Problem`."""
    async with database.as_mandate(mandate_id) as connection:
        await connection.execute(_CHANGE, mandate_id, user_id, thread_id, title, model)
        return await find_thread(connection, mandate_id, user_id, thread_id)


async def delete_thread(connection: Connection, mandate_id: UUID, user_id: UUID, thread_id: UUID) -> None:
    """With everything in it."""
    await connection.execute(_DELETE, mandate_id, user_id, thread_id)


async def read_messages(connection: Connection, mandate_id: UUID, thread_id: UUID) -> list[Message]:
    return [_message(row) for row in await connection.fetch(_MESSAGES, mandate_id, thread_id)]


async def dated_messages(connection: Connection, mandate_id: UUID, thread_id: UUID) -> list[DatedMessage]:
    """All messages of a thread, with what they have cost."""
    costs = {row[0]: row[1] for row in await connection.fetch(_MESSAGE_COSTS, mandate_id, thread_id)}
    rows = await connection.fetch(_MESSAGES, mandate_id, thread_id)
    return [DatedMessage(_message(row), row["created_at"], costs.get(row["message_id"])) for row in rows]


async def store_messages(
    connection: Connection, mandate_id: UUID, thread_id: UUID, messages: Sequence[Message]
) -> None:
    for each in messages:
        await connection.execute(
            STORE_MESSAGE,
            mandate_id,
            thread_id,
            each.position,
            each.message_id,
            each.run_id,
            each.role,
            each.content.replace("\x00", ""),
            each.tool_calls,
            each.tool_call_id,
        )


def _message(row: Any) -> Message:
    return Message(
        row["message_id"],
        row["role"],
        row["run_id"],
        row["position"],
        row["content"],
        row["tool_calls"],
        row["tool_call_id"],
    )


def _thread(row: Any) -> Thread:
    run = None
    if row["run_id"] is not None:
        run = Run(
            row["run_id"],
            row["status"],
            row["step_count"],
            row["last_event_id"],
            row["started_at"],
            row["ended_at"],
            row["billing"],
            row["error_code"],
            row["error_message"],
            row["retry_after_seconds"],
            row["run_cost_nanos"],
        )
    return Thread(
        row["thread_id"],
        row["user_id"],
        row["title"],
        row["kind"],
        row["model"],
        row["created_at"],
        row["updated_at"],
        row["cost_nanos"],
        run,
    )
