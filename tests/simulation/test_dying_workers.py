"""Long seeded runs in which workers, connections and the database keep dying: `make simulate`.

First everything breaks, then everything heals, and then the books must be what callers had been told, with nothing left
open. `BURSAR_TEST_SEED` varies the runs; each prints the one it used.
"""

from __future__ import annotations

import asyncio
import os
import random
from collections.abc import AsyncIterator, Iterator
from typing import Any
from uuid import UUID

import pytest

from bursar.foundation import migrate
from bursar.foundation.addresses import embedded_addresses
from bursar.foundation.database import Database, connect_database
from bursar.foundation.embedded import EmbeddedPostgres
from bursar.foundation.provision import provision_embedded
from bursar.ledger.engine import EngineLimits, Ledger
from bursar.ledger.model import LimitSet, Posted
from bursar.ledger.verify import verify
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.machine import zone_where_it_is_noon
from tests.ledger.patience import no_hold_is_left
from tests.ledger.processes import Worker
from tests.ledger.reckoning import reckon
from tests.ledger.test_concurrency import Town
from tests.ledger.test_crashes import TTL_SECONDS, bring_back, crash, crash_database, kill_workers
from tests.ledger.test_lost_connections import kill_backends
from tests.support.cluster import UNSAFE_BUT_FAST, new_data_directory, remove_data_directory

FIRST_SEED = int(os.environ.get("BURSAR_TEST_SEED", "20261123"))
SEEDS = [FIRST_SEED + number for number in range(5)]
PATIENT = EngineLimits(queue_seconds=60, answer_seconds=60)

pytestmark = [pytest.mark.simulate, pytest.mark.timeout(1200)]


@pytest.fixture
def server() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own, which keeps what it has committed."""
    directory = new_data_directory()
    settings = {**UNSAFE_BUT_FAST, "synchronous_commit": "on"}
    server = EmbeddedPostgres.start_or_join(directory, extra_settings=settings)
    yield server
    server.stop()
    remove_data_directory(directory)


@pytest.fixture
async def own_database(server: EmbeddedPostgres) -> AsyncIterator[Database]:
    await provision_embedded(server.address)
    addresses = embedded_addresses(server.address)
    await asyncio.to_thread(migrate.upgrade, addresses.owner)
    async with connect_database(addresses) as database:
        yield database


async def healed(database: Database) -> Ledger:
    """A worker that stays alive and reaps."""
    ledger = Ledger(database.engine_pool, limits=PATIENT)
    ledger.liveness.sweep_seconds = 0.3
    await ledger.start()
    return ledger


@pytest.mark.parametrize("seed", SEEDS)
async def test_workers_that_keep_dying(database: Database, seed: int) -> None:
    print(f"BURSAR_TEST_SEED={seed}")
    reaper = Ledger(database.engine_pool, limits=PATIENT)
    await reaper.start()
    await kill_workers(database, reaper, seed=seed, workers=4, kills=16)
    await reaper.stop()


@pytest.mark.parametrize("seed", SEEDS[:2])
async def test_a_database_that_keeps_crashing(server: EmbeddedPostgres, own_database: Database, seed: int) -> None:
    print(f"BURSAR_TEST_SEED={seed}")
    await crash_database(server, own_database, seed=seed, crashes=12)


@pytest.mark.parametrize("seed", SEEDS)
async def test_calls_over_everything_for_long(database: Database, seed: int) -> None:
    print(f"BURSAR_TEST_SEED={seed}")
    engines = [Ledger(database.engine_pool, limits=PATIENT) for _ in range(4)]
    for engine in engines:
        await engine.start()
    zone = zone_where_it_is_noon()
    mandates = [await create_mandate(database, billing_model="PREPAY_USER", time_zone=zone) for _ in range(5)]
    for mandate_id in mandates:
        assert isinstance(await Mandate(engines[0], mandate_id).post(50_000), Posted)
    town = Town(database, engines, mandates, seed)
    for mandate_id, wallets in town.wallets.items():
        for wallet in wallets[:4]:
            await Mandate(engines[0], mandate_id).post(5_000, wallet=wallet)
    await asyncio.gather(*(town.live(number, 150) for number in range(60)), town.change_limits(150))
    for engine in engines:
        await engine.stop()
    assert await town.deadlocks() == 0
    assert await verify(database.ledger_pool, thorough=True) == []


@pytest.mark.parametrize("seed", SEEDS)
async def test_everything_breaks_and_heals(server: EmbeddedPostgres, own_database: Database, seed: int) -> None:
    print(f"BURSAR_TEST_SEED={seed}")
    dice = random.Random(seed)
    first = await healed(own_database)
    mandate_id = await create_mandate(own_database, time_zone=zone_where_it_is_noon())
    assert isinstance(await Mandate(first, mandate_id).post(1_000_000), Posted)
    limit = await first.create_limit(
        mandate_id, scope="mandate", scope_id=str(mandate_id), period="month", amount_nanos=900_000
    )
    assert isinstance(limit, LimitSet)
    await first.stop()
    heard = await _break_everything(server, own_database, mandate_id, dice, seed)
    await bring_back(server)
    last = await healed(own_database)
    await no_hold_is_left(own_database)
    await last.stop()
    await reckon(own_database, mandate_id, heard)


async def _break_everything(
    server: EmbeddedPostgres, database: Database, mandate_id: UUID, dice: random.Random, seed: int
) -> list[dict[str, Any]]:
    dsn = database.addresses.ledger.dsn
    running: list[Worker] = []
    heard: list[dict[str, Any]] = []
    for step in range(20):
        while len(running) < 3:
            running.append(
                await Worker.start("calls", dsn, mandate_id, 10, seed + step * 10 + len(running), TTL_SECONDS)
            )
        await asyncio.sleep(0.2 + dice.random())
        match dice.choice(["worker", "worker", "connections", "database"]):
            case "worker":
                heard += await running.pop(dice.randrange(len(running))).kill()
            case "connections":
                await kill_backends(database)
            case "database":
                crash(server)
                await asyncio.sleep(dice.random() * 0.5)
                await bring_back(server)
    for worker in running:
        heard += await worker.kill()
    return heard
