"""Refusals: money that is there but held is waited for, first come first served, for a limited time."""

from __future__ import annotations

import asyncio

import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger.engine import Ledger
from bursar.ledger.model import Granted, LimitSet, Outcome, Reason, Rejected
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.conftest import NewLedger, patient
from tests.ledger.patience import until

LONG = patient(wait_for_held_seconds=60, settle_delay_seconds=0)
SHORT = patient(wait_for_held_seconds=0.15, settle_delay_seconds=0)


async def held(ledger: Ledger, database: Database, amount: int = 10) -> tuple[Mandate, Granted]:
    """A mandate all of whose money is held by one call."""
    mandate = Mandate(ledger, await create_mandate(database))
    await mandate.post(amount)
    granted = await mandate.reserve(amount)
    assert isinstance(granted, Granted)
    return mandate, granted


async def in_line(ledger: Ledger, number: int) -> None:
    await until(lambda: len(ledger._intake.line) == number)


def reason(outcome: Outcome) -> Reason:
    assert isinstance(outcome, Rejected)
    return outcome.reason


async def test_it_is_granted_when_the_money_is_free_again(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(LONG)
    mandate, first = await held(ledger, database)
    waiting = asyncio.create_task(mandate.reserve(10))
    await in_line(ledger, 1)
    await mandate.release(first.hold_id)
    assert isinstance(await waiting, Granted)


async def test_first_come_first_served(database: Database, new_ledger: NewLedger) -> None:
    """Whoever needs less must not overtake whoever has waited for more."""
    ledger = await new_ledger(LONG)
    mandate = Mandate(ledger, await create_mandate(database))
    await mandate.post(10)
    calls = [await mandate.reserve(2) for _ in range(5)]
    done: list[str] = []

    async def wait(name: str, amount: int) -> None:
        assert isinstance(await mandate.reserve(amount), Granted)
        done.append(name)

    tasks = []
    for number, (name, amount) in enumerate([("six", 6), ("two", 2), ("one", 1)]):
        tasks.append(asyncio.create_task(wait(name, amount)))
        await in_line(ledger, number + 1)
    for call in calls:
        assert isinstance(call, Granted)
        await mandate.release(call.hold_id)
    await asyncio.gather(*tasks)
    assert done == ["six", "two", "one"]


async def test_after_its_time_it_is_refused_and_may_try_again(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(SHORT)
    mandate, _ = await held(ledger, database)
    outcome = await mandate.reserve(4)
    assert reason(outcome) is Reason.FUNDS_HELD
    assert isinstance(outcome, Rejected)
    assert (outcome.required_nanos, outcome.available_nanos, outcome.held_nanos) == (4, 0, 10)
    assert outcome.retry_after_seconds == 2
    assert not ledger._intake.line


async def test_the_money_goes_while_it_waits(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(LONG)
    mandate, first = await held(ledger, database)
    waiting = asyncio.create_task(mandate.reserve(4))
    await in_line(ledger, 1)
    await mandate.settle(first.hold_id, 10)
    assert reason(await waiting) is Reason.BALANCE_EXHAUSTED


async def test_a_top_up_moves_the_line(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(LONG)
    mandate, _ = await held(ledger, database)
    waiting = asyncio.create_task(mandate.reserve(4))
    await in_line(ledger, 1)
    await mandate.post(4)
    assert isinstance(await waiting, Granted)


async def test_an_extension_waits_too(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(LONG)
    mandate = Mandate(ledger, await create_mandate(database))
    await mandate.post(10)
    growing, other = await mandate.reserve(5), await mandate.reserve(5)
    assert isinstance(growing, Granted)
    assert isinstance(other, Granted)
    waiting = asyncio.create_task(mandate.extend(growing.hold_id, 7))
    await in_line(ledger, 1)
    await mandate.release(other.hold_id)
    outcome = await waiting
    assert isinstance(outcome, Granted)
    assert outcome.amount_nanos == 7


async def test_money_that_another_worker_frees_is_noticed(database: Database, new_ledger: NewLedger) -> None:
    ledger, other = await new_ledger(LONG), await new_ledger(LONG)
    mandate, first = await held(ledger, database)
    waiting = asyncio.create_task(mandate.reserve(10))
    await in_line(ledger, 1)
    await Mandate(other, mandate.mandate_id).release(first.hold_id)
    assert isinstance(await waiting, Granted)


async def test_whoever_leaves_the_line_gets_nothing(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(LONG)
    mandate, first = await held(ledger, database)
    leaving = asyncio.create_task(mandate.reserve(10))
    await in_line(ledger, 1)
    staying = asyncio.create_task(mandate.reserve(10))
    await in_line(ledger, 2)
    leaving.cancel()
    await mandate.release(first.hold_id)
    assert isinstance(await staying, Granted)


@pytest.mark.parametrize("scope", ["key", "user", "model"])
async def test_a_cap_that_is_held_up_keeps_nobody_else_waiting(
    database: Database, new_ledger: NewLedger, scope: str
) -> None:
    ledger = await new_ledger(LONG)
    mandate = Mandate(ledger, await create_mandate(database))
    await mandate.post(1000)
    who = new_id()
    scope_id = "small" if scope == "model" else str(who)
    capped = {"model": "small"} if scope == "model" else {f"{scope}_id": who}
    limit = await ledger.create_limit(
        mandate.mandate_id,
        scope=scope,  # type: ignore[arg-type]
        scope_id=scope_id,
        period="total",
        amount_nanos=10,
    )
    assert isinstance(limit, LimitSet)
    first = await mandate.reserve(10, **capped)
    assert isinstance(first, Granted)
    waiting = asyncio.create_task(mandate.reserve(5, **capped))
    await in_line(ledger, 1)
    second = asyncio.create_task(mandate.reserve(1, **capped))
    await in_line(ledger, 2)
    for _ in range(10):
        assert isinstance(await mandate.reserve(5), Granted)
    await mandate.release(first.hold_id)
    assert isinstance(await waiting, Granted)
    assert isinstance(await second, Granted)


async def test_a_full_line_refuses_at_once_and_keeps_its_order(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(patient(wait_for_held_seconds=60, line_places=5, settle_delay_seconds=0))
    mandate, first = await held(ledger, database)
    waiting = [asyncio.create_task(mandate.reserve(2)) for _ in range(5)]
    await in_line(ledger, 5)
    for demand in (1, 3):
        outcome = await mandate.reserve(demand)
        assert reason(outcome) is Reason.FUNDS_HELD
        assert isinstance(outcome, Rejected)
        assert (outcome.required_nanos, outcome.held_nanos, outcome.retry_after_seconds) == (demand, 10, 2)
    await mandate.release(first.hold_id)
    assert all(isinstance(outcome, Granted) for outcome in await asyncio.gather(*waiting))


async def test_many_that_wait_do_not_use_up_the_queue_of_others(database: Database, new_ledger: NewLedger) -> None:
    limits = patient(wait_for_held_seconds=60, line_places=50, queue_commands=20, settle_delay_seconds=0)
    ledger = await new_ledger(limits)
    mandate, first = await held(ledger, database, 100)
    waiting: list[asyncio.Task[Outcome]] = []
    for _ in range(5):
        waiting += [asyncio.create_task(mandate.reserve(2)) for _ in range(10)]
        await in_line(ledger, len(waiting))
    other = Mandate(ledger, await create_mandate(database))
    await other.post(10)
    assert isinstance(await other.reserve(1), Granted)
    await mandate.release(first.hold_id)
    assert all(isinstance(outcome, Granted) for outcome in await asyncio.gather(*waiting))
