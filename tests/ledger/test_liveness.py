"""Heartbeats and the reaper: what lives is renewed, what died is settled, what cannot be renewed is stopped."""

from __future__ import annotations

import asyncio
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from bursar.foundation.database import Database
from bursar.ledger import liveness
from bursar.ledger.engine import Ledger
from bursar.ledger.liveness import Liveness
from bursar.ledger.model import Granted, IdempotencyKey, Settled
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.conftest import NewLedger
from tests.ledger.faulty import FaultyPool, Once, never
from tests.ledger.patience import no_hold_is_left
from tests.ledger.test_pressure import funded, locked

AGE = "UPDATE hold SET expires_at = now() - interval '1 second' WHERE state = 'PENDING'"


@pytest.fixture
async def mandate(database: Database, ledger: Ledger) -> Mandate:
    return await funded(database, ledger)


async def expiry(database: Database, hold_id: UUID) -> datetime:
    found = await database.ledger_pool.fetchval("SELECT expires_at FROM hold WHERE hold_id = $1", hold_id)
    assert isinstance(found, datetime)
    return found


async def granted(mandate: Mandate, **more: Any) -> UUID:
    outcome = await mandate.reserve(5, **more)
    assert isinstance(outcome, Granted)
    return outcome.hold_id


def grow_old(liveness: Liveness, hold_id: UUID, seconds: float) -> None:
    liveness._calls[hold_id].renewed_at -= seconds


# --- the heartbeat ---------------------------------------------------------------------------------------------------


async def test_only_registered_calls_are_renewed_and_only_when_it_is_time(
    database: Database, ledger: Ledger, mandate: Mandate
) -> None:
    live, fresh, stranger = await granted(mandate), await granted(mandate), await granted(mandate)
    before = {hold_id: await expiry(database, hold_id) for hold_id in (live, fresh, stranger)}
    ledger.liveness.keep_alive(mandate.mandate_id, live, 60)
    ledger.liveness.keep_alive(mandate.mandate_id, fresh, 60)
    grow_old(ledger.liveness, live, 21)
    await ledger.liveness.renew_due()
    assert await expiry(database, live) > before[live]
    assert await expiry(database, fresh) == before[fresh]
    assert await expiry(database, stranger) == before[stranger]


async def test_a_call_that_was_let_go_is_not_renewed(database: Database, ledger: Ledger, mandate: Mandate) -> None:
    hold_id = await granted(mandate)
    before = await expiry(database, hold_id)
    ledger.liveness.keep_alive(mandate.mandate_id, hold_id, 60)
    grow_old(ledger.liveness, hold_id, 50)
    ledger.liveness.let_go(hold_id)
    await ledger.liveness.renew_due()
    assert await expiry(database, hold_id) == before
    assert len(ledger.liveness) == 0


async def test_a_call_whose_hold_is_resolved_is_stopped_once(ledger: Ledger, mandate: Mandate) -> None:
    lost: list[str] = []
    hold_id = await granted(mandate)
    ledger.liveness.keep_alive(mandate.mandate_id, hold_id, 60, lambda: lost.append("lost"))
    grow_old(ledger.liveness, hold_id, 21)
    await ledger.liveness.renew_due()
    assert lost == []
    await mandate.release(hold_id)
    grow_old(ledger.liveness, hold_id, 21)
    await ledger.liveness.renew_due()
    await ledger.liveness.renew_due()
    assert lost == ["lost"]


async def test_a_hold_that_a_batch_is_just_writing_is_not_lost(
    database: Database, ledger: Ledger, mandate: Mandate
) -> None:
    lost: list[str] = []
    hold_id = await granted(mandate)
    ledger.liveness.keep_alive(mandate.mandate_id, hold_id, 60, lambda: lost.append("lost"))
    grow_old(ledger.liveness, hold_id, 21)
    async with locked(database, mandate.mandate_id, "hold"):
        await ledger.liveness.renew_due()
    before = await expiry(database, hold_id)
    assert lost == []
    await ledger.liveness.renew_due()
    assert await expiry(database, hold_id) > before


