"""Runs and their events in the database: who keeps a run, what was stored of it, how it ended."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, NamedTuple
from uuid import UUID

import asyncpg

from bursar.foundation.database import Connection, Database
from bursar.foundation.problems import Problem
from bursar.workspace.states import RunEnd, RunStatus

LEASE_SECONDS: Final = 30
"""How long a run lives on without a word of its worker. It is renewed far more often."""
MOST_RUNS_AT_ONCE: Final = 5

_COUNT: Final = "SELECT count(*) FROM workspace_run WHERE mandate_id = $1 AND user_id = $2 AND status = 'RUNNING'"
# A run that was left waiting for money is over once something else is asked in its thread.
_LEAVE_OTHERS: Final = """
    UPDATE workspace_run SET status = 'STOPPED', billing = NULL
     WHERE mandate_id = $1 AND thread_id = $2 AND status IN ('PARKED', 'FAILED', 'INTERRUPTED')"""
_BEGIN: Final = """
    INSERT INTO workspace_run (mandate_id, thread_id, run_id, user_id, status, language, lease, lease_until)
    VALUES ($1, $2, $3, $4, 'RUNNING', $5, $6, clock_timestamp() + $7 * interval '1 second')"""
_RESUME: Final = """
    UPDATE workspace_run
       SET status = 'RUNNING', language = $4, lease = $5, lease_until = clock_timestamp() + $6 * interval '1 second',
           stop_asked = false, billing = NULL, error_code = NULL, error_message = NULL, retry_after_seconds = NULL,
           ended_at = NULL
     WHERE mandate_id = $1 AND thread_id = $2 AND run_id = $3 AND status IN ('PARKED', 'FAILED', 'INTERRUPTED')
    RETURNING step_count, last_event_id"""
# The messages stay. Events are for those who are still following, and nobody follows an old run.
_FORGET_EVENTS: Final = """
    DELETE FROM workspace_event e USING workspace_run r
     WHERE e.mandate_id = $1 AND e.thread_id = $2 AND r.mandate_id = e.mandate_id AND r.thread_id = e.thread_id
       AND r.run_id = e.run_id AND r.ended_at < clock_timestamp() - interval '1 hour'"""
_TOUCH_THREAD: Final = """
    UPDATE workspace_thread SET updated_at = now(), title = CASE WHEN title = '' THEN $3 ELSE title END
     WHERE mandate_id = $1 AND thread_id = $2"""

_KEEP: Final = """
    UPDATE workspace_run
       SET last_event_id = $5, step_count = $6, lease_until = clock_timestamp() + $7 * interval '1 second'
     WHERE mandate_id = $1 AND thread_id = $2 AND run_id = $3 AND lease = $4 AND status = 'RUNNING'
    RETURNING stop_asked"""
_END: Final = """
    UPDATE workspace_run
       SET status = $5, billing = $6, error_code = $7, error_message = $8, retry_after_seconds = $9,
           ended_at = clock_timestamp(), lease = NULL, lease_until = NULL
     WHERE mandate_id = $1 AND thread_id = $2 AND run_id = $3 AND lease = $4"""
_EVENTS: Final = """
    INSERT INTO workspace_event (mandate_id, thread_id, run_id, event_id, event)
    SELECT $1, $2, $3, * FROM unnest($4::integer[], $5::text[])"""
_READ: Final = """
    SELECT event_id, event FROM workspace_event
     WHERE mandate_id = $1 AND thread_id = $2 AND run_id = $3 AND event_id > $4 ORDER BY event_id LIMIT 500"""
_STATE: Final = """
    SELECT status, last_event_id FROM workspace_run WHERE mandate_id = $1 AND thread_id = $2 AND run_id = $3"""
_ASK_TO_STOP: Final = """
    UPDATE workspace_run SET stop_asked = true
     WHERE mandate_id = $1 AND thread_id = $2 AND run_id = $3 AND status = 'RUNNING'"""
_CALL: Final = """
    INSERT INTO workspace_call (mandate_id, thread_id, run_id, request_id, step, message_id)
    VALUES ($1, $2, $3, $4, $5, $6)"""
_COST_KNOWN: Final = """
    UPDATE workspace_call SET cost_nanos = $5
     WHERE mandate_id = $1 AND thread_id = $2 AND run_id = $3 AND request_id = $4"""

# Holds are pruned one day; what their calls have cost is to stay known.
_SETTLE_LATE: Final = """
    UPDATE workspace_call c SET cost_nanos = coalesce(h.charged_nanos, 0)
      FROM hold h
     WHERE c.cost_nanos IS NULL AND h.mandate_id = c.mandate_id AND h.hold_id = c.request_id AND h.state <> 'PENDING'"""
_LEFT_BEHIND: Final = """
    SELECT mandate_id, thread_id, run_id FROM workspace_run
     WHERE status = 'RUNNING' AND lease_until < clock_timestamp() LIMIT 100"""
_INTERRUPT: Final = """
    UPDATE workspace_run
       SET status = 'INTERRUPTED', lease = NULL, lease_until = NULL, ended_at = clock_timestamp(), error_code = $4,
           error_message = $5, last_event_id = last_event_id + 1
     WHERE mandate_id = $1 AND thread_id = $2 AND run_id = $3 AND status = 'RUNNING'
       AND lease_until < clock_timestamp()
    RETURNING last_event_id"""
_LANGUAGE: Final = """
    SELECT language FROM workspace_run WHERE mandate_id = $1 AND thread_id = $2 AND run_id = $3"""


class RunKey(NamedTuple):
    mandate_id: UUID
    thread_id: UUID
    run_id: str


class RunState(NamedTuple):
    status: RunStatus
    last_event_id: int


class Resumed(NamedTuple):
    step_count: int
    last_event_id: int


class LeaseLost(Exception):
    """Somebody else has taken the run for dead, or its thread is gone: what is still produced is nobody's."""


