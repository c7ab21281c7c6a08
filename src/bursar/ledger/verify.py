"""`verify`: every invariant of the ledger, checked on any database, while it works or at rest."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Final
from uuid import UUID

import asyncpg

from bursar.foundation.database import RawConnection
from bursar.ledger.invariants import INVARIANTS, THOROUGH, WARNINGS
from bursar.ledger.reading import Connection

MOST_OF_ONE_KIND: Final = 1_000
"""Violations that are listed of one invariant: whoever has more needs no longer list."""
LONGEST_SECONDS: Final = 6 * 3600.0
"""Of one invariant, until its first answer: it may have to read a large journal whole."""
OVERDUE_SECONDS: Final = 30.0
"""How long after its expiry a hold may be pending: a sweep, and some patience."""


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing that is wrong. `subject` is the account, hold, transfer, limit or key."""

    invariant: str
    mandate_id: UUID
    subject: str
    detail: str

    @property
    def is_warning(self) -> bool:
        """Whether the books are right, but somebody should look: is a worker running?"""
        return self.invariant in WARNINGS


async def verify(
    where: asyncpg.Pool | Connection | RawConnection,
    mandate_id: UUID | None = None,
    *,
    thorough: bool = False,
    overdue_seconds: float = OVERDUE_SECONDS,
) -> list[Violation]:
    """What is wrong with the books of one mandate, or of all; empty if nothing is.

    All statements see the same moment, so that calls may go on meanwhile; nothing is locked. `thorough` also holds caps
    against every call of their scope. A connection that is in a transaction is taken as it is, with what that sees.
    Raises what asyncpg raises. Needs `bursar_ledger`'s rights, or the owner's.
    """
    checks: Mapping[str, str] = {**INVARIANTS, **THOROUGH} if thorough else INVARIANTS
    found: list[Violation] = []
    async with _one_moment(where) as connection:
        for invariant, sql in checks.items():
            arguments: list[Any] = [mandate_id, overdue_seconds] if "$2" in sql else [mandate_id]
            left = MOST_OF_ONE_KIND
            async for row in connection.cursor(sql, *arguments, timeout=LONGEST_SECONDS):
                found.append(Violation(invariant, *row))
                left -= 1
                if not left:
                    break
    return found


@asynccontextmanager
async def _one_moment(where: asyncpg.Pool | Connection | RawConnection) -> AsyncIterator[Connection | RawConnection]:
    if isinstance(where, asyncpg.Pool):
        async with where.acquire() as connection, _one_moment(connection) as same:
            yield same
        return
    if where.is_in_transaction():
        yield where
        return
    async with where.transaction(isolation="repeatable_read", readonly=True):
        # A large journal takes longer to read than any batch may take to commit.
        await where.execute("SET LOCAL statement_timeout = 0")
        # It reads whole tables. The planner may know a young one as empty, and would run through it once for each row.
        await where.execute("SET LOCAL enable_nestloop = off")
        yield where
