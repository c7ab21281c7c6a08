"""MONEY.md, crashes 4 and 5: commands that break their batch, callers that have gone, riders that fail."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from datetime import datetime
from typing import Any

import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger.entry import CommandQuarantined
from bursar.ledger.model import SHORTAGES, Funding, Granted, IdempotencyKey, Posted, Reason, Refusal, Rejected, Settled
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.conftest import PATIENT, NewLedger, patient
from tests.ledger.patience import no_hold_is_left, until
from tests.ledger.test_pressure import Collector, funded, locked, until_stuck

# --- poison ----------------------------------------------------------------------------------------------------------


async def test_a_command_that_breaks_its_batch_stands_alone(database: Database, new_ledger: NewLedger) -> None:
    """The culprits repeat an id that is taken: nothing but the database knows."""
    ledger = await new_ledger(PATIENT)
    mandate = await funded(database, ledger)
    taken = await mandate.reserve(1)
    assert isinstance(taken, Granted)
    await mandate.release(taken.hold_id)
    poison = {7, 19, 20, 41}
    outcomes = await asyncio.gather(
        *(mandate.reserve(1, hold_id=taken.hold_id if n in poison else None) for n in range(50)),
        return_exceptions=True,
    )
    assert {n for n, outcome in enumerate(outcomes) if isinstance(outcome, CommandQuarantined)} == poison
    assert sum(isinstance(outcome, Granted) for outcome in outcomes) == 46
    assert ledger.statistics.quarantined == 4
    assert isinstance(await mandate.reserve(1), Granted)


async def test_a_poisoned_settle_leaves_its_hold_to_another_try(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger()
    mandate = await funded(database, ledger)
    first, second = await mandate.reserve(5), await mandate.reserve(5)
    assert isinstance(first, Granted)
    assert isinstance(second, Granted)
    transfer_id = new_id()
    assert isinstance(await mandate.settle(first.hold_id, 3, transfer_id=transfer_id), Settled)
    with pytest.raises(CommandQuarantined):
        await mandate.settle(second.hold_id, 3, transfer_id=transfer_id)
    assert isinstance(await mandate.settle(second.hold_id, 3), Settled)


async def test_poison_of_one_mandate_is_not_another_ones(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(PATIENT)
    bad, good = await funded(database, ledger), await funded(database, ledger)
    posted = await bad.post(1, transfer_id=(transfer_id := new_id()))
    assert isinstance(posted, Posted)
    outcomes = await asyncio.gather(
        bad.post(1, transfer_id=transfer_id), *(good.reserve(1) for _ in range(9)), return_exceptions=True
    )
    assert isinstance(outcomes[0], CommandQuarantined)
    assert all(isinstance(outcome, Granted) for outcome in outcomes[1:])


async def test_a_fault_of_the_engines_own_ends_no_lane(
    database: Database, new_ledger: NewLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    ledger = await new_ledger(PATIENT)
    mandate = await funded(database, ledger)
    deal, faults = ledger._deal_with, [1]

    def deal_badly(*arguments: Any) -> None:
        if faults:
            faults.pop()
            raise RuntimeError("a fault")
        deal(*arguments)

    monkeypatch.setattr(ledger, "_deal_with", deal_badly)
    assert isinstance(await mandate.reserve(1), Granted)
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM hold WHERE state = 'PENDING'") == 1


# --- callers that have gone ------------------------------------------------------------------------------------------


async def test_a_caller_that_goes_before_its_reserve_is_begun(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(PATIENT)
    mandate = await funded(database, ledger)
    async with locked(database, mandate.mandate_id):
        first = asyncio.create_task(mandate.reserve(1))
        await until_stuck(ledger)
        await asyncio.sleep(0.02)
        waiting = [asyncio.create_task(mandate.reserve(1)) for _ in range(20)]
        await asyncio.sleep(0)
        for task in waiting:
            task.cancel()
    assert isinstance(await first, Granted)
    assert isinstance(await mandate.reserve(1), Granted)
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM hold WHERE state <> 'SETTLED'") == 2


async def test_a_caller_that_is_gone_when_its_reserve_commits(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(PATIENT)
    mandate = await funded(database, ledger)
    async with locked(database, mandate.mandate_id):
        waiting = [asyncio.create_task(mandate.reserve(1)) for _ in range(20)]
        await until_stuck(ledger)
        await asyncio.sleep(0.05)  # until they are in the batch that waits for the lock
        for task in waiting:
            task.cancel()
    await until(lambda: not ledger._begun and not ledger._intake)
    await no_hold_is_left(database)
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM hold WHERE state = 'RELEASED'") == 20


async def test_callers_that_go_at_random_leave_nothing_behind(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger()
    mandate = await funded(database, ledger)
    for pause_ms in range(12):
        tasks = [asyncio.create_task(mandate.reserve(1)) for _ in range(20)]
        await asyncio.sleep(pause_ms / 2000)
        for task in tasks:
            task.cancel()
        for outcome in await asyncio.gather(*tasks, return_exceptions=True):
            if isinstance(outcome, Granted):
                await mandate.release(outcome.hold_id)
    await no_hold_is_left(database)


async def test_a_caller_with_a_key_comes_again(database: Database, new_ledger: NewLedger) -> None:
    """Its hold is not released: the answer that it will get must be true."""
    ledger = await new_ledger(PATIENT)
    mandate = await funded(database, ledger)
    key = IdempotencyKey("tests", "holds", "k", b"body")
    async with locked(database, mandate.mandate_id):
        waiting = asyncio.create_task(mandate.reserve(1, idempotency=key))
        await until_stuck(ledger)
        await asyncio.sleep(0.05)
        waiting.cancel()
    again = await mandate.reserve(1, idempotency=key)
    assert isinstance(again, Granted)
    assert isinstance(await mandate.settle(again.hold_id, 1), Settled)


async def test_a_settle_whose_caller_has_gone_is_carried_out(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(PATIENT)
    mandate = await funded(database, ledger)
    granted = await mandate.reserve(1)
    assert isinstance(granted, Granted)
    async with locked(database, mandate.mandate_id):
        settle = asyncio.create_task(mandate.settle(granted.hold_id, 1))
        await asyncio.sleep(0)
        settle.cancel()
    await no_hold_is_left(database)
    assert await database.ledger_pool.fetchval("SELECT state FROM hold WHERE amount_nanos = 1") == "SETTLED"


# --- riders ----------------------------------------------------------------------------------------------------------


class Bad(Collector):
    """A rider that writes something and then fails in its own way."""

    def __init__(self, how: str) -> None:
        super().__init__()
        self.how = how

    async def ride(
        self, connection: Any, refusals: Sequence[Refusal], fundings: Sequence[Funding], at: datetime
    ) -> None:
        await super().ride(connection, refusals, fundings, at)
        await connection.execute("INSERT INTO idempotency SELECT mandate_id, 'rider', 'r', 'k', '', '{}' FROM mandate")
        if self.how == "raises":
            raise RuntimeError("the rider fails")
        if self.how == "SQL":
            await connection.execute("SELECT 1 / 0")
        if self.how == "forbidden":
            await connection.execute("DELETE FROM transfer")
        if self.how == "own transaction":
            async with connection.transaction():
                pass
        if self.how == "hangs":
            await connection.execute("SELECT pg_sleep(60)")


@pytest.mark.parametrize("how", ["raises", "SQL", "forbidden", "own transaction", "hangs"])
async def test_a_rider_that_fails_does_not_fail_the_money(
    database: Database, new_ledger: NewLedger, how: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bursar.ledger.lane.RIDER_TIMEOUT_SECONDS", 0.1)
    rider = Bad(how)
    ledger = await new_ledger(rider=rider)
    mandate = Mandate(ledger, await create_mandate(database))
    assert isinstance(await mandate.post(10), Posted)
    assert isinstance(await mandate.reserve(11), Rejected)
    assert isinstance(await mandate.reserve(10), Granted)
    assert rider.rides == 2
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM idempotency") == 0


class Breaker(Collector):
    async def ride(self, connection: Any, *rest: Any) -> None:
        self.rides += 1
        if self.rides == 1:
            await connection.execute("SELECT pg_terminate_backend(pg_backend_pid())")


async def test_a_connection_that_breaks_under_the_rider_is_a_connection_lost(
    database: Database, new_ledger: NewLedger
) -> None:
    rider = Breaker()
    mandate = Mandate(await new_ledger(rider=rider), await create_mandate(database))
    posted = await mandate.post(10)
    assert isinstance(posted, Posted)
    assert posted.balance_nanos == 10
    assert rider.rides == 2


async def test_a_rider_hears_of_what_it_wants(database: Database, new_ledger: NewLedger) -> None:
    rider = Collector()
    rider.wants = SHORTAGES - {Reason.FUNDS_HELD}
    ledger = await new_ledger(patient(wait_for_held_seconds=0, remember_refusals_seconds=0), rider=rider)
    mandate = Mandate(ledger, await create_mandate(database))
    wallet, user = new_id(), new_id()
    await mandate.post(20)
    await mandate.post(5, wallet=wallet)
    reserved = await mandate.reserve(12)
    assert isinstance(reserved, Granted)
    await mandate.reserve(15, user_id=user)  # FUNDS_HELD
    await mandate.reserve(25, user_id=user)  # REQUEST_TOO_LARGE
    await mandate.settle(reserved.hold_id, 20)
    await mandate.reserve(3, user_id=user)  # BALANCE_EXHAUSTED
    assert [r.reason for r in rider.refusals] == [Reason.REQUEST_TOO_LARGE, Reason.BALANCE_EXHAUSTED]
    assert [(f.account_id, f.balance_nanos) for f in rider.fundings] == [(mandate.mandate_id, 20), (wallet, 5)]
    assert all(refusal.user_id == user and refusal.calls == 1 for refusal in rider.refusals)


async def test_a_pooled_connection_has_no_transaction_left_open(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(PATIENT)
    mandate = await funded(database, ledger)
    async with locked(database, mandate.mandate_id):
        waiting = asyncio.create_task(mandate.reserve(1))
        await until_stuck(ledger)
        await ledger.stop(timeout_seconds=0.05)
        await asyncio.gather(waiting, return_exceptions=True)
    async with database.ledger_pool.acquire() as connection:
        sql = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND state LIKE 'idle in%'"
        assert await connection.fetchval(sql) == 0
