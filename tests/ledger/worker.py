"""A worker process for the tests: an engine of its own, on a pool of its own. It says on stdout what it was told.

    python -m tests.ledger.worker MODE '{"dsn": …}' ARGUMENTS…

Each line that it prints is flushed at once, so that a test that kills it knows what had been answered.
"""

from __future__ import annotations

import asyncio
import json
import random
import sys
from uuid import UUID

import uvloop

from bursar.foundation.addresses import Address, DatabaseAddresses
from bursar.foundation.database import connect_database
from bursar.ledger.engine import EngineLimits, Ledger, LedgerUnavailable
from bursar.ledger.model import Granted, Rejected, Settled
from tests.ledger.books_support import Mandate

LIMITS = EngineLimits(settle_delay_seconds=0.001, wait_for_held_seconds=0.2, queue_seconds=30, answer_seconds=30)


def say(**what: object) -> None:
    sys.stdout.write(json.dumps(what, default=str) + "\n")
    sys.stdout.flush()


async def reserve_many(ledger: Ledger, mandate_id: UUID, calls: int, amount: int) -> None:
    """Wait for the start signal on stdin, then reserve all at once."""
    mandate = Mandate(ledger, mandate_id)
    say(ready=True)
    await asyncio.to_thread(sys.stdin.readline)
    outcomes = await asyncio.gather(*(mandate.reserve(amount) for _ in range(calls)))
    say(
        granted=sum(isinstance(outcome, Granted) for outcome in outcomes),
        refused=sum(isinstance(outcome, Rejected) for outcome in outcomes),
    )


async def make_calls(ledger: Ledger, mandate_id: UUID, callers: int, seed: int, ttl_seconds: int) -> None:
    """Calls without end: reserve, perhaps extend, settle or release; each answer is told before the next step."""
    mandate = Mandate(ledger, mandate_id)
    say(ready=True)

    async def caller(number: int) -> None:
        dice = random.Random(seed * 1000 + number)
        while True:
            try:
                await one_call(mandate, dice, ttl_seconds)
            except LedgerUnavailable:
                await asyncio.sleep(0.01)

    await asyncio.gather(*(caller(number) for number in range(callers)))


async def one_call(mandate: Mandate, dice: random.Random, ttl_seconds: int) -> None:
    minimum = dice.randint(1, 20)
    granted = await mandate.reserve(
        minimum, minimum + dice.randint(0, 20), ttl_seconds=ttl_seconds, input_bound_nanos=dice.randint(0, minimum)
    )
    if not isinstance(granted, Granted):
        await asyncio.sleep(0.005)
        return
    hold_id = granted.hold_id
    say(granted=hold_id)
    if dice.random() < 0.4:
        used = dice.randint(0, granted.amount_nanos)
        extended = await mandate.extend(hold_id, granted.amount_nanos + dice.randint(0, 10), used_nanos=used)
        if isinstance(extended, Granted):
            say(extended=hold_id, used=used)
    if dice.random() < 0.3:
        await asyncio.sleep(dice.random() * 0.05)
    if dice.random() < 0.2:
        ended = await mandate.release(hold_id)
    else:
        ended = await mandate.settle(hold_id, dice.randint(0, 40))
    assert isinstance(ended, Settled), ended
    say(ended=hold_id, state=ended.state, charged=ended.charged_nanos, overrun=ended.overrun_nanos)


async def main(mode: str, dsn: str, mandate_id: str, *rest: str) -> None:
    address = Address(dsn)
    addresses = DatabaseAddresses(address, address, address)
    async with connect_database(addresses, app_pool_size=1, ledger_pool_size=6) as database:
        ledger = Ledger(database.engine_pool, limits=LIMITS)
        ledger.liveness.sweep_seconds = 0.3
        await ledger.start()
        if mode == "reserve":
            await reserve_many(ledger, UUID(mandate_id), int(rest[0]), int(rest[1]))
        else:
            await make_calls(ledger, UUID(mandate_id), int(rest[0]), int(rest[1]), int(rest[2]))
        await ledger.stop()


if __name__ == "__main__":
    uvloop.run(main(*sys.argv[1:]))
