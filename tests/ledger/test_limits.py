"""MONEY.md, limits: caps that are made, changed and deleted while money moves, and periods that begin."""

from __future__ import annotations

import asyncio
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id, new_mandate_id
from bursar.ledger.engine import Ledger, LedgerUnavailable
from bursar.ledger.model import Expire, Granted, LimitSet, Reason, Rejected
from bursar.ledger.periods import period_bounds
from tests.ledger.books_support import Mandate, change_terms, create_mandate
from tests.ledger.conftest import NewLedger
from tests.ledger.faulty import FaultyPool, never
from tests.ledger.machine import zone_where_it_is_noon
from tests.ledger.test_pressure import locked

ANNA, BEN, KEY = (UUID(int=number << 64) for number in (1, 2, 3))


@pytest.fixture
async def mandate(database: Database, ledger: Ledger) -> Mandate:
    """1,000 in the pool; no period ends while a test runs."""
    mandate = Mandate(ledger, await create_mandate(database, time_zone=zone_where_it_is_noon()))
    await mandate.post(1000)
    return mandate


async def set_limit(mandate: Mandate, amount: int, scope: str = "user", scope_id: str = str(ANNA), **more: Any) -> Any:
    return await mandate.ledger.create_limit(
        mandate.mandate_id,
        scope=scope,  # type: ignore[arg-type]
        scope_id=scope_id,
        period=more.pop("period", "month"),
        amount_nanos=amount,
        **more,
    )


async def call(mandate: Mandate, amount: int, cost: int | None = None, **who: Any) -> UUID:
    """A reserve of `amount`, settled at `cost` unless it is to stay open."""
    granted = await mandate.reserve(amount, **who)
    assert isinstance(granted, Granted)
    if cost is not None:
        await mandate.settle(granted.hold_id, cost, wallet=who.get("wallet"))
    return granted.hold_id


async def counts(database: Database, limit: LimitSet) -> tuple[int, int]:
    """What the newest counter counts: spent, held."""
    sql = """SELECT opening_nanos + spent_nanos, held_nanos FROM limit_counter WHERE limit_id = $1
              ORDER BY period_start DESC LIMIT 1"""
    row = await database.ledger_pool.fetchrow(sql, limit.limit_id)
    assert row is not None
    return tuple(row)


async def expire(database: Database, mandate: Mandate, hold_id: UUID) -> None:
    await database.ledger_pool.execute("UPDATE hold SET expires_at = now() - interval '1s' WHERE hold_id = $1", hold_id)
    await mandate.ledger.submit(
        Expire(mandate_id=mandate.mandate_id, hold_id=hold_id, account_id=mandate.mandate_id, transfer_id=new_id())
    )


# --- made in mid-period ----------------------------------------------------------------------------------------------

SCOPES = [
    ("user", str(ANNA), {"user_id": ANNA}, {"user_id": BEN}),
    ("key", str(KEY), {"key_id": KEY}, {"key_id": BEN}),
    ("model", "m", {"model": "m"}, {"model": "n"}),
]


@pytest.mark.parametrize(("scope", "scope_id", "who", "other"), SCOPES)
@pytest.mark.parametrize("period", ["day", "week", "month", "total"])
async def test_it_counts_what_the_period_has_used_and_holds(
    database: Database, mandate: Mandate, scope: str, scope_id: str, who: Any, other: Any, period: str
) -> None:
    await call(mandate, 10, 7, **who)
    await call(mandate, 10, 5, **other)
    still_open = await call(mandate, 20, **who)
    await call(mandate, 30, **other)
    limit = await set_limit(mandate, 40, scope, scope_id, period=period)
    assert isinstance(limit, LimitSet)
    assert (limit.spent_nanos, limit.held_nanos) == (7, 20)
    assert isinstance(await mandate.reserve(13, **who), Granted)
    await mandate.settle(still_open, 9)
    assert await counts(database, limit) == (16, 13)
    refused = await mandate.reserve(25, **who)
    assert isinstance(refused, Rejected)
    assert refused.reason is Reason.LIMIT_REACHED
    assert refused.limit is not None
    assert refused.limit.spent_nanos == 16


