"""400 calls on money for exactly 100: one process, two engines, four processes. And locks in one order everywhere."""

from __future__ import annotations

import asyncio
import random
from uuid import UUID

import pytest

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger.engine import EngineLimits, Ledger
from bursar.ledger.model import Granted, LimitSet, MoveToWallet, Outcome, Posted, Reason, Rejected, Settled
from bursar.ledger.verify import verify
from tests.ledger.books_support import Mandate, create_mandate
from tests.ledger.conftest import NewLedger
from tests.ledger.processes import Worker

SEED = 20261123
WAITS = EngineLimits(wait_for_held_seconds=0.2, queue_seconds=30, answer_seconds=30, settle_delay_seconds=0.0005)


async def exactly_100(database: Database, mandate_id: UUID) -> None:
    sql = "SELECT count(*), sum(amount_nanos) FROM hold WHERE mandate_id = $1 AND state = 'PENDING'"
    row = await database.ledger_pool.fetchrow(sql, mandate_id)
    assert row is not None
    assert tuple(row) == (100, 700)


@pytest.mark.parametrize("engines", [1, 2])
async def test_400_calls_on_money_for_100(database: Database, new_ledger: NewLedger, engines: int) -> None:
    ledgers = [await new_ledger(WAITS) for _ in range(engines)]
    mandate_id = await create_mandate(database)
    await Mandate(ledgers[0], mandate_id).post(703)
    outcomes = await asyncio.gather(
        *(Mandate(ledgers[number % engines], mandate_id).reserve(7) for number in range(400))
    )
    assert sum(isinstance(outcome, Granted) for outcome in outcomes) == 100
    reasons = {outcome.reason for outcome in outcomes if isinstance(outcome, Rejected)}
    assert reasons == {Reason.FUNDS_HELD}
    await exactly_100(database, mandate_id)


async def test_400_calls_on_money_for_100_from_four_processes(database: Database, new_ledger: NewLedger) -> None:
    mandate_id = await create_mandate(database)
    await Mandate(await new_ledger(), mandate_id).post(703)
    dsn = database.addresses.ledger.dsn
    workers = await asyncio.gather(*(Worker.start("reserve", dsn, mandate_id, 100, 7) for _ in range(4)))
    for worker in workers:
        worker.begin()
    said = [await worker.ended() for worker in workers]
    assert sum(heard[-1]["granted"] for heard in said) == 100
    assert sum(heard[-1]["refused"] for heard in said) == 300
    await exactly_100(database, mandate_id)


async def test_400_calls_under_a_cap_for_100_from_wallets_on_two_engines(
    database: Database, new_ledger: NewLedger
) -> None:
    """Every call has an account of its own: only the limit's counter holds them together."""
    ledgers = [await new_ledger(WAITS), await new_ledger(WAITS)]
    mandate_id = await create_mandate(database, billing_model="PREPAY_USER")
    wallets = [new_id() for _ in range(40)]
    await asyncio.gather(*(Mandate(ledgers[0], mandate_id).post(1000, wallet=wallet) for wallet in wallets))
    limit = await ledgers[0].create_limit(
        mandate_id, scope="mandate", scope_id=str(mandate_id), period="month", amount_nanos=703
    )
    assert isinstance(limit, LimitSet)
    outcomes = await asyncio.gather(
        *(
            Mandate(ledgers[number % 2], mandate_id, "PREPAY_USER").reserve(7, wallet=wallets[number % 40])
            for number in range(400)
        )
    )
    assert sum(isinstance(outcome, Granted) for outcome in outcomes) == 100
    await exactly_100(database, mandate_id)


class Town:
    """Mandates with pools, wallets and limits, and engines that all work on all of them."""

    def __init__(self, database: Database, ledgers: list[Ledger], mandates: list[UUID], seed: int) -> None:
        self.database = database
        self.ledgers = ledgers
        self.mandates = mandates
        self.wallets = {mandate_id: [new_id() for _ in range(6)] for mandate_id in mandates}
        self.dice = random.Random(seed)
        self.told: list[Outcome] = []

    async def live(self, number: int, steps: int) -> None:
        dice = random.Random(self.dice.random() + number)
        for _ in range(steps):
            mandate_id = dice.choice(self.mandates)
            mandate = Mandate(dice.choice(self.ledgers), mandate_id, "PREPAY_USER")
            wallet = dice.choice(self.wallets[mandate_id])
            if dice.random() < 0.15:
                await self.move(mandate, wallet, dice)
                continue
            granted = await mandate.reserve(dice.randint(1, 9), wallet=wallet, user_id=wallet, key_id=mandate_id)
            if isinstance(granted, Granted):
                other = Mandate(dice.choice(self.ledgers), mandate_id)
                self.told.append(await other.settle(granted.hold_id, dice.randint(0, 12), wallet=wallet))

    async def move(self, mandate: Mandate, wallet: UUID, dice: random.Random) -> None:
        outcome = await mandate.ledger.submit(
            MoveToWallet(
                mandate_id=mandate.mandate_id,
                transfer_id=new_id(),
                account_id=mandate.mandate_id,
                wallet_id=wallet,
                amount_nanos=dice.choice([-5, 5, 20]),
            )
        )
        assert isinstance(outcome, Posted | Rejected)

    async def change_limits(self, rounds: int) -> None:
        """Caps come and go while calls are running."""
        for _ in range(rounds):
            mandate_id = self.dice.choice(self.mandates)
            ledger = self.dice.choice(self.ledgers)
            user = str(self.dice.choice(self.wallets[mandate_id]))
            limit = await ledger.create_limit(
                mandate_id, scope="user", scope_id=user, period="month", amount_nanos=self.dice.randint(0, 300)
            )
            await asyncio.sleep(0.01)
            if isinstance(limit, LimitSet) and self.dice.random() < 0.5:
                await ledger.delete_limit(mandate_id, limit.limit_id)

    async def deadlocks(self) -> int:
        sql = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"
        return int(await self.database.ledger_pool.fetchval(sql))


async def test_calls_over_many_mandates_wallets_and_limits_never_deadlock(
    database: Database, new_ledger: NewLedger
) -> None:
    print(f"seed {SEED}")
    ledgers = [await new_ledger(WAITS) for _ in range(3)]
    mandates = [await create_mandate(database, billing_model="PREPAY_USER") for _ in range(3)]
    for mandate_id in mandates:
        await Mandate(ledgers[0], mandate_id).post(2000)
        for scope, scope_id in (("mandate", str(mandate_id)), ("key", str(mandate_id))):
            made = await ledgers[0].create_limit(
                mandate_id,
                scope=scope,  # type: ignore[arg-type]
                scope_id=scope_id,
                period="month",
                amount_nanos=100_000,
            )
            assert isinstance(made, LimitSet)
    town = Town(database, ledgers, mandates, SEED)
    for mandate_id, wallets in town.wallets.items():
        # The other wallets are opened, and funded from the pool, while limits are being made.
        for wallet in wallets[:3]:
            await Mandate(ledgers[0], mandate_id).post(500, wallet=wallet)
    await asyncio.gather(*(town.live(number, 25) for number in range(40)), town.change_limits(25))
    assert len(town.told) > 200
    assert all(isinstance(outcome, Settled) for outcome in town.told)
    assert await town.deadlocks() == 0
    assert await verify(database.ledger_pool, thorough=True) == []
