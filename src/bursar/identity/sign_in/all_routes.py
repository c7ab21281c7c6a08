"""The routes of this part, as one router."""

from __future__ import annotations

from typing import Final

from fastapi import APIRouter

from bursar.identity.sign_in import routes, routes_invitations, routes_operators, routes_session

router: Final = APIRouter()
for _part in (routes, routes_session, routes_invitations, routes_operators):
    router.include_router(_part.router)
