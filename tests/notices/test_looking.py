"""What a look costs is what it is asked for; what has moved is heard; and page by page nothing is left out."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Iterator
from typing import Any, cast
from uuid import UUID

import asyncpg
import pytest

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import Connection, connect_database
from bursar.foundation.ids import new_id
from bursar.identity.revision import note_change
from bursar.ledger.announcing import CHANNEL, payloads
from bursar.notices import looking
from bursar.notices.changes import Changes
from bursar.notices.levels import LOOKS_BACK
from bursar.notices.looking import FIRST, Looked, Named
from bursar.notices.observing import Observer, ObservingPace
from tests.notices.money_side import CENT, START, MoneySide
from tests.support.cluster import PostgresCluster

MANY = 3_000
PAGE = 50
LOW = "BALANCE_LOW"
NEVER = 10_000.0

_FILL = """
    CREATE TEMPORARY TABLE filling AS SELECT gen_random_uuid() AS id FROM generate_series(1, {many});
    INSERT INTO mandate (mandate_id, name, currency) SELECT id, 'x', 'CHF' FROM filling;
    INSERT INTO billing_settings (mandate_id, low_balance_threshold_nanos) SELECT id, 100 FROM filling;
    INSERT INTO account (mandate_id, account_id, kind, credits_posted) SELECT id, id, 'pool', 50 FROM filling;
    INSERT INTO account (mandate_id, account_id, kind) SELECT id, gen_random_uuid(), 'revenue' FROM filling;
    INSERT INTO spending_limit (mandate_id, limit_id, scope, scope_id, period, amount_nanos)
        SELECT id, id, 'mandate', id::text, 'total', 100 FROM filling;
    INSERT INTO limit_counter (mandate_id, limit_id, period_start, period_end, spent_nanos)
        SELECT id, id, '2000-01-01', '9999-01-01', 90 FROM filling;
    INSERT INTO alert (mandate_id, kind, account_id, shortage_id, since, required_nanos)
        SELECT id, kind, id, id, now(), 100 FROM filling, unnest(ARRAY['BALANCE_LOW', 'LIMIT_NEAR']) AS kind;
    INSERT INTO transfer (mandate_id, transfer_id, at, kind, debit_account_id, credit_account_id, debit_version,
                          credit_version, amount_nanos)
        SELECT id, gen_random_uuid(), now(), 'CHARGE', id, gen_random_uuid(), 1, 1, 1 FROM filling"""


@pytest.fixture(scope="module")
def crowded(cluster: PostgresCluster) -> Iterator[DatabaseAddresses]:
    """Many mandates, each with a low balance, a limit that is nearly used up, and notices of both."""
    name, addresses = cluster.create_database()

    async def fill() -> None:
        owner = await asyncpg.connect(addresses.owner.dsn)
        try:
            await owner.execute(_FILL.format(many=MANY))
            await owner.execute("ANALYZE")
        finally:
            await owner.close()

    asyncio.run(fill())
    yield addresses
    cluster.drop_database(name)


class Explaining:
    """Stands in for a connection: says how many rows each step of a statement read, instead of what it found."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection
        self.rows: list[tuple[float, str]] = []

    async def fetch(self, sql: str, *arguments: Any) -> list[Any]:
        explained = await self._connection.fetchval(f"EXPLAIN (ANALYZE, FORMAT JSON) {sql}", *arguments)
        self._add(json.loads(explained)[0]["Plan"])
        return []

    def _add(self, step: dict[str, Any]) -> None:
        read = (
            step["Actual Rows"] + step.get("Rows Removed by Filter", 0) + step.get("Rows Removed by Index Recheck", 0)
        )
        self.rows.append((read * step["Actual Loops"], step["Node Type"]))
        for each in step.get("Plans", ()):
            self._add(each)


@pytest.mark.parametrize("by_name", [True, False])
async def test_a_look_reads_what_it_is_asked_for_however_many_there_are(
    crowded: DatabaseAddresses, by_name: bool
) -> None:
    async with connect_database(crowded) as database, looking.one_look(database.ledger_pool) as connection:
        first = await connection.fetch("SELECT mandate_id FROM mandate ORDER BY mandate_id DESC LIMIT $1", PAGE)
        looked: Looked = Named([(row[0], row[0]) for row in first])
        if not by_name:
            looked = await looking.page_from(connection, "account", FIRST, PAGE)
        explaining = Explaining(connection)
        asked = cast(Connection, explaining)
        await looking.told(asked, "account", looked, (LOW,))
        await looking.told(asked, "spending_limit", looked, ("LIMIT_NEAR",))
        await looking.low_balances(asked, looked)
        await looking.burn_rates(asked, looked, LOOKS_BACK, None)
        await looking.used_caps(asked, looked, None)
    assert max(explaining.rows)[0] <= 2 * PAGE, max(explaining.rows)
    assert sum(rows > 0 for rows, _ in explaining.rows) >= 10, "they do find something"


# --- page by page -----------------------------------------------------------------------------------------------------


async def low(money: MoneySide, count: int) -> list[UUID]:
    found = [await money.mandate("a@example.org") for _ in range(count)]
    for mandate_id in found:
        await money.settings(mandate_id, low_balance_threshold_nanos=100 * CENT)
        await set_balance(money, mandate_id, 99 * CENT)
    return found


async def set_balance(money: MoneySide, mandate_id: UUID, nanos: int) -> None:
    await money.database.ledger_pool.execute(
        "UPDATE account SET credits_posted = $2 WHERE mandate_id = $1 AND kind = 'pool'", mandate_id, nanos
    )


