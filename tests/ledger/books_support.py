"""Mandates, money and calls for the ledger's tests."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from bursar.foundation.database import Database
from bursar.foundation.ids import new_id, new_mandate_id
from bursar.ledger.engine import Ledger
from bursar.ledger.model import (
    BillingModelName,
    CostSource,
    Extend,
    Outcome,
    Payer,
    Post,
    Release,
    Reserve,
    Settle,
    TransferKind,
)

UNIT = 1_000_000_000


async def create_mandate(
    database: Database,
    *,
    billing_model: BillingModelName = "PREPAY_MANDATE",
    credit_limit_nanos: int | None = None,
    exhausted_below_nanos: int | None = None,
    max_hold_share_percent: int = 100,
    time_zone: str = "Europe/Zurich",
) -> UUID:
    mandate_id = new_mandate_id()
    async with database.as_operator() as connection:
        await connection.execute(
            "INSERT INTO mandate (mandate_id, name, currency, time_zone) VALUES ($1, 'Test AG', 'CHF', $2)",
            mandate_id,
            time_zone,
        )
        await connection.execute(
            "INSERT INTO billing_settings (mandate_id, billing_model, credit_limit_nanos, exhausted_below_nanos,"
            " max_hold_share_percent) VALUES ($1, $2, $3, $4, $5)",
            mandate_id,
            billing_model,
            credit_limit_nanos,
            exhausted_below_nanos,
            max_hold_share_percent,
        )
    return mandate_id


async def change_terms(database: Database, mandate_id: UUID, **columns: Any) -> None:
    """Set columns of the mandate's billing settings, or its `status`."""
    async with database.as_operator() as connection:
        for column, value in columns.items():
            table = "mandate" if column in ("status", "time_zone") else "billing_settings"
            await connection.execute(
                f"UPDATE {table} SET {column} = $2 WHERE mandate_id = $1",  # noqa: S608
                mandate_id,
                value,
            )


@dataclass(frozen=True, slots=True)
class Mandate:
    """Short words for the commands of one mandate; amounts in nanos."""

    ledger: Ledger
    mandate_id: UUID
    billing_model: BillingModelName = "PREPAY_MANDATE"

    def _account(self, wallet: UUID | None) -> tuple[UUID, Payer]:
        return (self.mandate_id, "pool") if wallet is None else (wallet, "wallet")

    async def post(
        self, amount: int, *, kind: TransferKind = TransferKind.TOP_UP, wallet: UUID | None = None, **more: Any
    ) -> Outcome:
        account_id, payer = self._account(wallet)
        return await self.ledger.submit(
            Post(
                mandate_id=self.mandate_id,
                transfer_id=more.pop("transfer_id", None) or new_id(),
                account_id=account_id,
                payer=payer,
                kind=kind,
                amount_nanos=amount,
                **more,
            )
        )

    def reserve_command(
        self, minimum: int, desired: int | None = None, *, wallet: UUID | None = None, **more: Any
    ) -> Reserve:
        account_id, payer = self._account(wallet)
        return Reserve(
            mandate_id=self.mandate_id,
            hold_id=more.pop("hold_id", None) or new_id(),
            account_id=account_id,
            payer=payer,
            billing_model=more.pop("billing_model", self.billing_model),
            minimum_nanos=minimum,
            desired_nanos=minimum if desired is None else desired,
            **more,
        )

    async def reserve(self, minimum: int, desired: int | None = None, **more: Any) -> Outcome:
        return await self.ledger.submit(self.reserve_command(minimum, desired, **more))

    async def extend(
        self,
        hold_id: UUID,
        minimum_total: int,
        desired_total: int | None = None,
        *,
        wallet: UUID | None = None,
        **more: Any,
    ) -> Outcome:
        account_id, _ = self._account(wallet)
        return await self.ledger.submit(
            Extend(
                mandate_id=self.mandate_id,
                hold_id=hold_id,
                account_id=account_id,
                minimum_total_nanos=minimum_total,
                desired_total_nanos=minimum_total if desired_total is None else desired_total,
                **more,
            )
        )

    async def settle(self, hold_id: UUID, actual: int, *, wallet: UUID | None = None, **more: Any) -> Outcome:
        account_id, _ = self._account(wallet)
        return await self.ledger.submit(
            Settle(
                mandate_id=self.mandate_id,
                hold_id=hold_id,
                account_id=account_id,
                transfer_id=more.pop("transfer_id", None) or new_id(),
                actual_nanos=actual,
                cost_source=more.pop("cost_source", CostSource.PROVIDER_USAGE),
                **more,
            )
        )

    async def release(self, hold_id: UUID, *, wallet: UUID | None = None, **more: Any) -> Outcome:
        account_id, _ = self._account(wallet)
        return await self.ledger.submit(
            Release(mandate_id=self.mandate_id, hold_id=hold_id, account_id=account_id, **more)
        )
