"""Fixtures of the gateway's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import Database, connect_database
from tests.gateway.scripted import scripted_upstream
from tests.gateway.world import ScriptedWorld, World, open_world, upstream
from tests.support.cluster import PostgresCluster
from tests.support.demo_upstream import shared_demo_upstream


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    """The demo upstream, with its faults, for the whole session."""
    with shared_demo_upstream(faults=True) as url:
        yield url


@pytest.fixture(scope="session")
def gateway_addresses(cluster: PostgresCluster) -> Iterator[DatabaseAddresses]:
    """One database for all tests of the gateway: each has a mandate of its own, which sees nothing of the others."""
    name, addresses = cluster.create_database()
    yield addresses
    cluster.drop_database(name)


@pytest.fixture
async def database(gateway_addresses: DatabaseAddresses) -> AsyncIterator[Database]:
    async with connect_database(gateway_addresses) as database:
        yield database


@pytest.fixture
async def world(database: Database, demo_url: str) -> AsyncIterator[World]:
    async with open_world(database, [upstream(demo_url)]) as world:
        yield world


@pytest.fixture
async def scripted(database: Database) -> AsyncIterator[ScriptedWorld]:
    async with scripted_upstream() as scripted:
        settings = upstream(
            scripted.url,
            "gpt-4o-*",
            rename={"gpt-4o-renamed": "my-deployment"},
            headers={"X-Team": "ours"},
            query={"api-version": "1"},
        )
        async with open_world(database, [settings]) as world:
            await world.top_up("10.00")
            yield ScriptedWorld(world, scripted)
