"""Batches that are decided from memory: that it happens, that whatever has changed is noticed, and what notices it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger import confirming, memory
from bursar.ledger.engine import Ledger
from bursar.ledger.model import Expire, Granted, LimitSet, Outcome, Posted, Reason, Rejected, Settled
from bursar.ledger.verify import verify
from tests.ledger.books_support import Mandate, change_terms
from tests.ledger.conftest import PATIENT, NewLedger, patient
from tests.ledger.faulty import FaultyPool, Once, When, never
from tests.ledger.patience import no_hold_is_left
from tests.ledger.test_pressure import funded, locked

USER = UUID(int=7)


@pytest.fixture(autouse=True)
def _trusting(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """What another worker has changed is remembered again at once."""
    monkeypatch.setattr(memory, "DISTRUST_SECONDS", 0.0)
    yield
    confirming._confirming.cache_clear()


def from_memory(mandate: Mandate) -> int:
    return mandate.ledger.statistics.batches_from_memory


async def familiar(database: Database, ledger: Ledger, amount: int = 1000, **more: Any) -> Mandate:
    """A mandate that the engine knows by heart."""
    mandate = await funded(database, ledger, amount, **more)
    before = from_memory(mandate)
    while from_memory(mandate) == before:
        await one_call(mandate)
    return mandate


async def one_call(mandate: Mandate, amount: int = 0, **more: Any) -> None:
    hold_id = await held(mandate, amount, **more)
    assert isinstance(await mandate.settle(hold_id, amount), Settled)


async def held(mandate: Mandate, amount: int, desired: int | None = None, **more: Any) -> UUID:
    granted = await mandate.reserve(amount, desired, **more)
    assert isinstance(granted, Granted), granted
    return granted.hold_id


def refused_for(outcome: Outcome) -> Reason | None:
    return outcome.reason if isinstance(outcome, Rejected) else None


# --- it is remembered ------------------------------------------------------------------------------------------------


async def test_a_known_mandates_calls_take_one_statement_each(database: Database, new_ledger: NewLedger) -> None:
    statements: list[str] = []

    def plan(sql: str) -> When | None:
        statements.append(" ".join(sql.split())[:24])
        return None

    ledger = await new_ledger(PATIENT, pool=FaultyPool(database.engine_pool, plan))
    mandate = await familiar(database, ledger)
    statements.clear()
    hold_id = await held(mandate, 10, tags={"project": "a"}, user_id=USER)
    await mandate.extend(hold_id, 20, used_nanos=15)
    await mandate.settle(hold_id, 12)
    await mandate.release(await held(mandate, 5))
    assert statements == ["WITH accounts AS MATERIA"] * 5
    sql = "SELECT amount_nanos, user_id, tags FROM transfer WHERE hold_id = $1"
    assert tuple(await database.ledger_pool.fetchrow(sql, hold_id) or ()) == (12, USER, {"project": "a"})


async def test_caps_are_remembered_too(database: Database, ledger: Ledger) -> None:
    mandate = await familiar(database, ledger)
    await cap(mandate, 100)
    await one_call(mandate, 10, user_id=USER)
    before = from_memory(mandate)
    await one_call(mandate, 20, user_id=USER)
    assert from_memory(mandate) == before + 2
    assert refused_for(await mandate.reserve(71, user_id=USER)) is Reason.LIMIT_REACHED
    assert isinstance(await mandate.reserve(70, user_id=USER), Granted)


async def cap(mandate: Mandate, amount: int, period: Any = "month") -> LimitSet:
    limit = await mandate.ledger.create_limit(
        mandate.mandate_id, scope="user", scope_id=str(USER), period=period, amount_nanos=amount
    )
    assert isinstance(limit, LimitSet)
    return limit


async def test_the_databases_time_is_carried_forward(database: Database, ledger: Ledger) -> None:
    mandate = await familiar(database, ledger)
    before = from_memory(mandate)
    hold_id = await held(mandate, 10, ttl_seconds=60)
    assert from_memory(mandate) == before + 1
    sql = "SELECT clock_timestamp() - created_at, expires_at - created_at FROM hold WHERE hold_id = $1"
    age, life = (await database.ledger_pool.fetch(sql, hold_id))[0]
    assert timedelta(seconds=-1) < age < timedelta(seconds=30)
    assert life == timedelta(seconds=60)


async def test_what_was_heard_long_ago_is_read_again(
    database: Database, ledger: Ledger, monkeypatch: pytest.MonkeyPatch
) -> None:
    mandate = await familiar(database, ledger)
    monkeypatch.setattr(memory, "FRESH_SECONDS", 0.0)
    before = from_memory(mandate)
    await one_call(mandate, 10)
    assert from_memory(mandate) == before


# --- what has changed is noticed -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("columns", "reason"),
    [
        ({"status": "suspended"}, Reason.MANDATE_NOT_ACTIVE),
        ({"billing_model": "UNLIMITED"}, Reason.TERMS_CHANGED),
        ({"max_hold_share_percent": 1}, None),
    ],
)
async def test_other_terms(database: Database, ledger: Ledger, columns: dict[str, Any], reason: Reason | None) -> None:
    mandate = await familiar(database, ledger)
    await change_terms(database, mandate.mandate_id, **columns)
    outcome = await mandate.reserve(1, 1000)
    assert refused_for(outcome) is reason
    if isinstance(outcome, Granted):
        assert outcome.amount_nanos == 10


async def test_another_workers_calls_and_money(database: Database, new_ledger: NewLedger) -> None:
    mandate = await familiar(database, await new_ledger())
    other = Mandate(await new_ledger(), mandate.mandate_id)
    await held(other, 400)
    assert refused_for(await mandate.reserve(601)) is Reason.FUNDS_HELD
    await held(mandate, 600)
    assert isinstance(await other.post(50), Posted)
    await held(mandate, 50)
    assert refused_for(await other.reserve(1)) is Reason.FUNDS_HELD


async def test_a_cap_that_somebody_makes_and_one_that_ends(database: Database, new_ledger: NewLedger) -> None:
    mandate = await familiar(database, await new_ledger())
    other = Mandate(await new_ledger(), mandate.mandate_id)
    open_hold = await held(mandate, 30, user_id=USER)
    limit = await cap(other, 100)
    assert refused_for(await mandate.reserve(101, user_id=USER)) is Reason.LIMIT_REACHED
    await one_call(mandate, 10, user_id=USER)
    await mandate.settle(open_hold, 20)
    await other.ledger.change_limit(mandate.mandate_id, limit.limit_id, 40)
    assert refused_for(await mandate.reserve(11, user_id=USER)) is Reason.LIMIT_REACHED
    await other.ledger.delete_limit(mandate.mandate_id, limit.limit_id)
    await one_call(mandate, 900, user_id=USER)
    row = await database.ledger_pool.fetchrow("SELECT opening_nanos + spent_nanos, held_nanos FROM limit_counter")
    assert tuple(row or ()) == (30, 0)


async def test_a_cap_made_and_ended_behind_its_back_keeps_its_legs(database: Database, new_ledger: NewLedger) -> None:
    """The hold that is remembered has no leg in it; the one in the table has."""
    mandate = await familiar(database, await new_ledger())
    other = Mandate(await new_ledger(), mandate.mandate_id)
    open_hold = await held(mandate, 30, user_id=USER)
    limit = await cap(other, 100)
    await other.ledger.delete_limit(mandate.mandate_id, limit.limit_id)
    await mandate.settle(open_hold, 20)
    row = await database.ledger_pool.fetchrow("SELECT spent_nanos, held_nanos FROM limit_counter")
    assert tuple(row or ()) == (20, 0)


async def test_a_cap_whose_period_may_have_ended_is_read_again(database: Database, ledger: Ledger) -> None:
    mandate = await familiar(database, ledger)
    await cap(mandate, 100, "day")
    await one_call(mandate, 10, user_id=USER)
    before = from_memory(mandate)
    await one_call(mandate, 10, user_id=USER)
    assert from_memory(mandate) == before + 2
    ledger.memory._clock = (datetime.now(UTC) + timedelta(days=2), time.monotonic())
    await one_call(mandate, 10, user_id=USER)
    assert from_memory(mandate) == before + 3, "its settle, once the database has said what time it is"


async def test_a_hold_that_the_reaper_has_settled(database: Database, new_ledger: NewLedger) -> None:
    mandate = await familiar(database, await new_ledger())
    other = Mandate(await new_ledger(), mandate.mandate_id)
    hold_id = await held(mandate, 30, input_bound_nanos=20)
    await database.ledger_pool.execute("UPDATE hold SET expires_at = now() - interval '1 second' WHERE state='PENDING'")
    expire = Expire(mandate_id=mandate.mandate_id, hold_id=hold_id, account_id=mandate.mandate_id, transfer_id=new_id())
    assert isinstance(await other.ledger.submit(expire), Settled)
    settled = await mandate.settle(hold_id, 25)
    assert isinstance(settled, Settled)
    assert (settled.state, settled.charged_nanos) == ("EXPIRED", 25)


async def test_accounts_that_are_locked_elsewhere_are_not_waited_for(database: Database, new_ledger: NewLedger) -> None:
    ledger = await new_ledger()
    mandate, neighbour = await familiar(database, ledger), await familiar(database, ledger)
    async with locked(database, mandate.mandate_id):
        waiting = asyncio.create_task(mandate.reserve(10))
        await one_call(neighbour, 10)
        assert not waiting.done()
    assert isinstance(await waiting, Granted)


@pytest.mark.parametrize("when", ["before", "after"])
async def test_a_connection_that_is_lost_in_the_statement(
    database: Database, new_ledger: NewLedger, when: When
) -> None:
    pool = FaultyPool(database.engine_pool, never)
    mandate = await familiar(database, await new_ledger(PATIENT, pool=pool))
    pool.plan = Once("AS MATERIALIZED", when)
    hold_id = await held(mandate, 10)
    pool.plan = Once("AS MATERIALIZED", when)
    settled = await mandate.settle(hold_id, 7)
    assert isinstance(settled, Settled)
    await no_hold_is_left(database)
    sql = "SELECT debits_posted FROM account WHERE account_id = $1"
    assert await database.ledger_pool.fetchval(sql, mandate.mandate_id) == 7


# --- what notices it, taken away -------------------------------------------------------------------------------------


async def race(database: Database, new_ledgers: list[Ledger], break_it: Callable[[], None] = lambda: None) -> int:
    """Two engines that both know a pool of 100 by heart, 200 calls of 1 each: how many are granted."""
    for ledger in new_ledgers:
        await ledger.start()
    mandate = await familiar(database, new_ledgers[0], 100)
    other = Mandate(new_ledgers[1], mandate.mandate_id)
    await one_call(other)
    await one_call(mandate)
    break_it()
    outcomes = await asyncio.gather(
        *((mandate, other)[number % 2].reserve(1) for number in range(400)), return_exceptions=True
    )
    for ledger in new_ledgers:
        await ledger.stop()
    return sum(isinstance(outcome, Granted) for outcome in outcomes)


def two_engines(database: Database) -> list[Ledger]:
    limits = patient(wait_for_held_seconds=0, batch_commands=20)
    return [Ledger(database.engine_pool, limits=limits) for _ in range(2)]


async def test_the_race_is_right(database: Database) -> None:
    assert await race(database, two_engines(database)) == 100
    assert await verify(database.ledger_pool) == []


async def test_without_the_look_at_versions_the_race_goes_red(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    blind = confirming.SAME_ACCOUNTS.replace("AND a.version = w.version", "")
    assert blind != confirming.SAME_ACCOUNTS

    def break_it() -> None:
        monkeypatch.setattr(confirming, "SAME_ACCOUNTS", blind)
        confirming._confirming.cache_clear()

    assert await race(database, two_engines(database), break_it) > 100
    wrong = {violation.invariant for violation in await verify(database.ledger_pool)}
    assert "account_is_the_fold_of_its_entries" in wrong


async def test_without_the_mark_old_terms_are_still_in_force(
    database: Database, new_ledger: NewLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    unmarked = confirming.OTHER_TERMS.replace("IS DISTINCT FROM w.mark", "IS NULL AND w.mark IS NULL")
    assert unmarked != confirming.OTHER_TERMS
    monkeypatch.setattr(confirming, "OTHER_TERMS", unmarked)
    confirming._confirming.cache_clear()
    mandate = await familiar(database, await new_ledger())
    await change_terms(database, mandate.mandate_id, status="suspended")
    assert isinstance(await mandate.reserve(1), Granted)


async def test_a_remembered_hold_that_is_another_one_writes_nothing(database: Database, ledger: Ledger) -> None:
    """Were a hold ever changed without its account's version, the statement takes everything back."""
    mandate = await familiar(database, ledger)
    hold_id = await held(mandate, 10)
    await database.ledger_pool.execute("UPDATE hold SET state = 'RELEASED' WHERE hold_id = $1", hold_id)
    assert refused_for(await mandate.settle(hold_id, 7)) is Reason.HOLD_RESOLVED
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM transfer WHERE hold_id = $1", hold_id) == 0
    await database.ledger_pool.execute("UPDATE hold SET state = 'PENDING' WHERE hold_id = $1", hold_id)
    await mandate.release(hold_id)