async def test_a_cap_on_the_mandate_counts_every_account(database: Database, mandate: Mandate) -> None:
    await call(mandate, 10, 4)
    await change_terms(database, mandate.mandate_id, billing_model="PREPAY_USER")
    await mandate.post(100, wallet=ANNA)
    users = Mandate(mandate.ledger, mandate.mandate_id, "PREPAY_USER")
    await call(users, 10, 3, wallet=ANNA, user_id=ANNA)
    await call(users, 6, wallet=ANNA, user_id=ANNA)
    limit = await set_limit(mandate, 40, "mandate", str(mandate.mandate_id))
    assert (limit.spent_nanos, limit.held_nanos) == (7, 6)


async def test_late_adjustments_count_with_their_sign(database: Database, mandate: Mandate) -> None:
    dear, cheap, waiting = [await call(mandate, 10, user_id=ANNA, input_bound_nanos=5) for _ in range(3)]
    for hold_id in (dear, cheap, waiting):
        await expire(database, mandate, hold_id)
    await mandate.settle(dear, 9)
    await mandate.settle(cheap, 2)
    limit = await set_limit(mandate, 100)
    assert limit.spent_nanos == 9 + 2 + 5
    await mandate.settle(waiting, 1)
    assert await counts(database, limit) == (9 + 2 + 1, 0)


async def test_what_was_admitted_in_an_earlier_period_belongs_there(database: Database, mandate: Mandate) -> None:
    await call(mandate, 10, 7, user_id=ANNA)
    still_open = await call(mandate, 10, user_id=ANNA)
    await database.ledger_pool.execute("UPDATE hold SET created_at = created_at - interval '40 days'")
    await call(mandate, 10, 2, user_id=ANNA)
    limit = await set_limit(mandate, 100)
    assert (limit.spent_nanos, limit.held_nanos) == (2, 0)
    await mandate.settle(still_open, 10)
    assert await counts(database, limit) == (2, 0)


async def test_there_is_one_of_a_scope_and_period(mandate: Mandate) -> None:
    first = await set_limit(mandate, 40)
    again = await set_limit(mandate, 50)
    assert isinstance(again, Rejected)
    assert again.reason is Reason.LIMIT_EXISTS
    assert isinstance(await set_limit(mandate, 50, period="day"), LimitSet)
    await mandate.ledger.delete_limit(mandate.mandate_id, first.limit_id)
    assert isinstance(await set_limit(mandate, 50), LimitSet)


async def test_one_of_many_at_once_is_made(new_ledger: NewLedger, mandate: Mandate) -> None:
    others = [Mandate(await new_ledger(), mandate.mandate_id) for _ in range(3)]
    outcomes = await asyncio.gather(*(set_limit(each, 40) for each in others))
    assert sum(isinstance(outcome, LimitSet) for outcome in outcomes) == 1


async def test_what_a_limit_may_not_be(database: Database, mandate: Mandate) -> None:
    for bad in (
        set_limit(mandate, -1),
        set_limit(mandate, 2**63),
        set_limit(mandate, 1, "user", "anna"),
        set_limit(mandate, 1, "user", str(ANNA).upper().replace("0", "0") + "x"),
        set_limit(mandate, 1, "mandate", str(ANNA)),
        set_limit(mandate, 1, "model", ""),
        set_limit(mandate, 1, "model", "\ud800"),
        set_limit(mandate, 1, "planet", "earth"),
        set_limit(mandate, 1, period="year"),
        set_limit(mandate, 1, created_by="a\0b"),
    ):
        outcome = await bad
        assert isinstance(outcome, Rejected)
        assert outcome.reason is Reason.OUT_OF_RANGE
    nobody = await set_limit(Mandate(mandate.ledger, new_mandate_id()), 1)
    assert isinstance(nobody, Rejected)
    assert nobody.reason is Reason.MANDATE_NOT_ACTIVE
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM spending_limit") == 0


