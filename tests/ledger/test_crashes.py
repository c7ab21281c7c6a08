"""Workers that are killed, and a database that goes down under load: nothing is lost, nothing happens twice."""

from __future__ import annotations

import asyncio
import os
import random
import signal
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

import pytest

from bursar.foundation import migrate
from bursar.foundation.addresses import embedded_addresses
from bursar.foundation.database import Database, connect_database
from bursar.foundation.embedded import EmbeddedPostgres
from bursar.foundation.embedded_directories import EmbeddedPostgresError
from bursar.foundation.provision import provision_embedded
from bursar.ledger.engine import EngineLimits, Ledger, LedgerUnavailable
from bursar.ledger.model import Granted, Outcome, Settled
from bursar.ledger.verify import verify
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.conftest import NewLedger
from tests.ledger.patience import no_hold_is_left
from tests.ledger.processes import Worker
from tests.ledger.reckoning import reckon
from tests.support.cluster import UNSAFE_BUT_FAST, new_data_directory, remove_data_directory

SEED = int(os.environ.get("BURSAR_TEST_SEED", "20261123"))
TTL_SECONDS = 1


async def test_workers_that_are_killed_at_random_moments(database: Database, new_ledger: NewLedger) -> None:
    print(f"BURSAR_TEST_SEED={SEED}")
    await kill_workers(database, await new_ledger(), seed=SEED, workers=2, kills=3)


async def kill_workers(database: Database, reaper: Ledger, *, seed: int, workers: int, kills: int) -> None:
    """Under load, kill one worker after the other; then let a last one clean up, and reckon with what all had said."""
    dice = random.Random(seed)
    mandate_id = await create_mandate(database)
    await Mandate(reaper, mandate_id).post(10**12)
    dsn = database.addresses.ledger.dsn
    numbers = iter(range(1000))

    async def start() -> Worker:
        return await Worker.start("calls", dsn, mandate_id, 12, seed + next(numbers), TTL_SECONDS)

    running = list(await asyncio.gather(*(start() for _ in range(workers))))
    heard: list[dict[str, Any]] = []
    for kill in range(kills):
        await asyncio.sleep(0.2 + dice.random() * 0.5)
        heard += await running.pop(dice.randrange(len(running))).kill()
        if kill + workers < kills:
            running.append(await start())
    for worker in running:
        heard += await worker.kill()
    reaper.liveness.sweep_seconds = 0.2
    await reaper.liveness.stop()
    await reaper.liveness.start()
    await no_hold_is_left(database)
    await reckon(database, mandate_id, heard)


# --- a database that goes down ---------------------------------------------------------------------------------------


@pytest.fixture
def own_server() -> Iterator[EmbeddedPostgres]:
    """A server of the test's own. It may crash, but what it has committed it keeps."""
    directory = new_data_directory()
    settings = {**UNSAFE_BUT_FAST, "synchronous_commit": "on"}
    server = EmbeddedPostgres.start_or_join(directory, extra_settings=settings)
    yield server
    server.stop()
    remove_data_directory(directory)


@pytest.fixture
async def own_database(own_server: EmbeddedPostgres) -> AsyncIterator[Database]:
    await provision_embedded(own_server.address)
    addresses = embedded_addresses(own_server.address)
    await asyncio.to_thread(migrate.upgrade, addresses.owner)
    async with connect_database(addresses) as database:
        yield database


def crash(server: EmbeddedPostgres) -> None:
    """An immediate shutdown: no goodbye to anyone, and recovery at the next start."""
    found = next(Path(server.data_dir).rglob("postmaster.pid"))
    os.kill(int(found.read_text().splitlines()[0]), signal.SIGQUIT)


async def bring_back(server: EmbeddedPostgres) -> None:
    """As the keeper of `bursar serve` does: until it is up."""
    while True:
        try:
            await asyncio.to_thread(server.ensure_running)
            return
        except EmbeddedPostgresError:
            await asyncio.sleep(0.1)


