"""Readiness: every check counts, none hangs, strangers learn no details."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from bursar.foundation.database import Database
from bursar.foundation.health import readiness


async def _hang() -> None:
    await asyncio.Event().wait()


async def _fail() -> None:
    raise ConnectionError("host db.internal is down")


async def test_ready_when_the_database_answers(database: Database) -> None:
    found = await readiness({"database": database.ping})
    assert found.http_status == 200
    assert found.to_body() == {"status": "ok", "checks": {"database": "ok"}}


async def test_not_ready_when_the_database_is_away(database: Database) -> None:
    await database.ledger_pool.close()
    with capture_logs():
        assert (await readiness({"database": database.ping})).http_status == 503


async def test_one_failure_or_one_that_hangs_is_enough(database: Database) -> None:
    with capture_logs() as logs:
        found = await readiness({"database": database.ping, "a": _fail, "b": _hang}, timeout_seconds=0.05)
    assert found.http_status == 503
    assert found.checks == {"database": "ok", "a": "failed", "b": "failed"}
    assert "internal" not in str(found.to_body())
    assert {str(line["check"]) for line in logs} == {"a", "b"}