async def test_caps_made_under_load_count_every_call(database: Database, new_ledger: NewLedger) -> None:
    """`verify` at the end is thorough: whatever was in flight when they were made is in them. Wallets open, too."""
    engines = [await new_ledger(), await new_ledger()]
    zone = zone_where_it_is_noon()
    mandate_id = await create_mandate(database, billing_model="PREPAY_USER", time_zone=zone)
    users = [new_id() for _ in range(12)]
    ending = asyncio.Event()

    async def caller(number: int) -> None:
        mandate = Mandate(engines[number % 2], mandate_id, "PREPAY_USER")
        user = users[number]
        await asyncio.sleep(number / 100)
        await mandate.post(10**12, wallet=user)
        while not ending.is_set():
            granted = await mandate.reserve(5, wallet=user, user_id=user, model="m")
            assert isinstance(granted, Granted)
            await Mandate(engines[0], mandate_id).settle(granted.hold_id, 3, wallet=user)

    callers = [asyncio.create_task(caller(number)) for number in range(12)]
    made = 0
    for user in [None, *users]:
        scope, scope_id = ("user", str(user)) if user else ("mandate", str(mandate_id))
        for period in ("month", "day"):
            outcome = await engines[made % 2].create_limit(
                mandate_id,
                scope=scope,  # type: ignore[arg-type]
                scope_id=scope_id,
                period=period,
                amount_nanos=10**15,
            )
            assert isinstance(outcome, LimitSet)
            made += 1
            await asyncio.sleep(0.01)
    ending.set()
    await asyncio.gather(*callers)
    assert made == 26


# --- changed, deleted ------------------------------------------------------------------------------------------------


async def test_another_amount(mandate: Mandate) -> None:
    limit = await set_limit(mandate, 10)
    await call(mandate, 8, 8, user_id=ANNA)
    changed = await mandate.ledger.change_limit(mandate.mandate_id, limit.limit_id, 20)
    assert isinstance(changed, LimitSet)
    assert (changed.amount_nanos, changed.spent_nanos) == (20, 8)
    assert isinstance(await mandate.reserve(12, user_id=ANNA), Granted)
    bad = await mandate.ledger.change_limit(mandate.mandate_id, limit.limit_id, -1)
    assert isinstance(bad, Rejected)


async def test_a_deleted_cap_keeps_its_legs_and_refuses_nothing(database: Database, mandate: Mandate) -> None:
    limit = await set_limit(mandate, 10)
    hold_id = await call(mandate, 10, user_id=ANNA)
    assert isinstance(await mandate.ledger.delete_limit(mandate.mandate_id, limit.limit_id), LimitSet)
    assert isinstance(await mandate.extend(hold_id, 30), Granted)
    await call(mandate, 20, 20, user_id=ANNA)
    await mandate.settle(hold_id, 25)
    assert await counts(database, limit) == (25, 0)
    for outcome in (
        await mandate.ledger.delete_limit(mandate.mandate_id, limit.limit_id),
        await mandate.ledger.change_limit(mandate.mandate_id, limit.limit_id, 1),
        await mandate.ledger.delete_limit(mandate.mandate_id, new_id()),
    ):
        assert isinstance(outcome, Rejected)
        assert outcome.reason is Reason.LIMIT_NOT_FOUND


async def test_another_mandates_limit_is_not_found(database: Database, mandate: Mandate) -> None:
    limit = await set_limit(mandate, 10)
    other = await create_mandate(database)
    outcome = await mandate.ledger.delete_limit(other, limit.limit_id)
    assert isinstance(outcome, Rejected)


# --- periods ---------------------------------------------------------------------------------------------------------


