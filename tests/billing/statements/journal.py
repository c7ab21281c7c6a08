"""A mandate's journal for the tests of statements: money moves through the real engine, and is then dated back."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

import asyncpg

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id
from bursar.ledger.engine import Ledger
from bursar.ledger.model import BillingModelName, Granted, MoveToWallet, Posted, Settled, TransferKind
from tests.ledger.books_support import Mandate, create_mandate


def utc(text: str) -> datetime:
    return datetime.fromisoformat(text).replace(tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Journal:
    """What happens in one mandate, at times of one's choice."""

    database: Database
    mandate: Mandate
    since: datetime

    @property
    def mandate_id(self) -> UUID:
        return self.mandate.mandate_id

    async def top_up(self, at: str, amount: int, *, wallet: UUID | None = None, **more: Any) -> UUID:
        return await self._post(at, amount, TransferKind.TOP_UP, wallet, more)

    async def correct(self, at: str, amount: int, *, wallet: UUID | None = None, **more: Any) -> UUID:
        return await self._post(at, amount, TransferKind.CORRECTION, wallet, more)

    async def call(
        self, at: str, cost: int, *, model: str | None = "model-a", wallet: UUID | None = None, **more: Any
    ) -> UUID:
        """A call that was paid; answers its hold's id. `more` goes into the reserve (`user_id`, `key_id`, `tags`)."""
        tokens = {"input_tokens": 100, "cached_input_tokens": 10, "output_tokens": 20}
        granted = await self.mandate.reserve(cost, wallet=wallet, model=model, **more)
        assert isinstance(granted, Granted), granted
        settled = await self.mandate.settle(granted.hold_id, cost, wallet=wallet, **tokens)
        assert isinstance(settled, Settled), settled
        await self.date_back(at)
        return granted.hold_id

    async def move(self, at: str, wallet: UUID, amount: int) -> None:
        command = MoveToWallet(
            mandate_id=self.mandate_id,
            transfer_id=new_id(),
            account_id=self.mandate_id,
            wallet_id=wallet,
            amount_nanos=amount,
        )
        assert isinstance(await self.mandate.ledger.submit(command), Posted)
        await self.date_back(at)

    async def _post(self, at: str, amount: int, kind: TransferKind, wallet: UUID | None, more: dict[str, Any]) -> UUID:
        posted = await self.mandate.post(amount, kind=kind, wallet=wallet, **more)
        assert isinstance(posted, Posted), posted
        await self.date_back(at)
        return posted.transfer_id

    async def date_back(self, at: str) -> None:
        """All that happened since the last time happened at `at`, in UTC."""
        await self.as_owner(
            "UPDATE transfer SET at = $2 WHERE mandate_id = $1 AND at >= $3", self.mandate_id, utc(at), self.since
        )

    async def as_owner(self, sql: str, *values: object) -> None:
        """What nobody else may do: change the past."""
        connection = await asyncpg.connect(self.database.addresses.owner.dsn)
        try:
            await connection.execute(sql, *values)
        finally:
            await connection.close()

    async def add_user(self, name: str) -> UUID:
        user_id = new_id()
        async with self.database.as_mandate(self.mandate_id) as connection:
            await connection.execute(
                "INSERT INTO app_user (mandate_id, user_id, display_name) VALUES ($1, $2, $3)",
                self.mandate_id,
                user_id,
                name,
            )
        return user_id

    async def add_key(self, name: str) -> UUID:
        key_id = new_id()
        async with self.database.as_mandate(self.mandate_id) as connection:
            await connection.execute(
                "INSERT INTO api_key (mandate_id, key_id, secret_hash, prefix, kind, name, created_by)"
                " VALUES ($1, $2, $3, 'bur_', 'service', $4, 'test')",
                self.mandate_id,
                key_id,
                key_id.bytes * 2,
                name,
            )
        return key_id


@asynccontextmanager
async def open_journal(
    database: Database,
    *,
    billing_model: BillingModelName = "PREPAY_MANDATE",
    credit_limit_nanos: int | None = None,
    time_zone: str = "Europe/Zurich",
) -> AsyncIterator[Journal]:
    mandate_id = await create_mandate(
        database, billing_model=billing_model, credit_limit_nanos=credit_limit_nanos, time_zone=time_zone
    )
    ledger = Ledger(database.engine_pool)
    await ledger.start()
    try:
        since: datetime = await database.ledger_pool.fetchval("SELECT clock_timestamp()")
        yield Journal(database, Mandate(ledger, mandate_id, billing_model), since)
    finally:
        await ledger.stop()
