"""The gateway's routes, for whoever mounts them. The only ones that reach a provider are the dialects' handlers."""

from __future__ import annotations

from typing import Final, Literal, NamedTuple

from bursar.foundation.ids import new_id
from bursar.gateway.asgi import AsgiApp, Receive, RequestHead, Scope, Send, send_answer
from bursar.gateway.balance import BalanceView
from bursar.gateway.dialects import messages_errors, openai
from bursar.gateway.dialects.messages import MESSAGES
from bursar.gateway.dialects.seam import FaultKind, GatewayFault
from bursar.gateway.gateway import Gateway
from bursar.gateway.models import ModelsView
from bursar.gateway.views import View, speaks_anthropic
from bursar.gateway.wiring import DIALECTS

_VIEWS: Final[dict[str, type[View]]] = {"/v1/models": ModelsView, "/v1/balance": BalanceView}
_PATHS: Final = frozenset({*_VIEWS, *(dialect.route for dialect in DIALECTS)})


class GatewayRoute(NamedTuple):
    method: Literal["GET", "POST"]
    path: str
    app: AsgiApp
    reaches_provider: bool


def gateway_routes(gateway: Gateway) -> tuple[GatewayRoute, ...]:
    """Method, path and ASGI application of every route."""
    return (
        *(GatewayRoute("POST", dialect.route, gateway.handler(dialect), True) for dialect in DIALECTS),
        *(GatewayRoute("GET", path, view(gateway), False) for path, view in _VIEWS.items()),
    )


async def unmatched(scope: Scope, receive: Receive, send: Send) -> None:
    """What any other request below `/v1/` is answered with, in the shape that the client expects there: 404 or 405."""
    kind = FaultKind.WRONG_METHOD if scope["path"] in _PATHS else FaultKind.UNKNOWN_ROUTE
    fault = GatewayFault(kind, f"There is no route {scope['method']} {scope['path'][:200]}.")
    head = RequestHead(scope)
    anthropic = speaks_anthropic(head) or scope["path"].startswith(MESSAGES.route)
    answer = (messages_errors if anthropic else openai).fault_answer(fault, str(new_id()))
    if kind is FaultKind.WRONG_METHOD:
        answer = answer._replace(headers=(*answer.headers, (b"allow", _method(scope["path"]).encode())))
    await send_answer(send, answer)


def _method(path: str) -> str:
    return "GET" if path in _VIEWS else "POST"
