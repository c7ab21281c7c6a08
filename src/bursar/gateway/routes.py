"""The gateway's routes, for whoever mounts them. The only ones that reach a provider are the dialects' handlers."""

from __future__ import annotations

from typing import Literal, NamedTuple

from bursar.gateway.asgi import AsgiApp
from bursar.gateway.balance import BalanceView
from bursar.gateway.gateway import Gateway
from bursar.gateway.models import ModelsView
from bursar.gateway.wiring import DIALECTS


class GatewayRoute(NamedTuple):
    method: Literal["GET", "POST"]
    path: str
    app: AsgiApp
    reaches_provider: bool


def gateway_routes(gateway: Gateway) -> tuple[GatewayRoute, ...]:
    """Method, path and ASGI application of every route."""
    return (
        *(GatewayRoute("POST", dialect.route, gateway.handler(dialect), True) for dialect in DIALECTS),
        GatewayRoute("GET", "/v1/models", ModelsView(gateway), False),
        GatewayRoute("GET", "/v1/balance", BalanceView(gateway), False),
    )