async def test_a_database_that_crashes_under_load(own_server: EmbeddedPostgres, own_database: Database) -> None:
    print(f"BURSAR_TEST_SEED={SEED}")
    await crash_database(own_server, own_database, seed=SEED, crashes=2)


async def crash_database(server: EmbeddedPostgres, database: Database, *, seed: int, crashes: int) -> None:
    limits = EngineLimits(queue_seconds=0.5, answer_seconds=2, settle_delay_seconds=0.0005)
    ledgers = [Ledger(database.engine_pool, limits=limits) for _ in range(2)]
    for ledger in ledgers:
        await ledger.start()
    mandate_id = await create_mandate(database)
    await Mandate(ledgers[0], mandate_id).post(10**12)
    heard: list[dict[str, Any]] = []
    ending = asyncio.Event()

    async def caller(number: int) -> None:
        dice = random.Random(seed * 100 + number)
        mandate = Mandate(ledgers[number % 2], mandate_id)
        while not ending.is_set():
            try:
                granted = await mandate.reserve(dice.randint(1, 20), ttl_seconds=600)
            except LedgerUnavailable:
                await asyncio.sleep(0.05)
                continue
            assert isinstance(granted, Granted)
            heard.append({"granted": str(granted.hold_id)})
            settled: Outcome = await mandate.settle(granted.hold_id, dice.randint(0, 40))
            assert isinstance(settled, Settled)
            heard.append(
                {
                    "ended": str(settled.hold_id),
                    "state": settled.state,
                    "charged": settled.charged_nanos,
                    "overrun": settled.overrun_nanos,
                }
            )

    callers = [asyncio.create_task(caller(number)) for number in range(20)]
    dice = random.Random(seed)
    for _ in range(crashes):
        await asyncio.sleep(0.3 + dice.random() * 0.2)
        crash(server)
        await nothing_is_granted(Mandate(ledgers[0], mandate_id))
        await bring_back(server)
        before = len(heard)
        while len(heard) < before + 100:
            await asyncio.sleep(0.01)
            assert not any(task.done() for task in callers)
    ending.set()
    await asyncio.gather(*callers)
    for ledger in ledgers:
        await ledger.stop()
    # Reserves that were told 503 have been released, if they had been granted.
    await reckon(database, mandate_id, heard)


async def nothing_is_granted(mandate: Mandate) -> None:
    """Until the ledger says that it is unavailable. A crash takes a moment to be felt."""
    while True:
        try:
            granted = await mandate.reserve(1)
        except LedgerUnavailable:
            return
        assert isinstance(granted, Granted)
        await mandate.settle(granted.hold_id, 1)


async def test_after_the_database_was_away_the_reaper_waits_for_one_life(
    own_server: EmbeddedPostgres, own_database: Database
) -> None:
    ledger = Ledger(own_database.engine_pool)
    await ledger.start()
    mandate = Mandate(ledger, await create_mandate(own_database))
    await mandate.post(100)
    long, short = await mandate.reserve(1, ttl_seconds=600), await mandate.reserve(1, ttl_seconds=1)
    assert isinstance(long, Granted)
    assert isinstance(short, Granted)
    crash(own_server)
    await asyncio.sleep(0.1)
    await bring_back(own_server)
    while not await reachable(own_database):  # noqa: ASYNC110
        await asyncio.sleep(0.05)
    await own_database.ledger_pool.execute("UPDATE hold SET expires_at = now() - interval '1 second'")
    while await state(own_database, short.hold_id) != "EXPIRED":
        await ledger.liveness.sweep()
        await asyncio.sleep(0.1)
    assert await state(own_database, long.hold_id) == "PENDING"
    assert [v for v in await verify(own_database.ledger_pool) if not v.is_warning] == []
    await ledger.stop()


async def reachable(database: Database) -> bool:
    try:
        await database.ledger_pool.fetchval("SELECT 1")
    except Exception:
        return False
    return True


async def state(database: Database, hold_id: UUID) -> str:
    return str(await database.ledger_pool.fetchval("SELECT state FROM hold WHERE hold_id = $1", hold_id))
