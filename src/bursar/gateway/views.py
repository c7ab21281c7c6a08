"""What the gateway's own pages share: who is asking, and errors in the shape of the OpenAI API."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from bursar.foundation.ids import new_id
from bursar.gateway.asgi import Receive, RequestHead, Scope, Send, send_answer
from bursar.gateway.callers import CallParty, identify
from bursar.gateway.dialects import openai
from bursar.gateway.dialects.seam import JSON_TYPE, ErrorAnswer, FaultKind, GatewayFault
from bursar.gateway.gateway import Gateway

log = structlog.get_logger(__name__)


class View:
    """A page that is read with a key. `show` makes its JSON; it reaches no provider."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def show(self, party: CallParty) -> Any:
        """Raises `GatewayFault`."""
        raise NotImplementedError

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(new_id())
        try:
            party = await identify(self.gateway.wiring.identities, RequestHead(scope))
            body = msgspec.json.encode(await self.show(party))
            answer = ErrorAnswer(200, (JSON_TYPE, (b"x-request-id", request_id.encode())), body)
        except GatewayFault as fault:
            answer = openai.fault_answer(fault, request_id)
        except Exception:
            log.exception("view_failed", request_id=request_id)
            answer = openai.fault_answer(GatewayFault(FaultKind.INTERNAL, "The gateway failed."), request_id)
        await send_answer(send, answer)
