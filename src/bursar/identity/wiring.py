"""What the management routes work with; whoever composes the application puts it on `app.state.wiring`."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol
from uuid import UUID

from starlette.requests import Request

from bursar.foundation.database import Database
from bursar.foundation.settings_model import PaymentSettings
from bursar.identity.authenticator import Authenticator
from bursar.identity.sign_in.desk import SignIn
from bursar.ledger.model import Command, LimitScope, LimitSet, Outcome, Period, Rejected


class LedgerPort(Protocol):
    """Of the ledger, what management needs."""

    async def submit(self, command: Command) -> Outcome: ...

    async def create_limit(
        self,
        mandate_id: UUID,
        *,
        scope: LimitScope,
        scope_id: str,
        period: Period,
        amount_nanos: int,
        created_by: str | None = None,
    ) -> LimitSet | Rejected: ...
    async def change_limit(
        self, mandate_id: UUID, limit_id: UUID, amount_nanos: int, *, if_version: int | None = None
    ) -> LimitSet | Rejected: ...
    async def delete_limit(
        self, mandate_id: UUID, limit_id: UUID, *, if_version: int | None = None
    ) -> LimitSet | Rejected: ...


async def _nobody_was_told(_mandate_id: UUID, _account_id: UUID) -> datetime | None:
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Wiring:
    database: Database
    authenticator: Authenticator
    ledger: LedgerPort
    public_url: str
    top_up_enabled: bool = True
    """Whether the installation has any means for people to top up by themselves."""
    vouchers_enabled: bool = True
    payments: PaymentSettings = field(default_factory=PaymentSettings)
    sign_in: SignIn | None = None
    """Without it nobody signs in, and only keys open anything."""
    told_at: Callable[[UUID, UUID], Awaitable[datetime | None]] = _nobody_was_told
    """When finance was told of an account's present shortage (mandate id, account id)."""


def wiring_of(request: Request) -> Wiring:
    wiring = request.app.state.wiring
    assert isinstance(wiring, Wiring)
    return wiring