async def test_calls_that_cannot_be_renewed_are_stopped_before_they_run_out(
    database: Database, new_ledger: NewLedger
) -> None:
    pool = FaultyPool(database.engine_pool, never)
    ledger = await new_ledger(pool=pool)
    mandate = await funded(database, ledger)
    lost: list[str] = []

    def complain() -> None:
        lost.append("first")
        raise RuntimeError("a callback that fails must not stop the others'")

    first, second, third = [await granted(mandate) for _ in range(3)]
    ledger.liveness.keep_alive(mandate.mandate_id, first, 60, complain)
    ledger.liveness.keep_alive(mandate.mandate_id, second, 60, lambda: lost.append("second"))
    ledger.liveness.keep_alive(mandate.mandate_id, third, 60, lambda: lost.append("third"))
    for hold_id, seconds in ((first, 49), (second, 49), (third, 47)):
        grow_old(ledger.liveness, hold_id, seconds)
    ledger.liveness.stop_unrenewed()
    assert lost == ["first", "second"]


async def test_the_watch_goes_on_while_the_beat_hangs(database: Database, mandate: Mandate, ledger: Ledger) -> None:
    """The database does not answer, which is just when calls must be stopped."""
    lost = asyncio.Event()

    class Hanging:
        def acquire(self) -> Any:
            return self

        async def __aenter__(self) -> Any:
            await asyncio.sleep(3600)

        async def __aexit__(self, *_: object) -> None: ...

    heart = Liveness(Hanging(), ledger.submit, lambda: None, sweep_seconds=3600)  # type: ignore[arg-type]
    hold_id = await granted(mandate, ttl_seconds=1)
    heart.keep_alive(mandate.mandate_id, hold_id, 1, lost.set)
    await heart.start()
    await lost.wait()
    await heart.stop()


# --- the reaper ------------------------------------------------------------------------------------------------------


