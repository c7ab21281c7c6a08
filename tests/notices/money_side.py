"""The other side of the rider, played by hand: mandates, and the batches that the ledger would commit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID, uuid4

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id, new_mandate_id
from bursar.ledger.model import Funding, Payer, Reason, Refusal
from bursar.notices.rider import NoticeRider

START = datetime(2026, 11, 23, 9, 12, tzinfo=UTC)
CENT = 10_000_000


@dataclass
class VirtualClock:
    """Goes on when it is told to."""

    at: datetime = START

    def now(self) -> datetime:
        return self.at

    def pass_by(self, **span: float) -> datetime:
        self.at += timedelta(**span)
        return self.at


@dataclass
class MoneySide:
    database: Database
    clock: VirtualClock = field(default_factory=VirtualClock)
    rider: NoticeRider = field(default_factory=NoticeRider)

    async def mandate(
        self,
        *emails: str,
        name: str = "Helvetia Treuhand AG",
        model: str = "PREPAY_MANDATE",
        cooldown_seconds: int = 3600,
        language: str = "de",
        wallets: bool = False,
        credit_limit_nanos: int | None = None,
    ) -> UUID:
        """A mandate with an empty pool."""
        mandate_id = new_mandate_id()
        async with self.database.as_operator() as connection:
            await connection.execute(
                "INSERT INTO mandate (mandate_id, name, currency, language) VALUES ($1, $2, 'CHF', $3)",
                mandate_id, name, language,
            )  # fmt: skip
            await connection.execute(
                "INSERT INTO billing_settings (mandate_id, billing_model, credit_limit_nanos, notify_emails,"
                " notify_cooldown_seconds, notify_wallet_exhausted) VALUES ($1, $2, $3, $4, $5, $6)",
                mandate_id, model, credit_limit_nanos, list(emails), cooldown_seconds, wallets,
            )  # fmt: skip
            await connection.execute("INSERT INTO identity_revision (mandate_id) VALUES ($1)", mandate_id)
        await self.account(mandate_id, mandate_id)
        return mandate_id

    async def account(self, mandate_id: UUID, account_id: UUID) -> None:
        kind = "pool" if mandate_id == account_id else "wallet"
        await self.database.ledger_pool.execute(
            "INSERT INTO account (mandate_id, account_id, kind) VALUES ($1, $2, $3)", mandate_id, account_id, kind
        )

    async def person(self, mandate_id: UUID, name: str) -> UUID:
        user_id = new_id()
        async with self.database.as_mandate(mandate_id) as connection:
            await connection.execute(
                "INSERT INTO app_user (mandate_id, user_id, display_name) VALUES ($1, $2, $3)",
                mandate_id, user_id, name,
            )  # fmt: skip
        return user_id

    async def service_key(self, mandate_id: UUID, name: str) -> UUID:
        key_id = new_id()
        async with self.database.as_mandate(mandate_id) as connection:
            await connection.execute(
                "INSERT INTO api_key (mandate_id, key_id, secret_hash, prefix, kind, name, created_by)"
                " VALUES ($1, $2, $3, 'bur_', 'service', $4, 'test')",
                mandate_id, key_id, uuid4().bytes * 2, name,
            )  # fmt: skip
        return key_id

    async def settings(self, mandate_id: UUID, **columns: Any) -> None:
        async with self.database.as_mandate(mandate_id) as connection:
            for name, value in columns.items():
                await connection.execute(
                    f"UPDATE billing_settings SET {name} = $2 WHERE mandate_id = $1",  # noqa: S608
                    mandate_id, value,
                )  # fmt: skip

    async def refuse(self, *mandate_ids: UUID, **differences: Any) -> None:
        """One batch with a refusal for each mandate's pool."""
        await self.ride([refusal(mandate_id, **differences) for mandate_id in mandate_ids])

    async def fund(self, mandate_id: UUID, account_id: UUID | None = None, amount_nanos: int = 100 * CENT) -> None:
        account_id = account_id or mandate_id
        async with self.database.ledger_pool.acquire() as connection, connection.transaction():
            await connection.execute(
                "UPDATE account SET credits_posted = credits_posted + $3 WHERE mandate_id = $1 AND account_id = $2",
                mandate_id, account_id, amount_nanos,
            )  # fmt: skip
            await self.rider.ride(connection, [], [Funding(mandate_id, account_id, amount_nanos)], self.clock.at)

    async def spend_all(self, mandate_id: UUID) -> None:
        await self.database.ledger_pool.execute(
            "UPDATE account SET debits_posted = credits_posted WHERE mandate_id = $1", mandate_id
        )

    async def ride(self, refusals: Sequence[Refusal], fundings: Sequence[Funding] = ()) -> None:
        async with self.database.ledger_pool.acquire() as connection, connection.transaction():
            await self.rider.ride(connection, refusals, fundings, self.clock.at)

    async def alert(self, mandate_id: UUID, account_id: UUID | None = None, kind: str = "EXHAUSTED") -> dict[str, Any]:
        row = await self.database.ledger_pool.fetchrow(
            "SELECT * FROM alert WHERE mandate_id = $1 AND account_id = $2 AND kind = $3",
            mandate_id, account_id or mandate_id, kind,
        )  # fmt: skip
        return dict(row) if row is not None else {}

    async def notices(self, mandate_id: UUID, kind: str = "EXHAUSTED") -> list[dict[str, Any]]:
        rows = await self.database.ledger_pool.fetch(
            "SELECT * FROM notice WHERE mandate_id = $1 AND kind = $2 ORDER BY created_at, recipient", mandate_id, kind
        )
        return [dict(row) for row in rows]

    async def states(self, mandate_id: UUID, kind: str = "EXHAUSTED") -> list[str]:
        """Recipient and state of every row, `"a@example.org SENT"`, oldest first."""
        return [f"{row['recipient']} {row['state']}" for row in await self.notices(mandate_id, kind)]

    async def inbox(self, mandate_id: UUID) -> list[dict[str, Any]]:
        """Kind, reader and payload of every item, oldest first."""
        rows = await self.database.ledger_pool.fetch(
            "SELECT kind, user_id, payload FROM inbox_item WHERE mandate_id = $1 ORDER BY created_at, kind", mandate_id
        )
        return [dict(row) for row in rows]


def refusal(
    mandate_id: UUID,
    *,
    account_id: UUID | None = None,
    reason: Reason = Reason.BALANCE_EXHAUSTED,
    user_id: UUID | None = None,
    key_id: UUID | None = None,
    calls: int = 1,
    required_nanos: int = CENT,
    available_nanos: int = 0,
) -> Refusal:
    account_id = account_id or mandate_id
    payer: Payer = "pool" if account_id == mandate_id else "wallet"
    return Refusal(
        mandate_id, account_id, payer, reason, required_nanos, available_nanos, user_id, key_id, calls
    )  # fmt: skip