async def begin(connection: Connection, key: RunKey, user_id: UUID, language: str, lease: UUID, title: str) -> None:
    """A new run. Raises a 409 or 429 `Problem`."""
    running: int = await connection.fetchval(_COUNT, key.mandate_id, user_id)
    if running >= MOST_RUNS_AT_ONCE:
        detail = f"{MOST_RUNS_AT_ONCE} runs at once are the most that one person may have."
        raise Problem(429, "too_many_runs", "Too many at once", detail, headers={"retry-after": "5"})
    await connection.execute(_LEAVE_OTHERS, key.mandate_id, key.thread_id)
    try:
        await connection.execute(_BEGIN, *key, user_id, language, lease, LEASE_SECONDS)
    except asyncpg.UniqueViolationError as error:
        raise _taken(error) from error
    await connection.execute(_FORGET_EVENTS, key.mandate_id, key.thread_id)
    await connection.execute(_TOUCH_THREAD, key.mandate_id, key.thread_id, title)


def _taken(error: asyncpg.UniqueViolationError) -> Problem:
    if error.constraint_name == "workspace_run_one_at_a_time":
        return run_in_progress()
    return Problem(409, "run_exists", "There already", "There is a run of this id in this thread already.", "runId")


def run_in_progress() -> Problem:
    return Problem(409, "run_in_progress", "Not now", "A run is in progress in this thread: stop it, or wait.")


async def resume(connection: Connection, key: RunKey, language: str, lease: UUID) -> Resumed:
    """Take up a run that stands still. Raises a 409 `Problem`."""
    try:
        row = await connection.fetchrow(_RESUME, *key, language, lease, LEASE_SECONDS)
    except asyncpg.UniqueViolationError as error:
        raise run_in_progress() from error
    if row is None:
        raise Problem(409, "not_resumable", "Nothing to continue", "This run does not wait to be continued.")
    return Resumed(row["step_count"], row["last_event_id"])


async def keep(connection: Connection, key: RunKey, lease: UUID, last_event_id: int, step_count: int) -> bool:
    """Renew the lease; whether the run was asked to stop. Raises `LeaseLost`."""
    row = await connection.fetchrow(_KEEP, *key, lease, last_event_id, step_count, LEASE_SECONDS)
    if row is None:
        raise LeaseLost
    return bool(row["stop_asked"])


async def store_events(connection: Connection, key: RunKey, events: Sequence[tuple[int, str]]) -> None:
    await connection.execute(_EVENTS, *key, [number for number, _ in events], [text for _, text in events])


async def end(connection: Connection, key: RunKey, lease: UUID, end: RunEnd) -> None:
    await connection.execute(
        _END,
        *key,
        lease,
        end.status,
        end.billing,
        end.error_code,
        end.error_message,
        end.retry_after_seconds,
    )


async def read_events(connection: Connection, key: RunKey, after: int) -> list[tuple[int, str]]:
    return [(row["event_id"], row["event"]) for row in await connection.fetch(_READ, *key, after)]


async def state(connection: Connection, key: RunKey) -> RunState | None:
    row = await connection.fetchrow(_STATE, *key)
    return None if row is None else RunState(row["status"], row["last_event_id"])


async def ask_to_stop(connection: Connection, key: RunKey) -> None:
    await connection.execute(_ASK_TO_STOP, *key)


async def note_call(connection: Connection, key: RunKey, request_id: UUID, step: int, message_id: str) -> None:
    await connection.execute(_CALL, *key, request_id, step, message_id)


async def note_cost(connection: Connection, key: RunKey, request_id: UUID, cost_nanos: int) -> None:
    await connection.execute(_COST_KNOWN, *key, request_id, cost_nanos)


async def left_behind(database: Database) -> list[RunKey]:
    """Runs of all mandates whose workers have not been heard of."""
    async with database.as_operator() as connection:
        return [RunKey(*row) for row in await connection.fetch(_LEFT_BEHIND)]


async def note_late_costs(database: Database) -> None:
    """Of calls that were settled after their run had ended, in all mandates."""
    async with database.as_operator() as connection:
        await connection.execute(_SETTLE_LATE)


async def language_of(connection: Connection, key: RunKey) -> str:
    return str(await connection.fetchval(_LANGUAGE, *key) or "en")


async def interrupt(connection: Connection, key: RunKey, code: str, message: str) -> int | None:
    """Say of a run whose lease is over that it was interrupted; the number of the event that tells so, if it was."""
    found: int | None = await connection.fetchval(_INTERRUPT, *key, code, message)
    return found
