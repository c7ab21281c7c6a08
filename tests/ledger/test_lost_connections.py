"""MONEY.md, crashes 4: a connection that is lost at COMMIT is looked into before anyone is answered."""

from __future__ import annotations

import asyncio
import random
from typing import Any

import asyncpg
import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger.engine import EngineLimits, Ledger, LedgerUnavailable
from bursar.ledger.model import Expire, Granted, IdempotencyKey, LimitSet, MoveToWallet, Outcome, Posted, Settled
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.conftest import PATIENT, NewLedger
from tests.ledger.faulty import FaultyPool, Once, When, never
from tests.ledger.patience import no_hold_is_left, until
from tests.ledger.test_pressure import funded, locked, until_stuck

SEED = 20261123


@pytest.fixture
def pool(database: Database) -> FaultyPool:
    return FaultyPool(database.engine_pool, never)


@pytest.fixture
async def faulty(new_ledger: NewLedger, pool: FaultyPool) -> Ledger:
    return await new_ledger(PATIENT, pool=pool)


async def row(database: Database, sql: str, *arguments: Any) -> tuple[Any, ...]:
    found = await database.ledger_pool.fetchrow(sql, *arguments)
    assert found is not None
    return tuple(found)


WHEN = pytest.mark.parametrize("when", ["before", "after"])


@WHEN
async def test_every_kind_of_command_happens_once(
    database: Database, ledger: Ledger, faulty: Ledger, pool: FaultyPool, when: When
) -> None:
    mandate = await funded(database, faulty, 100)
    limit = await ledger.create_limit(
        mandate.mandate_id, scope="mandate", scope_id=str(mandate.mandate_id), period="month", amount_nanos=1000
    )
    assert isinstance(limit, LimitSet)
    wallet = new_id()
    await mandate.post(1, wallet=wallet)

    pool.plan = Once("COMMIT", when)
    granted = await mandate.reserve(10)
    assert isinstance(granted, Granted)
    pool.plan = Once("COMMIT", when)
    extended = await mandate.extend(granted.hold_id, 20, used_nanos=15)
    assert isinstance(extended, Granted)
    assert extended.amount_nanos == 20
    pool.plan = Once("COMMIT", when)
    settled = await mandate.settle(granted.hold_id, 17)
    assert isinstance(settled, Settled)
    assert settled.charged_nanos == 17
    pool.plan = Once("COMMIT", when)
    assert isinstance(await mandate.post(5), Posted)
    pool.plan = Once("COMMIT", when)
    moved = MoveToWallet(
        mandate_id=mandate.mandate_id,
        transfer_id=new_id(),
        account_id=mandate.mandate_id,
        wallet_id=wallet,
        amount_nanos=8,
    )
    assert isinstance(await faulty.submit(moved), Posted)
    pool.plan = Once("COMMIT", when)
    again = await mandate.reserve(1)
    assert isinstance(again, Granted)
    pool.plan = Once("COMMIT", when)
    assert isinstance(await mandate.release(again.hold_id), Settled)

    sql = "SELECT credits_posted - debits_posted, debits_pending FROM account WHERE account_id = $1"
    assert await row(database, sql, mandate.mandate_id) == (100 - 17 + 5 - 8, 0)
    assert await row(database, sql, wallet) == (9, 0)
    counter = "SELECT spent_nanos, held_nanos FROM limit_counter WHERE limit_id = $1"
    assert await row(database, counter, limit.limit_id) == (17, 0)


@WHEN
async def test_a_whole_batch_is_looked_up(database: Database, faulty: Ledger, pool: FaultyPool, when: When) -> None:
    mandate = await funded(database, faulty, 100)
    pool.plan = Once("COMMIT", when)
    outcomes = await asyncio.gather(*(mandate.reserve(1) for _ in range(150)), return_exceptions=True)
    assert sum(isinstance(outcome, Granted) for outcome in outcomes) == 100
    sql = "SELECT count(*), sum(amount_nanos) FROM hold WHERE state = 'PENDING'"
    assert await row(database, sql) == (100, 100)