async def told(money: MoneySide, mandates: list[UUID]) -> int:
    return sum([bool(await money.states(mandate_id, LOW)) for mandate_id in mandates])


async def ended(money: MoneySide, mandates: list[UUID]) -> int:
    return sum([(await money.alert(each, kind=LOW))["resolved_at"] is not None for each in mandates])


async def test_page_by_page_nothing_is_left_out_and_what_has_ended_is_found(money: MoneySide) -> None:
    mandates = await low(money, 7)
    observer = Observer(
        money.database.ledger_pool, now=money.clock.now, pace=ObservingPace(accounts=2, limits=1, burnt_accounts=1)
    )
    await observer.look()
    assert await told(money, mandates) == 7
    assert await observer.look() == 0
    for mandate_id in mandates[:2]:
        await set_balance(money, mandate_id, 900 * CENT)
    async with money.database.as_operator() as connection:  # Nobody is to be told any more, whatever is left.
        await connection.execute("UPDATE mandate SET status = 'suspended' WHERE mandate_id = $1", mandates[2])
    await observer.look()
    assert await ended(money, mandates) == 3
    await observer.look_at_burn()


async def test_a_page_that_is_looked_at_in_turn_comes_back_to_the_first(money: MoneySide) -> None:
    await low(money, 3)
    observer = Observer(money.database.ledger_pool, now=money.clock.now, pace=ObservingPace(accounts=2))
    await observer.look()
    (later,) = await low(money, 1)
    accounts = await money.database.ledger_pool.fetchval("SELECT count(*) FROM account")
    for _ in range(accounts // 2 + 1):
        await observer.look_at_next_page()
    assert await told(money, [later]) == 1


# --- what was heard ---------------------------------------------------------------------------------------------------


@pytest.fixture
async def heard(money: MoneySide) -> AsyncIterator[Changes]:
    changes = Changes(money.database)
    await changes.start()
    await changes.wait_until_listening()
    changes.take_missed()
    yield changes
    await changes.stop()


async def until_told(observer: Observer) -> None:
    async with asyncio.timeout(60):
        while not await observer.look_at_changes():  # noqa: ASYNC110 -- what is waited for is in the database
            await asyncio.sleep(0.01)


async def test_an_account_that_moved_is_looked_at_and_no_other(money: MoneySide, heard: Changes) -> None:
    moved, quiet = await low(money, 2)
    limit_id = new_id()
    await money.database.ledger_pool.execute(
        "INSERT INTO spending_limit (mandate_id, limit_id, scope, scope_id, period, amount_nanos)"
        " VALUES ($1, $2, 'mandate', '', 'total', 100)", moved, limit_id,
    )  # fmt: skip
    await money.database.ledger_pool.execute(
        "INSERT INTO limit_counter (mandate_id, limit_id, period_start, period_end, spent_nanos)"
        " VALUES ($1, $2, '2000-01-01', '9999-01-01', 100)", moved, limit_id,
    )  # fmt: skip
    observer = Observer(money.database.ledger_pool, changes=heard, now=money.clock.now)
    await money.database.ledger_pool.execute("SELECT pg_notify($1, $2)", CHANNEL, *payloads([(moved, moved)]))
    await until_told(observer)
    assert (await told(money, [moved]), await told(money, [quiet])) == (1, 0)
    assert len(await money.states(moved, "LIMIT_REACHED")) == 1
    assert await observer.look_at_changes() == 0, "once"


async def test_a_line_that_is_drawn_anew_is_looked_at(money: MoneySide, heard: Changes) -> None:
    (mandate_id,) = await low(money, 1)
    observer = Observer(money.database.ledger_pool, changes=heard, now=money.clock.now)
    async with money.database.as_mandate(mandate_id) as connection:
        await note_change(connection, mandate_id)
    await until_told(observer)
    assert await told(money, [mandate_id]) == 1


async def test_after_a_gap_everything_is_looked_at_again(money: MoneySide, heard: Changes) -> None:
    mandates = await low(money, 3)
    observer = Observer(
        money.database.ledger_pool,
        changes=heard,
        now=money.clock.now,
        pace=ObservingPace(look_seconds=NEVER, hurry_seconds=0.0, accounts=1),
    )
    heard.doubt()
    await observer.start()
    try:
        async with asyncio.timeout(60):
            while await told(money, mandates) < 3:  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.02)
    finally:
        await observer.stop()
    assert money.clock.at == START


async def test_a_page_that_fails_keeps_the_later_ones_from_nothing(
    money: MoneySide, heard: Changes, monkeypatch: pytest.MonkeyPatch
) -> None:
    mandates = await low(money, 3)
    observer = Observer(
        money.database.ledger_pool,
        changes=heard,
        now=money.clock.now,
        pace=ObservingPace(look_seconds=0.0, hurry_seconds=0.0, accounts=1),
    )
    burdened, looked_at = min(mandates), looking.low_balances

    async def low_balances(connection: Connection, looked: Looked) -> Any:
        rows = await looked_at(connection, looked)
        if any(row["mandate_id"] == burdened for row in rows):
            raise asyncpg.QueryCanceledError("statement timeout")
        return rows

    monkeypatch.setattr(looking, "low_balances", low_balances)
    await observer.start()
    try:
        async with asyncio.timeout(60):
            while await told(money, mandates) < 2:  # noqa: ASYNC110 -- as above
                await asyncio.sleep(0.02)
    finally:
        await observer.stop()
        await set_balance(money, burdened, 900 * CENT)  # No later test is to find it.
