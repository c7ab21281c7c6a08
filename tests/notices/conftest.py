"""A database with the money's side of it, and a mail server that misbehaves on demand."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

import httpx
import pytest

from bursar.billing.api import create_api
from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import connect_database
from bursar.foundation.secrets import Secrets
from bursar.identity.authenticator import Authenticator
from bursar.identity.wiring import Wiring
from bursar.ledger.engine import Ledger
from bursar.notices.routes import notice_routers
from tests.notices.mail_host import MailHost
from tests.notices.money_side import MoneySide
from tests.support.cluster import PostgresCluster
from tests.support.management import PUBLIC_URL, ROOT_KEY, Api

SECRETS = Secrets(["the secret key of the notices' tests"])


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
    database = money.database
    ledger = Ledger(database.engine_pool, rider=money.rider)
    await ledger.start()
    authenticator = Authenticator(database, root_key=ROOT_KEY)
    wiring = Wiring(database=database, authenticator=authenticator, ledger=ledger, public_url=PUBLIC_URL)
    app = create_api(wiring, *notice_routers(SECRETS, PUBLIC_URL))
    try:
        transport = httpx.ASGITransport(app, raise_app_exceptions=False)
        async with httpx.AsyncClient(transport=transport, base_url="http://bursar.test") as http:
            yield Api(http, app, wiring, ledger, database)
    finally:
        await authenticator.stop()
        await ledger.stop()
