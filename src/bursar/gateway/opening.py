"""Getting an answer to a call begun: the request is sent, and sent elsewhere where that is safe.

Where all upstreams at the call's price decline it, it may be begun anew at another price (`Call.goes_elsewhere`).

Another upstream is tried where nothing has reached the first, and where it has said that it will not serve the call
(5xx, 429, a complaint about our account). What was sent and got no answer is not repeated: it may have run. Nothing of
this is seen by the client, which has not been sent a byte. Every attempt is told to the circuit of its upstream.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Final

from bursar.gateway.call import FORBIDDEN, Call
from bursar.gateway.dialects.seam import Edits, Header, UpstreamError, headers_upstream
from bursar.gateway.health import Verdict
from bursar.gateway.meter import Ending
from bursar.gateway.upstream_http import UpstreamAnswer
from bursar.gateway.upstream_target import FaultReason, FaultStage, UpstreamFault
from bursar.gateway.upstreams import Route
from bursar.pricing.quote import output_limit_to_write

LARGEST_ERROR_BYTES: Final = 1024 * 1024
TOO_MANY_REQUESTS: Final = 429
REQUEST_TIMEOUT: Final = 408
GATEWAY_TIMEOUT: Final = 504
"""Somebody between has lost patience: whether the call runs is not known, so it is not sent again."""


@dataclass(frozen=True, slots=True)
class Declined:
    """An upstream's answer that is none: any status from 300 on."""

    status: int
    headers: list[Header]
    body: bytes
    error: UpstreamError

    @property
    def retry_after(self) -> bytes | None:
        return next((value for name, value in self.headers if name == b"retry-after"), None)

    @property
    def elsewhere(self) -> bool:
        """Whether another upstream may well serve what this one does not, and surely has not."""
        answered = self.status >= 500 and self.status != GATEWAY_TIMEOUT
        return answered or self.status == TOO_MANY_REQUESTS or self.error.about_our_account

    @property
    def verdict(self) -> Verdict:
        """What it says about the upstream. A 403 may be about the model or the content that a user asked for."""
        if self.error.about_our_account:
            return Verdict.NEUTRAL if self.status == FORBIDDEN else Verdict.ACCOUNT
        return Verdict.FAULT if self.status >= 500 or self.status == REQUEST_TIMEOUT else Verdict.NEUTRAL


async def open_answer(call: Call) -> UpstreamAnswer | Declined:
    """The head of the answer, or how it was declined. Raises `UpstreamFault`."""
    routes = call.asked.routes
    declined: Declined | None = None
    fault: UpstreamFault | None = None
    for place, route in enumerate(routes):
        if not call.enter(route):
            continue
        is_last = place == len(routes) - 1 and not call.asked.dearer_or_cheaper
        verdict = Verdict.NEUTRAL
        call.answer = None
        try:
            answer = call.answer = await _send(call, route)
            if answer.status < 300:
                verdict = Verdict.FINE
                return answer
            call.ending = None  # Whatever it says, it is no answer.
            declined = await _read_declined(call, answer)
            verdict = declined.verdict
            if is_last or call.stopped or not declined.elsewhere:
                return declined
            fault = None
            _tell(call, declined)
        except UpstreamFault as error:
            if call.stopped:
                raise
            verdict = Verdict.FAULT
            if call.ending is not None:
                raise
            call.wiring.alert("upstream_unreachable", {"error": str(error), **call.ticket().facts()})
            fault, declined = error, None
        finally:
            call.leave(verdict)
    if declined is not None:
        return declined
    raise fault or UpstreamFault(FaultStage.CONNECT, FaultReason.REFUSED, "it has just failed others")


def _tell(call: Call, declined: Declined) -> None:
    """The operator hears of a complaint also where another upstream serves the call."""
    if declined.error.about_our_account:
        call.complaint(declined.status, declined.error.code)


async def _read_declined(call: Call, answer: UpstreamAnswer) -> Declined:
    try:
        body = await answer.read(LARGEST_ERROR_BYTES)
    except UpstreamFault:
        body = b""
    finally:
        answer.close()
    return Declined(answer.status, answer.headers, body, call.dialect.read_error(answer.status, body))


async def _send(call: Call, route: Route) -> UpstreamAnswer:
    asked, admitted = call.asked, call.admitted
    edits = Edits(
        model=route.upstream.model_name(asked.request.model),
        output_limit=output_limit_to_write(admitted.quote, admitted.granted.amount_nanos),
        ask_usage=True,
    )
    body = call.dialect.write_request(asked.body, asked.request, edits)
    headers = [*route.headers, *headers_upstream(call.dialect, asked.head.only(call.dialect.request_headers))]
    timeout_seconds = route.upstream.settings.timeout_seconds
    if call.stopped:
        raise UpstreamFault(FaultStage.CONNECT, FaultReason.CLOSED)
    # From here on the input is charged, unless it turns out that it never arrived.
    call.ending = Ending.BROKEN
    for attempt in (1, 2):
        sending = call.wiring.client.send(route.target, headers, body, timeout_seconds=timeout_seconds)
        try:
            return await _stoppable(call, sending)
        except UpstreamFault as fault:
            if not fault.sent:
                call.ending = None
            # A kept connection that was closed as we wrote to it was idle for too long; the request was not read.
            idle = fault.reused and fault.stage is FaultStage.HEAD and fault.reason is FaultReason.RESET
            if not idle or attempt == 2 or call.stopped:
                raise
    raise AssertionError("unreachable")


async def _stoppable(call: Call, sending: Awaitable[UpstreamAnswer]) -> UpstreamAnswer:
    """Until the head of the answer is there, `call.stop` cancels what waits for it: this very task."""
    task = call.opening = asyncio.current_task()
    try:
        return await sending
    except asyncio.CancelledError:
        if call.stopped and task is not None and task.uncancel() == 0:
            raise UpstreamFault(FaultStage.HEAD, FaultReason.CLOSED) from None
        raise
    finally:
        call.opening = None
