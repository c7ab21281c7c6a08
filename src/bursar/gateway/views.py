"""What the gateway's own pages share: who is asking, and errors in the shape of the API that the client speaks."""

from __future__ import annotations

from typing import Any

import msgspec
import structlog

from bursar.foundation.ids import new_id
from bursar.gateway.asgi import Receive, RequestHead, Scope, Send, send_answer
from bursar.gateway.callers import CallParty, identify
from bursar.gateway.dialects import messages_errors, openai
from bursar.gateway.dialects.seam import JSON_TYPE, ErrorAnswer, FaultKind, GatewayFault
from bursar.gateway.gateway import Gateway

log = structlog.get_logger(__name__)


def speaks_anthropic(head: RequestHead) -> bool:
    """Whether the client is one of Anthropic's API, which sends its version with every request."""
    return head.get(b"anthropic-version") is not None


class View:
    """A page that is read with a key. `show` makes its JSON; it reaches no provider. To a client of Anthropic's API it
    may show itself differently (`show_anthropic`)."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway

    async def show(self, party: CallParty) -> Any:
        """Raises `GatewayFault`."""
        raise NotImplementedError

    async def show_anthropic(self, party: CallParty) -> Any:
        """Raises `GatewayFault`."""
        return await self.show(party)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = str(new_id())
        head = RequestHead(scope)
        anthropic = speaks_anthropic(head)
        fault_answer = messages_errors.fault_answer if anthropic else openai.fault_answer
        headers = [JSON_TYPE, (b"x-request-id", request_id.encode())]
        if anthropic:
            headers.append((b"request-id", request_id.encode()))
        try:
            party = await identify(self.gateway.wiring.identities, head)
            shown = await (self.show_anthropic(party) if anthropic else self.show(party))
            answer = ErrorAnswer(200, tuple(headers), msgspec.json.encode(shown))
        except GatewayFault as fault:
            answer = fault_answer(fault, request_id)
        except Exception:
            log.exception("view_failed", request_id=request_id)
            answer = fault_answer(GatewayFault(FaultKind.INTERNAL, "The gateway failed."), request_id)
        await send_answer(send, answer)