@pytest.fixture
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the server had been up for long."""
    long_ago = liveness.DUE.replace("pg_postmaster_start_time()", "'2000-01-01'::timestamptz")
    monkeypatch.setattr(liveness, "DUE", long_ago)


@pytest.mark.usefixtures("at_once")
async def test_the_reaper_settles_what_another_worker_left(
    database: Database, new_ledger: NewLedger, mandate: Mandate
) -> None:
    hold_id = await granted(mandate, input_bound_nanos=2)
    await database.ledger_pool.execute(AGE)
    reaper = await new_ledger()
    assert await reaper.liveness.sweep() == 1
    row = await database.ledger_pool.fetchrow("SELECT state, charged_nanos FROM hold WHERE hold_id = $1", hold_id)
    assert row is not None
    assert tuple(row) == ("EXPIRED", 2)
    late = await mandate.settle(hold_id, 4)
    assert isinstance(late, Settled)
    assert (late.state, late.charged_nanos) == ("EXPIRED", 4)


@pytest.mark.usefixtures("at_once")
async def test_two_reapers_at_once_charge_once(database: Database, new_ledger: NewLedger, mandate: Mandate) -> None:
    for _ in range(20):
        await granted(mandate, input_bound_nanos=2)
    await database.ledger_pool.execute(AGE)
    await asyncio.gather(*[(await new_ledger()).liveness.sweep() for _ in range(2)])
    assert await database.ledger_pool.fetchval("SELECT sum(amount_nanos) FROM transfer WHERE kind = 'CHARGE'") == 40


@pytest.mark.usefixtures("at_once")
async def test_one_sweep_takes_all_that_is_due(database: Database, ledger: Ledger, mandate: Mandate) -> None:
    await asyncio.gather(*(mandate.reserve(0) for _ in range(1200)))
    await database.ledger_pool.execute(AGE)
    assert await ledger.liveness.sweep() == 1200
    await no_hold_is_left(database)


@pytest.mark.usefixtures("at_once")
async def test_the_reaper_waits_a_whole_life_after_the_database_was_away(
    database: Database, new_ledger: NewLedger, mandate: Mandate
) -> None:
    pool = FaultyPool(database.engine_pool, never)
    reaper = await new_ledger(pool=pool)
    hold_id = await granted(mandate)
    await database.ledger_pool.execute(AGE)
    pool.plan = Once("BEGIN", "before")
    await Mandate(reaper, mandate.mandate_id).post(1)
    assert await reaper.liveness.sweep() == 1
    assert await database.ledger_pool.fetchval("SELECT state FROM hold WHERE hold_id = $1", hold_id) == "PENDING"
    assert reaper._database_lost_at is not None
    reaper._database_lost_at -= 61
    await reaper.liveness.sweep()
    assert await database.ledger_pool.fetchval("SELECT state FROM hold WHERE hold_id = $1", hold_id) == "EXPIRED"


async def test_after_a_restart_the_reaper_waits_a_whole_life(
    database: Database, ledger: Ledger, mandate: Mandate
) -> None:
    """A life that is longer than this server has been up."""
    await granted(mandate, ttl_seconds=7 * 24 * 3600)
    await database.ledger_pool.execute(AGE)
    assert await ledger.liveness.sweep() == 0


async def test_answers_that_have_expired_are_taken_away(
    database: Database, new_ledger: NewLedger, mandate: Mandate
) -> None:
    for name in ("old", "young"):
        await mandate.post(1, idempotency=IdempotencyKey("tests", "r", name, b"body"))
    await database.ledger_pool.execute(
        "UPDATE idempotency SET expires_at = now() - interval '2 hours' WHERE key = 'old'"
    )
    heart = Liveness(database.ledger_pool, mandate.ledger.submit, lambda: None, sweep_seconds=0.01)
    await heart.start()
    while await database.ledger_pool.fetchval("SELECT count(*) FROM idempotency") > 1:  # noqa: ASYNC110
        await asyncio.sleep(0.01)
    await heart.stop()
    assert await database.ledger_pool.fetchval("SELECT key FROM idempotency") == "young"


@pytest.mark.usefixtures("at_once")
async def test_a_live_call_survives_and_a_dead_one_does_not(database: Database, new_ledger: NewLedger) -> None:
    """With real time, and a life of three seconds."""
    ledger = await new_ledger()
    ledger.liveness.sweep_seconds = 0.1
    await ledger.liveness.stop()
    await ledger.liveness.start()
    mandate = Mandate(ledger, await create_mandate(database))
    await mandate.post(100)
    live, dead = await granted(mandate, ttl_seconds=3), await granted(mandate, ttl_seconds=3)
    ledger.liveness.keep_alive(mandate.mandate_id, live, 3)
    sql = "SELECT state FROM hold WHERE hold_id = $1"
    while await database.ledger_pool.fetchval(sql, dead) == "PENDING":  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    assert await database.ledger_pool.fetchval(sql, live) == "PENDING"
    settled = await mandate.settle(live, 3)
    assert isinstance(settled, Settled)
    assert settled.state == "SETTLED"


@pytest.mark.usefixtures("at_once")
async def test_a_mandate_that_is_locked_keeps_no_others_holds_open(
    database: Database, new_ledger: NewLedger, mandate: Mandate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(liveness, "SWEEP_SECONDS", 0.2)
    free = await funded(database, mandate.ledger)
    await granted(mandate)
    other = await granted(free)
    await database.ledger_pool.execute(AGE)
    reaper = await new_ledger()
    async with locked(database, mandate.mandate_id):
        for _ in range(3):
            assert await reaper.liveness.sweep() >= 1
        assert await database.ledger_pool.fetchval("SELECT state FROM hold WHERE hold_id = $1", other) == "EXPIRED"
        assert len(reaper.liveness._expiring) == 1
    await no_hold_is_left(database)
