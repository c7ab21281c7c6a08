"""Pruning: old holds go, what they had added up to stays, and `verify` goes on from there."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import asyncpg
import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger.engine import Ledger
from bursar.ledger.model import Expire, Granted, LimitSet, Posted, Rejected, Settled
from bursar.ledger.pruning import Pruning, PruningPace, resolved_holds
from bursar.ledger.verify import verify
from tests.ledger.books_support import UNIT, Mandate, create_mandate
from tests.support.aging import age, id_of

PACE = PruningPace(batch_rows=7, pause_seconds=0, mandates_at_once=2)


@pytest.fixture
async def ledger(database: Database) -> AsyncIterator[Ledger]:
    ledger = Ledger(database.engine_pool)
    await ledger.start()
    yield ledger
    await ledger.stop()


def pruning(database: Database, days: int = 90) -> Pruning:
    return Pruning(database.ledger_pool, [resolved_holds(days)], pace=PACE)


async def new_mandate(database: Database, ledger: Ledger, money: int = 100 * UNIT) -> Mandate:
    mandate = Mandate(ledger, await create_mandate(database))
    assert isinstance(await mandate.post(money), Posted)
    return mandate


async def spend(mandate: Mandate, amount: int = UNIT, *, days_ago: float = 100, **who: Any) -> UUID:
    hold_id = id_of(days_ago)
    assert isinstance(await mandate.reserve(2 * amount, hold_id=hold_id, **who), Granted)
    assert isinstance(await mandate.settle(hold_id, amount), Settled)
    return hold_id


async def owner(database: Database, statement: str, *values: Any) -> str:
    connection = await asyncpg.connect(database.addresses.owner.dsn)
    try:
        return str(await connection.execute(statement, *values))
    finally:
        await connection.close()


async def holds(database: Database) -> int:
    return int(await database.ledger_pool.fetchval("SELECT count(*) FROM hold"))


async def checkpoint(database: Database, mandate: Mandate) -> dict[str, Any]:
    row = await database.ledger_pool.fetchrow("SELECT * FROM hold_checkpoint WHERE mandate_id = $1", mandate.mandate_id)
    return dict(row) if row is not None else {}


async def broken(database: Database) -> set[str]:
    return {violation.invariant for violation in await verify(database.ledger_pool, thorough=True)}


async def test_old_holds_go_and_the_books_still_add_up(database: Database, ledger: Ledger) -> None:
    mandates = [await new_mandate(database, ledger) for _ in range(5)]
    for mandate in mandates:
        for _ in range(9):
            await spend(mandate)
        released = id_of(100)
        await mandate.reserve(UNIT, hold_id=released)
        await mandate.release(released)
        grown = id_of(100)
        await mandate.reserve(UNIT, hold_id=grown)
        await mandate.extend(grown, 3 * UNIT)
        await mandate.settle(grown, 2 * UNIT)
    await age(database, 100)
    young = await spend(mandates[0], days_ago=0)
    pending = id_of(100)
    await mandates[0].reserve(UNIT, hold_id=pending)

    assert await pruning(database).round() == {"holds": 55}
    left = {row[0] for row in await database.ledger_pool.fetch("SELECT hold_id FROM hold")}
    assert left == {young, pending}
    assert await broken(database) == set()
    found = await checkpoint(database, mandates[1])
    assert (found["holds"], found["paid_holds"], found["growths"]) == (11, 10, 1)
    assert found["charged_nanos"] == 11 * UNIT
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM transfer WHERE kind = 'CHARGE'") == 51
    assert await pruning(database).round() == {"holds": 0}


async def test_a_checkpoint_grows_with_later_rounds(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger)
    for total in (3, 6):
        for _ in range(3):
            await spend(mandate)
        await age(database, 100)
        assert await pruning(database).round() == {"holds": 3}
        assert (await checkpoint(database, mandate))["holds"] == total
    assert await broken(database) == set()


async def test_nothing_younger_than_35_days_goes_whatever_is_asked(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger)
    await spend(mandate, days_ago=34)
    await age(database, 34)
    with pytest.raises(ValueError, match="35 days"):
        resolved_holds(34)
    prune = "SELECT prune_holds($1, $2, 100)"
    assert await database.ledger_pool.fetchval(prune, mandate.mandate_id, datetime.now(UTC)) == 0
    assert await holds(database) == 1


async def test_no_running_role_may_delete_a_hold(database: Database) -> None:
    for pool in (database.ledger_pool, database.app_pool):
        with pytest.raises(asyncpg.InsufficientPrivilegeError):
            await pool.execute("DELETE FROM hold")
    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await database.app_pool.fetchval("SELECT prune_holds($1, now(), 1)", new_id())


async def test_what_came_late_is_counted_with_its_hold(database: Database, ledger: Ledger) -> None:
    """An expired hold that was adjusted, with an overrun on top."""
    mandate = await new_mandate(database, ledger, 5 * UNIT)
    hold_id = id_of(100)
    await mandate.reserve(UNIT, hold_id=hold_id, input_bound_nanos=UNIT // 2)
    await owner(database, "UPDATE hold SET expires_at = now() - interval '1 minute'")
    expire = Expire(mandate_id=mandate.mandate_id, hold_id=hold_id, account_id=mandate.mandate_id, transfer_id=new_id())
    assert isinstance(await ledger.submit(expire), Settled)
    assert isinstance(await mandate.settle(hold_id, 9 * UNIT), Settled)
    await age(database, 100)
    assert await pruning(database).round() == {"holds": 1}
    found = await checkpoint(database, mandate)
    assert (found["charged_nanos"], found["overrun_nanos"]) == (5 * UNIT, 4 * UNIT)
    assert await broken(database) == set()


async def test_overruns_are_counted(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger, 3 * UNIT)
    hold_id = id_of(100)
    await mandate.reserve(UNIT, hold_id=hold_id)
    await mandate.settle(hold_id, 10 * UNIT)
    await age(database, 100)
    await pruning(database).round()
    found = await checkpoint(database, mandate)
    assert (found["charged_nanos"], found["overrun_nanos"]) == (3 * UNIT, 7 * UNIT)
    assert await broken(database) == set()


async def test_a_hold_that_was_adjusted_lately_stays(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger)
    await spend(mandate)
    await age(database, 100)
    await owner(database, "UPDATE transfer SET at = now() WHERE hold_id IS NOT NULL")
    assert await pruning(database).round() == {"holds": 0}


TAMPERINGS = {
    "a hold taken away by hand": "DELETE FROM hold WHERE created_at > now() - interval '1 day'",
    "a checkpoint that has another sum": "UPDATE hold_checkpoint SET charged_nanos = charged_nanos + 1",
    "a checkpoint that has another count": "UPDATE hold_checkpoint SET holds = holds + 1",
    "a checkpoint taken away": "DELETE FROM hold_checkpoint",
    "spending that is not the accounts'": "UPDATE spending_checkpoint SET charged_nanos = 0 WHERE scope = 'mandate'",
    "a transfer taken away": "DELETE FROM transfer WHERE kind = 'CHARGE' AND debit_version < 6",
    "a transfer changed": "UPDATE transfer SET amount_nanos = amount_nanos + 1 WHERE debit_version < 6 AND hold_id"
    " IS NOT NULL",
}


@pytest.mark.parametrize("statement", TAMPERINGS.values(), ids=TAMPERINGS.keys())
async def test_verify_sees_through_a_checkpoint(database: Database, ledger: Ledger, statement: str) -> None:
    mandate = await new_mandate(database, ledger)
    for _ in range(3):
        await spend(mandate)
    await age(database, 100)
    await pruning(database).round()
    await spend(mandate, days_ago=0)
    assert await broken(database) == set()
    assert await owner(database, statement) not in ("DELETE 0", "UPDATE 0")
    assert await broken(database) != set()


async def test_a_cap_in_total_made_later_counts_what_was_pruned(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger)
    user_id, key_id = new_id(), new_id()
    await spend(mandate, 4 * UNIT, user_id=user_id, key_id=key_id, model="demo-1")
    await spend(mandate, 2 * UNIT, user_id=user_id, model="demo-2")
    await age(database, 100)
    await pruning(database).round()
    await spend(mandate, UNIT, days_ago=0, user_id=user_id, model="demo-1")
    expected = {
        ("mandate", str(mandate.mandate_id)): 7 * UNIT,
        ("user", str(user_id)): 7 * UNIT,
        ("key", str(key_id)): 4 * UNIT,
        ("model", "demo-1"): 5 * UNIT,
    }
    for (scope, scope_id), spent in expected.items():
        made = await ledger.create_limit(
            mandate.mandate_id,
            scope=scope,  # type: ignore[arg-type]
            scope_id=scope_id,
            period="total",
            amount_nanos=8 * UNIT,
        )
        assert isinstance(made, LimitSet)
        assert made.spent_nanos == spent, scope
        month = await ledger.create_limit(
            mandate.mandate_id,
            scope=scope,  # type: ignore[arg-type]
            scope_id=scope_id,
            period="month",
            amount_nanos=8 * UNIT,
        )
        assert isinstance(month, LimitSet)
        assert month.spent_nanos == (0 if scope == "key" else UNIT)
    refused = await mandate.reserve(2 * UNIT, user_id=user_id)
    assert isinstance(refused, Rejected)
    assert await broken(database) == set()


async def test_counters_of_caps_survive_their_holds(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger)
    for period in ("total", "month"):
        await ledger.create_limit(
            mandate.mandate_id,
            scope="mandate",
            scope_id=str(mandate.mandate_id),
            period=period,
            amount_nanos=50 * UNIT,
        )
    await spend(mandate)
    assert await broken(database) == set()
    await age(database, 100)
    assert await broken(database) == set()
    assert await pruning(database).round() == {"holds": 1}
    await spend(mandate, days_ago=0)
    assert await broken(database) == set()


async def test_pruning_waits_for_nobody(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger)
    kept = await spend(mandate)
    await spend(mandate)
    await age(database, 100)
    async with database.ledger_pool.acquire() as connection, connection.transaction():
        await connection.execute("SELECT * FROM hold WHERE hold_id = $1 FOR UPDATE", kept)
        async with asyncio.timeout(60):
            assert await pruning(database).round() == {"holds": 1}
    assert await pruning(database).round() == {"holds": 1}


async def test_one_worker_prunes_at_a_time(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger)
    for _ in range(20):
        await spend(mandate)
    await age(database, 100)
    rounds = await asyncio.gather(*(pruning(database).round() for _ in range(4)))
    assert sum(found["holds"] for found in rounds) == 20
    assert (await checkpoint(database, mandate))["holds"] == 20
    assert await broken(database) == set()


async def test_calls_go_on_meanwhile(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger)
    for _ in range(60):
        await spend(mandate, UNIT // 10)
    await age(database, 100)

    async def call() -> None:
        for _ in range(20):
            await spend(mandate, UNIT // 10, days_ago=0)

    results = await asyncio.gather(pruning(database).round(), *(call() for _ in range(4)))
    assert results[0] == {"holds": 60}
    assert await holds(database) == 80
    assert await broken(database) == set()


async def test_it_runs_by_itself(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger)
    await spend(mandate)
    await age(database, 100)
    work = Pruning(database.ledger_pool, [resolved_holds(90)], pace=PruningPace(every_seconds=0.02))
    await work.start()
    try:
        async with asyncio.timeout(60):
            while not work.statistics.rows:  # noqa: ASYNC110
                await asyncio.sleep(0.02)
    finally:
        await work.stop()
    assert not await holds(database)
    assert work.statistics.rows == 1


async def test_an_age_may_be_longer(database: Database, ledger: Ledger) -> None:
    mandate = await new_mandate(database, ledger)
    await spend(mandate)
    await age(database, 100)
    assert await pruning(database, 200).round() == {"holds": 0}
    later = datetime.now(UTC) + timedelta(days=101)
    assert await pruning(database, 200).round(later) == {"holds": 1}