async def test_a_caller_that_is_gone_when_a_lost_commit_comes_to_light(
    database: Database, faulty: Ledger, pool: FaultyPool
) -> None:
    mandate = await funded(database, faulty, 100)
    lost = asyncio.Event()

    def plan(sql: str) -> When | None:
        if sql == "COMMIT" and not lost.is_set():
            lost.set()
            return "after"
        return None

    pool.plan = plan
    waiting = [asyncio.create_task(mandate.reserve(1)) for _ in range(5)]
    await lost.wait()
    for task in waiting:
        task.cancel()
    await until(lambda: not faulty._intake and not faulty._begun)
    await no_hold_is_left(database)
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM hold WHERE state = 'RELEASED'") == 5


async def test_a_repeated_command_with_a_key_is_answered_the_same(
    database: Database, faulty: Ledger, pool: FaultyPool
) -> None:
    mandate = await funded(database, faulty, 100)
    pool.plan = Once("COMMIT", "after")
    posted = await mandate.post(5, idempotency=IdempotencyKey("tests", "r", "k", b"body"))
    assert isinstance(posted, Posted)
    assert posted.balance_nanos == 105


async def test_a_hold_that_ran_out_while_its_commit_was_looked_up_costs_nothing(
    database: Database, new_ledger: NewLedger
) -> None:
    """The caller has never heard that it was granted, so nothing has gone upstream."""
    reaper = Mandate(await new_ledger(), await create_mandate(database))
    await reaper.post(100)
    dark = asyncio.Event()

    def plan(sql: str) -> When | None:
        if dark.is_set():
            return "before"
        if sql == "COMMIT":
            dark.set()
            return "after"
        return None

    pool = FaultyPool(database.engine_pool, plan)
    mandate = Mandate(await new_ledger(PATIENT, pool=pool), reaper.mandate_id)
    waiting = asyncio.create_task(mandate.reserve(10, input_bound_nanos=7))
    await dark.wait()
    while (await database.ledger_pool.execute(RUN_OUT)) != "UPDATE 1":  # noqa: ASYNC110 -- dark before it is done
        await asyncio.sleep(0.01)
    await expire_all(database, reaper)
    pool.plan = never
    await waiting
    sql = "SELECT debits_posted - credits_posted FROM account WHERE account_id = $1"
    await until_equal(database, sql, reaper, -100)


async def expire_all(database: Database, mandate: Mandate) -> None:
    for row in await database.ledger_pool.fetch("SELECT * FROM hold WHERE state = 'PENDING'"):
        command = Expire(
            mandate_id=row["mandate_id"], hold_id=row["hold_id"], account_id=row["account_id"], transfer_id=new_id()
        )
        assert isinstance(await mandate.ledger.submit(command), Settled)


async def until_equal(database: Database, sql: str, mandate: Mandate, value: int) -> None:
    while await database.ledger_pool.fetchval(sql, mandate.mandate_id) != value:  # noqa: ASYNC110
        await asyncio.sleep(0.01)


RUN_OUT = "UPDATE hold SET expires_at = now() - interval '1 second'"
STATEMENTS = ["BEGIN", "FOR UPDATE OF a", "FROM mandate m", "FROM hold h", "INSERT INTO hold", "UPDATE account"]


@pytest.mark.parametrize("statement", STATEMENTS)
@WHEN
async def test_a_connection_may_break_anywhere(
    database: Database, faulty: Ledger, pool: FaultyPool, statement: str, when: When
) -> None:
    mandate = await funded(database, faulty, 100)
    old = await mandate.reserve(10)
    assert isinstance(old, Granted)
    pool.plan = Once(statement, when)
    granted, settled = await asyncio.gather(mandate.reserve(10), mandate.settle(old.hold_id, 4))
    assert isinstance(granted, Granted)
    assert isinstance(settled, Settled)
    assert isinstance(pool.plan, Once)
    assert pool.plan.left == 0
    sql = "SELECT credits_posted - debits_posted, debits_pending FROM account WHERE account_id = $1"
    assert await row(database, sql, mandate.mandate_id) == (96, 10)


