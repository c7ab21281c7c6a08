"""A fixed course of events that touches every rule once, on the real engine; `verify` has the last word."""

from __future__ import annotations

import asyncio
from typing import Any
from uuid import UUID

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger.engine import Ledger
from bursar.ledger.model import Expire, Granted, IdempotencyKey, LimitSet, Posted, Settled
from bursar.ledger.verify import verify
from tests.ledger.books_support import Mandate, change_terms, create_mandate
from tests.ledger.machine import zone_where_it_is_noon
from tests.ledger.test_pressure import locked

KEY = IdempotencyKey("tests", "top-ups", "k", b"body")


async def course(database: Database, ledger: Ledger) -> None:
    """Raises `AssertionError` where the engine does not do what it must."""
    mandate = Mandate(ledger, await create_mandate(database, time_zone=zone_where_it_is_noon()))
    user, wallet = new_id(), new_id()
    await mandate.post(100, idempotency=KEY)
    await mandate.post(100, idempotency=KEY)
    await mandate.post(50, wallet=wallet)

    await ended(mandate, await granted(mandate, 10, user_id=user), 7, 7)
    await set_limit(ledger, mandate.mandate_id, "user", user)
    await set_limit(ledger, mandate.mandate_id, "mandate", mandate.mandate_id)
    open_hold = await granted(mandate, 20, user_id=user)
    await ended(mandate, await granted(mandate, 10, user_id=user), 12, 12)
    await ended(mandate, await granted(mandate, 30, user_id=user), 500, 100 - 7 - 12 - 20)
    await late(database, mandate, open_hold)

    freed = await granted(mandate, await free(database, mandate))
    release, reserve = await asyncio.gather(mandate.release(freed), mandate.reserve(10))
    assert isinstance(reserve, Granted), release
    await mandate.release(reserve.hold_id)

    await change_terms(database, mandate.mandate_id, credit_limit_nanos=40, billing_model="POSTPAY")
    postpaid = Mandate(ledger, mandate.mandate_id, "POSTPAY")
    await ended(postpaid, await granted(postpaid, await free(database, mandate) + 40), 1, 1)
    await leave(database, postpaid)
    assert await verify(database.ledger_pool, thorough=True) == []


async def granted(mandate: Mandate, amount: int, **more: Any) -> UUID:
    outcome = await mandate.reserve(amount, **more)
    assert isinstance(outcome, Granted), outcome
    return outcome.hold_id


async def ended(mandate: Mandate, hold_id: UUID, actual: int, charged: int) -> None:
    outcome = await mandate.settle(hold_id, actual)
    assert isinstance(outcome, Settled), outcome
    assert (outcome.charged_nanos, outcome.overrun_nanos) == (charged, actual - charged)


async def set_limit(ledger: Ledger, mandate_id: UUID, scope: Any, scope_id: UUID) -> None:
    limit = await ledger.create_limit(
        mandate_id, scope=scope, scope_id=str(scope_id), period="month", amount_nanos=10_000
    )
    assert isinstance(limit, LimitSet), limit


async def late(database: Database, mandate: Mandate, hold_id: UUID) -> None:
    """The hold runs out, and is settled after all, twice."""
    await mandate.extend(hold_id, 20, used_nanos=9)
    sql = "UPDATE hold SET expires_at = now() - interval '1 second' WHERE hold_id = $1"
    await database.ledger_pool.execute(sql, hold_id)
    expire = Expire(mandate_id=mandate.mandate_id, hold_id=hold_id, account_id=mandate.mandate_id, transfer_id=new_id())
    outcomes = await ledger_says(mandate, expire), await mandate.settle(hold_id, 4), await mandate.settle(hold_id, 19)
    charged = [outcome.charged_nanos for outcome in outcomes if isinstance(outcome, Settled)]
    assert charged == [9, 4, 4]


async def ledger_says(mandate: Mandate, command: Expire) -> object:
    return await mandate.ledger.submit(command)


async def free(database: Database, mandate: Mandate) -> int:
    sql = "SELECT credits_posted - debits_posted - debits_pending FROM account WHERE account_id = $1"
    return int(await database.ledger_pool.fetchval(sql, mandate.mandate_id))


async def leave(database: Database, mandate: Mandate) -> None:
    """A caller goes while its reserve is under way."""
    async with locked(database, mandate.mandate_id):
        leaving = asyncio.create_task(mandate.reserve(1))
        await asyncio.sleep(0.1)
        leaving.cancel()
    # What the engine does about it is queued by the time that this is answered.
    assert isinstance(await mandate.post(1), Posted)
    assert isinstance(await mandate.post(1), Posted)
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM hold WHERE state = 'PENDING'") == 0
