"""From settings to open pools: embedded, external, and what an administrator is told."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from uuid import uuid4

import asyncpg
import psycopg
import pytest

from bursar.foundation.addresses import embedded_dsn
from bursar.foundation.database import connect_database, open_database, prepared_addresses
from bursar.foundation.embedded import EmbeddedPostgres
from bursar.foundation.embedded_cluster import SUPERUSER
from bursar.foundation.provision import DatabaseSetupError
from bursar.foundation.settings import Settings, load_settings
from tests.support.cluster import UNSAFE_BUT_FAST

_KEY = "a-secret-key-for-tests-only-0123456789"


@pytest.fixture
def foreign_server(data_dir: Path) -> Iterator[EmbeddedPostgres]:
    """A PostgreSQL that has never heard of Bursar, as somebody's external one."""
    server = EmbeddedPostgres.start_or_join(data_dir, extra_settings=UNSAFE_BUT_FAST)
    yield server
    server.stop()


def _administer(server: EmbeddedPostgres, *statements: bytes) -> None:
    dsn = embedded_dsn(server.address, user=SUPERUSER, database="postgres")
    with psycopg.connect(dsn, autocommit=True) as connection:
        for statement in statements:
            connection.execute(statement)


def _settings(server: EmbeddedPostgres, user: str) -> Settings:
    url = embedded_dsn(server.address, user=user, database="theirs")
    return load_settings({"BURSAR_DATABASE_URL": url, "BURSAR_SECRET_KEY": _KEY})


async def test_without_a_url_the_embedded_server_lives_as_long_as_it_is_used(data_dir: Path) -> None:
    settings = load_settings({}, data_dir=data_dir)
    async with open_database(settings) as database, open_database(settings) as other:
        mandate_id = uuid4()
        async with database.as_mandate(mandate_id) as connection:
            await connection.execute(
                "INSERT INTO mandate (mandate_id, name, currency) VALUES ($1, 'one', 'CHF')", mandate_id
            )
        async with other.as_operator() as connection:
            assert await connection.fetchval("SELECT name FROM mandate") == "one"
        await other.ping()
    assert not EmbeddedPostgres(data_dir).is_running()


async def test_many_workers_get_an_embedded_server_with_room_for_their_pools(data_dir: Path) -> None:
    settings = load_settings({}, data_dir=data_dir, workers=16)
    async with open_database(settings) as database:
        assert int(await database.app_pool.fetchval("SHOW max_connections")) >= 16 * 16


async def test_an_embedded_server_that_dies_comes_back_under_the_same_pools(data_dir: Path) -> None:
    settings = load_settings({}, data_dir=data_dir)
    started = "SELECT pg_postmaster_start_time()"
    async with open_database(settings) as database:
        before = await database.ledger_pool.fetchval(started)
        os.kill(int((data_dir / "postgresql" / "postmaster.pid").read_text().split()[0]), signal.SIGKILL)
        async with asyncio.timeout(30):
            after = before
            while after == before:
                with suppress(OSError, asyncpg.PostgresError, asyncpg.InterfaceError):
                    after = await database.ledger_pool.fetchval(started)
                await asyncio.sleep(0.02)


async def test_workers_open_pools_on_addresses_that_were_handed_to_them(settings: Settings) -> None:
    async with prepared_addresses(settings) as addresses, connect_database(addresses) as database:
        assert await database.app_pool.fetchval("SELECT current_user") == "bursar_app"
        assert await database.ledger_pool.fetchval("SELECT current_user") == "bursar_ledger"


async def test_an_external_login_that_may_create_roles_takes_on_the_narrow_ones(
    foreign_server: EmbeddedPostgres,
) -> None:
    _administer(foreign_server, b"CREATE ROLE theirs LOGIN CREATEROLE", b"CREATE DATABASE theirs OWNER theirs")
    settings = _settings(foreign_server, "theirs")
    # Twice: the second start finds everything in place.
    for _ in range(2):
        async with open_database(settings) as database:
            query = "SELECT session_user || ' as ' || current_user"
            assert await database.app_pool.fetchval(query) == "theirs as bursar_app"
            assert await database.ledger_pool.fetchval(query) == "theirs as bursar_ledger"
            assert await database.app_pool.fetchval("SELECT count(*) FROM mandate") == 0


async def test_an_external_login_that_may_not_gets_the_sql_and_the_sql_helps(foreign_server: EmbeddedPostgres) -> None:
    _administer(foreign_server, b"CREATE ROLE theirs LOGIN", b"CREATE DATABASE theirs OWNER theirs")
    settings = _settings(foreign_server, "theirs")
    with pytest.raises(DatabaseSetupError, match="BURSAR_DATABASE_URL: theirs may not") as raised:
        async with open_database(settings):
            pass
    _administer(foreign_server, str(raised.value).partition("have an administrator run: ")[2].encode())
    async with open_database(settings) as database:
        assert await database.app_pool.fetchval("SELECT current_user") == "bursar_app"


@pytest.mark.parametrize("url", ["postgresql://127.0.0.1:1/none", "postgresql://u:hidden@127.0.0.1:1/none"])
async def test_an_external_database_that_is_away_is_named_in_one_line(settings: Settings, url: str) -> None:
    with pytest.raises(DatabaseSetupError, match="BURSAR_DATABASE_URL: cannot connect") as raised:
        async with open_database(replace(settings, database_url=url)):
            pass
    assert "\n" not in str(raised.value)
    assert "hidden" not in str(raised.value)
