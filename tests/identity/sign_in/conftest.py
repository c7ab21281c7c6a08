"""The management API with sign-in, browsers, and an issuer."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from bursar.foundation.database import Database
from tests.identity.sign_in.house import House, provider_of, running_house
from tests.identity.sign_in.issuer_host import Issuer, running_issuer


@pytest.fixture
async def issuer() -> AsyncIterator[Issuer]:
    async with running_issuer() as issuer:
        yield issuer


@pytest.fixture
async def house(database: Database, issuer: Issuer) -> AsyncIterator[House]:
    """With a provider: the issuer."""
    async with running_house(database, [provider_of(issuer)]) as house:
        yield house


@pytest.fixture
async def plain_house(database: Database) -> AsyncIterator[House]:
    """Without any provider: one-time links."""
    async with running_house(database, []) as house:
        yield house
