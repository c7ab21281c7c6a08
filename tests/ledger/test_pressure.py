"""MONEY.md, the engine under load: back-pressure, locks held elsewhere, the storm of denials, settles that ride."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger.engine import EngineLimits, Ledger, LedgerUnavailable
from bursar.ledger.model import (
    SHORTAGES,
    Funding,
    Granted,
    LimitSet,
    Outcome,
    Posted,
    Reason,
    Refusal,
    Rejected,
    Settled,
)
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.conftest import PATIENT, NewLedger, patient
from tests.ledger.patience import no_hold_is_left, until


@asynccontextmanager
async def locked(database: Database, mandate_id: UUID, table: str = "account") -> AsyncIterator[None]:
    """Another worker sits on the mandate's accounts (or limit counters)."""
    async with database.ledger_pool.acquire() as connection, connection.transaction():
        await connection.fetch(f"SELECT 1 FROM {table} WHERE mandate_id = $1 FOR UPDATE", mandate_id)  # noqa: S608
        yield


async def funded(database: Database, ledger: Ledger, amount: int = 1000, **more: Any) -> Mandate:
    """With all its accounts opened."""
    mandate = Mandate(ledger, await create_mandate(database, **more))
    await mandate.post(amount)
    granted = await mandate.reserve(0)
    assert isinstance(granted, Granted)
    await mandate.settle(granted.hold_id, 0)
    return mandate


async def until_stuck(ledger: Ledger, mandates: int = 1) -> None:
    """Wait until so many mandates have a lane of their own."""
    await until(lambda: len(ledger._intake.own) >= mandates)


# --- back-pressure ---------------------------------------------------------------------------------------------------


