"""The relay: carries one admitted call to an upstream and its answer back, and says once how it ended.

Whatever happens in between, the call's one `finally` hands its hold over to be settled or released.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Final

import structlog

from bursar.foundation.money import format_amount
from bursar.gateway.asgi import EVENT_STREAM, Client
from bursar.gateway.call import Call
from bursar.gateway.dialects.seam import Edits, ErrorAnswer, FaultKind, GatewayFault, Header, headers_upstream
from bursar.gateway.meter import Ending
from bursar.gateway.settlements import Settlements
from bursar.gateway.streams import StreamPasser
from bursar.gateway.upstream_http import UpstreamAnswer
from bursar.gateway.upstream_target import FaultReason, FaultStage, UpstreamFault
from bursar.gateway.upstreams import Route
from bursar.pricing.quote import clamped_output_tokens, output_limit_to_write

log = structlog.get_logger(__name__)

LARGEST_ERROR_BYTES: Final = 1024 * 1024
PASSED_BACK: Final = frozenset({b"content-type", b"content-language"})
"""Headers of an upstream that come back in every dialect; nothing about its cookies, limits or organisation does."""


async def relay(call: Call, client: Client, settlements: Settlements) -> None:
    """Carry the call to its end. Raises nothing but cancellation."""
    liveness, asked = call.wiring.ledger.liveness, call.asked
    mandate_id, ttl_seconds = asked.party.mandate.mandate_id, asked.configuration.hold_ttl_seconds
    liveness.keep_alive(mandate_id, asked.hold_id, ttl_seconds, call.hold_lost)
    clock = asyncio.get_running_loop().time
    began_seconds = clock()
    try:
        answer = call.answer = await _open(call)
        call.upstream_seconds = clock() - began_seconds
        if answer.status < 300 and any(name == b"content-encoding" for name, _ in answer.headers):
            # It was asked for identity: what cannot be read cannot be metered.
            raise UpstreamFault(FaultStage.BODY, FaultReason.PROTOCOL, "the answer is encoded")
        if answer.status >= 300:
            call.ending = None  # Whatever it says, it is no answer.
            await client.answer(await _error(call, answer))
        elif answer.content_type.lower().startswith(EVENT_STREAM):
            await StreamPasser(call, client, answer).run(answer.status, _headers(call, answer))
            call.upstream_seconds = clock() - began_seconds
        else:
            await _pass_whole(call, client, answer)
    except UpstreamFault as fault:
        await client.answer(_fault_answer(call, _no_answer(call, fault)))
    except Exception:
        log.exception("call_failed", **call.ticket().facts())
        if not client.status:
            await client.answer(_fault_answer(call, GatewayFault(FaultKind.INTERNAL, "The gateway failed.")))
    finally:
        client.close()
        if call.answer is not None:
            call.answer.close()
        settlements.settle(call.ticket(), call.final_charge())


# --- to the upstream -------------------------------------------------------------------------------------------------


async def _open(call: Call) -> UpstreamAnswer:
    """Send the request; the head of the answer. Another upstream is tried only where nothing has reached the first.

    Raises `UpstreamFault`.
    """
    routes = call.asked.routes
    for place, route in enumerate(routes):
        call.route = route
        try:
            return await _send(call, route)
        except UpstreamFault as fault:
            if call.ending is not None or call.stopped:
                raise
            call.wiring.alert("upstream_unreachable", {"error": str(fault), **call.ticket().facts()})
            if place == len(routes) - 1:
                raise
    raise AssertionError("a call without a route")


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


# --- back to the client ----------------------------------------------------------------------------------------------


async def _pass_whole(call: Call, client: Client, answer: UpstreamAnswer) -> None:
    body = await answer.read()
    reading = call.dialect.read_body(body)
    call.meter.add(reading)
    if reading.is_error and not call.meter.produced_anything and not call.meter.has_usage:
        call.ending = None
        error = call.dialect.read_error(answer.status, body)
        if error.about_our_account:
            await client.answer(_fault_answer(call, call.complaint(answer.status, error.code)))
            return
        charge = None
    else:
        charge = call.charge = await call.charged(Ending.DRAINED if client.gone else Ending.COMPLETE)
    headers = _headers(call, answer)
    headers.append((b"content-length", str(len(body)).encode()))
    headers.append((b"x-bursar-cost", format_amount(charge.actual_nanos if charge is not None else 0).encode()))
    headers.append((b"x-bursar-currency", call.asked.party.mandate.currency.encode()))
    available = call.admitted.granted.available_nanos
    if available is not None and call.asked.party.sees_account:
        headers.append((b"x-bursar-available", format_amount(available).encode()))
    await client.start(answer.status, headers)
    await client.write(body, more=False)


def _headers(call: Call, answer: UpstreamAnswer) -> list[Header]:
    """What of the upstream's headers passes, and ours."""
    passed = call.dialect.response_headers
    headers = [header for header in answer.headers if header[0] in PASSED_BACK or header[0] in passed]
    headers.extend((name, call.request_id.encode()) for name in call.dialect.identity_headers)
    clamped = clamped_output_tokens(call.admitted.quote, call.admitted.granted.amount_nanos)
    if clamped is not None:
        headers.append((b"x-bursar-output-clamped", str(clamped).encode()))
    return headers


async def _error(call: Call, answer: UpstreamAnswer) -> ErrorAnswer:
    """An upstream's error, for the client: as it came if it has the dialect's shape, else put into it."""
    status = answer.status
    try:
        body = await answer.read(LARGEST_ERROR_BYTES)
    except UpstreamFault:
        body = b""
    if status < 400:
        call.wiring.alert("upstream_redirects", {"status": status, **call.ticket().facts()})
        return _fault_answer(
            call, GatewayFault(FaultKind.UPSTREAM_UNAVAILABLE, "The upstream is elsewhere.", retry=False)
        )
    error = call.dialect.read_error(status, body)
    if error.about_our_account:
        return _fault_answer(call, call.complaint(status, error.code))
    retry_after = next((value for name, value in answer.headers if name == b"retry-after"), None)
    if not error.in_shape:
        shaped = _fault_answer(
            call, GatewayFault(FaultKind.UPSTREAM_ERROR, f"The upstream answered {status}.", status=status)
        )
    else:
        headers = [header for header in _headers(call, answer) if header[0] != b"x-bursar-output-clamped"]
        shaped = ErrorAnswer(status, tuple(headers), body)
    if retry_after is None:
        return shaped
    return shaped._replace(headers=(*shaped.headers, (b"retry-after", retry_after)))


def _no_answer(call: Call, fault: UpstreamFault) -> GatewayFault:
    """The fault that an upstream without an answer is told as. Where it may have run, clients should not try again."""
    if call.stopped:
        if fault.sent:
            call.ending = Ending.STOPPED
        if isinstance(call.why_stopped, GatewayFault):
            return call.why_stopped
    elif fault.sent:
        call.wiring.alert("upstream_broke_off", {"error": str(fault), **call.ticket().facts()})
    message = "The provider of this model cannot be reached."
    if fault.sent:
        message = "The provider of this model did not answer; it may have run, so its input is charged."
    return GatewayFault(FaultKind.UPSTREAM_UNAVAILABLE, message, retry=False if fault.sent else None)


def _fault_answer(call: Call, fault: GatewayFault) -> ErrorAnswer:
    return call.dialect.fault(fault, call.request_id)
