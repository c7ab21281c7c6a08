"""The management API, for the tests of its routes."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bursar.foundation.database import Database
from tests.identity.household import House, make_house
from tests.support.management import Api, running_api


@pytest.fixture
async def api(database: Database) -> AsyncIterator[Api]:
    async with running_api(database) as api:
        yield api


@pytest.fixture
async def house(database: Database) -> House:
    return await make_house(database)
