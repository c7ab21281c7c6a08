"""Fixtures of the gateway's tests."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from bursar.foundation.database import Database
from tests.gateway.world import World, open_world, upstream
from tests.support.demo_upstream import shared_demo_upstream


@pytest.fixture(scope="session")
def demo_url() -> Iterator[str]:
    """The demo upstream, with its faults, for the whole session."""
    with shared_demo_upstream(faults=True) as url:
        yield url


@pytest.fixture
async def world(database: Database, demo_url: str) -> AsyncIterator[World]:
    async with open_world(database, [upstream(demo_url)]) as world:
        yield world
