"""The management routes of this room, as one router."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from bursar.billing import (
    routes_closing,
    routes_export,
    routes_history,
    routes_holds,
    routes_limits,
    routes_money,
    routes_notices,
    routes_payments,
    routes_settings,
    routes_statements,
    routes_transfers,
    routes_verifications,
    routes_vouchers,
)

router: Final = APIRouter()
for _part in (
    routes_settings,
    routes_money,
    routes_vouchers,
    routes_transfers,
    routes_export,
    routes_history,
    routes_payments,
    routes_verifications,
    routes_statements,
    routes_closing,
    routes_holds,
    routes_limits,
    routes_notices,
):
    router.include_router(_part.router)