async def test_too_many_are_told_at_once_and_hold_nothing(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(EngineLimits(queue_commands=20, queue_seconds=60, answer_seconds=60))
    mandate = await funded(database, ledger)
    async with locked(database, mandate.mandate_id):
        first = asyncio.create_task(mandate.reserve(1))
        await until_stuck(ledger)
        await asyncio.sleep(0.05)  # until the lane waits with the first one in hand
        waiting = [asyncio.create_task(mandate.reserve(1)) for _ in range(20)]
        await asyncio.sleep(0)
        for _ in range(5):
            with pytest.raises(LedgerUnavailable):
                await mandate.reserve(1)
    outcomes = await asyncio.gather(first, *waiting)
    assert all(isinstance(outcome, Granted) for outcome in outcomes)
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM hold WHERE state = 'PENDING'") == 21


async def test_who_waits_too_long_is_told_and_holds_nothing(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(EngineLimits(queue_seconds=0.1, answer_seconds=0.3, settle_delay_seconds=0))
    mandate = Mandate(ledger, (await funded(database, await new_ledger())).mandate_id)
    async with locked(database, mandate.mandate_id):
        waiting = [asyncio.create_task(mandate.reserve(1)) for _ in range(30)]
        for outcome in await asyncio.gather(*waiting, return_exceptions=True):
            assert isinstance(outcome, LedgerUnavailable)
            assert outcome.retry_after_seconds >= 1
    await no_hold_is_left(database)


async def test_settles_are_never_dropped(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(EngineLimits(queue_commands=5, queue_seconds=0.05, answer_seconds=0.1))
    before = await funded(database, await new_ledger())
    grants = [await before.reserve(1) for _ in range(50)]
    mandate = Mandate(ledger, before.mandate_id)
    async with locked(database, mandate.mandate_id):
        settles = [
            asyncio.create_task(mandate.settle(grant.hold_id, 1)) for grant in grants if isinstance(grant, Granted)
        ]
        posts = [asyncio.create_task(mandate.post(1))]
        reserves = [asyncio.create_task(mandate.reserve(1)) for _ in range(3)]
        for outcome in await asyncio.gather(*reserves, *posts, return_exceptions=True):
            assert isinstance(outcome, LedgerUnavailable)
        assert not any(task.done() for task in settles)
    assert len(settles) == 50
    assert all(isinstance(outcome, Settled) for outcome in await asyncio.gather(*settles))


# --- locked elsewhere ------------------------------------------------------------------------------------------------


async def test_a_mandate_that_is_locked_elsewhere_stalls_no_other(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(PATIENT)
    stuck, free = await funded(database, ledger), await funded(database, ledger)
    async with locked(database, stuck.mandate_id):
        waiting = asyncio.create_task(stuck.reserve(1))
        await until_stuck(ledger)
        for _ in range(20):
            assert isinstance(await free.reserve(1), Granted)
        assert not waiting.done()
    assert isinstance(await waiting, Granted)


async def test_many_locked_mandates_leave_a_lane_for_those_that_wait_a_moment(
    database: Database, new_ledger: NewLedger
) -> None:
    ledger = await new_ledger(PATIENT)
    stuck = [await funded(database, ledger) for _ in range(4)]
    contended = await funded(database, ledger)
    async with AsyncExitStack() as locks:
        for mandate in stuck:
            await locks.enter_async_context(locked(database, mandate.mandate_id))
        waiting = [asyncio.create_task(mandate.reserve(1)) for mandate in stuck]
        await until_stuck(ledger, 4)
        async with locked(database, contended.mandate_id):
            last = asyncio.create_task(contended.reserve(1))
            await until_stuck(ledger, 5)
        assert isinstance(await last, Granted)
        assert not any(task.done() for task in waiting)
    assert all(isinstance(outcome, Granted) for outcome in await asyncio.gather(*waiting))


async def test_a_limit_that_is_locked_elsewhere_stalls_no_other_mandate(
    database: Database, new_ledger: NewLedger
) -> None:
    ledger = await new_ledger(PATIENT)
    stuck, free = await funded(database, ledger), await funded(database, ledger)
    made = await ledger.create_limit(
        stuck.mandate_id, scope="mandate", scope_id=str(stuck.mandate_id), period="month", amount_nanos=100
    )
    assert isinstance(made, LimitSet)
    async with locked(database, stuck.mandate_id, "limit_counter"):
        waiting = asyncio.create_task(stuck.reserve(1))
        await until_stuck(ledger)
        assert isinstance(await free.reserve(1), Granted)
        assert not waiting.done()
    assert isinstance(await waiting, Granted)


# --- the storm of denials --------------------------------------------------------------------------------------------


class Collector:
    """A rider that only listens."""

    def __init__(self) -> None:
        self.wants = SHORTAGES
        self.refusals: list[Refusal] = []
        self.fundings: list[Funding] = []
        self.rides = 0

    async def ride(
        self, connection: Any, refusals: Sequence[Refusal], fundings: Sequence[Funding], at: datetime
    ) -> None:
        self.rides += 1
        self.refusals += refusals
        self.fundings += fundings


def refused(outcome: Outcome) -> Reason:
    assert isinstance(outcome, Rejected)
    return outcome.reason


async def test_a_storm_of_denials_costs_no_commit_a_call_and_every_call_is_counted(
    database: Database, new_ledger: NewLedger
) -> None:
    rider = Collector()
    limits = patient(remember_refusals_seconds=60, count_refusals_every_seconds=0.05)
    ledger = await new_ledger(limits, rider=rider)
    mandate = await funded(database, ledger, 10)
    user, key = new_id(), new_id()
    assert refused(await mandate.reserve(11, user_id=user, key_id=key)) is Reason.REQUEST_TOO_LARGE
    batches = ledger.statistics.batches
    for demand in range(11, 1011):
        outcome = await mandate.reserve(demand, user_id=user, key_id=key)
        assert refused(outcome) is Reason.REQUEST_TOO_LARGE
        assert isinstance(outcome, Rejected)
        assert (outcome.required_nanos, outcome.available_nanos) == (demand, 10)
    assert ledger.statistics.batches == batches
    assert ledger.statistics.refused_from_memory == 1000
    await until(lambda: sum(refusal.calls for refusal in rider.refusals) >= 1001)
    assert sum(refusal.calls for refusal in rider.refusals) == 1001
    assert rider.rides <= 5
    assert {(r.user_id, r.key_id, r.reason) for r in rider.refusals} == {(user, key, Reason.REQUEST_TOO_LARGE)}


async def test_a_smaller_demand_or_another_caller_is_asked_again(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(patient(remember_refusals_seconds=60))
    mandate = await funded(database, ledger, 10)
    assert refused(await mandate.reserve(11, model="a")) is Reason.REQUEST_TOO_LARGE
    assert isinstance(await mandate.reserve(10, model="a"), Granted)
    assert refused(await mandate.reserve(11, model="b")) is not None
    assert ledger.statistics.refused_from_memory == 0


@pytest.mark.parametrize("how", ["top-up", "release", "limit", "time"])
async def test_what_was_refused_is_forgotten_when_it_may_be_affordable(
    database: Database, new_ledger: NewLedger, how: str
) -> None:
    seconds = 0.05 if how == "time" else 600
    ledger = await new_ledger(patient(remember_refusals_seconds=seconds, wait_for_held_seconds=0))
    mandate = await funded(database, ledger, 10)
    limit = await ledger.create_limit(
        mandate.mandate_id, scope="model", scope_id="m", period="total", amount_nanos=5 if how == "limit" else 100
    )
    granted = await mandate.reserve(4)
    assert isinstance(granted, Granted)
    demand = 6 if how == "limit" else 11
    refused(await mandate.reserve(demand, model="m"))
    if how == "top-up":
        await mandate.post(10)
    elif how == "release":
        await mandate.release(granted.hold_id)
        await mandate.post(1)
    elif how == "limit":
        assert isinstance(limit, LimitSet)
        await ledger.change_limit(mandate.mandate_id, limit.limit_id, 100)
    else:
        other = Mandate(await new_ledger(), mandate.mandate_id)
        await other.post(10)
        await asyncio.sleep(0.06)
    assert isinstance(await mandate.reserve(demand, model="m"), Granted) or how == "release"
    assert ledger.statistics.refused_from_memory == 0


# --- batches ---------------------------------------------------------------------------------------------------------


async def test_what_waits_together_shares_one_commit(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(PATIENT)
    mandate = await funded(database, ledger)
    batches = ledger.statistics.batches
    outcomes = await asyncio.gather(*(mandate.reserve(1) for _ in range(500)))
    assert all(isinstance(outcome, Granted) for outcome in outcomes)
    assert ledger.statistics.batches - batches <= 2


async def test_a_settle_alone_waits_for_a_reserve_to_ride_with(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(patient(settle_delay_seconds=30))
    mandate = await funded(database, await new_ledger())
    mandate = Mandate(ledger, mandate.mandate_id)
    granted = await mandate.reserve(1)
    assert isinstance(granted, Granted)
    batches = ledger.statistics.batches
    settle = asyncio.create_task(mandate.settle(granted.hold_id, 1))
    await asyncio.sleep(0.05)
    assert not settle.done()
    assert isinstance(await mandate.reserve(1), Granted)
    assert isinstance(await settle, Settled)
    assert ledger.statistics.batches - batches == 1


async def test_a_settle_alone_does_not_wait_for_ever(database: Database, new_ledger: NewLedger) -> None:
    mandate = await funded(database, await new_ledger(patient(settle_delay_seconds=0.003)))
    granted = await mandate.reserve(1)
    assert isinstance(granted, Granted)
    assert isinstance(await mandate.settle(granted.hold_id, 1), Settled)


async def test_what_gives_money_back_is_decided_first(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(patient(wait_for_held_seconds=0))
    mandate = await funded(database, ledger, 10)
    granted = await mandate.reserve(10)
    assert isinstance(granted, Granted)
    reserve, release = await asyncio.gather(mandate.reserve(10), mandate.release(granted.hold_id))
    assert isinstance(reserve, Granted)
    assert isinstance(release, Settled)


# --- the end of a worker's life --------------------------------------------------------------------------------------


async def test_stopping_finishes_what_is_in_hand_and_begins_nothing(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(patient(settle_delay_seconds=0.05))
    mandate = await funded(database, ledger)
    grants = [await mandate.reserve(1) for _ in range(5)]
    settles = [asyncio.create_task(mandate.settle(grant.hold_id, 1)) for grant in grants if isinstance(grant, Granted)]
    await asyncio.sleep(0)
    stopping = asyncio.create_task(ledger.stop())
    await asyncio.sleep(0)
    with pytest.raises(LedgerUnavailable):
        await mandate.reserve(1)
    await stopping
    assert [type(outcome) for outcome in await asyncio.gather(*settles)] == [Settled] * 5
    with pytest.raises(LedgerUnavailable):
        await mandate.settle(new_id(), 1)


async def test_nobody_is_left_without_an_answer(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(PATIENT)
    mandate = await funded(database, ledger)
    async with locked(database, mandate.mandate_id):
        waiting = [asyncio.create_task(mandate.reserve(1)), asyncio.create_task(mandate.post(1))]
        await until_stuck(ledger)
        await ledger.stop(timeout_seconds=0.1)
        outcomes = await asyncio.gather(*waiting, return_exceptions=True)
    assert all(isinstance(outcome, LedgerUnavailable) for outcome in outcomes)
    assert isinstance(await Mandate(await new_ledger(), mandate.mandate_id).post(1), Posted)
