"""One event loop, one database and one engine for tests that are not coroutines themselves."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, TypeVar

import uvloop

from bursar.foundation.addresses import DatabaseAddresses
from bursar.foundation.database import Database, connect_database
from bursar.ledger.engine import EngineLimits, Ledger

T = TypeVar("T")
NO_WAITING = EngineLimits(
    queue_seconds=60, wait_for_held_seconds=0, settle_delay_seconds=0, remember_refusals_seconds=0
)


@dataclass
class World:
    """One event loop, one database, one engine for all the examples of a test."""

    loop: asyncio.AbstractEventLoop
    database: Database
    ledger: Ledger

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        return self.loop.run_until_complete(work)


@contextmanager
def world_of(addresses: DatabaseAddresses, limits: EngineLimits = NO_WAITING) -> Iterator[World]:
    loop = uvloop.new_event_loop()
    opened = connect_database(addresses)
    database = loop.run_until_complete(opened.__aenter__())
    ledger = Ledger(database.engine_pool, limits=limits)
    loop.run_until_complete(ledger.start())
    try:
        yield World(loop, database, ledger)
    finally:
        loop.run_until_complete(ledger.stop())
        loop.run_until_complete(opened.__aexit__(None, None, None))
        loop.close()
