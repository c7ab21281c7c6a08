"""A closed month never changes: not by what comes later, not by a change of zone, not by a commit in flight."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import datetime, timedelta

import asyncpg
import pytest

from bursar.billing.statements import build_statement, render_json, render_pdf
from bursar.billing.statements.closing import MARGIN, wait_until_closed
from bursar.foundation.database import Database
from bursar.foundation.ids import new_id, operator_account_id
from bursar.foundation.problems import Problem
from tests.billing.statements.journal import Journal, open_journal, utc
from tests.billing.statements.samples import UNIT

END = utc("2025-11-30T23:00")
_LOCK = "SELECT version FROM account WHERE mandate_id = $1 AND account_id = $1 FOR UPDATE"
_CHARGE = """
    INSERT INTO transfer (mandate_id, transfer_id, at, kind, debit_account_id, credit_account_id, debit_version,
                          credit_version, amount_nanos, billing_model)
    VALUES ($1, $2, $3, 'CHARGE', $1, $4, $5, 1, $6, 'PREPAY_MANDATE')"""
_DEBIT = "UPDATE account SET debits_posted = debits_posted + $2, version = $3 WHERE mandate_id = $1 AND account_id = $1"


@pytest.fixture
async def journal(database: Database) -> AsyncIterator[Journal]:
    async with open_journal(database) as journal:
        await journal.top_up("2025-11-01T10:00", 100 * UNIT)
        yield journal


async def everything(database: Database, journal: Journal, now: datetime | None = None) -> tuple[bytes, bytes]:
    statement = await build_statement(
        database, journal.mandate_id, account="pool", month="2025-11", with_movements=True, now=now
    )
    return render_json(statement), render_pdf(statement, "en")


async def test_corrections_fall_into_the_open_month(journal: Journal, database: Database) -> None:
    await journal.call("2025-11-05T10:00", 3 * UNIT)
    before = await everything(database, journal)
    await journal.mandate.post(-2 * UNIT, kind="CORRECTION", reason="November was wrong")  # type: ignore[arg-type]
    await journal.call("2025-12-01T00:00", 1 * UNIT)
    assert await everything(database, journal) == before


async def test_another_time_zone_moves_no_closed_month(journal: Journal, database: Database) -> None:
    await journal.call("2025-11-30T22:59", 3 * UNIT)
    await journal.call("2025-11-30T23:01", 5 * UNIT)
    before = await everything(database, journal)
    assert b'"closingBalance":"97.000000000"' in before[0]
    for zone in ("America/New_York", "Asia/Tokyo"):
        async with database.as_mandate(journal.mandate_id) as connection:
            await connection.execute("UPDATE mandate SET time_zone = $1", zone)
        assert await everything(database, journal) == before


async def test_a_change_of_zone_counts_from_the_next_month(journal: Journal, database: Database) -> None:
    async with database.as_mandate(journal.mandate_id) as connection:
        await connection.execute("UPDATE mandate SET time_zone = 'America/New_York'")
    await journal.as_owner(
        "UPDATE mandate_time_zone SET changed_at = $1 WHERE time_zone = 'America/New_York'", utc("2025-11-15T10:00")
    )
    await journal.as_owner(
        "UPDATE mandate_time_zone SET changed_at = $1 WHERE time_zone = 'Europe/Zurich'", utc("2025-01-01T10:00")
    )
    december = await build_statement(database, journal.mandate_id, account="pool", month="2025-12")
    assert december.header.starts_at == END
    assert december.header.ends_at == utc("2026-01-01T05:00")
    assert december.header.time_zone == "America/New_York"


async def test_nobody_can_rewrite_which_zones_a_mandate_had(journal: Journal, database: Database) -> None:
    statements = [
        "UPDATE mandate_time_zone SET time_zone = 'UTC'",
        "DELETE FROM mandate_time_zone",
        "INSERT INTO mandate_time_zone SELECT mandate_id, now(), 'UTC' FROM mandate",
    ]
    for statement in statements:
        for pool in (database.app_pool, database.ledger_pool):
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await pool.execute(statement)


async def test_a_statement_right_after_midnight_waits_for_what_is_being_committed(
    journal: Journal, database: Database
) -> None:
    """A batch has taken its time before midnight and is slow to commit: asked now or later, the month is the same."""
    async with database.ledger_pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        version = await slow.fetchval(_LOCK, journal.mandate_id) + 1
        at = END - timedelta(milliseconds=1)
        revenue = operator_account_id(journal.mandate_id, "revenue")
        await slow.execute(_CHARGE, journal.mandate_id, new_id(), at, revenue, version, 3 * UNIT)
        await slow.execute(_DEBIT, journal.mandate_id, 3 * UNIT, version)
        asked = asyncio.create_task(everything(database, journal, END + timedelta(milliseconds=1)))
        done, _ = await asyncio.wait({asked}, timeout=0.3)
        assert not done
        await transaction.commit()
    right_after_midnight = await asked
    assert b'"closingBalance":"97.000000000"' in right_after_midnight[0]
    assert await everything(database, journal) == right_after_midnight


async def test_who_cannot_wait_for_the_commit_is_asked_to_come_back(journal: Journal, database: Database) -> None:
    async with database.ledger_pool.acquire() as slow:
        transaction = slow.transaction()
        await transaction.start()
        await slow.fetchval(_LOCK, journal.mandate_id)
        with pytest.raises(Problem) as raised:
            await wait_until_closed(database, END, END, patience_seconds=0)
        assert (raised.value.status, raised.value.headers["Retry-After"]) == (503, "60")
        # An old month is not held up by anything.
        await wait_until_closed(database, END, END + MARGIN, patience_seconds=0)
        await transaction.rollback()
