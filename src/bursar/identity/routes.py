"""The management routes of this room, as one router."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from bursar.identity import routes_audit, routes_keys, routes_mandates, routes_users

router: Final = APIRouter()
for _part in (routes_mandates, routes_users, routes_keys, routes_audit):
    router.include_router(_part.router)