async def test_a_backend_that_is_killed_while_it_waits(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger(PATIENT)
    mandate = await funded(database, ledger)
    async with locked(database, mandate.mandate_id):
        waiting = asyncio.create_task(mandate.reserve(1))
        await until_stuck(ledger)
        await kill_backends(database, "wait_event_type = 'Lock'")
    assert isinstance(await waiting, Granted)
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM hold WHERE state = 'PENDING'") == 1


async def kill_backends(database: Database, which: str = "true") -> int:
    owner = await asyncpg.connect(database.addresses.ledger.dsn)
    sql = f"""SELECT count(pg_terminate_backend(pid)) FROM pg_stat_activity
               WHERE datname = current_database() AND usename = current_user AND pid <> pg_backend_pid() AND {which}"""  # noqa: S608
    killed = 0
    while not killed and which != "true":
        killed = await owner.fetchval(sql)
    killed = killed or await owner.fetchval(sql)
    await owner.close()
    return int(killed)


async def test_backends_that_are_killed_at_random_under_load(database: Database, new_ledger: NewLedger) -> None:
    print(f"seed {SEED}")
    dice = random.Random(SEED)
    limits = EngineLimits(queue_seconds=30, answer_seconds=30, settle_delay_seconds=0.0005)
    ledger = await new_ledger(limits)
    mandate = await funded(database, ledger, 10**9)
    told: list[Outcome] = []
    ending = asyncio.Event()

    async def caller(number: int) -> None:
        caller_dice = random.Random(SEED + number)
        while not ending.is_set():
            granted = await mandate.reserve(caller_dice.randint(1, 5))
            assert isinstance(granted, Granted)
            told.append(await mandate.settle(granted.hold_id, caller_dice.randint(0, 3)))

    callers = [asyncio.create_task(caller(number)) for number in range(30)]
    for _ in range(15):
        await asyncio.sleep(dice.random() * 0.1)
        await kill_backends(database)
    ending.set()
    await asyncio.gather(*callers)
    assert len(told) > 30
    charged = sum(outcome.charged_nanos for outcome in told if isinstance(outcome, Settled))
    sql = "SELECT count(*), sum(charged_nanos) FROM hold WHERE state = 'SETTLED' AND amount_nanos > 0"
    assert await row(database, sql) == (len(told), charged)
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM hold WHERE state <> 'SETTLED'") == 0


async def test_nothing_runs_unmetered_while_the_database_is_away(database: Database, new_ledger: NewLedger) -> None:
    pool = FaultyPool(database.engine_pool, never)
    limits = EngineLimits(queue_seconds=0.1, answer_seconds=0.3, settle_delay_seconds=0)
    before = await funded(database, await new_ledger())
    granted = await before.reserve(5)
    assert isinstance(granted, Granted)
    mandate = Mandate(await new_ledger(limits, pool=pool), before.mandate_id)
    pool.plan = lambda sql: "before"
    settle = asyncio.create_task(mandate.settle(granted.hold_id, 3))
    for outcome in await asyncio.gather(
        mandate.reserve(1), mandate.reserve(2), mandate.post(1), return_exceptions=True
    ):
        assert isinstance(outcome, LedgerUnavailable)
    pool.plan = never
    assert isinstance(await settle, Settled)
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM hold WHERE state = 'PENDING'") == 0


SYSTEMIC = {
    "rights": ("REVOKE INSERT ON hold FROM bursar_ledger", "GRANT INSERT ON hold TO bursar_ledger"),
    "schema": ("ALTER TABLE hold RENAME TO held", "ALTER TABLE held RENAME TO hold"),
    "read-only": (
        "ALTER DATABASE {} SET default_transaction_read_only = on",
        "ALTER DATABASE {} RESET default_transaction_read_only",
    ),
}


@pytest.mark.parametrize("trouble", SYSTEMIC)
async def test_a_server_in_trouble_is_no_commands_fault(
    database: Database, new_ledger: NewLedger, trouble: str
) -> None:
    """Nothing is quarantined: reserves are told 503, and what gives money back waits until the trouble is over."""
    breaking, mending = SYSTEMIC[trouble]
    before = await funded(database, await new_ledger())
    granted = await before.reserve(5)
    assert isinstance(granted, Granted)
    owner = await asyncpg.connect(database.addresses.owner.dsn)
    name = await owner.fetchval("SELECT current_database()")
    await owner.execute(breaking.format(name))
    await kill_backends(database)
    limits = EngineLimits(queue_seconds=0.1, answer_seconds=0.3, settle_delay_seconds=0)
    ledger = await new_ledger(limits)
    mandate = Mandate(ledger, before.mandate_id)
    settle = asyncio.create_task(mandate.settle(granted.hold_id, 3))
    with pytest.raises(LedgerUnavailable):
        await mandate.reserve(1)
    await owner.execute(mending.format(name))
    await owner.close()
    await kill_backends(database)
    settled = await settle
    assert isinstance(settled, Settled)
    assert settled.charged_nanos == 3
    assert ledger.statistics.quarantined == 0
