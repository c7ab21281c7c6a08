"""The two narrow roles: what they see, how connections behave."""

from __future__ import annotations

from uuid import UUID, uuid4

import asyncpg
import pytest

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import Database


async def _make_mandate(database: Database, name: str) -> UUID:
    mandate_id = uuid4()
    async with database.as_mandate(mandate_id) as connection:
        await connection.execute(
            "INSERT INTO mandate (mandate_id, name, currency) VALUES ($1, $2, 'CHF')", mandate_id, name
        )
    return mandate_id


async def _names(database: Database, mandate_id: UUID) -> list[str]:
    async with database.as_mandate(mandate_id) as connection:
        return [row["name"] for row in await connection.fetch("SELECT name FROM mandate ORDER BY name")]


async def test_a_mandate_sees_its_own_rows_only(database: Database) -> None:
    one = await _make_mandate(database, "one")
    await _make_mandate(database, "two")
    assert await _names(database, one) == ["one"]
    assert await _names(database, uuid4()) == []


async def test_the_operator_sees_all_mandates(database: Database) -> None:
    await _make_mandate(database, "one")
    await _make_mandate(database, "two")
    async with database.as_operator() as connection:
        assert await connection.fetchval("SELECT count(*) FROM mandate") == 2


async def test_what_one_transaction_may_see_does_not_leak_into_the_next(database: Database) -> None:
    await _make_mandate(database, "one")
    async with database.as_operator():
        pass
    assert database.app_pool.get_size() == 1
    assert await database.app_pool.fetchval("SELECT count(*) FROM mandate") == 0


async def test_a_mandate_cannot_write_into_another(database: Database) -> None:
    async with database.as_mandate(uuid4()) as connection:
        with pytest.raises(asyncpg.InsufficientPrivilegeError, match="row-level security"):
            await connection.execute(
                "INSERT INTO mandate (mandate_id, name, currency) VALUES ($1, 'x', 'CHF')", uuid4()
            )


async def test_a_failed_transaction_leaves_nothing_behind(database: Database) -> None:
    mandate_id = uuid4()

    async def fail_half_way() -> None:
        async with database.as_mandate(mandate_id) as connection:
            await connection.execute(
                "INSERT INTO mandate (mandate_id, name, currency) VALUES ($1, 'x', 'CHF')", mandate_id
            )
            raise RuntimeError("oops")

    with pytest.raises(RuntimeError, match="oops"):
        await fail_half_way()
    assert await _names(database, mandate_id) == []


async def test_jsonb_is_python_data_in_both_directions(database: Database) -> None:
    value = {"a": [1, "zwei", None], "b": {"c": True}}
    assert await database.ledger_pool.fetchval("SELECT $1::jsonb", value) == value
    assert await database.app_pool.fetchval("SELECT $1::jsonb[]", [value, 7]) == [value, 7]


@pytest.mark.parametrize(
    ("setting", "app", "ledger"),
    [
        ("timezone", "UTC", "UTC"),
        ("lock_timeout", "2s", "2s"),
        ("statement_timeout", "30s", "15s"),
        ("idle_in_transaction_session_timeout", "30s", "30s"),
        ("application_name", "bursar-app", "bursar-ledger"),
        ("role", "none", "none"),
    ],
)
async def test_what_connections_promise(database: Database, setting: str, app: str, ledger: str) -> None:
    query = "SELECT current_setting($1)"
    assert await database.app_pool.fetchval(query, setting) == app
    assert await database.ledger_pool.fetchval(query, setting) == ledger


async def test_neither_pool_is_the_owner_or_a_superuser(database: Database) -> None:
    query = "SELECT current_user, pg_has_role('bursar_owner', 'MEMBER'), rolsuper OR rolbypassrls OR rolcreaterole"
    query += " FROM pg_roles WHERE rolname = current_user"
    assert tuple(await database.app_pool.fetchrow(query) or ()) == ("bursar_app", False, False)
    assert tuple(await database.ledger_pool.fetchrow(query) or ()) == ("bursar_ledger", False, False)


async def test_a_lock_is_waited_for_two_seconds_at_most(database: Database) -> None:
    mandate_id = await _make_mandate(database, "one")
    lock = "SELECT 1 FROM mandate WHERE mandate_id = $1 FOR UPDATE"
    async with database.as_mandate(mandate_id) as holder:
        await holder.execute(lock, mandate_id)
        async with database.as_mandate(mandate_id) as waiter:
            await waiter.execute("SET LOCAL lock_timeout = '20ms'")
            with pytest.raises(asyncpg.LockNotAvailableError):
                await waiter.execute(lock, mandate_id)


async def test_a_listener_has_a_connection_of_its_own(database: Database) -> None:
    connection = await database.connect(name="keys")
    try:
        assert await connection.fetchval("SELECT current_user || ' ' || current_setting('application_name')") == (
            "bursar_ledger bursar-keys"
        )
    finally:
        await connection.close()


async def test_addresses_do_not_show_passwords(database_addresses: DatabaseAddresses) -> None:
    assert "postgresql://" not in repr(database_addresses)


async def test_group_commits_go_by_plain_index_scans(database: Database) -> None:
    """Only these mark dead entries. By a bitmap, a call read all holds that had been settled since the last vacuum."""
    plan_of_open_holds = """
        EXPLAIN SELECT amount_nanos FROM hold
         WHERE mandate_id = gen_random_uuid() AND account_id = ANY(ARRAY[gen_random_uuid()]) AND state = 'PENDING'"""
    async with database.engine_pool.acquire() as connection:
        assert await connection.fetchval("SHOW enable_bitmapscan") == "off"
        plan = "\n".join(row[0] for row in await connection.fetch(plan_of_open_holds))
    assert "Bitmap" not in plan
    assert "Index Scan" in plan