async def end_period(database: Database, limit: LimitSet, *, ended: timedelta) -> datetime:
    """As if the running period, and what it counts, had ended `ended` ago."""
    end = datetime.now(UTC) - ended
    await database.ledger_pool.execute(
        """UPDATE hold SET limit_periods = array_replace(limit_periods, period_start, $2::timestamptz - interval '1h'),
                           created_at = $2::timestamptz - interval '30min'
             FROM limit_counter c WHERE c.limit_id = $1 AND c.limit_id = ANY(limit_ids)""",
        limit.limit_id,
        end,
    )
    owner_sql = """UPDATE limit_counter SET period_start = $2::timestamptz - interval '1h', period_end = $2
                    WHERE limit_id = $1"""
    await database.ledger_pool.execute(owner_sql, limit.limit_id, end)
    return end


async def test_a_new_period_counts_from_zero_and_open_holds_stay_in_theirs(
    database: Database, mandate: Mandate
) -> None:
    limit = await set_limit(mandate, 10, period="day")
    hold_id = await call(mandate, 10, user_id=ANNA)
    await end_period(database, limit, ended=timedelta(seconds=1))
    assert isinstance(await mandate.reserve(10, user_id=ANNA), Granted)
    extended = await mandate.extend(hold_id, 11)
    assert isinstance(extended, Rejected)
    assert extended.reason is Reason.LIMIT_REACHED
    await mandate.settle(hold_id, 7)
    sql = "SELECT spent_nanos, held_nanos FROM limit_counter WHERE limit_id = $1 ORDER BY period_start"
    rows = await database.ledger_pool.fetch(sql, limit.limit_id)
    assert [tuple(row) for row in rows] == [(7, 0), (0, 10)]


async def test_two_workers_begin_a_period_once(database: Database, new_ledger: NewLedger, mandate: Mandate) -> None:
    limit = await set_limit(mandate, 1000, period="day")
    await end_period(database, limit, ended=timedelta(seconds=1))
    engines = [Mandate(await new_ledger(), mandate.mandate_id) for _ in range(3)]
    outcomes = await asyncio.gather(*(each.reserve(1, user_id=ANNA) for each in engines for _ in range(20)))
    assert all(isinstance(outcome, Granted) for outcome in outcomes)
    assert await counts(database, limit) == (0, 60)
    assert await database.ledger_pool.fetchval("SELECT count(*) FROM limit_counter") == 2


async def test_a_change_of_zone_starts_with_the_next_period(database: Database, mandate: Mandate) -> None:
    limit = await set_limit(mandate, 100, period="day")
    before = await database.ledger_pool.fetchrow("SELECT period_start, period_end FROM limit_counter")
    await change_terms(database, mandate.mandate_id, time_zone="Pacific/Kiritimati")
    await call(mandate, 10, user_id=ANNA)
    after = await database.ledger_pool.fetch("SELECT period_start, period_end FROM limit_counter")
    assert [tuple(row) for row in after] == [tuple(before or ())]
    ended = await end_period(database, limit, ended=timedelta(minutes=1))
    await call(mandate, 10, 10, user_id=ANNA)
    newest = await database.ledger_pool.fetchrow(
        "SELECT period_start, period_end FROM limit_counter ORDER BY period_start DESC LIMIT 1"
    )
    assert newest is not None
    start, end = period_bounds("day", datetime.now(UTC), "Pacific/Kiritimati")
    assert tuple(newest) == (max(start, ended), end)


# --- trouble ---------------------------------------------------------------------------------------------------------


async def test_a_mandate_that_stays_locked_gets_no_limit_now(
    database: Database, mandate: Mandate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("bursar.ledger.limits.ATTEMPTS", 1)
    async with locked(database, mandate.mandate_id):
        with pytest.raises(LedgerUnavailable):
            await set_limit(mandate, 1)
    assert isinstance(await set_limit(mandate, 1), LimitSet)


async def test_no_database_no_limit(mandate: Mandate, database: Database, new_ledger: NewLedger) -> None:
    class Away(FaultyPool):
        def acquire(self, **_: Any) -> Any:
            raise ConnectionRefusedError

    away = Away(database.ledger_pool, never)
    ledger = await new_ledger(pool=away)
    with pytest.raises(LedgerUnavailable):
        await set_limit(Mandate(ledger, mandate.mandate_id), 1)
