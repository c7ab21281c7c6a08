"""Engines for the ledger's tests: made as a test needs them, stopped when it ends, and the books verified."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import replace
from typing import Any

import pytest

from bursar.foundation.database import Database
from bursar.ledger.engine import EngineLimits, Ledger
from bursar.ledger.verify import verify

PATIENT = EngineLimits(queue_seconds=60, answer_seconds=60, wait_for_held_seconds=0.2, settle_delay_seconds=0)
"""Nobody is told "too late", however busy the machine."""


def patient(**changes: Any) -> EngineLimits:
    return replace(PATIENT, **changes)


QUICK = patient(settle_delay_seconds=0.0005, wait_for_held_seconds=0.5, remember_refusals_seconds=0)

NewLedger = Callable[..., Awaitable[Ledger]]


@pytest.fixture
async def new_ledger(database: Database) -> AsyncIterator[NewLedger]:
    """Makes and starts engines on the test's database. At the end nothing may be wrong with the books."""
    engines: list[Ledger] = []

    async def make(limits: EngineLimits = QUICK, *, pool: Any = None, rider: Any = None) -> Ledger:
        ledger = Ledger(pool or database.engine_pool, limits=limits, rider=rider)
        ledger.liveness.sweep_seconds = 3600
        await ledger.start()
        engines.append(ledger)
        return ledger

    yield make
    for ledger in engines:
        await ledger.stop(timeout_seconds=5)
    found = await verify(database.ledger_pool, thorough=True)
    assert [violation for violation in found if not violation.is_warning] == []


@pytest.fixture
async def ledger(new_ledger: NewLedger) -> Ledger:
    return await new_ledger()
