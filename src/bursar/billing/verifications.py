"""Checks of the books on demand: `bursar verify` as a page has it, and how the last ones ended.

A check of a large journal takes its time, so whoever asks for one does not wait for it: they look again.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Final
from uuid import UUID

import structlog

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.identity.pages import Page, cursor_parts, page_of
from bursar.ledger.verify import Violation, verify

MOST_LISTED: Final = 100
"""Findings that are kept of a check; all of them are counted."""
_LONGEST: Final = "6 hours"

_RUNNING: Final = f"""
    SELECT verification_id FROM verification
     WHERE ended_at IS NULL AND started_at > now() - interval '{_LONGEST}'
       AND of_mandate_id IS NOT DISTINCT FROM $1
     LIMIT 1"""  # noqa: S608 -- a constant
_BEGIN: Final = "INSERT INTO verification (verification_id, of_mandate_id, started_by) VALUES ($1, $2, $3)"
_END: Final = """
    UPDATE verification SET ended_at = now(), violations = $2, warnings = $3, findings = $4, error = $5
     WHERE verification_id = $1"""
_LIST: Final = f"""
    SELECT verification_id, of_mandate_id, started_by, started_at, ended_at, violations, warnings, findings, error,
           ended_at IS NULL AND started_at > now() - interval '{_LONGEST}' AS is_running
      FROM verification
     WHERE ($1::uuid IS NULL OR verification_id = $1)
       AND ($2::timestamptz IS NULL OR (started_at, verification_id) < ($2, $3))
     ORDER BY started_at DESC, verification_id DESC LIMIT $4"""  # noqa: S608 -- a constant

log = structlog.get_logger(__name__)
_running: set[asyncio.Task[None]] = set()


@dataclass(frozen=True, slots=True)
class Verification:
    """`violations` is `None` until it has ended well; a check that was broken off is neither running nor ended."""

    verification_id: UUID
    of_mandate_id: UUID | None
    started_by: str
    started_at: datetime
    ended_at: datetime | None
    violations: int | None
    warnings: int | None
    findings: Sequence[dict[str, Any]] | None
    error: str | None
    is_running: bool


async def begin(database: Database, mandate_id: UUID | None, started_by: str) -> Verification:
    """Begin a check of one mandate's books, or of all; the one that is running, if there is one."""
    verification_id = new_id()
    async with database.as_operator() as connection:
        known: UUID | None = await connection.fetchval(_RUNNING, mandate_id)
        if known is None:
            await connection.execute(_BEGIN, verification_id, mandate_id, started_by)
    if known is None:
        task = asyncio.create_task(_run(database, verification_id, mandate_id), name="verification")
        _running.add(task)
        task.add_done_callback(_running.discard)
    found = await get_verification(database, known or verification_id)
    assert found is not None
    return found


async def get_verification(database: Database, verification_id: UUID) -> Verification | None:
    async with database.as_operator() as connection:
        row = await connection.fetchrow(_LIST, verification_id, None, None, 1)
    return None if row is None else Verification(**dict(row))


async def list_verifications(database: Database, *, cursor: str | None = None, limit: int = 100) -> Page[Verification]:
    """The newest first. Raises a 422 `Problem` for a cursor that is none."""
    async with database.as_operator() as connection:
        rows = await connection.fetch(_LIST, None, *cursor_parts(cursor), limit + 1)
    found = [Verification(**dict(row)) for row in rows]
    return page_of(found, limit, lambda each: (each.started_at, each.verification_id))


async def _run(database: Database, verification_id: UUID, mandate_id: UUID | None) -> None:
    try:
        found = await verify(database.ledger_pool, mandate_id)
        wrong = [each for each in found if not each.is_warning]
        ended: tuple[Any, ...] = (len(wrong), len(found) - len(wrong), [_finding(each) for each in found[:MOST_LISTED]])
        error = None
        if wrong:
            log.error("books_do_not_add_up", violations=len(wrong), alert="operator")
    except Exception as broken:
        log.exception("verification_failed")
        ended, error = (None, None, None), type(broken).__name__
    async with database.as_operator() as connection:
        await connection.execute(_END, verification_id, *ended, error)


def _finding(violation: Violation) -> dict[str, Any]:
    return {
        "invariant": violation.invariant,
        "mandateId": str(violation.mandate_id),
        "subject": violation.subject,
        "detail": violation.detail,
        "isWarning": violation.is_warning,
    }
