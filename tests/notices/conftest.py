"""A database with the money's side of it, and a mail server that misbehaves on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import pytest

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import connect_database
from tests.notices.mail_host import MailHost
from tests.notices.money_side import MoneySide
from tests.support.cluster import PostgresCluster
from tests.support.management import Api, running_api


@pytest.fixture(scope="session")
def notices_addresses(cluster: PostgresCluster) -> Iterator[DatabaseAddresses]:
    """One database for this room: every test makes mandates of its own."""
    name, addresses = cluster.create_database()
    yield addresses
    cluster.drop_database(name)


@pytest.fixture
async def money(notices_addresses: DatabaseAddresses) -> AsyncIterator[MoneySide]:
    async with connect_database(notices_addresses) as database:
        # What earlier tests left undelivered is none of a worker's business now.
        await database.ledger_pool.execute("UPDATE notice SET state = 'CANCELLED' WHERE state = 'QUEUED'")
        await database.ledger_pool.execute("UPDATE alert SET due_at = NULL WHERE due_at IS NOT NULL")
        yield MoneySide(database)


@pytest.fixture
async def mail_host() -> AsyncIterator[MailHost]:
    async with MailHost() as host:
        yield host


@pytest.fixture
async def api(money: MoneySide) -> AsyncIterator[Api]:
    """The management API with this room's routes, over a ledger that has the rider."""
    async with running_api(money.database, rider=money.rider) as api:
        yield api
