"""Shared fixtures: a real PostgreSQL, a fresh database per test, uvloop under every async test."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import Database, connect_database
from bursar.foundation.file_locks import SharedLock
from bursar.foundation.settings import Settings, load_settings
from tests.support.cluster import (
    PostgresCluster,
    new_session_directory,
    remove_abandoned_directories,
    remove_data_directory,
)

_DIRECTORY = pytest.StashKey[Path]()
_LOCK = pytest.StashKey[SharedLock]()


def pytest_configure(config: pytest.Config) -> None:
    """The controller makes the session's directory; xdist's workers are told where it is."""
    workerinput: Mapping[str, str] | None = getattr(config, "workerinput", None)
    if workerinput is not None:
        config.stash[_DIRECTORY] = Path(workerinput["cluster_directory"])
        return
    remove_abandoned_directories()
    config.stash[_DIRECTORY] = directory = new_session_directory()
    config.stash[_LOCK] = SharedLock(directory / "session.lock")


@pytest.hookimpl(optionalhook=True)
def pytest_configure_node(node: Any) -> None:
    node.workerinput["cluster_directory"] = str(node.config.stash[_DIRECTORY])


def pytest_unconfigure(config: pytest.Config) -> None:
    lock = config.stash.get(_LOCK, None)
    if lock is not None:
        remove_data_directory(config.stash[_DIRECTORY])
        lock.release()


def pytest_asyncio_loop_factories() -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    try:
        import uvloop
    except ImportError:
        return {"asyncio": asyncio.new_event_loop}
    return {"uvloop": uvloop.new_event_loop}


@pytest.fixture(scope="session")
def cluster(pytestconfig: pytest.Config) -> Iterator[PostgresCluster]:
    """The session's PostgreSQL, for tests that need databases of their own or the superuser."""
    cluster = PostgresCluster(pytestconfig.stash[_DIRECTORY])
    yield cluster
    cluster.close()


@pytest.fixture
def database_addresses(cluster: PostgresCluster) -> Iterator[DatabaseAddresses]:
    """A fresh migrated database that nobody is connected to: for tests that start processes of their own."""
    name, addresses = cluster.create_database()
    yield addresses
    cluster.drop_database(name)


@pytest.fixture
def empty_database_addresses(cluster: PostgresCluster) -> Iterator[DatabaseAddresses]:
    """A fresh database without a schema: for tests of migrations."""
    name, addresses = cluster.create_database(migrated=False)
    yield addresses
    cluster.drop_database(name)


@pytest.fixture
async def database(database_addresses: DatabaseAddresses) -> AsyncIterator[Database]:
    """Open pools on a fresh migrated database."""
    async with connect_database(database_addresses) as database:
        yield database


@pytest.fixture
def settings(tmp_path: Path, database_addresses: DatabaseAddresses) -> Settings:
    """Settings with a data directory of their own and this test's database, nothing from the environment."""
    environ = {
        "BURSAR_DATABASE_URL": database_addresses.owner.dsn,
        "BURSAR_SECRET_KEY": "a-secret-key-for-tests-only-0123456789",
        "BURSAR_DATA_DIR": str(tmp_path / "data"),
        "BURSAR_PORT": "0",
    }
    return load_settings(environ)
